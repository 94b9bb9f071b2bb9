"""The recogniser: the demo's phrases are understood, nothing else is taken for one, and noise is not speech."""

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

from tests.voices import flite, need, noisy, padded, trimmed
from voice_agents.audio import EMPTY, Pcm, from_bytes, read_wav, resample, rms_dbfs, silence, to_bytes
from voice_agents.errors import ConfigurationError
from voice_agents.offline.stt import SAMPLE_RATE, Recogniser, Utterance
from voice_agents.offline.stt.gate import FRAME_BYTES, Gate
from voice_agents.offline.stt.grammar import Grammar
from voice_agents.offline.stt.noise import Cleaner, noise_of
from voice_agents.turns.backchannel import is_backchannel

GRAMMAR = """#JSGF V1.0;
grammar demo;
// what a small agent understands
<digit> = one | two | three | four | five | six | seven | eight | nine;
<number> = <digit> | ten | eleven | twelve | (twenty | thirty | forty) [<digit>];
<city> = tokyo | london | paris | new york | berlin;
<unit> = miles | kilometers | feet | meters;
<name> = anna | peter | mary | david;
<time> = what time is it [in <city>];
<sum> = what is <number> (times | plus | minus) <number>;
public <phrase> = <time> | <sum> | convert <number> <unit> to <unit> | roll a dice | flip a coin
  | set a timer for <number> (seconds | minutes) | my name is <name> | what is my name
  | remember that the meeting is at noon | tell me a story | hello | goodbye | thank you | what can you do;
"""

PHRASES = [
    "what time is it",
    "what time is it in tokyo",
    "what is twelve times seven",
    "convert ten miles to kilometers",
    "roll a dice",
    "flip a coin",
    "set a timer for ten seconds",
    "my name is anna",
    "remember that the meeting is at noon",
    "tell me a story",
    "hello",
    "what can you do",
]

