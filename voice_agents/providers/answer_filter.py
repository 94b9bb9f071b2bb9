"""What of a chat server's text is the answer: reasoning, control tokens and tool calls written as text are not.

Servers that run open models pass on what the model's template did not take out. The shapes are those of llama.cpp,
vLLM, SGLang, Ollama and LM Studio (their chat parsers and their issues), by model family:

* reasoning: ``<think>`` (DeepSeek-R1, Qwen3, QwQ), ``<thinking>``, ``<reasoning>``, ``<thought>``, ``<reflection>``,
  ``<seed:think>`` (Seed-OSS), ``[THINK]`` (Magistral), ``◁think▷`` (Kimi), ``<|begin_of_thought|>`` (OpenThinker),
  ``<|START_THINKING|>`` (Command A), ``<|channel|>analysis<|message|>`` (gpt-oss); only its end where the template has
  opened it;
* control tokens: ``<|im_end|>``, ``<|eot_id|>``, ``<｜end▁of▁sentence｜>``, ``</s>``, ``<end_of_turn>``, ``[/INST]``;
* tool calls: ``<tool_call>{...}</tool_call>``, ``<function=name>{...}</function>``, ``[TOOL_CALLS][...]``,
  ``<|python_tag|>{...}``, ``[TOOL_REQUEST]{...}[END_TOOL_REQUEST]``, a fenced or bare JSON object that names one of the
  tools; see :mod:`voice_agents.providers.written_calls`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from voice_agents.providers.written_calls import WrittenCall, calls_in

LONGEST_MARK = 48
"""Characters the longest mark has; what begins like one and goes on for longer is none."""

_REASONING = ("think", "thinking", "reasoning", "reason", "thought", "reflection", "seed:think")
_PAIRS = {
    **{f"<{name}>": f"</{name}>" for name in _REASONING},
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
}
_ENDS = frozenset(_PAIRS.values())
_CALLS = {
    "<tool_call>": "</tool_call>",
    "<tool_calls>": "</tool_calls>",
    "<function_call>": "</function_call>",
    "<|tool_call|>": "<|/tool_call|>",
    "<|START_ACTION|>": "<|END_ACTION|>",
    "<|tool_call_start|>": "<|tool_call_end|>",
    "<|tool_calls_section_begin|>": "<|tool_calls_section_end|>",
    "<｜tool▁calls▁begin｜>": "<｜tool▁calls▁end｜>",
    "<｜DSML｜function_calls>": "</｜DSML｜function_calls>",
    "<minimax:tool_call>": "</minimax:tool_call>",
    "<function_calls>": "</function_calls>",
    "<start_function_call>": "<end_function_call>",
    "<TOOLCALL>": "</TOOLCALL>",
    "[TOOL_REQUEST]": "[END_TOOL_REQUEST]",
    "[TOOL_CALLS]": "\n",
    "<|python_tag|>": "<|eom_id|>",
    "<|tool_call_begin|>": "<|tool_call_end|>",
}
_FUNCTION = re.compile(r"<function=([\w.-]{1,64})>")
_CONTROL = (
    *("</s>", "<s>", "<end_of_turn>", "<start_of_turn>", "<eos>", "<bos>", "<pad>", "[INST]", "[/INST]"),
    *("<start_of_turn>model", "<|start|>assistant", "<|im_start|>assistant", "<|start_header_id|>assistant"),
)
_SPECIAL = re.compile(r"<[|｜][^<>|｜\s]{1,40}[|｜]>")
"""Any token of a template: no answer contains one."""
_CHANNEL = "<|channel|>"
_MESSAGE = "<|message|>"
_FINAL = "final"
_FENCE = re.compile(r"```(?:json|tool_call|tool_code)?[ \t]*\n")
_FENCE_STARTS = tuple(f"```{name}\n" for name in ("", "json", "tool_call", "tool_code"))

_LITERALS = sorted({*_PAIRS, *_ENDS, *_CALLS, *_CONTROL, _CHANNEL, "<function="}, key=len, reverse=True)
_MARK = re.compile(
    "|".join([*map(re.escape, _LITERALS), _SPECIAL.pattern, _FENCE.pattern]).replace(
        re.escape("<function="), _FUNCTION.pattern.replace("(", "(?:", 1)
    ),
    re.IGNORECASE,
)
_HIDES = {opening.lower(): end for opening, end in {**_PAIRS, **_CALLS}.items()}
_LOW_CALLS = frozenset(opening.lower() for opening in _CALLS)
_LOW_ENDS = frozenset(end.lower() for end in _ENDS)
_LOW = [mark.lower() for mark in _LITERALS]
_BEGINS = "<[◁`"
_THINKS = re.compile(
    r"\W*(?:(?:okay|ok|alright|all right|hm+|well|first|now|so|right|let's see)\b[\s,.:!-]*){0,3}"
    r"(?:the user(?:'s|’s)? (?:is|was|has|had|wants?|wanted|asks?|asked|just|said|says|seems|might|may|needs?|greeted|"
    r"mentioned|provided|gave|query|question|request|message|input)"
    r"|we (?:need|have) to (?:answer|respond|reply|produce|output)|i need to (?:figure out|respond|reply|determine))\b"
    r"|[嗯好的，。、！\s]*用户",
    re.IGNORECASE,
)
"""So models think, and nobody talks to somebody: of the user, as of another. Found in what DeepSeek-R1, QwQ, Qwen3,
GLM-Z1 and gpt-oss write before their answers."""
_HEAD = 120
"""Characters in which an answer shows that it begins so."""
_BARE = re.compile(r"\s*(?:\{|\[\s*(?:\{|$)|\[\s*[A-Za-z_][\w.]*(?:\(|$))")
"""Nobody begins to speak so."""


class AnswerFilter:
    """One answer's text on its way to the user: :meth:`feed` every piece of it, then :meth:`flush`.

    However the text is cut into pieces, the same comes out. ``tools`` are the names that may be called.
    ``opened``: this server's template opens the reasoning itself, so that only its end is seen: everything is held
    back until it comes (all of it is the answer if it never does). An answer that begins as thoughts do is taken for
    such a one from there on; any other is not held up by that.
    """

    def __init__(self, tools: Collection[str] = (), *, opened: bool = False) -> None:
        self.calls: list[WrittenCall] = []
        """Those that were found so far."""
        self.lone_end = False
        """The end of reasoning came whose beginning did not: the next answer of this server is to be ``opened``."""
        self._tools = {name.lower(): name for name in tools}
        self._rest = ""
        self._until = ""
        """What ends the part that is not the answer; "": this is the answer."""
        self._hidden = ""
        self._opening = ""
        self._opened = opened
        self._begun = False
        """Something was let through."""
        self._head = ""
        """What was let through first."""
        self._elsewhere = False
        """The reasoning has a field of its own."""

    def feed(self, text: str) -> str:
        """The next piece; what of the text so far is surely the answer."""
        self._rest += text
        if not self._rest:
            return ""
        out = self._step(last=False)
        if self._begins_as_thoughts(out):
            self._opened, self._hidden = True, out
            return ""
        return self._pass(out)

    def _begins_as_thoughts(self, out: str) -> bool:
        """What would be let through makes thoughts of the beginning."""
        if self._opened or self._elsewhere or self.lone_end or not out or len(self._head) > _HEAD:
            return False
        self._head += out
        return not self._until and not self.calls and _THINKS.match(self._head) is not None

    def reasons_elsewhere(self) -> None:
        """The server sends the reasoning in a field of its own: its text is the answer from the beginning."""
        self._elsewhere = True
        if self._opened:
            self._opened, self._rest, self._hidden = False, self._hidden + self._rest, ""

    def flush(self) -> str:
        """The text is over: what is left of the answer."""
        out = self._step(last=True)
        if self._until:
            out += self._close(whole=False)
        if self._opened:
            out, self._opened = self._hidden + out, False
        return self._pass(out)

    def _pass(self, out: str) -> str:
        if not self._begun:
            out = out.lstrip()
        self._begun = self._begun or bool(out)
        return out

    def _step(self, *, last: bool) -> str:
        out: list[str] = []
        while self._rest:
            if self._opened:
                if not self._end_of_opened(last):
                    break
            elif self._until:
                if (more := self._inside(last)) is None:
                    break
                out.append(more)
            elif not self._outside(out, last):
                break
        return "".join(out)

    # The answer itself

    def _outside(self, out: list[str], last: bool) -> bool:
        """Let through what comes before the next mark, and take the mark; False: more text is needed."""
        if self._tools and not self._begun and not "".join(out).strip() and _BARE.match(self._rest):
            return last and self._bare_call(out)
        found = _MARK.search(self._rest)
        if found is None or (not last and self._might_be_longer(found)):
            end = len(self._rest) if last else self._sure(found.start() if found else len(self._rest))
            out.append(self._rest[:end])
            self._rest = self._rest[end:]
            return False
        out.append(self._rest[: found.start()])
        self._rest = self._rest[found.end() :]
        self._take(found.group(0), out)
        return True

    def _take(self, mark: str, out: list[str]) -> None:
        low = mark.lower()
        if low in _HIDES:
            self._begin(mark, _HIDES[low])
        elif (function := _FUNCTION.fullmatch(mark)) is not None:
            self._begin(mark, "</function>")
            self._opening = function.group(0)
        elif low == _CHANNEL:
            self._begin(mark, _MESSAGE)
        elif mark.startswith("```"):
            self._begin(mark, "```")
        elif low in _LOW_ENDS:
            self.lone_end = True

    def _begin(self, mark: str, until: str) -> None:
        self._opening, self._until, self._hidden = mark, until, ""

    def _might_be_longer(self, found: re.Match[str]) -> bool:
        """More text could make a longer mark of it."""
        text = self._rest[found.start() :].lower()
        return any(len(mark) > len(text) and mark.startswith(text) for mark in _LOW)

    def _sure(self, end: int) -> int:
        """How much of the rest cannot be the beginning of a mark."""
        for start in range(max(0, end - LONGEST_MARK), end):
            if self._rest[start] in _BEGINS and _may_become_a_mark(self._rest[start:]):
                return start
        return end

    def _bare_call(self, out: list[str]) -> bool:
        """The whole answer is a JSON object (or a list of them), which calls a tool, as Llama's are; or says so."""
        calls = self._read(self._rest)
        if not calls:
            out.append(self._rest)
        self.calls += calls
        self._rest = ""
        return False

    # What is not the answer

    def _inside(self, last: bool) -> str | None:
        """Take what is not the answer up to its end; None: more text is needed."""
        at = self._rest.lower().find(self._until.lower())
        if at < 0:
            keep = 0 if last else len(self._until) - 1
            cut = max(0, len(self._rest) - keep)
            self._hidden += self._rest[:cut]
            self._rest = self._rest[cut:]
            return None
        self._hidden += self._rest[:at]
        self._rest = self._rest[at + len(self._until) :]
        return self._close(whole=True)

    def _close(self, *, whole: bool) -> str:
        """The part that is not the answer is over; what of it is the answer after all."""
        opening, until, hidden = self._opening, self._until, self._hidden
        self._opening = self._until = self._hidden = ""
        if opening == _CHANNEL:
            name = hidden.split()[0] if hidden.split() else ""
            if whole and name != _FINAL and not self._called_in(hidden):
                self._begin("<think>", "<|end|>")
            elif whole and self._called_in(hidden):
                self._begin(f"<function={self._called_in(hidden)}>", "<|call|>")
            return ""
        if _FUNCTION.fullmatch(opening) is not None:
            self.calls += self._read(f"{opening}{hidden}</function>")
            return ""
        if opening.startswith("```"):
            calls = self._read(hidden)
            self.calls += calls
            return "" if calls else opening + hidden + (until if whole else "")
        if opening.lower() in _LOW_CALLS:
            self.calls += self._read(hidden)
        return ""

    def _called_in(self, header: str) -> str:
        """The tool that gpt-oss calls in a channel: ``commentary to=functions.get_time``."""
        found = re.search(r"to=(?:functions\.)?([\w.-]+)", header)
        return found.group(1) if found else ""

    def _end_of_opened(self, last: bool) -> bool:
        text = self._hidden + self._rest
        low = text.lower()
        ends = [(at, end) for end in _ENDS if (at := low.find(end.lower())) >= 0]
        if not ends:
            self._hidden, self._rest = text, ""
            return last
        at, end = min(ends)
        self.lone_end = self.lone_end or not any(opening.lower() in low[:at] for opening in _PAIRS)
        self._hidden, self._rest, self._opened = "", text[at + len(end) :], False
        return True

    def _read(self, text: str) -> list[WrittenCall]:
        return calls_in(text, self._tools)


def _may_become_a_mark(text: str) -> bool:
    """Whether more text could make a mark of this."""
    if len(text) > LONGEST_MARK + 20:
        return False
    low = text.lower()
    if any(mark.startswith(low) for mark in (*_LOW, *_FENCE_STARTS)):
        return True
    if re.fullmatch(r"<[|｜][^<>|｜\s]{0,40}[|｜]?", text) or re.fullmatch(r"<function=[\w.-]{0,64}", low):
        return True
    return re.fullmatch(r"```(?:json|tool_call|tool_code)?[ \t]*", text) is not None
