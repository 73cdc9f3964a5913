"""The figures and the card of a colouriser: the best of many guesses, beside grey and the mean chroma."""

from __future__ import annotations

import itertools
import json
import math

import pytest
import torch
from PIL import Image

from artcore import cards, image, load, metrics
from artcore.__main__ import main
from artcore.cards import colour, scores
from artcore.models.colorunet import ColorUNet
from training import publish

ROW = "On {} held-back pictures of {}"


def picture(seed: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Two coloured halves with a grain, other colours for each seed."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(3, 1, 2, generator=rng).repeat_interleave(size[0] // 2, 2).expand(3, size[1], -1)
    return image.to_pil((x + 0.1 * torch.rand(3, *x.shape[1:], generator=rng)).clamp(0, 1))


class Guesses:
    """A colouriser whose colouring of each seed is given; refuses to be told a colour."""

    def __init__(self, *made: Image.Image):
        self.made = made

    def seeds(self, told, seeds):
        red, green, blue = told.convert("RGB").split()
        assert red.tobytes() == green.tobytes() == blue.tobytes()
        for seed in seeds:
            yield type("Colouring", (), {"image": lambda _, seed=seed: self.made[seed]})()


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A place for checkpoints, and small example photos."""
    folder = tmp_path / "data" / "examples"
    folder.mkdir(parents=True)
    for i in range(3):
        picture(i).save(folder / f"photo_{i}.jpg")
    monkeypatch.setattr(scores, "EXAMPLES", folder)
    monkeypatch.setattr(scores, "EXAMPLE_SIZE", 48)
    monkeypatch.setattr(colour, "SIZE", 48)
    monkeypatch.setattr(colour, "MOST", 1)  # of a group
    monkeypatch.setattr(ColorUNet, "size", 48)
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def data(tmp_path):
    """colour/ of 41 pictures and photos/ of 21, flowers among both."""
    root = tmp_path / "pictures"
    for room, names in (
        ("colour", [f"flower_{i:02}" for i in range(21)] + [f"object_{i:02}" for i in range(20)]),
        ("photos", [f"flower_{i:02}" for i in range(4)] + [f"land_{i:02}" for i in range(17)]),
    ):
        (root / room).mkdir(parents=True)
        for i, name in enumerate(names):
            picture(i).save(root / room / f"{name}.png")
    (root / "README.md").write_text(
        "| folder | images | MB | source | licence |\n|---|---|---|---|---|\n"
        "| colour | 41 | 1 | a/b (41) | unknown, research use only |\n"
        "| photos (land_*) | 17 | 1 | c/d (17) | research use only |\n"
        "| photos (flower_*) | 4 | 1 | e/f (4) | CC BY 2.0 |\n"
        "| painters/monet | 9 | 1 | g/h (9) | public domain |\n"
    )
    return root


def make_run(folder, seed: int = 0, **config):
    torch.manual_seed(seed)
    ColorUNet(channels=(8, 8), blocks=(1, 1)).save_pretrained(folder / "model", dtype="float16")
    record = {"trainer": "train_colorunet", "step": 40, "minutes": 12.5, "pictures": 58, "held_back": 3}
    config = {"pictures": ["/here/colour"], "more": ["/here/x"], "samples": "/here", "l1_weight": 5.0} | config
    (folder / "training.json").write_text(json.dumps(record | {"config": config}))
    return folder


# Figures


def test_the_best_of_k_is_the_mean_over_all_choices():
    values = torch.tensor([3.0, 1.0, 7.0, 2.0, 2.5, 9.0])
    for k in range(1, 7):
        chosen = list(itertools.combinations(values.tolist(), k))
        assert colour.best_of(values, k) == pytest.approx(sum(map(min, chosen)) / len(chosen))
        assert colour.best_of(values, k, largest=True) == pytest.approx(sum(map(max, chosen)) / len(chosen))


def test_the_mean_chroma_knows_colours_that_luma_gives_away():
    dark, light = torch.tensor([0.5, 0.2, 0.1]), torch.tensor([0.6, 0.8, 0.9])
    truth = torch.cat([c.view(1, 3, 1, 1).expand(1, 3, 4, 4) for c in (dark, light)], 3)
    made = colour.in_mean_chroma(truth, colour.mean_chroma([truth]))
    assert (made - truth).abs().max() < 1 / 255
    # Two colours of one luma: their mean, and no other level of luma knows anything.
    other = image.yuv_to_rgb(image.rgb_to_yuv(truth) * torch.tensor([1, -1, -1]).view(1, 3, 1, 1))
    table = colour.mean_chroma([truth, other])
    assert table.abs().max() < 1e-6
    assert torch.equal(colour.in_mean_chroma(truth, table), colour.grey(truth))


def test_one_good_guess_among_ten_counts_for_as_much_as_it_is_likely():
    truth = picture(3)
    x = scores.tensor(truth)
    flat = image.to_pil(colour.grey(x))
    made = [flat] * 10
    made[6] = truth
    found = colour.score(Guesses(*made), [x], [torch.zeros(colour.LEVELS, 2)])
    row = found["CIEDE2000"]
    half = [torch.nn.functional.avg_pool2d(scores.tensor(p), 2) for p in (flat, truth)]
    assert row["grey copied"] == pytest.approx(metrics.ciede2000(*half).item())
    assert row["mean chroma"] == pytest.approx(row["grey copied"], rel=1e-3) and row["grey copied"] > 5
    assert row["K = 1"] == pytest.approx(0.9 * row["grey copied"])
    assert row["best of 5"] == pytest.approx(0.5 * row["grey copied"])
    assert row["best of 10"] == pytest.approx(0, abs=1e-6)
    assert found["CIEDE2000 between seeds"]["K = 1"] == pytest.approx(9 / 45 * row["grey copied"])
    assert found["SSIM"]["best of 10"] == pytest.approx(1) and found["SSIM"]["K = 1"] < 1
    assert found["PSNR, dB"]["grey copied"] == pytest.approx(metrics.psnr(*half).item())
    colours = found["colourfulness"]
    assert colours["grey copied"] == 0 and colours["K = 1"] == pytest.approx(0.1 * colours["truth"])


def test_a_tint_that_is_the_picture_s_own_is_the_best_that_ten_seeds_could_be():
    grey = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    angle = torch.tensor(3 * 2 * math.pi / colour.HUES)
    chroma = (0.08 * torch.stack([angle.cos(), angle.sin()])).view(1, 2, 1, 1).expand(-1, -1, 48, 48)
    truth = image.yuv_to_rgb(torch.cat([grey, chroma], 1))
    flat = image.to_pil(colour.grey(truth))
    found = colour.score(Guesses(*[flat] * 10), [truth], [torch.zeros(colour.LEVELS, 2)])
    row = found["CIEDE2000"]
    assert row["best tint of 0.08"] < 0.5 < 3 < row["best tint of 0.04"] < row["best of 10"]
    assert row["best of 10"] == pytest.approx(row["grey copied"], rel=1e-3)
    few = colour.score(Guesses(*[flat] * 5), [truth], [torch.zeros(colour.LEVELS, 2)], 5)
    assert few["CIEDE2000"]["best tint of 0.08"] > 3  # of five it is one in two times
    assert found["PSNR, dB"]["best tint of 0.08"] > 45 > found["PSNR, dB"]["best of 10"]


def test_figures_are_means_over_pictures():
    truths = [scores.tensor(picture(i)) for i in (1, 2)]
    task, table = Guesses(*[picture(5)] * 5), torch.zeros(colour.LEVELS, 2)
    both = colour.score(task, truths, [table] * 2, 5)
    each = [colour.score(task, [truth], [table], 5) for truth in truths]
    assert "best of 10" not in both["CIEDE2000"]
    for figure, row in both.items():
        for column, value in row.items():
            assert value == pytest.approx(sum(e[figure][column] for e in each) / 2)


def test_the_held_back_files_are_those_of_the_trainer(data):
    from training.train_colorunet import Config, sources

    found = colour.groups(data)
    for room in colour.FOLDERS:
        for match, groups in (("", found), ("flower_*", ["flowers"])):
            (train,), (held,) = sources(Config(pictures=(str(data / room),), match=match))
            for files, which in ((train, 0), (held, 1)):
                ours = [f for g in groups for f in found[g][which] if f.parent.name == room]
                assert sorted(ours) == sorted(files)
    assert {f.name.split("_")[0] for files in found["flowers"] for f in files} == {"flower"}
    assert {f.name.split("_")[0] for files in found["varied"] for f in files} == {"object", "land"}


def test_a_folder_without_pictures_to_judge_by_is_refused(tmp_path):
    with pytest.raises(cards.CardError, match="into colour/ or photos/"):
        colour.groups(tmp_path)
    with pytest.raises(cards.CardError, match="no folder"):
        list(colour.full_score(Guesses(), tmp_path / "nowhere"))


# Cards


def test_a_run_is_judged_in_the_shell_and_trainings_stand_beside_each_other(weights, data, tmp_path, capsys):
    first, second = make_run(tmp_path / "gan"), make_run(tmp_path / "plain", 1, adversarial_weight=0)
    command = ["cards", str(data), "--model", str(first), "--model", str(second), "--json", str(tmp_path / "f.json")]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert ROW.format(1, "flowers") in out and ROW.format(1, "varied") in out
    head = "| flowers | K = 1 | best of 5 | best of 10 | grey copied | mean chroma "
    assert head + "| best tint of 0.04 | best tint of 0.08 | truth |" in out
    runs = json.loads((tmp_path / "f.json").read_text())
    assert runs[0]["figures"]["flowers"]["48 px"]["CIEDE2000, best of 10"] > 0
    text = cards.baseline_section(runs, colour)
    assert "| gan, 40 steps, 12 minutes | plain, 40 steps, 12 minutes |" in text
    assert "| varied | 48 px | SSIM, K = 1 |" in text
    assert "| setting | | adversarial_weight | null | 0 |" in text and "l1_weight" not in text
    assert text.startswith("Trainings by `python -m training.train_colorunet` on the same data")
    assert "Settings that are not listed, the seed among them, are alike, but for those that name files." in text
    assert "/here" not in (tmp_path / "f.json").read_text()
    for words, why in ((["--style", "monet"], "--style says nothing"), (["--size", "48"], "--size says nothing")):
        assert main(["cards", str(data), "--model", str(first), *words]) == 2
        assert why in capsys.readouterr().err


def test_a_colouriser_is_installed_with_its_card(weights, data, tmp_path, capsys):
    run, baseline = make_run(tmp_path / "run"), tmp_path / "f.json"
    other = {"name": "plain", "minutes": 9, "figures": {"varied": {"48 px": {"SSIM, K = 1": 0.75}}}}
    baseline.write_text(json.dumps([other]))
    words = ["--label", "All sorts", "--data", str(data), "--note", "Skies are fine.", "--baseline", str(baseline)]
    assert publish.main([str(run), "--local", "colorunet.general", *words]) == 0
    entry = load.catalog()["colorunet.general"]
    assert (entry.task, entry.label, entry.path) == ("colorizer", "All sorts", weights / "colorunet.general")
    assert (entry.path / "model.safetensors").read_bytes() == (run / "model" / "model.safetensors").read_bytes()
    card = (entry.path / cards.CARD).read_text()
    for part in (
        "- colorization",
        "# All sorts: a colouriser of artcore",
        'artcore.load("colorunet.general")',
        "22 pictures of flowers to train on, 3 held back; 35 pictures of varied to train on, 2 held back",
        "| colour | 41 | a/b (41) |",
        "| photos (land_*) | 17 |",
        "| photos (flower_*) | 4 |",
        "| pictures | 58 |",
        "## Notes\n\nSkies are fine.\n\n## Compared",
        "| varied | 48 px | SSIM, K = 1 | 0.750 |",
        ROW.format(1, "flowers"),
        entry.sha256,
    ):
        assert part in card, part
    assert "/here" not in card and "painting" not in card and "g/h" not in card
    assert cards.disagreements(cards.read_examples(card), colour.examples(load.load("colorunet.general"), "")) == []
    with Image.open(entry.path / cards.THUMBNAIL) as small:
        assert small.size == (256, 256)
    assert image.open(entry.path / cards.SAMPLE).width > 6 * 256
    cards.update(data)
    assert (entry.path / cards.CARD).read_text() == card


def test_a_colouriser_of_flowers_names_the_data_of_flowers(weights, data, tmp_path):
    run = make_run(tmp_path / "run", pictures=["/here/colour", "/here/photos"], match="flower_*")
    publish.install(run, "colorunet.flowers", data=data)
    card = (weights / "colorunet.flowers" / cards.CARD).read_text()
    assert "22 pictures of flowers to train on, 3 held back (" in card and "e/f" in card and "c/d" not in card
    assert ROW.format(1, "varied") in card  # what it was not made for is judged too


@pytest.mark.parametrize("name", ["stylenet.general", "general", "enhancenet.general"])
def test_a_colouriser_has_a_name_of_its_kind(weights, tmp_path, name):
    with pytest.raises(publish.PublishError, match="like colorunet.general"):
        publish.install(make_run(tmp_path / "run"), name)
    assert load.catalog() == {}
