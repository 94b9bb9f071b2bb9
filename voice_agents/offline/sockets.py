"""A vendor's websocket and streamed HTTP bodies as served here, with the declared faults striking on the way out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from voice_agents.audio import Pcm, from_bytes
from voice_agents.offline.checks import Refused
from voice_agents.offline.faults import ConnectionFaults, FaultKind, Service
from voice_agents.offline.services import Services

Message = dict[str, Any]
_Result = TypeVar("_Result")

TRANSPORT_KEY = "voice_agents.transport"
"""Where the server leaves the asyncio transport of a connection in its ASGI scope."""

ABNORMAL = 1006
"""Close code of a connection that was cut without a close frame."""
_UNSUPPORTED_DATA = 1003


@dataclass(frozen=True, slots=True)
class VendorDialect:
    """How one vendor's socket names its messages and words its errors."""

    type_of: Callable[[Message], str]
    """A message's type, for faults that strike one type only."""
    refusal: Callable[[int], Refused]
    """HTTP status -> how a handshake is refused with it."""
    error: Callable[[str, str], Message]
    """Name of an error, and words for the case ("": the vendor's usual ones) -> its message in the vendor's shape."""
    close_code: Callable[[str], int | None]
    """Name of an error -> the code the socket is closed with after it; None: it stays open."""


class VendorSocket:
    """One accepted websocket. ``send``, ``fail`` and ``close`` may be called from several tasks.

    They do nothing once the socket is closed.
    """

    def __init__(self, websocket: WebSocket, faults: ConnectionFaults, dialect: VendorDialect) -> None:
        self.faults = faults
        self.gone = asyncio.Event()
        """Closed by either side."""
        self._websocket = websocket
        self._dialect = dialect
        self._inbox: asyncio.Queue[str] = asyncio.Queue()
        self._sending = asyncio.Lock()

    async def receive(self, timeout_s: float | None = None) -> str:
        """The client's next text message. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self._inbox.get()

    async def send(self, message: Message) -> None:
        """Send one message, or what a fault makes of it. Messages never overtake each other."""
        async with self._sending:
            text, copies = json.dumps(message), 1
            for fault in self.faults.on_message(self._dialect.type_of(message)):
                match fault.kind:
                    case FaultKind.STALL | FaultKind.DRIP:
                        await asyncio.sleep(fault.delay_s)
                    case FaultKind.DUPLICATE:
                        copies = 2
                    case FaultKind.MALFORMED:
                        text = '{"surprise": [1, 2, 3]}' if fault.name == "schema" else '{"audio": "AAAA", '
                    case FaultKind.CLOSE:
                        return await self.close(fault.status, "fault")
                    case _:
                        return await self._fail(fault.name)
            for _ in range(copies):
                await self._send(text)
        return None

    async def fail(self, name: str, message: str = "") -> None:
        """Send the error of this name (``message``: worded for the case) and close if that error closes."""
        async with self._sending:
            await self._fail(name, message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket; code 1006 cuts the TCP connection."""
        if code == ABNORMAL:
            cut(self._websocket.scope)
        else:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # closed already
                await self._websocket.close(code, reason)
        self.gone.set()

    async def read(self) -> None:
        """Read until the socket is gone, whatever the sending side waits for."""
        try:
            while True:
                self._inbox.put_nowait(await self._websocket.receive_text())
        except KeyError:
            await self.close(_UNSUPPORTED_DATA)  # a binary message, which no protocol here has
        except (WebSocketDisconnect, RuntimeError):
            self.gone.set()

    async def _fail(self, name: str, message: str = "") -> None:
        await self._send(json.dumps(self._dialect.error(name, message)))
        code = self._dialect.close_code(name)
        if code is not None:
            await self.close(code, name)

    async def _send(self, text: str) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # gone, which the reader sees
            await self._websocket.send_text(text)


class Tasks(asyncio.TaskGroup):
    """A task group whose tasks are cancelled when its block is left. What the block raises is raised as it is."""

    def __init__(self) -> None:
        super().__init__()
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Run ``work`` beside the block."""
        task = self.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def finished(self) -> None:
        """Wait for all of them."""
        while self._running:
            await asyncio.wait(self._running)

    async def __aexit__(
        self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for task in tuple(self._running):
            task.cancel()
        is_own = isinstance(exc, asyncio.CancelledError)
        await super().__aexit__(*((et, exc, tb) if is_own else (None, None, None)))


async def serve(
    websocket: WebSocket,
    services: Services,
    service: Service,
    dialect: VendorDialect,
    handler: Callable[[VendorSocket], Awaitable[None]],
    *,
    subprotocol: str | None = None,
) -> None:
    """Accept a websocket and run ``handler`` on it until that is done, or cancelled because the socket is gone.

    A handler that raises Refused has its client told, and the socket closed. ``subprotocol``: the one spoken, of those
    the client offered. Raises Refused for a fault.
    """
    faults = services.faults.begin(service)
    if (fault := faults.refusal) is not None:
        raise dialect.refusal(fault.status)
    with services.connections.opened(service):
        await websocket.accept(subprotocol)
        socket = VendorSocket(websocket, faults, dialect)
        async with Tasks() as tasks:
            tasks.start(socket.read())
            tasks.start(_handle(socket, handler))
            await socket.gone.wait()


async def _handle(socket: VendorSocket, handler: Callable[[VendorSocket], Awaitable[None]]) -> None:
    try:
        await handler(socket)
        await socket.close()
    except Refused as error:
        await socket.fail(error.name, str(error))


def pcm_of(base_64: str) -> Pcm:
    """A client's sound. Raises ValueError."""
    data = base64.b64decode(base_64, validate=True)
    if len(data) % 2:
        raise ValueError("the audio ends in the middle of a sample")
    return from_bytes(data)


def cut(scope: Scope) -> None:
    """Cut the TCP connection of a request or socket at once, as a crashed server would."""
    transport = scope.get(TRANSPORT_KEY)
    if isinstance(transport, asyncio.Transport):
        transport.abort()


async def faulty_body(
    pieces: AsyncGenerator[bytes, None],
    faults: ConnectionFaults,
    scope: Scope,
    *,
    malformed: bytes,
    error: Callable[[str], bytes] | None = None,
) -> AsyncGenerator[bytes, None]:
    """``pieces`` as a body; each counts as one message. ``pieces`` is closed with it.

    MALFORMED sends ``malformed`` instead of a piece. ERROR_FRAME sends what ``error`` makes of the error's name and
    ends the body. CLOSE cuts the TCP connection, so that the client sees an incomplete body. The server ends a STALL by
    cancelling the response when the client is gone.
    """
    async with aclosing(pieces):
        async for piece in pieces:
            for fault in faults.on_message():
                if fault.kind is FaultKind.CLOSE:
                    cut(scope)
                    return
                if fault.kind is FaultKind.ERROR_FRAME and error is not None:
                    yield error(fault.name)
                    return
                if fault.kind in (FaultKind.STALL, FaultKind.DRIP):
                    await asyncio.sleep(fault.delay_s)
                elif fault.kind is FaultKind.DUPLICATE:
                    piece += piece
                elif fault.kind is FaultKind.MALFORMED:
                    piece = malformed
            yield piece
