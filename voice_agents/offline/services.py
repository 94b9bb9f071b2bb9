"""What every offline protocol is served from: local engines, faults to come, provider delays, open connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from voice_agents.audio import Pcm
from voice_agents.offline.faults import FaultPlan, Service

if TYPE_CHECKING:
    from voice_agents.offline.brain import Brain
    from voice_agents.offline.model_server import ModelServer
    from voice_agents.offline.tts import Synthesis


class AnyUtterance(Protocol):
    """Audio from one commit to the next, recognised while it comes in."""

    def feed(self, pcm: Pcm) -> None: ...

    @property
    def partial(self) -> str: ...

    async def finish(self) -> str: ...

    def cancel(self) -> None: ...


class AnyRecogniser(Protocol):
    """Whoever makes utterances of a microphone."""

    def utterance(self, on_partial: Callable[[str], None] | None = None) -> AnyUtterance: ...


class AnyVoice(Protocol):
    """Whoever speaks."""

    def speak(self, text: str, voice: str = ..., speed: float = ...) -> AsyncIterator[Synthesis]: ...


@dataclass(slots=True)
class Pace:
    """Artificial provider delays in seconds, for benchmarks; 0 = as fast as the local engine is.

    A delay is a floor, not an addition: what the engine takes itself counts towards it.
    """

    stt_commit_s: float = 0.0
    """Commit received -> final transcript sent."""
    chat_first_token_s: float = 0.0
    """Request received -> first token sent."""
    chat_token_s: float = 0.0
    """One token -> the next."""
    tts_first_audio_s: float = 0.0
    """Text that can be spoken received -> first audio of its context sent."""
    realtime_first_audio_s: float = 0.0
    """Realtime: turn taken (or response asked for) -> first audio, text or function argument sent."""
    realtime_speed: float = 0.0
    """Realtime: an answer's sound is sent at most so many times faster than it plays, as vendors do; 0 = as it is made.

    With it an answer is still being sent when the user interrupts it, and the server cancels it."""


class Connections:
    """How many connections and running requests each service has open now."""

    def __init__(self) -> None:
        self._open: Counter[Service] = Counter()

    @contextmanager
    def opened(self, service: Service) -> Iterator[None]:
        """Counts one for as long as the block runs."""
        self._open[service] += 1
        try:
            yield
        finally:
            self._open[service] -= 1

    def counts(self) -> dict[str, int]:
        """Open connections by service name, all services."""
        return {service.value: self._open[service] for service in Service}


@dataclass(slots=True)
class Services:
    """Shared by all routes of one offline server."""

    recogniser: AnyRecogniser
    voice: AnyVoice
    brain: Brain
    model_server: ModelServer | None = None
    """Answers on the Realtime sockets in place of ``brain``."""
    faults: FaultPlan = field(default_factory=FaultPlan)
    pace: Pace = field(default_factory=Pace)
    connections: Connections = field(default_factory=Connections)


@asynccontextmanager
async def local_services() -> AsyncIterator[Services]:
    """The real engines, loaded off the event loop (seconds); leaving ends their threads."""
    # only a process that runs the models pays for importing them
    from voice_agents.offline.brain import Brain, expectation
    from voice_agents.offline.stt import Recogniser as Ears
    from voice_agents.offline.tts import Voice as Mouth
    from voice_agents.offline.work import Workers

    async with AsyncExitStack() as stack:
        workers = Workers()
        stack.push_async_callback(asyncio.to_thread, workers.close)
        ears, mouth = Ears(expectation(), workers=workers), Mouth(workers=workers)
        async with asyncio.TaskGroup() as loading:
            for model in (ears, mouth):
                loading.create_task(stack.enter_async_context(model))
        yield Services(ears, mouth, Brain())
