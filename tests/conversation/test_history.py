"""What is remembered: by both engines, after a restart, after the process was killed, and opened twice."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from tests.conversation.scripted import agent_of, assert_valid, heard_of, say, scripted, spoken
from tests.forked import start_python
from voice_agents.conversation import sqlite
from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import PART, History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.errors import InvalidInput, StorageFailed
from voice_agents.settings import PostgresUrl

ENTRIES = [
    HistoryEntry(role=Speaker.USER, text="What time is it in Tokyo?"),
    HistoryEntry(
        role=Speaker.TOOL, text="It is noon in Tokyo.", name="get_time", args={"place": "Tokyo"}, call_id="call_7"
    ),
    HistoryEntry(role=Speaker.TOOL, text="No.", name="flip_coin", call_id="call_8", error=True),
    HistoryEntry(role=Speaker.AGENT, text="In Tokyo it is", interrupted=True),
    HistoryEntry(role=Speaker.AGENT, text="Your timer for tea is done."),
]


async def test_what_is_not_stored_yet_is_its_owners_alone(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who knows the id of a conversation, but not its owner's, neither reads nor drops what waits to be stored."""
    hers = Conversation()
    theirs = Conversation(id=hers.id)

    async def fails(*_: object) -> None:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(history._store, "save", fails)
        with pytest.raises(StorageFailed):
            await history.append(hers, *ENTRIES[:4])
        assert await History(history._store).messages(theirs) == []
    await history.append(hers, ENTRIES[4])
    with pytest.raises(InvalidInput):
        await History(history._store).append(theirs, ENTRIES[4])
    assert await history.messages(hers) == ENTRIES


async def test_what_another_engine_said_is_read_back_and_continued_by_the_agent(history: History) -> None:
    conversation = Conversation()
    assert await history.messages(conversation) == []
    await history.append(conversation, *ENTRIES[:4])
    await history.append(conversation, ENTRIES[4])
    assert await history.messages(conversation) == ENTRIES

    model = scripted(["As I said."])
    await say(agent_of(model, history), conversation, "Again?")
    assert spoken(model.asked[0][1:])[-3:] == [
        "agent: In Tokyo it is",
        "agent: Your timer for tea is done.",
        "user: Again?",
    ]
    assert [entry.text for entry in await history.messages(conversation)][-2:] == ["Again?", "As I said."]


async def test_a_restart_forgets_nothing(database: Path | PostgresUrl) -> None:
    conversation = Conversation()
    async with open_store(database) as store:
        history = History(store)
        await history.append(conversation, *ENTRIES)
        await say(agent_of(scripted(["Hello Ada."]), history), conversation, "I am Ada.")
    async with open_store(database) as store:
        history = History(store)
        entries = await history.messages(conversation)
        assert entries[:5] == ENTRIES
        model = scripted(["Ada."])
        await say(agent_of(model, history), conversation, "Who am I?")
        assert "user: I am Ada." in spoken(model.asked[0][1:])


async def test_two_conversations_at_once_do_not_mix(history: History) -> None:
    async def talk(name: str) -> None:
        conversation = Conversation()
        agent = agent_of(scripted(*([f"{name} {n}"] for n in range(5))), history)
        for n in range(5):
            await say(agent, conversation, f"{name} asks {n}")
        lines = [line for n in range(5) for line in (f"user: {name} asks {n}", f"agent: {name} {n}")]
        assert spoken(await history.load(conversation)) == lines

    async with asyncio.timeout(20):
        await asyncio.gather(*(talk(name) for name in ("ada", "bob", "cleo")))


async def test_one_conversation_opened_twice_loses_nothing(store: Store) -> None:
    conversation = Conversation()
    left, right = History(store), History(store)
    agents = [agent_of(scripted(["Left."]), left), agent_of(scripted(["Right."]), right)]
    turns = [agent.turn(conversation, f"Question {n}") for n, agent in enumerate(agents)]
    heard = [await heard_of(turn) for turn in turns]
    await asyncio.gather(
        *(turn.settle(texts) for turn, texts in zip(turns, heard, strict=True)),
        *(left.append(conversation, HistoryEntry(role=Speaker.USER, text=f"aside {n}")) for n in range(3)),
    )
    messages = await left.load(conversation)
    assert_valid(messages)
    assert len(messages) == 7
    assert messages == await right.load(conversation)


