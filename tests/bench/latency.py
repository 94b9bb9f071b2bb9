"""Where the time of a turn goes, over a provider with fixed delays: ``python -m tests.bench.latency``.

The caller speaks with flite; what it measures is the time from the last sample it sent to the first audible sample it
was handed. Overhead is that minus the configured silence and the provider's fixed delays.
"""

from __future__ import annotations

import asyncio
from dataclasses import fields

from tests.bench.caller import RealTimeCaller
from tests.bench.subject import PHRASES, SILENCE_S, VOICES, Kind, arguments, subject
from tests.bench.table import show
from tests.voices import flite, resampled
from voice_agents.engines.engine import Engine
from voice_agents.settings import TurnSettings
from voice_agents.turns.latency import TurnLatency


async def conversation(engine: Engine, turns: int, variety: int = 0) -> tuple[list[float], list[TurnLatency]]:
    """Voice to voice as the caller measured it, and the engine's own account, for each turn but the first (cold).

    ``variety``: where to begin in the phrases and voices.
    """
    measured, accounts = [], []
    settings = TurnSettings(silence_s=SILENCE_S, adaptive=False)
    async with engine.session(turns=settings) as session, RealTimeCaller(session) as caller:
        for turn in range(1, turns + 2):
            number = turn + variety
            speech = flite(PHRASES[number % len(PHRASES)], VOICES[number // len(PHRASES) % len(VOICES)])
            _, spoken = await caller.say(resampled(speech, session.input_rate))
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


async def main(kind: Kind, turns: int) -> None:
    async with subject(kind) as measuring:
        measured, accounts = await conversation(measuring.engine, turns)
    names = [field.name for field in fields(TurnLatency)]
    rows = {name: [v for a in accounts if (v := getattr(a, name)) is not None] for name in names}
    show("The engine's own account", {**rows, "overhead": [v for a in accounts if (v := a.overhead) is not None]})
    show(
        f"As the caller measured it (silence and provider {1000 * measuring.fixed_s:.0f} ms)",
        {"voice to voice": measured, "overhead": [value - measuring.fixed_s for value in measured]},
    )


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--turns", type=int, default=40)
    options = parser.parse_args()
    asyncio.run(main(options.engine, options.turns))
