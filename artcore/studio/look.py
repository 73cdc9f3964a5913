"""How the hub looks: a gallery's calm wall, warm by day and by night, where the pictures are the colours."""

from __future__ import annotations

import gradio as gr

# Burnt sienna, from gesso to umber.
SIENNA = gr.themes.Color(
    "#fbf4f0", "#f5e4da", "#ebc9b7", "#dfa98e", "#d28a66", "#bd6b45",
    "#9c4a2a", "#7f3a20", "#64301d", "#4b2518", "#2b140c", name="sienna",
)  # fmt: skip


def theme() -> gr.themes.Base:
    """Gradio's theme with our colours. The text's font comes with Gradio, so that no page asks another server: of
    Source Sans only 400 and 700 are whole there, hence the weights. (Its files of 600, and of the serif Lora, hold
    the glyphs of a few letters: headings use the machine's own serif.)"""
    base = gr.themes.Base(
        primary_hue=SIENNA,
        secondary_hue=SIENNA,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_sm,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
        font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return base.set(
        body_background_fill="#f4f1ea",
        body_background_fill_dark="#1a1816",
        body_text_color="#25221d",
        body_text_color_dark="#ece6da",
        body_text_color_subdued="#655f55",
        body_text_color_subdued_dark="#aaa294",
        background_fill_primary="#fbf9f5",
        background_fill_primary_dark="#232019",
        background_fill_secondary="#efeae0",
        background_fill_secondary_dark="#2b2721",
        border_color_primary="#dcd4c4",
        border_color_primary_dark="#3b362e",
        block_background_fill="#fbf9f5",
        block_background_fill_dark="#221f1b",
        block_border_width="1px",
        block_shadow="none",
        block_shadow_dark="none",
        block_label_background_fill="#fbf9f5",
        block_label_background_fill_dark="#221f1b",
        block_label_text_color="*body_text_color_subdued",
        block_label_text_color_dark="*body_text_color_subdued",
        block_label_text_weight="400",
        block_title_text_weight="400",
        block_title_text_color="*body_text_color_subdued",
        block_title_text_color_dark="*body_text_color_subdued",
        block_info_text_color="*body_text_color_subdued",
        block_info_text_color_dark="*body_text_color_subdued",
        prose_header_text_weight="700",
        button_large_text_weight="700",
        button_medium_text_weight="400",
        button_small_text_weight="400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#1a1816",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="#e9e3d6",
        button_secondary_background_fill_hover_dark="#322d26",
        button_secondary_border_color="#c9bfac",
        button_secondary_border_color_dark="#4c463c",
        button_border_width="1px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1a1816",
        input_border_color="#dcd4c4",
        input_border_color_dark="#3b362e",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        color_accent="*primary_600",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )


HEAD = """<meta name="description" content="Turn a photo into a painting, in your browser or by API.">
<meta name="theme-color" content="#f4f1ea" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#1a1816" media="(prefers-color-scheme: dark)">"""

CSS = """
:root { --serif: Georgia, "Palatino Linotype", Palatino, "Book Antiqua", "Liberation Serif", serif; }
.gradio-container { width: 100% !important; max-width: 1320px !important; margin: 0 auto !important; }
.gradio-container .main { padding: 6px 20px 20px !important; }
.html-container:has(.masthead) { padding: 4px 0 0 !important; }
.gradio-container .contain > .column { gap: 4px; }
.gradio-container .tabitem { padding-top: 0; }
.dark { --color-accent: var(--primary-400); }
.gradio-container h1, .gradio-container h2, .gradio-container h3 { font-family: var(--serif); }
.masthead { display: flex; align-items: baseline; gap: 16px; }
.masthead h1 { font-size: 26px; font-weight: 700; letter-spacing: .01em; margin: 0; }
.masthead p { margin: 0; color: var(--body-text-color-subdued); }

/* Two columns: the workbench, and the wall where the result hangs. */
.bench, .wall { gap: 8px; }
.bench .form > .block { padding: 8px 12px; }
.wall { background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary);
  border-radius: var(--radius-sm); padding: 12px; }
.wall .block { background: transparent; border: 0; }
#painter-result img { background: var(--background-fill-secondary) !important; }
.status { min-height: 24px; }
.status p { margin: 0; color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.status strong { color: var(--body-text-color); }
.take { align-items: center; gap: 6px 14px; flex-wrap: wrap; }
.take > * { flex: 0 1 auto !important; width: auto !important; min-width: max-content !important; }
.take > .block, .take fieldset { padding: 0; }
.take .wrap { flex-flow: row nowrap; gap: 4px; }
.take .wrap label { padding: 6px 8px; }
.take button { margin-left: auto; }
.note { color: var(--body-text-color-subdued); max-width: 88ch; padding-top: 6px; }
.note h3 { font-size: 17px; margin: 0 0 4px; color: var(--body-text-color); }
.note p, .note a { font-size: 14px; }
.knobs .form { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 4fr) max-content; }
.knobs .form > .block { min-width: 0 !important; }
.knobs .form > .block:last-child { align-content: center; }
.knobs label span { white-space: nowrap; }
.knobs .wrap-inner input { padding-right: 26px; text-overflow: ellipsis; }

/* Small pictures in a grid of their own, as many as there are. */
#painter-examples, #painter-styles { background: transparent; border: 0; padding: 0; }
#painter-examples .grid-wrap, #painter-styles .grid-wrap { height: auto; max-height: none; min-height: 0;
  overflow: visible; padding: 0; }
#painter-examples .grid-container, #painter-styles .grid-container, #painter-gallery .grid-container { gap: 6px;
  grid-auto-rows: auto; grid-template-rows: none; padding: 3px; margin: 0; }
#painter-examples .grid-container { grid-template-columns: repeat(6, minmax(0, 1fr)); }
#painter-styles .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)); }
#painter-examples .thumbnail-item, #painter-styles .thumbnail-item { width: 100%; aspect-ratio: 1; border: 0;
  border-radius: 2px; height: auto; min-height: 0; }
#painter-examples .thumbnail-item { aspect-ratio: 3 / 2; }
#painter-examples .thumbnail-item img, #painter-styles .thumbnail-item img { position: absolute; inset: 0; }
#painter-examples .caption-label { display: none; }
#painter-styles .caption-label { inset: auto 0 0 0; max-width: none; border: 0;
  padding: 18px 5px 3px; border-radius: 0; font-size: 12px; line-height: 1.15; text-align: left; white-space: normal;
  color: #fff; background: linear-gradient(transparent, rgb(0 0 0 / .72)); }
#painter-examples .thumbnail-item:focus-visible, #painter-styles .thumbnail-item:focus-visible {
  outline: 3px solid var(--color-accent); outline-offset: 1px; }
#painter-styles .thumbnail-item.selected { outline: 3px solid var(--color-accent); outline-offset: 1px; }

#painter-gallery .grid-wrap { padding: 0; }
#painter-gallery .caption-label { inset: auto auto 0 0; border: 0; border-radius: 0; padding: 2px 8px; color: #fff;
  background: rgb(0 0 0 / .65); }
#painter-gallery .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)); }
#painter-gallery .grid-container .thumbnail-item { width: 100%; height: auto; min-height: 0; aspect-ratio: 3 / 2;
  border: 0; border-radius: 2px; background: transparent; }
#painter-gallery .grid-container img { position: absolute; inset: 0; }

#painter-result .empty::after { content: "Your painting will hang here."; font: italic 17px var(--serif);
  color: var(--body-text-color-subdued); }
#painter-result .empty .icon { display: none; }

@media (max-width: 700px) {
  .gradio-container .main { padding: 4px 12px 16px !important; }
  .masthead { display: block; }
  #painter-styles .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  #painter-gallery .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  #painter-result { height: 340px !important; }
  /* Else a standing picture overflows the box, and photo and painting lie at different heights. */
  #painter-result img { max-height: 340px !important; }
}
"""
