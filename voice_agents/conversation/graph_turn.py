"""A turn of a graph that a developer brings, and what of its state is remembered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolCall, ToolMessage
from langgraph.errors import GraphRecursionError
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages

from voice_agents.conversation.copies import Copies, Lent, same_messages
from voice_agents.conversation.deeds import Deeds
from voice_agents.conversation.fork import Fork
from voice_agents.conversation.graph_listener import GraphListener, GraphRecord
from voice_agents.conversation.graph_tools import DOING, Doing
from voice_agents.conversation.history import History
from voice_agents.conversation.message_rows import MESSAGES
from voice_agents.conversation.messages import BY_AGENT, INTERRUPTED, Record, cut, same, tool_message
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.own_graph import OwnGraph
from voice_agents.conversation.question import Question
from voice_agents.conversation.turn import AgentTurn, Tell, ToolFinished
from voice_agents.errors import AgentFailed, VoiceAgentError
from voice_agents.providers.rules import valid
from voice_agents.tools import Toolbox, ToolResult

logger = logging.getLogger(__name__)

INTERRUPT = "__interrupt__"
"""What LangGraph puts into the state it tells when a node waits for a person."""


@dataclass(slots=True)
class _Run:
    """What a run of the graph left behind."""

    doing: Doing
    copies: Copies
    lent: Lent = field(default_factory=Lent)
    """The conversation it began with, as the graph was given it."""
    messages: Sequence[AnyMessage] = ()
    """After the last step that was over."""
    asked: object = ""
    """The user's words, as the graph was given them."""
    done: Sequence[AnyMessage] = ()
    """What it was told of tools in answers to the same words that were taken back."""
    fork: Fork = field(default_factory=lambda: Fork({}))
    listener: GraphListener | None = None
    over: bool = False
    finished: bool = False
    """The graph came to its end: none of its nodes is at work any more."""


class GraphTurn(AgentTurn):
    """Runs the graph on a :class:`Fork` of the conversation, and stores its state with what was heard in it."""

    def __init__(
        self,
        graph: OwnGraph,
        history: History,
        toolbox: Toolbox,
        copies: Copies,
        conversation: Conversation,
        read_ahead: bool = False,
        deeds: Deeds | None = None,
    ) -> None:
        super().__init__(history, conversation, read_ahead, deeds)
        self._graph = graph
        self._left = _Run(Doing(toolbox, self._deeds), copies)

    def _work(self) -> Coroutine[Any, Any, None]:
        tell = self._outputs.put_nowait
        return _follow(self._graph, self._question, self._history, self._conversation, self._left, tell)

    def _close(self) -> None:
        self._left.over = True
        if self._left.listener is not None:
            self._left.listener.over = True

    async def _store(self, words: AnyMessage, heard: Mapping[str, str]) -> None:
        left = self._left
        if left.listener is None:  # it did not begin
            await self._history.extend(self._conversation, [words])
            return
        messages, changes = _with_unfinished(left.messages, left.fork), list[AnyMessage]()
        if _is_longer(messages, left.lent.copies):
            messages = messages[len(left.lent.copies) :]
        else:
            changes.append(cast(AnyMessage, RemoveMessage(id=REMOVE_ALL_MESSAGES)))
        for message in _kept(left, messages, left.listener.record, heard):
            changes.append(_asked(message, words, left) if isinstance(message, HumanMessage) else message)
        state = self._history.storable(self._graph.lasting(left.fork.state))
        if left.finished:
            left.copies.give_back(left.lent)
        await self._history.extend(self._conversation, changes, state, key=words.id)


def _asked(message: HumanMessage, words: AnyMessage, left: _Run) -> AnyMessage:
    """The user's words, with what is kept beside them, unless the graph has changed them; or what it has written."""
    if message.id == words.id:
        changed = message.content != left.asked
        return words.model_copy(update={"content": message.content}) if changed else words
    if message.id in left.lent.ids:
        return message
    return message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, BY_AGENT: True}})


