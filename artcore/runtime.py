"""What the machine decides, once per process: device, number format, threads, memory.

Environment: ARTCORE_DTYPE (bf16 or fp32) overrides the timed choice, ARTCORE_THREADS the number of threads,
ARTCORE_CACHE the folder that keeps the choice (default ~/.cache/artcore).
"""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import logging
import math
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import nn

try:
    import fcntl
except ImportError:  # Windows: two first starts at once may then both time the convolution
    fcntl = None

Module = TypeVar("Module", bound=nn.Module)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# bf16 rounds to 8 bits of mantissa, so it must pay: a smaller gain is noise on a busy machine.
BF16_GAIN = 1.3
# The timed convolution: 3x3, 64 -> 64 channels, on a quarter of 1920x1080 each way.
CHANNELS, HEIGHT, WIDTH = 64, 270, 480
CONV_FLOPS = 2 * CHANNELS * CHANNELS * 9 * HEIGHT * WIDTH
# Left for the web server, encoding and everybody else.
RESERVE = 256 * 2**20
ROOT = Path("/")  # of /proc and /sys; the tests put their own here

# Held around every call of a net: two that run OpenMP at once drop to 0.2-0.8 of one's throughput.
lock = threading.RLock()
_setting_up = threading.Lock()
_fewer: dict[str, int] = {}  # threads, once this process has given some away
_log = logging.getLogger(__name__)


class TooLarge(ValueError):
    """A job that would not fit memory; the message names the largest size that would."""


@dataclass(frozen=True)
class Runtime:
    """device; dtype of weights and activations; threads; flops: measured FLOP/s of a convolution in dtype."""

    device: torch.device
    dtype: torch.dtype
    threads: int
    flops: float


def setup() -> Runtime:
    """Decide, and set malloc and threads: the first call does the work, later calls return the same object.

    Call it early in a process, before other threads are started: malloc's setting reaches only threads that
    come later. Raises ValueError for a wrong ARTCORE_DTYPE or ARTCORE_THREADS, and for bf16 demanded where
    this machine cannot run it.
    """
    with _setting_up:
        return _setup()


@functools.cache
def _setup() -> Runtime:
    tune_malloc()
    threads = _threads()
    torch.set_num_threads(threads)
    # On ZeroGPU the package spaces makes believe that there is CUDA, which only the processes have that it forks.
    cuda = torch.cuda.is_available() and not torch.cuda.is_available.__module__.startswith("spaces.")
    device = torch.device("cuda" if cuda else "cpu")
    dtype, flops = _decide(device, threads)
    return Runtime(device, DTYPES[dtype], threads, flops)


def anew() -> None:
    """In a process that was forked: the next :func:`setup` decides again, since it may have another device, and no
    lock is held by a thread that is not here."""
    global lock, _setting_up
    lock, _setting_up = threading.RLock(), threading.Lock()
    _setup.cache_clear()


def use_threads(count: int) -> None:
    """Run with fewer threads than :func:`setup` chose, since other processes of the same job have the rest."""
    torch.set_num_threads(count)
    _fewer["threads"] = count


def described() -> dict[str, object]:
    """What decides, beside its arguments, on the bytes of a picture: torch, dtype, threads, device, processor."""
    run = setup()
    return {
        "torch": str(torch.__version__),
        "dtype": next(name for name, dtype in DTYPES.items() if dtype == run.dtype),
        "device": run.device.type,
        "processor": _processor(run.device),
        "threads": run.threads,
    } | _fewer


def prepare(model: Module) -> Module:
    """The same model, ready for inference: eval, no gradients, device, dtype, channels_last."""
    run = setup()
    return model.eval().requires_grad_(False).to(run.device, run.dtype, memory_format=torch.channels_last)


def seconds(flops: float) -> float:
    """Predicted seconds of `flops` floating-point operations (one multiply-add counts 2).

    The rate is that of one convolution of 64 channels, with nothing between: nets with norms, odd widths and
    few channels take up to twice as long.
    """
    return flops / setup().flops


def check_memory(width: int, height: int, bytes_per_pixel: float) -> None:
    """Raise TooLarge where width x height x bytes_per_pixel exceeds free memory less a reserve.

    bytes_per_pixel is the peak of the whole job per pixel of the picture. The message names the largest
    picture of the same aspect that fits. Where free memory cannot be read (not Linux), nothing is refused.
    """
    need = width * height * bytes_per_pixel
    free = _free_memory()
    if free is not None and need > free:
        release_memory()  # what earlier pictures freed is still ours: give it back, then count again
        free = _free_memory()
    if free is None or need <= free:
        return
    why = f"A picture of {width} x {height} needs about {need / 1e9:.1f} GB and {free / 1e9:.1f} GB is free; "
    pixels = int(free / bytes_per_pixel)
    if pixels < 1:
        raise TooLarge(why + "close other programs, or use a machine with more memory.")
    raise TooLarge(why + "use at most {} x {}.".format(*_largest(width, height, pixels)))


