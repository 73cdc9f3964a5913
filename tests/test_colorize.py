"""Colourisation by contract: size and luma kept, the same bytes for the same seed, adjusted without the net."""

from __future__ import annotations

import dataclasses
import io
import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from artcore import image, runtime
from artcore.cards.scores import EXAMPLES
from artcore.load import load
from artcore.models.colorunet import ColorUNet
from artcore.tasks import chroma, colouring
from artcore.tasks.colorize import (
    Adjustments,
    ColorizeError,
    Colorizer,
    Colouring,
    blend,
    different_first,
    disagreement,
    histogram,
)
from tests.colour_net import colour_net

WEIGHTS = np.array([0.299, 0.587, 0.114])
EXTREMES = Adjustments(saturation=2, warmth=1)


@pytest.fixture(scope="module")
def task() -> Colorizer:
    return Colorizer(colour_net())


def picture(width: int = 40, height: int = 30, mode: str = "L") -> Image.Image:
    rng = np.random.default_rng(width * height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def scan(width: int = 40, height: int = 30) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 65536, (height, width), dtype=np.uint16)


def as_bytes(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def luma(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), float) @ WEIGHTS


def made_up(maps: np.ndarray, size: tuple[int, int] = (40, 30), **more: object) -> Colouring:
    return Colouring(maps.astype(np.float16), size, picture=picture(*size, "RGB"), **more)


# ------------------------------------------------------------------------------------------------ pictures


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3, 257), (300, 2), (64, 48), (5000, 1)])
def test_any_size_comes_back_as_it_was(task, size):
    made = task(picture(*size))
    assert made.size == size and made.mode == "RGB"
    assert abs(luma(made) - np.asarray(picture(*size))).max() <= 1


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "RGB", "LA", "I;16", "F"])
def test_any_mode_is_coloured_in_rgb(task, mode):
    source = {"I;16": lambda: Image.fromarray(scan()), "LA": lambda: picture(mode="L").convert("LA")}
    source = source.get(mode, lambda: picture(mode=mode))()
    made = task(source)
    assert made.mode == ("RGBA" if mode == "LA" else "RGB")
    assert abs(luma(made) - luma(image.open(source))).max() <= 1
    coloured = np.ptp(np.asarray(made)[..., :3].astype(int), -1).max() > 20
    assert coloured == (mode != "1")  # black and white have no other colour of their luma


def test_paths_bytes_files_and_pictures_give_the_same_bytes(task, tmp_path):
    data = as_bytes(picture())
    (tmp_path / "a.png").write_bytes(data)
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), data, io.BytesIO(data), picture()]
    assert len({task(s, seed=3).tobytes() for s in sources}) == 1


def test_alpha_and_info_are_put_back_and_what_hides_under_alpha_is_not_seen(task):
    source = picture(mode="RGB")
    hidden = [source.copy(), source.copy()]
    for layer, colour in zip(hidden, ("white", "black"), strict=True):
        layer.paste(colour, (0, 0, 20, 30))
        layer.putalpha(Image.fromarray(np.repeat(np.array([[0] * 20 + [255] * 20], np.uint8), 30, 0)))
        layer.info["exif"] = Image.Exif().tobytes()
    a, b = (task(layer) for layer in hidden)
    assert a.getchannel("A").tobytes() == hidden[0].getchannel("A").tobytes()
    assert a.info == image.open(hidden[0]).info
    shown = np.s_[:, 24:, :3]
    assert (np.asarray(a)[shown] == np.asarray(b)[shown]).all()


def test_the_source_is_not_modified(task):
    source = picture(mode="RGBA")
    before = source.tobytes()
    task(source)
    assert source.tobytes() == before and source.mode == "RGBA"


def test_a_colour_picture_is_coloured_as_its_grey_one_is(task):
    colour = picture(mode="RGB")
    made, grey = task(colour, seed=1), task(colour.convert("L"), seed=1)
    assert made.tobytes() == grey.tobytes()


