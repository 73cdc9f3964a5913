"""What a long run leaves to look at: contact sheet, animation, loss curves, and a grid over two options.

Everything is drawn by PIL on one paper, so that the sheets of the hub, of the shell and of code are the same.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from artcore import image

PAPER, INK, PALE, RULE = "#f8f5ef", "#25221d", "#6a6357", "#ddd5c6"
CURVES = ("#9c4a2a", "#2f6690", "#4f7a3a", "#8a5a9e", "#b5851b", "#3a7d7c", "#a23b5c", "#5b5b5b")
DECADES = 6  # that a loss plot shows below its highest value; what is lower is as good as nought
FINE = 3  # lines are drawn this many times larger and made smaller, since PIL draws them with stairs


class SheetError(ValueError):
    """Nothing to draw, or not in this form; the message says what to give."""


@dataclass(frozen=True)
class Progress:
    """How far a sweep is: ``done`` of ``total`` cells; the sheet so far comes with every cell that was finished."""

    done: int
    total: int
    sheet: Image.Image | None = None


def natural_sort(names: Iterable) -> list:
    """Names or paths with numbers in the order that people count: step_2 before step_10."""

    def key(name: object) -> list:
        parts = re.split(r"(\d+)", str(name).casefold())  # text and digits in turn, so like is compared with like
        return [int(part) if part.isdecimal() else part for part in parts]

    return sorted(names, key=key)


def originals(photo: object, paintings: Sequence) -> list[tuple[str, object]]:
    """Photo and paintings with their labels, as the sheets take them for ``beside``."""
    names = ["painting"] if len(paintings) == 1 else [f"painting {n}" for n in range(1, len(paintings) + 1)]
    return [("photo", photo), *zip(names, paintings, strict=True)]


def contact_sheet(
    pictures: Sequence | str | os.PathLike,
    labels: Sequence[str] | None = None,
    columns: int | None = None,
    *,
    beside: Sequence[tuple[str, object]] = (),
    side: int = 256,
) -> Image.Image:
    """Small pictures in rows, each with its label below.

    Args:
        pictures: what :func:`artcore.image.open` takes, in the order given; or a folder, whose pictures come in
            natural order, labelled with their names.
        labels: one for each picture; without them the pictures are numbered from 1.
        columns: in a row; by default as many as make the sheet about as wide as high.
        beside: (label, picture) of what they were made of, such as photo and painting: put first.
        side: longer side of each small picture, in pixels.

    Raises:
        SheetError: no picture, not as many labels as pictures, or a number of columns or a side that is none.
        artcore.image.ImageError: a picture that can't be used.
    """
    if isinstance(pictures, str | os.PathLike):
        folder = Path(pictures)
        found = folder.iterdir() if folder.is_dir() else ()
        pictures = natural_sort(path for path in found if path.suffix.lower() in (*image.FORMATS, ".gif"))
        labels = labels or [path.stem for path in pictures]
    if not pictures:
        raise SheetError("There are no pictures to make a sheet of; give some, or a folder that holds them.")
    labels = [str(n) for n in range(1, len(pictures) + 1)] if labels is None else list(labels)
    if len(labels) != len(pictures):
        raise SheetError(f"There are {len(labels)} labels for {len(pictures)} pictures; give one for each.")
    if not _whole(side, 16):
        raise SheetError(f"side is {side!r}; give a whole number of pixels from 16.")
    cells = [_small(picture, side) for picture in (*(picture for _, picture in beside), *pictures)]
    labels = [*(label for label, _ in beside), *labels]
    if columns is None:
        width, height = (sum(lengths) / len(cells) for lengths in zip(*(cell.size for cell in cells), strict=True))
        columns = max(math.ceil(math.sqrt(len(cells) * height / width)), min(len(cells), len(beside) + 1))
    if not _whole(columns, 1):
        raise SheetError(f"columns is {columns!r}; give a whole number from 1.")
    rows = [cells[n : n + columns] for n in range(0, len(cells), columns)]
    names = [labels[n : n + columns] for n in range(0, len(cells), columns)]
    return _grid(rows, names)


def animation(
    pictures: Iterable, *, seconds: float = 0.15, hold: float = 2.0, side: int = 640, quality: int = 80
) -> bytes:
    """An animated WebP that repeats: each picture for ``seconds``, the last one for ``hold``.

    Pictures of other sizes (the coarse stages of a run) are enlarged to the size of the last one, whose longer
    side is at most ``side`` pixels. Opaque: transparent parts show paper.

    Raises:
        SheetError: no picture, or times that are not above nought.
        artcore.image.ImageError: a picture that can't be used.
    """
    for name, value in (("seconds", seconds), ("hold", hold)):
        if not value > 0 or not math.isfinite(value):
            raise SheetError(f"{name} is {value!r}; give a number above 0.")
    frames = [_small(picture, side) for picture in pictures]
    if not frames:
        raise SheetError("There are no pictures to animate; give some.")
    frames = [f if f.size == frames[-1].size else f.resize(frames[-1].size, Image.Resampling.BICUBIC) for f in frames]
    file = io.BytesIO()
    times = [round(1000 * seconds)] * (len(frames) - 1) + [round(1000 * hold)]
    # method 2: half the time of the default for a tenth more bytes.
    frames[0].save(
        file, "WEBP", save_all=True, append_images=frames[1:], duration=times, loop=0, quality=quality, method=2
    )
    return file.getvalue()


def loss_plot(
    history: Sequence[tuple[int, Mapping[str, float]]], *, width: int = 960, height: int = 540
) -> Image.Image:
    """The losses of a run over its steps, on a logarithmic axis, each curve with its name at its end.

    Args:
        history: (step, {name: loss}) of every step, in order. Names may come and go. Losses that a logarithm
            can't show (nought, negative, not finite) leave a gap.

    Raises:
        SheetError: no loss that can be drawn, or a size below 320 x 200.
    """
    if not (_whole(width, 320) and _whole(height, 200)):
        raise SheetError(f"The plot would be {width!r} x {height!r} pixels; give at least 320 x 200.")
    curves: dict[str, list[tuple[int, float] | None]] = {}
    for step, losses in history:
        for name, value in losses.items():
            shown = math.isfinite(value) and value > 0
            curves.setdefault(name, []).append((step, math.log10(value)) if shown else None)
    points = [point for curve in curves.values() for point in curve if point]
    if not points:
        raise SheetError("There are no losses to draw; give those of at least one step.")
    first, last = min(step for step, _ in points), max(step for step, _ in points)
    top = max(value for _, value in points)
    bottom = max(min(value for _, value in points), top - DECADES)
    margin = max(0.05 * (top - bottom), 0.05)
    top, bottom = top + margin, bottom - margin

    font, small = _font(16), _font(14)
    ends = {name: [p for p in curve if p] for name, curve in curves.items()}
    ends = {name: curve[-1] for name, curve in ends.items() if curve}
    marks = list(_marks(bottom, top))
    left = 24 + math.ceil(max((small.getlength(_number(10**value)) for value in marks), default=0)) + 8
    right = width - 24 - math.ceil(max(font.getlength(name) for name in ends))
    upper, lower = 44, height - 52

    def x(step: float) -> float:
        return left + (right - left) * (step - first) / max(1, last - first)

    def y(value: float) -> float:
        return lower - (lower - upper) * (max(value, bottom) - bottom) / (top - bottom)

    large = Image.new("RGB", (FINE * width, FINE * height), PAPER)
    draw = ImageDraw.Draw(large)
    for value in marks:
        draw.line([(FINE * left, FINE * y(value)), (FINE * right, FINE * y(value))], RULE, FINE)
    draw.line([(FINE * left, FINE * lower), (FINE * right, FINE * lower)], PALE, FINE)
    colours = dict(zip(curves, itertools.cycle(CURVES), strict=False))
    for name, curve in curves.items():
        for shown, run in itertools.groupby(curve, bool):
            if shown:
                line = [(FINE * x(step), FINE * y(value)) for step, value in run]
                draw.line(line, colours[name], 2 * FINE, joint="curve")
                if len(line) == 1:
                    draw.circle(line[0], 3 * FINE, colours[name])
    plot = large.resize((width, height), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(plot)
    draw.text((24, 14), "Loss, on a logarithmic scale", PALE, small)
    for value in marks:
        draw.text((left - 8, y(value)), _number(10**value), PALE, small, anchor="rm")
    for step in _steps(first, last):
        draw.line([(x(step), lower), (x(step), lower + 5)], PALE)
        draw.text((x(step), lower + 9), f"{step:,}", PALE, small, anchor="mt")
    draw.text(((left + right) / 2, height - 12), "step", PALE, small, anchor="ms")
    heights = _apart([(y(value), name) for name, (_, value) in ends.items()], 19, upper, lower)
    for name, at in heights.items():
        draw.text((right + 10, at), name, colours[name], font, anchor="lm")
    return plot


def sweep(
    run: Callable[[dict], Iterable],
    across: tuple[str, Sequence],
    down: tuple[str, Sequence] | None = None,
    *,
    beside: Sequence[tuple[str, object]] = (),
    side: int = 256,
) -> Iterator[Progress]:
    """One picture pair, painted with every combination of the values of two options, as a labelled grid.

    >>> run = lambda changes: transfer.run(photo, painting, options=replace(options, **changes))
    >>> for progress in sweep(run, ("style", [1, 10, 100]), ("smoothness", [0.1, 1])): ...

    Args:
        run: called with {name: value} for each cell; yields snapshots, the last of which has the picture as
            ``image``.
        across: name and values of the option that changes from column to column.
        down: of the one that changes from row to row; a sheet of one row without it.
        beside: (label, picture) of what they are made of: a row of its own above the grid.
        side: longer side of each small picture, in pixels.

    Yields:
        A :class:`Progress` for each snapshot (so that a caller can stop between two), with the sheet so far
        whenever a cell is done.

    Raises:
        SheetError: an option without values or given twice; and whatever ``run`` raises.
    """
    name, columns = across[0], list(across[1])
    other, rows = (down[0], list(down[1])) if down else ("", [None])
    for option, values in ((name, columns), (other, rows)):
        if not values:
            raise SheetError(f"There are no values for {option}; write {option}=1,10,100.")
    if name == other:
        raise SheetError(f"Both sides of the sweep change {name}; choose two options.")
    if not _whole(side, 16):
        raise SheetError(f"side is {side!r}; give a whole number of pixels from 16.")
    total = len(columns) * len(rows)
    cells: list[list[Image.Image | None]] = [[None] * len(columns) for _ in rows]
    above = [(label, _small(picture, side)) for label, picture in beside]
    for done, (row, column) in enumerate(itertools.product(range(len(rows)), range(len(columns)))):
        changes = {name: columns[column]} | ({other: rows[row]} if down else {})
        picture = None
        for snapshot in run(changes):
            picture = snapshot.image or picture
            yield Progress(done, total)
        if picture is None:
            raise SheetError(f"The run with {changes} gave no picture; its last snapshot has to have one.")
        cells[row][column] = _small(picture, side)
        # Cells that are still to come are pale, of the size of the first.
        shown = [[cell or Image.new("RGB", cells[0][0].size, RULE) for cell in line] for line in cells]
        heads = [f"{name} = {_value(value)}" for value in columns]
        sides = [f"{other} = {_value(value)}" for value in rows] if down else None
        yield Progress(done + 1, total, _grid(shown, None, heads=heads, sides=sides, above=above))


class Album:
    """Keeps of a run what its sheets are made of: losses of every step, and small pictures of some.

    At most ``limit`` pictures stay, evenly spread over the run whatever its length: when there are more, every
    second one goes, and from then on half as many are kept.

    >>> album = Album([("photo", photo), ("painting", painting)])
    >>> for snapshot in transfer.run(photo, painting): album.add(snapshot)
    >>> album.sheet().save("sheet.png")
    """

    def __init__(self, beside: Sequence[tuple[str, object]] = (), *, limit: int = 48, side: int = 640):
        self.history: list[tuple[int, dict[str, float]]] = []
        self._beside = [(label, _small(picture, side)) for label, picture in beside]
        self._frames: list[tuple[int, Image.Image]] = []
        self._last: tuple[int, Image.Image] | None = None
        self._limit, self._side, self._every, self._seen = max(2, limit), side, 1, 0

    def add(self, snapshot: object) -> None:
        """Keep what a snapshot (``step``, ``losses``, ``image``) shows."""
        if snapshot.losses:
            self.history.append((snapshot.step, dict(snapshot.losses)))
        if snapshot.image is None:
            return
        self._last = (snapshot.step, _small(snapshot.image, self._side))
        if self._seen % self._every == 0:
            self._frames.append(self._last)
            if len(self._frames) > self._limit:
                del self._frames[1::2]
                self._every *= 2
        self._seen += 1

    @property
    def frames(self) -> list[tuple[int, Image.Image]]:
        """(step, small picture), in order, the newest always among them."""
        missing = self._last is not None and (not self._frames or self._frames[-1] is not self._last)
        return self._frames + ([self._last] if missing else [])

    def sheet(self, columns: int | None = None, *, most: int = 22, side: int = 256) -> Image.Image:
        """Contact sheet of at most ``most`` pictures, numbered with their steps, the originals before them."""
        chosen = _spread(self._even(), most)
        labels = [f"{n} · step {step:,}" for n, (step, _) in enumerate(chosen, 1)]
        return contact_sheet([frame for _, frame in chosen], labels, columns, beside=self._beside, side=side)

    def animation(self, **options: object) -> bytes:
        """Animated WebP of the run; see :func:`animation`."""
        return animation([frame for _, frame in self._even()], **options)

    def _even(self) -> list[tuple[int, Image.Image]]:
        """The frames at one size, the photo's or the largest: coarse stages are enlarged."""
        sizes = [picture.size for _, picture in self._beside[:1]] + [frame.size for _, frame in self.frames]
        size = max(sizes, default=None)
        return [(step, f if f.size == size else f.resize(size, Image.Resampling.BICUBIC)) for step, f in self.frames]

    def plot(self, **options: object) -> Image.Image:
        """Loss curves of the run; see :func:`loss_plot`."""
        return loss_plot(self.history, **options)


