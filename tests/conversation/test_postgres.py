"""PostgreSQL: several instances on one database, and what happens when it, or one of them, is away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack

import psycopg
import pytest

from tests.conversation.scripted import agent_of, assert_valid, say, scripted, spoken
from tests.forked import start_python
from tests.postgres import PostgresServer
from voice_agents.conversation import leases, postgres_schema
from voice_agents.conversation.file import check_database
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.postgres import POOL_SIZE, PostgresStore
from voice_agents.conversation.shelf import Shelf
from voice_agents.conversation.store import Store, open_store
from voice_agents.errors import ConfigurationError, StorageFailed
from voice_agents.settings import PostgresUrl, Settings

WAIT_S = 30.0


def user(text: str) -> HistoryEntry:
    return HistoryEntry(role=Speaker.USER, text=text)


def texts(entries: Sequence[HistoryEntry]) -> list[str]:
    return [entry.text for entry in entries]


def nothing() -> None:
    pass


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


@pytest.fixture
def url(postgres: PostgresServer) -> PostgresUrl:
    return postgres.new_database()


@pytest.fixture
def running(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that may be stopped: it runs again afterwards."""
    yield postgres
    postgres.stop()
    postgres.start()


# Several instances


async def test_two_instances_go_on_with_each_others_conversations(url: PostgresUrl) -> None:
    talk = Conversation(owner="ada")
    async with open_store(url) as one, open_store(url) as another:
        mine, theirs = History(one), History(another)
        await say(agent_of(scripted(["Hello Ada."]), mine), talk, "I am Ada.")
        model = scripted(["You are Ada."])
        await say(agent_of(model, theirs), talk, "Who am I?")
        assert spoken(model.asked[0][1:]) == ["user: I am Ada.", "agent: Hello Ada.", "user: Who am I?"]
        model = scripted(["Twice."])
        await say(agent_of(model, mine), talk, "How often did I ask?")
        assert spoken(model.asked[0][1:])[-3:] == [
            "user: Who am I?",
            "agent: You are Ada.",
            "user: How often did I ask?",
        ]
        await one.notes("ada").add("milk")
        assert await another.notes("ada").all() == ["milk"]
        assert [summary.id for summary in await Shelf(lambda: another).list("ada")] == [talk.id]


async def test_it_is_known_who_wrote_last(url: PostgresUrl) -> None:
    talk = Conversation(owner="ada")
    async with open_store(url) as one, open_store(url) as another:
        assert await one.written_elsewhere(talk) == ""
        await History(one).append(talk, user("one"))
        assert await one.written_elsewhere(talk) == ""
        state = await another.written_elsewhere(talk)
        assert state
        await History(another).append(talk, user("two"))
        assert await one.written_elsewhere(talk) not in ("", state)
        assert await another.written_elsewhere(talk) == ""


async def test_what_instances_store_at_once_is_all_kept(url: PostgresUrl) -> None:
    talk = Conversation(owner="ada")
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(url)) for _ in range(3)]
        said = [f"{place} {number}" for number in range(8) for place in range(3)]
        await asyncio.gather(*(History(stores[int(text[0])]).append(talk, user(text)) for text in said))
        kept = await History(stores[0]).load(talk)
        assert_valid(kept)
        assert sorted(message.text for message in kept) == sorted(said)


async def test_the_newest_instance_has_the_conversation_and_waits_for_the_last_turn(url: PostgresUrl) -> None:
    talk = Conversation(owner="ada")
    taken, order = asyncio.Event(), []

    async def earlier(store: Store, begun: asyncio.Event) -> None:
        async with store.hold(talk, taken.set):
            begun.set()
            await taken.wait()
            await History(store).append(talk, user("last words"))
            order.append("stored")

    async with open_store(url) as one, open_store(url) as another:
        begun = asyncio.Event()
        holding = asyncio.create_task(earlier(one, begun))
        async with asyncio.timeout(WAIT_S):
            await begun.wait()
            async with another.hold(talk, nothing):
                order.append("begun")
                assert texts(await History(another).messages(talk)) == ["last words"]
            await holding
        assert order == ["stored", "begun"]
        async with one.hold(talk, nothing), one.hold(Conversation(), nothing):
            pass  # what was let go can be had again at once


