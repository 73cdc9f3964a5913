"""The Upscale tab in headless Chromium: what a visitor sees and clicks."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import artcore
from artcore import image as pictures
from artcore import load
from artcore.models.enhancenet import EnhanceNet
from artcore.studio import shared
from artcore.studio import upscale as tab
from artcore.tasks import upscale as task
from tests.hub_server import serve, write_catalog
from tests.test_browser import (  # noqa: F401
    DESKTOP,
    PHONE,
    browser,
    contrast,
    inside,
    scrolls_sideways,
    settle,
    visits,
)
from tests.upscale_net import add_upscalers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = add_upscalers(write_catalog(tmp_path_factory.mktemp("weights")))
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
            page.get_by_role("tab", name="Upscale").click()
            page.locator("#upscale-go").wait_for()
            settle(page)
            return page

        yield ready


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """150 x 100, in which each place is told from the others by its colours: red grows with x, and green with y."""
    pixels = np.zeros((100, 150, 3), np.uint8)
    pixels[..., 0] = np.linspace(40, 215, 150)
    pixels[..., 1] = np.linspace(40, 215, 100)[:, None]
    pixels[..., 2] = np.random.default_rng(0).integers(90, 160, (100, 150))
    Image.fromarray(pixels).save(tmp_path / "harbour.png")
    return tmp_path / "harbour.png"


def upload(page, photo: Path) -> None:
    page.locator("#upscale-photo input[type=file]").set_input_files(photo)
    page.get_by_text("takes about").wait_for()
    page.locator("#upscale-detail img").wait_for()


def enlarge(page) -> None:
    page.locator("#upscale-go").click()
    page.get_by_text("made in").wait_for()
    page.locator("#upscale-result img").first.wait_for()


def download(page) -> tuple[str, bytes]:
    settle(page)
    with page.expect_download() as taken:
        page.locator("#upscale-download").click()
    return taken.value.suggested_filename, Path(taken.value.path()).read_bytes()


def set_slider(page, label: str, value: float) -> None:
    number = page.get_by_role("spinbutton", name=f"number input for {label}")  # of this tab: others are hidden
    number.fill(str(value))
    number.press("Enter")


def picture(page, id: str) -> Image.Image:
    """What a component shows."""
    source = page.locator(f"#{id} img").get_attribute("src")
    return Image.open(io.BytesIO(page.request.get(source).body())).convert("RGB")


def until(page, id: str, expected: Image.Image) -> None:
    """Waits until a component shows that, but for what encoding it has cost."""
    deadline = time.monotonic() + 60
    while True:
        seen = picture(page, id)
        if seen.size == expected.size and abs(np.asarray(seen, int) - np.asarray(expected, int)).max() <= 1:
            return
        assert time.monotonic() < deadline, (seen.size, expected.size)
        page.wait_for_timeout(200)


def test_picture_to_larger_picture_to_file(visit: Callable, photo: Path) -> None:
    page = visit()
    assert not page.locator("#upscale-download").is_visible()
    upload(page, photo)
    assert page.get_by_text("150 × 100 to 600 × 400").is_visible()
    enlarge(page)
    assert page.locator("#upscale-result img").count() >= 2  # bicubic and enlarged
    (*_, last) = artcore.load("enhancenet.fidelity").run(photo)
    assert page.get_by_text(f"reduced again, {last.error:.1f} dB from your picture").is_visible()
    assert page.get_by_text("takes about").is_visible()  # what was foretold stays, on a line of its own
    assert download(page) == ("harbour x4.png", pictures.encode(last.image))
    for label, name, format in (("JPEG", "jpg", "JPEG"), ("WebP", "webp", "WEBP")):
        page.locator("#component-0, body").get_by_label(label, exact=True).locator("visible=true").check()
        assert download(page) == (f"harbour x4.{name}", pictures.encode(last.image, format))


def test_details_one_for_one_where_somebody_points(visit: Callable, photo: Path) -> None:
    page = visit()
    upload(page, photo)
    upscaler = artcore.load("enhancenet.fidelity")
    box = page.locator("#upscale-photo img").bounding_box()
    shown = min(box["width"] / 150, box["height"] / 100, 1)  # pixels of the screen for one of it, in the middle
    for x, y in ((30, 80), (120, 30)):
        across, down = box["width"] / 2 + (x + 0.5 - 75) * shown, box["height"] / 2 + (y + 0.5 - 50) * shown
        page.locator("#upscale-photo img").click(position={"x": across, "y": down})
        left, top = min(max(0, x - 45), 150 - 91), min(max(0, y - 30), 100 - 60)
        part = (left, top, left + 91, top + 60)
        until(page, "upscale-detail", upscaler(photo, box=part))
        until(page, "upscale-bicubic", upscaler(photo, box=part, strength=0))
    shown = page.locator("#upscale-detail img").evaluate("e => getComputedStyle(e).objectFit")
    assert shown == "none"  # one pixel for one


def test_a_large_result_is_compared_around_the_detail(
    visit: Callable, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "PREVIEW", 300)
    monkeypatch.setattr(tab, "COMPARED", (200, 120))
    page = visit()
    upload(page, photo)
    enlarge(page)
    page.get_by_text("shown is the part around the detail").wait_for()
    sizes = page.locator("#upscale-result img").evaluate_all("all => all.map(e => [e.naturalWidth, e.naturalHeight])")
    assert [200, 120] in sizes and [600, 400] not in sizes


def test_model_blend_scale_and_strength(visit: Callable, photo: Path) -> None:
    page = visit()
    upload(page, photo)
    page.get_by_label("×2", exact=True).check()
    page.get_by_text("150 × 100 to 300 × 200").wait_for()
    set_slider(page, "Strength", 0.5)
    set_slider(page, "Blend: fidelity → texture", 0.25)
    settle(page)
    enlarge(page)
    page.get_by_text("Fidelity 75 % + Texture 25 %").wait_for()
    blended = load.mix({"enhancenet.fidelity": 0.75, "enhancenet.texture": 0.25})
    assert download(page) == ("harbour x2.png", pictures.encode(blended(photo, scale=2, strength=0.5)))
    page.get_by_label("Photo", exact=True).locator("visible=true").check()
    page.get_by_label("number input for Blend: fidelity → texture").wait_for(state="hidden")  # nothing to blend
    page.locator("a[href$='cards/enhancenet.photo']").wait_for()
    set_slider(page, "Strength", 1)
    settle(page)
    enlarge(page)
    (*_, last) = artcore.load("enhancenet.photo").run(photo, scale=2)
    page.get_by_text(f"reduced again, {last.error:.1f} dB").wait_for()
    assert last.error < 40
    assert download(page)[1] == pictures.encode(last.image)
    page.locator("#upscale-more button").first.click()
    page.get_by_label("Reducing it gives your picture back").click()
    page.get_by_role("option", name="Yes").click()
    settle(page)
    enlarge(page)
    (*_, held) = artcore.load("enhancenet.photo").run(photo, scale=2, consistent=True)
    page.get_by_text(f"reduced again, {held.error:.1f} dB").wait_for()
    assert download(page)[1] == pictures.encode(held.image)


def test_stop(visit: Callable, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles, forward = 0, EnhanceNet.forward

    def slow(self: EnhanceNet, *given: object):
        nonlocal tiles
        tiles += 1
        time.sleep(0.05)
        return forward(self, *given)

    page = visit()
    upload(page, photo)
    monkeypatch.setattr(task, "TILE", 5)  # 600 tiles
    monkeypatch.setattr(EnhanceNet, "forward", slow)
    page.locator("#upscale-go").click()
    page.get_by_text("of 600 tiles").first.wait_for()
    for _ in range(10):
        settle(page)
        if page.locator("#upscale-stop").is_visible():
            with contextlib.suppress(Exception):  # it may go just now, since the first press was heard
                page.locator("#upscale-stop").click(timeout=1000)
        if page.get_by_text("Stopped.").is_visible():
            break
    page.get_by_text("Stopped.").wait_for()
    time.sleep(1)
    reached = tiles
    time.sleep(0.5)
    assert tiles == reached < 600
    monkeypatch.undo()
    enlarge(page)


def test_what_is_wrong_with_a_picture_is_said_before_the_click(visit: Callable, photo: Path, tmp_path: Path) -> None:
    page = visit()
    page.locator("#upscale-go").click()
    page.get_by_text("There is no photo yet").wait_for()
    Image.new("1", (4000, 2000)).save(tmp_path / "huge.png")
    page.locator("#upscale-photo input[type=file]").set_input_files(tmp_path / "huge.png")
    page.locator(".status").get_by_text("16000 x 8000 pixels, more than the limit of 100,000,000").wait_for()
    page.get_by_label("×3", exact=True).check()
    page.get_by_text("4000 × 2000 to 12000 × 6000").wait_for()
    page.locator("#upscale-photo").get_by_label("Clear").or_(
        page.locator("#upscale-photo").get_by_label("Remove Image")
    ).first.click()
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    page.locator("#upscale-photo input[type=file]").set_input_files(tmp_path / "torn.jpg")
    page.get_by_text("torn.jpg is damaged or cut short").wait_for()


def test_desktop_shows_everything_without_scrolling(visit: Callable, photo: Path) -> None:
    page = visit(DESKTOP)
    upload(page, photo)
    assert inside(page, "#upscale-go")
    enlarge(page)
    page.locator("#upscale-download").wait_for()
    assert page.evaluate("scrollY") == 0
    for part in ("go", "result", "bicubic", "detail"):
        assert inside(page, f"#upscale-{part}"), part
    bottom = page.locator("#upscale-download").bounding_box()
    assert bottom["y"] + bottom["height"] <= DESKTOP["height"]
    left, right = (page.locator(s).bounding_box() for s in ("#upscale-bicubic", "#upscale-detail"))
    assert left["y"] == right["y"] and right["x"] > left["x"] + left["width"]
    assert not scrolls_sideways(page)


def test_phone_is_one_column_with_the_result_behind_the_button(visit: Callable, photo: Path) -> None:
    page = visit(PHONE)
    upload(page, photo)
    enlarge(page)
    assert not scrolls_sideways(page)
    button, result = (page.locator(s).bounding_box() for s in ("#upscale-go", "#upscale-result"))
    assert 0 < result["y"] - (button["y"] + button["height"]) < 60
    assert result["x"] >= 0 and result["x"] + result["width"] <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(visit: Callable, photo: Path, scheme: str) -> None:
    page = visit(DESKTOP, color_scheme=scheme)
    upload(page, photo)
    for selector in (".note p", ".status p", "#upscale-go"):
        colour, ground = (
            page.locator(selector)
            .locator("visible=true")
            .first.evaluate(
                """e => { const colour = getComputedStyle(e).color; let b = e, ground;
            do { ground = getComputedStyle(b).backgroundColor; b = b.parentElement }
            while (b && /, 0\\)$|transparent/.test(ground)); return [colour, ground] }"""
            )
        )
        assert contrast(colour, ground) >= 4.5, (selector, colour, ground)  # WCAG 2.2, 1.4.3


def test_pictures_and_controls_have_names(visit: Callable, photo: Path) -> None:
    page = visit()
    upload(page, photo)
    enlarge(page)
    for text in ("The picture to be enlarged", "The detail, bicubic, 1 : 1", "The detail, enlarged, 1 : 1"):
        assert page.get_by_alt_text(text).count() == 1
    assert all(page.locator("#upscale-examples img").evaluate_all("all => all.map(e => e.alt)"))
    nameless = page.evaluate(
        """[...document.querySelectorAll('.bench input:not([type=file]), .bench button, .wall button')].filter(e =>
        e.offsetParent && !(e.ariaLabel || e.title || e.innerText.trim() || e.labels?.length ||
        e.querySelector('img[alt]'))).map(e => e.outerHTML)"""
    )
    assert not nameless
