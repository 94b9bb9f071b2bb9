"""The page's own HTML: literal words, plain figures, nothing that could be injected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from voice_agents.conversation.history import Speaker
from voice_agents.errors import Role
from voice_agents.events import AgentResumed, AgentText, Status, StatusChanged, UserTranscript
from voice_agents.settings import Endpoint, Provider, Settings
from voice_agents.turns.latency import LatencyHistory, TurnLatency
from voice_agents.ui import status
from voice_agents.ui.desk import Sheet
from voice_agents.ui.drawing import Drawn, clean, line_data
from voice_agents.ui.latency_view import compared, waterfall
from voice_agents.ui.view import TranscriptLine, TurnFigures
from voice_agents.ui.voice_tab import TabSpec, tab_html

EVIL = '<img src=x onerror="alert(1)"> **bold** [x](javascript:1) `a` $$x$$'
ROLES = (Role.STT, Role.CHAT, Role.TTS)
OFFLINE = Settings().with_offline("http://127.0.0.1:1")


@pytest.mark.parametrize("text", ["👩‍👩‍👧 family", "می‌خواهم", "क्‍ष", "Grüße, 東京 1", EVIL, "a\nb"])
def test_words_are_sent_as_they_were_said(text: str) -> None:
    assert clean(text) == text


def test_what_could_disturb_other_lines_is_left_out() -> None:
    assert clean("a\x00\u202eb\u2067c\ud800") == "abc"


def test_a_window_is_sent_only_what_changed() -> None:
    sheet, drawn = Sheet(), Drawn()
    sheet.view.apply(UserTranscript(turn=1, at=0.0, text="hi", final=True))
    first = drawn.news(sheet)
    assert [line["text"] for line in first["lines"]] == ["hi"]
    assert first["status"] == "Ready"
    assert drawn.news(sheet) == {}
    sheet.view.apply(StatusChanged(turn=1, at=0.0, status=Status.THINKING))
    assert drawn.news(sheet) == {"status": "Thinking"}
    sheet.view.apply(AgentText(turn=1, at=0.0, text="Hello"))
    assert [line["text"] for line in drawn.news(sheet)["lines"]] == ["Hello"]


def test_lines_that_came_to_nothing_are_taken_away() -> None:
    sheet, drawn = Sheet(), Drawn()
    sheet.view.apply(UserTranscript(turn=1, at=0.0, text="mm", final=False))
    (line,) = drawn.news(sheet)["lines"]
    sheet.view.apply(AgentResumed(turn=1, at=0.0, position=0))
    assert drawn.news(sheet) == {"gone": [line["id"]]}


def test_a_tools_line_says_what_it_was_asked_and_what_came_of_it() -> None:
    line = TranscriptLine(Speaker.TOOL, 1, tool="roll_dice", arguments='{"count": 2}', settled=False, id=7)
    sent = line_data(line)
    assert (sent["tool"], sent["asked"], sent["settled"], sent["failed"]) == ("roll dice", '{"count": 2}', False, False)


def test_the_tab_is_whole_and_safe_whatever_its_texts_hold() -> None:
    html = tab_html(TabSpec("sandwich", EVIL, EVIL, ROLES, [EVIL]), OFFLINE)
    assert "<img" not in html
    for part in ("talk", "chat", "status", "text", "latency", "mute", "end", "settings", "timing"):
        assert f'id="sandwich-{part}"' in html


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


def test_both_engines_stand_side_by_side_once_both_have_answered() -> None:
    one, other = TurnFigures(last=TurnLatency(voice_to_voice=1.0)), TurnFigures(last=TurnLatency(voice_to_voice=2.0))
    one.history.add(TurnLatency(voice_to_voice=1.0))
    other.history.add(TurnLatency(voice_to_voice=2.0))
    assert "Realtime" not in compared({"sandwich": one, "realtime": TurnFigures()})["sandwich"]
    both = compared({"sandwich": one, "realtime": other})
    assert "<td>1000</td><td>2000</td>" in both["sandwich"]
    assert both["realtime"].startswith('<p class="va-big"><b>2000</b> ms')


def test_the_last_turns_are_a_line() -> None:
    figures = TurnFigures(last=TurnLatency(voice_to_voice=1.0))
    for seconds in (1.0, 2.0, 1.0):
        figures.history.add(TurnLatency(voice_to_voice=seconds))
    assert 'points="0.0,16.0 50.0,2.0 100.0,16.0"' in compared({"sandwich": figures})["sandwich"]
