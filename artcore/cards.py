"""Score cards and model cards of checkpoints: what a net does, with figures that anyone can compute again.

Two kinds of figures stand on a card. Those on the committed example photos are small and quick, and the tests
recompute them; those on held-back photos and paintings come from a folder of data that is not in the
repository, so the card names the data by its hash. No style distance stands there without its two bounds.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from artcore import hub, image, load, metrics, runtime
from artcore.models.encoder import ArtEncoder

SIZES = (256, 512)  # short sides of the full score, in pixels
LAYERS = ("r1_1", "r2_1", "r3_1", "r4_1")  # of the encoder, one for each of its blocks
MOST_PHOTOS, MOST_PAINTINGS = 24, 48  # of a set, evenly spaced, so that all nets take minutes and not hours
HOLD_BACK_PHOTOS, HOLD_BACK_PAINTINGS = 20, 10  # every k-th file, as training.data.split does by default

PATCHES = 16384  # a set, of the patch distances

EXAMPLE_SIZE, EXAMPLE_PATCHES = 256, 4096
# Example paintings (data/examples/style_*.jpg) of each style. Some may be in the training set.
EXAMPLE_PAINTINGS = {
    "art_nouveau": ("job_cigarettes", "the_kiss"),
    "baroque": ("girl_with_a_pearl_earring",),
    "cubism": ("edtaonisl", "portrait_delaunay", "udnie"),
    "impressionism": ("impression_sunrise", "water_lilies_1919"),
    "monet": ("impression_sunrise", "water_lilies_1919"),
    "ukiyo_e": ("great_wave",),
    "vangogh": ("irises", "night_cafe", "starry_night", "wheat_field_with_cypresses"),
}
# Grants bf16 against fp32 (0.8 % seen) and another processor's kernels.
RELATIVE, ABSOLUTE = 0.02, 0.0005

# Settings of a trainer that name places on the machine it ran on.
PATHS = {"photos", "paintings", "pictures", "data", "out", "samples", "init", "features", "tracker"}
HUB_LICENCES = {"mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
CARD, SAMPLE, THUMBNAIL, RECORD = hub.CARD, "sample.jpg", "thumbnail.jpg", "training.json"


class CardError(ValueError):
    """A card that can't be made or brought up to date; the message says why, and what to do."""


class Figure(NamedTuple):
    """A figure of the outputs beside that of the photos themselves and of real paintings (None: none fit)."""

    value: float
    photo: float
    painting: float | None = None


# ------------------------------------------------------------------------------------------------ scores


def canvas(source: object, size: int, *, unsqueeze: bool = False) -> Image.Image:
    """The picture as RGB with a short side of `size` pixels: brushwork only compares on one scale.

    `unsqueeze` widens exactly square pictures to 5:4 first: the sources of the paintings squeezed them to
    squares, and the trainer learns from them with a plausible aspect too.
    """
    picture = image.open(source).convert("RGB")
    width, height = picture.size
    if unsqueeze and width == height:
        width = round(width * 1.25)
    scale = size / min(width, height)
    return picture.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)


def _tensor(picture: Image.Image) -> Tensor:
    return image.to_tensor(picture).contiguous()


def _task(source: object) -> Callable[..., Image.Image]:
    return load.load(source) if isinstance(source, str | os.PathLike) else source


def score(
    source: object,
    photos: Sequence[object],
    paintings: Sequence[object],
    heldback: Sequence[object],
    *,
    size: int = SIZES[0],
) -> metrics.StyleScore:
    """The style score of a painter (`artcore.metrics.style_score`) on canvases of short side `size` px.

    source: a painter, or what `artcore.load` takes. photos: not trained on. paintings: what the distances are
    taken to; the net may have seen them. heldback: other paintings of the same hand, which give the bound.
    All are anything that `image.open` takes. Painted at strength 1 with seed 0.

    The encoder's part sees the pictures through weights/encoder, which the nets were trained through too: it
    flatters them, and brushwork and colour, which look at pixels alone, are the independent figures.

    Raises ValueError for an empty list, LoadError, ImageError and HubError for what can't be loaded.
    """
    task, photos = _task(source), [canvas(p, size) for p in photos]
    return metrics.style_score(
        [_tensor(task(p, strength=1.0, seed=0)) for p in photos],
        [_tensor(p) for p in photos],
        [_tensor(canvas(p, size, unsqueeze=True)) for p in paintings],
        [_tensor(canvas(p, size, unsqueeze=True)) for p in heldback],
        _features(load.weights() / "encoder"),
        patches=PATCHES,
    )


