"""While an answer is spoken a session tells which of its words were played, in both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.stories.caller import AnyCaller, call
from tests.stories.clock import play
from tests.stories.realtime.caller import ring
from voice_agents.events import TurnDone

ANSWER = "Sure, this is an answer of quite a few words, one after the other."


def script(_messages: Sequence[Any]) -> list[str]:
    return [ANSWER]


async def grows(caller: AnyCaller[Any, Any]) -> None:
    """Ask by typing, and look at every moment of the answer."""
    assert caller.session.heard_so_far == ""
    caller.session.send_text("hello")
    seen: list[str] = []
    while not caller.all(TurnDone):
        await asyncio.sleep(0.05)
        if (heard := caller.session.heard_so_far) and heard not in seen:
            seen.append(heard)
    (done,) = caller.all(TurnDone)
    assert len(seen) > 5, "word by word"
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert done.heard_text.split()[: len(seen[-1].split())] == seen[-1].split()
    assert caller.session.heard_so_far == ""


def test_the_sandwich_tells_word_by_word(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, script) as caller:
            await grows(caller)

    play(story())


def test_realtime_tells_word_by_word(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, script) as caller:
            await grows(caller)

    play(story())