# ------------------------------------------------------------------------------------------------ luma


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("amount", [0, 0.02, 0.2, 0.5])
def test_luma_is_kept_whatever_the_chroma(kind, amount):
    white = np.iinfo(kind).max
    ramp = np.tile(np.linspace(0, white, 256).round().astype(kind), (70, 1))
    rng = torch.Generator().manual_seed(0)
    maps = (torch.rand(1, 2, 13, 31, generator=rng) * 2 - 1) * amount
    guide = torch.rand(1, 1, 13, 31, generator=rng)
    strips = [rows for _, rows in chroma.coloured(ramp, maps, guide, EXTREMES)]
    rgb = np.concatenate(strips, 1)
    assert rgb.dtype == kind and rgb.shape == (3, 70, 256)
    assert abs(np.tensordot(WEIGHTS, rgb.astype(float), 1) - ramp).max() <= 0.3  # of one step


def test_luma_of_colour_pictures_is_kept_too(task):
    source = picture(200, 150, "RGB")
    for seed in range(3):
        assert abs(luma(task(source, seed=seed, adjustments=EXTREMES)) - luma(source)).max() <= 1


def test_out_of_gamut_chroma_shrinks_and_keeps_its_hue():
    maps = torch.zeros(1, 2, 4, 4) + torch.tensor([0.4, -0.3])[:, None, None]
    grey = np.repeat(np.array([[0, 5, 60, 128, 200, 250, 255]], np.uint8), 3, 0)
    (_, rgb), *_ = chroma.coloured(grey, maps, torch.full((1, 1, 4, 4), 0.5), Adjustments())
    yuv = image.rgb_to_yuv(torch.from_numpy(rgb.astype(np.float32) / 255)[None])[0, :, 1]
    assert (rgb[:, :, 0] == 0).all() and (rgb[:, :, -1] == 255).all()
    for u, v in yuv[1:, 2:5].T:
        assert math.atan2(v, u) == pytest.approx(math.atan2(-0.3, 0.4), abs=0.05)
    assert yuv[1:, 3].norm() > yuv[1:, 1].norm()
    small = torch.zeros(1, 2, 4, 4) + torch.tensor([0.02, -0.05])[:, None, None]  # within it all stays as it was
    (_, rgb), *_ = chroma.coloured(grey, small, torch.full((1, 1, 4, 4), 0.5), Adjustments())
    yuv = image.rgb_to_yuv(torch.from_numpy(rgb.astype(np.float32) / 255)[None])[0, :, 1]
    assert (yuv[1:, 2:5] - torch.tensor([[0.02], [-0.05]])).abs().max() < 0.004


def test_strips_leave_no_seam(task, monkeypatch):
    colouring = task.colour(picture(97, 81))
    whole = colouring.image()
    monkeypatch.setattr(chroma, "STRIP", 97 * 5)
    assert colouring.image().tobytes() == whole.tobytes()


def test_chroma_follows_the_edges_of_luma():
    """An object of one colour, whose edge the small picture knows only roughly, ends where its luma ends."""
    big = np.full((160, 160), 60, np.uint8)
    big[:, 83:] = 190
    small = torch.from_numpy(np.asarray(Image.fromarray(big).resize((16, 16), Image.Resampling.BOX), np.float32))
    guide = small[None, None] / 255
    maps = torch.cat((torch.zeros_like(guide), 0.2 * (guide > 0.3)), 1)
    rgb = np.concatenate([rows for _, rows in chroma.coloured(big, maps, guide, Adjustments())], 1).astype(float)
    red = (rgb[0] - np.tensordot(WEIGHTS, rgb, 1)).mean(0)
    enlarged = torch.nn.functional.interpolate(maps, size=big.shape, mode="bilinear")[0, 1].mean(0).numpy()
    enlarged = enlarged * 2 * (1 - 0.299) * 255
    truth = np.where(np.arange(160) >= 83, red[-1], red[0])
    assert abs(red - truth).sum() < 0.7 * abs(enlarged - truth).sum()


# ------------------------------------------------------------------------------------------------ seeds


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(task):
    assert task(picture(), seed=7).tobytes() == task(picture(), seed=7).tobytes()
    assert task(picture(), seed=7).tobytes() != task(picture(), seed=8).tobytes()
    again = Colorizer(colour_net())  # as after a restart
    assert again(picture(), seed=7).tobytes() == task(picture(), seed=7).tobytes()


