"""The microphone side of a session: slices of 16 kHz audio in order, with what the voice detector says of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import numpy as np

from voice_agents.audio import LiveDownsampler, Pcm, silence
from voice_agents.errors import InvalidInput
from voice_agents.turns.vad import RATE, VoiceActivity, VoiceEvent

SLICE_S = 0.02
"""The most audio handled in one go, so that a long recording pushed at once does not block the event loop."""
MICROPHONE_GAP_S = 0.3
"""A microphone that sends nothing for so long has gone silent: the open turn must still come to its end."""

LONGEST_PIECE_S = 0.06

SliceListener = Callable[[Pcm, Pcm, list[VoiceEvent]], None]
"""Gets each slice at the input rate, the same at 16 kHz, and the voice events found in it."""


class Ear:
    """Takes audio of any length at ``input_rate`` and hands it on in slices, from one task (:meth:`run`)."""

    def __init__(
        self, input_rate: int, voice: VoiceActivity, on_slice: SliceListener, clock: Callable[[], float]
    ) -> None:
        self.voice = voice
        self._input_rate = input_rate
        self._resampler = LiveDownsampler(input_rate, RATE)
        self._on_slice = on_slice
        self._clock = clock
        self._waiting: deque[Pcm | Callable[[], None]] = deque()
        self._arrived = asyncio.Event()
        self._last_arrival = clock()
        self._slice = round(SLICE_S * input_rate)
        self._queued = 0
        self._newest = 0

    def push(self, pcm: Pcm) -> None:
        """Queue samples. Raises InvalidInput for anything but one-dimensional int16."""
        if not isinstance(pcm, np.ndarray) or pcm.ndim != 1 or pcm.dtype != np.int16:
            raise InvalidInput("Audio must be a one-dimensional numpy array of int16 samples.")
        self._waiting.extend(pcm[start : start + self._slice] for start in range(0, len(pcm), self._slice))
        self._queued += len(pcm)
        self._newest = len(pcm)
        self._last_arrival = self._clock()
        self._arrived.set()

    def after_queued(self, call: Callable[[], None]) -> None:
        """Call back once everything pushed so far has been handled."""
        self._waiting.append(call)
        self._arrived.set()

    def time_of(self, position: int) -> float:
        """The clock reading at which the 16 kHz sample ``position`` arrived, or will if the microphone keeps time."""
        behind_s = (self.voice.position - position) / RATE + self._queued / self._input_rate
        return self._last_arrival - behind_s

    def arrival_of(self, since_s: float) -> float:
        """The clock reading at which the piece came that holds the sample so long before the newest one."""
        piece = max(1, self._newest)
        return self._last_arrival - round(since_s * self._input_rate) // piece * piece / self._input_rate

    @property
    def next_is_due_s(self) -> float:
        """How much of the sound is still on its way when a sample is due: a microphone sends pieces, each at its end.

        As long as the last piece was, but 60 ms at most; nothing while pieces wait to be handled.
        """
        return 0.0 if self._queued else min(self._newest / self._input_rate, LONGEST_PIECE_S)

    async def run(self, needs_silence: Callable[[], bool]) -> None:
        """Handle audio for ever. While ``needs_silence()``, a microphone that stops sending is taken as silent."""
        while True:
            while self._waiting:
                self._handle(self._waiting.popleft())
                if self._waiting:
                    await asyncio.sleep(0)
            self._arrived.clear()
            if not needs_silence():
                await self._arrived.wait()
                continue
            try:
                async with asyncio.timeout(MICROPHONE_GAP_S):
                    await self._arrived.wait()
            except TimeoutError:
                if not self._waiting:
                    self.push(silence(MICROPHONE_GAP_S, self._input_rate))

    def _handle(self, item: Pcm | Callable[[], None]) -> None:
        if not isinstance(item, np.ndarray):
            item()
            return
        self._queued -= len(item)
        pcm = self._resampler.feed(item)
        self._on_slice(item, pcm, self.voice.feed(pcm))


class SpeechGate:
    """Lets speech through to a recogniser, with the sound just before it, and holds long silences back.

    ``send`` gets the audio; ``pre_roll_s`` of audio is kept for when the gate opens, and it closes ``hold_s`` after
    the last speech.
    """

    def __init__(
        self, send: Callable[[Pcm], None], *, rate: int = RATE, pre_roll_s: float = 0.5, hold_s: float = 3.0
    ) -> None:
        self._send = send
        self._pre_roll: deque[Pcm] = deque()
        self._kept = 0
        self._keep = round(pre_roll_s * rate)
        self._hold = round(hold_s * rate)
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
