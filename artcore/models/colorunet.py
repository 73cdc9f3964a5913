"""Colourisation: luma and noise go in, chroma comes out; another noise, another plausible colouring."""

from __future__ import annotations

import copy
import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artcore.hub import ArtModel
from artcore.models.blocks import ConvNorm, ResidualBlock, fold
from artcore.models.encoder import ArtEncoder

RANGE = 0.5  # chroma lies in [-RANGE, RANGE]: the U and V of artcore.image.rgb_to_yuv
GRID = 8  # pixels of a noise value in the compact generator
_SLOPE = 0.1  # of the document's LeakyReLU


def normal(seed: int, *shape: int, part: int = 0) -> Tensor:
    """Independent standard normal numbers, float32, the same on every machine; of any integer as a seed, and others for
    each ``part`` of what it decides.

    Drawn as integers and mapped in float64: torch's own normal numbers depend on the processor's instruction
    set in their last digits, and a colouring is known by its seed.
    """
    # Hashed, since torch's generator looks at the lowest 32 bits of a seed alone.
    digest = hashlib.sha256(f"{int(seed)}/{part}".encode()).digest()
    rng = torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))
    uniform = (torch.randint(0, 2**24, shape, generator=rng).double() + 0.5) / 2**24
    return torch.special.ndtri(uniform).float()


def smooth(lattice: Tensor, cell: int, height: int, width: int) -> Tensor:
    """(..., rows, columns) of independent normal numbers, ``cell`` places apart and interpolated linearly, as (...,
    height, width); of unit variance everywhere, which plain interpolation would lower between the numbers."""
    made = lattice
    for dim, length in ((-2, height), (-1, width)):
        position = (torch.arange(length) + 0.5) / cell
        first = position.floor().long()
        share = (position - first).view(-1, *[1] * (-1 - dim))
        made = torch.lerp(made.index_select(dim, first), made.index_select(dim, first + 1), share)
        made = made / (share.square() + (1 - share).square()).sqrt()
    return made


