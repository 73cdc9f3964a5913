"""Spaces: what their front matter says, what a bundle holds, that it runs, and how it gets onto the Hub."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
import shlex
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from fastapi.testclient import TestClient
from huggingface_hub import SpaceCard
from PIL import Image

from artcore import __version__, hub
from artcore.models.stylenet import StyleNet
from artcore.studio import hub as hub_page
from artcore.studio import server, shared, words
from tests.hub_server import write_catalog
from tests.local_hub import LocalHub
from tests.upscale_net import add_upscalers

REPO = Path(__file__).resolve().parents[1]
NAMES = ("hub", "painter", "style", "colorize", "upscale")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SPACE = "alice/artcore-painter"


def _module() -> ModuleType:
    """spaces/deploy.py, which no package holds."""
    spec = importlib.util.spec_from_file_location("artcore_deploy", REPO / "spaces" / "deploy.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


deploy = _module()


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny painters and upscalers; of an encoder and a coloriser only the files."""
    folder = add_upscalers(write_catalog(tmp_path / "weights"))
    catalog = json.loads((folder / "catalog.json").read_text())
    for name, task in (("encoder", "features"), ("colorunet.general", "colorizer")):
        (folder / name).mkdir()
        (folder / name / hub.WEIGHTS).write_bytes(b"0")
        catalog[name] = {"task": task, "label": name, "folder": name, "sha256": "", "repo": None, "revision": None}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    shared._tasks.clear()
    yield folder
    shared._tasks.clear()


# --- the folders of spaces/ -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, None])
def test_front_matter_says_what_requirements_say_and_keeps_the_hubs_limits(name: str | None) -> None:
    folder = REPO / "spaces" / name if name else REPO  # the repository can be pushed as a Space as it is, too
    data = SpaceCard((folder / "README.md").read_text(encoding="utf-8")).data.to_dict()
    required = dict(re.findall(r"^([\w-]+)>=([\d.]+)", (REPO / "requirements.txt").read_text(), re.MULTILINE))
    assert data["sdk"] == "gradio"
    assert data["sdk_version"] in (required["gradio"], f"{required['gradio']}.0")
    oldest = re.search(r'requires-python = ">=3\.(\d+)"', (REPO / "pyproject.toml").read_text())[1]
    assert isinstance(data["python_version"], str) and int(data["python_version"].split(".")[1]) >= int(oldest)
    assert (folder / data["app_file"]).is_file()
    assert data["title"] and len(data["short_description"]) <= 60
    assert data["emoji"] and not data["emoji"].isascii()
    assert {data["colorFrom"], data["colorTo"]} <= COLOURS
    # Not MIT alone, which the code is: the weights in it are "research use" in the catalog.
    assert data["license"] == "other" and re.fullmatch(r"[a-z-]*research-use[a-z-]*", data["license_name"])
    assert "image-to-image" in data["tags"]
    picture = folder / data["thumbnail"]
    assert picture.stat().st_size < 200_000 and Image.open(picture).size == (960, 504)
    assert data["models"] == data["preload_from_hub"] == []  # deploy.py knows them


def test_the_repository_as_a_space_is_the_hub() -> None:
    ours, hubs = (SpaceCard((REPO / path / "README.md").read_text(encoding="utf-8")).data.to_dict() for path in
                  (".", "spaces/hub"))  # fmt: skip
    assert ours | {"thumbnail": ""} == hubs | {"thumbnail": ""}


@pytest.mark.parametrize("name", NAMES)
def test_an_app_is_three_lines_that_show_a_tab_there_is(name: str) -> None:
    text = (REPO / "spaces" / name / "app.py").read_text()
    assert len(text.splitlines()) == 3
    call = ast.parse(text).body[-1].value
    assert ast.unparse(call.func) == "server.run"
    if name == "hub":
        return
    settings = eval(ast.unparse(call.keywords[0].value), {"server": server})
    assert len(settings.tabs) == 1 and settings.tabs[0] == {"colorize": "colour"}.get(name, name)


def test_all_folders_are_known() -> None:
    assert {path.name for path in (REPO / "spaces").iterdir() if (path / "app.py").is_file()} == set(NAMES)
    assert set(deploy.SPACES) == set(NAMES)


# --- one tab alone ----------------------------------------------------------------------------------------


