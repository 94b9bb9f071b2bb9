"""Whose turn it is to speak: an explicit state machine that stops the agent first and decides afterwards.

Time is the session clock in seconds, given with every call.

LISTENING       user_started -> USER_SPEAKING         agent_turn, typed, turn_ended -> THINKING
USER_SPEAKING   turn_ended (TAKE_TURN), typed -> THINKING
THINKING        agent_started -> AGENT_SPEAKING       user_started (PAUSE) -> AGENT_PAUSED
AGENT_SPEAKING  agent_finished -> LISTENING           user_started, sound_started (PAUSE) -> AGENT_PAUSED
AGENT_PAUSED    words (CANCEL, MERGE) -> USER_SPEAKING, or THINKING (TAKE_TURN) if the user has finished
                a cough, "mm-hmm", nothing (RESUME) -> THINKING or AGENT_SPEAKING, where it came from
In the last three: interrupt, nothing_said, agent_finished -> LISTENING; typed (CANCEL) -> THINKING.
"""

from __future__ import annotations

from dataclasses import dataclass

from voice_agents.turns.backchannel import is_backchannel
from voice_agents.turns.floor_terms import AGENT_STATES, TRANSITIONS, FloorAction, FloorSettings, FloorState


@dataclass(slots=True)
class _Pause:
    """What is known of the sound that made the agent pause."""

    resume_to: FloorState
    needs_words: bool
    began: float
    """When the sound that goes on now (or went on last) began."""
    stopped: float | None = None
    """When it stopped; None while it goes on."""
    sound_s: float = 0.0
    """How long the user was heard since the pause, without the sound that goes on now."""
    probed_at: float | None = None
    """When the recogniser was asked, about what was heard last."""
    turn_ended: bool = False
    doubtful: bool = False
    """Not even our voice detector has recognised it as speech so far."""


