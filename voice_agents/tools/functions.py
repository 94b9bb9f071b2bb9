"""What a plain typed function tells of itself: its name, its arguments as JSON schema, and how it is called."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
import json
import re
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, Future
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model
from pydantic.fields import FieldInfo

from voice_agents.errors import ConfigurationError

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What the vendors accept as the name of a tool."""

_NOT_SCHEMA = ("default", "examples", "enum", "const")
"""What stands under these in a JSON schema is a value, whatever it looks like."""


def is_langchain_tool(tool: object) -> bool:
    """Without loading LangChain: nobody has a tool of its who has not loaded it."""
    module = sys.modules.get("langchain_core.tools.base")
    return module is not None and isinstance(tool, module.BaseTool)


def checked_name(name: str) -> str:
    """The name. Raises ConfigurationError when the vendors would refuse it."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"A tool cannot be called {name!r}: a name has 1 to 64 letters (a to z), digits, _ and -. Give it another "
            "one: Tool.of(function, name=...)."
        )
    return name


def name_of(function: Callable[..., Any]) -> str:
    """What a function, a method, a partial or an object that can be called is called."""
    name = getattr(_inner(function), "__name__", None) or type(function).__name__
    return str(name)


def description_of(function: Callable[..., Any], name: str) -> str:
    """Its docstring, or else its name in words."""
    inner = _inner(function)
    documented = inner if inspect.isroutine(inner) else type(inner).__call__
    return inspect.getdoc(documented) or name.replace("_", " ")


def arguments_of(function: Callable[..., Any], name: str) -> tuple[type[BaseModel], dict[str, Any]]:
    """The model of a function's keyword arguments, and its JSON schema.

    Raises ConfigurationError when a model could not know what to send.
    """
    check_returns(function, name)
    if (method := getattr(function, "__func__", None)) is not None:
        return _arguments_of_method(method, name)
    return _arguments(function, name, skip_self=False)


@functools.cache
def _arguments_of_method(method: Callable[..., Any], name: str) -> tuple[type[BaseModel], dict[str, Any]]:
    """Once for all sessions: each has its own objects, whose methods are its tools."""
    return _arguments(method, name, skip_self=True)


def _arguments(function: Callable[..., Any], name: str, *, skip_self: bool) -> tuple[type[BaseModel], dict[str, Any]]:
    parameters = list(_signature(function, name).parameters.values())[1 if skip_self else 0 :]
    fields: dict[str, Any] = {}
    for parameter in parameters:
        _check(parameter, name)
        fields[parameter.name] = (
            _described(parameter.annotation),
            ... if parameter.default is parameter.empty else parameter.default,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an argument may be called as a method of pydantic's
            model: type[BaseModel] = create_model(
                name, __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields
            )
            schema = model.model_json_schema()
    except Exception as error:  # pydantic has many, and none says which tool
        if isinstance(error, PydanticUserError) and error.code == "typed-dict-version":
            raise ConfigurationError(
                f"The tool {name} takes a TypedDict: before Python 3.12 it must be that of typing_extensions (from "
                "typing_extensions import TypedDict)."
            ) from error
        raise ConfigurationError(
            f"The tool {name} has an argument of a type that no model can send ({type(error).__name__}): use str, int, "
            "float, bool, lists, dicts, enums, or pydantic models of these."
        ) from error
    return model, plain_schema(schema)


def check_returns(function: Callable[..., Any], name: str) -> None:
    """Raises ConfigurationError for a generator: what it does begins when somebody asks for its first value."""
    inner = _inner(function)
    for one in (inner, getattr(inner, "__call__", None)):  # noqa: B004 - not whether it can be called, but how
        if inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one):
            raise ConfigurationError(f"The tool {name} yields its results: let it return them, such as in a list.")


def _described(annotation: Any) -> Any:
    """With the text of ``Annotated[int, "How many."]`` as the description, as LangChain reads it."""
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    if any(isinstance(mark, FieldInfo) and mark.description for mark in marks):
        return annotation
    text = next((mark for mark in marks if isinstance(mark, str)), None)
    return annotation if text is None else Annotated[annotation, Field(description=text)]


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        raise ConfigurationError(
            f"The tool {name} has an argument of the type {error.name}, which cannot be found: define or import it at "
            "the top of the module."
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{name} cannot be a tool: nothing says what arguments it takes.") from error


def _check(parameter: inspect.Parameter, name: str) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise ConfigurationError(
            f"The tool {name} takes {str(parameter).partition(':')[0]}: a model sends arguments by name, so give each "
            "its own name and type."
        )
    if parameter.annotation is parameter.empty:
        raise ConfigurationError(
            f"The tool {name} does not say of what type its argument {parameter.name} is: write {parameter.name}: str "
            "(or int, float, bool, list[str], ...), so that the model knows what to send."
        )
    if parameter.name.startswith("_") or parameter.name == "model_config":
        raise ConfigurationError(f"The argument {parameter.name} of the tool {name} needs another name.")


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema of an object without generated titles, and with what it refers to in place.

    Not every server follows references. What refers to itself stays a reference.
    """
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    kept: set[str] = set()
    plain = _plain(schema, definitions, (), kept)
    plain.pop("$defs", None)
    plain.pop("description", None)
    needed = {name: _plain(definitions[name], definitions, (name,), kept) for name in sorted(kept)}
    properties = {"type": "object", "properties": plain.get("properties", {}), "required": plain.get("required", [])}
    rest = {key: value for key, value in plain.items() if key not in properties}
    return {**properties, **rest, **({"$defs": needed} if needed else {})}


