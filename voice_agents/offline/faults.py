"""Faults as data: what goes wrong, on which service, when, and on how many connections."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Service(StrEnum):
    """What a connection or request is for."""

    STT = "stt"
    TTS = "tts"
    TTS_HTTP = "tts-http"
    CHAT = "chat"
    REALTIME = "realtime"


class FaultKind(StrEnum):
    """What goes wrong. "Message" is a socket message, an SSE event or a piece of a streamed body sent by the server."""

    REFUSE = "refuse"
    """The handshake or request is answered with ``status`` (default 500) and the vendor's error body."""
    ERROR_FRAME = "error"
    """Instead of message ``after`` comes the service's own error message called ``name``, then the close it brings.
    Over plain HTTP the request is answered with that error and ``status`` (default 400)."""
    CLOSE = "close"
    """Instead of message ``after`` the socket closes with code ``status`` (default 1011; 1006 cuts the TCP
    connection without a close frame). A streamed HTTP body is cut."""
    STALL = "stall"
    """From message ``after`` on nothing is sent for ``delay_s`` (default: for good); the client's messages are read."""
    DRIP = "drip"
    """From message ``after`` on every message is late by ``delay_s`` (default 1)."""
    MALFORMED = "malformed"
    """Instead of message ``after`` comes one that is not JSON (``name`` = "schema": JSON of no known shape)."""
    DUPLICATE = "duplicate"
    """From message ``after`` on every message is sent twice; with a ``name`` only messages of that type."""
    LATE_COMMIT = "late-commit"
    """STT and Realtime: the transcript of commit ``after`` is late by ``delay_s`` (default 2)."""
    MISSING_COMMIT = "missing-commit"
    """STT and Realtime: the transcript of commit ``after`` never comes."""
    CONTEXT_CAP = "context-cap"
    """TTS: opening context ``after`` of the socket is refused as if five were open."""
    TRUNCATE_ERROR = "truncate-error"
    """Realtime: truncate ``after`` is answered with the "already shorter" error."""


_LASTING = frozenset({FaultKind.STALL, FaultKind.DRIP, FaultKind.DUPLICATE})
_ON_MESSAGES = _LASTING | {FaultKind.ERROR_FRAME, FaultKind.CLOSE, FaultKind.MALFORMED}
_DEFAULT_STATUS = {FaultKind.REFUSE: 500, FaultKind.CLOSE: 1011}
_DEFAULT_DELAY_S = {FaultKind.STALL: math.inf, FaultKind.DRIP: 1.0, FaultKind.LATE_COMMIT: 2.0}
_DEFAULT_ERROR = {
    Service.STT: "transcriber_error",
    Service.TTS: "internal_server_error",
    Service.TTS_HTTP: "internal_server_error",
    Service.CHAT: "server_error",
    Service.REALTIME: "server_error",
}

