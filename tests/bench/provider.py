"""A loopback provider with fixed delays and no engines, in a process of its own: ``python -m tests.bench.provider``.

Speaks the vendors' protocols through the offline server's own code; what it hears and says is scripted, so that a
benchmark measures the client side only. With ``--partials`` it hears the :data:`SENTENCES` as they are said, from
anyone else it hears words without a meaning. Prints its URL; ends when its standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import cast

import numpy as np

from tests.bench.sentences import SENTENCES
from tests.quick_engines import QUIETEST, QuickRecogniser, ToneVoice
from tests.voices import RATE, flite
from voice_agents.audio import Pcm, to_bytes
from voice_agents.collector import leave_out_what_is_loaded
from voice_agents.offline.brain import Brain, Message, Reply
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import AnyRecogniser, Pace, Services

COMMIT_S, FIRST_TOKEN_S, TOKEN_S, FIRST_AUDIO_S = 0.12, 0.3, 0.02, 0.15
ANSWER = "Sure, " + " ".join(["this answer goes on for a while so that it can be interrupted."] * 3)
FIRST_CLAUSE_TOKENS = 2
"""The server streams "Sure," as "S" and "ure,"."""
FIXED_S = COMMIT_S + FIRST_TOKEN_S + (FIRST_CLAUSE_TOKENS - 1) * TOKEN_S + FIRST_AUDIO_S
"""What this provider takes between the end of a turn and its first audible sample."""
WORD_S = 0.25


VOICES = ("slt", "rms", "awb", "kal16")


def word_at(number: int) -> str:
    return ("please", "tell", "me", "more")[number % 4]


def said(number: int) -> Pcm:
    """The sentence of this number, each in a voice of its own; int16 mono at 16 kHz."""
    return flite(SENTENCES[number % len(SENTENCES)], VOICES[number % len(SENTENCES) % len(VOICES)])


class Partials(Enum):
    """How often the words so far are looked at, and how much later they are sent; in seconds."""

    LAGGING = (0.35, 0.1)
    """Up to 0.45 s behind the words."""
    CURRENT = (0.1, 0.08)


@dataclass(slots=True)
class _Place:
    """Where in a known sound one is."""

    sound: int
    since: int
    """The sample with which it was begun to be heard."""
    until: int


class Script:
    """Sounds that are known by their samples, and the words in them; each word takes its share of the sound."""

    def __init__(self, sounds: Sequence[tuple[str, Pcm]]) -> None:
        self._words = [words.split() for words, _ in sounds]
        self._sounds = [to_bytes(pcm) for _, pcm in sounds]

    def find(self, piece: Pcm) -> _Place | None:
        """The place just behind this piece."""
        wanted = to_bytes(piece)
        for number, sound in enumerate(self._sounds):
            at = sound.find(wanted)
            if at >= 0 and at % 2 == 0:
                return _Place(number, at // 2, at // 2 + len(piece))
        return None

    def length(self, place: _Place) -> int:
        """Samples of the whole sound."""
        return len(self._sounds[place.sound]) // 2

    def words(self, place: _Place) -> list[str]:
        """Those that were over while it was heard."""
        words, whole = self._words[place.sound], self.length(place) / len(self._words[place.sound])
        first, last = (int((at + EARLIER) / whole) for at in (place.since, place.until))
        return words[first:last]


EARLIER = round(0.04 * RATE)
"""A word is known so much before its last sample: the rest is its fading."""
PIECE = 160
"""Samples by which a sound is known."""


class ScriptedUtterance:
    """Hears the sounds of a script from one commit to the next."""

    def __init__(self, script: Script, partials: Partials, on_partial: Callable[[str], None] | None) -> None:
        self._script, self._on_partial = script, on_partial
        self._every, self._late_s = round(partials.value[0] * RATE), partials.value[1]
        self._places: list[_Place] = []
        self._place: _Place | None = None
        self._rest = np.zeros(0, np.int16)
        self._heard = 0
        self.partial = ""

    def feed(self, pcm: Pcm) -> None:
        looks, self._heard = self._heard // self._every, self._heard + len(pcm)
        self._rest = np.concatenate([self._rest, pcm])
        while self._follow():
            pass
        if self._heard // self._every > looks:
            asyncio.get_running_loop().call_later(self._late_s, self._show, self._words)

    def _follow(self) -> bool:
        """Take in what waits; False when more has to come."""
        if self._place is not None:
            left = self._script.length(self._place) - self._place.until
            taken = self._rest[:left]
            self._place.until += len(taken)
            self._rest = self._rest[left:]
            if len(taken) == left:
                self._place = None
            return self._place is None
        loud = np.flatnonzero(np.abs(self._rest.astype(np.int32)) > QUIETEST)
        if not len(loud):
            self._rest = self._rest[:0]
            return False
        self._rest = self._rest[loud[0] :]
        if len(self._rest) < PIECE:
            return False
        self._place = self._script.find(self._rest[:PIECE])
        if self._place is not None:
            self._places.append(self._place)
        self._rest = self._rest[PIECE:]
        return True

    @property
    def _words(self) -> str:
        return " ".join(word for place in self._places for word in self._script.words(place))

    def _show(self, words: str) -> None:
        if words and words != self.partial:
            self.partial = words
            if self._on_partial is not None:
                self._on_partial(words)

    async def finish(self) -> str:
        return self._words

    def cancel(self) -> None:
        pass


class ScriptedRecogniser:
    """Knows what it will be told."""

    def __init__(self, partials: Partials) -> None:
        self._partials = partials
        self._script = Script([(SENTENCES[number], said(number)) for number in range(len(SENTENCES))])

    def utterance(self, on_partial: Callable[[str], None] | None = None) -> ScriptedUtterance:
        return ScriptedUtterance(self._script, self._partials, on_partial)


class ScriptedBrain:
    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        return Reply(ANSWER)


async def serve(partials: Partials | None) -> None:
    ears: AnyRecogniser = QuickRecogniser(word_at) if partials is None else ScriptedRecogniser(partials)
    services = Services(ears, ToneVoice(WORD_S), cast(Brain, ScriptedBrain()))
    services.pace = Pace(COMMIT_S, FIRST_TOKEN_S, TOKEN_S, FIRST_AUDIO_S)
    async with OfflineServer(services=services) as server:
        leave_out_what_is_loaded()
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def fixed_delays(module: str = "tests.bench.provider", *options: str) -> Iterator[str]:
    """The URL of such a provider (``module`` prints it when run) for as long as the block runs."""
    command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partials", type=Partials.__getitem__, help="LAGGING or CURRENT")
    asyncio.run(serve(parser.parse_args().partials))
