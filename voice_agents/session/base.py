"""What a session is to its callers, a conversation in and events out; and what a backend in it has to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from enum import Enum, auto
from types import TracebackType
from typing import Any, Protocol, Self

from voice_agents.audio import Pcm
from voice_agents.conversation.messages import whole
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store
from voice_agents.errors import InvalidInput
from voice_agents.events import Event
from voice_agents.session.turn import Turn
from voice_agents.settings import TurnSettings
from voice_agents.tools import Notes, Timers, Toolbox
from voice_agents.turns.floor import Floor
from voice_agents.turns.vad import VoiceActivity

OUTPUT_RATE = 24_000
"""Hz of AgentAudio from every engine."""
MAX_TEXT = 4000
"""Characters a typed turn may have."""
NO_COUGH_S = 0.8
"""A voice that was heard for so long is no noise: it said words, whether or not anybody has recognised them."""


def checked_text(text: str) -> str:
    """A typed turn without outer white space, with nothing in it that cannot be stored.

    Raises InvalidInput when nothing is left or it is too long.
    """
    text = whole(text.strip())
    if not text:
        raise InvalidInput("There is nothing to send: type something first.")
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"This text has {len(text)} characters; at most {MAX_TEXT} fit into one turn.")
    return text


class Session(Protocol):
    """One live conversation. Enter it, push audio, iterate its events; leaving ends every socket and task.

    Iterate from one task only. The iteration ends when the session is closed.
    """

    conversation: Conversation
    input_rate: int
    """Hz that :meth:`push_audio` expects."""
    output_rate: int
    """Hz of :class:`AgentAudio`."""

    @property
    def epoch(self) -> int:
        """Counts up whenever audio already handed out became stale; drop AgentAudio whose epoch is lower."""

    @property
    def busy(self) -> bool:
        """The agent will speak up by itself: a timer is running, or has fired and waits for a pause."""

    @property
    def heard_so_far(self) -> str:
        """The words of the answer that is being spoken which were played until now; "" while nothing is spoken."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def push_audio(self, pcm: Pcm) -> None:
        """The microphone's next samples, int16 mono at ``input_rate``, any length. Never blocks.

        Raises InvalidInput for anything that is not one-dimensional int16.
        """

    def send_text(self, text: str) -> None:
        """A typed turn; interrupts like speech does. Raises InvalidInput when empty or longer than 4000 characters."""

    def end_turn(self) -> None:
        """Push-to-talk release: the user's turn ends now."""

    def interrupt(self) -> None:
        """Stop talking now; nothing happens when the agent is silent."""

    def set_turns(self, turns: TurnSettings) -> None:
        """Change patience, mode or the server's detector, at once: for what the user is saying too."""

    def set_voice(self, voice: str) -> None:
        """Change the agent's voice, from its next answer on."""

    def set_speaking(self, speaking: bool) -> None:
        """Whether answers are spoken (as at first) or, where nobody listens, only written; from the next one on."""

    def set_reporting(self, reporting: bool, late_s: float = 0.0) -> None:
        """Whether whoever plays the sound reports by :meth:`played` how far it is; at first nobody does.

        ``late_s``: who does not is known to play it so much later than it is told, and falls silent when it is told.
        """

    def played(self, turn: int, epoch: int, position: int) -> None:
        """Of the AgentAudio of this turn and epoch, all samples before ``position`` have sounded.

        Words are taken as heard by it. After AgentPaused the word about the epoch before says where the sound really
        stopped, and the answer goes on from there. A word about anything else is too late and changes nothing.
        """

    def __aiter__(self) -> AsyncIterator[Event]: ...


class SessionParts(Protocol):
    """Makes the parts of one session; what it holds itself is shared by all sessions."""

    @property
    def store(self) -> Store:
        """Where conversations are kept."""

    def toolbox(self, timers: Timers, notes: Notes) -> Toolbox:
        """The tools of a session that owns ``timers`` and whose user owns ``notes``."""

    def voice_activity(self) -> VoiceActivity:
        """A voice detector."""


class UserSign(Enum):
    """What our own ear makes of the user."""

    STARTED = auto()
    """A voice is heard."""
    STOPPED = auto()
    """It fell silent."""
    PAUSED = auto()
    """It has been silent for a moment, within a turn: perhaps that was all."""
    WENT_ON = auto()
    """It was not."""
    FINISHED = auto()
    """The silence that ends the user's turn is over."""
    RELEASED = auto()
    """The user has let go of the button."""


class Backend(Protocol):
    """One session's way from the user's turn to the agent's words and sound.

    It is made with the :class:`~voice_agents.session.voice_session.VoiceSession` it works for, its ``host``. It learns
    of the user by :meth:`hear` and :meth:`notice` and tells the host what the floor makes of it; the floor's decisions
    come back as :meth:`probe`, :meth:`take`, :meth:`let_pass` and :meth:`cut`.
    """

    name: str
    """By which turns are remembered."""
    input_rate: int
    """Hz of what it hears."""
    ends_turns: bool
    """A turn of the user is ended by silence on our side, not by a server."""
    begins_early: bool
    """It can begin an answer before it is certain that the user has finished."""
    last_words_s: float
    """How long the words said last are waited for when the session is left."""
    certain: bool
    """What is written of an answer need not be held back until it is heard."""

    @property
    def floor(self) -> Floor:
        """Who may speak, by this backend's evidence."""

    async def open(self) -> None:
        """Begin to connect."""

    def closings(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What closes the connections, first of all the one that words are still waited for from."""

    @property
    def can_speak(self) -> bool:
        """An announcement would be spoken if it were made now."""

    def hear(self, raw: Pcm, pcm: Pcm) -> None:
        """The microphone's next samples, at the input rate and at 16 kHz."""

    def notice(self, sign: UserSign, *, voice_s: float = 0.0) -> None:
        """``voice_s``: how long the voice was heard that fell silent. What is no evidence to it passes by."""

    def probe(self) -> None:
        """Find out what was said so far, and tell the floor."""

    def take(self, turn: Turn) -> None:
        """The user's words are complete: ask for those of ``turn``, which was the coming one."""

    def let_pass(self) -> None:
        """The agent goes on: what was said is nothing as far as it is known."""

    def unclaimed(self, *, murmured: bool, leaving: bool = False) -> None:
        """Nobody will take what the user was saying: keep it, if it was something."""

    def answer(self, turn: Turn) -> None:
        """Make the answer: steps of the turn, sound for the speaker."""

    def awaited(self, turn: Turn) -> str | None:
        """Who keeps the user of this turn waiting, as a sentence; None when nobody does, or when it is told."""

    def cut(self, turn: Turn, position: int) -> None:
        """The answer is over, heard up to ``position`` (0: it is taken back): make no more of it."""

    def played(self, turn: Turn) -> None:
        """The answer was played to its end."""

    def configure(self, *, voice: str | None = None, speaking: bool | None = None) -> None:
        """The host's ``turns`` are others now; or the voice is, or whether answers are spoken, from the next one on."""
