"""Whoever waits for something urgent gets it first, and never waits for what can be put off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait

import pytest

from voice_agents.offline.work import Urgency, Workers

WAIT_S = 10.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    opened = Workers()
    yield opened
    opened.close()


def test_the_words_of_a_turn_do_not_wait_for_anybodys_partial_ones(workers: Workers) -> None:
    over = threading.Event()
    partials = [workers.submit(Urgency.PARTIAL, lambda: over.wait(WAIT_S)) for _ in range(3)]

    assert workers.submit(Urgency.FINAL, lambda: "words").result(WAIT_S) == "words"
    assert not any(partial.done() for partial in partials)
    over.set()
    wait(partials, WAIT_S)


def test_the_most_urgent_comes_first_and_else_who_came_first(workers: Workers) -> None:
    over, answered, order = threading.Event(), threading.Event(), list[str]()
    put_off = workers.submit(Urgency.PARTIAL, lambda: over.wait(WAIT_S))  # so that one thread is left for the rest
    holding: Future[object] = workers.submit(Urgency.FINAL, lambda: answered.wait(WAIT_S))
    jobs: list[Future[object]] = [
        workers.submit(urgency, lambda name=name: order.append(name))
        for urgency, name in (
            (Urgency.PAUSE, "pause"),
            (Urgency.FIRST_SOUND, "first sound"),
            (Urgency.FINAL, "first final"),
            (Urgency.FINAL, "second final"),
        )
    ]
    assert workers.wanted(Urgency.PARTIAL)
    assert not workers.wanted(Urgency.FINAL)
    answered.set()
    wait([holding, *jobs], WAIT_S)
    over.set()
    put_off.result(WAIT_S)

    assert order == ["first final", "second final", "first sound", "pause"]
    assert not workers.wanted(Urgency.PARTIAL)


def test_what_goes_wrong_is_told_and_the_next_is_done(workers: Workers) -> None:
    def wrong() -> None:
        raise ArithmeticError("wrong")

    with pytest.raises(ArithmeticError, match="wrong"):
        workers.submit(Urgency.FINAL, wrong).result(WAIT_S)
    assert workers.submit(Urgency.PARTIAL, lambda: 1).result(WAIT_S) == 1


def test_closing_finishes_what_runs_and_cancels_what_waits() -> None:
    workers, begun, over = Workers(), threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        over.wait(WAIT_S)
        return "done"

    running = workers.submit(Urgency.SOUND, slow)
    assert begun.wait(WAIT_S)
    waiting = workers.submit(Urgency.PARTIAL, lambda: "never")
    closing = threading.Thread(target=workers.close)
    closing.start()
    over.set()
    closing.join(WAIT_S)

    assert running.result(WAIT_S) == "done"
    assert waiting.cancelled()
    assert workers.submit(Urgency.FINAL, lambda: "late").cancelled()
