"""What the voice is given to speak, and when, whatever way the model cuts its text into tokens."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings

from tests.chance import SEEDS
from voice_agents.turns.sentences import SpeechSplitter, speakable

ANSWERS = [
    "Sure, I can do that. It is ten past nine in Tokyo, and the sun is up!",
    'Dr. Smith, e.g. the one at example.com, said: "Pay 1,000.50 dollars." Then he left... Really? Yes!',
    "The U.S. Army came at 9 a.m. Tomorrow it leaves at 10 p.m. or so. No. 5 is alive. No. I mean it, etc. Fine.",
    "# Weather\n\n- **Paris**: 20 °C 😀\n- *London*: 15°\n\nThat is it.",
    "| City | Degrees |\n|:-----|---:|\n| Paris | 20 |\n\nOnly one city.",
    "Try this:\n\n```python\nx = 2 * 3\nprint(snake_case)\n```\n\nIt prints `6`.",
    "1. First thing.\n2. **Second** thing: ok\n\n> quoted words\n\n---\n\nThe end.",
    "See [the docs. Here](https://example.com/a?b=c.d), or mail me@example.org.",
    "J. R. Tolkien agrees, 2*3=6 and 2 * 3 = 6. Really.",
    "Sure—I can. In 2024, at 10:30, it was 3.14 (or so). “Quoted.” It’s done…",
    "Well " + "and another word " * 30 + "without a stop",
    "A very long sentence, " * 20 + "which ends here.",
    "👍🏽 Great! 🇩🇪 Next 👩‍👩‍👧 one. 1️⃣ ok",
]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def cut(text: str, rng: random.Random) -> list[str]:
    """Random tokens."""
    longest = rng.choice([1, 2, 4, 9, 40])
    tokens, at = [], 0
    while at < len(text):
        size = rng.randint(1, longest)
        tokens.append(text[at : at + size])
        at += size
    return tokens


def as_model(text: str) -> list[str]:
    """Tokens as OpenAI's tokenizers make them: a word with its space, a stop by itself, numbers apart."""
    return re.findall(r" ?[^\W\d_]+(?:['’][a-z]+)?|\d{1,3}|\.[a-z]+|[^\w\s]+\n*|\s+|_", text)


def spoken(tokens: list[str]) -> list[str]:
    splitter = SpeechSplitter()
    pieces = [piece for token in tokens for piece in splitter.feed(token)]
    rest = splitter.flush()
    return [*pieces, rest] if rest else pieces


def tokens_until_first_piece(text: str) -> int:
    splitter = SpeechSplitter()
    for count, token in enumerate(as_model(text), 1):
        if splitter.feed(token):
            return count
    raise AssertionError("nothing before the end")


