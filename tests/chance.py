"""Chance for the tests that let anything happen in any order: a seed, chosen by hypothesis, named when a test fails."""

from __future__ import annotations

from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 1)
"""For :class:`random.Random`; the profile in ``conftest.py`` tries the same ones on every machine."""
