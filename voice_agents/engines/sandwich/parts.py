"""What a Sandwich session is made of, so that a test (or a user of the package) can bring other parts."""

from __future__ import annotations

from typing import Protocol

from voice_agents.conversation.agent import Graph
from voice_agents.conversation.store import Store
from voice_agents.providers.interfaces import ConnectionListener, PartialListener, SpeechToText, TextToSpeech
from voice_agents.turns.vad import VoiceActivity


class SandwichParts(Protocol):
    """Makes the parts of one session; what it holds itself is shared by all sessions."""

    @property
    def store(self) -> Store:
        """Where conversations are kept."""

    @property
    def graph(self) -> Graph:
        """The agent of all sessions; what its model raises is a ProviderError."""

    def speech_to_text(self, on_partial: PartialListener, on_connection: ConnectionListener) -> SpeechToText:
        """A recogniser."""

    def text_to_speech(self, on_connection: ConnectionListener) -> TextToSpeech:
        """A voice."""

    def voice_activity(self) -> VoiceActivity:
        """A voice detector."""

    async def warm(self) -> None:
        """Open the chat model's connection ahead of use; never raises."""
