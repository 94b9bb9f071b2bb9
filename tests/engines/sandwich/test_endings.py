"""Conversations that are killed at any moment leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.live import WAIT_S, Footprint, Live, engine_at, live, remembered, services, shrinks_to
from voice_agents.conversation.model import Conversation
from voice_agents.engines.engine import SandwichEngine, SandwichTimeouts
from voice_agents.events import AgentAudio, AgentText, Status, TurnDone
from voice_agents.offline.faults import ALWAYS, Fault, FaultKind, Service
from voice_agents.offline.server import OfflineServer
from voice_agents.settings import Settings

CONVERSATIONS = 20
ROUNDS = 5
"""A cache is filled in one of them, or two; what leaks grows in each."""
GROWTH_MAX_BYTES = 10_000
"""Memory one conversation may cost for good; a session holds far more while it lives."""


@pytest.fixture
async def server() -> AsyncIterator[OfflineServer]:
    async with OfflineServer(services=services()) as server:
        yield server


async def at_once(_somebody: Live) -> None:
    pass


async def listening(somebody: Live) -> None:
    await somebody.until(lambda: somebody.was(Status.LISTENING))


async def while_speaking(somebody: Live) -> None:
    somebody.say()
    await somebody.until(lambda: somebody.was(Status.HEARING))


async def while_thinking(somebody: Live) -> None:
    somebody.session.send_text("hello")


async def in_the_first_words(somebody: Live) -> None:
    somebody.session.send_text("hello")
    await somebody.until(lambda: bool(somebody.all(AgentText)))


async def in_the_middle_of_the_answer(somebody: Live) -> None:
    somebody.say()
    await somebody.until(lambda: bool(somebody.all(AgentAudio)))


async def after_a_turn(somebody: Live) -> None:
    await somebody.turn()


MOMENTS = (
    at_once,
    listening,
    while_speaking,
    while_thinking,
    in_the_first_words,
    in_the_middle_of_the_answer,
    after_a_turn,
)


async def killed(engine: SandwichEngine, number: int) -> None:
    """A conversation that ends in one of the moments, by leaving, by a failure, or cancelled from outside."""
    reached = asyncio.Event()

    async def converse() -> None:
        async with live(engine) as somebody:
            await MOMENTS[number % len(MOMENTS)](somebody)
            reached.set()
            if number % 3 == 1:
                raise ConnectionResetError("the page is gone")
            if number % 3 == 2:
                await asyncio.Event().wait()

    task = asyncio.create_task(converse())
    async with asyncio.timeout(WAIT_S):
        await reached.wait()
        if number % 3 == 2:
            task.cancel()
        await asyncio.wait([task])
    assert task.cancelled() == (number % 3 == 2)
    assert task.cancelled() or isinstance(task.exception(), ConnectionResetError | None)


async def test_twenty_conversations_opened_and_killed_leave_nothing_behind(
    server: OfflineServer, tmp_path: Path
) -> None:
    async with engine_at(Settings().with_offline(server.url), tmp_path, SandwichTimeouts()) as engine:
        before = Footprint.now(server)
        tracemalloc.start()
        try:
            left = []
            for _ in range(ROUNDS):
                for number in range(CONVERSATIONS):
                    await killed(engine, number)
                await shrinks_to(server, before)
                gc.collect()
                left.append(tracemalloc.get_traced_memory()[0])
                if len(left) > 1 and left[-1] - left[-2] < CONVERSATIONS * GROWTH_MAX_BYTES:
                    break
            else:
                pytest.fail(f"it grows and grows: {left}")
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("service", [Service.STT, Service.CHAT, Service.TTS])
async def test_a_stalled_provider_holds_nobody_up_who_leaves(
    server: OfflineServer, tmp_path: Path, service: Service
) -> None:
    """With the real, patient timeouts: leaving does not wait for any of them."""
    server.services.faults.add(Fault(service, FaultKind.STALL, after=1, times=ALWAYS))
    async with engine_at(Settings().with_offline(server.url), tmp_path, SandwichTimeouts()) as engine:
        before = Footprint.now(server)
        async with live(engine) as somebody:
            somebody.say()
            await somebody.until(lambda: somebody.was(Status.THINKING))
        await shrinks_to(server, before)


async def test_what_was_finished_before_the_end_is_remembered(server: OfflineServer, tmp_path: Path) -> None:
    conversation = Conversation()
    async with engine_at(Settings().with_offline(server.url), tmp_path) as engine:
        for turns in range(1, 4):
            with pytest.raises(ConnectionResetError):
                async with live(engine, conversation) as somebody:
                    done = await somebody.turn()
                    somebody.session.send_text("this one is cut off")
                    raise ConnectionResetError
            entries = await remembered(engine, conversation)
            assert done.heard_text in [entry.text for entry in entries]
            assert len([entry for entry in entries if entry.text.startswith("This is answer")]) == turns


async def test_two_conversations_at_once_hear_only_their_own(server: OfflineServer, tmp_path: Path) -> None:
    async with (
        engine_at(Settings().with_offline(server.url), tmp_path) as engine,
        live(engine) as one,
        live(engine) as other,
    ):
        await asyncio.gather(one.turn(), other.turn("typed"))
        await one.turn()
        assert [done.heard_text for done in one.all(TurnDone)] == [one.written(1), one.written(2)]
        assert [done.heard_text for done in other.all(TurnDone)] == [other.written(1)]
        assert other.heard(1) == "typed" and "typed" not in one.heard(1) + one.heard(2)
