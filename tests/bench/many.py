"""What happens to a conversation when ten go on at once on one core: ``python -m tests.bench.many``.

The process with the engine and the callers is bound to one core, the provider runs beside it. Every caller measures
the overhead of its own turns; a turn without an answer ends the benchmark with an error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from tests.bench.latency import FIXED_S, PHRASES, VOICES, conversation
from tests.bench.provider import fixed_delays
from tests.bench.table import show
from tests.voices import flite
from voice_agents.engines.sandwich import SandwichEngine
from voice_agents.settings import Settings
from voice_agents.turns.latency import TurnLatency


async def overheads(engine: SandwichEngine, sessions: int, turns: int) -> tuple[list[float], list[float]]:
    """Of all turns but each session's first: as the callers measured it, and by the engine's own account."""
    results = await asyncio.gather(*(_later(engine, turns, number) for number in range(sessions)))
    measured = [value - FIXED_S for values, _ in results for value in values]
    accounts = [value for _, turns in results for turn in turns if (value := turn.overhead) is not None]
    return measured, accounts


async def _later(engine: SandwichEngine, turns: int, number: int) -> tuple[list[float], list[TurnLatency]]:
    await asyncio.sleep(0.37 * number)
    return await conversation(engine, turns, variety=number)


async def main(sessions: int, turns: int) -> None:
    for phrase in PHRASES:
        for voice in VOICES:
            flite(phrase, voice)
    with fixed_delays() as url, tempfile.TemporaryDirectory() as folder:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        settings = Settings(database=Path(folder) / "bench.sqlite3").with_offline(url)
        async with SandwichEngine(settings) as engine:
            for count in (1, sessions):
                measured, accounts = await overheads(engine, count, turns * sessions // count)
                show(f"{count} at once", {"overhead, own account": accounts, "overhead, measured": measured})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--turns", type=int, default=5, help="per session, and as many in all for the single one")
    options = parser.parse_args()
    asyncio.run(main(options.sessions, options.turns))
