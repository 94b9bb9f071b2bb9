"""The user's turns as a Realtime server hears them: which items belong to which, which are none, what it misses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voice_agents.alarm import Alarm
from voice_agents.engines.server_answer import RealtimeConnection, ServerAnswer
from voice_agents.engines.server_patience import ServerPatience
from voice_agents.events import SpeechStarted, UserTranscript
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    TextDelta,
    UserFinal,
    UserFinalFailed,
    UserPartial,
)
from voice_agents.providers.rules import CANCELLED
from voice_agents.session.microphone import MicrophoneInput
from voice_agents.session.turn import Turn
from voice_agents.session.waiting import Excuses, delay
from voice_agents.settings import TurnDetection, TurnSettings
from voice_agents.turns.floor import FloorState
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.server_floor import ServerFloor
from voice_agents.turns.vad import RATE

if TYPE_CHECKING:
    from voice_agents.session.voice_session import VoiceSession

OTHER_EAR_S = 0.25
"""By so much at most two detectors differ about where speech ends; a server that says more counts otherwise."""
FADE_S = 0.2
"""A word that was cut by the end of a turn may be heard for so long after it."""
UNNOTICED_S = 12.0
"""A server that took no notice is connected anew after so long. ``semantic_vad`` itself waits for 8 s at most."""
KEPT_TURNS = 50
"""Words that come so many turns after their own are nobody's."""


@dataclass(slots=True)
class _Taking:
    """A turn that is about to be taken."""

    items: list[str]
    """As the server names them; none: the user ended it, and the server will name it."""
    since_s: float | None = None
    """How much was sent after the sound that ended it, if the server says."""
    asked: bool = False
    """The server was still writing an answer, or may have been: it does not answer this turn by itself."""
    early: list[RealtimeEvent] = field(default_factory=list)
    """What the server has answered to it already, held back until that is known."""
    early_id: str = ""

    @property
    def released(self) -> bool:
        """The user ended it."""
        return not self.items


