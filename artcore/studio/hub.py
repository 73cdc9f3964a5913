"""All tabs in one page. A tab is one file with a `build` function, and one line in TABS."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape

import gradio as gr

from artcore import load
from artcore.studio import (
    batch,
    border,
    chain,
    colorize,
    painter,
    recipes,
    sending,
    shared,
    style,
    upscale,
    words,
)

# What a tab is called, what builds it, and tasks of which it needs one: where the catalog has no checkpoint for any of
# them, the tab is left out.
TABS = {
    "Painter": (painter.build, ()),
    "Style": (style.build, ()),
    "Colour": (colorize.build, ("colorizer",)),
    "Upscale": (upscale.build, ("upscaler",)),
    "Chain": (chain.build, ("colorizer", "upscaler")),
}

LINKS = " ".join(f'<a href="?lang={code}" hreflang="{code}" lang="{code}">{name}</a>' for code, name in
                 words.LANGUAGES.items())  # fmt: skip
# What a page is about, of all tabs and of each alone.
HUB = "Your photo painted, coloured, enlarged. Small nets, trained from scratch, on two ordinary processor cores."
ALONE = {
    "Painter": "Your photo becomes a painting, in a fraction of a second.",
    "Style": "Any photo in the manner of any painting, while you watch.",
    "Colour": "A grey photo gets its colours, others with every seed.",
    "Upscale": "A small picture becomes four times as large.",
    "Chain": "A picture coloured, painted and enlarged in one go.",
}
HEADER = """<header class="masthead">
  <h1>{}</h1>
  <p>{}</p>
  <nav class="languages" aria-label="Language">{}</nav>
</header>"""

# Who may do what with what is here, and what becomes of what visitors bring.
COLOPHON = """<p class="colophon"><span>Code: MIT. Nets: {licences}.</span> <a href="cards">The licence of each net</a>
<span>Pictures are deleted after about {hours} hours, and are sent nowhere else.</span></p>"""

KEEP = 6 * 3600  # seconds that files of visitors stay on the disk


def names() -> list[str]:
    """What tabs are called where they are chosen: "painter", "style" and so on."""
    return [label.lower() for label in TABS]


def build(chosen: Sequence[str] = ()) -> gr.Blocks:
    """The page with its tabs and endpoints, not started: those of :func:`names` that are chosen, or all that there are
    weights for. One alone has the page for itself."""
    shown = {label: tab for label, tab in TABS.items() if not chosen or label.lower() in chosen}
    alone = next(iter(shown)) if len(shown) == 1 else None
    title = f"Artcore {alone}" if alone else "Artcore"
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(600, KEEP)) as page:
        with gr.Row(elem_classes="top"):
            gr.HTML(HEADER.format(title, ALONE[alone] if alone else HUB, LINKS), padding=False)
            if os.environ.get("SYSTEM") == "spaces":
                gr.DuplicateButton(min_width=140, elem_id="duplicate")
        ports = {}
        with gr.Tabs(overflow_behavior="wrap", elem_classes="alone" if alone else None) as tabs:
            for label, (tab, tasks) in shown.items():
                if chosen or not tasks or any(load.kinds(task) for task in tasks):
                    with gr.Tab(label, id=label.lower()):
                        ports[label] = tab()
        drop = recipes.slot()
        licences = ", ".join(sorted({entry.licence for entry in load.catalog().values() if entry.licence}))
        gr.HTML(COLOPHON.format(licences=escape(licences or "none stated"), hours=KEEP // 3600), padding=False)
        batch.build([label.lower() for label in shown])
        ports = {label: port for label, port in ports.items() if port}
        sending.connect(tabs, ports)
        recipes.connect(tabs, drop, ports)
    shared.written.clear()  # what the page itself shows stays as long as it does
    page.temp_file_sets.append(shared.written)
    return words.fluent(border.guarded(page))
