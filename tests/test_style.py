"""Style transfer: its options, losses, optimisers, regions, and that a saved run goes on exactly."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from artcore import image, metrics, perceptual, runtime
from artcore.__main__ import _parser
from artcore.models.encoder import ArtEncoder
from artcore.models.vgg import VGG19
from artcore.studio import style as tab
from artcore.tasks import style, style_losses, style_pictures
from artcore.tasks.style import PRESETS, StyleError, StyleOptions, StyleTransfer
from artcore.tasks.style_losses import Layers, Objective, scales, split, tiles
from artcore.tasks.style_pictures import feathered, fitted, output_size, style_size, tiled
from artcore.tasks.style_steps import LBFGS, Adam

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "examples"
SMALL = {"size": 96, "steps": 10, "pyramid": 1, "preview_every": 5}


@pytest.fixture(scope="module")
def task() -> StyleTransfer:
    torch.manual_seed(1)
    return StyleTransfer(ArtEncoder((8, 8, 16, 16), classes=2))


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    torch.manual_seed(2)
    coarse = torch.rand(1, 3, 6, 8)
    return image.to_pil(F.interpolate(coarse, (72, 96), mode="bilinear"))


@pytest.fixture(scope="module")
def painting() -> Image.Image:
    stripes = (torch.arange(80) // 4 % 2).float().expand(1, 1, 60, 80)
    return image.to_pil(torch.cat([0.2 + 0.7 * stripes, 0.3 + 0.2 * stripes, 0.6 - 0.4 * stripes], 1))


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (80, 60)) -> Image.Image:
    return Image.new("RGB", size, colour)


def last(run) -> object:
    for snapshot in run:  # noqa: B007
        pass
    return snapshot


# --- options ---


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"style": 0}, "style is 0: give a number greater than 0"),
        ({"content": -1}, "content is -1: give a number greater than 0"),
        ({"smoothness": -0.1}, "smoothness is -0.1: give a number of 0 or more"),
        ({"style": math.nan}, "style is nan: give"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"steps": 2.5}, "steps is 2.5: give a whole number"),
        ({"steps": True}, "steps is True"),
        ({"steps": "9"}, "steps is '9'"),
        ({"keep_colours": 1.5}, "keep_colours is 1.5: give a number from 0 to 1"),
        ({"fit": "squash"}, "fit is 'squash': choose from crop, fit, tile"),
        ({"style_layers": ""}, "style_layers names no layer"),
        ({"style_layers": "r1_1=0"}, "r1_1 is '0': give a number greater than 0"),
        ({"content_layers": "r4_1=nan"}, "r4_1 is 'nan'"),
        ({"style_weights": "1, -2"}, "style_weights is '-2'"),
        ({"style_weights": 3}, "style_weights is 3: give text"),
        ({"sise": 3}, "There is no option 'sise': choose from content"),
        ({"steps": 10**400}, "give a whole number of 1 or more"),
        ({"style": 1e38}, "style is 1e+38: give a number greater than 0 and at most 1e+12"),
        ({"smoothness": 1e300}, "smoothness is 1e+300"),
        ({"learning_rate": 2}, "learning_rate is 2: give a number greater than 0 and at most 1"),
        ({"style_weights": "1e308 1"}, "style_weights is '1e308'"),
        ({"rounds": -1}, "rounds is -1: give a whole number of 0 or more"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_sentence(values, why):
    with pytest.raises(StyleError) as caught:
        StyleOptions.of(values)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_option_tells_what_a_slider_or_flag_needs():
    for f in dataclasses.fields(StyleOptions):
        meta = f.metadata
        assert meta["label"] and meta["help"] and meta["group"], f.name
        if "choices" in meta:
            assert f.default in meta["choices"]
        elif isinstance(f.default, int | float):
            assert meta["minimum"] <= f.default <= meta["maximum"] and meta["step"] > 0, f.name
            for end in ("minimum", "maximum"):  # both ends of a slider are good values
                StyleOptions.of({f.name: type(f.default)(meta[end])})


def test_options_survive_json_and_take_mappings():
    options = StyleOptions(style_layers={"r1_1": 2, "r2_1": 1}, style_weights=(1, 3))
    assert StyleOptions.of(json.loads(json.dumps(options.asdict()))) == options
    assert options.style_layer_weights() == {"r1_1": 2.0, "r2_1": 1.0}
    assert options.styles_shares(2) == [0.25, 0.75]
    for count in (1, 3):
        with pytest.raises(StyleError, match=f"2 numbers for {count} paintings"):
            options.styles_shares(count)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_runs(task, photo, painting, name):
    options = StyleOptions.preset(name, size=72, steps=4)
    result = last(task.run(photo, painting, options=options))
    assert result.final and result.image.size == ((96, 72) if options.side == "height" else (72, 54))
    assert all(math.isfinite(value) for value in result.losses.values())


def test_an_unknown_preset_is_refused():
    with pytest.raises(StyleError, match="choose from default, quick, gatys, document-002"):
        StyleOptions.preset("monet")
    with pytest.raises(StyleError, match="no option 'name'"):  # as JSON may have it
        StyleOptions.preset("quick", **{"name": 1})


def test_the_preset_of_document_002_is_the_notebooks():
    """Its style loss for a layer is weight / 5 * sum(d^2) / (4 * 3^2 * (rows * columns)^2), d of Gram sums."""
    options = StyleOptions.preset("document-002")
    assert (options.content, options.style, options.smoothness, options.tv_power) == (1, 10000, 10, 1.25)
    assert (options.size, options.side, options.preview_every, options.optimiser) == (400, "height", 20, "lbfgs")
    assert (options.rounds, options.history, options.pyramid) == (20, 10, 1)
    pixels = 400 * 533
    for block, channels in enumerate((64, 128, 256, 512, 512), 1):
        positions = pixels / 4 ** (block - 1)
        ours = options.style_layer_weights()[f"block{block}_conv1"] / (4 * channels**2 * positions**2)
        assert ours == pytest.approx(0.2 / (4 * 9 * pixels**2), rel=1e-3)


# --- layers ---


def test_layers_a_net_lacks_are_answered_by_the_nearest(task):
    layers = task.layers(StyleOptions.preset("document-002"))
    assert list(layers.style) == ["r1_1", "r2_1", "r3_1", "r4_1", "r4_2"]
    assert list(layers.content) == ["r4_2"]
    assert layers.stride["r4_2"] == 8
    with pytest.raises(StyleError, match="no layer 'eyes'"):
        task.layers(StyleOptions(style_layers="eyes=1"))


@pytest.mark.parametrize("preset", ["gatys", "document-002"])
def test_block_5_is_r4_2_in_the_shipped_net_and_whoever_chooses_it_is_told(preset):
    layers = StyleTransfer().layers(StyleOptions.preset(preset))
    assert list(layers.style) == ["r1_1", "r2_1", "r3_1", "r4_1", "r4_2"] and list(layers.content) == ["r4_2"]
    help = " ".join(_parser()._actions[-1].choices["style"].format_help().split())
    assert "block 5" in help and "r4_2" in help and "--features vgg19" in help
    for text in (tab.BLOCK_5, tab.style.__doc__):
        assert "lock 5" in text and "r4_2" in text and "vgg" in text.replace("-", "").lower()


def test_vgg_has_every_block(photo, painting):
    task = StyleTransfer(VGG19(None))
    layers = task.layers(StyleOptions.preset("document-002"))
    assert list(layers.content) == ["relu5_2"] and layers.stride["relu5_2"] == 16
    assert list(layers.style)[-1] == "relu5_1"
    options = StyleOptions.preset("document-002", size=64, steps=3)
    assert last(task.run(photo, painting, options=options)).image.height == 64
    with pytest.raises(StyleError, match="no layer 'pool4'"):  # its stride is not its block's
        task.layers(StyleOptions(style_layers="pool4"))


# --- the loss ---


def objective(options: StyleOptions, net=None, masks=None, size=(80, 112), styles=1) -> Objective:
    torch.manual_seed(3)
    net = net or ArtEncoder((8, 8, 16, 16), classes=2).requires_grad_(False)
    task_layers = Layers({"r1_1": 1.0, "r2_2": 2.0}, {"r3_1": 1.0}, {"r1_1": 1, "r2_2": 2, "r3_1": 4}, 60.0)
    pictures = [torch.rand(1, 3, *size) for _ in range(styles)]
    shares = options.styles_shares(styles)
    made = Objective(net, task_layers, torch.rand(1, 3, *size), pictures, shares, masks, options)
    made.weigh(0.5 * made.content + 0.5 * pictures[0])
    return made


@pytest.fixture
def fp32():
    if runtime.setup().dtype != torch.float32:
        pytest.skip("figures of float32")


@pytest.mark.parametrize("loss", ["gram", "moments", "wasserstein", "mixed"])
@pytest.mark.parametrize("weights", ["shares", "raw"])
def test_the_gradient_is_that_of_the_loss(fp32, loss, weights):
    o = objective(StyleOptions(loss=loss, weights=weights, tv_power=1.25), size=(40, 48))
    x = torch.rand(1, 3, 40, 48)
    _, gradient = o.evaluate(x, 5)
    way = gradient / gradient.norm()
    step = 3e-2
    sums = [sum(o.evaluate(x + sign * step * way, 5)[0].values()) for sign in (1, -1)]
    assert (sums[0] - sums[1]) / (2 * step) == pytest.approx(gradient.norm().item(), rel=0.03)


@pytest.mark.parametrize("loss", ["gram", "moments", "mixed"])
def test_tiles_give_the_loss_and_gradient_of_the_whole(fp32, monkeypatch, loss):
    masks = [torch.zeros(1, 1, 80, 112), torch.zeros(1, 1, 80, 112)]
    masks[0][..., :50], masks[1][..., 40:] = 1, 1
    for given in (None, masks):
        options = StyleOptions(loss=loss)
        whole = objective(options, masks=given, styles=2)
        x = torch.rand(1, 3, 80, 112)
        losses, gradient = whole.evaluate(x, 5)
        with monkeypatch.context() as patch:
            patch.setattr(style_losses, "TILE", 40)
            patch.setattr(style_losses, "WHOLE", 40)
            assert len(tiles(112, 80)) == 6
            parts = objective(options, masks=given, styles=2)
            parts.factors = whole.factors
            parts.wanted = whole.wanted
            tiled_losses, tiled_gradient = parts.evaluate(x, 5)
        assert tiled_losses == pytest.approx(losses, rel=1e-3)
        assert (tiled_gradient - gradient).norm() < 0.01 * gradient.norm()


@pytest.mark.parametrize("pair", [("rocky_lighthouse", "starry_night"), ("two_parrots", "great_wave")])
@pytest.mark.parametrize("size", [96, 160])
def test_a_share_is_what_it_says_for_every_picture_and_size(pair, size):
    """At the picture where they are weighed, the gradient's root mean square is the share that the sliders promise."""
    shipped, options = StyleTransfer(), StyleOptions(size=size, steps=1, pyramid=1, content=2.0, style=0.5)
    names = (f"{kind}_{name}.jpg" for kind, name in zip(("photo", "style"), pair, strict=True))
    job = next(shipped.run(*(EXAMPLES / name for name in names), options=options))._job
    o, seed = job.objective, options.seed
    styles = [job._tensor(p, style_pictures.style_size(p, job.photo.size, options)) for p in job.paintings]
    content, styles = style_pictures.matched(o.content, styles, [1.0], None, options)
    with torch.no_grad():
        _, gradients = o._terms(style_pictures.half_way(o.content, styles), seed, apart=True)
    for term, share in (("content", 2.0), ("style", 0.5), ("smoothness", 0.5)):
        rms = gradients[term].square().mean().sqrt().item()
        assert rms == pytest.approx(share * style_losses.UNITS[term], rel=0.02), term


