"""Whatever agent is cut, however and whenever: memory is what was heard, also after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.clock import play
from tests.stories.cuts import AGENTS, interrupted

CUTS = 15


@pytest.mark.parametrize("agent", AGENTS)
def test_what_is_remembered_is_what_was_played(tmp_path: Path, agent: str) -> None:
    """``python -m tests.bench.cuts`` shows 200 of each."""
    account = play(interrupted(agent, tmp_path, CUTS, seed=1, in_a_call=CUTS - 5))
    assert account.calls > 1 and account.cuts.total() >= CUTS
    assert account.furthest <= 1 and not account.wrong
