"""The Chain tab: colour, paint and enlarge a picture in one go, in any order."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import gradio as gr
from PIL import Image, ImageChops

from artcore import image as pictures
from artcore import load
from artcore.recipe import Recipe
from artcore.studio import orders, recipes, sending, several, shared, upscale
from artcore.studio.words import say
from artcore.tasks.chain import Chain, ChainError, Snapshot
from artcore.tasks.colorize import MOST_SEED, Adjustments
from artcore.tasks.upscale import SCALES

NAMES = {"colorize": "Colourise", "paint": "Paint", "upscale": "Enlarge"}
NEEDS = {"colorize": "colorizer", "paint": "painter", "upscale": "upscaler"}  # a checkpoint for this task
TASK_NAMES = {"colorizer": "colorize", "painter": "paint", "upscaler": "upscale"}  # by what recipes call them
GREY = 8  # of 255: pictures whose channels differ by less are taken to be grey
LOOKS = [f.name for f in fields(Adjustments)]
# What may be said of each step, and what it is when nobody says anything.
OPTIONS: dict[str, dict] = {
    "colorize": {"model": "general", "seed": 0},
    "paint": {"style": "vangogh", "method": "auto", "strength": 1, "seed": 0, "direction": "to_painting", "light": 0,
              "keep_colours": 0, "stroke": 1, "detail": 0},
    "upscale": {"model": "fidelity", "scale": 4, "strength": 1, "texture": 0, "consistent": "auto",
                "ensemble": False},
}  # fmt: skip

NOTE = """### One picture, several hands
An old photo gets colours, is painted, and comes out four times as large: each step takes what the one before it has
made, at its own size, and one bar shows how far all of them are. Paint before you enlarge for fine strokes that become
large, and enlarge first for fine strokes that stay fine, which takes sixteen times as long. The other tabs have more to
set for each step, and can send each other their results. Your pictures stay on this server, for a few hours at most.

