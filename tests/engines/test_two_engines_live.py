"""Both engines over the real offline server, spoken to: tools, interruption, and one conversation in two engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.caller import RealTimeCaller
from tests.voices import flite, resampled
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.engines.engine import Engine, RealtimeEngine, SandwichEngine
from voice_agents.events import Interrupted, ToolCalled, TurnDone, UserTranscript
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.session.base import Session
from voice_agents.settings import Settings


@dataclass
class Engines:
    """The two engines of an app, on one store."""

    sandwich: SandwichEngine
    realtime: RealtimeEngine

    def of(self, kind: str) -> Engine:
        return self.sandwich if kind == "sandwich" else self.realtime


@pytest.fixture
async def engines(offline_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Engines]:
    settings = Settings(database=tmp_path / "live.sqlite3").with_offline(offline_server.url, offline_server.key)
    sandwich = SandwichEngine(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sandwich)
        realtime = await stack.enter_async_context(RealtimeEngine(settings, store=lambda: sandwich.store))
        yield Engines(sandwich, realtime)


async def ask(session: Session, caller: RealTimeCaller, words: str, turn: int, voice: str = "slt") -> TurnDone:
    """Say something and hear the answer out."""
    await caller.say(resampled(flite(words, voice), session.input_rate))
    return await caller.turn_done(turn)


@pytest.mark.parametrize("kind", ["sandwich", "realtime"])
async def test_a_spoken_question_is_answered_with_a_tool(engines: Engines, kind: str) -> None:
    async with engines.of(kind).session() as session, RealTimeCaller(session) as caller:
        done = await ask(session, caller, "what is twelve times seven", 1, "rms")
        finals = [e.text for e in caller.events if isinstance(e, UserTranscript) and e.final]
        assert finals == ["What is twelve times seven?"]
        assert [e.name for e in caller.events if isinstance(e, ToolCalled)] == ["calculate"]
        assert "eighty" in done.heard_text
        assert caller.failures == []


@pytest.mark.parametrize("kind", ["sandwich", "realtime"])
async def test_words_stop_a_long_answer_and_are_answered(engines: Engines, kind: str) -> None:
    async with engines.of(kind).session() as session, RealTimeCaller(session) as caller:
        await caller.say(resampled(flite("tell me a story"), session.input_rate))
        await caller.sound(1)
        await asyncio.sleep(2.0)  # listen to some of it
        second = await ask(session, caller, "what is seven times eight", 2)
        [cut] = [e for e in caller.events if isinstance(e, Interrupted)]
        entries = await History(engines.sandwich.store).messages(session.conversation)
        said = [entry.text.strip() for entry in entries if entry.role is Speaker.AGENT and entry.text]
        assert said == [cut.heard_text.strip(), second.heard_text.strip()]
        assert "fifty" in second.heard_text


@pytest.mark.parametrize(("first", "second"), [("sandwich", "realtime"), ("realtime", "sandwich")])
async def test_a_conversation_begun_with_one_engine_goes_on_with_the_other(
    engines: Engines, first: str, second: str
) -> None:
    conversation = Conversation()
    async with engines.of(first).session(conversation) as session, RealTimeCaller(session) as caller:
        await ask(session, caller, "my name is robert", 1, "awb")
    async with engines.of(second).session(conversation) as session, RealTimeCaller(session) as caller:
        done = await ask(session, caller, "what's my name", 1, "rms")
    assert "Robert" in done.heard_text
