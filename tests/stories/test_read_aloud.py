"""What is written for the eye is said for the ear, and what was heard of it is remembered as it was written."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.stories.caller import OUTPUT_RATE, call
from tests.stories.clock import play
from tests.stories.fakes import WORD_S
from tests.stories.test_interruptions import until
from voice_agents.events import AgentAudio, Interrupted, TurnDone
from voice_agents.turns.english import in_english
from voice_agents.turns.sentences import speakable

ANSWER = (
    "Sure, it costs $1,042.50[1], due on 2024-01-05 at 14:30 【4†source】. Call (415) 555-1212 now,"
    " or see example.com/docs for `snake_case` and $E = mc^2$ &amp; 5 km of it. That is all."
)


def test_the_voice_is_given_words_and_memory_keeps_what_was_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, lambda _: [ANSWER], []) as caller:
            caller.session.send_text("how much is it?")
            done = await caller.until(TurnDone)
            assert caller.parts.voice is not None
            said = " ".join(caller.parts.voice.streams[0].words)
            assert "one thousand and forty-two dollars and fifty cents, due on January fifth" in said
            assert "source" not in said and "four one five, five five five" in said
            assert done.heard_text.split() == ANSWER.split()

    play(story())


@pytest.mark.parametrize("seed", range(20))
def test_an_interrupted_answer_is_cut_within_one_written_word(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def story() -> None:
        async with call(tmp_path, lambda _: [ANSWER], []) as caller:
            caller.session.send_text("how much is it?")
            await until(caller, lambda: bool(caller.all(AgentAudio)))
            await asyncio.sleep(dice.uniform(0.0, 15.0))
            caller.session.interrupt()
            cut = (await caller.until(Interrupted)).heard_text.split()
            words_said = len(caller.heard(1)) / OUTPUT_RATE / WORD_S
            assert speakable(ANSWER).split()[: len(cut)] == cut
            assert abs(len(cut) - written_in(words_said)) <= 1, (cut, words_said)

    play(story())


def written_in(said: float) -> float:
    """How many written words are over after so many said ones."""
    over = 0.0
    for group in in_english(speakable(ANSWER)):
        length = len(group.text.split())
        if said < length:
            return over + len(group.written) * said / length
        over, said = over + len(group.written), said - length
    return over