def endpoints(tabs: tuple[str, ...]) -> set[str]:
    with TestClient(server.create(server.Settings(tabs=tabs)), base_url="http://127.0.0.1") as client:
        return set(client.get("/gradio_api/info").json()["named_endpoints"])


def test_a_tab_alone_has_its_own_endpoints_and_no_others(weights: Path) -> None:
    assert endpoints(("painter",)) == {"/paint", "/paint_all", "/batch"}
    assert endpoints(("upscale",)) == {"/upscale", "/batch"}
    assert endpoints(("painter", "upscale")) == {"/paint", "/paint_all", "/upscale", "/batch"}
    with TestClient(server.create(server.Settings(tabs=("painter",))), base_url="http://127.0.0.1") as client:
        config = client.get("/config").json()
        assert config["title"] == "Artcore Painter"
        assert "Your photo becomes a painting" in client.get("/").text
        told = {c["props"].get("elem_id") for c in config["components"]}
        assert "painter-go" in told and "painter-send" not in told and "upscale-go" not in told
        job = client.post("/gradio_api/call/batch", json={"data": [None, "upscale"]}).json()["event_id"]
        assert "choose from paint." in client.get(f"/gradio_api/call/batch/{job}").text
        for path in ("/api/colorize", "/TFG_Computadores/api-aumento/aumento"):
            assert client.post(path, json={}).status_code == 404
    with TestClient(server.create(server.Settings(tabs=("upscale",))), base_url="http://127.0.0.1") as client:
        assert client.post("/TFG_Computadores/api-aumento/aumento", json={}).status_code == 402
        assert client.post("/api/colorize", json={}).status_code == 404


def test_what_a_tab_alone_says_has_its_spanish() -> None:
    for tab in hub_page.names():
        texts = re.findall(
            ">([^<>]*[a-z][^<>]*)<", hub_page.HEADER.format(f"Artcore {tab}", hub_page.ALONE[tab.title()], "")
        )
        assert len(texts) == 2 and not [text for text in texts if words.translation(text) is None]
    assert words.translation("Artcore Painter") == "Artcore Pintor" and words.translation("Duplicate Space")


def test_a_tab_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture) -> None:
    from artcore.__main__ import main

    assert main(["serve", "--tabs", "painter, sculpture"]) == 2
    assert "no tab 'sculpture': choose from painter, style, colour, upscale, chain" in capsys.readouterr().err


