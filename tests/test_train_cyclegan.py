"""The CycleGAN trainer, full circle on generated pictures: train, stop, resume, load, paint; document 000's file;
data sets from a server on loopback."""

import io
import json
import re
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from artcore.models.cyclegan import CycleGAN
from artcore.models.encoder import ArtEncoder
from artcore.models.stylenet import StyleNet, StyleTransferNetwork
from training import data as training_data
from training import loop
from training.data import DataError, Pictures, dataset, find_named, find_split, split
from training.losses import Patches
from training.train_cyclegan import PRESETS, Config, build, document_000, main

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "training" / "configs" / "document-000.json"


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((64, 48), 0)


@pytest.fixture
def data(tmp_path):
    """Eight photos, six paintings, a tiny encoder."""
    for folder, count in (("photos", 8), ("paintings", 6)):
        (tmp_path / folder).mkdir()
        for i in range(count):
            picture(i + 100 * count).save(tmp_path / folder / f"{i}.png")
    ArtEncoder(channels=(4, 4, 4, 4), classes=2).save_pretrained(tmp_path / "encoder")
    return tmp_path


def flags(settings):
    argv = []
    for key, value in settings.items():
        argv += ["--" + key.replace("_", "-"), *str(value).split()] if value != "" else []
    return argv


def arguments(data, out="run", **changes):
    """Flags of a run of four steps, in which everything happens that happens in a long one."""
    settings = {
        "photos": data / "photos",
        "paintings": data / "paintings",
        "features": data / "encoder",
        "out": data / out,
        "channels": "4 4 4",
        "blocks": 1,
        "refine": 1,
        "fine": 1,
        "discriminator_channels": 4,
        "image_pool": 3,
        "size": 32,
        "batch_size": 2,
        "steps": 4,
        "warmup": 1,
        "checkpoint_every": 2,
        "sample_every": 4,
        "tracker": "none",
    }
    return flags(settings | changes)


def document(data, out="run", **changes):
    """Flags that make a run with document 000's settings tiny."""
    settings = {"photos": data / "photos", "paintings": data / "paintings", "out": data / out, "tracker": "none"}
    settings |= {"channels": 4, "blocks": 1, "discriminator_channels": 4, "size": 32, "epochs": 1}
    return flags(settings | changes)


def weights(folder):
    return load_file(folder / "model.safetensors")


def tensorboard(run):
    """What TensorBoard would show of a run."""
    (file,) = (run / "logs" / "cyclegan").glob("events*")
    return EventAccumulator(str(file), {"images": 0, "scalars": 0}).Reload()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def pools(run):
    """The pictures that a checkpoint's two image pools keep, process by process."""
    files = [run / "checkpoint" / f"custom_checkpoint_{i}.pkl" for i in (2, 3)]
    return [torch.load(file, weights_only=True)["kept"] for file in files]


# ---------------------------------------------------------------- a run


def test_full_circle_both_directions_and_what_was_saved_loads(data):
    folder = main(arguments(data, tracker="tensorboard", log_every=2, sample_every=2))
    run = folder.parent
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["step_000002.png", "step_000004.png"]
    record = json.loads((run / "training.json").read_text())
    assert (record["step"], record["photos"], record["paintings"]) == (4, 7, 5)
    assert {t.dtype for t in weights(folder).values()} == {torch.float16}
    net = CycleGAN.from_pretrained(folder)
    x = torch.rand(1, 3, 40, 33)
    made = {direction: net(x, 3, direction=direction) for direction in ("to_painting", "to_photo")}
    assert all(m.shape == x.shape and m.isfinite().all() for m in made.values())
    assert not torch.equal(*made.values())
    events = tensorboard(run)
    scalars = {f"{d}/{k}" for d in made for k in ("validity", "reconstruction", "identity", "swd", "judge")}
    assert scalars <= set(events.Tags()["scalars"])
    assert [e.step for e in events.Scalars("to_painting/validity")] == [2, 4]
    assert [e.step for e in events.Images("samples")] == [2, 4]


def test_a_resumed_run_equals_an_uninterrupted_one_image_pool_and_all(data):
    """N steps and N more are 2 N: weights, EMA, optimisers, pools. With a pool of 3 and 2 pictures a step, what is
    taken from the pool after the break was put there before it."""
    common = {"schedule": "constant", "checkpoint_every": 50, "discriminator_schedule": "constant"}
    whole = main(arguments(data, "whole", steps=6, **common))
    main(arguments(data, "parts", steps=3, **common))
    assert [[len(p) for p in pool] for pool in pools(data / "parts")] == [[3], [3]]
    parts = main(arguments(data, "parts", steps=6, **common))
    assert same(weights(whole), weights(parts))
    for file in sorted((whole.parent / "checkpoint").glob("*.safetensors")):
        assert same(load_file(file), load_file(parts.parent / "checkpoint" / file.name)), file.name
    for one, other in zip(pools(whole.parent), pools(parts.parent), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[0], other[0], strict=True))
    # And a run that is done trains no further.
    assert same(weights(parts), weights(main(arguments(data, "parts", steps=6, **common))))


