"""Sessions over parts of a test's own, without an engine."""

from __future__ import annotations

from functools import partial

from voice_agents.conversation.model import Conversation
from voice_agents.engines.realtime import RealtimeBackend, RealtimeParts
from voice_agents.engines.sandwich import SandwichBackend, SandwichParts
from voice_agents.session.voice_session import VoiceSession
from voice_agents.settings import TurnSettings


def sandwich_session(parts: SandwichParts, conversation: Conversation, turns: TurnSettings) -> VoiceSession:
    return VoiceSession(partial(SandwichBackend, parts), parts, conversation, turns)


def realtime_session(parts: RealtimeParts, conversation: Conversation, turns: TurnSettings) -> VoiceSession:
    return VoiceSession(partial(RealtimeBackend, parts), parts, conversation, turns)
