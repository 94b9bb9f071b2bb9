"""Sockets that send nothing, half a header, or a byte now and then do not stay; slow answers and WebSockets do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.asyncio.client import connect

from tests.transports.api.server import listening
from voice_agents.transports.headers import impatient

WITHIN_S = 0.4
REQUEST = b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def quick(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("quick")


async def slow(_request: Request) -> StreamingResponse:
    async def words() -> AsyncIterator[str]:
        for _ in range(4):
            await asyncio.sleep(WITHIN_S / 2)
            yield "slow "

    return StreamingResponse(words())


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


ROUTES = [Route("/quick", quick), Route("/slow", slow), WebSocketRoute("/ws", echo)]


@asynccontextmanager
async def served(within_s: float = WITHIN_S) -> AsyncIterator[int]:
    async with listening(Starlette(routes=ROUTES), http=impatient(H11Protocol, within_s)) as port:
        yield port


async def rest(connection: Connection) -> bytes:
    """What still comes until the server closes."""
    try:
        async with asyncio.timeout(10):
            return await connection[0].read()
    finally:
        connection[1].close()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", b""),
        (b"G", b"408"),
        (b"GET / HTTP/1.1\r\n", b"408"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 5000, b"408"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n", b"408"),
    ],
)
async def test_a_socket_whose_request_does_not_come_is_closed(sent: bytes, told: bytes) -> None:
    async with served() as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(sent)
        answer = await rest(connection)
        assert answer.split(b" ")[1:2] == [told][: bool(told)]
        assert not told or answer.endswith(b"Please send it again.")


async def test_a_byte_now_and_then_wins_no_time() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(WITHIN_S / 8)

    async with served() as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(b"GET / HTTP/1.1\r\nX-Long: ")
        dripping = asyncio.create_task(drip(connection[1]))
        assert b"408" in await rest(connection)
        dripping.cancel()


async def test_the_second_request_of_a_connection_has_no_more_time() -> None:
    async with served() as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(REQUEST)
        assert (await connection[0].readuntil(b"quick")).startswith(b"HTTP/1.1 200")
        connection[1].write(REQUEST[:20])
        assert b"408" in await rest(connection)


async def test_a_connection_that_is_used_stays() -> None:
    async with served(within_s=2.0) as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):
            connection[1].write(REQUEST[:10])
            await asyncio.sleep(0.6)
            connection[1].write(REQUEST[10:])
            assert (await connection[0].readuntil(b"quick")).startswith(b"HTTP/1.1 200")
        connection[1].close()


async def test_slow_answers_and_silent_websockets_are_left_alone() -> None:
    async with served() as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(REQUEST.replace(b"/quick", b"/slow"))
        async with connect(f"ws://127.0.0.1:{port}/ws") as socket:
            assert (await connection[0].readuntil(b"0\r\n\r\n")).count(b"slow") == 4
            connection[1].close()
            await socket.send("still here")
            assert await socket.recv() == "still here"


async def test_nonsense_after_the_answer_is_no_matter_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with served(within_s=5.0) as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(b"GET /quick HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        await connection[0].readuntil(b"quick")
        connection[1].write(b"no chunk\r\n")
        await rest(connection)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
