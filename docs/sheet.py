"""The picture on the README: example photos, and the same photos in every shipped style.

    python -m docs.sheet docs/styles.jpg
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from artcore import image
from artcore.load import load, styles

PHOTOS = ("rocky_lighthouse", "mountain_stream", "two_parrots")
CELL, GAP, LABEL = (384, 256), 6, 26


def sheet() -> Image.Image:
    """One row for the photos and one for each style, with the style's label at the left of its row."""
    folder = Path(__file__).resolve().parents[1] / "data" / "examples"
    photos = [image.open(folder / f"photo_{name}.jpg") for name in PHOTOS]
    rows = [("The photos", photos)]
    for entry in styles("stylenet").values():
        painter = load(entry.name)
        rows.append((entry.label, [painter(photo) for photo in photos]))
    step = (CELL[0] + GAP, CELL[1] + GAP + LABEL)
    columns = 2  # of rows side by side, so that the sheet is not a tower
    lines = -(-len(rows) // columns)
    made = Image.new("RGB", (columns * len(photos) * step[0] + GAP, lines * step[1] + GAP), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(18)
    for i, (label, pictures) in enumerate(rows):
        left, top = i // lines * len(photos) * step[0] + GAP, i % lines * step[1] + GAP
        plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()  # the font has no accents
        draw.text((left, top), plain, "black", font)
        for j, picture in enumerate(pictures):
            made.paste(picture.resize(CELL, Image.Resampling.LANCZOS), (left + j * step[0], top + LABEL))
    return made


if __name__ == "__main__":
    image.save(sheet(), Path(sys.argv[1]), quality=85)
