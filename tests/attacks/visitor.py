"""An honest visitor of the page, without a browser: what is typed, what is answered."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.attacks.target import Server
from tests.attacks.wire import Header

ANSWERED_S = 30.0
CONTROLS: Mapping[str, Any] = {"voice": "", "patience": 0.5, "mode": "automatic", "detection": None}
NORMAL, NOT_UNDERSTOOD = 1000, 4400


class Visitor:
    """One browser: its identity, and a name for gradio's sessions."""

    def __init__(self, server: Server, identity: dict[str, str] | None = None, kind: str = "sandwich") -> None:
        self.server = server
        self.kind = kind
        self.identity = identity or {"owner": secrets.token_hex(16), "conversation": secrets.token_hex(16)}
        self.session_hash = secrets.token_hex(6)
        self.headers: list[Header] = []

    def component(self, name: str) -> int:
        """The id of ``#<kind>-<name>``."""
        wanted = f"{self.kind}-{name}"
        found = [part["id"] for part in self.server.config["components"] if part["props"].get("elem_id") == wanted]
        return int(found[0])

    def typed(self, text: Any, wanted: Mapping[str, Any] = CONTROLS) -> dict[str, Any]:
        """What types this: a window's message, which a stranger may send anywhere."""
        return {"do": "say", "kind": self.kind, "text": text, **self.identity, **wanted}

    def offered(self, sdp: Any, call: str = "") -> dict[str, Any]:
        """The body that offers a call."""
        offer = {"type": "offer", "sdp": sdp, "webrtc_id": call or secrets.token_hex(8)}
        mic, session = self.component("mic"), self.session_hash
        return {"data": offer, "component_id": mic, "fn_name": "offer", "session_hash": session}

    async def tell(self, *messages: Any) -> tuple[list[dict[str, Any]], int]:
        """Send these from a window of its conversation; all it is told until they are done, and the code of its end."""
        told: list[dict[str, Any]] = []
        address = self.server.wire.url.replace("http", "ws", 1) + "/page/window"
        try:
            async with asyncio.timeout(ANSWERED_S), connect(address, additional_headers=self.headers) as window:
                for message in ({"do": "open", **self.identity}, *messages, {"do": "ping"}):
                    await window.send(json.dumps(message))
                while not ({"sheet", "pong"} <= {each["type"] for each in told}):
                    told.append(json.loads(await window.recv()))
        except ConnectionClosed as end:
            return told, end.rcvd.code if end.rcvd is not None else 0
        return told, NORMAL

    async def type(self, text: Any, wanted: Mapping[str, Any] = CONTROLS) -> int:
        """Send it, wait for no answer; the code of the window's end."""
        return (await self.tell(self.typed(text, wanted)))[1]

    async def drawn(self) -> dict[str, Any]:
        """What a window is told of this conversation."""
        told, code = await self.tell()
        if code != NORMAL:
            raise RuntimeError(f"the window was closed with {code}")
        return next(message for message in told if message["type"] == "sheet")

    async def hang_up(self) -> None:
        """End its session."""
        await self.tell({"do": "hang_up", "kind": self.kind})

    async def says(self, text: str, answered: str) -> float:
        """Type it and wait until the page shows an answer like this; how long that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.type(text)
        async with asyncio.timeout(ANSWERED_S):
            while not re.search(answered, json.dumps((await self.drawn()).get("lines", [])), re.IGNORECASE):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return loop.time() - began
