"""A caller's RTP packets as they come: in order and at once, since a detector and a recogniser need no even flow.

aiortc 1.16.0 holds every packet back until four more have come (80 ms) and the next one has begun (20 ms), waits for a
lost one until sixteen have come, and is that much later (0.3 s) for the rest of the call. A loudspeaker needs that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add

OVERTAKEN = 3
"""Packets of 20 ms that may come before one they have overtaken; then that is lost."""
ANOTHER_STREAM = 100
"""A packet whose number is further away begins to count anew."""

Deliver = Callable[[RtpPacket], None]


class Arrivals:
    """Takes the place of aiortc's jitter buffer in a receiver of sound, where every packet is a frame of its own."""

    def __init__(self, deliver: Deliver) -> None:
        """``deliver`` gets what comes free beside the packet that :meth:`add` returns, before that."""
        self._deliver = deliver
        self._next: int | None = None
        self._early: dict[int, RtpPacket] = {}
        """What has overtaken the next one."""

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Whether a picture is to be sent anew (never), and the packet's frame if it is its turn."""
        ready = self._in_order(packet)
        for earlier in ready[:-1]:
            self._deliver(earlier)
        return False, frame_of(ready[-1]) if ready else None

    def _in_order(self, packet: RtpPacket) -> list[RtpPacket]:
        number = packet.sequence_number
        if self._next is None or min(self._ahead(number), 0x10000 - self._ahead(number)) > ANOTHER_STREAM:
            self._next = number
            self._early.clear()
        if self._ahead(number) > ANOTHER_STREAM:
            return []  # it was given up
        self._early[number] = packet
        ready: list[RtpPacket] = []
        while self._early:
            if self._next not in self._early:
                if len(self._early) <= OVERTAKEN:
                    break
                self._next = min(self._early, key=self._ahead)
            ready.append(self._early.pop(self._next))
            self._next = uint16_add(self._next, 1)
        return ready

    def _ahead(self, number: int) -> int:
        assert self._next is not None
        return int(uint16_add(number, -self._next))


def frame_of(packet: RtpPacket) -> JitterFrame:
    """What a packet holds, as aiortc decodes it."""
    return JitterFrame(data=packet._data, timestamp=packet.timestamp)


def hear_at_once(receiver: RTCRtpReceiver) -> None:
    """From the next packet on; by private names of aiortc 1.16.0."""
    inside: dict[str, Any] = vars(receiver)

    def deliver(packet: RtpPacket) -> None:
        frame = frame_of(packet)
        frame.timestamp = inside["_RTCRtpReceiver__timestamp_mapper"].map(frame.timestamp)
        codec = inside["_RTCRtpReceiver__codecs"][packet.payload_type]
        inside["_RTCRtpReceiver__decoder_queue"].put((codec, frame))

    inside["_RTCRtpReceiver__jitter_buffer"] = Arrivals(deliver)
