"""Who may speak, told as short scenes; ``at`` is the session clock in seconds."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given

from tests.chance import SEEDS
from voice_agents.settings import Interruptions
from voice_agents.turns.backchannel import is_backchannel
from voice_agents.turns.floor import LOOKS, UNDECIDED, FloorAction, FloorState
from voice_agents.turns.words_floor import WordsFloor

DUCK, PAUSE, RESUME, CANCEL = FloorAction.DUCK, FloorAction.PAUSE, FloorAction.RESUME, FloorAction.CANCEL
MERGE, PROBE, TAKE_TURN = FloorAction.MERGE, FloorAction.PROBE, FloorAction.TAKE_TURN


def new_floor(interruptions: Interruptions = Interruptions.SENSITIVE) -> WordsFloor:
    """Most scenes are about what a sound turns out to be, not about how the agent gives way to it."""
    floor = WordsFloor()
    floor.interruptions = interruptions
    return floor


def listening(interruptions: Interruptions = Interruptions.SENSITIVE) -> WordsFloor:
    """A floor whose echo cancellation has settled: the agent has spoken for ten seconds before."""
    floor = new_floor(interruptions)
    floor.agent_turn(0.0)
    floor.agent_started(0.0)
    floor.agent_finished(10.0)
    return floor


def thinking(interruptions: Interruptions = Interruptions.SENSITIVE) -> WordsFloor:
    floor = listening(interruptions)
    floor.user_started(17.0)
    floor.user_stopped(18.0)
    assert floor.turn_ended(18.5) == [TAKE_TURN]
    return floor


def speaking(interruptions: Interruptions = Interruptions.SENSITIVE) -> WordsFloor:
    floor = thinking(interruptions)
    floor.agent_started(19.0)
    return floor


def paused() -> WordsFloor:
    """The user made a sound from 20.0 to 20.3 while the agent spoke."""
    floor = speaking()
    assert floor.user_started(20.0) == [PAUSE]
    floor.user_stopped(20.3)
    return floor


def test_a_turn_goes_round() -> None:
    floor = new_floor()
    states = [floor.state]
    for call, actions in (
        (floor.user_started, []),
        (floor.user_stopped, []),
        (floor.turn_ended, [TAKE_TURN]),
        (floor.agent_started, []),
        (floor.agent_finished, []),
    ):
        assert call(1.0) == actions
        states.append(floor.state)
    assert states == [
        FloorState.LISTENING,
        FloorState.USER_SPEAKING,
        FloorState.USER_SPEAKING,
        FloorState.THINKING,
        FloorState.AGENT_SPEAKING,
        FloorState.LISTENING,
    ]


def test_words_cancel_as_soon_as_they_are_recognised() -> None:
    floor = speaking()
    assert floor.user_started(20.0) == [PAUSE]
    assert floor.words("uh", 20.2) == []
    assert floor.words("uh stop", 20.4) == [CANCEL]
    assert floor.state is FloorState.USER_SPEAKING
    floor.user_stopped(20.6)
    assert floor.turn_ended(21.1) == [TAKE_TURN]


@pytest.mark.parametrize("answer", ["", "Mm-hmm.", "yeah, okay", "(coughs)"])
def test_a_sound_without_words_lets_the_agent_go_on(answer: str) -> None:
    floor = paused()
    assert floor.wake_at == pytest.approx(20.55)
    assert floor.advance(20.5) == []
    assert floor.advance(20.55) == [PROBE]
    assert floor.advance(20.6) == []
    assert floor.probed(answer, 20.7) == [RESUME]
    assert floor.state is FloorState.AGENT_SPEAKING
    assert floor.wake_at is None


def test_a_sudden_sound_stops_the_agent_until_it_is_known_to_be_nothing() -> None:
    floor = speaking()
    assert floor.sound_started(20.0) == [PAUSE]
    assert floor.wake_at is None
    assert floor.advance(30.0) == []
    assert floor.sound_ignored(30.0) == [RESUME]
    assert floor.state is FloorState.AGENT_SPEAKING


def test_a_sudden_sound_that_is_a_voice_is_settled_like_any_voice() -> None:
    floor = speaking()
    floor.sound_started(20.0)
    assert floor.user_started(20.1) == []
    assert floor.sound_ignored(20.2) == []
    floor.user_stopped(20.4)
    assert floor.advance(20.65) == [PROBE]
    assert floor.probed("stop", 20.7) == [CANCEL]
    assert floor.state is FloorState.USER_SPEAKING


def false_alarms(number: int, answer: str = "") -> tuple[WordsFloor, list[FloorAction]]:
    """So many voices that said nothing, in one long answer; and everything the floor wanted."""
    floor, actions = speaking(), list[FloorAction]()
    for at in range(20, 20 + 2 * number, 2):
        actions += floor.user_started(at)
        actions += floor.user_stopped(at + 0.3)
        actions += floor.advance(at + 0.55)
        actions += floor.probed(answer, at + 0.7)
    return floor, actions


def test_after_some_voices_that_said_nothing_only_words_stop_the_agent() -> None:
    floor, actions = false_alarms(3)
    assert actions == 3 * [PAUSE, PROBE, RESUME]
    assert floor.user_started(30.0) == floor.sound_started(30.0) == []
    assert floor.words("uh", 30.2) == []
    assert floor.words("please stop", 30.4) == [CANCEL]
    assert floor.state is FloorState.USER_SPEAKING


def test_words_that_only_the_commit_brings_stop_it_too_and_are_answered() -> None:
    for words, then in (("please stop", [CANCEL, TAKE_TURN]), ("", [FloorAction.IGNORE])):
        floor, _ = false_alarms(3)
        floor.user_started(30.0)
        floor.user_stopped(30.8)
        assert floor.turn_ended(31.3) == [PROBE]
        assert floor.probed(words, 31.4) == then


def test_a_listener_who_says_mm_hmm_is_no_false_alarm() -> None:
    floor, actions = false_alarms(6, "mm-hmm")
    assert actions == 6 * [PAUSE, PROBE, RESUME]
    assert floor.user_started(40.0) == [PAUSE]


def test_every_turn_of_the_agent_forgives_one_false_alarm_and_a_real_interruption_all() -> None:
    floor, _ = false_alarms(3)
    floor.agent_finished(30.0)
    floor.user_started(31.0)
    floor.user_stopped(32.0)
    assert floor.turn_ended(32.5) == [TAKE_TURN]
    assert floor.user_started(32.6) == [PAUSE]  # while it thinks there is no echo
    floor.interrupt(32.7)
    floor.typed(33.0)
    floor.agent_started(33.5)
    assert floor.user_started(34.0) == [PAUSE]
    assert floor.words("stop it", 34.5) == [CANCEL]
    assert floor._false_alarms == 0


def test_a_sudden_sound_matters_only_while_the_agent_speaks() -> None:
    for floor in (listening(), thinking(), paused()):
        state = floor.state
        assert floor.sound_started(20.4) == floor.sound_ignored(20.5) == []
        assert floor.state is state


def test_an_answer_that_ends_while_a_sound_holds_it_leaves_nobody_speaking() -> None:
    floor = speaking()
    floor.sound_started(20.0)
    assert floor.agent_finished(20.1) == []
    assert floor.state is FloorState.LISTENING


def test_words_in_the_probe_cancel_and_the_turn_is_taken_when_the_silence_is_long_enough() -> None:
    floor = paused()
    floor.advance(20.55)
    assert floor.probed("no", 20.7) == [CANCEL]
    assert floor.state is FloorState.USER_SPEAKING
    assert floor.turn_ended(20.8) == [TAKE_TURN]


def test_words_after_the_end_of_the_turn_are_answered_at_once() -> None:
    floor = paused()
    floor.advance(20.55)
    assert floor.turn_ended(20.8) == []
    assert floor.probed("what about Paris", 20.9) == [CANCEL, TAKE_TURN]
    assert floor.state is FloorState.THINKING


def test_an_unanswered_probe_does_not_keep_the_agent_silent() -> None:
    floor = paused()
    floor.advance(20.55)
    assert floor.wake_at == pytest.approx(21.5)
    assert floor.advance(21.49) == []
    assert floor.advance(21.5) == [RESUME]


def test_words_that_come_after_the_agent_went_on_still_count() -> None:
    floor = paused()
    floor.advance(20.55)
    floor.advance(21.5)
    assert floor.probed("stop", 22.0) == [CANCEL, TAKE_TURN]


def test_words_that_come_after_the_agent_has_finished_are_a_turn() -> None:
    floor = paused()
    floor.advance(20.55)
    floor.advance(21.5)
    floor.agent_finished(21.6)
    assert floor.probed("and in Rome", 22.0) == [TAKE_TURN]
    assert floor.state is FloorState.THINKING


def test_the_answer_to_an_older_question_settles_nothing_newer() -> None:
    floor = paused()
    floor.advance(20.55)
    floor.user_started(20.6)
    assert floor.probed("", 20.7) == []
    assert floor.state is FloorState.AGENT_PAUSED
    floor.user_stopped(20.9)
    assert floor.advance(21.15) == [PROBE]
    assert floor.probed("", 21.3) == [RESUME]


def test_a_probe_that_words_overtook_does_not_cancel_their_own_answer() -> None:
    floor = paused()
    floor.advance(20.55)
    assert floor.words("wait", 20.6) == [CANCEL]
    assert floor.turn_ended(20.8) == [TAKE_TURN]
    assert floor.probed("wait", 20.9) == []
    assert floor.state is FloorState.THINKING
    with pytest.raises(RuntimeError):
        floor.probed("wait", 21.0)


def test_who_speaks_long_has_the_floor_even_if_nothing_is_recognised() -> None:
    floor = speaking()
    floor.user_started(20.0)
    assert floor.wake_at == pytest.approx(21.5)
    assert floor.advance(21.5) == [CANCEL]
    assert floor.state is FloorState.USER_SPEAKING


def test_pauses_between_sounds_do_not_count_as_sound() -> None:
    floor = paused()
    floor.user_started(21.0)
    assert floor.wake_at == pytest.approx(22.2)


def test_in_the_agents_first_seconds_only_words_take_the_floor() -> None:
    floor = new_floor()
    floor.typed(0.0)
    floor.agent_started(1.0)
    assert floor.user_started(2.0) == [PAUSE]
    assert floor.advance(3.5) == [PROBE]
    assert floor.probed("", 3.7) == [RESUME]
    floor.user_stopped(3.8)
    floor.user_started(3.9)
    assert floor.words("stop it", 4.0) == [CANCEL]


def test_only_speech_of_the_agent_settles_the_echo_not_time() -> None:
    floor = new_floor()
    floor.typed(0.0)
    floor.agent_started(1.0)
    floor.agent_finished(2.0)
    floor.typed(60.0)
    floor.agent_started(61.0)
    floor.user_started(61.5)
    assert floor.advance(63.0) == [PROBE]


def test_in_the_first_seconds_too_an_unanswered_probe_ends_the_pause() -> None:
    floor = new_floor()
    floor.typed(0.0)
    floor.agent_started(1.0)
    floor.user_started(2.0)
    floor.advance(3.5)
    assert floor.wake_at == pytest.approx(4.7)
    assert floor.advance(4.7) == [RESUME]


def test_more_words_before_the_answer_is_heard_join_the_turn() -> None:
    floor = thinking()
    assert floor.user_started(18.7) == [PAUSE]
    assert floor.words("in Tokyo", 19.0) == [MERGE]
    floor.user_stopped(19.2)
    assert floor.turn_ended(19.7) == [TAKE_TURN]


def test_a_cough_before_the_answer_only_holds_it() -> None:
    floor = thinking()
    floor.user_started(18.7)
    floor.user_stopped(18.9)
    floor.advance(19.15)
    assert floor.probed("", 19.3) == [RESUME]
    assert floor.state is FloorState.THINKING


def test_words_over_an_announcement_have_no_turn_to_join() -> None:
    floor = listening()
    floor.agent_turn(11.0)
    floor.user_started(11.1)
    assert floor.words("hello there", 11.5) == [CANCEL]


@pytest.mark.parametrize("scene", [thinking, speaking, paused])
def test_a_typed_turn_and_the_stop_button_end_the_agents_turn(scene: object) -> None:
    assert callable(scene)
    floor = scene()
    assert floor.typed(30.0) == [CANCEL]
    assert floor.state is FloorState.THINKING
    floor = scene()
    assert floor.interrupt(30.0) == [CANCEL]
    assert floor.state is FloorState.LISTENING
    assert floor.interrupt(31.0) == []


def test_the_stop_button_leaves_the_floor_to_a_user_who_is_speaking() -> None:
    floor = speaking()
    floor.user_started(20.0)
    floor.interrupt(20.1)
    assert floor.state is FloorState.USER_SPEAKING


def test_a_turn_without_words_is_forgotten() -> None:
    floor = thinking()
    floor.nothing_said(19.0)
    assert floor.state is FloorState.LISTENING


def test_what_the_user_said_while_the_agent_failed_is_not_lost() -> None:
    floor = paused()
    floor.agent_finished(20.4)
    assert floor.state is FloorState.USER_SPEAKING
    floor = paused()
    floor.turn_ended(20.8)
    assert floor.agent_finished(20.9) == [TAKE_TURN]


def test_push_to_talk_takes_a_turn_the_detector_missed() -> None:
    assert listening().turn_ended(11.0) == [TAKE_TURN]
    assert speaking().turn_ended(20.0) == []


def test_calls_that_make_no_sense_are_refused() -> None:
    with pytest.raises(RuntimeError, match="LISTENING"):
        WordsFloor().agent_started(0.0)
    with pytest.raises(RuntimeError):
        thinking().agent_turn(19.0)
    with pytest.raises(RuntimeError):
        WordsFloor().agent_finished(0.0)


@pytest.mark.parametrize(
    "text", ["", "Mm-hmm", "uh huh", "Yeah, right.", "I see", "that’s right", "[laughter]", "OK ok"]
)
def test_listening_sounds_are_no_words(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize("text", ["stop", "no", "wait", "hold on", "yes", "right now", "I see a bird", "okay but why"])
def test_words_are_words(text: str) -> None:
    assert not is_backchannel(text)


class RandomDay:
    """Everything that can happen, in any order that can happen."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.floor = new_floor(self.rng.choice(list(Interruptions)))
        self.open_probes = 0
        self.voice = self.sound = False

    def step(self, at: float) -> None:
        """One random event."""
        actions = self.floor.advance(at)
        events = [self.user, self.noise, self.probe, self.agent, self.button, self.words, self.end, self.goes_on]
        actions += self.rng.choice(events)(at)
        self.open_probes += actions.count(PROBE)

    def user(self, at: float) -> list[FloorAction]:
        self.voice = not self.voice
        return self.floor.user_started(at) if self.voice else self.floor.user_stopped(at)

    def noise(self, at: float) -> list[FloorAction]:
        self.sound = not self.sound and not self.voice
        return self.floor.sound_started(at) if self.sound else self.floor.sound_ignored(at)

    def probe(self, at: float) -> list[FloorAction]:
        if not self.open_probes:
            return []
        self.open_probes -= 1
        return self.floor.probed(self.rng.choice(["", "hm", "stop"]), at)

    def agent(self, at: float) -> list[FloorAction]:
        if self.floor.state is FloorState.THINKING:
            return self.floor.agent_started(at)
        if self.floor.state is FloorState.AGENT_SPEAKING and self.rng.random() < 0.3:
            return self.floor.agent_finished(at)
        return []

    def button(self, at: float) -> list[FloorAction]:
        return self.rng.choice([self.floor.typed, self.floor.interrupt])(at) if self.rng.random() < 0.1 else []

    def words(self, at: float) -> list[FloorAction]:
        return self.floor.words(self.rng.choice(["", "uh", "tell me"]), at)

    def goes_on(self, at: float) -> list[FloorAction]:
        return self.floor.voice_goes_on(at, at) if self.voice else []

    def end(self, at: float) -> list[FloorAction]:
        return self.floor.turn_ended(at)


