"""The score cards: scores between their bounds, cards that can be computed again, and those that ship."""

from __future__ import annotations

import json
import math

import pytest
import torch
from PIL import Image

from artcore import cards, image, load
from artcore.models.encoder import ArtEncoder
from artcore.models.stylenet import StyleNet

SHIPPED = [name for name, entry in load.catalog().items() if entry.task == "painter" and entry.path]
each_shipped = pytest.mark.parametrize(
    "name", SHIPPED or [pytest.param("", marks=pytest.mark.skip("no painter ships yet"))]
)


def copy(picture, *, strength, seed):
    """A painter that does nothing."""
    return image.open(picture)


def noisy(size: tuple[int, int], seed: int, strength: float = 60.0) -> Image.Image:
    """Coloured noise on a ramp: something with brushwork, different for each seed."""
    width, height = size
    rng = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(40, 200, width).expand(height, width)[..., None]
    x = ramp + strength * (torch.rand(height, width, 3, generator=rng) - 0.5)
    return Image.fromarray(x.clamp(0, 255).to(torch.uint8).numpy())


def tiny(folder, seed: int = 0) -> StyleNet:
    torch.manual_seed(seed)
    net = StyleNet(channels=(4, 4, 4), blocks=1)
    net.save_pretrained(folder, dtype="float16")
    return net


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """A folder of small example photos in the place of the committed ones."""
    folder = tmp_path / "data" / "examples"
    folder.mkdir(parents=True)
    for i in range(3):
        noisy((72, 48), i, 5.0).save(folder / f"photo_{i}.jpg")
    monkeypatch.setattr(cards, "__file__", str(tmp_path / "artcore" / "cards.py"))
    monkeypatch.setattr(cards, "EXAMPLE_SIZE", 48)
    for number in ("PATCHES", "EXAMPLE_PATCHES"):
        monkeypatch.setattr(cards, number, 1024)
    return folder


@pytest.fixture
def shop(tmp_path, monkeypatch, examples):
    """A catalog of one tiny painter with a card, and an encoder."""
    weights = tmp_path / "weights"
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(weights))
    tiny(weights / "stylenet.vangogh")
    ArtEncoder(channels=(4, 4, 4, 4), classes=2).save_pretrained(weights / "encoder")
    entry = {"task": "painter", "label": "Van Gogh", "folder": "stylenet.vangogh", "licence": "research use"}
    (weights / "catalog.json").write_text(json.dumps({"stylenet.vangogh": entry}))
    return weights


@pytest.fixture
def data(tmp_path):
    """Data laid out as a training run knows it: 41 photos and 12 paintings."""
    root = tmp_path / "pictures"
    for folder, count, strength in (("photos", 41, 5.0), ("painters/vangogh", 12, 120.0)):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            noisy((40, 36), i, strength).save(root / folder / f"p{i:03}.png")
    (root / "README.md").write_text(
        "| folder | images | MB | source | licence |\n|---|---|---|---|---|\n"
        "| painters/vangogh | 12 | 1 | a/b (12) | public domain: died 1890 |\n"
        "| photos (land_*) | 41 | 1 | c/d (41) | research use only |\n"
        "| painters/monet | 9 | 1 | e/f (9) | public domain |\n"
    )
    return root


def make_card(shop, **changes):
    arguments = {
        "name": "stylenet.vangogh",
        "source": "stylenet.vangogh",
        "label": "Van Gogh",
        "licence": "research use",
        "record": None,
    }
    cards.make(shop / "stylenet.vangogh", load.load("stylenet.vangogh"), **(arguments | changes))
    return (shop / "stylenet.vangogh" / "README.md").read_text()


# Scores


def test_the_copied_photo_scores_zero_and_more_paint_scores_more(shop):
    photos = [noisy((60, 48), i, 5.0) for i in range(4)]
    paintings = [noisy((60, 48), 10 + i, 120.0) for i in range(4)]
    heldback = [noisy((60, 48), 20 + i, 118.0) for i in range(4)]

    def halfway(picture, *, strength, seed):
        return noisy(picture.size, 30 + round(sum(picture.getpixel((0, 0)))), 60.0)

    copied = cards.score(copy, photos, paintings, heldback, size=48)
    half = cards.score(halfway, photos, paintings, heldback, size=48)
    assert copied.brushwork.score == copied.colour.score == copied.encoder.score == 0
    assert copied.content == pytest.approx(1)
    assert 0.2 < half.brushwork.score < 0.8 and half.content < 0.9


def test_a_score_by_name_is_that_of_its_painter(shop):
    sets = [[noisy((48, 40), i)] for i in (1, 2, 3)]
    by_name = cards.score("stylenet.vangogh", *sets, size=40)
    assert by_name == cards.score(load.load(shop / "stylenet.vangogh"), *sets, size=40)


