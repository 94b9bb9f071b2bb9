"""What is said at the start when others than this machine can open the page: who pays, and what limits them."""

from __future__ import annotations

from voice_agents.environment import is_loopback
from voice_agents.settings import Provider, Settings


def warning(settings: Settings, host: str, share: bool) -> str:
    """Some sentences; nothing when only this machine can open it. ``host``: the address that is served on."""
    if is_loopback(host) and not share:
        return ""
    why = "it has a public link (--share)" if share else f"it is served on {host}"
    return f"Others can open this page, because {why}. {_who_pays(settings)} {_limits(settings)}"


def _who_pays(settings: Settings) -> str:
    filled = (settings.stt, settings.tts, settings.chat, settings.realtime)
    used = sorted({one.provider.value for one in filled if one is not None and one.provider is not Provider.OFFLINE})
    if not used:
        return "No keys are set, so they use nothing but this computer."
    return f"What they say is paid with your keys ({', '.join(used)})."


def _limits(settings: Settings) -> str:
    minutes = settings.daily_minutes_per_visitor
    limits = [
        f"MAX_SESSIONS={settings.max_sessions}",
        f"MAX_SESSIONS_PER_VISITOR={settings.max_sessions_per_visitor}",
        f"SESSION_TIME_LIMIT={settings.session_time_limit_s:g} (seconds)",
        f"DAILY_MINUTES_PER_VISITOR={minutes:g}" if minutes else "DAILY_MINUTES_PER_VISITOR (not set: no limit)",
        "APP_PASSWORD (set)" if settings.app_password else "APP_PASSWORD (not set: anybody may come in)",
    ]
    return f"What limits them: {', '.join(limits)}."
