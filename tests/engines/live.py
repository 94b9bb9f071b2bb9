"""The real Sandwich engine over real sockets to the offline server's own code, whose engines are quick fakes."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

from tests.quick_engines import QuickRecogniser, ToneVoice
from tests.stories.caller import LoudnessModel
from voice_agents.audio import Pcm
from voice_agents.conversation.history import History, HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.engines.engine import SandwichEngine, SandwichTimeouts
from voice_agents.events import (
    AgentAudio,
    AgentText,
    Event,
    Failed,
    Notice,
    Status,
    StatusChanged,
    TurnDone,
    UserTranscript,
)
from voice_agents.offline.brain import Brain, Message, Reply
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services
from voice_agents.providers.chat import ChatTimeouts
from voice_agents.providers.elevenlabs.speech_timing import TtsTimeouts
from voice_agents.providers.elevenlabs.stt import SttTimeouts
from voice_agents.providers.interfaces import STT_RATE
from voice_agents.providers.standby import FailoverTimes
from voice_agents.session.voice_session import VoiceSession
from voice_agents.settings import Settings, TurnSettings
from voice_agents.turns.vad import VoiceActivity

WAIT_S = 15.0
QUICK = SandwichTimeouts(
    SttTimeouts(connect_s=2.0, commit_s=0.6, give_up_s=2.0),
    ChatTimeouts(connect_s=2.0, first_s=0.8, chunk_s=0.6, retry_s=0.05),
    TtsTimeouts(connect_s=2.0, stall_s=0.6, quiet_s=0.5, http_s=0.6),
    FailoverTimes(asked_too_s=0.15, words_s=0.3, silent_s=0.3, lost_s=0.2, first_check_s=0.2, check_s=1.0),
)
"""A stalled provider is given up in well under a second."""
WORD_S = 0.04
TURNS = TurnSettings(silence_s=0.2, adaptive=False)
SAID = "word0 word1"
E = TypeVar("E", bound=Event)


class CountingBrain:
    """Answers with the number of what the user has said; what got no answer is a line of the same message."""

    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        return Reply(answer(sum(len(message.text.splitlines()) for message in messages if message.role == "user")))


def answer(number: int) -> str:
    return f"This is answer number {number}. It has a second sentence, too."


class QuickEngine(SandwichEngine):
    """Takes everything loud for speech."""

    def voice_activity(self) -> VoiceActivity:
        return VoiceActivity(LoudnessModel())


def services() -> Services:
    return Services(QuickRecogniser("word{}".format), ToneVoice(WORD_S), cast(Brain, CountingBrain()))


@dataclass
class Live:
    """Somebody in a session, and everything that reaches them."""

    session: VoiceSession
    events: list[Event] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async for event in self.session:
            self.events.append(event)
            self._changed.set()

    def say(self) -> None:
        """Half a second of speech and enough silence, faster than it takes to say it."""
        loud = np.full(round(0.55 * STT_RATE), 6000, dtype=np.int16)
        self.session.push_audio(np.concatenate([loud, np.zeros(round(0.7 * STT_RATE), dtype=np.int16)]))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def turn(self, text: str = "") -> TurnDone:
        """Say something, or type it, and listen to the answer."""
        count = len(self.all(TurnDone))
        if text:
            self.session.send_text(text)
        else:
            self.say()
        await self.until(lambda: len(self.all(TurnDone)) > count)
        return self.all(TurnDone)[-1]

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def status(self) -> str:
        return self.all(StatusChanged)[-1].status.value if self.all(StatusChanged) else ""

    def was(self, status: Status) -> bool:
        """The page has shown this status, if only for a moment."""
        return any(event.status is status for event in self.all(StatusChanged))

    @property
    def sentences(self) -> list[str]:
        """What the page says went wrong."""
        told = [event for event in self.events if isinstance(event, Failed | Notice)]
        return [str(event.error) if isinstance(event, Failed) else event.text for event in told]

    def written(self, turn: int) -> str:
        return "".join(event.text for event in self.all(AgentText) if event.turn == turn)

    def heard(self, turn: int) -> str:
        return " ".join(event.text for event in self.all(UserTranscript) if event.final and event.turn == turn)

    def sound(self, turn: int) -> Pcm:
        chunks = [event.pcm for event in self.all(AgentAudio) if event.turn == turn]
        return np.concatenate([np.empty(0, np.int16), *chunks])


@asynccontextmanager
async def engine_at(
    settings: Settings, folder: Path, timeouts: SandwichTimeouts = QUICK
) -> AsyncIterator[SandwichEngine]:
    async with QuickEngine(replace(settings, database=folder / "talk.sqlite3"), timeouts) as engine:
        yield engine


@asynccontextmanager
async def live(engine: SandwichEngine, conversation: Conversation | None = None) -> AsyncIterator[Live]:
    async with engine.session(conversation or Conversation(), TURNS) as session, listened_to(session) as somebody:
        yield somebody


@asynccontextmanager
async def listened_to(session: VoiceSession) -> AsyncIterator[Live]:
    somebody = Live(session)
    listening = asyncio.create_task(somebody.listen())
    try:
        yield somebody
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def remembered(engine: SandwichEngine, conversation: Conversation) -> list[HistoryEntry]:
    """The conversation as another session would find it."""
    return await History(engine.store).messages(conversation)


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    tasks: int
    threads: int
    files: int
    connections: int

    @classmethod
    def now(cls, server: OfflineServer) -> Footprint:
        files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208
        # asyncio's own pool grows to its limit and stays there
        threads = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
        sockets = sum(server.services.connections.counts().values())
        return cls(len(asyncio.all_tasks()), len(threads), files, sockets)

    def within(self, other: Footprint) -> bool:
        """No more of anything than ``other``."""
        mine, theirs = ((f.tasks, f.threads, f.files, f.connections) for f in (self, other))
        return all(one <= another for one, another in zip(mine, theirs, strict=True))


async def shrinks_to(server: OfflineServer, before: Footprint) -> None:
    """Within seconds nothing is left of what came after ``before``; the server needs a moment to notice."""
    after = Footprint.now(server)
    for attempt in range(300):
        if after.within(before):
            return
        await asyncio.sleep(0.02)
        if attempt % 50 == 49:
            gc.collect()
        after = Footprint.now(server)
    raise AssertionError(f"{after} is more than {before}")
