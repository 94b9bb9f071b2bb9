"""What a page shows of a conversation, event by event."""

from __future__ import annotations

from typing import Any

import pytest

from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.errors import Role, VoiceAgentError
from voice_agents.events import (
    AgentResumed,
    AgentText,
    Event,
    Failed,
    Interrupted,
    Notice,
    ProviderReplaced,
    Status,
    StatusChanged,
    ToolCalled,
    ToolReturned,
    TurnDone,
    UserTranscript,
)
from voice_agents.turns.heard import split_heard
from voice_agents.turns.latency import TurnLatency
from voice_agents.ui.view import SHOWN_LINES, Banner, ConversationView, earlier_lines


def event(kind: type[Event], turn: int = 1, **values: Any) -> Event:
    return kind(turn=turn, at=0.0, **values)


def partial(text: str, turn: int = 1) -> Event:
    return event(UserTranscript, turn, text=text, final=False)


def final(text: str, turn: int = 1) -> Event:
    return event(UserTranscript, turn, text=text, final=True)


def answer(text: str, turn: int = 1) -> Event:
    return event(AgentText, turn, text=text)


def shown(*events: Event, view: ConversationView | None = None) -> list[tuple[str, str, bool]]:
    """(speaker, text, settled) of each line after these events."""
    view = view or ConversationView()
    for item in events:
        view.apply(item)
    return [(line.speaker.value, line.text, line.settled) for line in view.lines]


def test_a_partial_transcript_is_replaced_and_settles() -> None:
    assert shown(partial("what")) == [("user", "what", False)]
    assert shown(partial("what"), partial("what time")) == [("user", "what time", False)]
    assert shown(partial("what"), final("What time is it?")) == [("user", "What time is it?", True)]


def test_words_that_came_to_nothing_disappear() -> None:
    assert shown(partial("mm"), event(AgentResumed, position=0)) == []
    assert shown(partial("mm"), final("")) == []


def test_an_answer_grows_and_is_settled_when_the_turn_is_done() -> None:
    asked = [final("Hi"), answer("Hello "), answer("there.")]
    assert shown(*asked)[1:] == [("agent", "Hello there.", False)]
    done = event(TurnDone, heard_text="Hello there.", latency=TurnLatency())
    assert shown(*asked, done)[1:] == [("agent", "Hello there.", True)]


def test_a_tool_stands_between_the_words_before_and_after_it() -> None:
    lines = shown(
        final("Time?"),
        answer("Let me look."),
        event(ToolCalled, name="current_time", args={"place": "Tokyo"}, call_id="1"),
        event(ToolReturned, call_id="1", result="21:10"),
        answer("Ten past nine."),
    )
    assert [(who, text) for who, text, _ in lines] == [
        ("user", "Time?"),
        ("agent", "Let me look."),
        ("tool", "21:10"),
        ("agent", "Ten past nine."),
    ]


def test_the_users_words_stand_before_their_answer_even_when_they_come_later() -> None:
    assert [who for who, _, _ in shown(answer("Hello."), final("Hi"))] == ["user", "agent"]


def test_a_late_token_of_the_answer_stays_above_what_the_user_says_next() -> None:
    lines = shown(final("Hi"), answer("Hello "), partial("wait", turn=2), answer("there"))
    assert [text for _, text, _ in lines] == ["Hi", "Hello there", "wait"]


def test_going_on_before_the_answer_was_heard_replaces_both() -> None:
    lines = shown(
        final("What time"), answer("It is nine."), partial("What time is it"), final("What time is it in Rome")
    )
    assert lines == [("user", "What time is it in Rome", True)]


def test_going_on_that_came_to_nothing_gives_the_turn_back_as_it_was() -> None:
    lines = shown(final("What time"), answer("Nine."), partial("What time mm"), event(AgentResumed, position=0))
    assert lines == [("user", "What time", True), ("agent", "Nine.", False)]


def test_an_interruption_parts_heard_from_unheard() -> None:
    view = ConversationView()
    shown(answer("It is ten past nine in Tokyo."), event(Interrupted, heard_text="It is ten past"), view=view)
    assert (view.lines[0].text, view.lines[0].unheard) == ("It is ten past", " nine in Tokyo.")


@pytest.mark.parametrize(
    ("written", "heard", "parts"),
    [
        ("One two three.", "One two three.", ("One two three.", "", "")),
        ("One two three.", "", ("", "One two three.", "")),
        ("**One** two, three", "One two", ("**One** two,", " three", "")),
        ("Nine - or ten", "nine or", ("Nine - or", " ten", "")),
        ("First.", "First. Second", ("First.", "", "Second")),
        ("the the cat", "the", ("the", " the cat", "")),
    ],
)
def test_where_an_answer_was_cut(written: str, heard: str, parts: tuple[str, str, str]) -> None:
    assert split_heard(written, heard) == parts


def test_a_second_session_goes_on_below_the_first() -> None:
    view = ConversationView()
    shown(final("one"), answer("first"), view=view)
    view.end_session()
    view.begin_session()
    lines = shown(final("two"), answer("second"), view=view)
    assert [text for _, text, _ in lines] == ["one", "first", "two", "second"]


