"""The scripted call, on virtual time: what an app does well and what it does wrong is told step by step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from tests.stories.clock import play
from voice_agents.audio import Pcm
from voice_agents.conversation.model import Conversation
from voice_agents.doctor.callers import SPEECH_RATE
from voice_agents.doctor.findings import Outcome, Score
from voice_agents.doctor.hearing import HeardSound
from voice_agents.doctor.process import ScrapedFigures
from voice_agents.doctor.script import QUESTION, STEPS, STORY, TOOL, ScriptedCall, cough, murmur
from voice_agents.transports.live import Transport

SPEECH: dict[str, Pcm] = {
    words: np.zeros(round(seconds * SPEECH_RATE), np.int16)
    for words, seconds in ((QUESTION, 1.5), (TOOL, 1.0), (STORY, 1.1))
}
LASTS_S = {QUESTION: 2.0, TOOL: 1.5, STORY: 40.0, "": 1.8}
SOUNDS = {len(cough()): "cough", len(murmur()): "mm-hmm"}
BLOCK_S = 0.02
NOTICED_S, DECIDED_S, THOUGHT_S = 0.1, 0.9, 0.7
"""After a voice begins; after a cough began; after a voice ended."""


class PretendedApp:
    """Caller, agent and figures in one; ``faults`` are what goes wrong, each so many times."""

    transport = Transport.WEBRTC

    def __init__(self, **faults: int) -> None:
        self.conversation = Conversation()
        self.heard = HeardSound()
        self._faults = Counter(faults)
        self._counts: Counter[str] = Counter()
        self._telling: asyncio.Task[None] | None = None
        self._reaction: asyncio.Task[None] | None = None
        self._paused = False
        self._news = asyncio.Event()

    def _goes_wrong(self, fault: str) -> bool:
        self._faults[fault] -= 1
        return self._faults[fault] >= 0

    # The app's figures

    async def figures(self) -> ScrapedFigures:
        return ScrapedFigures(
            "\n".join(f'voice_agents_{n}_total{{transport="webrtc"}} {c}' for n, c in self._counts.items())
        )

    async def until(self, true: Callable[[ScrapedFigures], bool], within_s: float) -> ScrapedFigures:
        async with asyncio.timeout(within_s):
            while not true(figures := await self.figures()):
                self._news.clear()
                await self._news.wait()
        return figures

    # The caller

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        began, lasts_s = asyncio.get_running_loop().time(), len(pcm) / SPEECH_RATE
        if sound := SOUNDS.get(len(pcm)):
            self._reaction = asyncio.create_task(self._disturbed(sound))
        else:
            words = next(words for words, said in SPEECH.items() if said is pcm)
            self._reaction = asyncio.create_task(self._spoken_to(words, lasts_s))
        await asyncio.sleep(lasts_s)
        return began, began + lasts_s

    async def type(self, text: str) -> None:
        self._answer("")

    # The agent

    async def _disturbed(self, sound: str) -> None:
        await asyncio.sleep(NOTICED_S)
        self._paused = True
        await asyncio.sleep(DECIDED_S)
        if self._goes_wrong(f"cut by a {sound}"):
            self._cut()
        self._paused = self._goes_wrong(f"not back after a {sound}")

    async def _spoken_to(self, words: str, lasts_s: float) -> None:
        await asyncio.sleep(NOTICED_S)
        if self._telling is not None and not self._goes_wrong("deaf"):
            self._cut()
        await asyncio.sleep(lasts_s - NOTICED_S + THOUGHT_S)
        if self._telling is None and not self._goes_wrong(f"mute for {words}"):
            self._counts["tool_calls"] += words == TOOL and not self._goes_wrong("without the tool")
            self._answer(words)

    def _answer(self, words: str) -> None:
        self._paused = False
        self._telling = asyncio.create_task(self._tell(LASTS_S[words]))

    def _cut(self) -> None:
        assert self._telling is not None
        self._telling.cancel()
        self._counts["interruptions"] += 1
        self._over()

    async def _tell(self, lasts_s: float) -> None:
        while lasts_s > 0:
            if not self._paused:
                self.heard.add(np.full(320, 5000, np.int16), SPEECH_RATE)
                lasts_s -= BLOCK_S
            await asyncio.sleep(BLOCK_S)
        self._over()

    def _over(self) -> None:
        self._telling = None
        self._counts["turns"] += 1
        self._news.set()


def examined(**faults: int) -> tuple[Score, ScriptedCall]:
    async def story() -> tuple[Score, ScriptedCall]:
        app = PretendedApp(**faults)
        call = ScriptedCall(app, app, SPEECH)
        return await call.run("a call"), call

    return play(story())


def test_a_good_call_is_all_green_and_asks_for_one_story() -> None:
    score, call = examined()
    assert [(step.name, step.outcome) for step in score.steps] == [(step, Outcome.OK) for step in STEPS]
    assert call.said == [QUESTION, STORY, QUESTION, TOOL]
    assert score.figures["answer after (as heard)"] == pytest.approx(THOUGHT_S, abs=0.05)
    assert score.figures["silent after (as heard)"] == pytest.approx(NOTICED_S, abs=0.05)


FAULTS = [
    ("cut by a cough", "cough", "was interrupted by it"),
    ("cut by a mm-hmm", "mm-hmm", "was interrupted by it"),
    ("not back after a cough", "cough", "was not heard again"),
    ("not back after a mm-hmm", "mm-hmm", "was not heard again"),
    ("deaf", "interruption", "was not interrupted"),
    ("without the tool", "tool", "without the tool"),
    (f"mute for {TOOL}", "tool", f'no answer to "{TOOL}"'),
]


@pytest.mark.parametrize(("fault", "step", "says"), FAULTS)
def test_what_always_goes_wrong_fails_its_step_and_no_other(fault: str, step: str, says: str) -> None:
    score, _ = examined(**{fault: 99})
    (failed,) = [found for found in score.steps if found.outcome is not Outcome.OK]
    assert (failed.name, failed.outcome) == (step, Outcome.FAILED)
    assert says in failed.says


@pytest.mark.parametrize(("fault", "step", "says"), FAULTS)
def test_what_goes_wrong_once_is_tried_again_and_told(fault: str, step: str, says: str) -> None:
    score, _ = examined(**{fault: 1})
    (warned,) = [found for found in score.steps if found.outcome is not Outcome.OK]
    assert (warned.name, warned.outcome) == (step, Outcome.WARNING)
    assert says in warned.says


def test_an_app_that_says_nothing_fails_every_step() -> None:
    score, _ = examined(**{f"mute for {words}": 99 for words in (QUESTION, STORY, TOOL)})
    assert [step.name for step in score.steps if step.outcome is Outcome.FAILED] == list(STEPS[:-1])
