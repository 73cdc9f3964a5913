"""A result is dropped onto the page, and the tab that made it comes up with the settings that made it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from artcore import load, recipe
from artcore.recipe import Recipe, RecipeError
from artcore.studio import shared
from artcore.studio.sending import Port
from artcore.studio.words import say

TABS = {"painter": "Painter", "style": "Style", "colorizer": "Colour", "upscaler": "Upscale", "chain": "Chain"}
BESIDE = {
    "mask": "masks",
    "style": "paintings",
    "hints": "hints",
    "noise": "noise",
    "start": "the picture to start from",
}


def slot() -> gr.File:
    """Where a result is dropped, below all tabs. Not where their photos go: a picture that is dropped there is to be
    worked on, and to change every control for it would be a surprise."""
    return gr.File(label="Drop a result here to return to its settings", height=104, elem_id="recipe-slot")


def fitting(wanted: Mapping[gr.components.Component, Any]) -> tuple[dict, list[str]]:
    """What controls are set to, of what they were in a recipe that anybody may have written: {control: value} of those
    that it fits, and the labels of the others."""
    good = {control: value for control, value in wanted.items() if _fits(control, value)}
    return good, [say(str(control.label)) for control in wanted if control not in good]


def _fits(control: gr.components.Component, value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(control, gr.Slider | gr.Number):
        if not number or isinstance(control, gr.Number) and control.precision == 0 and value != int(value):
            return False
        low, high = control.minimum, control.maximum
        return (low is None or value >= low) and (high is None or value <= high)
    if isinstance(control, gr.Dropdown | gr.Radio):
        return any(value == choice and type(value) is type(choice) for _, choice in control.choices)
    return isinstance(value, bool if isinstance(control, gr.Checkbox) else str)


def checkpoint(name: str | None) -> tuple[str, str]:
    """What stands before and behind the dot of a catalog name; empty for a net of another place."""
    method, _, kind = (name or "").partition(".")
    return method, kind


def connect(tabs: gr.Tabs, drop: gr.File, ports: Mapping[str, Port]) -> None:
    """Lets the slot set what each tab's ``settle`` knows."""
    settable = {label: port for label, port in ports.items() if port.settle}

    def settle(given: dict) -> dict:
        if not given[drop]:
            return {drop: gr.skip()}
        with shared.sentences():
            told = recipe.read(given[drop])  # of any size: it is searched, and nothing is decoded
            if told is None:
                raise RecipeError("There is no recipe in this file: choose one that was made here, with its recipe.")
            label = TABS[told.task]
            if label not in settable:
                raise RecipeError(f"This was made by {label}, which is not here: open a hub that has it.")
            port = settable[label]
            changes, lost = port.settle(told)
            sentences = [say("The settings of this result are back."), _photo(told, given[port.photo])]
            lost += [say(what) for role, what in BESIDE.items() if role in told.pictures] + _others(told)
            if lost:
                sentences.append(say("Not in the file, or not to be had here: {what}.", what=", ".join(lost)))
            return {drop: None, tabs: gr.Tabs(selected=label.lower()), port.status: " ".join(sentences), **changes}

    drop.upload(
        settle,
        {drop, *(port.photo for port in settable.values())},
        [drop, tabs, *(c for port in settable.values() for c in (port.status, *port.controls))],
        show_progress="hidden",
        api_visibility="private",
        **shared.LOOK,  # queued: Gradio shows no error of an event that is not
    )


def _photo(told: Recipe, there: str | list[str] | None) -> str:
    """What to do about the picture that it was made of."""
    for path in [there] if isinstance(there, str) else there or []:
        with Path(path).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == told.input.sha256:
                return say("It was made of the picture that is here.")
    return say("The picture that it was made of is not in the file: choose it.")


def _others(told: Recipe) -> list[str]:
    """Nets whose weights are others here than those that made it."""
    catalog, found = load.catalog(), {}
    for part in (told, *told.steps):
        for net in (c for mixed in part.nets for c in mixed):
            entry = catalog.get(net.name)
            if net.name != "vgg19" and (entry is None or entry.sha256 and entry.sha256 != net.sha256):
                found[net.name] = say("the weights of {name}", name=net.name or say("its net"))
    return list(found.values())
