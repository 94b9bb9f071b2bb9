"""What the user says in one turn, in as many pieces as the recogniser was asked for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from voice_agents.conversation.deeds import Deeds
from voice_agents.errors import ProviderError
from voice_agents.turns.latency import TurnMarks


@dataclass(slots=True, eq=False)
class Piece:
    """A part of a turn whose final words were asked for."""

    final: asyncio.Future[str]
    shown: str = ""
    """Its words as the page shows them; they count as long as the final ones have not come, or if they never do."""

    @classmethod
    def of(cls, text: str) -> Piece:
        """One whose words are known."""
        known: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        known.set_result(text)
        return cls(known)

    @property
    def failed(self) -> bool:
        """Its final words will not come."""
        return self.final.done() and (self.final.cancelled() or self.final.exception() is not None)

    @property
    def known(self) -> str:
        """Its words as far as they are known."""
        return self.final.result() if self.final.done() and not self.failed else self.shown

    async def words(self) -> str:
        """Its words, when the recogniser has answered or given up."""
        try:
            return await asyncio.shield(self.final)
        except ProviderError:
            return self.shown


@dataclass(slots=True)
class UserTurn:
    """The pieces of one turn in order; a piece may still be on its way from the recogniser."""

    pieces: list[Piece] = field(default_factory=list)
    marks: TurnMarks = field(default_factory=TurnMarks)
    typed: bool = False
    murmured: bool = False
    """It was said while the agent had the floor: an "mm-hmm" alone is nothing."""
    voice_s: float = 0.0
    """How long the user's voice was heard in it."""
    deeds: Deeds = field(default_factory=Deeds)
    """What tools did for it, in answers that were begun."""

    @classmethod
    def of_text(cls, text: str) -> UserTurn:
        """A typed turn."""
        return cls([Piece.of(text)], typed=True)

    def known(self, partial: str = "") -> str:
        """The words known so far, then ``partial``."""
        return " ".join(text for text in (*(piece.known for piece in self.pieces), partial) if text)

    async def words(self) -> str:
        """All words, when the last piece has come. Raises ProviderError when one of them failed."""
        texts = [await asyncio.shield(piece.final) for piece in self.pieces]
        return " ".join(text for text in texts if text)
