"""Opening vendor websockets: timeouts, proxies and TLS as a voice client wants them, refusals as plain errors."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus

from voice_agents.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.providers.elevenlabs.http import status_error
from voice_agents.providers.names import speech_name
from voice_agents.settings import Endpoint

MAX_FRAME_BYTES = 16 * 2**20
"""TTS frames exceed the library's default of 1 MiB, which would close the socket from our side."""
CLOSE_TIMEOUT_S = 0.4


STEADY_S = 5.0
"""A connection that lived so long was a good one: the waits start anew after it."""


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


@asynccontextmanager
async def open_socket(endpoint: Endpoint, path: str, role: Role, timeout_s: float) -> AsyncIterator[ClientConnection]:
    """A socket of ElevenLabs' API at ``path`` (with its query). Raises ProviderError when it cannot be had."""
    parts = urlsplit(endpoint.base_url)
    secure = parts.scheme == "https"
    context = await asyncio.to_thread(tls) if secure else None
    connecting = connect(
        f"{'wss' if secure else 'ws'}://{parts.netloc}{parts.path}{path}",
        additional_headers={"xi-api-key": endpoint.api_key},
        ssl=context,
        proxy=None if endpoint.is_local else True,
        max_size=MAX_FRAME_BYTES,
        open_timeout=timeout_s,
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=20,
        compression=None,
    )
    socket = await _opened(connecting, endpoint, role)
    try:
        yield socket
    finally:
        await socket.close()


async def _opened(connecting: connect, endpoint: Endpoint, role: Role) -> ClientConnection:
    name = speech_name(endpoint)
    try:
        return await connecting
    except InvalidStatus as error:
        body = error.response.body or b""
        raise status_error(error.response.status_code, body.decode(errors="replace"), endpoint, role) from error
    except TimeoutError as error:
        raise _plain(ProviderTimeout, role, name, "did not answer in time") from error
    except (OSError, InvalidHandshake, InvalidMessage, EOFError) as error:
        raise _plain(ProviderUnavailable, role, name, "cannot be reached") from error


def _plain(kind: type[ProviderError], role: Role, name: str, what: str) -> ProviderError:
    return kind(role, name, f"{name} {what} for {role.value}. Trying again.")


@cache
def tls() -> ssl.SSLContext:
    """One for all: loading the certificates takes tens of milliseconds."""
    return ssl.create_default_context()
