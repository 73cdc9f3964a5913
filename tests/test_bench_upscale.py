"""The upscaling bench: that it runs, says what it measured, and does not flatter."""

from __future__ import annotations

import json

import pytest

from tests.bench import upscale as bench
from tests.upscale_net import upscale_net


def found(**changes: object) -> dict:
    speed = {"net_s": 0.1, "picture_s": 0.3, "predicted_s": 0.35, "peer_s": 4.0, "times_faster": 40.0,
             "times_faster_lowest": 35.0, "dtype": "bfloat16", "threads": 2}  # fmt: skip
    made = {"busy": False, "checkpoint": "enhancenet.fidelity", "size": (480, 270), "large": (3000, 2000)}
    return made | {"speed": speed | changes, "memory": {"bytes": 1.2e9, "bytes_before": 6e8, "seconds": 30.0}}


@pytest.mark.parametrize(
    ("changes", "missed"),
    [({}, None), ({"net_s": 0.151}, "net only"), ({"times_faster": 19.9}, "20 times faster")],
)
def test_a_missed_target_is_called_missed(changes: dict, missed: str | None) -> None:
    wrong = [line for line in bench.targets(found(**changes)) if not line.startswith("reached")]
    assert len(wrong) == (missed is not None)
    assert missed is None or wrong[0].startswith("MISSED") and missed in wrong[0]


def test_nothing_is_claimed_of_other_sizes_and_other_processors() -> None:
    assert "nothing is said" in bench.targets(found() | {"size": (96, 54)})[0]
    assert bench.targets(found(dtype="float32"))[0].startswith("not asked")


def test_the_table_says_on_what_and_warns_when_busy() -> None:
    text = bench.table(found())
    for part in (
        "enhancenet.fidelity, bfloat16, 2 threads",
        "480 x 270 to 1920 x 1080 | 0.100 s",
        "40.0; 35.0",
        "1.20 GB",
    ):
        assert part in text
    assert "WARNING" not in text and "WARNING" in bench.table(found() | {"busy": True})


def test_no_upscaler_and_no_repeats_are_one_sentence(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path))
    assert bench.main([]) == 2
    assert capsys.readouterr().err == "bench: No upscaler ships yet: give a checkpoint folder with --name.\n"
    assert bench.main(["--repeats", "0"]) == 2


@pytest.mark.slow
def test_the_whole_bench_runs_small(tmp_path, capsys) -> None:
    upscale_net().save_pretrained(tmp_path / "net")
    sizes = ["--size", "48x32", "--large", "64x48", "--repeats", "2"]
    assert bench.main(["--name", str(tmp_path / "net"), *sizes, "--json", str(tmp_path / "out.json")]) == 0
    assert "| net only, 48 x 32 to 192 x 128 |" in capsys.readouterr().out
    measured = json.loads((tmp_path / "out.json").read_text())
    assert all(len(times) == 2 and min(times) > 0 for times in measured["speed"]["all_s"].values())
    assert measured["memory"]["bytes"] >= measured["memory"]["bytes_before"] > 50e6
