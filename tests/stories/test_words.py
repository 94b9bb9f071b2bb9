"""A short run of ``python -m tests.bench.words``: no word that is said is lost, and none is remembered twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.clock import play
from tests.stories.words import ENGINES, SPEEDS_S, Engine, conversation


@pytest.mark.parametrize("speed", SPEEDS_S)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_word_is_lost_and_none_is_remembered_twice(tmp_path: Path, engine: Engine, speed: str) -> None:
    account = play(conversation(tmp_path, engine, SPEEDS_S[speed], seed=1, words=40))
    assert account.spoken >= 40 and account.interruptions
    assert (account.lost, account.twice) == ([], [])
