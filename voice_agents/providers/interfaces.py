"""What an engine needs from a speech provider, whoever it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from voice_agents.audio import Pcm
from voice_agents.errors import ProviderError
from voice_agents.turns.heard import SpokenWord

__all__ = [
    "STT_RATE",
    "TTS_RATE",
    "ConnectionListener",
    "ConnectionState",
    "PartialListener",
    "PatientSpeechToText",
    "SpeechChunk",
    "SpeechStream",
    "SpeechToText",
    "SpeechToTextFactory",
    "SpokenWord",
    "TextToSpeech",
    "TextToSpeechFactory",
]

STT_RATE = 16_000
"""Hz of what a recogniser is sent."""
TTS_RATE = 24_000
"""Hz of what a voice answers with."""


class ConnectionState(Enum):
    """How a client stands with its provider."""

    CONNECTING = auto()
    OPEN = auto()
    RECONNECTING = auto()
    FAILED = auto()
    """No further attempt is made until the next utterance (or text) needs the provider."""
    REPLACED = auto()
    """Another provider does its work until it is OPEN again; it is tried quietly."""


class ConnectionListener(Protocol):
    """Hears of every change of a client's connection. Called in the event loop; must not block."""

    def __call__(self, state: ConnectionState, error: ProviderError | None, /) -> None:
        """``error`` is why the connection was lost (RECONNECTING), given up (FAILED) or is not used (REPLACED)."""


class PartialListener(Protocol):
    """Hears the current hypothesis of the utterance that is not committed yet."""

    def __call__(self, text: str, /, *, committed: bool = False) -> None:
        """``text`` replaces the last partial.

        ``committed``: it is about the utterance before, whose final words have not come yet; who has no such thing to
        tell leaves it out.
        """


class SpeechToText(Protocol):
    """A streaming recogniser: audio goes in all the time, a commit asks for the words since the last commit.

    What goes wrong is a ProviderError of the role speech-to-text, whose message is shown to the user; of anything else
    that is raised only the kind is, the log has the rest.

    Entering starts to connect in the background and returns at once; leaving closes every socket and task.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def send_audio(self, pcm: Pcm) -> None:
        """Queue int16 mono samples at 16 kHz, any length. Never blocks."""

    def commit(self) -> asyncio.Future[str]:
        """End the utterance. The future gives its words ("" if none) or raises ProviderError. First in, first out."""


@runtime_checkable
class PatientSpeechToText(SpeechToText, Protocol):
    """A recogniser that can be asked in a pause, and told afterwards that what was said before it went on.

    So what is said with a pause in it is understood as a whole. Of any other one each part is understood by itself.
    """

    def commit_perhaps(self) -> asyncio.Future[str]:
        """As :meth:`commit`, in a pause that may be the end; :meth:`recall` or the next commit tells.

        Audio is kept back until then: what comes after that commit.
        """

    def confirm(self) -> None:
        """It was the end: what was kept back begins the next utterance."""

    def recall(self) -> None:
        """It was not: the answer is of no use, the next commit gives the words from the utterance's beginning on."""


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """The next samples of a stream (int16 mono, 24 kHz) and the words that became known with them.

    Words come in order, each once, never before the chunk in which they begin. Of a voice that tells none their places
    are estimated from its sound.
    """

    pcm: Pcm
    words: tuple[SpokenWord, ...] = ()


class SpeechStream(Protocol):
    """The spoken form of one turn. Iterate it while sending; the iteration ends after ``finish`` or ``cancel``.

    Raises ProviderError out of the iteration when the rest cannot be spoken: the answer is then read, and the message
    is shown to the user.
    """

    def send(self, text: str) -> None:
        """Speak this piece (a clause or sentence) next. Never blocks."""

    def finish(self) -> None:
        """No more text will come."""

    def cancel(self) -> None:
        """Stop now; audio that still arrives is dropped."""

    def __aiter__(self) -> AsyncIterator[SpeechChunk]: ...


class TextToSpeech(Protocol):
    """A voice with a warm connection. Entering starts to connect in the background and returns at once."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def open(self) -> SpeechStream:
        """A new stream, for one turn."""

    def set_voice(self, voice: str) -> None:
        """Streams opened from now on speak with this voice."""


SpeechToTextFactory = Callable[[PartialListener, ConnectionListener, str], SpeechToText]
"""Makes one for each session, for a language ("" if the user did not say which).

It may ignore the listeners: who has no partial words or no connection tells nothing.
"""
TextToSpeechFactory = Callable[[ConnectionListener], TextToSpeech]
"""Makes one for each session."""
