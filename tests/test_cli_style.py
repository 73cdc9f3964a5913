"""`python -m artcore style`: the library's picture, what is kept of a run, going on, sweeps, and sentences."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from artcore import __main__ as shell
from artcore.__main__ import _parser, main
from artcore.load import load
from artcore.models.encoder import ArtEncoder
from artcore.tasks.sheets import natural_sort
from artcore.tasks.style import PRESETS, Snapshot, StyleOptions, StyleTransfer
from tests.hub_server import write_pictures

QUICK = ["--size", "64", "--steps", "6", "--pyramid", "1"]
OPTIONS = StyleOptions(size=64, steps=6, pyramid=1)
ENCODER = {"features": "encoder"}


@pytest.fixture(autouse=True)
def weights(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    ArtEncoder(channels=(4, 4, 8, 8)).save_pretrained(folder / "encoder")
    line = {"label": "ArtEncoder", "task": "features", "folder": "encoder"}
    (folder / "catalog.json").write_text(json.dumps({"encoder": line}))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    write_pictures(tmp_path)
    names = ("photo", "painting", "other", "left", "right", "out")
    return {name: str(tmp_path / f"{name}.png") for name in names} | {"folder": str(tmp_path)}


def run(*argv: object, quick: bool = True) -> int:
    return main(["style", *map(str, argv), *(QUICK if quick else [])])


def same(path: str | Path, picture: Image.Image) -> bool:
    return Image.open(path).tobytes() == picture.tobytes()


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Presses Ctrl-C after that step."""
    original = StyleTransfer.run

    def pressed(self: StyleTransfer, *given: object, **named: object) -> Iterator[Snapshot]:
        for snapshot in original(self, *given, **named):
            if snapshot.step == step:
                signal.raise_signal(signal.SIGINT)
            yield snapshot

    monkeypatch.setattr(StyleTransfer, "run", pressed)


def test_the_picture_is_the_librarys(files, capsys):
    assert run(files["photo"], files["painting"], files["out"], "--style", "2", "--seed", "3") == 0
    options = dataclasses.replace(OPTIONS, style=2.0, seed=3)
    assert same(files["out"], load("encoder")(files["photo"], files["painting"], options=options))
    assert "64 x 48, 6 of 6 steps" in capsys.readouterr().out


def test_there_is_a_flag_for_every_option_and_it_arrives():
    for f in dataclasses.fields(StyleOptions):
        flag = f"--{f.name.replace('_', '-')}"
        value = f.metadata["choices"][-1] if "choices" in f.metadata else f.default
        args = _parser().parse_args(["style", "a", "b", "c", flag, str(value)])
        assert getattr(args, f"option_{f.name}") == value, flag
    assert _parser().parse_args(["style", "a", "b", "c", "--every", "3"]).option_preview_every == 3
    help = next(a for a in _parser()._actions if a.dest == "command").choices["style"].format_help()
    words = "".join(help.split())
    assert all("".join(f.metadata["help"].split())[:30].rstrip(".") in words for f in dataclasses.fields(StyleOptions))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(files, preset):
    assert run(files["photo"], files["painting"], files["out"], "--preset", preset) == 0
    options = StyleOptions.preset(preset, size=64, steps=6, pyramid=1)
    assert same(files["out"], load("encoder")(files["photo"], files["painting"], options=options))


def test_several_paintings_with_masks_and_a_start(files):
    paintings, masks = [files["painting"], files["other"]], [files["left"], files["right"]]
    given = [files["photo"], *paintings, files["out"], "--mask", masks[0], "--mask", masks[1], "--init", files["other"]]
    assert run(*given) == 0
    expected = load("encoder")(files["photo"], paintings, options=OPTIONS, masks=masks, init=files["other"])
    assert same(files["out"], expected)
    assert not same(files["out"], load("encoder")(files["photo"], paintings, options=OPTIONS))
    assert run(files["photo"], files["painting"], files["out"], "--init", "noise") == 0
    noise = dataclasses.replace(OPTIONS, init="noise")
    assert same(files["out"], load("encoder")(files["photo"], files["painting"], options=noise))


