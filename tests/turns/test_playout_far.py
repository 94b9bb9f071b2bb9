"""A player at the end of a network, which reports how far it is: what counts as heard is what was heard there."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given

from tests.chance import SEEDS
from voice_agents.turns.playout import FURTHEST_BEHIND_S, UNTOLD_S, Frame, Playout

RATE = 24_000
STEP_S = 0.005
REPORT_S = 0.1
LEAD_S = 0.12


@dataclass
class FarPlayer:
    """A browser: ``way_s`` away, plays in order, reports ten times a second, is asked to stop ``way_s`` late too.

    Between ``away`` the network carries nothing; what was sent then arrives afterwards, in order.
    """

    playout: Playout
    way_s: float
    away: tuple[float, float] = (0.0, 0.0)
    played: list[int] = field(default_factory=list)
    position: int = 0
    longest_queue: int = 0
    epoch: int = 0
    _coming: list[tuple[float, Frame | int, int]] = field(default_factory=list)
    _queue: list[tuple[int, Frame]] = field(default_factory=list)
    _going: list[tuple[float, int, int]] = field(default_factory=list)
    _reported_at: float = 0.0

    def arrives(self, sent_at: float) -> float:
        begin, end = self.away
        at = sent_at + self.way_s
        return max(at, end + self.way_s) if begin <= sent_at < end else at

    def send(self, frame: Frame, now: float) -> None:
        self._coming.append((self.arrives(now), frame, self.playout.epoch))

    def stop(self, now: float) -> None:
        """The server says that all before its present epoch is stale."""
        self._coming.append((self.arrives(now), -1, self.playout.epoch))

    def step(self, now: float) -> None:
        """From ``now`` on for ``STEP_S``."""
        while self._coming and self._coming[0][0] <= now:
            _, what, epoch = self._coming.pop(0)
            if isinstance(what, Frame):
                self._queue.append((epoch, what))
            else:
                self._queue.clear()
                self.report(now)
        self._play(round(STEP_S * RATE))
        self.longest_queue = max(self.longest_queue, sum(len(frame.pcm) for _, frame in self._queue))
        if now - self._reported_at >= REPORT_S and self.played:
            self.report(now)
        while self._going and self._going[0][0] <= now:
            _, epoch, position = self._going.pop(0)
            self.playout.played(epoch, position, now)

    def report(self, now: float) -> None:
        self._reported_at = now
        self._going.append((self.arrives(now), self.epoch, self.position))

    def _play(self, left: int) -> None:
        while left and self._queue:
            self.epoch, frame = self._queue.pop(0)
            part, rest = frame.pcm[:left], frame.pcm[left:]
            self.played += part.tolist()
            self.position = frame.position + len(part)
            left -= len(part)
            if len(rest):
                self._queue.insert(0, (self.epoch, Frame(rest, self.position)))


def ramp(samples: int) -> np.ndarray:
    return (np.arange(samples) % 30_000).astype(np.int16)


def speaking(seconds: float = 5.0) -> Playout:
    """A turn of so many seconds, to a player that reports."""
    playout = Playout(lead_s=LEAD_S)
    playout.set_reporting(True)
    playout.begin(0.0)
    playout.add(ramp(round(seconds * RATE)))
    playout.finish()
    return playout


def run(playout: Playout, player: FarPlayer, begin: float, end: float) -> float:
    """Server and player from ``begin`` to ``end``, or to the end of the turn; where time stands then."""
    steps = round((end - begin) / STEP_S)
    for step in range(steps):
        now = begin + step * STEP_S
        for frame in playout.due(now):
            player.send(frame, now)
        player.step(now)
        if playout.done(now):
            return now
    return begin + steps * STEP_S


@pytest.mark.parametrize("way_s", [0.0, 0.03, 0.15, 0.4])
def test_what_counts_as_heard_is_what_the_player_has_played(way_s: float) -> None:
    playout = speaking()
    player = FarPlayer(playout, way_s)
    now = run(playout, player, 0.0, 2.5)
    assert abs(playout.position(now) - player.position) <= (way_s + 2 * STEP_S) * RATE


def test_without_its_word_a_far_player_would_be_taken_to_have_heard_more() -> None:
    playout = speaking()
    playout.set_reporting(False)
    player = FarPlayer(playout, 0.4)
    now = run(playout, player, 0.0, 2.5)
    assert playout.position(now) - player.position >= 0.39 * RATE


@given(SEEDS)
def test_after_every_pause_it_goes_on_with_the_very_next_sample(seed: int) -> None:
    chance = random.Random(seed)
    playout = speaking()
    player = FarPlayer(playout, chance.choice([0.0, 0.02, 0.1, 0.2]))
    now = 0.0
    for _ in range(3):
        now = run(playout, player, now, now + chance.uniform(0.5, 1.2))
        playout.pause(now)
        player.stop(now)
        now = run(playout, player, now, now + 2 * player.way_s + 0.1)
        playout.resume()
    run(playout, player, now, now + 20.0)
    assert player.played == ramp(5 * RATE).tolist()


def test_after_a_stall_of_the_network_no_more_waits_at_the_player_than_before() -> None:
    playout = speaking(8.0)
    player = FarPlayer(playout, 0.05, away=(1.0, 3.0))
    now = run(playout, player, 0.0, 4.5)
    assert abs(playout.position(now) - player.position) <= 0.1 * RATE
    player.longest_queue = 0
    now = run(playout, player, now, now + 1.0)
    assert player.longest_queue <= (LEAD_S + 0.05) * RATE
    run(playout, player, now, now + 20.0)
    assert player.played == ramp(8 * RATE).tolist()


def test_while_nothing_is_told_no_more_than_a_second_is_taken_as_heard() -> None:
    playout = speaking()
    player = FarPlayer(playout, 0.05, away=(1.0, 4.0))
    now = run(playout, player, 0.0, 3.9)
    assert playout.position(now) <= (1.0 + UNTOLD_S) * RATE
    assert not playout.done(now)


def test_a_turn_ends_without_a_player_that_has_stopped_for_good() -> None:
    playout = speaking(2.0)
    now = 0.0
    wakes = 0
    while not playout.done(now):
        playout.due(now)
        wake = playout.wake_at(now)
        assert wake is not None and (wake > now or playout.done(now)), "waking at once again and again burns a core"
        now = wake
        wakes += 1
    assert now == pytest.approx(2.0 + FURTHEST_BEHIND_S)
    assert wakes <= 150


def test_the_turn_is_done_when_the_player_is() -> None:
    playout = speaking(2.0)
    player = FarPlayer(playout, 0.3)
    now = run(playout, player, 0.0, 10.0)
    assert len(player.played) >= 1.99 * RATE
    assert now == pytest.approx(2.6, abs=0.05)  # the way there, and the last word's way back


def test_late_words_about_another_epoch_change_nothing() -> None:
    playout = speaking()
    player = FarPlayer(playout, 0.02)
    now = run(playout, player, 0.0, 1.0)
    stopped = playout.pause(now)
    playout.played(playout.epoch - 2, 5, now)
    playout.played(playout.epoch, 5, now)
    assert playout.resume() == stopped
    playout.played(playout.epoch - 1, 5, now)
    assert playout.position(now) == stopped


def test_nobody_can_have_heard_what_was_not_handed_out() -> None:
    playout = speaking()
    handed = sum(len(frame.pcm) for frame in playout.due(0.0))
    playout.played(playout.epoch, 10**9, 0.05)
    assert playout.position(0.05) <= handed
    playout.pause(0.06)
    playout.played(playout.epoch - 1, 10**9, 0.07)
    assert playout.resume() == handed
    playout.pause(0.08)
    playout.played(playout.epoch - 1, -5, 0.09)
    assert playout.resume() == 0


def test_another_player_that_tells_nothing_is_paced_by_the_clock_again() -> None:
    playout = speaking()
    player = FarPlayer(playout, 0.3)
    now = run(playout, player, 0.0, 1.0)
    playout.set_reporting(False)
    playout.cancel(now)
    playout.begin(now)
    playout.add(ramp(RATE))
    assert len(playout.due(now)) == 6
    assert playout.position(now + 0.05) == round(0.05 * RATE)


def test_a_player_known_to_be_late_is_sent_as_much_as_soon_and_has_heard_less() -> None:
    here, late = speaking(), speaking()
    here.set_reporting(False)
    late.set_reporting(False, late_s=0.06)
    for step in range(200):
        now = step * 0.01
        assert [frame.position for frame in late.due(now)] == [frame.position for frame in here.due(now)]
        assert late.position(now) == max(0, here.position(now) - round(0.06 * RATE))
    assert late.pause(now) == here.pause(now) - round(0.06 * RATE)
    assert late.resume() == late.due(now)[0].position, "what fell silent on its way is said again"


def test_after_a_pause_as_much_is_handed_out_at_once_as_at_first() -> None:
    playout = speaking()
    at_first = len(playout.due(0.0))
    playout.played(playout.epoch, 0, 0.05)
    playout.pause(0.06)
    playout.played(playout.epoch - 1, at_first * 480, 0.065)
    playout.resume()
    assert len(playout.due(0.07)) == at_first
