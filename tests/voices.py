"""Spoken test input: the Debian voices flite and espeak-ng, as int16 mono at 16 kHz."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from voice_agents.audio import Pcm, read_wav, resample, silence, write_wav

RATE = 16_000


@cache
def flite(text: str, voice: str = "slt") -> Pcm:
    """Text in one of flite's voices (slt, rms, awb, kal16), trimmed to the samples louder than -54 dBFS."""
    need("flite")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, timeout=60)
        pcm, rate = read_wav(path)
    return trimmed(resample(pcm, rate, RATE))


@cache
def espeak(text: str, voice: str = "en-us") -> Pcm:
    """Text in an espeak-ng voice, trimmed; a recogniser trained on people finds it hard."""
    need("espeak-ng")
    out = subprocess.run(
        ["espeak-ng", "-v", voice, "--stdout", text], check=True, timeout=60, capture_output=True
    ).stdout
    pcm, rate = read_wav(out)
    return trimmed(resample(pcm, rate, RATE))


@cache
def spoken_by(text: str, voice: str) -> Pcm:
    """Text in a voice with sox's effects behind it: "kal16", "rms pitch -150 tempo 0.9", "espeak:en-gb pitch 80"."""
    name, *effects = voice.split()
    pcm = espeak(text, name.removeprefix("espeak:")) if name.startswith("espeak:") else flite(text, name)
    if not effects:
        return pcm
    need("sox")
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.wav", Path(folder) / "after.wav"
        write_wav(before, pcm, RATE)
        subprocess.run(["sox", before, after, *effects], check=True, timeout=60)
        pcm, rate = read_wav(after)
    return trimmed(resample(pcm, rate, RATE))


def resampled(pcm: Pcm, rate: int) -> Pcm:
    """Speech of this module at another rate."""
    return resample(pcm, RATE, rate)


def trimmed(pcm: Pcm, threshold: int = 64) -> Pcm:
    """Without the quiet samples at both ends."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= threshold)
    return pcm[loud[0] : loud[-1] + 1] if len(loud) else pcm


def onset(pcm: Pcm, below_db: float = 30.0) -> int:
    """The first speech sample of a recording that may begin with its room's noise.

    That of the first 5 ms which are less than ``below_db`` softer than the loud parts.
    """
    frame = RATE // 200
    blocks = pcm[: len(pcm) // frame * frame].reshape(-1, frame).astype(np.float64)
    level_db = 10 * np.log10((blocks**2).mean(axis=1) + 1e-9)
    return int(np.argmax(level_db > np.percentile(level_db, 95) - below_db)) * frame


def padded(pcm: Pcm, before_s: float = 0.5, after_s: float = 1.0) -> Pcm:
    """With silence around it."""
    return np.concatenate([silence(before_s, RATE), pcm, silence(after_s, RATE)])


def noisy(speech: Pcm, ratio_db: float) -> Pcm:
    """With white noise, so much softer than the whole of it, as a poor microphone has; the same noise every time."""
    level = float(np.sqrt(np.mean(speech.astype(np.float64) ** 2))) / 10 ** (ratio_db / 20)
    mixed = speech + np.random.default_rng(2).normal(size=len(speech)) * level
    return np.clip(mixed, -32768, 32767).astype(np.int16)


def need(program: str) -> None:
    """Skip the test with a plain message where a Debian program is missing."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (Debian package {program})")
