"""A visitor's own conversations: found, renamed, deleted and taken back, exported; and nobody else's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.postgres import PostgresServer
from voice_agents.conversation import shelf as shelf_module
from voice_agents.conversation.export import Format, written_as
from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.shelf import Shelf
from voice_agents.conversation.sqlite import SqliteStore
from voice_agents.conversation.store import Store, open_store
from voice_agents.errors import InvalidInput, StorageFailed

QUICK = {"voice_to_voice": 0.8, "silence": 0.5}


@pytest.fixture
def shelf(store: Store) -> Shelf:
    return Shelf(lambda: store)


def turn(said: str, answer: str, *, engine: str = "sandwich", unheard: str = "") -> list[HistoryEntry]:
    facts = TurnFacts(engine=engine, at=1_700_000_000.0, latency=QUICK, unheard=unheard)
    return [
        HistoryEntry(role=Speaker.USER, text=said, facts=facts),
        HistoryEntry(role=Speaker.TOOL, text="21:10", name="current_time", args={"place": "Tokyo"}, call_id="c1"),
        HistoryEntry(role=Speaker.AGENT, text=answer, interrupted=bool(unheard)),
    ]


async def titles(shelf: Shelf, owner: str = "ada", search: str = "") -> list[str]:
    return [one.title for one in await shelf.list(owner, search)]


async def test_a_list_tells_the_engine_and_the_length(shelf: Shelf, history: History) -> None:
    talk = Conversation(owner="ada")
    await history.append(talk, *turn("What time is it?", "Ten past nine."))
    await history.append(talk, *turn("And here?", "Noon.", engine="realtime"))
    alone = TurnFacts(engine="realtime", at=1.0)
    await history.append(talk, HistoryEntry(role=Speaker.AGENT, text="Your timer is done.", facts=alone))
    [listed] = await shelf.list("ada")
    assert (listed.title, listed.engine, listed.turns) == ("What time is it?", "realtime", 3)
    assert listed.created <= listed.updated


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", True),
        ("ZÜRICH", True),
        ("noon zürich", True),  # the agent's words too, in any order
        ("üri", True),
        ("zürich midnight", False),
        ("100%", True),
        ("a_c", True),
        ("%", True),
        ("abc", False),
        ("!", False),
        ("' OR 1=1 --", False),
        (" ".join("zürich" for _ in range(50)), True),
    ],
)
async def test_all_words_are_searched_and_signs_are_only_signs(
    shelf: Shelf, history: History, search: str, found: bool
) -> None:
    await history.append(Conversation(owner="ada"), *turn("Is it 100% in Zürich, a_c?", "It is noon."))
    await history.append(Conversation(owner="bob"), *turn("Zürich noon 100% a_c", "!"))
    assert await titles(shelf, search=search) == (["Is it 100% in Zürich, a_c?"] if found else [])


async def test_a_name_is_shown_and_found_and_stays(shelf: Shelf, history: History) -> None:
    talk = Conversation(owner="ada")
    await history.append(talk, *turn("What time is it?", "Ten past nine."))
    await shelf.rename(talk, "  My   Trip ")
    await history.append(talk, *turn("And here?", "Noon."))
    assert await titles(shelf, search="trip") == ["My Trip"]
    with pytest.raises(InvalidInput, match="name"):
        await shelf.rename(talk, " \n")


async def test_what_was_deleted_can_be_taken_back_whole(shelf: Shelf, history: History, store: Store) -> None:
    talk = Conversation(owner="ada")
    await history.append(talk, *turn("What time is it?", "Ten past nine."))
    before = await History(store).messages(talk)
    await shelf.delete(talk)
    assert await titles(shelf) == await titles(shelf, search="nine") == []
    assert await History(store).messages(talk) == []
    await shelf.take_back(talk)
    assert await titles(shelf) == ["What time is it?"]
    assert await History(store).messages(talk) == before


async def test_what_was_deleted_is_gone_for_good_after_a_while(
    shelf: Shelf, history: History, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, other = Conversation(owner="ada"), Conversation(owner="ada")
    await history.append(talk, *turn("Secret words", "Yes."))
    await history.append(other, *turn("Other", "No."))
    await shelf.delete(talk)
    monkeypatch.setattr(shelf_module, "KEPT_S", -1.0)
    monkeypatch.setattr(shelf_module, "UNDO_S", -1.0)
    assert await titles(shelf) == ["Other"]
    with pytest.raises(InvalidInput, match="too late"):
        await shelf.take_back(talk)
    assert await rows_with(store, talk.id) == []


async def test_a_deleted_conversation_that_goes_on_elsewhere_begins_anew(
    shelf: Shelf, history: History, store: Store
) -> None:
    talk = Conversation(owner="ada")
    await history.append(talk, *turn("Old words", "Old."))
    await shelf.delete(talk)
    later = History(store)
    await later.append(talk, *turn("New words", "New."))
    assert await titles(shelf) == ["New words"]
    assert [entry.text for entry in await later.messages(talk)] == ["New words", "21:10", "New."]
    with pytest.raises(InvalidInput, match="too late"):
        await shelf.take_back(talk)


async def test_a_session_that_began_before_the_deletion_stores_nothing_more(
    shelf: Shelf, history: History, store: Store
) -> None:
    talk = Conversation(owner="ada")
    await history.append(talk, *turn("Old words", "Old."))
    await shelf.delete(talk)
    await history.append(talk, *turn("Words that came late", "Late."))
    assert await titles(shelf) == []
    await shelf.take_back(talk)
    assert [entry.text for entry in await History(store).messages(talk)] == ["Old words", "21:10", "Old."]


async def test_everything_of_one_owner_goes_and_nothing_of_another(
    shelf: Shelf, history: History, store: Store
) -> None:
    mine, gone, theirs = Conversation(owner="ada"), Conversation(owner="ada"), Conversation(owner="bob")
    for talk in (mine, gone, theirs):
        await history.append(talk, *turn("Words", "Yes."))
        await store.notes(talk.owner).add("milk")
    await shelf.delete(gone)
    await shelf.forget_all("ada")
    assert await titles(shelf) == [] == await shelf.notes("ada")
    assert await rows_with(store, "'ada'") == await rows_with(store, mine.id) == await rows_with(store, gone.id) == []
    assert await titles(shelf, "bob") == ["Words"]
    assert [note.text for note in await shelf.notes("bob")] == ["milk"]


async def test_notes_are_listed_and_deleted_one_by_one(shelf: Shelf, store: Store) -> None:
    for text in ("milk", "eggs"):
        await store.notes("ada").add(text)
    eggs, milk = await shelf.notes("ada")
    assert [eggs.text, milk.text] == ["eggs", "milk"]
    await shelf.delete_note("bob", eggs.id)
    await shelf.delete_note("ada", milk.id)
    assert await store.notes("ada").all() == ["eggs"]


async def test_who_knows_only_the_id_finds_changes_and_deletes_nothing(
    shelf: Shelf, history: History, store: Store
) -> None:
    mine = Conversation(owner="ada")
    await history.append(mine, *turn("A secret", "Yes."))
    for owner in ("bob", "", "%", "ADA", "ada ", "' OR '1'='1"):
        theirs = Conversation(id=mine.id, owner=owner)
        attempts: list[Callable[[Conversation], Awaitable[Any]]] = [
            shelf.summary,
            shelf.delete,
            shelf.take_back,
            shelf.entries,
            lambda talk: shelf.rename(talk, "Stolen"),
        ]
        for attempt in attempts:
            with pytest.raises(InvalidInput):
                await attempt(theirs)
        await shelf.forget_all(owner)
        assert await shelf.list(owner) == []
    await shelf.delete(mine)
    with pytest.raises(InvalidInput):
        await shelf.take_back(Conversation(id=mine.id, owner="bob"))
    with pytest.raises(InvalidInput, match="somebody else"):
        await History(store).append(Conversation(id=mine.id, owner="bob"), *turn("x", "y"))
    await shelf.take_back(mine)
    assert await titles(shelf) == ["A secret"]


async def test_conversations_of_an_earlier_version_are_listed_and_found(
    shelf: Shelf, history: History, store: Store
) -> None:
    await history.append(Conversation(owner="ada"), HistoryEntry(role=Speaker.USER, text="Long ago"))
    await store.execute("DELETE FROM digests")
    assert await titles(shelf, search="long") == ["Long ago"]
    [listed] = await shelf.list("ada")
    assert (listed.engine, listed.turns) == ("", 1)


async def rows_with(store: Store, text: str) -> list[str]:
    """The tables that still hold this somewhere."""
    tables = ["conversations", "messages", "digests", "deleted", "timers", "notes", *store.checkpoint_tables]
    return [table for table in tables if text in str(await store.query(f"SELECT * FROM {table}"))]


# To take away


async def test_an_export_holds_heard_and_unheard_words_tools_and_latency(shelf: Shelf, history: History) -> None:
    talk = Conversation(owner="ada")
    await history.append(talk, *turn("What *time* is it?", "It is ten", unheard="past nine."))
    summary, entries = await shelf.summary(talk), await shelf.entries(talk)
    data = json.loads(written_as(Format.JSON, summary, entries))
    assert data["title"] == "What *time* is it?"
    assert data["turns"] == [
        {
            "at": "2023-11-14T22:13:20Z",
            "engine": "sandwich",
            "user": "What *time* is it?",
            "agent": {"heard": "It is ten", "unheard": "past nine.", "interrupted": True},
            "tools": [{"name": "current_time", "arguments": {"place": "Tokyo"}, "result": "21:10", "failed": False}],
            "latency_ms": {"voice_to_voice": 800.0, "silence": 500.0},
        }
    ]
    text = written_as(Format.MARKDOWN, summary, entries)
    assert "**You:** What \\*time\\* is it?" in text
    assert "**Agent:** It is ten ~~past nine.~~" in text
    assert '> Tool `current_time` {"place": "Tokyo"}: 21:10' in text
    assert "<sub>Sandwich, 800 ms</sub>" in text


async def test_an_answer_of_which_nothing_was_heard_is_in_the_export(shelf: Shelf, history: History) -> None:
    talk = Conversation(owner="ada")
    said, _, _ = turn("Stop", "", unheard="Well then.")
    await history.append(talk, said)
    summary, entries = await shelf.summary(talk), await shelf.entries(talk)
    [exported] = json.loads(written_as(Format.JSON, summary, entries))["turns"]
    assert exported["agent"] == {"heard": "", "unheard": "Well then.", "interrupted": True}
    assert "**Agent:** ~~Well then.~~" in written_as(Format.MARKDOWN, summary, entries)


# A server that is killed between any two writes


async def live(store: Store, talk: Conversation) -> AsyncIterator[str]:
    """All that is ever written of conversations, step by step."""
    shelf, history = Shelf(lambda: store), History(store)
    await history.append(talk, *turn("First words", "One."))
    yield "begun"
    await history.append(talk, *turn("More words", "Two.", engine="realtime"))
    yield "gone on with"
    await shelf.rename(talk, "A name")
    yield "renamed"
    await shelf.delete(talk)
    yield "deleted"
    await shelf.take_back(talk)
    yield "taken back"
    await shelf.delete(talk)
    await History(store).append(talk, *turn("Anew", "Three."))
    yield "begun anew"
    await shelf.forget_all(talk.owner)
    yield "forgotten"


async def agrees(store: Store, talk: Conversation) -> None:
    """What another process finds: the list, the search, the transcript and the agent's memory tell the same."""
    shelf = Shelf(lambda: store)
    said = [entry.text for entry in await History(store).messages(talk) if entry.role is Speaker.USER]
    listed = [(one.title, one.turns) for one in await shelf.list(talk.owner)]
    named = {said[0], "A name"} if said else set()
    assert [turns for _, turns in listed] == ([len(said)] if said else [])
    assert {title for title, _ in listed} <= named
    for word in ("first", "more", "anew"):
        found = bool(await shelf.list(talk.owner, word))
        assert found == any(word in text.casefold() for text in said), word
    if said:
        exported = json.loads(written_as(Format.JSON, await shelf.summary(talk), await shelf.entries(talk)))
        assert [each["user"] for each in exported["turns"]] == said
        assert [each["agent"]["heard"] for each in exported["turns"]] != []


