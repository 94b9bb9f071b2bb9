"""What becomes of answers that are begun early: ``python -m tests.bench.speculation``.

Random conversations on virtual time, each without and with speculation: pauses in sentences, self-corrections, late
partial words, recognisers and models of several speeds, tools with and without side effects. An answer that differs, a
tool with side effects in a dropped turn, or a task left over ends the benchmark with an error.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.stories.clock import play
from tests.stories.early import CAREFUL, EAGER, OFF, Outcome, timeline


def differs(one: Outcome, plain: Outcome) -> list[str]:
    """What is not as it would have been."""
    found = list(one.problems)
    if one.texts != plain.texts:
        found.append("other words")
    if one.booked != plain.booked:
        found.append("other deeds")
    return found


def main(conversations: int, first_seed: int) -> int:
    outcomes: dict[str, list[Outcome]] = {CAREFUL.speculation: [], EAGER.speculation: []}
    wrong = 0
    for seed in range(first_seed, first_seed + conversations):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            plain = play(timeline(folder, seed, OFF))
            for turns in (CAREFUL, EAGER):
                again = folder / turns.speculation
                again.mkdir()
                outcome = play(timeline(again, seed, turns))
                outcomes[turns.speculation].append(outcome)
                if found := differs(outcome, plain):
                    wrong += 1
                    print(f"  seed {seed}, {turns.speculation}: {', '.join(found)}")
    print(f"{conversations} conversations, {wrong} of {2 * conversations} differ from those without speculation")
    print(f"{'':10}{'used':>8}{'dropped':>9}{'saved, median':>15}{'tokens':>9}{'characters':>12}")
    for name, each in outcomes.items():
        early = [event for outcome in each for event in outcome.early]
        saved = [event.saved_s for event in early if event.used]
        dropped = [event for event in early if not event.used]
        tokens, characters = sum(e.tokens for e in dropped), sum(e.characters for e in dropped)
        saved_ms = 1000 * median(saved) if saved else 0.0
        print(f"{name:10}{len(saved):>8}{len(dropped):>9}{saved_ms:>12.0f} ms{tokens:>9}{characters:>12}")
    return int(wrong > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first conversation")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    sys.exit(main(options.conversations, options.seed))
