"""The Sandwich's backend: a recogniser, a LangGraph agent and a voice, all stages overlapping."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from langchain_core.language_models import BaseChatModel

from voice_agents.alarm import Alarm
from voice_agents.audio import Pcm
from voice_agents.conversation.agent import AgentOutput, AgentTurn, Graph, OwnGraph, Token, VoiceAgent
from voice_agents.engines.speculation import Draft, Drafts
from voice_agents.engines.spoken_answer import SpokenAnswer
from voice_agents.errors import ProviderError, Role
from voice_agents.events import BegunEarly, ProviderUsed, UserTranscript
from voice_agents.providers.interfaces import (
    STT_RATE,
    ConnectionListener,
    PartialListener,
    PatientSpeechToText,
    SpeechToText,
    TextToSpeech,
)
from voice_agents.session.base import SessionParts, UserSign
from voice_agents.session.microphone import SpeechGate
from voice_agents.session.turn import Piece, Turn
from voice_agents.session.waiting import TOOL_WAIT, apologise, apology, awaited_role, still_waiting
from voice_agents.turns.backchannel import is_backchannel
from voice_agents.turns.floor import UNDECIDED, FloorAction, FloorState
from voice_agents.turns.words_floor import WordsFloor

if TYPE_CHECKING:
    from voice_agents.session.voice_session import VoiceSession

IDLE_S = 60.0
"""So long after a connection to the chat model was opened ahead it may be gone: servers close idle ones."""
NEARLY_OVER_S = 0.3
"""When no more of the patience is left, words that sound unfinished are answered early, too: who pauses within a
sentence has mostly gone on by then."""
ANNOUNCEMENT = "announcement"
"""The message id of what the agent says by itself."""


class Chat(Protocol):
    """One session's line to the chat model; entered and left with the session."""

    @property
    def model(self) -> BaseChatModel:
        """What it raises is a ProviderError."""

    async def warm(self) -> None:
        """Open the connection ahead of use; never raises."""

    async def __aenter__(self) -> Self:
        """Nothing is connected yet."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it."""


class SandwichParts(SessionParts, Protocol):
    """Makes the parts of one session, so that a test (or a user of the package) can bring other ones."""

    @property
    def graph(self) -> Graph | OwnGraph:
        """The agent of all sessions."""

    @property
    def apologises(self) -> bool:
        """Who gets no answer hears why."""

    def provider(self, role: Role) -> str:
        """What users call who fills this role."""

    def chat(self) -> Chat | None:
        """A chat model; None: the agent has one of its own."""

    def speech_to_text(
        self, on_partial: PartialListener, on_connection: ConnectionListener, language: str
    ) -> SpeechToText:
        """A recogniser; ``language`` as in :class:`~voice_agents.settings.TurnSettings`."""

    def text_to_speech(self, on_connection: ConnectionListener) -> TextToSpeech:
        """A voice."""


