"""A client of the offline Realtime server at the level of events, and a model and voice that do as a test says."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast, get_args
from urllib.parse import urlencode

import numpy as np
import websockets
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel
from websockets.asyncio.client import ClientConnection

from tests.offline.conftest import WAIT_S, FakeRecogniser, FakeVoice
from voice_agents.audio import Pcm, resample, silence, to_bytes
from voice_agents.offline.brain import Brain, Message, Reply
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services
from voice_agents.offline.tts import Synthesis

GA = "/openai/v1/realtime"
Event = dict[str, Any]


class ScriptedBrain:
    """Gives these replies, one after the other and the last for ever; keeps what it was asked."""

    def __init__(self, *replies: Reply | str) -> None:
        self._replies = [Reply(reply) if isinstance(reply, str) else reply for reply in replies or ("Yes.",)]
        self.asked: list[tuple[list[Message], Collection[str]]] = []

    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        self.asked.append((list(messages), tools))
        return self._replies[min(len(self.asked), len(self._replies)) - 1]

    @property
    def history(self) -> list[tuple[str, str]]:
        """Role and text of what it was asked last, without the instructions."""
        return [(message.role, message.text) for message in self.asked[-1][0] if message.role != "system"]


class HeldVoice(FakeVoice):
    """Stops in the middle of everything it says, after ``pieces`` of 60 ms, until it is let go."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self._pieces = pieces
        self.go_on = asyncio.Event()

    async def speak(self, text: str, voice: str = "default", speed: float = 1.0) -> AsyncIterator[Synthesis]:
        made = 0
        async for synthesis in super().speak(text, voice, speed):
            if made == self._pieces:
                await self.go_on.wait()
            made += 1
            yield synthesis


def _models(union: Any) -> dict[str, type[BaseModel]]:
    """The vendor's class of every event, by its type."""
    classes = get_args(get_args(union)[0])
    return {get_args(each.model_fields["type"].annotation)[0]: each for each in classes}


_EVENTS = _models(RealtimeServerEvent)


RECORDED = {
    "RealtimeSessionCreateRequest.expires_at",
    "RealtimeSessionCreateRequest.id",
    "RealtimeSessionCreateRequest.object",
    "Session.expires_at",
    "Session.object",
    "InputTokenDetails.cached_tokens_details",
    "InputTokenDetails.image_tokens",
    "ResponseFunctionCallArgumentsDoneEvent.name",
}
"""Fields that real servers send (they are in the recorded traffic) and the SDK has not named yet."""


def strangers(value: Any) -> set[str]:
    """The fields that the vendor's classes do not know, at any depth: ``Class.field``."""
    if isinstance(value, list):
        return {name for each in value for name in strangers(each)}
    if not isinstance(value, BaseModel):
        return set()
    own = {f"{type(value).__name__}.{name}" for name in value.model_extra or ()}
    return own.union(*(strangers(getattr(value, name)) for name in type(value).model_fields)) - RECORDED


