"""Random conversations in which answers are begun early, and what became of them: for the tests and the benchmark."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.messages import BaseMessage

from tests.stories.caller import StoryParts, call, turn_done
from tests.stories.fakes import WORD_S, Call, Step
from voice_agents.conversation.history import Speaker
from voice_agents.events import BegunEarly
from voice_agents.settings import Speculation, TurnSettings
from voice_agents.tools import Tool

OFF = TurnSettings(adaptive=False, speculation=Speculation.OFF)
CAREFUL = TurnSettings(adaptive=False)
EAGER = TurnSettings(adaptive=False, speculation=Speculation.EAGER)


@dataclass
class Desk:
    """Tools of both kinds, and what they were asked."""

    booked: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    async def book(self, table: str) -> str:
        """Book a table."""
        self.booked.append(table)
        self.at.append(asyncio.get_running_loop().time())
        return f"Booked {table}."

    async def look(self, table: str) -> str:
        """Look a table up."""
        self.looked_up.append(table)
        self.at.append(asyncio.get_running_loop().time())
        return f"Free: {table}."

    def prepare(self, parts: StoryParts) -> None:
        parts.tools = [Tool.of(self.book, side_effects=True), Tool.of(self.look, side_effects=False)]


def clerk(messages: list[BaseMessage]) -> Sequence[Step]:
    """Looks up or books what was asked for last, by its last word."""
    last = messages[-1]
    if last.type == "tool":
        return [f"Well. {last.text}"]
    words = str(last.text).split()
    name = "look" if words[0] == "look" else "book"
    return [Call(name, '{"table": "' + " ".join(words[1:]) + '"}')]


@dataclass
class Outcome:
    """What came of one conversation."""

    texts: list[tuple[Speaker, str]]
    booked: list[str]
    early: list[BegunEarly]
    problems: list[str]


async def timeline(folder: Path, seed: int, turns: TurnSettings) -> Outcome:
    """A random conversation with pauses in sentences, late partial words and both kinds of tools."""
    dice, desk = random.Random(seed), Desk()
    words: list[str] = []
    sentences: list[list[int]] = []
    for number in range(4):
        kind = dice.choice(["book", "look"])
        parts = [f"{kind} table {number}", *(f"no {number} {part} sorry" for part in range(dice.randint(0, 3)))]
        sentences.append(list(range(len(words), len(words) + len(parts))))
        words += parts
    problems: list[str] = []
    forgetful = dice.random() < 0.3

    def prepare(parts: StoryParts) -> None:
        desk.prepare(parts)
        parts.forgetful = forgetful

    async with call(folder, clerk, words, turns=turns, prepare=prepare) as caller:
        caller.stt.partial_delay_s = dice.choice([0.05, 0.2, 0.45])
        caller.stt.commit_delay_s = dice.choice([0.05, 0.12, 0.3, 0.9])
        caller.parts.model.first_token_s = dice.choice([0.02, 0.1, 0.3])
        for count, sentence in enumerate(sentences, 1):
            for part in sentence:
                await caller.speak(part, WORD_S * len(words[part].split()))
                pause_s = dice.choice([0.04, 0.12, 0.2, 0.3, 0.4])
                if part != sentence[-1]:
                    await asyncio.sleep(pause_s)
                    if len(desk.booked) >= count:
                        problems.append(f"booked in the middle of sentence {count}")
            await turn_done(caller, count)
            await asyncio.sleep(dice.choice([0.3, 1.0]))
        await asyncio.sleep(1.0)
        if [task for task in asyncio.all_tasks() if "agent turn" in task.get_name()]:
            problems.append("somebody is still at work")
        return Outcome(await caller.texts(), desk.booked, caller.all(BegunEarly), problems)
