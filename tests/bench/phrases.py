"""Phrases by voice through the page in Chromium: ``python -m tests.bench.phrases [--tab realtime] [--talk [FILE]]``.

Each voice is a browser of its own whose microphone is one WAV with all phrases in it, as a person would go through
them. Three things are asked of each: is it transcribed word for word, is the answer right, and was it heard. At the
end stands how long the answers took from voice to voice, as the page shows it beside each.

A FILE has one line for what is said in a turn, with `` | `` and what a right answer contains behind it; without that,
right is what is not "I do not understand". A voice is one of flite's, or espeak-ng's as in ``espeak:en-gb``, with sox's
effects behind it: ``--voices "slt,kal16 pitch -150 tempo 0.95"``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.table import show
from tests.bench.text import words
from tests.browser.helpers.chromium import PLAYED_RATE, VoicePage, chromium, microphone_file
from tests.browser.helpers.heard import bursts
from tests.browser.helpers.process import AppProcess
from tests.voices import RATE, padded, spoken_by
from voice_agents.audio import Pcm

PHRASES = (
    ("what time is it in tokyo", "in tokyo"),
    ("what's seven times eight", "fifty six"),
    ("convert ten miles to kilometers", "sixteen point"),
    ("roll two dice", "you rolled"),
    ("flip a coin", "heads|tails"),
    ("set a timer for five minutes", "five minutes"),
    ("take a note buy milk", "buy milk"),
    ("read my notes", "buy milk"),
    ("my name is robert", "robert"),
    ("what's my name", "robert"),
)
"""What is said, and what a right answer contains (a pattern, without punctuation)."""

TALK = (
    ("good morning, are you there?", "yes|hear|hello"),
    ("i've got a busy day, so could you tell me what time it is over in berlin?", "in berlin"),
    ("okay, and how about sydney?", "sydney"),
    ("right. i want to make some pasta, so please set a timer for, um, eight minutes.", "eight minutes"),
    ("how much longer does the timer have to run?", "minutes|seconds"),
    ("the recipe says two pounds of tomatoes. how much are two pounds in kilograms?", "kilogram|zero point"),
    ("please write down that i have to call my sister.", "call my sister"),
    ("can you tell me what is in my notes?", "call my sister"),
    ("what will the weather be like tomorrow?", "can not|cannot"),
    ("oh well, never mind. do you know a good joke?", "why|what do you call|what did"),
    ("by the way, my name is daniel.", "daniel"),
    ("so what was my name again, and then flip a coin for me please.", "heads|tails"),
)
"""A conversation as somebody has it, with ``--talk`` alone: none of its sentences is an example."""
ANY_ANSWER = r"^(?!.*(i do not understand|only the small offline agent|i did not hear))"

VOICES = ("slt", "rms", "awb")
LEAD_S, PAUSE_S = 5.0, 9.0
"""Silence before the first phrase and by default after each: room for connecting, and for an answer."""

HEARD_S = 0.5
"""An answer counts as heard with this much sound."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one phrase in one voice went."""

    transcribed: bool
    right: bool
    heard: bool

    def __str__(self) -> str:
        return "".join(letter if true else "-" for letter, true in zip("TRH", self.all, strict=True))

    @property
    def all(self) -> tuple[bool, bool, bool]:
        """Transcribed, right, heard."""
        return self.transcribed, self.right, self.heard


def script(path: str) -> list[tuple[str, str]]:
    """The turns of a file, and what a right answer to each contains."""
    lines = [line.partition(" | ") for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(said, right or ANY_ANSWER) for said, _, right in lines]


def plain(text: str) -> str:
    """Lower-case words only."""
    return " ".join(words(text))