class Caller:
    """One connection. Every event is checked against the vendor's own class for it: nothing missing, nothing new."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[Event] = []
        """Everything received so far."""

    async def tell(self, kind: str, **fields: Any) -> None:
        """Send one event."""
        await self.socket.send(json.dumps({"type": kind} | fields))

    async def next(self) -> Event:
        """The next event."""
        async with asyncio.timeout(WAIT_S):
            event: Event = json.loads(await self.socket.recv())
        new = strangers(_EVENTS[event["type"]].model_validate(event))
        assert not new, f"neither the SDK nor a recording knows {new}"
        self.heard.append(event)
        return event

    async def until(self, kind: str) -> Event:
        """The next event of this kind; those before it are kept in ``heard``."""
        while True:
            event = await self.next()
            if event["type"] == kind:
                return event
            assert event["type"] != "error" or kind == "error", event

    async def refused(self, kind: str, **fields: Any) -> Event:
        """Send something that is answered by an error; the error's details."""
        await self.tell(kind, event_id="mine", **fields)
        error: Event = (await self.until("error"))["error"]
        assert error["event_id"] == "mine" and error["message"]
        return error

    async def configure(self, **session: Any) -> Event:
        """Update the session; what holds then."""
        await self.tell("session.update", session={"type": "realtime"} | session)
        updated: Event = (await self.until("session.updated"))["session"]
        return updated

    async def without_detection(self, **audio_input: Any) -> None:
        """The client commits."""
        await self.configure(audio={"input": {"turn_detection": None} | audio_input})

    async def speak(self, pcm: Pcm, chunk_ms: int = 40) -> None:
        """Append sound (16 kHz) as PCM at 24 kHz, as fast as it goes."""
        sound = resample(pcm, 16_000, 24_000)
        size = 24 * chunk_ms
        for start in range(0, len(sound), size):
            await self.append(to_bytes(sound[start : start + size]))

    async def append(self, data: bytes) -> None:
        """Append bytes."""
        await self.tell("input_audio_buffer.append", audio=base64.b64encode(data).decode())

    async def ask(self, text: str, **response: Any) -> None:
        """A typed turn, and the wish to have it answered."""
        await self.write(text)
        await self.tell("response.create", **({"response": response} if response else {}))

    async def write(self, text: str, role: str = "user", **fields: Any) -> str:
        """Put a message into the conversation; its id."""
        content = [{"type": "output_text" if role == "assistant" else "input_text", "text": text}]
        item = {"type": "message", "role": role, "content": content}
        await self.tell("conversation.item.create", item=item, **fields)
        item_id: str = (await self.until("conversation.item.done"))["item"]["id"]
        return item_id

    async def done(self) -> Event:
        """The response that ends next."""
        response: Event = (await self.until("response.done"))["response"]
        return response

    def kinds(self) -> list[str]:
        """The kinds of all events so far, repeats of one kind as one, without the rate limits."""
        kinds = [event["type"] for event in self.heard if event["type"] != "rate_limits.updated"]
        return [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]

    def of(self, kind: str) -> list[Event]:
        """All events of a kind so far."""
        return [event for event in self.heard if event["type"] == kind]

    def sound(self) -> bytes:
        """All audio so far."""
        return b"".join(base64.b64decode(event["delta"]) for event in self.of("response.output_audio.delta"))


@asynccontextmanager
async def calling(
    server: OfflineServer | str,
    path: str = GA,
    headers: dict[str, str] | None = None,
    **query: Any,
) -> AsyncIterator[Caller]:
    """Connected, and greeted. The key and the model are there unless said otherwise."""
    async with knock(server, path, {"api-key": "any"} if headers is None else headers, **query) as socket:
        caller = Caller(socket)
        await caller.until("session.created")
        yield caller


def knock(
    server: OfflineServer | str, path: str = GA, headers: dict[str, str] | None = None, **query: Any
) -> websockets.connect:
    """A connection to be made; without a query the model is asked for."""
    base = server if isinstance(server, str) else server.url
    url = base.replace("http", "ws", 1) + path + "?" + urlencode(query or {"model": "offline"})
    return websockets.connect(url, additional_headers=headers, proxy=None, close_timeout=1)


@asynccontextmanager
async def serving(brain: ScriptedBrain, voice: FakeVoice | None = None) -> AsyncIterator[OfflineServer]:
    """A server over this model, a voice of 0.3 s a word and a recogniser of a word a second."""
    services = Services(FakeRecogniser(), voice or FakeVoice(), cast(Brain, brain))
    async with OfflineServer(services=services) as server:
        yield server


def sound(seconds: float) -> Pcm:
    """Something to commit, at 16 kHz."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    return np.asarray(3000 * np.sin(2 * np.pi * 300 * time), dtype=np.int16)


def pause(seconds: float) -> Pcm:
    """Silence at 16 kHz."""
    return silence(seconds, 16_000)
