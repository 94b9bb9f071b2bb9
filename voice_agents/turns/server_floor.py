"""The floor where a server takes the turns: our own detector makes the agent give way, words or the server decide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from voice_agents.settings import TurnMode
from voice_agents.turns.backchannel import is_doubtful, is_real
from voice_agents.turns.floor import AGENT_STATES, UNDECIDED, AgentPause, Floor, FloorAction, FloorState

DECIDE_S = 0.6
"""How long after a sound to which the agent gave way the server may still take it for speech."""
NOTICED_S = 1.5
"""... if it has taken notice of it: until its words are known."""
WORDS_S = 1.5
"""The words of what the server took for a turn are waited for so long; then it was one."""
LONGEST_DOUBT_S = 2.5
"""Sounds that hold the agent for so long without the server taking them for speech are none: the agent goes on, and
until its turn is over only the server stops it."""
HEARD_OUT_S = 15.0
"""A server that heard the user begin, and does not take the turn so long after the user fell silent, has lost it."""
SURE_S = 0.8
"""Push-to-talk, where no server listens: a sound of this length takes the floor from the agent."""
LONG_VOICE_S = 1.5
"""A voice that the server hears, too, takes the floor after so long: who speaks that long is not just listening."""


@dataclass(slots=True)
class _Pause(AgentPause):
    noticed: bool = False
    """The server takes it for speech."""


class ServerFloor(Floor):
    """One per session; ``server_heard``, ``taken`` and ``words`` are the evidence.

    While the agent speaks, a turn that the server takes may be a murmur: its words are waited for (:attr:`asking`), and
    only real ones end the agent's turn.
    """

    _pause: _Pause | None

    def __init__(self, mode: TurnMode = TurnMode.AUTOMATIC) -> None:
        super().__init__()
        self.mode = mode
        """In PUSH_TO_TALK our own detector decides in the server's place who has the floor."""
        self._confirmed = False
        """What the user says is the user's turn: its words or its length say so, or nobody else speaks."""
        self._asked_at: float | None = None
        """When the server took for a turn what may be a murmur; None: it has not, or that is settled."""
        self._decide_at: float | None = None
        """When a voice that the server takes no notice of, or has lost, is nothing."""
        self._held_until = 0.0
        """When the sounds to which the agent gave way have had time enough to be taken for speech."""
        self._ignores = False
        """They had, and were not: our own detector does not stop this turn of the agent's any more."""

    @property
    def confirmed(self) -> bool:
        """The server has taken what the user says now for speech."""
        return self._confirmed

    @property
    def asking(self) -> bool:
        """The server took a turn, and whether it is one depends on words that have not come."""
        return self._asked_at is not None

    @property
    def wake_at(self) -> float | None:
        """When :meth:`advance` must be called at the latest; None: nothing is waited for."""
        dues = [self._words_due, self._long_due]
        at = min([*dues, self._decide_at] if self._decide_at is not None else dues)
        return None if at == math.inf else at

    def advance(self, at: float) -> list[FloorAction]:
        """Time has passed: RESUME, CANCEL (MERGE) or TAKE_TURN, if its time has come.

        A voice that nobody has taken for a turn leaves the floor: LISTENING.
        """
        pause = self._pause
        if at >= self._words_due:
            return self._take(at)
        if pause is not None and at >= self._long_due:
            return self._user_takes_floor(at)
        if self._decide_at is None or at < self._decide_at:
            return []
        if pause is None:
            self._go(FloorState.LISTENING, at)
            return []
        self._ignores = at >= self._held_until
        return self._resume(at)

    def user_started(self, at: float, began: float | None = None) -> list[FloorAction]:
        """Our detector noticed a voice, whose first sample arrived at ``began``: the agent gives way, or holds back."""
        self._voice = True
        actions: list[FloorAction] = []
        if self._pause is not None:
            self._pause.go_on(at if began is None else began)
        elif self._state is FloorState.LISTENING:
            self._go(FloorState.USER_SPEAKING, at)
        elif self._state is not FloorState.USER_SPEAKING and not self._unmoved:
            actions = self._hold(at, doubtful=False, began=began)
        self._decide(at)
        return actions

    def _fall_silent(self, pause: AgentPause, at: float) -> list[FloorAction]:
        actions = super()._fall_silent(pause, at)
        self._decide(at)
        return actions

    def user_stopped(self, at: float) -> list[FloorAction]:
        """The user fell silent."""
        self._voice = False
        if self._pause is not None:
            self._pause.stop(at)
        self._decide(at)
        return []

    def server_heard(self, at: float) -> list[FloorAction]:
        """The server takes what it hears for speech: MERGE before anything of the answer was heard.

        While the agent speaks: DUCK (PAUSE) where our own detector heard nothing, else nothing more.
        """
        if not self._speaks:
            return self._user_takes_floor(at)
        actions = self._hold(at, doubtful=False) if self._pause is None else []
        if self._pause is not None:
            self._pause.noticed, self._pause.doubtful = True, False
        self._decide(at)
        return actions

    def server_stopped_agent(self, at: float) -> list[FloorAction]:
        """The server has broken its answer off for what it hears, though it was told not to: CANCEL."""
        return self._user_takes_floor(at) if self._state in UNDECIDED and self._speaks else []

    def taken(self, at: float, *, certain: bool = False) -> list[FloorAction]:
        """The server has taken a turn (``certain``: the user has). CANCEL or MERGE, and TAKE_TURN.

        While the agent speaks it may be a murmur: nothing happens before its words are known.
        """
        if certain or not self._speaks:
            return self._take(at)
        self._asked_at = at
        self._decide(at)
        return []

    def words(self, text: str, at: float, *, final: bool, answers: bool = False) -> list[FloorAction]:
        """Words of what the user is saying, or has said (``final``: all of them).

        CANCEL or MERGE if they are real, and TAKE_TURN if the turn was taken; RESUME (IGNORE) if they are all, and none
        are real: one word that hardly anybody interrupts with is none where the voice sounded like a murmur.
        ``answers``: they were said at the end of a question of the agent, so that an "okay" is real too.
        """
        if self._state not in AGENT_STATES and not self.asking:
            return []
        hummed = self._pause is not None and self._pause.hummed and is_doubtful(text)
        if is_real(text, answers=answers, final=final) and (answers or not hummed):
            return self._take(at) if self.asking else self._user_takes_floor(at)
        if self._pause is not None:
            self._pause.murmured = bool(text.strip())
        if not (final and self.asking):
            return []
        self._asked_at = None
        if self._pause is not None and not self._voice:
            return self._resume(at)
        return [FloorAction.IGNORE]

    def agent_turn(self, at: float) -> list[FloorAction]:
        """The agent or the server speaks up by itself; PAUSE if the user makes a sound just then."""
        self._think(at, answers_user=False)
        return self.user_started(at) if self._voice else []

    def agent_started(self, at: float) -> list[FloorAction]:
        """The first audible sample of the answer is handed out."""
        if self._state is FloorState.THINKING:
            self._go(FloorState.AGENT_SPEAKING, at)
        return []

    def agent_finished(self, at: float) -> list[FloorAction]:
        """The answer was played to its end, failed, or was empty; a voice that is on has the floor."""
        if self._state in AGENT_STATES and not self._finishes_ducked():
            self._rest(at)
        return []

    @property
    def _unmoved(self) -> bool:
        return self._ignores

    @property
    def _speaks(self) -> bool:
        """The agent speaks, or has given way and would."""
        held = self._pause is not None and self._pause.resume_to is not FloorState.THINKING
        return held or self._state is FloorState.AGENT_SPEAKING

    @property
    def _words_due(self) -> float:
        return math.inf if self._asked_at is None else self._asked_at + WORDS_S

    @property
    def _long_due(self) -> float:
        """When a voice that goes on takes the floor."""
        pause = self._pause
        if pause is None or pause.doubtful or not self._voice:
            return math.inf
        if self.mode is TurnMode.PUSH_TO_TALK:
            return pause.heard_for(SURE_S)
        return pause.heard_for(LONG_VOICE_S) if pause.noticed else math.inf

    def _hold(self, at: float, *, doubtful: bool, began: float | None = None) -> list[FloorAction]:
        pause = _Pause(self._state, at if began is None else began, doubtful)
        actions = self._give_way(pause, at)
        self._held_until = at + LONGEST_DOUBT_S
        self._decide(at)
        return actions

    def _resume(self, at: float) -> list[FloorAction]:
        assert self._pause is not None
        self._go(self._pause.resume_to, at)
        return [FloorAction.RESUME]

    def _take(self, at: float) -> list[FloorAction]:
        actions = self._user_takes_floor(at)
        self._think(at, answers_user=True)
        return [*actions, FloorAction.TAKE_TURN]

    def _user_takes_floor(self, at: float) -> list[FloorAction]:
        actions = self._end_agents_turn()
        self._go(FloorState.USER_SPEAKING, at)
        self._confirmed = True
        self._decide(at)
        return actions

    def _think(self, at: float, *, answers_user: bool) -> None:
        self._go(FloorState.THINKING, at)
        self._answers_user, self._ignores, self._asked_at = answers_user, False, None

    def _rest(self, at: float) -> None:
        super()._rest(at)
        self._decide(at)

    def _go(self, state: FloorState, at: float) -> None:
        self._state, self._pause, self._decide_at, self._confirmed = state, None, None, False

    def _decide(self, at: float) -> None:
        """How long what the user does may stay undecided."""
        pause = self._pause
        if self._state is FloorState.USER_SPEAKING and self._confirmed:
            self._decide_at = None if self._voice else at + HEARD_OUT_S
        elif self._state is FloorState.USER_SPEAKING:
            self._decide_at = at + (LONGEST_DOUBT_S if self._voice else DECIDE_S)
        elif pause is not None and pause.noticed:
            self._decide_at = None if self._voice or self.asking else at + NOTICED_S
        elif pause is not None:
            self._decide_at = min(self._held_until, at + (LONGEST_DOUBT_S if self._voice else DECIDE_S))
