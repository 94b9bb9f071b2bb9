"""Mathematics as TeX writes it, in English words."""

from __future__ import annotations

import re
from collections.abc import Iterator

_DELIMITED = re.compile(
    r"\$\$(?P<display>[^$\n]+)\$\$|\\\((?P<inline>[^\n]+?)\\\)|\\\[(?P<block>[^\n]+?)\\\]"
    r"|(?<![\w$\\])\$(?P<dollars>[^\s$](?:[^$\n]{0,200}?[^\s$\\])?)\$(?![\w$])"
)
_COMMAND = re.compile(
    r"(?<![\w\\:])[^\s\\]*\\(?:[dt]?frac|sqrt|boxed|sum|int|prod|times|cdot|leq?|geq?|neq|approx|pm|infty|text|left|right|lim"
    r"|alpha|beta|gamma|delta|theta|lambda|mu|pi|sigma|omega|Delta|Sigma|Omega|sin|cos|tan|log|ln)(?![A-Za-z])"
)
"""The first word of a formula that stands without delimiters."""
_WORD = re.compile(r"\S+")
_OPERATOR = re.compile(r"[=+\-*/<>−]|\\\S*")
_SURELY = re.compile(r"[\\^_{}=]")
_LETTERS = re.compile(r"[A-Za-z]+")
_TOKEN = re.compile(
    r"\\(?:text|mathrm|operatorname|mbox|textbf|textit)\*?\s*\{(?P<words>[^{}]*)\}"
    r"|\\(?P<unsaid>begin|end|label|tag|color)\s*\{[^{}]*\}|\\[A-Za-z]+\*?|\\.|\d+(?:[.,]\d+)*|\S",
    re.DOTALL,
)

_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
_WORDS = {
    **{rf"\{name}": name for name in _GREEK},
    **{rf"\{name.capitalize()}": f"capital {name}" for name in _GREEK},
    **{rf"\var{name}": name for name in ("epsilon", "theta", "phi", "rho", "sigma", "kappa", "pi")},
    **{r"\times": "times", r"\cdot": "times", "*": "times", r"\div": "divided by", "/": "over", "+": "plus"},
    **{"-": "minus", "−": "minus", "=": "equals", r"\pm": "plus or minus", r"\mp": "minus or plus", "!": "factorial"},
    **{"<": "is less than", r"\lt": "is less than", ">": "is greater than", r"\gt": "is greater than"},
    **{r"\le": "is at most", r"\leq": "is at most", r"\ge": "is at least", r"\geq": "is at least"},
    **{r"\ne": "is not equal to", r"\neq": "is not equal to", r"\approx": "is about", r"\equiv": "is equivalent to"},
    **{r"\sim": "is similar to", r"\propto": "is proportional to", r"\in": "in", r"\notin": "not in"},
    **{r"\subset": "is a subset of", r"\subseteq": "is a subset of", r"\cup": "union", r"\cap": "intersection"},
    **{r"\forall": "for all", r"\exists": "there is", r"\neg": "not", r"\land": "and", r"\lor": "or"},
    **{
        r"\to": "to",
        r"\rightarrow": "to",
        r"\Rightarrow": "implies",
        r"\implies": "implies",
        r"\iff": "if and only if",
    },
    **{r"\infty": "infinity", r"\partial": "partial", r"\nabla": "nabla", r"\circ": "degrees", r"\degree": "degrees"},
    **{
        r"\sum": "the sum",
        r"\prod": "the product",
        r"\int": "the integral",
        r"\lim": "the limit",
        r"\ldots": "and so on",
    },
    **{r"\sin": "sine", r"\cos": "cosine", r"\tan": "tangent", r"\log": "log", r"\ln": "natural log", r"\exp": "exp"},
    **{
        r"\dots": "and so on",
        r"\cdots": "and so on",
        r"\%": "percent",
        r"\$": "dollars",
        r"\&": "and",
        r"\mid": "given",
    },
    **{
        r"\max": "the maximum",
        r"\min": "the minimum",
        r"\hbar": "h bar",
        r"\ell": "l",
        r"\prime": "prime",
        "'": "prime",
    },
}
_BIG = (r"\sum", r"\prod", r"\int", r"\lim")
_ACCENTS = {r"\hat": "hat", r"\bar": "bar", r"\overline": "bar", r"\vec": "vector", r"\tilde": "tilde", r"\dot": "dot"}
_SILENT = frozenset(
    {
        *(r"\left", r"\right", r"\big", r"\Big", r"\bigl", r"\bigr", r"\quad", r"\qquad", r"\displaystyle", r"\limits"),
        *(
            r"\,",
            r"\;",
            r"\:",
            r"\!",
            "\\\\",
            "\\ ",
            r"\{",
            r"\}",
            "{",
            "}",
            "(",
            ")",
            "[",
            "]",
            "|",
            "&",
            "$",
            "~",
            ".",
            " ",
            "",
        ),
        *(r"\mathbf", r"\mathbb", r"\mathcal", r"\boxed", r"\mathit", r"\nonumber", r"\|", r"\(", r"\)", r"\[", r"\]"),
    }
)


