"""The microphone side of a session: samples in order, what the voice detector says of them, where a turn ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from voice_agents.alarm import Alarm, Guard
from voice_agents.audio import LiveDownsampler, Pcm, is_pcm, silence
from voice_agents.errors import InvalidInput
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.turns.endpointing import Endpointer
from voice_agents.turns.vad import (
    RATE,
    SoundIgnored,
    SoundStarted,
    VoiceActivity,
    VoiceEvent,
    VoiceStarted,
    VoiceStopped,
)

SLICE_S = 0.02
"""The most audio handled in one go, so that a long recording pushed at once does not block the event loop.
Short ones are gathered to longer ones while nothing depends on them."""
BLIP_S = 0.06
"""Sound in a pause that is too short to be a word: the last one fading, a click."""
MICROPHONE_GAP_S = 0.3
"""A microphone that sends nothing for so long has gone silent: the open turn must still come to its end."""
PRE_ROLL_S, HOLD_S = 0.5, 3.0
"""So much is kept for when a gate opens; so long after the last speech it closes."""
LONGEST_PIECE_S = 0.06
"""Who sends longer pieces sends a recording, or over a network that comes in bursts."""


class MicrophoneListener(Protocol):
    """What a session wants to know of its microphone. Called in the event loop, in the order of the audio."""

    @property
    def undecided(self) -> bool:
        """The user's voice was heard, and silence will decide what it was."""

    def on_slice(self, raw: Pcm, pcm: Pcm) -> None:
        """The next samples, at the input rate and at 16 kHz; before anything is said of them."""

    def on_sound(self) -> None:
        """A sudden sound while an interruption is expected; a voice or :meth:`on_sound_ignored` follows."""

    def on_sound_ignored(self) -> None:
        """The sudden sound was nothing."""

    def on_voice_started(self, at: float) -> None:
        """The user's voice was noticed; ``at``: when its first sample arrived."""

    def on_voice_stopped(self, at: float, voice_s: float) -> None:
        """The user fell silent; ``at``: when the last speech sample arrived, ``voice_s``: after so long."""

    def on_pause(self) -> None:
        """The user has fallen silent for a moment, within a turn: perhaps it is over. Once for each pause."""

    def on_pause_over(self) -> None:
        """The user goes on after that pause."""

    def on_silence(self, speech_end: float, silence_s: float) -> None:
        """The user has finished: the silence that was waited for, since ``speech_end``, is over."""

    def on_released(self) -> None:
        """Everything pushed before :meth:`MicrophoneInput.release` has been handled."""


