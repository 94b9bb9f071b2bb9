"""A browser's call over the page's WebSocket: whom it lets in, what is heard, and how it ends; over the fake engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.transports.api.server import listening
from tests.transports.page_caller import page_call
from tests.ui.fake_engine import FakeSession, sweep
from voice_agents.audio import silence, to_bytes
from voice_agents.conversation.model import Conversation
from voice_agents.events import AgentDucked, AgentPaused, AgentResumed
from voice_agents.session.base import Session
from voice_agents.settings import TurnSettings
from voice_agents.transports.live import Ending, Limits, LiveSession, SessionRequest
from voice_agents.transports.page_call import LIMITS, LOST, NOT_UNDERSTOOD, PATH, PageCall
from voice_agents.transports.registry import SessionRegistry
from voice_agents.transports.socket_call import DONE

OURS = Conversation()
WAIT_S = 20.0


def identity(conversation: Conversation = OURS) -> dict[str, str]:
    return {"owner": conversation.owner, "conversation": conversation.id}


@dataclass
class Served:
    """A running server."""

    url: str
    registry: SessionRegistry
    sessions: list[FakeSession] = field(default_factory=list)

    async def until_places(self, used: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.registry) != used:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serve(
    answer_s: float = 1.0, limits: Limits | None = None, others: bool = False, **socket_limits: float
) -> AsyncIterator[Served]:
    sessions: list[FakeSession] = []

    def make(request: SessionRequest) -> Session:
        sessions.append(FakeSession(request.conversation, request.turns, answer_s))
        return sessions[-1]

    async with SessionRegistry(make, 5, limits, others=others) as registry:

        async def open_call(hello: Mapping[str, Any]) -> LiveSession:
            conversation = Conversation(id=hello["conversation"], owner=hello["owner"])
            await asyncio.sleep(hello.get("wait_s", 0.0))
            return await registry.open(SessionRequest("sandwich", conversation, TurnSettings()))

        async def endpoint(socket: WebSocket) -> None:
            await socket.accept()
            await PageCall(socket).run(open_call, replace(LIMITS, **socket_limits))

        async with listening(Starlette(routes=[WebSocketRoute(PATH, endpoint)])) as port:
            yield Served(f"ws://127.0.0.1:{port}{PATH}", registry, sessions)


async def closed(url: str, *frames: str | bytes) -> tuple[int, list[dict[str, Any]]]:
    """What a client that sends these frames is told before its socket is closed, and with which code it is."""
    told = []
    async with asyncio.timeout(WAIT_S), connect(url) as socket:
        for frame in frames:
            await socket.send(frame)
        try:
            while True:
                told.append(json.loads(await socket.recv()))
        except ConnectionClosed as end:
            return (end.rcvd.code if end.rcvd else 1006), told


async def test_a_spoken_question_is_answered_sample_by_sample() -> None:
    async with serve() as page, page_call(page.url, **identity()) as caller:
        await caller.say(sweep_at(caller.input_rate))
        await caller.told("done")
        await caller.hears(1.0, 1)
        assert np.array_equal(caller.heard(1), sweep(1.0))
        (session,) = page.sessions
        assert session.reporting and session.speaking


def sweep_at(rate: int) -> np.ndarray:
    """Half a second of a loud tone."""
    return (9000 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)).astype(np.int16)


async def test_the_session_is_told_what_was_played() -> None:
    async with serve() as page, page_call(page.url, **identity()) as caller:
        await caller.say(sweep_at(caller.input_rate))
        await caller.told("done")
        await caller.hears(0.8, 1)
        turns, epochs, positions = zip(*page.sessions[0].reports, strict=True)
        assert set(turns) == {1} and set(epochs) == {0}
        assert list(positions) == sorted(positions) and positions[-1] > 0.5 * 24_000


async def test_an_interruption_empties_what_has_not_been_played() -> None:
    async with serve(answer_s=10.0) as page, page_call(page.url, **identity()) as caller:
        await caller.say(sweep_at(caller.input_rate))
        await caller.hears(0.5, 1)
        page.sessions[0].interrupt()
        clear = await caller.told("clear")
        assert clear["epoch"] == page.sessions[0].epoch
        heard = caller.heard(1)
        await caller.say(sweep_at(caller.input_rate))
        await caller.hears(0.5, 2)
        assert np.array_equal(caller.heard(1), heard), "nothing of the old answer is played after it was cut"
        assert caller.stale == 0
        assert page.sessions[0].reports, "and the session knows where it stopped"


async def test_a_pause_clears_too() -> None:
    async with serve(answer_s=10.0) as page, page_call(page.url, **identity()) as caller:
        await caller.say(sweep_at(caller.input_rate))
        await caller.hears(0.3, 1)
        (session,) = page.sessions
        session._epoch += 1
        session._put(AgentPaused, position=0)
        assert (await caller.told("clear"))["epoch"] == 1


async def test_how_loud_it_is_to_be_is_told_apart_from_the_sound() -> None:
    async with serve(answer_s=10.0) as page, page_call(page.url, **identity()) as caller:
        await caller.say(sweep_at(caller.input_rate))
        await caller.hears(0.3, 1)
        page.sessions[0]._put(AgentDucked, position=0, volume=0.2)
        assert (await caller.told("volume"))["volume"] == 0.2
        page.sessions[0]._put(AgentResumed, position=0)
        async with asyncio.timeout(10):
            while [message["volume"] for message in caller.messages if message["type"] == "volume"] != [0.2, 1.0]:
                await caller.news()


async def test_until_it_says_whose_it_is_a_socket_has_no_place_and_is_closed_soon() -> None:
    async with serve(first_message_s=0.2) as page:
        code, told = await closed(page.url)
        assert code == NOT_UNDERSTOOD
        assert told == [{"type": "ended", "text": "The page did not say whose call this is."}]
        assert len(page.registry) == 0 and page.sessions == []


@pytest.mark.parametrize(
    "first",
    [b"\0" * 640, "", "[]", "null", '"hello"', '{"type": "played"}', "{", "[" * 100_000, '{"type": "hello"' * 2],
)
async def test_what_does_not_begin_with_a_hello_gets_no_session(first: str | bytes) -> None:
    async with serve() as page:
        code, told = await closed(page.url, first)
        assert code == NOT_UNDERSTOOD and [message["type"] for message in told] == ["ended"]
        assert page.sessions == []


async def test_another_browser_gets_nothing_of_a_conversation_it_only_knows_the_id_of() -> None:
    async with serve() as page, page_call(page.url, **identity()) as caller:
        thief = json.dumps({"type": "hello", "conversation": OURS.id, "owner": "0" * 32})
        code, told = await closed(page.url, thief)
        assert code == 1000
        assert told[1:] == [
            {"type": "ended", "text": "This conversation belongs to another browser. Press New conversation."}
        ]
        await caller.say(sweep_at(caller.input_rate))
        await caller.hears(0.5, 1)


async def test_nobody_takes_over_a_socket_by_a_second_hello() -> None:
    async with serve() as page, page_call(page.url, **identity()) as caller:
        await caller.tell(type="hello", **identity(Conversation()))
        assert "do not understand" in (await caller.told("ended"))["text"]
        await page.until_places(0)
        assert len(page.sessions) == 1


@pytest.mark.parametrize(
    "report",
    [
        {"turn": 1, "epoch": 0},
        {"turn": 1, "epoch": 0, "position": -1},
        {"turn": 1, "epoch": 0, "position": 1.5},
        {"turn": True, "epoch": 0, "position": 1},
        {"turn": "1", "epoch": 0, "position": 1},
        {"turn": 1, "epoch": 0, "position": 2**40},
    ],
)
async def test_reports_that_no_browser_sends_end_the_call(report: dict[str, Any]) -> None:
    async with serve() as page, page_call(page.url, **identity()) as caller:
        await caller.tell(type="played", **report)
        assert "do not understand" in (await caller.told("ended"))["text"]
        await page.until_places(0)
        assert page.sessions[0].reports == []


async def test_a_message_that_is_too_large_ends_the_call() -> None:
    async with serve() as page:
        code, _ = await closed(page.url, json.dumps({"type": "hello", **identity()}), bytes(20_000))
        assert code == NOT_UNDERSTOOD
        await page.until_places(0)


async def closed_after_flood(url: str, frame: bytes, count: int) -> str:
    async with asyncio.timeout(WAIT_S), page_call(url, **identity()) as caller:
        try:
            for _ in range(count):
                await caller.socket.send(frame)
        except ConnectionClosed:
            pass
        return str((await caller.told("ended"))["text"])


async def test_more_sound_than_anybody_speaks_ends_the_call() -> None:
    async with serve(sound_burst_s=2.0) as page:
        assert "as fast as it is spoken" in await closed_after_flood(page.url, bytes(15_000), 50)


async def test_more_messages_than_a_browser_sends_end_the_call() -> None:
    async with serve(messages_burst=100.0) as page:
        assert "too fast" in await closed_after_flood(page.url, bytes(2), 2000)


async def test_hanging_up_frees_the_place() -> None:
    async with serve() as page:
        async with page_call(page.url, **identity()):
            await page.until_places(1)
        await page.until_places(0)
        assert page.sessions[0].closed


async def test_a_second_call_takes_the_conversation_over_and_the_first_is_told() -> None:
    async with serve() as page, page_call(page.url, **identity()) as first, page_call(page.url, **identity()) as second:
        assert (await first.told("ended"))["text"] == Ending.REPLACED.sentence
        await second.say(sweep_at(second.input_rate))
        await second.hears(0.5, 1)
        assert len(page.sessions) == 1


async def test_a_call_from_which_nothing_comes_any_more_is_closed_as_lost() -> None:
    async with serve(limits=Limits(no_sound_s=0.3)) as page:
        code, told = await closed(page.url, json.dumps({"type": "hello", **identity()}))
        assert code == LOST
        assert [message["type"] for message in told] == ["opening", "ready"], "it may call again without asking anybody"
        await page.until_places(0)


@pytest.mark.parametrize("others", [True, False])
async def test_a_server_that_stops_says_so_unless_another_one_takes_the_call(others: bool) -> None:
    async with serve(others=others) as page:
        call = asyncio.create_task(closed(page.url, json.dumps({"type": "hello", **identity()})))
        await page.until_places(1)
        await page.registry.drain(0.0)
        code, told = await call
        assert (code, [message["type"] for message in told if message["type"] == "ended"]) == (
            (LOST, []) if others else (DONE, ["ended"])
        )


@pytest.mark.parametrize("seconds", [7, 60])
async def test_a_burst_after_a_stall_of_the_network_is_taken(seconds: int) -> None:
    """Or of this computer: nobody read what the browser sent while it was asleep."""
    async with serve(limits=Limits(no_sound_s=60)) as page, page_call(page.url, **identity()) as caller:
        async with asyncio.timeout(WAIT_S):
            for _ in range(50 * seconds):
                await caller.socket.send(to_bytes(silence(0.02, caller.input_rate)))
            await caller.say(sweep_at(caller.input_rate))
            await caller.hears(0.5, 1)


async def test_a_full_server_says_so() -> None:
    async with serve() as page:
        page.registry.max_sessions = 0
        code, told = await closed(page.url, json.dumps({"type": "hello", **identity()}))
        assert code == 1000 and "places of this server are taken" in told[-1]["text"]


async def test_who_leaves_while_it_waits_for_a_place_takes_none() -> None:
    async with serve() as page:
        async with connect(page.url) as socket:
            await socket.send(json.dumps({"type": "hello", **identity(), "wait_s": 0.3}))
            assert json.loads(await socket.recv()) == {"type": "opening"}
        async with page_call(page.url, **identity(Conversation()), wait_s=0.5):
            assert len(page.sessions) == 1, "only the one that stayed"


async def test_who_speaks_before_there_is_a_place_is_not_one_of_our_pages() -> None:
    async with serve() as page:
        code, told = await closed(page.url, json.dumps({"type": "hello", **identity(), "wait_s": 60.0}), bytes(640))
        assert code == NOT_UNDERSTOOD and told[-1]["type"] == "ended"
        assert page.sessions == []
