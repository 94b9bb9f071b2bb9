"""A scripted caller of the Realtime engine: fake server, real session, real memory, on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.stories.caller import AnyCaller, sentence
from tests.stories.fakes import FakeVoice
from tests.stories.realtime.items import Habits, Script
from tests.stories.realtime.server import FakeRealtime
from tests.stories.sessions import realtime_session
from voice_agents.audio import Pcm
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.engines.realtime import RealtimeBackend
from voice_agents.events import Status, StatusChanged, UserTranscript
from voice_agents.providers.interfaces import ConnectionListener
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.session.voice_session import VoiceSession
from voice_agents.settings import TurnSettings
from voice_agents.tools import Notes, Timers, Tool, Toolbox, standard_tools
from voice_agents.turns.vad import VoiceActivity

SOFT = 600
"""A sound our detector takes for a voice; the server only hears labels."""


class AnySound:
    """Takes every sound for speech."""

    def probability(self, chunk: Pcm) -> float:
        return 0.99 if int(np.abs(chunk.astype(np.int32)).max()) >= SOFT // 2 else 0.01

    def reset(self) -> None:
        pass


@dataclass
class RealtimeStoryParts:
    """A fake server around a real store."""

    store: Store
    script: Script
    words: Sequence[str]
    habits: Habits = field(default_factory=Habits)
    instructions: str = "Be kind."
    voice: str = "marin"
    transcribes: bool = True
    deaf: bool = False
    """Our own detector hears nothing."""
    server: FakeRealtime | None = None
    own: FakeVoice | None = None
    tools: Sequence[Tool] = ()
    """Beside the app's own."""

    @property
    def provider(self) -> str:
        return "Slow realtime"

    def own_voice(self) -> FakeVoice | None:
        """One beside the server's, if there is one."""
        return self.own

    def toolbox(self, timers: Timers, notes: Notes) -> Toolbox:
        return Toolbox([*standard_tools(timers, notes), *self.tools])

    def voice_activity(self) -> VoiceActivity:
        return VoiceActivity(_Deaf() if self.deaf else AnySound(), sentence)

    def realtime(
        self, config: RealtimeConfig, past: Callable[[], Sequence[PastItem]], on_connection: ConnectionListener
    ) -> FakeRealtime:
        self.server = FakeRealtime(config, past, on_connection, self.words, self.script, self.habits)
        return self.server


class _Deaf(AnySound):
    def probability(self, chunk: Pcm) -> float:
        return 0.01


class RealtimeCaller(AnyCaller[VoiceSession, RealtimeStoryParts]):
    """Talks to a Realtime session."""

    @property
    def server(self) -> FakeRealtime:
        """The server of this call."""
        assert self.parts.server is not None
        return self.parts.server

    @property
    def backend(self) -> RealtimeBackend:
        """What answers in this call."""
        assert isinstance(self.session.backend, RealtimeBackend)
        return self.session.backend

    def cough(self, seconds: float = 0.3) -> None:
        """A sound that only our own detector takes for speech."""
        self._voice.append((SOFT, round(seconds * self.session.input_rate)))

    async def remembered(self) -> list[HistoryEntry]:
        """What is on disk."""
        return await History(self.parts.store).messages(self.session.conversation)

    async def texts(self) -> list[tuple[Speaker, str]]:
        """Who said what, on disk."""
        return [(entry.role, entry.text) for entry in await self.remembered()]

    def finals(self, turn: int | None = None) -> list[str]:
        """The user's final transcripts."""
        found = [event for event in self.all(UserTranscript) if event.final]
        return [event.text for event in found if turn is None or event.turn == turn]

    def statuses(self) -> list[Status]:
        """Every status in turn."""
        return [event.status for event in self.all(StatusChanged)]


@asynccontextmanager
async def ring(
    folder: Path,
    script: Script,
    words: Sequence[str] = (),
    *,
    conversation: Conversation | None = None,
    turns: TurnSettings | None = None,
    habits: Habits | None = None,
    deaf: bool = False,
    prepare: Callable[[RealtimeStoryParts], Any] | None = None,
) -> AsyncIterator[RealtimeCaller]:
    """A caller in a live session whose server answers as ``script`` says; ``words`` are what the caller can say."""
    async with open_store(folder / "conversations.sqlite3") as store:
        parts = RealtimeStoryParts(store, script, words, habits or Habits(), deaf=deaf)
        if prepare is not None:
            prepare(parts)
        session = realtime_session(parts, conversation or Conversation(), turns or TurnSettings())
        async with session, RealtimeCaller(session, parts).on_the_line() as caller:
            yield caller
