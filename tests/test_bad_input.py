"""What nobody should send, sent to a real process by HTTP: each gets a sentence, and the next visitor is served.

Every answer goes through ``Hub.heard``, which holds the rules: no error of the server without a sentence, nothing of a
file that was not sent. After each test the same process must live, and its folder hold nothing but what it gave away.
"""

from __future__ import annotations

import base64
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests import bad_inputs
from tests.colour_net import colour_net
from tests.hub_server import write_catalog
from tests.replica import free_port, process, status, until
from tests.test_app_style import add_encoder
from tests.test_image import pil, stored
from tests.upscale_net import add_upscalers

pytestmark = pytest.mark.slow

SECRET = b"The colour of the night is 7d1c9e."  # planted in files that nobody may read
BOUND = 300  # seconds that any answer may take, on a slow machine
META = {"_type": "gradio.FileData"}
NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e308",
    "-1e308",
    "1" + "0" * 400,
    '"7"',
    '"x"',
    "null",
    "true",
    "[1]",
    "{}",
    '{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}',
]


class Neighbour(BaseHTTPRequestHandler):
    """A server beside ours that only this machine can reach; whoever makes ours ask it has done what he should not."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(SECRET)

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


class Hub:
    """The process, and everything that it said."""

    def __init__(self, url: str, folder: Path, secret: Path, neighbour: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=BOUND)
        self.folder, self.secret, self.neighbour = folder, secret, neighbour
        self.given: set[str] = set()  # paths of files that it told of
        self.count = 0

    def heard(self, answer: httpx.Response) -> httpx.Response:
        """An answer, once it was looked at."""
        self.count += 1
        assert SECRET not in answer.content and b"root:x:" not in answer.content, answer.url
        assert "Traceback" not in answer.text[:100_000], answer.text[:500]
        if answer.status_code >= 500:
            told = answer.json()
            assert is_sentence(told.get("error", told.get("detail"))), (answer.status_code, told)
        return answer

    def ask(self, method: str, path: str, **given: object) -> httpx.Response:
        return self.heard(self.http.request(method, path, **given))

    def upload(self, name: str, data: bytes) -> str | None:
        """The path of a file that was sent, or None where it was refused."""
        answer = self.ask("POST", "/gradio_api/upload", files={"files": (name, data)})
        if answer.status_code != 200:
            assert 400 <= answer.status_code < 500, answer.text
            return None
        (path,) = answer.json()
        self.given.add(path)
        return path

    def call(self, endpoint: str, body: str, version: str = "") -> tuple[str | None, list]:
        """(sentence, outputs) of an endpoint that is sent this JSON: one of the two is there."""
        address = f"/gradio_api/call{version}/{endpoint}"
        answer = self.ask("POST", address, content=body, headers={"Content-Type": "application/json"})
        if answer.status_code != 200:
            assert 400 <= answer.status_code < 500, answer.text
            return answer.text, []
        told = self.ask("GET", f"{address}/{answer.json()['event_id']}").text
        for line in told.splitlines():
            self.given |= set(paths(json.loads(line[6:]))) if line.startswith("data: ") else set()
        event, _, rest = told.rpartition("event: ")[2].partition("\n")
        data = json.loads(rest.partition("data: ")[2])
        if event == "complete":
            return None, data
        assert event == "error" and is_sentence(data["error"]), told[-500:]
        assert "Something went wrong" not in data["error"], told[-500:]  # all of this was foreseen
        return data["error"], []

    def picture(self, outputs: list) -> Image.Image:
        """The first of the outputs, which is a file."""
        answer = self.ask("GET", outputs[0]["url"])
        assert answer.status_code == 200
        return Image.open(io.BytesIO(answer.content))

    def all(self, work: Callable[..., str | None], cases: Iterable[tuple]) -> int:
        """Does the work for each case, some at a time; fails with what it says of all of them. Returns how many."""

        def one(case: tuple) -> str | None:
            try:
                return work(*case)
            except Exception as error:
                return f"{case[0]}: {error!r}"

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(one, cases))
        wrong = [text[:600] for text in found if text]
        assert not wrong, f"{len(wrong)} of {len(found)}:\n" + "\n".join(wrong[:20])
        return len(found)


def is_sentence(text: object) -> bool:
    """For people: some words, nothing of this machine's folders."""
    return isinstance(text, str) and 10 < len(text) < 2000 and " " in text and "site-packages" not in text


