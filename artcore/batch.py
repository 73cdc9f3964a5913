"""One task over a folder: resumable, split over processes and machines; one bad file does not stop the rest.

Beside the results lies a journal, one line per finished picture. A picture is skipped when its line names the
same bytes and the same options and its result is there, so that a kill at any moment costs the picture in work
and no other. Two batches into one folder at the same time do work twice, and no harm.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import json
import logging
import os
import secrets
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch.nn import Module

from artcore import image, runtime

READABLE = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
STATES = ("done", "skipped", "duplicate", "failed")
JOURNAL = ".artcore"  # folder of the journal, one file per process, among the results
# By which variable each launcher tells its processes how many they are: torchrun and accelerate, then MPIs.
LAUNCHED = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
ALONE = (
    "accelerate launch has started this one process in place of several, as it does without GPUs or MPI: "
    "add --multi_gpu, which needs no GPU."
)

_log = logging.getLogger(__name__)

Pair = tuple[Path, Path]
Made = Image.Image | Callable[..., bytes]


class BatchError(ValueError):
    """Inputs or outputs that don't fit together; the message says what to give."""


@dataclass(frozen=True)
class Result:
    """What became of one file: its target, or the sentence that says why there is none."""

    source: Path
    target: Path
    state: str  # one of STATES
    seconds: float
    error: str | None = None
    twin: Path | None = None  # the result that a duplicate was copied from

    def __str__(self) -> str:
        """The line of the log."""
        what = {"skipped": "is there already", "duplicate": f"copied from {self.twin}", "failed": self.error}
        path = self.source if self.state == "failed" else self.target
        line = f"{path}: {what.get(self.state) or f'{self.seconds:.2f} s'}"
        return line.encode(errors="backslashreplace").decode()  # names need not be text, and would stop a print


def pair(source: Path, out: Path, suffix: str | None = None) -> list[Pair]:
    """(input, output) for a file or for every picture below a folder, whose tree the outputs repeat.

    A file goes to ``out`` itself, or into it when it is a folder. A folder's outputs get ``suffix``, or keep
    their own where it can be written. Hidden files and folders are left out.

    Raises:
        BatchError: nothing to read, an output that would overwrite its input, or two inputs with one output.
    """
    folder = functools.cache(Path.resolve)

    def real(path: Path) -> Path:
        """The path without links; that of a folder is asked for once, since there may be many files in it."""
        return path.resolve() if path.is_symlink() else folder(path.parent) / path.name

    if source.is_file():
        pairs = [(source, out / Path(source.name).with_suffix(_suffix(source, suffix)) if out.is_dir() else out)]
    elif source.is_dir():
        if out.is_file():
            raise BatchError(f"{source} is a folder, so {out} has to be one too; give a folder for the results.")
        if out.resolve() == source.resolve():
            raise BatchError(f"{source} would be filled with its own results; give another folder for them.")
        files = [p for p in sorted(source.rglob("*")) if p.suffix.lower() in READABLE and p.is_file()]
        files = [p for p in files if not any(part.startswith(".") for part in p.relative_to(source).parts)]
        results = out.resolve()
        files = [p for p in files if not real(p).is_relative_to(results)]  # an earlier run's results
        if not files:
            raise BatchError(f"{source} holds no pictures ({', '.join(sorted(READABLE))}); give a folder that does.")
        pairs = [(p, out / p.relative_to(source).with_suffix(_suffix(p, suffix))) for p in files]
    else:
        raise BatchError(f"There is no file or folder {source}; check the path.")
    targets: dict[Path, Path] = {}
    for read, written in pairs:
        if real(written) == real(read):
            raise BatchError(f"{read} would be overwritten by its own result; give another place for the results.")
        if other := targets.get(written):
            raise BatchError(f"{other} and {read} would both become {written}; rename one of them.")
        targets[written] = read
    return pairs


def _suffix(path: Path, wanted: str | None) -> str:
    own = path.suffix.lower()
    return wanted or (own if own in image.FORMATS else ".png")


def fingerprint(*models: Module, **options: object) -> str:
    """What decides a result besides its source: the weights and the options; files among these count by content.

    The weights count in bfloat16, so that machines of either number format agree on what is done.

    Raises:
        BatchError: a file among the options can't be read.
    """
    digest = hashlib.sha256(json.dumps(options, sort_keys=True, default=_by_content).encode())
    for model in models:
        config = getattr(model, "_hub_mixin_config", None)  # what an ArtModel was made with
        digest.update(json.dumps([type(model).__name__, config], default=str).encode())
        for name, tensor in model.state_dict().items():
            raw = tensor.to("cpu", torch.bfloat16, memory_format=torch.contiguous_format).view(torch.int16)
            digest.update(name.encode() + raw.numpy().tobytes())
    return digest.hexdigest()[:16]


