"""One response of a Realtime session: the model is asked, its answer is streamed as sound, text or function calls."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal, cast

import numpy as np

from voice_agents.audio import EMPTY, Pcm, to_bytes
from voice_agents.offline.brain import FunctionCall, Message, Reply
from voice_agents.offline.chat import tokens
from voice_agents.offline.checks import SERVER_ERROR
from voice_agents.offline.realtime.config import PCM, SessionConfig
from voice_agents.offline.realtime.events import Event, EventOutbox, new_id
from voice_agents.offline.realtime.items import (
    CallItem,
    ContentPart,
    ConversationItems,
    Item,
    ItemStatus,
    MessageItem,
    as_messages,
    heard,
)
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import Tasks
from voice_agents.offline.tts import SAMPLE_RATE, Synthesis, find_voice

CHUNK_S = 0.2
"""Sound in an audio delta, but for the first, which comes as soon as it can."""
AUDIO_TOKEN_MS = 50
"""The vendor counts a token for so much of the assistant's sound ..."""
USER_AUDIO_TOKEN_MS = 100
"""... and for so much of the user's."""
_WRITTEN_PIECE = re.compile(r"\s*\S+|\s+$")


ResponseStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]


class Response:
    """From ``response.created`` to ``response.done``. ``cancel`` ends it at once; nothing of it is sent afterwards."""

    def __init__(
        self,
        services: Services,
        config: SessionConfig,
        conversation: ConversationItems,
        outbox: EventOutbox,
        on_done: Callable[[Response], None],
        taken: float,
    ) -> None:
        """The model is to answer ``conversation`` as it is now. ``taken``: when (monotonic) the user's turn was.

        ``on_done`` is called once, when everything has been said.
        """
        self.id = new_id("resp")
        self.status: ResponseStatus = "in_progress"
        self.audio_ms = 0.0
        """Sound made so far."""
        self._services = services
        self._config = config
        self._conversation = conversation
        self._context = conversation.items
        self._outbox = outbox
        self._on_done = on_done
        self._due = taken + services.pace.realtime_first_audio_s
        self._output: list[MessageItem | CallItem] = []
        self._open: MessageItem | CallItem | None = None
        self._previous_id: str | None = None
        self._speech: Speech | None = None
        self._out_of_tokens = False
        self._task: asyncio.Task[None] | None = None

    def start(self, tasks: Tasks) -> None:
        """Begin."""
        self._outbox.put({"type": "response.created", "response": self._to_wire()})
        self._outbox.put(rate_limits())
        self._task = tasks.start(self._run())

    def cancel(self, reason: str) -> None:
        """End it: ``turn_detected`` or ``client_cancelled``."""
        if self.status == "in_progress" and self._task is not None:
            self._task.cancel()
            self._end("cancelled", {"reason": reason})

    async def _run(self) -> None:
        try:
            await self._answer()
        except Exception as error:
            details = {"type": SERVER_ERROR, "code": SERVER_ERROR, "message": str(error) or type(error).__name__}
            self._end("failed", {"error": details})
        else:
            cut = {"reason": "max_output_tokens"} if self._out_of_tokens else None
            self._end("incomplete" if cut else "completed", cut)

    async def _answer(self) -> None:
        await heard(self._context)
        messages = as_messages(self._config.values["instructions"], self._context)
        calls: list[FunctionCall] = []
        async with aclosing(self._thoughts(messages)) as thoughts:
            async for thought in thoughts:
                if isinstance(thought, FunctionCall):
                    calls.append(thought)
                elif not self._out_of_tokens:
                    await self._say(thought)
        if self._open is not None:
            self._end_item("incomplete" if self._out_of_tokens else "completed")
        for call in calls[: 1 if self._config.one_call else None]:
            await self._call(call)

    async def _thoughts(self, messages: Sequence[Message]) -> AsyncGenerator[str | FunctionCall, None]:
        """What the model says, in pieces, and what it calls."""
        functions = self._config.functions
        if (server := self._services.model_server) is not None:
            async with aclosing(server.answer(messages, functions)) as answer:
                async for thought in answer:
                    yield thought
            return
        reply: Reply = self._services.brain.reply(messages, frozenset(function["name"] for function in functions))
        if reply.text:
            yield reply.text
        for call in reply.tool_calls:
            yield call

    async def _when_due(self) -> None:
        await asyncio.sleep(max(0.0, self._due - time.monotonic()))
        await self._outbox.room()

    async def _say(self, text: str) -> None:
        """The next piece of the message, spoken or written."""
        if self._speech is None:
            part = ContentPart("output_audio", transcript="") if self._config.spoken else ContentPart("output_text")
            item = MessageItem(new_id("item"), "assistant", [], "in_progress")
            self._begin_item(item)
            item.content.append(part)
            self._speech = Speech(part)
            self._emit("response.content_part.added", content_index=0, part=_part(part))
        else:
            text = f" {text}"
        await (self._speak(self._speech, text) if self._config.spoken else self._write(self._speech.part, text))

    async def _speak(self, speech: Speech, text: str) -> None:
        speech.begin(text)
        voice = self._services.voice.speak(text, find_voice(self._config.voice).voice_id, self._config.speed)
        async with aclosing(cast("AsyncGenerator[Synthesis, None]", voice)) as stream:
            async for synthesis in stream:
                speech.add(synthesis)
                if speech.enough:
                    await self._when_due()
                    self._emit_speech(speech)
                if self._spends(speech.said):
                    return
        await self._when_due()
        self._emit_speech(speech, last=True)

    def _emit_speech(self, speech: Speech, *, last: bool = False) -> None:
        words, sound = speech.take(last=last)
        milliseconds = len(sound) * 1000 / SAMPLE_RATE
        self.audio_ms += milliseconds
        if speed := self._services.pace.realtime_speed:
            self._due = max(self._due, time.monotonic()) + milliseconds / 1000 / speed
        if words:
            self._emit("response.output_audio_transcript.delta", content_index=0, delta=words)
        if len(sound):
            delta = base64.b64encode(to_bytes(sound)).decode()
            self._emit("response.output_audio.delta", content_index=0, delta=delta)

    def _spends(self, said: str) -> bool:
        """Whether what was made is all that the response may be."""
        self._out_of_tokens = tokens(said) + round(self.audio_ms / AUDIO_TOKEN_MS) >= self._config.max_tokens
        return self._out_of_tokens

    async def _write(self, part: ContentPart, text: str) -> None:
        for piece in _WRITTEN_PIECE.findall(text):
            await self._when_due()
            part.text += piece
            self._emit("response.output_text.delta", content_index=0, delta=piece)
            if self._spends(part.text):
                return

    async def _call(self, call: FunctionCall) -> None:
        item = CallItem(new_id("item"), call.id, call.name, "", "in_progress")
        self._begin_item(item)
        for piece in call.pieces():
            await self._when_due()
            item.arguments += piece
            self._emit("response.function_call_arguments.delta", call_id=item.call_id, delta=piece)
        self._end_item("completed")

    def _begin_item(self, item: MessageItem | CallItem) -> None:
        self._open = item
        self._output.append(item)
        self._emit_item("response.output_item.added")
        self._previous_id = self._conversation.insert(item)
        self._emit_item("conversation.item.added")

    def _end_item(self, status: ItemStatus) -> None:
        """All that is said when an item is done, whether it was finished or not."""
        item = self._open
        assert item is not None
        item.status = status
        if isinstance(item, CallItem):
            done = {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
            self._emit("response.function_call_arguments.done", **done)
        for part in item.content if isinstance(item, MessageItem) else ():
            if part.type == "output_audio":
                self._emit("response.output_audio.done", content_index=0)
                transcript = part.transcript or ""
                self._emit("response.output_audio_transcript.done", content_index=0, transcript=transcript)
            else:
                self._emit("response.output_text.done", content_index=0, text=part.text)
            self._emit("response.content_part.done", content_index=0, part=_part(part))
        self._emit_item("response.output_item.done")
        self._emit_item("conversation.item.done")
        self._open = None

    def _end(self, status: ResponseStatus, details: dict[str, Any] | None = None) -> None:
        if self.status != "in_progress":
            return
        if self._open is not None:
            self._end_item("incomplete")
        self.status = status
        self._outbox.put({"type": "response.done", "response": self._to_wire(details)})
        self._outbox.put(rate_limits())
        self._on_done(self)

    def _emit(self, kind: str, **fields: Any) -> None:
        """An event about a part of the open item."""
        assert self._open is not None
        where = {"response_id": self.id, "item_id": self._open.id, "output_index": len(self._output) - 1}
        self._outbox.put({"type": kind} | where | fields)

    def _emit_item(self, kind: str) -> None:
        """An event with the open item, as one of the response's or of the conversation's."""
        assert self._open is not None
        of_response = {"response_id": self.id, "output_index": len(self._output) - 1}
        where = of_response if kind.startswith("response.") else {"previous_item_id": self._previous_id}
        self._outbox.put({"type": kind} | where | {"item": self._open.to_wire()})

    def _to_wire(self, details: dict[str, Any] | None = None) -> dict[str, Any]:
        config = self._config
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": None if details is None else {"type": self.status} | details,
            "output": [item.to_wire() for item in self._output],
            "conversation_id": self._conversation.id,
            "output_modalities": config.values["output_modalities"],
            "max_output_tokens": config.values["max_output_tokens"],
            "audio": {"output": {"format": PCM, "voice": config.voice}},
            "usage": None if self.status == "in_progress" else self._usage(),
            "metadata": config.values.get("metadata"),
        }

    def _usage(self) -> dict[str, Any]:
        in_text, in_audio = _count(self._context)
        in_text += tokens(self._config.values["instructions"])
        out_text, out_audio = _count(self._output)
        no_tokens = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
        counted = {"text_tokens": in_text, "audio_tokens": in_audio}
        return {
            "total_tokens": in_text + in_audio + out_text + out_audio,
            "input_tokens": in_text + in_audio,
            "output_tokens": out_text + out_audio,
            "input_token_details": no_tokens | counted | {"cached_tokens": 0, "cached_tokens_details": no_tokens},
            "output_token_details": {"text_tokens": out_text, "audio_tokens": out_audio},
        }


