"""Hands out the agent's audio at real time with a small lead, and knows which words have been played.

Positions are sample indices in the audio of the current turn; times are the session clock in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voice_agents.audio import Pcm


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One word of the text that was sent, with the samples it sounds at (24 kHz, from the start of its stream)."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Frame:
    """Samples to be played next. ``position``: index of ``pcm[0]`` in the turn's audio. Do not write into ``pcm``."""

    pcm: Pcm
    position: int


class Playout:
    """One per session; ``begin`` starts each turn. Who plays frames must drop those of an older ``epoch``.

    What was handed out counts as played at real time from the moment it was handed; a provider that is too slow makes
    a gap, and the clock of the played position waits with it.
    """

    epoch: int
    """Counts up at each ``pause`` and ``cancel``: frames handed out before are stale."""

    def __init__(self, rate: int = 24_000, lead_s: float = 0.12, frame: int = 480) -> None:
        """``rate`` in Hz; ``lead_s``: how far ahead of real time frames are handed out; ``frame``: samples of each."""
        raise NotImplementedError

    def begin(self, now: float) -> None:
        """A new turn: position 0, no audio, no words. A turn that still plays is cancelled."""
        raise NotImplementedError

    def add(self, pcm: Pcm, words: Sequence[SpokenWord] = (), source: str = "") -> None:
        """The turn's next samples (may be none) and the words that became known, positions counted in the turn.

        ``source`` is the id of the model's message the words belong to. Words may come later than their audio.
        After ``cancel`` (until ``begin``) everything is dropped.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """No more audio will come in this turn."""
        raise NotImplementedError

    def due(self, now: float) -> list[Frame]:
        """The frames to hand out now, in order; all of ``frame`` samples, but the turn's last may be shorter."""
        raise NotImplementedError

    def wake_at(self, now: float) -> float | None:
        """When ``due`` gives the next frame or ``done`` becomes true; None: not before ``add``, ``finish``, ``resume``."""
        raise NotImplementedError

    def position(self, now: float) -> int:
        """Samples played so far."""
        raise NotImplementedError

    def pause(self, now: float) -> int:
        """Stop. Everything handed out is stale (``epoch``); returns the first sample not played. Twice is once."""
        raise NotImplementedError

    def resume(self, now: float) -> int:
        """Go on from exactly the sample ``pause`` returned; returns it. Frames from there are given anew."""
        raise NotImplementedError

    def cancel(self, now: float) -> int:
        """The turn is over; returns the first sample not played. ``heard`` answers until the next ``begin``."""
        raise NotImplementedError

    def done(self, now: float) -> bool:
        """Everything was played and ``finish`` was called."""
        raise NotImplementedError

    @property
    def paused(self) -> bool:
        """Between ``pause`` and ``resume``."""
        raise NotImplementedError

    def heard(self, position: int) -> str:
        """The words played up to ``position``, joined by spaces; a word counts when half of it was played."""
        raise NotImplementedError

    def heard_by_source(self, position: int) -> dict[str, str]:
        """As ``heard``, by source, in order of appearance; a source of which nothing was heard yet has ""."""
        raise NotImplementedError

    def spoken_by_source(self) -> dict[str, str]:
        """All words known of each source, played or not."""
        raise NotImplementedError
