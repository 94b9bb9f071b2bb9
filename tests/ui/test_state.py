"""The page's state machine, run in Node without a page: what is shown for every combination of facts that matters."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright._impl._driver import compute_driver_executable

from voice_agents.events import Status

STATE = Path(__file__).parents[2] / "voice_agents" / "ui" / "static" / "state.js"
_RUN = """
const { beginning, after, look, speaks, microphoneProblem } = await import(process.argv[1]);
const { events, problem } = JSON.parse(process.argv[2]);
const facts = events.reduce(after, beginning("sandwich"));
const why = problem && microphoneProblem(...problem);
console.log(JSON.stringify({ ...look(facts), speaks: speaks(facts), problem: why }));
"""
HERE: dict[str, Any] = {"is": "server_here"}
LIVE: dict[str, Any] = {"is": "session", "session": {"live": True}}
CALL: list[dict[str, Any]] = [HERE, {"is": "asking"}, {"is": "connecting"}, {"is": "up"}, LIVE]


def shown(*events: dict[str, Any], problem: list[str] | None = None) -> dict[str, Any]:
    """What the page shows after these events."""
    node = shutil.which("node") or str(compute_driver_executable()[0])
    given = json.dumps({"events": events, "problem": problem})
    run = [node, "--input-type=module", "-e", _RUN, str(STATE), given]
    found: dict[str, Any] = json.loads(
        subprocess.run(run, capture_output=True, text=True, check=True, timeout=30).stdout
    )
    return found


def session(status: str, **more: Any) -> dict[str, Any]:
    return {"is": "session", "session": {"status": status, **more}}


@pytest.mark.parametrize(
    ("status", "caption", "press"),
    [
        ("Listening", "Listening", "hint"),
        ("Hearing you", "You are speaking", "end_turn"),
        ("Thinking", "Thinking", "interrupt"),
        ("Speaking", "Speaking", "interrupt"),
        ("Paused", "Paused", "interrupt"),
    ],
)
def test_in_a_call_the_button_is_the_sessions_state(status: str, caption: str, press: str) -> None:
    found = shown(*CALL, session(status, inCall=True, live=True))
    assert (found["word"], found["caption"], found["press"]) == (status, caption, press)


def test_every_status_of_a_session_has_a_look_and_a_line() -> None:
    for status in Status:
        found = shown(*CALL, session(status.value, inCall=True))
        assert found["word"] == status.value
        assert found["caption"]
        assert found["look"]


def test_a_call_that_waits_in_line_is_not_up_yet_and_says_where_it_stands() -> None:
    where = {"level": "info", "text": "All places of this server are taken. You are number 2."}
    found = shown(*CALL[:-1], session("Ready", banner=where))
    assert (found["word"], found["press"], found["line"]) == ("Connecting", "cancel", where)


def test_a_relay_that_cannot_be_used_is_said_while_the_call_listens_and_not_after_it() -> None:
    trouble = "The relay for calls (Twilio) does not accept TWILIO_AUTH_TOKEN, so calls are tried without it."
    up = [HERE, {"is": "asking"}, {"is": "connecting"}, {"is": "up", "way": "webrtc", "trouble": trouble}, LIVE]
    assert shown(*up, session("Listening"))["line"] == {"level": "warning", "text": trouble}
    assert shown(*up, session("Thinking"))["line"]["text"] == "The answer comes."
    again = [*up, {"is": "ended"}, *CALL[1:], session("Listening")]
    assert shown(*again)["line"]["text"] == "Speak any time."


def test_before_a_call_the_button_starts_one() -> None:
    found = shown(HERE)
    assert (found["word"], found["caption"], found["press"]) == ("Ready", "Start conversation", "start")
    assert found["line"]["text"] == "Press the button and speak, or type."


def test_while_the_browser_asks_for_the_microphone_the_page_says_so() -> None:
    found = shown(HERE, {"is": "asking"})
    assert (found["word"], found["press"]) == ("Connecting", "cancel")
    assert found["line"]["text"] == "Allow the microphone: your browser asks for it."


def test_a_server_that_is_gone_is_said_over_everything_else() -> None:
    problem = {"is": "problem", "problem": {"text": "x"}}
    found = shown(*CALL, session("Speaking"), problem, {"is": "server_gone"})
    assert (found["word"], found["press"]) == ("Reconnecting", "none")
    assert found["line"] == {"level": "error", "text": "The server does not answer. Trying again."}


def test_a_lost_connection_goes_on_where_it_was() -> None:
    lost: list[dict[str, Any]] = [*CALL, session("Listening", inCall=True), {"is": "lost"}]
    assert shown(*lost)["word"] == "Reconnecting"
    assert shown(*lost, {"is": "up"})["word"] == "Listening"


def test_muted_is_said_and_nothing_leaves_the_browser() -> None:
    found = shown(*CALL, session("Listening", inCall=True), {"is": "muted", "muted": True})
    assert (found["caption"], found["speaks"]) == ("Muted", False)
    assert found["line"]["text"] == "You are muted: nothing you say is heard."
    assert found["line"]["action"] == {"label": "Unmute", "do": "unmute"}


def test_by_hand_what_is_said_as_the_button_goes_down_leaves_the_browser_before_it_is_a_long_press() -> None:
    by_hand = [*CALL, session("Listening"), {"is": "mode", "byHand": True}]
    assert shown(*by_hand, {"is": "pressed", "pressed": True})["speaks"] is True
    assert shown(*by_hand, {"is": "pressed", "pressed": True}, {"is": "pressed", "pressed": False})["speaks"] is False
    assert shown(*by_hand, {"is": "muted", "muted": True}, {"is": "pressed", "pressed": True})["speaks"] is False


def test_by_hand_only_what_is_said_while_held_leaves_the_browser() -> None:
    by_hand = [*CALL, {"is": "mode", "byHand": True}, session("Listening", inCall=True)]
    assert shown(*by_hand)["speaks"] is False
    assert shown(*by_hand)["caption"] == "Hold to speak"
    assert shown(*by_hand, {"is": "held", "held": True})["speaks"] is True
    assert shown(*CALL)["speaks"] is True


def test_a_call_in_another_window_is_said_and_can_be_gone_on_with_here() -> None:
    found = shown(HERE, session("Speaking", inCall=True, live=True))
    assert (found["word"], found["caption"], found["press"]) == ("Speaking", "Continue here", "start")
    assert found["line"]["text"] == "This conversation is in a call in another window."


def test_a_call_that_was_taken_over_says_so_until_the_user_goes_on() -> None:
    sentence = "This conversation goes on elsewhere, so the call here was ended."
    taken = [*CALL, session("Listening", inCall=True), {"is": "ended", "problem": {"text": sentence}}]
    assert shown(*taken)["line"]["text"] == sentence
    assert shown(*taken, {"is": "asking"})["line"]["text"] != sentence


def test_what_the_server_says_is_shown_and_its_errors_over_hints() -> None:
    told = {"level": "error", "text": "The key is missing."}
    found = shown(HERE, session("Error", banner=told), {"is": "note", "note": "a hint"})
    assert found["line"] == told
    assert found["word"] == "Error"
    assert (
        shown(HERE, session("Ready", banner={"level": "info", "text": "The call was ended."}))["line"]["level"]
        == "info"
    )


def test_a_hint_stays_until_something_changes() -> None:
    hint = [HERE, {"is": "note", "note": "The server was restarted."}]
    assert shown(*hint, session("Ready", kind="sandwich"))["line"]["text"] == "The server was restarted."
    assert shown(*hint, *CALL[1:], session("Listening", inCall=True))["line"]["text"] == "Speak any time."


@pytest.mark.parametrize(
    ("name", "browser", "words"),
    [
        ("insecure", "", "open the page over https, or on localhost"),
        ("NotAllowedError", "Mozilla Firefox/128", "In Firefox, press the crossed-out microphone"),
        ("NotAllowedError", "AppleWebKit Chrome/130 Safari/537", "Press the icon left of the address"),
        ("NotAllowedError", "AppleWebKit Version/17 Safari/605", "In Safari, choose Settings for This Website"),
        ("NotFoundError", "", "No microphone was found"),
        ("NotReadableError", "", "in use elsewhere"),
        ("AbortError", "", "in use elsewhere"),
        ("revoked", "", "was taken away from this page, so the call ended"),
        ("unplugged", "", "was unplugged and there is no other one, so the call ended"),
    ],
)
def test_why_there_is_no_microphone_is_said_with_what_to_do(name: str, browser: str, words: str) -> None:
    assert words in shown(problem=[name, browser])["problem"]["text"]


def test_a_microphone_that_is_missing_is_an_error_and_leaves_the_button() -> None:
    found = shown(HERE, {"is": "asking"}, {"is": "ended", "problem": {"text": "No microphone was found."}})
    assert (found["word"], found["press"], found["line"]["level"]) == ("Error", "start", "error")


def test_the_line_says_when_the_sound_makes_a_detour_and_what_that_costs() -> None:
    listening = session("Listening", inCall=True, live=True)
    there = [HERE, {"is": "asking"}, {"is": "connecting"}]
    assert "port" not in shown(*there, {"is": "up", "way": "webrtc"}, listening)["line"]["text"]
    blocked = shown(*there, {"is": "up", "way": "websocket"}, listening)["line"]["text"]
    assert blocked == (
        "Speak any time. WebRTC is blocked here, so sound goes over the page's own port: "
        "a poor network is heard as gaps."
    )
    forced = shown(*there, {"is": "up", "way": "websocket", "forced": True}, listening)["line"]["text"]
    assert "As TRANSPORT says, sound goes over the page's own port" in forced
    again = shown(*there, {"is": "up", "way": "websocket"}, {"is": "ended"}, *there[1:], {"is": "up"}, listening)
    assert "port" not in again["line"]["text"], "the next call tries WebRTC again"


def test_where_nothing_can_be_played_the_line_says_so_as_long_as_the_call_lasts() -> None:
    silent = {"is": "silent", "silent": "mute"}
    for status in ("Listening", "Speaking"):
        line = shown(*CALL, silent, session(status, inCall=True, live=True))["line"]
        assert (line["level"], line["text"].startswith("No sound can be played")) == ("warning", True)
    assert shown(*CALL, silent, {"is": "ended"}, *CALL[1:], session("Listening"))["line"]["level"] == "info"
    assert "does not hear you" in shown(*CALL, {"is": "silent", "silent": "deaf"}, LIVE)["line"]["text"]
    assert shown(HERE, silent)["line"]["level"] == "info", "it came too late"


def test_who_is_replaced_by_the_offline_provider_is_said_while_the_call_listens() -> None:
    found = shown(*CALL, session("Listening", live=True, offline="speech-to-text"))
    assert found["line"]["text"] == "Speak any time. For now, speech-to-text runs offline."
    assert shown(*CALL, session("Listening", live=True, offline=""))["line"]["text"] == "Speak any time."