def test_a_run_that_was_killed_goes_on_from_its_checkpoint(data, monkeypatch):
    whole = weights(main(arguments(data, "whole")))
    saved = loop.checkpoint

    def stop(accelerator, out):
        saved(accelerator, out)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        main(arguments(data, "parts"))
    monkeypatch.setattr(loop, "checkpoint", saved)
    assert same(whole, weights(main(arguments(data, "parts"))))


def test_training_brings_every_loss_down(data):
    none = {f"{name}_weight": 0 for name in ("swd", "detail", "tones", "content", "tv", "colour", "layout")}
    none |= {"lambda_validity": 0, "candidates": 1, "warmup": 0, "image_pool": 0, "sample_every": 100}
    rates = {"lambda_reconstruction": 10, "lambda_identity": 5, "learning_rate": 1e-2, "schedule": "constant"}
    argv = arguments(data, steps=30, channels="8 8 8", tracker="tensorboard", log_every=10, **none, **rates)
    events = tensorboard(main(argv).parent)
    for direction in ("to_painting", "to_photo"):
        for loss in ("reconstruction", "identity", "judge"):
            first, _, last = (e.value for e in events.Scalars(f"{direction}/{loss}"))
            assert last < 0.9 * first, (direction, loss)


def edged(count, seed=0):
    """Pictures of hard edges between flats."""
    small = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(small, size=64)


def seen(patches, made, before=None):
    before = made[:0] if before is None else before
    return float(patches(made, before, torch.Generator().manual_seed(1)))


def test_soft_edges_and_grain_are_seen_in_luma_patches_and_exposure_in_rgb_ones():
    real, rng = edged(16), torch.Generator().manual_seed(0)
    luma, rgb = (Patches(real, kind, rng, each=512) for kind in ("luma", "rgb"))
    made = real
    soft = torch.nn.functional.avg_pool2d(made, 5, 1, 2, count_include_pad=False)
    grain = (made + 0.3 * torch.randn(made.shape, generator=rng)).clamp(0, 1)
    alike = seen(luma, made)
    assert alike < 0.06 and seen(luma, soft) > 2 * alike and seen(luma, grain) > 2 * alike
    assert seen(luma, made + 0.2) == pytest.approx(alike, abs=1e-4)
    assert seen(rgb, made + 0.2) > 2 * seen(rgb, made)


@pytest.mark.parametrize("kind", ["luma", "rgb"])
def test_a_step_towards_the_patches_of_a_kind_is_one(kind):
    patches = Patches(edged(16), kind, torch.Generator().manual_seed(0), each=128)
    made = (0.4 * edged(4, seed=1)).requires_grad_()
    patches(made, made[:0].detach(), torch.Generator().manual_seed(1)).backward()
    with torch.no_grad():
        assert seen(patches, made - 5 * made.grad / made.grad.norm()) < seen(patches, made)


def test_a_smooth_picture_is_welcome_where_others_are_busy():
    """What counts is the set: a flat picture and a busy one are together what flat and busy pictures are."""
    flat, busy = 0.5 + 0.02 * (edged(8) - 0.5), edged(8, seed=1)
    patches = Patches(torch.cat([flat, busy]), "luma", torch.Generator().manual_seed(0), each=128)
    one = flat[:4].clone()
    assert seen(patches, one, before=busy[:4]) < 0.5 * seen(patches, one)
    with torch.no_grad():
        assert seen(patches, busy[:4], before=flat[:4]) < 0.5 * seen(patches, busy[:4])


def test_a_dark_picture_may_be_asked_to_have_all_tones_by_itself():
    dark, light = 0.5 * edged(8), 0.5 + 0.5 * edged(8, seed=1)
    both = torch.cat([dark, light])
    together, alone = (Patches(both, "rgb", torch.Generator().manual_seed(0), 128, alone=a) for a in (0.0, 1.0))
    assert seen(together, dark[:4], before=light[:4]) < 0.05 < seen(alone, dark[:4], before=light[:4])


def test_one_direction_trains_alone_and_resumes_exactly(data):
    first = main(arguments(data, "first"))
    alone = {"init_to_painting": first, "init_to_photo": first, "only": "to_photo", "schedule": "constant"}
    before, whole = weights(first), weights(main(arguments(data, "whole", steps=6, **alone)))
    changed = {name.partition(".")[0] for name in whole if not torch.equal(whole[name], before[name])}
    assert changed == {"to_photo"}
    main(arguments(data, "parts", steps=3, **alone))
    assert same(whole, weights(main(arguments(data, "parts", steps=6, **alone))))


