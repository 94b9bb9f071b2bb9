"""A Realtime client in a call with a scripted server, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tests.providers.other_server import KEY, WAIT_S, Connections
from tests.providers.realtime.other_server import RATE, OtherRealtime, Script
from voice_agents.audio import Pcm
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime.client import RealtimeClient, RealtimeTimeouts
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.realtime.events import RealtimeEvent
from voice_agents.settings import Endpoint, Provider

E = TypeVar("E")


class States(Connections):
    """A ConnectionListener that can be asked for what has already passed."""

    async def until(self, state: ConnectionState, times: int = 1) -> None:
        """Wait until it has been in this state so often; it may be in another one by now."""
        async with asyncio.timeout(WAIT_S):
            while self.states.count(state) < times:
                self._changed.clear()
                await self._changed.wait()


class Caller:
    """A client, and what it reported."""

    def __init__(
        self, server: OtherRealtime, config: RealtimeConfig, timeouts: RealtimeTimeouts, **fields: Any
    ) -> None:
        self.server = server
        self.connections = States()
        self.past: list[PastItem] = []
        self.events: list[RealtimeEvent] = []
        self.on_event: Callable[[RealtimeEvent], None] = lambda event: None
        """What the caller does as it hears of an event."""
        self._arrived = asyncio.Event()
        token = fields.pop("token", None)
        self.client = RealtimeClient(
            endpoint(fields.pop("url", server.url), **fields),
            config,
            past=lambda: self.past,
            on_connection=self.connections,
            timeouts=timeouts,
            token=token,
        )

    def speak(self, pcm: Pcm) -> None:
        """As a microphone does: in slices of 20 ms."""
        for start in range(0, len(pcm), RATE // 50):
            self.client.send_audio(pcm[start : start + RATE // 50])

    async def follow(self) -> None:
        async for event in self.client:
            self.events.append(event)
            self.on_event(event)
            self._arrived.set()

    async def until(self, kind: type[E], count: int = 1) -> E:
        """The ``count``-th event of a kind."""
        async with asyncio.timeout(WAIT_S):
            while len(found := self.of(kind)) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return found[count - 1]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


def endpoint(url: str, *, provider: Provider = Provider.AZURE, key: str = KEY, transcribe: str = "ears") -> Endpoint:
    return Endpoint(provider, url, "model-1", key, voice="marin", transcribe_model=transcribe)


CONFIG = RealtimeConfig(instructions="Be brief.", voice="marin")
QUICK = RealtimeTimeouts(retry_s=0.05, watch_s=0.02)


@asynccontextmanager
async def calling(
    *scripts: Script | int | tuple[int, str],
    config: RealtimeConfig = CONFIG,
    timeouts: RealtimeTimeouts = QUICK,
    past: Sequence[PastItem] = (),
    **fields: Any,
) -> AsyncIterator[Caller]:
    """A client in a call with a scripted server."""
    async with OtherRealtime(*scripts) as server:
        caller = Caller(server, config, timeouts, **fields)
        caller.past = list(past)
        async with caller.client:
            following = asyncio.create_task(caller.follow())
            yield caller
        await following
