"""Makes the weights of :mod:`voice_agents.turns.prosody` and tries them: ``python -m tests.bench.prosody``.

Learned (``--write``, some ten minutes) from flite's and espeak-ng's voices, also made higher, lower, quicker and slower
by sox, louder and softer, in a room and over a telephone; tried with voices and sentences that are not among them and,
with ``--recordings``, with people: a folder of WAVs (such as Debian's ``asterisk-core-sounds-*-wav``), of which those
below 0.75 s stand for words alone and those above 1.4 s for sentences. Printed is how many silence the agent within
0.36 s of voice, later, as they fall silent, after 0.65 s, and how many do not.
"""

from __future__ import annotations

import argparse
import random
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.giving_way import SENTENCES, STRETCHED, UNSEEN, WORDS, spoken
from tests.bench.hesitating import FIRST
from tests.bench.interrupting import ALONE, INTERRUPTING, MURMURS
from tests.bench.scenes import BACKCHANNELS, CUT_INS, QUESTIONS
from tests.bench.sentences import SENTENCES as WHOLE
from tests.voices import RATE, espeak, flite, trimmed
from voice_agents.audio import Pcm, read_wav, resample
from voice_agents.turns.floor import LOOKS, MURMUR_S, WORD
from voice_agents.turns.prosody import GOES_ON_S, WEIGHTS, VoiceJudge, traits
from voice_agents.turns.vad import FADED_S, SileroVad, VoiceActivity, VoiceStarted, VoiceStopped, load_speech_model

CHANGES = {
    "p+2": ("pitch", "200"), "p-2": ("pitch", "-200"), "p+4": ("pitch", "400"), "p-3": ("pitch", "-300"),
    "p+5": ("pitch", "500"), "t1.2": ("tempo", "-s", "1.2"), "t0.85": ("tempo", "-s", "0.85"),
    "t1.35": ("tempo", "-s", "1.35"), "p+2t1.2": ("pitch", "200", "tempo", "-s", "1.2"),
    "p-2t0.9": ("pitch", "-200", "tempo", "-s", "0.9"), "p+1t1.3": ("pitch", "100", "tempo", "-s", "1.3"),
    "s1.1": ("speed", "1.1"), "s0.9": ("speed", "0.9"),
}  # fmt: skip
"""What sox does to a voice."""
FLITE = ("slt", "rms", "awb", "kal16")
ESPEAK = (
    "en-us+m1", "en-us+m3", "en-us+m5", "en-us+m7", "en-us+f1", "en-us+f4", "en-us+f5", "en-us+klatt2", "en-gb",
    "en-gb-x-rp", "en-gb-x-gbclan+f2", "en-us+Adam", "en-us+Alicia", "en-us+Andy", "en-us+Annie", "en-us+Belinda",
    "en-gb+Edward", "en-us+Gene", "en-us+Lee", "en-gb+Linda", "en-us+Mario", "en-us+Michael", "en-us+Paul",
    "en-us+Quincy", "en-us+Steph", "en-us+Zac", "en-us+anika", "en-gb+grandpa", "en-gb+shelby", "en-us+victor",
    "en-gb-x-gbcwmd+m4", "en-029+f3",
)  # fmt: skip
TRAINED = (
    *FLITE, *(f"{voice} {change}" for voice in FLITE for change in CHANGES), "slt higher", "rms lower", "awb higher",
    "awb lower", "kal16 higher", "rms quicker", "slt quicker", *(f"espeak {voice}" for voice in ESPEAK),
)  # fmt: skip
LEARNED = (*(f"{begins} {goes_on}" for kind in FIRST.values() for begins, goes_on in kind), *WHOLE[:30], *INTERRUPTING)
OTHERS = (*SENTENCES, *CUT_INS, *QUESTIONS, *WHOLE[30:])
A_VOICE, SENTENCES_EACH = 75, 40
"""Texts that a voice says, flite's own voices all."""
EARLY_S, LATE_S = (0.25, 0.28, 0.31, 0.34), (0.38, 0.42, 0.47, 0.52)
"""When a voice that goes on is learned from, and a moment later it is heard."""
MOMENT_S, LONGEST_WORD_S = 0.01, 0.8
OFTEN, NAMED = {"stop": 4, "wait": 4, "no": 4, "hold on": 4}, 2
"""Words that count more, and murmurs that everybody says."""
ROUNDS, STIFFNESS = 12, 300.0
SHORT_S, LONG_S, LOUD = 0.75, 1.4, 6000
FRAME, CUT_S = 320, 1.3

Values = NDArray[np.float64]


class Kind(Enum):
    """What is said."""

    MURMUR = "murmurs"
    WORD = "words alone"
    SENTENCE = "sentences"


