"""What a browser played, measured: stretches of sound, holes in them, and whether they are what was to be said."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from voice_agents.audio import Pcm
from voice_agents.offline import tts
from voice_agents.offline.tts import SAMPLE_RATE, Voice

AUDIBLE = 300
"""Samples from here on count as sound; Opus leaves less than this in a pause."""
ENVELOPE_S = 0.01
WAKE_S = 0.01
USUAL_S = 0.03


def bursts(pcm: Pcm, rate: int, pause_s: float = 1.2) -> list[Pcm]:
    """The stretches of sound that are at least ``pause_s`` apart."""
    at = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= AUDIBLE)
    if not len(at):
        return []
    cuts = np.flatnonzero(np.diff(at) >= pause_s * rate)
    starts, ends = np.append(at[0], at[cuts + 1]), np.append(at[cuts], at[-1])
    return [pcm[start : end + 1] for start, end in zip(starts, ends, strict=True)]


def longest_hole_s(pcm: Pcm, rate: int, loud: int = AUDIBLE) -> float:
    """The longest stretch below ``loud`` between the first and the last loud sample."""
    at = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= loud)
    return float(np.diff(at).max(initial=0)) / rate


def likeness(one: Pcm, one_rate: int, other: Pcm, other_rate: int) -> float:
    """Correlation of the two loudness envelopes where they fit best, 1 for the same; deaf to level and codec."""
    a, b = _envelope(one, one_rate), _envelope(other, other_rate)
    size = max(len(a), len(b))
    scale = float(np.linalg.norm(a) * np.linalg.norm(b)) or 1.0
    return float(np.correlate(np.pad(a, size), b, "full").max() / scale)


async def spoken(text: str, voice: str = "") -> Pcm:
    """The text in the offline voice, without the silence around it, at ``SAMPLE_RATE``."""
    with patch.object(tts, "_load", _loaded):
        async with Voice() as speaker:
            pieces = [piece.pcm async for piece in speaker.speak(text, voice)]
    return bursts(np.concatenate(pieces), SAMPLE_RATE)[0]


_loaded = cache(tts._load)
"""The default voice; it takes a second."""


@contextmanager
def starved() -> Iterator[Callable[[], float]]:
    """For how long, in seconds, this machine has kept a thread waiting that wanted to run; up to ``USUAL_S`` is usual.

    A thread of this process, the browser or the app that it started: if one of them is kept waiting while an answer is
    played, there is a hole in it, whatever the program does.
    """
    late_s, over, in_line = 0.0, threading.Event(), _in_line_s()

    def watch() -> None:
        nonlocal late_s
        asked = time.monotonic()
        while not over.wait(WAKE_S):
            now = time.monotonic()
            late_s += max(0.0, now - asked - WAKE_S - USUAL_S)
            asked = time.monotonic()

    watching = threading.Thread(target=watch, name="starved")
    watching.start()
    try:
        yield lambda: max(late_s, *(now - in_line.get(thread, now) for thread, now in _in_line_s().items()), 0.0)
    finally:
        over.set()
        watching.join()


def _in_line_s() -> dict[str, float]:
    """How long each thread of this process and its descendants has stood in line; nothing where that is not told."""
    found, family = dict[str, float](), {os.getpid()}
    parents = dict[int, int]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    for pid in family:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                found[path.parent.name] = int(path.read_text().split()[1]) / 1e9
    return found


def _envelope(pcm: Pcm, rate: int) -> NDArray[np.float64]:
    size = round(ENVELOPE_S * rate)
    blocks = pcm[: len(pcm) // size * size].astype(np.float64).reshape(-1, size)
    return np.asarray(np.sqrt((blocks**2).mean(axis=1)))
