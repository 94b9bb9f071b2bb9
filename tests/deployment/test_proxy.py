"""Behind a reverse proxy (nginx) under a sub-path: the page, its calls, the API and the health check all work there."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.browser.helpers.process import free_port
from tests.deployment.container import HERE
from tests.forked import start_python
from tests.instances import provided_by
from tests.transports.api.client import client
from tests.transports.rtc_client import RtcCaller
from tests.transports.test_aiortc import controls, until
from voice_agents.conversation.model import Conversation
from voice_agents.offline.embedded import EmbeddedServer

WITHIN_S = 180.0
PUBLIC = "talk.example.com"
SITE = re.compile(r"```nginx\n(.*?)```", re.DOTALL)


def site(port: int, app: int) -> str:
    """The site in docs/setup.md, on these ports and without TLS."""
    [written] = SITE.findall((HERE / "docs" / "setup.md").read_text(encoding="utf-8"))
    plain = re.sub(r"^\s*ssl_certificate.*\n", "", written, flags=re.MULTILINE)
    return plain.replace("listen 443 ssl", f"listen 127.0.0.1:{port}").replace("127.0.0.1:7860", f"127.0.0.1:{app}")


@asynccontextmanager
async def nginx(folder: Path, app: int) -> AsyncIterator[int]:
    """The port it serves the site on."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (apt install nginx)")
    port = free_port()
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} {site(port, app)} }}\n"
    )
    process = await asyncio.create_subprocess_exec(program, "-e", f"{folder}/error.log", "-c", str(file))
    try:
        yield port
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def app(folder: Path, offline: EmbeddedServer) -> AsyncIterator[int]:
    """The port of the app, which knows its public name and path as the document says."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "OPENAI_", "ELEVENLABS_"))
    }
    env = {
        **own,
        **provided_by(offline.url, offline.key),
        "DATABASE_URL": str(folder / "talk.sqlite3"),
        "GRADIO_ROOT_PATH": "/voice",
        "ALLOWED_HOSTS": PUBLIC,
    }
    process = await start_python(["app.py", "--port", "0"], env, piped=True)
    try:
        assert process.stdout is not None
        found = None
        while found is None:
            line = (await process.stdout.readline()).decode()
            assert line, "the app ended instead of serving"
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        yield int(found[1])
    finally:
        process.terminate()
        await process.communicate()


async def test_everything_works_under_a_sub_path(offline_server: EmbeddedServer, tmp_path: Path) -> None:
    async with asyncio.timeout(WITHIN_S), app(tmp_path, offline_server) as port, nginx(tmp_path, port) as proxy:
        root = f"http://127.0.0.1:{proxy}/voice"
        public = {"host": PUBLIC, "origin": f"https://{PUBLIC}"}
        async with httpx.AsyncClient(headers=public) as http:
            page = await http.get(f"{root}/", headers={"x-forwarded-proto": "https"})
            assert page.status_code == 200
            assert (await http.get(f"{root}/health")).json()["status"] == "healthy"
            own = re.findall(r'(?:src|href)="(\./[^"]+|/voice/[^"]+)"', page.text)
            assert own
            for path in own:
                found = await http.get(f"http://127.0.0.1:{proxy}" + path if path[0] == "/" else f"{root}/{path[2:]}")
                assert found.status_code == 200, path
            for bad in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
                assert (await http.get(f"{root}/health", headers=bad)).status_code == 403
        async with client(f"ws://{PUBLIC}/voice/ws/sandwich", host="127.0.0.1", port=proxy) as caller:
            await caller.say(type="text", text="What is seven times eight?")
            await caller.until("complete")
        async with RtcCaller(root, "sandwich-mic", controls(Conversation()), {"host": PUBLIC}) as call:
            await until(lambda: call._peer.connectionState == "connected")
