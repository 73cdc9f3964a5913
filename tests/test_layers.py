"""Holds the house's import order. TABLE is the map of the project: a new file needs a place in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]

# A room is artcore/<room>.py or artcore/<room>/, or training, or one of the doors app.py and spaces/*/app.py.
FIRST = {"image", "runtime", "hub", "perceptual", "metrics", "recipe"}
BORDER = {"image", "recipe"}  # see PIL

# What each room may import of ours, besides itself. First-level rooms do not import each other.
TABLE: dict[str, set[str]] = {
    **{room: set() for room in FIRST},
    "guided": set(),
    "levels": {"image", "guided"},  # what a picture is given before a net
    "models": FIRST - BORDER,
    "tasks": FIRST | {"guided", "levels", "models"},
    "load": FIRST | {"models", "tasks"},
    "batch": FIRST | {"tasks", "load"},
    "redo": FIRST | {"tasks", "load"},  # beside batch: a task again, by its recipe
    "cards": FIRST | {"models", "tasks", "load"},  # beside batch: judges checkpoints, the encoder in hand
    "studio": FIRST - {"perceptual"} | {"tasks", "load"},  # tabs never see tensors
    "__main__": FIRST | {"tasks", "load", "batch", "redo", "cards", "studio"},
    "training": FIRST | {"models"},  # trainers never see tasks
    "training/data.py": FIRST | {"levels"},  # sees PIL
    "training/pairs.py": FIRST | {"models", "training"},  # sees PIL, for its JPEG
    "training/publish.py": FIRST | {"models", "tasks", "load", "cards", "training"},  # runs one
    "app.py": {"runtime", "load", "studio"},
    "spaces": {"runtime", "load", "studio"},
    "spaces/deploy.py": {"hub"},  # builds bundles: reads the catalog, pushes to the Hub
    "__init__": set(),  # its names are imported when first used
}
# Who may write `import artcore` and use the public names; any room may read artcore.__version__.
FACADE = {"__main__", "training/publish.py", "app.py", "spaces"}
TRAINING = {room for room in TABLE if room.startswith("training")}

# Packages that only these rooms may import.
ONLY: dict[str, set[str]] = {
    "gradio": {"studio"},
    "PIL": BORDER
    | {
        "tasks",
        "batch",
        "redo",
        "cards",
        "studio",
        "__main__",
        "training/data.py",
        "training/pairs.py",
        "training/publish.py",
    },
    "accelerate": {"batch", *TRAINING},
    "torchvision": {"models", *TRAINING},
}
# Packages that these rooms may not import.
NEVER: dict[str, set[str]] = {
    "studio": {"torch", "torchvision", "safetensors"},
    "app.py": {"torch", "torchvision", "PIL"},
    "spaces": {"torch", "torchvision", "PIL"},
    "tasks": {"torch.nn", "artcore.models.blocks"},  # tasks never see layers; functional is no layer
}
EXCEPT = {"torch.nn.functional"}
# `spaces` is a folder of ours and a package of others by one name: only this file imports it.
SPACES = "artcore/studio/gpu.py"
PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
PICKLING_CALLS = {"torch.load", "torch.save", "torch.hub.load_state_dict_from_url"}
# torchvision publishes the reference net in torch's own format only: read without running what it holds.
TENSORS_ONLY = {"artcore/models/vgg.py": "torch.load"}


def place(path: str) -> str:
    """The row of TABLE for a file, given from the repository's root."""
    if path in TABLE:
        return path
    parts = path.split("/")
    return parts[1].removesuffix(".py") if parts[0] == "artcore" else parts[0]


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a chain of attributes, else an empty string."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def imports(tree: ast.AST, path: str) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of everything imported, wherever it stands: in functions, as strings too."""
    package = path.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func).endswith(("import_module", "__import__")):
            name = getattr(node.args[0], "value", None) if node.args else None
            if isinstance(name, str):
                yield node.lineno, name
        elif isinstance(node, ast.Attribute) and dotted(node).startswith("torch.nn."):
            yield node.lineno, dotted(node)  # reached through `import torch`


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def judge(room: str, name: str, path: str) -> str | None:
    """What is wrong with `room` importing `name` in the file `path`, or None."""
    top, *rest = name.split(".")
    if top == "spaces" and path != SPACES:
        return f"imports {top}: nothing imports from our folder, and only {SPACES} from the package of that name"
    for package, rooms in ONLY.items():
        if within(name, package) and room not in rooms:
            return f"imports {package}: only {', '.join(sorted(rooms))} may"
    for package in NEVER.get(room, ()):
        if within(name, package) and not any(within(name, fine) for fine in EXCEPT):
            return f"imports {name}: {room} never sees {package}"
    if top == "training" and room not in TRAINING:
        return "imports training: trainers are at the end of the order"
    if top in {"app", "tests"}:
        return f"imports {top}: nothing imports the doors or the tests"
    if top == "artcore":
        target = rest[0] if rest else ""
        if target not in TABLE:  # the package itself, or one of its public names
            if room in FACADE or target == "__version__":
                return None
            return f"imports {name}: import the room that defines it, or give a new room its place in TABLE"
        if target != room and target not in TABLE[room]:
            allowed = ", ".join(sorted(TABLE[room])) or "no room"
            return f"imports artcore.{target}: {room} may import {allowed}"
    return None


