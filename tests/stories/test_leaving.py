"""Who hangs up loses nothing: what was shown of the user's words is remembered, and a slow disk is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import AnyCaller, Caller, StoryParts, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import FakeModel, Step
from tests.stories.realtime.caller import ring
from tests.stories.realtime.items import Habits
from tests.stories.realtime.scripts import LONG, echo
from tests.stories.sessions import sandwich_session
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.events import AgentAudio, AgentDucked, AgentPaused, SpeechEnded, SpeechStarted, UserTranscript
from voice_agents.providers.realtime.events import UserPartial
from voice_agents.session import voice_session
from voice_agents.session.base import Session
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.transports.live import Ending, Limits, SessionRequest
from voice_agents.transports.registry import SessionRegistry

SENTENCE = "my dog is called rex"


def long(_messages: list[BaseMessage]) -> list[Step]:
    return [LONG]


async def remembered(folder: Path, conversation: Conversation) -> list[str]:
    """What the user said, on disk."""
    async with open_store(folder / "conversations.sqlite3") as store:
        entries = await History(store).messages(conversation)
    return [entry.text for entry in entries if entry.role is Speaker.USER]


@pytest.mark.parametrize("commit_delay_s", [0.12, 60.0])
@pytest.mark.parametrize("after_s", [-0.3, 0.1, 0.4])
def test_who_hangs_up_within_the_patience_keeps_the_sentence(
    tmp_path: Path, commit_delay_s: float, after_s: float
) -> None:
    async def story() -> None:
        async with call(tmp_path, long, [SENTENCE], turns=TurnSettings(silence_s=1.0, adaptive=False)) as caller:
            caller.stt.commit_delay_s = commit_delay_s
            caller.say(0)
            await asyncio.sleep(1.5 + after_s)
            assert not caller.all(SpeechEnded)
            shown = caller.all(UserTranscript)[-1].text
        [text] = await remembered(tmp_path, caller.session.conversation)
        assert text.startswith(shown) and len(shown.split()) >= 3
        if commit_delay_s < 1.0 and after_s > 0:
            assert text == SENTENCE

    play(story())


def test_who_hangs_up_after_the_turn_was_taken_keeps_what_was_shown_of_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, long, [SENTENCE]) as caller:
            caller.stt.commit_delay_s = 60.0
            caller.say(0)
            await caller.until(SpeechEnded)
        assert await remembered(tmp_path, caller.session.conversation) == [SENTENCE]

    play(story())


def test_who_hangs_up_in_an_interruption_keeps_its_words(tmp_path: Path) -> None:
    async def story() -> None:
        words = ["tell me a story", "what about tomorrow"]
        async with call(tmp_path, long, words) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(4.0)
            caller.stt.partial_delay_s = 60.0
            caller.say(1)
            await caller.until(AgentPaused)
            await asyncio.sleep(0.8)
        first, second = await remembered(tmp_path, caller.session.conversation)
        assert first == words[0] and words[1].startswith(second)

    play(story())


def test_a_murmur_to_the_agent_is_no_turn_of_who_hangs_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, long, ["tell me a story", "mm-hmm"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(4.0)
            caller.say(1, 0.3)
            await caller.until(AgentDucked)
            await asyncio.sleep(0.35)
        assert await remembered(tmp_path, caller.session.conversation) == ["tell me a story"]

    play(story())


def test_who_hangs_up_with_the_button_held_keeps_the_sentence(tmp_path: Path) -> None:
    async def story() -> None:
        turns = TurnSettings(mode=TurnMode.PUSH_TO_TALK)
        async with call(tmp_path, long, [SENTENCE], turns=turns) as caller:
            await caller.speak(0)
            await asyncio.sleep(1.0)
        assert await remembered(tmp_path, caller.session.conversation) == [SENTENCE]

    play(story())


@asynccontextmanager
async def microphone(session: Session) -> AsyncIterator[None]:
    """The first utterance is said, for a second and a half; then silence."""
    caller: AnyCaller[Any, Any] = AnyCaller(session, None)
    caller.say(0, 1.5)
    task = asyncio.create_task(caller.microphone())
    yield
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("why", [Ending.OTHER_TAB, Ending.TIME_LIMIT, Ending.SHUTDOWN])
def test_a_call_that_is_ended_from_outside_keeps_the_sentence(tmp_path: Path, why: Ending) -> None:
    async def story() -> None:
        conversation = Conversation()
        async with open_store(tmp_path / "conversations.sqlite3") as store:
            parts = StoryParts(store, FakeModel(long), [SENTENCE])

            def make(request: SessionRequest) -> Session:
                return sandwich_session(parts, request.conversation, request.turns)

            limits = Limits(session_s=3.0 if why is Ending.TIME_LIMIT else 60.0)
            turns = TurnSettings(silence_s=1.9, adaptive=False)
            async with SessionRegistry(make, limits=limits) as registry:
                live = await registry.open(SessionRequest("sandwich", conversation, turns))
                async with microphone(live.session):
                    await asyncio.sleep(2.6)
                    if why is Ending.OTHER_TAB:
                        await live.end(why)
                    elif why is Ending.TIME_LIMIT:
                        await asyncio.sleep(1.5)
                    else:
                        await registry.close()
                assert live.ending is why
        assert await remembered(tmp_path, conversation) == [SENTENCE]

    play(story())


@pytest.mark.parametrize("after_s", [-0.3, 0.2, 0.55])
def test_who_hangs_up_on_a_realtime_server_keeps_the_sentence(tmp_path: Path, after_s: float) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, [SENTENCE]) as caller:
            await asyncio.sleep(0.2)
            caller.say(0)
            await asyncio.sleep(1.5 + after_s)
        [text] = await remembered(tmp_path, caller.session.conversation)
        assert SENTENCE.startswith(text) and len(text.split()) >= 4
        assert text == SENTENCE or after_s < 0

    play(story())


def test_who_hangs_up_on_a_slow_realtime_server_keeps_what_was_shown(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, [SENTENCE], habits=Habits(transcript_after_s=60.0)) as caller:
            caller.say(0)
            await caller.until(SpeechEnded)
            [item] = [item for item in caller.server.items if item.kind == "user"]
            caller.backend._turns.words(UserPartial(item.item_id, "my dog is"))
        assert await remembered(tmp_path, caller.session.conversation) == ["my dog is"]

    play(story())


async def call_of(engine: str, folder: Path, says: asyncio.Event) -> None:
    """A call that takes no notice of its end; its sentence's words are late."""
    calling = call(folder, long, [SENTENCE]) if engine == "sandwich" else ring(folder, echo, [SENTENCE])
    async with calling as caller:
        if isinstance(caller, Caller):
            caller.stt.commit_delay_s = 0.3
        caller.say(0)
        await caller.until(SpeechEnded)
        says.set()
        await asyncio.Event().wait()


