"""One answer of the Sandwich: the agent's tokens become sentences, the sentences sound, all at once.

An answer may be begun before its turn is certain: then what it does to its session is held back, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from voice_agents.alarm import Alarm
from voice_agents.audio import first_audible
from voice_agents.conversation.agent import AgentOutput, ModelUsed, Remark, Retracted, Token, ToolFinished, ToolStarted
from voice_agents.errors import ProviderError, ProviderUnavailable, Role
from voice_agents.events import AgentText, Event, Notice, ProviderUsed, ToolCalled, ToolReturned
from voice_agents.providers.interfaces import SpeechChunk, TextToSpeech
from voice_agents.providers.reading import ReadingStream
from voice_agents.session.base import OUTPUT_RATE
from voice_agents.session.turn import SpeechStep, ToolStep, Turn
from voice_agents.session.waiting import AGAIN_ALOUD_S, ALOUD_AFTER_S, FILLED_AFTER_S, filler, waiting_aloud
from voice_agents.turns.heard import AlignedWords, SpokenWord
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.sentences import DRIP_AFTER_S, RELEASE_AFTER_S, SpeechSplitter
from voice_agents.turns.tongue import ENGLISH, language_of

if TYPE_CHECKING:
    from voice_agents.session.voice_session import VoiceSession

VOICE = "The voice"
THOUGHTS = "What was said so far were the model's thoughts, which its server did not mark: here is its answer."

Outputs = Callable[[], AsyncIterator[AgentOutput]]
"""Begins the agent's stream."""


