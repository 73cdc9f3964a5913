"""Whose hand: is what a painter's net makes nearest to that painter, and does a classifier take it for theirs?

Each painter came from another collection, and collections can be told apart by the size, sharpness and JPEG
quality of their files. So everything is made alike first (`alike`), paintings, photos and outputs by one rule.
"""

from __future__ import annotations

import functools
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from artcore import image, load, metrics, runtime
from artcore.cards import scores
from artcore.models.encoder import ArtEncoder

SIDE, QUALITY = 160, 75  # below the least side that a source kept (224 px), and below its JPEG quality
MOST = 120  # pictures a class that the classifier learns from
DECAY = 0.01  # of its weights; between 0.0001 and 0.1 its accuracy stays the same
PHOTO = "photo"


def alike(source: object) -> Tensor:
    """(1, 3, SIDE, SIDE): squeezed to a square, as most sources had done it, and through JPEG of one quality."""
    small = image.open(source).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=QUALITY)
    return scores.tensor(image.open(file))


def embed(pictures: Sequence[Tensor]) -> Tensor:
    """(N, 5, D): logarithms of mean and deviation of the encoder's channels, of a whole picture and its quarters."""
    encoder, rows = _encoder(load.weights() / "encoder"), []
    with runtime.lock, torch.inference_mode():
        for x in torch.cat(list(pictures)).split(8):
            parts = []
            for layer in encoder(x).values():
                quarters = [F.adaptive_avg_pool2d(v, 2).flatten(2).transpose(1, 2) for v in (layer, layer * layer)]
                mean, square = (torch.cat([q.mean(1, keepdim=True), q], 1) for q in quarters)
                parts += [mean, (square - mean * mean).clamp(min=0).sqrt()]
            rows.append(torch.cat(parts, 2).clamp(min=1e-6).log())
    return torch.cat(rows).clone()  # a clone may take part in a fit, what inference mode made may not


@functools.lru_cache(1)
def _encoder(folder: Path) -> ArtEncoder:
    return ArtEncoder.from_pretrained(folder)


