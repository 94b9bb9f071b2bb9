"""Arithmetic on what was said: "twelve times four", "15 percent of 80", "2 ** 10"."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from voice_agents.tools.registry import ToolError
from voice_agents.tools.words import digits, is_exact, spell

Number = int | float

_MAX_LENGTH = 200
_MAX_BITS = 1000
"""Numbers grow to about 10**300 and no further, so that no expression can take noticeable time."""

_PHRASES = (
    (r"\bthe\b", " "),
    (r"(?:raised )?to\s+power(?: of)?", "**"),
    (r"\bsquare root(?: of)?|√", "sqrt"),
    (r"\bsquared\b|²", "** 2"),
    (r"\bcubed\b|³", "** 3"),
    (r"(?:%|\bpercent\b|\bper cent\b) of\b", "/ 100 *"),
    (r"\bpercent\b|\bper cent\b|%(?=\s*$)", "/ 100"),
    (r"\b(?:mod|modulo)\b", "%"),
    (r"\b(?:divided by|over)\b|÷|:", "/"),
    (r"\b(?:multiplied by|times|x)\b|[×·]|(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\b(?:plus|and)\b", "+"),
    (r"\bminus\b|[−–]", "-"),
    (r"\^", "**"),
    (r"\bpi\b|π", str(math.pi)),
    (r"\bsqrt\s*(-?\d+(?:\.\d+)?)", r"sqrt(\1)"),
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_ALLOWED = re.compile(r"(?:[\d.+\-*/%() ]|sqrt|abs)+")


async def calculate(
    expression: Annotated[str, Field(description='Such as "12 * (3 + 4)", "sqrt(2)" or "15 percent of 80".')],
) -> str:
    """Work out an arithmetic expression exactly. Use it for every calculation."""
    value = evaluate(expression)
    return f"The answer is {'' if is_exact(value) else 'about '}{spell(value)}."


def evaluate(expression: str) -> Number:
    """The value of an expression in symbols or words. Raises ToolError for what is no arithmetic or too large."""
    if len(expression) > _MAX_LENGTH:
        raise ToolError("The expression is too long.")
    text = digits(_THOUSANDS.sub("", expression.strip().rstrip("=?.")))
    # digits() puts spaces between all tokens; two-character operators are joined again.
    text = re.sub(r"\*\s+\*", "**", re.sub(r"/\s+/", "//", text))
    for phrase, symbol in _PHRASES:
        text = re.sub(phrase, symbol, text)
    if not _ALLOWED.fullmatch(text):
        raise ToolError(f"I cannot calculate {expression!r}: it is not an arithmetic expression.")
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, MemoryError, RecursionError):
        raise ToolError(f"I cannot calculate {expression!r}: it is not an arithmetic expression.") from None
    except ZeroDivisionError:
        raise ToolError("Nothing can be divided by zero.") from None
    except OverflowError:
        raise ToolError("The result is too large to say.") from None
    # Twelve digits are far more than is said, and hide that 0.1 + 0.2 is not 0.3.
    return float(f"{value:.12g}") if isinstance(value, float) else value


def _power(base: Number, exponent: Number) -> Number:
    if abs(exponent) * max(1.0, math.log2(abs(base) + 1)) > _MAX_BITS:
        raise OverflowError
    result = base**exponent
    if isinstance(result, complex):
        raise ToolError("There is no real root of a negative number.")
    return result


def _root(value: Number) -> Number:
    if value < 0:
        raise ToolError("There is no real root of a negative number.")
    return math.sqrt(value)


_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS: dict[str, Callable[[Number], Number]] = {"sqrt": _root, "abs": abs}


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left), _value(right)))
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(operand))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](_value(argument))
    raise SyntaxError


def _bounded(number: Number) -> Number:
    if not abs(number) < 1 << _MAX_BITS:
        raise OverflowError
    return number
