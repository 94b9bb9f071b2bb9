"""The input audio buffer of a Realtime session: the client's audio, its turns, and the recogniser that follows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np

from voice_agents.audio import EMPTY, LiveDownsampler, Pcm
from voice_agents.offline.services import AnyRecogniser, AnyUtterance
from voice_agents.offline.vad import MS, Detection, DetectorEvent, SpeechBegan, TurnDetector
from voice_agents.turns.vad import CHUNK, RATE

CLIENT_RATE = 24_000
"""Hz of what clients send and get."""
_SLICE_MS = 100
"""Audio that is resampled at once."""
_LOOK_BACK_MS = 600
"""How far behind its beginning speech is noticed at most."""


class InputBuffer:
    """Audio since the last commit; with turn detection only what belongs to a turn, or may come to."""

    def __init__(self, recogniser: AnyRecogniser, detection: Detection | None) -> None:
        self._recogniser = recogniser
        self._downsampler = LiveDownsampler(CLIENT_RATE, RATE)
        self._detection = detection
        self._position = 0
        self._kept = EMPTY
        """What no recogniser has been given; begins at ``_start``."""
        self._start = 0
        self._utterance: AnyUtterance | None = None
        self._detector = self._new_detector()

    @property
    def duration_ms(self) -> float:
        """Audio in the buffer."""
        return (self._position - self._start) * 1000 / RATE

    @property
    def start_ms(self) -> int:
        """Where the audio in the buffer begins: that of a turn, padding included."""
        return self._start // MS

    def configure(self, detection: Detection | None) -> None:
        """Other settings, from the next audio on; a turn that has begun goes on, the client ends it if need be."""
        self._detection = detection
        if detection is not None and self._detector is not None:
            self._detector.configure(detection)
        else:
            self._detector = self._new_detector()

    async def append(self, pcm: Pcm) -> AsyncIterator[DetectorEvent]:
        """More audio at 24 kHz, any length -> what it decides. The loop gets its turn in between."""
        size = CLIENT_RATE * _SLICE_MS // 1000
        for start in range(0, len(pcm), size):
            for event in self._take_in(self._downsampler.feed(pcm[start : start + size])):
                yield event
            await asyncio.sleep(0)

    def take(self) -> tuple[float, AnyUtterance]:
        """How many milliseconds were in the buffer, which is empty then, and what recognises them."""
        taken = self.duration_ms, self._utterance or self._listen()
        self._utterance = None
        self._empty()
        return taken

    def clear(self) -> None:
        """Forget what is in the buffer."""
        if self._utterance is not None:
            self._utterance.cancel()
        self._utterance = None
        self._empty()

    def _new_detector(self) -> TurnDetector | None:
        return None if self._detection is None else TurnDetector(self._detection, self._position)

    def _empty(self) -> None:
        self._kept = EMPTY
        self._start = self._position
        if self._detector is not None and self._detector.in_turn:
            self._detector = self._new_detector()

    def _take_in(self, pcm: Pcm) -> Iterator[DetectorEvent]:
        while len(pcm):
            words = self._utterance.partial if self._utterance is not None else ""
            size = CHUNK if self._detector is None else self._detector.until_decision(words)
            piece, pcm = pcm[:size], pcm[size:]
            self._keep(piece)
            if self._detector is None:
                continue
            for event in self._detector.feed(piece, words):
                if isinstance(event, SpeechBegan):
                    self._begin(event.start)
                yield event

    def _keep(self, piece: Pcm) -> None:
        self._position += len(piece)
        if self._utterance is not None:
            self._utterance.feed(piece)
            return
        self._kept = np.concatenate((self._kept, piece))
        if self._detection is None:
            self._utterance = self._listen()
        else:
            self._forget_before(self._position - (self._detection.prefix_padding_ms + _LOOK_BACK_MS) * MS)

    def _begin(self, start: int) -> None:
        """Speech began there: what lies before it and its padding is forgotten, the rest is recognised."""
        assert self._detection is not None
        if self._utterance is None:
            self._forget_before(start - self._detection.prefix_padding_ms * MS)
            self._utterance = self._listen()

    def _listen(self) -> AnyUtterance:
        utterance = self._recogniser.utterance()
        utterance.feed(self._kept)
        self._kept = EMPTY
        return utterance

    def _forget_before(self, position: int) -> None:
        dropped = min(len(self._kept), max(0, position - self._start))
        self._kept = self._kept[dropped:]
        self._start += dropped
