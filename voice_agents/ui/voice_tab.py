"""One tab of the page as HTML: a transcript, a dock with one button that is the state, and what opens beside them.

The scripts in ``static/`` fill it with life; the ids ``<kind>-...`` are a contract with them and with tests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from html import escape

from voice_agents.errors import Role
from voice_agents.settings import Interruptions, Settings, TurnDetection, TurnMode
from voice_agents.ui import status
from voice_agents.ui.icons import icon
from voice_agents.ui.latency_view import EMPTY
from voice_agents.ui.wishes import LANGUAGES

Voice = tuple[str, str]
"""The name to show and the provider's id."""

SaySample = Callable[[str], Awaitable[bytes]]
"""A voice's id -> how it sounds, PCM16 at 24 kHz; may raise any VoiceAgentError."""

ListVoices = Callable[[], Awaitable[Sequence[Voice]]]
"""Asked at every visit; may raise any VoiceAgentError."""

EXAMPLES = 4
"""So many are offered where nothing was said yet."""

_PATIENCE_S = (("Quick", 0.3), ("Normal", 0.5), ("Patient", 1.0))
_MODES = ((TurnMode.AUTOMATIC, "When you fall silent"), (TurnMode.PUSH_TO_TALK, "When you let go (hold to speak)"))
_INTERRUPTIONS = (
    (Interruptions.SENSITIVE, "Sensitive: any sound pauses the agent"),
    (Interruptions.NORMAL, "Normal: it speaks more quietly first"),
    (Interruptions.WORDS_ONLY, "Words only"),
)
_DETECTIONS = {TurnDetection.SERVER_VAD: "Silence (server VAD)", TurnDetection.SEMANTIC_VAD: "Meaning (semantic VAD)"}


@dataclass(frozen=True, slots=True)
class TabSpec:
    """What makes one tab different from another. ``kind`` is its name in element ids and session requests."""

    kind: str
    title: str
    description: str
    roles: Sequence[Role]
    examples: Sequence[str] = ()
    """Phrases to try; a click sends one as a typed turn."""
    list_voices: ListVoices | None = None
    say_sample: SaySample | None = None
    default_voice: str = ""
    """The id of the voice an agent has when nobody chose one."""
    detections: Sequence[TurnDetection] = ()
    """The server's ways to find the end of a turn, to choose from; none where we find it ourselves."""


def tab_html(spec: TabSpec, settings: Settings) -> str:
    """The tab's own part of the page, below its header."""
    kind = spec.kind
    return (
        f'<section class="va-tab" data-kind="{kind}" hidden aria-label="{escape(spec.title)}">'
        + _conversation(spec)
        + _dock(kind)
        + _sheet(kind, "settings", "Settings", _settings(spec, settings))
        + _sheet(kind, "timing", "Timing", f'<div id="{kind}-latency">{EMPTY}</div>')
        + _sheet(kind, "about", f"{spec.title}: who does what", _about(spec, settings))
        + "</section>"
    )


def _conversation(spec: TabSpec) -> str:
    kind = spec.kind
    examples = "".join(
        f'<li><button type="button" class="va-example">{escape(phrase)}</button></li>'
        for phrase in spec.examples[:EXAMPLES]
    )
    return (
        '<div class="va-scroll" role="region" aria-label="Conversation" tabindex="0">'
        f'<div id="{kind}-empty" class="va-empty" hidden>'
        "<p>Press the button and just speak: you may interrupt at any time.</p>"
        f'<ul>{examples}</ul></div><div id="{kind}-chat" class="va-chat" role="log" aria-live="off" '
        f'aria-label="What was said"></div></div>'
    )


def _dock(kind: str) -> str:
    return (
        '<div class="va-dock"><div class="va-controls">'
        f'<button type="button" id="{kind}-talk" class="va-talk" data-look="ready"><span class="va-round">'
        f"{icon('mic')}{icon('stop')}{icon('dots')}</span>"
        '<span class="va-caption">Start conversation</span></button>'
        '<div class="va-mutes">'
        f'<button type="button" id="{kind}-mute" class="va-tool" aria-pressed="false" aria-label="Mute microphone">'
        f"{icon('mic')}{icon('mic-off')}</button>"
        f'<button type="button" id="{kind}-devices" class="va-tool va-narrow" aria-haspopup="dialog" '
        f'aria-label="Microphone and loudspeaker">{icon("down")}</button></div>'
        f'<form id="{kind}-text" class="va-text"><textarea rows="1" aria-label="Type a message" '
        f'placeholder="Type a message" enterkeyhint="send"></textarea>'
        f'<button type="submit" id="{kind}-send" class="va-tool" aria-label="Send">{icon("send")}</button></form>'
        f'<button type="button" id="{kind}-end" class="va-end" hidden>End<span> conversation</span></button></div>'
        f'<p class="va-truth" id="{kind}-truth"><b id="{kind}-status">Connecting</b>'
        f'<span id="{kind}-banner"></span><button type="button" id="{kind}-action" class="va-action" hidden></button>'
        f'<span id="{kind}-recording" class="va-red-light" hidden>Recording</span>'
        f'<time id="{kind}-timer" hidden></time></p></div>'
    )


