"""The Realtime engine: one model that hears and speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Self

from voice_agents.collector import leave_out_what_is_loaded
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.engines.realtime_backend import RealtimeBackend, RealtimeParts
from voice_agents.engines.server_answer import RealtimeConnection
from voice_agents.engines.session import VoiceSession
from voice_agents.engines.tools import SessionTools
from voice_agents.errors import ConfigurationError, Role
from voice_agents.prompts import system_prompt
from voice_agents.providers.interfaces import ConnectionListener
from voice_agents.providers.names import agent_name
from voice_agents.providers.realtime.client import RealtimeClient, TokenProvider
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.settings import Settings, TurnSettings
from voice_agents.tools import AnyTool, Notes, Timers, Toolbox
from voice_agents.turns.vad import VoiceActivity, load_speech_model


def realtime_session(parts: RealtimeParts, conversation: Conversation, turns: TurnSettings) -> VoiceSession:
    """A session over these parts."""
    return VoiceSession(partial(RealtimeBackend, parts), parts, conversation, turns)


class RealtimeEngine:
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

        ``tools``: see :class:`voice_agents.engines.tools.SessionTools`, which says what it raises about them.
        """
        self._settings = settings
        self._endpoint = settings.endpoint(Role.REALTIME)
        self._shared = store
        self._token = token
        self._tools = SessionTools(tools, standard=standard_tools)
        self._own: Store | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(load_speech_model)  # here, so that no session holds up the others for it
        if self._shared is None:
            self._own = await self._stack.enter_async_context(open_store(self._settings.database))
        leave_out_what_is_loaded()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._own = None

    def session(self, conversation: Conversation | None = None, turns: TurnSettings | None = None) -> VoiceSession:
        """A session on a conversation (a new one by default)."""
        return realtime_session(self, conversation or Conversation(), turns or self._settings.turns)

    @property
    def store(self) -> Store:
        """Where conversations are kept."""
        if self._shared is not None:
            return self._shared()
        if self._own is None:
            raise ConfigurationError("The engine is not started: use it in `async with RealtimeEngine(settings)`.")
        return self._own

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

    def toolbox(self, timers: Timers, notes: Notes) -> Toolbox:
        """The tools of a session that owns ``timers`` and whose user owns ``notes``."""
        return self._tools(timers, notes)

    def voice_activity(self) -> VoiceActivity:
        """A voice detector for one session."""
        return VoiceActivity()

    def realtime(
        self, config: RealtimeConfig, past: Callable[[], Sequence[PastItem]], on_connection: ConnectionListener
    ) -> RealtimeConnection:
        """A client for one session."""
        return RealtimeClient(self._endpoint, config, past=past, on_connection=on_connection, token=self._token)
