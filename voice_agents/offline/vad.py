"""Server-side turn detection on audio time: by silence (``server_vad``) or also by the words (``semantic_vad``).

All positions are sample indices at 16 kHz, counted from the first sample the session received.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from voice_agents.audio import Pcm
from voice_agents.turns.completeness import Completeness, completeness
from voice_agents.turns.tongue import ENGLISH
from voice_agents.turns.vad import CHUNK, RATE, SileroVad, SpeechModel, VoiceActivity, VoiceStarted

MS = RATE // 1000
"""Samples in a millisecond."""


Eagerness = Literal["low", "medium", "high", "auto"]
"""How soon ``semantic_vad`` takes the turn."""

_LONGEST_WAIT_MS: dict[Eagerness, int] = {"low": 8000, "medium": 4000, "high": 2000, "auto": 4000}
"""Documented: after this the turn is taken, however unfinished the words sound."""
_SHORTEST_WAIT_MS = 300
_PREFIX_MS = 300
"""``semantic_vad`` has no setting for it."""


@dataclass(frozen=True, slots=True)
class ServerVad:
    """Speech, then silence. Fields as in the protocol."""

    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    create_response: bool
    interrupt_response: bool

    def silence_ms(self, words: str) -> int:
        """Silence after which the turn is taken; the words do not matter."""
        return self.silence_duration_ms


@dataclass(frozen=True, slots=True)
class SemanticVad:
    """Speech, then silence the longer the less finished the words sound."""

    eagerness: Eagerness
    create_response: bool
    interrupt_response: bool

    threshold = 0.5
    prefix_padding_ms = _PREFIX_MS

    def silence_ms(self, words: str) -> int:
        """Silence after which the turn is taken, given the words so far."""
        longest_ms = _LONGEST_WAIT_MS[self.eagerness]
        match completeness(words, ENGLISH):  # all that the ears understand
            case Completeness.COMPLETE:
                return _SHORTEST_WAIT_MS
            case Completeness.OPEN:
                return longest_ms
            case _:
                return max(_SHORTEST_WAIT_MS, longest_ms // 4)


Detection = ServerVad | SemanticVad


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The user speaks; ``start``: the first sample of the speech, without padding."""

    start: int


@dataclass(frozen=True, slots=True)
class SpeechOver:
    """The turn is taken; ``end``: where the silence was long enough."""

    end: int


DetectorEvent = SpeechBegan | SpeechOver


class TurnDetector:
    """Audio in, turns out. The decision depends on positions in the audio only, not on when or how it arrives."""

    def __init__(self, detection: Detection, position: int = 0, model: SpeechModel | None = None) -> None:
        """``position``: how many samples came before the first one that will be fed."""
        self._detection = detection
        self._offset = position
        self._model = _Weighed(model or SileroVad(), detection.threshold)
        self._activity = VoiceActivity(self._model)
        self._in_turn = False

    def configure(self, detection: Detection) -> None:
        """Other settings from the next audio on; a turn that has begun goes on."""
        self._detection = detection
        self._model.threshold = detection.threshold

    @property
    def in_turn(self) -> bool:
        """Between ``SpeechBegan`` and its ``SpeechOver``."""
        return self._in_turn

    @property
    def position(self) -> int:
        """Samples the session has received."""
        return self._offset + self._activity.position

    def feed(self, pcm: Pcm, words: str = "") -> list[DetectorEvent]:
        """The next samples (a chunk of at most 32 ms for exact decisions) and the words of the turn so far."""
        events: list[DetectorEvent] = []
        for event in self._activity.feed(pcm):
            if isinstance(event, VoiceStarted) and not self._in_turn:
                self._in_turn = True
                events.append(SpeechBegan(self._offset + event.start))
        return [*events, *self._over(words)] if self._in_turn else events

    def until_decision(self, words: str = "") -> int:
        """Samples that may be fed at once without missing the moment of a decision."""
        end = self._turn_end(words) if self._in_turn else None
        return CHUNK if end is None else min(CHUNK, max(1, end - self.position))

    def _turn_end(self, words: str) -> int | None:
        """Where the turn will be over if the silence lasts."""
        if self._activity.speaking or self._activity.last_speech is None:
            return None
        return self._offset + self._activity.last_speech + self._detection.silence_ms(words) * MS

    def _over(self, words: str) -> list[DetectorEvent]:
        end = self._turn_end(words)
        if end is None or self.position < end:
            return []
        self._in_turn = False
        return [SpeechOver(end)]


class _Weighed:
    """A model whose probabilities are bent so that ``threshold`` comes out as one half, which the detector expects.

    The detector adds up the evidence of several chunks, so a high threshold has to make small what lies below it.
    """

    def __init__(self, model: SpeechModel, threshold: float) -> None:
        self._model = model
        self.threshold = threshold

    def probability(self, chunk: Pcm) -> float:
        probability, threshold = self._model.probability(chunk), min(max(self.threshold, 0.01), 0.99)
        if threshold >= 0.5:
            return float(probability ** (math.log(0.5) / math.log(threshold)))
        if probability < threshold:
            return 0.5 * probability / threshold
        return 0.5 + 0.5 * (probability - threshold) / (1 - threshold)

    def reset(self) -> None:
        self._model.reset()
