"""Where the time of answers went: one big number, the last turns as a line, a waterfall, both engines side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voice_agents.turns.latency import EarlyAnswers, LatencyHistory, TurnLatency
from voice_agents.ui.view import TurnFigures

EMPTY = '<div class="va-quiet">After the first answer, this shows where its time went.</div>'


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    means: str
    field: str
    part: str = ""
    """Another figure that is a part of this one and is drawn paler, at its start."""


_BARS = (
    _Bar("Endpointing", "your last sound → turn taken; paler: the silence waited for", "endpointing", "silence"),
    _Bar("Transcription", "turn taken → final transcript", "transcription"),
    _Bar("Tools", "time in tools before the answer", "tools"),
    _Bar("First token", "final transcript → first word of the answer written", "first_token"),
    _Bar("First sentence", "first token → first text to speech; paler: the model", "first_sentence", "text_wait"),
    _Bar("First audio", "asked to be spoken → first audible sample", "first_audio"),
    _Bar("Playout", "that sample → sent to your browser", "playout"),
)


_COMPARED = (
    ("Voice to voice", "voice_to_voice"),
    ("Endpointing", "endpointing"),
    ("First token", "first_token"),
    ("First audio", "first_audio"),
    ("Overhead", "overhead"),
)
SHOWN_TURNS = 20


def compared(figures: Mapping[str, TurnFigures]) -> dict[str, str]:
    """HTML of the timing drawer for each engine that has answered; the comparison too once both have."""
    answered = {kind: each for kind, each in figures.items() if each.last is not None}
    both = _side_by_side(answered) if len(answered) > 1 else ""
    return {
        kind: _headline(each) + early(each.early) + _line(each.history) + waterfall(each.last, each.history) + both
        for kind, each in answered.items()
    }


def _headline(figures: TurnFigures) -> str:
    last = figures.last.voice_to_voice if figures.last else None
    return f'<p class="va-big"><b>{_ms(last)}</b> ms<span>from your last sound to the answer\'s first</span></p>'


def early(answers: EarlyAnswers) -> str:
    """HTML: what was gained and lost by beginning answers before it was certain that the user had finished."""
    if not answers.used + answers.dropped:
        return ""
    saved = f", {_ms(answers.saved_s / answers.used)} ms saved each" if answers.used else ""
    lost = f" (about {answers.tokens} tokens and {answers.characters} characters)" if answers.dropped else ""
    return (
        f'<p class="va-quiet">Begun before you had finished for certain: {answers.used} used{saved}, '
        f"{answers.dropped} dropped{lost}</p>"
    )


def _line(history: LatencyHistory) -> str:
    """The last turns' voice to voice as a polyline; nothing to see before there are two."""
    values = [value for value in history.last("voice_to_voice", SHOWN_TURNS) if value is not None]
    if len(values) < 2:
        return ""
    most = max(values)
    step = 100 / (len(values) - 1)
    points = " ".join(f"{i * step:.1f},{30 - 28 * value / most:.1f}" for i, value in enumerate(values))
    means = f"Voice to voice of the last {len(values)} turns, from {_ms(min(values))} to {_ms(most)} ms"
    return (
        f'<svg class="va-spark" viewBox="0 0 100 31" preserveAspectRatio="none" role="img" aria-label="{means}">'
        f'<polyline points="{points}"/></svg><p class="va-quiet">{means}</p>'
    )


def _side_by_side(figures: Mapping[str, TurnFigures]) -> str:
    heads = "".join(f'<th scope="col">{kind.capitalize()}</th>' for kind in figures)
    rows = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{_ms(each.history.median(figure))}</td>" for each in figures.values())
        + "</tr>"
        for name, figure in _COMPARED
    )
    return (
        '<table class="va-compared"><caption>Medians of this conversation, ms</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def waterfall(last: TurnLatency | None, history: LatencyHistory) -> str:
    """HTML for the last turn, or a hint when there was none yet."""
    if last is None or last.voice_to_voice is None:
        return EMPTY
    shown = [(bar, value) for bar in _BARS if (value := getattr(last, bar.field)) is not None]
    total = max(last.voice_to_voice, sum(value for _, value in shown), 0.001)
    rows, start = [], 0.0
    for bar, value in shown:
        rows.append(_row(bar, last, history.median(bar.field), start, total))
        start += value
    sums = (
        _sum("Voice to voice", "your last sound → the answer's first", last, history, "voice_to_voice"),
        _sum("Overhead", "neither silence, nor tools, nor a provider: ours", last, history, "overhead"),
    )
    count = f"median of {len(history)}" if len(history) > 1 else "median"
    return (
        '<div><table class="va-waterfall"><thead><tr><th scope="col" colspan="2">Last turn</th>'
        f'<th scope="col">ms</th><th scope="col">{count}</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody><tfoot>{''.join(sums)}</tfoot></table></div>"
    )


def _row(bar: _Bar, last: TurnLatency, middle: float | None, start: float, total: float) -> str:
    value = getattr(last, bar.field)
    left, width = 100 * start / total, max(100 * value / total, 0.6)
    part = getattr(last, bar.part) if bar.part else None
    paler = f'<i style="width:{min(100.0, 100 * part / value):.1f}%"></i>' if part and value else ""
    return (
        f'<tr title="{bar.means}"><th scope="row">{bar.name}</th><td class="va-track">'
        f'<span class="va-bar va-{bar.field}" style="left:{min(left, 99.4):.1f}%;width:{width:.1f}%">{paler}</span>'
        f"</td><td>{_ms(value)}</td><td>{_ms(middle)}</td></tr>"
    )


def _sum(name: str, means: str, last: TurnLatency, history: LatencyHistory, figure: str) -> str:
    values = f"<td>{_ms(getattr(last, figure))}</td><td>{_ms(history.median(figure))}</td>"
    return f'<tr title="{means}"><th scope="row" colspan="2">{name}</th>{values}</tr>'


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.0f}"
