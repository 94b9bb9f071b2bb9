"""Who has the floor where a server takes the turns."""

from __future__ import annotations

import random

from hypothesis import given

from tests.chance import SEEDS
from voice_agents.settings import Interruptions, TurnMode
from voice_agents.turns.floor import UNDECIDED, FloorAction, FloorState
from voice_agents.turns.server_floor import (
    DECIDE_S,
    HEARD_OUT_S,
    LONG_VOICE_S,
    LONGEST_DOUBT_S,
    NOTICED_S,
    SURE_S,
    WORDS_S,
    ServerFloor,
)

DUCK, PAUSE, RESUME, CANCEL = FloorAction.DUCK, FloorAction.PAUSE, FloorAction.RESUME, FloorAction.CANCEL
MERGE, TAKE_TURN, IGNORE = FloorAction.MERGE, FloorAction.TAKE_TURN, FloorAction.IGNORE


def speaking(mode: TurnMode = TurnMode.AUTOMATIC) -> ServerFloor:
    """The agent is heard answering the user."""
    floor = ServerFloor(mode)
    floor.taken(0.0)
    floor.agent_started(1.0)
    return floor


def test_a_turn_goes_round() -> None:
    floor = ServerFloor()
    seen = [floor.state]
    for step, actions in (
        (floor.user_started, []),
        (floor.server_heard, []),
        (floor.taken, [TAKE_TURN]),
        (floor.agent_started, []),
        (floor.agent_finished, []),
    ):
        assert step(1.0) == actions
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


def murmuring() -> ServerFloor:
    """A voice of 0.2 s that the server has heard, too, and has taken for a turn."""
    floor = speaking()
    assert floor.user_started(5.1, 5.0) == [DUCK]
    assert floor.server_heard(5.2) == []
    floor.user_stopped(5.2)
    assert floor.taken(5.7) == []
    assert floor.asking and floor.state is FloorState.AGENT_DUCKED
    return floor


def test_a_voice_that_goes_on_silences_the_agent_and_after_long_has_the_floor() -> None:
    floor = speaking()
    floor.user_started(5.1, 5.0)
    floor.server_heard(5.2)
    assert floor.voice_goes_on(5.2, 5.22) == []
    assert floor.voice_goes_on(5.28, 5.3) == [PAUSE]
    assert floor.advance(5.0 + LONG_VOICE_S) == [CANCEL]
    assert floor.state is FloorState.USER_SPEAKING and floor.confirmed
    assert floor.taken(8.0) == [TAKE_TURN]


def test_what_the_server_takes_while_the_agent_speaks_depends_on_its_words() -> None:
    assert murmuring().words("mm-hmm", 6.0, final=True) == [RESUME]
    assert murmuring().words("", 6.0, final=True) == [RESUME]
    assert murmuring().words("stop", 6.0, final=True) == [CANCEL, TAKE_TURN]
    assert murmuring().words("okay", 6.0, final=True, answers=True) == [CANCEL, TAKE_TURN]
    assert murmuring().advance(5.7 + WORDS_S) == [CANCEL, TAKE_TURN], "nobody says that it was nothing"


def test_one_word_that_hardly_anybody_interrupts_with_is_none_of_a_voice_that_sounds_like_a_murmur() -> None:
    def sounding(odds: float) -> ServerFloor:
        floor = speaking()
        floor.user_started(5.1, 5.0)
        floor.server_heard(5.2)
        floor.voice_faded(5.3, odds=lambda: odds)
        floor.user_stopped(5.2)
        floor.taken(5.7)
        return floor

    assert sounding(-2.0).words("Bye.", 6.0, final=True) == [RESUME]
    assert sounding(-2.0).words("No.", 6.0, final=True) == [CANCEL, TAKE_TURN]
    assert sounding(-2.0).words("Bye for now.", 6.0, final=True) == [CANCEL, TAKE_TURN]
    assert sounding(-2.0).words("Bye.", 6.0, final=True, answers=True) == [CANCEL, TAKE_TURN]
    assert sounding(-0.5).words("Bye.", 6.0, final=True) == [CANCEL, TAKE_TURN]
    assert sounding(1.0).state is FloorState.AGENT_PAUSED


def test_words_decide_before_the_turn_is_taken_where_the_server_writes_so_early() -> None:
    floor = speaking()
    floor.user_started(5.1, 5.0)
    assert floor.words("mm", 5.2, final=False) == []
    assert floor.words("mm what", 5.3, final=False) == [CANCEL]
    assert floor.confirmed


def test_a_murmur_to_an_answer_that_has_ended_meanwhile_is_no_turn() -> None:
    floor = murmuring()
    floor.agent_finished(5.8)
    assert floor.words("yeah", 6.0, final=True) == [RESUME]
    assert floor.state is FloorState.LISTENING


