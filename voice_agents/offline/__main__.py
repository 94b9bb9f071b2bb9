"""``python -m voice_agents.offline``: the offline server by itself, to develop clients of these protocols against."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module

from voice_agents.collector import leave_out_what_is_loaded
from voice_agents.errors import ConfigurationError
from voice_agents.offline import new_key
from voice_agents.offline.brain import warm_up
from voice_agents.offline.faults import Fault, FaultPlan
from voice_agents.offline.model_server import ModelServer
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Pace

_WELCOME = """
Point clients here ({keys}, and any name of a chat or Realtime model):
  ElevenLabs         ELEVENLABS_BASE_URL={url} ELEVENLABS_API_KEY={key}
                     SDK: ElevenLabs(base_url="{url}", api_key="{key}")
  OpenAI chat        OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={key} OPENAI_MODEL=offline
  Azure OpenAI chat  AZURE_OPENAI_ENDPOINT={url} AZURE_OPENAI_API_KEY={key} AZURE_OPENAI_DEPLOYMENT=offline
  OpenAI Realtime    {socket_url}/v1/realtime?model=offline  (header: Authorization: Bearer {key})
                     OPENAI_REALTIME_MODEL=offline, with address and key as above
                     SDK: AsyncOpenAI(base_url="{url}/v1", api_key="{key}").realtime.connect(model="offline")
  Azure Realtime     {socket_url}/openai/v1/realtime?model=offline  (header: api-key: {key})
                     AZURE_OPENAI_REALTIME_DEPLOYMENT=offline, with endpoint and key as above
Faults while it runs: curl -H 'api-key: {control_key}' {url}/faults -d '["stt:refuse:401"]'   (GET lists, DELETE clears)
This agent app:        Settings.from_env().with_offline("{url}", "{key}")
Ctrl-C ends it.
"""

_DELAYS = {
    "stt_commit_s": "commit to final transcript",
    "chat_first_token_s": "request to first token",
    "chat_token_s": "one token to the next",
    "tts_first_audio_s": "text to first audio",
    "realtime_first_audio_s": "turn to first audio of a Realtime answer",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C, SIGTERM, or (``--parent-pipe``) the end of standard input. The first line is the URL."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m voice_agents.offline", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765, help="0 chooses a free one (default: %(default)s)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="SERVICE:KIND[:VALUE][:after=N][:delay=S][:times=N]",
        help="let something go wrong, like stt:refuse:401 or tts:close:1006:after=3 (may be repeated)",
    )
    for delay, meaning in _DELAYS.items():
        flag = f"--{delay.removesuffix('_s').replace('_', '-')}-delay"
        parser.add_argument(
            flag, type=float, default=0.0, metavar="S", dest=delay, help=f"at least S seconds from {meaning}"
        )
    parser.add_argument(
        "--realtime-speed",
        type=float,
        default=0.0,
        metavar="X",
        help="send a Realtime answer's sound at most X times faster than it plays (default: as fast as it is made)",
    )
    parser.add_argument(
        "--model-server",
        nargs=2,
        metavar=("URL", "MODEL"),
        help="let this model of a server with OpenAI's chat protocol (http://127.0.0.1:11434/v1 llama3.2) answer on the"
        " Realtime sockets",
    )
    parser.add_argument("--open", action="store_true", help="take any key; web pages are refused all the same")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name of this server, without port"
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a page that may open sockets here, like http://localhost:3000",
    )
    parser.add_argument(
        "--parent-pipe",
        action="store_true",
        help="take the first line of standard input for the key, and end when standard input ends",
    )
    return parser


def _fault(text: str) -> Fault:
    try:
        return Fault.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


async def _serve(options: argparse.Namespace) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows
        for number in (signal.SIGTERM, signal.SIGINT):
            # systemd signals the app's child too, whose answers are still being spoken: it ends by the pipe.
            loop.add_signal_handler(number, (lambda: None) if options.parent_pipe else end.set)
    key = sys.stdin.readline().strip() if options.parent_pipe else new_key()
    async with OfflineServer(
        options.port,
        host=options.host,
        key=None if options.open else key,
        hosts=options.allow_host,
        origins=options.allow_origin,
    ) as server:
        server.services.faults = FaultPlan(options.fault)
        server.services.pace = Pace(**{name: getattr(options, name) for name in (*_DELAYS, "realtime_speed")})
        if options.model_server:
            server.services.model_server = ModelServer(*options.model_server)
        print(server.url, flush=True)
        if options.parent_pipe:
            _end_with_stdin(lambda: loop.call_soon_threadsafe(end.set))
        else:
            print(welcome(server.url, server.key, any_key=options.open), flush=True)
        await asyncio.to_thread(_get_ready)
        leave_out_what_is_loaded()
        await end.wait()


def _get_ready() -> None:
    """What takes long and only the first request needs; who asks meanwhile waits for the rest of it."""
    warm_up()
    import_module("voice_agents.offline.vendor_types")


def welcome(url: str, key: str, *, any_key: bool = False) -> str:
    """How to point clients at the server at this URL; ``any_key``: the key is needed for the faults only."""
    keys = "any key is accepted, or none" if any_key else "with this key, which is new at every start; --open takes any"
    shown = "offline" if any_key else key
    return _WELCOME.format(url=url, socket_url=url.replace("http", "ws", 1), keys=keys, key=shown, control_key=key)


def _end_with_stdin(end: Callable[[], object]) -> None:
    """The parent holds the other end of the pipe: when it dies, however it dies, the pipe ends."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop was faster
            end()

    # a daemon thread in a bare os.read: neither the loop nor the interpreter waits for it at the end
    threading.Thread(target=watch, name="parent-pipe", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