def paths(value: object) -> Iterator[str]:
    """Of all files that are named in an answer."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from paths(each)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    place = tmp_path_factory.mktemp("bad")
    weights = add_upscalers(add_encoder(write_catalog(place / "weights")))
    catalog = json.loads((weights / "catalog.json").read_text())
    colour_net().save_pretrained(weights / "colorunet.general")
    catalog["colorunet.general"] = {"label": "General", "task": "colorizer", "folder": "colorunet.general"}
    (weights / "catalog.json").write_text(json.dumps(catalog))
    secret = place / "secret"
    secret.mkdir()
    (secret / "secret.txt").write_bytes(SECRET)
    (secret / "secret.png").write_bytes(stored(pil()) + SECRET)
    folder, port = place / "gradio", free_port()
    neighbour = ThreadingHTTPServer(("127.0.0.1", 0), Neighbour)
    threading.Thread(target=neighbour.serve_forever, daemon=True).start()
    given = {"ARTCORE_WEIGHTS": str(weights), "GRADIO_TEMP_DIR": str(folder), "TMPDIR": str(place / "tmp")}
    (place / "tmp").mkdir()
    with process(port, given, "--upload", "2") as started:
        url = f"http://127.0.0.1:{port}"
        until(lambda: started.poll() is not None or status(url) == 200, "the hub is ready")
        hub = Hub(url, folder, secret, f"http://127.0.0.1:{neighbour.server_address[1]}")
        hub.process, hub.scratch = started, place / "tmp"
        hub.given |= {str(path) for path in folder.rglob("*")}  # what the page itself shows
        yield hub
        hub.http.close()
    neighbour.shutdown()
    neighbour.server_close()


@pytest.fixture
def hub(running: Hub) -> Iterator[Hub]:
    """And afterwards it lives, nothing lies about, and nobody was asked for anything."""
    Neighbour.asked.clear()
    before = running.count
    yield running
    assert running.count > before
    assert running.process.poll() is None, "the server is gone"
    assert running.ask("GET", "/healthz").status_code == 200
    assert not Neighbour.asked
    left: list[str] = []

    def tidy() -> bool:  # what was refused is removed a moment after its answer
        left[:] = {str(p) for p in running.folder.rglob("*") if not p.is_dir()} - running.given
        left[:] += [str(p) for p in running.scratch.rglob("*") if not p.is_dir()]
        return not left

    deadline = time.monotonic() + 20
    while not tidy() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, left[:10]
    sentence, outputs = running.call("paint", json.dumps({"data": [photo(running)]}))  # the next visitor
    assert not sentence and running.picture(outputs).size == (32, 24)


def photo(hub: Hub) -> dict:
    """A good one."""
    return {"path": hub.upload("photo.png", bad_inputs.PHOTO), "meta": META}


def endpoints(hub: Hub) -> dict[str, dict[str, dict]]:
    """{endpoint: {parameter: what /info says of it}}."""
    info = hub.http.get("/gradio_api/info").json()["named_endpoints"]
    return {name[1:]: {p["parameter_name"]: p for p in told["parameters"]} for name, told in info.items()}


def good(hub: Hub) -> dict[str, dict]:
    """What a good call of each endpoint is given."""
    one = photo(hub)
    quick = {"size": 32, "steps": 2, "pyramid": 1}
    return {
        "paint": {"image": one},
        "paint_all": {"image": one},
        "style": {"photo": one, "painting": one, "options": quick},
        "style_resume": {"file": one},
        "colorize": {"image": one},
        "colorize_seeds": {"image": one, "count": 2},
        "upscale": {"image": one},
        "chain": {"image": one},
        "batch": {"files": [one]},
    }


def test_files(hub: Hub) -> None:
    """Each by a page's endpoint, and by the JSON call."""
    names = ("paint", "colorize", "upscale", "chain")

    def work(name: str, data: bytes, whole: bool | None, endpoint: str) -> str | None:
        path = hub.upload(name, data)
        if path is None:
            return None if len(data) > 2**21 else f"{name} could not even be sent"
        given = [{"path": path, "meta": META}] + ([[{"task": "paint"}]] if endpoint == "chain" else [])
        sentence, outputs = hub.call(endpoint, json.dumps({"data": given}))
        if sentence is None:
            hub.picture(outputs).load()
        body = {"image": base64.b64encode(data).decode()}
        answer = hub.ask("POST", "/api/colorize", json=body)
        agree = (answer.status_code == 200) == (sentence is None) or endpoint == "upscale"  # which makes them larger
        if whole is not None and whole != (sentence is None):
            return f"{name} by {endpoint}: {sentence or 'was taken'}"
        if not agree or (answer.status_code != 200 and not is_sentence(answer.json()["error"])):
            return f"{name}: {endpoint} says {sentence!r}, the call {answer.status_code} {answer.text[:200]}"
        return None

    cases = ((*case, names[n % 4]) for n, case in enumerate(bad_inputs.files()))
    assert hub.all(work, cases) > 250


