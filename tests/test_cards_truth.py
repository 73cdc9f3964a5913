"""Cards that lie: one figure that was changed is seen on a card of every kind, and what can't be known is named."""

from __future__ import annotations

import json
import re
import zipfile

import pytest
import torch
from PIL import Image

from artcore import cards, image, load
from artcore.__main__ import main
from artcore.cards import colour, features, hands, scores
from artcore.cards.truth import differences, unverified
from artcore.models.colorunet import ColorUNet
from artcore.models.cyclegan import CycleGAN
from artcore.models.encoder import ArtEncoder
from artcore.models.enhancenet import EnhanceNet
from artcore.models.stylenet import StyleNet
from training import publish

# A small net of each kind by its catalog name, and a figure of each of its tables: row, column.
NETS = {
    "stylenet.monet": (
        lambda: StyleNet(channels=(4, 4, 4), blocks=1),
        [("| 36 px | colour |", 0), ("| this net | colour |", 1), ("| real photo |", 0), ("| content kept |", 0)],
    ),
    "cyclegan.monet": (
        lambda: CycleGAN(channels=(4, 4, 4), blocks=1, refine=0),
        [("| 36 px | encoder |", 1), ("| **paintings to photos** |", 0), ("| colourfulness, to a photo |", 0)],
    ),
    "colorunet.general": (
        lambda: ColorUNet(channels=(8, 8), blocks=(1, 1)),
        [("| CIEDE2000 between seeds |", 0), ("| colourfulness |", 2)],
    ),
    "enhancenet.fidelity": (
        lambda: EnhanceNet(channels=8, blocks=1),
        [("| SSIM, of JPEG of quality 60 |", 0), ("| LR-consistency PSNR, dB |", 1)],
    ),
    "encoder": (lambda: ArtEncoder(channels=(4, 4, 4, 4), classes=3), [("| top-5 accuracy |", 1), ("| r2_1 |", 0)]),
}


