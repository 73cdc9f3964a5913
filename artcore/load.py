"""From a name to a task that is ready: a name of the catalog, a folder, or a Hub repository."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from artcore import hub
from artcore.hub import ArtModel
from artcore.models.stylenet import StyleNet, StyleTransferNetwork
from artcore.tasks.painter import Painter

TASKS: dict[str, tuple[type[ArtModel], Callable]] = {
    "StyleNet": (StyleNet, Painter),
    "StyleTransferNetwork": (StyleTransferNetwork, Painter),
}

METHODS = ("stylenet",)  # of painting, best first: what method="auto" tries in turn


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


def weights() -> Path:
    """The folder of catalog.json and the shipped checkpoints: ARTCORE_WEIGHTS, or weights/ beside artcore/."""
    return Path(os.environ.get("ARTCORE_WEIGHTS") or Path(__file__).resolve().parents[1] / "weights")


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
    """The styles a painter task is there for: {style: entry}, each by the best method that has it."""
    found: dict[str, Entry] = {}
    for wanted in METHODS if method == "auto" else (method,):
        for entry in catalog().values():
            if entry.task == "painter" and entry.method == wanted:
                found.setdefault(entry.style, entry)
    return found


def pick(style: str, method: str = "auto") -> str:
    """The catalog name that paints a style, such as "stylenet.vangogh" for ("vangogh", "auto").

    Raises:
        LoadError: no such method, or no such style with it.
    """
    if method != "auto" and method not in METHODS:
        raise LoadError(f"There is no method {method!r}; choose from auto, {', '.join(METHODS)}.")
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
    model, task = TASKS[architecture]
    return task(model.from_pretrained(folder))


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
