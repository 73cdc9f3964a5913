"""ZeroGPU: style transfer in a process that the package `spaces` forks, and bundles that pin what ZeroGPU runs.

Its service is played by a server on loopback; the package is the real one, whose forks here find no GPU and use the
processor, so that their pictures are those of any other run.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gradio as gr
import httpx
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import SpaceCard
from PIL import Image

from artcore import __version__, recipe, runtime
from artcore.load import load
from artcore.studio import gpu, shared, style, words
from artcore.tasks.style import StyleError, StyleOptions
from tests.hub_server import write_catalog, write_pictures
from tests.local_hub import LocalHub
from tests.test_app_style import add_encoder
from tests.test_deploy import SPACE, checked, deploy, weights  # noqa: F401  fixtures
from tests.test_spaces import needs_pypi

REPO = Path(__file__).resolve().parents[1]
QUICK = {"size": 64, "steps": 6, "pyramid": 1}


# --- bundles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["style", "hub"])
def test_a_bundle_pins_what_zerogpu_runs(name: str, weights: Path, tmp_path: Path) -> None:  # noqa: F811
    out = deploy.build(name, SPACE, tmp_path / "out", zerogpu=True)
    lines = (out / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line.startswith("torch")] == ["torch==2.11.0", "torchvision==0.26.0"]
    assert {line for line in deploy.requirements().splitlines() if not line.startswith("torch")} < set(lines)
    assert SpaceCard((out / "README.md").read_text()).data.python_version == "3.12.12"
    plain = deploy.build(name, SPACE, tmp_path / "plain")
    assert "torch==" not in (plain / "requirements.txt").read_text()
    assert SpaceCard((plain / "README.md").read_text()).data.python_version == "3.12"


def test_what_zerogpu_is_not_for_is_a_sentence(weights, monkeypatch, capsys) -> None:  # noqa: F811
    assert deploy.main(["painter", SPACE, "--zerogpu"]) == 2
    assert "painter needs no GPU: leave out --zerogpu, which is for hub and style." in capsys.readouterr().err
    monkeypatch.setenv("TORCH_INDEX", "https://wheels.example.org")
    assert deploy.main(["style", SPACE, "--zerogpu"]) == 2
    assert "leave out --torch-index, or unset TORCH_INDEX" in capsys.readouterr().err


def test_a_space_goes_onto_zerogpu_new_or_not(weights, local_hub: LocalHub, checked, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    asked = lambda: [path for _, path, _ in local_hub.requests if path.endswith("/hardware")]  # noqa: E731
    assert deploy.main(["style", SPACE]) == 0
    space = local_hub.repositories["space", SPACE]
    assert space.hardware == "cpu-basic" and not asked()
    for _ in range(2):
        assert deploy.main(["style", SPACE, "--zerogpu"]) == 0
        assert space.hardware == "zero-a10g" and len(asked()) == 1  # once: it starts the Space anew
    assert deploy.main(["style", f"{SPACE}-2", "--zerogpu"]) == 0
    assert local_hub.repositories["space", f"{SPACE}-2"].hardware == "zero-a10g" and len(asked()) == 1


# --- where there is no ZeroGPU ----------------------------------------------------------------------------


def test_elsewhere_nothing_is_lent() -> None:
    assert not gpu.LENT and not hasattr(gpu.lent, "zerogpu")  # what spaces marks its own with


def test_cuda_that_spaces_plays_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    played = lambda: True  # noqa: E731
    played.__module__ = "spaces.zero.torch.patching"
    monkeypatch.setattr(torch.cuda, "is_available", played)
    before, lock = runtime.setup(), runtime.lock
    runtime.anew()
    try:
        assert runtime.setup() == before and before.device.type == "cpu"
        assert runtime.lock is not lock
    finally:
        runtime.lock = lock


# --- what goes to the other process, and comes back -------------------------------------------------------


@pytest.fixture
def far(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """A lent GPU that is this process, with all that goes there and comes back pickled; a folder of pictures."""
    add_encoder(weights)
    write_pictures(tmp_path)
    near = gpu.lent

    def lent(*given: object) -> Iterator[tuple]:
        run, context = near(*pickle.loads(pickle.dumps(given))), copy_context()
        context.run(words._language.set, "es")  # of the visitor before
        try:
            while told := context.run(next, run, None):
                yield pickle.loads(pickle.dumps(told))
        except gr.Error as error:
            raise pickle.loads(pickle.dumps(error)) from None

    monkeypatch.setattr(gpu, "LENT", True)
    monkeypatch.setattr(gpu, "lent", lent)
    return tmp_path


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    token = words._language.set("en")
    yield
    words._language.reset(token)


def transfer(folder: Path, **options: object) -> style.Transfer:
    given = str(folder / "photo.png"), [str(folder / "painting.png")], StyleOptions(**QUICK | options)
    return style.Transfer("encoder", *given)


def flags() -> list[Path]:
    return list(Path(gpu.tempfile.gettempdir()).glob("artcore-" + "[0-9a-f]" * 32))


def test_a_loan_is_the_run(far: Path) -> None:
    here, there = list(transfer(far).run()), list(style._begun(transfer(far)))
    assert len(here) == len(there) == 6
    assert [s.losses for s in here] == [s.losses for s in there]
    assert here[-1].picture().tobytes() == there[-1].picture().tobytes()
    assert recipe.of(there[-1].picture()) == recipe.of(there[-1].image) == recipe.of(here[-1].image)
    assert here[0].options == there[0].options
    (photo, hung), (photo_, hung_) = here[0].originals, there[0].originals
    assert photo.tobytes() == photo_.tobytes() and [p.tobytes() for p in hung] == [p.tobytes() for p in hung_]
    masks = [Image.open(far / "left.png"), str(far / "right.png")]  # as the tab and the endpoint give them
    both = style.replace(transfer(far), styles=[str(far / "painting.png"), str(far / "other.png")], masks=masks)
    *_, here = both.run()
    *_, there = style._begun(both)
    assert here.image.tobytes() == there.image.tobytes()


def test_a_loan_stops_and_goes_on_to_the_same_picture(far: Path) -> None:
    *_, whole = transfer(far).run()
    for run, enough, step in (
        (style._begun(transfer(far)), lambda s: s.step == 2, 3),  # a step later: the other process had gone on
        (style._begun(transfer(far), 4), lambda s: False, 4),
    ):
        told = list(style._until(run, enough))
        snapshot, last = told[-1]
        assert (snapshot.step, last, snapshot.final) == (step, True, False) and not [s for s, end in told[:-1] if end]
        assert recipe.of(snapshot.picture()).ran == (step,)
        file = far / "resume.safetensors"
        file.write_bytes(snapshot.resume_file())
        *_, rest = style._resumed(str(file))
        assert rest.final and rest.picture().tobytes() == whole.picture().tobytes()
        assert recipe.of(rest.picture()) == recipe.of(whole.picture())
    assert not flags()


def test_a_loan_that_is_up_hands_out_what_there_is(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SECONDS", gpu.SPARE)
    [(snapshot, last)] = style._until(style._begun(transfer(far)), lambda s: False)
    assert last and snapshot.step == 1 and snapshot.resume_file()
    with pytest.raises(StyleError, match="lent for too short a time"):  # of several pictures: none is half made
        list(style._begun(transfer(far)))


@pytest.mark.parametrize(("code", "sentence"), [("en", "is not a picture"), ("es", "no es una imagen")])
def test_errors_are_said_in_the_visitors_language(far: Path, code: str, sentence: str) -> None:
    torn = style.replace(transfer(far), source=str(REPO / "README.md"))
    words._language.set(code)
    with pytest.raises(gr.Error) as error, shared.sentences():
        list(style._begun(torn))
    assert error.value.message.startswith(f"README.md {sentence}")
    with pytest.raises(StyleError, match="choose from encoder"):  # before anything is lent
        style._begun(style.replace(torn, features="resnet"))


def test_a_process_forked_loads_its_own_nets(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = shared.task("encoder")
    list(style._begun(transfer(far)))
    assert shared.task("encoder") is loaded
    loading, lock = shared._loading, runtime.lock
    monkeypatch.setattr(gpu, "_process", -1)
    monkeypatch.setattr(shared, "_loading", loading)
    monkeypatch.setattr(runtime, "lock", lock)
    list(style._begun(transfer(far)))
    assert shared.task("encoder") is not loaded and shared._loading is not loading and runtime.lock is not lock
    assert gpu._process == os.getpid()


# --- the real package -------------------------------------------------------------------------------------

PROGRAM = """
import sys
from artcore import runtime
from artcore.studio import gpu, server
import spaces.zero
import torch

