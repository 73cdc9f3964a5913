"""The Colour tab's endpoints as a program meets them, and what the tab knows of the pictures on its bench."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
import tifffile
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from artcore import image as pictures
from artcore.load import load
from artcore.models.colorunet import ColorUNet
from artcore.studio import colorize, shared
from artcore.studio import colour_orders as orders
from artcore.tasks.colorize import Adjustments, blend, different_first, disagreement
from tests.hub_server import serve, write_catalog

MODELS = {"general": "Photos of all kinds", "flowers": "Flowers"}


def add_colorizers(folder: Path) -> Path:
    """Two small nets into a catalog: "general" was made for hints, "flowers" was not. Weights are larger than a new
    net's, so that seeds are told apart in eight bits."""
    catalog = json.loads((folder / "catalog.json").read_text())
    for n, (style, label) in enumerate(MODELS.items()):
        name = f"colorunet.{style}"
        torch.manual_seed(n)
        net = ColorUNet(channels=(8, 8, 8, 8), hints=style == "general")
        for parameter in net.parameters():
            parameter.data.mul_(1.6)
        net.save_pretrained(folder / name)
        digest = hashlib.sha256((folder / name / "model.safetensors").read_bytes()).hexdigest()
        catalog[name] = {"task": "colorizer", "label": label, "folder": name, "sha256": digest, "licence": "CC0-1.0"}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = add_colorizers(write_catalog(tmp_path_factory.mktemp("weights")))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    shared._tasks.clear()
    with serve() as address:
        yield address
    shared._tasks.clear()
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


@pytest.fixture
def client(url: str, tmp_path: Path) -> Client:
    return Client(url, verbose=False, download_files=tmp_path / "got", httpx_kwargs={"timeout": 60})


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """63 x 48, in colours, with EXIF that names a camera."""
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    pixels = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).resize((63, 48), Image.Resampling.BICUBIC).save(path, exif=exif.tobytes())
    return path


@pytest.fixture
def colour(client: Client, photo: Path) -> Callable[..., Path]:
    def call(**given: object) -> Path:
        return Path(client.predict(given.pop("image", handle_file(photo)), api_name="/colorize", **given))

    return call


def refuse(client: Client, *given: object, **named: object) -> str:
    named.setdefault("api_name", "/colorize")
    with pytest.raises(AppError) as error:
        client.predict(*given, **named)
    return error.value.message


def test_the_api_page_documents_both(url: str) -> None:
    info = httpx.get(f"{url}/gradio_api/info").json()["named_endpoints"]
    told = {p["parameter_name"]: p.get("parameter_default") for p in info["/colorize"]["parameters"]}
    assert told == {
        "image": None, "model": "general", "seed": 0, "format": "png", "keep_metadata": False,
        **Adjustments().asdict(), "hints": None, "noise": None,
        "region": None, "region_seed": 1, "region_2": None, "region_seed_2": 2, "recipe": True,
    }  # fmt: skip
    assert info["/colorize"]["description"].startswith("Colour a grey picture")
    told = {p["parameter_name"]: p.get("parameter_default") for p in info["/colorize_seeds"]["parameters"]}
    assert told == {"image": None, "model": "general", "seed": 0, "count": 10, "recipe": True}
    assert {name for name in info if name.startswith("/colorize")} == {"/colorize", "/colorize_seeds"}


def test_events_of_the_tab_cannot_be_called(client: Client) -> None:
    handlers = {code.co_name.strip("<>") for code in colorize.build.__code__.co_consts if hasattr(code, "co_name")}
    assert {"show", "show_ten", "fetch", "look", "adjust", "turn", "pick", "choose", "spread", "lambda"} <= handlers
    for name in sorted(handlers):
        with pytest.raises(ValueError, match="Cannot find a function"):
            client.predict(api_name=f"/{name}")


def test_colorize_gives_the_bytes_of_the_library(colour: Callable, photo: Path) -> None:
    seen = set()
    for model, seed in (("general", 0), ("general", 7), ("flowers", 2**31 - 1)):
        file = colour(model=model, seed=seed)
        assert file.name == f"photo seed {seed}.png"
        assert file.read_bytes() == pictures.encode(load(f"colorunet.{model}")(photo, seed=seed))
        seen.add(file.read_bytes())
    assert len(seen) == 3
    assert colour().read_bytes() == colour(model="general", seed=0).read_bytes()


def test_light_and_shade_stay(colour: Callable, photo: Path) -> None:
    before, after = (Image.open(p).convert("RGB") for p in (photo, colour(seed=3)))
    luma = [np.asarray(p, float) @ (0.299, 0.587, 0.114) for p in (before, after)]
    assert np.abs(luma[0] - luma[1]).max() <= 1
    assert np.ptp(np.asarray(after, int), axis=-1).max() > 10  # and it has colours


