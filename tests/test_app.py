"""The hub as a visitor and as a program meet it: a real server on loopback, gradio_client and plain HTTP."""

from __future__ import annotations

import concurrent.futures
import io
import json
import os
import shutil
import socket
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
from PIL import Image

import artcore
from artcore import image as pictures
from artcore import load
from artcore.models.stylenet import StyleNet
from artcore.studio import hub, server, shared
from artcore.studio.orders import Order
from artcore.tasks import painter
from tests.hub_server import STYLES, serve, write_catalog

PAINTINGS = {"/paint", "/paint_all"}
# What /paint takes, with its defaults: they change nothing, so that calls of earlier versions give the same pixels.
EARLIER = {"image": None, "style": "vangogh", "method": "auto", "strength": 1, "seed": 0, "format": "png",
           "keep_metadata": False}  # fmt: skip
LATER = {"direction": "to_painting", "light": 0, "keep_colours": 0, "stroke": 1, "detail": 0,
         "mix_style": "", "mix_share": 0.3, "mix_style_2": "", "mix_share_2": 0.3,
         "region_style": "", "region": None, "region_style_2": "", "region_2": None, "recipe": True}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = write_catalog(tmp_path_factory.mktemp("weights"))
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
    """61 x 45, with EXIF that names a camera."""
    pixels = np.random.default_rng(1).integers(0, 256, (45, 61, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path, exif=exif.tobytes())
    return path


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.size == b.size and a.mode == b.mode and a.tobytes() == b.tobytes()


# --- the server -----------------------------------------------------------------------------------------


def test_health_names_the_version(url: str) -> None:
    answer = httpx.get(f"{url}/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": artcore.__version__}


def test_page_asks_nobody_else_and_records_nothing(url: str) -> None:
    assert "Artcore" in httpx.get(url).text
    config = httpx.get(f"{url}/config").json()
    assert config["analytics_enabled"] is False
    theme = httpx.get(f"{url}/theme.css").text
    assert "@font-face" in theme and "googleapis" not in theme and "url('http" not in theme.replace('"', "'")
    assert httpx.get(f"{url}/gradio_api/runs").status_code == 404
    assert httpx.get(f"{url}/monitoring").status_code != 200


def test_the_page_says_its_licences_and_what_becomes_of_pictures(url: str) -> None:
    for language, told in (
        ("en", ("Code: MIT. Nets: CC0-1.0.", "deleted after about 6 hours, and are sent nowhere else")),
        ("es", ("Código: MIT. Redes: CC0-1.0.", "se borran al cabo de unas 6 horas")),
    ):
        page = httpx.get(f"{url}/?lang={language}").text
        assert all(text in page for text in told), language
    assert hub.KEEP == 6 * 3600
    assert '<a href="cards/stylenet.monet">stylenet.monet</a>: CC0-1.0' in httpx.get(f"{url}/cards").text


def test_cards(url: str) -> None:
    card = httpx.get(f"{url}/cards/stylenet.vangogh")
    assert card.status_code == 200 and card.text.startswith("# Van Gogh")
    assert card.headers["content-type"].startswith("text/plain")
    for name in ("stylenet.nobody", "..%2Fcatalog.json", "stylenet.monet"):  # Monet has no card
        assert httpx.get(f"{url}/cards/{name}").status_code == 404


def test_address_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "PORT", "SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    assert server.address() == ("127.0.0.1", 7860)
    monkeypatch.setenv("SYSTEM", "spaces")
    assert server.address() == ("0.0.0.0", 7860)
    monkeypatch.setenv("PORT", "8000")
    assert server.address() == ("0.0.0.0", 8000)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "8001")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.2")
    assert server.address() == ("127.0.0.2", 8001)
    assert server.address("::1", 9) == ("::1", 9)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "http")
    with pytest.raises(server.ServerError, match="The port is 'http'; set GRADIO_SERVER_PORT or PORT"):
        server.address()
    with pytest.raises(server.ServerError, match="70000"):
        server.address(port=70000)