spaces.zero.torch.init = spaces.zero.torch.move = lambda *given, **named: None  # what needs a GPU
if sys.argv[2] == "broken":
    gpu.report = lambda page, server: None
print("main", gpu.LENT, torch.cuda.is_available(), runtime.setup().device, flush=True)
server.run("127.0.0.1", int(sys.argv[1]))
"""


class Service(BaseHTTPRequestHandler):
    """What lends GPUs. A process that was lent one is lent it again."""

    def do_POST(self) -> None:
        call = self.path.partition("?")[0]
        self.server.calls.append(call)
        told = {}
        if call == "/schedule":
            again = self.server.calls.count("/schedule") > 1
            told = {"idle": again, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "token"}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Space:
    """A server of ours on ZeroGPU."""

    def __init__(self, folder: Path, service: ThreadingHTTPServer, how: str = "whole"):
        self.calls = service.calls = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        environment = os.environ | {
            "SPACES_ZERO_GPU": "true",
            "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{service.server_address[1]}",
            "SYSTEM": "spaces",
            "SPACE_ID": "a/b",
            "ARTCORE_WEIGHTS": str(folder),
            "CUDA_VISIBLE_DEVICES": "",
            "HF_HUB_OFFLINE": "1",
        }
        self.log = folder / f"{how}.log"
        with self.log.open("w") as log:
            command = [sys.executable, "-c", PROGRAM, str(self.port), how]
            self.process = subprocess.Popen(command, cwd=REPO, env=environment, stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 180
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text()
            time.sleep(0.2)

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", timeout=30).json()["version"] == __version__
        return False

    def style(self, folder: Path, **named: object) -> tuple:
        client = Client(self.url, verbose=False, download_files=folder / "got", httpx_kwargs={"timeout": 60})
        pictures = handle_file(folder / "photo.png"), handle_file(folder / "painting.png")
        return client.predict(*pictures, api_name="/style", **{"options": QUICK} | named)

    def listening(self, process: int) -> bool:
        """Whether a process holds the server's port open. (A visitor's connection that came while spaces forked it may
        have: what is to be closed is listed some moments before.)"""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        there = {row[9] for row in rows if row[1].endswith(f":{self.port:04X}") and row[3] == "0A"}
        links = [os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir() if path.is_symlink()]
        return any(f"socket:[{inode}]" in links for inode in there)

    def children(self) -> list[int]:
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def service() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = add_encoder(write_catalog(tmp_path_factory.mktemp("weights")))
    write_pictures(folder)
    return folder


@pytest.mark.slow
@needs_pypi
def test_style_is_made_by_a_fork_and_nothing_else_is(
    pictures: Path, service: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Space(pictures, service)
    try:
        assert space.calls == ["/startup-report"]
        assert "main True True cpu" in space.log.read_text()
        client = Client(space.url, verbose=False, download_files=pictures / "got", httpx_kwargs={"timeout": 60})
        client.predict(handle_file(pictures / "photo.png"), "vangogh", api_name="/paint")
        assert space.calls == ["/startup-report"]

        picture, told, file = space.style(pictures)
        assert space.calls[1:] == ["/schedule", "/allow", "/release"] and told["final"] and file is None
        monkeypatch.setenv("ARTCORE_WEIGHTS", str(pictures))
        here = load("encoder")(pictures / "photo.png", pictures / "painting.png", options=StyleOptions(**QUICK))
        assert Image.open(picture).tobytes() == here.tobytes()
        made = recipe.read(picture)
        assert made.ran == (6,) and made.run["device"] == "cpu" and made.nets == recipe.of(here).nets
        (child,) = space.children()
        assert not space.listening(child)

        _, told, file = space.style(pictures, stop_after=2)
        assert told["step"] == 2 and not told["final"]
        picture, told, _ = client.predict(handle_file(file), api_name="/style_resume")
        assert told["final"] and Image.open(picture).tobytes() == here.tobytes()
        assert space.calls[4:] == ["/schedule", "/release"] * 2 and space.children() == [child]
        with pytest.raises(AppError, match="The painting is 8 x 8 px"):
            Image.new("RGB", (8, 8)).save(pictures / "tiny.png")
            tiny = handle_file(pictures / "tiny.png")
            client.predict(handle_file(pictures / "photo.png"), tiny, options=QUICK, api_name="/style")

        said = _halted(space, pictures)
        assert "**Stopped** at step" in said and ".safetensors" in said
        vanished = client.submit(
            handle_file(pictures / "photo.png"),
            handle_file(pictures / "painting.png"),
            options=QUICK | {"steps": 2000},
            api_name="/style",
        )
        while len(vanished.outputs()) < 2:
            time.sleep(0.1)
        vanished.cancel()
        assert space.style(pictures)[1]["final"]  # the next one is served
        assert space.calls.count("/schedule") == space.calls.count("/release") and not flags()
    finally:
        space.end()


def _halted(space: Space, folder: Path) -> str:
    """Everything that the tab says of a run that is stopped there after a while."""
    with httpx.Client(base_url=f"{space.url}/gradio_api", timeout=60) as http:
        config = httpx.get(f"{space.url}/config").json()
        props = {component["id"]: component["props"] for component in config["components"]}

        def event(button: str) -> dict:
            clicks = [event for event in config["dependencies"] for id, _ in event["targets"] if _ == "click"]
            return next(e for e in clicks if any(props[id].get("elem_id") == button for id, _ in e["targets"]))

        given = {"Size": 256, "Steps": 1000}
        for name, label in (("photo", "Your photo"), ("painting", "The painting")):
            (path,) = http.post("/upload", files={"files": (folder / f"{name}.png").open("rb")}).json()
            given[label] = {"path": path, "meta": {"_type": "gradio.FileData"}}
        go, stop, session = event("style-go"), event("style-stop"), {"session_hash": "visitor"}
        data = [given.get(props[id].get("label"), props[id].get("value")) for id in go["inputs"]]
        http.post("/queue/join", json={"data": data, "fn_index": go["id"], **session}).raise_for_status()
        said, asked = "", False
        with http.stream("GET", "/queue/data", params=session) as stream:
            for line in stream.iter_lines():
                said += line
                if "Step 1" in said and not asked:
                    asked = True
                    halt = {"data": [], "fn_index": stop["id"], **session}
                    httpx.post(f"{space.url}/gradio_api/run/predict", json=halt).raise_for_status()
                if "process_completed" in line:
                    return said


@pytest.mark.slow
@needs_pypi
def test_without_a_report_zerogpu_would_not_know_and_forks_would_hold_the_port(
    pictures: Path, service: ThreadingHTTPServer
) -> None:
    space = Space(pictures, service, "broken")
    try:
        assert space.calls == []
        space.style(pictures)
        assert space.listening(space.children()[0])
    finally:
        space.end()
