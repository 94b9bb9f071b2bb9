"""The user's words: recognised for the model, and told to a client that wants to know them, in their own time."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence

from voice_agents.offline.faults import ConnectionFaults, FaultKind
from voice_agents.offline.realtime.audio import joined
from voice_agents.offline.realtime.errors import SERVER_ERROR, Event
from voice_agents.offline.realtime.items import Conversation, MessageItem
from voice_agents.offline.services import Services, Utterance

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Transcriber:
    """Both may end long after the response to the words has begun."""

    def __init__(
        self, services: Services, faults: ConnectionFaults, conversation: Conversation, emit: Callable[[Event], None]
    ) -> None:
        self._services = services
        self._faults = faults
        self._conversation = conversation
        self._emit = emit

    def hear(self, item: MessageItem) -> list[Utterance]:
        """The sounds of an item a client made, on their way through the recogniser."""
        utterances = []
        for part in item.content:
            if part.type == "input_audio":
                utterances.append(self._services.recogniser.utterance())
                utterances[-1].feed(joined(part.audio))
        return utterances

    async def listen(self, item: MessageItem, utterances: Sequence[Utterance]) -> None:
        """Put the words of an item's sounds where the model finds them."""
        sounds = [part for part in item.content if part.type == "input_audio"]
        try:
            for part, utterance in zip(sounds, utterances, strict=True):
                part.text = await utterance.finish()
        except Exception as error:
            item.deaf = str(error) or type(error).__name__

    async def report(self, item: MessageItem, committed: float) -> None:
        """Tell the client the words of an item that was committed then (monotonic), unless it has deleted it."""
        late, missing = self._faults.on_event(FaultKind.LATE_COMMIT), self._faults.on_event(FaultKind.MISSING_COMMIT)
        if item.listening is not None:
            await asyncio.wait((item.listening,))
        delay_s = late.delay_s if late is not None else 0.0
        await asyncio.sleep(max(0.0, committed + self._services.pace.stt_commit_s - time.monotonic()) + delay_s)
        if missing is not None or self._conversation.find(item.id) is not item:
            return
        if item.deaf:
            error = {"type": SERVER_ERROR, "code": "transcription_failed", "message": item.deaf, "param": None}
            self._emit({"type": f"{_TRANSCRIPTION}.failed", "item_id": item.id, "content_index": 0, "error": error})
            return
        part = item.content[0]
        for piece in re.findall(r"\s*\S+", part.text):
            self._emit({"type": f"{_TRANSCRIPTION}.delta", "item_id": item.id, "content_index": 0, "delta": piece})
        part.transcript = part.text
        completed = {"item_id": item.id, "content_index": 0, "transcript": part.text}
        usage = {"type": "duration", "seconds": round(part.audio_ms / 1000, 3)}
        self._emit({"type": f"{_TRANSCRIPTION}.completed"} | completed | {"usage": usage})
