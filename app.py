"""Starts the voice agents: ``python app.py`` serves the page; where keys are missing the offline server stands in."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from voice_agents.collector import no_collections
from voice_agents.errors import ConfigurationError, VoiceAgentError
from voice_agents.offline.brain import EXAMPLES
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.settings import Settings


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Two voice agents in one page.")
    parser.add_argument("--host", default=None, help="address to serve on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, help="port (default: the first free one from GRADIO_SERVER_PORT or 7860 on)"
    )
    parser.add_argument("--share", action="store_true", help="also open a public Gradio link")
    return parser.parse_args()


def prepare_gradio() -> None:
    """What gradio reads at its import. Raises ConfigurationError for a port it would fail at."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    if not os.environ.get("GRADIO_SERVER_PORT", "0").isdecimal():
        raise ConfigurationError("GRADIO_SERVER_PORT must be a number such as 7860.")


def check_port(host: str, port: int) -> None:
    """Raises ConfigurationError for an address that cannot be served on, before anything slow begins."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError):  # the latter for numbers that are no port
        raise ConfigurationError(
            f"The page cannot be served on port {port}: another program has it, or the host is not this machine. "
            "Choose another one with --port or --host."
        ) from None


def check_database_file(file: Path) -> None:
    """Raises ConfigurationError when the database's file can be neither opened nor made."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a folder")
    except OSError as error:
        raise ConfigurationError(
            f"The database {file} cannot be opened ({error}): set DATABASE_URL to a file this program may write, "
            "such as sqlite:///conversations.sqlite3."
        ) from None


def main() -> int:
    """Serve until Ctrl-C; 1 with one plain sentence when that is not possible."""
    options = arguments()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        prepare_gradio()
        settings = Settings.from_env()
        check_database_file(settings.database)
        if options.port:
            check_port(options.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1", options.port)
        with ExitStack() as stack:
            with no_collections(), ThreadPoolExecutor(1) as beside:
                embedded = beside.submit(stack.enter_context, EmbeddedServer()) if settings.missing_roles else None
                # Here, because it takes seconds, in which the offline server starts.
                from voice_agents.ui.app import App, check_database, serve
            asyncio.run(check_database(settings))
            if embedded is not None:
                server = embedded.result()
                settings = settings.with_offline(server.url, server.key, lambda: server.outage)
            offline = ", ".join(role.value for role in settings.offline_roles)
            print(f"Offline: {offline}" if offline else "All parts use their configured providers.", flush=True)
            serve(App(settings, EXAMPLES), settings, options.host, options.port, options.share)
    except VoiceAgentError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
