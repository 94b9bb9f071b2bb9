"""This machine: Python, packages, settings, port, database, and the path sound takes inside the program."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from voice_agents.doctor.findings import Finding, Outcome, failure

MADE_FOR = (3, 11), (3, 13)
ROOT = Path(__file__).resolve().parents[2]
_SECRET_NAMES = re.compile(r"KEY|TOKEN|PASSWORD|SECRET|HEADERS|CREDENTIAL")


def secrets_of(env: Mapping[str, str]) -> list[str]:
    """Values of the environment that must never be shown."""
    found = [value.strip() for name, value in env.items() if _SECRET_NAMES.search(name) and len(value.strip()) >= 4]
    address = re.compile(r"//[^/@\s]*:([^/@\s]+)@")  # http://name:password@host
    return found + [word for value in env.values() for word in address.findall(value)]


def python() -> Finding:
    """The interpreter."""
    running = ".".join(map(str, sys.version_info[:3]))
    if not MADE_FOR[0] <= sys.version_info[:2] <= MADE_FOR[1]:
        return Finding("Python", Outcome.WARNING, f"{running}, and the tests run with 3.11 to 3.13")
    return Finding("Python", Outcome.OK, f"{running} on {sys.platform}")


def packages() -> Finding:
    """What the app uses is installed in the versions it was tested with."""
    pins = dict(_pins())
    missing, others = [], []
    for name, pinned in pins.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            missing.append(name)
            continue
        if installed != pinned:
            others.append(f"{name} {installed} (tested: {pinned})")
    if missing:
        says = f"{', '.join(missing)} not installed: pip install -r requirements.txt"
        return Finding("packages", Outcome.FAILED, says)
    if others:
        return Finding("packages", Outcome.WARNING, f"not the versions the tests run with: {', '.join(others)}")
    return Finding("packages", Outcome.OK, f"all {len(pins)} as tested" if pins else "requirements.txt is not here")


def _pins() -> Iterator[tuple[str, str]]:
    file = ROOT / "requirements.txt"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    used = text.partition("# What the app uses")[2].partition("# What these bring")[0]
    for line in filter(None, map(str.strip, used.splitlines())):
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate():
            yield pin.name, str(pin.specifier).removeprefix("==")


def tried(name: str, check: Callable[[], str]) -> Finding:
    """A check that raises a sentence when something is wrong; the variables it names are what mends it."""
    began = time.monotonic()
    try:
        says = check()
    except Exception as error:
        return failure(name, error)
    return Finding(name, Outcome.OK, says, seconds=time.monotonic() - began)


def port(host: str | None, number: int | None) -> Finding:
    """Where the page would be served."""
    from voice_agents.address import check_gradio, free_address

    def check() -> str:
        check_gradio(os.environ)
        found = free_address(host, number, os.environ)
        return f"{found.url_host}:{found.port} is free"

    finding = tried("port", check)
    named = finding.variables or ("GRADIO_SERVER_PORT",)
    return finding if finding.outcome is Outcome.OK else Finding("port", finding.outcome, finding.says, named)


def sound_path() -> str:
    """Voice detection, resampling and Opus, with a made-up sound; what it says. Raises what a library raises."""
    import av
    import numpy as np

    from voice_agents.audio import resample, silence
    from voice_agents.turns.vad import RATE, VoiceActivity, load_speech_model

    load_speech_model()
    time_s = np.arange(RATE // 2) / RATE
    tone = (6000 * np.sin(2 * np.pi * 300 * time_s)).astype(np.int16)
    VoiceActivity().feed(np.concatenate([tone, silence(0.5, RATE)]))
    wire = resample(tone, RATE, 48_000)
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(wire[None, :960], format="s16", layout="mono")
    frame.sample_rate = 48_000
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return f"Silero, soxr and Opus work ({sum(p.size for p in packets)} bytes for 20 ms)"


def sound() -> Finding:
    """Whether the libraries of the audio path (voice detection, resampling, Opus) work here, on a made-up sound."""
    began = time.monotonic()
    try:
        return Finding("audio path", Outcome.OK, sound_path(), seconds=time.monotonic() - began)
    except Exception as error:
        says = f"a library of the audio path does not work here ({type(error).__name__}: {error})"
        return Finding("audio path", Outcome.FAILED, f"{says}: pip install --force-reinstall -r requirements.txt")
