"""The tunnel program of a share link: ended by us when everybody is told, not by the Ctrl-C that asks us to stop."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

from gradio import tunneling


def keep_tunnels_to_the_end() -> None:
    """gradio 5.50.0 starts its tunnel in our process group, where Ctrl-C ends it before visitors hear why."""
    vars(tunneling)["subprocess"] = _Apart


def end_tunnels() -> None:
    """End those that run, without a word: also from a signal's handler."""
    for tunnel in tunneling.CURRENT_TUNNELS:
        process, tunnel.proc = tunnel.proc, None
        if process is not None:
            process.terminate()


class _Apart:
    """The part of ``subprocess`` that gradio's tunnel uses."""

    PIPE = subprocess.PIPE

    @staticmethod
    def Popen(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Starts it in a group of its own."""
        return subprocess.Popen(command, start_new_session=True, **options)
