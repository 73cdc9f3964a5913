"""Colourisation: a grey picture gets plausible colours, another seed others; its luma stays as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from artcore import image, recipe, runtime
from artcore.hub import ArtModel
from artcore.recipe import Recipe, Reference
from artcore.tasks import guards
from artcore.tasks.adjustments import Adjustments, ColorizeError
from artcore.tasks.chroma import follow, quantile, working_size
from artcore.tasks.colouring import (
    AS_IS,
    BYTES_PER_PIXEL,
    Colouring,
    blend,
    check_aspect,
    different_first,
    disagreement,
    guide,
    histogram,
)

__all__ = [
    "Adjustments",
    "ColorizeError",
    "Colorizer",
    "Colouring",
    "blend",
    "different_first",
    "disagreement",
    "histogram",
]

MOST_SEED = 2**31 - 1
# A small pixel counts as brushed from this part on: a stroke may be thinner than it.
BRUSHED = 32  # of 255
# Seconds: the net over its convolutions at the measured peak rate, and one pixel of a finished picture.
OVERHEAD, PIXEL_SECONDS = 2.5, 25e-9


class Colorizer:
    """Colours pictures with a net from luma and noise to chroma: :class:`artcore.models.colorunet.ColorUNet`.

    The net is moved to the device and number format that :mod:`artcore.runtime` chose. Calls share nothing but
    the net, one at a time under :data:`artcore.runtime.lock`.

    >>> Colorizer(ColorUNet.from_pretrained("weights/colorunet.general"))("old.jpg", seed=7).save("coloured.png")
    """

    def __init__(self, model: ArtModel):
        self.model = runtime.prepare(model)
        run, side = runtime.setup(), model.size
        luma, noise = torch.zeros(1, 1, side, side), self.model.noise(0, side, side)
        with runtime.lock, FlopCounterMode(display=False) as counter, torch.inference_mode():
            features = self.model.encode(luma.to(run.device, run.dtype))
            encoding = counter.get_total_flops()
            self.model.decode(features, self.model.coarse(noise).to(run.device, run.dtype))
        # Of one pixel of the net's picture: once a picture, and once a seed.
        self._flops = encoding / side**2, (counter.get_total_flops() - encoding) / side**2

    def __call__(
        self,
        source: object,
        *,
        seed: int = 0,
        adjustments: Adjustments = AS_IS,
        hints: object = None,
        noise: object = None,
        regions: Sequence[tuple[object, int]] | None = None,
    ) -> Image.Image:
        """Colour one picture: RGB, or RGBA where there is transparency, with its size and ``info``; arguments and
        errors as in :meth:`colour` and :meth:`Colouring.image`."""
        return self.colour(source, seed=seed, hints=hints, noise=noise, regions=regions).image(adjustments)

    def colour(
        self,
        source: object,
        *,
        seed: int = 0,
        hints: object = None,
        noise: object = None,
        regions: Sequence[tuple[object, int]] | None = None,
    ) -> Colouring:
        """Run the net once.

        Args:
            source: anything :func:`artcore.image.open` takes: path, bytes, binary file or PIL image. Of a picture in
                colour only the luma is looked at, and kept.
            seed: 0 to 2**31 - 1: which of the many plausible colourings.
            hints: colours that are known: an RGBA picture of the source's aspect, any size, opaque where its colour is
                wanted. They are met, and a net that was trained with hints makes the rest go with them.
            noise: a grey picture of the source's aspect, any size: the first of the net's noise planes, the one that
                its colours change most with; the others, of which document 003's net has none, stay the seed's, so
                that seeds go on to differ. Grey levels become quantiles of the normal distribution that the net was
                trained with, middle grey its mean; where the picture is transparent, the first plane is the seed's too.
                Of its pixels one counts for each place of the plane, 8 x 8 pixels of a picture whose short side is 256.
            regions: (mask, seed) pairs: the noise of another seed where the mask is white. A mask is a grey picture of
                the source's aspect, any size; its edges are softened.

        Raises:
            artcore.image.ImageError: the source, hints, noise or a mask is no picture that can be used.
            artcore.runtime.TooLarge: it would not fit memory.
            ColorizeError: a seed that is none, a mask that is black all over, or a picture of another aspect.
        """
        return next(self.seeds(source, [seed], hints=hints, noise=noise, regions=regions))

    def seeds(
        self,
        source: object,
        seeds: Iterable[int],
        *,
        hints: object = None,
        noise: object = None,
        regions: Sequence[tuple[object, int]] | None = None,
    ) -> Iterator[Colouring]:
        """Several colourings of one picture, each as soon as it is there; arguments and errors as in :meth:`colour`.

        What the noise does not touch is computed once. The rest is run seed by seed: in a batch it would be little
        faster, and a seed's bytes could depend on its neighbours.
        """
        picture, grey16 = image.open_grey16(source)
        runtime.check_memory(*picture.size, BYTES_PER_PIXEL)  # of the pictures to come: said now
        size = working_size(*picture.size, self.model.size)
        luma = guide(picture, size)
        pictures: dict[str, tuple[Reference, ...]] = {}
        known = None
        if hints is not None:
            known, reference = _hints(hints, picture.size, size)
            pictures["hints"] = (reference,)
        given = (luma, known) if known is not None and self.model.hints else (luma,)
        seeds = [_seed(seed) for seed in _listed(seeds)]
        by_hand = None
        if noise is not None:
            by_hand, reference = _noise(noise, picture.size, size, self.model.net.grid)
            pictures["noise"] = (reference,)
        layers = []
        for mask, other, reference in _regions(regions, picture.size):
            layers.append((mask, _seed(other)))
            pictures["mask"] = (*pictures.get("mask", ()), reference)
        options = {"region_seeds": [other for _, other in layers]} if layers else {}
        made = Recipe(
            "colorizer",
            (recipe.net(self.model),),
            recipe.reference(picture),
            options,
            pictures,
            run=runtime.described(),
        )
        run, features = runtime.setup(), None
        for seed in seeds:
            with runtime.lock, torch.inference_mode():
                if features is None:
                    features = self.model.encode(*(x.to(run.device, run.dtype) for x in given))
                planes = self.model.noise(seed, size[1], size[0])
                if by_hand is not None:
                    levels, drawn = by_hand
                    planes[:, :1] = torch.where(drawn, levels, planes[:, :1])
                for mask, other in layers:
                    share = image.window(mask, size, (0, 0, *size))
                    # Square roots: the sum of the two then has the variance of either.
                    planes = planes * (1 - share).sqrt() + self.model.noise(other, size[1], size[0]) * share.sqrt()
                grid = self.model.coarse(planes).to(run.device, run.dtype)
                maps = self.model.decode(features, grid)[..., : size[1], : size[0]].float().cpu()
                maps = maps if known is None else follow(maps, luma, known)
            if not maps.isfinite().all():
                raise ColorizeError("The net gave no numbers for colours: run it again with ARTCORE_DTYPE=fp32.")
            # Half precision on purpose: what is kept as bytes then equals what was never put away.
            chroma = maps[0].half().contiguous().numpy()
            yield Colouring(
                chroma, picture.size, seed, picture, grey16, replace(made, options={"seed": seed, **options})
            )

    def seconds(self, width: int, height: int, seeds: int = 1) -> float:
        """Predicted seconds for so many finished pictures of this size on this machine, from opened to coloured."""
        pixels = np.prod(working_size(width, height, self.model.size), dtype=float)
        net = runtime.seconds((self._flops[0] + seeds * self._flops[1]) * pixels)
        return OVERHEAD * net + seeds * PIXEL_SECONDS * width * height


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_SEED:
        raise ColorizeError(f"seed is {value!r}; give a whole number from 0 to {MOST_SEED}.")
    return value


def _listed(seeds: object) -> list:
    try:
        return list(seeds)
    except TypeError:
        raise ColorizeError(f"seeds is {seeds!r}; give a list such as [1, 2, 3].") from None


def _hints(source: object, picture: tuple[int, int], size: tuple[int, int]) -> tuple[torch.Tensor | None, Reference]:
    """(1, 3, h, w): U, V and a mask of where they are known; None where nothing is. And how a recipe names them."""
    opened = image.open(source)
    brushed = opened.convert("RGBA")
    check_aspect("picture of hints", brushed.size, picture)
    brushed = brushed.resize(size, Image.Resampling.BOX)
    x = torch.from_numpy(np.array(brushed, np.float32)).permute(2, 0, 1)[None].div_(255)
    mask = (x[:, 3:] * 255 >= BRUSHED).float()
    known = torch.cat((image.rgb_to_yuv(x[:, :3])[:, 1:] * mask, mask), 1) if mask.any() else None
    return known, recipe.reference(opened)


def _noise(
    source: object, picture: tuple[int, int], size: tuple[int, int], place: int
) -> tuple[tuple[torch.Tensor, torch.Tensor], Reference]:
    """(h, w), standard normal where all grey levels are equally frequent, and where it is opaque, both alike within a
    place of so many pixels; and how a recipe names it."""
    opened = image.open(source)
    check_aspect("picture of noise", opened.size, picture)
    # One pixel for a place, the middle one: a mean would be almost the same of any two pictures that are noise.
    pixels = np.asarray(opened.resize(size, Image.Resampling.NEAREST).convert("LA"))
    rows, columns = (np.minimum(np.arange(n) // place * place + place // 2, n - 1) for n in pixels.shape[:2])
    grey, opaque = np.moveaxis(pixels[rows][:, columns], -1, 0)
    return (torch.from_numpy(quantile(grey)), torch.from_numpy(opaque >= 128)), recipe.reference(opened)


def _regions(regions: object, size: tuple[int, int]) -> Iterator[tuple[torch.Tensor, object, Reference]]:
    """Softened masks and their seeds, and how a recipe names the masks."""
    try:
        pairs = [(mask, seed) for mask, seed in regions or ()]
    except (TypeError, ValueError):
        raise ColorizeError("regions is no list of pairs; give [(mask, seed), ...].") from None
    for number, (mask, seed) in enumerate(pairs, 1):
        grey = image.open(mask)
        reference = recipe.reference(grey)
        if grey.mode == "RGBA":  # a brushed layer: what was not painted is black
            grey = Image.alpha_composite(Image.new("RGBA", grey.size, "black"), grey)
        grey = grey.convert("L")
        check_aspect(f"mask of region {number}", grey.size, size)
        if not grey.getextrema()[1]:
            raise ColorizeError(f"The mask of region {number} is black all over; paint white where its seed goes.")
        yield guards.feathered(grey), seed, reference
