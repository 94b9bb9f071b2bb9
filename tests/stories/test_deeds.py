"""What a tool with side effects does is done once for one turn of the user, whenever the user goes on or cuts in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import AnyCaller, StoryParts, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, FakeVoice, Script, Step
from tests.stories.realtime.caller import ring
from tests.stories.realtime.items import Habits, Item
from tests.stories.realtime.items import Step as RealtimeStep
from voice_agents.conversation import store
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.events import SpeechEnded, ToolCalled, ToolReturned, TurnDone
from voice_agents.providers.interfaces import ConnectionListener

TIMER = Call("set_timer", '{"seconds": 30, "label": "tea"}')
NOTE = Call("save_note", '{"text": "buy milk"}')
WORDS = ["set a timer for my tea", "please"]


def obedient(tool: Call) -> object:
    """Calls the tool, and says what came of it: it reads the record of what was done."""

    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return ["It is done."] if messages[-1].type == "tool" else [tool]

    return script


def forgetful(tool: Call) -> object:
    """Calls the tool once more in every answer, whatever was done already."""
    asked: list[int] = []

    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        said = sum(len(message.text) for message in messages if message.type == "human")
        if messages[-1].type == "tool" and said in asked:
            return ["It is done."]
        asked.append(said)
        return [tool]

    return script


async def done_by(caller: AnyCaller[Any, Any]) -> list[HistoryEntry]:
    entries = await History(caller.parts.store).messages(caller.session.conversation)
    return [entry for entry in entries if entry.role is Speaker.TOOL]


@pytest.mark.parametrize("tool", [TIMER, NOTE], ids=lambda tool: tool.name)
@pytest.mark.parametrize("model", [obedient, forgetful])
@pytest.mark.parametrize("after_s", [0.05, 0.3])
def test_who_goes_on_before_the_answer_sounds_has_it_done_once(
    tmp_path: Path, tool: Call, model: object, after_s: float
) -> None:
    async def story() -> None:
        async with call(tmp_path, model(tool), WORDS) as caller:  # pyrefly: ignore[not-callable]
            caller.say(0)
            await caller.until(ToolReturned)
            caller.voice.first_audio_s = 1.0
            await asyncio.sleep(after_s)
            caller.say(1)
            await turn_done(caller)
            timers = caller.session.timers._running
            assert len(timers) == (tool is TIMER)
            assert len(await caller.parts.store.notes(caller.session.conversation.owner).all()) == (tool is NOTE)
            assert len(caller.all(ToolCalled)) == len(caller.all(ToolReturned)) == 1
            texts = await caller.texts()
            assert texts[0] == (Speaker.USER, " ".join(WORDS))
            assert [role for role, _ in texts[1:]] == [Speaker.TOOL, Speaker.AGENT]

    play(story())


def write_notes_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written at once, which becomes known a moment later."""
    add = store._StoredNotes.add

    async def slow(self: store._StoredNotes, text: str) -> None:
        await add(self, text)
        await asyncio.sleep(0.4)

    monkeypatch.setattr(store._StoredNotes, "add", slow)


@pytest.mark.parametrize("ending", ["go on", "stop", "type"])
def test_a_note_that_is_being_written_is_written_and_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    async def story() -> None:
        async with call(tmp_path, obedient(NOTE), WORDS) as caller:  # pyrefly: ignore[bad-argument-type]
            notes = caller.parts.store.notes(caller.session.conversation.owner)
            write_notes_slowly(monkeypatch)
            caller.say(0)
            await caller.until(ToolCalled)
            await asyncio.sleep(0.1)
            if ending == "go on":
                caller.say(1)
            elif ending == "stop":
                caller.session.interrupt()
            else:
                caller.session.send_text("thank you")
            await asyncio.sleep(20.0)
            wanted = 2 if ending == "type" else 1  # a turn of its own, in which this model notes it once more
            assert await notes.all() == ["buy milk"] * wanted
            assert [entry.text for entry in await done_by(caller)] == ["I noted: buy milk."] * wanted

    play(story())


def test_what_was_done_for_a_turn_that_is_left_unanswered_is_remembered(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, obedient(TIMER), WORDS) as caller:  # pyrefly: ignore[bad-argument-type]
            caller.say(0)
            await caller.until(ToolReturned)
            caller.voice.first_audio_s = 1.0
            await asyncio.sleep(0.1)
            caller.say(1, 3.0)
            await asyncio.sleep(1.0)
            caller.session.send_text("thank you")
            await asyncio.sleep(10.0)
            [first, *_] = await done_by(caller)
            assert (first.name, first.error) == ("set_timer", False)

    play(story())