def test_paintings_go_in_with_their_levels_drawn_out_and_the_net_asks_for_that(data):
    first = main(arguments(data, "first"))
    alone = {"init_to_painting": first, "init_to_photo": first, "only": "to_photo", "levels": 1}
    made = main(arguments(data, "alone", **alone))
    assert CycleGAN.from_pretrained(made).levels == 1 and CycleGAN.from_pretrained(first).levels == 0
    painting = {"init_to_painting": made, "init_to_photo": made, "only": "to_painting"}
    assert CycleGAN.from_pretrained(main(arguments(data, "painting", **painting))).levels == 1
    file = data / "dull.png"
    Image.fromarray(np.linspace([30, 20, 10], [180, 120, 60], 600).astype(np.uint8).reshape(20, 30, 3)).save(file)
    plain, drawn_out = (training_data.Pictures([file], levels=amount)[0] for amount in (0.0, 1.0))
    assert plain.amax((1, 2)).tolist() == [180, 120, 60] and (drawn_out.amax((1, 2)) > 1.3 * plain.amax((1, 2))).all()
    square = training_data.squares([file], size=16, levels=1.0)
    assert square.amax() > 0.9 > 0.75 > training_data.squares([file], size=16).amax()


def test_exposure_varies_and_stays_a_picture():
    x = torch.full((4, 3, 8, 8), 0.4)
    varied = training_data.exposed(x, 0.3, torch.Generator().manual_seed(0))
    assert varied[:, 0, 0, 0].unique().numel() == 4 and (varied - x).abs().max() < 0.25
    assert torch.equal(training_data.exposed(x, 0.0, torch.Generator().manual_seed(0)), x)
    assert all(0 <= v <= 1 for v in training_data.exposed(torch.rand(4, 3, 8, 8), 1.0, torch.Generator()).aminmax())


def test_gram_matrices_are_only_computed_where_they_count(data, monkeypatch):
    def grams(_):
        raise AssertionError("computed")

    monkeypatch.setattr("training.losses.perceptual.grams", grams)
    main(arguments(data, steps=1))
    with pytest.raises(AssertionError, match="computed"):
        main(arguments(data, "other", steps=1, style_weight=0.5))


def test_the_record_counts_the_cores_that_a_pinned_run_may_use(data, monkeypatch):
    monkeypatch.setattr(loop.runtime, "cpus", lambda: [1])
    run = main(arguments(data, steps=1)).parent
    expected = torch.cuda.get_device_name() if torch.cuda.is_available() else "1 CPU core"
    assert json.loads((run / "training.json").read_text())["hardware"] == expected


def test_a_run_ends_with_its_minutes_and_has_all_that_an_end_has(data, monkeypatch):
    """On a clock of one minute a step: the third of four is the last."""
    monkeypatch.setattr(loop.Progress, "seconds", property(lambda progress: 60 * progress.step))
    argv = arguments(data, minutes=1.5, tracker="tensorboard", log_every=50, sample_every=50, checkpoint_every=50)
    folder = main(argv)
    record = json.loads((folder.parent / "training.json").read_text())
    assert record["step"] == 3 and (folder.parent / "samples" / "step_000003.png").is_file()
    assert [e.step for e in tensorboard(folder.parent).Scalars("to_photo/judge")] == [3]
    before = weights(folder)
    assert same(before, weights(main(argv)))  # the time of its earlier runs counts
    assert not same(before, weights(main(arguments(data))))


def test_new_generators_may_first_learn_to_copy(data):
    folder = main(arguments(data, steps=3, copy_steps=2, tracker="tensorboard", log_every=1))
    events = tensorboard(folder.parent)
    assert [e.step for e in events.Scalars("to_photo/copy")] == [1, 2]
    assert [e.step for e in events.Scalars("to_photo/judge")] == [3]


@pytest.mark.parametrize("size", [24, 33])
def test_odd_and_small_sizes_train(data, size):
    assert (main(arguments(data, size=size, steps=1)) / "model.safetensors").is_file()


def test_weights_that_are_nan_are_not_kept(data):
    folder = main(arguments(data, steps=2))
    kept, before = folder.parent / "checkpoint", weights(folder)
    with pytest.raises(ValueError, match="NaN"):
        main(arguments(data, steps=4, learning_rate="1e30", clip=0))
    assert same(before, weights(folder))
    assert torch.load(kept / "custom_checkpoint_1.pkl", weights_only=True)["step"] == 2


# ---------------------------------------------------------------- how it begins