# --- drawing ----------------------------------------------------------------------------------------------


def _grid(
    rows: list[list[Image.Image]],
    labels: list[list[str]] | None,
    *,
    heads: list[str] | None = None,
    sides: list[str] | None = None,
    above: Sequence[tuple[str, Image.Image]] = (),
) -> Image.Image:
    """Pictures in rows, with a label below each (or heads over the columns and sides beside the rows)."""
    gap, line, font = 12, 24, _font(15)
    width = max(cell.width for row in [*rows, [cell for _, cell in above]] for cell in row)
    heights = [max(cell.height for cell in row) for row in rows]
    aside = math.ceil(max(font.getlength(text) for text in sides)) + gap if sides else 0
    top = gap + (max(cell.height for _, cell in above) + line + gap if above else 0) + (line if heads else 0)
    across = max(max(len(row) for row in rows), len(above))
    below = gap + (line if labels else 0)
    page = Image.new("RGB", (gap + aside + across * (width + gap), top + sum(heights) + len(rows) * below), PAPER)
    draw = ImageDraw.Draw(page)

    def text(x: float, y: float, words: str, anchor: str, room: int) -> None:
        draw.text((x, y), _fit(words, font, room), INK, font, anchor=anchor)

    def left(column: int) -> int:
        return gap + aside + column * (width + gap)

    for n, (label, cell) in enumerate(above):
        page.paste(cell, (left(n) + (width - cell.width) // 2, gap))
        text(left(n) + width / 2, gap + cell.height + line / 2 + 1, label, "mm", width)
    for n, head in enumerate(heads or ()):
        text(left(n) + width / 2, top - line / 2 - 2, head, "mm", width)
    for r, (row, height) in enumerate(zip(rows, heights, strict=True)):
        if sides:
            text(gap, top + height / 2, sides[r], "lm", aside)
        for c, cell in enumerate(row):
            page.paste(cell, (left(c) + (width - cell.width) // 2, top + height - cell.height))
            if labels:
                text(left(c) + width / 2, top + height + line / 2 + 1, labels[r][c], "mm", width)
        top += height + below
    return page


def _small(picture: object, side: int) -> Image.Image:
    """An opaque copy whose longer side is at most `side`."""
    small = image.thumbnail(image.open(picture), side)
    if small.mode == "RGBA":
        paper = Image.new("RGB", small.size, PAPER)
        paper.paste(small, mask=small.getchannel("A"))
        return paper
    return small


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(words: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    """The words, cut where there is no more room."""
    if font.getlength(words) <= room:
        return words
    while words and font.getlength(words + "…") > room:
        words = words[:-1]
    return words.rstrip() + "…"


def _marks(bottom: float, top: float) -> Iterator[float]:
    """Logarithms of the numbers to write on the axis: powers of ten, with 2 and 5 between them when few fit."""
    for digits in ((1,), (1, 2, 5), range(1, 10)):
        marks = [
            math.log10(digit) + power
            for power in range(math.floor(bottom), math.ceil(top) + 1)
            for digit in digits
            if bottom <= math.log10(digit) + power <= top
        ]
        if len(marks) >= 3:
            break
    yield from marks


def _steps(first: int, last: int) -> list[int]:
    """About six round steps to write below the axis."""
    if first == last:
        return [first]
    rough = (last - first) / 6
    power = 10 ** math.floor(math.log10(max(1, rough)))
    size = next(int(power * digit) for digit in (1, 2, 5, 10) if power * digit >= rough)
    return list(range(math.ceil(first / size) * size, last + 1, size))


def _number(value: float) -> str:
    """A loss as it is written on the axis: 0.002, 50, 3e6."""
    if 1e-3 <= value < 1e5:
        return f"{value:,.6g}"
    digits, power = f"{value:.0e}".split("e")
    return f"{digits}e{int(power)}"


def _apart(places: list[tuple[float, str]], gap: float, upper: float, lower: float) -> dict[str, float]:
    """Heights of names at the ends of their curves, moved so that none covers another."""
    at: dict[str, float] = {}
    free = upper
    for place, name in sorted(places):
        at[name] = max(place, free)
        free = at[name] + gap
    free = lower
    for name in reversed(at):
        at[name] = min(at[name], free)
        free = at[name] - gap
    return at


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spread(things: list, most: int) -> list:
    """At most so many of them, evenly spread, with the first and the last."""
    if len(things) <= most:
        return things
    return [things[round(n * (len(things) - 1) / max(1, most - 1))] for n in range(most)]


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
