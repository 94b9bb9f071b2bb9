"""A voice that breaks off at any sample: every word is heard once and in order, and none is said to be heard too early.

On virtual time, with voices that say a word in so many samples of one value, which names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stories.clock import play
from voice_agents.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.providers.failover_voice import FailoverSpeech, FailoverVoice
from voice_agents.providers.interfaces import TTS_RATE, ConnectionListener, ConnectionState, SpeechChunk, SpokenWord
from voice_agents.providers.standby import FailoverTimes

WORD = 6000
"""Samples of a word: a quarter of a second."""
PIECES = ("One two three,", "four five.", "Six seven eight nine ten eleven twelve.")
WORDS: list[str] = [*" ".join(PIECES).split()]
BROKEN = ProviderUnavailable(Role.TTS, "First", "First broke off. Please try again.")


@dataclass
class Habits:
    """How a voice fails: from this sample of a stream on."""

    breaks_at: int | None = None
    stalls_at: int | None = None
    chunk: int = 1000
    pace_s: float = 0.0
    """Between two chunks."""
    first_s: float = 0.1


@dataclass
class Voice:
    """Says each word as samples of its place in ``WORDS`` + 1, and ``loud`` more."""

    habits: Habits
    on_connection: ConnectionListener
    loud: int = 0
    streams: list[Speech] = field(default_factory=list)
    open_now: bool = False

    async def __aenter__(self) -> Self:
        self.open_now = True
        self.on_connection(ConnectionState.OPEN, None)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.open_now = False

    def set_voice(self, voice: str) -> None:
        pass

    def open(self) -> Speech:
        self.streams.append(Speech(self.habits, self.loud))
        return self.streams[-1]


class Speech:
    """One stream; words are told with the chunk in which half of them has come."""

    def __init__(self, habits: Habits, loud: int) -> None:
        self.said: list[str] = []
        self._habits = habits
        self._loud = loud
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._over = asyncio.Event()

    def send(self, text: str) -> None:
        self.said += text.split()
        self._pieces.put_nowait(text)

    def finish(self) -> None:
        self._pieces.put_nowait(None)

    def cancel(self) -> None:
        self._over.set()
        self._pieces.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        position, told, words = 0, 0, list[str]()
        while (piece := await self._pieces.get()) is not None and not self._over.is_set():
            words += piece.split()
            await asyncio.sleep(self._habits.first_s)
            while position < len(words) * WORD:
                await self._fail(position)
                if self._over.is_set():
                    return
                end = min(len(words) * WORD, self._until(position))
                pcm = np.array(
                    [WORDS.index(words[at // WORD]) + 1 + self._loud for at in range(position, end)], np.int16
                )
                position = end
                due = [n for n in range(told, len(words)) if n * WORD + WORD // 2 <= position]
                told += len(due)
                yield SpeechChunk(pcm, tuple(SpokenWord(words[n], n * WORD, (n + 1) * WORD) for n in due))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._habits.pace_s):
                        await self._over.wait()
        await self._fail(position)

    def _until(self, position: int) -> int:
        limits = [at for at in (self._habits.breaks_at, self._habits.stalls_at) if at is not None and at > position]
        return min([position + self._habits.chunk, *limits])

    async def _fail(self, position: int) -> None:
        if position == self._habits.breaks_at:
            raise BROKEN
        if position == self._habits.stalls_at:
            await self._over.wait()


@dataclass
class House:
    first: Habits = field(default_factory=Habits)
    second: Habits = field(default_factory=Habits)
    told: list[tuple[ConnectionState, ProviderError | None]] = field(default_factory=list)
    voices: list[Voice] = field(default_factory=list)
    stand_in: bool = True

    def voice(self) -> FailoverVoice:
        def first(listener: ConnectionListener) -> Voice:
            self.voices.append(Voice(self.first, listener))
            return self.voices[-1]

        def second(listener: ConnectionListener) -> Voice:
            return Voice(self.second, listener, loud=1000)

        return FailoverVoice(
            first,
            lambda: second if self.stand_in else None,
            name="First",
            meanwhile="The other one speaks.",
            on_connection=lambda state, error: self.told.append((state, error)),
        )

    @property
    def replaced(self) -> list[str]:
        return [str(error) for state, error in self.told if state is ConnectionState.REPLACED]


@dataclass
class Heard:
    sound: list[int] = field(default_factory=list)
    words: list[SpokenWord] = field(default_factory=list)
    waited_s: float = 0.0
    """The longest silence of a listener."""

    async def listen(self, speech: FailoverSpeech) -> None:
        clock = asyncio.get_running_loop().time
        plays_until = clock()
        async for chunk in speech:
            self.waited_s = max(self.waited_s, clock() - plays_until)
            plays_until = max(plays_until, clock()) + len(chunk.pcm) / TTS_RATE
            self.sound += chunk.pcm.tolist()
            self.words += chunk.words
            assert all(word.start <= len(self.sound) for word in chunk.words)


async def say(voice: FailoverVoice, pause_s: float = 0.0) -> Heard:
    heard, speech = Heard(), voice.open()
    listening = asyncio.create_task(heard.listen(speech))
    for piece in PIECES:
        speech.send(piece)
        await asyncio.sleep(pause_s)
    speech.finish()
    await listening
    return heard


def assert_whole(heard: Heard) -> None:
    assert [word.text for word in heard.words] == WORDS
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    for word in heard.words:
        middle = heard.sound[(word.start + word.end) // 2 - 1]
        assert middle % 1000 == WORDS.index(word.text) + 1, "it sounds where it is said to sound"


@given(
    at=st.integers(0, len(WORDS) * WORD - WORD // 2 - 1),
    chunk=st.sampled_from([500, 1000, 4000, 12_000]),
    pause_s=st.sampled_from([0.0, 0.3, 2.0]),
    stalls=st.booleans(),
)
def test_wherever_it_breaks_off_the_other_one_goes_on_from_that_word(
    at: int, chunk: int, pause_s: float, stalls: bool
) -> None:
    house = House(Habits(stalls_at=at, chunk=chunk) if stalls else Habits(breaks_at=at, chunk=chunk))

    async def story() -> Heard:
        async with house.voice() as voice:
            return await say(voice, pause_s)

    heard = play(story())
    assert_whole(heard)
    assert max(heard.sound) > 1000, "the other one has spoken"
    assert len(house.replaced) == 1
    assert heard.waited_s <= max(FailoverTimes().silent_s, pause_s) + 0.5


@pytest.mark.parametrize("pace_s", [0.5, 2.0])
def test_one_that_drips_is_given_up_before_the_listener_has_waited_long(pace_s: float) -> None:
    house = House(Habits(pace_s=pace_s))

    async def story() -> Heard:
        async with house.voice() as voice:
            return await say(voice)

    heard = play(story())
    assert_whole(heard)
    assert max(heard.sound) > 1000
    assert heard.waited_s <= FailoverTimes().silent_s + 0.3


def test_one_that_is_a_little_slow_is_not_given_up() -> None:
    house = House(Habits(first_s=0.45, chunk=2400, pace_s=0.08))

    async def story() -> Heard:
        async with house.voice() as voice:
            return await say(voice, 1.0)

    heard = play(story())
    assert_whole(heard)
    assert max(heard.sound) < 1000 and house.replaced == []


def test_the_other_one_may_take_its_time_for_a_long_answer() -> None:
    """It was cut off a second after it had begun: its words were not counted."""
    house = House(Habits(breaks_at=0), Habits(pace_s=0.3))

    async def story() -> list[Heard]:
        async with house.voice() as voice:
            return [await say(voice, 0.2), await say(voice, 0.2)]

    for heard in play(story()):
        assert_whole(heard)


def test_where_there_is_no_other_one_the_error_is_the_voices() -> None:
    house = House(Habits(breaks_at=7000), stand_in=False)

    async def story() -> None:
        async with house.voice() as voice:
            with pytest.raises(ProviderUnavailable, match="First broke off"):
                await say(voice)

    play(story())
    assert house.replaced == []


def test_it_is_tried_less_and_less_often_and_speaks_again_when_it_can() -> None:
    house = House(Habits(breaks_at=0))
    tried: list[int] = []

    async def story() -> Heard:
        async with house.voice() as voice:
            await say(voice)
            await asyncio.sleep(60.0)
            tried.append(len(house.voices) - 1)
            await asyncio.sleep(600.0)
            tried.append(len(house.voices) - 1)
            house.first.breaks_at = None
            await asyncio.sleep(61.0 + 20.0)
            assert sum(voice.open_now for voice in house.voices) == 1
            return await say(voice)

    heard = play(story())
    assert tried[0] in (5, 6) and tried[1] <= tried[0] + 11
    assert max(heard.sound) < 1000
    assert len(house.replaced) == 1
    assert house.told[-1] == (ConnectionState.OPEN, None)


def test_a_stall_says_so_and_holds_no_advice_for_the_user() -> None:
    house = House(Habits(stalls_at=3000))

    async def story() -> None:
        async with house.voice() as voice:
            await say(voice)

    play(story())
    [(_, error)] = [one for one in house.told if one[0] is ConnectionState.REPLACED]
    assert isinstance(error, ProviderTimeout)
    assert str(error) == "First stopped speaking before the answer was over. The other one speaks."


def test_the_advice_of_an_error_that_is_mended_is_left_out() -> None:
    house = House(Habits(breaks_at=3000))

    async def story() -> None:
        async with house.voice() as voice:
            await say(voice)

    play(story())
    assert house.replaced == ["First broke off. The other one speaks."]
