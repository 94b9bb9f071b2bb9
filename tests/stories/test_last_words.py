"""Graphs whose last word is no message of a model: a tool's result, data, what is kept as if a user had said it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import PIIMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.graph import MessagesState
from pydantic import BaseModel

from tests.stories.caller import turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, Step
from tests.stories.graphs import THOUGHT
from tests.stories.test_own_graphs import answer, counting, dial, in_a_row
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.events import Failed


@tool(return_direct=True)
def opening_hours() -> str:
    """Tell when it is open."""
    return "It is open from noon to ten."


def test_what_a_tool_returns_to_the_user_is_said(tmp_path: Path) -> None:
    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return ["Let me see.", Call("opening_hours")]

    async def story() -> None:
        async with dial(tmp_path, lambda model: create_agent(model, [opening_hours]), script) as caller:
            caller.session.send_text("when are you open")
            done = await turn_done(caller)
            assert done.heard_text.split() == ["Let", "me", "see.", "It", "is", "open", "from", "noon", "to", "ten."]
            entries = (await History(caller.parts.store).messages(caller.session.conversation))[1:]
            assert [(entry.role, entry.text.strip(), entry.interrupted) for entry in entries] == [
                (Speaker.AGENT, "Let me see.", False),
                (Speaker.TOOL, "It is open from noon to ten.", False),
                (Speaker.AGENT, "It is open from noon to ten.", False),
            ]

    play(story())


def test_what_a_worker_hands_on_as_if_a_user_had_said_it_is_said(tmp_path: Path) -> None:
    """As the workers of a supervisor do; in the transcript it is the agent's."""

    def team(model: Any) -> Any:
        async def work(state: MessagesState) -> dict[str, Any]:
            result = await answer(model, state)
            return {"messages": [HumanMessage(result["messages"][0].text, name="worker")]}

        return in_a_row(MessagesState, work=work)

    conversation = Conversation()

    async def story(number: int) -> None:
        async with dial(tmp_path, team, counting, conversation) as caller:
            caller.session.send_text("hello")
            done = await turn_done(caller)
            assert f"number {number}," in done.heard_text
            texts = await caller.texts()
            assert [role for role, _ in texts] == [Speaker.USER, Speaker.AGENT] * number
            assert not caller.all(Failed)

    for number in (1, 2):
        play(story(number))


def test_what_a_graph_writes_for_itself_is_not_shown_as_the_users_words(tmp_path: Path) -> None:
    def critical(model: Any) -> Any:
        async def criticise(state: MessagesState) -> dict[str, Any]:
            return {"messages": [HumanMessage(THOUGHT)]}

        async def talk(state: MessagesState) -> dict[str, Any]:
            assert state["messages"][-1].text == THOUGHT
            return await answer(model, state)

        return in_a_row(MessagesState, criticise=criticise, talk=talk)

    conversation = Conversation()

    async def story(number: int) -> None:
        async with dial(tmp_path, critical, counting, conversation) as caller:
            caller.session.send_text("hello")
            await turn_done(caller)
            texts = await caller.texts()
            assert [text for role, text in texts if role is Speaker.USER] == ["hello"] * number
            seen = [str(message.text) for message in caller.parts.model.seen[-1]]
            assert seen.count(THOUGHT) == number, "the graph knows what it has written"

    for number in (1, 2):
        play(story(number))


def test_what_a_graph_leaves_out_of_the_users_words_is_not_kept(tmp_path: Path) -> None:
    """Middleware that takes addresses out looks at the newest words only: it relies on the others being mended."""

    def careful(model: Any) -> Any:
        rule: Any = PIIMiddleware("email", strategy="redact")
        return create_agent(model, [], middleware=[rule])

    async def story() -> None:
        async with dial(tmp_path, careful, counting) as caller:
            for number, text in enumerate(("I am anna@example.com", "and now"), 1):
                caller.session.send_text(text)
                await turn_done(caller, number)
            seen = [message.text for asked in caller.parts.model.seen for message in asked]
            assert not [text for text in seen if "anna" in text]
            assert (await caller.texts())[0] == (Speaker.USER, "I am [REDACTED_EMAIL]")

    play(story())


class Answer(BaseModel):
    """An answer."""

    text: str


def as_a_tool(model: Any) -> Any:
    return create_agent(model, [], response_format=ToolStrategy(Answer))


def test_data_is_no_answer_and_it_is_said_what_to_do(tmp_path: Path) -> None:
    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return [Call("Answer", '{"text": "x"}')]

    async def story() -> None:
        async with dial(tmp_path, as_a_tool, script) as caller:
            caller.session.send_text("hello")
            failed = await caller.until(Failed)
            await turn_done(caller)
            assert "response_format" in str(failed.error)
            assert not caller.text(1)

    play(story())
