"""One tab of the page, laid out: a microphone, a transcript, controls and figures; the same parts for every engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from voice_agents.errors import Role
from voice_agents.settings import Settings, TurnDetection, TurnMode
from voice_agents.transports.ice import Relays
from voice_agents.transports.webrtc import call_button
from voice_agents.ui import status

Voice = tuple[str, str]
"""The name to show and the provider's id."""

ListVoices = Callable[[], Awaitable[Sequence[Voice]]]
"""Asked at every visit; may raise any VoiceAgentError."""

Component = Any
"""A gradio component (gradio is not typed strictly)."""

NO_MICROPHONE = (
    "This browser gives no microphone to this address: open the page over https, or on localhost. "
    "Typing works all the same."
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
    default_voice: str = ""
    """The id of the voice an agent has when nobody chose one."""
    detections: Sequence[TurnDetection] = ()
    """The server's ways to find the end of a turn, to choose from; none where we find it ourselves."""


@dataclass(frozen=True, slots=True)
class TabComponents:
    """The components of one tab."""

    mic: Component
    status: Component
    speakers: Component
    banner: Component
    chat: Component
    text: Component
    send: Component
    stop: Component
    release: Component
    voice: Component
    patience: Component
    mode: Component
    detection: Component
    examples: Sequence[Component]
    new: Component
    latency: Component

    @property
    def drawn(self) -> list[Component]:
        """What changes while a conversation runs, in the order of :func:`~voice_agents.ui.wiring.draw`."""
        return [self.chat, self.status, self.speakers, self.banner, self.latency]

    @property
    def controls(self) -> list[Component]:
        """What a session request is read from, in the order of ``SessionRequest``'s making."""
        return [self.voice, *self.turn_controls]

    @property
    def turn_controls(self) -> list[Component]:
        """How turns are taken."""
        return [self.patience, self.mode, self.detection]


def lay_out(spec: TabSpec, settings: Settings) -> TabComponents:
    """Build the tab inside the current gr.Blocks context."""
    gr.HTML(_about(spec, settings), elem_classes="va-about", padding=False)
    with gr.Row(elem_classes="va-columns"):
        with gr.Column(scale=2, min_width=300, elem_classes="va-side"):
            call = _call(spec, settings)
            figures = {"latency": _latency(spec)}
            controls = _controls(spec, settings)
        with gr.Column(scale=3, min_width=320, elem_classes="va-main"):
            conversation = _conversation(spec)
    return TabComponents(**call, **figures, **controls, **conversation)


def _about(spec: TabSpec, settings: Settings) -> str:
    return (
        f"<h2>{escape(spec.title)} Mode</h2><p>{escape(spec.description)}</p>"
        + status.badges(settings, spec.roles)
        + status.offline_note(settings, spec.roles)
    )


def _call(spec: TabSpec, settings: Settings) -> dict[str, Component]:
    kind = spec.kind
    mic = call_button(f"{kind}-mic", Relays(settings.relay, settings.session_time_limit_s), "va-mic")
    gr.HTML(f'<div class="va-banner va-warning">{NO_MICROPHONE}</div>', elem_classes="va-mic-hint", padding=False)
    release = gr.Button(
        "Hold to speak, release to send",
        variant="primary",
        elem_id=f"{kind}-hold",
        elem_classes="va-hold",
        visible=settings.turns.mode is TurnMode.PUSH_TO_TALK,
    )
    with gr.Row(elem_classes="va-state"):
        state = gr.HTML(elem_id=f"{kind}-status", padding=False)
        speakers = gr.HTML(elem_id=f"{kind}-speakers", padding=False)
    return {"mic": mic, "release": release, "status": state, "speakers": speakers}


def _controls(spec: TabSpec, settings: Settings) -> dict[str, Component]:
    kind = spec.kind
    with gr.Group(elem_classes="va-controls"):
        voice = gr.Dropdown(
            [("Default", spec.default_voice)],
            value=None,  # until the page is loaded: the component does not show a new name for a value it has
            label="Voice",
            elem_id=f"{kind}-voice",
            visible=spec.list_voices is not None,
            allow_custom_value=True,  # an id of one's own; and a page that outlives a restart names forgotten voices
        )
        patience = gr.Slider(
            0.2,
            2.0,
            value=settings.turns.silence_s,
            step=0.1,
            label="Patience",
            info="Seconds of silence after which your turn ends",
            elem_id=f"{kind}-patience",
        )
        mode = gr.Radio(
            [(mode.value.capitalize(), mode.value) for mode in TurnMode],
            value=settings.turns.mode.value,
            label="Your turn ends",
            elem_id=f"{kind}-mode",
        )
        detection = gr.Radio(
            [(_DETECTIONS[choice], choice.value) for choice in spec.detections],
            value=settings.turns.detection.value if spec.detections else None,
            label="The end of your turn is found by",
            elem_id=f"{kind}-detection",
            visible=bool(spec.detections) and settings.turns.mode is TurnMode.AUTOMATIC,
        )
    return {"voice": voice, "patience": patience, "mode": mode, "detection": detection}


def _latency(spec: TabSpec) -> Component:
    return gr.HTML(elem_id=f"{spec.kind}-latency", elem_classes="va-figures", padding=False)


def _conversation(spec: TabSpec) -> dict[str, Component]:
    kind = spec.kind
    with gr.Row(elem_classes="va-heading"):
        gr.HTML("<h3>Conversation</h3>", padding=False)
        new = gr.Button("New conversation", size="sm", elem_id=f"{kind}-new")
    banner = gr.HTML(elem_id=f"{kind}-banner", elem_classes="va-notices", padding=False)
    chat = gr.Chatbot(
        type="messages",
        elem_id=f"{kind}-chat",
        elem_classes="va-chat",
        label="Conversation",
        show_label=False,
        placeholder="Open the microphone, press <b>Record</b> and just speak naturally, or type below."
        "<br>You may interrupt at any time.",
        latex_delimiters=[],
        allow_tags=False,
        feedback_options=None,
        height=400,
    )
    with gr.Row(elem_classes="va-typing"):
        text = gr.Textbox(
            elem_id=f"{kind}-text",
            label="Type instead of speaking",
            placeholder="Or type here",
            show_label=False,
            container=False,
            max_lines=4,
            scale=6,
            min_width=100,
        )
        send = gr.Button("Send", variant="primary", scale=1, min_width=72, elem_id=f"{kind}-send")
        stop = gr.Button("Interrupt", scale=1, min_width=72, elem_id=f"{kind}-stop")
    with gr.Row(elem_classes="va-examples"):
        examples = [gr.Button(phrase, size="sm") for phrase in spec.examples]
    return {
        "banner": banner, "chat": chat, "text": text, "send": send, "stop": stop, "examples": examples, "new": new,
    }  # fmt: skip
