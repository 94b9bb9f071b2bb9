"""A page's text box without a page: what gradio's own client sends when somebody presses Send."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import httpx


async def typed(
    url: str, text: str, controls: Sequence[Any], headers: Mapping[str, str] | None = None, box: str = "sandwich-text"
) -> Any:
    """Send a typed turn with these values of the page's controls; what stands in the box afterwards."""
    session = secrets.token_hex(6)
    async with httpx.AsyncClient(base_url=url, timeout=20, headers=headers) as http:
        config = (await http.get("/config")).raise_for_status().json()
        component = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == box)
        event = next(d["id"] for d in config["dependencies"] if [component, "submit"] in d["targets"])
        body = {"data": [text, *controls], "fn_index": event, "session_hash": session}
        (await http.post("/gradio_api/queue/join", json=body)).raise_for_status()
        async with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as told:
            async for line in told.aiter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if message.get("msg") == "process_completed":
                    assert message["success"], message
                    return message["output"]["data"][0]
    raise AssertionError("gradio did not answer")
