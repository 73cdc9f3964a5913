"""The figures and the card of an upscaler, by the protocol of the super-resolution papers.

A picture is cut to a multiple of four, reduced by MATLAB's `imresize` (bicubic, a = -0.5, antialiased, borders
continued by their mirror image) and rounded to eight bits; that is enlarged four times, rounded, and compared with the
picture on BT.601 luma in studio swing, less 4 px a side. Bicubic enlargement by the same kernel stands beside.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from artcore import image, load, metrics
from artcore.cards import scores
from artcore.cards.scores import CardError
from artcore.models import enhancenet
from artcore.tasks import sheets

METHODS = ("enhancenet",)
TITLE = "an upscaler"
NAME = "enhancenet.fidelity"  # for instance
METRICS = ("psnr", "ssim")
SCALE = enhancenet.SCALE
SHAVED = SCALE  # pixels a side that are not compared
JPEG = 60  # quality of what the net gets in the last rows of a table
FOLDER, HOLD_BACK = "sr", 20  # every k-th file, as training.data.split does
MOST = 24  # pictures of a group of held-back ones, evenly spaced; a set that is named is taken whole
LEAST = 24  # pixels a side that can be judged: SSIM needs 11 of what is left
# What a sheet shows of the example photos, (left, top) of their width and height.
DETAILS = {
    "photo_fence_lighthouse": (0.55, 0.42),
    "photo_two_parrots": (0.09, 0.27),
    "photo_motocross": (0.35, 0.3),
    "photo_window_flowers": (0.3, 0.45),
}
NETS = ("fidelity", "texture", "photo")  # the order of the columns
DETAIL = 128  # pixels of a side, shown twice as large

EXAMPLES = f"""\
reduced and enlarged again. PSNR and SSIM on luma, {SHAVED} px shaved; six photos tell a broken checkpoint, not a good
one from a better."""
MEANING = "PSNR in dB and SSIM, better the higher: to the truth, or of the result reduced again to the input."
HEADS = ("pictures", "input", "figure")


# ------------------------------------------------------------------------------------------------ pictures


def groups(folder: Path) -> dict[str, tuple[list[Path], list[Path]]]:
    """(trained on, held back) of each kind of picture in sr/, by how the name of a file begins."""
    train, held = scores.split(scores.pictures(folder / FOLDER), HOLD_BACK)
    found: dict[str, tuple[list[Path], list[Path]]] = defaultdict(lambda: ([], []))
    for files, which in ((train, 0), (held, 1)):
        for file in files:
            found[file.stem.partition("_")[0] if "_" in file.stem else FOLDER][which].append(file)
    return dict(found)


def sets_of(folder: Path | None, sets: Sequence[str | os.PathLike] = ()) -> dict[str, list[Path]]:
    """The pictures to judge by: those of the folders `sets`, whole, by the folders' names; else the held-back ones.

    Where a set keeps its pictures as NAME_HR beside their reductions, only those count.
    """
    if not sets:
        if not folder.is_dir():
            raise CardError(f"There is no folder {str(folder)!r}: give one with sr/ in it, or --set FOLDER.")
        return {name: scores.evenly(held, MOST) for name, (_, held) in groups(folder).items() if held}
    found = {}
    for place in map(Path, sets):
        files = sorted(f for f in place.expanduser().glob("*") if f.suffix.lower() in image.FORMATS)
        if not files:
            raise CardError(f"{str(place)!r} holds no pictures: give a folder of whole pictures, such as Set5's.")
        found[place.name] = [f for f in files if f.stem.upper().endswith("_HR")] or files
    return found


def check(folder: Path, name: str) -> None:
    """Raises CardError where the folder can't judge it."""
    sets_of(folder)


