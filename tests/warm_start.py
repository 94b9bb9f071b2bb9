"""What stands in the place of Python in what :mod:`tests.warm` forks: it has apps and offline servers forked there too.

Arguments: the socket of :mod:`tests.warm`, then Python's own. A forked program ends as this does, and this as that; any
other is run by the real Python. It imports next to nothing, to be quick.
"""

import json
import os
import signal
import socket
import sys


def forked(address: str, arguments: list[str]) -> int:
    """Its exit code."""
    request = {
        "arguments": arguments,
        "env": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109 - quick
        "group": os.getpgrp(),
        "nice": os.nice(0),
    }
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(address)
        socket.send_fds(asked, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
        with asked.makefile("rb") as answer:
            pid = int(answer.readline())
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda number, _: os.kill(pid, number))
            return int(answer.readline())


WORKER = "import sys;exec(eval(sys.stdin.readline()))"
"""With what pytest-xdist starts a worker."""


def is_known(arguments: list[str]) -> bool:
    """Whether its imports have been made: a module of this project, the app, or a worker of a run of the tests."""
    return arguments[0] == "-m" or arguments[0].endswith("/app.py") or arguments == ["-c", WORKER]


if __name__ == "__main__":
    address, *given = sys.argv[1:]
    program = [word for word in given if word != "-u"]
    if not is_known(program):
        os.execv(sys.executable, [sys.executable, *given])
    code = forked(address, program)
    sys.exit(code if code >= 0 else 128 - code)
