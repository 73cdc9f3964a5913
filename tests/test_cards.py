"""The score cards: scores between their bounds, cards that can be computed again, and those that ship."""

from __future__ import annotations

import json
import math

import pytest
import torch
from PIL import Image

from artcore import cards, image, load
from artcore.__main__ import main
from artcore.cards import hands, scores
from artcore.models.cyclegan import DIRECTIONS, CycleGAN
from artcore.models.encoder import ArtEncoder
from artcore.models.stylenet import StyleNet
from docs import before_after

SHIPPED = [n for n, entry in load.catalog().items() if entry.task in cards.KINDS and n != "encoder" and entry.path]
each_shipped = pytest.mark.parametrize(
    "name", SHIPPED or [pytest.param("", marks=pytest.mark.skip("no net ships yet"))]
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
    monkeypatch.setattr(scores, "EXAMPLES", folder)
    monkeypatch.setattr(scores, "EXAMPLE_SIZE", 48)
    for number in ("PATCHES", "EXAMPLE_PATCHES"):
        monkeypatch.setattr(scores, number, 1024)
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
    scores._features.cache_clear()
    with pytest.raises(ValueError, match="config.json"):
        cards.score(copy, *[[noisy((48, 40), i)] for i in (1, 2, 3)], size=40)


def test_a_canvas_has_its_short_side_and_squares_are_widened_where_asked():
    assert cards.canvas(noisy((100, 50), 0), 25).size == (50, 25)
    assert cards.canvas(noisy((50, 50), 0), 40).size == (40, 40)
    assert cards.canvas(noisy((50, 50), 0), 40, unsqueeze=True).size == (50, 40)


def test_example_score_is_the_same_every_time_and_knows_the_bounds(examples):
    for i, name in enumerate(scores.EXAMPLE_PAINTINGS["vangogh"]):
        noisy((64, 48), 10 + i, 120.0).save(examples / f"style_{name}.jpg")
    first, second = (cards.example_score(copy, style="vangogh") for _ in range(2))
    assert first == second
    assert first["content kept"]["this net"] == pytest.approx(1)
    assert first["colour difference to the photo"] == {"this net": 0, "the photos": 0, "real paintings": None}
    assert "brushwork distance" in first and "colour distance" in first
    assert all(figure["this net"] == pytest.approx(figure["the photos"]) for figure in first.values())


def test_example_score_has_style_figures_only_between_bounds(examples):
    noisy((64, 48), 1).save(examples / "style_irises.jpg")
    one = cards.example_score(copy, style="vangogh")
    assert one["colourfulness"]["real paintings"] is not None and "brushwork distance" not in one
    noisy((64, 48), 2).save(examples / "style_night_cafe.jpg")
    two = cards.example_score(copy, style="vangogh")
    assert None not in [*two["brushwork distance"].values(), *two["colour distance"].values()]
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
    value = cards.read_examples(card)["content kept"]["this net"]
    forged = card.replace(f"| content kept | {value:.4g} |", f"| content kept | {value + 0.03:.4g} |")
    (wrong,) = cards.disagreements(cards.read_examples(forged), again)
    assert wrong.startswith("content kept (this net)")


def test_disagreements_sees_what_is_missing_and_what_is_no_number():
    a, b = {"net": 1.0, "photo": 0.5}, {"net": 1.0, "photo": 0.5, "painting": 0.25}
    assert cards.disagreements({"x": a}, {"x": a}) == []
    assert cards.disagreements({"x": a}, {"y": a}) == ["x: on the card alone", "y: not on the card"]
    assert len(cards.disagreements({"x": a}, {"x": b})) == 1
    assert len(cards.disagreements({"x": {"net": math.nan, "photo": 0.5}}, {"x": a})) == 1


def test_update_writes_figures_between_bounds_and_leaves_the_rest(shop, data, monkeypatch):
    monkeypatch.setattr(scores, "SIZES", (36,))
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
        (Config.hold_back_photos, scores.HOLD_BACK_PHOTOS),
        (Config.hold_back_paintings, scores.HOLD_BACK_PAINTINGS),
    ):
        assert scores.split(files, every) == split(files, share)


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
        list(cards.full_score(copy, tmp_path / "nowhere", "vangogh"))
    for folder in ("photos", "painters/vangogh"):
        (tmp_path / "few" / folder).mkdir(parents=True)
    with pytest.raises(cards.CardError, match="holds no pictures"):
        list(cards.full_score(copy, tmp_path / "few", "vangogh"))
    for folder in ("photos", "painters/vangogh"):
        noisy((40, 36), 0).save(tmp_path / "few" / folder / "one.png")
    with pytest.raises(cards.CardError, match="two at least"):
        list(cards.full_score(copy, tmp_path / "few", "vangogh"))


