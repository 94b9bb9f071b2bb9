"""``python app.py`` and the like without the six seconds of its imports: forked from a process that has made them.

What a start does before its imports (order, sentences, exit codes) is tested with the real command, in test_app.py.
"""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import os
import random
import runpy
import signal
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Protocol, cast

ROOT = Path(__file__).parents[1]
FORKS = "forkserver" in multiprocessing.get_all_start_methods()
READ_BY_IMPORTS = ("HF_",)
"""Beginnings of variables that a library reads while it is imported: with one of them the real command is run."""


class Process(Protocol):
    """What tests use of :class:`asyncio.subprocess.Process`."""

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    async def communicate(self) -> tuple[bytes, bytes]: ...

    def kill(self) -> None: ...

    def terminate(self) -> None: ...


async def start_python(
    arguments: Sequence[str], env: Mapping[str, str], *, piped: bool = False, forked: bool = True
) -> Process:
    """``python -u <arguments>`` in the project's folder, the leader of a process group, with exactly this environment.

    ``piped``: its output is read through :class:`Process`; otherwise it goes where the test's own goes.
    ``forked=False``: the imports are part of what is tested.
    """
    if forked and FORKS and not any(name.startswith(READ_BY_IMPORTS) for name in env):
        return await _Forked.start(arguments, env, piped)
    output = PIPE if piped else None
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", *arguments), cwd=ROOT, env=env, stdout=output, stderr=output, process_group=0
    )


class _Forked:
    """A forked app as :class:`Process`."""

    def __init__(self, process: Any, stdout: asyncio.StreamReader | None, stderr: asyncio.StreamReader | None) -> None:
        self.stdout = stdout
        self.returncode: int | None = None
        self._stderr = stderr
        self._process = process
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._over)

    @classmethod
    async def start(cls, arguments: Sequence[str], env: Mapping[str, str], piped: bool) -> _Forked:
        """Start Python with these arguments in a fork of a process that has imported the libraries already."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.imported"])
        pipes = [os.pipe(), os.pipe()] if piped else []
        outputs = [writing for _, writing in pipes] or [1, 2]
        process = context.Process(target=_run, args=(list(arguments), dict(env), _Outputs(outputs)))
        await asyncio.to_thread(process.start)
        for _, writing in pipes:
            os.close(writing)
        streams = [await _reader(reading) for reading, _ in pipes]
        return cls(process, *streams) if piped else cls(process, None, None)

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        assert self.stdout is not None and self._stderr is not None
        said, complained = await asyncio.gather(self.stdout.read(), self._stderr.read())
        await self.wait()
        return said, complained

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    def _over(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self.returncode = self._process.exitcode
        self._process.close()
        self._ended.set()


async def _reader(descriptor: int) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(stream)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))
    return stream


class _Outputs:
    """Standard output and error for the child; pickled while it is started, as descriptors have to be."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        self._descriptors = descriptors

    def __getstate__(self) -> dict[str, Any]:
        return {"_duplicates": [DupFd(descriptor) for descriptor in self._descriptors]}

    def take(self) -> None:
        """In the child: from now on it writes there."""
        for number, duplicate in enumerate(vars(self)["_duplicates"], 1):
            os.dup2(duplicate.detach(), number)


def _run(arguments: list[str], env: dict[str, str], outputs: _Outputs) -> None:
    """In the child: be ``python -u <arguments>``."""
    os.setpgrp()  # and no session of its own: where each has its own share of the machine, being nice means nothing
    os.chdir(ROOT)
    outputs.take()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    random.seed()  # two apps are not to have the same chance
    cast(TextIOWrapper, sys.stdout).reconfigure(write_through=True)
    code: Any = 0
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ending:
        code = ending.code
    with suppress(KeyboardInterrupt):
        threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter's end does
    atexit._run_exitfuncs()
    sys.exit(code)
