"""Losses against plain reference loops, and what they are invariant to."""

import torch

from artcore import perceptual


def reference_gram(f):
    n, c, h, w = f.shape
    out = torch.zeros(n, c, c)
    for i in range(c):
        for j in range(c):
            out[:, i, j] = (f[:, i] * f[:, j]).sum((1, 2)) / (h * w)
    return out


def test_gram_is_the_mean_of_products():
    f = torch.rand(2, 5, 7, 3)
    assert torch.allclose(perceptual.gram(f), reference_gram(f), atol=1e-6)
    assert perceptual.gram(f.bfloat16()).dtype == torch.float32


def test_gram_forgets_where_things_are():
    f = torch.rand(1, 4, 6, 6)
    shuffled = f.flatten(2)[..., torch.randperm(36)].view_as(f)
    assert torch.allclose(perceptual.gram(f), perceptual.gram(shuffled), atol=1e-6)


def test_relative_losses_are_zero_at_the_target_and_one_at_nothing():
    features = {"a": torch.rand(2, 4, 8, 8), "b": torch.rand(2, 3, 4, 4)}
    targets = perceptual.grams(features)
    weights = {"a": 0.7, "b": 0.3}
    nothing = {k: torch.zeros_like(v) for k, v in features.items()}
    assert perceptual.gram_loss(features, targets, weights) < 1e-9
    assert torch.isclose(perceptual.gram_loss(nothing, targets, weights), torch.tensor(1.0))
    assert perceptual.content_loss(features, features, weights) == 0
    assert torch.isclose(perceptual.content_loss(nothing, features, weights), torch.tensor(1.0))


def test_relative_losses_do_not_depend_on_scale():
    features, other = {"a": torch.rand(1, 4, 8, 8)}, {"a": torch.rand(1, 4, 8, 8)}
    scaled = {"a": 10 * features["a"]}, {"a": 10 * other["a"]}
    plain = perceptual.gram_loss(features, perceptual.grams(other), {"a": 1})
    assert torch.isclose(plain, perceptual.gram_loss(scaled[0], perceptual.grams(scaled[1]), {"a": 1}))


def test_raw_losses_are_mean_squares():
    features, other = {"a": torch.rand(2, 4, 8, 8)}, {"a": torch.rand(2, 4, 8, 8)}
    targets = perceptual.grams(other)
    expected = ((reference_gram(features["a"]) / 4 - reference_gram(other["a"]) / 4) ** 2).mean()
    assert torch.isclose(perceptual.gram_loss(features, targets, {"a": 2.0}, relative=False), 2 * expected)
    expected = ((features["a"] - other["a"]) ** 2).mean()
    assert torch.isclose(perceptual.content_loss(features, other, {"a": 2.0}, relative=False), 2 * expected)


def test_total_variation_counts_steps():
    assert perceptual.total_variation(torch.full((1, 3, 8, 8), 0.3)) == 0
    x = torch.zeros(1, 1, 4, 4)
    x[..., 2:] = 1
    assert torch.isclose(perceptual.total_variation(x), torch.tensor(4 / 12))


def test_match_colour_gives_the_moments_asked_for():
    x, like = 0.4 + 0.1 * torch.randn(2, 3, 40, 40), 0.5 + 0.1 * torch.randn(2, 3, 30, 30)
    like[:, 0] += 0.5 * (like[:, 1] - 0.5)
    mean, covariance = perceptual.colour_moments(like)
    made_mean, made_covariance = perceptual.colour_moments(perceptual.match_colour(x.clamp(0, 1), mean, covariance))
    assert torch.allclose(made_mean, mean, atol=5e-3) and torch.allclose(made_covariance, covariance, atol=2e-3)


def test_match_colour_survives_a_flat_picture():
    flat = torch.full((1, 3, 8, 8), 0.2)
    mean, covariance = perceptual.colour_moments(torch.rand(1, 3, 8, 8))
    made = perceptual.match_colour(flat, mean, covariance)
    assert torch.isfinite(made).all()
    assert torch.allclose(made.mean((2, 3)), mean, atol=1e-2)


def test_colour_loss_is_zero_for_its_own_moments():
    x = torch.rand(2, 3, 8, 8)
    assert perceptual.colour_loss(x, *perceptual.colour_moments(x)) == 0
    assert perceptual.colour_loss(x * 0.5, *perceptual.colour_moments(x)) > 0.01


def test_sliced_wasserstein_against_the_exact_distance_in_one_dimension():
    made, target = torch.rand(2, 1, 10, 10), 3 * torch.rand(2, 1, 10, 10)
    a, b = (f.flatten(1).sort(1).values for f in (made, target))
    expected = ((a - b).square().mean(1) / b.var(1)).mean()
    distance = perceptual.sliced_wasserstein({"a": made}, {"a": target}, {"a": 2.0}, samples=100)
    assert torch.isclose(distance, 2 * expected, rtol=1e-4)


def test_sliced_wasserstein_sees_what_a_gram_matrix_does_not():
    torch.manual_seed(1)
    target = torch.randn(1, 4, 32, 32)
    blobs = torch.zeros_like(target)  # the same second moments, in a few strong places
    blobs[..., ::4, ::4] = 4 * target[..., ::4, ::4]
    shuffled = target.flatten(2)[..., torch.randperm(1024)].view_as(target)
    gram = perceptual.gram_loss({"a": blobs}, perceptual.grams({"a": target}), {"a": 1.0})
    near, far = (
        perceptual.sliced_wasserstein({"a": f}, {"a": target}, {"a": 1.0}, generator=torch.Generator().manual_seed(0))
        for f in (shuffled, blobs)
    )
    assert gram < 0.25 and near < 0.01 and far > 0.5


def test_sliced_wasserstein_takes_sizes_that_differ_and_gives_a_gradient():
    made = torch.rand(1, 3, 8, 8, requires_grad=True)
    perceptual.sliced_wasserstein({"a": made}, {"a": torch.rand(1, 3, 5, 9)}, {"a": 1.0}).backward()
    assert made.grad.abs().sum() > 0
