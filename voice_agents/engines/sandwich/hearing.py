"""The user's side of a Sandwich session: microphone, recogniser and endpointer, gathered into turns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from voice_agents.alarm import Alarm, Guard
from voice_agents.audio import Pcm
from voice_agents.engines.ear import Ear, SpeechGate
from voice_agents.engines.sandwich.user_turn import Piece, UserTurn
from voice_agents.providers.interfaces import STT_RATE, SpeechToText
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.turns.endpointing import Endpointer, TurnEnd
from voice_agents.turns.vad import SoundIgnored, SoundStarted, VoiceActivity, VoiceEvent, VoiceStarted, VoiceStopped


class HearingListener(Protocol):
    """What a session wants to know of its user. Called in the event loop, in the order of the audio."""

    def on_sound(self) -> None:
        """A sudden sound while we are expecting an interruption; a voice or :meth:`on_sound_ignored` follows."""

    def on_sound_ignored(self) -> None:
        """The sudden sound was nothing."""

    def on_voice_started(self, at: float) -> None:
        """The user's voice was noticed; ``at``: when its first sample arrived."""

    def on_voice_stopped(self, at: float) -> None:
        """The user fell silent; ``at``: when the last speech sample arrived."""

    def on_words(self, partial: str) -> None:
        """The recogniser's hypothesis for what is not committed yet; :attr:`Hearing.words` has the whole turn."""

    def on_turn_end(self) -> None:
        """The user has finished, by silence or by releasing the button."""


