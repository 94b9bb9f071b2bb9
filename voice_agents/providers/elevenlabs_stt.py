"""ElevenLabs realtime speech-to-text (Scribe) over its socket, committed by us."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from voice_agents.audio import Pcm
from voice_agents.providers.interfaces import ConnectionListener, PartialListener
from voice_agents.settings import Endpoint


@dataclass(frozen=True, slots=True)
class SttTimeouts:
    """Seconds the recogniser's client waits for things."""

    connect_s: float = 5.0
    commit_s: float = 3.0
    keep_alive_s: float = 5.0


class ElevenLabsStt:
    """A :class:`SpeechToText`."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        on_partial: PartialListener,
        on_connection: ConnectionListener,
        timeouts: SttTimeouts = SttTimeouts(),
        language: str = "",
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def send_audio(self, pcm: Pcm) -> None:
        """Queue int16 mono samples at 16 kHz, any length. Never blocks."""
        raise NotImplementedError

    def commit(self) -> asyncio.Future[str]:
        """End the utterance."""
        raise NotImplementedError
