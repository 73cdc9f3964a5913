"""The painter task, by contract: any picture in, the same size out, the same bytes for the same seed."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from artcore import image, runtime
from artcore.models.stylenet import StyleNet, StyleTransferNetwork
from artcore.tasks import painter as room
from artcore.tasks.painter import Painter


@pytest.fixture(scope="module")
def painter():
    torch.manual_seed(0)
    return Painter(StyleNet(channels=(4, 6, 8), blocks=1))


def picture(width=40, height=30, mode="RGB"):
    rng = np.random.default_rng(width * height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def as_bytes(picture, kind="PNG", **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (3, 257), (300, 2), (64, 48)])
def test_any_size_comes_back_as_it_was(painter, size):
    painted = painter(picture(*size))
    assert painted.size == size and painted.mode == "RGB"


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "I;16"])
def test_any_mode_is_painted_in_rgb(painter, mode):
    grey_16 = Image.fromarray(np.full((20, 20), 32768, dtype=np.uint16))
    assert painter(grey_16 if mode == "I;16" else picture(20, 20, mode)).mode == "RGB"


def test_paths_bytes_files_and_pictures_give_the_same_bytes(painter, tmp_path):
    data = as_bytes(picture())
    (tmp_path / "a.png").write_bytes(data)
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), data, io.BytesIO(data), picture()]
    results = {painter(s).tobytes() for s in sources}
    assert len(results) == 1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(painter):
    assert painter(picture(), seed=4).tobytes() == painter(picture(), seed=4).tobytes()
    assert painter(picture(), seed=4).tobytes() != painter(picture(), seed=5).tobytes()


def test_the_source_is_not_modified(painter):
    source = picture(mode="RGBA")
    before = source.tobytes()
    painter(source)
    assert source.tobytes() == before and source.mode == "RGBA"


def test_strength_goes_from_the_photo_to_the_painting_and_beyond(painter):
    photo = picture()
    none, half, full, more = (np.asarray(painter(photo, strength=s), dtype=int) for s in (0, 0.5, 1, 1.5))
    source = np.asarray(photo, dtype=int)
    assert (none == source).all()
    assert abs(half - (source + full) / 2).max() <= 1
    assert abs(more - np.clip(source + 1.5 * (full - source), 0, 255)).max() <= 2


def test_alpha_is_put_back(painter):
    source = picture(mode="RGB").convert("RGBA")
    alpha = Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40).astype(np.uint8))
    source.putalpha(alpha)
    painted = painter(source)
    assert painted.mode == "RGBA" and painted.getchannel("A").tobytes() == alpha.tobytes()


def test_exif_orientation_is_turned(painter):
    exif = Image.Exif()
    exif[0x0112] = 6
    painted = painter(as_bytes(picture(40, 30), "JPEG", exif=exif))
    assert painted.size == (30, 40)


@pytest.mark.parametrize("bad", [-0.1, 1.6, float("nan"), "1", None, True])
def test_a_strength_out_of_range_is_refused(painter, bad):
    with pytest.raises(ValueError, match="give a number from 0"):
        painter(picture(), strength=bad)


@pytest.mark.parametrize("bad", [1.5, "7", None, True])
def test_a_seed_that_is_no_whole_number_is_refused(painter, bad):
    with pytest.raises(ValueError, match="give a whole number"):
        painter(picture(), seed=bad)


def test_what_is_no_picture_is_refused_in_a_sentence(painter):
    with pytest.raises(image.ImageError):
        painter(b"not a picture")


def test_tiles_equal_the_whole_and_report_progress(painter, monkeypatch):
    photo = picture(700, 620)
    whole = painter(photo, seed=3)
    monkeypatch.setattr(room, "TILE", 300)
    snapshots = list(painter.run(photo, seed=3))
    assert [s.done for s in snapshots] == list(range(1, 10)) and {s.total for s in snapshots} == {9}
    assert all(s.image is None for s in snapshots[:-1])
    difference = abs(np.asarray(whole, dtype=int) - np.asarray(snapshots[-1].image, dtype=int))
    assert difference.max() <= 1


def test_a_net_that_looks_at_the_whole_picture_is_not_tiled(monkeypatch):
    monkeypatch.setattr(room, "TILE", 32)
    task = Painter(StyleTransferNetwork(channels=(4, 4, 4), blocks=1, kernel=3))
    assert [s.total for s in task.run(picture(80, 70))] == [1]


def test_a_picture_that_does_not_fit_memory_is_refused_before_any_work(painter, monkeypatch):
    def refuse(width, height, bytes_per_pixel):
        raise runtime.TooLarge(f"{width} x {height} does not fit; use at most 10 x 10.")

    monkeypatch.setattr(runtime, "check_memory", refuse)
    monkeypatch.setattr(painter.model, "forward", lambda *_, **__: pytest.fail("painted all the same"))
    with pytest.raises(runtime.TooLarge, match="40 x 30 does not fit"):
        painter(picture())


def test_seconds_grow_with_the_picture(painter):
    assert painter.seconds(20_000, 10_000) == pytest.approx(4 * painter.seconds(10_000, 5_000), rel=0.02)
    assert painter.seconds(1000, 500) > 0
