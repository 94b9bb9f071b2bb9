"""A vendor's socket that is kept open: connects in the background, backs off, and sorts every way it can fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from voice_agents.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    Retry,
    Role,
)
from voice_agents.providers.failures import failure
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState
from voice_agents.settings import Endpoint

Message = dict[str, Any]

MAX_MESSAGE = 16 * 2**20
"""Bytes; audio messages can exceed the websockets default of 1 MiB."""
CLOSE_S = 0.5
PARSE_IN_THREAD = 256 * 1024
"""Characters from which on parsing a message takes more than a millisecond."""
MALFORMED_MAX = 1
"""Messages of one connection that may be unreadable; one more and a fresh connection is made."""
_NORMAL_CLOSES = (1000, 1001)
_OWN_COMPLAINTS = (1002, 1007, 1009)

_LOGGER = logging.getLogger("voice_agents.sockets")
_LOGGER.setLevel(logging.WARNING)  # at DEBUG, websockets logs the handshake's headers and with them the key


class Malformed(ValueError):
    """A message that is not what its protocol says."""


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """Seconds."""

    connect_s: float = 5.0
    retry_first_s: float = 0.25
    retry_most_s: float = 8.0
    steady_s: float = 5.0
    """A connection that lived so long was a good one: the back-off starts anew after it."""
    idle_s: float = 5.0
    """After so long without sending, :meth:`Peer.on_idle` is called."""


class Peer(Protocol):
    """The protocol spoken over a link. All methods are called in the event loop and must not block."""

    def url(self) -> str:
        """Where to connect; asked before every attempt."""

    def refused(self, status: int, body: bytes) -> ProviderError:
        """What a refused handshake means."""

    def closed(self, reason: str) -> ProviderError:
        """What it means that the provider closed the socket with an error code."""

    def on_open(self) -> None:
        """A fresh connection: send what it has to know."""

    def on_message(self, message: Message) -> None:
        """Raises Malformed; a ProviderError to end the connection for that reason; SessionOver to have a fresh one."""

    def on_lost(self, error: ProviderError | None) -> None:
        """The connection ended or an attempt failed. Retry.NEVER: given up; None: a normal end."""

    def on_idle(self) -> None:
        """Nothing was sent for a while."""


class SessionOver(Exception):
    """The provider's session came to its normal end."""


