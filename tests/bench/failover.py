"""Who answers a turn in which a provider fails, after how long, and which sentence is told: one row for each fault.

``python -m tests.bench.failover``: real sockets to two offline servers with quick engines in this process. One is the
vendors', and fails for good: from the first turn on, in the middle of a turn, or from the second turn on. The other one
stands in, as the offline server of an app with keys does. The time of ``sound`` counts from the last sample of the
question (typed: from its sending), ``silence`` is the longest one inside the answer, both with the app's own timeouts.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.engines.failing import HEARD_OFFLINE, LOUD, SECRET, Failing, failing
from tests.engines.live import SAID, answer
from voice_agents.engines.engine import SandwichTimeouts
from voice_agents.events import AgentAudio, Event, Failed, Notice, TurnDone
from voice_agents.providers.interfaces import STT_RATE
from voice_agents.session.base import OUTPUT_RATE

AT_MOST_S = 2.0
AT_LEAST = 0.95
"""Of the turns in which ears or voice fail."""
AT_ONCE = 6
MOMENTS = ("first", "middle", "second")
STATUSES = (401, 403, 404, 429, 500, 503)
BROKEN = ("close:1011", "close:1006", "stall", "malformed", "malformed:schema", "drip:delay=2", "drip:delay=6")
KINDS = {
    "stt": (
        *(f"refuse:{status}" for status in STATUSES),
        *BROKEN,
        *(f"error:{name}" for name in ("auth_error", "quota_exceeded", "rate_limited", "transcriber_error", "error")),
        *("missing-commit", "late-commit:delay=5"),
    ),
    "tts": (
        *(f"refuse:{status}" for status in STATUSES),
        *BROKEN,
        *(f"error:{name}" for name in ("invalid_api_key", "quota_exceeded", "rate_limited", "internal_server_error")),
    ),
    "chat": (*(f"refuse:{status}" for status in STATUSES), *BROKEN, "error"),
    "realtime": (*(f"refuse:{status}" for status in STATUSES), *BROKEN, "error", "error:rate_limit_exceeded"),
}
PROMPT = "You are"
"""How the agent's instructions begin."""


@dataclass(frozen=True)
class Case:
    role: str
    """The fault's service; ``chat+`` where another chat provider is configured."""
    kind: str
    moment: str

    def __str__(self) -> str:
        return f"{self.role:9} {self.kind:30} {self.moment:7}"

    @property
    def faults(self) -> list[str]:
        """A vendor's voice that fails does so over HTTP, too."""
        service = self.role.removesuffix("+")
        after = self.moment == "middle" and service != "stt" and not self.kind.startswith("refuse")
        fault = f"{service}:{self.kind}" + (":after=3" if after else "")
        if service != "tts":
            return [fault]
        value = "refuse:500" if self.kind.startswith(("drip", "error", "malformed")) else self.kind
        return [fault, f"tts-http:{value}"]


@dataclass
class Row:
    heard_by: str = ""
    written_by: str = ""
    spoken_by: str = ""
    sound_s: float | None = None
    silence_s: float = 0.0
    sentences: list[str] = field(default_factory=list)
    whole: bool = False
    """The answer was heard to its end."""


def cases(only: str) -> Iterator[Case]:
    for role in ("stt", "tts", "chat+", "chat", "realtime"):
        for kind in KINDS[role.removesuffix("+")]:
            for moment in MOMENTS:
                case = Case(role, kind, moment)
                if only in str(case):
                    yield case


async def run(case: Case) -> Row:
    """One conversation."""
    with tempfile.TemporaryDirectory() as folder:
        first = case.faults if case.moment == "first" else []
        async with failing(
            Path(folder),
            [f"{fault}:times=-1" for fault in first],
            timeouts=SandwichTimeouts(),
            other_chat=case.role == "chat+",
            realtime=case.role == "realtime",
        ) as house:
            if case.moment != "first":
                await house.somebody.turn("Hello?" if case.role == "realtime" else "")
                await house.somebody.until(lambda: house.somebody.status == "Listening")
            return await measured(case, house)


