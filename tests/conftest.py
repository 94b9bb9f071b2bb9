"""How the tests run: several at once where that pays, chance that is the same on every machine, skips that may fail."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Generator, Iterator
from functools import cache

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.postgres import MISSING, PostgresServer, binaries, postgres_server
from tests.recorded import NOT_HERE
from voice_agents.offline.embedded import EmbeddedServer

WORKERS = 4
"""More than most machines' spare cores: many tests wait for a server, a browser or a clock."""
NO_SKIPS = "VOICE_AGENTS_NO_SKIPS"
"""Set to 1 where a skipped test must fail the run (continuous integration)."""
ONE_SERVER = {
    "tests/offline/realtime/test_sdk.py",
    "tests/offline/test_stt.py",
    "tests/test_instances.py",
    "tests/test_stopping.py",
    "tests/turns/test_voiced.py",
}
"""Files whose tests share a server, a recogniser or speech that takes long to begin."""
REAL_TIME = {
    "tests/engines/test_two_engines_live.py",
    "tests/transports/api/test_live.py",
    "tests/transports/api/test_live_figures.py",
}
"""Files beside ``tests/browser`` in which the real voices and ears take part in a call."""
PR_CAPBSET_DROP, CAP_SYS_NICE = 24, 23

settings.register_profile("same everywhere", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("same everywhere")


@pytest.fixture(scope="session")
def offline_server() -> Iterator[EmbeddedServer]:
    """An offline server of this process's own; for tests that only need providers, and leave it as it is."""
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this process's own."""
    if binaries() is None:
        pytest.skip(MISSING)
    with postgres_server() as server:
        yield server


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers for ``-n auto``: none for a single file, where starting them takes longer than they save."""
    one_file = len(config.args) == 1 and config.args[0].partition("::")[0].endswith(".py")
    return 0 if one_file else WORKERS


def group(nodeid: str) -> str:
    """What a test runs one after the other with, in one process; itself if with nothing."""
    file = nodeid.partition("::")[0]
    if file in REAL_TIME or file.startswith("tests/browser/"):
        return "in real time"  # two of them at once, with their apps, do not fit on two cores
    return file if file in ONE_SERVER else nodeid


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist says nothing of its types
    """Hands out tests one by one, groups to one worker each.

    pytest-xdist's own groups (``--dist loadgroup``) do nothing with pytest 9.2: it no longer lets a test be renamed.
    """

    def _split_scope(self, nodeid: str) -> str:
        """The group a test belongs to, or itself."""
        return group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """Who gets which test."""
    return Groups(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The rest steps back: in a browser or on a line a call really is heard while it is spoken, and late is wrong.

    That group is the largest and so handed out first: its worker has not stepped back before.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and group(item.nodeid) != "in real time":
        step_back()


@cache
def step_back() -> None:
    """Once for this process and what it starts; where root runs it, Chromium would come to the front again."""
    if hasattr(os, "nice"):
        os.nice(10)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip is a failure where ``NO_SKIPS`` is set, unless only the recorded traffic is missing."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and os.environ.get(NO_SKIPS) == "1":
        reason = report.longrepr[2]
        if NOT_HERE not in reason:
            report.outcome = "failed"
            report.longrepr = f"{reason}: a skipped test fails where {NO_SKIPS} is 1"
    return report
