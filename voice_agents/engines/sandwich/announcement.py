"""Something the agent says by itself, without the model: a timer that fired."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from voice_agents.conversation.agent import AgentOutput, Token
from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation

MESSAGE_ID = "announcement"


class Announcement:
    """Spoken like an answer and remembered as far as it was heard."""

    def __init__(self, history: History, conversation: Conversation, text: str) -> None:
        self.text = text
        self._history = history
        self._conversation = conversation
        self._open = True

    async def stream(self) -> AsyncIterator[AgentOutput]:
        """The whole sentence at once."""
        yield Token(self.text, MESSAGE_ID)

    async def settle(self, heard: Mapping[str, str], facts: TurnFacts | None = None) -> None:
        """Append what was heard of it to the history, once."""
        text = heard.get(MESSAGE_ID, "")
        if self._open and text:
            self._open = False
            entry = HistoryEntry(role=Speaker.AGENT, text=text, interrupted=text != self.text, facts=facts)
            await self._history.append(self._conversation, entry)

    async def discard(self) -> None:
        """Forget it."""
        self._open = False