@given(seed=SEEDS)
def test_in_any_order_of_events_the_agent_never_stays_paused_and_no_probe_is_lost(seed: int) -> None:
    day, at = RandomDay(seed), 0.0
    for _ in range(300):
        at += day.rng.random() * 0.3
        day.step(at)
        assert day.floor.wake_at is None or day.floor.state in UNDECIDED
        assert day.floor.wake_at is not None or day.floor.state not in UNDECIDED or day.sound
    day.floor.user_stopped(at)
    day.floor.sound_ignored(at)
    while day.floor.wake_at is not None:
        at = max(at, day.floor.wake_at)
        day.floor.advance(at)
    assert day.floor.state not in UNDECIDED


def ducked(interruptions: Interruptions = Interruptions.NORMAL) -> WordsFloor:
    """A voice began at 20.0, and was noticed at 20.1."""
    floor = speaking(interruptions)
    assert floor.user_started(20.1, 20.0) == [DUCK]
    assert floor.state is FloorState.AGENT_DUCKED
    return floor


def test_a_short_sound_leaves_a_dip_and_no_gap() -> None:
    floor = speaking(Interruptions.NORMAL)
    assert floor.sound_started(20.0) == [DUCK]
    assert floor.wake_at is None
    assert floor.sound_ignored(20.1) == [RESUME]
    assert floor.state is FloorState.AGENT_SPEAKING


