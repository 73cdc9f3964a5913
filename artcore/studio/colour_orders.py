"""What may be ordered of the colourisers, by the browser and by the API, and the pictures that it is ordered for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image, ImageColor

from artcore import image as pictures
from artcore import load
from artcore.studio import shared
from artcore.tasks.colorize import MOST_SEED, Adjustments, Colorizer, Colouring, different_first, disagreement
from artcore.tasks.colouring import AS_IS

MOST = 10  # pictures at a time, and seeds on a sheet
SHOWN, SMALL = 1200, 400  # pixels of the longer side of what is only looked at, alone and among others
GREY = 8  # steps of 255 by which the channels of a picture without colours may differ


@dataclass(frozen=True, eq=False)
class Piece:
    """A picture on the bench, with paths of small versions to look at."""

    source: str
    size: tuple[int, int]
    original: str
    grey: str
    small: str  # grey, among others
    coloured: bool  # whether it had colours, which its colouring can be compared with
    deep: bool = False  # whether it is grey in 16 bits

    @property
    def name(self) -> str:
        """What files of it are called."""
        return Path(self.source).stem[:80]

    @property
    def title(self) -> str:
        """The same for Markdown."""
        return shared.plain(self.name)


@dataclass(frozen=True, eq=False)
class Bench:
    """The pictures of one upload, and a sentence for each of its files that is none."""

    paths: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sheet:
    """Colourings of one picture, and the path of a map of where they differ."""

    source: str
    colourings: tuple[Colouring, ...]
    guesses: str

    def of(self, seed: int | None) -> Colouring | None:
        """The one with this seed."""
        return next((c for c in self.colourings if c.seed == seed), None)


def colourist(model: str) -> Colorizer:
    """The task of a model such as "general", loaded at its first use."""
    return shared.task(load.kind("colorizer", model))


def read(paths: Sequence[str]) -> Bench:
    """Looks at every file: a bad one gets its sentence, and the rest go on."""
    if len(paths) > MOST:
        raise gr.Error(f"These are {len(paths)} pictures: choose {MOST} at most.", title="Too many")
    pieces, refused = [], []
    for path in paths:
        try:
            with shared.sentences():
                pieces.append(_piece(shared.weighed(path)))
        except gr.Error as error:
            refused.append(error.message)
    return Bench(tuple(paths), tuple(pieces), tuple(refused))


def _piece(path: str) -> Piece:
    picture, grey16 = pictures.open_grey16(path)
    shown = pictures.thumbnail(picture, SHOWN)
    pixels = np.asarray(pictures.opaque(pictures.thumbnail(shown, 256))).astype(int)
    coloured = bool(np.percentile(np.ptp(pixels, axis=-1), 99) > GREY)
    grey = pictures.finish(shown.convert("L").convert("RGB"), shown)
    name = Path(path).stem[:80]
    original, without, small = (shared.write(p, name, "webp") for p in (shown, grey, pictures.thumbnail(grey, SMALL)))
    return Piece(path, picture.size, original, without, small, coloured, grey16 is not None)


def guides(hints: object = None, noise: object = None, regions: Sequence[tuple[object, int]] = ()) -> dict[str, object]:
    """What is given to a colouring beside its seed, as keywords of the task."""
    given = {"hints": hints, "noise": noise, "regions": list(regions)}
    return {name: value for name, value in given.items() if value}


def drawn(masks: Sequence[Image.Image | None], greys: Sequence[str], over: object = None) -> object:
    """The noise that was drawn in so many greys, each where its mask is white, over that of a picture; where there is
    neither it is transparent, and the seed's. The picture itself, or None, if nothing was drawn."""
    there = [(mask, grey) for mask, grey in zip(masks, greys, strict=True) if mask]
    if not there:
        return over
    noise = pictures.open(over).convert("LA") if over else Image.new("LA", there[0][0].size)
    for mask, grey in there:
        noise.paste((ImageColor.getcolor(grey, "L"), 255), mask=mask.resize(noise.size, Image.Resampling.NEAREST))
    return noise


def by_hand(colouring: Colouring) -> bool:
    """Whether its noise was not the seed's alone."""
    return colouring.recipe is not None and "noise" in colouring.recipe.pictures


def called(colouring: Colouring) -> str:
    """What files of it say of its noise."""
    return f"seed {colouring.seed}" + " and noise by hand" * by_hand(colouring)


def light(colouring: Colouring) -> Colouring:
    """A colouring without its picture, as a page may hold it for hours."""
    return replace(colouring, picture=None, grey16=None)


