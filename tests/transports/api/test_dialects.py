"""When a client is told that a turn is over: once for every turn, in order, and once for an ``end`` without words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from voice_agents.audio import from_bytes
from voice_agents.errors import NOTHING_HEARD, Role
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    AgentDucked,
    AgentPaused,
    AgentResumed,
    AgentText,
    Event,
    Interrupted,
    Notice,
    ProviderReplaced,
    SpeechEnded,
    Status,
    StatusChanged,
    TurnDone,
    UserTranscript,
)
from voice_agents.transports.api.dialects import BinaryDialect, Dialect, RealtimeDialect, SandwichDialect
from voice_agents.turns.latency import TurnLatency

KINDS = pytest.mark.parametrize(
    ("make", "over"),
    [(lambda: SandwichDialect(16_000, hands_free=False), "complete"), (lambda: RealtimeDialect(16_000), "done")],
)


def asked(turn: int) -> Event:
    return UserTranscript(turn=turn, at=0, text=f"question {turn}", final=True)


def text(turn: int) -> Event:
    return AgentText(turn=turn, at=0, text=f"answer {turn}")


def sound(turn: int) -> Event:
    return AgentAudio(turn=turn, at=0, pcm=np.ones(480, np.int16), position=0, epoch=0)


def cut(turn: int) -> Event:
    return Interrupted(turn=turn, at=0, heard_text="answer")


def stored(turn: int) -> Event:
    return TurnDone(turn=turn, at=0, heard_text="answer", latency=TurnLatency())


def listening(turn: int) -> Event:
    return StatusChanged(turn=turn, at=0, status=Status.LISTENING)


NOTHING = Notice(turn=0, at=0, level="info", text=NOTHING_HEARD)


def tell(dialect: Dialect, *events: Event) -> list[str]:
    """The types of what a client is told."""
    return [str(message["type"]) for event in events for message in dialect.tell(event) if isinstance(message, dict)]


@KINDS
def test_an_answer_played_to_its_end_is_over_when_it_is_stored_and_once(make: Callable[[], Dialect], over: str) -> None:
    dialect = make()
    assert over not in tell(dialect, asked(1), text(1), sound(1), listening(1))
    assert tell(dialect, stored(1)) == [over]
    assert tell(dialect, listening(1), stored(1)) == []


@KINDS
def test_an_answer_that_is_stored_late_is_over_before_anything_of_the_next_turn(
    make: Callable[[], Dialect], over: str
) -> None:
    dialect = make()
    tell(dialect, asked(1), text(1), listening(1))
    assert tell(dialect, asked(2))[0] == over
    assert tell(dialect, text(2), stored(1), sound(2), listening(2)).count(over) == 0
    assert tell(dialect, stored(2)) == [over]


@KINDS
def test_a_cut_answer_is_over_before_anything_of_the_next(make: Callable[[], Dialect], over: str) -> None:
    told = tell(make(), asked(1), text(1), cut(1), asked(2), stored(1), text(2), sound(2), listening(2), stored(2))
    assert told.count(over) == 2
    assert told[told.index("interrupted") + 1] == over
    assert told[-1] == over


@KINDS
def test_what_is_stored_late_does_not_end_the_next_turn(make: Callable[[], Dialect], over: str) -> None:
    dialect = make()
    tell(dialect, asked(1), text(1), cut(1), asked(2), text(2))
    assert tell(dialect, stored(1)) == []
    assert dialect.ends.open
    assert tell(dialect, listening(2), stored(2)) == [over]


@KINDS
def test_what_comes_late_of_a_turn_that_is_over_does_not_open_it_again(make: Callable[[], Dialect], over: str) -> None:
    dialect = make()
    tell(dialect, asked(1), text(1), cut(1))
    assert over not in tell(dialect, text(1), sound(1), listening(1), stored(1))
    assert not dialect.ends.open


@KINDS
def test_an_end_without_words_is_answered_once(make: Callable[[], Dialect], over: str) -> None:
    dialect = make()
    dialect.ends.asked()
    assert tell(dialect, listening(0), NOTHING) == ["notice", over]
    assert tell(dialect, NOTHING) == ["notice"]


@KINDS
def test_every_end_without_words_is_answered_though_they_come_at_once(make: Callable[[], Dialect], over: str) -> None:
    dialect = make()
    for _ in range(3):
        dialect.ends.asked()
    assert tell(dialect, NOTHING, NOTHING) == ["notice", over] * 2
    assert dialect.ends.open
    assert tell(dialect, NOTHING, NOTHING) == ["notice", over, "notice"]
    assert not dialect.ends.open


@KINDS
def test_an_end_whose_words_come_is_answered_with_its_turn(make: Callable[[], Dialect], over: str) -> None:
    dialect = make()
    dialect.ends.asked()
    told = tell(dialect, SpeechEnded(turn=1, at=0, silence_s=0.5), asked(1), text(1), listening(1), stored(1))
    assert told.count(over) == 1
    assert told[-1] == over


@KINDS
def test_a_turn_without_words_is_over_too_if_the_one_before_ends_after_it_began(
    make: Callable[[], Dialect], over: str
) -> None:
    dialect = make()
    tell(dialect, asked(1), text(1), SpeechEnded(turn=2, at=0, silence_s=0.5))
    assert tell(dialect, cut(1)) == ["interrupted", over]
    assert dialect.ends.open, "turn 2 is not over"
    assert tell(dialect, listening(2)) == [over]


def test_a_client_is_told_whose_work_the_offline_provider_does() -> None:
    for dialect in (SandwichDialect(16_000, hands_free=False), RealtimeDialect(16_000), BinaryDialect(16_000)):
        told = [dialect.tell(ProviderReplaced(turn=1, at=0, role=Role.STT, offline=is_so)) for is_so in (True, False)]
        assert told == [[{"type": "provider", "role": "speech-to-text", "offline": is_so}] for is_so in (True, False)]


def spoken(position: int, value: int, turn: int = 1) -> AgentAudio:
    """20 ms of an answer, all samples of one value."""
    return AgentAudio(turn=turn, at=0, pcm=np.full(480, value, np.int16), position=position, epoch=0)


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_a_dip_is_in_what_is_still_to_come_so_that_nobody_takes_it_for_an_interruption(rate: int) -> None:
    dialect = BinaryDialect(rate)
    frames = [dialect.tell(spoken(480 * number, 8000)) for number in range(10)]
    assert dialect.tell(AgentDucked(turn=1, at=0, position=480 * 6 + 100, volume=0.2)) == []
    frames += [dialect.tell(spoken(480 * number, 8000)) for number in range(10, 20)]
    assert dialect.tell(AgentResumed(turn=1, at=0, position=480 * 20)) == []
    frames += [dialect.tell(spoken(480 * number, 8000)) for number in range(20, 30)]
    frames.append(dialect.tell(AgentAudioDone(turn=1, at=0)))
    sound = from_bytes(b"".join(frame for told in frames for frame in told if isinstance(frame, bytes)))
    assert abs(len(sound) - 30 * rate // 50) <= 2, "every sample once"
    piece = rate // 50  # 20 ms, the time of a step
    loud, dip, again = sound[piece : 9 * piece], sound[12 * piece : 19 * piece], sound[22 * piece : 29 * piece]
    assert loud.min() > 7000 and again.min() > 7000
    assert dip.min() > 1500 and dip.max() < 1700


@pytest.mark.parametrize("stop", [AgentPaused(turn=1, at=0, position=480), Interrupted(turn=1, at=0, heard_text="")])
def test_what_comes_after_a_stop_is_as_loud_as_before(stop: Event) -> None:
    dialect = BinaryDialect(24_000)
    dialect.tell(spoken(0, 8000))
    dialect.tell(AgentDucked(turn=1, at=0, position=100, volume=0.2))
    dialect.tell(stop)
    frames = [dialect.tell(spoken(480 * number, 8000)) for number in (1, 2)]
    sound = b"".join(frame for told in frames for frame in told if isinstance(frame, bytes))
    assert np.frombuffer(sound, np.int16)[100:].min() > 7000
