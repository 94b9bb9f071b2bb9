"""The sockets to the providers: what is left is closed, whatever the server does and whenever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.server import ServerProtocol

from tests.providers.other_server import KEY, WAIT_S, endpoint
from voice_agents.errors import Role
from voice_agents.providers.elevenlabs.socket import open_socket
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.realtime.socket import Connector
from voice_agents.settings import Endpoint, Provider

Opening = Callable[[str], AbstractAsyncContextManager[Any]]


def speech(url: str) -> AbstractAsyncContextManager[ClientConnection]:
    return open_socket(endpoint(url), "/v1/anything", Role.TTS, WAIT_S)


def realtime(url: str) -> AbstractAsyncContextManager[Any]:
    there = Endpoint(Provider.OPENAI, f"{url}/v1", "model-1", KEY)
    return Connector(there, Sentences(there), None).connect(WAIT_S)


@pytest.mark.parametrize("opening", [speech, realtime])
async def test_a_server_that_does_not_say_goodbye_keeps_no_socket_of_who_is_in_a_hurry(opening: Opening) -> None:
    """Cancelled, and cancelled again in the closing handshake."""
    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    goodbye = asyncio.Event()

    async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        [request] = protocol.events_received()
        protocol.send_response(protocol.accept(request))  # pyrefly: ignore[bad-argument-type]  # the first event is the request
        writer.writelines(protocol.data_to_send())
        while await reader.read(1024):
            goodbye.set()
        writer.close()
        left.set_result(None)

    async def stay(url: str) -> None:
        async with opening(url):
            entered.set()
            await asyncio.Event().wait()

    entered = asyncio.Event()
    server = await asyncio.start_server(shake_hands, "127.0.0.1", 0)
    async with server, asyncio.timeout(WAIT_S):
        staying = asyncio.create_task(stay(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await entered.wait()
        staying.cancel()
        await goodbye.wait()
        staying.cancel()
        await asyncio.wait([staying])
        await left
