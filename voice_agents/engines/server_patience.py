"""How long the answer to a turn that a server took is held back: until our own endpointing calls the user finished.

``server_vad`` takes a turn after one silence, whatever was said in it, and begins with the answer. That is an answer
begun early: it sounds at once where the words are complete. Where they are not, or are not known yet, the user may only
pause; who goes on before anything was heard adds to the same turn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from voice_agents.alarm import Alarm
from voice_agents.session.turn import Turn
from voice_agents.settings import Speculation, TurnDetection, TurnSettings
from voice_agents.turns.endpointing import Endpointer

if TYPE_CHECKING:
    from voice_agents.engines.realtime import RealtimeParts
    from voice_agents.session.voice_session import VoiceSession


class ServerPatience:
    """One per session. While a turn is held, its tools with side effects wait, too."""

    def __init__(self, host: VoiceSession, parts: RealtimeParts) -> None:
        self._host = host
        self._parts = parts
        self._endpointer = Endpointer(_begun_early(host.turns))
        self._alarm = Alarm(host.tasks.guard)
        self._held: Turn | None = None
        """The turn whose answer must not sound yet."""

    def configure(self) -> None:
        """The host's ``turns`` are others now."""
        self._endpointer.configure(_begun_early(self._host.turns))

    # What the user does

    def voice_started(self) -> None:
        """A voice is heard: the open turn goes on, or if that was over by our own judgement, the next one begins."""
        start, deadline = self._host.microphone.voice_start, self._endpointer.deadline
        if deadline is not None and start >= deadline:
            self._endpointer.advance(deadline)
        self._endpointer.speech_started(start)

    def voice_stopped(self) -> None:
        """It fell silent."""
        last = self._host.microphone.voice.last_speech
        if last is not None:
            self._endpointer.speech_heard(last)

    def words(self, turn: Turn) -> None:
        """More is known of what was said in a turn."""
        self._parts.transcribes = self._parts.transcribes or bool(turn.user.shown)
        if turn in (self._held, self._host.coming):
            self._endpointer.partial(turn.user.shown)
        if turn is self._held:
            self._hold(turn)

    # What becomes of the turn

    def begin(self, turn: Turn) -> None:
        """The server took it, and its answer begins: from now on it is held, if it has to be."""
        self.end()
        if turn.typed or turn.read or self._host.turns.detection is not TurnDetection.SERVER_VAD:
            return
        if not (turn.user.shown or self._parts.transcribes):
            return
        self.voice_stopped()
        self._endpointer.partial(turn.user.shown)
        self._hold(turn)

    def end(self) -> None:
        """Nothing is held any more: it may sound, or there is nothing left that could."""
        self._alarm.cancel()
        turn, self._held = self._held, None
        if turn is not None:
            turn.deeds.allow()

    def _over(self) -> None:
        """The patience is; who had written nothing until then is not waited for the next time."""
        if self._held is not None:
            self._parts.transcribes = bool(self._held.user.shown)
        self.end()

    def _hold(self, turn: Turn) -> None:
        host, deadline = self._host, self._endpointer.deadline
        if turn.user.known and not turn.user.shown:  # nobody will ever know them
            deadline = None
        certain_at = host.clock() if deadline is None else host.microphone.time_of(deadline)
        if certain_at > host.clock():
            self._held = turn
            turn.deeds.forbid()
            self._alarm.set(certain_at, self._over)
        elif self._held is None:
            return
        else:
            certain_at = host.clock()
            self.end()
        turn.marks.certain = certain_at
        host.speaker.hold(certain_at)


def _begun_early(turns: TurnSettings) -> TurnSettings:
    """As patient as where we begin answers early ourselves."""
    return replace(turns, speculation=Speculation.CAREFUL)
