"""The floor where recognised words decide: a sound makes the agent give way, words that are no murmur end its turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voice_agents.settings import Interruptions
from voice_agents.turns.backchannel import BACKCHANNELS, is_real
from voice_agents.turns.floor import AGENT_STATES, AgentPause, Floor, FloorAction, FloorState


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
    interrupts then makes the agent give way too, but only words take the floor: they are probed for after
    ``long_sound_s``."""
    most_false_alarms: int = 3
    """Voices without words that may make the agent give way in one turn. After that (it is its own echo, a television)
    only recognised words stop it; each turn of the agent forgives one."""
    backchannels: frozenset[str] = BACKCHANNELS


_TRANSITIONS: Mapping[FloorState, frozenset[FloorState]] = {
    FloorState.LISTENING: frozenset({FloorState.USER_SPEAKING, FloorState.THINKING}),
    FloorState.USER_SPEAKING: frozenset({FloorState.THINKING}),
    FloorState.THINKING: frozenset(FloorState),
    FloorState.AGENT_SPEAKING: frozenset(FloorState) - {FloorState.AGENT_SPEAKING},
    FloorState.AGENT_DUCKED: frozenset(FloorState) - {FloorState.AGENT_DUCKED},
    FloorState.AGENT_PAUSED: frozenset(FloorState) - {FloorState.AGENT_PAUSED},
}


@dataclass(slots=True)
class _WordsPause(AgentPause):
    needs_words: bool = False
    probed_at: float | None = None
    """When the recogniser was asked, about what was heard last."""
    turn_ended: bool = False


