"""The words of turn-taking: who has the floor, what an engine may be told to do, and the floor's constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from voice_agents.turns.backchannel import BACKCHANNELS


class FloorState(Enum):
    """Who has the floor."""

    LISTENING = auto()
    """Nobody speaks; the agent waits."""
    USER_SPEAKING = auto()
    """The user's turn is open, also during its pauses."""
    THINKING = auto()
    """The turn was taken; nothing of the answer has been played yet."""
    AGENT_SPEAKING = auto()
    """The answer is being played."""
    AGENT_PAUSED = auto()
    """The user made a sound while the agent was thinking or speaking; output is held until we know what it was."""


class FloorAction(Enum):
    """What the engine must do now, in the order given."""

    PAUSE = auto()
    """Stop output at once (or hold the answer back if none was heard yet), but go on producing it."""
    RESUME = auto()
    """It was nothing: go on from the exact sample, drop the words heard meanwhile, reset the endpointer."""
    CANCEL = auto()
    """The agent's turn is over: stop model, voice and playout; memory keeps what was heard. What the user said to
    interrupt (also words a PROBE brings later) begins the user's next turn."""
    MERGE = auto()
    """As CANCEL, but nothing of the answer was heard yet: the turn was taken too early. Take the user's last turn out
    of memory; its words and those now being spoken are one turn."""
    PROBE = auto()
    """Commit the recogniser now, to learn what the user said; tell the answer with ``probed``."""
    TAKE_TURN = auto()
    """The user's turn is complete: get its words and answer."""
    IGNORE = auto()
    """What was heard was nothing: drop its words, reset the endpointer."""


@dataclass(frozen=True, slots=True)
class FloorSettings:
    """The floor's constants, in seconds."""

    probe_after_s: float = 0.25
    """Silence after an interrupting sound before the recogniser is asked what it was."""
    give_up_s: float = 1.2
    """Silence after an interrupting sound after which the agent goes on, whatever is still unanswered."""
    long_sound_s: float = 1.5
    """Sound without recognised words (pauses not counted) after which the user has the floor all the same: who speaks
    that long is not coughing, even if the recogniser does not know the language."""
    settling_s: float = 3.0
    """Seconds of agent speech in which the browser's echo cancellation settles (measured: about three). A sound that
    interrupts then pauses the agent too, but only words take the floor: after ``long_sound_s`` they are probed for."""
    most_false_alarms: int = 3
    """Voices without words that may make the agent pause in one turn. After that (it is its own echo, a television)
    only recognised words stop it; each turn of the agent forgives one."""
    backchannels: frozenset[str] = BACKCHANNELS


TALKING = (FloorState.AGENT_SPEAKING, FloorState.AGENT_PAUSED)
"""The agent speaks, or has just been stopped by a sound."""
AGENT_STATES = (FloorState.THINKING, FloorState.AGENT_SPEAKING, FloorState.AGENT_PAUSED)
TRANSITIONS: Mapping[FloorState, frozenset[FloorState]] = {
    FloorState.LISTENING: frozenset({FloorState.USER_SPEAKING, FloorState.THINKING}),
    FloorState.USER_SPEAKING: frozenset({FloorState.THINKING}),
    FloorState.THINKING: frozenset(FloorState),
    FloorState.AGENT_SPEAKING: frozenset(FloorState) - {FloorState.AGENT_SPEAKING},
    FloorState.AGENT_PAUSED: frozenset(FloorState) - {FloorState.AGENT_PAUSED},
}
