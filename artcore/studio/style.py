"""The Style tab: any paintings onto any photo, with sliders, brushed regions, a live preview, Stop and Go on."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from artcore import image as pictures
from artcore.recipe import Recipe
from artcore.studio import gpu, recipes, sending, several, shared
from artcore.studio.words import say
from artcore.tasks.sheets import Album, originals
from artcore.tasks.style import PRESETS, Snapshot, StyleError, StyleOptions, StyleTransfer

FIRST = "style_starry_night"  # the painting to begin with, where it is there
MOST = 3  # paintings
LONGEST = 1800  # seconds that one run may keep the others waiting; then it stops as if somebody had pressed Stop
COLOURS = ("#2f6690", "#b5851b")  # of the brush that says where the second and third painting go
FEATURES = {"ArtEncoder": "encoder", "VGG-19 (548 MB, fetched at its first use)": "vgg19"}
OFTEN = 0.4  # seconds between two previews, so that showing the picture does not slow down making it
EDITED = 800  # pixels of the longer side of the photo that regions are brushed on

MAIN = ("content", "style", "smoothness")
# What a prediction needs.
PACE = ("size", "side", "steps", "pyramid", "budget", "deadline", "loss", "style_layers", "content_layers")
GROUPS = {
    "main": "Weights",
    "size": "Size and steps",
    "painting": "The painting",
    "colour": "Colour",
    "losses": "What is compared",
    "optimiser": "Optimiser",
}
PRESET_NAMES = {"default": "Ours", "quick": "Quick look", "gatys": "Gatys et al. 2016", "document-002": "Document 002"}
BLOCK_5 = "Block 5 of Gatys and of document 002 is r4_2 in our net of four blocks; VGG-19 has their own."
VIEWS = {"painting": "Painting", "sheet": "Contact sheet", "film": "Film", "losses": "Loss curves"}

NOTE = """### How it works
No net was trained on your painting: the pixels of the picture are moved, step by step, until a net that sees both
finds the drawing of your photo and the brushwork of the painting. So any painting will do, and it takes seconds
rather than a blink. The painting is cropped to the photo's shape, never squashed. Stop whenever you like what you
see: the picture stays, and its resume file goes on from there to the last bit, here, in the shell
(`python -m artcore style --resume FILE OUT`) or from code. Photos and paintings stay on this server for a few hours
at most.

