"""The offline server as a child process of the app, started again whenever it dies.

A process of its own for two reasons: models at work must not delay the app's event loop; and espeak-ng
(GPL-3.0-or-later) is loaded by a program beside the app, not by the app.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from voice_agents.errors import VoiceAgentError
from voice_agents.offline import new_key

SLOW_START_S = 10.0
"""So often a start that takes long is spoken of."""
STOP_TIMEOUT_S = 2.0
LONGEST_PAUSE_S = 30.0
"""Between two attempts to start a server that will not run again."""

STOPPED = "The offline server stopped; it is being started again."

_TOLD_BYTES = 600
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = (sys.executable, "-m", "voice_agents.offline")

logger = logging.getLogger(__name__)


class EmbeddedServer:
    """``with EmbeddedServer() as server:`` runs the offline server on a free loopback port, at ``server.url``.

    Clients have to bring ``server.key``. When the child dies, another takes its place at the same address with the same
    key; ``server.outage`` says so until it serves. The child ends with the block, and by itself when this process dies,
    even by SIGKILL: it watches a pipe only this process holds.

    Entering blocks for as long as the child needs to come up, so it is for use outside an event loop. ``arguments`` are
    further ones for ``python -m voice_agents.offline``. Raises VoiceAgentError, with the end of what the child wrote to
    stderr, if it ends before it serves.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        program: Sequence[str] = _PROGRAM,
        slow_start_s: float = SLOW_START_S,
    ) -> None:
        self.url = ""
        self.key = new_key()
        self._arguments = tuple(arguments)
        self._thinking: tuple[str, ...] = ()
        self._program = tuple(program)
        self._slow_start_s = slow_start_s
        self._lock = threading.Lock()
        self._leaving = threading.Event()
        self._child: _Child | None = None
        self._serving = False
        self._watch = threading.Thread(target=self._keep_running, name="offline-watch", daemon=True)

    @property
    def pid(self) -> int | None:
        """Process id of the child that serves, or is starting."""
        child = self._child
        return None if child is None else child.process.pid

    @property
    def outage(self) -> str:
        """One sentence for the user while the server does not run; else empty. Cheap, and good from any thread."""
        child = self._child
        serves = self._serving and child is not None and child.process.poll() is None
        return "" if serves or self._leaving.is_set() else STOPPED

    def __enter__(self) -> Self:
        with self._lock:
            if self._leaving.is_set():
                raise VoiceAgentError("The offline server was given up before it started.")
            self._child = _Child(self._command("0"), self.key)
        try:
            self.url = self._child.wait_until_it_serves(self._slow_start_s)
        except BaseException:
            self._child.end()
            raise
        self._serving = True
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        with self._lock:
            assert self._child is not None
            self._child.end()
        self._watch.join()

    def think_with(self, base_url: str = "", model: str = "") -> None:
        """Let a model of a server with OpenAI's chat protocol answer on the Realtime sockets; without one, the rules.

        From the next answer on, and in children to come. Blocks. Raises VoiceAgentError when the child does not do it.
        """
        method, body = ("PUT", {"base_url": base_url, "model": model}) if base_url else ("DELETE", None)
        try:
            httpx.request(
                method, f"{self.url}/model-server", json=body, headers={"api-key": self.key}, trust_env=False
            ).raise_for_status()
        except httpx.HTTPError:
            sentence = "The offline server could not be told who is to answer. Please try again."
            raise VoiceAgentError(self.outage or sentence) from None
        self._thinking = ("--model-server", base_url, model) if base_url else ()

    def give_up(self) -> None:
        """From another thread: entering has taken too long and raises now; a child that starts is ended."""
        self._leaving.set()
        with self._lock:
            if self._child is not None:
                self._child.end_process()

    def _command(self, port: str) -> list[str]:
        return [*self._program, "--port", port, "--parent-pipe", *self._arguments, *self._thinking]

    def _keep_running(self) -> None:
        """Until the block is left. What dies as it starts is started again after a pause, which doubles."""
        while True:
            assert self._child is not None
            self._child.process.wait()
            self._serving = False
            if self._leaving.is_set():
                return
            logger.warning(STOPPED)
            pause_s = 0.0
            while not self._serving:
                if self._leaving.wait(pause_s) or not self._start_again():
                    return
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s or 0.5)

    def _start_again(self) -> bool:
        """One attempt at the same port; False when the block was left meanwhile."""
        with self._lock:
            if self._leaving.is_set():
                return False
            assert self._child is not None
            self._child.end()
            try:
                self._child = child = _Child(self._command(self.url.rpartition(":")[2]), self.key)
            except OSError as error:
                logger.error("The offline server could not be started again: %s", error.strerror)
                return True
        try:
            child.wait_until_it_serves(self._slow_start_s)
            self._serving = True
        except VoiceAgentError as error:
            if not self._leaving.is_set():
                logger.error("%s", error)
        return not self._leaving.is_set()


class _Child:
    """One process of the offline server."""

    def __init__(self, command: Sequence[str], key: str) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        try:
            self.process = subprocess.Popen(
                command,
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                # else Ctrl-C in a terminal would end it before the app has let it finish; not a session of its own,
                # which Linux gives its own share of the machine: `nice python app.py` would not hold for it
                process_group=0,
            )
        except OSError:
            self._errors.close()
            raise
        assert self.process.stdin is not None and self.process.stdout is not None
        self._to, self._said = self.process.stdin, self.process.stdout
        # through the pipe: what stands on a command line or in an environment can be read by others
        with contextlib.suppress(OSError):  # it has ended already, which is told where it is waited for
            self._to.write(f"{key}\n".encode())
            self._to.flush()

    def wait_until_it_serves(self, slow_start_s: float) -> str:
        """The server's URL. Raises VoiceAgentError when the process ends instead; a slow one is waited for."""
        started = threading.Event()
        threading.Thread(target=_remind, args=(started, slow_start_s), name="offline-start", daemon=True).start()
        try:
            url = self._said.readline().decode().strip()
        except ValueError:  # closed under our hands
            url = ""
        finally:
            started.set()
        if not url.startswith("http"):
            self.end_process()
            self._errors.seek(0)
            reason = self._errors.read()[-_TOLD_BYTES:].decode(errors="replace").strip() or "it ended without a word."
            raise VoiceAgentError(f"The offline server did not start: {reason}")
        return url

    def end(self) -> None:
        """End the process politely, then by force, and close what it was reached by. Any number of times."""
        self.end_process()
        self._said.close()
        self._errors.close()

    def end_process(self) -> None:
        """As :meth:`end`, but what it says can still be read to its end."""
        with contextlib.suppress(OSError):
            self._to.close()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _remind(started: threading.Event, slow_start_s: float) -> None:
    waited_s = slow_start_s
    while not started.wait(slow_start_s):
        logger.warning("The offline server is still starting after %.0f s: waiting for it.", waited_s)
        waited_s += slow_start_s
