"""MP3: speech as MPEG audio layer 3 at a constant bit rate, encoded by libmp3lame through PyAV."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from voice_agents.audio import EMPTY, Pcm


class Mp3Encoder:
    """PCM16 samples -> bare MP3 frames (no ID3 tag, no Xing header), as a stream.

    Blocks: about 10 ms for a second of speech and 3 ms for the first call, so not for the event loop; one thread at a
    time. The codec delays the sound by 25 ms at 44.1 kHz and by 50 ms at 22.05 kHz, and pads its end to whole frames.
    """

    def __init__(self, rate: int, kbps: int) -> None:
        self._rate = rate
        self._kbps = kbps
        self._codec: av.AudioCodecContext | None = None
        self._rest: Pcm = EMPTY
        self._position = 0

    def feed(self, pcm: Pcm) -> bytes:
        """The next samples in; the frames that are complete, out."""
        codec = self._opened()
        pcm = np.concatenate((self._rest, pcm))
        whole = len(pcm) // codec.frame_size * codec.frame_size
        self._rest = pcm[whole:]
        pieces = (pcm[start : start + codec.frame_size] for start in range(0, whole, codec.frame_size))
        return b"".join(self._encode(piece) for piece in pieces)

    def flush(self) -> bytes:
        """End of the stream: the frames still held back. The encoder cannot be fed afterwards."""
        rest = self._encode(self._rest) if len(self._rest) else b""
        return rest + _joined(self._opened().encode(None))

    def _opened(self) -> av.AudioCodecContext:
        """Opening takes time, too, so it is left to the first samples."""
        if self._codec is None:
            self._codec = av.CodecContext.create("libmp3lame", "w")
            self._codec.sample_rate, self._codec.layout, self._codec.format = self._rate, "mono", "s16p"
            self._codec.bit_rate, self._codec.time_base = self._kbps * 1000, Fraction(1, self._rate)
            self._codec.open()
        return self._codec

    def _encode(self, pcm: Pcm) -> bytes:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[None, :]), format="s16p", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = self._rate, Fraction(1, self._rate), self._position
        self._position += len(pcm)
        return _joined(self._opened().encode(frame))


def _joined(packets: list[av.Packet]) -> bytes:
    return b"".join(bytes(packet) for packet in packets)
