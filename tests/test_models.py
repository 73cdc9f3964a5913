"""Every net: the same after a round trip, sizes odd and tiny, range, gradients, tiles, folding."""

import pytest
import torch

from artcore.models.encoder import ArtEncoder
from artcore.models.stylenet import StyleNet, StyleTransferNetwork, noise_plane

PAINTERS = [
    lambda: StyleNet(channels=(4, 6, 8), blocks=1),
    lambda: StyleNet(channels=(4, 4, 4), blocks=2, cells=(1, 3), planes=1, norm="batch"),
    lambda: StyleTransferNetwork(channels=(4, 4, 4), blocks=1, kernel=5),
]
SIZES = [(1, 1), (3, 257), (64, 48), (50, 3)]


@pytest.mark.parametrize("make", PAINTERS)
def test_painters_keep_any_size_and_the_range(make):
    net = make().eval()
    for height, width in SIZES:
        painted = net(torch.rand(2, 3, height, width), 3)
        assert painted.shape == (2, 3, height, width)
        assert painted.min() >= 0 and painted.max() <= 1


@pytest.mark.parametrize("make", PAINTERS)
def test_every_parameter_gets_a_gradient(make):
    net = make().train()
    net(torch.rand(2, 3, 40, 40), [1, 2]).square().mean().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None]
    assert not without


@pytest.mark.parametrize("make", [*PAINTERS, lambda: ArtEncoder(channels=(4, 6), classes=3)])
def test_a_checkpoint_comes_back_equal(make, tmp_path):
    net = make().eval()
    net.save_pretrained(tmp_path)
    again = type(net).from_pretrained(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))
    x = torch.rand(1, 3, 32, 40)
    ours, theirs = (n(x) for n in (net, again))
    if isinstance(net, ArtEncoder):
        ours, theirs = ours["r2_2"], theirs["r2_2"]
    assert torch.equal(ours, theirs)


def test_a_batch_is_painted_as_its_pictures_one_by_one():
    net = StyleNet(channels=(4, 6, 8), blocks=1).eval()
    x = torch.rand(3, 3, 40, 56)
    together = net(x, [5, 6, 7])
    alone = torch.cat([net(x[i : i + 1], 5 + i) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_another_seed_is_another_brush_and_the_same_seed_the_same():
    net = StyleNet(channels=(4, 6, 8), blocks=1).eval()
    x = torch.full((1, 3, 48, 48), 0.5)
    assert torch.equal(net(x, 1), net(x, 1))
    assert (net(x, 1) - net(x, 2)).abs().max() > 1e-4


@pytest.mark.parametrize("cell", [1, 4, 16])
def test_noise_depends_on_absolute_position_alone(cell):
    whole = noise_plane(7, 2, cell, -3, -5, 90, 100)
    part = noise_plane(7, 2, cell, 20, 31, 40, 50)
    assert torch.equal(whole[23:63, 36:86], part)
    other = noise_plane(8, 2, cell, -3, -5, 90, 100)
    assert not torch.equal(whole, other)
    assert not torch.equal(whole, noise_plane(7, 3, cell, -3, -5, 90, 100))


def test_white_noise_has_zero_mean_unit_variance_and_no_correlation():
    noise = noise_plane(3, 0, 1, 0, 0, 400, 400)
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02
    for a, b in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), (noise[1:, 1:], noise[:-1, :-1])):
        assert abs((a * b).mean()) < 0.02
    assert abs((noise * noise_plane(4, 0, 1, 0, 0, 400, 400)).mean()) < 0.02
    assert abs((noise * noise_plane(3, 1, 1, 0, 0, 400, 400)).mean()) < 0.02


def test_a_tile_equals_the_same_place_of_the_whole_picture():
    net = StyleNet(channels=(4, 6, 8), blocks=2).eval()
    x = torch.rand(1, 3, 240, 264)
    whole, overlap = net(x, 9), net.overlap
    assert overlap % net.stride == 0
    tile = net(x[..., 16:, 24:], 9, origin=(16, 24))
    assert torch.allclose(tile[..., overlap:, overlap:], whole[..., 16 + overlap :, 24 + overlap :], atol=1e-5)
    # The overlap is needed: closer to the window's edge the two differ.
    assert not torch.allclose(tile[..., 8:, 8:], whole[..., 24:, 32:], atol=1e-5)


def test_folding_keeps_what_the_net_computes():
    torch.manual_seed(0)
    for net in (StyleNet(channels=(4, 6, 8), blocks=1, norm="batch"), ArtEncoder(channels=(4, 6), norm="batch")):
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.running_mean)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
                torch.nn.init.normal_(module.bias)
        net.eval()
        folded = net.folded()
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
        x = torch.rand(1, 3, 32, 32)
        if isinstance(net, ArtEncoder):
            assert torch.allclose(net.logits(x), folded.logits(x), atol=1e-4)
        else:
            assert torch.allclose(net(x), folded(x), atol=1e-4)


def test_the_encoder_stops_at_the_deepest_layer_asked_for():
    net = ArtEncoder(channels=(4, 6, 8), classes=3)
    called = []
    net.blocks[2][0].register_forward_hook(lambda *_: called.append(True))
    features = net(torch.rand(1, 3, 32, 24), ("r1_2", "r2_1"))
    assert list(features) == ["r1_2", "r2_1"] and not called
    assert features["r1_2"].shape == (1, 4, 32, 24) and features["r2_1"].shape == (1, 6, 16, 12)
    assert net.layers == ("r1_1", "r1_2", "r2_1", "r2_2", "r3_1", "r3_2")


def test_the_encoder_says_what_is_wrong():
    net = ArtEncoder(channels=(4, 6, 8), classes=3)
    with pytest.raises(ValueError, match="no layer 'r5_1'; choose from r1_1"):
        net(torch.rand(1, 3, 32, 32), ("r5_1",))
    with pytest.raises(ValueError, match="too small for the encoder"):
        net(torch.rand(1, 3, 3, 32))


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match='give "none" or "batch"'):
        StyleNet(norm="layer")
