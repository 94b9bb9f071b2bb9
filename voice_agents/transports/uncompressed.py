"""Keeps a socket of sound uncompressed: PCM hardly shrinks, and deflating fifty frames a second costs every call."""

from __future__ import annotations

from typing import Any

_WISH = b"sec-websocket-extensions"
"""The header in which a browser offers to compress (RFC 7692)."""


class _Uncompressed:
    """Stands before one of uvicorn's HTTP protocols."""

    path: bytes
    url: bytes
    scope: dict[str, Any]
    headers: list[tuple[bytes, bytes]]

    def handle_websocket_upgrade(self, *event: Any) -> None:
        """Not told of the wish, uvicorn's WebSocket does not grant it."""
        if self.scope["raw_path"].endswith(self.path):
            kept = [(name, value) for name, value in self.headers if name.lower() != _WISH]
            self.headers[:] = kept
        super().handle_websocket_upgrade(*event)  # pyrefly: ignore[missing-attribute]


def uncompressed(protocol: type[Any], path: str) -> type[Any]:
    """One of uvicorn's HTTP protocols, for its ``Config.http``, that compresses no WebSocket at this path."""
    return type(f"Uncompressed{protocol.__name__}", (_Uncompressed, protocol), {"path": path.encode()})
