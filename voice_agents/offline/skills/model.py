"""What a skill is, and what it may look at and do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voice_agents.offline.skills.phrases import Slots


@dataclass(frozen=True, slots=True)
class Say:
    """Something to be said."""

    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """A tool to be called; its result is said."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Step = Say | Use


@dataclass(frozen=True, slots=True)
class Talk:
    """The conversation before the request that is answered."""

    requests: tuple[str, ...] = ()
    """What the user said, oldest first."""
    answers: tuple[str, ...] = ()
    """What was answered, oldest first; cut where the user interrupted."""
    text: str = ""
    """What the user says now."""
    recall: Callable[[str], Any] = lambda slot: None
    """The value a slot had last in ``requests``; None if it never had one."""


Act = Callable[[Slots, Talk], Step | tuple[Step, ...]]
"""What is done about a request in a conversation."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing the offline agent can do."""

    name: str
    """Lower-case letters and underscores."""
    phrases: str
    """What can be said or typed for it, in the phrase language, with semicolons between the phrases."""
    act: Act
    examples: tuple[str, ...]
    """As a user would write them."""
    typed: str = ""
    """Phrases that are only matched against text, not listened for."""
    free: str = ""
    """Phrases that tell what is wanted wherever they stand in a text of which nothing else is understood."""
    ability: str = ""
    """Completes "I can ..."."""
    demo: bool = False
    """Its first example is shown in the page."""