def test_an_earlier_visit_is_shown_in_order_with_its_tools_and_cuts() -> None:
    view = ConversationView()
    view.restore(
        [
            HistoryEntry(role=Speaker.USER, text="Time?"),
            HistoryEntry(role=Speaker.TOOL, text="21:10", name="current_time", args={"place": "Tokyo"}),
            HistoryEntry(role=Speaker.AGENT, text="It is", interrupted=True),
            HistoryEntry(role=Speaker.USER, text="Thanks"),
        ]
    )
    assert [(line.speaker, line.text) for line in view.lines] == [
        (Speaker.USER, "Time?"),
        (Speaker.TOOL, "21:10"),
        (Speaker.AGENT, "It is"),
        (Speaker.USER, "Thanks"),
    ]
    assert view.lines[1].arguments == '{"place": "Tokyo"}'
    assert view.lines[2].unheard


def test_nothing_stays_half_done_when_a_session_ends() -> None:
    view = ConversationView()
    shown(answer("Let me"), event(ToolCalled, name="t", args={}, call_id="1"), partial("hm", turn=2), view=view)
    view.end_session(Banner("info", "bye"))
    assert [(line.text, line.settled) for line in view.lines] == [("Let me", True), ("", True)]
    assert view.lines[1].failed
    assert view.status is Status.READY
    assert view.banner == Banner("info", "bye")


def test_problems_are_said_until_the_user_goes_on() -> None:
    view = ConversationView()
    view.apply(event(Notice, level="warning", text="slow"))
    assert view.banner == Banner("warning", "slow")
    view.apply(event(Failed, error=VoiceAgentError("no key")))
    assert view.banner == Banner("error", "no key")
    view.apply(final("again", turn=2))
    assert view.banner is None


def test_the_status_is_the_sessions() -> None:
    view = ConversationView()
    view.apply(event(StatusChanged, status=Status.THINKING))
    assert view.status is Status.THINKING


def test_silent_turns_do_not_count_in_the_latency() -> None:
    view = ConversationView()
    view.apply(event(TurnDone, heard_text="", latency=TurnLatency()))
    assert (view.figures("").last, len(view.figures("").history)) == (None, 0)
    view.apply(event(TurnDone, heard_text="x", latency=TurnLatency(voice_to_voice=1.0)))
    assert view.figures("").last is not None
    assert len(view.figures("").history) == 1


def said(count: int) -> list[HistoryEntry]:
    return [HistoryEntry(role=Speaker.USER, text=str(number)) for number in range(count)]


def test_a_long_conversation_is_read_backwards_piece_by_piece() -> None:
    view, stored = ConversationView(), said(3 * SHOWN_LINES + 5)
    view.restore(stored)
    texts, ids = [line.text for line in view.lines], [line.id for line in view.lines]
    assert len(texts) == SHOWN_LINES and view.goes_back
    while earlier := earlier_lines(stored, ids[0]):
        texts, ids = [line.text for line in earlier] + texts, [line.id for line in earlier] + ids
    assert texts == [entry.text for entry in stored]
    assert ids == sorted(set(ids))
    view.restore(said(SHOWN_LINES))
    assert not view.goes_back


def test_what_is_said_in_a_long_session_stays_until_it_is_read_from_the_store() -> None:
    view = ConversationView()
    view.restore(said(SHOWN_LINES + 5))
    view.begin_session("sandwich")
    for turn in range(1, 2 * SHOWN_LINES):
        view.apply(final(f"live {turn}", turn))
    assert view.goes_back
    shown = view.lines[-SHOWN_LINES:]
    while earlier := view.lines_before(shown[0].id):
        shown = [*earlier, *shown]
    assert [line.text for line in shown] == [line.text for line in view.lines]
    assert [line.text for line in earlier_lines(said(SHOWN_LINES + 5), view.first_id)] == ["0", "1", "2", "3", "4"]


def test_a_stored_turn_shows_what_nobody_heard_and_its_figures() -> None:
    facts = TurnFacts(engine="realtime", at=1.0, latency={"voice_to_voice": 0.8}, unheard="past nine.")
    view = ConversationView()
    view.restore(
        [
            HistoryEntry(role=Speaker.USER, text="What time is it?", facts=facts),
            HistoryEntry(role=Speaker.AGENT, text="It is ten", interrupted=True),
            HistoryEntry(role=Speaker.USER, text="Stop", facts=TurnFacts(engine="realtime", at=2.0, unheard="Well.")),
        ]
    )
    answers = [(line.text, line.unheard.strip()) for line in view.lines if line.speaker is Speaker.AGENT]
    assert answers == [("It is ten", "past nine."), ("", "Well.")]
    assert view.lines[1].latency_s == 0.8
    assert view.figures("realtime").history.median("voice_to_voice") == 0.8


def test_what_was_told_of_a_turn_is_not_wiped_away_by_its_own_words() -> None:
    """Who is told that another recogniser hears him reads it: his words come in the same moment."""
    view = ConversationView()
    view.apply(event(Notice, 1, level="warning", text="The offline recogniser hears you."))
    view.apply(final("What time is it?", 1))
    assert view.banner == Banner("warning", "The offline recogniser hears you.")
    view.apply(final("And in Tokyo?", 2))
    assert view.banner is None


def test_whose_work_the_offline_provider_does_is_known_until_it_does_it_no_longer() -> None:
    view = ConversationView()
    for role in (Role.STT, Role.TTS):
        view.apply(event(ProviderReplaced, role=role, offline=True))
    view.apply(event(ProviderReplaced, role=Role.STT, offline=False))
    assert view.replaced == {Role.TTS}
    view.begin_session()
    assert view.replaced == set()
