"""Recipes: what stands in a file, what does not, and that nothing which is read is believed."""

from __future__ import annotations

import dataclasses
import html
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artcore import image, load, recipe, runtime
from artcore.models.stylenet import StyleNet
from artcore.recipe import Checkpoint, Recipe, RecipeError, Reference
from artcore.tasks.chain import Chain
from artcore.tasks.colorize import Colorizer
from artcore.tasks.painter import Painter
from tests.colour_net import colour_net

FORMATS = ["PNG", "JPEG", "WEBP", "TIFF"]
PHOTO = Reference("b" * 64, (40, 30))
MADE = Recipe(
    "painter",
    ((Checkpoint("stylenet.vangogh", "a" * 64, 0.6), Checkpoint("org/name@main", None, 0.4)),),
    PHOTO,
    {"strength": 1.25, "seed": 7, "direction": "to_painting", "odd": "<&\"'é>\n", "list": [1, 2], "none": None},
    {"mask": (Reference("c" * 64, (3, 4), True),)},
    run={"torch": "2.0", "threads": 2},
)


def photo(mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, len(mode)), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0110], exif[0x8769] = "Camera obscura", {0x9286: b"a secret note"}
    made = Image.fromarray(pixels)
    made.info["exif"] = exif.tobytes()
    return made


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(StyleNet(channels=(4, 4, 4), blocks=1))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("kept", [False, True], ids=["alone", "with EXIF and profile"])
def test_round_trip_in_every_format(tmp_path: Path, format: str, mode: str, kept: bool) -> None:
    signed = recipe.sign(photo(mode), MADE)
    data = image.encode(signed, format, quality=80, exif=kept, icc=kept)
    found = recipe.read(data)
    assert dataclasses.replace(found, file={}) == MADE
    written = {"format": format} | ({"quality": 80} if format in ("JPEG", "WEBP") else {})
    assert found.file == written | ({"exif": True, "icc": True} if kept else {})
    (tmp_path / "a").write_bytes(data)
    assert recipe.read(tmp_path / "a") == found
    assert data == image.encode(signed, format, quality=80, exif=kept, icc=kept)  # the same bytes each time
    opened = Image.open(io.BytesIO(data))
    opened.load()
    exif = opened.getexif()
    assert exif.get(0x0110) == ("Camera obscura" if kept else None)
    assert exif.get_ifd(0x8769).get(0x9286) == (b"a secret note" if kept else None)
    assert image.open(data).tobytes() == image.open(image.encode(photo(mode), format, quality=80, icc=kept)).tobytes()


@pytest.mark.parametrize("format", [*FORMATS, "BMP"])
def test_the_off_switch_leaves_what_a_picture_without_a_recipe_gives(format: str) -> None:
    signed = recipe.sign(photo(), MADE)
    without = image.encode(signed, format, recipe=False)
    assert without == image.encode(photo(), format) and recipe.read(without) is None
    assert (image.encode(signed, format) == without) == (format == "BMP")  # which has no place for it


def test_sixteen_bits_carry_it_beside_exif(tmp_path: Path) -> None:
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 65536, (32, 48), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    grey.save(tmp_path / "grey.png", exif=exif.tobytes())
    colouring = Colorizer(colour_net()).colour(tmp_path / "grey.png", seed=3)
    for kept in (False, True):
        data = colouring.encode("TIFF", exif=kept, icc=kept)
        found = recipe.read(data)
        assert found.options["seed"] == 3 and found.file.get("exif", False) is kept
        assert Image.open(io.BytesIO(data)).getexif().get(0x0110) == ("Camera obscura" if kept else None)
        assert recipe.read(colouring.encode("TIFF", exif=kept, recipe=False)) is None
    again = type(colouring).from_bytes(colouring.to_bytes(), tmp_path / "grey.png")
    assert again.encode("TIFF") == colouring.encode("TIFF")