def _by_content(value: object) -> str:
    if not isinstance(value, Path) or value.is_dir():
        return str(value)
    try:
        return _content(value)[1]
    except OSError as error:  # once, instead of once for every picture
        raise BatchError(_sentence(error, value)) from error


def _content(path: Path) -> tuple[int, str]:
    """(size, sha256) of a file."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """What became of the pictures of an output folder, in this run and in those before it.

    Args:
        out: the folder of the results.
        options: the :func:`fingerprint` of this run.
        rank: number of this process; each writes a file of its own, and reads those of all.

    Raises:
        BatchError: the folder can't be written.
    """

    def __init__(self, out: Path, options: str, rank: int = 0):
        self.out, self.options = out, options
        self.path = out / JOURNAL / f"journal.{rank}.jsonl"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                file.seek(0)
                file.write(b"" if file.read()[-1:] in (b"", b"\n") else b"\n")  # a kill cut the last line short
            lines = [line for file in self.path.parent.glob("journal.*.jsonl") for line in _lines(file)]
            _sweep(out)
        except OSError as error:
            raise BatchError(_sentence(error, self.path)) from error
        # The last word on a picture may be another process's: the next run may be split in another way.
        self._last = {line["target"]: line for line in sorted(lines, key=lambda line: line["time"])}

    def has(self, target: Path, content: tuple[int, str]) -> bool:
        """Whether ``target`` is there and was made of these bytes with these options."""
        line = self._last.get(self._name(target))
        wanted = (*content, self.options, None)
        if line is None or tuple(line.get(key) for key in ("size", "sha256", "options", "error")) != wanted:
            return False
        return target.is_file() and target.stat().st_size > 0  # a crash of the machine leaves empty files

    def write(self, result: Result, content: tuple[int, str] | None) -> None:
        """Add a line. Raises BatchError when that fails: nothing that follows would be remembered."""
        size, sha256 = content or (None, None)
        line = {
            "source": str(result.source),
            "size": size,
            "sha256": sha256,
            "target": self._name(result.target),
            "state": result.state,
            "seconds": round(result.seconds, 3),
            "options": self.options,
            "error": result.error,
            "time": time.time(),
        }
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise BatchError(_sentence(error, self.path)) from error

    def _name(self, target: Path) -> str:
        return target.relative_to(self.out).as_posix()


def _lines(file: Path) -> Iterator[dict]:
    """The whole lines of a journal file; what a kill or a stranger left between them is no line."""
    for text in file.read_bytes().splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            line = json.loads(text)
            if isinstance(line["target"], str) and isinstance(line["time"], float):
                yield line


def _sweep(out: Path) -> None:
    """Remove the half-written files of killed runs; a minute's grace spares those of a run that is alive."""
    for path in out.rglob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > 60:
                path.unlink()


def run(
    task: Callable[[Path], Made], pairs: list[Pair], *, journal: Journal | None = None, **save_options: object
) -> Iterator[Result]:
    """Apply ``task`` to each input and save it; yields a :class:`Result` for each as soon as it is done.

    With a journal, what is done already is skipped, and inputs of the same bytes are painted once and copied.

    Args:
        task: path in, picture out; or a function (format, **save_options) -> bytes in place of the picture, where
            :func:`artcore.image.encode` has no way to write it.
        pairs: (input, output), as :func:`pair` gives them; folders for outputs are made.
        journal: of the output folder; without it all is done anew.
        save_options: for :func:`artcore.image.save`: quality, exif, icc, recipe.

    Raises:
        BatchError: the journal can't be written.
    """
    made: dict[tuple, Path] = {}  # (size, sha256, format) -> a result that is there
    for source, target in pairs:
        start = time.perf_counter()
        state, error, twin, content = "done", None, None, None
        try:
            if journal:
                content = _content(source)  # before it is read: if it changes meanwhile, the next run sees that
                key = (*content, image.FORMATS.get(target.suffix.lower()))
            if journal and journal.has(target, content):
                state = "skipped"
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                if journal and (twin := made.get(key)):
                    state = "duplicate"
                    _copy(twin, target)
                else:
                    _save(task(source), target, save_options)
            if journal:
                made.setdefault(key, target)
        except OSError as reason:
            state, error = "failed", _sentence(reason, source)
        except ValueError as reason:  # all our errors are ValueErrors of one sentence
            state, error = "failed", str(reason)
        except Exception as reason:  # torch and Pillow out of memory, or a fault of ours that only this file finds
            why = f"{type(reason).__name__}: {str(reason)[:80]}"
            state, error = "failed", f"It could not be painted ({why}); try a smaller picture, or another format."
        result = Result(source, target, state, time.perf_counter() - start, error, twin if state != "failed" else None)
        if journal and state != "skipped":
            journal.write(result, content)
        yield result