class ServerTurns:
    """One per session.

    A server names its items, and transcripts come when they like; every item leads to its turn. What it takes for a
    turn while the agent speaks may be a murmur: its words tell, and until then its answer is held back.
    """

    def __init__(
        self,
        host: VoiceSession,
        floor: ServerFloor,
        client: RealtimeConnection,
        answer: ServerAnswer,
        patience: ServerPatience,
    ) -> None:
        self._host = host
        self._floor = floor
        self._client = client
        self._answer = answer
        self._patience = patience
        self._taken = 0
        """Where the last turn ended, in the detector's samples; a word may fade for a moment after the button."""
        self._heard = False
        """The server has begun to hear what the user is saying."""
        self._items: dict[str, Turn] = {}
        self._awaiting: list[Turn] = []
        """Turns that we took, in order; the server has not named their items yet."""
        self._taking: _Taking | None = None

    @property
    def spoke(self) -> bool:
        """The user was heard since the last turn was taken."""
        last = self._host.microphone.voice.last_speech
        return last is not None and last > self._taken

    # What the server says

    def heard(self, item_id: str) -> None:
        """The server takes what it hears for speech."""
        host = self._host
        noticed = host.microphone.voice.speaking or self._floor.state is FloorState.USER_SPEAKING
        host.do(self._floor.server_heard(host.clock()))
        if item_id not in self._items and self._taking is None:
            host.coming.user.forget_coming()
        self._items[item_id], self._heard = host.coming, True
        if not noticed:
            host.tell.emit(SpeechStarted, turn=host.user_number)
        host.act([])

    def took(self, item_id: str, since_s: float | None, *, leaving: bool) -> None:
        """The turn is complete (told twice), or an item of a turn that we took is known.

        ``since_s``: how much was sent after the sound that ended it, if the server says. ``leaving``: none is taken
        any more.
        """
        if self._taking is not None and item_id in self._taking.items:
            return
        turn = self._turn_of(item_id)
        if turn is not None and (turn.user.awaits_item or item_id in turn.user):
            self._items[item_id] = turn
            turn.user.expect(item_id)
        elif not leaving:
            self.end(item_id, since_s)

    def end(self, item_id: str | None = None, since_s: float | None = None) -> None:
        """The user's turn is complete: by the server's decision, or (no item yet) by ours."""
        before, items = self._taking, [item_id] if item_id is not None else []
        self._taking = _Taking(items, since_s, asked=bool(items) and self._answer.writing)
        if before is not None and items:  # not known yet either whether that is one
            self._taking.items = [*before.items, *items]
            self._drop_early(before)
        self._host.act(self._floor.taken(self._host.clock(), certain=item_id is None))
        if self._taking is not None:  # whether it is one depends on its words
            self._taking.asked = True

    def words(self, event: UserPartial | UserFinal | UserFinalFailed) -> None:
        """An item's words so far, or for good; of one that failed nobody will know them."""
        turn, host = self._turn_of(event.item_id), self._host
        if turn is None:
            return
        text = "" if isinstance(event, UserFinalFailed) else event.text
        final = not isinstance(event, UserPartial)
        turn.user.hear(event.item_id, text, final=final)
        self._patience.words(turn)
        known = final and event.item_id in turn.user and turn.user.known
        turn.user.told = turn.user.told or known
        host.tell.emit(UserTranscript, turn=turn.number, text=turn.user.shown, final=known)
        if known:
            host.memory.reword(turn)
        if known and turn is host.turn and host.answering:
            self._answer.words_known()
            noise = isinstance(event, UserFinal) and event.noise
            if noise and self._answer.drop_unheard():
                self._client.delete(event.item_id)
        elif turn is host.coming:
            self._judge(event.item_id, text, final=final, failed=isinstance(event, UserFinalFailed))

    def _judge(self, item_id: str, text: str, *, final: bool, failed: bool) -> None:
        """Words said to an agent that speaks: whether they are real."""
        host, taking, now = self._host, self._taking, self._host.clock()
        of_taken = taking is not None and item_id in taking.items
        if failed and of_taken:
            return host.act(self._floor.taken(now, certain=True))
        if failed:
            return None
        last = of_taken and taking is not None and len(taking.items) == 1
        actions = self._floor.words(text, now, final=final and last, answers=host.replies)
        if final and of_taken and not last and taking is not None and not actions:  # the others decide
            taking.items.remove(item_id)
            self._client.delete(item_id)
            host.coming.user.forget(item_id)
        return host.act(actions)

    def is_early(self, event: RealtimeEvent) -> bool:
        """It answers what may be no turn, and is held back until that is known."""
        taking = self._taking
        if taking is None or not isinstance(event, ResponseStarted | AudioDelta | TextDelta | ResponseDone):
            return False
        if isinstance(event, ResponseStarted) and not self._answer.awaited:
            self._drop_early(taking)
            taking.early_id = event.response_id
        if not taking.early_id or event.response_id != taking.early_id:
            return False
        taking.early.append(event)
        return True

    def _drop_early(self, taking: _Taking) -> None:
        """What was answered to a part of it is not wanted."""
        if taking.early_id and not any(isinstance(event, ResponseDone) for event in taking.early):
            self._client.cancel()
        for item_id in {event.item_id for event in taking.early if isinstance(event, AudioDelta | TextDelta)}:
            self._client.delete(item_id)
        done = (event for event in taking.early if isinstance(event, ResponseDone))
        for call in (call for event in done for call in event.tool_calls):
            self._client.send_tool_output(call.call_id, CANCELLED)
        taking.early, taking.early_id = [], ""

    # What becomes of it

    def take(self, turn: Turn) -> None:
        """Its words come as the server names them. One that nobody has taken is asked for, and gets no answer."""
        taking, host = self._taking, self._host
        if taking is None:
            self._await_item(turn)
            self._client.commit()
            self._client.cancel()
            return
        turn.marks = TurnMarks()
        if self.spoke:
            turn.marks = marks_when_taken(
                host.microphone, host.turns, host.clock(), released=taking.released, since_s=taking.since_s
            )
        self._taken = host.microphone.voice.position + round(FADE_S * RATE)
        if taking.released:
            self._await_item(turn)
        for item_id in taking.items:
            self._items[item_id] = turn
            turn.user.expect(item_id)

    def begun(self, turn: Turn) -> list[RealtimeEvent]:
        """It is being answered; what the server has said of the answer already."""
        self._heard = False
        self._items = {item: of for item, of in self._items.items() if of.number > turn.number - KEPT_TURNS}
        taking, self._taking = self._taking, None
        if taking is None or not taking.asked:
            return []
        self._client.ensure_answer()
        return taking.early

    def let_pass(self) -> None:
        """What the server took for a turn, if it took notice of it at all, is none."""
        taking, self._taking = self._taking, None
        for item_id in taking.items if taking is not None else ():
            self._client.ignore(item_id)
            self._items.pop(item_id, None)
            self._host.coming.user.forget(item_id)
        if taking is not None and self._answer.awaited:
            self._client.respond()

    def keep(self, *, murmured: bool) -> bool:
        """Words that are waited for stay, without an answer; whether there are any."""
        taking = self._taking
        if taking is None:
            return False
        self._host.keep_words(murmured=murmured)
        self._taking = None
        self._drop_early(taking)
        self._client.cancel()
        return True

    def drop(self, turn: Turn) -> None:
        """Nobody takes what the user was saying."""
        self._items = {item: of for item, of in self._items.items() if of is not turn or item in of.user}
        self._heard = False

    def connection_lost(self) -> None:
        """What the server was hearing, another session of it will hear once more, under other names."""
        self._items = {item: turn for item, turn in self._items.items() if item in turn.user}
        self._host.coming.user.forget_coming()
        if self._taking is not None:
            self._host.do(self._floor.taken(self._host.clock(), certain=True))

    def _await_item(self, turn: Turn) -> None:
        turn.user.await_item()
        self._awaiting.append(turn)
        self._heard = False

    def _turn_of(self, item_id: str) -> Turn | None:
        """The turn of an item; one nobody announced belongs to the turn we took first, or to what is being said."""
        if (turn := self._items.get(item_id)) is not None:
            return turn
        self._awaiting = [turn for turn in self._awaiting if turn.user.awaits_item]
        if self._awaiting:
            return self._awaiting[0]
        return self._host.coming if self._heard or self._host.coming.merged else None


