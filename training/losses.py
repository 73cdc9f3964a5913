"""What painters are trained to: the feature net, fit pairs of photo and painting, and all losses but the judge's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.nn import functional as F

from artcore import image, perceptual
from artcore.hub import ArtModel
from artcore.models.encoder import ArtEncoder

# The fifth block exists in VGG-19 only: the ArtEncoder has four, so its deepest layer stands in.
_STAND_IN = {"r5_1": "r4_2", "r5_2": "r4_2"}


def feature_net(source: str) -> ArtModel:
    """The net that the losses look through: an ArtEncoder, or VGG-19 when asked for by name or weights file."""
    if source == "vgg19" or Path(source).suffix in {".pth", ".safetensors"}:
        from artcore.models.vgg import VGG19

        return VGG19(weights="download" if source == "vgg19" else source)
    return ArtEncoder.from_pretrained(source)


def layer_weights(weights: dict[str, float], net: ArtModel) -> dict[str, float]:
    """The weights by the net's own layer names; what stands in for a layer adds to what it has itself."""
    found: dict[str, float] = {}
    for name, weight in weights.items():
        name = name if name in net.layers or not isinstance(net, ArtEncoder) else _STAND_IN.get(name, name)
        found[name] = found.get(name, 0.0) + weight
    return found


def traits(x: torch.Tensor) -> torch.Tensor:
    """What makes a photo and a painting a fit pair: mean colour, contrast and how busy it is; (N, 5)."""
    grey = F.avg_pool2d(x.mean(1, keepdim=True), 2)  # grain and JPEG blocks are not strokes
    busy = (grey[..., 1:, :] - grey[..., :-1, :]).std((1, 2, 3)) + (grey[..., 1:] - grey[..., :-1]).std((1, 2, 3))
    return torch.cat([x.mean((2, 3)), grey.std((1, 2, 3))[:, None], busy[:, None]], 1)


def pair(photos: torch.Tensor, paintings: torch.Tensor) -> list[int]:
    """For each photo the painting, not yet taken, that is most like it (:func:`traits`, each scaled to its spread).

    A target that could be any painting is best met by the average of all, which is dull, and quiet skies
    would be filled with strokes of busy canvases.
    """
    ours, theirs = traits(photos), traits(paintings)
    scale = torch.cat([ours, theirs]).std(0) + 1e-6
    distances = torch.cdist(ours / scale, theirs / scale)
    chosen = []
    for row in distances:
        row[chosen] = torch.inf
        chosen.append(int(row.argmin()))
    return chosen


