"""What a Realtime session says leaves in order, and no faster than the client takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from voice_agents.offline.realtime.events import MAX_WAITING, EventOutbox
from voice_agents.offline.sockets import VendorSocket


class SlowSocket:
    """Takes a message for every ``take``."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._takes = asyncio.Semaphore(0)

    def take(self, count: int) -> None:
        for _ in range(count):
            self._takes.release()

    async def send(self, message: dict[str, Any]) -> None:
        await self._takes.acquire()
        self.sent.append(message)


@pytest.fixture
def socket() -> SlowSocket:
    return SlowSocket()


@pytest.fixture
async def outbox(socket: SlowSocket) -> AsyncIterator[EventOutbox]:
    box = EventOutbox(cast(VendorSocket, socket))
    sender = asyncio.create_task(box.run())
    yield box
    sender.cancel()


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_answer_waits_for_a_client_that_does_not_take_it(outbox: EventOutbox, socket: SlowSocket) -> None:
    for number in range(MAX_WAITING + 1):
        outbox.put({"type": "response.output_audio.delta", "delta": str(number)})
    room = asyncio.create_task(outbox.room())
    await settle()
    assert not room.done()
    socket.take(1)
    await settle()
    assert not room.done()
    socket.take(MAX_WAITING)
    await settle()
    assert room.done()
    assert [message["delta"] for message in socket.sent] == [str(number) for number in range(MAX_WAITING + 1)]


async def test_nothing_waits_while_the_client_takes_all(outbox: EventOutbox, socket: SlowSocket) -> None:
    socket.take(100)
    for _ in range(20):
        outbox.put({"type": "session.updated"})
        await settle()
        await asyncio.wait_for(outbox.room(), 1)
    assert len({message["event_id"] for message in socket.sent}) == 20