@pytest.mark.slow  # two processes
def test_seed_7_is_seed_7_after_a_restart(tmp_path):
    """Two processes, each of which looks for its settings anew, and the net that ships."""
    photo, root = EXAMPLES / "photo_motocross.jpg", Path(__file__).parents[1]
    made = []
    for n in range(2):
        out = tmp_path / f"{n}.png"
        subprocess.run(
            [sys.executable, "-m", "artcore", "colorize", photo, out, "--seed", "7"],
            cwd=root, env=os.environ | {"ARTCORE_DTYPE": "fp32"}, check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        made.append(out.read_bytes())
    assert made[0] == made[1]


def test_seeds_of_a_sheet_are_those_of_single_calls(task):
    sheet = list(task.seeds(picture(), [5, 7, 5]))
    assert [c.seed for c in sheet] == [5, 7, 5]
    for c in sheet:
        assert c.image().tobytes() == task(picture(), seed=c.seed).tobytes()


def test_the_encoder_runs_once_for_all_seeds(task, monkeypatch):
    calls = []
    encode = task.model.encode
    monkeypatch.setattr(task.model, "encode", lambda *given: calls.append(1) or encode(*given))
    list(task.seeds(picture(), range(4)))
    assert len(calls) == 1


def test_no_seeds_are_no_colourings(task):
    assert list(task.seeds(picture(), [])) == []


def test_bytes_come_back_as_the_same_colouring(task):
    made = task.colour(picture(), seed=4)
    data = made.to_bytes()
    again = Colouring.from_bytes(data, picture())
    assert (again.seed, again.size) == (4, (40, 30)) and again.to_bytes() == data
    assert again.image(EXTREMES).tobytes() == made.image(EXTREMES).tobytes()
    alone = Colouring.from_bytes(data)
    assert alone.image(like=picture()).tobytes() == made.image().tobytes()
    with pytest.raises(ColorizeError, match=r"read without its picture; give it that by \.on\(picture\)"):
        alone.image()
    with pytest.raises(ColorizeError, match="is 30 x 40 and the colouring of 40 x 30; give the picture that"):
        alone.on(picture(30, 40))
    assert Colouring.from_bytes(blend(made, task.colour(picture(), seed=5), 0.5).to_bytes()).seed is None


def test_what_are_no_bytes_of_a_colouring_is_a_sentence(task):
    from safetensors.numpy import save

    data = task.colour(picture()).to_bytes()
    whole = {"chroma": np.zeros((2, 3, 4), np.float16), "size": np.array([4, 3]), "seed": np.array([1])}
    wrong = [
        {"chroma": np.zeros((2, 3, 4), np.float32)},
        {"chroma": np.zeros((3, 3, 4), np.float16)},
        {"chroma": np.full((2, 3, 4), np.nan, np.float16)},
        {"size": np.array([0, 3])},
        {"size": np.array([3])},
        {"seed": np.array([1, 2])},
        {"more": np.array([1])},
    ]
    assert Colouring.from_bytes(save(whole)).size == (4, 3)
    for bad in [b"", b"hello", data[:-5], data[40:], *(save(whole | change) for change in wrong), save({})]:
        with pytest.raises(ColorizeError, match="This is no colouring .*; give the bytes that to_bytes returned"):
            Colouring.from_bytes(bad)


def test_a_preview_is_a_small_version_of_the_same_colours(task):
    made = task.colour(picture(400, 300, "RGB").resize((40, 30)).resize((400, 300)))
    preview = made.image(like=image.thumbnail(made.picture, 100))
    reduced = made.image().resize((100, 75), Image.Resampling.BOX)
    assert preview.size == (100, 75)
    assert abs(np.asarray(preview, float) - np.asarray(reduced, float)).mean() < 12
    with pytest.raises(ColorizeError, match="version is 30 x 40 and the picture 400 x 300; give a version of"):
        made.image(like=picture(30, 40))


# ------------------------------------------------------------------------------------------------ hints, noise, regions


def hint(colour: tuple[int, int, int], box: tuple[int, int, int, int], size: tuple[int, int] = (40, 30)) -> Image.Image:
    layer = Image.new("RGBA", size)
    layer.paste((*colour, 255), box)
    return layer


def test_the_net_is_given_the_brushed_colours(task, monkeypatch):
    given = []
    encode = task.model.encode
    monkeypatch.setattr(task.model, "encode", lambda *x: given.append(x) or encode(*x))
    task(picture(), hints=hint((255, 0, 0), (10, 10, 20, 20)))
    _, known = given[0]
    known = known.float()[0]
    expected = image.rgb_to_yuv(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))[0, 1:, 0, 0]
    assert known.shape == (3, 256, 341) and set(known[2].unique().tolist()) == {0, 1}
    assert known[2].mean() == pytest.approx(100 / 1200, rel=0.05)
    inside = known[:2, 100:160, 100:160].mean((1, 2))
    assert (inside - expected).abs().max() < 0.01 and not known[:2, :, 200:].any()