class SandwichBackend:
    """Our recogniser hears, our endpointer ends the user's turns, an agent answers, and our voice speaks."""

    name = "sandwich"
    input_rate = STT_RATE
    ends_turns = True
    last_words_s = 0.25
    certain = True
    can_speak = True

    def __init__(self, parts: SandwichParts, host: VoiceSession) -> None:
        self.floor = WordsFloor()
        self._parts = parts
        self._host = host
        guard, connection = host.tasks.guard, host.tell.connection
        on_connection = guard(partial(connection, Role.STT))
        self._stt = parts.speech_to_text(guard(self._on_partial), on_connection, host.turns.language)
        self._gate = SpeechGate(self._stt.send_audio)
        self._tts = parts.text_to_speech(guard(partial(connection, Role.TTS)))
        self._chat = parts.chat()
        model = None if self._chat is None else self._chat.model
        self._agent = VoiceAgent(parts.graph, model, host.history, host.toolbox)
        self._listening = False
        """The recogniser is entered; a conversation that is only typed needs none."""
        self._voice_open: asyncio.Task[TextToSpeech] | None = None
        """Enters the voice; None: nothing was to be spoken yet."""
        self._warmed_at = -math.inf
        self._answer: SpokenAnswer | None = None
        self._drafts = Drafts(host, self._agent, self._tts, self._open_voice, self._warm)
        self.begins_early = not isinstance(parts.graph, OwnGraph) or parts.graph.speculative
        self._early: Piece | None = None
        """What was asked for when the user fell silent; None: something was said since, or may have been."""
        self._nearly_over = Alarm(guard)
        self._recalls: PatientSpeechToText | None = None
        """Can make it a part of what is said next."""
        self._commit_s = 0.0
        """How long the recogniser took for it."""
        self._promoted: Draft | None = None
        """The present answer was begun early."""

    # The connections

    async def open(self) -> None:
        """Begin to connect."""
        if self._chat is not None:
            await self._chat.__aenter__()
        self._warm()

    def closings(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What closes the connections; first of all the recogniser gives up the words that have not come."""
        self._nearly_over.cancel()
        leaving = [self._stt.__aexit__(None, None, None)] if self._listening else []
        if self._voice_open is not None:
            leaving.append(self._tts.__aexit__(None, None, None))
        if self._chat is not None:
            leaving.append(self._chat.__aexit__(None, None, None))
        return leaving

    def _listen(self) -> None:
        """There is (or will be) something to hear, and somebody who listens."""
        if not self._listening:
            self._listening = True
            self._host.tasks.start_core(self._stt.__aenter__())
            self._open_voice()

    def _open_voice(self) -> asyncio.Task[TextToSpeech]:
        if self._voice_open is None:
            self._voice_open = self._host.tasks.start_core(self._tts.__aenter__())
        return self._voice_open

    def _warm(self) -> None:
        self._warmed_at = self._host.clock()
        if self._chat is not None:
            self._host.tasks.start(self._chat.warm())

    def configure(self, *, voice: str | None = None, speaking: bool | None = None) -> None:
        """The recogniser keeps its language."""
        if voice is not None or speaking is not None or not self._drafts.wanted:
            self._drafts.drop()
        if voice is not None:
            self._tts.set_voice(voice)
        if speaking:
            self._listen()

    # What the user says

    def hear(self, raw: Pcm, pcm: Pcm) -> None:
        """The microphone's next samples: the recogniser gets those around speech."""
        self._listen()
        microphone = self._host.microphone
        self._gate.feed(pcm, wanted=microphone.by_hand or microphone.voice.speaking or microphone.ending)

    def notice(self, sign: UserSign, *, voice_s: float = 0.0) -> None:
        """Silence ends the user's turn; the recogniser hears for itself that a voice stops."""
        match sign:
            case UserSign.STARTED if self._host.clock() - self._warmed_at > IDLE_S:
                self._warm()  # there will be something to answer
            case UserSign.PAUSED:
                self._ask_early()
            case UserSign.WENT_ON:
                self._go_on()
            case UserSign.FINISHED:
                self._host.act(self.floor.turn_ended(self._host.clock()))
            case UserSign.RELEASED:
                self._released()

    def _on_partial(self, text: str, *, committed: bool = False) -> None:
        """The recogniser's report; a late one of a turn that was taken is not news."""
        host = self._host
        if committed:
            return self._on_early_partial(text)
        if not host.microphone.spoke:
            return None
        user = host.coming.user
        user.partial = text
        host.microphone.words(user.shown)
        host.tell.emit(UserTranscript, turn=host.user_number, text=self._told(user.shown), final=False)
        return host.act(self.floor.words(text, host.clock(), answers=host.replies))

    def _on_early_partial(self, text: str) -> None:
        """It comes a moment before the final words, and is mostly the same."""
        user = self._host.coming.user
        if self._early is None or self._early not in user.pieces or self._early.final.done():
            return
        self._early.shown = text
        self._host.microphone.words(user.shown)
        if self._drafts.trusts_partials:
            self._drafts.consider(self._host.coming, user.said)

    def _told(self, text: str) -> str:
        """The words of the turn that is coming, after those of the turn that they go on with, if they do."""
        earlier = self._host.turn.user.said if self._host.user_number != self._host.coming.number else ""
        return f"{earlier} {text}".strip()

    def _ask_early(self) -> None:
        """Ask for what was said, ahead of the silence that would end the turn, and begin to answer it."""
        user = self._host.coming.user
        if not self._drafts.wanted or not self._host.microphone.spoke:
            return
        self._recalls = patient = self._stt if isinstance(self._stt, PatientSpeechToText) else None
        piece = self._early = self._commit(self._stt.commit if patient is None else patient.commit_perhaps)
        user.pieces.append(piece)
        self._host.tasks.start_core(self._hear_early(piece))
        if self._drafts.trusts_partials:
            self._drafts.consider(self._host.coming, user.shown)

    def _go_on(self) -> None:
        """What was asked for early is a part of the turn: of its next piece, where the recogniser can be told so."""
        piece, user = self._early, self._host.coming.user
        if piece is not None and self._recalls is not None and piece in user.pieces:
            self._recalls.recall()
            user.pieces.remove(piece)
            user.partial = piece.known
        self._end_early()
        self._drafts.drop()

    def _end_early(self) -> None:
        """What was asked for early stays a piece of its own."""
        self._nearly_over.cancel()
        if self._recalls is not None:
            self._recalls.confirm()
        self._early = self._recalls = None

    async def _hear_early(self, piece: Piece) -> None:
        host, asked_at = self._host, self._host.clock()
        text = await piece.words()
        self._commit_s = host.clock() - asked_at
        self._drafts.learn(piece.shown, text)
        user = host.coming.user
        if piece.failed or piece not in user.pieces:  # else the turn was taken meanwhile
            return
        host.microphone.words(user.shown)
        host.tell.emit(UserTranscript, turn=host.user_number, text=self._told(user.shown), final=False)
        if self._early is piece:
            self._drafts.consider(host.coming, user.said)
            if (over := host.microphone.over_at) is not None:
                self._nearly_over.set(max(host.clock(), over - NEARLY_OVER_S), partial(self._on_nearly_over, piece))

    def _on_nearly_over(self, piece: Piece) -> None:
        if self._early is piece and self.floor.state is FloorState.USER_SPEAKING:
            self._drafts.consider(self._host.coming, self._host.coming.user.said, lately=True)

    def _released(self) -> None:
        """The user did not wait for us, so the time since the last speech sample counts as silence."""
        host, marks = self._host, self._host.coming.marks
        if (speech_end := host.microphone.speech_end) is not None:
            marks.speech_end, marks.silence_s = speech_end, host.clock() - speech_end
        host.microphone.end_by_hand()
        host.act(self.floor.turn_ended(host.clock()))

    def probe(self) -> None:
        """Ask for what was said so far, as a piece of the turn."""
        self._end_early()
        self._drafts.drop()
        piece = self._commit(self._stt.commit)
        if self._host.microphone.pausing:
            self._early = piece
        self._host.coming.user.pieces.append(piece)
        self._host.tasks.start_core(self._hear_out(piece))

    def take(self, turn: Turn) -> None:
        """Ask for the rest of the user's words."""
        turn.user.pieces[:0] = turn.user.aside
        turn.user.aside.clear()
        if self._early is None or self._early not in turn.user.pieces:
            turn.user.pieces.append(self._commit(self._stt.commit))
        self._end_early()
        self._host.microphone.close_turn()

    def let_pass(self) -> None:
        """What the user said is nothing as far as it is known; words that come late are words all the same.

        What was said after the last probe is asked for, as a piece of its own.
        """
        host = self._host
        self._end_early()
        self._drafts.drop()
        aside = [*host.coming.user.aside, *(piece for piece in host.coming.user.pieces if not piece.final.done())]
        rest = self._commit(self._stt.commit) if host.microphone.spoke else None
        host.coming = Turn(host.coming.number)
        host.coming.user.aside = aside
        host.microphone.close_turn()
        host.microphone.open_turn()
        if rest is not None:
            aside.append(rest)
            self.floor.asked()
            host.tasks.start_core(self._hear_out(rest))

    def unclaimed(self, *, murmured: bool, leaving: bool = False) -> None:
        """Nobody will take what the user was saying: keep it, if it was something."""
        self._drafts.drop()
        host, user = self._host, self._host.coming.user
        if host.microphone.spoke or user.pieces or user.aside:
            host.keep_words(murmured=murmured and not host.replies)

    def _commit(self, commit: Callable[[], asyncio.Future[str]]) -> Piece:
        user = self._host.coming.user
        shown, user.partial = user.partial, ""
        return Piece(commit(), shown)

    async def _hear_out(self, piece: Piece) -> None:
        text = await self._words_of(piece)
        host, was = self._host, self.floor.state
        actions = self.floor.probed(text, host.clock(), answers=host.replies)
        open_turn = was in (FloorState.USER_SPEAKING, *UNDECIDED)
        late_murmur = not actions and not open_turn and is_backchannel(text)
        if late_murmur or actions in ([FloorAction.RESUME], [FloorAction.IGNORE]):
            self._replace(piece)
        host.act(actions)
        if self._early is piece and self.floor.state is FloorState.USER_SPEAKING:
            self._drafts.consider(host.coming, host.coming.user.said)

    async def _words_of(self, piece: Piece) -> str:
        """The words of a piece; one that failed is no part of a turn unless the page shows words of it."""
        text = await piece.words()
        if piece.failed:
            self._replace(piece, *([Piece.of(text)] if text else ()))
        return text

    def _replace(self, piece: Piece, *by: Piece) -> None:
        """In what no turn has taken yet."""
        for pieces in (self._host.coming.user.pieces, self._host.coming.user.aside):
            if piece in pieces:
                index = pieces.index(piece)
                pieces[index : index + 1] = by

    # The answer

    def answer(self, turn: Turn) -> None:
        """Make the answer."""
        work = self._announce(turn) if turn.announces else self._answer_user(turn)
        turn.run = self._host.tasks.start_core(work)

    def _new_answer(self, turn: Turn) -> SpokenAnswer:
        self._answer = SpokenAnswer(turn, None if turn.read else self._tts, self._host)
        return self._answer

    async def _announce(self, turn: Turn) -> None:
        answer = self._new_answer(turn)

        async def sentence() -> AsyncIterator[AgentOutput]:
            yield Token(turn.announces, ANNOUNCEMENT)

        await self._speak(turn, answer, partial(answer.run, sentence))

    async def _answer_user(self, turn: Turn) -> None:
        draft = self._drafts.claim(turn)
        if draft is not None and await self._promote(draft):
            return
        host, ahead = self._host, not self._host.memory.behind
        async with self._agent.ready_for(host.conversation, read_ahead=ahead, deeds=turn.deeds) as work:
            await self._answer_words(turn, work)

    async def _promote(self, draft: Draft) -> bool:
        """The answer that was begun early, if it is one to the user's words."""
        try:
            text = await self._final_words(draft.turn)
            if not draft.fits(text):
                return False
            self._tell_words(draft.turn, text)
            self._answer, self._promoted = draft.answer, draft
            await self._speak(draft.turn, draft.answer, partial(self._drafts.promote, draft, text))
        except ProviderError:
            return False  # told where the words are asked for again
        finally:
            if not draft.promoted:
                self._drafts.throw_away(draft)
        return True

    def _tell_words(self, turn: Turn, text: str) -> None:
        turn.marks.mark("transcript_final", self._host.clock())
        turn.user.told = True
        self._host.tell.emit(UserTranscript, text=text, final=True)

    async def _answer_words(self, turn: Turn, work: AgentTurn) -> None:
        host, answer = self._host, self._new_answer(turn)
        try:
            text = await self._final_words(turn)
        except ProviderError:
            return host.speaker.finish()
        self._tell_words(turn, text)
        if not text:
            return host.nothing_said()
        await host.memory.ready()
        turn.deeds.withdraw()  # what the last answer did until it let go, too
        turn.marks.mark("model_asked", host.clock())
        work.ask(text)
        turn.work = work  # before anything is waited for: who cuts the answer has to stop its work
        return await self._speak(turn, answer, partial(answer.run, work.stream))

    async def _final_words(self, turn: Turn) -> str:
        if turn.typed:
            return await turn.user.final()
        with self._host.tell.troubles.depending_on(Role.STT):
            return await turn.user.final()

    async def _speak(self, turn: Turn, answer: SpokenAnswer, run: Callable[[], Awaitable[None]]) -> None:
        """What goes wrong ends the answer; what was written or spoken of it stays."""
        host = self._host
        try:
            if answer.spoken:
                await self._open_voice()
            with host.tell.troubles.depending_on(Role.TTS):
                await run()
        except Exception as error:
            if not (isinstance(error, ProviderError) and error.role is Role.TTS):  # that one was told
                host.tell.fail(error)
                if isinstance(error, ProviderError) and answer.spoken and self._parts.apologises:
                    await self._apologise(turn, error)
            host.speaker.finish()

    async def _apologise(self, turn: Turn, error: ProviderError) -> None:
        """Say why there is no answer; nobody remembers it as one."""
        text = apology(error, begun=turn.marks.first_audio is not None)
        with suppress(ProviderError):  # who has no voice, either, is read
            await apologise(self._tts, turn, self._host.speaker, text)

    def awaited(self, turn: Turn) -> str | None:
        """Who keeps the user of this turn waiting, as a sentence; None when nobody does, or when it is told."""
        role = awaited_role(turn.marks, read=turn.read)
        if role is None or self._host.tell.troubles.tell_held(role):
            return None
        if role is Role.CHAT and turn.in_tools:
            return TOOL_WAIT
        return still_waiting(role, self._parts.provider(role))

    def cut(self, turn: Turn, position: int) -> None:
        """Make no more of it."""
        if turn.run is not None and turn.run.cancel():
            self._warm()  # the model's connection may have gone with the answer
        self._drafts.drop()  # one that the run did not come to claim
        if turn.work is None and turn.of_user:  # what was begun early was not its answer yet
            turn.steps.clear()
        self._count()

    def played(self, turn: Turn) -> None:
        """The answer was played to its end."""
        self._count()

    def _count(self) -> None:
        if self._answer is not None and self._answer.characters:
            self._host.tell.emit(ProviderUsed, role=Role.TTS, characters=self._answer.characters)
        if self._promoted is not None:
            saved_s = self._drafts.saved_s(self._promoted, self._commit_s)
            self._host.tell.emit(BegunEarly, used=True, saved_s=saved_s)
        self._answer = self._promoted = None