def test_names_of_files(hub: Hub) -> None:
    def work(name: str) -> str | None:
        path = hub.upload(name, bad_inputs.PHOTO)
        if path is None:
            return None
        if not Path(path).resolve().is_relative_to(hub.folder.resolve()) or not Path(path).is_file():
            return f"{name!r} was written to {path}"
        sentence, outputs = hub.call("paint", json.dumps({"data": [{"path": path, "meta": META}]}))
        if sentence:
            return f"{name!r}: {sentence}"
        hub.picture(outputs).load()
        return None

    assert hub.all(work, ((name,) for name in bad_inputs.NAMES)) >= 30


def test_numbers_that_are_none(hub: Hub) -> None:
    """In every numeric field of every endpoint."""
    calls = good(hub)
    cases = [
        (endpoint, field, value)
        for endpoint, fields in endpoints(hub).items()
        for field, told in fields.items()
        if told["type"].get("type") in ("number", "integer")
        for value in NUMBERS
        if not (value == "null" and told["parameter_default"] is None)  # then it is as the preset says
    ]

    def work(endpoint: str, field: str, value: str) -> str | None:
        body = json.dumps(calls[endpoint] | {field: "HERE"}).replace('"HERE"', value)
        sentence, _ = hub.call(endpoint, body, "/v2")
        if sentence is None or field not in sentence:
            return f"{endpoint}({field}={value[:40]}): {sentence}"
        return None

    assert hub.all(work, cases) > 300


def test_texts_and_choices_that_are_none(hub: Hub) -> None:
    calls = good(hub)
    odd = [
        "nobody",
        "../../etc/passwd",
        "/etc/passwd",
        "x" * 100_000,
        "x" * 3_000_000,
        "\u202egnp",
        "\0",
        5,
        None,
        ["vangogh"],
        {"a": 1},
        True,
        "stylenet.vangogh",
        "{0.__class__}",
        '[{"task": "paint", "style": {}}]',
    ]
    cases = [
        (endpoint, field, value)
        for endpoint, fields in endpoints(hub).items()
        for field, told in fields.items()
        if told["type"].get("type") in ("string", "boolean", None)
        for value in odd
        # Those that are no mistake there: a yes, and nothing where nobody need be named.
        if not (told["type"].get("type") == "boolean" and value is True)
        and not (value is None and not told["parameter_default"])
    ]

    def work(endpoint: str, field: str, value: object) -> str | None:
        sentence, _ = hub.call(endpoint, json.dumps(calls[endpoint] | {field: value}), "/v2")
        return None if sentence else f"{endpoint}({field}={str(value)[:40]!r}) was taken"

    assert hub.all(work, cases) > 200


