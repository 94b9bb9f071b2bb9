"""Where in an utterance somebody speaks, pauses and goes on: samples in, stretches worth recognising out.

Plain synchronous code without a thread or a clock of its own. All positions are samples at 16 kHz since the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voice_agents.audio import Pcm
from voice_agents.turns.vad import CHUNK, RATE, SileroVad, SpeechModel

_SURE, _LIKELY, _MAYBE = 0.9, 0.5, 0.35
_LIKELY_CHUNKS = 3
"""A voice is there if one chunk is sure and three are likely: of 24 kinds of noise none was, of 374 recordings of
speech all were ..."""
_RATHER, _LIKELY_CHUNKS_THEN = 0.55, 5
"""... or one so likely and five at all, as in "noon" by a dark voice, or "two" over a telephone. The few machines that
are like that are told by their words: the models agree on none."""
_PAUSE = 4 * CHUNK
"""Silence that may be the end of the utterance, and what is kept of the room after the voice: never more, so that the
words do not depend on how much of it was there when somebody had time to look."""
_ROOM = RATE * 2 // 5
"""What is kept of the room before the voice; the models need some of it."""
_STRETCH = 10 * RATE
_STRETCH_PAUSE = RATE * 2 // 5
_LONGEST_STRETCH = 25 * RATE
"""The models were trained on less than 30 s: longer speech is heard in stretches, ending in a pause if possible."""
_LONGEST = 600 * RATE
"""What is said after that without a commit is not heard."""
_TARGET_RMS = 10 ** (-23 / 20)
_MOST_GAIN = 30.0


@dataclass(slots=True)
class Stretch:
    """A part of the utterance that is recognised by itself."""

    start: int
    end: int | None = None
    """Where the next one begins; None while it is the last."""
    first_voice: int | None = None
    last_voice: int = 0
    """Just behind the last chunk in which a voice may be."""
    most: float = 0.0
    """How sure the surest chunk is."""
    likely: int = 0

    @property
    def has_voice(self) -> bool:
        """Whether anybody speaks in it."""
        return self.most >= _SURE and self.likely >= _LIKELY_CHUNKS

    @property
    def may_have_voice(self) -> bool:
        """Whether the words have to show that somebody speaks."""
        return self.most >= _RATHER and self.likely >= _LIKELY_CHUNKS_THEN

    @property
    def voiced_s(self) -> float:
        """Roughly how long it is spoken in."""
        return self.likely * CHUNK / RATE


@dataclass
class Listening:
    """An utterance so far. ``feed`` takes 0.3 ms for 32 ms of sound."""

    model: SpeechModel = field(default_factory=SileroVad)
    stretches: list[Stretch] = field(default_factory=lambda: [Stretch(0)])

    def __post_init__(self) -> None:
        self._samples = np.zeros(4 * RATE, np.int16)
        self._length = 0
        self._judged = 0

    @property
    def position(self) -> int:
        """Samples that were judged."""
        return self._judged

    @property
    def last(self) -> Stretch:
        """The stretch that goes on."""
        return self.stretches[-1]

    @property
    def pausing(self) -> bool:
        """Whether the speaker has been silent for 128 ms: it may be the end."""
        return self.last.has_voice and self._judged - self.last.last_voice >= _PAUSE

    def feed(self, pcm: Pcm) -> None:
        """More audio, int16 at 16 kHz, shape (n,), any length."""
        pcm = pcm[: max(0, _LONGEST - self._length)]
        if self._length + len(pcm) > len(self._samples):
            self._samples = np.concatenate((self._samples[: self._length], np.zeros(self._length + len(pcm), np.int16)))
        self._samples[self._length : self._length + len(pcm)] = pcm
        self._length += len(pcm)
        while self._length - self._judged >= CHUNK:
            self._judge(self._samples[self._judged : self._judged + CHUNK])

    def sound(self, stretch: Stretch) -> NDArray[np.float32]:
        """The samples to be recognised of a stretch with a voice: -1 to 1, at the level the models know best."""
        assert stretch.first_voice is not None
        start = max(stretch.start, stretch.first_voice - _ROOM)
        end = min(self._length if stretch.end is None else stretch.end, stretch.last_voice + _PAUSE)
        return levelled(self._samples[start:end])

    def _judge(self, chunk: Pcm) -> None:
        chance = self.model.probability(chunk)
        stretch, start = self.last, self._judged
        self._judged += CHUNK
        if chance >= _MAYBE:
            stretch.last_voice = self._judged
            if stretch.first_voice is None and chance >= _LIKELY:
                stretch.first_voice = start
        stretch.likely += chance > _LIKELY
        stretch.most = max(stretch.most, chance)
        self._divide()

    def _divide(self) -> None:
        """Begin another stretch where this one is long enough."""
        stretch = self.last
        if stretch.first_voice is None:
            return
        spoken, quiet = self._judged - stretch.first_voice, self._judged - stretch.last_voice
        if spoken >= _LONGEST_STRETCH or (spoken >= _STRETCH and quiet >= _STRETCH_PAUSE):
            stretch.end = self._judged
            self.stretches.append(Stretch(self._judged))


def levelled(pcm: Pcm) -> NDArray[np.float32]:
    """Speech at the level it is usually recorded with: many microphones are far quieter."""
    samples: NDArray[np.float32] = (pcm / 32768).astype(np.float32)
    frames = samples[: len(samples) // 480 * 480].reshape(-1, 480)
    if not len(frames):
        return samples
    levels = np.sort(np.sqrt(np.mean(frames**2, axis=1)))
    loud = float(levels[-max(1, len(levels) // 4) :].mean())
    gain = min(_MOST_GAIN, _TARGET_RMS / max(loud, 1e-6))
    clipped: NDArray[np.float32] = np.clip(samples * gain, -1, 1).astype(np.float32)
    return clipped