def test_taken_port_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(server.ServerError, match=f"Port {port} is taken.*PORT="):
            server.run("127.0.0.1", port)
    with pytest.raises(server.ServerError, match="192.0.2.1:7860 can't be listened on"):
        server.run("192.0.2.1", 7860)  # an address of nobody (RFC 5737)


# --- the API --------------------------------------------------------------------------------------------


def test_api_page_documents_the_painters_endpoints(url: str) -> None:
    info = httpx.get(f"{url}/gradio_api/info").json()
    assert {name for name in info["named_endpoints"] if name.startswith("/paint")} == PAINTINGS
    assert not info["unnamed_endpoints"]
    paint = info["named_endpoints"]["/paint"]
    assert paint["description"].startswith("Paint a photo in the style of")
    told = {p["parameter_name"]: p.get("parameter_default") for p in paint["parameters"]}
    assert told == EARLIER | LATER
    assert list(told) == [*EARLIER, *LATER]  # old calls by position go on
    assert [p["parameter_name"] for p in paint["parameters"] if not p["parameter_has_default"]] == ["image"]
    everything = info["named_endpoints"]["/paint_all"]
    assert [p["parameter_name"] for p in everything["parameters"]] == [
        *("image", "strength", "seed", "recipe"),
        *("direction", "light", "keep_colours", "stroke", "detail", "method"),
    ]
    assert everything["description"].startswith("Paint a photo in every style")


def test_paint_is_what_the_library_paints(connect: Callable[[], Client], photo: Path) -> None:
    client = connect()
    for style, strength, seed in (("vangogh", 1.0, 0), ("monet", 1.5, 7), ("vangogh", 0.4, 2**31 - 1)):
        file = client.predict(handle_file(photo), style, "auto", strength, seed, api_name="/paint")
        assert Path(file).suffix == ".png"
        expected = artcore.load(f"stylenet.{style}")(photo, strength=strength, seed=seed)
        assert same(Image.open(file), expected)
    file = client.predict(handle_file(photo), api_name="/paint")
    assert same(Image.open(file), artcore.load("stylenet.vangogh")(photo))
    assert Path(file).read_bytes() == pictures.encode(artcore.load("stylenet.vangogh")(photo), "PNG")


def test_strength_nought_is_the_photo_and_seeds_differ(connect: Callable[[], Client], photo: Path) -> None:
    client = connect()
    paint = lambda **given: Image.open(client.predict(handle_file(photo), api_name="/paint", **given))  # noqa: E731
    assert same(paint(strength=0), Image.open(photo))
    assert not same(paint(seed=1), paint(seed=2))


def test_alpha_orientation_and_metadata(connect: Callable[[], Client], photo: Path, tmp_path: Path) -> None:
    client = connect()
    see_through = Image.open(photo).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    see_through.save(tmp_path / "alpha.png")
    file = client.predict(handle_file(tmp_path / "alpha.png"), api_name="/paint")
    assert Image.open(file).getchannel("A").tobytes() == see_through.getchannel("A").tobytes()

    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "Camera obscura"
    Image.open(photo).save(tmp_path / "turned.jpg", exif=exif.tobytes())
    file = client.predict(handle_file(tmp_path / "turned.jpg"), api_name="/paint")
    assert Image.open(file).size == (45, 61)
    for keep, camera in ((False, None), (True, "Camera obscura")):
        file = client.predict(handle_file(photo), format="jpeg", keep_metadata=keep, api_name="/paint")
        assert Image.open(file).getexif().get(0x0110) == camera
        assert ("icc_profile" in Image.open(file).info) == keep


