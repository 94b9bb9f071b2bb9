"""One conversation, two backends: what a caller meets is the same, whoever hears, thinks and speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import SENSITIVE, AnyCaller, Caller, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, Step
from tests.stories.realtime.caller import RealtimeCaller, ring
from tests.stories.realtime.items import Habits, Item
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.events import (
    AgentAudio,
    AgentPaused,
    AgentResumed,
    Interrupted,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Status,
    StatusChanged,
    ToolCalled,
    ToolReturned,
    TurnDone,
    UserTranscript,
)
from voice_agents.settings import TurnMode, TurnSettings

LONG = " ".join(f"word{number}" for number in range(40)) + "."
WORDS = ["what time is it", "please stop talking now", "in tokyo", ""]
QUESTION, STOP, MORE, COUGH = range(len(WORDS))

Answers = Callable[[str, bool], Sequence[Step]]
"""Gets the user's last words, and whether a tool has just answered."""


@pytest.fixture(params=["sandwich", "realtime"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def talk(
    engine: str,
    folder: Path,
    answers: Answers = lambda said, _: [f"Sure, you said {said}."],
    turns: TurnSettings | None = None,
    conversation: Conversation | None = None,
    words: Sequence[str] = WORDS,
    habits: Habits | None = None,
) -> AsyncIterator[AnyCaller[Any, Any]]:
    """A call of either kind whose agent answers so."""
    turns = turns or TurnSettings(adaptive=False)

    def to_messages(messages: list[BaseMessage]) -> Sequence[Step]:
        said = [message.text for message in messages if message.type == "human"]
        return answers(said[-1], messages[-1].type == "tool")

    def to_items(items: Sequence[Item]) -> Sequence[Any]:
        said = [item.text for item in items if item.kind == "user"]
        return answers(said[-1], items[-1].kind == "output")

    calling = (
        call(folder, to_messages, words, turns=turns, conversation=conversation)
        if engine == "sandwich"
        else ring(folder, to_items, words, turns=turns, conversation=conversation, habits=habits)
    )
    async with calling as caller:
        assert isinstance(caller, Caller | RealtimeCaller)
        yield caller


def long_answer(_said: str, _done: bool) -> Sequence[Step]:
    return [LONG]


async def texts(caller: AnyCaller[Any, Any]) -> list[tuple[Speaker, str]]:
    entries = await History(caller.parts.store).messages(caller.session.conversation)
    return [(entry.role, entry.text.strip()) for entry in entries]


def finals(caller: AnyCaller[Any, Any]) -> dict[int, str]:
    """The user's words by turn."""
    return {event.turn: event.text for event in caller.all(UserTranscript) if event.final}


def test_a_spoken_question_is_heard_answered_and_remembered(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path) as caller:
            caller.say(QUESTION)
            done = await turn_done(caller)
            assert finals(caller) == {1: "what time is it"}
            assert done.heard_text.split() == ["Sure,", "you", "said", "what", "time", "is", "it."]
            assert done.latency.voice_to_voice is not None
            assert [len(caller.all(kind)) for kind in (SpeechStarted, SpeechEnded, TurnDone)] == [1, 1, 1]
            assert await texts(caller) == [(Speaker.USER, finals(caller)[1]), (Speaker.AGENT, done.heard_text.strip())]
            statuses = [event.status for event in caller.all(StatusChanged)]
            assert statuses[-4:] == [Status.HEARING, Status.THINKING, Status.SPEAKING, Status.LISTENING]

    play(story())


@pytest.mark.parametrize("after_s", [0.3, 2.0, 5.0])
@pytest.mark.parametrize("how", ["voice", "typing", "button"])
def test_whoever_interrupts_leaves_what_was_heard(tmp_path: Path, engine: str, how: str, after_s: float) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, long_answer) as caller:
            caller.say(QUESTION)
            await caller.until(AgentAudio)
            await asyncio.sleep(after_s)
            match how:
                case "voice":
                    caller.say(STOP)
                case "typing":
                    caller.session.send_text("stop")
                case "button":
                    caller.session.interrupt()
            cut = await caller.until(Interrupted)
            await caller.until(TurnDone)
            said = LONG.split()
            heard = cut.heard_text.split()
            assert heard == said[: len(heard)] and len(heard) < len(said)
            remembered = [text for role, text in await texts(caller) if role is Speaker.AGENT]
            assert (remembered or [""])[0].split() == heard
            sounded_s = len(caller.heard(1)) / caller.session.output_rate
            assert sounded_s == pytest.approx(after_s, abs=0.6), "it fell silent"

    play(story())


def test_a_cough_pauses_and_the_answer_goes_on_from_the_very_sample(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, long_answer, turns=SENSITIVE) as caller:
            caller.say(QUESTION)
            await caller.until(AgentAudio)
            await asyncio.sleep(4.0)
            if isinstance(caller, RealtimeCaller):
                caller.cough()
            else:
                caller.say(COUGH, 0.3)
            paused = await caller.until(AgentPaused)
            assert (await caller.until(AgentResumed)).position == paused.position
            done = await turn_done(caller)
            assert done.heard_text.split() == LONG.split() and not caller.all(Interrupted)
            assert len(caller.heard(1)) == max(event.position + len(event.pcm) for event in caller.all(AgentAudio))

    play(story())


def test_who_goes_on_before_anything_is_heard_says_one_turn(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path) as caller:
            caller.say(QUESTION)
            await caller.until(SpeechEnded)
            caller.say(MORE)
            done = await turn_done(caller)
            assert finals(caller) == {1: "what time is it in tokyo"} and done.turn == 1
            assert done.heard_text.endswith("in tokyo.")
            assert [role for role, _ in await texts(caller)] == [Speaker.USER, Speaker.AGENT]

    play(story())


def test_what_a_tool_did_is_done_once_though_the_user_goes_on(tmp_path: Path, engine: str) -> None:
    def answers(_said: str, done: bool) -> Sequence[Step]:
        return ["It is done."] if done else [Call("save_note", '{"text": "buy milk"}')]

    async def story() -> None:
        async with talk(engine, tmp_path, answers) as caller:
            caller.say(QUESTION)
            await caller.until(ToolReturned)
            await asyncio.sleep(0.05)
            caller.say(MORE)
            await turn_done(caller)
            owner = caller.session.conversation.owner
            assert await caller.parts.store.notes(owner).all() == ["buy milk"]
            assert [role for role, _ in await texts(caller)].count(Speaker.TOOL) == 1

    play(story())


def test_a_tool_is_shown_between_the_users_words_and_the_answer(tmp_path: Path, engine: str) -> None:
    def answers(_said: str, done: bool) -> Sequence[Step]:
        return ["There you are."] if done else [Call("roll_dice")]

    async def story() -> None:
        async with talk(engine, tmp_path, answers) as caller:
            caller.session.send_text("roll the dice")
            await turn_done(caller)
            [called], [returned] = caller.all(ToolCalled), caller.all(ToolReturned)
            assert called.name == "roll_dice" and returned.call_id == called.call_id and "rolled" in returned.result
            assert [role for role, _ in await texts(caller)] == [Speaker.USER, Speaker.TOOL, Speaker.AGENT]

    play(story())


def test_an_announcement_that_is_not_heard_comes_back(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path) as caller:
            await asyncio.sleep(0.5)
            caller.session.timers._on_fire("Your tea is ready.")
            caller.session.send_text("hello")
            cut, answered = await turn_done(caller), await turn_done(caller, 2)
            assert cut.heard_text == "" and "hello" in answered.heard_text
            assert "Your tea is ready." in (await turn_done(caller, 3)).heard_text
            assert not caller.session.busy

    play(story())


def test_a_slow_answer_is_said_to_be_slow_once(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path) as caller:
            if isinstance(caller, RealtimeCaller):
                caller.server.habits.first_audio_s = 5.0
            else:
                caller.parts.model.first_token_s = 5.0
            for turn in (1, 2):
                caller.session.send_text("hello")
                await turn_done(caller, turn)
            [notice] = caller.all(Notice)
            assert "slow at the moment" in notice.text and notice.level == "warning"

    play(story())


def test_push_to_talk_takes_the_turn_when_the_button_is_let_go(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, turns=TurnSettings(mode=TurnMode.PUSH_TO_TALK)) as caller:
            await caller.speak(QUESTION)
            await asyncio.sleep(2.0)
            assert not caller.all(SpeechEnded)
            caller.session.end_turn()
            await turn_done(caller)
            assert finals(caller) == {1: "what time is it"}

    play(story())


def test_who_hangs_up_after_a_sentence_keeps_it(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        conversation = Conversation()
        async with talk(engine, tmp_path, conversation=conversation) as caller:
            await caller.speak(QUESTION)
            await asyncio.sleep(0.35)
        async with talk(engine, tmp_path, conversation=conversation) as caller:
            assert (await texts(caller))[0] == (Speaker.USER, "what time is it")

    play(story())


def test_a_conversation_goes_on_with_the_other_backend(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        conversation = Conversation()
        for turn, name in enumerate((engine, {"sandwich": "realtime"}.get(engine, "sandwich"))):
            async with talk(name, tmp_path, conversation=conversation) as caller:
                caller.session.send_text(f"number {turn}")
                await turn_done(caller)
                assert [text for role, text in await texts(caller) if role is Speaker.USER] == [
                    f"number {told}" for told in range(turn + 1)
                ]

    play(story())


@pytest.mark.parametrize(
    "noise", ["(background noise)", "[laughter]", "\N{EIGHTH NOTE}", ".", "(coughs) [laughter]", "..."]
)
def test_a_noise_opens_no_turn_and_the_next_sentence_is_whole(tmp_path: Path, engine: str, noise: str) -> None:
    """Although a recogniser writes it down, and a Realtime server takes it for a turn and begins to answer."""
    words = [noise, "what time is it"]

    async def story() -> None:
        async with talk(engine, tmp_path, words=words, habits=Habits(first_audio_s=0.6)) as caller:
            await asyncio.sleep(0.2)
            for _ in range(2):
                caller.say(0, 0.6)
                await asyncio.sleep(4.0)
            assert not caller.all(AgentAudio) and not any(text.strip() for text in finals(caller).values())
            caller.say(1)
            done = await turn_done(caller)
            assert done.heard_text.split() == ["Sure,", "you", "said", "what", "time", "is", "it."]
            kept = await texts(caller)
            assert kept == [(Speaker.USER, "what time is it"), (Speaker.AGENT, done.heard_text.strip())]
            if isinstance(caller, RealtimeCaller):
                assert [item.kind for item in caller.server.items] == ["user", "assistant"]

    play(story())
