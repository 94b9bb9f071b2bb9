"""Cuts the model's tokens into pieces that can be spoken, the first as early as possible, without any markdown."""

from __future__ import annotations

RELEASE_AFTER_S = 0.08
"""How long the model must be silent before :meth:`SpeechSplitter.release` is worth calling."""


class SpeechSplitter:
    """One per turn. Pieces carry no outer white space; joined with a space they hold every word of the answer.

    The first piece is the first clause ("Sure,"), given with the very token that completes it; later pieces are whole
    sentences (clauses where a sentence is longer than about 150 characters). Markdown and emoji are taken out.
    """

    def feed(self, token: str) -> list[str]:
        """The next token, any length -> the pieces it completes, ready to be spoken, in order."""
        raise NotImplementedError

    def release(self) -> str | None:
        """No token came for a while (``RELEASE_AFTER_S``; a tool runs): the pending text if it is whole by itself.

        Decides what ``feed`` left open ("It is 3." may go on as "3.14"); never gives half a clause.
        """
        raise NotImplementedError

    def flush(self) -> str | None:
        """The answer (or one message of it) is over: what is left. The splitter can be fed again afterwards."""
        raise NotImplementedError


def speakable(text: str) -> str:
    """A whole text as it is spoken: without markdown and emoji, in one line."""
    raise NotImplementedError
