"""What the log says: the session and turn of each line, and nothing of what was said unless that is asked for."""

from __future__ import annotations

import logging
import traceback
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType

from voice_agents.errors import VoiceAgentError

FORMAT = "%(levelname)s %(name)s%(where)s: %(message)s"
HIDDEN = "(what it says is left out, it may quote a conversation: LOG_CONTENT=1 shows it)"
_TELLS_NOTHING = (VoiceAgentError, OSError, MemoryError, RecursionError)
"""Errors whose text never holds what was said or typed."""

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


@dataclass(slots=True)
class Mark:
    """The session and turn that are being worked on; all tasks of a session share one."""

    session: str = ""
    turn: int = 0

    def __str__(self) -> str:
        return f" [session {self.session} turn {self.turn}]" if self.session else ""


current: ContextVar[Mark] = ContextVar("session and turn", default=Mark())  # noqa: B039  # nobody changes this one


class _WithMark(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.where = str(current.get())
        return True


class PlainFormatter(logging.Formatter):
    """Shows where an error comes from, and its text only if ``content`` may be shown or it can hold none."""

    def __init__(self, *, content: bool) -> None:
        super().__init__(FORMAT)
        self._content = content

    def formatException(self, ei: ExceptionInfo) -> str:
        """The traceback."""
        if self._content or ei[1] is None:
            return super().formatException(ei)
        return "\n".join(_without_content(ei[1], set()))


def set_up_logging(level: str = "WARNING", *, content: bool = False) -> None:
    """To standard error, for the whole process; once more changes both."""
    handler = logging.StreamHandler()
    handler.addFilter(_WithMark())
    handler.setFormatter(PlainFormatter(content=content))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _without_content(error: BaseException, seen: set[int]) -> list[str]:
    """An error and what it came from, oldest first."""
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [*_without_content(before, seen), "which led to"] if before is not None and id(before) not in seen else []
    lines += ["Traceback (most recent call last):", "".join(traceback.format_tb(error.__traceback__)).rstrip()]
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            lines += _without_content(part, seen)
    text = str(error) if isinstance(error, _TELLS_NOTHING) else HIDDEN
    return [*lines, f"{type(error).__qualname__}: {text}"]
