"""The database file: LangGraph checkpoints, the list of conversations and the users' notes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakValueDictionary

import aiosqlite
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata, empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from voice_agents.conversation.file import BUSY_TIMEOUT_S, NO_DATABASE, prepare, repair, unusable
from voice_agents.conversation.model import Conversation
from voice_agents.errors import InvalidInput, StorageFailed
from voice_agents.tools import Notes, Timer, TimerBook

logger = logging.getLogger(__name__)

_LAST_STORING_S = 2 * BUSY_TIMEOUT_S
"""How long leaving waits for what is still to be stored: another program may hold the file for a while."""
_TITLE_LENGTH = 60

_REMEMBERED = 500
"""Conversations whose messages are held, so that they can be written again if the file is lost while this runs."""

Rows = list[tuple[Any, ...]]
_Mark = tuple[int, ...]
"""By which a file that others have touched is told: device, inode, size, time of the last change in ns."""

_FOREIGN = "This conversation belongs to somebody else: start a new one."


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A stored conversation as a list shows it. ``title`` is the user's first words."""

    id: str
    title: str
    created: datetime
    updated: datetime


class Store:
    """One SQLite file, shared by all sessions of a process. Enter it before use.

    Entering raises ConfigurationError (names DATABASE_URL) when the file cannot be opened. Everything else raises
    StorageFailed when the file cannot be read or written at the moment: the disk is full, another program holds it.

    A file that others delete, replace or damage is begun anew with the next call that needs it, and what is in memory
    is written into it; ``losses`` and ``loss`` tell of that.
    """

    checkpointer: AsyncSqliteSaver
    """Conversations are its threads, by their id; any LangGraph agent with a ``messages`` state can go on with them.

    The latest checkpoint of each holds all its messages and nothing pending.
    """

    losses: int
    """How often the file was deleted, replaced or damaged under our hands, and begun anew."""
    loss: str
    """What is to be said of the last time."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._owed: set[asyncio.Task[None]] = set()
        self.timers_begun: set[asyncio.Task[None]] = set()
        """Changes of timers that are under way."""
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._using = asyncio.Lock()
        self._mark: _Mark = ()
        self._remembered: dict[str, _Remembered] = {}
        self.losses, self.loss = 0, ""

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except (OSError, sqlite3.Error) as error:
            raise unusable(self._path, error) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owed:
            await asyncio.wait(self._owed, timeout=_LAST_STORING_S)
        await self.checkpointer.conn.close()

    def owe(self, storing: asyncio.Task[None]) -> None:
        """Own what a session that is gone still stores; leaving the store waits for it."""
        self._owed.add(storing)
        storing.add_done_callback(self._owed.discard)

    async def _open(self) -> None:
        await asyncio.to_thread(prepare, self._path)
        connection = await aiosqlite.connect(self._path, timeout=BUSY_TIMEOUT_S)
        try:
            self.checkpointer = AsyncSqliteSaver(connection)
            await self.checkpointer.setup()
            # A commit survives the death of the process; only a power cut may take the last ones.
            await connection.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            await connection.close()
            raise
        self._mark = self._marked()

    def _marked(self) -> _Mark:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    async def check_owner(self, conversation: Conversation) -> None:
        """Raises InvalidInput when the conversation is stored and belongs to somebody else."""
        await self.latest_checkpoint(conversation)

    async def latest_checkpoint(self, conversation: Conversation) -> str | None:
        """The id of the newest checkpoint, None if nothing was stored. Raises InvalidInput as :meth:`check_owner`."""
        [(owner, checkpoint_id)] = await self.query(
            "SELECT (SELECT owner FROM conversations WHERE id = :id), (SELECT checkpoint_id FROM checkpoints"
            " WHERE thread_id = :id AND checkpoint_ns = '' ORDER BY checkpoint_id DESC LIMIT 1)",
            {"id": conversation.id},
        )
        if owner is not None and owner != conversation.owner:
            raise InvalidInput(_FOREIGN)
        return checkpoint_id if owner is not None else None

    def changing(self, conversation: Conversation) -> asyncio.Lock:
        """Hold it while reading, changing and storing a conversation: the user may have it open twice."""
        return self._changing.setdefault(conversation.id, asyncio.Lock())

    async def touch(self, conversation: Conversation, said: str = "") -> None:
        """List the conversation as used just now; the first words the user ``said`` become its title.

        Raises InvalidInput as :meth:`check_owner`.
        """
        changed = await self.execute(
            "INSERT INTO conversations VALUES (:id, :owner, :title, :now, :now) ON CONFLICT (id) DO UPDATE SET"
            " updated = :now, title = CASE title WHEN '' THEN :title ELSE title END WHERE owner = :owner",
            {"id": conversation.id, "owner": conversation.owner, "title": _title(said), "now": time.time()},
        )
        if not changed:
            raise InvalidInput(_FOREIGN)

    async def checkpoint(self, conversation: Conversation, checkpoint_id: str) -> Sequence[AnyMessage]:
        """The messages of one of its checkpoints."""
        async with self._plainly():
            saved = await self.checkpointer.aget_tuple(_thread(conversation, checkpoint_id))
        messages = saved.checkpoint["channel_values"].get("messages", []) if saved else []
        self._remember(conversation, messages)
        return messages

    async def save(self, conversation: Conversation, parent: str | None, messages: Sequence[AnyMessage]) -> str:
        """Make these its messages; the id of their checkpoint, which follows ``parent``."""
        self._remember(conversation, messages)
        async with self._plainly():
            checkpoint_id = await self._put(conversation, parent, messages)
        await self._keep_only(conversation.id, checkpoint_id)
        return checkpoint_id

    async def _put(self, conversation: Conversation, parent: str | None, messages: Sequence[AnyMessage]) -> str:
        version = self.checkpointer.get_next_version(None, None)
        checkpoint: Checkpoint = {
            **empty_checkpoint(),
            "channel_values": {"messages": list(messages)},
            "channel_versions": {"messages": version},
        }
        metadata: CheckpointMetadata = {"source": "update", "step": 0, "parents": {}}
        await self.checkpointer.aput(_thread(conversation, parent), checkpoint, metadata, {"messages": version})
        return checkpoint["id"]

    def _remember(self, conversation: Conversation, messages: Sequence[AnyMessage]) -> None:
        self._remembered.pop(conversation.id, None)
        self._remembered[conversation.id] = _Remembered(conversation, messages)
        while len(self._remembered) > _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    async def _keep_only(self, conversation_id: str, checkpoint_id: str) -> None:
        """Delete all other checkpoints of the conversation: each would hold the whole of it once more."""
        for table in ("checkpoints", "writes"):
            await self.execute(
                f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id <> ?", (conversation_id, checkpoint_id)
            )

    async def list(self, owner: str) -> Sequence[ConversationSummary]:
        """The owner's conversations in which something was said, latest first."""
        rows = await self.query(
            "SELECT id, title, created, updated FROM conversations WHERE owner = ? ORDER BY updated DESC", (owner,)
        )
        return [
            ConversationSummary(id, title, datetime.fromtimestamp(created, UTC), datetime.fromtimestamp(updated, UTC))
            for id, title, created, updated in rows
        ]

    async def delete(self, conversation: Conversation) -> None:
        """Forget a conversation. Raises InvalidInput when it belongs to somebody else."""
        await self.check_owner(conversation)
        self._remembered.pop(conversation.id, None)
        async with self._plainly():
            await self.checkpointer.adelete_thread(conversation.id)
        await self.execute("DELETE FROM timers WHERE conversation = ?", (conversation.id,))
        await self.execute("DELETE FROM conversations WHERE id = ?", (conversation.id,))

    def notes(self, owner: str) -> Notes:
        """The owner's notes."""
        return _StoredNotes(self, owner)

    def timers(self, conversation: Conversation) -> TimerBook:
        """The conversation's timers that were not told yet."""
        return _StoredTimers(self, conversation)

    async def query(self, sql: str, parameters: Any = ()) -> Rows:
        """The rows of a SELECT."""
        async with self._plainly():
            return [tuple(row) for row in await self.checkpointer.conn.execute_fetchall(sql, parameters)]

    async def execute(self, sql: str, parameters: Any = ()) -> int:
        """Run one changing statement and commit it; how many rows it touched."""
        async with self._plainly():
            return await self._run(sql, parameters)

    async def _run(self, sql: str, parameters: Any) -> int:
        # The saver's lock: it shares the connection, and a commit would end its transaction half way.
        connection = self.checkpointer.conn
        async with self.checkpointer.lock, connection.execute(sql, parameters) as cursor:
            await connection.commit()
            return cursor.rowcount

    @asynccontextmanager
    async def _plainly(self) -> AsyncIterator[None]:
        """What SQLite raises in the block comes out as StorageFailed. The file is the one that was opened."""
        async with self._using:
            try:
                if self._marked() != self._mark:
                    await self._look_again()
                yield
            except (OSError, sqlite3.Error) as error:
                await self._roll_back()
                if getattr(error, "sqlite_errorname", "") in NO_DATABASE:
                    self._mark = ()
                reason = error.strerror if isinstance(error, OSError) else error
                raise StorageFailed(
                    f"The database cannot be used at the moment ({reason}): what was said is kept and stored with the"
                    " next turn; check its disk, and whether another program holds it."
                ) from error
            else:
                self._mark = self._marked()

    async def _roll_back(self) -> None:
        """A statement that failed leaves its transaction open, in which the file would stay as it is now for ever."""
        async with self.checkpointer.lock:
            with suppress(sqlite3.Error, ValueError):  # the latter when the connection is closed
                await self.checkpointer.conn.rollback()

    # When others touch the file

    async def _look_again(self) -> None:
        """Somebody else has changed the file, or what was read of it made no sense: is it still ours, and whole?"""
        self._mark = ()
        await self.checkpointer.conn.close()
        what = await asyncio.to_thread(repair, self._path)
        await self._open()
        lost = [one for one in self._remembered.values() if one.messages and not await self._holds(one.conversation)]
        for one in lost:
            await self._write_again(one)
        if what or lost:
            self.losses += 1
            self.loss = (
                f"The database file was {what or 'replaced'} while this program ran. What this server still held, this "
                "conversation too, was written again; older conversations and notes may be missing."
            )
            logger.error("%s (%s)", self.loss, self._path)

    async def _holds(self, conversation: Conversation) -> bool:
        rows = await self.checkpointer.conn.execute_fetchall(
            "SELECT 1 FROM conversations JOIN checkpoints ON thread_id = id WHERE id = ?", (conversation.id,)
        )
        return bool(list(rows))

    async def _write_again(self, one: _Remembered) -> None:
        said = next((message.text for message in one.messages if isinstance(message, HumanMessage)), "")
        conversation = one.conversation
        await self._run(
            "INSERT OR IGNORE INTO conversations VALUES (:id, :owner, :title, :now, :now)",
            {"id": conversation.id, "owner": conversation.owner, "title": _title(said), "now": time.time()},
        )
        await self._put(conversation, None, one.messages)


