"""The bench: that it runs, says what it measured, and does not flatter."""

from __future__ import annotations

import argparse
import json

import pytest
import torch

from artcore.models.colorunet import ColorUNet
from artcore.models.cyclegan import CycleGAN
from artcore.models.stylenet import StyleNet
from tests.bench import colour
from tests.bench import painter as bench


def run(**changes) -> dict:
    return {
        "net_s": 0.2,
        "end_to_end_s": 0.3,
        "peer_s": 4.0,
        "times_faster": 20.0,
        "times_faster_lowest": 18.0,
        "dtype": "bfloat16",
        "threads": 2,
        "torch": "2.15.0",
        "memory": {"bytes": 1_200_000_000, "bytes_before": 6e8},
        "imports": {"artcore_s": 0.01, "load_s": 1.0, "unwanted": []},
        "listening_s": 4.0,
        "cyclegan": {"net_s": 0.4, "peer_s": 8.0, "times_faster": 20.0, "times_faster_lowest": 17.0},
    } | changes


def found(plain: dict, **changes) -> dict:
    return {
        "checkpoint": "stylenet.vangogh",
        "cyclegan": "cyclegan.vangogh",
        "cpu": "A processor",
        "instructions": ["avx2"],
        "cores": 2,
        "load_average_at_start": 0.1,
        "busy": False,
        "size": (1920, 1080),
        "large": (3840, 2160),
        "runs": {bench.PLAIN: plain, bench.AVX2: run(dtype="float32", times_faster=9.0)},
    } | changes


def test_the_jobs_take_turns_and_the_first_round_does_not_count():
    order = []
    taken = bench.in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3
    assert [len(times) for times in taken.values()] == [2, 2]


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, None),
        ({"times_faster": 14.9}, "15 times faster"),
        ({"end_to_end_s": 0.41}, "end to end"),
        ({"memory": {"bytes": 1_600_000_000}}, "1.5 GB"),
        ({"listening_s": 11.0}, "listens"),
        ({"cyclegan": {"net_s": 0.4, "times_faster": 14.9}}, "15 times faster than the published generator"),
        ({"cyclegan": {"net_s": 0.51, "times_faster": 20.0}}, "a CycleGAN's net under 0.5 s"),
        ({"imports": {"artcore_s": 0, "load_s": 0, "unwanted": ["gradio"]}}, "gradio"),
    ],
)
def test_a_missed_target_is_called_missed(changes, missed):
    wrong = [line for line in bench.targets(found(run(**changes))) if not line.startswith("reached")]
    assert len(wrong) == (missed is not None)
    assert missed is None or wrong[0].startswith("MISSED") and missed in wrong[0]


def test_the_end_to_end_target_is_for_processors_with_bf16():
    lines = bench.targets(found(run(dtype="float32", end_to_end_s=0.9)))
    assert [line for line in lines if "end to end" in line][0].startswith("not asked")


def test_other_sizes_reach_no_target():
    (line,) = bench.targets(found(run(), size=(96, 64)))
    assert "nothing is said" in line


def test_the_table_says_on_what_and_warns_when_busy():
    text = bench.table(found(run()))
    wanted = ("A processor", "2 cores", "torch 2.15.0", "load 0.10", "bfloat16", "20.0; 18.0", "1.20 GB", "20.0; 17.0")
    for part in wanted:
        assert part in text
    assert "WARNING" not in text and "WARNING" in bench.table(found(run(), busy=True))


def test_no_painter_and_no_size_are_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path))
    assert bench.main([]) == 2
    assert capsys.readouterr().err == "bench: No painter ships yet: give a checkpoint folder with --name.\n"
    assert bench.main(["--repeats", "0"]) == 2
    with pytest.raises(argparse.ArgumentTypeError, match="1920x1080"):
        bench.size("big")
    assert bench.size("96x64") == (96, 64)


@pytest.mark.slow
def test_the_whole_bench_runs_small(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(tmp_path / "net")
    CycleGAN(channels=(4, 4, 4), blocks=1).save_pretrained(tmp_path / "both")
    monkeypatch.delenv("ARTCORE_DTYPE")
    nets = ["--name", str(tmp_path / "net"), "--cyclegan", str(tmp_path / "both")]
    sizes = ["--size", "96x64", "--large", "128x96", "--repeats", "2"]
    assert bench.main([*nets, *sizes, "--json", str(tmp_path / "out.json")]) == 0
    told = capsys.readouterr().out
    assert "| net only, 96 x 64 |" in told and "| ResNet-9/64 generator, fp32 eager, 96 x 64 |" in told
    measured = json.loads((tmp_path / "out.json").read_text())
    assert list(measured["runs"]) == [bench.PLAIN, bench.AVX2]
    for part in measured["runs"].values():
        for times in (*part["all_s"].values(), *part["cyclegan"]["all_s"].values()):
            assert len(times) == 2 and min(times) > 0
        assert part["memory"]["bytes"] >= part["memory"]["bytes_before"] > 50e6
        assert part["listening_s"] > 0 and part["imports"]["unwanted"] == []


def coloured(**changes) -> dict:
    speed = {"end_to_end_s": 0.2, "colouring_s": 0.1, "ten_seeds_s": 1.2, "adjusting_s": 0.05, "predicted_ten_s": 1.1}
    speed |= {"dtype": "bfloat16", "threads": 2} | changes
    found = {"checkpoint": "colorunet.general", "size": (1920, 1080), "large": (8000, 8000), "busy": False}
    return found | {"speed": speed, "memory": {"bytes": 1.2e9}}


@pytest.mark.parametrize(
    ("changes", "missed"),
    [({}, None), ({"end_to_end_s": 0.31}, "end to end"), ({"ten_seeds_s": 1.51}, "ten seeds")],
)
def test_a_missed_target_of_colouring_is_called_missed(changes, missed):
    text = colour.table(coloured(**changes))
    assert text.count("MISSED") == (missed is not None) and (missed is None or f"MISSED: {missed}" in text)
    assert "0.200 s" in text or "0.310 s" in text
    assert "WARNING" in colour.table(coloured() | {"busy": True})
    assert "MISSED: memory" in colour.table(coloured() | {"memory": {"bytes": 1.6e9}})
    assert colour.table(coloured(dtype="float32", end_to_end_s=0.9)).count("not asked") == 2
    assert "nothing is said" in colour.table(coloured() | {"size": (96, 64)})


def test_no_colouriser_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path))
    assert colour.main([]) == 2
    assert capsys.readouterr().err == "bench: No colouriser ships yet: give a checkpoint folder with --name.\n"


@pytest.mark.slow
def test_the_bench_of_colouring_runs_small(tmp_path, capsys):
    torch.manual_seed(0)
    ColorUNet(channels=(4, 4, 4, 4)).save_pretrained(tmp_path / "net")
    sizes = ["--size", "96x64", "--large", "128x96", "--repeats", "1"]
    assert colour.main(["--name", str(tmp_path / "net"), *sizes, "--json", str(tmp_path / "out.json")]) == 0
    assert "| JPEG bytes to JPEG bytes, 96 x 64 |" in capsys.readouterr().out
    measured = json.loads((tmp_path / "out.json").read_text())
    assert all(min(times) > 0 for times in measured["speed"]["all_s"].values())
    assert measured["memory"]["bytes"] >= measured["memory"]["bytes_before"] > 50e6
