"""Where the API's sockets get their sessions from."""

from __future__ import annotations

from typing import Protocol

from voice_agents.conversation.model import Conversation
from voice_agents.transports.line import Told
from voice_agents.transports.live import LiveSession, SessionRequest


class Places(Protocol):
    """The part of a :class:`~voice_agents.transports.registry.SessionRegistry` that the API needs.

    Who counts by visitor stands in front of a registry with this shape. :meth:`open` is called in the context of the
    socket's own request.
    """

    max_sessions: int

    @property
    def stopping(self) -> bool:
        """No session begins any more."""

    def __len__(self) -> int:
        """Places in use."""

    def get(self, conversation: Conversation) -> LiveSession | None:
        """The live session of a conversation."""

    async def open(self, request: SessionRequest, told: Told | None = None) -> LiveSession:
        """The live session of a conversation; who gives ``told`` waits in line, else raises SessionLimitReached."""
