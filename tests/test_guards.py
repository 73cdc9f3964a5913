"""What is kept of the photo: the figures of light, colour and detail, on pictures whose right answer is known."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from artcore import image
from artcore.tasks import guards


def as_picture(grey):
    return Image.fromarray(np.clip(np.asarray(grey) * 255 + 0.5, 0, 255).astype(np.uint8)).convert("RGB")


def strokes(width=192, height=160, contrast=0.08):
    """Diagonal strokes of 6 pixels: what a guard of the light has to leave alone."""
    y, x = np.mgrid[:height, :width]
    return contrast * np.sign(np.sin((x + y) * np.pi / 6))


def lit(photo, painting, amount=1.0):
    maps = image.window(guards.light_maps(photo, painting), photo.size, (0, 0, *photo.size))
    x, y = image.to_tensor(photo), image.to_tensor(painting)
    return guards.finish(x, y, maps=maps, light=amount)


def luma(x):
    return image.luma(x if isinstance(x, torch.Tensor) else image.to_tensor(x))[0, 0].numpy()


def low(grey):
    return np.asarray(as_picture(grey).convert("L").filter(ImageFilter.GaussianBlur(8)), float) / 255


@pytest.fixture
def tower():
    """(photo, painting): a bright tower before a sky; the painting has strokes, and a sky half as light."""
    photo = np.full((160, 192), 0.55)
    photo[:, 80:112] = 0.9
    dark = np.where(photo > 0.8, photo - 0.05, photo / 2)
    return as_picture(photo), as_picture(dark + strokes())


def test_light_is_the_photos_and_strokes_stay(tower):
    photo, painting = tower
    result = luma(lit(*tower))
    assert abs(low(luma(painting)) - low(luma(photo))).max() > 0.25
    assert abs(low(result) - low(luma(photo))).max() < 0.03
    sky = np.s_[20:140, 10:60]
    assert result[sky].std() > 0.85 * luma(painting)[sky].std()


def test_no_halo_stands_beside_an_edge(tower):
    """The sky's mean in columns near the tower is that far from it; a blurred correction misses it by far."""
    photo, painting = tower
    guarded = luma(lit(*tower)).mean(0)
    correction = luma(photo) - luma(painting)
    blurred = (luma(painting) + low(correction + 0.5) - 0.5).mean(0)
    near = np.r_[68:78, 114:124]
    assert abs(guarded[near] - 0.55).max() < 0.05 < 0.08 < abs(blurred[near] - 0.55).max()
    assert abs(guarded[84:108] - 0.9).max() < 0.05


def test_half_the_light_is_half_way_and_none_changes_nothing(tower):
    _, painting = tower
    full, half, none = (luma(lit(*tower, amount)) for amount in (1.0, 0.5, 0.0))
    assert abs(none - luma(painting)).max() < 1e-4
    assert abs(half - (full + luma(painting)) / 2).max() < 1e-3


def test_strokes_in_white_are_flattened_not_cut_off():
    photo, painting = as_picture(np.full((96, 96), 0.97)), as_picture(0.5 + strokes(96, 96, 0.2))
    result = luma(lit(photo, painting))[16:-16, 16:-16]
    assert result.max() < 1 and result.std() > 0.01 and result.mean() > 0.85


def test_colours_are_the_photos_at_the_paintings_luma():
    x, y = torch.rand(1, 3, 20, 30) * 0.2 + 0.4, torch.rand(1, 3, 20, 30) * 0.2 + 0.4
    kept = image.rgb_to_yuv(guards.finish(x, y, keep_colours=1.0))
    assert torch.allclose(kept[:, :1], image.luma(y), atol=1e-5)
    assert torch.allclose(kept[:, 1:], image.rgb_to_yuv(x)[:, 1:], atol=1e-5)


def test_detail_adds_what_the_base_lacks():
    x, y, base = (torch.rand(1, 3, 20, 30) * 0.2 + 0.4 for _ in range(3))
    changed = image.rgb_to_yuv(guards.finish(x, y, base=base, detail=0.5)) - image.rgb_to_yuv(y)
    assert torch.allclose(changed[:, :1], 0.5 * (image.luma(x) - image.luma(base)), atol=1e-5)
    assert changed[:, 1:].abs().max() < 1e-5


def test_a_colour_that_does_not_exist_keeps_luma_and_hue():
    luma_, chroma = torch.rand(1, 1, 40, 40), torch.rand(1, 2, 40, 40) - 0.5
    rgb = guards.in_gamut(luma_, chroma)
    assert rgb.min() >= 0 and rgb.max() <= 1
    found = image.rgb_to_yuv(rgb)
    assert torch.allclose(found[:, :1], luma_, atol=1e-4)
    cross = found[:, 1] * chroma[:, 1] - found[:, 2] * chroma[:, 0]
    assert cross.abs().max() < 1e-4 and (found[:, 1:] * chroma).sum(1).min() > -1e-5
    inside = torch.rand(1, 3, 40, 40)
    yuv = image.rgb_to_yuv(inside)
    assert torch.allclose(guards.in_gamut(yuv[:, :1], yuv[:, 1:]), inside, atol=1e-4)


def test_masks_are_softened_at_their_edges_alone():
    mask = Image.new("L", (400, 300))
    mask.paste(255, (100, 0, 400, 300))
    soft = guards.feathered(mask)[0, 0]
    assert soft[:, :80].max() == 0 and soft[:, 120:].min() == 1
    middle = soft[150, 80:120]
    assert (middle.diff() >= 0).all() and middle.diff().max() < 0.2


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (90, 70)])
def test_any_size_has_maps(size):
    rng = np.random.default_rng(0)
    pictures = (Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)) for _ in range(2))
    result = lit(*pictures)
    assert result.shape == (1, 3, size[1], size[0]) and result.isfinite().all()
