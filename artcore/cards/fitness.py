"""Whether a checkpoint folder is fit to ship: its files, its weights, its card, and that they belong together."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import safetensors.torch
import torch
from huggingface_hub import ModelCard
from torch.nn import functional as F
from yaml import YAMLError

from artcore import hub, image, load
from artcore.cards import scores
from artcore.cards.card import (
    CARD,
    COMPARED,
    HUB_LICENCES,
    KINDS,
    SAMPLE,
    SECTIONS,
    THUMBNAIL,
    kind,
    read_examples,
    section,
)
from artcore.cards.scores import CardError

LARGEST = 10_000_000  # bytes of a checkpoint that ships
LARGEST_OF = {"upscaler": 5_000_000}  # where it is less
# On disk. What losses and scores look through keeps its full precision.
STORED, STORED_OF = "F16", {"features": "F32"}
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz")
PIPELINES = {"features": "image-feature-extraction"}  # all others: image-to-image
HEADINGS = ("Use", "Data", "Training", "Figures", "Limits")
# Levels of 255, the mean of the cells of a thumbnail: JPEG alone makes 0.3 of it, bf16 hardly more.
CELL, LEVELS = 8, 0.45


def audit(folder: Path, entry: load.Entry | None = None) -> Iterator[str]:
    """A sentence for each fault of a checkpoint folder; none where it is fit to ship.

    entry: its line of the catalog; without one what the catalog says of it can't be wrong. The small score on the
    committed example pictures is computed again and compared with the card's, and so is the thumbnail: together they
    notice weights that were damaged slightly, or that are another painter's. A second or two, offline.
    """
    folder = Path(folder)
    if not folder.is_dir():
        yield "it is no folder: give the folder of a checkpoint."
        return
    yield from _names(folder)
    if any(not (folder / name).is_file() for name in (hub.CONFIG, hub.WEIGHTS)):
        return
    try:
        name = hub.architecture(folder)
        if name not in load.TASKS:
            raise CardError(f"{hub.CONFIG} names {name}, which is no task: only nets of a task ship.")
        net, task = load.TASKS[name]
        net.from_pretrained(folder)
    except ValueError as error:
        yield str(error)
        return
    its = kind(task)
    yield from _weights(folder, its, entry)
    if (folder / CARD).is_file():
        text = (folder / CARD).read_text(encoding="utf-8")
        yield from _card(text, folder, its, entry)
        yield from _score(text, folder, KINDS[its], entry.name if entry else folder.name)


def _names(folder: Path) -> Iterator[str]:
    """Files that are missing, or have no place in a checkpoint folder."""
    found = {p.name for p in folder.iterdir()}
    needed = {hub.CONFIG, hub.WEIGHTS, CARD}
    for name in sorted(needed - found):
        yield f"{name} is missing: publish it again."
    for name in sorted(found - needed - {SAMPLE, THUMBNAIL, COMPARED}):
        told = "is a pickle, which runs what it holds" if name.endswith(PICKLES) else "has no place in a checkpoint"
        yield f"{name} {told}: take it away."


def _weights(folder: Path, its: str, entry: load.Entry | None) -> Iterator[str]:
    """The file of weights by itself: sha256, size, precision, numbers."""
    data = (folder / hub.WEIGHTS).read_bytes()
    if entry and entry.task != its:
        yield f"the catalog calls it {entry.task!r} and it is {its!r}: install it again."
    if entry and entry.sha256 != hashlib.sha256(data).hexdigest():
        yield f"{hub.WEIGHTS} is not the one that the catalog names (sha256 differs): install it again."
    if len(data) >= (most := LARGEST_OF.get(its, LARGEST)):
        yield f"{hub.WEIGHTS} has {len(data) / 1e6:.1f} MB and less than {most / 1e6:.0f} MB may ship."
    kinds, wanted = stored(data), STORED_OF.get(its, STORED)
    if kinds != {wanted}:
        yield f"the tensors are stored as {' and '.join(sorted(kinds))}, not as {wanted}: save them again."
    for name, tensor in safetensors.torch.load(data).items():
        if not torch.isfinite(tensor.float()).all():
            yield f"{name} holds NaN or infinite numbers: go back to an earlier checkpoint."


def stored(data: bytes) -> set[str]:
    """The number formats of a safetensors file, as its header names them ("F16", "F32"); counters left out."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    return {t["dtype"] for key, t in header.items() if key != "__metadata__" and t["dtype"].startswith(("F", "BF"))}


