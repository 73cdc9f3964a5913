"""From a name to a task that is ready: a name of the catalog, a folder, or a Hub repository."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from artcore import hub
from artcore.hub import ArtModel, weights
from artcore.models.colorunet import ColorUNet
from artcore.models.cyclegan import CycleGAN
from artcore.models.encoder import ArtEncoder
from artcore.models.enhancenet import EnhanceNet
from artcore.models.stylenet import StyleNet, StyleTransferNetwork
from artcore.recipe import Checkpoint
from artcore.tasks.colorize import Colorizer
from artcore.tasks.painter import Painter
from artcore.tasks.style import StyleTransfer
from artcore.tasks.upscale import Upscaler

TASKS: dict[str, tuple[type[ArtModel], Callable]] = {
    "CycleGAN": (CycleGAN, Painter),
    "StyleNet": (StyleNet, Painter),
    "StyleTransferNetwork": (StyleTransferNetwork, Painter),
    "ArtEncoder": (ArtEncoder, StyleTransfer),
    "ColorUNet": (ColorUNet, Colorizer),
    "EnhanceNet": (EnhanceNet, Upscaler),
}

METHODS = ("cyclegan", "stylenet")  # of painting, best first: what method="auto" tries in turn


class LoadError(ValueError):
    """A checkpoint that can't be found or used; the message says what to do."""


@dataclass(frozen=True)
class Entry:
    """One line of weights/catalog.json: a checkpoint that a release vouches for."""

    name: str  # "method.style"
    task: str  # "painter", "features"
    label: str  # what people read
    folder: str | None = None  # beside catalog.json, when it ships
    sha256: str | None = None  # of model.safetensors
    repo: str | None = None  # on the Hub
    revision: str | None = None  # commit that is pinned
    licence: str = ""

    @property
    def path(self) -> Path | None:
        """Folder of the shipped checkpoint, if it is there."""
        path = weights() / self.folder if self.folder else None
        return path if path and path.is_dir() else None

    @property
    def method(self) -> str:
        """What comes before the dot of the name."""
        return self.name.partition(".")[0]

    @property
    def style(self) -> str:
        """What comes behind it."""
        return self.name.partition(".")[2]


