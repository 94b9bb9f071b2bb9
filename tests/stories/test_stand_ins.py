"""Twenty turns with each of five servers that people really have: every question is answered, or refused in a sentence.

The servers are scripted from what they really refuse and send (their sources and issues), and are reached through the
app's own client, on virtual time. Nobody's conversation is dead afterwards, and nothing is spoken that is no answer.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.stories.caller import Caller, StoryParts, call
from tests.stories.clock import play
from voice_agents.events import AgentAudio, Failed, Notice, ToolCalled, TurnDone
from voice_agents.providers.chat import ChatModel
from voice_agents.session.waiting import waiting_aloud
from voice_agents.settings import Endpoint, Provider
from voice_agents.turns.sentences import speakable

TURNS = 20
TEA, SUM = "Your tea is ready.", "It is forty-two."
SPOKEN, CUT, BROKEN, FILTERED, ANNOUNCED, SUMS = (0, 1, 5, 14), 6, 9, 13, 11, (4, 12, 16)
Chunk = dict[str, Any]


class StandIn:
    """A server: what it refuses, and how it streams. :meth:`__call__` is the handler of its requests."""

    word = "word"

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.trouble = ""
        """What it fails with from now on: "500" or "content_filter"."""
        self.chance = random.Random(17)

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(404, json={})
        body = json.loads(request.content)
        refusal = self.broken(body) or self.refuses(body)
        if refusal is not None:
            status, message, code = refusal
            self.refusals.append(message)
            return httpx2.Response(status, json={"error": {"message": message, "code": code, "type": "invalid"}})
        self.requests.append(body)
        return httpx2.Response(200, content=self.stream(body), headers={"content-type": "text/event-stream"})

    def broken(self, body: dict[str, Any]) -> tuple[int, str, str | None] | None:
        if self.trouble == "500":
            return 500, "CUDA out of memory", None
        if self.trouble == "content_filter" and f"Question {FILTERED}" in json.dumps(body["messages"]):
            return 400, "The response was filtered", "content_filter"
        return None

    def refuses(self, body: dict[str, Any]) -> tuple[int, str, str | None] | None:
        return None

    async def stream(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        last = body["messages"][-1]
        if last["role"] == "tool":
            parts: list[Any] = self.written(SUM)
        elif "a sum" in last["content"].rsplit("Question", 1)[-1] and body.get("tools"):
            parts = self.called()
        else:
            parts = self.written(reply(last["content"], self.word))
        for part in [*parts, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]"]:
            await asyncio.sleep(0.02)
            yield (
                part
                if isinstance(part, bytes)
                else f"data: {part if isinstance(part, str) else json.dumps(part)}\n\n".encode()
            )

    def written(self, text: str) -> list[Any]:
        return [delta(content=piece) for piece in self.cut(text)]

    def called(self) -> list[Any]:
        call = {"index": 0, "id": f"call_{len(self.requests)}", "type": "function"}
        return [delta(tool_calls=[{**call, "function": {"name": "calculate", "arguments": '{"expression": "6*7"}'}}])]

    def cut(self, text: str) -> list[str]:
        """In pieces of any length."""
        pieces = []
        while text:
            size = self.chance.randint(1, 9)
            pieces.append(text[:size])
            text = text[size:]
        return pieces


def delta(**fields: Any) -> Chunk:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def reply(question: str, word: str) -> str:
    """To the newest question of a message."""
    number = question.rsplit("Question ", 1)[-1].split()[0]
    return f"Answer {number} is here" + "".join(f" {word}{n}" for n in range(4)) + "."


class Strict(StandIn):
    """Mistral's and Gemma's templates on vLLM with 4096 tokens."""

    word = "long" * 100

    def refuses(self, body: dict[str, Any]) -> tuple[int, str, str | None] | None:
        messages = body["messages"]
        roles = [message["role"] for message in messages]
        if "system" in roles:
            return 400, "System role not supported", None
        tokens = len(json.dumps(body)) // 4
        if tokens > 4096:
            return (
                400,
                f"This model's maximum context length is 4096 tokens. However, you requested {tokens} tokens.",
                None,
            )
        follows = {"user": {"assistant"}, "assistant": {"user", "tool"}, "tool": {"assistant", "tool"}}
        if roles[0] != "user" or any(after not in follows[before] for before, after in pairwise(roles)):
            return 400, "Conversation roles must alternate user/assistant/user/assistant/...", None
        ids = [one["id"] for message in messages for one in message.get("tool_calls") or ()]
        ids += [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        if any(len(id) != 9 or not id.isalnum() for id in ids):
            return 400, "Tool call id was call_x but must be a-z, A-Z, 0-9, with a length of 9.", None
        return None


class Thinker(StandIn):
    """Reasoning, control tokens and calls inside the text, in one family's way after the other's."""

    def written(self, text: str) -> list[Any]:
        shapes = (
            f"<think>The user asks. 2 < 3.</think>\n\n{text}<|im_end|>",
            f"<|channel|>analysis<|message|>The user asks.<|end|><|start|>assistant<|channel|>final<|message|>{text}",
            f"[THINK]The user asks.[/THINK]{text}</s>",
            f"<thinking>The user asks.</thinking>{text}<|eot_id|>",
        )
        return [delta(content=piece) for piece in self.cut(self.chance.choice(shapes))]

    def called(self) -> list[Any]:
        shapes = (
            '<think>A tool.</think><tool_call>{"name": "calculate", "arguments": {"expression": "6*7"}}</tool_call>',
            "<tool_call>\n<function=calculate>\n<parameter=expression>\n6*7\n</parameter>\n</function>\n</tool_call>",
            '```json\n{"name": "calculate", "parameters": {"expression": "6*7"}}\n```',
        )
        return [delta(content=piece) for piece in self.cut(self.chance.choice(shapes))]


class NoTools(StandIn):
    """Ollama with a model that has no template for tools."""

    def refuses(self, body: dict[str, Any]) -> tuple[int, str, str | None] | None:
        if body.get("tools"):
            return 400, "registry.ollama.ai/library/gemma:latest does not support tools", None
        return None


class Gateway(StandIn):
    """Keeps the line open with all that is no chunk, for 20 s before the first word of some answers."""

    SIGNS = (
        *(b": OPENROUTER PROCESSING\n\n", b"retry: 3000\n\n", b"id: 7\n\n", b"data:\n\n"),
        b'event: ping\ndata: {"type": "ping"}\n\n',
    )

    async def stream(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        for _ in range(20 if len(self.requests) % 7 == 3 else 2):
            await asyncio.sleep(1.0)
            yield self.chance.choice(self.SIGNS)
        async for part in super().stream(body):
            yield part
            yield self.chance.choice(self.SIGNS)


class Objects(StandIn):
    """Calls whole, as objects, without numbers, more than once."""

    def called(self) -> list[Any]:
        function = {"name": "calculate", "arguments": {"expression": "6*7"}}
        shapes = (
            [delta(tool_calls=[{"function": function}])],
            [delta(tool_calls={"id": "x", "function": function})],
            [delta(tool_calls=[{"index": 0, "id": "y", "function": function}])] * 2,
            [delta(function_call={"name": "calculate", "arguments": json.dumps(json.dumps(function["arguments"]))})],
        )
        return list(self.chance.choice(shapes))


THOUGHTS = "Okay, the user wants something. I should think about it for a while, and then answer. So be it."


class OpenedThinker(StandIn):
    """The template opens the reasoning itself, and nobody parses it: only its end can be seen."""

    def written(self, text: str) -> list[Any]:
        return [delta(content=piece) for piece in self.cut(f"{THOUGHTS}\n</think>\n\n{text}")]


async def ask(caller: Caller, server: StandIn, number: int) -> None:
    """Put a question, in its own way, and wait until its turn is over."""
    server.trouble = {BROKEN: "500", FILTERED: "content_filter"}.get(
        number, server.trouble if number > FILTERED else ""
    )
    done = len(caller.all(TurnDone))
    if number in SPOKEN:
        await caller.speak(SPOKEN.index(number))
    else:
        caller.session.send_text(question(number))
    if number == CUT:
        before = len(caller.all(AgentAudio))
        await caller.until(AgentAudio, before + 5)
        caller.session.interrupt()
    await caller.until(TurnDone, done + 1, within_s=200.0)
    if number == ANNOUNCED:
        caller.session.speak_up(TEA)
        await caller.until(TurnDone, done + 2)


def question(number: int) -> str:
    return f"Question {number} {'a sum please' if number in SUMS else 'please tell me'}"


def sentences(caller: Caller, turn: int) -> list[str]:
    failed = [str(event.error) for event in caller.all(Failed) if event.turn == turn]
    return failed + [notice.text for notice in caller.all(Notice) if notice.turn == turn]


def connected(server: StandIn, model: str) -> Callable[[StoryParts], None]:
    def prepare(parts: StoryParts) -> None:
        chat = ChatModel(Endpoint(Provider.OPENAI, "http://127.0.0.1:9/v1", model, "key"))
        chat._present.http._transport = httpx2.MockTransport(server)
        chat._present.http._mounts = {}
        parts.chat = lambda: chat  # pyrefly: ignore[bad-assignment]

    return prepare


@pytest.mark.parametrize("model", ["somebody's model", "deepseek-r1:8b"])
def test_thoughts_whose_beginning_is_not_marked(tmp_path: Path, model: str) -> None:
    """A model that is known for it never speaks them; of another one they are taken back, and never said again."""
    server = OpenedThinker()

    async def story() -> None:
        async with call(tmp_path, lambda _: [], prepare=connected(server, model)) as caller:
            await asyncio.sleep(0.2)
            for number in range(3):
                caller.session.send_text(question(number))
                done = await caller.until(TurnDone, number + 1)
                assert done.heard_text == reply(question(number), server.word)
            kept = [text for _, text in await caller.texts()]
            assert not any("user wants" in text for text in kept) and len(kept) == 6
            assert "user wants" not in json.dumps(server.requests)
            said = [" ".join(stream.words) for stream in caller.voice.streams]
            assert [text for text in said if text.startswith("Answer")] == said[len(said) - 3 :]
            assert len(said) == (3 if "deepseek" in model else 4)
            told = [notice.text for notice in caller.all(Notice)]
            assert ["thoughts" in text for text in told] == ([] if "deepseek" in model else [True])

    play(story())


@pytest.mark.parametrize("kind", [Strict, Thinker, NoTools, Gateway, Objects])
def test_twenty_turns(tmp_path: Path, kind: type[StandIn]) -> None:
    server = kind()
    words = [question(number) for number in SPOKEN]

    async def story() -> None:
        async with call(
            tmp_path, lambda _: [], words, prepare=connected(server, f"stand-in {kind.__name__}")
        ) as caller:
            await asyncio.sleep(0.2)
            for number in range(TURNS):
                await ask(caller, server, number)
            check(caller, server)

    play(story())


def check(caller: Caller, server: StandIn) -> None:
    done = caller.all(TurnDone)
    assert len(done) == TURNS + 1, "none is dead, and one turn was an announcement"
    numbers = [*range(ANNOUNCED + 1), None, *range(ANNOUNCED + 1, TURNS)]
    for turn, number in zip(done, numbers, strict=True):
        if number is None:
            assert turn.heard_text == TEA
        elif number == BROKEN:
            assert any("problem of its own" in text for text in sentences(caller, turn.turn)), number
        elif number == FILTERED:
            assert any("content filter" in text for text in sentences(caller, turn.turn)), number
        elif number in SUMS and not isinstance(server, NoTools):
            assert turn.heard_text == SUM, number
        else:
            whole = reply(question(number), server.word)
            assert whole.startswith(turn.heard_text) if number == CUT else turn.heard_text == whole, number
    answers = [speakable(reply(question(number), server.word)) for number in range(TURNS)]
    for stream in caller.voice.streams:
        said = " ".join(stream.words)
        for times in (0, 1):  # what is said while a slow gateway is waited for is no part of the answer
            said = said.removeprefix(waiting_aloud("en", times, begun=False)).lstrip()
        assert any(answer.startswith(said) for answer in [*answers, TEA, SUM]), said
    calls = [event for event in caller.all(ToolCalled) if event.name == "calculate"]
    assert len(calls) == (0 if isinstance(server, NoTools) else len(SUMS)), "each once"
    told = [text for text in server.refusals if text not in ("CUDA out of memory", "The response was filtered")]
    assert len(told) == len(set(told)) or isinstance(server, Strict), "what it refuses once it is not asked for again"
    assert len(told) <= 8
    if isinstance(server, Strict):
        assert {text.split()[0] for text in told} == {"System", "This", "Tool"}, "it did refuse all this"