def test_a_thin_stroke_on_a_large_picture_is_not_lost(task, monkeypatch):
    given = []
    encode = task.model.encode
    monkeypatch.setattr(task.model, "encode", lambda *x: given.append(x) or encode(*x))
    task.colour(picture(1280, 1280), hints=hint((0, 0, 255), (600, 0, 602, 1280), (1280, 1280)))
    assert given[0][1][0, 2].float().sum() >= 256


@pytest.mark.parametrize("net", ["ours", "document"])
def test_brushed_colours_are_met_by_any_net_and_go_no_further_than_their_edge(task, net):
    if net == "document":
        torch.manual_seed(0)
        task = Colorizer(ColorUNet("document", (4,), (3,)))
    grey = Image.new("L", (300, 256), 90)
    grey.paste(170, (150, 0, 300, 256))
    layer = hint((200, 90, 90), (60, 100, 110, 140), (300, 256))
    layer.paste((90, 90, 200, 255), (60, 160, 110, 200))
    yuv = image.rgb_to_yuv(image.to_tensor(task(grey, hints=layer)))[0, 1:]
    plain = image.rgb_to_yuv(image.to_tensor(task(grey)))[0, 1:]
    wanted = image.rgb_to_yuv(image.to_tensor(layer.convert("RGB")))[0, 1:]
    for box in (np.s_[:, 104:136, 64:106], np.s_[:, 164:196, 64:106]):
        assert (yuv - wanted)[box].abs().max() < 0.02
    beside = np.s_[:, 104:136, 111:116]
    near, far = ((wanted[:, 120, 80] - made[beside].mean((1, 2))).norm() for made in (yuv, plain))
    assert near < 0.5 * far
    if net == "document":  # it has no hints of its own, which could reach everywhere
        assert (yuv - plain)[:, :, 156:].abs().max() < 0.02 and (yuv - plain)[:, :40, :40].abs().max() < 0.05


def test_hints_everywhere_and_on_tiny_pictures(task):
    for size in ((1, 1), (2, 300), (64, 48)):
        whole = hint((150, 120, 90), (0, 0, *size), size)
        yuv = image.rgb_to_yuv(image.to_tensor(task(Image.new("L", size, 125), hints=whole)))[0, 1:]
        expected = image.rgb_to_yuv(image.to_tensor(Image.new("RGB", (1, 1), (150, 120, 90))))[0, 1:]
        assert (yuv - expected).abs().max() < 0.01


def test_hints_without_a_stroke_are_none(task):
    assert task(picture(), hints=Image.new("RGBA", (40, 30))).tobytes() == task(picture()).tobytes()


def white_noise(seed: int, size: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8)
    return Image.fromarray(pixels)


def planes_given(task, monkeypatch, **given) -> torch.Tensor:
    """(planes, rows, columns) of the noise that the net was given for a square picture."""
    seen = []
    decode = task.model.decode
    with monkeypatch.context() as patch:
        patch.setattr(task.model, "decode", lambda features, noise: seen.append(noise) or decode(features, noise))
        task.colour(Image.new("L", (256, 256), 90), **given)
    return seen[0][0].float()


def test_noise_by_hand_is_one_plane_and_the_others_stay_the_seed_s(task, monkeypatch):
    one = planes_given(task, monkeypatch, seed=1)
    # A stripe for each of the 32 columns of places, in eight times as many pixels as the net has.
    levels = np.repeat(np.linspace(0, 255, 32).round().astype(np.uint8)[None], 2048, 0).repeat(64, 1)
    made = planes_given(task, monkeypatch, seed=1, noise=Image.fromarray(levels))
    assert torch.allclose(made[0], torch.from_numpy(chroma.quantile(levels[:32, ::64])), atol=0.02)
    assert torch.equal(made[1:], one[1:]) and not torch.equal(made[0], one[0])


