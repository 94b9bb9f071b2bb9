"""What the bench that listens in a browser makes of a page's levels."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.giving_way_in_chromium import Track, Yields

BLOCK_MS = 128 / 48
SPOKE_MS, UNTIL_MS = 2000.0, 3200.0


def played(*steps: tuple[float, float]) -> Track:
    """A page that plays a tone of -14 dB, and from each given moment on one so many dB softer."""
    at = np.arange(0.0, 3500.0, BLOCK_MS)
    level_db = np.full(len(at), -14.0)
    for since_ms, softer_db in steps:
        level_db[at >= since_ms] = -14.0 - softer_db
    return np.column_stack([at, 10 ** (level_db / 10)])


def test_a_dip_and_the_silence_after_it_are_found_where_they_begin() -> None:
    found = Yields()
    found.add(played((2070.0, 15.0), (2300.0, 90.0)), SPOKE_MS, UNTIL_MS)
    assert found.quieter == [pytest.approx(0.07, abs=0.004)]
    assert found.silent == [pytest.approx(0.3, abs=0.004)]
    assert found.missed == 0


def test_a_short_gap_is_no_silence() -> None:
    found = Yields()
    found.add(played((2070.0, 90.0), (2170.0, 15.0), (2400.0, 90.0)), SPOKE_MS, UNTIL_MS)
    assert found.silent == [pytest.approx(0.4, abs=0.004)]


@pytest.mark.parametrize("steps", [[], [(2070.0, 12.0), (2300.0, 15.0)], [(1900.0, 15.0), (2300.0, 15.0)]])
def test_an_agent_that_speaks_on_was_missed(steps: list[tuple[float, float]]) -> None:
    found = Yields()
    found.add(played(*steps), SPOKE_MS, UNTIL_MS)
    assert found.missed == 1 and not found.silent
