"""A turn of the agent: what comes out while it runs, and what is remembered however it ends."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable
from langsmith.utils import tracing_is_enabled

from tests.conversation.scripted import (
    Probe,
    ScriptedModel,
    Step,
    WholeModel,
    agent_of,
    assert_valid,
    heard_of,
    say,
    scripted,
    spoken,
)
from voice_agents.conversation.agent import (
    GAVE_UP,
    MODEL_CALLS_MAX,
    AgentTurn,
    Token,
    ToolFinished,
    ToolStarted,
    _Account,
)
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store


async def test_tokens_come_one_by_one_and_the_next_turn_remembers(history: History) -> None:
    model = scripted(["Hello", " Ada."], ["Your name is Ada."])
    agent, conversation = agent_of(model, history), Conversation()

    turn = agent.turn(conversation, "My name is Ada.")
    outputs = [output async for output in turn.stream()]
    assert [output.text for output in outputs if isinstance(output, Token)] == ["Hello", " Ada."]
    message_ids = {output.message_id for output in outputs if isinstance(output, Token)}
    assert len(message_ids) == 1
    await turn.settle({message_ids.pop(): "Hello Ada."})

    assert await say(agent, conversation, "What is my name?") == "Your name is Ada."
    assert spoken(model.asked[1][1:]) == ["user: My name is Ada.", "agent: Hello Ada.", "user: What is my name?"]


async def test_a_tool_is_announced_run_and_its_result_answered(history: History) -> None:
    model = scripted(["One moment.", ("quick", '{"word": "hi"}', "call_1")], ["It says hi."])
    agent, conversation = agent_of(model, history), Conversation()
    turn = agent.turn(conversation, "What does quick say?")

    outputs = [output async for output in turn.stream()]
    first, started, finished, last = outputs
    assert isinstance(first, Token) and first.text == "One moment."
    assert started == ToolStarted("quick", {"word": "hi"}, "call_1")
    assert finished == ToolFinished("call_1", "Quick says hi.", error=False)
    assert isinstance(last, Token) and last.message_id != first.message_id

    await turn.settle({first.message_id: "One moment.", last.message_id: "It says hi."})
    messages = await history.load(conversation)
    assert_valid(messages)
    assert spoken(messages) == [
        "user: What does quick say?",
        "agent: One moment.",
        "tool: Quick says hi.",
        "agent: It says hi.",
    ]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("broken", "{}", "c"), "internal error"),
        (("quick", '{"wrong": 1}', "c"), "wrong"),
        (("quick", "{word}", "c"), "not valid JSON"),
        (("missing", "{}", "c"), "missing"),
    ],
)
async def test_the_model_is_told_what_went_wrong_with_a_tool(history: History, call: Step, told: str) -> None:
    probe = Probe()
    model = scripted([call], ["Sorry."])
    conversation = Conversation()
    turn = agent_of(model, history, probe.toolbox()).turn(conversation, "Go.")
    finished = [output async for output in turn.stream() if isinstance(output, ToolFinished)]
    assert len(finished) == 1
    assert finished[0].error
    assert told in finished[0].result
    assert "secret" not in finished[0].result
    assert not probe.done
    await turn.settle({})
    assert_valid(await history.load(conversation))


async def test_a_model_that_calls_tools_for_ever_gives_up_aloud(history: History) -> None:
    model = scripted([("quick", "{}", "same id")])
    conversation = Conversation()
    assert await say(agent_of(model, history), conversation, "Go.") == GAVE_UP
    assert len(model.asked) == MODEL_CALLS_MAX
    messages = await history.load(conversation)
    assert_valid(messages)
    assert messages[-1].text == GAVE_UP


async def test_a_server_that_gives_every_answer_the_same_id(history: History) -> None:
    model = scripted([("quick", "{}", "call")], ["One."], [("quick", "{}", "call")], ["Two."], message_id="chatcmpl-1")
    agent, conversation = agent_of(model, history), Conversation()
    assert await say(agent, conversation, "First") == "One."
    assert await say(agent, conversation, "Second") == "Two."
    messages = await history.load(conversation)
    assert_valid(messages)
    assert [line for line in spoken(messages) if "tool" not in line] == [
        "user: First",
        "agent: ",
        "agent: One.",
        "user: Second",
        "agent: ",
        "agent: Two.",
    ]


async def test_a_model_that_does_not_stream(history: History) -> None:
    model = scripted(["Hello."], ["Again."], kind=WholeModel, message_id="always the same")
    agent, conversation = agent_of(model, history), Conversation()
    assert await say(agent, conversation, "Hi") == "Hello."
    assert await say(agent, conversation, "Hi") == "Again."


async def test_a_failure_of_the_model_comes_out_and_what_was_heard_stays(history: History) -> None:
    failure = ConnectionError("gone")
    model = scripted(["It is", " ten", failure], ["Yes."])
    agent, conversation = agent_of(model, history), Conversation()
    turn = agent.turn(conversation, "What time is it?")
    texts: dict[str, str] = {}
    with pytest.raises(ConnectionError) as caught:
        async for output in turn.stream():
            assert isinstance(output, Token)
            texts[output.message_id] = texts.get(output.message_id, "") + output.text
    assert caught.value is failure
    await turn.settle(dict.fromkeys(texts, "It is"))
    messages = await history.load(conversation)
    assert spoken(messages) == ["user: What time is it?", "agent: It is"]
    assert messages[-1].additional_kwargs == {"interrupted": True}
    assert await say(agent, conversation, "Are you there?") == "Yes."


@pytest.mark.parametrize(
    ("heard", "remembered", "interrupted"),
    [
        ("One two three.", ["user: Count.", "agent: One two three."], False),
        (" One two\nthree. ", ["user: Count.", "agent: One two three."], False),
        ("One two", ["user: Count.", "agent: One two"], True),
        ("", ["user: Count."], False),
    ],
)
async def test_memory_is_what_was_heard(history: History, heard: str, remembered: list[str], interrupted: bool) -> None:
    model = scripted(["One two ", "three."], ["Fine."])
    agent, conversation = agent_of(model, history), Conversation()
    turn = agent.turn(conversation, "Count.")
    texts = await heard_of(turn)
    await turn.settle(dict.fromkeys(texts, heard))
    await turn.settle(dict.fromkeys(texts, "something else"))
    await turn.discard()
    messages = await history.load(conversation)
    assert spoken(messages) == remembered
    assert bool(messages[-1].additional_kwargs.get("interrupted")) is interrupted
    assert await say(agent, conversation, "And now?") == "Fine."
    assert spoken(model.asked[1][1:]) == [*remembered, "user: And now?"]


CALLS: list[list[Step]] = [
    ["Let me", " see.", ("quick", '{"word": "one"}', "a"), ("quick", '{"word": "two"}', "b")],
    [("quick", "{}", "c")],
    ["That", " was", " it."],
]
OUTPUTS = 2 + 4 + 2 + 3


@pytest.mark.parametrize("words", [0, 1, 99])
@pytest.mark.parametrize("cut", range(OUTPUTS + 1))
async def test_cut_after_any_output_memory_is_valid_and_equals_what_was_heard(
    history: History, cut: int, words: int
) -> None:
    probe = Probe()
    model = scripted(*CALLS, ["Go on."])
    agent, conversation = agent_of(model, history, probe.toolbox()), Conversation()
    turn = agent.turn(conversation, "Do it.")
    texts = await heard_of(turn, stop_after=cut) if cut else {}
    heard = {id: " ".join(text.split()[:words]) for id, text in texts.items()}
    await turn.settle(heard)

    messages = await history.load(conversation)
    assert_valid(messages)
    assert spoken(messages)[0] == "user: Do it."
    remembered = [message.text for message in messages if isinstance(message, AIMessage) and message.text]
    assert remembered == [text for text in heard.values() if text]
    results = [entry.text for entry in await history.messages(conversation) if entry.name and not entry.error]
    assert results == [f"Quick says {word}." for word in probe.done]

    model.asked.clear()
    model.script[:] = [["Go on."]]
    assert await say(agent, conversation, "Next.") == "Go on."


async def test_a_tool_that_was_held_up_does_not_begin_when_its_turn_is_stored(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine, where a library between the graph and the tool heeds a cancellation late."""
    held, go_on, begun = asyncio.Event(), asyncio.Event(), asyncio.Event()
    tool_calls = _Account.awrap_tool_call

    async def held_up(account: _Account, *args: Any) -> Any:
        async def begin() -> Any:
            held.set()
            await go_on.wait()
            begun.set()
            return await tool_calls(account, *args)

        return await asyncio.shield(asyncio.create_task(begin()))

    monkeypatch.setattr(_Account, "awrap_tool_call", held_up)
    probe = Probe()
    turn = agent_of(scripted([("quick", "{}", "a")]), history, probe.toolbox()).turn(Conversation(), "Do it.")
    following = asyncio.create_task(heard_of(turn))
    await held.wait()
    await turn.settle({})
    go_on.set()
    await begun.wait()
    await following
    assert probe.done == []


