"""`python -m artcore upscale`: the library's bytes, the error, folders, and sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artcore import image
from artcore.__main__ import main
from artcore.load import load, mix
from artcore.models.stylenet import StyleNet
from tests.upscale_net import add_upscalers


@pytest.fixture
def weights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = add_upscalers(tmp_path_factory.mktemp("weights"))
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(folder / "vangogh")
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    for name in ("a.png", "b.jpg", "more/c.webp"):
        Image.fromarray(rng.integers(60, 196, (14, 20, 3), dtype=np.uint8)).save(folder / name, exif=exif)
    return folder


def test_one_picture_equals_the_library_bit_for_bit_and_the_error_is_said(
    weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    photo, out = photos / "a.png", tmp_path / "o.png"
    fidelity, texture, photo_net = (load(f"enhancenet.{name}") for name in ("fidelity", "texture", "photo"))
    blended = mix({"enhancenet.fidelity": 0.75, "enhancenet.texture": 0.25})
    for flags, expected in (
        ([], fidelity.run(photo)),
        (["--scale", "2", "--strength", "0.5"], fidelity.run(photo, scale=2, strength=0.5)),
        (["--no-consistent"], fidelity.run(photo, consistent=False)),
        (["--model", "photo"], photo_net.run(photo, consistent=False)),
        (["--model", "photo", "--consistent"], photo_net.run(photo, consistent=True)),
        (["--texture", "0.25"], blended.run(photo)),
        (["--texture", "1"], texture.run(photo)),
        (["--model", str(weights / "enhancenet.texture")], texture.run(photo)),
    ):
        assert main(["upscale", str(photo), str(out), *flags]) == 0
        (*_, last) = expected
        assert Image.open(out).tobytes() == last.image.tobytes(), flags
        assert f"a.png: reduced again, the result is {last.error:.1f} dB from it" in capsys.readouterr().out


def test_what_comes_back_exactly_is_said_so(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    Image.new("RGBA", (9, 9)).save(tmp_path / "nothing.png")
    assert main(["upscale", str(tmp_path / "nothing.png"), str(tmp_path / "o.png")]) == 0
    assert "nothing.png: reduced again, the result is exactly it" in capsys.readouterr().out


def test_folders_one_by_one_and_as_a_batch(
    weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["upscale", str(photos), str(tmp_path / "1"), "--format", "png", "--exif"]) == 0
    for name in ("a", "b", "more/c"):
        made = Image.open(tmp_path / "1" / f"{name}.png")
        assert made.size == (80, 56) and made.getexif()[0x0110] == "Camera obscura"
    assert main(["batch", "upscale", str(photos), str(tmp_path / "2"), "--scale", "3"]) == 0
    expected = image.encode(load("enhancenet.fidelity")(photos / "a.png", scale=3), "PNG")
    assert (tmp_path / "2" / "a.png").read_bytes() == expected
    assert "reduced again" in capsys.readouterr().out
    assert main(["batch", "upscale", str(photos), str(tmp_path / "2"), "--scale", "3"]) == 0
    assert "reduced again" not in capsys.readouterr().out  # all of it is there already
    assert main(["batch", "upscale", str(photos), str(tmp_path / "2"), "--scale", "2"]) == 0
    assert Image.open(tmp_path / "2" / "a.png").size == (40, 28)  # another option, another batch


@pytest.mark.parametrize(
    ("flags", "status", "sentence"),
    [
        (["--model", "sharp"], 2, "'sharp' is neither in the catalog"),
        (["--model", "{weights}/vangogh"], 2, "is no model that enlarges: give fidelity, texture, photo"),
        (["--texture", "1.5"], 2, "--texture is 1.5; give a number from 0 to 1"),
        (["--texture", "nan"], 2, "--texture is nan; give a number from 0 to 1"),
        (["--texture", "0.5", "--revision", "main"], 2, "leave one of them out"),
        (["--texture", "0.5", "--model", "photo"], 2, "blended into fidelity, and --model is photo: leave one"),
        (["--texture", "1", "--model", "photo"], 2, "blended into fidelity, and --model is photo: leave one"),
        (["--texture", "0.5", "--model", "{weights}/enhancenet.photo"], 2, "one is held to its input and one mends it"),
        (["--scale", "5"], 1, "scale is 5; give 2, 3 or 4"),
        (["--strength", "2"], 1, "strength is 2.0; give a number from 0"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    weights: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    flags: list[str],
    status: int,
    sentence: str,
) -> None:
    flags = [flag.format(weights=weights) for flag in flags]
    assert main(["upscale", str(photos / "a.png"), str(tmp_path / "o.png"), *flags]) == status
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()
