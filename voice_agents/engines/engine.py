"""What all engines are: settings, a store, tools, warm models, and a session for each conversation."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, cast

from voice_agents.collector import leave_out_what_is_loaded
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.engines.base import Backend
from voice_agents.engines.session import VoiceSession
from voice_agents.errors import ConfigurationError
from voice_agents.settings import Settings, TurnSettings
from voice_agents.tools import AnyTool, Notes, Timers, Toolbox, as_tools, standard_tools
from voice_agents.turns.vad import VoiceActivity, load_speech_model


class VoiceEngine(ABC):
    """Makes sessions; ``async with engine`` keeps what they share. It is the parts of its sessions."""

    def __init__(
        self,
        settings: Settings,
        tools: Iterable[AnyTool],
        *,
        with_standard_tools: bool,
        store: Callable[[], Store] | None = None,
    ) -> None:
        """``tools``: typed functions with docstrings, tools of LangChain, :class:`Tool`; beside the app's own.

        ``with_standard_tools``: False leaves the app's own (time, sums, dice, timers, notes) out. ``store``: shares one
        that is open already (another engine's). Raises ConfigurationError for a function that does not say what it
        takes, a name that vendors refuse, and a name given twice.
        """
        self._settings = settings
        self._own_tools = as_tools(tools)
        self._with_standard_tools = with_standard_tools
        nobodys = self.toolbox(Timers(lambda _: None), cast(Notes, None))
        self._tools = nobodys.tools
        """What every session has, bound to none: to be looked at, not to be called."""
        self._shared = store
        self._own: Store | None = None
        self._stack = AsyncExitStack()

    @abstractmethod
    def backend(self, host: VoiceSession) -> Backend:
        """What answers in a session."""

    @abstractmethod
    async def _start(self, stack: AsyncExitStack) -> None:
        """Make what all sessions share; ``stack`` closes it."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._shared is None:
                self._own = await stack.enter_async_context(open_store(self._settings.database))
            await asyncio.to_thread(load_speech_model)  # here, so that no session holds up the others for it
            await self._start(stack)
            self._stack = stack.pop_all()
        leave_out_what_is_loaded()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._own = None

    def session(self, conversation: Conversation | None = None, turns: TurnSettings | None = None) -> VoiceSession:
        """A session on a conversation (a new one by default)."""
        return VoiceSession(self.backend, self, conversation or Conversation(), turns or self._settings.turns)

    @property
    def store(self) -> Store:
        """Where conversations are kept."""
        if self._shared is not None:
            return self._shared()
        if self._own is None:
            raise ConfigurationError(f"The engine is not started: use it in `async with {type(self).__name__}(...)`.")
        return self._own

    def toolbox(self, timers: Timers, notes: Notes) -> Toolbox:
        """The tools of a session that owns ``timers`` and whose user owns ``notes``."""
        own = self._own_tools
        return Toolbox([*standard_tools(timers, notes), *own] if self._with_standard_tools else own)

    def voice_activity(self) -> VoiceActivity:
        """A voice detector for one session."""
        return VoiceActivity()
