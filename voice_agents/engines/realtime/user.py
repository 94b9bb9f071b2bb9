"""The microphone side of a Realtime session: all audio goes to the server, our own detector listens along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voice_agents.audio import Pcm
from voice_agents.engines.base import OUTPUT_RATE
from voice_agents.engines.ear import Ear, SpeechGate
from voice_agents.settings import TurnDetection, TurnMode, TurnSettings
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.vad import (
    RATE,
    SoundIgnored,
    SoundStarted,
    VoiceActivity,
    VoiceEvent,
    VoiceStarted,
    VoiceStopped,
)

OTHER_EAR_S = 0.25
"""By so much at most two detectors differ about where speech ends; a server that says more counts otherwise."""
FADE_S = 0.2
"""A word that was cut by the end of a turn may be heard for so long after it."""
INPUT_RATE = OUTPUT_RATE
"""Hz of what a Realtime server is sent."""


class RealtimeUserListener(Protocol):
    """What a session wants to know of its user. Called in the event loop, in the order of the audio."""

    def on_sound(self) -> None:
        """A sudden sound while an interruption is expected; a voice or :meth:`on_sound_ignored` follows."""

    def on_sound_ignored(self) -> None:
        """The sudden sound was nothing."""

    def on_voice_started(self, at: float) -> None:
        """The user's voice was noticed; ``at``: when its first sample arrived."""

    def on_voice_stopped(self) -> None:
        """The user fell silent."""

    def on_released(self) -> None:
        """Everything pushed before :meth:`RealtimeUser.release` has been sent."""


class RealtimeUser:
    """Run :meth:`run` as a task of the session; ``send`` gets the audio for the server, int16 mono at 24 kHz."""

    def __init__(
        self,
        voice: VoiceActivity,
        turns: TurnSettings,
        listener: RealtimeUserListener,
        send: Callable[[Pcm], None],
        clock: Callable[[], float],
    ) -> None:
        self._voice = voice
        self._listener = listener
        self._send = send
        self._clock = clock
        self._ear = Ear(INPUT_RATE, voice, self._on_slice, clock)
        self._gate = SpeechGate(send, rate=INPUT_RATE)
        self._turns = turns
        self._taken = 0
        """Where the last turn ended, in the detector's samples; a word may fade for a moment after the button."""

    @property
    def speaking(self) -> bool:
        """Our detector hears the user's voice."""
        return self._voice.speaking

    @property
    def spoke(self) -> bool:
        """The user's voice was heard since the last turn was taken."""
        return self._voice.last_speech is not None and self._voice.last_speech > self._taken

    async def run(self, needs_silence: Callable[[], bool]) -> None:
        """Handle the microphone's audio, for ever; see :meth:`Ear.run`."""
        await self._ear.run(needs_silence)

    def push(self, pcm: Pcm) -> None:
        """The microphone's next samples. Raises InvalidInput for what is no audio."""
        self._ear.push(pcm)

    def expect_interruption(self, expected: bool) -> None:
        """Report sudden sounds; see :attr:`VoiceActivity.eager`."""
        self._voice.eager = expected

    def release(self) -> None:
        """Push-to-talk: the turn ends with the audio pushed so far."""
        self._ear.after_queued(self._listener.on_released)

    def configure(self, turns: TurnSettings) -> None:
        """Other patience, mode or detector."""
        self._turns = turns

    def take(self, marks: TurnMarks, *, released: bool, since_s: float | None) -> None:
        """The user's turn was taken just now (``released``: by the user). What was waited for counts as silence.

        ``server_vad`` is told how long to wait: what it takes longer is delay, unless it heard the speech end a little
        later (or earlier) than we did; ``since_s``, the sound sent after the silence it waited for, tells. It cannot
        act before the piece of sound with the end of that silence has come. ``semantic_vad`` waits as it likes.
        """
        now = self._clock()
        if self.spoke and self._voice.last_speech is not None:
            marks.speech_end = min(now, self._ear.time_of(self._voice.last_speech))
            waited = now - marks.speech_end
            told = not released and self._turns.detection is TurnDetection.SERVER_VAD
            decided = None if since_s is None else self._ear.arrival_of(since_s) - marks.speech_end
            marks.silence_s = min(waited, self._silence(decided)) if told else waited
        self._taken = self._voice.position + round(FADE_S * RATE)

    def _silence(self, decided_s: float | None) -> float:
        """How long ``server_vad`` waited, if it says that it had waited enough so long after the speech ended."""
        told = self._turns.silence_s
        if decided_s is None:
            return told
        heard_later = min(decided_s - told, decided_s, key=abs)
        return max(0.0, told + heard_later) if abs(heard_later) <= OTHER_EAR_S else told

    def _on_slice(self, raw: Pcm, _pcm: Pcm, events: list[VoiceEvent]) -> None:
        if self._turns.mode is TurnMode.AUTOMATIC:
            self._send(raw)
        else:
            self._gate.feed(raw, wanted=self._voice.speaking)
        for event in events:
            match event:
                case VoiceStarted(start=start):
                    self._listener.on_voice_started(self._ear.time_of(start))
                case VoiceStopped():
                    self._listener.on_voice_stopped()
                case SoundStarted():
                    self._listener.on_sound()
                case SoundIgnored():
                    self._listener.on_sound_ignored()