async def hung_up(engine: str, folder: Path, again_after_s: float | None = None) -> None:
    """The call is cut off, once or twice; after its last words at the latest nothing of it runs on."""
    before, says = asyncio.all_tasks(), asyncio.Event()
    talking = asyncio.create_task(call_of(engine, folder, says))
    await says.wait()
    talking.cancel()
    if again_after_s is not None:
        await asyncio.sleep(again_after_s)
        talking.cancel()
    await asyncio.wait([talking])
    await asyncio.sleep(2.0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.5])
def test_a_call_that_is_cut_off_while_it_ends_ends_all_the_same(tmp_path: Path, engine: str, after_s: float) -> None:
    """Such as a hang-up in the moment in which the server ends the session by itself."""
    play(hung_up(engine, tmp_path, after_s))


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
def test_a_machine_that_stands_still_while_a_call_ends_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """When it goes on, the second for the ending is over before anything was done."""
    monkeypatch.setattr(voice_session, "GONE_S", -1.0)
    play(hung_up(engine, tmp_path))


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
def test_a_slow_disk_is_waited_for_by_the_program_and_not_by_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    save = Store.save

    async def slow(self: Store, *args: object) -> str:
        await asyncio.sleep(3.0)
        return await save(self, *args)  # pyrefly: ignore[bad-argument-type]

    async def story() -> None:
        loop = asyncio.get_running_loop()
        calling = call(tmp_path, long, [SENTENCE]) if engine == "sandwich" else ring(tmp_path, echo, [SENTENCE])
        async with calling as caller:
            caller.say(0)
            await caller.until(SpeechEnded)
            await asyncio.sleep(0.5)
            monkeypatch.setattr(Store, "save", slow)
            store, conversation, session = caller.parts.store, caller.session.conversation, caller.session
            left_at = loop.time()
            await session.__aexit__(None, None, None)
            assert loop.time() - left_at < 1.0
        assert await remembered(tmp_path, conversation) == [SENTENCE]
        assert store is not None

    play(story())


def test_a_conversation_that_is_opened_again_at_once_knows_what_is_still_being_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Store.save

    async def slow(self: Store, *args: object) -> str:
        await asyncio.sleep(1.5)
        return await save(self, *args)  # pyrefly: ignore[bad-argument-type]

    def count(messages: list[BaseMessage]) -> list[Step]:
        return [f"I know {sum(message.type == 'human' for message in messages)}."]

    async def story() -> None:
        conversation = Conversation()
        async with open_store(tmp_path / "conversations.sqlite3") as store:
            parts = StoryParts(store, FakeModel(count), [SENTENCE])
            async with sandwich_session(parts, conversation, TurnSettings()) as session:
                session.send_text("hello")
                await asyncio.sleep(0.1)
                monkeypatch.setattr(Store, "save", slow)
            async with sandwich_session(parts, conversation, TurnSettings()) as session:
                entries = await History(store).messages(conversation)
                assert [entry.text for entry in entries] == ["hello"]

    play(story())


def test_nothing_is_remembered_of_who_said_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, long, [""]) as caller:
            caller.say(0, 0.6)
            await caller.until(SpeechStarted)
            await asyncio.sleep(0.4)
        assert await remembered(tmp_path, caller.session.conversation) == []

    play(story())


def test_the_answer_that_is_cut_by_hanging_up_is_remembered_as_heard(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, long, [SENTENCE, "and another"]) as caller:
            caller.say(0)
            await turn_done(caller)
            caller.say(1)
            await caller.until(SpeechEnded, 2)
        assert await remembered(tmp_path, caller.session.conversation) == [SENTENCE, "and another"]

    play(story())