async def test_killed_between_any_two_writes_everything_agrees_in_a_file(tmp_path: Path) -> None:
    """Before every statement the file and what lies beside it are kept as they are: that is what a kill leaves."""
    path, talk = tmp_path / "talk.sqlite3", Conversation(owner="ada")
    left: list[dict[str, bytes]] = []

    def look(statement: str) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            left.append({file.name: file.read_bytes() for file in tmp_path.glob("talk.sqlite3*")})

    async with SqliteStore(path) as store:
        await store.checkpointer.conn.set_trace_callback(look)
        steps = [step async for step in live(store, talk)]
    assert len(left) > 4 * len(steps)
    for number, files in enumerate(left):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        async with open_store(folder / path.name) as found:
            await agrees(found, talk)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM conversations").fetchone() == (0,)


async def test_killed_between_any_two_writes_everything_agrees_in_postgres(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before every statement another instance looks: it sees what is committed, which is what a kill leaves."""
    database = postgres.new_database()
    talk, looked = Conversation(owner="ada"), 0
    execute = psycopg.AsyncCursor.execute
    async with open_store(database) as store, open_store(database) as witness:
        looking = False

        async def look(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
            nonlocal looked, looking
            if not looking and not str(query).lstrip("b'\"").upper().startswith("SELECT"):
                looking = True
                looked += 1
                await agrees(witness, talk)
                looking = False
            return await execute(self, query, *arguments, **named)

        monkeypatch.setattr(psycopg.AsyncCursor, "execute", look)
        steps = [step async for step in live(store, talk)]
    assert looked > 4 * len(steps)


async def test_a_write_that_fails_half_way_leaves_nothing_of_itself(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Conversation(owner="ada")
    async with SqliteStore(file) as store:
        history = History(store)
        await history.append(talk, *turn("First", "One."))

        async def full(*_: Any, **__: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(store.checkpointer, "aput", full)
            with pytest.raises(StorageFailed, match="full"):
                await history.append(talk, *turn("Second", "Two."))
            await store.notes("ada").add("milk")  # commits whatever would be open
            async with open_store(file) as found:
                await agrees(found, talk)
        await History(store).append(talk, *turn("Third", "Three."))
        assert [one.turns for one in await Shelf(lambda: store).list("ada")] == [3]
