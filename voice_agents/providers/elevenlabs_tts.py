"""ElevenLabs text-to-speech over one warm multi-context socket."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from voice_agents.providers.interfaces import ConnectionListener, SpeechStream
from voice_agents.settings import Endpoint


class ElevenLabsTts:
    """A :class:`TextToSpeech`."""

    def __init__(self, endpoint: Endpoint, *, on_connection: ConnectionListener) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def open(self) -> SpeechStream:
        """A new stream, for one turn."""
        raise NotImplementedError

    def set_voice(self, voice: str) -> None:
        """Streams opened from now on speak with this voice."""
        raise NotImplementedError