def test_duplicating_is_for_spaces_only(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown() -> bool:
        with TestClient(server.create(server.Settings(tabs=("upscale",))), base_url="http://127.0.0.1") as client:
            return "duplicate" in {c["props"].get("elem_id") for c in client.get("/config").json()["components"]}

    assert not shown()
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", SPACE)
    assert shown()


# --- bundles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_holds_what_its_space_needs_and_nothing_else(name: str, weights: Path, tmp_path: Path) -> None:
    out = deploy.build(name, SPACE, tmp_path / "out")
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {path.partition("/")[0] for path in files} == {
        "README.md", "app.py", "requirements.txt", "LICENSE", "thumbnail.jpg", "artcore", "weights", "data",
    }  # fmt: skip
    code = {path for path in files if path.startswith("artcore/")}
    assert {"artcore/studio/server.py", "artcore/load.py"} <= code
    assert not [
        path
        for path in code
        if "cards" in path or path in ("artcore/batch.py", "artcore/__main__.py", "artcore/redo.py")
    ]
    assert not [path for path in files if "__pycache__" in path or "test" in path or "/." in path]
    everything = json.loads((weights / "catalog.json").read_text())
    catalog = json.loads((out / "weights" / "catalog.json").read_text())
    tasks = deploy.SPACES[name].tasks or {line["task"] for line in everything.values()}
    assert catalog == {n: line for n, line in everything.items() if line["task"] in tasks}
    assert {path.name for path in (out / "weights").iterdir()} == {
        "catalog.json",
        *(line["folder"] for line in catalog.values()),
    }
    assert "data/examples/photo_two_parrots.jpg" in files and "data/examples/CREDITS.md" in files
    assert ("data/examples/style_irises.jpg" in files) is (name in ("hub", "painter", "style"))
    lines = (out / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("spaces>=") for line in lines)  # or Gradio crashes there
    assert f'Client("{SPACE}")' in (out / "README.md").read_text()


def test_front_matter_is_filled_with_what_is_on_the_hub(weights: Path, tmp_path: Path) -> None:
    def data(name: str) -> dict:
        text = (deploy.build("painter", SPACE, tmp_path / name) / "README.md").read_text()
        return SpaceCard(text).data.to_dict()

    first = data("first")
    assert "models" not in first and "preload_from_hub" not in first  # no checkpoint is on the Hub
    assert first["thumbnail"] == f"https://huggingface.co/spaces/{SPACE}/resolve/main/thumbnail.jpg"
    catalog = json.loads((weights / "catalog.json").read_text())
    commit = "a" * 40
    catalog["stylenet.monet"] |= {"repo": "alice/monet", "revision": commit}
    catalog["stylenet.vangogh"] |= {"repo": "alice/vangogh", "revision": commit}
    (weights / "catalog.json").write_text(json.dumps(catalog))
    shutil.rmtree(weights / "stylenet.vangogh")
    second = data("second")
    assert second["models"] == ["alice/monet", "alice/vangogh"]
    # What lies in the bundle is not fetched again.
    assert second["preload_from_hub"] == [f"alice/vangogh config.json,model.safetensors {commit}"]
    assert json.loads((tmp_path / "second/weights/catalog.json").read_text())["stylenet.vangogh"]["folder"] is None


def test_requirements_are_ours_and_may_name_an_index_of_small_wheels() -> None:
    ours = (REPO / "requirements.txt").read_text().splitlines()
    assert set(deploy.requirements().splitlines()) == {line for line in ours if line and not line.startswith("#")}
    first, *rest = deploy.requirements("https://wheels.example.org").splitlines()
    assert first == "--extra-index-url https://wheels.example.org" and rest == deploy.requirements().splitlines()


def test_what_can_not_be_built_is_a_sentence(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("all of it")
    assert deploy.main(["painter", SPACE, "--dry-run", str(tmp_path / "full")]) == 2
    assert "has something in it" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    assert deploy.main(["painter", "painter"]) == 2
    assert "write OWNER/NAME" in capsys.readouterr().err
    (weights / "stylenet.monet" / hub.WEIGHTS).unlink()
    assert deploy.main(["painter", SPACE]) == 2
    assert "The weights of stylenet.monet are missing" in capsys.readouterr().err
    (weights / "catalog.json").write_text("{}")
    assert deploy.main(["style", SPACE]) == 2
    error = capsys.readouterr().err
    assert "There are no weights for features" in error and error.count("\n") == 1


@pytest.mark.slow
def test_a_bundle_runs_by_itself_and_one_that_does_not_is_told(weights: Path, tmp_path: Path, monkeypatch) -> None:
    out = deploy.build("painter", SPACE, tmp_path / "out")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    monkeypatch.setenv("PYTHONPATH", "/nowhere")  # nothing of this process's reaches it
    monkeypatch.setenv("ARTCORE_WEIGHTS", "/nowhere")
    deploy.check("painter", out, SPACE)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    app = out / "app.py"
    app.write_text(app.read_text().replace("painter", "sculpture"))
    with pytest.raises(deploy.DeployError, match="does not start: .*There is no tab 'sculpture'"):
        deploy.check("painter", out, SPACE)


@pytest.mark.slow
def test_a_bundle_whose_weights_are_on_the_hub_runs_with_what_its_build_fetched(
    weights: Path, tmp_path: Path, local_hub: LocalHub, capsys: pytest.CaptureFixture
) -> None:
    commit = StyleNet(channels=(4, 4, 4), blocks=1).push_to_hub("alice/monet", token="hf_alice").oid
    digest = hashlib.sha256(local_hub.repositories["model", "alice/monet"].commits[commit].files[hub.WEIGHTS].data)
    far = {"task": "painter", "label": "Monet", "repo": "alice/monet", "revision": commit, "sha256": digest.hexdigest()}
    (weights / "catalog.json").write_text(json.dumps({"stylenet.monet": far}))
    out = tmp_path / "out"
    assert deploy.main(["painter", SPACE, "--dry-run", str(out)]) == 0, capsys.readouterr().err
    assert not (out / "weights" / "stylenet.monet").exists()
    local_hub.fail("/alice/monet/", status=500)
    with pytest.raises(hub.HubError, match="alice/monet"):
        deploy.check("painter", out, SPACE)


# --- the Hub ----------------------------------------------------------------------------------------------


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """The checks that were asked for; starting an app is for another test."""
    asked: list[tuple] = []
    monkeypatch.setattr(deploy, "check", lambda *given: asked.append(given))
    return asked


def test_a_space_goes_up_and_what_is_gone_goes(
    weights: Path, local_hub: LocalHub, checked: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    assert deploy.main(["painter", SPACE, "--private"]) == 0
    assert capsys.readouterr().out == f"{local_hub.url}/spaces/{SPACE}\n"
    assert len(checked) == 1 and checked[0][0] == "painter"
    repo = local_hub.repositories["space", SPACE]
    assert (repo.sdk, repo.private) == ("gradio", True)

    def files() -> dict[str, bytes]:
        return {path: blob.data for path, blob in repo.commits[repo.branches["main"]].files.items()}

    first = files()
    assert {"README.md", "app.py", "weights/stylenet.monet/model.safetensors", ".gitattributes"} <= set(first)
    assert not [path for path in first if path.startswith(("spaces/", "tests/", "training/", "docs/"))]
    assert repo.commits[repo.branches["main"]].title == f"Artcore {__version__}: painter"

    count = len(repo.commits)
    assert deploy.main(["painter", SPACE]) == 0
    assert capsys.readouterr().out == f"{local_hub.url}/spaces/{SPACE} (unchanged)\n"
    assert len(repo.commits) == count

    catalog = json.loads((weights / "catalog.json").read_text())
    del catalog["stylenet.monet"]
    (weights / "catalog.json").write_text(json.dumps(catalog))
    assert deploy.main(["painter", SPACE]) == 0
    assert capsys.readouterr().out == f"{local_hub.url}/spaces/{SPACE}\n"
    gone = set(first) - set(files())
    assert gone == {f"weights/stylenet.monet/{name}" for name in ("config.json", "model.safetensors")} | (
        {"weights/stylenet.monet/README.md"} & set(first)
    )
    assert files()[".gitattributes"] == first[".gitattributes"] and len(repo.commits) == count + 1


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("hf_alice_read", "The token may not do that"),
        ("hf_bob", "The token may not do that"),
        ("hf_wrong", "does not accept the token"),
        (None, "login"),
    ],
)
def test_who_may_not_is_told_in_a_sentence(weights, local_hub, checked, monkeypatch, capsys, token, why) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    assert deploy.main(["upscale", SPACE]) == 2
    error = capsys.readouterr().err
    assert why in error and error.startswith("deploy: ") and error.count("\n") == 1
    assert not local_hub.repositories


def test_a_hub_out_of_order_is_a_sentence(weights, local_hub, checked, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    local_hub.fail("/commit/", status=500)
    assert deploy.main(["upscale", SPACE]) == 2
    error = capsys.readouterr().err
    assert "out of order (500)" in error and error.count("\n") == 1


# --- the workflow -----------------------------------------------------------------------------------------


def test_the_workflow_deploys_every_space_on_a_tag_by_commands_that_exist() -> None:
    flow = yaml.safe_load((REPO / ".github" / "workflows" / "spaces.yml").read_text())
    assert flow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads `on` as true
    (job,) = flow["jobs"].values()
    assert set(job["strategy"]["matrix"]["space"]) == set(NAMES)
    (step,) = [step for step in job["steps"] if "deploy.py" in step.get("run", "")]
    assert step["env"]["HF_TOKEN"] == "${{ secrets.HF_TOKEN }}"
    for name in NAMES:
        line = step["run"].replace("${{ matrix.space }}", name).replace("${{ vars.SPACES_OWNER }}", "someone")
        line = line.replace("$ZEROGPU", "")  # the flag or nothing
        assert "${{" not in line
        python, script, *arguments = shlex.split(line)
        assert python == "python" and (REPO / script).is_file()
        args = deploy.parser().parse_args(arguments)
        assert (args.space, args.repo, args.dry_run) == (name, f"someone/artcore-{name}", None)
    assert any("requirements.txt" in step.get("run", "") for step in job["steps"])
