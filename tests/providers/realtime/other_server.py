"""A scripted Realtime server on plain websockets, written from the protocol alone, in both of its dialects."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.providers.other_server import KEY, WAIT_S
from voice_agents.audio import Pcm, from_bytes, to_bytes

RATE = 24_000
Message = dict[str, Any]

GA_SESSION: Message = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "model-1",
    "output_modalities": ["audio"],
    "audio": {"input": {"turn_detection": {"type": "server_vad"}}, "output": {"voice": "alloy"}},
}
PREVIEW_SESSION: Message = {
    "id": "sess_1",
    "object": "realtime.session",
    "model": "model-1",
    "modalities": ["text", "audio"],
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "turn_detection": {"type": "server_vad"},
}


class Gone(Exception):
    """The client has closed its socket."""


class RealtimeSocket:
    """The server's end of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        request = connection.request
        assert request is not None
        self.path = request.path
        self.headers = request.headers
        self.received: list[Message] = []
        """Everything but audio."""
        self.audio = b""
        """Appended since the last commit."""
        self.preview = False
        self.gone = asyncio.Event()
        self._events = 0

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.received]

    async def receive(self) -> Message:
        """The client's next message. Raises Gone."""
        try:
            message: Message = json.loads(await self._connection.recv())
        except ConnectionClosed:
            self.gone.set()
            raise Gone from None
        if message["type"] == "input_audio_buffer.append":
            self.audio += base64.b64decode(message["audio"])
        else:
            self.received.append(message)
        return message

    async def until(self, kind: str) -> Message:
        """Read up to a message of this kind."""
        while True:
            message = await self.receive()
            if message["type"] == kind:
                return message

    async def until_gone(self) -> None:
        while True:
            await self.receive()

    async def hear(self, samples: int) -> Pcm:
        """Read until so many samples have been appended; all of them."""
        while len(self.audio) < 2 * samples:
            await self.receive()
        return from_bytes(self.audio)

    async def send(self, kind: str, **fields: Any) -> None:
        self._events += 1
        if self.preview:
            kind = kind.replace(".output_audio", ".audio").replace(".output_text", ".text")
        await self.send_text(json.dumps({"type": kind, "event_id": f"event_{self._events}", **fields}))

    async def send_text(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed:
            raise Gone from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)

    def cut(self) -> None:
        """As when a cable is pulled."""
        self._connection.transport.abort()

    def stop_reading(self) -> None:
        """As when a server hangs: not even a close is answered."""
        self._connection.transport.pause_reading()

    # A conversation as servers hold it

    async def greet(self, session: Message | None = None) -> Message:
        """The session's beginning; what the client wants it to be."""
        session = GA_SESSION if session is None else session
        self.preview = "modalities" in session
        await self.send("session.created", session=session)
        update = await self.until("session.update")
        await self.send("session.updated", session={**session, **update["session"]})
        return update

    async def speech(self, item: str, start_ms: int = 0, end_ms: int | None = None) -> None:
        """The detector hears the user, from its beginning to its end (default: everything appended)."""
        end_ms = len(self.audio) // 2 * 1000 // RATE if end_ms is None else end_ms
        await self.send("input_audio_buffer.speech_started", item_id=item, audio_start_ms=start_ms)
        await self.send("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=end_ms)
        await self.committed(item)

    async def committed(self, item: str) -> None:
        self.audio = b""
        await self.send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        await self.send("conversation.item.added", item={"id": item, "type": "message", "role": "user"})

    async def words(self, item: str, *pieces: str) -> None:
        kind = "conversation.item.input_audio_transcription"
        for piece in pieces:
            await self.send(f"{kind}.delta", item_id=item, content_index=0, delta=piece)
        await self.send(f"{kind}.completed", item_id=item, content_index=0, transcript="".join(pieces))

    async def begin(self, response: str, item: str = "item_a") -> None:
        await self.send("response.created", response={"id": response, "status": "in_progress", "output": []})
        await self.send("response.output_item.added", response_id=response, item={"id": item, "type": "message"})

    async def say(self, response: str, text: str, pcm: Pcm, item: str = "item_a") -> None:
        where = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        await self.send("response.output_audio_transcript.delta", delta=text, **where)
        await self.send("response.output_audio.delta", delta=base64.b64encode(to_bytes(pcm)).decode(), **where)

    async def done(self, response: str, status: str = "completed", **fields: Any) -> None:
        output = fields.pop("output", [])
        await self.send("response.done", response={"id": response, "status": status, "output": output, **fields})

    async def answer(self, response: str, text: str, pcm: Pcm | None = None, item: str = "item_a") -> None:
        """A whole response of one message."""
        await self.begin(response, item)
        await self.say(response, text, tone(0.1) if pcm is None else pcm, item)
        await self.done(response)

    async def call(self, response: str, *calls: tuple[str, str, str]) -> None:
        """A whole response of function calls (call id, name, arguments)."""
        await self.send("response.created", response={"id": response, "status": "in_progress"})
        output = []
        for call_id, name, arguments in calls:
            shared = {"id": f"item_{call_id}", "type": "function_call", "call_id": call_id, "name": name}
            await self.send(
                "response.output_item.added",
                response_id=response,
                item={**shared, "arguments": "", "status": "in_progress"},
            )
            output.append({**shared, "arguments": arguments, "status": "completed"})
        await self.done(response, output=output)

    async def error(self, code: str | None, kind: str = "invalid_request_error", **fields: Any) -> None:
        error = {"type": kind, "code": code, "message": f"no, {KEY}", "param": None, "event_id": None, **fields}
        await self.send("error", error=error)


Script = Callable[[RealtimeSocket], Awaitable[None]]


class OtherRealtime:
    """``async with OtherRealtime(script, ...)``: each connection plays the next script, the last one again and again.

    An int in place of a script refuses the handshake with that status; a tuple adds the body.
    """

    def __init__(self, *scripts: Script | int | tuple[int, str]) -> None:
        self._scripts = deque(scripts)
        self._accepted: dict[ServerConnection, Script] = {}
        self.sockets: list[RealtimeSocket] = []
        self.refusals = 0
        self.url = ""
        self.failure: BaseException | None = None
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._on_connection,
            "127.0.0.1",
            0,
            process_request=self._on_request,
            max_size=None,
            compression=None,
            close_timeout=0.2,
        )
        self.url = f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/openai/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._accepted):
            connection.transport.abort()
        await self._server.wait_closed()
        if self.failure is not None and kind is None:
            raise self.failure

    async def connected(self, count: int = 1) -> RealtimeSocket:
        """The ``count``-th connection, once it is there."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.sockets) >= count)
        return self.sockets[count - 1]

    async def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
        if isinstance(script, int):
            script = (script, "{}")
        if isinstance(script, tuple):
            self.refusals += 1
            return connection.respond(HTTPStatus(script[0]), script[1])
        self._accepted[connection] = script
        return None

    async def _on_connection(self, connection: ServerConnection) -> None:
        socket = RealtimeSocket(connection)
        self.sockets.append(socket)
        async with self._changed:
            self._changed.notify_all()
        try:
            with contextlib.suppress(Gone):
                await self._accepted[connection](socket)
                await socket.until_gone()
        except Exception as error:
            self.failure = error
        finally:
            socket.gone.set()
            del self._accepted[connection]


def tone(seconds: float, start: int = 0) -> Pcm:
    """Loud samples that count up, so that loss and doubling can be seen."""
    count = round(seconds * RATE)
    return (6_000 + (start + np.arange(count)) % 20_000).astype(np.int16)


async def waits(socket: RealtimeSocket) -> None:
    """A session in which nothing happens."""
    await socket.greet()
    await socket.until_gone()


async def answers(socket: RealtimeSocket) -> None:
    """Answers every request for a response."""
    await socket.greet()
    for number in range(1000):
        await socket.until("response.create")
        await socket.answer(f"again_{number}", "Here I am.", item=f"item_{number}")


def items(socket: RealtimeSocket) -> list[Message]:
    return [message["item"] for message in socket.received if message["type"] == "conversation.item.create"]


def texts(socket: RealtimeSocket) -> list[str]:
    return [item["content"][0]["text"] for item in items(socket) if item["type"] == "message"]
