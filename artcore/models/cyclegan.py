"""CycleGAN (Zhu et al. 2017): a photo becomes a painting of one painter, and a painting becomes a photo."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from artcore.hub import ArtModel
from artcore.models.stylenet import StyleNet

DIRECTIONS = ("to_painting", "to_photo")


class ResNetGenerator(nn.Module):
    """The published generator: c7s1-64, d128, d256, nine residual blocks, u128, u64, c7s1-3, instance norm.

    Its parameters have the names and shapes of the published checkpoints (``model.1.weight``, ...), so that
    such a state dict loads as it is.

    Args:
        channels: width at full resolution, doubled twice.
        blocks: residual blocks at a quarter of the resolution.
    """

    def __init__(self, channels: int = 64, blocks: int = 9):
        super().__init__()

        def norm(width: int) -> list[nn.Module]:
            return [nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]

        c = channels
        self.live = 30 + 5 * c  # numbers alive per pixel at the peak, measured as StyleNet's
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, c, 7), *norm(c)]
        for wide in (2 * c, 4 * c):
            layers += [nn.Conv2d(wide // 2, wide, 3, 2, 1), *norm(wide)]
        layers += [_ResNetBlock(4 * c) for _ in range(blocks)]
        for wide in (2 * c, c):
            layers += [nn.ConvTranspose2d(2 * wide, wide, 3, 2, 1, output_padding=1), *norm(wide)]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(c, 3, 7), nn.Tanh())

    def forward(self, x: Tensor, seed: int | list[int] = 0, origin: tuple[int, int] = (0, 0)) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same; there is no noise: ``seed`` and ``origin`` change nothing."""
        height, width = x.shape[-2:]
        # At least 8 pixels at a quarter, so that reflection and instance norm have something to work on.
        x = F.pad(x, (0, max(-width % 4, 32 - width), 0, max(-height % 4, 32 - height)), mode="replicate")
        return self.model(2 * x - 1)[..., :height, :width] / 2 + 0.5


class _ResNetBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(2):
            parts += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
        self.conv_block = nn.Sequential(*parts[:3], nn.ReLU(inplace=True), *parts[3:])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class CycleGAN(ArtModel):
    """Both generators of one painter in one checkpoint.

    The paper's generator ("resnet") is for comparison and for known checkpoints; "compact" is what ships: a
    :class:`StyleNet`, which does most of its work at an eighth of the picture (`make bench` times the two), has
    noise planes where the paper's has none, and no statistics of the picture, so that tiles leave no seam.

    Args:
        generator: "compact" or "resnet".
        channels: compact: widths at 1/2, 1/4 and 1/8; resnet: one width, at full resolution. Empty: (32, 64,
            96), or (64,).
        blocks: residual blocks at 1/8 (compact) or 1/4 (resnet); 0: 4, or 9.
        refine, fine: compact only: further residual blocks at 1/4 and at 1/2.
        norm: compact only: "batch" while a base trains, "none" once folded.
        levels: 0 to 1: how far a painting's levels are drawn out (:mod:`artcore.levels`) before it goes in to become
            a photo. That is of the whole picture, so :class:`artcore.tasks.painter.Painter` does it, and ``forward``
            does not.
    """

    def __init__(
        self,
        generator: str = "compact",
        channels: tuple[int, ...] = (),
        blocks: int = 0,
        refine: int = 2,
        fine: int = 2,
        norm: str = "none",
        levels: float = 0.0,
    ):
        super().__init__()
        if not 0 <= levels <= 1:
            raise ValueError(f"levels is {levels!r}; give a number from 0 to 1.")
        self.levels = levels
        if generator not in ("compact", "resnet"):
            raise ValueError(f'generator is {generator!r}; give "compact" or "resnet".')

        def make() -> nn.Module:
            if generator == "resnet":
                return ResNetGenerator(*(channels or (64,)), blocks or 9)
            return StyleNet(
                tuple(channels) or (32, 64, 96), blocks or 4, refine=refine, fine=fine, upsample="smooth", norm=norm
            )

        self.to_painting, self.to_photo = make(), make()
        self.live = self.to_painting.live
        if generator == "compact":  # what a painter needs to know to paint in tiles
            self.stride, self.margin, self.overlap = StyleNet.stride, StyleNet.margin, self.to_painting.overlap

    def forward(
        self,
        x: Tensor,
        seed: int | list[int] = 0,
        origin: tuple[int, int] = (0, 0),
        direction: str = "to_painting",
    ) -> Tensor:
        """Paint, or undo it.

        Args:
            x: (N, 3, H, W), RGB in [0, 1], any size.
            seed: chooses the noise, and so the brush; one for all pictures or one for each.
            origin: (top, left) of this window in the whole picture, each a multiple of ``stride``.
            direction: "to_painting" or "to_photo".

        Returns:
            (N, 3, H, W), RGB in [0, 1].
        """
        if direction not in DIRECTIONS:
            raise ValueError(f'direction is {direction!r}; give "to_painting" or "to_photo".')
        return getattr(self, direction)(x, seed, origin)

    def folded(self) -> CycleGAN:
        """The same nets with their batch norms folded into the convolutions; a net without any as it is."""
        if not isinstance(self.to_painting, StyleNet):
            return self
        pair = [getattr(self, d).folded() for d in DIRECTIONS]
        first = pair[0]
        widths = (first.merge.conv.out_channels, first.block.first.conv.out_channels, first.down.conv.out_channels)
        net = CycleGAN("compact", widths, len(first.trunk), len(first.refine), len(first.fine), levels=self.levels)
        for direction, generator in zip(DIRECTIONS, pair, strict=True):
            getattr(net, direction).load_state_dict(generator.state_dict())
        return net.to(first.out.weight.device).eval()
