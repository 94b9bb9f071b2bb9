"""One Realtime connection: the user's turns become items, items become responses, until the socket is gone."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from voice_agents.offline.realtime.config import ResponseOptions, SessionConfig
from voice_agents.offline.realtime.conversation import ItemDesk, added_and_done
from voice_agents.offline.realtime.errors import Event, Rejected, error_event, new_id
from voice_agents.offline.realtime.hearing import InputBuffer
from voice_agents.offline.realtime.item_input import parse_item
from voice_agents.offline.realtime.items import Conversation, Item, MessageItem, Part
from voice_agents.offline.realtime.outbox import Outbox
from voice_agents.offline.realtime.preview import Shape
from voice_agents.offline.realtime.requests import check, parse_json
from voice_agents.offline.realtime.response import Response
from voice_agents.offline.realtime.transcription import Transcriber
from voice_agents.offline.realtime.vad import MS, DetectorEvent, IdleTimeout, SpeechBegan
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import VendorSocket

MIN_COMMIT_MS = 100
"""Less audio than this cannot be committed."""


class RealtimeSession:
    """What the server knows of one client, and what it does about each of its events, one after the other."""

    def __init__(self, socket: VendorSocket, services: Services, model: str, shape: Shape) -> None:
        self._socket = socket
        self._services = services
        self._shape = shape
        self._config = SessionConfig.initial(model, new_id("sess"))
        self._conversation = Conversation()
        self._conversation_id = new_id("conv")
        self._outbox = Outbox(socket, shape.outgoing)
        self._buffer = InputBuffer(services.recogniser, self._config.input_format, self._config.detection)
        self._transcriber = Transcriber(services, socket.faults, self._conversation, self._emit)
        self._desk = ItemDesk(self._conversation, socket.faults, self._emit)
        self._turn_item_id: str | None = None
        """Of the turn the client was told of."""
        self._active: Response | None = None
        """The response that writes to the conversation."""
        self._others: dict[str, Response] = {}
        self._has_spoken = False
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup

    async def run(self) -> None:
        """Until the client is gone."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._spawn(self._outbox.run())
                self._emit({"type": "session.created", "session": self._config.values})
                await self._read()
                for task in tuple(self._running):
                    task.cancel()
        finally:
            self._buffer.clear()

    async def _read(self) -> None:
        async for text in self._socket:
            event_id: str | None = None
            try:
                event = parse_json(text)
                event_id = str(event["event_id"]) if event.get("event_id") is not None else None
                await self._obey(check(self._shape.incoming(event)))
            except Rejected as error:
                self._emit(error_event(str(error), error.code, error.param, event_id))

    async def _obey(self, event: Event) -> None:
        match event["type"]:
            case "session.update":
                self._update(event["session"])
            case "input_audio_buffer.append":
                await self._append(event["audio"])
            case "input_audio_buffer.commit":
                self._commit_by_hand()
            case "input_audio_buffer.clear":
                self._buffer.clear()
                self._turn_item_id = None
                self._emit({"type": "input_audio_buffer.cleared"})
            case "response.create":
                await self._respond_as_asked(event.get("response"))
            case "response.cancel":
                self._cancel(event.get("response_id"))
            case _:
                await self._obey_about_item(event)

    async def _obey_about_item(self, event: Event) -> None:
        match event["type"]:
            case "conversation.item.create":
                self._desk.create(await self._parsed(event["item"], "item"), event.get("previous_item_id"))
            case "conversation.item.retrieve":
                await self._desk.retrieve(event["item_id"], self._config.input_format, self._config.output_format)
            case "conversation.item.delete":
                self._desk.delete(event["item_id"])
            case "conversation.item.truncate":
                self._desk.truncate(event["item_id"], event["content_index"], event["audio_end_ms"])

    def _update(self, update: Any) -> None:
        has_spoken = self._has_spoken or any(response.audio_ms for response in self._responses)
        self._config = self._config.updated(update, has_spoken=has_spoken, is_responding=bool(self._responses))
        self._buffer.configure(self._config.input_format, self._config.detection)
        self._emit({"type": "session.updated", "session": self._config.values})

    async def _append(self, audio: str) -> None:
        try:
            pcm = self._config.input_format.unpack(base64.b64decode(audio, validate=True))
        except ValueError as error:
            raise Rejected(f"Invalid 'audio': {error}.", "invalid_value", "audio") from None
        async for event in self._buffer.append(pcm):
            self._on_turn(event)

    def _on_turn(self, event: DetectorEvent) -> None:
        detection = self._config.detection
        if detection is None:
            return
        if isinstance(event, SpeechBegan):
            self._turn_item_id = new_id("item")
            where = {"audio_start_ms": self._buffer.start_ms, "item_id": self._turn_item_id}
            self._emit({"type": "input_audio_buffer.speech_started"} | where)
            if detection.interrupt_response and self._active is not None:
                self._active.cancel("turn_detected")
            return
        item_id = self._turn_item_id or new_id("item")
        if isinstance(event, IdleTimeout):
            times = {"audio_start_ms": event.start // MS, "audio_end_ms": event.end // MS, "item_id": item_id}
            self._emit({"type": "input_audio_buffer.timeout_triggered"} | times)
        else:
            where = {"audio_end_ms": event.end // MS, "item_id": item_id}
            self._emit({"type": "input_audio_buffer.speech_stopped"} | where)
        self._commit(item_id, unheard=isinstance(event, IdleTimeout))
        if detection.create_response or isinstance(event, IdleTimeout):
            try:
                self._respond(self._config.response(), self._conversation.items)
            except Rejected as error:
                self._emit(error_event(str(error), error.code, error.param))

    def _commit_by_hand(self) -> None:
        if self._buffer.duration_ms < MIN_COMMIT_MS:
            message = (
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of audio, "
                f"but buffer only has {self._buffer.duration_ms:.2f}ms of audio."
            )
            raise Rejected(message, "input_audio_buffer_commit_empty")
        self._commit(self._turn_item_id or new_id("item"))

    def _commit(self, item_id: str, *, unheard: bool = False) -> None:
        """What is in the buffer becomes an item of the user's."""
        self._turn_item_id = None
        segment = self._buffer.take(listen=not unheard)
        item = MessageItem(item_id, "user", [Part("input_audio", audio=segment.pcm)], unheard=unheard)
        previous = self._conversation.insert(item)
        committed = {"type": "input_audio_buffer.committed", "previous_item_id": previous, "item_id": item_id}
        self._emit(committed)
        for event in added_and_done(item, previous):
            self._emit(event)
        if segment.utterance is not None:
            item.listening = self._spawn(self._transcriber.listen(item, [segment.utterance]))
            if self._config.transcribes:
                self._spawn(self._transcriber.report(item, time.monotonic()))

    async def _parsed(self, raw: Any, path: str) -> Item:
        """An item the client made, whose sound is being recognised."""
        item = await asyncio.to_thread(parse_item, raw, path, self._config.input_format)
        if isinstance(item, MessageItem) and (sounds := self._transcriber.hear(item)):
            item.listening = self._spawn(self._transcriber.listen(item, sounds))
        return item

    @property
    def _responses(self) -> list[Response]:
        """Those that are being made."""
        return [*([self._active] if self._active else []), *self._others.values()]

    async def _respond_as_asked(self, asked: Any) -> None:
        options = self._config.response(asked)
        if options.input is None:
            self._respond(options, self._conversation.items)
        else:
            given = enumerate(options.input)
            self._respond(options, [await self._referred(raw, f"response.input[{index}]") for index, raw in given])

    def _respond(self, options: ResponseOptions, context: Sequence[Item]) -> None:
        if options.in_conversation and self._active is not None:
            message = (
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise Rejected(message, "conversation_already_has_active_response")
        response = Response(
            self._services,
            options,
            self._conversation,
            context,
            emit=self._emit,
            room=self._outbox.room,
            on_done=self._on_response_done,
            taken=time.monotonic(),
            conversation_id=self._conversation_id,
        )
        if options.in_conversation:
            self._active = response
        else:
            self._others[response.id] = response
        self._buffer.wait_from(None)
        response.start(self._spawn)

    async def _referred(self, raw: dict[str, Any], path: str) -> Item:
        """An item of a response's own input: one of the conversation's by its id, or a new one."""
        if raw.get("type") != "item_reference":
            return await self._parsed(raw, path)
        item = self._conversation.find(str(raw.get("id")))
        if item is None:
            message = f"Item with id '{raw.get('id')}' not found."
            raise Rejected(message, "response_create_invalid_item_reference", f"{path}.id")
        return item

    def _on_response_done(self, response: Response) -> None:
        if response is self._active:
            self._active = None
        self._others.pop(response.id, None)
        if response.audio_ms:
            self._has_spoken = True
            self._buffer.wait_from(self._buffer.position + round(response.audio_ms * MS))

    def _cancel(self, response_id: str | None) -> None:
        if response_id is None:
            response = self._active
        else:
            response = next((response for response in self._responses if response.id == response_id), None)
        if response is None:
            raise Rejected("Cancellation failed: no active response found", "response_cancel_not_active")
        response.cancel("client_cancelled")

    def _emit(self, event: Event) -> None:
        self._outbox.put(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task
