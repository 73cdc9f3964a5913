"""What may be ordered of the painters, by the browser and by the API, and how an order is carried out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
from PIL import Image

from artcore import load
from artcore.studio import shared
from artcore.studio.words import say
from artcore.tasks.painter import Snapshot

TWO_WAYS = "cyclegan"  # the method whose nets also make photos of paintings


def offered(direction: str, method: str = "auto") -> dict[str, load.Entry]:
    """The styles that there are in a direction, by a method."""
    return load.styles(TWO_WAYS if direction == "to_photo" else method)


@dataclass(frozen=True)
class Order:
    """What is to be painted, and how: carried out again, it gives the same pixels."""

    source: str
    style: str
    method: str = "auto"
    shares: dict[str, float] = field(default_factory=dict)  # of further painters in the mix
    regions: tuple[tuple[str, object], ...] = ()  # (style, mask)
    options: dict = field(default_factory=dict)  # keywords of Painter.run

    @property
    def parts(self) -> dict[str, float]:
        """Catalog names of what is mixed, and how much of each."""
        return load.parts(self.style, self.shares, self.method)

    @property
    def label(self) -> str:
        """As people read it: "Van Gogh", or "Van Gogh 60 % + Monet 40 %"."""
        catalog, parts = load.catalog(), self.parts
        shares = [f" {100 * share:.0f} %" for share in parts.values()] if len(parts) > 1 else [""]
        return " + ".join(say(catalog[name].label) + share for name, share in zip(parts, shares, strict=True))

    @property
    def file(self) -> str:
        """What a file of it is called."""
        return " ".join([Path(self.source).stem[:80], "+".join(name.partition(".")[2] for name in self.parts)])

    def run(self, picture: Image.Image | str | None = None) -> Iterator[Snapshot]:
        """Paints it; ``picture`` is the source where it was opened already."""
        regions = [(shared.task(load.pick(style, self.method)), mask) for style, mask in self.regions]
        return shared.blend(self.parts).run(picture or self.source, regions=regions, **self.options)

    def seconds(self, size: tuple[int, int]) -> float:
        """Predicted for a picture of this size: one net for the mix, and one for each region."""
        names = [next(iter(self.parts)), *(load.pick(style, self.method) for style, _ in self.regions)]
        return sum(shared.task(name).seconds(*size, stroke=self.options["stroke"]) for name in names)


def paint(
    image: str | None,
    style: str,
    method: str,
    strength: float,
    seed: int,
    format: str,
    keep_metadata: bool,
    direction: str = "to_painting",
    light: float = 0,
    keep_colours: float = 0,
    stroke: float = 1,
    detail: float = 0,
    mix_style: str = "",
    mix_share: float = 0.3,
    mix_style_2: str = "",
    mix_share_2: float = 0.3,
    region_style: str = "",
    region: str | None = None,
    region_style_2: str = "",
    region_2: str | None = None,
    recipe: bool = True,
) -> Iterator:
    """Paint a photo in the style of a movement or painter, at its own size; or make a photo of a painting.

    The same picture and arguments give the same pixels, those of
    artcore.load("stylenet.vangogh")(image, strength=1.0, seed=0).

    Args:
        image: The photo: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 64 megapixels and 50 MB.
        style: Whose style, such as "vangogh".
        method: The kind of net; "auto" takes the best that there is for the style.
        strength: 0 is the photo, 1 the painting; up to 1.5 goes past it.
        seed: Another whole number gives another brush.
        format: Of the file that comes back: "png" (exact), "jpeg" or "webp".
        keep_metadata: Whether the photo's EXIF data and colour profile are kept.
        direction: "to_painting", or "to_photo" for those styles whose net goes both ways.
        light: 0 to 1: how far the photo's light and shade are kept.
        keep_colours: 0 to 1: how far the photo's colours are kept.
        stroke: 1 to 4: how many times larger the strokes are.
        detail: 0 to 1: how much of the photo's fine detail is put back.
        mix_style: A second painter, or "" for none.
        mix_share: The second painter's share of the mix, 0 to 1; the style has what the others leave.
        mix_style_2: A third painter, or "".
        mix_share_2: The third painter's share.
        region_style: Who paints where the mask `region` is white, or "" for nobody.
        region: A grey picture of the photo's aspect.
        region_style_2: Who paints where the mask `region_2` is white, or "".
        region_2: Another such mask.
        recipe: Whether the file tells what made it, in its metadata.

    Returns:
        The painting, a picture file of the photo's size.
    """
    with shared.sentences():
        order = Order(
            shared.needed(image),
            style,
            method,
            shares((mix_style, mix_share), (mix_style_2, mix_share_2)),
            regions(("region", region_style, region), ("region_2", region_style_2, region_2)),
            dict(
                strength=strength,
                seed=seed,
                direction=direction,
                light=light,
                keep_colours=keep_colours,
                stroke=stroke,
                detail=detail,
            ),
        )
        for snapshot in order.run():
            if snapshot.image is None:
                yield gr.skip()  # where a caller that gave up is noticed
            else:
                yield shared.write(snapshot.image, order.file, format, metadata=keep_metadata, recipe=recipe)


def paint_all(
    image: str | None,
    strength: float,
    seed: int,
    recipe: bool = True,
    direction: str = "to_painting",
    light: float = 0,
    keep_colours: float = 0,
    stroke: float = 1,
    detail: float = 0,
    method: str = "auto",
) -> Iterator:
    """Paint a photo in every style there is; or make a photo of a painting with every net that goes both ways.

    Args:
        image: The photo: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 64 megapixels and 50 MB.
        strength: 0 is the photo, 1 the painting; up to 1.5 goes past it.
        seed: Another whole number gives another brush.
        recipe: Whether the files tell what made them, in their metadata.
        direction: "to_painting", or "to_photo" for those styles whose net goes both ways.
        light: 0 to 1: how far the photo's light and shade are kept.
        keep_colours: 0 to 1: how far the photo's colours are kept.
        stroke: 1 to 4: how many times larger the strokes are.
        detail: 0 to 1: how much of the photo's fine detail is put back.
        method: The kind of net; "auto" takes the best that there is for each style.

    Returns:
        A gallery of PNG files of the photo's size, each with the style's name as its caption; it grows by one
        as each is done.
    """
    with shared.sentences():
        source = shared.needed(image)
        done = []
        options = dict(
            strength=strength,
            seed=seed,
            direction=direction,
            light=light,
            keep_colours=keep_colours,
            stroke=stroke,
            detail=detail,
        )
        for style, entry in offered(direction, method).items():
            order = Order(source, style, method, options=options)
            for snapshot in order.run():
                if snapshot.image is None:
                    yield gr.skip()
                else:
                    done.append((shared.write(snapshot.image, order.file, "png", recipe=recipe), entry.label))
                    yield done


def shares(*pairs: tuple[str, float]) -> dict[str, float]:
    """{style: share} of the further painters that were chosen."""
    shares: dict[str, float] = {}
    for style, share in pairs:
        if style:
            shares[style] = shares.get(style, 0) + share
    return shares


def regions(*marked: tuple[str, str, object]) -> tuple[tuple[str, object], ...]:
    """(style, mask) of those (name, style, mask) where something is marked for somebody."""
    for name, style, mask in marked:
        if style and mask is None:
            raise gr.Error(f"A painter is chosen for {name}, but nothing is marked: mark it, or choose nobody.")
        if mask is not None and not style:
            raise gr.Error(f"Nobody paints what is marked for {name}: choose a painter, or erase it.")
    return tuple((style, mask) for _, style, mask in marked if style)