OTHER = [
    "the quick brown fox jumps over the lazy dog",
    "what time did she come home yesterday",
    "can you help me find a good restaurant",
    "my brother is going to visit us",
    "convert everybody to your way of thinking",
    "remember the days when we were young",
    "what is the meaning of life",
    "set the table for dinner",
    "how do you make a chocolate cake",
    "my dog is called max",
    "what kind of music do you listen to",
    "there is nothing more to say",
    "the stock market fell sharply",
    "open the door",
    "where is my car",
    "play some music",
    "call the doctor",
    "read me the news",
    "why is the sky blue",
    "flip the page",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recogniser() -> AsyncIterator[Recogniser]:
    async with Recogniser(GRAMMAR) as opened:
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
def hum(phones: str) -> Pcm:
    """Phones that have no spelling, in flite's voice slt."""
    need("flite")
    path = Path(__file__).with_name(".hum.wav")
    try:
        subprocess.run(["flite", "-voice", "slt", "-p", phones, "-o", str(path)], check=True, timeout=60)
        pcm, rate = read_wav(path)
    finally:
        path.unlink(missing_ok=True)
    return trimmed(resample(pcm, rate, SAMPLE_RATE))


def burst(seconds: float, decay_s: float, smooth: int, peak: int) -> Pcm:
    """Noise that fades: a cough (longer, duller) or a knock."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.convolve(np.random.default_rng(1).normal(size=len(time)), np.ones(smooth) / smooth, "same")
    shaped = noise * np.minimum(1, time / 0.01) * np.exp(-time / decay_s)
    return as_pcm(shaped / np.abs(shaped).max() * peak)


def tone(hertz: float) -> Pcm:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    return as_pcm(2000 * np.sin(2 * np.pi * hertz * time))


def as_pcm(samples: NDArray[np.float64]) -> Pcm:
    return np.clip(samples, -32768, 32767).astype(np.int16)


NOISES = {
    "silence": silence(1.0, SAMPLE_RATE),
    "hiss": burst(1.0, 100, 1, 1000),
    "breath": burst(0.8, 0.3, 6, 2500),
    "cough": np.concatenate((burst(0.35, 0.08, 3, 9000), silence(0.15, SAMPLE_RATE), burst(0.3, 0.07, 4, 9000))),
    "knocks": np.concatenate([burst(0.2, 0.02, 12, 15000)] * 3),
    "typing": np.concatenate([burst(0.12, 0.006, 1, 5000)] * 8),
    "beep": tone(440),
}


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
async def test_phrases_of_the_grammar_are_understood(recogniser: Recogniser, voice: str) -> None:
    texts = [await heard(recogniser, padded(flite(phrase, voice))) for phrase in PHRASES]

    wrong = [(said, text) for said, text in zip(PHRASES, texts, strict=True) if said != text]
    assert len(wrong) * 20 <= len(PHRASES), wrong


async def test_other_sentences_are_not_forced_into_the_grammar(recogniser: Recogniser) -> None:
    grammar = Grammar(GRAMMAR)
    sentences = OTHER[:8]
    texts = [await heard(recogniser, padded(flite(sentence, "rms"))) for sentence in sentences]

    assert [(said, text) for said, text in zip(sentences, texts, strict=True) if grammar.accepts(text)] == []
    said, understood = " ".join(sentences).split(), " ".join(texts).split()
    assert len(set(said) & set(understood)) > 0.7 * len(set(said))


@pytest.mark.parametrize("noise", NOISES)
async def test_noise_is_not_speech(recogniser: Recogniser, noise: str) -> None:
    partials: list[str] = []
    assert await heard(recogniser, padded(NOISES[noise]), on_partial=partials.append) == ""
    assert partials == []


@pytest.mark.parametrize("word", ["yeah", "okay", "stop", "wait", "hold on", "no", "yes"])
async def test_what_listeners_say_is_always_in_the_grammar(recogniser: Recogniser, word: str) -> None:
    assert await heard(recogniser, padded(flite(word, "awb"))) == word


@pytest.mark.parametrize(
    ("phones", "word"), [("pau m hh ah m pau", "mm-hmm"), ("pau ah hh ah pau", "uh-huh")], ids=["mm-hmm", "uh-huh"]
)
async def test_hums(recogniser: Recogniser, phones: str, word: str) -> None:
    assert await heard(recogniser, padded(hum(phones))) == word


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
async def test_hums_as_synthetic_voices_spell_them(recogniser: Recogniser, voice: str) -> None:
    for written in ("mm hmm", "uh huh", "hmm"):
        assert is_backchannel(await heard(recogniser, padded(flite(written, voice)))), written


@pytest.mark.parametrize("gain", [0.05, 0.3, 1.5])
async def test_quiet_and_loud_microphones(recogniser: Recogniser, gain: float) -> None:
    speech = as_pcm(padded(flite("set a timer for ten seconds", "rms")).astype(np.float64) * gain)

    assert await heard(recogniser, speech) == "set a timer for ten seconds"


async def test_a_noisy_room(recogniser: Recogniser) -> None:
    phrases = PHRASES[1:7]
    texts = [await heard(recogniser, noisy(padded(flite(phrase, "rms")), ratio_db=20)) for phrase in phrases]

    wrong = [(said, text) for said, text in zip(phrases, texts, strict=True) if said != text]
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize("chunk", [160, 1001, 10**6])
async def test_chunks_may_have_any_length(recogniser: Recogniser, chunk: int) -> None:
    assert await heard(recogniser, padded(flite("tell me a story")), chunk) == "tell me a story"


async def test_silence_around_speech_changes_nothing(recogniser: Recogniser) -> None:
    for before_s, after_s in [(0.0, 0.0), (0.5, 3.0), (20.0, 0.5)]:
        speech = padded(flite("convert ten miles to kilometers"), before_s, after_s)
        assert await heard(recogniser, speech) == "convert ten miles to kilometers"


async def test_partial_texts_grow_while_the_user_speaks(recogniser: Recogniser) -> None:
    partials: list[str] = []
    seen = asyncio.Event()

    def note(text: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        partials.append(text)
        if "twelve" in text:
            seen.set()

    utterance = recogniser.utterance(note)
    utterance.feed(padded(flite("what is twelve times seven")))
    async with asyncio.timeout(10):
        await seen.wait()  # before the end is known
        assert utterance.partial == partials[-1]
        assert await utterance.finish() == "what is twelve times seven"
    assert len(set(partials)) >= 2
    assert partials[0].startswith("what")


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
    assert await heard(recogniser, padded(flite("hello"))) == "hello"


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


async def test_many_speakers_at_once_are_not_mixed_up(recogniser: Recogniser) -> None:
    said = [*PHRASES[:6], "the quick brown fox jumps over the lazy dog", "open the door"]
    speech = [padded(flite(text)) for text in said]
    utterances = [recogniser.utterance() for _ in said]
    for start in range(0, max(map(len, speech)), 960):
        for utterance, pcm in zip(utterances, speech, strict=True):
            utterance.feed(pcm[start : start + 960])
    async with asyncio.timeout(60):
        texts = await asyncio.gather(*(utterance.finish() for utterance in utterances))

    assert texts[:6] == said[:6]
    assert texts[6:] == [await heard(recogniser, pcm) for pcm in speech[6:]]


async def test_leaving_ends_threads_and_pending_utterances() -> None:
    before = set(threading.enumerate())
    async with Recogniser("#JSGF V1.0; grammar g; public <a> = hello;", workers=1) as recogniser:
        abandoned = recogniser.utterance()
        abandoned.feed(padded(flite("hello")))
        pending: Utterance = recogniser.utterance()
        pending.feed(np.tile(padded(flite("open the door")), 20))
        waiting = asyncio.create_task(pending.finish())
        await asyncio.sleep(0)

    async with asyncio.timeout(5):
        assert await waiting == ""
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("recogniser")]
    with pytest.raises(RuntimeError, match="async with"):
        recogniser.utterance()


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ("#JSGF V1.0; grammar g; <a> = hello;", "no public rule"),
        ("#JSGF V1.0; grammar g; public <a> = hello <b>;", "<b>"),
        ("#JSGF V1.0; grammar g; public <a> = hello <a>;", "inside itself"),
        ("#JSGF V1.0; grammar g; public <a> = hello, you;", "does not belong"),
        ("#JSGF V1.0; grammar g; public <a> = (hello;", "parsed"),
        ("#JSGF V1.0; grammar g; public <a> = hello blorptastic zzyx;", "blorptastic, zzyx"),
    ],
)
async def test_a_grammar_that_cannot_be_used_is_explained(grammar: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        async with Recogniser(grammar, workers=1):
            pass


async def test_which_texts_belong_to_the_grammar() -> None:
    grammar = Grammar(GRAMMAR)

    assert all(map(grammar.accepts, PHRASES))
    assert grammar.accepts("what is twenty one minus forty")
    assert grammar.accepts("hold on")
    assert not any(map(grammar.accepts, OTHER))
    assert not any(map(grammar.accepts, ["", "what time", "what time is it in", "set a timer for ten", "hello hello"]))


async def test_silence_and_hiss_do_not_reach_the_decoder() -> None:
    gate = Gate()

    assert [*gate.feed(silence(10, SAMPLE_RATE)), *gate.feed(np.tile(NOISES["hiss"], 10))].count(None) <= 1


async def test_speech_passes_whole_with_some_audio_around_it() -> None:
    speech = flite("hello")
    frames = list(Gate().feed(padded(speech, 2.0, 2.0)))

    assert frames[-1] is None
    passed = sum(len(frame or b"") for frame in frames) / 2
    assert len(speech) + 0.2 * SAMPLE_RATE < passed < len(speech) + 1.0 * SAMPLE_RATE
    assert {len(frame) for frame in frames if frame} == {FRAME_BYTES}


async def test_noise_is_measured_where_nobody_speaks() -> None:
    speech = padded(flite("what is my name"))
    loud = noise_of(frames_of(noisy(speech, ratio_db=20)))
    soft = noise_of(frames_of(noisy(speech, ratio_db=26)))

    assert noise_of(frames_of(speech)) is None
    assert noise_of(frames_of(speech)[:5]) is None
    assert loud is not None
    assert soft is not None
    assert 10 * np.log10(loud.mean() / soft.mean()) == pytest.approx(6, abs=0.5)


async def test_noise_is_taken_off_and_speech_stays_in_its_place() -> None:
    clean = padded(flite("what is my name"))
    frames = frames_of(noisy(clean, ratio_db=20))
    cleaner = Cleaner(noise_of(frames))
    cleaned = from_bytes(b"".join([*(out for frame in frames for out in cleaner.feed(frame)), *cleaner.flush()]))

    before = from_bytes(b"".join(frames))
    assert rms_dbfs(cleaned[:6000]) < rms_dbfs(before[:6000]) - 12
    assert len(before) <= len(cleaned) <= len(before) + 2 * SAMPLE_RATE // 10
    shorter = min(len(clean), len(before))
    assert np.corrcoef(clean[:shorter], cleaned[:shorter])[0, 1] > 0.98


async def test_a_quiet_room_is_left_as_it_is() -> None:
    frames = frames_of(padded(flite("hello")))
    cleaner = Cleaner(noise_of(frames))

    assert [*(out for frame in frames for out in cleaner.feed(frame)), *cleaner.flush()] == frames


def frames_of(pcm: Pcm) -> list[bytes]:
    data = to_bytes(pcm)
    return [data[start : start + FRAME_BYTES] for start in range(0, len(data) - FRAME_BYTES + 1, FRAME_BYTES)]