class DeafServer:
    """A server that takes no notice of what the user said: told, aloud as well, called anew, and in the end given up.

    One per session. What only we take for a voice is told in the page as well, and aloud once at most."""

    def __init__(
        self,
        host: VoiceSession,
        client: RealtimeConnection,
        excuses: Excuses,
    ) -> None:
        self._host = host
        self._client = client
        self._excuses = excuses
        self._patience = Alarm(host.tasks.guard)
        self._ignored = False
        """It has taken no notice of the last words yet."""
        self._complaints = 0
        self._anew = False
        """It was connected anew for words it took no notice of, and has taken no turn since."""
        self._aloud = False
        """That was said aloud."""

    def said(self) -> None:
        """The user has said something that is no mere noise, and fell silent: the server is to take it."""
        host = self._host
        self._complaints, self._ignored = 0, True
        host.waiting.begin(host.clock(), self._no_notice)
        self._patience.set(host.clock() + UNNOTICED_S, self._connect_anew)

    def noise(self) -> None:
        """Something was heard that may be none of the server's business."""
        if not self._patience.is_set:
            self._client.hold(False)

    def took(self, *, typed: bool) -> None:
        """It has a turn of the user's; one that was ``typed`` does not show that it hears."""
        self._patience.cancel()
        self._anew = self._anew and typed
        self._ignored = False

    def close(self) -> None:
        """The session is left."""
        self._patience.cancel()

    def _no_notice(self) -> str | None:
        """Said twice, in the page and aloud. Then the words are given up, and the next ones have another connection."""
        self._complaints += 1
        if not self._ignored or self._complaints > 2:
            return None
        unheard = "has taken no notice of your last words"
        if self._complaints == 1:
            self._aloud = not self._anew
            self._say(delay(self._excuses.provider))
            return f"{self._excuses.provider} is slow at the moment: it {unheard}. Still waiting."
        self._ignored = False
        if self._aloud:
            self._client.connect_anew()
        self._say(f"Sorry, {self._excuses.provider} {unheard}. Please say them again.")
        return f"{self._excuses.provider} {unheard}, though it was called anew: please say them again."

    def _say(self, text: str) -> None:
        """Nobody answers, and who only listens does not know."""
        if self._aloud:
            self._excuses.say_aside(text)

    def _connect_anew(self) -> None:
        """Once: it may have been a noise that only we take for a voice."""
        host = self._host
        busy = host.microphone.voice.speaking or (host.answering and host.turn.of_user)
        if self._ignored and not busy and host.backend.can_speak and not self._anew:
            self._anew = True
            self._client.connect_anew()
            self._patience.set(host.clock() + UNNOTICED_S, lambda: self._client.hold(False))
        elif not host.microphone.voice.speaking:
            self._client.hold(False)


def marks_when_taken(
    microphone: MicrophoneInput, turns: TurnSettings, now: float, *, released: bool, since_s: float | None
) -> TurnMarks:
    """Of a turn that a server took just now (``released``: the user did). What was waited for counts as silence.

    ``server_vad`` is told how long to wait: what it takes longer is delay, unless it heard the speech end a little
    later (or earlier) than we did; ``since_s``, the sound sent after the silence it waited for, tells. It cannot
    act before the piece of sound with the end of that silence has come. ``semantic_vad`` waits as it likes.
    """
    marks = TurnMarks()
    if microphone.speech_end is not None:
        marks.speech_end = min(now, microphone.speech_end)
        waited = now - marks.speech_end
        told = not released and turns.detection is TurnDetection.SERVER_VAD
        decided = None if since_s is None else microphone.arrival_of(since_s) - marks.speech_end
        marks.silence_s = min(waited, _silence_s(turns.silence_s, decided)) if told else waited
    return marks


def _silence_s(told_s: float, decided_s: float | None) -> float:
    """How long ``server_vad`` waited, if it says that it had waited enough so long after the speech ended."""
    if decided_s is None:
        return told_s
    heard_later = min(decided_s - told_s, decided_s, key=abs)
    return max(0.0, told_s + heard_later) if abs(heard_later) <= OTHER_EAR_S else told_s
