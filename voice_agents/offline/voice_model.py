"""Cuts Piper's voice model (VITS, an ONNX file) in two: phonemes to a plan, and the plan to sound, piece by piece.

An ONNX file is a protobuf message, fields in fields; reading and writing those by hand spares the onnx package. Field
numbers are those of onnx.proto: a model's graph is 7; a graph's nodes are 1, weights 5, inputs 11, outputs 12; a node's
inputs are 1, outputs 2, name 3; a weight's name is 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

_GRAPH, _NODE, _WEIGHT, _INPUT, _OUTPUT = 7, 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _WEIGHT_NAME = 1, 2, 3, 8
_NAME = 1
_FIRST_SOUND_NODE = "/dec/conv_pre/Conv"
"""The first node of the part that makes sound; its input is the plan."""
_DURATIONS = "/Ceil_output_0"
"""How many frames each phoneme is long."""
_CHANNELS = 192


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    content: memoryview
    whole: memoryview


@dataclass(frozen=True, slots=True)
class _Node:
    whole: memoryview
    inputs: list[str]
    outputs: list[str]
    name: str


def split(model: bytes) -> tuple[bytes, bytes]:
    """(phonemes -> plan and durations, plan -> sound), two models of their own."""
    view = memoryview(model)
    rest = b"".join(field.whole for field in _fields(view) if field.number != _GRAPH)
    graph = list(_fields(next(field.content for field in _fields(view) if field.number == _GRAPH)))
    nodes = [_node(field) for field in graph if field.number == _NODE]
    plan = next(node.inputs[0] for node in nodes if node.name == _FIRST_SOUND_NODE)
    heads = [field.whole for field in graph if field.number == _INPUT]
    tails = [field for field in graph if field.number == _OUTPUT]
    sound = [_texts(field.content, _NAME)[0] for field in tails]
    planner = _part(graph, nodes, [plan, _DURATIONS], stop_at="")
    planner += b"".join(heads) + _output(plan) + _output(_DURATIONS)
    speaker = _part(graph, nodes, sound, stop_at=plan)
    speaker += _packed(_INPUT, _float_tensor(plan, _CHANNELS)) + b"".join(field.whole for field in tails)
    return rest + _packed(_GRAPH, planner), rest + _packed(_GRAPH, speaker)


def _part(graph: list[_Field], nodes: list[_Node], ends: list[str], stop_at: str) -> bytes:
    """The nodes that make ``ends``, back to ``stop_at``, with their weights."""
    maker = {output: at for at, node in enumerate(nodes) for output in node.outputs}
    needed: set[int] = set()
    used, wanted = set(ends), list(ends)
    while wanted:
        name = wanted.pop()
        used.add(name)
        at = maker.get(name)
        if name != stop_at and at is not None and at not in needed:
            needed.add(at)
            wanted += nodes[at].inputs
    weights = (field.whole for field in graph if field.number == _WEIGHT and _weight_name(field) in used)
    names = (field.whole for field in graph if field.number == 2)
    return b"".join(chain((nodes[at].whole for at in sorted(needed)), names, weights))


def _node(field: _Field) -> _Node:
    inputs, outputs = _texts(field.content, _NODE_INPUT), _texts(field.content, _NODE_OUTPUT)
    return _Node(field.whole, inputs, outputs, "".join(_texts(field.content, _NODE_NAME)))


def _weight_name(field: _Field) -> str:
    return "".join(_texts(field.content, _WEIGHT_NAME))


def _texts(message: memoryview, number: int) -> list[str]:
    return [bytes(field.content).decode() for field in _fields(message) if field.number == number]


def _output(name: str) -> bytes:
    return _packed(_OUTPUT, _packed(_NAME, name.encode()))


def _float_tensor(name: str, channels: int) -> bytes:
    """A float tensor of shape (1, channels, any length)."""
    dims = b"".join(_packed(1, dim) for dim in (b"\x08\x01", b"\x08" + _varint(channels), _packed(2, b"time")))
    return _packed(_NAME, name.encode()) + _packed(2, _packed(1, b"\x08\x01" + _packed(2, dims)))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _packed(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number there, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _fields(data: memoryview) -> Iterator[_Field]:
    """The fields of a message."""
    at = 0
    while at < len(data):
        start = at
        tag, at = _read_varint(data, at)
        begin = at
        match tag & 7:
            case 0:
                _, at = _read_varint(data, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case _:
                size, begin = _read_varint(data, at)
                at = begin + size
        yield _Field(tag >> 3, data[begin:at], data[start:at])
