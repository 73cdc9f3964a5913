"""Train a feed-forward painter for every folder of paintings: `python -m training.train_stylenet --help`.

Document 001's method (one net per movement, trained on the average Gram matrix of its paintings) and ours:
each photo against the one of a few random paintings that is most like it, recoloured a little towards it, so
that hues belong to the scene, and a patch discriminator that knows all the paintings. Losses: content + style +
total variation (Gatys et al. 2016, Johnson et al. 2016), sliced Wasserstein (Heitz et al. 2021), colour moments,
layout, least-squares GAN.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from artcore import perceptual
from artcore.hub import ArtModel
from artcore.models.stylenet import StyleNet, StyleTransferNetwork
from training import loop
from training.adversarial import PatchDiscriminator, augment, least_squares, train_judge
from training.data import SUFFIXES, DataError, Pictures, batch, find_pictures, locate, prefetch, split, squares
from training.losses import Losses, feature_net, layer_weights, pair

ARCHITECTURES = {"StyleNet": StyleNet, "StyleTransferNetwork": StyleTransferNetwork}

_DOCUMENT_LAYERS = ("r1_1", "r2_1", "r3_1", "r4_1", "r5_1")


def _document_001(layer_weights: tuple[float, ...], **changes: object) -> dict:
    """Settings of document 001, whose weights are for plain mean squares, not for relative errors."""
    return {
        "architecture": "StyleTransferNetwork",
        "target": "mean_gram",
        "relative": False,
        "content_layers": {"r4_2": 1.0},  # the document names no layer; the usual one of VGG-19
        "style_layers": dict(zip(_DOCUMENT_LAYERS, layer_weights, strict=True)),
        "content_weight": 1.0,
        "swd_weight": 0.0,
        "colour_weight": 0.0,
        "layout_weight": 0.0,
        "adversarial_weight": 0.0,
        "copy_steps": 0,
        "candidates": 1,
        "schedule": "step",
        "learning_rate": 1e-3,
        "batch_size": 4,
        **changes,
    }


PRESETS: dict[str, dict] = {
    "document-001-original": _document_001((1.0, 0.8, 0.4, 0.2, 0.2), style_weight=1e5, tv_weight=1e-6, epochs=500),
    # A painter out of twenty paintings and a painter that there is, in minutes: all of the colour that they have, less
    # of the photo, strokes of paintings that are enlarged less; nothing holds the net to the average of many.
    "finetune": {
        "init": "weights/stylenet.vangogh",
        "steps": 300,
        "warmup": 20,
        "content_weight": 0.08,
        "swd_weight": 4.0,
        "tv_weight": 0.75,
        "colour_weight": 1.0,
        "layout_weight": 1.0,
        "recolour": 0.1,
        "candidates": 4,
        "painting_zoom": (1.5, 2.5),
        "noise_gain": 0.35,
        "mixed_precision": "auto",
        "checkpoint_every": 50,
        "sample_every": 50,
    },
    "document-001-improved": _document_001((0.2, 0.2, 0.4, 0.3, 0.2), style_weight=1e12, tv_weight=1e-2, epochs=1200),
}


@dataclass(frozen=True)
class Config:
    """Settings of a StyleNet training. A folder of class folders trains one net per class, named after it."""

    photos: str = "data/photos"  # folder or hub:org/name
    paintings: str = "data/styles"  # folder of paintings, or of class folders
    out: str = "runs/stylenet"
    together: bool = False  # one net on all class folders: a base for the others to be fine-tuned from
    samples: str = ""  # photos for the sample grid; empty: held-back ones
    architecture: str = "StyleNet"
    channels: tuple[int, ...] = ()  # empty: the architecture's own
    blocks: int = 0  # 0: the architecture's own
    norm: str = "batch"  # StyleNet only; with --init of a folded net there is none left
    init: str = ""  # checkpoint folder or Hub repo to fine-tune; nets that share one can be mixed by weights
    features: str = "weights/encoder"  # ArtEncoder folder or repo, "vgg19", or a file of VGG-19 weights
    target: str = "painting"  # "painting": for each photo one of a few random ones; "mean_gram": the average of all
    recolour: float = 0.25  # how far a painting's colours go towards the photo's: 0 not at all, 1 all the way
    relative: bool = True  # losses relative to their targets, or plain mean squares
    content_layers: dict[str, float] = field(default_factory=lambda: {"r3_2": 0.5, "r4_1": 0.5})
    style_layers: dict[str, float] = field(
        default_factory=lambda: {"r1_1": 0.15, "r1_2": 0.15, "r2_1": 0.2, "r3_1": 0.2, "r4_1": 0.2, "r4_2": 0.1}
    )
    content_weight: float = 0.15
    style_weight: float = 0.2  # of Gram matrices
    swd_weight: float = 2.0  # of sliced Wasserstein distances in the style layers; only with target "painting"
    tv_weight: float = 1.5
    colour_weight: float = 0.5
    layout_weight: float = 2.0  # holds the means of 16 x 16 pixels: light and hues stay where they are
    candidates: int = 3  # painting crops drawn for each photo; it gets the one most like it in colour and busyness
    adversarial_weight: float = 0.5
    discriminator_channels: int = 32
    copy_steps: int = 300  # a new net first learns to copy the photo; one that is fine-tuned (init) needs not
    steps: int = 8000
    epochs: int = 0  # passes over the photos; when given, it sets the steps
    batch_size: int = 8  # per process
    size: int = 176
    photo_zoom: tuple[float, ...] = (0.7, 1.3)
    painting_zoom: tuple[float, ...] = (2.0, 3.5)  # enlarged paintings give strokes that show at 1080p
    short_side: int = 288
    hold_back_photos: float = 0.05
    hold_back_paintings: float = 0.1
    noise_gain: float = 0.3  # of the saved net: trained at 1, where noise has to feign strokes in every sky
    learning_rate: float = 1e-3
    discriminator_rate: float = 4e-4
    schedule: str = "cosine"  # or "step": halved four times; or "linear": held, then down to nothing
    warmup: int = 100
    clip: float = 1.0
    ema: float = 0.999
    mixed_precision: str = "no"  # "bf16" where the processor has it; "auto": where it is faster
    checkpoint_every: int = 500
    sample_every: int = 500
    tracker: str = "tensorboard"
    seed: int = 0


@torch.no_grad()
def mean_gram(pictures: Pictures, net: ArtModel, layers: list[str], size: int, device: torch.device) -> dict:
    """Average Gram matrix (1, C, C) of each layer over all pictures (document 001): of the square in the middle,
    resized to ``size``; pictures that are exactly square are first drawn out to 4:3, since their sources
    squeezed them."""
    total: dict[str, torch.Tensor] = {}
    for i in range(len(pictures)):
        picture = pictures[i][None].to(device).float() / 255
        height, width = picture.shape[-2:]
        wide = (size, round(size * 4 / 3)) if height == width else (size, max(size, round(size * width / height)))
        if height > width:
            wide = (round(size * height / width), size)
        picture = F.interpolate(picture, wide, mode="bicubic", antialias=True).clamp(0, 1)
        top, left = ((s - size) // 2 for s in wide)
        picture = picture[..., top : top + size, left : left + size]
        for name, g in perceptual.grams(net(picture, layers)).items():
            total[name] = total.get(name, 0.0) + g / len(pictures)
    return total


def classes(paintings: str, together: bool = False) -> dict[str, Path]:
    """{class name: folder}: the folder itself when it holds pictures, else each folder in it that does."""
    root = locate(paintings)
    if not root.is_dir():
        raise DataError(f"{paintings!r} is no folder; give a folder of paintings, or of folders of them.")
    name = paintings.rpartition("/")[2] if paintings.startswith("hub:") else root.resolve().name
    if together or _holds_pictures(root.iterdir()):
        return {name: root}
    found = {p.name: p for p in sorted(root.iterdir()) if p.is_dir() and _holds_pictures(p.rglob("*"))}
    if not found:
        raise DataError(f"{paintings!r} holds neither pictures nor folders of pictures; give a folder that does.")
    return found


def _holds_pictures(paths: Iterable[Path]) -> bool:
    return any(p.suffix.lower() in SUFFIXES for p in paths)


def _paintings(folder: Path, together: bool, hold_back: float) -> list[Path]:
    """The paintings to train on. A base holds back of each class what that class itself holds back later."""
    folders = classes(str(folder)).values() if together else [folder]
    return [file for f in folders for file in split(find_pictures(str(f)), hold_back)[0]]


def build(config: Config) -> ArtModel:
    """The net to train: fine-tuned from ``init``, or new."""
    if config.architecture not in ARCHITECTURES:
        raise loop.ConfigError(f"architecture is {config.architecture!r}; choose from {', '.join(ARCHITECTURES)}.")
    kind = ARCHITECTURES[config.architecture]
    if config.init:
        return kind.from_pretrained(config.init).requires_grad_(True)
    options: dict = {k: v for k, v in (("channels", config.channels), ("blocks", config.blocks)) if v}
    if kind is StyleNet:
        options["norm"] = config.norm
    return kind(**options)


def train(config: Config, name: str, folder: Path) -> Path:
    """Train one net; returns the folder of its checkpoint. Goes on where an earlier run of ``out`` stopped."""
    out = Path(config.out) / name
    accelerator = loop.accelerator(
        out, seed=config.seed, mixed_precision=config.mixed_precision, tracker=config.tracker
    )
    device = accelerator.device
    photo_files, held_photos = split(find_pictures(config.photos), config.hold_back_photos)
    painting_files = _paintings(folder, config.together, config.hold_back_paintings)
    photos, paintings = Pictures(photo_files, config.short_side), Pictures(painting_files, config.short_side)
    if config.epochs:
        per_step = config.batch_size * accelerator.num_processes
        config = replace(config, steps=max(1, config.epochs * len(photos) // per_step))

    if config.init:
        config = replace(config, copy_steps=0)
    loop.rate(config.schedule, 0, 1)  # a wrong name is said before anything is read

    model = build(config).train().to(memory_format=torch.channels_last)
    averaged = loop.ema(model, config.ema).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    progress = loop.Progress()
    model, optimiser = accelerator.prepare(model, optimiser)
    judge = judge_optimiser = None
    if config.adversarial_weight:
        judge = PatchDiscriminator(config.discriminator_channels).to(memory_format=torch.channels_last)
        judge_optimiser = torch.optim.Adam(judge.parameters(), lr=config.discriminator_rate, betas=(0.5, 0.99))
        judge, judge_optimiser = accelerator.prepare(judge, judge_optimiser)
    accelerator.register_for_checkpointing(averaged, progress)
    loop.resume(accelerator, out)
    loop.start_trackers(accelerator, "stylenet", config)
    net = feature_net(config.features).to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
    losses_of = Losses(config, accelerator, net, _average_gram(config, accelerator, out, paintings, net))
    shown = squares(find_pictures(config.samples) if config.samples else held_photos or photo_files)

    def make(step: int) -> dict:
        rng = loop.step_generator(config.seed, step, accelerator.process_index)
        n, size = config.batch_size, config.size
        photo = batch(photos, n, size, rng, zoom=config.photo_zoom)
        painting = batch(paintings, config.candidates * n, size, rng, zoom=config.painting_zoom, unsqueeze=True)
        painting = painting[pair(photo, painting)] if config.candidates > 1 else painting
        return {
            "photos": photo,
            "paintings": painting,
            "seeds": torch.randint(0, 2**31 - 1, (n,), generator=rng).tolist(),
            "rng": rng,
        }

    def save() -> None:
        loop.checkpoint(accelerator, out)
        _save(accelerator, averaged, out, config.noise_gain)
        if accelerator.is_main_process:
            loop.record(out, accelerator, config, progress, photos=len(photos), paintings=len(paintings))

    for step, data in prefetch(make, loop.steps(accelerator, progress.step, config.steps, name)):
        share = loop.rate(config.schedule, step, config.steps, config.warmup)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * share
        photo = data["photos"].to(device, memory_format=torch.channels_last)
        painting = data["paintings"].to(device, memory_format=torch.channels_last)
        with accelerator.autocast():
            made = model(photo, data["seeds"])
        made = made.float()
        judged = judge is not None and step >= config.copy_steps
        if step < config.copy_steps:
            losses = {"copy": (made - photo).abs().mean()}
        else:
            losses = losses_of(made, photo, painting, data["rng"])
        if judged:
            judge.requires_grad_(False)
            with accelerator.autocast():
                scores = judge(augment(made, data["rng"]))
            losses["adversarial"] = config.adversarial_weight * least_squares(scores, real=True)
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(sum(losses.values()))
        accelerator.clip_grad_norm_(model.parameters(), config.clip)
        optimiser.step()
        averaged.update_parameters(accelerator.unwrap_model(model))
        if judged:
            losses["judge"] = train_judge(accelerator, judge, judge_optimiser, made.detach(), painting, data["rng"])
        progress.step = step + 1
        if step % 50 == 0:
            accelerator.log({k: v.item() for k, v in losses.items()} | {"rate": share}, step=step)
        if progress.step % config.sample_every == 0 or progress.step == config.steps:
            _show(accelerator, averaged, shown, out, progress.step)
        if progress.step % config.checkpoint_every == 0 and progress.step != config.steps:
            save()
    save()  # also where a resumed run had no step left
    accelerator.end_training()
    return out / "model"


def _average_gram(
    config: Config, accelerator: Accelerator, out: Path, paintings: Pictures, net: ArtModel
) -> dict[str, torch.Tensor] | None:
    """The mean Gram target, computed once and kept beside the run; None when photos meet single paintings."""
    if config.target == "painting":
        return None
    if config.target != "mean_gram":
        raise loop.ConfigError(f'target is {config.target!r}; give "painting" or "mean_gram".')
    layers = list(layer_weights(config.style_layers, net))
    made_of = [config.features, layers, config.size, [str(f) for f in paintings.files]]
    key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    file = out / f"mean_gram_{key}.safetensors"
    if accelerator.is_main_process and not file.exists():
        made = mean_gram(paintings, net, layers, config.size, accelerator.device)
        save_file({k: v.cpu().contiguous() for k, v in made.items()}, file.with_suffix(".new"))
        os.replace(file.with_suffix(".new"), file)
    accelerator.wait_for_everyone()
    return {k: v.to(accelerator.device) for k, v in load_file(file).items()}


@torch.no_grad()
def _show(accelerator: Accelerator, averaged: torch.nn.Module, shown: torch.Tensor, out: Path, step: int) -> None:
    """A sheet of the sample photos and their paintings, as a file and in the trackers."""
    if not accelerator.is_main_process:
        return
    painted = averaged.module(shown.to(accelerator.device), 0)
    sheet = loop.save_grid(out / "samples" / f"step_{step:06d}.png", [shown, painted])
    for tracker in accelerator.trackers:
        if hasattr(tracker, "log_images"):
            tracker.log_images({"samples": sheet[None].cpu().numpy()}, step=step, dataformats="NCHW")


@torch.no_grad()
def _save(accelerator: Accelerator, averaged: torch.nn.Module, out: Path, noise_gain: float) -> None:
    """The averaged weights, folded, in half precision: the very file that the app loads."""
    if accelerator.is_main_process:
        model = averaged.module
        if isinstance(model, StyleNet):
            model = model.folded()
            model.noise.weight.mul_(noise_gain)
        model.save_pretrained(out / "model", dtype="float16")
    accelerator.wait_for_everyone()


def main(argv: list[str] | None = None) -> list[Path]:
    """Train a net for every class of the paintings folder; returns the checkpoint folders."""
    config = loop.parse(Config, argv, PRESETS)
    return [train(config, name, folder) for name, folder in classes(config.paintings, config.together).items()]


if __name__ == "__main__":
    sys.exit(loop.exit_status(main))
