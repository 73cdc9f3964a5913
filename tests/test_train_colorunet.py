"""The trainer of colourisers, full circle on generated pictures: train, stop, resume, load, colour; best of K, hints,
old luma, rare colours; document 003's preset."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from artcore import image
from artcore.models.colorunet import ColorUNet
from artcore.models.encoder import ArtEncoder
from training import loop, train_colorunet
from training.adversarial import ConditionalDiscriminator, cross_entropy, least_squares
from training.data import DataError, Pictures, locate
from training.train_colorunet import (
    PRESETS,
    Coloured,
    Config,
    Rarity,
    Source,
    age,
    build,
    curve,
    draw_noises,
    figures,
    main,
    reveal,
    sources,
    weigh,
)

ROOT = Path(__file__).resolve().parents[1]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((64, 48), 0)


@pytest.fixture
def data(tmp_path):
    """Ten colour pictures, four of them flowers."""
    (tmp_path / "colour").mkdir()
    for i in range(10):
        picture(i).save(tmp_path / "colour" / f"{'flower' if i % 5 < 2 else 'other'}_{i}.png")
    return tmp_path


@pytest.fixture
def one_thread():
    """Many tiny operations: on a busy machine threads would wait for one another far longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def flags(settings):
    argv = []
    for key, value in settings.items():
        argv += ["--" + key.replace("_", "-"), *str(value).split()] if value != "" else []
    return argv


def arguments(data, out="run", **changes):
    """Flags of a run of four steps, in which everything happens that happens in a long one."""
    settings = {
        "pictures": data / "colour",
        "out": data / out,
        "channels": "4 6 8",
        "blocks": "1 1 1",
        "discriminator_channels": 4,
        "size": 48,
        "batch_size": 4,
        "candidates": 3,
        "mode_seeking": 0.1,
        "steps": 4,
        "warmup": 1,
        "checkpoint_every": 2,
        "sample_every": 4,
        "tracker": "none",
    }
    return flags(settings | changes)


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def tensorboard(run):
    (file,) = (run / "logs" / "colorunet").glob("events*")
    return EventAccumulator(str(file), {"images": 0, "scalars": 0}).Reload()


# ---------------------------------------------------------------- a run


def test_full_circle_and_what_was_saved_loads(data):
    folder = main(arguments(data, tracker="tensorboard", log_every=2, sample_every=2))
    run = folder.parent
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["step_000002.png", "step_000004.png"]
    record = json.loads((run / "training.json").read_text())
    assert (record["step"], record["pictures"], record["held_back"]) == (4, 9, 1)
    assert {t.dtype for t in weights(folder).values()} == {torch.float16}
    net = ColorUNet.from_pretrained(folder)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
    luma = torch.rand(1, 1, 40, 33)
    made = net(luma, torch.cat([net.noise(seed, 40, 33) for seed in (1, 2)]))
    assert made.isfinite().all() and not torch.equal(made[0], made[1])
    events = tensorboard(run)
    scalars = {"l1", "l2", "adversarial", "mode_seeking", "judge", "rate", "ciede2000_first", "colourfulness"}
    assert scalars | {"ciede2000_best_of_10", "ciede2000_between_seeds"} <= set(events.Tags()["scalars"])
    assert [e.step for e in events.Scalars("l1")] == [2, 4]
    assert [e.step for e in events.Images("samples")] == [2, 4]


def test_the_record_counts_what_every_source_held_back(data):
    (data / "more").mkdir()
    for i in range(3):
        picture(50 + i).save(data / "more" / f"{i}.png")
    both = f"{data / 'colour'} {data / 'more'}"
    folder = main(arguments(data, pictures=both, steps=1, hold_back=0.25))
    record = json.loads((folder.parent / "training.json").read_text())
    assert (record["pictures"], record["held_back"]) == (7 + 2, 3 + 1)


def test_the_sheet_shows_grey_four_seeds_and_the_truth(data):
    folder = main(arguments(data, steps=1, sample_every=1, size=96))
    sheet = np.asarray(Image.open(folder.parent / "samples" / "step_000001.png"))
    assert sheet.shape == (98 + 2, 6 * 98 + 2, 3)  # one picture was held back
    cells = [sheet[2:98, 2 + 98 * i : 98 + 98 * i].astype(float) for i in range(6)]
    assert (cells[0] == cells[0][..., :1]).all()
    assert not np.array_equal(cells[1], cells[2])
    held = image.to_tensor(picture(0))[..., 8:56]  # its middle square
    assert np.abs(cells[5].mean((0, 1)) / 255 - held.mean((0, 2, 3)).numpy()).max() < 0.03


