"""What is attacked: the real ``app.py``, once without and once with a password, and the offline server they use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.attacks import routes
from tests.attacks.wire import Wire
from tests.forked import Process as StartedProcess
from tests.forked import start_python

ROOT = Path(__file__).parents[2]
START_S = 120.0
STOP_S = 20.0
PASSWORD = "a-password-nobody-guesses"
HF_TOKEN = "hf_aTokenThatNobodyMaySee"
PROVIDERS = ("AZURE_", "OPENAI_", "ELEVENLABS_", "GRADIO_", "HF_", "SPACE_", "APP_", "ALLOWED_", "MAX_", "SESSION_")


class Process:
    """A Python program of this project in a process of its own, in an empty folder, so that no ``.env`` is read.

    ``forked``: without the seconds of its imports, see :mod:`tests.forked`.
    """

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], folder: Path, *, forked: bool = False) -> None:
        self._arguments = arguments
        self._forked = forked
        own = {name: value for name, value in os.environ.items() if not name.startswith(PROVIDERS)}
        self._env = {**own, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **env}
        self._folder = folder
        self._reading: asyncio.Task[None] | None = None
        self._process: StartedProcess
        self._complained = bytearray()
        self.said: list[str] = []
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._process = await start_python(
            self._arguments, self._env, piped=True, forked=self._forked, folder=self._folder
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.returncode is None

    async def finds(self, pattern: str) -> str:
        """The first group of this pattern in what it prints. Raises RuntimeError when it ends without."""
        async with asyncio.timeout(START_S), self._news:
            while True:
                if found := re.search(pattern, "\n".join(self.said)):
                    return found[1]
                if self._reading is None or self._reading.done():
                    raise RuntimeError(f"it ended instead of serving: {self.complaints[-600:]}")
                await self._news.wait()

    @property
    def complaints(self) -> str:
        """What it wrote to standard error so far."""
        return self._complained.decode(errors="replace")

    async def _read(self) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen())
            both.create_task(self._hear_complaints())

    async def _hear_complaints(self) -> None:
        assert self._process.stderr is not None
        while some := await self._process.stderr.read(65_536):
            self._complained += some

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            async with self._news:
                self.said.append(line.decode(errors="replace").rstrip())
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds; zeros where there is no ``/proc``."""

    descriptors: int
    threads: int
    memory_mb: float


def usage(pid: int) -> Usage:
    """What it holds now."""
    process = Path(f"/proc/{pid}")
    if not process.exists():
        return Usage(0, 0, 0.0)
    memory = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
    count = [sum(1 for _ in (process / folder).iterdir()) for folder in ("fd", "task")]
    return Usage(count[0], count[1], int(memory[1]) / 1024 if memory else 0.0)


class Clock:
    """How long something took of a program, less the time it stood in line for a processor: that is the machine's."""

    def __init__(self, pid: int) -> None:
        self._pids = (pid, os.getpid())
        self._began = time.monotonic()
        self._in_line = [_in_line_s(each) for each in self._pids]

    @property
    def passed_s(self) -> float:
        """Since it was made."""
        waits = (
            max((now - before.get(thread, now) for thread, now in _in_line_s(pid).items()), default=0.0)
            for pid, before in zip(self._pids, self._in_line, strict=True)
        )
        return max(0.0, time.monotonic() - self._began - sum(waits))


def _in_line_s(pid: int) -> dict[str, float]:
    """How long each thread of a process has been ready to run and did not; nothing where the system does not tell."""
    found = {}
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it has just ended
                found[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
    return found


@dataclass(slots=True)
class Server:
    """One running program and its address."""

    process: Process
    wire: Wire
    key: str = ""
    """Of the offline server."""
    database: Path = Path()
    config: Any = None
    """Of the page: gradio's components and events."""

    async def traces(self) -> tuple[int, int]:
        """What attacks would leave behind: places in use, rows of the database."""
        health = (await self.wire.ask("GET", "/health")).json()
        return health.get("sessions", {}).get("in_use", 0), self.rows()

    def rows(self) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return sum(int(database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]) for table in tables)


@dataclass(slots=True)
class Targets:
    """The house under attack."""

    app: Server
    locked: Server
    offline: Server
    folder: Path
    short: bool
    canary: str
    """Stands in a file nobody may read."""
    before: Usage | None = None
    """What the app held before the offers stormed."""

    @property
    def temporary(self) -> Path:
        """Where gradio would put what is uploaded."""
        return self.folder / "gradio"

    @property
    def servers(self) -> list[Server]:
        return [self.app, self.locked, self.offline]


@contextlib.asynccontextmanager
async def providers_of_our_own(
    folder: Path, *, forked: bool = False
) -> AsyncIterator[tuple[Process, str, str, dict[str, str]]]:
    """The offline server as a process, its address, its key, and what makes an app use it as its providers."""
    async with Process(["-m", "voice_agents.offline", "--port", "0"], {}, folder, forked=forked) as process:
        address, key = await process.finds(r"^(http://\S+)"), await process.finds(r"OPENAI_API_KEY=(\S+)")
        env = {
            "ELEVENLABS_API_KEY": key,
            "ELEVENLABS_BASE_URL": address,
            "OPENAI_API_KEY": key,
            "OPENAI_BASE_URL": f"{address}/v1",
            "OPENAI_MODEL": "offline",
            "OPENAI_REALTIME_MODEL": "offline",
        }
        yield process, address, key, env


@contextlib.asynccontextmanager
async def targets(folder: Path, short: bool) -> AsyncIterator[Targets]:
    """Everything started, and ended afterwards. The providers' keys are real here: the offline server takes them."""
    async with contextlib.AsyncExitStack() as stack:
        offline_process, address, key, providers = await stack.enter_async_context(
            providers_of_our_own(folder, forked=short)
        )
        canary = secrets.token_hex(16)
        secret = [key, PASSWORD, HF_TOKEN, canary]
        providers["GRADIO_TEMP_DIR"] = str(folder / "gradio")
        providers["FAILOVER"] = "off"  # else each app starts an offline server of its own beside the one attacked here
        reading = asyncio.create_task(asyncio.to_thread(routes.of_the_app))  # takes as long as a start
        started = [
            await stack.enter_async_context(
                Process(
                    [str(ROOT / "app.py"), "--port", "0"],
                    {**providers, "DATABASE_URL": f"sqlite:///{folder / name}", **env},
                    folder,
                    forked=short,
                )
            )
            for name, env in (("open.sqlite3", {}), ("locked.sqlite3", {"APP_PASSWORD": PASSWORD}))
        ]
        app, locked = [Server(process, await _wire(process, secret)) for process in started]
        app.database, locked.database = folder / "open.sqlite3", folder / "locked.sqlite3"
        host, _, port = address.removeprefix("http://").rpartition(":")
        offline = Server(offline_process, Wire(host, int(port), secret), key)
        app.config = (await app.wire.ask("GET", "/config")).json()
        await reading
        yield Targets(app, locked, offline, folder, short, canary)


async def _wire(process: Process, secret: Sequence[str]) -> Wire:
    host, _, port = (await process.finds(r"http://([^/\s]+)")).rpartition(":")
    return Wire(host, int(port), secret)
