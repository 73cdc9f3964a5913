"""Several pictures at once: the loop that every tab shares, its ZIP file, and the endpoint /batch."""

from __future__ import annotations

import os
import time
import weakref
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from artcore import image as pictures
from artcore.studio import several, shared
from tests.hub_server import serve, write_catalog
from tests.test_app_colorize import add_colorizers
from tests.test_app_style import add_encoder
from tests.upscale_net import add_upscalers


@pytest.fixture(autouse=True)
def gradio_folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files for visitors go, in tests of the loop alone: a server has its own."""
    folder = tmp_path / "gradio"
    if "client" in request.fixturenames:
        return folder
    monkeypatch.setattr(shared, "get_upload_folder", lambda: str(folder))
    monkeypatch.setattr(shared, "written", set())
    return folder


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (48, 36)) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    Image.fromarray(pixels).save(path, exif=exif.tobytes())
    return str(path)


def turned(path: str) -> several.Steps:
    """Turns a picture upside down, in two steps."""
    picture = pictures.open(path)
    yield 0.5
    yield Path(shared.write(picture.transpose(Image.Transpose.ROTATE_180), Path(path).stem, "png"))


def end(steps: Iterator) -> tuple[list[several.Line], str | None]:
    for last in steps:  # noqa: B007
        pass
    return last


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def unpacked(path: str | Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


# --- the loop ---------------------------------------------------------------------------------------------


def test_a_bad_file_stops_none_of_the_others(tmp_path: Path, gradio_folder: Path) -> None:
    good = [draw(tmp_path / f"{name}.png", seed) for seed, name in enumerate("ab")]
    (tmp_path / "torn.png").write_bytes(Path(good[0]).read_bytes()[:500])
    lines, archive = end(several.work([good[0], str(tmp_path / "torn.png"), good[1]], turned, "all.zip"))
    assert [line.state for line in lines] == ["done", "failed", "done"]
    assert "torn.png is damaged or cut short" in lines[1].error and lines[0].error is None
    assert [line.result for line in lines] == ["a.png", None, "b.png"]
    assert all(line.seconds > 0 for line in lines)
    assert Path(archive).name == "all.zip"
    for name, data in unpacked(archive).items():
        alone = Path(list(turned(str(tmp_path / name)))[-1])
        assert data == alone.read_bytes()
        several.discard(alone)
    assert files(gradio_folder) == ["all.zip"] and shared.written == {archive}, "each result lay there once"


def test_how_far_each_is_can_be_seen(tmp_path: Path) -> None:
    paths = [draw(tmp_path / f"{n}.png", n) for n in range(2)]
    seen = [[(line.state, line.done) for line in lines] for lines, _ in several.work(paths, turned, "all.zip")]
    assert seen[:3] == [
        [("making", None), ("waiting", None)],
        [("making", 0.5), ("waiting", None)],
        [("done", 0.5), ("waiting", None)],
    ]
    assert seen[-1] == [("done", 0.5), ("done", 0.5)]


def test_a_fault_of_ours_is_a_sentence_with_a_number_and_no_secret(tmp_path: Path, caplog) -> None:
    def make(path: str) -> several.Steps:
        raise KeyError("/secret/place")

    lines, archive = end(several.work([draw(tmp_path / "a.png")], make, "all.zip"))
    assert archive is None and "Something went wrong here (error" in lines[0].error
    assert "secret" not in lines[0].error


def test_a_stop_keeps_what_is_done_and_drops_what_is_begun(tmp_path: Path, gradio_folder: Path) -> None:
    paths, stopped = [draw(tmp_path / f"{n}.png", n) for n in range(4)], []

    def make(path: str) -> several.Steps:
        try:
            yield 0.1
            if path == paths[1]:
                stopped.append(True)
            yield from turned(path)
        finally:
            if path == paths[1]:
                stopped.append("closed")

    lines, archive = end(several.work(paths, make, "all.zip", lambda: bool(stopped)))
    assert [line.state for line in lines] == ["done", "left", "left", "left"]
    assert list(unpacked(archive)) == ["0.png"] and stopped == [True, "closed"]
    assert lines[1].told == "not made"


def test_it_ends_by_itself_when_it_has_kept_others_waiting_for_too_long(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(several, "LONGEST", 0.5)
    paths = [draw(tmp_path / f"{n}.png", n) for n in range(3)]

    def make(path: str) -> several.Steps:
        if path == paths[1]:
            time.sleep(1)
        yield from turned(path)

    lines, archive = end(several.work(paths, make, "all.zip"))
    assert lines[1].state == lines[2].state == "left" and lines[0].state in ("done", "left")


def test_who_goes_away_leaves_nothing_behind(tmp_path: Path, gradio_folder: Path) -> None:
    paths = [draw(tmp_path / f"{n}.png", n) for n in range(3)]
    steps = several.work(paths, turned, "all.zip")
    for lines, _ in steps:
        if lines[1].state == "making":
            break
    assert files(gradio_folder) == ["all.zip"]
    steps.close()
    assert files(gradio_folder) == [] and not shared.written and not list(gradio_folder.iterdir())


def test_where_all_fail_there_is_no_archive(tmp_path: Path, gradio_folder: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    lines, archive = end(several.work([str(tmp_path / "a.png")], turned, "all.zip"))
    assert archive is None and lines[0].state == "failed" and files(gradio_folder) == [] and not shared.written


def test_a_file_that_is_too_heavy_is_one_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [draw(tmp_path / "large.png", 0, (200, 200)), draw(tmp_path / "small.png")]
    monkeypatch.setattr(shared, "MOST_BYTES", 10_000)
    lines, _ = end(several.work(paths, turned, "all.zip"))
    assert [line.state for line in lines] == ["failed", "done"] and "larger than 50 MB" in lines[0].error


def test_too_many_or_too_large_is_one_sentence_before_anything_is_made(tmp_path: Path, monkeypatch) -> None:
    def make(path: str) -> several.Steps:
        raise AssertionError

    paths = [draw(tmp_path / f"{n}.png", n) for n in range(11)]
    with pytest.raises(gr.Error, match="These are 11 pictures: choose 10 at most"):
        next(several.work(paths, make, "all.zip"))
    monkeypatch.setattr(several, "MOST_PIXELS", 10 * 48 * 36 - 1)
    with pytest.raises(gr.Error, match="Together they have 0 megapixels"):
        next(several.work(paths[:10], make, "all.zip"))
    for nothing in (None, []):
        with pytest.raises(gr.Error, match="There are no pictures yet"):
            next(several.work(nothing, make, "all.zip"))


def test_what_will_be_refused_anyway_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb gets its own sentence, and must not cost the others their results."""
    paths = [draw(tmp_path / "small.png"), draw(tmp_path / "large.png", 0, (300, 200))]
    (tmp_path / "none.png").write_bytes(b"no picture")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 50_000)
    monkeypatch.setattr(several, "MOST_PIXELS", 50_000)
    lines, _ = end(several.work([*paths, str(tmp_path / "none.png")], turned, "all.zip"))
    assert [line.state for line in lines] == ["done", "failed", "failed"]


