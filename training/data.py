"""Pictures for training: folders on disk, Hub data sets or the CycleGAN paper's, random crops that are a function
of a generator."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import re
import tempfile
import urllib.request
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import quote

import numpy as np
import torch
from filelock import FileLock
from torch.nn import functional as F
from tqdm import tqdm

from artcore import image, levels

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
DATASETS = "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/"  # as document 000 has it
# Where the same files are since that address was closed (taesungp/contrastive-unpaired-translation#171).
MIRRORS = {DATASETS: "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/"}
MAX_BYTES = 8 * 2**30  # of a data set's zip, and of what is in it; monet2photo is 0.3 GB
MAX_FILES = 200_000
TIMEOUT = 20.0  # seconds without a byte after which a server counts as gone
T = TypeVar("T")
logger = logging.getLogger(__name__)


class DataError(ValueError):
    """Training data that can't be used; the message says what to give instead."""


class _Absent(DataError):
    """The server gives no such file to us, or there is no server: another may have it."""


def locate(source: str) -> Path:
    """A folder as it is; "hub:org/name" is downloaded through the Hub's own cache as a data set repository, and
    "torchvision:Flowers102" by torchvision into "datasets" of the folder ARTCORE_CACHE (default ~/.cache/artcore).

    Raises:
        DataError: no such folder, or the data set could not be downloaded.
    """
    if source.startswith("torchvision:"):
        return _of_torchvision(source)
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


def _of_torchvision(source: str) -> Path:
    """The folder of a torchvision data set's pictures."""
    if source != "torchvision:Flowers102":
        raise DataError(f"{source!r} is not known here; give torchvision:Flowers102, hub:org/name or a folder.")
    from torchvision.datasets import Flowers102

    root = _cache()
    try:
        Flowers102(root, download=True)
    except ImportError:
        pass  # scipy, which reads the labels: the pictures are there, and no more is wanted
    except Exception as error:
        raise DataError(
            f"Flowers102 could not be downloaded ({type(error).__name__}); go online, or give a folder of flowers."
        ) from error
    return root / "flowers-102" / "jpg"


def _cache() -> Path:
    """Where downloaded data sets are kept."""
    return Path(os.environ.get("ARTCORE_CACHE") or "~/.cache/artcore").expanduser() / "datasets"


