"""What was said, as both engines remember it: always valid for the next run, equal to what was heard."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage

from voice_agents.conversation.copies import same_messages
from voice_agents.conversation.deeds import Deeds
from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.message_rows import MESSAGES, Stored
from voice_agents.conversation.messages import BY_AGENT, INTERRUPTED, storable
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.store import Overtaken, State, Store
from voice_agents.errors import InvalidInput, StorageFailed
from voice_agents.providers.rules import valid

logger = logging.getLogger(__name__)

PART = 400
"""Messages that are read of a conversation at once where not all of it is needed: more than a page shows, or a model
is shown; some six milliseconds' work.
"""
_REST_OF_TURN = 50
"""So many messages belong to one turn at most, as far as it matters for what is read."""
_REWORDED = "reworded "
"""How the key of words begins that replace others."""


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
    facts: TurnFacts | None = None
    """Of the turn that begins with this entry."""
    id: str = field(default="", compare=False)
    """By which it can be reworded; "": it is given one when it is stored."""
    position: int | None = field(default=None, compare=False)
    """Of its message in the stored conversation; None: it was not read from there."""


def done_entries(deeds: Deeds) -> list[HistoryEntry]:
    """What tools did for a turn of which no answer is kept, as far as it is over."""
    done = [(deed, deed.result) for deed in (*deeds.withdrawn, *deeds.present)]
    return [
        HistoryEntry(
            role=Speaker.TOOL,
            text=result.text,
            name=deed.name,
            args=deed.args,
            call_id=deed.call_id,
            error=result.error,
        )
        for deed, result in done
        if result is not None
    ]


class History:
    """The stored conversations of a :class:`Store`, read and written turn by turn; usually one per session.

    What cannot be stored is kept in memory, belongs to the conversation all the same, and is stored with what comes
    next, or by itself when that is possible again. Every method raises InvalidInput when the conversation belongs to
    somebody else, and StorageFailed when the database cannot be written, or cannot be read and the conversation was
    not read before; once also after a turn was stored in a file that had to be begun anew.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._losses = store.losses
        """Those of the database that the user was told of."""
        self._begun = time.monotonic()
        self._known = _Known()
        """What was read or written last: decoding an hour of talk takes milliseconds."""
        self._reading = asyncio.Lock()

    async def messages(self, conversation: Conversation) -> list[HistoryEntry]:
        """All entries in the order they were said; empty for a new conversation."""
        return _entries(await self.load(conversation))

    async def append(self, conversation: Conversation, *entries: HistoryEntry) -> None:
        """Store entries at the end, all or none; on disk when it returns.

        For what did not come through :class:`~voice_agents.conversation.agent.VoiceAgent`: the Realtime engine's
        turns (after an interruption with the heard text only) and announcements.
        """
        await self.extend(conversation, _messages(entries))

    async def reword(self, conversation: Conversation, id: str, text: str) -> None:
        """What the user said in this stored message is known (better) now."""
        await self.extend(conversation, [HumanMessage(text, id=id)], key=f"{_REWORDED}{id} {new_id()}")

    async def open(self, conversation: Conversation) -> list[HistoryEntry]:
        """As :meth:`newest`, after what an earlier session of the conversation is storing just now."""
        async with self._store.changing(conversation):
            return await self.newest(conversation)

    async def newest(self, conversation: Conversation, before: int | None = None) -> list[HistoryEntry]:
        """The last entries, from the beginning of a turn on: all of a short conversation, the end of a long one.

        Of those whose position is ``before`` this one, and the rest of their turn; a long conversation is so read
        piece by piece, from its end on.
        """
        newest = await self._store.latest_checkpoint(conversation)
        stored = Stored({})
        if newest is not None:
            end = None if before is None else before + _REST_OF_TURN
            stored = await self._store.checkpoint(conversation, newest, PART, end)
        known = _Known.of(conversation, newest, stored)
        if stored.whole:
            self._known = known
        messages = tuple(stored.values.get(MESSAGES, ()))
        if before is None:
            messages = _joined(messages, self._missing(conversation, known))
        entries = _entries(messages, stored.first)
        begins = (number for number, entry in enumerate(entries) if entry.facts or entry.role is Speaker.USER)
        return entries[next(begins, 0) :] if stored.first else entries

    async def load(self, conversation: Conversation) -> tuple[AnyMessage, ...]:
        """The messages as LangChain has them, valid for the next run."""
        try:
            known = await self._load(conversation)
        except StorageFailed:  # the talk goes on; that it is not stored is told when it is to be stored
            known = self._known
            if known.conversation != conversation:
                raise
        return _joined(known.messages, self._missing(conversation, known))

    def state(self, conversation: Conversation) -> State:
        """What a graph keeps of it besides the messages, as it was when they were loaded last."""
        known = self._known.state if self._known.conversation == conversation else {}
        return self._store.unstored_state.get(conversation, known)

    def storable(self, state: State) -> State:
        """What of a graph's state can be written to the database; the log names what cannot."""
        encoder = self._store.checkpointer.serde
        kept: dict[str, Any] = {}
        for name, value in state.items():
            try:
                encoder.dumps_typed(value)
            except Exception as error:  # as many as there are types
                logger.warning("The graph's %s is forgotten after this turn: %s", name, error)
            else:
                kept[name] = value
        return kept

    async def extend(
        self,
        conversation: Conversation,
        messages: Sequence[AnyMessage],
        state: State | None = None,
        *,
        key: str | None = None,
    ) -> None:
        """Store messages at the end, all or none; on disk when it returns. Two sessions may extend one conversation.

        ``key`` is the id of one of them, by default of the first: if that is stored already, a call that was cancelled
        is being repeated. A RemoveMessage in front takes back all messages before. ``state``: what a graph keeps
        besides; None leaves that as it is. Nothing is stored in a conversation that was deleted after this history was
        begun.
        """
        if not messages or self._store.was_deleted_since(conversation, self._begun):
            return
        self._store.unstored.setdefault(conversation, {})[key or messages[0].id or ""] = [
            storable(message) for message in messages
        ]
        if state is not None:
            self._store.unstored_state[conversation] = state
        try:
            await self._store_rest(conversation)
        except StorageFailed:
            self._store.store_later(conversation, lambda: self._store_rest(conversation))
            raise
        if self._store.losses != self._losses:
            self._losses = self._store.losses
            raise StorageFailed(self._store.loss)

    async def _store_rest(self, conversation: Conversation) -> None:
        """What is not stored yet; at once, also when another instance stores in the same conversation just now."""
        async with self._store.changing(conversation):
            while True:
                try:
                    return await self._store_missing(conversation)
                except Overtaken:
                    continue
                except InvalidInput:
                    self._store.unstored.pop(conversation, None)
                    self._store.unstored_state.pop(conversation, None)
                    raise

    async def _store_missing(self, conversation: Conversation) -> None:
        known = await self._load(conversation)
        missing = self._missing(conversation, known)
        if missing:
            said = next(
                (one.text for one in chain.from_iterable(missing.values()) if isinstance(one, HumanMessage)), ""
            )
            messages = _joined(known.messages, missing)
            kept = known.kept_in(messages)
            state = self._store.unstored_state.get(conversation, known.state)
            values = {**state, MESSAGES: messages}
            saved = await self._store.save(conversation, known.checkpoint_id, values, said, kept)
            self._known = known = known.followed_by(saved, messages, state)
            if self._store.unstored_state.get(conversation) is state:
                del self._store.unstored_state[conversation]
        rest = {key: group for key, group in self._missing(conversation, known).items() if key not in missing}
        if rest:
            self._store.unstored[conversation] = rest
        else:
            self._store.unstored.pop(conversation, None)

    def _missing(self, conversation: Conversation, known: _Known) -> dict[str, Sequence[AnyMessage]]:
        """What is not on disk yet; something may have joined it while the rest was being stored."""
        unstored = self._store.unstored.get(conversation, {})
        return {key: messages for key, messages in unstored.items() if key not in known.ids}

    async def _load(self, conversation: Conversation) -> _Known:
        """What is stored, as it is now."""
        async with self._reading:  # two who ask at once have it read once
            return await self._read(conversation)

    async def _read(self, conversation: Conversation) -> _Known:
        newest = await self._store.latest_checkpoint(conversation)
        if newest is None:
            self._known = _Known(conversation)
            return self._known
        if self._known.checkpoint_id != newest:
            self._known = _Known.of(conversation, newest, await self._store.checkpoint(conversation, newest))
        return self._known


