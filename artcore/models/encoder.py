"""ArtEncoder: our own small perceptual net, so that no loss needs ImageNet weights from elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F

from artcore.hub import ArtModel
from artcore.models.blocks import ConvNorm, fold


class ArtEncoder(ArtModel):
    """A VGG-like net: blocks of two 3x3 convolutions, average pooling between the blocks, a linear head.

    VGG (Simonyan & Zisserman 2015) with batch norm while it trains, and average instead of max pooling,
    which Gatys et al. (2016) found to give smoother gradients for style.

    Args:
        channels: width of each block; the picture is halved between blocks.
        classes: outputs of the classifier that the net is trained with.
        norm: "batch" while training; "none" once folded (:meth:`folded`), the form that is saved.
    """

    mean, std = 0.45, 0.27  # of natural pictures, one for all channels

    def __init__(self, channels: tuple[int, ...] = (32, 64, 128, 256), classes: int = 200, norm: str = "none"):
        super().__init__()
        inputs = (3, *channels[:-1])
        self.blocks = nn.ModuleList(
            nn.ModuleList([ConvNorm(i, o, norm=norm), ConvNorm(o, o, norm=norm)])
            for i, o in zip(inputs, channels, strict=True)
        )
        self.head = nn.Linear(channels[-1], classes)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the feature layers, shallow to deep: "r1_1", "r1_2", "r2_1", ..."""
        return tuple(f"r{b + 1}_{k + 1}" for b in range(len(self.blocks)) for k in range(2))

    def forward(self, x: torch.Tensor, layers: Iterable[str] | None = None) -> dict[str, torch.Tensor]:
        """Features after the ReLU of each named layer; computing stops at the deepest one asked for.

        Args:
            x: (N, 3, H, W), RGB in [0, 1]; H and W at least 2 ** (blocks - 1).
            layers: names out of :attr:`layers`; None means all.

        Returns:
            {name: (N, C_b, H / 2^(b-1), W / 2^(b-1))} for block b counted from 1.

        Raises:
            ValueError: an unknown layer name, or a picture too small to be pooled that often.
        """
        wanted = set(self.layers if layers is None else layers)
        if unknown := wanted - set(self.layers):
            raise ValueError(f"ArtEncoder has no layer {sorted(unknown)[0]!r}; choose from {', '.join(self.layers)}.")
        if min(x.shape[-2:]) < 2 ** (len(self.blocks) - 1):
            raise ValueError(f"A picture of {x.shape[-1]} x {x.shape[-2]} is too small for the encoder; enlarge it.")
        features = {}
        x = (x - self.mean) / self.std
        for b, block in enumerate(self.blocks):
            x = F.avg_pool2d(x, 2) if b else x
            for k, conv in enumerate(block):
                x = F.relu(conv(x))
                name = f"r{b + 1}_{k + 1}"
                if name in wanted:
                    features[name] = x
                if len(features) == len(wanted):
                    return features
        return features

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores (N, classes) of pictures (N, 3, H, W) in [0, 1]: linear in the deepest layer's mean."""
        last = self.layers[-1]
        return self.head(self(x, (last,))[last].mean((2, 3)))

    def folded(self) -> ArtEncoder:
        """The same net with its batch norms folded into the convolutions (``norm="none"``)."""
        first = self.blocks[0][0].conv
        net = ArtEncoder([b[0].conv.out_channels for b in self.blocks], self.head.out_features, norm="none")
        net.load_state_dict(fold(copy.deepcopy(self)).state_dict())
        return net.to(first.weight.device).eval()
