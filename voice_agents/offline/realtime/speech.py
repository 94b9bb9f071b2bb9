"""The sound of a Realtime answer, cut into deltas with the words that begin in them."""

from __future__ import annotations

from collections.abc import Sequence

from voice_agents.audio import Pcm
from voice_agents.offline.realtime.audio import Encoder
from voice_agents.offline.realtime.items import Part
from voice_agents.offline.tts import SAMPLE_RATE, WordTiming

CHUNK_S = 0.2
"""Sound in an audio delta, but for the first, which comes as soon as it can."""


class Speech:
    """The sound of one part on its way to the client; the part holds what was sent, no more."""

    def __init__(self, part: Part, text: str, encoder: Encoder) -> None:
        self._part = part
        self._text = text
        self._encoder = encoder
        self._said = 0
        self._waiting: list[Pcm] = []
        self._begun: list[tuple[int, float]] = []
        self._audio = bytearray()
        self._first = True

    @property
    def said(self) -> str:
        """The words that were sent."""
        return self._text[: self._said]

    @property
    def enough(self) -> bool:
        """Whether there is enough to be sent."""
        return bool(self._waiting) and (self._first or sum(map(len, self._waiting)) >= CHUNK_S * SAMPLE_RATE)

    def add(self, pcm: Pcm, words: Sequence[WordTiming]) -> None:
        """The next samples (24 kHz) and the words that begin in them."""
        self._waiting.append(pcm)
        self._audio += self._encoder.feed(pcm)
        self._begun += [(word.offset + word.length, word.start_ms) for word in words]

    def take(self, *, last: bool = False) -> tuple[str, bytes, float]:
        """Words and bytes to be sent now, and how many milliseconds they are. ``last``: no more samples will come."""
        if last:
            self._audio += self._encoder.end()
        said = self._said
        self._said = max([said, *(end for end, _ in self._begun)]) if not last else len(self._text)
        taken = self._text[said : self._said], bytes(self._audio), sum(map(len, self._waiting)) * 1000 / SAMPLE_RATE
        if not self._part.truncated:
            self._part.audio += self._waiting
            self._part.words += self._begun
            self._part.text = self._part.transcript = self.said
        self._waiting, self._begun, self._first = [], [], False
        self._audio.clear()
        return taken
