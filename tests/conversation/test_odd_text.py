"""Text that is none: half of a surrogate pair, as cut emoji and odd clients send it, costs no conversation."""

from __future__ import annotations

import pytest

from tests.conversation.scripted import agent_of, say, scripted
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.session.base import checked_text

HALF = "It is \ud83d fine"
WHOLE = "It is ? fine"


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        (HALF, WHOLE),
        ("\udc4d", "?"),
        ("\ud83d\udc4d", "\U0001f44d"),
        ("👩‍👩‍👧 می‌خواهم", "👩‍👩‍👧 می‌خواهم"),
    ],
)
def test_a_typed_half_of_a_character_is_replaced_and_nothing_else(typed: str, taken: str) -> None:
    assert checked_text(typed) == taken


async def test_what_a_server_cut_in_half_is_stored_and_the_talk_goes_on(history: History) -> None:
    conversation = Conversation()
    call = ("quick", '{"word": "\\ud83d"}', "a")
    model = scripted([HALF, call], ["Done \ud83d."], ["Yes."])
    await history.append(conversation, HistoryEntry(role=Speaker.USER, text=HALF))
    assert await say(agent_of(model, history), conversation, "Do it.")
    assert await say(agent_of(model, history), conversation, "Are you there?") == "Yes."
    said = [entry.text for entry in await History(history._store).messages(conversation)]
    assert said[0] == WHOLE
    assert said[-1] == "Yes."
    assert "Done ?." in said


async def test_a_note_with_half_a_character_is_kept(history: History) -> None:
    notes = history._store.notes("ada")
    await notes.add(HALF)
    assert await notes.all() == [WHOLE]
