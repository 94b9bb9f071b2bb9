"""What stands in the text box after a typed turn: nothing when it was taken, the words when it was not."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.ui.test_desk import follow, running_desk
from voice_agents.conversation.model import Conversation
from voice_agents.settings import Settings
from voice_agents.ui.desk import Desk
from voice_agents.ui.identity import identity_of, remembered
from voice_agents.ui.voice_tab import TabSpec, lay_out
from voice_agents.ui.wiring import Wiring

pytestmark = pytest.mark.filterwarnings("ignore:The default value of .allow_tags.:DeprecationWarning")

SETTINGS = Settings().with_offline("http://127.0.0.1:1")
CONTROLS = ("", 0.5, "automatic", None)
LONG = "word " * 1000


def wired(desk: Desk, kind: str = "sandwich") -> Wiring:
    """One tab with its listeners, as the page has it."""
    spec = TabSpec(kind, "Title", "Description.", roles=(), examples=("Roll two dice",))
    with gr.Blocks(analytics_enabled=False), gr.Tab("Title", id=kind) as tab:
        wiring = Wiring(spec, lay_out(spec, SETTINGS), desk, SETTINGS.turns, remembered())
        wiring.connect(tab)
    return wiring


async def text_after_the_end(wiring: Wiring, identity: Any, typed_since: str) -> Any:
    """What the text box is told when the session is over."""
    await follow(await wiring._sheet(identity), lambda sheet: sheet.live is None)
    return await wiring._give_back(identity, typed_since)


async def test_a_turn_that_is_taken_empties_the_box() -> None:
    async with running_desk() as desk:
        assert await wired(desk)._send("hello", identity_of(Conversation()), *CONTROLS) == ""


async def test_the_box_takes_any_length_and_keeps_what_is_too_long() -> None:
    async with running_desk() as desk:
        wiring = wired(desk)
        assert wiring.components.text.max_length is None
        assert await wiring._send(LONG, identity_of(Conversation()), *CONTROLS) == LONG


async def test_words_no_session_took_come_back_before_what_was_typed_since() -> None:
    async with running_desk() as desk:
        wiring, identity = wired(desk, "closed"), identity_of(Conversation())
        assert await wiring._send("hello", identity, *CONTROLS) == ""
        assert await text_after_the_end(wiring, identity, "and more") == "hello\nand more"
        assert await wiring._send("again", identity, *CONTROLS) == ""
        assert await text_after_the_end(wiring, identity, "") == "again"


async def test_the_box_is_left_alone_when_nothing_came_back() -> None:
    async with running_desk() as desk:
        assert await wired(desk)._give_back(identity_of(Conversation()), "a draft") == gr.skip()