def test_one_picture_at_a_time_is_in_memory(tmp_path: Path, gradio_folder: Path) -> None:
    """Ten of them: of no other is photo or result alive, and one result at most lies beside the ZIP file."""
    known, most = [], []

    def make(path: str) -> several.Steps:
        picture = pictures.open(path)
        known.append(weakref.ref(picture))
        yield 0.5
        result = Path(shared.write(picture, Path(path).stem, "png"))
        most.append((sum(one() is not None for one in known), len(files(gradio_folder))))
        yield result

    end(several.work([draw(tmp_path / f"{n}.png", n) for n in range(10)], make, "all.zip"))
    assert most == [(1, 2)] * 10


# --- the ZIP file -----------------------------------------------------------------------------------------


def held(archive: several.Archive, name: str, data: bytes = b"x") -> str:
    """The name that a file of this name gets."""
    path = shared.new("file")
    path.write_bytes(data)
    return archive.add(path.rename(path.parent / name))


def test_names_are_each_its_own_on_every_system(tmp_path: Path) -> None:
    with several.Archive("all.zip") as archive:
        names = [held(archive, name) for name in ("a.png", "a (2).png", "a.png", "A.PNG", "a.jpg", "b.png")]
    assert names == ["a.png", "a (2).png", "a (3).png", "A (4).PNG", "a.jpg", "b.png"]
    assert list(unpacked(archive.path)) == names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("..\\..\\evil.png", "_.._evil.png"),
        ("C:evil.png", "C_evil.png"),
        ("..png", "picture.png"),
        (".hidden.png", "hidden.png"),
        ("line\nfeed.png", "line_feed.png"),
        ("Niño 写真.png", "Niño 写真.png"),
    ],
)
def test_no_name_leads_out_of_where_it_is_unpacked(name: str, safe: str) -> None:
    with several.Archive("all.zip") as archive:
        assert held(archive, name) == safe
    assert list(unpacked(archive.path)) == [safe]


