"""An instance is killed in a call: the page goes on at another one, with the same call and the same conversation."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess, free_port
from tests.browser.test_always_connects import NEVER_CONNECTS
from tests.browser.test_truth import said
from tests.instances import MISSING, NGINX, instances, nginx
from tests.postgres import PostgresServer
from tests.quick_engines import QuickRecogniser, ToneVoice
from voice_agents.offline.brain import Brain
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services

AGAIN = "Say that again"
"""The offline agent repeats what it said last: it can only if it knows the conversation."""
IDLE = "voiceAgents.caller.call === null && !voiceAgents.caller.since"


@pytest.fixture(params=["webrtc", "websocket"])
def script(request: pytest.FixtureRequest) -> str:
    return NEVER_CONNECTS if request.param == "websocket" else ""


@asynccontextmanager
async def two_instances(postgres: PostgresServer, folder: Path) -> AsyncIterator[tuple[list[AppProcess], str]]:
    """Two, and the address of nginx in front of them; of the third in its configuration nobody knows."""
    if not NGINX.exists():
        pytest.skip(MISSING)
    services = Services(QuickRecogniser(lambda _: "words"), ToneVoice(0.1), Brain())
    async with (
        OfflineServer(services=services) as offline,
        instances(postgres.new_database(), offline.url, "any", 2) as apps,
    ):
        ports = [int(app.url.rpartition(":")[2]) for app in apps]
        with nginx(folder, [*ports, free_port()]) as address:
            yield list(apps), f"http://{address}"


@asynccontextmanager
async def in_a_call(url: str, *scripts: str) -> AsyncIterator[VoicePage]:
    async with chromium(viewport={"width": 1280, "height": 900}) as context:
        for script in scripts:
            await context.add_init_script(script)
        page = VoicePage(await context.new_page())
        await page.open(url)
        await page.record()
        await page.shows("Listening", within_s=30)
        yield page


async def has_the_call(apps: list[AppProcess]) -> AppProcess:
    """The instance that holds the only session."""
    async with httpx.AsyncClient() as http:
        used = {app: (await http.get(f"{app.url}/health")).json()["sessions"]["in_use"] for app in apps}
    [found] = [app for app in apps if used[app]]
    return found


async def test_the_call_goes_on_at_another_instance_and_not_after_it_was_taken_over(
    postgres: PostgresServer, tmp_path: Path, script: str
) -> None:
    async with two_instances(postgres, tmp_path) as (apps, address), in_a_call(address, script) as page:
        await page.type("What is seven times eight?")
        await page.says("fifty-six", within_s=30)
        await page.shows("Listening", within_s=30)
        await page.page.evaluate("window.stillTheSame = true")

        gone = await has_the_call(apps)
        [other] = [app for app in apps if app is not gone]
        await gone.kill()
        killed = time.monotonic()
        await page.shows("Reconnecting")
        await page.shows("Listening")
        said("from the kill until it listens again", killed)
        assert await has_the_call([other]) is other
        await page.says("Connection lost for")
        await page.type(AGAIN)
        await expect(page.answers().filter(has_text="fifty-six")).to_have_count(2, timeout=30_000)
        assert await page.page.evaluate("window.stillTheSame"), "it was not loaded anew"
        assert await page.live_microphones() == 1

        # the same person opens it at the other instance: this page's call ends, and does not fetch it back
        await gone.start()
        same = json.dumps(await page.page.evaluate("localStorage.getItem('voice-agents')"))
        async with in_a_call(gone.url, f"localStorage.setItem('voice-agents', {same})") as second:
            await page.told("This conversation goes on elsewhere", within_s=30)
            await page.microphones_are(0)
            assert await page.page.evaluate(IDLE)
            await second.type(AGAIN)
            await expect(second.answers().filter(has_text="fifty-six")).to_have_count(3, timeout=30_000)
            await second.shows("Listening")
            assert await page.page.evaluate(IDLE)
