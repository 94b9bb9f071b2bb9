"""Answers cut at random moments, over several calls: is what is remembered what was played, within a word?

An agent is a graph of a developer's own, the standard one, or a Realtime server. What was played is read from the
samples that came out of the speaker, of which every word has its own value; it is compared with what the session told
of the turn, what is on disk, and what the model or the server knows of it when it is asked again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.messages import BaseMessage

from tests.stories.caller import OUTPUT_RATE, Caller, StoryParts
from tests.stories.fakes import WORD_S, Call, FakeModel, Step
from tests.stories.graphs import GRAPHS, THOUGHT
from tests.stories.realtime.caller import RealtimeCaller, RealtimeStoryParts
from tests.stories.realtime.items import Habits, Item, chatter, tally, word_samples
from tests.stories.sessions import realtime_session, sandwich_session
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.own_graph import OwnGraph
from voice_agents.conversation.store import Store, open_store
from voice_agents.events import Failed, Interrupted, TurnDone, UserTranscript
from voice_agents.session.turn import WORDS_UNKNOWN
from voice_agents.settings import TurnSettings

AGENTS = ("standard", *GRAPHS, "realtime")
CALLING = {"standard": "calculate", "plain_agent": "calculate", "with_subgraph": "calculate", "realtime": "roll_dice"}
"""Agents that have tools, and one of them."""
SAYINGS = ("please tell me more about that", "no wait", "stop", "mm-hmm", "")
WORDS, MURMURS = (0, 1, 2), (3, 4)
HOW = ("voice", "button", "typing")
IN_A_CALL = 25
"""Cuts; then the caller hangs up, everything is closed, and the next call goes on with the conversation from disk."""
LONGEST_WAIT_S = 7.0
"""Answers are 1 to 20 s long."""
TO_THE_END_S = 90.0
AnyOne = Caller | RealtimeCaller


@dataclass
class Account:
    """What was done to one agent, and how far its memory is from what was played."""

    cuts: Counter[str] = field(default_factory=Counter)
    """Answers that were cut, by voice, button or typing."""
    before_sound: int = 0
    """Of these, those of which nothing had sounded."""
    calls: int = 0
    turns: int = 0
    words: int = 0
    """That were heard."""
    furthest: int = 0
    """Words by which a turn's memory and what was played of it differ at most."""
    wrong: list[str] = field(default_factory=list)

    def compare(self, turn: int, told: Sequence[str], played: Sequence[str]) -> None:
        """The words of a turn as the session told them, and as they came out of the speaker."""
        self.turns += 1
        self.words += len(played)
        same = sum(1 for _ in _same(told, played))
        off = max(len(told), len(played)) - same
        self.furthest = max(self.furthest, off)
        if off > 1:
            self.wrong.append(f"call {self.calls}, turn {turn}: told {' '.join(told)!r}, played {' '.join(played)!r}")

    def check(self, true: bool, sentence: str) -> None:
        """What has to be so, or is wrong."""
        if not true:
            self.wrong.append(f"call {self.calls}: {sentence}")


def _same(one: Sequence[str], other: Sequence[str]) -> Sequence[str]:
    """The words with which both begin."""
    same = []
    for word, like in zip(one, other, strict=False):
        if bare(word) != bare(like):
            break
        same.append(word)
    return same


def bare(word: str) -> str:
    """A word without its punctuation."""
    return "".join(filter(str.isalnum, word))


