"""One colouring of a picture: small, kept without effort, and turned into a picture as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors import SafetensorError
from safetensors.numpy import load as read_arrays
from safetensors.numpy import save as write_arrays

from artcore import image, recipe, runtime
from artcore.recipe import Recipe, RecipeError
from artcore.tasks import chroma
from artcore.tasks.adjustments import Adjustments, ColorizeError

# From agreement to guessing: perceived as ever lighter, told apart by the colour-blind too.
HEAT = ("#00000a", "#3b0f70", "#b63679", "#fb8861", "#fcfdbf")
MOST_GUESSED = 0.15  # standard deviation of chroma over seeds that is drawn as the lightest
# Of the whole job, measured at 8000 x 6000 and 8000 x 8000: the picture, its luma, and the coloured picture; or, in
# its place, the file of 16 bits, which may hardly shrink.
BYTES_PER_PIXEL, BYTES_PER_PIXEL16 = 11, 18
FORMAT = "artcore colouring 1"
AS_IS = Adjustments()


@dataclass(frozen=True, eq=False)
class Colouring:
    """What a net made of a picture: its chroma at the net's size, which any :class:`Adjustments` turn into pictures.

    Two of the same model, picture and seed give the same pixels, today and after a restart.

    Args:
        chroma: (2, h, w) float16, U and V as artcore.image.rgb_to_yuv scales them.
        size: (width, height) of the picture.
        seed: that chose it; None of a blend.
        picture: what it is a colouring of, as artcore.image.open gives it; None once read from bytes.
        grey16: (H, W) uint16, the picture's 16 bits where it has them.
        recipe: what made it, but for adjustments.
    """

    chroma: np.ndarray
    size: tuple[int, int]
    seed: int | None = None
    picture: Image.Image | None = field(default=None, repr=False)
    grey16: np.ndarray | None = field(default=None, repr=False)
    recipe: Recipe | None = field(default=None, repr=False)

    def image(self, adjustments: Adjustments = AS_IS, like: object = None) -> Image.Image:
        """The coloured picture: RGB, or RGBA where there is transparency, with the picture's size and ``info``, signed
        with its recipe.

        Args:
            adjustments: what to change; the net isn't run again.
            like: another version of the picture, of any size, that is coloured in its place: a thumbnail for a
                quick look; anything :func:`artcore.image.open` takes. It gets no recipe.

        Raises:
            ColorizeError: there is no picture, or ``like`` is of another aspect.
            artcore.runtime.TooLarge: it would not fit memory.
        """
        picture = self._picture(like)
        made = Image.new("RGB", picture.size)
        for top, rows in self._coloured(picture, np.asarray(picture.convert("L")), adjustments):
            made.paste(Image.merge("RGB", [Image.fromarray(plane) for plane in rows]), (0, top))
        if picture.mode == "RGBA":
            made.putalpha(picture.getchannel("A"))
        made.info = dict(picture.info)
        recipe.sign(made, self._recipe(adjustments) if like is None else None)
        return made  # not by way of image.finish, whose copy would be the peak of memory

    def encode(
        self,
        format: str = "PNG",
        *,
        adjustments: Adjustments = AS_IS,
        quality: int = 90,
        exif: bool = False,
        icc: bool = False,
        recipe: bool = True,
    ) -> bytes:
        """The bytes of its file, as :func:`artcore.image.encode` makes them; a TIFF of a picture that came with 16
        bits has 16 bits."""
        if self.grey16 is not None and str(format).upper() in ("TIFF", "TIF"):
            return self.tiff16(adjustments, exif=exif, icc=icc, recipe=recipe)
        return image.encode(self.image(adjustments), format, quality=quality, exif=exif, icc=icc, recipe=recipe)

    def tiff16(
        self, adjustments: Adjustments = AS_IS, *, exif: bool = False, icc: bool = False, recipe: bool = True
    ) -> bytes:
        """A TIFF file of 16 bits each for red, green and blue, of all 16 bits that the picture came with; of one that
        came with 8, luma has no more than these. Transparency is left out.

        Raises as :meth:`image`.
        """
        picture = self._picture(None)
        runtime.check_memory(*picture.size, BYTES_PER_PIXEL16)
        luma = self.grey16
        if luma is None:
            luma = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        strips = (rows.transpose(1, 2, 0) for _, rows in self._coloured(picture, luma, adjustments))
        made = self._recipe(adjustments) if recipe else None
        rows = chroma.strip_rows(picture.width)
        return image.encode_tiff16(strips, picture.size, rows, picture.info, exif, icc, made)

    def _recipe(self, adjustments: Adjustments) -> Recipe | None:
        if self.recipe is None:
            return None
        return replace(self.recipe, options={**self.recipe.options, **adjustments.asdict()})

    def _coloured(
        self, picture: Image.Image, luma: np.ndarray, adjustments: Adjustments
    ) -> Iterator[tuple[int, np.ndarray]]:
        if not isinstance(adjustments, Adjustments):
            raise ColorizeError(f"adjustments is of type {type(adjustments).__name__}; give Adjustments(...).")
        runtime.check_memory(*picture.size, BYTES_PER_PIXEL)
        maps = torch.from_numpy(self.chroma.astype(np.float32))[None]
        return chroma.coloured(luma, maps, guide(picture, self.chroma.shape[:0:-1]), adjustments)

    def _picture(self, like: object) -> Image.Image:
        if like is None:
            if self.picture is None:
                raise ColorizeError("This colouring was read without its picture; give it that by .on(picture).")
            return self.picture
        picture = image.open(like)
        check_aspect("version", picture.size, self.size)
        return picture

    def to_bytes(self) -> bytes:
        """All but the picture, as a safetensors file of some hundred kilobytes."""
        seed = np.array([] if self.seed is None else [self.seed], np.int64)
        made = self.recipe.to_json().encode() if self.recipe else b""
        arrays = {"chroma": np.ascontiguousarray(self.chroma), "size": np.array(self.size), "seed": seed}
        arrays |= {"recipe": np.frombuffer(made, np.uint8)}
        return write_arrays(arrays, {"format": FORMAT})

    @classmethod
    def from_bytes(cls, data: bytes, picture: object = None) -> Colouring:
        """A colouring that :meth:`to_bytes` wrote, :meth:`on` its picture or without it.

        Raises ColorizeError for what is none.
        """
        try:
            arrays = read_arrays(data)
            made = arrays.pop("recipe", np.array([], np.uint8)).tobytes()
            maps, size, seed = (arrays.pop(name) for name in ("chroma", "size", "seed"))
            width, height = (int(n) for n in size)
            good = not arrays and maps.dtype == np.float16 and maps.ndim == 3 and len(maps) == 2 and maps.size > 0
            if not (good and np.isfinite(maps).all() and min(width, height) > 0 and seed.size < 2):
                raise ValueError("its parts don't fit together")
            found = cls(maps, (width, height), int(seed[0]) if seed.size else None)
            found = replace(found, recipe=Recipe.from_json(made) if made else None)
        except (RecipeError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ColorizeError(f"This is no colouring ({error}); give the bytes that to_bytes returned.") from error
        return found if picture is None else found.on(picture)

    def on(self, picture: object) -> Colouring:
        """The same colouring with the picture that it was made of, and its 16 bits; anything artcore.image.open takes.

        Raises ColorizeError for a picture of another size.
        """
        opened, grey16 = image.open_grey16(picture)
        if opened.size != self.size:
            raise ColorizeError(
                f"The picture is {opened.width} x {opened.height} and the colouring of {self.size[0]} x {self.size[1]};"
                " give the picture that it was made of."
            )
        known = self.recipe if self.recipe and recipe.reference(opened) == self.recipe.input else None
        return replace(self, picture=opened, grey16=grey16, recipe=known)


def guide(picture: Image.Image, size: tuple[int, int]) -> torch.Tensor:
    """(1, 1, h, w) luma in [0, 1] of an RGB or RGBA picture, reduced; holes filled from what is around them."""
    if picture.mode == "RGBA":
        grey = image.opaque(picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)).convert("L")
    else:
        grey = picture.convert("L").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return torch.from_numpy(np.array(grey, np.float32))[None, None].div_(255)


def check_aspect(what: str, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Raises ColorizeError unless the two sizes differ by no more than rounding their sides can explain."""
    if abs(size[0] * wanted[1] - size[1] * wanted[0]) > sum(wanted):
        raise ColorizeError(
            f"The {what} is {size[0]} x {size[1]} and the picture {wanted[0]} x {wanted[1]}; give a {what} of the"
            " same aspect."
        )


