"""The page under every name of ours: this machine's, its network's, a share link's, and inside of a Space's frame."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.async_api import Frame, expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.instances import provided_by
from tests.share_tunnel import NAME as SHARED
from tests.share_tunnel import tunnel
from voice_agents.offline.embedded import EmbeddedServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPACE = "somebody-voice-agents.hf.space"
HUB = "huggingface.co"
ANSWER_S = 40.0
NO_KEYS = {name: "" for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "APP_PASSWORD")}
HEAD_END = b"\r\n\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    shared_browser: None, offline_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    """``python app.py --host 0.0.0.0 --share`` with a stand-in for the tunnel, told that it is a Space."""
    folder = tmp_path_factory.mktemp("house")
    providers = provided_by(offline_server.url, offline_server.key)
    env = {
        **providers,
        "DATABASE_URL": f"sqlite:///{folder / 'talk.sqlite3'}",
        "SPACE_HOST": SPACE,
        **tunnel(folder / "hf").env,
    }
    async with AppProcess(["app.py", "--host", "0.0.0.0", "--share", "--port"], {**NO_KEYS, **env}) as process:
        yield process


def certificate(folder: Path) -> ssl.SSLContext:
    """For a server whose name nobody checks."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now,
                                   now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())  # fmt: skip
    own = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "own.pem"
    path.write_bytes(own + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@contextlib.asynccontextmanager
async def proxy(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Takes the TLS off and says for whom it asks, one request per connection; a stranger's page for the hub's name."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(HEAD_END)
        if f"host: {HUB}".encode() in head.lower():
            page = f'<!doctype html><iframe src="https://{SPACE}/" style="width:1200px;height:900px"></iframe>'.encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
            await writer.drain()
            return
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        lines = [line for line in head.split(b"\r\n")[:-2] if not line.lower().startswith(b"connection:")]
        told = [b"X-Forwarded-Proto: https", b"X-Forwarded-For: 203.0.113.9"]
        told.append(b"Connection: Upgrade" if b"upgrade: websocket" in head.lower() else b"Connection: close")
        outer.write(b"\r\n".join([*lines, *told]) + HEAD_END)
        asking = asyncio.create_task(carry(reader, outer))
        try:
            await carry(inner, writer)
        finally:
            asking.cancel()
            outer.close()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    async with await asyncio.start_server(served, "127.0.0.1", 0, ssl=context) as server:
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()


def lan_address() -> str:
    """This machine's address in its network; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


async def answers(page: VoicePage | Frame) -> None:
    """A typed question is answered."""
    if isinstance(page, VoicePage):
        await page.type("What is seven times eight?")
        await expect(page.answers().last).to_contain_text(re.compile("56|fifty-six"), timeout=1000 * ANSWER_S)
        assert page.foreign == []
        return
    await expect(page.locator("#sandwich-status")).to_have_text("Ready", timeout=1000 * ANSWER_S)
    await page.locator("#sandwich-text textarea").fill("What is seven times eight?")
    await page.locator("#sandwich-send").click()
    await expect(page.locator("#sandwich-chat")).to_contain_text(re.compile("fifty-six"), timeout=1000 * ANSWER_S)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "its network's"])
async def test_a_typed_question_is_answered_through_every_own_address(app: AppProcess, host: str) -> None:
    named = lan_address() if host == "its network's" else host
    async with chromium() as context:
        page = VoicePage(await context.new_page(), own=f"http://{named}")
        await page.open(app.url.replace("127.0.0.1", named))
        await answers(page)


async def test_and_through_ipv6(shared_browser: None, offline_server: EmbeddedServer, tmp_path: Path) -> None:
    providers = provided_by(offline_server.url, offline_server.key)
    env = {**NO_KEYS, **providers, "DATABASE_URL": f"sqlite:///{tmp_path / 'talk.sqlite3'}"}
    async with AppProcess(["app.py", "--host", "::1", "--port"], env, host="[::1]") as app, chromium() as context:
        page = VoicePage(await context.new_page(), own="http://[::1]")
        await page.open(app.url)
        await answers(page)


async def test_and_through_a_share_link_and_in_the_frame_of_a_space(app: AppProcess, tmp_path: Path) -> None:
    async with proxy(int(app.url.rpartition(":")[2]), certificate(tmp_path)) as port:
        names = ", ".join(f"MAP {name}:443 127.0.0.1:{port}" for name in (SHARED, SPACE, HUB))
        flags = [f"--host-resolver-rules={names}"]
        whole = {"width": 1280, "height": 1000}  # the frame is seen as a whole
        async with chromium(flags=flags, ignore_https_errors=True, viewport=whole) as context:
            page = VoicePage(await context.new_page(), own=f"https://{SHARED}")
            await page.open(f"https://{SHARED}/")
            await answers(page)
            hub = await context.new_page()
            await hub.goto(f"https://{HUB}/spaces/somebody/voice-agents")
            frame = next(frame for frame in hub.frames if SPACE in frame.url)
            await answers(frame)


async def test_no_other_page_shows_it_in_a_frame(app: AppProcess) -> None:
    async with chromium() as context:
        page = await context.new_page()
        shown = f'<iframe src="{app.url}"></iframe>'
        stranger = "http://stranger.localhost/"
        await page.route(stranger, lambda route: route.fulfill(body=shown, content_type="text/html"))
        async with page.expect_event("requestfailed", lambda request: app.url in request.url):
            await page.goto(stranger)
        assert "Voice Agents" not in await page.frames[1].content()