@dataclass(frozen=True, slots=True)
class _Known:
    """A conversation as it was at one checkpoint; None: nothing was stored."""

    conversation: Conversation | None = None
    checkpoint_id: str | None = None
    messages: tuple[AnyMessage, ...] = ()
    state: State = field(default_factory=dict)
    rows: int = 0
    """How many of the messages, from the first on, are in rows as they are here: all, or none."""
    ids: set[str | None] = field(default_factory=set)
    """Those of the messages."""

    def __post_init__(self) -> None:
        """One that is made of another brings what it adds."""
        if not self.ids:
            self.ids.update(message.id for message in self.messages)

    @classmethod
    def of(cls, conversation: Conversation, checkpoint_id: str | None, stored: Stored) -> _Known:
        """As it was read."""
        state = {name: value for name, value in stored.values.items() if name != MESSAGES and not _of_a_run(name)}
        there = stored.values.get(MESSAGES, ())
        messages = tuple(valid(there))
        rows = len(messages) if stored.in_rows and same_messages(messages, there) else 0
        return cls(conversation, checkpoint_id, messages, state, rows)

    def kept_in(self, messages: Sequence[AnyMessage]) -> int:
        """How many rows are still right when the conversation becomes this."""
        return self.rows if same_messages(messages[: self.rows], self.messages) else 0

    def followed_by(self, checkpoint_id: str, messages: tuple[AnyMessage, ...], state: State) -> _Known:
        """The next, all of which is in rows."""
        ids: set[str | None] = set()
        if self.kept_in(messages):  # it is gone on with, and this one is needed no more
            ids = self.ids
            ids.update(message.id for message in messages[self.rows :])
        return _Known(self.conversation, checkpoint_id, messages, state, len(messages), ids)


