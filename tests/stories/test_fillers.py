"""What is said while a tool takes its time: once, in words that fit, and no part of what is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import Caller, StoryParts, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, Step
from voice_agents.conversation.history import Speaker
from voice_agents.events import Interrupted, Notice
from voice_agents.session.waiting import filler
from voice_agents.tools import Tool


def answers(messages: list[BaseMessage]) -> Sequence[Step]:
    """Asks two shops, then says what they have."""
    results = [message for message in messages if message.type == "tool"]
    return [Call("find_shoes", f'{{"shop": {len(results)}}}')] if len(results) < 2 else ["They have red shoes."]


def shop(takes_s: float, meanwhile: str = "") -> Tool:
    async def find_shoes(shop: int) -> str:
        """Ask a shop for shoes."""
        await asyncio.sleep(takes_s)
        return "Red ones."

    return Tool.of(find_shoes, side_effects=False, meanwhile=meanwhile)


async def conversation(folder: Path, tool: Tool, caller_does: float | None = None) -> Caller:
    def prepare(parts: StoryParts) -> None:
        parts.tools = [tool]

    async with call(folder, answers, ["are there any shoes", "stop please"], prepare=prepare) as caller:
        await caller.speak(0)
        if caller_does is not None:
            await asyncio.sleep(caller_does)
            await caller.speak(1)
        await turn_done(caller)
        texts = await caller.texts()
    assert texts[0] == (Speaker.USER, "are there any shoes")
    assert "moment" not in " ".join(text for _, text in texts).lower()
    return caller


def said(caller: Caller) -> str:
    return " ".join(word for stream in caller.voice.streams for word in stream.words)


def test_a_slow_tool_is_announced_once(tmp_path: Path) -> None:
    caller = play(conversation(tmp_path, shop(2.5)))
    assert said(caller) == "One moment, I am looking that up. They have red shoes."
    assert [notice.text for notice in caller.all(Notice)] == ["One moment, I am looking that up."]
    [done] = [event.latency for event in caller.events if hasattr(event, "latency")]
    assert done.overhead == pytest.approx(0, abs=0.05)


def test_a_quick_tool_is_not(tmp_path: Path) -> None:
    caller = play(conversation(tmp_path, shop(0.4)))
    assert said(caller) == "They have red shoes."


def test_a_tool_may_say_itself_what_is_said_meanwhile(tmp_path: Path) -> None:
    caller = play(conversation(tmp_path, shop(1.5, "I am asking the shoemaker.")))
    assert said(caller).startswith("I am asking the shoemaker.")


def test_nothing_is_said_over_the_user(tmp_path: Path) -> None:
    """Who speaks again before a second is over has the floor, and what was heard of a filler is no answer."""
    caller = play(conversation(tmp_path, shop(4.0), caller_does=3.0))
    assert all(cut.heard_text == "" for cut in caller.all(Interrupted))


@pytest.mark.parametrize(
    ("tool", "language", "sentence"),
    [
        ("get_weather", "en", "One moment, I am looking that up."),
        ("searchFlights", "en", "One moment, I am looking that up."),
        ("convert_units", "en", "One moment, I am working that out."),
        ("book_table", "en", "One moment, I am doing that."),
        ("weather", "en", "One moment, please."),
        ("get_weather", "de", "Einen Moment, bitte."),
        ("get_weather", "xx", ""),
    ],
)
def test_the_words_fit_the_tool_and_the_language(tool: str, language: str, sentence: str) -> None:
    assert filler(tool, language) == sentence
