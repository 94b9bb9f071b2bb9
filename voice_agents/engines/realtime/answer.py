"""The agent's side of a Realtime session: the server's responses, and the tools they ask for, make a turn's answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from voice_agents.alarm import Alarm, Guard
from voice_agents.audio import first_audible
from voice_agents.engines.mouth import Mouth
from voice_agents.engines.realtime.parts import RealtimeConnection
from voice_agents.engines.realtime.tools import ToolRunner
from voice_agents.engines.realtime.turn import RealtimeTurn
from voice_agents.engines.reporter import Reporter
from voice_agents.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.events import AgentText, Event, Failed, Notice, ToolCalled
from voice_agents.providers.realtime.events import AudioDelta, ResponseDone, TextDelta, ToolCall
from voice_agents.turns.voiced import VoiceHabit

SERVER = "the realtime server"
ANSWER_WAIT_S = 30.0
"""The longest silence of a server that owes us an answer, or the rest of one; the client has given up before."""
TAKEN_BACK_S = 5.0
"""How long a server that took its answer back, and says no word of the user's, may take to begin another."""
NOTHING_SAID_S = 1.5
"""A turn without words ends quietly when the server does not answer it within this time."""


class AnswerListener(Protocol):
    """What a session wants to know of its answer."""

    def on_nothing_said(self) -> None:
        """The turn held no words, and the server does not answer it."""


