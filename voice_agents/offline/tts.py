"""Speech from text through espeak-ng, streamed, with the time of every word.

espeak-ng is licensed under GPL-3.0-or-later. Nothing of it is copied here; the separately installed library is loaded
by the offline server, which is a program of its own beside the app and talks to it over sockets only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from voice_agents.audio import Pcm

SAMPLE_RATE = 24_000
"""Hz. What ``Voice.speak`` yields."""


@dataclass(frozen=True, slots=True)
class OfflineVoice:
    """A voice the offline server offers."""

    voice_id: str
    name: str
    espeak: str
    """espeak-ng's own voice name, with a variant after a plus sign."""
    description: str


VOICES: tuple[OfflineVoice, ...] = (
    OfflineVoice("offline-en-us", "Robin", "en-us", "American English"),
)

DEFAULT_VOICE = VOICES[0]


def find_voice(voice_id: str) -> OfflineVoice:
    """The voice with this id or name (any case); the default one for an id from elsewhere (ElevenLabs, OpenAI)."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class WordTiming:
    """Where a word stands in the text and when it begins to be heard."""

    offset: int
    """Index of its first character in the text given to ``speak``."""
    length: int
    """Number of characters."""
    start_ms: float
    """From the first sample of the stream."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The next piece of speech: int16 mono at 24 kHz, and the words that begin in it."""

    pcm: Pcm
    words: tuple[WordTiming, ...]


class Voice:
    """The espeak-ng library and the one thread it runs in; one per process."""

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def speak(self, text: str, voice: str = DEFAULT_VOICE.voice_id, speed: float = 1.0) -> AsyncIterator[Synthesis]:
        """The text as speech, piece by piece as it is made (far faster than real time).

        ``speed`` 1.0 is about 170 words a minute, clamped to 0.5 - 2.0. Several texts at once take turns by sentence.
        Closing the iterator (``aclose``) stops the synthesis.
        """
        raise NotImplementedError
