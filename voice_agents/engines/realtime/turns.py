"""Which turn the user's words belong to: the server names its items, transcripts come when they like."""

from __future__ import annotations

from voice_agents.engines.realtime.turn import RealtimeTurn


class UserTurns:
    """The turns of a session by the server's items, and the one the user is speaking now."""

    def __init__(self) -> None:
        self.coming: RealtimeTurn | None = None
        """Nobody has taken it yet; may be the last one, gone on with."""
        self._items: dict[str, RealtimeTurn] = {}
        self._awaiting: list[RealtimeTurn] = []
        """Turns that we took, in order; the server has not named their items yet."""

    def heard(self, item_id: str, next_number: int) -> None:
        """The server begins to hear an item: it belongs to the turn that is coming."""
        self.coming = self.coming or RealtimeTurn(next_number)
        if item_id not in self._items:
            self.coming.user.forget_coming()
        self._items[item_id] = self.coming

    def of(self, item_id: str) -> RealtimeTurn | None:
        """The turn of an item; one nobody announced belongs to the turn we took first, or to what is being said."""
        if (turn := self._items.get(item_id)) is not None:
            return turn
        self._awaiting = [turn for turn in self._awaiting if turn.user.awaits_item]
        return self._awaiting[0] if self._awaiting else self.coming

    def await_item(self, turn: RealtimeTurn) -> None:
        """We took the turn; the server will name its item."""
        turn.user.await_item()
        self._awaiting.append(turn)

    def take(self, next_number: int) -> RealtimeTurn:
        """The turn that begins now: the one the user was speaking, or a new one."""
        turn, self.coming = self.coming or RealtimeTurn(next_number), None
        return turn

    def add(self, item_id: str, turn: RealtimeTurn) -> None:
        """The item is the turn's next piece."""
        self._items[item_id] = turn
        turn.user.expect(item_id)

    def give_up(self) -> RealtimeTurn | None:
        """Nobody takes what the user is saying: the turn it went on with, if it did."""
        turn, self.coming = self.coming, None
        self._items = {item: of for item, of in self._items.items() if of is not turn or item in of.user}
        return turn if turn is not None and turn.merged else None

    def forget_heard(self) -> None:
        """The server session is gone: what it was hearing, another one will hear once more."""
        self._items = {item: turn for item, turn in self._items.items() if item in turn.user}
        if self.coming is not None:
            self.coming.user.forget_coming()