def test_painters_begin_with_a_stylenet_or_a_cyclegan_and_refining_blocks_as_the_identity(data):
    torch.manual_seed(5)
    start = StyleNet(channels=(4, 4, 4), blocks=1, upsample="smooth").eval()
    start.save_pretrained(data / "start")
    config = Config(channels=(4, 4, 4), blocks=1, refine=2, init_to_painting=str(data / "start"))
    net = build(config).eval()
    x = torch.rand(1, 3, 32, 40)
    assert torch.allclose(net(x, 3), start(x, 3), atol=1e-6)
    net.save_pretrained(data / "both")
    config = Config(channels=(4, 4, 4), blocks=1, init_to_painting=str(data / "both"), init_to_photo=str(data / "both"))
    again = build(config).eval()
    for direction in ("to_painting", "to_photo"):
        assert torch.equal(again(x, 3, direction=direction), net(x, 3, direction=direction))


def test_a_start_that_does_not_fit_is_a_sentence(data):
    StyleNet(channels=(4, 4, 6), blocks=1).save_pretrained(data / "wide")
    StyleNet(channels=(4, 4, 4), blocks=2).save_pretrained(data / "deep")
    StyleTransferNetwork(channels=(4, 4, 4), blocks=1).save_pretrained(data / "other")
    for name, why in (("wide", "another shape"), ("deep", "another shape"), ("other", "holds StyleTransferNetwork")):
        with pytest.raises(loop.ConfigError, match=why):
            build(Config(channels=(4, 4, 4), blocks=1, init_to_photo=str(data / name)))
    with pytest.raises(ValueError, match="There is no folder"):
        build(Config(init_to_photo=str(data / "nowhere")))


def test_a_checkpoint_of_other_nets_is_a_sentence(data):
    main(arguments(data, steps=1))
    with pytest.raises(loop.ConfigError, match="does not fit these settings .* give another out"):
        main(arguments(data, steps=2, channels="4 4 6"))


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"size": 23}, "size is 23; give 24 or more"),
        ({"batch_size": 0}, "batch_size is 0; give 1 or more"),
        ({"schedule": "square"}, "schedule is 'square'; choose from cosine"),
        ({"discriminator_norm": "batch"}, "choose from spectral, instance"),
        ({"generator": "unet"}, "choose from compact, resnet"),
        ({"generator": "resnet", "channels": (4, 4, 4)}, "give 1 for the resnet generator"),
        ({"only": "to_paint"}, "only is 'to_paint'; choose from to_painting, to_photo"),
        ({"photo_zoom": (1.5, 1.0)}, "photo_zoom is"),
        ({"levels": 0.5}, "levels is 0.5; .* only with only to_photo"),
        ({"levels": 1.5, "only": "to_photo"}, "levels is 1.5; give from 0 to 1"),
        ({"epochs": -1}, "epochs is -1"),
        ({"minutes": -0.5}, "minutes is -0.5"),
    ],
)
def test_settings_that_can_not_be_are_refused_in_a_sentence(setting, why):
    with pytest.raises(loop.ConfigError, match=why):
        Config(**setting)


# ---------------------------------------------------------------- document 000


def test_the_documents_file_loads_as_it_is_with_every_key_and_default(caplog):
    config = loop.parse(Config, ["--config", str(DOCUMENT), "--dataset", "monet2photo"], PRESETS, document_000)
    assert (config.generator, config.channels, config.discriminator_channels) == ("resnet", (64,), 64)
    assert (config.learning_rate, config.discriminator_rate) == (0.0002, 0.0002)
    assert (config.lambda_reconstruction, config.lambda_validity, config.lambda_identity) == (10, 1, 2)
    assert (config.size, config.short_side, config.epochs, config.buffer, config.batch_size) == (256, 256, 200, 1000, 1)
    assert config.datasets_url == "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/"
    assert (config.sample_painting, config.sample_photo) == ("00360.jpg", "2014-08-24_16_41_27.jpg")
    assert config.document["gcp.bucket"] == "gs://tfwg-impressionismo/" and "gcp.bucket" in caplog.text
    assert "url.api_aumento" in config.document and len(config.document) == 2
    # Without the figures of the file, which are the preset's own, both are the same training.
    preset = loop.parse(Config, ["--preset", "document-000"], PRESETS, document_000)
    for name in ("dataset", "sample_painting", "sample_photo", "document"):
        config = replaced(config, name, getattr(preset, name))
    assert config == preset


def replaced(config, name, value):
    return Config(**{**vars(config), name: value})


def test_the_documents_values_reach_the_training_and_flags_win(tmp_path):
    settings = json.loads(DOCUMENT.read_text())
    settings["configuracion_modelo"] |= {"ancho": "128", "alto": "128", "filtros_generador": "32", "epochs": "7"}
    settings["url"]["datasets"] = "http://example.org/sets/"
    (tmp_path / "c.json").write_text(json.dumps(settings))
    argv = ["--config", str(tmp_path / "c.json"), "--dataset", "cezanne2photo", "--epochs", "3"]
    config = loop.parse(Config, argv, PRESETS, document_000)
    assert (config.size, config.short_side, config.channels, config.epochs) == (128, 128, (32,), 3)
    assert (config.datasets_url, config.sample_photo) == ("http://example.org/sets/", "")


