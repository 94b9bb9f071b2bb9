"""How long each visitor has talked today, kept over restarts and for all instances; nothing of the days before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voice_agents.conversation.store import Store

_TABLE = """
CREATE TABLE IF NOT EXISTS talk_time (
    day TEXT NOT NULL,
    visitor TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (day, visitor)
)
"""


class TalkTime:
    """Seconds by day and visitor in a store. Everything raises StorageFailed as the store does."""

    def __init__(self, store: Callable[[], Store]) -> None:
        """``store``: asked for at every use, it is open only while the server runs."""
        self._store = store

    async def used_s(self, day: str, visitors: Sequence[str]) -> dict[str, float]:
        """Seconds of this day, by visitor; who has none is left out."""
        store = self._store()
        await store.execute(_TABLE)
        found: dict[str, float] = {}
        for visitor in visitors:
            values = {"day": day, "visitor": visitor}
            rows = await store.query("SELECT seconds FROM talk_time WHERE day = :day AND visitor = :visitor", values)
            if rows:
                found[visitor] = float(rows[0][0])
        return found

    async def add(self, day: str, visitor: str, seconds: float) -> None:
        """So much more; what was kept of other days is forgotten."""
        store = self._store()
        await store.execute(_TABLE)
        await store.execute("DELETE FROM talk_time WHERE day < :day", {"day": day})
        await store.execute(
            "INSERT INTO talk_time (day, visitor, seconds) VALUES (:day, :visitor, :seconds)"
            " ON CONFLICT (day, visitor) DO UPDATE SET seconds = talk_time.seconds + excluded.seconds",
            {"day": day, "visitor": visitor, "seconds": seconds},
        )
