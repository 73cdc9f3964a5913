"""A chain: a picture goes through several tasks, in any order, with one progress."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from artcore import image, recipe, runtime
from artcore.recipe import Recipe, Reference
from artcore.tasks.upscale import Upscaler


class ChainError(ValueError):
    """Steps that make no chain; the message says what to give."""


@dataclass(frozen=True)
class Snapshot:
    """How far a picture is: in ``step`` of ``steps``, with the part ``done`` of the predicted time, 0 to 1, behind it.
    At the end of each step comes its picture, and from an upscaler its error; those of the last are the chain's."""

    step: int
    steps: int
    done: float
    image: Image.Image | None = None
    error: float | None = None

    @property
    def final(self) -> bool:
        """Whether this is the last one."""
        return self.step == self.steps and self.image is not None


class Chain:
    """Tasks one after the other: each takes the picture that the one before it has made.

    A step is a task, such as a :class:`artcore.tasks.painter.Painter`, with its keywords. It has a method ``run``
    that yields snapshots (``done`` of ``total``, and at last the ``image``), or is only called. What came with the
    picture, its alpha, EXIF data and colour profile, goes through all of them.

    >>> chain = Chain([(colorizer, {"seed": 7}), (painter, {"strength": 0.8}), (upscaler, {})])
    >>> chain("old.jpg").save("new.png")

    Args:
        steps: (task, keywords) pairs, one at least; a task may come more than once.

    Raises:
        ChainError: no steps, or one that is no such pair.
    """

    def __init__(self, steps: Sequence[tuple[Callable, Mapping[str, object]]]):
        try:
            self.steps = [(task, dict(keywords)) for task, keywords in steps]
        except (TypeError, ValueError):
            raise ChainError('steps is no list of pairs; give [(task, {"keyword": value}), ...].') from None
        if not self.steps:
            raise ChainError("A chain has no steps; give one at least.")
        for number, (task, keywords) in enumerate(self.steps, 1):
            if not callable(task) or not hasattr(task, "seconds"):
                raise ChainError(f"Step {number} is {task!r}, which is no task; give one that artcore.load returns.")
            try:
                inspect.signature(getattr(task, "run", task)).bind(None, **keywords)
            except TypeError as error:
                raise ChainError(f"Step {number} can't be called so ({error}); give it a picture's keywords.") from None

    def __call__(self, source: object) -> Image.Image:
        """What comes out of the last step; arguments and errors as in :meth:`run`."""
        for snapshot in self.run(source):
            result = snapshot.image
        return result

    def run(self, source: object) -> Iterator[Snapshot]:
        """Do one step after the other, so that a caller can show progress or stop at any snapshot.

        Args:
            source: anything :func:`artcore.image.open` takes: path, bytes, binary file or PIL image.

        Yields:
            A :class:`Snapshot` for each snapshot of a step; the last picture is signed with the recipe of them all.

        Raises:
            artcore.image.ImageError: the source is no picture that can be read.
            ChainError: a step would get more pixels than pictures may have; said before the first one begins.
            ValueError: a task's own errors, those of a size at once and others when it is its turn.
        """
        picture = image.open(source)
        origin, made = recipe.reference(picture), []
        parts = self._seconds(picture.size)
        whole, before, count = sum(parts), 0.0, len(self.steps)
        for step, ((task, keywords), part) in enumerate(zip(self.steps, parts, strict=True), 1):
            if hasattr(task, "run"):
                for snapshot in task.run(picture, **keywords):
                    if snapshot.image is None:
                        yield Snapshot(step, count, (before + part * snapshot.done / snapshot.total) / whole)
                picture, error = snapshot.image, getattr(snapshot, "error", None)
            else:
                yield Snapshot(step, count, before / whole)
                picture, error = task(picture, **keywords), None
            before += part
            made.append(recipe.of(picture))
            if step == count:
                recipe.sign(picture, _joined(origin, made))
            yield Snapshot(step, count, before / whole if step < count else 1.0, picture, error)

    def seconds(self, width: int, height: int) -> float:
        """Predicted seconds for a picture of this size on this machine.

        Raises:
            ChainError, ValueError: as :meth:`run`, for a size that is too large somewhere.
        """
        return sum(self._seconds((width, height)))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Of the picture that comes out."""
        for task, keywords in self.steps:
            width, height = (side * _growth(task, keywords) for side in (width, height))
        return width, height

    def _seconds(self, size: tuple[int, int]) -> list[float]:
        """Predicted for each step."""
        found, most = [], image.pixel_limit()
        for number, (task, keywords) in enumerate(self.steps, 1):
            if number > 1 and size[0] * size[1] > most:
                raise ChainError(
                    f"Step {number} would get {size[0]} x {size[1]} pixels, more than the limit of {most:,}: enlarge"
                    " less, or at the end."
                )
            known = inspect.signature(task.seconds).parameters
            try:
                found.append(max(1e-6, task.seconds(*size, **{k: v for k, v in keywords.items() if k in known})))
            except (TypeError, ArithmeticError):  # of a keyword that the task will refuse when it is called
                found.append(max(1e-6, task.seconds(*size)))
            size = tuple(side * _growth(task, keywords) for side in size)
        return found


def _joined(origin: Reference, made: list[Recipe | None]) -> Recipe | None:
    """The recipe of a chain; None where a step has none, as what was made by another's task."""
    if not all(made):
        return None
    steps = tuple(replace(step, input=None, run={}) for step in made)
    return Recipe("chain", input=origin, steps=steps, run=runtime.described())


def _growth(task: Callable, keywords: Mapping[str, object]) -> int:
    """How many times longer a side becomes."""
    return keywords.get("scale", 4) if isinstance(task, Upscaler) else 1