@pytest.mark.parametrize(
    ("section", "change", "why"),
    [
        ("configuracion_modelo", {"alto": "128"}, "ancho is 256 and alto 128; give one number for both"),
        ("configuracion_modelo", {"canales": "1"}, "canales is 1; give 3"),
        ("configuracion_modelo", {"lamda_identidad": "2"}, "'lamda_identidad' is no setting of document 000"),
        ("configuracion_modelo", {"tasa_aprendizaje": "rápida"}, "learning_rate is 'rápida'"),
        ("configuracion_modelo", {"ancho": "x", "alto": "x"}, "size is 'x'"),
        ("url", "http://example.org", "'url' is 'http://example.org'; give an object"),
    ],
)
def test_what_is_wrong_in_the_documents_file_is_a_sentence(tmp_path, section, change, why):
    settings = json.loads(DOCUMENT.read_text())
    settings[section] = settings[section] | change if isinstance(change, dict) else change
    (tmp_path / "c.json").write_text(json.dumps(settings))
    with pytest.raises(loop.ConfigError, match=why):
        loop.parse(Config, ["--config", str(tmp_path / "c.json"), "--dataset", "x"], PRESETS, document_000)


def test_the_documents_file_alone_says_which_data_sets_it_names(data):
    with pytest.raises(loop.ConfigError, match="are monet2photo, cezanne2photo, .* --dataset monet2photo, or folders"):
        main(["--config", str(DOCUMENT), "--out", str(data / "run")])


