"""Everything the offline agent can do, each skill declared once."""

from __future__ import annotations

from voice_agents.offline.skills import small_talk, tool_skills
from voice_agents.offline.skills.following import Follower
from voice_agents.offline.skills.model import Say, Skill, Step, Talk
from voice_agents.offline.skills.phrases import Slots
from voice_agents.offline.skills.rules import ANSWERS, PEOPLE, PLACES, RULES, TIMER_LABELS, UNITS, USUAL_UNITS
from voice_agents.offline.skills.understanding import SkillMatcher

__all__ = ["ABILITIES", "FOLLOWER", "LISTENER", "RULES", "SKILLS", "Skill", "SkillMatcher", "expected", "said_alone"]


def _help(slots: Slots, talk: Talk) -> Step:
    return Say(f"I can {', '.join(ABILITIES[:-1])}, and {ABILITIES[-1]}.")


_HELP = Skill(
    "help",
    ("what can you do", "what can i (say | ask) [you]", "help [me]"),
    _help,
    ("What can you do?", "Help me."),
    typed=(
        "what (are your skills | are you able to do | do you (know | understand) | else can you do)",
        "(how can you | can you) help [me]",
        "what [else] are you good (at | for)",
    ),
    free=(
        "what ... (can | could) you ... (do | help | answer)",
        "(what | how | which) ... (help me | help us) ... (with | [out])",
        "what (kind | sort) of (things | questions) ... you",
        "(tell me | show me | explain | what) ... you can do",
        "anything else you can do",
        "what (do | can | should) i (do | say | ask | try)",
    ),
    demo=True,
)

SKILLS: tuple[Skill, ...] = (*tool_skills.SKILLS, *small_talk.SKILLS, _HELP)

ABILITIES = tuple(skill.ability for skill in SKILLS if skill.ability)
"""What the agent can do, in the order it tells."""

LISTENER = SkillMatcher(SKILLS, RULES)
FOLLOWER = Follower(SKILLS, RULES)


def expected() -> list[str]:
    """What is likely to be said, as it is written: every example, and the examples about other things."""
    return list(dict.fromkeys((*LISTENER.likely(), *FOLLOWER.likely())))


def said_alone() -> list[str]:
    """Words that are answers by themselves."""
    return [*ANSWERS, *PLACES.split("|"), *PEOPLE.split("|"), *tuple(UNITS)[:USUAL_UNITS], *TIMER_LABELS.split("|")]
