"""A timer that is set by typing, without a call, in a conversation that is then left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import time as wall_clock

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import StoryParts
from tests.stories.clock import play
from tests.stories.fakes import Call, FakeModel, Step
from tests.stories.realtime.caller import RealtimeStoryParts
from tests.stories.realtime.items import Item
from tests.stories.realtime.items import Step as RealtimeStep
from tests.stories.sessions import realtime_session, sandwich_session
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.events import AgentText, Event, ToolReturned
from voice_agents.session.base import Session
from voice_agents.tools import timers
from voice_agents.transports.live import Ending, LiveSession, SessionRequest
from voice_agents.transports.registry import SessionRegistry

SET_TIMER = '{"seconds": 600, "label": "tea"}'


def model(messages: list[BaseMessage]) -> Sequence[Step]:
    return ["It is set."] if messages[-1].type == "tool" else [Call("set_timer", SET_TIMER)]


def server(items: Sequence[Item]) -> Sequence[RealtimeStep]:
    if "timer has fired" in items[-1].text:
        return ["Your timer for tea is done."]
    return ["It is set."] if items[-1].kind == "output" else [Call("set_timer", SET_TIMER)]


class Page:
    """Shows what the agent writes, and when the conversation ended."""

    def __init__(self) -> None:
        self.text = ""
        self.set_at = self.spoke_at = self.fired_at = self.ended_at = 0.0
        self.why: Ending | None = None
        self.over = asyncio.Event()

    def hear(self, event: Event) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(event, ToolReturned):
            self.set_at = now
        elif isinstance(event, AgentText):
            self.text += event.text
            self.spoke_at = self.spoke_at or now
            if not self.fired_at and "tea is done" in self.text:
                self.fired_at = now

    def ended(self, why: Ending) -> None:
        self.why, self.ended_at = why, asyncio.get_running_loop().time()
        self.over.set()


ENGINES = pytest.mark.parametrize("kind", ["sandwich", "realtime"])
Opener = Callable[[Conversation], Awaitable[tuple[LiveSession, Page]]]


@asynccontextmanager
async def house(file: Path, kind: str) -> AsyncIterator[tuple[Opener, Store]]:
    """A server with this database; opens a conversation whose events a page shows."""
    async with open_store(file) as store:

        def make(request: SessionRequest) -> Session:
            if kind == "sandwich":
                return sandwich_session(StoryParts(store, FakeModel(model), ()), request.conversation, request.turns)
            return realtime_session(RealtimeStoryParts(store, server, ()), request.conversation, request.turns)

        async with SessionRegistry(make) as registry:

            async def opened(conversation: Conversation) -> tuple[LiveSession, Page]:
                page, live = Page(), await registry.open(SessionRequest(kind, conversation))
                live.listen(page)
                return live, page

            yield opened, store


def follow_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day goes on with the story's."""
    loop = asyncio.get_running_loop()
    began = wall_clock() - loop.time()
    monkeypatch.setattr(timers, "wall_clock", lambda: began + loop.time())


@ENGINES
def test_a_timer_of_ten_minutes_speaks_up_then_the_conversation_is_idle(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with house(tmp_path / "conversations.sqlite3", kind) as (opened, _):
            live, page = await opened(Conversation())
            live.do(lambda session: session.send_text("set a timer for tea"))
            await page.over.wait()
            assert page.fired_at - page.set_at == pytest.approx(600, abs=10)
            assert page.why is Ending.IDLE
            assert page.ended_at - page.fired_at == pytest.approx(60, abs=10)

    play(story())


@ENGINES
def test_a_timer_whose_page_is_gone_holds_no_place_and_speaks_up_for_the_next_one(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        follow_wall_clock(monkeypatch)
        conversation = Conversation()
        async with house(tmp_path / "conversations.sqlite3", kind) as (opened, store):
            live, page = await opened(conversation)
            live.do(lambda session: session.send_text("set a timer for tea"))
            live.watched = False
            await page.over.wait()
            assert page.why is Ending.IDLE and not page.fired_at
            assert page.ended_at - page.set_at == pytest.approx(60, abs=10)
            assert await store.timers(Conversation(id=conversation.id)).all() == [], "somebody else's"
            _, later = await opened(conversation)
            await later.over.wait()
            assert later.fired_at - page.set_at == pytest.approx(600, abs=10)
            assert await store.timers(conversation).all() == []

    play(story())


@ENGINES
def test_a_timer_that_fired_while_nobody_was_there_is_told_at_the_next_visit_once(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the program was stopped meanwhile."""

    async def story() -> None:
        follow_wall_clock(monkeypatch)
        conversation, loop = Conversation(), asyncio.get_running_loop()
        async with house(tmp_path / "conversations.sqlite3", kind) as (opened, _):
            live, page = await opened(conversation)
            live.do(lambda session: session.send_text("set a timer for tea"))
            live.watched = False
            await page.over.wait()
        await asyncio.sleep(7200)
        async with house(tmp_path / "conversations.sqlite3", kind) as (opened, store):
            came_at = loop.time()
            _, page = await opened(conversation)
            await page.over.wait()
            assert "timer for tea" in page.text
            assert page.spoke_at - came_at < 10
            if kind == "sandwich":
                assert page.text.strip() == "Your timer for tea was done one hour and fifty-one minutes ago."
            assert await store.timers(conversation).all() == []
            _, page = await opened(conversation)
            await page.over.wait()
            assert page.text == ""

    play(story())


def test_a_timer_that_is_cancelled_does_not_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "conversations.sqlite3") as store:
            conversation = Conversation()
            tools = timers.Timers(lambda _: None, store.timers(conversation))
            await tools.set_timer(600)
            await tools.set_timer(700, "tea")
            assert [timer.label for timer in await store.timers(conversation).all()] == ["", "tea"]
            await tools.cancel_timers()
            assert await store.timers(conversation).all() == []
            tools.close()

    play(story())