def test_document_000_crops_at_random_although_its_pictures_have_the_size_of_a_crop(tmp_path):
    """256 of 286, as in the paper: with 256 of 256 every draw would be the same square, or its mirror image."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((256, 256), 0).save(tmp_path / "a.png")
    preset = PRESETS["document-000"]
    pictures, rng = Pictures([tmp_path / "a.png"], preset["short_side"]), torch.Generator().manual_seed(0)
    for zoom in (preset["photo_zoom"], preset["painting_zoom"]):
        crops = training_data.batch(pictures, 8, preset["size"], rng, zoom=zoom)
        assert crops.shape == (8, 3, 256, 256) and len({crop.numpy().tobytes() for crop in crops}) > 4


def test_high_resolution_trains_on_crops_of_large_pictures(data):
    preset = PRESETS["high-resolution"]
    for folder, count in (("photos", 2), ("paintings", 2)):
        for i in range(count):
            picture(i).resize((1200, 1100)).save(data / folder / f"large{i}.png")
    pictures = Pictures([data / "photos" / "large0.png"], preset["short_side"])
    assert pictures[0].shape == (3, 1024, 1117)
    folder = main(["--preset", "high-resolution", *arguments(data, steps=1)])
    assert json.loads((folder.parent / "training.json").read_text())["config"]["short_side"] == 1024


def test_our_own_settings_files_are_read_as_before(tmp_path):
    (tmp_path / "c.json").write_text('{"steps": 7, "generator": "compact"}')
    config = loop.parse(Config, ["--config", str(tmp_path / "c.json")], PRESETS, document_000)
    assert config == Config(steps=7)


@pytest.mark.parametrize(("how", "epochs"), [(["--preset", "document-000"], 1), (["--config", str(DOCUMENT)], 2)])
def test_document_000_trains(data, how, epochs):
    """The published generator and discriminator, tiny; metrics, samples and checkpoint once an epoch."""
    folder = main(document(data, epochs=epochs, tracker="tensorboard") + how)
    config = json.loads((folder / "config.json").read_text())
    assert (config["generator"], config["channels"], config["blocks"]) == ("resnet", [4], 1)
    record = json.loads((folder.parent / "training.json").read_text())
    ends = [5 * (i + 1) for i in range(epochs)]  # an epoch is a pass over the five paintings
    assert record["step"] == ends[-1] and record["config"]["discriminator_norm"] == "instance"
    events = tensorboard(folder.parent)
    assert [e.step for e in events.Scalars("to_painting/validity")] == ends
    assert [e.value for e in events.Scalars("epoch")] == [*range(1, epochs + 1)]
    assert [e.step for e in events.Images("samples")] == ends
    net, x = CycleGAN.from_pretrained(folder), torch.rand(1, 3, 30, 45)
    assert net(x).shape == net(x, direction="to_photo").shape == x.shape


def test_document_000s_generators_begin_as_the_papers():
    net = build(Config(generator="resnet", channels=(16,), blocks=1))
    stds = [p.std().item() for name, p in net.named_parameters() if name.endswith("weight")]
    assert all(0.015 < s < 0.025 for s in stds)


# ---------------------------------------------------------------- pictures


def layout(folder, counts, name="{}.png"):
    for i, (part, count) in enumerate(counts.items()):
        (folder / part).mkdir(parents=True)
        for k in range(count):
            picture(100 * i + k).save(folder / part / name.format(k))
    return folder


COUNTS = {"trainA": 4, "trainB": 5, "testA": 2, "testB": 3}


def test_the_papers_folders_are_understood_and_the_test_ones_held_back(data, tmp_path):
    root = layout(tmp_path / "set", COUNTS)
    for letter, sizes in (("A", (4, 2)), ("B", (5, 3))):
        train, held = find_split(str(root), letter, 0.5)
        assert (len(train), len(held)) == sizes
        assert {f.parent.name for f in train + held} == {f"train{letter}", f"test{letter}"}
    # Without a test folder some of the others are held back; a plain folder is split as a whole.
    for file in (root / "testA").iterdir():
        file.unlink()
    (root / "testA").rmdir()
    assert [len(x) for x in find_split(str(root), "A", 0.5)] == [2, 2]
    assert [len(x) for x in find_split(str(root / "trainB"), "B", 0.2)] == [4, 1]
    for file in [*(root / "trainA").iterdir()]:
        file.unlink()
    (root / "trainA").rmdir()
    with pytest.raises(DataError, match="has no folder trainA"):
        find_split(str(root), "A", 0.5)


def test_a_data_set_in_a_folder_trains_as_photos_and_paintings_of_its_own(data, tmp_path):
    root = layout(tmp_path / "set", COUNTS)
    together = main(arguments(data, "one", dataset=root, steps=1))
    apart = main(arguments(data, "two", photos=root, paintings=root, steps=1))
    assert same(weights(together), weights(apart))
    record = json.loads((together.parent / "training.json").read_text())
    assert (record["photos"], record["paintings"]) == (5, 4)


def test_named_samples_come_first_on_the_sheet(data, caplog):
    """A named picture may be one that is trained on; an unknown name is said and the run goes on."""
    folder = main(arguments(data, steps=1, sample_every=1, sample_photo="5.PNG", sample_painting="nowhere.jpg"))
    assert "sample_painting 'nowhere.jpg' is none of the pictures" in caplog.text
    sheet = np.asarray(Image.open(folder.parent / "samples" / "step_000001.png"))
    # One photo was held back, and the named one makes two; but one painting was held back, so one column.
    assert sheet.shape[:2] == (6 * 258 + 2, 258 + 2)
    wanted = training_data.squares([data / "photos" / "5.png"])[0].mul(255).round().permute(1, 2, 0).numpy()
    assert np.abs(sheet[2:258, 2:258].astype(float) - wanted).max() <= 1


def test_names_are_found_whatever_signs_a_system_allows():
    files = [Path("a/2014-08-24 16:41:27.jpg"), Path("a/00360.jpg")]
    assert find_named(files, "2014-08-24_16_41_27.jpg") == files[0]
    assert find_named(files, "00360.JPG") == files[1]
    assert find_named(files, "0360.jpg") is None


def test_every_pass_takes_each_picture_once_in_an_order_of_its_own():
    drawn = training_data.shuffled(7, 0, 28, 3)
    turns = [drawn[i : i + 7] for i in range(0, 28, 7)]
    assert all(sorted(turn) == list(range(7)) for turn in turns) and len(set(map(tuple, turns))) == 4
    assert training_data.shuffled(7, 5, 4, 3) == drawn[5:9]  # whatever was drawn before
    assert training_data.shuffled(7, 0, 28, 4) != drawn


def test_an_epoch_of_training_is_a_pass_over_all_paintings(data, monkeypatch):
    taken = []
    batch = training_data.batch

    def spy(pictures, *args, chosen=None, **more):
        taken.append((len(pictures), chosen))
        return batch(pictures, *args, chosen=chosen, **more)

    monkeypatch.setattr("training.train_cyclegan.batch", spy)
    main(document(data, epochs=2, preset="document-000"))
    paintings = [i for many, chosen in taken if many == 5 for i in chosen]
    assert sorted(paintings[:5]) == sorted(paintings[5:]) == list(range(5))


def test_a_buffer_bounds_memory_and_changes_no_picture(data):
    files = training_data.find_pictures(str(data / "photos"))
    bounded, free = Pictures(files, buffer=2), Pictures(files)
    for i in (0, 1, 2, 0, 7, 7, 3):
        assert torch.equal(bounded[i], free[i])
        assert len(bounded._cache) <= 2
    assert len(free._cache) == 5


def test_a_damaged_picture_is_named(data):
    (data / "photos" / "3.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"photos/3\.png"):
        Pictures([data / "photos" / "3.png"])[0]


def test_a_single_picture_is_trained_on():
    assert split(["one"], 0.5) == (["one"], [])


# ---------------------------------------------------------------- downloads


def packed(counts=COUNTS, top="tiny2photo/", extra=()):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, (part, count) in enumerate(counts.items()):
            for k in range(count):
                file = io.BytesIO()
                picture(100 * i + k).save(file, "PNG")
                archive.writestr(f"{top}{part}/{k}.png", file.getvalue())
        for name, content in extra:
            archive.writestr(name, content)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Serves ``files`` by path, by range; ``cut``: bytes after which an answer breaks off."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.asked, self.cut, self.ranges, self.refusal = {}, [], None, True, 404
        self.url = f"http://127.0.0.1:{self.server_port}/sets/"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        server, content = self.server, self.server.files.get(self.path)
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if server.ranges else None
        start = int(span[1]) if span else 0
        server.asked.append((self.path, start))
        if content is None:
            return self.send_error(server.refusal)
        if start >= len(content) > 0 and span:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:] if server.cut is None else content[start : start + server.cut])
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ARTCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets"


def names(folder):
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


@pytest.mark.parametrize("top", ["tiny2photo/", ""])
def test_a_data_set_is_downloaded_once_and_trained_on(data, server, cache, top):
    server.files["/sets/tiny2photo.zip"] = packed(top=top, extra=[("notes.txt", "text"), ("trainA/run.sh", "no")])
    folder = main(arguments(data, dataset="tiny2photo", datasets_url=server.url, steps=1))
    record = json.loads((folder.parent / "training.json").read_text())
    assert (record["photos"], record["paintings"]) == (5, 4)
    assert dataset("tiny2photo", server.url) == cache / "tiny2photo" and len(server.asked) == 1
    assert names(cache) == ["tiny2photo"]
    kept = {p.relative_to(cache / "tiny2photo").parts[0] for p in (cache / "tiny2photo").rglob("*") if p.is_file()}
    assert kept == {*COUNTS, "source.json"}
    assert {p.suffix for p in (cache / "tiny2photo").rglob("train*/*")} == {".png"}
    source = json.loads((cache / "tiny2photo" / "source.json").read_text())
    assert source["url"] == server.url + "tiny2photo.zip" and len(source["sha256"]) == 64


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server, cache):
    content = server.files["/sets/tiny2photo.zip"] = packed()
    server.cut = len(content) // 2
    with pytest.raises(DataError, match="broke off; run it again"):
        dataset("tiny2photo", server.url)
    server.cut = None
    assert dataset("tiny2photo", server.url).is_dir()
    assert server.asked == [("/sets/tiny2photo.zip", 0), ("/sets/tiny2photo.zip", len(content) // 2)]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("held", ["all", "more", "half of another"])
def test_whatever_an_earlier_download_left_the_data_set_comes_in_the_end(server, cache, held, ranges):
    content = server.files["/sets/tiny2photo.zip"] = packed()
    cache.mkdir(parents=True)
    left = {"all": content, "more": content + b"more", "half of another": bytes(len(content) // 2)}[held]
    (cache / "tiny2photo.zip").write_bytes(left)
    server.ranges = ranges
    if held == "half of another" and ranges:
        with pytest.raises(DataError, match="is no sound zip"):
            dataset("tiny2photo", server.url)
        assert names(cache) == []
    assert len(list(dataset("tiny2photo", server.url).rglob("*.png"))) == 14
    assert names(cache) == ["tiny2photo"]


def test_processes_that_ask_at_once_download_once(server, cache):
    server.files["/sets/tiny2photo.zip"] = packed()
    threads = [threading.Thread(target=dataset, args=("tiny2photo", server.url)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1 and names(cache) == ["tiny2photo"]


@pytest.mark.parametrize("name", ["../out.png", "trainA/../../../out.png", "/tmp/artcore-out.png"])
def test_a_zip_can_not_write_outside_its_folder(server, cache, tmp_path, name):
    server.files["/sets/tiny2photo.zip"] = packed(extra=[(name, b"x")])
    with pytest.raises(DataError, match="would write outside its folder"):
        dataset("tiny2photo", server.url)
    assert names(cache) == [] and not list(tmp_path.rglob("*out.png")) and not Path("/tmp/artcore-out.png").exists()


def test_a_bomb_is_stopped_while_it_unpacks(server, cache, monkeypatch):
    """Whatever size it claims: the claim in this zip's directory is false."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("trainA/a.png", bytes(5_000_000))
    server.files["/sets/bomb.zip"] = buffer.getvalue()
    monkeypatch.setattr(training_data, "MAX_BYTES", 1_000_000)
    with pytest.raises(DataError, match="unpacks to more than"):
        dataset("bomb", server.url)
    assert names(cache) == []
    monkeypatch.setattr(training_data, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="is larger than"):
        dataset("bomb", server.url)
    monkeypatch.setattr(training_data, "MAX_BYTES", 10_000_000)
    monkeypatch.setattr(training_data, "MAX_FILES", 0)
    with pytest.raises(DataError, match="more than 0 files"):
        dataset("bomb", server.url)
    assert names(cache) == []


