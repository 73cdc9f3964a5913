"""What painters are trained to: the feature net, fit pairs of photo and painting, and all losses but the judge's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.nn import functional as F

from artcore import image, metrics, perceptual
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


class Patches:
    """The 7x7 patches of all pictures of a kind, as a distribution that made pictures are to meet: of luma, each less
    its mean (how sharp edges are, how smooth flats), or RGB as they are (tones and palette); at three scales, or fewer
    below 28 px.

    After Elnekave and Weiss 2022, "Generating natural images with direct patch distributions matching": sliced
    Wasserstein, along random directions. Departure: the distribution is that of a whole set, not of one picture.
    Against a few pictures at a time a net learns the median of what they have, which is softer than most photos.

    Args:
        pictures: (N, 3, H, W) in [0, 1]; hundreds, or the few that are drawn stand for all.
        kind: "luma" or "rgb".
        each: patches that are drawn of each picture, at each scale.
        alone: from 0, where pictures make up the set together, to 1, where each is to meet it by itself.
    """

    def __init__(self, pictures: torch.Tensor, kind: str, rng: torch.Generator, each: int = 64, alone: float = 0.0):
        self.kind, self.each, self.alone = kind, each, alone
        self._known = [patch.flatten(0, 1) for patch in self._drawn(pictures, each, rng)]

    def __call__(self, made: torch.Tensor, before: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """How far the patches of made pictures (N, 3, H, W) are from where they would lie in the distribution; about
        the distance over its standard deviation.

        A made patch takes its rank among all made ones, and so among those ``before`` (M, 3, H, W), which earlier
        steps made: they tell whether a smooth picture is one of many or the one of its kind. M may be 0.
        """
        total = made.new_zeros(())
        ours = self._drawn(made, 8 * self.each, rng)
        others = self._drawn(before, self.each, rng) if len(before) else [x[:0] for x in ours]
        scales = list(zip(ours, others, self._known, strict=False))
        for new, old, known in scales:
            directions = F.normalize(torch.randn(32, new.shape[-1], generator=rng), dim=1).to(made.device)
            count, new = new.shape[1], directions @ new.flatten(0, 1).T
            with torch.no_grad():
                goal = (directions @ known.to(made.device).T).sort(1).values
                ranks = torch.cat([new[:, ::8], directions @ old.flatten(0, 1).T], 1).sort(1).values
                share = torch.searchsorted(ranks, new.detach().contiguous()) / ranks.shape[1]
                if self.alone:
                    own = new.unflatten(1, (-1, count)).argsort(2).argsort(2).flatten(1) / count
                    share = torch.lerp(share, own, self.alone)
                place = (share * goal.shape[1]).long().clamp(0, goal.shape[1] - 1)
                goal_of, spread = goal.gather(1, place), goal.std()
            # Not squared from 0.3 deviations on: flats count as much as edges. Squared before: the ranks lag behind
            # what the net does now, and a full pull to the last made it swing between too dark and too light.
            total = total + F.smooth_l1_loss(new / spread, goal_of / spread, beta=0.3) / len(scales)
        return total

    def _drawn(self, pictures: torch.Tensor, each: int, rng: torch.Generator) -> list[torch.Tensor]:
        """For each scale (N, each, values)."""
        luma = self.kind == "luma"
        planes = image.luma(pictures.float()) if luma else pictures.float()
        return list(metrics.draw_patches(planes, each, rng, centred=luma))


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
        config = self.config  # what has no weight is not looked at: the feature net can be half of a step
        style = config.style_layers if config.style_weight or config.swd_weight else {}
        self.style_layers = layer_weights(style, self.net)
        self.content_layers = layer_weights(config.content_layers if config.content_weight else {}, self.net)

    def features(self, x: torch.Tensor, layers: dict[str, float]) -> dict[str, torch.Tensor]:
        if not layers:
            return {}
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
            "tv": config.tv_weight * perceptual.total_variation(made),
            "colour": config.colour_weight * perceptual.colour_loss(made, mean, covariance),
            "layout": config.layout_weight * (F.avg_pool2d(made, 16) - F.avg_pool2d(target, 16)).abs().mean(),
        }
        if config.content_weight:
            shown = perceptual.content_loss(features, content, self.content_layers, relative=config.relative)
            losses["content"] = config.content_weight * shown
        if config.style_weight:
            gram = perceptual.gram_loss(features, grams, self.style_layers, relative=config.relative)
            losses["style"] = config.style_weight * gram
        if style is not None and config.swd_weight:
            losses["swd"] = config.swd_weight * perceptual.sliced_wasserstein(
                features, style, self.style_layers, generator=rng
            )
        return losses
