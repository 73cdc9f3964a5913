"""What every tab uses: loaded tasks, sentences instead of tracebacks, files for the browser."""

from __future__ import annotations

import base64
import errno
import functools
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder
from PIL import Image, ImageColor, ImageDraw, ImageFont

from artcore import image as pictures
from artcore import recipe as recipes
from artcore.load import Entry, mix, weights
from artcore.load import load as load_task
from artcore.studio.words import say

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
PHOTOS = sorted(EXAMPLES.glob("photo_*.jpg"))
FORMATS = [("PNG", "png"), ("JPEG", "jpeg"), ("WebP", "webp")]
MOST_BYTES = 50 * 2**20  # of a picture's file
PREVIEW = 1600  # pixels of the longer side of what is only looked at
# Events that run a net wait in one line: two nets at once are slower than one after the other.
MODEL = {"concurrency_id": "model", "concurrency_limit": 1}
# Decoding alone; two at a time, since 64 megapixels take 200 MB each.
LOOK = {"concurrency_id": "look", "concurrency_limit": 2}

# What answers at once and quietly, beside a run. Not queued: when a queued event ends just as another is asked for,
# Gradio 6.31 closes the stream that both share, and the browser never hears of the second.
AT_ONCE = {"queue": False}
decoding = threading.BoundedSemaphore(2)  # for such events as open whole pictures

# Files of visitors, for Gradio's delete_cache: on its own it forgets those of a session whose page has changed.
written: set[str] = set()

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # how a disk says so
NO_ROOM = "The disk of this server is full: try again later, or tell whoever runs it."

_log = logging.getLogger(__name__)
_tasks: dict[str, Callable] = {}
_loading = threading.Lock()


def photo(**options: object) -> gr.Image:
    """An image input that hands the uploaded file on as it came.

    gr.Image opens even what it passes on as a path, and answers a damaged file with an error without a text.
    Here nothing is opened before artcore.image.open, which says what is wrong. (Set on the instance: of every
    subclass of a component, Gradio writes a .pyi file beside its source.)
    """
    component = gr.Image(type="filepath", image_mode=None, sources=["upload", "clipboard"], **options)

    def preprocess(payload: ImageData | None) -> str | None:
        if payload is None:
            return None
        if (payload.url or "").startswith("data:"):
            return _unpacked(payload.url)
        return weighed(payload.path)

    component.preprocess = preprocess
    return component


def _unpacked(address: str) -> str:
    """Path of a new file of what is in a data: address, as if it had been uploaded."""
    try:
        data = base64.b64decode(address.partition(",")[2], validate=True)
    except ValueError as reason:
        raise refusal("The picture is no base64: encode the bytes of its file.") from reason
    return store(data, "picture")


def weighed(path: str) -> str:
    """The path of an uploaded picture, unless its file is too large; what a tab has made and sends to another is not
    uploaded (Gradio leaves files in its folder where they are)."""
    if path not in written and os.path.isfile(path) and os.path.getsize(path) > MOST_BYTES:
        raise refusal(f"{Path(path).name} is larger than 50 MB: save it as a JPEG, or make it smaller.")
    return path


def task(name: str) -> Callable:
    """The task of a catalog name, loaded at its first use and kept; a failure is tried again next time."""
    if name in _tasks:  # another one may be on its way from the Hub, for as long as that takes
        return _tasks[name]
    with _loading:
        if name not in _tasks:
            _tasks[name] = load_task(name)
        return _tasks[name]


def forget() -> None:
    """In a process that was forked: no task of the parent's, which is on its device, and no lock of its threads."""
    global _loading
    _loading = threading.Lock()
    _tasks.clear()


def blend(parts: dict[str, float]) -> Callable:
    """The painter between those of several catalog names, so much of each; one alone is its own."""
    return task(*parts) if len(parts) == 1 else _mixed(tuple(parts.items()))


@functools.lru_cache(8)
def _mixed(parts: tuple[tuple[str, float], ...]) -> Callable:
    return mix(dict(parts))


@contextmanager
def sentences() -> Iterator[None]:
    """Turns what goes wrong in a handler into a sentence for the visitor, in the visitor's language.

    Our own errors are such sentences already. Anything else is logged under a number that the visitor sees,
    and nothing of it is shown.
    """
    try:
        yield
    except gr.Error as told:
        told.message, told.title = brief(say(told.message)), say(told.title)
        raise
    except MemoryError as reason:
        raise refusal("There is not enough memory for this picture just now: try a smaller one.") from reason
    except Exception as reason:
        if any(isinstance(why, OSError) and why.errno in FULL for why in (reason, reason.__cause__)):
            raise refusal(NO_ROOM) from reason
        if isinstance(reason, ValueError) and type(reason).__module__.startswith("artcore."):
            # A visitor need not know where on this machine the weights lie.
            raise refusal(str(reason).replace(str(weights()), "weights")) from reason
        number = secrets.token_hex(3)
        _log.exception("Error %s", number)
        raise refusal(
            f"Something went wrong here (error {number}): try again, and report that number if it stays."
        ) from reason


def refusal(sentence: str) -> gr.Error:
    """What tells a visitor that sentence."""
    return gr.Error(brief(say(sentence)), title=say("That did not work"), print_exception=False)


def brief(sentence: str) -> str:
    """A sentence that may hold what somebody has sent: of more than a few lines, the middle is left out."""
    return sentence if len(sentence) <= 600 else f"{sentence[:300]} … {sentence[-250:]}"