def with_picture(colouring: Colouring, path: str) -> Colouring:
    """And with a version of it."""
    return replace(colouring, picture=pictures.open(path))


def file(
    colouring: Colouring,
    name: str,
    format: str,
    adjustments: Adjustments = AS_IS,
    metadata: bool = False,
    recipe: bool = True,
) -> str:
    """Path of a new file of a colouring that has its picture."""
    data = colouring.encode(format, adjustments=adjustments, exif=metadata, icc=metadata, recipe=recipe)
    return shared.store(data, f"{name}.{'jpg' if format == 'jpeg' else format}")


# --- the API ----------------------------------------------------------------------------------------------


def colorize(
    image: str | None,
    model: str,
    seed: int,
    format: str,
    keep_metadata: bool,
    saturation: float = 1,
    warmth: float = 0,
    black: float = 0,
    white: float = 1,
    gamma: float = 1,
    smoothness: float = 0,
    hints: str | None = None,
    noise: str | None = None,
    region: str | None = None,
    region_seed: int = 1,
    region_2: str | None = None,
    region_seed_2: int = 2,
    recipe: bool = True,
) -> str:
    """Colour a grey picture, at its own size and with its own light; of a colour picture the colours are ignored.

    The colours are guesses: another seed guesses otherwise. The same picture and arguments give the same pixels, those
    of artcore.load("colorunet.general")(image, seed=0).

    Args:
        image: The picture: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 64 megapixels and 50 MB.
        model: Which net, such as "general".
        seed: Another whole number gives another colouring.
        format: Of the file that comes back: "png" (exact), "jpeg", "webp" or "tiff". A grey picture of 16 bits keeps
            them in a "tiff" alone: the others have 8.
        keep_metadata: Whether the picture's EXIF data and colour profile are kept.
        saturation: 0 is grey, 1 as the net coloured it, up to 2.
        warmth: -1 to 1: towards blue, or towards orange.
        black: 0 to 0.5: what is as dark as this becomes black.
        white: 0.5 to 1: what is as light as this becomes white.
        gamma: 0.3 to 3: above 1 lightens what lies between.
        smoothness: 0 to 1: how much calmer the colours are.
        hints: A picture of the same aspect, with transparency: what is opaque is the colour wanted there.
        noise: A grey picture of the same aspect, which decides more than the seed does: it takes the place of the
            first of its planes of noise, but where it is transparent; the other planes stay the seed's.
        region: A grey picture of the same aspect, white where another seed decides.
        region_seed: That seed.
        region_2: Another such picture.
        region_seed_2: And its seed.
        recipe: Whether the file tells what made it, in its metadata.

    Returns:
        The coloured picture, a file of the picture's size.
    """
    with shared.sentences():
        source = shared.needed(image)
        regions = [(mask, n) for mask, n in ((region, region_seed), (region_2, region_seed_2)) if mask]
        adjustments = Adjustments(saturation, warmth, black, white, gamma, smoothness)
        colouring = colourist(model).colour(source, seed=seed, **guides(hints, noise, regions))
        return file(
            colouring, f"{Path(source).stem[:80]} {called(colouring)}", format, adjustments, keep_metadata, recipe
        )


def colorize_seeds(image: str | None, model: str, seed: int, count: int = MOST, recipe: bool = True) -> Iterator:
    """Colour a picture several times over, by the seeds that follow each other from one, most different first.

    Args:
        image: The picture: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 64 megapixels and 50 MB.
        model: Which net, such as "general".
        seed: The first seed.
        count: How many, 2 to 10.
        recipe: Whether the files tell what made them, in their metadata.

    Returns:
        A gallery of PNG files of the picture's size, each with its seed as caption, most different first; and a map of
        where they differ: the lighter, the more the net is guessing.
    """
    with shared.sentences():
        source = shared.needed(image)
        if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST:
            raise gr.Error(f"count is {count!r}: give a whole number from 2 to {MOST}.")
        if isinstance(seed, int) and seed <= MOST_SEED < seed + count - 1:
            raise gr.Error(
                f"seed is {seed} and count {count}, but no seed is above {MOST_SEED}: give a smaller seed or count."
            )
        made = []
        for colouring in colourist(model).seeds(source, range(seed, seed + count)):
            made.append(colouring)
            yield gr.skip(), gr.skip()  # where a caller that gave up is noticed
        name, gallery = Path(source).stem[:80], []
        for n in different_first(made):
            caption = f"seed {made[n].seed}"
            gallery.append((file(made[n], f"{name} {caption}", "png", recipe=recipe), caption))
            yield gr.skip(), gr.skip()
        yield gallery, shared.write(disagreement(made), f"{name} guesses", "png")
