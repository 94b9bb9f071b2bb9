"""Starts the voice agents: ``python app.py`` serves the page; where keys are missing the offline server stands in."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

if sys.version_info < (3, 11):  # noqa: UP036  # said here, before anything fails for another reason
    sys.exit("Python 3.11 or newer is needed.")
if __name__ == "__main__":  # the imports take a second, in which nothing is begun: a traceback would be of no use
    for early in (signal.SIGINT, signal.SIGTERM):
        signal.signal(early, lambda *_: os._exit(0))

from voice_agents.address import DEFAULT_HOST, Address, check_gradio, free_address, kept
from voice_agents.collector import no_collections
from voice_agents.conversation.file import check_database
from voice_agents.errors import Role, VoiceAgentError
from voice_agents.local_models import FoundModelServer, ModelChoice, Tell, find_model_server
from voice_agents.logs import set_up_logging
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.openness import warning
from voice_agents.proxies import gradio_hosts, prepare
from voice_agents.settings import Settings
from voice_agents.stopping import Stopping
from voice_agents.type_stubs import write_no_type_stubs

logger = logging.getLogger(__name__)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Two voice agents in one page.")
    parser.add_argument("--host", default=None, help="address to serve on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, help="port, 0 for any free one (default: the first from GRADIO_SERVER_PORT or 7860 on)"
    )
    parser.add_argument(
        "--chat",
        choices=("auto", "offline"),
        default="offline",
        help="who answers where no chat provider is configured: a model server on this machine (Ollama, LM Studio,"
        " llama.cpp, vLLM) if one runs, or the small offline agent (default)",
    )
    parser.add_argument("--share", action="store_true", help="also open a public Gradio link")
    parser.add_argument(
        "--doctor", action="store_true", help="examine this machine, the providers and a call, and say what to mend"
    )
    parser.add_argument("--json", action="store_true", help="with --doctor: for programs; the exit code tells as well")
    return parser.parse_args()


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; 1 with one plain sentence when that is not possible."""
    options = arguments()
    set_up_logging()
    write_no_type_stubs()
    if options.doctor:
        from voice_agents.doctor.run import run

        for number in (signal.SIGINT, signal.SIGTERM):  # the app it starts inside is to end with it
            signal.signal(number, signal.default_int_handler)
        os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
        os.environ.setdefault("LANGSMITH_TRACING", "false")
        prepare(os.environ)
        return run(EmbeddedServer, host=options.host, port=options.port, as_json=options.json)
    stopping = Stopping()
    try:
        os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
        os.environ.setdefault("LANGSMITH_TRACING", "false")
        prepare(os.environ)
        check_gradio(os.environ)
        settings = Settings.from_env()
        set_up_logging(settings.log_level, content=settings.log_content)
        address = free_address(options.host, options.port, os.environ)
        with kept(address):
            prepare(os.environ, gradio_hosts(address.host))
            check_database(settings.database)
            settings, model_server = with_local_chat(settings, options.chat)
            if said := warning(settings, address.host, options.share):
                print(said, flush=True)
            serve(settings, model_server, address, options.share, stopping)
    except VoiceAgentError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped before the page was served.", flush=True)
    return 0


def with_local_chat(settings: Settings, choice: str) -> tuple[Settings, FoundModelServer | None]:
    """Take, or tell of, a model server on this machine where no chat provider is configured; the one that was taken."""
    if Role.CHAT not in settings.missing_roles:
        return settings, None
    found = find_model_server()
    if choice == "auto":
        print(f"Chat: {found.introduction}." if found else "Chat: no model server answers on this machine.", flush=True)
        return (settings, None) if found is None else (settings.with_model_server(found), found)
    if found is not None:
        print(
            f"Chat: the small offline agent. {found.introduction} could answer: press Offline in the page, or start "
            "python app.py --chat auto",
            flush=True,
        )
    return settings, None


@contextmanager
def ended_with(server: EmbeddedServer | None) -> Iterator[None]:
    """A start that is broken off, as by Ctrl-C, does not wait for a server that is still starting."""
    try:
        yield
    except BaseException:
        if server is not None:
            server.give_up()
        raise


@contextmanager
def started_beside(server: EmbeddedServer) -> Iterator[Callable[[], Settings | None]]:
    """The server starts while the page is served already; gives what it fills, which is None until it serves."""

    def start() -> None:
        try:
            with server:
                served.set()
                leaving.wait()
        except VoiceAgentError as error:
            if not leaving.is_set():
                logger.warning("While a provider fails, nobody can do its work: %s", error)

    def offline() -> Settings | None:
        return Settings().with_offline(server.url, server.key, lambda: server.outage) if served.is_set() else None

    served, leaving = threading.Event(), threading.Event()
    starting = threading.Thread(target=start, name="offline-start")
    starting.start()
    try:
        yield offline
    finally:
        leaving.set()
        server.give_up()
        starting.join()


def server_tells(server: EmbeddedServer) -> Tell:
    """Tells the offline server who answers on its Realtime sockets."""
    return lambda model: server.think_with(model.base_url, model.model) if model else server.think_with()


def serve(
    settings: Settings, model_server: FoundModelServer | None, address: Address, share: bool, stopping: Stopping
) -> None:
    """Start what is embedded and serve the page until it is to stop."""
    thinking = ("--model-server", model_server.base_url, model_server.model) if model_server is not None else ()
    with ExitStack() as stack:
        server = EmbeddedServer(thinking) if settings.missing_roles else None
        stand_in = EmbeddedServer() if server is None and settings.failover else None
        with no_collections(), ThreadPoolExecutor(1) as beside, ended_with(server):
            embedded = beside.submit(stack.enter_context, server) if server is not None else None
            # where gradio looks whether the port is free; it does so for IPv4 only
            os.environ["GRADIO_SERVER_NAME"] = DEFAULT_HOST if ":" in address.host else address.host
            # Here, because it takes seconds, in which the offline server starts.
            from voice_agents.offline.brain import EXAMPLES
            from voice_agents.ui.app import App, serve_page

            if embedded is not None:
                embedded.result()
        if server is not None:
            settings = settings.with_offline(server.url, server.key, lambda: server.outage)
        if stand_in is not None:  # nobody waits for it: it is needed when a provider fails, and takes its time to start
            settings = settings.with_stand_ins(stack.enter_context(started_beside(stand_in)))
        choice = ModelChoice(tell=None if server is None else server_tells(server))
        settings = settings.with_model_choice(choice)
        offline = ", ".join(role.value for role in settings.offline_roles)
        print(f"Offline: {offline}" if offline else "All parts use their configured providers.", flush=True)
        serve_page(App(settings, EXAMPLES, choice), settings, address, share, stopping)


if __name__ == "__main__":
    sys.exit(main())
