"""Where the page is served: found and tried before anything heavy is loaded, and without a web framework."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from voice_agents.errors import ConfigurationError
from voice_agents.pasted import unwrapped

DEFAULT_HOST = "127.0.0.1"
EVERY_HOST = "0.0.0.0"
FIRST_PORT = 7860
TRIED_PORTS = 100
LAST_PORT = 65535

_NUMBERS = ("GRADIO_SERVER_PORT", "GRADIO_NUM_PORTS", "GRADIO_DEBUG")
"""What gradio reads as numbers, some of them at its import."""
_PATH = re.compile(r"(/[\w.~%@:+-]+)+/?|/?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address of this machine, and a port of it that was free a moment ago."""

    host: str
    port: int

    @property
    def url_host(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


def free_address(host: str | None, port: int | None, env: MutableMapping[str, str]) -> Address:
    """The address asked for, else what the environment says, else 127.0.0.1 and the first free port from 7860 on.

    A Hugging Face Space is asked from outside, so there it is every address. Port 0 is any free one.

    Raises ConfigurationError when it cannot be served on.
    """
    usual = EVERY_HOST if env.get("SPACE_ID") else DEFAULT_HOST
    host = (host or env.get("GRADIO_SERVER_NAME", "")).strip().removeprefix("[").removesuffix("]") or usual
    first = port if port is not None else int(env.get("GRADIO_SERVER_PORT", FIRST_PORT))
    last = first if port is not None or not first else first + int(env.get("GRADIO_NUM_PORTS", TRIED_PORTS)) - 1
    if not 0 <= first <= LAST_PORT:
        raise ConfigurationError(f"Port {first} does not exist: choose one from 1 to {LAST_PORT}, or 0 for a free one.")
    family, own = _own_address(host)
    refusal = OSError()
    for candidate in range(first, min(last, LAST_PORT) + 1):
        try:
            return Address(own, _bound(family, own, candidate))
        except OSError as error:
            refusal = error
    raise ConfigurationError(_refused(host, first, last, refusal)) from None


@contextmanager
def kept(address: Address) -> Iterator[None]:
    """While its libraries are loaded, nobody else is given the port: no outgoing connection, no other app.

    Where the system lets a port be bound that another socket of the same mind listens on: on Linux.
    """
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM) as place:
        if sys.platform == "linux":
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):  # taken a moment ago: told when it is to be served
                place.bind((address.host, address.port))
        yield


def is_free(host: str, port: int) -> bool:
    """Whether this very port can be served on now."""
    try:
        free_address(host, port, {})
    except ConfigurationError:
        return False
    return True


def check_gradio(env: MutableMapping[str, str]) -> None:
    """Raises ConfigurationError for what gradio would break at; what is set to nothing is unset here, as elsewhere.

    So are quotes around a value taken off, for gradio and uvicorn, who read these by themselves.
    """
    for name in [name for name in env if name.startswith("GRADIO_") or name == "FORWARDED_ALLOW_IPS"]:
        value = unwrapped(env.pop(name))
        if value:
            env[name] = value
    for name in _NUMBERS:
        value = env.get(name, "0" if name != "GRADIO_NUM_PORTS" else "1").strip()
        if not re.fullmatch(r"[0-9]{1,6}", value) or (name == "GRADIO_NUM_PORTS" and not int(value)):
            raise ConfigurationError(f"{name} must be a whole number: correct it, or leave it empty.")
    _check_root_path(env.get("GRADIO_ROOT_PATH", ""))


def _check_root_path(root: str) -> None:
    try:
        parts = urlsplit(root)
        absolute = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        absolute = False
        parts = urlsplit("")
    path = parts.path if absolute else root
    if not _PATH.fullmatch(path) or (absolute and (parts.query or parts.fragment)):
        raise ConfigurationError(
            "GRADIO_ROOT_PATH must be a path such as /voice or a full address such as https://example.com/voice."
        )


def _own_address(host: str) -> tuple[socket.AddressFamily, str]:
    """The first IP address of this name that this machine has; IPv4 first, since that is what gradio looks for."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    for family, _, _, _, address in sorted(found, key=lambda one: one[0] != socket.AF_INET):
        try:
            _bound(family, str(address[0]), 0)
        except OSError:
            continue
        return family, str(address[0])
    raise ConfigurationError(
        f"{host} is no address of this machine: choose another with --host (or GRADIO_SERVER_NAME), such as 127.0.0.1, "
        "or 0.0.0.0 for all it has."
    )


def _bound(family: socket.AddressFamily, host: str, port: int) -> int:
    """The port that could be bound, and is free again. Raises OSError."""
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            # what was closed a moment ago is free; on Windows the option would also take what is in use
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((host, port))
        trial.listen(1)
        return int(trial.getsockname()[1])


def _refused(host: str, first: int, last: int, refusal: OSError) -> str:
    which = f"Port {first} of {host} is" if first == last else f"The ports {first} to {last} of {host} are"
    if isinstance(refusal, PermissionError):
        return f"{which} not for this user ({refusal.strerror}): choose one above 1023 with --port."
    return f"{which} in use by another program: choose another with --port, or end that program."
