"""A graph may write into what it is given, and neither what is stored nor the next turn knows of it."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph

from tests.conversation.scripted import agent_of, say, scripted, spoken
from voice_agents.conversation.agent import OwnGraph, VoiceAgent
from voice_agents.conversation.copies import Copies
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store
from voice_agents.tools import Toolbox


def test_a_copy_that_was_written_into_is_made_again_and_no_other() -> None:
    messages: list[AnyMessage] = [HumanMessage("one", id="1"), AIMessage("two", id="2"), HumanMessage("three", id="3")]
    copies = Copies()
    lent = copies.take(messages)
    first: list[Any] = lent.copies[:]
    assert first == messages and not any(one is two for one, two in zip(first, messages, strict=True))
    first[0].content += "!"
    first[2].colour = "red"
    copies.give_back(lent)
    messages = [*messages, AIMessage("four", id="4")]
    lent = copies.take(messages)
    second: list[Any] = lent.copies
    assert lent.ids == {"1", "2", "3", "4"}
    assert [one.text for one in second] == ["one", "two", "three", "four"] == [one.text for one in messages]
    assert [one is two for one, two in zip(first, second, strict=False)] == [False, True, False]
    assert not hasattr(second[2], "colour")


def test_what_is_lent_is_lent_once() -> None:
    messages = [HumanMessage("one", id="1")]
    copies = Copies()
    copies.give_back(copies.take(messages))
    first, second = copies.take(messages), copies.take(messages)
    assert first.copies[0] is not second.copies[0]
    copies.give_back(first)
    second.copies[0].content = "two"
    assert copies.take(messages).copies[0].text == "one"


def writer(seen: list[list[str]]) -> OwnGraph:
    """It marks every message it is given, in place, and answers."""

    def answer(state: MessagesState) -> dict[str, Any]:
        seen.append(spoken(state["messages"]))
        for message in state["messages"]:
            message.content = f"{message.text}!"
        return {"messages": [AIMessage(f"Number {len(seen)}.")]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    return OwnGraph(graph.compile())


async def test_what_a_graph_writes_into_old_messages_is_gone_with_its_turn(history: History, store: Store) -> None:
    seen: list[list[str]] = []
    agent, conversation = VoiceAgent(writer(seen), None, history, Toolbox([])), Conversation()
    await say(agent_of(scripted(["Hello."]), history), conversation, "Hi")
    for number in range(3):
        await say(agent, conversation, f"Question {number}")
    assert [lines[:2] for lines in seen] == [["user: Hi", "agent: Hello."]] * 3
    assert spoken(await History(store).load(conversation))[:2] == ["user: Hi", "agent: Hello."]


def added_in_place(there: list[AnyMessage], new: list[AnyMessage]) -> list[AnyMessage]:
    there += new
    return there


class OneList(TypedDict):
    messages: Annotated[list[AnyMessage], added_in_place]


async def test_a_graph_may_add_to_the_very_list_it_is_given(history: History, store: Store) -> None:
    def answer(state: OneList) -> dict[str, Any]:
        return {"messages": [AIMessage(f"There are {len(state['messages'])}.")]}

    graph = StateGraph(OneList)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    agent, conversation = VoiceAgent(OwnGraph(graph.compile()), None, history, Toolbox([])), Conversation()
    assert [await say(agent, conversation, "How many?") for _ in range(3)] == [f"There are {n}." for n in (1, 3, 5)]
    assert [one.text for one in await History(store).load(conversation)][-2:] == ["How many?", "There are 5."]
    assert len(await history.load(conversation)) == 6


async def test_a_late_answer_to_a_call_of_an_earlier_turn_takes_its_place(history: History, store: Store) -> None:
    call = {"name": "order", "args": {}, "id": "c1", "type": "tool_call"}
    conversation = Conversation()
    asked: list[AnyMessage] = [
        HumanMessage("Order it.", id="u1"),
        AIMessage("", id="a1", tool_calls=[call]),
        ToolMessage("not yet", id="t1", tool_call_id="c1", name="order"),
    ]
    await history.extend(conversation, asked)

    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [ToolMessage("ordered", tool_call_id="c1", name="order"), AIMessage("It is ordered.")]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    agent = VoiceAgent(OwnGraph(graph.compile()), None, history, Toolbox([]))
    await say(agent, conversation, "And?")
    kept = await History(store).load(conversation)
    assert [one.text for one in kept] == ["Order it.", "", "ordered", "And?", "It is ordered."]
