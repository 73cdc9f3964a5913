"""Builds a Space out of this repository, checks that it runs, and puts it onto the Hub.

    python spaces/deploy.py painter OWNER/NAME [--dry-run FOLDER] [--private] [--torch-index URL | --zerogpu]

A bundle is the root of a Space's repository: the folder of its name here, and of the rest what it runs on. No folder
spaces/ is in it, whose name is that of a package that Gradio imports on a Space; requirements.txt names that package.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from huggingface_hub import HfApi, SpaceCard, SpaceHardware, constants, hf_hub_download

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
from artcore import __version__, hub  # noqa: E402

# Of artcore, what a page never imports: tests/test_layers.py holds that.
NO_PAGE = {"__main__.py", "batch.py", "cards", "redo.py"}
# What ZeroGPU runs: of Python these versions alone, and PyTorch up to this one, older than what is asked for elsewhere.
ZERO_PYTHON = "3.12.12"
ZERO_TORCH = {"torch": "2.11.0", "torchvision": "0.26.0"}
STARTING = 180.0  # seconds that a bundle has to come up in
ANSWERING = 300.0  # and to answer a call


class DeployError(ValueError):
    """A Space that can't be built, does not run, or can't be uploaded; the message says why, and what to do."""


@dataclass(frozen=True)
class Space:
    """What a Space needs besides its own folder, and the call that shows that it works."""

    tasks: tuple[str, ...]  # of the catalog: what its checkpoints are for; empty for all
    examples: tuple[str, ...]  # patterns of data/examples
    call: str  # name of an endpoint
    photo: str = "image"  # what the endpoint calls the picture
    given: dict = field(default_factory=dict)  # what else it is given; files of data/examples by name
    zerogpu: bool = False  # whether it has something that a GPU is lent for: style transfer


SPACES = {
    "hub": Space((), ("*",), "paint", zerogpu=True),
    "painter": Space(("painter",), ("photo_*", "style_*"), "paint"),
    "style": Space(
        ("features",),
        ("photo_*", "style_*"),
        "style",
        "photo",
        {"painting": "style_great_wave.jpg", "stop_after": 1},
        zerogpu=True,
    ),
    "colorize": Space(("colorizer",), ("photo_*",), "colorize"),
    "upscale": Space(("upscaler",), ("photo_*",), "upscale", given={"scale": 2}),
}
PHOTO = "photo_two_parrots.jpg"  # what the call is made with


# --- building ---------------------------------------------------------------------------------------------


def build(name: str, repo: str, out: Path, *, torch_index: str | None = None, zerogpu: bool = False) -> Path:
    """Writes the bundle of a Space for the Hub repository "owner/name" into a folder, which must be new or empty.

    Raises:
        DeployError: the folder has something in it, what the Space needs is not here, or ZeroGPU has nothing to do
            there.
    """
    space = SPACES[name]
    if zerogpu and not space.zerogpu:
        able = " and ".join(n for n, s in SPACES.items() if s.zerogpu)
        raise DeployError(f"{name} needs no GPU: leave out --zerogpu, which is for {able}.")
    if zerogpu and torch_index:
        raise DeployError("ZeroGPU needs PyTorch with CUDA: leave out --torch-index, or unset TORCH_INDEX.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DeployError(f"{out} has something in it: give a folder that is new or empty.")
    catalog = _catalog(space)
    left = shutil.ignore_patterns("__pycache__", ".*")  # by running, and by editors

    def needless(folder: str, names: list[str]) -> set[str]:
        return left(folder, names) | (NO_PAGE if Path(folder) == ROOT / "artcore" else set())

    shutil.copytree(ROOT / "spaces" / name, out, dirs_exist_ok=True, ignore=left)
    shutil.copytree(ROOT / "artcore", out / "artcore", ignore=needless)
    shutil.copy(ROOT / "LICENSE", out)
    for entry in catalog.values():
        if entry.get("folder"):
            shutil.copytree(hub.weights() / entry["folder"], out / "weights" / entry["folder"])
    (out / "weights").mkdir(exist_ok=True)
    (out / "weights" / "catalog.json").write_text(json.dumps(catalog, indent=2, ensure_ascii=False) + "\n", "utf-8")
    examples = out / "data" / "examples"
    examples.mkdir(parents=True)
    for pattern in ("CREDITS.md", *space.examples):
        for path in sorted((ROOT / "data" / "examples").glob(pattern)):
            shutil.copy(path, examples)
    (out / "requirements.txt").write_text(requirements(torch_index, zerogpu), "utf-8")
    (out / "README.md").write_text(readme(out / "README.md", repo, catalog, zerogpu), "utf-8")
    return out


def _catalog(space: Space) -> dict[str, dict]:
    """The lines of weights/catalog.json that a Space needs, all of whose weights are here or on the Hub."""
    path = hub.weights() / "catalog.json"
    try:
        lines = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DeployError(f"{path} can't be read ({error}): restore it from a release.") from error
    lines = {name: line for name, line in lines.items() if not space.tasks or line["task"] in space.tasks}
    if not lines:
        raise DeployError(f"There are no weights for {' and '.join(space.tasks)}: train them, or restore weights/.")
    for name, line in lines.items():
        here = line.get("folder") and (hub.weights() / line["folder"] / hub.WEIGHTS).is_file()
        if not here and not line.get("repo"):
            raise DeployError(f"The weights of {name} are missing: restore weights/{line.get('folder') or name}.")
        if not here:
            line["folder"] = None
    return lines


def requirements(torch_index: str | None = None, zerogpu: bool = False) -> str:
    """requirements.txt of a bundle: ours, and a further index to look for wheels in; or with what ZeroGPU runs."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    if zerogpu:
        kept = [line for line in lines if re.match(r"[\w-]+", line)[0] not in ZERO_TORCH]
        lines = [f"{package}=={version}" for package, version in ZERO_TORCH.items()] + kept
    if torch_index:
        lines.insert(0, f"--extra-index-url {torch_index}")
    return "\n".join(lines) + "\n"


