"""Reads the functions of a graph's nodes: which part of the state they surely never write."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any


def may_write(node: object, channel: str) -> bool:
    """False: every ``return`` in the node's function says what it writes, and none names this channel.

    True where that cannot be told: its text is not there, it returns what something else made, or it is no function.
    """
    functions = [one for one in (getattr(node, "func", None), getattr(node, "afunc", None)) if one is not None]
    return not functions or any(_function_may_write(function, channel) for function in functions)


def _function_may_write(function: Any, channel: str) -> bool:
    try:
        text = textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(function, "func", function))))
        tree = ast.parse(text)
    except Exception:  # there are many ways for a text not to be there, or to be another one
        return True
    match tree.body:
        case [ast.FunctionDef() | ast.AsyncFunctionDef() as definition]:
            own = list(_own_code(definition))
            if any(isinstance(code, ast.Yield | ast.YieldFrom) for code in own):
                return True
            return any(isinstance(code, ast.Return) and _names(code.value, channel) for code in own)
    return True


def _own_code(code: ast.AST) -> Iterator[ast.AST]:
    """All that belongs to a function, but not to those that are defined in it."""
    for part in ast.iter_child_nodes(code):
        if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield part
            yield from _own_code(part)


def _names(value: ast.expr | None, channel: str) -> bool:
    """What is returned writes this channel, or what it writes is not said here."""
    match value:
        case None | ast.Constant(value=None):
            return False
        case ast.Dict(keys=keys):
            return any(not isinstance(key, ast.Constant) or key.value == channel for key in keys)
        case ast.IfExp(body=body, orelse=other):
            return _names(body, channel) or _names(other, channel)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return any(_names(part, channel) for part in parts)
        case ast.Call(func=ast.Name(id="Command") | ast.Attribute(attr="Command"), args=[], keywords=words):
            updates = [word for word in words if word.arg in (None, "update", "resume")]
            return any(word.arg != "update" or _names(word.value, channel) for word in updates)
    return True
