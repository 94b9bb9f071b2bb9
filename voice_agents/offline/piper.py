"""Piper's voice Joe: text to phonemes (espeak-ng's), phonemes to a plan with the time of every word, plan to sound."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voice_agents.audio import Pcm
from voice_agents.offline.espeak import library
from voice_agents.offline.pronouncing import sayings
from voice_agents.offline.voice_model import split
from voice_agents.offline.weights import session

_HOP = 256
"""Samples of a frame of the plan."""
_PAD, _BEGIN, _END = 0, 1, 2
_NOISE, _RHYTHM_NOISE = 0.0, 0.0
"""The voice's own are 0.667 and 0.8, with which it never says a sentence twice the same way; without, whoever tests a
client against it knows what must arrive, and it is understood as well."""
_SLOWER = 1.2
"""Joe by himself speaks fast, 200 words a minute and more."""
_FIRST_FRAMES, _FRAMES, _EDGE = 24, 64, 12
"""A first piece of 0.28 s, then 0.74 s; the frames at both edges are made twice, so that joints are not heard."""
_GAIN = 1.15
_CLAUSE = re.compile(r"([^,;:.!?]*(?:[.,:](?=\w)[^,;:.!?]*)*)([,;:.!?]*)")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a sentence will sound."""

    frames: NDArray[np.float32]
    """Shape (1, 192, n)."""
    words: list[tuple[int, float]]
    """Of every word: its position in the text, and the second it begins at."""


class Piper:
    """The loaded voice (1 s, 150 MB); every method blocks, for any thread."""

    def __init__(self, folder: Path) -> None:
        planner, speaker = split((folder / "en_US-joe-medium.onnx").read_bytes())
        self._planner, self._speaker = session(planner), session(speaker)
        self._plan_name = self._speaker.get_inputs()[0].name
        config = json.loads((folder / "en_US-joe-medium.onnx.json").read_text(encoding="utf-8"))
        self._numbers: dict[str, list[int]] = config["phoneme_id_map"]
        self.rate: int = config["audio"]["sample_rate"]
        """Hz of the samples."""

    def plan(self, sentence: str, speed: float) -> Plan:
        """30 ms of work for five words, 120 ms for fifteen. ``speed``: 1 is the voice's own."""
        symbols, starts = self._symbols(sentence)
        ids, places = [_BEGIN, _PAD], []
        for symbol in symbols:
            places.append(len(ids))
            for number in self._numbers.get(symbol, ()):
                ids += [number, _PAD]
        ids.append(_END)
        frames, durations = self._planner.run(
            None,
            {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array([_NOISE, _SLOWER / speed, _RHYTHM_NOISE], np.float32),
            },
        )
        times = np.concatenate([[0], np.cumsum(durations.reshape(-1))]) * _HOP / self.rate
        # a word begins with the silent sign before its first phoneme: the model lets sounds begin there
        return Plan(frames, [(position, float(times[places[at] - 1])) for position, at in starts if at < len(places)])

    def pieces(self, plan: Plan) -> Iterator[Pcm]:
        """The sound of a plan, a tenth of its length of work."""
        at, size, length = 0, _FIRST_FRAMES, plan.frames.shape[2]
        while at < length:
            end = length if length - at - size < _EDGE else at + size
            begin, until = max(0, at - _EDGE), min(length, end + _EDGE)
            sound = self._speaker.run(None, {self._plan_name: plan.frames[:, :, begin:until]})[0].reshape(-1)
            part = sound[(at - begin) * _HOP : (end - begin) * _HOP]
            yield np.clip(part * (_GAIN * 32767), -32768, 32767).astype(np.int16)
            at, size = end, _FRAMES

    def _symbols(self, sentence: str) -> tuple[str, list[tuple[int, int]]]:
        """Phonemes with punctuation; and of every word its position in the sentence and in the phonemes."""
        symbols, starts = "", list[tuple[int, int]]()
        waiting: list[tuple[int, str]] = []
        for position, said in sayings(sentence):
            for number, (words, stop) in enumerate(_CLAUSE.findall(said)):
                if words.strip():
                    waiting.append((position if number == 0 else -1, words.strip()))
                if stop and waiting:
                    symbols, starts = self._said(waiting, stop[0], symbols, starts)
                    waiting = []
        if waiting:
            symbols, starts = self._said(waiting, ".", symbols, starts)
        return symbols.rstrip(), starts

    def _said(
        self, waiting: list[tuple[int, str]], stop: str, symbols: str, starts: list[tuple[int, int]]
    ) -> tuple[str, list[tuple[int, int]]]:
        """With a clause's phonemes. It is said as a whole: alone, words are stressed differently.

        Words and phonemes are matched by espeak-ng's spaces, or else by how many phonemes each word has alone.
        """
        whole = library().phonemes(" ".join(words for _, words in waiting))
        sizes = [max(1, len(library().phonemes(words).replace(" ", ""))) for _, words in waiting]
        letters = [at for at, letter in enumerate(whole) if letter != " "] or [0]
        begins = [0, *(at + 1 for at, letter in enumerate(whole) if letter == " ")]
        done = 0
        found: list[tuple[int, int]] = []
        for (position, _), size in zip(waiting, sizes, strict=True):
            at = letters[min(len(letters) - 1, round(done / sum(sizes) * len(letters)))]
            near = min(begins, key=lambda begin, at=at: abs(begin - at))
            if position >= 0:
                found.append((position, len(symbols) + (near if abs(near - at) <= 2 else at)))
            done += size
        return symbols + whole + stop + " ", [*starts, *found]
