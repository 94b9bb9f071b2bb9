"""What a user notices when this program, its disk or a closing connection fails: never silence."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage, HumanMessage

from tests.stories.caller import call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, Step
from tests.stories.realtime.caller import ring
from tests.stories.realtime.scripts import echo as realtime_echo
from voice_agents.conversation import question, store
from voice_agents.conversation.history import Speaker
from voice_agents.engines.realtime.dialogue import RealtimeDialogue
from voice_agents.errors import InternalError, StorageFailed
from voice_agents.events import AgentText, Failed, Interrupted, SpeechEnded, Status, StatusChanged
from voice_agents.turns.playout import Playout
from voice_agents.turns.vad import VoiceActivity


def echo(messages: list[BaseMessage]) -> Sequence[Step]:
    users = [message for message in messages if isinstance(message, HumanMessage)]
    return [f"That was number {len(users)}."]


class Bug(Exception):
    """A mistake in this program."""


def bug(*_args: object, **_kwargs: object) -> None:
    raise Bug


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
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.01)


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
            monkeypatch.setattr(RealtimeDialogue, "on_response_started", bug)
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
