"""Every folder of weights/ is fit to ship, and the catalog is in order; the audit that says so sees faults."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from artcore import cards, load
from artcore.cards import fitness
from artcore.models.enhancenet import EnhanceNet
from artcore.models.stylenet import StyleNet
from training import publish

CATALOG = load.catalog()
WEIGHTS = load.weights()
FIELDS = {"task", "label", "folder", "sha256", "repo", "revision", "licence"}


# What ships


@pytest.mark.parametrize("name", CATALOG)
def test_what_ships_is_fit_to(name):
    entry = CATALOG[name]
    assert list(cards.audit(entry.path or WEIGHTS / entry.folder, entry)) == []


def test_nothing_lies_in_weights_that_the_catalog_does_not_name():
    assert {p.name for p in WEIGHTS.iterdir()} == {*CATALOG, "catalog.json", "README.md"}


def schema(lines: object) -> list[str]:
    """What is wrong with the content of a catalog.json, a sentence each."""
    if not isinstance(lines, dict):
        return ["it is no object of entries"]
    wrong = []
    tasks = {
        kind: module
        for kind, module in cards.KINDS.items()
        if any(cards.kind(task) == kind for _, task in load.TASKS.values())
    }
    for name, line in lines.items():
        if not isinstance(line, dict) or line.keys() != FIELDS:
            wrong.append(f"{name}: its fields are not {', '.join(sorted(FIELDS))}")
            continue
        known = tasks.get(line["task"]) if isinstance(line["task"], str) else None
        method = name.partition(".")[0]
        patterns = {"folder": re.escape(name), "sha256": "[0-9a-f]{64}"}
        if known is None or method not in known.METHODS:
            wrong.append(f"{name}: no such task, or not by this method")
        if not re.fullmatch("encoder" if line["task"] == "features" else r"[a-z0-9]+\.[a-z0-9_]+", name):
            wrong.append(f"{name}: no name of the form method.style")
        for field in ("label", "licence"):
            if not isinstance(line[field], str) or not line[field].strip():
                wrong.append(f"{name}: no {field}")
        if line["repo"] is not None or line["revision"] is not None:
            patterns |= {"repo": r"[\w.-]+/[\w.-]+", "revision": "[0-9a-f]{40}"}
        for field, pattern in patterns.items():
            if not isinstance(line[field], str) or not re.fullmatch(pattern, line[field]):
                wrong.append(f"{name}: {field} is {line[field]!r}")
    return wrong


def test_the_catalog_keeps_its_schema():
    lines = json.loads((WEIGHTS / "catalog.json").read_text(encoding="utf-8"))
    assert schema(lines) == []
    assert [entry.sha256 for entry in CATALOG.values()] == [line["sha256"] for line in lines.values()]
    assert all(entry.path for entry in CATALOG.values())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"task": "Painter"}, "no such task"),
        ({"task": "upscaler"}, "not by this method"),
        ({"label": " "}, "no label"),
        ({"licence": None}, "no licence"),
        ({"folder": "stylenet.cezanne"}, "folder is"),
        ({"sha256": "BA1E"}, "sha256 is"),
        ({"repo": "org/name"}, "revision is None"),
        ({"repo": "org/name", "revision": "main"}, "revision is 'main'"),
        ({"repo": "name", "revision": "0" * 40}, "repo is 'name'"),
        ({"more": 1}, "its fields"),
    ],
)
def test_a_line_out_of_order_is_seen(change, why):
    lines = json.loads((WEIGHTS / "catalog.json").read_text(encoding="utf-8"))
    (wrong,) = schema(lines | {"stylenet.monet": lines["stylenet.monet"] | change})
    assert why in wrong
    assert schema(lines | {"monet": lines["stylenet.monet"]}) and schema([])


# Weights that are not what they were


def damaged(folder, share: float = 0.05) -> None:
    """Noise on all weights, a twentieth of their mean size; the card names the new file, as a forger's would."""
    file = folder / "model.safetensors"
    before = publish._sha256(file)
    tensors, rng = load_file(file), torch.Generator().manual_seed(0)
    for name, x in tensors.items():
        if x.dim() > 1:
            noise = share * x.float().abs().mean() * torch.randn(x.shape, generator=rng)
            tensors[name] = (x + noise).to(x.dtype)
    save_file(tensors, file, metadata={"format": "pt"})
    card = folder / cards.CARD
    card.write_text(card.read_text(encoding="utf-8").replace(before, publish._sha256(file)), encoding="utf-8")


