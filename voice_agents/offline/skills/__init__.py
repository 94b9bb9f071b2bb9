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
    "what can you do; what can i (say | ask) [you]; help [me]",
    _help,
    ("What can you do?", "Help me."),
    typed="""what (are your skills | are you able to do | do you (know | understand) | else can you do);
        can you help [me]; (what else [do you know] | give me an example | what now);
        (what | how) (do | can | should) i (do | say | ask | try | use (you | this)) [now | you | to you]; (can | do |
        are) you [able to] (do | tell | convert | set | keep | remind [me] [of] | roll | flip) (math | maths |
        arithmetic | sums | jokes | stories | units | stuff | things | timers | notes | dice | coins);
        what [else] (are you good (at | for) | can you [do])""",
    free="""(what | which) ... (can | could | are | use) you ... (do | help | answer | assist) [me | us] [with | for
        me]; (what | which | things | questions | anything) ... (can | could | should | may | am i allowed to) i ...
        (ask | say);
        (what | which | list) ... (commands | skills | capabilities | abilities | features) ... (you | your | list);
        (what | tell me | know) ... you ... (familiar with | capable of | good at | answers for | assist me with | help
        me with);
        (what | which | kinds of | sorts of | types of) (questions | subjects | topics | stuff | things) ... you;
        (tell me | show me | explain | what | anything [else] | everything) ... you (can do | are able);
        how can (you (help | assist) | i use you)""",
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
