"""The transcript as messages of gradio's Chatbot: words exactly as they were said, never as markup."""

from __future__ import annotations

from typing import Any

from voice_agents.conversation.history import Speaker
from voice_agents.ui.view import ConversationView, Line

Message = dict[str, Any]
"""``role``, ``content`` and ``metadata`` as gr.Chatbot(type="messages") takes them."""


def messages(view: ConversationView) -> list[Message]:
    """All lines of the view, oldest first."""
    return [_message(line) for line in view.lines]


def literal(text: str) -> str:
    """Text that Markdown and HTML leave alone: everything but letters, digits and spaces becomes an entity."""
    return "".join(
        c if c.isalnum() or c == " " or c > "\x7f" else "<br>" if c == "\n" else f"&#{ord(c)};"
        for c in text
        if c == "\n" or c.isprintable()
    )


def _message(line: Line) -> Message:
    if line.speaker is Speaker.TOOL:
        return _tool(line)
    role = "user" if line.speaker is Speaker.USER else "assistant"
    text = literal(line.text)
    if line.speaker is Speaker.USER and not line.settled:
        text = f'<span class="va-ghost">{text}</span>'
    if unheard := line.unheard.lstrip():
        text += line.unheard[: -len(unheard)]
        text += f'<del class="va-unheard" title="Not heard: you interrupted here">{literal(unheard)}</del>'
    return {"role": role, "content": text}


def _tool(line: Line) -> Message:
    title = f"Tool: {line.tool.replace('_', ' ')}"
    parts = [f"Asked with {literal(line.arguments)}"] if line.arguments else []
    if line.settled:
        result = line.text or ("it did not answer" if line.failed else "done")
        parts.append(f"{'Failed' if line.failed else 'Result'}: {literal(result)}")
    metadata = {"title": literal(title), "status": "done" if line.settled else "pending"}
    return {"role": "assistant", "content": "<br>".join(parts) or "…", "metadata": metadata}
