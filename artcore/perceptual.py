"""Perceptual losses: functions of pictures (N, 3, H, W) in [0, 1] and of feature dicts {layer: (N, C, H, W)}."""

from __future__ import annotations

from collections.abc import Mapping

import torch

Features = Mapping[str, torch.Tensor]


def gram(features: torch.Tensor, guide: torch.Tensor | None = None) -> torch.Tensor:
    """Gram matrix (N, C, C): mean over positions of products of channels (Gatys et al. 2016, eq. 3).

    Divided by H * W (Gatys leaves it a sum), so that pictures of any size compare; always float32. With a `guide`
    (N or 1, 1, H, W) of weights the mean is weighted: the Gram matrix of a region (Gatys et al. 2017, "Controlling
    perceptual factors", eq. 3-4, their guidance channel being the root of ours).
    """
    n, channels, height, width = features.shape
    flat = features.permute(0, 2, 3, 1).reshape(n, height * width, channels).float()  # no copy in channels_last
    if guide is None:
        return flat.transpose(1, 2) @ flat / (height * width)
    weight = guide.float().reshape(-1, height * width, 1)
    return flat.transpose(1, 2) @ (flat * weight) / weight.sum(1, keepdim=True).clamp_min(1e-12)


def grams(features: Features) -> dict[str, torch.Tensor]:
    """:func:`gram` of every layer."""
    return {name: gram(f) for name, f in features.items()}


def gram_loss(
    features: Features, targets: Features, weights: Mapping[str, float], *, relative: bool = True
) -> torch.Tensor:
    """Style loss: weighted squared difference of Gram matrices, summed over layers (Gatys et al. 2016, eq. 4-5).

    Args:
        features: feature maps of the picture that is made.
        targets: Gram matrices (N, C, C) or (1, C, C) by layer.
        weights: weight of each layer; layers without a weight don't count.
        relative: divide each layer by its target's square, which makes weights nearly free of scale and of
            the feature net (a departure from the paper); else the mean square of Gram / C as in the common
            implementations, for which the weights of document 001 were chosen.
    """
    total = 0.0
    for name, weight in weights.items():
        made, target = gram(features[name]), targets[name]
        if relative:
            error = (made - target).square().sum((1, 2)) / target.square().sum((1, 2)).clamp_min(1e-12)
        else:
            error = ((made - target) / made.shape[1]).square().mean((1, 2))
        total = total + weight * error.mean()
    return total


def texture_loss(
    features: Features, targets: Features, weights: Mapping[str, float], grid: tuple[int, int]
) -> torch.Tensor:
    """Squared difference of the Gram matrices of small patches, summed over layers (Sajjadi et al. 2017, eq. 7): each
    place gets the texture of that place, where a Gram matrix of the whole would let textures wander.

    Args:
        features, targets: {layer: (N, C, H, W)} of the made and of the true pictures.
        weights: weight of each layer.
        grid: (rows, columns) of patches, which divide H and W of each layer (the paper's are of 16 x 16 pixels).

    Divided by the mean square of the targets' matrices over all patches, a departure: patches of strong texture
    count for more, flat ones for next to nothing.
    """
    total = 0.0
    for name, weight in weights.items():
        made, target = (gram(patches(f[name], grid)) for f in (features, targets))
        error = (made - target).square().sum((1, 2)).mean()
        total = total + weight * error / target.square().sum((1, 2)).mean().clamp_min(1e-12)
    return total


def patches(x: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """(N, C, H, W) cut into (rows, columns) of equal patches: (N * rows * columns, C, H / rows, W / columns)."""
    n, channels, height, width = x.shape
    rows, columns = grid
    cut = x.reshape(n, channels, rows, height // rows, columns, width // columns)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def content_loss(
    features: Features, targets: Features, weights: Mapping[str, float], *, relative: bool = True
) -> torch.Tensor:
    """Content loss: weighted mean squared difference of features, summed over layers (Gatys et al. 2016, eq. 1).

    With ``relative``, divided by the mean square of the target's features.
    """
    total = 0.0
    for name, weight in weights.items():
        target = targets[name].float()
        error = (features[name].float() - target).square().mean()
        total = total + weight * (error / target.square().mean().clamp_min(1e-12) if relative else error)
    return total


def sliced_wasserstein(
    features: Features,
    targets: Features,
    weights: Mapping[str, float],
    *,
    generator: torch.Generator | None = None,
    projections: int = 24,
    samples: int = 1024,
) -> torch.Tensor:
    """Sliced Wasserstein distance of feature distributions, summed over layers (Heitz et al. 2021, eq. 3).

    Feature vectors are projected on random directions; along each, the sorted values of the two pictures are
    compared by mean square. It sees the whole distribution where a Gram matrix sees second moments, so that a
    few saturated blobs cannot stand in for brushwork everywhere. Departures: a random subset of positions
    (a sort of all would cost more than the net), channels scaled to the target's standard deviation, and the error
    divided by the variance of the target.

    Args:
        features, targets: {layer: (N, C, H, W)}; sizes may differ, N and C not.
        weights: weight of each layer.
        generator: draws directions and positions.
        projections: directions for each layer.
        samples: positions for each layer, at most.
    """
    total = 0.0
    for name, weight in weights.items():
        made, target = (f.permute(0, 2, 3, 1).flatten(1, 2) for f in (features[name], targets[name]))
        count = min(samples, made.shape[1], target.shape[1])
        directions = torch.randn(made.shape[2], projections, generator=generator).to(made.device)
        directions = directions / directions.norm(dim=0)
        # Channels count alike: else the strong, coarse ones hide a grid of single pixels.
        scale = target.float().std(dim=(0, 1))
        directions = directions / scale.clamp_min(1e-2 * scale.max() + 1e-8)[:, None]
        made, target = (
            (f[:, torch.randperm(f.shape[1], generator=generator)[:count].to(f.device)].float() @ directions)
            .sort(dim=1)
            .values
            for f in (made, target)
        )
        error = (made - target).square().mean(1) / target.var(1).clamp_min(1e-6)
        total = total + weight * error.mean()
    return total


def total_variation(x: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of neighbouring pixels, over both directions; 0 for a flat picture."""
    x = x.float()
    dy, dx = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
    return dy.square().mean() + dx.square().mean()


def colour_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (N, 3) and covariance (N, 3, 3) of the colours of each picture."""
    flat = x.float().flatten(2)
    mean = flat.mean(2)
    centred = flat - mean[..., None]
    return mean, centred @ centred.transpose(1, 2) / flat.shape[2]


def colour_loss(x: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Squared difference of colour means and covariances; what deep features alone leave open."""
    made_mean, made_covariance = colour_moments(x)
    return (made_mean - mean).square().sum(1).mean() + (made_covariance - covariance).square().sum((1, 2)).mean()


def match_colour(x: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Map the colours of pictures linearly so that they get the given mean (N, 3) and covariance (N, 3, 3).

    By Cholesky factors (Gatys et al. 2017, "Controlling perceptual factors", eq. 8-9, with Cholesky in place
    of PCA). The result is clamped to [0, 1], so its moments are only nearly the ones asked for.
    """
    own_mean, own_covariance = colour_moments(x)
    ridge = 1e-5 * torch.eye(3, device=x.device)
    source = torch.linalg.cholesky(own_covariance + ridge)
    target = torch.linalg.cholesky(covariance + ridge)
    matrix = target @ torch.linalg.inv(source)
    flat = matrix @ (x.float().flatten(2) - own_mean[..., None]) + mean[..., None]
    return flat.clamp(0, 1).view_as(x)
