"""Makes the weights of ``turns/endings/likelihood.py``, judges them: ``python -m tests.bench.endings --from FOLDER``.

FOLDER holds clones of what is named in :data:`CORPORA`: whole utterances of many people, written for or said to an
assistant or each other. Each has its own name, such as ``FOLDER/oos-eval``; what is missing is left out. Every
utterance is a whole one, and its beginnings are not: all places count where somebody may pause, each as often as people
do pause at such a place (:data:`PAUSES`). Many of these beginnings are sentences by themselves ("turn off the light",
of "turn off the light in the kitchen"), and they keep the weight they have.

Printed is, for each corpus, which share of its utterances, of what stands before a pause, and of random beginnings is
called complete, unknown and open. ``--without NAME ...`` learns without these corpora (their figures are those that
count; nothing is written), ``--write`` learns from all and puts the weights into the package. Either takes some five
minutes and 1 GB.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench import everyday
from tests.bench.hesitating import SENTENCES as HESITATING
from tests.bench.sentences import SENTENCES as PLAIN
from voice_agents.turns.completeness import Completeness, completeness
from voice_agents.turns.endings import likelihood
from voice_agents.turns.endings.likelihood import SIZE, WEIGHTS, kind_of, places

Words = tuple[str, ...]
Values = NDArray[np.float64]

PAUSES = {
    "NF": 362, "IF": 333, "FP": 262, "FN": 245, "FI": 243, "FC": 235, "PF": 200, "FA": 194, "FD": 164, "CF": 162,
    "FF": 160, "AF": 143, "DF": 119, "NC": 108, "DP": 100, "DC": 100, "DD": 100, "DI": 100, "PN": 83, "IC": 82,
    "CC": 73, "DA": 72, "II": 60, "IP": 60, "CP": 60, "PP": 55, "NP": 50, "AN": 49, "NN": 47, "NA": 44, "NI": 38,
    "AC": 36, "DN": 32, "AA": 29, "AP": 29, "CN": 28, "ND": 28, "PC": 28, "CD": 18, "IN": 18, "ID": 16, "CI": 14,
    "PI": 14, "CA": 13, "PD": 12, "AD": 9, "PA": 6, "IA": 5, "AI": 5,
}  # fmt: skip
"""Of a thousand places between words of two kinds (as ``kind_of`` names them; N: any other), so many have a pause of
0.4 to 1.2 s: counted in the timed transcripts of the HCRC Map Task corpus; of its sentences nothing is learned."""
USUAL, AFTER_A_SENTENCE = 45, 14
LONGEST, MOST_OFTEN, SELDOM = 40, 20, 6
"""Words; times that an utterance counts within a corpus; places of an utterance that are learned from."""
PAUSING, SPOKEN = 1.5, 7
"""What the places of an utterance weigh together, and words of what people say (rather than write): longer ones weigh
less, by the square."""
TRAITS, AT_ONCE, ROUNDS, STEP, LESS, STIFFNESS = 96, 2048, 6, 0.15, 0.7, 1e-7
TRIED = 3000
"""Utterances of a corpus that are judged."""


@dataclass(frozen=True, slots=True)
class Said:
    """A whole utterance."""

    words: Words
    stops: frozenset[int]
    """After which of them, by number, a sentence ends."""

    @property
    def weights(self) -> list[float]:
        """How likely a pause is after each word but the last."""
        kinds = [kind if (kind := kind_of(word)) in "FPCDIA" else "N" for word in self.words]
        pairs = enumerate(pairwise(kinds))
        return [AFTER_A_SENTENCE if number in self.stops else PAUSES[a + b] for number, (a, b) in pairs]


# What people said


def _rows(path: Path, delimiter: str = ",", quoted: bool = True) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        yield from csv.DictReader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)


def _clinc(*splits: str) -> Callable[[Path], Iterable[str]]:
    return lambda folder: (
        text
        for split in splits
        for name in (split, f"oos_{split}")
        for text, _ in json.loads((folder / "data/data_full.json").read_text("utf-8"))[name]
    )


def _home(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("CrossValidation/*/*/CrossValidation/KFold_*/testset/csv/*.csv")):
        yield from (row["answer_from_anno"] for row in _rows(path, ";"))


def _slurp(folder: Path) -> Iterator[str]:
    for name in ("devel", "test"):
        for line in (folder / f"dataset/slurp/{name}.jsonl").read_text("utf-8").splitlines():
            yield json.loads(line)["sentence"]


def _banking(folder: Path) -> Iterator[str]:
    return (row["text"] for name in ("train", "test") for row in _rows(folder / f"banking_data/{name}.csv"))


def _restaurants(folder: Path) -> Iterator[str]:
    for name in ("train_0", "test"):
        path = folder / f"span_extraction/restaurant8k/{name}.json"
        yield from (each["userInput"]["text"] for each in json.loads(path.read_text("utf-8")))


def _snips(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("2017-06-custom-intent-engines/*/train_*_full.json")):
        (utterances,) = json.loads(path.read_text("latin-1")).values()
        yield from ("".join(piece["text"] for piece in each["data"]) for each in utterances)


def _taskmaster(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("TM-4-2024/data/*.json")):
        for dialogue in json.loads(path.read_text("utf-8")):
            yield from (each["text"] for each in dialogue["utterances"] if each["speaker"] == "user")
    for line in (folder / "TM-3-2020/splits/train/train-bc.tsv").read_text("utf-8").splitlines():
        yield from re.findall(r"<U>([^<]*)", line.split("\t")[0])


def _small_talk(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("corpus/*/*.csv")):
        for row in _rows(path):
            yield from (text for name, text in row.items() if text and re.match(r"Answer\.sentence\d", name or ""))


def _dialogues(folder: Path) -> Iterator[str]:
    for path in sorted((*folder.glob("dev/dialogues_*.json"), *folder.glob("test/dialogues_*.json"))):
        for dialogue in json.loads(path.read_text("utf-8")):
            yield from (turn["utterance"] for turn in dialogue["turns"] if turn["speaker"] == "USER")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where utterances are had."""

    repository: str
    """At GitHub."""
    licence: str
    read: Callable[[Path], Iterable[str]]
    learned: bool = True
    most: int = 100_000
    """Utterances that are learned from."""


