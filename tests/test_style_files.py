"""Resume files of style transfers: what is broken or hostile is one sentence, and asks for no more than a run."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

import pytest
import torch
from PIL import Image
from safetensors.torch import load, save

from artcore import runtime
from artcore.models.encoder import ArtEncoder
from artcore.tasks import style_files
from artcore.tasks.style import StyleError, StyleOptions, StyleTransfer


@pytest.fixture(scope="module")
def task() -> StyleTransfer:
    torch.manual_seed(1)
    return StyleTransfer(ArtEncoder((4, 4, 8, 8), classes=2))


def picture(width: int, height: int) -> Image.Image:
    x = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(width))
    return Image.fromarray((255 * x).to(torch.uint8).numpy())


@pytest.fixture(scope="module", params=["lbfgs", "adam"])
def file(task: StyleTransfer, request: pytest.FixtureRequest) -> bytes:
    options = StyleOptions(size=64, steps=6, pyramid=1, optimiser=request.param)
    masks = [Image.new("L", (64, 48), 255)]
    for snapshot in task.run(picture(64, 48), [picture(50, 40)], options=options, masks=masks):
        if snapshot.step == 4:
            return snapshot.resume_file()
    raise AssertionError


def changed(file: bytes, tensors: Callable = lambda t: None, **meta: Callable) -> bytes:
    """The file with its tensors or its JSON changed."""
    found = load(file)
    told = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])["__metadata__"]
    tensors(found)
    for key, change in meta.items():
        told[key] = json.dumps(change(json.loads(told[key])))
    return save(found, told)


def refused(task: StyleTransfer, file: bytes, why: str = "resume file|other weights") -> None:
    started = time.monotonic()
    with pytest.raises(StyleError, match=why) as caught:
        task.resume(file)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1500
    assert time.monotonic() - started < 5


def test_as_it_is_it_goes_on(task, file):
    assert list(task.resume(changed(file)))[-1].final


def test_every_missing_tensor_is_noticed(task, file):
    for name in load(file):
        refused(task, changed(file, lambda t, name=name: t.pop(name)), "damaged")


def test_every_tensor_of_another_shape_or_kind_is_noticed(task, file):
    for name, tensor in load(file).items():
        for other in (tensor[..., :-1], tensor[None], tensor.double(), tensor.flatten()[:0]):
            refused(task, changed(file, lambda t, name=name, other=other: t.update({name: other.clone()})), "damaged")
        if tensor.is_floating_point():
            bad = torch.full_like(tensor, torch.nan)
            refused(task, changed(file, lambda t, name=name, bad=bad: t.update({name: bad})), "finite")


def test_tensors_that_do_not_belong_there_are_noticed(task, file):
    for name in ("y", "optimiser.s99", "photo.1", "region.1", "painting.7"):
        refused(task, changed(file, lambda t, name=name: t.update({name: t["photo.0"].clone()})), "damaged")


def test_every_missing_or_senseless_piece_of_json_is_noticed(task, file):
    told = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])["__metadata__"]
    for key in set(told) - {"format"}:
        rest = {k: v for k, v in told.items() if k != key}
        refused(task, save(load(file), rest), "damaged")
        for text in ("", "{", "[[" * 50_000, "null", "[]", "3", "{}", '"x"'):
            if key not in ("artcore", "torch", "dtype") or text in ("", "{", "[[" * 50_000):
                refused(task, save(load(file), told | {key: text}))
    state, numbers = json.loads(told["state"]), json.loads(told["optimiser"])
    for key, whole in (("state", state), ("optimiser", numbers)):
        for name in whole:
            for value in (None, "x", -1, 10**30, [], {}, True):
                if (name, value) not in (("length", 10**30), ("elapsed", 10**30), ("loss", -1), ("loss", 10**30)):
                    refused(task, changed(file, **{key: lambda d, n=name, v=value: d | {n: v}}), "damaged")
            refused(task, changed(file, **{key: lambda d, n=name: {k: v for k, v in d.items() if k != n}}), "damaged")


def test_options_of_another_version_are_noticed(task, file):
    refused(task, changed(file, options=lambda o: o | {"rainbow": 1}), "There is no option 'rainbow'")
    refused(task, changed(file, options=lambda o: {k: v for k, v in o.items() if k != "seed"}), "options")
    refused(task, changed(file, options=lambda o: o | {"style": float("nan")}), "style is nan")
    for size in (4096, 65):  # of which it has no picture
        refused(task, changed(file, options=lambda o, size=size: o | {"size": size}), "photo")


def test_a_hostile_file_asks_for_no_more_memory_than_there_is(task, file, monkeypatch):
    """A painting one pixel high would be enlarged until its shorter side is seen."""
    thin = torch.zeros(1, 500_000, 3, dtype=torch.uint8)
    monkeypatch.setattr(runtime, "_free_memory", lambda: 8 * 10**8)
    with pytest.raises(runtime.TooLarge):
        task.resume(changed(file, lambda t: t.update({"painting.0": thin})))
    monkeypatch.undo()
    refused(task, (1 << 40).to_bytes(8, "little") + file[8:], "can't be read")
    header = b'{"a": ' + b"[" * (1 << 21) + b"]" * (1 << 21) + b"}"
    refused(task, len(header).to_bytes(8, "little") + header, "can't be read")
    for cut in (0, 5, 8, 100, len(file) // 2, len(file) - 1):
        refused(task, file[:cut], "can't be read")


def test_another_net_of_the_same_class_is_refused(file):
    torch.manual_seed(2)
    refused(StyleTransfer(ArtEncoder((4, 4, 8, 8), classes=2)), file, "a net of other weights")


def test_another_number_format_is_said(task, file, caplog):
    with caplog.at_level(logging.WARNING, style_files.__name__):
        assert task.resume(changed(file)) is not None
        assert not caplog.records
        assert task.resume(changed(file, dtype=lambda _: "float8")) is not None
    assert "float8" in caplog.text and "last bit" in caplog.text


def test_a_run_saved_at_its_end_still_tells_its_losses(task):
    options = StyleOptions(size=64, steps=3, pyramid=1)
    *_, end = task.run(picture(64, 48), picture(50, 40), options=options)
    [again] = task.resume(end.resume_file())
    assert again.final and again.image.tobytes() == end.image.tobytes()
    assert set(again.losses) == set(end.losses)
