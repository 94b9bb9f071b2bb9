"""CPU seconds a conversation costs, without WebRTC: ``python -m tests.bench.cpu``.

This process holds the engine and the caller (a frame every 20 ms); the provider is another process. ``caller`` is the
caller alone, who is part of the figures that follow: ``idle`` is a session whose microphone sends digital silence,
``room`` one that sends the hiss of a quiet room, ``conversation`` a question every few seconds, each answered in full.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

from tests.bench.caller import RealTimeCaller
from tests.bench.subject import PHRASES, VOICES, Kind, arguments, subject
from tests.voices import flite, resampled
from voice_agents.audio import Pcm
from voice_agents.engines.base import Engine, Session
from voice_agents.events import Event
from voice_agents.settings import TurnSettings

HISS = 10.0
"""Standard deviation of the room's samples, -70 dBFS."""


class NoSession:
    """Takes what the caller sends and says nothing."""

    input_rate = 16_000

    def push_audio(self, pcm: Pcm) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[Event]:
        await asyncio.Event().wait()
        raise AssertionError("nobody ends this wait")
        yield  # makes it a generator


async def caller_alone(seconds: float) -> float:
    """CPU share of the caller."""
    async with RealTimeCaller(cast(Session, NoSession())):
        return await _share(seconds)


async def idle(engine: Engine, seconds: float, hiss: float) -> float:
    """CPU share of one session in which nobody speaks."""
    async with engine.session() as session, RealTimeCaller(session) as caller:
        caller.hiss = hiss
        return await _share(seconds)


async def _share(seconds: float) -> float:
    await asyncio.sleep(2.0)
    began, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - cpu) / (time.monotonic() - began)


async def conversation(engine: Engine, seconds: float) -> tuple[float, int]:
    """CPU share of one session in which caller and agent take turns, and how many turns there were."""
    async with engine.session(turns=TurnSettings(adaptive=False)) as session, RealTimeCaller(session) as caller:
        caller.hiss = HISS
        await caller.say(resampled(flite(PHRASES[0]), session.input_rate))
        await caller.turn_done(1)
        began, cpu, turn = time.monotonic(), time.process_time(), 1
        while time.monotonic() - began < seconds:
            turn += 1
            speech = flite(PHRASES[turn % len(PHRASES)], VOICES[turn % len(VOICES)])
            await caller.say(resampled(speech, session.input_rate))
            await caller.turn_done(turn)
        return (time.process_time() - cpu) / (time.monotonic() - began), turn - 1


async def main(kind: Kind, seconds: float) -> None:
    async with subject(kind) as measuring:
        print(f"{'caller':14}{100 * await caller_alone(seconds / 2):6.2f} % of a core")
        print(f"{'idle':14}{100 * await idle(measuring.engine, seconds / 2, 0.0):6.2f} % of a core")
        print(f"{'room':14}{100 * await idle(measuring.engine, seconds / 2, HISS):6.2f} % of a core")
        share, turns = await conversation(measuring.engine, seconds)
        print(f"{'conversation':14}{60 * share:6.2f} CPU seconds a minute ({turns} turns in {seconds:.0f} s)")


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    asyncio.run(main(options.engine, options.seconds))
