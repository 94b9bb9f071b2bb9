"""Whose turn it is to speak: one state machine that makes the agent give way first and decides afterwards.

Time is the session clock in seconds, given with every call. What decides is the evidence, and there are two kinds:
recognised words (:mod:`voice_agents.turns.words_floor`) or what a server says (:mod:`voice_agents.turns.server_floor`).

LISTENING       user_started -> USER_SPEAKING                     typed, agent_turn, the turn is taken -> THINKING
USER_SPEAKING   the turn is taken, typed -> THINKING              nobody takes it for a turn -> LISTENING
THINKING        agent_started -> AGENT_SPEAKING                   user_started (PAUSE) -> AGENT_PAUSED
AGENT_SPEAKING  agent_finished -> LISTENING                       user_started, sound_started (DUCK) -> AGENT_DUCKED
AGENT_DUCKED    the voice goes on (PAUSE) -> AGENT_PAUSED         else as there; an agent that finishes stays here
AGENT_PAUSED    it was a sentence (CANCEL, MERGE) -> USER_SPEAKING, or THINKING if it is complete
                it was nothing (RESUME) -> THINKING or AGENT_SPEAKING, where it came from, or LISTENING
In the last four: typed (CANCEL) -> THINKING; interrupt (CANCEL), agent_finished -> LISTENING, or USER_SPEAKING where
the user has something to say.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from voice_agents.settings import Interruptions


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
    AGENT_DUCKED = auto()
    """The user made a sound while the agent was speaking; it speaks on more quietly until we know what it was."""
    AGENT_PAUSED = auto()
    """The user made a sound while the agent was thinking, or a voice goes on while it was speaking; output is held
    until we know what it was."""


class FloorAction(Enum):
    """What the engine must do now, in the order given."""

    DUCK = auto()
    """Speak on more quietly, at once."""
    PAUSE = auto()
    """Stop output at once (or hold the answer back if none was heard yet), but go on producing it."""
    RESUME = auto()
    """It was nothing: go on from the exact sample, as loud as before; drop the words heard meanwhile, reset the
    endpointer."""
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


UNDECIDED = (FloorState.AGENT_DUCKED, FloorState.AGENT_PAUSED)
"""The agent gives way to a sound, and nobody knows yet what it was."""
TALKING = (FloorState.AGENT_SPEAKING, *UNDECIDED)
AGENT_STATES = (FloorState.THINKING, *TALKING)


LOOKS = ((0.22, 2.0), (0.25, 1.5), (0.28, 0.8), (0.31, 0.4), (0.35, 0.0), (0.39, -0.2), (0.44, -0.2), (0.49, -0.2))
"""A voice that goes on for so long while the agent speaks silences it if it sounds so much like the beginning of a
sentence (:mod:`voice_agents.turns.prosody`): seconds, and the logarithm of the odds."""
WORD, SOFT_WORD, MURMUR = -0.45, 0.8, -0.7
"""... and so does one that has fallen silent again, if the odds that it was a word are so, or so where it was soft, as
murmurs are; below the third it surely was one."""
MURMUR_S = 0.65
"""... of a voice that sounds like a murmur, is as soft as one, or of which the words so far are one: "mm-hmm" and
"yeah" are over by then, "yeah, but" is not."""


@dataclass(slots=True)
class AgentPause:
    """What is known of the sound to which the agent gives way."""

    resume_to: FloorState
    began: float
    """When the sound that goes on now (or went on last) began."""
    doubtful: bool = False
    """Not even our voice detector has recognised it as speech so far."""
    murmured: bool = False
    """The words so far only show that one listens."""
    stopped: float | None = None
    """When the sound stopped; None while it goes on."""
    sound_s: float = 0.0
    """How long the user was heard since the agent gave way, without the sound that goes on now."""
    judged: int = 0
    """How many of the :data:`LOOKS` were taken, and it was no sentence."""
    word_judged: bool = False
    """It was asked whether what is over was a word, and it was none."""
    hummed: bool = False
    """By its sound it was clearly a murmur, as a whole."""

    def go_on(self, began: float) -> None:
        """A voice is heard since then."""
        self.began, self.stopped, self.doubtful, self.word_judged, self.hummed = began, None, False, False, False

    def stop(self, at: float) -> None:
        """It fell silent then."""
        if self.stopped is None:
            self.stopped = at
            self.sound_s += max(0.0, at - self.began)

    def heard_for(self, seconds: float) -> float:
        """When the voice that goes on now will have been heard for so long altogether."""
        return self.began + max(0.0, seconds - self.sound_s)


class Floor(ABC):
    """One per session. Every call takes the session clock ``at`` and returns what the session must do, in order.

    What the user does is welcome in every state.
    """

    def __init__(self) -> None:
        self._state = FloorState.LISTENING
        self._voice = False
        """The user's voice is on."""
        self._answers_user = False
        """The agent's turn answers the user; it does not only announce something."""
        self._pause: AgentPause | None = None
        """Known while AGENT_DUCKED and AGENT_PAUSED."""
        self.interruptions = Interruptions.NORMAL

    @property
    def state(self) -> FloorState:
        """Who has the floor now."""
        return self._state

    @property
    def confirmed(self) -> bool:
        """What the user says now is the user's turn for certain, not just a sound."""
        return False

    @property
    @abstractmethod
    def wake_at(self) -> float | None:
        """When :meth:`advance` must be called at the latest; None: nothing is waited for."""

    @abstractmethod
    def advance(self, at: float) -> list[FloorAction]:
        """Time has passed: what is due by it, if anything."""

    @abstractmethod
    def user_started(self, at: float, began: float | None = None) -> list[FloorAction]:
        """The user's voice was noticed (VoiceStarted). PAUSE while the agent thinks, DUCK while it speaks.

        ``began``: when its first sample arrived, if that is known.
        """

    @abstractmethod
    def user_stopped(self, at: float) -> list[FloorAction]:
        """The user's voice fell silent (VoiceStopped); ``at``: when its last sample arrived, may lie in the past."""

    def voice_goes_on(
        self, until: float, at: float, *, odds: Callable[[], float] = lambda: math.inf, soft: bool = False
    ) -> list[FloorAction]:
        """The user is heard, at least until then: PAUSE after the first of :data:`LOOKS` to :data:`MURMUR_S`.

        ``odds``: the logarithm of those that it begins a sentence, by its sound so far; asked for when it is needed.
        ``soft``: it is clearly softer than the user's turns, as murmurs are. An agent that has finished meanwhile
        leaves the floor to the voice.
        """
        pause = self._pause
        if pause is None or pause.stopped is not None or not self._gives_way_to_voices:
            return []
        pause.word_judged = pause.hummed = False
        return self._fall_silent(pause, at) if self._is_no_murmur(pause, until, odds, soft) else []

    def voice_faded(
        self, at: float, *, odds: Callable[[], float] = lambda: -math.inf, soft: bool = False
    ) -> list[FloorAction]:
        """The user has been silent for a moment, and was heard shortly: PAUSE if that was rather a word than a murmur.

        ``odds``: the logarithm of those, by its sound; asked for once. ``soft``: as for :meth:`voice_goes_on`.
        """
        pause = self._pause
        if pause is None or pause.word_judged or pause.murmured or not self._gives_way_to_voices:
            return []
        pause.word_judged, likely = True, odds()
        pause.hummed = likely < MURMUR
        return self._fall_silent(pause, at) if likely > (SOFT_WORD if soft else WORD) else []

    @property
    def _gives_way_to_voices(self) -> bool:
        """A voice, and no mere sound, has made the agent quieter, and may silence it."""
        ducked = self._state is FloorState.AGENT_DUCKED and self._pause is not None and not self._pause.doubtful
        return ducked and self.interruptions is not Interruptions.WORDS_ONLY

    def _fall_silent(self, pause: AgentPause, at: float) -> list[FloorAction]:
        if pause.resume_to is FloorState.LISTENING:
            self._go(FloorState.USER_SPEAKING, at)
            return []
        self._go(FloorState.AGENT_PAUSED, at)
        self._pause = pause
        return [FloorAction.PAUSE]

    def _is_no_murmur(self, pause: AgentPause, until: float, odds: Callable[[], float], soft: bool) -> bool:
        """A voice that is heard until then is taken for somebody who wants to speak."""
        if until >= pause.heard_for(MURMUR_S):
            return True
        if pause.murmured or soft:
            return False
        passed = sum(until >= pause.heard_for(after_s) for after_s, _ in LOOKS)
        if passed <= pause.judged:
            return False
        pause.judged = passed
        return odds() > LOOKS[passed - 1][1]

    def sound_started(self, at: float) -> list[FloorAction]:
        """A sudden sound, perhaps the user's voice (SoundStarted): DUCK while the agent speaks."""
        if self._state is not FloorState.AGENT_SPEAKING or self._unmoved:
            return []
        return self._hold(at, doubtful=True)

    def sound_ignored(self, at: float) -> list[FloorAction]:
        """The sudden sound was nothing (SoundIgnored): RESUME if the agent has paused for it."""
        pause = self._pause
        return self._resume(at) if pause is not None and pause.doubtful else []

    def typed(self, at: float) -> list[FloorAction]:
        """A typed turn: CANCEL if the agent thinks or talks; the state is THINKING afterwards."""
        actions = [FloorAction.CANCEL] if self._state in AGENT_STATES else []
        self._think(at, answers_user=True)
        return actions

    def interrupt(self, at: float) -> list[FloorAction]:
        """The stop button: CANCEL if the agent thinks or talks, else nothing. A voice that is on has the floor."""
        if self._state not in AGENT_STATES:
            return []
        self._rest(at)
        return [FloorAction.CANCEL]

    @abstractmethod
    def agent_turn(self, at: float) -> list[FloorAction]:
        """The agent speaks up by itself (a timer fired): THINKING. Wait for LISTENING before the call."""

    @abstractmethod
    def agent_started(self, at: float) -> list[FloorAction]:
        """The first audible sample of the answer is handed out (THINKING -> AGENT_SPEAKING)."""

    @abstractmethod
    def agent_finished(self, at: float) -> list[FloorAction]:
        """The answer was played to its end, failed, or was empty."""

    def nothing_said(self, at: float) -> list[FloorAction]:
        """The turn that was taken held no words (THINKING -> LISTENING; from AGENT_PAUSED the user has the floor)."""
        return self.agent_finished(at)

    @property
    @abstractmethod
    def _unmoved(self) -> bool:
        """Voices do not make the agent give way any more."""

    @abstractmethod
    def _hold(self, at: float, *, doubtful: bool, began: float | None = None) -> list[FloorAction]:
        """DUCK or PAUSE until it is known what the sound was."""

    def _give_way(self, pause: AgentPause, at: float) -> list[FloorAction]:
        """DUCK what is heard, or PAUSE: what is not heard yet is held back at once."""
        ducks = self._state is FloorState.AGENT_SPEAKING and self.interruptions is not Interruptions.SENSITIVE
        self._go(FloorState.AGENT_DUCKED if ducks else FloorState.AGENT_PAUSED, at)
        self._pause = pause
        return [FloorAction.DUCK if ducks else FloorAction.PAUSE]

    def _finishes_ducked(self) -> bool:
        """Whether the agent that has finished had given way to a voice: what that says is found out all the same."""
        pause = self._pause
        if self._state is not FloorState.AGENT_DUCKED or pause is None or pause.doubtful:
            return False
        pause.resume_to = FloorState.LISTENING
        return True

    @abstractmethod
    def _resume(self, at: float) -> list[FloorAction]:
        """RESUME: it was nothing."""

    @abstractmethod
    def _think(self, at: float, *, answers_user: bool) -> None:
        """The agent's turn begins."""

    @abstractmethod
    def _go(self, state: FloorState, at: float) -> None:
        """Who has the floor has changed."""

    def _rest(self, at: float) -> None:
        """The agent's turn is over."""
        self._go(FloorState.USER_SPEAKING if self._voice else FloorState.LISTENING, at)

    def _end_agents_turn(self) -> list[FloorAction]:
        """How the agent's turn ends when the user takes the floor, if it has one."""
        if self._state not in AGENT_STATES:
            return []
        heard = FloorState.THINKING not in (self._state, self._pause and self._pause.resume_to)
        return [FloorAction.MERGE if self._answers_user and not heard else FloorAction.CANCEL]
