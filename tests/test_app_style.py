"""The Style tab's endpoints as a program meets them: a real server on loopback, gradio_client and plain HTTP."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageColor

from artcore import image as pictures
from artcore import runtime
from artcore.load import load
from artcore.models.encoder import ArtEncoder
from artcore.studio import hub, shared, style
from artcore.tasks.style import Snapshot, StyleOptions, StyleTransfer
from tests.hub_server import serve, write_catalog, write_pictures

QUICK = {"size": 64, "steps": 6, "pyramid": 1}
OPTIONS = StyleOptions(**QUICK)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = add_encoder(write_catalog(tmp_path_factory.mktemp("weights")))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    yield folder
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


def add_encoder(folder: Path) -> Path:
    """A tiny ArtEncoder in a catalog."""
    torch.manual_seed(0)
    ArtEncoder(channels=(4, 4, 8, 8)).save_pretrained(folder / "encoder")
    catalog = json.loads((folder / "catalog.json").read_text())
    digest = hashlib.sha256((folder / "encoder" / "model.safetensors").read_bytes()).hexdigest()
    catalog["encoder"] = {"task": "features", "label": "ArtEncoder", "folder": "encoder", "sha256": digest}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder


@pytest.fixture(scope="module")
def url(weights: Path) -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    shared._tasks.clear()
    yield
    shared._tasks.clear()


@pytest.fixture
def connect(url: str, tmp_path: Path) -> Callable[[], Client]:
    def client() -> Client:
        return Client(url, verbose=False, download_files=tmp_path / "got", httpx_kwargs={"timeout": 60})

    return client


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    write_pictures(tmp_path)
    return {path.stem: path for path in tmp_path.glob("*.png")}


def ask(client: Client, files: dict, **named: object) -> tuple:
    named = {"options": QUICK} | named
    given = [handle_file(files["photo"]), handle_file(files["painting"])]
    return client.predict(*given, api_name="/style", **named)


def same(path: str | Path, picture: Image.Image) -> bool:
    return Image.open(path).tobytes() == picture.tobytes()


# --- the endpoints ----------------------------------------------------------------------------------------


def test_the_api_page_documents_both_endpoints(url: str) -> None:
    info = httpx.get(f"{url}/gradio_api/info").json()
    assert {"/style", "/style_resume"} <= set(info["named_endpoints"])
    assert not info["unnamed_endpoints"]
    told = info["named_endpoints"]["/style"]
    assert told["description"].startswith("Paint a photo in the manner of one to three paintings")
    defaults = {
        p["parameter_name"]: (p["parameter_has_default"], p.get("parameter_default")) for p in told["parameters"]
    }
    assert list(defaults)[:2] == ["photo", "painting"]
    assert not defaults["photo"][0] and not defaults["painting"][0]
    assert all(optional for name, (optional, _) in defaults.items() if name not in ("photo", "painting"))
    assert {name: defaults[name][1] for name in ("content", "style", "smoothness", "preset", "stop_after")} == {
        "content": None, "style": None, "smoothness": None, "preset": "default", "stop_after": 0,
    }  # fmt: skip
    assert str(shared.EXAMPLES) not in json.dumps(told)  # no path of the server
    assert [p["parameter_name"] for p in info["named_endpoints"]["/style_resume"]["parameters"]] == [
        "file", "stop_after", "format", "recipe",
    ]  # fmt: skip


def test_the_picture_is_the_librarys(connect: Callable[[], Client], files: dict) -> None:
    client, transfer = connect(), load("encoder")
    picture, told, resume = ask(client, files)
    assert same(picture, transfer(files["photo"], files["painting"], options=OPTIONS))
    assert (told["step"], told["steps"], told["size"], told["final"]) == (6, 6, [64, 48], True)
    assert {"content", "style", "smoothness"} <= set(told["losses"]) and resume is None
    options = dataclasses.replace(OPTIONS, style=3.0, content=0.5, seed=4, optimiser="lbfgs")
    expected = transfer(files["photo"], files["painting"], options=options)
    chosen = QUICK | {"seed": 4, "optimiser": "lbfgs"}
    picture, _, _ = ask(client, files, style=3, content=0.5, options=chosen)
    assert same(picture, expected)
    everything = options.asdict()
    assert same(ask(client, files, options=everything)[0], expected)  # every option by name
    preset = StyleOptions.preset("document-002", **QUICK)
    expected = transfer(files["photo"], files["painting"], options=preset)
    assert same(ask(client, files, preset="document-002")[0], expected)


def test_paintings_masks_and_a_start_as_files(connect: Callable[[], Client], files: dict) -> None:
    client = connect()
    masks = {"mask": handle_file(files["left"]), "mask_2": handle_file(files["right"])}
    both = [files["painting"], files["other"]]
    given = {"painting_2": handle_file(files["other"]), "start": handle_file(files["other"])}
    picture, _, _ = ask(client, files, **given, **masks)
    expected = load("encoder")(
        files["photo"], both, options=OPTIONS, masks=[files["left"], files["right"]], init=files["other"]
    )
    assert same(picture, expected)
    picture, _, _ = ask(client, files, painting_2=handle_file(files["other"]))
    assert same(picture, load("encoder")(files["photo"], both, options=OPTIONS))


def test_one_painting_here_and_the_photo_elsewhere(connect: Callable[[], Client], files: dict) -> None:
    picture, _, _ = ask(connect(), files, mask=handle_file(files["left"]), options=QUICK | {"feather": 0})
    made, photo = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (picture, files["photo"]))
    white = np.asarray(Image.open(files["left"]).convert("L")) > 127
    assert 0.1 < white.mean() < 0.9
    assert np.array_equal(made[~white], photo[~white]) and abs(made[white] - photo[white]).mean() > 2


@pytest.mark.parametrize(("format", "suffix"), [("jpeg", ".jpg"), ("webp", ".webp")])
def test_formats(connect: Callable[[], Client], files: dict, format: str, suffix: str) -> None:
    file = Path(ask(connect(), files, format=format)[0])
    expected = load("encoder")(files["photo"], files["painting"], options=OPTIONS)
    assert file.suffix == suffix and file.read_bytes() == pictures.encode(expected, format)


def test_previews_stream_to_the_client(
    connect: Callable[[], Client], files: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "OFTEN", -1)
    options = QUICK | {"preview_every": 2, "optimiser": "adam"}  # which moves at every step
    job = connect().submit(
        handle_file(files["photo"]), handle_file(files["painting"]), options=options, api_name="/style"
    )
    job.result(timeout=60)
    assert [told["step"] for _, told, _ in job.outputs()] == [1, 2, 3, 4, 5, 6]
    for picture, told, _ in job.outputs()[:-1]:
        assert Path(picture).suffix == ".webp" and not told["final"]
        assert told["seconds_left"] >= 0
    assert len({path for path, _, _ in job.outputs()}) == 4  # of steps 1, 2 and 4, and the picture


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_stopped_and_taken_up_again_is_the_same_picture(
    connect: Callable[[], Client], files: dict, optimiser: str
) -> None:
    client, options = connect(), QUICK | {"optimiser": optimiser, "pyramid": 2}
    picture, told, file = ask(client, files, options=options, stop_after=2)
    assert (told["step"], told["final"]) == (2, False) and Path(file).suffix == ".safetensors"
    assert Image.open(picture).size == (64, 48)
    _, told, file = client.predict(handle_file(file), 4, api_name="/style_resume")
    assert told["step"] == 4
    picture, told, rest = client.predict(handle_file(file), api_name="/style_resume")
    assert told["final"] and rest is None
    expected = load("encoder")(files["photo"], files["painting"], options=StyleOptions(**options))
    assert same(picture, expected)
    assert same(picture, last_image(load("encoder").resume(file)))  # and so it is from code


def last_image(run: Iterator[Snapshot]) -> Image.Image:
    for snapshot in run:
        last = snapshot
    return last.image


def test_plain_http(url: str, files: dict) -> None:
    with httpx.Client(base_url=f"{url}/gradio_api", timeout=60) as http:
        sent = []
        for name in ("photo", "painting"):
            [path] = http.post("/upload", files={"files": files[name].open("rb")}).json()
            sent.append({"path": path, "meta": {"_type": "gradio.FileData"}})
        body = {"photo": sent[0], "painting": sent[1], "options": QUICK}
        event = http.post("/call/v2/style", json=body).json()["event_id"]
        lines = http.get(f"/call/v2/style/{event}").text.split("\n")
        assert "event: complete" in lines, lines
        picture, told, _ = json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))
        assert told["final"]
        expected = load("encoder")(files["photo"], files["painting"], options=OPTIONS)
        assert httpx.get(picture["url"]).content == pictures.encode(expected, "PNG")


def test_private_events_cannot_be_called(connect: Callable[[], Client]) -> None:
    client = connect()
    for name in ("/show", "/take_up", "/go_on", "/watch", "/halt", "/turn", "/foresee", "/choose_preset", "/hang"):
        with pytest.raises(ValueError, match="Cannot find a function"):
            client.predict(api_name=name)


# --- what goes wrong --------------------------------------------------------------------------------------


def refuse(client: Client, *given: object, api_name: str = "/style", **named: object) -> str:
    with pytest.raises(AppError) as error:
        client.predict(*given, api_name=api_name, **named)
    return error.value.message


def test_sentences(connect: Callable[[], Client], files: dict, tmp_path: Path) -> None:
    client = connect()
    (tmp_path / "torn.png").write_bytes(b"not a picture")
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    Image.new("L", (64, 48)).save(tmp_path / "black.png")
    Image.new("L", (48, 64), 255).save(tmp_path / "standing.png")
    photo, painting = handle_file(files["photo"]), handle_file(files["painting"])
    file = lambda name: handle_file(tmp_path / name)  # noqa: E731
    for given, named, sentence in (
        ((None, painting), {}, "There is no photo yet"),
        ((photo, None), {}, "There is no painting yet"),
        ((file("torn.png"), painting), {}, "torn.png is not a picture"),
        ((photo, file("torn.png")), {}, "torn.png is not a picture"),
        ((photo, file("tiny.png")), {}, "The painting is 8 x 8 px"),
        ((photo, painting), {"style": 0}, "style is 0: give a number greater than 0"),
        ((photo, painting), {"content": -1}, "content is -1"),
        ((photo, painting), {"options": {"style": "NaN"}}, "style is 'NaN'"),
        ((photo, painting), {"options": {"loudness": 3}}, "There is no option 'loudness'"),
        ((photo, painting), {"options": [1]}, "options is no object"),
        ((photo, painting), {"preset": "mine"}, "There is no preset 'mine'"),
        ((photo, painting), {"format": "gif"}, "format is 'gif'"),
        ((photo, painting), {"stop_after": -1}, "stop_after is -1"),
        ((photo, painting), {"features": "resnet"}, "resnet"),
        ((photo, painting), {"features": None}, "features is None: choose from encoder, vgg19"),
        ((photo, painting), {"options": {"name": 1}}, "There is no option 'name'"),
        ((photo, painting), {"options": {"preset": "gatys", "self": 1}}, "There is no option"),
        ((photo, painting), {"options": {"steps": 10**400}}, "give a whole number of 1 or more"),
        ((photo, painting), {"mask": file("black.png")}, "Mask 1 is dark everywhere"),
        ((photo, painting), {"mask": file("standing.png")}, "another aspect"),
        ((photo, painting), {"mask": file("black.png"), "mask_2": file("black.png")}, "2 masks for 1 paintings"),
    ):
        assert sentence in refuse(client, *given, **({"options": QUICK} | named)), (named, sentence)
    for path, sentence in ((None, "no resume file yet"), (file("tiny.png"), "resume file")):
        assert sentence in refuse(client, path, api_name="/style_resume")
    assert ask(client, files)[1]["final"]  # and the app lives on


def test_files_of_the_server_stay_there(url: str) -> None:
    with httpx.Client(base_url=f"{url}/gradio_api", timeout=60) as http:
        body = {"data": [{"path": __file__, "meta": {"_type": "gradio.FileData"}}, 0, "png"]}
        event = http.post("/call/style_resume", json=body).json()["event_id"]
        assert "event: error" in http.get(f"/call/style_resume/{event}").text


def test_missing_weights_are_a_sentence_and_the_page_is_there(
    connect: Callable[[], Client], files: dict, weights: Path, url: str
) -> None:
    client = connect()
    (weights / "encoder").rename(weights / "away")
    try:
        assert "The weights of encoder are missing" in refuse(
            client, handle_file(files["photo"]), handle_file(files["painting"])
        )
        assert httpx.get(url).status_code == 200
    finally:
        (weights / "away").rename(weights / "encoder")
    assert ask(client, files)[1]["final"]


# --- ends of a run ----------------------------------------------------------------------------------------


class Slow:
    """Makes every step take a while, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.05):
        self.steps, self.begun, self.closed = 0, threading.Event(), threading.Event()
        original = StyleTransfer.run

        def run(task: StyleTransfer, *given: object, **named: object) -> Iterator[Snapshot]:
            try:
                for snapshot in original(task, *given, **named):
                    self.steps += 1
                    if self.steps == 5:
                        self.begun.set()
                    time.sleep(seconds)
                    yield snapshot
            finally:
                self.closed.set()

        monkeypatch.setattr(StyleTransfer, "run", run)