def test_other_zips_and_no_zips_are_refused(server, cache):
    server.files["/sets/other.zip"] = packed({"images": 2})
    server.files["/sets/text.zip"] = b"<html>no zip</html>"
    damaged = bytearray(packed())
    damaged[200] ^= 255
    server.files["/sets/damaged.zip"] = bytes(damaged)
    for name, why in (("other", "no folders trainA and trainB"), ("text", "no sound zip"), ("damaged", "no sound zip")):
        with pytest.raises(DataError, match=why):
            dataset(name, server.url)
    assert names(cache) == []


@pytest.mark.parametrize("how", ["404", "403", "unreachable"])
@pytest.mark.parametrize("file", [True, False])
def test_an_address_that_is_closed_is_left_for_its_mirror(server, cache, data, monkeypatch, caplog, how, file):
    """As Berkeley's is, which document 000's file names."""
    assert json.loads(DOCUMENT.read_text())["url"]["datasets"] in training_data.MIRRORS
    server.files["/sets/monet2photo.zip"] = content = packed()
    with Server() as closed:
        threading.Thread(target=closed.serve_forever, daemon=True).start()
        closed.refusal = 403 if how == "403" else 404
        monkeypatch.setattr(training_data, "MIRRORS", {closed.url: server.url})
        if how == "unreachable":
            closed.shutdown()
            closed.server_close()
        if file:
            settings = json.loads(DOCUMENT.read_text())
            settings["url"]["datasets"] = closed.url
            (data / "c.json").write_text(json.dumps(settings))
            main(document(data, config=data / "c.json", dataset="monet2photo"))
        else:
            dataset("monet2photo", closed.url.rstrip("/"))
        assert "It is asked of its mirror" in caplog.text and len(server.asked) == 1
        if how != "unreachable":
            assert closed.asked == [("/sets/monet2photo.zip", 0)]
            closed.shutdown()
    source = json.loads((cache / "monet2photo" / "source.json").read_text())
    assert source["url"] == server.url + "monet2photo.zip" and source["bytes"] == len(content)


