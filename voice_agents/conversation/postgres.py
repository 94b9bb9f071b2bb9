"""Conversations in PostgreSQL, for several instances: what one has stored, any other goes on with."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from voice_agents.conversation.leases import Leases
from voice_agents.conversation.message_rows import MESSAGES, PUT_ROW, READ_ROWS, Row, RowsSaver, Stored, rows_of
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.postgres_schema import START_S, conninfo, prepare, reason_of, unusable
from voice_agents.conversation.store import (
    FOREIGN,
    Overtaken,
    Rows,
    State,
    Statement,
    Store,
    Values,
    bindable,
    put_state,
    thread,
)
from voice_agents.errors import ConfigurationError, InvalidInput, StorageFailed
from voice_agents.settings import PostgresUrl

logger = logging.getLogger(__name__)
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it would tell of every attempt while the server is away

POOL_SIZE = 8
"""Connections of one instance, besides the one it listens on: each is needed for a few milliseconds a turn."""
WAIT_S = 3.0
"""How long a free connection is waited for."""
STATEMENT_S = 5.0
_RETRY_S = 0.2

_NAME = re.compile(r"(?<!:):([a-z]+)")
_NEWEST = (
    "SELECT checkpoint_id FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = ''"
    " ORDER BY checkpoint_id DESC LIMIT 1"
)
_Connection = AsyncConnection[DictRow]


class RowsPostgresSaver(RowsSaver, AsyncPostgresSaver):
    """LangGraph's, with the messages of our checkpoints."""

    async def read_rows(self, thread_id: str, first: int, end: int) -> Iterable[Row]:
        """The messages of a conversation at these positions, in their order."""
        async with self._cursor() as cursor:
            found = await cursor.execute(_named(READ_ROWS), {"id": thread_id, "first": first, "end": end})
            return [(row["type"], row["data"]) for row in await found.fetchall()]

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; only channels that changed are written, and messages in rows are in none."""
        versions = checkpoint["channel_versions"]
        unchanged = {MESSAGES: versions[MESSAGES]} if MESSAGES in versions else {}
        return await super().aput(config, checkpoint, metadata, {**unchanged, **new_versions})


class PostgresStore(Store):
    """One PostgreSQL database, shared by all instances.

    A turn is stored in one transaction, on top of what is newest then: whatever two instances store at once, both is
    there afterwards. While the server is away everything fails at once, without waiting, and what is in memory is
    stored when it is back.
    """

    checkpointer: RowsPostgresSaver
    checkpoint_tables = ("checkpoints", "checkpoint_writes", "checkpoint_blobs")

    def __init__(self, database: PostgresUrl) -> None:
        """Raises ConfigurationError when the address is none."""
        super().__init__()
        self._database = database
        self._conninfo = conninfo(database)
        self._pool = AsyncConnectionPool[_Connection](
            self._conninfo,
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
            min_size=1,
            max_size=POOL_SIZE,
            timeout=WAIT_S,
            configure=_limit,
            open=False,
        )
        # When the server is back, connections that broke meanwhile must not become somebody's failure.
        self._leases = Leases(self._conninfo, self._connection, back=self._pool.check)

    async def _open(self) -> None:
        if sys.platform == "win32":
            raise ConfigurationError(
                "DATABASE_URL: PostgreSQL can be used on Linux and macOS only; leave it empty to use SQLite."
            )
        await asyncio.to_thread(prepare, self._database, _prepare_checkpoints)
        try:
            await self._pool.open(wait=True, timeout=START_S)
            self._leases.open()
            async with asyncio.timeout(START_S):
                await self._leases.usable.wait()
        except (psycopg.Error, TimeoutError) as error:
            await self._close()
            raise unusable(self._database, error) from error
        self.checkpointer = RowsPostgresSaver(self._pool)

    async def _close(self) -> None:
        await self._leases.close()
        await self._pool.close()

    async def _usable(self) -> None:
        await asyncio.sleep(_RETRY_S)
        await self._leases.usable.wait()

    def hold(self, conversation: Conversation, taken: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """The conversation is live at this instance until another one takes it (``taken``). Raises InvalidInput."""
        return self._hold(conversation, taken)

    @asynccontextmanager
    async def _hold(self, conversation: Conversation, taken: Callable[[], None]) -> AsyncIterator[None]:
        await self.check_owner(conversation)
        async with self._leases.hold(conversation.id, taken):
            yield

    async def query(self, sql: str, values: Values | None = None) -> Rows:
        """The rows of a SELECT; ``:name`` in it stands for a value."""
        async with self._connection() as connection:
            found = await connection.execute(_named(sql), bindable(values))
            return [tuple(row.values()) for row in await found.fetchall()]

    async def change(self, *statements: Statement) -> Sequence[int]:
        """Run changing statements in one transaction; how many rows each touched."""
        async with self._connection() as connection, connection.transaction():
            return [(await connection.execute(_named(sql), bindable(values))).rowcount for sql, values in statements]

    async def checkpoint(
        self, conversation: Conversation, checkpoint_id: str, most: int | None = None, before: int | None = None
    ) -> Stored:
        """What one checkpoint holds, or the last of its messages (before this position)."""
        async with self._connection() as connection:
            # A saver of our own: that of the pool lets one in after the other.
            return await RowsPostgresSaver(connection).read(thread(conversation, checkpoint_id), most, before)

    async def _save(self, conversation: Conversation, parent: str | None, state: State, said: str, kept: int) -> str:
        first = self._first(conversation, parent, said)
        contents = self._digested(conversation, state[MESSAGES], kept)
        rows = [bindable(row) for row in rows_of(self.checkpointer.serde, conversation.id, state[MESSAGES], kept)]
        async with self._connection() as connection, connection.pipeline(), connection.transaction():
            *_, touched = [await connection.execute(_named(sql), bindable(values)) for sql, values in first]
            # The row is ours until the transaction ends, so what is newest now stays the newest.
            newest = await (await connection.execute(_NEWEST, (conversation.id,))).fetchone()
            if not touched.rowcount:
                raise InvalidInput(FOREIGN)
            if newest is not None and newest["checkpoint_id"] != parent:
                raise Overtaken
            for sql, values in contents:
                await connection.execute(_named(sql), bindable(values))
            await connection.cursor().executemany(_named(PUT_ROW), rows)
            checkpoint = await put_state(RowsPostgresSaver(connection), conversation, parent, state)
            await _keep_only(connection, conversation.id, checkpoint["id"], checkpoint["channel_versions"]["messages"])
        return checkpoint["id"]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        """Lend a connection. What goes wrong with it comes out as StorageFailed."""
        if not self._leases.usable.is_set():
            raise _failed("it cannot be reached")
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, OSError) as error:
            logger.warning("The database could not be used: %s", error)
            raise _failed(_plainly(error)) from error


def _failed(reason: str) -> StorageFailed:
    return StorageFailed(
        f"The database cannot be used at the moment ({reason}): what was said is kept in memory, and stored when that "
        "is possible again."
    )


def _plainly(error: Exception) -> str:
    """For users: the server's own words, but no addresses of machines."""
    return error.diag.message_primary or "it does not answer" if isinstance(error, psycopg.Error) else reason_of(error)


async def _limit(connection: _Connection) -> None:
    await connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{STATEMENT_S:g}s",))


def _prepare_checkpoints(connection: psycopg.Connection) -> None:
    PostgresSaver(cast("psycopg.Connection[DictRow]", connection)).setup()  # it brings its own row factory


async def _keep_only(connection: _Connection, conversation_id: str, checkpoint_id: str, version: object) -> None:
    """Delete all other checkpoints of the conversation: each would hold the whole of it once more."""
    for table, column, newest in (
        ("checkpoints", "checkpoint_id", checkpoint_id),
        ("checkpoint_writes", "checkpoint_id", checkpoint_id),
        ("checkpoint_blobs", "version", version),
    ):
        await connection.execute(
            f"DELETE FROM {table} WHERE thread_id = %s AND {column} <> %s".encode(), (conversation_id, newest)
        )


def _named(sql: str) -> bytes:
    """``:name`` as psycopg writes it; as bytes, for text has to be literal."""
    return _NAME.sub(r"%(\1)s", sql).encode()
