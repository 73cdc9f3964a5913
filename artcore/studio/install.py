"""What makes the page an app that a phone or a desktop can install: its manifest, and its icon, which is drawn here."""

from __future__ import annotations

import functools
import io

from fastapi import APIRouter, HTTPException
from fastapi.responses import JSONResponse, Response
from PIL import Image, ImageDraw

SIZES = (64, 180, 192, 512)  # pixels of the icons: of a browser's tab, iOS, and the two that installing asks for
WALL, GESSO = "#7f3a20", "#fbf4f0"
# The picture in the frame: colours, and the boxes of ellipses in parts of the side, the nearest last.
SHAPES = (
    ("#c8602f", (0.55, 0.26, 0.73, 0.44)),  # the sun
    ("#b5851b", (-0.1, 0.45, 0.66, 1.2)),  # a hill
    ("#2f6690", (0.22, 0.6, 1.2, 1.4)),  # the sea
)

LINKS = """<link rel="manifest" href="./manifest.json" />
<link rel="icon" type="image/png" href="./icons/64.png" />
<link rel="apple-touch-icon" href="./icons/180.png" />"""


def linked(html: str) -> str:
    """The page with its links to what is here: relative, so that they hold below a proxy's path. Gradio's own asks for
    /manifest.json, wherever the page is."""
    return html.replace('<link rel="manifest" href="/manifest.json" />', LINKS, 1)


@functools.lru_cache(len(SIZES))
def icon(size: int) -> bytes:
    """A PNG of size x size pixels, opaque to its edges: what matters lies within the middle four fifths, since phones
    cut icons into circles."""
    side = 4 * size  # drawn large and reduced, for smooth edges
    picture = Image.new("RGB", (side, side), WALL)
    canvas = [round(side * part) for part in (0.18, 0.18, 0.82, 0.82)]
    painted = Image.new("RGB", (side, side), GESSO)
    brush = ImageDraw.Draw(painted)
    for colour, box in SHAPES:
        brush.ellipse([side * part for part in box], colour)
    picture.paste(painted.crop(canvas), canvas[:2])
    data = io.BytesIO()
    picture.resize((size, size), Image.Resampling.LANCZOS).save(data, "PNG", optimize=True)
    return data.getvalue()


def router(name: str) -> APIRouter:
    """The manifest of an app of this name, and its icons. Open to all: browsers fetch them without a login."""
    router = APIRouter()

    @router.get("/manifest.json")
    def manifest() -> JSONResponse:
        icons = [
            {"src": f"icons/{size}.png", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
            for size in (192, 512)
            for purpose in ("any", "maskable")
        ]
        told = {
            "id": "./",
            "name": name,
            "short_name": name.rpartition(" ")[2],
            "start_url": "./",
            "scope": "./",
            "display": "standalone",
            "background_color": "#f4f1ea",
            "theme_color": "#f4f1ea",
            "icons": icons,
        }
        return JSONResponse(told, media_type="application/manifest+json")

    @router.get("/icons/{size}.png")
    def sized(size: int) -> Response:
        if size not in SIZES:
            raise HTTPException(404, f"There is no icon of {size} pixels: ask for {', '.join(map(str, SIZES))}.")
        return Response(icon(size), media_type="image/png", headers={"Cache-Control": "max-age=86400"})

    @router.get("/favicon.ico")
    def favicon() -> Response:
        return sized(64)

    return router