def test_a_damaged_training_record_is_named(tmp_path):
    (tmp_path / "model").mkdir()
    assert cards.read_record(tmp_path / "model") is None
    (tmp_path / "training.json").write_text('{"step": 7}')
    assert cards.read_record(tmp_path / "model") == {"step": 7}
    (tmp_path / "model" / "training.json").write_text("[")
    with pytest.raises(cards.CardError, match="training.json"):
        cards.read_record(tmp_path / "model")


# Both directions


@pytest.fixture
def cyclegan(shop, examples):
    """A tiny CycleGAN in the catalog beside the StyleNet, and example paintings."""
    torch.manual_seed(1)
    CycleGAN(channels=(4, 4, 4), blocks=1, refine=0).save_pretrained(shop / "cyclegan.vangogh", dtype="float16")
    entries = json.loads((shop / "catalog.json").read_text())
    entries["cyclegan.vangogh"] = entries["stylenet.vangogh"] | {"folder": "cyclegan.vangogh"}
    (shop / "catalog.json").write_text(json.dumps(entries))
    for i, name in enumerate(("irises", "night_cafe", "wheat_field_with_cypresses", "impression_sunrise")):
        noisy((72, 48), 10 + i, 120.0).save(examples / f"style_{name}.jpg")
    return shop / "cyclegan.vangogh"


@pytest.fixture
def monet(data):
    """A second painter, quieter than the first."""
    (data / "painters" / "monet").mkdir()
    for i in range(12):
        noisy((36, 36), 50 + i, 40.0).save(data / "painters" / "monet" / f"p{i:03}.png")
    return data


class Turner:
    """A painter of both directions: adds noise to a photo, and leaves a painting alone or takes it away."""

    directions = scores.DIRECTIONS

    def __init__(self, undo: bool):
        self.undo = undo

    def __call__(self, picture, *, strength, seed, direction="to_painting"):
        if direction == "to_painting":
            return noisy(picture.size, round(sum(picture.getpixel((0, 0)))), 120.0)
        return noisy(picture.size, 7, 5.0) if self.undo else picture.copy()


def test_each_direction_is_scored_towards_its_own_kind(shop, data):
    def scored(task, direction):
        return scores.score(task, *scores.sets(data, "vangogh", direction), size=36, direction=direction)

    undone, left = scored(Turner(True), "to_photo"), scored(Turner(False), "to_photo")
    assert left.brushwork.score == left.colour.score == 0 and left.content == pytest.approx(1)
    assert undone.brushwork.score > 0.8 and undone.content < 0.9
    assert scored(Turner(False), "to_painting").brushwork.score > 0.8


def test_the_sets_of_both_directions_share_no_file(data):
    for direction, folders in (("to_painting", ("photos", "vangogh")), ("to_photo", ("vangogh", "photos"))):
        found = scores.sets(data, "vangogh", direction)
        assert {p.parent.name for p in found.inputs} == {folders[0]}
        assert {p.parent.name for p in (*found.goals, *found.others)} == {folders[1]}
        assert not set(found.goals) & set(found.others)
    assert not set(scores.sets(data, "vangogh").inputs) & set(scores.sets(data, "vangogh", "to_photo").goals)


