"""What a user is told of providers in trouble: once, and in the words of the outcome."""

from __future__ import annotations

import pytest

from voice_agents.errors import AuthenticationFailed, ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.session.events_out import Troubles
from voice_agents.turns.latency import TurnLatency
from voice_agents.turns.slowness import NOT_AGAIN_TURNS, Slowness

LOST = ProviderUnavailable(Role.TTS, "x", "The connection was lost.")
UNREACHABLE = ProviderUnavailable(Role.TTS, "x", "It cannot be reached.")
WRONG_KEY = AuthenticationFailed(Role.TTS, "x", "The key is wrong.")
TOO_LATE = ProviderTimeout(Role.TTS, "x", "It took too long.")


class Told:
    def __init__(self) -> None:
        self.sentences: list[tuple[str, bool]] = []
        self.troubles = Troubles(self._tell)

    def _tell(self, error: ProviderError, failed: bool) -> None:
        self.sentences.append((str(error), failed))

    def reconnecting(self, error: ProviderError = LOST) -> None:
        self.troubles.connection(Role.TTS, ConnectionState.RECONNECTING, error)

    def open(self) -> None:
        self.troubles.connection(Role.TTS, ConnectionState.OPEN, None)


def test_an_outage_while_nobody_needs_the_provider_is_told_once() -> None:
    told = Told()
    told.open()
    for error in (LOST, UNREACHABLE, LOST):
        told.reconnecting(error)
    told.open()
    assert told.sentences == [(str(LOST), False)]
    told.reconnecting(UNREACHABLE)
    assert told.sentences[1:] == [(str(UNREACHABLE), False)], "the next one is another"


def test_a_provider_of_two_roles_that_refuses_both_says_so_once() -> None:
    told = Told()
    for role in (Role.STT, Role.TTS):
        told.troubles.connection(role, ConnectionState.FAILED, AuthenticationFailed(role, "x", str(WRONG_KEY)))
    assert told.sentences == [(str(WRONG_KEY), True)]


def test_what_work_survived_is_told_when_it_is_done() -> None:
    told = Told()
    told.troubles.begins(Role.TTS)
    told.reconnecting(LOST)
    told.reconnecting(UNREACHABLE)
    told.open()
    assert told.sentences == []
    told.troubles.ends(Role.TTS)
    assert told.sentences == [(str(LOST), False)]


@pytest.mark.parametrize("opened", [True, False])
def test_what_failed_the_work_is_all_that_is_told(opened: bool) -> None:
    told = Told()
    told.troubles.begins(Role.TTS)
    told.reconnecting()
    if opened:
        told.open()
    told.troubles.ends(Role.TTS, TOO_LATE)
    told.troubles.ends(Role.TTS)
    told.reconnecting(UNREACHABLE)
    assert told.sentences == [(str(TOO_LATE), True)], "a socket that is replaced for it is no other trouble"


def test_every_turn_that_fails_is_told() -> None:
    told = Told()
    for _ in range(2):
        told.troubles.begins(Role.TTS)
        told.troubles.connection(Role.TTS, ConnectionState.FAILED, WRONG_KEY)
        told.troubles.ends(Role.TTS, WRONG_KEY)
    assert told.sentences == [(str(WRONG_KEY), True)] * 2


def test_a_key_that_is_refused_at_the_start_is_told_at_once() -> None:
    told = Told()
    told.troubles.connection(Role.TTS, ConnectionState.FAILED, WRONG_KEY)
    assert told.sentences == [(str(WRONG_KEY), True)]


def test_a_failure_of_another_provider_leaves_what_was_held_to_be_told() -> None:
    told = Told()
    told.troubles.begins(Role.TTS)
    told.reconnecting()
    told.troubles.ends(Role.TTS, ProviderTimeout(Role.CHAT, "y", "The model took too long."))
    assert told.sentences == [(str(LOST), False)]


@pytest.mark.parametrize(
    ("latency", "dry_s", "says"),
    [
        (TurnLatency(transcription=2.1), 0.0, "speech-to-text is slow at the moment: your words took 2.1 s."),
        (TurnLatency(transcription=0.3, first_token=4.5), 0.0, "chat model"),
        (TurnLatency(first_token=0.5, first_audio=3.0), 0.0, "voice is slow"),
        (TurnLatency(first_token=0.5), 1.4, "wait for 1.4 s"),
        (TurnLatency(transcription=0.3, first_token=2.0, text_wait=3.0), 0.0, "the words to begin with took 5.0 s."),
        (TurnLatency(transcription=0.4, first_token=1.5, first_audio=0.5), 0.3, None),
        (TurnLatency(), 0.0, None),
    ],
)
def test_a_slow_turn_says_what_was_slow(latency: TurnLatency, dry_s: float, says: str | None) -> None:
    sentence = Slowness().sentence(latency, dry_s)
    assert sentence is None if says is None else sentence is not None and says in sentence


def test_a_provider_that_stays_slow_is_not_spoken_of_at_every_turn() -> None:
    slowness, slow = Slowness(), TurnLatency(first_audio=3.0)
    told = [slowness.sentence(slow, 0.0) is not None for _ in range(2 * NOT_AGAIN_TURNS)]
    assert told == 2 * [True, *(NOT_AGAIN_TURNS - 1) * [False]]


def test_what_is_told_while_work_goes_on_is_not_told_again_when_it_succeeds() -> None:
    told: list[tuple[str, bool]] = []
    troubles = Troubles(lambda error, failed: told.append((str(error), failed)))
    lost = ProviderUnavailable(Role.STT, "fake", "The connection was lost.")
    for _ in range(2):
        told.clear()
        troubles.begins(Role.STT)
        troubles.connection(Role.STT, ConnectionState.RECONNECTING, lost)
        troubles.connection(Role.STT, ConnectionState.OPEN, None)
        assert troubles.tell_held(Role.STT)
        troubles.connection(Role.STT, ConnectionState.RECONNECTING, lost)
        troubles.connection(Role.STT, ConnectionState.OPEN, None)
        troubles.ends(Role.STT)
        assert told == [("The connection was lost.", False)]
