"""Text-to-speech as other servers do it: strict about what the protocol says, free in what it leaves open."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.providers.other_server import KEY, WAIT_S, Answer, Connections, OtherServer, OtherSocket, Script, endpoint
from voice_agents.audio import Pcm, to_bytes
from voice_agents.errors import ProviderError
from voice_agents.providers.elevenlabs.speech_timing import TtsTimeouts
from voice_agents.providers.elevenlabs.tts import ElevenLabsTts
from voice_agents.providers.interfaces import TTS_RATE, SpeechStream, SpokenWord

CONTEXTS_MAX = 5
WORD_MS = 100
WORD = WORD_MS * TTS_RATE // 1000
QUICK = TtsTimeouts(connect_s=2.0, stall_s=0.5, quiet_s=0.2, keep_alive_s=0.3, http_s=1.0)
"""For servers that fail to answer; who answers has more patience to use up than a loaded machine needs."""
PATIENT = TtsTimeouts(quiet_s=0.3)


class Times(Enum):
    """When a server reports characters' times."""

    EACH = auto()
    FIRST = auto()
    """With the first frame of a piece, for the whole piece."""
    LATER = auto()
    """Not with the first word."""
    NEVER = auto()


@dataclass(frozen=True)
class Habits:
    """What a server may do one way or the other."""

    times: Times = Times.EACH
    names: tuple[str, str, str] = ("chars", "charStartTimesMs", "charDurationsMs")
    field: str = "alignment"
    spell: Callable[[str], str] = lambda text: text
    """What the times are reported of."""
    spaces: bool = True
    """Whether the space at the end of a piece is reported."""
    context: str | None = "contextId"
    final: str | None = "isFinal"
    final_with_audio: bool = False
    final_after_each: bool = False
    frame_bytes: int = 2 * WORD
    """Sound is cut into frames of this size, wherever that is."""


def tone(word: str) -> Pcm:
    """A tenth of a second that can be told from other words."""
    return np.full(WORD, 200 + sum(word.encode()) % 20_000, dtype=np.int16)


def sound(text: str) -> Pcm:
    return np.concatenate([tone(word) for word in text.split()])


class Contexts:
    """The contexts of one socket, with the vendor's rules; a broken one fails the test."""

    def __init__(self, socket: OtherSocket, habits: Habits) -> None:
        self._socket = socket
        self._habits = habits
        self.open: set[str] = set()
        self.seen: list[str] = []

    async def next(self) -> tuple[str, str, bool]:
        """A context, the text to be spoken next there, and whether it is closed now (then without text)."""
        while True:
            message = await self._socket.receive()
            context = message["context_id"]
            if context not in self.open:
                assert message == {"text": " ", "context_id": context}, "a context begins with one space"
                assert context not in self.seen, "an id is for one context"
                self.open.add(context)
                self.seen.append(context)
                assert len(self.open) <= CONTEXTS_MAX
            elif message.get("close_context"):
                self.open.remove(context)
                return context, "", True
            elif message.get("text"):
                assert message["text"].endswith(" ") and "voice_settings" not in message
                return context, message["text"], False

    async def speak(self, context: str, text: str, only: int | None = None) -> None:
        """Say a piece, or only its first frames."""
        for frame in self.frames(text)[:only]:
            await self.send(context, **frame)
        if self._habits.final_after_each:
            await self.finish(context)

    def frames(self, text: str) -> list[dict[str, Any]]:
        """Sound in frames of the habitual size, times as habitual."""
        data, size = to_bytes(sound(text)), self._habits.frame_bytes
        frames = []
        for start in range(0, len(data), size):
            audio = base64.b64encode(data[start : start + size]).decode()
            frames.append({"audio": audio, "isFinal": None, **self._times(text, start, start + size)})
        return frames

    def _times(self, text: str, start: int, end: int) -> dict[str, Any]:
        none = {self._habits.field: None}
        if self._habits.times is Times.NEVER or (self._habits.times is Times.FIRST and start):
            return none
        chars: list[tuple[str, float, float]] = []
        for number, word in enumerate(text.split()):
            begins = 2 * WORD * number
            said = self._habits.spell(word)
            here = start <= begins < end or self._habits.times is Times.FIRST
            if not here or (self._habits.times is Times.LATER and number == 0):
                continue
            from_ms, each = (begins - start) / 2 * 1000 / TTS_RATE, WORD_MS / len(said)
            chars += [(char, from_ms + each * place, each) for place, char in enumerate(said)]
            if self._habits.spaces or number + 1 < len(text.split()):
                chars.append((" ", from_ms + WORD_MS, 0))
        lists = ([char[part] for char in chars] for part in range(3))
        return {self._habits.field: dict(zip(self._habits.names, lists, strict=True))} if chars else none

    async def finish(self, context: str) -> None:
        if self._habits.final is not None:
            audio = base64.b64encode(to_bytes(tone("the end"))).decode() if self._habits.final_with_audio else None
            await self.send(context, audio=audio, **{self._habits.final: True})

    async def send(self, context: str, **frame: Any) -> None:
        tag = {self._habits.context: context} if self._habits.context else {}
        await self._socket.send(**frame, **tag)


