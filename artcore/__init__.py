"""artcore: photos become paintings.

    import artcore
    painting = artcore.load("stylenet.vangogh")("photo.jpg", strength=1.0, seed=0)

The names below are imported when they are first used, so that `import artcore` stays quick and pulls in
neither torch nor Gradio.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_API = {
    "load": "artcore.load",
    "catalog": "artcore.load",
    "ArtModel": "artcore.hub",
    "ArtEncoder": "artcore.models.encoder",
    "StyleNet": "artcore.models.stylenet",
    "Painter": "artcore.tasks.painter",
}

__all__ = ["__version__", *_API]


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'artcore' has no attribute {name!r}; it offers {', '.join(_API)}.")
    value = getattr(import_module(_API[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})


class _Package(ModuleType):
    """Keeps `artcore.load` the function.

    The import system sets a package's attribute to each submodule it imports, and the submodule load.py has
    the name of the function in it: without this, `artcore.load(...)` would fail as soon as anything had
    imported that file. `from artcore.load import ...` is not affected.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and _API.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