@torch.no_grad()
def palette(photos: torch.Tensor, paintings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The linear map (matrix (3, 3), offset (3)) that gives the colours of a set of photos the mean and the
    covariance of a set of paintings, moving them as little as that takes (Pitie and Kokaram 2007, "The linear
    Monge-Kantorovitch colour mapping").

    One map for all photos: drawn towards the colours of one random painting after another, a net learns their
    average, in which greens and reds are brown.
    """
    (mean_a, cov_a), (mean_b, cov_b) = (
        perceptual.colour_moments(x.permute(1, 0, 2, 3).reshape(1, 3, -1, x.shape[-1])) for x in (photos, paintings)
    )
    cov_a, cov_b = (c[0].double() + 1e-5 * torch.eye(3, dtype=torch.float64) for c in (cov_a, cov_b))

    def power(matrix: torch.Tensor, exponent: float) -> torch.Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        return vectors @ torch.diag(values.clamp_min(1e-8) ** exponent) @ vectors.T

    root, inverse = power(cov_a, 0.5), power(cov_a, -0.5)
    matrix = (inverse @ power(root @ cov_b @ root, 0.5) @ inverse).float()
    return matrix, mean_b[0] - matrix @ mean_a[0]


def detail_loss(made: torch.Tensor, real: torch.Tensor, rng: torch.Generator, side: int = 7) -> torch.Tensor:
    """Sliced Wasserstein distance of the luma patches of two batches, each patch less its mean, at three scales, or
    fewer below 28 px (after Elnekave and Weiss 2022, "Generating natural images with direct patch distributions
    matching"). An encoder forgives what it was trained to forgive: soft edges, grain.

    Args:
        made, real: (N, 3, H, W) in [0, 1], of one size; each batch counts as one set of patches.
        side: of a patch, in pixels.
    """

    def patches(x: torch.Tensor, shift: tuple[int, int]) -> dict[str, torch.Tensor]:
        """{scale: (1, side^2, patches, 1)}; every third patch, every second and all."""
        plane, found = image.luma(x.float())[..., shift[0] :, shift[1] :], {}
        for scale, stride in enumerate((3, 2, 1)):
            patch = F.unfold(plane, side, stride=stride).transpose(0, 1).flatten(1)
            found[str(scale)] = (patch - patch.mean(0))[None, :, :, None]
            plane = F.avg_pool2d(plane, 2)
            if min(plane.shape[-2:]) < side:
                break
        return found

    # Another grid for each call, or only every third pixel would be looked at; a quarter still holds a patch.
    room = min(made.shape[-2:]) - 4 * side
    shift = tuple(torch.randint(max(1, min(6, room + 1)), (2,), generator=rng).tolist())
    ours, theirs = patches(made, shift), patches(real, shift)
    weights = dict.fromkeys(ours, 1 / len(ours))
    return perceptual.sliced_wasserstein(ours, theirs, weights, generator=rng, projections=32, samples=2048)


def recolour(x: torch.Tensor, matrix: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) through the map of :func:`palette`, clamped to [0, 1]."""
    mapped = torch.einsum("ij,njhw->nihw", matrix.to(x), x) + offset.to(x)[:, None, None]
    return mapped.clamp(0, 1).contiguous(memory_format=torch.channels_last)


@dataclass
class Losses:
    """All terms but the adversarial one, each already times its weight.

    Only the feature net runs in mixed precision: Gram matrices and covariances need float32.
    """

    config: Any  # with the weights, as in train_stylenet.Config
    accelerator: Accelerator
    net: ArtModel
    average: dict[str, torch.Tensor] | None  # the mean Gram matrices, when they are the target

    def __post_init__(self) -> None:
        self.style_layers = layer_weights(self.config.style_layers, self.net)
        self.content_layers = layer_weights(self.config.content_layers, self.net)

    def features(self, x: torch.Tensor, layers: dict[str, float]) -> dict[str, torch.Tensor]:
        with self.accelerator.autocast():
            return self.net(x.to(memory_format=torch.channels_last), list(layers))

    def __call__(
        self, made: torch.Tensor, photo: torch.Tensor, painting: torch.Tensor, rng: torch.Generator
    ) -> dict[str, torch.Tensor]:
        config, style = self.config, None
        with torch.no_grad():
            mean, covariance = (
                torch.lerp(own, theirs, config.recolour)
                for own, theirs in zip(
                    perceptual.colour_moments(painting), perceptual.colour_moments(photo), strict=True
                )
            )
            grams, target = self.average, photo
            if grams is None:
                # Photo and painting meet in colour, `recolour` of the way: the photo's layout in colours of both.
                target = perceptual.match_colour(photo, mean, covariance)
                recoloured = perceptual.match_colour(painting, mean, covariance)
                mean, covariance = perceptual.colour_moments(recoloured)
                style = self.features(recoloured, self.style_layers)
                grams = perceptual.grams(style) if config.style_weight else {}
            content = self.features(target, self.content_layers)
        features = self.features(made, self.style_layers | self.content_layers)
        losses = {
            "content": config.content_weight
            * perceptual.content_loss(features, content, self.content_layers, relative=config.relative),
            "tv": config.tv_weight * perceptual.total_variation(made),
            "colour": config.colour_weight * perceptual.colour_loss(made, mean, covariance),
            "layout": config.layout_weight * (F.avg_pool2d(made, 16) - F.avg_pool2d(target, 16)).abs().mean(),
        }
        if config.style_weight:
            gram = perceptual.gram_loss(features, grams, self.style_layers, relative=config.relative)
            losses["style"] = config.style_weight * gram
        if style is not None and config.swd_weight:
            losses["swd"] = config.swd_weight * perceptual.sliced_wasserstein(
                features, style, self.style_layers, generator=rng
            )
        return losses
