"""The honest score card: figures for pictures, computed on the CPU, offline and always the same.

Pictures are float tensors (N, 3, H, W), RGB, sRGB-encoded, in [0, 1]; the functions that compare *sets* of
pictures also take a list of tensors (3, H, W) or (1, 3, H, W) of different sizes. Every function raises
`ValueError` with one sentence where its input is not that. No figure here needs weights from elsewhere: the
one that looks at features takes the feature function as an argument.

A style distance says nothing alone: the unchanged photo can be nearer to a painter than a good painting is.
So `style_score` never returns a distance without its two bounds, "the photo copied" (0) and "other real
paintings of that painter" (1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "Bounded",
    "Description",
    "StyleScore",
    "ciede2000",
    "colourfulness",
    "content_kept",
    "delta_e_2000",
    "describe",
    "distances",
    "diversity",
    "draw_patches",
    "encoder_distance",
    "patch_distance",
    "psnr",
    "psnr_y",
    "rgb_to_lab",
    "ssim",
    "ssim_y",
    "style_score",
]

Pictures = Tensor | Sequence[Tensor]
Features = Callable[[Tensor], Mapping[str, Tensor]]

PATCH = 7  # side of a patch, as in GPDM
PROJECTIONS = 64
SCALES = 3


# ---------------------------------------------------------------- what a picture is


def _check(pictures: Tensor, name: str = "pictures") -> Tensor:
    """Returns the pictures on the CPU in float64; refuses anything but finite (N, 3, H, W) in [0, 1]."""
    if not isinstance(pictures, Tensor) or pictures.ndim != 4 or pictures.shape[1] != 3 or not pictures.numel():
        shape = tuple(pictures.shape) if isinstance(pictures, Tensor) else type(pictures).__name__
        raise ValueError(
            f"{name[0].upper() + name[1:]} must be RGB of shape (N, 3, H, W), but got {shape}: "
            "convert with artcore.image."
        )
    pictures = pictures.detach().to("cpu", torch.float64)
    low, high = pictures.aminmax()
    # Not "low < ... or high > ...": NaN must fail too. The margin forgives rounding in half precision.
    if not (low >= -0.01 and high <= 1.01):
        raise ValueError(
            f"{name[0].upper() + name[1:]} must lie in [0, 1], but span {low:.4g} to {high:.4g}: "
            "divide by 255 or clamp first."
        )
    return pictures.clamp(0, 1)


def _pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    a, b = _check(a, "the first pictures"), _check(b, "the second pictures")
    if a.shape != b.shape:
        raise ValueError(f"Pictures are compared pixel by pixel, but {tuple(a.shape)} is not {tuple(b.shape)}: resize.")
    return a, b


def _set(pictures: Pictures, name: str) -> list[Tensor]:
    """A set of pictures as a list of (1, 3, H, W), checked here but converted one by one: sets are large."""
    items = list(pictures.split(1)) if isinstance(pictures, Tensor) and pictures.ndim == 4 else list(pictures)
    if not items:
        raise ValueError(f"There is no picture among {name}: give at least one.")
    items = [p[None] if isinstance(p, Tensor) and p.ndim == 3 else p for p in items]
    for item in items:
        if len(_check(item, name)) != 1:
            raise ValueError(f"A list of {name} holds one picture an entry, but {len(item)} came in one: split it.")
    return items


def _luma(rgb: Tensor) -> Tensor:
    """BT.601 luma of the full range, (N, 1, H, W) in [0, 1]."""
    return (rgb * rgb.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


# ---------------------------------------------------------------- distance to a truth


def _studio_luma(rgb: Tensor, crop: int) -> Tensor:
    """BT.601 Y in studio swing (16 to 235), (N, 1, H, W), of the 8-bit picture less `crop` pixels a side."""
    height, width = rgb.shape[-2:]
    if crop < 0 or 2 * crop >= min(height, width):
        raise ValueError(f"A border of {crop} px can't be cut from {width}x{height}: use a smaller crop, 0 or more.")
    rgb = rgb[..., crop : height - crop, crop : width - crop]
    rgb = (rgb * 255).round() / 255
    return 16 + (rgb * rgb.new_tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1)).sum(1, keepdim=True)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over all three channels, one figure per picture, (N,); infinite if equal.

    As colourisation papers state it, whose results have the truth's luma: `psnr_y` can't tell them apart.
    """
    a, b = _pair(a, b)
    return -10 * torch.log10((a - b).square().mean((1, 2, 3)))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (see `ssim_y`), the mean of red, green and blue, (N,), 1 for equal pictures."""
    a, b = _pair(a, b)
    planes = (x.transpose(0, 1).flatten(0, 1)[:, None] for x in (a, b))
    return _ssim(*planes, 1.0).view(3, -1).mean(0)


def psnr_y(a: Tensor, b: Tensor, *, crop: int = 0) -> Tensor:
    """Peak signal-to-noise ratio in dB on luma, one figure per picture, (N,); infinite for equal pictures.

    The convention of the super-resolution papers: the 8-bit picture, BT.601 luma in studio swing (16 to 235),
    not rounded again, a peak of 255, and `crop` pixels (the enlargement) cut from each side. RGB figures are
    about 2 dB lower and don't compare.
    """
    a, b = _pair(a, b)
    error = (_studio_luma(a, crop) - _studio_luma(b, crop)).square().mean((1, 2, 3))
    return 10 * torch.log10(255**2 / error)


def ssim_y(a: Tensor, b: Tensor, *, crop: int = 0) -> Tensor:
    """Structural similarity on luma, one figure per picture, (N,), 1 for equal pictures.

    Wang et al. 2004: Gaussian window 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, only windows that lie
    inside. Luma and `crop` as in `psnr_y`. Pictures need 11 pixels a side after the crop.
    """
    a, b = _pair(a, b)
    return _ssim(_studio_luma(a, crop), _studio_luma(b, crop), 255.0)


def _ssim(a: Tensor, b: Tensor, value_range: float) -> Tensor:
    """Structural similarity of planes (N, 1, H, W), (N,)."""
    if min(a.shape[-2:]) < 11:
        raise ValueError(
            f"SSIM needs 11 pixels a side, but {a.shape[-1]}x{a.shape[-2]} are left: use a larger picture."
        )
    offsets = torch.arange(-5, 6, dtype=a.dtype)
    window = torch.softmax(-offsets.square() / (2 * 1.5**2), 0)  # a Gaussian that sums to 1

    def blur(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, window.view(1, 1, 11, 1)), window.view(1, 1, 1, 11))

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean((1, 2, 3))


def content_kept(output: Tensor, photo: Tensor) -> Tensor:
    """How much of the photo's drawing is left, (N,), 1 for an unchanged photo.

    The structural similarity of the Sobel gradient magnitudes of the two lumas: new colours and a new overall
    brightness cost nothing, lost or invented edges do. The gradients are scaled so that a step from black to
    white measures 1. A flat picture keeps nothing of a busy one: about 0. Pictures need 11 pixels a side.
    """
    output, photo = _pair(output, photo)
    return _ssim(_edges(_luma(output)), _edges(_luma(photo)), 1.0)


def _edges(luma: Tensor) -> Tensor:
    smooth, slope = luma.new_tensor([1, 2, 1]) / 4, luma.new_tensor([-1, 0, 1])
    kernels = torch.stack([smooth[:, None] * slope, slope[:, None] * smooth])[:, None]
    return F.conv2d(F.pad(luma, (1, 1, 1, 1), mode="replicate"), kernels).square().sum(1, keepdim=True).sqrt()


# ---------------------------------------------------------------- colour


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB in [0, 1] to CIE L*a*b* with the white D65 (2 degrees), (N, 3, H, W), float64; L* is 0 to 100."""
    rgb = _check(rgb)
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
    to_xyz = rgb.new_tensor(
        [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    )
    white = rgb.new_tensor([0.95047, 1.0, 1.08883]).view(1, 3, 1, 1)
    t = torch.einsum("ij,njhw->nihw", to_xyz, linear) / white
    x, y, z = torch.where(t > (6 / 29) ** 3, t ** (1 / 3), t / (3 * (6 / 29) ** 2) + 4 / 29).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def delta_e_2000(lab_a: Tensor, lab_b: Tensor) -> Tensor:
    """CIEDE2000 colour difference of L*a*b* tensors, channels in dimension 1: (N, 3, ...) -> (N, ...).

    Sharma, Wu and Dalal 2005, equations 2 to 22, with kL = kC = kH = 1. One just sees a difference of 1.
    """
    l1, a1, b1 = lab_a.double().unbind(1)
    l2, a2, b2 = lab_b.double().unbind(1)
    chroma7 = ((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * torch.sqrt(chroma7 / (chroma7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1 = torch.rad2deg(torch.atan2(b1, a1)) % 360
    h2 = torch.rad2deg(torch.atan2(b2, a2)) % 360
    grey = c1 * c2 == 0  # a grey has no hue

    turn = h2 - h1
    turn = torch.where(turn > 180, turn - 360, torch.where(turn < -180, turn + 360, turn))
    turn = torch.where(grey, 0.0, turn)
    lightness, chroma = l2 - l1, c2 - c1
    hue = 2 * torch.sqrt(c1 * c2) * torch.sin(torch.deg2rad(turn / 2))

    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    total = h1 + h2
    mean_h = torch.where((h1 - h2).abs() <= 180, total, torch.where(total < 360, total + 360, total - 360)) / 2
    mean_h = torch.where(grey, total, mean_h)

    def cosine(degrees: Tensor) -> Tensor:
        return torch.cos(torch.deg2rad(degrees))

    t = (
        1
        - 0.17 * cosine(mean_h - 30)
        + 0.24 * cosine(2 * mean_h)
        + 0.32 * cosine(3 * mean_h + 6)
        - 0.20 * cosine(4 * mean_h - 63)
    )
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / torch.sqrt(20 + (mean_l - 50) ** 2)
    s_c = 1 + 0.045 * mean_c
    s_h = 1 + 0.015 * mean_c * t
    rotation = 2 * torch.sqrt(mean_c**7 / (mean_c**7 + 25.0**7))
    rotation = -rotation * torch.sin(torch.deg2rad(60 * torch.exp(-(((mean_h - 275) / 25) ** 2))))
    lightness, chroma, hue = lightness / s_l, chroma / s_c, hue / s_h
    return torch.sqrt((lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue).clamp(min=0))


def ciede2000(a: Tensor, b: Tensor) -> Tensor:
    """Mean CIEDE2000 difference over the pixels, one figure per pair of pictures, (N,), 0 if equal."""
    a, b = _pair(a, b)
    return delta_e_2000(rgb_to_lab(a), rgb_to_lab(b)).mean((1, 2))


def colourfulness(rgb: Tensor) -> Tensor:
    """Colourfulness of Hasler and Suesstrunk 2003, (N,): 0 is grey, about 40 a photo, over 80 gaudy.

    On the scale of 8-bit pictures, as published. The difference between two sets can be taken as the
    difference of the means or as the mean of the differences; they are far apart, so say which.
    """
    red, green, blue = (_check(rgb) * 255).flatten(2).unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue], 1)
    spread = opponents.var(2, correction=0).sum(1).sqrt()
    return spread + 0.3 * opponents.mean(2).square().sum(1).sqrt()


def diversity(samples: Tensor) -> float:
    """How different K >= 2 answers to one question, (K, 3, H, W), are: mean CIEDE2000 over all pairs."""
    lab = rgb_to_lab(samples)
    if len(lab) < 2:
        raise ValueError("Diversity compares pictures in pairs, but only one was given: make at least two samples.")
    pairs = [delta_e_2000(lab[i : i + 1], lab[i + 1 :]).mean((1, 2)) for i in range(len(lab) - 1)]
    return torch.cat(pairs).mean().item()


# ---------------------------------------------------------------- distance between sets of pictures


def patch_distance(a: Pictures, b: Pictures, kind: str, *, patches: int = 16384, seed: int = 0) -> float:
    """Sliced Wasserstein-1 distance between the 7x7 patches of two sets of pictures, the mean over three
    scales.

    `kind` "brushwork": luma patches, each less its own mean, so that neither palette nor exposure counts;
    "colour": RGB patches as they are. At every scale (whole, half and quarter size; halved by means of 2x2)
    about `patches` patches a set are drawn at random, as many from each picture, projected on 64 random
    directions and compared by their quantiles, so that sets of any number and size of pictures compare.
    The same seed always draws the same patches from pictures of the same sizes: equal sets measure exactly 0.

    A patch is 7 pixels whatever the picture shows: bring both sets to a common size of canvas first. Unlike
    GPDM (Elnekave and Weiss 2022), which this follows, the distance is that of whole sets, not of two
    pictures. Raises `ValueError` for a picture with a side below 28 pixels (7 at the smallest scale).
    """
    if kind not in ("brushwork", "colour"):
        raise ValueError(f"There is no patch distance {kind!r}: choose 'brushwork' or 'colour'.")
    a, b = _set(a, "the first pictures"), _set(b, "the second pictures")
    return _quantile_distance(_projected(a, kind, patches, seed), _projected(b, kind, patches, seed))


def draw_patches(planes: Tensor, each: int, generator: torch.Generator, *, centred: bool) -> Iterator[Tensor]:
    """7x7 patches of pictures (N, C, H, W), from `each` random places that are the same for all N: (N, each, C * 49)
    for the whole, the half and the quarter size (halved by means of 2x2), for as long as a patch fits. `centred`:
    each less its own mean."""
    window = torch.arange(PATCH)
    for scale in range(SCALES):
        if scale:
            planes = F.avg_pool2d(planes, 2)
        if min(planes.shape[-2:]) < PATCH:
            return
        top, left = (torch.randint(side - PATCH + 1, (each,), generator=generator) for side in planes.shape[-2:])
        rows, columns = (top[:, None] + window)[:, :, None], (left[:, None] + window)[:, None, :]
        patch = planes[:, :, rows, columns].transpose(1, 2).flatten(2)
        yield patch - patch.mean(2, keepdim=True) if centred else patch


def _projected(pictures: list[Tensor], kind: str, patches: int, seed: int) -> list[Tensor]:
    """For each scale the sorted projections of the drawn patches, (64, patches)."""
    # In float32: the draws are the same on every machine, and sorting is the cost here.
    channels = 1 if kind == "brushwork" else 3
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(PROJECTIONS, channels * PATCH**2, generator=generator)
    directions = F.normalize(directions, dim=1)
    each = max(1, -(-patches // len(pictures)))
    drawn: list[list[Tensor]] = [[] for _ in range(SCALES)]
    for picture in pictures:
        picture = _check(picture)
        plane = (_luma(picture) if kind == "brushwork" else picture).float()
        if min(plane.shape[-2:]) < PATCH * 2 ** (SCALES - 1):
            height, width = plane.shape[-2:]
            raise ValueError(f"A picture of {width}x{height} has no 7x7 patch at quarter size: use 28 pixels or more.")
        for scale, patch in enumerate(draw_patches(plane, each, generator, centred=kind == "brushwork")):
            drawn[scale].append(patch[0])
    return [(directions @ torch.cat(scale).T).sort(dim=1).values for scale in drawn]


def _quantile_distance(a: list[Tensor], b: list[Tensor]) -> float:
    distances = []
    for x, y in zip(a, b, strict=True):
        count = min(x.shape[1], y.shape[1])
        distances.append((_quantiles(x, count) - _quantiles(y, count)).abs().mean(dtype=torch.float64))
    return torch.stack(distances).mean().item()


def _quantiles(ordered: Tensor, count: int) -> Tensor:
    """`count` evenly spaced quantiles of sorted rows, linear between neighbours (all if of that number)."""
    size = ordered.shape[1]
    if size == count:
        return ordered
    at = ((torch.arange(count, dtype=torch.float64) + 0.5) * (size / count) - 0.5).clamp(0, size - 1)
    low = at.floor().long()
    share = (at - low).float()
    return torch.lerp(ordered[:, low], ordered[:, (low + 1).clamp(max=size - 1)], share)


def encoder_distance(a: Pictures, b: Pictures, features: Features) -> float:
    """Distance between the feature statistics of two sets of pictures, relative to those of `b`; 0 if equal.

    `features` maps one picture (1, 3, H, W) in [0, 1], float32, to a dict of layers (1, C, h, w), for
    example `lambda x: encoder(x, ("r1_1", "r2_1"))`. Per layer: the channel means, standard deviations and
    Gram matrix, averaged over the positions of a picture and over the pictures, each as |difference| / |b|;
    the mean of the three, over the layers. Relative, so that no layer outweighs another.
    """
    a, b = _set(a, "the first pictures"), _set(b, "the second pictures")
    return _relative(_statistics(a, features), _statistics(b, features))


def _statistics(pictures: list[Tensor], features: Features) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    means: dict[str, Tensor] = {}
    grams: dict[str, Tensor] = {}
    with torch.no_grad():
        for picture in pictures:
            for name, layer in features(_check(picture).float()).items():
                flat = layer[0].flatten(1).to("cpu", torch.float32)  # products in float64 take four times as long
                mean, gram = flat.mean(1).double(), (flat @ flat.T).double() / flat.shape[1]
                means[name] = means.get(name, 0) + mean / len(pictures)
                grams[name] = grams.get(name, 0) + gram / len(pictures)
    if not means:
        raise ValueError("The feature function returned no layer: ask it for at least one, such as 'r1_1'.")
    return {
        name: (mean, (grams[name].diagonal() - mean**2).clamp(min=0).sqrt(), grams[name])
        for name, mean in means.items()
    }


def _relative(a: dict[str, tuple[Tensor, ...]], b: dict[str, tuple[Tensor, ...]]) -> float:
    parts = [(x - y).norm() / y.norm().clamp(min=1e-12) for name in b for x, y in zip(a[name], b[name], strict=True)]
    return torch.stack(parts).mean().item()


@dataclass(frozen=True)
class Description:
    """What the distances need to know of a set of pictures, so that one set can be compared with several."""

    brushwork: list[Tensor]
    colour: list[Tensor]
    encoder: dict[str, tuple[Tensor, Tensor, Tensor]] | None


def describe(
    pictures: Pictures, features: Features | None = None, *, patches: int = 16384, seed: int = 0
) -> Description:
    """Describes a set of pictures for `distances`; arguments as those of the three distances above."""
    pictures = _set(pictures, "the pictures")
    return Description(
        *(_projected(pictures, kind, patches, seed) for kind in ("brushwork", "colour")),
        _statistics(pictures, features) if features else None,
    )


def distances(a: Description, b: Description) -> dict[str, float]:
    """ "brushwork" and "colour" (`patch_distance`), and "encoder" (`encoder_distance`) where both know of one."""
    found = {kind: _quantile_distance(getattr(a, kind), getattr(b, kind)) for kind in ("brushwork", "colour")}
    if a.encoder and b.encoder:
        found["encoder"] = _relative(a.encoder, b.encoder)
    return found


# ---------------------------------------------------------------- the score card


@dataclass(frozen=True)
class Bounded:
    """A distance to the painter's training paintings, and the two distances that give it a meaning.

    distance: of the outputs. copied: of the photos, as if the program had done nothing. real: of paintings
    by the painter that were held back. score: (copied - distance) / (copied - real), 0 for the photo and 1
    for a real painting; above 1 is nearer to the training paintings than the painter's own; None where the
    photos are as near as the held-back paintings and the question has no answer.
    """

    distance: float
    copied: float
    real: float

    @property
    def score(self) -> float | None:
        span = self.copied - self.real
        return (self.copied - self.distance) / span if span > 0 else None


@dataclass(frozen=True)
class StyleScore:
    """What `style_score` found. content: mean of `content_kept`; encoder: None without a feature function."""

    brushwork: Bounded
    colour: Bounded
    encoder: Bounded | None
    content: float

    def to_dict(self) -> dict[str, float | dict[str, float | None] | None]:
        """For a model card or JSON: every distance with its bounds and its score."""
        bounded = {"brushwork": self.brushwork, "colour": self.colour, "encoder": self.encoder}
        card = {name: b and {**asdict(b), "score": b.score} for name, b in bounded.items()}
        return {**card, "content": self.content}


def style_score(
    outputs: Pictures,
    photos: Pictures,
    train_paintings: Pictures | Description,
    heldback_paintings: Pictures | Description,
    features: Features | None = None,
    *,
    patches: int = 16384,
    seed: int = 0,
) -> StyleScore:
    """Scores paintings made from photos: how near to the painter, and how much of the photo is left.

    outputs[i] was painted from photos[i] and has its size. Both distances, brushwork and colour
    (`patch_distance`), and with `features` the encoder's (`encoder_distance`), are taken to
    `train_paintings`, which the model may have seen, from the outputs, the photos and the paintings held
    back. The photos themselves score exactly 0, the held-back paintings exactly 1. Bring photos and
    paintings to a common size first, or the scale of strokes is compared with the scale of scans; a handful
    of pictures a set gives a rough figure. Paintings may be given as what `describe` made of them with the same
    arguments, for the next score.
    """
    outputs, photos = _set(outputs, "the outputs"), _set(photos, "the photos")
    if len(outputs) != len(photos):
        raise ValueError(f"There are {len(outputs)} outputs for {len(photos)} photos: give one output for each photo.")
    content = torch.cat([content_kept(o, p) for o, p in zip(outputs, photos, strict=True)]).mean().item()

    def described(pictures: Pictures | Description, name: str) -> Description:
        if isinstance(pictures, Description):
            return pictures
        return describe(_set(pictures, name), features, patches=patches, seed=seed)

    target = described(train_paintings, "the training paintings")
    real = described(heldback_paintings, "the held-back paintings")
    found = [distances(one, target) for one in (described(outputs, ""), described(photos, ""), real)]
    bounded = {kind: Bounded(*(row[kind] for row in found)) for kind in found[0]}
    return StyleScore(**{"encoder": None, **bounded}, content=content)
