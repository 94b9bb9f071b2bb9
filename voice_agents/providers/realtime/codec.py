"""One session with a Realtime server, without the socket: its JSON in, this project's events out, verbs to messages."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from voice_agents.errors import ProviderError, Retry
from voice_agents.providers.realtime.config import PastItem
from voice_agents.providers.realtime.errors import ALREADY_ACTIVE, SESSION_EXPIRED, Sentences, described, is_benign
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ServerError,
    ToolCall,
    UserSpeechStarted,
)
from voice_agents.providers.realtime.hearing import Hearing
from voice_agents.providers.realtime.ledger import Owed
from voice_agents.providers.realtime.responses import NOT_RUN, OVERDUE_S, Phase, Responses
from voice_agents.providers.realtime.settings import SessionSettings
from voice_agents.providers.realtime.wire import RATE, append, append_all, ga_name, item, message

logger = logging.getLogger(__name__)

TRUNCATE = "truncate_"
"""How the ids of these messages begin: whatever a server says of them, the conversation goes on."""
MALFORMED_LIMIT = 5
"""So many messages in a row that cannot be understood are no accident."""
REMEMBERED = 256
"""So many deltas are remembered to tell repeats."""
LONGEST_SENTENCE_S = 60.0
"""A server that noticed the user's voice, and said no more of it for so long, has forgotten it."""
QUIET_S = 2.0
"""After the sound of an answer has ended and the user has been silent for so long, a pause is a pause."""

Handler = Callable[[Mapping[str, Any], float], list[RealtimeEvent]]


