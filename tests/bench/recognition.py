"""How well the offline recogniser hears: ``python -m tests.bench.recognition [--voices slt,rms,awb] [--noise-db 20]``.

Two questions, asked of every voice. Are the demo's phrases (every example of every skill) heard so that the offline
agent does what was asked? And is other speech, read sentences of no skill, heard at all and left alone?
The sentences are Harvard sentences (IEEE Recommended Practice for Speech Quality Measurements, 1969).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from tests.bench.text import words
from tests.voices import RATE, flite, noisy, padded
from voice_agents.audio import Pcm
from voice_agents.offline.brain import grammar
from voice_agents.offline.skills import RULES, SKILLS, Listener
from voice_agents.offline.stt import Recogniser

READ = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
    "A rod is used to catch pink salmon.",
    "The source of the huge river is the clear spring.",
    "Kick the ball straight and follow through.",
    "Help the woman get back to her feet.",
    "A pot of tea helps to pass the evening.",
    "Smoky fires lack flame and heat.",
    "The soft cushion broke the man's fall.",
    "The salt breeze came across from the sea.",
    "The girl at the booth sold fifty bonds.",
    "The small pup gnawed a hole in the sock.",
)
PIECE = RATE // 50
"""Samples fed at a time: 20 ms."""

_listener = Listener(SKILLS, RULES)


def edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to be replaced, left out or put in to get from one to the other."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        diagonal, row[0] = row[0], number
        for at, other in enumerate(heard, 1):
            diagonal, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, diagonal + (word != other))
    return row[-1]


async def hear(recogniser: Recogniser, pcm: Pcm) -> str:
    """The final words for a recording."""
    utterance = recogniser.utterance()
    for start in range(0, len(pcm), PIECE):
        utterance.feed(pcm[start : start + PIECE])
    return await utterance.finish()


def spoken(text: str, voice: str, noise_db: float | None) -> Pcm:
    """A recording of it, in a quiet room or a noisy one."""
    pcm = padded(flite(text, voice))
    return pcm if noise_db is None else noisy(pcm, noise_db)


async def phrases(recogniser: Recogniser, voice: str, noise_db: float | None) -> tuple[int, int]:
    """Of all examples, how many are understood as the same requests as their text."""
    examples = [example for skill in SKILLS if skill.phrases for example in skill.examples]
    right = 0
    for example in examples:
        heard = await hear(recogniser, spoken(example, voice, noise_db))
        if _listener.understand(heard) == _listener.understand(" ".join(words(example))):
            right += 1
        else:
            print(f"  {voice}: {example!r} was heard as {heard!r}", flush=True)
    return right, len(examples)


async def read_speech(recogniser: Recogniser, voice: str, noise_db: float | None) -> tuple[float, int]:
    """The word error rate of the read sentences, and how many were taken for a request to the agent."""
    wrong = total = taken = 0
    for sentence in READ:
        heard = await hear(recogniser, spoken(sentence, voice, noise_db))
        wrong += edits(words(sentence), words(heard))
        total += len(words(sentence))
        if heard and _listener.understand(heard).requests:
            taken += 1
            print(f"  {voice}: {sentence!r} was taken for {heard!r}", flush=True)
    return wrong / total, taken


async def main(voices: Sequence[str], noise_db: float | None) -> None:
    rows = []
    async with Recogniser(grammar()) as recogniser:
        for voice in voices:
            right, examples = await phrases(recogniser, voice, noise_db)
            error_rate, taken = await read_speech(recogniser, voice, noise_db)
            rows.append((voice, f"{right} of {examples}", f"{100 * error_rate:.0f} %", f"{taken} of {len(READ)}"))
    print(f"\n{'voice':8}{'examples right':>18}{'read: word errors':>20}{'taken for a request':>22}")
    for voice, *figures in rows:
        print(f"{voice:8}" + "".join(f"{figure:>{width}}" for figure, width in zip(figures, (18, 20, 22), strict=True)))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--voices", default="slt,rms,awb", help="flite's, with commas between")
    arguments.add_argument("--noise-db", type=float, help="a noisy room: speech is so much louder than white noise")
    options = arguments.parse_args()
    asyncio.run(main(options.voices.split(","), options.noise_db))
