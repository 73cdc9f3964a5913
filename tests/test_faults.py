"""What breaks while people are painting: a kill, a full disk, weights or a Hub that are gone, a visitor who is. Each
costs whoever it happened to, who is told so in a sentence, and the next visitor is served."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from artcore import hub
from artcore.models.stylenet import StyleNet
from artcore.studio import border, shared
from artcore.tasks import painter
from tests.colour_net import colour_net
from tests.hub_server import serve, write_catalog
from tests.local_hub import LocalHub
from tests.replica import Visitor, free_port, png, process, status, until, works
from tests.upscale_net import add_upscalers

META = {"_type": "gradio.FileData"}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = add_upscalers(write_catalog(tmp_path / "weights"))
    colour_net().save_pretrained(folder / "colorunet.general")
    add(folder, "colorunet.general", label="General", task="colorizer", folder="colorunet.general")
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    shared._tasks.clear()
    yield folder
    shared._tasks.clear()


def add(catalogued: Path, name: str, **entry: object) -> None:
    catalog = json.loads((catalogued / "catalog.json").read_text())
    (catalogued / "catalog.json").write_text(json.dumps(catalog | {name: entry}))


def told(visitor: Visitor, picture: bytes, endpoint: str = "paint", *given: object) -> str | list:
    """The sentence that an order comes to, or the outputs."""
    (path,) = visitor.http.post("/gradio_api/upload", files={"files": ("p.png", picture)}).raise_for_status().json()
    body = {"data": [{"path": path, "meta": META}, *given]}
    job = visitor.http.post(f"/gradio_api/call/{endpoint}", json=body).raise_for_status().json()["event_id"]
    text = visitor.http.get(f"/gradio_api/call/{endpoint}/{job}").text
    event, _, rest = text.rpartition("event: ")[2].partition("\n")
    data = json.loads(rest.partition("data: ")[2])
    return data if event == "complete" else data["error"]


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


# --- a kill ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_after_a_kill_in_mid_run_the_next_process_serves_the_next_visitor(weights: Path, tmp_path: Path) -> None:
    """On the same port and in the same folder, as whoever looks after it starts it again."""
    small, large = png(tmp_path / "small.png", 96, 64), png(tmp_path / "large.png", 3200, 2400)
    port, folder = free_port(), tmp_path / "gradio"
    url, given = f"http://127.0.0.1:{port}", {"ARTCORE_WEIGHTS": str(weights), "GRADIO_TEMP_DIR": str(folder)}
    with process(port, given) as first:
        until(lambda: status(url) == 200, "the hub is ready")
        visitor = Visitor(url)
        before = visitor.fetch(visitor.order(small))
        lost = visitor.order(large)
        until(lambda: works(url), "the job runs")
        first.kill()
        assert first.wait() == -signal.SIGKILL
        with pytest.raises(httpx.HTTPError):
            visitor.fetch(lost)
    visitor.http.close()
    there = files(folder)
    assert there
    for path in there:  # nothing under the name of a picture that is half of one
        if path.suffix in (".png", ".webp") and not path.name.startswith("."):
            Image.open(path).load()
    with process(port, given):
        until(lambda: status(url) == 200, "the hub is ready again")
        visitor = Visitor(url)
        assert visitor.fetch(visitor.order(small)) == before
        with contextlib.suppress(httpx.RemoteProtocolError):  # Gradio breaks off where it knows of no such job
            assert "event: error" in visitor.http.get(f"/gradio_api/call/paint/{lost}").text
        visitor.http.close()


def test_a_kill_while_a_file_is_written_leaves_a_half_that_is_swept(weights: Path, tmp_path: Path) -> None:
    """At the worst moment: all is written, and nothing renamed."""
    child = (
        "import os, signal\n"
        "from artcore.studio import shared\n"
        "print(shared.store(b'whole', 'first.png'), flush=True)\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "shared.store(b'half', 'second.png')\n"
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder, whole = tmp_path / "gradio", Path(done.stdout.strip())
    (half,) = files(folder) - {whole}
    assert half.name.startswith(".") and "second.png" not in half.name
    upload = folder / "tmpabc"  # so Gradio calls what is still being sent
    upload.write_bytes(b"half")
    border.sweep(1000)
    assert files(folder) == {whole, half, upload}  # somebody may be writing them
    border.sweep(-1)
    assert files(folder) == {half, upload}  # an earlier process's visitors have had their time


def test_halves_that_nobody_writes_any_more_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(border, "HALF", -1)
    for name in ("tmpabc", "a/.0123.part", "a/.photo.png.xyz", "b/photo.png", "c/.0123.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    border.sweep(1000)
    assert files(tmp_path) == {tmp_path / "b/photo.png"}
    assert not (tmp_path / "c").exists()


# --- a full disk ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_disk_without_room_is_a_sentence_and_the_next_visitor_is_served(weights: Path, tmp_path: Path) -> None:
    """The kernel refuses to make any file larger than 200 kB, as it refuses all once a disk is full."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8))
    out = io.BytesIO()
    noise.save(out, "PNG")
    port, folder, room = free_port(), tmp_path / "gradio", 200_000
    url, given = f"http://127.0.0.1:{port}", {"ARTCORE_WEIGHTS": str(weights), "GRADIO_TEMP_DIR": str(folder)}
    with process(port, given) as started:
        until(lambda: status(url) == 200, "the hub is ready")
        resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (room, room))
        visitor = Visitor(url)
        assert len(told(visitor, out.getvalue())) == 1  # what fits is painted
        before = files(folder)
        sentence = told(visitor, out.getvalue(), "upscale")  # 512 x 384 pixels of noise
        assert "disk of this server is full" in sentence and "later" in sentence
        assert files(folder) == before
        answer = visitor.http.post("/gradio_api/upload", files={"files": ("large.png", bytes(room + 1))})
        assert answer.status_code == 507 and "disk of this server is full" in answer.json()["error"]
        until(lambda: files(folder) == before, "nothing is left of what did not fit")
        assert len(told(visitor, out.getvalue())) == 1
        visitor.http.close()


