"""What a user notices when this program, its disk or a closing connection fails: never silence."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import BaseMessage, HumanMessage

from tests.stories.caller import Caller, StoryParts, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, FakeModel, FakeStt, FakeVoice, Step
from tests.stories.realtime.caller import RealtimeCaller, ring
from tests.stories.realtime.items import Habits, Item
from tests.stories.realtime.items import Step as RealtimeStep
from tests.stories.realtime.scripts import LONG
from tests.stories.realtime.scripts import echo as realtime_echo
from tests.stories.realtime.scripts import long_answer as long_story
from tests.stories.sessions import sandwich_session
from voice_agents.conversation import question, sqlite
from voice_agents.conversation.history import Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.engines.server_answer import ServerAnswer
from voice_agents.errors import InternalError, StorageFailed
from voice_agents.events import AgentAudio, AgentText, Failed, Interrupted, Notice, SpeechEnded, Status, StatusChanged
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState
from voice_agents.session.events_out import Troubles
from voice_agents.session.voice_session import VoiceSession
from voice_agents.settings import TurnSettings
from voice_agents.turns.endpointing import Endpointer
from voice_agents.turns.playout import Playout
from voice_agents.turns.server_floor import ServerFloor
from voice_agents.turns.vad import VoiceActivity
from voice_agents.turns.words_floor import WordsFloor


def echo(messages: list[BaseMessage]) -> Sequence[Step]:
    users = [message for message in messages if isinstance(message, HumanMessage)]
    return [f"That was number {len(users)}."]


def long_answer(_messages: list[BaseMessage]) -> Sequence[Step]:
    return [LONG]


class Bug(Exception):
    """A mistake in this program."""


def bug(*_args: object, **_kwargs: object) -> None:
    raise Bug


def listener_of(caller: Caller | RealtimeCaller) -> ConnectionListener:
    """Whom a client of this call tells how it stands with its provider."""
    if isinstance(caller, Caller):
        return caller.stt.on_connection
    return caller.server._on_connection


@contextmanager
def database_held(folder: Path) -> Iterator[None]:
    """Another program is writing to the database."""
    with closing(sqlite3.connect(folder / "conversations.sqlite3", isolation_level=None)) as program:
        program.execute("BEGIN IMMEDIATE")
        yield
        program.execute("ROLLBACK")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is held by somebody else is given up at once."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_turn_that_cannot_be_stored_is_told_known_and_stored_with_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo) as caller:
            with database_held(tmp_path):
                caller.session.send_text("hello")
                await turn_done(caller, 1)
                [failed] = caller.all(Failed)
                assert isinstance(failed.error, StorageFailed) and "locked" in str(failed.error)
            caller.session.send_text("hello again")
            assert (await turn_done(caller, 2)).heard_text == "That was number 2."
            said = [text for role, text in await caller.texts() if role is Speaker.USER]
            assert said == ["hello", "hello again"]

    play(story())


@pytest.mark.usefixtures("impatient")
def test_a_realtime_turn_that_cannot_be_stored_is_told_and_stored_with_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, realtime_echo) as caller:
            with database_held(tmp_path):
                caller.session.send_text("hello")
                await turn_done(caller, 1)
                [failed] = caller.all(Failed)
                assert isinstance(failed.error, StorageFailed)
            caller.session.send_text("hello again")
            await turn_done(caller, 2)
            said = [text for role, text in await caller.texts() if role is Speaker.USER]
            assert said == ["hello", "hello again"]

    play(story())


@pytest.mark.parametrize("broken", [(VoiceActivity, "feed"), (Playout, "wake_at")])
@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
def test_a_session_that_breaks_says_so_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, broken: tuple[type, str]
) -> None:
    async def story() -> None:
        calling = call(tmp_path, echo, ["hello"]) if engine == "sandwich" else ring(tmp_path, realtime_echo, ["hello"])
        async with calling as caller:
            await asyncio.sleep(0.5)
            monkeypatch.setattr(*broken, bug)
            caller.session.send_text("hello")
            failed = await caller.until(Failed)
            assert "start the call again" in str(failed.error)
            async with asyncio.timeout(1.0):
                assert [event async for event in caller.session] == [], "no further event"
            assert caller.all(StatusChanged)[-1].status is Status.ERROR

    play(story())


def test_a_realtime_session_that_cannot_follow_its_server_says_so_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with ring(tmp_path, realtime_echo) as caller:
            monkeypatch.setattr(ServerAnswer, "response_started", bug)
            caller.session.send_text("hello")
            assert "start the call again" in str((await caller.until(Failed)).error)

    play(story())


def test_a_mistake_of_ours_is_not_told_as_the_providers_and_can_be_found_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with call(tmp_path, echo) as caller:
            with monkeypatch.context() as patch:
                patch.setattr(question, "recent", bug)
                caller.session.send_text("hello")
                await turn_done(caller, 1)
            [failed] = caller.all(Failed)
            assert isinstance(failed.error, InternalError) and "this program" in str(failed.error)
            caller.session.send_text("hello again")
            assert (await turn_done(caller, 2)).heard_text == "That was number 2."

    play(story())
    assert any(record.exc_info and record.exc_info[0] is Bug for record in caplog.records)


def test_a_timer_that_was_not_heard_speaks_up_again(tmp_path: Path) -> None:
    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        if messages[-1].type == "human" and messages[-1].text.startswith("set"):
            return [Call("set_timer", '{"seconds": 10, "label": "tea"}')]
        return ["Fine."]

    async def story() -> None:
        async with call(tmp_path, script, ["what time is it"]) as caller:
            caller.session.send_text("set a timer")
            await turn_done(caller, 1)
            caller.voice.first_audio_s = 1.0
            await caller.until(AgentText, 2)
            caller.say(0)
            await caller.until(Interrupted)
            assert (await turn_done(caller, 2)).heard_text == ""
            assert (await turn_done(caller, 3)).heard_text == "Fine."
            assert (await turn_done(caller, 4)).heard_text == "Your timer for tea is done."
            await asyncio.sleep(20.0)
            assert [text for role, text in await caller.texts() if role is Speaker.AGENT].count(
                "Your timer for tea is done."
            ) == 1

    play(story())


@pytest.mark.parametrize("spoken", [False, True])
def test_leaving_takes_well_under_a_second_when_nothing_answers_any_more(tmp_path: Path, spoken: bool) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        async with call(tmp_path, echo, ["hello"]) as caller:
            caller.stt.commit_delay_s = 60.0
            caller.stt.closing_s = caller.voice.closing_s = 0.4
            if spoken:
                caller.say(0)
                await caller.until(SpeechEnded)
            left_at = loop.time()
        assert loop.time() - left_at < 0.75

    play(story())


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
@pytest.mark.parametrize("moment", ["the floor's alarm", "a timer", "a connection", "a partial"])
def test_a_callback_that_fails_breaks_the_session_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, moment: str
) -> None:
    if (engine, moment) == ("realtime", "a partial"):
        return  # comes as an event, in the task that follows the server

    async def story() -> None:
        loop = asyncio.get_running_loop()
        words = ["tell me a story", ""]
        calling = call(tmp_path, long_answer, words) if engine == "sandwich" else ring(tmp_path, long_story, words)
        async with calling as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(1.0)
            match moment:
                case "the floor's alarm":
                    for floor in (WordsFloor, ServerFloor):
                        monkeypatch.setattr(floor, "advance", bug)
                    if isinstance(caller, Caller):
                        caller.say(1, 0.3)
                    else:
                        caller.cough()
                case "a timer":
                    monkeypatch.setattr(VoiceSession, "_announce", bug)
                    loop.call_soon(caller.session.timers._on_fire, "Your timer is done.")
                case "a connection":
                    monkeypatch.setattr(Troubles, "connection", bug)
                    listener = listener_of(caller)
                    loop.call_soon(listener, ConnectionState.RECONNECTING, None)
                case "a partial":
                    monkeypatch.setattr(Endpointer, "partial", bug)
                    caller.say(0)
            failed = await caller.until(Failed, within_s=3.0)
            assert "start the call again" in str(failed.error)
            async with asyncio.timeout(1.0):
                assert [event async for event in caller.session] == []
            assert caller.all(StatusChanged)[-1].status is Status.ERROR

    play(story())


@pytest.mark.parametrize("how", ["voice", "typing"])
def test_a_realtime_announcement_that_was_not_heard_is_made_again(tmp_path: Path, how: str) -> None:
    def script(items: Sequence[Item]) -> Sequence[RealtimeStep]:
        if "timer has fired" in items[-1].text:
            return ["Your tea is ready."]
        if items[-1].kind == "output":
            return ["It is set."]
        return ["Fine."] if any(item.kind == "output" for item in items) else [Call("set_timer", '{"seconds": 10}')]

    async def story() -> None:
        async with ring(tmp_path, script, ["what time is it"], habits=Habits(first_audio_s=0.8)) as caller:
            caller.session.send_text("set a timer")
            await turn_done(caller, 1)
            before = len(caller.statuses())
            while Status.THINKING not in caller.statuses()[before:]:
                await caller.news()
            if how == "voice":
                caller.say(0)
            else:
                caller.session.send_text("what time is it")
            await caller.until(Interrupted)
            await asyncio.sleep(20.0)
            said = [text for role, text in await caller.texts() if role is Speaker.AGENT]
            assert said == ["It is set.", "Fine.", "Your tea is ready."]

    play(story())


def test_a_realtime_announcement_the_server_cannot_make_is_shown(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, realtime_echo) as caller:
            await asyncio.sleep(0.5)
            caller.server.failing.append("overloaded")
            caller.session._on_timer("Your tea is ready.")
            await caller.until(Failed)
            assert (await caller.until(Notice)).text == "Your tea is ready."

    play(story())


@pytest.mark.parametrize("typed", [True, False])
def test_speech_is_connected_to_when_there_is_something_to_hear_or_to_say(tmp_path: Path, typed: bool) -> None:
    async def story() -> None:
        entered: list[str] = []

        def watch(kind: type) -> None:
            enter = kind.__aenter__

            async def counted(self: object) -> object:
                entered.append(kind.__name__)
                return await enter(self)

            patch.setattr(kind, "__aenter__", counted)

        async with open_store(tmp_path / "conversations.sqlite3") as store:
            with pytest.MonkeyPatch.context() as patch:
                watch(FakeStt)
                watch(FakeVoice)
                parts = StoryParts(store, FakeModel(echo), ["hello there"])
                async with sandwich_session(parts, Conversation(), TurnSettings()) as session:
                    caller = Caller(session, parts)
                    listening = asyncio.create_task(caller.listen())
                    session.set_speaking(not typed)
                    if typed:
                        session.send_text("hello")
                        assert (await turn_done(caller)).heard_text
                        assert entered == []
                        assert [event.status for event in caller.all(StatusChanged)][-1] is Status.LISTENING
                        session.push_audio(np.zeros(320, dtype=np.int16))
                    await asyncio.sleep(0.1)
                    assert sorted(entered) == ["FakeStt", "FakeVoice"]
                    session.push_audio(np.zeros(320, dtype=np.int16))
                    session.set_speaking(True)
                    await asyncio.sleep(0.1)
                    assert len(entered) == 2
                await listening

    play(story())