**What it can't do.** It moves paint, and knows nothing of what is painted: faces and lettering are painted over like
everything else, and a painter's composition does not come along. Where photo and painting have little in common, the
strokes turn into blotches, or much of the drawing is lost: more *Content* or another painting helps.
"""

_halts: dict[str, threading.Event] = {}  # of each visitor's run: set when they want it to end


# --- the API ----------------------------------------------------------------------------------------------


def style(
    photo: str | None,
    painting: str | None,
    painting_2: str | None = None,
    painting_3: str | None = None,
    mask: str | None = None,
    mask_2: str | None = None,
    mask_3: str | None = None,
    content: float | None = None,
    style: float | None = None,
    smoothness: float | None = None,
    preset: str = "default",
    options: dict | None = None,
    features: str = "encoder",
    start: str | None = None,
    stop_after: int = 0,
    format: str = "png",
    recipe: bool = True,
) -> Iterator:
    """Paint a photo in the manner of one to three paintings, and stream how it comes about.

    A mask of the photo's aspect is resized to it, one of another aspect is refused; where no mask is white the photo
    stays. For the layers of block 5 that the presets "gatys" and "document-002" ask for, the shipped encoder, of four
    blocks, has r4_2, and the features "vgg19" have the papers' own.

    Args:
        photo: The photo: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 64 megapixels and 50 MB.
        painting: The painting whose brushwork and colours it gets.
        painting_2: Another one; without masks, all of them count everywhere.
        painting_3: And another.
        mask: Grey picture of the photo's shape, white where the first painting counts. All or none.
        mask_2: Where the second painting counts.
        mask_3: Where the third painting counts.
        content: How strongly the photo's drawing is held; empty: as the preset says, 1 for "default".
        style: How strongly the brushwork is asked for; empty: as the preset says.
        smoothness: How calm the surface is; empty: as the preset says.
        preset: "default", "quick", "gatys" or "document-002".
        options: Any options of artcore.tasks.style.StyleOptions by name, such as {"size": 400, "seed": 3}.
        features: The net that looks: "encoder" or "vgg19".
        start: A picture to start from in place of the photo.
        stop_after: Stop after this step and hand out a resume file; 0: go on to the end.
        format: Of the finished picture: "png", "jpeg" or "webp".
        recipe: Whether its file tells what made it, in its metadata.

    Returns:
        The picture (while it is made: small previews), what is known of the run (step, steps, size, losses,
        seconds, seconds_left, final), and the resume file when it was stopped.
    """
    with shared.sentences():
        source = shared.needed(photo)
        given = [p for p in (painting, painting_2, painting_3) if p]
        masks = [m for m in (mask, mask_2, mask_3) if m]
        main = {"content": content, "style": style, "smoothness": smoothness}
        chosen = {name: value for name, value in main.items() if value is not None} | mapping(options)
        options_ = StyleOptions.preset(preset, **chosen)
        transfer = Transfer(features, source, _painted(given), options_, masks or None, start)
        run = _begun(transfer, stop_after)
        yield from _stream(run, _name(source, given[0]), stop_after, format, recipe)


def style_resume(file: str | None, stop_after: int = 0, format: str = "png", recipe: bool = True) -> Iterator:
    """Go on with a style transfer from its resume file, exactly as if it had never stopped.

    Args:
        file: What `style`, this endpoint, the shell or code saved when the run was stopped.
        stop_after: Stop after this step and hand out a resume file again; 0: go on to the end.
        format: Of the finished picture: "png", "jpeg" or "webp".
        recipe: Whether its file tells what made it, in its metadata.

    Returns:
        As `style`.
    """
    with shared.sentences():
        yield from _stream(_resumed(file, stop_after), Path(file).stem[:80], stop_after, format, recipe)


def _stream(run: Iterator[Snapshot], name: str, stop_after: int, format: str, recipe: bool) -> Iterator:
    """What a program gets of a run: (picture, progress, resume file), a preview now and then, and the end."""
    if format not in [value for _, value in shared.FORMATS]:
        raise StyleError(f"format is {format!r}: choose from {', '.join(value for _, value in shared.FORMATS)}.")
    if isinstance(stop_after, bool) or not isinstance(stop_after, int) or stop_after < 0:
        raise StyleError(f"stop_after is {stop_after!r}: give a whole number of steps, or 0 to go on to the end.")
    seen, latest, preview = -OFTEN, None, None
    for snapshot, last in _until(run, lambda s: 0 < stop_after <= s.step):
        now, latest = time.monotonic(), snapshot.image or latest
        if last:
            picture = shared.write(snapshot.picture(), name, format, recipe=recipe)
            yield picture, _progress(snapshot), None if snapshot.final else _resume_file(snapshot, name)
        elif now - seen > OFTEN:  # also without a new preview: here a caller that gave up is noticed
            seen = now
            if latest is not None:
                latest, preview = None, shared.preview(latest, name)
            yield preview, _progress(snapshot), None


def _progress(snapshot: Snapshot) -> dict:
    names = ("step", "steps", "size", "losses", "seconds", "seconds_left", "final")
    return {name: getattr(snapshot, name) for name in names}


def mapping(options: object) -> dict:
    """Options by name, from JSON or its text."""
    if isinstance(options, str):
        try:
            options = json.loads(options or "{}")
        except ValueError as error:
            raise StyleError(f'options is no JSON ({error}): write for example {{"size": 400}}.') from error
    if options is not None and not isinstance(options, dict):
        raise StyleError('options is no object: write for example {"size": 400}.')
    return options or {}


# --- the tab ----------------------------------------------------------------------------------------------


def build() -> sending.Port:
    """The tab, inside a gr.Blocks."""
    photos, paintings = shared.PHOTOS, sorted(shared.EXAMPLES.glob("style_*.jpg"))
    first = next((str(path) for path in paintings if path.stem == FIRST), None)

    size = gr.State(None)  # (width, height) of the photo, once it could be read
    made = gr.State({})  # path of each thing there is to look at and to take home
    knobs: dict[str, gr.components.Component] = {}  # of StyleOptions, by name
    known = {f.name: f for f in fields(StyleOptions)}

    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=5, min_width=320, elem_classes="bench"):
            with gr.Row(elem_classes="pair"):
                with gr.Column(min_width=150, elem_classes="half"):
                    photo = shared.photo(
                        label="Your photo",
                        height=150,
                        buttons=[],
                        alt_text="The photo to be painted",
                        elem_id="style-photo",
                    )
                    strip = shared.strip(shared.titled(photos), "Photos to begin with", "style-examples")
                with gr.Column(min_width=150, elem_classes="half"):
                    painting = shared.photo(
                        value=first,
                        label="The painting",
                        height=150,
                        buttons=[],
                        alt_text="The painting whose manner it gets",
                        elem_id="style-painting",
                    )
                    wall = shared.strip(shared.titled(paintings), "Paintings to begin with", "style-paintings")
            with gr.Row(elem_classes="main-knobs"):
                for name in MAIN:
                    knobs[name] = _knob(known[name], info=False, min_width=140)
            with gr.Row(elem_classes="pace-knobs"):
                preset = gr.Dropdown(
                    [(PRESET_NAMES.get(name, name), name) for name in PRESETS],
                    value="default",
                    label="Preset",
                    info=BLOCK_5,
                    min_width=140,
                )
                knobs["budget"] = gr.Slider(
                    0,
                    known["budget"].metadata["maximum"],
                    0,
                    step=1,
                    label="Best in … seconds (0: as set)",
                    min_width=180,
                )
            with gr.Row(elem_classes="actions"):
                go = gr.Button("Paint", variant="primary", size="lg", scale=3, min_width=110, elem_id="style-go")
                onward = gr.Button("Go on", size="lg", scale=2, min_width=90, visible=False, elem_id="style-onward")
                stop = gr.Button(
                    "Stop", variant="stop", size="lg", scale=1, min_width=70, visible=False, elem_id="style-stop"
                )
            with gr.Accordion("More paintings, and where each goes", open=False, elem_id="style-regions"):
                with gr.Row(elem_classes="pair"):
                    others = [
                        shared.photo(
                            label=label,
                            height=130,
                            buttons=[],
                            alt_text=f"The {label.lower()}",
                            elem_id=f"style-painting-{n}",
                            min_width=130,
                        )
                        for n, label in ((2, "Second painting"), (3, "Third painting"))
                    ]
                target = gr.Radio(
                    [("first", 0), ("second", 1), ("third", 2)],
                    value=0,
                    label="The small paintings above are hung as",
                    elem_classes="target",
                )
                gr.Markdown(
                    "Brush the second painting's places in blue and the third's in ochre; the rest is the "
                    "first's. Nothing brushed: all of them are mixed everywhere. One painting alone goes where you "
                    "brush, and the rest stays the photo.",
                    elem_classes="hint",
                )
                editor = gr.ImageEditor(
                    type="pil",
                    label="Where each painting goes",
                    show_label=False,
                    height=360,
                    sources=[],
                    transforms=[],
                    layers=False,
                    buttons=[],
                    brush=gr.Brush(colors=list(COLOURS), default_color=COLOURS[0], color_mode="fixed", default_size=40),
                    eraser=gr.Eraser(default_size=40),
                    elem_id="style-editor",
                )
            with gr.Accordion("All options", open=False, elem_id="style-options"):
                for group, title in GROUPS.items():
                    rest = [f for f in known.values() if f.metadata["group"] == group and f.name not in knobs]
                    if not rest:
                        continue
                    gr.Markdown(f"### {title}", elem_classes="group")
                    with gr.Row(elem_classes="group-knobs"):
                        for f in rest:
                            knobs[f.name] = _knob(f, min_width=150)
                        if group == "losses":
                            features = gr.Dropdown(
                                list(FEATURES.items()), value="encoder", label="The net that looks", min_width=150
                            )
                start = shared.photo(
                    label="Start from this picture (in place of the photo or noise)",
                    height=120,
                    buttons=[],
                    alt_text="The picture to start from",
                    elem_id="style-start",
                )
            with gr.Accordion("Go on from a resume file", open=False, elem_id="style-resume"):
                file = gr.File(label="Resume file", type="filepath", height=110, elem_id="style-file")
                resume = gr.Button("Go on from this file", elem_id="style-resume-go")
        with gr.Column(scale=7, min_width=320, elem_classes="wall"):
            result = shared.comparison("style-result")
            sheet = gr.Image(
                label="Of this run",
                show_label=False,
                height=490,
                interactive=False,
                visible=False,
                buttons=["fullscreen"],
                alt_text="A sheet of this run",
                elem_id="style-sheet",
            )
            outlook = gr.Markdown(elem_classes="status")  # apart from what a run reports, which it could come after
            status = gr.Markdown("Choose a photo and a painting, then paint.", elem_classes="status")
            with gr.Row(elem_classes="take", visible=False) as take:
                view = gr.Radio(
                    [(label, name) for name, label in VIEWS.items()],
                    value="painting",
                    show_label=False,
                    label="Look at",
                    container=False,
                    elem_id="style-view",
                )
                format = gr.Radio(shared.FORMATS, value="png", show_label=False, label="Format", container=False)
                recipe = shared.with_recipe()
                download = gr.DownloadButton("Download", min_width=110, size="md", elem_id="style-download")
                keep = gr.DownloadButton("Resume file", min_width=110, size="md", visible=False, elem_id="style-keep")
    below = gr.Column()
    gr.Markdown(NOTE, elem_classes="note")

    # --- events -----------------------------------------------------------------------------------------

    inputs = {photo, painting, *others, editor, start, features, *knobs.values()}
    timed = {size, features, *(knobs[name] for name in PACE)}
    shown = [result, sheet, status, made, take, view, format, download, keep, stop, onward]

    def look(path: str | None) -> Iterator[dict]:
        """Reads the photo as soon as it is chosen, so that a bad one is said before anybody waits for it."""
        yield {size: None, outlook: "", status: "", editor: None}
        if path:
            with shared.sentences():
                opened = pictures.open(path)
                small = shared.write(pictures.thumbnail(opened, EDITED), "photo", "webp")
                yield {size: opened.size, editor: {"background": small, "layers": [], "composite": None}}

    def foresee(given: dict) -> str:
        """How long it would take, before anybody presses the button."""
        if not given[size] or gpu.LENT:  # nobody knows how quick that will be
            return gr.skip()
        with shared.sentences():
            options = StyleOptions.of({name: given[knobs[name]] for name in PACE})
            predicted = max(0.1, _foreseer(given[features]).seconds(*given[size], options))
            seconds = shared.duration(predicted)
            if options.budget:
                told = "Painting takes about {seconds}: size and steps are chosen for {budget} s"
                return say(told, seconds=seconds, budget=f"{options.budget:g}")
            if predicted == options.deadline:
                told = "Painting ends at its deadline, after {seconds}, as far as it has come of {steps} steps"
                return say(told, seconds=seconds, steps=options.steps)
            told = {"seconds": seconds, "steps": options.steps, "size": options.size}
            if options.side == "height":
                return say("Painting takes about {seconds}: {steps} steps, {size} pixels high", **told)
            return say("Painting takes about {seconds}: {steps} steps, {size} pixels on the longer side", **told)

    def choose_preset(name: str) -> dict:
        """Every option as the preset has it."""
        return turned(StyleOptions.preset(name))

    def turned(options: StyleOptions) -> dict:
        """The knobs at these options, their sliders longer where a value is beyond the end."""
        told = {}
        for f in known.values():
            value, knob = getattr(options, f.name), knobs[f.name]
            told[knob] = (
                gr.Slider(
                    value=value,
                    minimum=min(f.metadata["minimum"], value),
                    maximum=max(end(f, options.weights), value),
                )
                if isinstance(knob, gr.Slider)
                else value
            )
        return told

    def end(f: Field, weights: str) -> float:
        """Of a slider: raw weights go into the thousands."""
        return f.metadata["raw_maximum" if weights == "raw" else "maximum"]

    def stretch(weights: str, *values: float) -> list[gr.Slider]:
        """The weights' sliders, as long as raw weights or shares need; what is beyond the end is the default again."""
        ends = [end(known[name], weights) for name in MAIN]
        return [
            gr.Slider(maximum=most, value=value if value <= most else known[name].default)
            for name, value, most in zip(MAIN, values, ends, strict=True)
        ]

    def begin(event: gr.SelectData) -> str:
        return str(photos[event.index])

    def hang(where: int, event: gr.SelectData) -> dict:
        return {[painting, *others][where]: str(paintings[event.index])}

    def ordered(given: dict) -> tuple[Iterator[Snapshot], str]:
        """A run of what stands on the bench, and what files of it are called."""
        source = shared.needed(given[photo])
        chosen = [given[painting], *(given[other] for other in others)]
        masks = _regions(given[editor], chosen)
        hung = _painted([path for path in chosen if path])
        options = StyleOptions.of({name: given[knob] for name, knob in knobs.items()})
        run = _begun(Transfer(given[features], source, hung, options, masks, given[start]))
        return run, _name(source, hung[0])

    def show(given: dict, request: gr.Request) -> Iterator[dict]:
        with shared.sentences():
            yield from watch(*ordered(given), request.session_hash)

    def make(given: dict, path: str, format_: str, metadata: bool, recipe_: bool) -> several.Steps:
        run, name = ordered(given | {photo: path})
        for snapshot in run:
            yield snapshot.step / snapshot.steps
        yield Path(shared.write(snapshot.picture(), name, format_, metadata=metadata, recipe=recipe_))

    def take_up(path: str | None, request: gr.Request) -> Iterator[dict]:
        with shared.sentences():
            yield from watch(_resumed(path), Path(path).stem[:80], request.session_hash, show_options=True)

    def go_on(made_: dict, request: gr.Request) -> Iterator[dict]:
        yield from take_up(made_.get("resume"), request)

    def watch(run: Iterator[Snapshot], name: str, visitor: str, show_options: bool = False) -> Iterator[dict]:
        """Shows a run until it ends or the visitor has seen enough, then makes its sheets."""
        halt = _halts[visitor] = threading.Event()
        yield {
            status: say("Painting …"),
            stop: gr.Button(say("Stop"), visible=True),
            onward: gr.Button(visible=False),
            take: gr.Row(visible=False),
            result: gr.ImageSlider(visible=True),
            sheet: gr.Image(visible=False),
            view: "painting",
            made: {},
        }
        album, seen, told = None, -OFTEN, -OFTEN
        try:
            for snapshot, last in _until(run, lambda _: halt.is_set()):
                if album is None:
                    original, hung = snapshot.originals
                    album = Album(originals(original, hung))
                    before = shared.preview(original, name)
                    if show_options:  # a run that goes on keeps its own
                        yield turned(snapshot.options)
                album.add(snapshot)
                now = time.monotonic()
                if last:
                    break
                if snapshot.image is not None and now - seen > OFTEN:
                    seen = told = now
                    large = snapshot.image.resize(original.size, Image.Resampling.BICUBIC)
                    yield {result: (before, shared.preview(large, name)), status: _where(snapshot)}
                elif now - told > OFTEN:
                    told = now
                    yield {status: _where(snapshot)}
        finally:
            _halts.pop(visitor, None)
        picture = snapshot.picture()
        files = {"painting": shared.write(picture, name, "png"), "brought": picture.info}
        if snapshot.final:
            taken = shared.duration(snapshot.seconds)
            told = {"size": shared.size(picture.size), "steps": snapshot.step, "taken": taken}
            text = say("**{size}** · {steps} steps · painted in {taken}", **told)
        else:
            files["resume"] = _resume_file(snapshot, name)
            text = say(
                "**Stopped** at step {step} of {steps} · {size} · Go on takes it up again; its resume file does so"
                " later, or elsewhere.",
                step=snapshot.step, steps=snapshot.steps, size=shared.size(picture.size),
            )  # fmt: skip
        yield {
            result: (before, shared.preview(picture, name)),
            status: text,
            stop: gr.Button(visible=False),
            onward: gr.Button(visible="resume" in files),
        }
        if not album.frames:  # stopped before the first preview
            album.add(replace(snapshot, image=picture))
        files["sheet"] = shared.write(album.sheet(), f"{name} sheet", "webp")
        files["losses"] = shared.write(album.plot(), f"{name} losses", "png")
        files["film"] = shared.store(album.animation(), f"{name} film.webp")
        yield {
            made: files,
            take: gr.Row(visible=True),
            format: gr.Radio(value="png", visible=True),
            download: gr.DownloadButton(value=files["painting"]),
            keep: gr.DownloadButton(value=files.get("resume"), visible="resume" in files),
        }

    def halt(request: gr.Request) -> dict:
        """Asks the run to end after its step, so that it can hand out what there is."""
        event = _halts.get(request.session_hash)
        if event is None:
            return {stop: gr.Button(visible=False)}
        event.set()
        return {stop: gr.Button(say("Stopping …"))}

    def taken(made_: dict, format_: str, recipe_: bool) -> str:
        """Path of the painting as it is wanted; it was made as a PNG with its recipe."""
        path = made_["painting"]
        if format_ == "png" and recipe_:
            return path
        return shared.written_again(path, format_, recipe_)

    def sent(given: dict) -> Iterator[Path]:
        """The same for another tab, with all that came with the photo."""
        done = given[made]
        yield Path(shared.written_again(done["painting"], "png", given[recipe], done["brought"]))

    def turn(made_: dict, view_: str, format_: str, recipe_: bool) -> dict:
        """Hangs one of the run's sheets in the painting's place, and makes it what Download takes."""
        if not made_:
            return gr.skip()
        with shared.sentences():
            path = taken(made_, format_, recipe_) if view_ == "painting" else made_[view_]
        return {
            result: gr.ImageSlider(visible=view_ == "painting"),
            sheet: gr.Image(value=None if view_ == "painting" else path, visible=view_ != "painting"),
            format: gr.Radio(visible=view_ == "painting"),
            download: gr.DownloadButton(value=path),
        }

    def taken_now(made_: dict, recipe_: bool) -> object:
        """What Download takes of a run that has just ended, which is a PNG again."""
        with shared.sentences():
            return gr.skip() if not made_ or recipe_ else gr.DownloadButton(value=taken(made_, "png", False))

    private = {"api_visibility": "private"}
    model = shared.MODEL | private
    photo.change(look, photo, [size, outlook, status, editor], show_progress="hidden", **shared.LOOK, **private)
    forecast = {"show_progress": "hidden"} | shared.AT_ONCE | private
    gr.on(
        [size.change, features.change, *(knobs[name].change for name in PACE)],
        foresee,
        timed,
        outlook,
        trigger_mode="always_last",
        **forecast,
    )
    # Its many changes at once may leave a forecast made when only some had arrived: a last one is sure to be right.
    preset.input(choose_preset, preset, list(knobs.values()), queue=False, **private).then(
        foresee, timed, outlook, **forecast
    )
    main = [knobs[name] for name in MAIN]
    knobs["weights"].input(stretch, [knobs["weights"], *main], main, show_progress="hidden", queue=False, **private)
    strip.select(begin, None, photo, queue=False, **private)
    wall.select(hang, target, [painting, *others], queue=False, **private)
    runs = [
        go.click(show, inputs, shown, show_progress_on=result, **model),
        onward.click(go_on, made, [*shown, *knobs.values()], show_progress_on=result, **model),
        resume.click(take_up, file, [*shown, *knobs.values()], show_progress_on=result, **model),
    ]
    for run in runs:
        run.then(lambda: gr.Button(visible=False), None, stop, queue=False, **private)  # after an error too
        run.success(taken_now, [made, recipe], download, show_progress="hidden", queue=False, **private)
    stop.click(halt, None, stop, queue=False, **private)
    gr.on(
        [view.input, format.input, recipe.input],
        turn,
        [made, view, format, recipe],
        [result, sheet, format, download],
        show_progress="hidden",
        queue=False,
        **private,
    )
    with below:
        several.panel("style", inputs, make, "painted.zip")
    _endpoints()

    def settle(told: Recipe) -> tuple[dict, list[str]]:
        """The knobs as a recipe has them, sizes and steps as they were chosen for it."""
        options = StyleOptions.of(told.options)
        net = told.nets[0][0].name
        changes, lost = recipes.fitting({features: net})
        stopped = sum(told.ran) < options.steps
        return changes | turned(options), lost + [
            say("that it ended at step {step} of {steps}", step=sum(told.ran), steps=options.steps)
        ] * stopped

    return sending.Port(photo, take, status, [made, recipe], sent, settle=settle, controls=[features, *knobs.values()])


