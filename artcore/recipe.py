"""What made a picture, inside its file: written as XMP, which PNG, JPEG, WebP and TIFF have a place for, and read back.

A recipe names the nets, the options and, by their hashes, the pictures; it holds no path, no file's name and nothing
of a photo's own metadata. A task signs what it makes, :func:`artcore.image.encode` writes it into the file, and
:func:`read` believes nothing that it finds there before it was checked.
"""

from __future__ import annotations

import hashlib
import html
import json
import math
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from PIL import Image

from artcore import __version__

VERSION = 1  # of what is written; read refuses a later one
MOST = 32_768  # bytes of a recipe; with what XMP adds it fits a segment of a JPEG
TASKS = ("painter", "style", "colorizer", "upscaler", "chain")
STEPS = 16  # of a chain
OPEN, CLOSE = "<artcore:recipe>", "</artcore:recipe>"
PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:artcore="urn:artcore:recipe">'
    + OPEN
    + "{}"
    + CLOSE
    + '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}(/[\w.+-]{1,99})?(@[\w.+-]{1,99})?", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEXT = 2000  # characters of a text among the options
_BREAKS = str.maketrans("\n\t", "  ")


class RecipeError(ValueError):
    """A recipe that can't be read or followed; the message says why, and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """A net, or its share of a mix: a catalog name or "org/name@commit", and the sha256 of its file; either is None
    where there is none."""

    name: str | None = None
    sha256: str | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Reference:
    """A picture that is not in the recipe: sha256 of its file, or of its pixels where it came as no file, and its
    size (width, height)."""

    sha256: str
    size: tuple[int, int]
    pixels: bool = False


@dataclass(frozen=True)
class Recipe:
    """What made a picture.

    Args:
        task: one of :data:`TASKS`.
        nets: each as the checkpoints that are mixed in it; a painter's first, then those of its regions.
        input: the picture that it was made of; None of a chain's steps.
        options: the task's keywords by name, the seed among them: numbers, texts, yes and no, None, lists of numbers.
        pictures: by what they are for ("style", "mask", "hints", "noise", "start").
        steps: of a chain.
        ran: how many steps of each scale a style transfer really went.
        run: what it ran on, as artcore.runtime.described tells; empty where it was more than one machine.
        file: how the file was written: format, and where they matter quality, exif, icc.
        artcore: the version.
    """

    task: str
    nets: tuple[tuple[Checkpoint, ...], ...] = ()
    input: Reference | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, tuple[Reference, ...]] = field(default_factory=dict)
    steps: tuple[Recipe, ...] = ()
    ran: tuple[int, ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)
    file: Mapping[str, Any] = field(default_factory=dict)
    artcore: str = __version__

    def to_json(self) -> str:
        """The same recipe gives the same text: ASCII, without spaces, what is empty left out."""
        return json.dumps({"version": VERSION, **_told(self)}, sort_keys=True, separators=(",", ":"))

    def packet(self, **file: object) -> bytes | None:
        """The XMP packet of a file that is written so; None of a recipe too long for any reader."""
        text = replace(self, file=file).to_json()
        return PACKET.format(html.escape(text, quote=False)).encode() if len(text) <= MOST else None

    @classmethod
    def from_json(cls, text: str | bytes) -> Recipe:
        """Raises RecipeError for what is no recipe, or one of a later version."""
        if len(text) > MOST:
            raise _damaged("too long")
        try:
            told = json.loads(text, parse_constant=_no_number)
            version = told.pop("version", None)
            if type(version) is int and version > VERSION:
                raise RecipeError("This recipe was written by a newer artcore: update artcore to read it.")
            if type(version) is not int or version < 1:
                raise _damaged("no version")
            return _recipe(told)
        except RecipeError:
            raise
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError) as error:
            raise _damaged(type(error).__name__) from error


def read(source: str | os.PathLike | bytes) -> Recipe | None:
    """The recipe in a picture's file (path or bytes); None where there is none.

    The file is searched for the packet, as XMP allows, and never decoded: any format will do, and no decoder of
    metadata can be reached.

    Raises:
        RecipeError: the file can't be read, or holds a recipe that is damaged or of a later version.
    """
    if isinstance(source, bytes):
        found = _found(source)
    else:
        try:
            with open(source, "rb") as file:
                if not os.fstat(file.fileno()).st_size:
                    return None
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    found = _found(data)
        except (OSError, ValueError) as error:
            raise RecipeError("The file can't be read: choose a picture's file that you may read.") from error
    if found is None:
        return None
    try:
        return Recipe.from_json(html.unescape(found.decode()))
    except UnicodeDecodeError as error:
        raise _damaged("no text") from error


def _found(data: bytes | mmap.mmap) -> bytes | None:
    start = data.find(OPEN.encode())
    if start < 0:
        return None
    start += len(OPEN)
    longest = 6 * MOST  # every character of it escaped
    end = data.find(CLOSE.encode(), start, start + longest)
    if end < 0:
        raise _damaged("cut short")
    return data[start:end]


def sign(picture: Image.Image, recipe: Recipe | None) -> Image.Image:
    """The same picture, which now knows what made it: artcore.image.encode writes that into its file.

    An attribute and no entry of ``info``, since Pillow hands that on to whatever is cut from a picture, and a recipe is
    true of this one alone. For the same reason it is no longer the file that it may have been read from.
    """
    picture.recipe = recipe
    picture.sha256 = None
    return picture


def of(picture: Image.Image) -> Recipe | None:
    """What a task has signed a picture with."""
    return getattr(picture, "recipe", None)


def reference(picture: Image.Image) -> Reference:
    """How a recipe speaks of a picture that artcore.image.open has read."""
    known = getattr(picture, "sha256", None)
    return Reference(known or pixels(picture), picture.size, known is None)


def pixels(picture: Image.Image) -> str:
    """sha256 of a picture's mode, size and pixels."""
    digest = hashlib.sha256(f"{picture.mode} {picture.width} {picture.height} ".encode())
    digest.update(picture.tobytes())
    return digest.hexdigest()