def test_a_resumed_run_equals_an_uninterrupted_one(data):
    """N steps and N more are 2 N: weights, EMA, optimisers, judge."""
    common = {"schedule": "constant", "checkpoint_every": 50, "instance_noise": 0}
    whole = main(arguments(data, "whole", **common))
    main(arguments(data, "parts", **common | {"steps": 2}))
    parts = main(arguments(data, "parts", **common))
    assert same(weights(whole), weights(parts))
    for file in sorted((whole.parent / "checkpoint").glob("*.safetensors")):
        assert same(load_file(file), load_file(parts.parent / "checkpoint" / file.name)), file.name
    # And a run that is done trains no further.
    assert same(weights(parts), weights(main(arguments(data, "parts", **common))))


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


@pytest.mark.usefixtures("one_thread")
def test_training_brings_the_distance_down(data):
    """Pictures in one colour, dark and light: soon known."""
    (data / "red").mkdir()
    for i in range(4):
        grey = np.random.default_rng(i).uniform(0.5, 1, (3, 4, 1))
        Image.fromarray((grey * [250, 80, 60]).astype(np.uint8)).resize((64, 48), 0).save(data / "red" / f"{i}.png")
    plain = {"adversarial_weight": 0, "mode_seeking": 0, "candidates": 1, "old": 0, "rebalance": 0, "sample_every": 99}
    plain |= {"learning_rate": 1e-2, "schedule": "constant", "pictures": data / "red", "batch_size": 2}
    events = tensorboard(main(arguments(data, steps=20, tracker="tensorboard", log_every=5, **plain)).parent)
    first, *_, last = (e.value for e in events.Scalars("l1"))
    assert last < 0.5 * first
    assert "judge" not in events.Tags()["scalars"]


def test_weights_that_are_nan_are_not_kept(data):
    folder = main(arguments(data, steps=2))
    before = weights(folder)
    with pytest.raises(ValueError, match="NaN"):
        main(arguments(data, steps=4, learning_rate="1e30", clip=0))
    assert same(before, weights(folder))


def test_fine_tuning_begins_with_the_base_of_another_run(data):
    base = main(arguments(data, "base")).parent / "base"
    assert "net.stem.norm.weight" in weights(base)
    tuned = main(arguments(data, "tuned", init=base, steps=1, learning_rate=1e-7, match="flower_*", ema=0))
    before, after = weights(base.parent / "model"), weights(tuned)
    close = [torch.allclose(before[k].float(), after[k].float(), atol=2e-2) for k in before if "out" in k]
    assert close and all(close)
    document = ColorUNet("document", (4,), (3,))
    document.save_pretrained(data / "document")
    with pytest.raises(loop.ConfigError, match="is a document generator without hints; give generator and hints"):
        build(Config(init=str(data / "document")))


def test_an_encoder_is_taken_as_it_is_and_stays(data):
    torch.manual_seed(3)
    ArtEncoder((4, 4, 4, 4), 2).save_pretrained(data / "encoder")
    folder = main(arguments(data, features=data / "encoder", steps=2))
    kept, encoder = weights(folder), weights(data / "encoder")
    blocks = [k for k in encoder if k.startswith("blocks")]
    assert blocks and all(torch.equal(kept[f"encoder.{k}"], encoder[k].half()) for k in blocks)
    tuned = main(arguments(data, "tuned", init=folder.parent / "base", steps=1))
    assert all(torch.equal(weights(tuned)[f"encoder.{k}"], encoder[k].half()) for k in blocks)


def test_a_checkpoint_of_another_net_is_a_sentence(data):
    main(arguments(data, steps=1))
    with pytest.raises(loop.ConfigError, match="does not fit these settings .* give another out"):
        main(arguments(data, steps=2, channels="4 6 6"))


# ---------------------------------------------------------------- what is trained