def find_pictures(source: str) -> list[Path]:
    """All pictures below a folder (or Hub data set), in sorted order."""
    found = sorted(p for p in locate(source).rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{source!r} holds no pictures ({', '.join(sorted(SUFFIXES))}); give a folder that does.")
    return found


def origins(files: list[Path]) -> dict[str, int]:
    """How many files lie in which folder, links followed, and where many names begin alike, how: {"photos/land_*":
    673}."""
    places = Counter((p.parent.name, p.stem.partition("_")[0]) for p in (file.resolve() for file in files))
    found: Counter[str] = Counter()
    for (folder, head), count in sorted(places.items()):
        found[f"{folder}/{head}_*" if count >= 20 else folder] += count
    return dict(found)


def find_split(source: str, letter: str, hold_back: float) -> tuple[list[Path], list[Path]]:
    """(to train on, held back) of one kind of picture: what lies in trainA and testA (``letter`` "A", paintings) or
    in trainB and testB ("B", photos) where the source has these folders, else all its pictures, by :func:`split`."""
    root = locate(source)
    train, test = root / f"train{letter}", root / f"test{letter}"
    if train.is_dir():
        files = find_pictures(str(train))
        return (files, find_pictures(str(test))) if test.is_dir() else split(files, hold_back)
    if any((root / f"train{other}").is_dir() for other in "AB"):
        raise DataError(
            f"{source!r} has no folder train{letter}; give one with trainA (paintings) and trainB (photos)."
        )
    return split(find_pictures(source), hold_back)


def find_named(files: list[Path], name: str) -> Path | None:
    """The file of that name. Signs between letters and digits all count as one: what one system unpacks as
    "2014-08-24 16:41:27.jpg" is "2014-08-24_16_41_27.jpg" on another."""

    def plain(text: str) -> str:
        return re.sub(r"[\W_]+", "_", text).lower()

    return next((file for file in files if plain(file.name) == plain(name)), None)


def dataset(name: str, url: str = DATASETS, holds: tuple[str, ...] = ("trainA", "trainB")) -> Path:
    """A data set as a folder: by default one of the CycleGAN paper, with trainA, trainB, testA and testB.

    ``holds`` are the folders that must be in it; none: any pictures will do. ``name`` may be such a folder. Else
    ``<url><name>.zip`` is downloaded once, into "datasets" of the folder ARTCORE_CACHE (default ~/.cache/artcore), or
    from the address's mirror (``MIRRORS``) where it answers 403 or 404 or not at all; a download that broke off goes
    on where it stopped, and processes that ask at once wait for one another. The publisher gives no checksum to
    compare with: the zip's own tell of damage, and source.json in the folder keeps the SHA-256 of what came.

    Raises:
        DataError: offline, no such data set, a damaged zip, one with more than ``MAX_BYTES`` or ``MAX_FILES``, or
            with paths that lead out of its folder.
    """
    if (given := Path(name).expanduser()).is_dir():
        return given
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise DataError(f"{name!r} is neither a folder nor the name of a data set; give one like 'monet2photo'.")
    cache = _cache()
    folder, url = cache / name, f"{url.rstrip('/')}/"
    places = [f"{place}{quote(name)}.zip" for place in (url, MIRRORS.get(url)) if place]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{name}.lock"):
            if not folder.is_dir():
                archive = cache / f"{name}.zip"
                _unpack(archive, folder, _download_from(places, archive), holds)
    except OSError as error:
        raise DataError(
            f"The data set {name} can't be kept in {cache} ({error.strerror or error}); free the disk, or set "
            "ARTCORE_CACHE to another folder."
        ) from error
    return folder


def _download_from(places: list[str], file: Path) -> str:
    """Fetch ``file`` from the first of several addresses that has it; returns that address."""
    for address in places[:-1]:
        try:
            _download(address, file)
            return address
        except _Absent as error:
            logger.warning("%s It is asked of its mirror, %s.", error, places[-1])
    _download(places[-1], file)
    return places[-1]


def _download(address: str, file: Path) -> None:
    """Fetch what is missing of ``file``."""
    if not address.startswith(("http://", "https://")):
        raise DataError(f"{address!r} is no web address; give one that begins with https://.")
    start = file.stat().st_size if file.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "artcore"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416:  # nothing is missing, or the file on the server is another now
            if error.headers.get("Content-Range", "").endswith(f"/{start}"):
                return
            file.unlink()
            return _download(address, file)
        raise (_Absent if error.code in (403, 404) else DataError)(
            f"{address} answers {error.code} ({error.reason}); check the name of the data set, or give folders of "
            "photos and of paintings instead."
        ) from error
    except (OSError, HTTPException) as error:
        raise _Absent(
            f"{address} can't be reached ({getattr(error, 'reason', error)}); go online, or give folders of photos "
            "and of paintings instead."
        ) from error
    got = start if answer.status == 206 else 0
    size = got + int(answer.headers.get("Content-Length") or 0)
    bar = tqdm(total=size, initial=got, unit="B", unit_scale=True, desc=file.name)
    with answer, file.open("ab" if got else "wb") as out, bar:
        while chunk := _read(answer):
            got += len(chunk)
            if max(got, size) > MAX_BYTES:
                file.unlink()
                raise DataError(f"{address} is larger than {MAX_BYTES / 2**30:.3g} GB; download it by hand.")
            out.write(chunk)
            bar.update(len(chunk))
    if got < size:
        raise DataError(f"The download of {address} broke off; run it again, and it goes on where it stopped.")


def _read(answer: HTTPResponse) -> bytes:
    """The next bytes; none at the end, or where the connection broke: what came so far is worth keeping."""
    try:
        return answer.read(2**18)
    except (OSError, HTTPException):
        return b""


def _unpack(archive: Path, folder: Path, address: str, holds: tuple[str, ...]) -> None:
    """The pictures of a zip as ``folder``, which appears when it is whole; the zip, good or bad, is deleted."""
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        root = Path(temporary).resolve() / "zip"
        try:
            _extract(archive, root)
            places = [root, *sorted(p for p in root.rglob("*") if p.is_dir())] if root.is_dir() else []
            found = next((p for p in places if all((p / name).is_dir() for name in holds)), None)
            if found is None:
                lacks = f"folders {' and '.join(holds)}" if holds else "pictures"
                raise DataError(f"{address} holds no {lacks}; give the address of one that does.")
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, DataError) as error:
            archive.unlink()
            if isinstance(error, DataError):
                raise
            raise DataError(f"{address} is no sound zip ({error}); run it again to download it anew.") from error
        with archive.open("rb") as file:
            came = {"url": address, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        (found / "source.json").write_text(json.dumps(came | {"bytes": archive.stat().st_size}) + "\n")
        found.rename(folder)
    archive.unlink()


def _extract(archive: Path, root: Path) -> None:
    """Write the pictures of a zip below ``root``: plain files only, and never more bytes than allowed, whatever
    sizes the zip claims."""
    left = MAX_BYTES
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        if len(members) > MAX_FILES:
            raise DataError(f"{archive.name} holds more than {MAX_FILES} files; unpack it by hand.")
        for member in members:
            target = root / member.filename
            if not target.resolve().is_relative_to(root):
                raise DataError(f"{archive.name} would write outside its folder ({member.filename!r}); don't use it.")
            if member.is_dir() or PurePosixPath(member.filename).suffix.lower() not in SUFFIXES:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(member) as source, target.open("wb") as out:
                while chunk := source.read(2**18):
                    left -= len(chunk)
                    if left < 0:
                        raise DataError(
                            f"{archive.name} unpacks to more than {MAX_BYTES / 2**30:.3g} GB; unpack it by hand."
                        )
                    out.write(chunk)


class Pictures:
    """Decoded pictures, kept in memory as uint8 (3, H, W) with a short side of at most ``short_side`` pixels.

    Args:
        files: paths of pictures.
        short_side: pixels.
        buffer: how many are kept; 0: all. The oldest goes when it is full.
        levels: 0 to 1: how far their levels are drawn out (:mod:`artcore.levels`).

    Raises:
        DataError: on reading one that is damaged; the message names it.
    """

    def __init__(self, files: list[Path], short_side: int = 288, buffer: int = 0, levels: float = 0.0):
        self.files, self.short_side, self.buffer, self.levels = files, short_side, buffer, levels
        self._cache: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        if index not in self._cache:
            try:
                picture = image.open(self.files[index]).convert("RGB")
            except image.ImageError as error:
                raise DataError(f"{self.files[index]}: {error}") from error
            scale = self.short_side / min(picture.size)
            if scale < 1:
                picture = picture.resize([max(1, round(s * scale)) for s in picture.size], resample=3)
            if self.levels:
                x = image.to_tensor(picture)
                picture = image.to_pil(levels.apply(x, self.levels * levels.maps(x)))
            if self.buffer and len(self._cache) >= self.buffer:
                del self._cache[next(iter(self._cache))]
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
    chosen: list[int] | None = None,
) -> torch.Tensor:
    """(count, 3, size, size) of random crops, float in [0, 1], of random pictures or of the ``chosen``."""
    if chosen is None:
        chosen = torch.randint(0, len(pictures), (count,), generator=rng).tolist()
    return torch.stack([random_crop(pictures[i], size, rng, zoom=zoom, unsqueeze=unsqueeze) for i in chosen])


