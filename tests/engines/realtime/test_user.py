"""What of the time before a turn was taken counts as waited for, by our own ear and by the server's account."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from voice_agents.audio import Pcm, silence
from voice_agents.engines.realtime import RealtimeBackend
from voice_agents.engines.server_turns import marks_when_taken
from voice_agents.session.microphone import MicrophoneInput
from voice_agents.settings import TurnDetection, TurnSettings
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.vad import VoiceActivity

INPUT_RATE = RealtimeBackend.input_rate
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

    undecided = False

    def on_slice(self, raw: Pcm, pcm: Pcm) -> None: ...
    def on_sound(self) -> None: ...
    def on_sound_ignored(self) -> None: ...
    def on_voice_started(self, at: float) -> None: ...
    def on_voice_stopped(self, at: float, voice_s: float) -> None: ...
    def on_pause(self) -> None:
        pass

    def on_pause_over(self) -> None:
        pass

    def on_silence(self, speech_end: float, silence_s: float) -> None: ...
    def on_released(self) -> None: ...


async def marks(
    since_s: float | None, told_s: float = TOLD_S, detection: TurnDetection = TurnDetection.SERVER_VAD
) -> TurnMarks:
    """One second of speech, then silence; the turn is taken when its last sample arrives."""
    turns = TurnSettings(silence_s=told_s, detection=detection)
    nobody, voice = Nobody(), VoiceActivity(Loud())
    user = MicrophoneInput(INPUT_RATE, voice, turns, nobody, lambda: NOW, lambda call: call, ends_turns=False)
    hearing = asyncio.create_task(user.run())
    speech = np.full(INPUT_RATE, 3000, dtype=np.int16)
    handled = asyncio.Event()
    sound = np.concatenate([silence(0.5, INPUT_RATE), speech, silence(WAITED_S, INPUT_RATE)])
    for start in range(0, len(sound), INPUT_RATE // 50):
        user.push(sound[start : start + INPUT_RATE // 50])
    nobody.on_released = handled.set
    user.release()
    await handled.wait()
    hearing.cancel()
    return marks_when_taken(user, turns, NOW, released=False, since_s=since_s)


@pytest.mark.parametrize(
    ("since_s", "told_s", "waited_s"),
    [
        (None, 0.5, 0.5),  # it does not say
        (0.06, 0.5, 0.5),  # it heard the speech end where we did, and took 60 ms longer
        (0.02, 0.5, 0.54),  # it heard the speech end 40 ms later than we did
        (0.08, 0.5, 0.48),  # ... or 20 ms earlier
        (0.54, 0.5, 0.52),  # it leaves the silence out of its account
        (0.56, 0.2, 0.2),  # ... also where that is short
        (-5.0, 0.5, 0.5),  # it counts from who knows where
        (0.29, 0.5, 0.27),
    ],
)
async def test_the_server_says_how_long_it_waited(since_s: float | None, told_s: float, waited_s: float) -> None:
    """It can only act when a whole piece of sound (20 ms) has come."""
    taken = await marks(since_s, told_s)
    assert taken.speech_end == pytest.approx(NOW - WAITED_S, abs=0.013)
    assert min(waited_s, WAITED_S) - 0.013 <= taken.silence_s <= min(waited_s + 0.033, WAITED_S)


async def test_semantic_detection_waits_as_it_likes() -> None:
    taken = await marks(0.02, detection=TurnDetection.SEMANTIC_VAD)
    assert taken.silence_s == pytest.approx(WAITED_S, abs=0.013)
