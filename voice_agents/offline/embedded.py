"""The offline server as a child process of the app.

A process of its own for two reasons: pocketsphinx holds the GIL while it decodes, which would stall the app's event
loop; and espeak-ng (GPL-3.0-or-later) is loaded by a program beside the app, not by the app.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from voice_agents.errors import VoiceAgentError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 2.0

_ROOT = Path(__file__).resolve().parents[2]


class EmbeddedServer:
    """``with EmbeddedServer() as url:`` runs the offline server on a free loopback port.

    Blocking, so for use outside an event loop. ``arguments`` are further ones for ``python -m voice_agents.offline``.
    The child ends with the block, and by itself when this process dies, even by SIGKILL: it watches a pipe only this
    process holds. Raises VoiceAgentError, with the end of what the child wrote to stderr, if it does not come up.
    """

    def __init__(self, arguments: Sequence[str] = (), *, start_timeout_s: float = START_TIMEOUT_S) -> None:
        self._arguments = tuple(arguments)
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child, while it runs."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> str:
        command = [sys.executable, "-m", "voice_agents.offline", "--port", "0", "--parent-pipe", *self._arguments]
        with tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
            assert self._process.stdout is not None
            url = _first_line(self._process.stdout, self._start_timeout_s)
            if not url.startswith("http"):
                self._stop()
                raise VoiceAgentError(f"The offline speech server did not start: {_tail(errors)}")
        return url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _first_line(stream: IO[bytes], timeout_s: float) -> str:
    """The child's first line; "" when it ended or took too long."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=lambda: lines.put(stream.readline()), name="offline-start", daemon=True).start()
    try:
        return lines.get(timeout=timeout_s).decode().strip()
    except queue.Empty:
        return ""


def _tail(errors: IO[bytes], length: int = 600) -> str:
    errors.seek(0)
    return errors.read()[-length:].decode(errors="replace").strip() or "it said nothing in time."
