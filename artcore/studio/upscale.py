"""The Upscale tab: a picture two to four times as large, beside bicubic interpolation, as a whole and in detail."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image, ImageFilter

from artcore import image as pictures
from artcore import load
from artcore.recipe import Recipe
from artcore.studio import recipes, sending, several, shared
from artcore.studio.words import say
from artcore.tasks.upscale import SCALES, Snapshot

FIRST = "fidelity"  # the model to begin with, where there is one
CRISP = "texture"  # the one that it can be blended with
DETAIL = (364, 240)  # pixels of the enlarged picture that the two details show, one for one
# Of a result larger than PREVIEW, what is compared with bicubic: twice what there is room for; all of it shows on the
# whole screen. Reduced as a whole, the two would be the same.
COMPARED = (1408, 528)
PULL = {"auto": None, "yes": True, "no": False}  # whether the result is pulled to what reduces to the source
PULLS = [("As the model is made for", "auto"), ("Yes", "yes"), ("No", "no")]

# What each net is for; said of those that there are.
KINDS = {
    "fidelity": "*Fidelity* puts down what is most likely, which is careful and a little soft.",
    "texture": "*Texture* invents the grain, hair and leaves that such a place often has, crisp and not to be taken for"
    " evidence.",
    "photo": "*Photo* is for pictures that JPEG or a phone has worn, and gives them back less exactly.",
}
NOTE = """### What it can and can't know
Four times the side is sixteen times the pixels, and fifteen of them were never there.

{kinds}

