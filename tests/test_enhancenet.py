"""EnhanceNet: its bicubic kernels against their definition, any size, tiles, folding, the published layers."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from artcore.models.enhancenet import PRESETS, EnhanceNet, enlarge, mirror, reduce

NETS = [
    lambda: EnhanceNet(4, 2),
    lambda: EnhanceNet(4, 1, expansion=2),
    lambda: EnhanceNet(4, 2, upsample="nearest"),
]


def keys(x):
    """Keys' cubic kernel with a = -0.5, as MATLAB's imresize has it."""
    x = x.abs()
    inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, inner, torch.where(x < 2, outer, torch.zeros_like(x)))


def resize_matrix(size, out):
    """(out, size) of imresize along one side: half-pixel centres, the kernel widened where it reduces, mirrored
    indices, weights that sum to one."""
    scale = out / size
    stretch = min(scale, 1.0)
    matrix = torch.zeros(out, size, dtype=torch.float64)
    reach = int(2 / stretch) + 2
    for i in range(out):
        centre = (i + 0.5) / scale - 0.5
        index = torch.arange(int(centre) - reach, int(centre) + reach + 1)
        weight = keys((centre - index.double()) * stretch)
        folded = index % (2 * size)
        matrix[i].index_add_(0, torch.minimum(folded, 2 * size - 1 - folded), weight / weight.sum())
    return matrix


@pytest.mark.parametrize(("height", "width"), [(12, 20), (1, 3), (5, 1), (2, 2)])
def test_both_resizes_are_imresize_up_to_the_border(height, width):
    x = torch.rand(2, 3, height, width)
    up_y, up_x = resize_matrix(height, 4 * height), resize_matrix(width, 4 * width)
    assert torch.allclose(enlarge(x).double(), up_y @ x.double() @ up_x.T, atol=1e-5)
    x = torch.rand(2, 3, 4 * height, 4 * width)
    down_y, down_x = resize_matrix(4 * height, height), resize_matrix(4 * width, width)
    assert torch.allclose(reduce(x).double(), down_y @ x.double() @ down_x.T, atol=1e-5)


def test_the_mirror_repeats_the_border():
    assert mirror(torch.arange(3.0).view(1, 1, 1, 3), 4)[0, 0, 0].tolist() == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]


def test_a_size_that_can_not_be_quartered_is_refused():
    with pytest.raises(ValueError, match="10 x 8 can't be quartered: crop it"):
        reduce(torch.rand(1, 3, 8, 10))


@pytest.mark.parametrize("make", NETS)
def test_any_size_comes_out_four_times_as_large_in_float32(make):
    net = make().eval()
    for height, width in [(1, 1), (3, 17), (16, 2)]:
        made = net(torch.rand(2, 3, height, width))
        assert made.shape == (2, 3, 4 * height, 4 * width) and made.dtype == torch.float32


def test_it_is_the_bicubic_enlargement_plus_a_residual():
    net = EnhanceNet(4, 2).eval()
    x = torch.rand(1, 3, 9, 12)
    assert torch.allclose(net(x) - enlarge(x), net.residual(x), atol=1e-6)
    with torch.no_grad():
        net.tail.weight.zero_()
        net.tail.bias.zero_()
    assert torch.equal(net(x), enlarge(x))


def test_bfloat16_weights_leave_the_bicubic_part_its_precision():
    net = EnhanceNet(4, 2).eval()
    with torch.no_grad():
        net.tail.weight.zero_()
        net.tail.bias.zero_()
    x = torch.rand(1, 3, 9, 12)
    assert torch.equal(net.bfloat16()(x), enlarge(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(EnhanceNet.float(net)(x), enlarge(x))


@pytest.mark.parametrize("make", NETS)
def test_a_tile_equals_the_same_place_of_the_whole_picture(make):
    torch.manual_seed(0)
    net = make().eval()
    with torch.no_grad():
        net.tail.weight.mul_(100)
    x = torch.rand(1, 3, 50, 60)
    whole, overlap = net(x), net.overlap
    tile = net(x[..., 13:, 7:])
    inside = (..., slice(4 * overlap, None), slice(4 * overlap, None))
    assert torch.allclose(tile[inside], whole[..., 4 * 13 :, 4 * 7 :][inside], atol=1e-5)
    # Half of it is too little: nearer to the window's edge the two differ.
    nearer = (..., slice(4 * overlap // 2, None), slice(4 * overlap // 2, None))
    assert not torch.allclose(tile[nearer], whole[..., 4 * 13 :, 4 * 7 :][nearer], atol=1e-5)


@pytest.mark.parametrize("upsample", ["shuffle", "nearest"])
def test_the_overlap_is_what_a_pixel_is_seen_by(upsample):
    """With weights of one nothing cancels: the pixels that change are all that depend on the one that did."""
    net = EnhanceNet(2, 1, upsample=upsample).eval()
    for parameter in net.parameters():
        torch.nn.init.constant_(parameter, 1.0)
    x = torch.full((1, 3, 31, 31), 0.6)
    changed = x.clone()
    changed[..., 15, 15] = 0.9
    rows = (net(changed) - net(x)).abs().amax((0, 1, 3)).nonzero().flatten()
    reach = max(15 - int(rows.min()) // 4, int(rows.max()) // 4 - 15)
    assert reach == net.overlap


def test_folding_keeps_what_the_net_computes_and_leaves_plain_convolutions():
    net = EnhanceNet(4, 2, expansion=3, consistent=False).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    folded, x = net.folded(), torch.rand(1, 3, 12, 12)
    assert torch.allclose(net(x), folded(x), rtol=1e-4, atol=1e-4)
    assert folded.state_dict().keys() == EnhanceNet(4, 2).state_dict().keys()
    assert not folded.consistent and folded.folded().state_dict().keys() == folded.state_dict().keys()


@pytest.mark.parametrize("make", NETS)
def test_every_parameter_gets_a_gradient_and_a_checkpoint_comes_back_equal(make, tmp_path):
    net = make()
    net(torch.rand(2, 3, 12, 12)).square().mean().backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None]
    net.eval().save_pretrained(tmp_path)
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(EnhanceNet.from_pretrained(tmp_path)(x), net(x))


def test_the_published_layers_have_the_published_size_and_ours_a_seventh_of_their_work():
    paper, ours = EnhanceNet(**PRESETS["paper"]), EnhanceNet()
    convolutions = [m for m in paper.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 25 and all(c.kernel_size == (3, 3) for c in convolutions)
    assert sum(p.numel() for p in paper.parameters()) == 3 * 9 * 64 + 23 * (9 * 64 * 64) + 9 * 64 * 3 + 24 * 64 + 3
    work = []
    for net in (paper, ours):
        with FlopCounterMode(display=False) as counter:
            net(torch.rand(1, 3, 16, 16))
        work.append(counter.get_total_flops())
    assert work[0] > 7 * work[1]


def test_it_begins_near_the_bicubic_enlargement_without_a_grid():
    torch.manual_seed(0)
    net, x = EnhanceNet(), torch.full((1, 3, 40, 40), 0.7)
    made = net(x)[..., 64:-64, 64:-64]
    assert (made - 0.7).abs().max() < 0.2
    assert made.std((2, 3)).max() < 1e-5  # all 16 phases of the shuffle are equal


def test_an_unknown_way_of_enlarging_is_refused():
    with pytest.raises(ValueError, match='give "shuffle" or "nearest"'):
        EnhanceNet(upsample="transposed")
