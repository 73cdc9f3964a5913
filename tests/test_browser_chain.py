"""The Chain tab in headless Chromium, and results on their way from tab to tab."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import artcore
from artcore import image as pictures
from artcore import recipe
from artcore.studio import shared
from artcore.tasks.chain import Chain, Snapshot
from tests.hub_server import serve, write_catalog
from tests.test_app_chain import add_colorizer
from tests.test_app_style import add_encoder
from tests.test_browser import DESKTOP, PHONE, browser, inside, scrolls_sideways, settle, visits  # noqa: F401
from tests.upscale_net import add_upscalers

pytestmark = pytest.mark.slow


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
    """Opens a tab."""
    with visits(browser, url, 90_000) as open_page:

        def ready(tab: str = "Chain", *viewport: dict):
            page = open_page(*viewport)
            page.get_by_role("tab", name=tab, exact=True).click()
            page.locator(f"#{tab.lower()}-go").wait_for()
            settle(page)
            return page

        yield ready


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(60, 196, (36, 48, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    Image.fromarray(pixels).save(tmp_path / "harbour.png", exif=exif.tobytes())
    return tmp_path / "harbour.png"


def upload(page, tab: str, photo: Path) -> None:
    page.locator(f"#{tab}-photo input[type=file]").set_input_files(photo)
    page.get_by_text("takes about").locator("visible=true").wait_for()


def run(page, tab: str) -> None:
    page.locator(f"#{tab}-go").click()
    page.get_by_text("made in").locator("visible=true").wait_for()
    page.locator(f"#{tab}-download").wait_for()


def choose(page, elem_id: str, option: str) -> None:
    settle(page)
    page.locator(f"#{elem_id} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def download(page, tab: str) -> tuple[str, bytes]:
    settle(page)
    with page.expect_download() as taken:
        page.locator(f"#{tab}-download").click()
    return taken.value.suggested_filename, Path(taken.value.path()).read_bytes()


def uploaded(page, elem_id: str) -> bytes:
    """The file behind the picture that a tab begins with."""
    return page.request.get(page.locator(f"#{elem_id} img").first.get_attribute("src")).body()


def test_a_grey_picture_is_coloured_painted_and_enlarged(visit: Callable, photo: Path, tmp_path: Path) -> None:
    page = visit()
    grey = tmp_path / "grey.png"
    Image.open(photo).convert("L").save(grey)
    upload(page, "chain", grey)
    assert page.locator("#chain-step-1 input").input_value() == "Colourise"  # since it is grey
    page.get_by_text("48 × 36 to 192 × 144").wait_for()
    run(page, "chain")
    assert page.locator("#chain-bar progress").get_attribute("value") == "1.000"
    names = ("colorunet.general", "stylenet.vangogh", "enhancenet.fidelity")
    expected = Chain([(artcore.load(name), {}) for name in names])(grey)
    assert download(page, "chain") == ("grey colourise paint enlarge.png", pictures.encode(expected))


def test_another_order_and_what_goes_wrong(visit: Callable, photo: Path) -> None:
    page = visit()
    page.locator("#chain-go").click()
    page.get_by_text("There is no photo yet").wait_for()
    upload(page, "chain", photo)
    assert page.locator("#chain-step-1 input").input_value() == "–"  # it has colours
    choose(page, "chain-step-1", "Enlarge")
    choose(page, "chain-step-2", "–")
    choose(page, "chain-step-3", "Paint")
    settle(page)
    run(page, "chain")
    expected = Chain([(artcore.load(name), {}) for name in ("enhancenet.fidelity", "stylenet.vangogh")])(photo)
    assert download(page, "chain") == ("harbour enlarge paint.png", pictures.encode(expected))
    for step in (1, 3):
        choose(page, f"chain-step-{step}", "–")
    page.locator(".status").get_by_text("There are no steps: choose one at least").first.wait_for()


def test_a_bad_picture_is_a_sentence_and_a_run_can_be_stopped(
    visit: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit()
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    page.locator("#chain-photo input[type=file]").set_input_files(tmp_path / "torn.jpg")
    page.get_by_text("torn.jpg is damaged or cut short").wait_for()
    cleared = page.locator("#chain-photo")
    cleared.get_by_label("Clear").or_(cleared.get_by_label("Remove Image")).first.click()
    upload(page, "chain", photo)
    steps, original = 0, Chain.run

    def slow(self: Chain, *given: object) -> Iterator[Snapshot]:
        nonlocal steps
        for snapshot in original(self, *given):
            for _ in range(200):
                steps += 1
                time.sleep(0.05)
                yield replace(snapshot, image=None)
            yield snapshot

    monkeypatch.setattr(Chain, "run", slow)
    page.locator("#chain-go").click()
    page.get_by_text("step 1 of 2").first.wait_for()
    for _ in range(10):
        settle(page)
        if page.locator("#chain-stop").is_visible():
            with contextlib.suppress(Exception):  # it may go just now, since the first press was heard
                page.locator("#chain-stop").click(timeout=1000)
        if page.get_by_text("Stopped.").locator("visible=true").count():
            break
    page.get_by_text("Stopped.").locator("visible=true").wait_for()
    page.wait_for_timeout(1000)
    reached = steps
    page.wait_for_timeout(500)
    assert steps == reached < 400  # of which the second step alone would have had 200
    monkeypatch.undo()
    run(page, "chain")
    assert page.locator("#chain-bar progress").get_attribute("value") == "1.000"


def test_results_go_from_tab_to_tab_with_all_that_came_with_them(
    visit: Callable, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "MOST_BYTES", photo.stat().st_size)  # of uploads: what is enlarged has more
    page = visit("Painter")
    upload(page, "painter", photo)
    run(page, "painter")
    painted = artcore.load("stylenet.vangogh")(photo)
    choose(page, "painter-send", "Send to Upscale")
    page.locator("#upscale-go").wait_for()  # the tab is turned to
    page.get_by_text("48 × 36 to 192 × 144").wait_for()
    data = uploaded(page, "upscale-photo")
    assert data == pictures.encode(painted, exif=True, icc=True)
    assert Image.open(io.BytesIO(data)).getexif()[0x0110] == "Camera obscura"
    run(page, "upscale")
    large = artcore.load("enhancenet.fidelity")(painted)
    choose(page, "upscale-send", "Send to Colour")
    page.locator("#colour-go").wait_for()
    page.get_by_text("192 × 144 · takes about").locator("visible=true").wait_for()
    page.locator("#colour-go").click()
    page.get_by_text("coloured in").wait_for()
    choose(page, "colour-send", "Send to Chain")
    page.locator("#chain-go").wait_for()
    page.get_by_text("192 × 144 to 768 × 576").wait_for()
    assert Image.open(io.BytesIO(uploaded(page, "chain-photo"))).size == large.size
    choose(page, "chain-step-2", "–")
    settle(page)
    run(page, "chain")
    monkeypatch.undo()  # the painting that stands there has more, too
    choose(page, "chain-send", "Send to Style")
    page.locator("#style-go").wait_for()
    page.get_by_text("Painting takes about").wait_for()
    assert Image.open(io.BytesIO(uploaded(page, "style-photo"))).size == (768, 576)


def test_a_style_transfer_is_sent_too(visit: Callable, photo: Path) -> None:
    page = visit("Style")
    page.locator("#style-photo input[type=file]").set_input_files(photo)
    page.get_by_text("Painting takes about").wait_for()
    page.locator("#style-options button").first.click()
    for label, value in {"Size": 128, "Steps": 10, "Scales": 1}.items():
        field = page.get_by_label(f"number input for {label}", exact=True)
        field.fill(str(value))
        field.press("Tab")
        settle(page)  # what is typed while the page is busy with what was typed before may be lost
    page.get_by_text("10 steps, 128 pixels").wait_for()
    page.locator("#style-options button").first.click()
    page.locator("#style-go").click()
    page.get_by_text("painted in").wait_for()
    page.locator("#style-download").wait_for()
    name, data = download(page, "style")
    choose(page, "style-send", "Send to Painter")
    page.locator("#painter-go").wait_for()
    page.get_by_text("takes about").locator("visible=true").wait_for()
    data_sent = uploaded(page, "painter-photo")
    assert Image.open(io.BytesIO(data_sent)).tobytes() == Image.open(io.BytesIO(data)).tobytes()
    exif = [Image.open(io.BytesIO(d)).getexif().get(0x0110) for d in (data_sent, data)]
    assert exif == ["Camera obscura", None]
    assert recipe.read(data_sent).task == recipe.read(data).task == "style"


@pytest.mark.parametrize("tab", ["Chain", "Upscale", "Painter"])
def test_desktop_shows_everything_without_scrolling(visit: Callable, photo: Path, tab: str) -> None:
    page = visit(tab, DESKTOP)
    name = tab.lower()
    upload(page, name, photo)
    run(page, name)
    assert inside(page, f"#{name}-go") and inside(page, f"#{name}-result")
    for part in ("download", "send"):
        box = page.locator(f"#{name}-{part}").bounding_box()
        assert box["y"] > 0 and box["y"] + box["height"] <= DESKTOP["height"], part
    assert not scrolls_sideways(page)


def test_phone_is_one_column_with_the_result_behind_the_button(visit: Callable, photo: Path) -> None:
    page = visit("Chain", PHONE)
    upload(page, "chain", photo)
    run(page, "chain")
    assert not scrolls_sideways(page)
    button, result = (page.locator(s).bounding_box() for s in ("#chain-go", "#chain-result"))
    assert 0 < result["y"] - (button["y"] + button["height"]) < 90
    assert result["x"] >= 0 and result["x"] + result["width"] <= PHONE["width"]
