"""The guided filter: what is smoothed keeps the edges of what guides it."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def guided(guide: torch.Tensor, x: torch.Tensor, radius: int, edge: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Guided filter (He et al. 2013): in each window, ``x`` as a linear function of the guide.

    Args:
        guide: (1, 1, h, w) luma in [0, 1].
        x: (1, C, h, w).
        radius: of the square windows, in pixels.
        edge: contrast of the guide from which on the two sides stay apart; the paper's square root of epsilon.

    Returns:
        Slopes and offsets, (1, C, h, w) each: slope * guide + offset is ``x``, smoothed where the guide is.
    """
    channels = x.shape[1]
    mean = box(torch.cat((guide, x, guide * guide, guide * x), 1), radius)
    of_guide, of_x, of_squares, of_products = mean.split((1, channels, 1, channels), 1)
    variance = (of_squares - of_guide * of_guide).clamp_min_(0)
    slope = (of_products - of_guide * of_x) / (variance + edge**2)
    return box(torch.cat((slope, of_x - slope * of_guide), 1), radius).split(channels, 1)


def box(x: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over a square window, at the border over the part of it that lies within the picture."""
    side = 2 * radius + 1
    x = F.avg_pool2d(x, (side, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(x, (1, side), 1, (0, radius), count_include_pad=False)
