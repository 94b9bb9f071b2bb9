"""Scores a conversation from the recordings of both its sides, as an outsider would who knows what the user meant.

All times are seconds since the recordings began, to 10 ms. The agent *sounds* over -50 dBFS, the user within 30 dB of
the loud parts of what is said. The agent is *silent* once its sound stays away for 0.2 s where it was cut, and for
0.9 s where it died away: a speaker's own pauses between words and sentences are shorter. *Cut* means that nothing at
all is played 20 ms after it sounded; a voice that pauses dies away more slowly, and its breath stays. A sound that
begins while the agent speaks is counted once, by what it was meant to be; what is meant for the agent is then a real
interruption.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from voice_agents.audio import Pcm

STEP_S = 0.01
AUDIBLE_DBFS, BELOW_DB = -50.0, 30.0
FADED_S = 0.9
"""A pause of the agent that is longer is an end, however it began."""
CUT_S = 0.2
"""A gap is an end when it is longer, where the agent was cut."""
STUTTER_S = 0.04
SOUNDED_DBFS, VANISHED_DBFS, VANISHES_S = -42.0, -80.0, 0.02
"""What is cut sounded louder than this, and is softer than any breath so soon afterwards."""
PAUSE_S = 0.35
"""A silence within a user's sentence that somebody could take for its end."""
YIELDS_WITHIN_S, IGNORES_FOR_S, UNANSWERED_FOR_S = 2.0, 1.0, 2.0
DEAD_AIR_S = 3.0
OVERLAP_S = 0.5
FEWEST = 10
"""A share of fewer events is not shown."""

Steps = NDArray[np.float64]


class Meant(StrEnum):
    """What a sound of the user was meant to be."""

    TURN = "turn"
    BACKCHANNEL = "backchannel"
    TIC = "vocal tic"
    ASIDE = "not directed"


@dataclass(frozen=True, slots=True)
class Said:
    """A sound of the user somewhere within these seconds of the recording."""

    meant: Meant
    from_s: float
    to_s: float


