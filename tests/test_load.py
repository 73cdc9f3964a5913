"""From names to tasks: the catalog, folders, Hub repositories, and every way in which they can be wrong."""

import hashlib
import json

import pytest
import torch
from PIL import Image

import artcore
from artcore.hub import HubError
from artcore.load import LoadError, catalog, load, pick, styles
from artcore.models.encoder import ArtEncoder
from artcore.models.stylenet import StyleNet
from artcore.tasks.painter import Painter

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
    with pytest.raises(LoadError, match="no method 'magic'; choose from auto, stylenet"):
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


def test_an_encoder_is_no_task(weights):
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