def test_it_names_no_path_and_no_file_and_nothing_of_the_photo(tmp_path: Path, painter: Painter) -> None:
    folder = tmp_path / "Secret-folder"
    folder.mkdir()
    for name in ("holiday", "someone"):
        photo().save(folder / f"{name}.jpg", exif=photo().info["exif"], comment="a hidden comment")
    data = image.encode(painter(folder / "holiday.jpg", regions=[(painter, folder / "someone.jpg")]))
    for word in (b"Secret", b"holiday", b"someone", b"Camera", b"secret", b"hidden", str(tmp_path).encode()):
        assert word not in data
    assert recipe.read(data).pictures["mask"][0].sha256 == recipe.read(data).input.sha256  # the same bytes


def test_pictures_made_of_a_signed_one_are_not_signed(painter: Painter, tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    made = painter(tmp_path / "a.png")
    assert recipe.of(made).task == "painter"
    for other in (made.copy(), made.crop((0, 0, 9, 9)), image.thumbnail(made, 20), image.open(made)):
        assert recipe.of(other) is None and recipe.read(image.encode(other)) is None
    opened = image.open(tmp_path / "a.png")
    assert recipe.reference(opened).pixels is False
    assert recipe.reference(opened.crop((0, 0, 9, 9))).pixels is True  # it is no longer that file
    assert recipe.reference(made).pixels is True


def test_the_same_call_gives_the_same_recipe_however_numbers_are_written(painter: Painter, tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    one = painter(tmp_path / "a.png", strength=1, seed=0, light=0)
    assert image.encode(one) == image.encode(painter(image.open(tmp_path / "a.png"), strength=1.0))
    assert image.encode(painter((tmp_path / "a.png").read_bytes())) == image.encode(one)
    assert recipe.of(one).run == runtime.described()
    assert recipe.of(painter(tmp_path / "a.png", strength=0)).options["strength"] == 0
    assert recipe.of(one).nets == ((Checkpoint(),),)  # a net of no checkpoint


def test_checkpoints_are_called_by_the_catalog_whatever_they_were_loaded_by(tmp_path, monkeypatch) -> None:
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(tmp_path / "stylenet.a")
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(tmp_path / "elsewhere")
    (tmp_path / "catalog.json").write_text(json.dumps({"stylenet.a": {"task": "painter", "label": "A",
                                                                     "folder": "stylenet.a"}}))  # fmt: skip
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path))
    by_name, by_path, other = (
        recipe.net(load.load(source).model)[0]
        for source in ("stylenet.a", tmp_path / "stylenet.a", tmp_path / "elsewhere")
    )
    assert by_name == by_path and by_name.name == "stylenet.a" and len(by_name.sha256) == 64
    assert other.name is None and other.sha256 != by_name.sha256
    mixed = recipe.net(load.mix({"stylenet.a": 2, str(tmp_path / "elsewhere"): 1}).model)
    assert [(net.name, net.share) for net in mixed] == [("stylenet.a", 2.0), (None, 1.0)]


