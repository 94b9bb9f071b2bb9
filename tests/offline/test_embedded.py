"""The app's offline server dies and comes back where it was; a slow start is waited for and spoken of."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import cast

import pytest

from voice_agents.errors import VoiceAgentError
from voice_agents.offline.embedded import STOPPED, EmbeddedServer

WAIT_S = 20.0

_SMALL = """
import os, socket, sys, time
key, at = sys.stdin.readline().strip(), int(sys.argv[sys.argv.index("--port") + 1])
{before}
listener = socket.create_server(("127.0.0.1", at))
with open({log!r}, "a") as log:
    print(listener.getsockname()[1], key, file=log)
print(f"http://127.0.0.1:{{listener.getsockname()[1]}}", flush=True)
sys.stdin.read()
"""


def small(folder: Path, before: str = "") -> list[str]:
    """A program that starts like the offline server does and writes down its port and key, once it is told the key."""
    return [sys.executable, "-c", _SMALL.format(log=str(folder / "starts"), before=before)]


def starts(folder: Path) -> list[str]:
    return (folder / "starts").read_text().split("\n")[:-1]


def test_who_is_to_answer_is_told_the_child_or_stays_as_it_was(tmp_path: Path) -> None:
    with EmbeddedServer(program=small(tmp_path)) as server, pytest.raises(VoiceAgentError, match="could not be told"):
        server.think_with("http://127.0.0.1:1/v1", "llama")  # this program answers nobody


class Said(logging.Handler):
    """Sets an event when the log says something with these words."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self.heard.set()


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Said:
    handler = Said(request.param)
    logger = logging.getLogger("voice_agents.offline.embedded")
    logger.addHandler(handler)
    request.addfinalizer(lambda: logger.removeHandler(handler))
    return handler


def kill(server: EmbeddedServer) -> None:
    os.kill(cast(int, server.pid), signal.SIGKILL)


def wait_until_it_serves(server: EmbeddedServer) -> None:
    waiting = threading.Event()
    for _ in range(int(WAIT_S / 0.02)):
        if not server.outage:
            return
        waiting.wait(0.02)
    raise AssertionError("the server did not come back")


def test_a_killed_server_comes_back_at_its_place_with_its_key_and_meanwhile_says_so(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    before = f"while at and not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    with EmbeddedServer(program=small(tmp_path, before)) as server:
        url, pid = server.url, server.pid
        assert server.outage == ""
        kill(server)
        while server.pid == pid:
            pass
        assert server.outage == STOPPED
        gate.touch()
        wait_until_it_serves(server)
        assert server.url == url
    while len(starts(tmp_path)) < 2:
        pass
    assert starts(tmp_path) == [f"{url.rpartition(':')[2]} {server.key}"] * 2
    assert server.outage == ""  # nobody is to be told of an end that was wanted


@pytest.mark.parametrize("log", ["did not start: no voice today"], indirect=True)
def test_a_server_that_cannot_come_back_is_tried_again(tmp_path: Path, log: Said) -> None:
    fails = tmp_path / "fails"
    before = f"if os.path.exists({str(fails)!r}): sys.exit('no voice today')"
    with EmbeddedServer(program=small(tmp_path, before)) as server:
        fails.touch()
        kill(server)
        assert log.heard.wait(WAIT_S)
        assert server.outage == STOPPED
        fails.unlink()
        wait_until_it_serves(server)


@pytest.mark.parametrize("log", ["did not start: no voice today"], indirect=True)
def test_leaving_ends_the_attempts(tmp_path: Path, log: Said) -> None:
    fails, before = tmp_path / "fails", set(threading.enumerate())
    program = f"if os.path.exists({str(fails)!r}): sys.exit('no voice today')"
    with EmbeddedServer(program=small(tmp_path, program)) as server:
        fails.touch()
        kill(server)
        assert log.heard.wait(WAIT_S)
    now = [thread for thread in threading.enumerate() if thread.name == "offline-watch"]
    assert set(now) <= before, "other tests' servers may be watched in this process"


@pytest.mark.parametrize("log", ["still starting"], indirect=True)
def test_a_slow_start_is_waited_for_and_said(tmp_path: Path, log: Said) -> None:
    gate = tmp_path / "gate"

    def open_the_gate() -> None:
        log.heard.wait(WAIT_S)
        gate.touch()

    threading.Thread(target=open_the_gate, daemon=True).start()
    before = f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    with EmbeddedServer(program=small(tmp_path, before), slow_start_s=0.1) as server:
        assert server.url.startswith("http://127.0.0.1:")
    assert log.heard.is_set()


@pytest.mark.parametrize("log", ["still starting"], indirect=True)
def test_a_start_can_be_given_up(tmp_path: Path, log: Said) -> None:
    """Ctrl-C while it starts: nobody waits for it, and it does not stay behind."""
    server = EmbeddedServer(program=small(tmp_path, "time.sleep(600)"), slow_start_s=0.1)

    def give_up() -> None:
        log.heard.wait(WAIT_S)
        server.give_up()

    threading.Thread(target=give_up, daemon=True).start()
    with pytest.raises(VoiceAgentError, match="did not start"), server:
        pass
    assert server.pid is not None and not Path(f"/proc/{server.pid}").exists()
    server.give_up()


def test_one_that_was_given_up_before_does_not_start(tmp_path: Path) -> None:
    server = EmbeddedServer(program=small(tmp_path))
    server.give_up()
    with pytest.raises(VoiceAgentError, match="given up"), server:
        pass
    assert server.pid is None


def test_one_that_ends_instead_says_why(tmp_path: Path) -> None:
    server = EmbeddedServer(program=small(tmp_path, "sys.exit('no voice today')"))
    with pytest.raises(VoiceAgentError, match="no voice today"), server:
        pass


@pytest.mark.skipif(os.name != "posix", reason="no sessions elsewhere")
def test_it_is_as_nice_as_the_app_and_deaf_to_its_ctrl_c(tmp_path: Path) -> None:
    """A session of its own has its own share of the machine: ``nice python app.py`` would not hold for it."""
    with EmbeddedServer(program=small(tmp_path)) as server:
        assert server.pid is not None
        assert os.getsid(server.pid) == os.getsid(0)
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_the_key_is_nowhere_others_can_read_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedServer(program=small(tmp_path)) as server:
        process = Path(f"/proc/{server.pid}")
        if process.exists():
            assert server.key.encode() not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert server.key not in caplog.text