@pytest.mark.parametrize("side", [100, 512, 3000])
def test_noise_keeps_its_variance_at_any_size(task, monkeypatch, side):
    plane = planes_given(task, monkeypatch, noise=white_noise(0, (side, side)))[0]
    assert plane.mean() == pytest.approx(0, abs=0.2) and plane.std() == pytest.approx(1, abs=0.1)


def test_where_noise_is_transparent_the_seed_s_stays(task, monkeypatch):
    half = Image.new("LA", (512, 512))
    half.paste((230, 255), (0, 0, 256, 512))
    one, made = (planes_given(task, monkeypatch, seed=1, **given) for given in ({}, {"noise": half}))
    assert made[0, :, :16].unique().tolist() == pytest.approx(chroma.quantile(np.array([230])).tolist(), abs=0.01)
    assert torch.equal(made[0, :, 16:], one[0, :, 16:]) and torch.equal(made[1:], one[1:])
    assert task(picture(), noise=Image.new("LA", (40, 30))).tobytes() == task(picture()).tobytes()


def test_what_ships_heeds_both_noise_by_hand_and_seeds():
    task, photo = load("colorunet.general"), Image.open(EXAMPLES / "photo_window_flowers.jpg").resize((512, 512))
    noises = [white_noise(n, (512, 512)) for n in (0, 1)]
    one, other = (task.colour(photo, seed=7, noise=noise) for noise in noises)
    assert apart(one, other) > 0.02  # of U and V: 5 of 255
    ten = [one, *task.seeds(photo, range(8, 17), noise=noises[0])]
    assert min(apart(a, b) for a, b in itertools.combinations(ten, 2)) > 0.002
    assert task.colour(photo, seed=7, noise=noises[0]).to_bytes() == one.to_bytes()


def apart(a: Colouring, b: Colouring) -> float:
    """Root mean square of what chroma differs by."""
    return float(np.sqrt(np.square(a.chroma.astype(float) - b.chroma).sum(0).mean()))


def test_grey_levels_become_normal_numbers():
    every = chroma.quantile(np.arange(256, dtype=np.uint8))
    assert every.dtype == np.float32 and abs(every.mean()) < 1e-6 and every.std() == pytest.approx(1, abs=0.02)
    assert (np.diff(every) > 0).all() and every[0] == -every[255]


def test_a_region_has_the_noise_of_its_seed(task):
    everywhere = [(Image.new("L", (40, 30), 255), 9)]
    assert task(picture(), seed=1, regions=everywhere).tobytes() == task(picture(), seed=9).tobytes()
    half = Image.new("L", (160, 120))
    half.paste(255, (0, 0, 80, 120))
    mixed = task.colour(picture(), seed=1, regions=[(half, 9)]).chroma.astype(float)
    one, nine = (task.colour(picture(), seed=n).chroma.astype(float) for n in (1, 9))
    left, right = np.s_[:, :, :60], np.s_[:, :, -60:]
    assert abs(mixed - nine)[left].mean() < 0.5 * abs(mixed - one)[left].mean()
    assert abs(mixed - one)[right].mean() < 0.5 * abs(mixed - nine)[right].mean()


# ------------------------------------------------------------------------------------------------ adjustments


def test_nothing_is_adjusted_by_default(task):
    made = task.colour(picture())
    assert made.image().tobytes() == made.image(Adjustments()).tobytes() == task(picture()).tobytes()


def test_adjusting_does_not_run_the_net(task, monkeypatch):
    made = task.colour(picture())
    monkeypatch.setattr(ColorUNet, "forward", None)
    monkeypatch.setattr(ColorUNet, "encode", None)
    monkeypatch.setattr(ColorUNet, "decode", None)
    for f in dataclasses.fields(Adjustments):
        for end in (f.metadata["minimum"], f.metadata["maximum"]):
            changed = made.image(Adjustments(**{f.name: end}))
            assert (changed.tobytes() == made.image().tobytes()) == (end == f.default), (f.name, end)


def test_saturation_0_is_the_grey_picture(task):
    grey = np.asarray(task(picture(), adjustments=Adjustments(saturation=0)))
    assert (grey == np.asarray(picture())[..., None]).all()