def test_full_score_of_a_cyclegan_has_both_directions_and_the_hand(cyclegan, monet):
    keep = {}
    painting, photo, distances, taken = scores.full_score(cyclegan, monet, "vangogh", sizes=(36,), keep=keep)
    assert painting.startswith("To a painting, on 3 photos and 2 paintings")
    assert photo.startswith("To a photo, on 2 paintings and 3 photos")
    assert photo.count("| 36 px |") == painting.count("| 36 px |") == 4
    assert keep.keys() == {"to_painting", "to_photo"}
    assert keep["to_photo"]["36 px"].keys() == {"brushwork", "colour", "encoder", "content"}
    assert f"| {keep['to_photo']['36 px']['content']:.3f} | 1 |" in photo
    rows = [line for line in distances.splitlines() if line.startswith(("| this", "| held", "| the"))]
    assert len(rows) == 12
    assert "**photos to paintings**" in taken and "**paintings to photos**" in taken


def test_a_stylenet_has_one_direction_and_a_lonely_painter_no_rival(shop, data):
    (only,) = scores.full_score("stylenet.vangogh", data, "vangogh", sizes=(36,))
    assert only.startswith("To a painting")


def test_whose_hand_knows_the_hand_and_not_the_file(shop, monet, tmp_path):
    class Hand(Turner):
        def __call__(self, picture, *, strength, seed, direction="to_painting"):
            if direction == "to_photo":
                return noisy(picture.size, 7, 5.0)
            # Twice the size of all that it learned from.
            return noisy((2 * picture.width, 2 * picture.height), 90, 80.0)

    distances, taken = hands.tables(Hand(True), monet, "monet", 36)
    own = [line for line in distances.splitlines() if line.startswith("| held-back monet | both")]
    assert own[0].endswith("| **monet** |")
    assert "knows 100%" in taken
    (row,) = [line for line in taken.splitlines() if line.startswith("| **paintings to photos**")]
    assert row.endswith("| 100% |")


def test_alike_leaves_no_trace_of_size_and_form():
    picture = noisy((400, 300), 3)
    for other in (picture, picture.resize((200, 300)), picture.convert("RGBA")):
        assert hands.alike(other).shape == (1, 3, hands.SIDE, hands.SIDE)
    file = hands.alike(picture)
    again = hands.alike(image.to_pil(file))
    assert (file - again).abs().mean() < 0.02  # it went through JPEG of this quality already


def test_a_classifier_learns_and_weighs_classes_alike():
    torch.manual_seed(0)
    many, few = torch.randn(60, 5, 8), torch.randn(4, 5, 8) + 1.5
    found = hands.Classifier({"many": many[:50], "few": few})
    assert found(many[50:]).count("many") >= 9
    assert found(torch.randn(10, 5, 8) + 1.5).count("few") >= 9


def test_example_score_of_a_cyclegan_looks_at_both_directions(cyclegan):
    found = cards.example_score("cyclegan.vangogh")
    assert found == cards.example_score("cyclegan.vangogh")
    row = found["content kept, to a photo"]
    assert row["the photos"] is None and row["real paintings"] == 1
    table = f"{cards.card._markers('examples')[0]}\n{cards.table(found)}\n{cards.card._markers('examples')[1]}"
    assert cards.disagreements(cards.read_examples(table), found) == []
    assert "content kept, to a photo" not in cards.example_score("stylenet.vangogh")


def test_the_card_of_a_cyclegan_shows_both_directions_and_what_there_is_to_say(cyclegan, tmp_path):
    run = {"minutes": 60.2, "hardware": "2 cores", "figures": {"to_painting": {"256 px": {"brushwork": 0.1234}}}}
    record = {
        "trainer": "train_cyclegan",
        "config": {
            "init_to_painting": "/runs/stylenet.vangogh/model",
            "init_to_photo": "weights/unpaint",
            "ema": 0.998,
            "noise_gain": 0.5,
            "url": "/somewhere",
        },
        "baseline": [{"name": "compact", **run}, {"name": "resnet", **run}],
    }
    noisy((60, 40), 1).save(tmp_path / "both.png")
    task = load.load(cyclegan)
    cards.make(
        cyclegan,
        task,
        name="cyclegan.vangogh",
        source="cyclegan.vangogh",
        label="Van Gogh",
        licence="research use",
        record=record,
        note="Strokes in every sky.",
        compared=tmp_path / "both.png",
    )
    text = (cyclegan / cards.CARD).read_text()
    for part in (
        "and a painting back into a photo",
        'direction="to_photo")',
        "| to a painting, fine-tuned from | stylenet.vangogh |",
        "| to a photo, fine-tuned from | unpaint |",
        "| average of the weights (EMA) | 0.998 |",
        "| noise gain of the saved net | 0.5 |",
        "no rough strokes in backgrounds",
        "Strokes in every sky.\n\n![Before and after](before_after.jpg)\n\n## Compared",
        "| compact, 60 minutes | resnet, 60 minutes |",
        "| to a painting | 256 px | brushwork | 0.123 | 0.123 |",
    ):
        assert part in text, part
    assert "/runs" not in text and "/somewhere" not in text
    assert text.index("## Compared") < text.index("## Limits")
    with Image.open(cyclegan / "sample.jpg") as sample:
        assert sample.size == (3 * 480 + 16, 4 * 320 + 24)
    assert image.open(cyclegan / cards.COMPARED).size == (60, 40)
    assert cards.disagreements(cards.read_examples(text), cards.example_score("cyclegan.vangogh")) == []


