"""A window's drawer of conversations: whoever holds an owner's key lists, names, deletes and exports what is theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from voice_agents.conversation.export import Format, written_as
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.shelf import Shelf
from voice_agents.errors import InvalidInput, VoiceAgentError
from voice_agents.ui.desk import Desk
from voice_agents.ui.drawing import Data, clean
from voice_agents.ui.identity import is_id

LONGEST_TEXT = 200
"""Characters of a search or a name."""

Message = Mapping[str, Any]
Send = Callable[[Data], Awaitable[None]]
Deed = Callable[[str, Message], Awaitable[None]]
"""Gets the owner's key and what was asked."""


class Drawer:
    """What cannot be done is told the window in a sentence; what no page of ours sends raises InvalidInput."""

    def __init__(self, desk: Desk, shelf: Shelf, send: Send) -> None:
        self._desk = desk
        self._shelf = shelf
        self._send = send
        self.deeds: Mapping[str, Deed] = {
            "list": self._list,
            "rename": self._rename,
            "delete": self._delete,
            "take_back": self._take_back,
            "export": self._export,
            "delete_note": self._delete_note,
            "delete_everything": self._delete_everything,
        }

    async def take(self, owner: str, message: Message) -> bool:
        """Do one of the :attr:`deeds`; whether it could be done."""
        try:
            await self.deeds[message["do"]](owner, message)
        except _NotOurs as error:
            raise InvalidInput(str(error)) from None
        except VoiceAgentError as error:
            await self._send({"type": "refused", "do": message["do"], "text": str(error)})
            return False
        return True

    async def _list(self, owner: str, message: Message) -> None:
        search = _text(message.get("search", ""))
        items = [asdict(found) | {"title": clean(found.title)} for found in await self._shelf.list(owner, search)]
        notes = [asdict(note) | {"text": clean(note.text)} for note in await self._shelf.notes(owner)]
        await self._send({"type": "conversations", "search": search, "items": items, "notes": notes})

    async def _rename(self, owner: str, message: Message) -> None:
        await self._shelf.rename(_conversation(owner, message), clean(_text(message.get("name"))))
        await self._list(owner, message)

    async def _delete(self, owner: str, message: Message) -> None:
        conversation = _conversation(owner, message)
        await self._desk.clear_away(conversation)
        await self._shelf.delete(conversation)
        await self._list(owner, message)

    async def _take_back(self, owner: str, message: Message) -> None:
        conversation = _conversation(owner, message)
        await self._shelf.take_back(conversation)
        await self._desk.read_again(conversation)
        await self._list(owner, message)

    async def _export(self, owner: str, message: Message) -> None:
        conversation = _conversation(owner, message)
        wanted = message.get("format")
        if wanted not in tuple(Format):
            raise _NotOurs("There is no such format.")
        summary = await self._shelf.summary(conversation)
        text = written_as(Format(wanted), summary, await self._shelf.entries(conversation))
        await self._send({"type": "export", "conversation": summary.id, "format": wanted, "text": text})

    async def _delete_note(self, owner: str, message: Message) -> None:
        note = message.get("note")
        if isinstance(note, bool) or not isinstance(note, int) or not 0 <= note < 2**63:
            raise _NotOurs("There is no such note.")
        await self._shelf.delete_note(owner, note)
        await self._list(owner, message)

    async def _delete_everything(self, owner: str, _: Message) -> None:
        await self._desk.clear_away_all(owner)
        await self._shelf.forget_all(owner)
        await self._send({"type": "forgotten"})


class _NotOurs(VoiceAgentError):
    """No page of ours sends this."""


def _conversation(owner: str, message: Message) -> Conversation:
    id = message.get("of")
    if not is_id(id):
        raise _NotOurs("There is no such conversation.")
    return Conversation(id=str(id), owner=owner)


def _text(sent: Any) -> str:
    if not isinstance(sent, str):
        raise _NotOurs("This is no text.")
    return sent[:LONGEST_TEXT]
