"""The Colour tab in headless Chromium: what a visitor drops, clicks, slides and brushes."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artcore import image as pictures
from artcore.load import load
from artcore.studio import shared
from artcore.tasks.colorize import Adjustments, ColorizeError, Colorizer, Colouring, blend
from tests.hub_server import serve, write_catalog
from tests.test_app_colorize import add_colorizers
from tests.test_browser import DESKTOP, PHONE, browser, inside, scrolls_sideways, settle, visits  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = add_colorizers(write_catalog(tmp_path_factory.mktemp("weights")))
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
            page.get_by_role("tab", name="Colour").click()
            page.locator("#colour-go").wait_for()
            settle(page)
            return page

        yield ready


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A photo in colours, a grey one, and a file that is none."""
    pixels = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    photo = Image.fromarray(pixels).resize((240, 160), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "harbour.png")
    photo.resize((120, 160)).convert("L").save(tmp_path / "tower.png")
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    return {path.stem: path for path in tmp_path.iterdir()}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """The seeds and keywords of every run of a net in the tab."""
    seen, original = [], Colorizer.seeds

    def seeds(task: Colorizer, source: object, wanted: object, **named: object) -> Iterator[Colouring]:
        wanted = list(wanted)
        seen.append({"seeds": wanted} | {name: value for name, value in named.items() if value is not None})
        return original(task, source, wanted, **named)

    monkeypatch.setattr(Colorizer, "seeds", seeds)
    return seen


def upload(page, *paths: Path) -> None:
    page.locator("#colour-files input[type=file]").set_input_files(list(paths))
    for path in paths:
        if path.suffix == ".png":
            page.locator(f"#colour-pictures img[alt='{path.stem}']").wait_for()
    page.get_by_text("takes about").wait_for()
    settle(page)


def lock(page, seed: int) -> None:
    """A seed by hand; it is not random from then on."""
    field = page.get_by_label("Seed", exact=True)
    field.fill(str(seed))
    field.press("Tab")
    page.wait_for_function("e => !e.checked", arg=page.get_by_label("Random").element_handle())
    settle(page)


def colourise(page) -> None:
    page.locator("#colour-go").click()
    page.get_by_text("coloured in").wait_for()
    page.locator("#colour-download").wait_for()
    settle(page)


def ten_seeds(page) -> list[int]:
    """Presses the button; the seeds of the sheet, in its order."""
    page.locator("#colour-ten").click()
    page.get_by_text("ten seeds in").wait_for()
    page.locator("#colour-gallery .caption-label").nth(9).wait_for()
    settle(page)
    captions = page.locator("#colour-gallery .caption-label").all_inner_texts()
    return [int(caption.split()[1]) for caption in captions]


def download(page) -> tuple[str, bytes]:
    settle(page)
    with page.expect_download() as taken:
        page.locator("#colour-download").click()
    return taken.value.suggested_filename, Path(taken.value.path()).read_bytes()


def fine_control(page, tab: str) -> None:
    if not page.get_by_role("tab", name=tab, exact=True).is_visible():
        page.locator("#colour-more button").first.click()
    page.get_by_role("tab", name=tab, exact=True).click()
    settle(page)


def set_slider(page, label: str, value: float) -> None:
    number = page.get_by_label(f"number input for {label}")
    number.fill(str(value))
    number.press("Enter")


def after(page) -> str:
    """Where the picture on the slider's right comes from."""
    return page.locator("#colour-result img").nth(1).get_attribute("src")


def changes(page, source: str) -> None:
    """Waits until the slider shows another picture than that."""
    page.wait_for_function("s => document.querySelectorAll('#colour-result img')[1]?.src !== s", arg=source)
    settle(page)