def test_a_score_without_the_encoder_says_where_it_should_be(shop):
    (shop / "encoder" / "config.json").unlink()
    cards._features.cache_clear()
    with pytest.raises(ValueError, match="config.json"):
        cards.score(copy, *[[noisy((48, 40), i)] for i in (1, 2, 3)], size=40)


def test_a_canvas_has_its_short_side_and_squares_are_widened_where_asked():
    assert cards.canvas(noisy((100, 50), 0), 25).size == (50, 25)
    assert cards.canvas(noisy((50, 50), 0), 40).size == (40, 40)
    assert cards.canvas(noisy((50, 50), 0), 40, unsqueeze=True).size == (50, 40)


def test_example_score_is_the_same_every_time_and_knows_the_bounds(examples):
    for i, name in enumerate(cards.EXAMPLE_PAINTINGS["vangogh"]):
        noisy((64, 48), 10 + i, 120.0).save(examples / f"style_{name}.jpg")
    first, second = (cards.example_score(copy, style="vangogh") for _ in range(2))
    assert first == second
    assert first["content kept"].value == pytest.approx(1)
    assert first["colour difference to the photo"] == (0, 0, None)
    assert "brushwork distance" in first and "colour distance" in first
    assert all(figure.value == pytest.approx(figure.photo) for figure in first.values())


def test_example_score_has_style_figures_only_between_bounds(examples):
    noisy((64, 48), 1).save(examples / "style_irises.jpg")
    one = cards.example_score(copy, style="vangogh")
    assert one["colourfulness"].painting is not None and "brushwork distance" not in one
    noisy((64, 48), 2).save(examples / "style_night_cafe.jpg")
    two = cards.example_score(copy, style="vangogh")
    assert None not in two["brushwork distance"] and None not in two["colour distance"]
    assert "brushwork distance" not in cards.example_score(copy, style="nobody")
    for photo in examples.glob("photo_*"):
        photo.unlink()
    with pytest.raises(cards.CardError, match="checkout"):
        cards.example_score(copy)


# Cards


def test_a_card_says_what_the_hub_and_a_reader_need(shop):
    record = {
        "trainer": "train_stylenet",
        "step": 1200,
        "photos": 30,
        "minutes": 41.6,
        "hardware": "2 cores",
        "config": {"batch_size": 8, "size": 192, "init": "/secret/place/base/model", "out": "/secret", "seed": 3},
    }
    card = make_card(shop, record=record)
    head = card.split("---")[1]
    for line in ("license: other", "license_name: research-use", "library_name: artcore"):
        assert line in head.splitlines()
    assert "pipeline_tag: image-to-image" in head and "- vangogh" in head
    for text in ("| steps | 1200 |", "| batch | 8 |", "| time | 42 minutes |", "| fine-tuned from | base |"):
        assert text in card
    assert "python -m training.train_stylenet" in card
    assert "secret" not in card and '"seed": 3' in card
    assert 'artcore.load("stylenet.vangogh")' in card and "(sample.jpg)" in card
    with Image.open(shop / "stylenet.vangogh" / "sample.jpg") as sample:
        assert sample.size == (3 * 480 + 16, 2 * 320 + 8)
    with Image.open(shop / "stylenet.vangogh" / "thumbnail.jpg") as small:
        assert small.size == (256, 256)


def test_a_licence_that_the_hub_knows_is_named_as_it_is():
    assert "license: mit\nlibrary_name" in cards.front_matter("MIT", [])


def test_the_figures_on_a_card_are_those_that_come_out_again(shop):
    card = make_card(shop)
    again = cards.example_score("stylenet.vangogh")
    assert cards.disagreements(cards.read_examples(card), again) == []
    value = cards.read_examples(card)["content kept"].value
    forged = card.replace(f"| content kept | {value:.4g} |", f"| content kept | {value + 0.03:.4g} |")
    (wrong,) = cards.disagreements(cards.read_examples(forged), again)
    assert wrong.startswith("content kept (value)")


def test_disagreements_sees_what_is_missing_and_what_is_no_number():
    a, b = cards.Figure(1.0, 0.5), cards.Figure(1.0, 0.5, 0.25)
    assert cards.disagreements({"x": a}, {"x": a}) == []
    assert cards.disagreements({"x": a}, {"y": a}) == ["x: on the card alone", "y: not on the card"]
    assert len(cards.disagreements({"x": a}, {"x": b})) == 1
    assert len(cards.disagreements({"x": cards.Figure(math.nan, 0.5)}, {"x": a})) == 1


