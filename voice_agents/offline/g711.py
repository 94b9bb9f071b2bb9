"""G.711: 8 kHz telephone audio as one byte a sample, mu-law and A-law (ITU-T G.711), by table."""

from __future__ import annotations

import numpy as np

from voice_agents.audio import Pcm


def _ulaw_table() -> Pcm:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_table() -> Pcm:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code & 0x70) >> 4
    magnitude = ((code & 0x0F) << 4) + np.where(segment == 0, 0x008, 0x108)
    magnitude = np.left_shift(magnitude, np.maximum(segment - 1, 0))
    return np.asarray(np.where(code & 0x80, magnitude, -magnitude), dtype=np.int16)


def _encoder(table: Pcm) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """The nearest code of every 16-bit value."""
    order = np.argsort(table, kind="stable")
    levels = table[order].astype(np.int32)
    edges = (levels[:-1] + levels[1:] + 1) // 2
    nearest = np.searchsorted(edges, np.arange(-32768, 32768, dtype=np.int32), side="right")
    return order[nearest].astype(np.uint8)


_FROM_ULAW, _FROM_ALAW = _ulaw_table(), _alaw_table()
_TO_ULAW, _TO_ALAW = _encoder(_FROM_ULAW), _encoder(_FROM_ALAW)


def decode_ulaw(data: bytes) -> Pcm:
    """Mu-law bytes -> PCM16 samples at the same rate."""
    return _FROM_ULAW[np.frombuffer(data, dtype=np.uint8)]


def encode_ulaw(pcm: Pcm) -> bytes:
    """PCM16 samples -> mu-law bytes at the same rate."""
    return _TO_ULAW[pcm.astype(np.int32) + 32768].tobytes()


def decode_alaw(data: bytes) -> Pcm:
    """A-law bytes -> PCM16 samples at the same rate."""
    return _FROM_ALAW[np.frombuffer(data, dtype=np.uint8)]


def encode_alaw(pcm: Pcm) -> bytes:
    """PCM16 samples -> A-law bytes at the same rate."""
    return _TO_ALAW[pcm.astype(np.int32) + 32768].tobytes()
