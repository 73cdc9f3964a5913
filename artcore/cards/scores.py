"""The figures of a card: scores of both directions between their bounds, on committed and on held-back pictures."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from artcore import image, load, metrics, runtime
from artcore.models.encoder import ArtEncoder

SIZES = (256, 512)  # short sides of the full score, in pixels
LAYERS = ("r1_1", "r2_1", "r3_1", "r4_1")  # of the encoder, one for each of its blocks
MOST_PHOTOS, MOST_PAINTINGS = 24, 48  # of a set, evenly spaced, so that all nets take minutes and not hours
HOLD_BACK_PHOTOS, HOLD_BACK_PAINTINGS = 20, 10  # every k-th file, as training.data.split does by default

PATCHES = 16384  # a set, of the patch distances

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
EXAMPLE_SIZE, EXAMPLE_PATCHES = 160, 4096  # a second or two for a checkpoint
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
# Grants bf16 against fp32 (0.8 % and 0.03 dB seen) and another processor's kernels.
RELATIVE, ABSOLUTE, DECIBELS = 0.02, 0.0005, 0.1

DIRECTIONS = ("to_painting", "to_photo")
Task = Callable[..., Image.Image]
# The figures of a table, by their names, and of each its columns: "this net" and what it is to be compared with.
Figures = dict[str, dict[str, float | None]]


class CardError(ValueError):
    """A card that can't be made or brought up to date; the message says why, and what to do."""


class Sets(NamedTuple):
    """Files of one direction: inputs and others were held back from the training, goals were not."""

    inputs: list[Path]
    goals: list[Path]
    others: list[Path]


# ------------------------------------------------------------------------------------------------ pictures


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


def crop(source: object, width: int, height: int) -> Image.Image:
    """The middle of a picture in the aspect width:height, at its own resolution."""
    picture = image.open(source).convert("RGB")
    scale = min(picture.width / width, picture.height / height)
    w, h = int(width * scale), int(height * scale)
    left, top = (picture.width - w) // 2, (picture.height - h) // 2
    return picture.crop((left, top, left + w, top + h))


def tensor(picture: Image.Image) -> Tensor:
    return image.to_tensor(picture).contiguous()


def as_task(source: object) -> Task:
    """A task as it is; else that of a catalog name, a checkpoint's folder or a run's, which has it in model/."""
    if not isinstance(source, str | os.PathLike):
        return source
    inner = Path(source).expanduser() / "model"
    return load.load(inner if inner.is_dir() else source)


def directions(task: Task) -> tuple[str, ...]:
    """What a painter can do: a CycleGAN holds a net for either direction, the others paint."""
    return getattr(task, "directions", DIRECTIONS[:1])


def turn(task: Task, picture: object, direction: str = "to_painting") -> Image.Image:
    """The picture at strength 1 with seed 0."""
    # A painter of one direction need not know the word.
    more = {} if direction == "to_painting" else {"direction": direction}
    return task(picture, strength=1.0, seed=0, **more)


def pictures(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in image.FORMATS)
    if not found:
        raise CardError(f"{folder.name} holds no pictures: put some there, or give another folder of data.")
    return found


def split(files: list[Path], every: int) -> tuple[list[Path], list[Path]]:
    """(trained on, held back), by the trainer's rule, which needs no seed and no list."""
    return [f for i, f in enumerate(files) if i % every], files[::every]


def evenly(files: list[Path], most: int) -> list[Path]:
    return files[:: math.ceil(len(files) / most)]


def class_folder(folder: Path, style: str) -> Path:
    """Where the paintings of a style lie: painters/<style>, styles/<style> or styles/<style>_<more>."""
    for pattern in (style, f"{style}_*"):
        for room in ("painters", "styles"):
            for found in sorted((folder / room).glob(pattern)):
                if found.is_dir():
                    return found
    raise CardError(f"{folder.name} has no paintings of {style}: put them into painters/{style} or styles/{style}.")


def paintings(folder: Path, style: str) -> tuple[list[Path], list[Path]]:
    """(trained on, held back) of a style; neither is empty."""
    train, held = split(pictures(class_folder(folder, style)), HOLD_BACK_PAINTINGS)
    if not train:
        raise CardError(f"{style} has only one painting: two at least are needed, one of them held back.")
    return evenly(train, MOST_PAINTINGS), evenly(held, MOST_PAINTINGS)


def sets(folder: Path, style: str, direction: str = "to_painting") -> Sets:
    """What a painter of `style` is judged on."""
    seen, shown = split(pictures(folder / "photos"), HOLD_BACK_PHOTOS)
    train, held = paintings(folder, style)
    shown = evenly(shown, MOST_PHOTOS)
    if direction == "to_painting":
        return Sets(shown, train, held)
    if not seen:
        raise CardError("photos holds only one photo: two at least are needed, one of them held back.")
    return Sets(held, evenly(seen, MOST_PAINTINGS), shown)


# ------------------------------------------------------------------------------------------------ scores


