"""Feed-forward painters: a photo goes in, a painting of one movement or painter comes out, in one pass."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F

from artcore.hub import ArtModel
from artcore.models.blocks import ConvNorm, ResidualBlock, fold, icnr_

_MASK = 0x7FFFFFFF


def _mix(v: torch.Tensor) -> torch.Tensor:
    """An integer hash on 31 bits (multiply, xor-shift); products stay below 2^62, so int64 never overflows."""
    v = ((v ^ (v >> 16)) * 0x45D9F3B) & _MASK
    v = ((v ^ (v >> 15)) * 0x2C1B3C6D) & _MASK
    return v ^ (v >> 16)


def noise_plane(seed: int, plane: int, cell: int, top: int, left: int, height: int, width: int) -> torch.Tensor:
    """Noise of zero mean and about unit variance that depends on absolute position, plane and seed alone.

    A lattice of hashed uniform numbers every ``cell`` positions, interpolated linearly ("value noise"): any
    window of it can be computed by itself, so a picture painted in tiles equals the picture painted whole.

    Returns:
        (height, width) float32; with ``cell`` 1 white noise in [-1.73, 1.73].
    """

    def lattice(start: int, length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        position = torch.arange(start, start + length)
        index = torch.div(position, cell, rounding_mode="floor")
        first = start // cell
        return index - first, (position - index * cell) / cell, torch.arange(first, (start + length - 1) // cell + 2)

    rows, y, lattice_y = lattice(top, height)
    columns, x, lattice_x = lattice(left, width)
    salt = _mix(torch.tensor(int(seed) % 2**31 ^ plane * 0x1F123BB5 & _MASK))
    keys_y = _mix((lattice_y * 0x9E3779B1 + salt) & _MASK)
    keys_x = _mix((lattice_x * 0x85EBCA6B + salt * 3) & _MASK)
    value = _mix((keys_y[:, None] + keys_x[None, :]) & _MASK).float().mul_(12**0.5 / 2**31).sub_(3**0.5)
    if cell == 1:
        return value[:height, :width]
    value = torch.lerp(value[rows], value[rows + 1], y[:, None])
    return torch.lerp(value[:, columns], value[:, columns + 1], x[None, :])


def _binomial(channels: int) -> torch.Tensor:
    """(channels, 1, 3, 3): a depthwise blur that is zero where neighbours alternate (Zhang 2019)."""
    row = torch.tensor([1.0, 2.0, 1.0]) / 4
    return (row[:, None] * row).expand(channels, 1, 3, 3).contiguous()


class StyleNet(ArtModel):
    """Our compact painter: most work at an eighth of the picture, where a stroke is a few pixels.

    Johnson et al. (2016) and Ulyanov et al. (2016), redesigned for two CPU cores: strided 8x8 stem, trunk at
    1/8, one block at 1/4, the photo's own detail joined at 1/2, no full-resolution
    convolution wider than three channels. Departures from the papers: noise planes enter at three scales
    (without them a convolutional net can only fill a flat sky with a periodic pattern), and batch norm stands
    in for instance norm, since it folds away and leaves a net without any statistics of the picture.

    Args:
        channels: widths at 1/2, 1/4 and 1/8 of the picture.
        blocks: residual blocks at 1/8.
        cells: lattice spacing of the noise planes, in units of 4 pixels.
        planes: noise planes for each spacing.
        refine: further residual blocks at 1/4.
        fine: residual blocks at 1/2: without them strokes of two pixels are a grid of the upsampling.
        upsample: "nearest", or "smooth": blurred first and then enlarged bilinearly. With "nearest" a net that
            needs fine strokes weaves them: neighbours at 1/4 that alternate are a grid of its own.
        norm: "batch" while a base net trains; "none" once folded (:meth:`folded`), the form that ships.
    """

    stride = 8  # sizes are padded to a multiple of it
    margin = 24  # replicated pixels around the picture, cropped again: keeps the zero padding's frame out

    def __init__(
        self,
        channels: tuple[int, int, int] = (32, 64, 96),
        blocks: int = 4,
        cells: tuple[int, ...] = (1, 4, 16),
        planes: int = 2,
        refine: int = 0,
        fine: int = 0,
        upsample: str = "nearest",
        norm: str = "none",
    ):
        super().__init__()
        if upsample not in ("nearest", "smooth"):
            raise ValueError(f'upsample is {upsample!r}; give "nearest" or "smooth".')
        half, quarter, eighth = channels
        # Pixels around a window that what is painted inside it depends on, rounded up to the stride.
        self.overlap = 16 * blocks + 8 * refine + -(-fine // 2) * 8 + 40 + 24 * (upsample == "smooth")
        # Numbers alive per pixel at the peak, by peak resident memory: 55 and 80 of the widths that ship.
        self.live = 23 + half * (1.8 if fine else 1)
        self.cells, self.planes, self.upsample = tuple(cells), planes, upsample
        self.stem = ConvNorm(3, quarter, kernel=8, stride=4, norm=norm)
        self.noise = nn.Conv2d(len(cells) * planes, quarter, 3, padding=1, bias=False)
        self.down = ConvNorm(quarter, eighth, kernel=3, stride=2, norm=norm)
        self.trunk = nn.Sequential(*(ResidualBlock(eighth, norm) for _ in range(blocks)))
        self.up_quarter = nn.Conv2d(eighth, quarter, 1)
        self.block = ResidualBlock(quarter, norm)
        self.refine = nn.Sequential(*(ResidualBlock(quarter, norm) for _ in range(refine)))
        self.up_half = nn.Conv2d(quarter, half, 1)
        self.detail = nn.Conv2d(3, half, 4, 2, padding=1, bias=False)
        self.merge = ConvNorm(half, half, norm=norm)
        self.fine = nn.Sequential(*(ResidualBlock(half, norm) for _ in range(fine)))
        self.out = nn.Conv2d(half, 12, 3, padding=1)
        # Blur behind the last shuffle: zero at the Nyquist frequency, where the shuffle's grid would be.
        self.register_buffer("blur", _binomial(3), persistent=False)
        if upsample == "smooth":
            self.register_buffer("blur_eighth", _binomial(eighth), persistent=False)
            self.register_buffer("blur_quarter", _binomial(quarter), persistent=False)
        icnr_(self.out, 2)

    def forward(self, x: torch.Tensor, seed: int | list[int] = 0, origin: tuple[int, int] = (0, 0)) -> torch.Tensor:
        """Paint.

        Args:
            x: (N, 3, H, W), RGB in [0, 1], any size.
            seed: chooses the noise, and so the brush; one for all pictures or one for each.
            origin: (top, left) of this window in the whole picture, each a multiple of ``stride``.

        Returns:
            (N, 3, H, W), RGB in (0, 1).
        """
        height, width = x.shape[-2:]
        m = self.margin
        x = F.pad(x, (m, m + -width % self.stride, m, m + -height % self.stride), mode="replicate") - 0.5
        quarter = F.relu_(self.stem(x).add_(self.noise(self._noise(x, seed, origin))))
        eighth = self.trunk(F.relu(self.down(quarter)))
        quarter = self.refine(self.block(F.relu_(self._double(self.up_quarter, eighth).add_(quarter))))
        half = F.relu_(self._double(self.up_half, quarter).add_(self.detail(x)))
        half = self.fine(F.relu_(self.merge(half)))
        painted = torch.sigmoid(F.conv2d(F.pixel_shuffle(self.out(half), 2), self.blur, padding=1, groups=3))
        return painted[..., m : m + height, m : m + width]

    def _double(self, project: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        """Twice the size, without a transposed convolution, whose phases would fill a flat sky with a grid (Odena
        et al. 2016); projected before, at a quarter of the cost."""
        if self.upsample == "nearest":
            return F.interpolate(project(x), scale_factor=2)
        blur = self.blur_eighth if project is self.up_quarter else self.blur_quarter
        x = project(F.conv2d(x, blur, padding=1, groups=x.shape[1]))
        return F.interpolate(x, scale_factor=2, mode="bilinear")

    def _noise(self, x: torch.Tensor, seed: int | list[int], origin: tuple[int, int]) -> torch.Tensor:
        height, width = x.shape[-2] // 4, x.shape[-1] // 4
        top, left = ((o - self.margin) // 4 for o in origin)
        seeds = [seed] * len(x) if isinstance(seed, int) else seed
        planes = [
            noise_plane(s, i * self.planes + p, cell, top, left, height, width)
            for s in seeds
            for i, cell in enumerate(self.cells)
            for p in range(self.planes)
        ]
        noise = torch.stack(planes).view(len(seeds), -1, height, width).expand(len(x), -1, -1, -1)
        return noise.to(device=x.device, dtype=x.dtype, memory_format=torch.channels_last)

    def folded(self) -> StyleNet:
        """The same net with its batch norms folded into the convolutions (``norm="none"``)."""
        channels = (self.merge.conv.out_channels, self.block.first.conv.out_channels, self.down.conv.out_channels)
        depths = {"blocks": len(self.trunk), "refine": len(self.refine), "fine": len(self.fine)}
        net = StyleNet(channels, cells=self.cells, planes=self.planes, upsample=self.upsample, **depths)
        net.load_state_dict(fold(copy.deepcopy(self)).state_dict())
        return net.to(self.out.weight.device).eval()


class StyleTransferNetwork(ArtModel):
    """The classic feed-forward net of document 001 (Johnson et al. 2016): convolutions, instance norm, ReLU,
    residual blocks, upsampling. Buildable and trainable here for comparison; :class:`StyleNet` is what ships.

    Args:
        channels: widths at full, half and quarter resolution.
        blocks: residual blocks at quarter resolution.
        kernel: size of the first and the last convolution.
    """

    def __init__(self, channels: tuple[int, int, int] = (32, 64, 128), blocks: int = 5, kernel: int = 9):
        super().__init__()
        full, half, quarter = channels
        self.live = 30 + 7.2 * full  # numbers alive per pixel at the peak, measured as StyleNet's

        def conv(inputs: int, outputs: int, k: int = 3, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, k, stride, k // 2, padding_mode="reflect"),
                nn.InstanceNorm2d(outputs, affine=True),
            )

        self.down = nn.ModuleList([conv(3, full, kernel), conv(full, half, stride=2), conv(half, quarter, stride=2)])
        self.blocks = nn.ModuleList(
            nn.ModuleList([conv(quarter, quarter), conv(quarter, quarter)]) for _ in range(blocks)
        )
        self.up = nn.ModuleList([conv(quarter, half), conv(half, full)])
        self.last = nn.Conv2d(full, 3, kernel, padding=kernel // 2, padding_mode="reflect")

    def forward(self, x: torch.Tensor, seed: int = 0, origin: tuple[int, int] = (0, 0)) -> torch.Tensor:
        """(N, 3, H, W) in [0, 1] to the same; the net has no noise: ``seed`` and ``origin`` change nothing."""
        height, width = x.shape[-2:]
        # At least 8 pixels at a quarter, so that reflection and instance norm have something to work on.
        x = F.pad(x, (0, max(-width % 4, 32 - width), 0, max(-height % 4, 32 - height)), mode="replicate")
        for conv in self.down:
            x = F.relu(conv(x))
        for first, second in self.blocks:
            x = x + second(F.relu(first(x)))
        for conv in self.up:
            # Nearest neighbours and a convolution where the document deconvolves: no checkerboard (Odena 2016).
            x = F.relu(conv(F.interpolate(x, scale_factor=2)))
        return torch.sigmoid(self.last(x))[..., :height, :width]
