"""All tabs in one page. A tab is one file with a `build` function, and one line in TABS."""

from __future__ import annotations

import gradio as gr

from artcore.studio import painter

TABS = {
    "Painter": painter.build,
}

HEADER = """<header class="masthead">
  <h1>Artcore</h1>
  <p>Your photo, painted. Small nets, trained from scratch, on two ordinary processor cores.</p>
</header>"""

KEEP = 6 * 3600  # seconds that files of visitors stay on the disk


def build() -> gr.Blocks:
    """The page with all its tabs and endpoints, not started."""
    with gr.Blocks(title="Artcore", analytics_enabled=False, delete_cache=(600, KEEP)) as page:
        gr.HTML(HEADER, padding=False)
        with gr.Tabs(overflow_behavior="wrap"):
            for label, tab in TABS.items():
                with gr.Tab(label, id=label.lower()):
                    tab()
    return page.queue(max_size=32)