def test_update_writes_figures_between_bounds_and_leaves_the_rest(shop, data, monkeypatch):
    monkeypatch.setattr(cards, "SIZES", (36,))
    before = make_card(shop).replace("## Limits", "By hand.\n\n## Limits")
    path = shop / "stylenet.vangogh" / "README.md"
    path.write_text(before)
    seen = []
    assert cards.update(data, progress=lambda names: seen.extend(names) or names) == ["stylenet.vangogh"]
    assert seen == ["stylenet.vangogh"]
    after = path.read_text()
    assert "By hand." in after and "Not computed yet" not in after
    rows = [line.split("|")[1:-1] for line in after.splitlines() if line.startswith("| 36 px |")]
    assert [row[1].strip() for row in rows] == ["brushwork", "colour", "encoder", "content kept"]
    for row in rows[:3]:
        assert all(float(cell) >= 0 for cell in row[2:5])
    # By the trainer's rule: 41 photos, every 20th back; 12 paintings, every 10th.
    assert "38 photos to train on, 3 held back" in after
    assert "10 paintings (painters/vangogh) to train on, 2 held back" in after
    assert "public domain: died 1890" in after and "photos (land_*)" in after and "e/f" not in after
    assert cards.data_hash([*data.glob("photos/*"), *data.glob("painters/vangogh/*")], data) in after
    cards.update(data)
    assert path.read_text() == after


def test_the_held_back_files_are_those_of_the_trainer():
    from training.data import split
    from training.train_stylenet import Config

    files = [f"{i:04}" for i in range(123)]
    for share, every in (
        (Config.hold_back_photos, cards.HOLD_BACK_PHOTOS),
        (Config.hold_back_paintings, cards.HOLD_BACK_PAINTINGS),
    ):
        assert cards._split(files, every) == split(files, share)


def test_the_hash_knows_names_and_bytes(tmp_path):
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    first = cards.data_hash([a, b], tmp_path)
    assert cards.data_hash([b, a], tmp_path) == first
    a.write_bytes(b"2")
    b.write_bytes(b"1")
    assert cards.data_hash([a, b], tmp_path) != first


def test_a_class_is_found_under_its_name_or_a_longer_one(tmp_path):
    (tmp_path / "styles" / "art_nouveau_modern").mkdir(parents=True)
    assert cards.class_folder(tmp_path, "art_nouveau").name == "art_nouveau_modern"
    (tmp_path / "painters" / "art_nouveau").mkdir(parents=True)
    assert cards.class_folder(tmp_path, "art_nouveau").name == "art_nouveau"
    with pytest.raises(cards.CardError, match="styles/monet"):
        cards.class_folder(tmp_path, "monet")


def test_update_refuses_before_it_computes(shop, data):
    with pytest.raises(cards.CardError, match="choose from stylenet.vangogh"):
        cards.update(data, ["stylenet.nobody"])
    with pytest.raises(cards.CardError, match="has no card"):
        cards.update(data)
    make_card(shop)
    with pytest.raises(cards.CardError, match="no paintings of vangogh"):
        cards.update(shop)
    path = shop / "stylenet.vangogh" / "README.md"
    path.write_text("# By hand alone\n")
    with pytest.raises(cards.CardError, match="markers"):
        cards.update(data)
    assert path.read_text() == "# By hand alone\n"


def test_a_full_score_needs_a_folder_with_enough_in_it(shop, tmp_path):
    with pytest.raises(cards.CardError, match="no folder"):
        cards.full_score(copy, tmp_path / "nowhere", "vangogh")
    for folder in ("photos", "painters/vangogh"):
        (tmp_path / "few" / folder).mkdir(parents=True)
    with pytest.raises(cards.CardError, match="holds no pictures"):
        cards.full_score(copy, tmp_path / "few", "vangogh")
    for folder in ("photos", "painters/vangogh"):
        noisy((40, 36), 0).save(tmp_path / "few" / folder / "one.png")
    with pytest.raises(cards.CardError, match="two at least"):
        cards.full_score(copy, tmp_path / "few", "vangogh")


def test_a_damaged_training_record_is_named(tmp_path):
    (tmp_path / "model").mkdir()
    assert cards.read_record(tmp_path / "model") is None
    (tmp_path / "training.json").write_text('{"step": 7}')
    assert cards.read_record(tmp_path / "model") == {"step": 7}
    (tmp_path / "model" / "training.json").write_text("[")
    with pytest.raises(cards.CardError, match="training.json"):
        cards.read_record(tmp_path / "model")


# What ships


@each_shipped
def test_the_example_figures_on_a_shipped_card_hold(name):
    card = (load.catalog()[name].path / cards.CARD).read_text(encoding="utf-8")
    wrong = cards.disagreements(cards.read_examples(card), cards.example_score(name))
    assert not wrong, f"run `python -m artcore cards FOLDER {name}` if this is meant: {'; '.join(wrong)}"


@each_shipped
def test_a_shipped_card_has_its_pictures_and_its_full_score(name):
    entry = load.catalog()[name]
    card = (entry.path / cards.CARD).read_text(encoding="utf-8")
    assert entry.sha256 in card and entry.licence in card
    assert all(f"| {size} px | brushwork |" in card for size in cards.SIZES)
    for picture in (cards.SAMPLE, cards.THUMBNAIL):
        assert image.open(entry.path / picture).mode == "RGB"
