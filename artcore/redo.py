"""A picture made again by the recipe in its file: the same bytes on the same machine, or a sentence why not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artcore import image, load, recipe, runtime
from artcore.recipe import Checkpoint, Recipe, Reference
from artcore.tasks.chain import Chain
from artcore.tasks.colorize import Adjustments, Colorizer, Colouring, blend
from artcore.tasks.painter import Painter
from artcore.tasks.style import StyleOptions, StyleTransfer
from artcore.tasks.upscale import Upscaler

KINDS = {"painter": Painter, "style": StyleTransfer, "colorizer": Colorizer, "upscaler": Upscaler}
# What a different machine is asked to do about it, where something can be done.
SETTINGS = {"dtype": "ARTCORE_DTYPE", "threads": "ARTCORE_THREADS"}

Given = Mapping[str, Sequence[Path]]


class RedoError(ValueError):
    """A picture that can't be made again; the message says why, and what to give."""


def redo(
    source: bytes, given: Given, *, models: Sequence[str] = (), format: str | None = None, anyway: bool = False
) -> bytes:
    """Make a picture again.

    Args:
        source: the bytes of its file, with a recipe.
        given: the pictures that it was made of: {"input": [path], "style": [...], "mask": [...], "hints": [...],
            "noise": [...], "start": [...]}. They are known by their hashes, whatever they are given as.
        models: folders or Hub repositories of checkpoints that the catalog does not have.
        format: of the new file; None is that of the recipe. Quality and metadata are as they were.
        anyway: do it with what there is: other checkpoints of the same names, other pictures, in the order in which
            they are given, and on another machine; the bytes may then be others.

    Returns:
        The bytes of the new file.

    Raises:
        RedoError: something is missing or other than it was; and what artcore.load and the task itself raise.
        artcore.recipe.RecipeError: the recipe is damaged, or of a later version.
    """
    made = recipe.read(source)
    if made is None:
        raise RedoError("There is no recipe in this file: give one that artcore has made, with its recipe.")
    if not anyway:
        _check_machine(made.run)
    shelf = _Shelf(given, anyway)
    try:
        found = _made(made, shelf.find(made.input, "input"), shelf, _Nets(models, anyway))
    except TypeError as error:  # a keyword that there is not
        raise RedoError(f"Its recipe has options that this version does not know ({error}): update artcore.") from error
    kept = {name: made.file[name] for name in ("quality", "exif", "icc") if name in made.file}
    return found(format or str(made.file.get("format", "PNG")), **kept)


def difference(a: bytes, b: bytes) -> str:
    """How two files of one picture differ, as words that go before the name of the first."""
    one, other = (image.open(data) for data in (a, b))
    if (one.size, one.mode) != (other.size, other.mode):
        return "another size or transparency than"
    apart = np.abs(np.asarray(one, int) - np.asarray(other, int))
    if not apart.any():
        return "the same pixels, in other bytes, as"
    part = 100 * (apart.max(-1) > 0).mean()
    return f"{part:.1f} % of the pixels differ, by up to {apart.max()} of 255, from"


def _check_machine(run: Mapping[str, Any]) -> None:
    here = runtime.described()
    if not run:
        raise RedoError("It was made on more than one machine, so its bytes can't be promised: add --anyway.")
    others = [name for name in here if run.get(name) != here[name]]
    if others:
        told = " and ".join(f"{name} {run.get(name)} instead of {here[name]}" for name in others)
        help_ = " and ".join(f"set {SETTINGS[n]}={run.get(n)}" for n in others if n in SETTINGS)
        settable = all(name in SETTINGS for name in others)
        raise RedoError(
            f"It was made with {told}, so bytes may differ: {f'{help_}, or ' if settable else ''}add --anyway."
        )


class _Shelf:
    """The pictures that were given, each found by its hash."""

    def __init__(self, given: Given, anyway: bool):
        self.given, self.anyway = {role: list(paths) for role, paths in given.items()}, anyway
        self.taken = dict.fromkeys(self.given, 0)  # of each kind, by turn

    @functools.cached_property
    def _opened(self) -> list[tuple[Path, Image.Image]]:
        return [(path, image.open(path)) for paths in self.given.values() for path in paths]

    def find(self, wanted: Reference, role: str) -> Path | Image.Image:
        """Its path; the picture itself where the recipe knows it by its pixels, as the new one then does too."""
        turn = self.taken[role] = self.taken.get(role, 0) + 1
        for path, picture in self._opened:
            if picture.size != wanted.size:
                continue
            if wanted.pixels and wanted.sha256 == recipe.pixels(picture):
                return picture.copy()
            if not wanted.pixels and wanted.sha256 == picture.sha256:
                return path
        paths, size = self.given.get(role, []), f"{wanted.size[0]} x {wanted.size[1]}"
        what = f"The {role} that it was made of" if role == "input" else f"{role.capitalize()} {turn} of its recipe"
        if len(paths) < turn:
            raise RedoError(f"{what} is not given: add --{role} with that picture of {size} pixels.")
        if not self.anyway:
            raise RedoError(
                f"{what} is another picture, of {size} pixels and sha256 {wanted.sha256[:12]}…: give that one with"
                f" --{role}, or add --anyway."
            )
        return paths[turn - 1]

    def all(self, made: Recipe, role: str) -> list[Path | Image.Image]:
        return [self.find(wanted, role) for wanted in made.pictures.get(role, ())]