def brush(page, board: str) -> None:
    """A stroke across the middle of the picture on a board."""
    canvas = page.locator(f"#{board} canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(2000)  # the picture is laid onto the board some time after it was sent
    box = canvas.bounding_box()
    y = box["y"] + box["height"] * 0.4
    page.mouse.move(box["x"] + box["width"] * 0.3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=12)
    page.mouse.up()
    page.wait_for_timeout(1000)


def test_photo_to_colours_to_file(visit: Callable, files: dict) -> None:
    page = visit()
    assert not page.locator("#colour-download").is_visible()
    upload(page, files["harbour"])
    assert page.get_by_text("240 × 160 · takes about").is_visible()
    lock(page, 7)
    colourise(page)
    assert page.get_by_text("seed 7 · coloured in").is_visible()
    assert page.locator("#colour-result img").count() >= 2  # before and after
    name, data = download(page)
    made = load("colorunet.general").colour(files["harbour"], seed=7)
    assert name == "harbour seed 7.png" and data == made.encode("PNG")
    for label, suffix in (("JPEG", "jpg"), ("TIFF", "tiff")):
        page.get_by_label(label, exact=True).check()
        name, data = download(page)
        assert name == f"harbour seed 7.{suffix}" and data == made.encode(label)


def test_colours_are_compared_with_those_that_were_there(visit: Callable, files: dict) -> None:
    page = visit()
    upload(page, files["harbour"])
    colourise(page)
    scores = page.locator("#colour-scores")
    scores.get_by_text("CIEDE2000").wait_for()
    for word in ("PSNR", "dB", "SSIM", "colourfulness"):
        assert word in scores.inner_text()
    grey = page.locator("#colour-result img").first.get_attribute("src")
    page.get_by_label("Beside the original").check()
    page.wait_for_function("s => document.querySelector('#colour-result img').src !== s", arg=grey)
    page.get_by_label("Clear").or_(page.get_by_label("Remove")).first.click()
    upload(page, files["tower"])  # has no colours to compare with
    colourise(page)
    assert not scores.is_visible() and not page.get_by_label("Beside the original").is_visible()


def test_random_seed_is_shown_and_used(visit: Callable, files: dict, runs: list) -> None:
    page = visit()
    upload(page, files["tower"])
    assert page.get_by_label("Random").is_checked()
    colourise(page)
    used = runs[-1]["seeds"][0]
    assert page.get_by_label("Seed", exact=True).input_value() == str(used)
    assert page.get_by_text(f"seed {used} · coloured in").is_visible()
    page.locator("#colour-go").click()
    colourise_again(page)


def test_adjusting_runs_no_net(visit: Callable, files: dict, runs: list) -> None:
    page = visit()
    upload(page, files["harbour"])
    lock(page, 3)
    colourise(page)
    count, source = len(runs), after(page)
    fine_control(page, "Adjust")
    page.locator("#colour-histogram img").wait_for()
    set_slider(page, "Saturation", 1.7)
    changes(page, source)
    source = after(page)
    set_slider(page, "Smoothness", 0.5)
    changes(page, source)
    assert len(runs) == count
    expected = load("colorunet.general")(
        files["harbour"], seed=3, adjustments=Adjustments(saturation=1.7, smoothness=0.5)
    )
    assert download(page)[1] == pictures.encode(expected)
    page.get_by_role("button", name="Reset").last.click()
    page.wait_for_function(
        "e => e.value === '1'", arg=page.get_by_label("number input for Saturation").element_handle()
    )


def test_ten_seeds_pick_one_and_blend(visit: Callable, files: dict, runs: list) -> None:
    page = visit()
    upload(page, files["harbour"])
    seeds = ten_seeds(page)
    assert len(set(seeds)) == 10 and sorted(seeds) == sorted(runs[-1]["seeds"])
    page.locator("#colour-gallery button.thumbnail-item").nth(3).click()
    page.get_by_text(f"seed {seeds[3]} is kept").wait_for()
    page.locator("#colour-result img").nth(1).wait_for()
    settle(page)
    assert page.get_by_label("Seed", exact=True).input_value() == str(seeds[3])
    assert not page.get_by_label("Random").is_checked()
    general = load("colorunet.general")
    name, data = download(page)
    assert name == f"harbour seed {seeds[3]}.png"
    assert data == pictures.encode(general(files["harbour"], seed=seeds[3]))
    count, source = len(runs), after(page)
    fine_control(page, "Blend")
    page.get_by_label("Blend with").click()
    page.get_by_role("option", name=f"Seed {seeds[0]}", exact=True).click()
    changes(page, source)
    source = after(page)
    set_slider(page, "Its share", 0.25)
    changes(page, source)
    assert len(runs) == count  # no net
    made = [general.colour(files["harbour"], seed=seed) for seed in (seeds[3], seeds[0])]
    name, data = download(page)
    assert name == f"harbour seed {seeds[3]} with {seeds[0]}.png" and data == blend(*made, 0.25).encode()

    page.get_by_label("Where it guesses", exact=True).check()
    page.locator("#colour-guesses img").wait_for()
    name, data = download(page)
    assert name == "harbour guesses.png" and Image.open(io.BytesIO(data)).size == (240, 160)
    assert page.locator("#colour-histogram img").count() == 1
    again = ten_seeds(page)
    assert again[0] == seeds[3] and not set(again[1:]) & set(seeds)
    assert "kept" in page.locator("#colour-gallery .caption-label").first.inner_text()
    name, data = download(page)
    assert name == "harbour seeds.png" and Image.open(io.BytesIO(data)).width > 1000


def test_a_bad_file_among_good_ones(visit: Callable, files: dict) -> None:
    page = visit()
    upload(page, files["harbour"], files["torn"], files["tower"])
    page.locator("#colour-refused").get_by_text("torn.jpg is damaged or cut short").wait_for()
    assert page.locator("#colour-pictures img").count() == 2
    assert page.get_by_text("2 pictures · takes about").is_visible()
    lock(page, 5)
    colourise(page)
    assert page.get_by_text("2 pictures").count() >= 2
    assert page.locator("#colour-gallery .caption-label").all_inner_texts() == ["harbour", "tower"]
    fine_control(page, "Adjust")
    drawn = page.locator("#colour-histogram img").get_attribute("src")
    set_slider(page, "Warmth", 1)
    page.wait_for_function("s => document.querySelector('#colour-histogram img').src !== s", arg=drawn)
    set_slider(page, "Warmth", 0)
    settle(page)
    general = load("colorunet.general")
    name, data = download(page)
    assert name == "coloured.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["harbour seed 5.png", "tower seed 5.png"]
        for stem in ("harbour", "tower"):
            assert archive.read(f"{stem} seed 5.png") == pictures.encode(general(files[stem], seed=5))
    page.locator("#colour-gallery button.thumbnail-item").nth(1).click()
    page.locator("#colour-result img").nth(1).wait_for()
    name, data = download(page)
    assert name == "tower seed 5.png" and data == pictures.encode(general(files["tower"], seed=5))
    page.locator("#colour-pictures button").first.click()
    page.get_by_label("Beside the original").wait_for()
    assert download(page)[0] == "harbour seed 5.png"


def test_what_cannot_be_done_is_said(visit: Callable, files: dict) -> None:
    page = visit()
    page.locator("#colour-go").click()
    page.get_by_text("There is no picture yet: choose one").wait_for()
    page.locator("#colour-files input[type=file]").set_input_files(files["torn"])
    page.locator("#colour-refused").get_by_text("torn.jpg is damaged or cut short").wait_for()
    page.get_by_label("Clear").or_(page.get_by_label("Remove")).first.click()
    settle(page)
    page.locator("#colour-files input[type=file]").set_input_files(
        [{"name": f"{n}.png", "mimeType": "image/png", "buffer": files["tower"].read_bytes()} for n in range(11)]
    )
    page.get_by_text("These are 11 pictures: choose 10 at most").first.wait_for()
    page.get_by_label("Clear").or_(page.get_by_label("Remove")).first.click()
    settle(page)
    upload(page, files["tower"])
    colourise(page)


def test_brushed_colours_and_regions_reach_the_net(visit: Callable, files: dict, runs: list) -> None:
    page = visit()
    upload(page, files["harbour"])
    fine_control(page, "Hints")
    brush(page, "colour-hints")
    colourise(page)
    hints = runs[-1]["hints"]
    assert hints.mode == "RGBA" and hints.size == (240, 160)
    opaque = np.asarray(hints)[..., 3] > 127
    assert 0.01 < opaque.mean() < 0.9
    assert np.asarray(hints)[opaque][:, :3].mean(0) == pytest.approx((0x7F, 0xB2, 0xE5), abs=8)
    fine_control(page, "Noise")
    page.get_by_label("Seed where it is red").fill("41")
    page.get_by_label("Seed where it is red").press("Tab")
    brush(page, "colour-regions")
    colourise_again(page)
    ((mask, seed),) = runs[-1]["regions"]
    assert seed == 41 and mask.size == (240, 160) and 0.01 < np.mean(np.asarray(mask) > 0) < 0.9
    # Another picture: what was brushed on this one is gone.
    page.get_by_label("Clear").or_(page.get_by_label("Remove")).first.click()
    upload(page, files["tower"])
    page.wait_for_timeout(2000)
    colourise_again(page)
    assert "hints" not in runs[-1] and not runs[-1].get("regions")


def colourise_again(page) -> None:
    seed = page.get_by_label("Seed", exact=True)
    before = seed.input_value()
    page.locator("#colour-go").click()
    page.wait_for_function("([e, v]) => e.value !== v", arg=[seed.element_handle(), before])
    page.get_by_text("coloured in").wait_for()
    settle(page)


def test_a_late_forecast_hides_nothing(visit: Callable, files: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Colorizer.seconds

    def seconds(*given: object, **named: object) -> float:
        time.sleep(2)
        return slow(*given, **named)

    page = visit()
    monkeypatch.setattr(Colorizer, "seconds", seconds)
    page.locator("#colour-files input[type=file]").set_input_files(files["tower"])
    page.locator("#colour-files").get_by_text("tower").first.wait_for()
    for _ in range(3):
        page.locator("#colour-go").click()  # at once: perhaps before the picture was looked at
        with contextlib.suppress(Exception):  # the page may not have heard it: people press again
            page.get_by_text("coloured in").wait_for(timeout=20_000)
            break
    page.get_by_text("takes about").wait_for()
    page.wait_for_timeout(500)
    assert page.get_by_text("coloured in").is_visible()


def test_what_fails_keeps_no_old_colouring_and_16_bits_are_said(
    visit: Callable, files: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit()
    scan = np.arange(240 * 160, dtype=np.uint16).reshape(160, 240)
    Image.fromarray(scan).save(tmp_path / "scan.png")
    upload(page, files["harbour"], tmp_path / "scan.png")
    assert page.get_by_text("16 bits: TIFF keeps them").is_visible()
    lock(page, 5)
    colourise(page)
    assert page.get_by_label("TIFF", exact=True).is_checked()
    with zipfile.ZipFile(io.BytesIO(download(page)[1])) as archive:
        assert archive.namelist() == ["harbour seed 5.tiff", "scan seed 5.tiff"]
    original = Colorizer.colour

    def colour(self: Colorizer, source: str, **named: object) -> Colouring:
        if "scan" in str(source):
            raise ColorizeError("Not this one.")
        return original(self, source, **named)

    monkeypatch.setattr(Colorizer, "colour", colour)
    lock(page, 6)
    page.locator("#colour-go").click()
    page.locator("#colour-list").get_by_text("Not this one.").wait_for()
    page.get_by_text("coloured in").wait_for()
    settle(page)
    with zipfile.ZipFile(io.BytesIO(download(page)[1])) as archive:
        assert archive.namelist() == ["harbour seed 6.tiff"]


def test_stop(visit: Callable, files: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Colorizer.seeds

    def seeds(*given: object, **named: object) -> Iterator[Colouring]:
        for colouring in original(*given, **named):
            time.sleep(2)
            yield colouring

    page = visit()
    upload(page, files["tower"])
    monkeypatch.setattr(Colorizer, "seeds", seeds)
    page.locator("#colour-ten").click()
    page.get_by_text("of 10 seeds").wait_for()
    settle(page)
    page.locator("#colour-stop").click()
    page.get_by_text("Stopped.").wait_for()
    assert not page.locator("#colour-stop").is_visible()
    monkeypatch.undo()
    colourise(page)  # the place in the line is free


def test_stop_keeps_the_pictures_that_are_coloured(
    visit: Callable, files: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, going_on = Colorizer.colour, threading.Event()

    def colour(self: Colorizer, source: str, **named: object) -> Colouring:
        if "tower" in str(source):
            going_on.wait(60)
        return original(self, source, **named)

    page = visit()
    upload(page, files["harbour"], files["tower"])
    lock(page, 5)
    monkeypatch.setattr(Colorizer, "colour", colour)
    try:
        page.locator("#colour-go").click()
        page.locator("#colour-list li.making").get_by_text("tower").wait_for()
        page.locator("#colour-stop").wait_for()
        settle(page)
        page.locator("#colour-stop").click()
        page.get_by_text("Stopped.").wait_for()
        page.locator("#colour-download").wait_for()
    finally:
        going_on.set()
    assert page.locator("#colour-gallery .caption-label").all_inner_texts() == ["harbour", "tower"]
    name, data = download(page)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert (name, archive.namelist()) == ("coloured.zip", ["harbour seed 5.png"])
        assert archive.read("harbour seed 5.png") == pictures.encode(
            load("colorunet.general")(files["harbour"], seed=5)
        )


def test_desktop_is_one_screen(visit: Callable, files: dict) -> None:
    page = visit(DESKTOP)
    assert inside(page, "#colour-go")
    upload(page, files["harbour"])
    colourise(page)
    page.evaluate("scrollTo(0, 0)")  # while the page is still being laid out, a click may scroll it
    for part in ("#colour-go", "#colour-result", "#colour-download"):
        assert inside(page, part), part
    ten_seeds(page)
    for part in ("#colour-go", "#colour-gallery", "#colour-download"):
        assert inside(page, part), part
    left, right = (page.locator(s).bounding_box() for s in ("#colour-files", "#colour-gallery"))
    assert right["x"] > left["x"] + left["width"]
    assert not scrolls_sideways(page)


def test_phone_is_one_column_with_the_result_behind_the_button(visit: Callable, files: dict) -> None:
    page = visit(PHONE)
    upload(page, files["harbour"])
    colourise(page)
    assert not scrolls_sideways(page)
    button, result = (page.locator(s).bounding_box() for s in ("#colour-go", "#colour-result"))
    assert 0 < result["y"] - (button["y"] + button["height"]) < 60
    assert result["x"] >= 0 and result["x"] + result["width"] <= PHONE["width"]
    ten_seeds(page)
    last = page.locator("#colour-gallery button.thumbnail-item").nth(9)
    last.scroll_into_view_if_needed()
    assert last.is_visible() and not scrolls_sideways(page)
    for tab in ("Adjust", "Hints", "Blend", "Noise"):
        fine_control(page, tab)
        page.get_by_role("tab", name=tab, exact=True).scroll_into_view_if_needed()
        assert inside(page, "#colour-go"), tab
        assert not scrolls_sideways(page), tab


def test_pictures_and_controls_have_names(visit: Callable, files: dict) -> None:
    page = visit()
    upload(page, files["harbour"])
    colourise(page)
    for strip in ("examples", "pictures"):
        assert all(page.locator(f"#colour-{strip} img").evaluate_all("all => all.map(e => e.alt)")), strip
    nameless = page.evaluate(
        """[...document.querySelectorAll('.bench input:not([type=file]), .bench button, .wall button')].filter(e =>
        e.offsetParent && !(e.ariaLabel || e.title || e.innerText.trim() || e.labels?.length)).map(e => e.outerHTML)"""
    )
    assert not nameless
