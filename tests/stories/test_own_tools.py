"""A developer's own tools in a conversation, with both engines: done once for one turn, shown, remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import AnyCaller, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, Step
from tests.stories.realtime.caller import ring
from tests.stories.realtime.items import Habits, Item
from tests.stories.realtime.items import Step as RealtimeStep
from voice_agents.conversation.history import History, Speaker
from voice_agents.events import Notice, ToolCalled, ToolReturned, TurnDone
from voice_agents.tools import AnyTool, Tool, as_tools

PAY = Call("pay", '{"amount": 5}')
WORDS = ["pay five", "please"]


class Till:
    """Takes money, which takes its time."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.paid: list[int] = []
        self.takes_s = takes_s

    async def pay(self, amount: int) -> str:
        """Pay."""
        await asyncio.sleep(self.takes_s)
        self.paid.append(amount)
        return f"Paid {amount}."

    def pay_at_once(self, amount: int) -> str:
        """Pay."""
        self.paid.append(amount)
        return f"Paid {amount}."


def dial(
    engine: str, folder: Path, tools: Sequence[AnyTool], steps: Sequence[Sequence[Any]]
) -> AbstractAsyncContextManager[AnyCaller[Any, Any]]:
    """A caller of an agent with these tools, that answers its user with one of ``steps`` after the other."""

    def chat(messages: list[BaseMessage]) -> Sequence[Step]:
        return steps[min(len(steps) - 1, len([one for one in messages if one.type == "tool"]))]

    def server(items: Sequence[Item]) -> Sequence[RealtimeStep]:
        return steps[min(len(steps) - 1, len([one for one in items if one.kind == "output"]))]

    def prepare(parts: Any) -> None:
        parts.tools = as_tools(tools)

    if engine == "sandwich":
        return call(folder, chat, WORDS, prepare=prepare)
    return ring(folder, server, WORDS, habits=Habits(first_audio_s=0.6), prepare=prepare)


async def done(caller: AnyCaller[Any, Any]) -> list[str]:
    entries = await History(caller.parts.store).messages(caller.session.conversation)
    return [entry.text for entry in entries if entry.role is Speaker.TOOL]


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
@pytest.mark.parametrize("blocks", [False, True])
def test_a_tool_is_called_shown_and_remembered(tmp_path: Path, engine: str, blocks: bool) -> None:
    async def story() -> None:
        till = Till()

        def pay(amount: int) -> str:
            """Pay."""
            return till.pay_at_once(amount)

        async with dial(engine, tmp_path, [pay if blocks else till.pay], [[PAY], ["It is paid."]]) as caller:
            caller.say(0)
            await turn_done(caller)
            assert till.paid == [5]
            assert [event.name for event in caller.all(ToolCalled)] == ["pay"]
            assert [event.result for event in caller.all(ToolReturned)] == ["Paid 5."]
            assert await done(caller) == ["Paid 5."]

    play(story())


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
@pytest.mark.parametrize("after_s", [0.05, 0.3])
@pytest.mark.parametrize("takes_s", [0.0, 0.4, 3.0])
def test_who_goes_on_before_the_answer_sounds_pays_once(
    tmp_path: Path, engine: str, after_s: float, takes_s: float
) -> None:
    async def story() -> None:
        till = Till(takes_s)
        async with dial(engine, tmp_path, [till.pay], [[PAY], ["It is paid."]]) as caller:
            caller.say(0)
            await caller.until(ToolCalled)
            await asyncio.sleep(after_s)
            caller.say(1)
            await turn_done(caller)
            await asyncio.sleep(5.0)
            assert till.paid == [5]
            assert await done(caller) == ["Paid 5."]

    play(story())


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_model_that_asks_twice_for_the_same_has_it_done_once(tmp_path: Path, engine: str, at_once: bool) -> None:
    async def story() -> None:
        till = Till(0.2)
        steps: list[list[Any]] = [[PAY, PAY], ["It is paid."]] if at_once else [[PAY], [PAY], ["It is paid."]]
        async with dial(engine, tmp_path, [till.pay], steps) as caller:
            caller.say(0)
            await turn_done(caller)
            assert till.paid == [5]
            assert set(await done(caller)) == {"Paid 5."}

    play(story())


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
def test_what_broke_half_way_is_not_tried_again_in_this_turn(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        tried: list[int] = []

        async def pay(amount: int) -> str:
            """Pay."""
            tried.append(amount)
            raise ConnectionError("the bank does not answer")

        async with dial(engine, tmp_path, [pay], [[PAY], [PAY], ["I could not."]]) as caller:
            caller.say(0)
            await turn_done(caller)
            assert tried == [5]
            assert caller.all(ToolReturned)[0].error

    play(story())


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
@pytest.mark.parametrize("side_effects", [True, False])
@pytest.mark.parametrize("kind", [asyncio.CancelledError, SystemExit, BaseException])
def test_whatever_a_tool_raises_the_conversation_goes_on(
    tmp_path: Path, engine: str, side_effects: bool, kind: type[BaseException]
) -> None:
    async def story() -> None:
        async def pay(amount: int) -> str:
            """Pay."""
            raise kind

        till = Tool.of(pay, side_effects=side_effects)
        async with dial(engine, tmp_path, [till], [[PAY], ["I could not."]]) as caller:
            caller.say(0)
            await turn_done(caller)
            assert [event.error for event in caller.all(ToolReturned)] == [True]
            assert caller.all(TurnDone)[0].heard_text.strip() == "I could not."

    play(story())


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
def test_arguments_that_are_no_object_are_refused_in_the_same_words(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        till = Till()
        async with dial(engine, tmp_path, [till.pay], [[Call("pay", "[5]")], [PAY], ["It is paid."]]) as caller:
            caller.say(0)
            await turn_done(caller)
            assert [event.result for event in caller.all(ToolReturned)] == [
                "The arguments must be a JSON object.",
                "Paid 5.",
            ]

    play(story())


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
def test_what_a_tool_says_meanwhile_is_told(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        paying = Tool.of(Till(4.0).pay, meanwhile="The bank is slow today.")
        async with dial(engine, tmp_path, [paying], [[PAY], ["It is paid."]]) as caller:
            caller.say(0)
            await turn_done(caller)
            assert [notice.text for notice in caller.all(Notice)] == ["The bank is slow today."]

    play(story())
