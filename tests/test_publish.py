"""Publishing: to a Hub on loopback by the real client, and into weights/."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from huggingface_hub import HfApi, constants
from PIL import Image

from artcore import cards, image, load
from artcore.models.cyclegan import CycleGAN
from artcore.models.encoder import ArtEncoder
from artcore.models.enhancenet import EnhanceNet
from artcore.models.stylenet import StyleNet
from training import publish

REPO, NAME = "alice/little-gogh", "stylenet.vangogh"


def picture(seed: int = 0) -> Image.Image:
    rng = torch.Generator().manual_seed(seed)
    return Image.fromarray(torch.randint(0, 256, (40, 52, 3), generator=rng, dtype=torch.uint8).numpy())


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Weights of the test's own, and a small example photo."""
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "data" / "examples").mkdir(parents=True)
    picture().save(tmp_path / "data" / "examples" / "photo_one.jpg")
    monkeypatch.setattr(cards.scores, "EXAMPLES", tmp_path / "data" / "examples")
    monkeypatch.setattr(cards.scores, "EXAMPLE_SIZE", 40)


@pytest.fixture
def our_hub(local_hub, monkeypatch):
    """A Hub, and a login that may write."""
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    return local_hub


@pytest.fixture
def run(tmp_path):
    """What a trainer leaves behind: model/ and training.json."""
    return make_run(tmp_path / "run")


def make_run(folder, seed: int = 1):
    torch.manual_seed(seed)
    net = StyleNet(channels=(4, 4, 4), blocks=1)
    net.save_pretrained(folder / "model", dtype="float16")
    record = {"trainer": "training.train_stylenet", "step": 500, "minutes": 3, "config": {"out": "/here"}}
    (folder / "training.json").write_text(json.dumps(record))
    return folder


def pixels(painter) -> bytes:
    return painter(picture(5), strength=1.0, seed=3).tobytes()


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# To a Hub


def test_a_published_net_comes_back_the_same(run, our_hub, capsys):
    assert publish.main([str(run), REPO, "--name", NAME, "--label", "Van Gogh", "--tag", "v1"]) == 0
    here = pixels(load.load(run / "model"))
    entry = load.catalog()[NAME]
    assert (entry.repo, entry.task, entry.label, entry.path) == (REPO, "painter", "Van Gogh", None)
    info = HfApi(token="hf_alice").model_info(REPO)
    assert entry.revision == info.sha and len(entry.revision) == 40
    assert entry.revision in capsys.readouterr().out
    for source, revision in ((REPO, entry.revision), (REPO, "v1"), (NAME, None)):
        assert pixels(load.load(source, revision=revision)) == here

    files = our_hub.repositories["model", REPO].commits[entry.revision].files
    assert {"README.md", "sample.jpg", "thumbnail.jpg", "config.json", "model.safetensors"} <= files.keys()
    # The very file that the trainer wrote, in the precision that it chose.
    assert files["model.safetensors"].data == (run / "model" / "model.safetensors").read_bytes()
    assert entry.sha256 == digest(run / "model" / "model.safetensors")
    card = files["README.md"].data.decode()
    assert f'artcore.load("{REPO}")' in card and entry.sha256 in card and "| steps | 500 |" in card
    assert cards.disagreements(cards.read_examples(card), cards.example_score(load.load(NAME))) == []
    assert image.open(files["sample.jpg"].data).size == (1456, 648)


def test_an_upscaler_is_published_as_one(our_hub, tmp_path):
    torch.manual_seed(3)
    EnhanceNet(channels=8, blocks=1).save_pretrained(tmp_path / "run" / "model", dtype="float16")
    entry = publish.publish(tmp_path / "run", "alice/enhancenet.fidelity", label="Faithful")
    assert load.catalog()["enhancenet.fidelity"] == entry and entry.task == "upscaler"
    assert load.load("enhancenet.fidelity")(picture()).size == (208, 160)
    files = our_hub.repositories["model", "alice/enhancenet.fidelity"].commits[entry.revision].files
    assert {"README.md", "sample.jpg", "thumbnail.jpg", "config.json", "model.safetensors"} <= files.keys()
    assert 'artcore.load("alice/enhancenet.fidelity")' in files["README.md"].data.decode()