class Cutter:
    """Talks to one agent, and cuts its answers."""

    def __init__(self, agent: str, folder: Path, dice: random.Random) -> None:
        self.account = Account()
        self._agent = agent
        self._database = folder / "conversations.sqlite3"
        self._dice = dice
        self._conversation = Conversation()
        self._told: list[str] = []
        """Words of all turns of all calls."""
        self._asked = 0
        """Turns of the user in all calls before."""

    async def cut(self, cuts: int, in_a_call: int) -> Account:
        """So many answers, in as many calls as it takes."""
        while self.account.cuts.total() < cuts:
            self.account.calls += 1
            async with open_store(self._database) as store, self._call(store) as caller:
                await self._talk(caller, min(in_a_call, cuts - self.account.cuts.total()))
                await asyncio.sleep(TO_THE_END_S)
                await self._audit(caller, store)
        return self.account

    # What the caller does

    async def _talk(self, caller: AnyOne, cuts: int) -> None:
        caller.session.send_text("begin")
        how, counted, until = "typing", 0, self.account.cuts.total() + cuts
        while self.account.cuts.total() < until:
            await asyncio.sleep(self._dice.uniform(0.0, LONGEST_WAIT_S))
            if self._dice.random() < 0.2:
                await caller.speak(self._dice.choice(MURMURS), 0.25)
                await asyncio.sleep(self._dice.uniform(0.0, 0.8))
            counted = self._count(caller, how, counted)
            how = self._dice.choice(HOW)
            await self._interrupt(caller, how)
            await asyncio.sleep(0.0)
            counted = self._count(caller, how, counted)

    def _count(self, caller: AnyOne, how: str, counted: int) -> int:
        new = caller.all(Interrupted)[counted:]
        self.account.cuts[how] += len(new)
        self.account.before_sound += sum(not cut.heard_text for cut in new)
        return counted + len(new)

    async def _interrupt(self, caller: AnyOne, how: str) -> None:
        match how:
            case "voice":
                await caller.speak(self._dice.choice(WORDS))
            case "button":
                caller.session.interrupt()
                await asyncio.sleep(self._dice.choice([0.0, 0.3, 2.0]))
                caller.session.send_text("and now")
            case "typing":
                caller.session.send_text("something else")

    # What is true

    async def _audit(self, caller: AnyOne, store: Store) -> None:
        account, done = self.account, {end.turn: end.heard_text for end in caller.all(TurnDone)}
        turns = [played.turn for played in caller.played]
        account.check(turns == sorted(turns), "sound of an older turn was played after that of a newer one")
        account.check(not caller.all(Failed), f"it failed: {[str(failed.error) for failed in caller.all(Failed)]}")
        account.check(len(done) == len(caller.all(TurnDone)), "a turn ended twice")
        read = _spoken_by_voice if isinstance(caller, Caller) else _spoken_by_server
        for turn, text in sorted(done.items()):
            account.compare(turn, text.split(), read(caller, turn))
            self._told += text.split()
        entries = await History(store).messages(self._conversation)
        remembered = [word for entry in _of(entries, Speaker.AGENT) for word in entry.text.split()]
        account.check(remembered == self._told, "what is on disk is not what was told")
        finals = {event.turn: event.text for event in caller.all(UserTranscript) if event.final}
        shown = {turn: text for turn, text in finals.items() if text}
        asked = [entry.text for entry in _of(entries, Speaker.USER)][self._asked :]
        self._asked += len(asked)
        said = [text for text in asked if text != WORDS_UNKNOWN]  # a noise that a server has answered
        words = [shown[turn] for turn in sorted(shown)]
        account.check(said == words, f"the user's words on disk are {said}, the page shows {words}")
        await self._ask_what_is_known(caller)

    async def _ask_what_is_known(self, caller: AnyOne) -> None:
        """The model is shown, and the server holds, what is on disk."""
        if isinstance(caller, RealtimeCaller):
            played = tally(np.concatenate([played.pcm for played in caller.played]))
            for item in caller.server.items:
                if item.kind == "assistant" and item.first_value:
                    off = abs(len(item.said()) - len(item.said(played)))
                    self.account.furthest = max(self.account.furthest, off)
                    self.account.check(off <= 1, f"the server holds {item.said()} of {item.words}")
            self.account.check(not caller.server.errors, f"the server complains: {caller.server.errors}")
            return
        caller.session.send_text("what do you know")
        await asyncio.sleep(TO_THE_END_S)
        *_, asked = (seen for seen in caller.parts.model.seen if seen[-1].type == "human")
        shown = [word for message in asked if message.type == "ai" for word in str(message.text).split()]
        self.account.check(shown == self._told[len(self._told) - len(shown) :], "the model is shown something else")
        self.account.check(THOUGHT not in caller.text(caller.session.tell.turn), "thoughts were spoken")
        self._told += caller.all(TurnDone)[-1].heard_text.split()
        self._asked += 1

    # The agents

    @asynccontextmanager
    async def _call(self, store: Store) -> AsyncIterator[AnyOne]:
        if self._agent == "realtime":
            dice = self._dice
            habits = Habits(
                word_gap_s=dice.choice([0.01, 0.1, 0.25]),
                text_first=dice.random() < 0.3,
                late_audio=dice.random() < 0.5,
                transcript_after_s=dice.choice([0.1, 0.5, 2.0]),
            )
            server = RealtimeStoryParts(store, self._serve, SAYINGS, habits)
            session = realtime_session(server, self._conversation, TurnSettings())
            async with session, RealtimeCaller(session, server).on_the_line() as caller:
                yield caller
            return
        parts = StoryParts(store, FakeModel(self._chat, token_s=self._dice.choice([0.005, 0.05])), SAYINGS)
        if self._agent in GRAPHS:
            parts.__dict__["graph"] = OwnGraph(GRAPHS[self._agent](parts.model))
        session = sandwich_session(parts, self._conversation, TurnSettings(adaptive=False))
        async with session, Caller(session, parts).on_the_line() as called:
            yield called

    def _chat(self, messages: list[BaseMessage]) -> Sequence[Step]:
        return self._answer(tool_is_done=messages[-1].type == "tool")

    def _serve(self, items: Sequence[Item]) -> Sequence[Any]:
        return self._answer(tool_is_done=items[-1].kind == "output")

    def _answer(self, *, tool_is_done: bool) -> list[Any]:
        """One or two messages on a server, one to three sentences of a model; a tool first, with a word or without."""
        dice, tool = self._dice, CALLING.get(self._agent)
        if tool is not None and not tool_is_done and dice.random() < 0.25:
            call = Call(tool, '{"expression": "6*7"}' if tool == "calculate" else "{}")
            return [call] if dice.random() < 0.5 else ["Let me see.", call]
        if self._agent == "realtime":
            return [chatter(dice, dice.randint(3, 40)) for _ in range(dice.randint(1, 2))]
        sentences = [
            " ".join(f"w{dice.randrange(1000)}" for _ in range(dice.randint(3, 20))) + "."
            for _ in range(dice.randint(1, 3))
        ]
        return [" ".join(["Sure,", *sentences])]


def _of(entries: Sequence[HistoryEntry], role: Speaker) -> list[HistoryEntry]:
    return [entry for entry in entries if entry.role is role and entry.text]


def _spoken_by_voice(caller: Any, turn: int) -> list[str]:
    """The words of which at least half came out of the speaker: each is a stream's number and its own."""
    said: list[str] = []
    for value, samples in sorted(tally(caller.heard(turn)).items()):
        stream, word = divmod(value - 1, 100)
        if samples * 2 >= round(WORD_S * OUTPUT_RATE):
            said.append(caller.voice.streams[stream - 1].words[word])
    return said


def _spoken_by_server(caller: Any, turn: int) -> list[str]:
    sound = tally(caller.heard(turn))
    spoken = (item for item in caller.server.spoken if item.first_value)
    return [
        word
        for item in spoken
        for index, word in enumerate(item.words)
        if sound.get(item.first_value + index, 0) * 2 >= word_samples(word)
    ]


async def interrupted(agent: str, folder: Path, cuts: int, seed: int, in_a_call: int = IN_A_CALL) -> Account:
    """What became of an agent's memory over so many cuts."""
    return await Cutter(agent, folder, random.Random(f"{agent} {seed}")).cut(cuts, in_a_call)
