"""The upscaling task, by contract: any picture in, so many times its size out, which reduces to it again."""

import io
import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import artcore
from artcore import image, recipe, runtime
from artcore.load import LoadError, kind, kinds, load, mix
from artcore.models.enhancenet import EnhanceNet
from artcore.models.stylenet import StyleNet
from artcore.tasks import upscale as room
from artcore.tasks.upscale import UpscaleError, Upscaler
from tests.conftest import REPO
from tests.upscale_net import add_upscalers, upscale_net


@pytest.fixture(scope="module")
def upscaler():
    return Upscaler(upscale_net())


def picture(width=40, height=30, mode="RGB"):
    """Soft shapes with a hard edge, nothing at the ends of the range."""
    rng = np.random.default_rng(width * height)
    small = rng.integers(40, 216, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    made = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    ImageDraw.Draw(made).rectangle((width // 3, height // 3, width // 2, height // 2), "rgb(60, 200, 90)")
    return made.convert(mode)


def cutout(width=48, height=40, hidden="magenta"):
    """A blue disc with a soft edge on nothing, below which something is hidden."""
    alpha = Image.new("L", (width * 8, height * 8))
    ImageDraw.Draw(alpha).ellipse((width * 2, height * 2, width * 6, height * 6), 255)
    alpha = alpha.resize((width, height), Image.Resampling.BOX)
    made = Image.composite(Image.new("RGB", alpha.size, "rgb(30, 60, 200)"), Image.new("RGB", alpha.size, hidden),
                           alpha.point(lambda a: 255 * (a > 0)))  # fmt: skip
    made.putalpha(alpha)
    return made


def as_bytes(picture, kind="PNG", **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def imresize(values, size):
    """MATLAB's imresize of (H, W, C) float values, bicubic and antialiased, from its definition."""
    for axis, new in enumerate(size):
        old = values.shape[axis]
        scale = new / old
        wide = max(1, 1 / scale)
        position = (np.arange(new) + 0.5) / scale - 0.5
        taps = np.floor(position - 2 * wide).astype(int)[:, None] + np.arange(math.ceil(4 * wide) + 2)
        x = abs(position[:, None] - taps) / wide
        weights = np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2) * (x < 2)
        weights /= weights.sum(1, keepdims=True)
        mirrored = np.concatenate([np.arange(old), np.arange(old)[::-1]])[taps % (2 * old)]
        values = np.moveaxis((np.moveaxis(values, axis, -1)[..., mirrored] * weights).sum(-1), -1, axis)
    return values


def psnr(a, b):
    return 10 * math.log10(255**2 / np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))


def difference(a, b):
    return abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max()


@pytest.mark.parametrize("size", [(1, 1), (3, 57), (60, 2), (64, 48)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_any_size_is_made_so_many_times_larger(upscaler, size, scale):
    large = upscaler(picture(*size), scale=scale)
    assert large.size == (scale * size[0], scale * size[1]) and large.mode == "RGB"


def test_paths_bytes_files_and_pictures_give_the_same_bytes(upscaler, tmp_path):
    data = as_bytes(picture())
    (tmp_path / "a.png").write_bytes(data)
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), data, io.BytesIO(data), picture()]
    assert len({upscaler(s).tobytes() for s in sources}) == 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_source_is_not_modified(upscaler, mode):
    source = picture(mode=mode)
    before = source.tobytes()
    upscaler(source)
    assert source.tobytes() == before and source.mode == mode


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("strength", [0.5, 1])
def test_reducing_the_result_gives_the_source_and_the_error_says_how_nearly(upscaler, scale, strength):
    source = picture(50, 43)
    (*_, last) = upscaler.run(source, scale=scale, strength=strength)
    back = imresize(np.asarray(last.image, float), (43, 50))
    assert abs(back - np.asarray(source)).max() < 1
    assert last.error == pytest.approx(psnr(back, source), abs=0.1) and last.error > 60
    (*_, free) = upscaler.run(source, scale=scale, strength=strength, consistent=False)
    assert free.error < 35 and last.image.tobytes() != free.image.tobytes()
    assert free.error == pytest.approx(psnr(imresize(np.asarray(free.image, float), (43, 50)), source), abs=0.1)


def test_the_result_is_the_nearest_that_reduces_to_the_source(upscaler):
    """Least squares: what pulling adds has no part that reducing would not see."""
    source = picture(24, 20).point(lambda value: 64 + value // 2)  # nothing is clamped
    free, held = (np.asarray(upscaler(source, consistent=c), float) for c in (False, True))
    added = held - free
    rows, columns = (imresize(np.eye(4 * side)[..., None], (side, 4 * side))[..., 0] for side in (20, 24))
    seen = np.einsum("ij,jkc,lk->ilc", np.linalg.pinv(rows) @ rows, added, np.linalg.pinv(columns) @ columns)
    assert abs(seen - added).max() < 1.6 < 5 < abs(added).max()  # both were rounded


def test_strength_goes_from_bicubic_to_the_net(upscaler):
    source = picture()
    none, half, full = (np.asarray(upscaler(source, strength=s, consistent=False), float) for s in (0, 0.5, 1))
    bicubic = imresize(np.asarray(source, float), (120, 160)).clip(0, 255)
    assert abs(none - bicubic).max() <= 0.51 < abs(full - bicubic).max()
    inside = (full > 0) & (full < 255)
    assert abs(half - (none + full) / 2)[inside].max() <= 1.1
    assert upscaler(source, strength=0).tobytes() == upscaler(source, strength=0, consistent=False).tobytes()
    (*_, sharp) = upscaler.run(source, strength=0, consistent=True)
    assert sharp.error > 55


@pytest.mark.parametrize("scale", [2, 3])
def test_two_and_three_times_are_four_times_reduced(upscaler, scale):
    source = picture()
    four = np.asarray(upscaler(source, consistent=False), float)
    less = np.asarray(upscaler(source, scale=scale, consistent=False), float)
    assert abs(imresize(four, (30 * scale, 40 * scale)).clip(0, 255) - less).max() < 2.5  # rounded, and clamped, twice


def test_without_a_net_at_strength_0(upscaler, monkeypatch):
    monkeypatch.setattr(upscaler.model, "forward", lambda *_: pytest.fail("asked the net for nothing"))
    assert upscaler(picture(), strength=0).size == (160, 120)


@pytest.mark.parametrize("source", [picture(mode="L"), picture(mode="L").convert("RGB"), picture(mode="1"),
                                    picture(mode="LA")])  # fmt: skip
def test_grey_stays_grey(upscaler, source):
    large = upscaler(source).convert("RGB")
    red, green, blue = (large.getchannel(c).tobytes() for c in "RGB")
    assert red == green == blue
    assert difference(upscaler(source.convert("RGB")), large) == 0


@pytest.mark.parametrize("scale", [2, 4])
def test_alpha_is_enlarged_without_halos(upscaler, scale):
    """Over any ground it is what enlarging premultiplied colours gives, whatever hides where nothing can be seen."""
    made = [upscaler(cutout(hidden=hidden), scale=scale) for hidden in ("magenta", "yellow", "black")]
    assert all(large.mode == "RGBA" and large.tobytes() == made[0].tobytes() for large in made)
    alpha = np.asarray(made[0].getchannel("A"))
    expected = imresize(np.asarray(cutout().getchannel("A"), float)[..., None], alpha.shape)[..., 0]
    assert abs(expected.clip(0, 255) - alpha).max() <= 0.51
    seen = np.asarray(made[0].convert("RGB"), int)[alpha > 100]
    assert abs(seen - [30, 60, 200]).max() < 25  # nothing of the ground: only what the net does to a flat colour


def test_bicubic_weighs_colours_by_alpha(upscaler):
    """A faint green beside an opaque red hardly shows in it."""
    source = Image.new("RGBA", (16, 8), (0, 255, 0, 20))
    source.paste((255, 0, 0, 255), (0, 0, 8, 8))
    large = np.asarray(upscaler(source, strength=0), float)
    reference = np.asarray(source, float)
    reference[..., :3] *= reference[..., 3:] / 255
    reference = imresize(reference, (32, 64))
    expected = (255 * reference[..., :3] / np.maximum(reference[..., 3:], 16)).clip(0, 255)
    visible = reference[..., 3] > 17
    assert abs(expected - large[..., :3])[visible].max() < 2


def test_what_is_transparent_all_over_and_opaque_alpha(upscaler):
    nothing = picture(mode="RGBA")
    nothing.putalpha(0)
    (*_, last) = upscaler.run(nothing)
    assert last.image.getchannel("A").getextrema() == (0, 0) and last.error == math.inf
    opaque = upscaler(picture(mode="RGBA"))
    assert opaque.mode == "RGBA" and opaque.getchannel("A").getextrema() == (255, 255)
    assert opaque.convert("RGB").tobytes() == upscaler(picture()).tobytes()


def test_what_comes_with_the_picture_is_kept(upscaler):
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "Camera obscura"
    data = as_bytes(picture(), "JPEG", exif=exif.tobytes())
    large = upscaler(data)
    assert large.size == (120, 160)  # turned
    assert large.info == image.open(data).info and large.info["format"] == "JPEG"
    kept = Image.open(io.BytesIO(image.encode(large, "JPEG", exif=True, icc=True)))
    assert kept.getexif()[0x0110] == "Camera obscura" and "icc_profile" in kept.info


@pytest.mark.parametrize("scale", [3, 4])
@pytest.mark.parametrize("source", [picture(150, 120), picture(150, 120, "L"), cutout(150, 120)])
def test_tiles_equal_the_whole_and_report_progress(upscaler, monkeypatch, source, scale):
    (whole,) = upscaler.run(source, scale=scale)
    monkeypatch.setattr(room, "TILE", 50)
    *steps, last = upscaler.run(source, scale=scale)
    assert [s.done for s in (*steps, last)] == list(range(1, 10)) and last.total == 9
    assert all(s.image is None and s.error is None and s.total == 9 for s in steps)
    assert difference(whole.image, last.image) <= 1
    assert last.error == pytest.approx(whole.error, abs=0.3)


@pytest.mark.parametrize("source", [picture(150, 120), cutout(150, 120)])
def test_an_ensemble_sees_mirrored_and_turned_pictures_alike(upscaler, monkeypatch, source):
    plain, made = upscaler(source), upscaler(source, ensemble=True)
    assert difference(plain, made) > 1
    for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90, Image.Transpose.TRANSPOSE):
        assert difference(upscaler(source.transpose(turn), ensemble=True), made.transpose(turn)) <= 1
    assert difference(upscaler(source.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
                      plain.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 1  # fmt: skip
    assert recipe.of(made).options["ensemble"] is True and "ensemble" not in recipe.of(plain).options
    monkeypatch.setattr(room, "TILE", 50)
    assert difference(upscaler(source, ensemble=True), made) <= 1


def test_a_box_is_that_part_of_the_whole(upscaler):
    source = picture(150, 120)
    whole = upscaler(source)
    for box in ((0, 0, 20, 30), (61, 40, 100, 80), (149, 119, 150, 120)):
        part = upscaler(source, box=box)
        assert difference(part, whole.crop([4 * side for side in box])) <= 1


def test_a_net_for_what_is_worn_need_not_reduce_to_it():
    photo = Upscaler(upscale_net(consistent=False))
    assert not photo.consistent
    free, held = ([*photo.run(picture(), consistent=c)][-1] for c in (None, True))
    assert free.error < 35 < 60 < held.error


def test_a_result_beyond_all_measure_is_one_sentence(upscaler):
    huge = Image.new("L", (4000, 2000))
    with pytest.raises(UpscaleError) as refused:
        next(upscaler.run(huge))
    sentence = str(refused.value)
    assert "16000 x 8000 pixels, more than the limit of 100,000,000: use a smaller scale, or" in sentence
    assert sentence.count(".") == 1
    width, height = map(int, sentence.rstrip(".").split(" at most ")[1].split(" x "))
    assert 0.99e8 < 16 * width * height <= 1e8


def test_a_picture_that_does_not_fit_memory_is_refused_before_any_work(upscaler, monkeypatch):
    def refuse(width, height, bytes_per_pixel):
        raise runtime.TooLarge(f"{width} x {height} does not fit; use at most 10 x 10.")

    monkeypatch.setattr(runtime, "check_memory", refuse)
    monkeypatch.setattr(upscaler.model, "forward", lambda *_: pytest.fail("enlarged all the same"))
    with pytest.raises(runtime.TooLarge, match="40 x 30 does not fit"):
        upscaler(picture())


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        *(({"scale": bad}, "scale is .*; give 2, 3 or 4[.]$") for bad in (1, 5, 2.5, "4", None, True)),
        *(
            ({"strength": bad}, "strength is .*; give a number from 0")
            for bad in (-0.1, 1.1, math.nan, "1", None, True)
        ),
        ({"consistent": "yes"}, "consistent is 'yes'; give True, False, or None"),
        ({"ensemble": 8}, "ensemble is 8; give True or False"),
        *(({"box": bad}, "within 40 x 30") for bad in ((0, 0, 41, 3), (3, 3, 3, 9), (-1, 0, 3, 3), "box", (1, 2), 7)),
    ],
)
def test_keywords_that_make_no_sense_are_refused(upscaler, keywords, sentence):
    with pytest.raises(UpscaleError, match=sentence):
        upscaler(picture(), **keywords)


def test_what_is_no_picture_is_refused_in_a_sentence(upscaler):
    with pytest.raises(image.ImageError):
        upscaler(b"not a picture")


def test_a_run_can_be_left_at_any_moment(upscaler, monkeypatch):
    monkeypatch.setattr(room, "TILE", 30)
    expected = [*upscaler.run(picture(70, 50))]
    for steps in range(1, len(expected) + 1):
        run = upscaler.run(picture(70, 50))
        for _ in range(steps):
            next(run)
        with ThreadPoolExecutor(1) as threads:  # the lock is free even while the run stands still
            assert threads.submit(lambda: runtime.lock.acquire(timeout=1) and not runtime.lock.release()).result()
        run.close()
    assert upscaler(picture(70, 50)).tobytes() == expected[-1].image.tobytes()


def test_seconds_grow_with_the_picture(upscaler):
    assert upscaler.seconds(2000, 1500) == pytest.approx(4 * upscaler.seconds(1000, 750), rel=0.2)
    assert upscaler.seconds(1000, 750, scale=2) < upscaler.seconds(1000, 750)
    assert upscaler.seconds(1000, 750, consistent=False) < upscaler.seconds(1000, 750)
    assert 2 < upscaler.seconds(1000, 750, ensemble=True) / upscaler.seconds(1000, 750) <= 8


# --- from the catalog -------------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path, monkeypatch):
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(tmp_path / "stylenet.monet")
    painter = {"label": "Monet", "task": "painter", "folder": "stylenet.monet"}
    (tmp_path / "catalog.json").write_text(json.dumps({"stylenet.monet": painter}))
    EnhanceNet(channels=4, blocks=2).save_pretrained(tmp_path / "deeper")
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path))
    return add_upscalers(tmp_path)


