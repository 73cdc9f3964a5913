"""CycleGAN's nets: the published shapes, both directions, folding, tiles, what is wrong."""

import pytest
import torch
from torch import nn

from artcore.hub import HubError
from artcore.models.cyclegan import DIRECTIONS, CycleGAN, ResNetGenerator


def tiny(generator="compact", **arguments):
    channels = {"compact": (4, 6, 8), "resnet": (4,)}[generator]
    return CycleGAN(generator, channels, **{"blocks": 1, "refine": 1, "fine": 1} | arguments)


# The published ResNet-9/64: where each convolution is in the sequence, its shape, and the bias's length.
BLOCK = [(f"{i}.conv_block.{k}", (256, 256, 3, 3), 256) for i in range(10, 19) for k in (1, 5)]
PUBLISHED = [
    ("1", (64, 3, 7, 7), 64),
    ("4", (128, 64, 3, 3), 128),
    ("7", (256, 128, 3, 3), 256),
    *BLOCK,
    ("19", (256, 128, 3, 3), 128),  # transposed: inputs come first
    ("22", (128, 64, 3, 3), 64),
    ("26", (3, 64, 7, 7), 3),
]


def test_the_published_generator_has_the_published_names_and_shapes():
    with torch.device("meta"):
        net = ResNetGenerator()
    found = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    weights = {f"model.{name}.weight": shape for name, shape, _ in PUBLISHED}
    assert found == weights | {f"model.{name}.bias": (bias,) for name, _, bias in PUBLISHED}
    assert sum(p.numel() for p in net.parameters()) == 11_378_179


def test_a_published_state_dict_loads_and_computes_what_the_paper_s_layers_do():
    """Against the paper's layers written out again, with a state dict of the published names."""
    net = ResNetGenerator(channels=4, blocks=2).eval()
    state = {name: torch.randn_like(tensor) * 0.1 for name, tensor in net.state_dict().items()}
    net.load_state_dict(state)
    f = nn.functional

    def norm(x):
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return (x - mean) / torch.sqrt(variance + 1e-5)

    def conv(x, name, pad=0, **options):
        x = f.pad(x, (pad,) * 4, mode="reflect") if pad else x
        return f.conv2d(x, state[f"model.{name}.weight"], state[f"model.{name}.bias"], **options)

    picture = torch.rand(2, 3, 32, 40)
    x = f.relu(norm(conv(2 * picture - 1, "1", 3)))
    for name in ("4", "7"):
        x = f.relu(norm(conv(x, name, stride=2, padding=1)))
    for i in (10, 11):
        inner = f.relu(norm(conv(x, f"{i}.conv_block.1", 1)))
        x = x + norm(conv(inner, f"{i}.conv_block.5", 1))
    for name in ("12", "15"):
        weight, bias = state[f"model.{name}.weight"], state[f"model.{name}.bias"]
        x = f.relu(norm(f.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)))
    wanted = torch.tanh(conv(x, "19", 3)) / 2 + 0.5
    assert torch.allclose(net(picture), wanted, atol=1e-5)


def test_the_resnet_preset_is_both_published_generators():
    with torch.device("meta"):
        net = CycleGAN("resnet")
    assert sum(p.numel() for p in net.parameters()) == 2 * 11_378_179
    assert not hasattr(net, "overlap")  # it has statistics of the whole picture: no tile equals it


@pytest.mark.parametrize("generator", ["compact", "resnet"])
def test_both_directions_keep_any_size_and_the_range(generator):
    net = tiny(generator).eval()
    for height, width in ((1, 1), (3, 65), (33, 40), (64, 48)):
        x = torch.rand(2, 3, height, width)
        made = [net(x, [1, 2], direction=direction) for direction in DIRECTIONS]
        assert all(m.shape == x.shape and m.min() >= 0 and m.max() <= 1 for m in made)
        assert not torch.equal(*made)


@pytest.mark.parametrize("generator", ["compact", "resnet"])
def test_to_painting_is_the_default_and_each_direction_its_own_net(generator):
    net = tiny(generator).eval()
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(net(x, 3), net.to_painting(x, 3)) and torch.equal(net(x, 3, (0, 0), "to_painting"), net(x, 3))
    assert torch.equal(net(x, 3, direction="to_photo"), net.to_photo(x, 3))


