"""Reads an answer to a voice: what voices read badly is put into words, and their words lead back to those written."""

from __future__ import annotations

from collections.abc import AsyncIterator

from voice_agents.audio import EMPTY
from voice_agents.providers.interfaces import SpeechChunk, SpeechStream
from voice_agents.turns.english import in_english
from voice_agents.turns.said import WHOLE, Said, WayBack, said
from voice_agents.turns.tongue import ENGLISH, NOT_LATIN, language_of

JUDGED = 400
"""So many of the last characters tell the language."""


class ReadingStream:
    """A :class:`~voice_agents.providers.interfaces.SpeechStream` over another one.

    Only English is put into other words: of other languages the voice knows more than we do.
    """

    def __init__(self, stream: SpeechStream, language: str = "", characters: int = 0) -> None:
        """``language``: what is usually spoken, as ISO 639-1 writes it; a text may show that it is in another.

        ``characters`` were given to other streams of the same answer before.
        """
        self._stream = stream
        self._language = language or ENGLISH
        self._written = ""
        self._way_back = WayBack()
        self.characters = characters
        """Of what the voice was given."""

    def send(self, text: str, *, goes_on: bool = False) -> None:
        """Speak this piece next; ``goes_on``: its sentence is not over."""
        groups = self._said(text)
        words = " ".join(group.text for group in groups if group.text)
        if not any(map(str.isalnum, words)):
            return self._way_back.add(Said(group.written, "") for group in groups)
        self._way_back.add(groups)
        if not goes_on and len(text) < WHOLE and words[-1].isalnum() and words[-1] < NOT_LATIN:
            words += "."  # a heading, a bullet, a table's row: the next one is another sentence
        self.characters += len(words)
        return self._stream.send(words)

    def _said(self, text: str) -> list[Said]:
        before, self._written = self._written, f"{self._written} {text}"[-JUDGED:]
        groups = in_english(text, before)
        as_written = all(group.text == " ".join(group.written) for group in groups)
        if as_written or language_of(self._written, self._language) == ENGLISH:
            return groups
        return said(text, ())

    def finish(self) -> None:
        """No more text will come."""
        self._stream.finish()

    def cancel(self) -> None:
        """Stop now."""
        self._stream.cancel()

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        async for chunk in self._stream:
            yield SpeechChunk(chunk.pcm, tuple(self._way_back.words(chunk.words)))
        if rest := self._way_back.rest():
            yield SpeechChunk(EMPTY, tuple(rest))