@dataclass(frozen=True)
class Heard:
    """A voice as the detector finds it."""

    kind: Kind
    text: str
    pcm: Pcm
    """From its first sample to a moment after it has stopped."""
    end: int | None
    """The sample with which it stops; None: it goes on."""

    def until(self, seconds: float) -> Pcm | None:
        """What was heard of it when it had gone on for so long; None: it did not."""
        size = round(seconds * RATE)
        goes_on = len(self.pcm) >= size and (self.end is None or self.end >= size)
        return self.pcm[: size + round(MOMENT_S * RATE)] if goes_on else None

    @property
    def whole(self) -> Pcm | None:
        """All of it, a moment after its end; None: it goes on too long to be a word."""
        if self.end is None or self.end > LONGEST_WORD_S * RATE:
            return None
        return self.pcm[: self.end + round((FADED_S + MOMENT_S) * RATE)]


def changed(text: str, voice: str) -> Pcm:
    """Also in a voice that sox has changed."""
    name, _, change = voice.partition(" ")
    if change not in CHANGES:
        return (
            espeak(text, change)
            if name == "espeak"
            else spoken(text, voice)
            if change in STRETCHED
            else flite(text, name)
        )
    command = ["sox", "-t", "raw", "-r", str(RATE), "-e", "signed", "-b", "16", "-c", "1", "-", "-t", "raw", "-"]
    speech = flite(text, name).astype("<i2").tobytes()
    found = subprocess.run([*command, *CHANGES[change]], input=speech, capture_output=True, check=True)
    return trimmed(np.frombuffer(found.stdout, np.int16), 300)


def in_a_room(pcm: Pcm, dice: random.Random, noise: np.random.Generator) -> Pcm:
    """Nearer or farther, with an echo now and then, over a telephone now and then."""
    sound = pcm * 10 ** (dice.uniform(-14, 5) / 20)
    if dice.random() < 0.25:
        size = RATE // 4
        echo = noise.normal(size=size) * np.exp(-np.arange(size) / (0.06 * RATE))
        echo *= 0.25 * dice.random() / np.sqrt((echo**2).sum())
        echo[0] = 1.0
        sound = np.convolve(sound, echo)
    whole = np.clip(sound, -32768, 32767).astype(np.int16)
    return resample(resample(whole, RATE, 8000), 8000, RATE) if dice.random() < 0.2 else whole


