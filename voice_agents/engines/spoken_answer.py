"""One answer of the Sandwich: the agent's tokens become sentences, the sentences sound, all at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from voice_agents.alarm import Alarm
from voice_agents.audio import first_audible
from voice_agents.conversation.agent import AgentOutput, ModelUsed, Remark, Retracted, Token, ToolFinished, ToolStarted
from voice_agents.engines.turn import SpeechStep, ToolStep, Turn
from voice_agents.errors import ProviderError, ProviderUnavailable, Role
from voice_agents.events import AgentText, Notice, ProviderUsed, ToolCalled, ToolReturned
from voice_agents.providers.interfaces import SpeechChunk, SpeechStream, TextToSpeech
from voice_agents.turns.heard import AlignedWords, SpokenWord
from voice_agents.turns.sentences import DRIP_AFTER_S, RELEASE_AFTER_S, SpeechSplitter

if TYPE_CHECKING:
    from voice_agents.engines.session import VoiceSession

VOICE = "The voice"
THOUGHTS = "What was said so far were the model's thoughts, which its server did not mark: here is its answer."

Outputs = Callable[[], AsyncIterator[AgentOutput]]
"""Begins the agent's stream."""


class SpokenAnswer:
    """Turns what the agent puts out into steps of a turn and into sound. :meth:`run` once.

    ``voice`` is None when the answer is only to be read.
    """

    def __init__(self, turn: Turn, voice: TextToSpeech | None, host: VoiceSession) -> None:
        self.characters = 0
        """Of the text that was given to the voice."""
        self._turn = turn
        self._host = host
        self._voice = voice
        self._speech: SpeechStream | None = None
        self._splitter = SpeechSplitter()
        self._written: SpeechStep | None = None
        """The message that is being written."""
        self._sources: deque[tuple[AlignedWords, int]] = deque()
        """Whose words the voice will speak next, and how many."""
        self._tool_since: float | None = None
        self._hesitates = Alarm(host.tasks.guard)
        self._unheard: list[tuple[AlignedWords, str]] = []
        """What was given to the voice, as long as it has made no sound."""
        self._sounded = False

    @property
    def spoken(self) -> bool:
        """It needs a voice."""
        return self._voice is not None

    async def run(self, outputs: Outputs) -> None:
        """Think and speak at once; returns when the speaker has everything.

        Raises what the agent raises, after what it wrote until then was handed over; a ProviderError of the voice,
        after the rest of the text was written: the answer then counts as read.
        """
        self._speech = self._voice.open() if self._voice is not None else None
        results = await asyncio.gather(self._think(outputs), self._speak(), return_exceptions=True)
        error = next((error for error in results if error is not None), None) or await self._mute()
        self._host.speaker.finish()
        if error is not None:
            raise error

    async def _mute(self) -> ProviderError | None:
        """What is wrong with an answer that made no sound: first, a voice that was given words is asked once more."""
        if self._voice is None or self._sounded:
            return None
        if not self._unheard:
            self._tell_wordless()
            return None
        try:
            await self._speak_again(self._voice)
        except ProviderError as error:
            return error
        if self._sounded:
            return None
        self._turn.to_be_read()
        sentence = f"{VOICE} made no sound, twice: this answer can only be read."
        return ProviderUnavailable(Role.TTS, VOICE, sentence)

    async def _speak_again(self, voice: TextToSpeech) -> None:
        self._host.speaker.begin_again()
        self._sources.clear()
        self._speech = voice.open()
        for words, piece in self._unheard:
            words.say_again()
            self._sources.append((words, len(piece.split())))
            self._speech.send(piece)
        self._speech.finish()
        await self._speak()

    def _tell_wordless(self) -> None:
        """What the agent wrote is nothing that can be spoken."""
        if written := " ".join(speech.words.text.strip() for speech in self._turn.speeches).strip():
            self._host.tell.emit(
                Notice, level="warning", text=f'The answer has no word that can be spoken: "{written}"'
            )

    async def _think(self, outputs: Outputs) -> None:
        """A model that hesitates lets go of what can be spoken meanwhile."""
        hesitates = self._hesitates
        try:
            async with aclosing(outputs()) as stream:  # type: ignore[type-var]
                async for output in stream:
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
        piece = self._splitter.release()
        self._say(piece)
        if piece is None:
            again_s = DRIP_AFTER_S - RELEASE_AFTER_S
            self._hesitates.set(self._host.clock() + again_s, lambda: self._say(self._splitter.drip()))

    def _end_speech(self) -> None:
        self._say(self._splitter.flush())
        if self._speech is not None:
            self._speech.finish()

    def _take(self, output: AgentOutput) -> None:
        host, turn, now = self._host, self._turn, self._host.clock()
        match output:
            case Token(text=text, message_id=id):
                turn.marks.mark("first_token", now)
                self._write(id, text)
                host.show(AgentText, text=text)
            case Retracted(message_id=id):
                self._take_back(id)
            case ToolStarted(name=name, args=args, call_id=call_id):
                self._tool_since = self._tool_since or now
                turn.steps.append(ToolStep(call_id, name, args))
                host.show(ToolCalled, name=name, args=args, call_id=call_id)
            case ToolFinished(call_id=call_id, result=result, error=error):
                self._tool_done(now)
                if (step := turn.tool(call_id)) is not None:
                    step.settle(result, error)
                host.show(ToolReturned, call_id=call_id, result=result, error=error)
            case ModelUsed(input_tokens=read, output_tokens=written):
                host.tell.emit(ProviderUsed, role=Role.CHAT, input_tokens=read, output_tokens=written)
            case Remark(text=text):
                host.tell.emit(Notice, level="warning", text=text)

    def _take_back(self, message_id: str) -> None:
        """Be silent at once, and begin the message again: what was said of it was no answer."""
        host, turn = self._host, self._turn
        if (written := turn.speech(message_id)) is not None:
            turn.steps.remove(written)
        self._written, self._splitter = None, SpeechSplitter()
        self._sources.clear()
        self._unheard.clear()
        self._sounded = False
        turn.marks.first_audio = None
        if self._voice is not None and self._speech is not None:
            spoiled, self._speech = self._speech, self._voice.open()
            spoiled.cancel()
        host.speaker.begin_again()
        host.tell.emit(Notice, level="info", text=THOUGHTS)

    def _tool_done(self, now: float) -> None:
        if self._tool_since is not None and self._turn.marks.first_token is None:
            self._turn.marks.tool_s += now - self._tool_since
        self._tool_since = None

    def _write(self, message_id: str, text: str) -> None:
        if self._written is None or self._written.id != message_id:
            self._say(self._splitter.flush())
            self._written = self._turn.speech(message_id)
            if self._written is None:
                self._written = SpeechStep(message_id, AlignedWords(), read=self._turn.read)
                self._turn.steps.append(self._written)
        self._written.words.add_text(text)
        for piece in self._splitter.feed(text):
            self._say(piece)

    def _say(self, piece: str | None) -> None:
        if not piece or self._speech is None or self._written is None:
            return
        assert isinstance(self._written.words, AlignedWords)
        self._turn.marks.mark("first_piece_written", self._host.clock())
        self._sources.append((self._written.words, len(piece.split())))
        if not self._sounded:
            self._unheard.append((self._written.words, piece))
        self._speech.send(piece)
        self.characters += len(piece)
        self._turn.marks.mark("first_text_sent", self._host.clock())

    async def _speak(self) -> None:
        if self._speech is None:
            return
        speech = self._speech
        try:
            async for chunk in speech:
                if speech is not self._speech:  # it was taken back
                    break
                if not self._sounded and first_audible(chunk.pcm) is not None:
                    self._sounded = True
                    self._unheard.clear()
                    self._turn.marks.mark("first_audio", self._host.clock())
                self._sound(chunk)
        except ProviderError:
            if speech is self._speech:
                self._turn.to_be_read()
                raise
        finally:
            speech.cancel()
        if speech is not self._speech:
            await self._speak()

    def _sound(self, chunk: SpeechChunk) -> None:
        for word in chunk.words:
            self._add_word(word)
        self._host.speaker.add(chunk.pcm)

    def _add_word(self, word: SpokenWord) -> None:
        """Words come back in the order their pieces were sent; each piece said how many it has."""
        while len(self._sources) > 1 and self._sources[0][1] == 0:
            self._sources.popleft()
        if self._sources:
            words, left = self._sources[0]
            self._sources[0] = (words, max(0, left - 1))
            words.add_words((word,))
