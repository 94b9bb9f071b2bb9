"""A LangGraph graph that a developer brings: whether it can hold a conversation, and which of its nodes answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Set
from typing import Any, is_typeddict

from langchain_core.messages import AnyMessage, RemoveMessage
from langgraph.channels import BinaryOperatorAggregate, EphemeralValue, UntrackedValue
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph, StateGraph

from voice_agents.conversation.graph_tools import guarded
from voice_agents.conversation.message_rows import MESSAGES
from voice_agents.conversation.node_code import may_write
from voice_agents.conversation.store import State
from voice_agents.errors import ConfigurationError

AnyGraph = CompiledStateGraph[Any, Any, Any, Any]
Path = tuple[str, ...]
"""Names of nodes, from the graph's own down to that of the innermost subgraph."""

_HOOKS = (".before_agent", ".before_model", ".after_model", ".after_agent")
"""How LangChain names the nodes of middleware, which stand between a model's answer and the end."""


class OwnGraph:
    """One compiled graph, shared by all sessions; what it has learned of it is no secret of any.

    **What of it is spoken.** The answer is what its nodes add to the ``messages`` of its own state. A model's words are
    spoken while they are written where they will surely get there: in a node that may be the last one. In other nodes
    (a router, a planner, a draft that is reviewed) they are held until the node is over, and dropped if they did not
    get there; once they did, the node is trusted. Never spoken while they are written: what has the tag ``nostream``
    (``model.with_config(tags=["nostream"])``), what a model writes inside a tool, and structured output.
    """

    def __init__(self, graph: object, *, speculative: bool = True, context: object = None) -> None:
        """Raises ConfigurationError for anything that is no compiled graph with ``messages`` in its state.

        ``speculative``: it may be run on words of which it is not certain that they are all, and its run thrown away.
        Tools that say that they have no side effects run then, all others wait (see :mod:`.deeds`); False for a graph
        whose nodes do something in the world without a tool.

        ``context``: what its nodes find in ``runtime.context``; by default its ``context_schema`` without arguments.
        """
        self.speculative = speculative
        if isinstance(graph, StateGraph):
            raise ConfigurationError("The agent is a StateGraph that was not compiled: hand over graph.compile().")
        if not isinstance(graph, CompiledStateGraph):
            raise ConfigurationError(
                f"{graph!r:.80} is no agent: bring a compiled LangGraph graph whose state has `messages`, such as that "
                "of langchain.agents.create_agent."
            )
        if "messages" not in graph.channels:
            raise ConfigurationError(
                "The state of the agent's graph has no `messages`: begin with langgraph.graph.MessagesState, or add "
                "`messages: Annotated[list, add_messages]`."
            )
        if graph.interrupt_before_nodes or graph.interrupt_after_nodes:
            raise ConfigurationError(
                "The agent's graph was compiled with interrupt_before or interrupt_after: it would wait for a person "
                "who looks into it. Compile it without them, and let it ask in its answer."
            )
        self.context = _context(graph) if context is None else context
        """What its nodes find in ``runtime.context``."""
        self._graph = guarded(graph)
        self.adds = isinstance(graph.channels["messages"], BinaryOperatorAggregate)
        """What nodes write is added to the ``messages`` there are; else it takes their place."""
        self._lasting = [
            name
            for name, channel in graph.builder.channels.items()
            if name != "messages" and not isinstance(channel, (EphemeralValue, UntrackedValue))
        ]
        graphs = {(): graph} | {
            tuple(path.split("|")): inner
            for path, inner in graph.get_subgraphs(recurse=True)
            if isinstance(inner, CompiledStateGraph)
        }
        self._may_answer = {path: _may_answer(one) for path, one in graphs.items()}
        self._edges = {path: _edges(one) for path, one in graphs.items()}
        self._trusted: set[tuple[Path, int]] = set()
        self._distrusted: set[tuple[Path, int]] = set()

    def with_memory(
        self, saver: BaseCheckpointSaver[Any], messages: list[AnyMessage], ids: Set[str | None]
    ) -> AnyGraph:
        """The same graph, keeping its state there, whatever it was compiled with.

        ``messages`` are those in its state, ``ids`` theirs.
        """
        graph = copy.copy(self._graph)
        graph.checkpointer = saver
        channel = graph.channels["messages"]
        if isinstance(channel, BinaryOperatorAggregate) and channel.operator is add_messages:
            adding: Any = BinaryOperatorAggregate(channel.typ, _adding(messages, ids))
            adding.key = channel.key
            graph.channels = {**graph.channels, "messages": adding}
        return graph

    def lasting(self, state: State) -> State:
        """What else than the messages the next turn is to know."""
        return {name: state[name] for name in self._lasting if name in state}

    def answers(self, path: Path, call: int) -> bool:
        """Surely what this node's model writes gets into the conversation, called after ``call`` other calls in it."""
        if (path, call) in self._trusted:
            return True
        if (path, call) in self._distrusted:
            return False
        return all(self._may_answer.get(path[:depth], {}).get(name, True) for depth, name in enumerate(path))

    def trust(self, path: Path, call: int) -> None:
        """What this node's model wrote got into the conversation."""
        self._trusted.add((path, call))

    def distrust(self, path: Path, call: int) -> None:
        """What this node's model wrote did not get into the conversation."""
        self._distrusted.add((path, call))

    def is_edge(self, path: Path, name: str | None) -> bool:
        """What has this name in this node is no part of it, but decides where to go on after it."""
        return bool(path) and (path[-1], name) in self._edges.get(path[:-1], ())


