"""``--doctor`` and ``--doctor --json``: what is printed, and the exit code. Loads no package that may be missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from voice_agents.doctor import machine
from voice_agents.doctor.findings import Finding, Outcome, Report


def run(
    start_offline: Callable[[], AbstractContextManager[Any]], *, host: str | None, port: int | None, as_json: bool
) -> int:
    """Print what was found; 0 when everything works, else 1. ``start_offline``: enters the embedded offline server."""
    report = Report(machine.secrets_of(dict(os.environ)))
    if not as_json:
        report.on_finding = lambda line: print(line, flush=True)
    try:
        with report.row_for("examination", "it broke off, which is a mistake in this program: please report it"):
            report.add(machine.python())
            report.add(machine.packages())
            if report.healthy:
                from voice_agents.doctor.diagnosis import examine

                examine(report, start_offline, host=host, port=port)
    except KeyboardInterrupt:
        report.add(Finding("examination", Outcome.FAILED, "it was stopped before its end"))
    except BrokenPipeError:  # nobody reads on, as with "| head"; Python would say so once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    print(report.as_json() if as_json else report.clean(report.verdict), flush=True)
    return 0 if report.healthy else 1