@functools.lru_cache(1)
def _features(folder: Path) -> metrics.Features:
    encoder = ArtEncoder.from_pretrained(folder)  # in float32 whatever the machine prefers

    def features(x: Tensor) -> dict[str, Tensor]:
        with runtime.lock, torch.inference_mode():
            return encoder(x, LAYERS)

    return features


def example_photos() -> list[Path]:
    """The committed example photos, sorted."""
    return _examples("photo_*.jpg")


def _examples(pattern: str) -> list[Path]:
    folder = Path(__file__).parents[1] / "data" / "examples"
    files = sorted(folder.glob(pattern))
    if not files and pattern.startswith("photo"):
        raise CardError("data/examples holds no photo_*.jpg: run this in a checkout of the repository.")
    return files


def example_score(source: object, *, style: str | None = None) -> dict[str, Figure]:
    """A small score on the committed example photos at 256 px, in a second or two; the same on every run.

    Content kept, colourfulness and the colour difference (CIEDE2000) to the photo; where at least two example
    paintings fit `style` (default: the last part of the catalog name), brushwork and colour distance between
    their bounds. Six photos and two to four paintings tell a broken checkpoint, not a good one from a better.
    """
    if style is None:
        style = source.rpartition(".")[2] if isinstance(source, str) else ""
    task, pictures = _task(source), [canvas(p, EXAMPLE_SIZE) for p in example_photos()]
    outputs = [_tensor(task(p, strength=1.0, seed=0)) for p in pictures]
    photos = [_tensor(p) for p in pictures]
    names = {f"style_{name}" for name in EXAMPLE_PAINTINGS.get(style, ())}
    paintings = [_tensor(canvas(p, EXAMPLE_SIZE)) for p in _examples("style_*.jpg") if p.stem in names]

    def mean(measure: Callable[..., Tensor], *sets: list[Tensor]) -> float:
        return torch.cat([measure(*items) for items in zip(*sets, strict=True)]).mean().item()

    figures = {
        "content kept": Figure(mean(metrics.content_kept, outputs, photos), 1.0),
        "colourfulness": Figure(
            mean(metrics.colourfulness, outputs),
            mean(metrics.colourfulness, photos),
            mean(metrics.colourfulness, paintings) if paintings else None,
        ),
        "colour difference to the photo": Figure(mean(metrics.ciede2000, outputs, photos), 0.0),
    }
    if len(paintings) > 1:
        found = metrics.style_score(outputs, photos, paintings[::2], paintings[1::2], patches=EXAMPLE_PATCHES)
        for kind in ("brushwork", "colour"):
            bounded: metrics.Bounded = getattr(found, kind)
            figures[f"{kind} distance"] = Figure(bounded.distance, bounded.copied, bounded.real)
    return figures


def disagreements(card: dict[str, Figure], again: dict[str, Figure]) -> list[str]:
    """Which figures of a card a recomputation does not confirm, a sentence each."""
    wrong = [f"{name}: on the card alone" for name in card.keys() - again.keys()]
    wrong += [f"{name}: not on the card" for name in again.keys() - card.keys()]
    for name in card.keys() & again.keys():
        for field, a, b in zip(Figure._fields, card[name], again[name], strict=True):
            both = a is not None and b is not None
            # Not "difference > tolerance": NaN must be wrong too.
            fine = abs(a - b) <= ABSOLUTE + RELATIVE * abs(b) if both else a is b
            if not fine:
                wrong.append(f"{name} ({field}): {a} on the card, {b} now")
    return sorted(wrong)


# ------------------------------------------------------------------------------------------------ data


def _pictures(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in image.FORMATS)
    if not found:
        raise CardError(f"{folder.name} holds no pictures: give a folder with photos/, painters/ and styles/ in it.")
    return found


def _split(files: list[Path], every: int) -> tuple[list[Path], list[Path]]:
    """(trained on, held back), by the trainer's rule, which needs no seed and no list."""
    return [f for i, f in enumerate(files) if i % every], files[::every]


def _evenly(files: list[Path], most: int) -> list[Path]:
    return files[:: math.ceil(len(files) / most)]


