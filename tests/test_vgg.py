from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch.nn import functional as F
from torchvision.models import VGG19_Weights

from artcore.models.vgg import VGG19


@pytest.fixture(scope="module")
def net() -> VGG19:
    torch.manual_seed(0)
    return VGG19(weights=None)


@pytest.fixture(scope="module")
def state(net: VGG19) -> dict[str, torch.Tensor]:
    """A state dict under torchvision's names, of constants: a file of it stores one number per tensor."""
    tensors = {
        f"features.{k}": torch.tensor(0.01 * i).expand(v.shape)
        for i, (k, v) in enumerate(net.net.state_dict().items())
    }
    return {**tensors, "classifier.6.bias": torch.zeros(1000)}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as torch's hub, so that no test sees or fills the real one."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VGG19_Weights.IMAGENET1K_V1.value, "url", url)


# ---------------------------------------------------------------- layers


def test_layers_are_those_of_torchvision(net: VGG19) -> None:
    """Against torchvision's own VGG-19 with the same weights, run layer by layer."""
    with torch.device("meta"):  # 144 million parameters that nobody reads
        original = torchvision.models.vgg19(weights=None).features
    original.load_state_dict(net.net.state_dict(), assign=True)
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    x = (picture - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    # Places in torchvision's list, as every style-transfer code names them.
    places = {
        "conv1_1": 0,
        "conv2_1": 5,
        "conv3_1": 10,
        "conv4_1": 19,
        "conv4_2": 21,
        "conv5_1": 28,
        "conv5_2": 30,
    }
    found = net(picture, places)
    assert list(found) == list(places)
    with torch.no_grad():
        for i, layer in enumerate(original):
            x = layer(x.clone())  # torchvision's ReLU writes into its input
            for name, place in places.items():
                if i == place:
                    torch.testing.assert_close(found[name], x)


def test_relu_and_pool_follow_their_convolution(net: VGG19) -> None:
    found = net(torch.rand(1, 3, 32, 32), ("conv2_2", "relu2_2", "pool2"))
    assert (found["conv2_2"] < 0).any(), "the ReLU must not write into the convolution's output"
    assert torch.equal(found["relu2_2"], F.relu(found["conv2_2"]))
    assert torch.equal(found["pool2"], F.max_pool2d(found["relu2_2"], 2))


def test_other_names_for_the_same_layers(net: VGG19) -> None:
    picture = torch.rand(1, 3, 32, 32)
    names = {"block5_conv2": "relu5_2", "block1_conv1": "relu1_1", "r4_1": "relu4_1", "block3_pool": "pool3"}
    assert list(net(picture, names)) == list(names)
    for name, own in names.items():
        assert torch.equal(net(picture, (name,))[name], net(picture, (own,))[own])


def test_it_stops_at_the_deepest_layer(net: VGG19) -> None:
    ran: list[int] = []
    hooks = [layer.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, layer in enumerate(net.net)]
    try:
        net(torch.rand(1, 3, 16, 16), ("conv2_1", "conv1_1"))
    finally:
        for hook in hooks:
            hook.remove()
    assert ran == [0, 1, 2, 3, 4, 5]
    assert net(torch.rand(1, 3, 16, 16), ()) == {}


def test_all_layers_and_their_shapes(net: VGG19) -> None:
    found = net(torch.rand(2, 3, 33, 48))
    assert len(found) == 16 and set(found) < set(net.layers) and len(net.layers) == 37
    assert found["relu1_2"].shape == (2, 64, 33, 48) and found["relu5_4"].shape == (2, 512, 2, 3)


def test_frozen_but_differentiable(net: VGG19) -> None:
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    net(picture, ("relu3_1",))["relu3_1"].sum().backward()
    assert picture.grad is not None and picture.grad.abs().sum() > 0
    assert not net.training and not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("name", ["conv3_5", "conv6_1", "r1_3", "block5_conv5", "relu", ""])
def test_unknown_layers_are_refused(net: VGG19, name: str) -> None:
    with pytest.raises(ValueError, match="no layer .* choose"):
        net(torch.rand(1, 3, 32, 32), (name,))


def test_a_picture_too_small_is_refused(net: VGG19) -> None:
    assert net(torch.rand(1, 3, 8, 16), ("conv4_1",))["conv4_1"].shape == (1, 512, 1, 2)
    with pytest.raises(ValueError, match="7x16 is too small for conv4_1: give one of 8"):
        net(torch.rand(1, 3, 16, 7), ("conv4_1",))


# ---------------------------------------------------------------- weights


def test_weights_from_a_pth_file(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / "vgg.pth")
    loaded = VGG19(weights=tmp_path / "vgg.pth")
    assert all(torch.equal(v, state[f"features.{k}"]) for k, v in loaded.net.state_dict().items())


def test_weights_from_a_safetensors_file(tmp_path: Path, net: VGG19) -> None:
    file = tmp_path / "vgg.safetensors"
    save_file({f"features.{k}": v for k, v in net.net.state_dict().items()}, file)
    loaded = VGG19(weights=str(file))
    file.unlink()  # 80 MB
    assert all(torch.equal(v, net.net.state_dict()[k]) for k, v in loaded.net.state_dict().items())


class Harmful:
    """What a pickle can do when it is loaded without care."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('the pickle ran')",))


def test_files_that_are_no_weights(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    def refused(name: str, content: object, message: str) -> None:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            torch.save(content, path)
        with pytest.raises(ValueError, match=message) as caught:
            VGG19(weights=path)
        assert name in str(caught.value)

    whole = tmp_path / "whole.pth"
    torch.save(state, whole)
    refused("missing.pth", None, "no VGG-19 weights at")
    refused("cut.pth", whole.read_bytes()[:4000], "can't be read")
    refused("cut.safetensors", b"\0" * 100, "can't be read")
    refused("harmful.pth", {"features.0.weight": Harmful()}, "can't be read")
    refused("list.pth", [1, 2], "no dict of tensors")
    refused(
        "short.pth", {k: v for k, v in state.items() if ".28." not in k}, "2 tensors .*features.28.weight"
    )
    refused("wide.pth", {**state, "features.0.bias": torch.zeros(32)}, "1 tensors .*features.0.bias")
    refused("more.pth", {**state, "features.1.running_mean": torch.zeros(64)}, "features.1.running_mean")


# ---------------------------------------------------------------- download


def test_an_unreachable_server_is_one_sentence_within_seconds(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_to("http://127.0.0.1:9/vgg19-dcbb9e9d.pth", monkeypatch)  # nobody listens on the discard port
    start = time.monotonic()
    with pytest.raises(ValueError, match="could not be downloaded .* put the file at") as caught:
        VGG19()
    assert time.monotonic() - start < 10
    assert "\n" not in str(caught.value) and str(hub) in str(caught.value)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A loopback server of files: its address and its folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", folder
        http.shutdown()
        thread.join()


def test_download_once_then_offline(
    server: tuple[str, Path], hub: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, torch.Tensor]
) -> None:
    url, folder = server
    torch.save(state, folder / "vgg.pth")
    name = f"vgg19-{hashlib.sha256((folder / 'vgg.pth').read_bytes()).hexdigest()[:8]}.pth"
    (folder / "vgg.pth").rename(folder / name)
    point_to(f"{url}/{name}", monkeypatch)
    first = VGG19()
    assert torch.equal(first.net[0].bias, state["features.0.bias"]) and (hub / name).is_file()
    (folder / name).unlink()
    assert torch.equal(VGG19().net[0].bias, first.net[0].bias), "the second start must not need the server"


def test_a_tampered_download_is_refused_and_not_kept(
    server: tuple[str, Path], hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    (folder / "vgg19-dcbb9e9d.pth").write_bytes(b"something else")
    point_to(f"{url}/vgg19-dcbb9e9d.pth", monkeypatch)
    with pytest.raises(ValueError, match="could not be downloaded .*hash"):
        VGG19()
    assert not list(hub.iterdir())
    point_to(f"{url}/absent-dcbb9e9d.pth", monkeypatch)
    with pytest.raises(ValueError, match="(?i)could not be downloaded .*not found"):
        VGG19()


def test_importing_the_module_pulls_in_no_torchvision() -> None:
    code = "import sys, artcore.models.vgg; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
