"""Pairs for super-resolution: crops of sharp pictures, and what is left of them once they are reduced four times."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from artcore.models.enhancenet import SCALE, mirror, reduce
from training.data import Pictures

MARGIN = 2  # pixels of the reduced crop on each side, cut off again: what the kernel reaches beyond its border
DEGRADATIONS = ("none", "photo")


def crop(picture: torch.Tensor, size: int, rng: torch.Generator) -> torch.Tensor:
    """A random window (3, size + 2m, size + 2m), uint8, of m = 4 * ``MARGIN`` more pixels on each side than asked
    for, turned and mirrored in one of the eight ways of a square.

    What lies outside the picture is its mirror image; a picture smaller than ``size`` repeats itself that way.
    """
    index = []
    for side in picture.shape[1:]:
        first = int(torch.randint(0, max(1, side - size + 1), (), generator=rng)) - SCALE * MARGIN
        beyond = torch.arange(first, first + size + 2 * SCALE * MARGIN) % (2 * side)
        index.append(torch.minimum(beyond, 2 * side - 1 - beyond))
    window = picture[:, index[0][:, None], index[1]]
    turn, flip, across = torch.randint(0, 2, (3,), generator=rng).tolist()
    window = window.transpose(1, 2) if turn else window
    return window.flip([d for d, on in ((1, flip), (2, across)) if on])


def batch(
    sources: list[tuple[Pictures, float]], count: int, size: int, rng: torch.Generator, degradation: str = "none"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs (reduced (count, 3, size / 4, size / 4), truth (count, 3, size, size)), float in [0, 1].

    Args:
        sources: pictures, and the share of the crops that comes from them; within a source all count alike.
        count: pairs.
        size: of the truth, a multiple of 4.
        rng: draws everything, on the CPU.
        degradation: "none": reduced as in the papers (:func:`artcore.models.enhancenet.reduce`) and rounded to eight
            bits; or "photo" (:func:`photo`).
    """
    shares = torch.tensor([share for _, share in sources])
    drawn = torch.multinomial(shares, count, replacement=True, generator=rng).tolist()
    crops = []
    for source in drawn:
        pictures = sources[source][0]
        crops.append(crop(pictures[int(torch.randint(0, len(pictures), (), generator=rng))], size, rng))
    large = torch.stack(crops).float() / 255
    small = reduce(large) if degradation == "none" else torch.cat([photo(x[None], rng) for x in large])
    cut = SCALE * MARGIN
    small = small[..., MARGIN:-MARGIN, MARGIN:-MARGIN].mul(255).round_().clamp_(0, 255) / 255
    return small, large[..., cut:-cut, cut:-cut].contiguous()


def photo(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """A picture (1, 3, 4H, 4W) as it comes from a phone or the web, (1, 3, H, W): blurred, reduced by one of several
    kernels, noisy, a JPEG; half of the time in two stages, an upload of what was a JPEG already (after Wang et al.
    2021, "Real-ESRGAN", whose second order is stronger). One picture in ten is only reduced."""
    if _chance(rng, 0.1):
        return reduce(x)
    height, width = (s // SCALE for s in x.shape[-2:])
    if _chance(rng, 0.7):
        x = blur(x, _uniform(rng, 0.3, 2.2), _uniform(rng, 0.3, 2.2), _uniform(rng, 0, math.pi))
    if _chance(rng, 0.5):
        between = _uniform(rng, 1.2, 2.5)  # in units of the final size
        x = _resize(x, round(height * between), round(width * between), rng)
        x = _noise(x, _uniform(rng, 0, 8), rng) if _chance(rng, 0.5) else x
        x = jpeg(x, int(_uniform(rng, 50, 96)), rng)
    x = _resize(x, height, width, rng)
    x = _noise(x, _uniform(rng, 0, 6), rng) if _chance(rng, 0.5) else x
    return jpeg(x, int(_uniform(rng, 35, 96)), rng) if _chance(rng, 0.85) else x


def _uniform(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=rng).item()


def _chance(rng: torch.Generator, probability: float) -> bool:
    return torch.rand((), generator=rng).item() < probability


def blur(x: torch.Tensor, along: float, across: float, angle: float) -> torch.Tensor:
    """(N, C, H, W) through a Gaussian of two standard deviations in pixels, turned by ``angle``."""
    reach = math.ceil(3 * max(along, across))
    y, z = torch.meshgrid(*[torch.arange(-reach, reach + 1.0)] * 2, indexing="ij")
    u, v = math.cos(angle) * z + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * z
    kernel = torch.exp(-((u / along) ** 2 + (v / across) ** 2) / 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(mirror(x, reach), kernel, groups=x.shape[1])


def _resize(x: torch.Tensor, height: int, width: int, rng: torch.Generator) -> torch.Tensor:
    """By one of the kernels that programs reduce with."""
    kind = ("bicubic", "bilinear", "area")[int(torch.randint(0, 3, (), generator=rng))]
    if kind == "area":
        return F.interpolate(x, (height, width), mode="area")
    return F.interpolate(x, (height, width), mode=kind, antialias=True)


def _noise(x: torch.Tensor, deviation: float, rng: torch.Generator) -> torch.Tensor:
    """Noise of a deviation in 255ths, of luma or of each colour; less of it in shadows, as sensors have it."""
    shape = (len(x), 1 if _chance(rng, 0.4) else x.shape[1], *x.shape[2:])
    return x + torch.randn(shape, generator=rng) * (deviation / 255) * (0.3 + x.clamp(0, 1)).sqrt()


def jpeg(x: torch.Tensor, quality: int, rng: torch.Generator) -> torch.Tensor:
    """What is left of (1, 3, H, W) after JPEG, its blocks anywhere and its chroma halved two times in three."""
    top, left = torch.randint(0, 8, (2,), generator=rng).tolist()
    sampling = 2 if _chance(rng, 2 / 3) else 0
    height, width = x.shape[-2:]
    padded = mirror(x, 8)[0, :, 8 - top :, 8 - left :]
    pixels = padded.mul(255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=sampling)
    with Image.open(file) as again:
        back = torch.from_numpy(np.array(again)).permute(2, 0, 1)[None].float() / 255
    return back[..., top : top + height, left : left + width].contiguous()
