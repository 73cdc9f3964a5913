"""The base64 JSON calls, on the same application as the page: a picture and options in, a picture out.

Every answer is one JSON object; what went wrong is {"error": one sentence} with the status that fits.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import gradio as gr
from anyio import CapacityLimiter
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from artcore import image, load, runtime
from artcore.studio import shared
from artcore.tasks.colorize import Adjustments

MOST_BYTES = shared.MOST_BYTES * 4 // 3 + 2**20  # of a body: the largest picture in base64, and the rest
MOST_WAITING = 16  # calls, each with its picture in memory
OLD = ("/TFG_Computadores", "/TFG-Computadores")  # as document 000 has it in its code, and in its settings
ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]  # methods

routers = {"colour": APIRouter(), "upscale": APIRouter()}  # by the tab that they belong to
# One at a time: nets wait for each other anyway, and pictures of 64 megapixels should not wait in memory.
_turn = functools.cache(lambda: CapacityLimiter(1))


class RestError(ValueError):
    """A call that makes no sense: the sentence and the HTTP status to answer with."""

    def __init__(self, sentence: str, status: int = 400):
        super().__init__(sentence)
        self.status = status


async def answer(request: Request, work: Callable[[dict[str, Any]], dict[str, Any]]) -> JSONResponse:
    """What ``work`` makes of the request's JSON object, in a thread; its errors as sentences."""
    try:
        with shared.sentences():
            if _turn().statistics().tasks_waiting >= MOST_WAITING:
                raise RestError("Too many are waiting: try again in a minute.", 503)
            data = await _json(request)
            return JSONResponse(await anyio.to_thread.run_sync(work, data, limiter=_turn()))
    except gr.Error as error:
        return JSONResponse({"error": error.message}, _status(error.__cause__))


def _status(error: BaseException | None) -> int:
    if isinstance(error, RestError):
        return error.status
    if isinstance(error, runtime.TooLarge | MemoryError):
        return 413
    ours = isinstance(error, ValueError) and type(error).__module__.startswith("artcore.")
    return 400 if ours else 500


async def _json(request: Request) -> dict[str, Any]:
    """The body, read no further than MOST_BYTES."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise RestError("The picture is larger than 50 MB: save it as a JPEG, or make it smaller.", 413)
    except ClientDisconnect:
        raise RestError("The connection ended before the picture did: send it again.") from None
    try:
        data = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise RestError('The body is no JSON: send an object such as {"image": "<base64>"}.') from None
    if not isinstance(data, dict):
        raise RestError('The body is no JSON object: send one such as {"image": "<base64>"}.')
    return data


def picture(data: dict[str, Any], field: str, missing: int = 400) -> bytes:
    """The bytes of the picture file that a field holds in base64, with or without "data:image/png;base64," before it.

    Raises:
        RestError: there is no such field (status ``missing``), or no base64 in it.
    """
    text = data.get(field)
    if text is None or text == "":
        raise RestError(f"There is no {field}: send a picture file in base64 under that name.", missing)
    if not isinstance(text, str):
        raise RestError(f"{field} is no text: send a picture file in base64.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise RestError(f"{field} is no base64: encode the bytes of the picture file.") from None


def known(data: dict[str, Any], *names: str) -> None:
    """Refuses what is misspelt, which would otherwise do nothing."""
    for name in data:
        if name not in names:
            raise RestError(f"There is no {name[:40]!r} to give: choose from {', '.join(names)}.")


def model(task: str, name: object, default: str) -> str:
    """The catalog name of a model of a task, by its short name or that name; paths and repositories are not for
    visitors to name."""
    kinds = load.kinds(task)
    wanted = default if name is None else name
    found = next((e.name for kind, e in kinds.items() if wanted in (kind, e.name)), None)
    if found is None:
        raise RestError(f"There is no model {str(wanted)[:40]!r}: choose from {', '.join(kinds) or 'none yet'}.", 404)
    return found


def text(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode("ascii")


@routers["colour"].post("/api/colorize")
async def colorize(request: Request) -> JSONResponse:
    """{"image": base64, "model": "general", "seed": 0} -> {"image": base64, "model": ..., "seed": ...}.

    Further fields: hints and noise (pictures in base64), format ("png", "jpeg", "webp" or "tiff"), recipe (whether the
    file tells what made it, true unless it is false), keep_metadata (true keeps EXIF and colour profile), and those of
    :class:`artcore.tasks.colorize.Adjustments`.
    """
    return await answer(request, _colorize)


@routers["colour"].api_route("/api/colorize", methods=ANY)
def post_it() -> JSONResponse:
    """What comes by another method; without this, the page would answer."""
    return JSONResponse({"error": 'This address takes POST alone: send {"image": "<base64>"} that way.'}, 405)


def _colorize(data: dict[str, Any]) -> dict[str, Any]:
    looks = [*Adjustments().asdict()]
    known(data, "image", "model", "seed", "hints", "noise", "format", "recipe", "keep_metadata", *looks)
    source = picture(data, "image")
    name = model("colorizer", data.get("model"), "general")
    adjustments = Adjustments(**{look: data[look] for look in looks if look in data})
    given = {field: picture(data, field) for field in ("hints", "noise") if data.get(field)}
    format = data.get("format", "png")
    if format not in [wanted for _, wanted in shared.FORMATS] + ["tiff"]:
        raise RestError(f"Pictures can't be written as {str(format)[:40]!r}: choose png, jpeg, webp or tiff.")
    made = shared.task(name).colour(source, seed=data.get("seed", 0), **given)
    keep = data.get("keep_metadata") is True
    recipe = data.get("recipe") is not False
    file = made.encode(format, adjustments=adjustments, exif=keep, icc=keep, recipe=recipe)
    return {"image": text(file), "model": name, "seed": made.seed}


@routers["upscale"].post(f"{OLD[0]}/api-aumento/aumento")
@routers["upscale"].post(f"{OLD[1]}/api-aumento/aumento")
async def aumento(request: Request) -> JSONResponse:
    """{"imagen": base64} -> {"imagen_ampliada": base64}, four times as large, with the EXIF data and the colour profile
    that it had, and in the format that it came in; but a GIF, whose 256 colours are too few, comes back as a PNG.

    The call of document 000, for clients that were written for it: 402 where the field is missing, 400 where it
    holds no picture. With "recipe": false the file does not tell what made it.
    """
    return await answer(request, _aumento)


def _aumento(data: dict[str, Any]) -> dict[str, Any]:
    source = picture(data, "imagen", missing=402)
    made = shared.task(model("upscaler", None, "fidelity"))(source)
    format = made.info["format"] if made.info["format"] in image.FORMATS.values() else "PNG"
    file = image.encode(made, format, exif=True, icc=True, recipe=data.get("recipe") is not False)
    return {"imagen_ampliada": text(file)}


@routers["upscale"].api_route(OLD[0], methods=ANY)
@routers["upscale"].api_route(OLD[1], methods=ANY)
@routers["upscale"].api_route(OLD[0] + "/{path:path}", methods=ANY)
@routers["upscale"].api_route(OLD[1] + "/{path:path}", methods=ANY)
def not_found() -> JSONResponse:
    """What else is asked for below those names: without this, the page would answer."""
    return JSONResponse({"error": f"Not found: POST to {OLD[0]}/api-aumento/aumento."}, 404)
