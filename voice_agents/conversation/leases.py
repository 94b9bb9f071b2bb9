"""Which of several instances has a conversation live: the newest that asked. It tells the others, and hears them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import AsyncConnection

from voice_agents.conversation.model import new_id
from voice_agents.conversation.postgres_schema import reason_of
from voice_agents.errors import StorageFailed

logger = logging.getLogger(__name__)

TAKE_OVER_S = 2.0
"""How long an earlier holder may take to store its last turn; one that is known to be dead is not waited for."""
LOOK_S = 0.2
"""How often it is looked whether the earlier holder still lives."""
RECONNECT_S = 0.3

Connections = Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]]
"""Lends a connection. Raises StorageFailed."""

_CHANNEL = "voice_agents"


@dataclass(frozen=True, slots=True)
class _Lease:
    token: str
    taken: Callable[[], None]


class Leases:
    """The leases of one instance. Its line to the server, on which it listens, is its sign of life for the others.

    A lease is a row that names its holder. It outlives a broken line, not its holder: PostgreSQL sees a process end
    at once, and a machine vanish after some seconds (then the newcomer goes on after TAKE_OVER_S all the same).
    """

    def __init__(self, conninfo: str, lend: Connections, back: Callable[[], Awaitable[None]]) -> None:
        """``back`` is awaited whenever the server was away, before it is called usable again."""
        self.usable = asyncio.Event()
        """The server is there."""
        self._conninfo = conninfo
        self._lend = lend
        self._back = back
        self._instance = new_id()
        self._line: tuple[int, datetime]
        """The server's process at the other end of our line, and when it began."""
        self._held: dict[str, _Lease] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        """By token: set when its holder has let go."""
        self._listening: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to listen."""
        self._listening = asyncio.create_task(self._listen(), name="leases")

    async def close(self) -> None:
        """Nothing more is heard."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])

    @asynccontextmanager
    async def hold(self, conversation_id: str, taken: Callable[[], None]) -> AsyncIterator[None]:
        """The conversation is live here while entered; ``taken`` is called once when another instance takes it."""
        token = new_id()
        try:
            await self._take(conversation_id, token)
            self._held[conversation_id] = _Lease(token, taken)
            await self._look([conversation_id])  # it may have been taken before we listened
            yield
        finally:
            if (lease := self._held.get(conversation_id)) is not None and lease.token == token:
                del self._held[conversation_id]
            with suppress(StorageFailed):
                await self._free(conversation_id, token)

    async def _take(self, conversation_id: str, token: str) -> None:
        async with self._lend() as connection, connection.pipeline(), connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (conversation_id,))
            found = await connection.execute(
                "SELECT token, pid, started FROM leases WHERE conversation = %s AND instance <> %s",
                (conversation_id, self._instance),
            )
            earlier = await found.fetchone()
            if earlier is not None:
                self._awaited[earlier["token"]] = asyncio.Event()
            await self._write(connection, {conversation_id: token})
            await self._tell(connection, "taken", conversation_id)
        if earlier is not None:
            await self._wait_for(**earlier)

    async def _wait_for(self, token: str, pid: int, started: datetime) -> None:
        """Until the earlier holder has let go, or is dead, or has had its time."""
        freed = self._awaited[token]
        try:
            async with asyncio.timeout(TAKE_OVER_S):
                while not freed.is_set() and await self._lives(pid, started):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(freed.wait(), LOOK_S)
        except TimeoutError:
            logger.warning("A conversation was taken over from an instance that does not let go of it.")
        finally:
            del self._awaited[token]

    async def _lives(self, pid: int, started: datetime) -> bool:
        async with self._lend() as connection:
            found = await connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND backend_start = %s", (pid, started)
            )
            return await found.fetchone() is not None

    async def _free(self, conversation_id: str, token: str) -> None:
        async with self._lend() as connection, connection.pipeline():
            await connection.execute(
                "DELETE FROM leases WHERE conversation = %s AND token = %s", (conversation_id, token)
            )
            await self._tell(connection, "freed", token)

    async def _write(self, connection: AsyncConnection[Any], tokens: Mapping[str, str], where: str = "") -> None:
        """These leases are ours, under the sign of life we have now."""
        upsert = (
            "INSERT INTO leases SELECT conversation, token, %s, %s, %s FROM unnest(%s::text[], %s::text[])"
            " AS t (conversation, token)"
            " ON CONFLICT (conversation) DO UPDATE SET token = excluded.token, instance = excluded.instance,"
            f" pid = excluded.pid, started = excluded.started {where}"
        )
        ours = (self._instance, *self._line, list(tokens), list(tokens.values()))
        await connection.execute(upsert.encode(), ours)

    async def _tell(self, connection: AsyncConnection[Any], what: str, which: str) -> None:
        await connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, f"{what} {which} {self._instance}"))

    # What the others tell

    async def _listen(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as line:
                    await self._listen_on(line)
            except (psycopg.Error, OSError, StorageFailed) as error:
                if self.usable.is_set():
                    logger.warning("The line to the database is broken: %s", reason_of(error))
            self.usable.clear()
            await asyncio.sleep(RECONNECT_S)

    async def _listen_on(self, line: AsyncConnection[Any]) -> None:
        await line.execute(f"LISTEN {_CHANNEL}")
        found = await line.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        row = await found.fetchone()
        assert row is not None, "a process of the server sees itself"
        self._line = (row[0], row[1])
        await self._back()
        self.usable.set()
        await self._renew()
        async for told in line.notifies():
            what, which, who = told.payload.split()
            if what == "freed" and which in self._awaited:
                self._awaited[which].set()
            elif what == "taken" and who != self._instance and which in self._held:
                await self._look([which])

    async def _renew(self) -> None:
        """After the line was broken: we live, and may have missed that a lease was taken."""
        if held := {conversation_id: lease.token for conversation_id, lease in self._held.items()}:
            async with self._lend() as connection:
                await self._write(connection, held, "WHERE leases.token = excluded.token")
            await self._look(list(held))

    async def _look(self, conversation_ids: Sequence[str]) -> None:
        """Which of these are not ours any more? Their sessions are told."""
        async with self._lend() as connection:
            found = await connection.execute(
                "SELECT conversation, token FROM leases WHERE conversation = ANY(%s)", (list(conversation_ids),)
            )
            tokens = {row["conversation"]: row["token"] for row in await found.fetchall()}
        for conversation_id in conversation_ids:
            lease = self._held.get(conversation_id)
            if lease is not None and tokens.get(conversation_id, lease.token) != lease.token:
                del self._held[conversation_id]
                lease.taken()
