"""The painter task, by contract: any picture in, the same size out, the same bytes for the same seed."""

import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from artcore import image, levels, load, runtime
from artcore.models.cyclegan import CycleGAN
from artcore.models.stylenet import StyleNet, StyleTransferNetwork
from artcore.tasks import painter as room
from artcore.tasks.painter import Painter, PainterError
from tests.conftest import REPO


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
    tiles = snapshots[0].total
    assert [s.done for s in snapshots] == list(range(1, tiles + 1)) and {s.total for s in snapshots} == {tiles}
    assert tiles == (9 if runtime.setup().dtype == torch.bfloat16 else 12)
    assert all(s.image is None for s in snapshots[:-1])
    difference = abs(np.asarray(whole, dtype=int) - np.asarray(snapshots[-1].image, dtype=int))
    assert difference.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("style", ["monet", "vangogh", "cezanne"])
@pytest.mark.parametrize("direction", room.DIRECTIONS)
def test_tiles_of_shipped_painters_equal_the_whole(monkeypatch, style, direction):
    """Their weights reach further than a tiny random net's: a photo, with edges and flats."""
    task = load.load(f"cyclegan.{style}")
    photo = image.open(REPO / "data/examples/photo_rocky_lighthouse.jpg").convert("RGB").resize((640, 426))
    (whole,) = task.run(photo, seed=3, direction=direction)
    monkeypatch.setattr(room, "TILE", 256)
    *_, last = task.run(photo, seed=3, direction=direction)
    assert last.total >= 6
    assert abs(np.asarray(whole.image, dtype=int) - np.asarray(last.image, dtype=int)).max() <= 1


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


@pytest.mark.parametrize(("net", "least", "most"), [("compact", 70, 120), ("resnet", 350, 400)])
def test_what_is_foretold_is_the_nets_own(net, least, most):
    """Numbers per pixel of a picture of one tile: the published generator took 352 of 704 x 704 in fp32."""
    task = Painter(CycleGAN(net))
    assert least < task._bytes_per_pixel(704, 704) / runtime.setup().dtype.itemsize < most
    if net == "resnet":  # it sees all of a picture at once
        assert task._bytes_per_pixel(7040, 7040) == pytest.approx(task._bytes_per_pixel(704, 704))


def test_seconds_grow_with_the_picture(painter):
    assert painter.seconds(20_000, 10_000) == pytest.approx(4 * painter.seconds(10_000, 5_000), rel=0.02)
    assert painter.seconds(1000, 500) > 0


@pytest.fixture(scope="module")
def other():
    torch.manual_seed(1)
    return Painter(CycleGAN(channels=(4, 6, 8), blocks=1, refine=1))


