"""Painter transfer: a photo becomes a painting in one pass, at its own size, in tiles that leave no seam."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from artcore import image, runtime
from artcore.hub import ArtModel

MAX_STRENGTH = 1.5
TILE = 2048  # longest side of a tile without its overlap; larger is faster, smaller takes less memory
TILE_BYTES_PER_PIXEL = 60  # peak of activations for each byte of a number, measured on StyleNet
# Net time over the time of its convolutions at the measured peak rate: activations, stem and output
# are bound by memory. Measured on StyleNet at 1920 x 1080.
OVERHEAD = 1.4


class PainterError(ValueError):
    """A strength or seed that makes no sense; the message says what to give."""


@dataclass(frozen=True)
class Snapshot:
    """How far a picture is: ``done`` of ``total`` tiles; the image comes with the last one."""

    done: int
    total: int
    image: Image.Image | None = None


class Painter:
    """Paints photos with a net that keeps their size, such as :class:`artcore.models.stylenet.StyleNet`.

    The net is moved to the device and number format that :mod:`artcore.runtime` chose. Calls share nothing but
    the net, one at a time under :data:`artcore.runtime.lock`.

    >>> Painter(StyleNet.from_pretrained("weights/stylenet.vangogh"))("photo.jpg").save("painting.png")
    """

    def __init__(self, model: ArtModel):
        self.model = runtime.prepare(model)
        self._margin = 2 * getattr(model, "margin", 0)  # what the net adds to a side by itself
        side = 256 - self._margin
        with runtime.lock, FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.model(torch.zeros(1, 3, side, side, dtype=runtime.setup().dtype, device=runtime.setup().device))
        self._flops_per_pixel = counter.get_total_flops() / 256**2

    def __call__(self, source: object, *, strength: float = 1.0, seed: int = 0) -> Image.Image:
        """Paint one picture; see :meth:`run`."""
        for snapshot in self.run(source, strength=strength, seed=seed):
            result = snapshot.image
        return result

    def run(self, source: object, *, strength: float = 1.0, seed: int = 0) -> Iterator[Snapshot]:
        """Paint tile by tile, so that a caller can show progress or stop between two tiles.

        Args:
            source: anything :func:`artcore.image.open` takes: path, bytes, binary file or PIL image.
            strength: 0 is the photo, exactly; 1 the painting; up to 1.5 goes past it, away from the photo.
            seed: chooses the net's noise, and so the brush strokes of flat areas.

        Yields:
            A :class:`Snapshot` per tile. The last one holds the picture: RGB, or RGBA when the source has
            transparency, of the source's size, with the source's ``info``.

        Raises:
            artcore.image.ImageError: the source is no picture that can be used.
            artcore.runtime.TooLarge: it would not fit memory.
            PainterError: strength outside 0 to 1.5, or a seed that is no whole number.
        """
        if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= MAX_STRENGTH:
            raise PainterError(f"strength is {strength!r}; give a number from 0 (the photo) to {MAX_STRENGTH}.")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise PainterError(f"seed is {seed!r}; give a whole number.")
        photo = image.open(source)
        if strength == 0:
            yield Snapshot(1, 1, photo)
            return
        runtime.check_memory(*photo.size, self._bytes_per_pixel(*photo.size))
        painted = Image.new("RGB", photo.size)
        tiles = list(self._tiles(*photo.size))
        for done, (left, top, right, bottom) in enumerate(tiles, 1):
            overlap = getattr(self.model, "overlap", 0)
            window = (
                max(0, left - overlap),
                max(0, top - overlap),
                min(photo.width, right + overlap),
                min(photo.height, bottom + overlap),
            )
            x = image.to_tensor(photo.crop(window), dtype=runtime.setup().dtype)
            with runtime.lock, torch.inference_mode():
                x = x.to(runtime.setup().device)
                y = self.model(x, seed, origin=(window[1], window[0]))
                if strength != 1:
                    y = torch.lerp(x.float(), y.float(), float(strength)).clamp_(0, 1)
                inner = y[..., top - window[1] : bottom - window[1], left - window[0] : right - window[0]]
                painted.paste(image.to_pil(inner), (left, top))
            if done < len(tiles):
                yield Snapshot(done, len(tiles))
        yield Snapshot(len(tiles), len(tiles), image.finish(painted, photo))

    def seconds(self, width: int, height: int) -> float:
        """Predicted seconds for a picture of this size on this machine, net only."""
        pixels = (width + self._margin) * (height + self._margin)
        return OVERHEAD * runtime.seconds(self._flops_per_pixel * pixels)

    def _tiles(self, width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
        """(left, top, right, bottom) of tiles of about equal size that start at multiples of the net's stride.

        A net without a finite ``overlap`` (instance norm looks at the whole picture) gets one tile.
        """
        if not hasattr(self.model, "overlap"):
            yield 0, 0, width, height
            return
        stride = self.model.stride
        step_x, step_y = (math.ceil(s / math.ceil(s / TILE) / stride) * stride for s in (width, height))
        for top in range(0, height, step_y):
            for left in range(0, width, step_x):
                yield left, top, min(width, left + step_x), min(height, top + step_y)

    def _bytes_per_pixel(self, width: int, height: int) -> float:
        """Peak memory of the whole job per pixel of the picture: its copies in, out and joined, and one tile."""
        number = torch.finfo(runtime.setup().dtype).bits / 8
        largest = max((r - left) * (b - top) for left, top, r, b in self._tiles(width, height))
        return 16 + TILE_BYTES_PER_PIXEL * number * largest / (width * height)
