"""When the microphone's sound is handled: in long pieces while nothing depends on it, at once when something does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from voice_agents.audio import Pcm
from voice_agents.session.microphone import MicrophoneInput
from voice_agents.settings import TurnSettings
from voice_agents.turns.vad import VoiceActivity

FRAME_MS = 20


class Loud:
    """Takes everything loud for speech."""

    def probability(self, chunk: Pcm) -> float:
        return float(np.abs(chunk).max() > 500)

    def reset(self) -> None:
        pass


class Notes:
    """Keeps what the session would be told."""

    def __init__(self) -> None:
        self.undecided = False
        self.raw: list[Pcm] = []
        self.told: list[str] = []

    def on_slice(self, raw: Pcm, pcm: Pcm) -> None:
        self.raw.append(raw)

    def on_sound(self) -> None:
        self.told.append("sound")

    def on_sound_ignored(self) -> None: ...

    def on_voice_started(self, at: float) -> None:
        self.told.append("started")

    def on_voice_stopped(self, at: float, voice_s: float) -> None:
        self.told.append("stopped")

    def on_pause(self) -> None:
        pass

    def on_pause_over(self) -> None:
        pass

    def on_silence(self, speech_end: float, silence_s: float) -> None: ...

    def on_released(self) -> None:
        self.told.append("released")


class Heard:
    """A microphone that is pushed 20 ms at a time; each is handled, as far as it will be, before the next."""

    def __init__(self, rate: int) -> None:
        self.notes = Notes()
        self.sent: list[Pcm] = []
        self._rate = rate
        self._random = np.random.default_rng(5)
        loop = asyncio.get_running_loop()
        self.voice = VoiceActivity(Loud())
        self.microphone = MicrophoneInput(
            rate, self.voice, TurnSettings(), self.notes, loop.time, lambda call: call, ends_turns=False
        )
        self._running = asyncio.create_task(self.microphone.run())

    async def hears(self, milliseconds: int, level: float) -> list[int]:
        """Noise of this standard deviation; how long (ms) the pieces were that were handled meanwhile."""
        before = len(self.notes.raw)
        for _ in range(0, milliseconds, FRAME_MS):
            frame = self._random.normal(scale=level, size=FRAME_MS * self._rate // 1000).astype(np.int16)
            self.sent.append(frame)
            self.microphone.push(frame)
            for _ in range(4):
                await asyncio.sleep(0)
        return [len(raw) * 1000 // self._rate for raw in self.notes.raw[before:]]

    @property
    def waits_ms(self) -> int:
        """How much sound has come and was not handled yet."""
        return sum(map(len, (*self.sent,))) * 1000 // self._rate - sum(map(len, self.notes.raw)) * 1000 // self._rate


@pytest.fixture(params=[16_000, 24_000, 48_000])
def rate(request: pytest.FixtureRequest) -> Iterator[int]:
    yield request.param


async def test_a_quiet_room_is_handled_in_long_pieces(rate: int) -> None:
    heard = Heard(rate)
    await heard.hears(2000, 10.0)
    assert set(await heard.hears(2000, 10.0)) == {400}
    assert await heard.hears(2000, 0.0) == [400] * 5


async def test_what_is_louder_than_the_room_is_handled_at_once_with_what_came_before(rate: int) -> None:
    heard = Heard(rate)
    await heard.hears(3000, 10.0)
    while not heard.waits_ms:
        await heard.hears(20, 10.0)
    await heard.hears(20, 60.0)
    assert heard.waits_ms == 0
    assert np.array_equal(np.concatenate(heard.notes.raw), np.concatenate(heard.sent))


async def test_the_middle_of_speech_is_gathered_and_its_end_is_not(rate: int) -> None:
    heard = Heard(rate)
    await heard.hears(2000, 10.0)
    await heard.hears(200, 4000.0)
    assert heard.notes.told == ["started"]
    assert set(await heard.hears(600, 4000.0)) == {120}
    await heard.hears(20, 4000.0)
    assert set((await heard.hears(400, 10.0))[2:]) == {20}
    assert heard.waits_ms == 0
    assert heard.notes.told == ["started", "stopped"]
    assert np.array_equal(np.concatenate(heard.notes.raw), np.concatenate(heard.sent))


async def test_while_silence_decides_each_piece_counts(rate: int) -> None:
    heard = Heard(rate)
    await heard.hears(2000, 10.0)
    heard.notes.undecided = True
    await heard.hears(20, 10.0)
    assert await heard.hears(500, 10.0) == [20] * 25


async def test_while_the_agent_talks_a_voice_counts_at_once(rate: int) -> None:
    heard = Heard(rate)
    await heard.hears(2000, 10.0)
    heard.microphone.voice.eager = True
    assert set(await heard.hears(1200, 10.0)) == {400}
    assert 20 in await heard.hears(60, 4000.0)
    assert heard.notes.told[:1] == ["sound"]
    assert set(await heard.hears(400, 4000.0)) == {20}


async def test_a_button_ends_what_was_gathered(rate: int) -> None:
    heard = Heard(rate)
    await heard.hears(2000, 10.0)
    while not heard.waits_ms:
        await heard.hears(20, 10.0)
    heard.microphone.release()
    for _ in range(4):
        await asyncio.sleep(0)
    assert heard.notes.told == ["released"]
    assert heard.waits_ms == 0


async def test_a_buffer_may_be_used_again_by_who_pushed_it() -> None:
    heard = Heard(16_000)
    await heard.hears(2000, 10.0)
    buffer = np.full(320, 3, dtype=np.int16)
    heard.microphone.push(buffer)
    buffer[:] = 7
    heard.microphone.release()
    for _ in range(4):
        await asyncio.sleep(0)
    assert set(heard.notes.raw[-1][-320:].tolist()) == {3}
    heard.notes.undecided = True
    buffer[:] = 5
    heard.microphone.push(buffer)
    buffer[:] = 7
    assert set(heard.notes.raw[-1].tolist()) == {5}
