"""The browser client printed in docs/api.md, against the real app in a real browser; and the app's own limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.browser.helpers.chromium import chromium, executable
from tests.browser.helpers.process import AppProcess
from tests.instances import provided_by
from tests.transports.api.docs import printed
from voice_agents.offline.embedded import EmbeddedServer

NO_KEYS = {name: "" for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "APP_PASSWORD")}
COUNT_PLAYED = """
window.playedSeconds = 0;
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  window.playedSeconds += this.buffer.duration;
  return start.apply(this, when);
};
"""


@pytest.fixture
async def app(offline_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[AppProcess]:
    """``python app.py`` with a database of its own."""
    executable()
    providers = provided_by(offline_server.url, offline_server.key)
    database = f"sqlite:///{tmp_path / 'talk.sqlite3'}"
    async with AppProcess(["app.py", "--port"], {**NO_KEYS, **providers, "DATABASE_URL": database}) as process:
        yield process


async def test_the_browser_client_talks_and_the_app_refuses_what_is_too_big(app: AppProcess, spoken: Path) -> None:
    lines: list[str] = []
    async with chromium(spoken) as context:
        page = await context.new_page()
        page.on("console", lambda message: lines.append(message.text))
        await page.goto(app.url)
        await page.evaluate(COUNT_PLAYED + printed("js") + "window.talk = talk;")
        await page.evaluate("() => talk().then((socket) => { window.socket = socket; })")
        async with asyncio.timeout(60):
            while not any(line.startswith("agent: ") and "Tokyo" in line for line in lines):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await page.wait_for_function("window.playedSeconds > 1")
        async with httpx.AsyncClient() as http:
            health = (await http.get(f"{app.url}/health")).json()
            assert health["sessions"]["in_use"] == 1
            await page.evaluate("socket.close()")
            async with asyncio.timeout(20):
                while (await http.get(f"{app.url}/health")).json()["sessions"]["in_use"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
    async with connect(app.url.replace("http", "ws") + "/ws/sandwich") as socket:
        await socket.recv()
        with pytest.raises(ConnectionClosed) as closed:
            await socket.send("x" * 1_500_000)
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
