"""A browser without a browser: calls over the page's WebSocket, plays what comes in real time and reports how far."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voice_agents.audio import EMPTY, Pcm, from_bytes, silence, to_bytes
from voice_agents.transports.page_call import HEADER

FRAME_S = 0.02
REPORT_S = 0.1
JITTER_S = 0.06
"""It collects so much before it begins to play."""
WAIT_S = 20.0


@dataclass(slots=True)
class Piece:
    """A frame of an answer and when it begins to sound here."""

    turn: int
    epoch: int
    position: int
    pcm: Pcm
    at: float


@dataclass
class PageCaller:
    """One call. All times are readings of the event loop's clock."""

    socket: ClientConnection
    hello: Mapping[str, Any]
    messages: list[dict[str, Any]] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    """What was played, or will be unless it is cleared."""
    stale: int = 0
    """Frames that came although they were cleared before."""
    clears: list[float] = field(default_factory=list)
    dips: list[float] = field(default_factory=list)
    """When it was told to be quieter."""
    input_rate: int = 0
    output_rate: int = 24_000
    first_sent: float = 0.0
    last_sent: float = 0.0
    code: int | None = None
    _epoch: int = 0
    _speech: Pcm = field(default_factory=lambda: EMPTY)
    _said: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        await self.tell(type="hello", **self.hello)
        self._tasks = [asyncio.create_task(self._listen())]
        ready = await self.told("ready")
        self.input_rate, self.output_rate = ready["input_rate"], ready["output_rate"]
        self._tasks += [asyncio.create_task(self._microphone()), asyncio.create_task(self._report())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def tell(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def told(self, kind: str, within_s: float = WAIT_S) -> dict[str, Any]:
        """Wait for a message of this type."""
        async with asyncio.timeout(within_s):
            while not (found := [message for message in self.messages if message["type"] == kind]):
                await self.news()
        return found[0]

    async def news(self) -> None:
        """Wait for whatever comes next."""
        if self.code is not None:
            raise ConnectionError(f"closed with {self.code}: {self.messages[-1:]}")
        self._news.clear()
        await self._news.wait()

    async def say(self, pcm: Pcm) -> None:
        """Speak, at ``input_rate``; returns when the last sample was sent."""
        self._said.clear()
        self._speech = pcm
        await self._said.wait()

    async def hears(self, seconds: float, turn: int, within_s: float = WAIT_S) -> None:
        """Wait until so much of a turn was played."""
        async with asyncio.timeout(within_s):
            while self.heard_s(turn) < seconds:  # noqa: ASYNC110  # time itself brings it on
                await asyncio.sleep(FRAME_S)

    def heard_s(self, turn: int) -> float:
        """How much of a turn was played by now."""
        now = asyncio.get_running_loop().time()
        played = [min(len(it.pcm), max(0, round((now - it.at) * self.output_rate))) for it in self._of(turn)]
        return sum(played) / self.output_rate

    def heard(self, turn: int) -> Pcm:
        """All that was played, and will be, of a turn."""
        return np.concatenate([EMPTY, *(it.pcm for it in self._of(turn))])

    def _of(self, turn: int) -> list[Piece]:
        return [piece for piece in self.pieces if piece.turn == turn]

    async def _microphone(self) -> None:
        loop = asyncio.get_running_loop()
        size = round(FRAME_S * self.input_rate)
        due = loop.time()
        spoke = False
        while True:
            frame, self._speech = self._speech[:size], self._speech[size:]
            now = loop.time()
            if len(frame):
                self.first_sent = self.first_sent if spoke else now - FRAME_S
                self.last_sent = now
            spoke = bool(len(frame))
            await self.socket.send(to_bytes(np.concatenate([frame, silence(FRAME_S, self.input_rate)])[:size]))
            if spoke and not len(self._speech):
                self._said.set()
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _listen(self) -> None:
        try:
            async for frame in self.socket:
                self._take(frame)
        except ConnectionClosed:
            pass
        self.code = self.socket.close_code
        self._news.set()

    def _take(self, frame: str | bytes) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(frame, bytes):
            turn, epoch, position = HEADER.unpack_from(frame)
            if epoch < self._epoch:
                self.stale += 1
                return
            ends = self.pieces[-1].at + len(self.pieces[-1].pcm) / self.output_rate if self.pieces else 0.0
            pcm = from_bytes(frame[HEADER.size :])
            self.pieces.append(Piece(turn, epoch, position, pcm, ends if ends > now else now + JITTER_S))
        else:
            self.messages.append(json.loads(frame))
            if self.messages[-1]["type"] == "clear":
                self._clear(self.messages[-1]["epoch"], now)
            elif self.messages[-1].get("volume", 1.0) < 1.0:
                self.dips.append(now)
        self._news.set()

    def _clear(self, epoch: int, now: float) -> None:
        self.clears.append(now)
        self._epoch = epoch
        stopped = self._position(now)
        kept = []
        for piece in self.pieces:
            piece.pcm = piece.pcm[: max(0, round((now - piece.at) * self.output_rate))]
            if len(piece.pcm):
                kept.append(piece)
        self.pieces = kept
        if stopped is not None:
            self._tasks.append(asyncio.create_task(self.tell(type="played", **stopped)))

    def _position(self, now: float) -> dict[str, int] | None:
        """What sounds now; nothing when nothing does."""
        sounding = None
        for piece in reversed(self.pieces):  # there may be thousands, and nearly all of them are over
            if round((now - piece.at) * self.output_rate) >= len(piece.pcm):
                break
            sounding = piece
        if sounding is None:
            return None
        played = max(0, round((now - sounding.at) * self.output_rate))
        return {"turn": sounding.turn, "epoch": sounding.epoch, "position": sounding.position + played}

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            position = self._position(asyncio.get_running_loop().time())
            if position is not None:
                await self.tell(type="played", **position)


@asynccontextmanager
async def page_call(url: str, **hello: Any) -> AsyncIterator[PageCaller]:
    """A call that has begun."""
    async with connect(url, max_size=None, compression=None) as socket, PageCaller(socket, hello) as caller:
        yield caller