def class_folder(folder: Path, style: str) -> Path:
    """Where the paintings of a style lie: painters/<style>, styles/<style> or styles/<style>_<more>."""
    for pattern in (style, f"{style}_*"):
        for room in ("painters", "styles"):
            for found in sorted((folder / room).glob(pattern)):
                if found.is_dir():
                    return found
    raise CardError(f"{folder.name} has no paintings of {style}: put them into painters/{style} or styles/{style}.")


def data_hash(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over the files' names below `root` and their bytes, in the order of the names."""
    total = hashlib.sha256()
    for name, file in sorted((f.relative_to(root).as_posix(), f) for f in files):
        total.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _provenance(folder: Path, prefixes: Sequence[str]) -> list[str]:
    """The lines of the data's own README.md, a table of | folder | images | MB | sources | licence |."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except OSError:
        return []
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if "|" in line]
    wanted = [r for r in rows if len(r) == 5 and (r[0] in prefixes or r[0].split(" ")[0] in prefixes)]
    return [f"| {r[0]} | {r[1]} | {r[3]} | {r[4]} |" for r in wanted]


def _data_section(folder: Path, style: str) -> str:
    paintings = class_folder(folder, style)
    place = paintings.relative_to(folder).as_posix()
    lines = []
    for title, where, every in (
        ("photos", folder / "photos", HOLD_BACK_PHOTOS),
        (f"paintings ({place})", paintings, HOLD_BACK_PAINTINGS),
    ):
        train, held = _split(_pictures(where), every)
        lines.append(f"{len(train)} {title} to train on, {len(held)} held back (every {every}th file)")
    text = "; ".join(lines) + "."
    if rows := _provenance(folder, ("photos", place)):
        text += "\n\n| folder | images | source repositories (images) | licence position |\n|---|---|---|---|\n"
        text += "\n".join(rows)
    return text


def full_score(source: object, folder: str | os.PathLike, style: str) -> str:
    """The figures section of a card, computed on held-back photos and paintings of a data folder.

    `folder` holds photos/ and painters/<style>/ or styles/<style>/. Raises CardError where it does not.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise CardError(f"There is no folder {str(folder)!r}: give one with photos/, painters/ and styles/ in it.")
    photos, paintings = _pictures(folder / "photos"), _pictures(class_folder(folder, style))
    train, held = _split(paintings, HOLD_BACK_PAINTINGS)
    if not train:
        raise CardError(f"{style} has only {len(paintings)} painting: two at least are needed, one of them held back.")
    train, held = _evenly(train, MOST_PAINTINGS), _evenly(held, MOST_PAINTINGS)
    shown, task = _evenly(_split(photos, HOLD_BACK_PHOTOS)[1], MOST_PHOTOS), _task(source)
    lines = [
        f"On {len(shown)} photos and {len(held)} paintings that were held back, against {len(train)} "
        "paintings that were not. Distances are to those; a score of 0 is the photo as it was, 1 is other "
        "real paintings of the same hand or movement. Brushwork and colour: patch sliced Wasserstein "
        "distance at three scales. Encoder: feature statistics of the net that the training looked through "
        "too. Content kept: structural similarity of the gradients of luma, 1 for the photo.",
        "",
        "| short side | figure | this net | photo copied | other real paintings | score |",
        "|---|---|---|---|---|---|",
    ]
    for size in SIZES:
        found = score(task, shown, train, held, size=size).to_dict()
        for name in ("brushwork", "colour", "encoder"):
            f = found[name]
            value = "none: the photos are as near as real paintings" if f["score"] is None else f"{f['score']:.2f}"
            bounds = " | ".join(f"{f[k]:.4g}" for k in ("distance", "copied", "real"))
            lines.append(f"| {size} px | {name} | {bounds} | {value} |")
        lines.append(f"| {size} px | content kept | {found['content']:.3f} | 1 | | |")
    digest = data_hash([*photos, *paintings], folder)
    dtype = str(runtime.setup().dtype).removeprefix("torch.")
    lines += [
        "",
        f"Data: SHA-256 of file names and bytes `{digest}`. Computed in {dtype} by `python -m artcore cards FOLDER`.",
    ]
    return "\n".join(lines)


def update(
    folder: str | os.PathLike,
    names: Sequence[str] | None = None,
    *,
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> list[str]:
    """Computes the figures of shipped painters anew and writes them into their cards, between the markers.

    `folder` is laid out as in `full_score`. `names` are catalog names, by default every painter in weights/.
    `progress` may wrap the list of names, as tqdm does. What else stands on a card is left alone. Returns the
    names. Raises CardError for a name that does not ship or has no card, and before anything is computed.
    """
    folder, catalog = Path(folder).expanduser(), load.catalog()
    shipped = {name: entry for name, entry in catalog.items() if entry.task == "painter" and entry.path}
    names = list(shipped if names is None else names)
    for name in names:
        if name not in shipped:
            raise CardError(f"No painter {name!r} ships in weights/: choose from {', '.join(shipped) or 'none yet'}.")
        card = shipped[name].path / CARD
        if not card.is_file():
            raise CardError(f"{name} has no card: install it again with `python -m training.publish --local {name}`.")
        for section in ("data", "figures", "examples"):
            _section(card.read_text(encoding="utf-8"), section)
        class_folder(folder, shipped[name].style)
    for name in progress(names):
        path, style, task = shipped[name].path / CARD, shipped[name].style, load.load(name)
        text = path.read_text(encoding="utf-8")
        for section, body in (
            ("data", _data_section(folder, style)),
            ("figures", full_score(task, folder, style)),
            ("examples", examples_table(example_score(task, style=style))),
        ):
            text = replace_section(text, section, body)
        write(path, text.encode())
    return names


# ------------------------------------------------------------------------------------------------ the card


def examples_table(figures: dict[str, Figure]) -> str:
    """The examples section; `read_examples` is its inverse."""
    rows = [
        f"| {name} | " + " | ".join("" if v is None else f"{v:.4g}" for v in figure) + " |"
        for name, figure in figures.items()
    ]
    return "\n".join(["| figure | this net | the photos | real paintings |", "|---|---|---|---|", *rows])


def read_examples(card: str) -> dict[str, Figure]:
    """The example figures that stand on a card. Raises CardError where there is no such section."""
    found = {}
    for line in _section(card, "examples").splitlines()[2:]:
        name, *values = (cell.strip() for cell in line.strip().strip("|").split("|"))
        found[name] = Figure(*(float(v) if v else None for v in values))
    return found


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: made by artcore.cards, from here -->", f"<!-- {name}: to here -->"


def _section(card: str, name: str) -> str:
    first, last = _markers(name)
    if card.count(first) != 1 or card.count(last) != 1 or card.index(first) > card.index(last):
        raise CardError(f"The card lacks the two markers of its {name}: make it again with training.publish.")
    return card.split(first)[1].split(last)[0].strip("\n")


def replace_section(card: str, name: str, body: str) -> str:
    """The card with what stands between the markers of a section replaced."""
    _section(card, name)
    first, last = _markers(name)
    return f"{card.split(first)[0]}{first}\n{body}\n{last}{card.split(last)[1]}"


def front_matter(licence: str, tags: Sequence[str], pipeline: str = "image-to-image") -> str:
    """The YAML head that the Hub reads. A licence that it does not know goes by its name."""
    known = licence.lower() in HUB_LICENCES
    lines = [f"license: {licence.lower() if known else 'other'}"]
    if not known:
        lines.append(f"license_name: {re.sub('[^a-z0-9.]+', '-', licence.lower()).strip('-')}")
    lines += ["library_name: artcore", f"pipeline_tag: {pipeline}", "tags:", *(f"- {tag}" for tag in tags)]
    return "\n".join(["---", *lines, "---"])


def training_section(record: dict | None) -> str:
    """What the trainer wrote into training.json, as a table, and its settings but for paths."""
    if not record:
        return f"The trainer left no {RECORD} beside this checkpoint: its steps and hardware are not recorded."
    config = record.get("config", {})
    precision = config.get("mixed_precision")
    rows = {
        "steps": record.get("step", config.get("steps")),
        "batch": config.get("batch_size"),
        "processes": record.get("processes"),
        "crop": f"{config['size']} px" if "size" in config else None,
        "photos": record.get("photos"),
        "paintings": record.get("paintings"),
        "pictures": record.get("trained_on"),
        "held back": record.get("held_back"),
        "top-1 accuracy on those": f"{record['accuracy']:.1%}" if "accuracy" in record else None,
        "fine-tuned from": _last_name(config.get("init") or ""),
        "number format": "fp32" if precision == "no" else precision,
        "hardware": record.get("hardware"),
        "time": f"{record['minutes']:.0f} minutes" if "minutes" in record else None,
        "torch": record.get("torch"),
        "note": record.get("note"),
    }
    lines = ["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items() if v is not None)]
    settings = {k: v for k, v in config.items() if k not in PATHS}
    if "trainer" in record:
        lines = [f"With `python -m training.{record['trainer'].rpartition('.')[2]}`.", "", *lines]
    return "\n".join([*lines, "", "```json", json.dumps(settings, indent=2), "```"] if settings else lines)


def _last_name(path: str) -> str | None:
    """What a checkpoint is called, without where it lay: runs/base/model is "base"."""
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    return next((part for part in reversed(parts) if part != "model"), None)


def read_record(folder: Path) -> dict | None:
    """training.json of a checkpoint: in its folder, or beside it, in the folder of the run."""
    for file in (folder / RECORD, folder.parent / RECORD):
        if file.is_file():
            try:
                record = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise CardError(f"{RECORD} can't be read ({error}): correct it, or take it away.") from error
            if not isinstance(record, dict):
                raise CardError(f"{RECORD} is no JSON object: correct it, or take it away.")
            return record
    return None


def make(
    folder: Path,
    task: Callable[..., Image.Image],
    *,
    name: str,
    source: str,
    label: str,
    licence: str,
    record: dict | None,
    data: str | os.PathLike | None = None,
) -> None:
    """Writes README.md, sample.jpg and thumbnail.jpg beside config.json and model.safetensors.

    task: the painter of that checkpoint. name: the catalog name; its last part is the style. source: what a
    reader gives to `artcore.load`. data: a folder for the full score; without it the card says how to get it.
    """
    style = name.rpartition(".")[2]
    image.save(sample_sheet(task), folder / SAMPLE, quality=88)
    image.save(thumbnail(task), folder / THUMBNAIL, quality=88)
    config = json.loads((folder / hub.CONFIG).read_text(encoding="utf-8"))
    weights = (folder / hub.WEIGHTS).read_bytes()
    if data is not None:
        data = Path(data).expanduser()
        figures, counts = full_score(task, data, style), _data_section(data, style)
    else:
        figures = "Not computed yet: `python -m artcore cards FOLDER` does, on a folder of held-back pictures."
        counts = "The data folder was not at hand when this card was made; see Training for the counts."
    card = _TEMPLATE.format(
        head=front_matter(licence, ["artcore", "style-transfer", "painting", config["architecture"].lower(), style]),
        label=label,
        source=source,
        architecture=config["architecture"],
        megabytes=len(weights) / 1e6,
        digest=hashlib.sha256(weights).hexdigest(),
        licence=licence,
        training=training_section(record),
        relative=RELATIVE,
    )
    examples = examples_table(example_score(task, style=style))
    for section, body in (("data", counts), ("figures", figures), ("examples", examples)):
        card = replace_section(card, section, body)
    write(folder / CARD, card.encode())


def make_encoder(folder: Path, *, source: str, licence: str, record: dict | None) -> None:
    """Writes README.md beside an ArtEncoder: it paints nothing, so there are no pictures and no figures."""
    encoder = ArtEncoder.from_pretrained(folder)
    weights = (folder / hub.WEIGHTS).read_bytes()
    card = _ENCODER_TEMPLATE.format(
        head=front_matter(licence, ["artcore", "perceptual-loss", "artencoder"], "image-feature-extraction"),
        source=source,
        first=encoder.layers[0],
        last=encoder.layers[-1],
        parameters=sum(p.numel() for p in encoder.parameters()),
        megabytes=len(weights) / 1e6,
        digest=hashlib.sha256(weights).hexdigest(),
        licence=licence,
        training=training_section(record),
    )
    write(folder / CARD, card.encode())


def _crop(source: object, width: int, height: int) -> Image.Image:
    """The middle of a picture in the aspect width:height, at its own resolution."""
    picture = image.open(source).convert("RGB")
    scale = min(picture.width / width, picture.height / height)
    w, h = int(width * scale), int(height * scale)
    left, top = (picture.width - w) // 2, (picture.height - h) // 2
    return picture.crop((left, top, left + w, top + h))


def sample_sheet(task: Callable[..., Image.Image]) -> Image.Image:
    """Three example photos above, and what the checkpoint makes of them below."""
    cell, gap = (480, 320), 8
    photos = [_crop(p, *cell) for p in example_photos()[-3:]]
    rows = [photos, [task(p, strength=1.0, seed=0) for p in photos]]
    sheet = Image.new("RGB", (3 * cell[0] + 2 * gap, 2 * cell[1] + gap), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            small = picture.resize(cell, Image.Resampling.LANCZOS)
            sheet.paste(small, (x * (cell[0] + gap), y * (cell[1] + gap)))
    return sheet


def thumbnail(task: Callable[..., Image.Image]) -> Image.Image:
    """One example photo, the same for every style, painted: 256 x 256."""
    photos = {p.stem: p for p in example_photos()}
    photo = _crop(photos.get("photo_rocky_lighthouse", next(iter(photos.values()))), 1, 1)
    return task(photo, strength=1.0, seed=0).resize((256, 256), Image.Resampling.LANCZOS)


def write(path: Path, data: bytes) -> None:
    """Replaces the file whole, so that nobody ever reads half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise CardError(
            f"{path.name} can't be written ({error.strerror}): free the disk, or check its rights."
        ) from error
    finally:
        part.unlink(missing_ok=True)


_TEMPLATE = """{head}

# {label}: a painter of artcore

Turns a photo into a painting in the manner of {label}, in one pass, at any size, on a plain processor. The
net is a `{architecture}` ({megabytes:.1f} MB, SHA-256 of model.safetensors `{digest}`). The seed chooses
the brush, the strength goes from 0, the photo, over 1, the painting, to 1.5.

![Above three photos, below what this checkpoint made of them](sample.jpg)

## Use

```python
import artcore
painting = artcore.load("{source}")("photo.jpg", strength=1.0, seed=0)
painting.save("painting.png")
```

## Data

<!-- data: made by artcore.cards, from here -->
<!-- data: to here -->

The weights: {licence}. The photos that a net is trained on are used for research only where their licence
is unknown or says so, and are not part of this checkpoint; the encoder that the training looks through was
trained on Tiny ImageNet, for non-commercial research. The licence of a repository that carried an image is
not the licence of the image.

## Training

{training}

## Figures

<!-- figures: made by artcore.cards, from here -->
<!-- figures: to here -->

On the committed example photos (data/examples, short side 256 px; the tests recompute these within
{relative:.0%}): for each figure what the photos themselves have, and real paintings of the style where
examples of it are there. Six photos and few paintings tell a broken checkpoint, not a good one from a
better.

<!-- examples: made by artcore.cards, from here -->
<!-- examples: to here -->

## Limits

- It imitates colours and brushwork, not what the painter chose to show or leave out: it does not know what
  is in the photo, and faces, hands and lettering lose detail like everything else.
- A stroke has a size in pixels, not in centimetres: on a large photo strokes are finer. Paint it smaller
  for a coarser brush.
- It learned from small reproductions (about 200 to 300 px), many of them squeezed or compressed; their
  faults are part of what it learned.
- One net holds the average of many paintings, not any single one. What it makes is not a work of that
  painter.
- The figures compare sets of pictures; they are no judgement of a single painting, and no substitute for
  looking.
"""

_ENCODER_TEMPLATE = """{head}

# ArtEncoder: the net that artcore's losses look through

A small perceptual net in the shape of VGG, trained from scratch, so that neither a loss nor a score needs
weights from elsewhere: {parameters:,} parameters, {megabytes:.1f} MB, batch norms folded into the
convolutions. SHA-256 of model.safetensors: `{digest}`.

## Use

```python
from artcore import ArtEncoder
encoder = ArtEncoder.from_pretrained("{source}")
features = encoder(pictures, ("{first}", "{last}"))  # pictures (N, 3, H, W), RGB in [0, 1]
```

## Data

Tiny ImageNet: 64 x 64 px pictures of 200 classes, for non-commercial research, as for every net trained on
ImageNet. The weights: {licence}.

## Training

{training}

## Limits

- It was trained on tiny photos: it sees texture well, objects roughly, and faces hardly at all.
- It has four blocks where VGG-19 has five: there is no layer like conv5_1.
- Distances measured through it flatter nets that were trained through it; artcore.metrics has figures that
  look at pixels alone.
"""
