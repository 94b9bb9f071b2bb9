"""How well the offline recogniser hears: ``python -m tests.bench.recognition [--recordings FOLDER] [--quick]``.

* Word errors: synthetic voices asking open questions (of no skill) and, with ``--recordings``, people.
* Phrases: is every example of every skill, in each voice, heard so that the offline agent does what was asked?
* Words said alone: numbers, months, days, colours, answers, places.
* Others: is any of 80 other sentences taken for one of them?
* Sounds in which nobody speaks: are they left alone? And is any clip with speech dropped?
* Time: from the commit to the final words where the speech has been streamed as fast as it is spoken.

A folder of recordings has a file ``clips.jsonl``, one line a clip: {"set": "read", "wav": "a.wav", "text": "..."};
the sets ``read`` and ``commands`` are counted apart, a set ``noise`` must give no words. None ships with the project.
READ are Harvard sentences (IEEE Recommended Practice for Speech Quality Measurements, 1969).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.text import edits, words
from tests.sounds import SOUNDS
from tests.voices import RATE, flite, noisy, padded
from voice_agents.audio import Pcm, read_wav, resample
from voice_agents.offline.skills import RULES, SKILLS, SkillMatcher

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
QUESTIONS = (
    "How do I get a red wine stain out of a white shirt?",
    "Can you recommend a good book about the history of Rome?",
    "Why do cats sleep so much during the day?",
    "What should I cook for dinner if I only have rice and eggs?",
    "How long does it take to learn to play the guitar?",
    "What is the difference between a crocodile and an alligator?",
    "Where can I find cheap flights to Lisbon in the spring?",
    "Is it better to exercise in the morning or in the evening?",
    "Who wrote the music for that film about the shark?",
    "My phone gets very hot when I charge it, is that dangerous?",
    "How many people live in the capital of Australia?",
    "Could you explain to me how a heat pump works?",
    "What is a polite way to turn down an invitation?",
    "Do I need a visa to travel to Japan for two weeks?",
    "Which vegetables can I plant in my garden in October?",
    "How do birds know where to fly in winter?",
    "What happened to the old bridge in the middle of town?",
    "Why is my bread always so dry and heavy?",
    "Should I buy a used car or lease a new one?",
    "What would you do if you had a whole day without any plans?",
)
OTHERS = (
    *("The quick brown fox jumps over the lazy dog.", "What time did she come home yesterday?"),
    *("Can you help me find a good restaurant?", "My brother is going to visit us."),
    *("Remember the days when we were young.", "What is the meaning of life?", "Set the table for dinner."),
    *("How do you make a chocolate cake?", "My dog is called Max.", "What kind of music do you listen to?"),
    *("There is nothing more to say.", "The stock market fell sharply.", "Open the door.", "Where is my car?"),
    *("Play some music.", "Read me the news.", "Why is the sky blue?", "Flip the page."),
    *("I left my keys on the kitchen table.", "She flew to Boston with two of her friends."),
    *("Nobody told me that the shop was closed.", "The timer on the oven is broken."),
    *("He rolled down the hill and laughed.", "They convert old barns into holiday homes."),
    *("The note was written in green ink.", "Ten miles is a long way to walk in the rain."),
    *("The coin fell behind the sofa.", "I count on you, Peter.", "Turn the lights off, please."),
    *("Her story was in the paper.", "It was the best joke of the evening.", "Somebody stole my bicycle."),
    *("We should call the plumber tomorrow.", "The moon was hidden behind the clouds."),
    *("I would like to order a large pizza.", "How far is it to the station?"),
    *("Bees were flying around the flowers.", "The water in the lake was cold."),
    *("Lock the front door.", "The meeting starts at half past nine."),
)
ALONE = """
one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty hundred yes no okay stop wait yeah
sure thanks hello help cancel pause continue repeat louder goodbye maybe never january february march april may june
july august september october november december monday tuesday wednesday thursday friday saturday sunday today tomorrow
tonight red blue green yellow black white orange purple pink brown gray room kitchen tea milk moon music water paris
london tokyo rome home light noon morning
"""
PIECE = RATE // 50
"""Samples fed at a time: 20 ms."""
COMMIT_AFTER_S = 0.3
"""How long after the last word the app asks for the final ones."""

_listener = SkillMatcher(SKILLS, RULES)
Hear = Callable[[Pcm], Any]


async def hear(recogniser: Any, pcm: Pcm) -> str:
    """The final words for a recording, fed as fast as it is taken."""
    utterance = recogniser.utterance()
    for start in range(0, len(pcm), PIECE):
        utterance.feed(pcm[start : start + PIECE])
    return str(await utterance.finish())


async def commit_to_final_s(recogniser: Any, pcm: Pcm) -> float:
    """Seconds from the commit to the final words of a recording that is fed at the speed of speech."""
    utterance = recogniser.utterance()
    began = time.monotonic()
    for start in range(0, len(pcm), PIECE):
        await asyncio.sleep(max(0.0, began + start / RATE - time.monotonic()))
        utterance.feed(pcm[start : start + PIECE])
    committed = time.monotonic()
    await utterance.finish()
    return time.monotonic() - committed


def asked(text: str) -> list[tuple[str, Mapping[str, Any]]]:
    """What a text asks for: skills and slots, in which capital letters do not count."""
    return [
        (request.skill.name, {slot: _folded(value) for slot, value in request.slots.items()})
        for request in _listener.understand(text).requests
    ]


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


class Tally:
    """Word errors of one set."""

    def __init__(self) -> None:
        self.wrong = self.total = self.dropped = self.clips = 0

    def add(self, said: str, heard: str) -> int:
        """Count one clip; its errors."""
        wrong = edits(words(said), words(heard))
        self.wrong, self.total = self.wrong + wrong, self.total + len(words(said))
        self.clips, self.dropped = self.clips + 1, self.dropped + (not heard)
        return wrong

    def __str__(self) -> str:
        return f"{100 * self.wrong / max(1, self.total):.1f} %"


async def word_errors(recogniser: Any, clips: Sequence[tuple[str, Pcm]], name: str) -> Tally:
    """Word errors of some clips; what was heard wrong is printed."""
    tally = Tally()
    for text, pcm in clips:
        heard = await hear(recogniser, pcm)
        if tally.add(text, heard):
            print(f"  {name}: {text!r} was heard as {heard!r}", flush=True)
    return tally


async def phrases(recogniser: Any, voice: str, noise_db: float | None) -> tuple[int, int, int]:
    """Of all examples: how many are acted on rightly, how many there are, how many gave no words."""
    examples = [example for skill in SKILLS if skill.phrases for example in skill.examples]
    right = dropped = 0
    for example in examples:
        heard = await hear(recogniser, spoken(example, voice, noise_db))
        dropped += not heard
        if asked(heard) == asked(example):
            right += 1
        else:
            print(f"  {voice}: {example!r} was heard as {heard!r}", flush=True)
    return right, len(examples), dropped


async def alone(recogniser: Any, voice: str, noise_db: float | None) -> tuple[int, int]:
    """Of words said alone: how many are heard, and how many gave none."""
    texts = {word: await hear(recogniser, spoken(word, voice, noise_db)) for word in ALONE.split()}
    wrong = {word: text for word, text in texts.items() if words(text) != [word]}
    print(f"  {voice}: " + ", ".join(f"{word!r} was heard as {text!r}" for word, text in wrong.items()), flush=True)
    return len(texts) - len(wrong), sum(not text for text in texts.values())


async def others(recogniser: Any, voice: str, noise_db: float | None) -> tuple[int, int, int]:
    """Of the other sentences: how many are taken for a phrase, how many there are, how many gave no words."""
    taken = dropped = 0
    sentences = (*READ, *QUESTIONS, *OTHERS)
    for sentence in sentences:
        heard = await hear(recogniser, spoken(sentence, voice, noise_db))
        dropped += not heard
        if heard and asked(heard) and not asked(sentence):
            taken += 1
            print(f"  {voice}: {sentence!r} was taken for {heard!r}", flush=True)
    return taken, len(sentences), dropped


def spoken(text: str, voice: str, noise_db: float | None) -> Pcm:
    """A recording of it, in a quiet room or a noisy one."""
    pcm = padded(flite(text, voice))
    return pcm if noise_db is None else noisy(pcm, noise_db)


def recordings(folder: Path) -> dict[str, list[tuple[str, Pcm]]]:
    """The clips of a folder by their set."""
    sets: dict[str, list[tuple[str, Pcm]]] = {}
    for line in (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        pcm, rate = read_wav(folder / row["wav"])
        sets.setdefault(row["set"], []).append((row["text"], resample(pcm, rate, RATE)))
    return sets


async def not_speech(recogniser: Any, sounds: Iterator[tuple[str, Pcm]]) -> tuple[int, int]:
    """Of some sounds in which nobody speaks: how many give words, and how many there are."""
    worded = total = 0
    for name, pcm in sounds:
        heard = await hear(recogniser, padded(pcm))
        total += 1
        if heard:
            worded += 1
            print(f"  {name} was heard as {heard!r}", flush=True)
    return worded, total


def show_times(title: str, times_s: Sequence[float]) -> None:
    """Median, 95th percentile and worst."""
    median, high, worst = (1000 * float(np.percentile(times_s, share)) for share in (50, 95, 100))
    print(f"{title:52}median {median:4.0f} ms, p95 {high:4.0f} ms, worst {worst:4.0f} ms, n {len(times_s)}")


async def accuracy(recogniser: Any, options: argparse.Namespace) -> None:
    """All but the times."""
    clips = recordings(options.recordings) if options.recordings else {}
    rows: list[tuple[str, str]] = []
    dropped = spoken_clips = 0
    for name, people in clips.items():
        if name != "noise":
            tally = await word_errors(recogniser, people, name)
            rows.append((f"people, {name}: word errors", f"{tally} of {tally.total}"))
            dropped, spoken_clips = dropped + tally.dropped, spoken_clips + tally.clips
    for voice in options.voices:
        questions = [(question, spoken(question, voice, options.noise_db)) for question in QUESTIONS]
        tally = await word_errors(recogniser, questions, voice)
        rows.append((f"{voice}, open questions: word errors", f"{tally} of {tally.total}"))
        right, examples, silent = await phrases(recogniser, voice, options.noise_db)
        rows.append((f"{voice}, example phrases acted on rightly", f"{right} of {examples}"))
        dropped, spoken_clips = dropped + tally.dropped + silent, spoken_clips + tally.clips + examples
        heard, silent = await alone(recogniser, voice, options.noise_db)
        rows.append((f"{voice}, words said alone, heard", f"{heard} of {len(ALONE.split())}"))
        dropped, spoken_clips = dropped + silent, spoken_clips + len(ALONE.split())
        if not options.quick:
            taken, sentences, silent = await others(recogniser, voice, options.noise_db)
            rows.append((f"{voice}, other sentences taken for one", f"{taken} of {sentences}"))
            dropped, spoken_clips = dropped + silent, spoken_clips + sentences
    sounds = [*SOUNDS.items(), *((f"recorded noise {at}", pcm) for at, (_, pcm) in enumerate(clips.get("noise", [])))]
    worded, total = await not_speech(recogniser, iter(sounds))
    rows.append(("sounds without a voice that gave words", f"{worded} of {total}"))
    rows.append(("clips with speech that gave none", f"{dropped} of {spoken_clips}"))
    print("\n" + "\n".join(f"{name:52}{figure}" for name, figure in rows))


async def times(recogniser: Any, options: argparse.Namespace) -> None:
    """From the commit to the final words, alone and with five talkers at once."""
    texts = [skill.examples[0] for skill in SKILLS if skill.phrases] if not options.quick else ["What time is it?"]
    short = [padded(flite(text, voice), 0.5, COMMIT_AFTER_S) for text in texts for voice in options.voices]
    show_times("commit to final, phrases", [await commit_to_final_s(recogniser, pcm) for pcm in short])
    questions = [padded(flite(text, voice), 0.5, COMMIT_AFTER_S) for text in QUESTIONS for voice in options.voices[:1]]
    show_times("commit to final, open questions", [await commit_to_final_s(recogniser, pcm) for pcm in questions])
    many: list[float] = []
    for first in range(0, len(questions), 5):
        many += await asyncio.gather(*(commit_to_final_s(recogniser, pcm) for pcm in questions[first : first + 5]))
    show_times("commit to final, open questions, five at once", many)


async def main(make: Callable[[], AbstractAsyncContextManager[Any]], options: argparse.Namespace) -> None:
    async with make() as recogniser:
        if not options.times_only:
            await accuracy(recogniser, options)
        if not options.accuracy_only:
            await times(recogniser, options)


def own_recogniser() -> AbstractAsyncContextManager[Any]:
    """What the offline server runs."""
    from voice_agents.offline.brain import expectation
    from voice_agents.offline.stt import Recogniser

    return Recogniser(expectation())


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--voices", default="slt,rms,awb", type=lambda text: text.split(","), help="flite's")
    arguments.add_argument("--noise-db", type=float, help="a noisy room: speech is so much louder than white noise")
    arguments.add_argument("--recordings", type=Path, help="a folder with clips.jsonl and recordings of people")
    arguments.add_argument("--quick", action="store_true", help="without the other sentences")
    arguments.add_argument("--times-only", action="store_true")
    arguments.add_argument("--accuracy-only", action="store_true")
    return arguments


if __name__ == "__main__":
    asyncio.run(main(own_recogniser, parser().parse_args()))