_TASK_SPECIFIC = "PolyAI-LDN/task-specific-datasets"
CORPORA = {
    "clinc150": Corpus("clinc/oos-eval", "CC BY 3.0", _clinc("train")),
    "hwu64": Corpus("xliuhw/NLU-Evaluation-Data", "CC BY 4.0", _home),
    "slurp": Corpus("pswietojanski/slurp", "CC BY 4.0", _slurp),
    "banking77": Corpus(_TASK_SPECIFIC, "CC BY 4.0", _banking),
    "restaurant8k": Corpus(_TASK_SPECIFIC, "CC BY 4.0", _restaurants),
    "snips": Corpus("snipsco/nlu-benchmark", "CC0 1.0", _snips),
    "taskmaster": Corpus("google-research-datasets/Taskmaster", "CC BY 4.0", _taskmaster),
    "self-dialogue": Corpus("jfainberg/self_dialogue_corpus", "BSD 3-Clause", _small_talk, most=140_000),
    "clinc150 validation": Corpus("clinc/oos-eval", "CC BY 3.0", _clinc("val"), False),
    "clinc150 test": Corpus("clinc/oos-eval", "CC BY 3.0", _clinc("test"), False),
    "schema-guided": Corpus("google-research-datasets/dstc8-schema-guided-dialogue", "CC BY-SA 4.0", _dialogues, False),
}
"""What is learned from, and what is only judged by."""


def utterances(name: str, folder: Path, most: int) -> list[Said]:
    """Some of a corpus, in an order that is always the same; none where it is not in the folder."""
    corpus, seen, found = CORPORA[name], Counter[Words](), list[Said]()
    clone = folder / corpus.repository.split("/")[1]
    for text in corpus.read(clone) if clone.exists() else ():
        tokens = re.findall(r"([\w']+)([^\w']*)", text.lower().replace("’", "'"))
        words = tuple(word for word, _ in tokens)
        seen[words] += 1
        if 0 < len(words) <= LONGEST and seen[words] <= MOST_OFTEN:
            stops = (number for number, (_, between) in enumerate(tokens[:-1]) if re.match(r"[.?!;]+\s", between))
            found.append(Said(words, frozenset(stops)))
    random.Random(1).shuffle(found)
    return found[:most]


# Learning


def examples(said: Sequence[Said]) -> tuple[NDArray[np.int32], Values, Values]:
    """Of utterances and their beginnings: where the weights stand (or :data:`SIZE`), whole or not, what each counts."""
    size = sum(1 + min(SELDOM, len(each.words) - 1) for each in said)
    rows, dice = np.full((size, TRAITS), SIZE, dtype=np.int32), random.Random(1)
    whole, counts, row = np.zeros(size), np.zeros(size), 0
    for each in said:
        weights, important = each.weights, min(1.0, SPOKEN / len(each.words)) ** 2
        chosen = dice.sample(range(len(weights)), min(SELDOM, len(weights)))
        share = PAUSING * important / max(USUAL * PAUSING, sum(weights[place] for place in chosen))
        for end, count in ((len(each.words), important), *((place + 1, share * weights[place]) for place in chosen)):
            traits = places(each.words[:end])[:TRAITS]
            rows[row, : len(traits)], whole[row], counts[row] = traits, end == len(each.words), count
            row += 1
    return rows, whole, counts


