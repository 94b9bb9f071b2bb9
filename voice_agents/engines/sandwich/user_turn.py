"""What the user says in one turn, in as many pieces as the recogniser was asked for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from voice_agents.turns.latency import TurnMarks


@dataclass(slots=True)
class UserTurn:
    """The pieces of one turn in order; a piece may still be on its way from the recogniser."""

    pieces: list[asyncio.Future[str]] = field(default_factory=list)
    marks: TurnMarks = field(default_factory=TurnMarks)
    typed: bool = False
    voice_s: float = 0.0
    """How long the user's voice was heard in it."""

    @classmethod
    def of_text(cls, text: str) -> UserTurn:
        """A typed turn."""
        known: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        known.set_result(text)
        return cls([known], typed=True)

    def keep(self, piece: asyncio.Future[str]) -> None:
        """The piece belongs to this turn, before what came after it."""
        if piece not in self.pieces:
            self.pieces.insert(0, piece)

    def drop(self, piece: asyncio.Future[str]) -> None:
        """The piece does not belong to this turn."""
        if piece in self.pieces:
            self.pieces.remove(piece)

    def known(self, partial: str = "") -> str:
        """The words known so far, then ``partial``."""
        ready = (piece.result() for piece in self.pieces if piece.done() and _succeeded(piece))
        return " ".join(text for text in (*ready, partial) if text)

    async def words(self) -> str:
        """All words, when the last piece has come. Raises ProviderError when one of them failed."""
        texts = [await asyncio.shield(piece) for piece in self.pieces]
        return " ".join(text for text in texts if text)


def _succeeded(piece: asyncio.Future[str]) -> bool:
    return not piece.cancelled() and piece.exception() is None
