"""The base64 JSON calls: the library's bytes, and every mistake a sentence with the status that fits."""

from __future__ import annotations

import base64
import io
import json
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from artcore import image, runtime
from artcore.load import load
from artcore.studio import rest, server, shared
from artcore.tasks.colorize import Adjustments, Colorizer
from tests.colour_net import colour_net


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    catalog = {}
    for seed, name in enumerate(("general", "flowers"), 1):
        colour_net(seed).save_pretrained(folder / name)
        catalog[f"colorunet.{name}"] = {"label": name, "task": "colorizer", "folder": name}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder


@pytest.fixture(autouse=True)
def weights(folder, monkeypatch):
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    shared._tasks.clear()
    yield
    shared._tasks.clear()


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    for router in rest.routers.values():
        app.include_router(router)
    with TestClient(app) as client:
        yield client


def as_bytes(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


PHOTO = as_bytes(np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8))


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def call(client: TestClient, **fields: object) -> dict:
    answer = client.post("/api/colorize", json={"image": text(PHOTO)} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_application_has_the_calls():
    answer = TestClient(server.create()).post("/api/colorize", content=b"")
    assert answer.status_code == 400 and "no JSON" in answer.json()["error"]


def test_another_method_is_told_to_post(client):
    for method in ("GET", "PUT", "DELETE"):
        answer = client.request(method, "/api/colorize")
        assert answer.status_code == 405 and "takes POST alone" in answer.json()["error"]


def test_the_bytes_are_those_of_the_library(client):
    for fields, name, seed in (({}, "general", 0), ({"model": "flowers", "seed": 7}, "flowers", 7)):
        answer = call(client, **fields)
        expected = image.encode(load(f"colorunet.{name}")(PHOTO, seed=seed))
        assert base64.b64decode(answer.pop("image")) == expected
        assert answer == {"model": f"colorunet.{name}", "seed": seed}


def test_both_names_of_a_model_and_both_forms_of_base64_are_understood(client):
    lines = "\n".join(text(PHOTO)[n : n + 76] for n in range(0, len(text(PHOTO)), 76))
    answers = [
        call(client, model="general"),
        call(client, model="colorunet.general"),
        call(client, image="data:image/png;base64," + text(PHOTO)),
        call(client, image=lines),
    ]
    assert all(answer == answers[0] for answer in answers)


def test_adjustments_hints_and_noise_arrive(client):
    rng = np.random.default_rng(1)
    noise = as_bytes(rng.integers(0, 256, (20, 30), dtype=np.uint8))
    brushed = np.zeros((20, 30, 4), np.uint8)
    brushed[4:9, 4:9] = (255, 0, 0, 255)
    hints, task = as_bytes(brushed), load("colorunet.general")
    for fields, expected in (
        ({"saturation": 0.5, "gamma": 1.2}, task(PHOTO, adjustments=Adjustments(saturation=0.5, gamma=1.2))),
        ({"hints": text(hints)}, task(PHOTO, hints=hints)),
        ({"noise": text(noise)}, task(PHOTO, noise=noise)),
    ):
        found = base64.b64decode(call(client, **fields)["image"])
        assert found == image.encode(expected) != image.encode(task(PHOTO)), fields


def test_exif_is_kept_when_asked(client):
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    out = io.BytesIO()
    Image.open(io.BytesIO(PHOTO)).save(out, "JPEG", exif=exif)
    for fields, camera in (({}, None), ({"keep_metadata": False}, None), ({"keep_metadata": True}, "Camera obscura")):
        made = base64.b64decode(call(client, image=text(out.getvalue()), format="jpeg", **fields)["image"])
        assert Image.open(io.BytesIO(made)).getexif().get(0x0110) == camera


def test_formats_and_16_bits(client):
    for format, kind in (("jpeg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")):
        assert Image.open(io.BytesIO(base64.b64decode(call(client, format=format)["image"]))).format == kind
    deep = as_bytes(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100, "TIFF")
    found = base64.b64decode(call(client, image=text(deep), format="tiff")["image"])
    assert tifffile.imread(io.BytesIO(found)).dtype == np.uint16


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "The body is no JSON"),
        (b"image=abc", 400, "The body is no JSON"),
        (b"\xff\xfe", 400, "The body is no JSON"),
        (b"[" * 100_000, 400, "The body is no JSON"),
        (b"[]", 400, "no JSON object"),
        (b"{}", 400, "There is no image"),
        (b'{"image": 5}', 400, "image is no text"),
        (b'{"image": "#"}', 400, "image is no base64"),
        (b'{"image": "aGVsbG8="}', 400, "is not a picture that can be read"),
        ({"model": "vangogh"}, 404, "There is no model 'vangogh': choose from general, flowers"),
        ({"model": "../general"}, 404, "There is no model"),
        ({"model": ["general"]}, 404, "There is no model"),
        ({"seed": "7"}, 400, "seed is '7'; give a whole number"),
        ({"seed": -1}, 400, "seed is -1"),
        ({"seed": 1.5}, 400, "seed is 1.5"),
        ({"sead": 7}, 400, "There is no 'sead' to give: choose from image, model, seed"),
        ({"saturation": 3}, 400, "saturation is 3; give a number from 0 to 2"),
        ({"saturation": float("nan")}, 400, "saturation is nan"),
        ({"format": "exe"}, 400, "Pictures can't be written as 'exe'"),
        ({"format": []}, 400, "Pictures can't be written"),
        ({"hints": "aGVsbG8="}, 400, "is not a picture"),
        ({"hints": text(as_bytes(np.zeros((50, 50, 4), np.uint8)))}, 400, "give a picture of hints of the same aspect"),
    ],
)
def test_a_mistake_is_one_sentence(client, body, status, sentence):
    if isinstance(body, dict):
        body = json.dumps({"image": text(PHOTO)} | body).encode()
    answer = client.post("/api/colorize", content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"] and sentence in answer.json()["error"]


def test_limits_are_said(client, monkeypatch):
    for place, name, value, sentence in (
        (rest, "MOST_BYTES", 100, "larger than 50 MB"),
        (runtime, "_free_memory", lambda: 10, "is free"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, value)
            answer = client.post("/api/colorize", json={"image": text(PHOTO)})
        assert answer.status_code == 413 and sentence in answer.json()["error"]


def test_nothing_of_an_unexpected_error_is_shown(client, monkeypatch, caplog):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Colorizer, "colour", fail)
    answer = client.post("/api/colorize", json={"image": text(PHOTO)})
    assert answer.status_code == 500
    assert "secret" not in answer.text and "report that number" in answer.json()["error"]
    assert "secret" in caplog.text


def test_calls_take_turns_and_too_many_are_sent_away(client, monkeypatch):
    monkeypatch.setattr(rest, "MOST_WAITING", 2)
    original, gate, running = Colorizer.colour, threading.Event(), []

    def slow(self: Colorizer, *given: object, **named: object) -> object:
        running.append(1)
        assert len(running) == 1, "two at once"
        gate.wait(60)
        running.pop()
        return original(self, *given, **named)

    monkeypatch.setattr(Colorizer, "colour", slow)
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(client.post, "/api/colorize", json={"image": text(PHOTO)}) for _ in range(6)]
        first = wait(jobs, 60, FIRST_COMPLETED).done.pop().result()
        gate.set()
        statuses = [job.result(60).status_code for job in jobs]
    assert first.status_code == 503 and "try again in a minute" in first.json()["error"]
    assert statuses.count(200) >= 2 and set(statuses) == {200, 503}