def test_the_best_of_the_noises_is_trained_and_no_worse_than_any():
    torch.manual_seed(0)
    config = Config(channels=(4, 6, 8), blocks=(1, 1, 1), candidates=5, adversarial_weight=0, norm="none")
    net = build(config)
    luma, chroma = torch.rand(4, 1, 48, 48), torch.rand(4, 2, 48, 48) - 0.5
    noises = draw_noises(net, 20, 48, rng()).unflatten(0, (5, 4))
    step, even = Coloured(net, config), torch.ones(4, 1, 1, 1)
    found = step(luma, None, noises, chroma, even)
    each = [step.distance(net(luma, n.repeat_interleave(8, 2).repeat_interleave(8, 3)), chroma, even) for n in noises]
    totals = torch.stack([d["l1"] + d["l2"] for d in each])
    assert torch.allclose(found["l1"] + found["l2"], totals.amin(0).mean(), atol=1e-5)
    assert len(totals.argmin(0).unique()) > 1  # not always the same


def test_blind_pictures_train_the_first_noise_and_no_distance():
    torch.manual_seed(0)
    config = Config(channels=(4, 6, 8), blocks=(1, 1, 1), candidates=4, blind=0.5, batch_size=4, norm="none")
    net = build(config)
    luma, chroma = torch.rand(4, 1, 48, 48), torch.rand(4, 2, 48, 48) - 0.5
    noises = draw_noises(net, 16, 48, rng()).unflatten(0, (4, 4))
    found = Coloured(net, config)(luma, None, noises, chroma, torch.ones(4, 1, 1, 1))
    first = net.decode(net.encode(luma), noises[0])[..., :48, :48]
    assert torch.allclose(found["made"][:2], first[:2], atol=1e-5)
    (found["l1"] + found["l2"]).backward()
    grown = found["l1"] * 4 / config.l1_weight
    apart = (found["made"] - chroma).abs().mean((1, 2, 3))
    assert torch.allclose(grown, apart[2:].sum(), atol=1e-5)


def test_choosing_leaves_no_gradient_behind_but_the_best_one_s():
    torch.manual_seed(0)
    config = Config(channels=(4, 6, 8), blocks=(1, 1, 1), candidates=3, adversarial_weight=0, norm="none")
    net = build(config)
    luma, chroma = torch.rand(1, 1, 48, 48), torch.rand(1, 2, 48, 48) - 0.5
    noises, even = draw_noises(net, 3, 48, rng()).unflatten(0, (3, 1)), torch.ones(1, 1, 1, 1)
    Coloured(net, config)(luma, None, noises, chroma, even)["l1"].backward()
    with_choice = {k: p.grad.clone() for k, p in net.named_parameters() if p.grad is not None}
    step = Coloured(net, config)
    totals = [sum(step.distance(net.decode(net.encode(luma), n)[..., :48, :48], chroma, even).values()) for n in noises]
    best = int(torch.stack(totals).argmin())
    net.zero_grad()
    step(luma, None, noises[best : best + 1], chroma, even)["l1"].backward()
    assert all(torch.allclose(with_choice[k], p.grad, atol=1e-5) for k, p in net.named_parameters() if k in with_choice)


@pytest.mark.usefixtures("one_thread")
def test_training_with_a_choice_makes_seeds_differ():
    """One grey that is red in half of the pictures and blue in the others: without a choice the net paints their
    average for every seed; with one, seeds are red or blue."""
    spread = {}
    luma, even = torch.full((4, 1, 16, 16), 0.5), torch.ones(4, 1, 1, 1)
    sign = torch.tensor([1.0, -1.0] * 2).view(4, 1, 1, 1)
    chroma = torch.cat([-sign, sign], 1).expand(4, 2, 16, 16) * 0.2
    for candidates in (1, 4):
        torch.manual_seed(0)
        config = Config(channels=(8, 16), blocks=(1, 1), candidates=candidates, adversarial_weight=0, norm="none")
        net = build(config)
        step, optimiser = Coloured(net, config), torch.optim.Adam(net.parameters(), lr=3e-3)
        for i in range(40):
            noises = draw_noises(net, 4 * candidates, 16, rng(i)).unflatten(0, (candidates, 4))
            found = step(luma, None, noises, chroma, even)
            optimiser.zero_grad()
            (found["l1"] + found["l2"]).backward()
            optimiser.step()
        with torch.no_grad():
            made = net(luma[:1], torch.cat([net.noise(seed, 16, 16) for seed in range(20)]))
        spread[candidates] = made.mean((2, 3)).std(0).mean().item()
    assert spread[4] > 0.05 and spread[4] > 3 * spread[1], spread


