"""What voices read badly is said as people say it, however the tokens are cut, and leads back to what was written.

Most inputs are from what others complained of or document: ElevenLabs' guide to normalisation, Rime, Cartesia, Retell,
NeMo, KittenTTS, kokoro, pocket-tts, Open WebUI, LibreChat, Azure's search demo, DeepTutor, abogen.
"""

from __future__ import annotations

import random
import re

import pytest

from voice_agents.turns.english import in_english
from voice_agents.turns.heard import SpokenWord, split_heard
from voice_agents.turns.said import WayBack
from voice_agents.turns.sentences import SpeechSplitter, speakable
from voice_agents.turns.tongue import language_of


def say(text: str) -> str:
    """A whole text, as one piece."""
    return " ".join(group.text for group in in_english(speakable(text)) if group.text)


MONEY = [
    ("$42.50", "forty-two dollars and fifty cents"),
    ("£1,001.32", "one thousand and one pounds and thirty-two pence"),
    ("$1,000,000", "one million dollars"),
    ("$47,345.67.", "forty-seven thousand three hundred and forty-five dollars and sixty-seven cents."),
    ("the $24.12 payment", "the twenty-four dollars and twelve cents payment"),
    ("₹500 or $20", "five hundred rupees or twenty dollars"),
    ("$1.25", "one dollar and twenty-five cents"),
    ("$0.99", "ninety-nine cents"),
    ("$1", "one dollar"),
    ("€50.99", "fifty euros and ninety-nine cents"),
    ("US$2,000", "two thousand US dollars"),
    ("$3.2 billion", "three point two billion dollars"),
    ("$1.5M", "one point five million dollars"),
    ("$5-10", "five to ten dollars"),
    ("$9.99/mo.", "nine dollars and ninety-nine cents per month."),
    ("100 EUR", "one hundred euros"),
    ("-$5", "minus five dollars"),
    ("50¢", "fifty cents"),
    ("$23.3T or R$50", "twenty-three point three trillion dollars or fifty Brazilian reais"),
    ("£3.50/kg", "three pounds and fifty pence per kilogram"),
]
DATES = [
    ("2024-01-01", "January first, twenty twenty-four"),
    ("01/02/2023", "January second, twenty twenty-three"),
    ("on 04-15-2023.", "on April fifteenth, twenty twenty-three."),
    ("25/12/2024", "December twenty-fifth, twenty twenty-four"),
    ("05.01.2024", "January fifth, twenty twenty-four"),
    ("04/20/2026", "April twentieth, twenty twenty-six"),
    ("Jul 5th, 2024", "July fifth, 2024"),
    ("On Jan. 5 we", "On January fifth we"),
    ("Dec 5-Dec 12", "December fifth to December twelfth"),
    ("5 Jan 2024", "fifth of January 2024"),
    ("Mon, Jan 5", "Monday, January fifth"),
    ("1999-2000", "nineteen ninety-nine to two thousand"),
    ("2024-01-05T14:30:00Z", "January fifth, twenty twenty-four, at fourteen thirty UTC"),
    ("in Sept 2024", "in September 2024"),
]
TIMES = [
    ("14:30", "fourteen thirty"),
    ("9:23 AM", "nine twenty-three AM"),
    ("7:00 PM", "seven PM"),
    ("at 2:30pm.", "at two thirty PM."),
    ("at 2:30 p.m. on Monday", "at two thirty PM on Monday"),
    ("19:05", "nineteen oh five"),
    ("10:00", "ten o'clock"),
    ("00:15", "twelve fifteen AM"),
    ("9:00–17:00", "nine o'clock to seventeen hundred"),
    ("9am-5pm", "nine AM to five PM"),
    ("Mon-Fri 9am–5pm", "Monday to Friday nine AM to five PM"),
    ("5.00a.m.", "five AM."),
    ("UTC+2", "UTC plus two"),
]
TELEPHONES = [
    ("Ring 112 or 999.", "Ring one one two or nine nine nine."),
    ("Emergency: 911.", "Emergency: nine one one."),
    ("-5 to +10", "minus five to plus ten"),
    ("123-456-7890", "one two three, four five six, seven eight nine zero"),
    ("(415) 555-1212", "four one five, five five five, one two one two"),
    ("Call my number 2137112342 now", "Call my number two one three seven one one two three four two now"),
    ("+1 415 555 2671", "plus one, four one five, five five five, two six seven one"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("555-0123", "five five five, zero one two three"),
    ("1-800-FLOWERS", "one, eight hundred, FLOWERS"),
    ("call 911", "call nine one one"),
    ("213.711.2342 ext. 5", "two one three, seven one one, two three four two, extension five"),
    ("020 7946 0958", "zero two zero, seven nine four six, zero nine five eight"),
    ("Your code is 482913.", "Your code is four eight two nine one three."),
    ("SSN 123-45-6789", "SSN one two three, four five, six seven eight nine"),
    ("CA 94107", "CA nine four one zero seven"),
    ("Order #48213, tracking number 99812", "Order four eight two one three, tracking number nine nine eight one two"),
    ("500-1000 people", "five hundred to one thousand people"),
]
UNITS = [
    ("3h 20m", "three hours twenty minutes"),
    ("in 1h 5m 30s", "in one hour five minutes thirty seconds"),
    ("1'30\"", "one minute thirty seconds"),
    ("3 × 4 = 12", "3 times 4 equals 12"),
    ("100km", "one hundred kilometers"),
    ("100%", "one hundred percent"),
    ("50g", "fifty grams"),
    ("98°F", "ninety-eight degrees Fahrenheit"),
    ("20–25 °C", "twenty to twenty-five degrees Celsius"),
    ("2 TB", "two terabytes"),
    ("80km/h", "eighty kilometers per hour"),
    ("15-22 m/s", "fifteen to twenty-two meters per second"),
    ("120 m²", "one hundred and twenty square meters"),
    ("5'11\"", "five feet eleven inches"),
    ("1 km", "one kilometer"),
    ("150psi", "one hundred and fifty pounds per square inch"),
    ("3x faster", "three times faster"),
    ("2-3 lbs. of flour", "two to three pounds of flour"),
    ("40.7128° N", "forty point seven one two eight degrees north"),
    ("1920x1080", "one thousand nine hundred and twenty by one thousand and eighty"),
    ("120/80 mmHg", "one hundred and twenty over eighty millimeters of mercury"),
    ("5-10%", "five to ten percent"),
]
ADDRESSES = [
    ("elevenlabs.io/docs", "elevenlabs dot io slash docs"),
    ("example.com/link/to/resource", "example dot com slash link slash to slash resource"),
    ("tryjarvis.in is up", "tryjarvis dot in is up"),
    ("https://www.example.com/a-b?x=1#top.", "www dot example dot com slash a dash b."),
    ("http://localhost:8000/v1", "localhost port 8000 slash v1"),
    ("192.168.1.20:1234", "192 dot 168 dot 1 dot 20 port 1234"),
    ("<https://example.com>", "example dot com"),
    ("me@example.org", "me at example dot org"),
    ("john.doe+test@mail.example.co.uk.", "john dot doe plus test at mail dot example dot co dot uk."),
    ("mailto:info@example.com", "info at example dot com"),
    ("/etc/hosts", "slash etc slash hosts"),
    ("report_2.pdf", "report underscore 2 dot pdf"),
    ("C:\\Users\\me", "C colon backslash Users backslash me"),
    ("See main.py.", "See main dot py."),
]
CODE = [
    ("x**2 + y**10", "x squared plus y to the power of 10"),
    ("Version v2.10.3", "Version two point ten point three"),
    ("©2024 Acme", "copyright 2024 Acme"),
    ("`df.groupby('x').mean()`", "df dot groupby x dot mean"),
    ("`print(snake_case)`", "print snake case"),
    ("`x = 2 * 3`", "x equals 2 times 3"),
    ("`npm install --save-dev`", "npm install dash dash save dev"),
    ("`a == b && c != d`", "a equals b and c is not d"),
    ("`os.path.join`", "os dot path dot join"),
    ("`arr[0]`", "arr 0"),
    ("`user_id`", "user id"),
    ("Ctrl + Z", "control Z"),
    ("`foo()` works", "foo works"),
    ("`SELECT * FROM users WHERE id = 5`", "SELECT star FROM users WHERE id equals 5"),
    ("`MAX_SESSIONS=20`", "MAX SESSIONS equals 20"),
    ('`{"name": "Bob"}`', "name is Bob"),
    ("```python\nx = f(y)\n```", "x equals f of y"),
]
CITATIONS = [
    ("It is so【4†source】.", "It is so."),
    ("It is so.【4:0†my file.pdf】 Next", "It is so. Next"),
    ("It is[1] so [2].", "It is so."),
    ("Yes[1][2]. No", "Yes. No"),
    ("Shown [1, 2].", "Shown."),
    ("A note[^1] here", "A note here"),
    ("[^1]: The note", "The note"),
    ("Policy says so [benefits.pdf#page=3].", "Policy says so."),
    ("Azure says so [doc1].", "Azure says so."),
    ("See it ([example.com](https://example.com/?utm_source=openai)).", "See it."),
    ("\ue200cite\ue202turn0search1\ue201Fact.", "Fact."),
    ('<cite index="1-2">It is.</cite>', "It is."),
    ("True[citation needed].", "True."),
    ("The list is [1, 2, 3]", "The list is [1, 2, 3]"),
]
TEX = [
    ("$E = mc^2$", "E equals m c squared"),
    ("\\(\\frac{7}{10}\\)", "7 over 10"),
    ("$6{x}_{1} + 4{x}_{2} \\leq {24}$", "6 x sub 1 plus 4 x sub 2 is at most 24"),
    (
        "$$x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$$",
        "x equals minus b plus or minus the square root of b squared minus 4 a c over 2 a",
    ),
    ("\\[\\sum_{i=1}^{n} i\\]", "the sum from i equals 1 to n of i"),
    ("$\\int_0^1 f(x)\\,dx$", "the integral from 0 to 1 of f of x d x"),
    ("$U/t \\sim 4$", "U over t is similar to 4"),
    ("$C_{i,j}$", "C sub i , j"),
    ("$90^\\circ$", "90 degrees"),
    ("$\\frac{d}{dx} x^n = n x^{n-1}$", "d over d x x to the power of n equals n x to the power of n minus 1"),
    ("\\boxed{42}", "42"),
    ("$\\text{total area} = \\pi r^2$", "total area equals pi r squared"),
    ("\\frac{a}{b} = \\sqrt[3]{27}", "a over b equals the cube root of 27"),
    ("It costs $5 and $6.", "It costs five dollars and six dollars."),
]
HTML = [
    ("Tom &amp; Jerry", "Tom and Jerry"),
    ("it&#39;s", "it's"),
    ("a&nbsp;b", "a b"),
    ("&quot;Hi&quot;", '"Hi"'),
    ("5 &lt; 6", "5 is less than 6"),
    ("3 &times; 4", "three by four"),
    ("20&deg;C", "twenty degrees Celsius"),
    ("<p>Hi <b>you</b></p>", "Hi you"),
    ("one<br/>two", "one two"),
    ('<a href="https://x.y">here</a>', "here"),
    ("x<sup>2</sup>", "x squared"),
    ("AT&T and R&D; fine", "AT&T and R&D; fine"),
    ("x < 5 and y > 3", "x is less than 5 and y is more than 3"),
]
TABLES_AND_LISTS = [
    ("| City | Cost |\n|---|---|\n| Paris | $5 |", "City, Cost Paris, five dollars"),
    ("- milk\n- 2 kg flour", "milk two kilograms flour"),
    ("* one\n* two", "one two"),
    ("1. First\n2. Second", "1. First 2. Second"),
    ("• point", "point"),
    ("- [x] done", "done"),
    ("## Title\ntext", "Title text"),
    ("> quoted", "quoted"),
    ("| a | b |\n|:-:|--:|\n| `x_1` | 50% |", "a, b x 1, fifty percent"),
    ("---\nend", "end"),
    ("+ plus list", "plus list"),
]
NUMBERS = [
    ("It is 1e-9.", "It is one times ten to the power of minus nine."),
    ("ISBN 978-3-16-148410-0", "ISBN nine seven eight, three, one six, one four eight four one zero, zero"),
    ("3.14", "three point one four"),
    ("2nd", "second"),
    ("⅔", "two thirds"),
    ("2/3", "two thirds"),
    ("1 1/2 cups", "one and a half cups"),
    ("24/7", "twenty-four seven"),
    ("8/10", "eight out of ten"),
    ("1,234,567", "one million two hundred and thirty-four thousand five hundred and sixty-seven"),
    ("6.02×10^23", "six point zero two times ten to the power of twenty-three"),
    ("v2.5", "version two point five"),
    ("-5", "minus five"),
    ("16:9", "sixteen to nine"),
    ("~5 or >50%", "about 5 or more than fifty percent"),
    ("4.5/5 and 5/5 stars", "four point five out of five and five out of five stars"),
    ("H₂O", "H2O"),
    ("2^10 = 1024", "2 to the power of 10 equals 1024"),
    ("#1", "number one"),
    ("10-20 people", "ten to twenty people"),
]
KINDS = {
    **{"money": MONEY, "dates": DATES, "times": TIMES, "telephones": TELEPHONES, "units": UNITS, "code": CODE},
    **{"addresses": ADDRESSES, "citations": CITATIONS, "TeX": TEX, "HTML": HTML, "numbers": NUMBERS},
    **{"tables and lists": TABLES_AND_LISTS},
}


@pytest.mark.parametrize(("kind", "written", "words"), [(kind, *pair) for kind in KINDS for pair in KINDS[kind]])
def test_what_is_read_badly_is_said_in_words(kind: str, written: str, words: str) -> None:
    assert len(KINDS[kind]) >= 10
    assert say(written) == words


@pytest.mark.parametrize(
    "text",
    [
        "It is ten past nine in Tokyo, on Tuesday. Dr. Smith's café takes tea!",
        'I have 3 apples and 56 pears; in 2024, at 9 a.m., he said: "Hi".',
        "AT&T, Q&A and R&D: the well-known mother-in-law (see above) - really.",
        "COVID-19, F-16, B2B, 4K, H2O, MP3, iPhone 15, GPT-4o, A4 and a Boeing 737-800.",
        "She ran 5 in total; I am there in 5 days, and/or his/her friends are.",
        "In the 1990s, Node.js and C++ and C# were, e.g. in the U.S. Army, no. I mean it.",
        "Well... no, item(s) and class(es) are his: yes/no?",
        "I'm 5 today, so what? It's 10 out of 10.",
        "Seven times 8 is 56, and 1990 was a year. Chapter 5.",
        "I order 500 pens in that case, US 51234 troops said no. 5 minutes later it was code red.",
        "He sat. 5 minutes later she left with Mr. T. and No one else.",
    ],
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert say(text) == text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("It costs $5.", "en"),
        ("Sure,", "en"),
        ("$5", "en"),
        ("Das kostet 5 € und ist nicht teuer.", "de"),
        ("Le total est de 5,50 € pour vous.", "fr"),
        ("El total es de 5 euros para usted.", "es"),
        ("Il totale e 1.234.567 euro, per te.", "it"),
        ("合計は5ドルです。", ""),
        ("Это стоит 5 долларов.", ""),
    ],
)
def test_which_language_it_is(text: str, language: str) -> None:
    assert language_of(text) == language


