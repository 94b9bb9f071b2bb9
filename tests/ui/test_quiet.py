"""What gradio keeps of the events of a page: next to nothing, however many there were."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from tests.transports.page_server import serve_page
from voice_agents.conversation.model import Conversation
from voice_agents.ui.identity import identity_of
from voice_agents.ui.quiet import KEPT_EVENTS

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]


async def test_after_many_events_nothing_is_summed_up_and_little_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def summed_up(*_: Any, **__: Any) -> None:
        raise AssertionError("a table of all events was made")

    async with serve_page() as served, httpx.AsyncClient(base_url=served.url, timeout=20) as http:
        monkeypatch.setattr("pandas.DataFrame", summed_up)
        kept = served.page._queue.event_analytics
        for number in range(3 * KEPT_EVENTS):
            kept[str(number)] = {"status": "success", "process_time": 0.1, "function": "earlier"}
        config = (await http.get("/config")).json()
        hang_up = next(event for event in config["dependencies"] if event["targets"][0][1] == "stop_recording")
        async with asyncio.timeout(20):
            for _ in range(3):
                assert (await finished(http, hang_up["id"])) is True
        assert len(kept) == KEPT_EVENTS


async def finished(http: httpx.AsyncClient, event: int) -> bool:
    """Whether an event of the page came to a good end."""
    session = secrets.token_hex(6)
    body = {"fn_index": event, "data": [identity_of(Conversation())], "session_hash": session}
    (await http.post("/gradio_api/queue/join", json=body)).raise_for_status()
    async with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as news:
        async for line in news.aiter_lines():
            if "process_completed" in line:
                return '"success":true' in line.replace(" ", "")
    return False
