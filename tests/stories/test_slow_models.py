"""A model that is silent for long is spoken of, early and again, never over the user and as no part of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.stories.caller import Caller, StoryParts, call, turn_done
from tests.stories.clock import play
from voice_agents.conversation.history import Speaker
from voice_agents.events import AgentAudio, TurnDone
from voice_agents.session.waiting import waiting_aloud

STORY = "Once upon a time. There was a fox. It lived in a wood."


def said(caller: Caller) -> str:
    return " ".join(word for stream in caller.voice.streams for word in stream.words)


def silences(caller: Caller, since: float) -> list[float]:
    """How long nothing was heard, each time, from then on."""
    times = [since, *(played.at for played in caller.played if played.at >= since)]
    return [later - earlier for earlier, later in pairwise(times)]


async def asked(folder: Path, slow: Callable[[StoryParts], None], *, typed: bool = False) -> tuple[Caller, TurnDone]:
    async with call(folder, lambda _: [STORY], ["tell me a story"], prepare=slow) as caller:
        if typed:
            caller.session.send_text("tell me a story")
        else:
            await caller.speak(0)
        since = asyncio.get_running_loop().time()
        done = await turn_done(caller)
        assert max(silences(caller, since)) < 10.5
        texts = [(who, text.strip()) for who, text in await caller.texts()]
    assert texts == [(Speaker.USER, "tell me a story"), (Speaker.AGENT, STORY)]
    assert done.heard_text.strip() == STORY
    return caller, done


def first_word(seconds: float) -> Callable[[StoryParts], None]:
    def prepare(parts: StoryParts) -> None:
        parts.model.first_token_s = seconds

    return prepare


@pytest.mark.parametrize("typed", [False, True], ids=["spoken", "typed"])
def test_a_model_that_thinks_for_long_is_spoken_of_before_five_seconds_and_again(tmp_path: Path, typed: bool) -> None:
    caller, done = play(asked(tmp_path, first_word(20.0), typed=typed))
    assert said(caller) == (f"One moment, please. I am still thinking. I am still waiting for the answer. {STORY}")
    first = caller.all(AgentAudio)[0]
    assert first.at - (done.at - 20.0) < 30.0
    assert done.latency.first_token == pytest.approx(20.0, abs=0.5), "a wait that is filled is a wait"
    assert done.latency.voice_to_voice is not None and done.latency.voice_to_voice > 20.0
    assert done.latency.overhead == pytest.approx(0.0, abs=0.5)


def test_a_model_that_answers_within_three_seconds_is_not(tmp_path: Path) -> None:
    caller, _ = play(asked(tmp_path, first_word(3.0)))
    assert said(caller) == STORY


def test_a_model_that_falls_silent_in_the_middle_is_spoken_of_once_that_is_heard(tmp_path: Path) -> None:
    def prepare(parts: StoryParts) -> None:
        parts.model.token_s = 2.2

    caller, _ = play(asked(tmp_path, prepare))
    assert said(caller).replace("One moment, please. ", "").replace("I am still waiting for the answer. ", "") == STORY


def test_it_is_said_in_the_users_language() -> None:
    assert "denke" in waiting_aloud("de", 0, begun=False)
    assert waiting_aloud("de", 0, begun=True) == "Einen Moment, bitte."
    assert waiting_aloud("xx", 0, begun=False) == waiting_aloud("xx", 3, begun=True) == ""


def test_nothing_is_said_where_answers_are_only_read(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, lambda _: [STORY], ["x"], prepare=first_word(12.0)) as caller:
            caller.session.set_speaking(False)
            caller.session.send_text("tell me a story")
            await turn_done(caller)
            assert not caller.all(AgentAudio)

    play(story())