class RealtimeAnswer:
    """One per session; :meth:`begin` starts each turn's answer, :meth:`cut` or the mouth's end ends it.

    Between these it is ``open``. What the agent writes is shown when its first sound is heard, so that an answer that
    is discarded before (the user goes on speaking) never stood in the transcript.
    """

    def __init__(
        self,
        client: RealtimeConnection,
        mouth: Mouth,
        tools: ToolRunner,
        tell: Reporter,
        listener: AnswerListener,
        clock: Callable[[], float],
        guard: Guard,
    ) -> None:
        self.turn = RealtimeTurn(0)
        self.open = False
        self._client = client
        self._mouth = mouth
        self._tools = tools
        self._tell = tell
        self._listener = listener
        self._clock = clock
        self._awaited = False
        """A response was asked for, or is due, and has not begun."""
        self._active: set[str] = set()
        """Responses that have begun and are not done."""
        self._shown_later: list[tuple[type[Event], dict[str, Any]]] = []
        self._watch = Alarm(guard)
        self._habit = VoiceHabit()

    # From the turn to its answer

    def begin(self, turn: RealtimeTurn, *, read: bool) -> None:
        """The turn was taken and the server is to answer it; ``read``: in writing only."""
        self.turn, self.open = turn, True
        turn.read, turn.habit = read, self._habit
        now = self._clock()
        turn.marks.mark("turn_taken", now)
        turn.marks.mark("first_text_sent", now)
        self._mouth.begin()
        self._await_response()

    @property
    def awaited(self) -> bool:
        """The server owes a response and has not begun it."""
        return self.open and self._awaited

    @property
    def silent(self) -> bool:
        """It is waited for, and nothing of it has come that the user could hear or read."""
        came = self.turn.marks.first_audio is not None or (self.turn.read and any(self.turn.spoken()))
        return self.open and not came

    @property
    def receiving(self) -> bool:
        """The answer is not complete: more of it will come."""
        return self._awaited or bool(self._active) or self._tools.running

    def response_started(self, response_id: str) -> None:
        """The server begins with (a part of) the answer."""
        self._awaited = False
        self._active.add(response_id)
        self._mouth.expect_more()
        self._progress()

    def response_event(self, event: AudioDelta | TextDelta | ResponseDone) -> None:
        """What the server says of a response; one that is not part of the answer is none of ours."""
        if not self.open or event.response_id not in self._active:
            return
        self._progress()
        match event:
            case AudioDelta(response_id=response_id, item_id=item_id, pcm=pcm):
                if self.turn.marks.first_audio is None and first_audible(pcm) is not None:
                    self.turn.marks.mark("first_audio", self._clock())
                self.turn.add_sound(response_id, item_id, pcm)
                self._mouth.add(pcm, (), item_id)
            case TextDelta(response_id=response_id, item_id=item_id, text=text):
                self.turn.add_text(response_id, item_id, text)
                self._show(AgentText, text=text)
            case ResponseDone():
                self._response_done(event)

    def words_known(self) -> None:
        """The user's words of this turn have come; none at all, and no answer begun: there will be none."""
        self.show()
        if self.awaited and not self.turn.user.text:
            self._after(NOTHING_SAID_S, self._listener.on_nothing_said)

    def failed(self, error: ProviderError) -> None:
        """The server will not answer the turn, or not to its end: what has come is still played."""
        self._tell.emit(Failed, error=error)
        self.give_up()

    def give_up(self) -> None:
        """What the server still owes will not come. The results of tools are for the next response to find."""
        if self.open and (self._awaited or self._active):
            if self.turn.user.awaits_item:
                self.turn.user.give_up()
            self.finish()

    def connection_lost(self) -> None:
        """Another server session goes on with what this one has not finished."""
        if self.open and self._active:
            self.turn.break_off()
            self._active.clear()
            self._await_response()

    # The end of an answer

    def drop(self) -> None:
        """Nothing is to be said, and nothing was."""
        self.open = False
        self._client.cancel()
        self._shown_later.clear()
        self._forget_responses()
        self._mouth.cancel()

    def finish(self) -> None:
        """No more will come: play what there is."""
        self._forget_responses()
        if not self._mouth.audible and not self.turn.samples:
            self.show(anyway=True)
        self._mouth.finish()

    def played(self) -> int:
        """The answer was played to its end, which is returned."""
        self.open = False
        self.show(anyway=True)
        self._forget_responses()
        return self.turn.samples

    def cut(self) -> int:
        """Stop; the server is told what was heard. Returns the position up to which it was played."""
        position = self._mouth.cancel()
        self.open = False
        if self._mouth.audible or self.turn.read:
            self.show(anyway=True)
        self._shown_later.clear()
        if self.receiving:
            self._client.cancel()
        self._forget_responses()
        self._tools.cancel(self.turn)
        for item_id, played in self.turn.unplayed(position):
            self._client.truncate(item_id, played)
        return position

    def show(self, *, anyway: bool = False) -> None:
        """Tell what was written so far, if it is time: it is being heard, and stands after the user's words."""
        heard = self._mouth.audible or self.turn.read
        if anyway or (heard and (self.turn.user.known or not self.turn.merged)):
            waiting, self._shown_later = self._shown_later, []
            for kind, values in waiting:
                self._tell.emit(kind, turn=self.turn.number, **values)

    # Responses

    def _response_done(self, done: ResponseDone) -> None:
        self._active.discard(done.response_id)
        if done.status == "cancelled" and not self._mouth.audible:
            # The server took something back that nobody heard; what it answers instead is still to come.
            self._drop(done.response_id)
            self._await_response()
            return self._after(TAKEN_BACK_S, self._gone_silent)
        self.turn.complete(done.response_id, whole=done.status == "completed")
        if done.status == "failed":
            self._tell.emit(Failed, error=ProviderUnavailable(Role.REALTIME, SERVER, _failure(done.reason)))
        elif done.status == "incomplete":
            reason = f" ({done.reason})" if done.reason else ""
            self._tell.emit(Notice, level="warning", text=f"The server broke this answer off{reason}.")
        elif done.status == "completed" and done.tool_calls:
            return self._run_tools(done.tool_calls)
        if not self.receiving:
            self.finish()
        return None

    def _drop(self, response_id: str) -> None:
        self._shown_later.clear()
        if any(item.response_id == response_id for item in self.turn.spoken()):
            self.turn.restart()
            self._mouth.begin_again()

    def _run_tools(self, calls: tuple[ToolCall, ...]) -> None:
        self._watch.cancel()
        runs = self.turn.add_calls(calls)
        self._tools.recognise(self.turn, runs)
        for run in [run for run in runs if not run.repeated]:
            self._show(ToolCalled, name=run.call.name, args=run.args, call_id=run.call.call_id)
        self.show(anyway=not self.turn.merged)
        began = self._clock()
        self._tools.start(self.turn, runs, lambda: self._tools_done(self._clock() - began))

    def _tools_done(self, took_s: float) -> None:
        marks = self.turn.marks
        if marks.first_audio is None and marks.first_text_sent is not None:
            marks.tool_s += took_s
            marks.first_text_sent += took_s
        self._await_response()
        self._client.respond()

    def _show(self, kind: type[Event], **values: Any) -> None:
        self._shown_later.append((kind, values))
        self.show()

    # Everything ends

    def _await_response(self) -> None:
        self._awaited = True
        self._progress()

    def _forget_responses(self) -> None:
        self._awaited = False
        self._active.clear()
        self._watch.cancel()

    def _progress(self) -> None:
        self._after(ANSWER_WAIT_S, self._gone_silent)

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        self._watch.set(self._clock() + seconds, call)

    def _gone_silent(self) -> None:
        self._client.cancel()
        sentence = "The realtime server did not answer in time: please try again."
        self._tell.emit(Failed, error=ProviderTimeout(Role.REALTIME, SERVER, sentence))
        self.finish()


def _failure(reason: str) -> str:
    if reason.endswith("."):
        return reason
    return f"The realtime server could not answer ({reason or 'it gave no reason'}): please try again."
