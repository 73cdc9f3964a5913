"""For the tests of the app: a catalog of tiny nets, and the real server in a thread."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import uvicorn
from PIL import Image

from artcore.models.stylenet import StyleNet
from artcore.studio import server

STYLES = {"monet": "Monet", "vangogh": "Van Gogh", "art_nouveau": "Arte Moderno (Art Nouveau)"}


def write_catalog(folder: Path) -> Path:
    """Three styles; Van Gogh alone has a thumbnail and a card."""
    catalog = {}
    for seed, (style, label) in enumerate(STYLES.items()):
        name = f"stylenet.{style}"
        torch.manual_seed(seed)
        StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(folder / name)
        digest = hashlib.sha256((folder / name / "model.safetensors").read_bytes()).hexdigest()
        catalog[name] = {"task": "painter", "label": label, "folder": name, "sha256": digest, "licence": "CC0-1.0"}
    Image.new("RGB", (64, 64), "navy").save(folder / "stylenet.vangogh" / "thumbnail.jpg")
    (folder / "stylenet.vangogh" / "README.md").write_text("# Van Gogh\n")
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder


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
