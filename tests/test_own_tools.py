"""Tools that a developer brings: what the model is told of them, how they are called, and what is refused at start."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, ToolException, tool
from langgraph.prebuilt import InjectedState
from langgraph.types import Command
from pydantic import BaseModel, Field

from voice_agents import RealtimeEngine, SandwichEngine, Settings
from voice_agents.errors import ConfigurationError
from voice_agents.tools import AnyTool, Tool, Toolbox, ToolError, ToolResult, as_tools


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Topping(BaseModel):
    name: str
    extra: list[Topping] = []


class Pizza(BaseModel):
    """A round thing."""

    title: str = Field(description="Its name.")
    size: Size = Size.LARGE


def order(pizza: Pizza, count: Annotated[int, Field(ge=1)] = 1, schema: Literal["a", "b"] = "a") -> dict[str, Any]:
    """Order a pizza."""
    return {"pizza": pizza, "count": count, "schema": schema}


async def look(place: str, far: bool | None = None) -> str:
    """Look out of the window.

    Only in daytime.
    """
    return f"{place} {far}"


@tool
def add(a: int, b: Annotated[int, "The second."] = 1) -> int:
    """Add two numbers."""
    return a + b


class Fee(BaseModel):
    amount: float = Field(gt=0)


@tool("charge-it", args_schema=Fee)
async def charge(amount: float) -> str:
    """Take money."""
    if amount > 100:
        raise ToolException("That is too much.")
    return f"Took {amount}."


class Shout(BaseTool):
    name: str = "shout"
    description: str = "Say it loudly."

    def _run(self, text: str) -> str:
        return text.upper()


BY_SCHEMA = StructuredTool.from_function(
    func=lambda **values: sorted(values.items()),
    name="by_schema",
    description="As servers of MCP declare them.",
    args_schema={"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
)


def only(tool: AnyTool) -> Tool:
    [made] = as_tools([tool])
    return made


async def result(tool: AnyTool, **arguments: Any) -> ToolResult:
    made = only(tool)
    return await Toolbox([made]).call(made.name, arguments)


def test_a_function_tells_its_name_its_description_and_its_arguments() -> None:
    made = only(order)
    assert (made.name, made.description) == ("order", "Order a pizza.")
    size = {"enum": ["small", "large"], "type": "string", "default": "large"}
    pizza = {
        "description": "A round thing.",
        "type": "object",
        "properties": {"title": {"description": "Its name.", "type": "string"}, "size": size},
        "required": ["title"],
    }
    assert made.parameters == {
        "type": "object",
        "properties": {
            "pizza": pizza,
            "count": {"default": 1, "minimum": 1, "type": "integer"},
            "schema": {"default": "a", "enum": ["a", "b"], "type": "string"},
        },
        "required": ["pizza"],
        "additionalProperties": False,
    }
    assert only(look).description == "Look out of the window.\n\nOnly in daytime."


def test_a_type_that_holds_itself_stays_a_reference() -> None:
    def top(topping: Topping) -> str:
        """Put it on."""
        return topping.name

    schema = only(top).parameters
    assert schema["$defs"]["Topping"]["properties"]["extra"]["items"] == {"$ref": "#/$defs/Topping"}


@pytest.mark.parametrize("made_of", [add, charge, Shout(), BY_SCHEMA], ids=lambda one: one.name)
def test_the_tools_of_langchain_are_declared_as_langchain_would(made_of: BaseTool) -> None:
    made = only(made_of)
    assert (made.name, made.description) == (made_of.name, made_of.description)
    assert made.parameters["type"] == "object"
    assert made.parameters["properties"].keys() == made_of.args.keys()


@pytest.mark.parametrize(
    ("called", "arguments", "text"),
    [
        (order, {"pizza": {"title": "x"}}, '{"pizza": {"title": "x", "size": "large"}, "count": 1, "schema": "a"}'),
        (look, {"place": "here"}, "here None"),
        (functools.partial(look, far=True), {"place": "here"}, "here True"),
        (add, {"a": "2"}, "3"),
        (charge, {"amount": 5}, "Took 5.0."),
        (Shout(), {"text": "hey"}, "HEY"),
        (BY_SCHEMA, {"q": "x"}, '[["q", "x"]]'),
    ],
)
async def test_each_kind_is_called(called: AnyTool, arguments: dict[str, Any], text: str) -> None:
    assert await result(called, **arguments) == ToolResult(text)


@pytest.mark.parametrize(
    ("called", "arguments", "told"),
    [
        (order, {"pizza": {}}, "title"),
        (order, {"pizza": {"title": "x"}, "count": 0}, "count"),
        (add, {"a": "two"}, "a: "),
        (charge, {"amount": -1}, "amount"),
        (charge, {"amount": 1000}, "That is too much."),
        (BY_SCHEMA, {}, "q is missing"),
    ],
)
async def test_the_model_is_told_what_was_wrong(called: AnyTool, arguments: dict[str, Any], told: str) -> None:
    answer = await result(called, **arguments)
    assert answer.error and not answer.uncertain
    assert told in answer.text


class Colour(Enum):
    RED = "red"


ITSELF: list[Any] = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Colour.RED, '"red"'),
        ({"colour": Colour.RED}, '{"colour": "red"}'),
        ("grün".encode(), "grün"),
        ([b"ab"], '["ab"]'),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (ITSELF, "[[...]]"),
    ],
)
async def test_whatever_it_returns_is_told(value: Any, told: str) -> None:
    def give() -> Any:
        """Give it."""
        return value

    assert await result(give) == ToolResult(told)


@pytest.mark.parametrize("of_langchain", [False, True])
async def test_of_a_long_result_the_model_is_told_the_beginning(of_langchain: bool) -> None:
    def read() -> str:
        """Read it all."""
        return "word " * 100_000

    answer = await result(tool(read) if of_langchain else read)
    assert len(answer.text) < 50_000
    assert answer.text.startswith("word word") and answer.text.endswith("(460000 more characters are left out)")


def cancelled() -> None:
    raise asyncio.CancelledError


def left() -> None:
    raise SystemExit(2)


@pytest.mark.parametrize("breaks", [cancelled, left])
@pytest.mark.parametrize("kind", ["async", "sync", "of LangChain"])
async def test_a_tool_that_ends_what_is_not_its_own_has_failed(kind: str, breaks: Callable[[], None]) -> None:
    async def act() -> str:
        """Do it."""
        breaks()
        return "done"

    def act_at_once() -> str:
        """Do it."""
        breaks()
        return "done"

    answer = await result({"async": act, "sync": act_at_once, "of LangChain": tool(act_at_once)}[kind])
    assert answer.error and answer.uncertain


async def test_who_is_cancelled_meanwhile_is_cancelled() -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        """Hang."""
        begun.set()
        await asyncio.Event().wait()

    work = asyncio.create_task(result(hang))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


@pytest.mark.parametrize("of_langchain", [False, True])
async def test_what_is_wrong_with_an_answer_is_not_wrong_with_the_arguments(of_langchain: bool) -> None:
    def pay(amount: int) -> str:
        """Pay; the bank's answer cannot be read."""
        return Fee.model_validate({"amount": "?"}).model_dump_json()

    paying = tool(pay) if of_langchain else pay
    answer = await result(paying, amount=5)
    assert answer.error and answer.uncertain and "arguments" not in answer.text
    answer = await result(paying, amount="five")
    assert answer.error and not answer.uncertain and "amount" in answer.text


