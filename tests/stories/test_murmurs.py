"""An "okay" is an answer at the end of a question, and nothing in the middle of a story."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import WORD_S, Step
from voice_agents.conversation.history import Speaker
from voice_agents.events import AgentAudio, AgentResumed, Interrupted

STATEMENT = "I can set the timer for ten minutes now if that suits you."
QUESTION = "Shall I set the timer for ten minutes now or would that be wrong?"


def asking(text: str) -> object:
    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return [text] if sum(message.type == "human" for message in messages) == 1 else ["Very well."]

    return script


async def answered(folder: Path, text: str, word: str, left_s: float, **habits: float) -> list[str]:
    """What the user said, on disk; the word was said so long before the end of what the agent says."""
    async with call(folder, asking(text), ["hello there", word]) as caller:  # pyrefly: ignore[bad-argument-type]
        caller.say(0)
        first = await caller.until(AgentAudio)
        for name, value in habits.items():
            setattr(caller.stt, name, value)
        length_s = len(text.split()) * WORD_S
        await asyncio.sleep(first.at + length_s - left_s - asyncio.get_running_loop().time())
        caller.say(1, 0.3)
        await turn_done(caller, 1)
        await asyncio.sleep(12.0)
        if not caller.all(Interrupted):
            assert caller.all(AgentResumed)
        return [said for role, said in await caller.texts() if role is Speaker.USER]


@pytest.mark.parametrize("word", ["yeah", "okay", "right", "mm-hmm"])
@pytest.mark.parametrize("left_s", [0.3, 0.6, 0.95])
def test_a_murmur_at_the_end_of_a_question_answers_it(tmp_path: Path, word: str, left_s: float) -> None:
    assert play(answered(tmp_path, QUESTION, word, left_s)) == ["hello there", word]


@pytest.mark.parametrize("left_s", [0.4, 0.9])
def test_it_does_so_where_only_the_final_words_come_or_come_late(tmp_path: Path, left_s: float) -> None:
    assert play(answered(tmp_path, QUESTION, "okay", left_s, partial_delay_s=60.0)) == ["hello there", "okay"]
    late = answered(tmp_path / "late", QUESTION, "okay", left_s, partial_delay_s=60.0, commit_delay_s=2.5)
    (tmp_path / "late").mkdir()
    assert play(late) == ["hello there", "okay"]


@pytest.mark.parametrize(("text", "left_s"), [(STATEMENT, 0.6), (QUESTION, 2.4)])
def test_a_murmur_to_a_statement_or_in_the_middle_is_nothing(tmp_path: Path, text: str, left_s: float) -> None:
    assert play(answered(tmp_path, text, "okay", left_s)) == ["hello there"]


def test_a_cough_at_the_end_of_a_question_is_no_answer(tmp_path: Path) -> None:
    assert play(answered(tmp_path, QUESTION, "", 0.6)) == ["hello there"]