def _part(part: ContentPart) -> dict[str, Any]:
    """A content part in the response events, which name the kinds otherwise than items do."""
    if part.type == "output_text":
        return {"type": "text", "text": part.text}
    return {"type": "audio", "transcript": part.transcript or ""}


class Speech:
    """The sound of one part on its way to the client; the part holds what was sent, no more."""

    def __init__(self, part: ContentPart) -> None:
        self.part = part
        self.said = ""
        """The words that were sent."""
        self._text = ""
        self._offset = 0
        self._offset_ms = self._made_ms = 0.0
        """Where the present piece begins, and how much was made in all."""
        self._waiting = EMPTY
        self._begun: list[tuple[int, float]] = []

    @property
    def enough(self) -> bool:
        """Whether there is enough to be sent: the first as soon as it is there."""
        return len(self._waiting) > (CHUNK_S * SAMPLE_RATE - 1 if self.part.audio_ms else 0)

    def begin(self, text: str) -> None:
        """The text goes on with this, of which sound will be added."""
        self._offset, self._offset_ms = len(self._text), self._made_ms
        self._text += text

    def add(self, made: Synthesis) -> None:
        """The next samples (24 kHz) and the words that begin in them, timed from where the piece began."""
        self._waiting = np.concatenate((self._waiting, made.pcm))
        self._made_ms += len(made.pcm) * 1000 / SAMPLE_RATE
        at, at_ms = self._offset, self._offset_ms
        self._begun += [(at + word.offset + word.length, at_ms + word.start_ms) for word in made.words]

    def take(self, *, last: bool = False) -> tuple[str, Pcm]:
        """Words and sound to be sent now. ``last``: the piece is over."""
        words, sound, before = self._begun, self._waiting, len(self.said)
        self._waiting, self._begun = EMPTY, []
        end = len(self._text) if last else max([before, *(end for end, _ in words)])
        self.said = self._text[:end]
        if not self.part.truncated:
            self.part.audio_ms += len(sound) * 1000 / SAMPLE_RATE
            self.part.words += words
            self.part.text = self.part.transcript = self.said
        return self.said[before:], sound


def _count(items: Sequence[Item]) -> tuple[int, int]:
    """Text and audio tokens. The user's words are not counted beside their sound, the assistant's are."""
    of_text = of_audio = 0
    for item in items:
        if isinstance(item, MessageItem):
            for part in item.content:
                of_text += tokens(part.text) if part.type != "input_audio" else 0
                each_ms = USER_AUDIO_TOKEN_MS if part.type == "input_audio" else AUDIO_TOKEN_MS
                of_audio += round(part.audio_ms / each_ms)
        elif isinstance(item, CallItem):
            of_text += tokens(item.name) + tokens(item.arguments)
        else:
            of_text += tokens(item.output)
    return of_text, of_audio


def rate_limits() -> Event:
    """``rate_limits.updated``: there are none here, so always the same."""
    limit = {"limit": 100_000, "remaining": 100_000, "reset_seconds": 0.0}
    return {"type": "rate_limits.updated", "rate_limits": [{"name": name} | limit for name in ("requests", "tokens")]}
