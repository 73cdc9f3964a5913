"""A result is dropped onto the page in headless Chromium, and its settings come back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import artcore
from artcore import image as pictures
from tests.test_browser import (  # noqa: F401
    browser,
    download,
    paint,
    photo,
    scrolls_sideways,
    settle,
    upload,
    url,
    visit,
    weights,
)

pytestmark = pytest.mark.slow


def test_a_dropped_result_returns_to_its_settings_and_comes_out_again(
    visit: Callable,  # noqa: F811
    photo: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    made = artcore.load("stylenet.monet")(photo, strength=0.75, seed=41, light=0.5)
    pictures.save(made, tmp_path / "made.png")
    page = visit()
    page.get_by_role("tab", name="Style", exact=True).click()
    settle(page)
    page.locator("#recipe-slot input[type=file]").set_input_files(tmp_path / "made.png")
    page.get_by_text("The settings of this result are back.").wait_for()  # on the tab that made it
    assert page.locator("#painter-go").is_visible() and not scrolls_sideways(page)
    assert page.get_by_label("number input for Strength").locator("visible=true").input_value() == "0.75"
    upload(page, photo)
    paint(page)
    assert download(page)[1] == (tmp_path / "made.png").read_bytes()
    page.get_by_label("Recipe in the file").locator("visible=true").first.uncheck()
    assert download(page)[1] == pictures.encode(made, recipe=False)
    page.locator("#recipe-slot input[type=file]").set_input_files(photo)
    page.get_by_text("There is no recipe in this file").wait_for()
