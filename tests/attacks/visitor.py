"""An honest visitor of the page, without a browser: what is typed, what is answered."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from html import unescape
from typing import Any

from tests.attacks.target import Server
from tests.attacks.wire import Answer, Header

ANSWERED_S = 30.0
CONTROLS = ["", 0.5, "automatic", None]
"""Voice, patience, who ends a turn, how its end is found."""


class Visitor:
    """One browser: its identity, its gradio session."""

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

    def function(self, name: str) -> int:
        """The index of the page's event with this name."""
        found = [event["id"] for event in self.server.config["dependencies"] if event["api_name"] == name]
        return int(found[0])

    def typed(self, text: Any, controls: list[Any] | None = None) -> dict[str, Any]:
        """The body that types this."""
        data = [text, self.identity, *(controls if controls is not None else CONTROLS)]
        return {"data": data, "fn_index": self.function("_send"), "session_hash": self.session_hash}

    def offered(self, sdp: Any, call: str = "") -> dict[str, Any]:
        """The body that offers a call."""
        offer = {"type": "offer", "sdp": sdp, "webrtc_id": call or secrets.token_hex(8)}
        mic, session = self.component("mic"), self.session_hash
        return {"data": offer, "component_id": mic, "fn_name": "offer", "session_hash": session}

    async def call(self, function: str, data: list[Any]) -> list[Any]:
        """Run one of the page's events to its end; everything it returned, step by step."""
        session_hash = secrets.token_hex(6)
        body = {"data": data, "fn_index": self.function(function), "session_hash": session_hash}
        joined = await self.server.wire.post("/gradio_api/queue/join", body, self.headers)
        if joined.status != 200:
            raise RuntimeError(f"the event {function} was answered {joined.status}: {joined.text[:200]}")
        return await self._follow(session_hash)

    async def _follow(self, session_hash: str) -> list[Any]:
        path = f"/gradio_api/queue/data?session_hash={session_hash}"
        answer = await self.server.wire.ask("GET", path, self.headers)
        messages = [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]
        return [message["output"]["data"] for message in messages if "data" in message.get("output", {})]

    async def type(self, text: Any, controls: list[Any] | None = None) -> Answer:
        """Send it, wait for nothing."""
        return await self.server.wire.post("/gradio_api/queue/join", self.typed(text, controls), self.headers)

    async def drawn(self) -> list[Any]:
        """What the page shows of this conversation: identity, lines, status, speakers, banner, figures."""
        return list((await self.call("arrive", [self.identity]))[-1])

    async def says(self, text: str, answered: str) -> float:
        """Type it and wait until the page shows an answer like this; how long that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.type(text)
        async with asyncio.timeout(ANSWERED_S):
            while not re.search(answered, unescape(json.dumps((await self.drawn())[1:])), re.IGNORECASE):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return loop.time() - began
