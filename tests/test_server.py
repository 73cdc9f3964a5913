"""How the hub is served: settings, login, a root path, readiness, what Prometheus reads, and how it is stopped."""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from artcore.__main__ import main
from artcore.studio import server, shared
from artcore.studio.monitoring import LEAVING
from tests.hub_server import write_catalog
from tests.replica import Visitor, free_port, png, process, status, until, works


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def weights(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(shipped))
    monkeypatch.setenv("ARTCORE_REPLICA", "a")
    shared._tasks.clear()
    yield shipped
    shared._tasks.clear()


def client(**settings: object) -> TestClient:
    return TestClient(server.create(server.Settings(**settings)), base_url="http://127.0.0.1")


def sample(text: str, name: str, **labels: str) -> float:
    """The value of a metric; 0 where it has not been seen."""
    for family in text_string_to_metric_families(text):
        for found in family.samples:
            if found.name == name and labels.items() <= found.labels.items():
                return found.value
    return 0.0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"root_path": "art"}, "root path is 'art': begin it with / and end it without"),
        ({"root_path": "/art/"}, "end it without"),
        ({"queue": 0}, "queue is 0: give a number from 1"),
        ({"upload": -1}, "upload is -1"),
        ({"grace": float("nan")}, "grace is nan: give a number from 0"),
        ({"mcp": True, "auth": (("ana", "x"),)}, "leave out --auth or --mcp"),
    ],
)
def test_settings_that_make_no_sense_are_a_sentence(settings: dict, sentence: str) -> None:
    with pytest.raises(server.ServerError, match=sentence):
        server.Settings(**settings)


def test_people_are_read_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "people"
    path.write_text("# the studio\nana:se:cret\n\njosé:contraseña\n", encoding="utf-8")
    assert server.people(path) == (("ana", "se:cret"), ("josé", "contraseña"))
    for text in ("", "ana\n", ":x\n", "ana:\n"):
        path.write_text(text)
        with pytest.raises(server.ServerError, match="name:password on every line"):
            server.people(path)
    assert main(["serve", "--auth", str(tmp_path / "none")]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_ready_is_who_has_weights(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "weights"
    shutil.copytree(weights, copy)
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(copy))
    hub = client()
    answer = hub.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": []})
    assert answer.headers["x-artcore-replica"] == "a"
    (copy / "stylenet.monet" / "model.safetensors").unlink()  # the others still paint
    assert hub.get("/readyz").json() == {"status": "ready", "missing": ["stylenet.monet"]}
    (copy / "catalog.json").write_text("{")
    assert hub.get("/readyz").status_code == 503 and "restore it" in hub.get("/readyz").json()["why"]
    (copy / "catalog.json").unlink()
    assert hub.get("/readyz").status_code == 503 and "There are no weights" in hub.get("/readyz").json()["why"]
    assert hub.get("/healthz").json()["status"] == "ok"


def test_limits_and_who_leaves_begins_nothing_new() -> None:
    hub = client(upload=1, queue=3)
    assert hub.app.state.monitor.page._queue.max_size == 3
    for size, status_ in ((2**19, 200), (2**21, 413)):
        assert hub.post("/gradio_api/upload", files={"files": ("a.png", b"0" * size)}).status_code == status_
    assert hub.get("/").status_code == 200
    hub.app.state.monitor.leave()
    for method, path in (("GET", "/"), ("POST", "/gradio_api/upload"), ("POST", "/api/colorize")):
        answer = hub.request(method, path)
        assert (answer.status_code, answer.json()) == (503, {"error": LEAVING})
        assert answer.headers["retry-after"] and "x-artcore-replica" not in answer.headers
    assert hub.get("/readyz").status_code == 503
    assert hub.get("/config").status_code == hub.get("/healthz").status_code == 200  # what is open goes on


def test_login_is_asked_of_page_and_calls() -> None:
    hub = client(auth=(("ana", "secret"), ("josé", "contraseña")))
    assert hub.get("/healthz").status_code == hub.get("/readyz").status_code == 200
    assert hub.get("/config").status_code == 401
    for path, method in (("/metrics", "GET"), ("/api/colorize", "POST")):
        for who in (None, ("ana", "contraseña"), ("", ""), ("ana:secret", "")):
            answer = hub.request(method, path, auth=who)
            assert answer.status_code == 401 and "name and password" in answer.json()["error"]
            assert answer.headers["www-authenticate"].startswith("Basic")
    assert hub.get("/metrics", auth=("ana", "secret")).status_code == 200
    assert hub.post("/api/colorize", auth=("josé", "contraseña"), json={}).status_code == 400
    assert hub.post("/login", data={"username": "ana", "password": "contraseña"}).status_code == 400
    assert hub.post("/login", data={"username": "josé", "password": "contraseña"}).status_code == 200
    assert hub.get("/config").status_code == 200


def test_below_a_root_path_that_a_proxy_strips_or_keeps() -> None:
    hub = client(root_path="/art")
    for prefix in ("", "/art"):
        assert hub.get(f"{prefix}/healthz").status_code == 200
        assert hub.get(f"{prefix}/config").json()["root"] == "http://127.0.0.1/art"
        assert hub.post(f"{prefix}/api/colorize", json={}).json()["error"].startswith("There is no image")
    hub.app.state.monitor.leave()
    assert hub.get("/").status_code == hub.get("/art/").status_code == 503


def test_it_can_be_installed_wherever_a_proxy_shows_it() -> None:
    for settings, prefix, name in (
        ({}, "", "Artcore"),
        ({"root_path": "/art"}, "/art", "Artcore"),
        ({"tabs": ("painter",), "auth": (("ana", "secret"),)}, "", "Artcore Painter"),
    ):
        hub = client(**settings)
        place = f"{prefix}/manifest.json"
        answer = hub.get(place)
        assert answer.headers["content-type"] == "application/manifest+json"
        manifest = answer.json()
        assert (manifest["name"], manifest["display"]) == (name, "standalone")
        assert urljoin(place, manifest["start_url"]) == urljoin(place, manifest["scope"]) == f"{prefix}/"
        assert hub.get(f"{prefix}/").status_code == 200
        assert {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]} >= {
            ("192x192", "any"), ("512x512", "any"), ("512x512", "maskable"),
        }  # fmt: skip
        for icon in manifest["icons"]:
            found = hub.get(urljoin(place, icon["src"]))
            assert found.headers["content-type"] == icon["type"] == "image/png"
            assert "x".join(map(str, Image.open(io.BytesIO(found.content)).size)) == icon["sizes"]
        page = hub.get(f"{prefix}/").text
        assert page.count("manifest.json") >= 1 and 'rel="manifest" href="/manifest.json"' not in page
        assert hub.get(f"{prefix}/favicon.ico").content[:8] == b"\x89PNG\r\n\x1a\n"
        assert hub.get(f"{prefix}/icons/7.png").status_code == 404