async def conversation(
    url: str, tab: str, voice: str, phrases: Sequence[tuple[str, str]], pause_s: float
) -> tuple[list[Result], list[float]]:
    """Say all phrases in one call; each is judged by what was new when the next one began.

    Also the seconds from voice to voice that the page shows.
    """
    turns = [padded(spoken_by(phrase, voice), 0.0, pause_s) for phrase, _ in phrases]
    pcm = np.concatenate([np.zeros(round(LEAD_S * RATE), np.int16), *turns])
    results, lines, played, due_s = [], 0, 0, LEAD_S
    with tempfile.TemporaryDirectory() as folder:
        microphone = microphone_file(Path(folder) / "microphone.wav", pcm, RATE, then_silence_s=120.0)
        async with chromium(microphone) as context:
            page = VoicePage(await context.new_page(), tab)
            await page.open(url)
            if tab != "sandwich":
                await page.choose_tab()
            await page.record()
            began = asyncio.get_running_loop().time()
            for turn, (phrase, right) in zip(turns, phrases, strict=True):
                due_s += len(turn) / RATE
                await asyncio.sleep(max(0.0, began + due_s - asyncio.get_running_loop().time()))
                said, sound = await page.lines(), await page.played()
                results.append(judge(said[lines:], sound[played:], phrase, right))
                lines, played = len(said), len(sound)
            shown = await page.part("chat").locator(".va-ms").all_inner_texts()
    return results, [int(text.split()[0]) / 1000 for text in shown]


def judge(lines: Sequence[tuple[str, str]], played: Pcm, phrase: str, right: str) -> Result:
    """What came of one phrase: the transcript's new lines as (who, text), and what was played meanwhile."""
    transcribed = any(who == "user" and plain(text) == plain(phrase) for who, text in lines)
    answered = any(who == "bot" and re.search(right, plain(text)) for who, text in lines)
    audible_s = sum(len(sound) for sound in bursts(played, PLAYED_RATE)) / PLAYED_RATE
    print(
        f"  said   {phrase}", *(f"  {who:6} {text}" for who, text in lines), f"  {audible_s:.1f} s of sound", sep="\n"
    )
    return Result(transcribed, answered, audible_s >= HEARD_S)


async def main(tab: str, url: str, phrases: Sequence[tuple[str, str]], voices: Sequence[str], pause_s: float) -> None:
    results: dict[str, list[Result]] = {}
    took: dict[str, list[float]] = {}
    async with contextlib.AsyncExitStack() as stack:
        url = url or await stack.enter_async_context(own_app())
        for voice in voices:
            print(f"\n{voice}", flush=True)
            results[voice], took[voice] = await conversation(url, tab, voice, phrases, pause_s)
    print(f"\n{'T transcribed, R right answer, H heard':40}" + "".join(f"{voice.split()[0]:>6}" for voice in voices))
    for number, (phrase, _) in enumerate(phrases):
        print(f"{phrase:40}" + "".join(f"{results[voice][number]!s:>6}" for voice in voices))
    everything = [result for of_voice in results.values() for result in of_voice]
    for name, index in (("transcribed", 0), ("right answer", 1), ("heard", 2)):
        print(f"{name:14}{sum(result.all[index] for result in everything):3} of {len(everything)}")
    show("Voice to voice", {**took, "all": [value for values in took.values() for value in values]})


@contextlib.asynccontextmanager
async def own_app() -> AsyncIterator[str]:
    """``python app.py`` with a database of its own; its address."""
    with tempfile.TemporaryDirectory() as folder:
        async with AppProcess(["app.py", "--port"], {"DATABASE_URL": f"{folder}/conversations.sqlite3"}) as app:
            yield app.url


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tab", choices=("sandwich", "realtime"), default="sandwich")
    parser.add_argument("--url", default="", help="a page that is served already (default: start the app)")
    parser.add_argument("--phrases", type=int, default=len(PHRASES), help="only the first ones")
    parser.add_argument("--talk", nargs="?", const="", metavar="FILE", help="a conversation instead of the phrases")
    parser.add_argument("--voices", default=",".join(VOICES), help="see above (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=PAUSE_S, help="seconds after each turn (default: %(default)s)")
    options = parser.parse_args()
    spoken = PHRASES[: options.phrases] if options.talk is None else script(options.talk) if options.talk else TALK
    asyncio.run(main(options.tab, options.url, spoken, options.voices.split(","), options.pause))
