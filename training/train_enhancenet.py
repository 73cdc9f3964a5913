"""Train the net that enlarges pictures four times: `python -m training.train_enhancenet --help`.

EnhanceNet (Sajjadi et al. 2017) in its two regimes, as presets of one trainer. `fidelity`, the paper's E: as near
to the truth as pixels go. `texture`, the paper's PAT: fine-tuned from fidelity (so that the two can be mixed by
their weights) with a perceptual loss, an adversarial one and the Gram matrices of patches of 16 pixels. `photo`:
fidelity fine-tuned for pictures that are blurred, noisy and JPEGs. Their settings are those of the weights that ship.
Departures from the paper: features of our own encoder unless `--features vgg19`, a least-squares PatchGAN, and losses
that hold the reduced result to the input, keep the shuffle's grid out and call artefacts by their name (Liang et al.
2022).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.nn import functional as F

from artcore import metrics, perceptual
from artcore.models.enhancenet import PRESETS as LAYERS
from artcore.models.enhancenet import SCALE, EnhanceNet, enlarge, reduce
from training import loop
from training.adversarial import PatchDiscriminator, least_squares, train_judge
from training.data import Pictures, dataset, find_pictures, origins, prefetch, split
from training.losses import feature_net, layer_weights
from training.pairs import DEGRADATIONS, batch, photo

DIV2K = "http://data.vision.ee.ethz.ch/cvl/DIV2K/"
LARGE = 10**9  # a short side that no picture has: nothing is reduced
TEXTURE = {
    # By looking. With less against the shuffle's grid, fur and sand are dotted every four pixels: the net has no noise
    # to make texture of. Longer, or with more of the judge, the dots come back.
    "pixel_weight": 0.5,
    "perceptual_weight": 0.03,
    "texture_weight": 0.02,
    "adversarial_weight": 0.12,
    "consistency_weight": 3.0,
    "grid_weight": 20.0,
    "artefact_weight": 30.0,
    "jitter": 16,
    "size": 144,
    "steps": 900,
    "learning_rate": 2e-4,
    # By looking too: at 1 a weave is left on dark and on blurred places, at 0.8 a trace of it, at 0.65 none is seen.
    "interpolation": 0.65,
}
PRESETS: dict[str, dict] = {
    "fidelity": {},
    "texture": TEXTURE,
    "photo": {"degrade": "photo", "steps": 3500, "learning_rate": 5e-4},
    # The layers, the loss and the crops of the paper; it trained on 200 000 pictures.
    "paper": LAYERS["paper"] | {"pixel_loss": "l2", "size": 128, "learning_rate": 1e-4, "schedule": "constant"},
}
PIXEL_LOSSES = ("l1", "l2", "charbonnier")
Window = tuple  # an index into (N, C, H, W)


@dataclass(frozen=True)
class Config:
    """Settings of an EnhanceNet training."""

    pictures: tuple[str, ...] = ("data/sr",)  # folders of lossless pictures, hub:org/name, or DIV2K, downloaded
    div2k_url: str = DIV2K  # where DIV2K_train_HR.zip is
    more: tuple[str, ...] = ()  # folders of any pictures, reduced before use: that takes most marks of JPEG away
    more_share: float = 0.4  # of the crops that come from them
    more_short_side: int = 160
    buffer: int = 0  # pictures kept in memory; 0: all (DIV2K needs 9 GB)
    hold_back: float = 0.05  # of the pictures: they give the sample sheet and the PSNR in the log
    out: str = "runs/enhancenet"
    init: str = ""  # checkpoint folder or Hub repo to fine-tune: texture and photo start from fidelity
    scratch: bool = False  # texture or photo without init, which takes as long as fidelity and can't be mixed with it
    channels: int = 32  # this and the next three: of a new net; with init it has what that has
    blocks: int = 7
    upsample: str = "shuffle"
    expansion: int = 4  # of the blocks' convolutions while they train; none in what was saved
    degrade: str = "none"  # or "photo": blur, noise, JPEG
    pixel_loss: str = "l1"  # or "l2", "charbonnier"
    pixel_weight: float = 1.0
    features: str = "weights/encoder"  # ArtEncoder folder or repo, "vgg19", or a file of VGG-19 weights
    perceptual_layers: tuple[str, ...] = ("r2_2", "r4_2")
    perceptual_weight: float = 0.0
    texture_layers: tuple[str, ...] = ("r1_1", "r2_1", "r3_1")
    texture_patch: int = 16  # pixels of a side
    texture_weight: float = 0.0
    adversarial_weight: float = 0.0
    consistency_weight: float = 0.0  # of the reduced result's distance to what was enlarged
    grid_weight: float = 0.0  # of a pattern with the period of the shuffle (grid_distance)
    artefact_weight: float = 0.0  # of what the net makes up more wildly than its own average (artefact_distance)
    jitter: int = 0  # pixels that features and judge look away from the corner, at random, and do not see of a side
    discriminator_channels: int = 32
    steps: int = 28000
    batch_size: int = 8  # per process; the papers' 16 learns less in the same time
    size: int = 192  # of the truth; the net sees a quarter of it
    learning_rate: float = 2e-3
    discriminator_rate: float = 2e-4
    beta2: float = 0.99
    schedule: str = "cosine"
    warmup: int = 100
    clip: float = 1.0
    ema: float = 0.999
    interpolation: float = 1.0  # what is saved lies so far from init to what was trained (Wang et al. 2018, "ESRGAN")
    mixed_precision: str = "no"  # "bf16" where the processor has it
    checkpoint_every: int = 500
    sample_every: int = 500
    log_every: int = 50
    tracker: str = "tensorboard"
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {"degrade": DEGRADATIONS, "pixel_loss": PIXEL_LOSSES, "schedule": loop.SCHEDULES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise loop.ConfigError(f"{name} is {getattr(self, name)!r}; choose from {', '.join(known)}.")
        seen = self.size - self.jitter
        if self.size % SCALE or self.texture_patch % 8 or seen % self.texture_patch:
            raise loop.ConfigError(
                f"size is {self.size}, jitter {self.jitter} and texture_patch {self.texture_patch}; give a size that "
                "is a multiple of 4 and, less the jitter, of the patch, and a patch that is one of 8."
            )
        if (self.degrade != "none" or self.adversarial_weight) and not (self.init or self.scratch):
            raise loop.ConfigError(
                "texture and photo are fine-tuned from fidelity; give --init weights/enhancenet.fidelity, or --scratch "
                "to begin with nothing."
            )
        if not 0 < self.interpolation <= 1 or (self.interpolation < 1 and not (self.init or self.scratch)):
            raise loop.ConfigError(f"interpolation is {self.interpolation}; give more than 0, to 1; below 1 with init.")
        if not 0 <= self.more_share < 1:
            raise loop.ConfigError(f"more_share is {self.more_share}; give 0 or more, less than 1.")
        least = {"batch_size": 1, "buffer": 0, "more_short_side": 8, "steps": 0, "jitter": 0}
        least |= dict.fromkeys(("checkpoint_every", "sample_every", "log_every"), 1)
        if self.adversarial_weight:
            least["size"] = PatchDiscriminator.smallest + self.jitter
        for name, low in least.items():
            if getattr(self, name) < low:
                raise loop.ConfigError(f"{name} is {getattr(self, name)}; give {low} or more.")
        kinds = ("pixel", "perceptual", "texture", "consistency", "grid", "artefact", "adversarial")
        weights = [getattr(self, f"{kind}_weight") for kind in kinds]
        if min(weights) < 0 or not any(weights):
            raise loop.ConfigError("No loss has a weight; give pixel_weight, or another, more than 0.")


def find(source: str, url: str = DIV2K) -> list[Path]:
    """The pictures of a folder, of hub:org/name, or of "DIV2K" (Agustsson and Timofte 2017, 3.5 GB) downloaded."""
    return find_pictures(str(dataset("DIV2K_train_HR", url, holds=())) if source == "DIV2K" else source)


def build(config: Config) -> EnhanceNet:
    """The net to train: fine-tuned from ``init``, or new."""
    if config.init:
        net = EnhanceNet.from_pretrained(config.init).requires_grad_(True)
    else:
        net = EnhanceNet(config.channels, config.blocks, config.upsample, config.expansion)
    net.consistent = config.degrade == "none"
    return net


@torch.no_grad()
def finished(net: EnhanceNet, config: Config) -> EnhanceNet:
    """The net that is saved: with plain convolutions, and ``interpolation`` of the way from ``init`` to ``net``."""
    net = net.folded()
    if config.init and config.interpolation < 1:
        start = EnhanceNet.from_pretrained(config.init).state_dict()
        for name, tensor in net.state_dict().items():
            tensor.lerp_(start[name].to(tensor), 1 - config.interpolation)
    return net


def pixel_distance(made: torch.Tensor, truth: torch.Tensor, kind: str) -> torch.Tensor:
    """Mean over all pixels of |d| ("l1"), d^2 ("l2") or sqrt(d^2 + 1e-6) ("charbonnier", Lai et al. 2017)."""
    difference = made - truth
    if kind == "l1":
        return difference.abs().mean()
    return difference.square().mean() if kind == "l2" else (difference.square() + 1e-6).sqrt().mean()


def grid_distance(made: torch.Tensor, truth: torch.Tensor, sides: tuple[int, ...] = (32, 12)) -> torch.Tensor:
    """How much of a pattern of 4 x 4 pixels there is in one and not in the other: mean difference of the 16 phases'
    means over patches of these ``sides`` in pixels, less what all phases share.

    Features and judges like such a weave, which a shuffle of channels makes as easily as detail, and the reduced
    picture does not show it. Real texture seldom has this period and cancels in the means. The small patches see
    what runs along an edge and is over within a few pixels.
    """
    found = []
    for side in sides:
        phases = F.avg_pool2d(F.pixel_unshuffle(made - truth, SCALE), min(side, *made.shape[-2:]) // SCALE)
        phases = phases.unflatten(1, (-1, SCALE**2))
        found.append((phases - phases.mean(2, keepdim=True)).abs().mean())
    return sum(found) / len(found)


def artefact_distance(made: torch.Tensor, calm: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean |made - truth|, weighted by how much the error varies within 7 x 7 pixels, where it is larger than that of
    ``calm``, what the average of the net's last weights makes of the same (Liang et al. 2022, "Details or artifacts").

    Teeth along an edge vary wildly and are gone from the average; a texture that is right stays in both.
    """
    error = (made - truth).abs().sum(1, keepdim=True)
    with torch.no_grad():
        mean, square = (F.avg_pool2d(x, 7, 1, 3, count_include_pad=False) for x in (error, error.square()))
        weight = (square - mean.square()).clamp_min(0) * error.std((1, 2, 3), keepdim=True).clamp_min(1e-6) ** 0.4
        weight[error < (calm - truth).abs().sum(1, keepdim=True)] = 0
    return (weight * error).mean()


