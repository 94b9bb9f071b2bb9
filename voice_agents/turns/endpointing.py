"""Decides when the user's turn is over: after a silence that fits the words said and this user's own pauses.

Time is audio position: samples at 16 kHz since the session began, as counted by ``VoiceActivity.position``.
"""

from __future__ import annotations

from dataclasses import dataclass

from voice_agents.settings import TurnSettings

RATE = 16_000
"""Hz of all positions."""


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """The user's turn is over."""

    speech_end: int
    """The index just after the user's last speech sample."""
    silence_s: float
    """The silence that was asked for after it (after adaptation), in seconds."""


class Endpointer:
    """One per session. Tell it of speech and words; ask it after every piece of audio whether the turn is over.

    A turn is open from ``speech_started`` until ``advance`` returns a TurnEnd or ``cancel`` is called. In
    TurnMode.PUSH_TO_TALK ``advance`` never ends it: the engine does, with ``cancel``.
    """

    def __init__(self, turns: TurnSettings) -> None:
        raise NotImplementedError

    def configure(self, turns: TurnSettings) -> None:
        """Other patience or mode, from now on. What was learned of the user's pauses stays."""
        raise NotImplementedError

    def speech_started(self, start: int) -> None:
        """Speech began at ``start`` (VoiceStarted): opens a turn, or goes on with the open one after a pause."""
        raise NotImplementedError

    def speech_heard(self, last_speech: int) -> None:
        """Speech reached ``last_speech`` so far. Call after every feed while the user speaks, and with VoiceStopped.

        The newest value counts, even where it is lower than the one before.
        """
        raise NotImplementedError

    def partial(self, text: str) -> None:
        """All words of the open turn so far; decides whether it sounds complete."""
        raise NotImplementedError

    def advance(self, position: int) -> TurnEnd | None:
        """Audio has been received up to ``position``: the end of the turn, once, if it has come."""
        raise NotImplementedError

    def cancel(self) -> None:
        """The open turn, if any, is not to be ended here (a cough, a typed turn, push-to-talk release)."""
        raise NotImplementedError

    @property
    def silence_s(self) -> float:
        """The silence that would end the turn as things stand, in seconds."""
        raise NotImplementedError

    @property
    def deadline(self) -> int | None:
        """The position at which the open turn ends if silence goes on; None: no turn is open, or push-to-talk."""
        raise NotImplementedError
