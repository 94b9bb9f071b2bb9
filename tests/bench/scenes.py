"""What the scripted caller of the scorecard says: questions, hesitations, murmurs, coughs, and talk to somebody else.

Background talk is people's own reading and acting where an installed package carries recordings; the rest are flite's
voices and sounds made by calculation. All sounds are int16 mono at 16 kHz.
"""

from __future__ import annotations

import random
from functools import cache
from importlib.util import find_spec
from itertools import chain, cycle
from pathlib import Path

import numpy as np

from tests.sounds import SOUNDS
from tests.voices import RATE, flite, trimmed
from voice_agents.audio import Pcm, read_wav, resample, silence

VOICES = ("slt", "rms", "awb")
QUESTIONS = (
    "What time is it in Tokyo?",
    "What is seven times eight?",
    "Convert ten miles to kilometers.",
    "Roll two dice.",
    "What can you do?",
    "How many inches are in ten centimeters?",
    "Flip a coin.",
    "What day is it today?",
)
HESITATIONS = (
    ("What time is it", "in Sydney?"),
    ("Set a timer for", "five minutes."),
    ("How much is twelve", "times seven?"),
    ("Take a note", "to buy milk and bread."),
    ("I would like to know", "what time it is in London."),
    ("Convert twenty", "miles to kilometers."),
    ("Can you tell me", "a joke?"),
    ("My name is", "Daniel."),
    ("Remind me to call", "my sister in ten minutes."),
    ("What is the square root of", "one hundred and forty four?"),
    ("So I was wondering", "what day it is."),
    ("Please write down that the number is five five five", "one two three four."),
)
"""A sentence and how it goes on after 0.4 to 0.9 s."""
CORRECTIONS = (
    "Set a timer for five, no, for ten minutes.",
    "What time is it in Rome, I mean in Berlin?",
    "Convert ten miles, sorry, twenty miles to kilometers.",
    "What is six times, no, seven times nine?",
)
CUT_INS = (
    "What time is it in Paris?",
    "Stop. What is nine times nine?",
    "Wait, flip a coin please.",
    "No, tell me what day it is.",
    "Okay, roll a die.",
    "Sorry, how many feet are in a mile?",
)
STORY = "Tell me a story."
BACKCHANNELS = ("uh-huh", "yeah", "right", "okay", "aha", "I see", "oh")
"""Not "mm-hmm", over which flite's voices take more than a second."""
ASIDES = ("Hold on a second, mum.", "Close the door please, Tom.", "I am on the phone.", "Dinner is in the oven.")
TICS = ("cough", "um", "two coughs", "sneeze", "uh", "cough")
RECORDINGS = ("two_cities.wav", "endgame_nagg_nell.wav", "beckett.wav")
"""English read and acted by people, in the package moonshine_voice."""
QUIET = 300
"""Softer samples at both ends are silence."""
ASIDE_DB, BACKGROUND_DB, MURMUR_DB = -8.0, -18.0, -4.0
"""Against who speaks to the agent: turned away, somebody at the other end of the room, half aloud."""


def softer(pcm: Pcm, change_db: float) -> Pcm:
    return (pcm.astype(np.float64) * 10 ** (change_db / 20)).astype(np.int16)


@cache
def people() -> tuple[Pcm, ...]:
    """Two seconds each of somebody's talk; empty where no package carries any."""
    found = find_spec("moonshine_voice")
    if found is None or found.origin is None:
        return ()
    pieces: list[Pcm] = []
    for name in RECORDINGS:
        path = Path(found.origin).parent / "assets" / name
        if path.exists():
            pcm, rate = read_wav(path)
            speech = trimmed(resample(pcm, rate, RATE), 600)
            pieces += [trimmed(speech[at : at + 2 * RATE], 300) for at in range(0, len(speech) - 2 * RATE, 3 * RATE)]
    return tuple(pieces)


class Material:
    """Everything in turn, in the three voices in turn; pauses by chance, the same with the same seed."""

    def __init__(self, seed: int = 1) -> None:
        """Speaks everything once, which takes a while: in a call nobody must wait for a voice."""
        words = (*QUESTIONS, *CORRECTIONS, *CUT_INS, *BACKCHANNELS, *TICS, STORY, *chain.from_iterable(HESITATIONS))
        for text in words:
            for voice in VOICES:
                flite(text, voice)
        self._dice = random.Random(seed)
        self._voices = cycle(VOICES)
        self._turns = {name: cycle(sentences) for name, sentences in _SENTENCES.items()}
        self._hesitations, self._tics = cycle(HESITATIONS), cycle(TICS)
        self._backchannels = cycle(BACKCHANNELS)
        self._asides = cycle([_aside(text) for text in ASIDES])
        self._people = cycle(people() or [_aside(text) for text in ASIDES])
        self._from_people = cycle((True, False))

    def turn(self, kind: str) -> Pcm:
        """The next question, correction or cut-in."""
        return flite(next(self._turns[kind]), next(self._voices))

    def story(self) -> Pcm:
        return flite(STORY, next(self._voices))

    def hesitation(self) -> Pcm:
        """A sentence with a pause in it that is as long as it is said to be: flite's voices end with silence."""
        voice, (one, other) = next(self._voices), next(self._hesitations)
        gap = silence(self._dice.uniform(0.4, 0.9), RATE)
        return np.concatenate([trimmed(flite(one, voice), QUIET), gap, trimmed(flite(other, voice), QUIET)])

    def backchannel(self) -> Pcm:
        return softer(flite(next(self._backchannels), next(self._voices)), MURMUR_DB)

    def tic(self) -> Pcm:
        name = next(self._tics)
        return SOUNDS[name] if name in SOUNDS else softer(flite(name, next(self._voices)), MURMUR_DB)

    def aside(self) -> Pcm:
        """Speech that is not meant for the agent: by turns somebody's in the background, and the user's own."""
        return softer(next(self._people), BACKGROUND_DB) if next(self._from_people) else next(self._asides)


_SENTENCES = {"question": QUESTIONS, "correction": CORRECTIONS, "cut in": CUT_INS}


def _aside(text: str) -> Pcm:
    return softer(flite(text, "rms"), ASIDE_DB)