def test_a_full_disk_is_a_sentence_and_keeps_what_is_there(tmp_path: Path, gradio_folder: Path, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    free = [10**12, 1]
    monkeypatch.setattr(several.shutil, "disk_usage", lambda _: usage(0, 0, free.pop(0)))
    lines, archive = end(several.work([draw(tmp_path / f"{n}.png") for n in range(2)], turned, "all.zip"))
    assert [line.state for line in lines] == ["done", "failed"] and "no room on this server's disk" in lines[1].error
    assert list(unpacked(archive)) == ["0.png"] and files(gradio_folder) == ["all.zip"]


def test_the_list_shows_names_of_others_as_they_are() -> None:
    lines = [
        several.Line("<script>${1+1}{{x}}.png", "failed", error="<b> & ${2}"),
        several.Line("b.png", "making", 0.4),
        several.Line("c.png", "done", 1, 1.25),
        several.Line("d.png"),
    ]
    shown = several.listing(lines)
    assert "<script>" not in shown and "<b>" not in shown and "${" not in shown and "{{" not in shown
    assert "&lt;script&gt;&#36;&#123;1+1}" in shown and "&lt;b&gt; &amp; " in shown
    assert [line.told for line in lines[1:]] == ["making, 40 % …", "1.2 s", "waiting"]


# --- the endpoint -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = add_encoder(add_colorizers(add_upscalers(write_catalog(tmp_path_factory.mktemp("weights")))))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    for forget in (shared._tasks.clear, shared._mixed.cache_clear):
        forget()
    with serve() as address:
        yield address
    for forget in (shared._tasks.clear, shared._mixed.cache_clear):
        forget()
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


@pytest.fixture
def client(url: str, tmp_path: Path) -> Client:
    return Client(url, verbose=False, download_files=tmp_path / "got", httpx_kwargs={"timeout": 60})


def ask(client: Client, paths: list[str], *given: object, further: tuple[str, ...] = ()) -> tuple[str | None, list]:
    named = {"further": [handle_file(path) for path in further]} if further else {}
    return client.predict([handle_file(path) for path in paths], *given, api_name="/batch", **named)


def refuse(client: Client, *given: object, **named: object) -> str:
    with pytest.raises(AppError) as error:
        ask(client, *given, **named)
    return error.value.message


SMALL = {"size": 64, "steps": 4, "pyramid": 1}  # of a style transfer


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("paint", {"style": "monet", "seed": 7, "stroke": 2}),
        ("paint", {"style": "monet", "format": "jpeg", "keep_metadata": True}),
        ("colorize", {"seed": 3, "saturation": 0.5}),
        ("upscale", {"scale": 2}),
        ("chain", {"steps": [{"task": "colorize"}, {"task": "paint", "style": "monet"}]}),
        ("style", {"painting": "painting.png", "options": SMALL, "format": "webp"}),
    ],
)
def test_results_are_those_of_single_calls(client: Client, tmp_path: Path, task: str, options: dict) -> None:
    paths = [draw(tmp_path / f"{name}.png", seed) for seed, name in enumerate(("harbour", "tower"))]
    painting = draw(tmp_path / "painting.png", 9)
    archive, report = ask(client, paths, task, options, further=(painting,) if task == "style" else ())
    assert [(line["state"], line["error"]) for line in report] == [("done", None)] * 2
    assert Path(archive).name == f"{task}.zip"
    alone = {}
    defaults = {"paint": {"style": "vangogh"}, "colorize": {"model": "general"}}.get(task, {})
    for path in paths:
        given = defaults | options | ({"painting": handle_file(painting)} if task == "style" else {})
        made = client.predict(handle_file(path), api_name=f"/{task}", **given)
        made = Path(made[0] if isinstance(made, tuple) else made)
        alone[made.name] = made.read_bytes()
    assert unpacked(archive) == alone and len(alone) == 2
    assert [line["result"] for line in report] == list(alone)


