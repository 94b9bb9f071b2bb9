"""Chat completions as they are on the wire, for LangChain's ChatOpenAI to speak through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import openai
from openai._streaming import ServerSentEvent


class PlainCompletions:
    """Takes the place of the SDK's ``chat.completions``; errors are the SDK's own.

    That one walks through every parameter to rename fields, of which chat completions have none: with a dozen tools
    5 ms before each request. And it builds a model of every chunk, which LangChain turns back into a dictionary: 0.3
    to 0.6 ms a token, an eighth of the CPU time of a conversation (all measured). Here both remain what they are.
    """

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def create(self, **body: Any) -> openai.AsyncStream[object]:
        """Ask; the chunks of the answer, each the JSON value that came. ``body`` has ``stream=True``."""
        return await self._client.post("/chat/completions", body=body, cast_to=object, stream=True, stream_cls=_Chunks)


class _Chunks(openai.AsyncStream[object]):
    """Passes over events that hold no chunk, which gateways send to keep the line open: the SDK reads them as JSON."""

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        async for event in super()._iter_events():
            if event.data.strip() not in ("", "null", '""') and event.event not in _KEEP_ALIVE:
                yield event


_KEEP_ALIVE = ("ping", "keepalive", "keep-alive", "heartbeat")
_SIGNS = {"type", "event", "object", "status", "id", "created", "model", "timestamp", "time", "ts", "retry", "message"}
_SAYING = (*_KEEP_ALIVE, "keep_alive", "chat.completion.chunk", "processing", "pending", "queued", "")


def is_sign_of_life(chunk: Mapping[str, Any]) -> bool:
    """An object that only says that somebody is there: ``{}``, ``{"type": "ping"}``, ``{"status": "processing"}``."""
    kinds = [str(chunk[name] or "").lower() for name in ("type", "event", "object", "status") if name in chunk]
    return chunk.keys() <= _SIGNS and all(kind in _SAYING for kind in kinds)
