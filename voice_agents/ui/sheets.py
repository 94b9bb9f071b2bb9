"""What opens over the whole page, as HTML: devices, keys, and the drawer of conversations."""

from __future__ import annotations

from html import escape

from voice_agents.ui.icons import icon

_KEYS = (
    ("Space", "hold to speak, let go to send"),
    ("Esc", "interrupt the agent"),
    ("M", "mute or unmute"),
    ("N", "new conversation"),
    ("C", "conversations"),
    ("/", "go to the text box"),
    ("?", "show these keys"),
)


def page_sheets(keeps: bool) -> str:
    """All of them; the drawer only where conversations are kept."""
    return _devices() + _help() + (_drawer() if keeps else "")


def _sheet(name: str, title: str, content: str) -> str:
    return (
        f'<dialog id="va-{name}" class="va-sheet" aria-labelledby="va-{name}-title"><header>'
        f'<h2 id="va-{name}-title">{title}</h2>'
        f'<button type="button" class="va-tool va-close" aria-label="Close">{icon("close")}</button></header>'
        f'<div class="va-sheet-body">{content}</div></dialog>'
    )


def _devices() -> str:
    return _sheet(
        "devices",
        "Microphone and loudspeaker",
        '<div class="va-setting"><label for="va-microphone">Microphone</label>'
        '<select id="va-microphone"></select><meter id="va-meter" min="0" max="1" value="0" '
        'aria-label="What your microphone hears"></meter></div>'
        '<div class="va-setting"><label for="va-loudspeaker">Loudspeaker</label><select id="va-loudspeaker"></select>'
        '<button type="button" id="va-test" class="va-preset">Play a test sound</button></div>',
    )


def _help() -> str:
    rows = "".join(f"<dt><kbd>{escape(key)}</kbd></dt><dd>{escape(means)}</dd>" for key, means in _KEYS)
    return _sheet("help", "Keys", f'<dl class="va-keys">{rows}</dl>')


def _drawer() -> str:
    return _sheet(
        "drawer",
        "Conversations",
        f'<div class="va-search">{icon("search")}<input type="search" id="va-search" placeholder="Search in all words" '
        'aria-label="Search in all words" autocomplete="off" enterkeyhint="search"></div>'
        f'<button type="button" id="va-drawer-new" class="va-preset">{icon("new")}New conversation</button>'
        '<p class="va-drawer-line" id="va-drawer-line"><span role="status" aria-live="polite"></span>'
        '<button type="button" class="va-action" hidden>Undo</button></p>'
        '<ul class="va-shelf" id="va-shelf" aria-label="Your conversations"></ul>'
        '<section class="va-notes" id="va-notes" aria-labelledby="va-notes-title" hidden>'
        '<h3 id="va-notes-title">What the agent noted for you</h3><ul></ul></section>'
        '<section class="va-recording"><label><input type="checkbox" id="va-record"> Record my calls in this browser'
        "</label><p>You on the left, the agent on the right. The sound stays in this browser until you delete it, and "
        "a red light shows while it is recorded.</p></section>"
        '<section class="va-everything"><p>All of this belongs to this browser only.</p>'
        '<button type="button" id="va-delete-all" class="va-preset">Delete everything of mine</button>'
        '<div id="va-sure" class="va-sure" hidden><p id="va-sure-text">Conversations, notes and recordings are gone '
        'for good then. This cannot be undone.</p><div class="va-row">'
        '<button type="button" class="va-preset va-danger" aria-describedby="va-sure-text">Delete everything</button>'
        '<button type="button" class="va-preset">Keep it</button></div></div></section>',
    )
