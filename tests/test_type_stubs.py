"""gradio leaves its own folder, and everybody's components, as they are."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

COMPONENT = """
from gradio.components.base import FormComponent

class Mine(FormComponent):
    EVENTS = ["change"]
"""


def test_a_component_is_imported_without_a_stub_beside_it(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text(COMPONENT)
    spec = spec_from_file_location("mine", source)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.Mine.change)
    assert not list(tmp_path.glob("*.pyi"))
