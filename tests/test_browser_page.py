"""The whole page in headless Chromium: all tabs, in both languages, on a phone, by keyboard and by screen reader."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from artcore.studio import hub, shared, words
from tests.hub_server import serve, write_catalog
from tests.test_app_chain import add_colorizer
from tests.test_app_style import add_encoder
from tests.test_browser import DESKTOP, PHONE, browser, scrolls_sideways, settle, visits  # noqa: F401
from tests.upscale_net import add_upscalers

pytestmark = pytest.mark.slow

TABS = list(hub.TABS)
# What a reader hears nothing of: a control's role without a name behind it.
NAMELESS = re.compile(
    r"^\s*- (?:button|link|textbox|combobox|listbox|slider|spinbutton|checkbox|radio|tab|progressbar)(?: \[.*\])?:?$",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = add_colorizer(add_upscalers(add_encoder(write_catalog(tmp_path_factory.mktemp("weights")))))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    shared._tasks.clear()
    with serve() as address:
        yield address
    shared._tasks.clear()
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


@pytest.fixture
def visit(browser, url: str) -> Iterator[Callable]:  # noqa: F811
    """Opens the page."""
    with visits(browser, url, 90_000) as open_page:

        def ready(viewport: dict = DESKTOP, locale: str = "en-GB"):
            page = open_page(viewport, locale=locale)
            page.locator("#painter-go").wait_for()
            return page

        yield ready


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.png"
    Image.radial_gradient("L").resize((48, 36)).convert("RGB").save(path)
    return path


def turn_to(page, tab: str) -> None:
    page.locator("button[role=tab]:visible").nth(TABS.index(tab)).click()
    page.locator(f"#{tab.lower()}-go").wait_for()
    settle(page)


def unfold(page) -> None:
    """Opens whatever is folded away in the tab that is seen."""
    for fold in page.locator(".bench button.label-wrap:visible").all():
        if fold.get_attribute("aria-expanded") != "true" and "open" not in (fold.get_attribute("class") or "").split():
            fold.click()
    settle(page)


def said(page) -> set[str]:
    """The texts that can be read on the page as it stands, and the names that a screen reader says."""
    return set(
        page.evaluate(
            """() => {
            const told = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (walk.nextNode()) {
                const e = walk.currentNode.parentElement;
                if (e.checkVisibility() && !e.closest('script, style, footer')) told.push(walk.currentNode.data.trim());
            }
            for (const e of document.querySelectorAll('[placeholder], img[alt], [aria-label]'))
                if (e.checkVisibility()) told.push(e.placeholder, e.alt, e.ariaLabel);
            return told.filter(Boolean); }"""
        )
    )


@pytest.mark.parametrize("locale", ["en-GB", "es-ES"])
def test_all_of_it_fits_a_phone_and_is_in_one_language(visit: Callable, locale: str) -> None:
    page = visit(PHONE, locale)
    seen: set[str] = set()
    for tab in TABS:
        turn_to(page, tab)
        unfold(page)
        assert not scrolls_sideways(page), tab
        for inner in page.locator(".bench button[role=tab]:visible").all():
            inner.click()
            settle(page)
            assert not scrolls_sideways(page), (tab, inner.inner_text())
            seen |= said(page)
        seen |= said(page)
    assert page.evaluate("document.documentElement.lang") == locale[:2]
    both = {(english, spanish) for english, spanish in words.SPANISH.items() if english != spanish}
    english, spanish = ({pair[n] for pair in both} - {pair[1 - n] for pair in both} for n in (0, 1))
    ours, others = (english, spanish) if locale == "en-GB" else (spanish, english)
    assert len(seen & ours) > 100
    assert not seen & others


def test_a_visit_in_spanish_from_upload_to_result(visit: Callable, photo: Path, tmp_path: Path) -> None:
    page = visit()
    assert page.get_by_text("Choose a photo, choose a style, paint.").is_visible()
    page.get_by_role("link", name="Español").click()  # what the browser asked for is not the last word
    page.get_by_text("Elige una foto, elige un estilo y pinta.").wait_for()
    page.locator("#painter-go").wait_for()
    settle(page)
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    page.locator("#painter-photo input[type=file]").set_input_files(torn)
    page.get_by_text("torn.jpg está dañado o incompleto").wait_for()
    done = {"painter": "hecho en", "upscale": "hecho en", "chain": "hecho en", "colour": "coloreado en"}
    for tab in ("Colour", "Upscale", "Chain"):
        turn_to(page, tab)
        field = "files" if tab == "Colour" else "photo"
        page.locator(f"#{tab.lower()}-{field} input[type=file]").set_input_files(photo)
        page.get_by_text("tarda unos").locator("visible=true").first.wait_for()
        page.locator(f"#{tab.lower()}-go").click()
        page.get_by_text(done[tab.lower()]).locator("visible=true").first.wait_for()
    turn_to(page, "Style")
    page.locator("#style-photo input[type=file]").set_input_files(photo)
    page.get_by_text("Pintar tarda unos").wait_for()
    page.goto(page.url.partition("?")[0])  # it is remembered
    page.get_by_text("Elige una foto, elige un estilo y pinta.").wait_for()
    page.get_by_role("link", name="English").click()
    page.get_by_text("Choose a photo, choose a style, paint.").wait_for()


def test_a_screen_reader_hears_a_name_for_every_control_and_picture(visit: Callable) -> None:
    page = visit({"width": 1280, "height": 1600})
    for tab in TABS:
        turn_to(page, tab)
        unfold(page)
        for inner in [None, *page.locator(".bench button[role=tab]:visible").all()]:
            if inner is not None:
                inner.click()
                settle(page)
            heard = page.locator("main").first.aria_snapshot()
            assert heard.count("- button") > 5
            assert not NAMELESS.findall(heard), (tab, NAMELESS.findall(heard))
        mute = page.locator("img:visible").evaluate_all("all => all.filter(e => !e.alt).map(e => e.outerHTML)")
        assert not mute, tab


def test_keyboard_goes_from_top_to_bottom_and_is_seen(visit: Callable) -> None:
    page = visit()
    page.locator("h1").first.click()
    reached, unseen = [], []
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate(
            """() => { const e = document.activeElement, box = e.getBoundingClientRect();
            const shown = n => { const s = getComputedStyle(n); return s.outlineStyle !== 'none' &&
                parseFloat(s.outlineWidth) > 0 || s.boxShadow !== 'none'; };
            return { id: e.id || e.closest('[id^=painter]')?.id || '', tag: e.tagName, box: [box.width, box.height],
                name: e.ariaLabel || e.innerText || e.title || '',
                seen: shown(e) || (e.closest('label, .wrap, .container') && shown(e.closest('label, .wrap, .container'))
                ) }; }"""
        )
        reached.append(at)
        if not at["seen"] and at["tag"] != "BODY":
            unseen.append((at["tag"], at["id"], at["name"]))
        if at["id"] == "painter-all":
            break
    names = [at["name"].strip() for at in reached]
    ids = [at["id"] for at in reached]
    assert names[:2] == ["English", "Español"] and "Painter" in names[2:8]
    order = [
        ids.index(id) for id in ("painter-photo", "painter-examples", "painter-styles", "painter-go", "painter-all")
    ]
    assert order == sorted(order)
    assert not unseen