def test_steps_and_options_that_are_none(hub: Hub) -> None:
    """Those endpoints that take JSON."""
    calls = good(hub)
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    steps = [
        [],
        {},
        [[]],
        [None],
        ["paint"],
        [{}],
        [{"task": None}],
        [{"task": ["paint"]}],
        [{"task": "paint", "x": 1}],
        [{"task": "paint", "strength": value} for value in (None, "1", [], {}, True)],
        deep,
        [{"task": "upscale", "scale": float("nan")}],
        [{"task": "colorize", "seed": 1e30}],
        [{"task": "paint", "style": ["vangogh"]}],
        [{"task": "paint", "style": {}}],
        [{"task": "paint"}] * 50,
        [{"task": "colorize", "model": ["general"]}],
        [{"task": "upscale", "model": {}}],
        [{"task": "paint", "image": {"path": str(hub.secret / "secret.png"), "meta": META}}],
        [{"task": "paint", "mask": {"path": hub.neighbour, "meta": META}}],
        [{"task": "upscale", "consistent": []}],
        [{"task": "paint", "direction": {}}],
        [{"task": "paint", "seed": 1.5}],
    ]
    options = [
        "{",
        "[]",
        5,
        [],
        {"nobody": 1},
        {"size": "x"},
        {"size": 10**9},
        {"steps": float("inf")},
        {"seed": -1},
        {"size": None},
        {"init": "/etc/passwd"},
        {"style_layers": "../x"},
        {"style_layers": {}},
        deep,
        {"tile": {"path": str(hub.secret / "secret.txt"), "meta": META}},
        {"size": [1]},
        {"budget": {}},
    ]
    each = [
        "{",
        [],
        5,
        {"nobody": 1},
        {"image": str(hub.secret / "secret.png")},
        {"style": ["vangogh"]},
        {"seed": {}},
        {"region": {"path": str(hub.secret / "secret.png"), "meta": META}},
        {"region": hub.neighbour},
        {"region": "../secret.png"},
    ]
    cases = [("chain", "steps", value) for value in steps] + [("style", "options", value) for value in options]
    cases += [("batch", "options", value) for value in each]

    def work(endpoint: str, field: str, value: object) -> str | None:
        sentence, _ = hub.call(endpoint, json.dumps(calls[endpoint] | {field: value}), "/v2")
        return None if sentence else f"{endpoint}({field}={str(value)[:60]!r}) was taken"

    hub.all(work, cases)


