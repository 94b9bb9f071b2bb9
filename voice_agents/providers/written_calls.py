"""Tool calls that a model wrote as text, in the words of its family.

The shapes are those that the chat parsers of llama.cpp, vLLM and SGLang read, and that LM Studio, Ollama and others let
through where theirs do not: JSON in many wrappings (Hermes, Qwen, Llama, Mistral, Command, Apertus, OpenAI), a name
before JSON (DeepSeek, Kimi, Functionary, ReAct), XML (Qwen3-Coder, MiniMax, Nemotron, Step), keys and values (GLM,
Solar, Kimi K3), Python (Llama 4, LFM2) and Gemma's own.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_NAME = r"([\w.-]{1,80})"
_NAMESPACE = re.compile(r"｜DSML｜|\]<\]minimax\[>\[|(?<=<)(?:steptml:|longcat_)|(?<=</)(?:steptml:|longcat_)")
"""What some families write before every tag."""
_XML_CALL = re.compile(
    rf"<(?:function=|invoke\s+name=|function\s+name=)\"?{_NAME}\"?\s*>(.*?)(?:</(?:function|invoke)>|$)", re.S
)
_XML_VALUE = re.compile(
    r"<(?:parameter=|param(?:eter)?\s+name=)\"?([\w.-]+)\"?[^<>]*>\n?(.*?)\n?(?:</param(?:eter)?>|(?=<param)|$)", re.S
)
_XML_CHILD = re.compile(r"<([A-Za-z_][\w.-]*)>(.*?)</\1>", re.S)
_KEYS = re.compile(r"<arg_key>\s*(.*?)\s*</arg_key>\s*<arg_value>\s*(.*?)\s*</arg_value>", re.S)
_NAMED = re.compile(
    rf"{_NAME}(?::\d+)?\s*(?:\[CALL_ID\]\w+|\[ARGS\]|<[|｜][^<>]{{1,40}}[|｜]>|```(?:json)?|✿\w+✿|:|\s)*\s*(?=\{{)"
)
_SOLAR = re.compile(r"<\|tool_arg:start\|>(.*?)<\|tool_arg:value\|>(.*?)<\|tool_arg:end\|>", re.S)
_KIMI = re.compile(r"<\|open\|>call\s[^<>]*?tool=\"([^\"]+)\"[^<>]*<\|sep\|>(.*?)(?:<\|close\|>call<\|sep\|>|$)", re.S)
_KIMI_VALUE = re.compile(
    r"<\|open\|>argument\s[^<>]*?key=\"([^\"]+)\"([^<>]*)<\|sep\|>(.*?)<\|close\|>argument<\|sep\|>", re.S
)
_REACT = re.compile(rf"Action:\s*{_NAME}\s*\n\s*Action Input:", re.IGNORECASE)
_GEMMA = re.compile(rf"call:{_NAME}\s*\{{(.*)\}}", re.S)
_GEMMA_VALUE = re.compile(r"([\w.-]+)\s*:\s*(?:<escape>(.*?)<escape>|([^,{}]+))", re.S)


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A tool call that a model wrote as text."""

    name: str
    arguments: str
    """JSON text of an object."""


def calls_in(text: str, tools: Mapping[str, str]) -> list[WrittenCall]:
    """The calls of known tools that a text holds. ``tools``: their names by these in lower case."""
    text = _NAMESPACE.sub("", text).replace('<|"|>', "<escape>")
    for reader in _READERS:
        if found := [call for name, arguments in reader(text) if (call := _known(name, arguments, tools)) is not None]:
            return found
    return []


def python_calls(text: str) -> Iterator[tuple[str, Any]]:
    """``[get_weather(city="Leeds"), get_time()]``: a list of calls with literal values, and nothing else."""
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    if isinstance(body, ast.Call) and isinstance(body.func, ast.Name) and body.func.id == "print" and body.args:
        body = body.args[0]
    for call in body.elts if isinstance(body, ast.List | ast.Tuple) else [body]:
        if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name | ast.Attribute):
            return
        try:
            values = {key.arg or "": ast.literal_eval(_Literals().visit(key.value)) for key in call.keywords}
        except ValueError:
            return
        yield ast.unparse(call.func).removesuffix(".call"), values


