"""What a Realtime session is made of, so that a test (or a user of the package) can bring other parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from voice_agents.audio import Pcm
from voice_agents.conversation.store import Store
from voice_agents.providers.interfaces import ConnectionListener
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.realtime.events import RealtimeEvent
from voice_agents.tools import Notes, Timers, Toolbox
from voice_agents.turns.vad import VoiceActivity


class RealtimeConnection(Protocol):
    """What a session asks of its client; see :class:`voice_agents.providers.realtime.client.RealtimeClient`.

    The client brings a conversation over a lost connection by itself: what is owed is asked for again, a sentence that
    was lost is heard again, and ``past`` is what the fresh server session is told.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[RealtimeEvent]: ...

    def send_audio(self, pcm: Pcm) -> None: ...

    def commit(self) -> None: ...

    def send_text(self, text: str) -> None: ...

    def send_tool_output(self, call_id: str, output: str) -> None: ...

    def respond(self) -> None: ...

    def cancel(self) -> None: ...

    def truncate(self, item_id: str, played: int) -> None: ...

    def configure(self, config: RealtimeConfig) -> None: ...


class RealtimeParts(Protocol):
    """Makes the parts of one Realtime session; what it holds itself is shared by all sessions."""

    @property
    def store(self) -> Store:
        """Where conversations are kept."""

    @property
    def instructions(self) -> str:
        """How the agent speaks, as the server is told."""

    @property
    def voice(self) -> str:
        """The voice to begin with."""

    @property
    def provider(self) -> str:
        """What users call the server."""

    def toolbox(self, timers: Timers, notes: Notes) -> Toolbox:
        """The tools of a session that owns ``timers`` and whose user owns ``notes``."""

    def voice_activity(self) -> VoiceActivity:
        """A voice detector."""

    def realtime(
        self, config: RealtimeConfig, past: Callable[[], Sequence[PastItem]], on_connection: ConnectionListener
    ) -> RealtimeConnection:
        """A client."""