async def test_stopped_at_any_turn_of_the_event_loop(history: History) -> None:
    """The consumer's task is cancelled after any number of rounds of the loop, wherever the run is by then."""
    for rounds in range(0, 120, 3):
        model = scripted(*CALLS)
        agent, conversation = agent_of(model, history), Conversation()
        turn = agent.turn(conversation, "Do it.")
        texts: dict[str, str] = {}

        async def consume(turn: AgentTurn = turn, texts: dict[str, str] = texts) -> None:
            async for output in turn.stream():
                if isinstance(output, Token):
                    texts[output.message_id] = texts.get(output.message_id, "") + output.text

        consumer = asyncio.create_task(consume())
        for _ in range(rounds):
            await asyncio.sleep(0)
        consumer.cancel()
        with suppress(asyncio.CancelledError):
            await consumer
        async with asyncio.timeout(5):
            await turn.settle(texts)
        messages = await history.load(conversation)
        assert_valid(messages)
        assert "".join(m.text for m in messages if isinstance(m, AIMessage)) == "".join(texts.values())


async def test_a_running_tool_is_stopped_and_answered_as_cancelled(history: History) -> None:
    probe = Probe()
    model = scripted([("slow", "{}", "a"), ("quick", "{}", "b")], ["Fine."])
    agent, conversation = agent_of(model, history, probe.toolbox()), Conversation()
    turn = agent.turn(conversation, "Wait for it.")
    consumer = asyncio.create_task(heard_of(turn))
    async with asyncio.timeout(5):
        await probe.started.wait()
        await probe.quick_done.wait()
        await turn.settle({})
        await consumer
    probe.go_on.set()
    entries = [entry for entry in await history.messages(conversation) if entry.name]
    assert [(entry.name, entry.text, entry.error) for entry in entries] == [
        ("slow", "cancelled by the user", True),
        ("quick", "Quick says x.", False),
    ]
    assert probe.done == ["x"]
    assert await say(agent, conversation, "Never mind.") == "Fine."


