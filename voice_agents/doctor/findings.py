"""What was found, as data, as text and as JSON; no secret gets out, whatever a sentence quotes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from voice_agents.errors import VoiceAgentError

_VARIABLE = re.compile(r"\b(?:[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+|TRANSPORT)\b")
_GIVEN_UP = "it could not be examined"


class Outcome(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    """Everything works, though not as it could."""
    FAILED = "failed"
    SKIPPED = "left out"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check."""

    name: str
    outcome: Outcome
    says: str = ""
    """One plain sentence: what was found, or what is wrong."""
    variables: tuple[str, ...] = ()
    """What to set to mend it."""
    seconds: float | None = None


def variables_in(sentence: str) -> tuple[str, ...]:
    """The names of variables a sentence holds."""
    return tuple(dict.fromkeys(_VARIABLE.findall(sentence)))


def failure(name: str, error: Exception, says: str = _GIVEN_UP) -> Finding:
    """What was raised, as a row: a sentence of ours as it is, with the variables it names; of others what it was.

    ``says``: what did not come to be.
    """
    if isinstance(error, VoiceAgentError):
        return Finding(name, Outcome.FAILED, str(error), variables_in(str(error)))
    what = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return Finding(name, Outcome.FAILED, f"{says} ({what})")


@dataclass(frozen=True, slots=True)
class Score:
    """One call; every figure is seconds unless its name says something else, None where it was not measured."""

    call: str
    steps: list[Finding]
    figures: dict[str, float | None] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """All of it. ``secrets`` never get out."""

    secrets: Iterable[str] = ()
    findings: list[Finding] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    on_finding: Callable[[str], None] = lambda _line: None
    """Gets each finding as a line of text, as soon as it is made."""

    def add(self, finding: Finding) -> Finding:
        """One more finding."""
        self.findings.append(finding)
        self.on_finding(self.clean(line(finding)))
        return finding

    def add_score(self, score: Score) -> None:
        """One more call."""
        self.scores.append(score)
        for text in score_lines(score):
            self.on_finding(self.clean(text))

    @property
    def healthy(self) -> bool:
        """Nothing failed."""
        found = [*self.findings, *(step for score in self.scores for step in score.steps)]
        return all(finding.outcome is not Outcome.FAILED for finding in found)

    @contextmanager
    def row_for(self, name: str, says: str = _GIVEN_UP) -> Iterator[None]:
        """Whatever is raised inside becomes a row of this name: an examination ends with a verdict."""
        try:
            yield
        except Exception as error:
            self.add(failure(name, error, says))

    def failed(self, *names: str) -> bool:
        """Whether a check of one of these names failed."""
        return any(found.name in names and found.outcome is Outcome.FAILED for found in self.findings)

    def as_json(self) -> str:
        """For a program."""
        told: Mapping[str, Any] = {
            "healthy": self.healthy,
            "checks": [asdict(finding) for finding in self.findings],
            "calls": [asdict(score) for score in self.scores],
        }
        return self.clean(json.dumps(told, indent=2, ensure_ascii=False))

    @property
    def verdict(self) -> str:
        """The last line for a person."""
        if self.healthy:
            return "Everything works."
        names = [found.name for found in self.findings if found.outcome is Outcome.FAILED]
        names += [score.call for score in self.scores if any(s.outcome is Outcome.FAILED for s in score.steps)]
        return f"Not everything works: {', '.join(dict.fromkeys(names))}."

    def clean(self, text: str) -> str:
        """The text without secrets."""
        for secret in sorted(set(self.secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def line(finding: Finding) -> str:
    """One check as a line of text."""
    took = "" if finding.seconds is None else f" ({finding.seconds:.2f} s)"
    mend = f" Set {' or '.join(finding.variables)}." if finding.variables else ""
    missing = any(name not in finding.says for name in finding.variables)
    return f"{finding.outcome.value:9} {finding.name}{took}: {finding.says}{mend if missing else ''}".rstrip(": ")


def score_lines(score: Score) -> list[str]:
    """One call as lines of text."""
    lines = [f"--- {score.call}", *(line(step) for step in score.steps)]
    if score.figures:
        width = max(map(len, score.figures))
        lines += [f"          {name:{width}} {_figure(value)}" for name, value in score.figures.items()]
    return lines


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
