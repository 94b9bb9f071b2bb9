"""The collector leaves alone what was loaded before the first engine started."""

from __future__ import annotations

import gc
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from voice_agents.collector import leave_out_what_is_loaded, no_collections
from voice_agents.engines.engine import RealtimeEngine, SandwichEngine
from voice_agents.settings import Settings

SCRIPT = """
import gc
from voice_agents.collector import leave_out_what_is_loaded

loaded = [[]]
leave_out_what_is_loaded()
made_later = [[]]
leave_out_what_is_loaded()
walked = {id(each) for each in gc.get_objects()}
print(id(loaded) in walked, id(made_later) in walked)
"""


def test_what_was_loaded_is_not_walked_and_what_is_made_later_is() -> None:
    printed = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", "True"]


async def test_each_engine_does_that_at_its_start(tmp_path: Path) -> None:
    settings = Settings(database=tmp_path / "agents.sqlite3").with_offline("http://127.0.0.1:9")
    for kind in (SandwichEngine, RealtimeEngine):
        gc.unfreeze()
        leave_out_what_is_loaded.cache_clear()
        async with kind(settings):
            assert gc.get_freeze_count()


def test_collections_go_on_after_loading_whether_it_worked_or_not() -> None:
    assert gc.isenabled()
    with no_collections():
        assert not gc.isenabled()
    with suppress(ImportError), no_collections():
        raise ImportError
    assert gc.isenabled()
