"""For the tests of the app: a catalog of tiny nets, and the real server in a thread."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import uvicorn
from PIL import Image

from artcore.models.cyclegan import CycleGAN
from artcore.models.stylenet import StyleNet
from artcore.studio import server

STYLES = {"monet": "Monet", "vangogh": "Van Gogh", "art_nouveau": "Arte Moderno (Art Nouveau)"}


def write_catalog(folder: Path, both_ways: Sequence[str] = ()) -> Path:
    """Three styles, some of which have a net for both directions too; Van Gogh alone has a thumbnail and a card."""
    catalog = {}
    nets = [(f"stylenet.{style}", StyleNet) for style in STYLES] + [
        (f"cyclegan.{style}", CycleGAN) for style in both_ways
    ]
    for seed, (name, net) in enumerate(nets):
        label = STYLES[name.partition(".")[2]]
        torch.manual_seed(seed)
        net(channels=(4, 4, 4), blocks=1).save_pretrained(folder / name)
        digest = hashlib.sha256((folder / name / "model.safetensors").read_bytes()).hexdigest()
        catalog[name] = {"task": "painter", "label": label, "folder": name, "sha256": digest, "licence": "CC0-1.0"}
    Image.new("RGB", (64, 64), "navy").save(folder / "stylenet.vangogh" / "thumbnail.jpg")
    (folder / "stylenet.vangogh" / "README.md").write_text("# Van Gogh\n")
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder


def write_pictures(folder: Path) -> None:
    """A photo of 64 x 48, a painting, another one, and masks of the photo's left and right halves."""
    rng = np.random.default_rng(0)
    for name, size in (("photo", (48, 64, 3)), ("painting", (80, 64, 3)), ("other", (64, 64, 3))):
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(folder / f"{name}.png")
    left = Image.new("L", (64, 48))
    left.paste(255, (0, 0, 32, 48))
    left.save(folder / "left.png")
    Image.eval(left, lambda v: 255 - v).save(folder / "right.png")


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """The application of server.run on a free port of loopback; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(server.create(), log_level="warning", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not running.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)
        listener.close()
