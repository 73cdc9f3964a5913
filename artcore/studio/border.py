"""What comes in from outside, looked at before Gradio and the tabs do: values, files, bodies.

Gradio 6.31 answers much of what makes no sense with an error that has no text, downloads what a stranger names by an
address, and leaves what it has of an upload that breaks off. Here each becomes a sentence, and nothing is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import math
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio.to_thread
import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from gradio import route_utils, routes
from gradio.block_function import BlockFunction
from gradio.exceptions import InvalidPathError
from gradio.utils import get_upload_folder
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from artcore.studio import shared

MOST_BYTES = shared.MOST_BYTES * 4 // 3 + 2**20  # of a body that is no upload: the largest picture in base64, and more
MOST_TEXT = 2**20  # bytes of a form's field that is no file
MOST_NAME = 200  # characters of what is chosen from a list
MOST_NUMBER = 2**53  # beyond it, floats skip whole numbers
HALF = 3600  # seconds after which nobody is still writing what has only half of a file

LARGE = ("/gradio_api/upload", "/api/colorize", "/aumento")  # which have limits of their own
KINDS = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError,
         route_utils.FnIndexInferError)  # of errors  # fmt: skip

UPLOAD = "upload it to /gradio_api/upload, and give the path that comes back"
CALL = "This call can't be taken: /gradio_api/info says what there is to call, and what it takes."

_log = logging.getLogger(__name__)
_uploads: ContextVar[list[Upload]] = ContextVar("uploads")  # of the request


# --- values of the page's events and endpoints -------------------------------------------------------------


def guarded(page: gr.Blocks) -> gr.Blocks:
    """The page, whose events get nothing but values of the kind that they were made for: a sentence says which is not.

    They may be called with fewer values than they take, and the rest are the defaults. Callers by name have that from
    Gradio. One who posts a list, as HTTP alone asks for, would fail from the day that an endpoint learns something new.
    """
    complain, convert = page.validate_inputs, page.preprocess_data

    def validate_inputs(event: BlockFunction, inputs: list) -> None:
        inputs += [component.value for component in event.inputs[len(inputs) :]]
        complain(event, inputs)
        public = event.api_visibility == "public"
        for name, component, value in zip(_names(event), event.inputs, inputs, strict=False):
            if value is not None or (public and component.value is not None):  # on the page, a field may be empty
                _check(name, component, value)

    async def preprocess_data(*given: Any, **named: Any) -> list:
        try:
            return await convert(*given, **named)
        except gr.Error:
            raise
        except InvalidPathError as error:
            raise shared.refusal(f"That file was not sent to this server: {UPLOAD}.") from error
        except Exception as error:  # of what could not be foreseen, too, the caller should know that it is his
            _log.info("Refused: %r", error)
            raise shared.refusal("What was sent can't be read: send what /gradio_api/info asks for.") from error

    page.validate_inputs, page.preprocess_data = validate_inputs, preprocess_data
    for component in page.blocks.values():
        if isinstance(component, gr.File) and component.type == "filepath":
            # Gradio's own makes an empty file beside it for every call, and never removes that.
            component._process_single_file = lambda file: file.path
    return page


def _names(event: BlockFunction) -> list[str]:
    """What the values of an event are called: as the endpoint says, or as the page does."""
    names = [] if event.inputs_as_dict or event.fn is None else list(inspect.signature(event.fn).parameters)
    if len(names) < len(event.inputs):
        names = [getattr(component, "label", None) or "A value" for component in event.inputs]
    return names


def _check(name: str, component: gr.components.Component, value: object) -> None:
    for path in _paths(value):
        if not isinstance(path, str):
            raise shared.refusal(f"{name} names a file by {_short(path)}: {UPLOAD}.")
        if path.lower().startswith(("http:", "https:")):
            raise shared.refusal(f"{name} is on another server, and nothing is fetched from there: {UPLOAD}.")
    match component:
        case gr.Slider() | gr.Number():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and abs(value) <= MOST_NUMBER):  # nor NaN
                kind = "whole number" if getattr(component, "precision", None) == 0 else "number"
                raise shared.refusal(f"{name} is {_short(value)}: give a {kind}, and none that is huge.")
        case gr.Checkbox():
            if not isinstance(value, bool):
                raise shared.refusal(f"{name} is {_short(value)}: give true or false.")
        case gr.Textbox() | gr.Radio() | gr.Dropdown():
            several = getattr(component, "multiselect", False)
            if not several and not isinstance(value, str | int | float | None):
                raise shared.refusal(f"{name} is {_short(value)}: give one text.")
            if isinstance(value, str) and len(value) > (MOST_TEXT if isinstance(component, gr.Textbox) else MOST_NAME):
                raise shared.refusal(f"{name} has {len(value)} characters: give fewer.")
        case gr.Image() | gr.File():
            many = value if isinstance(value, list) and isinstance(component, gr.File) else [value]
            if not all(one is None or _is_file(one) for one in many):
                raise shared.refusal(f"{name} is no file: {UPLOAD}.")


def _is_file(value: object) -> bool:
    return isinstance(value, dict) and "path" in value and value.get("meta") == {"_type": "gradio.FileData"}


def _paths(value: object) -> Iterator[object]:
    """The paths of all files that Gradio would find in a value, however deep."""
    todo = [value]
    while todo:
        match todo.pop():
            case dict() as found:
                if "path" in found and "meta" in found and not str(found.get("url")).startswith("data:"):
                    yield found["path"]
                todo += found.values()
            case list() as found:
                todo += found


def _short(value: object) -> str:
    """A value as a sentence may hold it."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case int() if abs(value) > MOST_NUMBER:  # Python refuses to write out thousands of digits
            return "a whole number beyond measure"
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


