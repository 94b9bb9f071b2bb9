"""What the offline parts promise, measured: ``python -m tests.bench.offline``; a quiet machine gives fair times.

* Start: from the process to its first line, and the memory it holds then, with every model loaded, in MiB.
* Commit to final: spoken phrases of up to 3 s fed at the speed of speech; and five talkers at once, open questions.
* First sound: from a text of five and of fifteen words to its first samples.
* Round trip: what our own ears hear wrong of our own voice: open questions, and read sentences.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.bench.recognition import COMMIT_AFTER_S, QUESTIONS, READ, Tally, commit_to_final_s, hear, show_times
from tests.voices import RATE, flite, padded
from voice_agents.audio import Pcm, resample
from voice_agents.offline.brain import expectation
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.offline.skills import SKILLS
from voice_agents.offline.stt import Recogniser
from voice_agents.offline.tts import SAMPLE_RATE, Voice
from voice_agents.offline.work import Workers

FIVE_WORDS = ("It is ten past nine.", "The timer is set now.", "I can hear you well.", "You have three new notes.")
FIFTEEN_WORDS = (
    "In summer you should water it about once a week and in winter only every month",
    "The next train to the old town leaves at half past four from the second platform",
    "There are two timers running at the moment and the first one ends in three minutes",
)
LONGEST_S = 3.0
TALKERS = 5


def start() -> None:
    """How long the server takes until it serves, and how much memory it then holds."""
    began = time.monotonic()
    with EmbeddedServer() as server:
        print(f"{'process to serving':52}{time.monotonic() - began:.1f} s")
        print(f"{'resident memory':52}{resident_mib(server.pid or 0):.0f} MiB")


def resident_mib(pid: int) -> float:
    """Linux only; not a number elsewhere."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
    except OSError:
        return float("nan")


async def times(recogniser: Recogniser, voice: Voice) -> None:
    """Commit to final, and first sound."""
    examples = [example for skill in SKILLS if skill.phrases for example in skill.examples[:1]]
    spoken = [flite(example, voice_id) for example in examples for voice_id in ("slt", "rms")]
    short = [padded(pcm, 0.5, COMMIT_AFTER_S) for pcm in spoken if len(pcm) <= LONGEST_S * RATE]
    show_times("commit to final, up to 3 s", [await commit_to_final_s(recogniser, pcm) for pcm in short])
    questions = [padded(flite(question, "rms"), 0.5, COMMIT_AFTER_S) for question in QUESTIONS]
    many: list[float] = []
    for first in range(0, len(questions), TALKERS):
        talkers = questions[first : first + TALKERS]
        many += await asyncio.gather(*(commit_to_final_s(recogniser, pcm) for pcm in talkers))
    show_times("commit to final, five talkers at once", many)
    for title, texts in (("first sound, five words", FIVE_WORDS), ("first sound, fifteen words", FIFTEEN_WORDS)):
        show_times(title, [await first_sound_s(voice, text) for text in texts * 5])


async def first_sound_s(voice: Voice, text: str) -> float:
    """Seconds from a text to its first samples."""
    pieces = voice.speak(text)
    began = time.monotonic()
    await anext(pieces)
    took_s = time.monotonic() - began
    await pieces.aclose()
    return took_s


async def round_trip(recogniser: Recogniser, voice: Voice, name: str, sentences: Sequence[str]) -> None:
    """Word errors of our own voice."""
    tally = Tally()
    for sentence in sentences:
        pcm: Pcm = np.concatenate([piece.pcm async for piece in voice.speak(sentence)])
        heard = await hear(recogniser, padded(resample(pcm, SAMPLE_RATE, RATE)))
        if tally.add(sentence, heard):
            print(f"  {sentence!r} was heard as {heard!r}", flush=True)
    print(f"{f'round trip, {name}':52}{tally} of {tally.total}", flush=True)


async def measure(options: argparse.Namespace) -> None:
    workers = Workers()
    try:
        async with Recogniser(expectation(), workers=workers) as recogniser, Voice(workers=workers) as voice:
            await times(recogniser, voice)
            if not options.times_only:
                await round_trip(recogniser, voice, "open questions", QUESTIONS)
                await round_trip(recogniser, voice, "read sentences", READ)
    finally:
        workers.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times-only", action="store_true")
    options = parser.parse_args()
    start()
    asyncio.run(measure(options))