class Floor:
    """One per session. Every call takes the session clock ``at`` and returns what the engine must do, in order.

    Calls that make no sense in a state (``agent_started`` while LISTENING) raise RuntimeError; what the user does
    is welcome in every state. ``at`` never goes back, except in ``user_stopped``.
    """

    def __init__(self, settings: FloorSettings | None = None) -> None:
        self._settings = settings or FloorSettings()
        self._state = FloorState.LISTENING
        self._since = 0.0
        self._agent_spoke_s = 0.0
        self._voice = False
        self._pause: _Pause | None = None
        self._answers_user = False
        """The agent's turn answers the user; it does not only announce something."""
        self._live_probes = 0
        """Unanswered probes whose words may still take the floor."""
        self._void_probes = 0
        """Older unanswered probes: the floor was settled without them."""
        self._overruled = False
        """The agent went on while the user's voice was on: now only words stop it."""
        self._false_alarms = 0
        """Voices that made the agent pause and said nothing."""

    @property
    def state(self) -> FloorState:
        """Who has the floor now."""
        return self._state

    @property
    def wake_at(self) -> float | None:
        """When :meth:`advance` must be called at the latest; None: nothing is waited for."""
        pause = self._pause
        if pause is None or pause.doubtful:
            return None
        if pause.probed_at is None:
            return self._probe_due(pause)
        return self._give_up_due(pause)

    def advance(self, at: float) -> list[FloorAction]:
        """Time has passed: PROBE, RESUME or CANCEL (MERGE) if their time has come."""
        pause = self._pause
        if pause is None or pause.doubtful:
            return []
        if pause.probed_at is None:
            if at < self._probe_due(pause):
                return []
            if pause.stopped is None and not pause.needs_words:
                return self._user_takes_floor(at)
            pause.probed_at = at
            self._live_probes += 1
            return [FloorAction.PROBE]
        return self._resume(at, alarm=True) if at >= self._give_up_due(pause) else []

    def sound_started(self, at: float) -> list[FloorAction]:
        """A sudden sound, perhaps the user's voice (SoundStarted): PAUSE while the agent speaks."""
        if self._state is not FloorState.AGENT_SPEAKING or self._unmoved:
            return []
        actions = self._hold(at)
        assert self._pause is not None
        self._pause.doubtful = True
        return actions

    def sound_ignored(self, at: float) -> list[FloorAction]:
        """The sudden sound was nothing (SoundIgnored): RESUME if the agent has paused for it."""
        return self._resume(at, alarm=False) if self._pause is not None and self._pause.doubtful else []

    def user_started(self, at: float) -> list[FloorAction]:
        """The user's voice was noticed (VoiceStarted). PAUSE while the agent thinks or speaks."""
        self._voice, self._overruled = True, False
        if self._state is FloorState.LISTENING:
            self._go(FloorState.USER_SPEAKING, at)
        elif self._pause is not None:
            self._pause.began, self._pause.stopped = at, None
            self._pause.probed_at = None
            self._pause.turn_ended = self._pause.doubtful = False
        elif self._state is not FloorState.USER_SPEAKING and not self._unmoved:
            return self._hold(at)
        return []

    def user_stopped(self, at: float) -> list[FloorAction]:
        """The user's voice fell silent (VoiceStopped); ``at``: when its last sample arrived, may lie in the past."""
        self._voice = False
        pause = self._pause
        if pause is not None and pause.stopped is None:
            pause.stopped = at
            pause.sound_s += max(0.0, at - pause.began)
            pause.probed_at = None
        return []

    def words(self, text: str, at: float, *, answers: bool = False) -> list[FloorAction]:
        """The recogniser's hypothesis for the uncommitted speech (a partial). CANCEL or MERGE while paused, if real.

        Outside AGENT_PAUSED it decides nothing, unless only words stop the agent any more. ``answers``: they were said
        at the end of a question of the agent, so that an "okay" is real too.
        """
        decides = self._pause is not None or self._unmoved
        return self._user_takes_floor(at) if decides and self._real(text, answers) else []

    def asked(self) -> None:
        """The recogniser was asked once more, about what is left of a sound that is taken for nothing."""
        self._live_probes += 1

    def probed(self, text: str, at: float, *, answers: bool = False) -> list[FloorAction]:
        """The final words of a PROBE ("" if none or if it failed), first in, first out; ``answers`` as for ``words``.

        While paused: CANCEL or MERGE if they are real words, else RESUME unless the user speaks again. An answer that
        comes after the agent went on still counts: CANCEL (MERGE) and TAKE_TURN at once; TAKE_TURN alone if the agent
        has finished. Where the floor was settled without the PROBE nothing happens: its words belong to the user's
        turn that is under way. Raises RuntimeError without a PROBE.
        """
        if self._void_probes:
            self._void_probes -= 1
            return []
        if not self._live_probes:
            raise RuntimeError("an answer without a PROBE")
        self._live_probes -= 1
        if self._real(text, answers):
            return self._user_takes_floor(at) if self._state is not FloorState.USER_SPEAKING else []
        if self._pause is None:
            return [FloorAction.IGNORE] if self._unmoved else []
        return self._resume(at, alarm=not text.strip()) if self._answered(self._pause) else []

    def turn_ended(self, at: float) -> list[FloorAction]:
        """The endpointer's TurnEnd or a push-to-talk release. TAKE_TURN when the user has the floor.

        While AGENT_PAUSED it is remembered: TAKE_TURN follows at once should the sound turn out to be words.
        While the agent thinks or speaks it means nothing; where only words stop it any more: PROBE for them.
        """
        if self._pause is not None:
            self._pause.turn_ended = True
            return []
        if self._state not in (FloorState.LISTENING, FloorState.USER_SPEAKING):
            self._live_probes += self._unmoved
            return [FloorAction.PROBE] if self._unmoved else []
        return self._take_turn(at)

    def nothing_said(self, at: float) -> list[FloorAction]:
        """The turn that was taken held no words (THINKING -> LISTENING; from AGENT_PAUSED the user has the floor)."""
        return self.agent_finished(at)

    def typed(self, at: float) -> list[FloorAction]:
        """A typed turn: CANCEL if the agent thinks or talks; the state is THINKING afterwards."""
        actions = [FloorAction.CANCEL] if self._state in AGENT_STATES else []
        self._settle()
        self._go(FloorState.THINKING, at)
        self._answers_user = True
        return actions

    def interrupt(self, at: float) -> list[FloorAction]:
        """The stop button: CANCEL if the agent thinks or talks, else nothing. A voice that is on has the floor.

        The answer of a PROBE still counts: real words begin the user's turn.
        """
        if self._state not in AGENT_STATES:
            return []
        self._go(FloorState.USER_SPEAKING if self._voice else FloorState.LISTENING, at)
        return [FloorAction.CANCEL]

    def agent_turn(self, at: float) -> list[FloorAction]:
        """The agent speaks up by itself (a timer fired): LISTENING -> THINKING. Wait for LISTENING before the call."""
        self._expect(FloorState.LISTENING)
        self._go(FloorState.THINKING, at)
        self._answers_user = False
        return []

    def agent_started(self, at: float) -> list[FloorAction]:
        """The first audible sample of the answer is handed out (THINKING -> AGENT_SPEAKING)."""
        self._expect(FloorState.THINKING)
        self._false_alarms = max(0, self._false_alarms - 1)
        self._go(FloorState.AGENT_SPEAKING, at)
        return []

    def agent_finished(self, at: float) -> list[FloorAction]:
        """The answer was played to its end, failed, or was empty.

        In AGENT_PAUSED the sound that is not settled yet becomes a user turn (taken at once if it has ended).
        """
        self._expect(*AGENT_STATES)
        pause = self._pause
        if pause is None or pause.doubtful:
            self._go(FloorState.LISTENING, at)
        elif pause.turn_ended:
            return self._take_turn(at)
        else:
            self._go(FloorState.USER_SPEAKING, at)
        return []

    @property
    def _unmoved(self) -> bool:
        """The agent speaks, and voices no longer make it pause, only words."""
        speaking = self._state is FloorState.AGENT_SPEAKING
        return speaking and (self._overruled or self._false_alarms >= self._settings.most_false_alarms)

    def _hold(self, at: float) -> list[FloorAction]:
        settling = self._agent_spoke_s + (at - self._since) < self._settings.settling_s
        pause = _Pause(self._state, settling and self._state is FloorState.AGENT_SPEAKING, began=at)
        self._go(FloorState.AGENT_PAUSED, at)
        self._pause = pause
        return [FloorAction.PAUSE]

    def _resume(self, at: float, *, alarm: bool) -> list[FloorAction]:
        """``alarm``: for nothing, not even for an "mm-hmm"."""
        pause = self._pause
        assert pause is not None
        self._false_alarms += alarm
        self._go(pause.resume_to, at)
        self._overruled = self._voice and not pause.doubtful
        return [FloorAction.RESUME]

    def _user_takes_floor(self, at: float) -> list[FloorAction]:
        self._false_alarms = 0
        pause = self._pause
        ended = not self._voice and (pause is None or pause.turn_ended)
        heard = FloorState.AGENT_SPEAKING in (self._state, pause and pause.resume_to)
        self._settle()
        if self._state in AGENT_STATES:
            self._go(FloorState.USER_SPEAKING, at)
            actions = [FloorAction.MERGE if self._answers_user and not heard else FloorAction.CANCEL]
        else:
            actions = []
        return [*actions, *self._take_turn(at)] if ended else actions

    def _take_turn(self, at: float) -> list[FloorAction]:
        self._settle()
        self._go(FloorState.THINKING, at)
        self._answers_user = True
        return [FloorAction.TAKE_TURN]

    def _settle(self) -> None:
        """Who has the floor is known: the probes still under way decide nothing any more."""
        self._void_probes, self._live_probes = self._void_probes + self._live_probes, 0

    def _probe_due(self, pause: _Pause) -> float:
        """When the recogniser is asked (or, during a long sound, the floor is the user's without asking)."""
        if pause.stopped is not None:
            return pause.stopped + self._settings.probe_after_s
        return pause.began + max(0.0, self._settings.long_sound_s - pause.sound_s)

    def _give_up_due(self, pause: _Pause) -> float:
        start = pause.probed_at if pause.stopped is None else pause.stopped
        assert start is not None
        return start + self._settings.give_up_s

    def _answered(self, pause: _Pause) -> bool:
        """All that was heard is known: the recogniser was asked since, and nothing is unanswered."""
        return pause.probed_at is not None and self._live_probes == 0

    def _real(self, text: str, answers: bool) -> bool:
        return not is_backchannel(text, frozenset() if answers else self._settings.backchannels)

    def _expect(self, *states: FloorState) -> None:
        if self._state not in states:
            raise RuntimeError(f"not possible while {self._state.name}")

    def _go(self, state: FloorState, at: float) -> None:
        if state not in TRANSITIONS[self._state]:
            raise RuntimeError(f"{self._state.name} -> {state.name} is not a transition")
        if self._state is FloorState.AGENT_SPEAKING:
            self._agent_spoke_s += at - self._since
        self._state, self._since, self._pause = state, at, None
