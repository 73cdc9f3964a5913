"""The endpoints as tools for language models: what is listed, how it is described, and one that is called."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artcore.__main__ import main
from artcore.load import load
from artcore.studio import server
from tests.hub_server import write_catalog
from tests.replica import free_port, png, process, status, until
from tests.test_app_chain import add_colorizer
from tests.test_app_style import add_encoder
from tests.upscale_net import add_upscalers

needs_mcp = pytest.mark.skipif(
    importlib.util.find_spec("mcp") is None, reason="the package `mcp` is not installed: make test installs it"
)


def test_without_the_package_serve_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)  # as if it were not there
    assert main(["serve", "--mcp"]) == 2
    assert "pip install 'gradio[mcp]'" in capsys.readouterr().err


@needs_mcp
def test_every_named_endpoint_is_a_described_tool_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(add_colorizer(add_upscalers(add_encoder(write_catalog(tmp_path))))))
    page = server.create(server.Settings(mcp=True)).state.monitor.page
    tools = page.mcp_server_obj
    public = {f"/{fn.api_name}" for fn in page.fns.values() if fn.api_visibility == "public"}
    assert {"/paint", "/paint_all", "/style", "/colorize", "/upscale", "/chain", "/batch"} <= public
    assert set(tools.tool_to_endpoint.values()) == public
    for name, endpoint in tools.tool_to_endpoint.items():
        assert f"/{name}" == endpoint  # the names are those of the API
        description, parameters = tools.get_fn_description(tools.get_block_fn_from_endpoint_name(endpoint), name)
        assert len(description) > 40, name
        schema, _ = tools.get_input_schema(name, parameters)
        for argument, told in schema["properties"].items():
            assert told.get("description"), f"{name}({argument}) is not described"
        for place in (tempfile.gettempdir(), str(Path.home()), str(tmp_path)):
            assert place not in json.dumps(schema), name


@needs_mcp
@pytest.mark.slow
def test_a_tool_paints_what_the_library_paints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = write_catalog(tmp_path / "weights")
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(weights))
    photo = png(tmp_path / "photo.png", 96, 64)
    port = free_port()
    with process(port, {"ARTCORE_WEIGHTS": str(weights), "GRADIO_TEMP_DIR": str(tmp_path / "gradio")}, "--mcp"):
        until(lambda: status(f"http://127.0.0.1:{port}") == 200, "the hub is ready")
        names, painted, refused = asyncio.run(_talk(f"http://127.0.0.1:{port}/gradio_api/mcp/", photo))
    assert {"paint", "paint_all"} <= names
    (picture,) = [part for part in painted.content if part.type == "image"]
    picture = Image.open(io.BytesIO(base64.b64decode(picture.data))).convert("RGB")
    wanted = load("stylenet.monet")(photo, seed=3)
    assert np.array_equal(np.asarray(picture), np.asarray(wanted))
    assert refused.isError and "root:" not in str(refused.content)


async def _talk(url: str, photo: bytes) -> tuple:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with streamablehttp_client(url) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        names = {tool.name for tool in (await session.list_tools()).tools}
        image = "data:image/png;base64," + base64.b64encode(photo).decode()
        given = {"image": image, "style": "monet", "seed": 3, "format": "png"}
        painted = await session.call_tool("paint", given)
        refused = await session.call_tool("paint", given | {"image": "/etc/passwd"})
        return names, painted, refused
