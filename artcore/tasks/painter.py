"""Painter transfer: a photo becomes a painting in one pass, at its own size, in tiles that leave no seam."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from artcore import image, levels, recipe, runtime
from artcore.hub import ArtModel
from artcore.recipe import Recipe, Reference
from artcore.tasks import guards

MAX_STRENGTH = 1.5
MAX_STROKE = 4
DIRECTIONS = ("to_painting", "to_photo")
# Longest side of a tile without its overlap in bf16, of a net with LIVE numbers alive per pixel that it sees at the
# peak or fewer; in fp32 that of half the area, and likewise with more numbers. Larger is faster, smaller takes less
# memory.
TILE, LIVE = 2048, 55
STRIP = 2**19  # pixels that are finished at a time
LEVELS = 2**17  # pixels of the small version that levels are worked out on, about as many as in training
# Per pixel of the picture, measured at 8000 x 6000: the enlarged painting and what enlarging takes; what guards
# leave behind in malloc's heap; the photo with its holes filled, and filling them.
ENLARGED_BYTES, GUARDED_BYTES, HOLES_BYTES = 8, 4, 8
# Net time over the time of its convolutions at the measured peak rate: activations, stem and output
# are bound by memory. Measured on StyleNet at 1920 x 1080.
OVERHEAD = 1.4


class PainterError(ValueError):
    """A keyword that makes no sense; the message says what to give."""


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
        self._live = getattr(model, "live", LIVE)
        side = 256 - self._margin
        with runtime.lock, FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.model(torch.zeros(1, 3, side, side, dtype=runtime.setup().dtype, device=runtime.setup().device))
        self._flops_per_pixel = counter.get_total_flops() / 256**2

    @property
    def directions(self) -> tuple[str, ...]:
        """What ``direction`` may be: "to_painting", and "to_photo" where the model was trained both ways."""
        return DIRECTIONS if hasattr(self.model, DIRECTIONS[1]) else DIRECTIONS[:1]

    def levels(self, direction: str) -> float:
        """0 to 1: how far levels are drawn out before the net sees a picture (:mod:`artcore.levels`)."""
        return getattr(self.model, "levels", 0.0) if direction == "to_photo" else 0.0

    def __call__(self, source: object, **keywords: object) -> Image.Image:
        """Paint one picture; keywords as in :meth:`run`."""
        for snapshot in self.run(source, **keywords):
            result = snapshot.image
        return result

    def run(
        self,
        source: object,
        *,
        strength: float = 1.0,
        seed: int = 0,
        direction: str = "to_painting",
        light: float = 0.0,
        keep_colours: float = 0.0,
        stroke: float = 1.0,
        detail: float = 0.0,
        regions: Sequence[tuple[Painter, object]] | None = None,
    ) -> Iterator[Snapshot]:
        """Paint tile by tile, so that a caller can show progress or stop between two tiles.

        Args:
            source: anything :func:`artcore.image.open` takes: path, bytes, binary file or PIL image.
            strength: 0 is the photo, exactly; 1 the painting; up to 1.5 goes past it, away from the photo.
            seed: chooses the net's noise, and so the brush strokes of flat areas.
            direction: "to_painting", or "to_photo" where the model has it (:attr:`directions`).
            light: 0 to 1: how far light and shade (low frequencies of luma) are kept as in the photo.
            keep_colours: 0 to 1: how far the photo's chroma is kept under the painter's brushwork.
            stroke: 1 to 4: how many times larger the strokes are; the net then paints a smaller picture, which
                is enlarged again.
            detail: 0 to 1: how much of the photo's luma finer than 2 pixels, or than the larger strokes, is put
                back.
            regions: (painter, mask) pairs, each painted over what is there where its mask is white. A mask is a
                grey picture of the source's aspect, any size; its edges are softened.

        Yields:
            A :class:`Snapshot` per tile of painting and strip of finishing. The last one holds the picture: RGB,
            or RGBA when the source has transparency, of the source's size, with the source's ``info``, and signed
            with its :class:`artcore.recipe.Recipe`.

        Raises:
            artcore.image.ImageError: the source, or a mask, is no picture that can be used.
            artcore.runtime.TooLarge: it would not fit memory.
            PainterError: a keyword out of its range, or a mask of another aspect or without any white.
        """
        _number("strength", strength, 0, MAX_STRENGTH, " (the photo)")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise PainterError(f"seed is {seed!r}; give a whole number.")
        _number("light", light, 0, 1)
        _number("keep_colours", keep_colours, 0, 1)
        _number("stroke", stroke, 1, MAX_STROKE)
        _number("detail", detail, 0, 1)
        photo = image.open(source)
        layers, masks = [(self, None)], []
        for painter, mask, reference in _layers(regions, photo.size):
            layers.append((painter, mask))
            masks.append(reference)
        for painter, _ in layers:
            if direction not in painter.directions:
                raise PainterError(
                    f"direction is {direction!r}; give {' or '.join(painter.directions)}, which is what"
                    f" {type(painter.model).__name__} paints."
                )
        made = Recipe(
            "painter",
            tuple(recipe.net(painter.model) for painter, _ in layers),
            recipe.reference(photo),
            {
                "seed": seed,
                "direction": direction,
                "strength": float(strength),
                "light": float(light),
                "keep_colours": float(keep_colours),
                "stroke": float(stroke),
                "detail": float(detail),
            },
            {"mask": tuple(masks)} if masks else {},
            run=runtime.described(),
        )
        if strength == 0:
            yield Snapshot(1, 1, recipe.sign(photo, made))
            return
        size = tuple(max(1, round(side / stroke)) for side in photo.size)  # that the net sees
        guarded = bool(size != photo.size or light or keep_colours or detail)
        memory = max(painter._bytes_per_pixel(*size) for painter, _ in layers) * size[0] * size[1]
        more = ENLARGED_BYTES * (size != photo.size) + GUARDED_BYTES * guarded + HOLES_BYTES * (photo.mode == "RGBA")
        runtime.check_memory(*photo.size, memory / (photo.width * photo.height) + more)
        jobs = [
            (painter, mask, tile)
            for painter, mask in layers
            for tile in painter._tiles(*size)
            if mask is None or image.window(mask, size, tile).any()
        ]
        strips = list(_strips(*photo.size)) if guarded else []
        total = len(jobs) + len(strips)

        dim = any(painter.levels(direction) for painter, _ in layers)
        opaque = image.opaque(photo) if total > 1 or dim else photo  # holes filled alike for all tiles
        seen = opaque if size == photo.size else opaque.resize(size, Image.Resampling.LANCZOS)
        with runtime.lock, torch.inference_mode():
            drawn_out = levels.maps(image.to_tensor(guards.small(seen, LEVELS))) if dim else None
        # Where the net sees a smaller picture, the strength mixes only once the painting is enlarged.
        inner_strength = strength if size == photo.size else 1
        painted = Image.new("RGB", size)
        for done, (painter, mask, tile) in enumerate(jobs, 1):
            with runtime.lock, torch.inference_mode():
                y = painter._paint(seen, drawn_out, tile, seed, inner_strength, direction)
                if mask is not None:
                    below = image.to_tensor(painted.crop(tile))
                    y = torch.lerp(below, y.float().cpu(), image.window(mask, size, tile))
                painted.paste(image.to_pil(y), tile[:2])
                del y
            if done < total:
                yield Snapshot(done, total)
        if strips:
            base = seen
            if detail and stroke < 2:
                base = opaque.resize([max(1, side // 2) for side in photo.size], Image.Resampling.LANCZOS)
            result = painted if size == photo.size else Image.new("RGB", photo.size)
            with runtime.lock, torch.inference_mode():
                maps = guards.light_maps(opaque, painted, strength / inner_strength) if light else None
            for done, strip in enumerate(strips, len(jobs) + 1):
                with runtime.lock, torch.inference_mode():
                    x, y = image.to_tensor(opaque.crop(strip)), image.to_tensor(_enlarged(painted, photo.size, strip))
                    if inner_strength != strength:
                        y = torch.lerp(x, y, float(strength)).clamp_(0, 1)
                    if light or keep_colours or detail:
                        y = guards.finish(
                            x,
                            y,
                            maps=image.window(maps, photo.size, strip) if light else None,
                            light=light,
                            keep_colours=keep_colours,
                            base=image.to_tensor(_enlarged(base, photo.size, strip)) if detail else None,
                            detail=detail * min(1, strength),  # so that strength 0 is the photo still
                        )
                    result.paste(image.to_pil(y), strip[:2])
                    del x, y
                if done < total:
                    yield Snapshot(done, total)
            painted = result
        yield Snapshot(total, total, recipe.sign(image.finish(painted, photo), made))

    def _paint(
        self,
        picture: Image.Image,
        maps: torch.Tensor | None,
        tile: tuple[int, int, int, int],
        seed: int,
        strength: float,
        direction: str,
    ) -> torch.Tensor:
        """(1, 3, h, w) of one tile, painted with what the net has to see around it; ``maps`` of the whole picture for
        a net that is shown drawn-out levels."""
        left, top, right, bottom = tile
        window = self._window(tile, *picture.size)
        setup, amount = runtime.setup(), self.levels(direction)
        x = image.to_tensor(picture.crop(window), dtype=torch.float32 if amount else setup.dtype)
        if amount:
            x = levels.apply(x, amount * image.window(maps, picture.size, window))
        x = x.to(setup.device, setup.dtype)
        way = {"direction": direction} if len(self.directions) > 1 else {}
        y = self.model(x, seed, origin=(window[1], window[0]), **way)
        if strength != 1:
            given = image.to_tensor(picture.crop(window)).to(setup.device) if amount else x
            y = torch.lerp(given.float(), y.float(), float(strength)).clamp_(0, 1)
        return y[..., top - window[1] : bottom - window[1], left - window[0] : right - window[0]]

    def seconds(self, width: int, height: int, *, stroke: float = 1.0) -> float:
        """Predicted seconds for a picture of this size on this machine, net only."""
        pixels = (width / stroke + self._margin) * (height / stroke + self._margin)
        return OVERHEAD * runtime.seconds(self._flops_per_pixel * pixels)

    def _tiles(self, width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
        """(left, top, right, bottom) of tiles of about equal size that start at multiples of the net's stride.

        A net without a finite ``overlap`` (instance norm looks at the whole picture) gets one tile.
        """
        if not hasattr(self.model, "overlap"):
            yield 0, 0, width, height
            return
        stride = self.model.stride
        longest = int(TILE * math.sqrt(2 * LIVE / (runtime.setup().dtype.itemsize * max(LIVE, self._live))))
        step_x, step_y = (math.ceil(s / math.ceil(s / longest) / stride) * stride for s in (width, height))
        for top in range(0, height, step_y):
            for left in range(0, width, step_x):
                yield left, top, min(width, left + step_x), min(height, top + step_y)

    def _window(self, tile: tuple[int, int, int, int], width: int, height: int) -> tuple[int, int, int, int]:
        """A tile with what the net has to see around it."""
        (left, top, right, bottom), overlap = tile, getattr(self.model, "overlap", 0)
        return max(0, left - overlap), max(0, top - overlap), min(width, right + overlap), min(height, bottom + overlap)

    def _bytes_per_pixel(self, width: int, height: int) -> float:
        """Peak memory of the whole job per pixel of the picture: its copies in, out and joined, and one tile."""
        number = runtime.setup().dtype.itemsize * self._live
        windows = (self._window(tile, width, height) for tile in self._tiles(width, height))
        largest = max((r - left + self._margin) * (b - top + self._margin) for left, top, r, b in windows)
        return 16 + number * largest / (width * height)


def _number(name: str, value: object, low: float, high: float, note: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise PainterError(f"{name} is {value!r}; give a number from {low}{note} to {high}.")


def _layers(regions: object, size: tuple[int, int]) -> Iterator[tuple[Painter, torch.Tensor, Reference]]:
    """The painters of regions with their softened masks, and how a recipe names these."""
    try:
        pairs = [(painter, mask) for painter, mask in regions or ()]
    except (TypeError, ValueError):
        pairs = [(None, None)]
    for number, (painter, mask) in enumerate(pairs, 1):
        if not isinstance(painter, Painter):
            raise PainterError("regions is no list of pairs; give [(painter, mask), ...] with a Painter in each.")
        grey = image.open(mask)
        reference = recipe.reference(grey)
        if grey.mode == "RGBA":  # a brushed layer: what was not painted is black
            grey = Image.alpha_composite(Image.new("RGBA", grey.size, "black"), grey)
        grey = grey.convert("L")
        if abs(grey.width * size[1] - grey.height * size[0]) > sum(size):  # more than rounding its sides can explain
            raise PainterError(
                f"The mask of region {number} is {grey.width} x {grey.height} and the picture {size[0]} x {size[1]};"
                " give a mask of the same aspect."
            )
        if not grey.getextrema()[1]:
            raise PainterError(f"The mask of region {number} is black all over; paint white where its painter goes.")
        yield painter, guards.feathered(grey), reference


def _strips(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        yield 0, top, width, min(height, top + rows)


def _enlarged(picture: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """The part ``box`` of a picture enlarged to ``size``; of one that has this size, the part itself."""
    if picture.size == size:
        return picture.crop(box)
    x, y = picture.width / size[0], picture.height / size[1]
    source = (box[0] * x, box[1] * y, box[2] * x, box[3] * y)
    return picture.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BICUBIC, box=source)
