"""artcore.hub against the real huggingface_hub client and a Hub on loopback: tests/local_hub.py."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from huggingface_hub import CommitOperationAdd, HfApi, constants, file_download, snapshot_download
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import are_progress_bars_disabled
from safetensors.torch import load_file, save_file
from torch import nn

from artcore.hub import ArtModel, HubError

ROOT = Path(__file__).resolve().parents[1]
REPO = "alice/tiny"
TOKEN = "hf_alice"

# The client's own: it hands an upload to its HTTP library in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


class TinyNet(ArtModel):
    def __init__(
        self,
        widths: tuple[int, ...] = (4, 4),
        *,
        norm: str = "batch",
        eps: float = 1e-5,
        extra: dict | None = None,
    ):
        super().__init__()
        if norm not in ("batch", "none"):
            raise ValueError(f"norm is {norm!r}: choose batch or none")
        layers, before = [], 3
        for width in widths:
            layers.append(nn.Conv2d(before, width, 3, padding=1))
            if norm == "batch":
                layers.append(nn.BatchNorm2d(width, eps=eps))
            before = width
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class OtherNet(ArtModel):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(2, 2)


class NeedyNet(ArtModel):
    def __init__(self, size: int, thing: object = None):
        super().__init__()
        self.body = nn.Linear(size, size)


@pytest.fixture
def quick(monkeypatch):
    """The client's waits between two tries, made short."""

    class Clock:
        sleep = staticmethod(lambda _: None)

        def __getattr__(self, name):
            return getattr(time, name)

    monkeypatch.setattr(file_download, "time", Clock())


def tiny(**arguments) -> TinyNet:
    model = TinyNet(**arguments)
    model(torch.rand(2, 3, 8, 8))  # so that the batch norm's statistics are not those of a fresh net
    return model


def same(a: nn.Module, b: nn.Module) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def edit_config(folder, **changes) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))


