"""For the tests of upscaling: tiny nets that do a lot to a picture, and a catalog of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from artcore.models.enhancenet import EnhanceNet


def upscale_net(seed: int = 0, **options: object) -> EnhanceNet:
    """An untrained net, but for its last layer: as it begins, it hardly does anything."""
    torch.manual_seed(seed)
    model = EnhanceNet(channels=4, blocks=1, **options)
    with torch.no_grad():
        model.tail.weight.mul_(4)
    return model


def add_upscalers(folder: Path) -> Path:
    """Fidelity and texture, which can be blended, and photo, whose results need not reduce to their source."""
    file = folder / "catalog.json"
    catalog = json.loads(file.read_text()) if file.is_file() else {}
    for seed, name in enumerate(("fidelity", "texture", "photo")):
        where = f"enhancenet.{name}"
        upscale_net(seed, consistent=name != "photo").save_pretrained(folder / where)
        digest = hashlib.sha256((folder / where / "model.safetensors").read_bytes()).hexdigest()
        catalog[where] = {"task": "upscaler", "label": name.title(), "folder": where, "sha256": digest}
    file.write_text(json.dumps(catalog))
    return folder
