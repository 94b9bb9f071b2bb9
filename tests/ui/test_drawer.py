"""The drawer of conversations as a window asks for it, on a real store, without a browser; and everybody else."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ui.fake_engine import FakeSession
from voice_agents.conversation.history import PART, History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.shelf import Shelf
from voice_agents.conversation.store import Store, open_store
from voice_agents.errors import InvalidInput
from voice_agents.session.base import Session
from voice_agents.settings import TurnSettings
from voice_agents.transports.live import SessionRequest
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.desk import DELETED, Desk
from voice_agents.ui.drawer import Drawer
from voice_agents.ui.identity import identity_of
from voice_agents.ui.view import SHOWN_LINES
from voice_agents.ui.voice_tab import TabSpec
from voice_agents.ui.window import Window
from voice_agents.ui.wishes import Wishes

TABS = [TabSpec(kind, kind.capitalize(), "", ()) for kind in ("sandwich", "realtime")]
SECRET = "Zanzibar"
ODD: tuple[Any, ...] = (None, "", "x" * 32, [])


class House:
    """A page's server side: a store, a desk, a shelf."""

    def __init__(self, store: Store, registry: SessionRegistry) -> None:
        async def history(conversation: Conversation, before: int | None) -> Sequence[HistoryEntry]:
            return await History(store).newest(conversation, before)

        self.store = store
        self.shelf = Shelf(lambda: store)
        self.desk = Desk(registry, history)

    async def said(self, conversation: Conversation, *texts: str) -> None:
        entries = [HistoryEntry(role=Speaker.USER, text=text) for text in texts]
        await History(self.store).append(conversation, *entries)


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[House]:
    async with open_store(folder / "talk.sqlite3") as store:

        def keep(conversation: Conversation, entries: Sequence[HistoryEntry]) -> None:
            store.owe(asyncio.get_running_loop().create_task(History(store).append(conversation, *entries)))

        def make(request: SessionRequest) -> Session:
            return FakeSession(request.conversation, request.turns, answer_s=0.2, keep=keep)

        async with SessionRegistry(make) as registry:
            yield House(store, registry)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


class Opened:
    """One window, and what it was told."""

    def __init__(self, house: House) -> None:
        self.told: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self.window = Window(house.desk, TABS, Wishes(TurnSettings()), self._take, house.shelf)

    async def _take(self, message: dict[str, Any]) -> None:
        async with self._news:
            self.told.append(message)
            self._news.notify_all()

    async def asks(self, **message: Any) -> None:
        await self.window.take(message)

    async def until(self, true: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The newest message of which this is true; waits for the first."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: any(bool(true(message)) for message in self.told))
        return next(message for message in reversed(self.told) if true(message))

    async def answer(self, kind: str) -> dict[str, Any]:
        return await self.until(lambda message: message["type"] == kind)


@asynccontextmanager
async def opened(house: House, conversation: Conversation) -> AsyncIterator[Opened]:
    page = Opened(house)
    running = asyncio.create_task(page.window.run())
    await page.asks(do="open", **identity_of(conversation))
    await page.answer("sheet")
    try:
        yield page
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_visitors_conversations_and_notes_are_listed(house: House) -> None:
    mine, other = Conversation(), Conversation()
    await house.said(mine, "My first words")
    await house.said(other, "Somebody else's")
    await house.store.notes(mine.owner).add("milk")
    async with opened(house, mine) as page:
        await page.asks(do="list")
        found = await page.answer("conversations")
        [item] = found["items"]
        assert (item["id"], item["title"], item["turns"]) == (mine.id, "My first words", 1)
        assert [note["text"] for note in found["notes"]] == ["milk"]
        await page.asks(do="delete_note", note=found["notes"][0]["id"])
        assert (await page.until(lambda message: message.get("notes") == []))["items"]
        await page.asks(do="list", search="nothing like it")
        assert (await page.until(lambda message: message.get("search") == "nothing like it"))["items"] == []


async def test_what_is_deleted_leaves_every_window_and_comes_back(house: House) -> None:
    talk = Conversation()
    async with opened(house, talk) as page, opened(house, talk) as other:
        await page.asks(do="say", kind="sandwich", text="Words to keep")
        await page.until(lambda message: any(line["who"] == "agent" for line in message.get("lines", ())))
        await page.asks(do="delete", of=talk.id)
        assert (await page.answer("conversations"))["items"] == []
        new = await page.until(lambda message: message["type"] == "sheet" and message["conversation"] != talk.id)
        assert new["owner"] == talk.owner and not new.get("lines")
        emptied = await other.until(lambda message: message.get("fresh") and bool(message.get("banner")))
        assert emptied["banner"]["text"] == DELETED and not emptied.get("lines")
        assert house.desk.registry.get(talk) is None
        await page.asks(do="take_back", of=talk.id)
        back = await page.until(lambda message: message["type"] == "conversations" and bool(message["items"]))
        assert [item["title"] for item in back["items"]] == ["Words to keep"]
        again = await other.until(lambda message: message.get("fresh") and bool(message.get("lines")))
        assert again["lines"][0]["text"] == "Words to keep"


async def test_everything_is_deleted_and_the_browser_gets_a_new_key(house: House) -> None:
    talk, another = Conversation(), Conversation()
    older = Conversation(owner=talk.owner)
    for each in (talk, older, another):
        await house.said(each, "Words")
        await house.store.notes(each.owner).add("milk")
    async with opened(house, talk) as page:
        await page.asks(do="say", kind="sandwich", text="More")
        await page.asks(do="delete_everything")
        await page.answer("forgotten")
        new = await page.until(lambda message: message["type"] == "sheet" and message["conversation"] != talk.id)
        assert new["owner"] != talk.owner
        assert not await house.shelf.list(talk.owner)
        assert not await house.shelf.notes(talk.owner)
        assert len(house.desk.registry) == 0
    assert len(await house.shelf.list(another.owner)) == len(await house.shelf.notes(another.owner)) == 1


async def test_it_is_exported_as_text_and_as_data(house: House) -> None:
    talk = Conversation()
    await house.said(talk, "What time is it?")
    async with opened(house, talk) as page:
        for format, holds in (("md", "**You:** What time is it?"), ("json", '"user": "What time is it?"')):
            await page.asks(do="export", of=talk.id, format=format)
            assert holds in (await page.until(lambda message, it=format: message.get("format") == it))["text"]


async def test_what_cannot_be_done_is_said_in_a_sentence(house: House) -> None:
    talk = Conversation()
    await house.said(talk, "Words")
    async with opened(house, talk) as page:
        for message in ({"do": "take_back", "of": Conversation().id}, {"do": "rename", "of": talk.id, "name": "  "}):
            page.told.clear()
            await page.asks(**message)
            assert (await page.answer("refused"))["text"].endswith(".")


@pytest.mark.parametrize(
    "message",
    [
        {"do": "list", "search": 7},
        {"do": "list", "search": ["x"]},
        *({"do": do, "of": of} for do in ("delete", "take_back", "export") for of in ODD),
        {"do": "export", "of": "a" * 32, "format": "exe"},
        {"do": "rename", "of": "a" * 32},
        {"do": "delete_note", "note": True},
        {"do": "delete_note", "note": "1 OR 1=1"},
        {"do": "delete_note", "note": 2**70},
        {"do": "earlier", "before": "x"},
    ],
    ids=str,
)
async def test_what_no_page_sends_is_refused(house: House, message: dict[str, Any]) -> None:
    async with opened(house, Conversation()) as page:
        with pytest.raises(InvalidInput):
            await page.window.take(message)


@pytest.mark.parametrize("count", [2 * SHOWN_LINES + 3, 2 * PART + 5])
async def test_a_long_transcript_is_read_backwards(house: House, count: int) -> None:
    talk = Conversation()
    texts = [str(number) for number in range(count)]
    await house.said(talk, *texts)
    async with opened(house, talk) as page:
        first = await page.until(lambda message: bool(message.get("lines")))
        assert first["back"] is True
        lines = first["lines"]
        while True:
            before = min(line["id"] for line in lines)
            await page.asks(do="earlier", before=before)
            earlier = await page.until(lambda message, it=before: message.get("before") == it)
            if not earlier["lines"]:
                break
            lines = earlier["lines"] + lines
        assert [line["text"] for line in lines] == texts
        assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)
        assert [line["order"] for line in lines] == sorted(line["order"] for line in lines)