def find_tex(text: str) -> Iterator[tuple[int, int, str]]:
    """Where mathematics stands in a text, with and without its delimiters; an amount such as $5 is none."""
    for match in _DELIMITED.finditer(text):
        content = match[match.lastgroup or 0]
        if match.lastgroup == "display" or _is_mathematics(content):
            yield match.start(), match.end(), content


def find_bare_tex(text: str) -> Iterator[tuple[int, int, str]]:
    """Where TeX's commands stand without delimiters, as on a line of a formula of several lines."""
    end = 0
    for match in _COMMAND.finditer(text):
        if match.start() >= end:
            end = _end_of_formula(text, match.start())
            yield match.start(), end, text[match.start() : end]


def _end_of_formula(text: str, start: int) -> int:
    """It goes on while a brace is open, and over operators."""
    depth, goes_on, end = 0, True, start
    for word in _WORD.finditer(text, start):
        is_operator = bool(_OPERATOR.match(word[0]))
        if depth <= 0 and not goes_on and not is_operator:
            break
        depth += word[0].count("{") - word[0].count("}")
        goes_on = is_operator and len(word[0]) == 1
        end = word.end() - (len(word[0]) - len(word[0].rstrip(".,;:?")) if depth <= 0 else 0)
        if end < word.end():
            break
    return end


def _is_mathematics(content: str) -> bool:
    letters = _LETTERS.findall(content)
    return bool(_SURELY.search(content)) or all(len(run) == 1 for run in letters)


def tex_in_words(tex: str) -> str:
    """``E = mc^2`` -> "E equals m c squared"."""
    return " ".join(" ".join(_Reader(tex).all()).split())


class _Reader:
    """Reads one formula from left to right."""

    def __init__(self, tex: str) -> None:
        self._tokens = [_known(match) for match in _TOKEN.finditer(tex)]
        self._at = 0
        self._big = False
        """What comes next may be the bounds of a sum."""

    def all(self) -> Iterator[str]:
        """The words, some of them empty."""
        while self._at < len(self._tokens):
            yield self._next()

    def _next(self) -> str:
        token = self._take()
        was_big, self._big = self._big, False
        if token in ("^", "_"):
            return self._bound(token) if was_big else self._script(token)
        if token in (r"\frac", r"\dfrac", r"\tfrac"):
            return f"{self._argument()} over {self._argument()}"
        if token == r"\sqrt":
            return self._root()
        if token in _ACCENTS:
            return f"{self._argument()} {_ACCENTS[token]}"
        if token in _SILENT:
            self._big = was_big and token in (r"\limits", r"\displaystyle")
            return ""
        self._big = token in _BIG
        return f"{'of ' if was_big else ''}{self._plain(token)}"

    def _plain(self, token: str) -> str:
        word = _WORDS.get(token) or token.removeprefix("\\").rstrip("*")
        return f"{word} of" if len(token) == 1 and token in "fghFGP" and self._peek() == "(" else word

    def _bound(self, token: str) -> str:
        what = self._argument()
        self._big = True
        return f"{'from' if token == '_' else 'to'} {what}"

    def _script(self, token: str) -> str:
        what = self._argument()
        if token == "_":
            return f"sub {what}"
        if what in ("degrees", "prime"):
            return what
        return {"2": "squared", "3": "cubed"}.get(what) or f"to the power of {what}"

    def _root(self) -> str:
        degree = ""
        if self._peek() == "[":
            self._take()
            while self._peek() not in ("]", ""):
                degree += self._take()
            self._take()
        which = {"": "the square root of", "3": "the cube root of"}.get(degree) or f"the root of degree {degree} of"
        return f"{which} {self._argument()}"

    def _argument(self) -> str:
        """The next group, or the next sign."""
        if self._peek() != "{":
            return self._next() if self._at < len(self._tokens) else ""
        self._take()
        words: list[str] = []
        while self._peek() not in ("}", ""):
            words.append(self._next())
        self._take()
        return " ".join(filter(None, words))

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token


def _known(match: re.Match[str]) -> str:
    """A token; words are one."""
    return " " if match["unsaid"] is not None else match["words"] if match["words"] is not None else match[0]