def _endpoints() -> None:
    """The API. Its events have buttons that nobody sees, and components of their own, which say what may be given."""

    def picture(label: str) -> gr.Image:
        return shared.photo(label=label, visible=False)

    def number(label: str, **options: object) -> gr.Number:
        return gr.Number(label=label, visible=False, **options)

    made = [
        gr.Image(format="png", visible=False, label="Painting"),
        gr.JSON(visible=False, label="Progress"),
        gr.File(visible=False, label="Resume file"),
    ]
    after = number("Stop after step", value=0, precision=0)
    format = gr.Textbox("png", visible=False, label="Format")
    recipe = gr.Checkbox(True, visible=False, label="Recipe in the file")
    gr.Button(visible=False).click(
        style,
        [
            picture("Photo"),
            *(picture(f"Painting {n}") for n in range(1, MOST + 1)),
            *(picture(f"Mask of painting {n}") for n in range(1, MOST + 1)),
            *(number(name.capitalize(), value=None) for name in MAIN),
            gr.Textbox("default", visible=False, label="Preset"),
            gr.JSON({}, visible=False, label="Options"),
            gr.Dropdown(list(FEATURES.values()), value="encoder", visible=False, label="Features"),
            picture("Start"),
            after,
            format,
            recipe,
        ],
        made,
        api_name="style",
        **shared.MODEL,
    )
    gr.Button(visible=False).click(
        style_resume,
        [gr.File(type="filepath", visible=False, label="Resume file"), after, format, recipe],
        made,
        api_name="style_resume",
        **shared.MODEL,
    )


