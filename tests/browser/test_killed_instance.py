"""An instance is killed or stopped in a call: the page goes on at another one, with the same call and conversation."""

from __future__ import annotations

import asyncio
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
async def in_a_call(address: str, place: str, *scripts: str) -> AsyncIterator[VoicePage]:
    """A page that nginx sends to the instance of this name, and its call."""
    async with chromium(scripts=scripts, viewport={"width": 1280, "height": 900}) as context:
        await context.add_cookies([{"name": "voice_agents_at", "value": place, "url": address}])
        page = VoicePage(await context.new_page())
        await page.open(address)
        await page.record()
        await page.shows("Listening", within_s=30)
        yield page


async def in_use(app: AppProcess) -> int:
    async with httpx.AsyncClient() as http:
        return int((await http.get(f"{app.url}/health")).json()["sessions"]["in_use"])


async def is_carried_on(page: VoicePage, gone: AppProcess, other: AppProcess, answers: int, stop: bool = False) -> None:
    """The instance is killed under the page's call, which goes on at the other one as if nothing had been.

    ``stop``: it is asked to stop, and tells that it does.
    """
    await page.page.evaluate("window.stillTheSame = true")
    assert await in_use(gone) == 1
    killed = time.monotonic()
    ending = asyncio.create_task(gone.stop() if stop else gone.kill())
    if not stop:
        await ending
    await page.shows("Reconnecting")
    await page.shows("Listening")
    said(f"from the {'SIGTERM' if stop else 'kill'} until it listens again", killed)
    if stop:
        assert await ending == 0
    assert await in_use(other) == 1
    await page.says("Connection lost for")
    await page.type(AGAIN)
    await expect(page.answers().filter(has_text="fifty-six")).to_have_count(answers, timeout=30_000)
    await page.shows("Listening", within_s=30)
    assert await page.page.evaluate("window.stillTheSame"), "it was not loaded anew"
    assert await page.live_microphones() == 1


async def test_a_call_goes_on_at_another_instance_and_not_after_it_was_taken_over(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    async with two_instances(postgres, tmp_path) as ((one, two), address), in_a_call(address, "one") as page:
        await page.type("What is seven times eight?")
        await page.says("fifty-six", within_s=30)
        await page.shows("Listening", within_s=30)
        await is_carried_on(page, one, two, answers=2)

        # the same person opens it at the first one, over a WebSocket: this page's call ends and is not fetched back
        await one.start()
        same = json.dumps(await page.page.evaluate("localStorage.getItem('voice-agents')"))
        script = f"localStorage.setItem('voice-agents', {same})"
        async with in_a_call(address, "one", NEVER_CONNECTS, script) as second:
            await page.told("This conversation goes on elsewhere", within_s=30)
            await page.microphones_are(0)
            await is_carried_on(second, one, two, answers=3)
            assert await page.page.evaluate(IDLE)


async def test_a_call_goes_on_at_another_instance_when_its_own_is_asked_to_stop(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """Over the page's port; the two ways differ in nothing that stopping touches."""
    async with (
        two_instances(postgres, tmp_path) as ((one, two), address),
        in_a_call(address, "one", NEVER_CONNECTS) as page,
    ):
        await page.type("What is seven times eight?")
        await page.says("fifty-six", within_s=30)
        await page.shows("Listening", within_s=30)
        await is_carried_on(page, one, two, answers=2, stop=True)
