"""Pages of other origins in a real browser: they read, begin and open nothing, here or on the offline server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Error, Frame

from tests.attacks import routes
from tests.browser.helpers.chromium import chromium
from tests.browser.helpers.process import AppProcess
from tests.forked import start_python
from tests.instances import provided_by
from tests.warm import OFFLINE
from voice_agents.offline.embedded import EmbeddedServer

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of gradio 5 about gradio 6
]

NO_KEYS = {name: "" for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "APP_PASSWORD")}
ATTACK = (Path(__file__).parent / "helpers" / "evil.js").read_text(encoding="utf-8")
REBOUND = "rebound.example"
"""A name of a stranger that leads to this machine."""
PAGE = b"<!doctype html><title>evil</title><body>A page of somebody else.</body>"


@dataclass(frozen=True, slots=True)
class House:
    """The app, the offline server run alone, and somebody else's web server."""

    app: AppProcess
    database: Path
    offline: str
    key: str
    stranger: int
    """Its port."""

    async def traces(self) -> dict[str, Any]:
        """What anybody's visit leaves: places, rows, faults, connections."""
        async with httpx.AsyncClient(headers={"api-key": self.key}) as http:
            health = (await http.get(f"{self.app.url}/health")).json()
            faults = (await http.get(f"{self.offline}/faults")).json()
            connections = (await http.get(f"{self.offline}/connections")).json()
        return {
            "places": health["sessions"]["in_use"],
            "rows": rows(self.database),
            "faults": faults,
            "connections": sum(connections.values()),
        }


def rows(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sum(int(database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]) for table in tables)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    shared_browser: None, offline_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    database = tmp_path_factory.mktemp("house") / "talk.sqlite3"
    async with contextlib.AsyncExitStack() as stack:
        offline = await stack.enter_async_context(offline_alone())
        env = {
            **NO_KEYS,
            **provided_by(offline_server.url, offline_server.key),
            "DATABASE_URL": f"sqlite:///{database}",
        }
        app = await stack.enter_async_context(AppProcess(["app.py", "--port"], env))
        stranger = await stack.enter_async_context(await asyncio.start_server(strangers_page, "127.0.0.1", 0))
        yield House(app, database, *offline, stranger.sockets[0].getsockname()[1])


@contextlib.asynccontextmanager
async def offline_alone() -> AsyncIterator[tuple[str, str]]:
    """Its address and key, run alone as a developer does."""
    process = await start_python([*OFFLINE, "--port", "0"], os.environ, piped=True)
    try:
        assert process.stdout is not None
        said = b""
        async with asyncio.timeout(60):
            while not (found := re.search(rb"OPENAI_API_KEY=(\S+)", said)):
                said += await process.stdout.readline()
        yield said.split(b"\n")[0].decode(), found[1].decode()
    finally:
        process.terminate()
        await process.wait()


