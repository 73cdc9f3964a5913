"""For the tests of serving: `python -m artcore serve` as a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

REPO = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def until(true: Callable[[], object], what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def process(port: int, environment: dict[str, str], *flags: str) -> Iterator[subprocess.Popen]:
    """It is killed at the end, if it still runs."""
    command = [sys.executable, "-m", "artcore", "serve", "--host", "127.0.0.1", "--port", str(port), *flags]
    started = subprocess.Popen(command, cwd=REPO, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def status(url: str) -> int:
    """Of /readyz, or 0 where nobody answers."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", timeout=30).status_code
    return 0


def works(url: str) -> bool:
    """Whether a job of the page runs."""
    return "artcore_jobs_running 1.0" in httpx.get(f"{url}/metrics", timeout=30).text


def png(path: Path, width: int, height: int) -> bytes:
    """A picture file that takes a net seconds where it is large."""
    small = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    Image.fromarray(small).resize((width, height)).save(path)
    return path.read_bytes()


class Visitor:
    """A browser, as far as a server sees it: it keeps its cookies."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=180)
        assert self.http.get("/").status_code == 200

    @property
    def replica(self) -> str | None:
        return self.http.cookies.get("artcore_replica")

    def order(self, picture: bytes) -> str:
        """Uploads a picture and has it painted; the name of the job."""
        (path,) = self.http.post("/gradio_api/upload", files={"files": ("p.png", picture)}).raise_for_status().json()
        photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
        body = {"data": [photo, "vangogh", "auto", 1, 0, "png", False]}
        return self.http.post("/gradio_api/call/paint", json=body).raise_for_status().json()["event_id"]

    def fetch(self, job: str) -> bytes:
        """The painting; an httpx.HTTPError or AssertionError where there is none."""
        told = self.http.get(f"/gradio_api/call/paint/{job}").raise_for_status().text
        assert "event: complete" in told, told
        found = told.rpartition("event: complete")[2].partition('"url": "')[2].partition('"')[0]
        assert found.startswith(str(self.http.base_url)), told
        return self.http.get(found).raise_for_status().content
