"""The marks by which models tell thoughts, tool calls and turns apart, as far as servers let them out.

The shapes are those of llama.cpp, vLLM, SGLang, Ollama and LM Studio (their chat parsers, the tests of these, and their
issues), by model family:

* thoughts: ``<think>`` (DeepSeek, Qwen, GLM) and whatever tag is named like it (``<seed:think>``, ``<mm:think>``,
  ``<scratch_pad>``), ``[THINK]`` (Magistral), ``◁think▷`` and ``<|open|>think<|sep|>`` (Kimi), ``<|channel>thought``
  (Gemma), ``<|START_THINKING|>`` (Command), ``<|inner_prefix|>`` (Apertus), "Here is my thought process:" (Granite);
* tool calls: ``<tool_call>`` and whatever tag is named like it, ``[TOOL_CALLS]`` (Mistral), ``<|python_tag|>`` (Llama),
  ``<|tool_call>call:`` (Gemma), and a dozen tokens more; what they hold reads
  :mod:`voice_agents.providers.written_calls`;
* headers: ``<|start|>assistant to=functions.x<|channel|>commentary<|message|>`` (gpt-oss);
* any other token of a template: ``<|im_end|>``, ``<turn|>``, ``</s>``, ``<answer>``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

LONGEST_MARK = 60
"""Characters of what may still become a mark; what begins like one and goes on for longer is none."""
LONGEST_HEADER = 160
"""Characters of one; what is longer is none."""
MESSAGE_END = re.compile(r"<\|(?:end|eom|eot|call|return)\|>|(?=<\|(?:start|channel)\|>)", re.IGNORECASE)
"""Of a message that a header introduced."""


class Kind(Enum):
    """What a mark begins."""

    THOUGHTS = auto()
    CALL = auto()
    HEADER = auto()
    """Of a message, which says what it is."""
    ASIDE = auto()
    """Neither: it is dropped."""
    NAMED = auto()
    """``>>>name`` (Functionary): a call of that tool, or the answer if it is named "all"."""
    FENCE = auto()
    """Of code, which may be a call."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the text that is not the answer."""

    kind: Kind
    opening: str
    ends: re.Pattern[str]
    guessed: bool = False
    """It is the answer if its end never comes."""

    @property
    def names_the_tool(self) -> bool:
        """The opening of a call is needed to read it."""
        return "=" in self.opening or self.opening[0] in ">" or self.opening[0].isalpha()


@dataclass(frozen=True, slots=True)
class Head:
    """What means something at the beginning of an answer only."""

    kind: Kind
    opening: re.Pattern[str]
    ends: re.Pattern[str]
    guessed: bool = False