def test_saturation_warmth_and_smoothness_do_what_they_say():
    rng = np.random.default_rng(0)
    made = made_up(rng.normal(0, 0.03, (2, 24, 32)), (64, 48))
    made = dataclasses.replace(made, picture=Image.new("RGB", (64, 48), "#808080"))

    def of(**changes: float) -> np.ndarray:
        rgb = torch.from_numpy(np.asarray(made.image(Adjustments(**changes)), np.float32) / 255)
        return image.rgb_to_yuv(rgb.permute(2, 0, 1)[None])[0, 1:].numpy()

    plain = of()
    assert of(saturation=2).std() == pytest.approx(2 * plain.std(), rel=0.05)
    warm, cold = of(warmth=1) - plain, of(warmth=-1) - plain
    assert warm[0].mean() == pytest.approx(-0.08, abs=0.01) and warm[1].mean() == pytest.approx(0.08, abs=0.01)
    assert cold[0].mean() > 0.06 and cold[1].mean() < -0.06
    assert of(smoothness=1).std() < 0.5 * of(smoothness=0.2).std()


def test_smoothness_stops_at_edges_of_light():
    maps = np.zeros((2, 32, 32))
    maps[1, :, 16:] = 0.1
    grey = np.full((32, 32), 60, np.uint8)
    grey[:, 16:] = 180
    made = made_up(maps, (32, 32))
    made = dataclasses.replace(made, picture=Image.fromarray(grey).convert("RGB"))
    smooth = np.asarray(made.image(Adjustments(smoothness=1)), float)
    red = (smooth[..., 0] - smooth @ WEIGHTS).mean(0)
    assert abs(red[:15]).max() < 3 and red[17:].min() > 0.85 * red.max()


def test_levels_change_luma_alone_and_only_when_asked():
    made = made_up(np.zeros((2, 3, 4)), (256, 4))
    made = dataclasses.replace(made, picture=Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (4, 1))))
    made = dataclasses.replace(made, picture=made.picture.convert("RGB"))
    x = np.arange(256) / 255
    for changes, expected in (
        ({"black": 0.25}, (x - 0.25) / 0.75),
        ({"white": 0.6}, x / 0.6),
        ({"gamma": 2.0}, x**0.5),
        ({"black": 0.1, "white": 0.8, "gamma": 0.5}, (x - 0.1).clip(0) ** 2 / 0.49),
        ({"black": 0.5, "white": 0.5}, (x - 0.5) * 255),
    ):
        found = np.asarray(made.image(Adjustments(**changes)))
        assert (np.ptp(found.astype(int), -1) == 0).all()
        assert abs(found[0, :, 0] - expected.clip(0, 1) * 255).max() <= 1, changes


@pytest.mark.parametrize("wrong", ["nan", "beyond", "text"])
@pytest.mark.parametrize("f", dataclasses.fields(Adjustments), ids=lambda f: f.name)
def test_an_adjustment_that_makes_no_sense_is_a_sentence(f, wrong):
    value = {"nan": math.nan, "beyond": f.metadata["maximum"] + 0.1, "text": "1"}[wrong]
    low, high = f.metadata["minimum"], f.metadata["maximum"]
    with pytest.raises(ColorizeError, match=f"{f.name} is .*; give a number from {low} to {high}"):
        Adjustments(**{f.name: value})


def test_adjustments_describe_sliders():
    for f in dataclasses.fields(Adjustments):
        told = f.metadata
        assert told["minimum"] <= f.default <= told["maximum"] and told["step"] > 0
        assert told["label"] and told["help"].endswith(".")
    assert Adjustments(**Adjustments(warmth=0.5).asdict()) == Adjustments(warmth=0.5)


# ------------------------------------------------------------------------------------------------ 16 bits


def test_a_16_bit_scan_comes_out_in_16_bits(task):
    values = scan()
    made = task.colour(Image.fromarray(values), seed=2)
    found = tifffile.imread(io.BytesIO(made.tiff16()))
    assert found.dtype == np.uint16 and found.shape == (30, 40, 3)
    assert abs(found @ WEIGHTS - values).max() <= 0.5
    eight = np.asarray(made.image(), float)
    assert abs(found / 257 - eight).max() < 3
    assert made.encode("TIFF") == made.tiff16() and made.encode("PNG") == image.encode(made.image(), "PNG")
    adjusted = tifffile.imread(io.BytesIO(made.tiff16(Adjustments(saturation=0))))
    assert (adjusted == values[..., None]).all()