def test_adjustments_hints_noise_and_regions_are_those_of_the_library(
    colour: Callable, photo: Path, tmp_path: Path
) -> None:
    task = load("colorunet.general")
    wanted = {"saturation": 1.5, "warmth": -0.4, "black": 0.1, "white": 0.9, "gamma": 1.4, "smoothness": 0.5}
    assert colour(**wanted).read_bytes() == pictures.encode(task(photo, adjustments=Adjustments(**wanted)))

    hints = Image.new("RGBA", (63, 48))
    hints.paste((200, 30, 40, 255), (10, 10, 40, 40))
    left = Image.new("L", (63, 48))
    left.paste(255, (0, 0, 30, 48))
    noise = Image.linear_gradient("L").resize((63, 48))
    files = {}
    for name, picture in (("hints", hints), ("left", left), ("noise", noise)):
        picture.save(tmp_path / f"{name}.png")
        files[name] = handle_file(tmp_path / f"{name}.png")
    hints, left, noise = (tmp_path / f"{name}.png" for name in files)  # as files: recipes know them by their bytes
    seen = {colour(seed=4).read_bytes()}
    for given, expected in (
        ({"hints": files["hints"]}, task(photo, seed=4, hints=hints)),
        ({"noise": files["noise"]}, task(photo, seed=4, noise=noise)),
        ({"region": files["left"]}, task(photo, seed=4, regions=[(left, 1)])),
        ({"region_2": files["left"], "region_seed_2": 9}, task(photo, seed=4, regions=[(left, 9)])),
    ):
        data = colour(seed=4, **given).read_bytes()
        assert data == pictures.encode(expected), given
        assert data not in seen, given
        seen.add(data)


def test_formats_metadata_and_sixteen_bits(colour: Callable, photo: Path, tmp_path: Path) -> None:
    made = load("colorunet.general").colour(photo)
    for format, suffix in (("jpeg", ".jpg"), ("webp", ".webp"), ("tiff", ".tiff")):
        file = colour(format=format)
        assert file.suffix == suffix and file.read_bytes() == made.encode(format)
        assert file.read_bytes() == pictures.encode(made.image(), format)
    for keep, camera in ((False, None), (True, "Camera obscura")):
        assert Image.open(colour(format="jpeg", keep_metadata=keep)).getexif().get(0x0110) == camera

    scan = np.random.default_rng(0).integers(0, 65536, (40, 50), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "scan.tif", scan)
    file = colour(image=handle_file(tmp_path / "scan.tif"), format="tiff", seed=5)
    pixels = tifffile.imread(file)
    assert pixels.dtype == np.uint16 and pixels.shape == (40, 50, 3)
    assert np.abs(pixels @ (0.299, 0.587, 0.114) - scan).max() <= 1.5  # of 65535


def test_seeds_come_most_different_first_with_a_map(client: Client, photo: Path) -> None:
    gallery, map_ = client.predict(handle_file(photo), seed=20, count=4, api_name="/colorize_seeds")
    made = [*load("colorunet.general").seeds(photo, range(20, 24))]
    order = different_first(made)
    assert [item["caption"] for item in gallery] == [f"seed {20 + n}" for n in order]
    for item, n in zip(gallery, order, strict=True):
        assert Path(item["image"]).read_bytes() == pictures.encode(made[n].image())
    assert Image.open(map_).tobytes() == disagreement(made).tobytes()
    ten, _ = client.predict(handle_file(photo), "flowers", api_name="/colorize_seeds")
    assert {item["caption"] for item in ten} == {f"seed {n}" for n in range(10)}


def test_what_goes_wrong_is_a_sentence(client: Client, photo: Path, tmp_path: Path) -> None:
    image = handle_file(photo)
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (tmp_path / "text.png").write_bytes(b"not a picture")
    assert "torn.jpg is damaged or cut short" in refuse(client, handle_file(tmp_path / "torn.jpg"))
    assert "text.png is not a picture that can be read" in refuse(client, handle_file(tmp_path / "text.png"))
    assert "There is no photo yet" in refuse(client, None)
    assert "nobody" in refuse(client, image, model="nobody")
    assert "-1" in refuse(client, image, seed=-1)
    assert "give a whole number" in refuse(client, image, seed=None)  # the field, emptied
    assert "gif" in refuse(client, image, format="gif")
    assert "3" in refuse(client, image, saturation=3)
    assert "same aspect" in refuse(client, image, noise=handle_file(shared.EXAMPLES / "photo_motocross.jpg"))
    for count in (1, 11):
        assert "whole number from 2 to 10" in refuse(client, image, count=count, api_name="/colorize_seeds")
    told = refuse(client, image, seed=2**31 - 2, count=5, api_name="/colorize_seeds")
    assert told.startswith("seed is 2147483646 and count 5, but no seed is above 2147483647")
    assert client.predict(image, api_name="/colorize")  # and the app lives on


