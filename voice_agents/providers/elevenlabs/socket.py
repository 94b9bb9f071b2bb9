"""Opening ElevenLabs' websockets: timeouts, proxies and TLS as a voice client wants them, failures as plain errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidProxy, InvalidStatus, InvalidURI

from voice_agents.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.providers.elevenlabs.http import proxy_error, status_error
from voice_agents.providers.names import inside, speech_name, why_gone
from voice_agents.providers.sockets import CLOSE_TIMEOUT_S, MAX_FRAME_BYTES, proxy_to, tls
from voice_agents.settings import Endpoint

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_socket(endpoint: Endpoint, path: str, role: Role, timeout_s: float) -> AsyncIterator[ClientConnection]:
    """A socket of the API at ``path`` (with its query). Raises ProviderError when it cannot be had."""
    parts = urlsplit(endpoint.base_url)
    secure = parts.scheme == "https"
    context = await asyncio.to_thread(tls) if secure else None
    connecting = connect(
        f"{'wss' if secure else 'ws'}://{parts.netloc}{parts.path}{path}",
        additional_headers={"xi-api-key": endpoint.api_key},
        ssl=context,
        proxy=proxy_to(endpoint, role, speech_name(endpoint), sockets=True),
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
        try:
            await socket.close()
        finally:
            socket.transport.abort()  # whoever leaves does not wait for a server that does not say goodbye


def unexpected(error: Exception, endpoint: Endpoint, role: Role) -> ProviderError:
    """A connection failed of what nobody has reckoned with: told in the log, and as a plain sentence."""
    name = speech_name(endpoint)
    logger.error("%s: the connection for %s failed", name, role.value, exc_info=error)
    sentence = f"The connection to {inside(name)} for {role.value} failed ({type(error).__name__}). Trying again."
    return ProviderUnavailable(role, name, sentence)


async def _opened(connecting: connect, endpoint: Endpoint, role: Role) -> ClientConnection:
    name = speech_name(endpoint)
    try:
        return await connecting
    except InvalidStatus as error:
        body = error.response.body or b""
        raise status_error(error.response.status_code, body.decode(errors="replace"), endpoint, role) from error
    except TimeoutError as error:
        late = f"{name} did not answer in time for {role.value}. Trying again."
        raise ProviderTimeout(role, name, late) from error
    except InvalidProxy:
        raise proxy_error(endpoint, role) from None  # the address may hold a password
    except (OSError, InvalidHandshake, InvalidURI, EOFError) as error:
        unreachable = why_gone(endpoint, f"{name} cannot be reached for {role.value}. Trying again.")
        raise ProviderUnavailable(role, name, unreachable) from error