def noisy(size: tuple[int, int], seed: int, strength: float = 60.0) -> Image.Image:
    """Coloured noise on a ramp of two colours."""
    rng = torch.Generator().manual_seed(seed)
    ramp = torch.rand(3, 1, 2, generator=rng).repeat_interleave(size[0] // 2, 2).expand(3, size[1], -1)
    return image.to_pil((ramp + strength / 255 * (torch.rand(3, *ramp.shape[1:], generator=rng) - 0.5)).clamp(0, 1))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of pictures that every kind of card can be computed from, small examples, and an empty weights/."""
    root = tmp_path / "pictures"
    for folder, count, strength in (
        ("photos", 21, 5.0), ("painters/monet", 11, 40.0), ("painters/vangogh", 11, 120.0), ("sr", 21, 20.0),
    ):  # fmt: skip
        (root / folder).mkdir(parents=True)
        for i in range(count):
            noisy((48, 40), i + count, strength).save(root / folder / f"p_{i:03}.png")
    with zipfile.ZipFile(root / features.ARCHIVE, "w") as archive:
        for i in range(66):
            noisy((16, 16), i).save(tmp_path / "one.png")
            archive.write(tmp_path / "one.png", f"class{i % 3}/{i:03}.png")
    (tmp_path / "examples").mkdir()
    for i, name in enumerate(
        ("photo_0", "photo_1", "style_irises", "style_impression_sunrise", "style_water_lilies_1919")
    ):
        noisy((48, 40), 90 + i).save(tmp_path / "examples" / f"{name}.jpg")
    monkeypatch.setattr(scores, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setattr(scores, "EXAMPLE_SIZE", 40)
    monkeypatch.setattr(scores, "SIZES", (36,))
    monkeypatch.setattr(hands, "SIDE", 40)
    for number in ("PATCHES", "EXAMPLE_PATCHES"):
        monkeypatch.setattr(scores, number, 1024)
    monkeypatch.setattr(colour, "SIZE", 40)
    monkeypatch.setattr(colour, "MOST", 1)
    monkeypatch.setattr(ColorUNet, "size", 40)
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path / "weights"))
    scores._features.cache_clear()
    hands._encoder.cache_clear()
    hands.judge.cache_clear()
    install("encoder", tmp_path)
    return root


def install(name: str, place, **words):
    torch.manual_seed(1)
    run = place / name
    NETS[name][0]().save_pretrained(run / "model", dtype="float16")
    (run / "training.json").write_text(json.dumps({"trainer": "train_it", "step": 777, "config": {}}))
    return publish.install(run, name, **words).path / cards.CARD


def changed(card: str, start: str, cell: int) -> str:
    """The card with one number of the row of the figures that begins so made a sixth larger, or one more."""
    rows = [line for line in card.splitlines() if line.startswith(start)]
    values = re.split(r"(?<= )(-?[\d.]+)(?= \|)", rows[0][len(start) - 1 :])
    value = values[2 * cell + 1]
    values[2 * cell + 1] = str(int(value) + 7) if value.isdigit() else f"{float(value) * 7 / 6 + 0.06:.4g}"
    return card.replace(rows[0], start[:-1] + "".join(values), 1)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name.startswith("cyclegan") else name for name in NETS]
)
def test_one_figure_that_was_changed_is_a_lie(name, data, tmp_path, capsys):
    path = install(name, tmp_path, data=data)
    honest = path.read_text(encoding="utf-8")
    assert main(["cards", str(data), name]) == 0, capsys.readouterr().err
    assert "Every figure that was computed again came out." in capsys.readouterr().out
    lies = honest
    for start, cell in NETS[name][1]:
        lies = changed(lies, start, cell)
    path.write_text(lies, encoding="utf-8")
    assert main(["cards", str(data), name]) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(name)]
    assert len(told) == len(NETS[name][1]), told
    for start, _ in NETS[name][1]:
        label = ", ".join(start.strip("| ").split(" | "))
        assert sum(f", {label} (" in line and "comes out" in line for line in told) == 1, (label, told)
    assert path.read_text(encoding="utf-8") == lies  # nothing is written
    if name != "cyclegan.monet":  # the slowest
        assert main(["cards", str(data), name, "--write"]) == 0
        assert path.read_text(encoding="utf-8") == honest


def test_numbers_in_words_counts_and_the_file_are_held_too(data, tmp_path, capsys):
    path = install("colorunet.general", tmp_path, data=data)
    honest = path.read_text(encoding="utf-8")
    share = re.search(r"colourfulness is (\d+)%", honest)[1]
    text, expected = honest, []
    for old, new, said in (
        (f"colourfulness is {share}%", f"colourfulness is {int(share) + 5}%", f"says {int(share) + 5}%"),
        ("pictures of varied to train on, 2 held back", "pictures of varied to train on, 3 held back", "says 3"),
        (" MB, SHA", "9 MB, SHA", "MB, the file has"),
        (publish._sha256(path.parent / "model.safetensors"), "0" * 64, "does not name the SHA-256"),
    ):
        assert old in text, old
        text = text.replace(old, new)
        expected.append(said)
    path.write_text(text, encoding="utf-8")
    assert main(["cards", str(data), "colorunet.general"]) == 1
    told = capsys.readouterr().err
    assert all(said in told for said in expected) and told.count("\ncolorunet") + told.startswith("colorunet") == 4


def test_what_no_folder_can_tell_is_named_and_is_no_lie(data, tmp_path, capsys):
    install("enhancenet.fidelity", tmp_path, data=data, remarks={"note": "Twice 28.5 dB."})
    assert main(["cards", str(data), "enhancenet.fidelity"]) == 0
    out = capsys.readouterr().out
    assert "enhancenet.fidelity: Training was not recomputed" in out and "777" in out
    assert "enhancenet.fidelity: Notes was not recomputed, it is a person's words: 28.5." in out


def test_a_card_that_this_folder_does_not_check_does_not_pass(data, tmp_path, capsys):
    """Neither a hash nor a figure can be changed and end in 0: a card that was skipped is no card that holds."""
    path, name = install("enhancenet.fidelity", tmp_path, data=data), "enhancenet.fidelity"
    honest = path.read_text(encoding="utf-8")

    def told(*names: str) -> str:
        assert main(["cards", str(data), *names]) == 3
        return capsys.readouterr().err

    err = told()  # the encoder's card has no figures yet
    assert "encoder: data and figures were not recomputed: the card has none yet" in err
    assert err.endswith("1 card was not recomputed: encoder.\n")
    digest = re.search(r"file names and bytes `([0-9a-f]{64})`", honest)[1]
    other = honest.replace(digest, "0" * 64)
    path.write_text(changed(other, "| SSIM |", 0), encoding="utf-8")  # in the figures, which come first
    err = told(name)
    assert "they are of other pictures than those in pictures (SHA-256 00000000... on the card)" in err
    assert err.endswith("1 card was not recomputed: enhancenet.fidelity.\n")
    assert told().endswith("2 cards were not recomputed: encoder, enhancenet.fidelity.\n")
    path.write_text(honest, encoding="utf-8")
    noisy((48, 40), 7).save(data / "sr" / "p_000.png")
    assert "they are of other pictures than those in pictures" in told(name)
    (data / "sr").rename(data / "elsewhere")
    assert "not recomputed" in told(name)
    size = re.search(r"[\d.]+ MB", honest)[0]
    path.write_text(honest.replace(size, "77 MB"), encoding="utf-8")  # a lie weighs more than what was skipped
    assert main(["cards", str(data), name]) == 1
    assert main(["cards", str(data / "nowhere")]) == 2
    assert "no folder" in capsys.readouterr().err


@pytest.mark.slow
def test_sets_of_pictures_have_tables_of_their_own(data, tmp_path, capsys):
    path, name = install("enhancenet.fidelity", tmp_path, data=data), "enhancenet.fidelity"
    places = {}
    for set_name in ("Set5", "Set14"):
        places[set_name] = tmp_path / set_name
        places[set_name].mkdir()
        noisy((64, 48), len(set_name)).save(places[set_name] / "a.png")
    sets = [word for place in places.values() for word in ("--set", str(place))]
    assert main(["cards", str(data), name, *sets, "--write"]) == 0
    card = path.read_text(encoding="utf-8")
    assert "x4 on 1 pictures of Set5," in card and "x4 on 1 pictures of Set14," in card
    assert main(["cards", str(data), name, *sets]) == 0
    assert "Set5" not in capsys.readouterr().out
    path.write_text(changed(card, "| PSNR, dB |", 0), encoding="utf-8")  # of Set5, whose table comes first
    assert main(["cards", str(data), name, *sets]) == 1
    assert "PSNR, dB" in capsys.readouterr().err
    assert main(["cards", str(data), name, "--set", str(places["Set14"])]) == 3
    assert "the figures of Set5 were not recomputed" in capsys.readouterr().err
    path.write_text(card, encoding="utf-8")
    assert main(["cards", str(data), name, "--write"]) == 0  # tables of sets that are not given stay
    assert all(f"pictures of {n}," in path.read_text(encoding="utf-8") for n in places)


def test_differences_grant_rounding_and_close_neighbours_and_nothing_else():
    head = "| of | figure | monet | vangogh | nearest |\n|---|---|---|---|---|\n"
    row = "| this net | both | {} | {} | {} |"
    near = head + row.format("0.01000", "0.01015", "**monet**")
    assert differences(near, head + row.format("0.01015", "0.01000", "vangogh")) == []
    assert len(differences(near, head + row.format("0.01", "0.005", "vangogh"))) == 2
    assert (
        len(differences(head + row.format("0.01", "0.02", "vangogh"), head + row.format("0.01", "0.02", "**monet**")))
        == 1
    )
    words = "On 21 photos that were held back, and 5 paintings. {} is the photo as it was."
    assert differences(words.format("A score of 0"), "To a painting, on" + words.format("A score of 0")[2:]) == []
    (other,) = differences(words.format("A score of 3"), words.format("A score of 0"))
    assert other.startswith("the card says 3 in ") and other.endswith("0 comes out.")
    assert len(differences(words.format("0"), "Quite another thing.")) == 2
    assert len(differences(words.format("0"), words.format("It"))) == 2
    score = "| size | figure | this net | score |\n|---|---|---|---|\n| 36 px | colour | 0.5 | {} |"
    assert differences(score.format("0.62"), score.format("0.60")) == []
    assert len(differences(score.format("0.72"), score.format("0.60"))) == 1
    assert len(differences(score.format("none: no bound"), score.format("0.60"))) == 1
    assert len(differences(score.format("nan"), score.format("0.60"))) == 1
    assert len(differences(score.format("0.6"), "")) == 1 and len(differences("", score.format("0.6"))) == 1
    assert len(differences(score.format("0.6"), score.format("0.6").replace("colour", "encoder"))) == 2


def test_numbers_of_other_sections_are_not_passed_over():
    (one,) = unverified("# A net of 3\n\n## Praise\n\nIt has 12,345 of 7.5 %.\n\n## Use\n\n```python\nseed=7\n```\n")
    assert one == "Praise was not recomputed: 12,345, 7.5."
    assert load.TASKS  # the names above are those of the catalog's tasks
