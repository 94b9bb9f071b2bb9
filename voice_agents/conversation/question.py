"""What the model is asked: the conversation up to the user's words, which may still be on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from langchain_core.messages import AnyMessage, HumanMessage

from voice_agents.conversation.history import History
from voice_agents.conversation.messages import recent
from voice_agents.conversation.model import Conversation, new_id

BUDGET = 24_000
"""Characters of history the model is shown, about 6000 tokens: more costs time to the first token."""

Past = Sequence[AnyMessage]
"""The messages of a conversation so far."""


class Question:
    """One turn's question. :meth:`ask` once."""

    def __init__(self, history: History, conversation: Conversation) -> None:
        self.words: HumanMessage | None = None
        """None until they are known."""
        self._history = history
        self._conversation = conversation
        self._before: Past | None = None
        self._known = asyncio.Event()

    def ask(self, text: str, before: Past | None) -> None:
        """The user's words. ``before``: the conversation so far; read when it is needed if None."""
        self.words = HumanMessage(text, id=new_id())
        self._before = before
        self._known.set()

    async def shown(self) -> Past:
        """Wait for the words; then the part of the conversation that the model is shown, the words at its end."""
        await self._known.wait()
        assert self.words is not None
        if self._before is None:
            self._before = await self._history.load(self._conversation)
        return recent([*self._before, self.words], BUDGET)