async def _follow(
    graph: OwnGraph, question: Question, history: History, conversation: Conversation, left: _Run, tell: Tell
) -> None:
    """Run the graph, and tell what it says and does."""
    await _know(question, left, tell)
    DOING.set(left.doing)
    before = [*left.lent.copies]
    new = left.messages[len(before) :]
    left.listener = listener = GraphListener(graph, before, left.lent.ids, new, left.doing.deeds, tell)
    left.fork = Fork({**history.state(conversation), MESSAGES: before})
    steps = graph.with_memory(left.fork, before, left.lent.ids).astream(
        {MESSAGES: new if graph.adds else left.messages},
        {"configurable": {"thread_id": conversation.id}, "callbacks": [listener]},
        stream_mode="values",
        output_keys=[MESSAGES],
        durability="exit",
        context=graph.context,
    )
    paused = False
    try:
        async with aclosing(steps):
            async for values in steps:
                paused = paused or INTERRUPT in values
                messages = values.get(MESSAGES)
                if messages is not None:
                    listener.on_messages(messages)
                    listener.on_step()
                    left.messages = messages if graph.adds else _joined(left.messages, messages)
        left.finished = True
        listener.on_step()
    except VoiceAgentError:
        raise
    except Exception as error:
        raise _plain(error) from error
    if paused:
        raise AgentFailed(
            "The agent's graph waits for a person's decision (interrupt), which a voice conversation cannot give it: "
            "what it was about to do is dropped. Let it ask in its answer instead."
        )
    structured = left.fork.state.get("structured_response") is not None
    if not structured and len(left.messages) > len(before) + len(new):
        listener.on_last(left.messages[-1])
    if not listener.record.told:
        if structured:
            raise AgentFailed(
                "The agent's graph answers with data (`structured_response`), which cannot be spoken: leave out its "
                "`response_format`, or add a node that puts it into words."
            )
        raise AgentFailed("The agent's graph ended without an answer: none of its nodes added one to `messages`.")


async def _know(question: Question, left: _Run, tell: Tell) -> None:
    """The conversation, the user's words, and what was done for them already."""
    ahead = await question.ahead()
    if ahead is not None:  # before the words are known, as it takes a while after a long talk
        left.lent = left.copies.take(ahead)
    try:
        before = await question.before()
    except asyncio.CancelledError:
        left.copies.give_back(left.lent)
        raise
    if before is not ahead:
        left.lent = left.copies.take(before)
    assert question.words is not None
    if left.over:
        raise asyncio.CancelledError
    for deed, result in left.doing.deeds.untold():
        tell(ToolFinished(deed.call_id, result.text, error=result.error))
    left.done = Record(deeds=left.doing.deeds).done_before()
    for message in left.done:
        message.id = message.id or new_id()
    left.asked = question.words.content
    left.messages = [*left.lent.copies, question.words.model_copy(), *left.done]


def _plain(error: Exception) -> AgentFailed:
    if isinstance(error, GraphRecursionError):
        return AgentFailed(
            "The agent went round in circles and was stopped. Please ask in another way (its graph can be allowed more "
            'steps: graph.with_config({"recursion_limit": ...})).'
        )
    logger.error("The agent's graph failed", exc_info=error)
    status = getattr(error, "status_code", None)
    what = type(error).__name__ + (f", status {status}" if isinstance(status, int) else "")
    return AgentFailed(f"The agent's graph failed{_where(error)} ({what}): the log says why. Please try again.")


def _where(error: Exception) -> str:
    """The innermost node that failed, as LangGraph notes it at the error."""
    for note in getattr(error, "__notes__", ()):
        if note.startswith("During task with name '"):
            return f" in its node {note.split(chr(39))[1]}"
    return ""


def _joined(before: Sequence[AnyMessage], messages: Sequence[AnyMessage]) -> Sequence[AnyMessage]:
    """Of a graph whose nodes replace the messages: what there was, and what is new."""
    known = {message.id for message in before}
    return [*before, *(message for message in messages if message.id not in known)]


def _is_longer(messages: Sequence[AnyMessage], before: Sequence[AnyMessage]) -> bool:
    """These are the ones before, and others that stand for themselves: they answer no call before them."""
    new = messages[len(before) :]
    called = {call["id"] for message in new if isinstance(message, AIMessage) for call in message.tool_calls}
    answered = {message.tool_call_id for message in new if isinstance(message, ToolMessage)}
    return same_messages(messages[: len(before)], before) and answered <= called


