"""What the model is asked: the conversation up to the user's words, which may still be on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from langchain_core.messages import AnyMessage, HumanMessage

from voice_agents.conversation.history import History
from voice_agents.conversation.messages import recent
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.errors import VoiceAgentError
from voice_agents.providers.rules import size_of

BUDGET = 24_000
"""Characters of history the model is shown, about 6000 tokens: more costs time to the first token."""
MOST = 120
"""Messages the model is shown: what takes each to its server costs time too, however short it is."""


class Question:
    """One turn's question. :meth:`ask` once."""

    def __init__(self, history: History, conversation: Conversation, read_ahead: bool) -> None:
        """``read_ahead``: the turn before is settled, so that the conversation can be read before the words are known.

        Else it is read after them.
        """
        self.words: HumanMessage | None = None
        """None until they are known."""
        self._shown: list[Sequence[AnyMessage]] = []
        self._history = history
        self._conversation = conversation
        self._read_ahead = read_ahead
        self._before: Sequence[AnyMessage] | None = None
        self._known = asyncio.Event()

    def ask(self, text: str) -> None:
        """The user's words."""
        self.words = HumanMessage(text, id=new_id())
        self._known.set()

    def reword(self, text: str) -> None:
        """The same words, as the recogniser writes them for good."""
        assert self.words is not None
        self.words = HumanMessage(text, id=self.words.id)

    @property
    def characters(self) -> int:
        """Of the messages that the model was shown, each time it was."""
        return sum(size_of(message) for shown in self._shown for message in shown)

    async def shown(self) -> Sequence[AnyMessage]:
        """Wait for the words; then the part of the conversation that the model is shown, the words at its end."""
        before = await self.before()
        assert self.words is not None
        shown = recent([*before[-MOST:], self.words], BUDGET, MOST)
        self._shown.append(shown)
        return shown

    async def ahead(self) -> Sequence[AnyMessage] | None:
        """All of the conversation before the words, if it can be known before they are."""
        if self._read_ahead and self._before is None:
            with suppress(VoiceAgentError):  # it may go better when the words are known
                self._before = await self._history.load(self._conversation)
        return self._before

    async def before(self) -> Sequence[AnyMessage]:
        """Wait for the words; then all of the conversation before them."""
        await self.ahead()
        await self._known.wait()
        if self._before is None:
            self._before = await self._history.load(self._conversation)
        return self._before
