"""What became of one kind of attack."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """``tried`` variants, of which ``broke`` did not hold, each in one line."""

    name: str
    tried: int = 0
    broke: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    """Figures worth a word in the table."""

    @property
    def held(self) -> int:
        return self.tried - len(self.broke)

    def expect(self, held: bool, variant: object) -> None:
        """One variant was tried."""
        self.tried += 1
        if not held:
            self.broke.append(str(variant))