def test_everything_that_is_kept_of_a_run(files, tmp_path):
    folder, film = tmp_path / "steps", tmp_path / "film.webp"
    kept = ["--snapshots", folder, "--every", 2, "--sheet", tmp_path / "sheet.png", "--animation", film]
    assert run(files["photo"], files["painting"], files["out"], *kept, "--plot", tmp_path / "plot.png") == 0
    names = [path.name for path in natural_sort(folder.iterdir())]
    steps = [f"step_{n:05}.png" for n in (1, 2, 4, 6)]
    assert names == ["0_painting_1.png", "0_photo.png", *steps]
    assert same(folder / "step_00006.png", Image.open(files["out"]))
    assert Image.open(io.BytesIO(film.read_bytes())).n_frames >= 2
    assert Image.open(tmp_path / "plot.png").size == (960, 540)
    assert Image.open(tmp_path / "sheet.png").size == (240, 180)  # six pictures of 64 x 48 or so, three in a row
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_ctrl_c_keeps_the_best_so_far_and_the_rest_comes_out_the_same(files, tmp_path, monkeypatch, capsys, optimiser):
    state, whole = tmp_path / "state.safetensors", tmp_path / "whole.png"
    flags = ["--optimiser", optimiser]
    assert run(files["photo"], files["painting"], whole, *flags) == 0
    interrupt_at(3, monkeypatch)
    kept = ["--save-state", state, "--sheet", tmp_path / "sheet.png", *flags]
    assert run(files["photo"], files["painting"], files["out"], *kept) == 130
    said = capsys.readouterr()
    assert "3 of 6 steps" in said.out and f"--resume {state} {files['out']}" in said.err
    assert Image.open(files["out"]).size == (64, 48) and (tmp_path / "sheet.png").is_file()
    assert not same(files["out"], Image.open(whole))
    assert run("--resume", state, files["out"], quick=False) == 0
    assert same(files["out"], Image.open(whole))


def test_the_command_that_goes_on_can_be_pasted(files, tmp_path, monkeypatch, capsys):
    """With the net that the run had, and a path with a space."""
    original = shell._style_task
    monkeypatch.setattr(shell, "_style_task", lambda args: original(argparse.Namespace(**vars(args) | ENCODER)))
    with monkeypatch.context() as patch:
        interrupt_at(3, patch)
        kept = ["--save-state", tmp_path / "my state.safetensors", "--features", "vgg19"]
        assert run(files["photo"], files["painting"], files["out"], *kept) == 130
    words = shlex.split(capsys.readouterr().err.partition("go on with: ")[2].splitlines()[0])
    assert words[:4] == ["python", "-m", "artcore", "style"] and words[4:6] == ["--features", "vgg19"]
    assert main(words[3:]) == 0
    assert same(files["out"], load("encoder")(files["photo"], files["painting"], options=OPTIONS))


def test_ctrl_c_without_a_state_says_what_would_have_helped(files, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGINT)
    interrupt_at(2, monkeypatch)
    assert run(files["photo"], files["painting"], files["out"]) == 130
    assert "--save-state FILE" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before
    assert Image.open(files["out"]).size == (64, 48)


def test_a_second_ctrl_c_ends_at_once(files, monkeypatch):
    original = StyleTransfer.run

    def pressed(self: StyleTransfer, *given: object, **named: object) -> Iterator[Snapshot]:
        for snapshot in original(self, *given, **named):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            yield snapshot

    monkeypatch.setattr(StyleTransfer, "run", pressed)
    # As in a terminal: tests that a script starts with `&` inherit a SIGINT that is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run(files["photo"], files["painting"], files["out"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert not Path(files["out"]).exists()