class Classifier:
    """Logistic regression on embeddings (`embed`), each class of the same weight; a second or two, no weights ship.

    classes: name -> (N, 5, D). It learns from whole pictures and quarters alike, and judges by the mean of all five.
    """

    def __init__(self, classes: Mapping[str, Tensor]):
        self.names = list(classes)
        x = torch.cat([v.flatten(0, 1) for v in classes.values()])
        counts = torch.tensor([v.shape[0] * v.shape[1] for v in classes.values()])
        y = torch.arange(len(counts)).repeat_interleave(counts)
        self.mean, self.std = x.mean(0), x.std(0) + 1e-6
        x = (x - self.mean) / self.std
        self.weight = torch.zeros(x.shape[1], len(counts), requires_grad=True)
        self.bias = torch.zeros(len(counts), requires_grad=True)
        fit = torch.optim.LBFGS([self.weight, self.bias], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            fit.zero_grad()
            loss = F.cross_entropy(x @ self.weight + self.bias, y, weight=1 / counts.float())
            loss = loss + DECAY * self.weight.square().sum()
            loss.backward()
            return loss

        fit.step(closure)

    def __call__(self, embeddings: Tensor) -> list[str]:
        """The name that it gives each picture of (N, 5, D)."""
        with torch.no_grad():
            logits = (embeddings - self.mean) / self.std @ self.weight + self.bias
        return [self.names[i] for i in logits.mean(1).argmax(1).tolist()]


def painters(folder: Path) -> list[str]:
    """The painters of a data folder: what painters/ holds."""
    return sorted(p.name for p in (folder / "painters").glob("*") if p.is_dir())


@functools.lru_cache(1)
def judge(folder: Path) -> tuple[dict[str, metrics.Description], dict[str, list[Path]], Classifier]:
    """(training paintings of each painter, described; held-back files of each and of photos; the classifier).

    Kept for the next checkpoint, since nothing of it depends on one.
    """
    goals, held, classes = {}, {}, {}
    for name in painters(folder):
        train, held[name] = scores.split(scores.pictures(folder / "painters" / name), scores.HOLD_BACK_PAINTINGS)
        goals[name] = _describe([alike(p) for p in scores.evenly(train, scores.MOST_PAINTINGS)])
        classes[name] = embed([alike(p) for p in scores.evenly(train, MOST)])
    train, held[PHOTO] = scores.split(scores.pictures(folder / "photos"), scores.HOLD_BACK_PHOTOS)
    held[PHOTO] = scores.evenly(held[PHOTO], scores.MOST_PHOTOS)
    classes[PHOTO] = embed([alike(p) for p in scores.evenly(train, MOST)])
    return goals, held, Classifier(classes)


def _describe(pictures: Sequence[Tensor]) -> metrics.Description:
    return metrics.describe(pictures, scores.features(), patches=scores.PATCHES)


def tables(task: scores.Task, folder: Path, style: str, size: int) -> list[str]:
    """Both parts in Markdown; none where the folder has no other painter, or `style` is not one of them."""
    if style not in painters(folder) or len(painters(folder)) < 2:
        return []
    goals, held, classifier = judge(folder)
    outputs = [alike(scores.turn(task, scores.canvas(p, size))) for p in held[PHOTO]]
    real = {name: [alike(p) for p in files] for name, files in held.items()}
    words = {"this net": outputs, f"held-back {style}": real[style], "the photos": real[PHOTO]}
    return [_distances(words, goals, style, size), _recognised(task, outputs, real, held, classifier, style, size)]


def _distances(sets: dict[str, list[Tensor]], goals: dict[str, metrics.Description], style: str, size: int) -> str:
    lines = [
        f"Whose hand, painted at {size} px: distances to the training paintings of each painter, all pictures made "
        f"alike (squeezed to {SIDE} px, JPEG quality {QUALITY}). Both: the geometric mean of brushwork and colour.",
        "",
        f"| of | figure | {' | '.join(goals)} | nearest |",
        f"|---|---|{'---|' * len(goals)}---|",
    ]
    for title, pictures in sets.items():
        ours = _describe(pictures)
        found = {name: metrics.distances(ours, goal) for name, goal in goals.items()}
        for row in found.values():
            row["both"] = math.sqrt(row["brushwork"] * row["colour"])
        for kind in ("brushwork", "colour", "both", "encoder"):
            nearest = min(found, key=lambda name: found[name][kind])
            mark = f"**{nearest}**" if nearest == style else nearest
            lines.append(f"| {title} | {kind} | {' | '.join(f'{r[kind]:.4g}' for r in found.values())} | {mark} |")
    return "\n".join(lines)


def _recognised(
    task: scores.Task,
    outputs: list[Tensor],
    real: dict[str, list[Tensor]],
    held: dict[str, list[Path]],
    classifier: Classifier,
    style: str,
    size: int,
) -> str:
    taken = {f"real {name}": (classifier(embed(pictures)), name) for name, pictures in real.items()}
    right = sum(a == name for answers, name in taken.values() for a in answers)
    many = sum(len(answers) for answers, _ in taken.values())
    taken["**photos to paintings**"] = classifier(embed(outputs)), style
    if "to_photo" in scores.directions(task):
        made = [scores.turn(task, scores.canvas(p, size, unsqueeze=True), "to_photo") for p in held[style]]
        taken["**paintings to photos**"] = classifier(embed([alike(p) for p in made])), PHOTO
    lines = [
        "Who a small classifier says it was (logistic regression on channel statistics of the encoder, from pictures "
        f"made alike as above); of {many} real pictures that were held back it knows {right / many:.0%}.",
        "",
        f"| held back | pictures | {' | '.join(f'taken for {n}' for n in classifier.names)} | as it should be |",
        f"|---|---|{'---|' * len(classifier.names)}---|",
    ]
    for title, (answers, wanted) in taken.items():
        count = Counter(answers)
        cells = " | ".join(str(count[name]) for name in classifier.names)
        lines.append(f"| {title} | {len(answers)} | {cells} | {count[wanted] / len(answers):.0%} |")
    return "\n".join(lines)
