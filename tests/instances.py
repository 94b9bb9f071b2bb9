"""Several instances of the app on one PostgreSQL, behind nginx with the configuration that docs/ has."""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from tests.browser.helpers.process import AppProcess, free_port
from voice_agents.settings import PostgresUrl

CONFIGURATION = Path(__file__).parents[1] / "docs" / "nginx.scale.conf"
NAMES = ("one", "two", "three")
NGINX = Path("/usr/sbin/nginx")
MISSING = "nginx is not installed (apt install nginx)"
START_S = 20.0


def provided_by(url: str, key: str) -> dict[str, str]:
    """Variables that make an app take the offline server at ``url`` for the vendors."""
    return {
        "ELEVENLABS_BASE_URL": url,
        "ELEVENLABS_API_KEY": key,
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "OPENAI_API_KEY": key,
        "OPENAI_MODEL": "offline",
        "OPENAI_REALTIME_MODEL": "offline",
        "FAILOVER": "off",  # else each app would start an offline server beside this one
    }


@asynccontextmanager
async def instances(
    database: PostgresUrl, url: str, key: str, count: int = 3, max_sessions: int = 100
) -> AsyncIterator[Sequence[AppProcess]]:
    """``python app.py`` several times, whose parts all run on the one offline server at ``url``."""
    env = {
        **provided_by(url, key),
        "DATABASE_URL": database.url,
        "MAX_SESSIONS": str(max_sessions),
        "MAX_SESSIONS_PER_VISITOR": str(max_sessions),
    }
    async with AsyncExitStack() as stack:
        # each is started right after its port was found to be free
        yield [await stack.enter_async_context(AppProcess(["app.py", "--port"], env)) for _ in range(count)]


@contextmanager
def nginx(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """``127.0.0.1:<port>``, behind which are the instances on these ports of 127.0.0.1."""
    port = free_port()
    site = CONFIGURATION.read_text(encoding="utf-8").replace("listen 80;", f"listen 127.0.0.1:{port};")
    for name, instance in zip(NAMES, ports, strict=True):
        site = site.replace(f"server {name}:7860 ", f"server 127.0.0.1:{instance} ")
    kept = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = folder / "nginx.conf"
    head = f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}"
    whole.write_text(f"{head}\nhttp {{ access_log off; {kept}\n{site}\n}}", encoding="utf-8")
    process = subprocess.Popen([NGINX, "-p", folder, "-c", whole])
    try:
        deadline = time.monotonic() + START_S
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/health", timeout=5.0)
    except httpx.TransportError:
        return False
    return True