@dataclass(frozen=True, slots=True)
class _Remembered:
    conversation: Conversation
    messages: Sequence[AnyMessage]


class _StoredNotes:
    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner

    async def add(self, text: str) -> None:
        await self._store.execute(
            "INSERT INTO notes (owner, text, created) VALUES (?, ?, ?)", (self._owner, text, time.time())
        )

    async def all(self) -> list[str]:
        rows = await self._store.query("SELECT text FROM notes WHERE owner = ? ORDER BY id", (self._owner,))
        return [text for (text,) in rows]

    async def clear(self) -> int:
        return await self._store.execute("DELETE FROM notes WHERE owner = ?", (self._owner,))


class _StoredTimers:
    def __init__(self, store: Store, conversation: Conversation) -> None:
        self._store = store
        self._of = {"conversation": conversation.id, "owner": conversation.owner}

    async def all(self) -> list[Timer]:
        if self._store.timers_begun:
            await asyncio.wait(self._store.timers_begun)
        rows = await self._store.query(
            "SELECT seconds, label, due, id FROM timers WHERE conversation = :conversation AND owner = :owner"
            " ORDER BY due",
            self._of,
        )
        return [Timer(*row) for row in rows]

    def keep(self, timer: Timer) -> None:
        values = {"id": timer.id, **self._of, "seconds": timer.seconds, "label": timer.label, "due": timer.due}
        self._write("INSERT INTO timers VALUES (:id, :conversation, :owner, :seconds, :label, :due)", [values])

    def forget(self, *timers: Timer) -> None:
        self._write("DELETE FROM timers WHERE id = :id", [{"id": timer.id} for timer in timers])

    def _write(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        writing = asyncio.get_running_loop().create_task(self._written(sql, rows))
        self._store.owe(writing)
        self._store.timers_begun.add(writing)
        writing.add_done_callback(self._store.timers_begun.discard)

    async def _written(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        try:
            for row in rows:
                await self._store.execute(sql, row)
        except StorageFailed as error:  # it runs all the same
            logger.warning("a timer could not be stored: %s", error)


def _thread(conversation: Conversation, checkpoint_id: str | None) -> RunnableConfig:
    config = {"thread_id": conversation.id, "checkpoint_ns": ""}
    return {"configurable": config if checkpoint_id is None else {**config, "checkpoint_id": checkpoint_id}}


def _title(said: str) -> str:
    words = " ".join(said.split())
    return words if len(words) <= _TITLE_LENGTH else f"{words[:_TITLE_LENGTH].rsplit(' ', 1)[0]} ..."
