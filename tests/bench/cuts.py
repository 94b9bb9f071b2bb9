"""Whether memory is what was heard: ``python -m tests.bench.cuts``.

The standard agent, five graphs of other developers and a Realtime server are each cut 200 times on virtual time, at
random moments, by voice, by the button and by typing, with murmurs in between. After every 25 cuts the call ends, all
is closed, and the next one goes on from disk. Every turn's words as the session told them, as they are on disk and as
the model is shown (the server holds) them are compared with what came out of the speaker. What differs by more than a
word is named, and ends the benchmark with an error.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from tests.stories.clock import play
from tests.stories.cuts import AGENTS, HOW, Account, interrupted

COLUMNS = (*HOW, "silent", "calls", "turns", "words", "off by", "wrong")


def row(agent: str, account: Account) -> str:
    """One line of the table."""
    figures = [*(account.cuts[how] for how in HOW), account.before_sound, account.calls, account.turns, account.words]
    return f"{agent:16}" + "".join(f"{figure:>8}" for figure in (*figures, account.furthest, len(account.wrong)))


def main(agents: list[str], cuts: int, seed: int) -> int:
    wrong = 0
    print(f"{'':16}" + "".join(f"{column:>8}" for column in COLUMNS), flush=True)
    for agent in agents:
        with tempfile.TemporaryDirectory() as folder:
            account = play(interrupted(agent, Path(folder), cuts, seed))
        print("\n".join([row(agent, account), *(f"  {sentence}" for sentence in account.wrong)]), flush=True)
        wrong += len(account.wrong)
    print("silent: cut before anything of the answer had sounded; off by: words, at most")
    return int(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("agents", nargs="*", default=AGENTS, help=f"of {', '.join(AGENTS)}")
    parser.add_argument("--cuts", type=int, default=200, help="of each agent's answers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    sys.exit(main(options.agents, options.cuts, options.seed))
