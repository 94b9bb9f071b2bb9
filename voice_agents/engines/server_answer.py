"""One turn's answer by a Realtime server: its responses, the tools they ask for, and what was heard of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from voice_agents.alarm import Alarm
from voice_agents.audio import Pcm, first_audible
from voice_agents.errors import (
    ProtocolViolation,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RequestRejected,
    Role,
)
from voice_agents.events import AgentText, Failed, Notice, ToolCalled, ToolReturned
from voice_agents.providers.realtime.config import RealtimeConfig
from voice_agents.providers.realtime.events import AudioDelta, RealtimeEvent, ResponseDone, TextDelta, ToolCall
from voice_agents.providers.rules import CANCELLED
from voice_agents.session.turn import SpeechStep, ToolStep, Turn
from voice_agents.session.waiting import Excuses, apology, delay, still_waiting
from voice_agents.tools import MALFORMED, ToolResult
from voice_agents.turns.voiced import VoicedWords, VoiceHabit

if TYPE_CHECKING:
    from voice_agents.session.voice_session import VoiceSession

SERVER = "the realtime server"
ANSWER_WAIT_S = 30.0
"""The longest silence of a server that owes us an answer, or the rest of one; the client has given up before."""
TAKEN_BACK_S = 5.0
"""How long a server that took its answer back, and says no word of the user's, may take to begin another."""
NOTHING_SAID_S = 1.5
"""A turn without words ends quietly when the server does not answer it within this time."""
TOO_LATE_S = 6.0
"""After that was said, so long passes until another server is asked, where one stands in."""
LONGEST_QUOTE = 400
"""Characters of an answer that are told in a sentence."""
LATE_S = 1.8
"""A server that has not begun with an answer by then, if only by saying so, is spoken of."""
SILENT_S = 3.3
"""... and one that has begun, and of whose answer nothing has come."""
SLOW_TOOL_S = 2.5
"""A tool that takes longer is announced in the page."""


