"""A caller in real time: sends speech frame by frame and notes when sound comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from voice_agents.audio import Pcm, first_audible
from voice_agents.events import AgentAudio, AgentDucked, AgentPaused, Event, Failed, Interrupted, TurnDone
from voice_agents.session.base import Session

FRAME_S = 0.02


@dataclass
class RealTimeCaller:
    """Drives one session; all times are readings of the event loop's clock."""

    session: Session
    events: list[Event] = field(default_factory=list)
    first_sound: dict[int, float] = field(default_factory=dict)
    last_sound: dict[int, float] = field(default_factory=dict)
    dips: list[float] = field(default_factory=list)
    """When the agent was told to be quieter."""
    stops: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    done: list[TurnDone] = field(default_factory=list)
    hiss: float = 0.0
    """Standard deviation of the noise of the caller's room."""
    _speech: Pcm = field(default_factory=lambda: np.zeros(0, dtype=np.int16))
    _said: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._microphone()), asyncio.create_task(self._listen())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        """Speak at the session's input rate; when the first and the last sample were sent."""
        self._said.clear()
        self._speech = pcm
        await self._said.wait()
        return self._first_sent, self._last_sent

    async def turn_done(self, count: int, within_s: float = 60.0) -> TurnDone:
        """Wait for the ``count``-th TurnDone."""
        async with asyncio.timeout(within_s):
            while len(self.done) < count:
                await self.news()
        return self.done[count - 1]

    async def sound(self, turn: int, within_s: float = 30.0) -> float:
        """Wait for the first audible sample of a turn; when it came."""
        async with asyncio.timeout(within_s):
            while turn not in self.first_sound:
                await self.news()
        return self.first_sound[turn]

    async def news(self) -> None:
        """Wait for the next event."""
        self._news.clear()
        await self._news.wait()

    async def _microphone(self) -> None:
        loop = asyncio.get_running_loop()
        size = round(FRAME_S * self.session.input_rate)
        due = loop.time()
        while True:
            frame, self._speech = self._speech[:size], self._speech[size:]
            now = loop.time()
            if len(frame):
                if self._said_nothing_yet:
                    self._first_sent = now - FRAME_S
                self._last_sent = now - (size - len(frame)) / self.session.input_rate
            self._said_nothing_yet = not len(frame)
            if len(frame) and not len(self._speech):
                self._said.set()
            self.session.push_audio(np.concatenate([frame, self._room(size - len(frame))]))
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _room(self, size: int) -> Pcm:
        if not self.hiss:
            return np.zeros(size, dtype=np.int16)
        return np.random.normal(scale=self.hiss, size=size).astype(np.int16)

    _said_nothing_yet = True
    _first_sent = 0.0
    _last_sent = 0.0

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        async for event in self.session:
            now = loop.time()
            self.events.append(event)
            if isinstance(event, AgentAudio) and first_audible(event.pcm) is not None:
                self.first_sound.setdefault(event.turn, now)
                self.last_sound[event.turn] = now
            elif isinstance(event, AgentDucked):
                self.dips.append(now)
            elif isinstance(event, AgentPaused | Interrupted):
                self.stops.append(now)
            elif isinstance(event, Failed):
                self.failures.append(str(event.error))
            elif isinstance(event, TurnDone):
                self.done.append(event)
            self._news.set()