def _knob(field: object, *, info: bool = True, **options: object) -> gr.components.Component:
    """The control of an option, as its metadata says."""
    told, value = field.metadata, field.default
    options |= {"label": told["label"], "info": told["help"] if info else None}
    if "choices" in told:
        return gr.Dropdown(list(told["choices"]), value=value, **options)
    if isinstance(value, bool):
        return gr.Checkbox(value, **options)
    if isinstance(value, str):
        return gr.Textbox(value, max_lines=1, **options)
    if field.name == "seed":
        return gr.Number(value, precision=0, minimum=0, **options)
    return gr.Slider(told["minimum"], told["maximum"], value, step=told["step"], **options)


# --- what tab and API share -------------------------------------------------------------------------------


def _until(run: Iterator[Snapshot], enough: Callable[[Snapshot], bool]) -> Iterator[tuple[Snapshot, bool]]:
    """Snapshots of a run, each with whether it is the last: the final one, or when it is enough, or has gone on too
    long this time. The run stands still at the last one, so that its picture and resume file can be had."""
    if isinstance(run, gpu.Loan):
        yield from run.until(enough)
        return
    begun = time.monotonic()
    for snapshot in run:
        last = snapshot.final or enough(snapshot) or time.monotonic() - begun > LONGEST
        yield snapshot, last
        if last:
            return


