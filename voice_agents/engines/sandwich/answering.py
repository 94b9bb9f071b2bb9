"""The agent's side of a Sandwich session: one answer at a time, spoken, cut, and remembered as it was heard."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

from voice_agents.conversation.agent import AgentTurn, VoiceAgent
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.engines.mouth import Mouth
from voice_agents.engines.sandwich.announcement import Announcement
from voice_agents.engines.sandwich.answer import Answer, Work, joined
from voice_agents.engines.sandwich.memory import SandwichMemory
from voice_agents.engines.sandwich.outputs import tell_output
from voice_agents.engines.sandwich.parts import SandwichParts
from voice_agents.engines.sandwich.reporter import SandwichReporter
from voice_agents.engines.sandwich.slowness import TOOL_WAIT, Slowness, awaited_role, still_waiting
from voice_agents.engines.sandwich.user_turn import UserTurn
from voice_agents.engines.tasks import Tasks
from voice_agents.engines.waiting import Waiting
from voice_agents.errors import ProviderError, Role
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    AgentPaused,
    AgentResumed,
    Interrupted,
    Notice,
    ProviderUsed,
    UserTranscript,
)
from voice_agents.tools import Timers
from voice_agents.turns.playout import Frame

QUESTION_END_S = 1.5
"""Who speaks so shortly before the end of a question has understood it: an "okay" is then an answer."""
IDLE_S = 60.0
"""So long after a connection to the chat model was opened ahead it may be gone: servers close idle ones."""


class AnsweringListener(Protocol):
    """What a session wants to know of its agent's side. Called in the event loop."""

    def on_answer_heard(self) -> None:
        """The first audible sample of the answer has just been handed out."""

    def on_answer_over(self) -> None:
        """The answer was played to its end, or failed."""

    def on_nothing_said(self) -> None:
        """The turn that was to be answered holds no words."""

    def on_announcement(self) -> None:
        """There is something to announce when nobody speaks (see :attr:`Answering.announcements`)."""