def _card(text: str, folder: Path, its: str, entry: load.Entry | None) -> Iterator[str]:
    """What the card says, and has to say."""
    try:
        head = ModelCard(text, ignore_metadata_errors=False).data.to_dict()
    except (ValueError, TypeError, AttributeError, YAMLError) as error:
        yield f"the head of {CARD} is no metadata that the Hub reads ({type(error).__name__}): make the card again."
        return
    wanted = {"library_name": "artcore", "pipeline_tag": PIPELINES.get(its, "image-to-image")}
    for field, value in wanted.items():
        if head.get(field) != value:
            yield f"{field} is {head.get(field)!r} in the head of {CARD}, not {value!r}."
    for field in ("tags", "metrics"):
        if not isinstance(head.get(field), list) or not all(isinstance(v, str) for v in head[field]):
            yield f"the head of {CARD} has no list of {field}: `python -m training.publish --score` writes metrics."
    if its != "features" and "artcore" not in (head.get("tags") or ()):
        yield f"artcore is not among the tags in the head of {CARD}."
    for name in head.get("datasets") or ():
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(name)):
            yield f"{name!r} in the head of {CARD} is no data set of the Hub: name it in the section Data."
    licence = head.get("license")
    if licence != "other" and licence not in HUB_LICENCES:
        yield f"the Hub knows no licence {licence!r}: write other, and its name as license_name."
    if licence == "other" and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", str(head.get("license_name") or "")):
        yield f"the licence is other and the head of {CARD} has no license_name for it, in small letters and dashes."
    if entry and not entry.licence:
        yield "the catalog has no licence for it."
    if entry and entry.licence and f"The weights: {entry.licence}" not in " ".join(text.split()):
        yield f"{CARD} does not say the licence that the catalog has ({entry.licence})."
    if (digest := hashlib.sha256((folder / hub.WEIGHTS).read_bytes()).hexdigest()) not in text:
        yield f"{CARD} does not name the sha256 of these weights, {digest[:12]}...: it is another checkpoint's."
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for heading in HEADINGS:
        if not re.sub(r"<!--.*?-->", "", sections.get(heading, ""), flags=re.DOTALL).strip():
            yield f"{CARD} has nothing under {heading!r}."
    for fact in ("steps", "hardware"):
        if not re.search(rf"^\| {fact} \| \S.* \|$", sections.get("Training", ""), re.MULTILINE):
            yield f"{CARD} does not say the {fact} of the training."
    if "Not computed yet" in sections.get("Figures", ""):
        yield f"{CARD} has no figures yet: `python -m artcore cards FOLDER --write` computes them."
    pictures = {SAMPLE, THUMBNAIL} if its != "features" else set()
    for name in sorted(pictures | set(re.findall(r"!\[[^\]]*\]\(([^):]+)\)", text))):
        try:
            image.open(folder / name).convert("RGB").load()
        except (OSError, ValueError):
            yield f"{name} is missing, or no picture: publish it again."


def _score(text: str, folder: Path, its: ModuleType, name: str) -> Iterator[str]:
    """What the weights make of the example pictures, beside what the card and its thumbnail say that they do."""
    task = load.load(folder)
    try:
        for part in SECTIONS:
            section(text, part)
        said = read_examples(text)
    except (ValueError, IndexError) as error:
        reason = str(error) if isinstance(error, CardError) else "The small score on the card is no table of figures."
        yield reason
        return
    for wrong in scores.disagreements(said, its.examples(task, name), **getattr(its, "TOLERANCE", {})):
        yield f"the small score is not reproduced: {wrong}."
    if hasattr(its, "thumbnail") and (folder / THUMBNAIL).is_file():
        try:
            shown = image.open(folder / THUMBNAIL)
        except ValueError:
            return  # said above
        cells = [
            F.avg_pool2d(scores.tensor(p.convert("RGB").resize((256, 256))), CELL) for p in (shown, its.thumbnail(task))
        ]
        far = (cells[0] - cells[1]).abs().mean().item() * 255
        if not far <= LEVELS:
            yield f"{THUMBNAIL} is not what these weights make of it ({far:.2f} levels away, {LEVELS} are granted)."