def told(faults: list[str]) -> bool:
    """Whether all that is said against it is what it makes of the examples."""
    return all("not reproduced" in f or cards.THUMBNAIL in f for f in faults) and bool(faults)


@pytest.mark.parametrize(
    "name",
    [
        "encoder",
        "stylenet.monet",
        "enhancenet.fidelity",
        pytest.param("cyclegan.monet", marks=pytest.mark.slow),
        pytest.param("colorunet.general", marks=pytest.mark.slow),
    ],
)
def test_weights_that_were_slightly_damaged_are_seen_by_what_they_make(tmp_path, name):
    folder = shutil.copytree(WEIGHTS / name, tmp_path / name)
    damaged(folder)
    assert told(list(cards.audit(folder)))


def test_another_painters_weights_are_seen_by_what_they_make(tmp_path):
    folder = shutil.copytree(WEIGHTS / "stylenet.monet", tmp_path / "stylenet.monet")
    other = WEIGHTS / "stylenet.impressionism" / "model.safetensors"
    shutil.copyfile(other, folder / "model.safetensors")
    card = folder / cards.CARD
    card.write_text(card.read_text().replace(CATALOG["stylenet.monet"].sha256, publish._sha256(other)))
    assert told(list(cards.audit(folder)))


# Faults, on a small painter


@pytest.fixture
def home(tmp_path, monkeypatch):
    """weights/ with one small painter that is fit to ship."""
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path / "weights"))
    examples = tmp_path / "data" / "examples"
    examples.mkdir(parents=True)
    rng = torch.Generator().manual_seed(0)
    for i in range(2):
        pixels = torch.randint(0, 256, (40, 52, 3), generator=rng, dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(examples / f"photo_{i}.jpg")
    monkeypatch.setattr(cards.scores, "EXAMPLES", examples)
    monkeypatch.setattr(cards.scores, "EXAMPLE_SIZE", 40)
    small(tmp_path / "run", StyleNet(channels=(4, 4, 4), blocks=1))
    publish.install(tmp_path / "run", "stylenet.monet")
    change("Not computed yet", "Computed")
    return tmp_path / "weights"


def small(run, net) -> None:
    net.save_pretrained(run / "model", dtype="float16")
    record = {"trainer": "train_stylenet", "step": 500, "hardware": "2 CPU cores", "config": {"photos": "hub:org/set"}}
    (run / "training.json").write_text(json.dumps(record))


def change(old: str, new: str, name: str = "stylenet.monet") -> None:
    card = load.weights() / name / cards.CARD
    text = card.read_text(encoding="utf-8")
    assert old in text
    card.write_text(text.replace(old, new), encoding="utf-8")


def faults(home) -> list[str]:
    assert load.weights() == home
    return list(publish.check())


def test_a_published_painter_is_fit_to_ship_but_for_figures_that_need_data(home, capsys):
    assert faults(home) == []
    assert "datasets:\n- org/set\n" in (home / "stylenet.monet" / cards.CARD).read_text()
    assert publish.main(["--check"]) == publish.main(["--check", str(home / "stylenet.monet")]) == 0
    assert "Fit to ship." in capsys.readouterr().out
    change("Computed", "Not computed yet")
    assert publish.main(["--check"]) == 1
    assert capsys.readouterr().err.startswith("stylenet.monet: README.md has no figures yet")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("library_name: artcore", "library_name: other", "library_name is 'other'"),
        ("pipeline_tag: image-to-image\n", "", "pipeline_tag is None"),
        ("- artcore\n", "", "not among the tags"),
        ("metrics:\n", "metric:\n", "no list of metrics"),
        ("- org/set", "- our photos", "no data set of the Hub"),
        ("license: other", "license: free", "no licence 'free'"),
        ("license_name: research-use\n", "", "no license_name"),
        ("license: other", "license: [", "no metadata"),
        ("The weights: research use", "The weights: free", "does not say the licence"),
        ("## Limits", "## Praise", "nothing under 'Limits'"),
        ("| steps | 500 |\n", "", "does not say the steps"),
        ("| hardware | 2 CPU cores |", "| hardware | |", "does not say the hardware"),
        ("| content kept | 0.", "| content kept | 1.", "small score is not reproduced: content kept (this net)"),
        ("<!-- examples: to here -->", "", "lacks the two markers"),
        ("(sample.jpg)", "(other.jpg)", "other.jpg is missing"),
    ],
)
def test_a_card_that_lacks_something_is_named(home, old, new, why):
    change(old, new)
    found = faults(home)
    assert len(found) == 1 and why in found[0] and found[0].startswith("stylenet.monet: "), found


