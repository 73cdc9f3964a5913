"""Pictures for training: folders on disk or Hub data sets, random crops that are a function of a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch.nn import functional as F

from artcore import image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
T = TypeVar("T")


class DataError(ValueError):
    """Training data that can't be used; the message says what to give instead."""


def locate(source: str) -> Path:
    """A folder as it is; "hub:org/name" is downloaded through the Hub's own cache as a data set repository.

    Raises:
        DataError: no such folder, or the Hub could not give the data set.
    """
    if source.startswith("hub:"):
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(source.removeprefix("hub:"), repo_type="dataset"))
        except Exception as error:
            raise DataError(
                f"The data set {source!r} could not be downloaded ({type(error).__name__}); "
                "check its name and the connection, or give a folder."
            ) from error
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"There is no folder {source!r}; give one with pictures in it, or hub:org/name.")
    return path


def find_pictures(source: str) -> list[Path]:
    """All pictures below a folder (or Hub data set), in sorted order."""
    found = sorted(p for p in locate(source).rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{source!r} holds no pictures ({', '.join(sorted(SUFFIXES))}); give a folder that does.")
    return found


class Pictures:
    """Decoded pictures, kept in memory as uint8 (3, H, W) with a short side of at most ``short_side`` pixels."""

    def __init__(self, files: list[Path], short_side: int = 288):
        self.files, self.short_side = files, short_side
        self._cache: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        if index not in self._cache:
            picture = image.open(self.files[index]).convert("RGB")
            scale = self.short_side / min(picture.size)
            if scale < 1:
                picture = picture.resize([max(1, round(s * scale)) for s in picture.size], resample=3)
            self._cache[index] = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
        return self._cache[index]


def _uniform(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=rng).item()


def random_crop(
    picture: torch.Tensor, size: int, rng: torch.Generator, *, zoom: tuple[float, float], unsqueeze: bool = False
) -> torch.Tensor:
    """A random square window, resized to (3, size, size) float in [0, 1], mirrored half of the time.

    Args:
        picture: uint8 (3, H, W).
        zoom: range of enlargement: at 2, a window of half the size fills the crop; a picture too small for
            what was drawn is enlarged as much as it needs.
        unsqueeze: give an exactly square picture a plausible aspect first (4:3 lying two times in three, else
            standing), since the sources of the paintings squeezed them to squares.
    """
    height, width = picture.shape[1:]
    stretch = 1.0
    if unsqueeze and height == width:
        stretch = _uniform(rng, 1.15, 1.4) if torch.rand((), generator=rng) < 2 / 3 else _uniform(rng, 0.72, 0.87)
    # The window in source pixels; a stretch of the picture is a squeeze of the window that is cut from it.
    side = min(size / _uniform(rng, *zoom), height, width * stretch)
    w, h = max(1, min(round(side / stretch), width)), max(1, round(side))
    top = int(torch.randint(0, height - h + 1, (), generator=rng))
    left = int(torch.randint(0, width - w + 1, (), generator=rng))
    window = picture[None, :, top : top + h, left : left + w].float() / 255
    window = F.interpolate(window, (size, size), mode="bicubic", antialias=True)[0].clamp(0, 1)
    return window.flip(-1) if torch.rand((), generator=rng) < 0.5 else window


def batch(
    pictures: Pictures,
    count: int,
    size: int,
    rng: torch.Generator,
    *,
    zoom: tuple[float, float],
    unsqueeze: bool = False,
) -> torch.Tensor:
    """(count, 3, size, size) of random pictures' random crops, float in [0, 1]."""
    chosen = torch.randint(0, len(pictures), (count,), generator=rng).tolist()
    return torch.stack([random_crop(pictures[i], size, rng, zoom=zoom, unsqueeze=unsqueeze) for i in chosen])


def prefetch(make: Callable[[int], T], steps: Iterator[int]) -> Iterator[tuple[int, T]]:
    """``(step, make(step))`` for every step, the next one made in a thread while this one is used."""
    with ThreadPoolExecutor(1) as pool:
        pending = None
        for step in steps:
            following = pool.submit(make, step)
            if pending is not None:
                yield pending[0], pending[1].result()
            pending = (step, following)
        if pending is not None:
            yield pending[0], pending[1].result()


def split(files: list[Path], hold_back: float) -> tuple[list[Path], list[Path]]:
    """(to train on, held back): every k-th file is held back, so that the split needs no seed and no list."""
    if hold_back <= 0:
        return files, []
    every = max(2, round(1 / hold_back))
    return [f for i, f in enumerate(files) if i % every], files[::every]
