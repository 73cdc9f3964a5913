"""Levels: what varnish did to a painting is undone, brushstrokes keep the contrast that they have."""

import pytest
import torch

from artcore import levels
from artcore.guided import box


def painting(height=96, width=128, seed=0):
    """Soft light over the picture, strokes on it, in a dim and yellow range."""
    rng = torch.Generator().manual_seed(seed)
    light = torch.nn.functional.interpolate(torch.rand(1, 3, 3, 4, generator=rng), (height, width), mode="bicubic")
    strokes = 0.05 * torch.randn(1, 1, height, width, generator=rng)
    dim = torch.tensor([0.6, 0.5, 0.3]).view(1, 3, 1, 1)
    return (0.1 + dim * (light.clamp(0, 1) + strokes)).clamp(0, 1)


def drawn_out(x):
    return levels.apply(x, levels.maps(x))


def ends(x):
    return torch.quantile(x[0].flatten(1), torch.tensor([0.01, 0.99]), dim=1)


def test_every_channel_fills_the_range():
    low, high = ends(painting())
    assert low.min() > 0.05 and high.max() < 0.75 and high.min() < 0.45
    low, high = ends(drawn_out(painting()))
    assert low.max() < 0.1 and high[:2].min() > 0.85 and high[2] > 0.65  # blue is drawn out no more than twice


def test_strokes_keep_their_contrast_and_light_gains_it():
    def fine(x):
        return (x - box(x, 3))[..., 8:-8, 8:-8].std((0, 2, 3))

    def coarse(x):
        return box(x, 8).std((0, 2, 3))

    x = painting()
    y = drawn_out(x)
    assert (fine(y) < 1.2 * fine(x)).all() and (coarse(y) > 1.4 * coarse(x)).all()


def test_a_high_edge_keeps_its_height_and_light_fades_softly_to_either_side():
    x = torch.full((1, 3, 96, 96), 0.2)
    x[..., 48:] = 0.7
    row = drawn_out(x)[0, 0, 48]
    assert row[48] - row[47] > 0.5 and row[:28].max() < 0.01 and row[68:].min() > 0.99
    assert row.diff()[:47].min() > -1e-6 and row.diff()[:47].max() < 0.03


def test_a_picture_that_fills_the_range_already_stays_as_it_is():
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert (drawn_out(x) - x).abs().max() < 0.01


def test_a_picture_of_one_hue_keeps_it():
    x = painting()
    x = x * torch.tensor([0.05, 0.1, 1.0]).view(1, 3, 1, 1)
    red, green, blue = drawn_out(x).mean((0, 2, 3))
    assert blue > 3 * green > 3 * red


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (24, 24)])
def test_one_colour_stays_what_it_is(value, size):
    x = torch.full((1, 3, *size), value)
    assert torch.allclose(drawn_out(x), x, atol=1e-5)


def test_half_way_is_half_of_it():
    x = painting()
    half = levels.apply(x, 0.5 * levels.maps(x))
    inner = (drawn_out(x) > 0) & (drawn_out(x) < 1)  # the rest is cut off
    assert torch.allclose(half[inner], (x + drawn_out(x))[inner] / 2, atol=1e-6) and inner.float().mean() > 0.9


def test_any_window_is_corrected_as_the_whole():
    x = painting()
    maps = levels.maps(x)
    window = levels.apply(x[..., 20:60, 30:90], maps[..., 20:60, 30:90])
    assert torch.equal(window, levels.apply(x, maps)[..., 20:60, 30:90])