async def test_a_discarded_turn_leaves_no_trace(history: History, store: Store) -> None:
    model = scripted(["Hello."], ["Half an", asyncio.Event()], ["Hello again."])
    agent, conversation = agent_of(model, history), Conversation()
    await say(agent, conversation, "Hi")
    before = await store.query("SELECT * FROM checkpoints")
    turn = agent.turn(conversation, "A thought that was not finis")
    await heard_of(turn, stop_after=1)
    await turn.discard()
    await turn.settle({"x": "y"})
    assert await store.query("SELECT * FROM checkpoints") == before
    await say(agent, conversation, "A thought that was not finished")
    assert spoken(model.asked[2][1:]) == ["user: Hi", "agent: Hello.", "user: A thought that was not finished"]


async def test_what_does_not_need_the_words_is_done_before_them(history: History) -> None:
    ready = asyncio.Event()

    class Model(ScriptedModel):
        def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
            ready.set()
            return super().bind_tools(tools, **kwargs)

    model = scripted(["Hello."], kind=Model)
    conversation = Conversation()
    async with asyncio.timeout(5), agent_of(model, history).ready_for(conversation) as turn:
        await ready.wait()
        assert not model.asked
        turn.ask("Hi")
        await turn.settle(await heard_of(turn))
    assert spoken(await history.load(conversation)) == ["user: Hi", "agent: Hello."]


async def test_a_turn_that_is_not_asked_leaves_no_trace_and_no_task(history: History) -> None:
    model, conversation = scripted(["Hello."]), Conversation()
    before = asyncio.all_tasks()
    async with agent_of(model, history).ready_for(conversation) as turn:
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before
    await turn.settle({"x": "y"})
    assert not model.asked and not await history.load(conversation)


async def test_a_turn_that_is_cut_is_no_work_for_the_garbage_collector(history: History) -> None:
    agent, conversation = agent_of(scripted(["Half", asyncio.Event()]), history), Conversation()
    gc.disable()
    try:
        turn = agent.turn(conversation, "Hi")
        await turn.settle(await heard_of(turn, stop_after=1))
        left = weakref.ref(turn)
        del turn
        assert left() is None
    finally:
        gc.enable()