def catalog() -> dict[str, Entry]:
    """All entries of weights/catalog.json by name, in the file's order; empty when there is no file.

    Raises:
        LoadError: the file can't be read as a catalog.
    """
    path = weights() / "catalog.json"
    if not path.is_file():
        return {}
    known = {f.name for f in fields(Entry)}
    try:
        lines = json.loads(path.read_text(encoding="utf-8"))
        return {name: Entry(name, **{k: v for k, v in line.items() if k in known}) for name, line in lines.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LoadError(f"weights/catalog.json can't be read ({error}); restore it from a release.") from error


def styles(method: str = "auto") -> dict[str, Entry]:
    """The styles a painter task is there for: {style: entry}, each by the best method that has it.

    Raises:
        LoadError: no such method.
    """
    if method != "auto" and method not in METHODS:
        raise LoadError(f"There is no method {method!r}; choose from auto, {', '.join(METHODS)}.")
    found: dict[str, Entry] = {}
    for wanted in METHODS if method == "auto" else (method,):
        for entry in catalog().values():
            if entry.task == "painter" and entry.method == wanted:
                found.setdefault(entry.style, entry)
    return found


def kinds(task: str) -> dict[str, Entry]:
    """The checkpoints there are for a task: {what comes behind the dot of the name: entry}, in the catalog's order."""
    return {entry.style: entry for entry in catalog().values() if entry.task == task}


def kind(task: str, name: str) -> str:
    """The catalog name for one of :func:`kinds`, such as "enhancenet.fidelity" for ("upscaler", "fidelity").

    Raises:
        LoadError: no such kind.
    """
    available = kinds(task)
    if name not in available:
        told = ", ".join(available) or "none: no weights"
        raise LoadError(f"There is no {task} {name!r}; choose from {told}.")
    return available[name].name


def pick(style: str, method: str = "auto") -> str:
    """The catalog name that paints a style, such as "stylenet.vangogh" for ("vangogh", "auto").

    Raises:
        LoadError: no such method, or no such style with it.
    """
    available = styles(method)
    if style not in available:
        raise LoadError(f"There is no style {style!r}; choose from {', '.join(available) or 'none: no weights'}.")
    return available[style].name


def load(source: str | os.PathLike, *, revision: str | None = None) -> Callable:
    """A task, ready to be called with a picture.

    Args:
        source: a name of the catalog ("stylenet.vangogh"), a checkpoint folder, or a Hub repo id ("org/name").
        revision: branch, tag or commit of a Hub repository; the catalog pins its own.

    Returns:
        The task of the checkpoint's architecture, for instance a :class:`artcore.tasks.painter.Painter`.

    Raises:
        LoadError: an unknown name, or shipped weights that are missing or damaged.
        artcore.hub.HubError: the folder or repository can't be loaded.
    """
    model, task = _model(source, revision)
    return task(model)


def parts(style: str, shares: dict[str, float] | None = None, method: str = "auto") -> dict[str, float]:
    """What :func:`mix` takes for a style with shares of others: catalog names, and how much of each.

    Args:
        style: has what the others leave of 1.
        shares: {style: share} of further painters.
        method: "auto" takes the best method that has all of them, since only nets of one kind can be mixed.

    Raises:
        LoadError: shares that come to more than 1, no such method, or no such style with it.
    """
    shares = shares or {}
    rest = 1 - sum(shares.values())
    if not rest > -1e-6 or min(shares.values(), default=0) < 0:
        told = " and ".join(f"{share:g} of {other}" for other, share in shares.items())
        raise LoadError(f"A mix with {told} is more than whole; give shares from 0 to 1 that come to 1 at most.")
    amounts = {style: rest}
    for other, share in shares.items():
        amounts[other] = amounts.get(other, 0) + share
    amounts = {name: amount for name, amount in amounts.items() if amount > 1e-6}
    if method == "auto":
        method = next((m for m in METHODS if amounts.keys() <= styles(m).keys()), method)
    return {pick(name, method): amount for name, amount in amounts.items()}


def mix(shares: Mapping[str, float]) -> Callable:
    """A task between tasks, such as a painter between painters: its net's weights are the weighted mean of theirs.

    That does something between them only where the nets were fine-tuned from one start, as those that ship
    under one method are; nets trained apart have their channels in different orders.

    Args:
        shares: {source: share}, sources as for :func:`load`. Shares are 0 or more and needn't sum to 1.

    Raises:
        LoadError: no shares, a share that is no number from 0, or sources that are not of one task and
            architecture with the same constructor arguments; and as :func:`load` for each source.
        artcore.hub.HubError: as :func:`load` for each source.
    """
    if not isinstance(shares, Mapping) or not shares:
        raise LoadError('There is nothing to mix; give shares such as {"stylenet.monet": 2, "stylenet.vangogh": 1}.')
    for name, share in shares.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < math.inf:
            raise LoadError(f"The share of {name} is {share!r}; give a number from 0.")
    used = {name: share for name, share in shares.items() if share > 0}
    if not used:
        raise LoadError("All shares are 0; give at least one source more.")
    total, mean, first, wanted, mixed, drawn_out = math.fsum(used.values()), {}, None, None, [], 0.0
    for name, share in used.items():
        model, task = _model(name)
        mixed += [replace(checkpoint, share=float(share)) for checkpoint in model.checkpoints]
        # How far levels are drawn out is mixed as the weights are; all else is the net's shape.
        config = dict(model._hub_mixin_config)
        drawn_out += config.pop("levels", 0.0) * share / total
        shape = (type(model), config)
        if first is None:
            first, wanted = name, (task, shape)
        what = wanted[0].__name__.lower()
        if task is not wanted[0]:
            raise LoadError(f"{name} is no {what}, as {first} is; mix {what}s only.")
        if shape != wanted[1]:
            one, other = ((kind, config | {"consistent": None}) for kind, config in (shape, wanted[1]))
            if one == other:
                raise LoadError(
                    f"Of {first} and {name} one is held to its input and one mends it; mix {what}s that do alike."
                )
            raise LoadError(f"{name} is a net of another shape than {first}; mix {what}s of one method and size.")
        for key, value in model.state_dict().items():
            if value.is_floating_point():  # a counter keeps the last net's
                value = value * (share / total) + mean.get(key, 0)
            mean[key] = value
    model.load_state_dict(mean)
    model.checkpoints = tuple(mixed)  # for recipes
    if hasattr(model, "levels"):
        model.levels = model._hub_mixin_config["levels"] = drawn_out
    return task(model)


def _model(source: str | os.PathLike, revision: str | None = None) -> tuple[ArtModel, Callable]:
    """The net that :func:`load` finds, in float32, and its task."""
    name = os.fspath(source)
    entry = catalog().get(name)
    if entry is not None:
        if entry.path is not None and revision is None:
            _verify(entry, entry.path)
            source = entry.path
        elif entry.repo:
            folder = hub.snapshot(entry.repo, revision=revision or entry.revision)
            if revision is None:
                _verify(entry, folder)
            source, revision = folder, None
        elif entry.path is not None:
            raise LoadError(f"{name} ships with this release and has no revision {revision!r}; leave revision out.")
        else:
            raise LoadError(f"The weights of {name} are missing; restore weights/{entry.folder} from a release.")
    elif "/" not in name and os.sep not in name and not Path(name).exists():
        raise LoadError(
            f"{name!r} is neither in the catalog ({', '.join(catalog()) or 'which is empty'}) nor a folder; "
            "a Hub repository is written org/name."
        )
    folder = hub.snapshot(source, revision=revision)
    architecture = hub.architecture(folder)
    if architecture not in TASKS:
        raise LoadError(f"{name} holds weights of {architecture}, which is no task; load them with that class.")
    net, task = TASKS[architecture]
    model = net.from_pretrained(folder)
    model.checkpoints = (_checkpoint(name, folder),)
    return model, task


def _checkpoint(name: str, folder: Path) -> Checkpoint:
    """What recipes call the weights in a folder: by the catalog where they are in it, as "org/name@commit" where they
    are on the Hub; of any other folder, whose path is nobody's business, by the hash alone."""
    path = folder / "model.safetensors"
    digest = _sha256(path, path.stat().st_mtime_ns, path.stat().st_size)
    entries = catalog()
    if name not in entries:
        alike = (e.name for e in entries.values() if e.sha256 == digest or e.path and e.path.samefile(folder))
        on_hub = None if Path(name).expanduser().is_dir() else f"{name}@{folder.name}"
        name = next(alike, on_hub)
    return Checkpoint(name, digest)


def _verify(entry: Entry, folder: Path) -> None:
    """Refuse weights that are not the ones the catalog names."""
    path = folder / "model.safetensors"
    if not path.is_file():
        raise LoadError(f"The weights of {entry.name} are missing; restore weights/{entry.folder} from a release.")
    if entry.sha256 and _sha256(path, path.stat().st_mtime_ns, path.stat().st_size) != entry.sha256:
        raise LoadError(
            f"The weights of {entry.name} are not those of the catalog (sha256 differs); "
            f"restore weights/{entry.folder or entry.name} from a release, or load the folder by its path."
        )


@functools.lru_cache(256)
def _sha256(path: Path, changed: int, size: int) -> str:
    """sha256 of a file, computed once per state of the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