def test_cancelling_closes_the_run(connect: Callable[[], Client], files: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    job = connect().submit(
        handle_file(files["photo"]), handle_file(files["painting"]), options=QUICK | {"steps": 1000}, api_name="/style"
    )
    assert slow.begun.wait(60)
    job.cancel()
    assert slow.closed.wait(10) and slow.steps < 500
    monkeypatch.undo()
    assert ask(connect(), files)[1]["final"]  # the place in the line is free


def test_nobody_keeps_the_others_waiting_for_ever(
    connect: Callable[[], Client], files: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "LONGEST", 0)
    _, told, file = ask(connect(), files)
    assert told["step"] == 1 and not told["final"] and file  # which it can be gone on from
    monkeypatch.setattr(style, "LONGEST", 60)
    original = StyleTransfer.resume

    def long_ago(task: StyleTransfer, given: str) -> Iterator[Snapshot]:
        for snapshot in original(task, given):
            yield dataclasses.replace(snapshot, seconds=snapshot.seconds + 10**6)

    monkeypatch.setattr(StyleTransfer, "resume", long_ago)
    assert connect().predict(handle_file(file), api_name="/style_resume")[1]["final"]  # what came before counts not


# --- handlers of the tab ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(weights: Path) -> gr.Blocks:
    return hub.build()


def handler(page: gr.Blocks, name: str) -> tuple[Callable, list]:
    """A handler of the Style tab by name, and its inputs as they stand at first, by label (None: the photo's size)."""
    found = next(f for f in page.fns.values() if f.name == name and f.fn.__module__ == style.__name__)
    return found.fn, found.inputs


def given(inputs: list, **changed: object) -> dict:
    """What a handler of many inputs gets, those of some labels changed."""
    values = {c: changed.pop(str(getattr(c, "label", None)).replace(" ", "_"), c.value) for c in inputs}
    assert not changed, changed
    return values


def test_seconds_before_the_click_know_net_deadline_and_loss(page: gr.Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "seconds", lambda flops: flops / 2e10)
    foresee, inputs = handler(page, "foresee")

    def told(**changed: object) -> str:
        values = given(inputs, **changed)
        values[next(c for c in inputs if isinstance(c, gr.State))] = (640, 480)
        return foresee(values)

    assert told().startswith("Painting takes about") and "400 steps, 533 pixels" in told()
    seconds = StyleTransfer.untrained().seconds(640, 480, StyleOptions())
    assert told(The_net_that_looks="vgg19").startswith(f"Painting takes about {shared.duration(seconds)}: 400 steps")
    assert not style._vgg.cache_info().currsize  # nothing was fetched for that
    assert told(The_net_that_looks="vgg19", **{"Deadline_(s)": 10}) == (
        "Painting ends at its deadline, after 10 s, as far as it has come of 400 steps"
    )
    assert told(Style_loss="mixed") != told()


def test_sliders_go_as_far_as_raw_weights_do_and_back(page: gr.Blocks) -> None:
    stretch, inputs = handler(page, "stretch")
    assert [c.label for c in inputs] == ["Weights are", "Content", "Style", "Smoothness"]
    raw = stretch("raw", 1, 1, 0.5)
    assert [s.value for s in raw] == [1, 1, 0.5] and raw[1].maximum >= 10_000 and raw[2].maximum >= 1000
    back = stretch("shares", 2, 10_000, 0.5)
    ends = [f.metadata["maximum"] for f in dataclasses.fields(StyleOptions)[:3]]
    assert [s.value for s in back] == [2, 1, 0.5] and [s.maximum for s in back] == ends


def test_the_tab_paints_with_raw_weights(page: gr.Blocks, files: dict) -> None:
    show, inputs = handler(page, "show")
    pictures_ = {"Your_photo": str(files["photo"]), "The_painting": str(files["painting"])}
    weights = {"Weights_are": "raw", "Style": 10_000, "Smoothness": 1000}
    values = given(inputs, **pictures_, **weights, Size=64, Steps=6, Scales=1)
    *_, last = show(values, SimpleNamespace(session_hash="raw"))
    made = next(value for value in last.values() if isinstance(value, dict))["painting"]
    options = StyleOptions(**QUICK, weights="raw", style=10_000, smoothness=1000)
    assert same(made, load("encoder")(files["photo"], files["painting"], options=options))


# --- brushed regions --------------------------------------------------------------------------------------


def stroke(colour: str, box: tuple[int, int, int, int], alpha: int = 255) -> Image.Image:
    layer = Image.new("RGBA", (64, 48))
    layer.paste((*ImageColor.getrgb(colour), alpha), box)
    return layer


def test_brushed_colours_become_masks() -> None:
    blue, ochre = style.COLOURS
    edited = {"layers": [stroke(blue, (0, 0, 20, 48)), stroke(ochre, (40, 0, 64, 48))]}
    first, second, third = (np.asarray(mask) for mask in style._regions(edited, ["a", "b", "c"]))
    assert second[:, :20].min() == 255 and second[:, 20:].max() == 0
    assert third[:, 40:].min() == 255 and third[:, :40].max() == 0
    assert np.array_equal(first, 255 - second - third)
    for alone in (["a", None, None], [None, "b", None]):  # in whatever colour: the rest is the photo's
        [only] = (np.asarray(mask) for mask in style._regions(edited, alone))
        assert np.array_equal(only, second | third)
    [first, third] = style._regions({"layers": [stroke(ochre, (0, 0, 9, 48))]}, ["a", None, "c"])
    assert np.asarray(third)[:, :9].min() == 255 and np.asarray(first)[:, 9:].min() == 255


@pytest.mark.parametrize("edited", [None, {"layers": []}, {"layers": [stroke("#2f6690", (0, 0, 9, 9), alpha=60)]}])
def test_nothing_brushed_is_no_mask(edited: dict | None) -> None:
    assert style._regions(edited, ["a", "b", None]) is None


def test_places_and_paintings_have_to_agree() -> None:
    blue = {"layers": [stroke(style.COLOURS[0], (0, 0, 9, 9))]}
    with pytest.raises(gr.Error, match="no such painting"):
        style._regions(blue, ["a", None, "c"])
    with pytest.raises(gr.Error, match="The third painting has no place"):
        style._regions(blue, ["a", "b", "c"])
    with pytest.raises(gr.Error, match="The first painting has no place"):
        style._regions({"layers": [stroke(style.COLOURS[0], (0, 0, 64, 48))]}, ["a", "b", None])
