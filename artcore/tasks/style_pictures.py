"""The pictures of a style transfer: sizes that never squash, palettes that agree, regions with soft edges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image

from artcore import image, perceptual
from artcore.tasks.style_options import StyleError, StyleOptions

LEAST = 32  # pixels of the shorter side of the result
MOST = 8192  # of the longer one: `size` may be that of the height
MOST_CRUSHED = 0.075  # share of a photo's pixels that a palette may turn black or white; by looking
LEAST_STYLE = 32  # pixels a side of a painting; its deepest features need some


def output_size(photo: tuple[int, int], options: StyleOptions) -> tuple[int, int]:
    """Size of the result."""
    side = max(photo) if options.side == "long" else photo[1]
    width, height = (max(1, round(n * options.size / side)) for n in photo)
    if min(width, height) < LEAST:
        raise StyleError(f"The result would be {width} x {height} px: crop the photo, or choose a larger size.")
    if max(width, height) > MOST:
        raise StyleError(f"The result would be {width} x {height} px: crop the photo, or choose a smaller size.")
    return width, height


def resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def fitted(picture: Image.Image, size: tuple[int, int], options: StyleOptions) -> Image.Image:
    """The painting, cropped to the photo's aspect where asked for, no larger than the run needs."""
    picture = picture.convert("RGB")
    if min(picture.size) < LEAST_STYLE:
        width, height = picture.size
        raise StyleError(f"The painting is {width} x {height} px: give one of at least {LEAST_STYLE} px a side.")
    if options.fit == "crop":
        scale = min(picture.width / size[0], picture.height / size[1])
        width, height = (min(round(n * scale), m) for n, m in zip(size, picture.size, strict=True))
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture = picture.crop((left, top, left + max(1, width), top + max(1, height)))
        if min(picture.size) < LEAST_STYLE:
            width, height = picture.size
            raise StyleError(
                f"The painting is {width} x {height} px once it is cropped to the photo's shape: give a larger one, or"
                " take it whole (fit)."
            )
    wanted = style_size(picture, size, options)
    return picture if wanted[0] > picture.width else resized(picture, wanted)


def style_size(painting: Image.Image, size: tuple[int, int], options: StyleOptions) -> tuple[int, int]:
    """Size of the painting at a stage: its longer side is the stage's, times style_scale; never squashed."""
    scale = max(options.style_scale * max(size) / max(painting.size), LEAST_STYLE / min(painting.size))
    return tuple(max(LEAST_STYLE, round(n * scale)) for n in painting.size)


def tiled(style: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A painting (1, 3, h, w) repeated, each copy mirrored, until it covers (width, height)."""
    row = torch.cat([style, style.flip(3)], 3)
    block = torch.cat([row, row.flip(2)], 2)
    across, down = (math.ceil(n / m) for n, m in zip(size, block.shape[:1:-1], strict=True))
    return block.repeat(1, 1, down, across)[..., : max(size[1], LEAST_STYLE), : max(size[0], LEAST_STYLE)]


def matched(
    content: torch.Tensor,
    styles: list[torch.Tensor],
    shares: list[float],
    masks: list[torch.Tensor] | None,
    options: StyleOptions,
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Photo and paintings with one palette: the paintings', or by `keep_colours` that of the photo.

    Else content would hold the photo's own colours, and the picture would be neither the one nor the other. Where
    a painting's palette would crush the photo (one that is black but for a face), it is met half way.
    """
    own = perceptual.colour_moments(content)
    most = MOST_CRUSHED + _crushed(content)
    photos, paintings = [], []
    for style in styles:
        theirs = perceptual.colour_moments(style)
        keep = options.keep_colours
        while True:
            palette = [p.lerp(o, keep) for p, o in zip(theirs, own, strict=True)]
            photo = perceptual.match_colour(content, *palette) if options.colour else content
            if keep == 1 or _crushed(photo) <= most:
                break
            keep = min(1.0, keep + 0.05)
        photos.append(photo)
        paintings.append(perceptual.match_colour(style, *palette) if keep else style)
    if options.colour and options.keep_colours < 1:
        if masks is None:
            content = sum(share * photo for share, photo in zip(shares, photos, strict=True))
        else:
            total = sum(masks).clamp_min(1)
            changed = sum(mask * (photo - content) for mask, photo in zip(masks, photos, strict=True))
            content = content + changed / total
    return content, paintings


def _crushed(picture: torch.Tensor) -> float:
    """Share of the pixels that are black or white, and so show nothing."""
    return ((picture < 0.004).all(1) | (picture > 0.996).all(1)).float().mean().item()


def half_way(content: torch.Tensor, styles: list[torch.Tensor]) -> torch.Tensor:
    """A picture half way between photo and paintings, where the terms are weighed."""
    parts = [F.interpolate(s, content.shape[-2:], mode="bilinear", align_corners=False) for s in styles]
    return 0.5 * content + 0.5 * sum(parts) / len(parts)


def regions(masks: Sequence[object], styles: int, size: tuple[int, int]) -> list[Image.Image]:
    masks = list(masks) if isinstance(masks, list | tuple) else [masks]
    if len(masks) != styles:
        raise StyleError(f"There are {len(masks)} masks for {styles} paintings: give one for each.")
    found = []
    for i, mask in enumerate(masks, 1):
        grey = image.open(mask).convert("L")
        if abs(math.log(grey.width / grey.height * size[1] / size[0])) > 0.03:
            raise StyleError(
                f"Mask {i} is {grey.width} x {grey.height} px, another aspect than the picture's "
                f"{size[0]} x {size[1]}: give one of the photo's aspect."
            )
        grey = resized(grey, size)
        if sum(grey.histogram()[128:]) < 16:
            raise StyleError(f"Mask {i} is dark everywhere: make it white where its painting is to count.")
        found.append(grey)
    return found


def grey(mask: Image.Image, size: tuple[int, int]) -> torch.Tensor:
    mask = mask.convert("F").resize(size, Image.Resampling.BOX)  # in floats, or small specks are lost
    return torch.frombuffer(bytearray(mask.tobytes()), dtype=torch.float32).view(1, 1, *size[::-1]) / 255


def feathered(mask: torch.Tensor, feather: float) -> torch.Tensor:
    """Edges blurred by three box means, nearly a Gaussian."""
    radius = round(feather * min(mask.shape[-2:]) / 2)
    for _ in range(3 if radius else 0):
        mask = F.avg_pool2d(F.pad(mask, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)
    return mask


def as_bytes(picture: Image.Image) -> torch.Tensor:
    """A picture as uint8 (H, W) or (H, W, C)."""
    shape = (picture.height, picture.width, len(picture.getbands()))
    made = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(shape)
    return made[..., 0] if shape[2] == 1 else made
