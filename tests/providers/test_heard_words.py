"""A noise that a recogniser writes down is no word of the user."""

from __future__ import annotations

import pytest

from voice_agents.providers.heard_words import words_in

NOISES = [
    *("(coughs)", "(background noise)", "(door closes) (laughs)", "[laughter]", "[BLANK_AUDIO]", "[ Silence ]"),
    *("<noise>", "<unk>", "*sighs*", "♪", "♪ upbeat music ♪", "🎵", "♪♪", "(music).", "[Music]", "[MÚSICA]"),
    *("(歌と音楽)", "（笑）", "【音楽】", "[無音]", "(Applaus)", "(rires)", "(crowd cheers)", "((inaudible))"),
    *("[[silence]]", "{noise}", "(15 seconds of silence)", "[inaudible 00:01:02]", "<|nospeech|>", "<|0.00|>"),
    *("(Hintergrundgeräusche)", "(rumore di sottofondo)", "[музыка]", "(배경 소음)", "[موسيقى]", "(background noise"),
    *(
        "[laughter",
        "<|startoftranscript|><|en|>",
        "[_TT_150]",
        ">> [APPLAUSE]",
    ),
    *("**music playing**", "♫ ♬", "♩ la la la", "- [typing]", "[BLANK_AUDIO]。", "(typing)", "[no audio]"),
]
PUNCTUATION = [
    ".",
    "...",
    "?",
    "-",
    "\u2026",
    "。",
    "、",
    "?!",
    "\u00bf",
    "'",
    "\u2014",
    ",",
    '""',
    "\u200b",
    "\ufeff.",
]
MIXED = {
    "(coughs) What time is it?": "What time is it?",
    "Hello [laughter] there.": "Hello there.",
    "♪ la la ♪ Stop the music.": "Stop the music.",
    "What [inaudible 00:01] is it": "What is it",
    "（咳）今何時ですか": "今何時ですか",
    "<|en|>What time is it?": "What time is it?",
    "*sighs* Never mind.": "Never mind.",
    "Stop ♪": "Stop",
    "[BLANK_AUDIO] Yes.": "Yes.",
    "Well {uh} yes": "Well yes",
    "[Speaker 1]: Hello": "Hello",
    ">> Hello there.": "Hello there.",
    "Okay %HESITATION so": "Okay so",
}
CREDITS = [
    *("Thank you for watching!", "Thanks for watching.", "Thank you so much for watching this video."),
    *(
        "Subtitles by the Amara.org community",
        "Untertitel der Amara.org-Community",
        "Untertitel im Auftrag des ZDF, 2021",
    ),
    *("Sous-titres réalisés par la communauté d'Amara.org", "Terima kasih telah menonton!", "Спасибо за просмотр!"),
    *(
        "ご視聴ありがとうございました",
        "시청해주셔서 감사합니다!",
        "Abone olmayı unutmayın.",
        "感谢观看",
        "字幕由Amara.org社区提供",
    ),
]
WORDS = [
    *("Thank you for watching the dog.", "Thanks!", "Thank you.", "Who wrote the subtitles?", "谢谢"),
    *("What time is it?", "Call (555) 123 4567.", "No.", "5", "Ja, genau.", "Is 3 < 4?", "2 * 3 * 4", "私は元気です"),
    *("Is a < b and c > d?", "Two * x * four.", "It's 5 o'clock", "Ünïcödé", "- Yes", "「はい」", "C# or F#", "1.5 (2"),
]
BEGUN = {
    "(": "",
    "(backgr": "",
    "(background noise": "",
    "[BLANK": "",
    "<noi": "",
    "*sig": "",
    "【音": "",
    "Hello (lau": "Hello",
    "Is it 3 < 4": "Is it 3 < 4",
    "What time": "What time",
    "2 * 3": "2 * 3",
}


@pytest.mark.parametrize("text", [*CREDITS, "%HESITATION", "@hes@", "SIL", "&nbsp;"])
def test_what_a_recogniser_makes_of_silence_is_no_word(text: str) -> None:
    assert words_in(text) == ""


@pytest.mark.parametrize("text", [*NOISES, *PUNCTUATION])
def test_a_noise_is_nothing(text: str) -> None:
    assert words_in(text) == ""


@pytest.mark.parametrize("text", MIXED)
def test_the_words_beside_a_noise_stay(text: str) -> None:
    assert words_in(text) == MIXED[text]


@pytest.mark.parametrize("text", WORDS)
def test_words_stay_as_they_are(text: str) -> None:
    assert words_in(text) == text


@pytest.mark.parametrize("text", BEGUN)
def test_what_may_become_a_noise_is_not_shown_yet(text: str) -> None:
    assert words_in(text, unfinished=True) == BEGUN[text]


@pytest.mark.parametrize("text", NOISES)
def test_a_noise_is_nothing_as_it_is_being_written_down(text: str) -> None:
    """Character by character, as a Realtime server tells it: nothing opens a turn."""
    told = {words_in(text[:end], unfinished=True) for end in range(1, len(text) + 1)}
    assert told == {""}
