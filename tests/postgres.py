"""A PostgreSQL server of the test run's own: in a temporary folder, on a free port, forgotten afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from voice_agents.settings import PostgresUrl

MISSING = "PostgreSQL is not installed (apt install postgresql)"
USER = "postgres"
START_S = 30.0
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
"""Nothing here has to survive a power cut."""


def binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``, which Debian keeps out of the path; the newest version's."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).parent if found else None


@dataclass
class PostgresServer:
    """A running server; :meth:`stop` and :meth:`start` as often as wanted."""

    folder: Path
    programs: Path
    port: int
    password: str = field(default_factory=lambda: f"p@ss/{secrets.token_hex(4)}", repr=False)
    _process: subprocess.Popen[bytes] | None = None

    def url(self, name: str = USER, password: str | None = None, port: int = 0) -> PostgresUrl:
        """The address of one of its databases."""
        quoted = (password or self.password).replace("@", "%40").replace("/", "%2F")
        return PostgresUrl(f"postgresql://{USER}:{quoted}@127.0.0.1:{port or self.port}/{name}")

    def new_database(self) -> PostgresUrl:
        """An empty database."""
        name = f"talk_{secrets.token_hex(6)}"
        with psycopg.connect(self.url().url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # pyrefly: ignore[no-matching-overload]
        return self.url(name)

    def make(self) -> None:
        """Its folder; once."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        _hand_over(self.folder)
        self._run("initdb", "-D", "data", "-U", USER, "-A", "scram-sha-256", "--pwfile", "password", "--no-sync").wait()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)]
        self._process = self._run("postgres", "-D", "data", *listen, *options)
        deadline = time.monotonic() + START_S
        while True:
            try:
                return psycopg.connect(self.url().url).close()
            except psycopg.OperationalError:
                log = self.folder / "log"
                assert self._process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
                time.sleep(0.05)

    def stop(self) -> None:
        """At once, as if its machine was switched off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self.programs / program, *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                **_not_root(),
            )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server with no database of ours yet. Needs :func:`binaries`."""
    programs = binaries()
    assert programs is not None, MISSING
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder), programs, port)
        server.make()
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _not_root() -> Mapping[str, Any]:
    """The server refuses to run as root."""
    return {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}


def _hand_over(folder: Path) -> None:
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, USER, USER)
