"""What comes to a long conversation is put at its end, and all else is as LangGraph's ``add_messages`` does it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages

from tests.chance import SEEDS
from voice_agents.conversation.own_graph import _adding

START: list[AnyMessage] = [HumanMessage("one", id="1"), AIMessage("two", id="2"), HumanMessage("three", id="3")]
IDS = {message.id for message in START}


def changes(dice: random.Random, number: int, ids: list[str | None]) -> Any:
    """What a node may write into ``messages``: always the same for the same dice."""
    new: list[Callable[[], Any]] = [
        lambda: AIMessage(f"new {number}", id=f"n{number}"),
        lambda: [AIMessageChunk(content=f"piece {number}", id=f"p{number}"), HumanMessage("and", id=f"q{number}")],
        lambda: [("ai", f"plain {number}")],
        lambda: {"role": "user", "content": f"dict {number}"},
        lambda: [HumanMessage(f"again {number}", id=dice.choice(ids))],
        lambda: [AIMessage("twice", id=f"t{number}"), AIMessage(f"twice {number}", id=f"t{number}")],
        lambda: [RemoveMessage(id=dice.choice(ids) or ""), AIMessage("instead", id=f"i{number}")],
        lambda: [],
    ]
    if not number % 7:
        return [RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage(f"in short {number}", id=f"s{number}")]
    return dice.choice(new)()


def without_own_ids(messages: list[AnyMessage]) -> list[Any]:
    """Who names none is given another one each time."""
    return [(type(one), one.content, one.id if len(one.id or "") < 30 else "") for one in messages]


@given(seed=SEEDS)
def test_it_adds_as_langgraph_does(seed: int) -> None:
    dice, add = random.Random(seed), _adding(START, IDS)
    theirs: Any = START
    ours: Any = START
    for number in range(1, 20):
        ids = [message.id for message in theirs if len(message.id or "") < 30] or [None]
        state = dice.getstate()
        if ids == [None]:
            continue
        added: Any = add_messages(theirs, changes(dice, number, ids))
        theirs = added
        dice.setstate(state)
        ours = add(ours, changes(dice, number, ids))
        assert without_own_ids(ours) == without_own_ids(theirs)
        if dice.random() < 0.2:  # a node writes into the very list
            theirs.append(HumanMessage("by hand", id=f"h{number}"))
            ours.append(HumanMessage("by hand", id=f"h{number}"))
    assert [message.id for message in START] == ["1", "2", "3"]


def test_who_takes_back_what_is_not_there_is_told_so() -> None:
    add = _adding(START, IDS)
    with pytest.raises(ValueError, match="doesn't exist"):
        add(START, [RemoveMessage(id="nobody")])
    assert [message.text for message in add(START, AIMessage("four"))] == ["one", "two", "three", "four"]
