"""How soon the agent becomes quieter and falls silent when the user speaks: ``python -m tests.bench.stop``.

From the first sample of the caller's speech to the last sound of the agent that was handed out. What counts as that
first sample makes a difference (the voices begin softly, awb with a quarter of a second of its room's noise), so three
are shown: where the recording first comes within 30 or 40 dB of its loud parts, and its first sample over -54 dBFS.
Every other interruption falls into the first three seconds of an answer, in which more evidence is asked for than a
sound before the answer is given up. ``--setting sensitive`` falls silent where the others become quieter.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from tests.bench.caller import RealTimeCaller
from tests.bench.provider import VOICES
from tests.bench.subject import Kind, arguments, subject
from tests.bench.table import show
from tests.voices import RATE, flite, onset, resampled
from voice_agents.audio import Pcm
from voice_agents.engines.engine import Engine
from voice_agents.settings import Interruptions, TurnSettings

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


@dataclass(frozen=True)
class Stop:
    """One interruption: from the recording's first sample to the agent's last sound, in seconds."""

    voice: str
    speech: Pcm
    after_s: float
    quieter_s: float
    """The same, to when it is told to be 15 dB quieter."""

    def since(self, below_db: float) -> float:
        """To its last sound, counted from where the speech comes within so many dB of its loud parts."""
        return self.after_s - self._begins_s(below_db)

    def quieter_since(self, below_db: float) -> float:
        """To when it is quieter."""
        return self.quieter_s - self._begins_s(below_db)

    def _begins_s(self, below_db: float) -> float:
        return onset(self.speech, below_db) / RATE


async def measure(engine: Engine, interruptions: int, setting: Interruptions = Interruptions.NORMAL) -> list[Stop]:
    """Interrupt so many long answers."""
    turns = TurnSettings(adaptive=False, interruptions=setting)
    dice = random.Random(1)
    stops: list[Stop] = []
    async with engine.session(turns=turns) as session, RealTimeCaller(session) as caller:
        session.send_text("begin")
        for number in range(interruptions):
            turn = number + 1
            await caller.sound(turn)
            await asyncio.sleep(dice.uniform(0.5, 2.5) if number % 2 else dice.uniform(3.2, 5.0))
            words, voice = WORDS[number // len(VOICES) % len(WORDS)], VOICES[number % len(VOICES)]
            speech = flite(words, voice)
            before, dips = len(caller.stops), len(caller.dips)
            first, _ = await caller.say(resampled(speech, session.input_rate))
            if len(caller.stops) == before:
                raise RuntimeError(f"interruption {number} was not noticed")
            quieter = min(*caller.dips[dips : dips + 1], caller.stops[before], caller.last_sound[turn])
            stops.append(Stop(voice, speech, caller.last_sound[turn] - first, quieter - first))
    return stops


async def main(kind: Kind, interruptions: int, setting: Interruptions) -> None:
    for words in WORDS:
        for voice in VOICES:
            flite(words, voice)
    async with subject(kind) as measuring:
        stops = await measure(measuring.engine, interruptions, setting)
    show("First speech sample -> 15 dB quieter", {"within 30 dB": [stop.quieter_since(30.0) for stop in stops]})
    rows = {"within 30 dB": [stop.since(30.0) for stop in stops]}
    rows |= {f"  {voice}": [stop.since(30.0) for stop in stops if stop.voice == voice] for voice in VOICES}
    rows |= {"within 40 dB": [stop.since(40.0) for stop in stops], "over -54 dBFS": [stop.after_s for stop in stops]}
    show("First speech sample -> last sound", rows)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--interruptions", type=int, default=40)
    parser.add_argument("--setting", type=Interruptions, choices=tuple(Interruptions), default=Interruptions.NORMAL)
    options = parser.parse_args()
    asyncio.run(main(options.engine, options.interruptions, options.setting))
