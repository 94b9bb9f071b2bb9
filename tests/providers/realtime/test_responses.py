"""Answers of a Realtime server: told once, cancelled for good, asked for in their turn: no socket, own clock."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from tests.providers.other_server import KEY
from tests.providers.realtime.other_server import tone
from tests.providers.realtime.session import Wire
from voice_agents.audio import to_bytes
from voice_agents.providers.realtime.events import (
    AudioDelta,
    ResponseDone,
    ResponseStarted,
    TextDelta,
    ToolCall,
)

# answers


def test_sound_that_is_cut_in_the_middle_of_a_sample_stays_whole() -> None:
    wire = Wire()
    wire.created("r1")
    data = to_bytes(tone(0.01))
    heard = []
    for piece in (data[:101], data[101:103], data[103:]):
        delta = base64.b64encode(piece).decode()
        heard += wire.hears("response.output_audio.delta", response_id="r1", item_id="i", delta=delta)
    pcm = np.concatenate([event.pcm for event in heard if isinstance(event, AudioDelta)])
    assert np.array_equal(pcm, tone(0.01))


def test_an_event_that_comes_twice_counts_once() -> None:
    wire = Wire()
    assert wire.created("r1") == [ResponseStarted("r1")]
    assert wire.created("r1") == []
    assert len(wire.text("r1", "Hello ", event_id="e1")) == 1
    assert wire.text("r1", "Hello ", event_id="e1") == []
    assert len(wire.text("r1", "again", event_id="e1")) == 1, "a server that is careless with its ids loses nothing"
    assert len(wire.text("r1", "Hello ", event_id="e2")) == 1, "the agent may say a word twice"
    assert len(wire.done("r1")) == 1
    assert wire.done("r1") == []
    assert wire.created("r1") == []
    assert wire.text("r1", "late") == []


def test_words_that_come_only_at_the_end_are_not_lost() -> None:
    wire = Wire()
    wire.created("r1")
    kind = "response.output_audio_transcript.done"
    assert wire.hears(kind, response_id="r1", item_id="i", transcript="Hi.") == [TextDelta("r1", "i", "Hi.")]
    wire.text("r1", "Ho.", item="j")
    assert wire.hears(kind, response_id="r1", item_id="j", transcript="Ho.") == []


def test_a_server_that_forgets_to_announce_a_response() -> None:
    wire = Wire()
    assert wire.text("r1", "Hi.") == [ResponseStarted("r1"), TextDelta("r1", "item_a", "Hi.")]


@pytest.mark.parametrize("status", ["completed", "cancelled"])
@pytest.mark.parametrize("listed", [True, False])
def test_tools_are_called_by_complete_responses_only(status: str, listed: bool) -> None:
    wire = Wire()
    wire.created("r1")
    item = {"id": "i", "type": "function_call", "call_id": "c1", "name": "roll", "arguments": ""}
    wire.hears("response.output_item.added", response_id="r1", item={**item, "status": "in_progress"})
    kind = "response.function_call_arguments.done"  # without the name, as the preview has it
    wire.hears(kind, response_id="r1", item_id="i", call_id="c1", arguments='{"sides":6}')
    output = [{**item, "arguments": '{"sides":6}', "status": "completed"}] if listed else []
    [done] = wire.done("r1", status, output=output)
    assert isinstance(done, ResponseDone)
    assert done.tool_calls == ((ToolCall("c1", "roll", '{"sides":6}'),) if status == "completed" else ())


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"type": "incomplete", "reason": "max_output_tokens"}, "max_output_tokens"),
        ({"type": "failed", "error": {"type": "x", "code": "y", "message": f"bad {KEY}"}}, "bad ..."),
        ({"type": "failed", "error": {"code": "insufficient_quota", "message": "pay"}}, "quota of Azure OpenAI"),
        (None, ""),
    ],
)
def test_why_an_answer_is_not_complete(details: dict[str, Any] | None, reason: str) -> None:
    wire = Wire()
    wire.created("r1")
    [done] = wire.done("r1", "failed", status_details=details)
    assert isinstance(done, ResponseDone) and reason in done.reason and KEY not in done.reason


# cancelling


def test_nothing_of_a_cancelled_answer_is_reported() -> None:
    wire = Wire()
    wire.asks()
    wire.created("r1")
    wire.text("r1", "It is")
    wire.cancel()
    assert wire.last("response.cancel")["response_id"] == "r1"
    assert wire.text("r1", " ten") == [] and wire.sound("r1", tone(0.1)) == []
    assert wire.sound("", tone(0.1)) == [] and wire.sound("r9", tone(0.1), item="item_a") == []
    assert wire.done("r1", "cancelled") == []
    wire.cancel()
    assert wire.kinds().count("response.cancel") == 1


def test_a_typed_turn_waits_for_the_end_of_what_it_cancels() -> None:
    wire = Wire()
    wire.created("r1")
    wire.cancel()
    wire.asks("next")
    assert wire.kinds() == ["response.cancel", "conversation.item.create"]
    wire.done("r1", "cancelled")
    assert wire.kinds()[-1] == "response.create"
    assert wire.created("r2") == [ResponseStarted("r2")]


def test_a_server_that_does_not_confirm_a_cancel_is_not_waited_for() -> None:
    wire = Wire()
    wire.created("r1")
    wire.cancel()
    wire.asks("next")
    wire.passes(1.0)
    assert "response.create" not in wire.kinds()
    wire.passes(1.5)
    assert wire.kinds()[-1] == "response.create"
    assert wire.created("r2") == [ResponseStarted("r2")]


def test_an_answer_cancelled_before_it_began_is_never_heard() -> None:
    wire = Wire()
    wire.asks()
    wire.cancel()
    wire.asks("something else")
    assert wire.created("r1") == [] and wire.text("r1", "hello") == []
    assert wire.last("response.cancel")["response_id"] == "r1"
    assert wire.kinds().count("response.create") == 1
    assert wire.done("r1", "cancelled") == []
    assert wire.kinds().count("response.create") == 2
    assert wire.created("r2") == [ResponseStarted("r2")]


def test_an_answer_the_server_was_about_to_give_is_cancelled_too() -> None:
    wire = Wire()
    wire.speak(tone(1.0))
    wire.hears("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=900)
    wire.cancel()
    wire.asks("never mind")
    assert wire.created("r1") == []
    wire.done("r1", "cancelled")
    assert wire.created("r2") == [ResponseStarted("r2")]


def test_a_turn_the_caller_is_just_told_of_is_answered_whatever_is_cancelled_meanwhile() -> None:
    wire = Wire()
    wire.asks()
    wire.created("r1")
    wire.speak(tone(1.0))
    wire.done("r1", "cancelled")
    wire.is_told("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=900)
    wire.cancel()
    wire.server.told(wire.now)
    assert wire.created("r2") == [ResponseStarted("r2")]
    assert wire.ledger.answer


def test_an_answer_that_never_came_cancels_no_other() -> None:
    wire = Wire()
    wire.speak(tone(1.0))
    wire.hears("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=900)
    wire.cancel()
    wire.hears("input_audio_buffer.speech_started", item_id="v", audio_start_ms=950)
    wire.hears("input_audio_buffer.speech_stopped", item_id="v", audio_end_ms=1000)
    assert wire.created("r1") == [ResponseStarted("r1")]


def test_the_model_goes_on_when_the_active_response_is_done() -> None:
    wire = Wire()
    wire.created("r1")
    wire.respond()
    assert wire.sent == []
    wire.done("r1")
    assert wire.kinds() == ["response.create"]


@pytest.mark.parametrize("echoed", [True, False])
def test_a_request_refused_because_another_response_is_active_is_made_again(echoed: bool) -> None:
    wire = Wire()
    wire.respond()
    fields = {"event_id": wire.sent[0]["event_id"]} if echoed else {}
    assert wire.created("r1") == [ResponseStarted("r1")]
    assert wire.error("conversation_already_has_active_response", **fields) == []
    assert wire.kinds() == ["response.create"]
    wire.done("r1")
    assert wire.kinds() == ["response.create", "response.create"]


def test_a_server_that_takes_turns_but_does_not_answer_by_itself_is_asked_to() -> None:
    wire = Wire()
    wire.speak(tone(1.0))
    wire.hears("input_audio_buffer.committed", item_id="u")
    wire.passes(1.0)
    assert "response.create" not in wire.kinds()
    wire.passes(1.5)
    assert wire.kinds()[-1] == "response.create"


def test_a_tool_called_by_a_cancelled_answer_does_not_wait_for_its_result_for_ever() -> None:
    wire = Wire()
    wire.asks()
    wire.created("r1")
    wire.cancel()
    call = {"id": "i", "type": "function_call", "call_id": "c1", "name": "roll", "arguments": "{}"}
    assert wire.done("r1", output=[{**call, "status": "completed"}]) == []
    item = wire.last("conversation.item.create")["item"]
    assert (item["type"], item["call_id"]) == ("function_call_output", "c1")
    assert wire.server.is_quiet(wire.now + 10)


# a turn that may be none


def speaking() -> Wire:
    """The server is writing r1; the user says something."""
    wire = Wire()
    wire.asks()
    wire.created("r1")
    wire.sound("r1", tone(0.5))
    wire.speak(tone(1.0))
    wire.sent.clear()
    return wire


def test_a_murmur_to_a_server_that_is_still_writing_goes_and_the_answer_goes_on() -> None:
    wire = speaking()
    wire.takes_turn()
    wire.error("conversation_already_has_active_response")
    assert wire.server.ignored("u") == "r1"
    wire.ledger.goes_on("r1")
    assert wire.sent == [{"type": "conversation.item.delete", "item_id": "u"}]
    assert len(wire.sound("r1", tone(0.5))) == 1
    assert isinstance(wire.done("r1")[0], ResponseDone)
    wire.passes(10.0)
    assert "response.create" not in wire.kinds() and not wire.ledger.answer


def test_a_murmur_that_the_server_answers_goes_with_all_of_its_answer() -> None:
    wire = speaking()
    wire.done("r1")
    wire.takes_turn()
    wire.created("r2")
    wire.sound("r2", tone(0.1), item="item_b")
    assert wire.server.ignored("u") == ""
    wire.cancel()
    deleted = [message["item_id"] for message in wire.sent if message["type"] == "conversation.item.delete"]
    assert deleted == ["u", "item_b"]
    assert wire.last("response.cancel")["response_id"] == "r2"
    assert wire.sound("r2", tone(0.1), item="item_b") == wire.done("r2", "cancelled") == []
    wire.passes(10.0)
    assert "response.create" not in wire.kinds()


@pytest.mark.parametrize("begun", [True, False])
def test_words_that_the_server_answers_by_itself_are_not_answered_twice(begun: bool) -> None:
    wire = speaking()
    wire.done("r1")
    wire.takes_turn()
    if begun:
        wire.created("r2")
    wire.passes(0.5)
    wire.server.ensure_answer(wire.now)
    if not begun:
        wire.created("r2")
    wire.done("r2")
    wire.passes(10.0)
    assert "response.create" not in wire.kinds()


def test_words_to_a_server_that_is_still_writing_are_answered_when_it_has_stopped() -> None:
    wire = speaking()
    wire.takes_turn()
    wire.error("conversation_already_has_active_response")
    wire.cancel()
    wire.server.ensure_answer(wire.now)
    assert "response.create" not in wire.kinds()
    wire.done("r1", "cancelled")
    assert wire.kinds()[-1] == "response.create"


# truncating


@pytest.mark.parametrize(("played", "at_ms"), [(12_000, 500), (24_000, 1000), (99_000, 1000), (-5, 0), (25, 1)])
def test_a_message_is_cut_to_what_was_played_but_not_beyond_what_came(played: int, at_ms: int) -> None:
    wire = Wire()
    wire.created("r1")
    wire.sound("r1", tone(0.6))
    wire.sound("r1", tone(0.4))
    wire.server.truncate("item_a", played)
    sent = wire.last("conversation.item.truncate")
    assert (sent["item_id"], sent["content_index"], sent["audio_end_ms"]) == ("item_a", 0, at_ms)


def test_what_has_no_sound_is_not_cut() -> None:
    wire = Wire()
    wire.created("r1")
    wire.text("r1", "Hello")
    wire.server.truncate("item_a", 100)
    wire.server.truncate("item_of_an_earlier_session", 100)
    assert wire.sent == []
