"""A browser's call over a WebSocket on the page's own port, for where WebRTC does not get through.

The browser's first message says whose call it is and for which conversation; until then the socket has no place.
Afterwards both sides send binary frames of PCM16 as they are spoken, and JSON beside them:

* up: ``{"type": "hello", "kind": ..., "owner": ..., "conversation": ..., ...}``, then samples at the rate it was told;
  ``{"type": "played", "turn": n, "epoch": n, "position": n}``, several times a second and whenever the sound stops.
* down: ``{"type": "opening"}``: it is known whose call it is, and a place is looked for;
  ``{"type": "ready", "input_rate": hz, "output_rate": hz}``; frames of :data:`HEADER` and samples;
  ``{"type": "clear", "epoch": n}``: play nothing of an epoch before ``n``, now;
  ``{"type": "volume", "volume": v}``: play so loud, now, what is held, too; 1.0 after ``clear`` and in another turn;
  ``{"type": "done", "turn": n}``: no more of this answer comes;
  ``{"type": "ended", "text": ...}``: why the call is over, then the socket is closed.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from starlette.websockets import WebSocketDisconnect

from voice_agents.audio import from_bytes, to_bytes
from voice_agents.errors import InvalidInput, VoiceAgentError
from voice_agents.events import AgentAudio, AgentAudioDone, AgentDucked, AgentPaused, AgentResumed, Event, Interrupted
from voice_agents.transports.api.limits import Intake, SocketLimits
from voice_agents.transports.live import Ending, LiveSession, Transport
from voice_agents.transports.socket_call import DONE, SocketCall

PATH = "/page/call"

HEADER = struct.Struct("<III")
"""Before an answer's samples: turn, epoch, and the position of the first sample in the turn."""

LARGEST_MESSAGE = 16_000
"""Bytes; 20 ms of sound are 2 000 at most."""
LIMITS = SocketLimits(first_message_s=10.0, sound_per_s=2.0, sound_burst_s=120.0, messages_per_s=100.0)
"""A browser sends 60 messages a second; after a stall of its network, or of this computer, all those at once."""

NOT_UNDERSTOOD, LOST = 4400, 4408
"""Why a socket is closed. ``LOST``: nothing came for long; the browser may call again by itself."""

_LARGEST_COUNT = 2**32

OpenPageCall = Callable[[Mapping[str, Any]], Coroutine[Any, Any, LiveSession]]
"""The first message -> the session to talk to. Raises VoiceAgentError in a sentence for the page."""


class PageCall(SocketCall):
    """One browser's call; the first message of its socket says whose it is."""

    async def run(self, open_call: OpenPageCall, limits: SocketLimits = LIMITS) -> None:
        """Until the browser hangs up or is gone, or the session ends."""
        await self._carry(self._read(open_call, limits), limits.closing_s)

    # What the session tells

    def hear(self, event: Event) -> None:
        """Send the browser what it plays by: the agent's sound that is not stale, and when to be silent or softer."""
        if self._live is None or self._over.is_set():
            return
        epoch = self._live.session.epoch
        match event:
            case AgentAudio() if event.epoch >= epoch:
                header = HEADER.pack(event.turn, event.epoch, event.position)
                self._box.put(header + to_bytes(event.pcm), sound=True)
            case AgentAudioDone(turn=turn):
                self._box.put({"type": "done", "turn": turn}, sound=True)
            case AgentDucked(volume=volume):
                self._box.put({"type": "volume", "volume": volume})
            case AgentResumed():
                self._box.put({"type": "volume", "volume": 1.0})
            case AgentPaused() | Interrupted():
                self._box.drop_sound()
                self._box.put({"type": "clear", "epoch": epoch})
        if self._box.full:
            self._end("", LOST)

    def ended(self, why: Ending) -> None:
        """No further event comes: the call closes, and the page, the other listener, tells most reasons."""
        lost = why in (Ending.NO_SOUND, Ending.SLEPT, Ending.HANDED_ON)
        self._end(why.sentence if why is Ending.REPLACED else "", LOST if lost else DONE)

    # What the browser says

    async def _read(self, open_call: OpenPageCall, limits: SocketLimits) -> None:
        intake = Intake(limits, asyncio.get_running_loop().time)
        try:
            hello = await self._hello(intake, limits.first_message_s)
            self._box.put({"type": "opening"})
            self._begin(await self._opened(open_call(hello)))
            while not self._over.is_set():
                self._take(await self._next(intake), intake)
        except InvalidInput as error:
            self._end(str(error), NOT_UNDERSTOOD)
        except VoiceAgentError as error:
            self._end(str(error), DONE)
        except WebSocketDisconnect:
            self._over.set()

    async def _hello(self, intake: Intake, within_s: float) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(within_s):
                hello = _message(await self._next(intake))
        except TimeoutError:
            raise InvalidInput("The page did not say whose call this is.") from None
        if hello.get("type") != "hello":
            raise _misunderstood()
        return hello

    async def _opened(self, opens: Coroutine[Any, Any, LiveSession]) -> LiveSession:
        """The session, perhaps after a wait for a place. Until it is ready a browser says nothing, but may leave."""
        opening = asyncio.create_task(opens)
        leaving = asyncio.create_task(self._socket.receive())
        wanted = False
        try:
            await asyncio.wait({opening, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            await asyncio.wait({leaving})
            wanted = leaving.cancelled()
        finally:
            leaving.cancel()
            if not wanted:
                await self._give_back(opening)
        if not wanted:
            raise WebSocketDisconnect if leaving.result()["type"] == "websocket.disconnect" else _misunderstood()
        return opening.result()

    def _begin(self, live: LiveSession) -> None:
        self._live = live
        rates = {"input_rate": live.session.input_rate, "output_rate": live.session.output_rate}
        self._box.put({"type": "ready", **rates})
        live.attach_call(self, reports=True, transport=Transport.WEBSOCKET)

    async def _next(self, intake: Intake) -> str | bytes:
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1006))
        text = received.get("text")
        frame: str | bytes = received["bytes"] if text is None else text
        intake.message(len(frame))
        if len(frame) > LARGEST_MESSAGE:
            raise _misunderstood()
        return frame

    def _take(self, frame: str | bytes, intake: Intake) -> None:
        live = self._live
        if live is None:
            return None
        if isinstance(frame, bytes):
            pcm = from_bytes(frame)
            intake.sound(len(pcm) / live.session.input_rate)
            return live.push_audio(pcm)
        message = _message(frame)
        if message.get("type") != "played":
            raise _misunderstood()
        place = place_of(message)
        return live.do(lambda session: session.played(*place))

    # The end

    def _end(self, sentence: str, code: int) -> None:
        """Say why, and close; the first reason counts. A call that was lost is told nothing: it calls again."""
        self._close_with(code, None if code == LOST else {"type": "ended", "text": sentence})


def place_of(message: Any) -> tuple[int, int, int]:
    """How far a browser has played: turn, epoch and position (samples), as :meth:`Session.played` takes them.

    Raises InvalidInput for what no page of ours sends.
    """
    if not isinstance(message, Mapping):
        raise _misunderstood()
    turn, epoch, position = (_count(message.get(name)) for name in ("turn", "epoch", "position"))
    return turn, epoch, position


def _misunderstood() -> InvalidInput:
    return InvalidInput("The page and the server do not understand each other. Please reload the page.")


def _message(frame: str | bytes) -> Mapping[str, Any]:
    try:
        found = None if isinstance(frame, bytes) else json.loads(frame)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _misunderstood()
    return found


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST_COUNT:
        raise _misunderstood()
    return value
