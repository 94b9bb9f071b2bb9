"""One tab of the page: a microphone, a transcript, controls and figures; the same parts for every engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import Session
from voice_agents.errors import Role
from voice_agents.settings import Settings, TurnMode, TurnSettings
from voice_agents.transports.registry import LiveSession, SessionRequest
from voice_agents.transports.webrtc import answer_calls, call_button
from voice_agents.ui import chat, latency_view, status
from voice_agents.ui.desk import Desk, Sheet
from voice_agents.ui.identity import conversation_of

Voice = tuple[str, str]
"""Name to show, id."""

ListVoices = Callable[[], Awaitable[Sequence[Voice]]]


@dataclass(frozen=True, slots=True)
class TabSpec:
    """What makes one tab different from another. ``kind`` is its name in element ids and session requests."""

    kind: str
    title: str
    description: str
    roles: Sequence[Role]
    examples: Sequence[str] = ()
    list_voices: ListVoices | None = None
    default_voice: str = ""


@dataclass
class VoiceTab:
    """Builds the tab inside the current gr.Blocks context and connects it."""

    spec: TabSpec
    desk: Desk
    settings: Settings
    identity: gr.BrowserState
    mic: Any = field(init=False)

    def build(self) -> None:
        """Lay out the tab."""
        kind = self.spec.kind
        with gr.Row(elem_classes="va-columns"):
            with gr.Column(scale=2, min_width=300, elem_classes="va-side"):
                self.mic = call_button(f"{kind}-mic", self.settings.hf_token)
                with gr.Row(elem_classes="va-state"):
                    self.status = gr.HTML(elem_id=f"{kind}-status", padding=False)
                    self.speakers = gr.HTML(elem_id=f"{kind}-speakers", padding=False)
                self._controls()
            with gr.Column(scale=3, min_width=320, elem_classes="va-main"):
                self.banner = gr.HTML(elem_id=f"{kind}-banner", padding=False)
                self.chat = gr.Chatbot(
                    type="messages",
                    elem_id=f"{kind}-chat",
                    label="Conversation",
                    latex_delimiters=[],
                    feedback_options=None,
                    height=460,
                )
                with gr.Row(elem_classes="va-typing"):
                    self.text = gr.Textbox(
                        elem_id=f"{kind}-text",
                        placeholder="Type instead of speaking",
                        show_label=False,
                        max_lines=3,
                        max_length=4000,
                        scale=6,
                        container=False,
                    )
                    self.send = gr.Button("Send", variant="primary", scale=1, min_width=80)
                    self.stop = gr.Button("Stop", scale=1, min_width=80)
                self.latency = gr.HTML(elem_id=f"{kind}-latency", padding=False)
        self._connect()

    def _controls(self) -> None:
        turns = self.settings.turns
        self.voice = gr.Dropdown(
            [(self.spec.default_voice, self.spec.default_voice)], value=self.spec.default_voice, label="Voice"
        )
        self.patience = gr.Slider(0.2, 2.0, value=turns.silence_s, step=0.1, label="Patience (seconds of silence)")
        self.mode = gr.Radio([m.value for m in TurnMode], value=turns.mode.value, label="Who ends your turn")
        self.release = gr.Button("Hold to speak, release to send", visible=False)

    @property
    def controls(self) -> list[Any]:
        return [self.identity, self.voice, self.patience, self.mode]

    @property
    def drawing(self) -> list[Any]:
        return [self.chat, self.status, self.speakers, self.banner, self.latency]

    def request(self, identity: Any, voice: str | None, patience: float, mode: str) -> SessionRequest:
        return SessionRequest(self.spec.kind, conversation_of(identity), self._turns(patience, mode), voice or "")

    def _turns(self, patience: float, mode: str) -> TurnSettings:
        from dataclasses import replace

        return replace(self.settings.turns, silence_s=patience, mode=TurnMode(mode))

    def _connect(self) -> None:
        async def open_call(values: Sequence[Any]) -> LiveSession:
            return await self.desk.open(self.request(*values))

        answer_calls(self.mic, open_call, self.controls, 3 * self.desk.registry.max_sessions)
        self.mic.start_recording(self._follow_call, [self.identity], self.drawing, show_progress="hidden")
        typed = dict(inputs=[self.text, *self.controls], outputs=[self.text], show_progress="hidden")
        follow = dict(inputs=[self.identity], outputs=self.drawing, show_progress="hidden")
        for trigger in (self.text.submit, self.send.click):
            trigger(self._send, **typed).then(self._follow, **follow)

    async def _send(self, text: str, *controls: Any) -> str:
        await self.desk.say(self.request(*controls), text)
        return ""

    async def _follow_call(self, identity: Any) -> AsyncIterator[list[Any]]:
        (await self.desk.sheet(conversation_of(identity))).expect()
        async for update in self._follow(identity):
            yield update

    async def _follow(self, identity: Any) -> AsyncIterator[list[Any]]:
        sheet = await self.desk.sheet(conversation_of(identity))
        async for _ in sheet.changes():
            yield self.draw(sheet)

    def draw(self, sheet: Sheet) -> list[Any]:
        view = sheet.view
        return [
            chat.messages(view),
            status.pill(sheet.shown_status),
            status.speakers(sheet.shown_status),
            status.banner(view.banner),
            latency_view.waterfall(view.latency, view.history),
        ]
