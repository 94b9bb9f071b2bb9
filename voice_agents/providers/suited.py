"""What a chat server is sent: messages that suit the strictest, and only what it was found to take.

The conversation in memory stays as it is. Templates of open models (Mistral, Gemma, Llama 2) refuse roles that do not
alternate; others know no system role, no tools, or less context than a long talk has. What a server has refused once is
remembered for it as long as the program runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import openai
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from voice_agents.providers.rules import kind_of, newest, size_of, valid

PLAINLY_LONG = 3000
"""Characters from which on a refusal without a reason may mean that it was too much."""
SHORT_ID = 9
LEFT_OUT = "(What was said here is left out.)"
NOTHING = "..."
"""What stands where a role has to speak and has not."""
_TOO_LONG = re.compile(
    r"context_length_exceeded|contextwindowexceeded|exceed_context_size|maximum context length|max_model_len|n_ctx"
    r"|string_above_max_length|(?:request|payload|entity) (?:entity )?too large|reduce the length|token limit"
    r"|context (?:window|size|length|limit)"
    r"|(?:input|prompt|tokens?|sequence|session|conversation)\b.{0,60}(?:too (?:long|large|many)|exceed|longer|overflow"
    r"|must (?:be <=|have less)|cannot exceed|should be \[)"
    r"|(?:too many|maximum|exceeds?|longer than|range of)\b.{0,40}(?:input|prompt|tokens|sequence)\b",
    re.DOTALL,
)
"""How servers say that it was too much: OpenAI, vLLM, SGLang, TGI, TensorRT, llama.cpp, Ollama, LM Studio, LMDeploy,
LiteLLM, Anthropic, Cohere, xAI, Zhipu, Moonshot, DashScope."""
_NO_TOOLS = re.compile(
    r"(?:tools?\b|tool[ _]?(?:use|call|calling|choice)|function[ _]call(?:s|ing)?).{0,80}"
    r"(?:support|permitted|unexpected|unknown|unrecogni|requires|not (?:been )?(?:enabled|allowed|available))"
    r"|(?:support|permitted|unexpected|unknown|unrecogni|not (?:been )?(?:enabled|allowed|available)).{0,80}"
    r"(?:\btools?\b|tool[ _]?(?:use|call|calling|choice)|function[ _]call(?:s|ing)?)|--tool-call-parser",
    re.DOTALL,
)
_PARALLEL = re.compile(r"parallel[ _]?tool[ _]?calls?")
_NO_SYSTEM = re.compile(
    r"system (?:role|message)|role:? ['\"]?system|system prompt is not|got system|support ['\"]system['\"]"
    r"|roles? (?:are|is) supported|roles must alternate|developer instruction is not"
    r"|(?:index 0|first message).{0,20}(?:should|must) be (?:from )?(?:the )?user"
)
"""Templates without a system role complain of the order of the roles; ours is always in order."""
_EFFORT = "reasoning_effort"
_NO_EFFORT = (_EFFORT, "reasoningeffort", "reasoning.effort", "reasoning effort", "think value", "support thinking")
"""How servers name it: OpenAI, xAI, gateways, Ollama."""
_LEFT_OUT = {
    "max_tokens": ("max_tokens",),
    "max_completion_tokens": ("max_completion_tokens",),
    "parallel_tool_calls": ("parallel_tool_calls", "paralleltoolcalls", "parallel tool calls"),
    "temperature": ("temperature",),
    "top_p": ("top_p", "topp"),
    "frequency_penalty": ("frequency_penalty",),
    "presence_penalty": ("presence_penalty",),
    "seed": ("'seed'", '"seed"', "`seed`"),
    "stop": ("'stop'", '"stop"', "`stop`"),
    _EFFORT: _NO_EFFORT,
}
"""What a request can do without, and how a refusal of it names it."""
_EFFORTLESS = "{name} takes no reasoning effort here: it is asked without it (OPENAI_REASONING_EFFORT)."
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_TAKEN_INSTEAD = ("expected one of", "supported parameters are", "allowed parameters are")
"""What comes after it are the names that a server does know."""


_OTHER_REASONS = ("content_filter", "rate_limit", "insufficient_quota")
_REFUSALS = (0, 400, 404, 413, 422, 500, 501)
_THINKERS = re.compile(
    r"deepseek-?r1|(?:^|[-_/])(?:tiny|light|open)?-?r1(?![0-9a-z])|qwq|qwen3.*thinking|glm-z1|exaone-?deep|skywork-or1"
    r"|[-_]thinking|olmo-?3.*think|minimax-m[12](?![0-9])|nemotron-(?:nano-9b-v2|nano-12b-v2|3-nano)|intellect-3"
)
"""Models whose templates open the reasoning, by their names."""
_OF_TOOLS = ("tools", "tool_choice", "parallel_tool_calls")


@dataclass(slots=True)
class Takes:
    """What is known of one server and model, by all who talk to it: never what anybody said."""

    characters: int | None = None
    """Of all messages; None: nothing was too long so far."""
    tools: bool = True
    system: bool = True
    usage: bool = True
    """It may be asked what an answer costs (``stream_options``)."""
    without: set[str] = field(default_factory=set)
    """Fields of a request that it refuses."""
    named: dict[str, str] = field(default_factory=dict)
    """Fields that it knows by another name."""
    effort: str = ""
    """The only reasoning effort that it takes beside tools; "": any."""
    short_ids: bool = False
    """Tool calls are named by nine letters and digits (Mistral)."""
    opens_reasoning: bool | None = None
    """Its template opens the reasoning itself, so that only its end comes with the answer; None: not seen yet."""

    def learn(self, error: Exception, messages: Sequence[BaseMessage], sent: Collection[str]) -> str | None:
        """What a refusal teaches, as a plain sentence, so that the request can be made anew; None: nothing.

        ``sent``: the fields of the request that was refused.
        """
        refusal = _refusal(error)
        if refusal is None:
            return None
        status, text = refusal
        if self.system and _NO_SYSTEM.search(text) and any(isinstance(one, SystemMessage) for one in messages):
            self.system = False
            return "{name} knows no system role: its instructions are sent with the user's words."
        lesson = self._learn_fields(error, text, sent)
        if lesson is not None:
            return lesson
        if not self.short_ids and "tool call id" in text and "9" in text:
            self.short_ids = True
            return "{name} takes tool calls under shorter names only: they are sent so."
        long = status == 413 or _TOO_LONG.search(text) is not None
        if (long or (status == 400 and self._size(messages) > PLAINLY_LONG)) and self._halve(messages):
            return "This conversation is longer than {name} can take: the older part is left out of what it is told."
        return None

    def shorten(self, messages: Sequence[BaseMessage]) -> str | None:
        """Who answers nothing to a long conversation may have no room left for an answer; as :meth:`learn`."""
        if self._size(messages) <= PLAINLY_LONG or not self._halve(messages):
            return None
        return "{name} answered nothing, until the older part of this conversation was left out of what it is told."

    def _halve(self, messages: Sequence[BaseMessage]) -> bool:
        """From now on half of it is sent; False: there would be too little left."""
        size = self._size(messages)
        if size <= 2 * _size(messages[-1:]):
            return False
        self.characters = size // 2
        return True

    def _size(self, messages: Sequence[BaseMessage]) -> int:
        """Characters of what is sent of them."""
        return _size(messages) if self.characters is None else min(self.characters, _size(messages))

    def _learn_fields(self, error: Exception, text: str, sent: Collection[str]) -> str | None:
        """Which part of the request is refused."""
        known, param = text, str(getattr(error, "param", None) or "")
        for instead in _TAKEN_INSTEAD:
            known = known.partition(instead)[0]
        if self.usage and "stream_options" in sent and "stream_options" in known:
            self.usage = False
            return "{name} does not say what an answer costs."
        if "tools" in sent and "tool" in known and any(word in known for word in _NO_EFFORT):
            return self._without_effort(known, sent)
        if self.tools and "tools" in sent and _refuses_tools(known, param):
            self.tools = False
            return "{name} takes no tools: it answers without them."
        refused = [name for name, words in _LEFT_OUT.items() if name in sent and any(word in known for word in words)]
        return self._leave_out(param if param in refused else refused[0], known) if refused else None

    def _without_effort(self, text: str, sent: Collection[str]) -> str | None:
        """Tools and a reasoning effort do not go together; some servers then want to hear of none."""
        if _EFFORT in sent and "'none'" not in text:
            return self._leave_out(_EFFORT, text)
        if self.effort:
            return None
        self.effort = "none"
        return "{name} does not reason where it has tools: it is asked with reasoning effort none."

    def _leave_out(self, name: str, text: str) -> str:
        other = _OTHER_NAME.get(name)
        if other is not None and other in text and other not in self.named:
            self.named[name] = other
            return f"{{name}} knows {name} by the name {other}."
        self.without |= {name} if other is None else {name, other}
        return _EFFORTLESS if name == _EFFORT else f"{{name}} takes no {name}: it is asked without it."

    def may_open_reasoning(self, model: str) -> bool:
        """Whether the next answer may begin in the middle of the model's thoughts; of the first one its name tells."""
        return _THINKERS.search(model.lower()) is not None if self.opens_reasoning is None else self.opens_reasoning

    def note_reasoning(self, *, held: bool, ended: bool) -> None:
        """An answer is over: reasoning ended in it that had not begun, or did not although it was waited for."""
        if held or ended:
            self.opens_reasoning = ended

    def trimmed(self, request: dict[str, Any]) -> dict[str, Any]:
        """The fields of a request as this server takes them."""
        left_out = {*self.without, *(() if self.tools else _OF_TOOLS), *(() if self.usage else ("stream_options",))}
        fields = {name: value for name, value in request.items() if name not in left_out}
        if self.effort and "tools" in fields:
            fields[_EFFORT] = self.effort
        return {self.named.get(name, name): value for name, value in fields.items()}

    def suited(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The messages as this server takes them: roles alternate, every call has its result, it fits."""
        kinds = [kind_of(type(message)) for message in messages]
        system = [message for message, kind in zip(messages, kinds, strict=True) if kind is SystemMessage]
        talk = [message for message, kind in zip(messages, kinds, strict=True) if kind is not SystemMessage]
        talk = _alternating(valid(self._recent(talk, _size(system))))
        if self.short_ids:
            talk = [_with_short_ids(message) for message in talk]
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


class RefusedWords:
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
        if not self._words:
            return list(messages)
        return [
            HumanMessage(LEFT_OUT) if isinstance(message, HumanMessage) and message.text in self._words else message
            for message in messages[:-1]
        ] + list(messages[-1:])


def _refuses_tools(text: str, param: str) -> bool:
    """Not only that several are called at once."""
    return param == "tools" or _NO_TOOLS.search(_PARALLEL.sub("", text)) is not None


def _refusal(error: Exception) -> tuple[int, str] | None:
    """Status and wording, in lower case, of an error that says what a server does not take; None: it is another one.

    Some servers begin to answer and tell the error in the stream; that counts as status 0.
    """
    if not isinstance(error, openai.APIError) or isinstance(error, openai.APIConnectionError):
        return None
    status = error.status_code if isinstance(error, openai.APIStatusError) else 0
    text = f"{error.code} {error.param} {error.message} {error.body}".lower()
    other = status not in _REFUSALS or any(word in text for word in _OTHER_REASONS)
    return None if other else (status, text)


_TEXT: dict[type[BaseMessage], str] = {HumanMessage: "user", AIMessage: "assistant"}
_BESIDE_TEXT = frozenset(("name", "tool_calls", "function_call", "audio"))
"""What LangChain sends of ``additional_kwargs``."""


def sent_as_text(message: BaseMessage) -> dict[str, Any] | None:
    """A message of the user or the agent that is text and nothing else, as it is sent; None: LangChain has to write it.

    That takes it seven microseconds a message: after a thousand turns more than the rest of a turn.
    """
    role = _TEXT.get(type(message))
    if role is None or type(message.content) is not str or message.name is not None:
        return None
    if message.additional_kwargs and not _BESIDE_TEXT.isdisjoint(message.additional_kwargs):
        return None
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        return None
    return {"content": message.content, "role": role}


def _alternating(talk: Sequence[BaseMessage]) -> list[BaseMessage]:
    """User and agent in turns, the user first; two of the same in a row are one message."""
    turns: list[BaseMessage] = []
    kinds = [kind_of(type(message)) for message in talk]
    for message, kind, before in zip(talk, kinds, [None, *kinds], strict=False):
        if (kind is HumanMessage and before is AIMessage) or (kind is AIMessage and before is HumanMessage):
            turns.append(message)  # as it nearly always is
            continue
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


def _with_short_ids(message: BaseMessage) -> BaseMessage:
    if isinstance(message, ToolMessage):
        return message.model_copy(update={"tool_call_id": _short(message.tool_call_id)})
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = [{**call, "id": _short(call["id"] or "")} for call in message.tool_calls]
        return message.model_copy(update={"tool_calls": calls})
    return message


def _short(id: str) -> str:
    return id if len(id) == SHORT_ID and id.isalnum() else sha256(id.encode()).hexdigest()[:SHORT_ID]


def _joined(messages: Sequence[BaseMessage]) -> str:
    return "\n".join(message.text.strip() for message in messages if message.text.strip())


def _size(messages: Sequence[BaseMessage]) -> int:
    return sum(map(size_of, messages))
