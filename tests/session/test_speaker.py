"""The speaker side of a session."""

from __future__ import annotations

import asyncio

import numpy as np

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