class Hearing:
    """Run :meth:`run` as a task of the session; ``stt`` is entered and left by the session."""

    def __init__(
        self,
        voice: VoiceActivity,
        turns: TurnSettings,
        listener: HearingListener,
        clock: Callable[[], float],
        guard: Guard,
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._turns = turns
        self._endpointer = Endpointer(turns)
        self._ear = Ear(STT_RATE, voice, self._on_slice, clock)
        self._user = UserTurn()
        self._aside: list[Piece] = []
        """What was said to an agent that went on: its words are not known yet, and may still take the floor."""
        self._spoke = False
        self._voice_start = 0
        self._partial = ""
        self._alarm = Alarm(guard)

    def listen_with(self, stt: SpeechToText) -> None:
        """The recogniser to use; once, before :meth:`run`."""
        self._stt = stt
        self._gate = SpeechGate(stt.send_audio)

    async def run(self) -> None:
        """Handle the microphone's audio, for ever."""
        await self._ear.run(lambda: self._endpointer.deadline is not None or self._ear.voice.guessing)

    def stop(self) -> None:
        """No turn ends by silence any more."""
        self._alarm.cancel()

    def push(self, pcm: Pcm) -> None:
        """The microphone's next samples. Raises InvalidInput for what is no audio."""
        self._ear.push(pcm)

    def expect_interruption(self, expected: bool) -> None:
        """Report sudden sounds; see :attr:`VoiceActivity.eager`."""
        self._ear.voice.eager = expected

    def release(self) -> None:
        """Push-to-talk: the turn ends with the audio pushed so far."""
        self._ear.after_queued(self._released)

    def configure(self, turns: TurnSettings) -> None:
        """Other patience or mode."""
        self._turns = turns
        self._endpointer.configure(turns)

    @property
    def by_hand(self) -> bool:
        """Push-to-talk: a button ends the turns."""
        return self._turns.mode is TurnMode.PUSH_TO_TALK

    @property
    def words(self) -> str:
        """What is known of the present turn."""
        return self._user.known(self._partial)

    @property
    def open(self) -> bool:
        """Something was said that no turn has taken."""
        return self._spoke or bool(self._user.pieces or self._aside)

    @property
    def left_over(self) -> bool:
        """Something was said, and no end of a turn will come that takes it."""
        return self.open and not self.by_hand and self._endpointer.deadline is None

    def on_partial(self, text: str) -> None:
        """The recogniser's report; a late one of a turn that was taken is not news."""
        if not self._spoke:
            return
        self._partial = text
        self._endpointer.partial(self.words)
        self._listener.on_words(text)

    def take(self) -> UserTurn:
        """The present turn, committed; a new one begins."""
        user = self._user
        user.pieces[:0] = self._aside
        user.pieces.append(self._commit())
        self._aside.clear()
        self._begin()
        return user

    def take_back(self, earlier: UserTurn) -> None:
        """The turn taken last was not over: what is being said goes on with it."""
        self._user.pieces[:0] = [*earlier.pieces, *self._aside]
        self._aside.clear()
        self._user.deeds = earlier.deeds

    def set_aside(self) -> Piece | None:
        """The agent goes on. What was said meanwhile, if anything, is nothing, unless words come that are not known.

        What was said after the last probe is asked for, as a piece of its own.
        """
        self._aside += [piece for piece in self._user.pieces if not piece.final.done()]
        rest = self._commit() if self._spoke else None
        if rest is not None:
            self._aside.append(rest)
        self._begin()
        if self._ear.voice.speaking:
            self._spoke, self._voice_start = True, self._ear.voice.position
            self._endpointer.speech_started(self._ear.voice.position)
        return rest

    def drop(self, piece: Piece) -> None:
        """What was said while the agent went on was nothing."""
        for pieces in (self._user.pieces, self._aside):
            if piece in pieces:
                pieces.remove(piece)

    def go_on(self) -> None:
        """A voice that is on begins the next turn, as if it had been noticed just now."""
        if self._ear.voice.speaking:
            self._on_voice(VoiceStarted(self._ear.voice.position))

    def probe(self) -> Piece:
        """Commit what was said so far, as a piece of the turn."""
        piece = self._commit()
        self._user.pieces.append(piece)
        return piece

    async def answer(self, piece: Piece) -> str:
        """The words of a piece; one that failed is no part of a turn unless the page shows words of it."""
        text = await piece.words()
        if piece.failed:
            for pieces in (self._user.pieces, self._aside):
                if piece in pieces and not text:
                    pieces.remove(piece)
                elif piece in pieces:
                    pieces[pieces.index(piece)] = Piece.of(text)
        return text

    def _commit(self) -> Piece:
        shown, self._partial = self._partial, ""
        return Piece(self._stt.commit(), shown)

    def _begin(self) -> None:
        self._user, self._spoke, self._partial = UserTurn(), False, ""
        self._endpointer.cancel()

    def _on_slice(self, _raw: Pcm, pcm: Pcm, events: list[VoiceEvent]) -> None:
        for event in events:
            self._on_voice(event)
        voice = self._ear.voice
        if voice.speaking and voice.last_speech is not None:
            self._endpointer.speech_heard(voice.last_speech)
        self._gate.feed(pcm, wanted=self.by_hand or voice.speaking or self._endpointer.deadline is not None)
        self._end_turn_by(voice.position)
        self._set_alarm()

    def _end_turn_by(self, position: int) -> None:
        end = self._endpointer.advance(position)
        if end is not None:
            self._on_silence(end)

    def _set_alarm(self) -> None:
        """The turn ends at its moment, not with the piece of sound that holds the moment (10 ms later on average)."""
        deadline = self._endpointer.deadline
        if deadline is None or self._ear.voice.speaking:
            self._alarm.cancel()
        else:
            self._alarm.set(self._ear.time_of(deadline), partial(self._on_alarm, deadline))

    def _on_alarm(self, deadline: int) -> None:
        if (deadline - self._ear.voice.position) / STT_RATE <= self._ear.next_is_due_s:
            self._end_turn_by(deadline)

    def _on_voice(self, event: VoiceEvent) -> None:
        match event:
            case VoiceStarted(start=start):
                self._spoke, self._voice_start = True, start
                self._endpointer.speech_started(start)
                self._listener.on_voice_started(self._ear.time_of(start))
            case VoiceStopped(end=end):
                self._user.voice_s += (end - self._voice_start) / STT_RATE
                self._endpointer.speech_heard(end)
                self._listener.on_voice_stopped(self._ear.time_of(end))
            case SoundStarted():
                self._listener.on_sound()
            case SoundIgnored():
                self._listener.on_sound_ignored()

    def _on_silence(self, end: TurnEnd) -> None:
        self._user.marks.speech_end = self._ear.time_of(end.speech_end)
        self._user.marks.silence_s = end.silence_s
        self._listener.on_turn_end()

    def _released(self) -> None:
        """The user did not wait for us, so the time since the last speech sample counts as silence."""
        self._endpointer.cancel()
        if self._ear.voice.last_speech is not None:
            self._user.marks.speech_end = self._ear.time_of(self._ear.voice.last_speech)
            self._user.marks.silence_s = self._clock() - self._user.marks.speech_end
        self._listener.on_turn_end()
