"""How much of a conversation the model is shown: the last of it, beginning with something the user said."""

from __future__ import annotations

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from tests.conversation.scripted import agent_of, say, scripted, spoken
from voice_agents.conversation.history import History
from voice_agents.conversation.messages import FRAME, recent
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.question import MOST


def turns(count: int, words: str = "") -> list[AnyMessage]:
    return [
        message
        for number in range(count)
        for message in (HumanMessage(f"{words}q{number}", id=new_id()), AIMessage(f"a{number}", id=new_id()))
    ]


async def test_of_a_long_talk_in_few_words_the_model_is_shown_so_many_messages(history: History) -> None:
    conversation = Conversation()
    await history.extend(conversation, turns(500))
    model = scripted(["Yes."])
    await say(agent_of(model, history), conversation, "And now?")
    shown = spoken(model.asked[0][1:])
    assert MOST - 2 < len(shown) <= MOST
    assert shown[0].startswith("user: q")
    assert shown[-2:] == ["agent: a499", "user: And now?"]


def test_a_message_costs_its_frame_too() -> None:
    messages = turns(10)
    assert recent(messages, 4 * (FRAME + 2), 100) == messages[-4:]
    assert recent(messages, 10_000, 100) == messages
    assert recent(messages, 10_000, 5) == messages[-4:]


def test_the_last_turn_is_shown_however_long_it_is() -> None:
    messages = [*turns(3), *turns(1, "x" * 1000), *(AIMessage(str(number), id=new_id()) for number in range(9))]
    assert recent(messages, 100, 4) == messages[-11:]
