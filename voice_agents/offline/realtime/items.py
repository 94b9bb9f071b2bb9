"""The items of a Realtime conversation: made by clients or here, and what the model sees of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from voice_agents.audio import EMPTY, Pcm, resample
from voice_agents.offline.brain import FunctionCall, Message
from voice_agents.offline.checks import Rejected, invalid_value, missing
from voice_agents.offline.realtime.events import new_id
from voice_agents.offline.services import AnyUtterance
from voice_agents.offline.sockets import pcm_of
from voice_agents.offline.tts import SAMPLE_RATE as VOICE_RATE
from voice_agents.turns.vad import RATE

MAX_ID_CHARS = 32
ROOT = "root"
"""``previous_item_id`` of an item that goes to the beginning."""


ItemStatus = Literal["in_progress", "completed", "incomplete"]
"""Whether the model has finished the item."""
Role = Literal["user", "assistant", "system"]


@dataclass(slots=True)
class ContentPart:
    """One content part of a message."""

    type: Literal["input_text", "input_audio", "output_text", "output_audio"]
    text: str = ""
    """Of a text part: the text. Of sound: the words in it, which the model goes by."""
    transcript: str | None = None
    """Of sound: what the client is shown; None while unknown, or after truncation."""
    audio_ms: float = 0.0
    """Length of its sound, of which no more is kept."""
    sound: Pcm = field(default_factory=lambda: EMPTY)
    """What a client put in, at 16 kHz, until it is on its way through the recogniser."""
    utterance: AnyUtterance | None = None
    """Which recognises it."""
    words: list[tuple[int, float]] = field(default_factory=list)
    """Of the assistant's sound: where in the text a word ends, and when (ms) it begins."""
    truncated: bool = False

    def truncate(self, end_ms: int) -> None:
        """Keep the sound before ``end_ms`` and the words that began in it; the transcript goes."""
        self.audio_ms = end_ms
        self.words = [word for word in self.words if word[1] < end_ms]
        self.text = self.text[: self.words[-1][0]] if self.words else ""
        self.transcript = None
        self.truncated = True

    def to_wire(self) -> dict[str, Any]:
        """As the client sees it."""
        if self.type in ("input_text", "output_text"):
            return {"type": self.type, "text": self.text}
        return {"type": self.type, "transcript": self.transcript}


@dataclass(slots=True)
class MessageItem:
    """What somebody said."""

    id: str
    role: Role
    content: list[ContentPart]
    status: ItemStatus = "completed"
    listening: asyncio.Task[None] | None = None
    """Ends when the words of its sound are known; they are in ``ContentPart.text`` then. Never fails, see ``deaf``."""
    deaf: str = ""
    """What went wrong in the recogniser."""

    def to_wire(self) -> dict[str, Any]:
        about = {"id": self.id, "object": "realtime.item", "type": "message", "status": self.status, "role": self.role}
        return about | {"content": [part.to_wire() for part in self.content]}

    @property
    def text(self) -> str:
        """All its words."""
        return " ".join(part.text for part in self.content if part.text)


@dataclass(slots=True)
class CallItem:
    """A function the model wants to be called."""

    id: str
    call_id: str
    name: str
    arguments: str = ""
    """JSON text."""
    status: ItemStatus = "completed"

    def to_wire(self) -> dict[str, Any]:
        return {"object": "realtime.item", "type": "function_call"} | asdict(self)


@dataclass(slots=True)
class OutputItem:
    """What a function answered."""

    id: str
    call_id: str
    output: str
    status: ItemStatus = "completed"

    def to_wire(self) -> dict[str, Any]:
        return {"object": "realtime.item", "type": "function_call_output"} | asdict(self)


Item = MessageItem | CallItem | OutputItem