def test_a_name_of_the_catalog_is_an_upscaler(weights):
    assert list(kinds("upscaler")) == ["fidelity", "texture", "photo"]
    assert kind("upscaler", "texture") == "enhancenet.texture"
    with pytest.raises(LoadError, match="There is no upscaler 'sharp'; choose from fidelity, texture, photo"):
        kind("upscaler", "sharp")
    task = artcore.load("enhancenet.fidelity")
    assert isinstance(task, Upscaler)
    assert task(picture()).tobytes() == Upscaler(upscale_net(0))(picture()).tobytes()


def test_upscalers_are_mixed_by_their_weights(weights):
    mixed = mix({"enhancenet.fidelity": 3, "enhancenet.texture": 1})
    assert isinstance(mixed, Upscaler)
    one, other = (upscale_net(seed).state_dict() for seed in (0, 1))
    for key, value in mixed.model.float().state_dict().items():
        assert torch.allclose(value, 0.75 * one[key] + 0.25 * other[key], rtol=0.01, atol=1e-6), key
    alone = mix({"enhancenet.fidelity": 0, "enhancenet.texture": 1})
    assert alone(picture()).tobytes() == load("enhancenet.texture")(picture()).tobytes()
    with pytest.raises(LoadError, match="stylenet.monet is no upscaler, as enhancenet.fidelity is; mix upscalers only"):
        mix({"enhancenet.fidelity": 1, "stylenet.monet": 1})
    with pytest.raises(LoadError, match="deeper is a net of another shape than enhancenet.fidelity; mix upscalers of"):
        mix({"enhancenet.fidelity": 1, str(weights / "deeper"): 1})


@pytest.mark.slow
def test_memory_is_flat_and_what_was_foretold(tmp_path):
    """96 megapixels out: above the loaded library little more than the result, whatever its size."""
    image.save(picture(400, 240).resize((3000, 2000)), tmp_path / "large.png")
    program = f"""
import json
from artcore import runtime
from artcore.models.enhancenet import EnhanceNet
from artcore.tasks.upscale import Upscaler
from tests.bench.parts import peak_memory
upscaler = Upscaler(EnhanceNet(blocks=1))
loaded, foretold = peak_memory(), []
runtime.check_memory = lambda width, height, bytes_per_pixel: foretold.append(width * height * bytes_per_pixel)
assert upscaler({str(tmp_path / "large.png")!r}).size == (12000, 8000)
print(json.dumps([peak_memory() - loaded, *foretold]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=True)
    taken, foretold = json.loads(done.stdout)
    assert taken < 1.8e9 and 0.7 * taken < foretold < 1.5 * taken, (taken, foretold)