def test_sweep_over_two_options(files, tmp_path, monkeypatch, capsys):
    asked, original = [], StyleTransfer.run

    def noted(self: StyleTransfer, *given: object, **named: object) -> Iterator[Snapshot]:
        asked.append((named["options"].style, named["options"].optimiser))
        return original(self, *given, **named)

    monkeypatch.setattr(StyleTransfer, "run", noted)
    sheet = tmp_path / "sheet.png"
    axes = ["--sweep", "style=0.5,1,2", "optimiser=adam,lbfgs"]
    assert run(files["photo"], files["painting"], *axes, "--sheet", sheet) == 0
    assert asked == [(style, optimiser) for optimiser in ("adam", "lbfgs") for style in (0.5, 1, 2)]
    assert "6 of 6 pictures" in capsys.readouterr().out
    assert Image.open(sheet).width > 3 * 64 and Image.open(sheet).height > 2 * 48 + 80
    asked.clear()
    layers = ["--sweep", "style-layers=r1_1|r1_1=1, r2_1=2"]
    assert run(files["photo"], files["painting"], *layers, "--sheet", sheet) == 0
    assert len(asked) == 2
    asked.clear()
    for weights in (["--sweep", "style-weights=1 2|2 1"], ["--sweep", "seed=1,2", "--style-weights", "1 2"]):
        assert run(files["photo"], files["painting"], files["other"], *weights, "--sheet", sheet) == 0
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["{photo}", "{painting}"], "There are 2 files: give a photo, a painting, and the picture"),
        (["{photo}", "{painting}", "{out}", "--resume", "{photo}"], "give only the picture to write"),
        (["{out}", "--resume", "{photo}"], "resume file"),
        (["{out}", "--resume", "{photo}", "--style", "2"], "keeps its options and masks"),
        (["{folder}/none.png", "{painting}", "{out}"], "none.png"),
        (["{photo}", "{painting}", "{folder}/out.xyz"], "out.xyz can't be written in that format"),
        (["{photo}", "{painting}", "{folder}/nowhere/out.png"], "There is no folder"),
        (["{photo}", "{painting}", "{out}", "--save-state", "{folder}"], "is a folder: give a file"),
        (["{photo}", "{painting}", "{out}", "--snapshots", "{photo}"], "photo.png is no folder"),
        (["{photo}", "{painting}", "{out}", "--every", "9" * 400], "give a whole number of 1 or more"),
        (["{photo}", "{painting}", "{out}", "--animation", "{folder}/a.gif"], "end it in .webp"),
        (["{photo}", "{painting}", "{out}", "--style", "0"], "style is 0.0: give a number greater than 0"),
        (["{photo}", "{painting}", "{out}", "--content", "nan"], "content is nan"),
        (["{photo}", "{painting}", "{out}", "--mask", "{left}", "--mask", "{right}"], "2 masks for 1 paintings"),
        (["{photo}", "{painting}", "{out}", "--init", "{folder}/nothing.png"], "nothing.png"),
        (["{photo}", "{painting}", "{out}", "--features", "{folder}/no.pth"], "no.pth"),
        (["{photo}", "{painting}", "{out}", "--style-weights", "1 2"], "2 numbers for 1 paintings: give one for each"),
        (["{photo}", "{painting}", "--sweep", "style=1,2"], "--sheet FILE"),
        (["{photo}", "{painting}", "{other}", "--sheet", "{out}", "--sweep", "style=1"], "other.png would be one more"),
        (["{photo}", "{painting}", "--sheet", "{out}", "--sweep", "style=1", "--plot", "{out}"], "leave out --plot"),
        (["{photo}", "{painting}", "--sheet", "{out}", "--sweep", "style"], "no values for style"),
        (["{photo}", "{painting}", "--sheet", "{out}", "--sweep", "style=1,x"], "no float"),
        (["{photo}", "{painting}", "--sheet", "{out}", "--sweep", "style=1,-1"], "style is -1.0"),
        (["{photo}", "{painting}", "--sheet", "{out}", "--sweep", "loudness=1"], "no option 'loudness'"),
        (["{photo}", "{painting}", "--sheet", "{out}", "--sweep", "style=1", "style=2"], "Both sides"),
        (["{photo}", "{painting}", "--sheet", "{out}", "--sweep", "style=1", "seed=2", "size=64"], "two sides"),
    ],
)
def test_what_makes_no_sense_exits_with_two_and_a_sentence(files, capsys, argv, sentence):
    assert run(*(a.format(**files) for a in argv), quick="--resume" not in argv) == 2
    assert sentence in capsys.readouterr().err
    assert not Path(files["out"]).exists()


def test_batch_does_it_to_a_folder(files, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(2):
        Image.new("RGB", (64, 48), (80 * n, 90, 100)).save(photos / f"{n}.png")
    command = ["batch", "style", str(photos), files["painting"], files["other"], str(tmp_path / "done"), *QUICK]
    assert main(command) == 0
    for n in range(2):
        expected = load("encoder")(photos / f"{n}.png", [files["painting"], files["other"]], options=OPTIONS)
        assert same(tmp_path / "done" / f"{n}.png", expected)


def test_a_batch_knows_its_start_by_content(files, tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (64, 48), (80, 90, 100)).save(photos / "a.png")
    command = [
        "batch",
        "style",
        str(photos),
        files["painting"],
        str(tmp_path / "done"),
        *QUICK,
        "--init",
        files["other"],
    ]
    made = []
    for colour, states in ((None, "is there already"), ((200, 30, 30), "")):
        if colour:
            Image.new("RGB", (64, 64), colour).save(files["other"])
        for _ in range(1 if colour else 2):
            capsys.readouterr()
            assert main(command) == 0
        assert ("is there already" in capsys.readouterr().out) == bool(states)
        made.append((tmp_path / "done" / "a.png").read_bytes())
    assert made[0] != made[1]
