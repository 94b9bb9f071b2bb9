"""A visitor's own conversations and notes: listed, searched, renamed, deleted and taken back, exported.

Every question names its owner, and finds, changes and deletes what is theirs only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voice_agents.conversation.digest import MAKE_UP_DIGEST, Digest, folded
from voice_agents.conversation.history import History, HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Statement, Store, title_of
from voice_agents.errors import InvalidInput

UNDO_S = 60.0
"""How long a deleted conversation can be taken back."""
KEPT_S = 90.0
"""When it is gone for good: a little later, so that nobody takes back half of one."""
LAST_TURN_S = 1.0
LISTED = 200
"""The newest; older ones are found by searching."""
MOST_WORDS = 8
"""Of a search."""

GONE = "This conversation is not there any more."
_THEIRS = "SELECT id FROM conversations WHERE owner = :owner"
_LIST = (
    "SELECT id, title, created, updated, engine, turns FROM conversations"
    " LEFT JOIN digests ON conversation = id WHERE owner = :owner"
    " AND EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = id)"
    " AND NOT EXISTS (SELECT 1 FROM deleted WHERE deleted.conversation = id)"
)
_FOUND = (
    "(name LIKE :word ESCAPE '!' OR words LIKE :word ESCAPE '!' OR EXISTS (SELECT 1 FROM messages"
    " WHERE messages.conversation = id AND messages.words LIKE :word ESCAPE '!'))"
)
"""In its name, or in what was said: beside every message, or, as far as messages are in no rows, in the digest."""


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A stored conversation as a list shows it. Times are seconds since 1970."""

    id: str
    title: str
    """The user's first words, or the name it was given."""
    created: float
    updated: float
    engine: str
    """The one that answered last; empty when an earlier version stored it."""
    turns: int


@dataclass(frozen=True, slots=True)
class Note:
    """What the agent was asked to remember. ``created``: seconds since 1970."""

    id: int
    text: str
    created: float