@pytest.mark.parametrize(("format", "suffix"), [("jpeg", ".jpg"), ("webp", ".webp")])
def test_formats(connect: Callable[[], Client], photo: Path, format: str, suffix: str) -> None:
    file = Path(connect().predict(handle_file(photo), format=format, api_name="/paint"))
    assert file.suffix == suffix
    assert file.read_bytes() == pictures.encode(artcore.load("stylenet.vangogh")(photo), format)


def test_paint_all_has_every_style(connect: Callable[[], Client], photo: Path) -> None:
    job = connect().submit(handle_file(photo), 1.0, 3, api_name="/paint_all")
    gallery = job.result(timeout=60)
    assert [item["caption"] for item in gallery] == list(STYLES.values())
    for style, item in zip(STYLES, gallery, strict=True):
        assert same(Image.open(item["image"]), artcore.load(f"stylenet.{style}")(photo, seed=3))
    assert [len(outputs) for outputs in job.outputs()] == list(range(1, len(STYLES) + 1))  # one by one


def test_plain_http(url: str, photo: Path) -> None:
    with httpx.Client(base_url=f"{url}/gradio_api", timeout=60) as http:
        [path] = http.post("/upload", files={"files": photo.open("rb")}).json()
        image = {"path": path, "meta": {"_type": "gradio.FileData"}}

        def call(name: str, body: dict, v2: str = "") -> list:
            event = http.post(f"/call{v2}/{name}", json=body).json()["event_id"]
            lines = http.get(f"/call{v2}/{name}/{event}").text.split("\n")
            assert "event: complete" in lines, lines
            return json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))

        expected = artcore.load("stylenet.monet")(photo, strength=0.5, seed=4)
        [file] = call("paint", {"data": [image, "monet", "stylenet", 0.5, 4, "png", False]})
        assert same(Image.open(io.BytesIO(httpx.get(file["url"]).content)), expected)
        [file] = call("paint", {"image": image, "style": "monet", "strength": 0.5, "seed": 4}, "/v2")
        assert same(Image.open(io.BytesIO(httpx.get(file["url"]).content)), expected)
        [gallery] = call("paint_all", {"data": [image, 1, 0]})
        assert [item["caption"] for item in gallery] == list(STYLES.values())


def test_guards_and_stroke_are_those_of_the_library(connect: Callable[[], Client], photo: Path) -> None:
    client = connect()
    painter_ = artcore.load("stylenet.vangogh")
    seen = {Image.open(photo).convert("RGB").tobytes(), painter_(photo).tobytes()}
    for given in ({"light": 0.7}, {"keep_colours": 1}, {"stroke": 2}, {"detail": 0.5}, {"stroke": 3.5, "light": 1}):
        file = client.predict(handle_file(photo), api_name="/paint", **given)
        assert same(Image.open(file), painter_(photo, **given)), given
        assert Image.open(file).tobytes() not in seen, given
        seen.add(Image.open(file).tobytes())


def test_mix_is_that_of_the_library(connect: Callable[[], Client], photo: Path) -> None:
    client = connect()
    file = client.predict(handle_file(photo), mix_style="monet", mix_share=0.25, api_name="/paint")
    assert Path(file).name == "photo vangogh+monet.png"
    assert same(Image.open(file), load.mix({"stylenet.vangogh": 0.75, "stylenet.monet": 0.25})(photo))
    three = {"mix_style": "monet", "mix_share": 0.2, "mix_style_2": "art_nouveau", "mix_share_2": 0.5}
    file = client.predict(handle_file(photo), api_name="/paint", **three)
    parts = {"stylenet.vangogh": 1 - 0.7, "stylenet.monet": 0.2, "stylenet.art_nouveau": 0.5}
    assert same(Image.open(file), load.mix(parts)(photo))
    whole = client.predict(handle_file(photo), mix_style="monet", mix_share=1, api_name="/paint")
    assert same(Image.open(whole), artcore.load("stylenet.monet")(photo))
    alone = client.predict(handle_file(photo), mix_share=0.9, api_name="/paint")  # a share of nobody
    assert same(Image.open(alone), artcore.load("stylenet.vangogh")(photo))
    sentence = refuse(client, handle_file(photo), **(three | {"mix_share": 0.8}))
    assert "give shares from 0 to 1 that come to 1 at most" in sentence