# --- the bench ------------------------------------------------------------------------------------------


def test_a_bad_file_is_named_and_the_rest_go_on(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    Image.new("L", (30, 20), 90).save(tmp_path / "grey.png")
    monkeypatch.setattr(shared, "MOST_BYTES", 50_000)
    (tmp_path / "big.bmp").write_bytes(bytes(60_000))
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100).save(tmp_path / "scan.tif")
    names = ("photo.png", "torn.jpg", "grey.png", "big.bmp", "scan.tif")
    bench = orders.read([str(tmp_path / name) for name in names])
    assert [piece.name for piece in bench.pieces] == ["photo", "grey", "scan"]
    assert [piece.coloured for piece in bench.pieces] == [True, False, False]
    assert [piece.deep for piece in bench.pieces] == [False, False, True]
    assert [piece.size for piece in bench.pieces] == [(63, 48), (30, 20), (30, 20)]
    assert "torn.jpg is damaged" in bench.refused[0] and "big.bmp is larger than 50 MB" in bench.refused[1]
    for path in (bench.pieces[0].grey, bench.pieces[0].small):
        assert np.ptp(np.asarray(Image.open(path).convert("RGB"), int), axis=-1).max() <= 2
    with pytest.raises(gr.Error, match="These are 11 pictures: choose 10 at most"):
        orders.read([str(photo)] * 11)


@pytest.mark.parametrize(
    ("colour", "coloured"), [((120, 120, 120), False), ((123, 120, 118), False), ((150, 120, 90), True)]
)
def test_grey_is_told_from_colour(tmp_path: Path, colour: tuple, coloured: bool) -> None:
    Image.new("RGB", (64, 64), colour).save(tmp_path / "plain.jpg")
    assert orders.read([str(tmp_path / "plain.jpg")]).pieces[0].coloured is coloured


def test_colourings_are_put_away_without_their_picture(url: str, photo: Path) -> None:
    made = [*load("colorunet.general").seeds(photo, (1, 2))]
    put_away = [orders.light(colouring) for colouring in made]
    assert all(c.picture is None and c.grey16 is None for c in put_away)
    assert put_away[0].image(like=photo).tobytes() == made[0].image().tobytes()
    sheet = orders.Sheet(str(photo), tuple(put_away), "")
    assert sheet.of(2) is put_away[1] and sheet.of(-1) is None
    mixed = blend(*put_away, 0.5)
    file = orders.file(orders.with_picture(mixed, str(photo)), "both", "png")
    assert Path(file).read_bytes() == pictures.encode(blend(*made, 0.5).image())


def test_without_a_coloriser_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(write_catalog(tmp_path)))
    with gr.Blocks() as page:
        colorize.build()
    assert [b.value for b in page.blocks.values() if "No coloriser is there yet" in str(getattr(b, "value", ""))]
    with serve() as address:
        named = httpx.get(f"{address}/gradio_api/info").json()["named_endpoints"]
        assert "/paint" in named and "/colorize" not in named


def test_names_of_files_are_no_markdown() -> None:
    assert shared.plain("a _b_ *c* [d](e) <f>") == r"a \_b\_ \*c\* \[d\](e) \<f\>"
    assert orders.Piece("/tmp/my_old_photo.jpg", (1, 1), "", "", "", False).title == r"my\_old\_photo"


def test_noise_is_drawn_in_greys_over_an_uploaded_one_or_none(tmp_path: Path) -> None:
    mask = Image.new("L", (8, 6))
    mask.paste(255, (0, 0, 4, 6))
    noise = orders.drawn([None, mask], ["#000000", "#e6e6e6"])
    assert (noise.mode, noise.size) == ("LA", (8, 6))
    assert noise.getpixel((1, 1)) == (0xE6, 255) and noise.getpixel((6, 1))[1] == 0  # the seed's
    assert orders.drawn([None, None], ["#000000", "#e6e6e6"]) is None
    over = str(tmp_path / "noise.png")
    Image.new("L", (80, 60), 77).save(over)
    noise = orders.drawn([None, mask], ["#000000", "#e6e6e6"], over)
    assert (noise.mode, noise.size) == ("LA", (80, 60))
    assert noise.getpixel((10, 10)) == (0xE6, 255) and noise.getpixel((60, 10)) == (77, 255)
    assert orders.drawn([None, None], ["#000000", "#e6e6e6"], over) == over
