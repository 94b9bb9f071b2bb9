"""Connections that send half a request, a byte now and then, or read nothing do not stay; slow ones do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.transports.api.server import listening
from voice_agents.impatience import impatient, impatient_socket
from voice_agents.transports.api.messages import LARGEST_MESSAGE

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
    with suppress(WebSocketDisconnect):
        await socket.send_text(await socket.receive_text())


async def read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def large(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("x" * LARGE)


async def endless(_request: Request) -> StreamingResponse:
    async def words() -> AsyncIterator[str]:
        while True:
            yield "x" * 100_000
            await asyncio.sleep(0)

    return StreamingResponse(words())


async def late(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def refused(socket: WebSocket) -> None:
    await socket.send_denial_response(PlainTextResponse("no", 403))


async def flood(socket: WebSocket) -> None:
    """A socket that is sent more than anybody's buffers hold."""
    await socket.accept()
    for _ in range(LARGE // 100_000):
        await socket.send_text("x" * 100_000)


async def chatter(socket: WebSocket) -> None:
    """Sends all the time, whatever it is told, until the other end is gone."""
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await socket.send_text("x")
            await asyncio.sleep(0)


LARGE = 20_000_000
ROUTES = [
    Route("/quick", quick),
    Route("/slow", slow),
    Route("/read", read, methods=["POST"]),
    Route("/large", large),
    Route("/endless", endless),
    WebSocketRoute("/ws", echo),
    WebSocketRoute("/flood", flood),
    WebSocketRoute("/chatter", chatter),
    WebSocketRoute("/late", late),
    WebSocketRoute("/refused", refused),
]


class Told:
    """Stands before one of uvicorn's protocols; tells when the server has let go of a connection."""

    lost: asyncio.Event

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        super().connection_lost(exc)  # pyrefly: ignore[missing-attribute]


@asynccontextmanager
async def served(within_s: float = WITHIN_S, lost: asyncio.Event | None = None) -> AsyncIterator[int]:
    """``lost`` is set when the server lets go of a connection."""
    told = {"lost": lost or asyncio.Event()}
    http = type("Http", (Told, impatient(H11Protocol, within_s, within_s)), told)
    ws = type("Sockets", (Told, impatient_socket(WebSocketsSansIOProtocol, within_s, within_s)), told)
    async with listening(Starlette(routes=ROUTES), http=http, ws=ws) as port:
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
        (b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhalf", b"408"),
        (b"POST /read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", b"408"),
    ],
)
async def test_a_socket_whose_request_does_not_come_is_closed(sent: bytes, told: bytes) -> None:
    async with served() as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(sent)
        answer = await rest(connection)
        assert answer.split(b" ")[1:2] == [told][: bool(told)]
        assert not told or answer.endswith(b"Please send it again.")


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nX-Long: ",
        b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFF\r\n",
    ],
)
async def test_a_byte_now_and_then_wins_no_time(begun: bytes) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(WITHIN_S / 8)

    async with served() as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(begun)
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


async def test_nonsense_after_the_answer_is_no_matter_for_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    async with served(within_s=5.0) as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(b"GET /quick HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        await connection[0].readuntil(b"quick")
        connection[1].write(b"no chunk\r\n")
        await rest(connection)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "begun",
    [
        b"POST /ws HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000\r\n",
        b"GET /late HTTP/1.1\r\nHost: localhost\r\n",
    ],
)
async def test_a_socket_that_is_never_opened_does_not_stay(begun: bytes) -> None:
    """uvicorn hands it over to its WebSockets, which understand no such handshake and say nothing."""
    lost = asyncio.Event()
    async with served(lost=lost) as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(begun + HANDSHAKE)
        async with asyncio.timeout(10):
            await lost.wait()
        await rest(connection)


async def test_a_refused_handshake_is_no_error_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    async with served() as port:
        connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].write(b"GET /refused HTTP/1.1\r\nHost: localhost\r\n" + HANDSHAKE)
        assert b" 403 " in (await rest(connection)).split(b"\r\n")[0]
    assert capsys.readouterr().err == ""


NO_TEXT: list[bytes | list[bytes]] = [
    b"\xff",
    b'{"type": "\xe9nd"}',
    b"\xed\xa0\x80",
    [b"\xe2\x82", b"x"],
    [b"\xe2", b""],
]


@pytest.mark.parametrize("path", ["/ws", "/chatter"])
@pytest.mark.parametrize("words", NO_TEXT, ids=str)
async def test_text_that_is_none_closes_the_socket_and_is_no_error_in_the_log(
    path: str, words: bytes | list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    async with served() as port, connect(f"ws://127.0.0.1:{port}{path}", proxy=None) as socket, asyncio.timeout(10):
        await socket.send(words, text=True)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1007
        assert "UTF-8" in closed.value.rcvd.reason
    assert capsys.readouterr().err == ""


async def test_what_stood_behind_it_does_not_cut_the_word_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    async with served() as port, connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as socket, asyncio.timeout(10):
        with suppress(ConnectionClosed):
            await socket.send(b"\xff", text=True)
            for _ in range(50):
                await socket.send("x" * 10_000)
        await socket.wait_closed()
        assert socket.close_code == 1007
    assert capsys.readouterr().err == ""


async def test_letters_that_lie_in_two_frames_are_text() -> None:
    async with served() as port, connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as socket, asyncio.timeout(10):
        await socket.send([b"\xe2\x82", b"\xac"], text=True)
        assert await socket.recv() == "\N{EURO SIGN}"


async def test_a_message_that_is_too_large_is_no_error_in_the_log_either(capsys: pytest.CaptureFixture[str]) -> None:
    async with served() as port, connect(f"ws://127.0.0.1:{port}/chatter", proxy=None) as socket, asyncio.timeout(10):
        await socket.send("x" * (LARGEST_MESSAGE + 1))
        await socket.wait_closed()
    assert capsys.readouterr().err == ""


class Blind(asyncio.Protocol):
    """Sends one request, and reads nothing until it is let."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.bytes = 0
        self.over = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


HANDSHAKE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /flood HTTP/1.1\r\nHost: localhost\r\n" + HANDSHAKE,
    ],
)
async def test_who_reads_nothing_is_cut_off(request_: bytes) -> None:
    """Also when the server has closed the connection already, as it thinks."""
    lost = asyncio.Event()
    async with served(lost=lost) as port:
        loop = asyncio.get_running_loop()
        transport, blind = await loop.create_connection(lambda: Blind(request_), "127.0.0.1", port)
        async with asyncio.timeout(20):
            await lost.wait()
            transport.resume_reading()
            await blind.over.wait()
        assert 0 < blind.bytes < LARGE


async def test_who_reads_slowly_gets_everything() -> None:
    async with served(within_s=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = 0
        while piece := await reader.read(300_000):
            got += len(piece)
            await asyncio.sleep(0.01)
        assert got > LARGE
        writer.close()


async def test_who_breaks_off_in_a_body_that_nobody_reads_leaves_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The answer to it comes after uvicorn's own, to a connection that takes no more."""
    broken = b"POST /quick HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n"
    async with served() as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(broken)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
    assert capsys.readouterr().err == ""
