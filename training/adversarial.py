"""Adversarial parts that trainers share and inference never needs."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """PatchGAN: judges every 70 x 70 window of a picture (Isola et al. 2017), with spectral norm
    (Miyato et al. 2018) where the paper has batch norm.

    Args:
        channels: width of the first layer; doubled at each of ``layers``, to eight times at most.
        layers: stride-2 convolutions; 3 give windows of 70 pixels.
        inputs: channels of the picture.
    """

    def __init__(self, channels: int = 64, layers: int = 3, inputs: int = 3):
        super().__init__()
        widths = [inputs] + [channels * min(2**i, 8) for i in range(layers + 1)]
        parts: list[nn.Module] = []
        for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
            parts += [spectral_norm(nn.Conv2d(a, b, 4, 2 if i < layers else 1, 1)), nn.LeakyReLU(0.2)]
        self.net = nn.Sequential(*parts, spectral_norm(nn.Conv2d(widths[-1], 1, 4, 1, 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) in [0, 1] -> scores (N, 1, about H / 8, W / 8); high means painting."""
        return self.net(2 * x - 1)


def least_squares(scores: torch.Tensor, real: bool) -> torch.Tensor:
    """Least-squares GAN loss: mean square to 1 for real and to 0 for made (Mao et al. 2017)."""
    return (scores.float() - float(real)).square().mean()


def augment(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """DiffAugment (Zhao et al. 2020): brightness, saturation, contrast, translation by an eighth, the same kind
    for real and made pictures and differentiable, so that a discriminator can't learn a few paintings by heart."""
    n, _, h, w = x.shape

    def draw(low: float, high: float) -> torch.Tensor:
        return (low + (high - low) * torch.rand(n, 1, 1, 1, generator=rng)).to(x.device)

    x = x + draw(-0.15, 0.15)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * draw(0.7, 1.3)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * draw(0.75, 1.25)
    dy, dx = (int(torch.randint(-s // 8, s // 8 + 1, (), generator=rng)) for s in (h, w))
    x = F.pad(x, (abs(dx), abs(dx), abs(dy), abs(dy)), mode="reflect")
    return x[..., abs(dy) + dy : abs(dy) + dy + h, abs(dx) + dx : abs(dx) + dx + w]
