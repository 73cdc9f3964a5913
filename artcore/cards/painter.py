"""The card of a painter: its words, its pictures, and what of the data belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from artcore import load
from artcore.cards import hands, scores
from artcore.cards.scores import example_photos

METHODS = load.METHODS
TITLE = "a painter"
NAME = "stylenet.vangogh"  # for instance
METRICS = ("sliced-wasserstein", "gradient-ssim", "ciede2000", "colourfulness")  # what the card measures, for the Hub
EXAMPLES = """\
for each figure what the photos themselves have, and real paintings of the style where examples of it are there. Six
photos and few paintings tell a broken checkpoint, not a good one from a better."""
# Of the table that compares trainings: what its figures mean, and the heads of the first columns.
MEANING = "Scores: 0 the copy and 1 real works; the row of content kept is a similarity, 1 for what went in."
HEADS = ("direction", "short side", "figure")

# What document 000's author found wanting in CycleGANs of three painters, its own words first.
COMPLAINTS = {
    "monet": "no *manchas* (textures are not blurred into patches) and faults in the lighting",
    "vangogh": "no rough strokes in backgrounds, and faults in the lighting, though less visible ones",
    "cezanne": "a sensation of blur, and faults in the lighting",
}


def _style(name: str) -> str:
    return name.rpartition(".")[2]


def _both(task: scores.Task) -> bool:
    return len(scores.directions(task)) > 1


# ------------------------------------------------------------------------------------------------ figures


def check(folder: Path, name: str) -> None:
    """Raises CardError where the folder can't judge it."""
    scores.class_folder(folder, _style(name))


def data(folder: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """What was there to train on and held back, and the rows of the data's own table that belong to it."""
    paintings = scores.class_folder(folder, _style(name))
    place = paintings.relative_to(folder).as_posix()
    lines = []
    for title, where, every in (
        ("photos", folder / "photos", scores.HOLD_BACK_PHOTOS),
        (f"paintings ({place})", paintings, scores.HOLD_BACK_PAINTINGS),
    ):
        train, held = scores.split(scores.pictures(where), every)
        lines.append(f"{len(train)} {title} to train on, {len(held)} held back (every {every}th file)")
    return "; ".join(lines) + ".", ("photos", place)


def judged(folder: Path, name: str) -> Iterable[Path]:
    """The files that the figures depend on."""
    places = [scores.class_folder(folder, _style(name))]
    if _style(name) in hands.painters(folder):
        places = [folder / "painters" / other for other in hands.painters(folder)]
    return [f for place in (folder / "photos", *places) for f in scores.pictures(place)]


def figures(task: scores.Task, folder: Path, name: str) -> Iterable[str]:
    """The tables of the full score."""
    return scores.full_score(task, folder, _style(name))


def examples(task: scores.Task, name: str) -> scores.Figures:
    """The figures that the tests recompute."""
    return scores.example_score(task, style=_style(name))


# ------------------------------------------------------------------------------------------------ words


def words(task: scores.Task, label: str, source: str) -> dict:
    """What the card says of this kind of net, for its template."""
    both = _both(task)
    return {
        "tags": ["style-transfer", "painting"],
        "does": f"Turns a photo into a painting in the manner of {label}{_BACK if both else ''}, in one pass, at any "
        "size, on a plain processor.",
        "controls": "The seed chooses the brush, the strength goes from 0, the photo, over 1, the painting, to 1.5.",
        "alt": _ALT_BOTH if both else "Above three photos, below what this checkpoint made of them",
        "use": f'painting = artcore.load("{source}")("photo.jpg", strength=1.0, seed=0)\n'
        'painting.save("painting.png")\n'
        + (f'photo = artcore.load("{source}")("painting.jpg", direction="to_photo")\n' if both else ""),
        "limits": _LIMITS.format(both=_LIMITS_BOTH if both else ""),
    }


def history(task: scores.Task, name: str) -> str:
    """What was before this net; may be empty."""
    if not _both(task) or _style(name) not in COMPLAINTS:
        return ""
    return (
        "Before this net there was document 000, the thesis whose method this is (CycleGAN at 256 px). Its author "
        f"found in this painter {COMPLAINTS[_style(name)]}; and portraits came out badly as photos."
    )


_BACK = ", and a painting back into a photo"
_ALT_BOTH = (
    "First row three photos, second what this checkpoint painted of them; third row three paintings, fourth what "
    "it made of them as photos"
)
_LIMITS_BOTH = """\
- Back to a photo it undoes palette and brushwork as far as it can: it cannot know what a stroke hid, and
  faces and figures of a painting stay painted or come out wrong.
- The two directions were trained to undo each other; a photo that went through both is not the photo.
"""
_LIMITS = """\
- It imitates colours and brushwork, not what the painter chose to show or leave out: it does not know what
  is in the photo, and faces, hands and lettering lose detail like everything else.
- A stroke has a size in pixels, not in centimetres: on a large photo strokes are finer. Paint it smaller
  for a coarser brush.
- It learned from small reproductions (about 200 to 300 px), many of them squeezed or compressed; their
  faults are part of what it learned.
- One net holds the average of many paintings, not any single one. What it makes is not a work of that
  painter.
{both}- The figures compare sets of pictures; they are no judgement of a single painting, and no substitute for
  looking.
"""

# ------------------------------------------------------------------------------------------------ pictures


def sample_sheet(task: scores.Task, name: str = "") -> Image.Image:
    """Three example photos above, and what the checkpoint makes of them below; paintings likewise if it can."""
    cell, gap, style = (480, 320), 8, _style(name)
    paintings = list(dict.fromkeys([*scores.example_paintings(style), *scores.example_paintings()]))  # its own first
    rows = []
    for direction in scores.directions(task):
        files = example_photos()[-3:] if direction == "to_painting" else paintings[:3]
        rows.append([scores.crop(p, *cell) for p in files])
        rows.append([scores.turn(task, p, direction) for p in rows[-1]])
    sheet = Image.new("RGB", (3 * cell[0] + 2 * gap, len(rows) * (cell[1] + gap) - gap), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            small = picture.resize(cell, Image.Resampling.LANCZOS)
            sheet.paste(small, (x * (cell[0] + gap), y * (cell[1] + gap)))
    return sheet


def thumbnail(task: scores.Task) -> Image.Image:
    """One example photo, the same for every style, painted: 256 x 256."""
    photos = {p.stem: p for p in example_photos()}
    photo = scores.crop(photos.get("photo_rocky_lighthouse", next(iter(photos.values()))), 1, 1)
    return scores.turn(task, photo).resize((256, 256), Image.Resampling.LANCZOS)
