"""Which conversation a session continues."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4


def new_id() -> str:
    """A fresh, unguessable id."""
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class Conversation:
    """``Conversation()`` begins a new one; ``Conversation(id=...)`` continues a stored one.

    ``owner`` is the unguessable id of one user (one browser); notes and the list of conversations belong to it,
    and nobody else can continue them.
    """

    id: str = field(default_factory=new_id)
    owner: str = field(default_factory=new_id, repr=False)
