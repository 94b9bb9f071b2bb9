"""The user's words in one turn, in as many pieces as the server made of them; they may come late, or never."""

from __future__ import annotations

import asyncio

_TYPED = "typed"
"""The piece of a turn that was typed."""


class UserWords:
    """The pieces of one turn in the order in which they were said, each under the id of the server's item."""

    def __init__(self) -> None:
        self.awaits_item = False
        """The turn was taken by us, and the server has not said yet under which id."""
        self._pieces: dict[str, str | None] = {}
        self._partials: dict[str, str] = {}
        self._early: dict[str, str] = {}
        """Final words of what is not part of the turn yet."""
        self._known = asyncio.Event()
        self._known.set()

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._pieces

    @property
    def known(self) -> bool:
        """No word is missing any more."""
        return self._known.is_set()

    @property
    def text(self) -> str:
        """All final words so far."""
        return " ".join(text for text in self._pieces.values() if text)

    @property
    def shown(self) -> str:
        """All words so far, also those that may still change."""
        said = [text or self._partials.get(item_id, "") for item_id, text in self._pieces.items()]
        coming = [text for item_id, text in self._partials.items() if item_id not in self._pieces]
        return " ".join(text for text in [*said, *coming] if text)

    def expect(self, item_id: str) -> None:
        """The next piece; its words are on their way."""
        self.awaits_item = False
        if item_id in self._early:
            self._partials.pop(item_id, None)
        self._pieces.setdefault(item_id, self._early.pop(item_id, None))
        self._update()

    def partial(self, item_id: str, text: str) -> None:
        """A piece's words so far; also of one that is not part of the turn yet."""
        if self._pieces.get(item_id) is None:
            self._partials[item_id] = text.strip()

    def final(self, item_id: str, text: str) -> None:
        """A piece's words for good, "" if they will not be known."""
        if item_id in self._pieces:
            self._partials.pop(item_id, None)
            self._pieces[item_id] = text.strip()
            self._update()
        else:
            self._early[item_id] = self._partials[item_id] = text.strip()

    def typed(self, text: str) -> None:
        """A piece that was typed."""
        self._pieces[_TYPED] = text

    def forget_coming(self) -> None:
        """What was being said will be heard once more, under another id."""
        self._partials = {item_id: text for item_id, text in self._partials.items() if item_id in self._pieces}
        self._early.clear()

    def give_up(self) -> None:
        """What is not known for good will not be: what was shown of it stays."""
        if self.awaits_item:  # what the server is hearing is a piece of the turn, whatever it is called
            for item_id in self._partials:
                self._pieces.setdefault(item_id, None)
        self.awaits_item = False
        for item_id, text in self._pieces.items():
            self._pieces[item_id] = self._partials.get(item_id, "") if text is None else text
        self._partials.clear()
        self._early.clear()
        self._update()

    async def wait(self) -> None:
        """Until no word is missing."""
        await self._known.wait()

    def await_item(self) -> None:
        """The turn was taken by us; the server will say under which id."""
        self.awaits_item = True
        self._update()

    def _update(self) -> None:
        if not self.awaits_item and None not in self._pieces.values():
            self._known.set()
        else:
            self._known.clear()
