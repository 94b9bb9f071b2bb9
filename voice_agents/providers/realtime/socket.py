"""Opening a Realtime socket through the ``openai`` SDK: key or token, timeouts, proxies, refusals as plain errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx2
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voice_agents.errors import Role
from voice_agents.providers.names import agent_name
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.sockets import CLOSE_TIMEOUT_S, MAX_FRAME_BYTES, proxy_to, tls
from voice_agents.settings import Endpoint, Provider

PING_S = 10.0
"""A server that does not answer a ping for so long is gone."""

TokenProvider = Callable[[], Awaitable[str]]
"""Gives an Entra access token for the scope ``https://ai.azure.com/.default``; asked at every connect."""

_socket_logger = logging.getLogger(f"{__name__}.frames")
_socket_logger.setLevel(logging.INFO)
"""At DEBUG the websockets library would log the headers, and the key with them."""


class Connector:
    """Connects to one endpoint, as often as needed."""

    def __init__(self, endpoint: Endpoint, sentences: Sentences, token: TokenProvider | None) -> None:
        self._endpoint = endpoint
        self._sentences = sentences
        self._token = token
        self._client: AsyncOpenAI | None = None

    async def close(self) -> None:
        """Forget the SDK's client."""
        if self._client is not None:
            await self._client.close()

    @asynccontextmanager
    async def connect(self, timeout_s: float) -> AsyncIterator[ClientConnection]:
        """The socket of a fresh server session, without the SDK's queue for reconnecting, which costs each message.

        Raises ProviderError when it cannot be had.
        """
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connect(timeout_s)
        except Exception as error:
            raise self._sentences.refused(error) from error
        socket = connection._connection
        try:
            yield socket
        finally:
            try:
                with suppress(ConnectionClosed):
                    await connection.close()
            finally:  # whoever leaves does not wait for a server that does not say goodbye
                socket.transport.abort()

    async def _connect(self, timeout_s: float) -> AsyncRealtimeConnection:
        parts = urlsplit(self._endpoint.base_url)
        options: dict[str, Any] = {
            "open_timeout": timeout_s,
            "close_timeout": CLOSE_TIMEOUT_S,
            "ping_interval": PING_S,
            "ping_timeout": PING_S,
            "proxy": proxy_to(self._endpoint, Role.REALTIME, agent_name(self._endpoint), sockets=True),
            "max_size": MAX_FRAME_BYTES,
            "compression": None,
            "logger": _socket_logger,
        }
        context = await asyncio.to_thread(tls)
        if parts.scheme == "https":
            options["ssl"] = context
        if self._client is None:
            http = httpx2.AsyncClient(verify=context, trust_env=False)  # never used; the SDK's own takes 20 ms to make
            key = self._endpoint.api_key if self._token is None else self._checked_token
            self._client = AsyncOpenAI(base_url=self._endpoint.base_url, api_key=key, max_retries=0, http_client=http)
        azure_key = self._token is None and self._endpoint.provider is Provider.AZURE
        return await self._client.realtime.connect(
            model=self._endpoint.model,
            extra_headers={"api-key": self._endpoint.api_key} if azure_key else {},
            websocket_connection_options=options,  # pyrefly: ignore[bad-argument-type]  # the SDK types only some of them
        ).enter()

    async def _checked_token(self) -> str:
        assert self._token is not None
        try:
            token = await self._token()
        except OSError:
            raise
        except Exception as error:
            raise self._sentences.token() from error
        self._sentences.keep_secret(token)
        return token
