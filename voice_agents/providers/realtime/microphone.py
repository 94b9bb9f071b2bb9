"""The user's sound on its way to servers that may be lost: what a fresh server session has to hear again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voice_agents.audio import from_bytes
from voice_agents.providers.realtime.wire import BYTES_PER_S, RATE

KEEP_S = 30.0
"""The most of one turn, and of a time without connection, that is kept."""
PRE_ROLL_S = 1.0
"""Kept while nobody speaks: a server finds speech late, and takes what came just before with it."""
SLACK_S = 0.5
"""Old sound is thrown away in pieces of this length."""
SHORTEST_TURN_S = 0.1
"""The vendors refuse to commit less."""
LOUD = 10 ** (-45 / 20) * 32768
"""RMS of 20 ms that may be somebody speaking."""
_SLICE = RATE // 50


@dataclass(slots=True)
class UntoldTurn:
    """A turn the server was asked to take, or took by itself, whose words are not known yet."""

    pcm: bytes
    item_id: str = ""
    """The server's item, as it was reported; empty until it is known."""
    committed: bool = False
    """UserCommitted was reported."""


class SentAudio:
    """Positions are samples (24 kHz) since the client began; a server counts from the beginning of its session."""

    def __init__(self) -> None:
        self.position = 0
        self.speaking = False
        """The server hears the user speak."""
        self.held = False
        """The user was heard here, whatever the server has made of it so far."""
        self.keep_all = True
        """No server listens, or nothing but a commit will end the turn: all that was said must be kept."""
        self.utterances: list[UntoldTurn] = []
        self._kept = bytearray()
        self._session_start = 0

    def add(self, pcm: bytes) -> None:
        """The next samples, little-endian PCM16."""
        self._kept += pcm
        self.position += len(pcm) // 2
        keep_s = KEEP_S if self.speaking or self.held or self.keep_all else PRE_ROLL_S
        if len(self._kept) > (keep_s + SLACK_S) * BYTES_PER_S:
            del self._kept[: len(self._kept) - int(keep_s * RATE) * 2]

    def position_of(self, at_ms: int) -> int:
        """Where a server's time lies in what was recorded."""
        return self._session_start + at_ms * RATE // 1000

    def take(self, item_id: str, end: int | None = None) -> UntoldTurn | None:
        """What is kept up to ``end`` is a turn; all of it, if a server's ``end`` cannot be true.

        None when that is too little to be one.
        """
        first = self.position - len(self._kept) // 2
        shortest = first + int(SHORTEST_TURN_S * RATE)
        length = (end if end is not None and shortest <= end < self.position else self.position) - first
        length *= 2
        pcm = bytes(self._kept[:length])
        del self._kept[:length]
        self.speaking = self.held = False
        if not item_id and len(pcm) < SHORTEST_TURN_S * BYTES_PER_S:
            return None
        utterance = UntoldTurn(pcm, item_id)
        self.utterances.append(utterance)
        while len(self.utterances) > 1 and sum(len(u.pcm) for u in self.utterances) > KEEP_S * BYTES_PER_S:
            del self.utterances[0]
        return utterance

    def clear(self) -> None:
        """Forget what belongs to no turn yet."""
        self._kept.clear()
        self.speaking = self.held = False

    def is_known(self, item_id: str) -> None:
        """The words of a turn have come: memory has them, its sound is no longer needed."""
        self.utterances = [u for u in self.utterances if u.item_id != item_id]

    def is_answered(self) -> None:
        """Turns the server took are answered: their sound is no longer needed, even if their words never come."""
        self.utterances = [u for u in self.utterances if not u.item_id]

    def begin_session(self) -> bytes:
        """What a fresh server session has to hear after the utterances: what is kept, without the silence before it."""
        if not self.speaking:
            self._drop_silence()
        self.speaking = False
        self.utterances = [u for u in self.utterances if len(u.pcm) >= SHORTEST_TURN_S * BYTES_PER_S]
        replayed = sum(len(u.pcm) for u in self.utterances) // 2
        self._session_start = self.position - len(self._kept) // 2 - replayed
        return bytes(self._kept)

    def _drop_silence(self) -> None:
        kept = from_bytes(bytes(self._kept))
        loud = np.flatnonzero(_levels(kept) >= LOUD)
        first = int(loud[0]) * _SLICE if len(loud) else len(kept)
        del self._kept[: max(0, first - int(PRE_ROLL_S * RATE)) * 2]


def is_loud(pcm: bytes) -> bool:
    """It may be somebody speaking."""
    return bool((_levels(from_bytes(pcm)) >= LOUD).any())


def _levels(pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """RMS of each whole 20 ms."""
    slices = pcm[: len(pcm) // _SLICE * _SLICE].reshape(-1, _SLICE).astype(np.float64)
    levels: np.ndarray[tuple[int], np.dtype[np.float64]] = np.sqrt(np.mean(np.square(slices), axis=1))
    return levels
