"""Messages on their way into a WebSocket: at once where that is possible, in order always."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from voice_agents.providers.outbox import Outbox

LONG = 2**16
"""Characters; a few hundred of such messages fill the buffers of a loopback socket."""
MANY = 400


class Server:
    """Reads when it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.got: list[str] = []
        self.over = asyncio.Event()

    async def handle(self, socket: ServerConnection) -> None:
        await self.reads.wait()
        async for message in socket:
            assert isinstance(message, str)
            self.got.append(message)
            if message == "end":
                self.over.set()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Server, ClientConnection]]:
    server = Server()
    async with serve(server.handle, "127.0.0.1", 0, compression=None) as listening:
        (listener,) = listening.sockets
        port = listener.getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None, proxy=None) as socket:
            yield server, socket
            server.reads.set()


async def test_a_message_into_a_free_socket_needs_no_task() -> None:
    async with connected() as (server, socket):
        outbox = Outbox(socket)
        server.reads.set()
        outbox.put("ä word")
        outbox.put("end")
        await server.over.wait()
        assert server.got == ["ä word", "end"]


async def test_messages_keep_their_order_through_a_full_socket_and_it_is_known_that_it_is_stuck() -> None:
    async with connected() as (server, socket):
        outbox, clock = Outbox(socket), asyncio.get_running_loop().time
        sending = asyncio.create_task(outbox.run())
        messages = [f"{number:8}".ljust(LONG) for number in range(MANY)]
        for message in messages:
            outbox.put(message)
        await asyncio.sleep(0)
        assert outbox.stuck(clock() + 10.0, 9.0)
        assert not outbox.stuck(clock(), 9.0)
        server.reads.set()
        outbox.put("end")
        await server.over.wait()
        assert server.got == [*messages, "end"]
        sending.cancel()


async def test_what_comes_after_the_end_is_lost_and_hurts_nobody() -> None:
    async with connected() as (_, socket):
        outbox = Outbox(socket)
        sending = asyncio.create_task(outbox.run())
        await socket.close()
        outbox.put("too late")
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()