def test_other_faults_are_not_carried_to_the_mirror(server, cache, monkeypatch):
    with Server() as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        monkeypatch.setattr(training_data, "MIRRORS", {server.url: other.url})
        server.refusal = 500
        with pytest.raises(DataError, match="answers 500"):
            dataset("monet2photo", server.url)
        server.refusal = 404
        with pytest.raises(DataError, match=f"^{other.url}monet2photo.zip answers 404"):
            dataset("monet2photo", server.url)
        assert len(other.asked) == 1
        other.shutdown()


def test_offline_is_one_sentence_that_says_to_give_folders(server, cache, data):
    with pytest.raises(DataError, match="answers 404 .* or give folders of photos and of paintings"):
        dataset("ukiyoe2photo", server.url)
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match="can't be reached .*; go online, or give folders of photos and of paintings"):
        main(arguments(data, dataset="monet2photo", datasets_url=server.url))
    for name in ("../monet2photo", "monet/photo", ".hidden", "a b"):
        with pytest.raises(DataError, match="neither a folder nor the name"):
            dataset(name, server.url)
    with pytest.raises(DataError, match="is no web address"):
        dataset("monet2photo", "file:///etc/")


def test_a_cache_that_can_not_be_written_is_a_sentence(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ARTCORE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="can't be kept in .*ARTCORE_CACHE"):
        dataset("tiny2photo", server.url)


# ---------------------------------------------------------------- several processes


def launch(argv):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "training.train_cyclegan", *argv], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_processes_train_one_painter_and_resume_exactly(data):
    """gloo on loopback, as accelerate sets it up for CPUs; each process gets its own image pool back."""
    common = {"schedule": "constant", "checkpoint_every": 50}
    launch(arguments(data, "whole", steps=4, **common))
    launch(arguments(data, "parts", steps=2, **common))
    launch(arguments(data, "parts", steps=4, **common))
    record = json.loads((data / "parts" / "training.json").read_text())
    assert record["processes"] == 2 and record["step"] == 4
    assert same(weights(data / "whole" / "model"), weights(data / "parts" / "model"))
    for one, other in zip(pools(data / "whole"), pools(data / "parts"), strict=True):
        assert [len(p) for p in one] == [3, 3] and not torch.equal(one[0][0], one[1][0])
        assert all(torch.equal(a, b) for p, q in zip(one, other, strict=True) for a, b in zip(p, q, strict=True))


@pytest.mark.slow
def test_accelerate_launch_trains_with_mixed_precision(data):
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    argv = arguments(data, mixed_precision="bf16")
    done = subprocess.run(
        [*command, "-m", "training.train_cyclegan", *argv], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert all(t.isfinite().all() for t in weights(data / "run" / "model").values())
