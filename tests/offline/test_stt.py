"""The recogniser: people are understood, phrases are safe, nobody's noise is speech, and final words do not wait."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from tests.bench.recognition import READ, asked
from tests.bench.text import edits, words
from tests.sounds import SOUNDS
from tests.voices import flite, need, noisy, padded, trimmed
from voice_agents.audio import EMPTY, Pcm, read_wav, resample
from voice_agents.offline.brain import expectation
from voice_agents.offline.stt import SAMPLE_RATE, Recogniser, Utterance
from voice_agents.offline.stt.listening import Listening
from voice_agents.offline.stt.moonshine import Samples
from voice_agents.offline.stt.spelling import spelled
from voice_agents.turns.backchannel import is_backchannel

PHRASES = (
    "What time is it?",
    "What time is it in Tokyo?",
    "What's twelve times seven?",
    "Convert ten miles to kilometers.",
    "Roll a dice.",
    "Flip a coin.",
    "Set a timer for ten seconds.",
    "My name is Robert.",
    "Take a note: buy milk.",
    "Tell me a story.",
    "Hello!",
    "What can you do?",
)
OTHERS = (
    "The quick brown fox jumps over the lazy dog.",
    "What time did she come home yesterday?",
    "My brother is going to visit us.",
    "The timer on the oven is broken.",
    "Ten miles is a long way to walk in the rain.",
    "Flip the page.",
)
LONG = " ".join(READ[:6])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recogniser() -> AsyncIterator[Recogniser]:
    async with Recogniser(expectation()) as opened:
        yield opened


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def heard(
    recogniser: Recogniser, pcm: Pcm, chunk: int = 960, on_partial: Callable[[str], None] | None = None
) -> str:
    """What is understood of audio that comes in chunks."""
    utterance = recogniser.utterance(on_partial)
    for start in range(0, len(pcm), chunk):
        utterance.feed(pcm[start : start + chunk])
    async with asyncio.timeout(30):
        return await utterance.finish()


@cache
def hum(phones: str, voice: str = "slt") -> Pcm:
    """Phones that have no spelling, in a voice of flite."""
    need("flite")
    path = Path(__file__).with_name(".hum.wav")
    try:
        subprocess.run(["flite", "-voice", voice, "-p", phones, "-o", str(path)], check=True, timeout=60)
        pcm, rate = read_wav(path)
    finally:
        path.unlink(missing_ok=True)
    return trimmed(resample(pcm, rate, SAMPLE_RATE))


def as_pcm(samples: NDArray[np.float64]) -> Pcm:
    return np.clip(samples, -32768, 32767).astype(np.int16)


async def test_phrases_are_acted_on_rightly(recogniser: Recogniser) -> None:
    """In one voice; ``tests.bench.recognition`` counts them in three."""
    texts = [await heard(recogniser, padded(flite(phrase, "rms"))) for phrase in PHRASES]

    wrong = [(said, text) for said, text in zip(PHRASES, texts, strict=True) if asked(said) != asked(text)]
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("slt", "And how much is that in grams?"),
        ("slt", "Count down from ten."),
        ("awb", "Well, count to five then."),
        ("awb", "Sorry, I meant half an hour."),
    ],
)
async def test_unsure_words_give_way_to_a_request(recogniser: Recogniser, voice: str, text: str) -> None:
    assert await heard(recogniser, padded(flite(text, voice))) == text


async def test_other_sentences_are_heard_and_not_taken_for_a_phrase(recogniser: Recogniser) -> None:
    texts = [await heard(recogniser, padded(flite(sentence, "rms"))) for sentence in OTHERS]

    assert [(said, text) for said, text in zip(OTHERS, texts, strict=True) if asked(text)] == []
    said, understood = words(" ".join(OTHERS)), words(" ".join(texts))
    assert edits(said, understood) <= 0.1 * len(said), texts


async def test_a_transcript_is_written_as_sentences_are(recogniser: Recogniser) -> None:
    text = await heard(recogniser, padded(flite("where can i find cheap flights to lisbon in the spring", "rms")))

    assert text == "Where can I find cheap flights to Lisbon in the spring?"


@pytest.mark.parametrize("name", SOUNDS)
async def test_a_sound_without_a_voice_gives_no_words(recogniser: Recogniser, name: str) -> None:
    partials: list[str] = []
    assert await heard(recogniser, padded(SOUNDS[name]), on_partial=partials.append) == ""
    assert partials == []


@pytest.mark.parametrize("word", ["yeah", "okay", "stop", "wait", "hold on", "no"])
async def test_what_listeners_say_is_understood(recogniser: Recogniser, word: str) -> None:
    assert words(await heard(recogniser, padded(flite(word, "awb")))) == words(word)


@pytest.mark.parametrize("phones", ["pau m hh ah m pau", "pau m m pau"])
async def test_hums_are_backchannels(recogniser: Recogniser, phones: str) -> None:
    text = await heard(recogniser, padded(hum(phones)))

    assert text
    assert is_backchannel(text)


HUMS_HZ = (100, 130, 165)


def two_notes(hertz: int, second: float) -> Pcm:
    """An "mm-hmm" with closed lips: its second note is so much higher."""
    notes = []
    for pitch, seconds in ((hertz, 0.22), (hertz * second, 0.32)):
        time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        fade = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.06)
        levels = enumerate((1.0, 0.5, 0.12, 0.06, 0.05), 1)
        notes.append(fade * sum(level * np.sin(2 * np.pi * number * pitch * time) for number, level in levels))
    breath = np.random.default_rng(hertz).normal(0, 0.03, round(0.07 * SAMPLE_RATE))
    return as_pcm(np.concatenate([notes[0], breath, notes[1]]) * 6000)


async def test_a_hum_is_no_word_at_any_pitch_of_a_man_and_wherever_it_begins(recogniser: Recogniser) -> None:
    taken_for_words = {}
    kinds = ((0.9, 0.5), (1.1, 0.513), (0.9, 0.513))
    for hertz, (second, before_s) in zip(HUMS_HZ, kinds, strict=True):
        partials: list[str] = []
        pcm = padded(two_notes(hertz, second), before_s, 0.4)
        text = await heard(recogniser, pcm, on_partial=partials.append)
        if not all(map(is_backchannel, (text, *partials))):
            taken_for_words[hertz, second, before_s] = text, partials
    assert not taken_for_words


@pytest.mark.parametrize("voice", ["slt", "awb"])
async def test_closed_lips_of_a_voice_are_no_word(recogniser: Recogniser, voice: str) -> None:
    for phones in ("pau m m m pau", "pau m m hh m m pau", "pau n n n pau"):
        assert is_backchannel(await heard(recogniser, padded(hum(phones, voice)))), phones


async def test_dark_words_stay_words(recogniser: Recogniser) -> None:
    said = ("wait a minute", "two minutes", "no", "in tokyo", "who made you")
    texts = {text: await heard(recogniser, padded(flite(text, "slt"))) for text in said}
    assert not [text for text in texts.values() if is_backchannel(text)], texts


async def test_dark_words_said_alone_are_no_murmur(recogniser: Recogniser) -> None:
    """Lips and voice are nearly those of a hum; what is understood of so short a word may be another one."""
    said = ("two", "you", "new", "blue", "noon", "do", "no", "one")
    texts = {text: await heard(recogniser, padded(flite(text, "awb"))) for text in said}
    assert not [text for text in texts.values() if not text or is_backchannel(text)], texts


async def test_words_said_alone_are_heard(recogniser: Recogniser) -> None:
    said = ("two", "twelve", "november", "thanks", "orange", "milk", "london")
    texts = {text: await heard(recogniser, padded(flite(text, "kal16"))) for text in said}
    wrong = {text: found for text, found in texts.items() if words(found) != words(text)}
    assert len(wrong) <= 1, wrong
    assert not [found for found in texts.values() if not found or is_backchannel(found)], texts


LIKE_A_VOICE = ("cough", "siren", "whistle", "talking machine")


async def test_where_a_voice_is_doubtful_its_words_decide(recogniser: Recogniser) -> None:
    """Over a telephone, say; a machine that is like a voice says nothing both models hear."""

    def final(pcm: Pcm) -> str:
        assert recogniser._ears is not None
        return recogniser._ears.final((padded(pcm, 0.3, 0.1) / 32768).astype(np.float32), 0.4, doubtful=True)

    assert words(final(flite("eight", "rms"))) == ["eight"]
    assert words(final(flite("what time is it", "rms"))) == words("what time is it")
    assert [name for name in LIKE_A_VOICE if final(SOUNDS[name])] == []


@pytest.mark.parametrize("voice", ["slt", "rms"])
async def test_hums_as_synthetic_voices_spell_them(recogniser: Recogniser, voice: str) -> None:
    for written in ("mm hmm", "hmm"):
        assert is_backchannel(await heard(recogniser, padded(flite(written, voice)))), written


@pytest.mark.parametrize("gain", [0.05, 0.3, 1.5])
async def test_quiet_and_loud_microphones(recogniser: Recogniser, gain: float) -> None:
    speech = as_pcm(padded(flite("set a timer for ten seconds", "rms")).astype(np.float64) * gain)

    assert await heard(recogniser, speech) == "Set a timer for ten seconds."


async def test_a_noisy_room(recogniser: Recogniser) -> None:
    phrases = PHRASES[1:7]
    texts = [await heard(recogniser, noisy(padded(flite(phrase, "rms")), ratio_db=20)) for phrase in phrases]

    wrong = [(said, text) for said, text in zip(phrases, texts, strict=True) if asked(said) != asked(text)]
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize("chunk", [160, 1001, 10**6])
async def test_chunks_may_have_any_length(recogniser: Recogniser, chunk: int) -> None:
    assert await heard(recogniser, padded(flite("tell me a story")), chunk) == "Tell me a story."


async def test_silence_around_speech_changes_nothing(recogniser: Recogniser) -> None:
    for before_s, after_s in [(0.0, 0.0), (0.5, 3.0), (20.0, 0.5)]:
        speech = padded(flite("how many people live in the capital of australia", "rms"), before_s, after_s)
        assert words(await heard(recogniser, speech)) == words("How many people live in the capital of Australia?")


async def test_speech_longer_than_the_models_take_is_heard_to_its_end(recogniser: Recogniser) -> None:
    text = await heard(recogniser, padded(flite(2 * LONG, "rms")))

    said = words(2 * LONG)
    assert edits(said, words(text)) <= 0.15 * len(said), text


async def test_partial_texts_grow_while_the_user_speaks_and_are_never_the_whole_guess(recogniser: Recogniser) -> None:
    partials: list[str] = []
    seen = asyncio.Event()

    def note(text: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        partials.append(text)
        if len(text.split()) >= 5:
            seen.set()

    speech = padded(flite("what is the difference between a crocodile and an alligator", "rms"), 0.3, 0.0)
    utterance = recogniser.utterance(note)
    async with asyncio.timeout(20):
        for start in range(0, len(speech), SAMPLE_RATE // 5):
            before = len(partials)
            utterance.feed(speech[start : start + SAMPLE_RATE // 5])
            while utterance.looking:  # noqa: ASYNC110 - it belongs to a thread, which offers no event
                await asyncio.sleep(0.005)
            assert len(partials) - before <= 1
        assert seen.is_set()  # before the end is known
        assert utterance.partial == partials[-1]
        assert words(await utterance.finish())[:4] == ["what", "is", "the", "difference"]
    assert len(set(partials)) >= 2
    assert partials[0].startswith("What")


async def test_an_utterance_without_audio(recogniser: Recogniser) -> None:
    utterance = recogniser.utterance()
    utterance.feed(EMPTY)

    async with asyncio.timeout(5):
        assert await utterance.finish() == ""
        assert await utterance.finish() == ""
    utterance.feed(flite("hello"))
    assert utterance.partial == ""


async def test_cancelling(recogniser: Recogniser) -> None:
    utterance = recogniser.utterance()
    utterance.feed(padded(flite("the quick brown fox jumps over the lazy dog")))
    waiting = asyncio.create_task(utterance.finish())
    await asyncio.sleep(0)
    utterance.cancel()

    async with asyncio.timeout(5):
        assert await waiting == ""
    assert await heard(recogniser, padded(flite("tell me a joke"))) == "Tell me a joke."


async def test_a_waiting_task_that_is_cancelled_cancels_its_utterance(recogniser: Recogniser) -> None:
    utterance = recogniser.utterance()
    utterance.feed(padded(flite("the quick brown fox jumps over the lazy dog")))
    waiting = asyncio.create_task(utterance.finish())
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5):
        assert await utterance.finish() == ""


async def test_several_utterances_at_once(recogniser: Recogniser) -> None:
    texts = ("Tell me a story.", "What can you do?", "Flip a coin.", "Tell me a joke.", "Count to twenty.")

    heard_texts = await asyncio.gather(*(heard(recogniser, padded(flite(text, "rms"))) for text in texts))

    assert tuple(heard_texts) == texts


async def test_leaving_ends_every_thread_and_every_utterance() -> None:
    before = set(threading.enumerate())
    async with Recogniser() as opened:
        utterance = opened.utterance()
        utterance.feed(padded(flite("the quick brown fox jumps over the lazy dog")))
        waiting = asyncio.create_task(utterance.finish())
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await waiting == ""
    left = {thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")}
    assert left == set()
    with pytest.raises(RuntimeError, match="async with"):
        opened.utterance()


async def test_what_goes_wrong_in_a_model_is_raised(recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ArithmeticError("the model is broken")

    monkeypatch.setattr(recogniser._ears, "final", broken)
    with pytest.raises(ArithmeticError, match="broken"):
        await heard(recogniser, padded(flite("tell me a joke")))
    monkeypatch.undo()
    assert isinstance(recogniser.utterance(), Utterance)


@pytest.mark.parametrize(
    ("heard_as", "written"),
    [
        ("Which train goes to the city centre?", "Which train goes to the city center?"),
        ("Colours are my favourite,", "Colors are my favorite."),
        ("They said good-bye", "They said goodbye."),
    ],
)
async def test_words_are_spelled_in_one_way(heard_as: str, written: str) -> None:
    assert spelled(heard_as) == written


async def test_what_is_recognised_does_not_depend_on_when_the_recogniser_looks() -> None:
    """On a busy machine the pass of a pause begins late, when more of the silence is there."""
    early, late = Listening(), Listening()
    speech = padded(flite("set a timer for ten seconds", "awb"), 0.5, 0.0)
    early.feed(speech)
    while not early.pausing:
        early.feed(np.zeros(320, np.int16))
    late.feed(padded(speech, 0.0, 1.0))
    assert late.pausing

    assert early.last.voiced_s == late.last.voiced_s
    assert np.array_equal(early.sound(early.last), late.sound(late.last))


async def settled(utterance: Utterance) -> None:
    """Until all that was fed has been taken in, and what was begun because of it is done."""
    async with asyncio.timeout(30):
        while utterance.looking or not all(result.words.done() for result in utterance._results.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_the_pass_begun_in_a_pause_is_the_final_one_if_nobody_speaks_after_it(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears, passes = recogniser._ears, list[float]()
    assert ears is not None
    final = ears.final

    def counted(sound: Samples, voiced_s: float, *, doubtful: bool) -> str:
        passes.append(voiced_s)
        return final(sound, voiced_s, doubtful=doubtful)

    monkeypatch.setattr(ears, "final", counted)
    speech = flite("how many people live in the capital of australia", "rms")

    utterance = recogniser.utterance()
    for start in range(0, len(speech), 960):
        utterance.feed(speech[start : start + 960])
    utterance.feed(padded(EMPTY, 0.3, 0.0))
    await settled(utterance)
    begun = len(passes)
    assert begun >= 1
    assert words(await utterance.finish()) == words("How many people live in the capital of Australia?")
    assert len(passes) == begun

    utterance = recogniser.utterance()
    utterance.feed(padded(speech, 0.3, 0.3))
    await settled(utterance)
    begun = len(passes)
    utterance.feed(flite("and how many in the whole country", "rms"))
    text = words(await utterance.finish())
    assert len(passes) > begun
    assert text[-3:] == ["the", "whole", "country"]