def test_a_chain_has_the_recipes_of_its_steps(painter: Painter, tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    made = recipe.of(Chain([(painter, {"seed": 3}), (painter, {"strength": 0.5})])(tmp_path / "a.png"))
    assert [step.options["seed"] for step in made.steps] == [3, 0] and made.task == "chain"
    assert made.input == recipe.reference(image.open(tmp_path / "a.png"))
    assert all(step.input is None and not step.run for step in made.steps)
    assert Recipe.from_json(made.to_json()) == made


# --- what others may have written --------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", b"\x89PNG\r\n\x1a\n", b"<artcore:recipe", bytes(1000)])
def test_foreign_files_have_none(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    assert recipe.read(data) is None and recipe.read(tmp_path / "a") is None
    foreign = image.open(photo())
    foreign.info["xmp"] = b"<x:xmpmeta/>"
    assert recipe.read(image.encode(foreign, "JPEG")) is None


def test_a_file_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(RecipeError, match="can't be read: choose"):
            recipe.read(path)


def told(**changes: object) -> str:
    return json.dumps({**json.loads(MADE.to_json()), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "7", '"text"', "[" * 5000, '{"version": 1}', told(version=None), told(version=0),
        told(version=True), told(version="1"), told(task="dance"), told(task=["painter"]), told(task={}),
        told(nets=[]), told(nets=[[]]), told(nets={}), told(nets=[[{"name": "../../etc/passwd"}]]),
        told(nets=[[{"name": "/etc/passwd"}]]), told(nets=[[{"name": "a b"}]]), told(nets=[[{"name": "é"}]]),
        told(nets=[[{"sha256": "A" * 64}]]), told(nets=[[{"sha256": "a"}]]), told(nets=[[{"share": 0}]]),
        told(nets=[[{"share": True}]]), told(nets=[[{"share": 1e300}]]), told(nets=[[{"share": "1"}]]),
        told(nets=[[None]]), told(nets=[[{}] * 99]), told(input=None), told(input={}), told(input="photo.jpg"),
        told(input={"sha256": "b" * 64, "size": [0, 1]}), told(input={"sha256": "b" * 64, "size": [1.5, 1]}),
        told(input={"sha256": "b" * 64, "size": [1]}), told(input={"sha256": "b" * 64, "size": [1, 1], "pixels": 1}),
        told(options=[]), told(options={"a b": 1}), told(options={"A": 1}), told(options={"x": {"y": 1}}),
        told(options={"x": [[1]]}) + "]", told(options={"x": "y" * 2001}), told(options={"x": "a\x1b[2J"}),
        told(options={"x": "\u202e"}), told(options={f"x{n}": n for n in range(99)}),
        told(options={"x": 10**400}), '{"version":1,"task":"painter","options":{"x":NaN}}',
        '{"version":1,"task":"painter","options":{"x":1e999}}', told(pictures={"mask": [{}]}), told(pictures=[1]),
        told(ran=[-1]), told(ran=["1"]), told(ran=[True]), told(run=7), told(file=[]), told(artcore=None),
        told(artcore=7), told(more=1), told(steps=[{}]), told(task="chain"), told(task="chain", steps=[]),
        json.dumps({"version": 1, "artcore": "1", "task": "chain", "input": json.loads(MADE.to_json())["input"],
                    "steps": [json.loads(MADE.to_json())]}),  # a step that has an input
    ],
)  # fmt: skip
def test_a_damaged_or_hostile_recipe_is_one_sentence(text: str) -> None:
    data = recipe.PACKET.format(html.escape(text, quote=False)).encode()
    with pytest.raises(RecipeError, match=r"The recipe in this file is damaged \(.*\): choose the file"):
        recipe.read(b"junk" + data + b"junk")


def test_one_of_a_later_version_says_so() -> None:
    with pytest.raises(RecipeError, match="written by a newer artcore: update artcore"):
        Recipe.from_json(told(version=2, whatever=1))


def test_size_is_capped_both_ways() -> None:
    long = dataclasses.replace(MADE, options={f"x{n}": "y" * 1999 for n in range(50)})
    assert long.packet() is None and recipe.read(image.encode(recipe.sign(photo(), long))) is None
    bomb = (recipe.OPEN + "x" * 10**7).encode()
    for data in (bomb, bomb + recipe.CLOSE.encode(), (recipe.OPEN + "[" * 30_000 + recipe.CLOSE).encode()):
        with pytest.raises(RecipeError, match="is damaged"):
            recipe.read(data)
    with pytest.raises(RecipeError, match="is damaged"):
        recipe.read(recipe.OPEN.encode() + b"\xff\xfe" + recipe.CLOSE.encode())


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_cut_anywhere_gives_a_recipe_none_or_a_sentence(format: str) -> None:
    data = image.encode(recipe.sign(photo(), MADE), format)
    seen = set()
    for end in range(0, len(data), 97):
        try:
            seen.add(type(recipe.read(data[:end])))
        except RecipeError:
            seen.add(RecipeError)
    assert type(None) in seen and RecipeError in seen
