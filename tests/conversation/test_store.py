"""The database: opening it, whose conversations are whose, the list, the notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conversation.scripted import agent_of, say, scripted
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store
from voice_agents.errors import ConfigurationError, InvalidInput


def user(text: str) -> HistoryEntry:
    return HistoryEntry(role=Speaker.USER, text=text)


async def test_conversations_are_listed_by_their_first_words_latest_first(store: Store, history: History) -> None:
    first, second = Conversation(owner="ada"), Conversation(owner="ada")
    await history.append(first, HistoryEntry(role=Speaker.AGENT, text="Your timer is done."))
    await history.append(first, user("What  time is it?"))
    await history.append(second, user("A very long story about " + "everything and " * 20))
    await history.append(first, user("And in Tokyo?"))
    await history.append(Conversation(owner="bob"), user("Mine"))

    listed = await store.list("ada")
    assert [one.id for one in listed] == [first.id, second.id]
    assert listed[0].title == "What time is it?"
    assert len(listed[1].title) < 70
    assert listed[0].created <= listed[0].updated

    await store.delete(first)
    assert [one.id for one in await store.list("ada")] == [second.id]
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
        store.delete(theirs),
    ):
        with pytest.raises(InvalidInput, match="somebody else"):
            await attempt
    assert [entry.text for entry in await history.messages(mine)] == ["A secret", "Hello."]


async def test_notes_belong_to_their_owner_and_survive(database: Path) -> None:
    async with Store(database) as store:
        await store.notes("ada").add("milk")
        await store.notes("ada").add("eggs")
        await store.notes("bob").add("nails")
    async with Store(database) as store:
        assert await store.notes("ada").all() == ["milk", "eggs"]
        assert await store.notes("ada").clear() == 2
        assert await store.notes("ada").all() == []
        assert await store.notes("bob").all() == ["nails"]


async def test_a_long_talk_keeps_one_checkpoint(store: Store, history: History) -> None:
    conversation = Conversation()
    for _ in range(5):
        await history.append(conversation, user("again"))
    assert await store.query("SELECT count(*) FROM checkpoints") == [(1,)]
    assert await store.query("SELECT count(*) FROM writes") == [(0,)]


@pytest.mark.parametrize("kind", ["a folder", "no database", "below a file"])
async def test_a_file_that_cannot_be_opened_is_said_plainly(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "talk.sqlite3"
    if kind == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"this is not a database, and it is long enough to look at" * 20)
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        async with Store(path / "talk.sqlite3" if kind == "below a file" else path):
            pass
