"""What a chat server is sent: messages that suit the strictest, and only what it was found to take.

The conversation in memory stays as it is. Templates of open models (Mistral, Gemma, Llama 2) refuse roles that do not
alternate; others know no system role, no tools, or less context than a long talk has. What a server has refused once is
remembered for it as long as the program runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import openai
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from voice_agents.providers.rules import newest, size_of, valid

PLAINLY_LONG = 3000
"""Characters from which on a refusal without a reason may mean that it was too much."""
LEFT_OUT = "(What was said here is left out.)"
NOTHING = "..."
"""What stands where a role has to speak and has not."""
_TOO_LONG = (
    *("context_length_exceeded", "maximum context length", "context window", "context size", "context length"),
    *("exceed_context_size", "too many tokens", "token limit", "prompt is too long", "input is too long"),
    *("reduce the length", "string_above_max_length", "request too large", "payload too large", "n_ctx"),
    *("longer than the model", "max_model_len", "exceeds the maximum number of tokens", "prompt too long"),
)
_NO_TOOLS = (
    *("support tool", "support function", "tool choice requires", "tools param requires", "tool calling is not"),
    *("tools are not", "tools is not", "function calling is not", "unsupported parameter: 'tools'"),
    *("'tools' is not", "unknown field: tools", "does not support the tools", "tool use", "--tool-call-parser"),
)
_NO_SYSTEM = ("system role", "system message", "role 'system'", 'role "system"', "role: system", "system prompt is not")


@dataclass(slots=True)
class Takes:
    """What is known of one server and model, by all who talk to it: never what anybody said."""

    characters: int | None = None
    """Of all messages; None: nothing was too long so far."""
    tools: bool = True
    system: bool = True
    usage: bool = True
    """It may be asked what an answer costs (``stream_options``)."""
    opens_reasoning: bool = False
    """Its template opens the reasoning itself, so that only its end comes with the answer."""

    def learn(self, error: Exception, messages: Sequence[BaseMessage], tools: bool) -> str | None:
        """What a refusal teaches (a plain sentence, or ""), so that the request can be made anew; None: nothing.

        ``tools``: they were among what was sent.
        """
        if not isinstance(error, openai.APIStatusError) or error.status_code not in (400, 404, 413, 422, 500, 501):
            return None
        text = f"{error.code} {error.param} {error.message} {error.body}".lower()
        if "content_filter" in text:
            return None
        if self.usage and "stream_options" in text:
            self.usage = False
            return ""
        if tools and self.tools and any(word in text for word in _NO_TOOLS):
            self.tools = False
            return "{name} takes no tools: it answers without them."
        if self.system and any(word in text for word in _NO_SYSTEM):
            self.system = False
            return ""
        long = error.status_code == 413 or any(word in text for word in _TOO_LONG)
        sent = _size(messages) if self.characters is None else min(self.characters, _size(messages))
        if sent > 2 * _size(messages[-1:]) and (long or (error.status_code == 400 and sent > PLAINLY_LONG)):
            self.characters = sent // 2
            return "This conversation is longer than {name} can take: the older part is left out of what it is told."
        return None

    def suited(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The messages as this server takes them: roles alternate, every call has its result, it fits."""
        system = [message for message in messages if isinstance(message, SystemMessage)]
        talk = [message for message in messages if not isinstance(message, SystemMessage)]
        talk = _alternating(valid(self._recent(talk, _size(system))))
        if system and not self.system:
            first = HumanMessage(f"{_joined(system)}\n\n{talk[0].text}")
            return [first, *talk[1:]]
        return [*([SystemMessage(_joined(system))] if system else []), *talk]

    def _recent(self, talk: list[BaseMessage], taken: int) -> list[BaseMessage]:
        """The end of it that fits, from a user's message on; at least the last turn."""
        if self.characters is None:
            return talk
        of_user, budget = (lambda one: isinstance(one, HumanMessage)), self.characters - taken
        return talk[newest(talk, size_of, of_user, budget, len(talk)) :]


class Refused:
    """What the content filter of a server did not let through in one conversation: it is not sent again for ever."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def note(self, error: Exception, messages: Sequence[BaseMessage]) -> None:
        """If the error says that: the last words of the user, most likely. Their turn fails, the next ones do not."""
        last = next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)
        if last is not None and isinstance(error, openai.APIStatusError) and "content_filter" in str(error.body):
            self._words.add(last.text)

    def left_out(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The messages without them; what is said now is always tried."""
        return [
            HumanMessage(LEFT_OUT) if isinstance(message, HumanMessage) and message.text in self._words else message
            for message in messages[:-1]
        ] + list(messages[-1:])


def _alternating(talk: Sequence[BaseMessage]) -> list[BaseMessage]:
    """User and agent in turns, the user first; two of the same in a row are one message."""
    turns: list[BaseMessage] = []
    for message in talk:
        last = turns[-1] if turns else None
        if isinstance(message, HumanMessage) and isinstance(last, HumanMessage):
            turns[-1] = HumanMessage(_joined([last, message]), id=message.id)
        elif isinstance(message, HumanMessage) and isinstance(last, ToolMessage):
            turns += [AIMessage(NOTHING), message]
        elif isinstance(message, AIMessage) and isinstance(last, AIMessage) and not last.tool_calls:
            text = _joined([one for one in (last, message) if one.text])
            turns[-1] = message.model_copy(update={"content": text})
        elif isinstance(message, AIMessage) and last is None:
            turns += [HumanMessage(NOTHING), message]
        else:
            turns.append(message)
    return turns or [HumanMessage(NOTHING)]


def _joined(messages: Sequence[BaseMessage]) -> str:
    return "\n".join(message.text.strip() for message in messages if message.text.strip())


def _size(messages: Sequence[BaseMessage]) -> int:
    return sum(map(size_of, messages))