def _plain(node: Any, definitions: Mapping[str, Any], inside: tuple[str, ...], kept: set[str]) -> Any:
    if isinstance(node, list):
        return [_plain(part, definitions, inside, kept) for part in node]
    if not isinstance(node, Mapping):
        return node
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    if name in inside:
        kept.add(name)
        return dict(node)
    if name in definitions:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _plain({**definitions[name], **beside}, definitions, (*inside, name), kept)
    return {
        key: value if key in _NOT_SCHEMA else _plain(value, definitions, inside, kept)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }


async def called(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call it and wait for what it returns; one that is not async has a thread of its own meanwhile."""
    if _is_async(function):
        result = function(**arguments)
    else:
        work = functools.partial(function, **arguments)
        result = await asyncio.get_running_loop().run_in_executor(_THREADS, work)
    return await result if inspect.isawaitable(result) else result


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(_inner(function), "__call__", None)  # noqa: B004 - not whether it can be called, but how
    )


def as_text(result: Any) -> str:
    """What a model is told that a tool returned: text as it is, else JSON, or what Python prints where it is none."""
    if isinstance(result, (str, bytes)):
        return result if isinstance(result, str) else _as_data(result)
    if result is None:
        return "Done."
    try:
        return json.dumps(result, ensure_ascii=False, default=_as_data)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, or a list that holds itself
        return str(result)


def _as_data(value: Any) -> Any:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case bytes():
            return value.decode(errors="replace")
        case Enum():
            return value.value
        case set() | frozenset():
            return sorted(value, key=str)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


class _Threads(Executor):
    """A thread for every call, which ends with the process: a tool that hangs holds up no other, nor the leaving."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` in a daemon thread of its own: a tool that never returns holds up neither others nor the exit."""
        future: Future[Any] = Future()
        threading.Thread(target=_fulfil, args=(future, fn, args, kwargs), name="tool", daemon=True).start()
        return future


def _fulfil(future: Future[Any], fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kwargs)
    except Exception as error:
        future.set_exception(RuntimeError(str(error)) if isinstance(error, StopIteration) else error)
    except BaseException as error:  # such as sys.exit(): the tool is to end, not the program
        future.set_exception(RuntimeError(repr(error)))
    else:
        future.set_result(result)


_THREADS = _Threads()

ToolFunction = Callable[..., Any | Awaitable[Any]]
"""Takes keyword arguments of the annotated types; see :class:`voice_agents.tools.Tool`."""
