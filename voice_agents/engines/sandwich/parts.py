"""What a Sandwich session is made of, so that a test (or a user of the package) can bring other parts."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from langchain_core.language_models import BaseChatModel

from voice_agents.conversation.agent import Graph, OwnGraph
from voice_agents.conversation.store import Store
from voice_agents.errors import Role
from voice_agents.providers.interfaces import ConnectionListener, PartialListener, SpeechToText, TextToSpeech
from voice_agents.tools import Notes, Timers, Toolbox
from voice_agents.turns.vad import VoiceActivity


class Chat(Protocol):
    """One session's line to the chat model; entered and left with the session."""

    @property
    def model(self) -> BaseChatModel | None:
        """What it raises is a ProviderError. None: the agent has a model of its own."""

    async def warm(self) -> None:
        """Open the connection ahead of use; never raises."""

    async def __aenter__(self) -> Self:
        """Nothing is connected yet."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""


class NoChat:
    """For an agent that has a model of its own."""

    model = None

    async def warm(self) -> None:
        """There is nothing to connect to."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""


class SandwichParts(Protocol):
    """Makes the parts of one session; what it holds itself is shared by all sessions."""

    @property
    def store(self) -> Store:
        """Where conversations are kept."""

    @property
    def graph(self) -> Graph | OwnGraph:
        """The agent of all sessions."""

    def provider(self, role: Role) -> str:
        """What users call who fills this role."""

    def chat(self) -> Chat:
        """A chat model."""

    def speech_to_text(
        self, on_partial: PartialListener, on_connection: ConnectionListener, language: str
    ) -> SpeechToText:
        """A recogniser; ``language`` as in :class:`~voice_agents.settings.TurnSettings`."""

    def text_to_speech(self, on_connection: ConnectionListener) -> TextToSpeech:
        """A voice."""

    def toolbox(self, timers: Timers, notes: Notes) -> Toolbox:
        """The tools of a session that owns ``timers`` and whose user owns ``notes``."""

    def voice_activity(self) -> VoiceActivity:
        """A voice detector."""
