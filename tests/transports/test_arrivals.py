"""A caller's packets: each as soon as it comes, in order, and a lost one delays nothing that comes later."""

from __future__ import annotations

import random

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given

from tests.chance import SEEDS
from voice_agents.transports.arrivals import OVERTAKEN, Arrivals


class Receiver:
    """Notes what is handed on, and with which packet."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.arrivals = Arrivals(lambda packet: self.heard.append(packet.timestamp))

    def come(self, *numbers: int) -> list[int]:
        """What is handed on when these come, one after the other."""
        before = len(self.heard)
        for number in numbers:
            packet = RtpPacket(sequence_number=number % 0x10000, timestamp=number)
            packet._data = b"x"
            _, frame = self.arrivals.add(packet)
            if frame is not None:
                self.heard.append(frame.timestamp)
        return self.heard[before:]


@pytest.mark.parametrize("first", [0, 1, 30_000, 65_533])
def test_what_comes_in_order_is_handed_on_at_once(first: int) -> None:
    receiver = Receiver()
    for number in range(first, first + 10):
        assert receiver.come(number) == [number]


def test_what_is_overtaken_is_put_in_order() -> None:
    receiver = Receiver()
    assert receiver.come(0, 2, 3) == [0]
    assert receiver.come(1) == [1, 2, 3]
    assert receiver.come(4) == [4]


def test_a_lost_packet_is_waited_for_once_and_delays_nothing_after_that() -> None:
    receiver = Receiver()
    assert receiver.come(0, *range(2, 2 + OVERTAKEN)) == [0]
    assert receiver.come(2 + OVERTAKEN) == list(range(2, 3 + OVERTAKEN))
    assert receiver.come(3 + OVERTAKEN) == [3 + OVERTAKEN]
    assert receiver.come(1) == [], "it was given up"


def test_a_sender_that_begins_to_count_anew_is_heard() -> None:
    receiver = Receiver()
    receiver.come(10, 11, 13)
    assert receiver.come(40_000) == [40_000]
    assert receiver.come(40_001) == [40_001]


@given(seed=SEEDS)
def test_over_a_bad_network_everything_is_handed_on_in_order_once_and_soon(seed: int) -> None:
    dice, receiver = random.Random(seed), Receiver()
    late = {number: number + (dice.random() < 0.1) * dice.uniform(0, 2.9) for number in range(65_400, 65_700)}
    lost = {number for number in late if dice.random() < 0.05}
    come = sorted((at, number) for number, at in late.items() if number not in lost and number > 65_405)
    receiver.come(*range(65_400, 65_406))
    newest = 0
    for _, number in come:
        receiver.come(number)
        newest = max(newest, number)
        assert newest - receiver.heard[-1] <= OVERTAKEN + 2 * len(lost)
    assert receiver.heard == sorted(set(receiver.heard))
    assert len(receiver.heard) >= len(come) * 0.95
