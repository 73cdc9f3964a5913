"""What keeps parts of the photo in its painting: light, colours, fine detail, and regions of their own painter.

Everything here is worked out in one of two ways: on a small version of the whole picture, whose maps are then
sampled at absolute positions, or pixel by pixel. So a picture can be finished in strips that leave no seam.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageFilter

from artcore import image
from artcore.guided import guided

SMALL = 2**19  # pixels of the small version of a picture that maps are worked out on
# Low frequencies are those that a window of this part of the short side averages, and an edge is what
# contrasts by more than EDGE: below it the filter blurs, above it the two sides stay apart.
LIGHT_RADIUS = 1 / 32
EDGE = 0.1
FEATHER = 1 / 96  # of the short side: how far a mask's edge is softened


def small(picture: Image.Image, pixels: int = SMALL) -> Image.Image:
    """The picture reduced to at most about so many pixels; itself where it has no more."""
    scale = math.sqrt(pixels / (picture.width * picture.height))
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX)


def light_maps(photo: Image.Image, painting: Image.Image, strength: float = 1.0) -> torch.Tensor:
    """Where the light of photo and painting is, for :func:`finish`.

    The guided filter (He et al. 2013, "Guided image filtering"), by its fast form (He & Sun 2015) on small
    versions: within each window, photo's and painting's luma as linear functions of the photo's luma. A blur
    would spread the correction of a sky over the tower before it, which shows as a halo; this does not.

    Args:
        photo, painting: RGB, of one aspect.
        strength: how far from the photo to the painting the picture is whose light is asked for.

    Returns:
        (1, 4, h, w): slope and offset that give the photo's low frequencies, and the painting's.
    """
    photo = small(photo)
    # Bilinear, since a painting of a coarser inner scale may be smaller than the small version.
    painting = painting.resize(photo.size, Image.Resampling.BILINEAR)
    guide, painted = (image.luma(image.to_tensor(p)) for p in (photo, painting))
    both = torch.cat((guide, torch.lerp(guide, painted, strength)), 1)
    radius = max(1, round(min(photo.size) * LIGHT_RADIUS))
    return torch.cat(guided(guide, both, radius, EDGE), 1)[:, [0, 2, 1, 3]]


def finish(
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    maps: torch.Tensor | None = None,
    light: float = 0.0,
    keep_colours: float = 0.0,
    base: torch.Tensor | None = None,
    detail: float = 0.0,
) -> torch.Tensor:
    """The painting with what was asked of the photo; pixel by pixel.

    Args:
        x, y: (N, 3, H, W) photo and painting, RGB in [0, 1].
        maps: the window of :func:`light_maps`, (N, 4, H, W); needed for ``light``.
        light: 1 moves the painting's luma so that its low frequencies are the photo's; strokes stay.
        keep_colours: 1 gives the photo's chroma.
        base: (N, 3, H, W) the photo without its fine detail; needed for ``detail``.
        detail: 1 adds the luma that ``base`` lacks.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    photo, painting = image.rgb_to_yuv(x), image.rgb_to_yuv(y)
    luma, chroma = painting[:, :1], painting[:, 1:]
    if detail:
        luma = luma + detail * (photo[:, :1] - image.luma(base))
    if light:
        lit, painted = (maps[:, i : i + 1] * photo[:, :1] + maps[:, i + 1 : i + 2] for i in (0, 2))
        lit, painted = lit.clamp_(0, 1), painted.clamp_(0, 1)
        # Near white and black there is less room than strokes may want: they flatten instead of being cut off.
        strokes = luma - painted
        room = torch.where(strokes > 0, 1 - lit, lit).clamp_min_(1e-3)
        luma = torch.lerp(luma, lit + room * torch.tanh(strokes / room), light)
        # The same chroma looks gaudy in a darker colour, and the same ratio of chroma to luma looks dull: half way
        # between the two it looks as the painter mixed it. A lighter colour keeps its chroma: to raise that too
        # would also raise what tiles differ by, one step of 255, above one.
        gain = (lit.clamp_min_(0.02) / painted.clamp_min_(0.02)).clamp_(max=1)
        chroma = chroma * gain.pow_(light / 2)
    if keep_colours:
        chroma = torch.lerp(chroma, photo[:, 1:], keep_colours)
    return in_gamut(luma, chroma)


def in_gamut(luma: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    """RGB in [0, 1] of (N, 1, H, W) luma and (N, 2, H, W) chroma: where no colour has both, luma and hue are met
    and the colour fades as far as it must. Luma beyond [0, 1] becomes black or white."""
    luma = luma.clamp(0, 1)
    colour = image.yuv_to_rgb(torch.cat((torch.zeros_like(luma), chroma), 1))
    room = torch.where(colour > 0, 1 - luma, luma) / colour.abs().clamp_min_(1e-6)
    return (luma + colour * room.amin(1, keepdim=True).clamp_(max=1)).clamp_(0, 1)


def feathered(mask: Image.Image) -> torch.Tensor:
    """(1, 1, h, w) in [0, 1] of a grey picture, on its small version, with soft edges."""
    mask = small(mask)
    soft = mask.filter(ImageFilter.GaussianBlur(min(mask.size) * FEATHER))
    return torch.from_numpy(np.array(soft, np.float32))[None, None].div_(255)
