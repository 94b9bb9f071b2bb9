"""A small rule-based model: it answers, or calls the tools on offer, from the messages alone, and says what it does not understand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

MessageRole = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants to be run; ``id`` pairs it with the tool message that brings the result."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. ``tool_call_id`` is set on tool messages, ``tool_calls`` on assistant messages."""

    role: MessageRole
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says, or the tools it calls first (then ``text`` is usually empty)."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class Brain:
    """The model. It has no state: everything it remembers stands in the messages. One instance serves everybody."""

    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        """The next assistant message after ``messages``; takes well under a millisecond and never raises.

        ``tools`` are the names of the tools on offer. A skill whose tool is not on offer says so. After tool messages
        the results are spoken.
        """
        raise NotImplementedError


def grammar() -> str:
    """JSGF with every phrase the skills understand: lower-case words of pocketsphinx's en-us dictionary."""
    raise NotImplementedError


EXAMPLES: tuple[str, ...] = ()
"""Phrases to try, as a user would read them; every one is understood spoken and typed."""