def test_metrics_count_requests_and_jobs(tmp_path: Path) -> None:
    with client() as hub:
        page = hub.app.state.monitor.page
        for path in ("/healthz", "/healthz", "/cards/stylenet.nobody", "/nowhere/1", "/nowhere/2"):
            hub.get(path)
        (path,) = hub.post("/gradio_api/upload", files={"files": ("p.png", png(tmp_path / "p.png", 96, 64))}).json()
        for style in ("vangogh", "nobody"):
            photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
            body = {"data": [photo, style, "auto", 1, 0, "png", False]}
            job = hub.post("/gradio_api/call/paint", json=body).json()["event_id"]
            hub.get(f"/gradio_api/call/paint/{job}")
        until(lambda: not page._queue.get_active_worker_count(), "both jobs are over")
        answer = hub.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    assert sample(text, "artcore_requests_total", endpoint="/healthz", method="GET", status="200") == 2
    assert sample(text, "artcore_requests_total", endpoint="/cards/{name}", status="404") == 1
    assert "nowhere" not in text and "stylenet.nobody" not in text  # or anybody could fill the memory with names
    assert sample(text, "artcore_request_seconds_count", endpoint="/healthz") == 2
    assert sample(text, "artcore_jobs_total", job="paint", status="success") == 1
    assert sample(text, "artcore_jobs_total", job="paint", status="failed") == 1
    assert sample(text, "artcore_job_seconds_count", job="paint") == 1
    assert sample(text, "artcore_job_seconds_sum", job="paint") > 0
    assert sample(text, "artcore_queue_length") == sample(text, "artcore_jobs_running") == 0
    assert not page._queue.event_analytics  # counted, and not kept
    if os.path.isdir("/proc/self"):
        assert sample(text, "process_resident_memory_bytes") > 1e7


@pytest.mark.slow
def test_stopping_lets_a_job_end_and_a_grace_that_is_over_says_so(weights: Path, tmp_path: Path) -> None:
    """In one process after the other: with time enough, and with none at all."""
    large = png(tmp_path / "large.png", 3200, 2400)
    for grace in (60, 0):
        port = free_port()
        given = {"ARTCORE_WEIGHTS": str(weights), "GRADIO_TEMP_DIR": str(tmp_path / "gradio")}
        with process(port, given, "--grace", str(grace)) as hub:
            url = f"http://127.0.0.1:{port}"
            until(lambda url=url: status(url) == 200, "the hub is ready")
            visitor = Visitor(url)
            job = visitor.order(large)
            until(lambda url=url: works(url), "the job runs")
            hub.send_signal(signal.SIGTERM)
            if grace:
                assert len(visitor.fetch(job)) > 1000
            else:
                told = visitor.http.get(f"/gradio_api/call/paint/{job}").text
                assert "event: error" in told and LEAVING in told
            visitor.http.close()
            assert hub.wait(120) == 0
            with pytest.raises(httpx.ConnectError):
                httpx.get(url)
            assert not [path for path in (tmp_path / "gradio").rglob("large*") if path.is_file()]  # nothing is kept
