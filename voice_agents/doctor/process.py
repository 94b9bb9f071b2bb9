"""The app in a process of its own on a free port, as a user starts it, and the figures it tells of itself."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import httpx

from voice_agents.address import free_address
from voice_agents.doctor.machine import ROOT
from voice_agents.errors import VoiceAgentError

START_WITHIN_S = 90.0
STOP_WITHIN_S = 15.0
LOOK_EVERY_S = 0.1
UNLIMITED = {
    "MAX_SESSIONS": "20",
    "MAX_SESSIONS_PER_VISITOR": "20",
    "SESSION_TIME_LIMIT": "3600",
    "DAILY_MINUTES_PER_VISITOR": "0",
    "TRANSPORT": "auto",
}
"""What limits visitors is not for these calls."""
_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class ScrapedFigures:
    """One page of ``GET /metrics``."""

    def __init__(self, text: str) -> None:
        self._samples: list[tuple[str, Mapping[str, str], float]] = []
        for row in text.splitlines():
            if match := _SAMPLE.match(row):
                self._samples.append(
                    (match["name"], dict(_LABEL.findall(match["labels"] or "")), float(match["value"]))
                )

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name with these labels."""
        return sum(
            value
            for found, has, value in self._samples
            if found == name and all(has.get(label) == wanted for label, wanted in labels.items())
        )


class AppProcess:
    """``python app.py`` with a fresh database and password; whoever holds ``password`` may use it.

    :meth:`start` raises VoiceAgentError, with what the app said, when it does not come up.
    """

    def __init__(self, folder: Path) -> None:
        self.password = secrets.token_urlsafe(16)
        self.database = folder / "conversations.sqlite3"
        self._address = free_address("127.0.0.1", 0, {})
        self.url = f"http://127.0.0.1:{self._address.port}"
        self.http = httpx.AsyncClient(base_url=self.url, timeout=10.0, trust_env=False)
        self.started_s = 0.0
        self._process: asyncio.subprocess.Process | None = None
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the context is left

    async def start(self) -> Self:
        """Until its page takes the password; what was begun has to be ended with :meth:`end` in any case."""
        began = asyncio.get_running_loop().time()
        env = {
            **os.environ,
            **UNLIMITED,
            "APP_PASSWORD": self.password,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "GRADIO_ROOT_PATH": "",
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(str(ROOT / "app.py"), "--host", "127.0.0.1", "--port", str(self._address.port)),
            env=env,
            stdout=self._said,
            stderr=self._said,
        )
        await self._come_up()
        self.started_s = asyncio.get_running_loop().time() - began
        return self

    async def end(self) -> None:
        """As a user ends it: SIGTERM first."""
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await self.http.aclose()
        self._said.close()

    async def figures(self) -> ScrapedFigures:
        """What the app tells of itself now."""
        answer = await self.http.get("/metrics", auth=("user", self.password))
        return ScrapedFigures(answer.raise_for_status().text)

    async def until(self, true: Callable[[ScrapedFigures], bool], within_s: float) -> ScrapedFigures:
        """The figures as soon as this is true of them. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while True:
                if true(figures := await self.figures()):
                    return figures
                await asyncio.sleep(LOOK_EVERY_S)

    def said(self) -> str:
        """The end of what the app wrote."""
        self._said.seek(0)
        return self._said.read()[-800:].decode(errors="replace").strip()

    async def _come_up(self) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(START_WITHIN_S):
                while not await self._serves():
                    if self._process.returncode is not None:
                        raise VoiceAgentError(f"The app ended instead of serving: {self.said()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise VoiceAgentError(f"The app did not serve within {START_WITHIN_S:.0f} s: {self.said()}") from None
        login = await self.http.post("/login", data={"username": "user", "password": self.password})
        if not login.is_success:
            raise VoiceAgentError(f"The page does not take APP_PASSWORD (status {login.status_code}).")

    async def _serves(self) -> bool:
        with suppress(httpx.TransportError):
            return (await self.http.get("/health")).status_code in (200, 503)
        return False
