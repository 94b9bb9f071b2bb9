"""Notes that are kept for a user across conversations and restarts."""

from __future__ import annotations

from typing import Protocol


class Notes(Protocol):
    """Where one user's notes are kept."""

    async def add(self, text: str) -> None:
        """Keep one more note."""

    async def all(self) -> list[str]:
        """The notes, oldest first."""

    async def clear(self) -> int:
        """Delete all notes; how many there were."""