def edit_tensors(folder, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors")


def cache_files(tmp_path) -> list:
    return sorted(p for p in (tmp_path / "hub-cache").rglob("*") if p.is_file())


# Folders


def test_folder_round_trip(tmp_path, capfd):
    model = tiny(widths=(4, 6), eps=1e-3)
    assert model.save_pretrained(tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    loaded = TinyNet.from_pretrained(tmp_path / "new" / "folder")
    assert same(model, loaded) and not loaded.training
    x = torch.rand(1, 3, 5, 7)
    assert torch.equal(model.eval()(x), loaded(x))
    assert loaded.body[1].eps == 1e-3
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert capfd.readouterr() == ("", "")


def test_config_json_is_the_constructor(tmp_path):
    tiny(widths=(4, 6), extra={"a": (1, (2, 3))}).save_pretrained(tmp_path)
    text = (tmp_path / "config.json").read_text()
    config = {
        "architecture": "TinyNet",
        "widths": [4, 6],
        "norm": "batch",
        "eps": 1e-5,
        "extra": {"a": [1, [2, 3]]},
    }
    assert text == json.dumps(config, indent=2) + "\n"  # every default, in the order of the signature
    loaded = TinyNet.from_pretrained(str(tmp_path))
    assert loaded._config() == {**config, "widths": (4, 6), "extra": {"a": (1, (2, 3))}}
    loaded.save_pretrained(tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_copies_keep_their_arguments(tmp_path):
    copy.deepcopy(tiny(widths=(5,))).save_pretrained(tmp_path)
    assert TinyNet.from_pretrained(tmp_path).body[0].out_channels == 5


def test_loading_leaves_the_random_numbers_alone(tmp_path):
    tiny().save_pretrained(tmp_path)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    TinyNet.from_pretrained(tmp_path)
    assert torch.equal(torch.rand(4), expected)


def test_half_precision_file_gives_float32_parameters(tmp_path):
    model = tiny(widths=(32, 32))
    model.save_pretrained(tmp_path / "full")
    model.save_pretrained(tmp_path / "half", dtype="float16")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    stored = load_file(tmp_path / "half" / "model.safetensors")
    assert stored["body.0.weight"].dtype is torch.float16
    assert stored["body.1.num_batches_tracked"].dtype is torch.int64
    loaded = TinyNet.from_pretrained(tmp_path / "half")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert torch.equal(loaded.body[0].weight, model.body[0].weight.half().float())


def test_saves_channels_last_half_and_tied_weights(tmp_path):
    model = tiny().to(memory_format=torch.channels_last)
    model.save_pretrained(tmp_path / "a")
    assert same(TinyNet.from_pretrained(tmp_path / "a"), model)
    model.to(torch.bfloat16).save_pretrained(tmp_path / "b")
    assert same(TinyNet.from_pretrained(tmp_path / "b"), model.float())
    model.body[2].bias = model.body[0].bias
    model.save_pretrained(tmp_path / "c")
    assert same(TinyNet.from_pretrained(tmp_path / "c"), model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_saves_from_a_gpu(tmp_path):
    model = tiny()
    copy.deepcopy(model).cuda().save_pretrained(tmp_path)
    assert same(TinyNet.from_pretrained(tmp_path), model)


def test_save_refuses_bad_weights_and_writes_nothing(tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    with torch.no_grad():
        model.body[0].bias[1] = 1e6
    with pytest.raises(
        HubError, match="body.0.bias exceeds the range of float16: save it with dtype='float32'"
    ):
        model.save_pretrained(tmp_path, dtype="float16")
    with torch.no_grad():
        model.body[0].bias[1] = float("nan")
    with pytest.raises(HubError, match="body.0.bias holds NaN or infinite weights.*smaller learning rate"):
        model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    with pytest.raises(HubError, match="dtype is 'int8': choose one of float32, float16"):
        tiny().save_pretrained(tmp_path, dtype="int8")
    with pytest.raises(HubError, match="can't be written"):
        tiny().save_pretrained(tmp_path / "config.json")
    with pytest.raises(HubError, match="can't hold its argument 'thing'"):
        NeedyNet(2, thing=torch.ones(2)).save_pretrained(tmp_path / "needy")


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path, monkeypatch):
    model = tiny()
    model.save_pretrained(tmp_path)

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("artcore.hub.os.replace", broken)
    with pytest.raises(HubError, match="No space left"):
        tiny().save_pretrained(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert same(TinyNet.from_pretrained(tmp_path), model)


def drop(name):
    return lambda t: {k: v for k, v in t.items() if k != name}


def rename(old, new):
    return lambda t: {new if k == old else k: v for k, v in t.items()}


BROKEN = {
    "no config": (lambda f: (f / "config.json").unlink(), "holds no config.json"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "holds no model.safetensors .*no pickle"),
    "config is not JSON": (
        lambda f: (f / "config.json").write_text('{"arch'),
        "config.json of .* can't be read",
    ),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
    "no architecture": (lambda f: edit_config(f, architecture=...), "names no architecture"),
    "another architecture": (
        lambda f: edit_config(f, architecture="OtherNet"),
        "holds an OtherNet, not a TinyNet: load it with OtherNet.from_pretrained",
    ),
    "unknown key": (
        lambda f: edit_config(f, wdiths=3),
        "sets wdiths, which TinyNet does not take.* newer artcore",
    ),
    "refused value": (lambda f: edit_config(f, norm="layer"), "TinyNet refuses .norm is 'layer'"),
    "wrong type": (lambda f: edit_config(f, widths="wide"), "TinyNet refuses"),
    "renamed layer": (
        lambda f: edit_tensors(f, rename("body.0.weight", "stem.weight")),
        "it lacks body.0.weight and it has stem.weight too; load it with the version",
    ),
    "missing tensor": (lambda f: edit_tensors(f, drop("body.0.bias")), "it lacks body.0.bias; "),
    "many missing": (
        lambda f: edit_config(f, widths=[4, 4, 4]),
        "it lacks body.4.weight, .*, .* and 4 more; ",
    ),
    "unexpected tensor": (lambda f: edit_tensors(f, lambda t: t | {"x": torch.ones(1)}), "it has x too; "),
    "wrong shape": (
        lambda f: edit_config(f, widths=[5, 4]),
        "body.0.weight is 4x3x3x3 float32 in the file and 5x3x3x3",
    ),
    "wrong kind": (
        lambda f: edit_tensors(f, lambda t: t | {"body.0.bias": torch.zeros(4, dtype=torch.int64)}),
        "body.0.bias is 4 int64 in the file and 4 float32 in the net",
    ),
    "NaN": (
        lambda f: edit_tensors(f, lambda t: t | {"body.0.bias": torch.full((4,), float("nan"))}),
        "NaN or infinite weights in body.0.bias",
    ),
    "truncated": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
        "is truncated or no safetensors file .*: copy or save the checkpoint again",
    ),
    "cut in the header": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:20]),
        "is truncated or no safetensors file",
    ),
    "empty": (lambda f: (f / "model.safetensors").write_bytes(b""), "is truncated or no safetensors file"),
    "pickle": (lambda f: torch.save({}, f / "model.safetensors"), "is truncated or no safetensors file"),
    "LFS pointer": (
        lambda f: (f / "model.safetensors").write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
        ),
        "Git LFS pointer: run `git lfs pull`",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_checkpoint(case, tmp_path):
    breakage, message = BROKEN[case]
    tiny().save_pretrained(tmp_path)
    TinyNet.from_pretrained(tmp_path)  # whole as yet
    breakage(tmp_path)
    with pytest.raises(HubError, match=message) as caught:
        TinyNet.from_pretrained(tmp_path)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_missing_arguments_take_their_defaults_or_are_named(tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path)
    edit_config(tmp_path, eps=...)  # an older checkpoint
    assert same(TinyNet.from_pretrained(tmp_path), model)
    NeedyNet(2).save_pretrained(tmp_path)
    edit_config(tmp_path, size=...)
    with pytest.raises(HubError, match="lacks size: save the checkpoint again"):
        NeedyNet.from_pretrained(tmp_path)


def test_sources_that_are_no_folder(tmp_path, local_hub):
    tiny().save_pretrained(tmp_path / "out")
    for source in (
        "./nowhere",
        "../nowhere/x",
        "/nowhere",
        "~/nowhere/at/all",
        "a/b/c",
        "",
        tmp_path / "nowhere",
    ):
        with pytest.raises(HubError, match="There is no folder .*check the path"):
            TinyNet.from_pretrained(source)
    with pytest.raises(HubError, match="is a file: give the folder"):
        TinyNet.from_pretrained(tmp_path / "out" / "model.safetensors")
    with pytest.raises(HubError, match="is a folder and has no revision 'v1'"):
        TinyNet.from_pretrained(tmp_path / "out", revision="v1")
    with pytest.raises(HubError, match="neither a folder nor a repository of the Hub"):
        TinyNet.from_pretrained("what is this?")
    assert local_hub.requests == []


# The Hub


def test_round_trip_through_the_hub(local_hub, capfd, caplog, monkeypatch):
    for module in ("huggingface_hub.constants", "huggingface_hub.utils.tqdm"):  # conftest turned the bars off
        monkeypatch.setattr(sys.modules[module], "HF_HUB_DISABLE_PROGRESS_BARS", None)
    assert not are_progress_bars_disabled()
    model = tiny(widths=(4, 6))
    commit = model.push_to_hub(REPO, token=TOKEN)
    loaded = TinyNet.from_pretrained(REPO)
    assert same(model, loaded) and loaded.body[2].out_channels == 6 and not loaded.training
    api = HfApi()
    assert commit.oid == api.model_info(REPO).sha
    assert sorted(api.list_repo_files(REPO)) == [
        ".gitattributes",
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert [c.title for c in api.list_repo_commits(REPO)] == ["Upload TinyNet", "initial commit"]
    # The weights went through LFS and are named by their SHA-256.
    [weights] = api.get_paths_info(REPO, ["model.safetensors"])
    [(digest, data)] = local_hub.objects.items()
    assert weights.lfs.sha256 == digest == hashlib.sha256(data).hexdigest()
    assert capfd.readouterr() == ("", "")
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert not are_progress_bars_disabled()  # the switch is back


def test_short_card(local_hub):
    tiny().push_to_hub(REPO, token=TOKEN, dtype="float16")
    card = (
        local_hub.repositories["model", REPO]
        .commits[HfApi().model_info(REPO).sha]
        .files["README.md"]
        .data.decode()
    )
    assert card.startswith("---\n") and "library_name: artcore" in card and "stored as float16" in card
    assert f'TinyNet.from_pretrained("{REPO}")' in card and '"architecture": "TinyNet"' in card


def test_push_takes_the_card_and_its_pictures(local_hub, tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path / "out")
    (tmp_path / "out" / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n![](samples/a.png)\n")
    (tmp_path / "out" / "samples").mkdir()
    (tmp_path / "out" / "samples" / "a.png").write_bytes(b"picture")
    (tmp_path / "out" / "optimizer.pt").write_bytes(b"of no use to others")
    commit = model.push_to_hub(REPO, folder=tmp_path / "out", token=TOKEN)
    files = local_hub.repositories["model", REPO].commits[commit.oid].files
    assert set(files) == {".gitattributes", "README.md", "config.json", "model.safetensors", "samples/a.png"}
    assert files["README.md"].data == (tmp_path / "out" / "README.md").read_bytes()
    assert files["model.safetensors"].data == (tmp_path / "out" / "model.safetensors").read_bytes()
    (tmp_path / "out" / "README.md").write_text("---\nlicense: whatever\n---\n")
    with pytest.raises(HubError, match="refuses the card .*license.*correct its head"):
        model.push_to_hub(REPO, folder=tmp_path / "out", token=TOKEN)
    with pytest.raises(HubError, match="no folder .* to take the model card from"):
        model.push_to_hub(REPO, folder=tmp_path / "nowhere", token=TOKEN)


def test_tag_branch_and_commit(local_hub):
    old, new, trial = tiny(), tiny(), tiny()
    first = old.push_to_hub(REPO, token=TOKEN, tags="v1")
    second = new.push_to_hub(REPO, token=TOKEN, tags=["v2", "stable"], commit_message="Better")
    trial.push_to_hub(REPO, token=TOKEN, branch="try/out")
    assert not same(old, new)
    for revision, model in [
        ("v1", old),
        (first.oid, old),
        (None, new),
        ("main", new),
        ("v2", new),
        ("stable", new),
        (second.oid, new),
        ("try/out", trial),
    ]:
        assert same(TinyNet.from_pretrained(REPO, revision=revision), model), revision
    uploads = len(local_hub.objects)
    with pytest.raises(HubError, match="already has the tag v1: choose another"):
        tiny().push_to_hub(REPO, token=TOKEN, tags=["v3", "v1"])
    assert len(local_hub.objects) == uploads  # refused before the upload
    with pytest.raises(HubError, match="has no branch, tag or commit 'v9'"):
        TinyNet.from_pretrained(REPO, revision="v9")
    with pytest.raises(HubError, match="has no branch, tag or commit '0000"):
        TinyNet.from_pretrained(REPO, revision="0" * 40)


def test_config_and_weights_come_from_one_commit(local_hub, monkeypatch):
    """A push of another shape between the two downloads does not mix them."""
    old = tiny(widths=(4,))
    old.push_to_hub(REPO, token=TOKEN)
    download = file_download.hf_hub_download

    def pushed_between(repo_id, filename, **kwargs):
        path = download(repo_id, filename, **kwargs)
        if filename == "config.json":
            tiny(widths=(9, 9)).push_to_hub(REPO, token=TOKEN)
        return path

    monkeypatch.setattr("artcore.hub.hf_hub_download", pushed_between)
    assert same(TinyNet.from_pretrained(REPO), old)


def test_push_of_the_same_net_makes_no_commit(local_hub):
    model = tiny()
    first = model.push_to_hub(REPO, token=TOKEN)
    again = model.push_to_hub(REPO, token=TOKEN)
    assert again.oid == first.oid and len(HfApi().list_repo_commits(REPO)) == 2


def test_private(local_hub, tmp_path):
    model = tiny()
    model.push_to_hub(REPO, token=TOKEN, private=True)
    hidden = "no public model of the Hub: check the name, or log in with `hf auth login`, or pass token"
    for token, message in [
        (None, hidden),
        ("hf_bob", hidden),
        ("hf_wrong", "does not accept the token"),
        (True, "a saved token, and there is none"),
    ]:
        with pytest.raises(HubError, match=message):
            TinyNet.from_pretrained(REPO, token=token)
    assert cache_files(tmp_path) == []
    assert same(TinyNet.from_pretrained(REPO, token=TOKEN), model)
    assert same(TinyNet.from_pretrained(REPO, token="hf_alice_read"), model)
    with pytest.raises(HubError, match="does not accept the token"):  # the cache does not answer for the Hub
        TinyNet.from_pretrained(REPO, token="hf_wrong")
    with pytest.raises(HubError, match=hidden):
        TinyNet.from_pretrained("alice/nothing")


def test_push_without_the_right(local_hub):
    tiny().push_to_hub(REPO, token=TOKEN)
    for repo, token, message in [
        (REPO, "hf_alice_read", "may not do that with alice/tiny.*write"),
        (REPO, "hf_bob", "may not do that"),
        ("alice/new", "hf_alice_read", "may not do that"),
        (REPO, "hf_wrong", "does not accept the token"),
        (REPO, None, "can't be pushed to without a login: log in with `hf auth login`"),
    ]:
        with pytest.raises(HubError, match=message):
            tiny().push_to_hub(repo, token=token)
    assert len(HfApi().list_repo_commits(REPO)) == 2 and ("model", "alice/new") not in local_hub.repositories


def test_push_never_publishes_what_was_to_be_private(local_hub):
    tiny().push_to_hub(REPO, token=TOKEN)
    with pytest.raises(HubError, match="exists and is public, not private: change that in its settings"):
        tiny().push_to_hub(REPO, token=TOKEN, private=True)
    HfApi(token="hf_bob").create_repo("bob/secret", private=True)
    with pytest.raises(HubError, match="may not do that"):
        tiny().push_to_hub("bob/secret", token=TOKEN)


def test_push_by_a_bare_name_goes_to_the_login(local_hub):
    tiny().push_to_hub("bare", token=TOKEN)
    assert ("model", "alice/bare") in local_hub.repositories


def test_gated(local_hub):
    tiny().push_to_hub(REPO, token=TOKEN)
    HfApi(token=TOKEN).update_repo_settings(REPO, gated="auto")
    for token in (None, "hf_bob"):
        with pytest.raises(HubError, match="is gated: ask for access on its page"):
            TinyNet.from_pretrained(REPO, token=token)
    TinyNet.from_pretrained(REPO, token=TOKEN)


def test_a_repository_that_is_no_checkpoint(local_hub, tmp_path):
    api = HfApi(token=TOKEN)
    api.create_repo(REPO)
    with pytest.raises(HubError, match="alice/tiny at main holds no config.json and is no checkpoint"):
        TinyNet.from_pretrained(REPO)
    config = CommitOperationAdd("config.json", b'{"architecture": "TinyNet"}')
    pickle = CommitOperationAdd("pytorch_model.bin", b"cos\nsystem\n")
    api.create_commit(REPO, [config, pickle], commit_message="A pickle")
    with pytest.raises(HubError, match="holds no model.safetensors .artcore reads no pickle"):
        TinyNet.from_pretrained(REPO)
    assert not any("GET" in r and "pytorch_model" in p for r, p, _ in local_hub.requests)
    OtherNet().push_to_hub("alice/other", token=TOKEN)
    with pytest.raises(HubError, match="alice/other holds an OtherNet, not a TinyNet"):
        TinyNet.from_pretrained("alice/other")


def test_only_two_files_are_downloaded_once(local_hub):
    tiny().push_to_hub(REPO, token=TOKEN)
    local_hub.requests.clear()
    TinyNet.from_pretrained(REPO)
    gets = [path.rsplit("/", 1)[1] for method, path, _ in local_hub.requests if method == "GET"]
    assert gets == ["config.json", "model.safetensors"]
    local_hub.requests.clear()
    TinyNet.from_pretrained(REPO)
    assert {method for method, _, _ in local_hub.requests} == {"HEAD"}
    local_hub.requests.clear()
    TinyNet.from_pretrained(REPO, revision=HfApi().model_info(REPO).sha)
    assert not any("resolve" in path for _, path, _ in local_hub.requests)  # a pinned commit asks nothing


# The Hub out of order


def test_server_down(local_hub):
    old, new = tiny(), tiny()
    first = old.push_to_hub(REPO, token=TOKEN, tags="v1")
    TinyNet.from_pretrained(REPO, revision="v1")
    new.push_to_hub(REPO, token=TOKEN)
    TinyNet.from_pretrained(REPO)
    local_hub.stop()
    start = time.monotonic()
    assert same(TinyNet.from_pretrained(REPO), new)
    assert same(TinyNet.from_pretrained(REPO, revision="v1"), old)
    assert same(TinyNet.from_pretrained(REPO, revision=first.oid), old)
    for uncached in (
        lambda: TinyNet.from_pretrained("alice/never"),
        lambda: TinyNet.from_pretrained(REPO, revision="v7"),
        lambda: TinyNet.from_pretrained(REPO, force_download=True),
        lambda: tiny().push_to_hub(REPO, token=TOKEN),
    ):
        with pytest.raises(
            HubError, match=f"The Hub at {local_hub.url} can't be reached.*check the connection"
        ):
            uncached()
    assert time.monotonic() - start < 3
    local_hub.start()
    assert same(TinyNet.from_pretrained(REPO, force_download=True), new)


def test_offline(local_hub, monkeypatch):
    model = tiny()
    commit = model.push_to_hub(REPO, token=TOKEN, tags="v1")
    TinyNet.from_pretrained(REPO)
    local_hub.requests.clear()
    missing = "is not in the cache, and the Hub may not be asked .*load it once while online"

    def loads(**keywords):
        assert same(TinyNet.from_pretrained(REPO, **keywords), model)
        assert same(TinyNet.from_pretrained(REPO, revision=commit.oid, **keywords), model)
        with pytest.raises(HubError, match="at v1 " + missing):
            TinyNet.from_pretrained(REPO, revision="v1", **keywords)
        with pytest.raises(HubError, match=missing):
            TinyNet.from_pretrained("alice/never", **keywords)

    loads(local_files_only=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    loads()
    assert local_hub.requests == []
    with pytest.raises(HubError, match="unset HF_HUB_OFFLINE"):
        model.push_to_hub(REPO, token=TOKEN)


@pytest.mark.parametrize("where", ["", "resolve/main/config.json", "resolve/.{40}/model.safetensors"])
def test_server_errors(local_hub, where):
    model = tiny()
    model.push_to_hub(REPO, token=TOKEN)
    local_hub.fail(where, status=500)
    start = time.monotonic()
    with pytest.raises(HubError, match="The Hub is out of order .500., .*try later, or give a folder"):
        TinyNet.from_pretrained(REPO)
    local_hub.heal()
    TinyNet.from_pretrained(REPO)
    local_hub.fail(where, status=503)
    assert same(TinyNet.from_pretrained(REPO), model)  # from the cache
    assert time.monotonic() - start < 3


def test_push_to_a_hub_out_of_order(local_hub):
    for status, message in [
        (500, "out of order"),
        (429, "too many requests"),
        (418, r"refuses alice/tiny .418"),
    ]:
        local_hub.heal()
        local_hub.fail("GET /api/models", status=status)
        with pytest.raises(HubError, match=message):
            tiny().push_to_hub(REPO, token=TOKEN)


def test_a_hub_that_does_not_answer(local_hub, monkeypatch):
    model = tiny()
    model.push_to_hub(REPO, token=TOKEN)
    monkeypatch.setattr("artcore.hub.TIMEOUT", 0.2)
    local_hub.fail("resolve", stall=30)
    start = time.monotonic()
    with pytest.raises(HubError, match="can't be reached"):
        TinyNet.from_pretrained(REPO)
    local_hub.heal()
    TinyNet.from_pretrained(REPO)
    local_hub.fail("resolve", stall=30)
    assert same(TinyNet.from_pretrained(REPO), model)
    assert time.monotonic() - start < 3


def test_download_cut_once_goes_on_where_it_was(local_hub, quick, monkeypatch):
    model = tiny(widths=(16, 16))
    model.push_to_hub(REPO, token=TOKEN)
    monkeypatch.setattr(
        constants, "DOWNLOAD_CHUNK_SIZE", 1000
    )  # the client keeps whole chunks, of 10 MB by default
    local_hub.fail("GET .*model.safetensors", cut=4500, times=1)
    assert same(TinyNet.from_pretrained(REPO), model)
    ranges = [
        asked
        for method, path, asked in local_hub.requests
        if method == "GET" and path.endswith("safetensors")
    ]
    assert ranges == [None, "bytes=4000-"]


def test_download_cut_for_good(local_hub, quick, tmp_path):
    model = tiny()
    model.push_to_hub(REPO, token=TOKEN)
    local_hub.fail("GET .*model.safetensors", cut=100)
    with pytest.raises(HubError, match="broke off.*try again"):
        TinyNet.from_pretrained(REPO)
    assert not any("incomplete" in p.name for p in cache_files(tmp_path))
    local_hub.heal()
    assert same(TinyNet.from_pretrained(REPO), model)


def test_an_update_cut_off_leaves_the_last_checkpoint_usable(local_hub, quick):
    old = tiny()
    old.push_to_hub(REPO, token=TOKEN)
    TinyNet.from_pretrained(REPO)
    new = tiny()
    new.push_to_hub(REPO, token=TOKEN)
    local_hub.fail("GET .*model.safetensors", cut=100)
    with pytest.raises(HubError):
        TinyNet.from_pretrained(REPO)
    local_hub.stop()
    assert same(TinyNet.from_pretrained(REPO), old)
    local_hub.heal()
    local_hub.start()
    assert same(TinyNet.from_pretrained(REPO), new)


def test_a_file_broken_in_the_cache(local_hub, tmp_path):
    model = tiny()
    model.push_to_hub(REPO, token=TOKEN)
    TinyNet.from_pretrained(REPO)
    [weights] = [p for p in cache_files(tmp_path) if p.name == "model.safetensors"]
    weights.resolve().write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(HubError, match="truncated .*: download it again with force_download=True"):
        TinyNet.from_pretrained(REPO)
    assert same(TinyNet.from_pretrained(REPO, force_download=True), model)


def test_interrupted_upload_leaves_the_repository_whole(local_hub):
    old = tiny()
    old.push_to_hub(REPO, token=TOKEN)
    local_hub.fail("PUT /lfs/", status=403)
    with pytest.raises(HubError, match="may not do that"):
        tiny().push_to_hub(REPO, token=TOKEN, tags="v2")
    local_hub.heal()
    assert same(TinyNet.from_pretrained(REPO), old)
    assert HfApi().list_repo_refs(REPO).tags == []


# The local Hub itself, by the client's own calls


def test_local_hub_speaks_to_the_client(local_hub, tmp_path):
    api = HfApi(token=TOKEN)
    assert api.whoami()["name"] == "alice"
    assert api.create_repo("alice/space", repo_type="space", space_sdk="gradio").repo_id == "alice/space"
    with pytest.raises(hub_errors.HfHubHTTPError, match="already created"):
        api.create_repo("alice/space", repo_type="space", space_sdk="gradio")
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "app.py").write_text("x = 1\n")
    (tmp_path / "in" / "sub" / "old.txt").write_text("old")
    first = api.upload_folder(repo_id="alice/space", repo_type="space", folder_path=tmp_path / "in")
    (tmp_path / "in" / "sub" / "old.txt").rename(tmp_path / "in" / "new.txt")
    api.upload_folder(
        repo_id="alice/space", repo_type="space", folder_path=tmp_path / "in", delete_patterns="*"
    )
    assert sorted(api.list_repo_files("alice/space", repo_type="space")) == [
        ".gitattributes",
        "app.py",
        "new.txt",
    ]
    assert {
        e.path
        for e in api.list_repo_tree("alice/space", repo_type="space", revision=first.oid, recursive=True)
    } == {
        ".gitattributes",
        "app.py",
        "sub/old.txt",
    }
    folder = snapshot_download(
        "alice/space", repo_type="space", revision=first.oid, local_dir=tmp_path / "out"
    )
    assert folder and (tmp_path / "out" / "sub" / "old.txt").read_text() == "old"
    with pytest.raises(hub_errors.HfHubHTTPError, match="412"):
        operation = CommitOperationAdd("a.txt", b"a")
        api.create_commit(
            "alice/space", [operation], commit_message="Late", repo_type="space", parent_commit=first.oid
        )
    api.create_tag("alice/space", tag="v1", repo_type="space")
    with pytest.raises(hub_errors.HfHubHTTPError, match="409"):
        api.create_tag("alice/space", tag="v1", repo_type="space")
    api.delete_tag("alice/space", tag="v1", repo_type="space")
    assert api.list_repo_refs("alice/space", repo_type="space").tags == []
    api.delete_repo("alice/space", repo_type="space")
    with pytest.raises(hub_errors.RepositoryNotFoundError):
        api.repo_info("alice/space", repo_type="space")


def test_local_hub_by_hand():
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.local_hub", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        settings = dict(word.split("=") for word in server.stdout.readline().split()[1:])
        assert HfApi(endpoint=settings["HF_ENDPOINT"], token=settings["HF_TOKEN"]).whoami()["name"] == "alice"
    finally:
        server.kill()
        server.communicate()


def test_import_is_light():
    code = "import sys, artcore.hub; print({'gradio', 'torchvision', 'artcore.models'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