def soft_picture(width, height):
    return picture(width // 10, height // 10).resize((width, height), Image.Resampling.BICUBIC)


def spot(width=70, height=62):
    mask = Image.new("L", (width, height))
    mask.paste(255, (width // 3, height // 4, width * 2 // 3, height * 2 // 3))
    return mask


GUARDS = [
    {"light": 1.0, "keep_colours": 0.5, "detail": 1.0, "strength": 1.5},
    {"light": 0.8, "keep_colours": 1.0, "detail": 1.0, "stroke": 2.0, "strength": 1.5},
    {"regions": True, "stroke": 1.3, "light": 1.0},
    {"regions": True, "strength": 0.7},
]


@pytest.mark.parametrize("keywords", GUARDS)
def test_guards_leave_no_seam_either(painter, other, monkeypatch, keywords):
    photo = soft_picture(700, 620)
    keywords = keywords | ({"regions": [(other, spot())]} if "regions" in keywords else {})
    whole = painter(photo, seed=3, **keywords)
    monkeypatch.setattr(room, "TILE", 300)
    monkeypatch.setattr(room, "STRIP", 2**15)
    *steps, last = painter.run(photo, seed=3, **keywords)
    assert [s.done for s in (*steps, last)] == list(range(1, last.total + 1)) and last.total > 8
    assert all(s.image is None and s.total == last.total for s in steps)
    assert abs(np.asarray(whole, dtype=int) - np.asarray(last.image, dtype=int)).max() <= 1


def test_holes_leave_no_seam(painter, monkeypatch):
    photo = soft_picture(500, 400).convert("RGBA")
    alpha = np.full((400, 500), 255, dtype=np.uint8)
    alpha[120:280, 90:410] = 0
    photo.putalpha(Image.fromarray(alpha))
    whole = painter(photo)
    monkeypatch.setattr(room, "TILE", 250)
    tiled = painter(photo)
    assert abs(np.asarray(whole, dtype=int) - np.asarray(tiled, dtype=int)).max() <= 1
    assert tiled.getchannel("A").tobytes() == alpha.tobytes()


def test_guards_that_are_off_change_nothing(painter):
    off = {"light": 0, "keep_colours": 0, "stroke": 1, "detail": 0, "regions": [], "direction": "to_painting"}
    assert painter(picture(), seed=2, **off).tobytes() == painter(picture(), seed=2).tobytes()


@pytest.mark.parametrize("guard", ["light", "keep_colours", "detail", "stroke"])
def test_every_guard_changes_the_painting_and_strength_0_is_the_photo(painter, guard):
    photo = picture(64, 48)
    value = 2.0 if guard == "stroke" else 1.0
    assert painter(photo, **{guard: value}).tobytes() != painter(photo).tobytes()
    assert painter(photo, **{guard: value}, strength=0).tobytes() == photo.tobytes()


def test_stroke_is_the_painting_of_a_smaller_photo_enlarged(painter):
    photo = soft_picture(320, 240)
    small = painter(photo.resize((160, 120), Image.Resampling.LANCZOS))
    expected = small.resize((320, 240), Image.Resampling.BICUBIC)
    assert painter(photo, stroke=2).tobytes() == expected.tobytes()
    assert painter(picture(5, 3), stroke=4).size == (5, 3)


def test_regions_are_painted_by_their_painter_and_the_rest_is_untouched(painter, other):
    photo = soft_picture(210, 186)
    base, alone = (np.asarray(p(photo, seed=1), dtype=int) for p in (painter, other))
    both = np.asarray(painter(photo, seed=1, regions=[(other, spot())]), dtype=int)
    assert (both[60:110, 80:130] == alone[60:110, 80:130]).all() and (base != alone).any()
    assert (both[:30] == base[:30]).all() and (both[:, :50] == base[:, :50]).all()
    white = Image.new("L", (21, 19), 255)  # what rounding makes of the aspect
    assert (np.asarray(painter(photo, seed=1, regions=[(other, white)])) == alone).all()
    layer = Image.new("RGBA", (70, 62))  # brushed on nothing
    layer.paste("white", (0, 0), spot())
    assert (np.asarray(painter(photo, seed=1, regions=[(other, layer)])) == both).all()


def test_direction_is_what_the_model_has(painter, other):
    assert painter.directions == ("to_painting",) and other.directions == ("to_painting", "to_photo")
    photo = picture()
    expected = Painter(other.model.to_photo)(photo, seed=5).tobytes()
    assert other(photo, seed=5, direction="to_photo").tobytes() == expected
    for task, direction in ((painter, "to_photo"), (other, "sideways"), (other, None)):
        with pytest.raises(PainterError, match=r"direction is .*; give to_painting"):
            task(photo, direction=direction)
    with pytest.raises(PainterError, match="StyleNet"):
        other(photo, direction="to_photo", regions=[(painter, spot(40, 30))])


@pytest.fixture(scope="module")
def restorer(other):
    """`other` as a net that is shown paintings with their levels drawn out."""
    net = CycleGAN(channels=(4, 6, 8), blocks=1, refine=1, levels=1.0)
    net.load_state_dict(other.model.state_dict())
    return Painter(net)


def dull(picture):
    """Dark and yellow, as under old varnish."""
    return Image.fromarray((20 + np.asarray(picture) * [0.6, 0.5, 0.3]).astype(np.uint8))


def test_levels_are_of_the_whole_painting_and_of_the_way_to_a_photo_only(other, restorer, monkeypatch):
    painting = dull(picture(5, 4).resize((500, 400), Image.Resampling.BICUBIC))  # light and shade, as levels see it
    x = image.to_tensor(painting)
    drawn_out = image.to_pil(levels.apply(x, levels.maps(x)))
    made = np.asarray(restorer(painting, seed=5, direction="to_photo"), dtype=int)
    assert abs(made - np.asarray(other(drawn_out, seed=5, direction="to_photo"), dtype=int)).max() <= 2  # rounds twice
    assert abs(made - np.asarray(other(painting, seed=5, direction="to_photo"), dtype=int)).max() > 8
    assert restorer(painting, seed=5).tobytes() == other(painting, seed=5).tobytes()
    monkeypatch.setattr(room, "TILE", 250)
    tiled = np.asarray(restorer(painting, seed=5, direction="to_photo"), dtype=int)
    assert abs(tiled - made).max() <= 1


def test_strength_starts_from_the_painting_as_it_was_given(restorer):
    painting = dull(soft_picture(60, 50))
    whole = np.asarray(restorer(painting, direction="to_photo"), dtype=float)
    for keywords in ({}, {"detail": 1e-6}):  # the second is finished strip by strip
        half = np.asarray(restorer(painting, direction="to_photo", strength=0.5, **keywords), dtype=float)
        assert abs(half - (whole + np.asarray(painting)) / 2).max() <= 1
    assert restorer(painting, direction="to_photo", strength=0).tobytes() == painting.tobytes()


def test_what_is_transparent_does_not_count_for_levels(restorer):
    painting = dull(soft_picture(60, 50)).convert("RGBA")
    made = []
    for colour in ((255, 255, 255, 0), (0, 0, 0, 0)):
        painting.paste(colour, (0, 0, 60, 20))
        made.append(np.asarray(restorer(painting, direction="to_photo"), dtype=int)[20:])
    assert abs(made[0] - made[1]).max() <= 1


def test_regions_see_the_painting_each_in_its_own_way(other, restorer):
    painting = dull(soft_picture(210, 186))
    both = np.asarray(other(painting, direction="to_photo", regions=[(restorer, spot())]))
    assert (both[60:110, 80:130] == np.asarray(restorer(painting, direction="to_photo"))[60:110, 80:130]).all()
    assert (both[:30] == np.asarray(other(painting, direction="to_photo"))[:30]).all()


@pytest.mark.parametrize("name", ["light", "keep_colours", "detail", "stroke"])
@pytest.mark.parametrize("bad", [-0.1, 4.1, float("nan"), float("inf"), "1", None, True])
def test_a_guard_out_of_range_is_refused(painter, name, bad):
    with pytest.raises(PainterError, match=f"^{name} is .*; give a number from . to .[.]$"):
        painter(picture(), **{name: bad})


def test_regions_that_make_no_sense_are_refused(painter, other):
    photo = picture(40, 30)
    with pytest.raises(PainterError, match="mask of region 2 is 30 x 30 and the picture 40 x 30; give a mask of the"):
        painter(photo, regions=[(other, spot(40, 30)), (other, spot(30, 30))])
    with pytest.raises(PainterError, match="mask of region 1 is black all over; paint white"):
        painter(photo, regions=[(other, Image.new("L", (40, 30)))])
    for bad in (7, [other], [(spot(), other)], [(other, spot(), 1)]):
        with pytest.raises(PainterError, match="regions is no list of pairs; give"):
            painter(photo, regions=bad)
    with pytest.raises(image.ImageError):
        painter(photo, regions=[(other, b"no mask")])


def test_a_painting_can_be_left_at_any_moment(painter, monkeypatch):
    monkeypatch.setattr(room, "TILE", 100)
    monkeypatch.setattr(room, "STRIP", 2**13)
    photo, keywords = soft_picture(250, 220), {"light": 1.0, "seed": 1}
    expected = [*painter.run(photo, **keywords)]
    for steps in range(1, len(expected) + 1):
        run = painter.run(photo, **keywords)
        for _ in range(steps):
            next(run)
        with ThreadPoolExecutor(1) as threads:  # the lock is free even while the run stands still
            assert threads.submit(lambda: runtime.lock.acquire(timeout=1) and not runtime.lock.release()).result()
        run.close()
    assert painter(photo, **keywords).tobytes() == expected[-1].image.tobytes()


GUARDED = {"light": 1.0, "keep_colours": 0.5, "detail": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "keywords"),
    [
        ("StyleNet()", "{}"),
        ("StyleNet()", f"{GUARDED}"),
        ("StyleNet()", "{'stroke': 1.3, 'light': 1.0, 'detail': 1.0}"),
        ("CycleGAN()", "{'light': 1.0, 'regions': [(painter, mask)]}"),
    ],
)
def test_48_megapixels_stay_under_one_and_a_half_gigabytes_and_what_was_foretold(tmp_path, net, keywords):
    """Above the loaded app, in the process that paints: the widths of nets that ship, fp32, from a JPEG file."""
    image.save(soft_picture(400, 300).resize((8000, 6000)), tmp_path / "large.jpg")
    program = f"""
import json
from PIL import Image
from artcore import runtime
from artcore.models.cyclegan import CycleGAN
from artcore.models.stylenet import StyleNet
from artcore.tasks.painter import Painter
from tests.bench.parts import peak_memory
painter = Painter({net})
mask = Image.new("L", (400, 300))
mask.paste(255, (0, 200, 100, 300))
loaded, foretold = peak_memory(), []
runtime.check_memory = lambda width, height, bytes_per_pixel: foretold.append(width * height * bytes_per_pixel)
painter({str(tmp_path / "large.jpg")!r}, **{keywords})
print(json.dumps([peak_memory() - loaded, *foretold]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=True)
    taken, foretold = json.loads(done.stdout)
    assert taken < 1.5e9 and 0.85 * taken < foretold < 1.5 * taken
