"""The database: opening it, whose conversations are whose, the list, the notes."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.conversation.scripted import agent_of, say, scripted
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.postgres import PostgresStore
from voice_agents.conversation.shelf import Shelf
from voice_agents.conversation.sqlite import SqliteStore
from voice_agents.conversation.store import Store, open_store
from voice_agents.errors import ConfigurationError, InvalidInput, StorageFailed
from voice_agents.settings import PostgresUrl


def user(text: str) -> HistoryEntry:
    return HistoryEntry(role=Speaker.USER, text=text)


async def test_conversations_are_listed_by_their_first_words_latest_first(store: Store, history: History) -> None:
    first, second = Conversation(owner="ada"), Conversation(owner="ada")
    await history.append(first, HistoryEntry(role=Speaker.AGENT, text="Your timer is done."))
    await history.append(first, user("What  time is it?"))
    await history.append(second, user("A very long story about " + "everything and " * 20))
    await history.append(first, user("And in Tokyo?"))
    await history.append(Conversation(owner="bob"), user("Mine"))

    shelf = Shelf(lambda: store)
    listed = await shelf.list("ada")
    assert [one.id for one in listed] == [first.id, second.id]
    assert listed[0].title == "What time is it?"
    assert len(listed[1].title) < 70
    assert listed[0].created <= listed[0].updated

    await shelf.delete(first)
    assert [one.id for one in await shelf.list("ada")] == [second.id]
    assert await history.messages(first) == []


async def test_nobody_can_read_continue_or_delete_the_conversation_of_another(store: Store, history: History) -> None:
    mine = Conversation(owner="ada")
    await say(agent_of(scripted(["Hello."]), history), mine, "A secret")
    theirs = Conversation(id=mine.id, owner="bob")
    turn = agent_of(scripted(["Hello."]), history).turn(theirs, "What was the secret?")
    with pytest.raises(InvalidInput, match="somebody else"):
        await anext(aiter(turn.stream()))
    for attempt in (
        turn.settle({}),
        history.messages(theirs),
        history.append(theirs, user("x")),
        store.check_owner(theirs),
        store.touch(theirs),
    ):
        with pytest.raises(InvalidInput, match="somebody else"):
            await attempt
    assert [entry.text for entry in await history.messages(mine)] == ["A secret", "Hello."]


async def test_notes_belong_to_their_owner_and_survive(database: Path | PostgresUrl) -> None:
    async with open_store(database) as store:
        await store.notes("ada").add("milk")
        await store.notes("ada").add("eggs")
        await store.notes("bob").add("nails")
    async with open_store(database) as store:
        assert await store.notes("ada").all() == ["milk", "eggs"]
        assert await store.notes("ada").clear() == 2
        assert await store.notes("ada").all() == []
        assert await store.notes("bob").all() == ["nails"]


async def test_a_long_talk_keeps_one_checkpoint_and_each_message_once(store: Store, history: History) -> None:
    conversation = Conversation()
    for _ in range(5):
        await history.append(conversation, user("again"))
    assert await store.query("SELECT count(*) FROM checkpoints") == [(1,)]
    assert await store.query("SELECT count(*) FROM messages") == [(5,)]
    tables = ["checkpoint_blobs", "checkpoint_writes"] if isinstance(store, PostgresStore) else ["writes"]
    for table in tables:
        assert await store.query(f"SELECT count(*) FROM {table}") == [(0,)], table


@pytest.mark.parametrize("kind", ["a folder", "no database", "below a file"])
async def test_a_file_that_cannot_be_opened_is_said_plainly(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "talk.sqlite3"
    if kind == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"this is not a database, and it is long enough to look at" * 20)
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        async with open_store(path / "talk.sqlite3" if kind == "below a file" else path):
            pass


@pytest.mark.skipif(os.name != "posix", reason="no such rights elsewhere")
async def test_only_its_owner_may_read_the_file_and_what_lies_beside_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "new folder" / "talk.sqlite3"
        async with open_store(path) as store:
            await store.notes("ada").add("milk")
            rights = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
        assert rights == {f"talk.sqlite3{suffix}": "0o600" for suffix in ("", "-wal", "-shm")}
        path.chmod(0o644)  # as an earlier version made it
        async with open_store(path):
            assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def _another(path: Path) -> Path:
    """A database of this program, with somebody else's conversations."""
    other = path.with_name("other.sqlite3")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE something_else (x)")
    return other


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database, and it is long enough to look at" * 400)