class Link:
    """``async with Link(...)``: entering starts to connect and returns at once; leaving ends socket and tasks."""

    def __init__(
        self,
        endpoint: Endpoint,
        role: Role,
        peer: Peer,
        on_connection: ConnectionListener,
        headers: Mapping[str, str],
        timing: LinkTiming = LinkTiming(),
    ) -> None:
        self._endpoint = endpoint
        self._role = role
        self._peer = peer
        self._on_connection = on_connection
        self._headers = dict(headers)
        self._timing = timing
        self._state: ConnectionState | None = None
        self.error: ProviderError | None = None
        """Why the link is not open."""
        self._outbox: asyncio.Queue[Message] | None = None
        self._wanted = asyncio.Event()
        self._renewal: asyncio.Future[ProviderError | None] | None = None
        self._opened_at: float | None = None
        self._short_lived = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"{self._role.value} link")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def is_open(self) -> bool:
        """What is sent now goes out."""
        return self._outbox is not None

    def send(self, *messages: Message) -> None:
        """Send in this order; dropped while the link is not open (see :meth:`Peer.on_open`)."""
        if self._outbox is not None:
            for message in messages:
                self._outbox.put_nowait(message)

    def wake(self) -> None:
        """The provider is needed now: no more waiting before the next attempt."""
        self._wanted.set()

    def renew(self, error: ProviderError | None = None) -> None:
        """Drop this connection (for that reason) and make a fresh one at once."""
        self._outbox = None
        if self._renewal is not None and not self._renewal.done():
            self._renewal.set_result(error)
        self.wake()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._tell(ConnectionState.CONNECTING, None)
        while True:
            self._renewal = loop.create_future()
            self._opened_at = None
            error = await self._one_connection()
            renewed = self._renewal.done()
            self._wanted.clear()
            steady = self._opened_at is not None and loop.time() - self._opened_at >= self._timing.steady_s
            self._short_lived = 0 if steady or renewed else self._short_lived + 1
            given_up = error is not None and error.retry is Retry.NEVER
            self._tell(ConnectionState.FAILED if given_up else ConnectionState.RECONNECTING, error)
            self._peer.on_lost(error)
            if given_up:
                await self._wanted.wait()
                self._short_lived = 0
                self._tell(ConnectionState.CONNECTING, None)
            elif not renewed:
                await self._pause(error)

    async def _pause(self, error: ProviderError | None) -> None:
        """A session that came to its normal end goes on at once, but not again and again."""
        if error is None and self._short_lived <= 1:
            return
        longest = min(self._timing.retry_most_s, self._timing.retry_first_s * 2 ** max(0, self._short_lived - 1))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest * random.uniform(0.5, 1.0)):
                await self._wanted.wait()

    async def _one_connection(self) -> ProviderError | None:
        """Connect and serve until the end; why it ended (None: normally)."""
        try:
            socket = await self._dial()
        except ProviderError as error:
            return error
        try:
            self._opened_at = asyncio.get_running_loop().time()
            self._outbox = asyncio.Queue()
            self._tell(ConnectionState.OPEN, None)
            self._peer.on_open()
            return await self._serve(socket, self._outbox)
        finally:
            self._outbox = None
            await socket.close()

    async def _dial(self) -> ClientConnection:
        url = self._peer.url()
        local = is_loopback(url)
        try:
            return await connect(
                url,
                additional_headers=self._headers,
                ssl=await tls_context() if url.startswith("wss:") else None,
                proxy=None if local else True,
                open_timeout=self._timing.connect_s,
                close_timeout=CLOSE_S,
                max_size=MAX_MESSAGE,
                compression=None,
                logger=_LOGGER,
            )
        except InvalidStatus as refused:
            raise self._peer.refused(refused.response.status_code, refused.response.body or b"") from None
        except TimeoutError:
            raise self._failure(ProviderTimeout) from None
        except UnicodeError:  # a key with characters no header can carry
            raise self._failure(AuthenticationFailed) from None
        except (OSError, WebSocketException, EOFError) as cause:
            raise self._failure(ProviderUnavailable) from cause

    async def _serve(self, socket: ClientConnection, outbox: asyncio.Queue[Message]) -> ProviderError | None:
        assert self._renewal is not None
        reader = asyncio.create_task(self._read(socket))
        writer = asyncio.create_task(self._write(socket, outbox))
        try:
            await asyncio.wait({reader, writer, self._renewal}, return_when=asyncio.FIRST_COMPLETED)
            if self._renewal.done():
                return self._renewal.result()
            return await (reader if reader.done() else writer)
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _read(self, socket: ClientConnection) -> ProviderError | None:
        malformed = 0
        while True:
            try:
                message = await _parse(await socket.recv())
                if self.is_open:  # else it is of a connection that is being dropped
                    self._peer.on_message(message)
            except Malformed:
                malformed += 1
                if malformed > MALFORMED_MAX:
                    return self._failure(ProtocolViolation)
            except SessionOver:
                return None
            except ProviderError as error:
                return error
            except ConnectionClosed as closed:
                return self._sorted(closed)

    async def _write(self, socket: ClientConnection, outbox: asyncio.Queue[Message]) -> ProviderError | None:
        while True:
            try:
                async with asyncio.timeout(self._timing.idle_s):
                    message = await outbox.get()
            except TimeoutError:
                self._peer.on_idle()
                continue
            try:
                await socket.send(json.dumps(message))
            except ConnectionClosed:
                await asyncio.Event().wait()  # the reader tells why, after what had still arrived

    def _sorted(self, closed: ConnectionClosed) -> ProviderError | None:
        if closed.sent is not None and not closed.rcvd_then_sent and closed.sent.code in _OWN_COMPLAINTS:
            return self._failure(ProtocolViolation)
        if closed.rcvd is None:
            return self._failure(ProviderUnavailable)
        return None if closed.rcvd.code in _NORMAL_CLOSES else self._peer.closed(closed.rcvd.reason)

    def _failure(self, kind: type[ProviderError]) -> ProviderError:
        return failure(kind, self._endpoint, self._role)

    def _tell(self, state: ConnectionState, error: ProviderError | None) -> None:
        changed = state is not self._state or str(error) != str(self.error)
        self._state, self.error = state, error
        if changed:
            self._on_connection(state, error)


async def _parse(raw: str | bytes) -> Message:
    try:
        message = await asyncio.to_thread(json.loads, raw) if len(raw) > PARSE_IN_THREAD else json.loads(raw)
    except ValueError:
        raise Malformed from None
    if not isinstance(message, dict):
        raise Malformed
    return message


def is_loopback(url: str) -> bool:
    """Whether an address is this machine: no proxy is asked for it."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def tls_context() -> ssl.SSLContext:
    """The process's TLS context, made once and off the event loop (it takes tens of milliseconds)."""
    return await asyncio.to_thread(_tls_context)


@cache
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def socket_url(base_url: str) -> str:
    """``http(s)://...`` -> ``ws(s)://...``."""
    return "ws" + base_url.removeprefix("http")