def test_region_is_painted_by_another(connect: Callable[[], Client], photo: Path, tmp_path: Path) -> None:
    client, size = connect(), Image.open(photo).size
    left = Image.new("L", size)
    left.paste(255, (0, 0, size[0] // 2, size[1]))
    left.save(tmp_path / "left.png")
    image, mask = handle_file(photo), handle_file(tmp_path / "left.png")
    file = client.predict(image, region_style="monet", region=mask, api_name="/paint")
    vangogh, monet = (artcore.load(f"stylenet.{name}") for name in ("vangogh", "monet"))
    assert same(Image.open(file), vangogh(photo, regions=[(monet, left)]))
    for x, painter_ in ((2, monet), (size[0] - 3, vangogh)):
        assert Image.open(file).getpixel((x, 20)) == painter_(photo).getpixel((x, 20))
    both = client.predict(
        image, region_style="monet", region=mask, region_style_2="monet", region_2=mask, api_name="/paint"
    )
    assert same(Image.open(both), vangogh(photo, regions=[(monet, left), (monet, left)]))
    assert "nothing is marked: mark it, or choose nobody" in refuse(client, image, region_style="monet")
    assert "choose a painter, or erase it" in refuse(client, image, region=mask)
    Image.new("L", size).save(tmp_path / "left.png")
    assert "black all over" in refuse(client, image, region_style="monet", region=handle_file(tmp_path / "left.png"))
    Image.new("L", (90, 9), 255).save(tmp_path / "left.png")
    sentence = refuse(client, image, region_style="monet", region=handle_file(tmp_path / "left.png"))
    assert "give a mask of the same aspect" in sentence


def test_both_directions(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = write_catalog(tmp_path / "weights", both_ways=("vangogh", "monet"))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(weights))
    with serve() as address:
        client = Client(address, verbose=False, download_files=tmp_path / "got", httpx_kwargs={"timeout": 60})
        expected = artcore.load("cyclegan.vangogh")

        def paint(**given: object) -> Image.Image:
            return Image.open(client.predict(handle_file(photo), api_name="/paint", **given))

        assert same(paint(), expected(photo))  # the best there is
        assert same(paint(method="stylenet"), artcore.load("stylenet.vangogh")(photo))
        assert same(paint(direction="to_photo"), expected(photo, direction="to_photo"))
        assert same(paint(style="art_nouveau"), artcore.load("stylenet.art_nouveau")(photo))
        # Nets of one kind are mixed: the best that all have.
        mixed = load.mix({"cyclegan.vangogh": 0.7, "cyclegan.monet": 0.3})
        assert same(paint(mix_style="monet", direction="to_photo"), mixed(photo, direction="to_photo"))
        mixed = load.mix({"stylenet.vangogh": 0.7, "stylenet.art_nouveau": 0.3})
        assert same(paint(mix_style="art_nouveau"), mixed(photo))
        image = handle_file(photo)
        assert "to_painting" in refuse(client, image, style="art_nouveau", direction="to_photo")
        assert "to_painting" in refuse(client, image, method="stylenet", direction="to_photo")
        assert "choose from vangogh, monet" in refuse(client, image, style="art_nouveau", method="cyclegan")
        assert "aside" in refuse(client, image, direction="aside")
        guards = {"light": 0.7, "keep_colours": 0.5, "stroke": 2, "detail": 0.3}
        gallery = client.predict(image, 1.0, 3, direction="to_photo", api_name="/paint_all", **guards)
        assert [item["caption"] for item in gallery] == ["Van Gogh", "Monet"]
        for style, item in zip(("vangogh", "monet"), gallery, strict=True):
            wanted = artcore.load(f"cyclegan.{style}")(photo, seed=3, direction="to_photo", **guards)
            assert same(Image.open(item["image"]), wanted)
        gallery = client.predict(image, 1.0, 3, method="stylenet", api_name="/paint_all")
        assert same(Image.open(gallery[0]["image"]), artcore.load(f"stylenet.{next(iter(STYLES))}")(photo, seed=3))
        assert len(gallery) == len(STYLES)


def test_prediction_counts_strokes_and_regions_but_no_mix(weights: Path) -> None:
    def seconds(**given: object) -> float:
        order = Order("photo.png", "vangogh", options={"stroke": given.pop("stroke", 1)}, **given)
        return order.seconds((1600, 1200))

    one = seconds()
    assert seconds(shares={"monet": 0.4}) == one
    assert seconds(regions=(("monet", None), ("vangogh", None))) == pytest.approx(3 * one)
    assert one / 5 < seconds(stroke=2) < one / 3


def test_private_events_cannot_be_called(connect: Callable[[], Client]) -> None:
    client = connect()
    for name in ("/show", "/show_all", "/fetch", "/look", "/lay_out", "/turn", "/offer", "/choose"):
        with pytest.raises(ValueError, match="Cannot find a function"):
            client.predict(api_name=name)


# --- what goes wrong ------------------------------------------------------------------------------------


def refuse(client: Client, *given: object, **named: object) -> str:
    with pytest.raises(AppError) as error:
        client.predict(*given, api_name="/paint", **named)
    return error.value.message


def test_pictures_that_are_none(connect: Callable[[], Client], photo: Path, tmp_path: Path) -> None:
    client = connect()
    whole = photo.read_bytes()
    bomb = tmp_path / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(bomb)
    for name, data, sentence in (
        ("text.png", b"not a picture", "text.png is not a picture that can be read"),
        ("empty.jpg", b"", "empty.jpg is empty"),
        ("short.png", whole[: len(whole) // 2], "short.png is damaged or cut short"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture that can be read"),
        ("bomb.png", bomb.read_bytes(), "12000 x 12000 pixels, more than the limit of 64"),
    ):
        (tmp_path / name).write_bytes(data)
        assert sentence in refuse(client, handle_file(tmp_path / name)), name
    assert "There is no photo yet" in refuse(client, None)
    file = client.predict(handle_file(photo), api_name="/paint")  # and the app lives on
    assert same(Image.open(file), artcore.load("stylenet.vangogh")(photo))


def test_arguments_out_of_range(connect: Callable[[], Client], photo: Path) -> None:
    client, image = connect(), handle_file(photo)
    assert "nobody" in refuse(client, image, style="nobody")
    assert "gan" in refuse(client, image, method="gan")
    assert "1.5" in refuse(client, image, strength=2)
    assert "0" in refuse(client, image, seed=-1)
    assert "gif" in refuse(client, image, format="gif")
    for name, value in {"light": 1.1, "keep_colours": -0.1, "stroke": 5, "detail": 2, "mix_share": 1.5}.items():
        assert str(value) in refuse(client, image, **{name: value})
    assert "nobody" in refuse(client, image, mix_style="nobody")
    assert "give a whole number" in refuse(client, image, seed=None)  # the field, emptied


def test_files_of_the_server_stay_there(url: str, photo: Path) -> None:
    with httpx.Client(base_url=f"{url}/gradio_api", timeout=60) as http:
        for path in ("/etc/passwd", str(photo), __file__):
            body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, 1, 0]}
            event = http.post("/call/paint_all", json=body).json()["event_id"]
            assert "event: error" in http.get(f"/call/paint_all/{event}").text
            assert http.get(f"/file={path}").status_code == 403


def test_uploads_are_limited(connect: Callable[[], Client], url: str, tmp_path: Path) -> None:
    assert httpx.get(f"{url}/config").json()["max_file_size"] == 400 * 2**20  # a resume file's
    (tmp_path / "big.png").write_bytes(bytes(50 * 2**20 + 1))
    assert "larger than 50 MB" in refuse(connect(), handle_file(tmp_path / "big.png"))


def test_missing_and_damaged_weights(connect: Callable[[], Client], weights: Path, photo: Path, tmp_path: Path) -> None:
    client, image = connect(), handle_file(photo)
    file = weights / "stylenet.monet" / "model.safetensors"
    kept = shutil.copy(file, tmp_path)
    try:
        file.write_bytes(file.read_bytes()[:-100])
        assert "sha256 differs" in refuse(client, image, style="monet")
        (weights / "stylenet.monet" / "config.json").rename(tmp_path / "config.json")
        shutil.copy(kept, file)
        sentence = refuse(client, image, style="monet")
        assert "holds no config.json" in sentence and str(weights) not in sentence
        (tmp_path / "config.json").rename(weights / "stylenet.monet" / "config.json")
        file.unlink()
        assert "The weights of stylenet.monet are missing; restore" in refuse(client, image, style="monet")
        assert client.predict(image, style="vangogh", api_name="/paint")
    finally:
        shutil.copy(kept, file)
    assert client.predict(image, style="monet", api_name="/paint")  # a failure is not remembered


def test_what_nobody_foresaw_is_logged_and_not_shown(
    connect: Callable[[], Client], photo: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: StyleNet, *given: object, **named: object) -> None:
        raise RuntimeError("secret of the house")

    client = connect()
    shared.task("stylenet.vangogh")
    monkeypatch.setattr(StyleNet, "forward", broken)
    sentence = refuse(client, handle_file(photo))
    number = sentence.split("error ")[1].split(")")[0]
    assert "secret" not in sentence and "try again" in sentence
    record = next(r for r in caplog.records if number in r.getMessage())
    assert "secret of the house" in str(record.exc_info[1])
    monkeypatch.undo()
    assert client.predict(handle_file(photo), api_name="/paint")


# --- several at once ------------------------------------------------------------------------------------


def test_visitors_take_turns_and_do_not_mix(
    connect: Callable[[], Client], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, forward = 0, 0, StyleNet.forward

    def counted(self: StyleNet, *given: object, **named: object) -> torch.Tensor:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        try:
            return forward(self, *given, **named)
        finally:
            running -= 1

    monkeypatch.setattr(StyleNet, "forward", counted)
    clients = [connect() for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        files = pool.map(
            lambda n: clients[n].predict(handle_file(photo), seed=n, strength=0.5 + n / 8, api_name="/paint"), range(4)
        )
        files = list(files)
    assert most == 1
    for n, file in enumerate(files):
        assert same(Image.open(file), artcore.load("stylenet.vangogh")(photo, seed=n, strength=0.5 + n / 8))


def test_cancelling_stops_the_work(
    connect: Callable[[], Client], photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles, begun, forward = 0, threading.Event(), StyleNet.forward

    def counted(self: StyleNet, *given: object, **named: object) -> torch.Tensor:
        nonlocal tiles
        tiles += 1
        if tiles == 5:
            begun.set()
        time.sleep(0.05)
        return forward(self, *given, **named)

    monkeypatch.setattr(painter, "TILE", 32)
    monkeypatch.setattr(StyleNet, "forward", counted)
    Image.open(photo).resize((320, 320)).save(tmp_path / "large.png")  # 100 tiles, 5 s and more for each style
    job = connect().submit(handle_file(tmp_path / "large.png"), 1, 0, api_name="/paint_all")
    assert begun.wait(60)
    job.cancel()
    time.sleep(1)
    after = tiles
    time.sleep(0.5)
    assert tiles == after < 100
    monkeypatch.undo()
    assert connect().predict(handle_file(photo), api_name="/paint")  # the place in the line is free
