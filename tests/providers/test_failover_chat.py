"""Two chat models that are configured: the second answers what the first fails to, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.providers.other_server import KEY, WAIT_S, Answer, OtherServer
from tests.providers.test_chat_on_another_server import DONE, HELLO, QUICK, Event, delta, openai_at, streams
from voice_agents.errors import AuthenticationFailed, ProviderError, RequestRejected
from voice_agents.providers.chat import REMARK, ChatModel
from voice_agents.providers.standby import FailoverTimes
from voice_agents.settings import Provider

OTHER: Sequence[Event] = (delta(role="assistant"), delta(content="Here I am."), delta("stop"), DONE)
AT_ONCE = FailoverTimes(first_check_s=0.0)
LATER = FailoverTimes(first_check_s=3600.0)


@dataclass
class Two:
    """The model, and the servers of both."""

    chat: ChatModel
    first: OtherServer
    second: OtherServer

    async def ask(self) -> AIMessageChunk:
        whole: AIMessageChunk | None = None
        async with asyncio.timeout(WAIT_S):
            async for chunk in self.chat.model.astream([HumanMessage("hi")]):
                assert isinstance(chunk, AIMessageChunk)
                whole = chunk if whole is None else whole + chunk
        assert whole is not None
        return whole

    async def says(self) -> tuple[str, str]:
        """The answer, and what is told of it."""
        whole = await self.ask()
        told = str(whole.response_metadata.get(REMARK, ""))
        assert KEY not in told
        return whole.text, told


@asynccontextmanager
async def two(
    first: Sequence[Sequence[Event] | int | Response],
    second: Sequence[Sequence[Event] | int | Response] | Answer = (OTHER,),
    times: FailoverTimes = LATER,
) -> AsyncIterator[Two]:
    """Azure OpenAI answers as ``first`` says, OpenAI beside it as ``second``."""
    answers = second if callable(second) else streams(*second)
    async with OtherServer(404, answer=streams(*first)) as one, OtherServer(404, answer=answers) as other:
        stand_in = openai_at(other)
        endpoint = replace(openai_at(one, Provider.AZURE), stand_in=lambda: stand_in)
        async with ChatModel(endpoint, QUICK, times) as chat:
            yield Two(chat, one, other)


HUNG = asyncio.Event()


@pytest.mark.parametrize(
    "failure", [401, 402, 403, 404, 429, 500, 503, (delta(role="assistant"), "{"), (HUNG,), (DONE,)]
)
async def test_what_the_first_fails_to_answer_the_second_does_and_it_is_told_once(
    failure: int | Sequence[Event],
) -> None:
    async with two([failure]) as both:
        text, told = await both.says()
        assert text == "Here I am."
        assert told.startswith("Azure OpenAI") or "of Azure OpenAI" in told
        assert told.endswith("Until it works again, OpenAI-compatible answers.")
        assert await both.says() == ("Here I am.", "")
        assert len(both.first.requests) == 1, "it is left alone for a while"


async def test_the_first_is_asked_beside_and_answers_again_when_it_works() -> None:
    async with two([500, HELLO], times=AT_ONCE) as both:
        said = [await both.says()]
        async with asyncio.timeout(WAIT_S):
            while said[-1][0] != "Hello there.":
                said.append(await both.says())
        told = [sentence for _, sentence in said[1:] if sentence]
        assert told == ["Azure OpenAI answers again."]
        assert await both.says() == ("Hello there.", "")


async def test_when_both_fail_the_first_ones_reason_is_told() -> None:
    async with two([401], [500]) as both:
        with pytest.raises(AuthenticationFailed, match="check AZURE_OPENAI_API_KEY"):
            await both.ask()


FILTERED = JSONResponse({"error": {"message": "no", "code": "content_filter"}}, 400)


@pytest.mark.parametrize("refusal", [400, FILTERED])
async def test_what_the_first_finds_wrong_with_the_request_nobody_else_is_asked(refusal: int | Response) -> None:
    async with two([refusal]) as both:
        with pytest.raises(RequestRejected):
            await both.ask()
        assert both.second.requests == []


async def test_an_answer_that_was_begun_is_not_begun_anew_by_another() -> None:
    async with two([(delta(role="assistant"), delta(content="Hello "), "{")]) as both:
        with pytest.raises(ProviderError):
            await both.ask()
        assert both.second.requests == []


async def test_of_a_slow_one_and_another_who_begins_first_answers() -> None:
    """Nobody is given up for being slow: models that think are."""
    never = asyncio.Event()
    async with two([(never,)], times=replace(LATER, first_word_s=0.05)) as both:
        assert await both.says() == (
            "Here I am.",
            "Azure OpenAI is slow at the moment: OpenAI-compatible has answered instead.",
        )
        assert await both.says() == ("Here I am.", "")
        assert len(both.first.requests) == 2, "it is asked first all the same"


async def test_who_was_slow_and_begins_before_the_other_answers() -> None:
    asked_too, never = asyncio.Event(), asyncio.Event()

    async def silent(_request: Request) -> Response:
        asked_too.set()
        await never.wait()
        raise AssertionError("nobody lets it")

    async with two([(asked_too, *HELLO)], silent, times=replace(LATER, first_word_s=0.0)) as both:
        assert await both.says() == ("Hello there.", "")


async def test_who_works_is_asked_alone() -> None:
    async with two([HELLO]) as both:
        assert await both.says() == ("Hello there.", "")
        assert both.second.requests == []