# --- weights that are gone ------------------------------------------------------------------------------


def test_weights_that_are_deleted_are_named_and_the_others_go_on(weights: Path, tmp_path: Path) -> None:
    picture = png(tmp_path / "photo.png", 96, 64)
    body = {"image": base64.b64encode(picture).decode()}
    with serve() as url, contextlib.closing(Visitor(url).http) as http:
        visitor = Visitor.__new__(Visitor)
        visitor.http = http
        for name, endpoint, given in (
            ("stylenet.monet", "paint", ["monet"]),
            ("enhancenet.fidelity", "upscale", []),
            ("colorunet.general", "colorize", []),
        ):
            file = weights / name / "model.safetensors"
            kept = shutil.move(file, tmp_path / "kept")
            sentence = told(visitor, picture, endpoint, *given)
            assert f"The weights of {name} are missing; restore weights/{name}" in sentence
            if endpoint == "colorize":
                answer = http.post("/api/colorize", json=body)
                assert answer.status_code == 400 and answer.json()["error"] == sentence
            assert isinstance(told(visitor, picture, "paint", "vangogh"), list)  # the others go on
            assert name in http.get("/readyz").json()["missing"]
            shutil.move(kept, file)
            assert isinstance(told(visitor, picture, endpoint, *given), list)  # and so does this one
        shutil.move(weights, tmp_path / "away")  # all of them; what is loaded goes on
        assert isinstance(told(visitor, picture, "upscale"), str)
        assert http.get("/readyz").status_code == 503 and http.get("/healthz").status_code == 200
        shutil.move(tmp_path / "away", weights)
        assert isinstance(told(visitor, picture, "upscale"), list)


# --- a Hub that is -----------------------------------------------------------------------------------------