@dataclass(frozen=True)
class Transfer:
    """What a run is made of, so that it can be made in another process: as :meth:`StyleTransfer.run` takes it, or the
    path of a resume file."""

    features: str = "encoder"
    source: str | None = None
    styles: list[str] | None = None
    options: StyleOptions | None = None
    masks: list[str | Image.Image] | None = None
    start: str | None = None
    resume: str | None = None

    def run(self) -> Iterator[Snapshot]:
        if self.resume is None:
            how = {"options": self.options, "masks": self.masks, "init": self.start}
            return _transfer(self.features).run(self.source, self.styles, **how)
        try:
            return _transfer("encoder").resume(self.resume)
        except StyleError as error:
            if "VGG19" not in str(error):
                raise
            return _vgg().resume(self.resume)

    def forget(self) -> None:
        """Nets that were loaded before this process was forked."""
        _vgg.cache_clear()


def _begun(transfer: Transfer, stop_after: int = 0) -> Iterator[Snapshot] | gpu.Loan:
    """The run, here or on the GPU that is lent for it."""
    if not gpu.LENT:
        return transfer.run()
    _transfer(transfer.features)  # or a net that is not here yet would be fetched on a visitor's quota
    return gpu.Loan(transfer, stop_after)


def _transfer(features: str) -> StyleTransfer:
    if features not in FEATURES.values():
        raise StyleError(f"features is {features!r}: choose from {', '.join(FEATURES.values())}.")
    return shared.task("encoder") if features == "encoder" else _vgg()