ANSWERS = [
    "Sure, that is $42.50[1], due on 2024-01-05 at 14:30 【4†source】. Yes, it is.",
    "| City | Cost |\n|------|-----:|\n| Paris | $1,000.50 |\n\n- Call (415) 555-1212, or mail me@example.org.\n",
    "See https://www.example.com/docs/a-b?x=1 &amp; `df.groupby('x').mean()`. It weighs 5.5 kg.",
    "On Jan. 5, 2024 it was 3.14, and $E = mc^2$ holds. So \\(\\frac{a}{b} = 2.5\\) is **right**:\n\n$$\nx^2 = 4\n$$\n",
    "1. Open main.py. Then run it. 2. It is ½ done; your code: 482913. See No. 5.",
    "Look at example.com. Then pay 1,234,567 euros at 9 a.m. on 01/02/2023, or never.[^1] [^2]",
    "It's 20 °C, i.e. 68°F: **5'11\"** tall, <b>3x</b> faster [report.pdf#page=3], v2.5 or 1.2.3...",
    "Hello there, this is plain. It was said (as always) by Dr. Smith, who left!",
]


def tokens(text: str, rng: random.Random) -> list[str]:
    longest = rng.choice([1, 2, 4, 9, 40])
    cuts, at = [], 0
    while at < len(text):
        cuts.append(text[at : (at := at + rng.randint(1, longest))])
    return cuts