# ---------------------------------------------------------------- data


def test_every_twentieth_of_each_source_is_held_back_whatever_is_asked_for(data):
    (data / "more").mkdir()
    for i in range(4):
        picture(50 + i).save(data / "more" / f"flower_{i}.png")
    both = (str(data / "colour"), str(data / "more"))
    train, held = sources(Config(pictures=both, hold_back=0.25))
    assert [len(t) for t in train] == [7, 3] and [len(h) for h in held] == [3, 1]
    flowers, held_flowers = sources(Config(pictures=both, hold_back=0.25, match="flower_*"))
    assert all(f in train[i] for i in range(2) for f in flowers[i])
    assert held_flowers == [[f for f in h if f.name.startswith("flower")] for h in held]
    with pytest.raises(DataError, match=r"No picture to train on in .* is named 'tree_\*'"):
        sources(Config(pictures=both, match="tree_*"))


def test_sources_are_drawn_by_their_shares(data):
    for name, colour in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        (data / name).mkdir()
        for i in range(3):
            Image.new("RGB", (32, 32), colour).save(data / name / f"{i}.png")
    config = Config(pictures=(str(data / "red"), str(data / "blue")), shares=(1.0, 3.0), hold_back=0)
    drawn = Source(config, [Pictures(files) for files in sources(config)[0]]).draw(80, 32, rng())
    assert 45 <= (drawn[:, 2].mean((1, 2)) > 0.5).sum() <= 75


def test_a_picture_in_black_and_white_is_hardly_ever_drawn(data):
    (data / "mixed").mkdir()
    Image.new("RGB", (32, 32), (90, 90, 90)).save(data / "mixed" / "0.png")
    Image.new("RGB", (32, 32), (200, 90, 90)).save(data / "mixed" / "1.png")
    config = Config(pictures=(str(data / "mixed"),), hold_back=0)
    drawn = Source(config, [Pictures(sources(config)[0][0])]).draw(40, 32, rng())
    assert ((drawn[:, 0] - drawn[:, 1]).mean((1, 2)) > 0.1).sum() >= 30


def test_a_step_s_data_is_a_function_of_the_step(data):
    config = Config(pictures=(str(data / "colour"),), size=48, batch_size=3)
    source = Source(config, [Pictures(sources(config)[0][0])])
    one, again, other = (source.batch(loop.step_generator(0, step)) for step in (5, 5, 6))
    assert {k: tuple(v.shape) for k, v in one.items()} == {
        "luma": (3, 1, 48, 48),
        "chroma": (3, 2, 48, 48),
        "hints": (3, 3, 48, 48),
    }
    assert same(one, again) and not torch.equal(one["luma"], other["luma"])


def test_old_luma_is_another_one_and_stays_in_range():
    rgb = torch.rand(1, 3, 40, 40)
    for seed in range(10):
        worn = curve(rgb, rng(seed))
        aged = age(image.luma(worn), rng(seed))
        assert worn.shape == rgb.shape and aged.shape == (1, 1, 40, 40)
        assert worn.min() >= 0 and worn.max() <= 1 and aged.min() >= 0 and aged.max() <= 1
        assert not torch.allclose(aged, image.luma(rgb), atol=1e-3)
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 8, 64)
    assert (curve(ramp, rng(3)).diff(dim=-1) >= 0).all()  # a curve: what was lighter stays lighter


def test_hints_are_the_true_colour_of_patches_and_half_of_the_time_none():
    chroma = torch.rand(1, 2, 64, 64) - 0.5
    flat = torch.tensor([0.2, -0.3]).view(1, 2, 1, 1).expand(1, 2, 64, 64)
    made = [reveal(flat, rng(seed)) for seed in range(100)]
    none = sum(not hints.any() for hints in made)
    assert 35 <= none <= 65
    for hints in made:
        mask = hints[:, 2:]
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        assert torch.allclose(hints[:, :2], flat * mask, atol=1e-6)
    assert reveal(chroma, rng(1)).abs().max() <= 1


