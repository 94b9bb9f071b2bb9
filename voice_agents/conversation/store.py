"""Where conversations are kept: LangGraph checkpoints, the list of conversations and the users' notes."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from weakref import WeakValueDictionary

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata, empty_checkpoint

from voice_agents.conversation.digest import ADD_TO_DIGEST, PUT_DIGEST, Digest
from voice_agents.conversation.message_rows import CUT_ROWS, MESSAGES, Stored
from voice_agents.conversation.messages import whole
from voice_agents.conversation.model import Conversation
from voice_agents.errors import InvalidInput, StorageFailed
from voice_agents.settings import PostgresUrl
from voice_agents.tools import Notes, Timer, TimerBook

logger = logging.getLogger(__name__)

LAST_STORING_S = 10.0
"""How long leaving waits for what sessions still store: another program may hold the database for a while."""
LAST_ATTEMPTS_S = 2.0
"""How long leaving waits for a database that did not take what was said."""

REMEMBERED = 500
"""Conversations of which something is held."""

Rows = list[tuple[Any, ...]]
Values = Mapping[str, Any]
State = Mapping[str, Any]
"""What is known of a conversation at rest, by LangGraph's channels: its ``messages``, and what else a graph keeps."""
Statement = tuple[str, Values]

_TITLE_LENGTH = 60
FOREIGN = "This conversation belongs to somebody else: start a new one."
_TOUCH = (
    "INSERT INTO conversations VALUES (:id, :owner, :title, :now, :now) ON CONFLICT (id) DO UPDATE SET updated = :now,"
    " title = CASE conversations.title WHEN '' THEN :title ELSE conversations.title END"
    " WHERE conversations.owner = :owner"
)


class Overtaken(Exception):
    """Somebody else has stored something in the conversation since it was read: read it again."""


def open_store(database: Path | PostgresUrl) -> Store:
    """The store for ``Settings.database``, to be entered before use."""
    if isinstance(database, PostgresUrl):
        from voice_agents.conversation.postgres import PostgresStore  # loaded by those who use it

        return PostgresStore(database)
    from voice_agents.conversation.sqlite import SqliteStore

    return SqliteStore(database)


