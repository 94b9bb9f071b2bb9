"""Where messages are kept: each once, in a row of its own, read by all who read the conversation."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, ChatMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from voice_agents.conversation import message_rows
from voice_agents.conversation.digest import Digest
from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.shelf import Shelf
from voice_agents.conversation.sqlite import SqliteStore
from voice_agents.conversation.store import Store, open_store, thread

FACTS = TurnFacts(engine="sandwich", at=1_700_000_000.0, latency={"silence": 0.5}, unheard="and so on")


def said(text: str, answer: str = "Yes.") -> list[AnyMessage]:
    return [FACTS.put_on(HumanMessage(text, id=new_id())), AIMessage(answer, id=new_id())]


async def rows(store: Store) -> list[bytes]:
    """What is stored of each message, by position."""
    found = await store.query("SELECT position, data FROM messages ORDER BY position")
    assert [position for position, _ in found] == list(range(len(found)))
    return [bytes(data) for _, data in found]


async def counted(store: Store) -> tuple[str, int]:
    [(engine, turns)] = await store.query("SELECT engine, turns FROM digests")
    return engine, turns


async def stored_by_an_earlier_version(store: Store, talk: Conversation, messages: Sequence[AnyMessage]) -> None:
    """As it wrote it, and as LangGraph does: everything in one checkpoint, all words in one digest."""
    saver = store.checkpointer
    versions = {"messages": saver.get_next_version(None, None)}
    values: dict[str, Any] = {"messages": list(messages)}
    checkpoint: Checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": {**versions}}
    await saver.aput(thread(talk, None), checkpoint, {"source": "update", "step": 0, "parents": {}}, dict(versions))
    await store.touch(talk, messages[0].text)
    await store.execute(
        "INSERT INTO digests (conversation, engine, turns, words) VALUES (:id, :engine, :turns, :words)",
        Digest.of(messages).values(talk.id),
    )


async def found_by(store: Store, *words: str) -> list[bool]:
    return [bool(await Shelf(lambda: store).list("ada", word)) for word in words]


async def test_a_turn_writes_only_its_own_messages(
    store: Store, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Conversation(owner="ada")
    await history.extend(talk, [message for number in range(50) for message in said(f"Question {number}")])
    before = await rows(store)
    encoded: list[str] = []
    encode = message_rows._encoded

    def watched(serde: Any, message: AnyMessage) -> message_rows.Row:
        encoded.append(message.text)
        return encode(serde, message)

    monkeypatch.setattr(message_rows, "_encoded", watched)
    await history.extend(talk, said("One more"))
    assert encoded == ["One more", "Yes."]
    assert (await rows(store))[:-2] == before
    assert await counted(store) == ("sandwich", 51)
    assert await found_by(store, "question 49", "more", "fifty") == [True, True, False]


async def test_every_kind_of_message_is_read_as_it_was_written(store: Store, history: History) -> None:
    call = {"name": "clock", "args": {"place": "Tokyo", "deep": [{"a": None}]}, "id": "c1", "type": "tool_call"}
    messages: list[AnyMessage] = [
        *said("Hello", "Hi"),
        HumanMessage([{"type": "text", "text": "in parts"}], id="parts", name="Ada"),
        AIMessage("", id="calls", tool_calls=[call], response_metadata={"model": "x"}),
        ToolMessage("21:10", tool_call_id="c1", name="clock", status="error", artifact={"n": 1}, id="tool"),
        AIMessage("Half an", id="half", additional_kwargs={"interrupted": True}),
        ChatMessage(content="of another kind", role="critic", id="chat"),
        HumanMessage("", id="empty"),
        AIMessage("with more", id="more", kind="of its own"),
    ]
    talk = Conversation(owner="ada")
    await history.extend(talk, messages)
    read = await History(store).load(talk)
    assert list(read) == messages
    assert [type(one) for one in read] == [type(one) for one in messages]
    assert await History(store).messages(talk) == await history.messages(talk)


async def test_what_takes_the_place_of_all_before_leaves_nothing_of_it(store: Store, history: History) -> None:
    talk = Conversation(owner="ada")
    await history.extend(talk, [*said("Old words"), *said("Older words")])
    summary: list[Any] = [RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("In short", id=new_id())]
    await history.extend(talk, summary, key=summary[1].id)
    await history.extend(talk, said("New words"))
    assert [one.text for one in await History(store).load(talk)] == ["In short", "New words", "Yes."]
    assert len(await rows(store)) == 3
    assert await counted(store) == ("sandwich", 2)
    assert await found_by(store, "old", "short", "new") == [False, True, True]


async def test_a_conversation_of_an_earlier_version_is_read_found_and_gone_on_with(store: Store) -> None:
    talk = Conversation(owner="ada")
    old = [*said("Long ago"), *said("And then?", "Nothing.")]
    await stored_by_an_earlier_version(store, talk, old)
    assert await rows(store) == []
    assert list(await History(store).load(talk)) == old
    assert await found_by(store, "ago", "nothing") == [True, True]
    history = History(store)
    await history.extend(talk, said("Today"))
    assert len(await rows(store)) == 6
    await history.extend(talk, said("Tomorrow"))
    assert [one.text for one in await History(store).load(talk)][::2] == ["Long ago", "And then?", "Today", "Tomorrow"]
    assert await counted(store) == ("sandwich", 4)
    assert await found_by(store, "ago", "nothing", "today", "tomorrow", "never") == [True, True, True, True, False]


async def test_what_another_agent_wrote_last_is_what_counts(store: Store, history: History) -> None:
    """Also when it was stopped before it changed the messages: its checkpoint has all of them."""
    talk = Conversation(owner="ada")
    await history.extend(talk, [*said("One"), *said("Two")])
    saver = store.checkpointer
    config: RunnableConfig = {"configurable": {"thread_id": talk.id, "checkpoint_ns": ""}}
    found = await saver.aget_tuple(config)
    assert found is not None
    unchanged: Checkpoint = {**found.checkpoint, "id": empty_checkpoint()["id"]}
    await saver.aput(found.config, unchanged, {"source": "input", "step": 1, "parents": {}}, {})
    assert [one.text for one in await History(store).load(talk)][::2] == ["One", "Two"]
    states = [one.checkpoint["channel_values"]["messages"] async for one in saver.alist(config)]
    assert [[message.text for message in state][::2] for state in states] == [["One", "Two"]] * 2
    await history.extend(talk, said("Three"))
    assert [one.text for one in await History(store).load(talk)][::2] == ["One", "Two", "Three"]
    assert len(await rows(store)) == 6


async def test_a_digest_that_is_missing_is_made_up_once(store: Store, history: History) -> None:
    talk = Conversation(owner="ada")
    await history.extend(talk, [*said("One"), *said("Two")])
    await store.execute("DELETE FROM digests")
    await history.extend(talk, said("Three"))
    assert await found_by(store, "one", "three") == [True, True]
    await history.extend(talk, said("Four"))
    assert await counted(store) == ("sandwich", 4)


async def test_another_program_that_stored_meanwhile_leaves_no_gap(file: Path) -> None:
    talk = Conversation(owner="ada")
    async with open_store(file) as store, SqliteStore(file) as elsewhere:
        mine, theirs = History(store), History(elsewhere)
        await mine.extend(talk, [*said("One"), *said("Two")])
        short: list[Any] = [RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("In short", id=new_id())]
        known = mine._known
        await theirs.extend(talk, short, key=short[1].id)
        state = {"messages": (*known.messages, *said("Three"))}
        await store.save(talk, known.checkpoint_id, state, "", len(known.messages))  # it has read before they wrote
        assert [one.text for one in await History(elsewhere).load(talk)][::2] == ["One", "Two", "Three"]
        assert len(await rows(store)) == 6


async def test_an_earlier_version_fails_with_what_it_cannot_read(file: Path) -> None:
    """It would take a checkpoint without messages for a conversation without, and store that."""
    talk = Conversation(owner="ada")
    async with open_store(file) as store:
        await History(store).extend(talk, said("One"))
        serde = store.checkpointer.serde
    with closing(sqlite3.connect(file)) as connection:
        [stored] = connection.execute("SELECT type, checkpoint FROM checkpoints")
    with pytest.raises(TypeError):
        list(serde.loads_typed(stored)["channel_values"]["messages"])