def test_rare_colours_weigh_more_and_the_average_is_one():
    """Nine grey pixels to each red one."""
    chroma = torch.zeros(10, 2, 16, 16)
    chroma[0] = 0.3
    rarity = Rarity(chroma, 1.0)
    assert rarity(chroma).shape == (10, 1, 16, 16)
    assert rarity(chroma)[0].mean() > 2 * rarity(chroma)[1].mean()
    assert torch.allclose(Rarity(chroma, 0.0)(chroma), torch.ones(10, 1, 16, 16))
    # Over the smoothed shares: the weights of photographs average to one.
    smooth = (torch.randn(64, 2, 32, 32, generator=rng()) * 0.15).clamp(-0.5, 0.5)
    assert abs(Rarity(smooth, 0.5)(smooth).mean() - 1) < 0.1


def test_hinted_pixels_weigh_more():
    chroma, hints = torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 4, 4)
    hints[:, 2, 1, 2] = 1
    weight = weigh(chroma, None, hints, 3.0)
    assert weight.shape == (1, 1, 4, 4) and weight[0, 0, 1, 2] == 4 and weight.sum() == 15 + 4
    assert torch.equal(weigh(chroma, None, None, 3.0), torch.ones(1, 1, 4, 4))


def test_figures_know_the_truth_from_grey():
    truth = torch.rand(2, 3, 64, 64, generator=rng())
    grey = image.luma(truth).expand(-1, 3, -1, -1)
    found = figures(truth, [grey, truth])
    assert found["ciede2000_first"] > 10 and found["ciede2000_best_of_2"] == 0
    assert found["ciede2000_between_seeds"] == pytest.approx(found["ciede2000_first"], rel=1e-3)
    assert 0.4 < found["colourfulness"] < 0.6


def test_flowers102_comes_through_torchvision(tmp_path, monkeypatch):
    from torchvision import datasets

    asked = []

    class Flowers:
        def __init__(self, root, download):
            asked.append((root, download))
            (root / "flowers-102" / "jpg").mkdir(parents=True)
            picture(0).save(root / "flowers-102" / "jpg" / "image_00001.jpg")
            raise ImportError("no scipy")  # only its labels need it

    monkeypatch.setenv("ARTCORE_CACHE", str(tmp_path))
    monkeypatch.setattr(datasets, "Flowers102", Flowers)
    assert locate("torchvision:Flowers102") == tmp_path / "datasets" / "flowers-102" / "jpg"
    assert asked == [(tmp_path / "datasets", True)]

    def offline(root, download):
        raise OSError("no route")

    monkeypatch.setattr(datasets, "Flowers102", offline)
    with pytest.raises(DataError, match="go online, or give a folder of flowers"):
        locate("torchvision:Flowers102")
    with pytest.raises(DataError, match="give torchvision:Flowers102, hub:org/name or a folder"):
        locate("torchvision:Places365")


# ---------------------------------------------------------------- the discriminator


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_the_discriminator_gives_thirty_by_thirty_scores(norm):
    judge = ConditionalDiscriminator(4, norm)
    assert judge(torch.rand(2, 1, 256, 256), torch.rand(2, 2, 256, 256) - 0.5).shape == (2, 1, 30, 30)
    least = judge.smallest
    assert judge(torch.rand(2, 1, least, least), torch.zeros(2, 2, least, least)).shape == (2, 1, 1, 1)
    with pytest.raises(RuntimeError):
        judge(torch.rand(2, 1, least - 8, least - 8), torch.zeros(2, 2, least - 8, least - 8))


def test_the_discriminator_looks_at_luma_too():
    torch.manual_seed(0)
    judge, chroma = ConditionalDiscriminator(4, "spectral").eval(), torch.zeros(1, 2, 32, 32)
    assert not torch.allclose(judge(torch.rand(1, 1, 32, 32), chroma), judge(torch.rand(1, 1, 32, 32), chroma))
    with pytest.raises(ValueError, match='give "batch" or "spectral"'):
        ConditionalDiscriminator(4, "instance")


def test_both_gan_losses_are_least_where_they_should_be():
    scores = torch.tensor([1.0, 1.0])
    assert least_squares(scores, True) == 0 and least_squares(scores, False) == 1
    assert cross_entropy(20 * scores, True) < 1e-6 < 10 < cross_entropy(20 * scores, False)


