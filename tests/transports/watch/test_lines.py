"""The log: every line says whose it is, and none says what was said unless that is asked for."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.transports.watch.script import ANSWER, SECRET, cut_turn, failed_turn, play, registry, request, spoken_turn
from voice_agents.errors import ConfigurationError, VoiceAgentError
from voice_agents.logs import set_up_logging
from voice_agents.session.base import Session
from voice_agents.settings import Settings
from voice_agents.transports.watch.lines import Lines


@contextmanager
def logged(level: str, *, content: bool) -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    text = io.StringIO()
    root.handlers.clear()
    try:
        set_up_logging(level, content=content)
        handler = root.handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(text)
        yield text
    finally:
        root.handlers[:] = before
        root.setLevel(level_before)


async def run(*, content: bool, level: str = "INFO") -> tuple[str, str]:
    """The log of some turns, and the name of their session."""
    with logged(level, content=content) as text:
        async with registry([Lines(content=content)]) as places:
            live = await places.open(request())
            live.do(lambda session: None)
            await play(live, *spoken_turn(1, 1.0), *cut_turn(2, 10.0), *failed_turn(3, 20.0))
    assert live.request.conversation.id not in text.getvalue()
    return text.getvalue(), live.name


async def test_every_line_of_a_turn_names_session_and_turn() -> None:
    log, session = await run(content=False)
    assert log.splitlines() == [
        f"INFO voice_agents.turns: session {session}: sandwich, typed",
        f"INFO voice_agents.turns [session {session} turn 1]: done, voice to voice: 0.900 s",
        f"INFO voice_agents.turns [session {session} turn 2]: interrupted",
        f"INFO voice_agents.turns [session {session} turn 2]: done, voice to voice: 0.400 s",
        f"WARNING voice_agents.turns [session {session} turn 3]: ProviderTimeout: It took too long to answer.",
        f"INFO voice_agents.turns [session {session} turn 3]: done, voice to voice: no sound",
        f"INFO voice_agents.turns: session {session}: ended (shutdown)",
    ]


async def test_what_was_said_stands_in_the_log_only_if_asked_for() -> None:
    log, _ = await run(content=True)
    assert SECRET in log
    assert ANSWER in log


async def test_what_a_page_asks_of_a_session_is_logged_as_the_sessions() -> None:
    def complain(_session: Session) -> None:
        logging.getLogger("somewhere").warning("hm")

    with logged("WARNING", content=False) as text:
        async with registry([]) as places:
            live = await places.open(request())
            await play(live, *spoken_turn(7, 1.0))
            live.do(complain)
    assert text.getvalue() == f"WARNING somewhere [session {live.name} turn 7]: hm\n"


@pytest.mark.parametrize("content", [False, True])
def test_an_error_shows_where_it_comes_from_but_not_what_it_quotes(content: bool) -> None:
    with logged("WARNING", content=content) as text:
        try:
            try:
                float(SECRET)
            except ValueError as error:
                raise KeyError(SECRET) from error
        except KeyError:
            logging.getLogger("somewhere").exception("A tool failed")
    log = text.getvalue()
    assert "ValueError" in log
    assert "KeyError" in log
    assert "test_lines.py" in log
    assert (SECRET in log) is content


def test_an_error_of_ours_or_of_the_system_keeps_its_sentence() -> None:
    with logged("WARNING", content=False) as text:
        for error in (VoiceAgentError("The port is taken."), OSError(28, "No space left on device")):
            try:
                raise error
            except (VoiceAgentError, OSError):
                logging.getLogger("somewhere").exception("It failed")
    assert "VoiceAgentError: The port is taken." in text.getvalue()
    assert "No space left on device" in text.getvalue()


def test_an_error_of_several_hides_what_each_of_them_quotes() -> None:
    with logged("WARNING", content=False) as text:
        try:
            raise ExceptionGroup("both failed", [ValueError(SECRET), json.JSONDecodeError(SECRET, "{}", 0)])
        except ExceptionGroup:
            logging.getLogger("somewhere").exception("It failed")
    assert SECRET not in text.getvalue()
    assert "JSONDecodeError" in text.getvalue()


@pytest.mark.parametrize(("variable", "value"), [("LOG_CONTENT", "yes"), ("LOG_LEVEL", "loud")])
def test_a_setting_of_the_log_that_makes_no_sense_is_named(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        Settings.from_env({variable: value}, dotenv=None)