def test_an_encoder_has_no_card_to_push(our_hub, tmp_path):
    ArtEncoder(channels=(4, 4, 4, 4), classes=2).save_pretrained(tmp_path / "run" / "model")
    with pytest.raises(publish.PublishError, match="--local encoder"):
        publish.publish(tmp_path / "run", "alice/encoder")
    assert not our_hub.repositories


def test_the_pin_holds_when_the_repository_goes_on(run, our_hub, tmp_path):
    first = publish.publish(run, REPO, name=NAME)
    here = pixels(load.load(NAME))
    StyleNet.from_pretrained(make_run(tmp_path / "other", 2) / "model").push_to_hub(REPO)
    assert pixels(load.load(REPO)) != here
    assert pixels(load.load(NAME)) == here and load.catalog()[NAME].revision == first.revision


def test_private_stays_private_and_float32_stays_float32(run, our_hub, monkeypatch):
    model = StyleNet.from_pretrained(run / "model")
    model.save_pretrained(run / "model")
    entry = publish.publish(run, REPO, name=NAME, private=True)
    assert our_hub.repositories["model", REPO].private
    assert entry.sha256 == digest(run / "model" / "model.safetensors")
    monkeypatch.setenv("HF_TOKEN", "hf_bob")
    with pytest.raises(ValueError, match="log in"):
        load.load(REPO, revision="main")


def test_the_endpoint_flag_leads_to_that_hub(run, our_hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    url = our_hub.url
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}")
    assert publish.main([str(run), REPO, "--name", NAME, "--endpoint", url + "/"]) == 0
    assert ("model", REPO) in our_hub.repositories


def test_a_refused_push_leaves_the_catalog_alone(run, our_hub, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "hf_alice_read")
    assert publish.main([str(run), REPO, "--name", NAME]) == 2
    assert "write" in capsys.readouterr().err
    assert load.catalog() == {} and not our_hub.repositories


# Into weights/


def test_an_installed_net_ships_byte_for_byte(run, tmp_path):
    assert publish.main([str(run), "--local", NAME, "--label", "Van Gogh"]) == 0
    entry, home = load.catalog()[NAME], tmp_path / "weights" / NAME
    assert entry.path == home and entry.licence == "research use" and entry.repo is None
    for file in ("model.safetensors", "config.json"):
        assert (home / file).read_bytes() == (run / "model" / file).read_bytes()
    assert entry.sha256 == digest(home / "model.safetensors")
    assert {p.name for p in home.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "sample.jpg", "thumbnail.jpg",
    }  # fmt: skip
    assert "/here" not in (home / "README.md").read_text()
    assert pixels(load.load(NAME)) == pixels(load.load(run / "model"))
    assert [p.name for p in sorted((tmp_path / "weights").iterdir())] == ["catalog.json", NAME]


def test_a_cyclegan_installs_from_its_run_with_all_that_its_card_has_a_place_for(tmp_path, capsys):
    torch.manual_seed(2)
    run, figures = tmp_path / "cg", {"to_photo": {"256 px": {"colour": 0.5}}}
    CycleGAN(channels=(4, 4, 4), blocks=1, refine=0).save_pretrained(run / "model", dtype="float16")
    config = {"init_to_painting": "/here/stylenet.monet", "ema": 0.99}
    (run / "training.json").write_text(json.dumps({"trainer": "train_cyclegan", "config": config}))
    (tmp_path / "runs.json").write_text(json.dumps([{"name": "resnet", "minutes": 61, "figures": figures}]))
    picture(4).save(tmp_path / "both.png")
    words = ["--note", "Look at the sky.", "--compared", str(tmp_path / "both.png")]
    words += ["--baseline", str(tmp_path / "runs.json")]
    assert publish.main([str(run), "--local", "cyclegan.monet", *words]) == 0
    assert "cyclegan.monet" in capsys.readouterr().out
    entry = load.catalog()["cyclegan.monet"]
    card = (entry.path / cards.CARD).read_text()
    assert "*manchas*" in card and "Look at the sky." in card and "| resnet, 61 minutes |" in card
    assert "stylenet.monet |" in card and "/here" not in card
    assert {p.name for p in entry.path.iterdir()} >= {cards.CARD, cards.COMPARED, cards.SAMPLE, cards.THUMBNAIL}
    painter = load.load("cyclegan.monet")
    assert painter(picture(), direction="to_photo").size == painter(picture()).size == (52, 40)
    (tmp_path / "runs.json").write_text("[")
    assert publish.main([str(run), "--local", "cyclegan.monet", *words]) == 2
    assert "runs.json can't be read" in capsys.readouterr().err
    assert (entry.path / cards.CARD).read_text() == card