def levels(pcm: Pcm, rate: int) -> Steps:
    """dBFS of every 10 ms."""
    size = round(rate * STEP_S)
    blocks = pcm[: len(pcm) // size * size].reshape(-1, size).astype(np.float64) / 32768
    return np.asarray(10 * np.log10((blocks**2).mean(axis=1) + 1e-12))


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound of the user as found in the recording: where it really begins and ends, and its pauses."""

    meant: Meant
    start: float
    end: float
    pauses: tuple[tuple[float, float], ...]


def heard(said: Said, user: Steps) -> Heard:
    """Find a sound in the user's levels."""
    first = round(said.from_s / STEP_S)
    part = user[first : round(said.to_s / STEP_S)]
    loud = part[part > AUDIBLE_DBFS]
    if not len(loud):
        raise ValueError(f"The user was silent from {said.from_s:.2f} to {said.to_s:.2f} s.")
    found = np.flatnonzero(part > np.percentile(loud, 95) - BELOW_DB)
    gaps = [(a + 1, b) for a, b in pairwise(found) if (b - a - 1) * STEP_S >= PAUSE_S]
    pauses = tuple(((first + a) * STEP_S, (first + b) * STEP_S) for a, b in gaps)
    return Heard(said.meant, (first + found[0]) * STEP_S, (first + found[-1] + 1) * STEP_S, pauses)


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence within or after the agent's sound."""

    start: float
    end: float
    cut: bool
    """It did not die away."""

    @property
    def length(self) -> float:
        return self.end - self.start

    @property
    def is_end(self) -> bool:
        """The agent fell silent."""
        return self.length >= (CUT_S if self.cut else FADED_S)

    @property
    def is_stutter(self) -> bool:
        """A listener hears that something is missing."""
        return self.cut and self.length >= STUTTER_S - STEP_S / 2


class AgentSide:
    """Where the agent begins and falls silent."""

    def __init__(self, agent: Steps) -> None:
        self._sounding = np.flatnonzero(agent > AUDIBLE_DBFS)
        self.gaps = list(self._find(agent))
        """Oldest first; the last one goes on to the end of the recording."""
        ends = [gap for gap in self.gaps if gap.is_end]
        first = [float(self._sounding[0]) * STEP_S] if len(self._sounding) else []
        last = float(self._sounding[-1] + 1) * STEP_S if len(self._sounding) else 0.0
        self.begins = first + [gap.end for gap in ends if gap.end < last]
        self.ends = [gap.start for gap in ends if gap.end < last] + ([last] if first else [])

    def _find(self, agent: Steps) -> Iterable[Gap]:
        bounds = [*self._sounding.tolist(), len(agent)]
        for before, after in pairwise(bounds):
            if after - before > 1:
                loud = agent[max(0, before - 2) : before + 1].max() > SOUNDED_DBFS
                cut = loud and agent[min(before + round(VANISHES_S / STEP_S), after - 1)] < VANISHED_DBFS
                yield Gap((before + 1) * STEP_S, after * STEP_S, bool(cut))

    @property
    def spoken_s(self) -> float:
        """So long it spoke, its own pauses included."""
        return sum(self.ends) - sum(self.begins)

    def speaks_at(self, at: float) -> bool:
        """In a word or in a pause between two."""
        return any(begin <= at < end for begin, end in zip(self.begins, self.ends, strict=True))

    def silent_after(self, at: float) -> float:
        """When it is silent for the first time from ``at`` on."""
        return next((max(at, end) for end in self.ends if end > at), at)

    def begins_after(self, at: float) -> float | None:
        """When it begins the next time."""
        return next((begin for begin in self.begins if begin >= at), None)

    def begins_within(self, start: float, end: float) -> list[float]:
        return [begin for begin in self.begins if start <= begin < end]

    def sounds_s(self, start: float, end: float) -> float:
        """How long it sounds there."""
        steps = self._sounding * STEP_S
        return float(np.count_nonzero((steps >= start - STEP_S / 2) & (steps < end - STEP_S / 2)) * STEP_S)


@dataclass
class Score:
    """Figures of one or several conversations; ``True`` in a list of a rate is what the rate counts."""

    responses: list[float] = field(default_factory=list)
    """L_R: from the end of a turn, during which the agent was silent at last, to the answer."""
    answered: list[bool] = field(default_factory=list)
    """R_R: ... before the user had to speak again."""
    yields: list[float] = field(default_factory=list)
    """L_Y: from a real interruption to the agent's silence, where it came."""
    yielded: list[bool] = field(default_factory=list)
    """R_Y: ... within 2 s."""
    turns: int = 0
    interruptions_by_agent: int = 0
    """I_A: the agent began while the user had a turn."""
    ignored: dict[Meant, list[bool]] = field(
        default_factory=lambda: {Meant.BACKCHANNEL: [], Meant.TIC: [], Meant.ASIDE: []}
    )
    """S_BC, S_VT, S_ND."""
    hesitations: list[bool] = field(default_factory=list)
    """Turns with a pause in them: cut off there or not."""
    cut_off: list[tuple[float, float]] = field(default_factory=list)
    """... of those that were: how long the pause was, and so long after its beginning the agent began, in seconds."""
    stutters: int = 0
    overlaps: list[float] = field(default_factory=list)
    """Seconds of both talking at once, where it was over 0.5 s; an agent that is turned down still talks."""
    overlaps_by_agent: int = 0
    """... of those, where the agent had begun; else the user interrupted it."""
    dead_air: int = 0
    """Turns after which nobody said anything for 3 s."""
    agent_s: float = 0.0

    def add(self, said: Sequence[Said], user: Pcm, agent: Pcm, user_rate: int, agent_rate: int) -> None:
        """One conversation; both recordings begin at the same moment."""
        loudness = levels(user, user_rate)
        everything = [heard(each, loudness) for each in sorted(said, key=lambda each: each.from_s)]
        side = AgentSide(levels(agent, agent_rate))
        turns = [each for each in everything if each.meant is Meant.TURN]
        for number, turn in enumerate(turns):
            again = turns[number + 1].start if number + 1 < len(turns) else max(len(loudness) * STEP_S, turn.end)
            self._add_turn(turn, again, side)
        for sound in everything:
            if sound.meant is not Meant.TURN:
                self._add_murmur(sound, side, turns)
        self.stutters += sum(gap.is_stutter and self._is_own(gap, turns, side) for gap in side.gaps)
        self.agent_s += side.spoken_s

    def _add_turn(self, turn: Heard, again: float, side: AgentSide) -> None:
        self.turns += 1
        self.interruptions_by_agent += len(side.begins_within(turn.start, turn.end))
        if side.speaks_at(turn.start):
            took = side.silent_after(turn.start) - turn.start
            self.yielded.append(took <= YIELDS_WITHIN_S)
            if took <= YIELDS_WITHIN_S:
                self.yields.append(took)
        if turn.pauses:
            pause, until = turn.pauses[0]
            begun = side.begins_within(pause, turn.end)
            self.hesitations.append(bool(begun))
            self.cut_off += [(until - pause, at - pause) for at in begun[:1]]
        if (overlap := side.sounds_s(turn.start, turn.end)) > OVERLAP_S:
            self.overlaps.append(overlap)
            self.overlaps_by_agent += bool(side.begins_within(turn.start, turn.end))
        if not side.speaks_at(turn.end):
            begins = side.begins_after(turn.end)
            answered = begins is not None and begins < again
            self.answered.append(answered)
            if begins is not None and answered:
                self.responses.append(begins - turn.end)
            self.dead_air += int((begins if begins is not None and answered else again) - turn.end > DEAD_AIR_S)

    def _add_murmur(self, sound: Heard, side: AgentSide, turns: Sequence[Heard]) -> None:
        if side.speaks_at(sound.start):
            self.ignored[sound.meant].append(side.silent_after(sound.start) - sound.start > IGNORES_FOR_S)
        elif sound.meant is not Meant.BACKCHANNEL:
            until = min([sound.end + UNANSWERED_FOR_S, *(turn.start for turn in turns if turn.start > sound.start)])
            self.ignored[sound.meant].append(not side.begins_within(sound.start, until))

    def _is_own(self, gap: Gap, turns: Sequence[Heard], side: AgentSide) -> bool:
        """Nobody made the agent stop there, and it goes on with what it was saying."""
        asked = any(turn.start < gap.end and turn.end > gap.start - YIELDS_WITHIN_S for turn in turns)
        return not asked and gap.end < side.ends[-1]


def share(events: Sequence[bool]) -> float | None:
    """Of a rate; nothing where there were too few events."""
    return sum(events) / len(events) if len(events) >= FEWEST else None
