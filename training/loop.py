"""What every trainer does alike, as functions: configuration, accelerator, EMA, checkpoints, resume, samples."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import shutil
import sys
import time
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, broadcast, set_seed
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision.utils import make_grid, save_image
from tqdm import tqdm

from artcore import runtime

C = TypeVar("C")


class ConfigError(ValueError):
    """A setting that does not exist or does not fit; the message says which and what would."""


def parse(
    config: type[C],
    argv: list[str] | None,
    presets: dict[str, dict[str, Any]] | None = None,
    translate: Callable[[dict, dict], dict] | None = None,
) -> C:
    """Build a dataclass from defaults, then ``--preset NAME``, then ``--config FILE.json``, then flags.

    ``translate(settings, flags)`` makes our settings of those of a JSON file that has other names for them.

    Every field is a flag (``--learning-rate 1e-3``); tuples take several values, dicts take JSON, booleans
    take ``--flag`` and ``--no-flag``.

    Raises:
        ConfigError: an unknown key or a value of the wrong kind in the JSON file or the preset.
    """
    hints = typing.get_type_hints(config)
    parser = argparse.ArgumentParser(description=config.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="JSON file with any of the settings below")
    if presets:
        parser.add_argument("--preset", choices=sorted(presets), help="a named set of settings")
    for field in dataclasses.fields(config):
        default = field.default_factory() if field.default is dataclasses.MISSING else field.default
        kind = hints[field.name]
        flag = "--" + field.name.replace("_", "-")
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "help": f"default: {default!r}"}
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(kind) is tuple:
            options |= {"nargs": "+", "type": typing.get_args(kind)[0]}
        else:
            options["type"] = json.loads if typing.get_origin(kind) is dict or kind is dict else kind
        parser.add_argument(flag, **options)
    flags = vars(parser.parse_args(argv))
    path, preset = flags.pop("config", None), flags.pop("preset", None)
    values: dict[str, Any] = dict(presets[preset]) if presets and preset else {}
    if path:
        try:
            settings = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{path.name} can't be read as JSON settings ({error}); check the file.") from error
        values |= translate(settings, flags) if translate else settings
    for name, value in values.items():
        if name not in hints:
            raise ConfigError(f"{name!r} is no setting of this trainer; see --help for the list.")
        values[name] = _checked(name, value, hints[name])
    values |= {name: tuple(v) if typing.get_origin(hints[name]) is tuple else v for name, v in flags.items()}
    return config(**values)


def _checked(name: str, value: Any, kind: Any) -> Any:
    """A setting from JSON as its field's type; numbers may be strings, as in the JSON files of old documents."""
    origin = typing.get_origin(kind) or kind
    if origin in (bool, dict) and isinstance(value, origin):
        return value
    try:
        if origin is tuple and isinstance(value, list | tuple):
            return tuple(typing.get_args(kind)[0](v) for v in value)
        plain = isinstance(value, int | float | str) and not isinstance(value, bool)
        if origin in (int, float, str) and plain and (isinstance(value, str) or origin(value) == value):
            return origin(value)
    except (TypeError, ValueError):
        pass
    raise ConfigError(f"{name} is {value!r}; give {getattr(kind, '__name__', kind)}, as in --help.")


def exit_status(main: Any) -> int:
    """Run a trainer's ``main`` from the shell: what the user got wrong is one sentence and status 2."""
    try:
        main()
    except ValueError as error:
        if type(error) is ValueError:  # not one of ours: a bug, to be seen whole
            raise
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    return 0


def accelerator(out: Path, *, seed: int, mixed_precision: str = "no", tracker: str = "tensorboard") -> Accelerator:
    """Seed everything and set up accelerate; ``tracker`` is "tensorboard", "trackio", ... or "none". A precision of
    "auto" is the format in which this machine runs nets fastest (`artcore.runtime`)."""
    runtime.tune_malloc()  # twice the speed on two cores
    if mixed_precision == "auto":
        mixed_precision = "bf16" if runtime.setup().dtype is torch.bfloat16 else "no"
    out.mkdir(parents=True, exist_ok=True)
    made = Accelerator(
        mixed_precision=mixed_precision,
        log_with=None if tracker == "none" else tracker,
        project_config=ProjectConfiguration(project_dir=str(out), logging_dir=str(out / "logs")),
        cpu=not torch.cuda.is_available(),
    )
    set_seed(seed)
    return made


def start_trackers(accelerator: Accelerator, name: str, config: Any) -> None:
    """Open the trackers with the configuration's scalar settings as hyper-parameters."""
    settings = dataclasses.asdict(config)
    flat = {k: v if isinstance(v, int | float | str) else json.dumps(v, default=str) for k, v in settings.items()}
    accelerator.init_trackers(name, config=flat)


