"""Screenshots, four of which the README shows: the hub on the shipped weights, with a real result on each tab.

    python -m docs.screenshots [--out docs] [--only painter-light ...]

Starts the app on a free port of this machine, visits it in headless Chromium, takes one of the examples, presses the
button and waits for what comes of it. Writes one JPEG a view, such as docs/painter-light.jpg, and prints its size.
Needs chromium and the packages of requirements-dev.txt.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

REPO = Path(__file__).resolve().parents[1]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
MOST = 300_000  # bytes of a file
WAIT = 600_000  # milliseconds for a result, on a busy machine
# Of a tab: which example is taken, and what the status line says when it is done.
TABS = {
    "painter": (3, "made in|hecho en"),
    "style": (3, "painted in|pintado en"),
    "colour": (4, "coloured in|coloreado en"),
    "upscale": (5, "made in|hecho en"),
    "chain": (2, "made in|hecho en"),
}
# (name, tab, window, colour scheme, language)
VIEWS = [
    *((f"{tab}-light", tab, DESKTOP, "light", "en") for tab in TABS),
    ("painter-dark", "painter", DESKTOP, "dark", "en"),
    ("upscale-dark", "upscale", DESKTOP, "dark", "en"),
    ("painter-phone", "painter", PHONE, "light", "en"),
    ("colour-phone-es", "colour", PHONE, "dark", "es"),
    ("style-es", "style", DESKTOP, "light", "es"),
]


@contextlib.contextmanager
def app() -> Iterator[str]:
    """The hub in a process of its own, with a folder for files that goes when it ends; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as files:
        own = {"PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_TEMP_DIR": files}
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=REPO, env=os.environ | own, stderr=subprocess.DEVNULL
        )
        try:
            for _ in range(3000):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz"):
                    break
                if process.poll() is not None:
                    sys.exit("The app did not start: run python app.py to see why.")
                time.sleep(0.2)
            else:
                sys.exit("The app did not start within 10 minutes: run python app.py to see why.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def make(page: Page, tab: str) -> None:
    """A result on a tab, from one of its examples."""
    example, done = TABS[tab]
    page.locator("button[role=tab]:visible").nth(list(TABS).index(tab)).click()
    page.locator(f"#{tab}-go").wait_for()
    page.wait_for_timeout(500)  # a button that was just shown is deaf for some frames
    page.locator(f"#{tab}-examples button").nth(example).click()
    page.get_by_text(re.compile("takes about|tarda unos")).locator("visible=true").first.wait_for()
    if tab == "style":  # the quick look: the rest of the options would take a minute
        page.locator(".pace-knobs input").first.click()
        page.get_by_role("option").nth(1).click()
    page.wait_for_timeout(1000)
    page.locator(f"#{tab}-go").click()
    page.get_by_text(re.compile(done)).locator("visible=true").first.wait_for(timeout=WAIT)
    page.locator(f"#{tab}-result img").last.wait_for()
    page.mouse.move(0, 0)
    page.wait_for_timeout(2000)


def shoot(page: Page, path: Path) -> None:
    """What is in the window, as a JPEG of MOST bytes at most."""
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for quality in (90, 84, 78, 70, 60):
        shot.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= MOST:
            break
    sys.stdout.write(f"{path.name}: {shot.width} x {shot.height}, {path.stat().st_size / 1000:.0f} kB\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Screenshots for the README.")
    parser.add_argument("--out", type=Path, default=REPO / "docs")
    parser.add_argument("--only", nargs="*", choices=[name for name, *_ in VIEWS], help="these views alone")
    given = parser.parse_args(argv)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("There is no chromium on this machine: install it (apt-get install chromium).")
    with app() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, tab, window, scheme, language in VIEWS:
            if given.only and name not in given.only:
                continue
            context = browser.new_context(viewport=window, color_scheme=scheme)
            page = context.new_page()
            page.set_default_timeout(120_000)
            page.goto(f"{url}/?lang={language}")
            page.locator("#painter-go").wait_for()
            make(page, tab)
            if window is PHONE:  # the result, which lies below the button
                page.locator(f"#{tab}-result").evaluate("e => e.scrollIntoView({block: 'center'})")
                page.wait_for_timeout(500)
            shoot(page, given.out / f"{name}.jpg")
            context.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
