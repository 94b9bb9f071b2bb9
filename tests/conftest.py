"""How the tests run: several at once where that pays, chance that is the same on every machine, skips that may fail."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.forked import FORKS, WARM, offline_program, warm, warm_workers
from tests.postgres import MISSING, PostgresServer, binaries, postgres_server
from tests.recorded import NOT_HERE
from voice_agents.collector import no_collections
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.type_stubs import write_no_type_stubs

write_no_type_stubs()

WORKERS = 6
"""More than most machines' spare cores: many tests wait for a server, a browser or a clock."""
NO_SKIPS = "VOICE_AGENTS_NO_SKIPS"
"""Set to 1 where a skipped test must fail the run (continuous integration)."""
ONE_SERVER = (
    "tests/test_stopping.py",
    "tests/offline/test_stt.py",
    "tests/test_instances.py",
    "tests/offline/realtime/test_sdk.py",
    "tests/turns/test_voiced.py",
)
"""Files whose tests share a server, a recogniser or speech that takes long to begin; what takes longest comes first."""
REAL_TIME = {
    "tests/browser/test_api_in_the_browser.py": "voices in real time",
    "tests/engines/test_two_engines_live.py": "voices in real time",
    "tests/transports/api/test_live.py": "voices in real time",
    "tests/transports/api/test_live_figures.py": "voices in real time",
    "tests/browser/test_app_page.py": "voices in real time",  # its sound is judged: when the other row is at its end
    "tests/browser/test_always_connects.py": "sounds in real time",
    "tests/browser/test_conversations.py": "sounds in real time",
    "tests/browser/test_demo_page.py": "sounds in real time",
    "tests/browser/test_interrupting_over_the_port.py": "sounds in real time",
    "tests/offline/test_tts.py": "sounds in real time",
}
"""Files in which real voices and ears take part in a call, or the sound of one is judged as an ear would: two rows.

The second needs little of the machine: in its calls voices are tones. Two at once are what two cores can do. They run
in this order.
"""
LATER_PAGES = {
    "tests/browser/test_other_pages.py",
    "tests/browser/test_own_addresses.py",
    "tests/browser/test_page_for_all.py",
    "tests/browser/test_truth.py",
    "tests/browser/test_two_tabs.py",
}
"""Half of the other files with a browser: they begin when a worker has ended its first row, and not with the rest."""
NICENESS = {
    "voices in real time": 0,
    "sounds in real time": 0,
    "pages": 5,
    "later pages": 5,
    "tests/test_stopping.py": 5,  # a server that is stopped has six seconds for the answer under way
}
"""How far the rows step back that run beside each other."""
REST_NICENESS = 15
PR_CAPBSET_DROP, CAP_SYS_NICE = 24, 23

settings.register_profile("same everywhere", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("same everywhere")


@pytest.fixture(scope="session")
def offline_server() -> Iterator[EmbeddedServer]:
    """An offline server of this process's own; for tests that only need providers, and leave it as it is."""
    with EmbeddedServer(program=offline_program()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this process's own."""
    if binaries() is None:
        pytest.skip(MISSING)
    with postgres_server() as server:
        yield server


def pytest_configure(config: pytest.Config) -> None:
    """Workers are forked from a process that has imported the tests, their apps from one that has imported the app."""
    workers = config.getoption("tx")
    if FORKS and workers and "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[WARM] = str(warm())
        if set(workers) == {"popen"}:
            python = warm_workers(*(str(config.invocation_params.dir / path) for path in config.args))
            config.option.tx = [f"popen//python={python}"] * len(workers)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers for ``-n auto``: none for a single file, where starting them takes longer than they save."""
    one_file = len(config.args) == 1 and config.args[0].partition("::")[0].endswith(".py")
    return 0 if one_file else WORKERS


def group(nodeid: str) -> str:
    """What a test runs one after the other with, in one process; itself if with nothing."""
    file = nodeid.partition("::")[0]
    if file in REAL_TIME:
        return REAL_TIME[file]
    if file.startswith("tests/browser/"):
        return "later pages" if file in LATER_PAGES else "pages"
    return file if file in ONE_SERVER else nodeid


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Six thousand tests and all libraries stay until the end: the garbage collector need not look at them again."""
    with no_collections():
        try:
            return (yield)
        finally:
            gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first (``--no-loadscope-reorder``), in processes that have not stepped back yet."""
    first = list(dict.fromkeys([*NICENESS, *ONE_SERVER]))
    first.insert(WORKERS, first.pop(first.index("later pages")))
    places = {name: place for place, name in enumerate([*first, *REAL_TIME])}

    def place(item: pytest.Item) -> tuple[int, int]:
        return places.get(group(item.nodeid), len(places)), places.get(item.nodeid.partition("::")[0], len(places))

    items.sort(key=place)


class Groups(LoadScopeScheduling):
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
    """The rest steps back: in a browser or on a line a call really is heard while it is spoken, and late is wrong."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        step_back(NICENESS.get(group(item.nodeid), REST_NICENESS))


def step_back(to: int) -> None:
    """This process and what it starts; where root runs it, Chromium would come to the front again."""
    if hasattr(os, "nice") and to > (now := os.nice(0)):
        os.nice(to - now)
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