class Answering:
    """At most one answer is under way; whatever ends it, memory gets what was heard before the next one begins.

    Enter and leave it with the session; :meth:`stop` comes before the session's tasks are closed.
    """

    def __init__(
        self,
        parts: SandwichParts,
        conversation: Conversation,
        reporter: SandwichReporter,
        listener: AnsweringListener,
        tasks: Tasks,
        clock: Callable[[], float],
        lead_s: float,
    ) -> None:
        self.conversation = conversation
        self.user = UserTurn()
        """Whom the answer under way (or the last one) answers."""
        self.announcements: list[str] = []
        """What the agent will say by itself, oldest first; :meth:`announce` takes one."""
        self._parts = parts
        self._tell = reporter
        self._listener = listener
        self._tasks = tasks
        self._clock = clock
        self._mouth = Mouth(self, clock, lead_s)
        self._tts = parts.text_to_speech(tasks.guard(partial(reporter.connection, Role.TTS)))
        self._voice_open: asyncio.Task[None] | None = None
        """Enters the voice; None: nothing was to be spoken yet."""
        self._history = History(parts.store)
        self._memory = SandwichMemory(self._history, conversation, reporter, tasks)
        self._timers = Timers(tasks.guard(self._on_timer), parts.store.timers(conversation))
        toolbox = parts.toolbox(self._timers, parts.store.notes(conversation.owner))
        self._chat = parts.chat()
        self._warmed_at = -math.inf
        self._agent = VoiceAgent(parts.graph, self._chat.model, self._history, toolbox)
        self._slowness = Slowness()
        self._waiting = Waiting(reporter, tasks.guard)
        self._speaking = True
        self._answer: Answer | None = None
        self._run: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Check that the conversation may be continued and begin to connect. Raises InvalidInput when it may not."""
        await self._history.open(self.conversation)
        await self._timers.open()
        await self._chat.__aenter__()
        self._tasks.start_core(self._mouth.run())
        self._warm()

    def stop(self) -> None:
        """Cut the answer and cancel all timers; :attr:`unfinished` stores what was heard."""
        self._timers.close()
        self._waiting.end()
        self.cut()

    @property
    def unfinished(self) -> Sequence[asyncio.Task[None]]:
        """The tasks that still store something."""
        return tuple(self._memory.unfinished)

    def closings(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What closes the connections."""
        voice = () if self._voice_open is None else (self._tts.__aexit__(None, None, None),)
        return *voice, self._chat.__aexit__(None, None, None)

    def open_voice(self) -> asyncio.Task[None]:
        """Begin to connect to the voice, once: something will be spoken."""
        if self._voice_open is None:
            self._voice_open = self._tasks.start_core(self._enter_voice())
        return self._voice_open

    async def _enter_voice(self) -> None:
        await self._tts.__aenter__()

    @property
    def epoch(self) -> int:
        """See :class:`~voice_agents.engines.base.Session`."""
        return self._mouth.epoch

    @property
    def announcing(self) -> bool:
        """A timer is running, or has fired and waits to be announced."""
        return self._timers.running or bool(self.announcements)

    @property
    def unheard(self) -> bool:
        """An answer is under way, and nothing of it was handed out yet."""
        return self._answer is not None and not self._mouth.audible

    @property
    def heard_so_far(self) -> str:
        """The words of the answer under way that were played until now."""
        return joined(self._answer.heard()) if self._answer is not None and self._mouth.audible else ""

    @property
    def asking(self) -> bool:
        """The agent is at the end of a question: whatever the user says now may answer it."""
        left_s = self._mouth.left_s
        return self._answer is not None and self._answer.asks and left_s is not None and left_s <= QUESTION_END_S

    def set_voice(self, voice: str) -> None:
        """From the next answer on."""
        self._tts.set_voice(voice)

    def set_speaking(self, speaking: bool) -> None:
        """Whether answers are spoken or only written, from the next one on."""
        self._speaking = speaking

    def set_reporting(self, reporting: bool) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._mouth.set_reporting(reporting)

    def played(self, turn: int, epoch: int, position: int) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        if turn == self._tell.turn:
            self._mouth.played(epoch, position)

    def get_ready(self) -> None:
        """The user begins to speak: there will be something to answer."""
        if self._clock() - self._warmed_at > IDLE_S:
            self._warm()

    def _warm(self) -> None:
        self._warmed_at = self._clock()
        self._tasks.start(self._chat.warm())

    # One answer's life

    def begin(self, user: UserTurn, number: int) -> None:
        """Answer a turn, which gets this number."""
        answer = self._new_answer(user, number)
        spoken_at = user.marks.speech_end
        self._waiting.begin(self._clock() if spoken_at is None else spoken_at, partial(self._awaited, answer))
        self._run = self._tasks.start_core(self._answer_user(answer, user))

    def announce(self) -> None:
        """Say the oldest of :attr:`announcements`, as a turn of its own."""
        text = self.announcements.pop(0)
        answer = self._new_answer(UserTurn(), self._tell.turn + 1)
        answer.work = Announcement(self._history, self.conversation, text)
        self._run = self._tasks.start_core(self._speak(answer, answer.work))

    def keep_words(self, user: UserTurn, number: int) -> None:
        """A turn, which gets this number, is to be remembered without an answer."""
        self._tell.turn = number
        self._memory.keep_words(user, number)

    def pause(self) -> None:
        """Stop the sound; the answer goes on being made."""
        self._tell.emit(AgentPaused, position=self._mouth.pause())

    def resume(self) -> None:
        """Go on from the exact sample."""
        self._tell.emit(AgentResumed, position=self._mouth.resume())

    def cut(self) -> None:
        """The answer is over where the user stopped hearing it; nothing happens without one."""
        if self._answer is not None:
            answer, run = self._silence()
            heard = joined(answer.heard())
            if isinstance(answer.work, Announcement) and not heard:
                self.announcements.insert(0, answer.work.text)
            self._tell.emit(Interrupted, heard_text=heard)
            self._wind_up(answer, run)

    def withdraw(self) -> UserTurn:
        """Take the answer back without a trace, before any of it was heard; the turn it was to answer."""
        if self._answer is not None:
            answer, run = self._silence()
            self._answer = None
            self._count(answer)
            self._memory.discard(answer, run)
        return self.user

    def _new_answer(self, user: UserTurn, number: int) -> Answer:
        self._tell.turn, self.user = number, user
        user.marks.mark("turn_taken", self._clock())
        self._mouth.begin()
        voice = self._tts if self._speaking else None
        on_output = partial(tell_output, self._tell)
        self._answer = Answer(user.marks, self._mouth, voice, on_output, self._clock)
        return self._answer

    async def _answer_user(self, answer: Answer, user: UserTurn) -> None:
        ahead = not self._memory.behind
        async with self._agent.ready_for(self.conversation, read_ahead=ahead, deeds=user.deeds) as work:
            await self._answer_words(answer, user, work)

    async def _answer_words(self, answer: Answer, user: UserTurn, work: AgentTurn) -> None:
        try:
            text = await self._words(user)
        except ProviderError:
            return self._mouth.finish()
        user.marks.mark("transcript_final", self._clock())
        self._tell.emit(UserTranscript, text=text, final=True)
        if text:
            await self._memory.ready()
            user.deeds.withdraw()  # what the last answer did until it let go, too
            user.marks.mark("model_asked", self._clock())
            work.ask(text)
            return await self._speak(answer, work)
        self._mouth.cancel()
        self._answer = None
        return self._listener.on_nothing_said()

    def _awaited(self, answer: Answer) -> str | None:
        """Who keeps the user of this answer waiting, as a sentence; None when nobody does, or when it is told."""
        role = awaited_role(answer.marks, read=answer.is_read)
        if self._answer is not answer or role is None or self._tell.troubles.tell_held(role):
            return None
        if role is Role.CHAT and answer.in_tools:
            return TOOL_WAIT
        return still_waiting(role, self._parts.provider(role))

    async def _words(self, user: UserTurn) -> str:
        if user.typed:
            return await user.words()
        with self._tell.troubles.depending_on(Role.STT):
            return await user.words()

    async def _speak(self, answer: Answer, work: Work) -> None:
        """What goes wrong ends the answer; what was written or spoken of it stays."""
        answer.work = work  # before anything is waited for: who cuts the answer has to stop its work
        try:
            if answer.spoken:
                await self.open_voice()
            with self._tell.troubles.depending_on(Role.TTS):
                await answer.run(work)
        except Exception as error:
            if not (isinstance(error, ProviderError) and error.role is Role.TTS):  # that one was told
                self._tell.fail(error)
            self._mouth.finish()

    def _silence(self) -> tuple[Answer, asyncio.Task[None]]:
        assert self._answer is not None and self._run is not None
        self._mouth.cancel()
        if self._run.cancel():
            self._warm()  # the model's connection may have gone with the answer
        return self._answer, self._run

    def _wind_up(self, answer: Answer, run: asyncio.Task[None]) -> None:
        self._answer = None
        if isinstance(answer.work, Announcement) and answer.work.text not in self.announcements:
            self._timers.said(answer.work.text)
        slow = self._slowness.sentence(answer.marks.result(), 0.0 if answer.used_tools else self._mouth.dry_s)
        if slow and self._tell.complained_in != self._tell.turn:
            self._tell.emit(Notice, level="warning", text=slow)
        self._count(answer)
        self._memory.keep(answer, run, self.user, self._tell.turn)

    def _count(self, answer: Answer) -> None:
        if answer.characters:
            self._tell.emit(ProviderUsed, role=Role.TTS, characters=answer.characters)

    # What the mouth and timers report

    def on_frame(self, frame: Frame) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._tell.emit(AgentAudio, pcm=frame.pcm, position=frame.position, epoch=self.epoch)

    def on_audible(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self.user.marks.mark("first_played", self._clock())
        self._listener.on_answer_heard()

    def on_last_frame(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._tell.emit(AgentAudioDone)

    def on_played(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        if self._answer is not None and self._run is not None:
            self._wind_up(self._answer, self._run)
        self._listener.on_answer_over()

    def _on_timer(self, text: str) -> None:
        self.announcements.append(text)
        self._listener.on_announcement()
