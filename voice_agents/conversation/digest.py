"""What a list shows and searches of a conversation without reading it: kept beside it, written in the same breath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from voice_agents.conversation.facts import TurnFacts

PUT_DIGEST = (
    "INSERT INTO digests (conversation, engine, turns, words) VALUES (:id, :engine, :turns, :words)"
    " ON CONFLICT (conversation) DO UPDATE SET engine = excluded.engine, turns = excluded.turns, words = excluded.words"
)


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
        said = [message.text for message in messages if isinstance(message, HumanMessage | AIMessage) and message.text]
        return cls(engines[-1] if engines else "", asked + unasked, folded("\n".join(said)))


def folded(text: str) -> str:
    """Text as it is compared: large and small letters are the same."""
    return text.casefold()
