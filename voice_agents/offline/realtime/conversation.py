"""What a Realtime client may do with the items of the conversation: create, retrieve, delete, truncate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_agents.offline.faults import ConnectionFaults, FaultKind
from voice_agents.offline.realtime.audio import AudioFormat
from voice_agents.offline.realtime.errors import Event, Rejected
from voice_agents.offline.realtime.items import Conversation, Item, MessageItem, Part


def added_and_done(item: Item, previous_id: str | None) -> list[Event]:
    """What is said of an item that is complete when it comes."""
    about = {"previous_item_id": previous_id, "item": item.to_wire()}
    return [{"type": "conversation.item.added"} | about, {"type": "conversation.item.done"} | about]


class ItemDesk:
    """Does what ``conversation.item.*`` asks for, and says so; raises Rejected where the vendor refuses."""

    def __init__(self, conversation: Conversation, faults: ConnectionFaults, emit: Callable[[Event], None]) -> None:
        self._conversation = conversation
        self._faults = faults
        self._emit = emit

    def create(self, item: Item, after: str | None) -> None:
        """A new item behind another one (None: at the end)."""
        previous = self._conversation.insert(item, after)
        for event in added_and_done(item, previous):
            self._emit(event)

    async def retrieve(self, item_id: str, input_format: AudioFormat, output_format: AudioFormat) -> None:
        """The item with its sound: the user's in the input format, the assistant's in the output format."""
        item = self._find(item_id, "retriev")
        theirs = isinstance(item, MessageItem) and item.role == "user"
        wire = await asyncio.to_thread(item.to_wire, input_format if theirs else output_format)
        self._emit({"type": "conversation.item.retrieved", "item": wire})

    def delete(self, item_id: str) -> None:
        """Take an item out."""
        self._conversation.delete(self._find(item_id, "delet"))
        self._emit({"type": "conversation.item.deleted", "item_id": item_id})

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut an answer to what was played; its transcript goes, the model sees the words that had begun."""
        part = self._sound(self._find(item_id, "truncat"), content_index)
        fault = self._faults.on_event(FaultKind.TRUNCATE_ERROR)
        length_ms = int(part.audio_ms)
        if fault is not None or audio_end_ms > part.audio_ms:
            length_ms = min(length_ms, max(0, audio_end_ms - 1))
            raise Rejected(f"Audio content of {length_ms}ms is already shorter than {audio_end_ms}ms")
        part.truncate(audio_end_ms)
        what = {"item_id": item_id, "content_index": content_index, "audio_end_ms": audio_end_ms}
        self._emit({"type": "conversation.item.truncated"} | what)

    def _find(self, item_id: str, verb: str) -> Item:
        item = self._conversation.find(item_id)
        if item is None:
            message = f"Error {verb}ing item: the item with id '{item_id}' does not exist."
            raise Rejected(message, f"item_{verb}e_invalid_item_id", "item_id")
        return item

    def _sound(self, item: Item, content_index: int) -> Part:
        content = item.content if isinstance(item, MessageItem) else []
        if not any(part.type == "output_audio" and part.samples for part in content):
            raise Rejected("Only model output audio messages can be truncated", "unsupported_content_type")
        if content_index >= len(content):
            message = f"Content index {content_index} is out of range: the item has {len(content)} content parts."
            raise Rejected(message, "invalid_value", "content_index")
        return content[content_index]
