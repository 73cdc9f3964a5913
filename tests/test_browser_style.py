"""The Style tab in headless Chromium: what a visitor sees, clicks and brushes."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artcore import image as pictures
from artcore.load import load
from artcore.studio import shared, style
from artcore.tasks.style import PRESETS, Snapshot, StyleOptions, StyleTransfer
from tests.hub_server import serve, write_catalog
from tests.test_app_style import add_encoder
from tests.test_browser import DESKTOP, PHONE, browser, contrast, inside, scrolls_sideways, settle, visits  # noqa: F401

pytestmark = pytest.mark.slow

QUICK = {"Size": 128, "Steps": 10, "Scales": 1}
OPTIONS = StyleOptions(size=128, steps=10, pyramid=1)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = add_encoder(write_catalog(tmp_path_factory.mktemp("weights")))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    shared._tasks.clear()
    with serve() as address:
        yield address
    shared._tasks.clear()
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


@pytest.fixture
def visit(browser, url: str) -> Iterator[Callable]:  # noqa: F811
    """Opens the tab."""
    with visits(browser, url, 60_000) as open_page:

        def ready(*viewport: dict, **options: object):
            page = open_page(*viewport, **options)
            page.get_by_role("tab", name="Style").click()
            page.locator("#style-go").wait_for()
            settle(page)
            return page

        yield ready


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    for name, size in (("harbour", (48, 64, 3)), ("canvas", (80, 64, 3)), ("other", (64, 64, 3))):
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    return {path.stem: path for path in tmp_path.glob("*.png")}


def expand(page, id: str) -> None:
    page.locator(f"#{id} button").first.click()
    settle(page)


def choose(page, files: dict, **options: float) -> None:
    """Photo, painting and options, by hand."""
    page.locator("#style-photo input[type=file]").set_input_files(files["harbour"])
    page.locator("#style-painting").get_by_label("Clear").or_(
        page.locator("#style-painting").get_by_label("Remove Image")
    ).first.click()
    page.locator("#style-painting input[type=file]").set_input_files(files["canvas"])
    page.get_by_text("Painting takes about").wait_for()
    expand(page, "style-options")
    for label, value in {**QUICK, **options}.items():
        field = page.get_by_label(f"number input for {label}", exact=True)
        field.fill(str(value))
        field.press("Tab")
        settle(page)
    page.get_by_text(f"{options.get('Steps', QUICK['Steps'])} steps, {QUICK['Size']} pixels").wait_for()
    expand(page, "style-options")


def paint(page) -> None:
    page.locator("#style-go").click()
    page.get_by_text("painted in").wait_for()
    page.locator("#style-download").wait_for()


def download(page, id: str = "style-download") -> tuple[str, bytes]:
    settle(page)
    with page.expect_download() as taken:
        page.locator(f"#{id}").click()
    return taken.value.suggested_filename, Path(taken.value.path()).read_bytes()


class Slow:
    """Makes every step take a while, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.steps, original = 0, StyleTransfer.run

        def run(task: StyleTransfer, *given: object, **named: object) -> Iterator[Snapshot]:
            for snapshot in original(task, *given, **named):
                self.steps += 1
                time.sleep(0.05)
                yield snapshot

        monkeypatch.setattr(StyleTransfer, "run", run)


def test_photo_and_painting_to_picture_and_sheets(visit: Callable, files: dict) -> None:
    page = visit()
    assert not page.locator("#style-download").is_visible()
    choose(page, files)
    paint(page)
    assert page.locator("#style-result img").count() >= 2
    expected = load("encoder")(files["harbour"], files["canvas"], options=OPTIONS)
    name, data = download(page)
    assert name == "harbour canvas.png" and data == pictures.encode(expected, "PNG")
    page.get_by_label("JPEG").check()
    name, data = download(page)
    assert name == "harbour canvas.jpg" and Image.open(io.BytesIO(data)).format == "JPEG"
    for label, suffix, frames in (("Contact sheet", "sheet.webp", 1), ("Loss curves", "losses.png", 1)):
        page.get_by_label(label, exact=True).check()
        page.locator("#style-sheet img").wait_for()
        name, data = download(page)
        assert name == f"harbour canvas {suffix}" and getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == frames
    page.get_by_label("Film", exact=True).check()
    name, data = download(page)
    assert name == "harbour canvas film.webp" and Image.open(io.BytesIO(data)).n_frames >= 2
    assert not page.locator("#style-keep").is_visible() and not page.locator("#style-onward").is_visible()


