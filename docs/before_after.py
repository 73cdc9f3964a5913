"""The picture of before and after for a painter's card: photos, and what its net makes of them without and with the
photo's light; last a portrait, as a photo.

    python -m docs.before_after weights/cyclegan.monet before_after.jpg [--baseline FOLDER]

`--baseline` adds a column by another checkpoint. `python -m training.publish ... --compared before_after.jpg` puts the
picture beside the card.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from artcore import image
from artcore.cards.scores import crop
from artcore.load import load

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "examples"
# Backgrounds, light, fine texture: what document 000's author found wanting; and the portrait that came out badly.
ROWS = [
    ("photo_rocky_lighthouse", "to_painting"),
    ("photo_two_parrots", "to_painting"),
    ("style_girl_with_a_pearl_earring", "to_photo"),
]
CELL, GAP, LABEL = (348, 232), 4, 20  # about the document's 256 px, and every pixel is shown


def sheet(painter: Callable, baseline: Callable | None = None) -> Image.Image:
    """One row for each example, one column for each way; a label above every column."""
    columns = {"before": None, "after": (painter, 0), "after, light kept": (painter, 1)}
    if baseline:
        columns["the other checkpoint"] = (baseline, 0)
    step = (CELL[0] + GAP, CELL[1] + GAP)
    made = Image.new("RGB", (len(columns) * step[0] - GAP, LABEL + len(ROWS) * step[1] - GAP), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(14)
    for x, (label, way) in enumerate(columns.items()):
        draw.text((x * step[0] + 2, 1), label, "black", font)
        for y, (name, direction) in enumerate(ROWS):
            picture = crop(EXAMPLES / f"{name}.jpg", *CELL).resize(CELL, Image.Resampling.LANCZOS)
            if way:
                picture = way[0](picture, light=way[1], direction=direction)
            made.paste(picture, (x * step[0], LABEL + y * step[1]))
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m docs.before_after")
    parser.add_argument("checkpoint", help="a CycleGAN: name in the catalog, or folder")
    parser.add_argument("out", type=Path)
    parser.add_argument("--baseline", help="another one, for a column of its own")
    args = parser.parse_args()
    image.save(sheet(load(args.checkpoint), args.baseline and load(args.baseline)), args.out, quality=88)
