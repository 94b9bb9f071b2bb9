"""Starting the app: what cannot work is said in one plain sentence, at once, and nothing else."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from voice_agents.address import free_address, kept
from voice_agents.conversation.file import check_database
from voice_agents.errors import ConfigurationError

ROOT = Path(__file__).parents[1]
PROVIDERS = ("AZURE_", "OPENAI_", "ELEVENLABS_", "GRADIO_")
HEAVY = ("openai", "gradio", "fastrtc", "langchain_core", "langgraph")
NOBODY = 65534

REFUSED: list[tuple[dict[str, str], list[str], str]] = [
    ({"AZURE_OPENAI_ENDPOINT": "https://example.com"}, [], "AZURE_OPENAI_API_KEY is missing"),
    ({}, ["--port", "70000"], "Port 70000 does not exist"),
    ({}, ["--port", "-1"], "Port -1 does not exist"),
    ({"GRADIO_SERVER_PORT": "seven"}, [], "GRADIO_SERVER_PORT must be a whole number"),
    ({"GRADIO_SERVER_PORT": "99999"}, [], "Port 99999 does not exist"),
    ({}, ["--host", "192.0.2.1"], "192.0.2.1 is no address of this machine"),
    ({}, ["--host", "2001:db8::1"], "2001:db8::1 is no address of this machine"),
    ({}, ["--host", "no.such.host.invalid"], "no.such.host.invalid is no address of this machine"),
    ({}, ["--host", "a" * 300], "is no address of this machine"),
    ({}, ["--host", "two words"], "two words is no address of this machine"),
    ({"GRADIO_SERVER_NAME": "192.0.2.1"}, [], "192.0.2.1 is no address of this machine"),
    ({"GRADIO_NUM_PORTS": "many"}, [], "GRADIO_NUM_PORTS must be a whole number"),
    ({"GRADIO_NUM_PORTS": "0"}, [], "GRADIO_NUM_PORTS must be a whole number"),
    ({"GRADIO_DEBUG": "yes"}, [], "GRADIO_DEBUG must be a whole number"),
    ({"GRADIO_ROOT_PATH": "voice"}, [], "GRADIO_ROOT_PATH must be"),
    ({"GRADIO_ROOT_PATH": "/a b"}, [], "GRADIO_ROOT_PATH must be"),
    ({"GRADIO_ROOT_PATH": "/a?b"}, [], "GRADIO_ROOT_PATH must be"),
    ({"GRADIO_ROOT_PATH": "ftp://example.com/voice"}, [], "GRADIO_ROOT_PATH must be"),
    ({"GRADIO_ROOT_PATH": "https://"}, [], "GRADIO_ROOT_PATH must be"),
    ({"GRADIO_ROOT_PATH": "https://[::1/voice"}, [], "GRADIO_ROOT_PATH must be"),
    ({"GRADIO_ROOT_PATH": "//example.com"}, [], "GRADIO_ROOT_PATH must be"),
    ({"DATABASE_URL": "sqlite:///~nobodyatall/x"}, [], "DATABASE_URL"),
    ({"DATABASE_URL": "~nobodyatall/x"}, [], "DATABASE_URL"),
    ({"DATABASE_URL": "sqlite:///~nobody/x"}, [], "DATABASE_URL"),
    ({"DATABASE_URL": "sqlite:////proc/none/conversations.sqlite3"}, [], "set DATABASE_URL to a file"),
    ({"DATABASE_URL": "sqlite:///"}, [], "DATABASE_URL"),
    ({"DATABASE_URL": "sqlite:////"}, [], "set DATABASE_URL to a file"),
    ({"DATABASE_URL": "sqlite:///{folder}"}, [], "set DATABASE_URL to a file"),
    ({"DATABASE_URL": "sqlite:///{folder}/" + "n" * 300}, [], "set DATABASE_URL to a file"),
    ({"DATABASE_URL": "sqlite:///{folder}/text.txt"}, [], "set DATABASE_URL to a file"),
    ({"DATABASE_URL": "sqlite:///{folder}/text.txt/x.sqlite3"}, [], "set DATABASE_URL to a file"),
    ({"DATABASE_URL": "sqlite:///{folder}/other.sqlite3"}, [], "set DATABASE_URL to a file"),
    ({"DATABASE_URL": "postgresql://ada:s3cret@127.0.0.1:1/talk"}, [], "The database talk on 127.0.0.1 cannot be used"),
    (
        {"DATABASE_URL": "postgresql://ada:s3cret@127.0.0.1:one/talk"},
        [],
        "DATABASE_URL is not an address of PostgreSQL",
    ),
    ({"DATABASE_URL": "mysql://ada:s3cret@127.0.0.1/talk"}, [], "DATABASE_URL: mysql is not supported"),
]


def start(env: Mapping[str, str], *arguments: str) -> tuple[int, str, set[str]]:
    """Run ``python app.py`` to its end; exit code, standard error, and which of the heavy libraries were loaded."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PROVIDERS)}
    command = [sys.executable, "-X", "importtime", "app.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**own, **env}, capture_output=True, text=True, timeout=120)
    lines = done.stderr.strip().splitlines()
    loaded = {line.rsplit("|", 1)[1].strip() for line in lines if line.startswith("import time:")}
    said = [line for line in lines if not line.startswith("import time:")]
    return done.returncode, "\n".join(said), loaded & set(HEAVY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some files that are no database of this program."""
    (tmp_path / "text.txt").write_text("this is not a database, and it is long enough to look at" * 20)
    connection = sqlite3.connect(tmp_path / "other.sqlite3")
    connection.execute("CREATE TABLE conversations (something_else TEXT)")
    connection.close()
    return tmp_path


STARTS = """
import json, os, sys, tempfile
import app

heavy, *starts = json.load(sys.stdin)
for env, arguments in starts:
    with tempfile.TemporaryFile() as said:
        if (pid := os.fork()) == 0:
            os.dup2(said.fileno(), 2)
            os.environ.clear()
            os.environ.update(env)
            sys.argv = ["app.py", *arguments]
            code = app.main()
            sys.stderr.flush()
            os._exit(100 if any(name in sys.modules for name in heavy) else code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said.seek(0)
        print(json.dumps([code, said.read().decode()]))
"""
"""Each start in a fork of a process that has made the imports which ``app.py`` begins with; 100: and heavy ones."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_what_cannot_work_is_one_sentence_at_once(folder: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(PROVIDERS)}
    starts = [
        ({**own, "DATABASE_URL": f"sqlite:///{folder}/new.sqlite3", **_in(folder, env)}, arguments)
        for env, arguments, _ in REFUSED
    ]
    done = subprocess.run(
        [sys.executable, "-c", STARTS],
        cwd=ROOT,
        input=json.dumps([HEAVY, *starts]),
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    for (env, arguments, sentence), line in zip(REFUSED, done.stdout.splitlines(), strict=True):
        code, said = json.loads(line)
        assert (code, said.count("\n")) == (1, 1), (env, arguments, said)
        assert sentence in said, (env, arguments)
        assert "s3cret" not in said


def _in(folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    return {name: value.format(folder=folder) for name, value in env.items()}


@pytest.mark.parametrize(("env", "arguments", "sentence"), [REFUSED[0], REFUSED[-1]])
def test_so_it_is_with_the_command(env: dict[str, str], arguments: list[str], sentence: str, folder: Path) -> None:
    code, said, loaded = start({"DATABASE_URL": str(folder / "new.sqlite3"), **_in(folder, env)}, *arguments)
    assert sentence in said
    assert "\n" not in said
    assert code == 1
    assert loaded == set()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody without rights")
@pytest.mark.parametrize("path", ["/usr/lib/conversations.sqlite3", "/usr/lib/new/x.sqlite3", "/etc/passwd"])
def test_a_place_where_nothing_may_be_written_is_named(path: str) -> None:
    os.seteuid(NOBODY)
    try:
        with pytest.raises(ConfigurationError, match="set DATABASE_URL to a file"):
            check_database(Path(path))
    finally:
        os.seteuid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a bound port cannot be listened on")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_free_port_is_nobody_elses_until_it_is_served(host: str) -> None:
    """Libraries take seconds to load: meanwhile a connection of some other program was given it, and the app ended."""
    address = free_address(host, 0, {})
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with kept(address):
        with socket.socket(family) as other, pytest.raises(OSError, match="in use"):
            other.bind((host, address.port))
        server = socket.create_server((host, address.port), family=family)  # as gradio and uvicorn do
        with server, socket.create_connection((host, address.port)), server.accept()[0]:
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_named(folder: Path, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        env = {"DATABASE_URL": str(folder / "new.sqlite3")}
        code, said, loaded = start(env, "--host", host, "--port", str(port))
    assert said.startswith(f"Port {port} of {host} is in use")
    assert "\n" not in said
    assert code == 1
    assert loaded == set()
