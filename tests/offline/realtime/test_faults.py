"""Declared faults strike Realtime sessions, and nothing else does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import websockets

from tests.offline.conftest import WAIT_S, close_code, until
from tests.offline.realtime.caller import Caller, ScriptedBrain, calling, knock, serving, sound
from voice_agents.offline.faults import Fault
from voice_agents.offline.server import OfflineServer

ANSWER = "It is ten past nine in the morning."
KEY = {"api-key": "any"}
COMPLETED = "conversation.item.input_audio_transcription.completed"


@pytest.fixture
def brain() -> ScriptedBrain:
    return ScriptedBrain(ANSWER)


@pytest.fixture
async def server(brain: ScriptedBrain) -> AsyncIterator[OfflineServer]:
    async with serving(brain) as running:
        yield running


def fault(server: OfflineServer, text: str) -> None:
    server.services.faults.add(Fault.parse(f"realtime:{text}"))


async def commit(caller: Caller) -> str:
    await caller.speak(sound(1.5))
    await caller.tell("input_audio_buffer.commit")
    item_id: str = (await caller.until("input_audio_buffer.committed"))["item_id"]
    return item_id


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_a_refused_handshake_says_why_and_the_next_one_works(server: OfflineServer, status: int) -> None:
    fault(server, f"refuse:{status}")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await knock(server, headers=KEY)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["error"]["message"]
    async with calling(server):
        pass


@pytest.mark.parametrize("code", [1001, 1006, 1011])
async def test_a_socket_closes_in_the_middle_of_an_answer(server: OfflineServer, code: int) -> None:
    fault(server, f"close:{code}:after=8")
    async with calling(server) as caller:
        await caller.ask("hello")
        while len(caller.heard) < 8:
            await caller.next()
        assert await close_code(caller.socket) == code
    await until(lambda: not server.services.connections.counts()["realtime"])


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("", "server_error", None),
        (":rate_limit_exceeded", "invalid_request_error", None),
        (":session_expired", "invalid_request_error", 1001),
        (":insufficient_quota", "invalid_request_error", 1008),
    ],
)
async def test_an_error_comes_in_place_of_an_event_and_may_close(
    server: OfflineServer, name: str, kind: str, code: int | None
) -> None:
    fault(server, f"error{name}:after=1")
    async with calling(server) as caller:
        await caller.tell("session.update", session={"type": "realtime"})
        error = (await caller.until("error"))["error"]
        assert (error["type"], error["code"]) == (kind, name.lstrip(":") or "server_error")
        if code is None:
            await caller.configure()
        else:
            assert await close_code(caller.socket) == code


async def test_a_stalled_session_says_nothing_and_ends_with_its_client(server: OfflineServer) -> None:
    fault(server, "stall:after=5")
    before = asyncio.all_tasks()
    async with calling(server) as caller:
        await caller.ask("hello")
        while len(caller.heard) < 5:
            await caller.next()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(WAIT_S / 20):
                await caller.socket.recv()
    await until(lambda: not server.services.connections.counts()["realtime"])
    assert asyncio.all_tasks() <= before


async def test_a_dripping_answer_is_complete(server: OfflineServer) -> None:
    fault(server, "drip:delay=0.01")
    async with calling(server) as caller:
        await caller.ask("hello")
        assert (await caller.done())["output"][0]["content"][0]["transcript"] == ANSWER


@pytest.mark.parametrize("name", ["", ":schema"])
async def test_a_malformed_event_replaces_one(server: OfflineServer, name: str) -> None:
    fault(server, f"malformed{name}:after=1")
    async with calling(server) as caller:
        await caller.tell("session.update", session={"type": "realtime"})
        async with asyncio.timeout(WAIT_S):
            text = await caller.socket.recv()
        assert "type" not in str(text)
        await caller.configure()


async def test_duplicated_deltas_come_twice_and_nothing_else_does(server: OfflineServer) -> None:
    fault(server, "duplicate:response.output_audio.delta")
    async with calling(server) as caller:
        await caller.ask("hello")
        await caller.done()
        ids = [event["event_id"] for event in caller.heard]
        doubled = {event["type"] for event in caller.heard if ids.count(event["event_id"]) == 2}
        assert doubled == {"response.output_audio.delta"}


async def test_a_truncate_error_leaves_the_answer_as_it_was(server: OfflineServer, brain: ScriptedBrain) -> None:
    fault(server, "truncate-error")
    async with calling(server) as caller:
        await caller.ask("hello")
        where = {"item_id": (await caller.done())["output"][0]["id"], "content_index": 0, "audio_end_ms": 600}
        error = await caller.refused("conversation.item.truncate", **where)
        assert error["message"].endswith("is already shorter than 600ms")
        await caller.ask("again")
        await caller.done()
        assert ("assistant", ANSWER) in brain.history
        await caller.tell("conversation.item.truncate", **where)
        await caller.until("conversation.item.truncated")


async def test_a_missing_transcript_never_comes_and_the_answer_does(
    server: OfflineServer, brain: ScriptedBrain
) -> None:
    fault(server, "missing-commit")
    async with calling(server) as caller:
        await caller.without_detection(transcription={"model": "whisper-1"})
        await commit(caller)
        await caller.tell("response.create")
        await caller.done()
        assert brain.history == [("user", "word0")]
        second = await commit(caller)
        await caller.until(COMPLETED)
        assert [event["item_id"] for event in caller.of(COMPLETED)] == [second]


async def test_a_late_transcript_comes_after_the_answer(server: OfflineServer) -> None:
    fault(server, "late-commit:delay=0.5")
    async with calling(server) as caller:
        await caller.without_detection(transcription={"model": "whisper-1"})
        item_id = await commit(caller)
        await caller.tell("response.create")
        await caller.done()
        assert not caller.of(COMPLETED)
        assert (await caller.until(COMPLETED))["item_id"] == item_id
