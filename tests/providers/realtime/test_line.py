"""The Realtime client while no server can be reached, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

from tests.providers.realtime.caller import CONFIG, endpoint
from tests.stories.clock import play
from voice_agents.errors import ProviderError, ProviderUnavailable, Role
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime.client import RealtimeClient, RealtimeTimeouts
from voice_agents.providers.realtime.events import RealtimeEvent, ServerError
from voice_agents.providers.realtime.socket import Connector

ATTEMPT_S = 5.0


class Unreachable:
    """A connector whose every attempt fails after a while."""

    def __init__(self) -> None:
        self.attempts: list[float] = []
        """When they began."""
        self._begun = asyncio.Event()

    async def begins(self, attempt: int) -> None:
        while len(self.attempts) < attempt:
            self._begun.clear()
            await self._begun.wait()

    @asynccontextmanager
    async def connect(self, _timeout_s: float) -> AsyncIterator[Any]:
        self.attempts.append(now())
        self._begun.set()
        await asyncio.sleep(ATTEMPT_S)
        raise ProviderUnavailable(Role.REALTIME, "nobody", "Nobody is there.")
        yield

    async def close(self) -> None:
        pass


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def calling_nobody() -> AsyncIterator[tuple[RealtimeClient, Unreachable]]:
    connector = Unreachable()
    client = RealtimeClient(endpoint("http://x"), CONFIG, past=lambda: [], on_connection=lambda *_: None)
    client._line._way = replace(client._line._way, connector=cast(Connector, connector))
    async with client:
        yield client, connector


async def given_up(client: RealtimeClient) -> RealtimeEvent:
    return await anext(aiter(client))


def test_a_turn_waits_for_a_connection_as_long_whatever_was_cancelled_before_it() -> None:
    async def story() -> None:
        async with calling_nobody() as (client, _):
            client.send_text("first")
            await asyncio.sleep(1.0)
            client.cancel()
            await asyncio.sleep(15.0)
            began = now()
            client.send_text("second")
            assert isinstance(await given_up(client), ServerError)
            assert now() - began == RealtimeTimeouts().answer_s

    play(story())


def test_a_turn_that_comes_while_an_attempt_fails_is_tried_for_at_once_and_once() -> None:
    async def story() -> None:
        async with calling_nobody() as (client, connector):
            await connector.begins(5)
            client.send_text("Hello?")
            await given_up(client)
            *before, at_once, after = [begun - last - ATTEMPT_S for last, begun in pairwise(connector.attempts)]
            assert len(before) == 4 and at_once == 0.0
            assert min(*before, after) > 0.1

    play(story())


class Full:
    """A connector to a server that greets, and whose socket then takes nothing any more."""

    def __init__(self) -> None:
        self.connections = 0
        self._greeting: list[bytes] = []

    @asynccontextmanager
    async def connect(self, _timeout_s: float) -> AsyncIterator[Any]:
        self.connections += 1
        self._greeting = [b'{"type": "session.created", "session": {"type": "realtime"}}']
        yield self

    @property
    def transport(self) -> Full:
        return self

    def get_write_buffer_size(self) -> int:
        return 2**15

    async def recv(self, *, decode: bool) -> bytes:
        if not self._greeting:
            await asyncio.Event().wait()
        return self._greeting.pop()

    async def send(self, _message: str) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


def test_a_socket_that_takes_nothing_any_more_is_replaced() -> None:
    async def story() -> None:
        told: list[tuple[float, ConnectionState, ProviderError | None]] = []
        client = RealtimeClient(
            endpoint("http://x"),
            CONFIG,
            past=lambda: [],
            on_connection=lambda state, error: told.append((now(), state, error)),
        )
        connector = Full()
        client._line._way = replace(client._line._way, connector=cast(Connector, connector))
        async with client:
            await asyncio.sleep(1.5 * RealtimeTimeouts().send_s)
            assert [state for _, state, _ in told][:3] == [
                ConnectionState.CONNECTING,
                ConnectionState.OPEN,
                ConnectionState.RECONNECTING,
            ]
            at, _, error = told[2]
            assert error is not None and "was lost" in str(error)
            assert RealtimeTimeouts().send_s <= at <= RealtimeTimeouts().send_s + 0.5
            assert connector.connections == 2

    play(story())