@pytest.mark.parametrize("text", ANSWERS)
@given(seed=SEEDS)
@settings(max_examples=20)
def test_no_word_is_lost_or_changed_whatever_the_tokens(text: str, seed: int) -> None:
    rng = random.Random(seed)
    splitter = SpeechSplitter()
    pieces: list[str] = []
    for token in cut(text, rng):
        pieces += splitter.feed(token)
        if rng.random() < 0.05 and (piece := splitter.release()):
            pieces.append(piece)
    pieces += filter(None, [splitter.flush()])
    assert words(" ".join(pieces)) == words(speakable(text))
    assert all(piece == piece.strip() and words(piece) for piece in pieces)
    assert not re.search(r"\*\*|`|\||^#|\]\(|[\U0001f000-\U0001faff]", "\n".join(pieces), re.MULTILINE)


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        ("Sure, I can do that for you.", 2),
        ("It is ten past nine. Anything else?", 6),
        ("**Sure**, I can.", 3),
        ("Yes! It is.", 2),
        ("Hello there; how are you?", 3),
        ("Okay — let me see.", 3),
        ("Well... let me see.", 2),
    ],
)
def test_the_first_clause_is_spoken_with_the_token_that_completes_it(answer: str, tokens: int) -> None:
    assert tokens_until_first_piece(answer) <= tokens


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Dr. Smith is here. So is Mr. Jones.", ["Dr. Smith is here.", "So is Mr. Jones."]),
        ("It costs 3.14 dollars. Or 1,000.", ["It costs 3.14 dollars.", "Or 1,000."]),
        ("Open example.com now. Then read.me too.", ["Open example.com now.", "Then read.me too."]),
        ("Come at 9 a.m. on Monday. Good.", ["Come at 9 a.m. on Monday.", "Good."]),
        ("Come at 9 a.m. Bring tea.", ["Come at 9 a.m.", "Bring tea."]),
        ("It is in the U.S. Senate. Yes.", ["It is in the U.S. Senate.", "Yes."]),
        ("J. R. Tolkien wrote it. Yes.", ["J. R. Tolkien wrote it.", "Yes."]),
        ("No. 5 wins. No. Not that.", ["No. 5 wins.", "No.", "Not that."]),
        ("1. First do this.\n2. Then that.", ["1. First do this.", "2. Then that."]),
        ('He said "Hi there." Then he left.', ['He said "Hi there."', "Then he left."]),
        ("Wait... There it is.", ["Wait...", "There it is."]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("It is at 10:30. Fine.", ["It is at 10:30.", "Fine."]),
        ("- milk\n- eggs\n", ["milk", "eggs"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", ["a, b", "1, 2"]),
        ("Great! 😀 Next.", ["Great!", "Next."]),
    ],
)
def test_only_real_ends_cut(text: str, pieces: list[str]) -> None:
    assert spoken(as_model(text)) == pieces


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**bold** and *soft* and __both__ and ~~gone~~", "bold and soft and both and gone"),
        ("`code` and [text](https://a.b/c_d) ![picture](x.png)", "code and text picture"),
        ("## Title ##", "Title ##"),
        ("- [x] done", "done"),
        ("2 * 3 is 6, 2*3 too, 2**3 is 8", "2 * 3 is 6, 2*3 too, 2**3 is 8"),
        ("snake_case and _soft_", "snake_case and soft"),
        ("C# and #1 and a - b", "C# and #1 and a - b"),
        ("```\nwords\n```", "words"),
        ("***", ""),
        ("20 °C ☀️ and © 2024 👍🏽", "20 °C and © 2024"),
        ("<https://example.com> a<br>b", "https://example.com a b"),
        (r"5 \* 3 \[sic\]", "5 3 [sic]"),
    ],
)
def test_markdown_and_emoji_are_not_spoken(text: str, said: str) -> None:
    assert speakable(text) == said


def test_a_number_at_the_end_waits_for_its_decimals_until_the_model_pauses() -> None:
    splitter = SpeechSplitter()
    assert [splitter.feed(token) for token in ["It", " is", " 3", "."]] == [[], [], [], []]
    assert splitter.release() == "It is 3."
    assert splitter.flush() is None


def test_a_pause_in_the_middle_of_a_clause_releases_nothing() -> None:
    splitter = SpeechSplitter()
    splitter.feed("I think that Dr.")
    assert splitter.release() is None
    splitter.feed(" Smith [is")
    assert splitter.release() is None
    splitter.feed(" here.](https://x.y)")
    assert splitter.flush() == "I think that Dr. Smith is here."


def test_what_is_said_before_a_tool_runs_is_released() -> None:
    splitter = SpeechSplitter()
    assert splitter.feed("Sure. Let me look that up:") == ["Sure."]
    assert splitter.release() == "Let me look that up:"


def test_a_closing_quote_that_comes_later_is_not_spoken_by_itself() -> None:
    assert spoken(["He", " said", ' "', "Hi", ".", '"', " Then", " left", "."]) == ['He said "Hi.', "Then left."]


def test_letter_by_letter_a_domain_stays_whole() -> None:
    assert spoken(list("See example.com now. Fine.")) == ["See example.com now.", "Fine."]


def test_a_long_sentence_is_cut_at_a_clause_and_an_endless_one_between_words() -> None:
    pieces = spoken(as_model("Yes. " + "one two three four five, " * 20))
    assert all(len(piece) <= 151 and piece.endswith((",", ".")) for piece in pieces)
    assert all(len(piece) <= 260 for piece in spoken(as_model("Yes. " + "word " * 200)))


def test_the_next_message_starts_early_again() -> None:
    splitter = SpeechSplitter()
    splitter.feed("Let me see. One moment")
    assert splitter.flush() == "One moment"
    assert splitter.feed("Here,") == ["Here,"]
