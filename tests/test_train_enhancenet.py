"""The EnhanceNet trainer, full circle on generated pictures: pairs, degradations, train, stop, resume, load."""

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
from torch.nn import functional as F

from artcore import image, perceptual
from artcore.cards import upscale
from artcore.models.encoder import ArtEncoder
from artcore.models.enhancenet import EnhanceNet, enlarge, reduce
from training import loop, train_enhancenet
from training.data import DataError, Pictures, find_pictures, origins
from training.pairs import MARGIN, batch, blur, crop, jpeg, photo
from training.train_enhancenet import (
    PRESETS,
    Config,
    artefact_distance,
    evaluate,
    find,
    grid_distance,
    look,
    main,
    pixel_distance,
)

ROOT = Path(__file__).resolve().parents[1]


def picture(seed, height=60, width=72):
    """Coloured squares and a gradient: edges to sharpen, flats to leave alone."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (height // 6 + 1, width // 6 + 1, 3)).repeat(6, 0).repeat(6, 1)[:height, :width]
    return Image.fromarray((blocks * np.linspace(0.5, 1, width)[None, :, None]).astype(np.uint8))


@pytest.fixture
def data(tmp_path):
    """Eight lossless pictures, three JPEGs, a tiny encoder."""
    for folder, count, suffix in (("sr", 8, "png"), ("jpegs", 3, "jpg")):
        (tmp_path / folder).mkdir()
        for i in range(count):
            picture(i).save(tmp_path / folder / f"{i}.{suffix}")
    ArtEncoder(channels=(4, 4, 4, 4), classes=2).save_pretrained(tmp_path / "encoder")
    return tmp_path


def arguments(data, *flags, out="run", **changes):
    settings = {
        "pictures": data / "sr",
        "features": data / "encoder",
        "hold_back": 0.25,
        "out": data / out,
        "channels": 4,
        "blocks": 1,
        "size": 40,
        "jitter": 8,
        "batch_size": 2,
        "steps": 4,
        "warmup": 1,
        "checkpoint_every": 2,
        "sample_every": 4,
        "tracker": "none",
    } | changes
    argv = list(flags)
    for key, value in settings.items():
        argv += ["--" + key.replace("_", "-"), *str(value).split()]
    return argv


def weights(folder):
    return load_file(folder / "model.safetensors")


# ---------------------------------------------------------------- pairs


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_small_of_a_pair_is_the_reduced_picture_at_that_place(data):
    """Not the reduced crop: a crop's border knows nothing of what was beside it."""
    whole = Pictures([data / "sr" / "0.png"], 10**9)
    large = whole[0][None].float() / 255
    reduced = (reduce(large) * 255).round().clamp(0, 255) / 255
    found = 0
    for seed in range(40):
        small, truth = batch([(whole, 1.0)], 1, 32, rng(seed))
        for turned in (False, True):
            for dims in ([], [2], [3], [2, 3]):
                a, b = (x.flip(dims).transpose(2, 3) if turned else x.flip(dims) for x in (small, truth))
                for top in range(0, 60 - 31, 4):  # crops that begin where the reduced picture has a pixel
                    for left in range(0, 72 - 31, 4):
                        if torch.equal(b, large[..., top : top + 32, left : left + 32]):
                            t, s = top // 4, left // 4
                            assert (a - reduced[..., t : t + 8, s : s + 8]).abs().max() <= 1.01 / 255
                            found += 1
    assert found


def test_crops_are_a_function_of_the_generator_and_come_in_eight_ways(data):
    plain = torch.arange(3 * 5 * 5, dtype=torch.uint8).view(3, 5, 5)
    seen = {crop(plain, 8, rng(seed)).numpy().tobytes() for seed in range(300)}
    assert len(seen) == 8
    assert torch.equal(crop(plain, 8, rng(3)), crop(plain, 8, rng(3)))
    assert crop(plain, 8, rng(0)).shape == (3, 8 + 8 * MARGIN, 8 + 8 * MARGIN)


def test_crops_come_from_the_sources_by_their_shares():
    black, white = (Pictures([], 1) for _ in range(2))
    for pictures, value in ((black, 0), (white, 255)):
        pictures.files, pictures._cache = [None], {0: torch.full((3, 40, 40), value, dtype=torch.uint8)}
    _, truth = batch([(black, 0.75), (white, 0.25)], 64, 16, rng())
    assert 0.1 < truth.mean() < 0.4
    assert not batch([(black, 1.0)], 4, 16, rng())[1].any()


