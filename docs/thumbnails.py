"""What a Space shows where it is shared: a photo at the left, and at the right what its task made of it.

python -m docs.thumbnails        # writes spaces/*/thumbnail.jpg
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from artcore import image
from artcore.load import load
from artcore.tasks.style import StyleOptions, StyleTransfer

REPO = Path(__file__).resolve().parents[1]
EXAMPLES = REPO / "data" / "examples"
SIZE, GAP = (960, 504), 6


def photo(name: str) -> Image.Image:
    return image.open(EXAMPLES / f"{name}.jpg").convert("RGB")


def painter() -> list[Image.Image]:
    before = photo("photo_rocky_lighthouse")
    return [before, load("stylenet.vangogh")(before)]


@functools.cache
def style() -> list[Image.Image]:
    before = photo("photo_mountain_stream")
    return [before, StyleTransfer()(before, photo("style_great_wave"), options=StyleOptions(size=400))]


def colorize() -> list[Image.Image]:
    grey = photo("photo_two_parrots").convert("L").convert("RGB")
    return [grey, load("colorunet.general")(grey, seed=1)]


def upscale() -> list[Image.Image]:
    """A piece of the photo, small, as bicubic interpolation and as the net enlarge it."""
    whole = photo("photo_two_parrots")
    piece = whole.crop((whole.width // 8, whole.height // 4, whole.width // 8 + 234, whole.height // 4 + 252))
    small = piece.resize([side // 2 for side in piece.size], Image.Resampling.BICUBIC)
    return [small.resize([4 * side for side in small.size], Image.Resampling.BICUBIC),
            load("enhancenet.fidelity")(small)]  # fmt: skip


def hub() -> list[Image.Image]:
    before, painted = painter()
    return [before, painted, style()[1], colorize()[1]]


def thumbnail(panels: list[Image.Image]) -> Image.Image:
    """Side by side, each cut to its share of the width."""
    made, width = Image.new("RGB", SIZE, "white"), (SIZE[0] - GAP * (len(panels) - 1)) // len(panels)
    for n, panel in enumerate(panels):
        scale = max(width / panel.width, SIZE[1] / panel.height)
        panel = panel.resize([round(side * scale + 0.5) for side in panel.size], Image.Resampling.LANCZOS)
        left, top = (panel.width - width) // 2, (panel.height - SIZE[1]) // 2
        made.paste(panel.crop((left, top, left + width, top + SIZE[1])), (n * (width + GAP), 0))
    return made


SPACES: dict[str, Callable[[], list[Image.Image]]] = {
    "painter": painter,
    "colorize": colorize,
    "upscale": upscale,
    "style": style,
    "hub": hub,
}

if __name__ == "__main__":
    for name, panels in SPACES.items():
        image.save(thumbnail(panels()), REPO / "spaces" / name / "thumbnail.jpg", quality=82)
