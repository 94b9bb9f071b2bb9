"""The speaker side of a session: paces the agent's audio and says when it starts and ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from voice_agents.alarm import Alarm, Guard
from voice_agents.audio import Pcm, first_audible
from voice_agents.session.base import OUTPUT_RATE
from voice_agents.turns.playout import Frame, Playout

FRAMES_AT_ONCE = 2
"""Frames of 20 ms are handed out as one of 40: each time costs more than what is done in it."""

RIDES_S = 0.02
"""So much later frames may be handed out if somebody will be awake until then anyway."""


class SpeakerListener(Protocol):
    """What a session wants to know of its speaker. Called in the event loop."""

    def on_frame(self, frame: Frame) -> None:
        """These samples are to be played now."""

    def on_audible(self) -> None:
        """The first audible sample of this turn has just been handed out."""

    def on_last_frame(self) -> None:
        """The frames handed out were the last; told again when they are, after a pause."""

    def on_played(self) -> None:
        """This turn was played to its end (or had no audio at all)."""


class PacedSpeaker:
    """Drives a :class:`Playout` from one task (:meth:`run`); between ``begin`` and the end there is one turn.

    ``guard`` is for what the listener raises when it is called by the clock.
    """

    def __init__(
        self,
        listener: SpeakerListener,
        clock: Callable[[], float],
        lead_s: float,
        guard: Guard = lambda call: call,
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._playout = Playout(lead_s=lead_s, at_once=FRAMES_AT_ONCE)
        self._alarm, self._guarded_step = Alarm(guard), guard(self._step)
        self._changed = asyncio.Event()
        self._due_at: float | None = None
        """When something is to be done next."""
        self._ridden = False
        """Somebody is awake now and then, and will be in time for what is due next."""
        self._active = False
        self.audible = False
        """Something of this turn was handed out already."""
        self._sounding = False
        """Something was handed out, and its end was not told."""
        self._held_until = -math.inf
        self._plays_until: float | None = None
        self.dry_s = 0.0
        """How long there was nothing to play in the middle of this turn."""

    @property
    def epoch(self) -> int:
        """Counts up whenever what was handed out became stale."""
        return self._playout.epoch

    @property
    def position(self) -> int:
        """The first sample of this turn that is not played yet."""
        return self._playout.position(self._clock())

    @property
    def left_s(self) -> float | None:
        """How much is left to play of a turn that is complete and audible; None: it is not."""
        return self._playout.left_s(self._clock()) if self._active and self.audible else None

    def begin_again(self) -> None:
        """The same turn without what it had so far; as silent as it was."""
        paused, held_until = self._playout.paused, self._held_until
        self.cancel()
        self.begin()
        self._held_until = held_until
        if paused:
            self.pause()

    def begin(self) -> None:
        """A new turn."""
        self._playout.begin(self._clock())
        self._active, self.audible, self._sounding = True, False, False
        self._plays_until, self.dry_s, self._held_until = None, 0.0, -math.inf

    def hold(self, until: float) -> None:
        """Of this turn nothing is handed out before then, by the clock; asked again, the last word counts."""
        self._held_until = until
        self._changed.set()

    def add(self, pcm: Pcm) -> None:
        """More of the turn's audio. The first that can be heard is handed out at once."""
        self._playout.add(pcm)
        if self._active and not self.audible:
            self._hand_out()
        self._changed.set()

    def finish(self) -> None:
        """No more audio will come in this turn."""
        self._playout.finish()
        self._changed.set()

    def expect_more(self) -> None:
        """More audio will come after all."""
        self._playout.expect_more()

    def pause(self) -> int:
        """Stop now; the first sample not played."""
        self._plays_until = None
        return self._playout.pause(self._clock())

    def resume(self) -> int:
        """Go on from exactly there."""
        self._changed.set()
        return self._playout.resume()

    def cancel(self) -> int:
        """Drop the rest of the turn; the first sample not played."""
        self._active = False
        return self._playout.cancel(self._clock())

    def set_reporting(self, reporting: bool, late_s: float = 0.0) -> None:
        """Whether who plays it reports how far it is; at first nobody does, and nobody is late by ``late_s``."""
        self._playout.set_reporting(reporting, late_s)
        self._changed.set()

    def played(self, epoch: int, position: int) -> None:
        """Of this turn's frames of this ``epoch``, all samples before ``position`` have sounded."""
        self._playout.played(epoch, position, self._clock())
        self._changed.set()

    def ride(self) -> None:
        """A piece of the microphone has woken the process up: what is due is done now, and it need not wake again."""
        self._ridden = True
        if self._due_at is not None and self._clock() >= self._due_at:
            self._guarded_step()

    async def run(self) -> None:
        """Hand out frames when they are due, for ever."""
        try:
            while True:
                self._step()
                await self._changed.wait()
                self._changed.clear()
        finally:
            self._alarm.cancel()

    def _step(self) -> None:
        self._hand_out()
        due = self._playout.wake_at(self._clock()) if self._active else None
        self._due_at = due = None if due is None else max(due, self._held_until)
        if due is not None and self._ridden and self.audible and not self._playout.handed_out:
            self._alarm.set(due + RIDES_S, self._nobody_came)
        else:
            self._alarm.set(due, self._step)

    def _nobody_came(self) -> None:
        self._ridden = False
        self._step()

    def _count_dry(self, frame_s: float) -> None:
        now = self._clock()
        until = now if self._plays_until is None else self._plays_until
        self.dry_s += max(0.0, now - until)
        self._plays_until = max(now, until) + frame_s

    def _hand_out(self) -> None:
        if self._clock() < self._held_until:
            return
        for frame in self._playout.due(self._clock()):
            self._listener.on_frame(frame)
            self._sounding = True
            self._count_dry(len(frame.pcm) / OUTPUT_RATE)
            if not self.audible and first_audible(frame.pcm) is not None:
                self.audible = True
                self._listener.on_audible()
        if self._sounding and self._playout.handed_out:
            self._sounding = False
            self._listener.on_last_frame()
        if self._active and self._playout.done(self._clock()):
            self._active = False
            self._listener.on_played()
