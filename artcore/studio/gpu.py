"""Style transfer on a GPU that Hugging Face's ZeroGPU lends for a minute; everywhere else nothing of this is used.

The package `spaces` forks a process that has the GPU. What goes to it and what comes back is pickled, and it runs ahead
of whoever looks at its steps. All other tabs take less than a second on a processor, so no visitor's quota is spent on
them.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import gradio as gr  # before spaces, which does not bear to be imported by Gradio
from PIL import Image

from artcore import recipe, runtime
from artcore.recipe import Recipe
from artcore.studio import shared, words
from artcore.tasks.style import Snapshot, StyleError, StyleOptions

try:
    from spaces.config import Config

    from spaces import GPU

    LENT = Config.zero_gpu  # whether SPACES_ZERO_GPU says that this is such a Space
except Exception:
    LENT = False

    def GPU(duration: int) -> Callable[[Callable], Callable]:
        return lambda function: function


SECONDS = 60  # that the GPU is asked for; whoever keeps it longer is killed
SPARE = 10  # of them, to hand out the picture and its resume file

_process = os.getpid()  # that loaded what is in this one's memory


class Work(Protocol):
    """What the GPU is lent for; it must be possible to pickle it."""

    def run(self) -> Iterator[Snapshot]: ...

    def forget(self) -> None:
        """Nets that the parent has loaded."""


@GPU(duration=SECONDS)
def lent(work: Work, flag: str, stop_after: int) -> Iterator[tuple]:
    """Runs it in a process that has the GPU until it ends, the file `flag` is there, step `stop_after` was gone or the
    time is up.

    Yields:
        What the run was given (photo, paintings, options); then (snapshot, None) for each step, and for the last
        (snapshot, (picture, recipe, resume file)), since a picture that was pickled knows no recipe any more.
    """
    global _process
    if _process != os.getpid():  # the process serves many visitors
        _process = os.getpid()
        runtime.anew()
        shared.forget()
        work.forget()
    words.hear(None)  # the parent says errors in its visitor's language, which changes from one to the next
    begun = time.monotonic()
    with shared.sentences():  # of another error spaces would show the name of its class
        for n, snapshot in enumerate(work.run()):
            if n == 0:
                yield *snapshot.originals, snapshot.options
            bare = replace(snapshot, _job=None)
            over = os.path.exists(flag) or time.monotonic() - begun > SECONDS - SPARE
            if not (snapshot.final or over or 0 < stop_after <= snapshot.step):
                yield bare, None
                continue
            picture = snapshot.picture()
            yield bare, (picture, recipe.of(picture), None if snapshot.final else snapshot.resume_file())
            return


@dataclass
class _Kept:
    """Of a run whose job is in the other process: what a :class:`Snapshot` asks its job for."""

    photo: Image.Image
    paintings: list[Image.Image]
    options: StyleOptions
    last: tuple[Image.Image, Recipe | None, bytes | None] | None = None

    def save(self) -> bytes:
        return self.last[2]

    def _finished(self) -> Image.Image:
        return self.last[0]


class Loan:
    """A run on the GPU that is lent: the iterator that its :meth:`Work.run` gives, where only the last snapshot has a
    picture and a resume file to hand out."""

    def __init__(self, work: Work, stop_after: int = 0):
        self.work, self.stop_after = work, stop_after

    def __iter__(self) -> Iterator[Snapshot]:
        for snapshot, _ in self.until(lambda _: False):
            yield snapshot
        if not snapshot.final:
            raise StyleError("The GPU is lent for too short a time for this: ask for fewer steps, or a smaller size.")

    def until(self, enough: Callable[[Snapshot], bool]) -> Iterator[tuple[Snapshot, bool]]:
        """Snapshots, each with whether it is the last: soon after it was enough, at the latest when the time is up."""
        flag = Path(tempfile.gettempdir()) / f"artcore-{secrets.token_hex(16)}"
        try:
            with closing(lent(self.work, str(flag), self.stop_after)) as told:
                kept = _Kept(*next(told))
                for snapshot, last in told:
                    if last:
                        kept.last = last
                        recipe.sign(*last[:2])
                    elif enough(snapshot):
                        flag.touch()  # closing it would lose the resume file
                    yield replace(snapshot, _job=kept), bool(last)
        finally:
            flag.unlink(missing_ok=True)


def report(page: gr.Blocks, server: object) -> None:
    """Does what spaces does when a page is launched, which this one never is: says that it is up, and remembers which
    sockets are the server's, or forks would hold them open when visitors have gone."""
    from spaces import zero

    page.server = server
    zero.startup()
