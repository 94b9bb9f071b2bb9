"""A browser without a browser: calls the page's microphone component over real WebRTC (aiortc)."""

from __future__ import annotations

import asyncio
import builtins
import json
import secrets
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import av
import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack
from websockets.asyncio.client import connect

from voice_agents.audio import EMPTY, Pcm

RATE = 48_000
FRAME = RATE // 50


class FedMicrophone(AudioStreamTrack):
    """Sends what it is given in real time, and silence like a browser when it has nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._unsent = EMPTY
        self._sent = 0
        self._started = 0.0

    def say(self, pcm: Pcm) -> None:
        """Samples at 48 kHz to send next."""
        self._unsent = np.concatenate([self._unsent, pcm])

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self._started = self._started or loop.time()
        await asyncio.sleep(max(0.0, self._started + self._sent / RATE - loop.time()))
        chunk, self._unsent = self._unsent[:FRAME], self._unsent[FRAME:]
        samples = np.pad(chunk, (0, FRAME - len(chunk)))
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._sent, Fraction(1, RATE)
        self._sent += FRAME
        return frame


class RtcCaller:
    """One call to the component ``elem_id`` of the page at ``url``, with what its page wants.

    ``headers``: of every request, as of a proxy; ``cookies``: of a login. ``on_sound`` gets the samples as they come,
    mono at 48 kHz.
    """

    tells = True
    """What it wants, as every page does."""

    def __init__(
        self,
        url: str,
        elem_id: str,
        wanted: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        cookies: httpx.Cookies | None = None,
        on_sound: Callable[[Pcm], None] = lambda _pcm: None,
    ) -> None:
        self.microphone = FedMicrophone()
        self.messages: list[dict[str, Any]] = []
        self._elem_id = elem_id
        self._url, self._headers = url, dict(headers or {})
        self._wanted = wanted
        self._on_sound = on_sound
        self._http = httpx.AsyncClient(base_url=url, timeout=10, headers=headers, cookies=cookies)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._id = secrets.token_hex(16)
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: list[Pcm] = []
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._config = (await self._http.get("/config")).raise_for_status().json()
        self._component = self._component_of(self._elem_id)
        self._connect_peer()
        try:
            await self._offer()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: builtins.type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def heard(self) -> Pcm:
        """All samples received so far, mono at 48 kHz; gaps between packets are not filled."""
        return np.concatenate([EMPTY, *self._heard])

    async def hears(self, at_least_s: float, within_s: float = 15.0) -> Pcm:
        """Wait until that much *audible* sound has come; returns everything heard so far."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: np.count_nonzero(np.abs(self.heard) > 200) >= at_least_s * RATE * 0.5)
        return self.heard

    async def told(self, kind: str, within_s: float = 15.0) -> dict[str, Any]:
        """Wait for a data channel message of this type ("end_stream" ...)."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: any(message["type"] == kind for message in self.messages))
        return next(message for message in self.messages if message["type"] == kind)

    async def type(self, kind: str, text: str) -> None:
        """Write into the text box of this engine's tab and press Enter, as a window of the same conversation."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        headers = {**self._headers, **({"Cookie": cookies} if cookies else {})}
        address = self._url.replace("http", "ws", 1) + "/page/window"
        said = {"do": "say", "kind": kind, "text": text, **self._wanted}
        async with connect(address, additional_headers=headers, proxy=None) as window:
            for message in ({"do": "open", **self._wanted}, said, {"do": "ping"}):
                await window.send(json.dumps(message))
            while json.loads(await window.recv())["type"] != "pong":
                pass

    def _component_of(self, elem_id: str) -> int:
        return int(next(c for c in self._config["components"] if c["props"].get("elem_id") == elem_id)["id"])

    async def vanish(self) -> None:
        """Like a killed browser: no more packets, no goodbye."""
        self.microphone.stop()
        for transceiver in self._peer.getTransceivers():
            await transceiver.sender.transport.transport._connection.close()

    def _connect_peer(self) -> None:
        self._peer.addTrack(self.microphone)
        channel = self._peer.createDataChannel("text")
        channel.on("open", lambda: channel.send("handshake"))
        channel.on("message", lambda text: self._start(self._on_message(json.loads(text))))
        self._peer.on("track", lambda track: self._start(self._listen(track)))

    async def _offer(self) -> None:
        await self._peer.setLocalDescription(await self._peer.createOffer())
        local = self._peer.localDescription
        offer = {"sdp": local.sdp, "type": local.type, "webrtc_id": self._id}
        if self.tells:
            offer["wanted"] = self._wanted
        answer = await self._call("offer", offer)
        if "sdp" not in answer:
            raise ConnectionError(str(answer))
        await self._peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))

    async def _call(self, function: str, data: Any) -> Any:
        body = {"data": data, "component_id": self._component, "fn_name": function, "session_hash": self._id}
        return (await self._http.post("/gradio_api/component_server", json=body)).raise_for_status().json()

    async def _on_message(self, message: dict[str, Any]) -> None:
        async with self._news:
            self.messages.append(message)
            self._news.notify_all()

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                samples = frame.to_ndarray().reshape(-1, 2)[:, 0]
                self._on_sound(samples)
                async with self._news:
                    self._heard.append(samples)
                    self._news.notify_all()
        except MediaStreamError:
            return

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        await self._peer.close()
        for task in tuple(self._tasks):
            task.cancel()
        await self._http.aclose()
