"""In whose language the hub speaks: English, which stands in the code, or Spanish, from artcore.studio.spanish.

What stands on the page when it opens is translated as it is sent (:class:`Page`), so that the tabs name their controls
in English alone. What a handler tells goes through :func:`say`. Errors are raised in English everywhere, in the library
too; shared.sentences says them in the visitor's language. The address decides (``?lang=es``, which the links in the
page's header give), then the cookie that remembers it, then the browser's Accept-Language; a program that asks for
nothing is answered in English.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from artcore.studio.errors_es import ERRORS
from artcore.studio.spanish import PAGE

LANGUAGES = {"en": "English", "es": "Español"}
SPANISH: dict[str, str] = {" ".join(english.split()): spanish for english, spanish in (PAGE | ERRORS).items()}
# Of a component, what people read or hear: these, labels of choices, captions, and the value of some.
SPOKEN = ("label", "info", "placeholder", "alt_text")
WRITTEN = ("markdown", "button", "downloadbutton")

_language: ContextVar[str] = ContextVar("language", default="en")
_SLOT = re.compile(r"{(\w*)}")
# Of HTML: what stands between tags, and what a reader is told of them.
_READ = re.compile(r"""(>\s*|(?:aria-label|alt|title)=")([^<>"]*[^<>"\s])(\s*<|")""")
_CONFIG = re.compile(r"(window\.gradio_config = )(.*?)(;</script>)", re.DOTALL)


def say(text: str, **values: object) -> str:
    """A text in the visitor's language, with values put into its {slots}; unchanged where nobody has translated it."""
    told = _spanish(text) if _language.get() == "es" else text
    return _filled(told, values) if values else told


def _filled(text: str, values: Mapping[str, object]) -> str:
    return _SLOT.sub(lambda slot: str(values[slot[1]]), text)


def _spanish(text: str) -> str:
    return text if (told := translation(text)) is None else told


def translation(text: str) -> str | None:
    """The Spanish of an English text, however its lines are broken, paragraph by paragraph: an entry, or what fits an
    entry with {slots}; None where there is none."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    if len(paragraphs) > 1:
        told = [translation(paragraph) for paragraph in paragraphs]
        return None if None in told else "\n\n".join(told)  # type: ignore[arg-type]
    text = " ".join(text.split())
    if text in SPANISH or not _SLOT.sub("", text):
        return SPANISH.get(text, text)
    for pattern, entry in _patterns():
        if found := pattern.fullmatch(text):
            return _filled(entry, {name: _spanish(value) for name, value in found.groupdict().items()})
    return None


@functools.cache
def _patterns() -> list[tuple[re.Pattern, str]]:
    """Entries with {slots} as expressions, the most literal first, since "{a} is {b}" fits much."""
    found = []
    for english, spanish in sorted(SPANISH.items(), key=lambda entry: -len(_SLOT.sub("", entry[0]))):
        if _SLOT.search(english):
            literal = re.split(_SLOT, english)  # text, name, text, ...
            parts = [re.escape(p) if i % 2 == 0 else f"(?P<{p}>.+?)" for i, p in enumerate(literal)]
            found.append((re.compile("".join(parts)), spanish))
    return found


def chosen(headers: Mapping[str, str], query: str = "") -> str:
    """The language that a request asks for: "en" or "es".

    Args:
        headers: Of the request, by lower-case names.
        query: Of its address. A call that a page makes has the page's address as its referer.
    """
    cookies: SimpleCookie = SimpleCookie()
    with contextlib.suppress(CookieError):
        cookies.load(headers.get("cookie", ""))
    asked = [*parse_qs(query).get("lang", []), *parse_qs(urlsplit(headers.get("referer", "")).query).get("lang", [])]
    asked += [cookies["lang"].value] if "lang" in cookies else []
    told = next((language for language in asked if language in LANGUAGES), None)
    return told or _preferred(headers.get("accept-language", ""))


def _preferred(header: str) -> str:
    """Of Accept-Language, such as "ca,es;q=0.8,en;q=0.5", the language of ours that is liked best."""
    liked = []
    for part in header.split(","):
        tag, _, weight = part.partition(";")
        found = re.search(r"q\s*=\s*([01](?:\.\d{0,3})?)", weight)
        liked.append((float(found[1]) if found else 1.0, tag.strip().lower().partition("-")[0]))
    best = max((pair for pair in liked if pair[1] in LANGUAGES), key=lambda pair: pair[0], default=(1.0, "en"))
    return best[1] if best[0] else "en"


def hear(request: Any) -> None:
    """From now on, :func:`say` speaks to who made this request, as Gradio hands it on."""
    _language.set(chosen({name.lower(): value for name, value in request.headers.items()}) if request else "en")


def fluent(page: gr.Blocks) -> gr.Blocks:
    """The page, whose handlers are answered in the language of who calls them."""
    process = page.process_api

    async def process_api(*given: Any, request: Any = None, **named: Any) -> dict[str, Any]:
        hear(request)
        try:
            return await process(*given, request=request, **named)
        except gr.Error as error:  # of what is no handler's, such as an upload that is too large
            error.message, error.title = say(error.message), say(error.title)
            raise

    page.process_api = process_api
    return page


def translated(components: list[dict], change: Callable[[str], str]) -> None:
    """Changes what is read of the components of a page's config, in place."""
    for component in components:
        props = component["props"]
        for name in SPOKEN:
            if isinstance(props.get(name), str) and props[name]:
                props[name] = change(props[name])
        for choice in props.get("choices") or []:
            choice[0] = change(choice[0]) if isinstance(choice[0], str) else choice[0]
        value = props.get("value")
        if component["type"] in WRITTEN and isinstance(value, str) and value:
            props["value"] = change(value)
        if component["type"] == "html":
            props["value"] = _READ.sub(lambda found: found[1] + change(found[2]) + found[3], value or "")
        if component["type"] == "gallery":
            for item in value or []:
                item["caption"] = change(item["caption"]) if item.get("caption") else None


