"""What a colouring is compared with its original by."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from artcore import metrics
from artcore.image import to_tensor
from artcore.tasks import comparison
from artcore.tasks.comparison import ComparisonError, compare


@pytest.fixture
def photo() -> Image.Image:
    """A picture with smooth colours: 60 x 40."""
    x, y = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 40))
    return Image.fromarray(np.uint8(255 * np.stack([x, y, (1 - x) * y], -1)))


def test_equal_pictures(photo: Image.Image) -> None:
    figures = compare(photo, photo)
    assert figures["psnr"] == math.inf and figures["ssim"] == pytest.approx(1) and figures["ciede2000"] == 0
    assert figures["colourfulness"] == figures["colourfulness_original"] > 20


def test_grey_has_no_colour_and_is_far_from_the_photo(photo: Image.Image) -> None:
    grey = ImageOps.grayscale(photo).convert("RGB")
    figures = compare(photo, grey)
    assert figures["colourfulness"] == pytest.approx(0) and figures["colourfulness_original"] > 20
    assert figures["ssim"] < 0.95 and figures["ciede2000"] > 5
    error = np.mean((np.asarray(photo, float) - np.asarray(grey, float)) ** 2)
    assert figures["psnr"] == pytest.approx(10 * math.log10(255**2 / error), abs=1e-4)
    # On luma, which a colouring keeps, the two are as good as equal: hence the channels.
    assert float(metrics.psnr_y(to_tensor(photo), to_tensor(grey))) > figures["psnr"] + 5


def test_nearer_scores_better(photo: Image.Image) -> None:
    grey = ImageOps.grayscale(photo).convert("RGB")
    near, far = compare(photo, Image.blend(photo, grey, 0.2)), compare(photo, Image.blend(photo, grey, 0.7))
    assert near["psnr"] > far["psnr"] and near["ssim"] > far["ssim"] and near["ciede2000"] < far["ciede2000"]


def test_large_pictures_are_reduced_and_score_alike(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    large = photo.resize((600, 400), Image.Resampling.BICUBIC)
    pair = large, ImageOps.grayscale(large).convert("RGB")
    whole = compare(*pair)
    monkeypatch.setattr(comparison, "COMPARED", 2**14)
    reduced = compare(*pair)
    assert reduced != whole
    for name in ("psnr", "ciede2000", "colourfulness_original"):
        assert reduced[name] == pytest.approx(whole[name], rel=0.05)


def test_transparent_small_and_unequal_pictures(photo: Image.Image) -> None:
    clear = photo.convert("RGBA")
    assert compare(clear, photo)["ciede2000"] == 0
    assert compare(photo.resize((10, 60)), photo.resize((10, 60)))["ssim"] is None
    with pytest.raises(ComparisonError, match="60 x 40 is compared with one of 40 x 60 .*give both in one size"):
        compare(photo.resize((40, 60)), photo)
