"""The page's icons, drawn in the colour of the text around them."""

from __future__ import annotations

_PATHS = {
    "mic": '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5 11a7 7 0 0 0 14 0M12 18v3"/>',
    "mic-off": '<path d="M9 9v2a3 3 0 0 0 4.6 2.5M15 11V6a3 3 0 0 0-5.6-1.5M5 11a7 7 0 0 0 10.9 5.8M19 11a7 7 0 0 1-.8 '
    '3.2M12 18v3M4 4l16 16"/>',
    "stop": '<rect x="7" y="7" width="10" height="10" rx="2" fill="currentColor"/>',
    "dots": '<circle cx="6" cy="12" r="1.6" fill="currentColor"/><circle cx="12" cy="12" r="1.6" fill="currentColor"/>'
    '<circle cx="18" cy="12" r="1.6" fill="currentColor"/>',
    "down": '<path d="m7 10 5 5 5-5"/>',
    "send": '<path d="M12 20V5M6 11l6-6 6 6"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "new": '<path d="M12 5v14M5 12h14"/>',
    "list": '<path d="M5 7h14M5 12h14M5 17h9"/>',
    "timing": '<circle cx="12" cy="13" r="7"/><path d="M12 9v4l3 2M10 3h4"/>',
    "settings": '<path d="M4 8h10M18 8h2M4 16h2M10 16h10"/><circle cx="16" cy="8" r="2"/>'
    '<circle cx="8" cy="16" r="2"/>',
    "theme": '<circle cx="12" cy="12" r="8"/><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor"/>',
    "search": '<circle cx="11" cy="11" r="6"/><path d="m20 20-4.5-4.5"/>',
    "more": '<circle cx="5" cy="12" r="1.4" fill="currentColor"/><circle cx="12" cy="12" r="1.4" fill="currentColor"/>'
    '<circle cx="19" cy="12" r="1.4" fill="currentColor"/>',
    "bin": '<path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13"/>',
    "help": '<circle cx="12" cy="12" r="8.5"/><path d="M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.5v.1"/>',
}


def icon(name: str) -> str:
    """One of them as SVG, silent for screen readers."""
    return (
        f'<svg class="va-icon va-icon-{name}" viewBox="0 0 24 24" width="24" height="24" fill="none" '
        'stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
        f"{_PATHS[name]}</svg>"
    )
