"""What three nets or more share."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def fold_batch_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """The convolution that computes ``norm(conv(x))`` with the norm's running statistics.

    Args:
        conv: weight (C_out, C_in, k, k), with or without bias.
        norm: batch norm over C_out channels; its running mean and variance are used as they stand.

    Returns:
        A new convolution with bias, equal to the pair in evaluation mode up to rounding.
    """
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = torch.zeros_like(norm.running_mean) if conv.bias is None else conv.bias
    folded = nn.Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, padding_mode=conv.padding_mode
    )
    with torch.no_grad():
        folded.weight.copy_(conv.weight * scale[:, None, None, None])
        folded.bias.copy_((bias - norm.running_mean) * scale + norm.bias)
    return folded.to(conv.weight.device)


class ConvNorm(nn.Module):
    """A convolution and, with ``norm="batch"``, the batch norm behind it (no activation)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, norm: str = "none"):
        super().__init__()
        if norm not in ("none", "batch"):
            raise ValueError(f'norm is {norm!r}; give "none" or "batch".')
        padding = (kernel - stride + 1) // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=norm == "none")
        self.norm = nn.BatchNorm2d(outputs) if norm == "batch" else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return x if self.norm is None else self.norm(x)

    def fold(self) -> None:
        """Replace convolution and norm by the one convolution that equals both in evaluation mode."""
        if self.norm is not None:
            self.conv, self.norm = fold_batch_norm(self.conv, self.norm), None


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))`` of 3x3 convolutions, each with its norm (He et al. 2016, no last ReLU)."""

    def __init__(self, channels: int, norm: str = "none"):
        super().__init__()
        self.first = ConvNorm(channels, channels, norm=norm)
        self.second = ConvNorm(channels, channels, norm=norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(F.relu(self.first(x)))


def fold(model: nn.Module) -> nn.Module:
    """Fold, in place, every :class:`ConvNorm` below ``model``; returns it."""
    for module in model.modules():
        if isinstance(module, ConvNorm):
            module.fold()
    return model


def icnr_(conv: nn.Conv2d, scale: int) -> None:
    """Initialise a convolution before a pixel shuffle equal over its phases, so that no grid is there at
    the start (Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution")."""
    first = torch.empty(conv.out_channels // scale**2, *conv.weight.shape[1:])
    nn.init.kaiming_normal_(first)
    with torch.no_grad():
        conv.weight.copy_(first.repeat_interleave(scale**2, dim=0))
        nn.init.zeros_(conv.bias)
