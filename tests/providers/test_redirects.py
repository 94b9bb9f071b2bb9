"""Keys and conversations stay with the provider, whoever answers for it and sends its clients elsewhere."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tests.providers.other_server import KEY, OtherServer
from tests.providers.test_chat_on_another_server import HELLO, PATIENT, answered, openai_at, sse
from voice_agents.errors import ProviderError, Role
from voice_agents.providers.chat import ChatModel
from voice_agents.providers.elevenlabs.http import list_voices
from voice_agents.providers.elevenlabs.socket import open_socket
from voice_agents.settings import Endpoint, Provider


def elsewhere(url: str, status: int) -> OtherServer:
    async def answer(_request: Request) -> Response:
        return RedirectResponse(url, status)

    return OtherServer(404, answer=answer)


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_a_chat_goes_to_nobody_else(status: int) -> None:
    async def answer(_request: Request) -> Response:
        return sse(HELLO)

    async with OtherServer(404, answer=answer) as other:
        away = other.url.replace("127.0.0.1", "localhost")
        async with (
            elsewhere(f"{away}/v1/chat/completions", status) as server,
            ChatModel(openai_at(server), PATIENT) as chat,
        ):
            with pytest.raises(ProviderError) as caught:
                await answered(chat)
            assert KEY not in str(caught.value) and other.requests == []


async def test_a_voice_goes_to_nobody_else() -> None:
    async with OtherServer(404) as other, elsewhere(other.url.replace("127.0.0.1", "localhost"), 302) as server:
        endpoint = Endpoint(Provider.ELEVENLABS, server.url, "voice", KEY)
        with pytest.raises(ProviderError):
            await list_voices(endpoint)
        assert other.requests == []


async def test_a_chat_may_be_sent_to_another_path_of_the_same_server() -> None:
    async def answer(request: Request) -> Response:
        moved = RedirectResponse(f"{request.url.path}/there", 307)
        return sse(HELLO) if request.url.path.endswith("there") else moved

    async with OtherServer(404, answer=answer) as server, ChatModel(openai_at(server), PATIENT) as chat:
        await answered(chat)


async def test_a_socket_goes_to_nobody_else() -> None:
    asked: list[bytes] = []

    async def away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async def here(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 302 Found\r\nLocation: ws://localhost:{port(other)}/\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    def port(server: asyncio.Server) -> int:
        return int(server.sockets[0].getsockname()[1])

    async with (
        await asyncio.start_server(away, "127.0.0.1", 0) as other,
        await asyncio.start_server(here, "127.0.0.1", 0) as server,
    ):
        endpoint = Endpoint(Provider.ELEVENLABS, f"http://127.0.0.1:{port(server)}", "ears", KEY)
        with pytest.raises(ProviderError):
            async with open_socket(endpoint, "/v1/speech-to-text/realtime", Role.STT, 2.0):
                pass
    assert asked == []