class ConversationItems:
    """The items in their order."""

    def __init__(self) -> None:
        self.id = new_id("conv")
        self._items: list[Item] = []

    @property
    def items(self) -> tuple[Item, ...]:
        """All of them."""
        return tuple(self._items)

    def find(self, item_id: str) -> Item | None:
        """The item of this id, if it is there."""
        return next((item for item in self._items if item.id == item_id), None)

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Put an item behind another one, at the beginning (``ROOT``) or the end (None); gives what it follows.

        Raises Rejected when there is no such item, when its id is taken, or when it answers a call nobody made.
        """
        if self.find(item.id) is not None:
            message = f"Error adding item: an item with id '{item.id}' already exists."
            raise Rejected(message, "item_create_duplicate_item_id", "item.id")
        at = len(self._items)
        if after is not None:
            places = {ROOT: 0} | {other.id: at for at, other in enumerate(self._items, 1)}
            if after not in places:
                message = f"Error adding item: the previous item with id '{after}' does not exist."
                raise Rejected(message, "item_create_invalid_previous_item_id", "previous_item_id")
            at = places[after]
        if isinstance(item, OutputItem) and not self._calls(item.call_id):
            message = f"Tool call ID '{item.call_id}' not found in conversation."
            raise Rejected(message, "invalid_tool_call_id", "item.call_id")
        self._items.insert(at, item)
        return self._items[at - 1].id if at else None

    def delete(self, item: Item) -> None:
        """Take an item out."""
        self._items.remove(item)

    def _calls(self, call_id: str) -> bool:
        return any(isinstance(item, CallItem) and item.call_id == call_id for item in self._items)


async def heard(items: Sequence[Item]) -> None:
    """Wait until the words of everything said are known. Raises RuntimeError when those of the last turn never will."""
    said = [item for item in items if isinstance(item, MessageItem) and item.role == "user"]
    for item in said:
        if item.listening is not None:
            await asyncio.wait((item.listening,))
    if said and said[-1].deaf:
        raise RuntimeError(said[-1].deaf)


def as_messages(instructions: str, items: Sequence[Item]) -> list[Message]:
    """The conversation as the model reads it: what was said, cut to what was heard, and finished calls."""
    messages = [Message("system", instructions)] if instructions else []
    for item in items:
        if isinstance(item, OutputItem):
            messages.append(Message("tool", item.output, tool_call_id=item.call_id))
        elif isinstance(item, CallItem):
            if item.status == "completed":
                call = FunctionCall.lenient(item.call_id, item.name, item.arguments)
                messages.append(Message("assistant", "", (call,)))
        elif item.text or item.role == "user":
            messages.append(Message(item.role, item.text))
    return messages


def parse_item(given: dict[str, Any], path: str) -> Item:
    """An item as a client sent it, of the vendor's types already; its sound is still to be recognised.

    Raises Rejected. Assistant messages can be created from text only, as at the vendor.
    """
    item_id = given.get("id") or new_id("item")
    if len(item_id) > MAX_ID_CHARS:
        message = (
            f"Invalid '{path}.id': string too long. Expected a string with maximum length {MAX_ID_CHARS}, "
            f"but got a string with length {len(item_id)} instead."
        )
        raise Rejected(message, "string_above_max_length", f"{path}.id")
    match given["type"]:
        case "message":
            parts = enumerate(given["content"])
            content = [_part(part, f"{path}.content[{at}]", given["role"]) for at, part in parts]
            return MessageItem(item_id, given["role"], content)
        case "function_call":
            return CallItem(item_id, given.get("call_id") or new_id("call"), given["name"], given["arguments"])
        case _:
            return OutputItem(item_id, given["call_id"], given["output"])


def _part(given: dict[str, Any], path: str, role: Role) -> ContentPart:
    kind: Any = given.get("type")
    offered = {"user": ("input_text", "input_audio"), "system": ("input_text",), "assistant": ("output_text",)}[role]
    if kind not in offered:
        raise invalid_value(kind, f"{path}.type", [repr(name) for name in offered])
    content = "audio" if kind == "input_audio" else "text"
    if given.get(content) is None:
        raise missing(f"{path}.{content}")
    if kind != "input_audio":
        return ContentPart(kind, given["text"])
    sound = decoded(given["audio"], f"{path}.audio")
    audio_ms = len(sound) * 1000 / VOICE_RATE
    sound = resample(sound, VOICE_RATE, RATE) if len(sound) else sound
    return ContentPart("input_audio", transcript=given.get("transcript"), audio_ms=audio_ms, sound=sound)


def decoded(audio: str, path: str) -> Pcm:
    """A client's sound, at 24 kHz. Raises Rejected."""
    try:
        return pcm_of(audio)
    except ValueError as error:
        raise Rejected(f"Invalid '{path}': {error}.", "invalid_value", path) from None