def test_twice_the_style_is_twice_its_part_with_smoothness_along(fp32):
    for size in ((48, 64), (96, 128)):
        o, twice = (objective(StyleOptions(style=style), size=size) for style in (1, 2))
        assert twice.factors["style"] == pytest.approx(2 * o.factors["style"])
        assert twice.factors["smoothness"] == pytest.approx(2 * o.factors["smoothness"])
        assert twice.factors["content"] == pytest.approx(o.factors["content"])
    o.net.mean = 0.3  # another net, another scale of features: the style's gradient keeps its size
    rms = []
    for gain in (1.0, 7.0):
        net = ArtEncoder((8, 8, 16, 16), classes=2).requires_grad_(False)
        torch.manual_seed(3)
        for p in net.parameters():
            p.data = torch.randn_like(p) * 0.1
        net.blocks[0][0].conv.weight.data *= gain
        net.blocks[0][0].conv.bias.data *= gain
        weighed = objective(StyleOptions(smoothness=0, colour=0), net=net)
        reference = 0.5 * weighed.content + 0.5 * torch.rand(1, 3, 80, 112)
        rms.append(weighed._terms(reference, 0, apart=True)[1]["style"].square().mean().sqrt().item())
    assert rms[0] == pytest.approx(rms[1], rel=0.35)


