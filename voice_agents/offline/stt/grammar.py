"""The phrases the recogniser expects: a JSGF grammar, checked, pronounceable, and as a pattern a text can match."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from voice_agents.errors import ConfigurationError

HUMS = ("mm-hmm", "uh-huh", "hmm")
"""Sounds rather than words, in which speakers differ most."""

BACKCHANNELS = (
    *HUMS, "yeah", "yep", "yes", "no", "nope", "okay", "right", "sure", "i see", "all right",
    "stop", "stop it", "wait", "wait a minute", "hold on", "never mind",
)  # fmt: skip
"""What people say while they listen, and to stop the agent; always understood beside the grammar's own phrases."""

EXTRA_PRONUNCIATIONS: dict[str, tuple[str, ...]] = {
    "mm-hmm": ("M HH M", "M HH AH M", "AH M HH AH M", "M M", "EH M EH M EY CH EH M EH M"),
    "hmm": ("EY CH EH M EH M",),
    "uh-huh": ("AH HH AH", "AH HH AH N"),
}
"""CMU phones of words that the dictionary lacks or knows too narrowly; synthetic voices spell some letter by letter."""

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"(public\s+)?<([^<>\s]+)>\s*=([^;]*);")
_TOKEN = re.compile(r"\s*(?:(?P<skip>/[\d.]+/|\{[^}]*\})|(?P<rule><[^<>\s]+>)|(?P<mark>[()\[\]|*+])|(?P<word>[\w'-]+))")


class Grammar:
    """A JSGF grammar with ``BACKCHANNELS`` added to what it accepts.

    Raises ``ConfigurationError`` for a grammar without a public rule, with an unknown or recursive rule, or with
    signs that do not belong there. Weights and tags are read over.
    """

    def __init__(self, source: str, backchannels: Sequence[str] = BACKCHANNELS) -> None:
        self._rules: dict[str, str] = {}
        public: list[str] = []
        for is_public, name, body in _RULE.findall(_COMMENT.sub(" ", source)):
            self._rules[name] = body.strip()
            if is_public:
                public.append(f"<{name}>")
        if not public:
            raise ConfigurationError(
                "The recogniser's grammar has no public rule; mark one with 'public <name> = ...;'."
            )
        self._rules["backchannel"] = " | ".join(backchannels)
        self._rules["anything"] = " | ".join([*public, "<backchannel>"])
        try:
            self._pattern = re.compile(self._expand("anything", ()))
        except re.error as error:
            raise ConfigurationError("The recogniser's grammar cannot be parsed; check its brackets.") from error

    @property
    def jsgf(self) -> str:
        """The whole grammar with one public rule, for pocketsphinx."""
        rules = (f"{'public ' if name == 'anything' else ''}<{name}> = {body};" for name, body in self._rules.items())
        return "\n".join(["#JSGF V1.0;", "grammar phrases;", *rules, ""])

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word that occurs in it."""
        return frozenset(value for body in self._rules.values() for kind, value in _tokens(body) if kind == "word")

    def accepts(self, text: str) -> bool:
        """Whether ``text`` (words separated by single spaces) is a whole phrase of the grammar."""
        return self._pattern.fullmatch(text + " ") is not None

    def pronunciations(self, dictionary: Path) -> dict[str, tuple[str, ...]]:
        """Each of its words with its pronunciations (phones separated by spaces), from a CMU dictionary file.

        Raises ``ConfigurationError`` naming the words that have none: pocketsphinx cannot load a grammar with them.
        """
        found: dict[str, list[str]] = {word: list(EXTRA_PRONUNCIATIONS.get(word, ())) for word in self.words}
        with dictionary.open(encoding="utf-8") as lines:
            for line in lines:
                entry, _, phones = line.partition(" ")
                variants = found.get(entry.partition("(")[0])
                if variants is not None and phones.strip() not in variants:
                    variants.append(phones.strip())
        unknown = sorted(word for word, variants in found.items() if not variants)
        if unknown:
            raise ConfigurationError(
                f"The recogniser has no pronunciation for {', '.join(unknown)}; use other words in the grammar."
            )
        return {word: tuple(variants) for word, variants in found.items()}

    def _expand(self, name: str, inside: tuple[str, ...]) -> str:
        """The rule as a regular expression in which every word is followed by one space."""
        if name in inside:
            raise ConfigurationError(f"The recogniser's grammar uses <{name}> inside itself; that is not supported.")
        if name not in self._rules:
            raise ConfigurationError(f"The recogniser's grammar uses <{name}>, which it does not define.")
        parts: list[str] = []
        for kind, value in _tokens(self._rules[name]):
            if kind == "word":
                parts.append(f"(?:{re.escape(value)} )")
            elif kind == "rule":
                parts.append(self._expand(value[1:-1], (*inside, name)))
            else:
                parts.append({"(": "(?:", "[": "(?:", "]": ")?"}.get(value, value))
        return f"(?:{''.join(parts)})"


def _tokens(body: str) -> Iterator[tuple[str, str]]:
    """Words, rule names and marks of one rule's right side, in order."""
    position = 0
    while position < len(body.rstrip()):
        match = _TOKEN.match(body, position)
        if match is None:
            raise ConfigurationError(
                f"The recogniser's grammar has a sign that does not belong there: {body[position:][:20]!r}."
            )
        position = match.end()
        if match.lastgroup and match.lastgroup != "skip":
            yield match.lastgroup, match[match.lastgroup]
