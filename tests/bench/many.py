"""What happens to a conversation when ten go on at once on one core: ``python -m tests.bench.many``.

The process with the engine and the callers is bound to one core, the provider runs beside it. Every caller measures
the overhead of its own turns; a turn without an answer ends the benchmark with an error.
"""

from __future__ import annotations

import asyncio
import os

from tests.bench.latency import conversation
from tests.bench.provider import Partials
from tests.bench.subject import Kind, Subject, arguments, subject
from tests.bench.table import show
from voice_agents.engines.engine import Engine
from voice_agents.turns.latency import TurnLatency


async def overheads(measuring: Subject, sessions: int, turns: int) -> tuple[list[float], list[float]]:
    """Of all turns but each session's first: as the callers measured it, and by the engine's own account."""
    results = await asyncio.gather(*(_later(measuring.engine, turns, number) for number in range(sessions)))
    measured = [value - measuring.fixed_s for values, _ in results for value in values]
    accounts = [value for _, turns in results for turn in turns if (value := turn.overhead) is not None]
    return measured, accounts


async def _later(engine: Engine, turns: int, number: int) -> tuple[list[float], list[TurnLatency]]:
    await asyncio.sleep(0.37 * number)
    return await conversation(engine, turns, variety=number)


async def main(kind: Kind, sessions: int, turns: int) -> None:
    async with subject(kind, Partials.LAGGING) as measuring:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        for count in (1, sessions):
            measured, accounts = await overheads(measuring, count, turns * sessions // count)
            show(f"{count} at once", {"overhead, own account": accounts, "overhead, measured": measured})


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--turns", type=int, default=5, help="per session, and as many in all for the single one")
    options = parser.parse_args()
    asyncio.run(main(options.engine, options.sessions, options.turns))
