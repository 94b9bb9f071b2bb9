"""What becomes of every word a user says: ``python -m tests.bench.words``.

Both engines with recognisers of three speeds, on virtual time: pauses, interruptions, typed turns, the stop button and
hang-ups at random. A word that is lost or remembered twice is named, and ends the benchmark with an error.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from tests.stories.clock import play
from tests.stories.words import ENGINES, SPEEDS_S, Account, conversation

COLUMNS = ("words", "typed", "cut in", "stops", "hung up", "unknown", "lost", "twice")


def row(name: str, accounts: list[Account]) -> str:
    """One line of the table."""
    figures = [
        sum(figure)
        for figure in zip(
            *(
                (a.spoken, a.typed, a.interruptions, a.stops, a.hang_ups, a.unknown, len(a.lost), len(a.twice))
                for a in accounts
            ),
            strict=True,
        )
    ]
    return f"{name:24}" + "".join(f"{figure:>9}" for figure in figures)


def main(words: int, conversations: int, first_seed: int) -> int:
    everything: list[Account] = []
    print(f"{'recogniser':24}" + "".join(f"{column:>9}" for column in COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        for engine in ENGINES:
            for name, latency_s in SPEEDS_S.items():
                share = -(-words // (len(ENGINES) * len(SPEEDS_S) * conversations))
                accounts = []
                for seed in range(first_seed, first_seed + conversations):
                    account = play(conversation(Path(folder), engine, latency_s, seed, share))
                    for what, found in (("lost", account.lost), ("twice", account.twice)):
                        if found:
                            print(f"  {engine}, {name}, seed {seed}, {what}: {' '.join(found)}")
                    accounts.append(account)
                print(row(f"{engine}, {name} ({latency_s} s)", accounts))
                everything += accounts
    print(row("all", everything))
    print("unknown: never shown and not understood yet when the user hung up")
    return int(any(account.lost or account.twice for account in everything))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=3000, help="spoken in all, at least")
    parser.add_argument("--conversations", type=int, default=4, help="per engine and recogniser")
    parser.add_argument("--seed", type=int, default=0, help="of the first conversation of each")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    sys.exit(main(options.words, options.conversations, options.seed))