def test_installing_again_replaces_it_and_keeps_words_and_order(run, tmp_path):
    publish.install(run, NAME, label="Vincent", licence="CC0-1.0")
    publish.install(run, "stylenet.monet")
    first = pixels(load.load(NAME))
    entry = publish.install(make_run(tmp_path / "other", 2), NAME)
    assert (entry.label, entry.licence) == ("Vincent", "CC0-1.0")
    assert list(load.catalog()) == [NAME, "stylenet.monet"]
    assert load.catalog()["stylenet.monet"].label == "Monet"
    assert pixels(load.load(NAME)) != first


def test_what_ships_can_be_published_and_goes_on_shipping(run, our_hub, tmp_path):
    publish.install(run, NAME, label="Van Gogh")
    entry = publish.publish(tmp_path / "weights" / NAME, REPO, name=NAME)
    assert entry.path == tmp_path / "weights" / NAME and entry.revision and entry.label == "Van Gogh"
    again = publish.install(run, NAME)
    assert again.revision == entry.revision  # the very same checkpoint
    other = make_run(tmp_path / "other", 2)
    with pytest.raises(publish.PublishError, match="another checkpoint"):
        publish.publish(other, REPO, name=NAME)
    assert publish.install(other, NAME).revision is None


def test_an_encoder_ships_as_features(tmp_path):
    ArtEncoder(channels=(4, 4, 4, 4), classes=2).save_pretrained(tmp_path / "run" / "model")
    entry = publish.install(tmp_path / "run", "encoder")
    assert entry.task == "features" and entry.path == tmp_path / "weights" / "encoder"
    card = (entry.path / "README.md").read_text()
    assert "image-feature-extraction" in card and "ImageNet" in card and entry.sha256 in card
    assert ArtEncoder.from_pretrained(entry.path).layers[-1] in card


def test_a_failure_keeps_what_was_there(run, tmp_path, monkeypatch):
    publish.install(run, NAME)
    before = {p: p.read_bytes() for p in (tmp_path / "weights").rglob("*") if p.is_file()}
    other = make_run(tmp_path / "other", 2)
    with pytest.raises(cards.CardError, match="no folder"):
        publish.install(other, NAME, data=tmp_path / "nowhere")
    (other / "training.json").write_text("{")
    with pytest.raises(cards.CardError, match="training.json"):
        publish.install(other, NAME)
    assert {p: p.read_bytes() for p in (tmp_path / "weights").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere", "--local", NAME], "holds no config.json"),
        (["run", "--local", "../outside"], "no name of a painter"),
        (["run", "--local", "vangogh"], "no name of a painter"),
        (["run", "--local", "cyclewhat.vangogh"], "no name of a painter"),
        (["run", "little-gogh", "--name", NAME], "like org/name"),
        (["run", REPO], "--name where you push"),
        (["run", REPO, "--name", NAME, "--endpoint", "hub.example.org"], "no address of a Hub"),
    ],
)
def test_what_can_not_be_published_is_one_sentence(run, tmp_path, monkeypatch, capsys, arguments, why):
    monkeypatch.chdir(tmp_path)
    assert publish.main(arguments) == 2
    error = capsys.readouterr().err
    assert why in error and error.count("\n") == 1
    assert load.catalog() == {}


def test_a_checkpoint_that_is_too_large_to_ship_is_refused(run, monkeypatch):
    monkeypatch.setattr(cards, "LARGEST", 100)
    with pytest.raises(publish.PublishError, match="float16"):
        publish.install(run, NAME)