def test_a_voice_that_goes_on_silences_the_agent() -> None:
    floor = ducked()
    assert floor.voice_goes_on(20.2, 20.25) == []
    assert floor.voice_goes_on(20.28, 20.3) == [PAUSE]
    assert floor.state is FloorState.AGENT_PAUSED
    floor.user_stopped(20.6)
    assert floor.advance(20.85) == [PROBE]
    assert floor.probed("Mm-hmm.", 20.9) == [RESUME]


def test_a_voice_that_is_over_before_is_asked_about_while_the_agent_goes_on() -> None:
    floor = ducked()
    floor.user_stopped(20.2)
    assert floor.advance(20.3) == []
    assert floor.advance(20.45) == [PROBE]
    assert floor.state is FloorState.AGENT_DUCKED
    assert floor.probed("No!", 20.6) == [CANCEL]


@pytest.mark.parametrize("words", ["stop", "Wait.", "no"])
@pytest.mark.parametrize("interruptions", [Interruptions.NORMAL, Interruptions.WORDS_ONLY])
def test_words_cut_at_once_whether_or_not_the_agent_has_fallen_silent(words: str, interruptions: Interruptions) -> None:
    assert ducked(interruptions).words(words, 20.15) == [CANCEL]


def test_a_murmur_is_given_the_time_it_takes() -> None:
    floor = ducked()
    assert floor.words("Yeah", 20.2) == []
    assert floor.voice_goes_on(20.6, 20.6) == []
    assert floor.voice_goes_on(20.65, 20.65) == [PAUSE], "who goes on after it has something to say"