ALWAYS = -1
"""``Fault.times``: every connection."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Fields left at their defaults take the default of the kind, see ``FaultKind``."""

    service: Service
    kind: FaultKind
    status: int = 0
    """HTTP status of REFUSE, close code of CLOSE."""
    name: str = ""
    """ERROR_FRAME: the vendor's name of the error. DUPLICATE: the message type."""
    after: int = 0
    """How many messages (commits, contexts, truncates) of the connection go well before it strikes; a socket's
    greeting counts as a message."""
    delay_s: float = -1.0
    times: int = 1
    """How many connections or requests are struck; ``ALWAYS`` = -1."""

    def __post_init__(self) -> None:
        if not self.status:
            object.__setattr__(self, "status", _DEFAULT_STATUS.get(self.kind, 0))
        if self.delay_s < 0:
            object.__setattr__(self, "delay_s", _DEFAULT_DELAY_S.get(self.kind, 0.0))
        if self.kind is FaultKind.ERROR_FRAME and not self.name:
            object.__setattr__(self, "name", _DEFAULT_ERROR[self.service])

    @classmethod
    def parse(cls, text: str) -> Fault:
        """The command line's form: ``service:kind[:status or name][:after=N][:delay=S][:times=N]``.

        ``stt:refuse:401``, ``tts:error:quota_exceeded:after=2``, ``chat:stall:delay=3:times=-1``. Raises ValueError.
        """
        parts = text.split(":")
        if len(parts) < 2:
            raise ValueError(f"a fault reads service:kind[:value][:after=N][:delay=S][:times=N], not {text!r}")
        fault = cls(Service(parts[0]), FaultKind(parts[1]))
        for part in parts[2:]:
            match part.partition("="):
                case value, "", _:
                    fault = replace(fault, status=int(value)) if value.isdecimal() else replace(fault, name=value)
                case "delay", _, value:
                    fault = replace(fault, delay_s=float(value))
                case "after", _, value:
                    fault = replace(fault, after=int(value))
                case "times", _, value:
                    fault = replace(fault, times=int(value))
                case name, _, _:
                    raise ValueError(f"a fault has no {name!r}; known are after, delay and times")
        return fault

    def __str__(self) -> str:
        """The form ``parse`` reads."""
        values = [str(self.status)] * bool(self.status) + [self.name] * bool(self.name)
        values += [f"after={self.after}", f"delay={self.delay_s}", f"times={self.times}"]
        return ":".join([self.service, self.kind, *values])


class ConnectionFaults:
    """The faults of one connection or request, and how far it has come. Never asked from two threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = tuple(faults)
        self._seen: Counter[Fault | FaultKind] = Counter()

    def add(self, fault: Fault) -> None:
        """One more, which counts messages (commits, contexts, truncates) from now on."""
        self._faults = (*self._faults, replace(fault, after=fault.after + self._seen[fault.kind]))

    @property
    def refusal(self) -> Fault | None:
        """The REFUSE fault, to be asked before anything is accepted."""
        return self.of(FaultKind.REFUSE)

    def of(self, kind: FaultKind) -> Fault | None:
        """The fault of this kind, whether it has struck or not."""
        return next((fault for fault in self._faults if fault.kind is kind), None)

    def on_message(self, message_type: str = "") -> list[Fault]:
        """Counts one message about to be sent (its type, where the protocol has types); the faults that strike it."""
        return [fault for fault in self._faults if fault.kind in _ON_MESSAGES and self._strikes(fault, message_type)]

    def on_event(self, kind: FaultKind) -> Fault | None:
        """Counts one commit, context or truncate; gives the fault of this kind if it strikes now."""
        count = self._seen[kind]
        self._seen[kind] += 1
        return next((fault for fault in self._faults if fault.kind is kind and fault.after == count), None)

    def _strikes(self, fault: Fault, message_type: str) -> bool:
        if fault.kind is FaultKind.DUPLICATE and fault.name not in ("", message_type):
            return False
        count = self._seen[fault]
        self._seen[fault] += 1
        return count == fault.after or (fault.kind in _LASTING and count > fault.after)


class FaultPlan:
    """What shall go wrong from now on. Faults are handed out in the order they were added.

    A connection gets every fault of its service that is not used up, but of each kind only the first.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        """What is still to come; ``times`` is what is left of it."""

    def add(self, fault: Fault) -> None:
        """One more fault, for connections from now on."""
        self.faults = (*self.faults, fault)

    def clear(self) -> None:
        """Nothing goes wrong any more; connections that are open keep the faults they have."""
        self.faults = ()

    def begin(self, service: Service) -> ConnectionFaults:
        """A connection or request begins: the faults it gets, each used up by one."""
        taken: dict[FaultKind, Fault] = {}
        left = []
        for fault in self.faults:
            if fault.service is service and fault.kind not in taken:
                taken[fault.kind] = fault
                fault = fault if fault.times == ALWAYS else replace(fault, times=fault.times - 1)
            left.append(fault)
        self.faults = tuple(fault for fault in left if fault.times)
        return ConnectionFaults(taken.values())
