"""What of the time before a turn was taken counts as waited for, by our own ear and by the server's account."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from voice_agents.audio import Pcm, silence
from voice_agents.engines.realtime.user import INPUT_RATE, RealtimeUser
from voice_agents.settings import TurnDetection, TurnSettings
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.vad import VoiceActivity

TOLD_S, NOW = 0.5, 100.0
WAITED_S = 0.56
"""From the last sample of speech to the moment the server took the turn."""


class Loud:
    """Takes loud chunks for speech."""

    def probability(self, chunk: Pcm) -> float:
        return float(np.abs(chunk).max() > 500)

    def reset(self) -> None:
        pass


class Nobody:
    """Wants to know nothing."""

    def on_sound(self) -> None: ...
    def on_sound_ignored(self) -> None: ...
    def on_voice_started(self) -> None: ...
    def on_voice_stopped(self) -> None: ...
    def on_released(self) -> None: ...


async def marks(since_s: float | None, detection: TurnDetection = TurnDetection.SERVER_VAD) -> TurnMarks:
    """One second of speech, then silence; the turn is taken when its last sample arrives."""
    turns = TurnSettings(silence_s=TOLD_S, detection=detection)
    user = RealtimeUser(VoiceActivity(Loud()), turns, Nobody(), lambda _: None, lambda: NOW)
    hearing = asyncio.create_task(user.run(lambda: False))
    speech = np.full(INPUT_RATE, 3000, dtype=np.int16)
    handled = asyncio.Event()
    user.push(np.concatenate([silence(0.5, INPUT_RATE), speech, silence(WAITED_S, INPUT_RATE)]))
    user._ear.after_queued(handled.set)
    await handled.wait()
    hearing.cancel()
    taken = TurnMarks()
    user.take(taken, released=False, since_s=since_s)
    return taken


@pytest.mark.parametrize(
    ("since_s", "waited_s"),
    [
        (None, TOLD_S),  # it does not say
        (0.06, TOLD_S),  # it heard the speech end where we did, and took 60 ms longer
        (0.02, TOLD_S + 0.04),  # it heard the speech end 40 ms later than we did
        (0.08, TOLD_S - 0.02),  # ... or 20 ms earlier
        (0.54, TOLD_S + 0.02),  # it leaves the silence out of its account
        (-5.0, TOLD_S),  # it counts from who knows where
        (0.3, TOLD_S - 0.24),
    ],
)
async def test_the_server_says_how_long_it_waited(since_s: float | None, waited_s: float) -> None:
    taken = await marks(since_s)
    assert taken.speech_end == pytest.approx(NOW - WAITED_S, abs=0.013)
    assert taken.silence_s == pytest.approx(min(waited_s, WAITED_S), abs=0.013)


async def test_semantic_detection_waits_as_it_likes() -> None:
    taken = await marks(0.02, TurnDetection.SEMANTIC_VAD)
    assert taken.silence_s == pytest.approx(WAITED_S, abs=0.013)