def test_pauses_of_a_voice_do_not_count_as_voice() -> None:
    floor = ducked()
    floor.user_stopped(20.1)
    floor.user_started(20.4, 20.3)
    assert floor.voice_goes_on(20.41, 20.42) == []
    assert floor.voice_goes_on(20.48, 20.5) == [PAUSE]


def test_where_only_words_count_a_voice_that_goes_on_does_not_silence_the_agent() -> None:
    floor = ducked(Interruptions.WORDS_ONLY)
    assert floor.voice_goes_on(21.0, 21.0) == []
    assert floor.advance(21.5) == [PROBE]
    assert floor.probed("", 21.8) == [RESUME]
    assert floor.words("stop", 22.0) == [CANCEL]


def test_an_answer_that_ends_while_it_gives_way_leaves_the_floor_to_who_speaks() -> None:
    floor = ducked()
    assert floor.agent_finished(20.2) == []
    assert floor.voice_goes_on(20.28, 20.3) == []
    assert floor.state is FloorState.USER_SPEAKING


@pytest.mark.parametrize(("words", "actions"), [("Okay.", [RESUME]), ("Stop!", [CANCEL])])
def test_what_was_said_to_an_answer_that_has_ended_meanwhile_is_found_out(
    words: str, actions: list[FloorAction]
) -> None:
    floor = ducked()
    floor.user_stopped(20.2)
    floor.agent_finished(20.3)
    assert floor.advance(20.45) == [PROBE]
    assert floor.probed(words, 20.6) == actions
    assert floor.state is (FloorState.LISTENING if actions == [RESUME] else FloorState.USER_SPEAKING)