def test_what_an_argument_is_for_stands_beside_it() -> None:
    def pay(amount: Annotated[int, "In euros."], tip: Annotated[int, Field(ge=0), "On top."] = 0) -> str:
        """Pay."""
        return f"{amount} {tip}"

    assert only(pay).parameters["properties"] == only(tool(pay)).parameters["properties"]
    assert only(pay).parameters["properties"]["amount"]["description"] == "In euros."


async def test_a_tool_of_langchain_can_be_given_another_name_and_more_time() -> None:
    made = Tool.of(add, name="sum_up", timeout_s=60, side_effects=False)
    assert (made.name, made.description, made.timeout_s, made.side_effects) == ("sum_up", "Add two numbers.", 60, False)
    assert await Toolbox([made]).call("sum_up", {"a": 1, "b": 2}) == ToolResult("3")
    assert not Tool.of(safe, timeout_s=60).side_effects


async def test_what_returns_nothing_is_told_as_done() -> None:
    async def ring() -> None:
        """Ring the bell."""

    assert await result(ring) == ToolResult("Done.")


@pytest.mark.parametrize("of_langchain", [False, True])
async def test_a_tool_that_blocks_holds_nobody_up(of_langchain: bool) -> None:
    loop_goes_on = threading.Event()

    def slow() -> str:
        """Take its time."""
        return "done" if loop_goes_on.wait(10) else "held up"

    called = asyncio.create_task(result(tool(slow) if of_langchain else slow))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(loop_goes_on.set)
    assert (await called).text == "done"


async def test_tools_that_hang_leave_threads_to_everybody_else() -> None:
    free = threading.Event()

    def hang() -> str:
        """Hang."""
        free.wait(10)
        return "free"

    box = Toolbox([Tool.of(hang, timeout_s=5)])
    many = [asyncio.create_task(box.call("hang", {})) for _ in range(50)]
    await asyncio.sleep(0)
    began = time.monotonic()
    await asyncio.to_thread(lambda: None)
    assert time.monotonic() - began < 5, "the threads of the loop are not theirs"
    free.set()
    assert {one.text for one in await asyncio.gather(*many)} == {"free"}


