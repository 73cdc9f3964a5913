"""The one FastAPI application: the hub at /, the checkpoints' cards, and /healthz."""

from __future__ import annotations

import errno
import os
import socket

import gradio as gr
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from artcore import __version__, runtime
from artcore.load import catalog
from artcore.studio import hub, look, shared

MAX_FILE_SIZE = "50mb"


class ServerError(ValueError):
    """The server can't be started; the message says why, and what to do."""


def create() -> FastAPI:
    """The application, with no weights loaded: that happens when they are first used."""
    app = FastAPI(title="Artcore", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Whether the server answers, and which version it is."""
        return {"status": "ok", "version": __version__}

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

    if shared.EXAMPLES.is_dir():
        gr.set_static_paths([shared.EXAMPLES])
    page = hub.build()
    # Only a launched page asks whether a path that comes from outside was really uploaded, and mounting is no
    # launch to Gradio 6.31: without this, every picture on the server's disk could be painted by its path.
    page.has_launched = True
    return gr.mount_gradio_app(
        app,
        page,
        "/",
        show_error=False,  # of unexpected errors; gr.Error always shows its sentence
        max_file_size=MAX_FILE_SIZE,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        footer_links=["api", "settings"],
        theme=look.theme(),
        css=look.CSS,
        head=look.HEAD,
    )


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


def run(host: str | None = None, port: int | None = None) -> None:
    """Serve the hub until the process is told to stop.

    Raises:
        ServerError: the address can't be had.
        ValueError: ARTCORE_DTYPE or ARTCORE_THREADS is wrong.
    """
    host, port = address(host, port)
    with _listen(host, port) as listener:
        runtime.setup()  # before any thread starts: malloc's settings reach only threads that come later
        # A browser keeps a stream open for ever; without a limit, stopping would wait for it.
        config = uvicorn.Config(create(), host, port, log_level="info", access_log=False, timeout_graceful_shutdown=3)
        uvicorn.Server(config).run(sockets=[listener])


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
