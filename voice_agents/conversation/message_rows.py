"""The messages of a conversation as rows beside its checkpoint, so that a turn writes only what is new in it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointTuple
from langgraph.checkpoint.serde.base import SerializerProtocol

from voice_agents.conversation.digest import words_of

MESSAGES = "messages"
"""The channel of a graph's state that holds them. A checkpoint that has them in rows holds their number there: who
knows nothing of the rows fails with it, and does not take the conversation for an empty one."""

PUT_ROW = "INSERT INTO messages VALUES (:id, :position, :type, :data, :words)"
CUT_ROWS = "DELETE FROM messages WHERE conversation = :id AND position >= :kept"
READ_ROWS = (
    "SELECT type, data FROM messages WHERE conversation = :id AND position >= :first AND position < :end"
    " ORDER BY position"
)

Row = tuple[str, bytes]
"""How a message is encoded, and as what."""

_PLAIN: dict[str, type[AnyMessage]] = {kind.__name__: kind for kind in (HumanMessage, AIMessage, ToolMessage)}
"""Of these only what differs from a new one is encoded: that takes half as long to read."""
_AT_ONCE = 200
"""Messages that are decoded while the event loop waits: about a millisecond's."""


def _encoded(serde: SerializerProtocol, message: AnyMessage) -> Row:
    name = type(message).__name__
    if _PLAIN.get(name) is not type(message):
        return serde.dumps_typed(message)
    return serde.dumps_typed([name, message.model_dump(exclude_defaults=True)])


def _decoded(serde: SerializerProtocol, row: Row) -> AnyMessage:
    found = serde.loads_typed(row)
    if isinstance(found, list):
        name, parts = found
        return _PLAIN[name](**parts)
    message: AnyMessage = found
    return message


def rows_of(
    serde: SerializerProtocol, conversation_id: str, messages: Sequence[AnyMessage], kept: int
) -> list[dict[str, Any]]:
    """The values of PUT_ROW for all messages but the first ``kept``."""
    return [
        {"id": conversation_id, "position": position, "type": kind, "data": data, "words": words_of(message)}
        for position, message in enumerate(messages[kept:], kept)
        for kind, data in [_encoded(serde, message)]
    ]


@dataclass(frozen=True, slots=True)
class Stored:
    """What was read of a checkpoint."""

    values: Mapping[str, Any]
    """By channel; empty if there is no such checkpoint."""
    in_rows: bool = False
    """Its messages are in rows: else an earlier version, or another LangGraph agent, has stored them."""
    first: int = 0
    """The position of the first message that was read."""
    whole: bool = True
    """All messages were read."""


class RowsSaver(BaseCheckpointSaver[Any]):
    """What makes a LangGraph saver one whose checkpoints may have their messages in rows; whoever reads gets both."""

    @abstractmethod
    async def read_rows(self, thread_id: str, first: int, end: int) -> Iterable[Row]:
        """Those at the positions from ``first`` on and before ``end``, in their order."""

    async def read(self, config: RunnableConfig, most: int | None = None, before: int | None = None) -> Stored:
        """What the checkpoint holds; of its messages at most so many, the last of those before this position."""
        found = await super().aget_tuple(config)
        return Stored({}) if found is None else await self._whole(found, most, before)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The latest checkpoint, with the messages that are kept in rows beside it."""
        found = await super().aget_tuple(config)
        return None if found is None else await self._with_messages(found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The checkpoints, newest first, each with its messages."""
        found = [one async for one in super().alist(config, filter=filter, before=before, limit=limit)]
        for one in found:  # reading the rows while the list is being read would wait for it
            yield await self._with_messages(one)

    async def _with_messages(self, found: CheckpointTuple) -> CheckpointTuple:
        checkpoint: Checkpoint = {**found.checkpoint, "channel_values": dict((await self._whole(found)).values)}
        return found._replace(checkpoint=checkpoint)

    async def _whole(self, found: CheckpointTuple, most: int | None = None, before: int | None = None) -> Stored:
        values = found.checkpoint["channel_values"]
        there: Any = values.get(MESSAGES, ())
        in_rows = type(there) is int
        count = there if in_rows else len(there)
        end = count if before is None else min(before, count)
        first = 0 if most is None else max(0, end - most)
        if in_rows:
            messages = await self._decoded(found.config["configurable"]["thread_id"], first, end)
        else:
            messages = there[first:end]
        values = {**values, MESSAGES: messages} if MESSAGES in values else values
        return Stored(values, in_rows, first, whole=end - first == count)

    async def _decoded(self, thread_id: str, first: int, end: int) -> list[AnyMessage]:
        messages = []
        for number, row in enumerate(await self.read_rows(thread_id, first, end), 1):
            messages.append(_decoded(self.serde, row))
            if not number % _AT_ONCE:
                await asyncio.sleep(0)  # others speak and listen meanwhile
        return messages
