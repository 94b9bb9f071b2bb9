"""Voice agents: conversations in, events out.

    async with SandwichEngine(Settings.from_env()) as engine, engine.session() as session:
        session.push_audio(pcm)
        async for event in session: ...

Imported on first use, so that ``voice_agents.offline`` starts without loading the agents.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_agents import errors, events
    from voice_agents.conversation.agent import AgentParts
    from voice_agents.conversation.model import Conversation
    from voice_agents.engines.engine import Engine, RealtimeEngine, SandwichEngine
    from voice_agents.errors import ConfigurationError, ProviderError, VoiceAgentError
    from voice_agents.providers.interfaces import (
        ConnectionState,
        PatientSpeechToText,
        SpeechChunk,
        SpeechStream,
        SpeechToText,
        SpokenWord,
        TextToSpeech,
    )
    from voice_agents.providers.plain import PlainRecogniser, PlainVoice
    from voice_agents.session.base import Session
    from voice_agents.settings import Settings, TurnSettings
    from voice_agents.tools import Tool, ToolError

_HOMES = {
    "AgentParts": "conversation.agent",
    "ConfigurationError": "errors",
    "ConnectionState": "providers.interfaces",
    "Conversation": "conversation.model",
    "Engine": "engines.engine",
    "PatientSpeechToText": "providers.interfaces",
    "PlainRecogniser": "providers.plain",
    "PlainVoice": "providers.plain",
    "ProviderError": "errors",
    "RealtimeEngine": "engines.engine",
    "SandwichEngine": "engines.engine",
    "Session": "session.base",
    "Settings": "settings",
    "SpeechChunk": "providers.interfaces",
    "SpeechStream": "providers.interfaces",
    "SpeechToText": "providers.interfaces",
    "SpokenWord": "providers.interfaces",
    "TextToSpeech": "providers.interfaces",
    "Tool": "tools",
    "ToolError": "tools",
    "TurnSettings": "settings",
    "VoiceAgentError": "errors",
}

__all__ = [
    "AgentParts",
    "ConfigurationError",
    "ConnectionState",
    "Conversation",
    "Engine",
    "PatientSpeechToText",
    "PlainRecogniser",
    "PlainVoice",
    "ProviderError",
    "RealtimeEngine",
    "SandwichEngine",
    "Session",
    "Settings",
    "SpeechChunk",
    "SpeechStream",
    "SpeechToText",
    "SpokenWord",
    "TextToSpeech",
    "Tool",
    "ToolError",
    "TurnSettings",
    "VoiceAgentError",
    "errors",
    "events",
]


def __getattr__(name: str) -> Any:
    if name in ("errors", "events"):
        return import_module(f"voice_agents.{name}")
    if name in _HOMES:
        return getattr(import_module(f"voice_agents.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
