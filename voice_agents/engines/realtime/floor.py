"""Whose turn it is to speak where a server takes the turns: our detector stops the agent at once, the server decides.

Time is the session clock in seconds, given with every call; states and actions are those of
:mod:`voice_agents.turns.floor`.

LISTENING       user_started, server_heard -> USER_SPEAKING      typed, taken, agent_turn -> THINKING
USER_SPEAKING   taken, typed, agent_turn -> THINKING             nobody takes it for a turn -> LISTENING
THINKING        agent_started -> AGENT_SPEAKING                  user_started (PAUSE) -> AGENT_PAUSED
AGENT_SPEAKING  agent_finished -> LISTENING                      user_started, sound_started (PAUSE) -> AGENT_PAUSED
AGENT_PAUSED    the server stays silent, sound_ignored (RESUME) -> where it came from
In the last three: server_heard (CANCEL, MERGE) -> USER_SPEAKING; taken (CANCEL, MERGE), typed (CANCEL) -> THINKING;
interrupt (CANCEL), agent_finished -> LISTENING (USER_SPEAKING while the user's voice is on).
"""

from __future__ import annotations

from voice_agents.settings import TurnMode
from voice_agents.turns.floor_terms import AGENT_STATES, FloorAction, FloorState

DECIDE_S = 0.6
"""How long after a sound that stopped the agent the server may still take it for speech."""
LONGEST_DOUBT_S = 2.5
"""Sounds that hold the agent for so long without the server taking them for speech are none: the agent goes on, and
until its turn is over only the server stops it."""
HEARD_OUT_S = 15.0
"""A server that heard the user begin, and does not take the turn so long after the user fell silent, has lost it."""
SURE_S = 0.8
"""Push-to-talk, where no server listens: a sound of this length takes the floor from the agent."""