HOLDER = """
import asyncio, sys
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.shelf import Shelf
from voice_agents.conversation.store import open_store
from voice_agents.settings import Settings

async def main(url):
    talk = Conversation(id="the one", owner="ada")
    async with open_store(Settings.from_env({"DATABASE_URL": url}, None).database) as store:
        async with store.hold(talk, lambda: None):
            await History(store).append(talk, HistoryEntry(role=Speaker.USER, text="before"))
            print("holds", flush=True)
            await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


async def test_an_instance_that_was_killed_is_not_waited_for(url: PostgresUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "TAKE_OVER_S", 3600.0)
    child = await start_python(["-c", HOLDER, url.url], os.environ, piped=True)
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert (await child.stdout.readline()).strip() == b"holds"
    finally:
        child.kill()
        await child.wait()
    talk = Conversation(id="the one", owner="ada")
    async with open_store(url) as store, asyncio.timeout(WAIT_S), store.hold(talk, nothing):
        assert texts(await History(store).messages(talk)) == ["before"]


async def test_an_instance_that_does_not_let_go_is_waited_for_a_moment(
    url: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "TAKE_OVER_S", 0.3)
    talk = Conversation()
    async with open_store(url) as one, open_store(url) as another, asyncio.timeout(WAIT_S), one.hold(talk, nothing):
        async with another.hold(talk, nothing):
            await History(another).append(talk, user("hello"))
        assert texts(await History(one).messages(talk)) == ["hello"]


async def test_a_conversation_taken_while_nothing_could_be_heard_is_noticed_afterwards(
    url: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, taken = Conversation(), asyncio.Event()
    async with open_store(url) as one, open_store(url) as another, asyncio.timeout(WAIT_S):
        assert isinstance(one, PostgresStore)
        async with one.hold(talk, taken.set):
            monkeypatch.setattr(leases, "RECONNECT_S", 1.0)
            await another.query("SELECT pg_terminate_backend(:pid)", {"pid": one._leases._line[0]})
            await until(lambda: not one._leases.usable.is_set())
            async with another.hold(talk, nothing):
                await taken.wait()


# The database is away


async def test_a_talk_goes_on_without_the_database_and_is_stored_when_it_is_back(
    url: PostgresUrl, running: PostgresServer
) -> None:
    talk = Conversation(owner="ada")
    async with open_store(url) as store, open_store(url) as elsewhere:
        assert isinstance(store, PostgresStore)
        history = History(store)
        await say(agent_of(scripted(["Hello Ada."]), history), talk, "I am Ada.")
        await asyncio.to_thread(running.stop)
        for number in range(2):
            model = scripted([f"Answer {number}."])
            with pytest.raises(
                StorageFailed, match=r"cannot be used at the moment .* stored when that is possible again"
            ):
                await say(agent_of(model, history), talk, f"Question {number}")
        assert spoken(model.asked[0][1:])[-3:] == ["user: Question 0", "agent: Answer 0.", "user: Question 1"]
        with pytest.raises(StorageFailed):
            await History(elsewhere).messages(talk)
        del history  # its session is over
        await asyncio.to_thread(running.start)
        await until(lambda: not store.unstored)
        await until(elsewhere._leases.usable.is_set if isinstance(elsewhere, PostgresStore) else bool)
        said = texts(await History(elsewhere).messages(talk))
        assert said == ["I am Ada.", "Hello Ada.", "Question 0", "Answer 0.", "Question 1", "Answer 1."]


async def test_while_it_is_away_everything_fails_at_once_and_in_plain_words(
    url: PostgresUrl, running: PostgresServer
) -> None:
    async with open_store(url) as store:
        assert isinstance(store, PostgresStore)
        await asyncio.to_thread(running.stop)
        await until(lambda: not store._leases.usable.is_set())
        for attempt in (
            store.notes("ada").add("milk"),
            Shelf(lambda: store).list("ada"),
            store.check_owner(Conversation()),
        ):
            with pytest.raises(StorageFailed) as failed:
                await attempt
            assert running.password not in str(failed.value) and "127.0.0.1" not in str(failed.value)
        with pytest.raises(StorageFailed):
            async with store.hold(Conversation(), nothing):
                pass
        await asyncio.to_thread(running.start)
        await until(store._leases.usable.is_set)
        await store.notes("ada").add("milk")
        assert await store.notes("ada").all() == ["milk"]


async def test_what_a_database_refuses_is_said_in_its_words(url: PostgresUrl) -> None:
    async with open_store(url) as store:
        await store.execute("ALTER TABLE notes ADD CONSTRAINT no_milk CHECK (text <> 'milk')")
        with pytest.raises(StorageFailed, match="no_milk"):
            await store.notes("ada").add("milk")


async def test_many_sessions_share_few_connections(url: PostgresUrl) -> None:
    async with open_store(url) as store:
        talks = [Conversation(owner="ada") for _ in range(60)]
        await asyncio.gather(*(History(store).append(talk, user("hello")) for talk in talks))
        assert len(await Shelf(lambda: store).list("ada")) == 60
        [(count,)] = await store.query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert count <= POOL_SIZE + 1


async def test_signs_that_the_database_cannot_hold_are_left_out(url: PostgresUrl) -> None:
    talk = Conversation(owner="ada")
    async with open_store(url) as store:
        await History(store).append(talk, user("zero \0 byte"))
        await store.notes("ada").add("half \ud83d of a character\0")
        assert [summary.title for summary in await Shelf(lambda: store).list("ada")] == ["zero  byte"]
        assert await store.notes("ada").all() == ["half ? of a character"]


# Starting


async def test_instances_that_start_at_once_make_the_tables_once(url: PostgresUrl) -> None:
    async with AsyncExitStack() as stack:
        stores = await asyncio.gather(*(stack.enter_async_context(open_store(url)) for _ in range(5)))
        assert await stores[0].query("SELECT version FROM voice_agents_schema") == [(3,)]
        await History(stores[4]).append(Conversation(), user("hello"))


async def test_a_database_of_an_earlier_version_is_brought_up_to_date(
    url: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(url) as store:
        await store.notes("ada").add("milk")
    more = "ALTER TABLE notes ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'"
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", (*postgres_schema.MIGRATIONS, more))
    async with open_store(url) as store, open_store(url) as another:
        assert await another.query("SELECT text, colour FROM notes") == [("milk", "red")]
        await store.notes("ada").add("eggs")


@pytest.mark.parametrize("wrong", ["port", "password", "name", "host"])
async def test_a_database_that_cannot_be_used_is_said_in_one_sentence(postgres: PostgresServer, wrong: str) -> None:
    url, told = {
        "port": (postgres.url(port=1), "refused"),
        "password": (postgres.url(password="s3cret"), "password authentication failed"),
        "name": (postgres.url("nowhere"), 'database "nowhere" does not exist'),
        "host": (PostgresUrl("postgresql://ada:s3cret@no-such-host.invalid/talk"), "no-such-host"),
    }[wrong]
    for attempt in (lambda: check_database(url), open_store(url).__aenter__):
        with pytest.raises(ConfigurationError, match=told) as failed:
            outcome = attempt()
            assert outcome is not None
            await outcome
        sentence = str(failed.value)
        assert "DATABASE_URL" in sentence and "\n" not in sentence
        assert "s3cret" not in sentence and postgres.password not in sentence


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ada:p@ss@host/talk",
        "postgresql://ada:pa/ss@host/talk",
        "postgresql://ada:pass@host:port/talk",
        "postgresql://ada:pass@host/talk?no_such_option=1",
        "postgresql://ada:pa%ss@host/talk",
        "postgres://[::1/talk",
    ],
)
def test_an_address_that_is_none_is_not_repeated(address: str) -> None:
    with pytest.raises(ConfigurationError) as failed:
        check_database(PostgresUrl(address))
    assert str(failed.value).startswith("DATABASE_URL is not an address of PostgreSQL")
    assert "ada" not in str(failed.value) and "ss@" not in str(failed.value)


def test_the_tables_of_another_program_are_left_alone(url: PostgresUrl) -> None:
    with psycopg.connect(url.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (x TEXT)")
    with pytest.raises(ConfigurationError, match="a database of its own in DATABASE_URL"):
        check_database(url)
    with psycopg.connect(url.url) as connection:
        assert connection.execute("SELECT to_regclass('conversations')").fetchone() == (None,)


def test_settings_take_both_spellings_and_show_no_password() -> None:
    for scheme in ("postgresql", "postgres"):
        settings = Settings.from_env({"DATABASE_URL": f"{scheme}://ada:s3cret@host/talk"}, None)
        assert settings.database == PostgresUrl(f"{scheme}://ada:s3cret@host/talk")
        assert "s3cret" not in repr(settings)