class Losses:
    """All terms but the adversarial one, each already times its weight."""

    def __init__(self, config: Config, accelerator: Accelerator):
        self.config, self.accelerator, self.net = config, accelerator, None
        if config.perceptual_weight or config.texture_weight:
            net = feature_net(config.features).to(accelerator.device, memory_format=torch.channels_last)
            self.net = net.requires_grad_(False).eval()
            self.perceptual = layer_weights(dict.fromkeys(config.perceptual_layers, 1.0), net)
            self.texture = layer_weights(dict.fromkeys(config.texture_layers, 1.0), net)

    def __call__(
        self,
        made: torch.Tensor,
        truth: torch.Tensor,
        small: torch.Tensor,
        window: Window,
        calm: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Of (N, 3, H, W) made and true, of what was enlarged, and of what the average net makes of it; float32. The
        feature net looks through ``window``."""
        config, losses = self.config, {}
        if config.pixel_weight:
            losses["pixel"] = config.pixel_weight * pixel_distance(made, truth, config.pixel_loss)
        if config.consistency_weight:
            losses["consistency"] = config.consistency_weight * (reduce(made) - small).abs().mean()
        if config.grid_weight:
            losses["grid"] = config.grid_weight * grid_distance(made, truth)
        if config.artefact_weight and calm is not None:
            losses["artefact"] = config.artefact_weight * artefact_distance(made, calm, truth)
        if self.net is None:
            return losses
        made, truth = made[window], truth[window]
        layers = self.perceptual | self.texture
        with self.accelerator.autocast():
            features = self.net(made.to(memory_format=torch.channels_last), list(layers))
            with torch.no_grad():
                real = self.net(truth.to(memory_format=torch.channels_last), list(layers))
        if config.perceptual_weight:
            losses["perceptual"] = config.perceptual_weight * perceptual.content_loss(features, real, self.perceptual)
        if config.texture_weight:
            losses["texture"] = config.texture_weight * perceptual.texture_loss(
                features, real, self.texture, ((config.size - config.jitter) // config.texture_patch,) * 2
            )
        return losses


@torch.no_grad()
def evaluate(
    net: EnhanceNet, pictures: Pictures, device: torch.device, degradation: str = "none"
) -> dict[str, float]:
    """Means over whole pictures that are reduced as the net is trained for, and enlarged: Y-PSNR in dB (4 pixels
    shaved) of the net and of the bicubic enlargement; and as "consistency", as on cards, PSNR in dB over red, green
    and blue of the result, reduced and not rounded again, to the input."""
    found: dict[str, list[float]] = {"psnr_y": [], "bicubic": [], "consistency": []}
    for i in range(len(pictures)):
        height, width = (s - s % SCALE for s in pictures[i].shape[1:])
        truth = pictures[i][None, :, :height, :width].float() / 255
        small = reduce(truth) if degradation == "none" else photo(truth, loop.step_generator(0, i))
        small = _eight_bits(small)
        made = _eight_bits(net(small.to(device)).float().cpu())
        found["psnr_y"].append(metrics.psnr_y(made, truth, crop=SCALE).item())
        found["bicubic"].append(metrics.psnr_y(_eight_bits(enlarge(small)), truth, crop=SCALE).item())
        found["consistency"].append(metrics.psnr(reduce(made).clamp(0, 1), small).item())
    return {name: sum(values) / len(values) for name, values in found.items() if values}


def _eight_bits(x: torch.Tensor) -> torch.Tensor:
    return x.mul(255).round().clamp(0, 255) / 255


def train(config: Config) -> Path:
    """Train a net; returns the folder of its checkpoint. Goes on where an earlier run of ``out`` stopped."""
    out = Path(config.out)
    accelerator = loop.accelerator(
        out, seed=config.seed, mixed_precision=config.mixed_precision, tracker=config.tracker
    )
    device = accelerator.device
    files, held_files = split([f for s in config.pictures for f in find(s, config.div2k_url)], config.hold_back)
    pictures, held = Pictures(files, LARGE, config.buffer), Pictures(held_files or files[:8], LARGE, config.buffer)
    besides = {s: find(s, config.div2k_url) for s in config.more}
    more = Pictures([f for found in besides.values() for f in found], config.more_short_side, config.buffer)
    some = config.more_share if more.files else 0.0
    sources = [(source, part) for source, part in ((pictures, 1 - some), (more, some)) if part]

    model = build(config).train().to(memory_format=torch.channels_last)
    shape = ("channels", "blocks", "upsample", "expansion")
    config = replace(config, **{name: model._hub_mixin_config[name] for name in shape})  # of init, where there is one
    averaged = loop.ema(model, config.ema).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.9, config.beta2))
    progress = loop.Progress()
    model, optimiser = accelerator.prepare(model, optimiser)
    judge = judge_optimiser = None
    if config.adversarial_weight:
        judge = PatchDiscriminator(config.discriminator_channels).to(memory_format=torch.channels_last)
        judge_optimiser = torch.optim.Adam(judge.parameters(), lr=config.discriminator_rate, betas=(0.5, 0.99))
        judge, judge_optimiser = accelerator.prepare(judge, judge_optimiser)
    accelerator.register_for_checkpointing(averaged, progress)
    loop.resume(accelerator, out)
    loop.start_trackers(accelerator, "enhancenet", config)
    losses_of = Losses(config, accelerator)
    shown = _shown(held, config)

    def make(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = loop.step_generator(config.seed, step, accelerator.process_index)
        return batch(sources, config.batch_size, config.size, rng, config.degrade)

    def save() -> None:
        loop.checkpoint(accelerator, out)
        if accelerator.is_main_process:
            saved = finished(averaged.module, config)
            saved.save_pretrained(out / "model", dtype="float16")
            figures = evaluate(saved, held, device, config.degrade)
            accelerator.log(figures, step=progress.step)
            counts = {"pictures": len(pictures), "more": len(more), "held_back": len(held_files)}
            here = [f for s, found in besides.items() if not s.startswith("hub:") for f in found]
            loop.record(out, accelerator, config, progress, **counts, more_from=origins(here), **figures)
        accelerator.wait_for_everyone()

    for step, (small, truth) in prefetch(make, loop.steps(accelerator, progress.step, config.steps, out.name)):
        share = loop.rate(config.schedule, step, config.steps, config.warmup)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * share
        small, truth = (x.to(device, memory_format=torch.channels_last) for x in (small, truth))
        with accelerator.autocast():
            made = model(small)
        calm = None
        if config.artefact_weight:
            with torch.no_grad(), accelerator.autocast():
                calm = averaged(small)
        window = look(config, loop.step_generator(config.seed + 1, step))
        losses = losses_of(made, truth, small, window, calm)
        if judge is not None:
            judge.requires_grad_(False)
            with accelerator.autocast():
                scores = judge(made[window])
            losses["adversarial"] = config.adversarial_weight * least_squares(scores, real=True)
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(sum(losses.values()))
        accelerator.clip_grad_norm_(model.parameters(), config.clip)
        optimiser.step()
        averaged.update_parameters(accelerator.unwrap_model(model))
        if judge is not None:
            losses["judge"] = train_judge(
                accelerator, judge, judge_optimiser, made.detach()[window], truth[window], None
            )
        progress.step = step + 1
        if step % config.log_every == 0:
            accelerator.log({k: v.item() for k, v in losses.items()} | {"rate": share}, step=step)
        if progress.step % config.sample_every == 0 or progress.step == config.steps:
            _show(accelerator, averaged.module, shown, out, progress.step)
        if progress.step % config.checkpoint_every == 0 and progress.step != config.steps:
            save()
    save()  # also where a resumed run had no step left
    accelerator.end_training()
    return out / "model"


def look(config: Config, rng: torch.Generator) -> Window:
    """The window that features and judge see at a step. Their strides make a grid; where it always fell on the
    shuffle's, its pattern was drawn into the picture."""
    top, left = torch.randint(0, config.jitter + 1, (2,), generator=rng).tolist()
    side = config.size - config.jitter
    return (..., slice(top, top + side), slice(left, left + side))


def _shown(held: Pictures, config: Config, count: int = 6, size: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs for the sample sheet: the same windows of held-back pictures at every step."""
    pairs = []
    for i in range(min(count, len(held))):
        one = Pictures(held.files[i : i + 1], LARGE)
        pairs.append(batch([(one, 1.0)], 1, size, loop.step_generator(0, i), config.degrade))
    return tuple(torch.cat(part) for part in zip(*pairs, strict=True))


@torch.no_grad()
def _show(
    accelerator: Accelerator, net: EnhanceNet, shown: tuple[torch.Tensor, torch.Tensor], out: Path, step: int
) -> None:
    """A sheet of crops, bicubic above the net's above the truth, as a file and in the trackers."""
    if not accelerator.is_main_process:
        return
    small, truth = shown
    made = net(small.to(accelerator.device)).cpu()
    rows = [F.interpolate(x.clamp(0, 1), scale_factor=2) for x in (enlarge(small), made, truth)]
    sheet = loop.save_grid(out / "samples" / f"step_{step:06d}.png", rows)
    for tracker in accelerator.trackers:
        if hasattr(tracker, "log_images"):
            tracker.log_images({"samples": sheet[None].numpy()}, step=step, dataformats="NCHW")


def main(argv: list[str] | None = None) -> Path:
    """Train as the arguments say; returns the checkpoint's folder."""
    return train(loop.parse(Config, argv, PRESETS))


if __name__ == "__main__":
    sys.exit(loop.exit_status(main))
