"""Whisper tiny (English) through CTranslate2: a slower second opinion that copes better with noise.

Features and detokenising are done here, so that CTranslate2 and the weights are all that is needed. The facts (mel
filters after Slaney, 25 ms frames each 10 ms, byte-level tokens as GPT-2's) are those of OpenAI's published code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voice_agents.offline.stt.moonshine import RATE, Heard, Samples

_START = [50257, 50362]
"""Start of transcript, no timestamps."""
_FRAME, _HOP, _BANDS = 400, RATE // 100, 80
_WINDOW_S, _FULL_WINDOW_S = 15, 30
"""The model was made for 30 s; with half of it most is heard as well, in half the time."""
_LEFT_S = 3
_TOKENS_PER_S = 8
_UNSURE = -0.8
_GUESSES, _GUESSED_TOKENS = 6, 10


class Whisper:
    """The loaded model (0.4 s, 110 MB); ``words`` blocks and may be called from several threads, which take turns."""

    def __init__(self, folder: Path) -> None:
        import ctranslate2  # only where it is used: there are machines without a wheel of it

        self._library: Any = ctranslate2
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", intra_threads=1, inter_threads=1
        )
        self._mel = _mel_filters()
        self._hann = np.hanning(_FRAME + 1)[:-1].astype(np.float32)
        kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = [byte for byte in range(256) if byte not in kept]
        self._bytes = {chr(byte): byte for byte in kept} | {chr(256 + at): byte for at, byte in enumerate(others)}

    def warm_up(self) -> None:
        """Half a window is enough for all later ones to be as fast as they get."""
        self._generate(np.zeros(RATE, np.float32), _WINDOW_S)

    def words(self, samples: Samples) -> Heard:
        """What was said, in 0.25 s of work; in 1 s where half the window was not enough. At most 30 s of sound."""
        heard, trusted = self._generate(samples, _WINDOW_S)
        if trusted and len(samples) <= (_WINDOW_S - _LEFT_S) * RATE:
            return heard
        return self._generate(samples, _FULL_WINDOW_S)[0]

    def guesses(self, samples: Samples) -> list[Heard]:
        """The likeliest few words in all their spellings; ``score`` is the log probability of the whole text. 0.3 s."""
        features = np.ascontiguousarray(self._features(samples, _WINDOW_S))
        result = self._model.generate(
            self._library.StorageView.from_array(features),
            [_START],
            beam_size=_GUESSES,
            num_hypotheses=_GUESSES,
            max_length=len(_START) + _GUESSED_TOKENS,
            length_penalty=0.0,
            return_scores=True,
        )[0]
        return [Heard(self._text(tokens), score) for tokens, score in zip(result.sequences, result.scores, strict=True)]

    def _text(self, tokens: Sequence[str]) -> str:
        raw = bytes(self._bytes[letter] for token in tokens if token[0] != "<" for letter in token)
        return raw.decode("utf-8", "replace").strip()

    def _generate(self, samples: Samples, window_s: int) -> tuple[Heard, bool]:
        features = np.ascontiguousarray(self._features(samples, window_s))
        limit = len(_START) + max(8, math.ceil(len(samples) / RATE * _TOKENS_PER_S))
        result = self._model.generate(
            self._library.StorageView.from_array(features),
            [_START],
            beam_size=1,
            max_length=limit,
            return_scores=True,
            suppress_blank=True,
        )[0]
        said = result.sequences_ids[0]
        heard = Heard(self._text(result.sequences[0]), result.scores[0] * len(said) / (len(said) + 1))
        whole = len(said) + len(_START) < limit
        return heard, whole and not _loops(said) and result.scores[0] > _UNSURE

    def _features(self, samples: Samples, window_s: int) -> NDArray[np.float32]:
        """Log mel spectrum, shape (1, 80, frames). Only frames with sound are computed, the rest is one value."""
        frames = window_s * 100
        padded = np.pad(samples[: window_s * RATE], (_FRAME // 2, _FRAME // 2 + _HOP), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP][:frames]
        power = np.abs(np.fft.rfft(windows * self._hann, axis=1)).astype(np.float32) ** 2
        log = np.full((_BANDS, frames), -10.0, np.float32)
        log[:, : len(power)] = np.log10(np.maximum(self._mel @ power.T, 1e-10))
        scaled: NDArray[np.float32] = np.asarray((np.maximum(log, log.max() - 8) + 4) / 4, np.float32)
        one: NDArray[np.float32] = np.expand_dims(scaled, 0)
        return one


def _loops(tokens: Sequence[int]) -> bool:
    """Whether three tokens in a row come back twice."""
    triples = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return len(triples) - len(set(triples)) >= 2


def _mel_filters() -> NDArray[np.float32]:
    """Slaney's filter bank, shape (bands, bins)."""
    top = 15 + 27 * math.log(RATE / 2 / 1000) / math.log(6.4)
    mel = np.linspace(0, top, _BANDS + 2)
    edges = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))
    bins = np.fft.rfftfreq(_FRAME, 1 / RATE)
    up = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    bank = np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return np.asarray(bank, np.float32)
