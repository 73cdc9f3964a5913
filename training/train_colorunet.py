"""Train a colouriser whose seeds differ: `python -m training.train_colorunet --help`.

Document 003's method: U-Net and conditional PatchGAN, loss GAN + 5 L1 + 5 L2, flipped labels, instance noise
(`--preset document-003`). That loss is mostly L1, whose optimum is the median colour: grey; that of L2 is the mean:
sepia; and the noise is ignored, since either is the same for every seed. By default, therefore, mostly L2, and:

- best of K, after conditional IMLE (Li and Malik 2018, Li et al. 2020): of `candidates` noises for a picture only
  the one whose colouring comes nearest to the truth is trained on, so that each noise may stand for a colouring
  of its own and none has to be the average; the encoder, which noise does not touch, runs once for all of them.
- `blind`: a part of the pictures trains a noise that was not chosen, on the discriminator's word alone, since whoever
  asks for a seed chooses blindly. Without it seeds become tints of the whole picture.
- rebalancing (Zhang et al. 2016): rare, which is to say saturated, colours weigh more.
- mode seeking (Mao et al. 2019, `mode_seeking`): optionally, two noises are pushed apart.
- a second condition (`features`): what an encoder, trained to tell things apart, sees in the grey.
- hints (Zhang et al. 2017): the true colour of a few patches is given, half of the time none.
- luma as old photographs have it: other curves, blur, grain.
"""

from __future__ import annotations

import fnmatch
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from artcore import image, metrics
from artcore.models.colorunet import RANGE, ColorUNet
from artcore.models.encoder import ArtEncoder
from training import loop
from training.adversarial import GAN_LOSSES, ConditionalDiscriminator
from training.data import DataError, Pictures, find_pictures, prefetch, random_crop, split, squares

PRESETS: dict[str, dict] = {
    # What the document leaves open (kernel, optimiser, its rates) is as in pix2pix (Isola et al. 2017).
    "document-003": {
        "pictures": ("torchvision:Flowers102",),
        "generator": "document",
        "channels": (64,),
        "blocks": (8,),
        "hints": False,
        "candidates": 1,
        "blind": 0.0,
        "mode_seeking": 0.0,
        "rebalance": 0.0,
        "l1_weight": 5.0,
        "l2_weight": 5.0,
        "adversarial_weight": 1.0,
        "gan_loss": "cross_entropy",
        "flip_labels": True,
        "instance_noise": 0.1,
        "judge_steps": 1,
        "judge_scale": 1,
        "judge_norm": "batch",
        "discriminator_channels": 64,
        "epochs": 400,
        "batch_size": 4,
        "size": 256,
        "crop": (0.9, 1.0),
        "old": 0.0,
        "learning_rate": 2e-4,
        "discriminator_rate": 2e-4,
        "beta1": 0.5,
        "beta2": 0.999,
        "schedule": "constant",
        "warmup": 0,
        "clip": 0.0,
        "ema": 0.0,
    },
}


