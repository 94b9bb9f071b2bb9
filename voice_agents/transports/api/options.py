"""What the address of a socket says about how to talk, such as ``?turns=automatic``; docs/api.md tells all options."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from voice_agents.conversation.model import Conversation, new_id
from voice_agents.errors import InvalidInput
from voice_agents.settings import Interruptions, TurnMode

LOWEST_RATE, HIGHEST_RATE, USUAL_RATE = 8_000, 48_000, 16_000
"""Hz."""
LONGEST_VOICE = 100
"""Characters of a voice's name or id."""

T = TypeVar("T")

_CONVERSATION = re.compile(r"[0-9a-f]{32}")
_INTERRUPTIONS: Mapping[str, Interruptions | None] = {
    "normal": Interruptions.NORMAL,
    "sensitive": Interruptions.SENSITIVE,
    "words": Interruptions.WORDS_ONLY,
}
_TURNS = {"automatic": TurnMode.AUTOMATIC, "manual": TurnMode.PUSH_TO_TALK}


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """How one socket wants to talk. ``binary``: audio travels as binary frames."""

    conversation: Conversation
    mode: TurnMode
    binary: bool = False
    sample_rate: int = USUAL_RATE
    """Hz of the audio in both directions."""
    voice: str = ""
    interruptions: Interruptions | None = None
    """None: as the server is set."""

    @classmethod
    def of(cls, query: Mapping[str, str], usual: TurnMode) -> Self:
        """Read a query string; ``usual``: who ends a turn if neither ``turns`` nor ``audio=binary`` says.

        Raises InvalidInput that names the option. Options that are not ours are left alone: proxies add some.
        """
        binary = _one_of(query, "audio", {"json": False, "binary": True}, False)
        return cls(
            conversation=conversation_of(query.get("conversation", "") or new_id()),
            mode=_one_of(query, "turns", _TURNS, TurnMode.AUTOMATIC if binary else usual),
            binary=binary,
            sample_rate=rate_of(query.get("sample_rate", str(USUAL_RATE))),
            voice=_voice(query.get("voice", "")),
            interruptions=_one_of(query, "interruptions", _INTERRUPTIONS, None),
        )

    @property
    def turns(self) -> str:
        """The option ``turns`` in the words of the address."""
        return next(word for word, mode in _TURNS.items() if mode is self.mode)

    def at(self, sample_rate: int) -> Self:
        """The same with another rate."""
        return replace(self, sample_rate=sample_rate)


def conversation_of(conversation_id: str) -> Conversation:
    """The conversation with this id. Who knows the id may go on with it, so its owner follows from it.

    A page's conversation has another owner: its id alone opens nothing here. Raises InvalidInput for what is no id.
    """
    if not _CONVERSATION.fullmatch(conversation_id):
        raise InvalidInput("conversation must be an id that a session message told: 32 digits from 0 to f.")
    owner = hashlib.sha256(f"owner of {conversation_id}".encode()).hexdigest()[:32]
    return Conversation(id=conversation_id, owner=owner)


def rate_of(value: object) -> int:
    """A sample rate in Hz, as text or number. Raises InvalidInput."""
    text = str(value)
    rate = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InvalidInput(f"sample_rate must be a whole number from {LOWEST_RATE} to {HIGHEST_RATE}.")
    return rate


def _one_of(query: Mapping[str, str], name: str, values: Mapping[str, T], usual: T) -> T:
    value = query.get(name)
    if value is None:
        return usual
    if value not in values:
        raise InvalidInput(f"{name} must be {' or '.join(values)}.")
    return values[value]


def _voice(value: str) -> str:
    if len(value) > LONGEST_VOICE or not value.isprintable():
        raise InvalidInput(f"voice must be the name or id of a voice, {LONGEST_VOICE} characters at most.")
    return value