def data(folder: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """What was there to train on and held back, and the rows of the data's own table that belong to it."""
    counts = [f"{len(t)} pictures {n}_* to train on, {len(h)} held back" for n, (t, h) in groups(folder).items()]
    return f"{'; '.join(counts)} (every {HOLD_BACK}th file of {FOLDER}).", (FOLDER,)


def judged(folder: Path, name: str) -> Iterable[Path]:
    """The files that the figures depend on."""
    return [file for files in sets_of(folder).values() for file in files]


def whole(source: object) -> Image.Image:
    """The picture as RGB, cut at the right and below to a multiple of four."""
    picture = image.open(source).convert("RGB")
    width, height = (side - side % SCALE for side in picture.size)
    if min(width, height) < LEAST:
        raise CardError(f"A picture of {picture.width} x {picture.height} is too small to judge by: leave it out.")
    return picture.crop((0, 0, width, height))


def reduced(picture: Image.Image) -> Image.Image:
    """A quarter of the size, in eight bits."""
    return image.to_pil(enhancenet.reduce(scores.tensor(picture)).clamp(0, 1))


def bicubic(picture: Image.Image) -> Image.Image:
    """Four times the size, in eight bits."""
    return image.to_pil(enhancenet.enlarge(scores.tensor(picture)).clamp(0, 1))


def through_jpeg(picture: Image.Image) -> Image.Image:
    """What is left of it after JPEG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG)
    return image.open(file.getvalue())


# ------------------------------------------------------------------------------------------------ figures


def score(task: object, truths: Iterable[object], *, spoil: bool = False) -> scores.Figures:
    """What an upscaler makes of reduced pictures, beside bicubic: means over the pictures.

    task: called with a picture, `consistent`, whether the result is pulled to what reduces to the input
    (back-projection), and `ensemble`. truths: what `whole` takes. spoil: the input went through JPEG too; then there
    is no truth that reduces to it, and the net alone is asked, without back-projection.
    """
    rows = [_measure(task, whole(truth), spoil) for truth in truths]
    return {
        figure: {column: math.fsum(row[figure][column] for row in rows) / len(rows) for column in columns}
        for figure, columns in rows[0].items()
    }


def _measure(task: object, truth: Image.Image, spoil: bool) -> scores.Figures:
    small = reduced(truth)
    told = through_jpeg(small) if spoil else small
    made = {"the net alone": task(told, consistent=False), "bicubic": bicubic(told)}
    if not spoil:
        pulled = {"with back-projection": {}, "and self-ensemble": {"ensemble": True}}
        made = {column: task(told, consistent=True, **also) for column, also in pulled.items()} | made
    tensors = {name: scores.tensor(picture.convert("RGB")) for name, picture in made.items()}
    target = scores.tensor(truth)
    figures = {
        "PSNR, dB": {n: metrics.psnr_y(x, target, crop=SHAVED).item() for n, x in tensors.items()},
        "SSIM": {n: metrics.ssim_y(x, target, crop=SHAVED).item() for n, x in tensors.items()},
    }
    if not spoil:
        figures["LR-consistency PSNR, dB"] = {n: _consistency(x, small) for n, x in tensors.items()}
    return figures


def _consistency(made: Tensor, small: Image.Image) -> float:
    """PSNR over red, green and blue of the result, reduced and not rounded again, to the input: about 70 dB where
    nothing but the result's own eight bits is in the way."""
    return metrics.psnr(enhancenet.reduce(made).clamp(0, 1), scores.tensor(small)).item()


def full_score(
    task: object, folder: Path | None, *, sets: Sequence[str | os.PathLike] = (), keep: dict | None = None
) -> Iterator[str]:
    """A table in Markdown of each set of pictures: those of the folders `sets`, else the held-back ones of folder/sr.

    Into `keep` go the figures for a comparison of trainings. Raises CardError where there are no pictures.
    """
    default = "with" if getattr(task, "consistent", True) else "without"
    for name, files in sets_of(folder, sets).items():
        plain, spoilt = score(task, files), score(task, files, spoil=True)
        if keep is not None:
            keep[name] = {
                kind: {f"{figure}, {c}": v for figure, row in found.items() for c, v in row.items() if c != "bicubic"}
                for kind, found in (("reduced", plain), (f"reduced, JPEG {JPEG}", spoilt))
            }
        rows = plain | {f"{figure}, of JPEG of quality {JPEG}": row for figure, row in spoilt.items()}
        of = "" if sets else " held-back"
        # What lies elsewhere is not in the hash of the data folder.
        known = f" SHA-256 of names and bytes: {_digest(files)}." if sets else ""
        yield (
            f"x{SCALE} on {len(files)}{of} pictures of {name}, reduced by MATLAB-like bicubic (a = -0.5, antialiased, "
            f"mirrored borders). PSNR and SSIM on Y of BT.601 in studio swing, {SHAVED} px shaved; LR-consistency on "
            f"red, green and blue. As it is called without keywords it works {default} back-projection.{known}"
            f"\n\n{scores.table(rows, name)}"
        )


def figures(task: object, folder: Path, name: str, sets: Sequence[str | os.PathLike] = ()) -> Iterable[str]:
    """The tables of the full score, those of `sets` first."""
    if sets:
        yield from full_score(task, None, sets=sets)
    yield from full_score(task, folder)


def others(section: str, sets: Sequence[str | os.PathLike]) -> dict[str, str]:
    """The tables on a card, with what is said of them, that are of sets of pictures besides `sets`, by their names."""
    found, given = {}, {Path(place).name for place in sets}
    for text in re.findall(rf"^x{SCALE} on .*\n\n(?:\|.*\n?)+", section, re.MULTILINE):
        if (of := re.match(r"x\d+ on \d+ pictures of (.+?), ", text)) and of[1] not in given:
            found[of[1]] = text.strip()
    return found


def examples(task: object, name: str) -> scores.Figures:
    """The figures that the tests recompute."""
    return score(task, (scores.canvas(file, scores.EXAMPLE_SIZE) for file in scores.example_photos()))


# ------------------------------------------------------------------------------------------------ words, pictures


def words(task: object, label: str, source: str) -> dict:
    """What the card says of this kind of net, for its template."""
    consistent = getattr(task, "consistent", True)
    return {
        "tags": ["super-resolution", "image-upscaling"],
        "does": "Makes pictures of any size four times as large (or two or three times), in tiles without seams, on a "
        "plain processor.",
        "controls": "The strength goes from 0, bicubic interpolation, to 1, the net. "
        + (_CONSISTENT if consistent else "It is not held to what reduces to its input: what it removes shall go."),
        "alt": "Details of example photos in rows: the bicubic enlargement, what the nets made, the truth",
        "use": f'large = artcore.load("{source}")("photo.png", scale=4)\nlarge.save("large.png")\n',
        "limits": _LIMITS.format(learned=_ON_REDUCED if consistent else _ON_WORN),
    }


def history(task: object, name: str) -> str:
    """What was before this net."""
    return ""


def sample_sheet(task: object, name: str) -> Image.Image:
    """Details of example photos: bicubic, this net and those that ship beside it, the truth."""
    shipped = [entry.name for entry in load.catalog().values() if entry.task == "upscaler" and entry.path]
    tasks = {_last(other): load.load(other) for other in shipped if other != name} | {_last(name): task}
    columns = sorted(tasks, key=lambda n: (NETS.index(n) if n in NETS else len(NETS), n))
    photos = {p.stem: p for p in scores.example_photos()}
    cells, labels = [], []
    for stem in [s for s in DETAILS if s in photos] or list(photos)[:1]:
        truth = whole(photos[stem])
        small, box = reduced(truth), _box(truth.size, *DETAILS.get(stem, (0.3, 0.3)))
        made = {"bicubic": bicubic(small), **{n: tasks[n](small) for n in columns}, "truth": truth}
        for label, picture in made.items():
            cells.append(_enlarged(picture, box))
            labels.append(label)
    return sheets.contact_sheet(cells, labels, columns=2 + len(columns), side=2 * DETAIL)


def thumbnail(task: object) -> Image.Image:
    """A detail of one example photo, the same for every upscaler, its left half bicubic: 256 x 256."""
    photos = {p.stem: p for p in scores.example_photos()}
    truth = whole(photos.get("photo_two_parrots", next(iter(photos.values()))))
    small, box = reduced(truth), _box(truth.size, *DETAILS["photo_two_parrots"])
    left, made = (_enlarged(p, box).resize((256, 256)) for p in (bicubic(small), task(small)))
    made.paste(left.crop((0, 0, 128, 256)), (0, 0))
    return made


def _digest(files: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return f"`{total.hexdigest()}`"


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _box(size: tuple[int, int], left: float, top: float) -> tuple[int, int, int, int]:
    """A square of DETAIL pixels, less in a smaller picture, that begins at these parts of width and height."""
    side = min(DETAIL, *size)
    x, y = (min(round(part * length), length - side) for part, length in zip((left, top), size, strict=True))
    return x, y, x + side, y + side


def _enlarged(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Pixel by pixel, so that nothing but the picture itself shows."""
    return picture.convert("RGB").crop(box).resize((2 * DETAIL, 2 * DETAIL), Image.Resampling.NEAREST)


_CONSISTENT = "What it makes is pulled to what reduces to its input again (back-projection) unless told otherwise."
_ON_REDUCED = """\
- It learned from pictures reduced by bicubic interpolation. Marks of JPEG, noise and a camera's blur are enlarged like
  everything else (enhancenet.photo was trained on those): the last rows of the figures say how it fares."""
_ON_WORN = """\
- It learned from pictures that were blurred, noisy or saved as JPEGs, and takes such marks away: of a picture that has
  none it may take fine detail with them, and enhancenet.fidelity is nearer to that."""
_LIMITS = """\
- Detail is made up, likely detail: letters, faces and number plates that can't be read in the small picture may come
  out sharp and wrong. It is no evidence of what was there.
{learned}
- PSNR and SSIM reward what is safe: a net that textures (enhancenet.texture) has less of both and looks crisper. Look
  at the sheet.
- It learned from few and small pictures, of the kinds above.
"""
