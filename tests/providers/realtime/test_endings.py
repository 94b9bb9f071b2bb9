"""The Realtime client when server sessions end, hang, or are left."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.providers.other_server import WAIT_S
from tests.providers.realtime.caller import QUICK, calling
from tests.providers.realtime.other_server import (
    RealtimeSocket,
    Script,
    answers,
    texts,
    tone,
    waits,
)
from voice_agents.errors import (
    ProviderTimeout,
)
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime.config import PastItem
from voice_agents.providers.realtime.events import (
    ResponseDone,
    ServerError,
    TextDelta,
)

PAST = (PastItem("user", text="My name is Ada."), PastItem("assistant", text="Hello Ada."))


HASTY = replace(QUICK, stall_s=0.6)


async def test_a_session_is_renewed_in_a_pause_without_anybody_noticing() -> None:
    said = tone(2.0)

    async def second(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.answer("resp_2", "Still here.")

    async with calling(waits, second, past=PAST, timeouts=replace(QUICK, renew_s=0.05)) as caller:
        caller.speak(said)
        await caller.server.connected(2)
        caller.client._line.timeouts = QUICK
        caller.client.send_text("Are you there?")
        await caller.until(ResponseDone)
        assert caller.connections.states == [ConnectionState.CONNECTING, ConnectionState.OPEN]
        assert texts(caller.server.sockets[1])[:2] == ["My name is Ada.", "Hello Ada."]


@pytest.mark.parametrize("how", ["expired", "closed"])
async def test_a_session_the_server_ends_in_a_pause(how: str) -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        if how == "expired":
            await socket.error("session_expired")
        await socket.close(1000)

    async with calling(first, answers) as caller:
        await caller.server.connected(2)
        caller.client.send_text("Are you there?")
        await caller.until(ResponseDone)
        assert caller.connections.states == [ConnectionState.CONNECTING, ConnectionState.OPEN]


async def test_a_session_the_server_ends_in_the_middle_of_an_answer_is_told() -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.begin("resp_1")
        await socket.close(1001)

    async with calling(first, answers) as caller:
        caller.client.send_text("Hello?")
        assert (await caller.until(ResponseDone)).response_id == "again_0"
        assert ConnectionState.RECONNECTING in caller.connections.states


async def stalls(socket: RealtimeSocket) -> None:
    await socket.greet()
    await socket.until("response.create")
    await socket.begin("resp_1")
    await socket.until_gone()


async def test_an_answer_that_stops_coming_is_asked_for_again() -> None:
    async with calling(stalls, answers, timeouts=HASTY) as caller:
        caller.client.send_text("Hello?")
        assert (await caller.until(ResponseDone)).response_id == "again_0"
        assert isinstance(caller.connections.errors[0], ProviderTimeout)


async def test_an_answer_that_stops_coming_twice_is_given_up() -> None:
    async with calling(stalls, stalls, answers, timeouts=HASTY) as caller:
        caller.client.send_text("Hello?")
        assert isinstance((await caller.until(ServerError)).error, ProviderTimeout)
        await caller.server.connected(3)
        caller.client.send_text("Hello again?")
        await caller.until(ResponseDone)
        assert [event.text for event in caller.of(TextDelta)] == ["Here I am."]


async def test_a_frame_of_nonsense_does_not_end_the_talk() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.send_text("{")
        await socket.answer("resp_1", "Yes.")

    async with calling(script) as caller:
        caller.client.send_text("Hello?")
        await caller.until(ResponseDone)
        assert ConnectionState.RECONNECTING not in caller.connections.states


# leaving


async def test_nothing_is_left_behind_whatever_the_server_does() -> None:
    async def refuses_to_close(socket: RealtimeSocket) -> None:
        await socket.greet()
        socket.stop_reading()
        await socket.until_gone()

    loop = asyncio.get_running_loop()
    scripts: list[Script | int] = [waits, refuses_to_close, RealtimeSocket.until_gone, 503, 401]
    for script in scripts * 4:
        before = asyncio.all_tasks()
        async with calling(script) as caller:
            caller.speak(tone(0.1))
            if script in (waits, refuses_to_close):
                await caller.connections.until(ConnectionState.OPEN)
            left_at = loop.time()
            await caller.client.__aexit__(None, None, None)
            assert loop.time() - left_at < WAIT_S
            for socket in caller.server.sockets:
                socket.cut()
        await asyncio.sleep(0)
        assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