def speaks(habits: Habits = Habits()) -> Script:
    """Says every piece as it comes."""

    async def script(socket: OtherSocket) -> None:
        contexts = Contexts(socket, habits)
        while True:
            context, text, closed = await contexts.next()
            if not closed:
                await contexts.speak(context, text)
            elif not habits.final_after_each:
                await contexts.finish(context)

    return script


def speaks_until(act: Callable[[Contexts, OtherSocket, str], Awaitable[None]], *, frames: int = 3) -> Script:
    """Says the first frames of the first piece, then does something else."""

    async def script(socket: OtherSocket) -> None:
        contexts = Contexts(socket, Habits())
        context, text, _ = await contexts.next()
        await contexts.speak(context, text, only=frames)
        await act(contexts, socket, context)
        await socket.until_gone()

    return script


@dataclass
class Heard:
    """What came out of one stream."""

    pcm: list[Pcm] = field(default_factory=list)
    words: list[SpokenWord] = field(default_factory=list)
    error: ProviderError | None = None

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def sound(self) -> Pcm:
        return np.concatenate([np.empty(0, np.int16), *self.pcm])


class Mouth:
    """A client, the server it talks to, and what it reported of its connection."""

    def __init__(self, server: OtherServer, timeouts: TtsTimeouts) -> None:
        self.server = server
        self.connections = Connections()
        self.tts = ElevenLabsTts(endpoint(server), on_connection=self.connections, timeouts=timeouts)

    async def say(self, *pieces: str) -> Heard:
        """Speak to the end."""
        stream = self.tts.open()
        for text in pieces:
            stream.send(text)
        stream.finish()
        return await self.listen(stream)

    async def listen(self, stream: SpeechStream, heard: Heard | None = None) -> Heard:
        heard = heard or Heard()
        try:
            async with asyncio.timeout(2 * WAIT_S):
                async for chunk in stream:
                    heard.pcm.append(chunk.pcm)
                    heard.words += chunk.words
        except ProviderError as error:
            heard.error = error
        return heard


@asynccontextmanager
async def speaking(
    *scripts: Script | int, answer: Answer | None = None, timeouts: TtsTimeouts = PATIENT
) -> AsyncIterator[Mouth]:
    async with OtherServer(*scripts, answer=answer) as server:
        mouth = Mouth(server, timeouts)
        async with mouth.tts:
            yield mouth


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that cannot be waited for otherwise."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def over_http(*statuses: int, cut_bytes: int = 999) -> Answer:
    """Speaks what is posted, in pieces of an odd size; the first requests are refused with these statuses."""
    left = list(statuses)

    async def answer(request: Request) -> Response:
        if left and (status := left.pop(0)) != 200:
            return JSONResponse({"detail": {"status": "no", "message": f"about {KEY}"}}, status)
        data = to_bytes(sound((await request.json())["text"]))
        pieces: Sequence[bytes] = [data[start : start + cut_bytes] for start in range(0, len(data), cut_bytes)]
        return StreamingResponse(_iterate(pieces), media_type="audio/pcm")

    return answer


async def _iterate(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
