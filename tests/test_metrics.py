from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage import color, data
from skimage import metrics as reference
from torch.nn import functional as F

from artcore import metrics

# CIEDE2000 test pairs of Sharma, Wu and Dalal 2005, table 1: L1 a1 b1 L2 a2 b2 difference. They reach every
# branch: hues across 0 and 180 degrees, greys, and the blue rotation term.
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    """A real photograph, (1, 3, 96, 128)."""
    picture = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].double() / 255
    return F.interpolate(picture, (128, 128), mode="area")[:, :, :96]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def strokes(count: int, angle: float, tint: tuple[float, float, float], *, seed: int, size: int = 64) -> torch.Tensor:
    """A "painter": tinted stripes of one direction with noise, (count, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    phase = torch.rand(count, 1, 1, generator=generator) * 6.28
    wave = torch.sin((x * math.cos(angle) + y * math.sin(angle)) * 0.9 + phase) * 0.2
    grain = torch.rand(count, 3, size, size, generator=generator) * 0.1
    return (torch.tensor(tint).view(1, 3, 1, 1) + wave[:, None] + grain).clamp(0, 1)


# ---------------------------------------------------------------- PSNR and SSIM


def studio_luma(picture: torch.Tensor) -> np.ndarray:
    """Written from the definition, per pixel, to hold the vectorised one to it."""
    eight_bit = (picture.permute(1, 2, 0).numpy() * 255).round()
    return 16 + (65.481 * eight_bit[..., 0] + 128.553 * eight_bit[..., 1] + 24.966 * eight_bit[..., 2]) / 255


def test_psnr_and_ssim_agree_with_scikit_image_on_studio_luma(photo: torch.Tensor) -> None:
    worse = (photo + 0.1 * (noise(*photo.shape) - 0.5)).clamp(0, 1)
    for crop in (0, 4):
        inner = (slice(crop, 96 - crop), slice(crop, 128 - crop))
        a, b = studio_luma(photo[0])[inner], studio_luma(worse[0])[inner]
        psnr = reference.peak_signal_noise_ratio(a, b, data_range=255)
        ssim = reference.structural_similarity(
            a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert metrics.psnr_y(photo, worse, crop=crop).item() == pytest.approx(psnr, abs=1e-9)
        assert metrics.ssim_y(photo, worse, crop=crop).item() == pytest.approx(ssim, abs=1e-9)


def test_psnr_and_ssim_of_colours_agree_with_scikit_image(photo: torch.Tensor) -> None:
    first = torch.cat([photo, photo.flip(3)])
    second = torch.cat([photo, photo.flip(3)]) * 0.8 + 0.1 * noise(2, 3, 96, 128)
    for i in range(2):
        a, b = (x[i].permute(1, 2, 0).numpy() for x in (first, second))
        peak = reference.peak_signal_noise_ratio(a, b, data_range=1)
        assert metrics.psnr(first, second)[i].item() == pytest.approx(peak, abs=1e-9)
        options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        _, full = reference.structural_similarity(a, b, channel_axis=2, full=True, **options)
        assert metrics.ssim(first, second)[i].item() == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)
    assert metrics.psnr(photo, photo).item() == math.inf and metrics.ssim(photo, photo).item() == pytest.approx(1)


def test_psnr_of_one_known_error_and_of_equal_pictures() -> None:
    black = torch.zeros(1, 3, 16, 16)
    white = torch.ones(1, 3, 16, 16)
    assert metrics.psnr_y(black, white).item() == pytest.approx(20 * math.log10(255 / 219))  # Y is 16 and 235
    assert metrics.psnr_y(black, black).item() == math.inf
    assert metrics.ssim_y(noise(2, 3, 16, 16), noise(2, 3, 16, 16)).tolist() == pytest.approx([1, 1])


def test_figures_are_per_picture(photo: torch.Tensor) -> None:
    worse = (photo * 0.8).clamp(0, 1)
    both = torch.cat([photo, worse])
    for metric in (metrics.psnr_y, metrics.ssim_y, metrics.ciede2000, metrics.content_kept):
        result = metric(both, torch.cat([photo, photo]))
        assert result.shape == (2,) and result[0] != result[1]
        assert result[1].item() == pytest.approx(metric(worse, photo).item())


# ---------------------------------------------------------------- colour


def test_delta_e_2000_matches_the_published_pairs() -> None:
    rows = torch.tensor([[float(v) for v in line.split()] for line in SHARMA.strip().splitlines()]).double()
    found = metrics.delta_e_2000(rows[:, 0:3], rows[:, 3:6])
    swapped = metrics.delta_e_2000(rows[:, 3:6], rows[:, 0:3])
    assert len(rows) == 34
    torch.testing.assert_close(found, rows[:, 6], atol=6e-5, rtol=0)
    torch.testing.assert_close(found, swapped, atol=1e-9, rtol=0)


def test_lab_and_ciede2000_agree_with_scikit_image(photo: torch.Tensor) -> None:
    other = photo.flip(1)
    lab = [color.rgb2lab(p[0].permute(1, 2, 0).numpy()) for p in (photo, other)]
    np.testing.assert_allclose(metrics.rgb_to_lab(photo)[0].permute(1, 2, 0), lab[0], atol=1e-3)
    expected = color.deltaE_ciede2000(*lab).mean()
    assert metrics.ciede2000(photo, other).item() == pytest.approx(expected, abs=1e-3)
    assert metrics.ciede2000(photo, photo).item() == 0


def test_white_black_and_grey_in_lab() -> None:
    grey = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 3, 1, 1)
    lab = metrics.rgb_to_lab(grey)[..., 0, 0]
    assert lab[:, 0].tolist() == pytest.approx([0, 53.389, 100], abs=2e-3)
    assert lab[:, 1:].abs().max() < 0.01


def test_colourfulness_from_its_definition(photo: torch.Tensor) -> None:
    red, green, blue = (photo[0].numpy() * 255).reshape(3, -1)
    rg, yb = red - green, (red + green) / 2 - blue
    expected = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert metrics.colourfulness(photo).item() == pytest.approx(expected)
    assert metrics.colourfulness(photo.mean(1, keepdim=True).expand(-1, 3, -1, -1)).item() == pytest.approx(0, abs=1e-9)


def test_diversity_is_the_mean_over_all_pairs() -> None:
    samples = noise(4, 3, 8, 8)
    pairs = [metrics.ciede2000(samples[i : i + 1], samples[j : j + 1]) for i in range(4) for j in range(i)]
    assert metrics.diversity(samples) == pytest.approx(torch.cat(pairs).mean().item())
    assert metrics.diversity(samples[:1].expand(3, -1, -1, -1)) == 0
    with pytest.raises(ValueError, match="at least two"):
        metrics.diversity(samples[:1])


# ---------------------------------------------------------------- content


def test_content_follows_edges_not_colours(photo: torch.Tensor) -> None:
    def kept(output: torch.Tensor) -> float:
        return metrics.content_kept(output, photo).item()

    small = F.avg_pool2d(photo, 3, 1, 1)
    large = F.avg_pool2d(photo, 9, 1, 4)
    assert kept(photo) == pytest.approx(1)
    assert 1 > kept(small) > kept(large) > kept(torch.full_like(photo, 0.5))
    assert kept(torch.full_like(photo, 0.5)) < 0.2
    assert kept(photo.clamp(0.2, 0.7)) > kept(noise(*photo.shape))
    brighter = photo * 0.9 + 0.1  # all gradients times 0.9
    assert kept(brighter) > 0.98


def test_content_is_the_ssim_of_sobel_magnitudes(photo: torch.Tensor) -> None:
    def edges(picture: torch.Tensor) -> np.ndarray:
        luma = np.pad(np.tensordot([0.299, 0.587, 0.114], picture[0].numpy(), 1), 1, mode="edge")
        result = np.zeros((96, 128))
        for y in range(96):
            for x in range(128):
                w = luma[y : y + 3, x : x + 3]
                across, down = (w[:, 2] - w[:, 0]) @ [1, 2, 1], (w[2] - w[0]) @ [1, 2, 1]
                result[y, x] = math.hypot(across, down) / 4
        return result

    worse = F.avg_pool2d(photo, 3, 1, 1)
    expected = reference.structural_similarity(
        edges(worse),
        edges(photo),
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert metrics.content_kept(worse, photo).item() == pytest.approx(expected, abs=1e-9)


# ---------------------------------------------------------------- distances between sets


def reference_patch_distance(a: torch.Tensor, b: torch.Tensor, kind: str) -> float:
    """All patches of equal-sized sets, sorted: what the drawn one estimates."""
    total = 0.0
    generator = torch.Generator().manual_seed(99)
    for scale in range(3):
        sides = []
        for pictures in (a, b):
            x = F.avg_pool2d(pictures, 2**scale)
            if kind == "brushwork":
                x = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
            patches = F.unfold(x, 7).transpose(1, 2).flatten(0, 1)
            sides.append(patches - patches.mean(1, keepdim=True) if kind == "brushwork" else patches)
        directions = F.normalize(torch.randn(256, sides[0].shape[1], generator=generator), dim=1)
        ordered = [(side @ directions.T).sort(0).values for side in sides]
        total += (ordered[0] - ordered[1]).abs().mean().item() / 3
    return total


@pytest.mark.parametrize("kind", ["brushwork", "colour"])
def test_patch_distance_estimates_the_exact_one(kind: str) -> None:
    a, b = strokes(3, 0.3, (0.3, 0.5, 0.6), seed=1), strokes(3, 1.2, (0.5, 0.4, 0.3), seed=2)
    exact = reference_patch_distance(a, b, kind)
    assert metrics.patch_distance(a, b, kind, patches=8192) == pytest.approx(exact, rel=0.2)


def test_patch_distance_is_zero_for_equal_sets_symmetric_and_repeatable() -> None:
    a, b = strokes(2, 0.3, (0.3, 0.5, 0.6), seed=1), noise(2, 3, 64, 64)
    state = torch.random.get_rng_state()
    for kind in ("brushwork", "colour"):
        first = metrics.patch_distance(a, b, kind, patches=2048)
        assert metrics.patch_distance(a, a.clone(), kind, patches=2048) == 0
        assert metrics.patch_distance(b, a, kind, patches=2048) == pytest.approx(first, rel=1e-6)
        assert metrics.patch_distance(a, b, kind, patches=2048) == first > 0
        assert metrics.patch_distance(a, b, kind, patches=2048, seed=1) != first
    assert torch.equal(torch.random.get_rng_state(), state), "the figures must not touch the global generator"


def test_brushwork_ignores_palette_and_colour_does_not() -> None:
    texture = strokes(2, 0.3, (0.4, 0.4, 0.4), seed=1)
    brighter = texture + 0.1
    assert metrics.patch_distance(texture, brighter, "brushwork", patches=2048) < 1e-6
    assert metrics.patch_distance(texture, brighter, "colour", patches=2048) > 0.05
    turned = texture.transpose(2, 3)  # the same colours, other strokes
    brushwork = metrics.patch_distance(texture, turned, "brushwork", patches=2048)
    assert brushwork > 3 * metrics.patch_distance(
        texture, strokes(2, 0.3, (0.4, 0.4, 0.4), seed=5), "brushwork", patches=2048
    )


def test_patch_distance_compares_sets_of_other_number_and_size() -> None:
    a = strokes(2, 0.3, (0.3, 0.5, 0.6), seed=1)
    more = [*strokes(3, 0.3, (0.3, 0.5, 0.6), seed=2), strokes(1, 0.3, (0.3, 0.5, 0.6), seed=3, size=90)]
    other = strokes(5, 1.4, (0.6, 0.3, 0.3), seed=4)
    for kind in ("brushwork", "colour"):
        near = metrics.patch_distance(a, more, kind, patches=4097)
        assert 0 < near < 0.4 * metrics.patch_distance(a, other, kind, patches=4097)


def pooled(picture: torch.Tensor) -> dict[str, torch.Tensor]:
    """A small feature function with two layers."""
    kernels = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(7))
    first = F.relu(F.conv2d(picture, kernels))
    return {"r1": first, "r2": F.avg_pool2d(first, 2).square()}


def test_encoder_distance_from_its_definition() -> None:
    a, b = noise(2, 3, 20, 20, seed=1), noise(3, 3, 20, 20, seed=2) * 0.5
    total = []
    for layer in ("r1", "r2"):
        sides = []
        for pictures in (a, b):
            f = pooled(pictures)[layer].double().transpose(0, 1).flatten(1)
            sides.append((f.mean(1), f.std(1, correction=0), f @ f.T / f.shape[1]))
        total += [(x - y).norm() / y.norm() for x, y in zip(*sides, strict=True)]
    assert metrics.encoder_distance(a, b, pooled) == pytest.approx(torch.stack(total).mean().item(), rel=1e-5)
    assert metrics.encoder_distance(a, a, pooled) == 0


# ---------------------------------------------------------------- the score card


@pytest.fixture(scope="module")
def painter() -> dict[str, torch.Tensor]:
    return {
        "train": strokes(6, 0.3, (0.3, 0.4, 0.7), seed=1),
        "heldback": strokes(3, 0.3, (0.3, 0.4, 0.7), seed=2),
        "photos": noise(3, 3, 64, 64, seed=3) * 0.3 + 0.3,
    }


def card(outputs: torch.Tensor, painter: dict[str, torch.Tensor]) -> metrics.StyleScore:
    return metrics.style_score(outputs, painter["photos"], painter["train"], painter["heldback"], pooled, patches=2048)


def test_the_photos_score_zero_and_real_paintings_one(painter: dict[str, torch.Tensor]) -> None:
    copied = card(painter["photos"], painter)
    real = card(painter["heldback"], painter)
    others = card(strokes(3, 0.3, (0.3, 0.4, 0.7), seed=9), painter)
    for name in ("brushwork", "colour", "encoder"):
        assert getattr(copied, name).score == 0
        assert getattr(real, name).score == 1
        assert getattr(others, name).score == pytest.approx(1, abs=0.15)
    assert copied.content == pytest.approx(1) and real.content < 0.5


def test_half_way_lies_between_and_the_bounds_are_kept(painter: dict[str, torch.Tensor]) -> None:
    half = card((painter["photos"] + strokes(3, 0.3, (0.3, 0.4, 0.7), seed=9)) / 2, painter)
    for name in ("brushwork", "colour"):
        figure = getattr(half, name)
        assert figure.real < figure.distance < figure.copied
        assert 0 < figure.score < 1
        assert figure.score == pytest.approx((figure.copied - figure.distance) / (figure.copied - figure.real))
    written = half.to_dict()
    assert set(written) == {"brushwork", "colour", "encoder", "content"}
    assert set(written["colour"]) == {"distance", "copied", "real", "score"}
    assert written["colour"]["copied"] == metrics.patch_distance(
        painter["photos"], painter["train"], "colour", patches=2048
    )
    assert half == card((painter["photos"] + strokes(3, 0.3, (0.3, 0.4, 0.7), seed=9)) / 2, painter)


def test_no_score_without_a_question(painter: dict[str, torch.Tensor]) -> None:
    # Photos that are as near as the held-back paintings: a ratio of noise is no figure.
    result = metrics.style_score(
        painter["photos"], painter["heldback"], painter["train"], painter["heldback"], patches=2048
    )
    assert result.colour.score is None and result.colour.copied == result.colour.real
    assert result.encoder is None and result.to_dict()["encoder"] is None


def test_a_described_set_serves_for_several_scores(painter: dict[str, torch.Tensor]) -> None:
    known = {name: metrics.describe(painter[name], pooled, patches=2048) for name in ("train", "heldback", "photos")}
    photos = known.pop("photos")
    assert card(painter["photos"], painter | known) == card(painter["photos"], painter)
    found = metrics.distances(photos, known["train"])
    assert found["brushwork"] == metrics.patch_distance(painter["photos"], painter["train"], "brushwork", patches=2048)
    assert found["encoder"] == metrics.encoder_distance(painter["photos"], painter["train"], pooled)
    assert set(metrics.distances(metrics.describe(painter["photos"]), known["train"])) == {"brushwork", "colour"}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: metrics.psnr_y(x, x[..., :-1]), "resize"),
        (lambda x: metrics.psnr_y(x * 255, x), "divide by 255"),
        (lambda x: metrics.colourfulness(x[:, :1]), "RGB of shape"),
        (lambda x: metrics.colourfulness(torch.full_like(x, math.nan)), r"\[0, 1\]"),
        (lambda x: metrics.psnr_y(x, x, crop=20), "smaller crop"),
        (lambda x: metrics.ssim_y(x[..., :10], x[..., :10]), "11 pixels"),
        (lambda x: metrics.patch_distance(x[..., :27], x, "colour"), "28 pixels"),
        (lambda x: metrics.patch_distance(x, x, "strokes"), "'brushwork' or 'colour'"),
        (lambda x: metrics.patch_distance([], x, "colour"), "at least one"),
        (lambda x: metrics.patch_distance([x.expand(2, -1, -1, -1)], x, "colour"), "split"),
        (lambda x: metrics.encoder_distance(x, x, lambda _: {}), "no layer"),
        (lambda x: metrics.style_score(x, x.expand(2, -1, -1, -1), x, x), "one output for each photo"),
    ],
)
def test_wrong_input_is_one_sentence(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call(noise(1, 3, 40, 40))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