@dataclass(frozen=True)
class Config:
    """Settings of a ColorUNet training."""

    pictures: tuple[str, ...] = ("data/colour",)  # folders, hub:org/name, torchvision:Flowers102; several are mixed
    shares: tuple[float, ...] = ()  # of each of them in what is drawn; empty: as many as it has
    match: str = ""  # of their files only those whose names fit, like "flower_*"; the held back stay held back
    out: str = "runs/colorunet"
    samples: str = ""  # pictures for the sample sheet; empty: held-back ones of the first source
    generator: str = "compact"  # or "document", document 003's
    channels: tuple[int, ...] = ()  # empty: the generator's own
    blocks: tuple[int, ...] = ()
    planes: int = 4
    cell: int = 64
    hints: bool = True
    features: str = ""  # ArtEncoder folder or repo, such as weights/encoder: its features are a second condition
    norm: str = "batch"
    init: str = ""  # checkpoint folder or Hub repo to fine-tune; of a run of this trainer its folder "base"
    candidates: int = 4  # noises tried for each picture, of which the best is trained on; 1: no choice
    blind: float = 0.25  # of the pictures that train the first noise instead, by the discriminator alone
    mode_seeking: float = 0.0  # weight of the push that keeps two noises' colourings apart; 0: none
    rebalance: float = 0.6  # exponent of the weight of rare colours: 0 none, 1 as Zhang et al.
    hint_weight: float = 3.0  # that a pixel with a hint weighs more
    l1_weight: float = 1.0  # five, as documented, paints in grey
    l2_weight: float = 40.0
    adversarial_weight: float = 0.3  # 0: no GAN
    gan_loss: str = "least_squares"  # or "cross_entropy"
    flip_labels: bool = True  # real is 0 and made is 1
    instance_noise: float = 0.1  # deviation of the noise on what the discriminator sees, down to none at the end
    judge_steps: int = 1  # of the discriminator for each of the generator
    judge_scale: int = 2  # the discriminator sees pictures reduced by it: colour is coarse
    judge_norm: str = "spectral"  # or "batch"
    discriminator_channels: int = 48
    steps: int = 3000
    epochs: int = 0  # passes over the pictures; when given, it sets the steps
    batch_size: int = 12  # per process
    size: int = 160  # of the squares, cut from so little of a picture that things in them are as large as at 256
    crop: tuple[float, ...] = (0.5, 0.85)  # side of the square cut from a picture, in parts of its short side
    old: float = 0.5  # of the pictures that get another curve, blur and grain
    short_side: int = 256  # that pictures are kept at in memory
    hold_back: float = 0.05
    learning_rate: float = 1e-3
    discriminator_rate: float = 4e-4
    beta1: float = 0.9  # of the generator; the discriminator's is 0.5
    beta2: float = 0.99
    schedule: str = "cosine"
    warmup: int = 50
    clip: float = 1.0  # 0: none
    ema: float = 0.998
    mixed_precision: str = "no"  # "bf16" where the processor has it
    checkpoint_every: int = 250  # steps; 0: once an epoch
    sample_every: int = 250
    log_every: int = 50
    tracker: str = "tensorboard"
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {"generator": ("compact", "document"), "norm": ("batch", "none"), "gan_loss": tuple(GAN_LOSSES)}
        choices |= {"judge_norm": ("spectral", "batch"), "schedule": loop.SCHEDULES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise loop.ConfigError(f"{name} is {getattr(self, name)!r}; choose from {', '.join(known)}.")
        least = dict.fromkeys(("candidates", "judge_steps", "judge_scale", "batch_size", "short_side"), 1)
        least |= dict.fromkeys(("steps", "epochs", "checkpoint_every", "sample_every", "log_every"), 0)
        least |= dict.fromkeys(
            ("l1_weight", "l2_weight", "hint_weight", "adversarial_weight", "mode_seeking", "rebalance"), 0
        )
        least["size"] = ConditionalDiscriminator.smallest * self.judge_scale
        for name, low in least.items():
            if not getattr(self, name) >= low:
                raise loop.ConfigError(f"{name} is {getattr(self, name)}; give {low} or more.")
        if not 0 <= self.blind < 1:
            raise loop.ConfigError(f"blind is {self.blind}; give a part of the pictures, from 0 to less than 1.")
        if len(self.crop) != 2 or not 0 < self.crop[0] <= self.crop[1] <= 1:
            raise loop.ConfigError(f"crop is {self.crop}; give the least and the largest part, like 0.6 1.")
        if self.shares and (len(self.shares) != len(self.pictures) or min(self.shares) < 0 or not sum(self.shares)):
            raise loop.ConfigError(f"shares are {self.shares}; give one for each of the {len(self.pictures)} sources.")


# ---------------------------------------------------------------- data


def sources(config: Config) -> tuple[list[list[Path]], list[list[Path]]]:
    """(Files to train on, files held back), source by source. Every source is split by itself and before ``match``
    looks at names: a net for flowers holds back what the net for everything held back."""
    train, held = [], []
    for source in config.pictures:
        for files, kept in zip(split(find_pictures(source), config.hold_back), (train, held), strict=True):
            kept.append([f for f in files if fnmatch.fnmatch(f.name, config.match or "*")])
        if not train[-1]:
            raise DataError(f"No picture to train on in {source!r} is named {config.match!r}; give another match.")
    return train, held


@dataclass
class Source:
    """Draws pictures, in colour and as old photographs."""

    config: Config
    sets: list[Pictures]

    def __post_init__(self) -> None:
        self.shares = torch.tensor(self.config.shares or [float(len(s)) for s in self.sets])

    def draw(self, count: int, size: int, rng: torch.Generator) -> torch.Tensor:
        """(count, 3, size, size) RGB in [0, 1] of random pictures' random squares."""
        return torch.stack([self._one(size, rng) for _ in range(count)])

    def _one(self, size: int, rng: torch.Generator) -> torch.Tensor:
        for _ in range(4):
            pictures = self.sets[int(torch.multinomial(self.shares, 1, generator=rng))]
            picture = pictures[int(torch.randint(0, len(pictures), (), generator=rng))]
            short, (least, most) = min(picture.shape[1:]), self.config.crop
            crop = random_crop(picture, size, rng, zoom=(size / (short * most), size / (short * least)))
            if image.rgb_to_yuv(crop[None])[:, 1:].abs().mean() > 0.01:
                break  # not in black and white, from which nothing is learned but grey
        return crop

    def batch(self, rng: torch.Generator) -> dict[str, torch.Tensor]:
        """Luma as given to the net (N, 1, S, S), true chroma (N, 2, S, S) and hints (N, 3, S, S)."""
        config = self.config
        rgb = self.draw(config.batch_size, config.size, rng)
        old = torch.rand(len(rgb), generator=rng) < config.old
        luma, chroma = [], []
        for picture, worn in zip(rgb.split(1), old.tolist(), strict=True):
            yuv = image.rgb_to_yuv(curve(picture, rng) if worn else picture)
            luma.append(age(yuv[:, :1], rng) if worn else yuv[:, :1])
            chroma.append(yuv[:, 1:])
        found = {"luma": torch.cat(luma), "chroma": torch.cat(chroma)}
        if config.hints:
            found["hints"] = torch.cat([reveal(c, rng) for c in found["chroma"].split(1)])
        return found


def _uniform(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=rng).item()


def curve(rgb: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Another exposure, gamma and contrast, of RGB in [0, 1]: colour goes with light, as on film."""
    gamma, contrast, middle = _uniform(rng, -0.5, 0.5), _uniform(rng, 0.65, 1.2), _uniform(rng, 0.4, 0.6)
    return (middle + contrast * (rgb.clamp_min(1e-4) ** math.exp(gamma) - middle)).clamp(0, 1)


def age(luma: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Blur and grain, (1, 1, H, W) in [0, 1]."""
    if _uniform(rng, 0, 1) < 0.5:
        luma = gaussian_blur(luma, 7, _uniform(rng, 0.4, 1.6))
    grain = torch.randn(luma.shape, generator=rng) * _uniform(rng, 0, 0.04)
    return (luma + grain).clamp(0, 1)


def reveal(chroma: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Hints: the mean true colour of a few random patches, (1, 2, H, W) -> (1, 3, H, W); half of the time none."""
    height, width = chroma.shape[-2:]
    hints = chroma.new_zeros(1, 3, height, width)
    if _uniform(rng, 0, 1) < 0.5:
        return hints
    for _ in range(1 + int(_uniform(rng, 0, 3) ** 2)):  # mostly a few
        h, w = (min(side, round(math.exp(_uniform(rng, math.log(4), math.log(48))))) for side in (height, width))
        top, left = (int(_uniform(rng, 0, free + 1)) for free in (height - h, width - w))
        window = ..., slice(top, top + h), slice(left, left + w)
        hints[window] = torch.cat([chroma[window].mean((2, 3)), chroma.new_ones(1, 1)], 1)[..., None, None]
    return hints


class Rarity(nn.Module):
    """How much a true colour weighs: one over its smoothed share of all pixels, half mixed with an even
    distribution, and 1 on average (Zhang et al. 2016, equations 3 and 4; their 313 bins of ab are a grid here).

    Args:
        chroma: (N, 2, H, W) of many pictures.
        exponent: of the weights; 1 as published, 0 for none.
    """

    bins = 32

    def __init__(self, chroma: torch.Tensor, exponent: float):
        super().__init__()
        share = torch.zeros(self.bins**2).index_add_(0, self._bin(chroma).flatten(), torch.ones(chroma[:, 0].numel()))
        share = share.view(1, 1, self.bins, self.bins)
        share = gaussian_blur(share, 7, 1.0).flatten() / share.sum()
        used = share > 1e-6  # the rest are no colours
        weight = 1 / (0.5 * share + 0.5 * used / used.sum()).clamp_min(1e-6)
        weight = torch.where(used, weight, weight[used].max()) ** exponent
        self.register_buffer("weight", weight / (share * weight).sum())

    def _bin(self, chroma: torch.Tensor) -> torch.Tensor:
        u, v = ((chroma / RANGE + 1) / 2 * self.bins).long().clamp(0, self.bins - 1).unbind(1)
        return u * self.bins + v

    def forward(self, chroma: torch.Tensor) -> torch.Tensor:
        """(N, 2, H, W) -> (N, 1, H, W)."""
        return self.weight[self._bin(chroma)][:, None]


def weigh(chroma: torch.Tensor, rarity: Rarity | None, hints: torch.Tensor | None, hint_weight: float) -> torch.Tensor:
    """What each pixel of a true chroma (N, 2, H, W) counts, (N, 1, H, W): rare colours more, and hinted ones, since
    whoever gives a colour wants that one."""
    weight = torch.ones_like(chroma[:, :1]) if rarity is None else rarity(chroma)
    return weight if hints is None else weight * (1 + hint_weight * hints[:, 2:])


# ---------------------------------------------------------------- what is trained


class Coloured(nn.Module):
    """All passes of a step in one call, which is what data-parallel training wants."""

    def __init__(self, model: ColorUNet, config: Config):
        super().__init__()
        self.model, self.l1, self.l2 = model, config.l1_weight, config.l2_weight
        self.second, self.candidates = config.mode_seeking > 0, config.candidates
        # Only with a choice and a discriminator is there anything else to learn from.
        chosen = config.candidates > 1 and config.adversarial_weight > 0
        self.blind = round(config.blind * config.batch_size) if chosen else 0

    def distance(self, made: torch.Tensor, chroma: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """L1 and L2, weighted, one figure a picture, (N,)."""
        apart = made.float() - chroma
        return {
            "l1": self.l1 * (weight * apart.abs()).mean((1, 2, 3)),
            "l2": self.l2 * (weight * apart.square()).mean((1, 2, 3)),
        }

    def forward(
        self,
        luma: torch.Tensor,
        hints: torch.Tensor | None,
        noises: torch.Tensor,
        chroma: torch.Tensor,
        weight: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """``noises`` (K, N, planes, rows, columns), of whose first ``candidates`` each picture trains its best. The
        chroma made of it, its losses and, for mode seeking, the chroma of another and how far apart their noises
        are."""
        features = self.model.encode(luma, hints)
        pictures = torch.arange(len(luma), device=luma.device)
        best = torch.zeros_like(pictures)
        if self.candidates > 1:
            with torch.no_grad():
                fixed = [f.detach() for f in features]
                tried = [sum(self.distance(self._decode(fixed, n, luma), chroma, weight).values()) for n in noises]
                best = torch.stack(tried).argmin(0)
            best[: self.blind] = 0
        noise = noises[best, pictures]
        made = self._decode(features, noise, luma)
        near = self.distance(made, chroma, weight)
        found = {"made": made.float()} | {k: v[self.blind :].sum() / len(v) for k, v in near.items()}
        if self.second:
            other = noises[(best + 1) % len(noises), pictures]
            found["other"] = self._decode(features, other, luma).float()
            found["noise_apart"] = (noise - other).abs().mean((1, 2, 3))
        return found

    def _decode(self, features: list[torch.Tensor], noise: torch.Tensor, luma: torch.Tensor) -> torch.Tensor:
        height, width = luma.shape[-2:]
        return self.model.decode(features, noise)[..., :height, :width]


def build(config: Config) -> ColorUNet:
    """The net to train: fine-tuned from ``init``, or new."""
    if config.init:
        model = ColorUNet.from_pretrained(config.init).requires_grad_(True)
        if model.generator != config.generator or model.hints < config.hints:
            raise loop.ConfigError(
                f"{config.init!r} is a {model.generator} generator {'with' if model.hints else 'without'} hints; "
                "give generator and hints as there."
            )
    else:
        c, encoder = config, ArtEncoder.from_pretrained(config.features) if config.features else None
        widths = tuple(block[0].conv.out_channels for block in encoder.blocks) if encoder else ()
        model = ColorUNet(c.generator, c.channels, c.blocks, c.planes, c.cell, c.hints, widths, c.norm)
        if encoder:
            model.encoder.blocks.load_state_dict(encoder.blocks.state_dict())
    if model.encoder is not None:
        model.encoder.requires_grad_(False)  # a few thousand pictures would only make it forget
    return model


def draw_noises(model: ColorUNet, count: int, size: int, rng: torch.Generator) -> torch.Tensor:
    """(count, planes, rows, columns): noises of random seeds for square pictures."""
    side = -(-size // model.net.grid)
    seeds = torch.randint(0, 2**31 - 1, (count,), generator=rng).tolist()
    return torch.cat([model.draw(seed, side, side) for seed in seeds])


class Judge:
    """The conditional discriminator, what it teaches and how it learns; see document 003."""

    def __init__(self, config: Config, accelerator: Accelerator):
        self.config, self.accelerator = config, accelerator
        judge = ConditionalDiscriminator(config.discriminator_channels, config.judge_norm)
        judge = judge.to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(judge.parameters(), lr=config.discriminator_rate, betas=(0.5, config.beta2))
        self.net, self.optimiser = accelerator.prepare(judge, optimiser)
        self.gan_loss = GAN_LOSSES[config.gan_loss]

    def _scores(self, luma: torch.Tensor, chroma: torch.Tensor, noise: float, rng: torch.Generator) -> torch.Tensor:
        seen = F.avg_pool2d(torch.cat([luma, chroma], 1), self.config.judge_scale)
        if noise:
            # In the discriminator's own units, in which chroma counts four times.
            plain = torch.randn(seen.shape, generator=rng).to(seen) * noise
            seen = seen + plain / plain.new_tensor([2.0, 4.0, 4.0]).view(1, 3, 1, 1)
        with self.accelerator.autocast():
            return self.net(seen[:, :1], seen[:, 1:])

    def teach(self, luma: torch.Tensor, made: torch.Tensor, noise: float, rng: torch.Generator) -> torch.Tensor:
        """The generator's loss."""
        self.net.requires_grad_(False)
        return self.gan_loss(self._scores(luma, made, noise, rng), not self.config.flip_labels)

    def learn(
        self, luma: torch.Tensor, made: torch.Tensor, real: torch.Tensor, noise: float, rng: torch.Generator
    ) -> torch.Tensor:
        """``judge_steps`` steps of the discriminator; the last one's loss."""
        self.net.requires_grad_(True)
        for _ in range(self.config.judge_steps):
            # One batch for both kinds: batch norm must not tell them apart.
            scores = self._scores(torch.cat([luma, luma]), torch.cat([real, made]), noise, rng)
            true, fake = scores.chunk(2)
            flip = self.config.flip_labels
            loss = (self.gan_loss(true, not flip) + self.gan_loss(fake, flip)) / 2
            self.optimiser.zero_grad(set_to_none=True)
            self.accelerator.backward(loss)
            self.optimiser.step()
        return loss.detach()


# ---------------------------------------------------------------- the run


def train(config: Config) -> Path:
    """Train; returns the folder of the checkpoint. Goes on where an earlier run of ``out`` stopped."""
    out = Path(config.out)
    accelerator = loop.accelerator(
        out, seed=config.seed, mixed_precision=config.mixed_precision, tracker=config.tracker
    )
    device = accelerator.device
    train_files, held = sources(config)
    source = Source(config, [Pictures(files, config.short_side) for files in train_files])
    count = sum(map(len, train_files))
    per_epoch = max(1, count // (config.batch_size * accelerator.num_processes))
    if config.epochs:
        config = replace(config, steps=config.epochs * per_epoch)
    every = {what: getattr(config, f"{what}_every") or per_epoch for what in ("checkpoint", "sample", "log")}

    net = build(config).train().to(memory_format=torch.channels_last)
    averaged = loop.ema(net, config.ema).to(device)
    model = Coloured(net, config)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=config.learning_rate, betas=(config.beta1, config.beta2))
    judge = Judge(config, accelerator) if config.adversarial_weight else None
    model, optimiser = accelerator.prepare(model, optimiser)
    progress = loop.Progress()
    accelerator.register_for_checkpointing(averaged, progress)
    loop.resume(accelerator, out)
    loop.start_trackers(accelerator, "colorunet", config)
    rarity = None
    if config.rebalance:
        some = source.draw(min(256, 4 * count), 48, torch.Generator().manual_seed(config.seed))
        rarity = Rarity(image.rgb_to_yuv(some)[:, 1:], config.rebalance).to(device)
    shown = squares(find_pictures(config.samples) if config.samples else held[0] or train_files[0], 8, config.size)

    def make(step: int) -> dict:
        rng = loop.step_generator(config.seed, step, accelerator.process_index)
        # Mode seeking takes another than the one that is trained on, also where there is no choice.
        drawn = max(config.candidates, 2 if config.mode_seeking else 1)
        noises = draw_noises(net, drawn * config.batch_size, config.size, rng).unflatten(0, (drawn, -1))
        return {**source.batch(rng), "noises": noises, "rng": rng}

    def save() -> None:
        _save(accelerator, averaged.module, out)  # first: it refuses weights that are NaN
        loop.checkpoint(accelerator, out)
        if accelerator.is_main_process:
            loop.record(out, accelerator, config, progress, pictures=count, held_back=sum(map(len, held)))

    seen: list[dict[str, torch.Tensor]] = []
    for step, data in prefetch(make, loop.steps(accelerator, progress.step, config.steps, out.name)):
        share = loop.rate(config.schedule, step, config.steps, config.warmup)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * share
        rng = data.pop("rng")
        data = {name: x.to(device) for name, x in data.items()}
        luma, chroma = data["luma"], data["chroma"]
        weight = weigh(chroma, rarity, data.get("hints"), config.hint_weight)
        with accelerator.autocast():
            found = model(luma, data.get("hints"), data["noises"], chroma, weight)
        losses = {"l1": found["l1"], "l2": found["l2"]}
        fog = config.instance_noise * (1 - step / config.steps)
        if judge:
            losses["adversarial"] = config.adversarial_weight * judge.teach(luma, found["made"], fog, rng)
        if config.mode_seeking:
            apart = (found["made"] - found["other"]).abs().mean((1, 2, 3)) / found["noise_apart"]
            losses["mode_seeking"] = config.mode_seeking * (1e-3 / (apart + 1e-3)).mean()
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(sum(losses.values()))
        if config.clip:
            accelerator.clip_grad_norm_(model.parameters(), config.clip)
        optimiser.step()
        averaged.update_parameters(accelerator.unwrap_model(model).model)
        if judge:
            losses["judge"] = judge.learn(luma, found["made"].detach(), chroma, fog, rng)
        progress.step = step + 1
        seen.append({name: loss.detach() for name, loss in losses.items()})
        if progress.step % every["log"] == 0 or progress.step == config.steps:
            means = {name: torch.stack([s[name] for s in seen]).mean().item() for name in seen[0]}
            accelerator.log(means | {"rate": share}, step=progress.step)
            seen.clear()
        if progress.step % every["sample"] == 0 or progress.step == config.steps:
            _show(accelerator, averaged.module, shown, out, progress.step)
        if progress.step % every["checkpoint"] == 0 and progress.step != config.steps:
            save()
    save()  # also where a resumed run had no step left
    accelerator.end_training()
    return out / "model"


SEEDS = 10  # of the figures that go with a sample sheet; the sheet shows four


def colourings(model: ColorUNet, luma: torch.Tensor, seeds: range) -> Iterator[torch.Tensor]:
    """(N, 3, H, W) RGB in [0, 1] of luma (N, 1, H, W), seed by seed."""
    features = model.encode(luma)
    height, width = luma.shape[-2:]
    for seed in seeds:
        noise = model.coarse(model.noise(seed, height, width)).to(luma)
        chroma = model.decode(features, noise)[..., :height, :width]
        yield image.yuv_to_rgb(torch.cat([luma, chroma.to(luma)], 1)).clamp(0, 1)


def figures(truth: torch.Tensor, made: list[torch.Tensor]) -> dict[str, float]:
    """Of pictures (N, 3, H, W) and their colourings by several seeds: CIEDE2000 to the truth of the first and of the
    best one, that between two seeds, and colourfulness in parts of the truth's. On pictures of 64 pixels, for speed:
    to follow a run by, not for the card."""
    small = [F.interpolate(x.cpu().float(), (64, 64), mode="area") for x in (truth, *made)]
    truth, made = small[0], small[1:]
    errors = torch.stack([metrics.ciede2000(x, truth) for x in made])
    apart = [metrics.diversity(torch.stack(seeds)) for seeds in zip(*made, strict=True)]
    colour = torch.cat([metrics.colourfulness(x) for x in made]).mean() / metrics.colourfulness(truth).mean()
    return {
        "ciede2000_first": errors[0].mean().item(),
        f"ciede2000_best_of_{len(made)}": errors.amin(0).mean().item(),
        "ciede2000_between_seeds": sum(apart) / len(apart),
        "colourfulness": colour.item(),
    }


@torch.no_grad()
def _show(accelerator: Accelerator, model: ColorUNet, shown: torch.Tensor, out: Path, step: int) -> None:
    """A sheet, one picture a row: grey, four seeds, truth. As a file and in the trackers, with figures."""
    if not accelerator.is_main_process:
        return
    truth = shown.to(accelerator.device)
    luma = image.luma(truth)
    made = list(colourings(model, luma, range(SEEDS)))
    columns = [luma.expand(-1, 3, -1, -1), *made[:4], truth]
    sheet = loop.save_grid(out / "samples" / f"step_{step:06d}.png", list(torch.stack(columns, 1)))
    if torch.stack(made).isfinite().all():  # else the next checkpoint says what is wrong
        accelerator.log(figures(truth, made), step=step)
    for tracker in accelerator.trackers:
        if hasattr(tracker, "log_images"):
            tracker.log_images({"samples": sheet[None].cpu().numpy()}, step=step, dataformats="NCHW")


@torch.no_grad()
def _save(accelerator: Accelerator, model: ColorUNet, out: Path) -> None:
    """The averaged weights: "model", folded and in half precision, is the very file that the app loads; "base" has
    its norms still and is what another training begins with."""
    if accelerator.is_main_process:
        model.folded().save_pretrained(out / "model", dtype="float16")
        model.save_pretrained(out / "base")
    accelerator.wait_for_everyone()


def main(argv: list[str] | None = None) -> Path:
    """Train one colouriser; returns the checkpoint folder."""
    return train(loop.parse(Config, argv, PRESETS))


if __name__ == "__main__":
    sys.exit(loop.exit_status(main))
