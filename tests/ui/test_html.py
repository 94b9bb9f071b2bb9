"""The page's own HTML: literal words, plain figures, nothing that could be injected."""

from __future__ import annotations

from dataclasses import replace

from voice_agents.conversation.history import Speaker
from voice_agents.errors import Role
from voice_agents.events import Status
from voice_agents.settings import Endpoint, Provider, Settings
from voice_agents.turns.latency import LatencyHistory, TurnLatency
from voice_agents.ui import status
from voice_agents.ui.chat import literal, messages
from voice_agents.ui.latency_view import waterfall
from voice_agents.ui.view import Banner, ConversationView, Line

EVIL = '<img src=x onerror="alert(1)"> **bold** [x](javascript:1) `a` $$x$$'
ROLES = (Role.STT, Role.CHAT, Role.TTS)
OFFLINE = Settings().with_offline("http://127.0.0.1:1")


def test_words_become_text_that_neither_html_nor_markdown_touches() -> None:
    shown = literal(EVIL)
    assert not set("<>\"'*[]()`$_") & set(shown)
    assert literal("Grüße, 東京 1") == "Grüße&#44; 東京 1"
    assert literal("a\nb\x00\u202ec") == "a<br>bc"


def test_every_kind_of_line_is_literal() -> None:
    view = ConversationView()
    for speaker in Speaker:
        view.lines.append(Line(speaker, 1, EVIL, unheard=EVIL, tool=EVIL, arguments=EVIL))
    view.lines.append(Line(Speaker.USER, 2, EVIL, settled=False))
    for message in messages(view):
        assert "<img" not in str(message)
        assert "**" not in str(message)


def test_a_running_tool_is_pending_and_a_returned_one_is_done() -> None:
    view = ConversationView(lines=[Line(Speaker.TOOL, 1, tool="roll_dice", settled=False)])
    (message,) = messages(view)
    assert message["metadata"] == {"title": "Tool&#58; roll dice", "status": "pending"}
    view.lines[0].text, view.lines[0].settled = "4 and 2", True
    (message,) = messages(view)
    assert message["metadata"]["status"] == "done"
    assert "4 and 2" in message["content"]


def test_banners_are_escaped_and_errors_are_announced() -> None:
    assert status.banner(None) == ""
    shown = status.banner(Banner("error", "<b>no</b>"))
    assert "&lt;b&gt;" in shown
    assert 'role="alert"' in shown


def test_every_status_has_its_word_on_a_colour() -> None:
    for word in Status:
        assert f">{word.value}</span>" in status.pill(word)


def test_who_is_offline_is_said_and_what_it_means() -> None:
    assert status.badges(OFFLINE, ROLES).count("va-offline") == 3
    assert "<b>Everything</b> runs <b>offline</b>" in status.offline_note(OFFLINE, ROLES)
    chat = Endpoint(Provider.AZURE, "https://example.com", "gpt-4o", "secret")
    partly = replace(OFFLINE, chat=chat)
    assert "Azure OpenAI · gpt-4o" in status.badges(partly, ROLES)
    assert "secret" not in status.badges(partly, ROLES)
    assert "Speech-to-text, text-to-speech" in status.offline_note(partly, ROLES)
    assert status.offline_note(partly, (Role.CHAT,)) == ""


def test_the_waterfall_names_every_figure_the_turn_has() -> None:
    turn = TurnLatency(endpointing=0.534, silence=0.5, transcription=0.121, first_token=0.3, voice_to_voice=1.2345)
    history = LatencyHistory()
    history.add(turn)
    history.add(replace(turn, voice_to_voice=2.0))
    html = waterfall(turn, history)
    assert "<td>534</td>" in html
    assert "<td>1234</td><td>1617</td>" in html
    assert "median of 2" in html
    assert "Tools" not in html


def test_the_waterfall_bars_stand_one_after_the_other() -> None:
    html = waterfall(TurnLatency(transcription=0.25, first_token=0.75, voice_to_voice=1.0), LatencyHistory())
    assert "left:0.0%;width:25.0%" in html
    assert "left:25.0%;width:75.0%" in html


def test_before_the_first_answer_there_is_a_hint() -> None:
    assert "After the first answer" in waterfall(None, LatencyHistory())
