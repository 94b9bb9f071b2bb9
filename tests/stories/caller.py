"""A scripted caller: says things at given times, plays what it hears like a speaker would, and keeps a record."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from tests.stories.fakes import (
    FIRST_LABEL,
    WORD_S,
    FakeChat,
    FakeModel,
    FakeStt,
    FakeVoice,
    ForgetfulStt,
    Script,
)
from tests.stories.sessions import sandwich_session
from voice_agents.audio import EMPTY, Pcm
from voice_agents.conversation.agent import Graph, agent_graph
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.errors import Role
from voice_agents.events import AgentAudio, AgentPaused, AgentText, Event, Interrupted, TurnDone
from voice_agents.providers.interfaces import ConnectionListener, PartialListener, SpeechToText
from voice_agents.session.base import Session
from voice_agents.session.voice_session import VoiceSession
from voice_agents.settings import Interruptions, TurnSettings
from voice_agents.tools import Notes, Timers, Tool, Toolbox, standard_tools
from voice_agents.turns.vad import VoiceActivity

E = TypeVar("E", bound=Event)
SENSITIVE = TurnSettings(adaptive=False, interruptions=Interruptions.SENSITIVE)
"""For stories of a pause: any sound makes one."""
FRAME_S = 0.02
OUTPUT_RATE = 24_000
KNOCK = 250
"""Samples of a sound that is loud enough to be heard and too soft to be taken for speech."""


def sentence(_: Pcm, over: bool = False) -> float:
    """Whatever is said sounds like the beginning of a sentence, and what is over by then might be anything."""
    return -0.5 if over else math.inf


class LoudnessModel:
    """Takes everything loud for speech."""

    def probability(self, chunk: Pcm) -> float:
        return 0.99 if int(np.abs(chunk.astype(np.int32)).max()) >= FIRST_LABEL else 0.01

    def reset(self) -> None:
        pass


@dataclass
class StoryParts:
    """Fake providers around a real agent and a real store."""

    store: Store
    model: FakeModel
    words: Sequence[str]
    stt: FakeStt | None = None
    voice: FakeVoice | None = None
    line: FakeChat | None = None
    forgetful: bool = False
    """The recogniser understands what is said before and after a pause by itself."""
    tools: Sequence[Tool] = ()
    """Beside the app's own."""

    @cached_property
    def graph(self) -> Graph:
        return agent_graph(self.model)

    @property
    def apologises(self) -> bool:
        return False

    def provider(self, role: Role) -> str:
        return f"Slow {role.value}"

    def speech_to_text(
        self, on_partial: PartialListener, on_connection: ConnectionListener, language: str
    ) -> SpeechToText:
        self.stt = FakeStt(self.words, on_partial, on_connection)
        return ForgetfulStt(self.stt) if self.forgetful else self.stt

    def text_to_speech(self, on_connection: ConnectionListener) -> FakeVoice:
        self.voice = FakeVoice(on_connection)
        return self.voice

    def toolbox(self, timers: Timers, notes: Notes) -> Toolbox:
        return Toolbox([*standard_tools(timers, notes), *self.tools])

    def voice_activity(self) -> VoiceActivity:
        return VoiceActivity(LoudnessModel(), sentence)

    def chat(self) -> FakeChat:
        self.line = FakeChat(self.model)
        return self.line


@dataclass
class Played:
    """Samples that came out of the speaker from ``at`` on."""

    at: float
    turn: int
    pcm: Pcm


class Scripted(Protocol):
    """Fake parts that know what the caller can say."""

    words: Sequence[str]


S = TypeVar("S", bound=Session)
P = TypeVar("P", bound=Scripted)


