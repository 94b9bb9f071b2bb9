"""The function calls of Realtime responses, put together from the events that carry their parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voice_agents.providers.realtime.events import ToolCall


@dataclass(slots=True)
class _Calls:
    """Of one response, by call id."""

    names: dict[str, str] = field(default_factory=dict)
    complete: dict[str, ToolCall] = field(default_factory=dict)


class FunctionCalls:
    """A call's name comes with its item, its arguments with another event or the item's end; some servers say all of it
    in ``response.done`` only."""

    def __init__(self) -> None:
        self._of: dict[str, _Calls] = {}

    def item(self, response_id: str, call: Mapping[str, Any], *, done: bool) -> None:
        """``response.output_item.added`` or ``.done`` with the item ``call``; other kinds of items are passed over."""
        if call.get("type") == "function_call" and call.get("call_id"):
            self.add(response_id, call, complete=done and call.get("status", "completed") == "completed")

    def add(self, response_id: str, call: Mapping[str, Any], *, complete: bool) -> None:
        """What is known of a call, with its arguments when it is ``complete``; the preview leaves the name out then."""
        calls = self._of.setdefault(response_id, _Calls())
        call_id = str(call.get("call_id") or "")
        name = calls.names[call_id] = str(call.get("name") or calls.names.get(call_id, ""))
        if complete:
            calls.complete[call_id] = ToolCall(call_id, name, str(call.get("arguments") or "{}"))

    def take(self, response_id: str, response: Mapping[str, Any]) -> tuple[ToolCall, ...]:
        """All complete calls of a response that is done, in the order they came; they are forgotten."""
        calls = self._of.pop(response_id, _Calls())
        for call in response.get("output") or ():
            if call.get("type") == "function_call" and (call_id := str(call.get("call_id") or "")):
                known = calls.complete.get(call_id)
                name = str(call.get("name") or calls.names.get(call_id, ""))
                arguments = str(call.get("arguments") or (known.arguments if known else "{}"))
                calls.complete[call_id] = ToolCall(call_id, name, arguments)
        return tuple(calls.complete.values())