def _largest(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The largest size of this aspect within `pixels`, its longer side rounded down to two digits: easier to
    read, and still right when a little less is free by the time it is tried."""
    long, short = max(width, height), min(width, height)
    fits = int(long * math.sqrt(pixels / (long * short)))
    digits = 10 ** max(0, len(str(fits)) - 2)
    fits = max(1, fits // digits * digits)
    narrow = max(1, fits * short // long)
    fits = min(fits, pixels // narrow)
    return (fits, narrow) if width >= height else (narrow, fits)


# --- memory ---------------------------------------------------------------------------------------------


def tune_malloc() -> None:
    """Keep freed memory (glibc only). By default each large tensor is mapped, faulted in page by page and
    unmapped again, which costs half the time of a net at 1920x1080."""
    libc = _glibc()
    if libc is None:
        return
    m_trim_threshold, m_mmap_threshold, m_arena_max = -1, -3, -8
    if not libc.mallopt(m_mmap_threshold, 2**30):
        libc.mallopt(m_mmap_threshold, 2**25)  # the most that older releases take
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    # A thread of its own arena cannot keep blocks over 64 MB there and maps them whatever the thresholds say,
    # and servers run nets in worker threads: one arena for all makes them as quick as the main thread.
    libc.mallopt(m_arena_max, 1)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") and hasattr(libc, "mallopt") else None


def release_memory() -> None:
    """Give freed memory back to the system, which :func:`tune_malloc` made malloc keep: worth it between two jobs
    of other sizes, where what the first one left does not fit the second."""
    gc.collect()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _free_memory() -> int | None:
    """Bytes that a job may take, or None where it cannot be known."""
    if setup().device.type == "cuda":
        return max(0, torch.cuda.mem_get_info()[0] - RESERVE)
    free = []
    for line in _text(ROOT / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free.append(int(line.split()[1]) * 1024)
    for folder in _cgroups("memory"):
        for limit, used, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, used = _text(folder / limit).strip(), _text(folder / used).strip()
            if limit.isdigit() and used.isdigit():
                stat = dict(line.split() for line in _text(folder / "memory.stat").splitlines())
                # File pages count as used, and the kernel drops them when they are in the way.
                free.append(int(limit) - int(used) + int(stat.get(cache, 0)))
    return max(0, min(free) - RESERVE) if free else None


def _cgroups(controller: str) -> Iterator[Path]:
    """This process's control groups for `controller`, v2 and v1, each with its ancestors: any may limit it.
    In a container the own path is often not mounted, but the root then is the container's."""
    mount = ROOT / "sys/fs/cgroup"
    for line in _text(ROOT / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for top in (mount / controllers, mount / controller) if controllers else (mount, mount / "unified"):
            folder = top / path.lstrip("/")
            yield folder
            while folder != top and folder != folder.parent:
                folder = folder.parent
                yield folder


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


# --- threads --------------------------------------------------------------------------------------------


def cpus() -> list[int]:
    """The processors that this process may use: of a pinned one fewer than the machine has."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _threads() -> int:
    """Physical cores that this process may use, within its control group's quota."""
    chosen = os.environ.get("ARTCORE_THREADS")
    if chosen:
        if not chosen.isdigit() or int(chosen) < 1:
            raise ValueError(f"ARTCORE_THREADS is {chosen!r}; set it to a whole number from 1, or unset it.")
        return int(chosen)
    topology = ROOT / "sys/devices/system/cpu"
    # Two hyper-threads of one core name the same siblings; where nothing is named, each CPU is a core.
    cores = {_text(topology / f"cpu{n}/topology/thread_siblings_list") or n for n in cpus()}
    threads = len(cores)
    for folder in _cgroups("cpu"):
        quota = _text(folder / "cpu.max").split() or [
            _text(folder / "cpu.cfs_quota_us").strip(),
            _text(folder / "cpu.cfs_period_us").strip(),
        ]
        if len(quota) == 2 and all(part.isdigit() and int(part) for part in quota):
            threads = min(threads, int(quota[0]) // int(quota[1]))
    return max(1, threads)


# --- number format --------------------------------------------------------------------------------------


def _decide(device: torch.device, threads: int) -> tuple[str, float]:
    """The dtype's name and its FLOP/s, from ARTCORE_DTYPE, else the cache file, else timed and kept there.

    Kept, because bf16 and fp32 give different bytes: a machine whose two rates are close must not choose
    anew at every start.
    """
    forced = os.environ.get("ARTCORE_DTYPE")
    if forced and forced not in DTYPES:
        raise ValueError(f"ARTCORE_DTYPE is {forced!r}; set it to bf16 or fp32, or unset it.")
    file = Path(os.environ.get("ARTCORE_CACHE") or "~/.cache/artcore").expanduser() / "runtime.json"
    key = _key(device, threads)
    with _one_process(file):
        kept = _read(file)
        record = kept.get(key)
        if not _valid(record):
            rates = _measure(device)
            record = {"dtype": _choose(device, rates), "flops": rates}
            _write(file, {**kept, key: record})
    dtype = forced or record["dtype"]
    flops = record["flops"][dtype]
    if not flops:
        raise ValueError(f"This machine has no {dtype} convolutions; unset ARTCORE_DTYPE or set it to fp32.")
    return dtype, flops


def _choose(device: torch.device, rates: dict[str, float]) -> str:
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if rates["bf16"] >= BF16_GAIN * rates["fp32"] else "fp32"


def _measure(device: torch.device) -> dict[str, float]:
    """FLOP/s of one convolution in each dtype; 0 where it cannot run, as bf16 on some CPUs."""
    jobs, best = {}, dict.fromkeys(DTYPES, math.inf)
    with torch.inference_mode():
        for name, dtype in DTYPES.items():
            x = torch.full((1, CHANNELS, HEIGHT, WIDTH), 0.5)  # no random numbers: the caller's seed stays
            weight = torch.full((CHANNELS, CHANNELS, 3, 3), 0.01)
            x, weight = (t.to(device, dtype, memory_format=torch.channels_last) for t in (x, weight))
            try:
                F.conv2d(x, weight, padding=1)  # also the warm-up
            except RuntimeError:
                if name == "fp32":
                    raise
                continue
            jobs[name] = (x, weight)
        # In turn, and the best of each: a neighbour's burst then hits both.
        for _ in range(4):
            for name, (x, weight) in jobs.items():
                if 4 * best["fp32"] < best[name] < math.inf:
                    continue  # emulated bf16, seconds in all: one run says enough
                _wait(device)
                start = time.perf_counter()
                F.conv2d(x, weight, padding=1)
                _wait(device)
                best[name] = min(best[name], time.perf_counter() - start)
    return {name: CONV_FLOPS / taken for name, taken in best.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _key(device: torch.device, threads: int) -> str:
    """What the rates depend on. Virtual machines give their CPUs vague names, so the instruction sets that
    decide about bf16 are named too; ONEDNN_MAX_CPU_ISA is what the user lets oneDNN see of them."""
    name, flags = _processor(device), ""
    if device.type != "cuda":
        flags = " ".join(sorted({"avx2", "avx512f", "avx512_bf16", "amx_bf16"} & set(_cpuinfo("flags").split())))
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return f"{name} | {flags} | torch {torch.__version__} | ONEDNN_MAX_CPU_ISA={isa} | {threads} threads"


def _processor(device: torch.device) -> str:
    """What the maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(wanted: str) -> str:
    """What Linux says of the first CPU under that name."""
    for line in _text(ROOT / "proc/cpuinfo").splitlines():
        field, _, value = line.partition(":")
        if field.strip() == wanted:
            return value.strip()
    return ""


def _valid(record: object) -> bool:
    if not isinstance(record, dict) or record.get("dtype") not in DTYPES:
        return False
    flops = record.get("flops")
    return (
        isinstance(flops, dict)
        and all(isinstance(flops.get(name), int | float) and 0 <= flops[name] < math.inf for name in DTYPES)
        and flops[record["dtype"]] > 0
    )


def _read(file: Path) -> dict:
    try:
        kept = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(file: Path, kept: dict) -> None:
    try:
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".json", delete=False) as temporary:
            json.dump(kept, temporary, indent=2)
        os.replace(temporary.name, file)
    except OSError as error:
        _log.warning(
            "The choice of number format could not be kept (%s): set ARTCORE_CACHE to a folder that can be "
            "written, or ARTCORE_DTYPE, so that every start gives the same bytes.",
            error,
        )


@contextmanager
def _one_process(file: Path) -> Iterator[None]:
    """Processes that start together wait for the first one's choice, instead of timing against each other.
    Where no lock is to be had (read-only folder, some network disks), each goes on by itself."""
    handle = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if fcntl:
            handle = file.with_suffix(".lock").open("w")
            fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        pass
    try:
        yield
    finally:
        if handle:
            handle.close()
