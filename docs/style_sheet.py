"""The picture of the style transfer: six photos in the manner of six paintings, by the default options.

    python -m docs.style_sheet docs/style.jpg [--size 533] [--parts folder]

Prints, for each pair, what is measured: the distance of 7x7 patches to the painting at three scales (brushwork
without colour, and colour), beside that of the unchanged photo, and how much of the photo's drawing is kept.
Finished pictures are kept in the folder of --parts, and a second run makes only those that are missing there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

from artcore import image, metrics
from artcore.tasks.style import StyleOptions, StyleTransfer

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "examples"
PHOTOS = ("rocky_lighthouse", "mountain_stream", "two_parrots", "window_flowers", "motocross", "fence_lighthouse")
PAINTINGS = ("starry_night", "great_wave", "impression_sunrise", "udnie", "wheat_field_with_cypresses", "the_kiss")
GAP = 4


def measure(made: Image.Image, photo: Image.Image, painting: Image.Image) -> dict[str, float]:
    """Figures of one picture; the painting is brought to the picture's longer side first."""
    photo = photo.resize(made.size, Image.Resampling.LANCZOS)
    scale = max(made.size) / max(painting.size)
    painting = painting.resize([round(n * scale) for n in painting.size], Image.Resampling.LANCZOS)
    made, photo, painting = (image.to_tensor(p.convert("RGB")) for p in (made, photo, painting))
    return {
        "brushwork": metrics.patch_distance(made, painting, "brushwork"),
        "of the photo": metrics.patch_distance(photo, painting, "brushwork"),
        "colour": metrics.patch_distance(made, painting, "colour"),
        "of the photo ": metrics.patch_distance(photo, painting, "colour"),
        "content kept": metrics.content_kept(made, photo).item(),
    }


def sheet(size: int, parts: Path | None, cell: int) -> tuple[Image.Image, list[dict]]:
    """The sheet, paintings above and photos at the left, and the figures of every pair."""
    task, options = StyleTransfer(), StyleOptions(size=size)
    photos = [image.open(EXAMPLES / f"photo_{name}.jpg").convert("RGB") for name in PHOTOS]
    paintings = [image.open(EXAMPLES / f"style_{name}.jpg").convert("RGB") for name in PAINTINGS]
    step = (cell + GAP, cell * 2 // 3 + GAP)
    made = Image.new("RGB", (step[0] * (len(paintings) + 1) + GAP, step[1] * (len(photos) + 1) + GAP), "white")

    def place(picture: Image.Image, column: int, row: int) -> None:
        picture = picture.copy()
        picture.thumbnail((cell, step[1] - GAP), Image.Resampling.LANCZOS)
        left = GAP + column * step[0] + (cell - picture.width) // 2
        made.paste(picture, (left, GAP + row * step[1] + (step[1] - GAP - picture.height) // 2))

    figures = []
    for column, painting in enumerate(paintings, 1):
        place(painting, column, 0)
    for row, photo in enumerate(photos, 1):
        place(photo, 0, row)
        for column, painting in enumerate(paintings, 1):
            file = parts and parts / f"{PHOTOS[row - 1]}-{PAINTINGS[column - 1]}.png"
            if file and file.is_file():
                picture = image.open(file)
            else:
                picture = task(photo, painting, options=options)
                if file:
                    image.save(picture, file)
            place(picture, column, row)
            pair = {"photo": PHOTOS[row - 1], "painting": PAINTINGS[column - 1]}
            figures.append(pair | measure(picture, photo, painting))
    return made, figures


def table(figures: list[dict]) -> str:
    """The figures as Markdown, the mean last."""
    names = list(figures[0])
    mean = {n: sum(f[n] for f in figures) / len(figures) for n in names[2:]}
    lines = [f"| {' | '.join(n.strip() for n in names)} |", "|---" * len(names) + "|"]
    for row in [*figures, {"photo": "**mean**", "painting": "", **mean}]:
        lines.append(f"| {' | '.join(f'{v:.4f}' if isinstance(v, float) else v for v in row.values())} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m docs.style_sheet")
    parser.add_argument("out", type=Path)
    size = StyleOptions().size
    parser.add_argument("--size", type=int, default=size, help=f"longer side of the pictures that are made ({size})")
    parser.add_argument("--cell", type=int, default=240, help="longer side of a picture on the sheet (240)")
    parser.add_argument("--parts", type=Path, help="folder that keeps the single pictures")
    args = parser.parse_args()
    if args.parts:
        args.parts.mkdir(parents=True, exist_ok=True)
    page, found = sheet(args.size, args.parts, args.cell)
    image.save(page, args.out, quality=85)
    sys.stdout.write(table(found) + "\n")