def test_nothing_becomes_quieter_that_is_not_heard_yet() -> None:
    floor = thinking(Interruptions.NORMAL)
    assert floor.user_started(20.0) == [PAUSE]


@pytest.mark.parametrize(("odds", "after_s"), [(2.5, 0.22), (1.7, 0.25), (0.5, 0.31), (0.1, 0.35), (-2.0, 0.65)])
def test_how_a_voice_sounds_says_how_long_it_is_given(odds: float, after_s: float) -> None:
    floor, asked = ducked(), list[float]()

    def judge() -> float:
        asked.append(odds)
        return odds

    after = next(t for t in range(1, 100) if floor.voice_goes_on(20 + t / 100, 20 + t / 100, odds=judge))
    assert after / 100 == after_s
    assert len(asked) <= len(LOOKS), "it is not looked at more often than needed"


def test_what_is_over_silences_the_agent_if_it_sounds_like_a_word() -> None:
    asked = list[float]()

    def judge(odds: float) -> Callable[[], float]:
        def sounds() -> float:
            asked.append(odds)
            return odds

        return sounds

    assert ducked().voice_faded(20.3, odds=judge(1.0)) == [PAUSE]
    assert ducked().voice_faded(20.3, odds=lambda: 0.5, soft=True) == []
    assert ducked(Interruptions.WORDS_ONLY).voice_faded(20.3, odds=judge(1.0)) == []
    floor = ducked()
    assert floor.voice_faded(20.3, odds=judge(-2.0)) == floor.voice_faded(20.32, odds=judge(-2.0)) == []
    assert asked == [1.0, -2.0], "it is asked once"
    floor.user_stopped(20.2)
    floor.user_started(20.5, 20.45)
    assert floor.voice_faded(20.7, odds=judge(1.0)) == [PAUSE], "another word"
    floor.user_stopped(20.6)
    assert floor.advance(20.85) == [PROBE]
    assert floor.probed("Yeah.", 20.9) == [RESUME]


@pytest.mark.parametrize(("so_far", "whole"), [("I", "I see"), ("got", "Got it."), ("that's", "that's right")])
def test_the_beginning_of_a_murmur_of_two_words_decides_nothing(so_far: str, whole: str) -> None:
    floor = ducked()
    assert floor.words(so_far, 20.2) == floor.words(whole, 20.4) == []
    assert floor.words(f"{whole} but why", 20.6) == [CANCEL]
    alone = ducked()
    alone.user_stopped(20.2)
    alone.advance(20.45)
    assert alone.probed(so_far, 20.5) == [CANCEL], "nothing more came"


def test_a_voice_softer_than_the_users_turns_is_given_the_time_of_a_murmur_until_it_is_loud() -> None:
    floor = ducked()
    assert floor.voice_goes_on(20.64, 20.64, soft=True) == []
    assert floor.voice_goes_on(20.65, 20.65, soft=True) == [PAUSE]
    louder = ducked()
    assert louder.voice_goes_on(20.4, 20.4, soft=True) == []
    assert louder.voice_goes_on(20.42, 20.42, soft=False) == [PAUSE]
    assert ducked().words("stop", 20.3) == [CANCEL]
