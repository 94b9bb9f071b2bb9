"""Moonshine tiny (English, 27 M parameters): sound -> words with their spelling, and how well other words would fit.

Facts about the model are those of its two ONNX files: the encoder takes samples, the decoder gives one token after the
other and takes its own cache back in. ``tokenizer.bin`` is a list of byte strings, each after its length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voice_agents.offline.weights import session

RATE = 16_000
Samples = NDArray[np.float32]
"""Mono at 16 kHz, -1 to 1, shape (n,)."""

_BEGIN, _END = 1, 2
_TOKENS_PER_S = 6.5
"""Nobody speaks faster; the limit ends loops."""
_SHORTEST = RATE // 10
_NO_TOKEN = 1 << 30
_SPACE = "▁".encode()
_WIDTH = 8
_GUESSED_TOKENS, _GUESSES = 9, 10
_LONGEST_EXPECTED = 32
_HOPELESS, _PATIENCE = -2.5, 3
"""Expected texts are given up that fit worse than this so far, as if so many more tokens had fitted well."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Words a model heard."""

    text: str
    score: float
    """Mean log probability of a token: near 0 is sure, below -0.2 is doubtful, below -1 is guessing."""


@dataclass(slots=True)
class Branch:
    """Texts that begin with the same tokens."""

    text: str = ""
    """The one that ends here, if one does."""
    next: dict[int, Branch] = field(default_factory=dict)


class Sound:
    """An utterance as the decoder needs it; made once, used for every question about it."""

    def __init__(self, samples: int, hidden: NDArray[np.float32]) -> None:
        self.samples = samples
        self.hidden = hidden
        self.mask = np.ones((1, samples), np.int64)