def test_8_bits_can_be_written_as_16_but_are_a_plain_tiff_unless_asked(task):
    made = task.colour(picture())
    assert abs(tifffile.imread(io.BytesIO(made.tiff16())) @ WEIGHTS - np.asarray(picture()) * 257.0).max() <= 0.5
    assert tifffile.imread(io.BytesIO(made.encode("TIFF"))).dtype == np.uint8


def test_exif_and_profile_of_a_scan_are_kept_when_asked(task):
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    exif[0x013B] = "Anonymous"
    exif.get_ifd(0x8769)[0x9003] = "1905:05:01 12:00:00"
    data = as_bytes(Image.fromarray(scan()), "PNG", exif=exif.tobytes())
    made = task.colour(data)
    bare = made.encode("TIFF")
    assert b"Camera" not in bare and 34675 not in tifffile.TiffFile(io.BytesIO(bare)).pages[0].tags
    kept = made.encode("TIFF", exif=True, icc=True)
    tags = tifffile.TiffFile(io.BytesIO(kept)).pages[0].tags
    assert tags[0x0110].value == "Camera obscura" and tags[34675].value
    assert tags[34665].value["DateTimeOriginal"] == "1905:05:01 12:00:00"
    assert (tifffile.imread(io.BytesIO(kept)) == tifffile.imread(io.BytesIO(bare))).all()
    found = image.open(kept)  # our own reader finds the same in it
    assert Image.Exif().load(found.info["exif"]) is None and b"Camera obscura" in found.info["exif"]


# ------------------------------------------------------------------------------------------------ sheets


def test_different_first():
    rng = np.random.default_rng(0)
    near = [made_up(np.full((2, 3, 4), 0.1) + rng.normal(0, 0.001, (2, 3, 4))) for _ in range(3)]
    far, middle = made_up(np.full((2, 3, 4), -0.3)), made_up(np.full((2, 3, 4), -0.1))
    order = different_first([near[0], near[1], far, near[2], middle])
    assert sorted(order) == list(range(5)) and 2 in order[:2] and order[2] == 4
    assert different_first([near[0]]) == [0] and different_first([]) == []
    assert different_first([far, far, far]) == [0, 1, 2]


def test_blend_lies_between():
    a, b = made_up(np.full((2, 3, 4), 0.1), seed=1), made_up(np.full((2, 3, 4), -0.3), seed=2)
    mixed = blend(a, b, 0.25)
    assert mixed.seed is None and mixed.chroma.dtype == np.float16 and mixed.size == a.size
    assert abs(mixed.chroma.astype(float)).max() < 1e-3
    assert blend(a, b, 0) is a and blend(a, b, 1) is b
    assert mixed.image().size == (40, 30)


def test_disagreement_is_light_where_colourings_differ():
    maps = [np.zeros((2, 30, 40)), np.zeros((2, 30, 40))]
    maps[1][0, :, 20:] = 0.3
    plain = [dataclasses.replace(made_up(m), picture=Image.new("RGB", (40, 30), "grey")) for m in maps]
    heat = disagreement(plain)
    assert heat.size == (40, 30) and heat.mode == "RGB"
    light = luma(heat)
    assert light[:, 30:].mean() > light[:, :10].mean() + 100
    assert np.ptp(luma(disagreement([plain[0], plain[0]]))) == 0


def test_histogram_shows_where_the_levels_are():
    dark, light = (histogram(Image.new("RGB", (20, 20), (v, v, v))) for v in (40, 220))
    assert dark.size == (512, 160) and dark.mode == "RGB"
    for drawn, x in ((dark, 80), (light, 440)):
        columns = luma(drawn).mean(0)
        assert abs(int(columns.argmax()) - x) < 8
    red = np.asarray(histogram(Image.new("RGB", (20, 20), (250, 0, 0))), float)
    assert red[80:, 495:505, 0].mean() > red[80:, 495:505, 2].mean() + 50


# ------------------------------------------------------------------------------------------------ sentences


