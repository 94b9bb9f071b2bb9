"""The Sandwich engine: speech-to-text -> LangGraph agent -> text-to-speech."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from voice_agents.collector import leave_out_what_is_loaded
from voice_agents.conversation.agent import Graph, agent_graph
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.engines.sandwich.session import SandwichSession
from voice_agents.errors import ConfigurationError, Role
from voice_agents.providers.chat import ChatModel, ChatTimeouts
from voice_agents.providers.elevenlabs.speech_timing import TtsTimeouts
from voice_agents.providers.elevenlabs.stt import ElevenLabsStt, SttTimeouts
from voice_agents.providers.elevenlabs.tts import ElevenLabsTts
from voice_agents.providers.interfaces import ConnectionListener, PartialListener, SpeechToText, TextToSpeech
from voice_agents.providers.names import agent_name, speech_name
from voice_agents.providers.sockets import tls
from voice_agents.settings import Settings, TurnSettings
from voice_agents.turns.vad import VoiceActivity, load_speech_model


@dataclass(frozen=True, slots=True)
class SandwichTimeouts:
    """How long each provider is waited for."""

    stt: SttTimeouts = field(default_factory=SttTimeouts)
    chat: ChatTimeouts = field(default_factory=ChatTimeouts)
    tts: TtsTimeouts = field(default_factory=TtsTimeouts)


class SandwichEngine:
    """Makes Sandwich sessions. ``async with SandwichEngine(settings) as engine`` keeps what all share."""

    def __init__(self, settings: Settings, timeouts: SandwichTimeouts | None = None) -> None:
        """Raises ConfigurationError when a role has no provider (see :meth:`Settings.with_offline`)."""
        self._settings = settings
        self._timeouts = timeouts or SandwichTimeouts()
        self._stt = settings.endpoint(Role.STT)
        self._tts = settings.endpoint(Role.TTS)
        self._chat_endpoint = settings.endpoint(Role.CHAT)
        self._stack = AsyncExitStack()
        self._store: Store | None = None
        self._graph: Graph | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._store = await stack.enter_async_context(open_store(self._settings.database))
            await asyncio.to_thread(tls)  # here, so that no session holds up the others for it
            await asyncio.to_thread(load_speech_model)
            chat = await stack.enter_async_context(self.chat())
            self._graph = agent_graph(chat.model, self._settings.instructions)
            self._stack = stack.pop_all()
        leave_out_what_is_loaded()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._store = self._graph = None

    def session(self, conversation: Conversation | None = None, turns: TurnSettings | None = None) -> SandwichSession:
        """A session on a conversation (a new one by default)."""
        return SandwichSession(self, conversation or Conversation(), turns or self._settings.turns)

    @property
    def store(self) -> Store:
        """Where conversations are kept."""
        if self._store is None:
            raise ConfigurationError("The engine is not started: use it in `async with SandwichEngine(settings)`.")
        return self._store

    @property
    def graph(self) -> Graph:
        """The agent of all sessions."""
        if self._graph is None:
            raise ConfigurationError("The engine is not started: use it in `async with SandwichEngine(settings)`.")
        return self._graph

    def provider(self, role: Role) -> str:
        """What users call who fills this role."""
        endpoint = self._settings.endpoint(role)
        return agent_name(endpoint) if role is Role.CHAT else speech_name(endpoint)

    def chat(self) -> ChatModel:
        """A chat model for one session."""
        return ChatModel(self._chat_endpoint, self._timeouts.chat)

    def speech_to_text(
        self, on_partial: PartialListener, on_connection: ConnectionListener, language: str
    ) -> SpeechToText:
        """A recogniser for one session."""
        return ElevenLabsStt(
            self._stt,
            on_partial=on_partial,
            on_connection=on_connection,
            timeouts=self._timeouts.stt,
            language=language,
        )

    def text_to_speech(self, on_connection: ConnectionListener) -> TextToSpeech:
        """A voice for one session."""
        return ElevenLabsTts(self._tts, on_connection=on_connection, timeouts=self._timeouts.tts)

    def voice_activity(self) -> VoiceActivity:
        """A voice detector for one session."""
        return VoiceActivity()
