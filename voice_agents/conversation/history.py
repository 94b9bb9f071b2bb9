"""What was said, as both engines remember it: always valid for the next run, equal to what was heard."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata, empty_checkpoint

from voice_agents.conversation.messages import INTERRUPTED, valid
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.store import Store

_CACHED = 64
"""Conversations whose messages are kept decoded: decoding an hour of talk takes milliseconds."""


class Speaker(StrEnum):
    """Whose entry it is."""

    USER = "user"
    AGENT = "agent"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One thing that was said, or one tool call with its result.

    ``text``: what the user said, what was heard of the agent, or the tool's result.
    ``interrupted``: the agent was cut after ``text``. The other fields belong to tool entries.
    """

    role: Speaker
    text: str
    interrupted: bool = False
    name: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    call_id: str = ""
    error: bool = False


class History:
    """The stored conversations of a :class:`Store`, read and written turn by turn.

    A conversation is a thread of the store's checkpointer whose latest checkpoint holds all messages and nothing
    pending, so any LangGraph agent can go on with it. Every method raises InvalidInput when the conversation belongs
    to somebody else.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: OrderedDict[str, tuple[str, tuple[AnyMessage, ...]]] = OrderedDict()

    async def messages(self, conversation: Conversation) -> list[HistoryEntry]:
        """All entries in the order they were said; empty for a new conversation."""
        return _entries(await self.load(conversation))

    async def append(self, conversation: Conversation, *entries: HistoryEntry) -> None:
        """Store entries at the end, all or none; on disk when it returns.

        For what did not come through :class:`~voice_agents.conversation.agent.VoiceAgent`: the Realtime engine's
        turns (after an interruption with the heard text only) and announcements.
        """
        await self.extend(conversation, _messages(entries))

    async def load(self, conversation: Conversation) -> tuple[AnyMessage, ...]:
        """The messages as LangChain has them, valid for the next run."""
        return (await self._load(conversation))[1]

    async def extend(self, conversation: Conversation, messages: Sequence[AnyMessage]) -> None:
        """Store messages at the end, all or none; on disk when it returns. Two sessions may extend one conversation.

        Messages have ids: when the first one is stored already, a call that was cancelled is being repeated.
        """
        if not messages:
            return
        said = next((message.text for message in messages if isinstance(message, HumanMessage)), "")
        async with self._store.changing(conversation):
            parent, before = await self._load(conversation)
            if any(message.id == messages[0].id for message in before):
                return
            await self._store.touch(conversation, said)
            await self._save(conversation, parent, (*before, *messages))

    async def _load(self, conversation: Conversation) -> tuple[str | None, tuple[AnyMessage, ...]]:
        latest = await self._store.latest_checkpoint(conversation)
        if latest is None:
            return None, ()
        cached = self._cache.get(conversation.id)
        if cached is None or cached[0] != latest:
            saved = await self._store.checkpointer.aget_tuple(_thread(conversation, latest))
            messages = saved.checkpoint["channel_values"].get("messages", []) if saved else []
            cached = self._remember(conversation, latest, tuple(valid(messages)))
        return cached

    async def _save(self, conversation: Conversation, parent: str | None, messages: tuple[AnyMessage, ...]) -> None:
        saver = self._store.checkpointer
        version = saver.get_next_version(None, None)
        checkpoint: Checkpoint = {
            **empty_checkpoint(),
            "channel_values": {"messages": list(messages)},
            "channel_versions": {"messages": version},
        }
        metadata: CheckpointMetadata = {"source": "update", "step": 0, "parents": {}}
        await saver.aput(_thread(conversation, parent), checkpoint, metadata, {"messages": version})
        self._remember(conversation, checkpoint["id"], messages)
        await self._store.keep_only(conversation.id, checkpoint["id"])

    def _remember(
        self, conversation: Conversation, checkpoint_id: str, messages: tuple[AnyMessage, ...]
    ) -> tuple[str, tuple[AnyMessage, ...]]:
        self._cache[conversation.id] = checkpoint_id, messages
        self._cache.move_to_end(conversation.id)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return checkpoint_id, messages


def _thread(conversation: Conversation, checkpoint_id: str | None) -> RunnableConfig:
    config = {"thread_id": conversation.id, "checkpoint_ns": ""}
    return {"configurable": config if checkpoint_id is None else {**config, "checkpoint_id": checkpoint_id}}


def _entries(messages: Iterable[AnyMessage]) -> list[HistoryEntry]:
    calls: dict[str, Mapping[str, Any]] = {}
    entries: list[HistoryEntry] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            entries.append(HistoryEntry(role=Speaker.USER, text=message.text))
        elif isinstance(message, AIMessage):
            if message.text:
                interrupted = bool(message.additional_kwargs.get(INTERRUPTED))
                entries.append(HistoryEntry(role=Speaker.AGENT, text=message.text, interrupted=interrupted))
            calls |= {call["id"] or "": call["args"] for call in message.tool_calls}
        elif isinstance(message, ToolMessage):
            entries.append(
                HistoryEntry(
                    role=Speaker.TOOL,
                    text=message.text,
                    name=message.name or "",
                    args=calls.get(message.tool_call_id, {}),
                    call_id=message.tool_call_id,
                    error=message.status == "error",
                )
            )
    return entries


def _messages(entries: Iterable[HistoryEntry]) -> list[AnyMessage]:
    messages: list[AnyMessage] = []
    for entry in entries:
        match entry.role:
            case Speaker.USER:
                messages.append(HumanMessage(entry.text, id=new_id()))
            case Speaker.AGENT:
                marks = {INTERRUPTED: True} if entry.interrupted else {}
                messages.append(AIMessage(entry.text, id=new_id(), additional_kwargs=marks))
            case Speaker.TOOL:
                messages.extend(_call(entry))
    return messages


def _call(entry: HistoryEntry) -> tuple[AIMessage, ToolMessage]:
    call_id = entry.call_id or f"call_{new_id()}"
    call = {"name": entry.name, "args": dict(entry.args), "id": call_id}
    return AIMessage("", id=new_id(), tool_calls=[call]), ToolMessage(
        entry.text, id=new_id(), name=entry.name, tool_call_id=call_id, status="error" if entry.error else "success"
    )
