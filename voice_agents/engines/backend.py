"""What makes the answers of a voice conversation: the protocol of a backend, and of what a session is made."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from enum import Enum, auto
from typing import Any, Protocol

from voice_agents.audio import Pcm
from voice_agents.conversation.store import Store
from voice_agents.engines.turn import Turn
from voice_agents.tools import Notes, Timers, Toolbox
from voice_agents.turns.floor import Floor
from voice_agents.turns.vad import VoiceActivity

NO_COUGH_S = 0.8
"""A voice that was heard for so long is no noise: it said words, whether or not anybody has recognised them."""


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

    It is made with the :class:`~voice_agents.engines.session.VoiceSession` it works for, its ``host``. It learns of the
    user by :meth:`hear` and :meth:`notice` and tells the host what the floor makes of it; the floor's decisions come
    back as :meth:`probe`, :meth:`take`, :meth:`let_pass` and :meth:`cut`.
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
