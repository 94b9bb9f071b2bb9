"""The app (or the demo with the fake engine) in a process of its own, as a user starts it."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx

from tests.forked import Process, start_python

START_TIMEOUT_S = 120.0
OWN_PORTS = range(20_000, 32_000)
"""Below those that systems give to outgoing connections: an app takes seconds to come up and listen."""


class AppProcess:
    """``python <arguments> <port>`` on a free port; ``url`` once entered, where it is asked as ``host``.

    ``forked=False``: what its imports take at its first start belongs to the test.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        *,
        forked: bool = True,
    ) -> None:
        self._arguments = arguments
        self._forked = forked
        self._env = {**os.environ, **(env or {})}
        self._port = free_port()
        self.url = f"http://{host}:{self._port}"
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start it (again, on the same port) and wait until it serves."""
        forked = self._forked or self._process is not None
        self._process = await start_python([*self._arguments, str(self._port)], self._env, forked=forked)
        async with asyncio.timeout(START_TIMEOUT_S), httpx.AsyncClient() as http:
            while not await self._serves(http):
                assert self._process.returncode is None, "the app ended instead of serving"
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to say goodbye."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM: it lets whoever talks end the sentence; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return await self._process.wait()

    async def _serves(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(self.url)).is_success
        except httpx.TransportError:
            return False


def free_port() -> int:
    """A port nobody listens on now, and which no outgoing connection is given meanwhile."""
    while True:
        port = secrets.choice(OWN_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
