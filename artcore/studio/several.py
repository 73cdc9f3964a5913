"""Several pictures one after the other, on every tab alike: a bad one gets its sentence, the rest one ZIP file."""

from __future__ import annotations

import html
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import gradio as gr
from PIL import Image

from artcore import image as pictures
from artcore.studio import shared
from artcore.studio.words import say

MOST = 10  # pictures at a time
MOST_PIXELS = 250_000_000  # of all of them together: ten of a large camera
LONGEST = 1800  # seconds that they may keep the other visitors waiting; then it ends as if somebody had pressed Stop
ROOM = 2**26  # bytes of the disk that a result must leave free

# What comes out of one picture on the way: how much of it is done, 0 to 1, if that is known; and at last its file.
Steps = Iterator[float | Path | None]

_halts: dict[tuple[str, str], threading.Event] = {}  # of each visitor's run on a tab: set when they want it to end


@dataclass
class Line:
    """What is known of one of the pictures."""

    name: str
    state: str = "waiting"  # waiting, making, done, failed, or left: it was stopped before
    done: float | None = None  # 0 to 1
    seconds: float = 0.0
    result: str | None = None  # what its result is called in the ZIP file
    error: str | None = None  # the sentence that says why there is none

    @property
    def told(self) -> str:
        """As people read it."""
        if self.state == "making":
            known = self.done is not None
            return say("making, {percent} % …", percent=round(100 * self.done)) if known else say("making …")
        told = {"done": shared.duration(self.seconds), "failed": self.error, "left": say("not made")}
        return told.get(self.state) or say("waiting")

    def report(self) -> dict:
        """As programs read it."""
        return {name: getattr(self, name) for name in ("name", "state", "seconds", "result", "error")}


@contextmanager
def watched(line: Line) -> Iterator[None]:
    """Makes one picture: what becomes of it is written into its line, and no error goes further."""
    start = time.perf_counter()
    line.state = "making"
    try:
        with shared.sentences():
            yield
        line.state = "done" if line.state == "making" else line.state
    except gr.Error as error:
        line.state, line.error = "failed", error.message
    finally:
        line.seconds = time.perf_counter() - start


class Archive:
    """A new ZIP file that grows with every result, so that only one of them has to lie beside it. Left by an error, it
    is deleted."""

    def __init__(self, filename: str):
        self.path = shared.new(filename)
        self._zip = zipfile.ZipFile(self.path, "w")  # stored: pictures are compressed already
        self._names: set[str] = set()

    def add(self, path: Path) -> str:
        """Moves a file of :func:`shared.new` into it; returns its name there, which is like no other's."""
        if shutil.disk_usage(self.path.parent).free < path.stat().st_size + ROOM:
            discard(path)
            raise gr.Error("There is no room on this server's disk for this result: take home the others, try later.")
        # Of the ways to say "elsewhere", some mean something only where it is unpacked.
        stem = re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', "_", path.stem).lstrip(". ") or "picture"
        name, number = f"{stem}{path.suffix}", 1
        while name.casefold() in self._names:  # or Windows and macOS would unpack one over the other
            number += 1
            name = f"{stem} ({number}){path.suffix}"
        self._zip.write(path, name)
        self._names.add(name.casefold())
        discard(path)
        return name

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._zip.close()
        if kind or not self._names:
            discard(self.path)


def discard(path: Path) -> None:
    """Deletes a file of :func:`shared.new` that nobody will ask for, and its folder."""
    shared.written.discard(str(path))
    with suppress(OSError):
        path.unlink()
        path.parent.rmdir()


def checked(paths: Sequence[str] | None) -> list[str]:
    """The files that were chosen, unless there are none or too many."""
    if not paths:
        raise gr.Error(f"There are no pictures yet: choose up to {MOST}.", title="No pictures")
    if len(paths) > MOST:
        raise gr.Error(f"These are {len(paths)} pictures: choose {MOST} at most.", title="Too many")
    total = sum(_pixels(path) for path in paths)
    if total > MOST_PIXELS:
        raise gr.Error(
            f"Together they have {total / 1e6:.0f} megapixels: {MOST_PIXELS / 1e6:.0f} at most, so choose fewer.",
            title="Too large",
        )
    return list(paths)