def test_a_hub_that_is_out_of_order_or_silent_costs_only_what_is_there(
    weights: Path, tmp_path: Path, local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(9)
    commit = StyleNet(channels=(4, 4, 4), blocks=1).push_to_hub("alice/far", token="hf_alice")
    (data,) = (b.data for p, b in _files(local_hub, commit.oid).items() if p == "model.safetensors")
    digest = hashlib.sha256(data).hexdigest()
    far = {"label": "Far away", "task": "painter", "repo": "alice/far", "revision": commit.oid, "sha256": digest}
    add(weights, "stylenet.far", **far)
    picture = png(tmp_path / "photo.png", 96, 64)
    monkeypatch.setattr(hub, "TIMEOUT", 0.5)
    with serve() as url, contextlib.closing(Visitor(url).http) as http:
        visitor = Visitor.__new__(Visitor)
        visitor.http = http
        for fault, words in (
            ({"status": 500}, "The Hub is out of order (500), and alice/far is not in the cache: try later"),
            ({"status": 503}, "The Hub is out of order (503)"),
            ({"stall": 300}, "can't be reached or broke off, and alice/far is not in the cache"),
        ):
            local_hub.fail("/alice/far/", **fault)
            assert words in told(visitor, picture, "paint", "far"), fault
            assert isinstance(told(visitor, picture, "paint", "vangogh"), list)
            local_hub.heal()
        local_hub.stop()
        assert "can't be reached" in told(visitor, picture, "paint", "far")
        local_hub.start()
        assert isinstance(told(visitor, picture, "paint", "far"), list)  # no failure is remembered
        shared._tasks.clear()
        local_hub.fail("", status=500)
        assert isinstance(told(visitor, picture, "paint", "far"), list)  # from the cache: its commit is pinned


def _files(local_hub: LocalHub, commit: str) -> dict:
    return local_hub.repositories["model", "alice/far"].commits[commit].files


def test_while_the_hub_is_silent_what_is_loaded_answers(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for by the page beside a run, and by the JSON calls."""
    ready, silent, end = shared.task("stylenet.vangogh"), threading.Event(), threading.Event()

    def stalled(name: str) -> Callable:
        silent.set()
        end.wait(120)
        raise hub.HubError("The Hub does not answer: try later.")

    monkeypatch.setattr(shared, "load_task", stalled)
    waiting = threading.Thread(target=lambda: pytest.raises(hub.HubError, shared.task, "stylenet.monet"))
    waiting.start()
    found: list = []
    try:
        assert silent.wait(60)
        asking = threading.Thread(target=lambda: found.append(shared.task("stylenet.vangogh")), daemon=True)
        asking.start()
        asking.join(30)
        assert found == [ready]
    finally:
        end.set()
        waiting.join(60)


# --- a visitor who is gone ------------------------------------------------------------------------------


class Slow:
    """A net of which every tile takes a while, and which counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tiles, self.begun = 0, threading.Event()
        forward = StyleNet.forward

        def counted(net: StyleNet, *given: object, **named: object) -> torch.Tensor:
            self.tiles += 1
            if self.tiles == 3:
                self.begun.set()
            time.sleep(0.05)
            return forward(net, *given, **named)

        monkeypatch.setattr(painter, "TILE", 32)
        monkeypatch.setattr(StyleNet, "forward", counted)


@pytest.mark.parametrize("how", ["page", "api"])
def test_a_visitor_who_vanishes_leaves_the_place_to_the_next(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """He closes the page, or his program dies, in mid-run; one who waits behind him in the line is gone as well."""
    shared.task("stylenet.vangogh")
    large, small = (
        png(tmp_path / "large.png", 960, 960),
        png(tmp_path / "small.png", 96, 64),
    )  # 900 tiles: 45 s and more
    with monkeypatch.context() as patch, serve() as url:
        slow = Slow(patch)
        one, other, next_ = (Visitor(url) for _ in range(3))
        streams = []
        for visitor in (one, other):
            (path,) = visitor.http.post("/gradio_api/upload", files={"files": ("p.png", large)}).json()
            data = [{"path": path, "meta": META}, "vangogh", "auto", 1, 0, "png", False]
            if how == "api":
                job = visitor.http.post("/gradio_api/call/paint", json={"data": data}).json()["event_id"]
                address = f"/gradio_api/call/paint/{job}"
            else:
                config = visitor.http.get("/config").json()["dependencies"]
                index = next(event["id"] for event in config if event["api_name"] == "paint")
                session = f"session{len(streams)}"
                body = {"data": data, "fn_index": index, "session_hash": session}
                assert visitor.http.post("/gradio_api/queue/join", json=body).status_code == 200
                address = f"/gradio_api/queue/data?session_hash={session}"
            stream = visitor.http.stream("GET", address)
            stream.__enter__()
            streams.append(stream)
        assert slow.begun.wait(120)
        for visitor, stream in zip((one, other), streams, strict=True):
            stream.__exit__(None, None, None)
            visitor.http.close()
        until(lambda: "artcore_jobs_running 0.0" in next_.http.get("/metrics").text, "the run has ended")
        tiles = slow.tiles
        assert tiles < 800
        assert "artcore_queue_length 0.0" in next_.http.get("/metrics").text
        assert isinstance(told(next_, small), list)
        assert slow.tiles < tiles + 100  # his small picture, and nothing of theirs
        next_.http.close()
