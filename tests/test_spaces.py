"""The folder spaces/ bears the name of a package that Gradio imports, and on a Space calls (HOUSE, known traps).

Each case is a process of its own with the environment of a Space, started in a tree of links to this one. The package
from PyPI is "missing" where sitecustomize.py makes the path finder pass over it.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import artcore

REPO = Path(__file__).resolve().parents[1]
PYPI = importlib.util.find_spec("spaces") is not None and importlib.util.find_spec("spaces").origin is not None
needs_pypi = pytest.mark.skipif(not PYPI, reason="the package `spaces` is not installed: make test installs it")

HIDE = """
import sys
from importlib.machinery import PathFinder

class Missing(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "spaces":  # what is in the folder we were started in stays
            path = [p for p in sys.path if not p.endswith("-packages")]
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Missing
"""

# What Gradio does with every event of a page, without our guard.
BARE = """
import gradio as gr
with gr.Blocks() as page:
    gr.Button().click(lambda: None)
print("built")
"""


@pytest.fixture(params=["with PyPI's spaces", "without"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """This repository as a Space sees it: app.py, artcore and a plain folder spaces/."""
    if request.param == "without":
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text(HIDE)
    elif not PYPI:
        pytest.skip("the package `spaces` is not installed: make test installs it")
    return _tree(tmp_path)


def _tree(folder: Path) -> Path:
    root = folder / "repo"
    root.mkdir()
    for name in ("app.py", "artcore"):
        subprocess.run(["cp", "-r", REPO / name, root / name], check=True)
    (root / "data").symlink_to(REPO / "data") if (REPO / "data").is_dir() else None
    (root / "spaces" / "hub").mkdir(parents=True)
    (root / "spaces" / "hub" / "README.md").write_text("# A Space\n")
    return root


def _environment(root: Path, port: int = 0) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "GRADIO_SERVER_NAME", "PORT")}
    return kept | {
        "SYSTEM": "spaces",
        "SPACE_ID": "a/b",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "ARTCORE_WEIGHTS": str(root.parent / "weights"),
        "PYTHONPATH": str(root.parent / "site"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _python(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=root, env=_environment(root), capture_output=True, text=True, timeout=120
    )


def test_our_folder_is_no_package() -> None:
    assert not list((REPO / "spaces").rglob("__init__.py")), "spaces/ must stay a plain folder: delete __init__.py"


def test_requirements_name_the_package() -> None:
    lines = (REPO / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("spaces") for line in lines)


def test_guard_leaves_the_real_package_and_hides_ours(tree: Path) -> None:
    program = "import artcore.studio, sys; m = sys.modules.get('spaces', 'not yet'); print(m)"
    done = _python(tree, "-c", program)
    assert done.returncode == 0, done.stderr
    hidden = (tree.parent / "site").exists()
    assert done.stdout.strip() == ("None" if hidden else "not yet")


@pytest.mark.slow
def test_the_app_answers_on_a_space(tree: Path) -> None:
    from tests.hub_server import write_catalog

    write_catalog(tree.parent / "weights")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with _running(tree, port) as process:
        config = _wait(process, f"http://127.0.0.1:{port}/config", 300)
        assert "/paint" in {f"/{d['api_name']}" for d in config.json()["dependencies"]}
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").json()["version"] == artcore.__version__


@pytest.mark.slow
def test_without_the_guard_it_would_crash(tmp_path: Path) -> None:
    """The trap is still there: a plain folder, no package from PyPI."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HIDE)
    done = _python(_tree(tmp_path), "-c", BARE)
    assert done.returncode != 0
    assert "module 'spaces' has no attribute 'gradio_auto_wrap'" in done.stderr


@pytest.mark.slow
@needs_pypi
def test_with_the_package_a_plain_folder_does_no_harm(tmp_path: Path) -> None:
    done = _python(_tree(tmp_path), "-c", BARE)
    assert done.returncode == 0 and "built" in done.stdout, done.stderr


@pytest.mark.slow
def test_a_seeded_init_is_told_and_would_crash(tree: Path) -> None:
    """An __init__.py crashes on a Space even where the real package is installed, since ours comes first; the guard
    says so on every machine."""
    (tree / "spaces" / "__init__.py").touch()
    done = _python(tree, "-c", BARE)
    assert done.returncode != 0
    assert "module 'spaces' has no attribute 'gradio_auto_wrap'" in done.stderr
    done = _python(tree, "app.py")
    assert done.returncode != 0
    assert "spaces/__init__.py hides the package" in done.stderr and "delete that file" in done.stderr


class _running:
    """app.py as a Space starts it, ended by its own process id."""

    def __init__(self, root: Path, port: int) -> None:
        self.log = (root.parent / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=root, env=_environment(root, port), stdout=self.log, stderr=self.log
        )

    def __enter__(self) -> _running:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read()


def _wait(running: _running, url: str, seconds: float) -> httpx.Response:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.said()
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer in {seconds} s: {running.said()}")
