"""The speaker side of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from tests.stories.clock import play
from voice_agents.session.base import OUTPUT_RATE
from voice_agents.session.speaker import PacedSpeaker
from voice_agents.turns.playout import Frame

FRAME = OUTPUT_RATE // 50
SOUND = np.full(FRAME, 1000, dtype=np.int16)


class Listener:
    def __init__(self) -> None:
        self.news: list[str] = []
        self.over = asyncio.Event()

    def on_frame(self, frame: Frame) -> None:
        self.news.append(f"frame {frame.position}")

    def on_audible(self) -> None:
        self.news.append("audible")

    def on_last_frame(self) -> None:
        self.news.append("last frame")

    def on_played(self) -> None:
        self.news.append("played")
        self.over.set()


async def test_the_first_sound_is_handed_out_without_a_detour() -> None:
    listener = Listener()
    speaker = PacedSpeaker(listener, asyncio.get_running_loop().time, lead_s=FRAME / OUTPUT_RATE)
    speaker.begin()
    speaker.add(np.zeros(FRAME, dtype=np.int16))
    speaker.add(SOUND)
    assert listener.news[0] == "frame 0"
    speaker.cancel()
    speaker.begin()
    speaker.add(SOUND)
    assert listener.news[-2:] == ["frame 0", "audible"]


async def test_a_pause_holds_back_the_first_sound_too() -> None:
    listener = Listener()
    speaker = PacedSpeaker(listener, asyncio.get_running_loop().time, lead_s=0.12)
    speaker.begin()
    speaker.pause()
    speaker.add(SOUND)
    assert listener.news == []
    speaker.resume()
    speaking = asyncio.create_task(speaker.run())
    async with asyncio.timeout(5):
        speaker.finish()
        await listener.over.wait()
    speaking.cancel()
    assert listener.news == ["frame 0", "audible", "last frame", "played"]


def speaks_for_a_second(ride_s: float | None) -> tuple[int, list[str]]:
    """How often the clock woke the process up, and all news; ``ride_s``: how often it is awake anyway."""
    listener, woken, riding = Listener(), 0, False

    def guard(call: Callable[[], None]) -> Callable[[], None]:
        def guarded() -> None:
            nonlocal woken
            woken += not riding
            call()

        return guarded

    async def story() -> None:
        nonlocal riding
        speaker = PacedSpeaker(listener, asyncio.get_running_loop().time, lead_s=0.12, guard=guard)
        speaking = asyncio.create_task(speaker.run())
        speaker.begin()
        speaker.add(np.full(50 * FRAME, 1000, dtype=np.int16))
        speaker.finish()
        while not listener.over.is_set():
            await asyncio.sleep(ride_s or 0.019)
            if ride_s is not None:
                riding = True
                speaker.ride()
                riding = False
        speaking.cancel()

    play(story())
    return woken, listener.news


def test_frames_are_handed_out_when_a_microphone_has_woken_the_process_up_anyway() -> None:
    alone, news = speaks_for_a_second(None)
    assert alone >= 22
    woken, same_news = speaks_for_a_second(0.019)
    assert same_news == news
    assert woken <= 2  # before the microphone is known, and for the end, which is told in time


def test_a_microphone_that_stops_holds_no_sound_back() -> None:
    """Without it frames come no later than when they are due, and with it 20 ms later at most."""
    lead_s, late_s = 0.12, list[float]()

    async def story() -> None:
        clock = asyncio.get_running_loop().time

        class Noting(Listener):
            def on_frame(self, frame: Frame) -> None:
                super().on_frame(frame)
                due = began + (frame.position + 2 * FRAME) / OUTPUT_RATE - lead_s
                late_s.append(clock() - due)

        listener = Noting()
        speaker, began = PacedSpeaker(listener, clock, lead_s=lead_s), clock()
        speaking = asyncio.create_task(speaker.run())
        speaker.begin()
        speaker.add(np.full(100 * FRAME, 1000, dtype=np.int16))
        for _ in range(50):
            await asyncio.sleep(0.02)
            speaker.ride()
        speaker.finish()
        await listener.over.wait()
        speaking.cancel()

    play(story())
    assert len(late_s) == 50
    assert max(late_s[3:]) <= 0.021
    assert max(late_s[30:]) <= 0.001
