"""What tests have forked is what they would have started: its output, its end, and nothing of another start."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.forked import FORKS, ROOT, quick_python, start_python, warm_workers
from tests.warm import MADE_UP, OFFLINE
from tests.warm_start import WORKER

pytestmark = pytest.mark.skipif(not FORKS, reason="this system does not fork")

CHANCE = r"(?:secrets|random|uuid|time|datetime)\.\w+\(|os\.(?:environ|getenv|getpid)"
MAKES_UP = re.compile(rf"^(\w+)(?:: [^=]+)? = .*\b(?:{CHANCE})", re.MULTILINE)
ENDS_S = 20


async def test_output_arguments_and_exit_code_are_the_programs_own() -> None:
    code = "import os, sys; print(sys.argv[1], os.environ['WORD'], flush=True); sys.exit(int(sys.argv[2]))"
    process = await start_python(["-c", code, "hello", "3"], {"WORD": "there"}, piped=True)
    assert await process.communicate() == (b"hello there\n", b"")
    assert process.returncode == 3


async def test_what_is_forked_ends_by_its_signals_and_its_errors() -> None:
    waiting = await start_python(["-c", "import signal; print('waits', flush=True); signal.pause()"], {}, piped=True)
    assert waiting.stdout is not None
    assert await waiting.stdout.readline() == b"waits\n"
    waiting.terminate()
    await waiting.communicate()
    assert waiting.returncode == -signal.SIGTERM
    failing = await start_python(["-c", "raise OSError('no')"], {}, piped=True)
    assert b"OSError: no" in (await failing.communicate())[1]
    assert failing.returncode == 1


def test_whoever_started_it_ends_it_by_being_killed() -> None:
    """As a child of the interpreter's would, or an app that loses its offline server."""
    with subprocess.Popen(
        [quick_python(), *OFFLINE, "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, process_group=0
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline().startswith(b"http")
        started.kill()
        started.stdout.read()  # to its end, which it has when nobody holds it any more
    deadline = time.monotonic() + ENDS_S
    with suppress(ProcessLookupError):
        while True:
            os.killpg(started.pid, 0)
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_what_modules_make_up_is_made_up_for_each_fork() -> None:
    found = {
        (".".join(path.relative_to(ROOT).with_suffix("").parts), name)
        for path in Path(ROOT, "voice_agents").rglob("*.py")
        for name in MAKES_UP.findall(path.read_text(encoding="utf-8"))
    }
    assert found == set(MADE_UP)


def test_a_worker_of_a_run_begins_with_the_tests_imported_and_pythons_own_executable() -> None:
    told = "import sys; print(sys.executable, 'tests.test_local_models' in sys.modules)"
    worker = [warm_workers(str(ROOT / "tests" / "test_local_models.py")), "-u", "-c", WORKER]
    done = subprocess.run(worker, input=f"{told!r}\n", capture_output=True, text=True, check=True)
    assert done.stdout == f"{sys.executable} True\n"
