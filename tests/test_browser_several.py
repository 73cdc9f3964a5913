"""Several pictures at once in headless Chromium: upload, run, Stop, one ZIP file, on a desktop and on a phone."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

import artcore
from artcore import image as pictures
from artcore.tasks import painter
from tests.test_browser import (  # noqa: F401
    DESKTOP,
    PHONE,
    browser,
    scrolls_sideways,
    set_slider,
    settle,
    url,
    visits,
    weights,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def visit(browser, url: str) -> Iterator[Callable]:  # noqa: F811
    """Opens the Painter tab, with what is for several pictures unfolded."""
    with visits(browser, url, 120_000) as open_page:

        def ready(viewport: dict):
            page = open_page(viewport)
            page.locator("#painter-go").wait_for()
            page.locator("#painter-several button").first.click()
            page.locator("#painter-several-go").wait_for()
            settle(page)
            return page

        yield ready


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two pictures, and one between them that is none; its name would be code in a page that trusted it."""
    paths = [tmp_path / name for name in ("harbour.png", "torn <b>&.jpg", "tower.png")]
    Image.radial_gradient("L").resize((60, 40)).convert("RGB").save(paths[0])
    paths[1].write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    Image.linear_gradient("L").resize((50, 40)).convert("RGB").save(paths[2])
    return paths


def choose(page, files: list[Path]) -> None:
    page.locator("#painter-several-files input[type=file]").set_input_files(files)
    page.get_by_text("2 of 3 pictures can be read").wait_for()
    settle(page)


def became(page, states: list[str]):
    """The lines of the pictures, once they say that this became of them."""
    page.wait_for_function(
        "states => [...document.querySelectorAll('#painter-several-list li')].map(e => e.className).join() === states",
        arg=",".join(states),
    )
    return page.locator("#painter-several-list li")


def archive(page) -> dict[str, bytes]:
    """What the ZIP file holds."""
    settle(page)
    with page.expect_download() as taken:
        page.locator("#painter-several-download").click()
    assert taken.value.suggested_filename == "painted.zip"
    with zipfile.ZipFile(taken.value.path()) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_two_pictures_and_a_sentence_in_one_zip_file(visit: Callable, files: list[Path], size: dict) -> None:
    page = visit(size)
    set_slider(page, "Strength", 0.5)  # as the tab is set
    assert not page.locator("#painter-several-download").is_visible()
    choose(page, files)
    assert page.locator("#painter-several-outlook").get_by_text("is damaged or cut short").is_visible()
    page.locator("#painter-several").get_by_label("JPEG").check()
    page.locator("#painter-several-go").click()
    page.locator("#painter-several-status").get_by_text("2 of 3 pictures").wait_for()
    lines = became(page, ["done", "failed", "done"])
    assert "is damaged or cut short" in lines.nth(1).inner_text()
    assert not scrolls_sideways(page)
    vangogh = artcore.load("stylenet.vangogh")
    assert archive(page) == {
        f"{files[n].stem} vangogh.jpg": pictures.encode(vangogh(files[n], strength=0.5), "JPEG") for n in (0, 2)
    }
    assert not page.locator("#painter-several-stop").is_visible()


def test_stop_keeps_what_is_done(visit: Callable, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run, going_on = painter.Painter.run, threading.Event()

    def halting(self: painter.Painter, source: object, **named: object) -> Iterator[painter.Snapshot]:
        if "tower" in str(source):
            while not going_on.wait(0.05):
                yield painter.Snapshot(0, 1)
        yield from run(self, source, **named)

    page = visit(DESKTOP)
    choose(page, files)
    monkeypatch.setattr(painter.Painter, "run", halting)
    try:
        page.locator("#painter-several-go").click()
        page.locator("#painter-several-list li.making").get_by_text("tower.png").wait_for()
        page.locator("#painter-several-stop").wait_for()
        settle(page)
        page.locator("#painter-several-stop").click()
        page.locator("#painter-several-status").get_by_text("stopped").wait_for()
    finally:
        going_on.set()
    monkeypatch.undo()
    became(page, ["done", "failed", "left"])
    assert list(archive(page)) == ["harbour vangogh.png"]
    page.locator("#painter-several-go").click()  # the place in the line is free
    page.locator("#painter-several-status").get_by_text("2 of 3 pictures").wait_for()


def test_nothing_chosen_is_a_sentence(visit: Callable) -> None:
    page = visit(DESKTOP)
    page.locator("#painter-several-go").click()
    page.get_by_text("There are no pictures yet: choose up to 10").wait_for()
