"""A hundred random interruptions: what was played, memory, transcript and the server's items are one truth."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.stories.clock import play
from tests.stories.fakes import Call
from tests.stories.realtime.caller import RealtimeCaller, ring
from tests.stories.realtime.items import Habits, Item, Script, Step, chatter, tally
from tests.stories.realtime.server import FIRST_WORD
from voice_agents.conversation.history import Speaker
from voice_agents.events import Interrupted, SpeechEnded, Status, TurnDone

CALLS = 3
INTERRUPTIONS = int(os.environ.get("INTERRUPTIONS", "20"))
"""In each call."""


def teller(rng: random.Random) -> Script:
    """Answers of one or two messages, or a tool first, with or without words before it."""

    def script(items: Sequence[Item]) -> Sequence[Step]:
        if items[-1].kind != "output" and rng.random() < 0.3:
            return [*([chatter(rng, 3)] if rng.random() < 0.5 else []), Call("roll_dice")]
        return [chatter(rng, rng.randint(3, 40)) for _ in range(rng.randint(1, 2))]

    return script


async def interrupt(caller: RealtimeCaller, rng: random.Random) -> None:
    """By voice, by typing, or with the stop button."""
    match rng.choice(["voice", "typing", "button"]):
        case "voice":
            ended = len(caller.all(SpeechEnded))
            caller.say(rng.randrange(len(caller.parts.words)))
            await caller.until(SpeechEnded, ended + 1)
        case "typing":
            caller.session.send_text("something else")
        case "button":
            caller.session.interrupt()
            caller.session.send_text("and now")


@pytest.mark.parametrize("seed", range(CALLS))
def test_random_interruptions_leave_one_truth(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    habits = Habits(
        word_gap_s=rng.choice([0.01, 0.1, 0.25]),
        text_first=rng.random() < 0.3,
        late_audio=rng.random() < 0.5,
        transcript_after_s=rng.choice([0.1, 0.5, 2.0]),
    )

    async def story() -> None:
        words = ["please stop", "tell me something else now", "no"]
        async with ring(tmp_path, teller(rng), words, habits=habits) as caller:
            caller.session.send_text("begin")
            for _ in range(INTERRUPTIONS):
                await asyncio.sleep(rng.uniform(0.0, 7.0))
                await interrupt(caller, rng)
            await asyncio.sleep(90.0)
            assert caller.statuses()[-1] is Status.LISTENING
            assert not caller.server.errors
            nothing_stale_was_played(caller)
            everything_agrees(caller)
            await memory_agrees(caller)

    play(story())


def nothing_stale_was_played(caller: RealtimeCaller) -> None:
    turns = [played.turn for played in caller.played]
    assert turns == sorted(turns)
    assert not any(np.any(played.pcm == FIRST_WORD - 1) for played in caller.played)


def everything_agrees(caller: RealtimeCaller) -> None:
    """Server, speaker and what the page was told, of every message and every cut turn."""
    speaker = tally(np.concatenate([played.pcm for played in caller.played]))
    messages = [item for item in caller.server.items if item.kind == "assistant"]
    for message in messages:
        assert abs(len(message.said()) - len(message.said(speaker))) <= 1
    ends = [(end.turn, end.heard_text) for end in caller.all(Interrupted)]
    ends += [(end.turn, end.heard_text) for end in caller.all(TurnDone)]
    for turn, heard in ends:
        sound = tally(caller.heard(turn))
        played = [word for message in messages for word in message.said(sound)]
        assert abs(len(heard.split()) - len(played)) <= 1
        assert heard.split()[: len(played) - 1] == played[: len(heard.split())][: len(played) - 1]


async def memory_agrees(caller: RealtimeCaller) -> None:
    """Every turn once, in order, with the words its end was told with."""
    done = {end.turn: end.heard_text for end in caller.all(TurnDone)}
    assert len(done) == len(caller.all(TurnDone))
    entries = await caller.remembered()
    assert all(entry.facts and entry.facts.engine == "realtime" for entry in entries if entry.role is Speaker.USER)
    assert any(entry.facts.unheard for entry in entries if entry.facts), "some words were never heard"
    remembered = [entry.text for entry in entries if entry.role is Speaker.AGENT]
    assert " ".join(remembered).split() == " ".join(done[turn] for turn in sorted(done)).split()
