"""Decides when the user's turn is over: after a silence that fits the words said and this user's own pauses.

Time is audio position: samples at 16 kHz since the session began, as counted by ``VoiceActivity.position``.
"""

from __future__ import annotations

from dataclasses import dataclass

from voice_agents.settings import Speculation, TurnMode, TurnSettings
from voice_agents.turns.completeness import Completeness, completeness
from voice_agents.turns.tongue import ENGLISH, language_of

RATE = 16_000
"""Hz of all positions."""

_FACTORS = {Completeness.COMPLETE: 0.6, Completeness.UNKNOWN: 1.0, Completeness.OPEN: 1.6}
"""What the words do to the patience."""
_FACTORS_BEGUN_EARLY = {Completeness.COMPLETE: 0.6, Completeness.UNKNOWN: 2.0, Completeness.OPEN: 2.0}
"""... where answers are begun early: patience then costs little, and who is interrupted in a thought loses it."""
_SHORTEST_S = 0.3
"""Complete words do not shorten the silence below this: people breathe."""
_QUICK_RESUME_S = 1.0
"""Who speaks again so soon after a turn was taken had not finished: that silence was a pause."""
_MARGIN = 1.2
"""A learned pause is waited for with this margin ..."""
_LONGEST_FACTOR = 1.6
"""... but no longer than so many times the patience."""
_LONGEST_FACTOR_BEGUN_EARLY = 2.0
_TELLING_WORDS = 4
"""So many words tell in which language somebody speaks."""
_LEARN, _FORGET = 0.5, 0.1
"""Shares of a longer pause that are learned at once, and of the learned that a turn without such a pause takes away."""


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

    The silence asked for is ``TurnSettings.silence_s``. With ``adaptive`` it is 0.6 times that (but 0.3 s) when the
    words are clearly complete, 1.6 times when they clearly are not, and long enough for the pauses that this user
    was found to make within turns (at most 1.6 times). Where answers are begun early it is twice the patience when they
    are not clearly complete, and at most twice for this user's pauses.
    """

    def __init__(self, turns: TurnSettings) -> None:
        self._turns = turns
        self._last_speech: int | None = None
        """None: no turn is open."""
        self._completeness = Completeness.UNKNOWN
        self._tongue = ENGLISH
        """What this user has spoken last, where no language is set."""
        self._pause_s = 0.0
        """The pause within turns that this user was found to make."""
        self._paused_in_turn = False
        self._ended: tuple[TurnEnd, int] | None = None
        """The last turn's end and the position at which it was decided."""

    def configure(self, turns: TurnSettings) -> None:
        """Other patience or mode, from now on. What was learned of the user's pauses stays."""
        self._turns = turns

    def speech_started(self, start: int) -> None:
        """Speech began at ``start`` (VoiceStarted): opens a turn, or goes on with the open one after a pause."""
        if self._last_speech is not None:
            self._learn((start - self._last_speech) / RATE)
            self._last_speech = max(start, self._last_speech)
            return
        if self._ended is not None:
            end, decided = self._ended
            if start - decided <= _QUICK_RESUME_S * RATE:
                self._learn((start - end.speech_end) / RATE)
        self._open(start)

    def speech_heard(self, last_speech: int) -> None:
        """Speech reached ``last_speech`` so far. Call after every feed while the user speaks, and with VoiceStopped.

        The newest value counts, even where it is lower than the one before. Ignored when no turn is open.
        """
        if self._last_speech is not None:
            self._last_speech = last_speech

    def partial(self, text: str) -> None:
        """All words of the open turn so far; decides whether it sounds complete. Ignored when no turn is open."""
        if self._last_speech is not None:
            self._completeness = completeness(text, self._turns.language, usually=self._tongue)
            if len(text.split()) >= _TELLING_WORDS:
                self._tongue = language_of(text, self._tongue) or self._tongue

    def advance(self, position: int) -> TurnEnd | None:
        """Audio has been received up to ``position``: the end of the turn, once, if it has come."""
        deadline = self.deadline
        if self._last_speech is None or deadline is None or position < deadline:
            return None
        end = TurnEnd(self._last_speech, self.silence_s)
        if not self._paused_in_turn:
            self._pause_s *= 1 - _FORGET
        self._ended = (end, position)
        self._last_speech = None
        return end

    def cancel(self) -> None:
        """The open turn is not to be ended here (a cough, a typed turn, push-to-talk release). None open: no effect."""
        if self._last_speech is not None:
            self._last_speech = self._ended = None

    @property
    def silence_s(self) -> float:
        """The silence that would end the turn as things stand, in seconds."""
        patience = self._turns.silence_s
        if not self._turns.adaptive:
            return patience
        early = self._turns.speculation is not Speculation.OFF
        factor = (_FACTORS_BEGUN_EARLY if early else _FACTORS)[self._completeness]
        by_words = max(patience * factor, min(patience, _SHORTEST_S))
        by_pauses = min(self._pause_s * _MARGIN, patience * (_LONGEST_FACTOR_BEGUN_EARLY if early else _LONGEST_FACTOR))
        return max(by_words, by_pauses)

    @property
    def deadline(self) -> int | None:
        """The position at which the open turn ends if silence goes on; None: no turn is open, or push-to-talk."""
        if self._last_speech is None or self._turns.mode is TurnMode.PUSH_TO_TALK:
            return None
        return self._last_speech + round(self.silence_s * RATE)

    def _open(self, start: int) -> None:
        self._last_speech = start
        self._completeness = Completeness.UNKNOWN
        self._paused_in_turn = False
        self._ended = None

    def _learn(self, pause_s: float) -> None:
        """A pause after which the same turn went on."""
        self._paused_in_turn |= pause_s >= self._pause_s
        self._pause_s += _LEARN * max(0.0, pause_s - self._pause_s)