def _of_a_run(channel: str) -> bool:
    """By which LangGraph knows what is to be run next: what died half way is not gone on with."""
    return ":" in channel or channel.startswith("__")


def _joined(messages: tuple[AnyMessage, ...], groups: Mapping[str, Sequence[AnyMessage]]) -> tuple[AnyMessage, ...]:
    """With what is not on disk yet at the end, or in their place."""
    for key, group in groups.items():
        if key.startswith(_REWORDED):
            messages = tuple(_reworded(message, group[0]) for message in messages)
        else:
            messages = tuple(group[1:]) if isinstance(group[0], RemoveMessage) else (*messages, *group)
    return messages


def _reworded(message: AnyMessage, other: AnyMessage) -> AnyMessage:
    """The message, with the words of the other one if that has its id; what stands beside them stays."""
    return message.model_copy(update={"content": other.content}) if message.id == other.id else message


def _entries(messages: Iterable[AnyMessage], first: int = 0) -> list[HistoryEntry]:
    """Those of the messages at the positions from ``first`` on."""
    calls: dict[str, Mapping[str, Any]] = {}
    entries: list[HistoryEntry] = []
    facts: TurnFacts | None = None
    for position, message in enumerate(messages, first):
        facts = TurnFacts.on(message) or facts
        if isinstance(message, AIMessage):
            calls.update((call["id"] or "", call["args"]) for call in message.tool_calls)
        if (entry := _entry(message, calls, facts, position)) is not None:
            entries.append(entry)
            facts = None
    return entries


def _entry(
    message: AnyMessage, calls: Mapping[str, Mapping[str, Any]], facts: TurnFacts | None, position: int
) -> HistoryEntry | None:
    match message:
        case HumanMessage() if not message.additional_kwargs.get(BY_AGENT):
            id = message.id or ""
            return HistoryEntry(role=Speaker.USER, text=message.text, facts=facts, id=id, position=position)
        case AIMessage() if text := message.text:
            cut = bool(message.additional_kwargs.get(INTERRUPTED))
            return HistoryEntry(role=Speaker.AGENT, text=text, interrupted=cut, facts=facts, position=position)
        case ToolMessage():
            return HistoryEntry(
                role=Speaker.TOOL,
                text=message.text,
                name=message.name or "",
                args=calls.get(message.tool_call_id, {}),
                call_id=message.tool_call_id,
                error=message.status == "error",
                facts=facts,
                position=position,
            )
    return None


def _messages(entries: Iterable[HistoryEntry]) -> list[AnyMessage]:
    messages: list[AnyMessage] = []
    for entry in entries:
        first, *rest = _messages_of(entry)
        messages += [entry.facts.put_on(first) if entry.facts is not None else first, *rest]
    return messages


def _messages_of(entry: HistoryEntry) -> Sequence[AnyMessage]:
    match entry.role:
        case Speaker.USER:
            return [HumanMessage(entry.text, id=entry.id or new_id())]
        case Speaker.AGENT:
            marks = {INTERRUPTED: True} if entry.interrupted else {}
            return [AIMessage(entry.text, id=new_id(), additional_kwargs=marks)]
        case Speaker.TOOL:
            return _call(entry)


def _call(entry: HistoryEntry) -> tuple[AIMessage, ToolMessage]:
    call_id = entry.call_id or f"call_{new_id()}"
    call = {"name": entry.name, "args": dict(entry.args), "id": call_id}
    return AIMessage("", id=new_id(), tool_calls=[call]), ToolMessage(
        entry.text, id=new_id(), name=entry.name, tool_call_id=call_id, status="error" if entry.error else "success"
    )
