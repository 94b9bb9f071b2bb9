"""What a fake Realtime server holds, and how it behaves."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.stories.fakes import Call
from voice_agents.audio import EMPTY, Pcm

RATE = 24_000


@dataclass
class Item:
    """One item of the server's conversation."""

    item_id: str
    kind: str
    text: str = ""
    call_id: str = ""
    sound: Pcm = field(default_factory=lambda: EMPTY)
    words: list[str] = field(default_factory=list)
    """The words of an assistant's message by their order of sounding."""
    first_value: int = 0

    def said(self, heard: Mapping[int, int] | None = None) -> list[str]:
        """The words of which at least half is in the :func:`tally` of a sound, or is left in the server's own."""
        left = tally(self.sound) if heard is None else heard
        whole = ((word, left.get(self.first_value + index, 0)) for index, word in enumerate(self.words))
        return [word for word, samples in whole if samples * 2 >= word_samples(word)]


def tally(sound: Pcm) -> dict[int, int]:
    """How many samples of each value."""
    values, counts = np.unique(sound, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def word_samples(word: str) -> int:
    """How long a word sounds: by its letters, as in speech."""
    return round((len(word) + 1) * 0.06 * RATE)


Step = str | Call
Script = Callable[[Sequence[Item]], Sequence[Step]]


@dataclass
class Habits:
    """How this server behaves."""

    hears_after_s: float = 0.15
    transcript_after_s: float | None = 0.3
    """None: the transcript fails; infinite: it never comes."""
    first_audio_s: float = 0.3
    word_gap_s: float = 0.01
    """Between two words of an answer on the wire: much faster than they sound."""
    text_first: bool = False
    """The whole text of a message comes before its sound."""
    late_audio: bool = False
    """Goes on with sound of a response after its cancellation."""
    names_speech: bool = True
    """Sends speech_started and speech_stopped; else only commits."""
    interrupts: bool = False
    """It breaks its answer off for speech, though it was told not to."""
    answers: bool = True
    reconnect_after_s: float = 0.5
    commits_after_s: float = 0.0
    deaf_connections: int = 0
    """So many of its sessions take no notice of anything that is said."""


def chatter(rng: random.Random, words: int) -> str:
    """An answer of words of many lengths."""
    return " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 11))) for _ in range(words))