# --- requests ---------------------------------------------------------------------------------------------


class Limits:
    """ASGI middleware: bodies that are no uploads have a limit, and nobody's pages are fetched for others.

    Gradio hands on what ``/gradio_api/file=https://...`` names, from wherever that is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, taken = scope["path"], 0
        _, _, wanted = path.partition("/gradio_api/file")
        if wanted.lstrip("=/").lower().startswith(("http:", "https:")) or "/gradio_api/proxy=" in path:
            told = "Files of other servers are not handed on: fetch them there."
            await JSONResponse({"error": told}, 403)(scope, receive, send)
            return

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BYTES:
                raise HTTPException(413, f"The call has more than {MOST_BYTES // 2**20} MB: upload files instead.")
            return message

        uploads: list[Upload] = []
        _uploads.set(uploads)
        try:
            await self.app(scope, receive if path.rstrip("/").endswith(LARGE) else counted, send)
        finally:
            for upload in uploads:
                upload.clear()


def explain(app: FastAPI) -> None:
    """Gives an application a sentence for every error that nobody foresaw; what it was is logged under a number."""

    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, OSError) and error.errno in shared.FULL:
            return JSONResponse({"error": shared.NO_ROOM}, 507)
        if isinstance(error, route_utils.FnIndexInferError):
            return JSONResponse({"error": CALL}, 404)
        calling = request.method == "POST" and "/gradio_api/" in request.url.path
        if calling and isinstance(error, TypeError | LookupError):  # Gradio looks for what it was told of
            return JSONResponse({"error": CALL}, 400)
        number = secrets.token_hex(3)
        _log.error("Error %s: %s %s", number, request.method, request.url.path, exc_info=error)
        told = f"Something went wrong here (error {number}): try again, and report that number if it stays."
        return JSONResponse({"error": told}, 500)

    # Exception alone would be answered and then raised again, and the connection closed on whoever is next on it.
    for kind in (*KINDS, Exception):
        app.add_exception_handler(kind, unforeseen)


class Upload(route_utils.GradioMultiPartParser):
    """Gradio's reader of uploads, which leaves nothing of those that break off or are refused, and has no room for text
    without end."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        _uploads.get([]).append(self)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None:
            if len(part.data) + end - start > MOST_TEXT:
                raise MultiPartException(f"A field that is no file has more than {MOST_TEXT} bytes: send it as a file.")
            part.data += data[start:end]  # not the original's, which looks for the name of its file
        else:
            super().on_part_data(data, start, end)

    def clear(self) -> None:
        """Removes what was not given its place."""
        for file in self._files_to_close_on_error:
            with contextlib.suppress(OSError):  # a full disk has no room for what was still to be written
                file.close()
            Path(file.name).unlink(missing_ok=True)


route_utils.GradioMultiPartParser = routes.GradioMultiPartParser = Upload


# --- files ------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def tidied(app: FastAPI) -> AsyncIterator[None]:
    """The lifespan of an application, in which halves of files don't gather."""

    async def now_and_then() -> None:
        while True:
            await asyncio.sleep(HALF)
            await anyio.to_thread.run_sync(sweep, math.inf)

    task = asyncio.create_task(now_and_then())
    try:
        yield
    finally:
        task.cancel()


def sweep(keep: float) -> None:
    """Removes from the folder of visitors' files what an earlier process left there: whole files that are older than
    ``keep`` seconds, and halves that nobody is writing any more."""
    folder, now = Path(get_upload_folder()), time.time()
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            half = name.startswith(".") or place == str(folder)  # what is whole lies in a folder of its own
            path = Path(place, name)
            try:
                if now - path.lstat().st_ctime > (HALF if half else keep):
                    path.unlink()
            except OSError:  # another process was quicker
                pass
        try:
            if place != str(folder) and now - os.lstat(place).st_ctime > HALF:
                os.rmdir(place)
        except OSError:  # it is not empty
            pass