def test_a_guided_gram_is_that_of_its_region():
    f = torch.rand(1, 4, 10, 12)
    guide = torch.zeros(1, 1, 10, 12)
    guide[..., 3:9] = 0.5
    assert torch.allclose(perceptual.gram(f, guide), perceptual.gram(f[..., 3:9]), atol=1e-6)


# --- optimisers ---


@pytest.mark.parametrize(("make", "steps"), [(lambda: Adam(0.05, 200), 200), (lambda: LBFGS(10), 60)])
def test_an_optimiser_finds_the_minimum_of_a_bad_valley(make, steps):
    torch.manual_seed(4)
    wanted = torch.rand(1, 3, 4, 4)
    steep = torch.logspace(0, 3, 4).view(1, 1, 4, 1)
    optimiser, x = make(), torch.zeros(1, 3, 4, 4)
    for _ in range(steps):
        error = x - wanted
        x = optimiser.step(x, (steep * error.square()).sum().item(), 2 * steep * error)
    assert (optimiser.best(x) - wanted).abs().max() < 0.02


def test_a_round_ends_with_the_history_and_not_with_what_was_reached():
    torch.manual_seed(4)
    wanted, x = torch.rand(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    optimiser = LBFGS(10)
    for _ in range(5):
        x = optimiser.step(x, (x - wanted).square().sum().item(), 2 * (x - wanted))
    best, fresh = optimiser.best(x), LBFGS(10)
    assert optimiser.pairs and torch.equal(optimiser.forget(x), best)
    assert optimiser.state() == fresh.state()
    gradient = 2 * (best - wanted)
    assert torch.equal(*(o.step(best, gradient.square().sum().item() / 4, gradient) for o in (optimiser, fresh)))


def test_lbfgs_takes_back_what_made_it_worse():
    optimiser = LBFGS(5)
    x = torch.zeros(1, 3, 2, 2)
    trial = optimiser.step(x, 1.0, torch.ones_like(x))
    for _ in range(4):
        nearer = optimiser.step(trial, math.nan, torch.full_like(x, math.nan))
        assert nearer.abs().max() < trial.abs().max() and torch.equal(optimiser.best(nearer), x)
        trial = nearer


# --- what it looks like ---


def faults(x: torch.Tensor) -> dict[str, float]:
    """How much of a picture (1, 3, H, W) is frame, checkerboard and rainbow: energy of the outermost Laplacians over
    the others', of the finest frequencies over all, and of fine chroma over fine luma."""
    yuv = image.rgb_to_yuv(x.double())
    luma, chroma = yuv[:, :1], yuv[:, 1:]

    def laplacian(plane: torch.Tensor) -> torch.Tensor:
        kernel = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=plane.dtype)
        return F.conv2d(plane.transpose(0, 1), kernel[None, None]).square().sum(0)[0]

    energy = laplacian(luma)
    ring = torch.ones_like(energy, dtype=torch.bool)
    ring[1:-1, 1:-1] = False
    spectrum = torch.fft.fft2(luma[0, 0] - luma.mean()).abs().square()
    finest = [torch.fft.fftfreq(n).abs() > 0.45 for n in spectrum.shape]
    return {
        "frame": (energy[ring].mean() / energy[~ring].mean()).item(),
        "checkerboard": (spectrum[finest[0][:, None] | finest[1]].mean() / spectrum.mean()).item(),
        "rainbow": (laplacian(chroma).mean() / energy.mean()).item(),
    }


