"""What the connections to all vendors have in common: limits of sockets, TLS, and the waits between attempts."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
import websockets.asyncio.client

from voice_agents.errors import ProxyUnusable, Role
from voice_agents.providers.names import inside
from voice_agents.proxies import UnusableProxy, proxy_for, usable
from voice_agents.settings import Endpoint

MAX_FRAME_BYTES = 16 * 2**20
"""TTS frames exceed the library's default of 1 MiB, which would close the socket from our side."""
CLOSE_TIMEOUT_S = 0.4
STEADY_S = 5.0
"""A connection that lived so long was a good one: the waits start anew after it."""

# A socket that is sent elsewhere would take the key along, in the vendors' own headers, which nobody strips. Here, for
# the whole process, since the OpenAI SDK opens its sockets itself.
websockets.asyncio.client.MAX_REDIRECTS = 1


class Backoff:
    """Waits between attempts to connect: from 0.25 s to 8 s, with some jitter."""

    def __init__(self) -> None:
        self._short_lived = 0
        self._opened_at: float | None = None

    def opened(self) -> None:
        """A connection was made."""
        self._opened_at = asyncio.get_running_loop().time()

    async def wait(self, wanted: asyncio.Event, *, at_once: bool) -> None:
        """Before the next attempt; ends early when ``wanted`` is set, or was during the last one. It is cleared.

        ``at_once``: the connection came to a normal end. Then there is no wait, unless that happens all the time.
        """
        opened_at, self._opened_at = self._opened_at, None
        steady = opened_at is not None and asyncio.get_running_loop().time() - opened_at >= STEADY_S
        self._short_lived = 0 if steady else self._short_lived + 1
        if not at_once or self._short_lived > 1:
            delay_s = min(8.0, 0.25 * 2.0 ** max(0, self._short_lived - 1))
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s * random.uniform(0.8, 1.2)):
                    await wanted.wait()
        wanted.clear()


@cache
def tls() -> ssl.SSLContext:
    """One for all: loading the certificates takes tens of milliseconds. Made as httpx would make its own."""
    return httpx2.create_ssl_context()


def proxy_to(endpoint: Endpoint, role: Role, name: str, *, sockets: bool) -> str | None:
    """The proxy on the way to a provider; None: it is reached directly. Raises ProxyUnusable.

    ``name``: what users call who fills the role; ``sockets``: for WebSockets, else for HTTP.
    """
    if endpoint.is_local:
        return None
    try:
        return usable(proxy_for(endpoint.base_url), sockets=sockets)
    except UnusableProxy as reason:
        raise ProxyUnusable(role, name, f"The proxy on the way to {inside(name)} for {role.value} {reason}") from None


class SentElsewhere(OSError):
    """Whoever answers for a provider (a sign-in page of the network) sends its client to another host."""


def staying_at(base_url: str) -> Callable[[Any], Awaitable[None]]:
    """A hook for the requests of an HTTP client: keys and conversations go to this host, wherever it redirects to."""
    home = urlsplit(base_url).hostname

    async def check(request: Any) -> None:
        if request.url.host != home:
            raise SentElsewhere(f"redirected from {home}")

    return check
