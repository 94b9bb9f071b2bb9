"""Of what a Sandwich session is made: the line to its model, and who makes its recogniser and its voice."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from langchain_core.language_models import BaseChatModel

from voice_agents.conversation.agent import Graph, OwnGraph
from voice_agents.engines.backend import SessionParts
from voice_agents.errors import Role
from voice_agents.providers.interfaces import ConnectionListener, PartialListener, SpeechToText, TextToSpeech


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


class SandwichParts(SessionParts, Protocol):
    """Makes the parts of one session, so that a test (or a user of the package) can bring other ones."""

    @property
    def graph(self) -> Graph | OwnGraph:
        """The agent of all sessions."""

    @property
    def apologises(self) -> bool:
        """Who gets no answer hears why."""

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
