"""The Painter tab: a photo becomes a painting in one style, or in all of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from artcore import image as pictures
from artcore import load
from artcore.studio import shared
from artcore.tasks.painter import MAX_STRENGTH, Painter

MAX_SEED = 2**31 - 1
FIRST = "vangogh"  # the style to begin with, where there is one
# The download is written only when somebody asks for it; the browser then takes it from a hidden button.
TAKE_FILE = "() => setTimeout(() => document.querySelector('#painter-file').click(), 100)"

NOTE = """### What it can't do
It is not an artist. A small net has learned how the paint of one movement or painter lies, and lays it over
your photo: it composes nothing, and treats faces and lettering like everything else, so expect them to blur.
It works at the picture's own size, up to 64 megapixels, and a brush stroke keeps its size in pixels, so a
large photo gets fine strokes. It was trained on paintings in the public domain;
[the card of this style](cards/{}) says on which, and how well it does. Your photo stays on this server, for a
few hours at most.
"""


def paint(
    image: str | None, style: str, method: str, strength: float, seed: int, format: str, keep_metadata: bool
) -> Iterator:
    """Paint a photo in the style of a movement or painter, at its own size.

    The same picture, style, strength and seed give the same pixels, those of
    artcore.load("stylenet.vangogh")(image, strength=1.0, seed=0).

    Args:
        image: The photo: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 64 megapixels and 50 MB.
        style: Whose style, such as "vangogh".
        method: The kind of net; "auto" takes the best that there is for the style.
        strength: 0 is the photo, 1 the painting; up to 1.5 goes past it.
        seed: Another whole number gives another brush.
        format: Of the file that comes back: "png" (exact), "jpeg" or "webp".
        keep_metadata: Whether the photo's EXIF data and colour profile are kept.

    Returns:
        The painting, a picture file of the photo's size.
    """
    with shared.sentences():
        source = _needed(image)
        for snapshot in _task(style, method).run(source, strength=strength, seed=seed):
            if snapshot.image is None:
                yield gr.skip()  # where a caller that gave up is noticed
            else:
                yield shared.write(snapshot.image, _name(source, style), format, metadata=keep_metadata)


def paint_all(image: str | None, strength: float, seed: int) -> Iterator:
    """Paint a photo in every style there is.

    Args:
        image: The photo: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 64 megapixels and 50 MB.
        strength: 0 is the photo, 1 the painting; up to 1.5 goes past it.
        seed: Another whole number gives another brush.

    Returns:
        A gallery of PNG files of the photo's size, each with the style's name as its caption; it grows by one
        as each is done.
    """
    with shared.sentences():
        source = _needed(image)
        done = []
        for style, entry in load.styles().items():
            for snapshot in _task(style).run(source, strength=strength, seed=seed):
                if snapshot.image is None:
                    yield gr.skip()
                else:
                    done.append((shared.write(snapshot.image, _name(source, style), "png"), entry.label))
                    yield done


def build() -> None:
    """The tab, inside a gr.Blocks."""
    styles = load.styles()
    if not styles:
        gr.Markdown("No painter is there yet: train and publish one, or restore weights/ from a release.")
        return
    names = list(styles)
    first = FIRST if FIRST in styles else names[0]

    size = gr.State(None)  # (width, height) of the picture, once it could be read
    made = gr.State(None)  # what the shown painting was made of, so that a file of it can be made

    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=5, min_width=320, elem_classes="bench"):
            photo = shared.photo(
                label="Your photo",
                height=176,
                buttons=[],
                alt_text="The photo to be painted",
                elem_id="painter-photo",
            )
            examples = sorted(shared.EXAMPLES.glob("photo_*.jpg"))
            strip = gr.Gallery(
                [(path, path.stem.removeprefix("photo_").replace("_", " ").capitalize()) for path in examples],
                label="Or begin with one of these",
                show_label=False,
                columns=max(1, len(examples)),
                object_fit="cover",
                allow_preview=False,
                interactive=False,
                buttons=[],
                visible=bool(examples),
                elem_id="painter-examples",
            )
            thumbnails = gr.Gallery(
                [(shared.thumbnail(entry), entry.label) for entry in styles.values()],
                label="Movements and painters",
                show_label=False,
                columns=5,
                object_fit="cover",
                allow_preview=False,
                selected_index=names.index(first),
                interactive=False,
                buttons=[],
                elem_id="painter-styles",
            )
            with gr.Row(elem_classes="knobs"):
                choices = [(entry.label, name) for name, entry in styles.items()]
                style = gr.Dropdown(choices, value=first, label="Style", scale=5, min_width=150)
                seed = gr.Number(
                    0, precision=0, minimum=0, maximum=MAX_SEED, label="Brush (seed)", scale=3, min_width=100
                )
                another = gr.Checkbox(False, label="Random", scale=2, min_width=90)
            strength = gr.Slider(0, MAX_STRENGTH, 1, step=0.05, label="Strength: 0 is the photo, 1 the painting")
            method = gr.Dropdown(["auto", *load.METHODS], value="auto", label="Method", visible=len(load.METHODS) > 1)
            with gr.Row(elem_classes="actions"):
                go = gr.Button("Paint", variant="primary", size="lg", scale=3, min_width=110, elem_id="painter-go")
                go_all = gr.Button("All styles", size="lg", scale=2, min_width=100, elem_id="painter-all")
                stop = gr.Button(
                    "Stop",
                    variant="stop",
                    size="lg",
                    scale=1,
                    min_width=70,
                    visible=False,
                    elem_id="painter-stop",
                )
        with gr.Column(scale=7, min_width=320, elem_classes="wall"):
            result = gr.ImageSlider(
                label="Photo and painting",
                show_label=False,
                height=520,
                max_height=520,
                interactive=False,
                buttons=["fullscreen"],
                elem_id="painter-result",
            )
            gallery = gr.Gallery(
                label="All styles",
                show_label=False,
                columns=3,
                height=520,
                object_fit="contain",
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
                elem_id="painter-gallery",
            )
            status = gr.Markdown("Choose a photo, choose a style, paint.", elem_classes="status")
            with gr.Row(elem_classes="take", visible=False) as take:
                format = gr.Radio(shared.FORMATS, value="png", show_label=False, label="Format", container=False)
                keep = gr.Checkbox(False, label="Keep EXIF and colour profile", container=False, min_width=200)
                download = gr.Button("Download", min_width=110, elem_id="painter-download")
            file = gr.DownloadButton(visible="hidden", elem_id="painter-file")
    note = gr.Markdown(NOTE.format(styles[first].name), elem_classes="note")

    # --- events -----------------------------------------------------------------------------------------

    def look(path: str | None, style: str, method: str) -> Iterator[dict]:
        """Reads a picture as soon as it is chosen, so that a bad one is said before anybody waits for it."""
        yield {size: None, status: ""}
        if path:
            with shared.sentences():
                found = pictures.open(path).size
                yield {size: found, status: _forecast(found, style, method)}

    def foresee(size_: tuple[int, int] | None, style: str, method: str) -> dict:
        with shared.sentences():
            told = {thumbnails: gr.Gallery(selected_index=names.index(style))}
            told[note] = NOTE.format(load.pick(style, method))
            return told | {status: _forecast(size_, style, method)} if size_ else told

    def begin(event: gr.SelectData) -> str:
        return str(examples[event.index])

    def point(event: gr.SelectData) -> str:
        return names[event.index]

    def show(path: str | None, style: str, method: str, strength: float, seed_: int, another_: bool) -> Iterator[dict]:
        with shared.sentences():
            source, task = _needed(path), _task(style, method)
            used = secrets.randbelow(MAX_SEED) if another_ else seed_
            yield {
                seed: used,
                status: "Painting …",
                stop: gr.Button(visible=True),
                take: gr.Row(visible=False),
                result: gr.ImageSlider(visible=True),
                gallery: gr.Gallery(visible=False),
            }
            original = pictures.open(source)
            start = time.perf_counter()
            for snapshot in task.run(original, strength=strength, seed=used):
                if snapshot.image is None:
                    yield {status: f"Painting, {snapshot.done} of {snapshot.total} tiles …"}
            taken = time.perf_counter() - start
            name = _name(source, style)
            yield {
                result: (shared.preview(original, name), shared.preview(snapshot.image, name)),
                status: f"**{styles[style].label}** · {_size(original.size)} · brush {used} · "
                f"painted in {shared.duration(taken)}",
                made: {"source": source, "style": style, "method": method, "strength": strength, "seed": used},
                take: gr.Row(visible=True),
                stop: gr.Button(visible=False),
            }

    def show_all(path: str | None, strength: float, seed_: int, another_: bool) -> Iterator[dict]:
        with shared.sentences():
            source = _needed(path)
            used = secrets.randbelow(MAX_SEED) if another_ else seed_
            yield {
                seed: used,
                status: "Painting …",
                stop: gr.Button(visible=True),
                take: gr.Row(visible=False),
                result: gr.ImageSlider(visible=False),
                gallery: gr.Gallery([], visible=True),
                # Now, since one of them may be chosen before all are done, or after a stop.
                made: {"source": source, "style": None, "method": "auto", "strength": strength, "seed": used},
            }
            original = pictures.open(source)
            start = time.perf_counter()
            done = []
            for name, entry in styles.items():
                for snapshot in _task(name).run(original, strength=strength, seed=used):
                    if snapshot.image is None:
                        yield {status: f"{entry.label}, {snapshot.done} of {snapshot.total} tiles …"}
                done.append((shared.preview(snapshot.image, _name(source, name)), entry.label))
                yield {gallery: done, status: f"{len(done)} of {len(styles)} styles …"}
            taken = shared.duration(time.perf_counter() - start)
            yield {
                status: f"**{len(styles)} styles** · {_size(original.size)} · brush {used} · "
                f"painted in {taken} · choose one to download it",
                stop: gr.Button(visible=False),
            }

    def choose(made_: dict | None, event: gr.SelectData) -> dict:
        """A painting of the gallery becomes the one to download, and its style the chosen one."""
        name = names[event.index]
        if not made_:
            return {style: name}
        return {style: name, made: made_ | {"style": name}, take: gr.Row(visible=True)}

    def fetch(made_: dict | None, format_: str, keep_: bool) -> Iterator[dict]:
        """Paints again: the same pixels, and nothing has to be kept of paintings that nobody takes home."""
        with shared.sentences():
            if not made_:
                raise gr.Error("There is no painting to download: paint one first.")
            yield {status: "Writing the file …"}
            task = _task(made_["style"], made_["method"])
            for snapshot in task.run(made_["source"], strength=made_["strength"], seed=made_["seed"]):
                if snapshot.image is None:
                    yield {status: f"Writing the file, {snapshot.done} of {snapshot.total} tiles …"}
            name = _name(made_["source"], made_["style"])
            path = shared.write(snapshot.image, name, format_, metadata=keep_)
            yield {file: gr.DownloadButton(value=path), status: f"{Path(path).name}, {_bytes(path)}"}

    private = {"api_visibility": "private"}
    model = shared.MODEL | private
    photo.change(look, [photo, style, method], [size, status], show_progress="hidden", **shared.LOOK, **private)
    gr.on(
        [style.change, method.change],
        foresee,
        [size, style, method],
        [thumbnails, note, status],
        show_progress="hidden",
        **shared.LOOK,
        **private,
    )
    strip.select(begin, None, photo, queue=False, **private)
    thumbnails.select(point, None, style, queue=False, **private)
    shown = [made, result, gallery, take, status, seed, stop]
    single = go.click(show, [photo, style, method, strength, seed, another], shown, show_progress_on=result, **model)
    every = go_all.click(show_all, [photo, strength, seed, another], shown, show_progress_on=gallery, **model)
    for event in (single, every):
        event.then(lambda: gr.Button(visible=False), None, stop, queue=False, **private)  # after an error too
    stop.click(
        lambda: (gr.Button(visible=False), "Stopped."),
        None,
        [stop, status],
        cancels=[single, every],
        queue=False,
        **private,
    )
    gallery.select(choose, made, [style, made, take], queue=False, **private)
    download.click(fetch, [made, format, keep], [file, status], show_progress="hidden", **model).success(
        None, js=TAKE_FILE, **private
    )

    # The API. Its events have buttons that nobody sees, and the components above say what may be given.
    picture = gr.Image(format="png", visible=False, label="Painting")
    pictures_ = gr.Gallery(visible=False, label="Paintings")
    gr.Button(visible=False).click(
        paint, [photo, style, method, strength, seed, format, keep], picture, api_name="paint", **shared.MODEL
    )
    gr.Button(visible=False).click(paint_all, [photo, strength, seed], pictures_, api_name="paint_all", **shared.MODEL)


def _needed(path: str | None) -> str:
    if not path:
        raise gr.Error("There is no photo yet: choose one, or one of the examples.", title="No photo")
    return path


def _task(style: str, method: str = "auto") -> Painter:
    return shared.task(load.pick(style, method))


def _forecast(size: tuple[int, int], style: str, method: str) -> str:
    seconds, styles = _task(style, method).seconds(*size), len(load.styles())
    one, every = (shared.duration(max(0.1, s)) for s in (seconds, seconds * styles))
    return f"{_size(size)} · painting it takes about {one}, in all {styles} styles {every}"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _name(source: str, style: str) -> str:
    return f"{Path(source).stem[:80]} {style}"


def _bytes(path: str) -> str:
    size = Path(path).stat().st_size
    return f"{size / 1e6:.1f} MB" if size > 1e6 else f"{size / 1e3:.0f} kB"
