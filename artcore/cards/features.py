"""The figures of the encoder: whether it knows what it was taught, and whether it tells pictures apart by their style.

It paints nothing. What the losses and scores want of it is that two parts of one painting look alike to it, and two
paintings do not; the classifier that it was trained with, and that nothing else uses, says how well it was trained.
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import torch
from torch import Tensor

from artcore import image, runtime
from artcore.cards import scores
from artcore.cards.scores import CardError
from artcore.models.encoder import ArtEncoder

METHODS = ("encoder",)
TITLE = "an encoder"
NAME = "encoder"  # for instance
METRICS = ("accuracy",)
ARCHIVE, HOLD_BACK = "tiny_imagenet_64px.zip", 20  # every k-th picture of a class, as training.train_encoder does
BATCH = 100
# Means over channels hide much: bf16 moves them by 0.1 %, weights that are 5 % noise by 0.6 %.
TOLERANCE = {"relative": 0.002, "absolute": 2e-5}

EXAMPLES = """\
and the example paintings, each cut into a left and a right half: how far apart in style the halves of one picture are,
and those of two (means and deviations of a layer's channels, as a share of their length). Seventeen pictures tell a
broken checkpoint, not a good one from a better."""


def _net(task: object) -> ArtEncoder:
    """A task's net in float32 on the processor."""
    return copy.deepcopy(task.model).float().cpu()


# ------------------------------------------------------------------------------------------------ the full score


def check(folder: Path, name: str) -> None:
    """Raises CardError where the folder can't judge it."""
    if not (folder / ARCHIVE).is_file():
        raise CardError(f"{folder.name} has no {ARCHIVE} to judge an encoder by: put it there.")


def data(folder: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """What was there to train on and held back, and the rows of the data's own table that belong to it."""
    train, held = _split(folder)
    return (
        f"{len(train)} pictures to train on, {len(held)} held back (every {HOLD_BACK}th of a class).",
        (ARCHIVE,),
    )


def judged(folder: Path, name: str) -> Iterable[Path]:
    """The files that the figures depend on."""
    return [folder / ARCHIVE]


def _split(folder: Path) -> tuple[list[str], list[str]]:
    """(trained on, held back) of the archive's pictures; class by class, in the order of their names."""
    classes: dict[str, list[str]] = defaultdict(list)
    with ZipFile(folder / ARCHIVE) as archive:
        for name in sorted(n for n in archive.namelist() if PurePosixPath(n).suffix.lower() in image.FORMATS):
            classes[PurePosixPath(name).parent.name].append(name)
    sets = [scores.split(files, HOLD_BACK) for _, files in sorted(classes.items())]
    return [n for train, _ in sets for n in train], [n for _, held in sets for n in held]


def figures(task: object, folder: Path, name: str) -> Iterable[str]:
    """The table of the full score: accuracy of the classifier that the encoder was trained with."""
    net, held = _net(task), _split(folder)[1]
    classes = sorted({PurePosixPath(n).parent.name for n in held})
    if len(classes) != net.head.out_features:
        raise CardError(f"{ARCHIVE} has {len(classes)} classes and the encoder {net.head.out_features}: give another.")
    right = torch.zeros(2)
    with ZipFile(folder / ARCHIVE) as archive, runtime.lock, torch.inference_mode():
        for i in range(0, len(held), BATCH):
            part = held[i : i + BATCH]
            pictures = torch.cat([scores.tensor(image.open(archive.read(n)).convert("RGB")) for n in part])
            wanted = torch.tensor([classes.index(PurePosixPath(n).parent.name) for n in part])[:, None]
            hits = net.logits(pictures).topk(min(5, len(classes))).indices == wanted
            right += torch.tensor([hits[:, 0].sum(), hits.sum()])
    found = {
        f"top-{k} accuracy": {"this net": share, "chance": min(1.0, k / len(classes))}
        for k, share in zip((1, 5), (right / len(held)).tolist(), strict=True)
    }
    yield (
        f"On {len(held)} pictures of {len(classes)} classes that this training held back ({ARCHIVE}, every "
        f"{HOLD_BACK}th of a class); an encoder that it began from may have seen them.\n\n{scores.table(found)}"
    )


# ------------------------------------------------------------------------------------------------ the small score


def examples(task: object, name: str) -> scores.Figures:
    """The figures that the tests recompute: distances in style of the halves of the example pictures, by layer."""
    net = _net(task)
    layers = [layer for layer in scores.LAYERS if layer in net.layers]
    halves: dict[str, list[Tensor]] = defaultdict(list)
    means: dict[str, list[float]] = defaultdict(list)
    for file in (*scores.example_photos(), *scores.example_paintings()):
        picture = scores.canvas(file, scores.EXAMPLE_SIZE)
        middle = picture.width // 2
        boxes = ((0, 0, middle, picture.height), (picture.width - middle, 0, picture.width, picture.height))
        both = torch.cat([scores.tensor(picture.crop(box)) for box in boxes])
        with runtime.lock, torch.inference_mode():
            for layer, x in net(both, layers).items():
                halves[layer].append(torch.cat([x.mean((2, 3)), x.std((2, 3))], 1))
                means[layer].append(x.mean().item())
    found = {}
    for layer in layers:
        left, right = torch.stack(halves[layer]).unbind(1)
        far = torch.cdist(left, right) / torch.cat([left, right]).norm(dim=1).mean()
        own, count = far.diagonal().mean().item(), len(far)
        others = (far.sum().item() - own * count) / max(1, count * (count - 1))
        found[layer] = {
            "halves of one picture": own,
            "halves of two": others,
            "mean activation": math.fsum(means[layer]) / count,
        }
    return found