class WordsFloor(Floor):
    """One per session. ``at`` never goes back, except in ``user_stopped``.

    Calls that make no sense in a state (``agent_started`` while LISTENING) raise RuntimeError.
    """

    _pause: _WordsPause | None

    def __init__(self, settings: FloorSettings | None = None) -> None:
        super().__init__()
        self._settings = settings or FloorSettings()
        self._since = 0.0
        self._agent_spoke_s = 0.0
        self._live_probes = 0
        """Unanswered probes whose words may still take the floor."""
        self._void_probes = 0
        """Older unanswered probes: the floor was settled without them."""
        self._overruled = False
        """The agent went on while the user's voice was on: now only words stop it."""
        self._false_alarms = 0
        """Voices that made the agent give way and said nothing."""

    @property
    def wake_at(self) -> float | None:
        """When :meth:`advance` must be called at the latest; None: nothing is waited for."""
        pause = self._pause
        if pause is None or pause.doubtful:
            return None
        return self._probe_due(pause) if pause.probed_at is None else self._give_up_due(pause)

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
        return self._false_alarm(at) if at >= self._give_up_due(pause) else []

    def user_started(self, at: float, began: float | None = None) -> list[FloorAction]:
        """Our detector noticed a voice, whose first sample came at ``began``: a turn begins, or the agent gives way."""
        began = at if began is None else began
        self._voice, self._overruled = True, False
        if self._state is FloorState.LISTENING:
            self._go(FloorState.USER_SPEAKING, at)
        elif (pause := self._pause) is not None:
            pause.go_on(began)
            pause.probed_at, pause.turn_ended = None, False
        elif self._state is not FloorState.USER_SPEAKING and not self._unmoved:
            return self._hold(at, doubtful=False, began=began)
        return []

    def user_stopped(self, at: float) -> list[FloorAction]:
        """The user's voice fell silent (VoiceStopped); ``at``: when its last sample arrived, may lie in the past."""
        self._voice = False
        pause = self._pause
        if pause is not None and pause.stopped is None:
            pause.stop(at)
            pause.probed_at = None
        return []

    def words(self, text: str, at: float, *, answers: bool = False) -> list[FloorAction]:
        """The recogniser's hypothesis for the uncommitted speech (a partial). CANCEL or MERGE if real.

        Where nothing is undecided it decides nothing, unless only words stop the agent any more. ``answers``: they
        were said at the end of a question of the agent, so that an "okay" is real too.
        """
        decides = self._pause is not None or self._unmoved
        if self._pause is not None:
            self._pause.murmured = bool(text.strip())
        real = is_real(text, self._settings.backchannels, answers=answers, final=False)
        return self._user_takes_floor(at) if decides and real else []

    def asked(self) -> None:
        """The recogniser was asked once more, about what is left of a sound that is taken for nothing."""
        self._live_probes += 1

    def probed(self, text: str, at: float, *, answers: bool = False) -> list[FloorAction]:
        """The final words of a PROBE ("" if none or if it failed), first in, first out; ``answers`` as for ``words``.

        While undecided: CANCEL or MERGE if they are real words, else RESUME unless the user speaks again. An answer
        that comes after the agent went on still counts: CANCEL (MERGE) and TAKE_TURN at once; TAKE_TURN alone if the
        agent has finished. Where the floor was settled without the PROBE nothing happens: its words belong to the
        user's turn that is under way. Raises RuntimeError without a PROBE.
        """
        if self._void_probes:
            self._void_probes -= 1
            return []
        if not self._live_probes:
            raise RuntimeError("an answer without a PROBE")
        self._live_probes -= 1
        if is_real(text, self._settings.backchannels, answers=answers):
            return self._user_takes_floor(at) if self._state is not FloorState.USER_SPEAKING else []
        if self._pause is None:
            return [FloorAction.IGNORE] if self._unmoved else []
        if not self._answered(self._pause):
            return []
        return self._resume(at) if text.strip() else self._false_alarm(at)

    def turn_ended(self, at: float) -> list[FloorAction]:
        """The endpointer's TurnEnd or a push-to-talk release. TAKE_TURN when the user has the floor.

        While undecided it is remembered: TAKE_TURN follows at once should the sound turn out to be words.
        While the agent thinks or speaks it means nothing; where only words stop it any more: PROBE for them.
        """
        if self._pause is not None:
            self._pause.turn_ended = True
            return []
        if self._state not in (FloorState.LISTENING, FloorState.USER_SPEAKING):
            self._live_probes += self._unmoved
            return [FloorAction.PROBE] if self._unmoved else []
        return self._take_turn(at)

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

        While AGENT_PAUSED the sound that is not settled yet becomes a user turn (taken at once if it has ended).
        """
        self._expect(*AGENT_STATES)
        pause = self._pause
        if self._finishes_ducked():
            return []
        if pause is None or pause.doubtful:
            self._go(FloorState.LISTENING, at)
        elif pause.turn_ended:
            return self._take_turn(at)
        else:
            self._go(FloorState.USER_SPEAKING, at)
        return []

    @property
    def _unmoved(self) -> bool:
        """The agent speaks, and voices no longer make it give way, only words."""
        speaking = self._state is FloorState.AGENT_SPEAKING
        return speaking and (self._overruled or self._false_alarms >= self._settings.most_false_alarms)

    def _hold(self, at: float, *, doubtful: bool, began: float | None = None) -> list[FloorAction]:
        settling = self._agent_spoke_s + (at - self._since) < self._settings.settling_s
        words_only = settling or self.interruptions is Interruptions.WORDS_ONLY
        needs_words = words_only and self._state is FloorState.AGENT_SPEAKING
        return self._give_way(
            _WordsPause(self._state, at if began is None else began, doubtful, needs_words=needs_words), at
        )

    def _resume(self, at: float) -> list[FloorAction]:
        pause = self._pause
        assert pause is not None
        self._go(pause.resume_to, at)
        self._overruled = self._voice and not pause.doubtful
        return [FloorAction.RESUME]

    def _false_alarm(self, at: float) -> list[FloorAction]:
        """It was not even an "mm-hmm"."""
        self._false_alarms += 1
        return self._resume(at)

    def _user_takes_floor(self, at: float) -> list[FloorAction]:
        self._false_alarms = 0
        ended = not self._voice and (self._pause is None or self._pause.turn_ended)
        actions = self._end_agents_turn()
        self._settle()
        if actions:
            self._go(FloorState.USER_SPEAKING, at)
        return [*actions, *self._take_turn(at)] if ended else actions

    def _take_turn(self, at: float) -> list[FloorAction]:
        self._think(at, answers_user=True)
        return [FloorAction.TAKE_TURN]

    def _think(self, at: float, *, answers_user: bool) -> None:
        self._settle()
        self._go(FloorState.THINKING, at)
        self._answers_user = answers_user

    def _settle(self) -> None:
        """Who has the floor is known: the probes still under way decide nothing any more."""
        self._void_probes, self._live_probes = self._void_probes + self._live_probes, 0

    def _probe_due(self, pause: _WordsPause) -> float:
        """When the recogniser is asked (or, during a long sound, the floor is the user's without asking)."""
        if pause.stopped is not None:
            return pause.stopped + self._settings.probe_after_s
        return pause.heard_for(self._settings.long_sound_s)

    def _give_up_due(self, pause: _WordsPause) -> float:
        start = pause.probed_at if pause.stopped is None else pause.stopped
        assert start is not None
        return start + self._settings.give_up_s

    def _answered(self, pause: _WordsPause) -> bool:
        """All that was heard is known: the recogniser was asked since, and nothing is unanswered."""
        return pause.probed_at is not None and self._live_probes == 0

    def _expect(self, *states: FloorState) -> None:
        if self._state not in states:
            raise RuntimeError(f"not possible while {self._state.name}")

    def _go(self, state: FloorState, at: float) -> None:
        if state not in _TRANSITIONS[self._state]:
            raise RuntimeError(f"{self._state.name} -> {state.name} is not a transition")
        if self._state in (FloorState.AGENT_SPEAKING, FloorState.AGENT_DUCKED):
            self._agent_spoke_s += at - self._since
        self._state, self._since, self._pause = state, at, None