def test_files_are_named_that_lack_or_have_no_place(home):
    folder = home / "stylenet.monet"
    (folder / "pytorch_model.bin").write_bytes(b"1")
    (folder / "notes.txt").write_text("1")
    (folder / cards.THUMBNAIL).unlink()
    (folder / cards.SAMPLE).write_bytes((folder / cards.SAMPLE).read_bytes()[:2000])
    (home / "stylenet.other").mkdir()
    shutil.copytree(folder, home / "loose")
    found = faults(home)
    for text in (
        "stylenet.monet: pytorch_model.bin is a pickle",
        "stylenet.monet: notes.txt has no place",
        "stylenet.monet: thumbnail.jpg is missing",
        "stylenet.monet: sample.jpg is missing, or no picture",
        "loose: it is in weights/ and not in the catalog",
        "stylenet.other: config.json is missing",
    ):
        assert any(text in fault for fault in found), text
    shutil.rmtree(folder)
    assert any(fault.startswith("stylenet.monet: it is no folder") for fault in faults(home))


def test_weights_are_of_half_precision_small_finite_and_of_their_class(home, tmp_path, monkeypatch):
    folder = home / "stylenet.monet"
    file, config = folder / "model.safetensors", folder / "config.json"
    good, tensors = file.read_bytes(), load_file(file)
    save_file({k: v.float() for k, v in tensors.items()}, file)
    assert any("stored as F32, not as F16" in fault for fault in faults(home))
    name = next(iter(tensors))
    save_file(tensors | {name: torch.full_like(tensors[name], torch.nan)}, file)
    assert any("NaN" in fault for fault in faults(home))
    file.write_bytes(good)
    monkeypatch.setattr(fitness, "LARGEST", len(good))
    (large,) = faults(home)
    assert "may ship" in large
    monkeypatch.setattr(fitness, "LARGEST", len(good) + 1)
    assert faults(home) == []
    config.write_text(config.read_text().replace('"blocks": 1', '"blocks": 1, "more": 2'))
    (unknown,) = faults(home)
    assert "'more'" in unknown or "more" in unknown
    small(tmp_path / "other", EnhanceNet(channels=8, blocks=1))
    for part in (config, file):
        shutil.copyfile(tmp_path / "other" / "model" / part.name, part)
    assert any("calls it 'painter' and it is 'upscaler'" in fault for fault in faults(home))


def test_the_small_score_is_written_by_a_command(home, tmp_path, capsys):
    folder = home / "stylenet.monet"
    before = (folder / cards.CARD).read_text()
    change("| content kept | 0.", "| content kept | 1.")
    change("metrics:\n- sliced-wasserstein\n- gradient-ssim\n- ciede2000\n- colourfulness\n", "")
    change("short side 40 px", "short side 999 px")
    assert len(faults(home)) == 2
    assert publish.main(["--score", str(folder)]) == 0
    assert (folder / cards.CARD).read_text() == before
    assert publish.main(["--score", str(tmp_path)]) == 2
    assert "config.json" in capsys.readouterr().err
