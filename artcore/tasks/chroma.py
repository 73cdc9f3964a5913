"""From the chroma of a small picture to the colours of the whole one: adjusted, guided by luma, inside the gamut.

A net colours at a short side of some 256 pixels. What follows costs a few passes over the full picture, strip by
strip, and none of the net, so that a colouring can be adjusted as fast as it can be shown.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from artcore import runtime
from artcore.guided import guided
from artcore.tasks.adjustments import Adjustments

# Guided filter: windows of 3 x 3 small pixels, and an edge is what contrasts by more than EDGE. Measured on photos
# reduced 2 to 8 times: wider windows or a finer EDGE lose more of sharp chroma than they mend of soft chroma.
RADIUS, EDGE = 1, 0.1
# For smoothness 1, of the short side: what is smaller takes the colour around it, up to the edges of luma.
SMOOTH_RADIUS, SMOOTH_EDGE = 1 / 32, 0.05
WARMTH = 0.08  # V at warmth 1, and -U: towards orange, along the colours of daylight
# How far a brushed colour reaches, of the short side, and over what contrast of luma; from how many places at most.
REACH, REACH_EDGE, MOST_PLACES = 1 / 20, 0.1, 384
STRIP = 2**17  # pixels that are finished at a time
# BT.601: red and blue less luma, for each unit of V and U.
RED, BLUE = 2 * (1 - 0.299), 2 * (1 - 0.114)


def adjusted(chroma: torch.Tensor, guide: torch.Tensor, adjustments: Adjustments) -> torch.Tensor:
    """(1, 2, h, w) chroma, smoothed, warmer and as saturated as asked."""
    a = adjustments
    if a.smoothness:
        radius = max(1, round(min(chroma.shape[-2:]) * SMOOTH_RADIUS))
        slope, offset = guided(guide, chroma, radius, SMOOTH_EDGE)
        chroma = torch.lerp(chroma, slope * guide + offset, a.smoothness)
    chroma = chroma * a.saturation
    return chroma + a.warmth * chroma.new_tensor([-WARMTH, WARMTH])[:, None, None] if a.warmth else chroma


def follow(chroma: torch.Tensor, guide: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Chroma that meets the brushed colours, whatever the net made of them.

    What a net leaves between a brushed colour and its own is added there, and around it the less the farther away or
    the other in luma: inverse distance weighting (Shepard 1968) with the range weight of a bilateral filter. Of a
    net that follows its hints nothing is left.

    Args:
        chroma: (1, 2, h, w) that the net made.
        guide: (1, 1, h, w) luma in [0, 1].
        known: (1, 3, h, w) wanted U and V, and a mask of where they are.
    """
    wanted, mask = known[:, :2], known[:, 2:]
    mean = functools.partial(F.avg_pool2d, kernel_size=2, ceil_mode=True)  # at half the size: a quarter of the places
    share, light = mean(mask)[0, 0], mean(guide)[0, 0]
    missing = mean((wanted - chroma) * mask)[0] / share.clamp_min(1e-6)
    places = share.nonzero()
    places = places[:: -(-len(places) // MOST_PLACES)]
    rows, columns = places.unbind(1)
    least = (min(share.shape) * REACH) ** -4  # the weight that the net's own colour has against the nearest place
    every = torch.cartesian_prod(*(torch.arange(n) for n in share.shape))
    change = []
    for some in every.split(2**12):
        far = torch.cdist(some.float(), places.float()).square_().add_(0.5)
        alike = (light[some[:, 0], some[:, 1], None] - light[rows, columns]).div_(REACH_EDGE).square_()
        weight = alike.neg_().exp_().div_(far.square_())
        mean_of_all = weight @ missing[:, rows, columns].T / weight.sum(1, keepdim=True).clamp_min_(1e-30)
        nearest = weight.amax(1, keepdim=True)
        change.append(mean_of_all * (nearest / (nearest + least)))
    change = torch.cat(change).T.view(1, 2, *share.shape)
    change = F.interpolate(change, size=chroma.shape[-2:], mode="bilinear")
    return torch.where(mask > 0, wanted, chroma + change)


def coloured(
    luma: np.ndarray, chroma: torch.Tensor, guide: torch.Tensor, adjustments: Adjustments
) -> Iterator[tuple[int, np.ndarray]]:
    """The colours of a picture, strip by strip, from top to bottom.

    Chroma at full size is chroma enlarged bilinearly, plus the guided filter's slope times what luma has of detail
    there: as Kopf et al. (2007, "Joint bilateral upsampling"), but by the linear model of He & Sun (2015, "Fast
    guided filter"). Unlike theirs it keeps, at the small size, what the net said to the bit: of the filter only the
    slope is taken, and chroma that no edge of luma explains is not smoothed away.

    Where no colour has both this luma and this chroma, luma and hue are met and chroma shrinks. Red and blue are
    rounded first and green makes up for it, so that rounding moves luma by less than a third of a step.

    Args:
        luma: (H, W), uint8 or uint16, all of whose range counts.
        chroma: (1, 2, h, w), U and V as artcore.image.rgb_to_yuv scales them, of any size.
        guide: (1, 1, h, w), luma in [0, 1], reduced to chroma's size.
        adjustments: black, white and gamma change luma; without them it is kept.

    Yields:
        (top, (3, rows, W) RGB of luma's type).
    """
    white = float(np.iinfo(luma.dtype).max)
    height, width = luma.shape
    with runtime.lock, torch.inference_mode():
        chroma = adjusted(chroma, guide, adjustments)
        slope, _ = guided(guide, chroma, RADIUS, EDGE)
        # Of red and blue less luma, in the units of the output.
        scale = chroma.new_tensor([RED, BLUE])[:, None, None]
        maps = torch.cat((slope.flip(1) * scale, (chroma - slope * guide).flip(1) * scale * white), 1)[0]
        maps = _lines(maps, 2, width)  # columns first, at the small height: a few of the many rows
    for top in range(0, height, rows := strip_rows(width)):
        with runtime.lock, torch.inference_mode():
            y = torch.from_numpy(luma[top : top + rows].astype(np.float32))
            rgb = _rgb(y, _lines(maps, 1, height, top, top + len(y)), white, adjustments)
            rgb = rgb.to(torch.uint8).numpy() if white == 255 else rgb.numpy().astype(luma.dtype)
        yield top, rgb


def strip_rows(width: int) -> int:
    """Rows of a strip of :func:`coloured`; the last may have fewer."""
    return max(1, STRIP // width)


def _rgb(y: torch.Tensor, maps: torch.Tensor, white: float, adjustments: Adjustments) -> torch.Tensor:
    """(3, rows, W), whole numbers from 0 to white, of luma and of slopes and offsets of red and of blue."""
    red_slope, blue_slope, red, blue = maps
    red.addcmul_(red_slope, y)
    blue.addcmul_(blue_slope, y)
    y = _levels(y, white, adjustments)
    green = (red * (-0.299 / 0.587)).add_(blue, alpha=-0.114 / 0.587)
    most = torch.maximum(red, blue).clamp_(min=green)
    least = torch.minimum(red, blue).clamp_(max=green)
    # Luma is a mean of the three: unless all are 0, one lies above it and one below.
    room = torch.minimum((white - y).div_(most.clamp_min_(1e-6)), y.div(least.clamp_max_(-1e-6)).neg_())
    room.clamp_max_(1)
    rgb = torch.empty(3, *y.shape)
    torch.addcmul(y, red, room, out=rgb[0]).round_()
    torch.addcmul(y, blue, room, out=rgb[2]).round_()
    y.mul_(1 / 0.587).sub_(rgb[0], alpha=0.299 / 0.587).sub_(rgb[2], alpha=0.114 / 0.587).round_()
    torch.clamp(y, 0, white, out=rgb[1])
    return rgb


def _levels(luma: torch.Tensor, white: float, adjustments: Adjustments) -> torch.Tensor:
    a = adjustments
    if (a.black, a.white, a.gamma) == (0, 1, 1):
        return luma
    span = max(a.white - a.black, 1 / 255)  # where the two meet, all is black or white
    return (luma / white - a.black).div_(span).clamp_(0, 1).pow_(1 / a.gamma).mul_(white).round_()


def _lines(maps: torch.Tensor, dim: int, length: int, start: int = 0, stop: int | None = None) -> torch.Tensor:
    """Lines ``start`` to ``stop`` of maps enlarged linearly to ``length`` lines along a dimension; always a copy."""
    known = maps.shape[dim]
    position = (torch.arange(start, length if stop is None else stop, dtype=torch.float64) + 0.5) * (known / length)
    position = (position - 0.5).clamp_(0, known - 1)
    first = position.floor().long()
    share = (position - first).float().view([-1 if d == dim else 1 for d in range(maps.dim())])
    before, after = (maps.index_select(dim, n) for n in (first, (first + 1).clamp_(max=known - 1)))
    return before.lerp_(after, share)


def working_size(width: int, height: int, short: int, aspect: int = 4) -> tuple[int, int]:
    """(width, height) at which a net colours a picture: ``short`` pixels on the shorter side, and no longer than
    ``aspect`` times that, so that a picture of one line stays small."""
    scale = min(short / min(width, height), aspect * short / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def quantile(levels: np.ndarray) -> np.ndarray:
    """Standard normal numbers, float32, of the grey levels 0 to 255: black is the lowest 1 / 256, white the highest."""
    table = torch.special.ndtri((torch.arange(256, dtype=torch.float64) + 0.5) / 256).float().numpy()
    return table[levels]
