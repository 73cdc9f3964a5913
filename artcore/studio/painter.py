"""The Painter tab: a photo becomes a painting by one painter, by several mixed, or by all; or a painting a photo."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import gradio as gr
from PIL import Image

from artcore import image as pictures
from artcore import load
from artcore.recipe import Recipe
from artcore.studio import recipes, sending, several, shared
from artcore.studio.orders import TWO_WAYS, Order, offered, paint, paint_all, regions, shares
from artcore.studio.words import say
from artcore.tasks.painter import MAX_STRENGTH, MAX_STROKE

MAX_SEED = 2**31 - 1
FIRST = "vangogh"  # the style to begin with, where there is one
METHODS = {
    "auto": "The best there is",
    "cyclegan": "CycleGAN: learned from paintings, both ways",
    "stylenet": "StyleNet: the statistics of brushwork, one way",
}
BRUSHES = {"red": "#e0342b", "blue": "#2b6fe0"}  # colours on the photo, each for a painter
BOARD = 800  # pixels of the longer side of the photo that is brushed on
EXAMPLES = {
    "to_painting": shared.PHOTOS,
    "to_photo": [
        path
        for name in (
            "impression_sunrise",
            "water_lilies_1919",
            "wheat_field_with_cypresses",
            "irises",
            "starry_night",
        )  # fmt: skip
        if (path := shared.EXAMPLES / f"style_{name}.jpg").is_file()
    ],
}
# What a direction is called on the label of the picture, and on the button.
WORDS = {"to_painting": ("Your photo", "Paint"), "to_photo": ("A painting", "Make a photo")}
NOBODY = ("Nobody", "")

NOTE = """### What it can't do
It is not an artist. A small net has learned how the paint of one movement or painter lies, and lays it over
your photo: it composes nothing, and treats faces and lettering like everything else, so expect them to blur.
It works at the picture's own size, up to 64 megapixels, and a brush stroke keeps its size in pixels, so a
large photo gets fine strokes unless you ask for larger ones. It was trained on paintings in the public domain;
[the card of this style](cards/{card}) says on which, and how well it does. Your photo stays on this server, for a
few hours at most.
"""


def build() -> sending.Port | None:
    """The tab, inside a gr.Blocks."""
    styles = load.styles()
    if not styles:
        gr.Markdown("No painter is there yet: train and publish one, or restore weights/ from a release.")
        return None
    first = FIRST if FIRST in styles else next(iter(styles))
    methods = [method for method in load.METHODS if load.styles(method)]
    choices = _choices(styles)

    size = gr.State(None)  # (width, height) of the picture, once it could be read
    orders = gr.State([])  # what hangs on the wall, or will
    made = gr.State(None)  # which of these orders is the one to download
    on_board = gr.State(None)  # path of the photo that is on the board, once somebody wanted to brush

    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=5, min_width=320, elem_classes="bench"):
            direction = gr.Radio(
                [("Photo to painting", "to_painting"), ("Painting to photo", "to_photo")],
                value="to_painting",
                show_label=False,
                label="Direction",
                container=False,
                visible=TWO_WAYS in methods,
                elem_id="painter-direction",
            )
            photo = shared.photo(
                label=WORDS["to_painting"][0],
                height=168,
                buttons=[],
                alt_text="The photo to be painted",
                elem_id="painter-photo",
            )
            strip = shared.strip(
                shared.titled(EXAMPLES["to_painting"]), "Or begin with one of these", "painter-examples"
            )
            thumbnails = gr.Gallery(
                _thumbnails(styles),
                label="Movements and painters",
                show_label=False,
                columns=5,
                object_fit="cover",
                allow_preview=False,
                selected_index=list(styles).index(first),
                interactive=False,
                buttons=[],
                elem_id="painter-styles",
            )
            with gr.Row(elem_classes="knobs"):
                style = gr.Dropdown(choices, value=first, label="Style", min_width=140)
                strength = gr.Slider(0, MAX_STRENGTH, 1, step=0.05, label="Strength", min_width=140)
            with (
                gr.Accordion("More: light, colours, strokes, mix, regions", open=False, elem_id="painter-more"),
                gr.Tabs(overflow_behavior="wrap"),
            ):
                with gr.Tab("Photo"):
                    with gr.Row(elem_classes="pair"):
                        light = gr.Slider(0, 1, 0, step=0.05, label="Keep light", min_width=140)
                        keep_colours = gr.Slider(0, 1, 0, step=0.05, label="Keep colours", min_width=140)
                    detail = gr.Slider(0, 1, 0, step=0.05, label="Keep fine detail")
                with gr.Tab("Brush"):
                    with gr.Row(elem_classes="pair"):
                        stroke = gr.Slider(1, MAX_STROKE, 1, step=0.25, label="Stroke size", min_width=140)
                        seed = gr.Number(
                            0, precision=0, minimum=0, maximum=MAX_SEED, label="Brush (seed)", min_width=140
                        )
                    with gr.Row(elem_classes="pair"):
                        method = gr.Dropdown(
                            [(METHODS.get(name, name), name) for name in ("auto", *methods)],
                            value="auto",
                            label="Method",
                            visible=len(methods) > 1,
                            min_width=140,
                        )
                        another = gr.Checkbox(False, label="Another brush each time", min_width=140)
                with gr.Tab("Mix"):
                    mix = []
                    for which in ("Second", "Third"):
                        with gr.Row(elem_classes="pair"):
                            mix += [
                                gr.Dropdown([NOBODY, *choices], value="", label=f"{which} painter", min_width=140),
                                gr.Slider(0, 1, 0.3, step=0.05, label="Share of the mix", min_width=140),
                            ]
                with gr.Tab("Regions") as regions_tab:
                    with gr.Row(elem_classes="pair"):
                        brushes = [
                            gr.Dropdown(
                                [NOBODY, *choices], value="", label=f"Who paints where it is {colour}", min_width=140
                            )
                            for colour in BRUSHES
                        ]
                    board = gr.ImageEditor(
                        type="pil",
                        label="Brush over the photo",
                        show_label=False,
                        sources=[],
                        transforms=[],
                        layers=False,
                        brush=gr.Brush(colors=list(BRUSHES.values()), color_mode="fixed", default_size=40),
                        eraser=gr.Eraser(default_size=40),
                        buttons=[],
                        height=340,
                        placeholder="Choose a photo first",
                        elem_id="painter-board",
                    )
            with gr.Row(elem_classes="actions"):
                go = gr.Button(
                    WORDS["to_painting"][1], variant="primary", size="lg", scale=3, min_width=110, elem_id="painter-go"
                )
                go_all = gr.Button("All styles", size="lg", scale=2, min_width=100, elem_id="painter-all")
                stop = gr.Button(
                    "Stop", variant="stop", size="lg", scale=1, min_width=70, visible=False, elem_id="painter-stop"
                )
        with gr.Column(scale=7, min_width=320, elem_classes="wall"):
            result = shared.comparison("painter-result")
            gallery = gr.Gallery(
                label="All styles",
                show_label=False,
                columns=3,
                height=490,
                object_fit="contain",
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
                elem_id="painter-gallery",
            )
            # A line of its own: a forecast that comes late must not stand where the run has reported.
            outlook = gr.Markdown(elem_classes="status")
            status = gr.Markdown("Choose a photo, choose a style, paint.", elem_classes="status")
            take = sending.take("painter")
    below = gr.Column()
    note = gr.Markdown(say(NOTE, card=styles[first].name), elem_classes="note")

    # --- events: a handler takes {component: value} of what the tab knows, and gives back what changes ----

    options = {
        "strength": strength,
        "seed": seed,
        "direction": direction,
        "light": light,
        "keep_colours": keep_colours,
        "stroke": stroke,
        "detail": detail,
    }
    choice = {photo, style, method, another, *options.values(), *mix, *brushes}

    def ordered(given: dict) -> Order:
        """What stands on the bench, but for the regions: their masks are asked for only when it is painted."""
        return Order(
            shared.needed(given[photo]),
            given[style],
            given[method],
            shares(*((given[who], given[share]) for who, share in zip(mix[::2], mix[1::2], strict=True))),
            tuple((given[who], None) for who in brushes if given[who]),
            {name: given[component] for name, component in options.items()},
        )

    def forecast(given: dict, found: tuple[int, int]) -> str:
        order, everyone = ordered(given), offered(given[direction], given[method])
        alone = replace(order, shares={}, regions=())
        # Nets of one method cost the same: one of each is asked.
        kinds = {entry.method: entry.style for entry in everyone.values()}
        counts = Counter(entry.method for entry in everyone.values())
        total = sum(count * replace(alone, style=kinds[kind]).seconds(found) for kind, count in counts.items())
        one, every = (shared.duration(max(0.1, s)) for s in (order.seconds(found), total))
        return say(
            "{size} · takes about {one}, all {count} styles {every}",
            size=shared.size(found), one=one, count=len(everyone), every=every,
        )  # fmt: skip

    def look(given: dict) -> Iterator[dict]:
        """Reads a picture as soon as it is chosen, so that a bad one is said before anybody waits for it."""
        path = given[photo]
        brushing = given[on_board] is not None
        yield {size: None, outlook: "", status: ""} | ({board: None, on_board: ""} if brushing else {})
        if path:
            with shared.sentences():
                picture = pictures.open(path)
                told = {size: picture.size, outlook: forecast(given, picture.size)}
                yield told | (spread(path, picture) if brushing else {})

    def foresee(given: dict) -> str:
        if not given[size]:
            return gr.skip()
        try:
            with shared.sentences():
                return forecast(given, given[size])
        except gr.Error as error:  # a wish in the making: said quietly
            return error.message

    def point_out(style_: str, method_: str, direction_: str) -> dict:
        there = offered(direction_, method_)
        if style_ not in there:  # the choice is about to change with the method
            return {note: gr.skip()}
        pointed = gr.Gallery(selected_index=list(there).index(style_))
        return {thumbnails: pointed, note: say(NOTE, card=there[style_].name)}

    def offer(direction_: str, method_: str, style_: str, *others_: str) -> dict:
        """Who can paint, in a direction and by a method."""
        there = offered(direction_, method_)
        now = style_ if style_ in there else next(iter(there))
        others = [other if other in there else "" for other in others_]
        return {
            thumbnails: gr.Gallery(_thumbnails(there), selected_index=list(there).index(now)),
            **chosen(there, {style: now, **dict(zip((*mix[::2], *brushes), others, strict=True))}),
        }

    def turn(direction_: str, method_: str, *who: str) -> dict:
        """The other direction: what it begins with, and who can do it; to a photo there is one method only."""
        back = direction_ == "to_photo"
        label, verb = WORDS[direction_]
        return {
            photo: gr.Image(label=say(label)),
            go: gr.Button(say(verb)),
            strip: gr.Gallery(shared.titled(EXAMPLES[direction_]), visible=bool(EXAMPLES[direction_])),
            method: gr.Dropdown(value="auto", visible=False) if back else gr.Dropdown(visible=len(methods) > 1),
            **offer(direction_, "auto" if back else method_, *who),
        }

    def chosen(there: dict[str, load.Entry], values: dict) -> dict:
        """Dropdowns of styles with what there is to choose from."""
        known = _choices(there)
        nobody = (say(NOBODY[0]), NOBODY[1])
        return {c: gr.Dropdown(choices=known if c is style else [nobody, *known], value=v) for c, v in values.items()}

    def spread(path: str, picture: Image.Image) -> dict:
        return {board: pictures.opaque(pictures.thumbnail(picture, BOARD)), on_board: path}

    def lay_out(path: str | None, there: str | None) -> dict:
        """The photo onto the board, the first time that somebody wants to brush."""
        if not path or path == there:
            return {on_board: there or ""}
        with shared.sentences(), shared.decoding:
            return spread(path, pictures.open(path))

    def with_regions(given: dict) -> Order:
        masks = shared.brushed(given[board], list(BRUSHES.values()))
        marked = zip(BRUSHES, (given[who] for who in brushes), masks, strict=True)
        return replace(ordered(given), regions=regions(*marked))

    def show(given: dict) -> Iterator[dict]:
        with shared.sentences():
            yield from work([with_regions(given)], given)

    def show_all(given: dict) -> Iterator[dict]:
        with shared.sentences():
            order = replace(ordered(given), shares={}, regions=())
            everyone = offered(given[direction], given[method])
            yield from work([replace(order, style=name) for name in everyone], given, gallery)

    def work(todo: list[Order], given: dict, wall: gr.Gallery | None = None) -> Iterator[dict]:
        """Carries orders out: one of them onto the slider, several into the gallery."""
        used = secrets.randbelow(MAX_SEED) if given[another] else given[seed]
        todo = [replace(order, options=order.options | {"seed": used}) for order in todo]
        yield {
            seed: used,
            status: say("Working …"),
            stop: gr.Button(visible=True),
            take.row: gr.Row(visible=False),
            result: gr.ImageSlider(visible=not wall),
            gallery: gr.Gallery([], visible=bool(wall)),
            # Now, since one of several may be chosen before all are done, or after a stop.
            orders: todo,
            made: todo[0] if not wall else None,
        }
        original = pictures.open(todo[0].source)
        start = time.perf_counter()
        done = []
        for order in todo:
            for snapshot in order.run(original):
                if snapshot.image is None:
                    done_ = {"done": snapshot.done, "total": snapshot.total}
                    yield {status: say("{label}, {done} of {total} tiles …", label=order.label, **done_)}
            done.append((shared.preview(snapshot.image, order.file), order.label))
            if wall:
                told = say("{done} of {total} styles …", done=len(done), total=len(todo))
                yield {gallery: done, status: told}
        taken = shared.duration(time.perf_counter() - start)
        told = say("{size} · brush {seed} · made in {taken}", size=shared.size(original.size), seed=used, taken=taken)
        if wall:
            yield {
                status: say("**{count} styles** · {told} · choose one to download it", count=len(todo), told=told),
                stop: gr.Button(visible=False),
            }
            return
        yield {
            result: (shared.preview(original, todo[0].file), done[0][0]),
            status: f"**{todo[0].label}** · {told}",
            take.row: gr.Row(visible=True),
            stop: gr.Button(visible=False),
        }

    def make(given: dict, path: str, *saving: object) -> several.Steps:
        brush = secrets.randbelow(MAX_SEED) if given[another] else given[seed]
        return sending.made(with_regions(given | {photo: path, seed: brush}), *saving)

    def settle(told: Recipe) -> tuple[dict, list[str]]:
        """The controls as a recipe has them; regions are left out, since their masks are not in it."""
        first_, *rest = told.nets[0]
        method_, style_ = recipes.checkpoint(first_.name)
        whole = sum(net.share for net in told.nets[0])
        wanted = {options[name]: value for name, value in told.options.items() if name in options}
        best = load.styles().get(style_)
        wanted |= {style: style_, method: "auto" if best and best.method == method_ else method_, another: False}
        wanted |= dict.fromkeys((*mix[::2], *brushes), "")
        for net, who, share in zip(rest, mix[::2], mix[1::2], strict=False):
            wanted |= {who: recipes.checkpoint(net.name)[1], share: net.share / whole}
        changes, lost = recipes.fitting(wanted)
        there = offered(changes.get(direction, "to_painting"), changes.get(method, "auto"))
        changes |= chosen(there, {c: changes[c] for c in (style, *mix[::2], *brushes) if c in changes})
        return changes, lost + [say("further painters")] * (len(rest) > len(mix) // 2)

    def choose(orders_: list[Order], event: gr.SelectData) -> dict:
        """A painting of the gallery becomes the one to download, and its style the chosen one."""
        order = orders_[event.index]
        return {style: order.style, made: order, take.row: gr.Row(visible=True)}

    private = {"api_visibility": "private"}
    quiet = {"show_progress": "hidden", **private}
    model = shared.MODEL | private
    photo.change(look, choice | {on_board}, [size, outlook, status, board, on_board], **shared.LOOK, **quiet)
    priced = [style, method, direction, stroke, *mix, *brushes]
    gr.on(
        [component.change for component in priced],
        foresee,
        choice | {size},
        outlook,
        trigger_mode="always_last",
        **shared.AT_ONCE,
        **quiet,
    )
    gr.on(
        [style.change, method.change], point_out, [style, method, direction], [thumbnails, note], queue=False, **quiet
    )
    who = [style, *mix[::2], *brushes]
    method.change(offer, [direction, method, *who], [thumbnails, *who], **shared.AT_ONCE, **quiet)
    direction.change(
        turn, [direction, method, *who], [photo, go, strip, method, thumbnails, *who], **shared.AT_ONCE, **quiet
    )
    regions_tab.select(lay_out, [photo, on_board], [board, on_board], **shared.AT_ONCE, **quiet)
    strip.select(_example, direction, photo, queue=False, **private)
    thumbnails.select(_pointed, [direction, method], style, queue=False, **private)
    shown = [orders, made, result, gallery, take.row, status, seed, stop]
    single = go.click(show, choice | {board}, shown, show_progress="hidden", **model)
    every = go_all.click(show_all, choice, shown, show_progress="hidden", **model)
    for event in (single, every):
        event.then(lambda: gr.Button(visible=False), None, stop, queue=False, **private)  # after an error too
    shared.stoppable(stop, status, [single, every])
    gallery.select(choose, orders, [style, made, take.row], queue=False, **private)

    with below:
        several.panel("painter", choice | {board}, make, "painted.zip")

    # The API. Its events have buttons that nobody sees, and the components above say what may be given.
    picture = gr.Image(format="png", visible=False, label="Painting")
    pictures_ = gr.Gallery(visible=False, label="Paintings")
    masks = [shared.photo(visible=False, label=f"Mask of a region, {colour}") for colour in BRUSHES]
    gr.Button(visible=False).click(
        paint,
        [photo, style, method, strength, seed, take.format, take.keep, direction, light, keep_colours, stroke, detail,
         *mix, *(part for pair in zip(brushes, masks, strict=True) for part in pair), take.recipe],
        picture,
        api_name="paint",
        **shared.MODEL,
    )  # fmt: skip
    gr.Button(visible=False).click(
        paint_all,
        [photo, strength, seed, take.recipe, direction, light, keep_colours, stroke, detail, method],
        pictures_,
        api_name="paint_all",
        **shared.MODEL,
    )
    settable = [style, method, another, *options.values(), *mix, *brushes]
    return sending.port(photo, take, made, status, settle=settle, controls=settable)


def _choices(styles: dict[str, load.Entry]) -> list[tuple[str, str]]:
    return [(say(entry.label), style) for style, entry in styles.items()]


def _thumbnails(styles: dict[str, load.Entry]) -> list[tuple[str, str]]:
    return [(shared.thumbnail(entry), say(entry.label)) for entry in styles.values()]


def _example(direction: str, event: gr.SelectData) -> str:
    return str(EXAMPLES[direction][event.index])


def _pointed(direction: str, method: str, event: gr.SelectData) -> str:
    return list(offered(direction, method))[event.index]
