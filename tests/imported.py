"""Imported by the process that :mod:`tests.forked` forks: all libraries of the app, and nothing of the app itself."""

import sys

from voice_agents.type_stubs import write_no_type_stubs

write_no_type_stubs()
import voice_agents.ui.app  # noqa: E402, F401

for _name in [name for name in sys.modules if name.partition(".")[0] == "voice_agents"]:
    del sys.modules[_name]  # what a module makes up when it is imported differs from start to start
