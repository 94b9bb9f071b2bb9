"""What was said, as both engines remember it: always valid for the next run, equal to what was heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store


class Speaker(StrEnum):
    """Whose entry it is."""

    USER = "user"
    AGENT = "agent"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One thing that was said, or one tool call with its result.

    ``text``: what the user said, what was heard of the agent, or the tool's result.
    ``interrupted``: the agent was cut after ``text``. The other fields belong to tool entries.
    """

    role: Speaker
    text: str
    interrupted: bool = False
    name: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    call_id: str = ""
    error: bool = False


class History:
    """The stored conversations of a :class:`Store`, read and written entry by entry.

    Every method raises InvalidInput when the conversation belongs to somebody else.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def messages(self, conversation: Conversation) -> list[HistoryEntry]:
        """All entries in the order they were said; empty for a new conversation."""
        raise NotImplementedError

    async def append(self, conversation: Conversation, *entries: HistoryEntry) -> None:
        """Store entries at the end, all or none; on disk when it returns.

        For what did not come through :class:`~voice_agents.conversation.agent.VoiceAgent`: the Realtime engine's
        turns (after interruption with the heard text only) and announcements.
        """
        raise NotImplementedError
