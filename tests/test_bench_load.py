"""The bench of many visitors: that it runs, says what it measured, and does not flatter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from artcore.models.stylenet import StyleNet
from artcore.studio import shared
from tests.bench import load
from tests.colour_net import colour_net
from tests.hub_server import serve, write_catalog
from tests.replica import png
from tests.upscale_net import add_upscalers


def found(**changes: object) -> dict:
    taken = {"paint": [0.5] * 70, "colorize": [1.0] * 70, "upscale": [2.0] * 70}
    told = {"taken_s": taken, "refused": 3, "errors": [], "seconds": 60.4, "cpu_s": 42.0, "memory": 1.02e9}
    run = {"busy": False, "clients": 16, "queue": 12, "asked_s": 60, "memory_warm": 1e9}
    return run | {"load": told | changes}


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, None),
        ({"errors": ["paint: Failed('500 ')"]}, "no error but honest 503s"),
        ({"memory": 1.06e9}, "memory grows less than 5 %"),
        ({"taken_s": {"paint": [1.0] * 70, "colorize": [1.0] * 70, "upscale": [1.0] * 59}}, "200 finished a minute"),
        ({"taken_s": {"paint": [1.0] * 90, "colorize": [1.0] * 90, "upscale": [1.0] * 49}}, "50 of each task"),
    ],
)
def test_a_missed_target_is_called_missed(changes: dict, missed: str | None) -> None:
    text = load.table(found(**changes))
    assert text.count("MISSED") == (missed is not None) and (missed is None or f"MISSED: {missed}" in text)
    assert all(reached for _, reached in load.checks(found(**changes))) == (missed is None)
    assert "3 were told to come back (503)" in text and "WARNING" not in text
    assert "WARNING" in load.table(found(**changes) | {"busy": True})


def test_the_table_has_what_was_measured() -> None:
    text = load.table(found())
    for part in ("| paint | 70 | 0.50 s | 0.50 s |", "| all | 210 | 1.00 s | 2.00 s |", "210 finished a minute",
                 "200 ms of the server's processor time", "1000 MB once warm, 1020 MB at the end: +2.0 %"):  # fmt: skip
        assert part in text, text
    half = found() | {"asked_s": 30}  # half a minute is judged by half of what a minute has
    assert "420 finished a minute" in load.table(half) and all(reached for _, reached in load.checks(half))


def test_nothing_to_measure_is_one_sentence(capsys: pytest.CaptureFixture) -> None:
    assert load.main(["--seconds", "0"]) == 2
    assert "Nothing comes of no seconds" in capsys.readouterr().err


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = add_upscalers(write_catalog(tmp_path / "weights"))
    catalog = json.loads((folder / "catalog.json").read_text())
    colour_net().save_pretrained(folder / "colorunet.general")
    catalog["colorunet.general"] = {"label": "General", "task": "colorizer", "folder": "colorunet.general"}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    shared._tasks.clear()
    yield folder
    shared._tasks.clear()


def test_what_goes_wrong_is_counted(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    png(tmp_path / "photo.png", 64, 64)
    monkeypatch.setattr(StyleNet, "forward", broken)
    with serve() as url:
        told = load.visits(url, [str(tmp_path / "photo.png")], 2, 3)
    assert told["errors"] and all(error.startswith("paint: ") for error in told["errors"])
    assert not told["taken_s"]["paint"]
    assert not dict(load.checks({"load": told, "memory_warm": told["memory"], "asked_s": 2}))[
        "no error but honest 503s"
    ]


@pytest.mark.slow
def test_the_whole_bench_runs_small(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """With a queue for one, so that some of four must be told to come back; how many are served is the machine's."""
    out = tmp_path / "out.json"
    status = load.main(["--seconds", "4", "--warm", "1", "--clients", "4", "--queue", "1", "--json", str(out)])
    text = capsys.readouterr().out
    measured = json.loads(out.read_text())
    assert not measured["load"]["errors"], measured["load"]["errors"]
    assert "reached: no error but honest 503s" in text
    assert measured["load"]["refused"] > 0
    assert sum(map(len, measured["load"]["taken_s"].values())) > 0
    assert measured["load"]["cpu_s"] > 0 and measured["memory_warm"] > 50e6
    assert status == int("MISSED" in text)
