"""What of a chat server's text is the answer: reasoning, control tokens and tool calls written as text are not.

Servers that run open models pass on what the model's template did not take out; the marks it is known by are those of
:mod:`voice_agents.providers.answer_marks`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from voice_agents.providers.answer_marks import (
    BARE,
    BEGINS,
    HEADS,
    LONGEST_HEADER,
    LONGEST_MARK,
    MARK,
    MESSAGE_END,
    THOUGHTS_END,
    Kind,
    Part,
    has_thoughts_begin,
    may_become_a_head,
    may_become_a_mark,
    part_of,
    where_a_call_begins,
)
from voice_agents.providers.written_calls import WrittenCall, calls_in

_FENCE_END = re.compile("```")
_ANSWERED = ("assistant", "user", "all")
"""Whom a message is to that is no call."""
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
        self.lone_ends = 0
        """So often the end of reasoning came whose beginning did not: what was let through before it was none of the
        answer, and the next answer of this server is to be ``opened``."""
        self._tools = {name.lower(): name for name in tools}
        self._rest = ""
        self._part: Part | None = None
        """What the text is in the middle of; None: this is the answer."""
        self._hidden = ""
        self._opened = opened
        self._begun = False
        """Something was let through."""
        self._no_call = False
        """The answer is not one bare call."""
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
        if self._opened or self._elsewhere or self.lone_ends or not out or len(self._head) > _HEAD:
            return False
        self._head += out
        return self._part is None and not self.calls and _THINKS.match(self._head) is not None

    def reasons_elsewhere(self) -> None:
        """The server sends the reasoning in a field of its own: its text is the answer from the beginning."""
        self._elsewhere = True
        if self._opened:
            self._opened, self._rest, self._hidden = False, self._hidden + self._rest, ""

    def flush(self) -> str:
        """The text is over: what is left of the answer."""
        out = self._step(last=True)
        while self._part is not None or self._opened:
            known = len(self.calls)
            thoughts = self._opened
            out += self._close(whole=False)
            more = self._step(last=True)
            out += "" if thoughts and len(self.calls) > known else more  # who thinks up to a call does not speak
        return self._pass(out)

    def _pass(self, out: str) -> str:
        if not self._begun:
            out = out.lstrip()
        self._begun = self._begun or bool(out)
        return out

    def _step(self, *, last: bool) -> str:
        out: list[str] = []
        while self._rest:
            if self._part is not None or self._opened:
                if not self._inside(out, last):
                    break
            elif not self._outside(out, last):
                break
        return "".join(out)

    # The answer itself

    def _outside(self, out: list[str], last: bool) -> bool:
        """Let through what comes before the next mark, and take the mark; False: more text is needed."""
        if not self._begun and not "".join(out).strip() and (known := self._at_head(last)) is not None:
            return known
        found = MARK.search(self._rest)
        if found is None or (not last and may_become_a_mark(self._rest[found.start() :])):
            end = len(self._rest) if last else self._sure(found.start() if found else len(self._rest))
            out.append(self._rest[:end])
            self._rest = self._rest[end:]
            return False
        out.append(self._rest[: found.start()])
        self._rest = self._rest[found.end() :]
        self._take(found.group(0), out)
        return True

    def _at_head(self, last: bool) -> bool | None:
        """What means something at the beginning only was taken; False: more text is needed; None: there is nothing."""
        text = self._rest.lstrip()
        for head in HEADS:
            if (found := head.opening.match(text)) is not None:
                self._rest = text[found.end() :]
                if head.kind is not Kind.ASIDE:
                    opening = f"{found[1]} " if head.kind is Kind.CALL else found[0]
                    self._begin(Part(head.kind, opening, head.ends, guessed=head.guessed))
                return True
        if not last and may_become_a_head(text):
            return False
        if not self._tools or self._no_call or BARE.match(text) is None:
            return None
        if not last:
            return False
        self.calls += (calls := self._read(text))
        self._rest, self._no_call = "" if calls else self._rest, True
        return True

    def _take(self, mark: str, out: list[str]) -> None:
        part = part_of(mark)
        if part is not None and part.kind is Kind.NAMED:
            name = mark.strip("> \n").lower()
            if name in self._tools:
                self._begin(Part(Kind.CALL, mark, part.ends))
            elif name != "all":
                out.append(mark)
        elif part is not None:
            self._begin(part)
        elif mark.startswith("```"):
            self._begin(Part(Kind.FENCE, mark, _FENCE_END))
        elif THOUGHTS_END.fullmatch(mark):
            self._were_thoughts(out)

    def _were_thoughts(self, out: list[str]) -> None:
        """What came so far."""
        self.lone_ends += 1
        out.clear()
        self._begun = self._no_call = False

    def _begin(self, part: Part) -> None:
        self._part, self._hidden = part, ""

    def _sure(self, end: int) -> int:
        """How much of the rest cannot be the beginning of a mark."""
        for start in range(max(0, end - LONGEST_MARK), end):
            if self._rest[start] in BEGINS and may_become_a_mark(self._rest[start:]):
                return start
        return end

    # What is not the answer

    def _inside(self, out: list[str], last: bool) -> bool:
        """Take what is not the answer up to its end; False: more text is needed."""
        found = (THOUGHTS_END if self._part is None else self._part.ends).search(self._rest)
        if found is None:
            keep = 0 if last else LONGEST_MARK
            cut = max(0, len(self._rest) - keep)
            self._hidden += self._rest[:cut]
            self._rest = self._rest[cut:]
            return self._is_no_header()
        self._hidden += self._rest[: found.start()]
        self._rest = self._rest[found.end() :]
        if self._part is None:
            self._opened = False
            self.lone_ends += not has_thoughts_begin(self._hidden)
            self._hidden = ""
        else:
            out.append(self._close(whole=True))
        return True

    def _is_no_header(self) -> bool:
        """It goes on for too long."""
        if self._part is None or self._part.kind is not Kind.HEADER or len(self._hidden) <= LONGEST_HEADER:
            return False
        self._part, self._rest, self._hidden = None, self._hidden + self._rest, ""
        return True

    def _close(self, *, whole: bool) -> str:
        """The part that is not the answer is over; what of it is the answer after all."""
        part, hidden = self._part, self._hidden
        self._part, self._hidden = None, ""
        if part is None:  # a template that was thought to open the reasoning, and did not
            self._opened, self._rest = False, hidden
            return ""
        match part.kind:
            case Kind.HEADER if whole:
                self._header(part.opening + hidden)
            case Kind.HEADER:
                self._rest = hidden
            case Kind.CALL:
                self.calls += self._read((part.opening if part.names_the_tool else "") + hidden)
            case Kind.FENCE:
                calls = self._read(hidden)
                self.calls += calls
                return "" if calls else part.opening + hidden + ("```" if whole else "")
            case Kind.THOUGHTS if not whole:
                return self._never_ended(part, hidden)
        return ""

    def _never_ended(self, part: Part, hidden: str) -> str:
        """Thoughts that a call broke off are over with it; what only looked like thoughts is the answer."""
        if (at := where_a_call_begins(hidden)) is not None:
            self._rest = hidden[at:]
            return ""
        return part.opening + hidden if part.guessed else ""

    def _header(self, text: str) -> None:
        """Whose message comes now: ``<|start|>assistant to=functions.get_time<|channel|>commentary json``."""
        to = re.search(r"to=([\w.:-]+)", text)
        recipient = to[1] if to is not None and to[1].lower() not in _ANSWERED else ""
        channel = (re.findall(r"<\|channel\|>\s*(\w+)", text) or [""])[-1].lower()
        if recipient and recipient != "self":
            self._begin(Part(Kind.CALL, f"{recipient.removeprefix('functions.')} ", MESSAGE_END))
        elif recipient or channel not in ("", "final", "commentary"):
            self._begin(Part(Kind.THOUGHTS, text, MESSAGE_END))

    def _read(self, text: str) -> list[WrittenCall]:
        return calls_in(text, self._tools)