@pytest.mark.parametrize("generator", ["compact", "resnet"])
def test_every_parameter_gets_a_gradient_through_the_cycle(generator):
    net = tiny(generator).train()
    x = torch.rand(2, 3, 32, 32)
    (net(net(x), direction="to_photo") - x).abs().mean().backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None]


@pytest.mark.parametrize("generator", ["compact", "resnet"])
def test_a_checkpoint_comes_back_equal(generator, tmp_path):
    net = tiny(generator, levels=0.5).eval()
    net.save_pretrained(tmp_path)
    again = CycleGAN.from_pretrained(tmp_path)
    assert again.levels == again.folded().levels == 0.5
    assert [*again.state_dict()] == [*net.state_dict()]
    x = torch.rand(1, 3, 32, 40)
    for direction in DIRECTIONS:
        assert torch.equal(net(x, 5, direction=direction), again(x, 5, direction=direction))


def test_a_checkpoint_in_half_precision_of_what_ships_is_under_ten_megabytes(tmp_path):
    CycleGAN().save_pretrained(tmp_path, dtype="float16")
    assert (tmp_path / "model.safetensors").stat().st_size < 10_000_000


def test_half_a_checkpoint_is_no_checkpoint(tmp_path):
    from safetensors.torch import load_file, save_file

    tiny().save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file({k: v for k, v in state.items() if k.startswith("to_painting.")}, tmp_path / "model.safetensors")
    with pytest.raises(HubError, match="lacks to_photo"):
        CycleGAN.from_pretrained(tmp_path)


def test_folding_keeps_what_both_directions_compute():
    net = tiny(norm="batch", refine=2)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.bias)
    folded = net.eval().folded()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    x = torch.rand(1, 3, 32, 32)
    for direction in DIRECTIONS:
        assert torch.allclose(net(x, 3, direction=direction), folded(x, 3, direction=direction), atol=1e-4)


def test_folded_again_or_without_norms_it_computes_the_same_and_is_a_copy():
    net = tiny().eval()
    folded, x = net.folded(), torch.rand(1, 3, 24, 24)
    assert torch.equal(net(x), folded(x))
    with torch.no_grad():
        folded.to_painting.noise.weight.zero_()
    assert net.to_painting.noise.weight.any()
    resnet = tiny("resnet")
    assert resnet.folded() is resnet


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_tile_of_the_compact_one_equals_the_same_place_of_the_whole_picture(direction):
    net = tiny(refine=2).eval()
    assert (net.stride, net.margin) == (8, 24) and net.overlap % net.stride == 0
    x, overlap = torch.rand(1, 3, 216, 240), net.overlap
    whole = net(x, 9, direction=direction)
    tile = net(x[..., 16:, 24:], 9, (16, 24), direction)
    assert torch.allclose(tile[..., overlap:, overlap:], whole[..., 16 + overlap :, 24 + overlap :], atol=1e-5)
    # Its noise is of absolute positions: told another origin, the tile is another.
    other = net(x[..., 16:, 24:], 9, (0, 0), direction)
    assert not torch.allclose(other[..., overlap:, overlap:], tile[..., overlap:, overlap:], atol=1e-5)


def test_seeds_choose_the_brush_of_the_compact_one_and_nothing_of_the_published_one():
    x = torch.full((1, 3, 40, 40), 0.5)
    compact, resnet = tiny().eval(), tiny("resnet").eval()
    assert torch.equal(compact(x, 1), compact(x, 1)) and not torch.equal(compact(x, 1), compact(x, 2))
    assert torch.equal(resnet(x, 1), resnet(x, 2, (8, 8)))


def test_what_is_wrong_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match='give "compact" or "resnet"'):
        CycleGAN("unet")
    with pytest.raises(ValueError, match='give "to_painting" or "to_photo"'):
        tiny()(torch.rand(1, 3, 16, 16), direction="to_monet")
    with pytest.raises(ValueError, match='give "none" or "batch"'):
        tiny(norm="instance")
    tiny().save_pretrained(tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace("compact", "unet"))
    with pytest.raises(HubError, match='generator is .unet.; give "compact" or "resnet"'):
        CycleGAN.from_pretrained(tmp_path)