def test_words_that_come_after_the_agent_went_on_still_count() -> None:
    floor = speaking()
    floor.user_started(5.1, 5.0)
    floor.server_heard(5.2)
    floor.user_stopped(5.3)
    assert floor.advance(5.3 + NOTICED_S) == [RESUME]
    assert floor.taken(8.0) == []
    assert floor.words("mm-hmm", 8.2, final=True) == [IGNORE]
    floor.taken(9.0)
    assert floor.words("please stop", 9.2, final=True) == [CANCEL, TAKE_TURN]


def test_a_server_that_breaks_its_answer_off_has_been_interrupted() -> None:
    floor = speaking()
    floor.user_started(5.1, 5.0)
    assert floor.server_stopped_agent(5.2) == [CANCEL]


def test_a_server_that_stays_silent_lets_the_agent_go_on() -> None:
    floor = speaking()
    floor.user_started(5.0)
    assert floor.voice_goes_on(5.28, 5.3) == [PAUSE]
    floor.user_stopped(5.4)
    assert floor.wake_at == 5.4 + DECIDE_S
    assert floor.advance(5.4 + DECIDE_S / 2) == []
    assert floor.advance(5.4 + DECIDE_S) == [RESUME]
    assert floor.state is FloorState.AGENT_SPEAKING


def test_a_sudden_sound_makes_the_agent_quieter_until_it_is_known_to_be_nothing() -> None:
    floor = speaking()
    assert floor.sound_started(5.0) == [DUCK]
    assert floor.sound_ignored(5.2) == [RESUME]
    assert floor.state is FloorState.AGENT_SPEAKING and floor.wake_at is None


def test_where_any_sound_silences_the_agent_it_is_paused_at_once() -> None:
    floor = speaking()
    floor.interruptions = Interruptions.SENSITIVE
    assert floor.sound_started(5.0) == [PAUSE]


def test_a_sudden_sound_that_is_a_voice_waits_for_the_server() -> None:
    floor = speaking()
    floor.sound_started(5.0)
    assert floor.user_started(5.1) == floor.sound_ignored(5.2) == []
    assert floor.voice_goes_on(5.38, 5.4) == [PAUSE]
    assert floor.wake_at == 5.0 + LONGEST_DOUBT_S


def test_sounds_that_come_and_go_hold_the_agent_only_so_long_and_then_only_the_server_stops_it() -> None:
    floor, at = speaking(), 5.0
    actions = floor.user_started(at)
    while at < 5.0 + LONGEST_DOUBT_S:
        at += 0.3
        actions += floor.advance(at)
        actions += floor.voice_goes_on(at, at) if floor._voice else []
        actions += floor.user_stopped(at) if floor._voice else floor.user_started(at)
    assert actions == [DUCK, PAUSE, RESUME]
    assert floor.user_started(9.0) == floor.sound_started(9.0) == []
    assert floor.server_heard(9.1) == [DUCK]
    assert floor.words("stop it", 9.2, final=False) == [CANCEL]
    floor.taken(9.5)
    floor.agent_started(10.0)
    assert floor.sound_started(11.0) == [DUCK]


def test_before_anything_was_heard_the_user_goes_on_with_the_turn() -> None:
    floor = ServerFloor()
    floor.taken(0.0)
    assert floor.user_started(0.1) == [PAUSE]
    assert floor.server_heard(0.2) == [MERGE]
    assert floor.taken(1.0) == [TAKE_TURN]
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


def test_a_turn_that_the_user_ends_cuts_the_answer() -> None:
    assert speaking().taken(2.0, certain=True) == [CANCEL, TAKE_TURN]


def test_push_to_talk_decides_by_the_length_of_the_sound() -> None:
    floor = speaking(TurnMode.PUSH_TO_TALK)
    floor.user_started(5.0)
    floor.user_stopped(5.2)
    assert floor.advance(5.2 + DECIDE_S) == [FloorAction.RESUME]
    floor.user_started(7.0)
    assert floor.voice_goes_on(7.28, 7.3) == [PAUSE]
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
    floor.interruptions = rng.choice(list(Interruptions))
    steps = [
        floor.sound_started,
        floor.sound_ignored,
        lambda at: floor.voice_goes_on(at, at),
        floor.user_started,
        floor.user_stopped,
        floor.server_heard,
        floor.server_stopped_agent,
        floor.taken,
        lambda at: floor.words(rng.choice(["", "yeah", "no"]), at, final=rng.random() < 0.5),
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
        undecided = floor.state in (FloorState.USER_SPEAKING, *UNDECIDED)
        assert floor.wake_at is not None or not undecided or floor.confirmed
    floor.user_stopped(at)
    for _ in range(4):
        floor.advance(at := at + max(HEARD_OUT_S, LONGEST_DOUBT_S))
    assert floor.state not in (FloorState.USER_SPEAKING, *UNDECIDED)
