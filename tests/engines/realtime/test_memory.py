"""What a fresh server session is told, and whose words a turn holds."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from tests.stories.clock import play
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.engines.realtime.memory import PAST_BUDGET, TRANSCRIPT_WAIT_S, RealtimeMemory
from voice_agents.engines.realtime.turn import RealtimeTurn
from voice_agents.engines.realtime.words import UserWords
from voice_agents.engines.tasks import Tasks
from voice_agents.providers.realtime.events import ToolCall


def test_pieces_stand_in_the_order_they_were_said_however_late_their_words_come() -> None:
    words = UserWords()
    words.expect("a")
    words.expect("b")
    words.final("b", "in tokyo")
    assert (words.text, words.known) == ("in tokyo", False)
    words.partial("a", "what")
    assert words.shown == "what in tokyo"
    words.final("a", "what time is it")
    assert (words.text, words.known) == ("what time is it in tokyo", True)


def test_words_that_come_before_their_piece_is_taken_are_kept() -> None:
    words = UserWords()
    words.final("a", "hello")
    assert (words.text, words.shown) == ("", "hello")
    words.expect("a")
    assert (words.text, words.shown, words.known) == ("hello", "hello", True)


def test_what_is_heard_again_after_a_lost_connection_is_not_said_twice() -> None:
    words = UserWords()
    words.expect("a")
    words.final("a", "what time is it")
    words.partial("lost", "in tok")
    words.forget_coming()
    words.partial("again", "in tokyo")
    assert words.shown == "what time is it in tokyo"


def test_a_turn_under_way_is_told_with_its_tools_and_what_has_sounded() -> None:
    turn = RealtimeTurn(1)
    turn.user.typed("add")
    turn.add_text("r1", "i1", "Let me see.")
    turn.add_sound("r1", "i1", np.full(24_000, 5000, dtype=np.int16))
    turn.complete("r1", whole=True)
    done, running = turn.add_calls([ToolCall("c1", "calculate", '{"expression": "1+1"}'), ToolCall("c2", "x", "?")])
    done.settle("two", error=False)
    assert running.args == {"malformed": "?"}
    told = [(item.kind, item.text or item.call_id) for item in turn.past()]
    assert told == [("user", "add"), ("assistant", "Let me see."), ("call", "c1"), ("output", "two"), ("call", "c2")]


def test_a_call_that_comes_twice_runs_once() -> None:
    turn = RealtimeTurn(1)
    call = ToolCall("c1", "flip_coin", "{}")
    assert len(turn.add_calls([call])) == 1
    assert turn.add_calls([call]) == []


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
            memory = RealtimeMemory(History(store), conversation, Tasks(), lambda *_: None)
            await memory.load()
            past = memory.past(None)
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
            memory = RealtimeMemory(history, conversation, Tasks(), lambda *_: None)
            await memory.load()
            told = [(item.kind, len(item.text)) for item in memory.past(None)]
            assert told == [("user", len("something xxxxx")), ("assistant", PAST_BUDGET)]

    play(story())


def test_a_turn_is_over_even_when_storing_it_fails_in_a_way_nobody_thought_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise OSError("the disk is gone")

    async def story() -> None:
        settled: list[tuple[int, str]] = []
        async with open_store(tmp_path / "c.sqlite3") as store:
            history = History(store)
            memory = RealtimeMemory(
                history, Conversation(), Tasks(), lambda turn, _, failure: settled.append((turn.number, str(failure)))
            )
            for number in (1, 2):
                turn = RealtimeTurn(number)
                turn.user.typed(f"turn {number}")
                with monkeypatch.context() as patched:
                    if number == 1:
                        patched.setattr(history, "append", fails)
                    memory.keep(turn, 0)
                    assert memory.settling is not None
                    await asyncio.wait([memory.settling])
                assert [item.text for item in memory.past(None)][-1] == f"turn {number}"
            assert settled == [(1, "the disk is gone"), (2, "None")]

    play(story())


def test_a_turn_is_part_of_the_past_while_its_words_are_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        settled: list[int] = []
        async with open_store(tmp_path / "c.sqlite3") as store:
            memory = RealtimeMemory(
                History(store), Conversation(), Tasks(), lambda turn, *_: settled.append(turn.number)
            )
            first, second = RealtimeTurn(1), RealtimeTurn(2)
            first.user.expect("late")
            second.user.typed("second")
            memory.keep(first, 0)
            memory.keep(second, 0)
            await asyncio.sleep(TRANSCRIPT_WAIT_S / 2)
            assert settled == []
            assert [item.text for item in memory.past(None)] == ["second"]
            first.user.final("late", "first")
            assert [item.text for item in memory.past(None)] == ["first", "second"]
            assert memory.settling is not None
            await memory.settling
            assert settled == [1, 2]
            assert [item.text for item in memory.past(None)] == ["first", "second"]

    play(story())
