"""Attacks the app and the offline server from outside and says what held: ``python -m tests.attacks [--short]``.

Everything goes to servers of its own on 127.0.0.1. The exit code is 1 when something did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tests.attacks import bodies, faults, files, offers, others, passwords, strangers, words
from tests.attacks.outcome import Outcome
from tests.attacks.target import Targets, targets
from tests.attacks.wire import Wire

Attack = Callable[[Targets, Outcome], Awaitable[None]]

Named = tuple[str, Attack]

WAITING: tuple[Named, ...] = (("half-sent requests", bodies.half_sent),)
"""Beside all others: it mostly waits."""
FIRST: tuple[Named, ...] = (
    ("WebSockets from other pages", strangers.sockets),
    ("blind text/plain and form POSTs", strangers.blind_posts),
    ("bad, half-open, silent and storming offers", offers.storm),
)
"""One after the other: they look at what they leave behind."""
LANES: tuple[tuple[Named, ...], ...] = (
    (
        ("forged conversation and owner ids", others.identities),
        ("gradio's sessions, events and components", others.gradio_sessions),
        ("messages to the API's sockets", bodies.socket_messages),
        ("answers, streams and sockets nobody reads", bodies.unread),
    ),
    (
        ("scripts in words, notes and voices", words.injections),
        ("uploads", files.uploads),
        ("JSON and compression bombs", bodies.bombs),
    ),
    (
        ("everything without the password", passwords.outside),
        ("wrong passwords by the hundred", passwords.guessed),
        ("large and malformed requests", bodies.large),
    ),
    (
        ("the offline server without its key", faults.without_key),
        ("forged Host headers", strangers.hosts),
        ("forged Origin headers", strangers.origins),
        ("fetches by other pages (Sec-Fetch-Site)", strangers.fetches),
        ("paths to files of this machine", files.traversals),
        ("redirects and fetches to other servers", files.elsewhere),
    ),
)
"""Side by side, each one after the other."""
LAST: tuple[Named, ...] = (("what all these offers leave behind", offers.aftermath),)

LEVEL = r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b"
"""What a record of the log begins with; more lines of it may follow."""
NUMBERED = re.compile(r"voice_agents\.transports\.door: request [0-9a-f]{8} to .* failed$")
"""What the door logs of a failure whose number it has told."""


async def attack_all(short: bool, only: Sequence[str]) -> list[Outcome]:
    """Every attack whose name holds one of the words."""

    async def lane(attacks: Sequence[Named]) -> list[Outcome]:
        chosen = [(name, attack) for name, attack in attacks if not only or any(word in name for word in only)]
        return [await carry_out(house, *one) for one in chosen]

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with targets(Path(folder), short) as house:
            waiting = asyncio.create_task(lane(WAITING))
            outcomes = await lane(FIRST)
            outcomes += [outcome for done in await asyncio.gather(*map(lane, LANES)) for outcome in done]
            outcomes += await waiting
            outcomes += await lane(LAST)
            # No answer holds a key, a password or a token; one that failed says so in a sentence with a number.
            outcomes.append(found_in_answers(house, "secrets in any answer", lambda wire: wire.leaks))
            inside = "tracebacks, paths and bare failures in any answer"
            outcomes.append(found_in_answers(house, inside, lambda wire: wire.broken))
            outcomes.append(still_served(house))
    return outcomes


async def carry_out(house: Targets, name: str, attack: Attack) -> Outcome:
    """One kind of attack, and its line of the table."""
    outcome = Outcome(name)
    began = time.monotonic()
    try:
        await attack(house, outcome)
    except Exception as error:  # one that breaks off is none that held
        outcome.expect(False, f"the attack itself broke off: {type(error).__name__}: {error}")
    show(outcome, time.monotonic() - began)
    return outcome


def found_in_answers(house: Targets, name: str, found: Callable[[Wire], Sequence[str]]) -> Outcome:
    """One look into every answer to any of the attacks, and its line of the table."""
    outcome = Outcome(name)
    for server in house.servers:
        outcome.tried += server.wire.answers
        outcome.broke += found(server.wire)
    show(outcome, 0.0)
    return outcome


def still_served(house: Targets) -> Outcome:
    """All servers live, and their logs hold no secret and no traceback but numbered ones."""
    outcome = Outcome("servers alive, logs without secrets and surprises")
    for server in house.servers:
        log = "\n".join([*server.process.said, server.process.complaints])
        outcome.expect(server.process.runs, "a server has ended")
        records = re.split(rf"\n(?={LEVEL})", log)
        told = [record for record in records if re.match(r"(ERROR|CRITICAL)\b", record)]
        untold = [record for record in told if not NUMBERED.search(record.partition("\n")[0])]
        outcome.expect(not untold, f"errors in the log that no answer has told: {untold[:3]}")
        if server is not house.offline:  # which prints its key on purpose
            outcome.expect(house.offline.key not in log, "the key stands in the log")
    show(outcome, 0.0)
    return outcome


def show(outcome: Outcome, took_s: float) -> None:
    """One line of the table, and a few of what did not hold."""
    facts = "; ".join(outcome.facts)
    print(f"{outcome.name:54}{outcome.tried:>7}{outcome.held:>7}{took_s:>8.1f} s  {facts}", flush=True)
    for line in outcome.broke[:6]:
        print(f"    DID NOT HOLD: {line}")


def main() -> int:
    """Attack, print the table."""
    parser = argparse.ArgumentParser("python -m tests.attacks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer variants, for continuous integration")
    parser.add_argument("only", nargs="*", metavar="WORD", help="only the attacks whose names hold one of these words")
    options = parser.parse_args()
    print(f"{'attack':54}{'tried':>7}{'held':>7}")
    began = time.monotonic()
    outcomes = asyncio.run(attack_all(options.short, options.only))
    broken = [outcome for outcome in outcomes if outcome.broke]
    tried = sum(outcome.tried for outcome in outcomes)
    print(
        f"{tried} tried in {time.monotonic() - began:.0f} s, "
        + (f"{len(broken)} kinds of attack did not hold" if broken else "all held")
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
