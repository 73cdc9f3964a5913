"""Train the ArtEncoder, the net that all perceptual losses look through: `python -m training.train_encoder`.

A plain classification, as VGG's (Simonyan and Zisserman 2015): features that tell things apart are what
content and style losses need. Data: class folders, zips of class folders, or Hub data sets of either form.
Recipe: SGD with Nesterov momentum, one cycle of the learning rate (Smith and Topin 2018), label smoothing,
pictures mirrored, shifted and lit anew, and an average of the weights over the end of the run.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from artcore import image
from artcore.models.encoder import ArtEncoder
from training import loop
from training.data import SUFFIXES, DataError, locate, prefetch, split

CHANNELS = (32, 64, 128, 256)


@dataclass(frozen=True)
class Config:
    """Settings of an encoder training. Several data sources are joined; equal class names are one class."""

    data: tuple[str, ...] = ("data/tiny_imagenet_64px.zip",)  # class folders, zips of them, or hub:org/name
    out: str = "runs/encoder"
    init: str = ""  # an ArtEncoder's folder or repo, or a .safetensors with batch norms, to train on from
    channels: tuple[int, ...] = ()  # empty: those of --init, else 32 64 128 256
    size: int = 64  # short side that pictures are brought to, and side of the square the net sees
    shift: int = 4  # pixels; pictures are mirrored at the edge
    jitter: float = 0.2  # brightness times 1 +- jitter, each colour times 1 +- half of it
    hold_back: float = 0.05  # of every class
    epochs: int = 10
    batch_size: int = 128  # per process
    learning_rate: float = 0.2  # at the top of the cycle
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.05
    ema: float = 0.999
    memory_gb: float = 4.0  # decoded pictures that each process keeps
    mixed_precision: str = "no"  # "bf16" where the processor has it
    checkpoint_every: int = 500
    tracker: str = "tensorboard"
    seed: int = 0


# ---------------------------------------------------------------- data


class Classes:
    """The pictures of class folders, zips and Hub data sets, decoded on demand and kept in memory.

    Args:
        sources: a folder with a folder of pictures per class, a zip of that, or "hub:org/name", a data set
            repository that holds either. Outer folders that everything lies in don't count, and where there
            is a "train" beside a "test", only it is read. Class names sort as in a list of files.
        short_side: size that pictures are brought to, smaller and larger ones.

    Raises:
        DataError: no such source, fewer than two classes, or a class with a single picture.
    """

    def __init__(self, sources: tuple[str, ...], short_side: int, memory_gb: float = 4.0) -> None:
        found: dict[str, list[tuple[Callable[[str], bytes], str]]] = {}
        for source in sources:
            files, read = _listing(source)
            for name, members in _by_class(files).items():
                found.setdefault(name, []).extend((read, member) for member in members)
        self.names = tuple(sorted(found))
        if len(self.names) < 2:
            raise DataError(
                f"{', '.join(sources)} holds {len(self.names)} classes and a classifier needs two: "
                "give a folder or zip with one folder of pictures for each class."
            )
        if single := [name for name in self.names if len(found[name]) < 2]:
            raise DataError(f"The class {single[0]!r} has one picture, and one must be held back: add more.")
        self.short_side, self._free = short_side, int(memory_gb * 2**30)
        self._items = [item for name in self.names for item in found[name]]
        self.labels = torch.tensor([i for i, name in enumerate(self.names) for _ in found[name]])
        self._cache: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> torch.Tensor:
        """uint8 (3, H, W), the short side `short_side`."""
        if index in self._cache:
            return self._cache[index]
        read, name = self._items[index]
        try:
            picture = image.open(read(name)).convert("RGB")
        except (image.ImageError, BadZipFile) as error:
            raise DataError(
                f"{name} can't be read as a picture ({error}); take it out of the data."
            ) from error
        scale = self.short_side / min(picture.size)
        if scale != 1:
            picture = picture.resize(
                [max(self.short_side, round(s * scale)) for s in picture.size], resample=3
            )
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
        if pixels.numel() <= self._free:
            self._free -= pixels.numel()
            self._cache[index] = pixels
        return pixels

    def split(self, hold_back: float) -> tuple[list[int], list[int]]:
        """Indices (to train on, held back): at least one picture of every class is held back."""
        train, held = [], []
        for label in range(len(self.names)):
            kept, back = split(torch.nonzero(self.labels == label)[:, 0].tolist(), hold_back or 1e-9)
            train, held = train + kept, held + back
        return train, held


def _listing(source: str) -> tuple[list[str], Callable[[str], bytes]]:
    """The pictures of a source as sorted names with slashes, and a function from name to bytes."""
    path = locate(source)
    if path.is_dir():
        files = sorted(
            p.relative_to(path).as_posix() for p in path.rglob("*") if p.suffix.lower() in SUFFIXES
        )
        zips = sorted(path.glob("*.zip"))
        if files and not (
            zips and all("/" not in name for name in files)
        ):  # a data set's card may show pictures
            return files, lambda name: (path / name).read_bytes()
        if len(zips) != 1:
            raise DataError(
                f"{source!r} holds neither class folders nor one zip of them; give one that does."
            )
        path = zips[0]
    try:
        archive = ZipFile(path)
    except BadZipFile as error:
        raise DataError(
            f"{path.name} is no whole zip file; give a folder or a zip of class folders."
        ) from error
    return sorted(n for n in archive.namelist() if PurePosixPath(n).suffix.lower() in SUFFIXES), archive.read


def _by_class(names: list[str]) -> dict[str, list[str]]:
    """Class name -> names of its pictures: the outermost folders that tell pictures apart are the classes."""
    parts = {name: PurePosixPath(name).parts for name in names}
    parts = {name: p for name, p in parts.items() if not any(x.startswith((".", "__MACOSX")) for x in p)}
    depth = 0
    while True:
        inside = {name: p for name, p in parts.items() if len(p) > depth + 1}
        tops = {p[depth] for p in inside.values()}
        deeper = {name: p for name, p in inside.items() if p[depth] == "train" or len(tops) == 1}
        if not any(len(p) > depth + 2 for p in deeper.values()):
            break
        parts, depth = deeper, depth + 1
    classes: dict[str, list[str]] = {}
    for name, p in inside.items():
        classes.setdefault(p[depth], []).append(name)
    return classes


def window(picture: torch.Tensor, size: int, shift: int, rng: torch.Generator | None) -> torch.Tensor:
    """A square of a picture, uint8 (3, size, size): anywhere up to `shift` pixels over the edge, where the
    picture is mirrored, and itself mirrored half of the time; without `rng` the middle."""
    rows, columns = (_places(side, size, shift, rng) for side in picture.shape[1:])
    if rng is not None and torch.rand((), generator=rng) < 0.5:
        columns = columns.flip(0)
    return picture[:, rows][:, :, columns]


def _places(side: int, size: int, shift: int, rng: torch.Generator | None) -> torch.Tensor:
    if rng is None:
        return torch.arange(size) + (side - size) // 2
    start = int(torch.randint(-shift, side - size + shift + 1, (), generator=rng))
    return (side - 1) - ((side - 1) - (torch.arange(size) + start).abs()).abs()


def augmented(
    data: Classes, indices: list[int], config: Config, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """(pictures (N, 3, size, size) in [0, 1], labels (N,)), every picture windowed and lit anew."""
    pictures = torch.stack([window(data[i], config.size, config.shift, rng) for i in indices]).float() / 255
    brightness = 1 + config.jitter * (2 * torch.rand(len(indices), 1, 1, 1, generator=rng) - 1)
    colour = 1 + config.jitter / 2 * (2 * torch.rand(len(indices), 3, 1, 1, generator=rng) - 1)
    return (pictures * (brightness * colour)).clamp(0, 1), data.labels[indices]


# ---------------------------------------------------------------- net


class Classifier(nn.Module):
    """The encoder's logits as a forward pass, which is where several processes exchange gradients."""

    def __init__(self, net: ArtEncoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.net.logits(pictures)


def build(config: Config, classes: int, pictures: torch.Tensor) -> ArtEncoder:
    """The net to train, with batch norms: new, or from `config.init`.

    The linear head is taken along when `init` has as many classes. Batch norms that were folded away are put
    back so that the net computes what it did, their statistics being those of `pictures` (N, 3, H, W).

    Raises:
        ConfigError: a file that holds no encoder, or `channels` that are not those of `init`.
    """
    if not config.init:
        return ArtEncoder(config.channels or CHANNELS, classes, norm="batch")
    if Path(config.init).suffix == ".safetensors":
        start = _from_file(Path(config.init))
    else:
        start = ArtEncoder.from_pretrained(config.init)
        start = unfolded(start, pictures) if start.blocks[0][0].norm is None else start
    channels = tuple(block[0].conv.out_channels for block in start.blocks)
    if config.channels and tuple(config.channels) != channels:
        raise loop.ConfigError(
            f"--init has the channels {channels}, not {config.channels}; leave --channels out."
        )
    if start.head.out_features != classes:
        start.head = nn.Linear(channels[-1], classes)
    net = ArtEncoder(
        channels, classes, norm="batch"
    )  # so that its configuration has the new number of classes
    net.load_state_dict(start.state_dict())
    return net.requires_grad_(True)


def _from_file(path: Path) -> ArtEncoder:
    """An encoder with batch norms from a bare file of tensors, ours or the first trials' (a convolution is
    `blocks.B.K.0.weight` there, its norm `blocks.B.K.1.*`, the head `head.1.*`)."""
    try:
        tensors = load_file(path)
    except Exception as error:  # the file system's, or the format's own
        raise loop.ConfigError(
            f"{path.name} can't be read as safetensors ({error}); check the path."
        ) from error
    state = {}
    for key, tensor in tensors.items():
        key = re.sub(r"^(blocks\.\d+\.\d+)\.0\.", r"\1.conv.", key)
        key = re.sub(r"^(blocks\.\d+\.\d+)\.1\.", r"\1.norm.", key)
        state[re.sub(r"^head\.\d+\.", "head.", key)] = tensor
    widths = [state[k].shape[0] for k in sorted(state) if re.fullmatch(r"blocks\.\d+\.0\.conv\.weight", k)]
    if not widths or "head.weight" not in state:
        raise loop.ConfigError(
            f"{path.name} holds no encoder (no blocks.0.0, or no head); give one that does."
        )
    net = ArtEncoder(tuple(widths), state["head.weight"].shape[0], norm="batch")
    missing, unknown = net.load_state_dict(state, strict=False)
    missing = [
        key for key in missing if not key.endswith("num_batches_tracked")
    ]  # a count that nothing reads
    if missing or unknown:
        raise loop.ConfigError(
            f"{path.name} is no encoder with batch norms: {', '.join([*missing, *unknown][:3])} is missing "
            "or unknown; a folded one is given as its folder or repository."
        )
    return net


@torch.no_grad()
def unfolded(folded: ArtEncoder, pictures: torch.Tensor) -> ArtEncoder:
    """The same function with batch norms again, so that a saved encoder trains on: the inverse of `folded()`.

    Each norm gets the statistics of its convolution on `pictures`, and the scale and offset that undo them.
    """
    channels = tuple(block[0].conv.out_channels for block in folded.blocks)
    net = ArtEncoder(channels, folded.head.out_features, norm="batch")
    net.head.load_state_dict(folded.head.state_dict())
    x = (pictures - net.mean) / net.std
    for b, block in enumerate(net.blocks):
        x = F.avg_pool2d(x, 2) if b else x
        for unit, old in zip(block, folded.blocks[b], strict=True):
            unit.conv.weight.copy_(old.conv.weight)
            y = unit.conv(x)
            variance, mean = torch.var_mean(y, (0, 2, 3), correction=0)
            unit.norm.running_mean.copy_(mean)
            unit.norm.running_var.copy_(variance)
            unit.norm.weight.copy_(torch.sqrt(variance + unit.norm.eps))
            unit.norm.bias.copy_(mean + old.conv.bias)
            x = F.relu(y + old.conv.bias[:, None, None])
    return net


# ---------------------------------------------------------------- training


def rate(step: int, steps: int) -> float:
    """One cycle: from 1/25 straight up to 1 over 30 % of the steps, then down to 0 along a cosine."""
    rise = max(1, round(0.3 * steps))
    if step < rise:
        return 0.04 + 0.96 * step / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


@torch.no_grad()
def accuracy(
    accelerator: Accelerator, net: ArtEncoder, data: Classes, held: list[int], config: Config
) -> float:
    """Share of the held-back pictures whose class comes out first; every process takes its part of them."""
    mine = held[accelerator.process_index :: accelerator.num_processes]
    right = torch.zeros((), device=accelerator.device)
    for i in range(0, len(mine), config.batch_size):
        part = mine[i : i + config.batch_size]
        pictures = torch.stack([window(data[j], config.size, 0, None) for j in part]).float() / 255
        with accelerator.autocast():
            logits = net.logits(pictures.to(accelerator.device, memory_format=torch.channels_last))
        right += (logits.argmax(1).cpu() == data.labels[part]).sum().to(right.device)
    return accelerator.reduce(right, "sum").item() / len(held)


def train(config: Config) -> Path:
    """Train an encoder, from where an earlier run of `out` stopped; returns the folder of its checkpoint."""
    out = Path(config.out)
    accelerator = loop.accelerator(
        out, seed=config.seed, mixed_precision=config.mixed_precision, tracker=config.tracker
    )
    data = Classes(config.data, config.size, config.memory_gb)
    chosen, held = data.split(config.hold_back)
    batch = config.batch_size * accelerator.num_processes
    per_epoch = max(1, len(chosen) // batch)
    steps = config.epochs * per_epoch

    seen = torch.linspace(0, len(chosen) - 1, min(256, len(chosen))).long().tolist()
    calibration, _ = augmented(data, [chosen[i] for i in seen], config, loop.step_generator(config.seed, -1))
    net = build(config, len(data.names), calibration).train().to(memory_format=torch.channels_last)
    # The average spans at most the last tenth of the run: over a short one, 0.999 would remember the start.
    averaged = loop.ema(net, min(config.ema, max(0.0, 1 - 10 / max(1, steps)))).to(accelerator.device)
    optimiser = torch.optim.SGD(
        net.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        weight_decay=config.weight_decay,
    )
    progress, measured = loop.Progress(), dict[int, float]()
    model, optimiser = accelerator.prepare(Classifier(net), optimiser)
    accelerator.register_for_checkpointing(averaged, progress)
    loop.resume(accelerator, out)
    loop.start_trackers(accelerator, "encoder", config)

    def make(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        # Each epoch's order follows from seed and epoch alone, so that a resumed run sees the same pictures.
        epoch, place = divmod(step, per_epoch)
        order = torch.randperm(
            len(chosen), generator=torch.Generator().manual_seed(config.seed * 10007 + epoch)
        )
        first = place * batch + accelerator.process_index * config.batch_size
        indices = [chosen[order[(first + i) % len(chosen)]] for i in range(config.batch_size)]
        return augmented(
            data, indices, config, loop.step_generator(config.seed, step, accelerator.process_index)
        )

    def measure() -> float:
        if progress.step not in measured:
            measured[progress.step] = accuracy(accelerator, averaged.module, data, held, config)
        return measured[progress.step]

    def save() -> None:
        loop.checkpoint(accelerator, out)
        share = measure()
        if accelerator.is_main_process:
            averaged.module.folded().save_pretrained(out / "model")
            facts = {"accuracy": share, "held_back": len(held), "trained_on": len(chosen), "classes": data.names}
            loop.record(out, accelerator, config, progress, **facts)
        accelerator.wait_for_everyone()

    for step, (pictures, labels) in prefetch(make, loop.steps(accelerator, progress.step, steps, "encoder")):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * rate(step, steps)
        pictures = pictures.to(accelerator.device, memory_format=torch.channels_last)
        logits = model(pictures).float()
        loss = F.cross_entropy(logits, labels.to(accelerator.device), label_smoothing=config.label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        optimiser.step()
        averaged.update_parameters(accelerator.unwrap_model(model).net)
        progress.step = step + 1
        if step % 50 == 0:
            accelerator.log({"loss": loss.item(), "rate": rate(step, steps)}, step=step)
        if progress.step % per_epoch == 0:
            share = measure()
            accelerator.log({"accuracy": share}, step=progress.step)
            accelerator.print(
                f"epoch {progress.step // per_epoch} of {config.epochs}: "
                f"{share:.1%} of {len(held)} pictures held back are right"
            )
        if progress.step % config.checkpoint_every == 0 and progress.step < steps:
            save()
    save()  # also where a resumed run had no step left: it may have been stopped before this line
    accelerator.end_training()
    return out / "model"


def main(argv: list[str] | None = None) -> Path:
    """Train an encoder; returns the folder that `ArtEncoder.from_pretrained` loads."""
    return train(loop.parse(Config, argv))


if __name__ == "__main__":
    sys.exit(loop.exit_status(main))
