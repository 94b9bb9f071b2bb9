"""One answer: the agent's tokens become sentences, the sentences sound, and all of it can be cut or discarded whole."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Protocol

from voice_agents.alarm import Alarm
from voice_agents.audio import EMPTY, first_audible
from voice_agents.conversation.agent import AgentOutput, Token, ToolFinished, ToolStarted
from voice_agents.conversation.facts import TurnFacts
from voice_agents.engines.mouth import Mouth
from voice_agents.errors import ProviderError
from voice_agents.providers.interfaces import SpeechChunk, SpeechStream, TextToSpeech
from voice_agents.turns.heard import split_heard
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.playout import SpokenWord
from voice_agents.turns.sentences import RELEASE_AFTER_S, SpeechSplitter, speakable


class Work(Protocol):
    """What is said and how it is remembered: an AgentTurn, or an announcement."""

    def stream(self) -> AsyncIterator[AgentOutput]:
        """Tokens and tool calls, once."""

    async def settle(self, heard: Mapping[str, str], facts: TurnFacts | None = None) -> None:
        """Remember it as it was heard, by message id, and these facts with it."""

    async def discard(self) -> None:
        """Forget it."""


class Answer:
    """Speaks one :class:`Work` through a voice and the mouth. :meth:`run` once, then keep or discard the work.

    ``voice`` is None when the answer is only to be read. ``on_output`` hears of every token and tool call.
    """

    def __init__(
        self,
        marks: TurnMarks,
        mouth: Mouth,
        voice: TextToSpeech | None,
        on_output: Callable[[AgentOutput], None],
        clock: Callable[[], float],
    ) -> None:
        self.marks = marks
        self.work: Work | None = None
        """Known as soon as the user's words are."""
        self._mouth = mouth
        self._voice = voice
        self._speech: SpeechStream | None = None
        self._on_output = on_output
        self._clock = clock
        self._splitter = SpeechSplitter()
        self._written: dict[str, str] = {}
        self._sources: deque[tuple[str, int]] = deque()
        self._source = ""
        self._read = voice is None
        self._tool_since: float | None = None
        self.used_tools = False
        self.characters = 0
        """Of the text that was given to the voice."""

    @property
    def spoken(self) -> bool:
        """It needs a voice."""
        return self._voice is not None

    @property
    def asks(self) -> bool:
        """What was written so far ends with a question."""
        return self._written.get(self._source, "").rstrip(" \n\"'”’*_)").endswith("?")

    @property
    def in_tools(self) -> bool:
        """A tool is at work."""
        return self._tool_since is not None

    @property
    def is_read(self) -> bool:
        """It does not sound (any more): what is written counts."""
        return self._read

    async def run(self, work: Work) -> None:
        """Think and speak at once; returns when the mouth has everything.

        Raises what the agent raises, after what it wrote until then was handed over; a ProviderError of the voice,
        after the rest of the text was written: the answer then counts as read.
        """
        self._speech = self._voice.open() if self._voice is not None else None
        results = await asyncio.gather(self._think(work), self._speak(), return_exceptions=True)
        self._mouth.finish()
        for error in results:
            if error is not None:
                raise error

    def heard(self) -> dict[str, str]:
        """What reached the user so far, by message id: the model's own text where all of its words were played."""
        if self._read:
            return dict(self._written)
        heard = self._mouth.heard()
        for source, text in self._written.items():
            if heard.get(source, "").split() == speakable(text).split():
                heard[source] = text
        return heard

    def unheard(self, heard: Mapping[str, str]) -> str:
        """What was written so far beyond these words."""
        return " ".join(split_heard(text, heard.get(source, ""))[1].strip() for source, text in self._written.items())

    async def _think(self, work: Work) -> None:
        """A model that hesitates lets go of what can be spoken meanwhile."""
        hesitates = Alarm()
        try:
            async with aclosing(work.stream()) as outputs:  # type: ignore[type-var]
                async for output in outputs:
                    self._take(output)
                    hesitates.set(asyncio.get_running_loop().time() + RELEASE_AFTER_S, self._release)
        except Exception:
            self._end_speech()
            raise
        else:
            self._end_speech()
        finally:
            hesitates.cancel()

    def _release(self) -> None:
        self._say(self._splitter.release())

    def _end_speech(self) -> None:
        self._say(self._splitter.flush())
        if self._speech is not None:
            self._speech.finish()

    def _take(self, output: AgentOutput) -> None:
        self._mark(output)
        if isinstance(output, Token):
            if output.message_id != self._source:
                self._say(self._splitter.flush())
                self._source = output.message_id
            self._written[self._source] = self._written.get(self._source, "") + output.text
            for piece in self._splitter.feed(output.text):
                self._say(piece)
        self._on_output(output)

    def _mark(self, output: AgentOutput) -> None:
        now = self._clock()
        match output:
            case Token():
                self.marks.mark("first_token", now)
            case ToolStarted() if self._tool_since is None:
                self._tool_since = now
                self.used_tools = True
            case ToolFinished() if self._tool_since is not None:
                if self.marks.first_token is None:
                    self.marks.tool_s += now - self._tool_since
                self._tool_since = None

    def _say(self, piece: str | None) -> None:
        if not piece or self._speech is None:
            return
        self.marks.mark("first_piece_written", self._clock())
        self._sources.append((self._source, len(piece.split())))
        self._speech.send(piece)
        self.characters += len(piece)
        self.marks.mark("first_text_sent", self._clock())

    async def _speak(self) -> None:
        if self._speech is None:
            return
        try:
            async for chunk in self._speech:
                if self.marks.first_audio is None and first_audible(chunk.pcm) is not None:
                    self.marks.mark("first_audio", self._clock())
                self._to_mouth(chunk)
        except ProviderError:
            self._read = True
            raise
        finally:
            self._speech.cancel()

    def _to_mouth(self, chunk: SpeechChunk) -> None:
        by_source: dict[str, list[SpokenWord]] = {}
        for word in chunk.words:
            by_source.setdefault(self._source_of_next_word(), []).append(word)
        self._mouth.add(chunk.pcm, (), "")
        for source, words in by_source.items():
            self._mouth.add(EMPTY, words, source)

    def _source_of_next_word(self) -> str:
        """Words come back in the order their pieces were sent; each piece said how many it has."""
        while len(self._sources) > 1 and self._sources[0][1] == 0:
            self._sources.popleft()
        if not self._sources:
            return self._source
        source, left = self._sources[0]
        self._sources[0] = (source, max(0, left - 1))
        return source


def joined(heard: Mapping[str, str]) -> str:
    """What was heard of all messages, as one text."""
    return " ".join(text.strip() for text in heard.values() if text)