def readme(path: Path, repo: str, catalog: Mapping[str, dict], zerogpu: bool = False) -> str:
    """README.md of a bundle: the Space's own, with its repository's name, and the models that it uses where they are
    on the Hub. Those that are nowhere else are fetched when the Space is built; the others lie in it."""
    card = SpaceCard(path.read_text(encoding="utf-8").replace("{repo}", repo))
    there = [line for line in catalog.values() if line.get("repo")]
    files = ",".join((hub.CONFIG, hub.WEIGHTS))
    fetched = [line for line in there if not line.get("folder")]
    preload = [" ".join(filter(None, (line["repo"], files, line.get("revision")))) for line in fetched]
    card.data.models = sorted({line["repo"] for line in there}) or None  # None leaves the field out
    card.data.preload_from_hub = preload or None
    if zerogpu:
        card.data.python_version = ZERO_PYTHON
    card.data.thumbnail = f"{constants.ENDPOINT}/spaces/{repo}/resolve/main/{card.data.thumbnail}"
    return str(card)


# --- checking ---------------------------------------------------------------------------------------------


def check(name: str, folder: Path, repo: str = "owner/name") -> None:
    """Starts a bundle as a Space does, with none of this process's environment and what its build fetches in the cache,
    and has it make a picture.

    Raises:
        artcore.hub.HubError: what is to be fetched from the Hub can't be.
        DeployError: it does not come up, is not ready, or the picture can't be made; with what it said last.
    """
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        preload(folder, place / ".cache" / "huggingface" / "hub")
        url, said = stack.enter_context(_running(folder, repo, place))
        try:
            ready = httpx.get(f"{url}/readyz", timeout=30)
            if ready.status_code != 200 or ready.json()["missing"]:
                raise DeployError(f"The bundle of {name} is not ready: {ready.text}")
            _call(SPACES[name], folder / "data" / "examples", url)
        except (httpx.HTTPError, ValueError) as error:
            if isinstance(error, DeployError):
                raise
            told = f"{type(error).__name__} {error}".strip()
            raise DeployError(f"The bundle of {name} does not work ({told}): {said()}") from error


def preload(folder: Path, cache: Path) -> None:
    """Fetches what preload_from_hub in README.md names, as the build of a Space does, which then does not ask the Hub.

    Raises:
        artcore.hub.HubError: the Hub can't be reached, or does not have it.
    """
    for line in SpaceCard((folder / "README.md").read_text(encoding="utf-8")).data.get("preload_from_hub") or ():
        repo, files, *revision = line.split()
        with hub.sentences(repo, *revision):
            for file in files.split(","):
                hf_hub_download(repo, file, revision=revision[0] if revision else None, cache_dir=cache)


