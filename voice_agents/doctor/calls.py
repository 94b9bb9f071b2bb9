"""The running app is called over WebRTC and over its WebSocket, and looked at for what is left behind."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress

import httpx
from websockets.exceptions import WebSocketException

from voice_agents.audio import Pcm
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.doctor.callers import Caller, over_socket, over_webrtc
from voice_agents.doctor.findings import Finding, Outcome, Report, Score
from voice_agents.doctor.process import AppProcess, ScrapedFigures
from voice_agents.doctor.script import TYPED, ScriptedCall
from voice_agents.doctor.strain import Strain
from voice_agents.errors import VoiceAgentError

BROKEN = (VoiceAgentError, OSError, TimeoutError, httpx.HTTPError, WebSocketException, StopIteration, KeyError)
"""What a call that does not come to be may raise."""
WARM_WITHIN_S = 20.0
SETTLE_WITHIN_S = 15.0
TASKS_MORE, FILES_MORE, MEMORY_MORE_MB = 2, 4, 80.0
"""So much more than before the calls is no leak."""

Call = Callable[[AppProcess, str], AbstractAsyncContextManager[Caller]]
CALLS: Sequence[tuple[str, Call, str]] = (
    ("call over WebRTC, sandwich", over_webrtc, "sandwich"),
    ("call over WebSocket, sandwich", over_socket, "sandwich"),
)


async def check_calls(report: Report, app: AppProcess, speech: dict[str, Pcm]) -> None:
    """Both calls at once, on the app that runs. ``speech``: the caller's phrases by their words, 16 kHz.

    An app that does not answer, or ends, is a row of the report.
    """
    try:
        await _examined(report, app, speech)
    except BROKEN as error:
        report.add(Finding("app in use", Outcome.FAILED, await app.why_lost(error)))


async def _examined(report: Report, app: AppProcess, speech: dict[str, Pcm]) -> None:
    await _warm_up(app)
    before, began = await app.figures(), time.monotonic()
    async with Strain() as strain:
        made = await asyncio.gather(*(_call(app, name, call, engine, speech) for name, call, engine in CALLS))
        after, took_s = await app.figures(), time.monotonic() - began
        leaks = await _leaks(app, before)
    async with open_store(app.database) as store:
        for score, conversation, said in made:
            texts = [e.text for e in await History(store).messages(conversation) if e.role is Speaker.USER]
            score.figures["heard-text error, share of words"] = word_error(said, texts)
            report.add_score(score)
    cpu_s = after.total("process_cpu_seconds_total") - before.total("process_cpu_seconds_total")
    report.add(Finding("CPU", Outcome.OK, f"{cpu_s / took_s:.2f} of a core for both calls"))
    report.add(leaks)
    if strain.sentence:
        report.add(Finding("time for these calls", Outcome.WARNING, strain.sentence))


async def _warm_up(app: AppProcess) -> None:
    """What is loaded at the first call is no leak."""
    await asyncio.gather(*(_hello(app, call, engine) for _, call, engine in CALLS))
    await _settled(app)


async def _hello(app: AppProcess, call: Call, engine: str) -> None:
    with suppress(*BROKEN):  # the call itself will tell
        async with asyncio.timeout(WARM_WITHIN_S), call(app, engine) as caller:
            await caller.type("Hello")
            await caller.heard.sound(0.0, WARM_WITHIN_S)


async def _call(
    app: AppProcess, name: str, call: Call, engine: str, speech: dict[str, Pcm]
) -> tuple[Score, Conversation, list[str]]:
    try:
        async with call(app, engine) as caller:
            scripted = ScriptedCall(app, caller, speech)
            return await scripted.run(name), caller.conversation, scripted.said
    except BROKEN as error:
        says = f"the call did not come to its end: {await app.why_lost(error)}"
        return Score(name, [Finding("connection", Outcome.FAILED, says)]), Conversation(), []


async def _settled(app: AppProcess) -> None:
    """When the calls are over, or it has taken too long."""
    with suppress(TimeoutError):
        await app.until(lambda figures: not figures.total("voice_agents_sessions"), SETTLE_WITHIN_S)


async def _leaks(app: AppProcess, before: ScrapedFigures) -> Finding:
    """What the calls left behind, once they had time to go."""
    end = asyncio.get_running_loop().time() + SETTLE_WITHIN_S
    while True:
        after = await app.figures()
        sessions = after.total("voice_agents_sessions")
        tasks = after.total("voice_agents_tasks") - before.total("voice_agents_tasks")
        files = after.total("process_open_fds") - before.total("process_open_fds")
        clean = not sessions and tasks <= TASKS_MORE and files <= FILES_MORE
        if clean or asyncio.get_running_loop().time() > end:
            break
        await asyncio.sleep(0.5)
    memory = (after.total("process_resident_memory_bytes") - before.total("process_resident_memory_bytes")) / 1e6
    says = f"{sessions:.0f} sessions, {tasks:+.0f} tasks, {files:+.0f} open files, {memory:+.0f} MB after the calls"
    if not clean:
        return Finding("leaks", Outcome.FAILED, says)
    return Finding("leaks", Outcome.OK if memory <= MEMORY_MORE_MB else Outcome.WARNING, says)


def word_error(said: Sequence[str], heard: Sequence[str]) -> float:
    """Words that were heard wrongly, missed or made up, as a share of those said. What was typed does not count."""
    typed = _words([TYPED])
    wanted, got = _words(said), [word for text in heard if _words([text]) != typed for word in _words([text])]
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1] / max(1, len(wanted))


def _words(texts: Sequence[str]) -> list[str]:
    return re.findall(r"[\w']+", " ".join(texts).lower())
