"""A client of the API that knows the documented messages and nothing of this program."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

WAIT_S = 40.0
Message = dict[str, Any]


class Client:
    """One socket; ``received`` are all messages so far, binary frames as ``{"type": "binary", "data": bytes}``."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.received: list[Message] = []

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def audio(self, pcm: bytes, rate: int = 16_000, pieces_s: float = 0.1) -> None:
        """Send samples as audio messages, faster than they are spoken."""
        size = round(pieces_s * rate) * 2
        for start in range(0, len(pcm), size):
            await self.say(type="audio", data=base64.b64encode(pcm[start : start + size]).decode())

    async def next(self) -> Message:
        async with asyncio.timeout(WAIT_S):
            frame = await self.socket.recv()
        message = {"type": "binary", "data": frame} if isinstance(frame, bytes) else json.loads(frame)
        self.received.append(message)
        return dict(message)

    async def until(self, kind: str, **values: Any) -> list[Message]:
        """All messages up to the first one of this type (with these values)."""
        taken = [await self.next()]
        while not _is(taken[-1], kind, values):
            taken.append(await self.next())
        return taken

    async def closed(self) -> tuple[int, list[Message]]:
        """The close code, and the messages that came before it."""
        taken: list[Message] = []
        try:
            while True:
                taken.append(await self.next())
        except ConnectionClosed as closed:
            return (closed.rcvd.code if closed.rcvd else 1006), taken


def _is(message: Message, kind: str, values: Message) -> bool:
    return message["type"] == kind and all(message.get(name) == value for name, value in values.items())


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[Client]:
    """A client connected to this address."""
    async with connect(url, max_size=None, **options) as socket:
        yield Client(socket)


def kinds(messages: Sequence[Message]) -> list[str]:
    """The types of messages, repetitions left out."""
    types = [message["type"] for message in messages]
    return [kind for number, kind in enumerate(types) if number == 0 or kind != types[number - 1]]


def sound(messages: Sequence[Message]) -> bytes:
    """All audio in messages."""
    pieces = (message["data"] for message in messages if message["type"] in ("audio", "tts_audio", "binary"))
    return b"".join(piece if isinstance(piece, bytes) else base64.b64decode(piece) for piece in pieces)


def errors(messages: Sequence[Message]) -> list[str]:
    return [message["message"] for message in messages if message["type"] == "error"]