class _Nets:
    """The nets of a recipe, each as a task; loaded once."""

    def __init__(self, models: Sequence[str], anyway: bool):
        self.models, self.anyway = list(models), anyway
        self.loaded: dict[tuple[Checkpoint, ...], Callable] = {}
        self.more: dict[str, str] = {}  # sha256 -> model, of those that the catalog does not have

    def task(self, made: Recipe, n: int = 0) -> Any:
        net = made.nets[n]
        if net not in self.loaded:
            self.loaded[net] = self._load(net)
        task = self.loaded[net]
        if not isinstance(task, KINDS[made.task]):
            raise RedoError(f"{net[0].name} is no {made.task}: the recipe was changed, so give the file as it was.")
        return task

    def _load(self, net: tuple[Checkpoint, ...]) -> Callable:
        if net[0].name == "vgg19":
            task = StyleTransfer("vgg19")
            self._check(net[0], recipe.net(task.model)[0])
            return task
        sources = [self._source(checkpoint) for checkpoint in net]
        if len(set(sources)) < len(sources):
            raise RedoError("Two checkpoints of its mix are one here: give the others with --model.")
        if len(net) == 1:
            name, _, revision = sources[0].partition("@") if not Path(sources[0]).is_dir() else (sources[0], "", "")
            task = load.load(name, revision=revision or None)
        else:
            task = load.mix(dict(zip(sources, (checkpoint.share for checkpoint in net), strict=True)))
        for wanted, found in zip(net, recipe.net(task.model), strict=True):
            self._check(wanted, found)
        if [c.sha256 for c in net] == [c.sha256 for c in recipe.net(task.model)]:
            task.model.checkpoints = net  # the same weights, by the names that the recipe has
        return task

    def _source(self, wanted: Checkpoint) -> str:
        """A name of the catalog, a folder or a repository that has this checkpoint, or one of its name."""
        if wanted.sha256 is None:
            raise RedoError("It was made with a net that was no checkpoint, so nothing can load it again.")
        for model in self.models:
            if model not in self.more.values():
                self.more[recipe.net(load.load(model).model)[0].sha256] = model
        if wanted.sha256 in self.more:
            return self.more[wanted.sha256]
        entries = load.catalog()
        alike = [entry.name for entry in entries.values() if entry.sha256 == wanted.sha256]
        if alike:
            return alike[0]
        if wanted.name in entries:
            return wanted.name
        if wanted.name and "@" in wanted.name:
            return wanted.name
        if self.anyway and self.models:
            return self.models.pop(0)
        raise RedoError(
            f"The checkpoint of sha256 {wanted.sha256[:12]}… is not in the catalog: give its folder with --model."
        )

    def _check(self, wanted: Checkpoint, found: Checkpoint) -> None:
        if wanted.sha256 != found.sha256 and not self.anyway:
            raise RedoError(
                f"{wanted.name or 'Its net'} has other weights here (sha256 {found.sha256[:12]}… instead of"
                f" {str(wanted.sha256)[:12]}…): give those that it was made with by --model, or add --anyway."
            )


def _made(made: Recipe, source: Path | Image.Image, shelf: _Shelf, nets: _Nets) -> Callable[..., bytes]:
    """Does it; returns what writes the file."""
    if made.task == "colorizer":
        colouring, adjustments = _colouring(made, source, shelf, nets)
        return functools.partial(colouring.encode, adjustments=adjustments)
    if made.task == "chain":
        picture = Chain([_call(step, shelf, nets) for step in made.steps])(source)
    else:
        task, keywords = _call(made, shelf, nets)
        styles = [keywords.pop("styles")] if "styles" in keywords else []
        picture = task(source, *styles, **keywords)
    return functools.partial(image.encode, picture)


def _call(made: Recipe, shelf: _Shelf, nets: _Nets) -> tuple[Any, dict[str, Any]]:
    """A task and its keywords."""
    task, options, masks = nets.task(made), dict(made.options), shelf.all(made, "mask")
    if made.task == "style":
        starts = shelf.all(made, "start")
        given = {"styles": shelf.all(made, "style"), "masks": masks or None, "init": starts[0] if starts else None}
        return task, given | {"options": StyleOptions.of(options), "ran": list(made.ran)}
    if made.task == "painter":
        others = [nets.task(made, n) for n in range(1, len(made.nets))]
        return task, options | {"regions": _pairs(others, masks)}
    if made.task == "colorizer":
        looks = {f.name: options.pop(f.name) for f in fields(Adjustments) if f.name in options}
        known = {role: paths[0] for role in ("hints", "noise") if (paths := shelf.all(made, role))}
        regions = _pairs(masks, options.pop("region_seeds", []))
        return task, options | known | {"regions": regions, "adjustments": Adjustments(**looks)}
    return task, options


def _pairs(one: list, other: list) -> list[tuple]:
    if len(one) != len(other):
        raise RedoError("Its recipe has not one mask for each region: give the file as it was made.")
    return list(zip(one, other, strict=True))


def _colouring(made: Recipe, source: Path | Image.Image, shelf: _Shelf, nets: _Nets) -> tuple[Colouring, Adjustments]:
    """Not yet a picture, since it alone can write 16 bits."""
    task, keywords = _call(made, shelf, nets)
    adjustments, share = keywords.pop("adjustments"), keywords.pop("blend_share", None)
    other = keywords.pop("blend_seed", None)
    colouring = task.colour(source, **keywords)
    if share is not None:
        colouring = blend(colouring, task.colour(source, **keywords | {"seed": other}), share)
    return colouring, adjustments
