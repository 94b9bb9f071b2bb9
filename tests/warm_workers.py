"""The process that the workers of a run are forked from: it has imported the tests, and with them all libraries.

``python -m tests.warm_workers LISTENER PIPE PATH...`` forks as :mod:`tests.warm` does. Before the first fork it
collects the tests at these paths, which compiles them too. Each worker collects them once more, a quarter of the
work where nothing is left to import. Apps have another parent: they would start with the tests in them.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

from tests.warm import Parent


@cache
def _collect(*paths: str) -> None:
    """What is wrong with the tests, the workers will say: they try again to import what could not be imported."""
    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing):
        pytest.main([*paths, "-n", "0", "--collect-only", "-qq", "-p", "no:cacheprovider"])


if __name__ == "__main__":
    listener, pipe, *paths = sys.argv[1:]
    Parent(socket.socket(fileno=int(listener)), int(pipe), lambda _: _collect(*paths)).run()
