"""Where the time of a Sandwich turn goes, over a provider with fixed delays: ``python -m tests.bench.latency``.

The caller speaks with flite; what it measures is the time from the last sample it sent to the first audible sample it
was handed. Overhead is that minus the configured silence and the provider's fixed delays.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import fields
from pathlib import Path

from tests.bench.caller import RealTimeCaller
from tests.bench.provider import COMMIT_S, FIRST_AUDIO_S, FIRST_CLAUSE_TOKENS, FIRST_TOKEN_S, TOKEN_S, fixed_delays
from tests.bench.table import show
from tests.voices import flite
from voice_agents.engines.sandwich import SandwichEngine
from voice_agents.settings import Settings, TurnSettings
from voice_agents.turns.latency import TurnLatency

PHRASES = ("what time is it in tokyo", "tell me a story please", "what is twelve times seven", "flip a coin for me")
VOICES = ("slt", "rms", "awb", "kal16")
SILENCE_S = 0.5
FIXED_S = SILENCE_S + COMMIT_S + FIRST_TOKEN_S + (FIRST_CLAUSE_TOKENS - 1) * TOKEN_S + FIRST_AUDIO_S


async def conversation(engine: SandwichEngine, turns: int, variety: int = 0) -> tuple[list[float], list[TurnLatency]]:
    """Voice to voice as the caller measured it, and the engine's own account, for each turn but the first (cold).

    ``variety``: where to begin in the phrases and voices.
    """
    measured, accounts = [], []
    settings = TurnSettings(silence_s=SILENCE_S, adaptive=False)
    async with engine.session(turns=settings) as session, RealTimeCaller(session) as caller:
        for turn in range(1, turns + 2):
            number = turn + variety
            speech = flite(PHRASES[number % len(PHRASES)], VOICES[number // len(PHRASES) % len(VOICES)])
            _, spoken = await caller.say(speech)
            heard = await caller.sound(turn)
            await asyncio.sleep(0.5 + 0.013 * (number % 7))
            session.interrupt()
            done = await caller.turn_done(turn)
            if turn > 1:
                measured.append(heard - spoken)
                accounts.append(done.latency)
        if caller.failures:
            raise RuntimeError(caller.failures[0])
    return measured, accounts


async def main(turns: int) -> None:
    for phrase in PHRASES:
        for voice in VOICES:
            flite(phrase, voice)
    with fixed_delays() as url, tempfile.TemporaryDirectory() as folder:
        settings = Settings(database=Path(folder) / "bench.sqlite3").with_offline(url)
        async with SandwichEngine(settings) as engine:
            measured, accounts = await conversation(engine, turns)
    names = [field.name for field in fields(TurnLatency)]
    show("The engine's own account", {n: [v for a in accounts if (v := getattr(a, n)) is not None] for n in names})
    show(
        f"As the caller measured it (fixed delays {1000 * FIXED_S:.0f} ms)",
        {"voice to voice": measured, "overhead": [value - FIXED_S for value in measured]},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=40)
    asyncio.run(main(parser.parse_args().turns))
