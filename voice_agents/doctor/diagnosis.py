"""The whole examination, from the interpreter to a call."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from voice_agents.audio import Pcm, first_audible, from_bytes, resample
from voice_agents.conversation.file import check_database
from voice_agents.doctor import machine
from voice_agents.doctor.calls import check_calls
from voice_agents.doctor.findings import Finding, Outcome, Report, failure, variables_in
from voice_agents.doctor.process import AppProcess
from voice_agents.doctor.providers import check_providers
from voice_agents.doctor.script import QUESTION, SPOKEN
from voice_agents.environment import Values
from voice_agents.errors import Role
from voice_agents.providers.elevenlabs.http import stream_speech
from voice_agents.providers.interfaces import STT_RATE, TTS_RATE
from voice_agents.proxies import unusable_ones
from voice_agents.settings import Settings

CALLER = "the caller's voice"
NO_VOICE = (
    "The offline voice does not speak, so nobody can make the calls: it needs the package espeakng-loader "
    "(pip install -r requirements.txt)."
)


class SpeakingServer(Protocol):
    """The part of the embedded offline server that is needed: it speaks for the caller, and fills empty roles."""

    url: str
    key: str


StartOffline = Callable[[], AbstractContextManager[SpeakingServer]]


def examine(report: Report, start_offline: StartOffline, *, host: str | None, port: int | None) -> None:
    """All checks, into the report; what depends on one that failed is left out."""
    settings = _settings(report)
    for name, reason in unusable_ones().items():
        report.add(Finding("proxy", Outcome.WARNING, f"{name} {reason}", variables_in(f"{name} {reason}")))
    report.add(machine.port(host, port))
    if settings is None:
        return
    report.add(machine.tried("database", lambda: _database(settings)))
    report.add(machine.sound())
    asyncio.run(_inside(report, settings, start_offline))


async def _inside(report: Report, settings: Settings, start_offline: StartOffline) -> None:
    """What needs a voice. The app starts beside the offline server: both take seconds, and wait for nothing."""
    async with _app_beside(begin=report.healthy) as starting:
        with ExitStack() as stack:
            try:
                offline = await asyncio.to_thread(stack.enter_context, start_offline())
            except Exception as error:
                report.add(failure("offline server", error, "it did not start"))
                return
            report.secrets = [*report.secrets, offline.key]
            app = await _started(report, starting)
            speech = await _with_sound(report, settings, offline)
        if app is None or not report.healthy:
            report.add(Finding("calls", Outcome.SKIPPED, "they are made when everything above works"))
            return
        with report.row_for("calls", "they could not be judged"):
            await check_calls(report, app, speech)


@asynccontextmanager
async def _app_beside(*, begin: bool) -> AsyncIterator[asyncio.Task[AppProcess] | None]:
    """The app, which is on its way; None where it need not ``begin``."""
    if not begin:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        app = AppProcess(Path(folder))
        starting = asyncio.create_task(app.start())
        try:
            yield starting
        finally:
            starting.cancel()
            await asyncio.wait([starting])
            await app.end()


async def _started(report: Report, starting: asyncio.Task[AppProcess] | None) -> AppProcess | None:
    if starting is None:
        return None
    try:
        app = await starting
    except Exception as error:
        report.add(failure("app", error, "it did not start"))
        return None
    report.add(Finding("app", Outcome.OK, "started inside, and the page takes its password", (), app.started_s))
    return app


def _settings(report: Report) -> Settings | None:
    found: list[Settings] = []

    def check() -> str:
        report.secrets = [*report.secrets, *machine.secrets_of(Values.of(os.environ, Path(".env")).all())]
        found.append(Settings.from_env())
        offline = ", ".join(role.value for role in found[0].missing_roles)
        return f"offline: {offline}" if offline else "all parts have a provider"

    report.add(machine.tried("settings", check))
    return found[0] if found else None


def _database(settings: Settings) -> str:
    check_database(settings.database)
    return "can be read and written"


async def _with_sound(report: Report, settings: Settings, offline: SpeakingServer) -> dict[str, Pcm]:
    """The providers are asked with what the offline voice says; what a caller needs of it."""
    own = Settings().with_offline(offline.url, offline.key)
    speech: dict[str, Pcm] = {}
    try:
        async with asyncio.timeout(60):
            for words in SPOKEN:
                speech[words] = await _spoken(own, words)
        heard = all(first_audible(pcm) is not None for pcm in speech.values())
        report.add(Finding(CALLER, Outcome.OK if heard else Outcome.FAILED, "it speaks" if heard else NO_VOICE))
    except Exception as error:
        heard = False
        report.add(Finding(CALLER, Outcome.FAILED, f"{NO_VOICE} {failure(CALLER, error, 'It failed').says}"))
    filled = settings.with_offline(offline.url, offline.key)
    question = speech.get(QUESTION, np.zeros(0, np.int16)) if heard else np.zeros(0, np.int16)
    with report.row_for("providers"):
        for finding in await check_providers(filled, question, QUESTION):
            report.add(finding)
    return speech


async def _spoken(settings: Settings, words: str) -> Pcm:
    voice = settings.endpoint(Role.TTS)
    data = b"".join([piece async for piece in stream_speech(voice, voice.voice, words)])
    return resample(from_bytes(data[: len(data) // 2 * 2]), TTS_RATE, STT_RATE)
