"""The process that apps and offline servers of tests are forked from: it has made the imports and loaded the models.

``python -m tests.warm LISTENER PIPE PYTHON`` accepts at the descriptor LISTENER, a Unix socket, until the descriptor
PIPE ends. Who connects sends a :class:`Request` as a line of JSON, with the descriptors for standard input, output and
error; the answer is a line with the process id, and one with the exit code once it has ended. Who hangs up before ends
it. Imports are made and models loaded when they are needed first: a run that starts no app pays nothing. What is forked
takes PYTHON for its Python (:mod:`tests.warm_start`), so that it has forked what it starts.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import random
import runpy
import secrets
import selectors
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict, cast
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
OFFLINE = ["-m", "voice_agents.offline"]


class Request(TypedDict):
    """What is to be run, as ``python -u <arguments>`` would be."""

    arguments: list[str]
    env: dict[str, str]
    folder: str
    group: int
    """The process group it belongs to; 0 for one of its own."""
    nice: int


class Parent:
    """Forks for whoever asks. It has one thread: what is forked finds no lock that nobody gives back."""

    def __init__(self, listener: socket.socket, pipe: int, prepare: Callable[[list[str]], None]) -> None:
        """``prepare``: makes the imports that a program with these arguments needs, before it is forked."""
        self._children: dict[socket.socket, int] = {}
        self._listener = listener
        self._prepare = prepare
        self._pipe = pipe
        self._ended, self._wake = os.pipe()
        self._selector = selectors.DefaultSelector()
        for source in (listener, pipe, self._ended):
            self._selector.register(source, selectors.EVENT_READ)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: who asked for them ends them

    def run(self) -> None:
        """Until the pipe ends, and everything that was forked with it."""
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._pipe:
                    for pid in self._children.values():
                        os.kill(pid, signal.SIGKILL)
                    return
                if key.fileobj is self._listener:
                    self._take_in()
                elif key.fd == self._ended:
                    os.read(self._ended, 4096)
                    self._tell()
                elif (hung_up := cast(socket.socket, key.fileobj)) in self._children:  # it never says more
                    self._selector.unregister(hung_up)
                    os.kill(self._children[hung_up], signal.SIGKILL)

    def _take_in(self) -> None:
        """Somebody asks: fork, and tell the process id."""
        asking, _ = self._listener.accept()
        data, descriptors, *_ = socket.recv_fds(asking, 65_536, 3)
        while data and not data.endswith(b"\n"):
            data += asking.recv(65_536)
        if not data:
            return asking.close()
        request: Request = json.loads(data)
        self._prepare(request["arguments"])
        pid = os.fork()
        if pid == 0:
            try:
                self._leave_to_the_child(asking, descriptors)
                _be(request)
            finally:
                os._exit(1)
        for descriptor in descriptors:
            os.close(descriptor)
        self._children[asking] = pid
        self._selector.register(asking, selectors.EVENT_READ)
        with suppress(OSError):
            asking.sendall(f"{pid}\n".encode())
        return None

    def _leave_to_the_child(self, asking: socket.socket, descriptors: Sequence[int]) -> None:
        """In the child: what is ours is closed, and its standard streams are those that came with the request."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for ours in (self._listener, asking, *self._children):
            ours.close()
        for descriptor in (self._pipe, self._ended, self._wake):
            os.close(descriptor)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)

    def _tell(self) -> None:
        """Those whose process has ended, with its exit code."""
        for asked, pid in list(self._children.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self._children[asked]
                if asked in self._selector.get_map():
                    self._selector.unregister(asked)
                with suppress(OSError), asked:
                    asked.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _be(request: Request) -> None:
    """In the child: run it, and end as the interpreter does."""
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setpgid(0, request["group"])  # no session: where each has its own share of the machine, being nice means nothing
    os.nice(max(0, request["nice"] - os.nice(0)))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    random.seed()  # two apps are not to have the same chance
    for module, name in MADE_UP:
        if module in sys.modules:
            setattr(sys.modules[module], name, secrets.token_hex(8))
    _read_again()
    cast(TextIOWrapper, sys.stdout).reconfigure(write_through=True)
    code = _ran(request["arguments"])
    with suppress(KeyboardInterrupt):
        threading._shutdown()  # pyrefly: ignore[missing-attribute]  # as the interpreter's end does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _read_again() -> None:
    """What gradio reads of the environment while it is imported."""
    if "HF_HOME" in os.environ and "gradio" in sys.modules:
        from gradio import networking, tunneling

        folder = Path(os.environ["HF_HOME"], "gradio", "frpc")
        networking.GRADIO_SHARE_SERVER_ADDRESS = os.environ.get("GRADIO_SHARE_SERVER_ADDRESS")
        tunneling.BINARY_FOLDER, tunneling.BINARY_PATH = folder, str(folder / tunneling.BINARY_FILENAME)


MADE_UP = (("voice_agents.ui.socket", "BOOT"),)
"""What modules make up when they are imported, and differs from start to start."""


def _ran(arguments: list[str]) -> int:
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        elif arguments[0] == "-c":
            sys.argv = ["-c", *arguments[2:]]
            program = sys.modules["__main__"] = ModuleType("__main__")
            exec(arguments[1], vars(program))
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        sys.stderr.write(f"{ending.code}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _load(arguments: list[str]) -> None:
    (_load_offline if arguments[:2] == OFFLINE else _load_app)()


@cache
def _load_app() -> None:
    """All that ``app.py`` imports."""
    from voice_agents.type_stubs import write_no_type_stubs

    write_no_type_stubs()
    for module in ("voice_agents.ui.app", "voice_agents.offline.brain", "voice_agents.local_models"):
        importlib.import_module(module)
    gc.freeze()


@cache
def _load_offline() -> None:
    """All that the offline server imports, and its models."""
    for module in ("voice_agents.offline.__main__", "voice_agents.offline.vendor_types"):
        importlib.import_module(module)
    del sys.modules["voice_agents.offline.__main__"]  # which will be run
    from voice_agents.offline import tts
    from voice_agents.offline.brain import expectation, warm_up
    from voice_agents.offline.stt import ears, recogniser

    warm_up()
    load = ears._whisper
    patch.object(ears, "_whisper", lambda needed: _Later(lambda: load(needed))).start()
    voice, listener = tts._load(), ears.Ears(expectation())
    patch.object(tts, "_load", lambda: voice).start()
    patch.object(recogniser, "Ears", lambda _: listener).start()
    gc.freeze()


class _Later:
    """Whisper, loaded when it is first asked for words: it has a thread, which would not be forked."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = cache(load)

    def warm_up(self) -> None:
        """Not yet."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)


if __name__ == "__main__":
    sys.executable = sys.argv[3]
    Parent(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), _load).run()
