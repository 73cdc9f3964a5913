"""EnhanceNet: four times the size, as the bicubic enlargement plus what the net knows to be missing from it."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from artcore.hub import ArtModel
from artcore.models.blocks import icnr_

SCALE = 4
# Constructor arguments by name. "paper": the layers of Sajjadi et al. (2017), table 1.
PRESETS: dict[str, dict] = {"paper": {"channels": 64, "blocks": 10, "upsample": "nearest", "expansion": 0}}


def mirror(x: torch.Tensor, pad: int) -> torch.Tensor:
    """(N, C, H, W) continued by its mirror image, the border's own pixels repeated, by ``pad`` pixels on each side;
    any size, since a picture smaller than ``pad`` is mirrored again and again."""
    for dim in (2, 3):
        size = x.shape[dim]
        index = torch.arange(-pad, size + pad, device=x.device) % (2 * size)
        x = x.index_select(dim, torch.minimum(index, 2 * size - 1 - index))
    return x


def enlarge(x: torch.Tensor) -> torch.Tensor:
    """Four times the size by bicubic interpolation as in the papers' figures: (N, C, H, W) -> (N, C, 4H, 4W) float32,
    not clamped.

    Keys' kernel with a = -0.5, the border continued by its mirror image, as MATLAB's imresize. torch takes that a
    with ``antialias`` alone (-0.75 without), and cuts the kernel off at the border, hence the margin.
    """
    margin = 2  # what the kernel reaches
    padded = mirror(x.float().contiguous(), margin)  # channels last, torch takes three times as long
    height, width = (SCALE * s for s in padded.shape[-2:])
    cut = SCALE * margin
    large = F.interpolate(padded, (height, width), mode="bicubic", antialias=True)
    return large[..., cut : height - cut, cut : width - cut]


def reduce(x: torch.Tensor) -> torch.Tensor:
    """A quarter of the size by antialiased bicubic reduction, how the papers make what is to be enlarged: (N, C, 4H,
    4W) -> (N, C, H, W) float32, not clamped; :func:`enlarge`'s kernel, four times as wide. Differentiable.

    Raises:
        ValueError: a size that is no multiple of 4.
    """
    if any(s % SCALE for s in x.shape[-2:]):
        raise ValueError(f"A picture of {x.shape[-1]} x {x.shape[-2]} can't be quartered: crop it to a multiple of 4.")
    margin = 2  # in pixels of the result
    padded = mirror(x.float().contiguous(), SCALE * margin)
    size = [s // SCALE for s in padded.shape[-2:]]
    small = F.interpolate(padded, size, mode="bicubic", antialias=True)
    return small[..., margin:-margin, margin:-margin]


class WideConv(nn.Module):
    """A 3x3 convolution that trains as two, 3x3 to ``expansion`` times the channels and 1x1 back: more parameters for
    the same function (collapsible linear blocks, Bhardwaj et al. 2022, "SESR").

    The two are multiplied out at each step, which costs next to nothing beside the convolution of the picture;
    :meth:`EnhanceNet.folded` does it once for all. Departures: one bias for both, and no identity, since what the
    convolutions are in has one.
    """

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        wide = expansion * channels
        self.expand = nn.Parameter(torch.empty(wide, channels, 3, 3))
        self.project = nn.Parameter(torch.empty(channels, wide))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.normal_(self.expand, std=math.sqrt(1 / (9 * channels)))
        nn.init.normal_(self.project, std=math.sqrt(1 / (3 * wide)))  # together as torch begins a convolution

    def weight(self) -> torch.Tensor:
        """(C, C, 3, 3) of the one convolution, float32."""
        channels = len(self.project)
        with torch.autocast(self.project.device.type, enabled=False):
            return (self.project @ self.expand.flatten(1)).view(channels, channels, 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight().to(memory_format=torch.channels_last), self.bias, padding=1)


class Block(nn.Module):
    """``x + conv(relu(conv(x)))`` without any norm, which costs detail and makes the net depend on the picture's
    statistics (Lim et al. 2017, "EDSR")."""

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        self.first, self.second = _conv(channels, expansion), _conv(channels, expansion)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(F.relu_(self.first(x))).add_(x)


def _conv(channels: int, expansion: int) -> nn.Module:
    return WideConv(channels, expansion) if expansion else nn.Conv2d(channels, channels, 3, padding=1)


class EnhanceNet(ArtModel):
    """Enlarges pictures four times: bicubic interpolation plus a residual (Sajjadi et al. 2017, "EnhanceNet").

    The paper's net upsamples by nearest neighbours and goes on convolving at the full size, which is two thirds of
    its work. Ours does all its work at the size of the input and shuffles 48 channels into 4 x 4 pixels of three
    (Shi et al. 2016, "ESPCN"). Neither knows statistics of the picture: tiles equal the whole.

    Args:
        channels: width.
        blocks: residual blocks, of two 3x3 convolutions each.
        upsample: "shuffle", ours, or "nearest", the paper's (:data:`PRESETS`).
        expansion: of the blocks' convolutions while they train (:class:`WideConv`); 0 for plain ones, the form that
            ships (:meth:`folded`).
        consistent: whether reducing what the net makes should give its input back, as it should for every net that
            was trained on pictures reduced and nothing else; not for one that removes noise and marks of JPEG.
    """

    scale = SCALE

    def __init__(
        self,
        channels: int = 32,
        blocks: int = 7,
        upsample: str = "shuffle",
        expansion: int = 0,
        consistent: bool = True,
    ):
        super().__init__()
        if upsample not in ("shuffle", "nearest"):
            raise ValueError(f'upsample is {upsample!r}; give "shuffle" or "nearest".')
        self.upsample, self.consistent = upsample, consistent
        # Pixels of the input around a window that what is made inside it depends on: one for each convolution at
        # that size, and less than two for the paper's four at two and four times the size; the bicubic needs two.
        self.overlap = max(2, 2 * blocks + (3 if upsample == "shuffle" else 1 + 2))
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.trunk = nn.Sequential(*(Block(channels, expansion) for _ in range(blocks)))
        if upsample == "shuffle":
            self.body = _conv(channels, expansion)
            self.tail = nn.Conv2d(channels, 3 * SCALE**2, 3, padding=1)
            icnr_(self.tail, SCALE)
        else:
            self.ups = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
            self.tail = nn.Conv2d(channels, 3, 3, padding=1)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)  # begins near the bicubic enlargement, which is most of the answer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Enlarge.

        Args:
            x: (N, 3, H, W), RGB in [0, 1], any size; float32 even where the weights are bfloat16, whose eight bits
                are too few for a picture.

        Returns:
            (N, 3, 4H, 4W) float32, not clamped: strong edges may leave [0, 1] a little.
        """
        return enlarge(x).add_(self.residual(x))

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """What is added to the bicubic enlargement: (N, 3, H, W) -> (N, 3, 4H, 4W) in the weights' precision."""
        x = (x - 0.5).to(self.head.weight.dtype, memory_format=torch.channels_last)
        if self.upsample == "shuffle":
            x = self.head(x)
            return F.pixel_shuffle(self.tail(self.body(self.trunk(x)).add_(x)), SCALE)
        x = self.trunk(F.relu_(self.head(x)))
        for i, conv in enumerate(self.ups):
            x = F.relu_(conv(F.interpolate(x, scale_factor=2) if i < 2 else x))
        return self.tail(x)

    def folded(self) -> EnhanceNet:
        """The same net with plain convolutions (``expansion=0``)."""
        net = EnhanceNet(self.head.out_channels, len(self.trunk), self.upsample, consistent=self.consistent)
        state = self.state_dict()
        for name, module in self.named_modules():
            if isinstance(module, WideConv):
                del state[f"{name}.expand"], state[f"{name}.project"]
                state[f"{name}.weight"] = module.weight()
        net.load_state_dict(state)
        return net.to(self.head.weight.device).eval()
