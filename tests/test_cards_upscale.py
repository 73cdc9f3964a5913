"""The figures and the card of an upscaler: the protocol of the papers, on held-back pictures or sets of one's own."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from artcore import cards, image, load
from artcore.__main__ import main
from artcore.cards import scores, upscale
from artcore.models.enhancenet import EnhanceNet
from training import publish

PARTS = ("with back-projection", "and self-ensemble", "the net alone", "bicubic")


def picture(seed: int, size: tuple[int, int] = (72, 52)) -> Image.Image:
    """Soft blobs of colour with a little grain."""
    rng = torch.Generator().manual_seed(seed)
    blobs = torch.rand(1, 3, 6, 8, generator=rng)
    x = torch.nn.functional.interpolate(blobs, (size[1], size[0]), mode="bicubic").clamp(0, 1)
    return image.to_pil((x + 0.05 * torch.rand(x.shape, generator=rng)).clamp(0, 1))


class Told:
    """An upscaler that keeps what it was told, and gives back what `make` says."""

    def __init__(self, make):
        self.make, self.told = make, []

    def __call__(self, small, *, consistent=None, ensemble=False):
        self.told.append((small, consistent))
        return self.make(small)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    folder = tmp_path / "data" / "examples"
    folder.mkdir(parents=True)
    for i in range(2):
        picture(i, (96, 64)).save(folder / f"photo_{i}.jpg")
    monkeypatch.setattr(scores, "EXAMPLES", folder)
    monkeypatch.setattr(scores, "EXAMPLE_SIZE", 48)
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def data(tmp_path):
    """sr/ of two kinds of pictures, 42 in all."""
    root = tmp_path / "pictures"
    (root / "sr").mkdir(parents=True)
    for i in range(42):
        picture(i, (40, 33)).save(root / "sr" / f"{'bsd200' if i < 21 else 'yang91'}_{i:02}.png")
    (root / "README.md").write_text(
        "| folder | images | MB | source | licence |\n|---|---|---|---|---|\n"
        "| sr | 42 | 1 | a/b (42) | non-commercial research |\n"
        "| photos (land_*) | 17 | 1 | c/d (17) | research use only |\n"
        "| photos_extra | 7 | 1 | e/f (7) | CC BY 2.0 |\n"
        "| elsewhere (art_*) | 9 | 1 | g/h (9) | MIT |\n"
        "| elsewhere (zoo_*) | 8 | 1 | i/j (8) | MIT |\n"
        "| colour | 99 | 1 | k/l (99) | unknown |\n"
    )
    return root


def make_run(folder, seed: int = 0, consistent: bool = True, **changes):
    torch.manual_seed(seed)
    EnhanceNet(channels=8, blocks=1, consistent=consistent).save_pretrained(folder / "model", dtype="float16")
    config = {"pictures": ["/here/sr"], "more": ["/here/photos"], "size": 64, "features": "weights/encoder"}
    config |= {"perceptual_weight": 0.0, "texture_weight": 0.0} | changes
    record = {"trainer": "train_enhancenet", "step": 40, "minutes": 12.5, "pictures": 39, "config": config}
    record |= {"more": 17, "more_from": {"elsewhere/art_*": 9, "colour/flower_*": 5}}
    (folder / "training.json").write_text(json.dumps(record))
    return folder


# The protocol


def test_psnr_is_that_of_studio_luma_less_four_pixels_a_side():
    truth, made = picture(1, (40, 32)), picture(2, (40, 32))
    found = upscale.score(Told(lambda small: made), [truth])

    def luma(p):
        return 16 + np.asarray(p, float)[4:-4, 4:-4] @ [65.481, 128.553, 24.966] / 255

    expected = 10 * math.log10(255**2 / np.mean((luma(truth) - luma(made)) ** 2))
    assert found["PSNR, dB"]["the net alone"] == pytest.approx(expected)
    assert found["PSNR, dB"]["with back-projection"] == pytest.approx(expected)


def test_bicubic_stands_beside_and_a_net_that_does_the_same_has_its_figures():
    task = Told(upscale.bicubic)
    found = upscale.score(task, [picture(i) for i in range(2)])
    assert list(found) == ["PSNR, dB", "SSIM", "LR-consistency PSNR, dB"]
    for row in found.values():
        assert tuple(row) == PARTS and len(set(row.values())) == 1
    assert sorted(consistent for _, consistent in task.told) == 2 * [False] + 4 * [True]
    assert all(small.size == (18, 13) for small, _ in task.told)


def test_the_truth_is_perfect_and_reduces_to_what_was_told_but_for_rounding():
    truth = picture(3)
    found = upscale.score(Told(lambda small: truth), [truth])
    assert found["PSNR, dB"]["the net alone"] == math.inf and found["SSIM"]["the net alone"] == pytest.approx(1)
    # Rounding to whole numbers alone has an error of 1/12: 10 log10(12 * 255^2).
    assert found["LR-consistency PSNR, dB"]["the net alone"] == pytest.approx(58.9, abs=0.5)
    assert found["PSNR, dB"]["bicubic"] < 40


def test_a_spoilt_input_went_through_jpeg_and_nothing_is_held_to_it():
    task = Told(upscale.bicubic)
    found = upscale.score(task, [picture(0)], spoil=True)
    ((told, consistent),) = task.told
    small = upscale.reduced(upscale.whole(picture(0)))
    assert consistent is False and told.size == small.size and told.tobytes() != small.tobytes()
    assert list(found) == ["PSNR, dB", "SSIM"] and tuple(found["SSIM"]) == PARTS[2:]


def test_pictures_are_cut_to_a_multiple_of_four_and_must_be_large_enough():
    cut = upscale.whole(picture(0, (50, 47)))
    assert cut.size == (48, 44) and cut.tobytes() == picture(0, (50, 47)).crop((0, 0, 48, 44)).tobytes()
    with pytest.raises(cards.CardError, match="too small"):
        upscale.whole(picture(0, (50, 20)))


def test_sets_are_folders_and_reductions_in_them_do_not_count(tmp_path):
    for name in ("Set5/baby.png", "Set5/more/bird.png", "Set14/a_HR.png", "Set14/a_LR.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(tmp_path / name)
    found = upscale.sets_of(None, [tmp_path / "Set5", tmp_path / "Set14"])
    assert {name: [f.name for f in files] for name, files in found.items()} == {
        "Set5": ["baby.png"],
        "Set14": ["a_HR.png"],
    }
    with pytest.raises(cards.CardError, match="holds no pictures"):
        upscale.sets_of(None, [tmp_path / "Set5" / "nowhere"])
    with pytest.raises(cards.CardError, match="--set"):
        upscale.sets_of(tmp_path / "nowhere")


def test_the_held_back_files_are_those_of_the_trainer(data):
    from training.data import find_pictures, split
    from training.train_enhancenet import Config

    train, held = split(find_pictures(str(data / "sr")), Config.hold_back)
    found = upscale.groups(data)
    assert sorted(found) == ["bsd200", "yang91"]
    assert sorted(f for files, _ in found.values() for f in files) == train
    assert sorted(f for _, files in found.values() for f in files) == held
    assert [f for files in upscale.sets_of(data).values() for f in files] == held


# Cards


def test_any_folder_judges_a_run_in_the_shell(weights, data, tmp_path, capsys):
    run = make_run(tmp_path / "small")
    (tmp_path / "Set2").mkdir()
    for i in range(2):
        picture(i).save(tmp_path / "Set2" / f"{i}.png")
    assert (
        main(["cards", "--model", str(run), "--set", str(tmp_path / "Set2"), "--json", str(tmp_path / "f.json")]) == 0
    )
    out = capsys.readouterr().out
    assert "x4 on 2 pictures of Set2" in out and f"| Set2 | {' | '.join(PARTS)} |" in out
    assert "it works with back-projection" in out
    (found,) = json.loads((tmp_path / "f.json").read_text())
    text = cards.baseline_section([found], upscale)
    assert found["name"] == "small" and "| Set2 | reduced | PSNR, dB, with back-projection |" in text
    assert main(["cards", str(data), "--model", str(run)]) == 0
    assert "x4 on 2 held-back pictures of bsd200" in capsys.readouterr().out
    for command, why in (
        (["cards", "--model", str(run)], "no folder to judge it by"),
        (["cards"], "no folder to judge by"),
        (["cards", str(data), "--model", str(run), "--style", "monet"], "--style says nothing"),
    ):
        assert main(command) == 2
        assert why in capsys.readouterr().err


def test_an_upscaler_is_installed_with_its_card_and_shown_beside_its_like(weights, data, tmp_path):
    words = ["--label", "Faithful", "--data", str(data), "--note", "Trained in an hour."]
    assert publish.main([str(make_run(tmp_path / "first")), "--local", "enhancenet.fidelity", *words]) == 0
    entry = load.catalog()["enhancenet.fidelity"]
    assert (entry.task, entry.label) == ("upscaler", "Faithful")
    card = (entry.path / cards.CARD).read_text()
    for part in (
        "- super-resolution",
        "# Faithful: an upscaler of artcore",
        "19 pictures bsd200_* to train on, 2 held back; 20 pictures yang91_* to train on, 1 held back",
        "| sr | 42 | a/b (42) | non-commercial research |",
        "| photos (land_*) | 17 |",  # what was taken besides
        "| elsewhere (art_*) | 9 |",
        "| colour | 99 |",
        "| pictures besides | 17: 9 of `elsewhere/art_*`, 5 of `colour/flower_*` |",
        "The net is an `EnhanceNet`",
        "enlarged like\n  everything else (enhancenet.photo",
        "reduces to its input",
        "## Notes\n\nTrained in an hour.",
        "LR-consistency PSNR, dB",
        entry.sha256,
    ):
        assert part in card, part
    assert "/here" not in card and "e/f" not in card and "i/j" not in card and "Tiny ImageNet" not in card
    assert cards.disagreements(cards.read_examples(card), upscale.examples(load.load("enhancenet.fidelity"), "")) == []
    with Image.open(entry.path / cards.THUMBNAIL) as small:
        assert small.size == (256, 256)
    alone = image.open(entry.path / cards.SAMPLE)
    cards.update(data)
    assert (entry.path / cards.CARD).read_text() == card

    losses = {"features": "weights/encoder", "perceptual_weight": 0.0, "texture_weight": 0.02}
    second = make_run(tmp_path / "second", 1, consistent=False, **losses)
    publish.install(second, "enhancenet.texture", data=data, remarks={"also": ["photos_extra"]})
    both = image.open(load.catalog()["enhancenet.texture"].path / cards.SAMPLE)
    assert both.height == alone.height and both.width - alone.width == alone.width // 3 - 4
    card = (weights / "enhancenet.texture" / cards.CARD).read_text()
    assert "without back-projection" in card and "not held to" in card and "Tiny ImageNet" in card
    assert "| photos_extra | 7 |" in card
    assert "takes such marks away" in card and "enlarged like" not in card


def test_an_upscaler_has_a_name_of_its_kind_and_a_size_of_its_own(weights, tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    for name in ("stylenet.fidelity", "colorunet.fidelity", "fidelity"):
        with pytest.raises(publish.PublishError, match="like enhancenet.fidelity"):
            publish.install(run, name)
    monkeypatch.setattr(cards, "LARGEST_OF", {"upscaler": 1000})
    with pytest.raises(publish.PublishError, match="float16"):
        publish.install(run, "enhancenet.fidelity")
    assert load.catalog() == {}