async def measured(case: Case, house: Failing) -> Row:
    somebody, loop = house.somebody, asyncio.get_running_loop()
    before, dones = len(somebody.events), len(somebody.all(TurnDone))
    if case.moment == "middle" and case.role == "stt":
        somebody.session.push_audio(np.full(round(0.3 * STT_RATE), LOUD, dtype=np.int16))
        await asyncio.sleep(0.1)
    if case.moment != "first":
        house.strike(*case.faults)
    asked_at = loop.time()
    if case.role == "realtime":
        somebody.session.send_text("Hello?")
    elif case.moment == "middle" and case.role == "stt":
        loud = np.full(round(0.25 * STT_RATE), LOUD, dtype=np.int16)
        somebody.session.push_audio(np.concatenate([loud, np.zeros(round(0.7 * STT_RATE), dtype=np.int16)]))
    else:
        somebody.say()
    with suppress(TimeoutError):
        await somebody.until(lambda: len(somebody.all(TurnDone)) > dones)
    return row_of(somebody.events[before:] if case.moment != "first" else somebody.events, asked_at)


def row_of(events: Sequence[Event], asked_at: float) -> Row:
    row = Row()
    sound = [event for event in events if isinstance(event, AgentAudio)]
    done = next((event for event in events if isinstance(event, TurnDone)), None)
    until = None
    for event in sound:
        if until is None:
            row.sound_s = event.at - asked_at
        else:
            row.silence_s = max(row.silence_s, event.at - until)
        until = max(event.at, until or 0.0) + len(event.pcm) / OUTPUT_RATE
    loudest = {int(np.abs(event.pcm.astype(np.int32)).max(initial=0)) > LOUD * 3 // 4 for event in sound}
    row.spoken_by = {0: "-", 2: "both"}.get(len(loudest), "vendor" if True in loudest else "offline")
    heard = " ".join(getattr(event, "text", "") for event in events if getattr(event, "final", False))
    row.heard_by = {HEARD_OFFLINE: "offline", SAID: "vendor"}.get(heard, "typed" if heard else "-")
    said = done.heard_text if done is not None else ""
    row.written_by = "other" if said.startswith("Another") else "vendor" if said else "-"
    row.whole = any(said == answer(number) or said.endswith(answer(1)) for number in (1, 2))
    row.sentences = [
        str(event.error) if isinstance(event, Failed) else event.text
        for event in events
        if isinstance(event, Failed | Notice)
    ]
    return row


def show(case: Case, row: Row) -> None:
    sound = "-" if row.sound_s is None else f"{row.sound_s:.2f}"
    answered = "whole" if row.whole else "reason" if row.spoken_by != "-" else "-"
    print(
        f"{case} {row.heard_by:8}{row.written_by:8}{row.spoken_by:8}{answered:7}{sound:>6}{row.silence_s:6.2f}  "
        f"{(row.sentences or [''])[0]}",
        flush=True,
    )
    for sentence in row.sentences[1:]:
        print(f"{'':93}{sentence}")


def summary(rows: dict[Case, Row]) -> int:
    """By role; 1 when what has to be is not."""
    short = 0
    for role in dict.fromkeys(case.role for case in rows):
        found = [row for case, row in rows.items() if case.role == role]
        whole = sum(row.whole for row in found)
        quick = sum(row.sound_s is not None and max(row.sound_s, row.silence_s) <= AT_MOST_S for row in found)
        told = sum(bool(row.sentences) for row in found)
        print(
            f"{role:9} {len(found):4} faults: {whole} answered whole, {quick} with sound within {AT_MOST_S:.0f} s, "
            f"{told} told"
        )
        short += role in ("stt", "tts") and whole < AT_LEAST * len(found)
    leaks = [said for row in rows.values() for said in row.sentences if SECRET in said or PROMPT in said]
    print(f"{len(leaks)} sentences hold a key or a prompt")
    return int(bool(short or leaks))


async def main(only: str) -> int:
    print(f"{'fault':48} {'heard':8}{'written':8}{'spoken':8}{'answer':7}{'sound':>6}{'gap':>6}  sentence")
    rows: dict[Case, Row] = {}
    free = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> None:
        async with free:
            rows[case] = await run(case)
        show(case, rows[case])

    async with asyncio.TaskGroup() as tasks:
        for case in cases(only):
            tasks.create_task(one(case))
    return summary(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows with this in their name, like 'stt' or 'middle'")
    raise SystemExit(asyncio.run(main(parser.parse_args().only)))
