"""The Painter tab in headless Chromium: what a visitor sees and clicks."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops

import artcore
from artcore import image as pictures
from artcore import load
from artcore.models.stylenet import StyleNet
from artcore.studio import shared
from artcore.tasks import painter
from tests.hub_server import STYLES, serve, write_catalog

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Nothing but the page may be asked for: Chromium would look for updates and its own services.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = write_catalog(tmp_path_factory.mktemp("weights"))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    shared._tasks.clear()
    yield folder
    shared._tasks.clear()
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


@pytest.fixture(scope="module")
def url(weights: Path) -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: install it (apt-get install chromium) to run the browser tests")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: make test-all installs it")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def visits(browser, url: str, patience: int) -> Iterator[Callable]:
    """Opens pages, whose waits end after `patience` milliseconds; at the end, no request may have left this machine
    and no script may have failed."""
    contexts, complaints = [], []

    def open_page(viewport: dict = DESKTOP, **options: object):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(patience)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on(
            "request",
            lambda r: None if r.url.startswith((url, "data:", "blob:")) else complaints.append(f"left: {r.url}"),
        )
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def visit(browser, url: str) -> Iterator[Callable]:
    """Opens the page."""
    with visits(browser, url, 60_000) as open_page:

        def ready(*viewport: dict, **options: object):
            page = open_page(*viewport, **options)
            page.locator("#painter-go").wait_for()
            return page

        yield ready


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.png"
    Image.radial_gradient("L").resize((240, 160)).convert("RGB").save(path)
    return path


def upload(page, photo: Path) -> None:
    page.locator("#painter-photo input[type=file]").set_input_files(photo)
    page.get_by_text("takes about").wait_for()


def paint(page) -> None:
    page.locator("#painter-go").click()
    page.get_by_text("made in").wait_for()
    page.locator("#painter-result img").first.wait_for()


def settle(page) -> None:
    """Gradio listens to a button that was just shown only some frames later: a program is faster than that."""
    page.wait_for_timeout(500)


def stop(page) -> None:
    """Stops, as somebody would who presses again when nothing happens."""
    for _ in range(10):
        settle(page)
        if page.locator("#painter-stop").is_visible():
            with contextlib.suppress(Exception):  # it may go just now, since the first press was heard
                page.locator("#painter-stop").click(timeout=1000)
        if page.get_by_text("Stopped.").is_visible():
            break
    page.get_by_text("Stopped.").wait_for()


def download(page) -> tuple[str, bytes]:
    settle(page)
    with page.expect_download() as taken:
        page.locator("#painter-download").click()
    return taken.value.suggested_filename, Path(taken.value.path()).read_bytes()


def fine_control(page, tab: str) -> None:
    if not page.get_by_role("tab", name=tab, exact=True).is_visible():
        page.locator("#painter-more button").first.click()
    page.get_by_role("tab", name=tab, exact=True).click()
    settle(page)


def choose(page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def set_slider(page, label: str, value: float) -> None:
    number = page.get_by_label(f"number input for {label}")
    number.fill(str(value))
    number.press("Enter")


def inside(page, selector: str) -> bool:
    """Whether all of an element is in the window as it stands."""
    return page.locator(selector).first.evaluate(
        "e => { const r = e.getBoundingClientRect();"
        " return r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight && r.right <= innerWidth && r.height > 40 }"
    )


def scrolls_sideways(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_photo_to_painting_to_file(visit: Callable, photo: Path) -> None:
    page = visit()
    assert not page.locator("#painter-download").is_visible()
    upload(page, photo)
    assert page.get_by_text("240 × 160").is_visible()
    paint(page)
    assert page.locator("#painter-result img").count() >= 2  # before and after
    name, data = download(page)
    expected = artcore.load("stylenet.vangogh")(photo, strength=1.0, seed=0)
    assert name == "harbour vangogh.png"
    assert data == pictures.encode(expected, "PNG")
    page.get_by_label("JPEG").check()
    name, data = download(page)
    assert name == "harbour vangogh.jpg" and data == pictures.encode(expected, "JPEG")


def test_style_by_thumbnail_and_by_keyboard(visit: Callable, photo: Path) -> None:
    page = visit()
    upload(page, photo)
    style = page.get_by_role("listbox", name="Style").or_(page.get_by_label("Style", exact=True)).first
    page.locator("#painter-styles button").nth(list(STYLES).index("monet")).click()
    page.wait_for_function("e => e.value === 'Monet'", arg=style.element_handle())
    page.locator("a[href$='cards/stylenet.monet']").wait_for()  # the note's link follows the style
    style.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("Arte")
    page.keyboard.press("Enter")
    page.wait_for_function("e => e.value.startsWith('Arte')", arg=style.element_handle())
    paint(page)
    assert page.locator(".status").get_by_text("Arte Moderno (Art Nouveau)").is_visible()
    assert download(page)[1] == pictures.encode(artcore.load("stylenet.art_nouveau")(photo), "PNG")


def test_another_brush_is_shown_and_used(visit: Callable, photo: Path) -> None:
    page = visit()
    upload(page, photo)
    fine_control(page, "Brush")
    page.get_by_label("Another brush each time").check()
    paint(page)
    seed = int(page.get_by_label("Brush (seed)").input_value())
    assert page.get_by_text(f"brush {seed}").is_visible()
    assert download(page)[1] == pictures.encode(artcore.load("stylenet.vangogh")(photo, seed=seed), "PNG")


def test_all_styles_and_one_of_them_to_take_home(visit: Callable, photo: Path) -> None:
    page = visit()
    upload(page, photo)
    page.locator("#painter-all").click()
    page.get_by_text("choose one to download").wait_for()
    images = page.locator("#painter-gallery .thumbnail-item img")
    assert [image.get_attribute("alt") for image in images.all()] == list(STYLES.values())
    assert not page.locator("#painter-stop").is_visible()
    page.locator("#painter-gallery .thumbnail-item").first.click()
    page.locator("#painter-download").wait_for()
    first = next(iter(STYLES))
    name, data = download(page)
    assert name == f"harbour {first}.png"
    assert data == pictures.encode(artcore.load(f"stylenet.{first}")(photo), "PNG")


def test_stop(visit: Callable, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles, forward = 0, StyleNet.forward

    def slow(self: StyleNet, *given: object, **named: object):
        nonlocal tiles
        tiles += 1
        time.sleep(0.05)
        return forward(self, *given, **named)

    page = visit()
    upload(page, photo)
    monkeypatch.setattr(painter, "TILE", 8)  # 600 tiles
    monkeypatch.setattr(StyleNet, "forward", slow)
    page.locator("#painter-go").click()
    page.get_by_text("of 600 tiles").first.wait_for()
    stop(page)
    time.sleep(1)
    reached = tiles
    time.sleep(0.5)
    assert tiles == reached < 600
    monkeypatch.undo()
    paint(page)


def test_one_of_all_styles_after_a_stop_is_of_this_photo(
    visit: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit()
    upload(page, photo)
    paint(page)
    other = tmp_path / "other.png"
    Image.linear_gradient("L").resize((200, 120)).convert("RGB").save(other)
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    page.locator("#painter-photo input[type=file]").set_input_files(other)
    page.get_by_text("200 × 120").wait_for()
    second, run = list(STYLES)[1], painter.Painter.run
    waiting = threading.Event()

    def halting(self: painter.Painter, *given: object, **named: object) -> Iterator[painter.Snapshot]:
        if self is shared._tasks.get(f"stylenet.{second}"):
            while not waiting.wait(0.05):
                yield painter.Snapshot(0, 1)
        yield from run(self, *given, **named)

    monkeypatch.setattr(painter.Painter, "run", halting)
    page.locator("#painter-all").click()
    page.locator("#painter-gallery .thumbnail-item").first.wait_for()
    stop(page)
    waiting.set()
    page.locator("#painter-gallery .thumbnail-item").first.click()
    page.locator("#painter-download").wait_for()
    first = next(iter(STYLES))
    name, data = download(page)
    assert name == f"other {first}.png"
    assert data == pictures.encode(artcore.load(f"stylenet.{first}")(other), "PNG")


def test_what_is_kept_of_the_photo_and_larger_strokes(visit: Callable, photo: Path) -> None:
    page = visit()
    assert not page.get_by_role("tab", name="Mix").is_visible()  # nobody has to know of it
    upload(page, photo)
    fine_control(page, "Photo")
    set_slider(page, "Keep light", 0.75)
    set_slider(page, "Keep colours", 0.5)
    set_slider(page, "Keep fine detail", 0.25)
    fine_control(page, "Brush")
    set_slider(page, "Stroke size", 2)
    paint(page)
    expected = artcore.load("stylenet.vangogh")(photo, light=0.75, keep_colours=0.5, detail=0.25, stroke=2)
    assert download(page)[1] == pictures.encode(expected, "PNG")


def test_painters_are_mixed(visit: Callable, photo: Path) -> None:
    page = visit()
    upload(page, photo)
    fine_control(page, "Mix")
    choose(page, "Second painter", "Monet")
    paint(page)
    assert page.locator(".status").get_by_text("Van Gogh 70 % + Monet 30 %").is_visible()
    name, data = download(page)
    assert name == "harbour vangogh+monet.png"
    expected = load.mix({"stylenet.vangogh": 0.7, "stylenet.monet": 0.3})(photo)
    assert data == pictures.encode(expected, "PNG")
    choose(page, "Third painter", "Arte Moderno (Art Nouveau)")
    page.get_by_label("number input for Share of the mix").nth(1).fill("0.9")
    page.get_by_label("number input for Share of the mix").nth(1).press("Enter")
    page.locator(".status").get_by_text("come to 1 at most").wait_for()  # said before anybody presses Paint


def test_region_is_brushed_for_another_painter(visit: Callable, photo: Path, tmp_path: Path) -> None:
    page = visit()
    upload(page, photo)
    fine_control(page, "Regions")
    choose(page, "Who paints where it is red", "Monet")
    page.locator("#painter-go").click()
    page.get_by_text("A painter is chosen for red, but nothing is marked").wait_for()
    brush(page, 0.35)
    paint(page)
    painted = Image.open(io.BytesIO(download(page)[1]))
    vangogh, monet = (artcore.load(f"stylenet.{name}")(photo) for name in ("vangogh", "monet"))

    def of(painting: Image.Image, top: int, bottom: int) -> float:
        """Part of a band of rows that is exactly of this painting."""
        box = (0, top, 240, bottom)
        difference = ImageChops.difference(painted.crop(box), painting.crop(box)).convert("L")
        return difference.histogram()[0] / (240 * (bottom - top))

    assert of(monet, 50, 60) > 0.3 and of(vangogh, 50, 60) < 0.9
    assert of(vangogh, 110, 160) == 1
    choose(page, "Who paints where it is red", "Nobody")
    page.locator("#painter-go").click()
    page.get_by_text("Nobody paints what is marked for red").wait_for()
    # Another photo: what was brushed on this one is gone.
    Image.linear_gradient("L").resize((200, 120)).convert("RGB").save(tmp_path / "other.png")
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    page.locator("#painter-photo input[type=file]").set_input_files(tmp_path / "other.png")
    page.get_by_text("200 × 120").wait_for()
    settle(page)
    page.locator("#painter-go").click()
    page.get_by_text("made in").wait_for()


def brush(page, height: float) -> None:
    """A stroke across the photo on the board."""
    board = page.locator("#painter-board canvas").first
    board.scroll_into_view_if_needed()
    settle(page)
    box = board.bounding_box()
    y = box["y"] + box["height"] * height
    page.mouse.move(box["x"] + box["width"] * 0.2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, y, steps=12)
    page.mouse.up()
    settle(page)


def test_other_direction(browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(write_catalog(tmp_path / "weights", both_ways=("vangogh", "monet"))))
    monkeypatch.setattr(shared, "_tasks", {})
    with serve() as address, contextlib.closing(browser.new_context(viewport=DESKTOP)) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(address)
        page.locator("#painter-go").wait_for()
        assert inside(page, "#painter-go")
        page.get_by_label("Painting to photo").check()
        page.locator("#painter-go").get_by_text("Make a photo").or_(
            page.get_by_role("button", name="Make a photo")
        ).wait_for()
        styles = page.locator("#painter-styles img")
        assert styles.evaluate_all("all => all.map(e => e.alt)") == ["Van Gogh", "Monet"]
        page.locator("#painter-examples img[alt='Impression sunrise']").click()
        page.get_by_text("takes about").wait_for()
        paint(page)
        sunrise = shared.EXAMPLES / "style_impression_sunrise.jpg"
        expected = artcore.load("cyclegan.vangogh")(sunrise, direction="to_photo")
        assert download(page)[1] == pictures.encode(expected, "PNG")
        page.get_by_label("Photo to painting").check()
        page.get_by_role("button", name="Paint", exact=True).wait_for()
        assert page.locator("#painter-styles img").count() == len(STYLES)
        page.locator("#painter-examples img[alt='Two parrots']").wait_for()
        fine_control(page, "Brush")
        choose(page, "Method", "StyleNet: the statistics of brushwork, one way")
        paint(page)
        expected = artcore.load("stylenet.vangogh")(sunrise)
        assert download(page)[1] == pictures.encode(expected, "PNG")
        # That method makes no photos: the other direction is for the one that does.
        page.get_by_label("Painting to photo").check()
        page.get_by_role("button", name="Make a photo").wait_for()
        settle(page)
        assert not page.get_by_label("Method", exact=True).is_visible()
        page.locator("#painter-all").click()
        page.get_by_text("2 styles · ").wait_for()
        # A method is offered with the styles that it has.
        page.get_by_label("Photo to painting").check()
        page.get_by_label("Method", exact=True).wait_for()
        settle(page)
        choose(page, "Style", "Arte Moderno (Art Nouveau)")
        choose(page, "Method", "CycleGAN: learned from paintings, both ways")
        page.wait_for_function("document.querySelectorAll('#painter-styles img').length == 2")
        assert page.get_by_label("Style", exact=True).input_value() == "Van Gogh"
        choose(page, "Method", "The best there is")
        page.wait_for_function(f"document.querySelectorAll('#painter-styles img').length == {len(STYLES)}")
        assert not page.locator(".toast-body").is_visible()


def test_one_way_has_no_switch(visit: Callable) -> None:
    page = visit()
    assert not page.locator("#painter-direction").is_visible()
    fine_control(page, "Brush")
    assert page.get_by_label("Stroke size").first.is_visible()
    assert not page.get_by_label("Method", exact=True).is_visible()


def test_bad_picture_is_a_sentence_and_the_next_one_works(visit: Callable, photo: Path, tmp_path: Path) -> None:
    page = visit()
    page.locator("#painter-go").click()
    page.get_by_text("There is no photo yet").wait_for()
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    page.locator("#painter-photo input[type=file]").set_input_files(tmp_path / "torn.jpg")
    page.get_by_text("torn.jpg is damaged or cut short").wait_for()
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    upload(page, photo)
    paint(page)


def test_desktop_shows_the_result_without_scrolling(visit: Callable, photo: Path) -> None:
    page = visit(DESKTOP)
    upload(page, photo)
    assert inside(page, "#painter-go")
    paint(page)
    assert page.evaluate("scrollY") == 0
    assert inside(page, "#painter-result") and inside(page, "#painter-go")
    left, right = (page.locator(s).bounding_box() for s in ("#painter-photo", "#painter-result"))
    assert right["x"] > left["x"] + left["width"]
    assert not scrolls_sideways(page)


def test_phone_is_one_column_with_the_result_behind_the_button(visit: Callable, photo: Path) -> None:
    page = visit(PHONE)
    upload(page, photo)
    paint(page)
    assert not scrolls_sideways(page)
    button, result = (page.locator(s).bounding_box() for s in ("#painter-go", "#painter-result"))
    assert 0 < result["y"] - (button["y"] + button["height"]) < 60
    assert result["x"] >= 0 and result["x"] + result["width"] <= PHONE["width"]
    page.locator("#painter-all").click()
    page.get_by_text("choose one to download").wait_for()
    assert not scrolls_sideways(page)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_button_stays_in_sight_beside_the_fine_control(visit: Callable, photo: Path, size: dict) -> None:
    page = visit(size)
    upload(page, photo)
    for tab in ("Regions", "Mix", "Brush", "Photo"):
        fine_control(page, tab)
        page.get_by_role("tab", name=tab, exact=True).scroll_into_view_if_needed()
        assert inside(page, "#painter-go"), tab
        assert not scrolls_sideways(page), tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(visit: Callable, scheme: str) -> None:
    page = visit(DESKTOP, color_scheme=scheme)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("L")
    wall = shot.getpixel((5, 400))
    assert wall > 200 if scheme == "light" else wall < 60
    for selector in (".masthead h1", ".masthead p", ".note p", ".status p", "#painter-go"):
        colour, ground = page.locator(selector).first.evaluate(
            """e => { const colour = getComputedStyle(e).color; let b = e, ground;
            do { ground = getComputedStyle(b).backgroundColor; b = b.parentElement }
            while (b && /, 0\\)$|transparent/.test(ground)); return [colour, ground] }"""
        )
        assert contrast(colour, ground) >= 4.5, (selector, colour, ground)  # WCAG 2.2, 1.4.3


def contrast(a: str, b: str) -> float:
    """The contrast ratio of WCAG 2.2 of two CSS rgb() colours."""

    def luminance(colour: str) -> float:
        values = [int(float(v)) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_pictures_and_controls_have_names(visit: Callable, photo: Path) -> None:
    page = visit()
    upload(page, photo)
    paint(page)
    alts = page.locator("#painter-styles img").evaluate_all("all => all.map(e => e.alt)")
    assert alts == list(STYLES.values())
    assert all(page.locator("#painter-examples img").evaluate_all("all => all.map(e => e.alt)"))
    assert page.get_by_alt_text("The photo to be painted").count() == 1
    nameless = page.evaluate(
        """[...document.querySelectorAll('.bench input:not([type=file]), .bench button, .wall button')].filter(e =>
        e.offsetParent && !(e.ariaLabel || e.title || e.innerText.trim() || e.labels?.length)).map(e => e.outerHTML)"""
    )
    assert not nameless
