"""The StyleNet trainer, full circle on generated pictures: train, stop, resume, load, paint."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from artcore.load import load
from artcore.models.encoder import ArtEncoder
from artcore.models.stylenet import StyleNet
from training import loop
from training.data import DataError, Pictures, find_pictures, random_crop, split
from training.train_stylenet import PRESETS, Config, main, mean_gram, pair

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def data(tmp_path):
    """Eight photos, two classes of six paintings each, a tiny encoder."""
    rng = np.random.default_rng(0)
    for folder, count in (("photos", 8), ("styles/dots", 6), ("styles/lines", 6)):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((64, 48), 0).save(tmp_path / folder / f"{i}.png")
    ArtEncoder(channels=(4, 4, 4, 4), classes=2).save_pretrained(tmp_path / "encoder")
    return tmp_path


def arguments(data, out="run", **changes):
    settings = {
        "photos": data / "photos",
        "paintings": data / "styles" / "dots",
        "features": data / "encoder",
        "out": data / out,
        "channels": "4 4 4",
        "blocks": 1,
        "size": 32,
        "batch_size": 2,
        "steps": 4,
        "copy_steps": 1,
        "warmup": 1,
        "checkpoint_every": 2,
        "sample_every": 4,
        "tracker": "none",
    } | changes
    argv = []
    for key, value in settings.items():
        argv += ["--" + key.replace("_", "-"), *str(value).split()]
    return argv


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_full_circle_one_net_for_each_class_and_the_app_loads_what_was_saved(data):
    folders = main(arguments(data, paintings=data / "styles", adversarial_weight=0.1, tracker="tensorboard"))
    assert [f.parent.name for f in folders] == ["dots", "lines"]
    run = folders[0].parent
    assert (run / "samples" / "step_000004.png").is_file()
    assert any((run / "logs").rglob("events*"))
    record = json.loads((run / "training.json").read_text())
    assert record["step"] == 4 and record["photos"] == 7 and record["paintings"] == 5 and record["minutes"] >= 0
    assert record["config"]["adversarial_weight"] == 0.1
    assert {t.dtype for t in weights(folders[0]).values()} == {torch.float16}
    assert json.loads((folders[0] / "config.json").read_text())["norm"] == "none"
    painted = load(folders[0])(data / "photos" / "0.png", seed=3)
    assert painted.size == (64, 48)


def test_a_resumed_run_equals_an_uninterrupted_one(data, monkeypatch):
    argv = arguments(data, "whole", adversarial_weight=0.1)
    whole = weights(main(argv)[0])
    argv = arguments(data, "parts", adversarial_weight=0.1)
    saved = loop.checkpoint

    def stop(accelerator, out):
        saved(accelerator, out)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        main(argv)
    monkeypatch.setattr(loop, "checkpoint", saved)
    parts = weights(main(argv)[0])
    assert all(torch.equal(whole[k], parts[k]) for k in whole)
    # And a run that is done trains no further.
    assert all(torch.equal(whole[k], v) for k, v in weights(main(argv)[0]).items())


def test_fine_tuning_starts_from_the_given_net(data):
    torch.manual_seed(5)
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(data / "base")
    tuned = weights(main(arguments(data, init=data / "base", learning_rate=1e-6, steps=1, noise_gain=1))[0])
    base = weights(data / "base")
    assert all(torch.allclose(base[k], tuned[k].float(), atol=2e-3) for k in base)


def test_training_lowers_the_loss(data):
    from training.train_stylenet import Losses

    before, after = [], []
    original = Losses.__call__

    def spy(self, *args):
        losses = original(self, *args)
        (before if len(before) < 10 else after).append(sum(losses.values()).item())
        return losses

    Losses.__call__ = spy
    try:
        main(arguments(data, steps=60, copy_steps=0, checkpoint_every=60, learning_rate=1e-2, layout_weight=10))
    finally:
        Losses.__call__ = original
    assert sum(after[-10:]) < 0.9 * sum(before)


@pytest.mark.parametrize("preset", [name for name in sorted(PRESETS) if name.startswith("document-001")])
def test_the_presets_of_document_001_train(data, preset):
    argv = arguments(data, epochs=1) + ["--preset", preset]
    for name in ("--copy-steps", "--steps"):
        at = argv.index(name)
        del argv[at : at + 2]
    folder = main(argv)[0]
    assert json.loads((folder / "config.json").read_text())["architecture"] == "StyleTransferNetwork"
    assert len(list(folder.parent.glob("mean_gram_*.safetensors"))) == 1
    assert load(folder)(data / "photos" / "0.png").size == (64, 48)


def test_the_presets_carry_the_documents_values():
    original, improved = (PRESETS[f"document-001-{k}"] for k in ("original", "improved"))
    assert (original["style_weight"], original["tv_weight"], original["epochs"]) == (1e5, 1e-6, 500)
    assert (improved["style_weight"], improved["tv_weight"], improved["epochs"]) == (1e12, 1e-2, 1200)
    assert tuple(original["style_layers"].values()) == (1.0, 0.8, 0.4, 0.2, 0.2)
    assert tuple(improved["style_layers"].values()) == (0.2, 0.2, 0.4, 0.3, 0.2)


def test_mean_gram_is_the_mean_over_the_pictures(data):
    net = ArtEncoder.from_pretrained(data / "encoder")
    pictures = Pictures(find_pictures(str(data / "styles" / "dots")))
    together = mean_gram(pictures, net, ["r2_1"], 32, torch.device("cpu"))["r2_1"]
    alone = [mean_gram(Pictures([f]), net, ["r2_1"], 32, torch.device("cpu"))["r2_1"] for f in pictures.files]
    assert torch.allclose(together, torch.stack(alone).mean(0), atol=1e-6)


def test_settings_come_from_json_and_flags_win(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"steps": 7, "painting_zoom": [1, 3], "style_layers": {"r1_1": 1}}))
    config = loop.parse(Config, ["--config", str(tmp_path / "c.json"), "--steps", "9", "--no-relative"])
    assert (config.steps, config.painting_zoom, config.style_layers, config.relative) == (9, (1, 3), {"r1_1": 1}, False)
    (tmp_path / "c.json").write_text('{"stepps": 7}')
    with pytest.raises(loop.ConfigError, match="'stepps' is no setting"):
        loop.parse(Config, ["--config", str(tmp_path / "c.json")])
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(loop.ConfigError, match="c.json can't be read"):
        loop.parse(Config, ["--config", str(tmp_path / "c.json")])


def test_bad_data_and_settings_are_sentences(data):
    with pytest.raises(DataError, match="There is no folder"):
        main(arguments(data, photos=data / "nowhere"))
    shutil.rmtree(data / "styles" / "dots")
    (data / "styles" / "dots").mkdir()
    with pytest.raises(DataError, match="neither pictures nor folders of pictures"):
        main(arguments(data))
    with pytest.raises(loop.ConfigError, match='give "painting" or "mean_gram"'):
        main(arguments(data, paintings=data / "styles" / "lines", target="median"))
    with pytest.raises(loop.ConfigError, match="choose from StyleNet"):
        main(arguments(data, paintings=data / "styles" / "lines", architecture="UNet"))


def test_the_rate_warms_up_and_falls():
    rate = loop.rate
    assert rate("cosine", 0, 1000, 100) == 0.01 and rate("cosine", 99, 1000, 100) == 1.0
    assert rate("cosine", 500, 1000, 100) == pytest.approx(0.51, abs=0.01)
    assert rate("cosine", 999, 1000) == pytest.approx(0.02, abs=0.01)
    assert [rate("step", s, 1000) for s in (0, 199, 200, 999)] == [1, 1, 0.5, 0.0625]
    assert [rate("linear", s, 1000) for s in (0, 500, 750, 1000)] == [1, 1, 0.5, 0]
    with pytest.raises(loop.ConfigError, match="choose from cosine"):
        rate("square", 0, 1000)


def test_crops_are_a_function_of_the_generator_and_never_leave_the_picture():
    picture = torch.arange(3 * 40 * 40, dtype=torch.int64).view(3, 40, 40).remainder(251).to(torch.uint8)
    for seed in range(20):
        crops = [
            random_crop(picture, 24, loop.step_generator(seed, 1), zoom=(0.5, 3), unsqueeze=True) for _ in range(2)
        ]
        assert torch.equal(*crops) and crops[0].shape == (3, 24, 24)
        assert crops[0].min() >= 0 and crops[0].max() <= 1
    tiny = random_crop(torch.zeros(3, 1, 5, dtype=torch.uint8), 16, loop.step_generator(0, 0), zoom=(1, 1))
    assert tiny.shape == (3, 16, 16)


def test_the_split_keeps_every_kth_back():
    files = list(range(40))
    train, held = split(files, 0.1)
    assert held == [0, 10, 20, 30] and sorted(train + held) == files
    assert split(files, 0) == (files, [])


def test_a_photo_meets_the_painting_that_is_most_like_it():
    flat = [torch.full((3, 32, 32), v) for v in (0.1, 0.9)]
    busy = torch.rand(3, 32, 32)
    photos = torch.stack([flat[1], busy, flat[0]])
    paintings = torch.stack([flat[0] + 0.02, torch.rand(3, 32, 32), flat[1] - 0.02, torch.rand(3, 32, 32)])
    chosen = pair(photos, paintings)
    assert chosen[0] == 2 and chosen[1] in (1, 3) and chosen[2] == 0 and len(set(chosen)) == 3


def test_all_classes_together_make_one_base(data):
    folders = main(arguments(data, paintings=data / "styles") + ["--together"])
    assert [f.parent.name for f in folders] == ["styles"]
    assert json.loads((folders[0].parent / "training.json").read_text())["paintings"] == 10


@pytest.mark.slow
def test_two_processes_train_one_net(data):
    """gloo on loopback; `accelerate launch --cpu` starts one process where there is no MPI, torchrun two."""
    argv = arguments(data, paintings=data / "styles" / "dots")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "training.train_stylenet", *argv], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((data / "run" / "dots" / "training.json").read_text())
    assert record["processes"] == 2 and record["step"] == 4
    assert load(data / "run" / "dots" / "model")(data / "photos" / "0.png").size == (64, 48)


@pytest.mark.slow
def test_accelerate_launch_trains_with_mixed_precision(data):
    argv = arguments(data, mixed_precision="bf16")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    done = subprocess.run(
        [*command, "-m", "training.train_stylenet", *argv], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert (data / "run" / "dots" / "model" / "model.safetensors").is_file()


def test_document_001_trains_through_vgg_19_with_its_own_layers(data):
    """Random weights: the layers are what counts here, conv5_1 among them."""
    from safetensors.torch import save_file

    from artcore.models.vgg import VGG19

    file = data / "vgg19.safetensors"
    save_file({f"features.{k}": v for k, v in VGG19(weights=None).net.state_dict().items()}, file)
    argv = arguments(data, features=file, epochs=1) + ["--preset", "document-001-improved"]
    folder = main(argv)[0]
    average = load_file(next(folder.parent.glob("mean_gram_*.safetensors")))
    assert len(average) == 5 and max(g.shape[-1] for g in average.values()) == 512
    assert (folder / "model.safetensors").is_file()


def test_the_noise_of_the_saved_net_is_scaled_and_nothing_else(data):
    full, calm = (weights(main(arguments(data, f"run{g}", noise_gain=g))[0]) for g in (1, 0.5))
    assert torch.allclose(full.pop("noise.weight").float() / 2, calm.pop("noise.weight").float(), atol=1e-3)
    assert all(torch.equal(full[k], calm[k]) for k in full)


@pytest.mark.parametrize("left", [("checkpoint.old", "checkpoint.new"), ("checkpoint", "checkpoint.old")])
def test_a_kill_between_the_renames_of_a_checkpoint_loses_nothing(data, left):
    argv = arguments(data)
    whole = weights(main(argv)[0])
    run = data / "run" / "dots"
    for name in left:
        if name != "checkpoint":
            shutil.copytree(run / "checkpoint", run / name)
    if "checkpoint" not in left:
        shutil.rmtree(run / "checkpoint")
    shutil.rmtree(run / "model")
    assert all(torch.equal(whole[k], v) for k, v in weights(main(argv)[0]).items())
    longer = arguments(data, steps=6)
    assert json.loads((main(longer)[0].parent / "training.json").read_text())["step"] == 6
    assert sorted(p.name for p in run.glob("checkpoint*")) == ["checkpoint"]


def test_settings_of_the_wrong_kind_are_refused(tmp_path):
    for name, value in (("steps", "abc"), ("steps", 1.5), ("relative", "no"), ("style_layers", 3), ("channels", 4)):
        (tmp_path / "c.json").write_text(json.dumps({name: value}))
        with pytest.raises(loop.ConfigError, match=f"{name} is"):
            loop.parse(Config, ["--config", str(tmp_path / "c.json")])
    (tmp_path / "c.json").write_text("[1]")
    with pytest.raises(loop.ConfigError, match="can't be read"):
        loop.parse(Config, ["--config", str(tmp_path / "c.json")])
    (tmp_path / "c.json").write_text('{"steps": "12", "learning_rate": "0.0002"}')
    config = loop.parse(Config, ["--config", str(tmp_path / "c.json")])
    assert (config.steps, config.learning_rate) == (12, 0.0002)


def test_a_user_error_is_a_sentence_and_status_two(capsys):
    def wrong():
        raise DataError("There is no folder; give one.")

    assert loop.exit_status(wrong) == 2
    assert capsys.readouterr().err.strip().endswith("There is no folder; give one.")


def test_the_preset_for_twenty_paintings_begins_from_a_painter_that_ships(data):
    settings = loop.parse(Config, ["--preset", "finetune"], PRESETS)
    assert StyleNet.from_pretrained(ROOT / settings.init)
    torch.manual_seed(0)
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(data / "start")
    (made,) = main(["--preset", "finetune", *arguments(data, init=data / "start", mixed_precision="auto", steps=2)])
    record = json.loads((made.parent / "training.json").read_text())
    assert record["config"]["recolour"] == 0.1 and record["config"]["copy_steps"] == 0
    assert record["config"]["mixed_precision"] == "no"  # what "auto" means where the tests run in fp32
    before, after = weights(data / "start"), weights(made)
    assert any((before[name].float() - x.float()).abs().max() > 1e-4 for name, x in after.items())