async def test_a_model_that_does_not_let_go_holds_up_nobody(history: History) -> None:
    release = asyncio.Event()

    class Stubborn(asyncio.Event):
        async def wait(self) -> bool:  # pyrefly: ignore[bad-override]
            while not release.is_set():
                with suppress(asyncio.CancelledError):
                    await release.wait()
            return True

    others = asyncio.all_tasks()
    model = scripted(["Well", Stubborn(), " then"], ["Yes."])
    agent, conversation = agent_of(model, history), Conversation()
    turn = agent.turn(conversation, "Stop")
    texts = await heard_of(turn, stop_after=1)
    async with asyncio.timeout(5):
        await turn.settle(texts)
        assert await say(agent, conversation, "Are you there?") == "Yes."
    release.set()
    await asyncio.gather(*(asyncio.all_tasks() - others), return_exceptions=True)
    assert spoken(await history.load(conversation)) == [
        "user: Stop",
        "agent: Well",
        "user: Are you there?",
        "agent: Yes.",
    ]


async def test_the_model_is_shown_only_the_recent_part_of_a_long_talk(history: History) -> None:
    conversation = Conversation()
    await history.extend(
        conversation,
        [
            message
            for n in range(400)
            for message in (
                HumanMessage(f"{n} {'x' * 100}", id=f"q{n}"),
                AIMessage(f"answer {n}", id=f"a{n}"),
            )
        ],
    )
    model = scripted(["Sure."])
    await say(agent_of(model, history), conversation, "Do you remember?")
    shown = model.asked[0]
    assert 100 < len(shown) < 500
    assert isinstance(shown[1], HumanMessage)
    assert shown[-1].text == "Do you remember?"
    assert len(await history.load(conversation)) == 802


async def test_a_settlement_that_was_cancelled_can_be_repeated(history: History) -> None:
    for rounds in range(0, 40, 2):
        conversation = Conversation()
        turn = agent_of(scripted(["Hello."]), history).turn(conversation, "Hi")
        texts = await heard_of(turn)
        first = asyncio.create_task(turn.settle(texts))
        for _ in range(rounds):
            await asyncio.sleep(0)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        await turn.settle(texts)
        assert spoken(await history.load(conversation)) == ["user: Hi", "agent: Hello."]


async def test_settling_ends_the_iteration_of_whoever_still_listens(history: History) -> None:
    turn = agent_of(scripted(["Half", asyncio.Event()]), history).turn(Conversation(), "Hi")
    consumer = asyncio.create_task(heard_of(turn))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await turn.settle({})
        await consumer
    with pytest.raises(RuntimeError, match="once"):
        await anext(aiter(turn.stream()))


async def test_nothing_is_sent_to_anybody_but_the_model(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert not tracing_is_enabled()
    assert await say(agent_of(scripted(["Hello."]), history), Conversation(), "Hi") == "Hello."


async def run_plain(agent: Any, text: str, config: Any) -> None:
    async for _ in agent.astream({"messages": [HumanMessage(text)]}, config, stream_mode="messages"):
        pass


async def test_any_langgraph_agent_can_go_on_with_a_conversation_and_back(history: History, store: Store) -> None:
    conversation = Conversation()
    await say(agent_of(scripted(["Hello Ada."]), history), conversation, "I am Ada.")
    model = scripted(["You are Ada."])
    plain = create_agent(model, [], checkpointer=store.checkpointer)
    config: Any = {"configurable": {"thread_id": conversation.id}}
    assert (await plain.aget_state(config)).next == ()
    await run_plain(plain, "Who am I?", config)
    assert spoken(model.asked[0]) == ["user: I am Ada.", "agent: Hello Ada.", "user: Who am I?"]
    again = scripted(["Welcome back."])
    await say(agent_of(again, history), conversation, "And now?")
    assert spoken(again.asked[0][1:])[2:] == ["user: Who am I?", "agent: You are Ada.", "user: And now?"]


async def test_a_run_that_died_half_way_is_repaired(history: History, store: Store) -> None:
    conversation = Conversation()
    await say(agent_of(scripted(["Hello."]), history), conversation, "Hi")
    probe = Probe()
    plain = create_agent(
        scripted([("slow", "{}", "a"), ("quick", "{}", "b")]),
        [probe.slow, probe.quick],
        checkpointer=store.checkpointer,
    )
    config: Any = {"configurable": {"thread_id": conversation.id}}
    run = asyncio.create_task(run_plain(plain, "Work.", config))
    async with asyncio.timeout(5):
        await probe.started.wait()
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    assert (await plain.aget_state(config)).next

    model = scripted(["I am back."])
    assert await say(agent_of(model, history), conversation, "Still there?") == "I am back."
    assert (await plain.aget_state(config)).next == ()
    assert_valid(await history.load(conversation))