class _Literals(ast.NodeTransformer):
    """JSON's literals are Python's."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_JSON_NAMES[node.id]) if node.id in _JSON_NAMES else node


_JSON_NAMES = {"true": True, "false": False, "null": None}


def loads(text: str) -> Any:
    """Its JSON value, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def as_object(arguments: Any) -> Mapping[str, Any] | None:
    """The object that some encode twice; None: it is none."""
    for _ in range(2):
        if isinstance(arguments, str):
            arguments = {} if arguments.strip() in ("", "null") else loads(arguments)
    return arguments if isinstance(arguments, Mapping) else None


def made_of(arguments: str) -> Mapping[str, Any] | None:
    """The object that a model meant which wrote a fence, a list or an end token around it, or Python; None: none."""
    if (known := as_object(arguments)) is not None:
        return known
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        if isinstance(literal := ast.literal_eval(arguments.strip()), dict):
            return literal
    found = _values(arguments, most=1)
    value = found[0][0] if found and isinstance(found[0], list) and len(found[0]) == 1 else found[0] if found else None
    return value if isinstance(value, Mapping) else None


def known_as(name: str, tools: Mapping[str, str]) -> str | None:
    """The tool that is meant: ``functions.get_time<|channel|>commentary`` is ``get_time``."""
    name = re.split(r"[<\s]", name.strip())[0].lower()
    return tools.get(name) or tools.get(name.rpartition(".")[2])


def _known(name: str, arguments: Any, tools: Mapping[str, str]) -> WrittenCall | None:
    known = known_as(name, tools)
    return None if known is None else WrittenCall(known, json.dumps(as_object(arguments) or {}))


def _xml(text: str) -> Iterator[tuple[str, Any]]:
    for name, inner in _XML_CALL.findall(text):
        found = _XML_VALUE.findall(inner) or _XML_CHILD.findall(inner)
        yield name, {key: _value(value) for key, value in found} or loads(inner.strip()) or {}


def _json(text: str) -> Iterator[tuple[str, Any]]:
    for value in _values(text):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                yield from _object(one)


def _object(one: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    inner = one.get("function")
    call = inner if isinstance(inner, Mapping) else one
    name = call.get("name") or call.get("tool_name") or call.get("tool") or inner or ""
    if name:
        keys = ("arguments", "parameters", "args", "input", "tool_input", "kwargs")
        yield str(name), next((call[key] for key in keys if key in call), {})
    elif isinstance(several := one.get("tool_calls"), list):
        for each in several:
            yield from _object(each) if isinstance(each, Mapping) else ()
    else:
        yield from ((str(key), value) for key, value in one.items() if isinstance(value, Mapping))


def _named(text: str) -> Iterator[tuple[str, Any]]:
    for found in _NAMED.finditer(text):
        for value in _values(text[found.end() :], most=1):
            yield found.group(1), value


def _keys(text: str) -> Iterator[tuple[str, Any]]:
    name = re.split(r"<arg_key>|<\|tool_arg", text.strip())[0].strip()
    if re.fullmatch(_NAME, name):
        yield name, {key: _value(value) for key, value in (*_KEYS.findall(text), *_SOLAR.findall(text))}


def _kimi(text: str) -> Iterator[tuple[str, Any]]:
    for name, inner in _KIMI.findall(text):
        found = _KIMI_VALUE.findall(inner)
        yield name, {key: value if 'type="string"' in about else _value(value) for key, about, value in found}


def _react(text: str) -> Iterator[tuple[str, Any]]:
    for found in _REACT.finditer(text):
        for value in _values(text[found.end() :], most=1):
            yield found.group(1), value


def _gemma(text: str) -> Iterator[tuple[str, Any]]:
    for name, inner in _GEMMA.findall(text):
        found = _GEMMA_VALUE.findall(inner)
        yield name, {key: quoted if quoted else _value(bare.strip()) for key, quoted, bare in found}


_READERS: tuple[Callable[[str], Iterator[tuple[str, Any]]], ...] = (
    *(_kimi, _xml, _react, _json, _named, _gemma, _keys, python_calls),
)


def _value(text: str) -> Any:
    value = loads(text)
    return text if value is None and text.strip() != "null" else value


def _values(text: str, most: int = 100) -> list[Any]:
    """The JSON values that begin in a text, one after the other."""
    decoder, found, at = json.JSONDecoder(), list[Any](), 0
    while len(found) < most and (start := re.search(r"[\[{]", text[at:])) is not None:
        at += start.start()
        try:
            value, at = decoder.raw_decode(text, at)
            found.append(value)
        except ValueError:
            at += 1
    return found