@functools.cache
def _vgg() -> StyleTransfer:
    return StyleTransfer("vgg19")


def _foreseer(features: str) -> StyleTransfer:
    """What predicts seconds: for a VGG-19 that nobody has used yet, one of random weights, which nothing fetches."""
    return _like_vgg() if features == "vgg19" and not _vgg.cache_info().currsize else _transfer(features)


_like_vgg = functools.cache(StyleTransfer.untrained)


def _resumed(path: str | None, stop_after: int = 0) -> Iterator[Snapshot] | gpu.Loan:
    """The run that a file goes on with, by the net that it was made with."""
    if not path:
        raise gr.Error("There is no resume file yet: choose the one that a stopped run gave you.", title="No file")
    return _begun(Transfer(resume=path), stop_after)


def _resume_file(snapshot: Snapshot, name: str) -> str:
    return shared.store(snapshot.resume_file(), f"{name} step {snapshot.step}.safetensors")


def _regions(drawing: dict | None, paintings: list[str | None]) -> list[Image.Image] | None:
    """Of each painting the places brushed in its colour, white on black, of the first what is left; of one alone all
    that was brushed, in whatever colour. None where nothing was brushed."""
    brushed = shared.brushed(drawing, COLOURS)
    if not any(brushed):
        return None
    found = np.any([np.asarray(mask) > 0 for mask in brushed if mask], 0)
    if sum(map(bool, paintings)) == 1:
        return [Image.fromarray(np.uint8(255) * found)]
    rest = None if found.all() else Image.fromarray(np.uint8(255) * ~found)
    masks = []
    for n, (path, mask) in enumerate(zip(paintings, [rest, *brushed], strict=True)):
        ordinal = ("first", "second", "third")[n]
        if path and mask is None:
            raise gr.Error(f"The {ordinal} painting has no place: brush one, or take that painting away.")
        if mask is not None and not path and n:
            raise gr.Error(f"There is a place for a {ordinal} painting, and no such painting: add it, or erase.")
        if path:
            masks.append(mask)
    return masks


def _painted(paths: list[str]) -> list[str]:
    if not paths:
        raise gr.Error("There is no painting yet: choose one, or one of the examples.", title="No painting")
    return paths


def _where(snapshot: Snapshot) -> str:
    left = shared.duration(max(0.1, snapshot.seconds_left))
    return say(
        "Step {step} of {steps} · {size} · about {left} to go",
        step=snapshot.step, steps=snapshot.steps, size=shared.size(snapshot.size), left=left,
    )  # fmt: skip


def _name(photo: str, painting: str) -> str:
    return f"{Path(photo).stem[:60]} {Path(painting).stem.removeprefix('style_')[:40]}"
