"""Where an answer was cut: what was written, told apart by what was heard of it."""

from __future__ import annotations


def split_heard(written: str, heard: str) -> tuple[str, str, str]:
    """Where an interrupted answer was cut: (heard part, unheard part, what of ``heard`` is left for later lines).

    Compared word by word, letters and digits only: the spoken text has lost markdown and may differ in spaces.
    """
    wanted = [word for word in heard.split() if _bare(word)]
    end, position = 0, 0
    for word in written.split():
        start = written.index(word, position)
        position = start + len(word)
        bare = _bare(word)
        if bare and (not wanted or bare != _bare(wanted[0])):
            break
        if bare:
            wanted.pop(0)
        end = position
    return written[:end], written[end:], " ".join(wanted)


def _bare(word: str) -> str:
    return "".join(c for c in word if c.isalnum()).lower()