def different_first(colourings: Sequence[Colouring]) -> list[int]:
    """In which order to show colourings: first the two that differ most, then always the one that is farthest from
    all before it (greedy farthest point; Gonzalez 1985). Of equals the earlier one.

    Returns:
        Indices, each once.

    Raises:
        ColorizeError: colourings of different pictures.
    """
    _check_alike(colourings)
    if len(colourings) < 2:
        return list(range(len(colourings)))
    maps = np.stack([c.chroma.astype(np.float32).ravel() for c in colourings])
    squares = np.square(maps).sum(1)
    apart = squares[:, None] + squares - 2 * maps @ maps.T
    order = sorted(int(n) for n in np.unravel_index(np.argmax(apart), apart.shape))
    if order[0] == order[1]:  # all alike
        return list(range(len(colourings)))
    while len(order) < len(colourings):
        nearest = apart[order].min(0)
        nearest[order] = -np.inf
        order.append(int(np.argmax(nearest)))
    return order


def blend(a: Colouring, b: Colouring, share: float = 0.5) -> Colouring:
    """The colouring between two of one picture: share 0 is ``a``, 1 is ``b``.

    Raises:
        ColorizeError: a share that is no number from 0 to 1, or colourings of different pictures.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ColorizeError(f"share is {share!r}; give a number from 0 (the first) to 1 (the second).")
    _check_alike([a, b])
    if share in (0, 1):
        return b if share else a
    mixed = a.chroma.astype(np.float32) * (1 - share) + b.chroma.astype(np.float32) * share
    return replace(a, chroma=mixed.astype(np.float16), seed=None, recipe=_blended(a, b, share))


def _blended(a: Colouring, b: Colouring, share: float) -> Recipe | None:
    """The recipe of a blend of two that differ by their seeds alone; of others there is none."""
    if a.seed is None or b.seed is None or not (a.recipe and b.recipe):
        return None
    if replace(b.recipe, options=a.recipe.options) != a.recipe:
        return None
    return replace(a.recipe, options={**a.recipe.options, "blend_seed": b.seed, "blend_share": float(share)})


def disagreement(colourings: Sequence[Colouring]) -> Image.Image:
    """Where the net is guessing: an RGB picture of the picture's size, dark where all colourings say the same, lighter
    the more they differ, over the picture's own light and shade.

    Raises:
        ColorizeError: fewer than two colourings, or of different pictures.
    """
    if len(colourings) < 2:
        raise ColorizeError(f"{len(colourings)} colourings can't disagree; give two or more of one picture.")
    _check_alike(colourings)
    picture = colourings[0]._picture(None)
    maps = np.stack([c.chroma.astype(np.float32) for c in colourings])
    level = np.sqrt(maps.var(0).sum(0)) / MOST_GUESSED
    level = Image.fromarray((level.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    level = level.resize(picture.size, Image.Resampling.BICUBIC)
    stops = [Image.new("RGB", (1, 1), colour).getpixel((0, 0)) for colour in HEAT]
    table = [np.interp(np.arange(256), np.linspace(0, 255, len(HEAT)), band) for band in zip(*stops, strict=True)]
    heat = Image.merge("RGB", [level.point([round(v) for v in band]) for band in table])
    return Image.blend(heat, picture.convert("L").convert("RGB"), 0.25)


def histogram(picture: Image.Image, size: tuple[int, int] = (512, 160)) -> Image.Image:
    """The picture's histogram as an RGB picture: red, green and blue as light that adds up, luma as a line.

    Heights are square roots of counts, so that a large plain area leaves the rest to be seen.
    """
    width, height = size
    rgb = picture.convert("RGB")
    counts = np.sqrt(np.array(rgb.histogram() + rgb.convert("L").histogram(), float).reshape(4, 256))
    # The ends hold all that was cut off, and may tower above the rest.
    top = max(counts[:, 1:-1].max(), counts.max() / 3, 1)
    x = (np.arange(256) + 0.5) * width / 256
    curves = [list(zip(x, (1 - np.minimum(c / top, 1)) * (height - 1), strict=True)) for c in counts]
    bands = []
    for curve in curves[:3]:
        band = Image.new("L", size, 24)
        ImageDraw.Draw(band).polygon([(0, height), *curve, (width, height)], fill=190)
        bands.append(band)
    drawn = Image.merge("RGB", bands)
    ImageDraw.Draw(drawn).line(curves[3], fill="white", width=2)
    return drawn


def _check_alike(colourings: Sequence[Colouring]) -> None:
    if len({(c.size, c.chroma.shape) for c in colourings}) > 1:
        raise ColorizeError("These colourings are of different pictures; give those of one picture and one model.")
