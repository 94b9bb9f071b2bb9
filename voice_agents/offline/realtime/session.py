"""OpenAI (``/v1/realtime``) and Azure (``/openai/v1/realtime``) Realtime, one connection at a time.

The user's turns become items, items become responses, until the socket is gone. The preview's protocol, which both
vendors have shut off, is refused in a sentence.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.audio import EMPTY
from voice_agents.offline.chat import check_model
from voice_agents.offline.checks import (
    INVALID_REQUEST,
    REALTIME_PATHS,
    SERVER_ERROR,
    Rejected,
    error_named,
    parse_object,
    refusal,
)
from voice_agents.offline.faults import FaultKind, Service
from voice_agents.offline.realtime.config import SessionConfig
from voice_agents.offline.realtime.events import Event, EventOutbox, check, error_event, new_id
from voice_agents.offline.realtime.hearing import InputBuffer
from voice_agents.offline.realtime.items import ContentPart, ConversationItems, Item, MessageItem, decoded, parse_item
from voice_agents.offline.realtime.response import Response
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import Message, Tasks, VendorDialect, VendorSocket, serve
from voice_agents.offline.vad import MS, DetectorEvent, SpeechBegan

MIN_COMMIT_MS = 100
"""Less audio than this cannot be committed."""
_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_SUBPROTOCOL, _PREVIEW_SUBPROTOCOL = "realtime", "openai-beta.realtime-v1"
"""What a browser, which can set no header, offers beside its key."""
_CLOSES = {"session_expired": 1001, "insufficient_quota": 1008, "invalid_api_key": 1008}


class RealtimeSession:
    """What the server knows of one client, and what it does about each of its events, one after the other."""

    def __init__(self, socket: VendorSocket, services: Services, model: str) -> None:
        self._socket = socket
        self._services = services
        self._config = SessionConfig.initial(model, new_id("sess"))
        self._conversation = ConversationItems()
        self._outbox = EventOutbox(socket)
        self._buffer = InputBuffer(services.recogniser, self._config.detection)
        self._turn_item_id: str | None = None
        """Of the turn the client was told of."""
        self._active: Response | None = None
        """The response that is being made."""
        self._has_spoken = False
        self._tasks = Tasks()

    async def run(self) -> None:
        """Until the client is gone."""
        try:
            async with self._tasks:
                self._tasks.start(self._outbox.run())
                self._emit({"type": "session.created", "session": self._config.values})
                await self._read()
        finally:
            self._buffer.clear()

    async def _read(self) -> None:
        while True:
            event_id: str | None = None
            try:
                event = parse_object(await self._socket.receive(), "the message")
                event_id = str(event["event_id"]) if event.get("event_id") is not None else None
                await self._obey(check(event))
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
                self._respond(event.get("response"))
            case "response.cancel":
                self._cancel(event.get("response_id"))
            case _:
                await self._obey_about_item(event)

    async def _obey_about_item(self, event: Event) -> None:
        """``conversation.item.*``."""
        if event["type"] == "conversation.item.create":
            await self._create(event["item"], event.get("previous_item_id"))
            return
        item = self._find(event["item_id"], event["type"].rpartition(".")[2])
        match event["type"]:
            case "conversation.item.retrieve":
                self._emit({"type": "conversation.item.retrieved", "item": item.to_wire()})
            case "conversation.item.delete":
                self._conversation.delete(item)
                self._emit({"type": "conversation.item.deleted", "item_id": item.id})
            case _:
                self._truncate(item, event["content_index"], event["audio_end_ms"])

    def _find(self, item_id: str, verb: str) -> Item:
        item = self._conversation.find(item_id)
        if item is None:
            message = f"Error {verb[:-1]}ing item: the item with id '{item_id}' does not exist."
            raise Rejected(message, f"item_{verb}_invalid_item_id", "item_id")
        return item

    async def _create(self, raw: dict[str, Any], after: str | None) -> None:
        """An item the client made, whose sound is being recognised, behind another one (None: at the end)."""
        item = await asyncio.to_thread(parse_item, raw, "item")
        self._add(item, after)
        if not isinstance(item, MessageItem):
            return
        for part in item.content:
            if part.type == "input_audio":
                part.utterance = self._services.recogniser.utterance()
                part.utterance.feed(part.sound)
                part.sound = EMPTY
        item.listening = self._tasks.start(self._listen(item))

    def _add(
        self, item: Item, after: str | None = None, *, before_it: Callable[[str | None], None] = lambda _: None
    ) -> None:
        """A complete item; ``before_it`` is called with the id of the one before it."""
        previous = self._conversation.insert(item, after)
        before_it(previous)
        about = {"previous_item_id": previous, "item": item.to_wire()}
        self._emit({"type": "conversation.item.added"} | about)
        self._emit({"type": "conversation.item.done"} | about)

    def _truncate(self, item: Item, content_index: int, audio_end_ms: int) -> None:
        """Cut an answer to what was played; its transcript goes, the model sees the words that had begun."""
        content = item.content if isinstance(item, MessageItem) else []
        if not any(part.type == "output_audio" and part.audio_ms for part in content):
            raise Rejected("Only model output audio messages can be truncated", "unsupported_content_type")
        if content_index >= len(content):
            message = f"Content index {content_index} is out of range: the item has {len(content)} content parts."
            raise Rejected(message, "invalid_value", "content_index")
        part = content[content_index]
        struck = self._socket.faults.on_event(FaultKind.TRUNCATE_ERROR) is not None
        if struck or audio_end_ms > part.audio_ms:
            length_ms = min(int(part.audio_ms), max(0, audio_end_ms - 1))
            raise Rejected(f"Audio content of {length_ms}ms is already shorter than {audio_end_ms}ms")
        part.truncate(audio_end_ms)
        where = {"item_id": item.id, "content_index": content_index, "audio_end_ms": audio_end_ms}
        self._emit({"type": "conversation.item.truncated"} | where)

    def _update(self, update: Any) -> None:
        has_spoken = self._has_spoken or (self._active is not None and self._active.audio_ms > 0)
        is_responding = self._active is not None
        self._config = self._config.updated(update, has_spoken=has_spoken, is_responding=is_responding)
        self._buffer.configure(self._config.detection)
        self._emit({"type": "session.updated", "session": self._config.values})

    async def _append(self, audio: str) -> None:
        async for event in self._buffer.append(decoded(audio, "audio")):
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
        where = {"audio_end_ms": event.end // MS, "item_id": item_id}
        self._emit({"type": "input_audio_buffer.speech_stopped"} | where)
        self._commit(item_id)
        if detection.create_response:
            try:
                self._respond()
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

    def _commit(self, item_id: str) -> None:
        """What is in the buffer becomes an item of the user's."""
        self._turn_item_id = None
        audio_ms, utterance = self._buffer.take()
        item = MessageItem(item_id, "user", [ContentPart("input_audio", audio_ms=audio_ms, utterance=utterance)])
        committed = {"type": "input_audio_buffer.committed", "item_id": item_id}
        self._add(item, before_it=lambda previous: self._emit(committed | {"previous_item_id": previous}))
        item.listening = self._tasks.start(self._listen(item))
        if self._config.transcribes:
            self._tasks.start(self._report(item, time.monotonic()))

    async def _listen(self, item: MessageItem) -> None:
        """Put the words of an item's sounds where the model finds them."""
        try:
            for part in item.content:
                if part.utterance is not None:
                    utterance, part.utterance = part.utterance, None
                    part.text = await utterance.finish()
        except Exception as error:
            item.deaf = str(error) or type(error).__name__

    async def _report(self, item: MessageItem, committed: float) -> None:
        """Tell the client the words of an item that was committed then (monotonic), unless it has deleted it.

        May end long after the response to the words has begun.
        """
        faults = self._socket.faults
        late, missing = faults.on_event(FaultKind.LATE_COMMIT), faults.on_event(FaultKind.MISSING_COMMIT)
        if item.listening is not None:
            await asyncio.wait((item.listening,))
        delay_s = late.delay_s if late is not None else 0.0
        await asyncio.sleep(max(0.0, committed + self._services.pace.stt_commit_s - time.monotonic()) + delay_s)
        if missing is not None or self._conversation.find(item.id) is not item:
            return
        where = {"item_id": item.id, "content_index": 0}
        if item.deaf:
            error = {"type": SERVER_ERROR, "code": "transcription_failed", "message": item.deaf, "param": None}
            self._emit({"type": f"{_TRANSCRIPTION}.failed"} | where | {"error": error})
            return
        part = item.content[0]
        for piece in re.findall(r"\s*\S+", part.text):
            self._emit({"type": f"{_TRANSCRIPTION}.delta"} | where | {"delta": piece})
        part.transcript = part.text
        usage = {"type": "duration", "seconds": round(part.audio_ms / 1000, 3)}
        told = {"transcript": part.text, "usage": usage}
        self._emit({"type": f"{_TRANSCRIPTION}.completed"} | where | told)

    def _respond(self, asked: Any = None) -> None:
        """Answer the conversation; ``asked``: what a client wants otherwise than in its session."""
        config = self._config.response(asked)
        if self._active is not None:
            message = (
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise Rejected(message, "conversation_already_has_active_response")
        self._active = Response(
            self._services, config, self._conversation, self._outbox, self._on_response_done, time.monotonic()
        )
        self._active.start(self._tasks)

    def _on_response_done(self, response: Response) -> None:
        self._active = None
        self._has_spoken = self._has_spoken or response.audio_ms > 0

    def _cancel(self, response_id: str | None) -> None:
        if self._active is None or response_id not in (None, self._active.id):
            raise Rejected("Cancellation failed: no active response found", "response_cancel_not_active")
        self._active.cancel("client_cancelled")

    def _emit(self, event: Event) -> None:
        self._outbox.put(event)


def admit(websocket: WebSocket) -> tuple[str, str | None]:
    """The model and the subprotocol of an accepted client. Raises Rejected."""
    query, headers = websocket.query_params, websocket.headers
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    if "api-version" in query:
        message = "api-version query parameter is not allowed when using /v1 path."
        raise Rejected(message, "401", status=401)
    if headers.get("openai-beta") == "realtime=v1" or _PREVIEW_SUBPROTOCOL in offered:
        message = "The Realtime preview is not offered offline: come without 'OpenAI-Beta: realtime=v1'."
        raise Rejected(message, "beta_api_shape_disabled")
    return check_model(query.get("model")), _SUBPROTOCOL if _SUBPROTOCOL in offered else None


def _error(name: str, message: str) -> Message:
    kind = SERVER_ERROR if name == SERVER_ERROR else INVALID_REQUEST
    return {"event_id": new_id("event")} | error_event(message or error_named(name), name, kind=kind)


DIALECT = VendorDialect(lambda message: str(message.get("type", "")), refusal, _error, _CLOSES.get)
"""Types and ``error`` events as in the vendor's SDK; most errors leave the session open."""


def routes(services: Services) -> list[BaseRoute]:
    """The Realtime sockets, see ``admit`` for who may open them."""

    async def connect(websocket: WebSocket) -> None:
        model, subprotocol = admit(websocket)

        async def run(socket: VendorSocket) -> None:
            await RealtimeSession(socket, services, model).run()

        await serve(websocket, services, Service.REALTIME, DIALECT, run, subprotocol=subprotocol)

    return [WebSocketRoute(path, connect) for path in REALTIME_PATHS]
