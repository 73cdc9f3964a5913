"""`python -m artcore colorize`: the library's bytes, 16 bits where there are 16, folders, and sentences."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from artcore import image
from artcore.__main__ import _parser, main
from artcore.load import load
from artcore.models.stylenet import StyleNet
from artcore.tasks.colorize import Adjustments
from tests.colour_net import colour_net


@pytest.fixture
def weights(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    catalog = {}
    for seed, name in enumerate(("general", "flowers")):
        colour_net(seed + 1).save_pretrained(folder / name)
        catalog[f"colorunet.{name}"] = {"label": name, "task": "colorizer", "folder": name}
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(folder / "vangogh")
    catalog["stylenet.vangogh"] = {"label": "Van Gogh", "task": "painter", "folder": "vangogh"}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(rng.integers(0, 256, (20, 30), dtype=np.uint8)).save(folder / name)
    hints = np.zeros((20, 30, 4), np.uint8)
    hints[5:9, 5:9] = (255, 0, 0, 255)
    Image.fromarray(hints).save(tmp_path / "hints.png")
    Image.fromarray(rng.integers(0, 256, (40, 60), dtype=np.uint8)).save(tmp_path / "noise.png")
    mask = np.zeros((20, 30), np.uint8)
    mask[:, :15] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return folder


def colorize(*argv: object) -> int:
    return main(["colorize", *map(str, argv)])


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tif"])
def test_the_bytes_are_those_of_the_library(weights, pictures, tmp_path, format):
    ours, theirs = tmp_path / f"ours.{format}", tmp_path / f"theirs.{format}"
    assert colorize(pictures / "a.png", ours, "--seed", 7, "--model", "flowers") == 0
    image.save(load("colorunet.flowers")(pictures / "a.png", seed=7), theirs)
    assert ours.read_bytes() == theirs.read_bytes()


def test_every_name_of_a_model_is_that_model(weights, pictures, tmp_path):
    made = []
    for n, flags in enumerate(([], ["general"], ["colorunet.general"], [weights / "general"], ["flowers"])):
        assert colorize(pictures / "a.png", tmp_path / f"{n}.png", *(["--model", *flags] if flags else [])) == 0
        made.append((tmp_path / f"{n}.png").read_bytes())
    assert len(set(made[:4])) == 1 and made[4] != made[0]


def test_hints_noise_and_regions_arrive(weights, pictures, tmp_path):
    task, out = load("colorunet.general"), tmp_path / "out.png"
    hints, noise, mask = (tmp_path / f"{name}.png" for name in ("hints", "noise", "mask"))
    for flags, expected in (
        (["--hints", hints], task(pictures / "a.png", hints=hints)),
        (["--noise", noise], task(pictures / "a.png", noise=noise)),
        (["--region", f"5={mask}"], task(pictures / "a.png", regions=[(mask, 5)])),
    ):
        assert colorize(pictures / "a.png", out, *flags) == 0
        assert Image.open(out).tobytes() == expected.tobytes() != task(pictures / "a.png").tobytes(), flags


def test_there_is_a_flag_for_every_adjustment(weights, pictures, tmp_path):
    out, flags, values = tmp_path / "out.png", [], {}
    for f in dataclasses.fields(Adjustments):
        values[f.name] = (f.metadata["minimum"] + f.metadata["maximum"]) / 2 + 0.1
        flags += [f"--{f.name}", str(values[f.name])]
    assert colorize(pictures / "a.png", out, *flags) == 0
    expected = load("colorunet.general")(pictures / "a.png", adjustments=Adjustments(**values))
    assert Image.open(out).tobytes() == expected.tobytes()


def test_a_16_bit_scan_becomes_a_16_bit_tiff_alone_or_in_a_folder(weights, tmp_path, capsys):
    scan = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.fromarray(scan).save(folder / "scan.tif")
    expected = load("colorunet.general").colour(folder / "scan.tif", seed=2).tiff16()
    assert colorize(folder / "scan.tif", tmp_path / "one.tiff", "--seed", 2) == 0
    assert (tmp_path / "one.tiff").read_bytes() == expected
    assert tifffile.imread(tmp_path / "one.tiff").dtype == np.uint16
    assert main(["batch", "colorize", str(folder), str(tmp_path / "all"), "--seed", "2"]) == 0
    assert (tmp_path / "all" / "scan.tif").read_bytes() == expected
    assert not capsys.readouterr().err
    assert colorize(folder / "scan.tif", tmp_path / "one.png", "--seed", 2) == 0
    told = capsys.readouterr().err.splitlines()
    assert told == [f"{folder / 'scan.tif'} has 16 bits and the PNG has 8: name OUT .tif to keep them."]
    assert Image.open(tmp_path / "one.png").mode == "RGB"


def test_a_batch_goes_on_and_colours_anew_for_another_seed(weights, pictures, tmp_path, capsys):
    (pictures / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    assert main(["batch", "colorize", str(pictures), str(tmp_path / "out"), "--seed", "1"]) == 1
    assert "bad.png is damaged" in capsys.readouterr().err
    first = (tmp_path / "out" / "a.png").read_bytes()
    for seed, same in ((1, True), (3, False)):
        main(["batch", "colorize", str(pictures), str(tmp_path / "out"), "--seed", str(seed)])
        told = capsys.readouterr().out
        assert ("is there already" in told) == same
        assert ((tmp_path / "out" / "a.png").read_bytes() == first) == same


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--model", "vangogh"], "'vangogh' is neither in the catalog"),
        (["--model", "stylenet.vangogh"], "stylenet.vangogh is no model that colours: choose from general, flowers"),
        (["--saturation", "nan"], "saturation is nan; give a number from 0 to 2"),
        (["--gamma", "0"], "gamma is 0.0; give a number from 0.3 to 3"),
    ],
)
def test_a_command_that_makes_no_sense_exits_with_two_and_a_sentence(
    weights, pictures, tmp_path, capsys, flags, sentence
):
    assert colorize(pictures / "a.png", tmp_path / "o.png", *flags) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--seed", "-1"], "seed is -1; give a whole number from 0"),
        (["--hints", "nothing.png"], "nothing.png does not exist"),
    ],
)
def test_what_fails_with_a_picture_is_said_of_it(weights, pictures, tmp_path, capsys, flags, sentence):
    assert colorize(pictures / "a.png", tmp_path / "o.png", *flags) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("text", ["5", "5=", "five=mask.png"])
def test_a_region_that_is_none_is_told_how_to_write_it(capsys, text):
    with pytest.raises(SystemExit):
        _parser().parse_args(["colorize", "a.png", "b.png", "--region", text])
    assert "SEED=MASK" in capsys.readouterr().err
