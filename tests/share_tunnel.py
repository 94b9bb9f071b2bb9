"""A share link without the network: a stand-in for the tunnel program that gradio starts beside the app."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from gradio.tunneling import BINARY_FILENAME

NAME = "0123456789abcdef01.gradio.live"

_PROGRAM = """#!{python}
import os, pathlib, signal, time
here = pathlib.Path({here!r})
here.touch()
def end(*_):
    here.unlink()
    os._exit(0)
signal.signal(signal.SIGINT, end)  # as the real one does, however it was started
signal.signal(signal.SIGTERM, end)
print("[I] start proxy success: https://{name}", flush=True)
parent = os.getppid()
while os.getppid() == parent:
    time.sleep(1)  # whose app was killed is ended by nobody
"""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """``env`` makes gradio start it; it tells its link, carries nothing, and ends by the signals of the real one."""

    env: dict[str, str]
    here: Path
    """Exists as long as it runs."""

    @property
    def runs(self) -> bool:
        """It was started and has not ended."""
        return self.here.exists()


def tunnel(folder: Path) -> Tunnel:
    """Installed in this folder, where gradio looks for what it has downloaded."""
    program, here = folder / "gradio" / "frpc" / BINARY_FILENAME, folder / "tunnel-runs"
    program.parent.mkdir(parents=True)
    program.write_text(_PROGRAM.format(python=sys.executable, here=str(here), name=NAME))
    program.chmod(0o700)
    return Tunnel({"HF_HOME": str(folder), "GRADIO_SHARE_SERVER_ADDRESS": "127.0.0.1:1"}, here)