# Everybody else


def forged(talk: Conversation) -> list[dict[str, Any]]:
    """Identities that know the conversation, or nearly its owner, but not both."""
    owner = talk.owner
    owners: list[Any] = [
        secrets.token_hex(16),
        owner[::-1],
        owner.upper(),
        owner + "0",
        "",
        "%",
        "_" * 32,
        None,
        [owner],
    ]
    return [{"owner": owner, "conversation": talk.id} for owner in owners] + [{"conversation": talk.id}, {}]


def requests(talk: Conversation, note: int) -> list[dict[str, Any]]:
    """Everything a window can ask for that touches a stored conversation, about this one."""
    known: dict[str, dict[str, Any]] = {
        "list": {"search": SECRET.lower()[:4]},
        "rename": {"of": talk.id, "name": "Stolen"},
        "delete": {"of": talk.id},
        "take_back": {"of": talk.id},
        "export": {"of": talk.id, "format": "json"},
        "delete_note": {"note": note},
        "delete_everything": {},
    }
    return [{"do": do, **arguments} for do, arguments in known.items()]


async def test_all_that_can_be_asked_is_tried_here(house: House) -> None:
    async def send(_: Any) -> None: ...

    assert set(Drawer(house.desk, house.shelf, send).deeds) == {each["do"] for each in requests(Conversation(), 1)}


async def test_nobody_lists_opens_renames_exports_or_deletes_what_is_not_theirs(house: House) -> None:
    mine = Conversation()
    await house.said(mine, f"My secret is {SECRET}", *(f"{SECRET} {number}" for number in range(SHOWN_LINES)))
    await house.store.notes(mine.owner).add(f"{SECRET} note")
    [note] = await house.shelf.notes(mine.owner)
    before = await everything(house.store)
    for identity in forged(mine):
        page = Opened(house)
        running = asyncio.create_task(page.window.run())
        await page.window.take({"do": "open", **identity})
        for message in [{"do": "earlier", "before": -1}, *requests(mine, note.id)]:
            await page.window.take({**message, "owner": mine.owner, "conversation": mine.id})
        await page.window.take({"do": "ping"})
        await page.answer("pong")
        running.cancel()
        await asyncio.wait([running])
        assert SECRET not in json.dumps(page.told), identity
    assert await everything(house.store) == before
    async with opened(house, mine) as page:
        await page.asks(do="export", of=mine.id, format="md")
        assert SECRET in (await page.answer("export"))["text"], "control: it is there for its owner"


async def everything(store: Store) -> list[str]:
    tables = ["conversations", "digests", "deleted", "timers", "notes", *store.checkpoint_tables]
    return [str(await store.query(f"SELECT * FROM {table}")) for table in tables]
