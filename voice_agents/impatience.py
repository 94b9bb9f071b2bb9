"""Closes connections that stand still: whose request does not come to its end, or whose answer nobody takes.

uvicorn 0.54 waits for ever for the rest of a request, and closes politely: what has bytes left to send to somebody who
reads none stays open for as long as he likes. A process may have some thousand sockets. What a client does wrong is no
error of ours: it is told the client, and no traceback in the log.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected

REQUEST_S = 20.0
"""For a whole request, from the connection or its first byte on."""
UNREAD_S = 30.0
"""Not a byte was taken for so long: nobody reads."""

_NOT_UTF8 = 1007
"""RFC 6455 section 7.4.1."""
_TOO_SLOW = b"The request did not arrive in time. Please send it again."
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
)


class _UntilRead(asyncio.Protocol):
    """Stands before one of uvicorn's protocols; cuts the connection when what was sent is not read, closed or not."""

    unread_s: float
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _left = 0
    """Bytes that waited to be read when it looked last."""
    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._next_look = self.loop.call_later(self.unread_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_no_more()
        super().connection_lost(exc)

    def _look(self) -> None:
        before, self._left = self._left, self.transport.get_write_buffer_size()
        if 0 < before <= self._left:
            self.transport.abort()
        else:
            self._next_look = self.loop.call_later(self.unread_s, self._look)

    def _look_no_more(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None


class _Impatient(_UntilRead):
    """Of HTTP. Once a request is there it waits for the answer, however long; a WebSocket it leaves alone."""

    request_s: float
    cycle: Any
    _too_late: asyncio.TimerHandle | None = None
    _begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        self._begun = True
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            self._stop_waiting()
            self._look_no_more()
        elif self.cycle is not None and not (self.cycle.response_complete or self.cycle.more_body):
            self._stop_waiting()
        else:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """uvicorn also says so when it has answered already, which h11 refuses: that was a traceback for every drop."""
        try:
            super().send_400_response(msg)  # pyrefly: ignore[missing-attribute]
        except Exception:
            self.transport.close()
        if self.cycle is not None:  # whoever still works on this request has nobody to answer
            self.cycle.disconnected = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._too_late is None:
            self._too_late = self.loop.call_later(self.request_s, self._close)

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
        self._begun = False

    def _close(self) -> None:
        is_answered = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if self._begun and not is_answered:
            self.transport.write(_ANSWER % (len(_TOO_SLOW), _TOO_SLOW))
        self.transport.close()


class _ImpatientSocket(_UntilRead):
    """Of WebSockets."""

    request_s: float
    handshake_complete: bool
    close_sent: bool
    conn: Any
    queue: asyncio.Queue[Any]
    frames: list[bytes]
    curr_msg_data_type: str
    read_paused: bool
    close_timer: asyncio.TimerHandle | None
    close_timeout: float
    _too_late: asyncio.TimerHandle | None = None
    _closed_by_app = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._too_late = self.loop.call_later(self.request_s, self._close_unopened)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
        super().connection_lost(exc)

    async def send(self, message: Any) -> None:
        """A refusal completes the handshake too: uvicorn would log an error for each.

        And where uvicorn itself has closed, for what the client sent, the app hears that the client is gone; uvicorn
        would tell it that it made a mistake.
        """
        if message["type"] in ("websocket.close", "websocket.http.response.start"):
            self._closed_by_app = self._closed_by_app or not self.close_sent
        if self.close_sent and not self._closed_by_app:
            raise ClientDisconnected
        await super().send(message)  # pyrefly: ignore[missing-attribute]
        self.handshake_complete = self.handshake_complete or self.close_sent

    def send_receive_event_to_app(self) -> None:
        """Text that is none closes the socket (RFC 6455 section 8.1); uvicorn logs a traceback, and may cut it."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(self.frames):
            self._refuse(_NOT_UTF8, "A text frame has to be UTF-8.")
        else:
            super().send_receive_event_to_app()  # pyrefly: ignore[missing-attribute]

    def _refuse(self, code: int, reason: str) -> None:
        """Close, and read on until the client has closed, too: what it has sent by then would cut what it is told."""
        self.frames = []
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)

    def _close_unopened(self) -> None:
        if not self.handshake_complete:
            self.transport.abort()


def _is_text(frames: list[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True


def impatient(protocol: type[Any], request_s: float = REQUEST_S, unread_s: float = UNREAD_S) -> type[Any]:
    """One of uvicorn's HTTP protocols, for its ``Config.http`` or ``http_protocol_class``, that waits only so long."""
    limits = {"request_s": request_s, "unread_s": unread_s}
    return type(f"Impatient{protocol.__name__}", (_Impatient, protocol), limits)


def impatient_socket(protocol: type[Any], request_s: float = REQUEST_S, unread_s: float = UNREAD_S) -> type[Any]:
    """One of uvicorn's WebSocket protocols, for its ``Config.ws``: opened in time, not kept when nothing is read."""
    limits = {"request_s": request_s, "unread_s": unread_s}
    return type(f"Impatient{protocol.__name__}", (_ImpatientSocket, protocol), limits)
