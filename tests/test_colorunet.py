"""ColorUNet: shapes, seeds, hints, folding, the document's layers, what is wrong."""

import hashlib
import math

import pytest
import torch
from torch import nn

from artcore.models.colorunet import ColorUNet, normal, smooth

TINY = {"channels": (4, 6, 8), "blocks": (1, 1, 1)}


def tiny(generator="compact", **arguments):
    torch.manual_seed(0)
    shape = TINY if generator == "compact" else {"channels": (4,), "blocks": (3,)}
    return ColorUNet(generator, **shape | arguments).eval()


def trained(net):
    """Batch norms that have seen something."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return net


# ---------------------------------------------------------------- what goes in and out


@pytest.mark.parametrize("generator", ["compact", "document"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 65), (33, 40), (64, 48)])
def test_any_size_comes_back_as_chroma_in_range(generator, height, width):
    net = tiny(generator)
    luma = torch.rand(2, 1, height, width)
    noise = torch.cat([net.noise(seed, height, width) for seed in (1, 2)])
    assert noise.shape == (2, net.planes, height, width)
    chroma = net(luma, noise)
    assert chroma.shape == (2, 2, height, width)
    assert chroma.abs().max() <= 0.5 and chroma.isfinite().all()


@pytest.mark.parametrize("generator", ["compact", "document"])
def test_one_picture_meets_many_noises(generator):
    net = tiny(generator)
    luma = torch.rand(1, 1, 40, 56)
    noises = [net.noise(seed, 40, 56) for seed in range(3)]
    together = net(luma, torch.cat(noises))
    assert torch.allclose(together, torch.cat([net(luma, noise) for noise in noises]), atol=1e-5)
    assert not torch.allclose(together[0], together[1])


@pytest.mark.parametrize("generator", ["compact", "document"])
def test_the_grid_of_a_seed_is_its_noise(generator):
    net = tiny(generator)
    noise = net.noise(5, 45, 70)
    grid = net.coarse(noise)
    assert torch.allclose(grid, net.draw(5, *grid.shape[-2:]), atol=1e-5)
    luma = torch.rand(1, 1, 45, 70)
    apart = net.decode(net.encode(luma), grid)[..., :45, :70]
    assert torch.allclose(apart, net(luma, noise), atol=1e-5)


# ---------------------------------------------------------------- noise


def test_the_numbers_of_a_seed_are_these_on_every_machine():
    """The integers are the Mersenne twister's; the quantile is a double's, rounded."""
    made = normal(7, 4)
    key = int.from_bytes(hashlib.sha256(b"7/0").digest()[:4], "big")
    integers = torch.randint(0, 2**24, (4,), generator=torch.Generator().manual_seed(key))
    assert integers.tolist() == [517685, 10903512, 3838708, 9133693]
    for value, i in zip(made.tolist(), integers.tolist(), strict=True):
        assert math.isclose(0.5 * math.erfc(-value / math.sqrt(2)), (i + 0.5) / 2**24, rel_tol=1e-5)


def test_noise_is_standard_normal_and_coarse():
    net = ColorUNet()
    noise = torch.cat([net.noise(seed, 96, 136) for seed in range(400)])
    assert noise.mean((0, 2, 3)).abs().max() < 0.15
    assert (noise.std(0) - 1).abs().max() < 0.15  # at every place: also between the numbers it is made of
    assert noise.abs().max() < 6
    whole, cells = noise[:, :2], noise[:, 2:]
    assert torch.equal(whole, whole[..., :1, :1].expand_as(whole))
    near = (cells[..., 0] * cells[..., 15]).mean()
    far = (cells[..., 0] * cells[..., 135]).mean()
    assert near > 0.7 and far.abs() < 0.15


def test_seeds_are_any_integers_and_differ():
    net = tiny()
    made = [net.noise(seed, 32, 32) for seed in (0, 1, -1, 2**40, 2**80)]
    for i, noise in enumerate(made):
        assert noise.isfinite().all()
        assert all(not torch.equal(noise, other) for other in made[:i])
    assert torch.equal(made[1], net.noise(1, 32, 32))


def test_the_part_for_the_whole_picture_does_not_depend_on_its_size():
    net = tiny()
    assert torch.equal(net.noise(3, 40, 40)[:, :2, :1, :1], net.noise(3, 90, 17)[:, :2, :1, :1])


def test_smooth_keeps_the_variance_between_the_numbers():
    made = torch.cat([smooth(normal(seed, 1, 3, 3), 4, 8, 8) for seed in range(2000)])
    assert (made.std(0) - 1).abs().max() < 0.1


def test_the_document_s_noise_is_white():
    noise = tiny("document").noise(3, 200, 200)[0, 0]
    assert abs(noise.mean()) < 0.03 and abs(noise.std() - 1) < 0.03
    assert abs((noise[1:] * noise[:-1]).mean()) < 0.03 and abs((noise[:, 1:] * noise[:, :-1]).mean()) < 0.03


# ---------------------------------------------------------------- hints


def test_hints_change_the_colouring_and_no_hint_is_none():
    net = tiny()
    luma, noise = torch.rand(1, 1, 48, 48), net.noise(0, 48, 48)
    hints = torch.zeros(1, 3, 48, 48)
    plain = net(luma, noise)
    assert torch.equal(net(luma, noise, hints), plain)
    hints[:, :, 8:24, 8:24] = torch.tensor([0.2, -0.1, 1.0]).view(1, 3, 1, 1)
    assert not torch.allclose(net(luma, noise, hints), plain)
    both = net(luma.expand(2, -1, -1, -1), noise.expand(2, -1, -1, -1), hints)  # one set of hints serves all
    assert torch.allclose(both[:1], net(luma, noise, hints), atol=1e-6)


@pytest.mark.parametrize("net", [tiny("document"), tiny(hints=False)])
def test_a_net_without_hints_says_so(net):
    assert net.hints is False
    with pytest.raises(ValueError, match=r"without hints; leave them out, or take one with hints=True\."):
        net(torch.rand(1, 1, 32, 32), net.noise(0, 32, 32), torch.zeros(1, 3, 32, 32))


# ---------------------------------------------------------------- shapes


def test_an_encoder_is_a_second_condition():
    net = trained(tiny(encoder=(4, 5, 6, 7), norm="batch"))
    luma, noise = torch.rand(2, 1, 40, 70), torch.randn(2, 4, 40, 70)
    seen = net(luma, noise)
    folded = net.folded()
    assert torch.allclose(folded(luma, noise), seen, atol=1e-5)
    assert not any("head" in name for name in net.state_dict())
    for conv in net.net.sense:
        nn.init.zeros_(conv.weight)
    assert not torch.allclose(net(luma, noise), seen)


@pytest.mark.parametrize("generator", ["compact", "document"])
def test_folding_keeps_what_the_net_computes(generator):
    net = trained(tiny(generator, norm="batch"))
    folded = net.folded()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    luma, noise = torch.rand(2, 1, 40, 64), torch.randn(2, net.planes, 40, 64)
    assert torch.allclose(net(luma, noise), folded(luma, noise), atol=1e-5)
    again = folded.folded()
    assert torch.equal(again(luma, noise), folded(luma, noise))


@pytest.mark.parametrize("generator", ["compact", "document"])
def test_what_is_saved_loads_as_the_same(tmp_path, generator):
    net = tiny(generator)
    net.save_pretrained(tmp_path)
    again = ColorUNet.from_pretrained(tmp_path)
    luma, noise = torch.rand(1, 1, 32, 40), net.noise(1, 32, 40)
    assert torch.equal(again(luma, noise), net(luma, noise))
    assert (again.generator, again.planes, again.hints) == (net.generator, net.planes, net.hints)


def test_what_ships_is_small():
    with torch.device("meta"):
        net = ColorUNet(encoder=(32, 64, 128, 256))
    assert 2 * sum(p.numel() for p in net.parameters()) < 9e6  # bytes in half precision


def test_the_preset_has_the_document_s_layers():
    """64 filters doubled, LeakyReLU(0.1) and batch norm down, transposed convolutions and batch norm up."""
    with torch.device("meta"):
        net = ColorUNet("document", norm="batch").net
    assert [tuple(d.conv.weight.shape[:2]) for d in net.down] == [
        (64, 2),
        (128, 64),
        (256, 128),
        (512, 256),
        *[(512, 512)] * 4,
    ]
    assert all(d.conv.stride == (2, 2) for d in net.down)
    assert [d.norm is None for d in net.down] == [False] * 7 + [True]
    # Transposed: inputs come first, twice as many where a skip connection joins.
    assert [tuple(u.conv.weight.shape[:2]) for u in net.up] == [
        (512, 512),
        *[(1024, 512)] * 3,
        (1024, 256),
        (512, 128),
        (256, 64),
        (128, 2),
    ]
    assert [u.norm is None for u in net.up] == [False] * 7 + [True]


def test_the_document_s_net_computes_its_layers():
    """Written out again: 3 halvings, skip connections, LeakyReLU(0.1), ReLU, tanh."""
    net = trained(tiny("document", norm="batch"))
    state, f = net.net.state_dict(), nn.functional

    def block(x, name, conv):
        x = conv(x, state[f"{name}.conv.weight"], state.get(f"{name}.conv.bias"), stride=2, padding=1)
        if f"{name}.norm.weight" not in state:
            return x
        mean, var, weight, bias = (
            state[f"{name}.norm.{k}"].view(1, -1, 1, 1) for k in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias

    luma, noise = torch.rand(1, 1, 32, 40), torch.randn(1, 1, 32, 40)
    one = f.leaky_relu(block(torch.cat([noise, 2 * luma - 1], 1), "down.0", f.conv2d), 0.1)
    two = f.leaky_relu(block(one, "down.1", f.conv2d), 0.1)
    three = f.leaky_relu(block(two, "down.2", f.conv2d), 0.1)
    x = torch.cat([f.relu(block(three, "up.0", f.conv_transpose2d)), two], 1)
    x = torch.cat([f.relu(block(x, "up.1", f.conv_transpose2d)), one], 1)
    wanted = torch.tanh(block(x, "up.2", f.conv_transpose2d)) / 2
    assert torch.allclose(net(luma, noise), wanted, atol=1e-5)


def test_dropout_is_in_the_document_s_training_alone():
    net = tiny("document")
    luma, noise = torch.rand(1, 1, 32, 32), net.noise(0, 32, 32)
    assert torch.equal(net(luma, noise), net(luma, noise))
    net.train()
    assert not torch.equal(net(luma, noise), net(luma, noise))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"generator": "unet"}, 'give "compact" or "document"'),
        ({"channels": (4, 4), "blocks": (1,)}, "give one of each for 1/4"),
        ({"channels": (4,), "blocks": (1,)}, "give one of each for 1/4"),
        ({"generator": "document", "blocks": (1,)}, "give 2 or more"),
        ({"generator": "document", "channels": (4, 6)}, "give one number of either"),
        ({"generator": "document", "blocks": (3, 3)}, "give one number of either"),
        ({"planes": 0}, "give 1 or more"),
        ({"norm": "layer"}, 'give "none" or "batch"'),
    ],
)
def test_a_shape_that_can_not_be_is_a_sentence(arguments, why):
    with pytest.raises(ValueError, match=why):
        ColorUNet(**arguments)
