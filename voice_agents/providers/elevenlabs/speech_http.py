"""A turn's speech over HTTP, for what the socket has failed to speak."""

from __future__ import annotations

from collections.abc import AsyncIterator

from voice_agents.audio import EMPTY, SampleJoiner
from voice_agents.providers.elevenlabs.alignment import SpokenWords
from voice_agents.providers.elevenlabs.http import stream_speech
from voice_agents.providers.interfaces import SpeechChunk
from voice_agents.settings import Endpoint


class HttpSpeech:
    """Speaks a turn's pieces one after the other, each in a request of its own, without what has sounded already."""

    def __init__(self, endpoint: Endpoint, voice: str, timeout_s: float, sounded: SpokenWords) -> None:
        self._endpoint = endpoint
        self._voice = voice
        self._timeout_s = timeout_s
        self._received = sounded.received
        self._words_to_skip = sounded.given

    async def speak(self, piece: str) -> AsyncIterator[SpeechChunk]:
        """The sound of the next piece and its words, whose times are estimated. Raises ProviderError."""
        spoken = piece.split()
        rest = " ".join(spoken[self._words_to_skip :])
        self._words_to_skip = max(0, self._words_to_skip - len(spoken))
        if not rest:
            return
        words, samples = SpokenWords(self._received), SampleJoiner()
        words.add(rest)
        async for data in stream_speech(self._endpoint, self._voice, rest, timeout_s=self._timeout_s):
            pcm = samples.feed(data)
            yield SpeechChunk(pcm, tuple(words.audio(len(pcm), None)))
        yield SpeechChunk(EMPTY, tuple(words.flush()))
        self._received = words.received
