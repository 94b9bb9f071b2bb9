"""Small pieces of the page as HTML: the status pill, who speaks, the banner, the provider badges."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from voice_agents.errors import Role
from voice_agents.events import Status
from voice_agents.settings import Provider, Settings
from voice_agents.ui.view import Banner

_COLOURS = {
    Status.READY: "grey",
    Status.CONNECTING: "amber",
    Status.LISTENING: "blue",
    Status.HEARING: "violet",
    Status.THINKING: "amber",
    Status.SPEAKING: "green",
    Status.PAUSED: "violet",
    Status.RECONNECTING: "amber",
    Status.ERROR: "red",
}


def pill(status: Status) -> str:
    """The status word on its colour."""
    return f'<span class="va-pill va-{_COLOURS[status]}" role="status">{status.value}</span>'


def speakers(status: Status) -> str:
    """The two indicators: who is speaking now."""
    you = status in (Status.HEARING, Status.PAUSED)
    return _speaker("You", "va-you", you) + _speaker("Assistant", "va-assistant", status is Status.SPEAKING)


def banner(shown: Banner | None) -> str:
    """One sentence above the conversation, or nothing."""
    if shown is None:
        return ""
    role = "alert" if shown.level == "error" else "status"
    return f'<div class="va-banner va-{shown.level}" role="{role}">{escape(shown.text)}</div>'


def badges(settings: Settings, roles: Sequence[Role]) -> str:
    """Who fills each role, and what offline means where somebody is offline."""
    shown = "".join(_badge(settings, role) for role in roles)
    return f'<div class="va-badges">{shown}</div>'


def offline_note(settings: Settings, roles: Sequence[Role]) -> str:
    """One honest sentence about the roles the embedded providers fill; empty when there are none."""
    offline = [role.value for role in roles if role in settings.offline_roles]
    if not offline:
        return ""
    which = "Everything" if len(offline) == len(roles) else ", ".join(offline).capitalize()
    return (
        f'<p class="va-note"><b>{which}</b> runs <b>offline</b>, on this machine: Moonshine and Whisper '
        "listen (MIT), Piper's Joe speaks (CC0 data; espeak-ng beside it, GPL), a small agent of rules answers. "
        "Set the providers' keys for the real ones.</p>"
    )


def _badge(settings: Settings, role: Role) -> str:
    endpoint = settings.endpoint(role)
    offline = endpoint.provider is Provider.OFFLINE
    model = "" if offline or not endpoint.model else f" · {escape(endpoint.model)}"
    kind = "va-badge va-offline" if offline else "va-badge"
    name = role.value[0].upper() + role.value[1:]
    return f'<span class="{kind}"><b>{escape(name)}</b> {escape(endpoint.provider.value)}{model}</span>'


def _speaker(name: str, colour: str, active: bool) -> str:
    state = " va-active" if active else ""
    return f'<span class="va-speaker {colour}{state}"><i></i>{name}</span>'
