"""A Realtime server with exact delays and no engines, in a process of its own.

It takes the turn exactly ``silence_duration_ms`` after it was sent the last loud sample, and its answer, a tone, begins
exactly ``FIRST_AUDIO_S`` later. Prints its URL; ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import sys
from contextlib import suppress
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from voice_agents.audio import from_bytes, to_bytes

FIRST_AUDIO_S = 0.3
RATE = 24_000
LOUD = 60
"""Samples greater than this are speech; the callers of the benchmarks are silent but for it."""
ANSWER = "Sure, this answer goes on for a while so that it can be interrupted at any time you like."
WORD_S = 0.3
SPEED = 4.0
"""How many times faster than it plays an answer is sent."""


class Call:
    """One connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._ids = itertools.count()
        self._silence_s = 0.5
        self._speaking = False
        self._item = ""
        self._last_loud = 0.0
        self._received = self._loud_until = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._answer: asyncio.Task[None] | None = None
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        time = np.arange(round(WORD_S * RATE)) / RATE
        self._sound = base64.b64encode(to_bytes((6000 * np.cos(2 * np.pi * 220 * time)).astype(np.int16))).decode()

    async def run(self) -> None:
        """Until the client leaves."""
        self._say("session.created", session={"type": "realtime", "object": "realtime.session"})
        writing = asyncio.create_task(self._write())
        try:
            async for text in self._socket:
                self._take(json.loads(text))
        finally:
            for task in (writing, self._answer):
                if task is not None:
                    task.cancel()
            if self._alarm is not None:
                self._alarm.cancel()

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "input_audio_buffer.append":
                self._hear(from_bytes(base64.b64decode(message["audio"])))
            case "session.update":
                detection = message["session"].get("audio", {}).get("input", {}).get("turn_detection")
                self._silence_s = (detection or {}).get("silence_duration_ms", 1000 * self._silence_s) / 1000
                self._say("session.updated", session=message["session"])
            case "response.cancel":
                self._cancel("client_cancelled")
            case "response.create":
                self._begin_answer(asyncio.get_running_loop().time())
            case "conversation.item.truncate":
                self._say("conversation.item.truncated", **{k: message[k] for k in ("item_id", "audio_end_ms")})

    def _hear(self, pcm: Any) -> None:
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > LOUD)
        self._received += len(pcm)
        if not len(loud):
            return
        loop = asyncio.get_running_loop()
        self._loud_until = self._received - len(pcm) + int(loud[-1]) + 1
        self._last_loud = loop.time() - (len(pcm) - 1 - int(loud[-1])) / RATE
        if not self._speaking:
            self._speaking, self._item = True, self._id("item")
            self._cancel("turn_detected")
            self._say("input_audio_buffer.speech_started", item_id=self._item, audio_start_ms=0)
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(self._last_loud + self._silence_s, self._take_turn)

    def _take_turn(self) -> None:
        self._speaking, item = False, self._item
        end_ms = self._loud_until * 1000 // RATE + round(1000 * self._silence_s)
        self._say("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=end_ms)
        self._say("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        user = {"id": item, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
        self._say("conversation.item.added", item=user)
        transcript = "conversation.item.input_audio_transcription.completed"
        self._say(transcript, item_id=item, content_index=0, transcript="tell me more")
        self._begin_answer(self._last_loud + self._silence_s)

    def _begin_answer(self, taken: float) -> None:
        self._cancel("turn_detected")
        self._answer = asyncio.create_task(self._speak(self._id("resp"), self._id("item"), taken))

    def _cancel(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.cancel(reason)

    async def _speak(self, response: str, item: str, taken: float) -> None:
        about = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        message = {"id": item, "type": "message", "role": "assistant", "content": []}
        self._say("response.created", response={"id": response, "status": "in_progress"})
        self._say("response.output_item.added", response_id=response, output_index=0, item=message)
        loop = asyncio.get_running_loop()
        due, status = taken + FIRST_AUDIO_S, {"status": "completed"}
        try:
            for word in ANSWER.split():
                await asyncio.sleep(due - loop.time())
                self._say("response.output_audio_transcript.delta", **about, delta=f"{word} ")
                self._say("response.output_audio.delta", **about, delta=self._sound)
                due += WORD_S / SPEED
        except asyncio.CancelledError as cancelled:
            reason = str(cancelled.args[0]) if cancelled.args else "client_cancelled"
            status = {"status": "cancelled", "status_details": {"type": "cancelled", "reason": reason}}
        self._say("response.done", response={"id": response, **status, "output": [message]})

    def _say(self, kind: str, **values: Any) -> None:
        self._outbox.put_nowait({"type": kind, "event_id": self._id("event"), **values})

    def _id(self, what: str) -> str:
        return f"{what}_{next(self._ids)}"

    async def _write(self) -> None:
        while True:
            await self._socket.send(json.dumps(await self._outbox.get()))


async def main() -> None:
    async def handle(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await Call(socket).run()

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        (listener,) = server.sockets
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