@pytest.mark.parametrize("flip", [True, False])
def test_labels_flip_for_both_sides(data, monkeypatch, flip):
    """Real is 0 where labels flip; the generator wants what real has."""
    asked = []

    def spy(scores, real):
        asked.append(real)
        return least_squares(scores, real)

    monkeypatch.setitem(train_colorunet.GAN_LOSSES, "least_squares", spy)
    argv = arguments(data, steps=1, judge_steps=2) + ["--flip-labels" if flip else "--no-flip-labels"]
    main(argv)
    wanted = not flip  # the generator; then, twice, real and made
    assert asked == [wanted, wanted, not wanted, wanted, not wanted]


# ---------------------------------------------------------------- settings


def test_the_preset_carries_the_document_s_values():
    config = loop.parse(Config, ["--preset", "document-003"], PRESETS)
    assert (config.generator, config.channels, config.hints) == ("document", (64,), False)
    assert (config.l1_weight, config.l2_weight, config.judge_steps, config.flip_labels) == (5, 5, 1, True)
    assert (config.epochs, config.batch_size, config.size, config.pictures) == (
        400,
        4,
        256,
        ("torchvision:Flowers102",),
    )
    assert config.instance_noise > 0 and config.candidates == 1


@pytest.mark.parametrize("mode_seeking", ["", 0.1])  # of the one noise that is tried and another
def test_the_preset_of_document_003_trains(data, mode_seeking):
    changes = {"channels": 4, "blocks": 3, "epochs": 1, "batch_size": 2}
    settings = {"mode_seeking": mode_seeking, "candidates": "", "steps": ""} | changes
    folder = main(arguments(data, **settings) + ["--preset", "document-003"])
    config = json.loads((folder / "config.json").read_text())
    assert (config["generator"], config["channels"], config["norm"]) == ("document", [4], "none")
    record = json.loads((folder.parent / "training.json").read_text())
    assert record["step"] == 4 and record["config"]["gan_loss"] == "cross_entropy"  # a pass over nine pictures
    net = ColorUNet.from_pretrained(folder)
    assert net(torch.rand(1, 1, 40, 33), net.noise(1, 40, 33)).isfinite().all()


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"size": 47}, "size is 47; give 48 or more"),
        ({"candidates": 0}, "candidates is 0; give 1 or more"),
        ({"l1_weight": -1.0}, "l1_weight is -1.0; give 0 or more"),
        ({"gan_loss": "hinge"}, "choose from least_squares, cross_entropy"),
        ({"generator": "unet"}, "choose from compact, document"),
        ({"schedule": "square"}, "choose from cosine"),
        ({"blind": 1.0}, "blind is 1.0; give a part"),
        ({"crop": (0.5, 1.2)}, "crop is"),
        ({"shares": (1.0, 2.0)}, "give one for each of the 1 sources"),
    ],
)
def test_settings_that_can_not_be_are_refused_in_a_sentence(setting, why):
    with pytest.raises(loop.ConfigError, match=why):
        Config(**setting)


# ---------------------------------------------------------------- several processes


@pytest.mark.slow
def test_two_processes_train_one_net_and_resume_exactly(data):
    """gloo on loopback, as accelerate sets it up for CPUs."""

    def launch(argv):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        done = subprocess.run(
            [*command, "-m", "training.train_colorunet", *argv], cwd=ROOT, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stderr

    common = {"schedule": "constant", "checkpoint_every": 50, "instance_noise": 0}
    launch(arguments(data, "whole", **common))
    launch(arguments(data, "parts", **common | {"steps": 2}))
    launch(arguments(data, "parts", **common))
    record = json.loads((data / "parts" / "training.json").read_text())
    assert record["processes"] == 2 and record["step"] == 4
    assert same(weights(data / "whole" / "model"), weights(data / "parts" / "model"))


@pytest.mark.slow
def test_accelerate_launch_trains_with_mixed_precision(data):
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    argv = arguments(data, mixed_precision="bf16")
    done = subprocess.run(
        [*command, "-m", "training.train_colorunet", *argv], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert all(t.isfinite().all() for t in weights(data / "run" / "model").values())
