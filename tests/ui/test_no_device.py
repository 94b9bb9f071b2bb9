"""The packets of a WebM stream, however it is cut into pieces; run in Node."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

MODULE = Path(__file__).parents[2] / "voice_agents" / "ui" / "static" / "no_device.js"
_RUN = """
const { OpusPackets } = await import(process.argv[1]);
const { bytes, piece } = JSON.parse(process.argv[2]);
const all = new Uint8Array(Buffer.from(bytes, "base64"));
const found = [];
const packets = new OpusPackets((data) => found.push(Buffer.from(data).toString("hex")));
for (let at = 0; at < all.length; at += piece) packets.feed(all.subarray(at, at + piece));
console.log(JSON.stringify(found));
"""
UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"
PACKETS = [b"\x01\x02\x03", b"\xff" * 300, b"", b"\x1f\x43\xb6\x75"]


def size(number: int) -> bytes:
    """In as few bytes as it needs, as EBML writes it."""
    length = next(length for length in range(1, 9) if number < (1 << 7 * length) - 1)
    return (number | 1 << 7 * length).to_bytes(length, "big")


def element(id: str, body: bytes) -> bytes:
    return bytes.fromhex(id) + size(len(body)) + body


def block(packet: bytes) -> bytes:
    return element("a3", b"\x81\x00\x00\x80" + packet)


def cluster(*packets: bytes, known: bool) -> bytes:
    body = element("e7", b"\x00") + b"".join(map(block, packets))
    return element("1f43b675", body) if known else bytes.fromhex("1f43b675") + UNKNOWN + body


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("known", [True, False])
def test_packets_are_found_wherever_the_stream_is_cut(piece: int, known: bool) -> None:
    head = element("1a45dfa3", element("4282", b"webm"))
    info = element("1549a966", b"\x00" * 200) + element("1654ae6b", block(b"not one of the sound"))
    clusters = cluster(*PACKETS[:2], known=known) + cluster(*PACKETS[2:], known=known)
    stream = head + bytes.fromhex("18538067") + UNKNOWN + info + clusters
    node = shutil.which("node") or str(compute_driver_executable()[0])
    given = json.dumps({"bytes": base64.b64encode(stream).decode(), "piece": piece})
    run = [node, "--input-type=module", "-e", _RUN, str(MODULE), given]
    said = subprocess.run(run, capture_output=True, text=True, check=True, timeout=30).stdout
    assert json.loads(said) == [packet.hex() for packet in PACKETS]