def check(root: Path) -> list[str]:
    """Every breach of the order below `root`, as `file:line: what is wrong`."""
    files = [path for top in ("artcore", "training", "spaces") for path in sorted((root / top).rglob("*.py"))]
    wrong = []
    for file in [*files, *root.glob("app.py")]:
        path = file.relative_to(root).as_posix()
        if path == "spaces/__init__.py":
            wrong.append(f"{path}: makes the folder shadow the package that Gradio imports; remove it")
        room = place(path)
        if room not in TABLE:
            wrong.append(f"{path}: has no place in the order; give {room!r} a row in TABLE")
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"), path)
        wrong += [f"{path}:{line}: {why}" for line, name in imports(tree, path) if (why := judge(room, name, path))]
        if path.startswith("artcore/"):
            wrong += [f"{path}:{line}: {why}" for line, why in library_manners(tree, path, room)]
    return wrong


def library_manners(tree: ast.AST, path: str, room: str) -> Iterator[tuple[int, str]]:
    """The library neither pickles nor prints."""
    for line, name in imports(tree, path):
        if name.split(".")[0] in PICKLES or name in PICKLING_CALLS:
            yield line, f"imports {name}: weights are safetensors, never a pickle"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        words = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
        safe = TENSORS_ONLY.get(path) == called and words.get("weights_only") is True
        if called in PICKLING_CALLS and not safe:
            yield node.lineno, f"calls {called}: weights are safetensors, never a pickle"
        if words.get("allow_pickle", False) is not False:
            yield node.lineno, f"calls {called} with allow_pickle"
        if called == "print" and room != "__main__":
            yield node.lineno, "prints: the library raises, returns or logs"


def test_the_order_holds():
    assert check(REPO) == []


def test_the_table_is_acyclic():
    """Strictly down: no room can reach itself."""
    for room in TABLE:
        seen, todo = set(), set(TABLE[room]) - {room}
        while todo:
            seen |= todo
            todo = set().union(*(TABLE[name] for name in todo)) - seen
        assert room not in seen, room


