"""The log of a server whose callers hang up in every way there is holds nothing nobody can act on."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.transports.page_server import Served, serve_page
from tests.transports.rtc_client import RtcCaller
from tests.transports.test_aiortc import controls, until
from voice_agents.conversation.model import Conversation
from voice_agents.transports.live import Ending, Limits

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of gradio 5 about gradio 6


class Abrupt(RtcCaller):
    """What a test does to the connection."""

    async def cut(self) -> None:
        """The transport goes, the page stays."""
        for transceiver in self._peer.getTransceivers():
            await transceiver.sender.transport.stop()

    async def close(self) -> None:
        """Hung up before anything else."""
        await self._peer.close()


async def hang_up(page: Served, caller: Abrupt, how: str) -> None:
    if how == "while connecting":
        return await caller.close()
    await until(lambda: page.sessions and page.sessions[-1].heard_samples > 1_000)
    match how:
        case "vanishes":
            await caller.vanish()
        case "transport cut":
            await caller.cut()
        case "time is over":
            await next(iter(page.registry._live.values())).end(Ending.TIME_LIMIT)
            await caller.told("end_stream")
    return None


WAYS = ["closes", "vanishes", "transport cut", "time is over", "while connecting"]


@pytest.mark.parametrize("how", WAYS)
async def test_a_call_that_ends_leaves_no_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    caplog.set_level(logging.WARNING)
    async with serve_page(Limits(no_sound_s=0.5)) as page:
        async with Abrupt(page.url, "sandwich-mic", controls(Conversation())) as caller:
            await hang_up(page, caller, how)
            if how != "while connecting":
                await until(lambda: how == "closes" or len(page.registry) == 0)
        await until(lambda: len(page.registry) == 0)
        await asyncio.sleep(0.3)  # whatever still ends behind it
    assert [record.getMessage() for record in caplog.records] == []
    said = capfd.readouterr()
    assert "content_type" not in said.out and "Traceback" not in said.out + said.err


async def test_the_place_that_is_not_there_is_told_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    first, other = Conversation(), Conversation()
    async with (
        serve_page(max_sessions=2, per_visitor=1) as page,
        Abrupt(page.url, "sandwich-mic", controls(first)),
    ):
        await until(lambda: len(page.registry) == 1)
        async with Abrupt(page.url, "sandwich-mic", controls(Conversation(other.id, first.owner))) as second:
            await second.told("end_stream")
            await asyncio.sleep(0.2)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