def read_out(cuts: list[str]) -> tuple[str, list[str]]:
    """What the voice is given, and the written words it stands for."""
    splitter = SpeechSplitter()
    pieces = [piece for token in cuts for piece in splitter.feed(token)]
    pieces += filter(None, [splitter.flush()])
    words, written, before = [], list[str](), ""
    for piece in pieces:
        groups = in_english(piece, before)
        words += [group.text for group in groups if group.text]
        written += [word for group in groups for word in group.written]
        before = f"{before} {piece}"
    return " ".join(words), written


@pytest.mark.parametrize("answer", ANSWERS)
def test_two_thousand_ways_to_cut_the_tokens_give_the_same_words(answer: str) -> None:
    whole, written = read_out([answer])
    assert written == speakable(answer).split()
    rng = random.Random(17)
    for _ in range(2000 // len(ANSWERS)):
        words, cut_written = read_out(tokens(answer, rng))
        assert re.findall(r"[\w'-]+", words) == re.findall(r"[\w'-]+", whole)
        assert re.findall(r"\w+", " ".join(cut_written)) == re.findall(r"\w+", " ".join(written))


def spoken_by_a_voice(text: str) -> list[SpokenWord]:
    """A tenth of a second for each word."""
    return [SpokenWord(word, 2400 * at, 2400 * (at + 1)) for at, word in enumerate(text.split())]


def test_what_was_said_leads_back_to_the_written_words() -> None:
    groups = in_english("It costs $42.50 or (415) 555-1212 now.")
    way_back = WayBack()
    way_back.add(groups)
    words = way_back.words(spoken_by_a_voice(" ".join(group.text for group in groups)))
    assert [word.text for word in words] == ["It", "costs", "$42.50", "or", "(415)", "555-1212", "now."]
    assert [word.start for word in words] == sorted(word.start for word in words)
    dollars = words[2]
    assert (dollars.start, dollars.end) == (2 * 2400, 7 * 2400)
    assert words[4].end == words[5].start


def test_words_of_a_voice_that_come_one_by_one_are_the_same() -> None:
    groups = in_english("In 5 km, → turn at 14:30.")
    spoken = spoken_by_a_voice(" ".join(group.text for group in groups if group.text))
    at_once, one_by_one = WayBack(), WayBack()
    at_once.add(groups)
    one_by_one.add(groups)
    assert [each for word in spoken for each in one_by_one.words([word])] == at_once.words(spoken)


@pytest.mark.parametrize(
    ("written", "heard", "unheard"),
    [
        ("It is so【4†source】. Next one.", "It is so.", " Next one."),
        ("It is 【4†source】 so. Next", "It is so.", " Next"),
        ("See [the docs](https://a.b) now", "See the docs", " now"),
        ("Tom &amp; Jerry came", "Tom & Jerry", " came"),
        ("Look ([x.com](https://x.com)) here now", "Look here", " now"),
    ],
)
def test_where_an_answer_with_marks_was_cut(written: str, heard: str, unheard: str) -> None:
    assert split_heard(written, heard)[1] == unheard
