"""What a voice is given to read: English in words, other languages as they are written, and never nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from voice_agents.audio import EMPTY
from voice_agents.providers.interfaces import SpeechChunk
from voice_agents.providers.reading import ReadingStream
from voice_agents.turns.heard import SpokenWord


class Voice:
    """A stream that says its words one by one when all were sent."""

    def __init__(self, *, loses_last: bool = False) -> None:
        self.texts: list[str] = []
        self.over = False
        self._loses_last = loses_last

    def send(self, text: str) -> None:
        self.texts.append(text)

    def finish(self) -> None:
        self.over = True

    def cancel(self) -> None:
        self.over = True

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        words = " ".join(self.texts).split()
        for at, word in enumerate(words[:-1] if self._loses_last else words):
            yield SpeechChunk(EMPTY, (SpokenWord(word, 100 * at, 100 * (at + 1)),))
            await asyncio.sleep(0)


async def read(*pieces: str, language: str = "", loses_last: bool = False) -> tuple[list[str], list[str]]:
    """What the voice was given, and the words that came back."""
    voice = Voice(loses_last=loses_last)
    stream = ReadingStream(voice, language)
    for piece in pieces:
        stream.send(piece)
    stream.finish()
    back = [word.text for chunk in [chunk async for chunk in stream] for word in chunk.words]
    assert voice.over and stream.characters == sum(map(len, voice.texts))
    return voice.texts, back


async def test_words_come_back_as_they_were_written() -> None:
    given, back = await read("It costs $42.50,", "due on 2024-01-05.")
    assert given == ["It costs forty-two dollars and fifty cents,", "due on January fifth, twenty twenty-four."]
    assert back == ["It", "costs", "$42.50,", "due", "on", "2024-01-05."]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Das kostet 5,50 € und ist bis 14:30 Uhr nicht zu haben.", ""),
        ("Le total est de 12,50 € pour vous.", ""),
        ("El total es de $5 para usted.", ""),
        ("Um 14:30.", "de"),
        ("合計は500円です。", ""),
        ("Это стоит 5%.", ""),
    ],
)
async def test_other_languages_are_left_to_the_voice(text: str, language: str) -> None:
    assert await read(text, language=language) == ([text], text.split())


async def test_an_english_answer_to_somebody_who_speaks_german_is_english() -> None:
    given, _ = await read("It is on the table and you have to pay $5.", language="de")
    assert given == ["It is on the table and you have to pay five dollars."]


async def test_a_line_without_a_stop_ends_in_one() -> None:
    given, back = await read("Milk", "two eggs", "and flour, which", "こんにちは")
    assert given == ["Milk.", "two eggs.", "and flour, which.", "こんにちは"]
    assert back == ["Milk", "two", "eggs", "and", "flour,", "which", "こんにちは"]


async def test_what_holds_no_words_is_not_sent_and_comes_back() -> None:
    assert await read("Go →", "→", "on.") == (["Go to.", "to.", "on."], ["Go", "→", "→", "on."])
    assert await read("™ //") == ([], ["™", "//"])


async def test_a_voice_that_loses_words_loses_only_those() -> None:
    _, back = await read("It is $5 now.", loses_last=True)
    assert back == ["It", "is", "$5"]
    _, back = await read("It is $42.50.", loses_last=True)
    assert back == ["It", "is", "$42.50."]