def _save(made: Made, target: Path, options: dict) -> None:
    if isinstance(made, Image.Image):
        image.save(made, target, **options)
    else:
        image.write(made(image.format_of(target), **options), target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file; like image.save's, the copy appears whole or not at all."""
    beside = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        shutil.copyfile(source, beside)
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _sentence(error: OSError, path: Path) -> str:
    why = (error.strerror or "no reason given").lower()
    return f"{error.filename or path} can't be used ({why}): check that it is there, is yours and has room."


class Crew:
    """The processes of one batch: this one alone, unless `accelerate launch --multi_gpu` (without GPUs too) or torchrun
    started several.

    Make it before any weights are loaded: it chooses this process's GPU where there are several, and its share
    of the cores. Over several machines, input and output are folders that all of them see.
    """

    def __init__(self):
        self.rank, self.count = 0, 1
        if all(os.environ.get(name, "1") == "1" for name in LAUNCHED):
            # Where it means to start several processes, accelerate names the place they meet; torchrun, or MPI, would
            # have said how many they are.
            if {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys() and "WORLD_SIZE" not in os.environ:
                _log.warning(ALONE)
            return
        try:
            from accelerate import PartialState
        except ImportError:
            raise BatchError("Several processes need the package accelerate; install it, or start one.") from None
        # gloo, since only lists of names are sent; it waits as long as the slowest process paints.
        forever = datetime.timedelta(days=365)
        state = PartialState(cpu=not torch.cuda.is_available(), backend="gloo", timeout=forever)
        self.rank, self.count = state.process_index, state.num_processes
        # After setup, so that one process or many choose the same number format and paint the same bytes.
        cores = runtime.setup().threads
        runtime.use_threads(max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))

    def share(self, pairs: list[Pair]) -> list[Pair]:
        """This process's part of the first process's list; files of the same bytes stay together."""
        if self.count == 1:
            return pairs
        from accelerate.utils import broadcast_object_list

        groups = _alike(pairs) if self.rank == 0 else []
        parts = [[pair for group in groups[rank :: self.count] for pair in group] for rank in range(self.count)]
        return broadcast_object_list([parts])[0][self.rank]

    def gather(self, results: list[Result]) -> list[list[Result]]:
        """The results of each process, once the last is ready, to all of them, so that all end alike; it ends the
        crew."""
        if self.count == 1:
            return [results]
        from accelerate import PartialState
        from accelerate.utils import gather_object

        everyone, state = gather_object([results]), PartialState()
        # Nobody hangs up while another still listens: gloo ends a process whose peer is gone.
        state.wait_for_everyone()
        state.destroy_process_group()
        return everyone


def _alike(pairs: list[Pair]) -> list[list[Pair]]:
    """Groups of pairs whose inputs are the same bytes; only what agrees in size is read."""

    def grouped(pairs: list[Pair], key: Callable[[Path], object]) -> list[list[Pair]]:
        groups: dict[object, list[Pair]] = {}
        for source, target in pairs:
            try:
                groups.setdefault(key(source), []).append((source, target))
            except OSError:  # its turn will say why
                groups[source] = [(source, target)]
        return list(groups.values())

    by_size = grouped(pairs, lambda path: path.stat().st_size)
    return [group for same in by_size for group in (grouped(same, _content) if len(same) > 1 else [same])]


def report(shares: list[list[Result]], seconds: float) -> str:
    """The table at the end of a batch that took ``seconds``, then the files that failed, each with its sentence.

    Args:
        shares: The results of each process; of several, each has a column of its own.
        seconds: From the start to the end.
    """
    everyone = [result for share in shares for result in share]
    columns = [_column(everyone, seconds)]
    heads = []
    if len(shares) > 1:
        heads = ["all", *(f"process {rank}" for rank in range(len(shares)))]
        columns += [_column(share, sum(result.seconds for result in share)) for share in shares]
    table = [" ".join([f"{'':20}", *(f"{head:>{_width(head)}}" for head in heads)])] if heads else []
    for name in columns[0]:
        cells = zip(heads or ["all"], columns, strict=True)
        table.append(" ".join([f"{name:20}", *(f"{column[name]:>{_width(head)}}" for head, column in cells)]))
    return "\n".join([*table, *(f"failed: {result}" for result in everyone if result.error)])


def _width(head: str) -> int:
    return max(8, len(head) + 1)


def _column(results: list[Result], seconds: float) -> dict[str, str]:
    """What became of some pictures, by row of the table."""
    count = Counter(result.state for result in results)
    painted = [result.seconds for result in results if result.state == "done"]
    return {state: str(count[state]) for state in STATES} | {
        "seconds": f"{seconds:.1f}",
        "pictures per minute": f"{60 * (len(painted) + count['duplicate']) / max(seconds, 1e-9):.1f}",
        "median seconds": f"{statistics.median(painted):.2f}" if painted else "-",
    }
