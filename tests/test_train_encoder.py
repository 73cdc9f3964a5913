from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from PIL import Image
from safetensors.torch import load_file, save_file

from artcore.models.encoder import ArtEncoder
from training import loop, train_encoder
from training.data import DataError
from training.train_encoder import Classes, Config, main

REPO = Path(__file__).resolve().parents[1]
SMALL = [
    "--channels",
    "4",
    "4",
    "--size",
    "16",
    "--batch-size",
    "6",
    "--learning-rate",
    "0.05",
    "--tracker",
    "none",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes x 8 pictures of 20 x 18: red, green and blue, each with noise; lossless WebP."""
    root = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    for label, name in enumerate(("red", "green", "blue")):
        (root / name).mkdir()
        for i in range(8):
            pixels = rng.integers(0, 120, (18, 20, 3), dtype=np.uint8)
            pixels[..., label] += 100
            Image.fromarray(pixels).save(root / name / f"{i:03d}.webp", lossless=True)
    return root


def zipped(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.webp"), reverse=True):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def lively(net: ArtEncoder) -> ArtEncoder:
    """Batch norms as training leaves them: no scale of 1, no offset of 0."""
    generator = torch.Generator().manual_seed(3)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if ".norm." in name and tensor.is_floating_point():
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return net.eval()


# ---------------------------------------------------------------- data


def test_zip_and_folder_give_the_same_data(folder: Path, tmp_path: Path) -> None:
    direct = Classes((str(folder),), 16)
    assert direct.names == ("blue", "green", "red") and len(direct) == 24
    assert direct.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert direct[0].shape == (3, 16, 18) and direct[0].dtype == torch.uint8
    assert direct[0].float().mean((1, 2)).argmax() == 2 and direct[23].float().mean((1, 2)).argmax() == 0
    for prefix in ("", "outer/", "outer/train/"):
        archive = Classes((str(zipped(folder, tmp_path / "data.zip", prefix)),), 16)
        assert archive.names == direct.names
        assert all(torch.equal(archive[i], direct[i]) for i in range(24))


def test_train_is_read_and_test_is_not(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, tmp_path / "all.zip", "train/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(folder / "red" / "000.webp", "test/purple/000.webp")
        archive.write(folder / "red" / "000.webp", "__MACOSX/train/red/000.webp")
        archive.writestr("train/labels.txt", "no picture")
    assert Classes((str(path),), 16).names == ("blue", "green", "red")


def test_several_sources_are_joined(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name in ("red", "grey"):
        (other / name).mkdir(parents=True)
        for i in range(3):
            Image.new("L", (40, 30), 40 * i).save(other / name / f"{i}.png")
    both = Classes((str(folder), str(other)), 16)
    assert both.names == ("blue", "green", "grey", "red")
    assert torch.bincount(both.labels).tolist() == [8, 8, 3, 11]
    assert both[16].shape == (3, 16, 21)


def test_a_hub_data_set_in_both_forms(folder: Path, tmp_path: Path, local_hub) -> None:
    api = HfApi(endpoint=local_hub.url, token="hf_alice")
    direct = Classes((str(folder),), 16)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    zipped(folder, bundle / "pictures.zip")
    Image.new("RGB", (8, 8)).save(bundle / "card.png")  # shown by the data set's card, and no class
    for name, content in (("folders", folder), ("zip", bundle)):
        api.create_repo(f"alice/{name}", repo_type="dataset")
        api.upload_folder(repo_id=f"alice/{name}", folder_path=content, repo_type="dataset")
        loaded = Classes((f"hub:alice/{name}",), 16)
        assert loaded.names == direct.names and torch.equal(loaded[5], direct[5])
    with pytest.raises(DataError, match="could not be downloaded"):
        Classes(("hub:alice/absent",), 16)


def test_the_split_holds_back_some_of_every_class(folder: Path) -> None:
    data = Classes((str(folder),), 16)
    for share, count in ((0.25, 2), (0.05, 1), (0.0, 1)):
        train, held = data.split(share)
        assert sorted(train + held) == list(range(24))
        assert torch.bincount(data.labels[held]).tolist() == [count] * 3


def test_memory_is_bounded(folder: Path) -> None:
    data = Classes((str(folder),), 16, memory_gb=3 * 3 * 16 * 18 / 2**30)
    first = [data[i].clone() for i in range(24)]
    assert len(data._cache) == 3
    assert all(torch.equal(data[i], first[i]) for i in range(24))


def test_data_that_can_not_be_used(folder: Path, tmp_path: Path) -> None:
    def refused(source: Path, message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            data = Classes((str(source),), 16)
            [data[i] for i in range(len(data))]
        assert "\n" not in str(caught.value)

    refused(tmp_path / "absent", "There is no")
    refused(folder / "red", "holds 0 classes")
    one = tmp_path / "one"
    (one / "only").mkdir(parents=True)
    refused(one, "neither class folders nor one zip")
    (one / "only" / "a.webp").write_bytes((folder / "red" / "000.webp").read_bytes())
    refused(one, "holds 1 classes")
    (one / "second").mkdir()
    (one / "second" / "a.webp").write_bytes(b"RIFF....")
    refused(one, "'only' has one picture")
    for name in ("only", "second"):
        (one / name / "b.webp").write_bytes((folder / "red" / "001.webp").read_bytes())
    refused(one, "second/a.webp can't be read")
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4 nothing more")
    refused(tmp_path / "cut.zip", "no whole zip")


def test_windows_shift_mirror_and_repeat() -> None:
    picture = torch.arange(3 * 8 * 8, dtype=torch.uint8).view(3, 8, 8)
    padded = torch.nn.functional.pad(picture[None].float(), (2, 2, 2, 2), mode="reflect")[0].byte()
    places = [padded[:, y : y + 8, x : x + 8] for y in range(5) for x in range(5)]
    places += [p.flip(2) for p in places]
    seen = set()
    for step in range(200):
        found = train_encoder.window(picture, 8, 2, loop.step_generator(0, step))
        seen.add(next(i for i, p in enumerate(places) if torch.equal(p, found)))
        assert torch.equal(found, train_encoder.window(picture, 8, 2, loop.step_generator(0, step)))
    assert len(seen) > 40
    assert torch.equal(train_encoder.window(picture, 4, 2, None), picture[:, 2:6, 2:6])


def test_pictures_are_lit_anew_and_stay_in_range(folder: Path) -> None:
    data = Classes((str(folder),), 16)
    config = Config(size=16, shift=0, jitter=0.2)
    pictures, labels = train_encoder.augmented(data, [0, 0, 9, 23], config, loop.step_generator(0, 1))
    assert pictures.shape == (4, 3, 16, 16) and labels.tolist() == [0, 0, 1, 2]
    assert pictures.min() >= 0 and pictures.max() <= 1
    gain = pictures.mean((2, 3)) / torch.stack([data[i].float().mean((1, 2)) / 255 for i in (0, 0, 9, 23)])
    assert ((gain - 1).abs() < 0.45).all() and gain.std() > 0.02


# ---------------------------------------------------------------- net


def test_folding_keeps_the_logits() -> None:
    net = lively(ArtEncoder((4, 6), 3, norm="batch"))
    picture = torch.rand(2, 3, 16, 16)
    folded = net.folded()
    torch.testing.assert_close(folded.logits(picture), net.logits(picture), atol=1e-4, rtol=1e-4)
    assert not any("norm" in key for key in folded.state_dict())


def test_unfolding_is_the_same_function_in_training_and_evaluation() -> None:
    folded = lively(ArtEncoder((4, 6), 3, norm="batch")).folded()
    pictures = torch.rand(8, 3, 16, 16)
    net = train_encoder.unfolded(folded, pictures)
    expected = folded.logits(pictures)
    torch.testing.assert_close(net.eval().logits(pictures), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(net.train().logits(pictures), expected, atol=1e-4, rtol=1e-4)
    assert any(".norm.weight" in key for key in net.state_dict())


def test_start_from_the_trials_file(tmp_path: Path) -> None:
    """The names of ../shared/start/README.md, which has no count of batches."""
    net = lively(ArtEncoder((4, 6), 5, norm="batch"))
    renamed = {
        k.replace(".conv.", ".0.").replace(".norm.", ".1.").replace("head.", "head.1."): v.contiguous()
        for k, v in net.state_dict().items()
        if not k.endswith("num_batches_tracked")
    }
    assert (
        "blocks.1.0.0.weight" in renamed
        and "blocks.0.1.1.running_var" in renamed
        and "head.1.bias" in renamed
    )
    save_file(renamed, tmp_path / "start.safetensors")
    picture = torch.rand(2, 3, 16, 16)
    config = Config(init=str(tmp_path / "start.safetensors"))
    started = train_encoder.build(config, 5, picture).eval()
    assert torch.equal(started.logits(picture), net.logits(picture)), (
        "with as many classes the head comes along"
    )
    other = train_encoder.build(config, 3, picture).eval()
    assert other.logits(picture).shape == (2, 3) and other.folded().head.out_features == 3
    assert torch.equal(other(picture)["r2_2"], net(picture)["r2_2"])
    with pytest.raises(loop.ConfigError, match="has the channels"):
        train_encoder.build(Config(init=config.init, channels=(8, 8)), 5, picture)

    del renamed["blocks.1.0.1.running_var"]
    save_file(renamed, tmp_path / "less.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\0" * 20)
    for name, message in (
        ("less", "running_var is missing"),
        ("other", "no encoder"),
        ("cut", "can't be read"),
    ):
        with pytest.raises(loop.ConfigError, match=message):
            train_encoder.build(Config(init=str(tmp_path / f"{name}.safetensors")), 5, picture)


def test_start_from_a_saved_encoder(tmp_path: Path) -> None:
    folded = lively(ArtEncoder((4, 6), 5, norm="batch")).folded()
    folded.save_pretrained(tmp_path / "saved")
    pictures = torch.rand(4, 3, 16, 16)
    net = train_encoder.build(Config(init=str(tmp_path / "saved")), 5, pictures)
    torch.testing.assert_close(net.logits(pictures), folded.logits(pictures), atol=1e-4, rtol=1e-4)
    assert all(p.requires_grad for p in net.parameters())


# ---------------------------------------------------------------- training


def test_one_cycle() -> None:
    shares = [train_encoder.rate(step, 100) for step in range(100)]
    assert shares[0] == 0.04 and max(shares) == shares[30] == 1 and shares[99] < 0.01
    assert shares[:31] == sorted(shares[:31]) and shares[30:] == sorted(shares[30:], reverse=True)
    assert 0 <= train_encoder.rate(0, 1) <= 1


def test_training_saves_what_the_others_load(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"data": [str(folder)], "channels": [4, 4], "epochs": 6, "hold_back": 0.25}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    path = main(["--config", str(tmp_path / "config.json"), *SMALL[3:], "--out", str(tmp_path / "run")])
    assert path == tmp_path / "run" / "model"
    net = ArtEncoder.from_pretrained(path)
    assert json.loads((path / "config.json").read_text())["norm"] == "none"
    assert [b[0].conv.out_channels for b in net.blocks] == [4, 4] and net.head.out_features == 3

    facts = json.loads((tmp_path / "run" / "training.json").read_text())
    assert facts["classes"] == ["blue", "green", "red"] and facts["held_back"] == 6 and facts["step"] == 18
    assert f"epoch 6 of 6: {facts['accuracy']:.1%} of 6 pictures" in capsys.readouterr().out
    # The saved file reaches the accuracy that was reported, and guessing among three would not.
    data = Classes((str(folder),), 16)
    held = data.split(0.25)[1]
    pictures = torch.stack([train_encoder.window(data[i], 16, 0, None) for i in held]).float() / 255
    right = (net.logits(pictures).argmax(1) == data.labels[held]).float().mean().item()
    assert right == pytest.approx(facts["accuracy"]) and right > 0.6


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_exactly(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = [*SMALL, "--data", str(folder), "--epochs", "2", "--checkpoint-every", "3"]
    whole = weights(main([*argv, "--out", str(tmp_path / "whole")]))

    save = loop.checkpoint

    def killed(*arguments: object) -> None:
        save(*arguments)
        raise Killed

    resumed = ["--out", str(tmp_path / "resumed")]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "checkpoint", killed)
        main([*argv, *resumed])
    assert not (tmp_path / "resumed" / "model").exists()
    torch.rand(3)  # what else a process draws must not matter
    made = main([*argv, *resumed])
    assert same(weights(made), whole)
    assert same(weights(main([*argv, *resumed])), whole), "a finished run has nothing left to do"
    other = weights(main([*argv, "--seed", "1", "--out", str(tmp_path / "other")]))
    assert not same(other, whole)


def test_training_on_from_a_saved_encoder(folder: Path, tmp_path: Path) -> None:
    argv = [*SMALL[3:], "--data", str(folder), "--epochs", "1"]
    start = ArtEncoder((4, 4), 7)
    start.save_pretrained(tmp_path / "start")
    trained = main([*argv, "--init", str(tmp_path / "start"), "--out", str(tmp_path / "run")])
    net = ArtEncoder.from_pretrained(trained)
    assert net.head.out_features == 3 and not torch.equal(
        net.blocks[0][0].conv.weight, start.blocks[0][0].conv.weight
    )


@pytest.mark.slow
def test_two_processes_in_bf16(folder: Path, tmp_path: Path) -> None:
    # torchrun, since on CPUs "accelerate launch --num_processes 2" starts one process unless MPI is there.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    launch += ["-m", "training.train_encoder", *SMALL, "--data", str(folder), "--epochs", "2"]
    launch += ["--mixed-precision", "bf16", "--hold-back", "0.25", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        launch, cwd=REPO, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2 of 2") == 1, "only the first process reports"
    facts = json.loads((tmp_path / "run" / "training.json").read_text())
    assert facts["held_back"] == 6 and facts["step"] == 2, "18 pictures, 12 a step over both processes"
    assert ArtEncoder.from_pretrained(tmp_path / "run" / "model").head.out_features == 3


@pytest.mark.slow
def test_accelerate_launch_on_one_cpu(folder: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--mixed_precision", "bf16"]
    launch += ["-m", "training.train_encoder", *SMALL[:-2], "--data", str(folder), "--epochs", "1"]
    launch += ["--mixed-precision", "bf16", "--tracker", "tensorboard", "--out", str(tmp_path / "run")]
    done = subprocess.run(launch, cwd=REPO, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "epoch 1 of 1" in done.stdout
    assert list((tmp_path / "run" / "logs").rglob("events.out.tfevents.*")), "the curves are written"
    assert ArtEncoder.from_pretrained(tmp_path / "run" / "model").head.out_features == 3