async def test_what_cannot_be_stored_is_remembered_and_stored_with_the_next(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.05)
    conversation = Conversation()
    one, two, three, four = (HistoryEntry(role=Speaker.USER, text=text) for text in ("one", "two", "three", "four"))
    async with open_store(file) as store:
        history = History(store)
        await history.append(conversation, one)
        with closing(sqlite3.connect(file, isolation_level=None)) as program:
            program.execute("BEGIN IMMEDIATE")
            for entry in (two, three):
                with pytest.raises(StorageFailed, match="locked"):
                    await history.append(conversation, entry)
            assert await history.messages(conversation) == [one, two, three]
            program.execute("INSERT INTO notes (owner, text, created) VALUES ('ada', 'mine', 0)")
            program.execute("COMMIT")
        await history.append(conversation, four)
        assert await history.messages(conversation) == [one, two, three, four]
        assert await store.notes("ada").all() == ["mine"]
    async with open_store(file) as store:
        assert await History(store).messages(conversation) == [one, two, three, four]


async def test_what_could_not_be_stored_is_stored_by_itself_when_its_session_is_over(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.05)
    monkeypatch.setattr(sqlite, "_RETRY_S", 0.05)
    conversation = Conversation()
    async with open_store(file) as store:
        with closing(sqlite3.connect(file, isolation_level=None)) as program:
            program.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageFailed, match="locked"):
                await History(store).append(conversation, ENTRIES[0])
            assert await History(store).messages(conversation) == [ENTRIES[0]], "a later session knows it"
            program.execute("ROLLBACK")
        async with asyncio.timeout(20):
            while store.unstored:  # noqa: ASYNC110 - another task stores it
                await asyncio.sleep(0.01)
    async with open_store(file) as store:
        assert await History(store).messages(conversation) == [ENTRIES[0]]


CHILD = """
import asyncio, sys
from tests.conversation.scripted import Probe, agent_of, say, scripted
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.settings import Settings

async def main(url, when):
    async with open_store(Settings.from_env({"DATABASE_URL": url}, None).database) as store:
        history, conversation = History(store), Conversation(id="the one", owner="ada")
        probe = Probe()
        await say(agent_of(scripted(["Hello Ada."]), history, probe.toolbox()), conversation, "I am Ada.")
        if when == "in the middle of a turn":
            script = [("quick", "{}", "a"), ("slow", "{}", "b")]
            turn = agent_of(scripted(script), history, probe.toolbox()).turn(conversation, "Work.")
            run = asyncio.create_task(anext(aiter(turn.stream())))
            await probe.started.wait()
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("when", ["between turns", "in the middle of a turn"])
async def test_a_killed_process_has_lost_no_finished_turn(database: Path | PostgresUrl, when: str) -> None:
    url = database.url if isinstance(database, PostgresUrl) else str(database)
    child = await start_python(["-c", CHILD, url, when], os.environ, piped=True)
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert (await child.stdout.readline()).strip() == b"ready"
    finally:
        child.kill()
        await child.wait()
    async with open_store(database) as store:
        conversation = Conversation(id="the one", owner="ada")
        model = scripted(["You are Ada."])
        await say(agent_of(model, History(store)), conversation, "Who am I?")
        assert spoken(model.asked[0][1:]) == ["user: I am Ada.", "agent: Hello Ada.", "user: Who am I?"]


def long_talk(turns: int) -> list[HistoryEntry]:
    """With tools, and turns that nobody asked for."""
    said: list[HistoryEntry] = []
    for number in range(turns):
        turn = [HistoryEntry(role=Speaker.AGENT, text=f"Answer {number}")]
        if not number % 3:
            about: dict[str, Any] = {"name": "clock", "args": {"n": number}, "call_id": f"c{number}"}
            turn.insert(0, HistoryEntry(role=Speaker.TOOL, text=f"Result {number}", **about))
        if number % 5:
            turn.insert(0, HistoryEntry(role=Speaker.USER, text=f"Question {number}"))
        turn[0] = replace(turn[0], facts=TurnFacts(engine="sandwich", at=float(number)))
        said += turn
    return said


async def test_of_a_long_talk_the_end_is_read_and_the_rest_piece_by_piece(store: Store, history: History) -> None:
    talk, said = Conversation(), long_talk(400)
    await history.append(talk, *said)
    whole = await History(store).messages(talk)
    read = await History(store).open(talk)
    assert 0 < len(read) < PART and read == whole[-len(read) :]
    assert read[0].facts is not None
    places = {entry.position: entry for entry in whole}
    assert len(places) == len(whole)
    known = list(read)
    for _ in range(len(whole) // len(read)):
        first = known[0].position
        assert first is not None
        earlier = await History(store).newest(talk, first)
        assert all(places[entry.position] == entry for entry in earlier)
        known = [*(entry for entry in earlier if (entry.position or 0) < first), *known]
    assert known == whole


async def test_what_is_not_stored_yet_stands_at_the_end_of_what_is_read(store: Store, history: History) -> None:
    talk = Conversation()
    await history.append(talk, *long_talk(300))
    store.unstored[talk] = {"late": [HumanMessage("One more", id="late")]}
    assert [entry.text for entry in (await History(store).open(talk))[-2:]] == ["Answer 299", "One more"]
    store.unstored.clear()
