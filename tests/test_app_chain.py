"""/chain as programs meet it, and what the tab works out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import artcore
from artcore import image as pictures
from artcore.load import mix
from artcore.studio import hub, shared
from artcore.studio.chain import Order, _is_grey
from artcore.tasks.chain import Chain, ChainError
from artcore.tasks.colorize import Adjustments
from tests.colour_net import colour_net
from tests.hub_server import serve, write_catalog
from tests.upscale_net import add_upscalers


def add_colorizer(folder: Path) -> Path:
    colour_net(1).save_pretrained(folder / "colorunet.general")
    catalog = json.loads((folder / "catalog.json").read_text())
    catalog["colorunet.general"] = {"task": "colorizer", "label": "General", "folder": "colorunet.general"}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = add_colorizer(add_upscalers(write_catalog(tmp_path_factory.mktemp("weights"))))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    shared._tasks.clear()
    yield folder
    shared._tasks.clear()
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


@pytest.fixture(scope="module")
def url(weights: Path) -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture
def connect(url: str, tmp_path: Path) -> Callable[[], Client]:
    def client() -> Client:
        return Client(url, verbose=False, download_files=tmp_path / "got", httpx_kwargs={"timeout": 60})

    return client


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(60, 196, (30, 41, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    Image.fromarray(pixels).save(tmp_path / "photo.png", exif=exif.tobytes())
    return tmp_path / "photo.png"


def test_the_chain_is_the_librarys_and_streams_how_far_it_is(connect: Callable[[], Client], photo: Path) -> None:
    steps = [
        {"task": "colorize", "seed": 7, "saturation": 1.5},
        {"task": "paint", "style": "monet", "strength": 0.8},
        {"task": "upscale", "scale": 2, "texture": 0.5},
    ]
    enlarging = mix({"enhancenet.fidelity": 0.5, "enhancenet.texture": 0.5})
    (*_, last) = Chain([
        (artcore.load("colorunet.general"), {"seed": 7, "adjustments": Adjustments(saturation=1.5)}),
        (artcore.load("stylenet.monet"), {"strength": 0.8}),
        (enlarging, {"scale": 2}),
    ]).run(photo)  # fmt: skip
    job = connect().submit(handle_file(photo), steps, api_name="/chain")
    path, progress = job.result(timeout=120)
    assert Path(path).read_bytes() == pictures.encode(last.image)
    assert Path(path).name == "photo colourise paint enlarge.png"
    assert progress == {"step": 3, "steps": 3, "done": 1, "consistency_db": last.error}
    told = [made[1]["done"] for made in job.outputs()]
    assert told == sorted(told) and told[0] < told[-1] == 1


def test_any_order_and_subset_as_json_or_its_text(connect: Callable[[], Client], photo: Path) -> None:
    client = connect()
    painter, upscaler = artcore.load("stylenet.vangogh"), artcore.load("enhancenet.fidelity")
    for steps, expected, enlarged in (
        ([{"task": "upscale"}, {"task": "paint"}], Chain([(upscaler, {}), (painter, {})])(photo), True),
        ('[{"task": "paint", "seed": 3}]', Chain([(painter, {"seed": 3})])(photo), False),
    ):
        path, progress = client.predict(handle_file(photo), steps, format="webp", keep_metadata=True, api_name="/chain")
        assert Path(path).read_bytes() == pictures.encode(expected, "WEBP", exif=True, icc=True)
        assert Image.open(path).getexif()[0x0110] == "Camera obscura"
        assert ("consistency_db" in progress) is enlarged


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([], "choose one at least"),
        ("paint", "steps is no list"),
        ([{"style": "monet"}], "steps is no list"),
        ({"task": "paint"}, "steps is no list"),
        ([{"task": "dance"}], "There is no task 'dance': choose from colorize, paint, upscale"),
        ([{"task": "paint", "sead": 1}], "paint has no 'sead': choose from style, method"),
        ([{"task": "colorize", "noise": "/etc/passwd"}], "colorize has no 'noise'"),  # a path of the server
        ([{"task": "colorize", "model": "/etc"}], "There is no colorizer '/etc'"),
        ([{"task": "upscale", "model": "../photo"}], "There is no upscaler '../photo'"),
        ([{"task": "paint", "style": "nobody"}], "nobody"),
        ([{"task": "paint", "strength": 9}], "strength is 9"),
        ([{"task": "upscale", "scale": 7}], "give 2, 3 or 4"),
        ([{"task": "upscale", "texture": "much"}], "texture is 'much'"),
        ([{"task": "colorize", "saturation": 7}], "saturation is 7"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    connect: Callable[[], Client], photo: Path, steps: object, sentence: str
) -> None:
    with pytest.raises(AppError) as error:
        connect().predict(handle_file(photo), steps, api_name="/chain")
    assert sentence in error.value.message


def test_it_is_there_where_something_can_go_before_or_behind_a_painting(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = httpx.get(f"{url}/gradio_api/info").json()["named_endpoints"]
    assert [p["parameter_name"] for p in told["/chain"]["parameters"]] == [
        "image",
        "steps",
        "format",
        "keep_metadata",
        "recipe",
    ]
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(write_catalog(tmp_path / "without")))
    with serve() as address:
        assert "/chain" not in httpx.get(f"{address}/gradio_api/info").json()["named_endpoints"]


def test_a_grey_picture_is_coloured_first_unless_somebody_has_chosen(weights: Path, tmp_path: Path) -> None:
    page = hub.build()
    known = {getattr(block, "elem_id", None): block for block in page.blocks.values()}
    photo_, *slots = (known[f"chain-{name}"] for name in ("photo", "step-1", "step-2", "step-3"))
    look = next(e for e in page.fns.values() if photo_ in e.inputs and {slots[0]} == {*e.outputs} & {*slots})
    chosen = next(c for c in look.inputs if isinstance(c, gr.State))
    colours = np.random.default_rng(1).integers(60, 196, (30, 41, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "colour.png")
    Image.fromarray(colours).convert("L").save(tmp_path / "grey.png")

    def first(name: str, *steps: str, touched: bool = False) -> str:
        given = {c: getattr(c, "value", None) for c in look.inputs} | dict(zip(slots, steps, strict=True))
        (*_, last) = look.fn(given | {photo_: str(tmp_path / f"{name}.png"), chosen: touched})
        return last.get(slots[0], steps[0])

    assert first("grey", "", "paint", "upscale") == "colorize"
    assert first("colour", "colorize", "paint", "upscale") == ""
    assert first("grey", "", "upscale", "colorize") == ""  # it is coloured later
    assert first("colour", "colorize", "paint", "", touched=True) == "colorize"
    assert first("grey", "", "paint", "", touched=True) == ""
    # By hand, or by a recipe: the State is set by the slot's own event, and among what a recipe may set.
    assert any(e.outputs == [chosen] and (slots[0]._id, "input") in e.targets for e in page.fns.values())
    drop = known["recipe-slot"]
    assert any(drop in e.inputs and chosen in e.outputs for e in page.fns.values())


def test_orders_name_themselves_and_grey_is_recognised(weights: Path) -> None:
    order = Order("a/harbour.jpg", (("paint", {}), ("upscale", {"scale": 2})))
    assert (order.label, order.file) == ("Paint, enlarge", "harbour paint enlarge")
    assert order.chain.size(30, 20) == (60, 40)
    with pytest.raises(ChainError, match="choose one at least"):
        Order("a.png", ()).chain  # noqa: B018
    noise = Image.effect_noise((300, 200), 50)
    assert _is_grey(noise.convert("RGB")) and not _is_grey(Image.merge("RGB", (noise, noise, noise.rotate(180))))
