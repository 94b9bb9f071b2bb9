"""What a Realtime server session is told to be, what it makes of the user, and of trouble: no socket, own clock."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.providers.realtime.caller import CONFIG
from tests.providers.realtime.other_server import GA_SESSION, PREVIEW_SESSION, tone
from tests.providers.realtime.session import Wire
from voice_agents.audio import silence, to_bytes
from voice_agents.errors import AuthenticationFailed, ProviderUnavailable, QuotaExceeded, RequestRejected
from voice_agents.providers.realtime.codec import MALFORMED_LIMIT
from voice_agents.providers.realtime.config import PastItem
from voice_agents.providers.realtime.events import (
    ResponseStarted,
    ServerError,
    TextDelta,
    UserCommitted,
    UserFinal,
    UserFinalFailed,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.settings import TurnDetection, TurnMode

TRANSCRIPTION = "conversation.item.input_audio_transcription"
BY_HAND = replace(CONFIG, mode=TurnMode.PUSH_TO_TALK)


# the session's configuration


def test_the_session_in_the_ga_shape() -> None:
    tools = ({"type": "function", "name": "roll", "description": "Roll.", "parameters": {"type": "object"}},)
    [update] = Wire(replace(CONFIG, tools=tools, silence_s=0.7)).opening
    assert update["session"] == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": "Be brief.",
        "tools": list(tools),
        "tool_choice": "auto",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "ears"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 700,
                    "create_response": True,
                    "interrupt_response": False,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
        },
    }


@pytest.mark.parametrize("session", [GA_SESSION, PREVIEW_SESSION])
def test_push_to_talk_written_answers_and_no_transcription(session: dict[str, Any]) -> None:
    [update] = Wire(replace(BY_HAND, speaking=False, voice=""), session, transcribe="").opening
    told = update["session"]
    heard = told["audio"]["input"] if "audio" in told else told
    assert heard["turn_detection"] is None
    assert heard.get("transcription", heard.get("input_audio_transcription")) is None
    assert told.get("output_modalities", told.get("modalities")) == ["text"]
    assert "voice" not in json.dumps(told)


@pytest.mark.parametrize(("silence_s", "eagerness"), [(0.3, "high"), (0.5, "auto"), (1.5, "low")])
def test_patience_with_semantic_detection(silence_s: float, eagerness: str) -> None:
    config = replace(CONFIG, detection=TurnDetection.SEMANTIC_VAD, silence_s=silence_s)
    [update] = Wire(config).opening
    detection = update["session"]["audio"]["input"]["turn_detection"]
    assert detection["type"] == "semantic_vad" and detection["eagerness"] == eagerness
    assert "threshold" not in detection and "silence_duration_ms" not in detection


def test_a_change_says_only_what_differs() -> None:
    wire = Wire()
    wire.configure(replace(CONFIG, silence_s=1.0))
    wire.configure(replace(CONFIG, silence_s=1.0))
    [update] = wire.sent
    detection = update["session"].pop("audio")["input"]
    assert update["session"] == {"type": "realtime"}
    assert list(detection) == ["turn_detection"]
    assert detection["turn_detection"]["silence_duration_ms"] == 1000 and detection["turn_detection"]["type"]


def test_a_voice_that_has_spoken_is_changed_in_a_pause_by_a_fresh_session() -> None:
    wire = Wire()
    wire.configure(replace(CONFIG, voice="cedar"))
    assert wire.last("session.update")["session"]["audio"] == {"output": {"voice": "cedar"}}
    wire.created("r1")
    wire.sound("r1", tone(1.0))
    wire.sent.clear()
    wire.configure(replace(CONFIG, voice="marin"))
    assert wire.sent == []
    assert not wire.server.wants_renewal(wire.now, 3000)
    wire.done("r1")
    assert not wire.server.wants_renewal(wire.now + 0.9, 3000), "it is still being played"
    assert wire.server.wants_renewal(wire.now + 4.0, 3000)
    fresh = Wire(ledger=wire.ledger)
    assert fresh.opening[0]["session"]["audio"]["output"]["voice"] == "marin"


@pytest.mark.parametrize(
    ("param", "gone"),
    [
        ("session.audio.input.transcription.model", "ears"),
        ("session.audio.output.voice", "marin"),
        ("session.audio.input.turn_detection.type", "semantic_vad"),
    ],
)
def test_what_a_server_refuses_is_left_out(param: str, gone: str) -> None:
    wire = Wire(replace(CONFIG, detection=TurnDetection.SEMANTIC_VAD))
    events = wire.error("invalid_value", param=param, event_id=wire.opening[0]["event_id"])
    again = json.dumps(wire.last("session.update")["session"])
    assert gone not in again and "Be brief." in again
    told = [event.error for event in events if isinstance(event, ServerError)]
    assert ["AZURE_REALTIME_VOICE" in str(error) for error in told] == ([True] if gone == "marin" else [])
    assert gone not in json.dumps(Wire(ledger=wire.ledger).opening) or gone == "semantic_vad"


@pytest.mark.parametrize("ga", [True, False])
@pytest.mark.parametrize("language", ["", "de", "yue"])
def test_the_language_of_the_words_is_asked_for(language: str, ga: bool) -> None:
    wire = Wire(replace(CONFIG, language=language), session=None if ga else PREVIEW_SESSION)
    session = wire.opening[0]["session"]
    asked = session["audio"]["input"]["transcription"] if ga else session["input_audio_transcription"]
    assert asked == {"model": "ears", **({"language": language} if language else {})}


def test_a_language_that_is_refused_costs_no_words() -> None:
    wire = Wire(replace(CONFIG, language="xx"))
    param = "session.audio.input.transcription.language"
    [event] = wire.error("invalid_value", param=param, event_id=wire.opening[0]["event_id"])
    assert isinstance(event, ServerError) and "STT_LANGUAGE" in str(event.error)
    assert wire.last("session.update")["session"]["audio"]["input"]["transcription"] == {"model": "ears"}


NOISES = ["(coughs)", "[laughter]", "\N{EIGHTH NOTE} music \N{EIGHTH NOTE}", ".", "(15 seconds of silence)"]


@pytest.mark.parametrize("noise", NOISES)
def test_a_noise_is_told_as_one(noise: str) -> None:
    wire = Wire()
    for sign in noise:
        assert wire.hears(f"{TRANSCRIPTION}.delta", item_id="u", delta=sign) == []
    said = {"item_id": "u", "transcript": noise}
    assert wire.hears(f"{TRANSCRIPTION}.completed", **said) == [UserFinal("u", "", noise=True)]
    assert wire.hears(f"{TRANSCRIPTION}.completed", item_id="v", transcript="") == [UserFinal("v", "")]


@pytest.mark.parametrize("echoed", [True, False])
def test_a_server_that_does_not_say_its_dialect_and_refuses_ga(echoed: bool) -> None:
    wire = Wire(session={"id": "sess_1"})
    assert "audio" in wire.opening[0]["session"]
    fields = {"event_id": wire.opening[0]["event_id"]} if echoed else {}
    assert wire.error("unknown_parameter", param="session.type", **fields) == []
    assert wire.last("session.update")["session"]["input_audio_format"] == "pcm16"
    wire.hears("session.updated", session={})
    wire.created("r1")
    name = "response.audio_transcript.delta"
    assert wire.hears(name, response_id="r1", item_id="i", delta="Hi.") == [TextDelta("r1", "i", "Hi.")]


def test_settings_that_are_refused_for_good_are_told_once() -> None:
    wire = Wire()
    [event] = wire.error("invalid_value", param="session.tools", event_id=wire.opening[0]["event_id"])
    assert isinstance(event, ServerError) and wire.sent == []


# the user's side


def test_words_grow_and_settle_once() -> None:
    wire = Wire()
    assert wire.hears(f"{TRANSCRIPTION}.delta", item_id="u", delta="What ") == [UserPartial("u", "What ")]
    assert wire.hears(f"{TRANSCRIPTION}.delta", item_id="v", delta="And ") == [UserPartial("v", "And ")]
    assert wire.hears(f"{TRANSCRIPTION}.delta", item_id="u", delta="time?") == [UserPartial("u", "What time?")]
    final = {"item_id": "u", "transcript": "What time?"}
    assert wire.hears(f"{TRANSCRIPTION}.completed", **final) == [UserFinal("u", "What time?")]
    assert wire.hears(f"{TRANSCRIPTION}.completed", **final) == []
    assert wire.hears(f"{TRANSCRIPTION}.delta", item_id="u", delta="?") == []
    assert wire.hears(f"{TRANSCRIPTION}.failed", item_id="v", error={}) == [UserFinalFailed("v")]


def test_what_the_server_says_of_a_turn_twice_counts_once() -> None:
    wire = Wire()
    wire.speak(tone(2.0))
    for kind, event in (("speech_started", UserSpeechStarted), ("speech_stopped", UserSpeechStopped)):
        said = {"item_id": "u", "audio_start_ms": 100, "audio_end_ms": 900}
        assert [type(e) for e in wire.hears(f"input_audio_buffer.{kind}", **said)] == [event]
        assert wire.hears(f"input_audio_buffer.{kind}", **said) == []
    assert wire.hears("input_audio_buffer.committed", item_id="u") == [UserCommitted("u")]
    wire.created("r1")
    wire.done("r1")
    assert wire.hears("input_audio_buffer.committed", item_id="u") == []
    assert not wire.ledger.answer
    delta = {"item_id": "u", "delta": "What ", "event_id": "e1"}
    assert wire.hears(f"{TRANSCRIPTION}.delta", **delta) == [UserPartial("u", "What ")]
    assert wire.hears(f"{TRANSCRIPTION}.delta", **delta) == []


def test_without_transcription_a_turn_says_at_once_that_its_words_stay_unknown() -> None:
    wire = Wire(transcribe="")
    wire.speak(tone(1.0))
    assert wire.hears("input_audio_buffer.committed", item_id="u") == [UserCommitted("u"), UserFinalFailed("u")]


def test_times_are_positions_in_all_that_was_recorded() -> None:
    wire = Wire()
    wire.speak(tone(2.0))
    started = wire.hears("input_audio_buffer.speech_started", item_id="u", audio_start_ms=700)
    stopped = wire.hears("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=1900)
    assert started == [UserSpeechStarted("u", 700)] and stopped == [UserSpeechStopped("u", 1900, 2.0 - 1.9)]
    wire.hears("input_audio_buffer.committed", item_id="u")
    wire.hears(f"{TRANSCRIPTION}.completed", item_id="u", transcript="Hi.")
    fresh = Wire(ledger=wire.ledger)  # gets the last 0.1 s again, as its first
    assert fresh.hears("input_audio_buffer.speech_started", item_id="v", audio_start_ms=50)[0] == UserSpeechStarted(
        "v", 1950
    )


def test_minutes_of_silence_are_not_kept_for_a_fresh_session() -> None:
    wire = Wire()
    wire.ledger.microphone.keep_all = True
    wire.ledger.microphone.add(to_bytes(silence(25.0, 24_000)))
    wire.ledger.microphone.add(to_bytes(tone(1.0)))
    fresh = Wire(ledger=wire.ledger)
    audio = b"".join(base64.b64decode(m["audio"]) for m in fresh.opening if m["type"].endswith("append"))
    assert 1.9 * 48_000 <= len(audio) <= 2.1 * 48_000 and audio.endswith(to_bytes(tone(1.0)))


# trouble


@pytest.mark.parametrize(
    "error",
    [
        {"code": "response_cancel_not_active"},
        {"code": "input_audio_buffer_commit_empty"},
        {"code": "conversation_already_has_active_response"},
        {"code": "invalid_value", "message": "Audio content of 900ms is already shorter than 1000ms"},
        {"code": None, "message": "Cancellation failed: no active response found"},
        {"code": "item_truncate_invalid_item_id", "param": "item_id"},
        {"code": "something_new", "type": "invalid_request_error", "param": "item.content"},
        {"code": "invalid_value", "type": "server_error", "message": "Could not truncate"},
    ],
)
def test_races_that_harm_nobody_are_not_told(error: dict[str, Any]) -> None:
    wire = Wire()
    wire.created("r1")
    assert wire.error(**error) == []
    assert wire.server.failure is None
    assert wire.text("r1", "Hello") != []


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        ({"code": "insufficient_quota", "type": "insufficient_quota"}, QuotaExceeded, "billing"),
        ({"code": "invalid_api_key"}, AuthenticationFailed, "AZURE_OPENAI_API_KEY"),
        ({"code": None, "type": "authentication_error"}, AuthenticationFailed, "AZURE_OPENAI_API_KEY"),
        ({"code": "model_not_found"}, RequestRejected, "AZURE_OPENAI_REALTIME_DEPLOYMENT"),
    ],
)
def test_what_trying_again_cannot_mend_ends_the_session(error: dict[str, Any], kind: type, says: str) -> None:
    wire = Wire()
    assert wire.error(**error) == []
    assert isinstance(wire.server.failure, kind) and says in str(wire.server.failure)


def test_a_server_in_trouble_is_told_and_its_answer_dropped() -> None:
    wire = Wire()
    wire.asks()
    wire.created("r1")
    [event] = wire.error("server_error", type="server_error")
    assert isinstance(event, ServerError) and isinstance(event.error, ProviderUnavailable)
    assert wire.text("r1", "Hello") == []


def test_a_refused_answer_is_told() -> None:
    wire = Wire()
    wire.asks()
    [event] = wire.error("invalid_value", event_id=wire.last("response.create")["event_id"])
    assert isinstance(event, ServerError) and isinstance(event.error, RequestRejected)
    wire.asks("again")
    assert wire.created("r1") == [ResponseStarted("r1")]


@pytest.mark.parametrize(
    "frame",
    [
        *(b"", b"{", b"[]", b"7", b"null", b'{"no":"type"}', b"\xff\xfe", b'{"type":7}', b"[" * 100_000),
        b'{"type":"error","error":[1]}',
        b'{"type":"response.done","response":{"id":"r1","output":[7]}}',
        b'{"type":"response.output_audio.delta","response_id":"r1","item_id":"i","delta":"!"}',
    ],
)
def test_a_frame_that_makes_no_sense_is_passed_over(frame: bytes) -> None:
    wire = Wire()
    wire.created("r1")
    assert wire.server.take(frame, wire.now) == []
    assert wire.server.failure is None
    assert wire.text("r1", "Hello") != []


def test_a_server_that_makes_no_sense_is_left() -> None:
    wire = Wire()
    for _ in range(MALFORMED_LIMIT):
        wire.server.take(b"{", wire.now)
    assert wire.server.failure is not None


def test_what_is_not_known_is_ignored() -> None:
    wire = Wire()
    for kind in ("rate_limits.updated", "response.mcp_call.in_progress", "conversation.item.done", "brand.new"):
        assert wire.hears(kind, anything=[1]) == []
    assert wire.server.failure is None


def test_an_answer_that_stops_coming_is_noticed() -> None:
    wire = Wire()
    wire.asks()
    wire.created("r1")
    assert wire.passes(9.0) is None
    wire.text("r1", "Hello")
    assert wire.passes(9.0) is None
    assert wire.passes(2.0) is not None


def test_silence_when_nothing_is_owed_is_no_trouble() -> None:
    wire = Wire()
    wire.asks()
    wire.created("r1")
    wire.done("r1")
    assert wire.passes(1000.0) is None


@pytest.mark.parametrize("end_ms", [0, -400, 20, 99_000])
def test_a_turn_whose_end_cannot_be_true_keeps_all_its_sound_for_another_server(end_ms: int) -> None:
    wire = Wire()
    wire.speak(tone(0.8))
    wire.hears("input_audio_buffer.speech_started", item_id="u", audio_start_ms=100)
    wire.hears("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=end_ms)
    assert len(wire.ledger.microphone.utterances[0].pcm) == 2 * len(tone(0.8))


def test_what_was_answered_to_words_that_are_only_sound_comes_after_them() -> None:
    wire = Wire()
    wire.speak(tone(0.8))
    wire.hears("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
    wire.hears("input_audio_buffer.speech_stopped", item_id="u", audio_end_ms=700)
    wire.ledger.past = lambda: (
        PastItem("user", text="Before."),
        PastItem("call", call_id="c", name="roll_dice", arguments="{}", answering=True),
        PastItem("output", text="six", call_id="c", answering=True),
        PastItem("assistant", text="You rolled", answering=True),
    )
    fresh = Wire(ledger=wire.ledger)
    told = [m.get("item", {}).get("type") or m["type"].rsplit(".", 1)[-1] for m in fresh.opening]
    commit = told.index("commit")
    assert told[:commit].count("message") == 1
    assert told[commit:].index("function_call") < told[commit:].index("function_call_output")
    assert told[commit:].count("message") == 1


def test_a_voice_that_was_noticed_and_never_heard_of_again_does_not_keep_an_old_session_alive() -> None:
    wire = Wire()
    wire.hears("input_audio_buffer.speech_started", item_id="ghost", audio_start_ms=100)
    assert not wire.server.wants_renewal(wire.now + 30, 10)
    assert wire.server.wants_renewal(wire.now + 90, 10)


def test_whatever_a_server_says_of_a_truncation_the_conversation_goes_on() -> None:
    wire = Wire()
    wire.created("r1")
    wire.sound("r1", tone(0.2))
    wire.server.truncate("item_a", 100)
    sent = wire.last("conversation.item.truncate")["event_id"]
    wire.ledger.owe()
    assert wire.hears("error", error={"type": "server_error", "message": "Oh no.", "event_id": sent}) == []
    assert wire.ledger.answer


@pytest.mark.parametrize("at", ["Infinity", "1e400", "NaN"])
def test_times_that_are_no_numbers_are_passed_over(at: str) -> None:
    wire = Wire()
    said = f'{{"type": "input_audio_buffer.speech_stopped", "item_id": "u", "audio_end_ms": {at}}}'
    assert wire.server.take(said, wire.now) == []
