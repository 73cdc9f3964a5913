"""The one FastAPI application: the hub at /, the base64 JSON calls, the checkpoints' cards, and what
:mod:`artcore.studio.monitoring` tells; and the process that serves it."""

from __future__ import annotations

import base64
import errno
import importlib.util
import os
import secrets
import socket
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import FrameType

import gradio as gr
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.middleware import Middleware

from artcore import __version__, runtime
from artcore.load import catalog
from artcore.studio import border, gpu, hub, install, look, rest, shared, words
from artcore.studio.monitoring import Monitor, Watch
from artcore.studio.sessions import Sessions
from artcore.studio.spanish import GRADIO


class ServerError(ValueError):
    """The server can't be started; the message says why, and what to do."""


@dataclass(frozen=True)
class Settings:
    """How the hub is served.

    Raises:
        ServerError: values that make no sense, alone or together.
    """

    root_path: str = ""  # below which a proxy shows the hub, such as "/art"; it may strip it or not
    auth: tuple[tuple[str, str], ...] = ()  # (name, password) of those who may come in; empty for everybody
    queue: int = 32  # jobs that may wait before further ones are sent away
    # MB of an uploaded file: the resume file of a style transfer of 2048 x 1536 fits. Pictures have a lower limit
    # of their own (shared.MOST_BYTES).
    upload: int = 400
    grace: float = 30.0  # seconds that jobs have to end in when the server is stopped
    mcp: bool = False  # whether the endpoints are tools for language models too
    tabs: tuple[str, ...] = ()  # those of hub.names() to show, with their endpoints; empty for all

    def __post_init__(self) -> None:
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise ServerError(f"The root path is {self.root_path!r}: begin it with / and end it without, like /art.")
        for name, least in (("queue", 1), ("upload", 1), ("grace", 0)):
            if not getattr(self, name) >= least:
                raise ServerError(f"{name} is {getattr(self, name)}: give a number from {least}.")
        for tab in self.tabs:
            if tab not in hub.names():
                raise ServerError(f"There is no tab {tab!r}: choose from {', '.join(hub.names())}.")
        if self.mcp and self.auth:
            raise ServerError("MCP has no login: leave out --auth or --mcp, or put a proxy that asks before it.")
        if self.mcp and importlib.util.find_spec("mcp") is None:
            raise ServerError("MCP needs a package that is missing: pip install 'gradio[mcp]', or leave out --mcp.")


def people(path: Path) -> tuple[tuple[str, str], ...]:
    """The names and passwords of a file that has name:password on every line.

    Raises:
        ServerError: it can't be read, or has another line.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ServerError(f"{path} can't be read ({error}): give a text file with name:password on a line.") from error
    pairs = [line.partition(":") for line in lines if line and not line.startswith("#")]
    if not pairs or not all(name and password for name, _, password in pairs):
        raise ServerError(f"{path} needs name:password on every line, and at least one.")
    return tuple((name, password) for name, _, password in pairs)


def create(settings: Settings | None = None) -> FastAPI:
    """The application, with no weights loaded: that happens when they are first used. Its ``state.monitor`` is its
    :class:`artcore.studio.monitoring.Monitor`."""
    settings = settings or Settings()
    border.sweep(hub.KEEP)
    page = hub.build(settings.tabs)
    page.queue(max_size=settings.queue, api_open=False)  # nothing goes past the queue
    monitor = Monitor(page)
    quiet = dict.fromkeys(("docs_url", "redoc_url", "openapi_url"))
    app = FastAPI(title="Artcore", version=__version__, lifespan=border.tidied, **quiet)
    app.state.monitor = monitor
    app.add_middleware(border.Limits)
    app.add_middleware(Watch, monitor=monitor, root_path=settings.root_path)

    @app.exception_handler(HTTPException)
    async def sentence(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    def known(name: str, password: str) -> bool:
        """Compares with everybody to the end, since the time that it takes should tell nothing."""
        given = f"{name}:{password}".encode()
        return any([secrets.compare_digest(given, f"{n}:{p}".encode()) for n, p in settings.auth])

    def asked(request: Request) -> None:
        """HTTP Basic in UTF-8, for calls and Prometheus; the page has a form of its own."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except ValueError:
            name = password = ""
        if settings.auth and not (scheme.lower() == "basic" and known(name, password)):
            told = "Who are you? Send the name and password that you were given (HTTP Basic)."
            raise HTTPException(401, told, {"WWW-Authenticate": 'Basic realm="Artcore", charset="UTF-8"'})

    guard = [Depends(asked)]
    app.include_router(monitor.router(guard))

    @app.get("/cards")
    def licences(request: Request) -> HTMLResponse:
        """The licence of every checkpoint, with its card."""
        words.hear(request)
        nets = {escape(name): escape(words.say(entry.licence)) for name, entry in catalog().items()}
        lines = (f'<li><a href="cards/{name}">{name}</a>: {licence}' for name, licence in nets.items())
        return HTMLResponse(f"<!doctype html><title>Artcore</title><ul>{''.join(lines)}</ul>")

    @app.get("/cards/{name}")
    def card(name: str) -> Response:
        """The card of a checkpoint of the catalog."""
        entry = catalog().get(name)
        if entry is not None and entry.path is not None and (entry.path / "README.md").is_file():
            text = (entry.path / "README.md").read_text(encoding="utf-8")
            return PlainTextResponse(text, media_type="text/plain; charset=utf-8")
        if entry is not None and entry.repo:
            return RedirectResponse(f"https://huggingface.co/{entry.repo}")
        raise HTTPException(404, f"There is no card of {name!r}: `python -m artcore styles` lists the names.")

    for tab, router in rest.routers.items():
        if not settings.tabs or tab in settings.tabs:
            app.include_router(router, dependencies=guard)
    app.include_router(install.router(page.title))
    if shared.EXAMPLES.is_dir():
        gr.set_static_paths([shared.EXAMPLES])
    # Only a launched page asks whether a path that comes from outside was really uploaded, and mounting is no
    # launch to Gradio 6.31: without this, every picture on the server's disk could be painted by its path.
    page.has_launched = True
    gr.mount_gradio_app(
        app,
        page,
        "/",
        auth=known if settings.auth else None,
        root_path=settings.root_path or None,
        show_error=False,  # of unexpected errors; gr.Error always shows its sentence
        max_file_size=settings.upload * 2**20,
        run_history=False,
        enable_monitoring=False,  # Gradio's own page; /metrics is ours
        mcp_server=settings.mcp,
        ssr_mode=False,
        footer_links=["api", "settings"],
        theme=look.theme(),
        css=look.CSS,
        pwa=True,
        head=look.HEAD,
        app_kwargs={"middleware": [Middleware(words.Page, finish=install.linked)]},  # inside what compresses
        i18n=gr.I18n(es=GRADIO),
    )
    mounted = app.routes[-1].app
    mounted.state_holder = monitor.sessions = Sessions(page)
    for each in (app, mounted):
        border.explain(each)
    if settings.mcp and not page.mcp_server:
        raise ServerError(f"MCP can't be had ({page.mcp_error}): pip install 'gradio[mcp]', or leave out --mcp.")
    return app