def test_the_shipped_defaults_paint_without_frame_checkerboard_or_rainbow():
    photo, painting = (image.open(EXAMPLES / f"{n}.jpg") for n in ("photo_rocky_lighthouse", "style_starry_night"))
    *_, end = StyleTransfer().run(photo, painting, options=StyleOptions(size=144, steps=40))
    photo, painting = end.originals[0], end.originals[1][0]
    made, photo, painting = (image.to_tensor(p.convert("RGB")) for p in (end.image, photo, painting))
    generator = torch.Generator().manual_seed(0)
    framed, (h, w) = made.clone(), made.shape[-2:]
    framed[..., [0, -1], :] = (framed[..., [0, -1], :] - 0.15).clamp(0, 1)
    board = 0.03 * (1 - 2 * ((torch.arange(h)[:, None] + torch.arange(w)) % 2))
    noise = 0.03 * torch.randn(1, 3, h, w, generator=generator)
    bad = {"frame": framed, "checkerboard": made + board, "rainbow": made + noise - noise.mean(1, keepdim=True)}
    most = {"frame": 1.3, "checkerboard": 2 * faults(photo)["checkerboard"], "rainbow": 0.1}
    for fault, limit in most.items():
        assert faults(made)[fault] < limit < faults(bad[fault])[fault], fault
    assert metrics.content_kept(made, photo).item() > 0.4
    for kind, share in (("brushwork", 0.85), ("colour", 0.5)):  # nearer to the painting than the photo is
        copied = metrics.patch_distance(photo, painting, kind)
        assert metrics.patch_distance(made, painting, kind) < share * copied, kind


# --- runs ---


def test_a_run_lowers_its_loss_and_ends_with_the_full_size(task, photo, painting):
    snapshots = list(task.run(photo, painting, options=StyleOptions(**SMALL | {"steps": 30})))
    assert [s.step for s in snapshots] == list(range(1, 31))
    assert snapshots[-1].losses["total"] < 0.7 * snapshots[0].losses["total"]
    assert snapshots[0].image is not None and snapshots[4].image is not None and snapshots[1].image is None
    assert [s.final for s in snapshots] == [False] * 29 + [True]
    assert snapshots[-1].image.size == (96, 72) and snapshots[-1].seconds_left == 0


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
@pytest.mark.parametrize("stop", [3, 5, 6, 10])
def test_a_saved_run_goes_on_bit_for_bit(task, photo, painting, optimiser, stop, tmp_path):
    """Stopped inside a scale, at its end, behind it, and when all is done."""
    options = StyleOptions(optimiser=optimiser, size=136, steps=10, pyramid=2, seed=3, loss="mixed")
    masks = [Image.new("L", (96, 72), 255)]
    styles = [painting]
    assert split(10, 2)[0] == 6
    whole = last(task.run(photo, styles, options=options, masks=masks))
    run = task.run(photo, styles, options=options, masks=masks)
    for snapshot in run:
        if snapshot.step == stop:
            break
    file = tmp_path / "run.safetensors"
    file.write_bytes(snapshot.resume_file())
    run.close()
    snapshots = list(task.resume(file))
    assert len(snapshots) == max(1, 10 - stop)
    assert snapshots[-1].image.tobytes() == whole.image.tobytes()
    assert task.resume(file.read_bytes()) is not None