class Compact(nn.Module):
    """The generator that ships, see :class:`ColorUNet`: ``encode`` looks at the picture, ``decode`` at the noise."""

    grid = GRID

    def __init__(
        self,
        inputs: int,
        planes: int,
        channels: tuple[int, ...],
        blocks: tuple[int, ...],
        encoder: tuple[int, ...],
        norm: str,
    ):
        super().__init__()
        if len(channels) != len(blocks) or len(channels) < 2:
            raise ValueError(
                f"channels are {channels} and blocks {blocks}; give one of each for 1/4, 1/8, ... of the picture."
            )
        self.shape = channels, blocks
        self.stride = 2 ** (len(channels) + 1)  # sizes are padded to a multiple of it
        half, quarter, last = channels[0] // 2, channels[0], channels[-1]

        def stack(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualBlock(width, norm) for _ in range(count)))

        self.detail = nn.Conv2d(inputs, half, 4, 2, padding=1)
        self.stem = ConvNorm(inputs, quarter, kernel=8, stride=4, norm=norm)
        self.down = nn.ModuleList(
            ConvNorm(a, b, stride=2, norm=norm) for a, b in zip(channels, channels[1:], strict=False)
        )
        self.blocks_down = nn.ModuleList(stack(c, n) for c, n in zip(channels, blocks, strict=True))
        self.sense = nn.ModuleList(nn.Conv2d(e, c, 1) for e, c in zip(encoder[1:], channels[1:], strict=False))
        # The picture as a whole: what a window of a few things can't tell, such as the light of the day.
        self.whole = nn.Sequential(nn.Linear(last, last), nn.ReLU(), nn.Linear(last, last))
        self.noise = nn.Sequential(nn.Conv2d(planes, 64, 1), nn.ReLU(), nn.Conv2d(64, 64, 1), nn.ReLU())
        # Scale and shift at every scale that is not finer than the noise.
        self.modulate = nn.ModuleList(nn.Conv2d(64, 2 * c, 1) for c in channels[1:])
        self.middle = stack(last, blocks[-1])
        self.up = nn.ModuleList(
            ConvNorm(b, a, kernel=1, norm=norm) for a, b in zip(channels, channels[1:], strict=False)
        )
        self.blocks_up = nn.ModuleList(stack(c, n) for c, n in zip(channels[:-1], blocks[:-1], strict=True))
        self.up_half = nn.Conv2d(quarter, half, 1)
        self.merge = ConvNorm(half, half, norm=norm)
        self.out = nn.Conv2d(half, 2, 3, padding=1)

    def encode(self, x: Tensor, sensed: list[Tensor]) -> list[Tensor]:
        """(N, inputs, H, W), sides multiples of the stride, and an encoder's features at 1/8, 1/16, ... -> features
        at 1/2, 1/4, 1/8, ..."""
        found = [self.detail(x)]
        x = F.relu(self.stem(x))
        for i, blocks in enumerate(self.blocks_down):
            if i:
                x = F.relu(self.down[i - 1](x))
            if 0 < i <= len(self.sense):
                x = x + self.sense[i - 1](sensed[i - 1])
            x = blocks(x)
            found.append(x)
        found[-1] = x + self.whole(x.mean((2, 3)))[:, :, None, None]
        return found

    def decode(self, features: list[Tensor], noise: Tensor) -> Tensor:
        """Features and noise (N, planes, rows, columns) at 1/8, or less of it at the edges -> (N, 2, H, W)."""
        detail, *skips, x = features
        rows, columns = (s * self.stride // GRID for s in x.shape[-2:])
        noise = noise.to(x)
        noise = F.pad(noise, (0, columns - noise.shape[-1], 0, rows - noise.shape[-2]), mode="replicate")
        control = [self.noise(noise)]
        for _ in self.modulate[1:]:
            control.append(F.avg_pool2d(control[-1], 2))

        def steer(x: Tensor, level: int) -> Tensor:
            scale, shift = self.modulate[level](control[level]).chunk(2, 1)
            return x * (1 + scale) + shift

        x = self.middle(steer(x, len(skips) - 1))
        for i in range(len(skips) - 1, -1, -1):
            x = F.relu(F.interpolate(self.up[i](x), scale_factor=2) + skips[i])
            x = self.blocks_up[i](steer(x, i - 1) if i else x)
        x = F.relu(F.interpolate(self.up_half(x), scale_factor=2) + detail)
        x = self.out(F.relu(self.merge(x)))
        return F.interpolate(x, scale_factor=2, mode="bilinear")


class TransposedNorm(ConvNorm):
    """A transposed convolution of twice the size and, with ``norm="batch"``, the batch norm behind it."""

    def __init__(self, inputs: int, outputs: int, norm: str = "none"):
        nn.Module.__init__(self)
        self.conv = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=norm == "none")
        self.norm = nn.BatchNorm2d(outputs) if norm == "batch" else None

    @torch.no_grad()
    def fold(self) -> None:
        if self.norm is not None:
            old, norm = self.conv, self.norm
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            self.conv, self.norm = nn.ConvTranspose2d(old.in_channels, old.out_channels, 4, 2, 1), None
            self.conv.weight.copy_(old.weight * scale[:, None, None])
            self.conv.bias.copy_(norm.bias - norm.running_mean * scale)
            self.conv.to(old.weight.device)


class Document(nn.Module):
    """The generator of document 003. It names no kernel and no depth: both are pix2pix's (Isola et al. 2017)."""

    grid = 1

    def __init__(self, channels: int, halvings: int, norm: str):
        super().__init__()
        if halvings < 2:
            raise ValueError(f"blocks is {halvings}; give 2 or more, the times that the picture is halved.")
        self.shape = (channels,), (halvings,)
        self.stride = 2**halvings
        widths = [2] + [channels * min(2**i, 8) for i in range(halvings)]
        # A picture of the trained size has one place left in the innermost: nothing there for a norm to measure.
        self.down = nn.ModuleList(
            ConvNorm(a, b, kernel=4, stride=2, norm=norm if i + 1 < halvings else "none")
            for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False))
        )
        self.up = nn.ModuleList(
            TransposedNorm(widths[i + 1] * (1 if i + 1 == halvings else 2), widths[i], norm if i else "none")
            for i in reversed(range(halvings))
        )

    def encode(self, x: Tensor, sensed: list[Tensor]) -> list[Tensor]:
        """The grey as it is: here the noise enters with it."""
        return [x]

    def decode(self, features: list[Tensor], noise: Tensor) -> Tensor:
        """(N, 1, H, W) of grey and as much noise, or less at the edges -> (N, 2, H, W)."""
        (grey,) = features
        noise = F.pad(
            noise.to(grey), (0, grey.shape[-1] - noise.shape[-1], 0, grey.shape[-2] - noise.shape[-2]), mode="replicate"
        )
        n = max(len(grey), len(noise))
        x = torch.cat([noise.expand(n, -1, -1, -1), grey.expand(n, -1, -1, -1)], 1)
        skips = []
        for down in self.down:
            x = F.leaky_relu(down(x), _SLOPE)
            skips.append(x)
        x = skips.pop()
        for i, up in enumerate(self.up):
            x = up(x)
            if skips:
                x = F.relu(F.dropout(x, 0.5, self.training and i < 3))
                x = torch.cat([x, skips.pop()], 1)
        return x


