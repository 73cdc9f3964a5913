"""One task over many files: one bad file does not stop the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from artcore import image

READABLE = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


class BatchError(ValueError):
    """Inputs or outputs that don't fit together; the message says what to give."""


@dataclass(frozen=True)
class Result:
    """What became of one file: its target, or the sentence that says why there is none."""

    source: Path
    target: Path
    seconds: float
    error: str | None = None


def pair(source: Path, out: Path, suffix: str | None = None) -> list[tuple[Path, Path]]:
    """(input, output) for a file or for every picture below a folder, whose tree the outputs repeat.

    A file goes to ``out`` itself, or into it when it is a folder. A folder's outputs get ``suffix``, or keep
    their own where it can be written.

    Raises:
        BatchError: nothing to read, an output that would overwrite its input, or two inputs with one output.
    """
    if source.is_file():
        pairs = [(source, out / Path(source.name).with_suffix(_suffix(source, suffix)) if out.is_dir() else out)]
    elif source.is_dir():
        if out.is_file():
            raise BatchError(f"{source} is a folder, so {out} has to be one too; give a folder for the results.")
        files = sorted(p for p in source.rglob("*") if p.suffix.lower() in READABLE and p.is_file())
        if out.resolve() == source.resolve():
            raise BatchError(f"{source} would be filled with its own results; give another folder for them.")
        files = [p for p in files if not p.resolve().is_relative_to(out.resolve())]  # an earlier run's results
        if not files:
            raise BatchError(f"{source} holds no pictures ({', '.join(sorted(READABLE))}); give a folder that does.")
        pairs = [(p, out / p.relative_to(source).with_suffix(_suffix(p, suffix))) for p in files]
    else:
        raise BatchError(f"There is no file or folder {source}; check the path.")
    targets: dict[Path, Path] = {}
    for read, written in pairs:
        if written.resolve() == read.resolve():
            raise BatchError(f"{read} would be overwritten by its own result; give another place for the results.")
        if other := targets.get(written):
            raise BatchError(f"{other} and {read} would both become {written}; rename one of them.")
        targets[written] = read
    return pairs


def _suffix(path: Path, wanted: str | None) -> str:
    own = path.suffix.lower()
    return wanted or (own if own in image.FORMATS else ".png")


def run(
    task: Callable[[Path], Image.Image], pairs: list[tuple[Path, Path]], **save_options: object
) -> Iterator[Result]:
    """Apply ``task`` to each input and save it; yields a :class:`Result` for each as soon as it is done.

    Args:
        task: path in, picture out.
        pairs: (input, output), as :func:`pair` gives them; folders for outputs are made.
        save_options: for :func:`artcore.image.save`: quality, exif, icc.
    """
    for source, target in pairs:
        start = time.perf_counter()
        error = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            image.save(task(source), target, **save_options)
        except (ValueError, OSError) as reason:  # all our errors are ValueErrors of one sentence
            error = str(reason)
        except (MemoryError, RuntimeError) as reason:  # torch and Pillow, out of memory
            error = f"It could not be painted ({type(reason).__name__}: {str(reason)[:80]}); try a smaller picture."
        yield Result(source, target, time.perf_counter() - start, error)
