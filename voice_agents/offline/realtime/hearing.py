"""The input audio buffer of a Realtime session: the client's audio, its turns, and the recogniser that follows them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from voice_agents.audio import Pcm
from voice_agents.offline.realtime.audio import ENGINE_RATE, AudioFormat, Decoder, joined
from voice_agents.offline.realtime.vad import (
    MS,
    Detection,
    DetectorEvent,
    IdleTimeout,
    SpeechBegan,
    TurnDetector,
)
from voice_agents.offline.services import Recogniser, Utterance
from voice_agents.turns.vad import CHUNK

_SLICE_MS = 100
"""Audio that is resampled at once."""
_LOOK_BACK_MS = 600
"""How far behind its beginning speech is noticed at most."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What was committed: int16 mono at 16 kHz, from and to (samples since the session began), and its recogniser."""

    pcm: list[Pcm]
    start: int
    end: int
    utterance: Utterance | None


class InputBuffer:
    """Audio since the last commit. With turn detection only what belongs to a turn, or may come to, is kept."""

    def __init__(self, recogniser: Recogniser, audio_format: AudioFormat, detection: Detection | None) -> None:
        self._recogniser = recogniser
        self._decoder = Decoder(audio_format)
        self._detection = detection
        self._position = 0
        self._kept: deque[Pcm] = deque()
        self._start = 0
        self._utterance: Utterance | None = None
        self._detector = self._new_detector()

    @property
    def position(self) -> int:
        """Samples (16 kHz) received since the session began."""
        return self._position

    @property
    def duration_ms(self) -> float:
        """Audio in the buffer."""
        return (self._position - self._start) * 1000 / ENGINE_RATE

    @property
    def start_ms(self) -> int:
        """Where the audio in the buffer begins: that of a turn, padding included."""
        return self._start // MS

    def configure(self, audio_format: AudioFormat, detection: Detection | None) -> None:
        """Other settings, from the next audio on; a turn that has begun goes on, the client ends it if need be."""
        if audio_format is not self._decoder.format:
            self._decoder = Decoder(audio_format)
        self._detection = detection
        if detection is not None and self._detector is not None:
            self._detector.configure(detection)
        else:
            self._detector = self._new_detector()

    def wait_from(self, position: int | None) -> None:
        """See ``TurnDetector.wait_from``."""
        if self._detector is not None:
            self._detector.wait_from(position)

    async def append(self, pcm: Pcm) -> AsyncIterator[DetectorEvent]:
        """More audio at the format's rate, any length -> what it decides. The loop gets its turn in between."""
        size = self._decoder.format.rate * _SLICE_MS // 1000
        for start in range(0, len(pcm), size):
            for event in self._take_in(self._decoder.feed(pcm[start : start + size])):
                yield event
            await asyncio.sleep(0)

    def take(self, *, listen: bool = True) -> Segment:
        """Everything in the buffer, which is empty then. ``listen``: it is to be recognised."""
        utterance = self._utterance
        if listen and utterance is None:
            utterance = self._listen()
        segment = Segment(list(self._kept), self._start, self._position, utterance)
        self._utterance = None
        self._empty()
        return segment

    def clear(self) -> None:
        """Forget what is in the buffer."""
        if self._utterance is not None:
            self._utterance.cancel()
        self._utterance = None
        self._empty()

    def _new_detector(self) -> TurnDetector | None:
        return None if self._detection is None else TurnDetector(self._detection, self._position)

    def _empty(self) -> None:
        self._kept.clear()
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
                if not isinstance(event, IdleTimeout) or self._utterance is None:
                    yield event

    def _keep(self, piece: Pcm) -> None:
        self._position += len(piece)
        self._kept.append(piece)
        if self._utterance is not None:
            self._utterance.feed(piece)
        elif self._detection is None:
            self._utterance = self._listen()
        else:
            self._forget_before(self._position - (self._detection.prefix_padding_ms + _LOOK_BACK_MS) * MS)

    def _begin(self, start: int) -> None:
        """Speech began there: what lies before it and its padding is forgotten, the rest is recognised."""
        assert self._detection is not None
        if self._utterance is None:
            self._forget_before(start - self._detection.prefix_padding_ms * MS)
            self._utterance = self._listen()

    def _listen(self) -> Utterance:
        utterance = self._recogniser.utterance()
        utterance.feed(joined(list(self._kept)))
        return utterance

    def _forget_before(self, position: int) -> None:
        while self._kept and self._start < position:
            first = self._kept.popleft()
            drop = min(len(first), position - self._start)
            self._start += drop
            if drop < len(first):
                self._kept.appendleft(first[drop:])
