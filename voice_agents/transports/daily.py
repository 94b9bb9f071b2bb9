"""How many minutes of calls one visitor may have in a day (UTC): counted by browser and by address."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from voice_agents.errors import SessionLimitReached, StorageFailed
from voice_agents.transports.shares import Visit
from voice_agents.transports.visitors import is_own_machine

log = logging.getLogger(__name__)

SAVED_EVERY_S = 60.0
"""A process that is killed forgets less than that of each visitor."""


class Ledger(Protocol):
    """Where it is kept. Both may raise StorageFailed."""

    async def used_s(self, day: str, visitors: Sequence[str]) -> dict[str, float]:
        """Seconds of this day, by visitor."""

    async def add(self, day: str, visitor: str, seconds: float) -> None:
        """So much more."""


class DailyMinutes:
    """All visitors of today."""

    def __init__(self, minutes: float, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        """``minutes``: of calls a day. ``clock``: seconds since 1970."""
        self._limit_s = minutes * 60
        self._ledger = ledger
        self._clock = clock
        self._day = ""
        self._used_s: defaultdict[str, float] = defaultdict(float)
        self._unsaved_s: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._saving: set[asyncio.Task[None]] = set()

    async def meter(self, visit: Visit) -> Meter:
        """What counts the time of one session. Raises SessionLimitReached when there is none left today."""
        day = self._today()
        visitors = _visitors(visit, day)
        try:
            stored = await self._ledger.used_s(day, visitors)
        except StorageFailed as error:
            log.warning("talk time is counted without what was kept: %s", error)
        else:
            for visitor in visitors:
                self._used_s[visitor] = stored.get(visitor, 0.0) + self._unsaved_s.get((day, visitor), 0.0)
        if self._is_used_up(visitors):
            raise SessionLimitReached(self._refusal())
        return Meter(self, visit)

    def spend(self, visit: Visit, seconds: float) -> bool:
        """A visitor has talked so long; whether there is some time left."""
        day = self._today()
        visitors = _visitors(visit, day)
        for visitor in visitors:
            self._used_s[visitor] += seconds
            self._unsaved_s[day, visitor] += seconds
        if any(self._unsaved_s[day, visitor] >= SAVED_EVERY_S for visitor in visitors):
            self.save()
        return not self._is_used_up(visitors)

    def save(self) -> None:
        """Keep what is not kept yet, in the background."""
        task = asyncio.get_running_loop().create_task(self._save())
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def close(self) -> None:
        """Keep everything, and wait for it."""
        self.save()
        await asyncio.gather(*self._saving)

    async def _save(self) -> None:
        unsaved, self._unsaved_s = self._unsaved_s, defaultdict(float)
        for (day, visitor), seconds in unsaved.items():
            try:
                await self._ledger.add(day, visitor, seconds)
            except StorageFailed as error:
                self._unsaved_s[day, visitor] += seconds
                log.warning("talk time could not be kept: %s", error)

    def _is_used_up(self, visitors: Sequence[str]) -> bool:
        return any(self._used_s[visitor] >= self._limit_s for visitor in visitors)

    def _today(self) -> str:
        day = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        if day != self._day:
            self._day = day
            self._used_s.clear()
        return day

    def _refusal(self) -> str:
        now = datetime.fromtimestamp(self._clock(), UTC)
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        hours, minutes = divmod(int((midnight - now).total_seconds() // 60) + 1, 60)
        in_time = f"{hours} h {minutes} min" if hours else f"{minutes} min"
        return (
            f"Your {self._limit_s / 60:g} minutes of calls for today are used up (DAILY_MINUTES_PER_VISITOR). "
            f"You can call again in {in_time}, at midnight UTC."
        )


class Meter:
    """Counts the time of one session."""

    def __init__(self, minutes: DailyMinutes, visit: Visit) -> None:
        self._minutes = minutes
        self._visit = visit

    def spend(self, seconds: float) -> bool:
        """The call went on so long; whether it may go on."""
        return self._minutes.spend(self._visit, seconds)

    def stop(self) -> None:
        """The session is over."""
        self._minutes.save()


def _visitors(visit: Visit, day: str) -> list[str]:
    """By what a visitor is counted. Not their ids and addresses themselves: those are nobody's business tomorrow."""
    address = "" if is_own_machine(visit.address) else f"address {visit.address}"
    named = [name for name in (visit.visitor, address) if name]
    return [hashlib.sha256(f"{day} {name}".encode()).hexdigest()[:32] for name in named]