class Page:
    """ASGI middleware that sends the page in the visitor's language, and remembers it where the address chose one.

    Gradio's own words in it ("Drop Image Here") are chosen by the browser's language: it is told ours. ``finish`` is
    what else is done to the HTML.
    """

    def __init__(self, app: ASGIApp, finish: Callable[[str], str] = str) -> None:
        self.app = app
        self.finish = finish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        headers = Headers(scope=scope)
        # Not the referer: somebody may come from the page in another language.
        language = chosen({k: v for k, v in headers.items() if k != "referer"}, query)
        start: Message | None = None
        body = bytearray()

        async def told(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if MutableHeaders(scope=message).get("content-type", "").startswith("text/html"):
                    start = message
                    return
            elif start is not None:
                body.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                data = self.finish(_page(body.decode(), language)).encode()
                found = MutableHeaders(scope=start)
                found["content-length"] = str(len(data))
                found["content-language"] = language
                found.add_vary_header("Accept-Language, Cookie")
                if language in parse_qs(query).get("lang", []):
                    found.append("set-cookie", _cookie(language, headers, scope))
                await send(start)
                message = {"type": "http.response.body", "body": data}
            await send(message)

        await self.app(scope, receive, told)


def _cookie(language: str, headers: Headers, scope: Scope) -> str:
    """What remembers a language for a year, also in the frame that a Space is shown in, which needs HTTPS."""
    secure = "https" in (scope["scheme"], headers.get("x-forwarded-proto", ""))
    site = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
    return f"lang={language}; Path={scope.get('root_path') or '/'}; Max-Age=31536000; {site}"


def _page(html: str, language: str) -> str:
    """The HTML of the page in a language."""

    def config(found: re.Match) -> str:
        data = json.loads(found[2])
        if language == "es":
            translated(data.get("components", []), _spanish)
        for component in data.get("components", []):
            if component["type"] == "html" and component["props"].get("value"):
                here = f'hreflang="{language}"'
                component["props"]["value"] = component["props"]["value"].replace(here, f'{here} aria-current="true"')
        escaped = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        for sign in "<>&'":
            escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")
        return found[1] + escaped + found[3]

    told = json.dumps(language)
    script = (
        f'<script>Object.defineProperty(navigator, "language", {{get: () => {told}}});'
        f'Object.defineProperty(navigator, "languages", {{get: () => [{told}]}});</script>'
    )
    html = html.replace('lang="en"', f'lang="{language}"', 1).replace("<head>", f"<head>{script}", 1)
    return _CONFIG.sub(config, html, count=1)
