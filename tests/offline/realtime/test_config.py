"""What session.update may say, what it changes and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from voice_agents.offline.checks import Rejected
from voice_agents.offline.realtime.config import SessionConfig
from voice_agents.offline.realtime.events import check
from voice_agents.offline.vad import SemanticVad, ServerVad

TOOL = {"type": "function", "name": "get_time", "description": "Tells the time.", "parameters": {"type": "object"}}


def initial() -> SessionConfig:
    return SessionConfig.initial("offline", "sess_1")


def updated(config: SessionConfig | None = None, **session: Any) -> SessionConfig:
    update = {"type": "realtime"} | session
    return (config or initial()).updated(told(update), has_spoken=False, is_responding=False)


def told(update: Any) -> Any:
    """An update as it comes out of the checks."""
    return check({"type": "session.update", "session": update})["session"]


def asking(config: SessionConfig, response: Any) -> SessionConfig:
    return config.response(check({"type": "response.create", "response": response})["response"])


def names(config: SessionConfig) -> set[str]:
    """The functions that may be called."""
    return {function["name"] for function in config.functions}


def refusal(update: Any, *, has_spoken: bool = False, is_responding: bool = False) -> Rejected:
    with pytest.raises(Rejected) as refused:
        initial().updated(told(update), has_spoken=has_spoken, is_responding=is_responding)
    return refused.value


def detection(**values: Any) -> dict[str, Any]:
    return {"input": {"turn_detection": values}}


def test_what_is_absent_stays() -> None:
    before = updated(instructions="Be brief.", tools=[TOOL])
    after = updated(before, audio={"output": {"voice": "cedar"}})
    assert (after.values["instructions"], after.values["tools"], after.voice) == ("Be brief.", [TOOL], "cedar")
    assert after.detection == initial().detection
    assert before.voice == "marin"


def test_null_turns_a_part_off() -> None:
    on = updated(audio={"input": {"transcription": {"model": "whisper-1"}, "noise_reduction": {"type": "far_field"}}})
    assert on.transcribes
    off = updated(on, audio={"input": {"transcription": None, "noise_reduction": None, "turn_detection": None}})
    assert not off.transcribes and off.detection is None
    assert off.values["audio"]["input"]["noise_reduction"] is None


def test_null_leaves_what_can_not_be_off_as_it_was() -> None:
    config = updated(instructions=None, tools=None, audio={"output": {"voice": None}})
    assert config.values["instructions"] == initial().values["instructions"]
    assert (config.values["tools"], config.voice) == ([], initial().voice)


def test_a_part_is_merged_into_what_it_was() -> None:
    config = updated(audio=detection(type="server_vad", silence_duration_ms=900))
    config = updated(config, audio=detection(type="server_vad", threshold=0.7))
    assert config.detection == ServerVad(0.7, 300, 900, True, True)


def test_a_part_that_becomes_another_kind_starts_from_that_kinds_defaults() -> None:
    config = updated(audio=detection(type="server_vad", create_response=False))
    config = updated(config, audio=detection(type="semantic_vad", eagerness="high"))
    assert config.detection == SemanticVad("high", True, True)
    back = updated(config, audio=detection(type="server_vad"))
    assert back.detection == initial().detection


def test_tools_are_replaced_not_merged() -> None:
    config = updated(updated(tools=[TOOL]), tools=[TOOL | {"name": "roll_dice"}])
    assert names(config.response()) == {"roll_dice"}


@pytest.mark.parametrize(
    ("update", "code", "param"),
    [
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ("fast", "invalid_type", "session"),
        ({"type": "realtime", "modalities": ["text"]}, "unknown_parameter", "session.modalities"),
        ({"type": "realtime", "temperature": 0.8}, "unknown_parameter", "session.temperature"),
        ({"type": "realtime", "instructions": 5}, "invalid_type", "session.instructions"),
        ({"type": "realtime", "model": "another"}, "invalid_value", "session.model"),
        ({"type": "realtime", "output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
        ({"type": "realtime", "output_modalities": ["smell"]}, "invalid_value", "session.output_modalities[0]"),
        ({"type": "realtime", "max_output_tokens": 5000}, "integer_above_max_value", "session.max_output_tokens"),
        ({"type": "realtime", "max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
        ({"type": "realtime", "tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        (
            {"type": "realtime", "tools": [{"type": "mcp", "server_label": "x"}]},
            "invalid_value",
            "session.tools[0].type",
        ),
        ({"type": "realtime", "tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
        (
            {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        (
            {"type": "realtime", "audio": {"output": {"format": {"type": "audio/mp3"}}}},
            "invalid_value",
            "session.audio.output.format.type",
        ),
        (
            {"type": "realtime", "audio": {"output": {"speed": 2.0}}},
            "decimal_above_max_value",
            "session.audio.output.speed",
        ),
        (
            {"type": "realtime", "audio": detection(type="server_vad", threshold=1.5)},
            "decimal_above_max_value",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"type": "realtime", "audio": detection(type="semantic_vad", threshold=0.5)},
            "unknown_parameter",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"type": "realtime", "audio": detection(silence_duration_ms=300)},
            "missing_required_parameter",
            "session.audio.input.turn_detection.type",
        ),
        (
            {"type": "realtime", "audio": {"input": {"transcription": {"language": "en"}}}},
            "missing_required_parameter",
            "session.audio.input.transcription.model",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(update: Any, code: str, param: str) -> None:
    error = refusal(update)
    assert (error.code, error.param) == (code, param)
    assert param.rpartition(".")[2].partition("[")[0] in str(error) or code == "invalid_value"


def test_the_voice_stays_once_it_was_heard() -> None:
    update = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    assert refusal(update, has_spoken=True).code == "cannot_update_voice"
    same = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    initial().updated(told(same), has_spoken=True, is_responding=False)


def test_the_speed_stays_while_the_model_speaks() -> None:
    update = {"type": "realtime", "audio": {"output": {"speed": 1.2}}}
    assert refusal(update, is_responding=True).param == "session.audio.output.speed"
    assert updated(audio={"output": {"speed": 1.2}}).response().speed == 1.2


def test_a_response_can_differ_from_the_session() -> None:
    config = updated(instructions="Be brief.", tools=[TOOL], audio={"output": {"voice": "ash"}})
    asked = {
        "instructions": "Sing.",
        "output_modalities": ["text"],
        "tool_choice": "none",
        "conversation": "auto",
        "metadata": {"purpose": "title"},
        "max_output_tokens": 10,
        "audio": {"output": {"format": {"type": "audio/pcm"}}},
    }
    options = asking(config, asked)
    assert (options.values["instructions"], options.spoken, names(options)) == ("Sing.", False, set())
    assert (options.max_tokens, options.values["metadata"], options.voice) == (10, {"purpose": "title"}, "ash")
    plain = config.response()
    assert (plain.values["instructions"], plain.spoken, names(plain)) == ("Be brief.", True, {"get_time"})
    assert plain.max_tokens == float("inf")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"voice": "ash"}, "response.voice"),
        ({"output_modalities": ["text", "audio"]}, "response.output_modalities"),
        ({"conversation": "other"}, "response.conversation"),
        ({"input": "hello"}, "response.input"),
        ({"audio": {"output": {"speed": 1.0}}}, "response.audio.output.speed"),
    ],
)
def test_a_response_is_checked_too(asked: Any, param: str) -> None:
    with pytest.raises(Rejected) as refused:
        asking(initial(), asked)
    assert refused.value.param == param


def test_one_function_can_be_chosen() -> None:
    tools = [TOOL, TOOL | {"name": "roll_dice"}]
    config = updated(tools=tools, tool_choice={"type": "function", "name": "roll_dice"})
    assert names(config.response()) == {"roll_dice"}
