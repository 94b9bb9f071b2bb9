"""Takes browsers' offers of a call: a place is held only by what becomes one, and a call is known by an id of ours.

fastrtc 0.0.34 counts a connection before it has looked at the offer and forgets to uncount one that fails, so sixty
bad offers ended all calls until a restart; one without a microphone, or one that never said what it wants, was kept for
as long as its sender liked. It knows a call by the short word its page made up, and tells whether a word is in use.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from aiortc import RTCPeerConnection
from aiortc.sdp import candidate_from_sdp
from fastrtc import WebRTC

from voice_agents.transports.arrivals import hear_at_once
from voice_agents.transports.visitors import visitor_address

log = logging.getLogger(__name__)

HALF_OPEN_S = 15.0
"""For a peer that was answered to connect."""
CONTROLS_S = 10.0
"""For a connected one to say what it wants to talk to."""
LARGEST_OFFER = 64_000
MOST_CANDIDATES = 50
"""Addresses one peer may be tried at: every one costs packets, to wherever it says."""
ANSWERED_AT_ONCE = 4
"""An answer takes the event loop some 20 ms, which the calls that are going on must not hear."""
LONGEST_LINE = 40
ENCODER = "_RTCRtpSender__encoder"
"""Where aiortc 1.16.0 keeps it."""
OF_ONE_ADDRESS = 20
"""Offers that wait for that, half a second at most behind those of one address."""

_MEDIA = re.compile(r"^m=(\S*)", re.MULTILINE)
_MEDIA_BEGINS = re.compile(r"^m=", re.MULTILINE)
_CANDIDATE = re.compile(r"^a=candidate", re.MULTILINE)
_FINGERPRINT = re.compile(r"^a=fingerprint:\S+ \S+\r?$", re.MULTILINE)
_ONE_MICROPHONE = (["audio"], ["application", "audio"])


def _failed(sentence: str) -> dict[str, Any]:
    return {"status": "failed", "meta": {"error": sentence}}


_UNSOUND = _failed("The call could not be understood. Please reload the page.")
_CROWDED = _failed("Too many calls are being set up at the moment. Please press the button again in a few seconds.")
_TAKEN = {"status": "success"}

Outputs = Callable[[Any], None]


class Talker(Protocol):
    """The part of a call's handler that is asked here."""

    @property
    def talking(self) -> bool:
        """It has a session, or waits for one, and is not over."""


