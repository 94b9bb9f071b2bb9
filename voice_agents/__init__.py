"""Voice agents: conversations in, events out.

async with SandwichEngine(Settings.from_env()) as engine, engine.session() as session:
    session.push_audio(pcm)
    async for event in session: ...
"""

from voice_agents.conversation.model import Conversation
from voice_agents.engines.sandwich import SandwichEngine
from voice_agents.settings import Settings

__all__ = ["Conversation", "SandwichEngine", "Settings"]
