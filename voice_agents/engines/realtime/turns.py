"""The turns of a Realtime conversation: which one begins, and to which one the user's words belong."""

from __future__ import annotations

from voice_agents.engines.realtime.turn import RealtimeTurn
from voice_agents.turns.latency import TurnMarks

KEPT_TURNS = 8
"""Words that come so many turns after their own are nobody's."""


class UserTurns:
    """The server names its items, and transcripts come when they like; every item leads to its turn."""

    def __init__(self) -> None:
        self.number = 0
        """Of the turn that began last; 0 before the first."""
        self.coming: RealtimeTurn | None = None
        """What the user is speaking, nobody has taken it yet; may be the last turn, gone on with."""
        self._items: dict[str, RealtimeTurn] = {}
        self._awaiting: list[RealtimeTurn] = []
        """Turns that we took, in order; the server has not named their items yet."""

    # Turns

    def typed(self, text: str) -> RealtimeTurn:
        """A turn that the user typed begins."""
        turn = self._begins(RealtimeTurn(self.number + 1))
        turn.user.typed(text)
        return turn

    def unasked(self, announces: str = "") -> RealtimeTurn:
        """A turn begins in which the agent (for what it ``announces``) or the server speaks up by itself."""
        return self._begins(RealtimeTurn(self.number + 1, of_user=False, announces=announces))

    def take(self, item_id: str | None) -> RealtimeTurn:
        """What the user was speaking is a turn now. No ``item_id``: we took it, the server will name its item."""
        turn, self.coming = self.coming or RealtimeTurn(self.number + 1), None
        turn.marks = TurnMarks()
        if item_id is None:
            turn.user.await_item()
            self._awaiting.append(turn)
        else:
            self._add(item_id, turn)
        return self._begins(turn)

    def go_on_with(self, turn: RealtimeTurn) -> None:
        """Nothing of its answer was heard: what the user is saying is more of this turn."""
        turn.restart()
        turn.merged = True
        self.coming = turn

    def give_up(self) -> RealtimeTurn | None:
        """Nobody takes what the user is saying: the turn it went on with, if it did."""
        turn, self.coming = self.coming, None
        self._items = {item: of for item, of in self._items.items() if of is not turn or item in of.user}
        return turn if turn is not None and turn.merged else None

    # Items

    def heard(self, item_id: str) -> None:
        """The server begins to hear an item: it belongs to the turn that is coming."""
        self.coming = self.coming or RealtimeTurn(self.number + 1)
        if item_id not in self._items:
            self.coming.user.forget_coming()
        self._items[item_id] = self.coming

    def of(self, item_id: str) -> RealtimeTurn | None:
        """The turn of an item; one nobody announced belongs to the turn we took first, or to what is being said."""
        if (turn := self._items.get(item_id)) is not None:
            return turn
        self._awaiting = [turn for turn in self._awaiting if turn.user.awaits_item]
        return self._awaiting[0] if self._awaiting else self.coming

    def adopt(self, item_id: str) -> bool:
        """Whether a complete item is (from now on) a piece of a turn that was taken; else it is to be taken."""
        turn = self.of(item_id)
        if turn is None or not (turn.user.awaits_item or item_id in turn.user):
            return False
        if item_id not in turn.user:
            self._add(item_id, turn)
        return True

    def words(self, item_id: str, text: str, final: bool) -> RealtimeTurn | None:
        """An item's words so far, or for good; the turn they belong to."""
        turn = self.of(item_id)
        if turn is not None and final:
            turn.user.final(item_id, text)
        elif turn is not None:
            turn.user.partial(item_id, text)
        return turn

    def forget_heard(self) -> None:
        """The server session is gone: what it was hearing, another one will hear once more."""
        self._items = {item: turn for item, turn in self._items.items() if item in turn.user}
        if self.coming is not None:
            self.coming.user.forget_coming()

    def _add(self, item_id: str, turn: RealtimeTurn) -> None:
        self._items[item_id] = turn
        turn.user.expect(item_id)

    def _begins(self, turn: RealtimeTurn) -> RealtimeTurn:
        self.number = turn.number
        self._items = {item: of for item, of in self._items.items() if of.number > turn.number - KEPT_TURNS}
        return turn