@dataclass
class AnyCaller(Generic[S, P]):
    """Talks to a session on virtual time. ``played`` holds what really came out of the speaker."""

    session: S
    parts: P
    events: list[Event] = field(default_factory=list)
    played: list[Played] = field(default_factory=list)
    muted: bool = False
    """The microphone sends nothing."""
    way_s: float | None = None
    """So long everything takes to the speaker and back, which reports how far it is; None: it is here and does not."""
    _sounding: AgentAudio | None = None
    _under_way: deque[Callable[[], None]] = field(default_factory=deque)
    _reported: deque[Callable[[], None]] = field(default_factory=deque)
    """What arrives next, there and here: in order, also of two things sent at once."""
    _voice: list[tuple[int, int]] = field(default_factory=list)
    _queue: list[AgentAudio] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _queued: asyncio.Event = field(default_factory=asyncio.Event)
    _found: dict[type[Event], tuple[int, list[Any]]] = field(default_factory=dict, init=False)
    """The events of a kind, and how many events have been looked through for them: a story asks again and again."""

    def say(self, utterance: int, seconds: float | None = None) -> None:
        """Begin to speak utterance ``utterance`` now, for as long as its words take (or ``seconds``)."""
        length = seconds if seconds is not None else WORD_S * max(1, len(self.parts.words[utterance].split()))
        self._voice.append((utterance + FIRST_LABEL, round(length * self.session.input_rate)))

    def knock(self) -> None:
        """A short sound that no detector takes for speech."""
        self._voice.append((KNOCK, round(0.05 * self.session.input_rate)))

    async def speak(self, utterance: int, seconds: float | None = None) -> None:
        """As :meth:`say`; returns when it was said."""
        self.say(utterance, seconds)
        await asyncio.sleep(self._voice[-1][1] / self.session.input_rate)

    async def news(self) -> None:
        """Wait for the next event."""
        self._changed.clear()
        await self._changed.wait()

    async def until(self, kind: type[E], count: int = 1, within_s: float = 60.0) -> E:
        """Wait for the ``count``-th event of a kind since the story began."""
        async with asyncio.timeout(within_s):
            while len(found := self.all(kind)) < count:
                await self.news()
        return found[count - 1]

    def all(self, kind: type[E]) -> list[E]:
        """The events of a kind so far."""
        seen, found = self._found.get(kind, (0, []))
        found += [event for event in self.events[seen:] if isinstance(event, kind)]
        self._found[kind] = len(self.events), found
        return list(found)

    def text(self, turn: int) -> str:
        """What the agent wrote in a turn."""
        return "".join(event.text for event in self.all(AgentText) if event.turn == turn)

    async def microphone(self) -> None:
        """A frame every 20 ms: the label of what is being said, or silence."""
        size = round(FRAME_S * self.session.input_rate)
        while True:
            frame = np.zeros(size, dtype=np.int16)
            if self._voice:
                label, left = self._voice[0]
                frame[: min(size, left)] = label
                self._voice[0] = (label, left - size)
                if left <= size:
                    self._voice.pop(0)
            if not self.muted:
                self.session.push_audio(frame)
            await asyncio.sleep(FRAME_S)

    async def speaker(self) -> None:
        """Plays queued audio in real time, frame by frame, as a browser does."""
        loop = asyncio.get_running_loop()
        while True:
            if self._queue:
                audio = self._queue.pop(0)
                self.played.append(Played(loop.time(), audio.turn, audio.pcm))
                self._sounding = audio
                await asyncio.sleep(len(audio.pcm) / OUTPUT_RATE)
            else:
                self._queued.clear()
                await self._queued.wait()

    def hush(self) -> None:
        """Stop at this very sample."""
        self._queue.clear()
        if self.played:
            last = self.played[-1]
            last.pcm = last.pcm[: round((asyncio.get_running_loop().time() - last.at) * OUTPUT_RATE)]

    def heard(self, turn: int) -> Pcm:
        """Everything that was played of a turn."""
        return np.concatenate([EMPTY, *(played.pcm for played in self.played if played.turn == turn)])

    async def listen(self) -> None:
        """Keep every event; audio goes to the speaker, a stop silences it."""
        async for event in self.session:
            self.events.append(event)
            self._under_way.append(partial(self._reach_speaker, event))
            if self.way_s is None:
                self._under_way.popleft()()
            else:
                asyncio.get_running_loop().call_later(self.way_s, lambda: self._under_way.popleft()())
            self._changed.set()

    def _reach_speaker(self, event: Event) -> None:
        if isinstance(event, AgentAudio):
            self._queue.append(event)
            self._queued.set()
        elif isinstance(event, AgentPaused | Interrupted):
            self.hush()
            self._report()

    def go_far(self, way_s: float) -> None:
        """From now on the speaker is so far away."""
        self.way_s = way_s
        self.session.set_reporting(True)

    def _report(self) -> None:
        if self.way_s is not None and self._sounding is not None:
            last, sounding, loop = self.played[-1], self._sounding, asyncio.get_running_loop()
            played = min(len(last.pcm), round((loop.time() - last.at) * OUTPUT_RATE))
            position = sounding.position + played
            self._reported.append(partial(self.session.played, sounding.turn, sounding.epoch, position))
            loop.call_later(self.way_s, lambda: self._reported.popleft()())

    async def reports(self) -> None:
        """Ten times a second, while something was played."""
        while True:
            await asyncio.sleep(0.1)
            self._report()

    @asynccontextmanager
    async def on_the_line(self) -> AsyncIterator[Self]:
        """Listening, playing and with the microphone open."""
        tasks = [asyncio.create_task(work()) for work in (self.listen, self.speaker, self.microphone, self.reports)]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


class Caller(AnyCaller[VoiceSession, StoryParts]):
    """Talks to a Sandwich session."""

    @property
    def stt(self) -> FakeStt:
        """The recogniser of this call."""
        assert self.parts.stt is not None
        return self.parts.stt

    @property
    def voice(self) -> FakeVoice:
        """The voice of this call."""
        assert self.parts.voice is not None
        return self.parts.voice

    async def texts(self) -> list[tuple[Speaker, str]]:
        """Who said what, on disk."""
        entries = await History(self.parts.store).messages(self.session.conversation)
        return [(entry.role, entry.text) for entry in entries]


@asynccontextmanager
async def call(
    folder: Path,
    script: Script,
    words: Sequence[str] = (),
    *,
    conversation: Conversation | None = None,
    turns: TurnSettings | None = None,
    prepare: Callable[[StoryParts], Any] | None = None,
) -> AsyncIterator[Caller]:
    """A caller in a live session whose agent answers as ``script`` says; ``words`` are what the caller can say."""
    async with open_store(folder / "conversations.sqlite3") as store:
        parts = StoryParts(store, FakeModel(script), words)
        if prepare is not None:
            prepare(parts)
        session = sandwich_session(parts, conversation or Conversation(), turns or TurnSettings(adaptive=False))
        async with session, Caller(session, parts).on_the_line() as caller:
            yield caller


async def turn_done(caller: AnyCaller[Any, Any], count: int = 1) -> TurnDone:
    """Wait until ``count`` turns are over and remembered."""
    return await caller.until(TurnDone, count)