class ColorUNet(ArtModel):
    """U-Net from luma, noise and hints to chroma (Ronneberger et al. 2015, Isola et al. 2017).

    "compact" is what ships, made for two CPU cores: the first convolution has a stride of four, chroma leaves at
    1/2 (the eye sees colour more coarsely than light). Its noise is coarse and scales and shifts the decoder's
    features (Perez et al. 2018) rather than entering with the picture: a seed decides about things, not pixels,
    and the encoder runs once for any number of seeds. "document" has the layers of document 003: noise for every
    pixel beside the grey; down, convolutions of stride 2, batch norm, LeakyReLU(0.1); up, transposed convolutions,
    batch norm, ReLU, dropout in the first three; 64 filters doubled, and skip connections.

    Args:
        generator: "compact" or "document".
        channels: compact: widths at 1/4, 1/8, ... of the picture; document: one, at 1/2, doubled to eight times as
            much at most. Empty: (64, 128, 128, 160), or (64,).
        blocks: compact: residual blocks at each of these scales, as many down as up; document: one number, of
            halvings. Empty: (1, 1, 1, 1), or (8,).
        planes: noise planes of the compact generator; half of them hold one number for the whole picture.
        cell: pixels between the independent numbers of the compact generator's other planes.
        hints: whether the compact generator can be given the colour of some pixels.
        encoder: widths of an ArtEncoder that looks at the grey, reduced to a quarter, beside the compact generator: its
            features, learned to tell things apart, are a second condition. Empty: none.
        norm: "batch" while it trains; "none" once folded (:meth:`folded`), the form that ships.
    """

    size = 256  # short side in pixels of a picture that it colours; things are as large in what it is trained on

    def __init__(
        self,
        generator: str = "compact",
        channels: tuple[int, ...] = (),
        blocks: tuple[int, ...] = (),
        planes: int = 4,
        cell: int = 64,
        hints: bool = True,
        encoder: tuple[int, ...] = (),
        norm: str = "none",
    ):
        super().__init__()
        if generator not in ("compact", "document"):
            raise ValueError(f'generator is {generator!r}; give "compact" or "document".')
        if planes < 1:
            raise ValueError(f"planes is {planes}; give 1 or more, or another seed would change nothing.")
        self.generator, self.cell = generator, cell
        self.hints = hints and generator == "compact"
        self.planes = planes if generator == "compact" else 1
        self.encoder = None
        if encoder and generator == "compact":
            self.encoder = ArtEncoder(tuple(encoder), 1)
            self.encoder.head = nn.Identity()  # features are what is wanted
        self.net: Compact | Document
        if generator == "compact":
            channels, blocks = tuple(channels) or (64, 128, 128, 160), tuple(blocks) or (1, 1, 1, 1)
            self.net = Compact(4 if self.hints else 1, planes, channels, blocks, tuple(encoder), norm)
        else:
            channels, blocks = tuple(channels) or (64,), tuple(blocks) or (8,)
            if len(channels) != 1 or len(blocks) != 1:
                raise ValueError(f"channels are {channels} and blocks {blocks}; give one number of either.")
            self.net = Document(*channels, *blocks, norm)

    def forward(self, luma: Tensor, noise: Tensor, hints: Tensor | None = None) -> Tensor:
        """Colour.

        Args:
            luma: (N, 1, H, W) in [0, 1], any size, best with a short side of ``size``. One picture may meet any number
                of noises, at less cost than as many pictures.
            noise: (N, planes, H, W), standard normal, as :meth:`noise` draws it.
            hints: (N, 3, H, W) or (1, 3, H, W): U, V and a mask in {0, 1} of the known colours, U and V zero where the
                mask is; None: nothing is known.

        Returns:
            (N, 2, H, W): U and V in [-0.5, 0.5], as artcore.image.rgb_to_yuv scales them.
        """
        height, width = luma.shape[-2:]
        return self.decode(self.encode(luma, hints), self.coarse(noise))[..., :height, :width]

    def noise(self, seed: int, height: int, width: int) -> Tensor:
        """(1, planes, height, width): the noise of a seed, standard normal, float32, on the CPU, the same on every
        machine. Compact: half of the planes hold one number each, the others a number for every ``cell`` pixels
        and what lies between. Document: every pixel its own."""
        g = self.net.grid
        grid = self.draw(seed, -(-height // g), -(-width // g))
        return F.interpolate(grid, scale_factor=g)[..., :height, :width].contiguous()

    def draw(self, seed: int, rows: int, columns: int) -> Tensor:
        """(1, planes, rows, columns): :meth:`noise` on the grid that :meth:`decode` takes."""
        if self.generator == "document":
            return normal(seed, 1, 1, rows, columns)
        # Drawn apart: the numbers for the whole picture do not depend on its size.
        whole = self.planes - self.planes // 2
        same = normal(seed, whole, 1, 1).expand(-1, rows, columns)
        cell = max(1, self.cell // GRID)
        lattice = normal(seed, self.planes - whole, -(-rows // cell) + 1, -(-columns // cell) + 1, part=1)
        return torch.cat([same, smooth(lattice, cell, rows, columns)])[None]

    def coarse(self, noise: Tensor) -> Tensor:
        """(N, planes, H, W) -> (N, planes, rows, columns): :meth:`noise` back to what :meth:`draw` gives, by means."""
        g = self.net.grid
        noise = F.pad(noise, (0, -noise.shape[-1] % g, 0, -noise.shape[-2] % g), mode="replicate")
        return F.avg_pool2d(noise, g)

    def encode(self, luma: Tensor, hints: Tensor | None = None) -> list[Tensor]:
        """What noise does not touch, for :meth:`decode`: once for any number of seeds."""
        if hints is not None and not self.hints:
            raise ValueError("This net was built without hints; leave them out, or take one with hints=True.")
        x = 2 * luma - 1
        if self.hints:
            known = x.new_zeros(1, 3, *x.shape[-2:]) if hints is None else hints.to(x)
            # Chroma is small beside luma; at four times its size both weigh alike at the start.
            known = torch.cat([4 * known[:, :2], known[:, 2:]], 1)
            n = max(len(x), len(known))
            x = torch.cat([x.expand(n, -1, -1, -1), known.expand(n, -1, -1, -1)], 1)
        s = self.net.stride
        x = F.pad(x, (0, -x.shape[-1] % s, 0, -x.shape[-2] % s), mode="replicate")
        sensed = []
        if self.encoder is not None:
            layers = [f"r{block + 1}_2" for block in range(1, len(self.net.sense) + 1)]
            small = F.avg_pool2d(x[:, :1] / 2 + 0.5, 4).expand(-1, 3, -1, -1)
            sensed = list(self.encoder(small, layers).values())
        return self.net.encode(x.contiguous(memory_format=torch.channels_last), sensed)

    def decode(self, features: list[Tensor], noise: Tensor) -> Tensor:
        """Chroma (N, 2, H, W) of features and noise as :meth:`draw` gives it; H and W as padded by :meth:`encode`. One
        picture's features serve any number of noises."""
        return RANGE * torch.tanh(self.net.decode(features, noise))

    def folded(self) -> ColorUNet:
        """The same net with its batch norms folded into the convolutions (``norm="none"``)."""
        widths = () if self.encoder is None else tuple(b[0].conv.out_channels for b in self.encoder.blocks)
        net = ColorUNet(self.generator, *self.net.shape, self.planes, self.cell, self.hints, widths)
        net.load_state_dict(fold(copy.deepcopy(self)).state_dict())
        return net.to(next(self.parameters()).device).eval()
