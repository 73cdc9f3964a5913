"""The hub in two languages: nothing that a visitor reads is in English alone, and programs are answered in English."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from artcore import load
from artcore.studio import hub, look, shared, words
from tests.hub_server import serve, write_catalog

REPO = Path(__file__).resolve().parents[1]
STUDIO = sorted((REPO / "artcore" / "studio").glob("*.py"))
SLOT = re.compile(r"{\w*}")
# What only programs and whoever runs the server meet; nobody reads it on the page.
NO_PAGE = ("rest.py", "server.py", "border.py", "__init__.py")
LIBRARY = [REPO / "artcore" / "image.py", *sorted((REPO / "artcore" / "tasks").glob("*.py"))]
NO_VISITOR = (
    "A picture can't be read from", "{} can't be read from its", "{} is a text file object", "{} is a folder: name",
    "{} is not a regular file", "The pixel limit is", "{} can't become a tensor", "A tensor of shape",
    "A picture of {} can't take the alpha", "A long side of", "Only RGB and RGBA", "The quality is", "{} has no suffix",
    "There is no memory to write this picture as TIFF", "steps is no list of pairs", "Step {} is {}, which is no task",
    "seeds is {};", "regions is no list", "{} colourings can't", "adjustments is of type", "The picture is {} x {} and",
    "This colouring was read", "its parts don't fit", "This is no colouring", "cut short, or none of ours",
    "{} is {}; give a number from {}{} to", "consistent is {}; give True", "box is",
)  # fmt: skip


def _template(node: ast.AST | None) -> str | None:
    """A string in the code, with {} for what an f-string puts in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def _calls(path: Path, *names: str) -> Iterator[tuple[int, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if any(re.fullmatch(name, called) for name in names):
                yield node.lineno, node


@pytest.fixture(scope="module")
def page() -> list[dict]:
    """The components of the shipped hub."""
    return json.loads(json.dumps(hub.build().get_config_file()["components"], default=str))


def read_of(components: list[dict]) -> list[str]:
    texts: list[str] = []
    words.translated(components, lambda text: texts.append(text) or text)
    return texts


# --- nothing is missing ---------------------------------------------------------------------------------


def test_every_text_on_the_page_has_its_spanish(page: list[dict]) -> None:
    texts = read_of(page)
    assert len(set(texts)) > 200 and "Strength" in texts and "Painter" in texts
    missing = sorted({text for text in texts if words.translation(text) is None})
    assert not missing, f"write their Spanish into artcore/studio/spanish.py: {missing}"


def test_every_text_of_a_handler_has_its_spanish() -> None:
    told, bare = {}, []
    for path in STUDIO:
        for line, call in _calls(path, "say"):
            text = _template(call.args[0])
            if text is None:
                continue  # a name: what it stands for is on the page, or below
            assert not isinstance(call.args[0], ast.JoinedStr), f"{path.name}:{line}: say(f...) can't be looked up"
            told[text] = f"{path.name}:{line}"
            slots = {name.strip("{}") for name in SLOT.findall(text)}
            named = {keyword.arg for keyword in call.keywords}
            assert None in named or slots == named, f"{path.name}:{line}: slots {slots}, values {named}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    text = SLOT.sub("", _template(value) or "")
                    if isinstance(key, ast.Name) and key.id in ("status", "outlook") and re.search("[a-z]", text):
                        bare.append(f"{path.name}:{value.lineno}")
    assert len(told) > 10
    missing = {text: where for text, where in told.items() if " ".join(text.split()) not in words.SPANISH}
    assert not missing, f"write their Spanish into artcore/studio/spanish.py: {missing}"
    assert not bare, f"tell the visitor by say(...): {bare}"


def test_every_error_a_visitor_may_meet_has_its_spanish() -> None:
    known = {SLOT.sub("{}", text) for text in words.SPANISH}
    missing = {}
    studio = [path for path in STUDIO if path.name not in NO_PAGE]
    library = [path for path in LIBRARY if path.name != "sheets.py"]
    for path in studio + library:
        for line, call in _calls(path, r"\w*Error", "refusal"):
            text = _template(call.args[0]) if call.args else None
            title = next((_template(k.value) for k in call.keywords if k.arg == "title"), None)
            for sentence in filter(None, (text, title)):
                if SLOT.sub("{}", sentence) not in known and not sentence.startswith(NO_VISITOR):
                    missing[sentence] = f"{path.name}:{line}"
    assert not missing, f"write their Spanish into artcore/studio/errors_es.py: {missing}"


def test_the_catalog_has_its_spanish() -> None:
    labels = {entry.label for entry in load.catalog().values()}
    assert not [label for label in labels if words.translation(label) is None]


def test_slots_are_the_same_in_both_languages() -> None:
    assert len(words.SPANISH) > 350
    for english, spanish in words.SPANISH.items():
        slots = [sorted(set(SLOT.findall(text))) for text in (english, spanish)]
        assert slots[0] == slots[1], english
        assert spanish.strip() == spanish and spanish, english
        assert re.findall(r"\[[^\]]+\]\(([^)]+)\)", english) == re.findall(r"\[[^\]]+\]\(([^)]+)\)", spanish), english


def test_nothing_that_stands_empty_is_in_english_alone() -> None:
    """What hangs on an empty wall is said by the style sheet."""
    english = re.findall(r'content: "([A-Z][^"]+)"', look.CSS.split(":lang(es)")[0])
    assert english
    for text in english:
        assert f'content: "{words.SPANISH[text]}"' in look.CSS, text


# --- how a text is found --------------------------------------------------------------------------------


def test_translation_of_slots_paragraphs_and_lines() -> None:
    assert words.translation("harbour x4.png was sent to Colour") == "harbour x4.png se ha enviado a Color"
    assert words.translation("Who paints where it is red") == "Quién pinta lo rojo"
    broken = "torn.jpg is damaged or cut short: save or download it\n  again, or choose another picture."
    assert words.translation(broken).startswith("torn.jpg está dañado")
    both = "Choose a photo first\n\nChoose a picture first"
    assert words.translation(both) == "Elige antes una foto\n\nElige antes una imagen"
    assert words.translation("Choose a photo first\n\nWhat nobody wrote") is None
    assert words.translation("What nobody wrote") is None
    assert words.translation("{tab}.png was sent to Style") == "{tab}.png se ha enviado a Estilo"  # nobody's slot


def test_say_puts_values_in_and_stays_english_by_itself() -> None:
    assert words.say("{name} was sent to {tab}", name="{tab}", tab="Style") == "{tab} was sent to Style"
    token = words._language.set("es")
    try:
        assert words.say("{name} was sent to {tab}", name="{tab}", tab="Estilo") == "{tab} se ha enviado a Estilo"
        assert words.say("What nobody wrote") == "What nobody wrote"
        assert words.say("100 % {of} it") == "100 % {of} it"
    finally:
        words._language.reset(token)


@pytest.mark.parametrize(
    ("headers", "query", "language"),
    [
        ({}, "", "en"),
        ({"accept-language": "*"}, "", "en"),
        ({"accept-language": "es-MX,es;q=0.9,en;q=0.8"}, "", "es"),
        ({"accept-language": "ca,en;q=0.3,es;q=0.7"}, "", "es"),
        ({"accept-language": "de,en-GB;q=0.9"}, "", "en"),
        ({"accept-language": "es;q=0,fr"}, "", "en"),
        ({"accept-language": "es;q=x;;,=;en"}, "", "es"),
        ({"accept-language": "en", "cookie": "a=b; lang=es"}, "", "es"),
        ({"accept-language": "en", "cookie": "lang=tlh"}, "", "en"),
        ({"cookie": "lang=es"}, "lang=en", "en"),
        ({"cookie": "lang=en"}, "x=1&lang=es", "es"),
        ({"cookie": "lang=en", "referer": "http://h/?lang=es"}, "", "es"),
        ({"cookie": "\x00;=;;lang", "referer": "::"}, "lang=../..", "en"),
    ],
)
def test_language_of_a_request(headers: dict, query: str, language: str) -> None:
    assert words.chosen(headers, query) == language


# --- the server -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = write_catalog(tmp_path_factory.mktemp("weights"))
    before = os.environ.get("ARTCORE_WEIGHTS")
    os.environ["ARTCORE_WEIGHTS"] = str(folder)
    shared._tasks.clear()
    with serve() as address:
        yield address
    shared._tasks.clear()
    os.environ.pop("ARTCORE_WEIGHTS") if before is None else os.environ.update(ARTCORE_WEIGHTS=before)


def test_page_comes_in_the_language_that_is_asked_for(url: str) -> None:
    english = httpx.get(url)
    assert '<html\n\tlang="en"' in english.text and "Choose a photo, choose a style, paint." in english.text
    assert english.headers["content-language"] == "en" and "set-cookie" not in english.headers
    assert "Accept-Language" in english.headers["vary"]
    spanish = httpx.get(url, headers={"accept-language": "es"})
    assert '<html\n\tlang="es"' in spanish.text and "Elige una foto, elige un estilo y pinta." in spanish.text
    assert "Choose a photo, choose a style" not in spanish.text.split("window.gradio_api_info")[0]
    with httpx.Client(base_url=url) as visitor:
        chosen = visitor.get("/", params={"lang": "es"})
        assert "Elige una foto" in chosen.text
        assert "SameSite=Lax" in chosen.headers["set-cookie"] and "Max-Age" in chosen.headers["set-cookie"]
        assert "Elige una foto" in visitor.get("/").text  # it is remembered
        assert "Choose a photo" in visitor.get("/", params={"lang": "en"}).text
        assert "Choose a photo" in visitor.get("/").text
    framed = httpx.get(url, params={"lang": "es"}, headers={"x-forwarded-proto": "https"})
    assert "SameSite=None; Secure; Partitioned" in framed.headers["set-cookie"]


def test_page_is_whole_for_gradio_in_either_language(url: str) -> None:
    """What was translated is the page's config still, and nothing in it can end the script that holds it."""
    for language in words.LANGUAGES:
        text = httpx.get(url, params={"lang": language}).text
        found = re.search(r"window\.gradio_config = (.*?);</script>", text, re.DOTALL)
        assert "<" not in found[1]
        config = json.loads(found[1])
        plain = httpx.get(f"{url}/config").json()
        assert [c["id"] for c in config["components"]] == [c["id"] for c in plain["components"]]
        label = {"en": "Strength", "es": "Intensidad"}[language]
        sliders = [c["props"] for c in config["components"] if c["props"].get("label") == label]
        assert sliders and sliders[0]["maximum"] == 1.5
        header = next(c["props"]["value"] for c in config["components"] if c["type"] == "html")
        assert re.findall(r'hreflang="(..)" aria-current', header) == [language]


def test_programs_are_answered_in_english_unless_they_ask(url: str, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")

    def refused(name: str, style: str, **headers: str) -> str:
        client = Client(url, verbose=False, headers=headers, download_files=tmp_path / "got")
        with pytest.raises(AppError) as caught:
            client.predict(handle_file(tmp_path / name), style, api_name="/paint")
        return caught.value.message

    spanish = {"accept-language": "es"}
    assert refused("torn.jpg", "monet").startswith("torn.jpg is damaged or cut short")
    assert refused("torn.jpg", "monet", **spanish).startswith("torn.jpg está dañado o incompleto")
    assert refused("photo.png", "nobody").startswith("Value: nobody is not in the list of choices: ['monet'")
    assert refused("photo.png", "nobody", **spanish).startswith("El valor nobody no está entre las opciones: ['monet'")
    info = httpx.get(f"{url}/gradio_api/info", headers={"accept-language": "es"}).json()
    assert "strength" in [p["parameter_name"] for p in info["named_endpoints"]["/paint"]["parameters"]]
    assert "Strength" in [p["label"] for p in info["named_endpoints"]["/paint"]["parameters"]]
