"""The page comes up on a machine that has little time for it, and says why where it cannot."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
from gradio.routes import App as GradioApp

from tests.forked import start_python
from voice_agents.settings import Settings
from voice_agents.ui.app import App
from voice_agents.ui.serving import why_not_served

ROOT = Path(__file__).parents[2]
WITHIN_S = 120.0
SLOW_MACHINE = """
import itertools, sys, time, types
import httpx
from gradio import http_server, networking

def late(*_args, **_named):
    raise httpx.ReadTimeout("no time for an answer")

networking.httpx = types.SimpleNamespace(
    head=late, ConnectError=httpx.ConnectError, TimeoutException=httpx.TimeoutException
)
seconds = itertools.count(0.0, 10.0)
http_server.time = types.SimpleNamespace(time=lambda: next(seconds), sleep=time.sleep)
sys.argv = ["app.py", "--port", "0"]
import app
sys.exit(app.main())
"""
"""Whatever gradio measures of its own server takes longer than it grants."""


@pytest.mark.skipif(os.name != "posix", reason="no SIGTERM elsewhere")
async def test_a_page_whose_machine_is_slow_is_served_all_the_same(tmp_path: Path) -> None:
    env = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/talk.sqlite3"}
    process = await start_python(["-c", SLOW_MACHINE], env, piped=True)
    assert process.stdout is not None
    told = b""
    try:
        async with asyncio.timeout(WITHIN_S):
            while b"public link" not in (line := await process.stdout.readline()):  # the last it says as it starts
                told += line
                assert line, told.decode()
            process.terminate()
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0


def test_a_port_that_another_program_took_is_named_as_the_reason_and_only_then() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = why_not_served("127.0.0.1", port)
    free = why_not_served("127.0.0.1", port)
    assert f"port {port} of 127.0.0.1: another program took it just now" in taken
    assert "another program" not in free
    assert "lines above" in free


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of gradio 5 about gradio 6
async def test_the_page_is_put_together_without_servers_that_are_thrown_away() -> None:
    with patch.object(GradioApp, "create_app", Mock(wraps=GradioApp.create_app)) as make:
        page = App(Settings().with_offline("http://127.0.0.1:1"), ()).page()
        assert not make.called
        assert GradioApp.create_app(page.blocks).routes, "for the one that is launched it is as it was"
