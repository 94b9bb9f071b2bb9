"""Hears when the user speaks: Silero's probabilities, made exact to a few milliseconds by the signal's energy.

All positions are absolute sample indices at 16 kHz, counted from the first sample ever fed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voice_agents.audio import Pcm

RATE = 16_000
"""Hz of everything in this module."""
CHUNK = 512
"""Samples the model judges at once (32 ms)."""


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """The user began to speak. ``start``: the first speech sample, a little before the moment of the decision."""

    start: int


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """The user fell silent, perhaps only for a breath. ``end``: the index just after the last speech sample."""

    end: int


VoiceEvent = VoiceStarted | VoiceStopped


class SpeechModel(Protocol):
    """Says how likely a chunk holds speech; remembers the chunks before it."""

    def probability(self, chunk: Pcm) -> float:
        """0 to 1 for the next 512 samples."""

    def reset(self) -> None:
        """Forget the chunks before."""


class SileroVad:
    """Silero VAD v5. All instances share one loaded model; each keeps only its own recurrent state (about 1 kB)."""

    def probability(self, chunk: Pcm) -> float:
        """The probability (0 to 1) that the next 512 samples hold speech. Raises ValueError for another length."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget what was heard."""
        raise NotImplementedError


class SpeechDetector:
    """Turns probabilities into starts and stops, with hysteresis, and finds their samples by energy."""

    speaking: bool
    """Between a VoiceStarted and its VoiceStopped."""
    last_speech: int | None
    """The index just after the last speech sample known so far; None before the first speech.

    While ``speaking`` it moves on with every chunk; the following VoiceStopped may set it back by a few milliseconds.
    """

    def feed(self, probability: float, chunk: Pcm) -> list[VoiceEvent]:
        """The next 512 samples and what the model says of them -> what changed."""
        raise NotImplementedError


class VoiceActivity:
    """The whole detector for one microphone: any-length PCM in, starts and stops out. Costs nothing in silence."""

    def __init__(self, model: SpeechModel | None = None) -> None:
        """``model`` defaults to a new :class:`SileroVad`."""

    @property
    def position(self) -> int:
        """Samples received so far (including those that still wait for their chunk to fill)."""
        raise NotImplementedError

    @property
    def speaking(self) -> bool:
        """As :attr:`SpeechDetector.speaking`."""
        raise NotImplementedError

    @property
    def last_speech(self) -> int | None:
        """As :attr:`SpeechDetector.last_speech`."""
        raise NotImplementedError

    def feed(self, pcm: Pcm) -> list[VoiceEvent]:
        """The next samples, int16 mono at 16 kHz, any length -> what changed (about 0.2 ms CPU per 32 ms of sound)."""
        raise NotImplementedError
