"""What a tab has made leaves it: as a file that is taken home, or as the picture that another tab begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from artcore.recipe import Recipe
from artcore.studio import shared
from artcore.studio.words import say


@dataclass(frozen=True, eq=False)
class Port:
    """Where pictures go into a tab and come out of it; a tab's ``build`` returns it.

    ``write`` gets {component: value} of ``inputs``. It yields sentences about how far it is, and at last the Path of
    the result: a PNG of full size, with all that came with the picture.
    """

    photo: gr.components.Component
    row: gr.Row
    status: gr.Markdown
    inputs: Iterable[gr.components.Component]
    write: Callable[[dict], Iterator[str | Path]]
    several: bool = False  # whether photo takes a list of paths
    # By which a result's settings come back: a recipe's {control: value}, and what can't; and all such controls.
    settle: Callable[[Recipe], tuple[dict, list[str]]] | None = None
    controls: Iterable[gr.components.Component] = ()


class Order(Protocol):
    """What can be carried out again, with the same pixels."""

    file: str

    def run(self) -> Iterator[Any]: ...  # snapshots of a task or a chain


def written(order: Order | None, format: str, metadata: bool, recipe: bool) -> Iterator[str | Path]:
    """Carries an order out into a file: sentences on the way, and at last its Path."""
    if not order:
        raise gr.Error("There is no result yet: make one first.", title="No result")
    yield say("Making the whole picture for the file …")
    for told in made(order, format, metadata, recipe):
        percent = None if isinstance(told, Path) else round(100 * told)
        yield told if percent is None else say("Making the whole picture for the file, {percent} % …", percent=percent)


def made(order: Order, format: str, metadata: bool, recipe: bool) -> Iterator[float | Path]:
    """The same: how much of it is done, 0 to 1, and at last the Path."""
    for snapshot in order.run():
        yield snapshot.done / getattr(snapshot, "total", 1)
    yield Path(shared.write(snapshot.image, order.file, format, metadata=metadata, recipe=recipe))


@dataclass(frozen=True, eq=False)
class Take:
    """The row below a result by which it is taken home; seen once there is one."""

    row: gr.Row
    format: gr.Radio
    keep: gr.Checkbox
    recipe: gr.Checkbox
    download: gr.Button
    file: gr.DownloadButton  # hidden: it is what the browser takes the file from


def take(tab: str) -> Take:
    """The row of a tab, made where it is to stand."""
    with gr.Row(elem_classes="take", visible=False) as row:
        format = gr.Radio(shared.FORMATS, value="png", show_label=False, label="Format", container=False)
        keep = gr.Checkbox(False, label="Keep EXIF and colour profile", container=False, min_width=200)
        recipe = shared.with_recipe()
        download = gr.Button("Download", min_width=110, elem_id=f"{tab}-download")
    return Take(row, format, keep, recipe, download, gr.DownloadButton(visible="hidden", elem_id=f"{tab}-file"))


def take_file(file: gr.DownloadButton) -> str:
    """JavaScript: a file is written only when somebody asks for it; the browser then takes it from a hidden button."""
    return f"() => setTimeout(() => document.querySelector('#{file.elem_id}').click(), 100)"


def port(photo: gr.components.Component, take: Take, made: gr.State, status: gr.Markdown, **settling: object) -> Port:
    """The port of a tab whose result is an order: Download and "Send to" carry it out again, with the same pixels, and
    nothing has to be kept of what nobody takes home."""

    def fetch(order: Order | None, format: str, keep: bool, recipe: bool) -> Iterator[dict]:
        with shared.sentences():
            for told in written(order, format, keep, recipe):
                if isinstance(told, str):
                    yield {status: told}
            yield {take.file: gr.DownloadButton(value=str(told)), status: f"{told.name}, {shared.weight(str(told))}"}

    take.download.click(
        fetch,
        [made, take.format, take.keep, take.recipe],
        [take.file, status],
        show_progress="hidden",
        api_visibility="private",
        **shared.MODEL,
    ).success(None, js=take_file(take.file), api_visibility="private")
    return Port(
        photo,
        take.row,
        status,
        [made, take.recipe],
        lambda given: written(given[made], "png", True, given[take.recipe]),
        **settling,
    )


def connect(tabs: gr.Tabs, ports: dict[str, Port]) -> None:
    """Gives every tab its "Send to", inside the gr.Blocks that they are in."""
    for label, port in ports.items():
        others = [other for other in ports if other != label]
        if not others:
            continue
        with port.row:
            send = gr.Dropdown(
                [("Send to …", ""), *((f"Send to {other}", other) for other in others)],
                value="",
                label="Send the result to another tab",
                show_label=False,
                container=False,
                min_width=130,
                elem_id=f"{label.lower()}-send",
                elem_classes="send",
            )
        send.input(
            _sender(tabs, ports, port, send),
            {*port.inputs, send},
            [tabs, send, port.status, *(ports[other].photo for other in others)],
            show_progress="hidden",
            api_visibility="private",
            **shared.MODEL,
        )


def _sender(tabs: gr.Tabs, ports: dict[str, Port], port: Port, send: gr.Dropdown) -> Callable:
    def sender(given: dict) -> Iterator[dict]:
        target = ports.get(given[send])
        if target is None:
            return
        yield {send: ""}  # an error leaves it as it was, too
        with shared.sentences():
            for told in port.write(given):
                if isinstance(told, str):
                    yield {port.status: told}
            path = str(told)
            yield {
                port.status: say("{name} was sent to {tab}", name=told.name, tab=say(given[send])),
                tabs: gr.Tabs(selected=given[send].lower()),
                target.photo: [path] if target.several else path,
            }

    return sender
