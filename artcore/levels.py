"""Levels: black and white points of a picture drawn out to the whole range, as light and cast, not as strokes."""

from __future__ import annotations

import torch
from torch import Tensor

from artcore import image
from artcore.guided import guided

# What is drawn out is the mean of a window of this part of the short side; where luma contrasts by more than EDGE the
# two sides begin to stay apart. Finer (1/16 and 0.3), halos are narrower, but brushstrokes are drawn out too: of
# Cezanne's held-back paintings as photos by the net that ships, brushwork is 0.45 in place of 0.51.
RADIUS, EDGE = 1 / 10, 0.6
PERCENT = 0.1  # of each channel's values that may be cut off at either end
MAX_GAIN = 2.0  # a picture of one hue is to keep it


def maps(x: Tensor) -> Tensor:
    """What :func:`apply` adds, worked out on the whole picture or on a small version of it; half of it goes half way.

    Each channel's values, but for PERCENT of them at either end, come to fill [0, 1] as far as MAX_GAIN allows: that
    undoes what varnish, age and a dim reproduction did to a painting. Departure from the levels of image editors: only
    low frequencies are moved, by the guided filter (He et al. 2013, "Guided image filtering") with luma as the guide,
    so that brushstrokes keep the contrast that they have.

    Args:
        x: (1, 3, H, W), RGB in [0, 1].

    Returns:
        (1, 6, H, W): for each channel a slope of luma, then for each an offset.
    """
    values = x[0].flatten(1).sort(1).values[..., None, None]
    cut = int(values.shape[1] * PERCENT / 100)
    low, high = values[:, cut], values[:, -1 - cut]
    gain = (1 / (high - low).clamp_min(1e-3)).clamp_max(MAX_GAIN)
    fixed = low / (1 - high + low).clamp_min(1e-3)  # the value that stays what it is
    slope, offset = guided(image.luma(x), x, max(1, round(min(x.shape[-2:]) * RADIUS)), EDGE)
    return torch.cat(((gain - 1) * slope, (gain - 1) * (offset - fixed)), 1)


def apply(x: Tensor, maps: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] with its levels drawn out, pixel by pixel, by the same window of the maps."""
    return (x + maps[:, :3] * image.luma(x) + maps[:, 3:]).clamp_(0, 1)