def address(host: str | None = None, port: int | None = None) -> tuple[str, int]:
    """Where to listen: what is given, else GRADIO_SERVER_NAME and GRADIO_SERVER_PORT or PORT, else port 7860
    of this machine alone, or of every network on a Space, where a proxy stands before it."""
    on_space = os.environ.get("SYSTEM") == "spaces"
    host = host or os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if on_space else "127.0.0.1")
    if port is None:
        text = os.environ.get("GRADIO_SERVER_PORT") or os.environ.get("PORT") or "7860"
        if not text.isdigit():
            raise ServerError(f"The port is {text!r}; set GRADIO_SERVER_PORT or PORT to a number up to 65535.")
        port = int(text)
    if not 0 <= port <= 65535:
        raise ServerError(f"The port is {port}; choose one from 1 to 65535.")
    return host, port


def run(host: str | None = None, port: int | None = None, settings: Settings | None = None) -> None:
    """Serve the hub until the process is told to stop.

    Raises:
        ServerError: the address can't be had.
        ValueError: ARTCORE_DTYPE or ARTCORE_THREADS is wrong.
    """
    settings = settings or Settings()
    host, port = address(host, port)
    with _listen(host, port) as listener:
        runtime.setup()  # before any thread starts: malloc's settings reach only threads that come later
        app = create(settings)
        if settings.mcp:  # whose calls go by HTTP: to this process, whatever proxy they came through
            own = "127.0.0.1" if host in ("0.0.0.0", "::") else host
            own = f"[{own}]" if ":" in own else own
            app.state.monitor.page.mcp_server_obj._local_url = f"http://{own}:{listener.getsockname()[1]}/"
        # Without a limit, stopping would wait for whoever takes his time.
        config = uvicorn.Config(app, host, port, log_level="info", access_log=False, timeout_graceful_shutdown=3)
        server = _Server(config, app.state.monitor, settings.grace)
        if gpu.LENT:
            gpu.report(app.state.monitor.page, server)
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Stops at the first signal as a shop closes: nobody new comes in, and those inside have ``grace`` seconds.

    Uvicorn alone stops to listen at once, and a picture that was just made could not be fetched any more.
    """

    def __init__(self, config: uvicorn.Config, monitor: Monitor, grace: float) -> None:
        super().__init__(config)
        self.monitor = monitor
        self.grace = grace
        self.asked: float | None = None  # when it was told to stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.started and not self.monitor.leaving:
            self.monitor.leave()
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self.monitor.leaving:
            now = time.monotonic()
            self.asked = self.asked or now
            if now - self.asked > self.grace:
                self.monitor.dismiss()
            # What was dismissed is closed at its next step, if that comes soon.
            if self.monitor.done() or now - self.asked > self.grace + 5:
                self.monitor.closing.set()
                self.should_exit = True
        return await super().on_tick(counter)


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket: taken before the slow imports of the page, so that a busy port is said at once."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServerError(
                f"Port {port} is taken: stop what runs there, or choose another with PORT=7861."
            ) from error
        raise ServerError(f"{host}:{port} can't be listened on ({error.strerror or error}): choose another.") from error