def learn(rows: NDArray[np.int32], whole: Values, counts: Values) -> tuple[Values, float]:
    """A weight for each place, and the bias, by logistic regression (Adagrad)."""
    weights, slopes, bias = np.zeros(SIZE + 1), np.full(SIZE + 1, 1e-3), 0.0
    dice, step = np.random.default_rng(0), STEP
    for _ in range(ROUNDS):
        for part in np.array_split(dice.permutation(len(rows)), len(rows) // AT_ONCE + 1):
            those = rows[part]
            likely = 1 / (1 + np.exp(-(weights[those].sum(axis=1) + bias)))
            error = (likely - whole[part]) * counts[part]
            slope = np.bincount(those.ravel(), np.repeat(error, TRAITS), minlength=SIZE + 1) * 50 / len(part)
            slope += (slope != 0) * weights * STIFFNESS * 50 * len(part)
            slope[SIZE] = 0
            slopes += slope**2
            weights -= step * slope / np.sqrt(slopes)
            bias -= 0.2 * float(error.mean())
        step *= LESS
    return weights[:SIZE], bias


def store(weights: Values, bias: float, path: Path) -> None:
    """In a byte each."""
    scale = float(np.abs(weights).max()) / 127
    np.savez_compressed(path, weights=np.rint(weights / scale).astype(np.int8), scale=scale, bias=bias)


# Judging


def shares(texts: Sequence[str]) -> str:
    """Complete, unknown and open."""
    found = Counter(completeness(text, "en") for text in texts)
    kinds = (Completeness.COMPLETE, Completeness.UNKNOWN, Completeness.OPEN)
    return "".join(f"{found[kind] / max(1, len(texts)):7.1%}" for kind in kinds)


def tell(name: str, said: Sequence[Said]) -> None:
    """A line of the table."""
    dice, paused, begun = random.Random(2), list[str](), list[str]()
    for each in said:
        weights = [0.0 if place in each.stops else weight for place, weight in enumerate(each.weights)]
        if any(weights):
            (place,) = dice.choices(range(len(weights)), weights)
            paused.append(" ".join(each.words[: place + 1]))
            begun.append(" ".join(each.words[: dice.randrange(1, len(each.words))]))
    whole = [" ".join(each.words) for each in said]
    print(f"{name:22}{len(said):>6}   {shares(whole)}   {shares(paused)}   {shares(begun)}", flush=True)


def main(options: argparse.Namespace) -> None:
    """What the weights in the package do, or those that are learned now."""
    if options.write or options.without:
        names = [name for name, corpus in CORPORA.items() if corpus.learned and name not in options.without]
        said = [each for name in names for each in utterances(name, options.folder, CORPORA[name].most)]
        print(f"{len(said)} utterances to learn from: {', '.join(names)}", flush=True)
        weights, bias = learn(*examples(said))
        path = WEIGHTS if options.write and not options.without else options.folder / "without.npz"
        store(weights, bias, path)
        likelihood.WEIGHTS = path
        likelihood.learned.cache_clear()
    print(f"{'':31}{'whole utterances':>21}   {'before a pause':>21}   {'random beginnings':>21}")
    print(f"{'':31}{3 * ' complete unknown open'}")
    for name in CORPORA:
        if found := utterances(name, options.folder, TRIED):
            tell(name, found)
    ours = [pair for kind in HESITATING.values() for pair in kind]
    for name, plain, pairs in (("ours", PLAIN, ours), ("everyday", everyday.PLAIN, everyday.HESITATING)):
        print(f"{name + ', plain':22}{len(plain):>6}   {shares(plain)}")
        print(f"{name + ', hesitating':22}{len(pairs):>6}   {shares([' '.join(pair) for pair in pairs])}   ", end="")
        print(shares([begins for begins, *_ in pairs]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="folder", type=Path, required=True, help="a folder with clones of the corpora")
    parser.add_argument("--without", nargs="*", default=[], choices=list(CORPORA), help="learn without these")
    parser.add_argument("--write", action="store_true", help="learn the weights, and put them into the package")
    main(parser.parse_args())
