"""Cuts the model's tokens into pieces that can be spoken, the first as early as possible, without any markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from voice_agents.turns.markdown import plain, without_emoji

RELEASE_AFTER_S = 0.08
"""How long the model must be silent before :meth:`SpeechSplitter.release` is worth calling."""
DRIP_AFTER_S = 1.5
"""How long it must be silent in the middle of a clause before :meth:`SpeechSplitter.drip` is worth calling."""
FIRST_WORDS, MORE_WORDS = 2, 4
"""So many words at least are spoken of a clause that does not come to its end."""

_LONG, _LONGEST = 150, 250
"""Characters after which a sentence is cut at a clause, and after which it is cut between two words."""


class SpeechSplitter:
    """One per turn. Pieces carry no outer white space; joined with a space they hold every word of the answer.

    The first piece is the first clause ("Sure,"), given with the very token that completes it; later pieces are whole
    sentences (clauses where a sentence is longer than about 150 characters), given with the token that follows.
    Markdown and emoji are taken out, the words they mark up stay.
    """

    def __init__(self) -> None:
        self._pending = ""
        self._line_start = True
        self._first = True
        """Nothing was given yet: each token the listener need not wait for counts."""
        self._glued = False
        """The last piece was cut where the text may go on with a closing quote or another full stop."""
        self._last_token = ""

    def feed(self, token: str) -> list[str]:
        """The next token, any length -> the pieces it completes, ready to be spoken, in order."""
        if self._glued:
            token = token.lstrip(_CLOSING + _STOPS)
            self._glued = not token
            if token[:1].isalnum() and self._last_token.endswith("."):
                token = f".{token}"  # it was no full stop: example.com, main.py
        self._pending += token
        one_by_one = len(token) == 1 and len(self._last_token) == 1 and self._last_token.isalnum()
        self._last_token = token or self._last_token
        pieces = []
        while (cut := self._cut(eager=self._first and not one_by_one)) is not None:
            self._glued = cut == len(self._pending) and not self._pending[-1].isspace()
            if piece := self._take(cut):
                pieces.append(piece)
                self._first = False
        return pieces

    def release(self) -> str | None:
        """No token came for a while (``RELEASE_AFTER_S``; a tool runs): the pending text if it is whole by itself.

        Decides what ``feed`` left open ("It is 3." may go on as "3.14"); never gives half a clause.
        """
        runs, settled = _runs(self._pending)
        if not runs or not settled or self._judge(runs[-1], None, eager=False) is _End.NONE:
            return None
        self._glued = not self._pending[-1].isspace()
        piece = self._take(len(self._pending))
        self._first = self._first and not piece
        return piece or None

    def drip(self) -> str | None:
        """The model writes slower than one speaks (``DRIP_AFTER_S``): the whole words that are pending, if a few."""
        runs, settled = _runs(self._pending)
        whole = runs if self._pending[-1:].isspace() else runs[:-1]
        if not settled or len(whole) < (FIRST_WORDS if self._first else MORE_WORDS):
            return None
        piece = self._take(whole[-1].end)
        self._first = self._first and not piece
        return piece or None

    def flush(self) -> str | None:
        """The answer (or one message of it) is over: what is left. Fed again, the splitter begins a new answer."""
        piece = self._take(len(self._pending))
        self._line_start = self._first = True
        self._glued = False
        self._last_token = ""
        return piece or None

    def _take(self, cut: int) -> str:
        """Cut the pending text off and make it speakable; "" if it holds no word."""
        raw, self._pending = self._pending[:cut], self._pending[cut:]
        piece = plain(raw, line_start=self._line_start)
        if raw:
            self._line_start = raw.endswith("\n")
        return piece if _has_words(piece) else ""

    def _cut(self, *, eager: bool) -> int | None:
        """Where the next piece ends, or None if that is not known yet."""
        if len(self._pending) <= _LONG and not _MAY_CUT.search(self._pending):
            return None
        line, newline, _ = self._pending.partition("\n")
        if not (self._line_start and line.lstrip().startswith("|")):
            runs, _ = _runs(line, whole=bool(newline))
            if (cut := self._cut_line(runs, eager=eager)) is not None:
                return cut
        return len(line) + 1 if newline else None

    def _cut_line(self, runs: list[_Characters], *, eager: bool) -> int | None:
        clause: int | None = None
        for run in runs:
            after = self._pending[run.end :]
            following = after.lstrip(_OPENING + " \t\r")[:1] if after else None
            end = self._judge(run, following, eager=eager)
            if end is _End.SENTENCE or (end is _End.CLAUSE and self._first):
                return run.end
            if end is _End.CLAUSE and (run.end <= _LONG or clause is None):
                clause = run.end
            if run.end > _LONG and clause is not None:
                return clause
            if run.end > _LONGEST and after and not run.text[-1].isdigit():
                return run.end
        return None

    def _judge(self, run: _Characters, following: str | None, *, eager: bool) -> _End:
        """What ends with a run. ``following``: the first character of the next one, "" if only white space has come
        yet, None if not even that; ``eager``: decide in the last case too, where there is little doubt."""
        core = without_emoji(run.text)
        core = (_NOTED.sub("", core) if core[-1:] in "]】" else core).rstrip(_CLOSING)
        before = self._pending[: run.start].strip(_OPENING + " \t\r#>-+•")
        if not core or core[-1] not in _STOPS or not any(map(str.isalnum, before + core)):
            return _End.NONE
        if core[-1] == ";" and _ENTITY_END.search(core):
            return _End.NONE
        if following is None and eager and _may_go_on(core):
            return _End.UNSURE
        waiting = following is None and not eager
        end = _stop(core, following, at_start=self._line_start and not before)
        return _End.UNSURE if waiting and end is not _End.NONE else end


def speakable(text: str) -> str:
    """A whole text as it is spoken: without markdown and emoji, in one line."""
    return " ".join(filter(_has_words, map(plain, text.split("\n"))))


def _has_words(piece: str) -> bool:
    return any(character.isalnum() for character in piece)


class _End(Enum):
    """What ends with a run of characters."""

    NONE = auto()
    CLAUSE = auto()
    SENTENCE = auto()
    UNSURE = auto()
    """The next character decides."""


@dataclass(frozen=True, slots=True)
class _Characters:
    """Characters without a space between them, a link or a piece of code counting as one; ``end`` is exclusive."""

    text: str
    start: int
    end: int


_RUN = re.compile(
    r"(?:[^\s—。！？`\[\\$【!]+|!?\[[^\]\n]*\]\([^)\n]*\)|`+[^`\n]+`+|【[^】\n]*】|\\\([^\n]*?\\\)|\\\[[^\n]*?\\\]|\$\$[^$\n]+\$\$"
    r"|\$(?=\\|[^\s\d$])(?:(?![.?!]\s)[^$\n]){1,200}(?<!\s)\$(?![\w$])|[^\s—。！？])+[—。！？]*|[—。！？]+"
)
"""A link, a piece of code, a citation and a formula are one run, whatever stands in them."""
_OPENS = re.compile(r"[`\[\\$【]")
_OPENED = re.compile(r"\\\((?!.*\\\))|\\\[(?!.*\\\])|【[^】]*$|(?<![\w$])\$(?:\\[A-Za-z]|[A-Za-z](?![A-Za-z]))[^$]*$")
_NOTED = re.compile(r"(?:\[\^?[\w,\s–-]*\]|【[^】]*】)+$")
_ENTITY_END = re.compile(r"&#?\w+;$")
_CLOSING = "\"'”’)]}*_`~»"
_OPENING = "\"'“‘([{*_`~«"
_STOPS = ".!?…,;:—。！？–"
_MAY_CUT = re.compile(f"[{_STOPS}\n]")
_NEVER_LAST = frozenset(
    {
        *("mr", "mrs", "ms", "dr", "prof", "st", "rev", "hon", "gen", "col", "lt", "capt", "sgt", "sen", "rep", "gov"),
        *("e.g", "i.e", "eg", "ie", "vs", "approx", "fig", "eq", "vol", "mt", "cf", "al", "resp", "incl", "nr"),
    }
)
_SOMETIMES_LAST = frozenset({"a.m", "p.m", "etc", "inc", "ltd", "co", "corp", "jr", "sr", "dept", "min", "max", "tel"})
_BEFORE_NUMBERS = frozenset({"jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "no"})
"""They close a sentence unless a number follows."""
_ACRONYM = re.compile(r"(?:\w\.)+\w|[A-HJ-Za-z]|Ph\.D", re.ASCII)


def _runs(text: str, *, whole: bool = False) -> tuple[list[_Characters], bool]:
    """The runs of a line, up to a link or a piece of code that is not closed yet; and whether that was all.

    ``whole``: the line has ended, nothing can be closed any more.
    """
    found: list[_Characters] = []
    for run in _iterate(text):
        if not whole and len(text) - run.start <= _LONGEST and _unclosed(run.text, at_end=run.end == len(text)):
            return found, False
        found.append(run)
    return found, True


def _iterate(text: str) -> Iterator[_Characters]:
    return (_Characters(match[0], match.start(), match.end()) for match in _RUN.finditer(text))


def _unclosed(run: str, *, at_end: bool) -> bool:
    """Whether a run holds the beginning of a link, a piece of code, a citation or a formula."""
    if not _OPENS.search(run):
        return False
    if _OPENED.search(run):
        return True
    rest = re.sub(r"`+[^`]+`+|\[[^\]]*\]\([^)]*\)", "", run)
    if "`" in rest.strip("`~") or (rest.startswith("`") and len(rest.strip("`")) > 0):
        return True
    link = rest.rfind("[")
    return link >= 0 and ("]" not in rest[link:] or "](" in rest[link:] or (at_end and rest.endswith("]")))


def _may_go_on(core: str) -> bool:
    """Whether a run that ends with a stop may be the beginning of a number, a URL, a file name."""
    word = core.rstrip(_STOPS)
    if word[-1:].isdigit() and core[-1] in ".,:":
        return True
    if core[-1] in ",;!":
        return False
    return any(mark in word for mark in "/@.=\\") or word.lower() in ("http", "https", "www", "mailto")


def _stop(core: str, following: str | None, *, at_start: bool) -> _End:
    """What a run ends whose last character is a stop."""
    if core.endswith(("…", "..")):
        return _End.SENTENCE if following and not following.islower() else _End.CLAUSE
    if core[-1] != ".":
        return _End.CLAUSE if core[-1] in ",;:—–" else _End.SENTENCE
    word = core[:-1].lstrip(_OPENING)
    if word.lower() in _NEVER_LAST or (at_start and (word.isdigit() or len(word) == 1)):
        return _End.NONE
    return _after_abbreviation(word, following)


def _after_abbreviation(word: str, following: str | None) -> _End:
    """What "word." ends: some abbreviations close a sentence too; what follows tells, if it is there."""
    lower = word.lower()
    if lower in _BEFORE_NUMBERS or lower in _SOMETIMES_LAST or _ACRONYM.fullmatch(word):
        if not following:
            return _End.UNSURE
        if lower in _BEFORE_NUMBERS:
            return _End.NONE if following.isdigit() else _End.SENTENCE
        return _End.SENTENCE if lower in _SOMETIMES_LAST and following.isupper() else _End.NONE
    return _End.CLAUSE if following and following.islower() else _End.SENTENCE
