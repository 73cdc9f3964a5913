"""Resume files of style transfers: one safetensors file, of which nothing is believed before it was checked."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import load_file
from safetensors.torch import save as write_tensors

from artcore import __version__, runtime
from artcore.recipe import Recipe, RecipeError
from artcore.tasks.style_options import StyleError, StyleOptions

FORMAT = "artcore style 1"
HEADER = 1 << 20  # bytes; those of a run are some ten thousand, and JSON takes many times its length to read

_log = logging.getLogger(__name__)
Tensors = dict[str, torch.Tensor]


def write(tensors: Tensors, **meta: Any) -> bytes:
    """The file of these tensors and of what JSON can hold."""
    told = {key: json.dumps(value) for key, value in (meta | _versions()).items()}
    return write_tensors({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, {"format": FORMAT, **told})


def _versions() -> dict[str, str]:
    dtype = str(runtime.setup().dtype).removeprefix("torch.")
    return {"artcore": __version__, "torch": str(torch.__version__), "dtype": dtype}


def read(file: str | os.PathLike | bytes) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and what was told with them. Raises StyleError for what is no resume file."""
    try:
        if isinstance(file, bytes):
            head = file[: 8 + HEADER]
        else:
            with Path(file).open("rb") as opened:
                head = opened.read(8 + HEADER)
        length = int.from_bytes(head[:8], "little")
        if len(head) < 8 + length:
            raise ValueError("cut short, or none of ours")
        meta = json.loads(head[8 : 8 + length]).get("__metadata__") or {}
        tensors = read_tensors(file) if isinstance(file, bytes) else load_file(file)
    except (OSError, SafetensorError, ValueError, AttributeError, RecursionError) as error:
        raise StyleError(f"The resume file can't be read ({error}): give one that a style run wrote.") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise StyleError("This is no resume file of a style run: give one that a style run wrote.")
    with whole():
        meta = {key: json.loads(value) for key, value in meta.items() if key != "format"}
        was, now = ({key: str(versions[key]) for key in _versions()} for versions in (meta, _versions()))
    if was != now:
        differs = ", ".join(f"{key} {was[key][:20]} instead of {now[key]}" for key in now if was[key] != now[key])
        _log.warning("The run was begun with %s: it goes on, but not the same to the last bit.", differs)
    return tensors, meta


@contextmanager
def whole() -> Iterator[None]:
    """Turns what a broken file makes Python raise into the sentence for it."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, RecursionError) as error:
        raise _broken(f"{type(error).__name__}: {str(error)[:60]}") from error


def check(good: bool, what: str) -> None:
    if not good:
        raise _broken(what)


def _broken(what: str) -> StyleError:
    return StyleError(f"The resume file is damaged, or of another version ({what}): give one that this version wrote.")


def options(values: dict[str, Any]) -> StyleOptions:
    try:
        made = StyleOptions.of(values)
    except StyleError as error:
        raise _broken(str(error).rstrip(".")) from error
    check(made.asdict() == values, "its options are not those that there are")
    return made


def recipe(text: object, steps: list[int]) -> Recipe:
    """That of the run, with how many steps it went of each stage that is done, which had so many at most. It no longer
    says what it ran on where that was another machine than this."""
    check(isinstance(text, str), "its recipe")
    try:
        made = Recipe.from_json(text)
    except RecipeError as error:
        raise _broken("its recipe") from error
    check(made.task == "style" and len(made.ran) == len(steps), "its recipe")
    check(all(ran <= most for ran, most in zip(made.ran, steps, strict=True)), "its recipe")
    return made if made.run == runtime.described() else replace(made, run={})


def pictures(tensors: Tensors, name: str, *bands: int) -> list[Image.Image]:
    """Takes the pictures of that name, of 1, 3 or 4 bands, out of the tensors."""
    found = []
    while (found_as := f"{name}.{len(found)}") in tensors:
        t = tensors.pop(found_as)
        shape = tuple(t.shape) + (1,) * (t.dim() == 2)
        check(t.dtype == torch.uint8 and len(shape) == 3 and shape[2] in bands and min(shape) > 0, found_as)
        found.append(Image.fromarray(t.numpy()))
    return found


def number(state: Mapping[str, Any], name: str, most: int | None = None) -> Any:
    """A number of 0 or more: a whole one up to `most`, or any that is finite."""
    value = state[name]
    kinds = float | int if most is None else int
    good = isinstance(value, kinds) and not isinstance(value, bool)
    check(good and 0 <= value <= (1e300 if most is None else most), f"{name} is {str(value)[:20]}")
    return value


def optimiser(
    kind: str, numbers: dict[str, Any], tensors: Tensors, x: torch.Tensor, steps: int, history: int
) -> dict[str, Any]:
    """The state of an optimiser, once it is sure that it is one."""
    if kind == "adam":
        number(numbers, "count", steps)
        whole_, single, known = {"first", "second"}, {"second"}, {"count"}
    else:
        pairs = number(numbers, "pairs", history)
        number(numbers, "failed", 5)
        number(numbers, "length")
        check(type(numbers["loss"]) in (float, int), "loss")  # any, since the first is infinite
        whole_, single, known = {"at", "gradient", "direction"}, set(), {"loss", "length", "failed", "pairs"}
        whole_ |= {f"{name}{i}" for i in range(pairs) for name in "sy"}
    check(set(numbers) == known and set(tensors) in (set(), whole_), "optimiser")
    check(bool(tensors) or not numbers.get("pairs"), "pairs")
    for name, t in tensors.items():
        check(t.shape == (x[:, :1] if name in single else x).shape, f"{name}'s shape")
    return numbers | tensors


def factors(found: object, names: Mapping[str, float], raw: bool) -> dict[str, float] | None:
    if raw:
        check(found is None, "factors")
        return None
    check(isinstance(found, dict) and set(found) == set(names), "factors")
    return {name: number(found, name) for name in names}


def finite(tensors: Tensors) -> None:
    for name, t in tensors.items():
        check(t.dtype == torch.float32 and bool(torch.isfinite(t).all()), f"{name} holds other than finite numbers")
