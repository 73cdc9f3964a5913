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
    room = import_module(_API[name])
    value = room if name == "load" else getattr(room, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})


class _Package(ModuleType):
    """Makes `artcore.load` callable.

    The import system sets a package's attribute to each submodule it imports, so after any
    `from artcore.load import ...` the name is that of the file load.py, no longer of its function. One object
    therefore is both: `artcore.load(source)` calls the function, `artcore.load.TASKS` is the table.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "load" and isinstance(value, ModuleType):
            value.__class__ = _CallableLoad
        super().__setattr__(name, value)


class _CallableLoad(ModuleType):
    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.load(*args, **keywords)


sys.modules[__name__].__class__ = _Package
