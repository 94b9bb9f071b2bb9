"""Whose turn it is to speak: an explicit state machine that stops the agent first and decides afterwards.

Time is the session clock in seconds, given with every call.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

BACKCHANNELS: frozenset[str] = frozenset()
"""What people say to show that they listen; it does not take the floor."""


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
    """The agent's turn is over: stop model, voice and playout; memory keeps what was heard. With the action TAKE_TURN
    or state USER_SPEAKING the sound that interrupted belongs to the user's next turn."""
    MERGE = auto()
    """As CANCEL, but nothing of the answer was heard: the turn was taken too early. Take the user's last turn out of
    memory; its words and those now being spoken are one turn."""
    PROBE = auto()
    """Commit the recogniser now, to learn what the user said; tell the answer with ``probed``."""
    TAKE_TURN = auto()
    """The user's turn is complete: get its words and answer."""


@dataclass(frozen=True, slots=True)
class FloorSettings:
    """The floor's constants."""

    probe_after_s: float = 0.25
    """Silence after an interrupting sound before the recogniser is asked what it was."""
    give_up_s: float = 1.2
    """Silence after an interrupting sound after which the agent goes on, whatever is still unanswered."""
    long_sound_s: float = 1.5
    """Sound (pauses not counted) without recognised words after which the user has the floor all the same."""
    settling_s: float = 3.0
    """The agent's first speech of the session lets the browser's echo cancellation settle: words are needed then."""
    backchannels: frozenset[str] = BACKCHANNELS


class Floor:
    """One per session. Every call takes the session clock ``at`` and returns what the engine must do, in order.

    Calls that make no sense in a state (``agent_started`` while LISTENING) raise RuntimeError; what the user does
    is welcome in every state. ``at`` never goes back, except in ``user_stopped``.
    """

    def __init__(self, settings: FloorSettings | None = None) -> None:
        raise NotImplementedError

    @property
    def state(self) -> FloorState:
        """Who has the floor now."""
        raise NotImplementedError

    @property
    def wake_at(self) -> float | None:
        """When :meth:`advance` must be called at the latest; None: nothing is waited for."""
        raise NotImplementedError

    def advance(self, at: float) -> list[FloorAction]:
        """Time has passed: PROBE, RESUME or CANCEL if their time has come."""
        raise NotImplementedError

    def user_started(self, at: float) -> list[FloorAction]:
        """The user's voice was noticed (VoiceStarted). PAUSE while the agent thinks or speaks."""
        raise NotImplementedError

    def user_stopped(self, at: float) -> list[FloorAction]:
        """The user's voice fell silent (VoiceStopped); ``at``: when its last sample arrived, may lie in the past."""
        raise NotImplementedError

    def words(self, text: str, at: float) -> list[FloorAction]:
        """The recogniser's hypothesis for the uncommitted speech (a partial). CANCEL or MERGE while paused, if real."""
        raise NotImplementedError

    def probed(self, text: str, at: float) -> list[FloorAction]:
        """The final words of a PROBE ("" if none or if it failed). CANCEL or MERGE if real words, else RESUME."""
        raise NotImplementedError

    def turn_ended(self, at: float) -> list[FloorAction]:
        """The endpointer's TurnEnd or a push-to-talk release. TAKE_TURN when the user has the floor.

        While AGENT_PAUSED it is remembered: TAKE_TURN follows at once should the sound turn out to be words.
        While the agent thinks or speaks it means nothing.
        """
        raise NotImplementedError

    def nothing_said(self, at: float) -> list[FloorAction]:
        """The turn that was taken held no words (THINKING -> LISTENING)."""
        raise NotImplementedError

    def typed(self, at: float) -> list[FloorAction]:
        """A typed turn: CANCEL if the agent thinks or talks; the state is THINKING afterwards."""
        raise NotImplementedError

    def interrupt(self, at: float) -> list[FloorAction]:
        """The stop button: CANCEL if the agent thinks or talks, else nothing."""
        raise NotImplementedError

    def agent_turn(self, at: float) -> list[FloorAction]:
        """The agent speaks up by itself (a timer fired): LISTENING -> THINKING. Wait for LISTENING before the call."""
        raise NotImplementedError

    def agent_started(self, at: float) -> list[FloorAction]:
        """The first audible sample of the answer is handed out (THINKING -> AGENT_SPEAKING)."""
        raise NotImplementedError

    def agent_finished(self, at: float) -> list[FloorAction]:
        """The answer was played to its end, failed, or was empty. The user's voice, if on, has the floor."""
        raise NotImplementedError
