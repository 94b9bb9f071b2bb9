"""``python app.py`` and the like without the six seconds of its imports: forked from :mod:`tests.warm`.

``python -m tests.forked`` starts that for several programs at once, prints the value of :data:`WARM` for them, and ends
with its standard input. What a start does before its imports (order, sentences, exit codes) is tested with the real
command, in test_app.py.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.warm import OFFLINE, Request

ROOT = Path(__file__).parents[1]
FORKS = hasattr(os, "fork") and hasattr(socket, "send_fds")
WARM = "VOICE_AGENTS_TESTS_WARM"
"""The variable that tells the workers of a run where :mod:`tests.warm` listens."""


@cache
def warm() -> Path:
    """The folder of this run's :mod:`tests.warm`, which is started where nobody has, and ends with this process.

    In it are the socket it listens at, and a "python" that has it fork apps and offline servers.
    """
    if WARM in os.environ:
        return Path(os.environ[WARM])
    return _parent("tests.warm", lambda python: [python])


@cache
def warm_workers(*paths: str) -> str:
    """A "python" that forks workers of pytest-xdist which have imported the tests at these paths."""
    return str(_parent("tests.warm_workers", lambda _: paths) / "python")


def _parent(module: str, arguments: Callable[[str], Sequence[str]]) -> Path:
    """Start one that forks, with arguments that may name its "python"; the folder with that and with its socket."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    python, start = folder / "python", ROOT / "tests" / "warm_start.py"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{start}" "{folder}/socket" "$@"\n')
    python.chmod(0o755)
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        descriptors = (listener.fileno(), reading)
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, descriptors), *arguments(str(python))],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=descriptors,
        )
    os.close(reading)

    @atexit.register
    def end() -> None:
        os.close(writing)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    return folder


def quick_python() -> str:
    """In the place of ``sys.executable``: apps and offline servers without the seconds of their imports."""
    return str(warm() / "python") if FORKS else sys.executable


def offline_program() -> tuple[str, ...]:
    """For :class:`EmbeddedServer`: the offline server without the four seconds of its start."""
    return (quick_python(), *OFFLINE)


class Process(Protocol):
    """What tests use of :class:`asyncio.subprocess.Process`."""

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    @property
    def stderr(self) -> asyncio.StreamReader | None: ...

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    async def communicate(self) -> tuple[bytes, bytes]: ...

    def kill(self) -> None: ...

    def terminate(self) -> None: ...


async def start_python(
    arguments: Sequence[str],
    env: Mapping[str, str],
    *,
    piped: bool = False,
    forked: bool = True,
    folder: Path = ROOT,
) -> Process:
    """``python -u <arguments>`` in this folder, the leader of a process group, with exactly this environment.

    ``piped``: its output is read through :class:`Process`; otherwise it goes where the test's own goes.
    ``forked=False``: the imports are part of what is tested.
    """
    if forked and FORKS:
        return await _Forked.start(arguments, env, piped, folder)
    output = PIPE if piped else None
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", *arguments), cwd=folder, env=env, stdout=output, stderr=output, process_group=0
    )


class _Forked:
    """A forked app as :class:`Process`."""

    def __init__(
        self,
        asked: socket.socket,
        pid: int,
        stdout: asyncio.StreamReader | None = None,
        stderr: asyncio.StreamReader | None = None,
    ) -> None:
        self.stdout = stdout
        self.pid = pid
        self.returncode: int | None = None
        self.stderr = stderr
        self._asked = asked
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(asked, self._over)

    @classmethod
    async def start(cls, arguments: Sequence[str], env: Mapping[str, str], piped: bool, folder: Path) -> _Forked:
        """Start Python with these arguments in a fork of a process that has imported the libraries already."""
        request = Request(arguments=list(arguments), env=dict(env), folder=str(folder), group=0, nice=os.nice(0))
        pipes = [os.pipe(), os.pipe()] if piped else []
        outputs = [writing for _, writing in pipes] or [1, 2]
        asked, pid = await asyncio.to_thread(_ask, request, outputs)
        for _, writing in pipes:
            os.close(writing)
        streams = [await _reader(reading) for reading, _ in pipes]
        return cls(asked, pid, *streams)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        assert self.stdout is not None and self.stderr is not None
        said, complained = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return said, complained

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):  # of which the news is on its way
                os.kill(self.pid, number)

    def _over(self) -> None:
        asyncio.get_running_loop().remove_reader(self._asked)
        with self._asked:
            self.returncode = int(self._asked.recv(64))
        self._ended.set()


def _ask(request: Request, outputs: Sequence[int]) -> tuple[socket.socket, int]:
    """The connection that tells of its end, and its process id. Blocks while imports are made that are new."""
    asked = socket.socket(socket.AF_UNIX)
    asked.connect(str(warm() / "socket"))
    with Path(os.devnull).open() as nothing:
        socket.send_fds(asked, [json.dumps(request).encode() + b"\n"], [nothing.fileno(), *outputs])
    pid = b""
    while not pid.endswith(b"\n"):
        pid += asked.recv(1)
    return asked, int(pid)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(stream)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))
    return stream


if __name__ == "__main__":
    sys.stdout.write(f"{warm()}\n")
    sys.stdout.flush()
    sys.stdin.read()