@contextlib.contextmanager
def _running(folder: Path, repo: str, place: Path) -> Iterator[tuple]:
    """The bundle's app.py as a process: its address, and a function that gives what it said last."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(place),
        "SYSTEM": "spaces",
        "SPACE_ID": repo,
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(place / "gradio"),
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": "127.0.0.1",
        "PYTHONDONTWRITEBYTECODE": "1",  # or the bundle would hold what it left behind
    }
    with (place / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )

        def said() -> str:
            log.seek(0)
            return (log.read().strip().splitlines() or ["it said nothing."])[-1]

        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + STARTING
        try:
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise DeployError(f"The bundle in {folder.name} does not start: {said()}")
                time.sleep(0.2)
            yield url, said
        finally:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz", timeout=30).status_code == 200
    return False


def _call(space: Space, examples: Path, url: str) -> None:
    """Has the Space make a picture, and fetches it."""
    with httpx.Client(base_url=url, timeout=ANSWERING) as http:

        def sent(name: str) -> dict:
            files = {"files": (name, (examples / name).read_bytes())}
            (path,) = http.post("/gradio_api/upload", files=files).raise_for_status().json()
            return {"path": path, "meta": {"_type": "gradio.FileData"}}

        given = {k: sent(v) if str(v).endswith(".jpg") else v for k, v in space.given.items()}
        body = {space.photo: sent(PHOTO), **given}
        job = http.post(f"/gradio_api/call/v2/{space.call}", json=body).raise_for_status().json()["event_id"]
        told = http.get(f"/gradio_api/call/v2/{space.call}/{job}").raise_for_status().text
        found = re.search(r'"url": "([^"]+)"', told.rpartition("event: complete")[2])
        if "event: complete" not in told or not found:
            raise DeployError(f"/{space.call} gives no picture: {told.strip().splitlines()[-1]}")
        if not http.get(found[1]).raise_for_status().content:
            raise DeployError(f"/{space.call} gives an empty picture.")


# --- uploading --------------------------------------------------------------------------------------------


def upload(name: str, folder: Path, repo: str, *, private: bool = False, zerogpu: bool = False) -> tuple[str, bool]:
    """Makes the Space unless it is there, puts it on ZeroGPU where that is asked for, and makes its files those of the
    bundle, in one commit.

    Returns:
        Its address, and whether anything has changed.

    Raises:
        artcore.hub.HubError: the Hub can't be reached, or refuses.
    """
    api = HfApi()
    with hub.sentences(repo, push=True):
        hardware = SpaceHardware.ZERO_A10G if zerogpu else None
        url = api.create_repo(
            repo,
            repo_type="space",
            space_sdk="gradio",
            space_hardware=hardware,
            private=private or None,
            exist_ok=True,
        )
        if zerogpu and api.get_space_runtime(repo).requested_hardware != hardware:  # it was there, on another
            api.request_space_hardware(repo, hardware)
        before = api.space_info(repo).sha
        commit = api.upload_folder(
            repo_id=repo,
            repo_type="space",
            folder_path=folder,
            delete_patterns="*",  # what is there and not in the bundle; the Hub's own .gitattributes stays
            commit_message=f"Artcore {__version__}: {name}",
        )
    return str(url), commit.oid != before


# --- the command ------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python spaces/deploy.py", description="Put a Space onto the Hub.")
    parser.add_argument("space", choices=list(SPACES), help="which of the folders beside this file")
    parser.add_argument("repo", metavar="OWNER/NAME", help="of the Space on the Hub, made unless it is there")
    parser.add_argument("--dry-run", type=Path, metavar="FOLDER", help="build it there and check it, and stop")
    parser.add_argument("--private", action="store_true", help="if it is made now: seen by its owner alone")
    parser.add_argument(
        "--torch-index",
        metavar="URL",
        default=os.environ.get("TORCH_INDEX"),
        help="package index of PyTorch's CPU builds, which are far smaller (default: the variable TORCH_INDEX)",
    )
    parser.add_argument(
        "--zerogpu",
        action="store_true",
        help="on Hugging Face's ZeroGPU, which lends style transfer a GPU; for style and hub",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Builds, checks, uploads; 0 when all went well, 2 when it can't be done."""
    args = parser().parse_args(argv)
    try:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", args.repo):
            raise DeployError(f"{args.repo!r} is no name of a Space: write OWNER/NAME.")
        with tempfile.TemporaryDirectory() as place:
            out = args.dry_run or Path(place) / args.space
            build(args.space, args.repo, out, torch_index=args.torch_index, zerogpu=args.zerogpu)
            check(args.space, out, args.repo)
            if args.dry_run:
                print(f"{out}: built and checked, not uploaded")
                return 0
            url, changed = upload(args.space, out, args.repo, private=args.private, zerogpu=args.zerogpu)
            print(url if changed else f"{url} (unchanged)")
            return 0
    except ValueError as error:  # all our errors are ValueErrors of one sentence
        print(f"deploy: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
