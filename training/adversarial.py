"""Adversarial parts that trainers share and inference never needs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """PatchGAN: judges every 70 x 70 window of a picture (Isola et al. 2017).

    Args:
        channels: width of the first layer; doubled at each of ``layers``, to eight times at most.
        layers: stride-2 convolutions; 3 give windows of 70 pixels.
        inputs: channels of the picture.
        norm: "spectral" (Miyato et al. 2018), which holds a judge of few pictures in check; or "instance", as in
            CycleGAN (Zhu et al. 2017): not in the first layer, and weights that begin at N(0, 0.02).
    """

    smallest = 24  # pixels a side of a picture, with three ``layers``

    def __init__(self, channels: int = 64, layers: int = 3, inputs: int = 3, norm: str = "spectral"):
        super().__init__()
        if norm not in ("spectral", "instance"):
            raise ValueError(f'norm is {norm!r}; give "spectral" or "instance".')
        widths = [inputs] + [channels * min(2**i, 8) for i in range(layers + 1)]
        parts: list[nn.Module] = []
        for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
            parts.append(nn.Conv2d(a, b, 4, 2 if i < layers else 1, 1))
            if norm == "instance" and i:
                parts.append(nn.InstanceNorm2d(b))
            parts.append(nn.LeakyReLU(0.2))
        self.net = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        if norm == "instance":
            gaussian_(self)
        else:
            for module in self.net:
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) in [0, 1] -> scores (N, 1, about H / 8, W / 8); high means real."""
        return self.net(2 * x - 1)


class ConditionalDiscriminator(nn.Module):
    """The conditional PatchGAN of document 003: 3x3 convolutions of stride 2, batch norm and LeakyReLU, and 30 x 30
    scores for a picture of 256 x 256, each of a window of it.

    Conditional, since it sees the given luma beside the chroma that it judges.

    Args:
        channels: width of the first layer, doubled twice.
        norm: "batch", as in the document; or "spectral" (Miyato et al. 2018), whose judgement of a picture does not
            depend on what else is in the batch.
    """

    smallest = 24  # pixels a side of a picture

    def __init__(self, channels: int = 64, norm: str = "batch"):
        super().__init__()
        if norm not in ("batch", "spectral"):
            raise ValueError(f'norm is {norm!r}; give "batch" or "spectral".')
        parts: list[nn.Module] = []
        for a, b in ((3, channels), (channels, 2 * channels), (2 * channels, 4 * channels)):
            conv = nn.Conv2d(a, b, 3, 2, 1)
            parts += [spectral_norm(conv)] if norm == "spectral" else [conv, nn.BatchNorm2d(b)]
            parts.append(nn.LeakyReLU(0.2))
        last = nn.Conv2d(4 * channels, 1, 3)  # without padding: 32 x 32 to 30 x 30
        self.net = nn.Sequential(*parts, spectral_norm(last) if norm == "spectral" else last)

    def forward(self, luma: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
        """Luma (N, 1, H, W) in [0, 1] and chroma (N, 2, H, W) in [-0.5, 0.5] -> scores (N, 1, H / 8 - 2, W / 8 - 2)."""
        # Chroma is small beside luma; at four times its size both weigh alike.
        return self.net(torch.cat([2 * luma - 1, 4 * chroma], 1))


@torch.no_grad()
def gaussian_(net: nn.Module) -> None:
    """Convolutions as the GANs of Zhu et al. begin: weights of N(0, 0.02), no bias."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def least_squares(scores: torch.Tensor, real: bool) -> torch.Tensor:
    """Least-squares GAN loss: mean square to 1 for real and to 0 for made (Mao et al. 2017)."""
    return (scores.float() - float(real)).square().mean()


def cross_entropy(scores: torch.Tensor, real: bool) -> torch.Tensor:
    """The first GAN's loss, not saturating for the generator (Goodfellow et al. 2014), of scores as logits."""
    return F.binary_cross_entropy_with_logits(scores.float(), torch.full_like(scores.float(), float(real)))


GAN_LOSSES: dict[str, Callable[[torch.Tensor, bool], torch.Tensor]] = {
    "least_squares": least_squares,
    "cross_entropy": cross_entropy,
}


def augment(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """After DiffAugment (Zhao et al. 2020): brightness, saturation and contrast of each picture, and one translation
    by up to an eighth for the whole batch, the same kind for real and made pictures and differentiable, so that a
    discriminator can't learn a few paintings by heart. Departures: no cutout, and reflection where the paper's
    translation leaves zeros, which a judge of patches would see as what they are."""
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


class ImagePool:
    """The last made pictures, for a discriminator to see again what it may have forgotten (Shrivastava et al.
    2017): once it is full, half of the pictures that come are exchanged for older ones.

    In a run of several processes each has its own, and gets it back when the run is resumed.

    Args:
        size: pictures that are kept; 0 hands on what comes.
    """

    def __init__(self, size: int = 50):
        self.size = size
        self._kept: list[torch.Tensor] = []

    def __call__(self, made: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """(N, C, H, W), detached -> as many pictures, some of them older."""
        if not self.size:
            return made
        given = []
        for picture in made:
            if len(self._kept) < self.size:
                self._kept.append(picture.clone())
            elif torch.rand((), generator=rng) < 0.5:
                i = int(torch.randint(0, self.size, (), generator=rng))
                picture, self._kept[i] = self._kept[i].to(made.device), picture.clone()
            given.append(picture)
        return torch.stack(given)

    @property
    def pictures(self) -> torch.Tensor:
        """(M, C, H, W), M at most ``size``; (0, 3, 1, 1) while there is none."""
        return torch.stack(self._kept) if self._kept else torch.empty(0, 3, 1, 1)

    def state_dict(self) -> dict[str, list[list[torch.Tensor]]]:
        """The pictures of every process; all of them must call it."""
        return {"kept": gather_object([[picture.cpu() for picture in self._kept]])}

    def load_state_dict(self, state: dict[str, list]) -> None:
        pools = state["kept"]
        if pools and isinstance(pools[0], torch.Tensor):  # checkpoints of before 2026-11-21 kept one process's
            pools = [pools]
        kept = pools[PartialState().process_index % len(pools)] if pools else []
        self._kept = list(kept[: self.size])


def train_judge(
    accelerator: Accelerator,
    judge: nn.Module,
    optimiser: torch.optim.Optimizer,
    made: torch.Tensor,
    real: torch.Tensor,
    rng: torch.Generator | None,
) -> torch.Tensor:
    """One step of a discriminator on made (detached) and real pictures; its loss. ``rng`` draws the augmentation;
    None for none."""
    judge.requires_grad_(True)
    with accelerator.autocast():
        # One batch for both kinds: half the calls, and both pass the same random shift.
        both = torch.cat([real.to(made.dtype), made])
        true, fake = judge(both if rng is None else augment(both, rng)).chunk(2)
        loss = (least_squares(true, True) + least_squares(fake, False)) / 2
    optimiser.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    optimiser.step()
    return loss.detach()