def test_files_that_were_not_sent(hub: Hub) -> None:
    """Paths, addresses and things that are no files, in every field that takes one."""
    calls = good(hub)
    secret, folder, inside = hub.secret, hub.folder, Path(calls["paint"]["image"]["path"])
    places = [
        str(secret / "secret.png"),
        str(secret / "secret.txt"),
        "/etc/passwd",
        "/dev/zero",
        "/dev/stdin",
        "",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/proc/self/cwd/README.md",
        f"file://{secret}/secret.png",
        f"{folder}/../secret/secret.png",
        f"{inside.parent}/../../secret/secret.png",
        str(folder),
        "../secret.png",
        f"{folder}/none/none.png",
        f"{inside}\0.png",
        "x" * 5000,
        "~/.bashrc",
        "\\\\host\\share\\x.png",
        f"{hub.neighbour}/a.png",
        "HTTP://127.0.0.1:1/a.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/x.png",
        "http://localhost:22",
        "https://127.0.0.1/x.png",
        "ftp://127.0.0.1/x.png",
        "gopher://127.0.0.1/x",
        "data:text/plain,hello",
        5,
        None,
        [],
        {},
        True,
    ]
    odd: list[object] = [{"path": place, "meta": META} for place in places]
    odd += [
        {"path": str(secret / "secret.png"), "meta": META, "is_stream": True},
        {"path": str(secret / "secret.png"), "meta": META, "url": f"{hub.neighbour}/b.png", "orig_name": "x.svg"},
        {"path": f"{hub.neighbour}/c.png", "meta": META, "url": f"{hub.neighbour}/c.png"},
        {"path": str(secret / "secret.png")},
        {"path": str(secret / "secret.png"), "meta": {"_type": "other"}},
        {"path": str(secret / "secret.png"), "meta": None},
        {"url": f"{hub.neighbour}/d.png", "meta": META},
        {"url": "data:image/png;base64,####", "path": None, "meta": META},
        {"url": "data:text/html,<script>", "path": None, "meta": META},
        {"url": "data:", "path": None, "meta": META},
        {"url": "data:image/png;base64," + base64.b64encode(b"text").decode(), "path": None, "meta": META},
        {"meta": META},
        "photo.png",
        str(secret / "secret.png"),
        5,
        [{"path": str(secret / "secret.png"), "meta": META}],
        {"a": {"b": {"path": str(secret / "secret.png"), "meta": META}}},
        {"path": {"path": str(secret / "secret.png"), "meta": META}, "meta": META},
    ]
    cases = [
        (endpoint, field, value)
        for endpoint, fields in endpoints(hub).items()
        for n, (field, told) in enumerate(fields.items())
        if told["type"].get("type") in ("object", "array")
        for value in (odd if n == 0 else odd[::4])
        if not (value is None and n)
    ]

    def work(endpoint: str, field: str, value: object) -> str | None:
        sentence, _ = hub.call(endpoint, json.dumps(calls[endpoint] | {field: value}), "/v2")
        return None if sentence else f"{endpoint}({field}={json.dumps(value)[:80]}) was taken"

    assert hub.all(work, cases) > 300
    # What came in an address is kept as long as what is uploaded, whatever it was.
    hub.given |= {str(path) for path in hub.folder.rglob("picture")}


def test_a_picture_in_a_data_address_is_a_picture(hub: Hub) -> None:
    address = "data:image/png;base64," + base64.b64encode(bad_inputs.PHOTO).decode()
    given = {"path": None, "url": address, "meta": META}
    before = {str(p) for p in hub.folder.rglob("*") if p.is_file()}
    sentence, outputs = hub.call("paint", json.dumps({"data": [given]}))
    assert not sentence and hub.picture(outputs).size == (32, 24)
    (kept,) = {str(p) for p in hub.folder.rglob("*") if p.is_file()} - before - hub.given
    assert Path(kept).read_bytes() == bad_inputs.PHOTO  # as if it had been uploaded
    hub.given.add(kept)


def test_addresses_that_lead_out(hub: Hub) -> None:
    secret, inside = hub.secret / "secret.txt", photo(hub)["path"]
    up = "/".join([".."] * 12)
    tricks = [
        str(secret),
        "/etc/passwd",
        f"{up}/etc/passwd",
        f"{inside}/{up}/etc/passwd",
        f"{hub.folder}/../secret/secret.txt",
        f"{hub.folder}/%2e%2e/secret/secret.txt",
        "%2Fetc%2Fpasswd",
        "file:///etc/passwd",
        f"{hub.neighbour}/e.png",
        hub.neighbour.replace(":", "%3A", 1),
        "http:/127.0.0.1/x",
        "/proc/self/environ",
        "\0",
        "x" * 4000,
        "",
        "README.md",
        ".git/config",
        str(Path(__file__).resolve()),
        "C:\\x",
    ]
    cases = [(f"/gradio_api/file={trick}",) for trick in tricks] + [(f"/gradio_api/file/{trick}",) for trick in tricks]
    cases += [(f"{room}/{trick}",) for trick in tricks for room in ("/cards", "/static", "/assets", "/svelte")]
    cases += [(f"/gradio_api/proxy={trick}",) for trick in tricks[8:10]]
    cases += [(f"/gradio_api/custom_component/{trick}/client/component/index.js",) for trick in tricks[:4]]

    def work(path: str) -> str | None:
        answer = hub.ask("GET", path.replace("\0", "%00"))
        wrong = answer.status_code == 200 and "text/html" not in answer.headers.get("content-type", "")
        return f"{path[:100]}: {answer.content[:80]!r}" if wrong else None

    assert hub.all(work, cases) > 100