def exposed(x: torch.Tensor, amount: float, rng: torch.Generator) -> torch.Tensor:
    """(N, 3, H, W) in [0, 1], each picture as another reproduction would show it: gamma and contrast times or by up to
    e^amount."""
    gamma, contrast = ((amount * (2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1)).exp() for _ in range(2))
    return (0.5 + (x**gamma - 0.5) * contrast).clamp_(0, 1)


def shuffled(many: int, first: int, count: int, seed: int) -> list[int]:
    """Which of ``many`` pictures the draws ``first`` to ``first + count - 1`` of a training take: every pass takes each
    picture once, in an order that is a function of seed and pass, so that a resumed run goes on with the same ones."""
    return [_order(many, draw // many, seed)[draw % many] for draw in range(first, first + count)]


@functools.lru_cache(8)
def _order(many: int, turn: int, seed: int) -> list[int]:
    return torch.randperm(many, generator=torch.Generator().manual_seed(seed * 1_000_003 + turn)).tolist()


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
    """(to train on, held back): every k-th file is held back, so that the split needs no seed and no list. One
    picture alone is trained on."""
    if hold_back <= 0 or len(files) < 2:
        return files, []
    every = max(2, round(1 / hold_back))
    return [f for i, f in enumerate(files) if i % every], files[::every]


def squares(files: list[Path], count: int = 8, size: int = 256, levels: float = 0.0) -> torch.Tensor:
    """The middle squares of ``count`` of the pictures, evenly spaced in the list: (count, 3, size, size)."""
    some = Pictures(files[:: max(1, len(files) // count)][:count], size + size // 4, levels=levels)
    made = []
    for i in range(len(some)):
        side = min(some[i].shape[1:])
        top, left = ((s - side) // 2 for s in some[i].shape[1:])
        square = some[i][None, :, top : top + side, left : left + side].float() / 255
        made.append(F.interpolate(square, (size, size), mode="bicubic", antialias=True).clamp(0, 1))
    return torch.cat(made)