class Shelf:
    """Everything raises StorageFailed as the store does."""

    def __init__(self, store: Callable[[], Store]) -> None:
        """``store``: asked for at every use, it is open only while the server runs."""
        self._open_store = store

    @property
    def _store(self) -> Store:
        return self._open_store()

    async def list(self, owner: str, search: str = "") -> Sequence[ConversationSummary]:
        """The owner's conversations in which something was said and all these words occur, latest first."""
        await self.forget_deleted()
        await self._digest_older(owner)
        words = folded(search).split()[:MOST_WORDS]
        values = {f"word{'abcdefgh'[number]}": f"%{_literal(word)}%" for number, word in enumerate(words)}
        found = "".join(f" AND {_FOUND.replace(':word', f':{name}')}" for name in values)
        rows = await self._store.query(
            f"{_LIST}{found} ORDER BY updated DESC LIMIT {LISTED}", {"owner": owner, **values}
        )
        return [_summary(row) for row in rows]

    async def summary(self, conversation: Conversation) -> ConversationSummary:
        """One of them. Raises InvalidInput when it is not there, or somebody else's."""
        await self._digest_older(conversation.owner)
        return _summary(await self._row(conversation))

    async def entries(self, conversation: Conversation) -> Sequence[HistoryEntry]:
        """All that was said. Raises InvalidInput when it is somebody else's."""
        async with self._store.changing(conversation):
            return await History(self._store).messages(conversation)

    async def rename(self, conversation: Conversation, name: str) -> None:
        """Give it this title. Raises InvalidInput when there is nothing of it left, or no such conversation."""
        title = title_of(name)
        if not title:
            raise InvalidInput("A conversation needs a name: type one.")
        await self.summary(conversation)
        values = {"id": conversation.id, "owner": conversation.owner, "title": title, "name": folded(title)}
        mine = f"{_THEIRS} AND id = :id"
        await self._store.change(
            (f"UPDATE digests SET name = :name WHERE conversation IN ({mine})", values),
            ("UPDATE conversations SET title = :title WHERE id = :id AND owner = :owner", values),
        )

    async def delete(self, conversation: Conversation) -> None:
        """Take it off the shelf; for :data:`UNDO_S` it can be taken back. Raises InvalidInput when it is another's.

        A session of it must be over; what that still stores belongs to it.
        """
        await self._store.all_stored(LAST_TURN_S)
        async with self._store.changing(conversation):
            await self._store.check_owner(conversation)
            values = {"id": conversation.id, "owner": conversation.owner, "now": time.time()}
            sql = "INSERT INTO deleted SELECT id, :now FROM conversations WHERE id = :id AND owner = :owner"
            await self._store.execute(f"{sql} ON CONFLICT (conversation) DO NOTHING", values)
            self._store.forget_in_memory(conversation)

    async def take_back(self, conversation: Conversation) -> None:
        """Undo :meth:`delete`. Raises InvalidInput when it is too late."""
        values = {"id": conversation.id, "owner": conversation.owner, "least": time.time() - UNDO_S}
        sql = f"DELETE FROM deleted WHERE conversation = :id AND at > :least AND conversation IN ({_THEIRS})"
        if not await self._store.execute(sql, values):
            raise InvalidInput("It is too late to take this conversation back.")

    async def forget_deleted(self) -> None:
        """Whatever was deleted a while ago is gone for good now."""
        which, values = "SELECT conversation FROM deleted WHERE at < :most", {"most": time.time() - KEPT_S}
        if await self._store.query(f"{which} LIMIT 1", values):
            await self._store.change(
                *self._store.without_belongings(which, values),
                (f"DELETE FROM conversations WHERE id IN ({which})", values),
                ("DELETE FROM deleted WHERE at < :most", values),
            )

    async def forget_all(self, owner: str) -> None:
        """Delete everything of this owner: conversations, notes, timers. For good."""
        values = {"owner": owner}
        ids = [id for (id,) in await self._store.query(_THEIRS, values)]
        for conversation in [Conversation(id, owner) for id in ids]:
            self._store.forget_in_memory(conversation)
        statements: list[Statement] = [
            *self._store.without_belongings(_THEIRS, values),
            (f"DELETE FROM deleted WHERE conversation IN ({_THEIRS})", values),
            ("DELETE FROM conversations WHERE owner = :owner", values),
            ("DELETE FROM timers WHERE owner = :owner", values),
            ("DELETE FROM notes WHERE owner = :owner", values),
        ]
        await self._store.change(*statements)

    async def notes(self, owner: str) -> Sequence[Note]:
        """What the agent was asked to remember, latest first."""
        sql = "SELECT id, text, created FROM notes WHERE owner = :owner ORDER BY id DESC"
        return [Note(*row) for row in await self._store.query(sql, {"owner": owner})]

    async def delete_note(self, owner: str, id: int) -> None:
        """Delete one of the owner's notes; nothing happens when there is no such one."""
        await self._store.execute("DELETE FROM notes WHERE owner = :owner AND id = :id", {"owner": owner, "id": id})

    async def _row(self, conversation: Conversation) -> tuple[Any, ...]:
        values = {"owner": conversation.owner, "id": conversation.id}
        rows = await self._store.query(f"{_LIST} AND id = :id", values)
        if not rows:
            raise InvalidInput(GONE)
        return rows[0]

    async def _digest_older(self, owner: str) -> None:
        """Those that an earlier version stored, or that were written again after a loss, have none yet."""
        for row in await self._store.query(f"{_LIST} AND engine IS NULL", {"owner": owner}):
            conversation = Conversation(row[0], owner)
            checkpoint_id = await self._store.latest_checkpoint(conversation)
            digest = Digest.of(await History(self._store).load(conversation))
            values = {**digest.values(conversation.id), "checkpoint": checkpoint_id}
            await self._store.execute(MAKE_UP_DIGEST, values)


def _summary(row: tuple[Any, ...]) -> ConversationSummary:
    id, title, created, updated, engine, turns = row
    return ConversationSummary(id, title, created, updated, engine or "", turns or 0)


def _literal(word: str) -> str:
    """A word as LIKE takes it for itself."""
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")
