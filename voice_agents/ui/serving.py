"""Gradio's web server as this page needs it: limits it takes no wishes for, and patience while it starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import uvicorn
from gradio import http_server
from gradio.exceptions import ServerFailedToStartError
from gradio.routes import App as GradioApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from voice_agents.address import is_free
from voice_agents.impatience import impatient, impatient_socket
from voice_agents.transports.api.messages import LARGEST_MESSAGE
from voice_agents.transports.page_call import PATH as CALL_PATH
from voice_agents.transports.uncompressed import uncompressed

LOOK_EVERY_S = 0.005


@contextmanager
def no_server_yet() -> Iterator[None]:
    """While a page is put together.

    gradio 5.50.0 makes its server when that begins, when it ends and when it gets its queue, and throws all three away
    when it is launched. Each has a hundred routes: a twelfth of a second of the start.
    """
    make = GradioApp.create_app
    GradioApp.create_app = staticmethod(lambda *_, **__: None)
    try:
        yield
    finally:
        GradioApp.create_app = staticmethod(make)


def limit_connections() -> None:
    """Limits of uvicorn's that gradio takes no wishes for; before it listens, for the first connections too.

    Without them half-sent requests and unread answers stay, and a socket's message is taken in up to 16 MB before we
    see a byte.
    """
    limited = partial(
        uvicorn.Config,
        ws_max_size=LARGEST_MESSAGE,
        http=uncompressed(impatient(AutoHTTPProtocol), CALL_PATH),
        ws=impatient_socket(WebSocketsSansIOProtocol),
    )
    vars(http_server)["uvicorn"] = SimpleNamespace(Config=limited)


class PatientServer(http_server.Server):
    """Is waited for as long as it is starting: gradio gives up after five seconds, while it starts all the same."""

    def run_in_thread(self) -> None:
        """Until it serves. Raises ServerFailedToStartError when its thread has ended instead."""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        while not self.started:
            if not self.thread.is_alive():
                raise ServerFailedToStartError("Server failed to start.")
            time.sleep(LOOK_EVERY_S)


def wait_for_slow_starts() -> None:
    """Let gradio wait for its server on a machine that is busy."""
    vars(http_server)["Server"] = PatientServer


def why_not_served(host: str, port: int) -> str:
    """What to tell when the server ended as it started."""
    if not is_free(host, port):
        return (
            f"The page cannot be served on port {port} of {host}: another program took it just now. "
            "Start it again, or choose another one with --port."
        )
    return f"The page could not be served on port {port} of {host}: the lines above say what went wrong."