async def test_what_takes_longer_than_it_may_is_given_up_and_perhaps_done() -> None:
    async def hang() -> str:
        """Hang."""
        await asyncio.Event().wait()
        raise AssertionError

    answer = await Toolbox([Tool.of(hang, timeout_s=0.01)]).call("hang", {})
    assert answer.error and answer.uncertain


def quiet(word: str) -> str:
    """Say it."""
    return word


@tool
def safe(word: str) -> str:
    """Look it up."""
    return word


safe.metadata = {"side_effects": False}


@pytest.mark.parametrize(
    ("made_of", "side_effects"),
    [
        (quiet, True),
        (add, True),
        (Tool.of(quiet), True),
        (Tool.of(quiet, side_effects=False), False),
        (safe, False),
    ],
)
def test_what_is_not_declared_harmless_has_side_effects(made_of: AnyTool, side_effects: bool) -> None:
    assert only(made_of).side_effects is side_effects


def test_a_call_that_means_the_same_has_the_same_effect() -> None:
    box = Toolbox(as_tools([order, BY_SCHEMA]))
    assert box.effect("order", {"pizza": {"title": "x"}}) == box.effect(
        "order", '{"count": 1, "pizza": {"size": "large", "title": "x"}}'
    )
    assert box.effect("by_schema", {"q": "x", "a": 1}) == box.effect("by_schema", '{"a": 1, "q": "x"}')


def untyped(word) -> str:  # pyrefly: ignore[implicit-any-parameter]
    """Say it."""
    return str(word)


def starred(*words: str) -> str:
    """Say them."""
    return " ".join(words)


def unsendable(lock: threading.Lock) -> str:
    """Hold it."""
    return str(lock)


def one_by_one(count: int) -> Iterator[int]:
    """Count."""
    yield from range(count)


async def later(count: int) -> AsyncIterator[int]:
    """Count."""
    for number in range(count):
        yield number


def unfindable(word: Nowhere) -> str:  # pyrefly: ignore[unknown-name]  # noqa: F821
    """Say it."""
    return str(word)


@tool
def of_a_graph(word: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
    """Look into the state."""
    return word


@tool
def with_an_id(word: str, call_id: Annotated[str, InjectedToolCallId], config: RunnableConfig) -> str:
    """Tell whether it has one."""
    return f"{word} {bool(call_id)} {bool(config)}"


@tool
def commanding() -> Command[Any]:
    """Change the state."""
    return Command(update={})


async def test_what_langchain_fills_in_is_not_asked_of_the_model() -> None:
    assert only(with_an_id).parameters["properties"].keys() == {"word"}
    assert await result(with_an_id, word="x") == ToolResult("x True True")


async def test_a_command_is_for_a_graph(caplog: pytest.LogCaptureFixture) -> None:
    assert (await result(commanding)).error
    assert "give it to one of your own" in caplog.text


def named(name: str) -> Callable[[], str]:
    def function() -> str:
        """Do it."""
        return name

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ([untyped], "word: str"),
        ([starred], r"\*words"),
        ([unsendable], "unsendable has an argument of a type"),
        ([unfindable], "Nowhere"),
        ([of_a_graph], "agent="),
        ([one_by_one], "yields"),
        ([later], "yields"),
        ([tool(one_by_one)], "yields"),
        ([lambda: ""], "Tool.of"),
        ([named("x" * 65)], "1 to 64"),
        ([named("größe")], "1 to 64"),
        ([named("twice"), named("twice")], "Two tools are called twice"),
        ([named("get_time")], "standard_tools=False"),
        (["look"], "is no tool"),
        ([Pizza], "is no tool"),
    ],
)
@pytest.mark.parametrize("engine", [SandwichEngine, RealtimeEngine])
def test_an_engine_refuses_at_once_what_no_model_could_call(engine: Any, tools: list[Any], told: str) -> None:
    settings = Settings().with_offline("http://127.0.0.1:9", "key")
    with pytest.raises(ConfigurationError, match=told):
        engine(settings, tools=tools)


@pytest.mark.parametrize("engine", [SandwichEngine, RealtimeEngine])
def test_the_apps_own_tools_can_be_left_out(engine: Any) -> None:
    settings = Settings().with_offline("http://127.0.0.1:9", "key")
    made = engine(settings, tools=[named("get_time")], standard_tools=False)
    assert [tool.name for tool in made.toolbox(None, None).tools] == ["get_time"]


async def test_a_tool_says_itself_why_it_cannot() -> None:
    def refuse() -> str:
        """Refuse."""
        raise ToolError("Not today.")

    assert await result(refuse) == ToolResult("Not today.", error=True)