async def strangers_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One page for every path."""
    await reader.readuntil(b"\r\n\r\n")
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + PAGE)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()


async def apps_target(house: House, url: str) -> dict[str, Any]:
    """What is worth trying on the app."""
    async with httpx.AsyncClient() as http:
        config = (await http.get(f"{house.app.url}/config")).json()
    mic = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "sandwich-mic")
    tells = next(event["id"] for event in config["dependencies"] if [mic, "tick"] in event["targets"])
    return {
        "url": url,
        "reads": ["/", "/config", "/health", "/theme.css", "/gradio_api/heartbeat/x", "/gradio_api/queue/data"],
        "writes": ["/gradio_api/queue/join", "/gradio_api/run/predict", "/login", "/gradio_api/upload"],
        "calls": "/gradio_api/component_server",
        "typed": {"data": [{"webrtc_id": "x", "textbox": ""}], "fn_index": tells, "session_hash": "x"},
        "offer": {
            "data": {"type": "offer", "webrtc_id": secrets.token_hex(8)},
            **{"component_id": mic, "fn_name": "offer", "session_hash": "x"},
        },
        "sockets": [way.filled() for way in routes.of_the_app() if not way.method],
    }  # fmt: skip


def offlines_target(house: House, url: str) -> dict[str, Any]:
    """What is worth trying on the offline server; with the key where a page could put it."""
    sockets = [way.filled() for way in routes.of_the_offline_server() if not way.method]
    return {
        "url": url,
        "reads": ["/v1/models", "/faults", "/connections", "/v1/voices", "/nowhere"],
        "writes": ["/faults", "/v1/chat/completions", "/v1/text-to-speech/x", "/v1/single-use-token/realtime_scribe"],
        "calls": "/v1/text-to-speech/x/stream",
        "typed": ["stt:refuse:401"],
        "offer": {"data": {}},
        "sockets": [*sockets, *(f"{path}?model=m&api-key={house.key}" for path in sockets)],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(house: House) -> AsyncIterator[BrowserContext]:
    async with chromium(flags=[f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"]) as context:
        yield context


async def learnt_from(browser: BrowserContext, origin: str, target: dict[str, Any]) -> list[Any]:
    """What a page of this origin found out about the target."""
    page = await browser.new_page()
    if REBOUND in target["url"]:  # the name led to its own server when the page was loaded, and leads here now
        await page.route(f"{origin}/page", lambda route: route.fulfill(body=PAGE.decode(), content_type="text/html"))
    await page.goto(f"{origin}/page")
    try:
        return list(await page.evaluate(f"target => ({ATTACK})(target)", target))
    finally:
        shown = [await text_of(frame) for frame in page.frames[1:]]
        assert not any("Voice Agents" in text or "realtime" in text for text in shown), "a frame shows it"
        await page.close()


async def text_of(frame: Frame) -> str:
    """Nothing for one that shows no page."""
    try:
        return str(await frame.evaluate("document.body?.innerText ?? ''"))
    except Error:
        return ""


def origins(house: House, url: str) -> list[tuple[str, str, bool]]:
    """The stranger's page, the address it calls the target by, and whether it tries every path."""
    port, host_port = house.stranger, url.rpartition(":")[2]
    return [
        (f"http://127.0.0.1:{port}", url, True),
        (f"http://localhost:{port}", url, False),
        (f"http://evil.localhost:{port}", url, True),
        (f"http://127.0.0.1:{port}", f"http://localhost:{host_port}", False),
        (f"http://evil.localhost:{port}", f"http://evil.localhost:{host_port}", False),
        (f"http://{REBOUND}:{port}", f"http://0.0.0.0:{host_port}", False),
        (f"http://{REBOUND}:{host_port}", f"http://{REBOUND}:{host_port}", True),
    ]


def tried_on(target: dict[str, Any], every_path: bool) -> dict[str, Any]:
    """Every kind of request in any case; on one path each where only the page's address is another one."""
    return target if every_path else {**target, "reads": target["reads"][:2], "writes": target["writes"][:1]}


async def test_pages_of_others_learn_and_leave_nothing_at_the_app(house: House, browser: BrowserContext) -> None:
    before = await house.traces()
    tried = origins(house, house.app.url)
    learnt = await asyncio.gather(
        *[
            learnt_from(browser, origin, tried_on(await apps_target(house, called), every))
            for origin, called, every in tried
        ]
    )
    for (origin, called, _), found in zip(tried, learnt, strict=True):
        assert said_by_the_door(found) == [], (origin, called)
    assert await house.traces() == before


async def test_pages_of_others_learn_and_leave_nothing_at_the_offline_server(
    house: House, browser: BrowserContext
) -> None:
    before = await house.traces()
    tried = origins(house, house.offline)
    learnt = await asyncio.gather(
        *[
            learnt_from(browser, origin, tried_on(offlines_target(house, called), every))
            for origin, called, every in tried
        ]
    )
    for (origin, called, _), found in zip(tried, learnt, strict=True):
        assert said_by_the_door(found) == [], (origin, called)
    assert await house.traces() == before


def said_by_the_door(learnt: list[Any]) -> list[Any]:
    """A page that was loaded under a name which leads here reads its refusals, and nothing else."""
    refusals = ("asked under a name that is not its own", "Pages of other addresses may not", "Web pages of other")
    return [(how, what) for how, what in learnt if not any(words in what for words in refusals)]


async def test_the_same_tried_by_our_own_page_succeeds(house: House, browser: BrowserContext) -> None:
    """Else the tests above could not fail."""
    page = await browser.new_page()
    await page.goto(house.app.url)
    before = await house.traces()
    target = await apps_target(house, house.app.url)
    target["reads"] = ["/config"]  # streams that it may have would keep its few connections from the rest
    learnt = dict(await page.evaluate(f"target => ({ATTACK})(target)", target))
    assert "components" in learnt["fetch /config"]
    assert learnt["WebSocket /ws/sandwich"] == "it was opened"
    assert "not in use here" in learnt["POST application/json cors /gradio_api/queue/join"]
    assert "sdp" in learnt["POST application/json cors /gradio_api/component_server"]
    assert (await house.traces())["places"] > before["places"]
    await page.close()