def _sheet(kind: str, name: str, title: str, content: str) -> str:
    return (
        f'<dialog id="{kind}-{name}" class="va-sheet" aria-labelledby="{kind}-{name}-title"><header>'
        f'<h2 id="{kind}-{name}-title">{escape(title)}</h2>'
        f'<button type="button" class="va-tool va-close" aria-label="Close">{icon("close")}</button></header>'
        f'<div class="va-sheet-body">{content}</div></dialog>'
    )


def _about(spec: TabSpec, settings: Settings) -> str:
    return (
        f'<p>{escape(spec.description)}</p><div id="{spec.kind}-who">{status.who(settings, spec.roles)}</div>'
        f'<section class="va-models" id="{spec.kind}-models" aria-labelledby="{spec.kind}-models-title" hidden>'
        f'<h3 id="{spec.kind}-models-title">A model on this machine</h3><p role="status"></p><ul></ul>'
        '<button type="button" class="va-preset" hidden>Use the built-in agent again</button></section>'
    )


def _settings(spec: TabSpec, settings: Settings) -> str:
    kind = spec.kind
    play = f'<button type="button" id="{kind}-voice-play" class="va-preset">Play</button>' if spec.say_sample else ""
    voice = (
        f'<div class="va-setting"><label for="{kind}-voice-choice">Voice</label><div id="{kind}-voice" class="va-row">'
        f'<select id="{kind}-voice-choice"></select>{play}</div>'
        f'<p class="va-quiet" id="{kind}-voice-note" role="status"></p></div>'
        if spec.list_voices is not None
        else ""
    )
    detection = _choices(kind, "detection", "The end of your turn is found by", _detections(spec, settings))
    return (
        voice
        + _language(spec, settings)
        + _choices(kind, "mode", "Your turn ends", [(m.value, text, m is settings.turns.mode) for m, text in _MODES])
        + (detection if spec.detections else f'<div id="{kind}-detection" hidden></div>')
        + _patience(kind, settings.turns.silence_s)
        + _choices(kind, "interruptions", "What interrupts the agent", _interruptions(settings))
    )


def _language(spec: TabSpec, settings: Settings) -> str:
    """Who listens offline understands one language."""
    kind, chosen = spec.kind, settings.turns.language
    hearing = Role.STT if Role.STT in spec.roles else Role.REALTIME
    offline = hearing in settings.offline_roles
    known = {"": "English"} if offline else {"": "Found out by itself", **LANGUAGES}
    options = "".join(
        f'<option value="{code}"{" selected" if code == chosen else ""}>{name}</option>' for code, name in known.items()
    )
    note = "The offline recogniser understands English only." if offline else "Holds from the next call on."
    return (
        f'<div class="va-setting"><label for="{kind}-language">You speak</label>'
        f'<select id="{kind}-language"{" disabled" if offline else ""}>{options}</select>'
        f'<p class="va-quiet">{note}</p></div>'
    )


def _detections(spec: TabSpec, settings: Settings) -> list[tuple[str, str, bool]]:
    return [(d.value, _DETECTIONS[d], d is settings.turns.detection) for d in spec.detections]


def _interruptions(settings: Settings) -> list[tuple[str, str, bool]]:
    return [(i.value, text, i is settings.turns.interruptions) for i, text in _INTERRUPTIONS]


def _patience(kind: str, chosen_s: float) -> str:
    marks = "".join(
        f'<button type="button" class="va-preset" data-seconds="{seconds}">{name}</button>'
        for name, seconds in _PATIENCE_S
    )
    return (
        f'<div class="va-setting" id="{kind}-patience"><label for="{kind}-patience-s">Patience</label>'
        f'<div class="va-row">{marks}<input type="range" id="{kind}-patience-s" min="0.2" max="2" step="0.1" '
        f'value="{chosen_s}"><output for="{kind}-patience-s">{chosen_s} s</output></div>'
        '<p class="va-quiet">Silence after which your turn ends.</p></div>'
    )


def _choices(kind: str, name: str, legend: str, choices: Sequence[tuple[str, str, bool]]) -> str:
    options = "".join(
        f'<label><input type="radio" name="{kind}-{name}" value="{value}"{" checked" if on else ""}> {escape(text)}'
        "</label>"
        for value, text, on in choices
    )
    return f'<fieldset class="va-setting" id="{kind}-{name}"><legend>{escape(legend)}</legend>{options}</fieldset>'
