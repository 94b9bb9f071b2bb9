"""The latency words of this project: every figure is defined where it is declared.

Marks are clock readings in seconds (one monotonic clock per session); figures are seconds, or ``None``
where a mark is missing (a typed turn has no endpointing, a silent answer no playout).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from statistics import median

_BEGUN_EARLY = ("model_asked", "first_token", "first_piece_written", "first_text_sent", "first_audio")
"""Marks that may be set before the turn is certain."""


@dataclass(slots=True)
class TurnMarks:
    """Clock readings of one turn, set by the engine as things happen; the first reading of each wins."""

    speech_end: float | None = None
    """The user's last speech sample arrived."""
    turn_taken: float | None = None
    """The turn was taken: the recogniser's commit was sent (or the typed text arrived)."""
    transcript_final: float | None = None
    """The final transcript was received."""
    model_asked: float | None = None
    """The model was asked, if that was later: the turn before had to be settled first."""
    first_token: float | None = None
    """The first token of the answer was received, or what is said while a tool is at work was decided on."""
    first_piece_written: float | None = None
    """The model wrote the last token of the first piece that is spoken."""
    first_text_sent: float | None = None
    """The first piece was handed to text-to-speech."""
    first_audio: float | None = None
    """The first audible sample of the answer was received."""
    first_played: float | None = None
    """That sample was handed to the transport."""
    certain: float | None = None
    """The user had finished for certain, if that was known only after the turn was taken: a sound that was there before
    was held back until then."""
    silence_s: float = 0.0
    """The silence that was waited for before the turn was taken (after adaptation)."""
    tool_s: float = 0.0
    """Time spent in tools before the first token of the spoken answer."""

    def mark(self, name: str, at: float) -> None:
        """Set a mark unless it is set already."""
        if getattr(self, name) is None:
            setattr(self, name, at)

    def go_on_with(self, earlier: TurnMarks, at: float) -> None:
        """What was marked before the turn was certain, which it is ``at``: nobody had to wait for it."""
        for mark in _BEGUN_EARLY:
            if (reading := getattr(earlier, mark)) is not None:
                self.mark(mark, max(reading, at))
        if earlier.first_token is None or earlier.first_token > at:
            self.tool_s += earlier.tool_s

    def result(self) -> TurnLatency:
        """The figures these marks give."""
        if self.certain is not None and self.first_audio is not None and self.certain > self.first_audio:
            return self._later_by(self.certain - self.first_audio).result()
        taken = self.turn_taken
        start = self.speech_end if self.speech_end is not None else taken
        asked = self.model_asked if self.model_asked is not None else self.transcript_final
        token = _span(asked, self.first_token)
        return TurnLatency(
            endpointing=_span(self.speech_end, taken),
            silence=self.silence_s if self.speech_end is not None else None,
            transcription=_span(taken, self.transcript_final) if self.speech_end is not None else None,
            tools=self.tool_s or None,
            first_token=None if token is None else max(0.0, token - self.tool_s),
            text_wait=_span(self.first_token, self.first_piece_written),
            first_sentence=_span(self.first_token, self.first_text_sent),
            first_audio=_span(self.first_text_sent, self.first_audio),
            playout=_span(self.first_audio, self.first_played),
            voice_to_voice=_span(start, self.first_played),
        )

    def _later_by(self, held_s: float) -> TurnMarks:
        """As if the turn had been taken when it was certain, and the answer had come as quickly then."""
        later = replace(self, silence_s=self.silence_s + held_s, certain=None)
        for mark in ("turn_taken", "transcript_final", *_BEGUN_EARLY):
            if (reading := getattr(self, mark)) is not None:
                setattr(later, mark, reading + held_s)
        return later


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLatency:
    """Where the time of one turn went, in seconds."""

    endpointing: float | None = None
    """The user's last speech sample -> the turn is taken; includes the configured silence."""
    silence: float | None = None
    """The part of endpointing that was waited for on purpose."""
    transcription: float | None = None
    """Turn taken -> final transcript."""
    tools: float | None = None
    """Time in tools before the first token of the answer; not part of ``first_token``."""
    first_token: float | None = None
    """Final transcript (or, if the turn before had to be settled first, the model asked) -> first answer token."""
    text_wait: float | None = None
    """First token -> the first piece that is spoken has been written by the model."""
    first_sentence: float | None = None
    """First token -> first text handed to TTS; includes the text wait."""
    first_audio: float | None = None
    """Text handed to TTS -> first audible sample received."""
    playout: float | None = None
    """That sample received -> handed to the transport."""
    voice_to_voice: float | None = None
    """The user's last speech sample (typed: the text) -> first audible sample handed to the transport."""

    @property
    def overhead(self) -> float | None:
        """Voice to voice minus silence, providers, tools and text wait: what is left is ours."""
        if self.voice_to_voice is None:
            return None
        others = (self.silence, self.transcription, self.tools, self.first_token, self.text_wait, self.first_audio)
        return self.voice_to_voice - sum(part or 0.0 for part in others)


class LatencyHistory:
    """The last turns of a session and their medians."""

    def __init__(self, size: int = 100) -> None:
        self._turns: deque[TurnLatency] = deque(maxlen=size)

    def add(self, turn: TurnLatency) -> None:
        """Keep one turn; the oldest is forgotten when ``size`` is reached."""
        self._turns.append(turn)

    def __len__(self) -> int:
        return len(self._turns)

    def last(self, figure: str, count: int) -> list[float | None]:
        """One figure of the last ``count`` turns, oldest first."""
        return [getattr(turn, figure) for turn in self._turns][-count:]

    def median(self, figure: str) -> float | None:
        """The median of one figure of :class:`TurnLatency` over the turns that have it; None if there is none."""
        values = [value for turn in self._turns if (value := getattr(turn, figure)) is not None]
        return median(values) if values else None


@dataclass(slots=True)
class EarlyAnswers:
    """What came of answers that were begun before the user had finished for certain."""

    used: int = 0
    dropped: int = 0
    saved_s: float = 0.0
    """All in all, by those that were used."""
    tokens: int = 0
    characters: int = 0
    """Of the model and the voice, for those that were dropped."""

    def add(self, *, used: bool, saved_s: float, tokens: int, characters: int) -> None:
        """One more."""
        self.used += used
        self.dropped += not used
        self.saved_s += saved_s
        self.tokens += tokens
        self.characters += characters


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start
