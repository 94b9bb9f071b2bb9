"""Voice agents: conversations in, events out.

    async with SandwichEngine(Settings.from_env()) as engine, engine.session() as session:
        session.push_audio(pcm)
        async for event in session: ...

Imported on first use, so that ``voice_agents.offline`` starts without loading the agents.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_agents import events
    from voice_agents.conversation.model import Conversation
    from voice_agents.engines.realtime import RealtimeEngine
    from voice_agents.engines.sandwich import SandwichEngine
    from voice_agents.settings import Settings

__all__ = ["Conversation", "RealtimeEngine", "SandwichEngine", "Settings", "events"]

_HOMES = {
    "Conversation": "voice_agents.conversation.model",
    "RealtimeEngine": "voice_agents.engines.realtime",
    "SandwichEngine": "voice_agents.engines.sandwich",
    "Settings": "voice_agents.settings",
}


def __getattr__(name: str) -> Any:
    if name == "events":
        return import_module("voice_agents.events")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