_THOUGHT_TAG = r"(?:[\w-]+[:_])?(?:think|thinking|thoughts?|reasoning|reason|reflection|scratch_?pad)(?::\w+)?"
_CALL_TAG = r"(?:[\w-]+[:_])?(?:tool_?calls?|function_calls?)"
_NOTHING = r"(?!)"
"""It ends with the text."""
_PARTS: tuple[tuple[Kind, str, str], ...] = (
    (Kind.THOUGHTS, r'<details\s+type="reasoning"[^<>]{0,40}>', r"</details>"),
    (Kind.THOUGHTS, r"\[THINK\]", r"\[/THINK\]"),
    (Kind.THOUGHTS, r"◁think▷", r"◁/think▷"),
    (Kind.THOUGHTS, r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (Kind.THOUGHTS, r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (Kind.THOUGHTS, r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    (Kind.THOUGHTS, r"<\|think:(?:start|begin)\|>", r"<\|think:end\|>"),
    (Kind.THOUGHTS, r"<\|content_thinking\|>", r"<\|end_message\|>"),
    (Kind.THOUGHTS, r"<\|channel>", r"<channel\|>"),
    (Kind.THOUGHTS, r"<\|open\|>think<\|sep\|>", r"<\|close\|>think<\|sep\|>"),
    (Kind.THOUGHTS, r"<\|im_start\|>assistant/think", r"<\|im_end\|>"),
    (Kind.ASIDE, r"<(?:\w+:)?tool_responses?>", r"</(?:\w+:)?tool_responses?>"),
    (Kind.CALL, r"<start_function_call>", r"<end_function_call>"),
    (Kind.CALL, r"<\|tool_call>", r"<tool_call\|>|<turn\|>"),
    (Kind.CALL, r"<\|tool_call\|>", r"<\|/tool_call\|>|<\|end_of_text\|>"),
    (Kind.CALL, r"<\|tool_call_start\|>", r"<\|tool_call_end\|>"),
    (Kind.CALL, r"<\|tool_calls_section_begin\|>", r"<\|tool_calls_section_end\|>"),
    (Kind.CALL, r"<\|tool_call_begin\|>", r"<\|tool_call_end\|>"),
    (Kind.CALL, r"<\|tool_call:(?:start|begin)\|>", r"<\|tool_call:end\|>"),
    (Kind.CALL, r"<｜tool[▁_]calls[▁_]begin｜>", r"<｜tool[▁_]calls[▁_]end｜>"),
    (Kind.CALL, r"<｜DSML｜(?:function|tool)_calls>", r"</｜DSML｜(?:function|tool)_calls>"),
    (Kind.CALL, r"<\|START_ACTION\|>", r"<\|END_ACTION\|>"),
    (Kind.CALL, r"<\|tools_prefix\|>", r"<\|tools_suffix\|>"),
    (Kind.CALL, r"<\|action_start\|>", r"<\|action_end\|>"),
    (Kind.CALL, r"<\|open\|>tools<\|sep\|>", r"<\|close\|>tools<\|sep\|>"),
    (Kind.CALL, r"<\|python_tag\|>", r"<\|(?:eom|eot)_id\|>"),
    (Kind.CALL, r"<\|(?:function_call|message_sep)\|>", r"</s>"),
    (Kind.CALL, r"\[TOOL_REQUEST\]", r"\[END_TOOL_REQUEST\]"),
    (Kind.CALL, r"\[TOOL_CALLS\]", r"</s>|(?=\[TOOL_CALLS\])|(?<=[\]}])\n(?=\s*[^\s\]}\[{,])"),
    (Kind.CALL, r"✿FUNCTION✿", r"✿RESULT✿"),
    (Kind.HEADER, r"<\|start\|>|<\|channel\|>", r"<\|message\|>"),
    (Kind.NAMED, r">>>[A-Za-z_][\w.]{0,40}\n", _NOTHING),
    (Kind.CALL, rf"<{_CALL_TAG}>", rf"</{_CALL_TAG}>"),
    (Kind.CALL, r"<function=[\w.-]{1,64}>|<(?:function|invoke) name=\"[\w.-]{1,64}\">", r"</(?:function|invoke)>"),
)
_OPENINGS = [(kind, re.compile(opening, re.IGNORECASE), ends) for kind, opening, ends in _PARTS]
_THOUGHT_OPENING = re.compile(rf"<({_THOUGHT_TAG})(?:\s[^<>]{{0,40}})?>", re.IGNORECASE)
_CALL_OPENING = re.compile("|".join(opening for kind, opening, _ in _PARTS if kind is Kind.CALL), re.IGNORECASE)
_THOUGHTS_OPENING = re.compile(
    "|".join([_THOUGHT_OPENING.pattern, *(opening for kind, opening, _ in _PARTS if kind is Kind.THOUGHTS)]),
    re.IGNORECASE,
)
_FENCE = r"```(?:json|tool_call|tool_code)?[ \t]*\n"
_THOUGHT_ENDS = "|".join(
    (
        *(rf"</{_THOUGHT_TAG}\s*>", r"\[/THINK\]", r"◁/think▷", r"<\|end_of_thought\|>", r"<\|END_THINKING\|>"),
        *(r"<\|inner_suffix\|>", r"<\|think:end\|>", r"<channel\|>", r"<\|close\|>think<\|sep\|>"),
    )
)
THOUGHTS_END = re.compile(_THOUGHT_ENDS, re.IGNORECASE)
"""The end of thoughts, whoever's they are."""
_CONTROL = "|".join(
    (
        *(r"</?s>", r"</?(?:start|end)_of_turn>(?:model)?", r"<start_of_turn>model", r"<(?:eos|bos|pad|unk)>"),
        *(r"\[/?INST\]", r"\[(?:EOS|EOT)\]", r"</?(?:answer|final_answer|response)>", rf"</{_CALL_TAG}>"),
        *(r"</(?:function|invoke)>", r"<\|(?:open|close)\|>(?:response|message)(?:<\|sep\|>)?", r"\]<\]minimax\[>\["),
        *(r"<\|im_start\|>assistant", r"<\|start_header_id\|>assistant"),
        r"<[|｜][^<>|｜\s]{1,40}[|｜]?>",
        r"<[A-Za-z_]{1,40}\|>",
    )
)
"""No answer contains one."""
MARK = re.compile(
    "|".join(
        (
            *(_THOUGHT_OPENING.pattern.replace("(", "(?:", 1), *(opening for _, opening, _ in _PARTS)),
            *(_THOUGHT_ENDS, _FENCE, _CONTROL),
        )
    ),
    re.IGNORECASE,
)
_SKIPPED = r"assistantfinal|assistant(?=commentary|analysis)"
"""Where one message ends and the next begins, of a server that leaves all tokens out."""
HEADS = [
    Head(kind, re.compile(opening), re.compile(ends), guessed)
    for kind, opening, ends, guessed in (
        (Kind.HEADER, r"to=[\w.:-]+\s*(?=<\|)", r"<\|message\|>", False),
        (Kind.THOUGHTS, r"analysis(?=[^\s\W_a-z])", _SKIPPED, False),
        (Kind.CALL, r"commentary\s+to=(?:functions\.)?([\w.-]+)\s*(?:json|code)?\s*(?=\{)", _SKIPPED, False),
        (Kind.THOUGHTS, r"thought\n", r"<channel\|>", False),
        (Kind.THOUGHTS, r"Here(?:'s| is) my thought process:", r"Here(?:'s| is) my response:", True),
        (Kind.THOUGHTS, r"Thought:(?=\s)", r"(?<=\n)(?:Final Answer|Answer|Response):|(?<=\n)(?=Action:)", True),
        (Kind.ASIDE, r"all\n", "", False),
    )
]
_HEAD_WORDS = (
    *("to=", "analysis", "commentary", "thought\n", "Here is my thought process:", "Here's my thought process:"),
    *("Thought:", "all\n", "functools[", "call:", "Action:"),
)
BARE = re.compile(
    r"(?:\{|\[\s*(?:\{|$)|\[\s*[A-Za-z_][\w.]*(?:\(|$)|functools\[|call:[\w.-]*(?:\{|$)|Action:\s*(?:$|`|[a-z]\w*\s*(?:$|\n)))"
)
"""Nobody begins to speak so."""

_PARTIAL = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"</?[\w:-]{0,40}|<[A-Za-z_]{1,40}\|",
        rf"<{_THOUGHT_TAG}\s[^<>]{{0,40}}|<details\s[^<>]{{0,60}}",
        r"<(?:function|invoke)(?:=|\s)[\w.=\"-]{0,70}",
        r"</?[|｜][^<>|｜\s]{0,40}[|｜]?",
        r"`{1,2}|```[a-z_]{0,9}[ \t]*",
        r">{1,2}|>>>[\w.]{0,40}",
    )
]
_LONG = tuple(
    mark.lower()
    for mark in (
        *("<|im_start|>assistant/think", "<|start_header_id|>assistant", "<start_of_turn>model"),
        *(f"<|open|>{name}<|sep|>" for name in ("think", "response", "tools")),
        *(f"<|close|>{name}<|sep|>" for name in ("think", "response", "message")),
        *("<｜DSML｜function_calls>", "<｜DSML｜tool_calls>", "]<]minimax[>[", "◁think▷", "◁/think▷", "✿FUNCTION✿"),
        *("[THINK]", "[/THINK]", "[TOOL_CALLS]", "[TOOL_REQUEST]", "[INST]", "[/INST]", "[EOS]", "[EOT]"),
    )
)
"""What is no word between angle brackets, or goes on after one."""
BEGINS = "<[◁`]>✿"
"""Characters with which a mark begins."""


def part_of(mark: str) -> Part | None:
    """What a mark begins; None: nothing."""
    if (tag := _THOUGHT_OPENING.fullmatch(mark)) is not None:
        name = tag[1].lower()
        name = "think(?:ing)?" if name in ("think", "thinking") else re.escape(name)
        return Part(Kind.THOUGHTS, mark, _compiled(rf"</{name}\s*>"))
    for kind, opening, ends in _OPENINGS:
        if opening.fullmatch(mark):
            return Part(kind, mark, _compiled(ends))
    return None


def may_become_a_mark(text: str) -> bool:
    """Whether more text could make a mark of this, or a longer one."""
    if len(text) > LONGEST_MARK + 20:
        return False
    low = text.lower()
    longer = any(len(low) < len(mark) and mark.startswith(low) for mark in _LONG)
    return longer or any(pattern.fullmatch(text) for pattern in _PARTIAL)


def may_become_a_head(text: str) -> bool:
    """Whether more text could give the beginning of an answer another meaning."""
    if any(len(text) < len(word) and word.startswith(text) for word in _HEAD_WORDS):
        return True
    return re.fullmatch(r"to=[\w.:-]*\s*<?|analysis|commentary(?:\s[^{]{0,80})?|Thought:", text) is not None


def where_a_call_begins(text: str) -> int | None:
    """Where the first one does; None: nowhere."""
    found = _CALL_OPENING.search(text)
    return None if found is None else found.start()


def has_thoughts_begin(text: str) -> bool:
    """Whether thoughts begin in it."""
    return _THOUGHTS_OPENING.search(text) is not None


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
