"""From names to tasks: the catalog, folders, Hub repositories, and every way in which they can be wrong."""

import hashlib
import json

import pytest
import torch
from PIL import Image

import artcore
from artcore.hub import HubError
from artcore.load import TASKS, LoadError, catalog, load, mix, pick, styles
from artcore.models.cyclegan import CycleGAN
from artcore.models.encoder import ArtEncoder
from artcore.models.stylenet import StyleNet
from artcore.tasks.painter import Painter
from artcore.tasks.style import StyleTransfer

PHOTO = Image.new("RGB", (24, 16), (90, 120, 200))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A catalog of two tiny painters and an encoder."""
    lines = {}
    for seed, name in enumerate(["stylenet.monet", "stylenet.cubism"]):
        torch.manual_seed(seed)
        StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(tmp_path / name)
        data = (tmp_path / name / "model.safetensors").read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        lines[name] = {"label": name[9:].title(), "task": "painter", "folder": name, "sha256": sha256, "new": 1}
    ArtEncoder(channels=(4, 4), classes=2).save_pretrained(tmp_path / "encoder")
    lines["encoder"] = {"label": "Encoder", "task": "features", "folder": "encoder"}
    (tmp_path / "catalog.json").write_text(json.dumps(lines))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path))
    return tmp_path


def test_a_name_a_folder_and_the_package_give_the_same_picture(weights):
    by_name, by_folder = load("stylenet.monet"), load(weights / "stylenet.monet")
    assert isinstance(by_name, Painter)
    painted = by_name(PHOTO, seed=2).tobytes()
    assert by_folder(PHOTO, seed=2).tobytes() == painted
    assert artcore.load("stylenet.monet")(PHOTO, seed=2).tobytes() == painted
    assert load("stylenet.cubism")(PHOTO, seed=2).tobytes() != painted


def test_the_catalog_is_read_in_order_and_unknown_keys_are_ignored(weights):
    assert list(catalog()) == ["stylenet.monet", "stylenet.cubism", "encoder"]
    assert catalog()["stylenet.monet"].label == "Monet"
    assert list(styles()) == ["monet", "cubism"]


def test_pick_finds_the_method_for_a_style(weights):
    assert pick("monet") == pick("monet", "stylenet") == "stylenet.monet"
    with pytest.raises(LoadError, match="no style 'picasso'; choose from monet, cubism"):
        pick("picasso")
    with pytest.raises(LoadError, match="no method 'magic'; choose from auto, cyclegan, stylenet"):
        pick("monet", "magic")


def test_an_unknown_name_lists_the_known_ones(weights):
    with pytest.raises(LoadError, match="neither in the catalog .stylenet.monet.* nor a folder"):
        load("stylenet.picasso")


def test_weights_that_are_gone_or_changed_are_refused(weights):
    file = weights / "stylenet.monet" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(LoadError, match="sha256 differs"):
        load("stylenet.monet")
    file.unlink()
    with pytest.raises(LoadError, match="weights of stylenet.monet are missing; restore"):
        load("stylenet.monet")
    for other in (weights / "stylenet.monet").iterdir():
        other.unlink()
    (weights / "stylenet.monet").rmdir()
    with pytest.raises(LoadError, match="weights of stylenet.monet are missing; restore"):
        load("stylenet.monet")


def test_a_damaged_catalog_is_a_sentence_and_a_missing_one_is_empty(weights):
    (weights / "catalog.json").write_text("{")
    with pytest.raises(LoadError, match="restore it from a release"):
        catalog()
    (weights / "catalog.json").unlink()
    assert catalog() == {}


def test_the_encoder_is_a_style_transfer(weights):
    assert isinstance(load("encoder"), StyleTransfer)


def test_an_architecture_without_a_task_is_refused(weights, monkeypatch):
    monkeypatch.delitem(TASKS, "ArtEncoder")
    with pytest.raises(LoadError, match="holds weights of ArtEncoder, which is no task"):
        load("encoder")


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(HubError, match="holds no config.json"):
        load(tmp_path / "empty")


def test_a_hub_repository_gives_the_same_picture(weights, local_hub):
    from huggingface_hub import constants

    assert local_hub.url == constants.ENDPOINT
    net = StyleNet.from_pretrained(weights / "stylenet.monet")
    commit = net.push_to_hub("alice/monet", token="hf_alice")
    ours = load("stylenet.monet")(PHOTO).tobytes()
    assert load("alice/monet")(PHOTO).tobytes() == ours
    assert load("alice/monet", revision=commit.oid)(PHOTO).tobytes() == ours


def test_a_catalog_line_without_a_folder_comes_from_its_pinned_commit(weights, local_hub):
    old = StyleNet.from_pretrained(weights / "stylenet.monet").push_to_hub("alice/monet", token="hf_alice").oid
    StyleNet.from_pretrained(weights / "stylenet.cubism").push_to_hub("alice/monet", token="hf_alice")
    line = {"label": "Monet", "task": "painter", "repo": "alice/monet", "revision": old}
    (weights / "catalog.json").write_text(json.dumps({"stylenet.pinned": line}))
    expected = load(weights / "stylenet.monet")(PHOTO).tobytes()
    assert load("stylenet.pinned")(PHOTO).tobytes() == expected


def test_both_directions_of_a_cyclegan_are_loaded_and_it_comes_before_stylenet(weights):
    CycleGAN(channels=(4, 4, 4), blocks=1, refine=1).save_pretrained(weights / "cyclegan.monet")
    lines = json.loads((weights / "catalog.json").read_text())
    lines["cyclegan.monet"] = {"label": "Monet", "task": "painter", "folder": "cyclegan.monet"}
    (weights / "catalog.json").write_text(json.dumps(lines))
    assert pick("monet") == "cyclegan.monet" and pick("monet", "stylenet") == "stylenet.monet"
    painter = load("cyclegan.monet")
    assert painter.directions == ("to_painting", "to_photo")
    assert painter(PHOTO).tobytes() != painter(PHOTO, direction="to_photo").tobytes()


def test_a_mix_is_the_weighted_mean(weights):
    one, other = (StyleNet.from_pretrained(weights / f"stylenet.{s}").state_dict() for s in ("monet", "cubism"))
    mixed = mix({"stylenet.monet": 6, weights / "stylenet.cubism": 2}).model.float().state_dict()
    assert mixed.keys() == one.keys()
    for key in one:
        assert torch.allclose(mixed[key], 0.75 * one[key] + 0.25 * other[key], rtol=0.01, atol=1e-6), key


def test_how_far_levels_are_drawn_out_is_mixed_as_the_weights_are(tmp_path):
    plain, drawn_out = str(tmp_path / "plain"), str(tmp_path / "drawn_out")
    for folder, amount in ((plain, 0.0), (drawn_out, 0.8)):
        CycleGAN(channels=(4, 4, 4), blocks=1, levels=amount).save_pretrained(folder)
    painter = mix({plain: 3, drawn_out: 1})
    assert painter.levels("to_photo") == pytest.approx(0.2) and painter.levels("to_painting") == 0
    painter.model.save_pretrained(tmp_path / "mixed")
    assert load(tmp_path / "mixed").levels("to_photo") == pytest.approx(0.2)
    assert mix({drawn_out: 3, plain: 1}).levels("to_photo") == pytest.approx(0.6)  # whichever comes last


@pytest.mark.parametrize("shares", [{"stylenet.monet": 0.3}, {"stylenet.cubism": 0, "stylenet.monet": 1}])
def test_the_mix_of_one_painter_is_that_painter(weights, shares):
    mixed, alone = mix(shares), load("stylenet.monet")
    for key, value in alone.model.state_dict().items():
        assert torch.equal(mixed.model.state_dict()[key], value)
    assert mixed(PHOTO, seed=1).tobytes() == alone(PHOTO, seed=1).tobytes()


@pytest.mark.parametrize("bad", [{}, None, {"stylenet.monet": 0}])
def test_a_mix_of_nothing_is_refused(weights, bad):
    with pytest.raises(LoadError, match="give"):
        mix(bad)


@pytest.mark.parametrize("share", [-1, float("nan"), float("inf"), "1", None, True])
def test_a_share_that_is_no_number_from_0_is_refused(weights, share):
    with pytest.raises(LoadError, match="The share of stylenet.monet is .*; give a number from 0"):
        mix({"stylenet.cubism": 1, "stylenet.monet": share})


def test_only_painters_of_one_shape_are_mixed(weights):
    StyleNet(channels=(4, 4, 4), blocks=1, cells=(1, 2, 4)).save_pretrained(weights / "other_noise")
    CycleGAN(channels=(4, 4, 4), blocks=1).save_pretrained(weights / "two_ways")
    for other in ("other_noise", "two_ways"):
        with pytest.raises(LoadError, match=f"{other} is a net of another shape than stylenet.monet; mix"):
            mix({"stylenet.monet": 1, str(weights / other): 1})
    with pytest.raises(LoadError, match="encoder is no painter"):
        mix({"stylenet.monet": 1, "encoder": 1})
    with pytest.raises(LoadError, match="neither in the catalog"):
        mix({"stylenet.monet": 1, "stylenet.picasso": 1})
