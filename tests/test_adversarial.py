"""Discriminators, least squares, DiffAugment, image pool."""

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from training.adversarial import ImagePool, PatchDiscriminator, augment, gaussian_, least_squares, train_judge


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- discriminator


@pytest.mark.parametrize("norm", ["spectral", "instance"])
def test_a_score_sees_seventy_pixels(norm):
    """The gradient of one score reaches a window of 70 x 70 and no further (with instance norm, whose statistics
    are of the whole picture, it is that of the convolutions that counts)."""
    judge = PatchDiscriminator(channels=4, norm=norm).eval()
    for i, module in enumerate(judge.net):
        if isinstance(module, nn.InstanceNorm2d):
            judge.net[i] = nn.Identity()
    x = torch.rand(1, 3, 256, 256, requires_grad=True)
    scores = judge(x)
    assert scores.shape == (1, 1, 30, 30)
    scores[0, 0, 15, 15].backward()
    seen = x.grad[0].abs().sum(0).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [70, 70]


@pytest.mark.parametrize("norm", ["spectral", "instance"])
def test_the_smallest_picture_gets_a_score_and_a_smaller_one_none(norm):
    judge = PatchDiscriminator(channels=4, norm=norm)
    assert judge(torch.rand(2, 3, judge.smallest, judge.smallest)).shape == (2, 1, 1, 1)
    with pytest.raises((RuntimeError, ValueError)):
        judge(torch.rand(2, 3, judge.smallest - 1, judge.smallest - 1))


def test_the_papers_discriminator_has_its_widths_norms_and_start():
    judge = PatchDiscriminator(64, norm="instance")
    convolutions = [m for m in judge.net if isinstance(m, nn.Conv2d)]
    assert [(c.out_channels, c.stride[0]) for c in convolutions] == [(64, 2), (128, 2), (256, 2), (512, 1), (1, 1)]
    assert [m.num_features for m in judge.net if isinstance(m, nn.InstanceNorm2d)] == [128, 256, 512]
    assert all(abs(c.weight.std().item() - 0.02) < 0.002 and not c.bias.any() for c in convolutions)


def test_spectral_norm_bounds_every_layer():
    judge = PatchDiscriminator(4)
    for module in judge.net:
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.parametrizations.weight.original, 0, 5)
    for _ in range(15):  # its power iteration goes on with every pass
        judge(torch.rand(1, 3, 24, 24))
    judge.eval()
    for module in judge.net:
        if isinstance(module, nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_an_unknown_norm_is_a_sentence():
    with pytest.raises(ValueError, match='give "spectral" or "instance"'):
        PatchDiscriminator(norm="batch")


def test_the_start_of_the_paper_reaches_transposed_convolutions():
    net = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ConvTranspose2d(32, 32, 3, bias=False), nn.InstanceNorm2d(32))
    gaussian_(net)
    assert all(abs(net[i].weight.std().item() - 0.02) < 0.003 for i in (0, 1)) and not net[0].bias.any()


# ---------------------------------------------------------------- loss


def test_least_squares_is_the_mean_square_to_one_or_nought():
    scores = torch.tensor([0.0, 1.0, 3.0])
    assert least_squares(scores, real=True).item() == pytest.approx((1 + 0 + 4) / 3)
    assert least_squares(scores, real=False).item() == pytest.approx((0 + 1 + 9) / 3)
    assert least_squares(scores.bfloat16(), real=True).dtype == torch.float32


def test_a_discriminator_learns_and_the_generator_s_pictures_get_no_gradient():
    accelerator = Accelerator(cpu=True)
    judge = PatchDiscriminator(4).requires_grad_(False)
    optimiser = torch.optim.Adam(judge.parameters(), lr=1e-2, betas=(0.5, 0.99))
    draw = rng()
    losses = []
    for _ in range(16):
        made = torch.rand(2, 3, 32, 32, generator=draw, requires_grad=True)
        real = torch.rand(2, 3, 1, 1, generator=draw).expand(2, 3, 32, 32)
        losses.append(train_judge(accelerator, judge, optimiser, made.detach(), real, None))
        assert made.grad is None
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4]) and not losses[0].requires_grad


# ---------------------------------------------------------------- DiffAugment


def test_augmentation_is_a_function_of_the_generator_keeps_the_size_and_is_differentiable():
    x = torch.rand(3, 3, 40, 33, requires_grad=True)
    one, same, other = augment(x, rng(1)), augment(x, rng(1)), augment(x, rng(2))
    assert torch.equal(one, same) and not torch.equal(one, other) and one.shape == x.shape
    one.sum().backward()
    assert x.grad.abs().sum() > 0


def test_augmentation_moves_by_an_eighth_at_most_and_reflects():
    """A picture of columns 0, 1, ..., of one grey, which colours can't change the order of."""
    x = torch.arange(64.0).expand(1, 3, 64, 64) / 64
    shifts = set()
    for seed in range(60):
        row = augment(x, rng(seed))[0, 0, 0]
        step = (row[31] - row[30]).item()
        assert step > 0
        # Where the reflection begins, the row turns.
        rising = (row[1:] > row[:-1]).sum().item()
        shifts.add(63 - rising)
    assert max(shifts) == 8 and min(shifts) == 0 and len(shifts) >= 7


def test_pictures_of_a_batch_get_colours_of_their_own():
    x = torch.rand(1, 3, 16, 16).expand(4, 3, 16, 16)
    means = augment(x, rng()).mean((1, 2, 3))
    assert len({round(m.item(), 4) for m in means}) == 4


# ---------------------------------------------------------------- image pool


def numbered(*numbers):
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1)


def test_a_pool_hands_on_what_comes_until_it_is_full_then_half_of_it_is_older():
    pool, draw = ImagePool(10), rng()
    assert pool(numbered(*range(10)), draw).flatten().tolist() == list(range(10))
    older, given = 0, set(range(10))
    for i in range(10, 410):
        back = int(pool(numbered(i), draw))
        older += back != i
        # Nothing is made up, and nothing that was exchanged comes twice.
        assert back <= i and (back in given or back == i)
        given = given - {back} | {i} if back != i else given
    assert 160 < older < 240


def test_a_pool_of_nothing_hands_on_what_comes():
    x = numbered(1, 2, 3)
    assert torch.equal(ImagePool(0)(x, rng()), x)


def test_what_a_pool_keeps_is_a_copy():
    pool, x = ImagePool(1), numbered(1)
    pool(x, rng())
    x.fill_(7)
    assert any(int(pool(numbered(2), rng(seed))) == 1 for seed in range(5))


def test_a_pool_goes_on_from_its_state_exactly():
    one, draw = ImagePool(4), rng()
    for i in range(9):
        one(numbered(i), draw)
    other = ImagePool(4)
    other.load_state_dict(one.state_dict())
    first, second = rng(3), rng(3)
    for i in range(9, 30):
        assert torch.equal(one(numbered(i), first), other(numbered(i), second))


def test_states_of_before_of_more_processes_and_of_larger_pools_are_taken():
    for kept, wanted in (
        ([torch.ones(1, 1, 1), torch.zeros(1, 1, 1)], [1, 0]),  # one process's, as it was saved once
        ([[torch.ones(1, 1, 1)], [torch.zeros(1, 1, 1)]], [1]),  # the first of two processes
        ([[torch.ones(1, 1, 1)] * 5], [1, 1, 1]),
        ([[]], []),
        ([], []),
    ):
        pool = ImagePool(3)
        pool.load_state_dict({"kept": kept})
        assert [int(p) for p in pool.state_dict()["kept"][0]] == wanted
