"""Recipes on the page and through the API: what leaves carries one, and a result brings its settings back."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from PIL import Image

from artcore import image as pictures
from artcore import load, recipe
from artcore.models.encoder import ArtEncoder
from artcore.studio import hub, shared
from artcore.tasks.adjustments import Adjustments
from artcore.tasks.chain import Chain
from artcore.tasks.style import StyleOptions
from tests.colour_net import colour_net
from tests.hub_server import serve, write_catalog
from tests.upscale_net import add_upscalers

SMALL = {"size": 64, "steps": 4, "pyramid": 1}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = add_upscalers(write_catalog(tmp_path_factory.mktemp("weights"), both_ways=["monet", "vangogh"]))
    torch.manual_seed(0)
    colour_net(1).save_pretrained(folder / "colorunet.general")
    ArtEncoder(channels=(4, 4, 8, 8)).save_pretrained(folder / "encoder")
    catalog = json.loads((folder / "catalog.json").read_text())
    for name, task in (("colorunet.general", "colorizer"), ("encoder", "features")):
        digest = hashlib.sha256((folder / name / "model.safetensors").read_bytes()).hexdigest()
        catalog[name] = {"task": task, "label": name, "folder": name, "sha256": digest}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    shared._tasks.clear()
    yield folder
    shared._tasks.clear()
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(60, 196, (34, 41, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture(scope="module")
def page(weights: Path) -> gr.Blocks:
    return hub.build()


@pytest.fixture
def drop(page: gr.Blocks) -> Callable[..., dict]:
    """Drops a file on the page, as Gradio would: {elem_id or label of what changes: its new value}."""
    slot = next(block for block in page.blocks.values() if getattr(block, "elem_id", None) == "recipe-slot")
    event = next(fn for fn in page.fns.values() if slot in fn.inputs and slot in fn.outputs)

    def dropped(path: Path, photo: object = None) -> dict:
        given = {c: None for c in event.inputs} | {slot: str(path)}
        for component in event.inputs:
            if getattr(component, "elem_id", None) == "painter-photo":
                given[component] = photo
        changes = event.fn(given)
        assert set(changes) <= set(event.outputs)
        # Of a list that what it offers changes with, too, the value is told.
        return {_name(c): v.value if isinstance(v, gr.Dropdown) else v for c, v in changes.items()}

    return dropped


def _name(component: object) -> str:
    return getattr(component, "elem_id", None) or getattr(component, "label", None) or type(component).__name__


def said(changes: dict) -> str:
    return changes["Markdown"]


def tab(changes: dict) -> str:
    return changes["Tabs"].selected


def test_every_way_out_carries_a_recipe_unless_it_is_switched_off(weights: Path, photo: Path, tmp_path: Path) -> None:
    picture = handle_file(photo)
    style = {"preset": "quick", "options": SMALL, "painting": picture}
    calls = {
        "/paint": ((picture,), {}, "painter"),
        "/style": ((picture,), style, "style"),
        "/colorize": ((picture,), {"format": "tiff"}, "colorizer"),
        "/upscale": ((picture,), {"scale": 2, "format": "webp"}, "upscaler"),
        "/chain": ((picture, [{"task": "paint"}, {"task": "upscale", "scale": 2}]), {"format": "jpeg"}, "chain"),
    }
    with serve() as url:
        client = Client(url, verbose=False, download_files=tmp_path / "got", httpx_kwargs={"timeout": 120})
        for name, (given, options, task) in calls.items():
            for wanted in (True, False):
                found = client.predict(*given, **options, recipe=wanted, api_name=name)
                told = recipe.read(found[0] if isinstance(found, list | tuple) else found)
                assert (told.task == task) if wanted else (told is None), name
                if wanted:
                    assert told.input.sha256 == hashlib.sha256(photo.read_bytes()).hexdigest()
        for name, options in (("/paint_all", {"strength": 1, "seed": 3}), ("/colorize_seeds", {"count": 2})):
            for wanted in (True, False):
                found = client.predict(picture, **options, recipe=wanted, api_name=name)
                gallery = found[0] if name == "/colorize_seeds" else found
                told = [recipe.read(item["image"]) for item in gallery]
                assert len({t.to_json() for t in told}) == len(told) > 1 if wanted else told == [None] * len(told)
        data = base64.b64encode(photo.read_bytes()).decode()
        for path, sent, got in (
            ("api/colorize", "image", "image"),
            ("TFG_Computadores/api-aumento/aumento", "imagen", "imagen_ampliada"),
        ):
            for more, there in (({}, True), ({"recipe": False}, False)):
                answer = httpx.post(f"{url}/{path}", json={sent: data} | more, timeout=120).json()
                assert (recipe.read(base64.b64decode(answer[got])) is not None) is there, path


def test_painter_settings_return(drop: Callable, photo: Path, tmp_path: Path) -> None:
    painter = load.mix({"cyclegan.monet": 0.75, "cyclegan.vangogh": 0.25})
    options = {"strength": 1.2, "seed": 9, "light": 0.5, "stroke": 2.0, "direction": "to_photo"}
    pictures.save(painter(photo, **options), tmp_path / "a.jpg")
    changes = drop(tmp_path / "a.jpg")
    assert tab(changes) == "painter" and "not in the file: choose it" in said(changes)
    told = {"Style": "monet", "Strength": 1.2, "Brush (seed)": 9, "Keep light": 0.5, "Stroke size": 2.0,
            "painter-direction": "to_photo", "Another brush each time": False, "Second painter": "vangogh",
            "Third painter": "", "Method": "auto"}  # fmt: skip
    assert {name: changes[name] for name in told} == told
    assert "It was made of the picture that is here." in said(drop(tmp_path / "a.jpg", str(photo)))


def test_a_result_may_be_larger_than_an_upload(
    drop: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.save(load.load("enhancenet.fidelity")(photo), tmp_path / "a.png")
    monkeypatch.setattr(shared, "MOST_BYTES", 100)
    assert tab(drop(tmp_path / "a.png")) == "upscale"
    own = shared.store((tmp_path / "a.png").read_bytes(), "a.png")  # as "Send to" hands it on
    assert shared.weighed(own) == own
    with pytest.raises(gr.Error, match="larger than 50 MB"):
        shared.weighed(str(tmp_path / "a.png"))


def test_upscale_colour_and_style_settings_return(drop: Callable, photo: Path, tmp_path: Path) -> None:
    task = load.mix({"enhancenet.fidelity": 0.75, "enhancenet.texture": 0.25})
    pictures.save(task(photo, scale=2, strength=0.5, consistent=False), tmp_path / "a.png")
    changes = drop(tmp_path / "a.png")
    told = {"upscale-model": "fidelity", "upscale-scale": 2, "Strength": 0.5, "Blend: fidelity → texture": 0.25}
    assert {name: changes[name] for name in told} == told and tab(changes) == "upscale"
    assert changes["Reducing it gives your picture back"] == "no"

    looks = Adjustments(saturation=1.5, warmth=-0.25)
    pictures.save(load.load("colorunet.general")(photo, seed=5, adjustments=looks), tmp_path / "b.webp")
    changes = drop(tmp_path / "b.webp")
    assert tab(changes) == "colour" and (changes["Seed"], changes["colour-random"]) == (5, False)
    assert (changes["Saturation"], changes["Warmth"], changes["Gamma"]) == (1.5, -0.25, 1)

    made = load.load("encoder")(photo, photo, options=StyleOptions(**SMALL, content=2500.0, loss="moments"))
    pictures.save(made, tmp_path / "c.png")
    changes = drop(tmp_path / "c.png")
    assert tab(changes) == "style" and "paintings" in said(changes)
    assert (changes["Content"].value, changes["Content"].maximum) == (2500, 2500)  # beyond the slider: it grows
    assert (changes["Steps"].value, changes["Style loss"]) == (4, "moments")


def test_chain_settings_return_and_what_cannot_is_said(drop: Callable, photo: Path, tmp_path: Path) -> None:
    painter, upscaler = load.load("stylenet.monet"), load.load("enhancenet.fidelity")
    pictures.save(
        Chain([(upscaler, {"scale": 2}), (painter, {"strength": 0.5, "light": 1.0})])(photo), tmp_path / "a.png"
    )
    changes = drop(tmp_path / "a.png")
    told = {"chain-step-1": "upscale", "chain-step-2": "paint", "chain-step-3": "", "Painted by": "monet",
            "Strength": 0.5, "Size": 2}  # fmt: skip
    assert {name: changes[name] for name in told} == told and tab(changes) == "chain"
    assert "what only the tabs of its steps can set" in said(changes)


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({"strength": 99.0}, "Strength"),
        ({"strength": True}, "Strength"),
        ({"seed": 0.5}, "Brush (seed)"),
        ({"seed": -1}, "Brush (seed)"),
        ({"seed": "7"}, "Brush (seed)"),
        ({"direction": "sideways"}, "Direction"),
        ({"direction": None}, "Direction"),
        ({"light": [1]}, "Keep light"),
    ],
)
def test_a_hostile_recipe_changes_no_control_beyond_its_range(
    drop: Callable, photo: Path, tmp_path: Path, change: dict, lost: str
) -> None:
    made = load.load("stylenet.monet")(photo, strength=0.5)
    told = recipe.of(made)
    nets = ((recipe.Checkpoint("stylenet.nobody", "0" * 64),),)
    hostile = dataclasses.replace(told, options={**told.options, **change}, nets=nets)
    pictures.save(recipe.sign(made, hostile), tmp_path / "a.png")
    changes = drop(tmp_path / "a.png")
    sentence = said(changes)
    assert lost in sentence and "Style" in sentence and "the weights of stylenet.nobody" in sentence
    assert lost not in changes and "Style" not in changes and changes["Keep colours"] == 0


def test_what_has_none_is_a_sentence(drop: Callable, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(gr.Error, match="There is no recipe in this file"):
        drop(photo)
    (tmp_path / "b.png").write_bytes((recipe.OPEN + "{}" + recipe.CLOSE).encode())
    with pytest.raises(gr.Error, match="The recipe in this file is damaged"):
        drop(tmp_path / "b.png")
    made = load.load("encoder")(photo, photo, options=StyleOptions(**SMALL))
    bad = dataclasses.replace(recipe.of(made), options={"size": "large"})
    pictures.save(recipe.sign(made, bad), tmp_path / "c.png")
    with pytest.raises(gr.Error, match="size is 'large'"):
        drop(tmp_path / "c.png")