def test_requests_that_make_no_sense(hub: Hub) -> None:
    deep = "[" * 100_000
    many = json.dumps({"data": [0] * 200_000})
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    text = {"Content-Type": "application/json"}
    posts: list[tuple[str, str | bytes, dict]] = []
    for body in (
        "",
        "{",
        "null",
        "[]",
        "5",
        '"x"',
        "{}",
        '{"data": 5}',
        '{"data": null}',
        '{"data": {}}',
        '{"data": []}',
        deep,
        many,
        '{"data": [], "session_hash": 5}',
        '{"data": [], "fn_index": -1, "session_hash": "x"}',
        '{"data": [], "fn_index": 99999999999999999999, "session_hash": "z"}',
        b"\xff\xfe\x00",
        b"\0" * 1000,
        '{"data": [], "fn_index": "x"}',
        '{"data": [], "event_data": {"a": [[]]}, "session_hash": "y"}',
        '{"data": [], "fn_index": -2, "session_hash": "../../x"}',
        '{"data": [null], "event_id": "x"}',
    ):
        posts += [
            (f"/gradio_api/{path}", body, text) for path in ("call/paint", "queue/join", "call/v2/paint", "run/paint")
        ]
        posts += [(path, body, text) for path in ("/api/colorize", "/TFG-Computadores/api-aumento/aumento")]
    for name in ("nobody", "..%2f", "%00", "show", "fetch", "look", "x" * 3000):
        posts += [(f"/gradio_api/call/{name}", '{"data": []}', text), (f"/gradio_api/call/v2/{name}", "{}", text)]
        posts += [(f"/gradio_api/run/{name}", '{"data": []}', text), (f"/gradio_api/api/{name}", '{"data": []}', text)]
    for body in (
        b"",
        part,
        part + b"data",
        part + b"data\r\n--b--",
        b"--b--",
        b"--c\r\n\r\n",
        b"\0" * 100,
        part * 50,
        b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--b--',
        b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\n' + b"x" * 3_000_000 + b"\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; filename="a.png"\r\n\r\nx\r\n--b--',
        b"--b\r\nX: " + b"y" * 20_000 + b"\r\n\r\nx\r\n--b--",
        part + b"x" * 3_000_000 + b"\r\n--b--",
    ):
        posts += [("/gradio_api/upload", body, form), ("/gradio_api/upload?upload_id=../x", body, form)]
    posts += [("/gradio_api/upload", b"x", kind) for kind in ({}, text, {"Content-Type": "multipart/form-data"})]
    for body in ("{}", '{"session_hash": "x", "fn_index": 0, "event_id": "y"}', '{"event_id": []}'):
        posts += [(f"/gradio_api/{path}", body, text) for path in ("cancel", "reset", "component_server", "stream/x")]
    posts += [("/login", b"a=b", {}), ("/gradio_api/stream/x/close", b"", {}), ("/gradio_api/vibe-edit", b"{}", text)]

    def work(path: str, body: str | bytes, headers: dict) -> str | None:
        answer = hub.ask("POST", path, content=body, headers=headers)
        if answer.status_code == 200 and path.startswith("/gradio_api/upload"):
            hub.given.update(answer.json())
        elif answer.status_code == 200 and "event_id" in answer.text:  # it fails later, for want of a picture
            event = answer.json()["event_id"]
            if "/call/" in path:
                told = hub.ask("GET", f"/gradio_api/call/paint/{event}").text
                return f"{path} {body[:60]!r}: {told}" if '"error": null' in told else None
        return None

    assert hub.all(work, posts) > 150
    gets = [
        "/gradio_api/call/paint/nobody",
        "/gradio_api/call/v2/paint/..%2f",
        "/gradio_api/upload_progress?upload_id=x",
        "/gradio_api/queue/data?session_hash=nobody",
        "/gradio_api/queue/data",
        "/gradio_api/info?page=../x",
        "/gradio_api/stream/a/b/5/playlist.m3u8",
        "/gradio_api/stream/a/b/5/playlist-file",
        "/?page=../x",
        "/gradio_api/stream/a/b/5/x.ts",
        "/pwa_icon/x",
        "/gradio_api/custom_component/x/y/z/w",
        "/?deep_link=../x",
        "/gradio_api/deep_link?session_hash=nobody",
        "/monitoring/x",
        "/manifest.json",
        "/theme.css",
        "/robots.txt",
        "/cards/%00",
        "/gradio_api/startup-events",
        "/config",
        "/gradio_api/app_id",
        "/gradio_api/openapi.json",
    ]

    def get(path: str) -> None:
        try:
            hub.ask("GET", path)
        except httpx.RemoteProtocolError:  # Gradio breaks off the answer of a job that it does not know
            assert "nobody" in path or "/call/" in path, path

    hub.all(get, ((path,) for path in gets))