def score(
    source: object,
    inputs: Sequence[object],
    goals: Sequence[object] | metrics.Description,
    others: Sequence[object] | metrics.Description,
    *,
    size: int = SIZES[0],
    direction: str = "to_painting",
) -> metrics.StyleScore:
    """The style score of a painter (`artcore.metrics.style_score`) on canvases of short side `size` px.

    source: a painter, or what `artcore.load` takes. To a painting, inputs are photos that were not trained on,
    goals paintings that the distances are taken to, which the net may have seen, and others paintings of the
    same hand that were held back, which give the bound. To a photo, inputs are held-back paintings, goals and
    others are photos. All are anything that `image.open` takes; goals and others may be described already
    (`described`). At strength 1 with seed 0.

    The encoder's part sees the pictures through weights/encoder, which the nets were trained through too: it
    flatters them, and brushwork and colour, which look at pixels alone, are the independent figures.

    Raises ValueError for an empty list, LoadError, ImageError and HubError for what can't be loaded.
    """
    task, painting = as_task(source), direction == "to_painting"
    inputs = [canvas(p, size, unsqueeze=not painting) for p in inputs]
    return metrics.style_score(
        [tensor(turn(task, p, direction)) for p in inputs],
        [tensor(p) for p in inputs],
        *(
            x if isinstance(x, metrics.Description) else [tensor(canvas(p, size, unsqueeze=painting)) for p in x]
            for x in (goals, others)
        ),
        features(),
        patches=PATCHES,
    )


@functools.lru_cache(16)  # all sets of a painter, whatever the number of its checkpoints
def described(files: tuple[Path, ...], size: int, unsqueeze: bool, patches: int) -> metrics.Description:
    """What `score` needs to know of goals or others that are files."""
    return metrics.describe([tensor(canvas(p, size, unsqueeze=unsqueeze)) for p in files], features(), patches=patches)


def features() -> metrics.Features:
    """The shipped encoder, as metrics want it."""
    return _features(load.weights() / "encoder")


@functools.lru_cache(1)
def _features(folder: Path) -> metrics.Features:
    encoder = ArtEncoder.from_pretrained(folder)  # in float32 whatever the machine prefers

    def look(x: Tensor) -> dict[str, Tensor]:
        with runtime.lock, torch.inference_mode():
            return encoder(x, LAYERS)

    return look


def example_photos() -> list[Path]:
    """The committed example photos, sorted."""
    return _examples("photo_*.jpg")


def example_paintings(style: str = "") -> list[Path]:
    """The committed example paintings: those of `style`, sorted; of no style all, landscapes of painters first."""
    files = {p.stem.removeprefix("style_"): p for p in _examples("style_*.jpg")}
    if style:
        return [files[name] for name in sorted(EXAMPLE_PAINTINGS.get(style, ())) if name in files]
    first = [name for name in (*EXAMPLE_PAINTINGS["monet"], *EXAMPLE_PAINTINGS["vangogh"]) if name in files]
    return [files[name] for name in dict.fromkeys([*first, *files])]


def _examples(pattern: str) -> list[Path]:
    files = sorted(EXAMPLES.glob(pattern))
    if not files and pattern.startswith("photo"):
        raise CardError("data/examples holds no photo_*.jpg: run this in a checkout of the repository.")
    return files


def example_score(source: object, *, style: str | None = None) -> Figures:
    """A small score on the committed example photos at 160 px, in a second or two; the same on every run.

    Content kept, colourfulness and the colour difference (CIEDE2000) to the photo; where at least two example
    paintings fit `style` (default: the last part of the catalog name), brushwork and colour distance between
    their bounds; the first two also for all example paintings where the painter makes photos of them. Six photos
    and two to four paintings tell a broken checkpoint, not a good one from a better.
    """
    if style is None:
        style = source.rpartition(".")[2] if isinstance(source, str) else ""
    task, originals = as_task(source), [canvas(p, EXAMPLE_SIZE) for p in example_photos()]
    outputs = [tensor(turn(task, p)) for p in originals]
    photos = [tensor(p) for p in originals]
    painted = [tensor(canvas(p, EXAMPLE_SIZE)) for p in example_paintings(style)] if style else []

    def mean(measure: Callable[..., Tensor], *sets: list[Tensor]) -> float:
        return torch.cat([measure(*items) for items in zip(*sets, strict=True)]).mean().item()

    def row(value: float, photo: float | None, painting: float | None = None) -> dict[str, float | None]:
        return {"this net": value, "the photos": photo, "real paintings": painting}

    colourful = [mean(metrics.colourfulness, x) if x else None for x in (outputs, photos, painted)]
    figures = {
        "content kept": row(mean(metrics.content_kept, outputs, photos), 1.0),
        "colourfulness": row(*colourful),
        "colour difference to the photo": row(mean(metrics.ciede2000, outputs, photos), 0.0),
    }
    if len(painted) > 1:
        found = metrics.style_score(outputs, photos, painted[::2], painted[1::2], patches=EXAMPLE_PATCHES)
        for kind in ("brushwork", "colour"):
            bounded: metrics.Bounded = getattr(found, kind)
            figures[f"{kind} distance"] = row(bounded.distance, bounded.copied, bounded.real)
    if "to_photo" in directions(task) and (works := example_paintings()):
        works = [canvas(p, EXAMPLE_SIZE) for p in works]
        made, works = [tensor(turn(task, p, "to_photo")) for p in works], [tensor(p) for p in works]
        figures["content kept, to a photo"] = row(mean(metrics.content_kept, made, works), None, 1.0)
        figures["colourfulness, to a photo"] = row(
            mean(metrics.colourfulness, made), colourful[1], mean(metrics.colourfulness, works)
        )
    return figures


