"""Hundreds of interruptions at random moments: memory holds what was played, and nothing stale is ever played."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import OUTPUT_RATE, Caller, call
from tests.stories.clock import play
from tests.stories.fakes import WORD_S, Call, Script, Step
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.events import (
    AgentAudio,
    AgentPaused,
    AgentResumed,
    AgentText,
    Event,
    Interrupted,
    TurnDone,
    UserTranscript,
)

INTERRUPTIONS = int(os.environ.get("INTERRUPTIONS", "50"))
"""In each of two conversations."""
SAYINGS = ["please tell me more about that", "no wait", "stop", "mm-hmm", ""]
WORDS, MURMURS = (0, 1, 2), (3, 4)


def storyteller(dice: random.Random) -> Script:
    """Answers of random length in one to three sentences, one in five after a tool."""

    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        if messages[-1].type != "tool" and dice.random() < 0.2:
            return ["Let me see.", Call("calculate", '{"expression": "6*7"}')]
        sentences = [
            " ".join(f"w{dice.randrange(1000)}" for _ in range(dice.randint(3, 20))) + "."
            for _ in range(dice.randint(1, 3))
        ]
        return [" ".join(["Sure,", *sentences])]

    return script


async def until(caller: Caller, true: Callable[[], bool]) -> None:
    """Wait for the event that makes it true."""
    async with asyncio.timeout(120):
        while not true():
            await caller.news()


async def interrupt(caller: Caller, dice: random.Random) -> None:
    """Take the floor: by voice, by the button and a new message, or by typing right away."""
    how = dice.choice(["voice", "voice", "voice", "button", "typing"])
    if how == "button":
        caller.session.interrupt()
        await asyncio.sleep(dice.choice([0.0, 0.3]))
    if how == "voice":
        await caller.speak(dice.choice(WORDS))
    else:
        caller.session.send_text("go on")


async def listen_a_while(caller: Caller, dice: random.Random, most_s: float) -> None:
    """Mostly into the answer that comes next."""
    heard = len(caller.all(AgentAudio))
    if dice.random() < 0.9:
        await until(caller, lambda: len(caller.all(AgentAudio)) > heard)
    await asyncio.sleep(dice.uniform(0.0, most_s))


async def murmur(caller: Caller, dice: random.Random) -> None:
    """A cough or an "mm-hmm" beside the answer."""
    pauses = len(caller.all(AgentPaused))
    await caller.speak(dice.choice(MURMURS), 0.25)
    await asyncio.sleep(0.1)
    if len(caller.all(AgentPaused)) > pauses:
        settled: list[type[Event]] = [AgentResumed, TurnDone]
        before = [len(caller.all(kind)) for kind in settled]
        await until(caller, lambda: [len(caller.all(kind)) for kind in settled] != before)


@pytest.mark.parametrize("seed", range(2))
def test_memory_is_what_was_played_and_nothing_stale_is_played(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def story() -> None:
        async with call(tmp_path, storyteller(dice), SAYINGS) as caller:
            caller.session.send_text("begin")
            while len(caller.all(Interrupted)) < INTERRUPTIONS:
                await listen_a_while(caller, dice, 6.0)
                if dice.random() < 0.3:
                    await murmur(caller, dice)
                    await asyncio.sleep(dice.uniform(0.0, 0.5))
                await interrupt(caller, dice)
            await asyncio.sleep(60.0)  # of virtual time: the last answer is played to its end
            check_played(caller)
            check_memory(caller, await History(caller.parts.store).messages(caller.session.conversation))

    play(story())


def check_played(caller: Caller) -> None:
    """The speaker played turn after turn, each from its first sample on without a hole or a repetition."""
    turns = [played.turn for played in caller.played]
    assert turns == sorted(turns)
    for turn in set(turns):
        heard = caller.heard(turn)
        assert heard[0] % 100 == 1, f"turn {turn} did not begin with its first word"
        assert set(np.unique(np.diff(heard))) <= {0, 1}, f"turn {turn} has a hole or a repetition"


def check_memory(caller: Caller, entries: Sequence[HistoryEntry]) -> None:
    """Every turn, in order: the user's words as they were shown, the agent's as far as they were played."""
    shown = {event.turn: event.text for event in caller.all(UserTranscript) if event.final and event.text}
    done = {event.turn: event.heard_text for event in caller.all(TurnDone)}
    asked = [entry.text for entry in entries if entry.role is Speaker.USER]
    assert asked == [shown[turn] for turn in sorted(shown)]
    for turn, text in done.items():
        played = len(caller.heard(turn)) / OUTPUT_RATE / WORD_S
        assert abs(len(text.split()) - played) <= 1, (turn, text, played)
    said = [entry.text.strip() for entry in entries if entry.role is Speaker.AGENT and entry.text]
    assert " ".join(said).split() == " ".join(done[turn] for turn in sorted(done)).split()
    asked_facts = [entry.facts for entry in entries if entry.role is Speaker.USER]
    for turn, facts in zip(sorted(shown), asked_facts, strict=True):
        assert facts is not None and facts.engine == "sandwich"
        written = "".join(event.text for event in caller.all(AgentText) if event.turn == turn)
        kept = done.get(turn, "") + facts.unheard
        assert bare(written).endswith(bare(kept)), "heard and unheard words are all that was written"


def bare(text: str) -> str:
    return "".join(text.split())
