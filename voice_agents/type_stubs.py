"""Keeps gradio from writing type stubs of its components into its own folder at each import.

They are for editors, and are in the package already. Making and comparing them takes 40 % of gradio's import (measured:
2.8 s of processor time with them, 1.7 s without), and a server's folders are often not to be written to at all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_WRITER, _WRITES = "gradio.component_meta", "create_or_modify_pyi"


class _Finder(MetaPathFinder):
    """Lets gradio's module be loaded as it is, and takes the writing out."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _WRITER:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_without(module: ModuleType) -> None:
                load(module)
                if hasattr(module, _WRITES):  # of a gradio that does so
                    setattr(module, _WRITES, lambda *_: None)

            spec.loader.exec_module = load_without
        return spec


def write_no_type_stubs() -> None:
    """From now on in this process; to be called before gradio is imported, once or more often."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
