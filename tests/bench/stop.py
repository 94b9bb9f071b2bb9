"""How soon the agent falls silent when the user speaks: ``python -m tests.bench.stop``.

From the first sample of the caller's speech to the last sound of the agent that was handed out. That first sample is
where the recording first comes within 30 dB of its loud parts: another choice gives other figures (the voices begin
softly, awb with noise), and the detector's threshold was chosen on phrases that include these. Every other
interruption falls into the first three seconds of an answer, in which more evidence is asked for than a sound.
"""

from __future__ import annotations

import asyncio
import random

from tests.bench.caller import RealTimeCaller
from tests.bench.subject import VOICES, Kind, arguments, subject
from tests.bench.table import show
from tests.voices import RATE, flite, onset, resampled
from voice_agents.engines.base import Engine
from voice_agents.settings import TurnSettings

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


async def measure(engine: Engine, interruptions: int) -> dict[str, list[float]]:
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
            before = len(caller.stops)
            first, _ = await caller.say(resampled(speech, session.input_rate))
            if len(caller.stops) == before:
                raise RuntimeError(f"interruption {number} was not noticed")
            stops[voice].append(caller.last_sound[turn] - first - onset(speech) / RATE)
    return stops


async def main(kind: Kind, interruptions: int) -> None:
    for words in WORDS:
        for voice in VOICES:
            flite(words, voice)
    async with subject(kind) as measuring:
        stops = await measure(measuring.engine, interruptions)
    show("First speech sample -> last sound", {"all": [s for each in stops.values() for s in each], **stops})


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--interruptions", type=int, default=40)
    options = parser.parse_args()
    asyncio.run(main(options.engine, options.interruptions))
