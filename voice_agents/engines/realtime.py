"""The Realtime engine: one model that hears and speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from voice_agents.conversation.store import Store
from voice_agents.engines.engine import SessionTools, VoiceEngine
from voice_agents.engines.realtime_backend import RealtimeBackend
from voice_agents.engines.server_answer import RealtimeConnection
from voice_agents.engines.session import VoiceSession
from voice_agents.errors import Role
from voice_agents.prompts import system_prompt
from voice_agents.providers.elevenlabs.speech_timing import STAND_IN_VOICE
from voice_agents.providers.elevenlabs.tts import ElevenLabsTts
from voice_agents.providers.interfaces import ConnectionListener, TextToSpeech
from voice_agents.providers.names import agent_name
from voice_agents.providers.realtime.client import RealtimeClient, TokenProvider
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.settings import Provider, Settings
from voice_agents.tools import AnyTool


class RealtimeEngine(VoiceEngine):
    """Makes Realtime sessions; ``async with RealtimeEngine(settings) as engine`` keeps the store for all.

    ``store`` shares one that is open already (another engine's); ``token`` is asked for a Microsoft Entra access token
    at every connect and is used in the key's place.
    """

    def __init__(
        self,
        settings: Settings,
        store: Callable[[], Store] | None = None,
        *,
        token: TokenProvider | None = None,
        tools: Iterable[AnyTool] = (),
        standard_tools: bool = True,
    ) -> None:
        """Raises ConfigurationError when the realtime role has no provider (see :meth:`Settings.with_offline`).

        ``tools``: see :class:`voice_agents.engines.engine.SessionTools`, which says what it raises about them.
        """
        super().__init__(settings, SessionTools(tools, standard=standard_tools), store)
        self._endpoint = settings.endpoint(Role.REALTIME)
        if not settings.replaces(Role.REALTIME):
            self._endpoint = replace(self._endpoint, stand_in=lambda: None)
        self._token = token

    async def _start(self, stack: AsyncExitStack) -> None:
        """Every session has a connection of its own."""

    def backend(self, host: VoiceSession) -> RealtimeBackend:
        """What answers in a session."""
        return RealtimeBackend(self, host)

    @property
    def instructions(self) -> str:
        """The voice rules and AGENT_INSTRUCTIONS."""
        return system_prompt(self._settings.instructions)

    @property
    def voice(self) -> str:
        """AZURE_REALTIME_VOICE."""
        return self._endpoint.voice

    @property
    def provider(self) -> str:
        """What users call the server."""
        return agent_name(self._endpoint)

    def own_voice(self) -> TextToSpeech | None:
        """The offline one."""
        voice = self._settings.tts
        offline = voice if voice is None or voice.provider is Provider.OFFLINE else voice.stand_in()
        if offline is None or not self._settings.failover:
            return None
        return ElevenLabsTts(offline, on_connection=lambda state, error: None, timeouts=STAND_IN_VOICE)

    def realtime(
        self, config: RealtimeConfig, past: Callable[[], Sequence[PastItem]], on_connection: ConnectionListener
    ) -> RealtimeConnection:
        """A client for one session."""
        return RealtimeClient(self._endpoint, config, past=past, on_connection=on_connection, token=self._token)
