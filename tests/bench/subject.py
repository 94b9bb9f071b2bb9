"""What a benchmark measures: one of the two engines over its provider with fixed delays."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.bench import provider, realtime_provider
from tests.bench.provider import Partials, fixed_delays, said
from tests.bench.sentences import SENTENCES
from voice_agents.engines.engine import Engine, RealtimeEngine, SandwichEngine
from voice_agents.settings import Settings

SILENCE_S = 0.5
PHRASES = ("what time is it in tokyo", "tell me a story please", "what is twelve times seven", "flip a coin for me")


class Kind(StrEnum):
    """Which engine."""

    SANDWICH = "sandwich"
    REALTIME = "realtime"


PROVIDERS = {Kind.SANDWICH: "tests.bench.provider", Kind.REALTIME: "tests.bench.realtime_provider"}
"""The module that is each engine's provider with fixed delays."""


def engine_of(kind: Kind, settings: Settings) -> Engine:
    """An engine of this kind; it is to be entered."""
    return SandwichEngine(settings) if kind is Kind.SANDWICH else RealtimeEngine(settings)


@dataclass(frozen=True)
class Subject:
    """A running engine, and what of voice to voice is not its own: the silence and its provider's delays."""

    engine: Engine
    fixed_s: float


@asynccontextmanager
async def subject(kind: Kind, partials: Partials | None = None) -> AsyncIterator[Subject]:
    """Start the provider and the engine.

    ``partials``: its recogniser knows the sentences, and every one is spoken once before, so that no voice is made
    meanwhile; else whatever it hears is words without a meaning.
    """
    for number in range(len(SENTENCES) if partials is not None else 0):
        said(number)
    sandwich = kind is Kind.SANDWICH
    options = ("--partials", partials.name) if sandwich and partials is not None else ()
    with fixed_delays(PROVIDERS[kind], *options) as url, tempfile.TemporaryDirectory() as folder:
        settings = Settings(database=Path(folder) / "bench.sqlite3").with_offline(url)
        async with engine_of(kind, settings) as engine:
            yield Subject(engine, SILENCE_S + (provider.FIXED_S if sandwich else realtime_provider.FIRST_AUDIO_S))


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows ``--engine``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--engine", type=Kind, choices=tuple(Kind), default=Kind.SANDWICH)
    return parser
