"""A scripted server that speaks the vendors' protocols in its own ways, written from the protocols alone."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from voice_agents.audio import Pcm, from_bytes, to_bytes
from voice_agents.errors import ProviderError
from voice_agents.providers.elevenlabs.socket import open_socket
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.settings import Endpoint, Provider

WAIT_S = 5.0
KEY = "sk-secret-1234"

Message = dict[str, Any]


class Gone(Exception):
    """The client has closed its socket."""


class OtherSocket:
    """The server's end of one websocket."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self.path = websocket.url.path
        self.query = dict(websocket.query_params)
        self.headers = dict(websocket.headers)
        self.received: list[Message] = []
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        """The client's next message. Raises Gone."""
        try:
            self.received.append(json.loads(await self._websocket.receive_text()))
        except (WebSocketDisconnect, RuntimeError):
            self.gone.set()
            raise Gone from None
        return self.received[-1]

    async def send(self, **message: Any) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        try:
            await self._websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError):
            raise Gone from None

    async def close(self, code: int) -> None:
        await self._websocket.close(code)
        self.gone.set()

    async def until_gone(self) -> None:
        """Read until the client has closed."""
        while True:
            await self.receive()

    # Speech-to-text

    async def utterance(self) -> Pcm:
        """Everything up to the next commit, which may be in a message of its own."""
        audio = b""
        while True:
            message = await self.receive()
            assert message["message_type"] == "input_audio_chunk" and message["sample_rate"] == 16_000
            audio += base64.b64decode(message["audio_base_64"])
            if message["commit"]:
                return from_bytes(audio)

    async def final(self, text: str, kind: str = "committed_transcript") -> None:
        await self.send(message_type=kind, text=text)


Script = Callable[[OtherSocket], Awaitable[None]]
Answer = Callable[[Request], Awaitable[Response]]


class OtherServer:
    """``async with OtherServer(script, ...)``: each connection plays the next script, the last one again and again.

    An int in place of a script refuses the handshake with that status. ``answer`` serves plain HTTP.
    """

    def __init__(self, *scripts: Script | int, answer: Answer | None = None) -> None:
        self._scripts = deque(scripts)
        self._answer = answer
        self.sockets: list[OtherSocket] = []
        self.requests: list[tuple[Request, bytes]] = []
        self.url = ""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = Starlette(
            routes=[
                WebSocketRoute("/{path:path}", self._on_socket),
                Route("/{path:path}", self._on_request, methods=["GET", "POST", "HEAD"]),
            ]
        )
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="websockets-sansio", ws_max_size=2**20)
        self._server = _Uvicorn(config)
        self._serving = asyncio.create_task(self._server.serve([listener]))
        while not self._server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.001)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        self._server.should_exit = self._server.force_exit = True
        await self._serving

    async def connected(self, count: int = 1) -> OtherSocket:
        """The ``count``-th connection, once it is there."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.sockets) >= count)
        return self.sockets[count - 1]

    async def _on_socket(self, websocket: WebSocket) -> None:
        script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
        if isinstance(script, int):
            await websocket.send_denial_response(JSONResponse({"detail": {"message": f"no, {KEY}"}}, script))
            return
        await websocket.accept()
        connection = OtherSocket(websocket)
        self.sockets.append(connection)
        async with self._changed:
            self._changed.notify_all()
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(Gone, asyncio.CancelledError):
            await script(connection)
        self._tasks.discard(task)
        connection.gone.set()

    async def _on_request(self, request: Request) -> Response:
        self.requests.append((request, await request.body()))
        if self._answer is None:
            return JSONResponse({"detail": {"status": "nothing_here"}}, 500)
        return await self._answer(request)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def endpoint(server: OtherServer | str, *, key: str = KEY, path: str = "") -> Endpoint:
    """An ElevenLabs endpoint on a server."""
    base = server if isinstance(server, str) else server.url
    return Endpoint(Provider.ELEVENLABS, base + path, "model-1", key, voice="rachel")


class Connections:
    """A ConnectionListener that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.states: list[ConnectionState] = []
        self.errors: list[ProviderError] = []
        self._changed = asyncio.Event()

    def __call__(self, state: ConnectionState, error: ProviderError | None) -> None:
        self.states.append(state)
        if error is not None:
            self.errors.append(error)
        self._changed.set()

    async def until(self, state: ConnectionState) -> None:
        """Wait until it is in this state."""
        async with asyncio.timeout(WAIT_S):
            while not self.states or self.states[-1] is not state:
                self._changed.clear()
                await self._changed.wait()


def opening_badly() -> Callable[..., Any]:
    """An ``open_socket`` whose first use fails of what nobody has reckoned with."""
    left = [RuntimeError("a surprise")]

    def opening(*args: Any) -> Any:
        if left:
            raise left.pop()
        return open_socket(*args)

    return opening


BAD_PROXIES = ("socks6://127.0.0.1:9", "ftp://127.0.0.1:9", "http://user@127.0.0.1:9")
"""Which no connection can be made through."""


def ramp(start: int, count: int) -> Pcm:
    """Samples that count up from ``start``, so that loss, doubling and disorder can be seen."""
    return (1 + (start + np.arange(count)) % 30_000).astype(np.int16)


def encoded(pcm: Pcm) -> str:
    return base64.b64encode(to_bytes(pcm)).decode()
