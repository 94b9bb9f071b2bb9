"""What the page says about its providers: who fills each role, and what offline means where somebody is offline."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from voice_agents.errors import Role
from voice_agents.local_models import FoundModelServer, ModelChoice
from voice_agents.settings import Provider, Settings

_TO_SET = {
    Role.STT: "ELEVENLABS_API_KEY",
    Role.TTS: "ELEVENLABS_API_KEY",
    Role.CHAT: "AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and AZURE_OPENAI_DEPLOYMENT, or OPENAI_API_KEY",
    Role.REALTIME: "AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and AZURE_OPENAI_REALTIME_DEPLOYMENT, "
    "or OPENAI_API_KEY",
}


def chip(settings: Settings, roles: Sequence[Role]) -> str:
    """The providers in a word or two, for the header."""
    offline = [role for role in roles if role in settings.offline_roles]
    if not offline:
        return "Connected"
    return "Offline" if len(offline) == len(roles) else "Partly offline"


def who(settings: Settings, roles: Sequence[Role], choice: ModelChoice | None = None) -> str:
    """Who fills these roles at present, as HTML. ``choice``: of who answers in the offline agent's place."""
    chosen = None if choice is None else choice.chosen
    in_realtime = choice is not None and choice.reaches_realtime
    thinks = chosen if in_realtime or Role.REALTIME not in roles else None
    return badges(settings, roles, thinks) + offline_note(settings, roles, thinks)


def badges(settings: Settings, roles: Sequence[Role], thinks: FoundModelServer | None = None) -> str:
    """Who fills each role, and what to set where nobody but the stand-in does.

    ``thinks``: a model server in the place of the offline agent.
    """
    return f'<ul class="va-badges">{"".join(_badge(settings, role, thinks) for role in roles)}</ul>'


def offline_note(settings: Settings, roles: Sequence[Role], thinks: FoundModelServer | None = None) -> str:
    """One honest sentence about the roles the embedded providers fill; empty when there are none."""
    offline = [role.value for role in roles if role in settings.offline_roles]
    if not offline:
        return ""
    which = "Everything" if len(offline) == len(roles) else ", ".join(offline).capitalize()
    answers = "a small agent of rules" if thinks is None else escape(thinks.introduction)
    return (
        f'<p class="va-note"><b>{which}</b> runs <b>offline</b>, on this machine: Moonshine and Whisper '
        f"listen (MIT), Piper's Joe speaks (CC0 data; espeak-ng beside it, GPL), {answers} answers. "
        "Set the providers' keys for the real ones.</p>"
    )


def _badge(settings: Settings, role: Role, thinks: FoundModelServer | None) -> str:
    endpoint = settings.endpoint(role)
    offline = endpoint.provider is Provider.OFFLINE
    model = "" if offline or not endpoint.model else f" · {escape(endpoint.model)}"
    if offline and thinks is not None and role in (Role.CHAT, Role.REALTIME):
        model = f" · {escape(thinks.name)} · {escape(thinks.model)}"
    kind = "va-badge va-offline" if offline else "va-badge"
    name = role.value[0].upper() + role.value[1:]
    to_set = f"<small>For a real one set {_TO_SET[role]}.</small>" if offline else ""
    return f'<li class="{kind}"><b>{escape(name)}</b> {escape(endpoint.provider.value)}{model}{to_set}</li>'
