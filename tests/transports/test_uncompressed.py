"""A browser that offers to compress is taken at its word everywhere but where sound flows."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.asyncio.client import connect

from tests.transports.api.server import listening
from voice_agents.impatience import impatient
from voice_agents.transports.uncompressed import uncompressed


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


@pytest.mark.parametrize("protocol", [H11Protocol, AutoHTTPProtocol])
async def test_the_socket_of_sound_is_not_compressed_and_others_are(protocol: type) -> None:
    routes = [WebSocketRoute(path, echo) for path in ("/page/call", "/page/window")]
    http = uncompressed(impatient(protocol), "/page/call")
    async with listening(Starlette(routes=routes), http=http) as port:
        for path, extensions in (("call", []), ("window", ["permessage-deflate"]), ("call?x=1", [])):
            async with connect(f"ws://127.0.0.1:{port}/page/{path}") as socket:
                assert [extension.name for extension in socket.protocol.extensions] == extensions
                await socket.send("heard")
                assert await socket.recv() == "heard"