def hear(kind: Kind, text: str, pcm: Pcm, dice: random.Random, hiss: float = 8.0) -> Heard | None:
    """Its first burst, cut after 1.3 s; None where nothing was noticed."""
    before, speech = round(dice.uniform(0.5, 0.9) * RATE), pcm[: round(CUT_S * RATE)]
    room = np.random.default_rng(1).normal(scale=hiss, size=before + len(speech) + RATE // 2)
    room[before : before + len(speech)] += speech
    sound = np.clip(room, -32768, 32767).astype(np.int16)
    voice, start, end = VoiceActivity(), None, None
    voice.eager = True
    for at in range(0, len(sound) - FRAME, FRAME):
        for event in voice.feed(sound[at : at + FRAME]):
            if isinstance(event, VoiceStarted) and start is None:
                start = event.start
            elif isinstance(event, VoiceStopped) and start is not None and end is None:
                end = event.end
    if start is None:
        return None
    cut = end is not None and end >= before + round((CUT_S - 0.05) * RATE)
    return Heard(kind, text, sound[start:], None if end is None or cut else end - start)


def trained(seed: int = 1) -> list[Heard]:
    """What is learned from."""
    dice, noise = random.Random(seed), np.random.default_rng(seed)
    found: list[Heard | None] = []
    for number, voice in enumerate(TRAINED):
        texts = [(text, Kind.MURMUR) for text in MURMURS] + [(text, Kind.WORD) for text in ALONE]
        texts += [(text, Kind.SENTENCE) for text in dice.sample(LEARNED, SENTENCES_EACH)]
        for text, kind in texts if number < len(FLITE) else dice.sample(texts, A_VOICE):
            pcm = in_a_room(changed(text, voice), dice, noise)
            found.append(hear(kind, text, pcm, dice, dice.choice((3.0, 8.0, 8.0, 20.0, 50.0))))
    return [each for each in found if each is not None]


def said(voices: Iterable[str]) -> list[Heard]:
    """What they are tried with."""
    dice, texts = random.Random(2), {Kind.MURMUR: BACKCHANNELS, Kind.WORD: WORDS, Kind.SENTENCE: OTHERS}
    every = [(kind, text, voice) for voice in voices for kind, each in texts.items() for text in each]
    found = [hear(kind, text, spoken(text, voice), dice) for kind, text, voice in every]
    return [each for each in found if each is not None]


def recorded(folder: Path) -> list[Heard]:
    """What people say shortly, and at length."""
    dice, found = random.Random(2), list[Heard | None]()
    for path in sorted(folder.rglob("*.wav")):
        pcm, rate = read_wav(path)
        speech = trimmed(resample(pcm, rate, RATE), 600)
        if len(speech) < SHORT_S * RATE or len(speech) > LONG_S * RATE:
            gain = LOUD / max(1.0, float(np.percentile(np.abs(speech.astype(np.float64)), 97))) if len(speech) else 1.0
            louder = np.clip(speech * gain, -32768, 32767).astype(np.int16)
            kind = Kind.SENTENCE if len(speech) > SHORT_S * RATE else Kind.WORD
            found.append(hear(kind, path.stem, louder, dice))
    return [each for each in found if each is not None]


def pieces(voices: Sequence[Heard], seconds: Sequence[float]) -> tuple[Values, Values, Values]:
    """Traits, whether it is no murmur, and what each counts; no ``seconds``: of what is over."""
    model, rows = SileroVad(), list[tuple[Values, bool, float]]()
    for voice in voices:
        counts = OFTEN.get(voice.text, NAMED if voice.text in BACKCHANNELS else 1)
        for piece in [voice.until(after_s) for after_s in seconds] if seconds else [voice.whole]:
            if piece is not None:
                rows.append((traits(piece, model), voice.kind is not Kind.MURMUR, counts))
    return (
        np.array([row[0] for row in rows]),
        np.array([float(row[1]) for row in rows]),
        np.array([row[2] for row in rows]),
    )


def learn(values: Values, real: Values, counts: Values) -> Values:
    """A weight for each trait, and the bias, by logistic regression in which both kinds weigh the same."""
    means, spreads = values.mean(axis=0), values.std(axis=0) + 1e-3
    rows = np.column_stack([(values - means) / spreads, np.ones(len(values))])
    share = counts.astype(np.float64)
    for kind in (0.0, 1.0):
        share[real == kind] *= 0.5 * len(real) / share[real == kind].sum()
    stiff, weights = np.append(np.full(values.shape[1], STIFFNESS), 1e-6), np.zeros(rows.shape[1])
    for _ in range(ROUNDS):
        likely = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (share * (real - likely)) - stiff * weights
        weights += np.linalg.solve((rows.T * (share * likely * (1 - likely))) @ rows + np.diag(stiff), slope)
    scaled = weights[:-1] / spreads
    return np.append(scaled, weights[-1] - means @ scaled)


def silences_after(voice: Heard, judge: VoiceJudge) -> float | None:
    """The seconds of this voice after which an agent falls silent, 0 as it ends; None: it does not."""
    for after_s, enough in LOOKS:
        piece = voice.until(after_s)
        if piece is not None and judge(piece) > enough:
            return after_s
    if voice.whole is not None and judge(voice.whole, True) > WORD:
        return 0.0
    return None if voice.until(MURMUR_S) is None else MURMUR_S


def tell(title: str, voices: Sequence[Heard]) -> None:
    """What becomes of the three kinds."""
    judge = VoiceJudge(SileroVad())
    for kind in Kind:
        those = [silences_after(each, judge) for each in voices if each.kind is kind]
        soon = sum(after is not None and 0 < after < GOES_ON_S for after in those)
        late = sum(after is not None and GOES_ON_S <= after < MURMUR_S for after in those)
        found = (soon, late, those.count(0.0), those.count(MURMUR_S), those.count(None))
        shares = "".join(f"{each / max(1, len(those)):8.0%}" for each in found)
        print(f"{title + ', ' + kind.value:34}{len(those):>6}{shares}", flush=True)


def main(options: argparse.Namespace) -> None:
    """What the weights in the package do, or those that are learned now."""
    load_speech_model()
    if options.write:
        heard = trained()
        print(f"{len(heard)} voices to learn from", flush=True)
        weights = [learn(*pieces(heard, seconds)) for seconds in (EARLY_S, LATE_S, ())]
        np.savez(WEIGHTS, weights=np.array(weights, dtype=np.float32))
    print(f"{'':34}{'heard':>6}{'0.36 s':>8}{'later':>8}{'ends':>8}{'0.65 s':>8}{'never':>8}")
    tell("voices learned from", said(FLITE))
    tell("other voices", said(UNSEEN))
    if options.recordings is not None:
        tell("people", recorded(options.recordings))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, help="a folder with WAVs of people")
    parser.add_argument("--write", action="store_true", help="learn the weights, and put them into the package")
    main(parser.parse_args())
