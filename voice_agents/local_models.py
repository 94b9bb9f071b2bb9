"""Finds a server of language models on this machine: Ollama, LM Studio, llama.cpp or vLLM at their usual ports."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

USUAL = (("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080), ("vLLM", 8000))
"""Name and port, in the order they are preferred."""
TIMEOUT_S = 0.5
_NO_CHAT = ("embed", "rerank", "whisper", "tts", "bge-", "clip")
"""Parts of names of models that do not talk."""


@dataclass(frozen=True, slots=True)
class ModelServer:
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


def find_model_server(usual: Iterable[tuple[str, int]] = USUAL, timeout_s: float = TIMEOUT_S) -> ModelServer | None:
    """The first of the servers that answers within ``timeout_s`` and has a model that can talk; all are asked at once.

    Only 127.0.0.1 is asked, and nothing is sent but ``GET /v1/models``. Blocks that long at most; never raises.
    """
    places = list(usual)
    if not places:
        return None
    with ThreadPoolExecutor(len(places), thread_name_prefix="model-servers") as threads:
        found = threads.map(lambda place: _ask(place[0], place[1], timeout_s), places)
        return next((server for server in found if server is not None), None)


def _ask(name: str, port: int, timeout_s: float) -> ModelServer | None:
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        answer = httpx.get(f"{base_url}/models", timeout=timeout_s, trust_env=False)
        models = _names(answer.json()) if answer.status_code == 200 else []
    except (httpx.HTTPError, ValueError):
        return None
    return ModelServer(name, base_url, models[0]) if models else None


def _names(listed: Any) -> list[str]:
    """The models that can talk, of a list in OpenAI's form; none if it is anything else."""
    entries = listed.get("data") if isinstance(listed, dict) else None
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [name for name in names if isinstance(name, str) and name and not _is_other(name)]


def _is_other(name: str) -> bool:
    return any(part in name.lower() for part in _NO_CHAT)
