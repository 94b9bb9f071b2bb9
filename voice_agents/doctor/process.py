"""The app in a process of its own on a free port, as a user starts it, and the figures it tells of itself."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import httpx

from voice_agents.address import free_address, is_free
from voice_agents.doctor.machine import ROOT
from voice_agents.errors import VoiceAgentError

START_WITHIN_S = 90.0
STOP_WITHIN_S = 15.0
LOOK_EVERY_S = 0.1
PORTS_TRIED = 3
"""A port that was free may be taken by the time the app listens there."""
DYING_S = 1.0
"""A connection that broke because the program ended is noticed before its end is."""
TOLD_LENGTH = 600
UNLIMITED = {
    "MAX_SESSIONS": "20",
    "MAX_SESSIONS_PER_VISITOR": "20",
    "SESSION_TIME_LIMIT": "3600",
    "DAILY_MINUTES_PER_VISITOR": "0",
    "TRANSPORT": "auto",
    "GRADIO_SHARE": "",
}
"""What limits visitors is not for these calls, and nobody else is to be let in."""
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
        self.url = ""
        self.http = httpx.AsyncClient(timeout=10.0, trust_env=False)
        self.started_s = 0.0
        self._process: asyncio.subprocess.Process | None = None
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the context is left

    async def start(self) -> Self:
        """Until its page takes the password; what was begun has to be ended with :meth:`end` in any case."""
        began = asyncio.get_running_loop().time()
        for left in reversed(range(PORTS_TRIED)):
            port = free_address("127.0.0.1", 0, {}).port
            await self._begin(port)
            try:
                await self._come_up()
                break
            except VoiceAgentError:
                if not left or not self._ended or is_free("127.0.0.1", port):
                    raise
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

    async def why_lost(self, error: Exception) -> str:
        """A sentence on an app that does not answer any more: what became of it, and what to do. ``error``: as seen."""
        process = self._process
        if process is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(DYING_S):
                    await process.wait()
        if self._ended:
            return f"The app ended while it was used: {self._last_words()}"
        seen = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        return (
            f"The app runs, but did not do what it was asked ({seen}). It wrote: {self.said() or 'nothing'} "
            "Examine again when this machine has time; if it stays so, look at what python app.py writes."
        )

    def said(self) -> str:
        """The end of what the app wrote, as one line: of a traceback what it says at its end."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip() and not line.startswith((" ", "Traceback", "\t"))]
        return " ".join(told)[-TOLD_LENGTH:]

    @property
    def _ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    def _last_words(self) -> str:
        """What an app that has ended said, with how it ended, and what to do."""
        assert self._process is not None
        code = self._process.returncode or 0
        if code == -getattr(signal, "SIGKILL", 9):
            return (
                "the system ended it (SIGKILL), as it does when memory is short: close other programs, or give this "
                "machine or container more memory."
            )
        return f"{self.said() or 'it wrote nothing'} (exit code {code}). Start python app.py to see all of it."

    async def _begin(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.http.base_url = self.url
        self._said.seek(0)
        self._said.truncate()
        env = {
            **os.environ,
            **UNLIMITED,
            "APP_PASSWORD": self.password,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "GRADIO_ROOT_PATH": "",
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(str(ROOT / "app.py"), "--host", "127.0.0.1", "--port", str(port)),
            env=env,
            stdout=self._said,
            stderr=self._said,
        )

    async def _come_up(self) -> None:
        try:
            async with asyncio.timeout(START_WITHIN_S):
                while (login := await self._login()) is None:
                    if self._ended:
                        raise VoiceAgentError(f"The app ended instead of serving: {self._last_words()}")
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            raise VoiceAgentError(
                f"The app did not serve within {START_WITHIN_S:.0f} s: {self.said() or 'it wrote nothing.'} "
                "Examine again when this machine has time."
            ) from None
        if not login.is_success:
            raise VoiceAgentError(f"The page does not take APP_PASSWORD (status {login.status_code}).")

    async def _login(self) -> httpx.Response | None:
        """What the page makes of the password; None as long as it does not answer, as on a busy machine."""
        with suppress(httpx.HTTPError):
            if (await self.http.get("/health")).status_code in (200, 503):
                return await self.http.post("/login", data={"username": "user", "password": self.password})
        return None
