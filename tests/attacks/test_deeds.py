"""Nothing that a window can ask for is left out of the attacks."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import Mock

from tests.attacks.others import DEEDS, OF_THE_OWNER, about
from voice_agents.settings import TurnSettings
from voice_agents.ui.window import Window
from voice_agents.ui.wishes import Wishes


def test_everything_a_window_can_ask_for_is_tried_with_forged_ids() -> None:
    async def send(_: Any) -> None: ...

    nothing = cast(Any, None)
    window = Window(nothing, (), Wishes(TurnSettings()), send, cast(Any, object()), cast(Any, Mock()))
    assert {deed["do"] for deed in (*DEEDS, *OF_THE_OWNER, *about("x"))} == window.asked_for - {"open", "ping"}
