"""What is printed: every failure with what mends it, no secret, and a program can read it."""

from __future__ import annotations

import asyncio
import json
import os

import numpy as np
import pytest

from voice_agents.doctor.findings import Finding, Outcome, Report, Score
from voice_agents.doctor.hearing import LOUD, HeardSound
from voice_agents.doctor.machine import secrets_of
from voice_agents.doctor.strain import BUSY, LATE_S, Strain

KEY = "sk-very-secret-key"


def test_a_report_is_healthy_until_something_fails() -> None:
    report = Report()
    report.add(Finding("port", Outcome.OK, "7860 is free"))
    report.add(Finding("packages", Outcome.WARNING, "one is newer"))
    report.add(Finding("calls", Outcome.SKIPPED, "not made"))
    assert report.healthy
    report.add_score(Score("call over WebRTC", [Finding("cough", Outcome.FAILED, "it was cut")]))
    assert not report.healthy
    assert report.verdict == "Not everything works: call over WebRTC."


def test_a_failure_is_told_with_the_variable_that_mends_it_once() -> None:
    lines: list[str] = []
    report = Report(on_finding=lines.append)
    report.add(Finding("chat", Outcome.FAILED, "It cannot be reached.", ("OPENAI_BASE_URL",), 0.5))
    report.add(Finding("chat", Outcome.FAILED, "Check OPENAI_BASE_URL.", ("OPENAI_BASE_URL",)))
    assert lines == [
        "failed    chat (0.50 s): It cannot be reached. Set OPENAI_BASE_URL.",
        "failed    chat: Check OPENAI_BASE_URL.",
    ]


def test_no_secret_gets_out_whatever_a_sentence_quotes() -> None:
    lines: list[str] = []
    env = {"OPENAI_API_KEY": KEY, "DATABASE_URL": "postgresql://me:pass-word@db/talk", "APP_PASSWORD": "open sesame"}
    report = Report(secrets_of(env), on_finding=lines.append)
    report.add(Finding("chat", Outcome.FAILED, f"It said: {KEY} and open sesame and {env['DATABASE_URL']}"))
    report.add_score(Score("call", [Finding("tool", Outcome.FAILED, KEY)]))
    told = "\n".join(lines) + report.as_json() + report.verdict
    for secret in (KEY, "pass-word", "open sesame"):
        assert secret not in told


def test_a_program_can_read_it() -> None:
    report = Report()
    report.add(Finding("port", Outcome.FAILED, "in use", ("GRADIO_SERVER_PORT",)))
    report.add_score(Score("call", [Finding("cough", Outcome.OK, "talked on")], {"stop": 0.05, "playout": None}))
    told = json.loads(report.as_json())
    assert told["healthy"] is False
    assert told["checks"][0] == {
        "name": "port", "outcome": "failed", "says": "in use", "variables": ["GRADIO_SERVER_PORT"], "seconds": None,
    }  # fmt: skip
    assert told["calls"][0]["figures"] == {"stop": 0.05, "playout": None}


async def test_a_caller_knows_when_it_heard_nothing() -> None:
    heard = HeardSound()
    heard.loud_at = [1.0, 1.02, 1.04, 2.54, 2.56, 3.0]
    assert heard.longest_gap_s(1.0, 3.0) == pytest.approx(1.5)
    assert heard.longest_gap_s(2.5, 9.0) == pytest.approx(0.44)
    assert heard.longest_gap_s(5.0, 9.0) == 0.0
    assert heard.last_before_longest_gap(1.01, 3.0) == 1.04
    assert heard.last_before_longest_gap(2.55, 9.0) == 3.0
    assert heard.last_before_longest_gap(4.0, 9.0) == 4.0
    assert await heard.sound(1.5, 0.1) == 2.54
    assert await heard.sound(3.0, 0.0) is None


def test_only_what_can_be_heard_counts_as_sound() -> None:
    async def hear() -> int:
        heard = HeardSound()
        heard.add(np.full(480, LOUD, np.int16), 24_000)
        heard.add(np.full(480, LOUD + 1, np.int16), 24_000)
        heard.add(np.full(960, -LOUD - 1, np.int16), 24_000)
        return len(heard.loud_at)

    assert asyncio.run(hear()) == 3


async def test_a_machine_with_time_is_not_called_busy_and_one_without_is() -> None:
    async with Strain() as strain:
        pass
    strain.beat(LATE_S, BUSY * (os.cpu_count() or 1))
    assert strain.sentence == ""
    strain.beat(LATE_S + 0.1, 0.0)
    assert "0.35 s late" in strain.sentence
    loaded = Strain()
    loaded.beat(0.0, 100.0)
    assert "100.0 programs" in loaded.sentence
