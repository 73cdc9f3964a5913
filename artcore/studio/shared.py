"""What every tab uses: loaded tasks, sentences instead of tracebacks, files for the browser."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder
from PIL import Image, ImageDraw, ImageFont

from artcore import image as pictures
from artcore.load import Entry, weights
from artcore.load import load as load_task

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
FORMATS = [("PNG", "png"), ("JPEG", "jpeg"), ("WebP", "webp")]
PREVIEW = 1600  # pixels of the longer side of what is only looked at
# Events that run a net wait in one line: two nets at once are slower than one after the other.
MODEL = {"concurrency_id": "model", "concurrency_limit": 1}
# Decoding alone; two at a time, since 64 megapixels take 200 MB each.
LOOK = {"concurrency_id": "look", "concurrency_limit": 2}

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
    original = component.preprocess

    def preprocess(payload: ImageData | None) -> str | None:
        if payload is None or payload.path is None or (payload.url or "").startswith("data:"):
            return original(payload)
        return payload.path

    component.preprocess = preprocess
    return component


def task(name: str) -> Callable:
    """The task of a catalog name, loaded at its first use and kept; a failure is tried again next time."""
    with _loading:
        if name not in _tasks:
            _tasks[name] = load_task(name)
        return _tasks[name]


@contextmanager
def sentences() -> Iterator[None]:
    """Turns what goes wrong in a handler into a sentence for the visitor.

    Our own errors are such sentences already. Anything else is logged under a number that the visitor sees,
    and nothing of it is shown.
    """
    try:
        yield
    except gr.Error:
        raise
    except MemoryError as error:
        raise _error("There is not enough memory for this picture just now: try a smaller one.") from error
    except Exception as error:
        if isinstance(error, ValueError) and type(error).__module__.startswith("artcore."):
            # A visitor need not know where on this machine the weights lie.
            raise _error(str(error).replace(str(weights()), "weights")) from error
        number = secrets.token_hex(3)
        _log.exception("Error %s", number)
        raise _error(
            f"Something went wrong here (error {number}): try again, and report that number if it stays."
        ) from error


def _error(sentence: str) -> gr.Error:
    return gr.Error(sentence, title="That did not work", print_exception=False)


def write(picture: Image.Image, name: str, format: str, *, quality: int = 90, metadata: bool = False) -> str:
    """Path of a new file in Gradio's folder, from where it may be served and where delete_cache finds it."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    path = folder / f"{name}.{'jpg' if format == 'jpeg' else format}"
    pictures.save(picture, path, quality=quality, exif=metadata, icc=metadata)
    return str(path)


def preview(picture: Image.Image, name: str) -> str:
    """Path of a small file of the picture, quick to encode and to send."""
    return write(pictures.thumbnail(picture, PREVIEW), name, "webp")


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
        return "under 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
