"""Addresses of pages, people, machines and files as people say them."""

from __future__ import annotations

import re

from voice_agents.turns.english.rule import rule

_SIGNS = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", "+": "plus", "~": "tilde", ":": "colon"}
_SIGNS |= {"\\": "backslash", "%": "percent", "=": "equals", "&": "and", "*": "star", "#": "hash"}
_SIGN = re.compile(r"[./_@+~:\\%=&*#-]")
_DOMAINS = (
    "com|org|net|io|dev|app|ai|edu|gov|mil|int|info|biz|me|tv|co|us|uk|de|fr|es|it|nl|be|ch|at|se|no|dk|fi|pl|pt|ie|eu|ru"
    "|cn|jp|kr|in|br|mx|ca|au|nz|za|local|example|cloud|online|shop|blog|tech|xyz"
)
_NAMES = "py|ts|tsx|jsx|json|ya?ml|toml|ini|cfg|conf|env|sh|bat|ps1|md|txt|csv|tsv|pdf|docx?|xlsx?|pptx?|html?|css|xml"
_NAMES += "|sql|log|zip|tar|gz|png|jpe?g|gif|svg|webp|mp[34]|wav|ogg|go|rs|java|cpp|hpp|exe|dll|so|lock|ipynb|onnx"
_PAGE = r"(?:https?|wss?|ftp|file)://[^\s<>\"“”()\[\]{}|]+(?:\([^\s()]*\)[^\s<>\"“”()\[\]{}|]*)?"
_PATH = r"(?:/[\w.~%@:+,=-]*)*"
_ENDS = ".,;:!?'’*"


def spelled(address: str) -> str:
    """``example.com/a-b`` -> "example dot com slash a dash b"."""
    return " ".join(_SIGN.sub(lambda sign: f" {_SIGNS[sign[0]]} ", address).split())


def _page(match: re.Match[str]) -> str:
    """What nobody could use by ear is left out: the scheme, and what follows a question mark or a hash."""
    whole = match[0]
    address = whole.rstrip(_ENDS)
    _, _, name = address.rpartition("://") if "://" in address.partition("?")[0] else ("", "", address)
    name = re.split(r"[?#]", name)[0].rstrip("/")
    host, slash, path = name.partition("/")
    host = re.sub(r":(\d+)$", r" port \1", host)
    return spelled(host) + (f" slash {spelled(path)}" if slash else "") + whole[len(address) :]


def _mail(match: re.Match[str]) -> str:
    return spelled(match[1])


def _file(match: re.Match[str]) -> str | None:
    return spelled(match[0])


RULES = (
    rule(_PAGE, _page),
    rule(r"(?<![\w.+-])(?:mailto:)?([\w.+-]*\w@[\w-]+(?:\.[\w-]+)*\.\w{2,})", _mail),
    rule(r"(?<![\w.@/])www\.[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:[/?#][^\s<>\"“”()\[\]{}|]*)?", _page),
    rule(r"(?<![\w.@/])localhost(?::\d+)(?:/[^\s<>\"()]*)?", _page),
    rule(r"(?<![\w.@/])(?:\d{1,3}\.){3}\d{1,3}(?::\d+|/\d{1,2})?(?![\w]|\.\d)" + _PATH, _page),
    rule(
        rf"(?<![\w.@/-])(?:[a-zA-Z0-9][\w-]*\.)+(?:{_DOMAINS})\b(?![\w-]|\.\w)(?::\d+)?(?:[/?#][^\s<>\"“”()\[\]]*)?",
        _page,
    ),
    rule(r"(?<!\w)[A-Za-z]:(?:\\[\w.-]+)+\\?", _file),
    rule(r"(?<![\w/.:<])(?:~|\.{1,2})?/[\w.@+-]+(?:/[\w.@+*-]+)*/?(?<!\.)(?![\w])", _file),
    rule(rf"(?<![\w/.@-])(?:[\w-]+\.)+(?:{_NAMES})\b(?![\w-]|\.\w)", _file),
    rule(rf"(?<![^\s(\"'“])\.(?:{_NAMES}|{_DOMAINS}|gitignore|dockerignore|js)\b(?![\w-]|\.\w)", _file),
)
