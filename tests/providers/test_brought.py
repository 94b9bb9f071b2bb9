"""Voices and recognisers that a developer brings, in the shapes people write: all of it is spoken, heard or told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tests.stories.clock import play
from voice_agents.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.providers.brought import BroughtVoice, brought_recognisers
from voice_agents.providers.interfaces import PatientSpeechToText, SpeechChunk, SpokenWord, TextToSpeech
from voice_agents.turns.heard import AlignedWords

TEXT = ["The quick brown fox jumps over", "the lazy dog at the river."]
WORD_SAMPLES = 6000

Give = Callable[[list[str]], AsyncIterator[Any]]
"""Gives what a voice does for these pieces, one after the other."""


class Speech:
    def __init__(self, give: Give) -> None:
        self._give = give
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()

    def send(self, text: str) -> None:
        self._texts.put_nowait(text)

    def finish(self) -> None:
        self._texts.put_nowait(None)

    def cancel(self) -> None:
        self._texts.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Any]:
        texts: list[str] = []
        while (text := await self._texts.get()) is not None:
            texts.append(text)
        async for chunk in self._give(texts):
            yield chunk


class Voice:
    def __init__(self, give: Give, opens: bool = True, enters: bool = True) -> None:
        self._give, self._opens, self._enters = give, opens, enters

    async def __aenter__(self) -> Voice:
        if not self._enters:
            raise OSError("no network")
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._enters, "left without having been entered"

    def open(self) -> Speech:
        if not self._opens:
            raise OSError("no voice")
        return Speech(self._give)

    def set_voice(self, voice: str) -> None:
        pass


def tone(words: int) -> Any:
    """Each word is 0.2 s of sound and 0.05 s of silence."""
    word = np.zeros(WORD_SAMPLES, np.int16)
    word[: WORD_SAMPLES * 4 // 5] = 6000
    return np.tile(word, words)


async def batch(texts: list[str]) -> AsyncIterator[SpeechChunk]:
    yield SpeechChunk(tone(len(" ".join(texts).split())))


async def in_pieces(texts: list[str]) -> AsyncIterator[SpeechChunk]:
    sound = tone(len(" ".join(texts).split()))
    for start in range(0, len(sound), 2400):
        yield SpeechChunk(sound[start : start + 2400])


async def with_words(texts: list[str]) -> AsyncIterator[SpeechChunk]:
    yield SpeechChunk(tone(1))
    words = " ".join(texts).split()
    spoken = (SpokenWord(word, i * WORD_SAMPLES, (i + 1) * WORD_SAMPLES) for i, word in enumerate(words))
    yield SpeechChunk(tone(len(words) - 1), tuple(spoken))


async def breaks(texts: list[str]) -> AsyncIterator[SpeechChunk]:
    yield SpeechChunk(tone(3))
    raise OSError("the line is cut")


async def floats(texts: list[str]) -> AsyncIterator[SpeechChunk]:
    yield SpeechChunk(cast(Any, tone(3) / 32768))


async def bare(texts: list[str]) -> AsyncIterator[Any]:
    yield tone(3)


async def hangs(texts: list[str]) -> AsyncIterator[SpeechChunk]:
    yield SpeechChunk(tone(3))
    await asyncio.Event().wait()


async def spoken(voice: Voice) -> list[SpeechChunk]:
    async with BroughtVoice(cast(TextToSpeech, voice)) as brought:
        stream = brought.open()
        for text in TEXT:
            stream.send(text)
        stream.finish()
        return [chunk async for chunk in stream]


@pytest.mark.parametrize("give", [batch, in_pieces, with_words])
async def test_a_voice_that_tells_no_words_is_heard_as_far_as_it_sounds(give: Give) -> None:
    chunks = await spoken(Voice(give))
    words = [word for chunk in chunks for word in chunk.words]
    text = " ".join(TEXT)
    assert [word.text for word in words] == text.split()
    total = sum(len(chunk.pcm) for chunk in chunks)
    assert total == len(text.split()) * WORD_SAMPLES
    heard = AlignedWords()
    heard.add_text(text)
    heard.add_words(words)
    assert heard.heard(total) == text
    for count in range(1, len(text.split())):
        assert abs(len(heard.heard(count * WORD_SAMPLES).split()) - count) <= 2


@pytest.mark.parametrize("give", [breaks, floats, bare])
async def test_what_goes_wrong_in_a_voice_is_told_as_the_voices(give: Give) -> None:
    with pytest.raises(ProviderUnavailable, match="The voice") as failed:
        await spoken(Voice(give))
    assert failed.value.role is Role.TTS


@pytest.mark.parametrize("voice", [Voice(batch, opens=False), Voice(batch, enters=False)])
async def test_a_voice_that_is_not_there_says_so_when_it_is_to_speak(voice: Voice) -> None:
    with pytest.raises(ProviderUnavailable, match=r"The voice failed \(OSError\)"):
        await spoken(voice)


def test_a_voice_that_hangs_is_given_up() -> None:
    async def story() -> None:
        with pytest.raises(ProviderTimeout):
            await spoken(Voice(hangs))

    play(story())


def test_a_voice_that_waits_for_text_is_not() -> None:
    async def story() -> None:
        async with BroughtVoice(cast(TextToSpeech, Voice(batch))) as brought:
            stream = brought.open()
            asyncio.get_running_loop().call_later(100, stream.send, TEXT[0])
            asyncio.get_running_loop().call_later(101, stream.finish)
            assert sum([len(chunk.pcm) async for chunk in stream]) == 6 * WORD_SAMPLES

    play(story())


class Ears:
    def __init__(self, commit: Callable[[], Any], enters: bool = True) -> None:
        self.commit = commit
        self._enters = enters
        self.sounds = True

    async def __aenter__(self) -> Ears:
        if not self._enters:
            raise OSError("no network")
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._enters, "left without having been entered"

    def send_audio(self, pcm: Any) -> None:
        if not self.sounds:
            raise OSError("the line is cut")


def future(outcome: Any) -> asyncio.Future[Any]:
    made = asyncio.get_running_loop().create_future()
    if isinstance(outcome, Exception):
        made.set_exception(outcome)
    elif outcome is asyncio.CancelledError:
        made.cancel()
    elif outcome is not Ears:
        made.set_result(outcome)
    return made


async def coroutine() -> str:
    return "hello"


def refuses() -> Any:
    raise OSError("the line is cut")


async def heard(ears: Ears) -> str:
    made = brought_recognisers(cast(Any, lambda *_: ears))(lambda *_, **__: None, lambda *_: None, "")
    async with made:
        made.send_audio(tone(1))
        return await made.commit()


@pytest.mark.parametrize("commit", [lambda: future("hello"), lambda: asyncio.ensure_future(coroutine()), coroutine])
async def test_words_come_whatever_is_waited_for(commit: Callable[[], Any]) -> None:
    assert await heard(Ears(commit)) == "hello"


@pytest.mark.parametrize(
    "ears",
    [
        Ears(refuses),
        Ears(lambda: future(OSError("the line is cut"))),
        Ears(lambda: future(asyncio.CancelledError)),
        Ears(lambda: future(None)),
        Ears(lambda: "hello"),
        Ears(lambda: future("hello"), enters=False),
    ],
)
async def test_what_goes_wrong_in_a_recogniser_is_told_as_the_recognisers(ears: Ears) -> None:
    with pytest.raises(ProviderUnavailable, match="The recogniser failed") as failed:
        await heard(ears)
    assert failed.value.role is Role.STT


async def test_a_recogniser_that_comes_back_is_asked_again() -> None:
    ears = Ears(lambda: future("hello"))
    made = brought_recognisers(cast(Any, lambda *_: ears))(lambda *_, **__: None, lambda *_: None, "")
    async with made:
        ears.sounds = False
        made.send_audio(tone(1))
        with pytest.raises(ProviderError):
            await made.commit()
        ears.sounds = True
        made.send_audio(tone(1))
        assert await made.commit() == "hello"


def test_words_that_never_come_are_given_up() -> None:
    async def story() -> None:
        with pytest.raises(ProviderTimeout):
            await heard(Ears(lambda: future(Ears)))

    play(story())


async def test_what_can_be_asked_in_a_pause_still_can() -> None:
    told: list[str] = []
    ears = Ears(lambda: future("all"))
    parts = {name: lambda name=name: told.append(name) for name in ("confirm", "recall")}
    both = {name: getattr(ears, name) for name in ("__aenter__", "__aexit__", "send_audio", "commit")}
    patient = SimpleNamespace(**both, **parts, commit_perhaps=lambda: future("some"))
    made = brought_recognisers(cast(Any, lambda *_: patient))(lambda *_, **__: None, lambda *_: None, "")
    assert isinstance(made, PatientSpeechToText)
    assert await made.commit_perhaps() == "some"
    made.recall()
    assert await made.commit() == "all"
    made.confirm()
    assert told == ["recall", "confirm"]
    assert not isinstance(
        brought_recognisers(cast(Any, lambda *_: ears))(lambda *_, **__: None, lambda *_: None, ""),
        PatientSpeechToText,
    )