Unless you ask otherwise, the result gives your picture back when it is reduced again; the decibels say how exactly,
and above 50 nobody sees a difference. [The card of this model](cards/{card}) says what it was trained on, and how well
it does. Your pictures stay on this server, for a few hours at most.
"""


@dataclass(frozen=True)
class Order:
    """What is to be enlarged, and how: carried out again, it gives the same pixels."""

    source: str
    model: str = FIRST
    scale: int = 4
    strength: float = 1.0
    texture: float = 0.0
    consistent: str = "auto"
    ensemble: bool = False

    @property
    def parts(self) -> dict[str, float]:
        """Catalog names of what is blended, and how much of each."""
        if isinstance(self.texture, bool) or not isinstance(self.texture, int | float) or not 0 <= self.texture <= 1:
            raise gr.Error(f"texture is {self.texture!r}: give a number from 0 to 1.")
        if self.texture and self.model not in (FIRST, CRISP):
            raise gr.Error(
                f"texture is blended into fidelity alone, and the model is {self.model}: choose fidelity, or 0 of"
                " texture."
            )
        shares = {self.model: 1 - self.texture}
        if self.texture:
            shares[CRISP] = shares.get(CRISP, 0) + self.texture
        return {load.kind("upscaler", name): share for name, share in shares.items() if share}

    @property
    def task(self) -> Callable:
        return shared.blend(self.parts)

    @property
    def keywords(self) -> dict:
        """Of the task."""
        if self.consistent not in PULL:
            raise gr.Error(f"consistent is {self.consistent!r}: choose from {', '.join(PULL)}.")
        told = {"scale": self.scale, "strength": self.strength, "ensemble": self.ensemble}
        return told | {"consistent": PULL[self.consistent]}

    @property
    def file(self) -> str:
        """What a file of it is called."""
        return f"{Path(self.source).stem[:80]} x{self.scale:g}"

    @property
    def label(self) -> str:
        """As people read it: "Fidelity", or "Fidelity 60 % + Texture 40 %"."""
        catalog, parts = load.catalog(), self.parts
        shares = [f" {100 * share:.0f} %" for share in parts.values()] if len(parts) > 1 else [""]
        return " + ".join(say(catalog[name].label) + share for name, share in zip(parts, shares, strict=True))

    def run(self, picture: Image.Image | None = None) -> Iterator[Snapshot]:
        """Enlarges it; ``picture`` is the source where it was opened already."""
        return self.task.run(picture or self.source, **self.keywords)

    def seconds(self, size: tuple[int, int]) -> float:
        """Predicted for a picture of this size."""
        return self.task.seconds(*size, **self.keywords)


def upscale(
    image: str | None,
    model: str = FIRST,
    scale: int = 4,
    strength: float = 1,
    texture: float = 0,
    consistent: str = "auto",
    format: str = "png",
    keep_metadata: bool = False,
    recipe: bool = True,
    ensemble: bool = False,
) -> Iterator:
    """Make a picture two, three or four times as large.

    The same picture and arguments give the same pixels, those of artcore.load("enhancenet.fidelity")(image).

    Args:
        image: The picture: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 50 MB, and 100 megapixels once it is enlarged.
        model: "fidelity" is the most likely, "texture" crisper than it can know, "photo" for what JPEG has worn.
        scale: 2, 3 or 4 times the side.
        strength: 0 is bicubic interpolation, 1 the net.
        texture: 0 to 1: how much of "texture" is blended into "fidelity"; into no other model.
        consistent: Whether reducing the result gives the picture back: "yes", "no", or "auto" for what the model is
            made for.
        format: Of the file that comes back: "png" (exact), "jpeg" or "webp".
        keep_metadata: Whether the picture's EXIF data and colour profile are kept.
        recipe: Whether the file tells what made it, in its metadata.
        ensemble: Whether the model looks at the picture in eight ways, turned and mirrored, and their mean is taken:
            nearer to the truth, eight times as long.

    Returns:
        The enlarged picture, and what is known of it: its size, and as "consistency_db" how exactly reducing it gives
        the picture back (null for exactly).
    """
    with shared.sentences():
        order = Order(shared.needed(image), model, scale, strength, texture, consistent, ensemble)
        for snapshot in order.run():
            if snapshot.image is None:
                yield gr.skip(), gr.skip()  # where a caller that gave up is noticed
        path = shared.write(snapshot.image, order.file, format, metadata=keep_metadata, recipe=recipe)
        width, height = snapshot.image.size
        exactly = snapshot.error if math.isfinite(snapshot.error) else None
        yield path, {"width": width, "height": height, "consistency_db": exactly}


def build() -> sending.Port:
    """The tab, inside a gr.Blocks that is built only where there is an upscaler."""
    models = load.kinds("upscaler")
    first = FIRST if FIRST in models else next(iter(models))

    size = gr.State(None)  # (width, height) of the picture, once it could be read
    spot = gr.State(None)  # (x, y) in it: the middle of the detail
    made = gr.State(None)  # the order that hangs on the wall

    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=5, min_width=320, elem_classes="bench"):
            photo = shared.photo(
                label="Your picture: click a place to see it in detail",
                height=240,
                buttons=[],
                alt_text="The picture to be enlarged",
                elem_id="upscale-photo",
            )
            strip = shared.strip(shared.titled(shared.PHOTOS), "Or begin with one of these", "upscale-examples")
            with gr.Row(elem_classes="upscale-knobs"):
                model = gr.Radio(
                    [(entry.label, name) for name, entry in models.items()],
                    value=first,
                    label="Model",
                    min_width=200,
                    elem_id="upscale-model",
                )
                scale = gr.Radio(
                    [(f"×{n}", n) for n in SCALES], value=4, label="Enlarge", min_width=140, elem_id="upscale-scale"
                )
            with gr.Row(elem_classes="knobs"):
                strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", min_width=140)
                texture = gr.Slider(
                    0, 1, 0, step=0.05, label="Blend: fidelity → texture", min_width=140, visible=_blends(first)
                )
            with gr.Accordion("More", open=False, elem_id="upscale-more"):
                consistent = gr.Dropdown(PULLS, value="auto", label="Reducing it gives your picture back")
                ensemble = gr.Checkbox(False, label="Eight looks, turned and mirrored: truer, eight times as long")
            with gr.Row(elem_classes="actions"):
                go = gr.Button("Enlarge", variant="primary", size="lg", scale=3, min_width=110, elem_id="upscale-go")
                stop = gr.Button(
                    "Stop", variant="stop", size="lg", scale=1, min_width=70, visible=False, elem_id="upscale-stop"
                )
        with gr.Column(scale=7, min_width=320, elem_classes="wall"):
            result = shared.comparison("upscale-result", "Bicubic and enlarged", 264)
            with gr.Row(elem_classes="details"):
                details = [
                    gr.Image(
                        label=label,
                        format="png",
                        height=DETAIL[1],
                        interactive=False,
                        buttons=[],
                        min_width=140,
                        alt_text=f"The detail, {label.lower()}",
                        elem_id=f"upscale-{id}",
                    )
                    for label, id in (("Bicubic, 1 : 1", "bicubic"), ("Enlarged, 1 : 1", "detail"))
                ]
            outlook = gr.Markdown(elem_classes="status")  # apart from what a run reports, which it could come after
            status = gr.Markdown("Choose a picture, enlarge it.", elem_classes="status")
            take = sending.take("upscale")
    below = gr.Column()
    note = gr.Markdown(_note(models, first), elem_classes="note")

    # --- events -----------------------------------------------------------------------------------------

    knobs = [model, scale, strength, texture, consistent, ensemble]
    choice = {photo, *knobs}

    def ordered(given: dict) -> Order:
        """What stands on the bench."""
        blended = given[texture] if _blends(given[model]) else 0
        return Order(shared.needed(given[photo]), *((given | {texture: blended})[knob] for knob in knobs))

    def forecast(order: Order, found: tuple[int, int]) -> str:
        large = tuple(order.scale * side for side in found)
        seconds = shared.duration(max(0.1, order.seconds(found)))
        sizes = {"size": shared.size(found), "large": shared.size(large)}
        return say("{size} to {large} · takes about {seconds}", seconds=seconds, **sizes)

    def look(given: dict) -> Iterator[dict]:
        """Reads a picture as soon as it is chosen, so that a bad one is said before anybody waits for it."""
        yield {size: None, spot: None, outlook: "", status: "", details[0]: None, details[1]: None}
        if given[photo]:
            with shared.sentences():
                picture = pictures.open(given[photo])
                yield {size: picture.size, spot: _busiest(picture)} | foresee(given | {size: picture.size})

    def foresee(given: dict) -> dict:
        if not given[size]:
            return {outlook: gr.skip()}
        try:
            with shared.sentences():
                return {outlook: forecast(ordered(given), given[size])}
        except gr.Error as error:  # a picture that is too large for this: said quietly, before the click
            return {outlook: error.message}

    def point_out(model_: str) -> dict:
        told = {texture: gr.Slider(visible=_blends(model_))}
        with shared.sentences():
            return told | {note: _note(models, model_)}

    def magnify(given: dict) -> dict:
        """The two details: only what they show is enlarged, with the pixels that it will have in the whole."""
        if not given[spot] or not given[photo]:
            return {details[0]: gr.skip()}
        with shared.sentences(), shared.decoding:
            order, picture = ordered(given), pictures.open(given[photo])
            box = _around(given[spot], picture.size, order.scale, DETAIL)
            keywords = order.keywords | {"box": box}
            return {
                details[0]: order.task(picture, **(keywords | {"strength": 0, "consistent": False})),
                details[1]: order.task(picture, **keywords),
            }

    def show(given: dict) -> Iterator[dict]:
        with shared.sentences():
            order = ordered(given)
            picture = pictures.open(order.source)
            yield {
                status: say("Working …"),
                stop: gr.Button(visible=True),
                take.row: gr.Row(visible=False),
                made: order,
            }
            start = time.perf_counter()
            for snapshot in order.run(picture):
                if snapshot.image is None:
                    done = {"done": snapshot.done, "total": snapshot.total}
                    yield {status: say("{label}, {done} of {total} tiles …", label=order.label, **done)}
            taken = shared.duration(time.perf_counter() - start)
            told = say(
                "**{label}** · {size} · made in {taken} · reduced again, {exactly}",
                label=order.label,
                size=shared.size(snapshot.image.size),
                taken=taken,
                exactly=_exactly(snapshot.error),
            )
            both = _compared(order, picture, snapshot.image, given[spot] or _busiest(picture))
            if both[1].size != snapshot.image.size:
                told = f"{told} · {say('shown is the part around the detail')}"
            yield {
                result: tuple(shared.write(p, order.file, "webp", quality=95) for p in both),
                status: told,
                take.row: gr.Row(visible=True),
                stop: gr.Button(visible=False),
            }

    def make(given: dict, path: str, *saving: object) -> several.Steps:
        return sending.made(ordered(given | {photo: path}), *saving)

    private = {"api_visibility": "private"}
    quiet = {"show_progress": "hidden", **private}
    net = shared.MODEL | private
    told = [size, spot, outlook, status, *details]
    magnified = {"fn": magnify, "inputs": choice | {spot}, "outputs": details} | shared.AT_ONCE | quiet
    photo.change(look, choice, told, **shared.LOOK, **quiet).success(**magnified)
    photo.select(_pointed, None, spot, queue=False, **quiet).success(**magnified)
    strip.select(_example, None, photo, queue=False, **private)
    model.change(point_out, model, [texture, note], queue=False, **quiet)
    turned = [knob.change for knob in knobs]
    gr.on(turned, foresee, choice | {size}, outlook, trigger_mode="always_last", **shared.AT_ONCE, **quiet)
    gr.on(turned, **magnified, trigger_mode="always_last")
    run = go.click(show, choice | {spot}, [result, status, stop, take.row, made], show_progress_on=result, **net)
    run.then(lambda: gr.Button(visible=False), None, stop, queue=False, **private)  # after an error too
    shared.stoppable(stop, status, [run])
    with below:
        several.panel("upscale", choice, make, "enlarged.zip")
    _endpoint()

    def settle(told: Recipe) -> tuple[dict, list[str]]:
        """The controls as a recipe has them."""
        whole = sum(net.share for net in told.nets[0])
        shares = {recipes.checkpoint(net.name)[1]: net.share / whole for net in told.nets[0]}
        wanted = {
            model: next(iter(shares)),
            texture: shares.get(CRISP, 0) if len(shares) > 1 else 0,
            scale: told.options.get("scale"),
            strength: told.options.get("strength"),
            consistent: next((name for name, pull in PULL.items() if pull is told.options.get("consistent")), None),
            ensemble: told.options.get("ensemble", False),
        }
        return recipes.fitting(wanted)

    return sending.port(photo, take, made, status, settle=settle, controls=knobs)


def _endpoint() -> None:
    """The API. Its event has a button that nobody sees, and components of its own, which say what may be given."""
    hidden = {"visible": False}
    gr.Button(visible=False).click(
        upscale,
        [
            shared.photo(label="Picture", **hidden),
            gr.Textbox(FIRST, label="Model", **hidden),
            gr.Number(4, label="Scale", **hidden),
            gr.Number(1, label="Strength", **hidden),
            gr.Number(0, label="Texture", **hidden),
            gr.Textbox("auto", label="Consistent", **hidden),
            gr.Textbox("png", label="Format", **hidden),
            gr.Checkbox(False, label="Keep metadata", **hidden),
            gr.Checkbox(True, label="Recipe in the file", **hidden),
            gr.Checkbox(False, label="Ensemble", **hidden),
        ],
        [gr.Image(format="png", label="Enlarged", **hidden), gr.JSON(label="What is known of it", **hidden)],
        api_name="upscale",
        **shared.MODEL,
    )


def _note(models: dict[str, load.Entry], model: str) -> str:
    kinds = "\n\n".join(say(text) for name, text in KINDS.items() if name in models)
    return say(NOTE, kinds=kinds, card=load.kind("upscaler", model))


def _blends(model: str) -> bool:
    """Whether there is a net to blend this one with."""
    return model == FIRST and CRISP in load.kinds("upscaler")


def _example(event: gr.SelectData) -> str:
    return str(shared.PHOTOS[event.index])


def _pointed(event: gr.SelectData) -> tuple[int, int]:
    x, y = event.index
    return int(x), int(y)


def _busiest(picture: Image.Image) -> tuple[int, int]:
    """The middle of the place with the most edges, which tells most about how it is enlarged."""
    small = pictures.thumbnail(picture, 256).convert("L")
    grey = np.asarray(small, int)
    edges = abs(np.diff(grey, axis=0, append=grey[-1:])) + abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    around = Image.fromarray(edges.clip(0, 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(max(small.size) // 12))
    y, x = np.unravel_index(np.asarray(around).argmax(), grey.shape)
    return int((x + 0.5) * picture.width / small.width), int((y + 0.5) * picture.height / small.height)


def _compared(
    order: Order, picture: Image.Image, large: Image.Image, spot: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
    """Bicubic and enlarged, pixel for pixel: as a whole, or of a large one the part around a place in the picture."""
    box = (0, 0, *picture.size)
    if max(large.size) > shared.PREVIEW:
        box = _around(spot, picture.size, order.scale, COMPARED)
    before = order.task(picture, scale=order.scale, strength=0, consistent=False, box=box)
    return before, large.crop([order.scale * side for side in box])


def _around(
    spot: tuple[int, int], size: tuple[int, int], scale: int, shown: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The box of a picture, around a place in it, that fills so many pixels once it is enlarged."""
    width, height = (min(side, math.ceil(s / scale)) for side, s in zip(size, shown, strict=True))
    left = min(max(0, spot[0] - width // 2), size[0] - width)
    top = min(max(0, spot[1] - height // 2), size[1] - height)
    return left, top, left + width, top + height


def _exactly(error: float) -> str:
    if not math.isfinite(error):
        return say("exactly your picture")
    return say("{error} dB from your picture", error=f"{error:.1f}")
