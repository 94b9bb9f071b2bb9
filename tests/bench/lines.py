"""Calls that keep what both sides said, when it sounded: the page's two ways, for whoever judges a call by ear."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from tests.bench.transports import Line, PageLine, RtcLine
from tests.transports.page_caller import page_call
from tests.voices import resampled
from voice_agents.audio import Pcm, first_audible
from voice_agents.conversation.model import Conversation
from voice_agents.transports.page_call import PATH
from voice_agents.ui.identity import identity_of

JITTER_S = 0.06
"""What a browser collects before it plays, of a call over WebRTC."""
BEHIND_S = 0.1
"""Silence is left out where the player is so far behind, as browsers do."""
AUDIBLE = 100
HUSHED_S = 0.3
"""So long a page that is told to hush lets nothing be heard."""
PATIENCE_S = 0.5
"""The page's "normal"."""

Piece = tuple[float, Pcm]
"""When it begins to sound, by the loop's clock, and its samples."""


class Recorded(Protocol):
    """A line that remembers."""

    user: list[Piece]
    user_rate: int
    agent_rate: int

    @property
    def agent(self) -> Sequence[Piece]: ...

    @property
    def last_sound(self) -> float:
        """When the agent was heard last, up to now; 0: never."""
        ...

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        """Speech at 16 kHz; when its first and last sample were sent."""
        ...


class RecordedRtc(RtcLine):
    """Over WebRTC, as a browser with a small jitter buffer plays it whose page turns the sound down when it is told."""

    user_rate = agent_rate = RtcLine.rate

    async def __aenter__(self) -> RecordedRtc:
        self.user: list[Piece] = []
        self._received: list[Piece] = []
        self._volumes: list[tuple[float, float]] = [(-math.inf, 1.0)]
        """From when on which volume, oldest first."""
        await super().__aenter__()
        return self

    @property
    def agent(self) -> Sequence[Piece]:
        return [(at, self._turned_down(at, pcm)) for at, pcm in self._received]

    @property
    def last_sound(self) -> float:
        return self.sounds[-1] if self.sounds else 0.0

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        speech = resampled(pcm, self.user_rate)
        self.user.append((asyncio.get_running_loop().time(), speech))
        return await super().say(speech)

    async def _listen(self, track: MediaStreamTrack) -> None:
        loop = asyncio.get_running_loop()
        ends = 0.0
        try:
            while True:
                frame = await track.recv()
                samples, now = frame.to_ndarray().reshape(-1, 2)[:, 0], loop.time()
                audible = first_audible(samples, AUDIBLE) is not None
                if ends - now > BEHIND_S and not audible:
                    continue
                begins = ends if ends > now else now + JITTER_S
                ends = begins + len(samples) / self.agent_rate
                self._received.append((begins, samples))
                if audible and self._volume(begins):
                    self.sounds.append(ends)
        except MediaStreamError:
            return

    async def _on_message(self, message: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        if message["type"] == "volume":
            self._set_volumes((now, message["volume"]))
        elif message["type"] == "hush":
            self._set_volumes((now, 0.0), (now + HUSHED_S, 1.0))
            while self.sounds and self.sounds[-1] > now:
                self.sounds.pop()
        await super()._on_message(message)

    def _set_volumes(self, *volumes: tuple[float, float]) -> None:
        self._volumes = [*(each for each in self._volumes if each[0] < volumes[0][0]), *volumes]

    def _volume(self, at: float) -> float:
        return self._volumes[bisect_right(self._volumes, at, key=lambda each: each[0]) - 1][1]

    def _turned_down(self, at: float, pcm: Pcm) -> Pcm:
        size = self.agent_rate // 100
        parts = [pcm[start : start + size] for start in range(0, len(pcm), size)]
        return np.concatenate([softer(part, self._volume(at + number / 100)) for number, part in enumerate(parts)])


def softer(pcm: Pcm, volume: float) -> Pcm:
    return pcm if volume == 1.0 else (pcm * volume).astype(np.int16)


class RecordedPage(PageLine):
    """Over the page's own port, as its player plays it."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # pyrefly: ignore[bad-argument-type]
        self.user: list[Piece] = []
        self.user_rate, self.agent_rate = self.rate, self._caller.output_rate

    @property
    def agent(self) -> Sequence[Piece]:
        return [(piece.at, piece.pcm) for piece in self._caller.pieces]

    @property
    def last_sound(self) -> float:
        now = asyncio.get_running_loop().time()
        pieces = reversed(self._caller.pieces)
        return next((it.at for it in pieces if it.at <= now and first_audible(it.pcm, AUDIBLE) is not None), 0.0)

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        speech = resampled(pcm, self.rate)
        first, last = await super().say(speech)
        self.user.append((first, speech))
        return first, last


Dialled = AsyncIterator[RecordedRtc | RecordedPage]


@asynccontextmanager
async def call(url: str, kind: str, way: str) -> Dialled:
    """A call to one of the page's tabs by ``webrtc`` or ``websocket``."""
    wanted = {**identity_of(Conversation()), "patience": PATIENCE_S, "mode": "automatic"}
    if way == "webrtc":
        async with RecordedRtc(url, f"{kind}-mic", wanted | {"turns_down": True}) as line:
            yield line
    else:
        async with page_call(url.replace("http", "ws") + PATH, kind=kind, **wanted) as caller:
            yield RecordedPage(caller)


def track(pieces: Sequence[Piece], rate: int, began: float, length_s: float) -> Pcm:
    """One recording from ``began`` on; where nothing was sent, silence."""
    whole = np.zeros(round(length_s * rate), dtype=np.int16)
    for at, pcm in pieces:
        start = round((at - began) * rate)
        part = pcm[max(0, -start) : max(0, len(whole) - start)]
        whole[max(0, start) : max(0, start) + len(part)] = part
    return whole


__all__ = ["Line", "Recorded", "RecordedPage", "RecordedRtc", "call", "track"]