class ServerSession:
    """``take`` what the server says; what is to be said to it goes through ``send``. ``now`` is a clock in seconds.

    ``failure`` says why the session has to end, ``expired`` that it ended as it should. Nothing may be sent before
    :attr:`ready`: the server speaks first.
    """

    def __init__(self, ledger: Owed, sentences: Sentences, send: Callable[[str], None]) -> None:
        self.ready = False
        self.failure: ProviderError | None = None
        self.expired = False
        self._ledger = ledger
        self._sentences = sentences
        self._send = send
        self._settings = SessionSettings(ledger, send, sentences)
        self._responses = Responses(send, sentences)
        self._hearing = Hearing(ledger, self._settings)
        self._calls: set[str] = set()
        """Calls in this server session's conversation whose results it has not got."""
        self._took_turn = False
        """The server has taken a turn that it answers by itself; the caller is being told."""
        self._malformed = 0
        self._recent: deque[tuple[str, int]] = deque(maxlen=REMEMBERED)
        self._truncations = 0
        self._opened_at = self._heard_at = self._busy_until = 0.0
        self._handlers = self._make_handlers()

    # Verbs; only when ready

    def send_audio(self, pcm: bytes) -> None:
        """The next samples, little-endian PCM16."""
        self._send(append(pcm))

    def commit(self, now: float) -> None:
        """What was sent is a turn."""
        self._hearing.commit()
        self._send(message("input_audio_buffer.commit"))
        self._request(now)

    def send_text(self, text: str, now: float) -> None:
        """A typed turn."""
        self._create(PastItem("user", text=text))
        self._request(now)

    def send_tool_output(self, call_id: str, output: str) -> None:
        """A tool's result, once, and only for a call this conversation has."""
        if call_id in self._calls:
            self._create(PastItem("output", text=output, call_id=call_id))

    def respond(self, now: float) -> None:
        """Ask for a response as soon as none is active."""
        self._request(now)

    def cancel(self, now: float) -> None:
        """Drop the answer that is active or to come."""
        self._responses.cancel(now)

    def ensure_answer(self, now: float) -> None:
        """The turn that the server took last is to be answered, by itself or because it is asked to."""
        self._responses.ensure(now)

    def ignored(self, item_id: str) -> str:
        """What the server took for a turn is none, nor is its answer. The older response that goes on, or ""."""
        self.delete(item_id)
        if not self._responses.older:
            for answer_id in self._responses.items_of_last:
                self.delete(answer_id)
        return self._responses.older

    def will_not_run(self, calls: Iterable[ToolCall]) -> None:
        """Calls nobody has heard of, because their answer was cancelled."""
        for call in calls:
            self.send_tool_output(call.call_id, NOT_RUN)

    def truncate(self, item_id: str, played: int) -> None:
        """Cut a message of this session to what was played, at most what was received."""
        received = self._responses.received(item_id)
        if received:
            self._truncations += 1
            self._send(
                message(
                    "conversation.item.truncate",
                    event_id=f"{TRUNCATE}{self._truncations}",
                    item_id=item_id,
                    content_index=0,
                    audio_end_ms=max(0, min(played, received)) * 1000 // RATE,
                )
            )

    def delete(self, item_id: str) -> None:
        """A message is no part of the conversation."""
        self._send(message("conversation.item.delete", item_id=item_id))

    def configure(self, clear: bool = False) -> None:
        """The ledger has another configuration. ``clear``: sound of a turn that is not taken yet is forgotten."""
        if clear:
            self._send(message("input_audio_buffer.clear"))
        self._settings.change(self._responses.spoke)

    # The session's life

    def begin(self, session: Mapping[str, Any], now: float) -> None:
        """The server is there: tell it everything."""
        self.ready = True
        self._opened_at = self._heard_at = now
        rest = self._ledger.microphone.begin_session()
        waiting = list(self._ledger.microphone.utterances)
        self._settings.begin(session, taking_turns=not waiting)
        history = self._ledger.history()
        for past in history:
            if not past.answering:
                self._create(past)
        for utterance in waiting:
            for piece in append_all(utterance.pcm):
                self._send(piece)
            self._send(message("input_audio_buffer.commit"))
        self._hearing.replay(waiting)
        if waiting:
            self._settings.take_turns()
        for past in history:
            if past.answering:
                self._create(past)
        if self._ledger.answer:
            self._responses.request(self._ledger.request(), now)
        for piece in append_all(rest):
            self._send(piece)

    def watch(self, now: float, stall_s: float) -> ProviderError | None:
        """Called now and then; an error when an answer that is owed has stopped coming."""
        if not self.ready:
            return None
        self._responses.watch(now)
        if not self._ledger.answer:
            return None
        if now - self._heard_at > OVERDUE_S:
            self._responses.expect(now)
        return self._sentences.late() if now - self._heard_at > stall_s else None

    def wants_renewal(self, now: float, renew_s: float) -> bool:
        """It is old, or cannot change its voice, and this is a pause of the conversation."""
        wanted = self._settings.stale or now - self._opened_at >= renew_s
        return self.ready and wanted and self.is_quiet(now)

    def is_quiet(self, now: float) -> bool:
        """Nobody speaks, nothing is owed, no tool runs."""
        idle = self._responses.phase is Phase.IDLE and not self._ledger.answer and not self._calls
        silent_s = now - self._busy_until
        return idle and silent_s > (LONGEST_SENTENCE_S if self._ledger.microphone.speaking else QUIET_S)

    # What the server says

    def take(self, frame: bytes | str, now: float) -> list[RealtimeEvent]:
        """One message. What cannot be understood is passed over, unless nothing else comes."""
        self._heard_at = now
        try:
            said = json.loads(frame)
            handler = self._handlers.get(ga_name(said["type"]))
            events = handler(said, now) if handler is not None and not self._is_repeat(said) else []
        except (ArithmeticError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self._malformed += 1
            logger.warning("%s sent something not understood (%s)", self._sentences.name, type(error).__name__)
            if self._malformed >= MALFORMED_LIMIT:
                self.failure = self._sentences.not_understood()
            return []
        self._malformed = 0
        for event in events:
            self._note(event, now)
        return events

    def told(self, now: float) -> None:
        """The caller has dealt with the last message's events. What was cancelled meanwhile was owed before them: the
        answer to a turn they have told of is owed only from now on."""
        if self._took_turn:
            self._took_turn = False
            self._ledger.owe()
            self._responses.turn_taken(now)

    def _is_repeat(self, said: Mapping[str, Any]) -> bool:
        """The same delta once more; ids alone do not tell, some servers are careless with them."""
        event_id, delta = said.get("event_id"), said.get("delta")
        if not isinstance(event_id, str) or not isinstance(delta, str):
            return False
        key = (event_id, hash(delta))
        if key in self._recent:
            return True
        self._recent.append(key)
        return False

    def _note(self, event: RealtimeEvent, now: float) -> None:
        self._ledger.note(event)
        match event:
            case AudioDelta(pcm=pcm):
                self._busy_until = max(self._busy_until, now) + len(pcm) / RATE
            case ResponseDone(tool_calls=calls, status="completed"):
                self._calls |= {call.call_id for call in calls}
            case UserSpeechStarted():
                self._busy_until = now
            case _:
                pass

    def _make_handlers(self) -> dict[str, Handler]:
        responses, hearing = self._responses, self._hearing
        return {
            "session.created": self._on_created,
            "session.updated": lambda said, now: self._settings.accepted(),
            "error": self._on_error,
            "input_audio_buffer.speech_started": self._on_speech_started,
            "input_audio_buffer.speech_stopped": lambda said, now: self._taken(hearing.speech_stopped(said)),
            "input_audio_buffer.committed": lambda said, now: self._taken(hearing.committed(said)),
            "conversation.item.input_audio_transcription.delta": lambda said, now: hearing.partial(said),
            "conversation.item.input_audio_transcription.completed": lambda said, now: hearing.final(said),
            "conversation.item.input_audio_transcription.failed": lambda said, now: hearing.failed(said),
            "response.created": lambda said, now: responses.created(said.get("response") or {}, now),
            "response.output_item.added": lambda said, now: responses.item(said, done=False),
            "response.output_item.done": lambda said, now: responses.item(said, done=True),
            "response.output_audio.delta": self._on_delta,
            "response.output_audio_transcript.delta": self._on_delta,
            "response.output_text.delta": self._on_delta,
            "response.output_audio_transcript.done": responses.text_done,
            "response.output_text.done": responses.text_done,
            "response.function_call_arguments.done": lambda said, now: responses.arguments_done(said),
            "response.done": lambda said, now: responses.done(said.get("response") or {}, now),
        }

    def _on_created(self, said: Mapping[str, Any], now: float) -> list[RealtimeEvent]:
        if not self.ready:
            self.begin(said.get("session") or {}, now)
        return []

    def _on_delta(self, said: Mapping[str, Any], now: float) -> list[RealtimeEvent]:
        return self._responses.delta(ga_name(said["type"]), said, now)

    def _on_speech_started(self, said: Mapping[str, Any], now: float) -> list[RealtimeEvent]:
        self._responses.expect_none()
        return self._hearing.speech_started(said)

    def _taken(self, heard: tuple[list[RealtimeEvent], bool]) -> list[RealtimeEvent]:
        """A turn was taken, perhaps one that the server answers by itself."""
        events, answered = heard
        self._took_turn = self._took_turn or answered
        return events

    def _on_error(self, said: Mapping[str, Any], now: float) -> list[RealtimeEvent]:
        error = said.get("error") or {}
        level = logging.DEBUG if is_benign(error) else logging.WARNING
        logger.log(level, "%s reports an error: %s", self._sentences.name, self._sentences.scrubbed(described(error)))
        if error.get("code") == SESSION_EXPIRED:
            self.expired = True
            return []
        already_active = error.get("code") == ALREADY_ACTIVE or "already has an active" in str(error.get("message"))
        unanswered = self._responses.refused(error, already_active, now)
        if is_benign(error) or str(error.get("event_id")).startswith(TRUNCATE):
            return []
        trouble = self._sentences.reported(error)
        if trouble is not None and (trouble.retry is Retry.NEVER or not self.ready):
            self.failure = trouble
            return []
        if trouble is None and self._settings.is_about(error):
            return self._settings.refused(error)
        if trouble is None and not unanswered:
            return []  # of something nobody waits for
        self._responses.cancel(now)
        return [ServerError(trouble or self._sentences.rejected())]

    # Inside

    def _request(self, now: float) -> None:
        self._responses.request({}, now)

    def _create(self, past: PastItem) -> None:
        if past.kind == "call":
            self._calls.add(past.call_id)
        elif past.kind == "output":
            self._calls.discard(past.call_id)
        self._send(message("conversation.item.create", item=item(past, self._settings.dialect)))


def is_greeting(frame: bytes | str) -> bool:
    """A server says that it is there."""
    try:
        return ga_name(json.loads(frame)["type"]) == "session.created"
    except (ValueError, TypeError, KeyError):
        return False
