"""The endpoint /batch: up to ten pictures, each as one of the other endpoints makes it, in one ZIP file."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gradio as gr

from artcore.studio import chain, colour_orders, orders, several, shared, style, upscale

# What may be asked for: the endpoint that makes it, and what that takes where nothing is said and it does not say so
# itself.
SAVED = {"format": "png", "keep_metadata": False}
TABS = {"painter": "paint", "style": "style", "colour": "colorize", "upscale": "upscale", "chain": "chain"}
TASKS: dict[str, tuple[Callable, dict]] = {
    "paint": (orders.paint, {"style": "vangogh", "method": "auto", "strength": 1, "seed": 0} | SAVED),
    "style": (style.style, {"painting": None}),
    "colorize": (colour_orders.colorize, {"model": "general", "seed": 0} | SAVED),
    "upscale": (upscale.upscale, {}),
    "chain": (chain.chain, {"steps": []}),
}


def batch(
    files: list[str] | None, task: str, options: dict | None = None, further: list[str] | None = None
) -> Iterator[tuple[str | None, list[dict]]]:
    """Paint, colour, enlarge or otherwise make up to ten pictures, one after the other, into one ZIP file.

    A file that can't be read or made stops none of the others; each result has the bytes of a single call.

    Args:
        files: The pictures: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 50 MB each and 250 megapixels together.
        task: What is made of them: "paint", "style", "colorize", "upscale" or "chain".
        options: The arguments of the endpoint of that name but for its first, such as {"style": "monet", "seed": 3};
            those that are pictures are names of files in `further`, such as {"painting": "irises.jpg"}.
        further: Paintings, masks and other pictures that the options name.

    Returns:
        The ZIP file once all are done, or null where none could be made; and for each picture, while they are made
        too: name, state ("waiting", "making", "done" or "failed"), seconds, result (its name in the ZIP file) and
        error (one sentence).
    """
    with shared.sentences():
        paths = several.checked(files)
        call, given = TASKS[task]
        given = given | _options(task, call, options, further or [])

        def make(path: str) -> several.Steps:
            steps = call(path, **given)
            for step in [steps] if isinstance(steps, str) else steps:
                last = step
                yield None  # where a caller that gave up is noticed
            yield Path(last[0] if isinstance(last, tuple) else last)

        for lines, archive in several.work(paths, make, f"{task}.zip"):
            yield archive, [line.report() for line in lines]


def _options(task: str, call: Callable, options: object, further: list[str]) -> dict:
    """The options as the endpoint takes them: known ones only, and for pictures the paths of files that came along, so
    that none is a path of this server's."""
    source, *known = inspect.signature(call).parameters.values()
    taken = {parameter.name: parameter.annotation for parameter in known}
    files = {Path(path).name: path for path in further}
    given = style.mapping(options)
    for name, value in given.items():
        if name not in taken:
            raise gr.Error(f"{task} has no {str(name)[:40]!r}: choose from {', '.join(taken)}.")
        if taken[name] == source.annotation and value is not None:
            if not isinstance(value, str) or value not in files:
                there = ", ".join(files) or "none came"
                raise gr.Error(f"{name} is {str(value)[:40]!r}, which is none of the further files: {there}.")
            given = given | {name: shared.weighed(files[value])}
        elif isinstance(value, list | dict) and not taken[name].startswith(("list", "dict")):
            raise gr.Error(f"{name} of {task} is no single value: give a number or a text.")
    return given


def build(tabs: Iterable[str] = tuple(TABS)) -> None:
    """The endpoint, inside a gr.Blocks that has these tabs. Its event has a button that nobody sees."""
    hidden = {"visible": False}
    tasks = [TABS[tab] for tab in tabs]

    @functools.wraps(batch)
    def offered(files: list[str] | None, task: str, *given: object) -> Iterator[tuple[str | None, list[dict]]]:
        if task not in tasks:
            raise gr.Error(f"There is no task {str(task)[:40]!r}: choose from {', '.join(tasks)}.")
        yield from batch(files, task, *given)

    gr.Button(visible=False).click(
        offered,
        [
            gr.File(file_count="multiple", label="Pictures", **hidden),
            gr.Textbox(tasks[0], label="Task", **hidden),
            gr.JSON({}, label="Options", **hidden),
            gr.File(file_count="multiple", label="Further pictures", **hidden),
        ],
        [gr.File(label="All results", **hidden), gr.JSON(label="What became of each", **hidden)],
        api_name="batch",
        **shared.MODEL,
    )
