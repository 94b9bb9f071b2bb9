"""A Realtime server says much at once, as after a stall of the network: the user's last turn is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.providers.other_server import WAIT_S
from tests.providers.realtime.caller import endpoint
from tests.providers.realtime.other_server import OtherRealtime, RealtimeSocket, Script, tone
from voice_agents.engines.engine import RealtimeEngine
from voice_agents.events import AgentAudio, Event, SpeechStarted, TurnDone
from voice_agents.session.voice_session import VoiceSession
from voice_agents.settings import Settings

TENTH = np.zeros(2_400, dtype=np.int16)
"""Of a second of what the user says; the server is scripted and hears speech in it, our own detector does not."""

Until = Callable[[Callable[[Event], bool]], Awaitable[None]]


async def takes_the_turn(socket: RealtimeSocket) -> None:
    await socket.done("resp_1", "cancelled")
    await socket.send("input_audio_buffer.speech_stopped", item_id="item_u", audio_end_ms=100)
    await socket.committed("item_u")
    await socket.words("item_u", "and now?")
    await socket.answer("resp_2", "Sure.", item="item_b")
    await socket.until_gone()


async def interrupted(socket: RealtimeSocket) -> None:
    await socket.greet()
    await socket.until("response.create")
    await socket.begin("resp_1")
    await socket.say("resp_1", "Once upon a time", tone(5.0))
    await socket.hear(len(TENTH))
    await socket.send("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=0)
    await takes_the_turn(socket)


async def typed_to_while_it_hears_the_user(socket: RealtimeSocket) -> None:
    await socket.greet()
    await socket.hear(len(TENTH))
    await socket.send("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=0)
    await socket.until("response.create")
    await socket.begin("resp_1")
    await takes_the_turn(socket)


async def test_who_interrupts_an_answer_that_is_still_coming_is_answered(tmp_path: Path) -> None:
    async with talking(tmp_path, interrupted) as (session, until):
        session.send_text("Tell me a story.")
        await until(lambda event: isinstance(event, AgentAudio))
        session.push_audio(TENTH)
        await until(lambda event: isinstance(event, TurnDone) and event.turn == 2 and event.heard_text == "Sure.")


async def test_who_types_while_speaking_is_answered(tmp_path: Path) -> None:
    async with talking(tmp_path, typed_to_while_it_hears_the_user) as (session, until):
        session.push_audio(TENTH)
        await until(lambda event: isinstance(event, SpeechStarted))
        session.send_text("hello")
        await until(lambda event: isinstance(event, TurnDone) and event.heard_text == "Sure.")


@asynccontextmanager
async def talking(folder: Path, script: Script) -> AsyncIterator[tuple[VoiceSession, Until]]:
    """A session with a scripted server, and a way to wait for what it tells."""
    async with OtherRealtime(script) as server:
        settings = replace(
            Settings.from_env({}, None), realtime=endpoint(server.url), database=folder / "conversations.sqlite3"
        )
        async with RealtimeEngine(settings) as engine, engine.session() as session:
            events = aiter(session)

            async def until(wanted: Callable[[Event], bool]) -> None:
                async with asyncio.timeout(WAIT_S):
                    while not wanted(await anext(events)):
                        pass

            yield session, until
