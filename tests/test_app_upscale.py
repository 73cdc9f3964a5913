"""The Upscale tab's endpoint and the document's own call as programs meet them: a real server, and plain HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageCms

import artcore
from artcore import image as pictures
from artcore.load import mix
from artcore.models.enhancenet import EnhanceNet
from artcore.studio import shared
from artcore.studio.upscale import DETAIL, Order, _around, _busiest, _compared
from artcore.tasks import upscale as task
from tests.hub_server import serve, write_catalog
from tests.upscale_net import add_upscalers

DEFAULTS = {"image": None, "model": "fidelity", "scale": 4, "strength": 1, "texture": 0, "consistent": "auto",
            "format": "png", "keep_metadata": False, "recipe": True, "ensemble": False}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = add_upscalers(write_catalog(tmp_path_factory.mktemp("weights")))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    yield folder
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


@pytest.fixture(scope="module")
def url(weights: Path) -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    for forget in (shared._tasks.clear, shared._mixed.cache_clear):
        forget()
    yield
    for forget in (shared._tasks.clear, shared._mixed.cache_clear):
        forget()


@pytest.fixture
def connect(url: str, tmp_path: Path) -> Callable[[], Client]:
    """A new client each time: cancelling one job of a client may end its others."""

    def client() -> Client:
        return Client(url, verbose=False, download_files=tmp_path / "got", httpx_kwargs={"timeout": 60})

    return client


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """41 x 30, with EXIF that names a camera."""
    pixels = np.random.default_rng(1).integers(60, 196, (30, 41, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    Image.fromarray(pixels).save(tmp_path / "photo.png", exif=exif.tobytes())
    return tmp_path / "photo.png"


def ask(client: Client, photo: Path, **given: object) -> tuple[str, dict]:
    return client.predict(handle_file(photo), api_name="/upscale", **given)


def refuse(client: Client, *given: object, **named: object) -> str:
    with pytest.raises(AppError) as error:
        client.predict(*given, api_name="/upscale", **named)
    return error.value.message


def tabs(address: str) -> list[str]:
    components = httpx.get(f"{address}/config").json()["components"]
    return [c["props"]["label"] for c in components if c["type"] == "tabitem"]


def test_the_tab_and_its_endpoint_are_there_only_with_an_upscaler(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Upscale" in tabs(url)
    told = httpx.get(f"{url}/gradio_api/info").json()["named_endpoints"]["/upscale"]
    assert {p["parameter_name"]: p.get("parameter_default") for p in told["parameters"]} == DEFAULTS
    assert [p["parameter_name"] for p in told["parameters"] if not p["parameter_has_default"]] == ["image"]
    assert told["description"].startswith("Make a picture two, three or four times as large")
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(write_catalog(tmp_path / "without")))
    with serve() as address:
        info = httpx.get(f"{address}/gradio_api/info").json()
        assert "/upscale" not in info["named_endpoints"] and not info["unnamed_endpoints"]
        assert "Upscale" not in tabs(address)


def test_the_picture_is_the_librarys(connect: Callable[[], Client], photo: Path) -> None:
    client = connect()
    fidelity, worn = (artcore.load(f"enhancenet.{name}") for name in ("fidelity", "photo"))
    blended = mix({"enhancenet.fidelity": 0.75, "enhancenet.texture": 0.25})
    for given, upscaler, keywords in (
        ({}, fidelity, {}),
        ({"scale": 2, "strength": 0.5}, fidelity, {"scale": 2, "strength": 0.5}),
        ({"consistent": "no"}, fidelity, {"consistent": False}),
        ({"ensemble": True}, fidelity, {"ensemble": True}),
        ({"model": "photo"}, worn, {}),
        ({"model": "photo", "consistent": "yes"}, worn, {"consistent": True}),
        ({"texture": 0.25}, blended, {}),
        ({"model": "texture", "texture": 0.5}, artcore.load("enhancenet.texture"), {}),
    ):
        path, known = ask(client, photo, **given)
        (*_, last) = upscaler.run(photo, **keywords)
        assert Path(path).read_bytes() == pictures.encode(last.image), given
        assert (known["width"], known["height"]) == last.image.size
        assert known["consistency_db"] == pytest.approx(last.error)
    assert Path(path).name == "photo x4.png"


def test_formats_and_metadata(connect: Callable[[], Client], photo: Path) -> None:
    client = connect()
    expected = artcore.load("enhancenet.fidelity")(photo)
    path, _ = ask(client, photo, format="jpeg")
    assert path.endswith(".jpg") and Path(path).read_bytes() == pictures.encode(expected, "JPEG")
    for keep, camera in ((False, None), (True, "Camera obscura")):
        path, _ = ask(client, photo, format="webp", keep_metadata=keep)
        assert Image.open(path).getexif().get(0x0110) == camera and ("icc_profile" in Image.open(path).info) == keep


def test_exactly_is_null(connect: Callable[[], Client], tmp_path: Path) -> None:
    Image.new("RGBA", (9, 9)).save(tmp_path / "nothing.png")
    assert ask(connect(), tmp_path / "nothing.png")[1]["consistency_db"] is None


def test_what_makes_no_sense_is_a_sentence(connect: Callable[[], Client], photo: Path, tmp_path: Path) -> None:
    client, image = connect(), handle_file(photo)
    assert "There is no photo yet" in refuse(client, None)
    for given, sentence in (
        ({"model": "sharp"}, "There is no upscaler 'sharp'; choose from fidelity, texture, photo"),
        ({"model": "photo", "texture": 0.5}, "texture is blended into fidelity alone, and the model is photo"),
        ({"model": "photo", "texture": 1}, "texture is blended into fidelity alone, and the model is photo"),
        ({"scale": 5}, "give 2, 3 or 4"),
        ({"scale": 2.5}, "give 2, 3 or 4"),
        ({"strength": 1.5}, "strength is 1.5; give a number from 0 (bicubic) to 1"),
        ({"strength": None}, "strength is None"),
        ({"texture": -1}, "texture is -1"),
        ({"consistent": "perhaps"}, "choose from auto, yes, no"),
        ({"format": "gif"}, "gif"),
    ):
        assert sentence in refuse(client, image, **given), given
    Image.new("1", (4000, 2000)).save(tmp_path / "huge.png")
    assert "16000 x 8000 pixels, more than the limit of 100,000,000" in refuse(
        client, handle_file(tmp_path / "huge.png")
    )
    (tmp_path / "text.png").write_text("not a picture")
    assert "text.png is not a picture that can be read" in refuse(client, handle_file(tmp_path / "text.png"))
    assert ask(client, photo)  # and the app lives on


def test_private_events_cannot_be_called(connect: Callable[[], Client]) -> None:
    client = connect()
    for name in ("/show", "/fetch", "/look", "/magnify", "/foresee"):
        with pytest.raises(ValueError, match="Cannot find a function"):
            client.predict(api_name=name)


def test_cancelling_stops_the_work(connect: Callable[[], Client], photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles, begun, forward = 0, threading.Event(), EnhanceNet.forward

    def counted(self: EnhanceNet, *given: object) -> torch.Tensor:
        nonlocal tiles
        tiles += 1
        if tiles == 5:
            begun.set()
        time.sleep(0.05)
        return forward(self, *given)

    ask(connect(), photo)  # loaded by now
    monkeypatch.setattr(task, "TILE", 3)  # 140 tiles
    monkeypatch.setattr(EnhanceNet, "forward", counted)
    job = connect().submit(handle_file(photo), api_name="/upscale")
    assert begun.wait(60)
    job.cancel()
    time.sleep(1)
    after = tiles
    time.sleep(0.5)
    assert tiles == after < 140
    monkeypatch.undo()
    assert ask(connect(), photo)  # the place in the line is free


# --- the document's own call ------------------------------------------------------------------------------

CALLS = ["TFG_Computadores/api-aumento/aumento", "TFG-Computadores/api-aumento/aumento"]


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_old_clients_get_their_picture_in_the_format_it_came_in(url: str, photo: Path, path: str, format: str) -> None:
    data = pictures.encode(pictures.open(photo), format)
    answer = httpx.post(f"{url}/{path}", json={"imagen": text(data)}, timeout=60)
    assert answer.status_code == 200 and list(answer.json()) == ["imagen_ampliada"]
    large = base64.b64decode(answer.json()["imagen_ampliada"])
    assert large == pictures.encode(artcore.load("enhancenet.fidelity")(data), format, exif=True, icc=True)
    assert Image.open(io.BytesIO(large)).size == (164, 120)


def test_old_clients_keep_exif_and_colour_profile(url: str, photo: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(photo) as picture:
        picture.save(data := io.BytesIO(), "JPEG", exif=picture.getexif().tobytes(), icc_profile=profile)
    answer = httpx.post(f"{url}/{CALLS[0]}", json={"imagen": text(data.getvalue())}, timeout=60)
    large = Image.open(io.BytesIO(base64.b64decode(answer.json()["imagen_ampliada"])))
    assert large.getexif()[0x0110] == "Camera obscura" and large.info["icc_profile"] == profile


def test_a_gif_comes_back_as_a_png(url: str) -> None:
    data = io.BytesIO()
    Image.new("P", (5, 4)).save(data, "GIF")
    answer = httpx.post(f"{url}/{CALLS[0]}", json={"imagen": text(data.getvalue())}, timeout=60)
    assert Image.open(io.BytesIO(base64.b64decode(answer.json()["imagen_ampliada"]))).format == "PNG"


@pytest.mark.parametrize("path", CALLS)
def test_mistakes_have_the_statuses_of_the_document(url: str, photo: Path, path: str) -> None:
    Image.new("1", (4000, 2000)).save(huge := io.BytesIO(), "PNG")
    for body, status, sentence in (
        ({}, 402, "There is no imagen"),
        ({"image": text(photo.read_bytes())}, 402, "There is no imagen"),
        ({"imagen": text(b"not a picture")}, 400, "is not a picture that can be read"),
        ({"imagen": "#!"}, 400, "imagen is no base64"),
        ({"imagen": ["a picture"]}, 400, "imagen is no text"),
        ({"imagen": None}, 402, "There is no imagen"),
        ([], 400, "no JSON object"),
        ({"imagen": text(huge.getvalue())}, 400, "more than the limit of 100,000,000"),
    ):
        answer = httpx.post(f"{url}/{path}", json=body, timeout=60)
        assert answer.status_code == status and sentence in answer.json()["error"], body
    assert httpx.post(f"{url}/{path}", content=b"no json", timeout=60).status_code == 400


@pytest.mark.parametrize("place", ["", "/", "/api-aumento", "/api-aumento/otra", "/api-aumento/aumento/mas"])
@pytest.mark.parametrize("prefix", ["TFG_Computadores", "TFG-Computadores"])
def test_what_is_not_there_is_said_in_json(url: str, prefix: str, place: str) -> None:
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{url}/{prefix}{place}", timeout=60)
        assert answer.status_code == 404 and answer.json()["error"].startswith("Not found")
    assert httpx.get(f"{url}/{CALLS[0]}").status_code == 404  # it is for POST alone


# --- what the tab works out -------------------------------------------------------------------------------


def test_orders_predict_and_name_themselves(weights: Path) -> None:
    order = Order("a/harbour.jpg", scale=3)
    assert (order.label, order.file) == ("Fidelity", "harbour x3")
    assert Order("a.png", texture=0.4).label == "Fidelity 60 % + Texture 40 %"
    assert Order("a.png", texture=1).parts == {"enhancenet.texture": 1}
    assert order.seconds((1600, 1200)) > 3 * order.seconds((800, 600)) > 0
    assert Order("a.png", strength=0).seconds((1600, 1200)) < order.seconds((1600, 1200))


def test_a_large_result_is_compared_in_part_one_for_one(
    weights: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, picture = Order(str(photo)), pictures.open(photo)
    large, plain = order.task(picture), order.task(picture, strength=0)
    before, after = _compared(order, picture, large, (38, 3))
    assert (before.tobytes(), after.tobytes()) == (plain.tobytes(), large.tobytes())
    monkeypatch.setattr(shared, "PREVIEW", 100)
    monkeypatch.setattr("artcore.studio.upscale.COMPARED", (64, 40))
    before, after = _compared(order, picture, large, (38, 3))
    part = (100, 0, 164, 40)  # around the place, within the picture
    assert (before.tobytes(), after.tobytes()) == (plain.crop(part).tobytes(), large.crop(part).tobytes())
    assert before.tobytes() != after.tobytes()


def test_the_first_detail_is_where_something_is_to_be_seen() -> None:
    calm = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    calm.paste(Image.fromarray(noise), (300, 60))
    x, y = _busiest(calm)
    assert 295 < x < 345 and 55 < y < 105
    assert _around((x, y), calm.size, 4, DETAIL) == (x - 45, y - 30, x + 46, y + 30)
    for spot in ((0, 0), (399, 299)):
        left, top, right, bottom = _around(spot, calm.size, 2, DETAIL)
        assert 0 <= left < right <= 400 and 0 <= top < bottom <= 300 and (right - left, bottom - top) == (182, 120)
    assert _around((3, 3), (8, 6), 4, DETAIL) == (0, 0, 8, 6)
    assert json.dumps(_busiest(Image.new("RGB", (1, 1))))  # whole numbers that a page can keep
