"""The responses of one Realtime server session: which is active, which is wanted next, what is no longer wanted."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Any, Literal

from voice_agents.audio import Pcm, SampleJoiner
from voice_agents.providers.realtime.calls import FunctionCalls
from voice_agents.providers.realtime.config import PastItem
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    TextDelta,
    ToolCall,
    UsageReported,
)
from voice_agents.providers.realtime.wire import Generation, Json, item, message

OVERDUE_S = 2.0
"""What the server should do at once (begin its answer to a turn, end a cancelled one) is no longer waited for."""
NOT_RUN = "not run: cancelled by the user"

Status = Literal["completed", "cancelled", "incomplete", "failed"]
_STATUSES: dict[object, Status] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "incomplete": "incomplete",
    "failed": "failed",
}


class Phase(Enum):
    """Where the server stands with its answers."""

    IDLE = auto()
    EXPECTED = auto()
    """It took a turn, and will begin to answer by itself."""
    REQUESTED = auto()
    """We asked for one."""
    ACTIVE = auto()


class Responses:
    """Server events in (GA names), events out; what has to be said to the server goes through ``send``.

    A response that was cancelled here is not reported any more, whatever still comes of it.
    """

    def __init__(self, send: Callable[[str], None], sentences: Sentences) -> None:
        self.phase = Phase.IDLE
        self.active = ""
        self.spoke = False
        """The session has sent sound: its voice is fixed."""
        self._send = send
        self._sentences = sentences
        self._since = 0.0
        self._next: Json | None = None
        """The response to ask for when none is active."""
        self._asked: Json | None = None
        """What our last request was, while it matters whether it is refused."""
        self._asks = 0
        self._drop_next = False
        self._last = ""
        """The response that began last."""
        self._before = ""
        """The response that was active when the server took its last turn."""
        self._over: set[str] = set()
        """Responses of which nothing is reported any more: done or cancelled."""
        self._cancelled: set[str] = set()
        self._items: dict[str, str] = {}
        self._received: dict[str, int] = {}
        self._written: set[str] = set()
        self._samples: dict[str, SampleJoiner] = {}
        self._calls = FunctionCalls()

    # Verbs

    def request(self, response: Json, now: float) -> None:
        """Ask for a response as soon as none is active. ``response`` holds what differs from the session."""
        if self.phase is not Phase.IDLE:
            self._next = response
            return
        self._next = None
        self._asked = response
        self._asks += 1
        fields: Json = {"response": response} if response else {}
        self._enter(Phase.REQUESTED, now)
        self._send(message("response.create", event_id=self._ask_id, **fields))

    def expect(self, now: float) -> None:
        """The server took a turn that it will answer by itself. A request it has not seen yet comes too late."""
        if self.phase is Phase.REQUESTED and self._drop_next:
            self._asked, self._drop_next = None, False
            self._enter(Phase.EXPECTED, now)
        elif self.phase is Phase.IDLE:
            self._enter(Phase.EXPECTED, now)

    def turn_taken(self, now: float) -> None:
        """The server took a turn just now, which it will answer by itself unless an answer is active."""
        self._before = self._last
        if self.phase is Phase.ACTIVE:
            self._asked = None  # what is refused from now on because of it is the server's own
        self.expect(now)

    def ensure(self, now: float) -> None:
        """The last turn is to be answered: ask for it, unless the server does, or has begun to, by itself."""
        begun = self.phase is Phase.ACTIVE and self.active != self._before and self.active not in self._over
        if not begun and self.phase not in (Phase.EXPECTED, Phase.REQUESTED):
            self.request({}, now)

    @property
    def items_of_last(self) -> list[str]:
        """The messages of the response to the last turn, as far as it has begun."""
        return [item_id for item_id, of in self._items.items() if of == self._last and of != self._before]

    @property
    def older(self) -> str:
        """The response that is active, and had begun when the last turn was taken; "" if there is none."""
        return self.active if self.phase is Phase.ACTIVE and self.active == self._before else ""

    def expect_none(self) -> None:
        """The user speaks again: the answer that was expected is not."""
        if self.phase is Phase.EXPECTED:
            self.phase, self._drop_next = Phase.IDLE, False

    def cancel(self, now: float) -> None:
        """Drop the answer that is active or to come."""
        self._next = None
        if self.phase is Phase.ACTIVE and self.active not in self._over:
            self._over.add(self.active)
            self._cancelled.add(self.active)
            self._send_cancel(self.active)
            self._since = now
        elif self.phase in (Phase.REQUESTED, Phase.EXPECTED):
            self._drop_next = True  # when it has an id: a cancel without one may hit another
            self._since = now

    def received(self, item_id: str) -> int:
        """Samples of a message that were reported."""
        return self._received.get(item_id, 0)

    def unwanted_calls(self, calls: Iterable[ToolCall]) -> None:
        """Tools nobody will run: the conversation on the server must not be left waiting for their results."""
        for call in calls:
            output = PastItem("output", text=NOT_RUN, call_id=call.call_id)
            self._send(message("conversation.item.create", item=item(output, Generation.GA)))

    def watch(self, now: float) -> None:
        """Go on without what the server should have said long ago."""
        if now - self._since < OVERDUE_S:
            return
        if self.phase is Phase.EXPECTED:
            wanted, self._drop_next = not self._drop_next or self._next is not None, False
            self.phase = Phase.IDLE
            if wanted:
                self.request(self._next or {}, now)
        elif self._next is not None and (self.phase is Phase.REQUESTED or self.active in self._cancelled):
            self._request_next(now)

    # What the server says

    def created(self, response: Mapping[str, Any], now: float) -> list[RealtimeEvent]:
        """``response.created``."""
        return self._begin(str(response.get("id") or ""), now)

    def refused(self, error: Mapping[str, Any], already_active: bool, now: float) -> bool:
        """An error that may be about our request. True if it was, and the answer will not come."""
        ours = self.phase is Phase.REQUESTED and error.get("event_id") in (self._ask_id, None, "")
        if already_active:
            if self._next is None and not self._drop_next:
                self._next = self._asked
            self._drop_next = False
            if self.phase is Phase.REQUESTED and self._next is not None:
                self._since = now
            elif self.phase is Phase.REQUESTED:
                self.phase = Phase.IDLE
            elif self.phase is Phase.IDLE and self._next is not None:
                self.request(self._next, now)
            return False
        if ours and error.get("event_id"):
            gone = self._drop_next
            self._request_next(now)
            return not gone
        return False

    def delta(self, kind: str, said: Mapping[str, Any], now: float) -> list[RealtimeEvent]:
        """The next piece of sound or text."""
        response_id, item_id = self._response_of(said), str(said.get("item_id") or "")
        delta = said.get("delta")
        if not isinstance(delta, str) or self._is_over(response_id, item_id):
            return []
        events = self._begin(response_id, now) if response_id != self.active else []
        if self._is_over(response_id, item_id):
            return events
        self._items.setdefault(item_id, response_id)
        if kind == "response.output_audio.delta":
            pcm = self._decoded(item_id, delta)
            self.spoke = True
            self._received[item_id] = self._received.get(item_id, 0) + len(pcm)
            return [*events, AudioDelta(response_id, item_id, pcm)] if len(pcm) else events
        self._written.add(item_id)
        return [*events, TextDelta(response_id, item_id, delta)] if delta else events

    def text_done(self, said: Mapping[str, Any], now: float) -> list[RealtimeEvent]:
        """The whole text of a part; it counts when no delta of it came."""
        text = said.get("transcript") or said.get("text")
        if not isinstance(text, str) or str(said.get("item_id") or "") in self._written:
            return []
        return self.delta("text", {**said, "delta": text}, now)

    def item(self, said: Mapping[str, Any], done: bool) -> list[RealtimeEvent]:
        """``response.output_item.added`` and ``.done``."""
        item = said.get("item")
        if isinstance(item, dict):
            self._calls.item(self._response_of(said), item, done=done)
        return []

    def arguments_done(self, said: Mapping[str, Any]) -> list[RealtimeEvent]:
        """``response.function_call_arguments.done``."""
        self._calls.add(self._response_of(said), said, complete=True)
        return []

    def done(self, response: Mapping[str, Any], now: float) -> list[RealtimeEvent]:
        """``response.done``."""
        response_id = str(response.get("id") or self.active)
        unheard_of = self.phase is Phase.REQUESTED and response_id not in self._over
        events: list[RealtimeEvent] = []
        if unheard_of:
            events += self._begin(response_id, now)
        if response_id not in self._over:
            events += [self._done(response_id, response), *_usage(response)]
        elif response_id in self._cancelled:
            self._cancelled.discard(response_id)
            self.unwanted_calls(self._done(response_id, response).tool_calls)
            events += _usage(response)
        self._over.add(response_id)
        ours_was_refused_for_it = self.phase is Phase.REQUESTED and self._next is not None
        if ours_was_refused_for_it or (self.phase is Phase.ACTIVE and response_id == self.active):
            self._request_next(now)
        return events

    # Inside

    @property
    def _ask_id(self) -> str:
        return f"response_create_{self._asks}"

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self._since = phase, now

    def _request_next(self, now: float) -> None:
        """None is active any more."""
        self.phase, self.active, self._drop_next = Phase.IDLE, "", False
        if self._next is not None:
            self.request(self._next, now)

    def _send_cancel(self, response_id: str) -> None:
        self._send(message("response.cancel", response_id=response_id))

    def _begin(self, response_id: str, now: float) -> list[RealtimeEvent]:
        if response_id == self.active or response_id in self._over:
            return []
        self.active = self._last = response_id
        self._enter(Phase.ACTIVE, now)
        if self._drop_next:
            self._drop_next = False
            self._over.add(response_id)
            self._cancelled.add(response_id)
            self._send_cancel(response_id)
            return []
        return [ResponseStarted(response_id)]

    def _response_of(self, said: Mapping[str, Any]) -> str:
        return str(said.get("response_id") or self.active)

    def _is_over(self, response_id: str, item_id: str) -> bool:
        return response_id in self._over or self._items.get(item_id, response_id) in self._over

    def _decoded(self, item_id: str, delta: str) -> Pcm:
        """Samples of a piece that may end in the middle of one. Raises ValueError."""
        try:
            data = b64decode(delta)
        except binascii.Error as error:
            raise ValueError("audio is not base64") from error
        return self._samples.setdefault(item_id, SampleJoiner()).feed(data)

    def _done(self, response_id: str, response: Mapping[str, Any]) -> ResponseDone:
        status = _STATUSES.get(response.get("status"), "completed")
        calls = self._calls.take(response_id, response)
        reason, passing = self._reason(response)
        calls = calls if status == "completed" else ()
        return ResponseDone(response_id, status, calls, reason, passing and status == "failed")

    def _reason(self, response: Mapping[str, Any]) -> tuple[str, bool]:
        """Why it is not whole, and whether that was the server's own trouble."""
        details = response.get("status_details") or {}
        error = details.get("error") or {}
        plain = self._sentences.reported(error)
        if plain is not None:
            return str(plain), plain.explained
        return self._sentences.scrubbed(str(error.get("message") or details.get("reason") or "")), False


def _usage(response: Mapping[str, Any]) -> list[RealtimeEvent]:
    tokens = {k: v for k, v in (response.get("usage") or {}).items() if isinstance(v, int)}
    return [UsageReported(tokens)] if tokens else []