@pytest.mark.parametrize(
    ("path", "source", "why"),
    [
        ("artcore/image.py", "from artcore import runtime", "image may import no room"),
        ("artcore/perceptual.py", "from artcore.models.encoder import ArtEncoder", "may import no room"),
        ("artcore/models/a.py", "from PIL import Image", "only"),
        ("artcore/models/a.py", "import PIL.Image as I", "only"),
        ("artcore/models/a.py", "def f():\n    from artcore import image", "artcore.image"),
        ("artcore/models/a.py", "from ..tasks import painter", "artcore.tasks"),
        ("artcore/models/deep/a.py", "from ...load import load", "artcore.load"),
        ("artcore/tasks/a.py", "from torch import nn", "never sees torch.nn"),
        ("artcore/tasks/a.py", "import torch\ntorch.nn.Conv2d(1, 1, 1)", "never sees torch.nn"),
        ("artcore/tasks/a.py", "from artcore.models.blocks import Block", "never sees artcore.models.blocks"),
        ("artcore/tasks/a.py", "from artcore.load import load", "artcore.load"),
        ("artcore/tasks/a.py", "import artcore\nartcore.load", "import the room that defines it"),
        ("artcore/tasks/a.py", "from artcore import Painter", "import the room that defines it"),
        ("artcore/load.py", "import importlib\nimportlib.import_module('artcore.studio')", "artcore.studio"),
        ("artcore/load.py", "import gradio as gr", "imports gradio: only studio may"),
        ("artcore/batch.py", "from artcore.studio import server", "artcore.studio"),
        ("artcore/studio/tab.py", "import torch", "never sees torch"),
        ("artcore/studio/tab.py", "from artcore.models.stylenet import StyleNet", "artcore.models"),
        ("artcore/studio/tab.py", "from spaces import GPU", "nothing imports from our folder"),
        ("artcore/studio/tab.py", "from training import publish", "end of the order"),
        ("artcore/__init__.py", "from artcore.load import load", "no room"),
        ("artcore/new.py", "x = 1", "no place in the order"),
        ("artcore/hub.py", "import pickle", "never a pickle"),
        ("artcore/hub.py", "import torch\ntorch.load('x')", "never a pickle"),
        ("artcore/hub.py", "import torch\ntorch.load('x', weights_only=True)", "never a pickle"),
        ("artcore/models/vgg.py", "import torch\ntorch.load('x')", "never a pickle"),
        ("artcore/models/vgg.py", "import torch\ntorch.load('x', weights_only=False)", "never a pickle"),
        ("artcore/hub.py", "from torch import load", "never a pickle"),
        ("artcore/hub.py", "import numpy as np\nnp.load('x', allow_pickle=True)", "allow_pickle"),
        ("artcore/hub.py", "def f():\n    print('hello')", "prints"),
        ("training/train_a.py", "from artcore.load import load", "artcore.load"),
        ("training/train_a.py", "from artcore.tasks.painter import Painter", "artcore.tasks"),
        ("training/train_a.py", "from PIL import Image", "only"),
        ("app.py", "import gradio", "only studio"),
        ("app.py", "import spaces", "nothing imports from our folder"),
        ("spaces/one/app.py", "from artcore.models.stylenet import StyleNet", "artcore.models"),
        ("spaces/__init__.py", "", "shadow"),
    ],
)
def test_a_breach_is_caught(tmp_path, path, source, why):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(source)
    breaches = check(tmp_path)
    assert any(why in breach and breach.startswith(path) for breach in breaches), breaches


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("artcore/models/a.py", "from torch import nn\nfrom ..hub import ArtModel\nfrom . import blocks"),
        ("artcore/models/vgg.py", "import torch\ntorch.load('x', weights_only=True)"),
        ("artcore/tasks/a.py", "import torch.nn.functional as F\nfrom artcore import image, runtime"),
        ("artcore/tasks/b.py", "from torch.nn import functional as F\nfrom ..models import stylenet"),
        ("artcore/load.py", "from artcore.tasks.painter import Painter\nfrom artcore.models.vgg import VGG"),
        ("artcore/studio/a.py", "import gradio as gr\nfrom artcore.load import load\nfrom . import theme"),
        ("artcore/studio/gpu.py", "from spaces import GPU"),
        ("artcore/recipe.py", "from PIL import PngImagePlugin\nfrom artcore import __version__"),
        ("artcore/__main__.py", "from artcore.studio import server\nprint('done')"),
        ("training/train_a.py", "from artcore import perceptual\nfrom training import data\nprint('x')"),
        ("training/data.py", "from PIL import Image\nfrom artcore import image\nfrom . import loop"),
        ("training/publish.py", "import artcore\nfrom artcore.tasks.painter import Painter"),
        ("app.py", "from artcore.studio.server import serve"),
        ("spaces/one/app.py", "from artcore.studio.server import serve"),
    ],
)
def test_what_the_house_allows_passes(tmp_path, path, source):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(source)
    assert check(tmp_path) == []