def test_a_photo_is_degraded_as_the_generator_says_and_stays_its_own():
    x = torch.from_numpy(np.array(picture(1, 64, 64))).permute(2, 0, 1)[None].float() / 255
    clean = reduce(x)
    made = [photo(x, rng(seed)) for seed in range(30)]
    assert all(torch.equal(photo(x, rng(seed)), made[seed]) for seed in range(5))
    assert all(m.shape == clean.shape for m in made)
    distances = torch.tensor([(m - clean).abs().mean() for m in made])
    assert 0 < (distances == 0).sum() < 10 and (distances > 0.01).sum() > 10
    assert distances.max() < 0.15  # nothing is shifted or lost


def test_a_blur_keeps_flats_and_light_and_jpeg_its_size():
    assert torch.allclose(blur(torch.full((1, 3, 9, 12), 0.4), 1.5, 0.7, 0.3), torch.tensor(0.4), atol=1e-6)
    point = torch.zeros(1, 1, 21, 21)
    point[..., 10, 10] = 1
    spread = blur(point, 2.0, 0.5, 0.0)
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    assert spread[0, 0, 10, 12] > 10 * spread[0, 0, 12, 10]  # along x
    x = F.interpolate(torch.rand(1, 3, 4, 6, generator=rng()), (11, 18), mode="bilinear")
    errors = [(jpeg(x, quality, rng(2)) - x).abs().mean() for quality in (20, 98)]
    assert jpeg(x, 90, rng()).shape == x.shape and errors[0] > 2 * errors[1]


# ---------------------------------------------------------------- losses


def test_patches_are_cut_where_they_lie():
    x = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    cut = perceptual.patches(x, (2, 3))
    assert cut.shape == (12, 3, 2, 2)
    assert torch.equal(cut[6 + 1 * 3 + 2], x[1, :, 2:4, 4:6])


