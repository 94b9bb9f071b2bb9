"""A vendor's websocket and streamed HTTP bodies as served here, with the declared faults striking on the way out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voice_agents.audio import Pcm, from_bytes
from voice_agents.offline.checks import Refused
from voice_agents.offline.faults import ConnectionFaults, Fault, FaultKind, Service
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
    refusal: Callable[[int], Message]
    """HTTP status -> the JSON body of a refused handshake."""
    error: Callable[[str], Message]
    """Name of an error -> its message in the vendor's shape."""
    close_code: Callable[[str], int | None]
    """Name of an error -> the code the socket is closed with after it; None: it stays open."""


class VendorSocket:
    """One accepted websocket. Iterate it for the client's text messages; the iteration ends when the socket is gone.

    ``send`` and ``close`` may be called from several tasks and do nothing once the socket is closed.
    """

    def __init__(self, websocket: WebSocket, faults: ConnectionFaults, dialect: VendorDialect) -> None:
        self.faults = faults
        self._websocket = websocket
        self._dialect = dialect
        self._inbox: asyncio.Queue[str | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._sending = asyncio.Lock()

    @property
    def is_gone(self) -> bool:
        """Closed by either side."""
        return self._gone.is_set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (text := await self._inbox.get()) is not None:
            yield text

    async def receive(self, timeout_s: float | None = None) -> str | None:
        """The next text message; None when the socket is gone. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self._inbox.get()

    async def send(self, message: Message) -> None:
        """Send one message, or what a fault makes of it. Messages never overtake each other."""
        async with self._sending:
            struck = self.faults.on_message(self._dialect.type_of(message))
            copies = 1
            for fault in struck:
                if fault.kind in (FaultKind.STALL, FaultKind.DRIP):
                    await self._wait(fault.delay_s)
                elif fault.kind is FaultKind.DUPLICATE:
                    copies = 2
                else:
                    await self._replace(fault)
                    return
            for _ in range(copies):
                await self._send_text(json.dumps(message))

    async def fail(self, name: str, message: Message | None = None) -> None:
        """Send the error of this name (``message``: worded for the case) and close if that error closes."""
        async with self._sending:
            await self._send_error(name, message or self._dialect.error(name))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket; code 1006 cuts the TCP connection."""
        if self.is_gone:
            return
        self._mark_gone()
        if code == ABNORMAL:
            cut(self._websocket.scope)
        elif self._websocket.application_state is WebSocketState.CONNECTED:
            try:
                await self._websocket.close(code, reason)
            except (RuntimeError, WebSocketDisconnect):
                return  # the client was faster

    async def pump(self) -> None:
        """Read until the socket is gone, whatever the sending side waits for."""
        try:
            while not self.is_gone:
                self._inbox.put_nowait(await self._websocket.receive_text())
        except KeyError:
            await self.close(_UNSUPPORTED_DATA)  # a binary message, which no protocol here has
        except (WebSocketDisconnect, RuntimeError):
            pass  # gone
        finally:
            self._mark_gone()

    def _mark_gone(self) -> None:
        self._gone.set()
        self._inbox.put_nowait(None)

    async def _replace(self, fault: Fault) -> None:
        if fault.kind is FaultKind.CLOSE:
            await self.close(fault.status, "fault")
        elif fault.kind is FaultKind.MALFORMED:
            await self._send_text('{"surprise": [1, 2, 3]}' if fault.name == "schema" else '{"audio": "AAAA", ')
        else:
            await self._send_error(fault.name, self._dialect.error(fault.name))

    async def _send_error(self, name: str, message: Message) -> None:
        await self._send_text(json.dumps(message))
        code = self._dialect.close_code(name)
        if code is not None:
            await self.close(code, name)

    async def _send_text(self, text: str) -> None:
        if self.is_gone:
            return
        try:
            await self._websocket.send_text(text)
        except (RuntimeError, WebSocketDisconnect):
            self._mark_gone()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()


class Tasks(asyncio.TaskGroup):
    """A task group whose tasks are cancelled when its block is left."""

    def __init__(self) -> None:
        super().__init__()
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Run ``work`` beside the block."""
        task = self.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in tuple(self._running):
            task.cancel()
        await super().__aexit__(kind, error, trace)


async def serve(
    websocket: WebSocket,
    services: Services,
    service: Service,
    dialect: VendorDialect,
    handler: Callable[[VendorSocket], Awaitable[None]],
    *,
    subprotocol: str | None = None,
) -> None:
    """Accept a websocket and run ``handler`` on it; close it when the handler is done. Raises Refused for a fault.

    ``subprotocol``: the one spoken, of those the client offered. The handler ends its own tasks; it should return soon
    after the socket's iteration has ended.
    """
    faults = services.faults.begin(service)
    if (fault := faults.refusal) is not None:
        raise Refused(fault.name, fault.status, dialect.refusal(fault.status))
    with services.connections.opened(service):
        await websocket.accept(subprotocol)
        socket = VendorSocket(websocket, faults, dialect)
        pump = asyncio.create_task(socket.pump())
        try:
            await handler(socket)
            await socket.close()
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)


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
