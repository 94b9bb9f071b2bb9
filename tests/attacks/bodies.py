"""Requests that are too large, never end, come by drops, or are folded up small."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable

import websockets

from tests.attacks.outcome import Outcome, dealt
from tests.attacks.target import Clock, Server, Targets, usage
from tests.attacks.visitor import Visitor
from tests.attacks.wire import HANDSHAKE, Answer, shorten

PATIENCE_S = 5.0
"""An honest request is answered within this while the attack goes on."""
HALF_SENT_S = 45.0
"""However slowly a request comes, its connection is over then."""
MORE_MEMORY_MB = 120.0
DEEP = 100_000
FRAMES: tuple[str | bytes, ...] = (
    *(
        "",
        "[]",
        "null",
        "{",
        '{"type":"audio","data":' + "[" * DEEP,
        "1" * 100_000,
        '{"type":null}',
        '{"type":{"a":1}}',
    ),
    *(
        '{"type":"audio"}',
        '{"type":"audio","data":5}',
        '{"type":"audio","data":"%%%"}',
        '{"type":"audio","data":"AAA="}',
    ),
    *('{"type":"text","text":5}', '{"type":"text","text":"' + "x" * 900_000 + '"}', '{"type":"text","text":"\\ud800"}'),
    *('{"type":"config","sample_rate":1e999}', '{"type":"config","sample_rate":-1}', '{"type":"stop","type":"end"}'),
    *(b"\x00", b"\xff" * 999_999, "\x00" * 1000, "x" * 3_000_000),
)
PATHS = (
    "/gradio_api/queue/join",
    "/gradio_api/component_server",
    "/login",
    "/config",
    "/nowhere",
    "/gradio_api/upload",
)


async def served_meanwhile(server: Server, outcome: Outcome, attack: asyncio.Future[None]) -> None:
    """Honest requests one after the other until the attack is over."""
    while True:
        clock = Clock(server.process.pid)
        answer = await server.wire.ask("GET", "/health")
        took_s = clock.passed_s
        outcome.expect(answer.status == 200 and took_s < PATIENCE_S, f"/health: {answer.status} after {took_s:.1f} s")
        done, _ = await asyncio.wait([attack], timeout=0.3)
        if done:
            return


async def large(house: Targets, outcome: Outcome) -> None:
    """Bodies and headers of every impossible size, while honest requests are answered."""
    for server in (house.app, house.locked):
        before = usage(server.process.pid).memory_mb
        attack = asyncio.ensure_future(_large(server, outcome, house.short))
        await served_meanwhile(server, outcome, attack)
        await attack
        grown = usage(server.process.pid).memory_mb - before
        outcome.expect(grown < MORE_MEMORY_MB, f"{grown:.0f} MB more memory")


STREAMS = ("/gradio_api/queue/data?session_hash=x", "/gradio_api/heartbeat/x")
CHUNK = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
SIZES: tuple[tuple[str, bytes], ...] = (
    ("Content-Length: 2000000", b"x" * 2_000_000),
    ("Content-Length: 100000000000", b"[" * 100_000),
    ("Content-Length: 99999999999999999999999999", b""),
    ("Content-Length: -1", b"xx"),
    ("Content-Length: 1e3", b"xx"),
    ("Content-Length: +5", b"xxxxx"),
    ("Content-Length: 5\r\nContent-Length: 6", b"xxxxxx"),
    ("Content-Length: 4\r\nTransfer-Encoding: gzip", b"xxxx"),
    ("Transfer-Encoding: chunked", CHUNK),
    ("Transfer-Encoding: chunked", CHUNK * 20),
    ("Transfer-Encoding: chunked", b"zzzz\r\n"),
    ("Transfer-Encoding: chunked", b"FFFFFFFFFFFFFFFFFFFFFF\r\n"),
)


async def _large(server: Server, outcome: Outcome, short: bool) -> None:
    own = f"Host: {server.wire.authority}\r\nContent-Type: application/json\r\n"
    for path, (size, body) in dealt(PATHS, SIZES, short):
        raw = f"POST {path} HTTP/1.1\r\n{own}{size}\r\n\r\n".encode() + body
        await _answered(server, outcome, raw, unfinished=body == CHUNK)
    for raw in (
        f"GET /{'x' * 200_000} HTTP/1.1\r\n{own}\r\n".encode(),
        f"GET / HTTP/1.1\r\n{own}X: {'x' * 200_000}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{own}{'X: x' + chr(13) + chr(10)}".encode() + b"X: x\r\n" * 50_000 + b"\r\n",
        f"GET / HTTP/1.1\r\n{own}Cookie: {'a=b; ' * 40_000}\r\n\r\n".encode(),
        b"\x00" * 200_000,
        b"\x16\x03\x01" + b"\x00" * 500,
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 100_000,
    ):
        await _answered(server, outcome, raw)


async def _answered(server: Server, outcome: Outcome, raw: bytes, unfinished: bool = False) -> None:
    """Refused, or cut off; what is unfinished may be waited for."""
    answer = await server.wire.send(raw, within_s=1.0 if unfinished else 10.0)
    held = answer.refused or (unfinished and answer.status == -1)
    outcome.expect(held, f"{answer.status} for {shorten(raw)} ({len(raw)} bytes)")


def _bombs() -> list[bytes]:
    """JSON that is small on the wire and large, deep or strange inside."""
    nested = "[" * DEEP + "]" * DEEP
    objects = '{"a":' * DEEP + "1" + "}" * DEEP
    deep = (
        nested,
        objects,
        "[" * DEEP,
        "9" * 900_000,
        "1e999999",
        "NaN",
        "-Infinity",
        '"' + "\\u0000" * 100_000 + '"',
    )
    strange = (
        '"\\ud800"',
        '{"a":1,"a":2}',
        json.dumps({str(key): key for key in range(40_000)}),
        '"' + "🙂" * 200_000 + '"',
    )
    return [value.encode() for value in (*deep, *strange)]


async def bombs(house: Targets, outcome: Outcome) -> None:
    """As whole bodies and inside of honest ones; compressed ones too, which nobody here unfolds."""
    before = usage(house.app.process.pid).memory_mb
    attack = asyncio.ensure_future(_all_bombs(house, outcome))
    await served_meanwhile(house.app, outcome, attack)
    await attack
    grown = usage(house.app.process.pid).memory_mb - before
    outcome.expect(grown < MORE_MEMORY_MB, f"{grown:.0f} MB more memory")
    outcome.facts.append(f"{grown:+.0f} MB")


async def _all_bombs(house: Targets, outcome: Outcome) -> None:
    visitor = Visitor(house.app)
    mark = json.dumps("BOMB").encode()
    shells = [mark] + [json.dumps(shell).encode() for shell in (visitor.typed("BOMB"), visitor.offered("BOMB"),
                       visitor.typed("x", {"voice": "BOMB", "patience": "BOMB"}))]  # fmt: skip
    places = [(shell, path) for shell in shells for path in PATHS[:2]]
    for (shell, path), bomb in dealt(places, _bombs(), house.short):
        body = shell.replace(mark, bomb)
        answer = await house.app.wire.ask("POST", path, [("Content-Type", "application/json")], body)
        outcome.expect(_is_answer(answer), f"{answer.status} for {shorten(body, 60)} to {path}")
    await visitor.hang_up()
    zeros = b"0" * 50_000_000
    folded = (("gzip", gzip.compress(zeros)), ("deflate", zlib.compress(zeros)), ("br", b"\x00" * 100))
    for path, (coding, body) in dealt(PATHS, folded, house.short):
        headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)]
        answer = await house.app.wire.ask("POST", path, headers, body)
        outcome.expect(_is_answer(answer), f"{answer.status} for {coding} to {path}")


def _is_answer(answer: Answer) -> bool:
    return answer.status in range(200, 500) or b"under the number" in answer.body


async def half_sent(house: Targets, outcome: Outcome) -> None:
    """Connections that never come to the end of their request; all of them are closed, and nobody waits meanwhile."""
    count = 20 if house.short else 150
    beginnings: tuple[Callable[[str], str], ...] = (
        lambda own: "",
        lambda own: "GET / HT",
        lambda own: f"GET / HTTP/1.1\r\nHost: {own}\r\n",
        lambda own: f"GET / HTTP/1.1\r\nHost: {own}\r\nX-A: ",
        lambda own: f"POST /gradio_api/queue/join HTTP/1.1\r\nHost: {own}\r\nContent-Length: 1000\r\n\r\n" + '{"data"',
        lambda own: f"POST /login HTTP/1.1\r\nHost: {own}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    )
    raw = [beginning(house.app.wire.authority).encode() for beginning in beginnings]
    attack = asyncio.ensure_future(_wait_for_all(house.app, outcome, raw * (count // len(raw) + 1)))
    await served_meanwhile(house.app, outcome, attack)
    await attack


async def _wait_for_all(server: Server, outcome: Outcome, beginnings: list[bytes]) -> None:
    async def one(number: int, raw: bytes) -> None:
        async with server.wire.open() as (reader, writer):
            writer.write(raw)
            dripping = asyncio.create_task(_drip(writer)) if number % 2 and raw.strip() else None
            try:
                async with asyncio.timeout(HALF_SENT_S):
                    await reader.read()
                closed = True
            except ConnectionError:
                closed = True
            except TimeoutError:
                closed = False
            if dripping is not None:
                dripping.cancel()
        outcome.expect(
            closed, f"open after {HALF_SENT_S:.0f} s{' of drops' if number % 2 else ''}: {shorten(raw, 60)!r}"
        )

    await asyncio.gather(*(one(number, raw) for number, raw in enumerate(beginnings)))


async def _drip(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        await asyncio.sleep(2.0)
        writer.write(b"a")


async def unread(house: Targets, outcome: Outcome) -> None:
    """Answers, streams and sockets that are asked for and never read or spoken to; nobody else waits meanwhile."""
    each = 12 if house.short else 60
    own = f"Host: {house.app.wire.authority}\r\n"
    opened = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE)
    asked = [f"GET {path} HTTP/1.1\r\n{own}\r\n" for path in ("/", "/config", *STREAMS)]
    asked += [f"GET {path} HTTP/1.1\r\n{own}{opened}\r\n" for path in ("/page/window", "/ws/sandwich")]
    asked.append("".join(asked[:2]) * 20)  # one after the other on one connection

    async def one(request: str) -> None:
        async with house.app.wire.open() as (_, writer):
            writer.transport.pause_reading()  # pyrefly: ignore[missing-attribute]
            writer.write(request.encode())
            await asyncio.sleep(3.0 if house.short else 60.0)
        outcome.tried += 1

    async def all_of_them() -> None:
        await asyncio.gather(*(one(request) for request in asked * each))

    attack = asyncio.ensure_future(all_of_them())
    await served_meanwhile(house.app, outcome, attack)
    await attack


async def socket_messages(house: Targets, outcome: Outcome) -> None:
    """What a program may send to the sockets of the API: each is answered or ended with a reason, never with 1011."""
    at_once = asyncio.Semaphore(4)

    async def one(path: str, frame: str | bytes, what: object) -> None:
        async with at_once:
            outcome.expect(await _ends_well(house.app, path, frame), f"{path} after {what!r}")

    paths = ("/ws/sandwich", "/ws/realtime", "/ws/sandwich?audio=binary")
    await asyncio.gather(*(one(path, frame, frame[:50]) for path, frame in dealt(paths, FRAMES, house.short)))
    for path in paths:
        await one(path, "0" * 60_000_000, "a compressed bomb")  # 60 kB on the wire
    await served_meanwhile(house.app, outcome, asyncio.ensure_future(asyncio.sleep(0)))


async def _ends_well(server: Server, path: str, frame: str | bytes) -> bool:
    try:
        async with websockets.connect(f"ws://{server.wire.authority}{path}", max_size=None) as socket:
            await socket.send(frame)
            await socket.send('{"type": "stop"}')
            async with asyncio.timeout(20):
                async for _ in _messages(socket):
                    pass
            return (
                socket.close_code in (1000, 1001, 1003, 1007, 1008, 1009, 4000)
                or 4000 <= (socket.close_code or 0) < 5000
            )
    except websockets.ConnectionClosed as closed:
        return closed.rcvd is not None and closed.rcvd.code != 1011
    except (TimeoutError, OSError):
        return False


async def _messages(socket: websockets.ClientConnection) -> AsyncIterator[str | bytes]:
    while True:
        try:
            yield await socket.recv()
        except websockets.ConnectionClosed:
            return
