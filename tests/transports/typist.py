"""A page's text box without a page: what its scripts send when somebody presses Send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import connect


async def typed(
    url: str, text: str, wanted: Mapping[str, Any], headers: Mapping[str, str] | None = None, kind: str = "sandwich"
) -> str:
    """Send a typed turn of the page that wants this; what stands in the box afterwards."""
    left = ""
    address = url.replace("http", "ws") + "/page/window"
    async with asyncio.timeout(20), connect(address, additional_headers=headers) as socket:
        for message in ({"do": "open", **wanted}, {"do": "say", "kind": kind, "text": text, **wanted}, {"do": "ping"}):
            await socket.send(json.dumps(message))
        while (told := json.loads(await socket.recv()))["type"] != "pong":
            left = told["text"] if told["type"] == "give_back" else left
    return left