class MicrophoneInput:
    """Takes audio of any length at ``input_rate`` and hands it on in slices, from one task (:meth:`run`).

    ``ends_turns``: silence ends a turn here; else a server hears that.
    """

    def __init__(
        self,
        input_rate: int,
        voice: VoiceActivity,
        turns: TurnSettings,
        listener: MicrophoneListener,
        clock: Callable[[], float],
        guard: Guard,
        *,
        ends_turns: bool,
    ) -> None:
        self.voice = voice
        self.spoke = False
        """The user's voice was heard since the last turn was taken."""
        self._input_rate = input_rate
        self._resampler = LiveDownsampler(input_rate, RATE)
        self._turns = turns
        self._listener = listener
        self._clock = clock
        self._endpointer = Endpointer(turns) if ends_turns else None
        self._alarm, self._gap_alarm = Alarm(guard), Alarm(guard)
        self._voice_start = 0
        self._pause: int | None = None
        """The sample with which the pause began that was told; None: none is on."""
        self._waiting: deque[Pcm | Callable[[], None]] = deque()
        self._held: list[Pcm] = []
        """Samples that are gathered to be handled in one go, as long as nothing depends on them."""
        self._arrived = asyncio.Event()
        self._idle = False
        """All that came was handled, and :meth:`run` waits for more."""
        self._handle_now = guard(self._handle_newest)
        self._last_arrival = clock()
        self._slice, self._longest = round(SLICE_S * input_rate), round(LONGEST_PIECE_S * input_rate)
        self._queued = 0
        self._newest = 0

    def push(self, pcm: Pcm) -> None:
        """Queue samples. Raises InvalidInput for anything but one-dimensional int16."""
        if not is_pcm(pcm):
            raise InvalidInput("Audio must be a one-dimensional numpy array of int16 samples.")
        pcm = pcm.copy()  # who pushed it may use the buffer again
        self._queued += len(pcm)
        self._newest = len(pcm)
        self._last_arrival = self._clock()
        gathered_s = self._may_gather_s(pcm)
        if gathered_s:
            self._held.append(pcm)
            if self._queued < gathered_s * self._input_rate:
                return
        self._end_gathering()
        if not gathered_s:
            self._waiting.extend(pcm[start : start + self._slice] for start in range(0, len(pcm), self._slice))
        if self._idle and len(self._waiting) == 1:
            self._handle_now()
        else:
            self._arrived.set()

    def release(self) -> None:
        """Push-to-talk: the turn ends with the audio pushed so far."""
        self._end_gathering()
        self._waiting.append(self._listener.on_released)
        self._arrived.set()

    def configure(self, turns: TurnSettings) -> None:
        """Other patience or mode."""
        self._turns = turns
        if self._endpointer is not None:
            self._endpointer.configure(turns)

    def stop(self) -> None:
        """No turn ends by silence any more."""
        self._alarm.cancel()

    # Where a turn ends

    @property
    def by_hand(self) -> bool:
        """Push-to-talk: a button ends the turns."""
        return self._turns.mode is TurnMode.PUSH_TO_TALK

    @property
    def ending(self) -> bool:
        """Silence will end the user's turn."""
        return self._endpointer is not None and self._endpointer.deadline is not None

    @property
    def over_at(self) -> float | None:
        """When silence will end the user's turn, as things stand."""
        deadline = self._endpointer.deadline if self._endpointer is not None else None
        return None if deadline is None else self.time_of(deadline)

    @property
    def pausing(self) -> bool:
        """The user has been silent for a moment at least."""
        return self._pause is not None

    @property
    def voice_start(self) -> int:
        """The first 16 kHz sample of the voice that is on, or was on last."""
        return self._voice_start

    @property
    def speech_end(self) -> float | None:
        """When the last speech sample arrived; None: none ever did."""
        return None if self.voice.last_speech is None else self.time_of(self.voice.last_speech)

    @property
    def heard_until(self) -> float | None:
        """As :attr:`speech_end`, with what no chunk of the detector is full of yet."""
        return None if (until := self.voice.heard_until) is None else self.time_of(until)

    def words(self, text: str) -> None:
        """All words of the turn that is open, so far: they tell whether it sounds complete."""
        if self._endpointer is not None:
            self._endpointer.partial(text)

    def close_turn(self) -> None:
        """What was said so far is over: taken, or nothing."""
        self.spoke = False
        self._pause = None
        self.end_by_hand()

    def end_by_hand(self) -> None:
        """Silence does not end the turn any more."""
        if self._endpointer is not None:
            self._endpointer.cancel()

    def open_turn(self) -> None:
        """A voice that is on belongs to what is said from now on."""
        if self.voice.speaking:
            self.spoke, self._voice_start = True, self.voice.position
            if self._endpointer is not None:
                self._endpointer.speech_started(self.voice.position)

    def go_on(self) -> None:
        """A voice that is on begins the next turn, as if it had been noticed just now."""
        if self.voice.speaking:
            self._on_voice(VoiceStarted(self.voice.position))

    # Time

    def time_of(self, position: int) -> float:
        """The clock reading at which the 16 kHz sample ``position`` arrived, or will if the microphone keeps time."""
        behind_s = (self.voice.position - position) / RATE + self._queued / self._input_rate
        return self._last_arrival - behind_s

    def arrival_of(self, since_s: float) -> float:
        """The clock reading at which the piece came that holds the sample so long before the newest one."""
        piece = max(1, self._newest)
        return self._last_arrival - round(since_s * self._input_rate) // piece * piece / self._input_rate

    @property
    def _next_is_due_s(self) -> float:
        """How much of the sound is still on its way when a sample is due: a microphone sends pieces, each at its end.

        As long as the last piece was, but 60 ms at most; nothing while pieces wait to be handled.
        """
        return 0.0 if self._queued else min(self._newest / self._input_rate, LONGEST_PIECE_S)

    def _may_gather_s(self, pcm: Pcm) -> float:
        """How much sound may be gathered before this is handled; nothing while silence is to decide something."""
        if len(pcm) > self._longest or self._waiting or (not self.voice.speaking and self._needs_silence):
            return 0.0
        return self.voice.may_gather_s(pcm, self._input_rate)

    def _end_gathering(self) -> None:
        if self._held:
            self._waiting.append(np.concatenate(self._held))
            self._held.clear()

    @property
    def _needs_silence(self) -> bool:
        return self.ending or self.voice.guessing or self._listener.undecided

    async def run(self) -> None:
        """Handle audio for ever; while something is undecided, a microphone that stops sending is taken as silent."""
        try:
            while True:
                while self._waiting:
                    self._handle(self._waiting.popleft())
                    if self._waiting:
                        await asyncio.sleep(0)
                self._arrived.clear()
                self._expect_more()
                self._idle = True
                await self._arrived.wait()
                self._idle = False
        finally:
            self._idle = False
            self._gap_alarm.cancel()

    def _handle_newest(self) -> None:
        """One piece into an idle microphone is handled without waking the task up, which would cost more."""
        self._idle = False
        self._handle(self._waiting.popleft())
        self._expect_more()
        self._idle = True

    def _expect_more(self) -> None:
        gap_at = self._clock() + MICROPHONE_GAP_S if self._needs_silence else None
        self._gap_alarm.set(gap_at, self._on_gap)

    def _on_gap(self) -> None:
        if not self._waiting:
            self.push(silence(MICROPHONE_GAP_S, self._input_rate))

    def _handle(self, item: Pcm | Callable[[], None]) -> None:
        if not isinstance(item, np.ndarray):
            item()
            return
        self._queued -= len(item)
        pcm = self._resampler.feed(item)
        events = self.voice.feed(pcm)
        self._listener.on_slice(item, pcm)
        for event in events:
            self._on_voice(event)
        if self._endpointer is not None:
            if self.voice.speaking and self.voice.last_speech is not None:
                self._endpointer.speech_heard(self.voice.last_speech)
            self._look_for_pause(self._endpointer)
            self._end_turn_by(self.voice.position, self._endpointer)
            self._set_alarm(self._endpointer)

    def _on_voice(self, event: VoiceEvent) -> None:
        match event:
            case VoiceStarted(start=start):
                self.spoke, self._voice_start = True, start
                if self._endpointer is not None:
                    self._endpointer.speech_started(start)
                self._listener.on_voice_started(self.time_of(start))
            case VoiceStopped(end=end):
                if self._endpointer is not None:
                    self._endpointer.speech_heard(end)
                self._listener.on_voice_stopped(self.time_of(end), (end - self._voice_start) / RATE)
            case SoundStarted():
                self._listener.on_sound()
            case SoundIgnored():
                self._listener.on_sound_ignored()

    def _look_for_pause(self, endpointer: Endpointer) -> None:
        last = self.voice.last_speech
        if last is None or endpointer.deadline is None:
            return
        if self._pause is not None and last - self._pause > BLIP_S * RATE:
            self._pause = None
            self._listener.on_pause_over()
        if self._pause is None and self.voice.pauses:
            self._pause = last
            self._listener.on_pause()

    def _end_turn_by(self, position: int, endpointer: Endpointer) -> None:
        end = endpointer.advance(position)
        if end is not None:
            self._listener.on_silence(self.time_of(end.speech_end), end.silence_s)

    def _set_alarm(self, endpointer: Endpointer) -> None:
        """The turn ends at its moment, not with the piece of sound that holds the moment (10 ms later on average)."""
        deadline = endpointer.deadline
        if deadline is None or self.voice.speaking:
            self._alarm.cancel()
        else:
            self._alarm.set(self.time_of(deadline), partial(self._on_alarm, deadline, endpointer))

    def _on_alarm(self, deadline: int, endpointer: Endpointer) -> None:
        if (deadline - self.voice.position) / RATE <= self._next_is_due_s:
            self._end_turn_by(deadline, endpointer)


class SpeechGate:
    """Lets speech through to ``send``, with the sound just before it, and holds long silences back."""

    def __init__(self, send: Callable[[Pcm], None], *, rate: int = RATE) -> None:
        self._send = send
        self._pre_roll: deque[Pcm] = deque()
        self._kept = 0
        self._keep, self._hold = round(PRE_ROLL_S * rate), round(HOLD_S * rate)
        self._left = 0

    def feed(self, pcm: Pcm, wanted: bool) -> None:
        """The next samples; ``wanted`` while they belong to speech or to an open turn."""
        self._left = self._hold if wanted else self._left - len(pcm)
        if self._left > 0:
            while self._pre_roll:
                self._send(self._pre_roll.popleft())
            self._kept = 0
            self._send(pcm)
            return
        self._pre_roll.append(pcm)
        self._kept += len(pcm)
        while self._kept - len(self._pre_roll[0]) >= self._keep:
            self._kept -= len(self._pre_roll.popleft())
