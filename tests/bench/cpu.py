"""CPU seconds a conversation costs, without WebRTC: ``python -m tests.bench.cpu``.

This process holds the engine and the caller (a frame every 20 ms); the provider is another process. ``idle`` is a
session whose microphone sends digital silence, ``room`` one that sends the hiss of a quiet room, ``conversation`` a
question every few seconds, each answered in full.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench.caller import RealTimeCaller
from tests.bench.latency import PHRASES, VOICES
from tests.bench.provider import fixed_delays
from tests.voices import flite
from voice_agents.engines.sandwich import SandwichEngine
from voice_agents.settings import Settings, TurnSettings

HISS = 10.0
"""Standard deviation of the room's samples, -70 dBFS."""


async def idle(engine: SandwichEngine, seconds: float, hiss: float) -> float:
    """CPU share of one session in which nobody speaks."""
    async with engine.session() as session, RealTimeCaller(session) as caller:
        caller.hiss = hiss
        await asyncio.sleep(2.0)
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        return (time.process_time() - cpu) / (time.monotonic() - began)


async def conversation(engine: SandwichEngine, seconds: float) -> tuple[float, int]:
    """CPU share of one session in which caller and agent take turns, and how many turns there were."""
    async with engine.session(turns=TurnSettings(adaptive=False)) as session, RealTimeCaller(session) as caller:
        caller.hiss = HISS
        await caller.say(flite(PHRASES[0]))
        await caller.turn_done(1)
        began, cpu, turn = time.monotonic(), time.process_time(), 1
        while time.monotonic() - began < seconds:
            turn += 1
            await caller.say(flite(PHRASES[turn % len(PHRASES)], VOICES[turn % len(VOICES)]))
            await caller.turn_done(turn)
        return (time.process_time() - cpu) / (time.monotonic() - began), turn - 1


async def main(seconds: float) -> None:
    for phrase in PHRASES:
        for voice in VOICES:
            flite(phrase, voice)
    with fixed_delays() as url, tempfile.TemporaryDirectory() as folder:
        settings = Settings(database=Path(folder) / "bench.sqlite3").with_offline(url)
        async with SandwichEngine(settings) as engine:
            print(f"{'idle':14}{100 * await idle(engine, seconds / 2, 0.0):6.2f} % of a core")
            print(f"{'room':14}{100 * await idle(engine, seconds / 2, HISS):6.2f} % of a core")
            share, turns = await conversation(engine, seconds)
            print(f"{'conversation':14}{60 * share:6.2f} CPU seconds a minute ({turns} turns in {seconds:.0f} s)")


if __name__ == "__main__":
    np.random.seed(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    asyncio.run(main(parser.parse_args().seconds))