def _context(graph: AnyGraph) -> Any:
    """As its ``context_schema`` makes it without being told anything."""
    schema = graph.context_schema
    if schema is None:
        return None
    needed = sorted(getattr(schema, "__required_keys__", ())) if is_typeddict(schema) else []
    try:
        made = schema()
    except Exception as error:  # as many as there are ways to say what is missing
        raise _no_context(str(error)) from error
    if needed:
        raise _no_context(", ".join(needed))
    return made


def _no_context(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The context_schema of the agent's graph has no value for everything ({what}): hand one over, "
        "SandwichEngine(settings, agent=graph, context=...), or give its fields defaults."
    )


def _adding(messages: list[AnyMessage], ids: Set[str | None]) -> Callable[[Any, Any], Any]:
    """``add_messages`` for one run that begins with these: it looks at each of them whenever one is added, which after
    a thousand turns takes longer than the rest of a step. What only comes to what there is, is put at its end.
    """
    last, length, before, since = messages, len(messages), ids, set[str | None]()
    merge: Callable[[Any, Any], Any] = add_messages  # its own types name every kind of message there is

    def add(left: Any, right: Any) -> Any:
        nonlocal last, length, before
        new: Any = right if isinstance(right, list) else [right]
        ours = left is last and len(left) == length  # else somebody has written into the list
        if not ours or any(isinstance(message, RemoveMessage) for message in new):
            merged = merge(left, right)
            before = {message.id for message in merged}
            since.clear()
        else:
            added = merge([], new)
            there = any(message.id in before or message.id in since for message in added)
            merged = merge(left, added) if there else [*left, *added]
            since.update(message.id for message in added)
        last, length = merged, len(merged)
        return merged

    return add


def _edges(graph: AnyGraph) -> Set[tuple[str, str]]:
    """The functions that decide where to go on: the node after which, and their name."""
    return {(node, name) for node, branches in graph.builder.branches.items() for name in branches}


def _may_answer(graph: AnyGraph) -> Mapping[str, bool]:
    """By node: whether the graph may be over after it, as far as its edges tell, and it may write an answer."""
    if MESSAGES not in graph.channels:  # what it is about goes on to somebody who may answer
        return dict.fromkeys(graph.builder.nodes, False)
    builder = graph.builder
    targets: dict[str, set[str]] = {name: set() for name in builder.nodes}
    for start, end in builder.edges:
        targets.setdefault(start, set()).add(end)
    for starts, end in builder.waiting_edges:
        for start in starts:
            targets.setdefault(start, set()).add(end)
    for start, branches in builder.branches.items():
        for branch in branches.values():
            targets.setdefault(start, set()).update(branch.ends.values() if branch.ends else [END])
    for name, node in builder.nodes.items():
        targets[name].update(node.ends or ())
    mute = {name for name, node in builder.nodes.items() if not may_write(node.runnable, MESSAGES)}
    return {START: False} | {name: name not in mute and _reaches_end(name, targets, mute) for name in builder.nodes}


def _reaches_end(name: str, targets: Mapping[str, set[str]], mute: Set[str]) -> bool:
    seen: set[str] = set()
    left = [name]
    while left:
        here = left.pop()
        seen.add(here)
        following = targets.get(here, set())
        if END in following or not following:
            return True
        left += [one for one in following - seen if one in mute or one.endswith(_HOOKS)]
    return False
