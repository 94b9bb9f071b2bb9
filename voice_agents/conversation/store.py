"""The database file: LangGraph checkpoints, the list of conversations and the users' notes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakValueDictionary

import aiosqlite
from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata, empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from voice_agents.conversation.model import Conversation
from voice_agents.errors import ConfigurationError, InvalidInput, StorageFailed
from voice_agents.tools import Notes

_BUSY_TIMEOUT_S = 5.0
_LAST_STORING_S = 2 * _BUSY_TIMEOUT_S
"""How long leaving waits for what is still to be stored: another program may hold the file for a while."""
_TITLE_LENGTH = 60

# synchronous=NORMAL: a commit survives the death of the process; only a power cut may take the last ones.
_SCHEMA = """
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    updated REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS conversations_of_owner ON conversations (owner, updated);
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    text TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_of_owner ON notes (owner);
"""

Rows = list[tuple[Any, ...]]

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
    """

    checkpointer: AsyncSqliteSaver
    """Conversations are its threads, by their id; any LangGraph agent with a ``messages`` state can go on with them.

    The latest checkpoint of each holds all its messages and nothing pending.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owed: set[asyncio.Task[None]] = set()
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        connection: aiosqlite.Connection | None = None
        try:
            await asyncio.to_thread(self._prepare)
            connection = await aiosqlite.connect(self._path, timeout=_BUSY_TIMEOUT_S)
            self.checkpointer = AsyncSqliteSaver(connection)
            await self.checkpointer.setup()
            await connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            if connection is not None:
                await connection.close()
            raise ConfigurationError(
                f"The database {self._path} cannot be opened ({error}): "
                "set DATABASE_URL to a file this program may write, such as sqlite:///conversations.sqlite3."
            ) from error
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

    def _prepare(self) -> None:
        """Create the folder, and find out in plain sqlite3 whether the file is usable.

        aiosqlite does not wait for its thread when opening fails, which may outlive the event loop then.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA schema_version")

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
        return saved.checkpoint["channel_values"].get("messages", []) if saved else []

    async def save(self, conversation: Conversation, parent: str | None, messages: Sequence[AnyMessage]) -> str:
        """Make these its messages; the id of their checkpoint, which follows ``parent``."""
        version = self.checkpointer.get_next_version(None, None)
        checkpoint: Checkpoint = {
            **empty_checkpoint(),
            "channel_values": {"messages": list(messages)},
            "channel_versions": {"messages": version},
        }
        metadata: CheckpointMetadata = {"source": "update", "step": 0, "parents": {}}
        async with self._plainly():
            await self.checkpointer.aput(_thread(conversation, parent), checkpoint, metadata, {"messages": version})
        await self._keep_only(conversation.id, checkpoint["id"])
        return checkpoint["id"]

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
        async with self._plainly():
            await self.checkpointer.adelete_thread(conversation.id)
        await self.execute("DELETE FROM conversations WHERE id = ?", (conversation.id,))

    def notes(self, owner: str) -> Notes:
        """The owner's notes."""
        return _StoredNotes(self, owner)

    async def query(self, sql: str, parameters: Any = ()) -> Rows:
        """The rows of a SELECT."""
        async with self._plainly():
            return [tuple(row) for row in await self.checkpointer.conn.execute_fetchall(sql, parameters)]

    async def execute(self, sql: str, parameters: Any = ()) -> int:
        """Run one changing statement and commit it; how many rows it touched."""
        # The saver's lock: it shares the connection, and a commit would end its transaction half way.
        connection = self.checkpointer.conn
        async with self._plainly(), self.checkpointer.lock, connection.execute(sql, parameters) as cursor:
            await connection.commit()
            return cursor.rowcount

    @asynccontextmanager
    async def _plainly(self) -> AsyncIterator[None]:
        """What SQLite raises in the block comes out as StorageFailed."""
        try:
            yield
        except sqlite3.Error as error:
            # A statement that failed leaves its transaction open, in which the file would stay as it is now for ever.
            async with self.checkpointer.lock:
                with suppress(sqlite3.Error):
                    await self.checkpointer.conn.rollback()
            raise StorageFailed(
                f"The database cannot be used at the moment ({error}): what was said is kept and stored with the next"
                " turn; check its disk, and whether another program holds it."
            ) from error


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


def _thread(conversation: Conversation, checkpoint_id: str | None) -> RunnableConfig:
    config = {"thread_id": conversation.id, "checkpoint_ns": ""}
    return {"configurable": config if checkpoint_id is None else {**config, "checkpoint_id": checkpoint_id}}


def _title(said: str) -> str:
    words = " ".join(said.split())
    return words if len(words) <= _TITLE_LENGTH else f"{words[:_TITLE_LENGTH].rsplit(' ', 1)[0]} ..."
