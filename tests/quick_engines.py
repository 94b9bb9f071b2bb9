"""Stand-ins for the offline server's engines that cost nothing: words by the length of sound, tones for words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import numpy as np

from voice_agents.audio import Pcm
from voice_agents.offline.tts import Synthesis, WordTiming
from voice_agents.providers.interfaces import STT_RATE, TTS_RATE

QUIETEST = 100
"""Samples up to this (-50 dBFS) are silence."""

WordAt = Callable[[int], str]
"""The word that is heard as the n-th, from 0 on."""


class QuickUtterance:
    """Hears a word for every quarter of a second of sound."""

    def __init__(self, word_at: WordAt, on_partial: Callable[[str], None] | None) -> None:
        self._word_at = word_at
        self._on_partial = on_partial
        self._loud = 0
        self.partial = ""

    def feed(self, pcm: Pcm) -> None:
        self._loud += int(np.count_nonzero(np.abs(pcm.astype(np.int32)) > QUIETEST))
        words = " ".join(map(self._word_at, range(self._loud // (STT_RATE // 4))))
        if words != self.partial:
            self.partial = words
            if self._on_partial is not None:
                self._on_partial(words)

    async def finish(self) -> str:
        return self.partial

    def cancel(self) -> None:
        pass


class QuickRecogniser:
    """Hears what ``word_at`` says."""

    def __init__(self, word_at: WordAt) -> None:
        self._word_at = word_at

    def utterance(self, on_partial: Callable[[str], None] | None = None) -> QuickUtterance:
        return QuickUtterance(self._word_at, on_partial)


class ToneVoice:
    """Every word is ``word_s`` of a 220 Hz tone, audible from its first sample."""

    def __init__(self, word_s: float) -> None:
        self._word_s = word_s
        time = np.arange(round(word_s * TTS_RATE)) / TTS_RATE
        self._word = (6000 * np.cos(2 * np.pi * 220 * time)).astype(np.int16)

    async def speak(self, text: str, voice: str = "", speed: float = 1.0) -> AsyncIterator[Synthesis]:
        at = 0
        for number, word in enumerate(text.split()):
            offset = text.index(word, at)
            at = offset + len(word)
            yield Synthesis(self._word, (WordTiming(offset, len(word), number * self._word_s * 1000),))
