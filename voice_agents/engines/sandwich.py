"""The Sandwich engine: speech-to-text -> LangGraph agent -> text-to-speech."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from voice_agents.conversation.agent import AgentParts, Graph, OwnGraph, agent_graph, session_tools
from voice_agents.engines.engine import SessionTools, VoiceEngine
from voice_agents.engines.sandwich_backend import SandwichBackend
from voice_agents.engines.sandwich_parts import Chat, NoChat
from voice_agents.engines.session import VoiceSession
from voice_agents.errors import ConfigurationError, Role
from voice_agents.prompts import system_prompt
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
from voice_agents.providers.sockets import tls
from voice_agents.providers.standby import FailoverTimes
from voice_agents.settings import UNDERSTOOD_OFFLINE, Endpoint, Settings
from voice_agents.tools import AnyTool

EARS_MEANWHILE = "Until it works again, the offline recogniser hears you."
VOICE_MEANWHILE = "Until it works again, the offline voice speaks."
STAND_IN_EARS = SttTimeouts(connect_s=1.0, commit_s=2.0, give_up_s=3.0)
"""Who stands in is on this machine, and the user has waited already."""

AgentFactory = Callable[[AgentParts], object]
"""Makes the compiled graph of an engine, once."""


@dataclass(frozen=True, slots=True)
class SandwichTimeouts:
    """How long each provider is waited for."""

    stt: SttTimeouts = field(default_factory=SttTimeouts)
    chat: ChatTimeouts = field(default_factory=ChatTimeouts)
    tts: TtsTimeouts = field(default_factory=TtsTimeouts)
    failover: FailoverTimes = field(default_factory=FailoverTimes)


class SandwichEngine(VoiceEngine):
    """Makes Sandwich sessions. ``async with SandwichEngine(settings) as engine`` keeps what all share."""

    def __init__(
        self,
        settings: Settings,
        timeouts: SandwichTimeouts | None = None,
        *,
        agent: object = None,
        speculative: bool = True,
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

        ``tools``: see :class:`voice_agents.engines.engine.SessionTools`, which says what it raises about them.

        ``speech_to_text``, ``text_to_speech``: make one for each session; the settings need none for that role.
        """
        super().__init__(settings, SessionTools(tools, standard=standard_tools))
        self._timeouts = timeouts or SandwichTimeouts(chat=ChatTimeouts(first_s=settings.chat_first_word_s))
        self._speculative = speculative
        self._own_graph, self._agent_factory = _own_agent(agent, self._tools, speculative=speculative)
        self._speech_to_text = speech_to_text or _recognisers(settings, self._timeouts)
        self._text_to_speech = text_to_speech or _voices(settings, self._timeouts)
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
        tools = session_tools(self._tools.template)
        made = self._agent_factory(AgentParts(chat.model, tools, system_prompt(self._settings.instructions)))
        return OwnGraph(made, speculative=self._speculative)

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

    def chat(self) -> Chat:
        """A chat model for one session; a graph that a developer brings has its own."""
        if self._chat_endpoint is None or isinstance(self._graph, OwnGraph):
            return NoChat()
        return ChatModel(self._chat_endpoint, self._timeouts.chat, self._timeouts.failover)

    def speech_to_text(
        self, on_partial: PartialListener, on_connection: ConnectionListener, language: str
    ) -> SpeechToText:
        """A recogniser for one session."""
        return self._speech_to_text(on_partial, on_connection, language)

    def text_to_speech(self, on_connection: ConnectionListener) -> TextToSpeech:
        """A voice for one session."""
        return self._text_to_speech(on_connection)


def _own_agent(agent: object, tools: SessionTools, *, speculative: bool) -> tuple[OwnGraph | None, AgentFactory | None]:
    if agent is None or callable(agent):
        return None, agent
    if tools.own:
        raise ConfigurationError(
            "A compiled graph has its tools already: give them to it, or hand over a function that makes the graph, "
            "agent=lambda parts: create_agent(parts.model, parts.tools)."
        )
    return OwnGraph(agent, speculative=speculative), None


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