def test_masks_and_other_pictures_come_along(client: Client, tmp_path: Path) -> None:
    paths = [draw(tmp_path / "photo.png", 1)]
    mask = Image.new("L", (48, 36))
    mask.paste(255, (0, 0, 24, 36))
    mask.save(tmp_path / "left.png")
    plain, _ = ask(client, paths, "paint", {"style": "monet"})
    archive, report = ask(
        client, paths, "paint", {"style": "monet", "region_style": "vangogh", "region": "left.png"},
        further=(str(tmp_path / "left.png"),),
    )  # fmt: skip
    assert report[0]["state"] == "done" and unpacked(archive) != unpacked(plain)


def test_a_bad_file_among_good_ones_and_twice_the_same_name(client: Client, tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"no picture")
    paths = [draw(tmp_path / "a" / "x.png", 1), str(tmp_path / "torn.png"), draw(tmp_path / "b" / "x.png", 2)]
    archive, report = ask(client, paths, "paint")
    assert [line["state"] for line in report] == ["done", "failed", "done"]
    assert "torn.png is not a picture" in report[1]["error"] and report[1]["result"] is None
    assert list(unpacked(archive)) == ["x vangogh.png", "x vangogh (2).png"]


def test_progress_is_streamed(client: Client, tmp_path: Path) -> None:
    files_ = [handle_file(draw(tmp_path / f"{n}.png", n)) for n in range(3)]
    job = client.submit(files_, "paint", api_name="/batch")
    job.result(timeout=60)
    states = [[line["state"] for line in report] for _, report in job.outputs()]
    assert ["done", "making", "waiting"] in states and states[-1] == ["done"] * 3


def test_what_makes_no_sense_is_a_sentence(client: Client, tmp_path: Path) -> None:
    paths = [draw(tmp_path / "photo.png")]
    assert "There is no task 'melt': choose from paint, style" in refuse(client, paths, "melt")
    assert "paint has no 'stile': choose from style, method" in refuse(client, paths, "paint", {"stile": "monet"})
    assert "paint has no 'image'" in refuse(client, paths, "paint", {"image": "photo.png"})
    assert "options is no object" in refuse(client, paths, "paint", [1])
    assert "options is no JSON" in refuse(client, paths, "paint", "{")
    assert "These are 11 pictures" in refuse(client, paths * 11, "paint")
    assert "There are no pictures yet" in refuse(client, [], "paint")
    for place in ("/etc/passwd", "../photo.png", str(tmp_path / "photo.png"), 3, ["photo.png"]):
        assert "which is none of the further files" in refuse(client, paths, "paint", {"region": place})
    archive, report = ask(client, paths, "paint", {"style": "picasso"})
    assert archive is None and "There is no style 'picasso'" in report[0]["error"]


def test_the_api_page_documents_it(url: str) -> None:
    told = httpx.get(f"{url}/gradio_api/info").json()["named_endpoints"]["/batch"]
    assert [p["parameter_name"] for p in told["parameters"]] == ["files", "task", "options", "further"]
    assert [p["parameter_name"] for p in told["parameters"] if not p["parameter_has_default"]] == ["files"]
    assert told["description"].startswith("Paint, colour, enlarge or otherwise make up to ten pictures")
