"""The shell: one file, exit statuses, the same bytes as the library; folders are in test_batch.py."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from artcore.__main__ import main
from artcore.load import load, mix
from artcore.models.cyclegan import CycleGAN
from artcore.models.stylenet import StyleNet

NETS = {"stylenet.vangogh": StyleNet, "stylenet.monet": StyleNet, "cyclegan.cezanne": CycleGAN}


@pytest.fixture
def weights(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    catalog = {}
    for name, net in NETS.items():
        net(channels=(4, 4, 4), blocks=1).save_pretrained(folder / name)
        catalog[name] = {"label": name, "task": "painter", "folder": name}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "more/c.webp"):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / name)
    return folder


def test_one_picture_equals_the_library_bit_for_bit(weights, photos, tmp_path, capsys):
    out = tmp_path / "painting.png"
    assert main(["paint", str(photos / "a.png"), str(out), "--strength", "1.2", "--seed", "7"]) == 0
    expected = load("stylenet.vangogh")(photos / "a.png", strength=1.2, seed=7)
    assert Image.open(out).tobytes() == expected.tobytes()
    assert "painting.png" in capsys.readouterr().out


def test_a_model_folder_can_be_given_in_place_of_a_style(weights, photos, tmp_path):
    by_style, by_folder = tmp_path / "1.png", tmp_path / "2.png"
    assert main(["paint", str(photos / "a.png"), str(by_style)]) == 0
    model = str(weights / "stylenet.vangogh")
    assert main(["paint", str(photos / "a.png"), str(by_folder), "--model", model]) == 0
    assert by_style.read_bytes() == by_folder.read_bytes()


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["nothing.jpg", "out.png"], "There is no file or folder nothing.jpg"),
        (
            ["{photos}/a.png", "out.png", "--style", "picasso"],
            "no style 'picasso'; choose from cezanne, vangogh, monet",
        ),
        (["{photos}/a.png", "out.png", "--mix", "monet=0.8", "--mix", "vangogh=0.3"], "come to 1 at most"),
        (["{photos}/a.png", "out.png", "--mix", "monet=-0.1"], "come to 1 at most"),
        (["{photos}/a.png", "out.png", "--mix", "monet=nan"], "come to 1 at most"),
        (["{photos}/a.png", "out.png", "--mix", "cezanne=0.5"], "mix painters of one method and size"),
        (["{photos}/a.png", "out.png", "--mix", "monet=0.5", "--model", "org/name"], "leave one of them out"),
        (["{photos}/a.png", "out.png", "--region", "picasso=m.png"], "no style 'picasso'"),
        (["{photos}/a.png", "{photos}/a.png"], "would be overwritten"),
    ],
)
def test_a_command_that_makes_no_sense_exits_with_two_and_a_sentence(weights, photos, tmp_path, capsys, argv, sentence):
    assert main(["paint", *(a.format(photos=photos) for a in argv)]) == 2
    assert sentence in capsys.readouterr().err


def test_guards_mix_regions_and_direction_are_the_library_s(weights, photos, tmp_path):
    photo, out, mask = photos / "a.png", tmp_path / "o.png", tmp_path / "mask.png"
    vangogh, monet, cezanne = (load(name) for name in NETS)
    grey = Image.new("L", (30, 20))
    grey.paste(255, (0, 0, 12, 20))
    grey.save(mask)
    kept = {"light": 0.5, "keep_colours": 0.25, "stroke": 2.0, "detail": 1.0}
    mixed = mix({"stylenet.vangogh": 0.6, "stylenet.monet": 0.4})
    for flags, expected in (
        (["--light", "0.5", "--keep-colours", "0.25", "--stroke", "2", "--detail", "1"], vangogh(photo, **kept)),
        (["--mix", "monet=0.4"], mixed(photo)),
        (["--mix", "monet=0.1", "--mix", "monet=0.3"], mixed(photo)),
        (["--region", f"monet={mask}"], vangogh(photo, regions=[(monet, mask)])),
        (["--style", "cezanne", "--direction", "to_photo"], cezanne(photo, direction="to_photo")),
    ):
        assert main(["paint", str(photo), str(out), *flags]) == 0
        assert Image.open(out).tobytes() == expected.tobytes(), flags


@pytest.mark.parametrize("flags", [["--mix", "monet"], ["--mix", "monet=much"], ["--region", "=mask.png"]])
def test_a_pair_that_is_none_is_told_how_to_write_it(photos, capsys, flags):
    with pytest.raises(SystemExit) as stopped:
        main(["paint", str(photos / "a.png"), "out.png", *flags])
    assert stopped.value.code == 2
    assert "STYLE=" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--light", "2"], "light is 2.0; give a number from 0 to 1"),
        (["--stroke", "nan"], "stroke is nan; give a number from 1 to 4"),
        (["--direction", "to_photo"], "give to_painting"),
        (["--region", "monet=nothing.png"], "nothing.png"),
    ],
)
def test_what_a_painter_refuses_fails_the_picture_with_a_sentence(weights, photos, tmp_path, capsys, flags, sentence):
    assert main(["paint", str(photos / "a.png"), str(tmp_path / "o.png"), *flags]) == 1
    assert sentence in capsys.readouterr().err


def test_a_wrong_strength_fails_the_picture_with_a_sentence(weights, photos, tmp_path, capsys):
    assert main(["paint", str(photos / "a.png"), str(tmp_path / "o.png"), "--strength", "3"]) == 1
    assert "give a number from 0" in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


def test_an_ending_that_cannot_be_written_is_a_sentence(weights, photos, tmp_path, capsys):
    assert main(["paint", str(photos / "a.png"), str(tmp_path / "o.xyz")]) == 1
    assert ".xyz" in capsys.readouterr().err


def test_exif_is_kept_only_when_asked(weights, photos, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.new("RGB", (16, 16)).save(photos / "e.jpg", exif=exif)
    for flag, kept in ((["--exif"], "a description"), ([], None)):
        assert main(["paint", str(photos / "e.jpg"), str(tmp_path / "e.jpg"), *flag]) == 0
        assert Image.open(io.BytesIO((tmp_path / "e.jpg").read_bytes())).getexif().get(0x010E) == kept


def test_styles_are_listed(weights, capsys):
    assert main(["styles"]) == 0
    assert "vangogh" in capsys.readouterr().out
