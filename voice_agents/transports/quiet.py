"""Ends fastrtc's tracks in the way aiortc understands, so that no call leaves a traceback in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from aiortc.mediastreams import MediaStreamError
from fastrtc.tracks import AudioCallback

Recv = Callable[[AudioCallback], Awaitable[Any]]


def end_calls_quietly() -> None:
    """Once is enough, and more does no harm.

    At the end of a call fastrtc 0.0.34 hands aiortc None in place of a frame, which logs a traceback
    ("'NoneType' object has no attribute 'pts'"); MediaStreamError is how a track says that it is over.
    """
    if not hasattr(AudioCallback.recv, "__wrapped__"):
        AudioCallback.recv = _over_by_error(AudioCallback.recv)


def _over_by_error(recv: Recv) -> Recv:
    @wraps(recv)
    async def frame_or_error(track: AudioCallback) -> Any:
        frame = await recv(track)
        if frame is None:
            raise MediaStreamError
        return frame

    return frame_or_error
