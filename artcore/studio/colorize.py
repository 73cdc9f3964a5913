"""The Colour tab: grey pictures get plausible colours, another seed others, and it shows where it is guessing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import gradio as gr
from PIL import Image

from artcore import image as pictures
from artcore import load
from artcore.recipe import Recipe
from artcore.studio import colour_orders as orders
from artcore.studio import recipes, sending, several, shared
from artcore.studio.colour_orders import MOST, Bench, Piece, Sheet
from artcore.studio.words import say
from artcore.tasks.colorize import MOST_SEED, Adjustments, Colouring, blend, different_first, disagreement, histogram
from artcore.tasks.comparison import compare
from artcore.tasks.sheets import contact_sheet

FIRST = "general"  # the model to begin with, where there is one
RANDOM = 100_000  # random seeds are below it, since people write them down
FORMATS = [*shared.FORMATS, ("TIFF", "tiff")]
WALL = 420  # pixels of height for what hangs there
BOARD = 800  # pixels of the longer side of the picture that is brushed on
# Of the brush that hints are given with; any other can be picked.
PALETTE = ["#7fb2e5", "#2f5f9e", "#4f8a3a", "#8a5a2b", "#c8202f", "#e8b33a", "#e0ac8d", "#7d4f9e"]
BRUSHES = {"red": "#e0342b", "blue": "#2b6fe0"}  # colours on the picture, each for another seed
GREYS = ["#1a1a1a", "#595959", "#a6a6a6", "#e6e6e6"]  # of the same brush, for noise drawn by hand
NONE = "There is no picture yet: choose one, or one of the examples."
VIEWS = {
    "grey": "Beside grey",
    "original": "Beside the original",
    "all": "All pictures",
    "seeds": "Ten seeds",
    "guesses": "Where it guesses",
}

# Of result, gallery, guesses, scores, take, progress, levels, status and stop.
WIPE = """() => {
    const seen = (visible, value) => ({__type__: 'update', visible, ...(value === undefined ? {} : {value})});
    return [seen(true, null), ...Array(5).fill(seen(false)), null, '', seen(false)];
}"""

NOTE = """### These are guesses
Grey holds no trace of the colours that were there. A small net has learned which colours such things often have, and
every seed lets it guess anew: the dress may have been red. What it is sure of comes out alike with all seeds; *Ten
seeds* shows the rest, and where it lies. Only colour is added: light and shade stay those of your picture, at its own
size. Colours that a picture already has are taken away first, so that you can see how far the guess is from them.
[The card of this model](cards/{card}) says what it was trained on, and how well it does. Your pictures stay on this
server, for a few hours at most.
"""


def build() -> sending.Port | None:
    """The tab, inside a gr.Blocks."""
    models = load.kinds("colorizer")
    if not models:
        gr.Markdown("No coloriser is there yet: train and publish one, or restore weights/ from a release.")
        return None
    first = FIRST if FIRST in models else next(iter(models))

    bench = gr.State(Bench())  # the pictures that could be read
    picked = gr.State(0)  # which of them is looked at
    made = gr.State({})  # {source: its colouring, without the picture}
    sheet = gr.State(None)  # ten colourings of one of them
    on_board = gr.State(None)  # source of the picture that is on the boards, once somebody wanted to brush

    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=5, min_width=320, elem_classes="bench"):
            files = gr.File(
                label="Your pictures, one to ten",
                file_count="multiple",
                height=118,
                elem_id="colour-files",
            )
            examples = shared.strip(shared.titled(shared.PHOTOS), "Or begin with one of these", "colour-examples")
            strip = shared.strip([], "Your pictures", "colour-pictures")
            refused = gr.Markdown(visible=False, elem_classes="hint", elem_id="colour-refused")
            with gr.Row(elem_classes=["knobs", "colour-knobs"]):
                model = gr.Dropdown(
                    [(entry.label, name) for name, entry in models.items()], value=first, label="Model", min_width=120
                )
                seed = gr.Number(0, precision=0, minimum=0, maximum=MOST_SEED, label="Seed", min_width=90)
                another = gr.Checkbox(True, label="Random", min_width=90, elem_id="colour-random")
            with (
                gr.Accordion("More: adjust, hints, blend, noise", open=False, elem_id="colour-more") as more,
                gr.Tabs(overflow_behavior="wrap"),
            ):
                with gr.Tab("Adjust"):
                    knobs = {}
                    with gr.Row(elem_classes="group-knobs"):
                        for f in fields(Adjustments):
                            told = f.metadata
                            knobs[f.name] = gr.Slider(
                                told["minimum"], told["maximum"], f.default, step=told["step"], label=told["label"],
                                min_width=140,
                            )  # fmt: skip
                    with gr.Row(elem_classes="pair"):
                        levels = gr.Image(
                            label="Histogram",
                            show_label=False,
                            height=90,
                            interactive=False,
                            buttons=[],
                            alt_text="Histogram of the coloured picture",
                            min_width=200,
                            scale=3,
                            elem_id="colour-histogram",
                        )
                        reset = gr.Button("Reset", size="sm", min_width=90, scale=1)
                with gr.Tab("Hints"):
                    gr.Markdown(
                        "Brush a colour where you know it, or want it; the colouring follows it there. Strokes are gone"
                        " once you look at another of your pictures.",
                        elem_classes="hint",
                    )
                    hints = _board("colour-hints", PALETTE, "defaults")
                with gr.Tab("Blend"):
                    gr.Markdown(
                        "Between this colouring and another of the ten seeds; no net has to run.", elem_classes="hint"
                    )
                    with gr.Row(elem_classes="pair"):
                        partner = gr.Dropdown([("Nobody", -1)], value=-1, label="Blend with", min_width=140)
                        share = gr.Slider(0, 1, 0.5, step=0.05, label="Its share", min_width=140)
                with gr.Tab("Noise"):
                    gr.Markdown(
                        "A seed stands for noise, and noise decides. Brush regions in red or blue for seeds of their"
                        " own, or choose the plane of noise that decides most: draw it in greys, or give a grey picture"
                        " for all. The rest, and what you leave free, stays the seed's.",
                        elem_classes="hint",
                    )
                    with gr.Row(elem_classes="pair"):
                        seeds = [
                            gr.Number(
                                n, precision=0, minimum=0, maximum=MOST_SEED, label=f"Seed where it is {colour}",
                                min_width=120,
                            )
                            for n, colour in enumerate(BRUSHES, 1)
                        ]  # fmt: skip
                    regions = _board("colour-regions", [*BRUSHES.values(), *GREYS], "fixed")
                    noise = shared.photo(
                        label="Noise: a grey picture of the same shape",
                        height=110,
                        buttons=[],
                        alt_text="The grey picture that is the noise",
                        elem_id="colour-noise",
                    )
            with gr.Row(elem_classes="actions"):
                go = gr.Button("Colourise", variant="primary", size="lg", scale=3, min_width=110, elem_id="colour-go")
                go_ten = gr.Button("Ten seeds", size="lg", scale=2, min_width=100, elem_id="colour-ten")
                stop = gr.Button(
                    "Stop", variant="stop", size="lg", scale=1, min_width=70, visible=False, elem_id="colour-stop"
                )
        with gr.Column(scale=7, min_width=320, elem_classes="wall"):
            result = shared.comparison("colour-result", "Grey and coloured", WALL)
            gallery = gr.Gallery(
                label="Colourings",
                show_label=False,
                columns=4,
                height=WALL,
                object_fit="contain",
                allow_preview=False,
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
                elem_id="colour-gallery",
            )
            guesses = gr.Image(
                label="Where it guesses",
                show_label=False,
                height=WALL,
                interactive=False,
                visible=False,
                buttons=["fullscreen"],
                alt_text="A map, lighter where the seeds differ",
                elem_id="colour-guesses",
            )
            outlook = gr.Markdown(elem_classes="status")  # apart from what a run reports, which it could come after
            status = gr.Markdown("Choose a grey picture, or a colour photo, and colourise it.", elem_classes="status")
            progress = gr.HTML(padding=False, visible=False, elem_id="colour-list")
            scores = gr.Markdown(visible=False, elem_classes="status", elem_id="colour-scores")
            with gr.Row(elem_classes="take", visible=False) as take:
                view = gr.Radio(
                    [(VIEWS["grey"], "grey")],
                    value="grey",
                    show_label=False,
                    label="Look at",
                    container=False,
                    elem_id="colour-view",
                )
                format = gr.Radio(FORMATS, value="png", show_label=False, label="Format", container=False)
                keep = gr.Checkbox(False, label="Keep EXIF and colour profile", container=False, min_width=200)
                recipe = shared.with_recipe()
                download = gr.Button("Download", min_width=110, elem_id="colour-download")
            file = gr.DownloadButton(visible="hidden", elem_id="colour-file")
    note = gr.Markdown(say(NOTE, card=models[first].name), elem_classes="note")

    # --- events: a handler takes {component: value} of what the tab knows, and gives back what changes ----

    seen = {bench, picked, made, sheet, view, seed, another, partner, share, *knobs.values()}
    wished = seen | {files, model, hints, regions, noise, on_board, *seeds}
    tuned = [share, *knobs.values()]
    wall = [result, gallery, guesses, scores, levels]

    def whole(given: dict) -> Bench:
        """The bench as the files are now: it may be asked for before they have been looked at."""
        paths = tuple(given[files] or ())
        found = given[bench] if given[bench].paths == paths else orders.read(paths)
        if not found.pieces:
            raise gr.Error(" ".join(found.refused) or NONE, title="No picture")
        return found

    def current(given: dict) -> Piece:
        pieces = given[bench].pieces
        if not pieces:
            raise gr.Error(NONE, title="No picture")
        return pieces[min(given[picked], len(pieces) - 1)]

    def adjustments(given: dict) -> Adjustments:
        return Adjustments(**{name: given[knob] for name, knob in knobs.items()})

    def guides(given: dict, piece: Piece) -> dict:
        """What was brushed on this picture, and the noise for all."""
        if given[on_board] != piece.source:
            return orders.guides(noise=given[noise])
        masks = shared.brushed(given[regions], [*BRUSHES.values(), *GREYS])
        marked = [(mask, given[n]) for mask, n in zip(masks, seeds, strict=False) if mask]
        drawn = orders.drawn(masks[len(BRUSHES) :], GREYS, given[noise])
        return orders.guides(shared.strokes(given[hints]), drawn, marked)

    def coloured(given: dict, piece: Piece) -> Colouring | None:
        """A picture's colouring as it is wanted now, without the picture: blended, if somebody asks for that."""
        colouring = given[made].get(piece.source)
        there = given[sheet] is not None and given[sheet].source == piece.source and piece is current(given)
        other = given[sheet].of(given[partner]) if there else None
        return blend(colouring, other, given[share]) if colouring and other else colouring

    def hang(given: dict) -> dict:
        """What the view asks for, adjusted; no net runs."""
        with shared.sentences():
            piece, look = current(given), adjustments(given)
            colouring = coloured(given, piece)
            # Of the picture that is looked at, whatever hangs there; a small one tells as much.
            drawn = {levels: colouring and histogram(colouring.image(look, like=piece.small))}
            if given[view] == "guesses":
                return {guesses: given[sheet].guesses} | drawn
            if given[view] == "seeds":
                kept = None if given[another] else given[seed]
                ten = given[sheet].colourings
                told = {True: "seed {seed} · kept", False: "seed {seed}"}
                named = [(c, say(told[c.seed == kept], seed=c.seed)) for c in ten]
                return {gallery: [(_small(c, piece, look), name) for c, name in named]} | drawn
            if given[view] == "all":
                halves = [(_half(coloured(given, p), p, look), p.name) for p in given[bench].pieces]
                return {gallery: halves} | drawn
            if colouring is None:
                return {result: (piece.original, piece.grey), scores: gr.Markdown(visible=False)} | drawn
            after = colouring.image(look, like=piece.grey)
            before = piece.original if given[view] == "original" else piece.grey
            figures = _figures(piece, after) if piece.coloured else ""
            return {
                result: (before, shared.write(after, piece.name, "webp")),
                scores: gr.Markdown(figures, visible=bool(figures)),
            } | drawn

    def turn(given: dict) -> dict:
        """Shows the view that was chosen, or the one that there is."""
        piece, ten = current(given), given[sheet]
        there = {
            "grey": True,
            "original": piece.coloured,
            "all": len(given[bench].pieces) > 1,
            "seeds": ten is not None and ten.source == piece.source,
        }
        there["guesses"] = there["seeds"]
        chosen = given[view] if there[given[view]] else "grey"
        offered = [(say(label), name) for name, label in VIEWS.items() if there[name]]
        others = [(say("Seed {seed}", seed=c.seed), c.seed) for c in ten.colourings] if there["seeds"] else []
        again = given[partner] if given[partner] in [value for _, value in others] else -1
        told = {
            view: gr.Radio(choices=offered, value=chosen),
            partner: gr.Dropdown(choices=[(say("Nobody"), -1), *others], value=again),
            take: gr.Row(visible=any(p.source in given[made] for p in given[bench].pieces)),
            scores: gr.Markdown(visible=False),
        }
        hung = hang(given | {view: chosen, partner: again})
        for component in (result, gallery, guesses):
            kind, value = type(component), hung.pop(component, None)
            told[component] = kind(visible=False) if value is None else kind(value, visible=True)
        return told | hung

    def look(given: dict) -> Iterator[dict]:
        """Reads pictures as soon as they are chosen, so that a bad one is said before anybody waits for it."""
        yield {
            bench: Bench(),
            picked: 0,
            outlook: "",
            strip: gr.Gallery(visible=False),
            refused: gr.Markdown(visible=False),
        }
        if not given[files]:
            return
        with shared.sentences():
            found = orders.read(given[files])
            small = [(piece.small, piece.name) for piece in found.pieces]
            yield {
                bench: found,
                strip: gr.Gallery(small, visible=bool(small), selected_index=0 if small else None),
                refused: gr.Markdown("  \n".join(map(shared.plain, found.refused)), visible=bool(found.refused)),
                format: "tiff" if any(piece.deep for piece in found.pieces) else gr.skip(),
            }

    def foresee(given: dict) -> str:
        """How long it would take, before anybody presses the button."""
        if not given[bench].pieces:
            return ""
        with shared.sentences():
            task, pieces = orders.colourist(given[model]), given[bench].pieces
            every = sum(task.seconds(*piece.size) for piece in pieces)
            ten = task.seconds(*current(given).size, seeds=MOST)
            one, many = (shared.duration(max(0.1, s)) for s in (every, ten))
            deep = " · " + say("16 bits: TIFF keeps them") if any(piece.deep for piece in pieces) else ""
            if len(pieces) == 1:
                told = {"size": shared.size(pieces[0].size), "one": one, "many": many}
                return say("{size} · takes about {one}, ten seeds {many}", **told) + deep
            told = {"count": len(pieces), "one": one, "many": many}
            return say("{count} pictures · takes about {one}, ten seeds {many}", **told) + deep

    def spread(given: dict) -> dict:
        """The picture onto the boards, the first time that somebody wants to brush."""
        pieces = given[bench].pieces
        source = current(given).source if pieces else ""
        if source == given[on_board]:
            return {on_board: source}
        if not pieces:
            return {hints: None, regions: None, on_board: ""}
        with shared.sentences():
            small = pictures.opaque(pictures.thumbnail(pictures.open(current(given).grey), BOARD))
            return {hints: small, regions: small, on_board: source}

    def spread_again(given: dict) -> dict:
        return {on_board: gr.skip()} if given[on_board] is None else spread(given)

    # What is chosen is known at once, and shown when there is time: another button may be pressed meanwhile.

    def pick(given: dict, event: gr.SelectData) -> dict:
        """Another of the pictures."""
        piece = given[bench].pieces[event.index]
        colouring = given[made].get(piece.source)
        told = say("seed {seed}", seed=_seed(colouring)) if colouring else say("not yet colourised")
        return {picked: event.index, view: "grey", status: f"**{piece.title}** · {told}"}

    def choose(given: dict, event: gr.SelectData) -> dict:
        """One of the gallery: a picture to look at, or a seed to keep."""
        if given[view] == "all":
            return pick(given, event) | {strip: gr.Gallery(selected_index=event.index)}
        colouring = given[sheet].colourings[event.index]
        told = say(
            "**{name}** · seed {seed} is kept: the next ten will have it too",
            name=current(given).title, seed=colouring.seed,
        )  # fmt: skip
        kept = {seed: colouring.seed, another: False, partner: -1, view: "grey", status: told}
        return kept | {made: given[made] | {given[sheet].source: colouring}}

    def begin(given: dict) -> tuple[Bench, int]:
        """The pictures that are wanted, and the seed."""
        return whole(given), secrets.randbelow(RANDOM) if given[another] else given[seed]

    def show(given: dict) -> Iterator[dict]:
        """Every picture, by one seed."""
        with shared.sentences():
            found, used = begin(given)
            task, done, many = orders.colourist(given[model]), {}, len(found.pieces) > 1
            lines = [several.Line(piece.name) for piece in found.pieces]
            kept = {piece.source: given[made][piece.source] for piece in found.pieces if piece.source in given[made]}
            yield {bench: found, seed: used, status: say("Working …"), stop: gr.Button(visible=True)}
            for n, (line, piece) in enumerate(zip(lines, found.pieces, strict=True), 1):
                with several.watched(line):
                    yield {progress: gr.HTML(several.listing(lines), visible=many)}
                    colouring = task.colour(piece.source, seed=used, **guides(given, piece))
                    done = done | {piece.source: orders.light(colouring)}
                # Now, since what is done is kept when somebody stops.
                yield {made: kept | done, status: say("{done} of {total} pictures …", done=n, total=len(lines))}
            failed = [line for line in lines if line.error]
            if not done:
                raise gr.Error(" ".join(dict.fromkeys(line.error for line in failed)))
            taken = shared.duration(sum(line.seconds for line in lines))
            what = say("{count} pictures", count=len(done)) if many else found.pieces[0].title
            noted = _seed(next((c for c in done.values() if orders.by_hand(c)), colouring))
            yield {
                made: done,  # and not what an earlier run made of a picture that failed now
                progress: gr.HTML(several.listing(failed), visible=many and bool(failed)),
                stop: gr.Button(visible=False),
                status: say("**{what}** · seed {seed} · coloured in {taken}", what=what, seed=noted, taken=taken),
            } | turn(given | {bench: found, made: done, seed: used, view: "all" if many else "grey", partner: -1})

    def show_ten(given: dict) -> Iterator[dict]:
        """The picture that is looked at, by ten seeds: what is kept first, then the most different."""
        with shared.sentences():
            found, used = begin(given)
            given = given | {bench: found}
            piece, task = current(given), orders.colourist(given[model])
            kept = [] if given[another] else [used]
            others = iter(lambda: secrets.randbelow(RANDOM), None)
            wanted = list(dict.fromkeys([*kept, *(next(others) for _ in range(2 * MOST))]))[:MOST]
            yield {bench: found, status: say("Working …"), stop: gr.Button(visible=True)}
            start, ten = time.perf_counter(), []
            for colouring in task.seeds(piece.source, wanted, **guides(given, piece)):
                ten.append(orders.light(colouring))
                yield {status: say("{done} of {total} seeds …", done=len(ten), total=MOST)}
            taken = shared.duration(time.perf_counter() - start)
            ordered = [ten[n] for n in different_first(ten)]
            ordered.sort(key=lambda c: c.seed not in kept)  # else as they were
            differ = disagreement([orders.with_picture(ordered[0], piece.grey), *ordered[1:]])
            hung = Sheet(piece.source, tuple(ordered), shared.write(differ, piece.name, "webp"))
            there = {p.source for p in found.pieces}
            now = {source: c for source, c in given[made].items() if source in there} | {piece.source: ordered[0]}
            yield {
                made: now,
                sheet: hung,
                seed: ordered[0].seed,
                stop: gr.Button(visible=False),
                status: say(
                    "**{name}** · ten seeds in {taken}, most different first · choose one to keep it",
                    name=piece.title,
                    taken=taken,
                ),
            } | turn(given | {made: now, sheet: hung, seed: ordered[0].seed, view: "seeds", partner: -1})

    def stopped(given: dict) -> dict:
        """What there is after a stop."""
        many = len(given[bench].pieces) > 1 and given[made]
        return turn(given | {view: "all"} if many else given)

    def adjust(given: dict) -> dict:
        """The same view again, by other sliders."""
        return hang(given) if any(p.source in given[made] for p in given[bench].pieces) else {levels: gr.skip()}

    def fetch(given: dict) -> Iterator[dict]:
        """What is looked at, as a file: at full size, but for the sheet."""
        with shared.sentences():
            yield {status: say("Writing the file …")}
            path = package(given)
            yield {file: gr.DownloadButton(value=path), status: f"{Path(path).name}, {shared.weight(path)}"}

    def package(given: dict) -> str:
        """Path of that file."""
        piece, look = current(given), adjustments(given)
        if given[view] == "guesses":
            first, *rest = given[sheet].colourings
            differ = disagreement([orders.with_picture(first, piece.source), *rest])
            return shared.write(differ, f"{piece.name} guesses", given[format])
        if given[view] == "seeds":
            ten = given[sheet].colourings
            small = [colouring.image(look, like=piece.small) for colouring in ten]
            sheet_ = contact_sheet(small, [f"seed {colouring.seed}" for colouring in ten], 5)
            return shared.write(sheet_, f"{piece.name} seeds", given[format])
        if given[view] != "all":
            return full(given, piece)
        with several.Archive("coloured.zip") as archive:
            for p in given[bench].pieces:
                if p.source in given[made]:
                    archive.add(Path(full(given, p)))
        return str(archive.path)

    def full(given: dict, piece: Piece) -> str:
        colouring = coloured(given, piece)
        if colouring is None:
            raise gr.Error("This picture has no colours yet: colourise it first.")
        name = f"{piece.name} {orders.called(given[made][piece.source])}"
        name += f" with {given[partner]}" if colouring.seed is None else ""
        found = Colouring.from_bytes(colouring.to_bytes(), piece.source)
        return orders.file(found, name, given[format], adjustments(given), given[keep], given[recipe])

    private = {"api_visibility": "private"}
    quiet = {"show_progress": "hidden", **private}
    looking = shared.AT_ONCE | quiet
    working = shared.MODEL | private
    turned = [view, partner, take, *wall]
    shown = [bench, made, sheet, seed, status, progress, stop, *turned]

    # Pressed again, they run again: where the look at the files ended just as a run was asked for, Gradio may have lost
    # sight of that run (shared.AT_ONCE), and would take no press any more.
    pressed = {"trigger_mode": "multiple", "show_progress_on": result} | working
    one = go.click(show, wished, shown, **pressed)
    ten = go_ten.click(show_ten, wished, shown, **pressed)
    for run in (one, ten):  # after an error too, of which nothing else is left to say
        run.then(
            lambda said: (gr.Button(visible=False), "" if said.endswith("…") else gr.skip()),
            status,
            [stop, status],
            queue=False,
            **private,
        )
    # What was made until then hangs there too, and can be taken home.
    shared.stoppable(stop, status, [one, ten]).then(stopped, seen, turned, **looking)
    # Other pictures: the wall is empty until they are coloured. In the browser, since nothing that comes late from the
    # server may wipe away what a run has hung there meanwhile.
    files.change(
        None, None, [result, gallery, guesses, scores, take, progress, levels, status, stop], js=WIPE, **private
    )
    files.change(None, cancels=[one, ten], **private)
    files.change(look, {files}, [bench, picked, outlook, strip, refused, format], **shared.LOOK, **quiet)
    gr.on(
        [bench.change, picked.change, model.change],
        foresee,
        {bench, picked, model},
        outlook,
        trigger_mode="always_last",
        **looking,
    )
    boards = [{bench, picked, on_board}, [hints, regions, on_board]]
    more.expand(spread, *boards, **looking)
    gr.on([bench.change, picked.change], spread_again, *boards, **looking)
    gr.on([partner.input, *(c.change for c in tuned)], adjust, seen, wall, trigger_mode="always_last", **looking)
    view.input(turn, seen, turned, **looking)
    choices = [
        strip.select(pick, seen, [picked, view, status], queue=False, **quiet),
        gallery.select(choose, seen, [picked, strip, made, seed, another, partner, view, status], queue=False, **quiet),
    ]
    for choice in choices:
        choice.then(turn, seen, turned, **looking)
    examples.select(_example, None, files, queue=False, **private)
    seed.input(None, None, another, js="() => false", **private)  # in the browser: the button may be pressed at once
    model.change(lambda name: say(NOTE, card=load.kind("colorizer", name)), model, note, queue=False, **private)
    reset.click(lambda: [f.default for f in fields(Adjustments)], None, list(knobs.values()), queue=False, **private)
    download.click(fetch, seen | {format, keep, recipe}, [file, status], show_progress="hidden", **working).success(
        None, js=sending.take_file(file), **private
    )

    # The API. Its events have buttons that nobody sees, and the components above say what may be given.
    def picture(label: str) -> gr.Image:
        return shared.photo(visible=False, label=label)

    image = picture("Picture")
    masks = [picture(f"Region of another seed, {colour}") for colour in BRUSHES]
    gr.Button(visible=False).click(
        orders.colorize,
        [image, model, seed, format, keep, *knobs.values(), picture("Hints"), picture("Noise"),
         *(part for pair in zip(masks, seeds, strict=True) for part in pair), recipe],
        gr.File(visible=False, label="Coloured picture"),
        api_name="colorize",
        **shared.MODEL,
    )  # fmt: skip
    gr.Button(visible=False).click(
        orders.colorize_seeds,
        [image, model, seed, gr.Number(MOST, precision=0, visible=False, label="How many"), recipe],
        [gr.Gallery(visible=False, label="Colourings"), gr.Image(format="png", visible=False, label="Map")],
        api_name="colorize_seeds",
        **shared.MODEL,
    )

    def send(given: dict) -> Iterator[Path]:
        """The picture that is looked at, coloured, for another tab."""
        yield Path(full(given | {format: "png", keep: True}, current(given)))

    def settle(told: Recipe) -> tuple[dict, list[str]]:
        """The controls as a recipe has them; what was brushed is not in it."""
        wanted = {knob: told.options.get(name) for name, knob in knobs.items()}
        wanted |= {model: recipes.checkpoint(told.nets[0][0].name)[1], seed: told.options.get("seed")}
        marked = told.options.get("region_seeds")
        wanted |= dict(zip(seeds, marked if isinstance(marked, list) else [], strict=False))
        wanted |= {another: False, partner: -1}
        changes, lost = recipes.fitting(wanted)
        return changes, lost + [say("Blend with")] * ("blend_seed" in told.options)

    settable = [model, seed, another, partner, *seeds, *knobs.values()]
    inputs = seen | {format, keep, recipe}
    return sending.Port(files, take, status, inputs, send, several=True, settle=settle, controls=settable)


