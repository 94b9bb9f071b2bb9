"""A timer that is set by typing, without a call, in a conversation that is then left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import StoryParts
from tests.stories.clock import play
from tests.stories.fakes import Call, FakeModel, Step
from tests.stories.realtime.caller import RealtimeStoryParts
from tests.stories.realtime.items import Item
from tests.stories.realtime.items import Step as RealtimeStep
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.engines.base import Session
from voice_agents.engines.realtime.session import RealtimeSession
from voice_agents.engines.sandwich.session import SandwichSession
from voice_agents.events import AgentText, Event, ToolReturned
from voice_agents.transports.registry import Ending, SessionRegistry, SessionRequest

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
        self.set_at = self.fired_at = self.ended_at = 0.0
        self.why: Ending | None = None
        self.over = asyncio.Event()

    def hear(self, event: Event) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(event, ToolReturned):
            self.set_at = now
        elif isinstance(event, AgentText):
            self.text += event.text
            if not self.fired_at and "tea is done" in self.text:
                self.fired_at = now

    def ended(self, why: Ending) -> None:
        self.why, self.ended_at = why, asyncio.get_running_loop().time()
        self.over.set()


@pytest.mark.parametrize("kind", ["sandwich", "realtime"])
def test_a_timer_of_ten_minutes_speaks_up_then_the_conversation_is_idle(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "conversations.sqlite3") as store:

            def make(request: SessionRequest) -> Session:
                if kind == "sandwich":
                    return SandwichSession(StoryParts(store, FakeModel(model), ()), request.conversation, request.turns)
                return RealtimeSession(RealtimeStoryParts(store, server, ()), request.conversation, request.turns)

            async with SessionRegistry(make) as registry:
                page = Page()
                live = await registry.open(SessionRequest(kind, Conversation()))
                live.listen(page)
                live.do(lambda session: session.send_text("set a timer for tea"))
                await page.over.wait()
                assert page.fired_at - page.set_at == pytest.approx(600, abs=10)
                assert page.why is Ending.IDLE
                assert page.ended_at - page.fired_at == pytest.approx(60, abs=10)

    play(story())
