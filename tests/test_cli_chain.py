"""`python -m artcore chain`: the library's bytes in any order, folders, and sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artcore import image
from artcore.__main__ import main
from artcore.load import load, mix
from artcore.tasks.chain import Chain
from tests.hub_server import write_catalog
from tests.test_app_chain import add_colorizer
from tests.upscale_net import add_upscalers


@pytest.fixture
def weights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = add_colorizer(add_upscalers(write_catalog(tmp_path_factory.mktemp("weights"))))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(rng.integers(60, 196, (24, 32, 3), dtype=np.uint8)).save(folder / name)
    return folder


def test_steps_in_any_order_with_the_options_of_their_commands(
    weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, out, mask = photos / "a.png", tmp_path / "o.png", tmp_path / "mask.png"
    Image.new("L", (32, 24), 255).save(mask)
    colorizer, painter, upscaler = (load(n) for n in ("colorunet.general", "stylenet.vangogh", "enhancenet.fidelity"))
    monet = load("stylenet.monet")
    half = mix({"enhancenet.fidelity": 0.5, "enhancenet.texture": 0.5})
    for flags, steps in (
        ([], [(colorizer, {}), (painter, {}), (upscaler, {})]),
        (["--step", "upscale --scale 2", "--step", "paint"], [(upscaler, {"scale": 2}), (painter, {})]),
        (["--step", "colorize --seed 7", "--step", "paint --style monet --strength 0.5"],
         [(colorizer, {"seed": 7}), (monet, {"strength": 0.5})]),
        (["--step", f"paint --region 'monet={mask}'"], [(painter, {"regions": [(monet, mask)]})]),
        (["--step", "upscale --texture 0.5 --no-consistent"], [(half, {"consistent": False})]),
    ):  # fmt: skip
        assert main(["chain", str(photo), str(out), *flags]) == 0
        made = list(Chain(steps).run(photo))
        assert out.read_bytes() == image.encode(made[-1].image), flags
        error = next((snapshot.error for snapshot in made if snapshot.error is not None), None)
        told = capsys.readouterr().out
        if error is None:
            assert "reduced again" not in told
        else:
            assert f"a.png: reduced again, the enlargement is {error:.1f} dB from what was enlarged" in told


def test_folders_as_a_batch(weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["batch", "chain", str(photos), str(tmp_path / "out"), "--step", "paint"]
    upscale = ["--step", "upscale --scale 2"]
    assert main([*command, *upscale]) == 0
    assert Image.open(tmp_path / "out" / "b.jpg").size == (64, 48)
    capsys.readouterr()
    assert main([*command, *upscale]) == 0
    assert "is there already" in capsys.readouterr().out
    assert main([*command, "--step", "upscale --scale 3"]) == 0
    assert Image.open(tmp_path / "out" / "b.jpg").size == (96, 72)  # another option, another batch


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--step", "dance"], "there is no task 'dance': choose from colorize, paint, upscale"),
        (["--step", ""], "there is no task ''"),
        (["--step", "paint --sead 1"], "--step paint: error: unrecognized arguments: --sead 1"),
        (["--step", "upscale --scale big"], "invalid int value: 'big'"),
    ],
)
def test_a_step_that_is_none_is_told_how_to_write_it(
    weights: Path, photos: Path, capsys: pytest.CaptureFixture[str], flags: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["chain", str(photos / "a.png"), "out.png", *flags])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "status", "sentence"),
    [
        ("paint --style nobody", 2, "no style 'nobody'"),
        ("upscale --model stylenet.monet", 2, "stylenet.monet is no model that enlarges"),
        ("upscale --scale 7", 1, "scale is 7; give 2, 3 or 4"),
        ("colorize --seed -1", 1, "seed is -1"),
    ],
)
def test_what_a_task_refuses_is_its_sentence(
    weights: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    step: str,
    status: int,
    sentence: str,
) -> None:
    assert main(["chain", str(photos / "a.png"), str(tmp_path / "o.png"), "--step", step]) == status
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()