@pytest.mark.parametrize(
    ("keywords", "error", "sentence"),
    [
        ({"seed": 1.5}, ColorizeError, "seed is 1.5; give a whole number from 0 to 2147483647"),
        ({"seed": True}, ColorizeError, "seed is True"),
        ({"seed": -1}, ColorizeError, "seed is -1"),
        ({"seed": 2**31}, ColorizeError, "seed is 2147483648"),
        ({"seed": None}, ColorizeError, "seed is None"),
        ({"hints": "nothing.png"}, image.ImageError, "nothing.png does not exist"),
        ({"hints": 5}, image.ImageError, "can't be read from an object of type int"),
        ({"hints": Image.new("RGBA", (30, 40))}, ColorizeError, "hints is 30 x 40 and the picture 40 x 30; give a"),
        ({"noise": Image.new("L", (50, 10))}, ColorizeError, "noise is 50 x 10 and the picture 40 x 30"),
        ({"regions": 5}, ColorizeError, r"regions is no list of pairs; give \[\(mask, seed\), ...\]"),
        ({"regions": [(Image.new("L", (40, 30)), 1)]}, ColorizeError, "region 1 is black all over"),
        ({"regions": [(Image.new("L", (10, 30), 255), 1)]}, ColorizeError, "mask of region 1 is 10 x 30"),
        ({"regions": [(Image.new("L", (40, 30), 255), "x")]}, ColorizeError, "seed is 'x'"),
        ({"adjustments": {"saturation": 2}}, ColorizeError, r"adjustments is of type dict; give Adjustments\(...\)"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(task, keywords, error, sentence):
    with pytest.raises(error, match=sentence):
        task(picture(), **keywords)


def test_seeds_that_are_no_list_are_a_sentence(task):
    with pytest.raises(ColorizeError, match=r"seeds is 5; give a list such as \[1, 2, 3\]"):
        next(task.seeds(picture(), 5))


def test_sheets_of_what_does_not_belong_together_are_a_sentence():
    a, b = made_up(np.zeros((2, 3, 4))), made_up(np.zeros((2, 3, 5)), (50, 30))
    for function in (different_first, disagreement, lambda two: blend(*two)):
        with pytest.raises(ColorizeError, match="give those of one picture and one model"):
            function([a, b])
    with pytest.raises(ColorizeError, match="1 colourings can't disagree; give two or more"):
        disagreement([a])
    with pytest.raises(ColorizeError, match="without its picture"):
        disagreement([Colouring.from_bytes(a.to_bytes()), a])
    for share in (math.nan, -0.1, 2, "half", True):
        with pytest.raises(ColorizeError, match="share is .*; give a number from 0"):
            blend(a, a, share)


def test_a_picture_that_would_not_fit_memory_is_refused_before_the_work(task, monkeypatch):
    monkeypatch.setattr(runtime, "_free_memory", lambda: 1000)
    with pytest.raises(runtime.TooLarge, match="use at most"):
        task(picture())


def test_a_net_that_gives_no_numbers_is_a_sentence():
    net = colour_net()
    with torch.no_grad():
        next(net.parameters()).fill_(math.nan)
    with pytest.raises(ColorizeError, match="ARTCORE_DTYPE=fp32"):
        Colorizer(net)(picture())


# ------------------------------------------------------------------------------------------------ the rest


def test_the_document_s_net_serves_too():
    torch.manual_seed(0)
    task = Colorizer(ColorUNet("document", (4,), (3,)))
    made = [task(picture(), seed=seed).tobytes() for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_the_net_sees_its_own_size_whatever_the_picture_s():
    assert chroma.working_size(4000, 3000, 256) == (341, 256)
    assert chroma.working_size(30, 40, 256) == (256, 341)
    assert chroma.working_size(64_000_000, 1, 256) == (1024, 1)
    assert chroma.working_size(3000, 400, 256) == (1024, 137)


def test_seconds_grow_with_seeds_and_pixels(task):
    one = task.seconds(640, 480)
    assert 0 < one < task.seconds(640, 480, seeds=10) < 10 * one + 1e-9
    assert task.seconds(6400, 4800) > one


def test_a_guide_has_no_holes():
    whole = Image.new("RGBA", (60, 40), (200, 200, 200, 255))
    whole.paste((0, 0, 0, 0), (20, 10, 40, 30))
    assert colouring.guide(whole, (30, 20)).min() > 0.7
