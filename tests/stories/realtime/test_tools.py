"""Tools and timers in scripted Realtime conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.stories.caller import turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call
from tests.stories.realtime.caller import ring
from tests.stories.realtime.items import Item, Step
from tests.stories.realtime.scripts import LONG
from voice_agents.conversation.history import Speaker
from voice_agents.events import (
    Notice,
    ToolCalled,
    ToolReturned,
)


def calls_then_says(*calls: Call) -> object:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        outputs = [item.text for item in items if item.kind == "output"]
        return [" ".join(outputs)] if outputs else list(calls)

    return script


def test_several_tools_of_one_response_run_at_once_and_the_server_is_asked_once(tmp_path: Path) -> None:
    script = calls_then_says(
        Call("calculate", '{"expression": "6*7"}'), Call("convert_units", '{"nonsense": 1}'), Call("no_such_tool")
    )

    async def story() -> None:
        async with ring(tmp_path, script) as caller:  # pyrefly: ignore[bad-argument-type]
            caller.session.send_text("what is six times seven")
            done = await turn_done(caller)
            assert [event.name for event in caller.all(ToolCalled)] == ["calculate", "convert_units", "no_such_tool"]
            assert [event.error for event in caller.all(ToolReturned)] == [False, True, True]
            assert caller.server.responses == 2
            assert len(caller.server.sent_outputs) == 3
            assert "42" in done.heard_text or "forty-two" in done.heard_text
            entries = await caller.remembered()
            assert [entry.role for entry in entries] == [Speaker.USER, *[Speaker.TOOL] * 3, Speaker.AGENT]
            assert done.latency.tools is None or done.latency.tools < 0.1

    play(story())


def test_what_is_said_before_a_tool_is_heard_with_what_follows(tmp_path: Path) -> None:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        if items[-1].kind == "output":
            return ["It is done."]
        return ["Let me see.", Call("calculate", '{"expression": "1+1"}')]

    async def story() -> None:
        async with ring(tmp_path, script) as caller:
            caller.session.send_text("add")
            done = await turn_done(caller)
            assert done.heard_text == "Let me see. It is done."
            assert [text for _, text in await caller.texts()][1::2] == ["Let me see.", "It is done."]

    play(story())


def test_a_slow_tool_is_announced_and_a_cut_one_is_answered_once(tmp_path: Path) -> None:
    async def slow(*_: object) -> None:
        await asyncio.sleep(8.0)

    async def story() -> None:
        script = calls_then_says(Call("calculate", '{"expression": "1+1"}'), Call("roll_dice"))
        async with ring(tmp_path, script, ["never mind"]) as caller:  # pyrefly: ignore[bad-argument-type]
            runner = caller.session.toolbox
            original = runner.call

            async def call(name: str, arguments: object) -> object:
                if name == "calculate":
                    await slow()
                return await original(name, arguments)  # pyrefly: ignore[bad-argument-type]

            runner.call = call  # pyrefly: ignore[bad-assignment]
            caller.session.send_text("add")
            notice = await caller.until(Notice)
            assert "calculate" in notice.text
            caller.session.interrupt()
            await turn_done(caller)
            await asyncio.sleep(20.0)
            outputs = dict(caller.server.sent_outputs)
            assert len(outputs) == len(caller.server.sent_outputs) == 2
            assert "cancelled by the user" in outputs.values()
            assert caller.server.responses == 1
            assert len(caller.all(ToolReturned)) == 2
            entries = await caller.remembered()
            assert [entry.error for entry in entries] == [False, True, False]

    play(story())


def test_a_timer_speaks_up_through_the_model_in_a_pause(tmp_path: Path) -> None:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        if items[-1].kind == "output":
            return ["It is set. " + LONG]
        if "timer has fired" in items[-1].text:
            return ["Your tea is ready."]
        return [Call("set_timer", '{"seconds": 5, "label": "tea"}')]

    async def story() -> None:
        async with ring(tmp_path, script) as caller:
            caller.session.send_text("set a timer for five seconds")
            first = await turn_done(caller, 1)
            done = await turn_done(caller, 2)
            assert done.at > first.at > 10.0
            assert done.heard_text == "Your tea is ready."
            assert [role for role, _ in await caller.texts()][-1] is Speaker.AGENT
            assert not any("timer has fired" in text for _, text in await caller.texts())

    play(story())
