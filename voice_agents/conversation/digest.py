"""What a list shows and searches of a conversation without reading it: kept beside it, written in the same breath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from voice_agents.conversation.facts import TurnFacts

PUT_DIGEST = (
    "INSERT INTO digests (conversation, engine, turns, words) VALUES (:id, :engine, :turns, '')"
    " ON CONFLICT (conversation) DO UPDATE SET engine = excluded.engine, turns = excluded.turns, words = ''"
)
"""Of a conversation of which every message is written; their words stand beside each."""
ADD_TO_DIGEST = (
    "UPDATE digests SET turns = turns + :turns, engine = CASE :engine WHEN '' THEN engine ELSE :engine END"
    " WHERE conversation = :id"
)
"""Of what is new. One that is missing stays so, until a list needs it."""
MAKE_UP_DIGEST = (
    "INSERT INTO digests (conversation, engine, turns, words) SELECT :id, :engine, :turns, :words WHERE EXISTS"
    " (SELECT 1 FROM checkpoints WHERE thread_id = :id AND checkpoint_id = :checkpoint) ON CONFLICT DO NOTHING"
)
"""One that is missing, if the conversation is still as it was at this checkpoint."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Of one conversation as it is now."""

    engine: str
    """That of its last turn; empty when an earlier version stored it."""
    turns: int
    """What the user said, and what the agent said by itself."""
    words: str
    """All that was said, for :func:`folded` words to be found in."""

    @classmethod
    def of(cls, messages: Sequence[AnyMessage]) -> Digest:
        """The digest of these messages."""
        facts = [found for message in messages if (found := TurnFacts.on(message)) is not None]
        engines = [each.engine for each in facts if each.engine]
        asked = sum(isinstance(message, HumanMessage) for message in messages)
        unasked = sum(isinstance(message, AIMessage) and TurnFacts.on(message) is not None for message in messages)
        said = [words for message in messages if (words := words_of(message))]
        return cls(engines[-1] if engines else "", asked + unasked, "\n".join(said))

    def values(self, conversation_id: str) -> Mapping[str, Any]:
        """What the statements above need."""
        return {"id": conversation_id, "engine": self.engine, "turns": self.turns, "words": self.words}


def words_of(message: AnyMessage) -> str:
    """What was said with it, for :func:`folded` words to be found in."""
    return folded(message.text) if isinstance(message, HumanMessage | AIMessage) else ""


def folded(text: str) -> str:
    """Text as it is compared: large and small letters are the same."""
    return text.casefold()