@dataclass(slots=True, eq=False)
class _Call:
    """A connection. ``name``: what its page calls it; others may use the same, and learn and reach nothing by it."""

    name: str
    address: str
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Its page has said what it wants to talk to, or it is over."""
    answered: bool = False
    """Before that it cannot be closed: it would go on opening sockets."""
    candidates: int = 0


class Switchboard:
    """All connections of one button: from the offer to the end."""

    def __init__(self, button: WebRTC, places: int) -> None:
        """Before ``button.stream()``; takes the place of whatever fastrtc does with ids."""
        self._button = button
        self._places = places
        self._answer, self._clean_up = button.handle_offer, button.clean_up
        self._calls: dict[str, _Call] = {}
        self._in_work = asyncio.Semaphore(ANSWERED_AT_ONCE)
        self._line: Counter[str] = Counter()
        """Who waits for an answer, by address."""
        self._asides: set[asyncio.Task[None]] = set()
        button.handle_offer = self._handle
        button.offer = _for_browsers(self._offer)
        button.quit_output_stream = _for_browsers(self._quit)
        button.clean_up = self._over
        button.connection_timeout = self._see_to
        button.set_input_gradio = button.set_input_on_submit = self._tell

    async def _offer(self, body: Any) -> Any:
        return await self._button.handle_offer(body, lambda _outputs: None)

    async def _quit(self, _body: Any) -> dict[str, bool]:
        return {"success": True}  # nothing is ever sent that way

    async def _handle(self, body: Any, _outputs: Outputs) -> Any:
        """An offer, or one more address a peer may be tried at. The answer says nothing about names in use."""
        if not _is_sound(body):
            return _UNSOUND
        if body["type"] == "ice-candidate":
            self._try_at(body["webrtc_id"], body["candidate"])
            return _TAKEN
        address = visitor_address()
        if self._line.total() >= LONGEST_LINE or self._line[address] >= OF_ONE_ADDRESS:
            return _CROWDED
        self._line[address] += 1
        try:
            async with self._in_work:
                call = _Call(body["webrtc_id"], address)
                answered = await self._connect(call, body["sdp"])
                if call.answered and "wanted" in body:  # pages of ours say so at once
                    self._take(call, [body["wanted"]])
                return answered
        finally:
            self._line -= Counter([address])  # which forgets who waits no more

    async def _connect(self, call: _Call, sdp: str) -> Any:
        if not await self._make_room():
            return _CROWDED
        self._calls[call.id] = call
        try:
            answered = await self._answer({"webrtc_id": call.id, "type": "offer", "sdp": sdp}, lambda _outputs: None)
        except Exception as error:
            log.info("an offer was refused: %s", type(error).__name__)
            await self._let_go(call)
            return _UNSOUND
        except BaseException:
            await self._let_go(call)
            raise
        if call.id not in self._button.connections:  # its microphone only listens
            await self._let_go(call)
            return _UNSOUND
        call.answered = True
        peer = self._button.pcs[call.id]
        peer.on("connectionstatechange", partial(_free_encoders, peer))
        for receiver in peer.getReceivers():
            hear_at_once(receiver)
        return answered

    async def _make_room(self) -> bool:
        """Who is not talking yet makes room for the next one: first the oldest of the address that has most of them."""
        while len(self._calls) >= self._places:
            waiting = [call for call in self._calls.values() if call.answered and not self._is_talking(call)]
            if not waiting:
                return False
            crowds = Counter(call.address for call in waiting)
            await self._let_go(max(waiting, key=lambda call: crowds[call.address]))
        return True

    def _is_talking(self, call: _Call) -> bool:
        talker: Talker | None = self._button.handlers.get(call.id)
        return talker is not None and talker.talking

    def _named(self, name: str) -> _Call | None:
        """The first of this name: whoever takes the name of another call gets nothing that is meant for that."""
        return next((call for call in self._calls.values() if call.name == name), None)

    async def _tell(self, name: Any, *controls: Any) -> None:
        """A page says what its call wants to talk to; once."""
        call = self._named(name) if isinstance(name, str) else None
        if call is not None:
            self._take(call, controls)

    def _take(self, call: _Call, controls: Sequence[Any]) -> None:
        if not call.told.is_set():
            call.told.set()
            for track in self._button.connections.get(call.id, ()):
                track.set_args([call.id, *controls])

    def _try_at(self, name: str, candidate: dict[str, Any]) -> None:
        call = self._named(name)
        if call is not None and call.candidates < MOST_CANDIDATES and call.id in self._button.pcs:
            call.candidates += 1
            aside = asyncio.create_task(_add_candidate(self._button.pcs[call.id], candidate))
            self._asides.add(aside)
            aside.add_done_callback(self._asides.discard)

    async def _see_to(self, _peer: RTCPeerConnection, call_id: str, _time_limit_s: float) -> None:
        """Close a peer that does not connect, or does not say what it wants."""
        call = self._calls.get(call_id)
        if call is None:
            return
        try:
            async with asyncio.timeout(HALF_OPEN_S):
                await self._button.connection_timeouts[call_id].wait()
            async with asyncio.timeout(CONTROLS_S):
                await call.told.wait()
        except TimeoutError:
            await self._let_go(call)

    def _over(self, call_id: str) -> Any:
        """fastrtc's ``clean_up``: the connection is gone."""
        if (call := self._calls.pop(call_id, None)) is not None:
            call.told.set()
            self._button.connection_timeouts[call_id].set()
        return self._clean_up(call_id)

    async def _let_go(self, call: _Call) -> None:
        peer = self._button.pcs.get(call.id)
        for track in self._over(call.id):
            track.stop()
        if peer is not None:
            await asyncio.shield(peer.close())


def _free_encoders(peer: RTCPeerConnection) -> None:
    """What is left of an ended peer is a circle of objects; its encoder's threads need not wait for the collector.

    aiortc 1.16.0 calls this when its senders have been stopped.
    """
    if peer.connectionState == "closed":
        for sender in peer.getSenders():
            setattr(sender, ENCODER, None)


def _for_browsers(function: Callable[..., Any]) -> Callable[..., Any]:
    """gradio lets browsers call what is marked so, by its name."""

    async def called(body: Any) -> Any:
        return await function(body)

    vars(called)["_is_server_fn"] = True
    return called


async def _add_candidate(peer: RTCPeerConnection, told: dict[str, Any]) -> None:
    with suppress(Exception):  # of a sender who may write what he likes
        candidate = candidate_from_sdp(str(told["candidate"]).removeprefix("candidate:"))
        candidate.sdpMid, candidate.sdpMLineIndex = told.get("sdpMid"), told.get("sdpMLineIndex")
        await peer.addIceCandidate(candidate)


def _is_sound(body: Any) -> bool:
    if not isinstance(body, dict) or not isinstance(name := body.get("webrtc_id"), str) or not 0 < len(name) <= 64:
        return False
    if body.get("type") == "ice-candidate":
        return isinstance(body.get("candidate"), dict)
    sdp = body.get("sdp")
    return body.get("type") == "offer" and isinstance(sdp, str) and len(sdp) <= LARGEST_OFFER and _is_one_call(sdp)


def _is_one_call(sdp: str) -> bool:
    """One microphone and at most one data channel: every further line would open sockets of its own.

    Each with a fingerprint, for which aiortc looks when it has answered and nobody hears it complain.
    """
    if sorted(_MEDIA.findall(sdp)) not in _ONE_MICROPHONE or len(_CANDIDATE.findall(sdp)) > MOST_CANDIDATES:
        return False
    shared, *parts = (_FINGERPRINT.search(part) for part in _MEDIA_BEGINS.split(sdp))
    return shared is not None or all(parts)
