"""Makes the weights of :mod:`voice_agents.turns.prosody` and tries them: ``python -m tests.bench.prosody``.

Learned from flite's and espeak-ng's voices, tried with others and, with ``--recordings``, with people: a folder of WAVs
(such as Debian's ``asterisk-core-sounds-*-wav``), of which those below 0.75 s stand for murmurs, though they are none,
and those above 1.4 s for sentences. Printed is how many silence the agent after 0.28 s, 0.33 s and 0.65 s of voice, and
how many are over before.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.giving_way import SENTENCES, UNSEEN, spoken
from tests.bench.hesitating import FIRST
from tests.bench.scenes import BACKCHANNELS, CUT_INS, QUESTIONS
from tests.voices import RATE, trimmed
from voice_agents.audio import Pcm, read_wav, resample, silence
from voice_agents.turns import prosody
from voice_agents.turns.floor import DOUBTED_S, MURMUR_S, PAUSE_AFTER_S, PERHAPS, SURELY
from voice_agents.turns.prosody import measures
from voice_agents.turns.vad import VoiceActivity, VoiceStarted, VoiceStopped, load_speech_model

TRAINED = (
    "slt", "rms", "awb", "kal16", "slt higher", "rms lower", "awb higher", "awb lower", "kal16 higher", "rms quicker",
    "slt quicker", "espeak en-us+m1", "espeak en-us+m3", "espeak en-us+m5", "espeak en-us+m7", "espeak en-us+f1",
    "espeak en-us+f4", "espeak en-us+f5", "espeak en-us+klatt2", "espeak en-gb", "espeak en-gb-x-rp",
    "espeak en-gb-x-gbclan+f2",
)  # fmt: skip
MURMURS = (
    *BACKCHANNELS, "mm-hmm", "mhm", "mm", "hmm", "huh", "ah", "ok", "wow", "yep", "got it", "all right", "yeah yeah",
    "right right", "oh okay", "makes sense", "of course", "really",
)  # fmt: skip
LEARNED = tuple(f"{begins} {goes_on}" for kind in FIRST.values() for begins, goes_on in kind)
EVERY = 3
"""Each voice says one in three of them."""
OTHERS = (*SENTENCES, *CUT_INS, *QUESTIONS)
LEARNED_AT_S = (0.28, 0.3, 0.33)
ROUNDS, STIFFNESS = 30, 1.0
SHORT_S, LONG_S, LOUD = 0.75, 1.4, 6000
FRAME, HISS = 320, 8.0

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """A voice as the detector finds it in a quiet room."""

    sentence: bool
    pcm: Pcm
    """From its first sample until it stops."""

    def until(self, seconds: float) -> Pcm | None:
        """What was heard of it when it had gone on for so long; None: it did not."""
        size = round(seconds * RATE)
        return self.pcm[:size] if len(self.pcm) >= size else None


def hear(pcm: Pcm, *, sentence: bool) -> Heard | None:
    """Its first burst; None where nothing was noticed."""
    room = np.concatenate([silence(1.0, RATE), pcm, silence(0.7, RATE)])
    room = room + np.random.default_rng(1).normal(scale=HISS, size=len(room))
    room = np.clip(room, -32768, 32767).astype(np.int16)
    voice, start = VoiceActivity(), None
    voice.eager = True
    for at in range(0, len(room) - FRAME, FRAME):
        for event in voice.feed(room[at : at + FRAME]):
            if isinstance(event, VoiceStarted):
                start = event.start
            elif isinstance(event, VoiceStopped) and start is not None:
                return Heard(sentence, room[start : event.end])
    return None


def said(voices: Iterable[str], sentences: Sequence[str], every: int = 1) -> list[Heard]:
    """Murmurs and sentences in these voices."""
    found: list[Heard | None] = []
    for number, voice in enumerate(voices):
        found += [hear(spoken(text, voice), sentence=False) for text in MURMURS]
        found += [hear(spoken(text, voice), sentence=True) for text in sentences[number % every :: every]]
    return [each for each in found if each is not None]


def recorded(folder: Path) -> list[Heard]:
    """What people say shortly, and at length."""
    found: list[Heard | None] = []
    for path in sorted(folder.rglob("*.wav")):
        pcm, rate = read_wav(path)
        speech = trimmed(resample(pcm, rate, RATE), 600)
        if len(speech) < SHORT_S * RATE or len(speech) > LONG_S * RATE:
            gain = LOUD / max(1.0, float(np.percentile(np.abs(speech.astype(np.float64)), 97))) if len(speech) else 1.0
            louder = np.clip(speech * gain, -32768, 32767).astype(np.int16)
            found.append(hear(louder, sentence=len(speech) > SHORT_S * RATE))
    return [each for each in found if each is not None]


def learn(voices: Sequence[Heard]) -> tuple[Values, Values, Values, float]:
    """Means, spreads, weights and bias by logistic regression, in which both kinds weigh the same."""
    heard = [(piece, each.sentence) for each in voices for at in LEARNED_AT_S if (piece := each.until(at)) is not None]
    values = np.array([measures(piece) for piece, _ in heard])
    sentence = np.array([float(is_one) for _, is_one in heard])
    means, spreads = values.mean(axis=0), values.std(axis=0)
    rows = np.column_stack([(values - means) / spreads, np.ones(len(values))])
    share = np.where(sentence == 1, 0.5 / sentence.mean(), 0.5 / (1 - sentence.mean()))
    stiff = np.append(np.full(values.shape[1], STIFFNESS), 0.0)
    weights = np.zeros(rows.shape[1])
    for _ in range(ROUNDS):
        likely = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (share * (sentence - likely)) - stiff * weights
        weights += np.linalg.solve((rows.T * (share * likely * (1 - likely))) @ rows + np.diag(stiff), slope)
    return means, spreads, weights[:-1], float(weights[-1])


def silences_after(voice: Heard) -> float | None:
    """The seconds of this voice after which an agent falls silent; None: it is over before."""
    for after_s, enough in ((PAUSE_AFTER_S, SURELY), (DOUBTED_S, PERHAPS)):
        piece = voice.until(after_s)
        if piece is not None and prosody.sentence_odds(piece) > enough:
            return after_s
    return None if voice.until(MURMUR_S) is None else MURMUR_S


def tell(title: str, voices: Sequence[Heard]) -> None:
    """What becomes of the two kinds."""
    for name, kind in (("murmurs", False), ("sentences", True)):
        those = [silences_after(each) for each in voices if each.sentence is kind]
        shares = [f"{those.count(after) / max(1, len(those)):8.0%}" for after in (0.28, 0.33, 0.65, None)]
        print(f"{title + ', ' + name:34}{len(those):>6}" + "".join(shares), flush=True)


def main(options: argparse.Namespace) -> None:
    """The weights that are learned today, then what those in the code do."""
    load_speech_model()
    trained = said(TRAINED, LEARNED, EVERY)
    means, spreads, weights, bias = learn(trained)
    for name, found in (("_MEANS", means), ("_SPREADS", spreads), ("_WEIGHTS", weights)):
        print(f"{name} = ({', '.join(f'{value:.2f}' for value in found)})")
    print(f"_BIAS = {bias:.2f}\n\n{'in the code':34}{'heard':>6}{'0.28 s':>8}{'0.33 s':>8}{'0.65 s':>8}{'over':>8}")
    tell("voices learned from", trained)
    tell("other voices", said(UNSEEN, OTHERS))
    if options.recordings is not None:
        tell("people", recorded(options.recordings))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, help="a folder with WAVs of people")
    main(parser.parse_args())
