"""VGG-19 by torchvision, its layers by name: the reference net of the style literature, only when asked for.

Nothing downloads or imports it by itself: the shipped models need `ArtEncoder` alone. Licence position:
torchvision's weights were trained on ImageNet, for non-commercial research.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from os import PathLike
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

__all__ = ["VGG19"]

CONVOLUTIONS = (2, 2, 4, 4, 4)  # per block


class VGG19(nn.Module):
    """The convolutional part of VGG-19 (Simonyan and Zisserman 2015), frozen, with layers by name.

    Layer names: "conv4_2", block 4, convolution 2, before the ReLU; "relu4_2" behind it; "pool4". Other
    nets' names are understood too: "r4_1", the ArtEncoder's, is "relu4_1"; Keras' "block5_conv2" is "relu5_2"
    and not "conv5_2", since the convolutions of Keras' net contain their ReLU; "block4_pool" is "pool4".

    Args:
        weights: "download" for torchvision's ImageNet weights (548 MB, fetched once into torch's hub folder,
            from there without a network ever after); a file .pth or .safetensors with torchvision's key names
            ("features.0.weight", ...; those of the classifier are ignored); None for random weights.

    Raises:
        ValueError: the weights can't be downloaded or read, or are not those of a VGG-19.
    """

    def __init__(self, weights: str | PathLike[str] | None = "download") -> None:
        super().__init__()
        # Here and not above: torchvision's models take a while to import and most users never need them.
        from torchvision.models.vgg import cfgs, make_layers

        self.net = make_layers(cfgs["E"])
        for layer in self.net:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # or "conv4_1" would be overwritten by "relu4_1"
        if weights is not None:
            self._load(_download() if weights == "download" else _read(Path(weights)), str(weights))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)
        names = [
            f"{part}{block}_{k}"
            for block, count in enumerate(CONVOLUTIONS, 1)
            for k in range(1, count + 1)
            for part in ("conv", "relu", *(["pool"] if k == count else []))
        ]
        names = [name.split("_")[0] if name.startswith("pool") else name for name in names]
        self._index = {name: i for i, name in enumerate(names)}
        self.eval().requires_grad_(False)

    @property
    def layers(self) -> tuple[str, ...]:
        """All layer names, from the first to the deepest."""
        return tuple(self._index)

    def forward(self, x: torch.Tensor, layers: Iterable[str] | None = None) -> dict[str, torch.Tensor]:
        """Features of each named layer; computing stops at the deepest one asked for.

        Args:
            x: (N, 3, H, W), RGB in [0, 1], normalised inside; H and W at least 2 ** (b - 1) for block b.
            layers: names as above; None means all ReLUs.

        Returns:
            {name as asked: (N, C, H / 2^(b-1), W / 2^(b-1))}; gradients reach x, not the weights.

        Raises:
            ValueError: an unknown layer name, or a picture too small to be pooled that often.
        """
        layers = [name for name in self._index if name.startswith("relu")] if layers is None else list(layers)
        wanted = {name: self._index[self._canonical(name)] for name in layers}
        if not wanted:
            return {}
        deepest = max(wanted.values())
        halvings = sum(isinstance(layer, nn.MaxPool2d) for layer in self.net[: deepest + 1])
        if min(x.shape[-2:]) < 2**halvings:
            raise ValueError(
                f"A picture of {x.shape[-1]}x{x.shape[-2]} is too small for {self.layers[deepest]}: "
                f"give one of {2**halvings} pixels a side or more, or ask for shallower layers."
            )
        found: dict[int, torch.Tensor] = {}
        x = (x - self.mean.to(x.dtype)) / self.std.to(x.dtype)
        for i, layer in enumerate(self.net[: deepest + 1]):
            x = layer(x)
            if i in wanted.values():
                found[i] = x
        return {name: found[i] for name, i in wanted.items()}

    def _canonical(self, name: str) -> str:
        if name in self._index:
            return name
        other = re.sub(r"^(?:r|block(?=\d_conv))(\d)_(?:conv)?(\d)$", r"relu\1_\2", name)
        other = re.sub(r"^block(\d)_pool$", r"pool\1", other)
        if other not in self._index:
            raise ValueError(
                f"VGG-19 has no layer {name!r}: choose conv1_1 to conv5_4, relu1_1 to relu5_4, or pool1 to "
                f"pool5 (convolutions per block: {', '.join(map(str, CONVOLUTIONS))})."
            )
        return other

    def _load(self, state: object, source: str) -> None:
        if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
            raise ValueError(f"{source} holds no dict of tensors: give weights as torchvision saves them.")
        prefix = "features."
        state = {key.removeprefix(prefix): v for key, v in state.items() if str(key).startswith(prefix)}
        try:
            self.net.load_state_dict(state)
        except RuntimeError as error:
            expected = self.net.state_dict()
            wrong = [k for k in expected if k not in state or state[k].shape != expected[k].shape]
            wrong = wrong or sorted(state.keys() - expected.keys())
            raise ValueError(
                f"{source} holds no VGG-19 of torchvision: {len(wrong)} tensors are missing, unknown or of "
                f"other shapes (first: {prefix}{wrong[0]}); give weights saved from torchvision.models.vgg19."
            ) from error


def _read(path: Path) -> object:
    """A dict of tensors from a file; never runs code that a file brings along."""
    if not path.is_file():
        raise ValueError(f"There are no VGG-19 weights at {path}: give a .pth or .safetensors file.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, pickle, zip and the file system each raise their own
        raise ValueError(
            f"The VGG-19 weights in {path} can't be read ({type(error).__name__}): the file is cut short or "
            "holds more than tensors; delete it and get it again, or save it as safetensors."
        ) from error


def _download() -> object:
    """torchvision's ImageNet weights, from torch's hub folder or the network, where their hash is checked."""
    from torchvision.models import VGG19_Weights

    weights = VGG19_Weights.IMAGENET1K_V1
    cached = Path(torch.hub.get_dir(), "checkpoints", weights.url.rsplit("/", 1)[-1])
    if cached.is_file():
        return _read(cached)
    try:
        # torch's own download waits without a limit where the network swallows packets: ask first.
        request = urllib.request.Request(weights.url, method="HEAD", headers={"User-Agent": "torch.hub"})
        urllib.request.urlopen(request, timeout=5).close()
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: the hash is another
        raise ValueError(
            f"The VGG-19 weights could not be downloaded from {weights.url} "
            f"({getattr(error, 'reason', error)}): go online once, put the file at {cached}, "
            "or give a file of weights instead."
        ) from error