def test_bodies_without_end(hub: Hub) -> None:
    """More than is taken, said to be less, or never said how much."""

    def endless(size: int) -> Iterator[bytes]:
        for _ in range(size // 2**18):
            yield bytes(2**18)

    for path in ("/gradio_api/call/paint", "/api/colorize"):
        with_length = {"Content-Type": "application/json"}
        try:
            answer = hub.ask("POST", path, content=endless(80 * 2**20), headers=with_length)
        except httpx.TransportError:  # it hung up before all was sent
            hub.count += 1
            continue
        assert answer.status_code == 413, answer.text


def test_an_upload_that_breaks_off_leaves_nothing(hub: Hub) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'

    def broken() -> Iterator[bytes]:
        yield head
        for _ in range(8):
            yield os.urandom(2**16)
        raise ConnectionAbortedError

    for _ in range(3):
        with pytest.raises(ConnectionAbortedError):
            hub.http.post(
                "/gradio_api/upload", content=broken(), headers={"Content-Type": "multipart/form-data; boundary=b"}
            )
    hub.count += 3  # and the fixture looks for what is left


def test_json_calls(hub: Hub) -> None:
    """The base64 ones: fields of every wrong kind."""
    picture = base64.b64encode(bad_inputs.PHOTO).decode()
    values = [
        None,
        True,
        5,
        float("nan"),
        float("inf"),
        10**400,
        "x",
        "",
        [],
        {},
        ["x"],
        "../../etc/passwd",
        "data:,x",
        f"{hub.neighbour}/f.png",
        str(hub.secret / "secret.png"),
        "\0",
        "ÿ" * 1000,
    ]
    fields = ["image", "model", "seed", "hints", "noise", "format", "saturation", "gamma", "white", "nobody"]
    cases = [(field, value) for field in fields for value in values]
    # What is no mistake: nothing given, in whatever way; and for a small number.
    fine = {("seed", "5"), *((f, v) for f in ("hints", "noise") for v in ("None", "", "[]", "{}")), ("model", "None")}

    def work(field: str, value: object) -> str | None:
        body = json.dumps({"image": picture} | {field: value})
        answer = hub.ask("POST", "/api/colorize", content=body, headers={"Content-Type": "application/json"})
        if (field, str(value)) in fine:
            return None
        if answer.status_code == 200 or not is_sentence(answer.json()["error"]):
            return f"{field}={str(value)[:40]!r}: {answer.status_code} {answer.text[:200]}"
        return None

    assert hub.all(work, cases) >= 150
    for name in ("/TFG_Computadores", "/TFG-Computadores"):
        for body in ({}, {"imagen": None}, {"imagen": []}, {"imagen": "/etc/passwd"}, {"imagen": "http://127.0.0.1/"}):
            assert hub.ask("POST", f"{name}/api-aumento/aumento", json=body).status_code in (400, 402)
