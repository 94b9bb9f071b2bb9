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
    """Passes over events that hold no chunk, which gateways send to keep the line open: the SDK reads them as JSON.

    A server that does not stream sends its answer whole; one that shows a page instead has none. Raises ValueError.
    """

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        kind = self.response.headers.get("content-type", "").lower()
        if "html" in kind:
            raise ValueError("a page where an answer should be")
        if "application/json" in kind:
            whole = (await self.response.aread()).decode(errors="replace").strip()
            if not whole.startswith(("data:", ":", "event:")):
                yield ServerSentEvent(data=whole)
                return
        async for event in self._decoder.aiter_bytes(_without_mark(self.response.aiter_bytes())):
            if not _is_empty(event):
                yield event


async def _without_mark(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The byte order mark that some put before everything belongs to nothing."""
    first = True
    async for piece in pieces:
        yield piece.removeprefix(b"\xef\xbb\xbf") if first else piece
        first = False


def _is_empty(event: ServerSentEvent) -> bool:
    data = event.data.strip()
    return event.event in _KEEP_ALIVE or data in ("", "null", '""', "[]") or data.lower() in _KEEP_ALIVE


_KEEP_ALIVE = ("ping", "pong", "keepalive", "keep-alive", "keep_alive", "heartbeat")
_SIGNS = {"type", "event", "object", "status", "id", "created", "model", "timestamp", "time", "ts", "retry", "message"}
_SIGNS |= {"position", "queue_position", "progress", "eta"}
_SAYING = (*_KEEP_ALIVE, "chat.completion.chunk", "processing", "pending", "queued", "")


def is_sign_of_life(chunk: Mapping[str, Any]) -> bool:
    """An object that only says that somebody is there: ``{}``, ``{"type": "ping"}``, ``{"status": "processing"}``."""
    kinds = [str(chunk[name] or "").lower() for name in ("type", "event", "object", "status") if name in chunk]
    known = all(name in _SIGNS or name.startswith(("x_", "x-")) for name in chunk)
    return known and all(kind in _SAYING for kind in kinds)