def _board(elem_id: str, colours: list[str], mode: str) -> gr.ImageEditor:
    """The picture to brush on."""
    return gr.ImageEditor(
        type="pil",
        label="Brush over the picture",
        show_label=False,
        sources=[],
        transforms=[],
        layers=False,
        brush=gr.Brush(colors=colours, color_mode=mode, default_size=24),
        eraser=gr.Eraser(default_size=24),
        buttons=[],
        height=340,
        placeholder="Choose a picture first",
        elem_id=elem_id,
        elem_classes="board",
    )


def _example(event: gr.SelectData) -> list[str]:
    return [str(shared.PHOTOS[event.index])]


def _seed(colouring: Colouring) -> object:
    """Its seed, as a visitor is told it."""
    return say("{seed} and noise by hand", seed=colouring.seed) if orders.by_hand(colouring) else colouring.seed


def _small(colouring: Colouring | None, piece: Piece, adjustments: Adjustments) -> str:
    """Path of a small version of a picture, coloured if it is by now."""
    if colouring is None:
        return piece.small
    return shared.write(colouring.image(adjustments, like=piece.small), piece.name, "webp")


def _half(colouring: Colouring | None, piece: Piece, adjustments: Adjustments) -> str:
    """The same with its left half as it was: before and after."""
    if colouring is None:
        return piece.small
    grey = pictures.open(piece.small)
    after = colouring.image(adjustments, like=grey)
    after.paste(grey.crop((0, 0, grey.width // 2, grey.height)), (0, 0))
    return shared.write(after, piece.name, "webp")


def _figures(piece: Piece, after: Image.Image) -> str:
    """How near a colouring comes to the colours that were there."""
    told = compare(pictures.open(piece.original), after)
    alike = "" if told["ssim"] is None else f" · SSIM {told['ssim']:.2f}"
    return say(
        "Beside the original: PSNR {psnr} dB{alike} · CIEDE2000 {ciede} · colourfulness {now} of {then}",
        psnr=f"{told['psnr']:.1f}", alike=alike, ciede=f"{told['ciede2000']:.1f}",
        now=round(told["colourfulness"]), then=round(told["colourfulness_original"]),
    )  # fmt: skip
