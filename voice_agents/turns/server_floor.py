"""The floor where a server takes the turns: our own detector stops the agent at once, the server decides."""

from __future__ import annotations

from voice_agents.settings import TurnMode
from voice_agents.turns.floor import AGENT_STATES, AgentPause, Floor, FloorAction, FloorState

DECIDE_S = 0.6
"""How long after a sound that stopped the agent the server may still take it for speech."""
LONGEST_DOUBT_S = 2.5
"""Sounds that hold the agent for so long without the server taking them for speech are none: the agent goes on, and
until its turn is over only the server stops it."""
HEARD_OUT_S = 15.0
"""A server that heard the user begin, and does not take the turn so long after the user fell silent, has lost it."""
SURE_S = 0.8
"""Push-to-talk, where no server listens: a sound of this length takes the floor from the agent."""


class ServerFloor(Floor):
    """One per session; ``server_heard`` and ``taken`` are the evidence."""

    def __init__(self, mode: TurnMode = TurnMode.AUTOMATIC) -> None:
        super().__init__()
        self.mode = mode
        """In PUSH_TO_TALK our own detector decides in the server's place who has the floor."""
        self._confirmed = False
        """What the user says is the user's turn: the server (push-to-talk: the length of the sound) says so."""
        self._wake_at: float | None = None
        self._held_until = 0.0
        """When the sounds that made the agent pause have had time enough to be taken for speech."""
        self._ignores = False
        """They had, and were not: our own detector does not stop this turn of the agent's any more."""

    @property
    def confirmed(self) -> bool:
        """See :class:`Floor`."""
        return self._confirmed

    @property
    def wake_at(self) -> float | None:
        """When :meth:`advance` must be called at the latest; None: nothing is waited for."""
        return self._wake_at

    def advance(self, at: float) -> list[FloorAction]:
        """Time has passed: RESUME, or in push-to-talk CANCEL (MERGE), if its time has come.

        A voice that nobody has taken for a turn leaves the floor: LISTENING.
        """
        if self._wake_at is None or at < self._wake_at:
            return []
        if self._pause is None:
            self._go(FloorState.LISTENING, at)
            return []
        if self.mode is TurnMode.PUSH_TO_TALK and self._voice:
            return self._user_takes_floor(at)
        self._ignores = at >= self._held_until
        return self._resume(at)

    def user_started(self, at: float) -> list[FloorAction]:
        """The user's voice was noticed (VoiceStarted). PAUSE while the agent thinks or speaks."""
        self._voice = True
        actions: list[FloorAction] = []
        if self._pause is not None:
            self._pause.doubtful = False
        elif self._state is FloorState.LISTENING:
            self._go(FloorState.USER_SPEAKING, at)
        elif self._state is not FloorState.USER_SPEAKING and not self._unmoved:
            actions = self._hold(at, doubtful=False)
        self._wait(at)
        return actions

    def user_stopped(self, at: float) -> list[FloorAction]:
        """The user fell silent."""
        self._voice = False
        self._wait(at)
        return []

    def server_heard(self, at: float) -> list[FloorAction]:
        """The server takes what it hears for the user's turn (and has stopped its answer): CANCEL or MERGE."""
        return self._user_takes_floor(at)

    def taken(self, at: float) -> list[FloorAction]:
        """The user's turn is complete and to be answered; CANCEL or MERGE where the agent had the floor."""
        actions = self._user_takes_floor(at)
        self._think(at, answers_user=True)
        return actions

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
        if self._state in AGENT_STATES:
            self._rest(at)
        return []

    @property
    def _unmoved(self) -> bool:
        return self._ignores

    def _hold(self, at: float, *, doubtful: bool) -> list[FloorAction]:
        pause = AgentPause(self._state, doubtful)
        self._go(FloorState.AGENT_PAUSED, at)
        self._pause, self._held_until = pause, at + LONGEST_DOUBT_S
        self._wait(at)
        return [FloorAction.PAUSE]

    def _resume(self, at: float) -> list[FloorAction]:
        assert self._pause is not None
        self._go(self._pause.resume_to, at)
        return [FloorAction.RESUME]

    def _user_takes_floor(self, at: float) -> list[FloorAction]:
        actions = self._give_way()
        self._go(FloorState.USER_SPEAKING, at)
        self._confirmed = True
        self._wait(at)
        return actions

    def _think(self, at: float, *, answers_user: bool) -> None:
        self._go(FloorState.THINKING, at)
        self._answers_user, self._ignores = answers_user, False

    def _rest(self, at: float) -> None:
        super()._rest(at)
        self._wait(at)

    def _go(self, state: FloorState, at: float) -> None:
        self._state, self._pause, self._wake_at, self._confirmed = state, None, None, False

    def _wait(self, at: float) -> None:
        """How long what the user does may stay undecided."""
        if self._state is FloorState.USER_SPEAKING and self._confirmed:
            self._wake_at = None if self._voice else at + HEARD_OUT_S
        elif self._state is FloorState.USER_SPEAKING:
            self._wake_at = at + (LONGEST_DOUBT_S if self._voice else DECIDE_S)
        elif self._state is FloorState.AGENT_PAUSED:
            sure_s = SURE_S if self.mode is TurnMode.PUSH_TO_TALK else LONGEST_DOUBT_S
            self._wake_at = min(self._held_until, at + (sure_s if self._voice else DECIDE_S))
