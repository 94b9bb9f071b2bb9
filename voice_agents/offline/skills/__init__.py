"""Everything the offline agent can do, each skill declared once."""

from __future__ import annotations

from collections.abc import Sequence

from voice_agents.offline.skills import small_talk, tool_skills
from voice_agents.offline.skills.model import Say, Skill, Step, Talk, Use
from voice_agents.offline.skills.phrases import Rule, Slots, jsgf
from voice_agents.offline.skills.rules import RULES
from voice_agents.offline.skills.small_talk import GO_ON, LISTENING
from voice_agents.offline.skills.understanding import Listener, Request, Understanding

__all__ = [
    "ABILITIES",
    "GO_ON",
    "LISTENING",
    "RULES",
    "SKILLS",
    "Listener",
    "Request",
    "Say",
    "Skill",
    "Step",
    "Talk",
    "Understanding",
    "Use",
    "grammar",
]


def _help(slots: Slots, talk: Talk) -> Step:
    return Say(f"I can {', '.join(ABILITIES[:-1])}, and {ABILITIES[-1]}.")


_HELP = Skill(
    "help",
    ("what can you do", "what can i (say | ask) [you]", "help [me]"),
    _help,
    ("What can you do?", "Help me."),
    typed=(
        "what (are your skills | do you (know | understand) | else can you do)",
        "(how can you | can you) help [me]",
    ),
    demo=True,
)

SKILLS: tuple[Skill, ...] = (*tool_skills.SKILLS, *small_talk.SKILLS, _HELP)

ABILITIES = tuple(skill.ability for skill in SKILLS if skill.ability)
"""What the agent can do, in the order it tells."""


def grammar() -> str:
    """JSGF of all that can be said: a request with polite words around it, or two of the short ones at once."""
    spoken = [skill for skill in SKILLS if skill.phrases]
    requests = [Rule(f"ask_{skill.name}", " | ".join(skill.phrases)) for skill in spoken]
    tasks = _any_of([skill for skill in spoken if skill in tool_skills.SKILLS])
    talk = _any_of([skill for skill in spoken if skill not in tool_skills.SKILLS])
    short = _any_of([skill for skill in spoken if skill.joins])
    rules = (*RULES, *requests, Rule("task", tasks), Rule("talk", talk), Rule("short", short))
    return jsgf("offline_agent", "[<lead>] (<task> [for me] | <talk>) [please] | <short> and <short>", rules)


def _any_of(spoken: Sequence[Skill]) -> str:
    return " | ".join(f"<ask_{skill.name}>" for skill in spoken)