def realtime(tool: Call, *, forgets: bool) -> object:
    def script(items: Sequence[Item]) -> Sequence[RealtimeStep]:
        if items[-1].kind == "output":
            return ["It is done."]
        known = any(item.kind == "output" for item in items)
        return ["It is done already."] if known and not forgets else [tool]

    return script


@pytest.mark.parametrize("tool", [TIMER, NOTE], ids=lambda tool: tool.name)
@pytest.mark.parametrize("forgets", [True, False])
def test_a_realtime_server_that_asks_again_has_it_done_once(tmp_path: Path, tool: Call, forgets: bool) -> None:
    async def story() -> None:
        habits = Habits(first_audio_s=0.6)
        async with ring(tmp_path, realtime(tool, forgets=forgets), WORDS, habits=habits) as caller:  # pyrefly: ignore[bad-argument-type]
            caller.say(0)
            await caller.until(ToolReturned)
            await asyncio.sleep(0.1)
            caller.say(1)
            await turn_done(caller)
            assert len(caller.session.timers._running) == (tool is TIMER)
            assert len(await caller.parts.store.notes(caller.session.conversation.owner).all()) == (tool is NOTE)
            assert len(caller.all(ToolCalled)) == len(caller.all(ToolReturned)) == 1
            calls = {item.call_id for item in caller.server.items if item.kind == "call"}
            assert {call_id for call_id, _ in caller.server.sent_outputs} == calls, "every call has its answer"
            assert len(await done_by(caller)) == 1

    play(story())


@pytest.mark.parametrize("ending", ["go on", "stop"])
def test_a_note_that_is_being_written_is_written_and_known_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    async def story() -> None:
        async with ring(tmp_path, realtime(NOTE, forgets=False), WORDS) as caller:  # pyrefly: ignore[bad-argument-type]
            write_notes_slowly(monkeypatch)
            caller.say(0)
            await caller.until(ToolCalled)
            await asyncio.sleep(0.1)
            if ending == "go on":
                caller.say(1)
            else:
                caller.session.interrupt()
            await asyncio.sleep(20.0)
            assert await caller.parts.store.notes(caller.session.conversation.owner).all() == ["buy milk"]
            assert [text for _, text in caller.server.sent_outputs] == ["I noted: buy milk."]
            assert [entry.text for entry in await done_by(caller)] == ["I noted: buy milk."]

    play(story())


def test_the_next_turn_may_have_the_same_done_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, obedient(NOTE), WORDS) as caller:  # pyrefly: ignore[bad-argument-type]
            for count in (1, 2):
                caller.say(0)
                await caller.until(SpeechEnded, count)
                await turn_done(caller, count)
            assert len(caller.all(TurnDone)) == 2
            assert len(await caller.parts.store.notes(caller.session.conversation.owner).all()) == 2

    play(story())


@pytest.mark.parametrize("end", ["stop", "typed", "hung up"])
@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.5])
def test_an_answer_cut_before_its_voice_is_there_does_nothing_more(tmp_path: Path, end: str, after_s: float) -> None:
    """Nobody is left to say what such an agent did, so nothing may be done after the cut."""
    conversation, script = Conversation(), cast(Script, obedient(NOTE))

    async def story() -> None:
        async with call(tmp_path, script, conversation=conversation, prepare=slow_to_speak) as caller:
            caller.parts.model.first_token_s = 1.0
            caller.session.send_text("write down that I need milk")
            await asyncio.sleep(after_s)
            if end == "stop":
                caller.session.interrupt()
            elif end == "typed":
                caller.session.send_text("or rather")
                caller.session.interrupt()
            if end != "hung up":
                await asyncio.sleep(10.0)
        async with store.open_store(tmp_path / "conversations.sqlite3") as kept:
            assert await kept.notes(conversation.owner).all() == []
            assert (await History(kept).messages(conversation))[0].text == "write down that I need milk"

    play(story())


def slow_to_speak(parts: StoryParts) -> None:
    """Connecting to the voice takes its time."""
    make = parts.text_to_speech

    def slow(on_connection: ConnectionListener) -> FakeVoice:
        voice = make(on_connection)
        voice.opening_s = 5.0
        return voice

    parts.text_to_speech = slow
