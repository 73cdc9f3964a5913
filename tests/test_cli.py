"""The shell: one file, a folder, bad files among good ones, exit statuses; the same bytes as the library."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from artcore import batch
from artcore.__main__ import main
from artcore.load import load
from artcore.models.stylenet import StyleNet


@pytest.fixture
def weights(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(folder / "stylenet.vangogh")
    line = {"label": "Van Gogh", "task": "painter", "folder": "stylenet.vangogh"}
    (folder / "catalog.json").write_text(json.dumps({"stylenet.vangogh": line}))
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


def test_a_folder_is_painted_and_one_bad_file_does_not_stop_the_rest(weights, photos, tmp_path, capsys):
    (photos / "bad.jpg").write_bytes(b"this is no picture")
    out = tmp_path / "out"
    assert main(["paint", str(photos), str(out)]) == 1
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.*")) == ["a.png", "b.jpg", "more/c.webp"]
    printed = capsys.readouterr()
    assert "3 of 4 pictures" in printed.out and "bad.jpg" in printed.err


def test_a_folder_of_good_files_exits_with_zero(weights, photos, tmp_path):
    assert main(["paint", str(photos), str(tmp_path / "out"), "--format", "webp"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.*")) == ["a.webp", "b.webp", "c.webp"]


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
        (["{photos}/a.png", "out.png", "--style", "picasso"], "no style 'picasso'; choose from vangogh"),
        (["{photos}/a.png", "{photos}/a.png"], "would be overwritten"),
        (["{photos}", "{photos}/b.jpg"], "has to be one too"),
        (["{empty}", "out"], "holds no pictures"),
    ],
)
def test_a_command_that_makes_no_sense_exits_with_two_and_a_sentence(weights, photos, tmp_path, capsys, argv, sentence):
    (tmp_path / "empty").mkdir()
    argv = [a.format(photos=photos, empty=tmp_path / "empty") for a in argv]
    assert main(["paint", *argv]) == 2
    assert sentence in capsys.readouterr().err


def test_a_wrong_strength_fails_the_picture_with_a_sentence(weights, photos, tmp_path, capsys):
    assert main(["paint", str(photos / "a.png"), str(tmp_path / "o.png"), "--strength", "3"]) == 1
    assert "give a number from 0" in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


def test_an_ending_that_cannot_be_written_is_a_sentence(weights, photos, tmp_path, capsys):
    assert main(["paint", str(photos / "a.png"), str(tmp_path / "o.xyz")]) == 1
    assert ".xyz" in capsys.readouterr().err


def test_two_inputs_with_one_output_are_refused(photos, tmp_path):
    Image.new("RGB", (4, 4)).save(photos / "a.jpg")
    with pytest.raises(batch.BatchError, match="would both become"):
        batch.pair(photos, tmp_path / "out", ".png")


def test_results_inside_the_input_folder_are_not_painted_again(weights, photos):
    out = photos / "painted"
    assert main(["paint", str(photos), str(out)]) == 0
    assert main(["paint", str(photos), str(out)]) == 0
    assert len(list(out.rglob("*.*"))) == 3


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
