"""How likely English words are all that somebody wanted to say: learned from sentences that many people wrote.

What is weighed are the last words, the first ones, what kinds of words they are, and how many: each of these traits has
a weight, found by its hash, and the sum is the logarithm of the odds. ``python -m tests.bench.endings`` makes the
weights, and says from which sentences and how good they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voice_agents.turns.endings.judging import words_of

WEIGHTS = Path(__file__).with_name("english.npz")
SIZE = 1 << 16
"""Weights; traits that share one are rare enough."""
LONGEST = 40
"""Of more words, the last ones are looked at."""
FILLERS = words_of("um uh uhm er erm hmm")
_KINDS = {
    "F": FILLERS,
    "P": words_of(
        "to for with from at about by in on near under over after before into between during without through around "
        "until till of"
    ),
    "C": words_of("and or but because if when while since so that which who where how what as than like why whose"),
    "D": words_of("the a an my your his her their our this these those some any every no"),
    "I": words_of("i you he she it we they me him us them there i'm i'd i'll i've you're it's he's she's we're that's"),
    "A": words_of("is are was were do does did can could will would should has have had am be"),
    "0": words_of(
        "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
        "half quarter"
    ),
    "T": words_of(
        "today tomorrow tonight yesterday now monday tuesday wednesday thursday friday saturday sunday january "
        "february march april may june july august september october november december am pm morning afternoon "
        "evening night week month year noon midnight weekend minutes hours days weeks o'clock later soon again"
    ),
}
"""Fillers, prepositions, conjunctions, articles, pronouns, auxiliary verbs, numbers, times ..."""
_KIND_OF = {word: kind for kind, words in reversed(_KINDS.items()) for word in words}
_SUFFIXES = (("ing", "g"), ("ed", "d"), ("ly", "l"), ("'s", "'"), ("s", "s"))
"""... and all others by how they end."""
_LONG, _VERY_LONG = 9, 18
_FEW, _SOME = 5, 7
"""So many words are weighed as a whole, or their kinds are."""
_NEAR = 6


def likelihood(words: Sequence[str]) -> float:
    """At least one word, in lower case -> the logarithm of the odds that nothing follows. Takes a tenth of a ms."""
    weights, bias = learned()
    return float(weights[places(words)].sum()) + bias


def places(words: Sequence[str]) -> list[int]:
    """Where the weights of these words stand."""
    return [zlib.crc32(trait.encode()) % SIZE for trait in _traits(words)]


def kind_of(word: str) -> str:
    """One sign; "N" for what is of no kind."""
    if word in _KIND_OF:
        return _KIND_OF[word]
    if word[0] == "#":
        return "0"
    return next((kind for end, kind in _SUFFIXES if word.endswith(end) and len(word) > 3), "N")


def _traits(words: Sequence[str]) -> list[str]:
    said = ["#" * min(len(word), 5) if word.isdigit() else word for word in words[-LONGEST:]]
    kinds = "".join(map(kind_of, said))
    four, three, two, last = [*["^"] * 3, *said][-4:]
    first, pair, begun = said[0], " ".join(said[:2]), " ".join(said[:3])
    count, ends = _rounded(len(said)), f"^^^^{kinds}"
    set_of_kinds = "".join(sorted(set(kinds)))
    traits = [
        *(last, f"{two} {last}", f"{three} {two} {last}", f"{four} {three} {two} {last}"),
        *(two, three, f"{three} {two}", f"{three} {last}", count, f"{count} {last}"),
        *(first, pair, begun, f"{first} {count}", f"{pair} {count}"),
        *(f"{first} {last}", f"{pair} {last}", f"{begun} {last}", f"{first} {two} {last}"),
        *(last[-3:], last[-2:], f"{two} {last[-2:]}", f"{two[-3:]} {last[-3:]}"),
        *(f"{first} {last[-2:]}", f"{pair} {last[-2:]}", *(ends[-size:] for size in (2, 3, 4, 5))),
        *(f"{first} {ends[-3:]}", f"{pair} {ends[-3:]}", f"{pair} {ends[-1]}", f"{ends[-3:-1]} {last}"),
        *(f"{two} {ends[-1]}", f"{three} {two} {ends[-1]}", f"{count} {ends[-2:]}", f"{set_of_kinds} {ends[-1]}"),
        " ".join(said) if len(said) <= _FEW else "",
        f"{first} {kinds[1:]}" if len(said) <= _SOME else "",
    ]
    found = [f"{number} {trait}" for number, trait in enumerate(traits) if trait]
    found += [f"holds {word}" for word in set(said[:-1])]
    for word in set(said[1:-1][-_NEAR:]):
        found += (f"holds {word}, then {last}", f"holds {word}, then {ends[-1]}")
    return found


def _rounded(count: int) -> str:
    return str(count if count < _LONG else _LONG + (min(count, _VERY_LONG) - _LONG) // 3)


@cache
def learned() -> tuple[NDArray[np.float32], float]:
    """Shape (SIZE,), and what stands before all traits."""
    with np.load(WEIGHTS) as stored:
        return stored["weights"] * np.float32(stored["scale"]), float(stored["bias"])
