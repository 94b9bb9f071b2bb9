"""One pass of a pocketsphinx decoder over speech: with the grammar, or with the general language model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pocketsphinx

from voice_agents.audio import from_bytes, rms_dbfs, to_bytes
from voice_agents.offline.stt.gate import FRAME_MS
from voice_agents.offline.stt.grammar import Grammar
from voice_agents.offline.stt.noise import Cleaner, Spectrum

TYPICAL_MEAN = "52,7.6,6.7,22.6,0.2,0.9,4.4,-6,-3,-3.6,6,1.5,2.3"
"""The cepstral mean a decoder starts from: an average over four speakers. Set before every pass, so that nothing of one
speaker is left in the decoder of the next."""

_SCORE_SCALE = 1024
"""The Viterbi search keeps log-likelihoods 10 bits smaller than they are; only the lattice search restores them."""
_LOUD_DB = 22
_FLOOR_DBFS = -60


class Verdict(Enum):
    """What a grammar pass is worth."""

    SURE = "the phrase was said"
    DOUBT = "the general model decides whether it was"
    NO = "something else was said, or nothing"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a grammar pass heard and how well the sound fits the words.

    The limits are measured with three synthetic speakers, on phrases that were soft, loud and coded too.
    """

    text: str
    complete: bool
    """Whether the text is a whole phrase of the grammar."""
    fit: float
    """Mean log-likelihood of the words' 10 ms frames, relative to the best sound of all: -4 is good, -8 is bad."""
    worst: float
    """The same for the worst word."""
    missed: float
    """Share of the loud sound that no word covers, 0 - 1."""

    @property
    def verdict(self) -> Verdict:
        """How far to trust it."""
        if not self.complete or not self.plausible:
            return Verdict.NO
        return Verdict.SURE if self.fit > -4.4 and self.worst > -7.8 and self.missed < 0.12 else Verdict.DOUBT

    @property
    def plausible(self) -> bool:
        """Whether it may still become a phrase of the grammar."""
        return self.fit > -8 and self.missed < 0.4


@dataclass(frozen=True, slots=True)
class Microphone:
    """What is known of the way from the speaker to us, and undone before decoding."""

    gain: float
    """Brings speech to the level that the models know."""
    noise: Spectrum | None = None
    """Steady noise to be taken off, None where there is none worth it."""


class GrammarPass:
    """Decodes one utterance with the grammar, frame by frame as it comes."""

    def __init__(
        self, decoder: pocketsphinx.Decoder, microphone: Microphone, speech: Iterable[bytes | None], grammar: Grammar
    ) -> None:
        self.microphone = microphone
        self._cleaner = Cleaner(microphone.noise)
        self._decoder = decoder
        self._grammar = grammar
        self._levels: list[float] = []
        self._running = True
        decoder.set_cmn(TYPICAL_MEAN)
        decoder.start_utt()
        for frame in speech:
            self.feed(frame)

    def feed(self, frame: bytes | None) -> None:
        """The next frame; None (the end of a stretch of speech) means nothing here."""
        if frame is not None:
            self._decode(self._cleaner.feed(frame))

    def _decode(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self._levels.append(rms_dbfs(from_bytes(frame)))
            self._decoder.process_raw(amplified(frame, self.microphone.gain))

    def evidence(self) -> Evidence:
        """How it looks so far."""
        found = self._decoder.hyp()
        spoken = [part for part in self._decoder.seg() or () if part.word[0] not in "<[+"]
        if found is None or not spoken:
            return Evidence("", False, -math.inf, -math.inf, 1.0)
        scores = [_SCORE_SCALE * math.log(part.ascore) for part in spoken]
        lengths = [part.end_frame - part.start_frame + 1 for part in spoken]
        return Evidence(
            text=found.hypstr,
            complete=self._grammar.accepts(found.hypstr),
            fit=sum(scores) / sum(lengths),
            worst=min(score / length for score, length in zip(scores, lengths, strict=True)),
            missed=self._missed([(part.start_frame, part.end_frame) for part in spoken]),
        )

    def finish(self) -> Evidence:
        """The final result; the decoder is free afterwards."""
        if self._running:
            self._decode(self._cleaner.flush())
            self._decoder.end_utt()
            self._running = False
        return self.evidence()

    def _missed(self, spans: list[tuple[int, int]]) -> float:
        levels = np.array(self._levels)
        loud = levels > max(levels.max() - _LOUD_DB, _FLOOR_DBFS)
        covered = np.zeros(len(levels), dtype=bool)
        for first, last in spans:
            covered[first * 10 // FRAME_MS : last * 10 // FRAME_MS + 1] = True
        return float(np.sum(loud & ~covered) / max(1, np.sum(loud)))


class GeneralPass:
    """Decodes with the general model, one stretch of speech after the other."""

    def __init__(self, decoder: pocketsphinx.Decoder, microphone: Microphone, speech: Iterable[bytes | None]) -> None:
        self._decoder = decoder
        self._gain = microphone.gain
        self._cleaner = Cleaner(microphone.noise)
        self._done: list[str] = []
        self._score = 0.0
        self._frames = 0
        self._running = False
        decoder.set_cmn(TYPICAL_MEAN)
        for frame in speech:
            self.feed(frame)

    def feed(self, frame: bytes | None) -> None:
        """The next frame, or None at the end of a stretch of speech."""
        if frame is None:
            self._end()
            return
        if not self._running:
            self._decoder.start_utt()
            self._running = True
        self._decode(self._cleaner.feed(frame))

    def _decode(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self._decoder.process_raw(amplified(frame, self._gain))

    @property
    def text(self) -> str:
        """The words so far."""
        found = self._decoder.hyp() if self._running else None
        return " ".join([*self._done, found.hypstr if found else ""]).strip()

    def finish(self) -> str:
        """The final words; the decoder is free afterwards."""
        self._end()
        return self.text

    @property
    def fit(self) -> float:
        """How well the final words fit the sound, to be compared with ``Evidence.fit``."""
        return self._score / self._frames if self._frames else -math.inf

    def _end(self) -> None:
        if not self._running:
            return
        self._decode(self._cleaner.flush())
        self._decoder.end_utt()
        found = self._decoder.hyp()
        self._running = False
        if found and found.hypstr:
            self._done.append(found.hypstr)
            spoken = [part for part in self._decoder.seg() or () if part.word[0] not in "<[+"]
            self._score += sum(math.log(max(part.ascore, 1e-300)) for part in spoken)
            self._frames += sum(part.end_frame - part.start_frame + 1 for part in spoken)


def amplified(frame: bytes, gain: float) -> bytes:
    """PCM16 bytes, louder or softer."""
    return to_bytes(np.clip(from_bytes(frame) * gain, -32768, 32767).astype(np.int16))
