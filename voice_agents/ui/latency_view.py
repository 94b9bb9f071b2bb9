"""The last turn's latency as a waterfall of horizontal bars, with the session's medians beside it."""

from __future__ import annotations

from dataclasses import dataclass

from voice_agents.turns.latency import LatencyHistory, TurnLatency

EMPTY = '<p class="va-quiet">The first answer will show here where its time went.</p>'


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    means: str
    field: str
    part: str = ""
    """Another figure that is a part of this one and is drawn lighter, at its start."""


_BARS = (
    _Bar("Endpointing", "your last sound until the turn was taken; lighter: the silence waited for", "endpointing", "silence"),
    _Bar("Transcription", "turn taken until the final transcript", "transcription"),
    _Bar("Tools", "time in tools before the answer", "tools"),
    _Bar("First token", "final transcript until the first word of the answer was written", "first_token"),
    _Bar("First sentence", "first token until the first text went to speech; lighter: waiting for the model", "first_sentence", "text_wait"),
    _Bar("First audio", "text handed over until the first audible sample", "first_audio"),
    _Bar("Playout", "that sample until it left for your browser", "playout"),
)  # fmt: skip


def waterfall(last: TurnLatency | None, history: LatencyHistory) -> str:
    """HTML for the last turn, or a hint when there was none yet."""
    if last is None or last.voice_to_voice is None:
        return EMPTY
    medians = history.medians()
    shown = [(bar, value) for bar in _BARS if (value := getattr(last, bar.field)) is not None]
    total = max(last.voice_to_voice, sum(value for _, value in shown), 0.001)
    rows, start = [], 0.0
    for bar, value in shown:
        rows.append(_row(bar, last, medians, start, total))
        start += value
    count = f"median of {len(history)}" if len(history) > 1 else "median"
    return (
        '<table class="va-waterfall"><thead><tr><th scope="col">Last turn</th><th></th>'
        f'<th scope="col">ms</th><th scope="col">{count}</th></tr></thead><tbody>'
        + "".join(rows)
        + "</tbody><tfoot>"
        + _total("Voice to voice", "your last sound until the answer's first", last.voice_to_voice, medians.voice_to_voice)
        + _total("Overhead", "the part that is neither silence, nor tools, nor a provider", last.overhead, medians.overhead)
        + "</tfoot></table>"
    )  # fmt: skip


def _row(bar: _Bar, last: TurnLatency, medians: TurnLatency, start: float, total: float) -> str:
    value = getattr(last, bar.field)
    left, width = 100 * start / total, max(100 * value / total, 0.6)
    part = getattr(last, bar.part) if bar.part else None
    lighter = f'<i style="width:{min(100.0, 100 * part / value):.1f}%"></i>' if part and value else ""
    return (
        f'<tr title="{bar.means}"><th scope="row">{bar.name}</th><td class="va-track">'
        f'<span class="va-bar va-{bar.field}" style="left:{min(left, 99.4):.1f}%;width:{width:.1f}%">{lighter}</span></td>'
        f"<td>{_ms(value)}</td><td>{_ms(getattr(medians, bar.field))}</td></tr>"
    )


def _total(name: str, means: str, value: float | None, middle: float | None) -> str:
    return (
        f'<tr title="{means}"><th scope="row" colspan="2">{name}</th><td>{_ms(value)}</td><td>{_ms(middle)}</td></tr>'
    )


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.0f}"
