"""Which browser this is and which conversation it goes on with: two unguessable ids kept in the browser."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from voice_agents.conversation.model import Conversation, new_id
from voice_agents.transports.visitors import plain_address

_ID = re.compile(r"[0-9a-f]{32}")


def remembered() -> gr.BrowserState:
    """The browser's own storage. gradio wants a secret, but sends it to every page, so there is none to keep."""
    return gr.BrowserState(None, storage_key="voice-agents", secret="voice-agents")


def conversation_of(identity: Any) -> Conversation:
    """What a browser sent -> its conversation; whatever is not an id of ours is replaced by a new one."""
    found = identity if isinstance(identity, dict) else {}
    owner, conversation = found.get("owner"), found.get("conversation")
    return Conversation(id=_valid(conversation) or new_id(), owner=_valid(owner) or new_id())


def is_known(identity: Any) -> bool:
    """Whether a browser sent an identity of ours, not nothing (its first moments) or something else."""
    found = identity if isinstance(identity, dict) else {}
    return bool(_valid(found.get("owner")) and _valid(found.get("conversation")))


def identity_of(conversation: Conversation) -> dict[str, str]:
    """The form kept in the browser."""
    return {"owner": conversation.owner, "conversation": conversation.id}


def address_of_event() -> str:
    """Where the browser is whose event gradio handles just now; gradio's queue does so apart from its request."""
    request = LocalContext.request.get(None)
    return plain_address(request.client.host) if request is not None and request.client else ""


def _valid(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
