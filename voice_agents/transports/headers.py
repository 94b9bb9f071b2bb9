"""Closes connections whose request does not come: idle from the start, half-sent, or sent a byte at a time.

uvicorn 0.54 waits for ever for the rest of a header, and for a first byte; a process may have some thousand sockets.
"""

from __future__ import annotations

import asyncio
from typing import Any

HEADERS_S = 20.0
"""For the headers of a request, from the connection or their first byte on."""

_TOO_SLOW = b"The request did not arrive in time. Please send it again."
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
)


class _Impatient(asyncio.Protocol):
    """Stands before one of uvicorn's HTTP protocols; once a request is there, or a WebSocket, it keeps out of it."""

    within_s: float
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    cycle: Any
    _too_late: asyncio.TimerHandle | None = None
    _begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        self._begun = True
        super().data_received(data)
        if self.transport.get_protocol() is not self or (self.cycle is not None and not self.cycle.response_complete):
            self._stop_waiting()
        else:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """uvicorn also says so when it has answered already, which h11 refuses: that was a traceback for every drop."""
        try:
            super().send_400_response(msg)  # type: ignore[misc]
        except Exception:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._too_late is None:
            self._too_late = self.loop.call_later(self.within_s, self._close)

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
        self._begun = False

    def _close(self) -> None:
        if self._begun:
            self.transport.write(_ANSWER % (len(_TOO_SLOW), _TOO_SLOW))
        self.transport.close()


def impatient(protocol: type[Any], within_s: float = HEADERS_S) -> type[Any]:
    """One of uvicorn's HTTP protocols, for its ``Config.http`` or ``http_protocol_class``, that waits only so long."""
    return type(f"Impatient{protocol.__name__}", (_Impatient, protocol), {"within_s": within_s})
