"""An offline server over engines that answer at once and always the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast
from urllib.parse import urlencode

import numpy as np
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from voice_agents.audio import Pcm
from voice_agents.offline.brain import Brain
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services
from voice_agents.offline.tts import Synthesis, WordTiming

WAIT_S = 5.0
"""After this a test no longer waits for the server."""
WORD_S = 0.3
"""How long every word of the fake voice is."""


class FakeUtterance:
    """Hears one numbered word for every full second of audio, whatever is said."""

    def __init__(self, on_partial: Callable[[str], None] | None) -> None:
        self._on_partial = on_partial
        self._samples = 0
        self.partial = ""
        self.cancelled = False

    def feed(self, pcm: Pcm) -> None:
        self._samples += len(pcm)
        heard = " ".join(f"word{second}" for second in range(self._samples // 16_000))
        if heard != self.partial:
            self.partial = heard
            if self._on_partial is not None:
                self._on_partial(heard)

    async def finish(self) -> str:
        return self.partial or "hm"

    def cancel(self) -> None:
        self.cancelled = True


class FakeRecogniser:
    """Makes fake utterances and keeps them."""

    def __init__(self) -> None:
        self.utterances: list[FakeUtterance] = []

    def utterance(self, on_partial: Callable[[str], None] | None = None) -> FakeUtterance:
        self.utterances.append(FakeUtterance(on_partial))
        return self.utterances[-1]


class FakeVoice:
    """Speaks every word as 0.3 s of a constant level, in pieces of 60 ms; keeps what it was asked."""

    def __init__(self) -> None:
        self.spoken: list[tuple[str, str, float]] = []
        self.stopped = 0

    async def speak(self, text: str, voice: str = "default", speed: float = 1.0) -> AsyncIterator[Synthesis]:
        self.spoken.append((text, voice, speed))
        try:
            for synthesis in self._synthesise(text):
                yield synthesis
        finally:
            self.stopped += 1

    def _synthesise(self, text: str) -> list[Synthesis]:
        pieces, at = [], 0
        for index, word in enumerate(text.split()):
            offset = text.index(word, at)
            at = offset + len(word)
            begins = WordTiming(offset, len(word), index * WORD_S * 1000)
            sound = np.full(round(0.06 * 24_000), 1000, dtype=np.int16)
            pieces += [Synthesis(sound, (begins,) if part == 0 else ()) for part in range(5)]
        return pieces


@pytest.fixture
def recogniser() -> FakeRecogniser:
    return FakeRecogniser()


@pytest.fixture
def voice() -> FakeVoice:
    return FakeVoice()


@pytest.fixture
async def server(recogniser: FakeRecogniser, voice: FakeVoice) -> AsyncIterator[OfflineServer]:
    async with OfflineServer(services=Services(recogniser, voice, cast(Brain, None))) as running:
        yield running


def connect(server: OfflineServer | str, path: str, key: str | None = "any", **query: Any) -> websockets.connect:
    """A plain websocket client on a path of the server (or of its URL)."""
    base = server if isinstance(server, str) else server.url
    url = base.replace("http", "ws") + path + "?" + urlencode(query, doseq=True)
    headers = {} if key is None else {"xi-api-key": key}
    return websockets.connect(url, additional_headers=headers, proxy=None, close_timeout=1)


async def said(socket: ClientConnection) -> Any:
    """The next message."""
    async with asyncio.timeout(WAIT_S):
        return json.loads(await socket.recv())


async def close_code(socket: ClientConnection) -> int:
    """How the server closes the socket, before it says anything else. 1006: without a close frame."""
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(websockets.ConnectionClosed) as closed:
            pytest.fail(f"not closed, but {await socket.recv()!r:.200}")
    return 1006 if closed.value.rcvd is None else closed.value.rcvd.code


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something the server does in its own time."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - the condition belongs to the server, which offers no event
            await asyncio.sleep(0.005)


async def tell(socket: ClientConnection, **message: Any) -> None:
    """Send one message."""
    await socket.send(json.dumps(message))