def write(
    picture: Image.Image, name: str, format: str, *, quality: int = 90, metadata: bool = False, recipe: bool = True
) -> str:
    """Path of a new file in Gradio's folder, from where it may be served and where delete_cache finds it."""
    filename = f"{name}.{'jpg' if format == 'jpeg' else format}"
    return store(
        pictures.encode(picture, format, quality=quality, exif=metadata, icc=metadata, recipe=recipe), filename
    )


def written_again(path: str, format: str, recipe: bool, brought: Mapping[str, object] | None = None) -> str:
    """Path of a new file of a picture that a task has made, in another format; with the EXIF data and the colour
    profile of the ``info`` that is ``brought``."""
    picture = recipes.sign(pictures.open(path), recipes.read(path))
    picture.info |= brought or {}
    return write(picture, Path(path).stem, format, metadata=brought is not None, recipe=recipe)


def store(data: bytes, filename: str) -> str:
    """Path of a new file of these bytes, beside those of :func:`write`."""
    path = new(filename)
    try:
        pictures.write(data, path)
    except BaseException:
        written.discard(str(path))
        path.parent.rmdir()
        raise
    return str(path)


def new(filename: str) -> Path:
    """Where a new file of that name can be written, alone in its folder."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    written.add(str(folder / filename))
    return folder / filename


def preview(picture: Image.Image, name: str) -> str:
    """Path of a small file of the picture, quick to encode and to send."""
    return write(pictures.thumbnail(picture, PREVIEW), name, "webp")


def strokes(drawing: dict | None) -> Image.Image | None:
    """What a visitor brushed on a gr.ImageEditor(type="pil"), RGBA, or None where there is nothing."""
    if drawing is None or not drawing["layers"]:
        return None
    top = drawing["layers"][0]
    for layer in drawing["layers"][1:]:
        top = Image.alpha_composite(top, layer)
    return top if top.getchannel("A").getextrema()[1] > 127 else None


def brushed(drawing: dict | None, colours: Sequence[str]) -> list[Image.Image | None]:
    """The same for each colour of the brush: a grey mask, white where that colour lies on top, or None where there is
    nothing of it."""
    top = strokes(drawing)
    if top is None:
        return [None] * len(colours)
    pixels = np.asarray(top).astype(int)
    palette = np.array([ImageColor.getrgb(colour) for colour in colours])
    nearest = ((pixels[..., None, :3] - palette) ** 2).sum(-1).argmin(-1)  # a stroke's edge is a shade of it
    masks = [(nearest == n) & (pixels[..., 3] > 127) for n in range(len(colours))]
    return [Image.fromarray(mask.astype(np.uint8) * 255) if mask.any() else None for mask in masks]


def thumbnail(entry: Entry) -> str:
    """Path of the picture that stands for a checkpoint: its thumbnail.jpg, or a swatch with its label."""
    if entry.path is not None and (entry.path / "thumbnail.jpg").is_file():
        path = str(entry.path / "thumbnail.jpg")
        gr.set_static_paths([path])
        return path
    hue = sum(entry.name.encode()) * 47 % 360
    swatch = Image.new("RGB", (320, 320), f"hsl({hue}, 35%, 55%)")
    draw = ImageDraw.Draw(swatch)
    draw.rectangle((12, 12, 307, 307), outline=f"hsl({hue}, 35%, 75%)", width=3)
    draw.text((160, 150), entry.label, "white", ImageFont.load_default(30), anchor="mm", align="center")
    return write(swatch, entry.style, "webp")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 0.095:
        return say("under 0.1 s")
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def with_recipe() -> gr.Checkbox:
    """Whether a file tells what made it."""
    return gr.Checkbox(True, label="Recipe in the file", container=False, min_width=140)


def plain(text: str) -> str:
    """Text of others, such as the name of a file, that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>#~$|])", r"\\\1", text)


def weight(path: str) -> str:
    """The size of a file as people say it."""
    size = Path(path).stat().st_size
    return f"{size / 1e6:.1f} MB" if size > 1e6 else f"{size / 1e3:.0f} kB"


def size(pixels: tuple[int, int]) -> str:
    """Width and height as people read them."""
    return f"{pixels[0]} × {pixels[1]}"


def needed(path: str | None) -> str:
    """The photo that was chosen, or the sentence that there is none."""
    if not path:
        raise gr.Error("There is no photo yet: choose one, or one of the examples.", title="No photo")
    return path


def titled(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Example pictures, each with its name: photo_two_parrots.jpg is "Two parrots"."""
    return [(path, say(path.stem.partition("_")[2].replace("_", " ").capitalize())) for path in paths]


def strip(hung: Sequence[tuple[Path | str, str]], label: str, elem_id: str) -> gr.Gallery:
    """Small pictures to choose from, seen as long as there are any."""
    return gr.Gallery(
        hung,
        label=label,
        show_label=False,
        columns=6,
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        buttons=[],
        visible=bool(hung),
        elem_id=elem_id,
        elem_classes="strip",
    )


def stoppable(stop: gr.Button, status: gr.Markdown, runs: list[gr.events.Dependency]) -> gr.events.Dependency:
    """The button that ends a tab's runs, and says so; returns the event, so that something can follow."""
    quiet = {"queue": False, "api_visibility": "private"}
    stopped = stop.click(
        lambda: (gr.Button(visible=False), say("Stopped.")), None, [stop, status], cancels=runs, **quiet
    )
    return stopped.then(
        lambda: say("Stopped."),
        None,
        status,
        **quiet,  # what was on its way came after it
    )


def comparison(elem_id: str, label: str = "Photo and painting", height: int = 490) -> gr.ImageSlider:
    """Where a tab shows photo and painting side by side."""
    return gr.ImageSlider(
        label=label,
        show_label=False,
        height=height,
        max_height=height,
        interactive=False,
        buttons=["fullscreen"],
        elem_id=elem_id,
    )
