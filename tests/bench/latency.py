"""Where the time of a turn goes, over a provider with fixed delays: ``python -m tests.bench.latency``.

The caller says whole sentences with flite; what it measures is the time from the last sample it sent to the first
audible sample it was handed. Overhead is that minus the configured silence and the provider's fixed delays. The
Sandwich's recogniser writes partial words up to 0.45 s behind the sound, or every 0.1 s and 0.08 s late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import fields

from tests.bench.caller import RealTimeCaller
from tests.bench.provider import Partials, said
from tests.bench.subject import SILENCE_S, Kind, arguments, subject
from tests.bench.table import show
from tests.voices import resampled
from voice_agents.engines.engine import Engine
from voice_agents.settings import TurnSettings
from voice_agents.turns.latency import TurnLatency


async def conversation(engine: Engine, turns: int, variety: int = 0) -> tuple[list[float], list[TurnLatency]]:
    """Voice to voice as the caller measured it, and the engine's own account, for each turn but the first (cold).

    ``variety``: where to begin in the sentences.
    """
    measured, accounts = [], []
    settings = TurnSettings(silence_s=SILENCE_S, adaptive=False)
    async with engine.session(turns=settings) as session, RealTimeCaller(session) as caller:
        for turn in range(1, turns + 2):
            number = turn + variety
            _, spoken = await caller.say(resampled(said(number), session.input_rate))
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


async def main(kind: Kind, turns: int, partials: Partials, variety: int) -> None:
    async with subject(kind, partials) as measuring:
        measured, accounts = await conversation(measuring.engine, turns, variety)
    names = [field.name for field in fields(TurnLatency)]
    rows = {name: [v for a in accounts if (v := getattr(a, name)) is not None] for name in names}
    show("The engine's own account", {**rows, "overhead": [v for a in accounts if (v := a.overhead) is not None]})
    about = f", {partials.name.lower()} partial words" if kind is Kind.SANDWICH else ""
    show(
        f"As the caller measured it (silence and provider {1000 * measuring.fixed_s:.0f} ms{about})",
        {"voice to voice": measured, "overhead": [value - measuring.fixed_s for value in measured]},
    )


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="sentence")
    parser.add_argument("--partials", type=Partials.__getitem__, nargs="*", default=list(Partials), help="as named")
    options = parser.parse_args()
    kinds: Sequence[Partials] = options.partials if options.engine is Kind.SANDWICH else list(Partials)[:1]
    for partials in kinds:
        asyncio.run(main(options.engine, options.turns, partials, options.first))
