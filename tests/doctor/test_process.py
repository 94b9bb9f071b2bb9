"""An app that dies, is silent or finds its port taken while it is examined: a row says so, and nothing breaks."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from voice_agents.address import Address, free_address
from voice_agents.doctor import process
from voice_agents.doctor.calls import check_calls
from voice_agents.doctor.findings import Outcome, Report
from voice_agents.doctor.process import AppProcess
from voice_agents.errors import VoiceAgentError

APP = """
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(404 if self.path != "/health" else 200)

    def do_POST(self):
        if {dies_at_login}:
            die()
        self.answer(200)
        {after_login}

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
        self.wfile.flush()

    def log_message(self, *_):
        pass

def die(code=1):
    print("Traceback (most recent call last):", '  File "page.py", line 1, in launch', sep="\\n")
    print("ValueError: localhost cannot be reached", flush=True)
    os._exit(code)

server = HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Page)
server.serve_forever()
"""


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AppProcess]:
    """Runs the ``app.py`` that :func:`write` puts beside it."""
    monkeypatch.setattr(process, "ROOT", tmp_path)
    app = AppProcess(tmp_path)
    try:
        yield app
    finally:
        await app.end()


def write(folder: Path, after_login: str = "pass", *, dies_at_login: bool = False) -> None:
    text = APP.replace("{after_login}", after_login).replace("{dies_at_login}", str(dies_at_login))
    (folder / "app.py").write_text(text, encoding="utf-8")


async def test_an_app_that_dies_once_it_serves_is_a_row_that_says_what_it_said(app: AppProcess, tmp_path: Path) -> None:
    write(tmp_path, "die()")
    await app.start()
    report = Report()
    await check_calls(report, app, {})
    (found,) = report.findings
    assert found.outcome is Outcome.FAILED
    assert "ended while it was used: ValueError: localhost cannot be reached (exit code 1)" in found.says
    assert "Traceback" not in found.says
    assert "Start python app.py" in found.says


async def test_an_app_that_the_system_ended_for_want_of_memory_is_told_so(app: AppProcess, tmp_path: Path) -> None:
    write(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    await app.start()
    report = Report()
    await check_calls(report, app, {})
    assert "memory" in report.findings[0].says


async def test_an_app_that_lives_and_does_not_do_what_it_is_asked_is_told_so(app: AppProcess, tmp_path: Path) -> None:
    write(tmp_path)
    await app.start()
    report = Report()
    await check_calls(report, app, {})
    assert [found.outcome for found in report.findings] == [Outcome.FAILED]
    assert "The app runs, but did not do what it was asked (HTTPStatusError" in report.findings[0].says


async def test_an_app_that_dies_at_its_login_is_told_in_a_sentence(app: AppProcess, tmp_path: Path) -> None:
    write(tmp_path, dies_at_login=True)
    with pytest.raises(VoiceAgentError, match="localhost cannot be reached"):
        await app.start()


async def test_a_port_that_another_program_took_meanwhile_is_not_the_end(
    app: AppProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        offered = [taken]

        def found_free(host: str, port: int, env: dict[str, str]) -> Address:
            return Address(host, offered.pop()) if not port and offered else free_address(host, port, env)

        monkeypatch.setattr(process, "free_address", found_free)
        await app.start()
    assert not app.url.endswith(f":{taken}")
