"""What is remembered of turns whose words come when they like, and what a fresh server session is told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.stories.clock import play
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.engines.realtime import PAST_BUDGET, past_items
from voice_agents.errors import TURN_BROKE
from voice_agents.events import Failed, TurnDone
from voice_agents.providers.realtime.config import PastItem
from voice_agents.session.events_out import EventsOut
from voice_agents.session.memory import LATE_WORDS_S, Memory
from voice_agents.session.tasks import SessionTasks
from voice_agents.session.turn import Turn, UserWords


class Kept:
    """A memory, and what it told."""

    def __init__(self, store: Store, conversation: Conversation | None = None) -> None:
        self.tell = EventsOut(asyncio.get_running_loop().time, lambda: 0)
        self.history = History(store)
        self.memory = Memory(self.history, conversation or Conversation(), "realtime", self.tell, SessionTasks())

    @property
    def past(self) -> list[PastItem]:
        return past_items(self.memory.entries(), Turn(0))

    async def stored(self) -> list[int]:
        """Wait until nothing is left to be stored; the turns that are done."""
        if self.memory.unfinished:
            await asyncio.wait(self.memory.unfinished)
        return self.done

    @property
    def done(self) -> list[int]:
        return [event.turn for event in self.tell._events if isinstance(event, TurnDone)]


def test_a_long_past_is_told_from_its_end_beginning_with_the_user(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "c.sqlite3") as store:
            conversation, history = Conversation(), History(store)
            for number in range(40):
                await history.append(
                    conversation,
                    HistoryEntry(role=Speaker.USER, text=f"question {number}"),
                    HistoryEntry(
                        role=Speaker.TOOL, text="found", name="look", args={"at": number}, call_id=f"c{number}"
                    ),
                    HistoryEntry(role=Speaker.AGENT, text="x" * 1500),
                )
            kept = Kept(store, conversation)
            await kept.memory.open()
            past = kept.past
            assert PAST_BUDGET / 2 < sum(len(item.text) for item in past) <= PAST_BUDGET
            assert (past[0].kind, past[-1].kind) == ("user", "assistant")
            calls = {item.call_id for item in past if item.kind == "call"}
            assert calls == {item.call_id for item in past if item.kind == "output"}
            assert json.loads(past[1].arguments) == {"at": 40 - len(calls)}

    play(story())


def test_a_last_turn_that_is_longer_than_that_is_told_all_the_same(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "c.sqlite3") as store:
            conversation, history = Conversation(), History(store)
            for text in ("short", "x" * PAST_BUDGET):
                await history.append(
                    conversation,
                    HistoryEntry(role=Speaker.USER, text=f"something {text[:5]}"),
                    HistoryEntry(role=Speaker.AGENT, text=text),
                )
            kept = Kept(store, conversation)
            await kept.memory.open()
            told = [(item.kind, len(item.text)) for item in kept.past]
            assert told == [("user", len("something xxxxx")), ("assistant", PAST_BUDGET)]

    play(story())


def test_a_turn_is_over_even_when_storing_it_fails_in_a_way_nobody_thought_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise OSError("the disk is gone")

    async def story() -> None:
        async with open_store(tmp_path / "c.sqlite3") as store:
            kept = Kept(store)
            for number in (1, 2):
                turn = Turn(number, UserWords.of_text(f"turn {number}"))
                with monkeypatch.context() as patched:
                    if number == 1:
                        patched.setattr(kept.history, "append", fails)
                    kept.memory.keep(turn, 0)
                    await kept.stored()
                assert [item.text for item in kept.past][-1] == f"turn {number}"
            failed = [event for event in kept.tell._events if isinstance(event, Failed)]
            assert [(event.turn, str(event.error)) for event in failed] == [(1, TURN_BROKE)]
            assert kept.done == [1, 2]

    play(story())


def test_a_turn_is_part_of_the_past_while_its_words_are_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "c.sqlite3") as store:
            kept = Kept(store)
            first, second = Turn(1), Turn(2, UserWords.of_text("second"))
            first.user.expect("late")
            kept.memory.keep(first, 0)
            kept.memory.keep(second, 0)
            await asyncio.sleep(LATE_WORDS_S / 2)
            assert kept.done == []
            assert [item.text for item in kept.past] == ["second"]
            first.user.hear("late", "first", final=True)
            assert [item.text for item in kept.past] == ["first", "second"]
            assert await kept.stored() == [1, 2]
            assert [item.text for item in kept.past] == ["first", "second"]

    play(story())


def test_words_that_never_come_are_remembered_as_they_were_shown(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "c.sqlite3") as store:
            kept = Kept(store)
            turn = Turn(1)
            turn.user.expect("late")
            turn.user.hear("late", "what time is", final=False)
            kept.memory.keep(turn, 0)
            assert await kept.stored() == [1]
            assert [item.text for item in kept.past] == ["what time is"]

    play(story())


def test_a_turn_and_words_that_come_anew_are_known_without_reading_the_conversation_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reads(*_: object) -> list[HistoryEntry]:
        raise AssertionError("a turn costs what the conversation is long")

    async def story() -> None:
        async with open_store(tmp_path / "c.sqlite3") as store:
            conversation = Conversation()
            await History(store).append(conversation, HistoryEntry(role=Speaker.USER, text="before"))
            kept = Kept(store, conversation)
            await kept.memory.open()
            with monkeypatch.context() as patched:
                patched.setattr(kept.history, "messages", reads)
                turn = Turn(1)
                turn.user.expect("late")
                turn.user.hear("late", "what time is", final=False)
                kept.memory.keep(turn, 0)
                assert await kept.stored() == [1]
                turn.user.hear("late", "what time is it", final=True)
                kept.memory.reword(turn)
                await kept.stored()
                assert [item.text for item in kept.past] == ["before", "what time is it"]
            assert not [event for event in kept.tell._events if isinstance(event, Failed)]
            assert [entry.text for entry in await kept.history.messages(conversation)] == ["before", "what time is it"]

    play(story())
