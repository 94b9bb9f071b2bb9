"""Spoken and typed words at random, each one unlike all others: which of them are remembered, and how often."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from langchain_core.messages import BaseMessage

from tests.stories.caller import AnyCaller, StoryParts
from tests.stories.fakes import WORD_S, FakeModel, FakeStt, Step
from tests.stories.realtime.caller import RealtimeStoryParts
from tests.stories.realtime.items import Habits, Item
from tests.stories.sessions import realtime_session, sandwich_session
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.events import Interrupted, UserTranscript
from voice_agents.session.base import Session
from voice_agents.settings import TurnSettings

Engine = Literal["sandwich", "realtime"]
ENGINES: tuple[Engine, ...] = ("sandwich", "realtime")
SPEEDS_S = {"quick": 0.1, "usual": 0.7, "slow": 2.5}
"""How long a recogniser takes for the words of a sentence."""
LONGEST = 12
"""Words of a sentence."""
PAUSE_S = 1.0
"""Who is silent for less may be saying one sentence."""
LAST_S = 1.0
"""What was said in the last seconds before hanging up may be unknown to everybody, if the page never showed it."""


@dataclass
class Account:
    """What happened in one conversation, and what became of its words."""

    spoken: int = 0
    typed: int = 0
    interruptions: int = 0
    stops: int = 0
    hang_ups: int = 0
    unknown: int = 0
    """Spoken when the user hung up: never shown, and not remembered."""
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


@dataclass
class Talker:
    """Talks at random over as many calls as it takes, all of one conversation."""

    engine: Engine
    latency_s: float
    dice: random.Random
    store: Store
    account: Account = field(default_factory=Account)
    conversation: Conversation = field(default_factory=Conversation)
    sentences: list[str] = field(default_factory=list)
    said_at: dict[str, float] = field(default_factory=dict)
    """When each word was said to its end."""
    shown: set[str] = field(default_factory=set)
    over: list[float] = field(default_factory=list)
    """When the user hung up."""

    async def talk(self, words: int) -> Account:
        """Until so many words were spoken."""
        while self.account.spoken < words:
            async with self._call() as caller:
                calls = self.dice.randint(4, 25)
                for _ in range(calls):
                    await self._act(caller)
                    if self.account.spoken >= words:
                        break
                last = self.account.spoken >= words
                await asyncio.sleep(90.0 if last else self.dice.choice([0.0, 0.1, 0.4, 1.0, 3.0, 12.0]))
            self.over.append(asyncio.get_running_loop().time())
            self.account.hang_ups += not last
            self.account.interruptions += len(caller.all(Interrupted))
            for event in caller.all(UserTranscript):
                self.shown |= set(event.text.split())
        await self._settle_account()
        return self.account

    async def _act(self, caller: AnyCaller[Any, Any]) -> None:
        match self.dice.choices(["say", "type", "stop", "murmur"], [12, 2, 2, 2])[0]:
            case "say":
                await self._say(caller)
            case "type":
                text = self._sentence("t", self.dice.randint(1, 4))
                caller.session.send_text(text)
                self.account.typed += len(text.split())
                self.said_at |= dict.fromkeys(text.split(), asyncio.get_running_loop().time())
                self.shown |= set(text.split())
            case "stop":
                caller.session.interrupt()
                self.account.stops += 1
            case "murmur":
                await caller.speak(self._add(self.dice.choice(["", "mm-hmm"])), 0.3)
        await asyncio.sleep(self.dice.choice([0.0, 0.1, 0.3, 0.6, 1.0, 1.6, 3.0, 6.0, 12.0]))

    async def _say(self, caller: AnyCaller[Any, Any]) -> None:
        """A sentence; sometimes the user does not wait for its end."""
        text = self._sentence("w", self.dice.randint(1, LONGEST))
        began = asyncio.get_running_loop().time()
        for index, word in enumerate(text.split(), 1):
            self.said_at[word] = began + index * WORD_S
        self.account.spoken += len(text.split())
        caller.say(self._add(text))
        length_s = len(text.split()) * WORD_S
        await asyncio.sleep(length_s if self.dice.random() < 0.8 else self.dice.uniform(0.1, length_s))

    def _sentence(self, kind: str, words: int) -> str:
        first = len(self.said_at)
        return " ".join(f"{kind}{number}" for number in range(first, first + words))

    def _add(self, text: str) -> int:
        self.sentences.append(text)
        return len(self.sentences) - 1

    async def _settle_account(self) -> None:
        entries = await History(self.store).messages(self.conversation)
        found = Counter(word for entry in entries if entry.role is Speaker.USER for word in entry.text.split())
        for word, at in self.said_at.items():
            if found[word] > 1:
                self.account.twice.append(word)
            elif not found[word] and word not in self.shown and self._hung_up_on(at):
                self.account.unknown += 1
            elif not found[word]:
                self.account.lost.append(word)

    def _hung_up_on(self, at: float) -> bool:
        """The user hung up while saying what the word belongs to, or so soon after it that nobody knew it yet.

        Who makes no pause says one thing: servers that take the turns tell its words when it is over.
        """
        times = sorted(self.said_at.values())
        first = last = times.index(at)
        while first and times[first] - times[first - 1] < PAUSE_S:
            first -= 1
        while last + 1 < len(times) and times[last + 1] - times[last] < PAUSE_S:
            last += 1
        return any(times[first] - WORD_S <= end <= times[last] + self.latency_s + LAST_S for end in self.over)

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[AnyCaller[Any, Any]]:
        session, parts = self._session()
        caller: AnyCaller[Any, Any] = AnyCaller(session, parts)
        async with session:
            if isinstance(parts, StoryParts):
                assert isinstance(parts.stt, FakeStt)
                parts.stt.commit_delay_s = self.latency_s
                parts.stt.partial_delay_s = self.latency_s + 0.1
            async with caller.on_the_line():
                yield caller

    def _session(self) -> tuple[Session, StoryParts | RealtimeStoryParts]:
        turns = TurnSettings(adaptive=self.engine == "sandwich")
        if self.engine == "sandwich":
            parts = StoryParts(self.store, FakeModel(self._chat), self.sentences)
            return sandwich_session(parts, self.conversation, turns), parts
        habits = Habits(transcript_after_s=self.latency_s, word_gap_s=self.dice.choice([0.01, 0.2]))
        server = RealtimeStoryParts(self.store, self._serve, self.sentences, habits)
        return realtime_session(server, self.conversation, turns), server

    def _chat(self, _messages: list[BaseMessage]) -> Sequence[Step]:
        return [self._answer()]

    def _serve(self, _items: Sequence[Item]) -> Sequence[str]:
        return [self._answer()]

    def _answer(self) -> str:
        end = self.dice.choice([".", "?"])
        return " ".join(f"answer{number}" for number in range(self.dice.randint(2, 40))) + end


async def conversation(folder: Path, engine: Engine, latency_s: float, seed: int, words: int) -> Account:
    """One conversation of so many spoken words, on the running loop's time."""
    async with open_store(folder / f"{engine}-{latency_s}-{seed}.sqlite3") as store:
        return await Talker(engine, latency_s, random.Random(seed), store).talk(words)