class SpokenAnswer:
    """Turns what the agent puts out into steps of a turn and into sound. :meth:`run` once.

    ``voice`` is None when the answer is only to be read. ``held``: it is not certain that there is a turn; until
    :meth:`release` nothing is told or heard, and only the first piece is given to the voice.
    """

    def __init__(self, turn: Turn, voice: TextToSpeech | None, host: VoiceSession, *, held: bool = False) -> None:
        self.tokens = 0
        """Pieces of text that the model has written."""
        self.broken = False
        """The agent could not go on."""
        self.marks = TurnMarks() if held else turn.marks
        self._held: list[Callable[[], None]] | None = [] if held else None
        """What it does to its session, in order, as long as it is not certain that there is a turn; None: it is."""
        self._turn = turn
        self._host = host
        self._voice = voice
        self._speech: ReadingStream | None = None
        self._splitter = SpeechSplitter()
        self._written: SpeechStep | None = None
        """The message that is being written."""
        self._sources: deque[tuple[AlignedWords, int]] = deque()
        """Whose words the voice will speak next, and how many."""
        self._tool_since: float | None = None
        self._hesitates = Alarm(host.tasks.guard)
        self._fills = Alarm(host.tasks.guard)
        self._waits = Alarm(host.tasks.guard)
        self._over = False
        """The model writes no more."""
        self._waited = 0
        """How often it was said that the model is waited for."""
        self._given = False
        """The voice has words of the answer itself."""
        self._samples = 0
        """That the voice has made, of the answer or to fill a wait."""
        self._unheard: list[tuple[AlignedWords, str]] = []
        """What was given to the voice, as long as it has made no sound."""
        self._sounded = False

    @property
    def characters(self) -> int:
        """Of the text that was given to the voice."""
        return 0 if self._speech is None else self._speech.characters

    @property
    def spoken(self) -> bool:
        """It needs a voice."""
        return self._voice is not None

    def release(self) -> None:
        """There is a turn: what was held back is told and heard now, and what is still to come at once."""
        early, self.marks = self.marks, self._turn.marks
        self.marks.go_on_with(early, self._host.clock())
        held, self._held = self._held or [], None
        for act in held:
            act()
        self._wait(ALOUD_AFTER_S)

    def _once_certain(self, act: Callable[[], None]) -> None:
        """Do this to the session: at once, or as soon as it is certain that there is a turn."""
        if self._held is None:
            act()
        else:
            self._held.append(act)

    async def run(self, outputs: Outputs) -> None:
        """Think and speak at once; returns when the speaker has everything.

        Raises what the agent raises, after what it wrote until then was handed over; a ProviderError of the voice,
        after the rest of the text was written: the answer then counts as read.
        """
        self._open_speech()
        self._wait(ALOUD_AFTER_S)
        results = await asyncio.gather(self._think(outputs), self._speak(), return_exceptions=True)
        error = next((error for error in results if error is not None), None) or await self._mute()
        self._once_certain(self._host.speaker.finish)
        if error is not None:
            raise error

    async def _mute(self) -> ProviderError | None:
        """What is wrong with an answer that made no sound: first, a voice that was given words is asked once more."""
        if self._voice is None or self._sounded:
            return None
        if not self._given:
            self._tell_wordless()
            return None
        try:
            await self._speak_again()
        except ProviderError as error:
            return error
        if self._sounded:
            return None
        self._turn.to_be_read()
        sentence = f"{VOICE} made no sound, twice: this answer can only be read."
        return ProviderUnavailable(Role.TTS, VOICE, sentence)

    def _open_speech(self) -> None:
        """Have what follows spoken by a stream of its own."""
        if self._voice is not None:
            self._speech = ReadingStream(self._voice.open(), self._host.turns.language, self.characters)

    def _begin_again(self) -> None:
        """Be silent at once: nothing of what was given to the voice counts."""
        self._open_speech()
        self._sources.clear()
        self._samples = 0
        self._once_certain(self._host.speaker.begin_again)

    async def _speak_again(self) -> None:
        self._begin_again()
        assert self._speech is not None
        for words, piece in self._unheard:
            words.say_again()
            self._sources.append((words, len(piece.split())))
            self._speech.send(piece)
        self._speech.finish()
        await self._speak()

    def _tell_wordless(self) -> None:
        """What the agent wrote is nothing that can be spoken."""
        if written := " ".join(speech.words.text.strip() for speech in self._turn.speeches).strip():
            self._notice(f'The answer has no word that can be spoken: "{written}"')

    def _notice(self, text: str, level: Literal["info", "warning"] = "warning") -> None:
        self._once_certain(partial(self._host.tell.emit, Notice, level=level, text=text))

    async def _think(self, outputs: Outputs) -> None:
        """A model that hesitates lets go of what can be spoken meanwhile."""
        hesitates = self._hesitates
        try:
            async with aclosing(outputs()) as stream:
                async for output in stream:
                    self._take(output)
                    self._wait(ALOUD_AFTER_S)
                    hesitates.set(asyncio.get_running_loop().time() + RELEASE_AFTER_S, self._release)
        except Exception:
            self.broken = True
            self._end_speech()
            raise
        else:
            self._end_speech()
        finally:
            hesitates.cancel()
            self._fills.cancel()
            self._waits.cancel()
            self._over = True

    def _wait(self, seconds: float) -> None:
        """A model that is silent for so long is spoken of."""
        if self._speech is not None and self._held is None and not self._over:
            self._waits.set(self._host.clock() + seconds, self._say_waiting)

    def _say_waiting(self) -> None:
        """Say that the model is waited for: once what it wrote was heard, never over the user, and no part of it."""
        host, left_s = self._host, self._samples / OUTPUT_RATE - self._host.speaker.position / OUTPUT_RATE
        if left_s > 0 or host.undecided or self._turn.in_tools or self._speech is None:
            return self._wait(max(left_s, 0.0) + ALOUD_AFTER_S / 2)
        usual = host.turns.language or ENGLISH
        sentence = waiting_aloud(language_of(self._turn.user.said, usual), self._waited, begun=self._given)
        self._waited += 1
        if sentence:
            self._insert(sentence)
        return self._wait(AGAIN_ALOUD_S)

    def _insert(self, sentence: str) -> None:
        """Have something said that is no part of the answer."""
        if self._speech is not None:
            self._sources.append((AlignedWords(), len(sentence.split())))
            self._speech.send(sentence)

    def _release(self) -> None:
        piece = self._splitter.release()
        self._say(piece, goes_on=True)
        if piece is None:
            again_s = DRIP_AFTER_S - RELEASE_AFTER_S
            self._hesitates.set(self._host.clock() + again_s, self._drip)

    def _drip(self) -> None:
        self._say(self._splitter.drip(), goes_on=True)

    def _end_speech(self) -> None:
        self._say(self._splitter.flush())
        if self._speech is not None:
            self._once_certain(self._speech.finish)

    def _take(self, output: AgentOutput) -> None:
        host, turn, now = self._host, self._turn, self._host.clock()
        match output:
            case Token(text=text, message_id=id):
                self.marks.mark("first_token", now)
                self.tokens += 1
                self._write(id, text)
                self._show(AgentText, text=text)
            case Retracted(message_id=id):
                self._take_back(id)
            case ToolStarted(name=name, args=args, call_id=call_id):
                self._tool_since = self._tool_since or now
                turn.steps.append(ToolStep(call_id, name, args))
                self._fills.set(now + FILLED_AFTER_S, partial(self._once_certain, self._fill))
                self._show(ToolCalled, name=name, args=args, call_id=call_id)
            case ToolFinished(call_id=call_id, result=result, error=error):
                self._tool_done(now)
                if (step := turn.tool(call_id)) is not None:
                    step.settle(result, error)
                self._show(ToolReturned, call_id=call_id, result=result, error=error)
            case ModelUsed(input_tokens=read, output_tokens=written):
                used = partial(host.tell.emit, ProviderUsed, role=Role.CHAT, input_tokens=read, output_tokens=written)
                self._once_certain(used)
            case Remark(text=text):
                self._notice(text)

    def _show(self, kind: type[Event], **values: Any) -> None:
        self._once_certain(partial(self._host.show, kind, **values))

    def _fill(self) -> None:
        """Say that a tool takes its time, once, if nothing was said in this turn: it is no part of the answer."""
        at_work = next((step for step in self._turn.tools if step.result is None), None)
        if at_work is None or self._speech is None or self.characters or self._tool_since is None:
            return
        usual = self._host.turns.language or ENGLISH
        sentence = self._host.toolbox.meanwhile(at_work.name)
        sentence = sentence or filler(at_work.name, language_of(self._turn.user.said, usual))
        if not sentence:
            return
        now = self._host.clock()
        self.marks.tool_s += now - self._tool_since
        for mark in ("first_token", "first_piece_written", "first_text_sent"):
            self.marks.mark(mark, now)
        self._insert(sentence)
        self._host.tell.put(Notice(turn=self._turn.number, at=now, level="info", text=sentence))

    def _take_back(self, message_id: str) -> None:
        """Be silent at once, and begin the message again: what was said of it was no answer."""
        if (written := self._turn.speech(message_id)) is not None:
            self._turn.steps.remove(written)
        self._written, self._splitter = None, SpeechSplitter()
        self._unheard.clear()
        self._sounded, self._given, self.marks.first_audio = False, False, None
        spoiled = self._speech
        self._begin_again()
        if spoiled is not None:
            spoiled.cancel()
        self._notice(THOUGHTS, level="info")

    def _tool_done(self, now: float) -> None:
        if self._tool_since is not None and self.marks.first_token is None:
            self.marks.tool_s += now - self._tool_since
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

    def _say(self, piece: str | None, *, goes_on: bool = False) -> None:
        """``goes_on``: more of the same sentence will surely come."""
        if not piece or self._speech is None or self._written is None:
            return
        assert isinstance(self._written.words, AlignedWords)
        self.marks.mark("first_piece_written", self._host.clock())
        self._given = True
        self._sources.append((self._written.words, len(piece.split())))
        if not self._sounded:
            self._unheard.append((self._written.words, piece))
        if self.characters:
            self._once_certain(partial(self._send, self._speech, piece, goes_on))
        else:
            self._send(self._speech, piece, goes_on)

    def _send(self, speech: ReadingStream, piece: str, goes_on: bool) -> None:
        if speech is not self._speech:
            return  # it was taken back
        speech.send(piece, goes_on=goes_on)
        self.marks.mark("first_text_sent", self._host.clock())

    async def _speak(self) -> None:
        if self._speech is None:
            return
        speech = self._speech
        try:
            async for chunk in speech:
                if speech is not self._speech:  # it was taken back
                    break
                if not self._sounded and first_audible(chunk.pcm) is not None:
                    self._mark_sound()
                self._sound(chunk)
        except ProviderError:
            if speech is self._speech:
                self._turn.to_be_read()
                raise
        finally:
            speech.cancel()
        if speech is not self._speech:
            await self._speak()

    def _mark_sound(self) -> None:
        """The voice has begun: with the answer, or with what fills a wait, which counts only beside a tool."""
        now = self._host.clock()
        if self._given:
            self._sounded = True
            self._unheard.clear()
        if self.marks.first_text_sent is not None and self.marks.first_audio is None:
            self.marks.first_audio = now
            if self._waited:
                self.marks.first_played = now

    def _sound(self, chunk: SpeechChunk) -> None:
        self._samples += len(chunk.pcm)
        for word in chunk.words:
            self._add_word(word)
        self._once_certain(partial(self._host.speaker.add, chunk.pcm))

    def _add_word(self, word: SpokenWord) -> None:
        """Words come back in the order their pieces were sent; each piece said how many it has."""
        while len(self._sources) > 1 and self._sources[0][1] == 0:
            self._sources.popleft()
        if self._sources:
            words, left = self._sources[0]
            self._sources[0] = (words, max(0, left - 1))
            words.add_words((word,))