def _pixels(path: str) -> int:
    """As the head of a file says; 0 of one that will get a sentence of its own."""
    with suppress(Exception), Image.open(path, formats=["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]) as picture:
        pixels = picture.width * picture.height
        return pixels if pixels <= pictures.pixel_limit() else 0
    return 0


def work(
    paths: Sequence[str], make: Callable[[str], Steps], filename: str, enough: Callable[[], bool] = lambda: False
) -> Iterator[tuple[list[Line], str | None]]:
    """Makes one picture after the other; yields what is known of all, often, and at last the path of the ZIP file too,
    or None where it would be empty. When it is enough, or has gone on for LONGEST, it ends with what is done."""
    begun = time.monotonic()
    lines = [Line(Path(path).name) for path in checked(paths)]

    def over() -> bool:
        return enough() or time.monotonic() - begun > LONGEST

    with Archive(filename) as archive:
        for line, path in zip(lines, paths, strict=True):
            with watched(line), closing(make(shared.weighed(path))) as steps:
                yield lines, None
                for told in steps:
                    if isinstance(told, Path):
                        line.result = archive.add(told)
                    elif over():
                        line.state = "left"
                        break
                    else:
                        line.done = told
                        yield lines, None
            yield lines, None
            if over():
                break
        for line in lines:
            line.state = "left" if line.state == "waiting" else line.state
    yield lines, str(archive.path) if any(line.result for line in lines) else None


def listing(lines: Iterable[Line]) -> str:
    """The lines as HTML: on a phone, a sentence stands below the name that it is about."""
    rows = (
        f'<li class="{line.state}"><span class="name">{_text(line.name)}</span> <span>{_text(line.told)}</span></li>'
        for line in lines
    )
    return f'<ol class="listing" aria-label="{_text(say("What became of each picture"))}">{"".join(rows)}</ol>'


def _text(text: str) -> str:
    """Of others, in HTML that goes through Gradio's templates."""
    return html.escape(text).replace("$", "&#36;").replace("{", "&#123;")


def panel(
    tab: str,
    inputs: Iterable[gr.components.Component],
    make: Callable[[dict, str, str, bool, bool], Steps],
    filename: str,
) -> None:
    """Below a tab: files, a button that makes all of them as the tab is set, and what became of each.

    Args:
        tab: What the ids of the page begin with.
        inputs: What the tab knows.
        make: Takes {component: value} of them, the path of a picture, the format of its result, whether that keeps
            EXIF data and colour profile, and whether it has its recipe.
        filename: Of the ZIP file.
    """
    with (
        gr.Accordion("Several pictures, all of them by these settings", open=False, elem_id=f"{tab}-several"),
        gr.Row(elem_classes="several"),
    ):
        with gr.Column(scale=5, min_width=300):
            files = gr.File(
                label=f"Up to {MOST} pictures",
                file_count="multiple",
                height=140,
                elem_id=f"{tab}-several-files",
                elem_classes="files",
            )
            with gr.Row(elem_classes="take"):
                format = gr.Radio(shared.FORMATS, value="png", show_label=False, label="Format", container=False)
                keep = gr.Checkbox(False, label="Keep EXIF and colour profile", container=False, min_width=200)
                recipe = shared.with_recipe()
            with gr.Row():
                go = gr.Button("Make all", variant="primary", scale=3, min_width=110, elem_id=f"{tab}-several-go")
                stop = gr.Button(
                    "Stop", variant="stop", scale=1, min_width=70, visible=False, elem_id=f"{tab}-several-stop"
                )
        with gr.Column(scale=7, min_width=300):
            outlook = gr.Markdown(elem_classes="status", elem_id=f"{tab}-several-outlook")
            listed = gr.HTML(padding=False, visible=False, elem_id=f"{tab}-several-list")
            status = gr.Markdown(elem_classes="status", elem_id=f"{tab}-several-status")
            download = gr.DownloadButton("Download all", visible=False, elem_id=f"{tab}-several-download")

    def look(paths: list[str] | None) -> Iterator[str]:
        """Reads the files as soon as they are chosen, so that a bad one is said before anybody waits for it."""
        yield ""
        if not paths:
            return
        with shared.sentences():
            checked(paths)
            refused = []
            for path in paths:
                try:
                    with shared.sentences():
                        pictures.open(shared.weighed(path))
                except gr.Error as error:
                    refused.append(shared.plain(error.message))
                yield gr.skip()
            count = say("{count} of {total} pictures can be read", count=len(paths) - len(refused), total=len(paths))
            yield "  \n".join([count, *refused])

    def show(given: dict, request: gr.Request) -> Iterator[dict]:
        visitor = tab, request.session_hash
        with shared.sentences():
            paths = checked(given[files])
            halt = _halts[visitor] = threading.Event()
            yield {
                status: say("Working …"),
                outlook: "",
                stop: gr.Button(say("Stop"), visible=True),
                download: gr.DownloadButton(value=None, visible=False),
            }
            said = ""
            try:
                saving = [given[component] for component in (format, keep, recipe)]
                for known in work(paths, lambda path: make(given, path, *saving), filename, halt.is_set):
                    if said != (said := listing(known[0])):
                        yield {listed: gr.HTML(said, visible=True)}
            finally:
                _halts.pop(visitor, None)
            lines, path = known
            made = sum(line.state == "done" for line in lines)
            taken = shared.duration(sum(line.seconds for line in lines))
            told = say("**{made} of {total} pictures** in {taken}", made=made, total=len(lines), taken=taken)
            yield {
                listed: gr.HTML(listing(lines), visible=True),  # again: the page may drop one of two in a row
                status: f"{told} · {say('stopped')}" if any(line.state == "left" for line in lines) else told,
                stop: gr.Button(visible=False),
                download: gr.DownloadButton(
                    say("Download all ({size})", size=shared.weight(path)) if path else "",
                    value=path,
                    visible=bool(path),
                ),
            }

    def end(request: gr.Request) -> gr.Button:
        """Asks the run to end, so that it can hand out what there is."""
        halt = _halts.get((tab, request.session_hash))
        if halt is None:
            return gr.Button(visible=False)
        halt.set()
        return gr.Button(say("Stopping …"))

    private = {"api_visibility": "private"}
    files.change(look, files, outlook, show_progress="hidden", **shared.LOOK, **private)
    go.click(
        show,
        {*inputs, files, format, keep, recipe},
        [status, outlook, stop, download, listed],
        show_progress="hidden",
        **shared.MODEL,
        **private,
    ).then(
        lambda said: (gr.Button(visible=False), "" if said.endswith("…") else gr.skip()),  # after an error too
        status,
        [stop, status],
        **shared.AT_ONCE,
        **private,
    )
    stop.click(end, None, stop, **shared.AT_ONCE, **private)
