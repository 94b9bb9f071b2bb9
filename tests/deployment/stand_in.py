"""The container's steps without Docker: ``python -m tests.deployment.stand_in`` builds, runs, asks and stops it.

``--debian FOLDER`` does so in an empty Debian there (as root; made by ``debootstrap`` where the folder does not exist).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.deployment.container import Container
from tests.deployment.talk import Stopped, stopped_while_an_answer_plays

PACKAGES = "python3,python3-venv,ca-certificates"
"""What stands for the Python that the image's base brings."""
MIRROR = "http://deb.debian.org/debian"


def debian(folder: Path) -> None:
    """An empty Debian, as small as the image's base."""
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder), MIRROR]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Build, run, stop; tells what it did, raises what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--debian", type=Path, help="an empty Debian, made here if there is nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="container-") as folder:
        root = options.debian or Path(folder)
        if options.debian and not root.exists():
            debian(root)
        root.chmod(0o755)
        container = Container(root, debian=bool(options.debian))
        began = time.monotonic()
        container.build()
        print(f"built in {time.monotonic() - began:.0f} s", flush=True)
        stopped = asyncio.run(stopped_while_an_answer_plays(container))
        print(f"healthy after {stopped.healthy_s:.1f} s on port {container.port}, as user {stopped.user}")
        print(f"ended {stopped.ended_s:.1f} s after SIGTERM with exit code {stopped.code}; meanwhile: {stopped.health}")
        for entry in stopped.stored:
            print(f"stored: {entry.role.value}: {entry.text}{' (cut here)' if entry.interrupted else ''}")
        check(container, stopped)


def check(container: Container, stopped: Stopped) -> None:
    """Raises SystemExit for what must not be."""
    wrong = {
        "it ran as another user": os.geteuid() == 0 and stopped.user != container.user[0],
        "it did not end by itself": stopped.code != 0,
        "it let others in while it was being stopped": stopped.health != "503 draining",
        "the answer was not stored as it was heard": not (stopped.stored and stopped.stored[-1].interrupted),
    }
    if found := [sentence for sentence, true in wrong.items() if true]:
        raise SystemExit(f"wrong: {', '.join(found)}\n{stopped.output}")


if __name__ == "__main__":
    main()