class Moonshine:
    """The loaded model (0.4 s, 140 MB); all methods block and may be called from several threads."""

    def __init__(self, folder: Path) -> None:
        self._encoder = session(folder / "encoder_model.ort")
        self._decoder = session(folder / "decoder_model_merged.ort")
        self._pieces = _pieces((folder / "tokenizer.bin").read_bytes())
        self._numbers = {piece: number for number, piece in enumerate(self._pieces) if piece and number > _END}
        self._encode_word = cache(self._word)
        self._presents = [output.name.replace("present", "past_key_values") for output in self._decoder.get_outputs()]
        pasts = [entry for entry in self._decoder.get_inputs() if entry.name.startswith("past")]
        heads, size = pasts[0].shape[1], pasts[0].shape[3]
        self._empty = {entry.name: np.zeros((1, heads, 0, size), np.float32) for entry in pasts}

    def listen(self, samples: Samples) -> Sound:
        """About 20 ms of work for a second of sound. At least 0.1 s are needed: shorter sound is filled up."""
        if len(samples) < _SHORTEST:
            samples = np.pad(samples, (0, _SHORTEST - len(samples)))
        inputs = {"input_values": samples[None], "attention_mask": np.ones((1, len(samples)), np.int64)}
        return Sound(len(samples), self._encoder.run(None, inputs)[0])

    def words(self, sound: Sound, unwanted: Callable[[], bool] = lambda: False) -> Heard | None:
        """The likeliest words; None when ``unwanted`` said, between two tokens, that nobody waits for them."""
        said: list[int] = []
        token, score = _BEGIN, 0.0
        past: Mapping[str, NDArray[np.float32]] = self._empty
        for step in range(max(6, math.ceil(sound.samples / RATE * _TOKENS_PER_S))):
            if unwanted():
                return None
            (logits,), past = self._step(sound, [token], past, first=step == 0)
            token = int(logits.argmax())
            score += float(logits[token] - _total(logits))
            if token == _END:
                break
            said.append(token)
        return Heard(self._text(said), score / (len(said) + 1))

    def guesses(self, sound: Sound, *, sentence: bool = False) -> list[Heard]:
        """The likeliest few words or two in all their spellings; ``score`` is the log probability of the whole text.

        50 ms of work. Of a ``sentence``: all of it, in two to three times the time that ``words`` takes.
        """
        limit = math.ceil(sound.samples / RATE * _TOKENS_PER_S) if sentence else _GUESSED_TOKENS
        found: list[tuple[float, tuple[int, ...]]] = []
        ways: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        past: Mapping[str, NDArray[np.float32]] = self._empty
        for length in range(limit):
            tokens = [said[-1] if said else _BEGIN for _, said in ways]
            logits, past = self._step(sound, tokens, past, first=length == 0)
            followed: list[tuple[float, int, int]] = []
            for at, (total, said) in enumerate(ways):
                chances = logits[at] - _total(logits[at])
                found.append((total + float(chances[_END]), said))
                best = np.argpartition(-chances, _WIDTH)[:_WIDTH]
                followed += [(total + float(chances[token]), at, int(token)) for token in best if token != _END]
            followed = sorted(followed, reverse=True)[:_WIDTH]
            surest = sorted(found, reverse=True)[:_GUESSES]
            if len(surest) == _GUESSES and followed[0][0] < surest[-1][0]:
                break
            ways = [(total, (*ways[at][1], token)) for total, at, token in followed]
            parents = [at for _, at, _ in followed]
            past = {name: value[parents] for name, value in past.items()}
        return [Heard(self._text(said), total) for total, said in sorted(found, reverse=True)[:_GUESSES]]

    def whole(self, heard: Heard) -> Heard:
        """A text with the log probability of all of it, not of a token."""
        return Heard(heard.text, heard.score * (len(self._encode(heard.text)) + 1)) if heard.text else heard

    def expect(self, texts: Sequence[str]) -> Branch:
        """Texts as a tree of their tokens, for ``likeliest``."""
        root = Branch()
        for text in texts:
            branch = root
            for token in self._encode(text.replace(":", "")):  # nobody hears a colon
                branch = branch.next.setdefault(token, Branch())
            branch.text = text
        return root

    def likeliest(self, sound: Sound, expected: Branch) -> Heard:
        """Of the expected texts the one that fits the sound best, or nearly so: 10 ms of work for each of its tokens.

        All are followed at once from their first token on, the ``_WIDTH`` best of them further.
        """
        best = Heard("", -math.inf)
        ways = [(0.0, expected)]
        tokens = [_BEGIN]
        past: Mapping[str, NDArray[np.float32]] = self._empty
        for length in range(1, _LONGEST_EXPECTED):
            logits, past = self._step(sound, tokens, past, first=length == 1)
            followed: list[tuple[float, int, int, Branch]] = []
            for at, (total, branch) in enumerate(ways):
                chances = logits[at] - _total(logits[at])
                if branch.text and (total + chances[_END]) / length > best.score:
                    best = Heard(branch.text, float(total + chances[_END]) / length)
                followed += [(total + float(chances[token]), at, token, to) for token, to in branch.next.items()]
            followed = sorted(followed, key=lambda way: -way[0])[:_WIDTH]
            followed = [way for way in followed if way[0] / (length + _PATIENCE) > _HOPELESS]
            if not followed:
                break
            ways = [(total, to) for total, _, _, to in followed]
            tokens = [token for _, _, token, _ in followed]
            parents = [at for _, at, _, _ in followed]
            past = {name: value[parents] for name, value in past.items()}
        return best

    def _step(
        self, sound: Sound, tokens: Sequence[int], past: Mapping[str, NDArray[np.float32]], *, first: bool
    ) -> tuple[NDArray[np.float32], Mapping[str, NDArray[np.float32]]]:
        """The next tokens' logits, shape (n, vocabulary), for n ways with one new token each; and the cache after it.

        The encoder's part of the cache is made in the first step.
        """
        ways = len(tokens)
        inputs = {
            "encoder_attention_mask": np.repeat(sound.mask, ways, 0),
            "encoder_hidden_states": np.repeat(sound.hidden, ways, 0),
            "input_ids": np.array([[token] for token in tokens], np.int64),
            "use_cache_branch": np.array([not first]),
        }
        logits, *presents = self._decoder.run(None, inputs | dict(past))
        made = zip(self._presents[1:], presents, strict=True)
        return logits[:, -1], dict(past) | {name: value for name, value in made if first or ".decoder." in name}

    def _text(self, said: Sequence[int]) -> str:
        raw = b"".join(self._pieces[token] for token in said if _END < token < len(self._pieces))
        return raw.replace(_SPACE, b" ").decode("utf-8", "replace").strip()

    def _encode(self, text: str) -> list[int]:
        """Tokens of a text, word by word as the model was trained; letters it does not know are left out."""
        return [token for word in text.split() for token in self._encode_word(word)]

    def _word(self, word: str) -> tuple[int, ...]:
        """Byte-pair encoding: neighbours that are a token together are joined, the lowest number first."""
        parts = [letter.encode() for letter in f"▁{word}"]
        while True:
            joints = [self._numbers.get(first + second, _NO_TOKEN) for first, second in pairwise(parts)]
            best = min(joints, default=_NO_TOKEN)
            if best == _NO_TOKEN:
                return tuple(self._numbers[part] for part in parts if part in self._numbers)
            at = joints.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]


def _total(logits: NDArray[np.float32]) -> float:
    """Log of the sum of all exponentials."""
    top = float(logits.max())
    return top + math.log(float(np.exp(logits - top).sum()))


def _pieces(data: bytes) -> list[bytes]:
    pieces, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            length, at = length - 128 + 128 * data[at], at + 1
        pieces.append(data[at : at + length])
        at += length
    return pieces