def table(figures: Figures, head: str = "figure") -> str:
    """Figures in Markdown, a row each; a column that a figure lacks stays empty."""
    columns = list(dict.fromkeys(column for row in figures.values() for column in row))

    def cell(value: float | None) -> str:
        return "" if value is None else f"{value:.4g}"

    rows = [[name, *(cell(row.get(column)) for column in columns)] for name, row in figures.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in ([head, *columns], ["---"] * (len(columns) + 1), *rows))


def disagreements(
    card: Figures, again: Figures, *, relative: float = RELATIVE, absolute: float = ABSOLUTE
) -> list[str]:
    """Which figures of a card a recomputation does not confirm, a sentence each."""
    wrong = [f"{name}: on the card alone" for name in card.keys() - again.keys()]
    wrong += [f"{name}: not on the card" for name in again.keys() - card.keys()]
    for name in card.keys() & again.keys():
        for column in card[name] | again[name]:
            a, b = card[name].get(column), again[name].get(column)
            both = a is not None and b is not None
            # Not "difference > tolerance": NaN must be wrong too.
            slack = DECIBELS if name.endswith(", dB") else absolute + relative * abs(b or 0.0)
            fine = abs(a - b) <= slack if both else a is b
            if not fine:
                wrong.append(f"{name} ({column}): {a} on the card, {b} now")
    return sorted(wrong)


# ------------------------------------------------------------------------------------------------ the full score


def full_score(
    source: object, folder: str | os.PathLike, style: str, *, sizes: Sequence[int] = (), keep: dict | None = None
) -> Iterator[str]:
    """The tables of a card in Markdown, one by one as they are computed, on held-back pictures of a data folder.

    A table for each direction of the painter, at `sizes` (by default SIZES); then, for one of the painters of
    `folder`, whose hand it is (artcore.cards.hands). `folder` holds photos/ and painters/<style>/ or
    styles/<style>/. Into `keep` go the scores, direction -> short side -> figure. Raises CardError where the
    folder does not hold that.
    """
    from artcore.cards import hands  # which builds on this module

    folder, sizes = Path(folder).expanduser(), sizes or SIZES
    if not folder.is_dir():
        raise CardError(f"There is no folder {str(folder)!r}: give one with photos/, painters/ and styles/ in it.")
    sets(folder, style)  # complains before it loads
    task = as_task(source)
    for direction in directions(task):
        found = {f"{size} px": _at_size(task, direction, sets(folder, style, direction), size) for size in sizes}
        if keep is not None:
            keep[direction] = {
                size: {name: f["score"] if isinstance(f, dict) else f for name, f in row.items()}
                for size, row in found.items()
            }
        yield _direction_table(direction, sets(folder, style, direction), found)
    yield from hands.tables(task, folder, style, sizes[0])


_WORDS = {
    "to_painting": ("photos", "paintings", "the photo as it was", "paintings of the same hand or movement"),
    "to_photo": ("paintings", "photos", "the painting as it was", "photos"),
}


def _at_size(task: Task, direction: str, files: Sets, size: int) -> dict:
    known = (described(tuple(f), size, direction == "to_painting", PATCHES) for f in (files.goals, files.others))
    return score(task, files.inputs, *known, size=size, direction=direction).to_dict()


def _direction_table(direction: str, files: Sets, figures: dict[str, dict]) -> str:
    ours, theirs, copied, real = _WORDS[direction]
    what = "To a painting" if direction == "to_painting" else "To a photo"
    lines = [
        f"{what}, on {len(files.inputs)} {ours} and {len(files.others)} {theirs} that were held back, against "
        f"{len(files.goals)} {theirs} that were not. Distances are to those; a score of 0 is {copied}, 1 is other "
        f"real {real}. Brushwork and colour: patch sliced Wasserstein distance at three scales. Encoder: feature "
        "statistics of the net that the training looked through too. Content kept: structural similarity of the "
        f"gradients of luma, 1 for the {ours[:-1]}.",
        "",
        f"| short side | figure | this net | {ours[:-1]} copied | other real {theirs} | score |",
        "|---|---|---|---|---|---|",
    ]
    for size, found in figures.items():
        for name in ("brushwork", "colour", "encoder"):
            f = found[name]
            value = f"none: the {ours} are as near as real {theirs}" if f["score"] is None else f"{f['score']:.2f}"
            bounds = " | ".join(f"{f[k]:.4g}" for k in ("distance", "copied", "real"))
            lines.append(f"| {size} | {name} | {bounds} | {value} |")
        lines.append(f"| {size} | content kept | {found['content']:.3f} | 1 | | |")
    return "\n".join(lines)