def ema(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of weights and of batch norm statistics.

    The decay grows with the count of updates, (1 + n) / (10 + n), up to ``decay``, so that the average is not
    held back by the weights that the run began with.
    """

    def average(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(kept, new, share) if kept.is_floating_point() else new

    return AveragedModel(model, avg_fn=average, use_buffers=True).eval().requires_grad_(False)


class Progress:
    """The step counter and the seconds spent, saved with every checkpoint."""

    def __init__(self) -> None:
        self.step = 0
        self._spent, self._since = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of all the runs that led here."""
        return self._spent + time.monotonic() - self._since

    def state_dict(self) -> dict[str, float]:
        return {"step": self.step, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.step = state["step"]
        self._spent, self._since = state["seconds"], time.monotonic()


def record(out: Path, accelerator: Accelerator, config: Any, progress: Progress, **facts: Any) -> None:
    """Write training.json, from which the model card tells how a checkpoint was made: settings, steps, minutes,
    hardware, and what else the trainer knows. Call it on the main process."""
    device = accelerator.device
    cores = len(runtime.cpus())
    processor = f"{cores} CPU core{'s' * (cores != 1)}"
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else processor
    known = {
        "trainer": type(config).__module__ if type(config).__module__ != "__main__" else Path(sys.argv[0]).stem,
        "step": progress.step,
        "minutes": round(progress.seconds / 60, 1),
        "processes": accelerator.num_processes,
        "hardware": hardware,
        "torch": torch.__version__,
    }
    settings = dataclasses.asdict(config)
    if settings.get("mixed_precision") == "auto":
        settings["mixed_precision"] = accelerator.mixed_precision
    text = json.dumps({**known, **facts, "config": settings}, indent=2, default=str)
    (out / "training.json").write_text(text + "\n")


def resume(accelerator: Accelerator, out: Path) -> bool:
    """Load the checkpoint of ``out`` if there is one: weights, optimisers, EMA, step, random state.

    Raises:
        ConfigError: it was made with other nets than these.
    """
    kept, old = out / "checkpoint", out / "checkpoint.old"
    if accelerator.is_main_process and old.is_dir() and not kept.exists():
        old.rename(kept)  # killed between the two renames of `checkpoint`
    accelerator.wait_for_everyone()
    if not kept.is_dir():
        return False
    try:
        accelerator.load_state(str(kept))
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ConfigError(
            f"The checkpoint in {out} does not fit these settings ({reason}); go on with the settings that it was "
            "made with, or give another out."
        ) from error
    return True


def checkpoint(accelerator: Accelerator, out: Path) -> None:
    """Save everything needed to go on exactly; a kill at any moment leaves the old or the new one whole."""
    fresh, kept, old = out / "checkpoint.new", out / "checkpoint", out / "checkpoint.old"
    if accelerator.is_main_process and kept.exists():
        shutil.rmtree(old, ignore_errors=True)  # what a kill left behind
    if accelerator.is_main_process:
        shutil.rmtree(fresh, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(fresh))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        if kept.exists():
            kept.rename(old)
        fresh.rename(kept)
        shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def steps(accelerator: Accelerator, first: int, last: int, label: str) -> Iterator[int]:
    """Step numbers from ``first`` to ``last`` - 1 behind a progress bar with the time left."""
    yield from tqdm(
        range(first, last),
        initial=first,
        total=last,
        desc=label,
        disable=not accelerator.is_main_process,
        mininterval=5,
        dynamic_ncols=True,
    )


def until(accelerator: Accelerator, steps: Iterator[int], progress: Progress, minutes: float) -> Iterator[int]:
    """The steps until all the runs that led here have taken that many minutes. The main process's clock counts, so
    that all processes end with the same step."""
    for step in steps:
        over = torch.tensor(progress.seconds >= 60 * minutes, dtype=torch.int32, device=accelerator.device)
        if broadcast(over):
            return
        yield step


def step_generator(seed: int, step: int, rank: int = 0) -> torch.Generator:
    """Random numbers that are a function of seed, step and process: what a step draws does not depend on
    what came before it, so a resumed run sees the very pictures that the uninterrupted one saw."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) * 4099 + rank)


def save_grid(path: Path, rows: list[torch.Tensor]) -> torch.Tensor:
    """Write rows of pictures, each (N, 3, H, W) in [0, 1] and of one size, as one sheet; returns it (3, H, W)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = make_grid(torch.cat([row.detach().float().cpu() for row in rows]), nrow=len(rows[0]), padding=2)
    save_image(sheet, path)
    return sheet


SCHEDULES = ("cosine", "step", "linear", "constant")


def rate(schedule: str, step: int, steps: int, warmup: int = 0) -> float:
    """Learning rate at a step, as a share of the configured one: warm-up, then "cosine", "step" (halved four
    times), "linear" (held for half of the steps, then down to nothing, as in Zhu et al. 2017) or "constant"."""
    if schedule not in SCHEDULES:
        raise ConfigError(f"schedule is {schedule!r}; choose from {', '.join(SCHEDULES)}.")
    if step < warmup:
        return (step + 1) / warmup
    done = step / max(1, steps)
    if schedule == "constant":
        return 1.0
    if schedule == "step":
        return 0.5 ** int(done * 5)
    if schedule == "linear":
        return min(1.0, 2 * (1 - done))
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(done * math.pi))
