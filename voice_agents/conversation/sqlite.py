"""Conversations in an SQLite file, the default, for one instance; it mends what happens to the file while it runs."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.checkpoint.base import Checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from voice_agents.conversation.file import BUSY_TIMEOUT_S, NO_DATABASE, prepare, repair, unusable
from voice_agents.conversation.message_rows import MESSAGES, PUT_ROW, READ_ROWS, Row, RowsSaver, Stored, rows_of
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import (
    FOREIGN,
    REMEMBERED,
    Rows,
    State,
    Statement,
    Store,
    Values,
    bindable,
    put_state,
    thread,
    title_of,
)
from voice_agents.errors import InvalidInput, StorageFailed

logger = logging.getLogger(__name__)

_RETRY_S = 1.0
"""How long after a failure it is tried again."""

_Mark = tuple[int, ...]
"""By which a file that others have touched is told: device, inode, size, time of the last change in ns."""


class SqliteSaver(RowsSaver, AsyncSqliteSaver):
    """LangGraph's, with the messages of our checkpoints."""

    async def read_rows(self, thread_id: str, first: int, end: int) -> Iterable[Row]:
        """The messages of a conversation at these positions, in their order."""
        async with self.lock:
            found = await self.conn.execute_fetchall(READ_ROWS, {"id": thread_id, "first": first, "end": end})
        return [(kind, data) for kind, data in found]


class SqliteStore(Store):
    """One SQLite file.

    A file that others delete, replace or damage is begun anew with the next call that needs it, and what is in memory
    is written into it; ``losses`` and ``loss`` tell of that.
    """

    checkpointer: SqliteSaver
    checkpoint_tables = ("checkpoints", "writes")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path.absolute()
        self._using = asyncio.Lock()
        self._mark: _Mark = ()
        self._remembered: dict[str, _Remembered] = {}
        """Conversations whose messages are held, so that they can be written again if the file is lost."""

    async def _open(self) -> None:
        try:
            await self._connect()
        except (OSError, sqlite3.Error) as error:
            raise unusable(self._path, error) from error

    async def _close(self) -> None:
        await self.checkpointer.conn.close()

    async def _usable(self) -> None:
        await asyncio.sleep(_RETRY_S)

    async def _connect(self) -> None:
        await asyncio.to_thread(prepare, self._path)
        connection = await aiosqlite.connect(self._path, timeout=BUSY_TIMEOUT_S)
        try:
            self.checkpointer = SqliteSaver(connection)
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

    async def checkpoint(
        self, conversation: Conversation, checkpoint_id: str, most: int | None = None, before: int | None = None
    ) -> Stored:
        """What one checkpoint holds, or the last of its messages (before this position)."""
        async with self._plainly():
            stored = await self.checkpointer.read(thread(conversation, checkpoint_id), most, before)
        if stored.whole:
            self._remember(conversation, stored.values)
        return stored

    async def _save(self, conversation: Conversation, parent: str | None, state: State, said: str, kept: int) -> str:
        self._remember(conversation, state)
        older = [
            (f"DELETE FROM {table} WHERE thread_id = :id", {"id": conversation.id}) for table in self.checkpoint_tables
        ]  # each would hold the whole of it once more
        async with self._plainly():
            *_, touched = await self._run(*self._first(conversation, parent, said))
            if not touched:
                raise InvalidInput(FOREIGN)
            if kept and await self._newest(conversation) != parent:
                kept = 0  # another program has stored something, or the file was begun anew
            await self._run(*older)
            checkpoint = await self._put(conversation, parent, state, kept)
        return checkpoint["id"]

    async def _newest(self, conversation: Conversation) -> str | None:
        rows = await self.checkpointer.conn.execute_fetchall(
            "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''", (conversation.id,)
        )
        newest: str | None = next(iter(rows))[0]
        return newest

    async def _put(self, conversation: Conversation, parent: str | None, state: State, kept: int) -> Checkpoint:
        """The state with what is found by; it commits all that was written before."""
        rows = rows_of(self.checkpointer.serde, conversation.id, state[MESSAGES], kept)
        await self._run(*self._digested(conversation, state[MESSAGES], kept))
        async with self.checkpointer.lock:
            await self.checkpointer.conn.executemany(PUT_ROW, [bindable(row) for row in rows])
        return await put_state(self.checkpointer, conversation, parent, state)

    def _remember(self, conversation: Conversation, state: State) -> None:
        self._remembered.pop(conversation.id, None)
        self._remembered[conversation.id] = _Remembered(conversation, state)
        while len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def forget_in_memory(self, conversation: Conversation) -> None:
        """The conversation was deleted: nothing that is remembered of it is stored any more."""
        super().forget_in_memory(conversation)
        self._remembered.pop(conversation.id, None)

    async def query(self, sql: str, values: Values | None = None) -> Rows:
        """The rows of a SELECT; ``:name`` in it stands for a value."""
        async with self._plainly():
            return [tuple(row) for row in await self.checkpointer.conn.execute_fetchall(sql, bindable(values))]

    async def change(self, *statements: Statement) -> Sequence[int]:
        """Run changing statements, all or none, and commit them; how many rows each touched."""
        async with self._plainly():
            touched = await self._run(*statements)
            async with self.checkpointer.lock:
                await self.checkpointer.conn.commit()
            return touched

    async def _run(self, *statements: Statement) -> Sequence[int]:
        """In the transaction that is open, or opens with the first: it is committed by whoever asks for it."""
        touched = []
        # The saver's lock: it shares the connection, and its commit would end this half way.
        async with self.checkpointer.lock:
            for sql, values in statements:
                async with self.checkpointer.conn.execute(sql, bindable(values)) as cursor:
                    touched.append(cursor.rowcount)
        return touched

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
            except BaseException:  # refused, or nobody waits for it any more
                await asyncio.shield(self._roll_back())
                raise
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
        await self._connect()
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
        values = {"id": conversation.id, "owner": conversation.owner, "title": title_of(said), "now": time.time()}
        await self._run(("INSERT OR IGNORE INTO conversations VALUES (:id, :owner, :title, :now, :now)", values))
        await self._put(conversation, None, one.state, 0)


@dataclass(frozen=True, slots=True)
class _Remembered:
    conversation: Conversation
    state: State

    @property
    def messages(self) -> Sequence[AnyMessage]:
        messages: Sequence[AnyMessage] = self.state.get(MESSAGES, ())
        return messages
