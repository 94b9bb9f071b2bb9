"""The two ways to call the app, with one face: over WebRTC as a browser does, and over the API's WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voice_agents.audio import Pcm, from_bytes, resample, to_bytes
from voice_agents.conversation.model import Conversation
from voice_agents.doctor.hearing import HeardSound
from voice_agents.doctor.process import AppProcess
from voice_agents.doctor.webrtc import RATE as WIRE_RATE
from voice_agents.doctor.webrtc import RtcCaller
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.transports.api.options import conversation_of
from voice_agents.transports.live import Transport
from voice_agents.ui.identity import identity_of
from voice_agents.ui.realtime_tab import KIND as REALTIME

SPEECH_RATE = 16_000
"""Hz of everything a caller is given to say."""
FRAME_S = 0.02
CONNECTED_WITHIN_S = 20.0


class Caller(Protocol):
    """Somebody in a call: a microphone that never rests, and ears."""

    transport: Transport
    conversation: Conversation
    heard: HeardSound

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        """Speak (16 kHz), until it was sent; when its first and its last sample were."""

    async def type(self, text: str) -> None:
        """A typed turn."""


class WebRtcCaller:
    """Over the page's own call; made by :func:`over_webrtc`."""

    transport = Transport.WEBRTC

    def __init__(self, rtc: RtcCaller, conversation: Conversation, heard: HeardSound, kind: str) -> None:
        self.conversation = conversation
        self.heard = heard
        self._rtc = rtc
        self._kind = kind

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        """Speak (16 kHz), until it was sent; when its first and its last sample were."""
        began = asyncio.get_running_loop().time()
        self._rtc.microphone.say(resample(pcm, SPEECH_RATE, WIRE_RATE))
        ends = began + len(pcm) / SPEECH_RATE
        await asyncio.sleep(max(0.0, ends - asyncio.get_running_loop().time()))
        return began, ends

    async def type(self, text: str) -> None:
        """Send a typed turn."""
        await self._rtc.type(self._kind, text)

    async def vanish(self) -> None:
        """Like a killed browser."""
        await self._rtc.vanish()


class SocketCaller:
    """Over the API, hands-free; made by :func:`over_socket`."""

    transport = Transport.WEBSOCKET

    def __init__(self, socket: ClientConnection, conversation: Conversation) -> None:
        self.conversation = conversation
        self.heard = HeardSound()
        self._socket = socket
        self._speech: Pcm = np.zeros(0, np.int16)
        self._said = asyncio.Event()
        self._first_sent = 0.0

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        """Speak (16 kHz), until it was sent; when its first and its last sample were."""
        self._said.clear()
        self._first_sent = 0.0
        self._speech = pcm
        await self._said.wait()
        return self._first_sent, self._first_sent + len(pcm) / SPEECH_RATE

    async def type(self, text: str) -> None:
        """Send a typed turn."""
        await self._socket.send(json.dumps({"type": "text", "text": text}))

    def vanish(self) -> None:
        """Like a killed program: the connection is cut without a goodbye."""
        self._socket.transport.abort()

    async def talk(self) -> None:
        """The microphone: a frame every 20 ms, for ever."""
        loop = asyncio.get_running_loop()
        size, due = round(FRAME_S * SPEECH_RATE), loop.time()
        with suppress(ConnectionClosed):
            while True:
                frame, self._speech = self._speech[:size], self._speech[size:]
                if len(frame) and not self._first_sent:
                    self._first_sent = loop.time()
                data = base64.b64encode(to_bytes(np.pad(frame, (0, size - len(frame))))).decode()
                await self._socket.send(json.dumps({"type": "audio", "data": data}))
                if len(frame) and not len(self._speech):
                    self._said.set()
                due += FRAME_S
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def listen(self) -> None:
        """What the app says, until it closes the socket."""
        with suppress(ConnectionClosed):
            async for frame in self._socket:
                message = json.loads(frame)
                if message["type"] in ("audio", "tts_audio"):
                    self.heard.add(from_bytes(base64.b64decode(message["data"])), SPEECH_RATE)


@asynccontextmanager
async def over_webrtc(app: AppProcess, engine: str) -> AsyncIterator[Caller]:
    """A call as the page makes it, once it is heard. Raises what httpx and aiortc raise, and TimeoutError."""
    conversation, heard, turns = Conversation(), HeardSound(), TurnSettings()
    detection = turns.detection.value if engine == REALTIME else None  # what the other tab does not offer
    wanted = {
        **identity_of(conversation),
        "patience": turns.silence_s,
        "mode": TurnMode.AUTOMATIC.value,
        "detection": detection,
    }
    rtc = RtcCaller(
        app.url,
        f"{engine}-mic",
        wanted,
        cookies=app.http.cookies,
        on_sound=lambda pcm: heard.add(pcm, WIRE_RATE),
    )
    before = (await app.figures()).total("voice_agents_calls_total", transport="webrtc")
    async with rtc:
        await app.until(
            lambda figures: figures.total("voice_agents_calls_total", transport="webrtc") > before, CONNECTED_WITHIN_S
        )
        yield WebRtcCaller(rtc, conversation, heard, engine)


@asynccontextmanager
async def over_socket(app: AppProcess, engine: str) -> AsyncIterator[Caller]:
    """A hands-free call to the API. Raises what websockets raises."""
    url = f"{app.url.replace('http', 'ws', 1)}/ws/{engine}?turns=automatic"
    headers = {"Authorization": f"Bearer {app.password}"}
    async with connect(url, additional_headers=headers, max_size=None, proxy=None) as socket:
        told = json.loads(await socket.recv())
        caller = SocketCaller(socket, conversation_of(told["conversation"]))
        tasks = [asyncio.create_task(caller.talk()), asyncio.create_task(caller.listen())]
        try:
            yield caller
            with suppress(ConnectionClosed):
                await socket.send('{"type": "stop"}')
                await asyncio.wait([tasks[1]], timeout=5.0)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