class ServedFloor:
    """One per session. Every call takes the session clock ``at`` and returns what the session must do, in order."""

    def __init__(self, mode: TurnMode = TurnMode.AUTOMATIC) -> None:
        self.mode = mode
        """In PUSH_TO_TALK our own detector decides in the server's place who has the floor."""
        self._state = FloorState.LISTENING
        self._voice = False
        self._confirmed = False
        """What the user says is the user's turn: the server (push-to-talk: the length of the sound) says so."""
        self._resume_to = FloorState.THINKING
        self._doubtful = False
        """What made the agent pause has not even been recognised as speech by our own detector."""
        self._answers_user = False
        self._wake_at: float | None = None
        self._held_until = 0.0
        """When the sounds that made the agent pause have had time enough to be taken for speech."""
        self._unmoved = False
        """They had, and were not: our own detector does not stop this turn of the agent's any more."""

    @property
    def state(self) -> FloorState:
        """Who has the floor now."""
        return self._state

    @property
    def confirmed(self) -> bool:
        """What the user says now is the user's turn, not just a sound."""
        return self._confirmed

    @property
    def wake_at(self) -> float | None:
        """When :meth:`advance` must be called at the latest; None: nothing is waited for."""
        return self._wake_at

    def advance(self, at: float) -> list[FloorAction]:
        """Time has passed: RESUME, or in push-to-talk CANCEL (MERGE), if its time has come."""
        if self._wake_at is None or at < self._wake_at:
            return []
        if self._state is FloorState.AGENT_PAUSED:
            if self.mode is TurnMode.PUSH_TO_TALK and self._voice:
                return self._user_takes_floor(at)
            self._unmoved = at >= self._held_until
            self._go(self._resume_to)
            return [FloorAction.RESUME]
        self._go(FloorState.LISTENING)
        return []

    def sound_started(self, at: float) -> list[FloorAction]:
        """A sudden sound, perhaps the user's voice (SoundStarted): PAUSE while the agent speaks."""
        if self._state is not FloorState.AGENT_SPEAKING or self._unmoved:
            return []
        actions = self._pause(at)
        self._doubtful = True
        self._wait(at)
        return actions

    def sound_ignored(self, at: float) -> list[FloorAction]:
        """The sudden sound was nothing (SoundIgnored): RESUME if the agent has paused for it."""
        if not self._doubtful:
            return []
        self._go(self._resume_to)
        return [FloorAction.RESUME]

    def user_started(self, at: float) -> list[FloorAction]:
        """Our detector noticed the user's voice. PAUSE while the agent thinks or speaks."""
        self._voice, self._doubtful = True, False
        actions: list[FloorAction] = []
        if self._state is FloorState.LISTENING:
            self._go(FloorState.USER_SPEAKING)
        elif self._state in (FloorState.THINKING, FloorState.AGENT_SPEAKING) and not self._unmoved:
            actions = self._pause(at)
        self._wait(at)
        return actions

    def user_stopped(self, at: float) -> list[FloorAction]:
        """Our detector says that the user fell silent."""
        self._voice = False
        self._wait(at)
        return []

    def server_heard(self, at: float) -> list[FloorAction]:
        """The server takes what it hears for the user's turn (and has stopped its answer): CANCEL or MERGE."""
        return self._user_takes_floor(at)

    def taken(self, at: float) -> list[FloorAction]:
        """The user's turn is complete and to be answered; CANCEL or MERGE where the agent had the floor."""
        actions = self._user_takes_floor(at)
        self._think(answers_user=True)
        return actions

    def typed(self, at: float) -> list[FloorAction]:
        """A typed turn: CANCEL if the agent thinks or talks; the state is THINKING afterwards."""
        actions = [FloorAction.CANCEL] if self._state in AGENT_STATES else []
        self._think(answers_user=True)
        return actions

    def interrupt(self, at: float) -> list[FloorAction]:
        """The stop button: CANCEL if the agent thinks or talks, else nothing. A voice that is on has the floor."""
        if self._state not in AGENT_STATES:
            return []
        self._rest(at)
        return [FloorAction.CANCEL]

    def agent_turn(self, at: float) -> list[FloorAction]:
        """The agent or the server speaks up by itself; PAUSE if the user makes a sound just then."""
        self._think(answers_user=False)
        return self.user_started(at) if self._voice else []

    def agent_started(self, at: float) -> list[FloorAction]:
        """The first audible sample of the answer is handed out."""
        if self._state is FloorState.THINKING:
            self._go(FloorState.AGENT_SPEAKING)
        return []

    def agent_finished(self, at: float) -> list[FloorAction]:
        """The answer was played to its end, failed, or was empty."""
        if self._state in AGENT_STATES:
            self._rest(at)
        return []

    @property
    def _unheard(self) -> bool:
        """The agent answers the user, and nothing of the answer was heard yet."""
        speaking = FloorState.AGENT_SPEAKING
        heard = self._state is speaking or (self._state is FloorState.AGENT_PAUSED and self._resume_to is speaking)
        return self._answers_user and not heard

    def _pause(self, at: float) -> list[FloorAction]:
        self._resume_to, self._held_until = self._state, at + LONGEST_DOUBT_S
        self._go(FloorState.AGENT_PAUSED)
        return [FloorAction.PAUSE]

    def _user_takes_floor(self, at: float) -> list[FloorAction]:
        actions: list[FloorAction] = []
        if self._state in AGENT_STATES:
            actions = [FloorAction.MERGE if self._unheard else FloorAction.CANCEL]
        self._go(FloorState.USER_SPEAKING)
        self._confirmed = True
        self._wait(at)
        return actions

    def _think(self, *, answers_user: bool) -> None:
        self._go(FloorState.THINKING)
        self._answers_user, self._unmoved = answers_user, False

    def _rest(self, at: float) -> None:
        self._go(FloorState.USER_SPEAKING if self._voice else FloorState.LISTENING)
        self._wait(at)

    def _go(self, state: FloorState) -> None:
        self._state, self._wake_at, self._confirmed, self._doubtful = state, None, False, False

    def _wait(self, at: float) -> None:
        """How long what the user does may stay undecided."""
        if self._state is FloorState.USER_SPEAKING and self._confirmed:
            self._wake_at = None if self._voice else at + HEARD_OUT_S
        elif self._state is FloorState.USER_SPEAKING:
            self._wake_at = at + (LONGEST_DOUBT_S if self._voice else DECIDE_S)
        elif self._state is FloorState.AGENT_PAUSED:
            sure_s = SURE_S if self.mode is TurnMode.PUSH_TO_TALK else LONGEST_DOUBT_S
            self._wake_at = min(self._held_until, at + (sure_s if self._voice else DECIDE_S))
