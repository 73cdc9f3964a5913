"""The package from outside: what `import artcore` costs and offers, and lists that must say the same."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import artcore

REPO = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def named(file: str) -> list[str]:
    lines = (REPO / file).read_text().splitlines()
    return sorted(line for line in lines if line and not line.startswith(("#", "-r ")))


def test_requirements_say_what_the_project_says():
    assert named("requirements.txt") == sorted(PROJECT["dependencies"] + EXTRAS["app"])
    assert named("requirements-dev.txt") == sorted(EXTRAS["train"] + EXTRAS["dev"])
    assert "-r requirements.txt" in (REPO / "requirements-dev.txt").read_text().splitlines()


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_light():
    heavy = "{'torch', 'torchvision', 'gradio', 'PIL', 'huggingface_hub', 'numpy'}"
    assert run(f"import sys, artcore; print({heavy} & set(sys.modules))") == "set()"


def test_load_can_be_called_whoever_imported_its_file(tmp_path):
    """With a package of the same shape, so that it holds before and whatever load.py becomes."""
    package = tmp_path / "artcore"
    package.mkdir()
    (package / "__init__.py").write_text(Path(artcore.__file__).read_text())
    room = "TASKS = {}\ndef load(source):\n    return source\ndef catalog():\n    return 1\n"
    (package / "load.py").write_text(room)
    for first in ("pass", "import artcore.load", "from artcore.load import TASKS", "artcore.catalog"):
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import artcore; {first}; "
        code += "from artcore.load import TASKS as t; from artcore import load; "
        code += "print(artcore.load('x'), load('y'), load.load('z'), artcore.catalog(), t is load.TASKS)"
        assert run(code) == "x y z 1 True", first


def test_public_names():
    assert set(artcore.__all__) <= set(dir(artcore))
    with pytest.raises(AttributeError, match="no attribute 'paint'; it offers load"):
        _ = artcore.paint


@pytest.mark.parametrize("name", [name for name in artcore.__all__ if name != "__version__"])
def test_every_public_name_can_be_had(name):
    assert callable(getattr(artcore, name))
