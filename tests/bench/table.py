"""Prints figures the way every benchmark does: name, median, 95th percentile, number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def show(title: str, rows: Mapping[str, Sequence[float]], unit: str = "ms", scale: float = 1000.0) -> None:
    """One line per figure; values are multiplied by ``scale``."""
    print(f"\n{title}")
    print(f"{'':34}{'median':>10}{'p95':>10}{'n':>6}")
    for name, values in rows.items():
        if len(values):
            middle, high = (scale * float(np.percentile(values, q)) for q in (50, 95))
            print(f"{name:34}{middle:>8.1f} {unit}{high:>7.1f} {unit}{len(values):>4}")
