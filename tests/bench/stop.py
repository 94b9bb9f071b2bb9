"""How soon the agent falls silent when the user speaks: ``python -m tests.bench.stop``.

From the first sample of the caller's speech to the last sound of the agent that was handed out. Every other
interruption falls into the first three seconds of an answer, in which more evidence is asked for than a sound.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from pathlib import Path

from tests.bench.caller import RealTimeCaller
from tests.bench.provider import fixed_delays
from tests.bench.table import show
from tests.voices import RATE, flite, onset
from voice_agents.engines.sandwich import SandwichEngine
from voice_agents.events import AgentPaused
from voice_agents.settings import Settings, TurnSettings

WORDS = (
    "wait a moment please",
    "stop that now",
    "no that is not what i asked",
    "hold on",
    "excuse me",
    "sorry can you say that again",
    "what about tomorrow",
    "thank you that is enough",
    "five minutes is too long",
    "actually never mind",
)
VOICES = ("slt", "rms", "awb", "kal16")


async def measure(engine: SandwichEngine, interruptions: int) -> dict[str, list[float]]:
    """The stop time of each interruption in seconds, by voice."""
    dice = random.Random(1)
    stops: dict[str, list[float]] = {voice: [] for voice in VOICES}
    async with engine.session(turns=TurnSettings(adaptive=False)) as session, RealTimeCaller(session) as caller:
        session.send_text("begin")
        for number in range(interruptions):
            turn = number + 1
            await caller.sound(turn)
            await asyncio.sleep(dice.uniform(0.5, 2.5) if number % 2 else dice.uniform(3.2, 5.0))
            words, voice = WORDS[number // len(VOICES) % len(WORDS)], VOICES[number % len(VOICES)]
            speech = flite(words, voice)
            pauses = len([event for event in caller.events if isinstance(event, AgentPaused)])
            first, _ = await caller.say(speech)
            if len([event for event in caller.events if isinstance(event, AgentPaused)]) == pauses:
                raise RuntimeError(f"interruption {number} was not noticed")
            stops[voice].append(caller.last_sound[turn] - first - onset(speech) / RATE)
    return stops


async def main(interruptions: int) -> None:
    for words in WORDS:
        for voice in VOICES:
            flite(words, voice)
    with fixed_delays() as url, tempfile.TemporaryDirectory() as folder:
        settings = Settings(database=Path(folder) / "bench.sqlite3").with_offline(url)
        async with SandwichEngine(settings) as engine:
            stops = await measure(engine, interruptions)
    show("First speech sample -> last sound", {"all": [s for each in stops.values() for s in each], **stops})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interruptions", type=int, default=40)
    asyncio.run(main(parser.parse_args().interruptions))
