"""A model server on this machine is found by its answer, and whatever else listens there is left alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

import pytest

from voice_agents.errors import Role
from voice_agents.local_models import FoundModelServer, find_model_server
from voice_agents.settings import Settings


@contextmanager
def serving(body: Any, status: int = 200) -> Iterator[int]:
    """Something at a port of this machine that gives one answer to every GET."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert set(asked) <= {"/v1/models"}


def models(*names: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


def test_a_server_is_found_with_its_first_model_that_can_talk() -> None:
    with serving(models("nomic-embed-text", "llama3.2:3b", "qwen3:4b")) as port:
        assert find_model_server([("Ollama", port)], 5.0) == FoundModelServer(
            "Ollama", f"http://127.0.0.1:{port}/v1", "llama3.2:3b"
        )


def test_the_first_in_the_list_is_preferred_however_slow() -> None:
    with serving(models("a")) as first, serving(models("b")) as second:
        found = find_model_server([("LM Studio", first), ("vLLM", second)], 5.0)

    assert found is not None
    assert found.introduction == "LM Studio on this machine (a)"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (models(), 200),
        (models("nomic-embed-text"), 200),
        (models("a"), 404),
        (b"<html>a web page</html>", 200),
        ([1, 2], 200),
        ({"data": "no list"}, 200),
        ({"data": [{"id": 7}, "x"]}, 200),
    ],
)
def test_what_is_no_model_server_is_left_alone(body: Any, status: int) -> None:
    with serving(body, status) as port:
        assert find_model_server([("vLLM", port)], 5.0) is None


def test_one_whose_list_never_ends_is_left_alone() -> None:
    endless = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not endless.is_set():
                    self.wfile.write(b" ")
                    endless.wait(0.02)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            assert find_model_server([("vLLM", server.server_port)], 0.2) is None
        finally:
            endless.set()
            server.shutdown()
            thread.join()


def test_where_nothing_listens_nothing_is_found() -> None:
    with serving(models("a")) as port:
        pass
    assert find_model_server([("Ollama", port)], 5.0) is None
    assert find_model_server([]) is None


def test_its_model_takes_the_chat_of_the_settings_and_nothing_else() -> None:
    settings = Settings.from_env({}).with_model_server(
        FoundModelServer("Ollama", "http://127.0.0.1:11434/v1", "llama3.2")
    )

    assert settings.chat is not None
    assert (settings.chat.base_url, settings.chat.model) == ("http://127.0.0.1:11434/v1", "llama3.2")
    assert set(settings.missing_roles) == {Role.STT, Role.TTS, Role.REALTIME}


def test_a_configured_chat_provider_is_not_replaced() -> None:
    settings = Settings.from_env({"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"})

    assert settings.with_model_server(FoundModelServer("Ollama", "http://127.0.0.1:11434/v1", "llama3.2")) == settings
