"""Which browser this is and which conversation it goes on with: two unguessable ids kept in the browser."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from voice_agents.conversation.model import Conversation, new_id

_ID = re.compile(r"[0-9a-f]{32}")


def conversation_of(identity: Any) -> Conversation:
    """What a browser sent -> its conversation; whatever is not an id of ours is replaced by a new one."""
    found = identity if isinstance(identity, Mapping) else {}
    owner, conversation = found.get("owner"), found.get("conversation")
    return Conversation(id=_valid(conversation) or new_id(), owner=_valid(owner) or new_id())


def is_identity(identity: Mapping[str, Any]) -> bool:
    """Whether a browser says who it is, both ids as we made them."""
    return bool(_valid(identity.get("owner")) and _valid(identity.get("conversation")))


def is_id(value: Any) -> bool:
    """Whether it has the form of our ids."""
    return _valid(value) is not None


def identity_of(conversation: Conversation) -> dict[str, str]:
    """The form kept in the browser."""
    return {"owner": conversation.owner, "conversation": conversation.id}


def _valid(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