def _kept(
    left: _Run, messages: Sequence[AnyMessage], record: GraphRecord, heard: Mapping[str, str]
) -> list[AnyMessage]:
    """The graph's messages as they were heard, every call answered; then what was heard that is not among them."""
    known = left.lent.ids
    kept: list[AnyMessage] = []
    keys: set[str] = set()
    done_again = _done_again(left)
    for message in messages:
        if message in done_again or (isinstance(message, HumanMessage) and message.id in record.keys):
            continue
        if message.id in known or not isinstance(message, AIMessage):
            kept.append(message)
            continue
        key = record.keys.get(message.id or "", message.id or "")
        keys.add(key)
        if (left_of_it := cut(message, record.told.get(key, ""), heard.get(key, ""))) is not None:
            kept.append(left_of_it)
    kept += _done(record, kept)
    for key, text in record.told.items():
        if key not in keys and (words := heard.get(key, "")).strip():
            marks = {} if same(words, text) and _whole(record, key) else {INTERRUPTED: True}
            message = AIMessage(words, id=new_id(), additional_kwargs=marks)
            record.keys[message.id or ""] = key
            kept.append(message)
    return valid(_in_order(kept, record))


def _in_order(messages: Sequence[AnyMessage], record: GraphRecord) -> list[AnyMessage]:
    """As they were told; a tool's result stands behind its call, what was not told behind what stood before it."""
    groups: list[list[AnyMessage]] = []
    told: list[int] = []
    calls: dict[str, list[AnyMessage]] = {}
    for message in messages:
        if isinstance(message, ToolMessage) and message.tool_call_id in calls:
            calls[message.tool_call_id].append(message)
            continue
        groups.append([message])
        made = [call["id"] or "" for call in message.tool_calls] if isinstance(message, AIMessage) else []
        calls |= dict.fromkeys(made, groups[-1])
        marks = [record.keys.get(message.id or "", message.id or ""), *made]
        at = [record.order[mark] for mark in marks if mark in record.order]
        told.append(min(at, default=told[-1] if told else -1))
    order = sorted(range(len(groups)), key=told.__getitem__)
    return [message for number in order for message in groups[number]]


def _done_again(left: _Run) -> Sequence[AnyMessage]:
    """What it was told of tools that it then asked for itself: their results stand there."""
    rest = {deed.call_id for deed in left.doing.deeds.withdrawn}
    return [
        message
        for message in left.done
        if (message.tool_call_id if isinstance(message, ToolMessage) else message.id) not in rest
    ]


def _whole(record: GraphRecord, key: str) -> bool:
    """No model wrote it, or one that came to its end."""
    return all(said.message_id is not None for said in record.said if said.key == key)


def _with_unfinished(messages: Sequence[AnyMessage], fork: Fork) -> Sequence[AnyMessage]:
    """With what some tasks wrote in a step that others did not come to the end of."""
    for channel, value in fork.unfinished:
        if channel == MESSAGES:
            messages = add_messages(list(messages), value)  # pyrefly: ignore[bad-assignment]
    return messages


def _done(record: GraphRecord, kept: Sequence[AnyMessage]) -> list[AnyMessage]:
    """What tools did that is in none of the messages: in a subgraph that was not over, or for a node itself."""
    answered = {message.tool_call_id for message in kept if isinstance(message, ToolMessage)}
    called = {call["id"] for message in kept if isinstance(message, AIMessage) for call in message.tool_calls}
    pairs: list[AnyMessage] = []
    for tool in record.tools.values():
        if tool.result is None or tool.call_id in answered:
            continue
        if tool.call_id not in called:
            call = ToolCall(name=tool.name, args=dict(tool.args), id=tool.call_id, type="tool_call")
            pairs.append(AIMessage("", id=new_id(), tool_calls=[call]))
        result = tool_message(tool.name, tool.call_id, ToolResult(tool.result, error=tool.error))
        result.id = new_id()
        pairs.append(result)
    return pairs
