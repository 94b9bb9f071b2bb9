"""``python app.py --doctor``: what is configured wrongly is named by its variable, with exit code 1 and no secret."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.forked import offline_program, quick_python
from voice_agents.doctor.calls import word_error
from voice_agents.doctor.run import run
from voice_agents.doctor.script import SPOKEN, TYPED
from voice_agents.errors import VoiceAgentError
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.proxies import prepare

ROOT = Path(__file__).parents[2]
SECRET = "a-key-that-is-secret"
OURS = ("AZURE_", "OPENAI_", "ELEVENLABS_", "GRADIO_", "DATABASE_", "OTEL_", "LOG_", "APP_", "ALLOWED_", "SSL_")

WRONG: list[tuple[dict[str, str], str]] = [
    ({"AZURE_OPENAI_ENDPOINT": "https://example.com"}, "AZURE_OPENAI_API_KEY"),
    ({"AZURE_OPENAI_ENDPOINT": "https://example.com", "AZURE_OPENAI_API_KEY": SECRET}, "AZURE_OPENAI_DEPLOYMENT"),
    ({"AZURE_OPENAI_ENDPOINT": "example.com", "AZURE_OPENAI_API_KEY": SECRET}, "AZURE_OPENAI_ENDPOINT"),
    ({"OPENAI_API_KEY": SECRET}, "OPENAI_MODEL"),
    ({"OPENAI_API_KEY": SECRET, "OPENAI_MODEL": "m", "OPENAI_BASE_URL": "http://example.com"}, "OPENAI_BASE_URL"),
    ({"ELEVENLABS_VOICE_ID": "Rachel"}, "ELEVENLABS_API_KEY"),
    ({"ELEVENLABS_API_KEY": f"{SECRET} and more"}, "ELEVENLABS_API_KEY"),
    ({"AZURE_REALTIME_VOICE": "marin"}, "AZURE_OPENAI_REALTIME_DEPLOYMENT"),
    ({"DATABASE_URL": "mysql://me:secret-word@db/talk"}, "DATABASE_URL"),
    ({"DATABASE_URL": "sqlite:////proc/none/talk.sqlite3"}, "DATABASE_URL"),
    ({"GRADIO_SERVER_PORT": "99999"}, "GRADIO_SERVER_PORT"),
    ({"GRADIO_SERVER_NAME": "192.0.2.1"}, "GRADIO_SERVER_NAME"),
    ({"GRADIO_ROOT_PATH": "voice"}, "GRADIO_ROOT_PATH"),
    ({"MAX_SESSIONS": "many"}, "MAX_SESSIONS"),
    ({"SESSION_TIME_LIMIT": "0"}, "SESSION_TIME_LIMIT"),
    ({"ALLOWED_HOSTS": "http://talk.example.com"}, "ALLOWED_HOSTS"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ({"LOG_CONTENT": "yes"}, "LOG_CONTENT"),
    ({"TRANSPORT": "udp"}, "TRANSPORT"),
    ({"FORWARDED_ALLOW_IPS": "10.0.0.1, my-proxy"}, "FORWARDED_ALLOW_IPS"),
    (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example", "OTEL_EXPORTER_OTLP_HEADERS": SECRET},
        "OTEL_EXPORTER_OTLP_HEADERS",
    ),
    *(
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example", name: value}, name)
        for name, value in (
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "ten"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/certificates.pem"),
        )
    ),
    ({"SSL_CERT_FILE": "/no/such/certificates.pem"}, "SSL_CERT_FILE"),
    ({"SSL_CERT_FILE": str(ROOT / "README.md")}, "SSL_CERT_FILE"),
    ({"TURN_URL": "turn.example.com", "TURN_USERNAME": "me", "TURN_PASSWORD": SECRET}, "TURN_URL"),
    (
        {"CLOUDFLARE_TURN_KEY_ID": "../accounts", "CLOUDFLARE_TURN_KEY_API_TOKEN": SECRET},
        "CLOUDFLARE_TURN_KEY_ID",
    ),
    ({"TWILIO_ACCOUNT_SID": "AC1/Calls?", "TWILIO_AUTH_TOKEN": SECRET}, "TWILIO_ACCOUNT_SID"),
]


@contextmanager
def no_offline_server() -> Iterator[Any]:
    """What is wrong is found without one."""
    raise VoiceAgentError("The offline server is not needed here.")
    yield


@pytest.mark.parametrize(("env", "variable"), WRONG, ids=lambda part: str(part)[:60])
def test_a_wrong_configuration_is_named(
    env: dict[str, str],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # where no .env is
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    for name, value in {"DATABASE_URL": f"sqlite:///{tmp_path}/talk.sqlite3", **env}.items():
        monkeypatch.setenv(name, value)
    assert run(no_offline_server, host=None, port=None, as_json=True) == 1
    told = capsys.readouterr().out
    checks = json.loads(told)["checks"]
    (failed,) = [found for found in checks if found["outcome"] == "failed" and found["name"] != "offline server"]
    assert variable in failed["variables"]
    assert SECRET not in told
    assert "secret-word" not in told


def test_a_proxy_that_nothing_can_go_through_is_named_though_all_is_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("voice_agents.proxies._aside", {})
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/talk.sqlite3")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@999.1.1.1:3128")
    prepare(os.environ)
    run(no_offline_server, host=None, port=0, as_json=True)
    told = capsys.readouterr().out
    (proxy,) = [found for found in json.loads(told)["checks"] if found["name"] == "proxy"]
    assert proxy["outcome"] == "warning", "where all is offline it does no harm"
    assert "HTTPS_PROXY" in proxy["variables"]
    assert SECRET not in told


def test_an_offline_server_that_does_not_start_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/talk.sqlite3")
    assert run(no_offline_server, host=None, port=0, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Not everything works: offline server."
    assert [line for line in lines if line.startswith("failed")] == [
        "failed    offline server: The offline server is not needed here."
    ]


def test_what_is_not_installed_is_told_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "voice_agents.doctor.machine._pins", lambda: iter([("aiortc", "0.0.1"), ("no-such-thing", "1")])
    )
    assert run(no_offline_server, host=None, port=0, as_json=False) == 1
    assert "no-such-thing not installed: pip install -r requirements.txt" in capsys.readouterr().out


def test_whatever_breaks_while_it_examines_is_a_row_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_args: object, **_named: object) -> None:
        raise RuntimeError(f"the key {SECRET} was refused")

    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setattr("voice_agents.doctor.diagnosis.examine", broken)
    assert run(no_offline_server, host=None, port=0, as_json=True) == 1
    told = capsys.readouterr().out
    (failed,) = [found for found in json.loads(told)["checks"] if found["outcome"] == "failed"]
    assert "RuntimeError: the key *** was refused" in failed["says"]
    assert SECRET not in told


@pytest.mark.parametrize("breaks", ["_database", "machine.port", "machine.sound", "Settings"])
def test_a_check_that_breaks_in_an_unforeseen_way_is_a_row_as_well(
    breaks: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_args: object, **_named: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.chdir(tmp_path)
    target = {"Settings": "voice_agents.settings.Settings.from_env"}.get(
        breaks, f"voice_agents.doctor.diagnosis.{breaks}"
    )
    monkeypatch.setattr(target, broken)
    assert run(no_offline_server, host=None, port=0, as_json=True) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert any("Input/output error" in found["says"] for found in checks)


def test_words_that_were_missed_changed_or_made_up_are_counted() -> None:
    assert word_error(SPOKEN, [*SPOKEN, TYPED]) == 0
    assert word_error(["roll two dice", "tell me"], ["roll dice", "sell me now"]) == pytest.approx(3 / 5)
    assert word_error(SPOKEN, []) == 1
    assert word_error([], []) == 0


def test_a_fresh_machine_is_examined_from_python_to_a_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real app and the real offline server; of the script only what is asked (the rest: test_script.py)."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/talk.sqlite3")
    monkeypatch.setattr("voice_agents.doctor.script.STEPS", ("question", "typed turn"))
    monkeypatch.setattr("sys.executable", quick_python())
    code = run(partial(EmbeddedServer, program=offline_program()), host=None, port=0, as_json=True)
    told = json.loads(capsys.readouterr().out)
    outcomes = {check["name"]: check["outcome"] for check in told["checks"]}
    assert "failed" not in outcomes.values(), told
    assert [call["call"] for call in told["calls"]] == ["call over WebRTC, sandwich", "call over WebSocket, sandwich"]
    for call in told["calls"]:
        steps = {step["name"]: step["outcome"] for step in call["steps"]}
        assert steps.keys() == {"question", "typed turn"}
        assert "failed" not in steps.values() or outcomes["time for these calls"] == "warning", told
    assert (code == 0) is told["healthy"]