def test_rounds_go_on_bit_for_bit(task, photo, painting):
    """Stopped inside a round, at its end, and so in the second scale, which begins behind step 6."""
    options = StyleOptions(size=136, steps=11, pyramid=2, rounds=4)
    files, pairs = {}, {}
    for snapshot in task.run(photo, painting, options=options):
        files[snapshot.step], pairs[snapshot.step] = snapshot.resume_file(), len(snapshot._job.optimiser.pairs)
    assert pairs[3] > 0 and pairs[4] == 0 and pairs[10] == 0
    for stop in (3, 4, 5, 8, 10):
        assert last(task.resume(files[stop])).image.tobytes() == snapshot.image.tobytes(), stop
    for optimiser, same in (("lbfgs", False), ("adam", True)):  # which has no rounds
        made = [
            task(photo, painting, options=StyleOptions(**SMALL, optimiser=optimiser, rounds=rounds)).tobytes()
            for rounds in (0, 3)
        ]
        assert (made[0] == made[1]) == same


def test_a_file_that_is_no_run_is_refused(task, tmp_path, photo, painting):
    with pytest.raises(StyleError, match="can't be read"):
        next(task.resume(b"nothing"))
    with pytest.raises(StyleError, match="can't be read"):
        next(task.resume(tmp_path / "missing"))
    from safetensors.torch import save

    with pytest.raises(StyleError, match="no resume file"):
        next(task.resume(save({"x": torch.zeros(1)})))
    data = next(task.run(photo, painting, options=StyleOptions(**SMALL))).resume_file()
    other = StyleTransfer(VGG19(None))
    with pytest.raises(StyleError, match="used 'ArtEncoder', not 'VGG19'"):
        next(other.resume(data))
    with pytest.raises(StyleError, match="can't be read"):
        next(task.resume(data[: len(data) // 2]))


def test_transparency_and_seeds_are_kept(task, photo, painting):
    clear = photo.copy()
    clear.putalpha(Image.linear_gradient("L").resize(photo.size))
    made = task(clear, painting, options=StyleOptions(**SMALL))
    assert made.mode == "RGBA" and made.getchannel("A").tobytes() == clear.getchannel("A").tobytes()
    noisy = [task(photo, painting, options=StyleOptions(**SMALL, init="noise", seed=s)).tobytes() for s in (0, 0, 1)]
    assert noisy[0] == noisy[1] != noisy[2]


def test_a_run_starts_where_it_is_told(task, photo, painting):
    start = plain((255, 0, 0), (50, 40))
    options = StyleOptions(**SMALL | {"steps": 1}, learning_rate=0.001)
    made = task(photo, painting, options=options, init=start)
    assert made.getpixel((40, 40))[0] > 240 and made.getpixel((40, 40))[1] < 15


def test_keep_colours_keeps_the_photos_chroma(task, photo):
    options = StyleOptions(**SMALL, keep_colours=1.0)
    chroma = [
        image.rgb_to_yuv(image.to_tensor(p))[:, 1:] for p in (photo, task(photo, plain((250, 20, 20)), options=options))
    ]
    assert (chroma[0] - chroma[1]).abs().mean() < 0.02


@pytest.mark.parametrize("fit", ["crop", "fit", "tile"])
def test_a_painting_is_never_squashed(task, photo, fit):
    """Circles stay circles: a painting of square cells, thrice as wide as high, keeps them square."""
    options = StyleOptions(size=96, fit=fit, style_scale=0.5)
    wide = Image.new("RGB", (600, 200))
    size = output_size(photo.size, options)
    kept = fitted(wide, size, options)
    width, height = style_size(kept, size, options)
    assert width / height == pytest.approx(kept.width / kept.height, rel=0.06)
    assert kept.width / kept.height == pytest.approx(4 / 3 if fit == "crop" else 3, rel=0.06)
    if fit == "tile":
        assert tiled(torch.rand(1, 3, height, width), size).shape[-2:] == size[::-1]


# --- regions ---


@pytest.mark.parametrize("feather", [0.0, 0.05, 0.2])
def test_a_feathered_edge_is_a_ramp_about_where_it_was(feather):
    mask = torch.zeros(1, 1, 80, 120)
    mask[..., 60:] = 1
    soft = feathered(mask, feather)
    assert soft.shape == mask.shape and (soft.diff(dim=2).abs() < 1e-6).all()
    row = soft[0, 0, 40]
    assert (row.diff() >= -1e-6).all() and torch.allclose(row + row.flip(0), torch.ones(120), atol=1e-5)
    ramp = ((row > 1e-4) & (row < 1 - 1e-4)).sum().item()
    assert ramp == 6 * round(feather * 80 / 2)  # three means of as many pixels a side
    assert row.diff().max() <= (2.5 / ramp if ramp else 1)  # steepest in the middle, and never a step
    assert row[0] == 0 and row[-1] == pytest.approx(1)


def test_feather_blends_painting_into_photo(task, photo):
    half = Image.new("L", (96, 72))
    half.paste(255, (0, 0, 48, 72))
    change = []
    for feather in (0.0, 0.2):
        options = StyleOptions(**SMALL, feather=feather, colour=3)
        made = task(photo, plain((220, 30, 30)), options=options, masks=half)
        change.append((image.to_tensor(made) - image.to_tensor(photo)).abs().mean((0, 1, 2)))
    hard, soft = change
    assert hard[50:].max() < 0.01 and hard[40:46].min() > 0.03
    assert soft[50:54].min() > 0.01 and soft[76:].max() < 0.01


def test_each_region_follows_its_painting(task, photo):
    """Left red, right green: every region gets its painting's colours, and the rest stays the photo."""
    left, right = (Image.new("L", (96, 72)) for _ in range(2))
    left.paste(255, (0, 0, 40, 72))
    right.paste(255, (56, 0, 96, 72))
    styles = [plain((220, 30, 30)), plain((30, 200, 40))]
    options = StyleOptions(**SMALL | {"steps": 30}, feather=0.0, colour=3)
    made = image.to_tensor(task(photo, styles, options=options, masks=[left, right]))
    red, green = made[..., :36].mean((0, 2, 3)), made[..., 60:].mean((0, 2, 3))
    assert red[0] > red[1] + 0.25 and green[1] > green[0] + 0.25
    middle = (slice(None), slice(None), slice(None), slice(42, 54))
    assert (made[middle] - image.to_tensor(photo)[middle]).abs().max() < 0.01


def test_each_regions_statistics_follow_its_painting(photo, painting):
    """Stripes that stand on the left and lie on the right: each half is nearer to its painting than the other is."""
    shipped = StyleTransfer()
    across = painting.rotate(90, expand=True).resize((80, 60))
    halves = [Image.new("L", (96, 72)) for _ in range(2)]
    halves[0].paste(255, (0, 0, 48, 72))
    halves[1].paste(255, (48, 0, 96, 72))
    options = StyleOptions(**SMALL | {"steps": 40}, content=0.05, feather=0.0)
    made = image.to_tensor(shipped(photo, [painting, across], options=options, masks=halves))

    def grams(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return perceptual.gram(shipped.model(x.to(runtime.setup().dtype), ("r2_1",))["r2_1"])

    left, right = grams(made[..., :44]), grams(made[..., 52:])
    for wanted, own, other in ((painting, left, right), (across, right, left)):
        target = grams(image.to_tensor(wanted))
        assert (own - target).norm() < 0.8 * (other - target).norm()


@pytest.mark.parametrize(
    ("masks", "why"),
    [
        ([Image.new("L", (96, 72))], "Mask 1 is dark everywhere: make it white"),
        ([Image.new("L", (96, 72), 120)], "Mask 1 is dark everywhere: make it white"),
        ([Image.new("L", (72, 96), 255)], "another aspect"),
        ([Image.new("L", (96, 72), 255)] * 2, "2 masks for 1 paintings"),
    ],
)
def test_a_mask_that_does_not_fit_is_one_sentence(task, photo, painting, masks, why):
    with pytest.raises(StyleError, match=why):
        next(task.run(photo, painting, options=StyleOptions(**SMALL), masks=masks))


def test_a_mask_of_another_size_is_resized(task, photo, painting):
    options = StyleOptions(**SMALL)
    large = task(photo, painting, options=options, masks=[Image.new("L", (960, 720), 255)])
    assert large.tobytes() == task(photo, painting, options=options, masks=[Image.new("L", (96, 72), 255)]).tobytes()


def test_pictures_that_are_too_small_or_missing_are_one_sentence(task, photo, painting):
    with pytest.raises(StyleError, match="The painting is 8 x 8 px: give one of at least 32"):
        next(task.run(photo, plain((1, 2, 3), (8, 8))))
    with pytest.raises(StyleError, match=r"34 x 26 px once it is cropped to the photo's shape: .* whole \(fit\)"):
        next(task.run(photo, plain((1, 2, 3), (34, 400))))
    assert next(task.run(photo, plain((1, 2, 3), (34, 400)), options=StyleOptions(**SMALL, fit="fit")))
    with pytest.raises(StyleError, match="No painting"):
        next(task.run(photo, []))
    with pytest.raises(StyleError, match="crop the photo, or choose a larger size"):
        next(task.run(Image.new("RGB", (2000, 20)), painting))
    with pytest.raises(image.ImageError):
        next(task.run(io.BytesIO(b"no picture"), painting))


@pytest.mark.parametrize("mode", ["L", "RGBA"])
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (64, 32)])
def test_a_tiny_photo_is_enlarged(task, painting, size, mode):
    for options in (StyleOptions(**SMALL | {"steps": 2}), StyleOptions(steps=2, budget=9.0)):
        made = task(Image.new(mode, size, 90 if mode == "L" else (90, 20, 30, 200)), painting, options=options)
        assert made.mode == ("RGB" if mode == "L" else "RGBA") and min(made.size) >= 32


def test_a_mask_need_not_be_in_a_list_and_specks_count_at_every_scale(task, photo, painting):
    speck = Image.new("L", (96, 72))
    speck.putdata([255 * (n % 400 == 0) for n in range(96 * 72)])
    options = StyleOptions(size=544, steps=3, pyramid=4, feather=0.0, loss="mixed")
    made = last(task.run(photo, painting, options=options, masks=speck))
    assert all(math.isfinite(value) for value in made.losses.values())


@pytest.mark.parametrize("loss", ["gram", "moments", "wasserstein", "mixed"])
@pytest.mark.parametrize("weights", ["shares", "raw"])
def test_every_loss_takes_several_paintings_and_a_corner_as_a_region(task, photo, painting, loss, weights):
    masks = [Image.new("L", (96, 72)) for _ in range(2)]
    masks[0].paste(255, (0, 0, 4, 4))  # one place of the deepest layer
    masks[1].paste(255, (50, 0, 96, 72))
    options = StyleOptions(**SMALL | {"steps": 2}, loss=loss, weights=weights, feather=0.0)
    for given in (None, masks):
        made = last(task.run(photo, [painting, plain((9, 90, 200))], options=options, masks=given))
        assert all(math.isfinite(value) for value in made.losses.values())


def lock_is_free() -> bool:
    """Whether another thread could run a net."""

    def try_it() -> None:
        with runtime.lock:
            free.set()

    free = threading.Event()
    threading.Thread(target=try_it, daemon=True).start()
    return free.wait(5)


def test_runs_side_by_side_do_not_mix_and_one_left_alone_leaves_nothing(task, photo, painting):
    flipped = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    options = [StyleOptions(**SMALL, seed=n, optimiser=o) for n, o in enumerate(("adam", "lbfgs"))]
    alone = [task(p, painting, options=o).tobytes() for p, o in zip((photo, flipped), options, strict=True)]
    given_up = task.run(photo, painting, options=options[0])
    next(given_up)
    runs = [task.run(p, painting, options=o) for p, o in zip((photo, flipped), options, strict=True)]
    for both in zip(*runs, strict=True):
        if both[0].step == 4:
            given_up.close()
            assert lock_is_free()
    assert [snapshot.image.tobytes() for snapshot in both] == alone


# --- time and memory ---


def test_scales_double_and_steps_add_up():
    assert scales(533, 400, 0) == [(133, 100), (266, 200), (533, 400)]
    assert scales(533, 400, 1) == [(533, 400)]
    assert scales(100, 80, 5) == [(100, 80)]
    for steps in (1, 7, 300):
        assert sum(split(steps, 3)) == steps


def test_seconds_grow_with_size_and_steps(task):
    small, more = (task.seconds(800, 600, StyleOptions(size=400, steps=n)) for n in (100, 200))
    assert small < more < task.seconds(800, 600, StyleOptions(size=800, steps=200))


def test_seconds_know_the_deadline_and_the_loss(task, monkeypatch):
    monkeypatch.setattr(runtime, "seconds", lambda flops: flops / 1e8)
    gram, mixed = (task.seconds(800, 600, StyleOptions(loss=loss)) for loss in ("gram", "mixed"))
    assert gram > 60 and mixed == pytest.approx(1.4 * gram, rel=0.05)
    assert task.seconds(800, 600, StyleOptions(deadline=10)) == 10
    assert task.seconds(800, 600, StyleOptions(deadline=10**6)) == gram


@pytest.mark.parametrize(("step", "expected"), [(0.5, 5.0), (0.05, 0.875), (9.0, 14.0)])
def test_what_a_run_took_corrects_what_is_predicted_next(photo, painting, monkeypatch, step, expected):
    """10 steps and 4 more for the rest, predicted at 0.25 s each; a run may correct by up to four either way."""
    torch.manual_seed(1)
    task, clock, original = StyleTransfer(ArtEncoder((4, 4, 8, 8), classes=2)), [0.0], style._Job._step

    def slow(job):
        clock[0] += step
        return original(job)

    monkeypatch.setattr(style._Job, "_step", slow)
    monkeypatch.setattr(style.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(runtime, "seconds", lambda _: (0.25 - style.STEP_SECONDS) / style.OVERHEAD)
    options = StyleOptions(**SMALL)
    assert task.seconds(96, 72, options) == pytest.approx(3.5)
    for _ in range(2):  # of the second run the correction is not corrected again
        for _ in task.run(photo, painting, options=options):
            clock[0] += 100  # what is done with the snapshots is not the run's
        assert task.seconds(96, 72, options) == pytest.approx(expected)
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "seconds", lambda _: 0.0)
        last(task.run(photo, painting, options=options))  # predicted too short to tell
    assert task.seconds(96, 72, options) == pytest.approx(expected)


def test_a_budget_picks_size_and_steps(task, photo, painting, monkeypatch):
    monkeypatch.setattr(runtime, "seconds", lambda flops: flops / 1e10)
    sizes = []
    for budget in (5.0, 40.0):
        planned = task._planned((4000, 3000), StyleOptions(budget=budget))
        assert task.seconds(4000, 3000, planned) <= budget == planned.deadline
        sizes.append((planned.size, planned.steps))
    assert sizes[0] < sizes[1]


def test_a_deadline_ends_with_the_best_so_far(task, photo, painting):
    options = StyleOptions(size=136, steps=1000, pyramid=2, deadline=0.5)
    snapshots = list(task.run(photo, painting, options=options))
    assert snapshots[-1].final and snapshots[-1].image.size == (136, 102)
    assert len(snapshots) < 900
    assert snapshots[-1].seconds < 10


def test_a_deadline_counts_what_went_by_before_a_resume(task, photo, painting, monkeypatch):
    clock, original = [0.0], style._Job._step

    def slow(job):
        clock[0] += 1
        return original(job)

    monkeypatch.setattr(style._Job, "_step", slow)
    monkeypatch.setattr(style.time, "monotonic", lambda: clock[0])
    run = task.run(photo, painting, options=StyleOptions(**SMALL | {"steps": 50}, deadline=9.5))
    for snapshot in run:
        if snapshot.step == 4:
            break
    file = snapshot.resume_file()
    run.close()
    clock[0] += 1000  # the time between does not count
    end = last(task.resume(file))
    assert (end.step, end.seconds) == (10, 10)
    again = list(task.resume(end.resume_file()))  # its time is up: not one step more
    assert [s.step for s in again] == [10] and again[0].image.tobytes() == end.image.tobytes()


def test_a_budget_never_picks_what_is_refused(task):
    for width, height in ((8, 8), (50, 50), (2000, 40), (3000, 190)):
        planned = task._planned((width, height), StyleOptions(budget=0.01))
        assert min(output_size((width, height), planned)) >= 32
    with pytest.raises(StyleError, match="crop the photo"):
        task.seconds(64, 1, StyleOptions(budget=5))
    assert task._planned((800, 600), StyleOptions(budget=20, deadline=5)).deadline == 5


def test_a_deadline_does_not_begin_scales_it_has_no_time_for(task, photo, painting):
    options = StyleOptions(size=544, steps=200, pyramid=4, deadline=1e-3)
    *_, before, end = task.run(photo, painting, options=options)
    assert (before.step, before.seconds_left, before.size) == (1, 0, (136, 102))
    assert end.final and end.image.size == (544, 408) and end.losses


def test_a_picture_that_does_not_fit_memory_is_refused(task, photo, painting, monkeypatch):
    monkeypatch.setattr(runtime, "_free_memory", lambda: 10**6)
    with pytest.raises(runtime.TooLarge, match="use at most"):
        next(task.run(photo, painting, options=StyleOptions(size=533)))


def test_the_shipped_encoder_is_the_default():
    assert isinstance(StyleTransfer().model, ArtEncoder)


def test_the_bench_says_what_was_missed():
    from tests.bench.style import table

    speed = {"run_s": 50.0, "predicted_s": 30.0, "preview_s": 1.0, "closure_s": 1.2, "times_faster": 12.0}
    quality = {"brushwork": 0.01, "of the photo": 0.03, "colour": 0.04, "of the photo ": 0.03, "content kept": 0.35}
    speed |= {"dtype": "bfloat16", "threads": 2, "quality": quality}
    memory = {"bytes": 3.1e9, "steps": 60, "seconds": 90.0}
    found = {"busy": True, "size": "533 x 400", "large": "2048 x 1536", "speed": speed, "memory": memory}
    lines = table(found)
    assert "MISSED: at most 40 s" in lines and "MISSED: memory under 3 GB" in lines and "busy" in lines
    assert "reached: at least 12 times faster" in lines and "reached: content kept at least 0.3" in lines
    assert "0.0100 (photo 0.0300)" in lines and "MISSED: nearer to the painting than the photo" in lines


def test_a_palette_that_would_crush_the_photo_is_met_half_way():
    torch.manual_seed(0)
    photo = torch.rand(1, 3, 48, 48)
    face = torch.zeros(1, 3, 48, 48)
    face[..., 20:28, 20:28] = torch.tensor([1.0, 0.8, 0.6])[:, None, None]  # black but for a face
    plain = torch.rand(1, 3, 48, 48) * 0.5 + 0.2
    met, (lighter,) = style_pictures.matched(photo, [face], [1.0], None, StyleOptions())
    assert style_pictures._crushed(met) <= style_pictures.MOST_CRUSHED < 0.3
    assert style_pictures._crushed(perceptual.match_colour(photo, *perceptual.colour_moments(face))) > 0.15
    assert lighter.mean() > face.mean() + 0.05  # both meet in one palette
    met, (same,) = style_pictures.matched(photo, [plain], [1.0], None, StyleOptions())
    assert same is plain and torch.allclose(met.mean((2, 3)), plain.mean((2, 3)), atol=0.02)
    assert style_pictures.matched(photo, [face], [1.0], None, StyleOptions(colour=0))[1][0] is face
