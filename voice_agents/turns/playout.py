"""Hands out the agent's audio at real time with a small lead, and knows how far it was played.

Positions are sample indices in the audio of the current turn; times are the session clock in seconds.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from voice_agents.audio import EMPTY, Pcm


@dataclass(frozen=True, slots=True)
class Frame:
    """Samples to be played next. ``position``: index of ``pcm[0]`` in the turn's audio. Do not write into ``pcm``."""

    pcm: Pcm
    position: int


class _Playing(Enum):
    IDLE = auto()
    """No turn, or the turn was cancelled."""
    PLAYING = auto()
    PAUSED = auto()


_ROUNDING = 1e-3
"""Samples by which a clock may be early, so that a wake-up computed in floating point finds its frame due."""

UNTOLD_S = 1.0
"""So long a reporting player is taken to play on when it tells nothing; then it has stopped, or its network has."""
FURTHEST_BEHIND_S = 10.0
"""A player that is further behind than this does not play: the turn goes on without it."""


class Playout:
    """One per session; ``begin`` starts each turn. Who plays frames must drop those of an older ``epoch``.

    What was handed out counts as played at real time from the moment it was handed; a provider that is too slow makes
    a gap, and the clock of the played position waits with it. A player far away (a browser at the end of a network)
    reports how far it really is, by :meth:`played`: then its word counts, and it is sent no more ahead than it needs.
    """

    epoch: int
    """Counts up at each ``pause`` and ``cancel``: frames handed out before are stale."""

    def __init__(self, rate: int = 24_000, lead_s: float = 0.12, frame: int = 480, at_once: int = 1) -> None:
        """``rate`` in Hz; ``lead_s``: how far ahead of real time frames are handed out; ``frame``: samples of the
        shortest; ``at_once``: one that waits for nothing but its time is as long as so many.
        """
        self.epoch = 0
        self._rate = rate
        self._lead = lead_s * rate
        self._frame, self._longest = frame, frame * at_once
        self._player = _Player(rate)
        self._clear()

    def _clear(self) -> None:
        self._state = _Playing.IDLE
        self._audio = _Audio()
        self._finished = False
        self._handed = 0
        self._anchor = 0
        """The sample that was handed out first since the clock last started ..."""
        self._anchor_at = 0.0
        """... and when."""
        self._starts = True
        """What is handed out next starts that clock."""
        self._handed_before_stop = 0

    def begin(self, now: float) -> None:
        """A new turn: position 0, no audio. A turn that still plays is cancelled."""
        if self._state is not _Playing.IDLE and not self.done(now):
            self.cancel(now)
        self._clear()
        self._player.begin()
        self._state = _Playing.PLAYING

    def set_reporting(self, reporting: bool, late_s: float = 0.0) -> None:
        """Whether the player reports its position; false at first, and whenever another player takes over.

        ``late_s``: where it does not, how much later than it was handed out a sample sounds, as is known beforehand.
        """
        self._player = _Player(self._rate, reporting, 0.0 if reporting else late_s)

    def played(self, epoch: int, position: int, now: float) -> None:
        """A reporting player says that all samples before ``position`` have sounded, of frames of this ``epoch``.

        After a ``pause`` the word about the epoch before says where it really stopped: ``resume`` goes on from there.
        """
        if not self._player.reporting:
            return
        if self._state is _Playing.PAUSED and epoch == self.epoch - 1:
            self._handed = max(self._audio.start, min(position, self._handed_before_stop))
        elif self._state is _Playing.PLAYING and epoch == self.epoch and not self._starts:
            self._player.told(self._clock(now) - min(max(position, 0), self._handed), now)

    def add(self, pcm: Pcm) -> None:
        """The turn's next samples. After ``cancel`` (until ``begin``) they are dropped."""
        if self._state is not _Playing.IDLE:
            self._audio.append(pcm)

    def finish(self) -> None:
        """No more audio will come in this turn."""
        self._finished = True

    def expect_more(self) -> None:
        """Takes ``finish`` back: more audio will come after all."""
        self._finished = False

    def due(self, now: float) -> list[Frame]:
        """The frames to hand out now, in order; each of ``frame`` samples or a few times that, but for the last."""
        frames: list[Frame] = []
        if self._state is not _Playing.PLAYING:
            return frames
        played = self.position(now)
        self._audio.forget(played - round(self._player.furthest))
        while (size := self._next_size()) > 0:
            if self._handed <= played:  # the first frame, or the player ran dry: its clock starts (again) now
                self._anchor, self._anchor_at, self._starts = self._handed, now, False
                self._player.start(now)
            elif self._handed + size > self._plays_at(now) + self._player.usual + self._lead + _ROUNDING:
                break
            frames.append(Frame(self._audio.read(self._handed, size), self._handed))
            self._handed += size
        return frames

    def wake_at(self, now: float) -> float | None:
        """When ``due`` gives the next frames or ``done`` becomes true; in the past: now.

        None: not before ``add``, ``finish`` or ``resume``.
        """
        if self._state is not _Playing.PLAYING:
            return None
        size = self._next_size()
        if size == 0:
            return self._played_by(self._handed) if self._finished else None
        due = self._handed + size - self._lead - self._player.usual
        return now if self.position(now) >= self._handed else self._played_by(due)

    def position(self, now: float) -> int:
        """Samples played so far."""
        if self._state is not _Playing.PLAYING or self._starts:
            return self._handed
        return max(self._anchor, min(self._handed, int(self._plays_at(now) + _ROUNDING)))

    def left_s(self, now: float) -> float | None:
        """Seconds not played yet; None: more audio will come."""
        return (self._audio.end - self.position(now)) / self._rate if self._finished else None

    def pause(self, now: float) -> int:
        """Stop. Everything handed out is stale (``epoch``); returns the first sample not played. Twice is once."""
        if self._state is _Playing.PLAYING:
            self._stop(now, _Playing.PAUSED)
        return self._handed

    def resume(self) -> int:
        """Go on from exactly the sample ``pause`` returned; returns it. Frames from there are given anew by ``due``."""
        if self._state is _Playing.PAUSED:
            self._state = _Playing.PLAYING
            self._starts = True
        return self._handed

    def cancel(self, now: float) -> int:
        """The turn is over; returns the first sample not played."""
        if self._state is not _Playing.IDLE:
            self._stop(now, _Playing.IDLE)
            self._audio = _Audio()
        return self._handed

    def done(self, now: float) -> bool:
        """Everything was played and ``finish`` was called; also after ``cancel`` and before the first ``begin``."""
        if self._state is _Playing.IDLE:
            return True
        return self._finished and self.position(now) == self._audio.end

    @property
    def handed_out(self) -> bool:
        """No frame is left to be given by ``due``, and ``finish`` was called; what was given may still be playing."""
        return self._state is _Playing.PLAYING and self._finished and self._handed == self._audio.end

    @property
    def paused(self) -> bool:
        """Between ``pause`` and ``resume``."""
        return self._state is _Playing.PAUSED

    def _clock(self, now: float) -> float:
        """The sample a player here with endless audio would be at."""
        return self._anchor + (now - self._anchor_at) * self._rate

    def _plays_at(self, now: float) -> float:
        """The sample the player would be at, had it endless audio."""
        player = self._player
        return max(self._clock(min(now, player.silent_from)) - player.behind, self._clock(now) - player.furthest)

    def _played_by(self, position: float) -> float:
        """When the player will be at this sample, as long as it tells nothing else."""
        player = self._player
        here = self._anchor_at + (position - self._anchor) / self._rate
        there = here + player.behind / self._rate
        without_it = here + player.furthest / self._rate
        return min(there, without_it) if there <= player.silent_from else without_it

    def _next_size(self) -> int:
        """Samples of the next frame; 0: there is none yet. A piece of a frame waits for the rest, or for the end."""
        left = self._audio.end - self._handed
        if self._finished and left < self._longest:
            return left
        return min(left // self._frame * self._frame, self._longest)

    def _stop(self, now: float, state: _Playing) -> None:
        self._handed_before_stop, self._handed = self._handed, self.position(now)
        self._state = state
        self.epoch += 1


class _Player:
    """How far behind the clock a player is that reports, in samples; one that does not is always as late."""

    def __init__(self, rate: int, reporting: bool = False, late_s: float = 0.0) -> None:
        self.reporting = reporting
        self.behind = self.usual = late_s * rate
        """The least of late: the way to it. What it is further behind by waits there, and is not to become more."""
        self.silent_from = math.inf
        """Told nothing else, it stands still from then on."""
        self.furthest = FURTHEST_BEHIND_S * rate if reporting else self.behind
        self._least = math.inf

    def begin(self) -> None:
        """A new turn: the way to it may have changed."""
        if self._least < math.inf:
            self.usual, self._least = self._least, math.inf

    def start(self, now: float) -> None:
        """It begins to play what it is sent from now on."""
        self.behind = self.usual
        self._hears(now)

    def told(self, behind: float, now: float) -> None:
        """It is so far behind the clock now."""
        self.behind = max(0.0, behind)
        self._least = min(self._least, self.behind)
        self.usual = self._least if self.usual == 0.0 else min(self.usual, self._least)
        self._hears(now)

    def _hears(self, now: float) -> None:
        if self.reporting:
            self.silent_from = now + UNTOLD_S


class _Audio:
    """The turn's samples from somewhere before the played position on; never copied as a whole."""

    def __init__(self) -> None:
        self.end = 0
        self._chunks: deque[tuple[int, Pcm]] = deque()

    @property
    def start(self) -> int:
        """The first sample that can still be read."""
        return self._chunks[0][0] if self._chunks else self.end

    def append(self, pcm: Pcm) -> None:
        if len(pcm):
            self._chunks.append((self.end, pcm))
            self.end += len(pcm)

    def forget(self, position: int) -> None:
        """Samples before ``position`` will not be read again."""
        while self._chunks and self._chunks[0][0] + len(self._chunks[0][1]) <= position:
            self._chunks.popleft()

    def read(self, position: int, size: int) -> Pcm:
        parts = []
        for start, chunk in self._chunks:
            if start >= position + size:
                break
            part = chunk[max(0, position - start) : position + size - start]
            if len(part):
                parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else EMPTY
