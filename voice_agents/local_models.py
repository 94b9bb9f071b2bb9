"""Servers of language models on this machine (Ollama, LM Studio, llama.cpp, vLLM at their usual ports), and which of
them answers in the offline agent's place."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from voice_agents.errors import VoiceAgentError

USUAL = (("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080), ("vLLM", 8000))
"""Name and port, in the order they are preferred."""
TIMEOUT_S = 0.5
LARGEST_LIST = 1_000_000
"""Bytes."""
_NO_CHAT = ("embed", "rerank", "whisper", "tts", "bge-", "clip")
"""Parts of names of models that do not talk."""


@dataclass(frozen=True, slots=True)
class FoundModelServer:
    """A server that answers OpenAI's chat protocol."""

    name: str
    base_url: str
    """Ends with ``/v1``."""
    model: str
    """The first of its models that can talk."""

    @property
    def introduction(self) -> str:
        """As a user is told of it."""
        return f"{self.name} on this machine ({self.model})"


Tell = Callable[[FoundModelServer | None], None]
"""Is told who answers from now on; None: the offline agent. Blocks; raises VoiceAgentError with one sentence."""


class ModelChoice:
    """Which model server answers in the offline agent's place; none at first. Good from any thread."""

    def __init__(
        self, usual: Iterable[tuple[str, int]] = USUAL, tell: Tell | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """``usual``: where to look. ``tell``: the offline server, whose Realtime sockets think for themselves."""
        self._usual = tuple(usual)
        self._timeout_s = timeout_s
        self._tell = tell
        self._one_by_one = threading.Lock()
        self._chosen: FoundModelServer | None = None

    @property
    def chosen(self) -> FoundModelServer | None:
        """Who answers now; None: the offline agent."""
        return self._chosen

    @property
    def reaches_realtime(self) -> bool:
        """What is chosen answers on the offline server's Realtime sockets, too."""
        return self._tell is not None

    def found(self) -> list[FoundModelServer]:
        """Those that answer now. Blocks for ``timeout_s`` at most."""
        return find_model_servers(self._usual, self._timeout_s)

    def choose(self, name: str) -> None:
        """Let the server of this name answer from now on, or the offline agent again if it is empty.

        Blocks. Raises VoiceAgentError with one sentence when that is not possible; then all is as it was.
        """
        server = None
        if name:
            server = next((each for each in self.found() if each.name == name), None)
            if server is None:
                raise VoiceAgentError(f"{name} does not answer on this machine: start it, and look again.")
        with self._one_by_one:
            if self._tell is not None:
                self._tell(server)
            self._chosen = server


def find_model_server(
    usual: Iterable[tuple[str, int]] = USUAL, timeout_s: float = TIMEOUT_S
) -> FoundModelServer | None:
    """The first of :func:`find_model_servers`."""
    return next(iter(find_model_servers(usual, timeout_s)), None)


def find_model_servers(
    usual: Iterable[tuple[str, int]] = USUAL, timeout_s: float = TIMEOUT_S
) -> list[FoundModelServer]:
    """The servers that answer within ``timeout_s`` and have a model that can talk; all are asked at once.

    Only 127.0.0.1 is asked, and nothing is sent but ``GET /v1/models``. Blocks not much longer; never raises.
    """
    places = list(usual)
    if not places:
        return []
    with ThreadPoolExecutor(len(places), thread_name_prefix="model-servers") as threads:
        found = threads.map(lambda place: _ask(place[0], place[1], timeout_s), places)
        return [server for server in found if server is not None]


def _ask(name: str, port: int, timeout_s: float) -> FoundModelServer | None:
    base_url = f"http://127.0.0.1:{port}/v1"
    until = time.monotonic() + timeout_s
    try:
        with httpx.stream("GET", f"{base_url}/models", timeout=timeout_s, trust_env=False) as answer:
            models = _names(json.loads(_body(answer, until))) if answer.status_code == 200 else []
    except (httpx.HTTPError, ValueError, RecursionError):
        return None
    return FoundModelServer(name, base_url, models[0]) if models else None


def _body(answer: httpx.Response, until: float) -> bytes:
    """Raises ValueError when it is endless, or drips."""
    body = b""
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > LARGEST_LIST or time.monotonic() > until:
            raise ValueError("no list of models")
    return body


def _names(listed: Any) -> list[str]:
    """The models that can talk, of a list in OpenAI's form; none if it is anything else."""
    entries = listed.get("data") if isinstance(listed, dict) else None
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [name for name in names if isinstance(name, str) and name and not _is_other(name)]


def _is_other(name: str) -> bool:
    return any(part in name.lower() for part in _NO_CHAT)