class Store(ABC):
    """One database, shared by all sessions of a process. Enter it before use.

    Entering raises ConfigurationError (names DATABASE_URL) when the database cannot be used. Everything else raises
    StorageFailed when it cannot be read or written at the moment: it is away, its disk is full, another program holds
    it.
    """

    checkpointer: BaseCheckpointSaver[Any]
    """Conversations are its threads, by their id; any LangGraph agent with a ``messages`` state can go on with them.

    The latest checkpoint of each has all its messages, in rows of their own, and nothing pending.
    """

    unstored: dict[Conversation, dict[str, Sequence[AnyMessage]]]
    """What could not be stored yet: by conversation, then by the id of its first message."""

    unstored_state: dict[Conversation, State]
    """What else a graph knows of a conversation, as far as it could not be stored yet."""
    checkpoint_tables: ClassVar[tuple[str, ...]]
    """Where the checkpointer keeps what belongs to a ``thread_id``."""

    losses: int
    """How often what was stored was lost under our hands, and begun anew."""
    loss: str
    """What is to be said of the last time."""

    def __init__(self) -> None:
        self.unstored = {}
        self.unstored_state = {}
        self.losses, self.loss = 0, ""
        self._owed: set[asyncio.Task[None]] = set()
        self.timers_begun: set[asyncio.Task[None]] = set()
        """Changes of timers that are under way."""
        self._later: dict[Conversation, asyncio.Task[None]] = {}
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._written: dict[str, str] = {}
        """By conversation: the checkpoint that this process wrote last."""
        self._deleted_at: dict[Conversation, float] = {}

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owed:
            await asyncio.wait(self._owed, timeout=LAST_STORING_S)
        if self._later:
            await asyncio.wait(self._later.values(), timeout=LAST_ATTEMPTS_S)
        for conversation, storing in self._later.items():
            logger.error("The last of conversation %s could not be stored.", conversation.id)
            storing.cancel()
        await self._close()

    # What a database has of its own

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...

    @abstractmethod
    async def query(self, sql: str, values: Values | None = None) -> Rows:
        """The rows of a SELECT; ``:name`` in it stands for a value."""

    @abstractmethod
    async def change(self, *statements: Statement) -> Sequence[int]:
        """Run changing statements, all or none, and commit them; how many rows each touched."""

    @abstractmethod
    async def checkpoint(
        self, conversation: Conversation, checkpoint_id: str, most: int | None = None, before: int | None = None
    ) -> Stored:
        """What one of its checkpoints holds: ``messages``, and what else a graph keeps; empty if it is gone.

        ``most``: of the messages at most so many, the last ones, or the last ``before`` this position.
        """

    @abstractmethod
    async def _save(
        self, conversation: Conversation, parent: str | None, state: State, said: str, kept: int
    ) -> str: ...

    @abstractmethod
    async def _usable(self) -> None:
        """Until it is worth while to try again what has failed."""

    def hold(self, conversation: Conversation, taken: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """For as long as a session of the conversation lives: only one may, however many instances there are.

        The newest has it: an earlier holder is told (``taken``, once), and given a moment to store its last turn.
        Raises InvalidInput as :meth:`check_owner`. In a database of one instance nobody else can take it.
        """
        return nullcontext()

    # What is the same in all

    async def execute(self, sql: str, values: Values | None = None) -> int:
        """Run one changing statement and commit it; how many rows it touched."""
        [touched] = await self.change((sql, values or {}))
        return touched

    def owe(self, storing: asyncio.Task[None]) -> None:
        """Own what a session that is gone still stores; leaving the store waits for it."""
        self._owed.add(storing)
        storing.add_done_callback(self._owed.discard)

    async def all_stored(self, within_s: float) -> None:
        """Wait a moment for what sessions that are gone still store."""
        if self._owed:
            await asyncio.wait(self._owed, timeout=within_s)

    def store_later(self, conversation: Conversation, store: Callable[[], Awaitable[None]]) -> None:
        """Try again until it does not raise StorageFailed any more, also when the session is over by then."""
        if conversation not in self._later:
            task = asyncio.create_task(self._until_stored(store), name="store later")
            self._later[conversation] = task
            task.add_done_callback(lambda _: self._later.pop(conversation, None))

    async def _until_stored(self, store: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._usable()
            try:
                return await store()
            except StorageFailed:
                continue
            except InvalidInput:
                return None

    async def check_owner(self, conversation: Conversation) -> None:
        """Raises InvalidInput when the conversation is stored and belongs to somebody else."""
        await self.latest_checkpoint(conversation)

    async def latest_checkpoint(self, conversation: Conversation) -> str | None:
        """The id of the newest checkpoint, None if nothing was stored. Raises InvalidInput as :meth:`check_owner`."""
        [(owner, checkpoint_id)] = await self.query(
            "SELECT (SELECT owner FROM conversations WHERE id = :id), (SELECT checkpoint_id FROM checkpoints"
            " WHERE thread_id = :id AND checkpoint_ns = '' AND NOT EXISTS (SELECT 1 FROM deleted"
            " WHERE conversation = :id) ORDER BY checkpoint_id DESC LIMIT 1)",
            {"id": conversation.id},
        )
        if owner is not None and owner != conversation.owner:
            raise InvalidInput(FOREIGN)
        return checkpoint_id if owner is not None else None

    async def written_elsewhere(self, conversation: Conversation) -> str:
        """The newest checkpoint if another process wrote it, else nothing. Raises as :meth:`latest_checkpoint`."""
        newest = await self.latest_checkpoint(conversation)
        return newest if newest and newest != self._written.get(conversation.id) else ""

    def changing(self, conversation: Conversation) -> asyncio.Lock:
        """Hold it while reading, changing and storing a conversation: the user may have it open twice."""
        return self._changing.setdefault(conversation.id, asyncio.Lock())

    async def touch(self, conversation: Conversation, said: str = "") -> None:
        """List the conversation as used just now; the first words the user ``said`` become its title.

        Raises InvalidInput as :meth:`check_owner`.
        """
        if not await self.execute(*self._touch(conversation, said)):
            raise InvalidInput(FOREIGN)

    @staticmethod
    def _touch(conversation: Conversation, said: str) -> Statement:
        values = {"id": conversation.id, "owner": conversation.owner, "title": title_of(said), "now": time.time()}
        return _TOUCH, values

    def _first(self, conversation: Conversation, parent: str | None, said: str) -> Sequence[Statement]:
        """What is written before all else; the last one touches no row if the conversation is another's.

        One that was deleted begins anew.
        """
        return [*([] if parent else self._begin_anew(conversation)), self._touch(conversation, said)]

    @staticmethod
    def _digested(conversation: Conversation, messages: Sequence[AnyMessage], kept: int) -> Sequence[Statement]:
        """What is written before the rows of its messages, of which the first ``kept`` are there."""
        digest = Digest.of(messages[kept:]).values(conversation.id)
        return [
            (ADD_TO_DIGEST if kept else PUT_DIGEST, digest),
            (CUT_ROWS, {"id": conversation.id, "kept": kept}),
        ]

    def _begin_anew(self, conversation: Conversation) -> Sequence[Statement]:
        which = "SELECT id FROM conversations, deleted WHERE id = conversation AND id = :id AND owner = :owner"
        values = {"id": conversation.id, "owner": conversation.owner, "now": time.time()}
        return [
            *self.without_belongings(which, values),
            (f"UPDATE conversations SET title = '', created = :now WHERE id IN ({which})", values),
            (f"DELETE FROM deleted WHERE conversation IN ({which})", values),
        ]

    def without_belongings(self, which: str, values: Values) -> list[Statement]:
        """What empties the conversations whose ids this SELECT finds; they themselves stay."""
        tables = [*((table, "thread_id") for table in self.checkpoint_tables), ("timers", "conversation")]
        tables += [("digests", "conversation"), ("messages", "conversation")]
        return [(f"DELETE FROM {table} WHERE {column} IN ({which})", values) for table, column in tables]

    async def save(
        self, conversation: Conversation, parent: str | None, state: State, said: str = "", kept: int = 0
    ) -> str:
        """Make this its state, and list it as :meth:`touch` does; the id of its checkpoint, after ``parent``.

        The first ``kept`` of its messages are those that ``parent`` has in rows already; they are not written again.
        Raises Overtaken when another instance has stored a newer checkpoint than ``parent``; nothing is stored then.
        """
        checkpoint_id = await self._save(conversation, parent, state, said, kept)
        self._written.pop(conversation.id, None)
        self._written[conversation.id] = checkpoint_id
        while len(self._written) > REMEMBERED:
            del self._written[next(iter(self._written))]
        return checkpoint_id

    def forget_in_memory(self, conversation: Conversation) -> None:
        """It was deleted: what sessions that began before still hold of it is not stored any more."""
        self.unstored.pop(conversation, None)
        self.unstored_state.pop(conversation, None)
        self._written.pop(conversation.id, None)
        self._deleted_at.pop(conversation, None)
        self._deleted_at[conversation] = time.monotonic()
        while len(self._deleted_at) > REMEMBERED:
            del self._deleted_at[next(iter(self._deleted_at))]

    def was_deleted_since(self, conversation: Conversation, at: float) -> bool:
        """Whether it was deleted here after this reading of the monotonic clock."""
        return self._deleted_at.get(conversation, at) > at

    def notes(self, owner: str) -> Notes:
        """The owner's notes."""
        return _StoredNotes(self, owner)

    def timers(self, conversation: Conversation) -> TimerBook:
        """The conversation's timers that were not told yet."""
        return _StoredTimers(self, conversation)


class _StoredNotes:
    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner

    async def add(self, text: str) -> None:
        await self._store.execute(
            "INSERT INTO notes (owner, text, created) VALUES (:owner, :text, :now)",
            {"owner": self._owner, "text": text, "now": time.time()},
        )

    async def all(self) -> list[str]:
        rows = await self._store.query(
            "SELECT text FROM notes WHERE owner = :owner ORDER BY id", {"owner": self._owner}
        )
        return [text for (text,) in rows]

    async def clear(self) -> int:
        return await self._store.execute("DELETE FROM notes WHERE owner = :owner", {"owner": self._owner})


class _StoredTimers:
    def __init__(self, store: Store, conversation: Conversation) -> None:
        self._store = store
        self._of = {"conversation": conversation.id, "owner": conversation.owner}

    async def all(self) -> list[Timer]:
        if self._store.timers_begun:
            await asyncio.wait(self._store.timers_begun)
        rows = await self._store.query(
            "SELECT seconds, label, due, id FROM timers WHERE conversation = :conversation AND owner = :owner"
            " AND NOT EXISTS (SELECT 1 FROM deleted WHERE deleted.conversation = :conversation) ORDER BY due",
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


def bindable(values: Values | None) -> dict[str, Any]:
    """The values of a statement without what a database's text cannot hold: zero bytes and halves of characters."""
    return {
        name: whole(value.replace("\0", "")) if isinstance(value, str) else value
        for name, value in (values or {}).items()
    }


def thread(conversation: Conversation, checkpoint_id: str | None) -> RunnableConfig:
    """How LangGraph names a checkpoint of a conversation."""
    config = {"thread_id": conversation.id, "checkpoint_ns": ""}
    return {"configurable": config if checkpoint_id is None else {**config, "checkpoint_id": checkpoint_id}}


async def put_state(
    saver: BaseCheckpointSaver[Any], conversation: Conversation, parent: str | None, state: State
) -> Checkpoint:
    """Write a checkpoint that holds this and nothing else, after ``parent``; of the messages, how many rows they are.

    All channels have one version, so that what belongs to other checkpoints is told by it.
    """
    version = saver.get_next_version(None, None)
    checkpoint: Checkpoint = {
        **empty_checkpoint(),
        "channel_values": {**state, MESSAGES: len(state[MESSAGES])},
        "channel_versions": dict.fromkeys(state, version),
    }
    metadata: CheckpointMetadata = {"source": "update", "step": 0, "parents": {}}
    await saver.aput(thread(conversation, parent), checkpoint, metadata, checkpoint["channel_versions"])
    return checkpoint


def title_of(said: str) -> str:
    """The user's first words as a list shows them."""
    words = " ".join(said.split())
    return words if len(words) <= _TITLE_LENGTH else f"{words[:_TITLE_LENGTH].rsplit(' ', 1)[0]} ..."
