"""How the hub looks: a gallery's calm wall, warm by day and by night, where the pictures are the colours."""

from __future__ import annotations

import re

import gradio as gr

from artcore.studio.words import SPANISH

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


HEAD = """<meta name="description" content="A photo painted, coloured or enlarged, in your browser or by API.">
<meta name="theme-color" content="#f4f1ea" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#1a1816" media="(prefers-color-scheme: dark)">"""

CSS = """
:root { --serif: Georgia, "Palatino Linotype", Palatino, "Book Antiqua", "Liberation Serif", serif; }
.gradio-container { width: 100% !important; max-width: 1320px !important; margin: 0 auto !important;
  overflow: clip !important; /* hidden, as Gradio has it, would keep anything inside from sticking to the window */ }
.gradio-container .main { padding: 6px 20px 20px !important; }
.html-container:has(.masthead) { padding: 4px 0 0 !important; }
.gradio-container .contain > .column { gap: 4px; }
.gradio-container .tabitem { padding-top: 0; }
.dark { --color-accent: var(--primary-400); }
.gradio-container h1, .gradio-container h2, .gradio-container h3 { font-family: var(--serif); }
.masthead { display: flex; align-items: baseline; gap: 16px; }
.masthead h1 { font-size: 26px; font-weight: 700; letter-spacing: .01em; margin: 0; }
.masthead p { margin: 0; color: var(--body-text-color-subdued); }
.languages { display: flex; gap: 14px; margin-left: auto; white-space: nowrap; font-size: 14px; }
.languages a { color: var(--body-text-color-subdued); text-decoration: underline; text-underline-offset: 3px; }
.languages a[aria-current] { color: var(--body-text-color); font-weight: 700; text-decoration: none; }

.upload-container .prompt { white-space: normal; flex-wrap: wrap; justify-content: center; text-align: center; }

/* Whoever goes by keyboard sees where. */
.gradio-container :is(a, button, input, textarea, select, [tabindex]):focus-visible {
  outline: 2px solid var(--color-accent) !important; outline-offset: 1px; }
.top { align-items: center; gap: 8px; flex-wrap: nowrap; }
.top #duplicate { flex: none; }
.alone > .tab-wrapper { display: none; } /* of a tab that has the page for itself */

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
.colophon { margin: 12px 0 0; font-size: 14px; color: var(--body-text-color-subdued); }
.knobs .form { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); }
.knobs .form > .block { min-width: 0 !important; }
.knobs label span { white-space: nowrap; }
.knobs .wrap-inner input, .chain-knobs .wrap-inner input { padding-right: 26px; text-overflow: ellipsis; }

/* Small pictures in a grid of their own, as many as there are. */
#painter-styles { background: transparent; border: 0; padding: 0; }
#painter-styles .grid-wrap { height: auto; max-height: none; min-height: 0;
  overflow: visible; padding: 0; }
#painter-examples .grid-container, #painter-styles .grid-container, #painter-gallery .grid-container { gap: 6px;
  grid-auto-rows: auto; grid-template-rows: none; padding: 3px; margin: 0; }
#painter-styles .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)); }
#painter-styles .thumbnail-item { width: 100%; aspect-ratio: 1; border: 0;
  border-radius: 2px; height: auto; min-height: 0; }
#painter-styles .thumbnail-item img { position: absolute; inset: 0; }
#painter-styles .caption-label { inset: auto 0 0 0; max-width: none; border: 0;
  padding: 18px 5px 3px; border-radius: 0; font-size: 12px; line-height: 1.15; text-align: left; white-space: normal;
  color: #fff; background: linear-gradient(transparent, rgb(0 0 0 / .72)); }
#painter-styles .thumbnail-item:focus-visible {
  outline: 3px solid var(--color-accent); outline-offset: 1px; }
#painter-styles .thumbnail-item.selected { outline: 3px solid var(--color-accent); outline-offset: 1px; }

#painter-gallery .grid-wrap { padding: 0; }
#painter-gallery .caption-label { inset: auto auto 0 0; border: 0; border-radius: 0; padding: 2px 8px; color: #fff;
  background: rgb(0 0 0 / .65); }
#painter-gallery .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)); }
#painter-gallery .grid-container .thumbnail-item { width: 100%; height: auto; min-height: 0; aspect-ratio: 3 / 2;
  border: 0; border-radius: 2px; background: transparent; }
#painter-gallery .grid-container img { position: absolute; inset: 0; }

/* What is fine-tuned far below: the button that paints stays in sight, and on a desktop the wall does too. */
#painter-more { background: var(--block-background-fill); }
#painter-more .tabs { gap: 0; }
#painter-more .tabitem { padding: 8px 0 0; }
#painter-more .tabitem > .column { gap: 8px; }
#painter-board { isolation: isolate; } /* its tools pass under the button */
.actions { position: sticky; bottom: 0; z-index: 5; padding: 4px 0; background: var(--body-background-fill); }

#painter-result .empty::after { content: "Your painting will hang here."; font: italic 17px var(--serif);
  color: var(--body-text-color-subdued); }
#painter-result .empty .icon { display: none; }

/* The Style tab. Its strips of small pictures are those of every tab to come: class, not id. */
.pair { flex-wrap: nowrap; gap: 8px; }
.half { gap: 6px; min-width: 0 !important; }
.strip { background: transparent !important; border: 0 !important; padding: 0 !important; }
.strip .grid-wrap { height: auto !important; max-height: none; min-height: 0; overflow: visible; padding: 0; }
.strip .grid-container { gap: 4px; grid-auto-rows: auto; grid-template-rows: none; padding: 2px; margin: 0;
  grid-template-columns: repeat(6, minmax(0, 1fr)); }
.strip .thumbnail-item { width: 100%; height: auto; min-height: 0; aspect-ratio: 1; border: 0; border-radius: 2px; }
.strip .thumbnail-item img { position: absolute; inset: 0; }
.strip .caption-label { display: none; }
.strip .thumbnail-item:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 1px; }
#style-examples .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)); }
#style-examples .thumbnail-item { aspect-ratio: 13 / 6; }
.main-knobs .form, .pace-knobs .form, .group-knobs .form { display: grid; gap: 1px;
  grid-template-columns: repeat(3, minmax(0, 1fr)); }
.pace-knobs .form { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); }
.group-knobs .form { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.main-knobs .form > .block, .pace-knobs .form > .block, .group-knobs .form > .block { min-width: 0 !important; }
.main-knobs label span, .pace-knobs label span { white-space: nowrap; }
.main-knobs .min_value, .main-knobs .max_value, .pace-knobs .min_value, .pace-knobs .max_value { display: none; }
.main-knobs .tab-like-container, .pace-knobs .tab-like-container, .group-knobs .tab-like-container { flex: none; }
.main-knobs .head, .pace-knobs .head, .group-knobs .head { flex-wrap: nowrap; }
.main-knobs input[type=number], .pace-knobs input[type=number] { width: 46px !important; padding: 0 2px; }
.group-knobs .head input[type=number] { width: 58px !important; padding: 0 2px; }
.main-knobs .head button { display: none; }
#style-view { flex-basis: 100% !important; }
#style-keep { margin-left: 0; }
.group-knobs .form > .block:last-child:nth-child(odd) { grid-column: 1 / -1; }
.group h3 { font-size: 16px; margin: 4px 0 0; }
.hint p { margin: 0; font-size: 14px; color: var(--body-text-color-subdued); }
#style-editor { isolation: isolate; }
#style-result img { background: var(--background-fill-secondary) !important; }
#style-result .empty::after { content: "Your painting will hang here."; font: italic 17px var(--serif);
  color: var(--body-text-color-subdued); }
#style-result .empty .icon { display: none; }

/* The Upscale tab: details one pixel for one, cut by their frames rather than squeezed into them. */
.upscale-knobs .form { display: grid; gap: 1px; grid-template-columns: minmax(0, 11fr) minmax(0, 9fr); }
.upscale-knobs .form > .block { min-width: 0 !important; }
.upscale-knobs .wrap { gap: 2px; }
.upscale-knobs .wrap label { padding: 4px 6px; gap: 4px; }
.details { flex-wrap: nowrap; gap: 8px; }
.details > .block { min-width: 0 !important; }
.details img { object-fit: none !important; width: 100% !important; height: 100% !important; }
.details .empty .icon, .details .icon-button-wrapper { display: none; }
#upscale-photo img { cursor: crosshair; }
#upscale-result img { background: var(--background-fill-secondary) !important; }
#upscale-result .empty::after { content: "Your picture will hang here, larger."; font: italic 17px var(--serif);
  color: var(--body-text-color-subdued); }
#upscale-result .empty .icon { display: none; }

/* The Chain tab, and what sends results from any tab to any other. */
.chain-steps .form, .chain-knobs .form { display: grid; gap: 1px; grid-template-columns: repeat(3, minmax(0, 1fr)); }
.chain-steps .form > .block, .chain-knobs .form > .block { min-width: 0 !important; }
.chain-knobs .head { flex-wrap: nowrap; }
.chain-knobs .tab-like-container { flex: none; }
.chain-knobs input[type=number] { width: 46px !important; padding: 0 2px; }
.chain-knobs label > input[type=number] { width: 100% !important; padding: var(--input-padding); }
.chain-steps .wrap-inner, .chain-knobs .wrap-inner { padding: 8px 4px 8px 8px; }
.chain-knobs .head button, .chain-knobs .min_value, .chain-knobs .max_value { display: none; }
.bar { display: block; width: 100%; height: 8px; appearance: none; border: 0; border-radius: 4px; overflow: hidden;
  background: var(--border-color-primary); }
.bar::-webkit-progress-bar { background: var(--border-color-primary); }
.bar::-webkit-progress-value { background: var(--color-accent); }
.bar::-moz-progress-bar { background: var(--color-accent); }
#chain-result img { background: var(--background-fill-secondary) !important; }
#chain-result .empty::after { content: "Your picture will hang here."; font: italic 17px var(--serif);
  color: var(--body-text-color-subdued); }
#chain-result .empty .icon { display: none; }
.take .send { flex: 0 0 112px !important; width: 112px !important; min-width: 112px !important; }
.take .send input { padding: 0 2px 0 0; }

/* Several pictures, on every tab. */
.several { align-items: flex-start; gap: 12px; }
.several > .column { gap: 8px; }
.several .status { min-height: 0; }
.several .take .block { border: 0; background: transparent; }
.listing { list-style: none; margin: 0; padding: 0; font-size: 14px; font-variant-numeric: tabular-nums; }
.listing li { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 14px; padding: 5px 2px;
  border-bottom: 1px solid var(--border-color-primary); color: var(--body-text-color-subdued); }
.listing .name { color: var(--body-text-color); overflow-wrap: anywhere; }
.listing .done span + span::before { content: "✓ "; }
.listing .making span + span, .listing .failed span + span { color: var(--body-text-color); }
.listing .failed span + span::before { content: "✗ "; color: var(--color-accent); }

/* The Colour tab. */
#colour-files, #recipe-slot { min-height: 0; }
#recipe-slot { margin-top: 12px; }
#colour-files .wrap, #recipe-slot .wrap { line-height: 1.3; padding: 0; min-height: 0; }
#painter-examples .thumbnail-item, #colour-examples .thumbnail-item { aspect-ratio: 3 / 2; }
#colour-pictures .grid-container { padding: 4px; }
#colour-pictures .thumbnail-item.selected { outline: 3px solid var(--color-accent); outline-offset: 1px;
  box-shadow: none; }
.colour-knobs .form { grid-template-columns: minmax(0, 5fr) minmax(0, 3fr) minmax(0, 3fr); }
#colour-random { display: flex; align-items: end; padding-bottom: 18px; }
#colour-more .group-knobs, #colour-more .board, #colour-noise { isolation: isolate; } /* as #painter-board */
#colour-histogram .image-frame { width: 100%; }
#colour-histogram img { object-fit: fill !important; width: 100% !important; height: 90px !important; }
#colour-view { flex-basis: 100% !important; }
#colour-send { margin-right: 0; } /* alone in its row, below the button */
#colour-gallery .grid-wrap { padding: 0; }
#colour-gallery .grid-container { gap: 6px; grid-auto-rows: auto; grid-template-rows: none; padding: 3px; margin: 0;
  grid-template-columns: repeat(4, minmax(0, 1fr)); }
#colour-gallery .thumbnail-item { width: 100%; height: auto; min-height: 0; aspect-ratio: 4 / 3; border: 0;
  border-radius: 2px; background: transparent; }
#colour-gallery .grid-container img { position: absolute; inset: 0; }
#colour-gallery .caption-label { inset: auto auto 0 0; border: 0; border-radius: 0; padding: 2px 8px; color: #fff;
  background: rgb(0 0 0 / .65); }
#colour-result img { background: var(--background-fill-secondary) !important; }
#colour-result .empty::after { content: "Your colours will hang here."; font: italic 17px var(--serif);
  color: var(--body-text-color-subdued); }
#colour-result .empty .icon { display: none; }

@media (min-width: 701px) {
  .wall { position: sticky; top: 8px; align-self: flex-start; }
}

@media (max-width: 700px) {
  .gradio-container .main { padding: 4px 12px 16px !important; }
  .masthead { flex-wrap: wrap; gap: 0 16px; }
  .top { flex-wrap: wrap; }
  .top > :first-child { flex: 1 0 100% !important; }
  .masthead p { order: 1; font-size: 15px; line-height: 1.35; }
  .gradio-container .tab-container button[role=tab] { padding: 0 8px !important; }
  .gradio-container .actions button { padding-left: 8px; padding-right: 8px; line-height: 1.15; }
  #painter-styles .caption-label { font-size: 11px; padding-left: 4px; padding-right: 2px; }
  #painter-styles .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  #painter-gallery .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  #painter-result { height: 340px !important; }
  /* Else a standing picture overflows the box, and photo and painting lie at different heights. */
  #painter-result img { max-height: 340px !important; }
  #style-result, #style-sheet { height: 340px !important; }
  #style-result img { max-height: 340px !important; }
  .main-knobs .form, .pace-knobs .form, .group-knobs .form { grid-template-columns: minmax(0, 1fr); }
  .upscale-knobs .form { grid-template-columns: minmax(0, 1fr); }
  #upscale-result img { max-height: 264px !important; }
  #chain-result { height: 340px !important; }
  #chain-result img { max-height: 340px !important; }
  .chain-steps .form > .block { padding: 8px 6px; }
  .chain-steps .wrap-inner { padding: 8px 0 8px 6px; }
  .chain-steps input { font-size: 14px; padding-right: 20px !important; text-overflow: ellipsis; }
  .chain-knobs .form { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  #style-paintings .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  #style-examples .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  #style-view .wrap { flex-wrap: wrap; }
  #style-view { min-width: 0 !important; }
  #colour-result, #colour-guesses { height: 340px !important; }
  #colour-result img { max-height: 340px !important; }
  #colour-gallery, #colour-gallery .grid-wrap { height: auto !important; max-height: none; }
  #colour-gallery .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  #colour-view { min-width: 0 !important; }
  #colour-view .wrap { flex-wrap: wrap; }
  /* The result comes right after the buttons, and what is folded away behind it. */
  .studio:has(#style-go) { flex-direction: column; }
  .bench:has(#style-go) { display: contents; }
  .studio:has(#style-go) > .wall { order: 1; align-self: stretch; width: auto; }
  #style-regions, #style-options, #style-resume { order: 2; }
}
"""
# What hangs on an empty wall is said by the rules above.
CSS += "".join(
    f':lang(es) {wall} {{ content: "{SPANISH.get(text, text)}"; }}\n'
    for wall, text in re.findall(r'(#[\w-]+ \.empty::after) { content: "([^"]+)"', CSS)
)
