"""The line before a full server: who waits is told where, goes on by itself, and nobody passes by."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests.stories.clock import play
from tests.transports.test_registry import make, request
from voice_agents.conversation.model import Conversation
from voice_agents.errors import SessionLimitReached, VoiceAgentError
from voice_agents.transports.line import USUAL_S, Line, Wait
from voice_agents.transports.live import Ending, Limits, LiveSession
from voice_agents.transports.registry import SessionRegistry


class Caller:
    """Somebody who asks for a place and waits for it."""

    def __init__(self, registry: SessionRegistry, conversation: Conversation | None = None) -> None:
        self.told: list[Wait] = []
        self.task = asyncio.create_task(registry.open(request(conversation=conversation), self.told.append))

    @property
    def position(self) -> int:
        return self.told[-1].position if self.told else 0

    async def place(self) -> LiveSession:
        async with asyncio.timeout(5):
            return await self.task

    async def leave(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def settle() -> None:
    """Until all tasks that can go on have gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_waits_is_told_where_and_goes_on_by_itself_in_order() -> None:
    async with SessionRegistry(make, max_sessions=1) as registry:
        first = await registry.open(request())
        callers = [Caller(registry) for _ in range(3)]
        await settle()
        assert [caller.position for caller in callers] == [1, 2, 3]
        await first.end(Ending.LEFT)
        second = await callers[0].place()
        assert [caller.position for caller in callers[1:]] == [1, 2]
        assert len(registry) == 1
        await second.end(Ending.LEFT)
        await (await callers[1].place()).end(Ending.LEFT)
        await callers[2].place()


async def test_who_does_not_wait_cannot_take_the_place_of_who_does() -> None:
    async with SessionRegistry(make, max_sessions=1) as registry:
        first = await registry.open(request())
        waiting = Caller(registry)
        await settle()
        ending = asyncio.create_task(first.end(Ending.LEFT))
        while len(registry):  # noqa: ASYNC110 - to look in at that very moment
            await asyncio.sleep(0)
        with pytest.raises(SessionLimitReached):
            await registry.open(request())
        await waiting.place()
        await ending


async def test_who_leaves_the_line_makes_way() -> None:
    async with SessionRegistry(make, max_sessions=1) as registry:
        first = await registry.open(request())
        gone, patient = Caller(registry), Caller(registry)
        await settle()
        await gone.leave()
        assert patient.position == 1
        await first.end(Ending.LEFT)
        await patient.place()


async def test_a_place_that_was_kept_for_somebody_who_leaves_goes_to_the_next() -> None:
    async with SessionRegistry(make, max_sessions=1) as registry:
        first = await registry.open(request())
        gone, patient = Caller(registry), Caller(registry)
        await settle()
        ending = asyncio.create_task(first.end(Ending.LEFT))
        while len(registry):  # noqa: ASYNC110 - to look in at that very moment
            await asyncio.sleep(0)
        await gone.leave()  # called, but it had not taken its place yet
        await patient.place()
        await ending


async def test_who_opens_the_conversation_in_another_window_meanwhile_gets_that_session() -> None:
    conversation = Conversation()
    async with SessionRegistry(make, max_sessions=1) as registry:
        first = await registry.open(request())
        windows = [Caller(registry, conversation) for _ in range(2)]
        await settle()
        await first.end(Ending.LEFT)
        assert await windows[0].place() is await windows[1].place()


async def test_who_goes_on_in_another_tab_keeps_the_place() -> None:
    conversation = Conversation()
    async with SessionRegistry(make, max_sessions=1) as registry:
        await registry.open(request("sandwich", conversation))
        waiting = Caller(registry)
        await settle()
        other = await registry.open(request("realtime", conversation))
        await settle()
        assert not waiting.task.done()
        await other.end(Ending.LEFT)
        await waiting.place()


async def test_who_waits_for_all_places_of_one_visitor_gets_no_further_one() -> None:
    async with SessionRegistry(make, max_sessions=1, per_visitor=1) as registry:
        await registry.open(request())
        waiting = Caller(registry, Conversation(owner="me"))
        await settle()
        with pytest.raises(SessionLimitReached, match="You hold 1 conversations"):
            await registry.open(request(conversation=Conversation(owner="me")), lambda _: None)
        await waiting.leave()


async def test_whoever_waits_when_the_server_stops_is_told() -> None:
    async with SessionRegistry(make, max_sessions=1) as registry:
        await registry.open(request())
        waiting = Caller(registry)
        await settle()
        await registry.drain(0.0)
        with pytest.raises(VoiceAgentError, match="being stopped"):
            await waiting.place()


async def test_a_line_has_an_end() -> None:
    line = Line[str](places=2, longest=1)
    ticket = line.join("a place", lambda _: None)
    with pytest.raises(SessionLimitReached, match="All 2 places of this server are taken, and 1 are waiting"):
        line.join("a place", lambda _: None)
    line.leave(ticket)
    line.leave(line.join("a place", lambda _: None))


def test_the_estimate_comes_from_the_last_conversations() -> None:
    async def story() -> None:
        async with SessionRegistry(make, max_sessions=2, limits=Limits(idle_s=1e6)) as registry:
            first, second = [await registry.open(request()) for _ in range(2)]
            early = Caller(registry)
            await settle()
            assert early.told == [Wait(1, USUAL_S / 2)]
            await asyncio.sleep(600)
            await first.end(Ending.LEFT)
            await early.place()
            late = Caller(registry)
            await settle()
            assert late.told[0].about_s == pytest.approx(300, rel=0.1)
            await late.leave()
            await second.end(Ending.LEFT)

    play(story())


@pytest.mark.parametrize(
    ("wait", "says"),
    [
        (Wait(1, 20), "You are next, probably in less than a minute."),
        (Wait(1, 60), "You are next, probably in about 1 minute."),
        (Wait(3, 400), "You are number 3 in line, probably in about 7 minutes."),
    ],
)
def test_it_is_said_in_a_sentence(wait: Wait, says: str) -> None:
    assert wait.sentence.startswith("All places of this server are taken. ")
    assert says in wait.sentence