def test_the_card_of_a_stylenet_says_nothing_of_another_direction(shop):
    text = make_card(shop)
    assert "to_photo" not in text and "## Before and after" not in text and "## Compared" not in text


def test_before_and_after_has_a_column_for_each_way_and_both_directions():
    asked = []

    def painter(picture, *, light, direction):
        asked.append((light, direction))
        return Image.new("RGB", picture.size, (0, 255 * light, 0))

    made = before_after.sheet(painter)
    rows = [direction for _, direction in before_after.ROWS]
    assert sorted(asked) == sorted((light, row) for light in (0, 1) for row in rows) and {*rows} == {*DIRECTIONS}
    width, height = (side + before_after.GAP for side in before_after.CELL)
    middles = [made.getpixel((int((x + 0.5) * width), 20 + int(0.5 * height))) for x in range(3)]
    assert middles[0] not in middles[1:] and middles[1:] == [(0, 0, 0), (0, 255, 0)]
    wider = before_after.sheet(painter, lambda picture, **_: Image.new("RGB", picture.size, "red"))
    assert wider.width == made.width + width and wider.getpixel((wider.width - 9, 99)) == (255, 0, 0)


def test_a_baseline_must_be_what_the_command_wrote():
    for wrong in ([{}], [{"name": "a", "minutes": "long", "figures": {}}], [1]):
        with pytest.raises(cards.CardError, match="--json"):
            cards.baseline_section(wrong)


def test_a_checkpoint_is_judged_in_the_shell_and_nothing_is_written(cyclegan, data, tmp_path, capsys):
    run = tmp_path / "runs" / "second"
    run.mkdir(parents=True)
    (run / "training.json").write_text('{"minutes": 12.5, "step": 40}')
    cyclegan.rename(run / "model")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    command = ["cards", str(data), "--model", str(run), "--style", "vangogh", "--size", "36"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "To a painting" in out and "To a photo" in out
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    assert main([*command, "--json", str(tmp_path / "found.json")]) == 0
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert found["name"] == "second" and found["minutes"] == 12.5
    assert "| to a photo | 36 px | content |" in cards.baseline_section([found])
    assert main(["cards", str(data), "--style", "vangogh"]) == 2
    assert "--model" in capsys.readouterr().err
    for words, why in (([], "--style"), (["--style", "vangogh", "--set", "x"], "--set says nothing")):
        assert main(["cards", str(data), "--model", str(run), *words]) == 2
        assert why in capsys.readouterr().err


# What ships


FULL = {
    "painter": [f"| {size} px | brushwork |" for size in cards.SIZES],
    "colorizer": [
        "| flowers | K = 1 | best of 5 | best of 10 | grey copied | mean chroma | best tint of ",
        "| varied | K = 1 |",
    ],
    "upscaler": ["| LR-consistency PSNR, dB |", " held-back pictures of "],
}


@each_shipped
def test_a_shipped_card_has_its_pictures_and_its_full_score(name):
    entry = load.catalog()[name]
    card = (entry.path / cards.CARD).read_text(encoding="utf-8")
    assert entry.sha256 in card and entry.licence in card
    assert all(part in card for part in FULL[entry.task])
    for picture in (cards.SAMPLE, cards.THUMBNAIL):
        assert image.open(entry.path / picture).mode == "RGB"