**What it can't do.** No step is surer here than on its own tab: colours are guesses, faces and lettering are painted
over, and what enlarging adds is likely, not known. And none mends what the one before it got wrong.
"""


@dataclass(frozen=True)
class Order:
    """What is to be done to a picture, one step after the other: carried out again, it gives the same pixels."""

    source: str
    steps: tuple[tuple[str, dict], ...]  # (name, options)

    @property
    def chain(self) -> Chain:
        if not self.steps:
            raise ChainError("There are no steps: choose one at least.")
        return Chain([_step(name, options) for name, options in self.steps])

    @property
    def label(self) -> str:
        """As people read it."""
        return ", ".join(say(NAMES[name]).lower() for name, _ in self.steps).capitalize()

    @property
    def file(self) -> str:
        """What a file of it is called."""
        return " ".join([Path(self.source).stem[:80], *(NAMES[name].lower() for name, _ in self.steps)])

    def run(self, picture: Image.Image | None = None) -> Iterator[Snapshot]:
        """Does it; ``picture`` is the source where it was opened already."""
        return self.chain.run(picture or self.source)


def _step(name: str, options: dict) -> tuple:
    """A step's task and its keywords; no option is a path, which a visitor might make one of this server's."""
    if name not in OPTIONS:
        raise ChainError(f"There is no task {name!r}: choose from {', '.join(OPTIONS)}.")
    known = OPTIONS[name]
    looks = LOOKS if name == "colorize" else []
    for option, value in options.items():
        if option not in known and option not in looks:
            raise ChainError(f"{name} has no {option!r}: choose from {', '.join([*known, *looks])}.")
        if isinstance(value, list | dict):
            raise ChainError(f"{option} of {name} is no single value: give a number or a text.")
    given = known | options
    if name == "colorize":
        task = shared.task(load.kind("colorizer", given.pop("model")))
        return task, {"seed": given["seed"], "adjustments": Adjustments(**{k: given[k] for k in looks if k in given})}
    if name == "paint":
        style, method = given.pop("style"), given.pop("method")
        return shared.blend(orders.Order("", style, method).parts), given
    enlarging = upscale.Order("", **given)
    return enlarging.task, enlarging.keywords


def chain(
    image: str | None, steps: list, format: str = "png", keep_metadata: bool = False, recipe: bool = True
) -> Iterator:
    """Colour, paint and enlarge a picture, in any order, and stream how far it is.

    Args:
        image: The picture: JPEG, PNG, WebP, GIF, BMP or TIFF, up to 64 megapixels and 50 MB.
        steps: What to do, one after the other: a list such as [{"task": "colorize", "seed": 7},
            {"task": "paint", "style": "monet"}, {"task": "upscale", "scale": 4}], with the options of the endpoints
            /paint and /upscale, and for "colorize" model, seed and the names of artcore.tasks.colorize.Adjustments.
        format: Of the file that comes back: "png" (exact), "jpeg" or "webp".
        keep_metadata: Whether the picture's EXIF data and colour profile are kept.
        recipe: Whether the file tells what made it, in its metadata.

    Returns:
        The picture, once it is done, and how far it is: step, steps, done (0 to 1); and once something was enlarged, as
        "consistency_db" how exactly reducing that gives back what was enlarged (null for exactly).
    """
    with shared.sentences():
        order, known = Order(shared.needed(image), _listed(steps)), {}
        for snapshot in order.run():
            path = None
            if snapshot.final:
                path = shared.write(snapshot.image, order.file, format, metadata=keep_metadata, recipe=recipe)
            if snapshot.error is not None:
                known = {"consistency_db": snapshot.error if math.isfinite(snapshot.error) else None}
            yield path, {"step": snapshot.step, "steps": snapshot.steps, "done": round(snapshot.done, 4)} | known


def _listed(steps: object) -> tuple[tuple[str, dict], ...]:
    """Steps from JSON or its text."""
    if isinstance(steps, str):
        try:
            steps = json.loads(steps or "[]")
        except ValueError:
            steps = None
    if not isinstance(steps, list) or not all(isinstance(step, dict) and "task" in step for step in steps):
        raise ChainError(
            'steps is no list: write for example [{"task": "paint", "style": "monet"}, {"task": "upscale"}].'
        )
    return tuple((str(step["task"]), {k: v for k, v in step.items() if k != "task"}) for step in steps)


def build() -> sending.Port:
    """The tab, inside a gr.Blocks that is built only where there is something to paint's left or right."""
    names = [name for name, task in NEEDS.items() if load.kinds(task)]
    colorizers, styles, upscalers = load.kinds("colorizer"), load.styles(), load.kinds("upscaler")

    size = gr.State(None)  # (width, height) of the picture, once it could be read
    made = gr.State(None)  # the order that hangs on the wall
    chosen = gr.State(False)  # whether somebody, or a recipe, has said what comes first

    def first(kinds: dict, wanted: str) -> str | None:
        return wanted if wanted in kinds else next(iter(kinds), None)

    def labelled(kinds: dict) -> list[tuple[str, str]]:
        return [(entry.label, name) for name, entry in kinds.items()]

    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=5, min_width=320, elem_classes="bench"):
            photo = shared.photo(
                label="Your picture",
                height=200,
                buttons=[],
                alt_text="The picture to begin with",
                elem_id="chain-photo",
            )
            strip = shared.strip(shared.titled(shared.PHOTOS), "Or begin with one of these", "chain-examples")
            with gr.Row(elem_classes="chain-steps"):
                begin = ["", *(name if name in names else "" for name in ("paint", "upscale"))]
                slots = [
                    gr.Dropdown(
                        [("–", ""), *((NAMES[name], name) for name in names)],
                        value=value,
                        label=label,
                        min_width=100,
                        elem_id=f"chain-step-{n}",
                    )
                    for n, (label, value) in enumerate(zip(("First", "Then", "At last"), begin, strict=True), 1)
                ]
            with gr.Row(elem_classes="chain-knobs"):
                model = gr.Dropdown(
                    labelled(colorizers), value=first(colorizers, "general"), label="Colours by", min_width=100,
                    visible="colorize" in names,
                )  # fmt: skip
                seed = gr.Number(
                    0, precision=0, minimum=0, maximum=MOST_SEED, label="Seed of colours", min_width=100,
                    visible="colorize" in names,
                )  # fmt: skip
                style = gr.Dropdown(labelled(styles), value=first(styles, "vangogh"), label="Painted by", min_width=100,
                                    visible="paint" in names)  # fmt: skip
                strength = gr.Slider(0, 1.5, 1, step=0.05, label="Strength", min_width=100, visible="paint" in names)
                enlarger = gr.Dropdown(
                    labelled(upscalers), value=first(upscalers, "fidelity"), label="Enlarged by", min_width=100,
                    visible="upscale" in names,
                )  # fmt: skip
                scale = gr.Dropdown(
                    [(f"×{n}", n) for n in SCALES], value=4, label="Size", min_width=100, visible="upscale" in names
                )
            with gr.Row(elem_classes="actions"):
                go = gr.Button("Run", variant="primary", size="lg", scale=3, min_width=110, elem_id="chain-go")
                stop = gr.Button(
                    "Stop", variant="stop", size="lg", scale=1, min_width=70, visible=False, elem_id="chain-stop"
                )
        with gr.Column(scale=7, min_width=320, elem_classes="wall"):
            result = shared.comparison("chain-result", "Before and after", 470)
            bar = gr.HTML(_bar(0), padding=False, elem_id="chain-bar")
            outlook = gr.Markdown(elem_classes="status")  # apart from what a run reports, which it could come after
            status = gr.Markdown("Choose a picture and what is to be done to it.", elem_classes="status")
            take = sending.take("chain")
    below = gr.Column()
    gr.Markdown(NOTE, elem_classes="note")

    # --- events -----------------------------------------------------------------------------------------

    knobs = [model, seed, style, strength, enlarger, scale]
    choice = {photo, *slots, *knobs}

    def ordered(given: dict) -> Order:
        """What stands on the bench."""
        options = {
            "colorize": {"model": given[model], "seed": given[seed]},
            "paint": {"style": given[style], "strength": given[strength]},
            "upscale": {"model": given[enlarger], "scale": given[scale]},
        }
        steps = tuple((given[slot], options[given[slot]]) for slot in slots if given[slot])
        return Order(shared.needed(given[photo]), steps)

    def look(given: dict) -> Iterator[dict]:
        """Reads a picture as soon as it is chosen, so that a bad one is said before anybody waits for it; a grey one is
        coloured first, and one with colours keeps them, unless somebody has chosen what comes first, or that it is
        coloured later."""
        yield {size: None, outlook: "", status: ""}
        if given[photo]:
            with shared.sentences():
                picture = pictures.open(given[photo])
                now = given | {size: picture.size}
                later = any(given[slot] == "colorize" for slot in slots[1:])
                if "colorize" in names and not given[chosen] and not later:
                    now[slots[0]] = "colorize" if _is_grey(picture) else ""
                yield {size: picture.size, slots[0]: now[slots[0]], outlook: foresee(now)}

    def foresee(given: dict) -> str:
        if not given[size]:
            return gr.skip()
        try:
            with shared.sentences():
                chain_ = ordered(given).chain
                seconds = shared.duration(max(0.1, chain_.seconds(*given[size])))
                sizes = {"size": shared.size(given[size]), "large": shared.size(chain_.size(*given[size]))}
                return say("{size} to {large} · takes about {seconds}", seconds=seconds, **sizes)
        except gr.Error as error:  # a wish in the making: said quietly
            return error.message

    def show(given: dict) -> Iterator[dict]:
        with shared.sentences():
            order = ordered(given)
            picture = pictures.open(order.source)
            before = shared.preview(picture, order.file)
            yield {
                status: say("Working …"),
                bar: _bar(0),
                stop: gr.Button(visible=True),
                take.row: gr.Row(visible=False),
                made: order,
            }
            start, exactly = time.perf_counter(), []
            for snapshot in order.run(picture):
                name = say(NAMES[order.steps[snapshot.step - 1][0]])
                told = say("{name}: step {step} of {steps} …", name=name, step=snapshot.step, steps=snapshot.steps)
                seen = {}
                if snapshot.error is not None:
                    exactly = [_exactly(snapshot.error)]
                if snapshot.image is not None:
                    seen = {result: (before, shared.preview(snapshot.image, order.file))}
                yield {bar: _bar(snapshot.done), status: told} | seen
            taken = shared.duration(time.perf_counter() - start)
            told = say(
                "**{label}** · {size} · made in {taken}",
                label=order.label,
                size=shared.size(snapshot.image.size),
                taken=taken,
            )
            yield {
                status: " · ".join([told, *exactly]),
                take.row: gr.Row(visible=True),
                stop: gr.Button(visible=False),
            }

    def make(given: dict, path: str, *saving: object) -> several.Steps:
        return sending.made(ordered(given | {photo: path}), *saving)

    private = {"api_visibility": "private"}
    quiet = {"show_progress": "hidden", **private}
    net = shared.MODEL | private
    slots[0].input(lambda: True, None, chosen, **shared.AT_ONCE, **private)
    photo.change(look, choice | {chosen}, [size, slots[0], outlook, status], **shared.LOOK, **quiet)
    changes = [component.change for component in (*slots, *knobs)]
    gr.on(changes, foresee, choice | {size}, outlook, trigger_mode="always_last", **shared.AT_ONCE, **quiet)
    strip.select(_example, None, photo, queue=False, **private)
    run = go.click(show, choice, [result, bar, status, stop, take.row, made], show_progress="hidden", **net)
    run.then(lambda: gr.Button(visible=False), None, stop, queue=False, **private)  # after an error too
    shared.stoppable(stop, status, [run])
    stop.click(lambda: _bar(0), None, bar, queue=False, **private)
    with below:
        several.panel("chain", choice, make, "made.zip")
    gr.Button(visible=False).click(
        chain,
        [
            shared.photo(label="Picture", visible=False),
            gr.JSON([{"task": name} for name in names], visible=False, label="Steps"),
            gr.Textbox("png", visible=False, label="Format"),
            gr.Checkbox(False, visible=False, label="Keep metadata"),
            gr.Checkbox(True, visible=False, label="Recipe in the file"),
        ],
        [gr.Image(format="png", visible=False, label="Made"), gr.JSON(visible=False, label="Progress")],
        api_name="chain",
        **shared.MODEL,
    )

    def settle(told: Recipe) -> tuple[dict, list[str]]:
        """The controls as a recipe has them: of its steps what this tab can set."""
        tasks, wanted, lost = [TASK_NAMES.get(step.task, "") for step in told.steps], {}, []
        for name, step in zip(tasks, told.steps, strict=True):
            kind = recipes.checkpoint(step.nets[0][0].name)[1]
            here = {
                "colorize": {model: kind, seed: step.options.get("seed")},
                "paint": {style: kind, strength: step.options.get("strength")},
                "upscale": {enlarger: kind, scale: step.options.get("scale")},
            }.get(name, {})
            if any(control in wanted and wanted[control] != value for control, value in here.items()):
                lost.append(say("a second {name} with settings of its own", name=say(NAMES[name]).lower()))
            wanted = here | wanted
        slots_ = [*tasks[: len(slots)], *[""] * (len(slots) - len(tasks))]
        changes, others = recipes.fitting(wanted | dict(zip(slots, slots_, strict=True)))
        lost += [say("further steps")] * (len(tasks) > len(slots)) + others
        changes |= {chosen: True}
        return changes, lost + [say("what only the tabs of its steps can set")] * any(map(_tells_more, told.steps))

    return sending.port(photo, take, made, status, settle=settle, controls=[*slots, *knobs, chosen])


def _example(event: gr.SelectData) -> str:
    return str(shared.PHOTOS[event.index])


def _tells_more(step: Recipe) -> bool:
    """Whether a step has settings for which this tab has no control, other than they are when nobody sets them."""
    known = OPTIONS[TASK_NAMES[step.task]] | Adjustments().asdict() if step.task in TASK_NAMES else {}
    shown = ("strength", "scale", "seed") if step.task == "colorizer" else ("strength", "scale")
    other = (v != known.get(name) for name, v in step.options.items() if name not in shown and v is not None)
    return len(step.nets) > 1 or len(step.nets[0]) > 1 or any(other)


def _exactly(error: float) -> str:
    """How exactly what was enlarged comes back."""
    if not math.isfinite(error):
        return say("reduced again, exactly what was enlarged")
    return say("reduced again, {error} dB from what was enlarged", error=f"{error:.1f}")


def _bar(done: float) -> str:
    """One progress for all steps."""
    return f'<progress class="bar" max="1" value="{done:.3f}" aria-label="{say("Progress of the chain")}"></progress>'


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = pictures.opaque(pictures.thumbnail(picture, 400)).split()
    differences = (ImageChops.difference(red, other).getextrema()[1] for other in (green, blue))
    return max(differences) < GREY