def net(model: object) -> tuple[Checkpoint, ...]:
    """The checkpoints of a net that artcore.load has loaded, of another one that it has none."""
    return getattr(model, "checkpoints", (Checkpoint(),))


# --- JSON: what is read is checked field by field ------------------------------------------------------------


def _told(value: object) -> object:
    """A recipe's part as JSON has it."""
    if isinstance(value, Recipe | Checkpoint | Reference):
        told = {f.name: _told(getattr(value, f.name)) for f in fields(value)}
        return {name: part for name, part in told.items() if part not in (None, {}, []) and part is not False}
    if isinstance(value, Mapping):
        return {name: _told(part) for name, part in value.items()}
    return [_told(part) for part in value] if isinstance(value, list | tuple) else value


def _recipe(told: dict[str, Any], step: bool = False) -> Recipe:
    _check(isinstance(told, dict) and set(told) <= {f.name for f in fields(Recipe)}, "unknown fields")
    task = told["task"]
    _check(task in TASKS and not (step and task == "chain"), "its task")
    made = Recipe(
        task,
        tuple(tuple(map(_checkpoint, _list(mixed))) for mixed in _list(told.get("nets", []))),
        _reference(told["input"]) if "input" in told else None,
        {name: _option(value) for name, value in _named(told.get("options", {}))},
        {name: tuple(map(_reference, _list(value))) for name, value in _named(told.get("pictures", {}))},
        tuple(_recipe(part, True) for part in _list(told.get("steps", []), 0 if step else STEPS)),
        tuple(_whole(n, 0, 10**6) for n in _list(told.get("ran", []))),
        {name: _option(value) for name, value in _named(told.get("run", {}))},
        {name: _option(value) for name, value in _named(told.get("file", {}))},
        _option(told["artcore"]),
    )
    _check(isinstance(made.artcore, str), "its version")
    _check(bool(made.steps) if task == "chain" else bool(made.nets) and all(made.nets), "its nets")
    _check(step == (made.input is None), "its input")
    return made


def _checkpoint(told: dict[str, Any]) -> Checkpoint:
    name, digest, share = told.get("name"), told.get("sha256"), told.get("share", 1.0)
    _check(name is None or isinstance(name, str) and bool(_NAME.fullmatch(name)) and ".." not in name, "a name")
    _check(digest is None or isinstance(digest, str) and bool(_DIGEST.fullmatch(digest)), "a sha256")
    _check(type(share) in (int, float) and 0 < share <= 1e6, "a share")
    return Checkpoint(name, digest, float(share))


def _reference(told: dict[str, Any]) -> Reference:
    digest, size, by_pixels = told["sha256"], _list(told["size"]), told.get("pixels", False)
    _check(isinstance(digest, str) and bool(_DIGEST.fullmatch(digest)), "a sha256")
    _check(len(size) == 2 and isinstance(by_pixels, bool), "a picture")
    return Reference(digest, tuple(_whole(side, 1, 10**6) for side in size), by_pixels)


def _named(told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    _check(isinstance(told, dict) and len(told) <= 64, "a list of options")
    for name, value in told.items():
        _check(bool(_WORD.fullmatch(name)), "an option's name")
        yield name, value


def _option(value: object) -> object:
    if isinstance(value, list):
        return [_option(part) for part in _list(value) if not isinstance(part, list | dict)]
    good = value is None or isinstance(value, bool | int | float)
    if isinstance(value, str):
        good = len(value) <= _TEXT and value.translate(_BREAKS).isprintable()  # no commands to a terminal
    elif good and value is not None:
        good = math.isfinite(value) and abs(value) <= 1e12
    _check(good, "an option")
    return value


def _whole(value: object, least: int, most: int) -> int:
    _check(type(value) is int and least <= value <= most, "a number")
    return value


def _list(value: object, most: int = 64) -> list:
    _check(isinstance(value, list) and len(value) <= most, "a list")
    return value


def _no_number(text: str) -> None:
    raise _damaged(f"{text} is no number")


def _check(good: bool, what: str) -> None:
    if not good:
        raise _damaged(what)


def _damaged(what: str) -> RecipeError:
    return RecipeError(f"The recipe in this file is damaged ({what}): choose the file as it was made.")
