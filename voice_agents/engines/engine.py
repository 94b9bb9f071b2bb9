"""The two engines: what their sessions share, and who hears, thinks and speaks in them by the settings."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Self, cast

from voice_agents.collector import leave_out_what_is_loaded
from voice_agents.conversation.agent import AgentParts, Graph, OwnGraph, agent_graph, session_tools
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.engines.realtime import RealtimeBackend
from voice_agents.engines.sandwich import Chat, SandwichBackend
from voice_agents.engines.server_answer import RealtimeConnection
from voice_agents.errors import ConfigurationError, Role
from voice_agents.prompts import system_prompt
from voice_agents.providers.brought import brought_recognisers, brought_voices
from voice_agents.providers.chat import ChatModel, ChatTimeouts
from voice_agents.providers.elevenlabs.speech_timing import STAND_IN_VOICE, TtsTimeouts
from voice_agents.providers.elevenlabs.stt import ElevenLabsStt, SttTimeouts
from voice_agents.providers.elevenlabs.tts import ElevenLabsTts
from voice_agents.providers.failover_ears import FailoverEars, MakeEars
from voice_agents.providers.failover_voice import FailoverVoice, MakeVoice
from voice_agents.providers.interfaces import (
    ConnectionListener,
    PartialListener,
    SpeechToText,
    SpeechToTextFactory,
    TextToSpeech,
    TextToSpeechFactory,
)
from voice_agents.providers.names import agent_name, speech_name
from voice_agents.providers.realtime.client import RealtimeClient, TokenProvider
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.sockets import tls
from voice_agents.providers.standby import FailoverTimes
from voice_agents.session.base import Backend
from voice_agents.session.voice_session import VoiceSession
from voice_agents.settings import UNDERSTOOD_OFFLINE, Endpoint, Provider, Settings, TurnSettings
from voice_agents.tools import AnyTool, Notes, Timers, Toolbox, as_tools, standard_tools
from voice_agents.turns.vad import VoiceActivity, load_speech_model

EARS_MEANWHILE = "Until it works again, the offline recogniser hears you."
VOICE_MEANWHILE = "Until it works again, the offline voice speaks."
STAND_IN_EARS = SttTimeouts(connect_s=1.0, commit_s=2.0, give_up_s=3.0)
"""Who stands in is on this machine, and the user has waited already."""

AgentFactory = Callable[[AgentParts], object]
"""Makes the compiled graph of an engine, once."""


class Engine(ABC):
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


@dataclass(frozen=True, slots=True)
class SandwichTimeouts:
    """How long each provider is waited for."""

    stt: SttTimeouts = field(default_factory=SttTimeouts)
    chat: ChatTimeouts = field(default_factory=ChatTimeouts)
    tts: TtsTimeouts = field(default_factory=TtsTimeouts)
    failover: FailoverTimes = field(default_factory=FailoverTimes)


class SandwichEngine(Engine):
    """Makes Sandwich sessions. ``async with SandwichEngine(settings) as engine`` keeps what all share."""

    def __init__(
        self,
        settings: Settings,
        timeouts: SandwichTimeouts | None = None,
        *,
        agent: object = None,
        speculative: bool = True,
        context: object = None,
        tools: Iterable[AnyTool] = (),
        standard_tools: bool = True,
        speech_to_text: SpeechToTextFactory | None = None,
        text_to_speech: TextToSpeechFactory | None = None,
    ) -> None:
        """Raises ConfigurationError when a role has no provider (see :meth:`Settings.with_offline`).

        ``agent``, in the standard agent's place: a compiled LangGraph graph with ``messages`` in its state, with its
        own model and tools, or a function from :class:`AgentParts` to one. See
        :class:`voice_agents.conversation.own_graph.OwnGraph` for what of it is spoken, and what it raises.

        ``speculative``: False for an agent whose graph does something in the world without a tool, such as a node that
        sends a mail: else it may be begun before it is certain that the user has finished (``SPECULATION``).

        ``context``: what the graph's nodes find in ``runtime.context``, if it has a ``context_schema``.

        ``tools``: as :class:`~voice_agents.engines.engine.Engine` takes them.

        ``speech_to_text``, ``text_to_speech``: make one for each session; the settings need none for that role.
        """
        super().__init__(settings, tools, with_standard_tools=standard_tools)
        self._timeouts = timeouts or SandwichTimeouts(chat=ChatTimeouts(first_s=settings.chat_first_word_s))
        self._as_own_graph = partial(OwnGraph, speculative=speculative, context=context)
        self._own_graph: OwnGraph | None = None
        self._agent_factory: AgentFactory | None = None
        if agent is None or callable(agent):
            self._agent_factory = agent
        elif self._own_tools:
            raise ConfigurationError(
                "A compiled graph has its tools already: give them to it, or hand over a function that makes the "
                "graph, agent=lambda parts: create_agent(parts.model, parts.tools)."
            )
        else:
            self._own_graph = self._as_own_graph(agent)
        hears, speaks = speech_to_text, text_to_speech
        self._speech_to_text = brought_recognisers(hears) if hears else _recognisers(settings, self._timeouts)
        self._text_to_speech = brought_voices(speaks) if speaks else _voices(settings, self._timeouts)
        self._chat_endpoint = settings.endpoint(Role.CHAT) if self._own_graph is None else None
        self._names = {
            Role.STT: "The recogniser" if speech_to_text else speech_name(settings.endpoint(Role.STT)),
            Role.TTS: "The voice" if text_to_speech else speech_name(settings.endpoint(Role.TTS)),
            Role.CHAT: "The agent" if agent is not None else agent_name(settings.endpoint(Role.CHAT)),
        }
        self._graph: Graph | OwnGraph | None = None

    async def _start(self, stack: AsyncExitStack) -> None:
        await asyncio.to_thread(tls)  # here, so that no session holds up the others for it
        self._graph = self._own_graph or await self._made_graph(stack)

    def backend(self, host: VoiceSession) -> SandwichBackend:
        """What answers in a session."""
        return SandwichBackend(self, host)

    async def _made_graph(self, stack: AsyncExitStack) -> Graph | OwnGraph:
        endpoint = self._settings.endpoint(Role.CHAT)
        chat = await stack.enter_async_context(ChatModel(endpoint, self._timeouts.chat, self._timeouts.failover))
        if self._agent_factory is None:
            return agent_graph(chat.model, self._settings.instructions)
        tools = session_tools(self._tools)
        made = self._agent_factory(AgentParts(chat.model, tools, system_prompt(self._settings.instructions)))
        return self._as_own_graph(made)

    @property
    def graph(self) -> Graph | OwnGraph:
        """The agent of all sessions."""
        if self._graph is None:
            raise ConfigurationError("The engine is not started: use it in `async with SandwichEngine(settings)`.")
        return self._graph

    @property
    def apologises(self) -> bool:
        """FAILOVER."""
        return self._settings.failover

    def provider(self, role: Role) -> str:
        """What users call who fills this role at present."""
        if role is Role.CHAT and self._chat_endpoint is not None and self._agent_factory is None:
            return agent_name(self._chat_endpoint.present)
        return self._names[role]

    def chat(self) -> Chat | None:
        """A chat model for one session; a graph that a developer brings has its own."""
        if self._chat_endpoint is None or isinstance(self._graph, OwnGraph):
            return None
        return ChatModel(self._chat_endpoint, self._timeouts.chat, self._timeouts.failover)

    def speech_to_text(
        self, on_partial: PartialListener, on_connection: ConnectionListener, language: str
    ) -> SpeechToText:
        """A recogniser for one session."""
        return self._speech_to_text(on_partial, on_connection, language)

    def text_to_speech(self, on_connection: ConnectionListener) -> TextToSpeech:
        """A voice for one session."""
        return self._text_to_speech(on_connection)


def _recognisers(settings: Settings, timeouts: SandwichTimeouts) -> SpeechToTextFactory:
    endpoint = settings.endpoint(Role.STT)
    if not settings.replaces(Role.STT):
        return lambda on_partial, on_connection, language: ElevenLabsStt(
            endpoint, on_partial=on_partial, on_connection=on_connection, timeouts=timeouts.stt, language=language
        )

    def ears(at: Endpoint, language: str, timeouts: SttTimeouts = timeouts.stt) -> MakeEars:
        return lambda on_partial, on_connection: ElevenLabsStt(
            at, on_partial=on_partial, on_connection=on_connection, timeouts=timeouts, language=language
        )

    def others(language: str) -> MakeEars | None:
        other = endpoint.stand_in() if language in UNDERSTOOD_OFFLINE else None
        return None if other is None else ears(other, language, STAND_IN_EARS)

    return lambda on_partial, on_connection, language: FailoverEars(
        ears(endpoint, language),
        lambda: others(language),
        name=speech_name(endpoint),
        meanwhile=EARS_MEANWHILE,
        times=timeouts.failover,
        on_partial=on_partial,
        on_connection=on_connection,
    )


def _voices(settings: Settings, timeouts: SandwichTimeouts) -> TextToSpeechFactory:
    endpoint = settings.endpoint(Role.TTS)
    if not settings.replaces(Role.TTS):
        return lambda on_connection: ElevenLabsTts(endpoint, on_connection=on_connection, timeouts=timeouts.tts)

    def voice(at: Endpoint, timeouts: TtsTimeouts = timeouts.tts) -> MakeVoice:
        return lambda on_connection: ElevenLabsTts(at, on_connection=on_connection, timeouts=timeouts)

    def other() -> MakeVoice | None:
        stand_in = endpoint.stand_in()
        return None if stand_in is None else voice(stand_in, STAND_IN_VOICE)

    return lambda on_connection: FailoverVoice(
        voice(endpoint),
        other,
        name=speech_name(endpoint),
        meanwhile=VOICE_MEANWHILE,
        on_connection=on_connection,
        times=timeouts.failover,
    )


class RealtimeEngine(Engine):
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

        ``tools``: as :class:`~voice_agents.engines.engine.Engine` takes them.
        """
        super().__init__(settings, tools, with_standard_tools=standard_tools, store=store)
        self._endpoint = settings.endpoint(Role.REALTIME)
        if not settings.replaces(Role.REALTIME):
            self._endpoint = replace(self._endpoint, stand_in=lambda: None)
        self._token = token
        self.transcribes = True
        """The server writes what users say, as far as is known."""

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
