"""Whose word is taken about where a visitor comes from."""

from __future__ import annotations

import pytest

from voice_agents.settings import Settings
from voice_agents.ui.app import PROXIES_OF_A_SPACE, THIS_MACHINE, trusted_proxies


@pytest.mark.parametrize(
    ("settings", "share", "trusted"),
    [
        (Settings(), False, ""),
        (Settings(), True, THIS_MACHINE),
        (Settings(allowed_hosts=("talk.example",)), False, THIS_MACHINE),
        (Settings(space_host="somebody-talk.hf.space"), False, PROXIES_OF_A_SPACE),
    ],
)
def test_only_a_proxy_that_is_expected_is_believed(settings: Settings, share: bool, trusted: str) -> None:
    assert trusted_proxies(settings, share) == trusted
