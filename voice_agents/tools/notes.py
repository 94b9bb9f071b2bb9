"""Notes that are kept for a user across conversations and restarts."""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import Field

from voice_agents.tools.registry import Tool, ToolError
from voice_agents.tools.words import count, sentence, spell

MAX_NOTES = 100
_READ_ALOUD = 10
"""So many notes are read at most, the latest ones."""


class Notes(Protocol):
    """Where one user's notes are kept."""

    async def add(self, text: str) -> None:
        """Keep one more note."""

    async def all(self) -> list[str]:
        """The notes, oldest first."""

    async def clear(self) -> int:
        """Delete all notes; how many there were."""


class NoteTools:
    """What the agent can do with a user's notes."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def tools(self) -> list[Tool]:
        """What the agent can do with them."""
        return [
            Tool.of(self.save_note),
            Tool.of(self.list_notes, side_effects=False),
            Tool.of(self.delete_notes),
        ]

    async def save_note(
        self, text: Annotated[str, Field(min_length=1, max_length=1000, description="What to remember.")]
    ) -> str:
        """Keep a note for the user, also for later conversations."""
        if len(await self._notes.all()) >= MAX_NOTES:
            raise ToolError(f"There are {spell(MAX_NOTES)} notes already, which is the most: delete them first.")
        await self._notes.add(text.strip())
        return f"I noted: {_sentence(text)}"

    async def list_notes(self) -> str:
        """Read the user's notes."""
        notes = await self._notes.all()
        if not notes:
            return "You have no notes."
        latest = notes[-_READ_ALOUD:]
        which = "" if len(latest) == len(notes) else f" The latest {spell(len(latest))} are:"
        first = len(notes) - len(latest) + 1
        spoken = " ".join(f"{sentence(spell(first + i))}: {_sentence(note)}" for i, note in enumerate(latest))
        return f"You have {count(len(notes), 'note')}.{which} {spoken}"

    async def delete_notes(self) -> str:
        """Delete all of the user's notes."""
        deleted = await self._notes.clear()
        return f"I deleted {count(deleted, 'note')}." if deleted else "You have no notes."


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
