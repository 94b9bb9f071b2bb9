"""What gradio serves beside this page is closed, what the page needs is not."""

from __future__ import annotations

import gradio as gr
import httpx
import pytest
from gradio.routes import App

from voice_agents.ui.unused import only_what_is_used


def client() -> httpx.AsyncClient:
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Textbox()
    app = App.create_app(page, app_kwargs={"middleware": [only_what_is_used()]})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:7860")


@pytest.mark.parametrize(
    "path",
    [
        *("/gradio_api/file=https://evil.example/", "/gradio_api/file/https://evil.example/", "/monitoring"),
        *("/gradio_api/file=/etc/passwd", "/gradio_api/proxy=http://127.0.0.1:1/", "/monitoring/summary"),
        *("/gradio_api/vibe-code", "/gradio_api/stream/x/1/2/playlist.m3u8", "/gradio_api/openapi.json"),
    ],
)
async def test_what_the_page_does_not_use_is_not_there(path: str) -> None:
    async with client() as browser:
        answer = await browser.get(path)
    assert (answer.status_code, answer.text) == (404, "There is nothing here.")
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/config", "/theme.css", "/gradio_api/info", "/gradio_api/startup-events"])
async def test_what_it_uses_is(path: str) -> None:
    async with client() as browser:
        assert (await browser.get(path)).status_code == 200
