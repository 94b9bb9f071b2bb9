"""False cut-offs by kind of sentence: sessions on virtual time, with a recogniser or a server that knows the words.

A sentence is cut off when the agent sounds between the beginning of its pause and its end. Every sentence is the
first of a conversation: nothing was learned of how this user pauses. Words are lost that memory does not hold.
"""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from langchain_core.messages import BaseMessage

from tests.bench.hesitating import SECOND, SENTENCES
from tests.stories.caller import FRAME_S, Caller, call
from tests.stories.clock import play
from tests.stories.fakes import WORD_S, Step
from tests.stories.realtime.caller import RealtimeCaller, ring
from tests.stories.realtime.items import Habits, Item
from voice_agents.conversation.history import Speaker
from voice_agents.settings import Speculation, TurnSettings

PAUSE_S = (0.4, 0.9)
LAGS_S = (0.1, 0.3)
"""How far a recogniser's partial words are behind the sound."""
COMMIT_S, FIRST_TOKEN_S, FIRST_AUDIO_S = 0.05, 0.1, 0.05
"""Quick providers: where they are slow, a turn that was taken too early is often taken back before anything sounds."""
AFTERWARDS_S = 12.0
SERVED = "Realtime, server_vad"
MODES = {
    "SPECULATION=off": TurnSettings(speculation=Speculation.OFF),
    "SPECULATION=careful": TurnSettings(speculation=Speculation.CAREFUL),
    SERVED: TurnSettings(),
}


@dataclass(frozen=True, slots=True)
class Hesitation:
    """One sentence and what became of it."""

    kind: str
    words: str
    pause_s: float
    taken: bool
    """More than one turn was made of it."""
    cut_off: bool
    """The agent spoke in the pause or over the rest."""
    lost: tuple[str, ...]


def echo(messages: Sequence[BaseMessage]) -> Sequence[Step]:
    """Answers at length."""
    return [f"All right. You said {messages[-1].text}, and I will think about it for a while."]


def served_echo(_items: Sequence[Item]) -> Sequence[str]:
    return ["All right, I have heard that, and I will think about it for a while."]


@asynccontextmanager
async def caller_of(
    mode: str, folder: Path, words: Sequence[str], lag_s: float
) -> AsyncIterator[Caller | RealtimeCaller]:
    """A call to the engine of a mode; the words are known ``lag_s`` after they were said (committed)."""
    if mode == SERVED:
        habits = Habits(transcript_after_s=lag_s, first_audio_s=FIRST_TOKEN_S + FIRST_AUDIO_S)
        async with ring(folder, served_echo, words, turns=MODES[mode], habits=habits) as served:
            yield served
        return
    async with call(folder, echo, words, turns=MODES[mode]) as caller:
        caller.stt.partial_delay_s, caller.stt.commit_delay_s = lag_s, COMMIT_S
        caller.parts.model.first_token_s, caller.voice.first_audio_s = FIRST_TOKEN_S, FIRST_AUDIO_S
        yield caller


async def hesitate(folder: Path, kind: str, parts: tuple[str, str], dice: random.Random, mode: str) -> Hesitation:
    """Say one sentence with a pause in it, and wait for what comes."""
    loop, pause_s = asyncio.get_running_loop(), dice.uniform(*PAUSE_S)
    async with caller_of(mode, folder, parts, dice.uniform(*LAGS_S)) as caller:
        await asyncio.sleep(1.0)
        await caller.speak(0, WORD_S * len(parts[0].split()))
        paused_at = loop.time()
        await asyncio.sleep(pause_s)
        await caller.speak(1, WORD_S * len(parts[1].split()))
        over = loop.time()
        await asyncio.sleep(AFTERWARDS_S)
        cut_off = any(paused_at < played.at < over - FRAME_S and len(played.pcm) for played in caller.played)
        users = [text for role, text in await caller.texts() if role is Speaker.USER]
    words = " ".join(parts)
    kept = " ".join(users).split()
    lost = tuple(word for word in words.split() if kept.count(word) < words.split().count(word))
    return Hesitation(kind, " | ".join(parts), pause_s, len(users) > 1, cut_off, lost)


def sentences(count: int) -> Iterator[tuple[str, tuple[str, str]]]:
    """So many, of all kinds in turn."""
    everything = [(kind, parts) for kind, each in SENTENCES.items() for parts in each]
    random.Random(3).shuffle(everything)
    rounds = chain.from_iterable(repeat(everything))
    return (next(rounds) for _ in range(count))


def measure(count: int, mode: str) -> list[Hesitation]:
    """All sentences, each in a conversation of its own."""
    dice, found = random.Random(5), []
    for kind, parts in sentences(count):
        with tempfile.TemporaryDirectory() as folder:
            found.append(play(hesitate(Path(folder), kind, parts, dice, mode)))
    return found


def main(count: int) -> None:
    """Each mode; by kind, and every sentence that was cut off."""
    logging.disable(logging.WARNING)
    for mode in MODES:
        found = measure(count, mode)
        print(f"\n{mode:24}{'said':>8}{'taken':>8}{'cut off':>9}{'words lost':>12}")
        for kind in (*SENTENCES, "all"):
            rows = [each for each in found if kind in (each.kind, "all")]
            cut = sum(each.cut_off for each in rows)
            words = sum(len(each.lost) for each in rows)
            print(f"{kind:24}{len(rows):>8}{sum(each.taken for each in rows):>8}{cut:>9}{words:>12}")
        second = {" | ".join(parts) for each in SECOND.values() for parts in each}
        for name, rows in (
            ("all", found),
            ("of the second set", [e for e in found if e.words in second]),
        ):
            cut = sum(each.cut_off for each in rows)
            print(f"{name}: {cut} of {len(rows)} cut off ({cut / max(1, len(rows)):.1%})")
        for each in found:
            if each.cut_off or each.lost:
                lost = f", lost: {' '.join(each.lost)}" if each.lost else ""
                print(f"  {each.kind}, {each.pause_s:.2f} s: {each.words}{lost}")
