"""The database file: LangGraph checkpoints, the list of conversations and the users' notes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from voice_agents.conversation.model import Conversation
from voice_agents.tools import Notes


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A stored conversation as a list shows it. ``title`` is the user's first words."""

    id: str
    title: str
    created: datetime
    updated: datetime


class Store:
    """One SQLite file, shared by all sessions of a process. Enter it before use.

    Entering raises ConfigurationError (names DATABASE_URL) when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def check_owner(self, conversation: Conversation) -> None:
        """Raises InvalidInput when the conversation is stored and belongs to somebody else."""
        raise NotImplementedError

    async def list(self, owner: str) -> list[ConversationSummary]:
        """The owner's conversations in which something was said, latest first."""
        raise NotImplementedError

    async def delete(self, conversation: Conversation) -> None:
        """Forget a conversation. Raises InvalidInput when it belongs to somebody else."""
        raise NotImplementedError

    def notes(self, owner: str) -> Notes:
        """The owner's notes."""
        raise NotImplementedError
