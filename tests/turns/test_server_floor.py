"""Who has the floor where a server takes the turns."""

from __future__ import annotations

import random

from hypothesis import given

from tests.chance import SEEDS
from voice_agents.settings import TurnMode
from voice_agents.turns.floor import FloorAction, FloorState
from voice_agents.turns.server_floor import DECIDE_S, HEARD_OUT_S, LONGEST_DOUBT_S, SURE_S, ServerFloor


def speaking(mode: TurnMode = TurnMode.AUTOMATIC) -> ServerFloor:
    """The agent is heard answering the user."""
    floor = ServerFloor(mode)
    floor.taken(0.0)
    floor.agent_started(1.0)
    return floor


def test_a_turn_goes_round() -> None:
    floor = ServerFloor()
    seen = [floor.state]
    for step in (floor.user_started, floor.server_heard, floor.taken, floor.agent_started, floor.agent_finished):
        assert step(1.0) == []
        floor.user_stopped(1.0)
        seen.append(floor.state)
    assert seen == [
        FloorState.LISTENING,
        FloorState.USER_SPEAKING,
        FloorState.USER_SPEAKING,
        FloorState.THINKING,
        FloorState.AGENT_SPEAKING,
        FloorState.LISTENING,
    ]


def test_a_sound_stops_the_agent_and_the_server_makes_it_an_interruption() -> None:
    floor = speaking()
    assert floor.user_started(5.0) == [FloorAction.PAUSE]
    assert floor.server_heard(5.2) == [FloorAction.CANCEL]
    assert floor.state is FloorState.USER_SPEAKING and floor.confirmed


def test_a_server_that_stays_silent_lets_the_agent_go_on() -> None:
    floor = speaking()
    floor.user_started(5.0)
    floor.user_stopped(5.4)
    assert floor.wake_at == 5.4 + DECIDE_S
    assert floor.advance(5.4 + DECIDE_S / 2) == []
    assert floor.advance(5.4 + DECIDE_S) == [FloorAction.RESUME]
    assert floor.state is FloorState.AGENT_SPEAKING
    assert floor.server_heard(7.0) == [FloorAction.CANCEL]


def test_a_sudden_sound_stops_the_agent_until_it_is_known_to_be_nothing() -> None:
    floor = speaking()
    assert floor.sound_started(5.0) == [FloorAction.PAUSE]
    assert floor.sound_ignored(5.2) == [FloorAction.RESUME]
    assert floor.state is FloorState.AGENT_SPEAKING and floor.wake_at is None
    floor.sound_started(6.0)
    assert floor.server_heard(6.1) == [FloorAction.CANCEL]


def test_a_sudden_sound_that_is_a_voice_waits_for_the_server() -> None:
    floor = speaking()
    floor.sound_started(5.0)
    assert floor.user_started(5.1) == floor.sound_ignored(5.2) == []
    assert floor.wake_at == 5.0 + LONGEST_DOUBT_S


def test_sounds_that_come_and_go_hold_the_agent_only_so_long_and_then_only_the_server_stops_it() -> None:
    floor, at = speaking(), 5.0
    actions = floor.user_started(at)
    while at < 5.0 + LONGEST_DOUBT_S:
        at += 0.3
        actions += floor.advance(at)
        actions += floor.user_stopped(at) if floor._voice else floor.user_started(at)
    assert actions == [FloorAction.PAUSE, FloorAction.RESUME]
    assert floor.user_started(9.0) == floor.sound_started(9.0) == []
    assert floor.server_heard(9.1) == [FloorAction.CANCEL]
    floor.taken(9.5)
    floor.agent_started(10.0)
    assert floor.sound_started(11.0) == [FloorAction.PAUSE]


def test_before_anything_was_heard_the_user_goes_on_with_the_turn() -> None:
    floor = ServerFloor()
    floor.taken(0.0)
    assert floor.user_started(0.1) == [FloorAction.PAUSE]
    assert floor.server_heard(0.2) == [FloorAction.MERGE]
    assert floor.taken(1.0) == []
    assert floor.state is FloorState.THINKING


def test_what_the_agent_says_by_itself_is_cut_not_gone_on_with() -> None:
    floor = ServerFloor()
    floor.agent_turn(0.0)
    assert floor.server_heard(0.2) == [FloorAction.CANCEL]


def test_the_agent_does_not_speak_up_over_a_voice() -> None:
    floor = ServerFloor()
    floor.user_started(0.0)
    assert floor.agent_turn(0.1) == [FloorAction.PAUSE]
    assert floor.state is FloorState.AGENT_PAUSED


def test_a_turn_taken_without_a_word_before_it_cuts_the_answer() -> None:
    assert speaking().taken(2.0) == [FloorAction.CANCEL]


def test_push_to_talk_decides_by_the_length_of_the_sound() -> None:
    floor = speaking(TurnMode.PUSH_TO_TALK)
    floor.user_started(5.0)
    floor.user_stopped(5.3)
    assert floor.advance(5.3 + DECIDE_S) == [FloorAction.RESUME]
    floor.user_started(7.0)
    assert floor.advance(7.0 + SURE_S) == [FloorAction.CANCEL]
    assert floor.state is FloorState.USER_SPEAKING


def test_a_stop_button_during_a_voice_gives_the_voice_the_floor() -> None:
    floor = speaking()
    floor.user_started(2.0)
    assert floor.interrupt(2.1) == [FloorAction.CANCEL]
    assert floor.state is FloorState.USER_SPEAKING
    assert floor.interrupt(2.2) == []


@given(seed=SEEDS)
def test_whatever_happens_silence_ends_in_listening_or_in_the_agents_hands(seed: int) -> None:
    rng = random.Random(seed)
    floor = ServerFloor(rng.choice(list(TurnMode)))
    steps = [
        floor.sound_started,
        floor.sound_ignored,
        floor.user_started,
        floor.user_stopped,
        floor.server_heard,
        floor.taken,
        floor.typed,
        floor.interrupt,
        floor.agent_turn,
        floor.agent_started,
        floor.agent_finished,
        floor.advance,
    ]
    at = 0.0
    for _ in range(200):
        at += rng.uniform(0.0, 1.0)
        rng.choice(steps)(at)
        undecided = floor.state in (FloorState.USER_SPEAKING, FloorState.AGENT_PAUSED)
        assert floor.wake_at is not None or not undecided or floor.confirmed
    floor.user_stopped(at)
    for _ in range(3):
        floor.advance(at := at + max(HEARD_OUT_S, LONGEST_DOUBT_S))
    assert floor.state not in (FloorState.USER_SPEAKING, FloorState.AGENT_PAUSED)
