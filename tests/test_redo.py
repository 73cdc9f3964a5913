"""`python -m artcore redo`: the same bytes from the same recipe, for every task; and each reason why not."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artcore import image, load, recipe, runtime
from artcore.__main__ import main
from artcore.models.encoder import ArtEncoder
from artcore.models.stylenet import StyleNet
from artcore.recipe import Recipe
from artcore.tasks.colorize import blend
from artcore.tasks.style import StyleOptions
from tests.colour_net import colour_net
from tests.upscale_net import add_upscalers

NETS = ("stylenet.vangogh", "stylenet.monet", "colorunet.general", "encoder")
FAST = ["--size", "176", "--steps", "12", "--pyramid", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = add_upscalers(tmp_path_factory.mktemp("weights"))
    torch.manual_seed(0)
    for name in NETS[:2]:
        StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(folder / name)
    colour_net(1, hints=True).save_pretrained(folder / NETS[2])
    ArtEncoder(channels=(4, 4, 8, 8)).save_pretrained(folder / NETS[3])
    catalog = json.loads((folder / "catalog.json").read_text())
    for name, task in zip(NETS, ("painter", "painter", "colorizer", "features"), strict=True):
        digest = hashlib.sha256((folder / name / "model.safetensors").read_bytes()).hexdigest()
        catalog[name] = {"task": task, "label": name, "folder": name, "sha256": digest}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder


@pytest.fixture(autouse=True)
def weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A photo with EXIF, two paintings, masks of its halves, noise and hints."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    for name, size in (("photo", (36, 48, 3)), ("one", (48, 48, 3)), ("two", (56, 48, 3)), ("noise", (36, 48))):
        Image.fromarray(rng.integers(40, 216, size, dtype=np.uint8)).save(tmp_path / f"{name}.png", exif=exif.tobytes())
    left = Image.new("L", (48, 36))
    left.paste(255, (0, 0, 24, 36))
    left.save(tmp_path / "left.png")
    Image.eval(left, lambda v: 255 - v).save(tmp_path / "right.png")
    hints = Image.new("RGBA", (48, 36))
    hints.paste("red", (4, 4, 20, 20))
    hints.save(tmp_path / "hints.png")
    return tmp_path


@pytest.fixture
def shell(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple]:
    """A command in the folder of the files: its exit status, and what it said."""
    monkeypatch.chdir(files)

    def run(*words: str) -> tuple[int, str]:
        status = main([str(word) for word in words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.mark.parametrize(
    ("made", "name", "again"),
    [
        (["paint", "--strength", "1.2", "--seed", "7", "--light", "0.5", "--stroke", "2"], "a.png", []),
        (["paint", "--mix", "monet=0.4", "--quality", "70", "--exif", "--icc"], "a.jpg", []),
        (["paint", "--region", "monet=left.png"], "a.webp", ["--mask", "left.png"]),
        (["colorize", "--seed", "3", "--warmth", "0.5"], "a.png", []),
        (["colorize", "--region", "9=left.png", "--hints", "hints.png", "--noise", "noise.png"], "a.tiff",
         ["--mask", "left.png", "noise.png", "hints.png"]),  # known by their hashes, whatever they are given as
        (["upscale", "--scale", "2", "--texture", "0.3"], "a.png", []),
        (["upscale", "--no-consistent", "--strength", "0.5", "--model", "photo"], "a.tiff", []),
        (["chain", "--step", "colorize --seed 3", "--step", "paint --region monet=left.png",
          "--step", "upscale --scale 2"], "a.webp", ["--mask", "left.png"]),
    ],
)  # fmt: skip
def test_redo_gives_the_same_bytes(shell, files: Path, made: list[str], name: str, again: list[str]) -> None:
    assert shell(made[0], "photo.png", name, *made[1:])[0] == 0
    status, said = shell("redo", name, "--input", "photo.png", *again)
    assert (status, said.strip()) == (0, f"a redone{Path(name).suffix}: the same bytes as {name}")
    assert (files / f"a redone{Path(name).suffix}").read_bytes() == (files / name).read_bytes()


def test_redo_of_a_style_transfer_with_masks_in_any_order(shell, files: Path) -> None:
    masks = ["--mask", "left.png", "--mask", "right.png"]
    assert shell("style", *FAST, *masks, "--init", "noise", "photo.png", "one.png", "two.png", "a.png")[0] == 0
    told = recipe.read(files / "a.png")
    assert sum(told.ran) == 12 and len(told.ran) == 2
    turned = ["--style", "two.png", "one.png", "--mask", "right.png", "left.png"]
    assert shell("redo", "a.png", "--input", "photo.png", *turned, "--output", "b.png")[0] == 0
    assert (files / "b.png").read_bytes() == (files / "a.png").read_bytes()


@pytest.mark.parametrize("stop", [3, 9], ids=["in the first scale", "in the second"])
def test_a_run_that_was_stopped_is_redone_with_the_steps_that_it_had(shell, files: Path, stop: int) -> None:
    options = StyleOptions(size=176, steps=12, pyramid=2, deadline=900)
    for snapshot in load.load("encoder").run(files / "photo.png", files / "one.png", options=options):
        if snapshot.step == stop:
            break
    image.save(snapshot.picture(), files / "a.png")
    assert sum(recipe.read(files / "a.png").ran) == stop
    assert shell("redo", "a.png", "--input", "photo.png", "--style", "one.png")[0] == 0


def test_a_deadline_is_redone_without_a_clock(shell, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = StyleOptions(size=176, steps=12, pyramid=2, deadline=1)
    clock = iter(range(0, 10**6))
    with monkeypatch.context() as patch:
        patch.setattr("artcore.tasks.style.time.monotonic", lambda: next(clock) / 4)
        made = load.load("encoder")(files / "photo.png", files / "one.png", options=options)
    assert sum(recipe.of(made).ran) < 12
    image.save(made, files / "a.png")
    assert shell("redo", "a.png", "--input", "photo.png", "--style", "one.png")[0] == 0


def test_what_goes_on_from_a_resume_file_has_the_recipe_of_a_run_that_never_stopped(files: Path) -> None:
    task, options = load.load("encoder"), StyleOptions(size=176, steps=12, pyramid=2)
    whole = task(files / "photo.png", files / "one.png", options=options)
    for snapshot in task.run(files / "photo.png", files / "one.png", options=options):
        if snapshot.step == 9:
            break
    (*_, last) = task.resume(snapshot.resume_file())
    assert image.encode(last.image) == image.encode(whole)


def test_a_blend_of_two_seeds_is_redone(shell, files: Path) -> None:
    task = load.load("colorunet.general")
    one, other = (task.colour(files / "photo.png", seed=seed) for seed in (1, 2))
    image.save(blend(one, other, 0.25).image(), files / "a.png")
    assert shell("redo", "a.png", "--input", "photo.png")[0] == 0
    by_hand = task.colour(files / "photo.png", seed=2, noise=files / "noise.png")
    assert blend(one, by_hand, 0.5).recipe is None  # they differ by more than their seeds


def test_masks_that_were_brushed_are_known_by_their_pixels(shell, files: Path) -> None:
    painter, other = load.load("stylenet.vangogh"), load.load("stylenet.monet")
    mask = Image.open(files / "left.png")
    image.save(painter(files / "photo.png", regions=[(other, mask)]), files / "a.png")
    assert recipe.read(files / "a.png").pictures["mask"][0].pixels
    mask.save(files / "again.tiff")
    assert shell("redo", "a.png", "--input", "photo.png", "--mask", "again.tiff")[0] == 0


# --- why not ----------------------------------------------------------------------------------------------


@pytest.fixture
def painting(shell) -> str:
    assert shell("paint", "photo.png", "a.png", "--region", "monet=left.png")[0] == 0
    return "a.png"


def test_other_pictures_are_refused_unless_anyway(shell, painting: str, files: Path) -> None:
    again = ["redo", painting, "--input", "one.png"]
    status, said = shell(*again)
    assert status == 2 and "The input that it was made of is another picture, of 48 x 36 pixels" in said
    status, said = shell("redo", painting, "--input", "photo.png")
    assert status == 2 and "Mask 1 of its recipe is not given: add --mask with that picture of 48 x 36" in said
    status, said = shell("redo", painting, "--input", "photo.png", "--mask", "right.png")
    assert status == 2 and "Mask 1 of its recipe is another picture" in said
    assert not (files / "a redone.png").exists()
    status, said = shell("redo", painting, "--input", "photo.png", "--mask", "right.png", "--anyway")
    assert status == 0 and "of the pixels differ" in said and (files / "a redone.png").exists()


def test_other_weights_are_refused_unless_anyway(shell, painting: str, files: Path, monkeypatch, folder: Path) -> None:
    shutil.copytree(folder, files / "weights")
    torch.manual_seed(9)
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(files / "weights" / "stylenet.vangogh")
    catalog = json.loads((folder / "catalog.json").read_text())
    catalog["stylenet.vangogh"].pop("sha256")
    (files / "weights" / "catalog.json").write_text(json.dumps(catalog))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(files / "weights"))
    again = ["redo", painting, "--input", "photo.png", "--mask", "left.png"]
    status, said = shell(*again)
    assert status == 2 and "stylenet.vangogh has other weights here" in said
    assert shell(*again, "--model", folder / "stylenet.vangogh")[0] == 0  # the old ones, from a folder
    status, said = shell(*again, "--anyway")
    assert status == 0 and "of the pixels differ" in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dtype": "bf16"}, "It was made with dtype bf16 instead of fp32, so bytes may differ: set ARTCORE_DTYPE=bf16"),
        ({"threads": 99}, "set ARTCORE_THREADS=99, or add --anyway"),
        ({"torch": "1.0"}, "It was made with torch 1.0 instead of"),
        ({"processor": "Abacus"}, "processor Abacus instead of"),
        ({"device": "cuda"}, "device cuda instead of cpu"),
    ],
)
def test_another_machine_is_refused_unless_anyway(
    shell, painting: str, files: Path, change: dict, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = recipe.read(files / painting)
    changed = dataclasses.replace(told, run={**runtime.described(), **change})
    image.save(recipe.sign(image.open(files / painting), changed), files / "b.png")
    again = ["redo", "b.png", "--input", "photo.png", "--mask", "left.png"]
    status, said = shell(*again)
    assert status == 2 and sentence in said and said.count("\n") == 1
    status, said = shell(*again, "--anyway")
    assert status == 0 and "the same pixels, in other bytes, as b.png" in said


def test_what_has_no_recipe_or_a_strange_one_is_refused(shell, painting: str, files: Path) -> None:
    shell("paint", "photo.png", "plain.png", "--no-recipe")
    for name, sentence in (("plain.png", "There is no recipe in this file"), ("no.png", "There is no file no.png")):
        status, said = shell("redo", name, "--input", "photo.png")
        assert status == 2 and sentence in said
    told = recipe.read(files / painting)
    for change, sentence in (
        ({"options": {**told.options, "source": 1}}, "options that this version does not know"),
        ({"options": {**told.options, "strength": 9}}, "strength is 9"),
        ({"pictures": {}}, "not one mask for each region"),
        ({"task": "upscaler"}, "stylenet.vangogh is no upscaler"),
        ({"nets": ((recipe.Checkpoint("a", "0" * 64),),), "pictures": {}}, "is not in the catalog"),
        ({"nets": ((recipe.Checkpoint(),),), "pictures": {}}, "a net that was no checkpoint"),
        ({"run": {}}, "made on more than one machine"),
    ):
        changed = dataclasses.replace(told, **change)
        assert isinstance(changed, Recipe)
        image.save(recipe.sign(image.open(files / painting), changed), files / "b.png")
        status, said = shell("redo", "b.png", "--input", "photo.png", "--mask", "left.png")
        assert (status, sentence in said) == (2, True), said