def _nonsense(path: Path) -> Path:
    _garbage(path)
    return path


def _without_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


ACCIDENTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (Path.unlink, "deleted"),
    "its folder deleted": (_without_folder, "deleted"),
    "emptied": (lambda path: path.write_bytes(b""), "overwritten"),
    "cut": (lambda path: os.truncate(path, 5000), "overwritten"),
    "overwritten": (_garbage, "overwritten"),
    "replaced by no database": (lambda path: _nonsense(path.with_name("x")).replace(path), "overwritten"),
    "replaced by another database": (lambda path: _another(path).replace(path), "overwritten"),
    "overwritten by another database": (lambda path: shutil.copyfile(_another(path), path), "overwritten"),
}


@pytest.mark.parametrize("accident", ACCIDENTS)
@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
async def test_a_file_lost_while_running_is_told_and_written_again(tmp_path: Path, accident: str, long: bool) -> None:
    path = tmp_path / "own folder" / "talk.sqlite3"
    happen, what = ACCIDENTS[accident]
    talk, other = Conversation(owner="ada"), Conversation(owner="bob")
    async with open_store(path) as store:
        mine, theirs = History(store), History(store)
        for turn in range(60 if long else 1):
            await mine.append(talk, user(f"First {turn} " + "and so on " * 400 * long))
        await theirs.append(other, user("Mine"))
        happen(path)
        with pytest.raises(StorageFailed, match=f"was {what} while this program ran"):
            await mine.append(talk, user("Second"))
        await mine.append(talk, user("Third"))  # told once
        with pytest.raises(StorageFailed, match=what):  # everybody is told
            await theirs.append(other, user("More"))
    async with open_store(path) as store:
        assert [entry.text[:7] for entry in await History(store).messages(talk)][-3:] == [
            f"First {59 if long else 0}"[:7],
            "Second",
            "Third",
        ]
        assert [entry.text for entry in await History(store).messages(other)] == ["Mine", "More"]
        assert [one.id for one in await Shelf(lambda: store).list("ada")] == [talk.id]
    assert path.stat().st_mode & 0o777 == 0o600
    if what == "overwritten":
        assert list(path.parent.glob("talk.sqlite3.damaged-*"))


async def test_a_conversation_that_was_only_read_is_written_again_too(file: Path) -> None:
    talk = Conversation(owner="ada")
    async with open_store(file) as store:
        await History(store).append(talk, user("Long ago"))
    async with open_store(file) as store:
        await History(store).messages(talk)
        await asyncio.to_thread(file.unlink)
        assert [entry.text for entry in await History(store).messages(talk)] == ["Long ago"]
    assert await asyncio.to_thread(file.exists)


async def test_another_program_that_writes_properly_is_no_accident(file: Path) -> None:
    talk = Conversation(owner="ada")
    async with open_store(file) as store, SqliteStore(file) as elsewhere:
        mine = History(store)
        for turn in range(20):
            await mine.append(talk, user(f"{turn}"))
            await elsewhere.notes("bob").add("x" * 100_000)
            await elsewhere.checkpointer.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert len(await mine.messages(talk)) == 20
        assert store.losses == elsewhere.losses == 0


async def test_a_deleted_conversation_is_not_written_again(file: Path) -> None:
    talk = Conversation(owner="ada")
    async with open_store(file) as store:
        await History(store).append(talk, user("Forget this"))
        await Shelf(lambda: store).delete(talk)
        await asyncio.to_thread(file.unlink)
        assert await History(store).messages(talk) == []
        assert await Shelf(lambda: store).list("ada") == []
