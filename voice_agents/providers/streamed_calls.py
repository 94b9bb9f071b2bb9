"""Tool calls as chat servers stream them, put together so that each is made once and rightly.

OpenAI numbers the calls of an answer, names each once and sends its arguments in pieces. What others do (their sources
and issues): whole calls without a number (Ollama, Gemini) or all under number 0 (vLLM, LiteLLM, LMDeploy), the name or
the id in every piece (TGI, SGLang, LiteLLM), the same call under several numbers (LocalAI) or once more at the end
(OpenRouter, LiteLLM), everything so far in each piece (MiniMax), one object instead of a list (TGI), arguments as an
object or encoded twice, calls without a name or an id (LM Studio), and the older ``function_call``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

from voice_agents.providers.written_calls import WrittenCall, as_object, known_as, loads, made_of


def listed(delta: dict[str, Any]) -> None:
    """What a server writes of tool calls in a ``delta``, in the shape that OpenAI documents. Raises ValueError."""
    calls, legacy = delta.get("tool_calls"), delta.pop("function_call", None)
    if isinstance(calls, Mapping):
        calls = [calls]
    if legacy and not calls:
        calls = [{"index": 0, "function": legacy}]
    if calls:
        delta["tool_calls"] = [_documented(call) for call in calls]


def _documented(call: Any) -> dict[str, Any]:
    if not isinstance(call, Mapping):
        raise ValueError("a tool call of no known shape")
    function = call.get("function")
    function = function if isinstance(function, Mapping) else call
    arguments = next((function[key] for key in ("arguments", "parameters", "args") if key in function), None)
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments)
    index = call.get("index")
    return {
        "index": index if isinstance(index, int) else None,
        "id": str(call.get("id") or "") or None,
        "type": "function",
        "function": {"name": str(function.get("name") or "") or None, "arguments": arguments or ""},
    }


@dataclass(slots=True)
class _GrowingCall:
    index: int | None
    id: str
    name: str
    arguments: str

    @property
    def whole(self) -> bool:
        """Its arguments are complete, as far as they tell."""
        return bool(self.arguments) and as_object(self.arguments) is not None


class StreamedCalls:
    """One answer's calls: :meth:`add` every piece in order, then :meth:`whole`. ``tools``: the names that are known."""

    def __init__(self, tools: Collection[str]) -> None:
        self._tools = set(tools)
        self._by_name = {name.lower(): name for name in tools}
        self._calls: list[_GrowingCall] = []

    def add(self, piece: ToolCallChunk) -> None:
        """The next piece."""
        name, arguments, id = piece["name"] or "", piece["args"] or "", piece["id"] or ""
        call = self._of(piece["index"], id, name)
        if call is None:
            if name or arguments:
                self._calls.append(_GrowingCall(piece["index"], id, name, arguments))
            return
        if self._is_once_more(call, id, name, arguments):
            return
        if call.whole and (name or id not in ("", call.id)):
            self._calls.append(_GrowingCall(piece["index"], id, name, arguments))
            return
        if not as_object(call.arguments) and call.whole and arguments.lstrip().startswith("{"):
            call.arguments = ""  # which only stood for those that come now
        call.id = call.id or id
        if name != call.name:
            call.name += name
        grows = call.arguments and arguments.startswith(call.arguments) and len(arguments) > 1
        call.arguments = arguments if grows else call.arguments + arguments

    def whole(self, written: Sequence[WrittenCall] = ()) -> list[ToolCallChunk]:
        """All of them, and those that were ``written`` as text, each with an id of its own."""
        calls = [call for call in self._calls if call.name]
        for call in calls:
            call.name = known_as(call.name, self._by_name) or call.name
        said = [(call.name, as_object(call.arguments)) for call in calls]
        for one in written:
            if (one.name, loads(one.arguments)) not in said:
                calls.append(_GrowingCall(None, "", one.name, one.arguments))
        ids: set[str] = set()
        chunks = []
        for index, call in enumerate(calls):
            id = call.id if call.id and call.id not in ids else f"call_{uuid4().hex}"
            ids.add(id)
            chunks.append(tool_call_chunk(name=call.name, args=_arguments(call), id=id, index=index))
        return chunks

    def _of(self, index: int | None, id: str, name: str) -> _GrowingCall | None:
        """The call that a piece goes on with; None: a new one begins."""
        if id and (known := next((call for call in self._calls if call.id == id), None)) is not None:
            return known if self._same(known, name) else None
        if index is None:
            last = self._calls[-1] if self._calls else None
            return last if last is not None and (not name or (name == last.name and not last.whole)) else None
        call = next((call for call in reversed(self._calls) if call.index == index), None)
        if call is None or (id and call.id and id != call.id) or not self._same(call, name):
            return None
        return call

    def _same(self, call: _GrowingCall, name: str) -> bool:
        """A piece with this name may belong to the call: it has none, or the same, or the rest of one."""
        return not name or name == call.name or (call.name not in self._tools and not call.arguments)

    def _is_once_more(self, call: _GrowingCall, id: str, name: str, arguments: str) -> bool:
        """The whole call is said again."""
        if not call.whole or not arguments or (name and name != call.name):
            return False
        return as_object(arguments) is not None and as_object(arguments) == as_object(call.arguments)


def _arguments(call: _GrowingCall) -> str:
    """JSON text of an object, if it can be made of what came; else that, which the tool refuses.

    LangChain would close the brackets of arguments that were cut off, and have half of them done.
    """
    known = made_of(call.arguments)
    return f"no JSON object: {call.arguments}" if known is None else json.dumps(known)