def test_stop_keeps_the_picture_and_going_on_is_exact(
    visit: Callable, files: dict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = visit()
    choose(page, files, Steps=120)
    slow = Slow(monkeypatch)
    page.locator("#style-go").click()
    page.get_by_text("of 120 · ").first.wait_for()
    page.locator("#style-result img").first.wait_for()  # a preview, while it is made
    settle(page)
    page.locator("#style-stop").click()
    page.get_by_text("Stopped at step").wait_for()
    page.locator("#style-keep").wait_for()
    reached = slow.steps
    assert reached < 120
    stopped = download(page)[1]
    assert Image.open(io.BytesIO(stopped)).size == (128, 96)
    name, state = download(page, "style-keep")
    assert name == f"harbour canvas step {reached}.safetensors"
    time.sleep(0.3)
    assert slow.steps == reached  # nothing runs on
    monkeypatch.undo()

    options = StyleOptions(size=128, steps=120, pyramid=1)
    expected = pictures.encode(load("encoder")(files["harbour"], files["canvas"], options=options), "PNG")
    assert stopped != expected
    page.locator("#style-onward").click()
    page.get_by_text("painted in").wait_for()
    page.locator("#style-download").wait_for()
    assert download(page)[1] == expected

    (tmp_path / "kept.safetensors").write_bytes(state)  # and for another visitor, from the file
    page = visit()
    expand(page, "style-resume")
    page.locator("#style-file input[type=file]").set_input_files(tmp_path / "kept.safetensors")
    page.get_by_text("kept.safetensors").first.wait_for()
    settle(page)
    page.locator("#style-resume-go").click()
    page.get_by_text("painted in").wait_for()
    page.locator("#style-download").wait_for()
    assert download(page) == ("kept.png", expected)
    expand(page, "style-options")
    for label, value in {**QUICK, "Steps": 120}.items():  # its options stand where they can be read and changed
        assert page.get_by_label(f"number input for {label}", exact=True).input_value() == str(value)


def test_examples_presets_and_seconds_before_the_click(visit: Callable) -> None:
    page = visit()
    page.locator("#style-examples button").first.click()
    said = page.get_by_text("Painting takes about")
    said.wait_for()
    default = StyleOptions()
    assert f"{default.steps} steps, {default.size} pixels on the longer side" in said.first.inner_text()
    for name, label in style.PRESET_NAMES.items():
        options = StyleOptions.preset(name)
        page.get_by_label("Preset").click()
        page.get_by_role("option", name=label).click()
        side = "high" if options.side == "height" else "on the longer side"
        page.get_by_text(f"{options.steps} steps, {options.size} pixels {side}").wait_for()
        shown = page.get_by_label("number input for Style", exact=True)
        page.wait_for_function(f"e => Number(e.value) === {options.style}", arg=shown.element_handle())
    assert set(style.PRESET_NAMES) == set(PRESETS)
    page.get_by_label("Preset").click()
    page.get_by_role("option", name="Ours").click()
    page.get_by_text(f"{default.steps} steps, {default.size} pixels on the longer side").wait_for()
    settle(page)
    budget = page.locator("input[aria-label^='number input for Best in']")
    budget.fill("20")
    budget.press("Tab")
    page.get_by_text("are chosen for 20 s").wait_for()


def test_raw_weights_of_a_preset_can_be_painted_with(visit: Callable, files: dict) -> None:
    """They are far beyond the sliders' ends."""
    page = visit()
    page.get_by_label("Preset").click()
    page.get_by_role("option", name="Document 002").click()
    shown = page.get_by_label("number input for Style", exact=True)
    page.wait_for_function("e => Number(e.value) === 10000", arg=shown.element_handle())
    page.locator("#style-photo input[type=file]").set_input_files(files["harbour"])
    page.locator("#style-paintings button").first.click()
    expand(page, "style-options")
    for label, value in QUICK.items():
        field = page.get_by_label(f"number input for {label}", exact=True)
        field.fill(str(value))
        field.press("Tab")
    page.get_by_text("10 steps, 128 pixels high").wait_for()
    paint(page)


def test_raw_weights_of_ones_own_can_be_painted_with(
    visit: Callable, files: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, original = [], StyleTransfer.run

    def noted(task: StyleTransfer, *given: object, **named: object) -> Iterator[Snapshot]:
        asked.append(named["options"])
        return original(task, *given, **named)

    monkeypatch.setattr(StyleTransfer, "run", noted)
    page = visit()
    choose(page, files)
    expand(page, "style-options")
    for weights, most in (("raw", 100_000), ("shares", 5), ("raw", 100_000)):
        page.get_by_label("Weights are").click()
        page.get_by_role("option", name=weights).click()
        style_ = page.get_by_label("number input for Style", exact=True)
        page.wait_for_function(f"e => Number(e.max) === {most}", arg=style_.element_handle())
    for label, value in (("Style", 10_000), ("Smoothness", 1000)):
        field = page.get_by_label(f"number input for {label}", exact=True)
        field.fill(str(value))
        field.press("Tab")
        settle(page)
    paint(page)
    assert (asked[0].weights, asked[0].style, asked[0].smoothness) == ("raw", 10_000, 1000)


def test_a_thumbnail_hangs_where_it_is_told_to(visit: Callable) -> None:
    page = visit()
    expand(page, "style-regions")
    page.get_by_label("second", exact=True).check()
    page.locator("#style-paintings button").nth(1).click()
    page.locator("#style-painting-2 img").wait_for()
    assert page.locator("#style-painting-3 img").count() == 0


def test_brushed_region_goes_to_the_second_painting(
    visit: Callable, files: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict = {}
    original = StyleTransfer.run

    def noted(task: StyleTransfer, *given: object, **named: object) -> Iterator[Snapshot]:
        asked.update(named, styles=given[1])
        return original(task, *given, **named)

    monkeypatch.setattr(StyleTransfer, "run", noted)
    Image.open(files["harbour"]).resize((640, 480)).save(files["harbour"])  # large enough to brush on
    page = visit({"width": 1280, "height": 1500})
    choose(page, files)
    expand(page, "style-regions")
    page.locator("#style-painting-2 input[type=file]").set_input_files(files["other"])
    page.locator("#style-painting-2 img").wait_for()
    canvas = page.locator("#style-editor canvas").first
    canvas.wait_for()
    page.wait_for_timeout(2000)
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1], steps=8)
    page.mouse.up()
    page.wait_for_timeout(1000)
    paint(page)
    assert len(asked["styles"]) == 2
    first, second = (np.asarray(mask) > 0 for mask in asked["masks"])
    assert np.array_equal(first, ~second)
    rows, columns = np.nonzero(second)
    height, width = second.shape
    assert 0.005 < second.mean() < 0.5
    assert abs(rows.mean() / height - 0.5) < 0.15 and 0.45 < columns.mean() / width < 0.75


def test_mistakes_are_sentences_and_the_next_click_works(visit: Callable, files: dict, tmp_path: Path) -> None:
    page = visit()
    page.locator("#style-go").click()
    page.get_by_text("There is no photo yet").wait_for()
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    page.locator("#style-photo input[type=file]").set_input_files(tmp_path / "torn.jpg")
    page.get_by_text("torn.jpg is damaged or cut short").wait_for()
    page.locator("#style-photo").get_by_label("Clear").or_(
        page.locator("#style-photo").get_by_label("Remove Image")
    ).first.click()
    expand(page, "style-resume")
    page.locator("#style-resume-go").click()
    page.get_by_text("There is no resume file yet").wait_for()
    choose(page, files)
    paint(page)


def test_desktop_is_one_screen(visit: Callable, files: dict) -> None:
    page = visit(DESKTOP)
    choose(page, files)
    page.evaluate("scrollTo(0, 0)")
    assert inside(page, "#style-go") and inside(page, "#style-result")
    assert inside(page, "#style-photo") and inside(page, "#style-paintings")
    paint(page)
    assert page.evaluate("scrollY") == 0
    for seen in ("#style-result", "#style-go", "#style-resume"):
        assert inside(page, seen), seen
    bottom = page.locator("#style-download").bounding_box()
    assert bottom["y"] + bottom["height"] <= DESKTOP["height"]
    left, right = (page.locator(s).bounding_box() for s in ("#style-photo", "#style-result"))
    assert right["x"] > left["x"] + left["width"]
    assert not scrolls_sideways(page)


def test_phone_is_one_column_with_the_result_behind_the_button(visit: Callable, files: dict) -> None:
    page = visit(PHONE)
    choose(page, files)
    paint(page)
    assert not scrolls_sideways(page)
    button, result = (page.locator(s).bounding_box() for s in ("#style-go", "#style-result"))
    assert 0 < result["y"] - (button["y"] + button["height"]) < 60
    assert result["x"] >= 0 and result["x"] + result["width"] <= PHONE["width"]
    for part in ("#style-view label", "#style-download", "#style-photo", "#style-paintings"):
        for box in [e.bounding_box() for e in page.locator(part).all()]:
            assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"], part
    assert page.locator("#style-regions").bounding_box()["y"] > result["y"] + result["height"]
    for id in ("style-options", "style-regions"):
        expand(page, id)
        assert not scrolls_sideways(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(visit: Callable, scheme: str) -> None:
    page = visit(DESKTOP, color_scheme=scheme)
    expand(page, "style-regions")
    for selector in (".hint p", "#style-go", "#style-regions button", ".main-knobs label span"):
        colour, ground = page.locator(f"{selector}:visible").first.evaluate(
            """e => { const colour = getComputedStyle(e).color; let b = e, ground;
            do { ground = getComputedStyle(b).backgroundColor; b = b.parentElement }
            while (b && /, 0\\)$|transparent/.test(ground)); return [colour, ground] }"""
        )
        assert contrast(colour, ground) >= 4.5, (selector, colour, ground)  # WCAG 2.2, 1.4.3


def test_pictures_and_controls_have_names(visit: Callable, files: dict) -> None:
    page = visit()
    choose(page, files)
    paint(page)
    for strip in ("#style-examples", "#style-paintings"):
        assert all(page.locator(f"{strip} img").evaluate_all("all => all.map(e => e.alt)"))
    assert page.get_by_alt_text("The painting whose manner it gets").count() == 1
    expand(page, "style-options")
    nameless = page.evaluate(
        """[...document.querySelectorAll('.bench input:not([type=file]), .bench button, .wall button')].filter(e =>
        e.offsetParent && !(e.ariaLabel || e.title || e.innerText.trim() || e.labels?.length)).map(e => e.outerHTML)"""
    )
    assert not nameless
