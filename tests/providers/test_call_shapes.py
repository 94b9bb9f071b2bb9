"""Tool calls as real servers stream them: each is made once, with the arguments that were meant.

The shapes are from the sources, documentation and issue trackers of the servers that name them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.tools import tool

from tests.providers.test_chat_on_another_server import DONE, Event, asking, delta
from voice_agents.tools import Tool, Toolbox

ROME = '{"place": "Rome"}'
Call = dict[str, Any]


@tool
def weather(place: str, unit: str = "C") -> str:
    """The weather."""
    return f"Sunny in {place}."


@tool
def now() -> str:
    """The time."""
    return "Noon."


def called(*calls: Any, **more: Any) -> Event:
    return delta(tool_calls=list(calls), **more)


def piece(index: int | None = 0, id: str | None = None, name: str | None = None, args: Any = None) -> Call:
    function = {**({"name": name} if name is not None else {}), **({"arguments": args} if args is not None else {})}
    call: Call = {"type": "function", "function": function}
    if index is not None:
        call["index"] = index
    if id is not None:
        call["id"] = id
    return call


def bit_by_bit(name: bool = False, id: str | None = None, first_id: str | None = "call_1") -> Sequence[Event]:
    """The arguments in pieces; the name, or the id, in each of them or only in the first."""
    pieces = ["{", '"place"', ": ", '"Rome"', "}"]
    return [
        called(piece(0, first_id, "weather", "")),
        *(called(piece(0, id, "weather" if name else None, text)) for text in pieces),
    ]


END = (delta("tool_calls"), DONE)
ONE: dict[str, Sequence[Event]] = {
    "OpenAI": [*bit_by_bit()],
    "llama.cpp": [called(piece(0, "A1b2", "weather", ROME[:5]), content=None), called(piece(0, args=ROME[5:]))],
    "llama.cpp, a role and null content first": [delta(role="assistant", content=None), *bit_by_bit()],
    "vLLM, the name without arguments": [called(piece(0, "chatcmpl-tool-1", "weather")), called(piece(0, args=ROME))],
    "vLLM, no id at all": [called(piece(0, None, "weather")), called(piece(0, args=ROME))],
    "vLLM, everything null but what it says": [
        called({"index": 0, "id": "c", "type": "function", "function": {"name": "weather", "arguments": None}}),
        called({"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": ROME}}),
    ],
    "MiniMax on vLLM, all so far in each piece": [
        called(piece(0, "c", "weather", ROME[:end])) for end in (1, 9, 12, len(ROME))
    ],
    "TGI, the name in every piece": [*bit_by_bit(name=True)],
    "TGI, an object instead of a list": [
        delta(tool_calls=piece(0, "", "weather", text)) for text in ("{", '"place": "Rome"', "}")
    ],
    "TGI, the arguments as an object": [delta(tool_calls=[piece(0, "0", "weather", {"place": "Rome"})])],
    "SGLang, the id in every piece": [*bit_by_bit(id="call_1")],
    "LMDeploy, another empty id": [*bit_by_bit(id="")],
    "Ollama, no number": [called(piece(None, "call_1", "weather", ROME))],
    "Ollama, neither number nor id": [called(piece(None, None, "weather", ROME))],
    "Ollama, the arguments as an object": [called(piece(0, "call_1", "weather", {"place": "Rome"}))],
    "Continue, no id and then pieces": [*bit_by_bit(first_id=None)],
    "LiteLLM, id and a summary encoded twice": [
        *bit_by_bit(id="call_1"),
        called(piece(0, "call_1", "weather", json.dumps(ROME))),
    ],
    "OpenRouter, finished twice": [
        *bit_by_bit(),
        delta("tool_calls", tool_calls=[piece(0, "call_1", "weather", ROME)]),
    ],
    "LocalAI, the same call under several numbers": [
        called(piece(0, "L1", "weather", "")),
        called(piece(1, "L1", "weather", ROME)),
        called(piece(2, "L1", "weather", ROME)),
    ],
    "LM Studio, empty lists before": [delta(content="", tool_calls=[]), *bit_by_bit()],
    "LM Studio, an empty call after": [*bit_by_bit(), called({"id": "", "type": "function"})],
    "LM Studio, the id is empty": [called(piece(0, "", "weather", ROME))],
    "NIM, whole and beside null content": [
        {**delta(role="assistant", content=None, tool_calls=[piece(0, "chatcmpl-tool-9", "weather", ROME)])}
    ],
    "NIM, the summary has the calls again": [
        called(piece(0, "t9", "weather", ROME)),
        delta("tool_calls", content="", tool_calls=[piece(0, "t9", "weather", ROME)]),
    ],
    "Gemini, neither number nor id": [called({"function": {"name": "weather", "arguments": ROME}, "id": ""})],
    "encoded twice": [called(piece(0, "c", "weather", json.dumps(ROME)))],
    "the number is text": [called({**piece(None, "c", "weather", ROME), "index": "0"})],
    "no function, name and arguments beside the id": [called({"id": "c", "name": "weather", "arguments": ROME})],
    "parameters instead of arguments": [called({"id": "c", "function": {"name": "weather", "parameters": ROME}})],
    "the older function_call": [
        delta(function_call={"name": "weather", "arguments": ""}),
        delta(function_call={"arguments": ROME}),
    ],
    "a name in two pieces": [
        called(piece(0, "c", "wea", "")),
        called(piece(0, None, "ther", "")),
        called(piece(0, args=ROME)),
    ],
    "words before it": [delta(content="Let me look."), *bit_by_bit()],
    "null for what is optional": [called(piece(0, "c", "weather", '{"place": "Rome", "unit": null}'))],
    "gpt-oss on vLLM, a namespace": [called(piece(0, "c", "functions.weather", ROME))],
    "gpt-oss on vLLM, a token in the name": [called(piece(0, "c", "weather<|channel|>commentary", ROME))],
    "gpt-oss on Ollama, a token after the name": [called(piece(0, "c", "weather <|constrain|>json", ROME))],
    "another case": [called(piece(0, "c", "Weather", ROME))],
    "Python instead of JSON": [called(piece(0, "c", "weather", "{'place': 'Rome'}"))],
    "a fence around the arguments": [called(piece(0, "c", "weather", f"```json\n{ROME}\n```"))],
    "a token after the arguments": [called(piece(0, "c", "weather", f"{ROME}</s>"))],
    "a list of one": [called(piece(0, "c", "weather", f"[{ROME}]"))],
    "an empty object that only stands for what comes": [
        called(piece(0, "c", "weather", "{}")),
        called(piece(0, args=ROME)),
    ],
    "as text and as a call": [
        delta(content=f'<tool_call>{{"name": "weather", "arguments": {ROME}}}</tool_call>'),
        *bit_by_bit(),
    ],
}
OSLO = '{"place": "Oslo"}'
TWO: dict[str, Sequence[Event]] = {
    "OpenAI": [called(piece(0, "a", "weather", ROME)), called(piece(1, "b", "weather", OSLO))],
    "vLLM, LMDeploy: both under number 0": [
        called(piece(0, "a", "weather", "")),
        called(piece(0, "", None, ROME)),
        called(piece(0, "b", "weather", "")),
        called(piece(0, "", None, OSLO)),
    ],
    "SGLang: ids 0 and 1 under number 0": [
        called(piece(0, "0", "weather", "")),
        called(piece(0, "0", None, ROME)),
        called(piece(0, "1", "weather", "")),
        called(piece(0, "1", None, OSLO)),
    ],
    "LiteLLM on Ollama: whole, under number 0, no ids": [
        called(piece(0, None, "weather", ROME)),
        called(piece(0, None, "weather", OSLO)),
    ],
    "Ollama: one after the other without numbers": [
        called(piece(None, "a", "weather", ROME)),
        called(piece(None, "b", "weather", OSLO)),
    ],
    "Gemini: together, without numbers": [called(piece(None, "", "weather", ROME), piece(None, "", "weather", OSLO))],
    "llama.cpp: pieces that take turns": [
        called(piece(0, "a", "weather", ROME[:4])),
        called(piece(1, "b", "weather", OSLO[:4])),
        called(piece(0, None, None, ROME[4:]), piece(1, None, None, OSLO[4:])),
    ],
    "the same id for both": [called(piece(0, "x", "weather", ROME)), called(piece(1, "x", "weather", OSLO))],
    "one as a call and one as text": [
        called(piece(0, "a", "weather", ROME)),
        delta(content=f'<tool_call>{{"name": "weather", "arguments": {OSLO}}}</tool_call>'),
    ],
    "TGI: a list of objects": [
        delta(tool_calls=[piece(0, "0", "weather", {"place": "Rome"}), piece(1, "1", "weather", {"place": "Oslo"})])
    ],
}
NOTHING: dict[str, Any] = {"none": None, "empty": "", "an object": {}, "an empty object": "{}", "null": "null"}


@pytest.mark.parametrize("script", ONE.values(), ids=ONE.keys())
async def test_one_call_is_made_once(script: Sequence[Event]) -> None:
    async with asking((*script, *END)) as asked:
        whole = await asked.ask(tools=[weather, now])
        assert [(call["name"], call["args"]["place"]) for call in whole.tool_calls] == [("weather", "Rome")]
        assert not whole.invalid_tool_calls and all(call["id"] for call in whole.tool_calls)
        assert whole.text in ("", "Let me look.")


@pytest.mark.parametrize("script", TWO.values(), ids=TWO.keys())
async def test_two_calls_are_two(script: Sequence[Event]) -> None:
    async with asking((*script, *END)) as asked:
        whole = await asked.ask(tools=[weather, now])
        assert [(call["name"], call["args"]) for call in whole.tool_calls] == [
            ("weather", {"place": "Rome"}),
            ("weather", {"place": "Oslo"}),
        ]
        assert len({call["id"] for call in whole.tool_calls}) == 2


@pytest.mark.parametrize("arguments", NOTHING.values(), ids=NOTHING.keys())
async def test_a_call_without_arguments_is_one(arguments: Any) -> None:
    async with asking((called(piece(0, "c", "now", arguments)), *END)) as asked:
        whole = await asked.ask(tools=[weather, now])
        assert [(call["name"], call["args"]) for call in whole.tool_calls] == [("now", {})]


@pytest.mark.parametrize("arguments", ['{"place": "Ro', '{"place": ', '{"place": "Rome", ', "[1]", "Rome"])
async def test_arguments_that_are_no_object_are_told_to_the_model_and_not_guessed(arguments: str) -> None:
    async with asking((called(piece(0, "c", "weather", arguments)), *END)) as asked:
        whole = await asked.ask(tools=[weather])
        assert whole.tool_calls == []
        assert [call["name"] for call in whole.invalid_tool_calls] == ["weather"]


async def test_null_for_what_is_optional_is_not_given() -> None:
    def look(place: str, unit: str = "C", days: int = 1) -> str:
        """The weather."""
        return f"{place} {unit} {days}"

    result = await Toolbox([Tool.of(look)]).call("look", '{"place": "Rome", "unit": null, "days": null}')
    assert result.text == "Rome C 1" and not result.error
    assert (await Toolbox([Tool.of(look)]).call("look", '{"place": null}')).error


LIFE: dict[str, bytes] = {
    "a comment": b": keep-alive\n\n",
    "OpenRouter": b": OPENROUTER PROCESSING\n\n",
    "a bare colon": b":\n\n",
    "retry": b"retry: 3000\n\n",
    "an id": b"id: 17\n\n",
    "an id and retry": b"id: 17\nretry: 3000\n\n",
    "empty data": b"data:\n\n",
    "data of a space": b"data: \n\n",
    "an event without data": b"event: ping\n\n",
    "Anthropic's ping": b'event: ping\ndata: {"type": "ping"}\n\n',
    "a heartbeat": b'event: heartbeat\ndata: {"time": 1}\n\n',
    "an object without anything": b"data: {}\n\n",
    "a typed ping": b'data: {"type": "ping"}\n\n',
    "null": b"data: null\n\n",
    "processing": b'data: {"status": "processing"}\n\n',
    "blank lines": b"\n\n\n",
    "carriage returns": b": hi\r\n\r\n",
    "a chunk without choices": b'data: {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}\n\n',
    "choices that are empty": b'data: {"id": "x", "object": "chat.completion.chunk", "choices": []}\n\n',
}


@pytest.mark.parametrize("sign", LIFE.values(), ids=LIFE.keys())
async def test_a_sign_of_life_is_no_chunk(sign: bytes) -> None:
    script = (sign, delta(content="Hello "), sign, sign, delta(content="there."), sign, delta("stop"), sign, DONE)
    async with asking(script) as asked:
        assert (await asked.ask()).text == "Hello there."
        assert len(asked.server.requests) == 1