def test_the_texture_loss_is_nothing_where_each_patch_has_its_texture_and_sees_where_it_does_not():
    features = {"a": torch.rand(2, 3, 8, 8)}
    shuffled = {"a": perceptual.patches(features["a"], (2, 2)).view(2, 4, 3, 16)[..., torch.randperm(16)]}
    shuffled["a"] = shuffled["a"].view(2, 2, 2, 3, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(2, 3, 8, 8)
    assert perceptual.texture_loss(features, shuffled, {"a": 1.0}, (2, 2)) < 1e-10
    moved = {"a": features["a"].roll(4, 3) * torch.tensor([0.2, 1.0]).repeat_interleave(4)}
    whole = perceptual.texture_loss(features, {"a": moved["a"].roll(4, 3)}, {"a": 1.0}, (1, 1))
    assert perceptual.texture_loss(features, moved, {"a": 2.0}, (2, 2)) > whole > 0


@pytest.mark.parametrize(("kind", "expected"), [("l1", 0.3), ("l2", 0.1), ("charbonnier", 0.3)])
def test_pixel_distances(kind, expected):
    made, truth = torch.tensor([0.1, 0.5]), torch.tensor([0.2, 0.0])
    assert pixel_distance(made, truth, kind).item() == pytest.approx({"l2": 0.13}.get(kind, expected), abs=1e-3)


def test_the_artefact_distance_sees_teeth_that_the_average_net_does_not_draw():
    truth = torch.zeros(1, 3, 24, 24)
    truth[..., 12:] = 1
    teeth = truth.clone()
    teeth[..., ::4, 12] = 0
    soft = truth * 0.9 + 0.05  # wrong everywhere alike
    assert artefact_distance(teeth, truth, truth) > 10 * artefact_distance(soft, truth, truth)
    assert artefact_distance(teeth, truth + 2, truth) == 0  # the average is farther off: nothing was made worse
    made = teeth.requires_grad_()
    artefact_distance(made, truth, truth).backward()
    assert made.grad.isfinite().all() and made.grad.abs().sum() > 0


def test_features_and_judge_look_through_a_window_that_moves():
    config = Config(size=48, jitter=16)
    windows = {look(config, torch.Generator().manual_seed(i))[1].start for i in range(40)}
    assert len(windows) > 8 and min(windows) >= 0 and max(windows) <= 16
    assert torch.zeros(1, 3, 48, 48)[look(config, torch.Generator().manual_seed(0))].shape == (1, 3, 32, 32)
    with pytest.raises(loop.ConfigError, match="jitter 8"):
        Config(size=48, jitter=8)


def test_the_grid_distance_sees_a_weave_of_four_pixels_and_neither_light_nor_noise():
    truth = torch.rand(2, 3, 64, 64, generator=rng())
    weave = torch.zeros(4, 4)
    weave[1, 2] = 1
    weave = 0.1 * weave.repeat(16, 16)
    noise = 0.1 * torch.randn(truth.shape, generator=rng(1))
    assert grid_distance(truth + 0.2, truth) < 1e-6
    assert grid_distance(truth + weave, truth) == pytest.approx(0.1 * 2 * 15 / 16 / 16, rel=1e-3)
    # The same weave moves the mean of each phase; noise of the same peak only by what is left after 64 pixels.
    assert grid_distance(truth + noise, truth) < 0.02
    assert grid_distance(truth[..., :12, :12] + weave[:12, :12], truth[..., :12, :12]) > 0.01


# ---------------------------------------------------------------- training


def test_full_circle_through_texture_and_photo_from_one_fidelity_net(data):
    fidelity = main(arguments(data, out="fidelity", tracker="tensorboard", more=data / "jpegs"))
    run = fidelity.parent
    assert (run / "samples" / "step_000004.png").is_file() and any((run / "logs").rglob("events*"))
    record = json.loads((run / "training.json").read_text())
    assert (record["step"], record["pictures"], record["more"], record["held_back"]) == (4, 6, 3, 2)
    assert record["more_from"] == {"jpegs": 3} and record["config"]["expansion"] == 4
    assert record["psnr_y"] > 5 and record["bicubic"] > 10 and record["consistency"] > 5
    assert {t.dtype for t in weights(fidelity).values()} == {torch.float16}
    config = json.loads((fidelity / "config.json").read_text())
    assert config["expansion"] == 0 and config["consistent"] is True

    tuned = {}
    for preset in ("texture", "photo"):
        argv = arguments(data, "--preset", preset, out=preset, init=fidelity, channels=9, blocks=9)
        tuned[preset] = main(argv)
        record = json.loads((tuned[preset].parent / "training.json").read_text())
        told = record["config"]
        assert (told["adversarial_weight"] > 0) == (told["texture_weight"] > 0) == (preset == "texture")
        # Of the net that it is, whatever was asked for.
        assert (told["channels"], told["blocks"], told["expansion"]) == (4, 1, 0)
    assert json.loads((tuned["photo"] / "config.json").read_text())["consistent"] is False
    ours, theirs = weights(fidelity), weights(tuned["texture"])
    assert ours.keys() == theirs.keys() and any(not torch.equal(ours[k], theirs[k]) for k in ours)
    assert EnhanceNet.from_pretrained(tuned["texture"])(torch.rand(1, 3, 5, 7)).shape == (1, 3, 20, 28)


def test_what_is_saved_lies_between_init_and_what_was_trained(data):
    fidelity = main(arguments(data, out="fidelity"))
    nets = [
        weights(main(arguments(data, out=f"tuned{share}", init=fidelity, interpolation=share))) for share in (1, 0.25)
    ]
    start = weights(fidelity)
    assert any(not torch.equal(start[k], nets[0][k]) for k in start)
    for k in start:
        expected = torch.lerp(start[k].float(), nets[0][k].float(), 0.25)
        assert torch.allclose(nets[1][k].float(), expected, atol=2e-3)
    with pytest.raises(loop.ConfigError, match="more than 0, to 1; below 1 with init"):
        Config(interpolation=0.5)


@pytest.mark.parametrize("preset", ["fidelity", "texture", "photo"])
def test_a_resumed_run_equals_an_uninterrupted_one(data, monkeypatch, preset):
    whole = weights(main(arguments(data, "--preset", preset, "--scratch", out="whole")))
    argv = arguments(data, "--preset", preset, "--scratch", out="parts")
    saved = loop.checkpoint

    def stop(accelerator, out):
        saved(accelerator, out)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        main(argv)
    monkeypatch.setattr(loop, "checkpoint", saved)
    parts = weights(main(argv))
    assert all(torch.equal(whole[k], parts[k]) for k in whole)
    # And a run that is done trains no further.
    assert all(torch.equal(whole[k], v) for k, v in weights(main(argv)).items())


def test_training_passes_the_bicubic_enlargement(data):
    folder = main(arguments(data, steps=150, channels=8, learning_rate=5e-3, checkpoint_every=150, ema=0.9))
    record = json.loads((folder.parent / "training.json").read_text())
    assert record["psnr_y"] > record["bicubic"] + 0.3
    held = Pictures([data / "sr" / "0.png", data / "sr" / "4.png"], 10**9)
    found = evaluate(EnhanceNet.from_pretrained(folder), held, torch.device("cpu"))
    assert found["psnr_y"] == pytest.approx(record["psnr_y"], abs=0.05)


def test_the_figures_are_those_of_the_net(data):
    net = EnhanceNet(4, 1).eval()
    torch.nn.init.zeros_(net.tail.weight)
    found = evaluate(net, Pictures(find_pictures(str(data / "sr"))[:2], 10**9), torch.device("cpu"))
    assert found["psnr_y"] == found["bicubic"]


def test_photo_is_judged_on_what_it_is_for_and_consistency_is_that_of_the_cards(data):
    net = EnhanceNet(4, 1).eval()
    held = Pictures(find_pictures(str(data / "sr"))[:2], 10**9)
    clean, worn = (evaluate(net, held, torch.device("cpu"), kind) for kind in ("none", "photo"))
    assert worn["bicubic"] < clean["bicubic"] - 0.5
    assert worn == evaluate(net, held, torch.device("cpu"), "photo")

    class Task:
        def __call__(self, small, consistent, ensemble=False):
            with torch.no_grad():
                return image.to_pil(net(image.to_tensor(small)).clamp(0, 1))

    told = upscale.score(Task(), held.files)
    assert clean["psnr_y"] == pytest.approx(told["PSNR, dB"]["the net alone"], abs=1e-3)
    assert clean["consistency"] == pytest.approx(told["LR-consistency PSNR, dB"]["the net alone"], abs=1e-3)


@pytest.mark.parametrize("loss", ["l2", "charbonnier"])
def test_the_published_layers_train_with_either_loss(data, loss):
    argv = arguments(data, "--preset", "paper", pixel_loss=loss, steps=1)
    for name in ("--channels", "--blocks"):
        at = argv.index(name)
        del argv[at : at + 2]
    config = json.loads((main(argv) / "config.json").read_text())
    assert (config["channels"], config["blocks"], config["upsample"]) == (64, 10, "nearest")


@pytest.mark.parametrize("preset", ["fidelity", "texture", "photo"])
def test_the_presets_make_what_ships(preset):
    """All that its card tells but for what says where and how often; steps and shape of the net among it."""
    folder = ROOT / "weights" / f"enhancenet.{preset}"
    card = (folder / "README.md").read_text()
    told = json.loads(re.search(r"```json\n(.*?)```", card, re.DOTALL)[1])
    if preset == "fidelity" and "| fine-tuned from |" in card:
        told = {}  # it went on from what the preset had made, and the card tells of that
    init = [] if preset == "fidelity" else ["--init", "weights/enhancenet.fidelity"]
    made = loop.parse(Config, ["--preset", preset, *init], PRESETS)
    for name, value in told.items():
        if name.endswith("_every") or name in ("mixed_precision", "expansion"):
            continue
        now = getattr(made, name)
        assert (list(now) if isinstance(now, tuple) else now) == value, name
    shape = json.loads((folder / "config.json").read_text())
    assert (made.channels, made.blocks, made.upsample) == (shape["channels"], shape["blocks"], shape["upsample"])
    net = EnhanceNet()
    assert (net.head.out_channels, len(net.trunk)) == (made.channels, made.blocks)


@pytest.mark.parametrize("preset", ["texture", "photo"])
def test_what_is_fine_tuned_is_told_so_unless_nothing_is_meant(preset):
    with pytest.raises(loop.ConfigError, match="give --init weights/enhancenet.fidelity, or --scratch"):
        loop.parse(Config, ["--preset", preset], PRESETS)
    assert loop.parse(Config, ["--preset", preset, "--scratch"], PRESETS).scratch
    assert loop.parse(Config, ["--preset", preset, "--init", "a/b"], PRESETS).init == "a/b"


def test_where_pictures_come_from_is_told_through_links(tmp_path):
    for folder, name, count in (("photos", "land_{}.jpg", 30), ("photos", "{}.jpg", 2), ("mine", "dear_{}.jpg", 3)):
        (tmp_path / folder).mkdir(exist_ok=True)
        for i in range(count):
            (tmp_path / folder / name.format(i)).touch()
    (tmp_path / "more").mkdir()
    for n, file in enumerate(sorted(tmp_path.glob("*/*.jpg"))):
        (tmp_path / "more" / f"{n}.jpg").symlink_to(file)
    assert origins(find_pictures(str(tmp_path / "more"))) == {"mine": 3, "photos": 2, "photos/land_*": 30}


def test_it_trains_through_vgg_19(data):
    from safetensors.torch import save_file

    from artcore.models.vgg import VGG19

    file = data / "vgg19.safetensors"
    save_file({f"features.{k}": v for k, v in VGG19(weights=None).net.state_dict().items()}, file)
    folder = main(arguments(data, "--preset", "texture", "--scratch", features=file, steps=1))
    assert (folder / "model.safetensors").is_file()


def test_bad_settings_are_sentences(data):
    for changes, sentence in (
        ({"degrade": "fog"}, "choose from none, photo"),
        ({"pixel_loss": "l3"}, "choose from l1, l2, charbonnier"),
        ({"size": 30}, "a multiple of 4"),
        ({"texture_patch": 12}, "one of 8"),
        ({"more_share": 1.0}, "less than 1"),
        ({"pixel_weight": 0}, "No loss has a weight"),
        ({"batch_size": 0}, "give 1 or more"),
    ):
        with pytest.raises(loop.ConfigError, match=sentence):
            main(arguments(data, **changes))
    with pytest.raises(DataError, match="There is no folder"):
        main(arguments(data, pictures=data / "nowhere"))


# ---------------------------------------------------------------- DIV2K


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server on loopback that has a small DIV2K_train_HR.zip and whatever else is put into its `files`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(4):
            file = io.BytesIO()
            picture(i).save(file, "PNG")
            archive.writestr(f"DIV2K_train_HR/{i:04d}.png", file.getvalue())
    files = {"/DIV2K_train_HR.zip": packed.getvalue()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = files.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")
            self.server.asked += 1

        def log_message(self, *_):
            pass

    monkeypatch.setenv("ARTCORE_CACHE", str(tmp_path / "cache"))
    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.files, served.asked, served.url = files, 0, f"http://127.0.0.1:{served.server_port}/"
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


def test_div2k_is_downloaded_once_and_trained_on(data, server):
    folder = main(arguments(data, pictures="DIV2K", more="DIV2K", div2k_url=server.url, steps=1))
    record = json.loads((folder.parent / "training.json").read_text())
    assert (record["pictures"], record["more"]) == (3, 4)
    assert [f.name for f in find("DIV2K", server.url)] == [f"{i:04d}.png" for i in range(4)]
    assert server.asked == 1


def test_a_div2k_that_is_not_there_is_a_sentence(server):
    server.files.clear()
    with pytest.raises(DataError, match="answers 404"):
        find("DIV2K", server.url)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    server.files["/DIV2K_train_HR.zip"] = packed.getvalue()
    with pytest.raises(DataError, match="holds no pictures"):
        find("DIV2K", server.url)


@pytest.mark.slow
def test_two_processes_train_one_net(data):
    argv = arguments(data, "--preset", "texture", "--scratch")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "training.train_enhancenet", *argv], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((data / "run" / "training.json").read_text())
    assert record["processes"] == 2 and record["step"] == 4


@pytest.mark.slow
def test_accelerate_launch_trains_with_mixed_precision(data):
    argv = arguments(data, mixed_precision="bf16")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    done = subprocess.run(
        [*command, "-m", "training.train_enhancenet", *argv], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert (data / "run" / "model" / "model.safetensors").is_file()


def test_the_sample_sheet_shows_bicubic_net_and_truth(data, monkeypatch):
    rows = []
    monkeypatch.setattr(
        train_enhancenet.loop, "save_grid", lambda path, made: rows.extend(made) or torch.zeros(3, 1, 1)
    )
    main(arguments(data, steps=1, sample_every=1))
    assert len(rows) == 3 and len({r.shape for r in rows}) == 1 and len(rows[0]) == 2
    truth = rows[2][..., ::2, ::2]
    small = reduce(truth)
    assert (rows[0][..., ::2, ::2] - enlarge(small).clamp(0, 1))[..., 32:-32, 32:-32].abs().max() < 0.02