class RealtimeConnection(Protocol):
    """What a session asks of its client; see :class:`voice_agents.providers.realtime.client.RealtimeClient`.

    The client brings a conversation over a lost connection by itself: what is owed is asked for again, a sentence that
    was lost is heard again, and ``past`` is what the fresh server session is told.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[RealtimeEvent]: ...

    def send_audio(self, pcm: Pcm) -> None: ...

    def commit(self) -> None: ...

    def send_text(self, text: str) -> None: ...

    def send_tool_output(self, call_id: str, output: str) -> None: ...

    def respond(self) -> None: ...

    def ensure_answer(self) -> None: ...

    def ignore(self, item_id: str) -> None: ...

    def cancel(self) -> None: ...

    def truncate(self, item_id: str, played: int) -> None: ...

    def delete(self, item_id: str) -> None: ...

    def hold(self, held: bool) -> None: ...

    def connect_anew(self) -> None: ...

    def replace(self, error: ProviderError) -> bool: ...

    def configure(self, config: RealtimeConfig) -> None: ...


class ServerAnswer:
    """One per session; :meth:`begin` starts each turn's answer. Between that and its end the host is ``answering``."""

    def __init__(self, client: RealtimeConnection, host: VoiceSession, excuses: Excuses) -> None:
        self._client = client
        self._host = host
        self._excuses = excuses
        self.awaited = False
        """A response was asked for, or is due, and has not begun."""
        self._active: set[str] = set()
        """Responses that have begun and are not done."""
        self._watch = Alarm(host.tasks.guard)
        self._late_in = 0
        """The last turn in which the answer was late, which is told once."""
        self._habit = VoiceHabit()
        """How this session's voice speaks."""
        self._sounded: set[str] = set()
        """Responses of the turn that could be heard."""
        self._asked_again = False
        """The turn's answer made no sound, and was asked for once more."""
        self._tools: asyncio.Task[None] | None = None
        self._running: list[ToolStep] = []

    # From the turn to its answer

    def begin(self, turn: Turn) -> None:
        """The turn was taken and the server is to answer it."""
        turn.marks.mark("first_text_sent", self._host.clock())
        self._excuses.expect(LATE_S, self._late)
        self._sounded.clear()
        self._asked_again = False
        self._await_response()

    @property
    def silent(self) -> bool:
        """Nothing of it has come that the user could hear or read."""
        turn = self._host.turn
        return turn.marks.first_audio is None and not (turn.read and any(turn.speeches))

    @property
    def writing(self) -> bool:
        """The server is making a response, or was asked to."""
        return self.awaited or bool(self._active)

    @property
    def receiving(self) -> bool:
        """The answer is not complete: more of it will come."""
        return self.writing or any(step.result is None for step in self._running)

    def response_started(self, response_id: str) -> None:
        """The server begins with (a part of) the answer."""
        if self.awaited and self.silent and self._late_in != self._host.turn.number:
            self._excuses.expect(SILENT_S - LATE_S, self._late)
        self.awaited = False
        self._active.add(response_id)
        self._host.speaker.expect_more()
        self._progress()

    def response_event(self, event: AudioDelta | TextDelta | ResponseDone) -> None:
        """What the server says of a response; one that is not part of the answer is none of ours."""
        host, turn = self._host, self._host.turn
        if not host.answering or event.response_id not in self._active:
            return
        self._progress()
        self._excuses.met()
        match event:
            case AudioDelta(response_id=response_id, item_id=item_id, pcm=pcm):
                if response_id not in self._sounded and first_audible(pcm) is not None:
                    self._sounded.add(response_id)
                    turn.marks.mark("first_audio", host.clock())
                self._words(response_id, item_id).add_sound(pcm)
                turn.samples += len(pcm)
                host.speaker.add(pcm)
            case TextDelta(response_id=response_id, item_id=item_id, text=text):
                self._words(response_id, item_id).add_text(text)
                host.show(AgentText, text=text)
            case ResponseDone():
                self._response_done(event)

    def words_known(self) -> None:
        """The user's words of this turn have come; none at all, and no answer begun: there will be none."""
        self._host.show_held()
        if self._host.answering and self.awaited and not self._host.turn.user.said:
            self._after(NOTHING_SAID_S, self._nothing_said)

    def drop_unheard(self) -> bool:
        """What the user said is nothing: so is the answer, if nothing of it was heard or done yet."""
        host, turn = self._host, self._host.turn
        if not host.answering or turn.user.said or host.speaker.audible or any(turn.tools):
            return False
        for speech in turn.speeches:
            self._client.delete(speech.id)
        self._nothing_said()
        return True

    def failed(self, error: ProviderError) -> None:
        """The server will not answer the turn, or not to its end: what has come is still played."""
        passing = isinstance(error, ProviderUnavailable) and error.explained
        if passing and self._host.answering and self.silent and self._ask_again():
            return
        if self._host.answering and self.writing and self._replace(error):
            return
        self._host.tell.emit(Failed, error=error)
        self.give_up(error)

    def _replace(self, error: ProviderError) -> bool:
        """Another server answers; its session goes on with what this one has not finished."""
        if isinstance(error, RequestRejected) or not self._client.replace(error):
            return False
        self._active.clear()
        self._await_response()
        return True

    def give_up(self, error: ProviderError | None = None) -> None:
        """What the server still owes will not come. The results of tools are for the next response to find."""
        if self._host.answering and self.writing:
            if self._host.turn.user.awaits_item:
                self._host.turn.user.give_up()
            self._finish(error)

    def connection_lost(self) -> None:
        """Another server session goes on with what this one has not finished."""
        if self._host.answering and self._active:
            for speech in self._host.turn.speeches:
                _voiced(speech).break_off()
            self._active.clear()
            self._await_response()

    # The end of an answer

    def forget(self) -> None:
        """Nothing more is expected."""
        self.awaited = False
        self._active.clear()
        self._watch.cancel()

    def cut(self, turn: Turn, position: int) -> None:
        """Stop; the server is told what was heard."""
        if self.receiving:
            self._client.cancel()
        self.forget()
        self._excuses.stop()
        self._cancel_tools(turn)
        for speech in turn.speeches:
            words = _voiced(speech)
            end = speech.start + words.samples
            if not speech.read and (position < end or not words.complete):
                self._client.truncate(speech.id, max(0, min(position, end) - speech.start))

    def _nothing_said(self) -> None:
        self._client.cancel()
        self.forget()
        self._host.nothing_said()

    def _finish(self, error: ProviderError | None = None) -> None:
        """No more will come, by this ``error`` if there is one: play what there is, and have it said why."""
        host = self._host
        self.forget()
        if not host.speaker.audible and not host.turn.samples:
            host.show_held(anyway=True)
        text = "" if error is None else apology(error, begun=host.turn.marks.first_audio is not None)
        if not (self._excuses.say(text, ends=True) if text else self._excuses.end()):
            host.speaker.finish()

    def delayed(self) -> None:
        """The connection is lost, and is being made anew."""
        if self.receiving and self.silent:
            self._excuses.say(delay(self._excuses.provider), ends=False)

    def _late(self) -> None:
        """Nothing of the answer has come; it may still."""
        host = self._host
        if host.answering and self.writing and self.silent and self._late_in != host.turn.number:
            self._late_in = host.turn.number
            host.tell.emit(Notice, level="warning", text=still_waiting(Role.REALTIME, self._excuses.provider))
            self._excuses.say(delay(self._excuses.provider), ends=False)
            self._excuses.expect(TOO_LATE_S, self._too_late)

    def _too_late(self) -> None:
        """It was said that the answer is late, and nothing of it has come since."""
        if self._host.answering and self.writing and self.silent:
            sentence = f"{self._excuses.provider} took too long to answer. Please try again."
            self._replace(ProviderTimeout(Role.REALTIME, self._excuses.provider, sentence))

    # Responses

    def _response_done(self, done: ResponseDone) -> None:
        host = self._host
        self._active.discard(done.response_id)
        if done.status == "cancelled" and not host.speaker.audible:
            # The server took something back that nobody heard; what it answers instead is still to come.
            self._take_back(done.response_id)
            self._await_response()
            return self._after(TAKEN_BACK_S, self._gone_silent)
        written = self._complete(done.response_id, whole=done.status == "completed")
        failed: ProviderError | None = None
        if self._mute(done) and (done.passing or done.status == "completed"):
            if self._ask_again():
                return None
            host.forget_held()
        if done.status == "failed":
            failed = ProviderUnavailable(Role.REALTIME, SERVER, _failure(done.reason))
            if self._replace(failed):
                return None
            host.tell.emit(Failed, error=failed)
        elif done.status == "incomplete":
            reason = f" ({done.reason})" if done.reason else ""
            host.tell.emit(Notice, level="warning", text=f"The server broke this answer off{reason}.")
        elif done.status == "completed" and done.tool_calls:
            return self._call(done.tool_calls)
        elif self._mute(done):
            self._tell_mute(written)
        if not self.receiving:
            self._finish(failed)
        return None

    def _take_back(self, response_id: str) -> None:
        turn = self._host.turn
        self._host.forget_held()
        if any(speech.response_id == response_id for speech in turn.speeches):
            turn.withdraw()
            turn.marks.first_audio = None
            self._host.speaker.begin_again()

    def _complete(self, response_id: str, *, whole: bool) -> str:
        """Nothing more comes of a response (``whole``: it was not broken off); what it wrote and nobody could hear.

        That is no part of the answer, except where the answer is to be read.
        """
        turn, mute = self._host.turn, list[SpeechStep]()
        for speech in turn.speeches:
            if speech.response_id == response_id:
                words = _voiced(speech)
                speech.read = turn.read and words.samples == 0
                if whole or speech.read:
                    words.finish()
                else:
                    words.break_off()
                if not speech.read and response_id not in self._sounded:
                    mute.append(speech)
        for speech in mute:
            turn.steps.remove(speech)
            self._client.delete(speech.id)
        return " ".join(speech.words.text.strip() for speech in mute)

    # An answer without a sound

    def _mute(self, done: ResponseDone) -> bool:
        """It was to be spoken, and nobody could hear it."""
        turn = self._host.turn
        asked = turn.of_user or bool(turn.announces)
        return asked and not turn.read and not done.tool_calls and done.response_id not in self._sounded

    def _ask_again(self) -> bool:
        """Once in a turn."""
        if self._asked_again:
            return False
        self._asked_again = True
        if not self._host.turn.samples:
            self._host.forget_held()
        self._active.clear()
        self._await_response()
        self._client.respond()
        return True

    def _tell_mute(self, written: str) -> None:
        if written:
            text = f'The realtime server answered in writing only, without a sound: "{_shortened(written)}"'
            self._host.tell.emit(Notice, level="warning", text=text)
        else:
            sentence = "The realtime server gave an empty answer, twice: please ask again."
            self._host.tell.emit(Failed, error=ProtocolViolation(Role.REALTIME, SERVER, sentence))

    def _words(self, response_id: str, item_id: str) -> VoicedWords:
        turn = self._host.turn
        speech = turn.speech(item_id)
        if speech is None:
            speech = SpeechStep(item_id, VoicedWords(self._habit), turn.samples, turn.read, response_id)
            turn.steps.append(speech)
        return _voiced(speech)

    # Tools

    def _call(self, calls: Iterable[ToolCall]) -> None:
        """Run all calls of a response at once; one that came already is not taken twice."""
        host, turn = self._host, self._host.turn
        self._watch.cancel()
        steps = [_step(call) for call in calls if turn.tool(call.call_id) is None]
        turn.steps += steps
        for step in steps:
            step.deed = turn.deeds.again(host.toolbox, step.name, step.arguments)
            step.repeated = step.deed is not None
            if not step.repeated:
                host.show(ToolCalled, name=step.name, args=step.args, call_id=step.call_id)
        host.show_held(anyway=not turn.merged)
        self._running = steps
        self._tools = host.tasks.start_core(self._run(turn, steps))

    async def _run(self, turn: Turn, steps: list[ToolStep]) -> None:
        host = self._host
        began = host.clock()
        announcing = Alarm(host.tasks.guard)
        announcing.set(began + SLOW_TOOL_S, self._announce_tools)
        try:
            await asyncio.gather(*(self._do(turn, step) for step in steps))
        finally:
            announcing.cancel()
        marks, took_s = turn.marks, host.clock() - began
        if marks.first_audio is None and marks.first_text_sent is not None:
            marks.tool_s += took_s
            marks.first_text_sent += took_s
        self._await_response()
        self._client.respond()

    async def _do(self, turn: Turn, step: ToolStep) -> None:
        toolbox, arguments = self._host.toolbox, step.arguments or "{}"
        await turn.deeds.may_begin(toolbox, step.name, arguments)
        # Another call of this response may ask for the same.
        step.deed = step.deed or turn.deeds.again(toolbox, step.name, arguments)
        step.deed = step.deed or turn.deeds.begin(toolbox, step.name, step.args, step.call_id)
        if step.deed is not None:
            await self._deed_done(turn, step)
        else:
            self._settle(turn, step, await toolbox.call(step.name, arguments))

    async def _deed_done(self, turn: Turn, step: ToolStep) -> None:
        assert step.deed is not None
        await asyncio.wait([step.deed.work])
        self._settle(turn, step, step.deed.result or ToolResult(CANCELLED, error=True))

    def _settle(self, turn: Turn, step: ToolStep, result: ToolResult) -> None:
        if step.result is None:
            step.settle(result.text, result.error)
        if not step.repeated:
            values = {"call_id": step.call_id, "result": result.text, "error": result.error}
            self._host.tell.emit(ToolReturned, turn=turn.number, **values)
        self._client.send_tool_output(step.call_id, result.text)

    def _cancel_tools(self, turn: Turn) -> None:
        """Tools still at work stop, and the server is told so; those with side effects go on, and it is told theirs."""
        if self._tools is not None:
            self._tools.cancel()
        for step in [step for step in self._running if step.result is None]:
            if step.deed is None:
                self._settle(turn, step, ToolResult(CANCELLED, error=True))
            else:
                self._host.tasks.start(self._deed_done(turn, step))
        self._running = []

    def _announce_tools(self) -> None:
        names = [step.name for step in self._running if step.result is None]
        text = " ".join(filter(None, map(self._host.toolbox.meanwhile, names)))
        text = text or f"Still working on it: {', '.join(name.replace('_', ' ') for name in names)}."
        self._host.tell.emit(Notice, level="info", text=text)

    # Everything ends

    def _await_response(self) -> None:
        self.awaited = True
        self._progress()

    def _progress(self) -> None:
        self._after(ANSWER_WAIT_S, self._gone_silent)

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        self._watch.set(self._host.clock() + seconds, call)

    def _gone_silent(self) -> None:
        self._client.cancel()
        sentence = "The realtime server did not answer in time: please try again."
        error = ProviderTimeout(Role.REALTIME, SERVER, sentence)
        self._host.tell.emit(Failed, error=error)
        self._finish(error)


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]} ..."


def _voiced(speech: SpeechStep) -> VoicedWords:
    assert isinstance(speech.words, VoicedWords)
    return speech.words


def _step(call: ToolCall) -> ToolStep:
    """Arguments that are no JSON object are kept as they are."""
    try:
        args = json.loads(call.arguments or "{}")
    except ValueError:
        args = None
    known = args if isinstance(args, dict) else {MALFORMED: call.arguments}
    return ToolStep(call.call_id, call.name, known, arguments=call.arguments)


def _failure(reason: str) -> str:
    if reason.endswith("."):
        return reason
    return f"The realtime server could not answer ({reason or 'it gave no reason'}): please try again."
