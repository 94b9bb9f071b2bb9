"""What is heard of an answer, whatever the provider, the user and the clock do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given

from tests.chance import SEEDS
from voice_agents.audio import Pcm
from voice_agents.turns.playout import Frame, Playout

RATE = 24_000
FRAME = 480


def ramp(samples: int, start: int = 0) -> Pcm:
    """Audio whose samples say where they belong."""
    return (np.arange(start, start + samples) % 30_000).astype(np.int16)


@dataclass
class Speaker:
    """A perfect player: plays frames one after the other at real time, drops its queue when told to stop."""

    queue: list[Frame] = field(default_factory=list)
    played: list[int] = field(default_factory=list)
    at: float = 0.0
    offset: int = 0
    """Samples of the first queued frame that are played already."""

    def run_until(self, now: float) -> None:
        """Play what fits."""
        left = round((now - self.at) * RATE)
        self.at = now
        while left > 0 and self.queue:
            frame = self.queue[0]
            part = frame.pcm[self.offset : self.offset + left]
            self.played += part.tolist()
            left -= len(part)
            self.offset += len(part)
            if self.offset == len(frame.pcm):
                self.queue.pop(0)
                self.offset = 0

    def stop(self) -> None:
        """Drop what is stale."""
        self.queue.clear()
        self.offset = 0


def filled(seconds: float, now: float = 0.0, **options: float) -> Playout:
    playout = Playout(**options)  # pyrefly: ignore[bad-argument-type]
    playout.begin(now)
    playout.add(ramp(round(seconds * RATE)))
    playout.finish()
    return playout


def test_only_the_lead_is_handed_out_ahead_of_real_time() -> None:
    playout = filled(1.0)
    assert [frame.position for frame in playout.due(0.0)] == [0, 480, 960, 1440, 1920, 2400]
    assert playout.due(0.01) == []
    assert [frame.position for frame in playout.due(0.02)] == [2880]


def test_waking_when_told_hands_out_exactly_the_next_frame() -> None:
    playout = filled(0.5, now=100.0)
    now, positions = 100.0, [frame.position for frame in playout.due(100.0)]
    while not playout.done(now):
        wake = playout.wake_at(now)
        assert wake is not None and wake > now
        now = wake
        frames = playout.due(now)
        assert len(frames) == 1 or playout.done(now)
        positions += [frame.position for frame in frames]
    assert positions == list(range(0, 12_000, FRAME))
    assert now == pytest.approx(100.5)


def test_without_lead_frames_follow_each_other_without_a_pause() -> None:
    playout = filled(0.1, lead_s=0.0)
    positions = [frame.position for step in range(6) for frame in playout.due(step * 0.02)]
    assert positions == [0, 480, 960, 1440, 1920]


def test_a_slow_provider_makes_a_gap_and_no_burst() -> None:
    playout = Playout()
    playout.begin(0.0)
    playout.add(ramp(4800))
    playout.due(0.0)
    playout.due(0.1)
    assert playout.position(1.0) == 4800
    assert playout.wake_at(1.0) is None
    playout.add(ramp(24_000, 4800))
    assert playout.wake_at(1.0) == 1.0
    assert len(playout.due(1.0)) == 6
    assert playout.position(1.1) == 4800 + 2400


def test_a_part_of_a_frame_waits_for_the_rest_or_the_end() -> None:
    playout = Playout()
    playout.begin(0.0)
    playout.add(ramp(500))
    assert [len(frame.pcm) for frame in playout.due(0.0)] == [480]
    playout.finish()
    assert [len(frame.pcm) for frame in playout.due(0.0)] == [20]
    assert not playout.done(0.02)
    assert playout.done(500 / RATE)


def test_pause_and_resume_go_on_from_the_same_sample() -> None:
    playout = filled(1.0)
    playout.due(0.0)
    assert playout.pause(0.05) == 1200
    assert playout.epoch == 1
    assert playout.paused and playout.due(3.0) == [] and playout.wake_at(3.0) is None
    assert playout.position(3.0) == 1200
    assert playout.pause(4.0) == 1200 and playout.epoch == 1
    assert playout.resume() == 1200
    assert playout.due(5.0)[0].position == 1200
    assert playout.position(5.02) == 1680


def test_an_answer_held_before_its_first_sample_starts_at_zero_when_released() -> None:
    playout = Playout()
    playout.begin(0.0)
    playout.pause(0.1)
    playout.add(ramp(4800))
    assert playout.due(0.2) == []
    playout.resume()
    assert playout.due(0.3)[0].position == 0


def test_after_cancel_nothing_comes_and_where_it_stopped_stays_known() -> None:
    playout = filled(1.0)
    playout.due(0.0)
    assert playout.cancel(0.06) == 1440
    playout.add(ramp(4800))
    assert playout.due(1.0) == [] and playout.done(1.0)
    assert playout.position(1.0) == 1440
    assert playout.epoch == 1


def test_a_new_turn_makes_what_still_plays_stale() -> None:
    playout = filled(1.0)
    playout.due(0.0)
    playout.begin(0.1)
    assert playout.epoch == 1
    assert playout.position(0.2) == 0
    playout.begin(0.3)
    playout.finish()
    assert playout.done(0.3)
    epoch = playout.epoch
    playout.begin(0.4)
    assert playout.epoch == epoch


@given(seed=SEEDS)
def test_whatever_happens_every_sample_is_played_once_and_in_order(seed: int) -> None:
    rng = random.Random(seed)
    total = rng.randrange(1, 3 * RATE)
    playout, speaker = Playout(lead_s=rng.choice([0.0, 0.03, 0.12, 0.5])), Speaker()
    now, given = 5.0, 0
    speaker.at = now
    playout.begin(now)
    while not playout.done(now):
        if given < total and rng.random() < 0.3:
            size = min(rng.randrange(1, 20_000), total - given)
            playout.add(ramp(size, given))
            given += size
        if given == total:
            playout.finish()
        speaker.queue += playout.due(now)
        now += rng.choice([0.001, 0.01, 0.02, 0.1])
        speaker.run_until(now)
        assert abs(playout.position(now) - len(speaker.played)) <= FRAME
        if rng.random() < 0.1:
            position = playout.pause(now)
            speaker.played = speaker.played[:position]
            assert position - len(speaker.played) <= 2
            speaker.stop()
            now += rng.random()
            speaker.at = now
            assert playout.resume() == position
        if rng.random() < 0.01:
            break
    position = playout.cancel(now)
    speaker.run_until(now)
    assert np.array_equal(np.array(speaker.played[:position]), ramp(total)[: len(speaker.played[:position])])


def test_a_turn_that_seemed_finished_and_goes_on_is_played_to_its_real_end() -> None:
    playout = Playout(RATE, lead_s=10.0, frame=FRAME)
    playout.begin(0.0)
    playout.add(ramp(FRAME))
    playout.finish()
    playout.expect_more()
    assert [frame.position for frame in playout.due(0.0)] == [0]
    assert not playout.done(1.0)
    playout.add(ramp(FRAME, FRAME))
    assert [frame.position for frame in playout.due(1.0)] == [FRAME]
    playout.finish()
    assert playout.done(2.0)
